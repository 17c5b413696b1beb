/* gpu_bench.c: times of the CUDA kernels against what the memory gives; skips without a card.
 * Series of launches in one CUDA graph over rotating buffers larger than the L2; medians; a lone launch beside them.
 * --json FILE: the same numbers for programs. --device N. --only WORD: some rows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/gpu_measure.h"

/* ---- Buffers --------------------------------------------------------------------------------------- */

static size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

int gpu_slots(const struct gpu_bench *b, size_t bytes)
{
    size_t slots = b->arena_bytes / aligned(bytes);
    return slots > GPU_LAUNCHES ? GPU_LAUNCHES : (int)slots;
}

char *gpu_slot(const struct gpu_bench *b, size_t bytes, int slots, int i)
{
    return b->arena + (size_t)(i % slots) * aligned(bytes);
}

/* Fills the arena with the bits of normal BF16 numbers: exponents that formats meet, no NaN. */
static enum kernel_status fill_arena(struct gpu_bench *b)
{
    enum { PIECE = 1 << 22 };
    uint16_t *piece = malloc(PIECE);
    uint64_t state = 88172645463325252u;
    enum kernel_status status = piece ? KERNEL_OK : KERNEL_NO_MEMORY;
    for (int i = 0; piece && i < PIECE / 2; i++) {
        double sum = 0;         /* of twelve uniform numbers: nearly normal */
        for (int k = 0; k < 12; k++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            sum += (double)(state >> 11) * 0x1p-53;
        }
        float x = (float)(sum - 6);
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        piece[i] = (uint16_t)(bits >> 16);
    }
    for (size_t at = 0; status == KERNEL_OK && at + PIECE <= b->arena_bytes; at += PIECE)
        status = b->m->upload(b->g, b->arena + at, piece, PIECE);
    free(piece);
    return status;
}

/* ---- Ceilings -------------------------------------------------------------------------------------- */

struct stream {
    const struct gpu_bench *b;
    size_t bytes;
    int    slots;
    uint32_t *sum;
};

static enum kernel_status copy_series(struct gpu *g, void *ctx, int i)
{
    const struct stream *s = ctx;
    char *slot = gpu_slot(s->b, 2 * s->bytes, s->slots, i);
    return s->b->m->copy(g, slot + s->bytes, slot, s->bytes);
}

static enum kernel_status read_series(struct gpu *g, void *ctx, int i)
{
    const struct stream *s = ctx;
    struct gpu_read work = {gpu_slot(s->b, s->bytes, s->slots, i), s->bytes, s->sum};
    return s->b->m->find(g, GPU_READ, NULL, NULL)->launch(g, &work);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof *ms, ascending);
    return n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2;
}

/* The median of a series; 0, and a line, if it failed. */
static double time_series(struct gpu_bench *b, gpu_series_fn *series, void *ctx, int launches)
{
    double ms[GPU_ROUNDS];
    if (b->m->measure(b->g, series, ctx, launches, GPU_ROUNDS, ms) == KERNEL_OK)
        return median(ms, GPU_ROUNDS);
    printf("  %s\n", b->m->error());
    return 0;
}

/* The time that the memory needs for `bytes` of traffic. */
static double ceiling_ms(struct gpu_bench *b, size_t bytes, enum gpu_ceiling ceiling)
{
    struct stream s = {b, ceiling == GPU_CEILING_COPY ? bytes / 512 * 256 : (bytes + 15) / 16 * 16, 0, NULL};
    if (ceiling == GPU_CEILING_NONE)
        return 0;
    s.slots = gpu_slots(b, ceiling == GPU_CEILING_COPY ? 2 * s.bytes : s.bytes);
    if (b->m->alloc(b->g, sizeof *s.sum, (void **)&s.sum) != KERNEL_OK || s.slots == 0)
        return 0;
    double ms = time_series(b, ceiling == GPU_CEILING_COPY ? copy_series : read_series, &s, GPU_LAUNCHES);
    b->m->free(b->g, s.sum);
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
        char name[64];
        struct stream s = {b, sizes[i] / 2, gpu_slots(b, sizes[i]), NULL};
        snprintf(name, sizeof name, "memcpy, %zu MiB of traffic", sizes[i] >> 20);
        gpu_row(b, name, copy_series, &s, sizes[i], GPU_CEILING_NONE, 0, 0);
        s.bytes = sizes[i];
        if (b->m->alloc(b->g, sizeof *s.sum, (void **)&s.sum) != KERNEL_OK)
            return;
        snprintf(name, sizeof name, "read, %zu MiB", sizes[i] >> 20);
        gpu_row(b, name, read_series, &s, sizes[i], GPU_CEILING_NONE, 0, 0);
        b->m->free(b->g, s.sum);
    }
}

static int run(struct gpu_bench *b)
{
    size_t free = b->m->device(b->g)->free;
    b->arena_bytes = free / 2 < (size_t)6 << 30 ? free / 2 : (size_t)6 << 30;
    if (b->m->alloc(b->g, b->arena_bytes, (void **)&b->arena) != KERNEL_OK || fill_arena(b) != KERNEL_OK) {
        printf("gpu-bench: %s\n", b->m->error());
        return 1;
    }
    head(b);
    bench_memory(b);
    gpu_bench_encode(b);
    if (b->json)
        fprintf(b->json, "\n]}\n");
    b->m->free(b->g, b->arena);
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
    }
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
