/* gpu_bench_product.c: products of the GPU beside a kernel that only reads the same bytes, and those of cuBLASLt.
 * Weights 5120 to 17408, batch 1 to 64; large products of 8192 x 8192 in FLOP/s. */
#include <stdio.h>
#include <string.h>

#include "kernels/gpu_series.h"
#include "tests/gpu_measure.h"

enum { ROWS = 17408, COLS = 5120, SIZE = 8192 };

/* What one H200 is to reach at batch 1, of a bare read. */
static double goal_of(const char *format, int batch)
{
    static const struct { const char *format; double share; } goals[] = {
        {"bf16", 0.92}, {"fp16", 0.92}, {"e4m3", 0.90}, {"int8", 0.90}, {"int4", 0.82}, {"nvfp4", 0.78},
    };
    for (size_t i = 0; batch == 1 && i < sizeof goals / sizeof goals[0]; i++)
        if (strcmp(goals[i].format, format) == 0)
            return goals[i].share;
    return 0;
}

static void bench_format(struct gpu_bench *b, const struct gpu_kernel *k, const int *batches)
{
    struct gpu_product_series s;
    double first = 0;
    char name[64];
    if (gpu_product_open(&s, &b->memory, k, ROWS, COLS, 1) != KERNEL_OK)
        printf("product %s: %s\n", k->format, b->m->error());
    for (int i = 0; s.own && batches[i]; i++) {
        s.work.batch = batches[i];
        snprintf(name, sizeof name, "product %s x %s, batch %d", k->format, k->input, batches[i]);
        double ms = gpu_row(b, name, gpu_product_launch, &s, s.bytes, GPU_CEILING_READ, goal_of(k->format, batches[i]),
                            batches[i] >= 16 ? 2.0 * ROWS * COLS * batches[i] : 0);
        first = i == 0 ? ms : first;
        if (first > 0 && ms > 0 && batches[i] == 16)
            printf("    batch 16: %.2f times batch 1\n", ms / first);
    }
    s.work.early = true;        /* as a server launches them; what it is compared with still waits */
    for (int i = 0; s.own && batches[i]; i++)
        if (batches[i] == 1 || batches[i] == 16) {
            s.work.batch = batches[i];
            snprintf(name, sizeof name, "product %s x %s, batch %d, early", k->format, k->input, batches[i]);
            gpu_row(b, name, gpu_product_launch, &s, s.bytes, GPU_CEILING_READ, 0, 0);
        }
    gpu_product_close(&s);
}

static void bench_gemm(struct gpu_bench *b, const struct gpu_kernel *k, bool fast)
{
    struct gpu_gemm_series s;
    char name[64];
    const char *sums = strcmp(k->format, "e4m3") ? "" : fast ? " fast" : " promoted";
    snprintf(name, sizeof name, "gemm %s%s, %d^3", k->format, sums, SIZE);
    if (gpu_gemm_open(&s, &b->memory, k, SIZE, fast) == KERNEL_OK)
        gpu_row(b, name, gpu_gemm_launch, &s, s.bytes, GPU_CEILING_NONE, 0, s.flop);
    else
        printf("%s: %s\n", name, b->m->error());
    gpu_gemm_close(&s);
}

void gpu_bench_product(struct gpu_bench *b)
{
    static const int all[] = {1, 8, 16, 32, 64, 0}, few[] = {1, 16, 0};
    const struct gpu_kernel *k;
    for (size_t i = 0; (k = b->m->kernel(i)) != NULL; i++) {
        if (k->op == GPU_GEMV)
            bench_format(b, k, strcmp(k->input, "bf16") == 0 ? all : few);
        if (k->op == GPU_GEMM && k->needs <= b->m->device(b->g)->capability)
            for (int fast = 0; fast <= (strcmp(k->format, "e4m3") == 0); fast++)
                bench_gemm(b, k, fast);
    }
}
