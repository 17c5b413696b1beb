/* test_kernels_quantize.c: scales, statistics and sums of the quantizer, seeded tensors, and the outcomes that the
 * course expects of them. Shapes include empty ones, one element, and short last groups. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/quantize.h"
#include "kernels/random.h"

static struct scale scale(const char *text)
{
    struct scale s;
    char why[120];
    assert_true(scale_parse(text, &s, why, sizeof why));
    return s;
}

static struct quant rounded(const float *x, size_t rows, size_t cols, const char *format, const char *scale_text)
{
    const struct recipe recipe = {.format = format_find(format), .scale = scale(scale_text), .isa = cpu_info()->best};
    struct quant q;
    assert_non_null(recipe.format);
    assert_int_equal(quantize(x, rows, cols, &recipe, NULL, &q), KERNEL_OK);
    return q;
}

static float *gaussian(size_t n, uint64_t seed)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    random_gaussian(x, n, seed, 1);
    return x;
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

static void scales_are_parsed_and_printed(void **state)
{
    (void)state;
    static const char *const good[] = {"none", "tensor", "channel", "token", "group:1", "group:128", "block:32",
                                       "tile:128x64", "two-level", "two-level:32"};
    static const char *const bad[] = {"", "row", "group", "group:", "group:0", "group:-1", "group:1x", "group: 8",
                                      "group:99999999999999999999", "group:128:1", "groups:3"};
    struct scale s = {.kind = SCALE_GROUP, .size = 5};
    char text[32], why[120];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct scale parsed = scale(good[i]);
        scale_print(parsed, text, sizeof text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why[0] = 0;
        assert_false(scale_parse(bad[i], &s, why, sizeof why));
        assert_true(s.kind == SCALE_GROUP && s.size == 5);
        assert_non_null(strstr(why, "group:"));
    }
}

static void scales_stay_in_range(void **state)
{
    (void)state;
    assert_true(scale_absmax(0, 127) == 1);
    assert_true(scale_absmax(254, 127) == 2);
    assert_true(scale_absmax(1e-37f, 127) == 0x1p-126f);
    assert_true(scale_absmax(0x1.fffffep127f, 1) == 0x1p126f);
    assert_true(scale_to_fp16(1e-30f) == 0x1p-24f);
    assert_true(scale_to_fp16(1e30f) == 65504);
    assert_true(scale_to_fp16(0.1f) == 0x1.998p-4f);
    const float tiny[4] = {1e-37f, -1e-37f, 0, 5e-38f};
    struct quant q = rounded(tiny, 1, 4, "int8", "tensor");
    assert_true(isfinite(q.values[0]) && q.values[2] == 0 && q.nonfinite == 0);
    quant_free(&q);
}

static void amax_skips_what_is_not_finite(void **state)
{
    (void)state;
    const float x[] = {1, -3, NAN, INFINITY, 2, -INFINITY, -0.0f};
    assert_true(quant_amax(x, 7) == 3);
    assert_true(quant_amax(x + 2, 2) == 0);
    assert_true(quant_amax(x, 0) == 0);
}

/* ---- The whole tensor ------------------------------------------------------------------------------ */

/* Every element against the definition: its scale, its code, its value, within half a step where the scale is
 * not rounded to FP16 (which may clip). */
static void check_elements(const struct quant *q, const float *x)
{
    const struct format *f = q->recipe.format;
    for (size_t i = 0; i < q->rows * q->cols; i++) {
        float s = quant_scale(q, i), y = x[i] * (1 / s);
        uint32_t code = format_encode(f, y, (struct cast){0});
        assert_int_equal(quant_code(q, i), code);
        assert_true(q->values[i] == format_decode(f, code) * s);
        if (q->recipe.scale.kind != SCALE_NONE && q->recipe.scale.kind != SCALE_GROUP && f->bits <= 8)
            assert_true(fabsf(x[i] - q->values[i]) <= f->bound * s * 1.001f);
    }
}

static void every_shape_follows_the_definition(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {{0, 0}, {0, 7}, {5, 0}, {1, 1}, {1, 5}, {3, 130}, {2, 257}, {17, 31}};
    static const char *const scales[] = {"none", "tensor", "channel", "token", "group:1", "group:16", "group:128"};
    for (size_t f = 0; f < format_count(); f++)
        for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++)
            for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
                size_t rows = shapes[k][0], cols = shapes[k][1];
                if (format_at(f)->block || format_at(f)->kind == FORMAT_POWER)
                    continue;       /* test_quantize.c has them */
                float *x = gaussian(rows * cols, f + 10 * s + 100 * k);
                struct quant q = rounded(x, rows, cols, format_at(f)->name, scales[s]);
                check_elements(&q, x);
                assert_true(q.zero_fraction >= 0 && q.zero_fraction <= 1);
                quant_free(&q);
                quant_free(&q);
                free(x);
            }
}

/* A group's scale comes from that group alone; a row's from that row. */
static void scales_do_not_reach_across(void **state)
{
    (void)state;
    float x[2 * 10];
    for (int i = 0; i < 20; i++)
        x[i] = (float)(i + 1);
    struct quant q = rounded(x, 2, 10, "int8", "group:4");
    assert_int_equal(q.scale_count, 6);
    static const float most[6] = {4, 8, 10, 14, 18, 20};
    for (int g = 0; g < 6; g++)
        assert_true(q.scales[g] == scale_to_fp16(most[g] / 127));
    assert_true(quant_scale(&q, 9) == q.scales[2] && quant_scale(&q, 10) == q.scales[3]);
    quant_free(&q);
    q = rounded(x, 2, 10, "int8", "channel");
    assert_true(q.scales[0] == 10.0f / 127 && q.scales[1] == 20.0f / 127);
    quant_free(&q);
}

static void statistics_are_counted(void **state)
{
    (void)state;
    const float x[8] = {100, -0.1f, NAN, INFINITY, 0, 449, 480, -1e-9f};
    struct quant q = rounded(x, 2, 4, "e4m3", "none");
    assert_int_equal(q.nonfinite, 2);
    assert_int_equal(q.clipped, 2);             /* 480 and infinity: 449 still rounds to 448 */
    assert_int_equal(q.zero_count, 2);
    assert_true(q.zero_fraction == 0.25 && q.clipped_fraction == 0.25);
    assert_true(q.max_abs_error == 32 && q.amax == 480);
    assert_true(q.values[3] == 448 && isnan(q.values[2]));
    assert_true(isfinite(q.mse));
    quant_free(&q);
    float zeros[6] = {0};
    q = rounded(zeros, 2, 3, "int4", "group:2");
    assert_true(q.zero_fraction == 1 && isinf(q.sqnr_db) && q.mse == 0 && q.scales[0] == 1);
    quant_free(&q);
}

static void bits_are_counted_from_bytes(void **state)
{
    (void)state;
    static const struct { const char *format, *scale; double bits; } cases[] = {
        {"fp16", "none", 16}, {"int8", "tensor", 8 + 32.0 / 8192}, {"int8", "channel", 8 + 32.0 / 1024},
        {"int4", "group:128", 4.125}, {"e2m1", "group:16", 5}, {"e4m3", "group:1000", 8 + 2 * 16.0 / 1024},
    };
    float *x = gaussian(8 * 1024, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct quant q = rounded(x, 8, 1024, cases[i].format, cases[i].scale);
        assert_true(fabs(q.bits_per_weight - cases[i].bits) < 1e-12);
        quant_free(&q);
    }
    struct quant odd = rounded(x, 3, 5, "int4", "none");
    assert_int_equal(odd.bytes, 9);
    quant_free(&odd);
    free(x);
}

static bool never(void *ctx, double fraction)
{
    (void)fraction;
    ++*(int *)ctx;
    return false;
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    int asked = 0;
    const struct progress stop = {.tick = never, .ctx = &asked};
    const struct recipe recipe = {.format = format_find("int8"), .scale = {.kind = SCALE_TENSOR}};
    const struct recipe no_group = {.format = format_find("int8"), .scale = {.kind = SCALE_GROUP}};
    float x[4] = {1, 2, 3, 4};
    struct quant q;
    assert_int_equal(quantize(x, 2, 2, &recipe, &stop, &q), KERNEL_CANCELED);
    assert_int_equal(asked, 1);
    assert_null(q.codes);
    assert_int_equal(quantize(x, 2, 2, &no_group, NULL, &q), KERNEL_BAD_RECIPE);
    assert_int_equal(quantize(x, SIZE_MAX / 2, 4, &recipe, NULL, &q), KERNEL_BAD_SHAPE);
}

/* ---- Sums ------------------------------------------------------------------------------------------ */

static void sums_agree_with_doubles_and_split(void **state)
{
    (void)state;
    const size_t n = 3 * 4096 + 777;
    float *x = gaussian(n, 4);
    struct quant q = rounded(x, 1, n, "int4", "tensor");
    uint8_t *pick = malloc(n);
    double signal = 0, noise = 0;
    assert_non_null(pick);
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)q.values[i];
        signal += (double)x[i] * (double)x[i];
        noise += d * d;
        pick[i] = fabsf(x[i]) < 1;
    }
    struct error_sums all = error_measure(x, q.values, n), below = error_below(x, q.values, 1, n);
    struct error_sums picked = error_where(x, q.values, pick, n);
    assert_true(fabs(all.signal / signal - 1) < 1e-6 && fabs(all.noise / noise - 1) < 1e-6);
    assert_true(picked.noise == below.noise && picked.signal == below.signal && below.noise < all.noise);
    for (size_t i = 0; i < n; i++)
        pick[i] = !pick[i];
    struct error_sums rest = error_where(x, q.values, pick, n);
    assert_true(fabs((rest.noise + below.noise) / all.noise - 1) < 1e-5);
    assert_true(error_measure(x, q.values, 0).signal == 0);
    free(pick);
    free(x);
    quant_free(&q);
}

/* The order of the definition, spelled out for one chunk: 64 lanes in FP32, joined by a tree in FP64. */
static void sums_have_one_order(void **state)
{
    (void)state;
    float x[256], zero[256] = {0}, lane[64] = {0};
    random_gaussian(x, 256, 9, 3);
    for (int i = 0; i < 256; i++) {
        float square = x[i] * x[i];
        lane[i % 64] += square;
    }
    double tree[64];
    for (int i = 0; i < 64; i++)
        tree[i] = (double)lane[i];
    for (int width = 64; width > 1; width /= 2)
        for (int i = 0; i < width / 2; i++)
            tree[i] = tree[2 * i] + tree[2 * i + 1];
    assert_true(error_measure(x, zero, 256).signal == tree[0]);
    assert_true(error_measure(x, zero, 256).noise == tree[0]);
}

/* ---- Seeded tensors -------------------------------------------------------------------------------- */

/* The known answers that the generator's authors publish. */
static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct { uint32_t key[2], counter[4], out[4]; } known[] = {
        {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u}, {~0u, ~0u, ~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        random_philox(known[i].key, known[i].counter, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
    assert_int_equal(random_bits(0, STREAM_VALUES, 2), 0xbc57ac4c);
    assert_true(random_uniform(7, STREAM_OUTLIERS, 1) != random_uniform(7, STREAM_CHANNELS, 1));
}

static void gaussians_depend_on_seed_and_index_alone(void **state)
{
    (void)state;
    float *x = gaussian(1 << 16, 11), part[7];
    random_gaussian(part, 7, 11, 1);
    assert_memory_equal(part, x, sizeof part);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < 1 << 16; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    assert_true(fabs(sum / 65536) < 0.02 && fabs(squares / 65536 - 1) < 0.02);
    free(x);
}

static void channels_are_chosen_once_each(void **state)
{
    (void)state;
    size_t chosen[512];
    for (uint64_t seed = 0; seed < 50; seed++) {
        random_choose(chosen, 6, 512, seed);
        for (int i = 0; i < 6; i++)
            assert_true(chosen[i] < 512 && (i == 0 || chosen[i] > chosen[i - 1]));
    }
    random_choose(chosen, 512, 512, 1);
    assert_true(chosen[0] == 0 && chosen[511] == 511);
    random_choose(chosen, 0, 0, 1);
    float x[6] = {1, 1, 1, 1, 1, 1};
    random_outlier_channels(x, 2, 3, 5, 1, 20, 60, chosen);
    assert_true(x[chosen[0]] >= 20 && x[chosen[0]] <= 60 && x[chosen[0]] == x[3 + chosen[0]]);
}

/* ---- What the course expects ----------------------------------------------------------------------- */

/* Sixteen seeds of 2^18 values: the mean against domain facts, wide enough for the smaller sample. */
static void outliers_turn_the_order_around(void **state)
{
    (void)state;
    double clean8 = 0, clean_e4m3 = 0, dirty8 = 0, dirty_e4m3 = 0, zeros = 0, share = 0;
    const int seeds = 4;
    for (int seed = 1; seed <= seeds; seed++) {
        const size_t n = (size_t)1 << 18;
        float *x = gaussian(n, (uint64_t)seed);
        struct quant q = rounded(x, 512, 512, "int8", "tensor");
        clean8 += q.sqnr_db / seeds;
        quant_free(&q);
        q = rounded(x, 512, 512, "e4m3", "tensor");
        clean_e4m3 += q.sqnr_db / seeds;
        quant_free(&q);
        random_outliers(x, n, (uint64_t)seed, 0.001, 60);
        q = rounded(x, 512, 512, "e4m3", "tensor");
        dirty_e4m3 += q.sqnr_db / seeds;
        quant_free(&q);
        q = rounded(x, 512, 512, "int8", "tensor");
        dirty8 += q.sqnr_db / seeds;
        zeros += q.zero_fraction / seeds;
        share += error_below(x, q.values, 6, n).noise / q.error.noise / seeds;
        quant_free(&q);
        free(x);
    }
    assert_true(clean8 > 38.2 && clean8 < 40.2);
    assert_true(clean_e4m3 > 31.2 && clean_e4m3 < 31.8);
    assert_true(dirty8 > 11 && dirty8 < 16);
    assert_true(dirty_e4m3 > 31 && dirty_e4m3 < 32.2);
    assert_true(zeros > 0.45 && zeros < 0.69);
    assert_true(share > 0.995);
}

static void groups_help_integers(void **state)
{
    (void)state;
    static const struct { const char *format, *scale; double db; } expected[] = {
        {"int8", "group:128", 43.8}, {"int4", "group:128", 18.6}, {"int4", "group:32", 20.3}, {"e5m2", "tensor", 25.6},
        {"e4m3", "group:128", 31.8}, {"int4", "group:16", 21.4},
    };
    float *x = gaussian((size_t)1 << 18, 3);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct quant q = rounded(x, 64, 4096, expected[i].format, expected[i].scale);
        assert_true(fabs(q.sqnr_db - expected[i].db) < 0.3);
        quant_free(&q);
    }
    free(x);
}

int main(void)
{
    cpu_fp_setup();
    assert_true(cpu_fp_ok());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_are_parsed_and_printed),
        cmocka_unit_test(scales_stay_in_range),
        cmocka_unit_test(amax_skips_what_is_not_finite),
        cmocka_unit_test(every_shape_follows_the_definition),
        cmocka_unit_test(scales_do_not_reach_across),
        cmocka_unit_test(statistics_are_counted),
        cmocka_unit_test(bits_are_counted_from_bytes),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(sums_agree_with_doubles_and_split),
        cmocka_unit_test(sums_have_one_order),
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(gaussians_depend_on_seed_and_index_alone),
        cmocka_unit_test(channels_are_chosen_once_each),
        cmocka_unit_test(outliers_turn_the_order_around),
        cmocka_unit_test(groups_help_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
