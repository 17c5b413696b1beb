/* gpu_test_quantize.c: whole tensors: gpu_quantize against quantize() with scalar code, field by field, bit by bit.
 * Every format with every kind of scale, zero-point, clip and rounding that goes with it, over ragged shapes.
 * The inputs are random, with outliers, and with what is not finite. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu_quantize.h"
#include "kernels/random.h"
#include "tests/gpu_check.h"

/* ---- Tensors --------------------------------------------------------------------------------------- */

static const struct shape {
    size_t rows, cols;
} shapes[] = {{0, 0}, {0, 7}, {5, 0}, {1, 1}, {3, 257}, {130, 100}, {17, 2048}, {70, 1111}};

enum flavor { PLAIN, OUTLIERS, STRANGE, ZEROS, TINY, FLAVORS };

static void fill(float *x, size_t n, enum flavor flavor, uint64_t seed)
{
    random_gaussian(x, n, seed, flavor == TINY ? 1e-41 : 0.7);
    if (flavor != PLAIN)
        random_outliers(x, n, seed, 0.01, 60);
    for (size_t i = 0; flavor == STRANGE && i < n; i++)
        switch (random_bits(seed, STREAM_CHANNELS, i) % 97) {
        case 0: x[i] = NAN; break;
        case 1: x[i] = INFINITY; break;
        case 2: x[i] = -INFINITY; break;
        case 3: x[i] = -0.0f; break;
        case 4: x[i] = 1e-40f; break;
        case 5: x[i] = 3e38f; break;
        default: break;
        }
    for (size_t i = 0; flavor == ZEROS && i < n; i++)
        x[i] = random_bits(seed, STREAM_CHANNELS, i / 40) % 3 ? (i % 2 ? -0.0f : 0.0f) : x[i];
}

/* ---- Comparing ------------------------------------------------------------------------------------- */

static bool same_bits(const void *a, const void *b, size_t n)
{
    return n == 0 || (a && b && memcmp(a, b, n) == 0) || (!a && !b);
}

/* The name of the first field that differs; NULL: none. */
static const char *difference(const struct quant *a, const struct quant *b)
{
    size_t n = a->rows * a->cols, scales = a->scale_count;
    if (!same_bits(a->scales, b->scales, scales * sizeof(float)))
        return "scales";
    if (!same_bits(a->stored, b->stored, scales * sizeof(uint32_t)))
        return "stored";
    if (a->zeros && !same_bits(a->zeros, b->zeros, scales * sizeof(float)))
        return "zeros";
    if (!same_bits(a->codes, b->codes, n * format_code_bytes(a->recipe.format)))
        return "codes";
    if (!same_bits(a->values, b->values, n * sizeof(float)))
        return "values";
    if (!same_bits(&a->tensor_scale, &b->tensor_scale, sizeof(float)) || !same_bits(&a->amax, &b->amax, sizeof(float)))
        return "tensor scale or amax";
    if (a->nonfinite != b->nonfinite || a->clipped != b->clipped || a->zero_count != b->zero_count)
        return "counts";
    if (!same_bits(&a->error.signal, &b->error.signal, 8) || a->error.count != b->error.count)
        return "signal";
    if (!same_bits(&a->error.noise, &b->error.noise, 8) && !(isnan(a->error.noise) && isnan(b->error.noise)))
        return "noise";
    if (a->error.max_abs != b->error.max_abs && !(isnan(a->error.max_abs) && isnan(b->error.max_abs)))
        return "largest error";
    return a->bytes == b->bytes && a->bits_per_weight == b->bits_per_weight ? NULL : "bytes";
}

/* Where two arrays of words first differ. */
static size_t first_difference(const void *a, const void *b, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp((const char *)a + i * size, (const char *)b + i * size, size) != 0)
            return i;
    return n;
}

static void explain(const struct quant *a, const struct quant *b, const float *x)
{
    size_t n = a->rows * a->cols, g = first_difference(a->scales, b->scales, a->scale_count, 4);
    size_t i = first_difference(a->values, b->values, n, 4);
    if (g < a->scale_count)
        printf("    scale %zu: card %.9g, reference %.9g\n", g, (double)a->scales[g], (double)b->scales[g]);
    if (i < n)
        printf("    value %zu of %.9g: card %.9g (code %x), reference %.9g (code %x)\n", i, (double)x[i],
               (double)a->values[i], quant_code(a, i), (double)b->values[i], quant_code(b, i));
    printf("    noise %.17g %.17g signal %.17g %.17g counts %zu %zu %zu, %zu %zu %zu\n", a->error.noise,
           b->error.noise, a->error.signal, b->error.signal, a->zero_count, a->nonfinite, a->clipped, b->zero_count,
           b->nonfinite, b->clipped);
}

static void check(struct gpu_checks *c, const struct recipe *r, const char *words, const float *x, size_t rows,
                  size_t cols)
{
    struct quant want, got;
    enum kernel_status status = quantize(x, rows, cols, r, NULL, &want);
    if (!gpu_expect_ok(c, status, "the reference"))
        return;
    status = gpu_quantize(c->g, x, rows, cols, r, NULL, &got);
    if (gpu_expect_ok(c, status, words)) {
        const char *what = difference(&got, &want);
        bool shown = c->failed < 40;
        if (!gpu_expect(c, !what, "%s [%zu, %zu]: other %s", words, rows, cols, what ? what : "") && shown)
            explain(&got, &want, x);
    }
    quant_free(&want);
    quant_free(&got);
}

/* ---- Recipes --------------------------------------------------------------------------------------- */

static const char *const scales[] = {NULL, "none", "tensor", "channel", "token", "group:128", "group:33", "block:32",
                                     "block:7", "tile:32x1", "tile:128x128", "tile:5x37", "two-level", "two-level:24"};
static const char *const zeros[] = {"none", "full", "awq", "gptq", "kivi"};
static const char *const clips[] = {"none", "percentile:99.9", "percentile:60", "mse"};
static const char *const roundings[] = {"nearest", "zero", "stochastic"};
static const char *const overflows[] = {"saturate", "native"};
static const char *const rules[] = {"floor", "ceil"};

enum { SCALES = sizeof scales / sizeof scales[0] };

/* Recipe number k of a format, or false if its choices do not go together. */
static bool recipe_number(const struct format *f, unsigned k, struct recipe *r, char *words, size_t room)
{
    char why[200];
    struct recipe_words w = {.format = f->name};
    w.scale = scales[k % SCALES], k /= SCALES;
    w.zero_point = zeros[k % 5], k /= 5;
    w.clip = clips[k % 4], k /= 4;
    w.rounding = roundings[k % 3], k /= 3;
    w.overflow = overflows[k % 2], k /= 2;
    w.mx = rules[k % 2];
    snprintf(words, room, "%s scale %s zero %s clip %s rounding %s overflow %s mx %s", f->name,
             w.scale ? w.scale : "own", w.zero_point, w.clip, w.rounding, w.overflow, w.mx);
    if (!recipe_parse(&w, r, why, sizeof why))
        return false;
    r->isa = ISA_SCALAR;
    r->seed = 99;
    r->first = 1001;
    return true;
}

enum { RECIPES = SCALES * 5 * 4 * 3 * 2 * 2 };

/* Each recipe meets one shape and one flavor; which, differs from recipe to recipe. */
static void check_recipes(struct gpu_checks *c, const struct format *f, unsigned *turn)
{
    struct recipe r;
    char words[200];
    for (unsigned k = 0; k < RECIPES; k++) {
        if (!recipe_number(f, k, &r, words, sizeof words))
            continue;
        unsigned pick = (*turn)++;
        if ((c->small && pick % 29) || !gpu_mine(c, pick / 40))
            continue;
        if (!c->small && r.clip.kind == CLIP_MSE && pick % 7)
            continue;           /* the reference takes long over them */
        struct shape s = shapes[pick % (sizeof shapes / sizeof shapes[0])];
        float *x = malloc(s.rows * s.cols * sizeof *x + 1);
        fill(x, s.rows * s.cols, (enum flavor)(pick / 8 % FLAVORS), pick);
        check(c, &r, words, x, s.rows, s.cols);
        free(x);
    }
}

/* A tensor of several segments, so that the parts of a large group are joined. */
static void check_large(struct gpu_checks *c)
{
    static const struct recipe_words words[] = {
        {.format = "int8", .scale = "tensor"}, {.format = "int8", .scale = "tensor", .zero_point = "gptq"},
        {.format = "e4m3", .scale = "tensor", .clip = "mse"}, {.format = "int4", .clip = "percentile:99"},
        {.format = "nvfp4"}, {.format = "nf4-dq"}, {.format = "int4", .scale = "tile:512x512", .zero_point = "kivi"},
        {.format = "int4", .scale = "tile:300x300", .clip = "mse"},
    };
    size_t rows = 700, cols = 513;
    float *x = malloc(rows * cols * sizeof *x);
    char why[200];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct recipe r;
        fill(x, rows * cols, OUTLIERS, i);
        if (gpu_expect(c, recipe_parse(&words[i], &r, why, sizeof why), "%s", why)) {
            r.isa = ISA_SCALAR;
            check(c, &r, words[i].format, x, rows, cols);
        }
    }
    free(x);
}

static bool refuse_at_once(void *ctx, double fraction)
{
    (void)ctx, (void)fraction;
    return false;
}

/* A cancel is answered, and leaves nothing behind. */
static void check_cancel(struct gpu_checks *c)
{
    const struct progress progress = {.tick = refuse_at_once};
    struct recipe r = {.format = format_find("int8"), .scale = {.kind = SCALE_TENSOR}};
    struct quant q;
    float x[64] = {1};
    enum kernel_status status = gpu_quantize(c->g, x, 8, 8, &r, &progress, &q);
    gpu_expect(c, status == KERNEL_CANCELED && !q.codes, "a cancel gives '%s'", kernel_status_text(status));
}

/* quantize() goes to the card when a recipe has a seat there, unless the tensor is small or the card is busy. */
static void check_seat(struct gpu_checks *c)
{
    struct gpu_seat seat = {.g = c->g, .least = 64, .busy = ATOMIC_FLAG_INIT};
    struct recipe here = {.format = format_find("int8"), .scale = {.kind = SCALE_TENSOR}}, there = here;
    struct quant want, got;
    float x[64];
    fill(x, 64, PLAIN, 3);
    there.gpu = &seat;
    for (int turn = 0; turn < 3; turn++) {
        size_t rows = turn == 1 ? 7 : 8;
        if (turn == 2)
            atomic_flag_test_and_set(&seat.busy);
        bool done = quantize(x, rows, 8, &here, NULL, &want) == KERNEL_OK &&
                    quantize(x, rows, 8, &there, NULL, &got) == KERNEL_OK;
        gpu_expect(c, done && !difference(&got, &want) && seat.runs == 1, "a seat: turn %d, %lu runs", turn, seat.runs);
        quant_free(&want);
        quant_free(&got);
    }
}

/* More memory than any card has is refused in words, and the card works on. */
static void check_memory(struct gpu_checks *c)
{
    void *p;
    if (c->small)               /* compute-sanitizer would report the refusal */
        return;
    enum kernel_status status = c->m->alloc(c->g, (size_t)1 << 50, &p);
    gpu_expect(c, status == KERNEL_NO_MEMORY && !p && strstr(c->m->error(), "memory"), "a petabyte gives '%s', '%s'",
               kernel_status_text(status), c->m->error());
}

void gpu_test_quantize(struct gpu_checks *c)
{
    const struct format *f;
    unsigned turn = 0;
    for (size_t k = 0; (f = format_at(k)); k++)
        check_recipes(c, f, &turn);
    if (!gpu_mine(c, 0))
        return;
    check_cancel(c);
    check_seat(c);
    check_memory(c);
    check_large(c);
}
