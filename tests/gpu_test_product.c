/* gpu_test_product.c: products of the GPU against sums in double precision.
 * Weights and activations are drawn anew for every case; outputs are poisoned before and checked to be whole.
 * Called by gpu_test.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/format.h"
#include "kernels/gpu_product.h"
#include "kernels/random.h"
#include "tests/gpu_check.h"

struct product_case {
    const struct gpu_layout *layout;
    const struct format *element, *input, *scale;   /* of codes, of x, of the record's scales (NULL: none) */
    int rows, cols, batch, groups;
    uint8_t *codes, *scales;
    uint16_t *x;                /* [batch, padded] */
    float *row_scale, *got;
    double *want;
    struct gpu_weights w;
};

/* A code other than NaN and infinity; now and then the zero of either sign, the largest, the smallest. */
static uint32_t draw_code(const struct format *f)
{
    uint32_t code;
    do
        code = f->bits == 16 ? format_encode(f, gpu_uniform(), (struct cast){0})
            : (uint32_t)(gpu_draw() >> 40) & ((1u << f->bits) - 1);
    while (!isfinite(format_decode(f, code)));
    return code;
}

static size_t pad(size_t n)
{
    return (n + GPU_CHUNK - 1) / GPU_CHUNK * GPU_CHUNK;
}

static const char *element_of(const char *format)
{
    return strcmp(format, "mxfp4") == 0 || strcmp(format, "nvfp4") == 0 ? "e2m1" : format;
}

static void put_scale(struct product_case *c, size_t i)
{
    if (c->layout->scale_bytes == 2) {
        uint16_t bits = (uint16_t)format_encode(c->scale, 0.02f + 0.01f * gpu_uniform(), (struct cast){0});
        memcpy(c->scales + 2 * i, &bits, 2);
    } else if (c->layout->group == 32) {
        c->scales[i] = (uint8_t)(120 + gpu_draw() % 12);
    } else {
        c->scales[i] = (uint8_t)(gpu_draw() % 127);     /* E4M3: never negative, zero and subnormals included */
    }
}

static double scale_value(const struct product_case *c, size_t i)
{
    uint16_t bits;
    if (c->layout->scale_bytes == 2) {
        memcpy(&bits, c->scales + 2 * i, 2);
        return (double)format_decode(c->scale, bits);
    }
    return c->layout->group == 32 ? ldexp(1, c->scales[i] - 127) : (double)format_decode(c->scale, c->scales[i]);
}

static void draw_case(struct product_case *c)
{
    size_t n = (size_t)c->rows * (size_t)c->cols, width = c->layout->bits == 16 ? 2 : 1, padded = pad((size_t)c->cols);
    c->groups = c->layout->group ? (c->cols + c->layout->group - 1) / c->layout->group : 0;
    c->codes = malloc(n * width + 1);
    c->scales = malloc((size_t)c->rows * (size_t)c->groups * 2 + 1);
    c->x = calloc((size_t)c->batch * padded + 1, 2);
    c->row_scale = malloc((size_t)c->rows * sizeof(float) + 1);
    c->want = calloc((size_t)c->batch * (size_t)c->rows + 1, sizeof(double));
    for (size_t i = 0; i < n; i++) {
        uint32_t code = draw_code(c->element);
        if (width == 2)
            ((uint16_t *)(void *)c->codes)[i] = (uint16_t)code;
        else
            c->codes[i] = (uint8_t)code;
    }
    for (size_t i = 0; i < (size_t)c->rows * (size_t)c->groups; i++)
        put_scale(c, i);
    for (int b = 0; b < c->batch; b++)
        for (int i = 0; i < c->cols; i++)
            c->x[(size_t)b * padded + (size_t)i] = (uint16_t)format_encode(c->input, gpu_uniform() * 3,
                    (struct cast){0});
    for (int i = 0; i < c->rows; i++)
        c->row_scale[i] = 0.5f + 0.4f * gpu_uniform();
}

static double weight_at(const struct product_case *c, int row, int col)
{
    size_t i = (size_t)row * (size_t)c->cols + (size_t)col;
    uint32_t code = c->layout->bits == 16 ? ((const uint16_t *)(const void *)c->codes)[i] : c->codes[i];
    double v = (double)format_decode(c->element, code);
    if (c->layout->group)
        v *= scale_value(c, (size_t)row * (size_t)c->groups + (size_t)(col / c->layout->group));
    return v * (double)c->w.tensor_scale * (c->layout->bits == 8 ? (double)c->row_scale[row] : 1);
}

static void compute_reference(struct product_case *c)
{
    size_t padded = pad((size_t)c->cols);
    double *x = malloc(((size_t)c->batch * (size_t)c->cols + 1) * sizeof *x);
    for (int b = 0; b < c->batch; b++)
        for (int i = 0; i < c->cols; i++)
            x[b * c->cols + i] = (double)format_decode(c->input, c->x[(size_t)b * padded + (size_t)i]);
    for (int r = 0; r < c->rows; r++)
        for (int i = 0; i < c->cols; i++) {
            double w = weight_at(c, r, i);
            for (int b = 0; b < c->batch; b++)
                c->want[b * c->rows + r] += w * x[b * c->cols + i];
        }
    free(x);
}

/* Packs and multiplies, twice: the second launch finds the scratch as the first left it. */
static bool run_case(struct gpu_checks *t, struct product_case *c, const struct gpu_kernel *k)
{
    size_t n = (size_t)c->rows * (size_t)c->cols * (c->layout->bits == 16 ? 2 : 1),
        outputs = (size_t)c->batch * (size_t)c->rows;
    size_t scratch = gpu_gemv_scratch(t->m->device(t->g)->processors), padded = pad((size_t)c->cols);
    void *codes = gpu_put(t, c->codes, n), *x = gpu_put(t, c->x, (size_t)c->batch * padded * 2);
    void *scales = gpu_put(t, c->scales, (size_t)c->rows * (size_t)c->groups * (size_t)c->layout->scale_bytes);
    void *row_scale = gpu_put(t, c->row_scale, (size_t)c->rows * sizeof(float)), *y = gpu_room(t,
            outputs * sizeof(float));
    struct gpu_gemv work = {&c->w, x, c->batch, y, gpu_room(t, scratch), false};
    struct gpu_pack pack = {&c->w, codes, scales};
    c->w.records = gpu_room(t, gpu_weights_bytes(&c->w));
    c->w.row_scale = c->layout->bits == 8 ? row_scale : NULL;
    t->m->fill(t->g, work.scratch, 0, scratch);
    bool good = gpu_do(t, t->m->find(t->g, GPU_PACK, NULL, NULL), &pack, "pack") && gpu_do(t, k, &work, "product");
    t->m->fill(t->g, y, 0xff, outputs * sizeof(float));
    work.early = true;
    good = good && gpu_do(t, k, &work, "product again");
    c->got = gpu_get(t, y, outputs * sizeof(float));
    void *const all[] = {codes, x, scales, row_scale, y, work.scratch, c->w.records};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        gpu_drop(t, all[i]);
    return good;
}

static void check_product(struct gpu_checks *t, const struct gpu_kernel *k, int rows, int cols, int batch)
{
    const struct gpu_layout *l = gpu_layout_find(k->format);
    struct product_case c = {.layout = l, .element = format_find(element_of(k->format)), .input = format_find(k->input),
                             .scale = format_find(l->group == 128 ? "fp16" : "e4m3"), .rows = rows, .cols = cols,
                                 .batch = batch};
    c.w = (struct gpu_weights){.layout = l, .rows = rows, .cols = cols, .tensor_scale = l->group == 16 ? 0.37f : 1};
    draw_case(&c);
    compute_reference(&c);
    if (run_case(t, &c, k)) {
        double error = gpu_frobenius(c.got, c.want, (size_t)batch * (size_t)rows);
        gpu_expect(t, error <= (double)k->bound, "product %s x %s, rows %d, cols %d, batch %d: error %.3g, bound %.3g",
                   k->format,
                   k->input, rows, cols, batch, error, (double)k->bound);
    }
    free(c.codes), free(c.scales), free(c.x), free(c.row_scale), free(c.got), free(c.want);
}

void gpu_test_product(struct gpu_checks *t)
{
    static const int shapes[][3] = {
        {1, 1, 1}, {17, 129, 3}, {0, 8, 1}, {16, 0, 2}, {300, 700, 0}, {40, 256, 9}, {300, 700, 1}, {1000, 1300, 8},
            {257, 511, 16},
        {2100, 640, 17}, {515, 1030, 33}, {5000, 520, 64}, {700, 5120, 5},
    };
    int count = t->small ? 6 : (int)(sizeof shapes / sizeof shapes[0]);
    const struct gpu_kernel *k;
    for (size_t i = 0; (k = t->m->kernel(i)) != NULL; i++)
        for (int s = 0; k->op == GPU_GEMV && s < count; s++)
            check_product(t, k, shapes[s][0], shapes[s][1], shapes[s][2]);
}
