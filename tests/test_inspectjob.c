/* test_inspectjob.c: the portrait of a tensor against figures counted here; the list, patterns, tensors with nothing in
 * them, cancel; and the list to choose from on a screen. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/command.h"
#include "engine/inspectjob.h"
#include "engine/safetensors_write.h"
#include "engine/view.h"
#include "kernels/quantize.h"
#include "kernels/random.h"
#include "tutor/picklist.h"

enum { ROWS = 4000, COLS = 600, N = ROWS * COLS, LOUD = 77 };

static char   path[300];
static float *x;
static int    stop_after;

static bool go_on(void *ctx, double fraction)
{
    (void)ctx;
    assert_true(fraction >= 0 && fraction <= 1);
    return stop_after == 0 || --stop_after > 0;
}

static json_t *run(const char *tensor, char error[512])
{
    const struct inspectjob_env env = { .isa = cpu_info()->best, .progress = go_on };
    json_t *request = json_pack("{s:s}", "path", path);
    if (tensor)
        json_object_set_new(request, "tensor", json_string(tensor));
    *error = '\0';
    json_t *reply = inspectjob_run(request, &env, error, 512);
    json_decref(request);
    if (reply && !view_check_list(json_object_get(reply, "blocks"), error, 512))
        fail_msg("%s", error);
    return reply;
}

static void portrait(void **state)
{
    double low = 0, high = 0, sum = 0, squares = 0, zeros = 0, total = 0;
    char error[512];
    (void)state;
    json_t *reply = run("x", error);
    if (!reply)
        fail_msg("%s", error);
    const json_t *all = json_object_get(reply, "inspect"), *columns = json_object_get(all, "outlier_columns"), *bin;
    for (size_t i = 0; i < N; i++) {
        double v = (double)x[i];
        if (!isfinite(v))
            continue;
        low = v < low ? v : low;
        high = v > high ? v : high;
        sum += v;
        squares += v * v;
        zeros += v == 0;
    }
    assert_true(view_number(all, "min", 0) == low && view_number(all, "max", 0) == high);
    assert_true(fabs(view_number(all, "mean", 9) - sum / (N - 2)) < 1e-12);
    assert_true(fabs(view_number(all, "std", 0) - sqrt(squares / (N - 2) - sum / (N - 2) * sum / (N - 2))) < 1e-9);
    assert_true(view_number(all, "zero_fraction", -1) == zeros / N && view_number(all, "nonfinite", 0) == 2);
    assert_true(view_number(all, "bits_per_weight", 0) == 32 && view_number(all, "bytes", 0) == 4.0 * N);
    assert_int_equal(json_array_size(columns), 1);
    assert_true(view_number(json_array_get(columns, 0), "index", 0) == LOUD);
    assert_true(view_number(json_array_get(columns, 0), "times", 0) > 20);
    assert_int_equal(json_array_size(json_object_get(all, "column_maxima")), 512);
    size_t i, rows = (size_t)view_number(all, "sampled_rows", 0);
    assert_true(rows > 0 && rows * COLS <= 1 << 20 && rows * COLS > 1 << 19);
    json_array_foreach(json_object_get(json_object_get(all, "histogram"), "counts"), i, bin)
        total += json_number_value(bin);
    assert_true(total == (double)(rows * COLS) - 1); /* one of the two that are not finite is in the sample */
    json_decref(reply);
}

/* The table of formats is what quantize says of the same rows. */
static void formats(void **state)
{
    char error[512];
    size_t i, seen = 0;
    json_t *row;
    (void)state;
    json_t *reply = run("x", error);
    const json_t *all = json_object_get(reply, "inspect");
    size_t rows = (size_t)view_number(all, "sampled_rows", 0), every = (ROWS + rows - 1) / rows;
    float *sample = malloc(rows * COLS * sizeof *sample);
    for (size_t r = 0; r < rows; r++)
        memcpy(sample + r * COLS, x + r * every * COLS, COLS * sizeof *sample);
    json_array_foreach(json_object_get(all, "formats"), i, row) {
        static const char *const some[][2] = { { "int4", "group:128" }, { "e4m3", "tensor" }, { "mxfp4", "block:32" } };
        for (size_t k = 0; k < 3; k++) {
            struct recipe recipe;
            struct quant q;
            const struct recipe_words words = { .format = some[k][0], .scale = some[k][1] };
            if (strcmp(view_text(row, "format", ""), some[k][0]) != 0 ||
                strcmp(view_text(row, "scale", ""), some[k][1]) != 0)
                continue;
            assert_true(recipe_parse(&words, &recipe, error, sizeof error));
            assert_int_equal(quantize(sample, rows, COLS, &recipe, NULL, &q), KERNEL_OK);
            assert_true(fabs(view_number(row, "sqnr_db", 0) - q.sqnr_db) < 1e-9);
            assert_true(view_number(row, "bits_per_weight", 0) == q.bits_per_weight);
            assert_true(view_number(row, "zero_fraction", -1) == q.zero_fraction);
            quant_free(&q);
            seen++;
        }
    }
    assert_int_equal(seen, 3);
    assert_true(json_array_size(json_object_get(all, "formats")) > format_count());
    free(sample);
    json_decref(reply);
}

static void lists(void **state)
{
    static const struct {
        const char *pattern;
        size_t      count;
    } cases[] = { { NULL, 4 }, { "*", 4 }, { "no*", 2 }, { "?", 1 }, { "zzz*", 0 } };
    char error[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *reply = run(cases[i].pattern, error);
        const json_t *all = json_object_get(reply, "inspect");
        assert_int_equal(json_array_size(json_object_get(all, "tensors")), cases[i].count);
        assert_true(view_number(all, "count", -1) == (double)cases[i].count);
        json_decref(reply);
    }
    assert_null(run("y", error));
    assert_non_null(strstr(error, "no tensor 'y'"));
}

/* Nothing, and nothing finite: what can be said is said. */
static void poor(void **state)
{
    static const char *const names[] = { "nothing", "nowhere" };
    char error[512];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        json_t *reply = run(names[i], error);
        assert_non_null(reply);
        assert_null(json_object_get(json_object_get(reply, "inspect"), "formats"));
        json_decref(reply);
    }
    json_t *reply = run("one", error);
    assert_true(view_number(json_object_get(reply, "inspect"), "max", 0) == 5);
    json_decref(reply);
}

static void canceled(void **state)
{
    char error[512];
    (void)state;
    for (int after = 1; after < 9; after += 3) {
        stop_after = after;
        assert_null(run("x", error));
        assert_string_equal(error, "canceled");
    }
    stop_after = 0;
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */

static void remark(const json_t *item, char *out, size_t size)
{
    snprintf(out, size, "%s", view_text(item, "type", ""));
}

static void type(struct picklist *p, const char *text)
{
    for (; *text; text++)
        assert_int_equal(picklist_key(p, (uint32_t)*text, 10), PICKED_MOVED);
}

static void chooses(void **state)
{
    json_t *items = json_array();
    char name[40], error[200];
    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "layers.%d.%s", i / 2, i % 2 ? "down" : "up");
        json_array_append_new(items, json_pack("{s:s, s:s}", "name", name, "type", "F16"));
    }
    struct picklist *p = picklist_new(items, remark);
    assert_string_equal(picklist_name(p), "layers.0.up");
    picklist_key(p, KEY_CODE_UP, 10);
    assert_string_equal(picklist_name(p), "layers.0.up");
    picklist_key(p, KEY_CODE_END, 10);
    assert_string_equal(picklist_name(p), "layers.249.down");
    picklist_key(p, KEY_CODE_PAGE_UP, 10);
    assert_string_equal(picklist_name(p), "layers.245.up");
    type(p, "/24.down");
    assert_string_equal(picklist_name(p), "layers.24.down");
    picklist_key(p, KEY_CODE_DOWN, 10);
    assert_string_equal(picklist_name(p), "layers.124.down");
    json_t *view = picklist_view(p, "t", "about", 10);
    const json_t *menu = json_array_get(json_object_get(view, "body"), 0);
    assert_true(view_check(menu, error, sizeof error));
    assert_int_equal(json_array_size(json_object_get(menu, "items")), 3);
    assert_string_equal(view_text(view, "where", ""), "2 of 3 · about");
    assert_string_equal(view_text(view, "status", ""), "/24.down_");
    json_decref(view);
    assert_int_equal(picklist_key(p, KEY_CODE_ENTER, 10), PICKED_MOVED);     /* the filter is done */
    assert_int_equal(picklist_key(p, KEY_CODE_ENTER, 10), PICKED_ITEM);
    assert_int_equal(picklist_key(p, KEY_CODE_ESCAPE, 10), PICKED_MOVED);    /* the filter goes */
    assert_int_equal(picklist_key(p, KEY_CODE_ESCAPE, 10), PICKED_LEAVE);
    type(p, "/zzz");
    assert_null(picklist_name(p));
    picklist_key(p, KEY_CODE_ENTER, 10);
    assert_int_equal(picklist_key(p, KEY_CODE_ENTER, 10), PICKED_NOTHING);
    view = picklist_view(p, "t", "about", 10);
    assert_int_equal(json_array_size(json_object_get(json_array_get(json_object_get(view, "body"), 0), "items")), 0);
    json_decref(view);
    picklist_free(p);
    json_decref(items);
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static int make_file(void **state)
{
    const uint64_t shape[2] = { ROWS, COLS }, none = 0, two = 2, one = 1;
    const float nan[2] = { NAN, INFINITY }, five = 5;
    (void)state;
    snprintf(path, sizeof path, "%s/saffron-inspect.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    x = malloc(N * sizeof *x);
    random_gaussian(x, N, 3, 1);
    for (size_t r = 0; r < ROWS; r++)
        x[r * COLS + LOUD] *= 30;
    x[5] = 0;
    x[6] = NAN;         /* in the first row, which is in the sample; the other is not */
    x[COLS + 7] = -INFINITY;
    struct safetensors_writer w = { .fd = mkstemp(path) };
    int a = safetensors_add(&w, "x", "F32", 2, shape), b = safetensors_add(&w, "nowhere", "F32", 1, &two);
    int c = safetensors_add(&w, "one", "F32", 1, &one);
    safetensors_add(&w, "nothing", "F32", 1, &none);
    bool done = safetensors_begin(&w, NULL) && safetensors_put(&w, a, x, N * sizeof *x) &&
                safetensors_put(&w, b, nan, sizeof nan) && safetensors_put(&w, c, &five, sizeof five);
    close(w.fd);
    return done ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    free(x);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(portrait), cmocka_unit_test(formats),  cmocka_unit_test(lists),
        cmocka_unit_test(poor),     cmocka_unit_test(canceled), cmocka_unit_test(chooses),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
