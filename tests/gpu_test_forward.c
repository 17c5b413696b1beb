/* gpu_test_forward.c: the pieces of a language model's forward pass on the card: the processor's bits, exactly.
 * Ragged shapes, sizes 0 and 1, and every way a piece can be asked for; the reference is forward_reference.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/forward_reference.h"
#include "tests/gpu_check.h"

static float *uniform(size_t n, float size)
{
    float *x = malloc(n * sizeof *x + 1);
    for (size_t i = 0; x && i < n; i++)
        x[i] = size * gpu_uniform();
    return x;
}

/* How many of got[0..n) differ from want; -0 is 0, and a NaN is like no other number. */
static size_t differing(const float *got, const float *want, size_t n)
{
    size_t differ = 0;
    for (size_t i = 0; i < n; i++)
        differ += !(got[i] == want[i]);
    return differ;
}

static const struct gpu_kernel *row_of(struct gpu_checks *c, enum gpu_op op)
{
    const struct gpu_kernel *k = c->m->find(c->g, op, NULL, NULL);
    gpu_expect(c, k && k->bound == 0, "the launch table has no exact row for operation %d", (int)op);
    return k;
}

/* --- products ----------------------------------------------------------------------------------------------------- */

static void check_product(struct gpu_checks *c, size_t m, size_t n, size_t k, bool bias, bool onto)
{
    struct panels p;
    float *w = uniform(n * k, 1), *x = uniform(m * k, 1), *b = uniform(n, 1), *y = uniform(m * n, 1);
    if (panels_make(&p, n, k) != KERNEL_OK)
        exit(1);
    panels_rows(&p, 0, n, w, k);
    size_t padded = (n + 2 * SGEMM_PANEL - 1) / (2 * SGEMM_PANEL) * (2 * SGEMM_PANEL);
    struct gpu_sgemm here = {p.data, x, bias ? b : NULL, y, m, n, k, onto}, there = here;
    void *all[] = {gpu_put(c, p.data, padded * k * sizeof *w), gpu_put(c, x, m * k * sizeof *x),
                   gpu_put(c, b, n * sizeof *b), onto ? gpu_put(c, y, m * n * sizeof *y)
                                                      : gpu_room(c, m * n * sizeof *y)};
    there.panels = all[0], there.x = all[1], there.bias = bias ? all[2] : NULL, there.y = all[3];
    if (gpu_do(c, row_of(c, GPU_SGEMM), &there, "sgemm")) {
        float *got = gpu_get(c, all[3], m * n * sizeof *got);
        reference_forward(GPU_SGEMM, &here);
        size_t bad = differing(got, y, m * n);
        gpu_expect(c, bad == 0, "sgemm %zu x %zu x %zu, bias %d, onto %d: %zu differ", m, n, k, bias, onto, bad);
        free(got);
    }
    for (int i = 0; i < 4; i++)
        gpu_drop(c, all[i]);
    panels_free(&p);
    free(w), free(x), free(b), free(y);
}

static void check_products(struct gpu_checks *c)
{
    static const size_t shapes[][3] = {{1, 1, 1}, {0, 5, 3}, {3, 40, 0}, {5, 33, 7}, {128, 64, 16}, {129, 65, 17},
                                       {250, 100, 129}, {300, 256, 256}, {7, 768, 256}, {130, 31, 1000}};
    for (size_t i = 0; i < (c->small ? 6 : sizeof shapes / sizeof shapes[0]); i++)
        for (int how = 0; how < 4; how++)
            check_product(c, shapes[i][0], shapes[i][1], shapes[i][2], how & 1, how & 2);
}

/* --- attention ---------------------------------------------------------------------------------------------------- */

static void check_attention(struct gpu_checks *c, size_t tokens, size_t context, int heads, int kv_heads, int head)
{
    size_t nq = tokens * (size_t)(heads * head), nk = tokens * (size_t)(kv_heads * head);
    float *q = uniform(nq, 3), *k = uniform(nk, 1), *v = uniform(nk, 1), *out = uniform(nq, 1);
    struct gpu_causal here = {q, k, v, out, tokens, context, heads, kv_heads, head}, there = here;
    void *all[] = {gpu_put(c, q, nq * sizeof *q), gpu_put(c, k, nk * sizeof *k), gpu_put(c, v, nk * sizeof *v),
                   gpu_room(c, nq * sizeof *out)};
    there.q = all[0], there.k = all[1], there.v = all[2], there.out = all[3];
    if (gpu_do(c, row_of(c, GPU_CAUSAL), &there, "causal attention")) {
        float *got = gpu_get(c, all[3], nq * sizeof *got);
        reference_forward(GPU_CAUSAL, &here);
        size_t bad = differing(got, out, nq);
        gpu_expect(c, bad == 0, "attention, %zu tokens in windows of %zu, %d on %d heads of %d: %zu differ", tokens,
                   context, heads, kv_heads, head, bad);
        free(got);
    }
    for (int i = 0; i < 4; i++)
        gpu_drop(c, all[i]);
    free(q), free(k), free(v), free(out);
}

static void check_attentions(struct gpu_checks *c)
{
    check_attention(c, 0, 512, 4, 2, 64);
    check_attention(c, 1, 512, 1, 1, 2);
    check_attention(c, 17, 16, 4, 4, 30);
    check_attention(c, 100, 70, 4, 2, 64);
    check_attention(c, 70, 64, 2, 1, 128);
    if (!c->small) {
        check_attention(c, 70, 70, 3, 1, 256);
        check_attention(c, 200, 1000, 6, 2, 80);
        check_attention(c, 1100, 512, 4, 2, 64);
        check_attention(c, 4000, 4000, 1, 1, 16);       /* fewer queries a block: longer scores */
    }
    struct gpu_causal wide = {.tokens = 1, .context = 1, .heads = 1, .kv_heads = 1, .head = 257};
    const struct gpu_kernel *k = row_of(c, GPU_CAUSAL);
    gpu_expect(c, k && k->launch(c->g, &wide) == KERNEL_NO_KERNEL, "heads of 257 values were not refused");
    struct gpu_causal longest = {.tokens = 1 << 20, .context = 1 << 20, .heads = 1, .kv_heads = 1, .head = 64};
    gpu_expect(c, k && k->launch(c->g, &longest) == KERNEL_NO_KERNEL, "a window of 2^20 tokens was not refused");
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* Runs op on the card and here and compares y [rows, cols]; what the other pointers name is uploaded by its size. */
static void check_rows(struct gpu_checks *c, enum gpu_op op, const char *what, struct gpu_rows here, bool in_place,
                       size_t by, size_t angles)
{
    struct gpu_rows there = here;
    size_t n = here.rows * here.cols;
    float *start = uniform(n, 4), *x = uniform(n, op == GPU_SWIGLU ? 100 : 4);
    void *all[] = {
        gpu_put(c, start, n * sizeof *start), gpu_put(c, x, n * sizeof *x),
        here.by ? gpu_put(c, here.by, by * sizeof *here.by) : NULL,
        here.index ? gpu_put(c, here.index, here.rows * sizeof *here.index) : NULL,
        here.cosine ? gpu_put(c, here.cosine, angles * sizeof *here.cosine) : NULL,
        here.sine ? gpu_put(c, here.sine, angles * sizeof *here.sine) : NULL,
        here.signs ? gpu_put(c, here.signs, here.block * here.block) : NULL,
        here.kept ? gpu_put(c, here.kept, here.cols) : NULL};
    here.y = in_place ? x : start, here.x = x;
    there.y = in_place ? all[1] : all[0], there.x = all[1], there.by = all[2], there.index = all[3];
    there.cosine = all[4], there.sine = all[5], there.signs = all[6], there.kept = all[7];
    if (gpu_do(c, row_of(c, op), &there, what)) {
        float *got = gpu_get(c, there.y, n * sizeof *got);
        reference_forward(op, &here);
        size_t bad = differing(got, here.y, n);
        gpu_expect(c, bad == 0, "%s of %zu rows of %zu%s: %zu differ", what, here.rows, here.cols,
                   in_place ? ", in place" : "", bad);
        free(got);
    }
    for (int i = 0; i < 8; i++)
        gpu_drop(c, all[i]);
    free(start), free(x);
}

static void check_shape(struct gpu_checks *c, size_t rows, size_t cols)
{
    float *by = uniform(rows * cols + cols, 2);
    uint8_t *kept = malloc(cols + 1);
    uint32_t *index = malloc(rows * sizeof *index + 1);
    for (size_t i = 0; i < cols; i++)
        kept[i] = gpu_draw() % 4 == 0;
    for (size_t i = 0; i < rows; i++)
        index[i] = (uint32_t)(gpu_draw() % (rows + 1));
    for (int in_place = 0; in_place < 2; in_place++) {
        struct gpu_rows t = {.rows = rows, .cols = cols, .by = by, .eps = 1e-5f};
        check_rows(c, GPU_NORM, "norm", t, in_place, cols, 0);
        check_rows(c, GPU_SWIGLU, "swiglu", t, in_place, rows * cols, 0);
        check_rows(c, GPU_DIVIDE, "division", t, in_place, cols, 0);
        t.by = NULL, t.kept = kept;
        check_rows(c, GPU_DROP, "dropped columns", t, in_place, 0, 0);
        check_rows(c, GPU_KEEP, "kept columns", t, in_place, 0, 0);
    }
    struct gpu_rows gather = {.rows = rows, .cols = cols, .by = by, .index = index};
    check_rows(c, GPU_GATHER, "gather", gather, false, rows * cols + cols, 0);
    free(by), free(kept), free(index);
}

static void check_turns(struct gpu_checks *c, size_t rows, size_t context, size_t heads, size_t head)
{
    size_t angles = context * head / 2;
    float *cosine = uniform(angles, 1), *sine = uniform(angles, 1);
    struct gpu_rows t = {.rows = rows, .cols = heads * head, .cosine = cosine, .sine = sine, .context = context,
                         .head = head};
    check_rows(c, GPU_ROTATE, "rotation by position", t, false, 0, angles);
    check_rows(c, GPU_ROTATE, "rotation by position", t, true, 0, angles);
    free(cosine), free(sine);
}

static void check_hadamard(struct gpu_checks *c, size_t rows, size_t n)
{
    struct hadamard h;
    if (hadamard_make(&h, n) != KERNEL_OK)
        exit(1);
    struct gpu_rows t = {.rows = rows, .cols = n, .signs = h.signs, .block = h.block};
    check_rows(c, GPU_HADAMARD, "Hadamard rotation", t, false, 0, 0);
    check_rows(c, GPU_HADAMARD, "Hadamard rotation", t, true, 0, 0);
    hadamard_free(&h);
}

void gpu_test_forward(struct gpu_checks *c)
{
    check_products(c);
    check_attentions(c);
    check_shape(c, 1, 1);
    check_shape(c, 0, 16);
    check_shape(c, 5, 15);
    check_shape(c, 17, 256);
    check_shape(c, c->small ? 3 : 100, 1001);
    check_turns(c, 1, 1, 1, 2);
    check_turns(c, 70, 32, 3, 64);
    check_hadamard(c, 3, 1);
    check_hadamard(c, 20, 256);
    check_hadamard(c, 20, 768);
    check_hadamard(c, 5, 28);
}
