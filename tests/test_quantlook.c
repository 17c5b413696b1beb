/* test_quantlook: what is gathered for a picture of a rounding, against the same counted by hand; blocks that hold. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/quantview.h"
#include "engine/view.h"
#include "kernels/random.h"

enum { ROWS = 300, COLS = 96, N = ROWS * COLS };

static float w[N];

static const struct {
    const char *format, *scale, *zero_point, *clip, *method;
} cases[] = {
    { "int4", "group:32", NULL, NULL, "rtn" },       { "int8", "tensor", NULL, "percentile:99", "rtn" },
    { "int4", "channel", "full", NULL, "rtn" },      { "int4", "group:32", "awq", NULL, "rtn" },
    { "int3", "group:32", "kivi", "mse", "rtn" },    { "e4m3", "none", NULL, NULL, "rtn" },
    { "e5m2", "tile:7x9", NULL, NULL, "rtn" },       { "mxfp4", NULL, NULL, NULL, "rtn" },
    { "nvfp4", NULL, NULL, NULL, "rtn" },            { "nf4-dq", NULL, NULL, NULL, "rtn" },
    { "q4_0", NULL, NULL, NULL, "rtn" },             { "fp16", NULL, NULL, NULL, "rtn" },
    { "int8", "tensor", NULL, NULL, "rtn" },         { "int4", "group:32", NULL, NULL, "hadamard" },
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* One value is 0; one is no number, unless a rotation would spread it. */
static void fill(bool finite)
{
    random_gaussian(w, N, 5, 1);
    for (size_t r = 0; r < ROWS; r++)
        w[r * COLS + 17] *= 12; /* a column that stands out */
    for (size_t c = 0; c < COLS; c++)
        w[200 * COLS + c] = (float)(c % 3) * 1e-3f - (c == 5 ? 40 : 0); /* a row that one value spoils */
    w[3] = finite ? 1 : NAN;
    w[4] = 0;
}

static struct recipe recipe_of(size_t i)
{
    struct recipe recipe;
    char why[200];
    const struct recipe_words words = { .format = cases[i].format, .scale = cases[i].scale, .clip = cases[i].clip,
                                        .zero_point = cases[i].zero_point };
    if (!recipe_parse(&words, &recipe, why, sizeof why))
        fail_msg("%s", why);
    return recipe;
}

static struct method_result round_rows(size_t i, size_t first, size_t rows, float amax)
{
    struct method_result result;
    struct method_task task = { .w = w + first * COLS, .out = rows, .in = COLS, .weights = recipe_of(i) };
    task.weights.amax = amax;
    assert_int_equal(method_run(method_find(cases[i].method), &task, NULL, &result), KERNEL_OK);
    return result;
}

static double total(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-5 * fabs(b) + 1e-12;
}

/* Sums and counts are those of the tensor, however levels were counted. */
static void totals(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        bool rotated = strcmp(cases[i].method, "hadamard") == 0;
        fill(rotated);
        struct quantlook *look = quantlook_new(ROWS, COLS);
        struct method_result result = round_rows(i, 0, ROWS, 0);
        const struct quant *q = &result.q;
        double n = rotated ? N : N - 1;
        double codes[QUANTLOOK_CODES] = { 0 }, became = 0;
        quantlook_take(look, w, &result);
        for (size_t k = 0; k < N; k++)
            if (isfinite(w[k])) {
                if (q->recipe.format->bits <= 8)
                    codes[quant_code(q, k)]++;
                became += w[k] != 0 && result.weights[k] == 0;
            }
        assert_true(total(look->before, QUANTLOOK_BINS) == n && total(look->after, QUANTLOOK_BINS) == n);
        assert_memory_equal(look->codes, codes, sizeof codes);
        assert_true(total(look->count, QUANTLOOK_FATES) == n);
        assert_true(close_to(total(look->noise, QUANTLOOK_FATES), result.error.noise));
        assert_true(close_to(look->signal, result.error.signal));
        assert_true(close_to(total(look->cells, look->map_rows * look->map_cols), result.error.noise));
        assert_true(look->count[QUANTLOOK_CLIPPED] == (double)q->clipped);
        assert_true(look->count[QUANTLOOK_ZERO] <= became && look->zeros >= 1);
        assert_true(look->scale_count <= (double)q->scale_count && total(look->scales, QUANTLOOK_SCALES) ==
                    look->scale_count);
        method_free(&result);
        quantlook_free(look);
    }
    fill(false);
}

/* A bin of levels holds what lies there: int8 in one scale, divided by hand. */
static void bins(void **state)
{
    (void)state;
    struct quantlook *look = quantlook_new(ROWS, COLS);
    struct method_result result = round_rows(1, 0, ROWS, 0);
    static double before[QUANTLOOK_BINS], after[QUANTLOOK_BINS];
    float scale = result.q.scales[0];
    quantlook_take(look, w, &result);
    assert_true(look->reach >= 127 && log2(look->reach) == floor(log2(look->reach)));
    for (size_t k = 0; k < N; k++)
        if (isfinite(w[k])) {
            before[(size_t)(((double)(w[k] * (1 / scale)) / look->reach + 1) * QUANTLOOK_BINS / 2)]++;
            after[(size_t)((rint((double)(result.weights[k] / scale)) / look->reach + 1) * QUANTLOOK_BINS / 2)]++;
        }
    assert_memory_equal(look->before, before, sizeof before);
    assert_memory_equal(look->after, after, sizeof after);
    method_free(&result);
    quantlook_free(look);
}

static int by_badness(const void *a, const void *b)
{
    const struct quantlook_part *x = a, *y = b;
    double difference = y->noise / y->signal - x->noise / x->signal;
    return (difference > 0) - (difference < 0);
}

/* The worst of the parts that quant_errors measures. */
static void compare_worst(const struct quant *q, enum quant_part part, const struct quantlook_part *worst)
{
    size_t n = quant_parts(q, part);
    struct error_sums *sums = malloc(n * sizeof *sums);
    struct quantlook_part *all = malloc(n * sizeof *all);
    assert_int_equal(quant_errors(q, w, part, sums), KERNEL_OK);
    for (size_t i = 0; i < n; i++)
        all[i] = (struct quantlook_part){ i, sums[i].signal, sums[i].noise };
    qsort(all, n, sizeof *all, by_badness);
    for (size_t i = 0; i < QUANTLOOK_WORST; i++) {
        assert_int_equal(worst[i].index, all[i].index);
        assert_true(close_to(worst[i].noise, all[i].noise) && close_to(worst[i].signal, all[i].signal));
    }
    free(sums);
    free(all);
}

static void worst(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct quantlook_part columns[QUANTLOOK_WORST];
        struct quantlook *look = quantlook_new(ROWS, COLS);
        struct method_result result = round_rows(i, 0, ROWS, 0);
        quantlook_take(look, w, &result);
        assert_int_equal(look->worst_count, QUANTLOOK_WORST);
        assert_int_equal(quantlook_columns(look, columns), QUANTLOOK_WORST);
        if (result.weights == result.q.values) {
            compare_worst(&result.q, QUANT_ROWS, look->worst);
            compare_worst(&result.q, QUANT_COLUMNS, columns);
        }
        method_free(&result);
        quantlook_free(look);
    }
}

/* Blocks of rows give what the whole gives, to the bit. */
static void streams(void **state)
{
    static const size_t some[] = { 0, 2, 3, 5, 7, 8, 12 }, ends[] = { 7, 14, 140, ROWS };
    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        struct quantlook *whole = quantlook_new(ROWS, COLS), *parts = quantlook_new(ROWS, COLS);
        struct method_result result = round_rows(some[i], 0, ROWS, 0);
        float amax = result.q.amax;
        quantlook_take(whole, w, &result);
        method_free(&result);
        for (size_t k = 0, first = 0; k < 4; first = ends[k++]) {
            result = round_rows(some[i], first, ends[k] - first, amax);
            quantlook_take(parts, w + first * COLS, &result);
            method_free(&result);
        }
        assert_memory_equal(whole->columns, parts->columns, COLS * sizeof *whole->columns);
        assert_memory_equal(whole->cells, parts->cells, whole->map_rows * whole->map_cols * sizeof *whole->cells);
        free(parts->columns);
        free(parts->cells);
        free(parts->prepared);
        parts->columns = whole->columns;
        parts->cells = whole->cells;
        parts->prepared = whole->prepared;
        assert_memory_equal(whole, parts, sizeof *whole);
        quantlook_free(whole);
        free(parts);
    }
}

/* The blocks for a tensor of these rows, checked. */
static json_t *blocks_of(const float *x, size_t rows, const struct recipe *recipe)
{
    char why[400];
    struct method_result result;
    const struct method *method = method_find("rtn");
    struct method_task task = { .w = x, .out = rows, .in = COLS, .weights = *recipe };
    struct quantlook *look = quantlook_new(rows, COLS);
    assert_int_equal(method_run(method, &task, NULL, &result), KERNEL_OK);
    quantlook_take(look, x, &result);
    json_t *report = json_pack("{s:s, s:f, s:s}", "method", "rtn", "bits_per_weight", result.bits_per_weight,
                               "sqnr_db", isfinite(result.sqnr_db) ? "1" : "inf");
    const struct safetensor tensor = { .name = "x", .dtype = safetensors_dtype("F32"), .count = rows * COLS,
                                       .bytes = 4 * rows * COLS };
    const struct quantview view = { .report = report, .look = look, .recipe = recipe, .method = method,
                                    .tensor = &tensor };
    json_t *blocks = quantview_blocks(&view);
    if (!view_check_list(blocks, why, sizeof why))
        fail_msg("%s, %zu rows: %s", recipe->format->name, rows, why);
    json_decref(report);
    method_free(&result);
    quantlook_free(look);
    return blocks;
}

static const json_t *block_of(const json_t *blocks, const char *kind)
{
    size_t i;
    json_t *block;
    json_array_foreach(blocks, i, block)
        if (strcmp(view_text(block, "view", ""), kind) == 0)
            return block;
    return NULL;
}

/* Every format, whole, as one row, and one that does not change a bit. */
static void blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < format_count(); i++) {
        char why[200];
        struct recipe recipe;
        const struct recipe_words words = { .format = format_at(i)->name };
        assert_true(recipe_parse(&words, &recipe, why, sizeof why));
        json_t *list = blocks_of(w, ROWS, &recipe);
        const json_t *hist = block_of(list, "hist");
        size_t bin;
        json_t *count;
        double sum = 0;
        json_array_foreach(json_object_get(hist, "counts"), bin, count)
            sum += json_number_value(count);
        assert_true(sum == N - 1 && json_array_size(json_object_get(hist, "counts")) <= 160);
        assert_true((block_of(list, "heat") != NULL) == (strcmp(recipe.format->name, "fp32") != 0));
        json_decref(list);
        list = blocks_of(w, 1, &recipe);
        assert_null(block_of(list, "heat"));
        json_decref(list);
    }
}

/* A level of int4 lies in the middle of its bin, so that its column stands over its tick. */
static void centered(void **state)
{
    (void)state;
    struct recipe recipe = recipe_of(0);
    json_t *list = blocks_of(w, ROWS, &recipe);
    const json_t *hist = block_of(list, "hist"), *after = json_object_get(hist, "after");
    double from = view_number(hist, "from", 0), to = view_number(hist, "to", 0);
    size_t n = json_array_size(after), i;
    json_t *count;
    json_array_foreach(after, i, count) {
        double middle = from + ((double)i + 0.5) * (to - from) / (double)n;
        if (json_number_value(count) > 0)
            assert_true(fabs(middle - rint(middle)) < 1e-9 && fabs(middle) < 7.5);
    }
    json_decref(list);
}

/* What a format cannot hold becomes NaN or infinite: the error is no number, the blocks are. */
static void overflows(void **state)
{
    static const char *const formats[] = { "e4m3", "e5m2", "fp16" };
    float large[4 * COLS];
    (void)state;
    for (size_t k = 0; k < 4 * COLS; k++)
        large[k] = k == 7 ? 1e6f : (float)k;
    for (size_t i = 0; i < 3; i++) {
        char why[200];
        struct recipe recipe;
        const struct recipe_words words = { .format = formats[i], .scale = "none", .overflow = "native" };
        assert_true(recipe_parse(&words, &recipe, why, sizeof why));
        json_t *list = blocks_of(large, 4, &recipe);
        assert_non_null(block_of(list, "heat"));
        assert_null(block_of(list, "bars"));
        json_decref(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals), cmocka_unit_test(bins),     cmocka_unit_test(worst),     cmocka_unit_test(streams),
        cmocka_unit_test(blocks), cmocka_unit_test(centered), cmocka_unit_test(overflows),
    };
    fill(false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
