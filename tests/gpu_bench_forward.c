/* gpu_bench_forward.c: the pieces of a language model's forward pass in FP32, as the lab model has them and larger.
 * Products have their FLOP/s: the card's FP32 units bound them, and the order of sums that the bits want. What goes by
 * rows is compared with a copy of the same bytes. */
#include <stdio.h>
#include <string.h>

#include "kernels/gpu_forward.h"
#include "tests/gpu_measure.h"

enum { TOKENS = 16384, WIDTH = 256, INNER = 768, CONTEXT = 512 };

/* One kind of work over the slots of the arena: `own` floats of a slot lie between its inputs and its output. */
struct forward_series {
    struct gpu_bench *b;
    const struct gpu_kernel *kernel;
    struct gpu_sgemm  product;
    struct gpu_causal causal;
    struct gpu_rows   rows;
    size_t bytes;
    int    slots;
};

static enum kernel_status launch(struct gpu *g, void *ctx, int i)
{
    struct forward_series *s = ctx;
    float *at = (float *)(void *)gpu_slot(s->b, s->bytes, s->slots, i);
    s->product.panels = at, s->product.x = at + s->product.n * s->product.k;
    s->product.y = at + s->product.n * s->product.k + s->product.m * s->product.k;
    s->causal.q = at, s->causal.k = s->causal.v = at + TOKENS * WIDTH, s->causal.out = at + 2 * TOKENS * WIDTH;
    s->rows.x = at, s->rows.y = at + s->rows.rows * s->rows.cols, s->rows.by = at;
    return s->kernel->launch(g, s->kernel->op == GPU_SGEMM    ? (const void *)&s->product
                                : s->kernel->op == GPU_CAUSAL ? (const void *)&s->causal
                                                              : (const void *)&s->rows);
}

static void time_one(struct gpu_bench *b, struct forward_series *s, const char *name, enum gpu_op op, double flop)
{
    s->b = b;
    s->kernel = b->m->find(b->g, op, NULL, NULL);
    s->slots = gpu_slots(b, s->bytes);
    if (s->kernel && s->slots > 0)
        gpu_row(b, name, launch, s, s->bytes, flop > 0 ? GPU_CEILING_NONE : GPU_CEILING_COPY, 0, flop);
}

static void time_product(struct gpu_bench *b, size_t m, size_t n, size_t k)
{
    char name[80];
    struct forward_series s = {.product = {.m = m, .n = n, .k = k}, .bytes = 4 * (n * k + m * k + m * n)};
    snprintf(name, sizeof name, "forward: sgemm %zu x %zu, %zu tokens", k, n, m);
    time_one(b, &s, name, GPU_SGEMM, 2.0 * (double)m * (double)n * (double)k);
}

void gpu_bench_forward(struct gpu_bench *b)
{
    struct forward_series causal = {.causal = {.tokens = TOKENS, .context = CONTEXT, .heads = 4, .kv_heads = 2,
                                               .head = 64}, .bytes = 12 * (size_t)TOKENS * WIDTH};
    struct forward_series norm = {.rows = {.rows = TOKENS, .cols = WIDTH, .eps = 1e-5f}, .bytes = 8 * TOKENS * WIDTH};
    struct forward_series swiglu = {.rows = {.rows = TOKENS, .cols = INNER}, .bytes = 8 * TOKENS * INNER};
    time_product(b, TOKENS, WIDTH, WIDTH);
    time_product(b, TOKENS, INNER, WIDTH);
    time_product(b, TOKENS, WIDTH, INNER);
    time_product(b, 4096, 4096, 4096);
    time_one(b, &causal, "forward: causal attention, windows of 512, 4 heads on 2 of 64", GPU_CAUSAL,
             4.0 * 64 * 4 * TOKENS * (CONTEXT + 1) / 2);
    time_one(b, &norm, "forward: RMSNorm of 256", GPU_NORM, 0);
    time_one(b, &swiglu, "forward: SwiGLU of 768, gate and up the same", GPU_SWIGLU, 0);
}
