/* test_format.c: every row of the format table against an independent reading of its lanes.
 * oracle.h works out every boundary in FP64 and shares no arithmetic with format.c. Inputs: all FP16 and BF16
 * values, every value, tie and boundary with both neighbors, every kind of NaN. `make exhaustive` tries all floats. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/format.h"
#include "kernels/recipe.h"
#include "tests/oracle.h"

static const struct cast nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
static const struct cast native = {ROUND_NEAREST, OVERFLOW_NATIVE, 0};
static const struct cast zero_native = {ROUND_ZERO, OVERFLOW_NATIVE, 0};
static const struct cast toward_zero = {ROUND_ZERO, OVERFLOW_SATURATE, 0};

static const struct format *format(const char *name)
{
    const struct format *f = format_find(name);
    assert_non_null(f);
    return f;
}

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ---- Against the oracle ---------------------------------------------------------------------------- */

/* 1 if the format disagrees on y. */
static size_t wrong(const struct format *f, const struct oracle *o, float y, struct cast how)
{
    bool clips;
    uint32_t code = oracle_encode(o, y, how, &clips);
    return format_encode(f, y, how) != code || format_clips(f, y, how) != clips;
}

static size_t wrong_near(const struct format *f, const struct oracle *o, float y, struct cast how)
{
    return wrong(f, o, y, how) + wrong(f, o, nextafterf(y, INFINITY), how) + wrong(f, o, nextafterf(y, -INFINITY), how);
}

/* Every value, every tie, every boundary, and the floats on both sides of each, with both signs. */
static size_t count_wrong_boundaries(const struct format *f, const struct oracle *o, struct cast how)
{
    size_t count = 0;
    for (int k = 0; k < 2; k++) {
        const struct side *s = &o->side[k];
        for (uint32_t i = 0; i < s->n; i++) {
            float sign = k ? -1 : 1, middle = (float)((s->value[i] + s->value[i + 1]) / 2);
            count += wrong_near(f, o, sign * (float)s->value[i], how) + wrong_near(f, o, sign * s->leaves[i], how) +
                     wrong_near(f, o, sign * middle, how);
        }
    }
    return count;
}

/* All FP16 and BF16 values, FP32 subnormals, both zeros, infinities, and every kind of NaN. */
static size_t count_wrong_inputs(const struct format *f, const struct oracle *o, struct cast how)
{
    static const uint32_t more[] = {0, 1, 2, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fbfffff,
                                    0x7fc00000, 0x7fe09000, 0x7fffffff};
    size_t count = 0;
    for (uint32_t i = 0; i < 1u << 16; i++)
        count += wrong(f, o, of_bits(i << 16), how) + wrong(f, o, format_decode(format("fp16"), i), how);
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        count += wrong(f, o, of_bits(more[i]), how) + wrong(f, o, of_bits(more[i] | 0x80000000u), how);
    return count;
}

static size_t count_wrong(const struct format *f, struct cast how)
{
    struct oracle o;
    if (!oracle_open(&o, f->name))
        fail_msg("tests/oracle.h knows no layout of '%s': add it", f->name);
    size_t count = count_wrong_boundaries(f, &o, how) + count_wrong_inputs(f, &o, how);
    oracle_close(&o);
    return count;
}

static bool is_integer(const struct format *f)
{
    return f->kind == FORMAT_INTEGER;
}

/* ---- Tests ----------------------------------------------------------------------------------------- */

static void every_input_is_rounded_as_the_search_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        if (f->bits > 16)
            continue;
        if (count_wrong(f, nearest) || count_wrong(f, native))
            fail_msg("%s rounds some input wrongly", f->name);
        if (count_wrong(f, toward_zero) || count_wrong(f, zero_native))
            fail_msg("%s rounds some input wrongly toward zero", f->name);
    }
}

static uint32_t encode_truncating(const struct format *f, float y, struct cast how)
{
    how.rounding = ROUND_ZERO;
    return format("e4m3")->encode(f, y, how);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    struct format broken = *format("e4m3");
    broken.encode = encode_truncating;
    assert_true(count_wrong(&broken, nearest) > 0);
    broken = *format("e4m3");
    broken.code_max = 0x7d;
    assert_true(count_wrong(&broken, nearest) > 0);
}

/* Codes of values decode to them, other codes to NaN or infinity; a value's own code comes back. */
static void every_code_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        struct oracle o;
        uint32_t finite = 0, used = 0;
        if (f->bits > 16 || !oracle_open(&o, f->name))
            continue;
        for (int k = 0; k < 2; k++)
            for (uint32_t c = 0; c < o.side[k].n && !(k && f->kind == FORMAT_POWER); c++) {
                float value = (float)o.side[k].value[c] * (k ? -1.0f : 1.0f);
                assert_true(format_decode(f, o.side[k].code[c]) == value);
                assert_int_equal(format_encode(f, value, native), o.side[k].code[c]);
                used += k == 0 || o.side[k].code[c] != o.side[0].code[0] || c > 0;
            }
        for (uint32_t code = 0; code < 1u << f->bits; code++) {
            finite += isfinite(format_decode(f, code)) ? 1 : 0;
            assert_int_equal(bits_of(format_decode(f, code)), bits_of(format_decode(f, code | 0x7fu << f->bits)));
        }
        bool lowest_unused = is_integer(f) && f->code_min == -f->code_max;
        assert_int_equal(finite, used + lowest_unused);
        oracle_close(&o);
    }
}

static void fp32_is_the_identity(void **state)
{
    (void)state;
    static const uint32_t patterns[] = {0, 1, 0x80000000, 0x80000001, 0x7fffff, 0x800000, 0x3f800001, 0x7f7fffff,
                                        0xff7fffff};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        assert_int_equal(format_encode(format("fp32"), of_bits(patterns[i]), nearest), patterns[i]);
        assert_int_equal(bits_of(format_decode(format("fp32"), patterns[i])), patterns[i]);
    }
    assert_int_equal(format_encode(format("fp32"), of_bits(0xffc01234), nearest), 0x7fc00000);
    assert_int_equal(format_encode(format("fp32"), -INFINITY, native), 0xff800000);
    assert_int_equal(format_encode(format("fp32"), INFINITY, nearest), 0x7f7fffff);
}

static void specials_follow_the_policy(void **state)
{
    (void)state;
    static const struct { const char *name; float y; uint32_t saturated, overflowed; } cases[] = {
        {"fp16", 65519.996f, 0x7bff, 0x7bff}, {"fp16", 65520, 0x7bff, 0x7c00}, {"fp16", -INFINITY, 0xfbff, 0xfc00},
        {"bf16", INFINITY, 0x7f7f, 0x7f80},   {"bf16", 0x1.fffffep127f, 0x7f7f, 0x7f80},
        {"e4m3", 464, 0x7e, 0x7e},            {"e4m3", 464.0001f, 0x7e, 0x7f},  {"e4m3", -INFINITY, 0xfe, 0x7f},
        {"e5m2", 61439.99f, 0x7b, 0x7b},      {"e5m2", 61440, 0x7b, 0x7c},      {"e5m2", -INFINITY, 0xfb, 0xfc},
        {"e2m1", INFINITY, 7, 7},             {"e2m1", -100, 15, 15},           {"e2m1", -0.25f, 8, 8},
        {"int8", -INFINITY, 0x81, 0x81},      {"int8", 127.5f, 127, 127},       {"int4", -8, 9, 9},
        {"int8", -0.3f, 0, 0},                {"e4m3", -0.0f, 0x80, 0x80},      {"e4m3", -1e-30f, 0x80, 0x80},
        {"bf16", 0x1p-127f, 0x40, 0x40},      {"e4m3fnuz", 247.99f, 0x7f, 0x7f}, {"e4m3fnuz", 248, 0x7f, 0x80},
        {"e4m3fnuz", -0.0f, 0, 0},            {"e4m3fnuz", -1e-9f, 0, 0},     {"e4m3fnuz", -INFINITY, 0xff, 0x80},
        {"e5m2fnuz", INFINITY, 0x7f, 0x80},   {"e2m3", -7.5f, 63, 63},        {"e3m2", 30, 31, 31},
        {"e8m0", 0, 0xff, 0xff},              {"e8m0", -1, 0xff, 0xff},       {"e8m0", INFINITY, 0xfe, 0xff},
        {"e8m0", 1.5f, 128, 128},             {"e8m0", 3, 129, 129},          {"mxint8", 2, 127, 127},
        {"q4_0", -8.5f, 0, 0},                {"q4_0", 8, 15, 15},            {"int3", -4, 5, 5},
        {"int2", -1.5f, 3, 3},                {"nf4", 0.03979015f, 7, 7},     {"nf4", -5, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(format_encode(format(cases[i].name), cases[i].y, nearest), cases[i].saturated);
        assert_int_equal(format_encode(format(cases[i].name), cases[i].y, native), cases[i].overflowed);
    }
    static const struct { const char *name; uint32_t code; } nans[] = {
        {"fp16", 0x7e00}, {"bf16", 0x7fc0}, {"e4m3", 0x7f}, {"e5m2", 0x7f}, {"e2m1", 0}, {"int8", 0}, {"int4", 0},
        {"e4m3fnuz", 0x80}, {"e5m2fnuz", 0x80}, {"e8m0", 0xff}, {"nf4", 7}, {"q4_0", 8}, {"mxint8", 0},
    };
    static const uint32_t kinds[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0x7fe09000};
    for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            assert_int_equal(format_encode(format(nans[i].name), of_bits(kinds[k]), nearest), nans[i].code);
            assert_int_equal(format_encode(format(nans[i].name), of_bits(kinds[k]), native), nans[i].code);
        }
    assert_int_equal(format_encode(format("e4m3"), 1e9f, (struct cast){ROUND_ZERO, OVERFLOW_NATIVE, 0}), 0x7e);
    assert_int_equal(format_encode(format("e4m3"), INFINITY, (struct cast){ROUND_ZERO, OVERFLOW_NATIVE, 0}), 0x7f);
    assert_true(isinf(format_decode(format("e5m2"), 0xfc)) && isnan(format_decode(format("e5m2"), 0x7d)));
}

static double worst_half_gap(const struct oracle *o, double normal, double *relative)
{
    double bound = 0;
    for (int k = 0; k < 2; k++)
        for (uint32_t c = 0; c + 1 < o->side[k].n; c++) {
            double half = (o->side[k].value[c + 1] - o->side[k].value[c]) / 2;
            bound = fmax(bound, half);
            if (o->side[k].value[c] >= normal)
                *relative = fmax(*relative, half / o->side[k].value[c]);
        }
    return bound;
}

static void the_row_states_facts(void **state)
{
    (void)state;
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        assert_int_equal(f->lane[0] + f->lane[1] + f->lane[2], f->bits);
        assert_int_equal(f->emax, ilogbf(f->largest));
        assert_ptr_equal(format_find(f->name), f);
        assert_non_null(f->function);
        struct oracle o;
        if (f->bits > 16 || !oracle_open(&o, f->name))
            continue;
        const struct side *up = &o.side[0];
        double relative = 0, bound = worst_half_gap(&o, (double)f->normal, &relative);
        bool stated = f->kind == FORMAT_FLOAT || f->kind == FORMAT_POWER;
        assert_true((double)f->bound >= bound && (double)f->bound <= bound * (1 + 1e-6));
        assert_true((double)f->relative == (stated ? relative : 0));
        assert_true(up->value[f->kind == FORMAT_POWER ? 0 : 1] == (double)f->smallest);
        assert_true(up->value[up->n - 1] == (double)f->largest);
        assert_int_equal(f->nan, oracle_nan(&o));
        oracle_close(&o);
    }
    assert_null(format_at(format_count()));
}

/* What a block stores: codes, and the scale of the kind that the row names. */
static void blocks_are_as_large_as_published(void **state)
{
    (void)state;
    static const struct { const char *name; unsigned block, bytes; double bits; } facts[] = {
        {"mxfp8-e4m3", 32, 33, 8.25}, {"mxfp8-e5m2", 32, 33, 8.25}, {"mxfp6-e2m3", 32, 25, 6.25},
        {"mxfp6-e3m2", 32, 25, 6.25}, {"mxfp4", 32, 17, 4.25},      {"mxint8", 32, 33, 8.25},
        {"nvfp4", 16, 9, 4.5},        {"nf4", 64, 36, 4.5},         {"nf4-dq", 64, 33, 4.125},
        {"q8_0", 32, 34, 8.5},        {"q4_0", 32, 18, 4.5},
    };
    size_t blocks = 0;
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        const struct format *f = format(facts[i].name);
        assert_int_equal(f->block, facts[i].block);
        assert_int_equal(f->block_bytes, facts[i].bytes);
        assert_true(8.0 * f->block_bytes / f->block == facts[i].bits);
        assert_int_equal(recipe_scale(f).size, f->block);
    }
    for (size_t i = 0; i < format_count(); i++)
        blocks += format_at(i)->block > 0;
    assert_int_equal(blocks, sizeof facts / sizeof facts[0]);
}

static void stochastic_rounding_is_exact_in_the_mean(void **state)
{
    (void)state;
    static const struct { const char *name; float y; uint32_t up_of_1024; } cases[] = {
        {"int8", 3.25f, 256}, {"int8", -3.75f, 768}, {"e4m3", 17, 512}, {"e2m1", 4.5f, 256}, {"e2m1", 0.125f, 256},
        {"int4", 5, 0}, {"e4m3", 0x1p-19f, 1}, {"mxint8", 0x1.8p-8f, 384}, {"e8m0", 5, 256}, {"e3m2", -25, 256},
        {"q4_0", -7.5f, 512}, {"e5m2fnuz", -0x1p-18f, 512},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct format *f = format(cases[i].name);
        uint32_t low = format_encode(f, cases[i].y, toward_zero), up = 0;
        for (uint32_t h = 0; h < 1024; h++)
            up += format_encode(f, cases[i].y, (struct cast){ROUND_STOCHASTIC, OVERFLOW_SATURATE, h << 14}) != low;
        assert_int_equal(up, cases[i].up_of_1024);
    }
}

static void the_grid_can_be_walked(void **state)
{
    (void)state;
    float values[300];
    assert_int_equal(format_values(format("e4m3"), 0, 1, values, 300), 57);
    assert_int_equal(format_values(format("e4m3"), 200, 260, values, 300), 4);
    assert_true(values[0] == 208 && values[1] == 224 && values[2] == 240 && values[3] == 256);
    assert_int_equal(format_values(format("e2m1"), -100, 100, values, 300), 15);
    assert_true(values[0] == -6 && values[7] == 0 && !signbit(values[7]) && values[14] == 6);
    assert_int_equal(format_values(format("int8"), -1.5f, 2, values, 300), 4);
    assert_int_equal(format_values(format("int8"), 2, -1.5f, values, 300), 0);
    assert_int_equal(format_values(format("int8"), 128, 500, values, 300), 0);
    assert_int_equal(format_values(format("int8"), 0.1f, 0.2f, values, 300), 0);
    values[1] = 7;
    assert_int_equal(format_values(format("fp16"), 0, 1, values, 1), 0x3c01);
    assert_true(values[0] == 0 && values[1] == 7);
    assert_int_equal(format_values(format("fp16"), NAN, 1, values, 1), 0);
    static const struct { const char *name; float value, step; } steps[] = {
        {"fp16", 237.375f, 0.125f}, {"bf16", 237, 1}, {"e4m3", 240, 16}, {"e5m2", 224, 32},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_true(format_round(format(steps[i].name), 237.4f, nearest) == steps[i].value);
        assert_true(format_step(format(steps[i].name), -237.4f) == steps[i].step);
    }
    assert_true(format_step(format("e4m3"), 448) == 32 && format_step(format("e4m3"), INFINITY) == 32);
    assert_true(format_step(format("e4m3"), 0) == 0x1p-9f && isnan(format_step(format("e4m3"), NAN)));
    assert_true(format_step(format("fp32"), 1) == 0x1p-23f);
}

static void adding_one_sticks_where_it_should(void **state)
{
    (void)state;
    static const struct { const char *name; float stuck; } cases[] = {
        {"e5m2", 8}, {"e4m3", 16}, {"bf16", 256}, {"fp16", 2048},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float sum = 0, before = -1;
        while (sum != before) {
            before = sum;
            sum = format_round(format(cases[i].name), sum + 1, nearest);
        }
        assert_true(sum == cases[i].stuck);
    }
    assert_true(format_round(format("e4m3"), 0.1f, nearest) == 0.1015625f);
    assert_true(format_round(format("e4m3"), 0.3f, nearest) == 0.3125f);
    assert_true(format_round(format("e4m3"), 17, nearest) == 16);
    assert_true(format_round(format("e4m3"), 300, nearest) == 288);
    assert_true(format_round(format("e5m2"), 0.1f, nearest) == 0.09375f);
}

static void a_misspelled_name_is_guessed(void **state)
{
    (void)state;
    assert_null(format_find("E4M3"));
    assert_null(format_find(NULL));
    assert_string_equal(format_nearest("E4M3")->name, "e4m3");
    assert_string_equal(format_nearest("int_8")->name, "int8");
    assert_string_equal(format_nearest("fp1")->name, "fp16");
    assert_string_equal(format_nearest("fp8")->name, "e4m3");
    assert_string_equal(format_nearest("FP4")->name, "e2m1");
    assert_string_equal(format_nearest("bfloat16") ? format_nearest("bfloat16")->name : "none", "none");
    assert_null(format_nearest(""));
    assert_null(format_nearest("a very long word that is no format at all"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_is_rounded_as_the_search_says),
        cmocka_unit_test(a_planted_fault_is_found),
        cmocka_unit_test(every_code_comes_back),
        cmocka_unit_test(fp32_is_the_identity),
        cmocka_unit_test(specials_follow_the_policy),
        cmocka_unit_test(the_row_states_facts),
        cmocka_unit_test(blocks_are_as_large_as_published),
        cmocka_unit_test(stochastic_rounding_is_exact_in_the_mean),
        cmocka_unit_test(the_grid_can_be_walked),
        cmocka_unit_test(adding_one_sticks_where_it_should),
        cmocka_unit_test(a_misspelled_name_is_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
