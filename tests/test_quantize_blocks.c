/* test_quantize_blocks.c: blocks worked out by hand, what they store, and the edges of the quantizer's contract:
 * clips, double quantization, bits counted from bytes, sums, errors by part, bad input. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/fitter.h"
#include "kernels/quantize.h"
#include "kernels/random.h"

static struct recipe recipe(const char *format, const char *scale)
{
    struct recipe r;
    char why[160] = "";
    const struct recipe_words words = {.format = format, .scale = scale};
    if (!recipe_parse(&words, &r, why, sizeof why))
        fail_msg("%s", why);
    return r;
}

static struct quant rounded(const float *x, size_t rows, size_t cols, struct recipe r)
{
    struct quant q;
    assert_int_equal(quantize(x, rows, cols, &r, NULL, &q), KERNEL_OK);
    return q;
}

static float *gaussian(size_t n, uint64_t seed)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    random_gaussian(x, n, seed, 1);
    return x;
}

/* ---- Blocks by hand -------------------------------------------------------------------------------- */

/* A block of one row: the scale as stored, then codes; the rest of the row is zeros. */
struct block {
    const char *format;
    float    x[6];
    uint32_t stored;
    uint32_t code[6];
    size_t   clipped;
};

static void blocks_come_out_as_by_hand(void **state)
{
    (void)state;
    static const struct block blocks[] = {
        /* amax 7.9 = 1.975 * 2^2: scale 2^(2-2) = 1, so 7.9 clips to 6 and 6.9 (below the tie at 7) does not */
        {"mxfp4", {7.9f, 6.9f, -5, 2.5f, 0.25f, -0.75f}, 127, {7, 7, 14, 4, 0, 10}, 1},
        /* amax 6: 6 itself; 5 is a tie between 4 and 6, to the even code 4; 3.5 to 4; 1.75 to 2 */
        {"mxfp4", {6, 5, 3.5f, 1.75f, -1.25f, -0.0f}, 127, {7, 6, 6, 4, 10, 8}, 0},
        /* the largest value below 8: its log2 rounds to 3, its exponent is 2 */
        {"mxfp4", {0x1.fffffep2f, 1, 0, 0, 0, 0}, 127, {7, 2, 0, 0, 0, 0}, 1},
        {"mxfp4", {8, 1, 0, 0, 0, 0}, 128, {6, 1, 0, 0, 0, 0}, 0},
        /* a subnormal amax, 2^-140: e = -142 is clamped to -126 */
        {"mxfp4", {0x1p-140f, 0, 0, 0, 0, 0}, 1, {0, 0, 0, 0, 0, 0}, 0},
        {"mxfp4", {0x1p-125f, 0x1p-126f, 0, 0, 0, 0}, 1, {4, 2, 0, 0, 0, 0}, 0},
        /* the top: e = 127 - 2 = 125 */
        {"mxfp4", {0x1p127f, -0x1p127f, 0, 0, 0, 0}, 252, {6, 14, 0, 0, 0, 0}, 0},
        {"mxfp4", {0, 0, -0.0f, 0, 0, 0}, 127, {0, 0, 8, 0, 0, 0}, 0},
        /* not finite: NaN is 0, infinities saturate, neither sets the scale */
        {"mxfp4", {NAN, INFINITY, -INFINITY, 1, 4, 0}, 127, {0, 7, 15, 2, 6, 0}, 2},
        {"mxfp8-e4m3", {448, 480, 511, 1, -0.001953125f, NAN}, 127, {0x7e, 0x7e, 0x7e, 0x38, 0x81, 0x7f}, 2},
        {"mxfp8-e5m2", {1, 2, 0.1f, 0, 0, 0}, 113, {0x74, 0x78, 0x66, 0, 0, 0}, 0},
        {"mxfp6-e2m3", {7.5f, 7.9f, 0.125f, -1, 0, 0}, 127, {31, 31, 1, 40, 0, 0}, 1},
        {"mxfp6-e3m2", {28, 31, 0.0625f, -1, 0, 0}, 127, {31, 31, 1, 44, 0, 0}, 1},
        /* 1.99 * 64 = 127.4 to 127; 1.5 * 64 = 96; 1/128 is a tie to 0, 3/128 a tie to 2 */
        {"mxint8", {1.99f, 1.5f, 0.0078125f, 0.0234375f, -1, 0}, 127, {127, 96, 0, 2, 192, 0}, 0},
        {"mxint8", {-0x1.fffffep0f, 1, 0, 0, 0, 0}, 127, {129, 64, 0, 0, 0, 0}, 1},
        /* d = -8 / -8 = 1: codes are the numbers plus 8, and 8 itself would not fit */
        {"q4_0", {-8, 7, 7.6f, 0.5f, -0.5f, 1.5f}, 0x3c00, {0, 15, 15, 8, 8, 10}, 1},
        /* d = 8 / -8 = -1: the largest is positive, so signs turn over; the first of equals counts */
        {"q4_0", {8, -7, 3, -8, 0, 0}, 0xbc00, {0, 15, 5, 15, 8, 8}, 1},
        {"q8_0", {127, -127, 0.5f, 1.5f, -126.5f, 63}, 0x3c00, {127, 129, 0, 2, 130, 63}, 0},
        {"nf4", {2, -2, 0.159f, 0.08f, -0.18f, 0}, 0x40000000, {15, 0, 8, 8, 6, 7}, 0},
        {"nf4", {-1, 0.03f, 0.04f, 0, 0, 0}, 0x3f800000, {0, 7, 8, 7, 7, 7}, 0},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        const struct block *b = &blocks[i];
        float x[64] = {0};
        memcpy(x, b->x, sizeof b->x);
        struct quant q = rounded(x, 1, format_find(b->format)->block, recipe(b->format, NULL));
        assert_int_equal(q.scale_count, 1);
        if (q.stored[0] != b->stored)
            fail_msg("block %zu (%s) stores the scale %x, not %x", i, b->format, q.stored[0], b->stored);
        for (size_t k = 0; k < 6; k++)
            if (quant_code(&q, k) != b->code[k])
                fail_msg("block %zu (%s), value %zu has code %u, not %u", i, b->format, k, quant_code(&q, k),
                         b->code[k]);
        assert_int_equal(q.clipped, b->clipped);
        quant_free(&q);
    }
}

static void nvfp4_has_two_levels(void **state)
{
    (void)state;
    float x[48] = {0};
    x[0] = 2688, x[1] = -1344, x[2] = 224;      /* t = 1: block scale 448, values 6, -3, 0.5 */
    x[16] = 6, x[17] = 5, x[18] = 0.25f;        /* block scale 1: 6, the tie 5 to 4, the tie 0.25 to 0 */
    x[32] = 0.004f, x[33] = -0.004f;            /* 0.004 / 6 = 0.00067 underflows E4M3: zeros, signs kept */
    struct quant q = rounded(x, 1, 48, recipe("nvfp4", NULL));
    assert_true(q.tensor_scale == 1 && q.scales[0] == 448 && q.scales[1] == 1 && q.scales[2] == 0);
    assert_true(q.stored[0] == 0x7e && q.stored[1] == 0x38 && q.stored[2] == 0);
    static const uint32_t codes[] = {7, 13, 1, 7, 6, 0, 0, 8};
    static const size_t places[] = {0, 1, 2, 16, 17, 18, 32, 33};
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(quant_code(&q, places[i]), codes[i]);
    assert_int_equal(q.bytes, 3 * 9 + 4);
    quant_free(&q);
    q = rounded(x + 16, 1, 32, recipe("nvfp4", NULL));          /* alone, the tensor's scale is 6 / 2688 */
    assert_true(q.tensor_scale == 6.0f / 2688 && q.stored[0] == 0x7e);
    assert_true(q.values[16] != 0);
    quant_free(&q);
    q = rounded(x + 16, 1, 32, recipe("nvfp4", "none"));        /* without it the small block is lost again */
    assert_true(q.tensor_scale == 1 && q.values[16] == 0 && q.bytes == 2 * 9);
    quant_free(&q);
    const float tiny[2] = {0x1p-140f, 0}, zeros[2] = {0, -0.0f};
    q = rounded(tiny, 1, 2, recipe("nvfp4", NULL));
    assert_true(q.tensor_scale == 0x1p-117f && q.values[0] == 0);
    quant_free(&q);
    q = rounded(zeros, 1, 2, recipe("nvfp4", NULL));
    assert_true(q.tensor_scale == 1 && q.zero_count == 2 && quant_code(&q, 1) == 8);
    quant_free(&q);
}

/* Power-of-two scales for every power and its neighbors: the exponent never comes from a rounded logarithm. */
static void exponents_are_exact(void **state)
{
    (void)state;
    const struct scale_rule floors = {.format = format_find("e2m1"), .kind = SCALE_BLOCK};
    const struct scale_rule ceils = {.format = format_find("e2m1"), .kind = SCALE_BLOCK, .mx = MX_CEIL};
    for (int e = -124; e <= 127; e++) {
        float power = ldexpf(1, e), below = nextafterf(power, 0), six = 6 * ldexpf(1, e < 126 ? e - 2 : 123);
        struct range at = {.amax = power}, under = {.amax = below}, full = {.amax = six};
        int clamped = e - 2 < -126 ? -126 : e - 2, clamped_under = e - 3 < -126 ? -126 : e - 3;
        assert_true(scale_fit(&floors, at).scale == ldexpf(1, clamped));
        assert_true(scale_fit(&floors, under).scale == ldexpf(1, clamped_under));
        assert_true(scale_fit(&ceils, at).scale == ldexpf(1, clamped));
        float scale = scale_fit(&ceils, under).scale;
        assert_true(below <= 6 * scale || e > 125);
        if (e > -120) {
            scale = scale_fit(&ceils, full).scale;
            assert_true(six == 6 * scale);
            assert_true(scale_fit(&ceils, (struct range){.amax = nextafterf(six, INFINITY)}).scale == 2 * scale);
        }
    }
    assert_int_equal(scale_fit(&floors, (struct range){.amax = 0x1p-149f}).stored, 1);
    assert_int_equal(scale_fit(&floors, (struct range){.amax = 0}).stored, 127);
}

/* ---- Zero-points ----------------------------------------------------------------------------------- */

/* A channel that lives in [9, 15], 4 bits: AWQ clamps its zero-point, GPTQ widens the range, KIVI stores 9. */
static void zero_points_follow_their_code(void **state)
{
    (void)state;
    float x[64];
    static const struct { enum zero_point zero; double db, within; } cases[] = {
        {ZERO_AWQ, 5.3, 1}, {ZERO_GPTQ, 32.7, 1.5}, {ZERO_KIVI, 41.2, 1.5},
    };
    for (int i = 0; i < 64; i++)
        x[i] = 9 + 6 * (float)random_uniform(3, STREAM_VALUES, (uint64_t)i);
    x[5] = 9, x[6] = 15;
    for (size_t i = 0; i < 3; i++) {
        struct recipe r = recipe("int4", "channel");
        r.zero = cases[i].zero;
        struct quant q = rounded(x, 1, 64, r);
        assert_true(fabs(q.sqnr_db - cases[i].db) < cases[i].within);
        if (i == 0)
            assert_true(q.zeros[0] == 0 && q.values[5] == q.values[6] && fabsf(q.values[5] - 6) < 1e-6f);
        if (i == 2)
            assert_true(q.zeros[0] == 9 && quant_code(&q, 5) == 0 && quant_code(&q, 6) == 15);
        quant_free(&q);
    }
    struct recipe r = recipe("int4", "tensor");
    r.zero = ZERO_FULL;
    const float ends[3] = {-7.5f, 7.5f, 0.4f};       /* s = 1; 7.5 is a tie to 8, beyond 7 */
    struct quant q = rounded(ends, 1, 3, r);
    assert_true(q.scales[0] == 1 && q.values[0] == -8 && q.values[1] == 7 && q.clipped == 1 && quant_code(&q, 0) == 8);
    quant_free(&q);
}

/* ---- Clips ----------------------------------------------------------------------------------------- */

static void a_percentile_is_a_rank(void **state)
{
    (void)state;
    float x[1000];
    for (int i = 0; i < 1000; i++)
        x[i] = (float)((i * 617) % 1000 + 1) * (i % 2 ? 1 : -1);
    x[3] = NAN;         /* the magnitude 852 */
    static const struct { float percent, amax; } cases[] = {{100, 1000}, {99.9f, 1000}, {99.8f, 999}, {50, 500},
                                                             {0.1f, 1}, {0.001f, 1}, {10, 100}, {90, 901}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct recipe r = recipe("int8", "tensor");
        r.clip = (struct clip){CLIP_PERCENTILE, cases[i].percent};
        struct quant q = rounded(x, 10, 100, r);
        assert_true(q.scales[0] == cases[i].amax / 127);
        quant_free(&q);
    }
}

/* The best clip is one of the 76 factors; none errs less, and no larger one as little. */
static void the_best_clip_is_the_best(void **state)
{
    (void)state;
    static const char *const formats[] = {"int4", "int2", "int3", "e2m1", "nvfp4", "q4_0", "mxfp4", "nf4"};
    float *x = gaussian(256, 8);
    x[70] = 9;
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        struct recipe r = recipe(formats[f], format_find(formats[f])->block ? NULL : "group:64");
        r.clip.kind = CLIP_MSE;
        struct quant q = rounded(x, 1, 256, r);
        for (size_t g = 0; g < q.scale_count; g++) {
            size_t n = q.tile_cols, first = g * n;
            double chosen = error_measure(x + first, q.values + first, n).noise, least = HUGE_VAL;
            float best = 0;
            for (int k = 100; k >= 25; k--) {
                const struct scale_rule rule = {r.format, r.scale.kind, r.zero, r.mx, q.tensor_scale};
                struct fit fit = scale_fit(&rule, range_shrink(range_measure(x + first, n), (float)k / 100));
                float decoded[64];
                for (size_t i = 0; i < n; i++)
                    decoded[i] = format_round(r.format, x[first + i] * fit.inverse, (struct cast){0}) * fit.scale;
                double noise = error_measure(x + first, decoded, n).noise;
                best = noise < least ? fit.scale : best;
                least = noise < least ? noise : least;
            }
            assert_true(chosen == least && q.scales[g] == best);
        }
        quant_free(&q);
    }
    free(x);
}

/* ---- Double quantization --------------------------------------------------------------------------- */

static void nf4_scales_are_scaled_again(void **state)
{
    (void)state;
    enum { BLOCKS = 600 };
    float *x = gaussian(BLOCKS * 64, 4);
    struct quant exact = rounded(x, 1, BLOCKS * 64, recipe("nf4", NULL));
    struct quant q = rounded(x, 1, BLOCKS * 64, recipe("nf4-dq", NULL));
    assert_memory_equal(exact.codes, q.codes, BLOCKS * 64);     /* codes come from the exact scales */
    double mean = 0, worst = 0;
    for (size_t b = 0; b < BLOCKS; b++)
        mean += (double)exact.scales[b] / BLOCKS;
    assert_true(fabs(mean - (double)q.tensor_scale) < 1e-6);
    for (size_t first = 0; first < BLOCKS; first += 256) {
        double most = 0;
        for (size_t b = first; b < BLOCKS && b < first + 256; b++)
            most = fmax(most, fabs((double)exact.scales[b] - mean));
        for (size_t b = first; b < BLOCKS && b < first + 256; b++) {
            double is = (double)q.scales[b] - mean, was = (double)exact.scales[b] - mean;
            worst = fmax(worst, fabs(is - was) / most);
            assert_true(q.stored[b] < 256);
        }
    }
    assert_true(worst > 0.002 && worst < 0.00704);      /* the map's widest gaps are 0.9 / 64 */
    assert_int_equal(q.bytes, BLOCKS * 33 + 3 * 4 + 4);
    quant_free(&exact);
    quant_free(&q);
    float zeros[128] = {0};
    zeros[3] = 1;
    q = rounded(zeros, 1, 128, recipe("nf4-dq", NULL));
    assert_true(fabsf(q.values[3] - 1) < 0.01f && q.zero_count == 127);
    quant_free(&q);
    free(x);
}

/* Signed, seven decades: 0 and 1 are there, and 2^k values from 10^(k-7) to 10^(k-6) of each sign. */
static void the_dynamic_map_is_that_of_bitsandbytes(void **state)
{
    (void)state;
    static const float known[] = {0.00000055f, 0.000003250f, 0.000007750f, 0.00002125f, 0.99296875f};
    struct fit fit[10] = {{0}};
    /* the fits' mean is 0 and their largest is 1, so that what comes back are values of the map */
    for (int i = 0; i < 5; i++) {
        fit[i].scale = known[i] * 1.00001f;
        fit[9 - i].scale = -fit[i].scale;
    }
    fit[4].scale = 1, fit[5].scale = -1;
    assert_true(scale_double(fit, 10) == 0);
    for (int i = 0; i < 4; i++) {
        assert_true(fabsf(fit[i].scale / known[i] - 1) < 1e-5f);
        assert_true(fit[9 - i].scale == -fit[i].scale);
    }
    assert_true(fit[4].scale == 1 && fit[4].stored == 255 && fit[5].stored == 0);
    assert_true(fabsf(fit[5].scale / -0.99296875f - 1) < 1e-6f);
}

/* ---- Bytes ----------------------------------------------------------------------------------------- */

static void bits_are_counted_from_bytes(void **state)
{
    (void)state;
    static const struct { const char *format, *scale; enum zero_point zero; size_t rows, cols, bytes; } cases[] = {
        {"int4", "group:128", ZERO_NONE, 2, 256, 2 * (128 + 2 * 2)},
        {"int4", "group:128", ZERO_AWQ, 2, 256, 2 * (128 + 2 * 2) + 2},         /* 4 zero-points of 4 bits */
        {"int2", "group:32", ZERO_KIVI, 1, 64, 16 + 2 * 4},
        {"int3", "channel", ZERO_NONE, 3, 5, 3 * (2 + 4)},                      /* 15 bits a row are 2 bytes */
        {"int4", "group:128", ZERO_NONE, 1, 129, 65 + 2 * 2},                   /* a short group is a group */
        {"e4m3", "tile:2x4", ZERO_NONE, 3, 5, 15 + 4 * 4},
        {"e4m3", "block:32", ZERO_NONE, 1, 33, 33 + 2},
        {"mxfp4", NULL, ZERO_NONE, 2, 33, 2 * 2 * 17},                          /* a short block is padded */
        {"nvfp4", NULL, ZERO_NONE, 2, 17, 2 * 2 * 9 + 4},
        {"nf4", NULL, ZERO_NONE, 1, 65, 2 * 36},
        {"q4_0", NULL, ZERO_NONE, 1, 1, 18},
        {"mxfp6-e2m3", NULL, ZERO_NONE, 1, 32, 25},
        {"fp16", "none", ZERO_NONE, 3, 3, 18},
        {"int4", "two-level:32", ZERO_NONE, 1, 64, 32 + 2 + 4},
        {"int8", "tensor", ZERO_GPTQ, 1, 4, 4 + 4 + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = cases[i].rows * cases[i].cols;
        float *x = gaussian(n, i);
        struct recipe r = recipe(cases[i].format, cases[i].scale);
        r.zero = cases[i].zero;
        struct quant q = rounded(x, cases[i].rows, cases[i].cols, r);
        assert_int_equal(q.bytes, cases[i].bytes);
        assert_true(q.bits_per_weight == 8.0 * (double)q.bytes / (double)n);
        quant_free(&q);
        free(x);
    }
}

/* ---- Parts of a tensor ----------------------------------------------------------------------------- */

static void errors_are_told_by_part(void **state)
{
    (void)state;
    float *x = gaussian(6 * 50, 9);
    struct quant q = rounded(x, 6, 50, recipe("int4", "tile:4x20"));
    struct error_sums rows[6], columns[50], blocks[6];
    assert_true(quant_parts(&q, QUANT_ROWS) == 6 && quant_parts(&q, QUANT_COLUMNS) == 50);
    assert_int_equal(quant_parts(&q, QUANT_BLOCKS), 6);
    assert_int_equal(quant_errors(&q, x, QUANT_ROWS, rows), KERNEL_OK);
    assert_int_equal(quant_errors(&q, x, QUANT_COLUMNS, columns), KERNEL_OK);
    assert_int_equal(quant_errors(&q, x, QUANT_BLOCKS, blocks), KERNEL_OK);
    double row3 = 0, column7 = 0, block4 = 0, all = 0, largest = 0;
    for (size_t i = 0; i < 300; i++) {
        double e = (double)x[i] - (double)q.values[i];
        row3 += i / 50 == 3 ? e * e : 0;
        column7 += i % 50 == 7 ? e * e : 0;
        block4 += i / 50 >= 4 && i % 50 >= 20 && i % 50 < 40 ? e * e : 0;
        largest = i / 50 == 3 ? fmax(largest, fabs(e)) : largest;
    }
    for (size_t i = 0; i < 50; i++)
        all += columns[i].noise;
    assert_true(fabs(rows[3].noise / row3 - 1) < 1e-5 && fabs(columns[7].noise / column7 - 1) < 1e-5);
    assert_true(fabs(blocks[4].noise / block4 - 1) < 1e-5 && fabs(all / q.error.noise - 1) < 1e-5);
    assert_true(rows[3].count == 50 && columns[7].count == 6 && blocks[4].count == 40);
    assert_true(fabs(rows[3].max_abs - largest) < 1e-6);
    quant_free(&q);
    free(x);
}

/* The sums, once more as the arithmetic's text has them. */
static void sums_have_one_order(void **state)
{
    (void)state;
    enum { N = 4096 * 2 + 777 };
    float *x = gaussian(N, 2), *decoded = gaussian(N, 3);
    double noise = 0;
    for (size_t chunk = 0; chunk < N; chunk += 4096) {
        float lane[64] = {0};
        for (size_t i = 0; i < 4096 && chunk + i < N; i++) {
            volatile float d = x[chunk + i] - decoded[chunk + i], square = d * d;
            lane[i % 64] += square;
        }
        double level[7][64];
        for (int i = 0; i < 64; i++)
            level[0][i] = (double)lane[i];
        for (int k = 1; k < 7; k++)
            for (int i = 0; i < 64 >> k; i++)
                level[k][i] = level[k - 1][2 * i] + level[k - 1][2 * i + 1];
        noise += level[6][0];
    }
    assert_true(error_measure(x, decoded, N).noise == noise);
    free(x);
    free(decoded);
}

/* A tensor rounded in slabs, with its amax and places told, is the tensor rounded whole. */
static void slabs_make_the_whole(void **state)
{
    (void)state;
    static const char *const formats[] = {"int4", "nvfp4", "e4m3"};
    float *x = gaussian(8 * 96, 6);
    for (size_t f = 0; f < 3; f++) {
        struct recipe r = recipe(formats[f], NULL);
        r.cast.rounding = ROUND_STOCHASTIC;
        r.seed = 77;
        struct quant whole = rounded(x, 8, 96, r);
        r.amax = whole.amax;
        for (size_t row = 0; row < 8; row += 2) {
            r.first = row * 96;
            struct quant slab = rounded(x + row * 96, 2, 96, r);
            assert_memory_equal(slab.codes, (uint8_t *)whole.codes + row * 96, 2 * 96);
            assert_memory_equal(slab.values, whole.values + row * 96, 2 * 96 * sizeof(float));
            quant_free(&slab);
        }
        quant_free(&whole);
    }
    free(x);
}

/* Begin, set, put and finish give what quantize gives, clips aside. */
static void a_result_can_be_filled_by_hand(void **state)
{
    (void)state;
    static const char *const scales[] = {"group:32", "channel", "tile:2x40"};
    float *x = gaussian(4 * 100, 5);
    for (int i = 0; i < 3 * ZERO_POINTS; i++) {
        struct recipe r = recipe("int4", scales[i % 3]);
        struct fitter fitter;
        struct quant q, whole;
        r.zero = (enum zero_point)(i / 3);
        whole = rounded(x, 4, 100, r);
        assert_int_equal(quant_begin(&q, 4, 100, &r), KERNEL_OK);
        assert_int_equal(fitter_open(&fitter, &r, q.tile_rows * q.tile_cols, whole.amax), KERNEL_OK);
        for (size_t k = 0; k < 400; k++) {
            float group[80];
            size_t n = 0, g = quant_scale_index(&q, k);
            for (size_t j = 0; j < 400; j++)
                if (quant_scale_index(&q, j) == g && n < 80)
                    group[n++] = x[j];
            if (i % 3 == 1)
                memcpy(group, x + k / 100 * 100, sizeof group);         /* a row of 100 does not fit: cut both */
            struct fit fit = i % 3 == 1 ? fitter_fit(&fitter, x + k / 100 * 100, 100) : fitter_fit(&fitter, group, n);
            uint32_t code = fitter_code(&fitter, &fit, x[k]);
            quant_set_fit(&q, g, &fit);
            quant_put(&q, k, code);
            assert_true(fitter_value(&fitter, &fit, code) == whole.values[k]);
        }
        quant_finish(&q, x);
        assert_memory_equal(q.codes, whole.codes, 400);
        assert_memory_equal(q.scales, whole.scales, q.scale_count * sizeof(float));
        assert_true(q.bytes == whole.bytes && q.error.noise == whole.error.noise && q.zero_count == whole.zero_count);
        fitter_close(&fitter);
        quant_free(&q);
        quant_free(&whole);
    }
    free(x);
}

/* Every decoded value is among the values that its scale can give. */
static void values_are_on_the_grid(void **state)
{
    (void)state;
    float *x = gaussian(4 * 64, 5), grid[256];
    for (size_t f = 0; f < format_count(); f++)
        for (int zero = 0; zero < ZERO_POINTS; zero++) {
            struct recipe r = { .format = format_at(f),
                                .scale = recipe_scale(format_at(f)),
                                .zero = (enum zero_point)zero };
            char why[160];
            if (r.format->bits > 8 || r.format->kind == FORMAT_POWER || !recipe_check(&r, why, sizeof why))
                continue;
            struct quant q = rounded(x, 4, 64, r);
            for (size_t i = 0; i < 256; i++) {
                float v = q.values[i], near = fabsf(v) * 1e-6f;
                assert_int_equal(quant_values(&q, quant_scale_index(&q, i), v - near, v + near, grid, 256), 1);
            }
            size_t n = quant_values(&q, 0, -INFINITY, INFINITY, grid, 256);
            assert_true(n > 2 && n <= 256);
            for (size_t i = 1; i < n; i++)
                assert_true(grid[i - 1] < grid[i]);
            quant_free(&q);
        }
    free(x);
}

/* ---- Bad input ------------------------------------------------------------------------------------- */

static void bad_recipes_are_refused_in_one_line(void **state)
{
    (void)state;
    static const struct { struct recipe_words words; const char *says; } cases[] = {
        {{.format = NULL}, "no format"},
        {{.format = "int5"}, "did you mean 'int"},
        {{.format = "zebra"}, "unknown format 'zebra'"},
        {{.format = "int8", .scale = "row"}, "unknown scale 'row'"},
        {{.format = "int8", .scale = "group:0"}, "cannot use scale 'group:0'"},
        {{.format = "int8", .scale = "tile:4"}, "cannot use scale 'tile:4'"},
        {{.format = "int8", .scale = "tensor:4"}, "takes no size"},
        {{.format = "int8", .scale = "signed:32"}, "belongs to a block format"},
        {{.format = "mxfp4", .scale = "tensor"}, "brings its own scale"},
        {{.format = "mxfp4", .scale = "none"}, "brings its own scale"},
        {{.format = "mxfp4", .overflow = "native"}, "always saturates"},
        {{.format = "e8m0", .scale = "tensor"}, "is a scale itself"},
        {{.format = "fp16", .scale = "two-level"}, "at most 8 bits"},
        {{.format = "e4m3", .zero_point = "awq"}, "needs an integer format"},
        {{.format = "q4_0", .zero_point = "awq"}, "needs an integer format"},
        {{.format = "int4", .zero_point = "awq", .scale = "block:32"}, "needs a scale of tensor"},
        {{.format = "int4", .zero_point = "odd"}, "unknown zero-point 'odd': use none, full, awq, gptq, kivi"},
        {{.format = "nf4", .rounding = "stochastic"}, "cannot round stochastically"},
        {{.format = "int8", .rounding = "up"}, "unknown rounding 'up': use nearest, zero, stochastic"},
        {{.format = "int8", .overflow = "wrap"}, "unknown overflow 'wrap'"},
        {{.format = "int8", .scale = "none", .clip = "mse"}, "a clip chooses the scale"},
        {{.format = "int8", .clip = "percentile:0"}, "cannot use clip 'percentile:0'"},
        {{.format = "int8", .clip = "percentile:101"}, "cannot use clip"},
        {{.format = "int8", .clip = "half"}, "unknown clip 'half'"},
        {{.format = "int8", .mx = "ceil"}, "powers of two"},
        {{.format = "mxfp4", .mx = "round"}, "unknown mx rule 'round'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct recipe r;
        char why[160] = "";
        assert_false(recipe_parse(&cases[i].words, &r, why, sizeof why));
        if (!strstr(why, cases[i].says) || strchr(why, '\n') || strlen(why) > 150)
            fail_msg("case %zu says '%s', not '%s'", i, why, cases[i].says);
        struct quant q;
        r = (struct recipe){.format = NULL};
        assert_int_equal(quantize(NULL, 0, 0, &r, NULL, &q), KERNEL_BAD_RECIPE);
    }
}

static void tensors_with_nothing_to_round_are_told(void **state)
{
    (void)state;
    const float nothing[4] = {NAN, INFINITY, -INFINITY, NAN}, zeros[4] = {0, -0.0f, 0, 0}, one[4] = {-3, 0, 0, 0};
    for (size_t f = 0; f < format_count(); f++) {
        struct recipe r = {.format = format_at(f), .scale = recipe_scale(format_at(f))};
        char why[160] = "";
        struct quant q = rounded(nothing, 2, 2, r);
        assert_true(q.nonfinite == 4 && q.mse == 0 && q.amax == 0 && !quant_meant(&q, why, sizeof why));
        assert_non_null(strstr(why, "finite"));
        quant_free(&q);
        q = rounded(zeros, 2, 2, r);
        assert_true(!quant_meant(&q, why, sizeof why));
        assert_true(r.format->kind == FORMAT_POWER || (q.error.noise == 0 && q.zero_fraction == 1));
        quant_free(&q);
        q = rounded(one, 1, 1, r);              /* one element with a scale of its own comes back */
        assert_true(quant_meant(&q, why, sizeof why) && q.rows == 1);
        if (r.format->kind != FORMAT_POWER)
            assert_true(fabsf(q.values[0] / -3 - 1) < 0.13f);
        quant_free(&q);
        q = rounded(one, 0, 7, r);
        assert_true(!quant_meant(&q, why, sizeof why) && strstr(why, "empty") && q.bits_per_weight == 0);
        quant_free(&q);
    }
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_out_as_by_hand),
        cmocka_unit_test(nvfp4_has_two_levels),
        cmocka_unit_test(exponents_are_exact),
        cmocka_unit_test(zero_points_follow_their_code),
        cmocka_unit_test(a_percentile_is_a_rank),
        cmocka_unit_test(the_best_clip_is_the_best),
        cmocka_unit_test(nf4_scales_are_scaled_again),
        cmocka_unit_test(the_dynamic_map_is_that_of_bitsandbytes),
        cmocka_unit_test(bits_are_counted_from_bytes),
        cmocka_unit_test(errors_are_told_by_part),
        cmocka_unit_test(sums_have_one_order),
        cmocka_unit_test(slabs_make_the_whole),
        cmocka_unit_test(a_result_can_be_filled_by_hand),
        cmocka_unit_test(values_are_on_the_grid),
        cmocka_unit_test(bad_recipes_are_refused_in_one_line),
        cmocka_unit_test(tensors_with_nothing_to_round_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
