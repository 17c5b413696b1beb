/* gpu_bench_product.c: products of the GPU beside a kernel that only reads the same bytes.
 * Records are the arena's random bits: what they hold changes no time. Weights 5120 to 17408, batch 1 to 64. */
#include <stdio.h>
#include <string.h>

#include "kernels/gpu_product.h"
#include "tests/gpu_measure.h"

enum { ROWS = 17408, COLS = 5120 };

struct product_series {
    const struct gpu_bench *b;
    const struct gpu_kernel *kernel;
    struct gpu_weights w;
    struct gpu_gemv work;
    size_t bytes;
    int    slots;
};

static enum kernel_status launch(struct gpu *g, void *ctx, int i)
{
    struct product_series *s = ctx;
    s->w.records = (uint8_t *)gpu_slot(s->b, s->bytes, s->slots, i);
    s->work.w = &s->w;
    return s->kernel->launch(g, &s->work);
}

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
    struct product_series s = {.b = b, .kernel = k,
                               .w = {.layout = gpu_layout_find(k->format), .rows = ROWS, .cols = COLS,
                                     .tensor_scale = 1}};
    void *x = NULL, *y = NULL, *row_scale = NULL;
    size_t scratch = gpu_gemv_scratch(b->m->device(b->g)->processors), x_bytes = (size_t)GPU_BATCH_MOST * COLS * 2;
    s.bytes = gpu_weights_bytes(&s.w);
    s.slots = gpu_slots(b, s.bytes);
    bool good = b->m->alloc(b->g, x_bytes, &x) == KERNEL_OK && b->m->copy(b->g, x, b->arena, x_bytes) == KERNEL_OK &&
                b->m->alloc(b->g, (size_t)GPU_BATCH_MOST * ROWS * sizeof(float), &y) == KERNEL_OK &&
                b->m->alloc(b->g, ROWS * sizeof(float), &row_scale) == KERNEL_OK &&
                b->m->fill(b->g, row_scale, 0x3c, ROWS * sizeof(float)) == KERNEL_OK &&
                b->m->alloc(b->g, scratch, &s.work.scratch) == KERNEL_OK &&
                b->m->fill(b->g, s.work.scratch, 0, scratch) == KERNEL_OK;
    s.w.row_scale = s.w.layout->bits == 8 ? row_scale : NULL;
    s.work.x = x, s.work.y = y;
    for (int i = 0; good && s.slots > 0 && batches[i]; i++) {
        char name[64];
        s.work.batch = batches[i];
        snprintf(name, sizeof name, "product %s x %s, batch %d", k->format, k->input, batches[i]);
        gpu_row(b, name, launch, &s, s.bytes, GPU_CEILING_READ, goal_of(k->format, batches[i]),
                batches[i] >= 16 ? 2.0 * ROWS * COLS * batches[i] : 0);
    }
    if (!good)
        printf("product %s: %s\n", k->format, b->m->error());
    b->m->free(b->g, x), b->m->free(b->g, y), b->m->free(b->g, row_scale), b->m->free(b->g, s.work.scratch);
}

void gpu_bench_product(struct gpu_bench *b)
{
    static const int all[] = {1, 8, 16, 32, 64, 0}, few[] = {1, 16, 0};
    const struct gpu_kernel *k;
    for (size_t i = 0; (k = b->m->kernel(i)) != NULL; i++)
        if (k->op == GPU_GEMV)
            bench_format(b, k, strcmp(k->input, "bf16") == 0 ? all : few);
}
