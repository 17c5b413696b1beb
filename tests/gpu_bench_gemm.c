/* gpu_bench_gemm.c: large products by cuBLASLt in BF16, INT8 and FP8, fast and promoted, in FLOP/s.
 * The ratio of FP8 to BF16 is what prefill of the linear layers can gain. */
#include <stdio.h>
#include <string.h>

#include "kernels/format.h"
#include "kernels/gpu_gemm.h"
#include "tests/gpu_measure.h"

struct gemm_series {
    const struct gpu_kernel *kernel;
    struct gpu_gemm work;
};

static enum kernel_status launch(struct gpu *g, void *ctx, int i)
{
    struct gemm_series *s = ctx;
    (void)i;
    return s->kernel->launch(g, &s->work);
}

static void bench_gemm(struct gpu_bench *b, const struct gpu_kernel *k, int size, bool fast)
{
    struct gemm_series s = {.kernel = k, .work = {.rows = size, .cols = size, .tokens = size, .scale = 1,
                                                  .fast = fast}};
    size_t n = (size_t)size * (size_t)size, bytes = n * format_find(k->format)->bits / 8;
    char name[64];
    void *y = NULL;
    if (2 * bytes > b->memory.bytes || b->m->alloc(b->g, n * sizeof(float), &y) != KERNEL_OK ||
        b->m->alloc(b->g, GPU_GEMM_SCRATCH, &s.work.scratch) != KERNEL_OK) {
        printf("gemm %s: %s\n", k->format, b->m->error());
        return;
    }
    s.work.w = b->arena;
    s.work.x = b->arena + bytes;
    s.work.y = y;
    snprintf(name, sizeof name, "gemm %s%s, %d^3", k->format, strcmp(k->format, "e4m3") ? "" : fast ? " fast"
             : " promoted", size);
    gpu_row(b, name, launch, &s, 2 * bytes + n * sizeof(float), GPU_CEILING_NONE, 0, 2.0 * size * size * size);
    b->m->free(b->g, y), b->m->free(b->g, s.work.scratch);
}

void gpu_bench_gemm(struct gpu_bench *b)
{
    const struct gpu_kernel *k;
    for (size_t i = 0; (k = b->m->kernel(i)) != NULL; i++)
        for (int fast = 0; k->op == GPU_GEMM && k->needs <= b->m->device(b->g)->capability &&
             fast <= (strcmp(k->format, "e4m3") == 0); fast++)
            bench_gemm(b, k, 8192, fast);
}
