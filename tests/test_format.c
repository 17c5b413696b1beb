/* test_format.c: every row of the format table against an independent reading of its lanes.
 * The reference here searches the sorted list of values for the nearest, ties to the even code; it shares no
 * arithmetic with format.c. Inputs: all FP16 and BF16 values, every tie, both neighbors of every boundary. */
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

static const struct cast nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
static const struct cast native = {ROUND_NEAREST, OVERFLOW_NATIVE, 0};
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

/* ---- The independent reference --------------------------------------------------------------------- */

/* Non-negative values by code, 0..largest, then the value that would come next if the range had no end. */
struct grid {
    double *value;
    uint32_t count;         /* finite ones */
};

static double lane_value(int exponent_bits, int mantissa_bits, uint32_t code)
{
    if (exponent_bits == 0)
        return code;
    int bias = exponent_bits == 2 ? 1 : (1 << (exponent_bits - 1)) - 1;
    uint32_t exponent = code >> mantissa_bits, mantissa = code & ((1u << mantissa_bits) - 1);
    double fraction = (double)mantissa / (double)(1u << mantissa_bits);
    return exponent ? ldexp(1 + fraction, (int)exponent - bias) : ldexp(fraction, 1 - bias);
}

static struct grid grid_of(const struct format *f)
{
    static const struct { const char *name; int exponent, mantissa; double largest; } facts[] = {
        {"fp16", 5, 10, 65504}, {"bf16", 8, 7, 0x1.fep127}, {"e4m3", 4, 3, 448}, {"e5m2", 5, 2, 57344},
        {"int8", 0, 7, 127}, {"int4", 0, 3, 7}, {"e2m1", 2, 1, 6},
    };
    struct grid g = {malloc(((size_t)1 << 16) * sizeof(double)), 0};
    assert_non_null(g.value);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        if (strcmp(facts[i].name, f->name) != 0)
            continue;
        while (g.count == 0 || g.value[g.count - 1] < facts[i].largest) {
            g.value[g.count] = lane_value(facts[i].exponent, facts[i].mantissa, g.count);
            g.count++;
        }
        g.value[g.count] = lane_value(facts[i].exponent, facts[i].mantissa, g.count);
        return g;
    }
    fail_msg("test_format.c knows no lanes of '%s': add them", f->name);
    return g;
}

/* The code of |y| with nearest even; g.count means: beyond the largest. */
static uint32_t search(const struct grid *g, double y)
{
    uint32_t low = 0, high = g->count;
    if (y >= g->value[high])
        return high;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (g->value[middle] <= y)
            low = middle;
        else
            high = middle;
    }
    double below = y - g->value[low], above = g->value[high] - y;
    return below < above || (below == above && low % 2 == 0) ? low : high;
}

static bool is_integer(const struct format *f)
{
    return f->lane[1] == 0;
}

/* What code y must get. */
static uint32_t expected_code(const struct format *f, const struct grid *g, float y, struct cast how)
{
    uint32_t code = isinf(y) ? g->count : search(g, fabs((double)y));
    if (how.rounding == ROUND_ZERO) {
        code = g->count - 1;
        while (code > 0 && g->value[code] > fabs((double)y))
            code--;
    }
    bool has_specials = strcmp(f->name, "e2m1") != 0 && !is_integer(f);
    if (code == g->count) {
        if (how.overflow == OVERFLOW_SATURATE || !has_specials)
            code = g->count - 1;
        else if (strcmp(f->name, "e4m3") == 0)
            return 0x7f;
    }
    uint32_t mask = (1u << f->bits) - 1;
    if (is_integer(f))
        return (signbit(y) ? 0u - code : code) & mask;
    return code | (signbit(y) ? 1u << (f->bits - 1) : 0);
}

/* Checks one input; 1 if the format disagrees. */
static int wrong(const struct format *f, const struct grid *g, float y, struct cast how)
{
    if (isnan(y))
        return 0;
    bool clips = isinf(y) || search(g, fabs((double)y)) == g->count;
    return format_encode(f, y, how) != expected_code(f, g, y, how) ||
           (how.rounding == ROUND_NEAREST && format_clips(f, y, how) != clips);
}

static size_t count_wrong_16(const struct format *f, const struct grid *g, struct cast how)
{
    size_t count = 0;
    for (uint32_t i = 0; i < 1u << 16; i++) {
        count += (size_t)wrong(f, g, of_bits(i << 16), how);
        count += (size_t)wrong(f, g, format_decode(format("fp16"), i), how);
    }
    return count;
}

/* Every value, every tie and the floats on both sides of each, with both signs. */
static size_t count_wrong_boundaries(const struct format *f, const struct grid *g, struct cast how)
{
    size_t count = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        const float at[2] = {(float)g->value[i], (float)((g->value[i] + g->value[i + 1]) / 2)};
        for (int k = 0; k < 2; k++) {
            const float near[3] = {at[k], nextafterf(at[k], INFINITY), nextafterf(at[k], -INFINITY)};
            for (int j = 0; j < 3; j++)
                count += (size_t)(wrong(f, g, near[j], how) + wrong(f, g, -near[j], how));
        }
    }
    return count;
}

static size_t count_wrong(const struct format *f, struct cast how)
{
    struct grid g = grid_of(f);
    size_t count = count_wrong_boundaries(f, &g, how);
    if (how.rounding == ROUND_NEAREST)
        count += count_wrong_16(f, &g, how);
    free(g.value);
    return count;
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
        if (f->bits <= 8 && count_wrong(f, toward_zero))
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

static void every_code_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        if (f->bits > 16)
            continue;
        struct grid g = grid_of(f);
        for (uint32_t code = 0; code < 1u << f->bits; code++) {
            float value = format_decode(f, code);
            uint32_t lowest_unused = is_integer(f) ? 1u << (f->bits - 1) : UINT32_MAX;
            if (isfinite(value) && code != lowest_unused)
                assert_int_equal(format_encode(f, value, native), code);
        }
        for (uint32_t code = 0; code < g.count; code++)
            assert_true((double)format_decode(f, code) == g.value[code]);
        free(g.value);
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
        {"bf16", 0x1p-127f, 0x40, 0x40},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(format_encode(format(cases[i].name), cases[i].y, nearest), cases[i].saturated);
        assert_int_equal(format_encode(format(cases[i].name), cases[i].y, native), cases[i].overflowed);
    }
    static const struct { const char *name; uint32_t code; } nans[] = {
        {"fp16", 0x7e00}, {"bf16", 0x7fc0}, {"e4m3", 0x7f}, {"e5m2", 0x7f}, {"e2m1", 0}, {"int8", 0}, {"int4", 0},
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

static void the_row_states_facts(void **state)
{
    (void)state;
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        assert_int_equal(f->lane[0] + f->lane[1] + f->lane[2], f->bits);
        assert_int_equal(f->emax, ilogbf(f->largest));
        assert_ptr_equal(format_find(f->name), f);
        if (f->bits > 16)
            continue;
        struct grid g = grid_of(f);
        double bound = 0, relative = 0;
        for (uint32_t c = 0; c + 1 < g.count; c++) {
            double half = (g.value[c + 1] - g.value[c]) / 2;
            bound = fmax(bound, half);
            if (g.value[c] >= (double)f->normal && !is_integer(f))
                relative = fmax(relative, half / g.value[c]);
        }
        assert_true(bound == (double)f->bound && relative == (double)f->relative);
        assert_true(g.value[1] == (double)f->smallest && g.value[g.count - 1] == (double)f->largest);
        assert_int_equal(f->code_max, g.count - 1);
        free(g.value);
    }
    assert_null(format_at(format_count()));
}

static void stochastic_rounding_is_exact_in_the_mean(void **state)
{
    (void)state;
    static const struct { const char *name; float y; uint32_t up_of_1024; } cases[] = {
        {"int8", 3.25f, 256}, {"int8", -3.75f, 768}, {"e4m3", 17, 512}, {"e2m1", 4.5f, 256}, {"e2m1", 0.125f, 256},
        {"int4", 5, 0}, {"e4m3", 0x1p-19f, 1},
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
        cmocka_unit_test(stochastic_rounding_is_exact_in_the_mean),
        cmocka_unit_test(the_grid_can_be_walked),
        cmocka_unit_test(adding_one_sticks_where_it_should),
        cmocka_unit_test(a_misspelled_name_is_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
