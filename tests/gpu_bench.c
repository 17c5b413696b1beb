/* gpu_bench.c: times of the CUDA kernels against what the memory gives; skips without a card.
 * Series of launches in one CUDA graph over rotating buffers larger than the L2; medians; a lone launch beside them.
 * --json FILE: the same numbers for programs. --device N. --only WORD: some rows.
 * --section NAME: encode, product, attention or forward only. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/gpu_measure.h"

/* ---- Memory ---------------------------------------------------------------------------------------- */

int gpu_slots(const struct gpu_bench *b, size_t bytes)
{
    return gpu_arena_slots(&b->memory, bytes);
}

char *gpu_slot(const struct gpu_bench *b, size_t bytes, int slots, int i)
{
    return gpu_arena_slot(&b->memory, bytes, slots, i);
}

/* ms of a series; 0, and a line, if it failed. */
static double time_series(struct gpu_bench *b, gpu_series_fn *series, void *ctx, int launches)
{
    double ms = 0;
    if (gpu_arena_time(&b->memory, series, ctx, launches, GPU_ROUNDS, &ms) == KERNEL_OK)
        return ms;
    printf("  %s\n", b->m->error());
    return 0;
}

/* The time that the memory needs for `bytes` of traffic; 0 if that is not asked. */
static double ceiling_ms(struct gpu_bench *b, size_t bytes, enum gpu_ceiling ceiling)
{
    double ms = 0;
    if (ceiling == GPU_CEILING_COPY)
        gpu_arena_copy(&b->memory, bytes, GPU_ROUNDS, &ms);
    else if (ceiling == GPU_CEILING_READ)
        gpu_arena_read(&b->memory, bytes, GPU_ROUNDS, &ms);
    return ms;
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

static void write_json(struct gpu_bench *b, const char *name, double ms, double lone, size_t bytes, double share,
                       enum gpu_ceiling ceiling, double goal, double flop)
{
    static const char *const ceilings[] = {"read", "copy", "none"};
    if (!b->json)
        return;
    fprintf(b->json, "%s\n    {\"name\": \"%s\", \"us\": %.3f, \"lone_us\": %.3f, \"bytes\": %zu, \"gb_s\": %.1f, "
            "\"of\": \"%s\", \"share\": %.4f, \"goal\": %.2f, \"tflop_s\": %.2f}", b->rows++ ? "," : "", name,
            1000 * ms, 1000 * lone, bytes, (double)bytes / ms / 1e6, ceilings[ceiling], share, goal, flop / ms / 1e9);
}

double gpu_row(struct gpu_bench *b, const char *name, gpu_series_fn *series, void *ctx, size_t bytes,
               enum gpu_ceiling ceiling, double goal, double flop)
{
    static const char *const ceilings[] = {"of read", "of copy", ""};
    if (b->only && !strstr(name, b->only))
        return 0;
    double before = ceiling_ms(b, bytes, ceiling), ms = time_series(b, series, ctx, GPU_LAUNCHES);
    double after = ceiling_ms(b, bytes, ceiling), lone = time_series(b, series, ctx, 0);
    if (ms <= 0)
        return 0;
    double share = (before + after) / 2 / ms;
    printf("%-44s %9.2f us %8.1f GB/s", name, 1000 * ms, (double)bytes / ms / 1e6);
    if (ceiling != GPU_CEILING_NONE)
        printf("  %.3f %s", share, ceilings[ceiling]);
    if (goal > 0)
        printf(" (goal %.2f%s)", goal, share < goal ? ", short" : "");
    if (flop > 0)
        printf("  %.1f TFLOP/s", flop / ms / 1e9);
    printf("  alone %.2f us\n", 1000 * lone);
    fflush(stdout);
    write_json(b, name, ms, lone, bytes, share, ceiling, goal, flop);
    return ms;
}

/* ---- The report ------------------------------------------------------------------------------------ */

static void head(struct gpu_bench *b)
{
    const struct gpu_device *d = b->m->device(b->g);
    int driver, runtime;
    char date[32];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    b->m->versions(&driver, &runtime);
    printf("%s, %d processors, %.1f GiB, L2 %zu MiB; CUDA driver %d.%d, runtime %d.%d; %s\n"
           "medians of %d graphs of %d launches over rotating buffers\n", d->name, d->processors,
           (double)d->memory / (1 << 30), d->l2_bytes >> 20, driver / 1000, driver % 1000 / 10, runtime / 1000,
           runtime % 1000 / 10, date, GPU_ROUNDS, GPU_LAUNCHES);
    if (b->json)
        fprintf(b->json, "{\"device\": \"%s\", \"processors\": %d, \"memory\": %zu, \"l2\": %zu, \"driver_cuda\": %d, "
                "\"runtime_cuda\": %d, \"date\": \"%s\", \"launches\": %d, \"rounds\": %d, \"command\": "
                "\"make gpu-bench\", \"rows\": [", d->name, d->processors, d->memory, d->l2_bytes, driver, runtime,
                date, GPU_LAUNCHES, GPU_ROUNDS);
}

static void bench_memory(struct gpu_bench *b)
{
    static const size_t sizes[] = {(size_t)46 << 20, (size_t)256 << 20, (size_t)1 << 30};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        double copied = ceiling_ms(b, sizes[i], GPU_CEILING_COPY), read = ceiling_ms(b, sizes[i], GPU_CEILING_READ);
        printf("%4zu MiB: copied (half read, half written) at %.1f GB/s, read at %.1f GB/s\n", sizes[i] >> 20,
               (double)sizes[i] / copied / 1e6, (double)sizes[i] / read / 1e6);
    }
}

static const struct section {
    const char *name;
    void      (*run)(struct gpu_bench *b);
} sections[] = {
    {"encode", gpu_bench_encode}, {"product", gpu_bench_product}, {"attention", gpu_bench_attention},
    {"forward", gpu_bench_forward},
};

static int run(struct gpu_bench *b)
{
    if (gpu_arena_open(&b->memory, b->g, (size_t)6 << 30, NULL) != KERNEL_OK) {
        printf("gpu-bench: %s\n", b->m->error());
        return 1;
    }
    b->arena = b->memory.base;
    head(b);
    bench_memory(b);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (!b->section || strcmp(b->section, sections[i].name) == 0)
            sections[i].run(b);
    if (b->json)
        fprintf(b->json, "\n]}\n");
    gpu_arena_close(&b->memory);
    return 0;
}

int main(int argc, char **argv)
{
    struct gpu_bench b = {0};
    char why[320];
    int index = -1;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && !(b.json = fopen(argv[i + 1], "w"))) {
            fprintf(stderr, "gpu-bench: cannot write '%s'\n", argv[i + 1]);
            return 1;
        }
        index = strcmp(argv[i], "--device") == 0 ? atoi(argv[i + 1]) : index;
        b.only = strcmp(argv[i], "--only") == 0 ? argv[i + 1] : b.only;
        b.section = strcmp(argv[i], "--section") == 0 ? argv[i + 1] : b.section;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);     /* what was timed is said even if the run is cut off */
    gpu_place(getenv("SAFFRON_GPU_MODULE"));
    if (gpu_open(index, &b.g, why, sizeof why) != KERNEL_OK) {
        printf("gpu-bench: skipped: %s\n", why);
        return 0;
    }
    b.m = gpu_opened();
    int status = run(&b);
    b.m->close(b.g);
    if (b.json)
        fclose(b.json);
    return status;
}
