/* gpu_test.c: the CUDA kernels against the scalar reference, on a real card; skips without one.
 * Prints a line for each failure and "N passed N failed" at the end. Needs nothing but kernels/ and the module.
 * --small: sizes for compute-sanitizer. --exhaustive: all 2^32 floats (--tuned: of the fast encoders). --device N.
 * --only WORD: some tests. --part K/N: one of N processes, K from 0, that share the work of encode, quantize, cast and
 * all-floats. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/cpu.h"
#include "tests/gpu_check.h"

/* ---- Counting -------------------------------------------------------------------------------------- */

bool gpu_expect(struct gpu_checks *c, bool ok, const char *text, ...)
{
    enum { PRINTED = 40 };
    va_list args;
    if (ok) {
        c->passed++;
        return true;
    }
    if (c->failed++ < PRINTED) {
        printf("failed: ");
        va_start(args, text);
        vprintf(text, args);
        va_end(args);
        printf("\n");
        fflush(stdout);
    }
    return false;
}

bool gpu_expect_ok(struct gpu_checks *c, enum kernel_status status, const char *what)
{
    return gpu_expect(c, status == KERNEL_OK, "%s: %s: %s", what, kernel_status_text(status), c->m->error());
}

bool gpu_mine(const struct gpu_checks *c, size_t i)
{
    return i % c->parts == c->part;
}

/* ---- Memory ---------------------------------------------------------------------------------------- */

/* A test cannot go on without memory. */
static void need(struct gpu_checks *c, bool ok)
{
    if (!ok) {
        printf("gpu-test: %s\n%d passed %d failed\n", c->m->error(), c->passed, c->failed + 1);
        exit(1);
    }
}

void *gpu_room(struct gpu_checks *c, size_t bytes)
{
    void *p;
    need(c, c->m->alloc(c->g, bytes, &p) == KERNEL_OK && c->m->fill(c->g, p, 0xaa, bytes) == KERNEL_OK);
    return p;
}

void *gpu_put(struct gpu_checks *c, const void *host, size_t bytes)
{
    void *p;
    need(c, c->m->alloc(c->g, bytes, &p) == KERNEL_OK && c->m->upload(c->g, p, host, bytes) == KERNEL_OK);
    return p;
}

void gpu_drop(struct gpu_checks *c, void *p)
{
    c->m->free(c->g, p);
}

void *gpu_get(struct gpu_checks *c, const void *p, size_t bytes)
{
    void *host = malloc(bytes + 1);
    need(c, host && c->m->download(c->g, host, p, bytes) == KERNEL_OK);
    return host;
}

bool gpu_do(struct gpu_checks *c, const struct gpu_kernel *k, const void *work, const char *what)
{
    enum kernel_status status = k ? k->launch(c->g, work) : KERNEL_NO_KERNEL;
    if (status == KERNEL_OK)
        status = c->m->wait(c->g, NULL, 0);
    return gpu_expect_ok(c, status, what);
}

/* ---- Numbers --------------------------------------------------------------------------------------- */

uint64_t gpu_draw(void)
{
    static uint64_t draws;
    uint64_t z = (draws += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

float gpu_uniform(void)
{
    return (float)((double)(int64_t)gpu_draw() * 0x1p-63);
}

double gpu_frobenius(const float *got, const double *want, size_t n)
{
    double error = 0, signal = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - want[i];
        error += d * d;
        signal += want[i] * want[i];
    }
    return error == 0 ? 0 : sqrt(error / signal);
}

/* ---- The tests ------------------------------------------------------------------------------------- */

static const struct test {
    const char *name;
    void      (*run)(struct gpu_checks *c);
} tests[] = {
    {"encode", gpu_test_encode}, {"quantize", gpu_test_quantize}, {"cast", gpu_test_cast},
    {"all-floats", gpu_test_all}, {"product", gpu_test_product}, {"attention", gpu_test_attention},
    {"gemm", gpu_test_gemm}, {"forward", gpu_test_forward},
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run(struct gpu_checks *c)
{
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int passed = c->passed, failed = c->failed;
        double from = seconds();
        if (c->only && !strstr(tests[i].name, c->only))
            continue;
        tests[i].run(c);
        printf("%s: %d passed, %d failed, %.1f s\n", tests[i].name, c->passed - passed, c->failed - failed,
               seconds() - from);
    }
    printf("%d passed %d failed\n", c->passed, c->failed);
    return c->failed > 0;
}

int main(int argc, char **argv)
{
    struct gpu_checks c = {.parts = 1};
    char why[320];
    int index = -1;
    for (int i = 1; i < argc; i++) {
        c.small |= strcmp(argv[i], "--small") == 0;
        c.exhaustive |= strcmp(argv[i], "--exhaustive") == 0;
        c.tuned |= strcmp(argv[i], "--tuned") == 0;
        if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            index = atoi(argv[++i]);
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            c.only = argv[++i];
        else if (strcmp(argv[i], "--part") == 0 && i + 1 < argc)
            sscanf(argv[++i], "%u/%u", &c.part, &c.parts);
    }
    c.parts += c.parts == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);     /* what was found is said even if the run is cut off */
    cpu_fp_setup();
    gpu_place(getenv("SAFFRON_GPU_MODULE"));
    if (gpu_open(index, &c.g, why, sizeof why) != KERNEL_OK) {
        printf("gpu-test: skipped: %s\n", why);
        return 0;
    }
    c.m = gpu_opened();
    printf("on %s\n", c.m->device(c.g)->name);
    int status = run(&c);
    c.m->close(c.g);
    return status;
}
