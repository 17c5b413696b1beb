/* gpu_test_gemm.c: cuBLASLt's products against sums in double precision, and the accumulator of FP8 tensor cores.
 * The course says that Hopper adds FP8 products in some 14 bits: 6.6e-2 off at 4,096 products of U(0, 1), 4.9e-4 when
 * partial sums are promoted. Here the card's error stands beside that of accumulate.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/accumulate.h"
#include "kernels/format.h"
#include "kernels/gpu_gemm.h"
#include "tests/gpu_check.h"

struct gemm_case {
    const struct format *format;
    struct gpu_gemm work;
    float *w, *x;               /* what the codes stand for */
    float *got;
};

static void *codes_of(const struct format *f, float *values, size_t n, float low)
{
    uint8_t *codes = malloc(2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        float y = low + (1 - low) * 0.5f * (gpu_uniform() + 1);
        uint32_t code = format_encode(f, f->kind == FORMAT_INTEGER ? y * 127 : y, (struct cast){0});
        values[i] = format_decode(f, code);
        if (f->bits == 16)
            ((uint16_t *)(void *)codes)[i] = (uint16_t)code;
        else
            codes[i] = (uint8_t)code;
    }
    return codes;
}

/* Draws W and X between low and 1 and multiplies; c->got is to be freed with the values. */
static bool run_gemm(struct gpu_checks *t, const struct gpu_kernel *k, struct gemm_case *c, float low)
{
    size_t nw = (size_t)c->work.rows * (size_t)c->work.cols, nx = (size_t)c->work.tokens * (size_t)c->work.cols;
    size_t outputs = (size_t)c->work.rows * (size_t)c->work.tokens, width = c->format->bits == 16 ? 2 : 1;
    c->w = malloc(nw * sizeof(float) + 1);
    c->x = malloc(nx * sizeof(float) + 1);
    void *w = codes_of(c->format, c->w, nw, low), *x = codes_of(c->format, c->x, nx, low);
    void *all[] = {gpu_put(t, w, nw * width), gpu_put(t, x, nx * width), gpu_room(t, outputs * sizeof(float)),
                   gpu_room(t, GPU_GEMM_SCRATCH)};
    c->work.w = all[0], c->work.x = all[1], c->work.y = all[2], c->work.scratch = all[3];
    bool good = gpu_do(t, k, &c->work, "gemm");
    c->got = gpu_get(t, all[2], outputs * sizeof(float));
    for (size_t i = 0; i < outputs && c->format->kind == FORMAT_INTEGER; i++) {
        int32_t whole;
        memcpy(&whole, &c->got[i], sizeof whole);
        c->got[i] = (float)whole;           /* below 2^24 at these sizes: exact */
    }
    for (int i = 0; i < 4; i++)
        gpu_drop(t, all[i]);
    free(w), free(x);
    return good;
}

static void free_gemm(struct gemm_case *c)
{
    free(c->w), free(c->x), free(c->got);
}

static void check_gemm(struct gpu_checks *t, const struct gpu_kernel *k, int rows, int cols, int tokens)
{
    struct gemm_case c = {.format = format_find(k->format),
                          .work = {.rows = rows, .cols = cols, .tokens = tokens, .scale = strcmp(k->format, "int8")
                                   ? 0.5f : 1}};
    if (run_gemm(t, k, &c, -1)) {
        double *want = calloc((size_t)rows * (size_t)tokens + 1, sizeof *want);
        for (int b = 0; b < tokens; b++)
            for (int r = 0; r < rows; r++)
                for (int i = 0; i < cols; i++)
                    want[b * rows + r] += (double)c.work.scale * (double)c.w[r * cols + i] * (double)c.x[b * cols + i];
        double error = gpu_frobenius(c.got, want, (size_t)rows * (size_t)tokens);
        gpu_expect(t, error <= (double)k->bound, "gemm %s, %d x %d, %d tokens: error %.3g, bound %.3g", k->format,
                   rows, cols,
                   tokens, error, (double)k->bound);
        free(want);
    }
    free_gemm(&c);
}

/* The mean relative error of U(0, 1) sums of 4,096 E4M3 products on the card, and of the emulation on some of them. */
static double accumulator_error(struct gpu_checks *t, const struct gpu_kernel *k, bool fast, double *emulated)
{
    enum { SIZE = 256, COLS = 4096, SOME = 16 };
    const struct accumulator *a = accumulator_find(fast ? "acc14" : "acc14-promoted");
    struct gemm_case c = {.format = format_find("e4m3"),
                          .work = {.rows = SIZE, .cols = COLS, .tokens = SIZE, .scale = 1, .fast = fast}};
    double sum = NAN, emulation = 0;
    if (run_gemm(t, k, &c, 0)) {
        sum = 0;
        for (int b = 0; b < SIZE; b++)
            for (int r = 0; r < SIZE; r++) {
                double want = 0;
                for (int i = 0; i < COLS; i++)
                    want += (double)c.w[r * COLS + i] * (double)c.x[b * COLS + i];
                sum += fabs((double)c.got[b * SIZE + r] - want) / want;
                if (b < SOME && r < SOME)
                    emulation += fabs(a->dot(c.w + r * COLS, c.x + b * COLS, COLS) - want) / want;
            }
    }
    free_gemm(&c);
    *emulated = emulation / (SOME * SOME);
    return sum / (SIZE * SIZE);
}

/* On Hopper both errors must be the emulation's, within a third; elsewhere they are only told. */
static void check_accumulators(struct gpu_checks *t, const struct gpu_kernel *k)
{
    bool hopper = t->m->device(t->g)->capability == 90;
    for (int fast = 0; fast < 2; fast++) {
        double emulated, error = accumulator_error(t, k, fast, &emulated);
        printf("e4m3, 4096 products of U(0, 1), %s: relative error %.3g on the card, %.3g emulated\n",
               fast ? "fast accumulation" : "promoted", error, emulated);
        gpu_expect(t, isfinite(error) && (!hopper || (error < emulated * 1.33 && error > emulated * 0.67)),
                   "the accumulator's error is not the emulation's: %.3g, %.3g", error, emulated);
    }
}

void gpu_test_gemm(struct gpu_checks *t)
{
    static const int shapes[][3] = {{4, 16, 4}, {0, 16, 4}, {128, 256, 64}, {300, 528, 60}, {1024, 512, 256}};
    const struct gpu_kernel *k;
    for (size_t i = 0; (k = t->m->kernel(i)) != NULL; i++) {
        if (k->op != GPU_GEMM || k->needs > t->m->device(t->g)->capability)
            continue;
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            check_gemm(t, k, shapes[s][0], shapes[s][1], shapes[s][2]);
        if (strcmp(k->format, "e4m3") == 0 && !t->small)
            check_accumulators(t, k);
    }
}
