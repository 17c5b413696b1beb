/* test_qualityboard: the screen of `saffron quality` without terminal and lab: reports in, keys in, cells out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/command.h"
#include "engine/view.h"
#include "tutor/canvas.h"
#include "tutor/draw.h"
#include "tutor/qualityboard.h"

enum { ROWS = 18 };

static const struct { const char *label; double bits, delta, error, kl, top1; } runs[] = {
    { "fp32", 32, 0, 0, 0, 1 },
    { "int8 channel", 8.03, -0.0001, 0.0002, 0.0001, 0.996 },
    { "int4 group:128", 4.125, 0.0197, 0.0022, 0.0127, 0.94 },
    { "int8 channel smoothquant, activations int8 tensor", 8.03, 0.004, 0.001, 0.002, 0.98 },
    { "int2 group:128", 2.125, 3.5118, 0.0394, 2.6135, 0.204 },
    { "nvfp4", 4.5, NAN, NAN, NAN, 0 },
};
enum { RUNS = sizeof runs / sizeof runs[0] };

static json_t *number(double x)
{
    return isnan(x) ? json_string("nan") : json_real(x);
}

/* A report of the first `count` runs, as the lab sends it. */
static json_t *report_of(size_t count, bool complete)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *label = runs[i % RUNS].label;
        json_array_append_new(list, json_pack("{s:s, s:i, s:f, s:o, s:o, s:o, s:o, s:f, s:f, s:{s:{s:s}}}", "label",
                                              label, "rank", (int)i + 1, "bits_per_weight", runs[i % RUNS].bits,
                                              "bits_per_byte", number(1.7836 + runs[i % RUNS].delta), "delta",
                                              number(runs[i % RUNS].delta), "delta_se", number(runs[i % RUNS].error),
                                              "kl", number(runs[i % RUNS].kl), "top1", runs[i % RUNS].top1, "seconds",
                                              1.0, "scheme", "weights", "format", label));
    }
    return json_pack("{s:s, s:i, s:s, s:b, s:o}", "model", "m", "predicted", 16895, "isa", "scalar", "complete",
                     complete, "runs", list);
}

/* The messages that the loop would hand over: a part of the table, its end, what is written. */
static unsigned tell(struct jobface *face, const char *name, json_t *report)
{
    json_t *message = json_pack("{s:s, s:o}", "type", strcmp(name, "report") ? "quality" : "progress", name, report);
    unsigned effects = face->message(face, message);
    json_decref(message);
    return effects;
}

static unsigned fail_with(struct jobface *face, const char *text)
{
    json_t *message = json_pack("{s:s, s:s}", "type", "problem", "text", text);
    unsigned effects = face->message(face, message);
    json_decref(message);
    return effects;
}

static char *drawn(const struct jobface *face, int width, int height, bool ascii, struct draw_result *result)
{
    char why[400];
    struct canvas *canvas = canvas_new(width, height);
    struct draw_options options = { .ascii = ascii };
    json_t *view = face->view(face, height > 6 ? height - 6 : 1);
    if (!view_check_list(json_object_get(view, "body"), why, sizeof why) ||
        !view_check_list(json_object_get(view, "dock"), why, sizeof why))
        fail_msg("%s", why);
    draw_view(view, canvas, &options, result);
    char *text = canvas_dump(canvas);
    json_decref(view);
    canvas_free(canvas);
    return text;
}

static void shows(const struct jobface *face, const char *wanted, bool does)
{
    struct draw_result result;
    char *text = drawn(face, 80, 24, false, &result);
    if ((strstr(text, wanted) != NULL) != does)
        fail_msg("'%s' is %s:\n%s", wanted, does ? "missing" : "there", text);
    free(text);
}

/* The line that the pointer is on. */
static void focus_on(const struct jobface *face, const char *label)
{
    struct draw_result result;
    char wanted[160], *text = drawn(face, 80, 24, false, &result);
    snprintf(wanted, sizeof wanted, "▸ %s", label);
    if (!strstr(text, wanted))
        fail_msg("the focus is not on '%s':\n%s", label, text);
    free(text);
}

static struct jobface *board(json_t **request)
{
    *request = json_pack("{s:s, s:s, s:s, s:i}", "type", "quality", "path", "/models/lab", "text", "/t", "outliers", 3);
    struct jobface *face = qualityboard_new(*request, NULL);
    face->id = 1; /* the loop has asked */
    return face;
}

static struct jobface *finished(json_t **request)
{
    struct jobface *face = board(request);
    face->id = 0;
    assert_int_equal(tell(face, "quality", report_of(RUNS, true)), 0);
    return face;
}

static void drop(struct jobface *face, json_t *request)
{
    qualityboard_free(face);
    json_decref(request);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void rows_come_one_after_the_other(void **state)
{
    json_t *request;
    struct jobface *face = board(&request);
    (void)state;
    shows(face, "starting", true);
    shows(face, "fp32", false);
    for (size_t count = 1; count <= RUNS; count++) {
        tell(face, "report", report_of(count, false));
        shows(face, runs[count - 1].label, true);
        if (count < RUNS)
            shows(face, runs[count].label, false);
        assert_false(face->answered);
    }
    assert_int_equal(face->key(face, KEY_CODE_ENTER, ROWS), 0);
    shows(face, "busy", true);
    face->id = 0;
    tell(face, "quality", report_of(RUNS, true));
    assert_true(face->answered);
    focus_on(face, "fp32");
    shows(face, "16,895 predictions", true);
    drop(face, request);
}

static void the_focus_says_its_figures(void **state)
{
    json_t *request;
    struct jobface *face = finished(&request);
    (void)state;
    face->key(face, KEY_CODE_DOWN, ROWS);
    shows(face, "int8 channel: -0.0001 ±0.0002 bits/byte, not told apart from FP32", true);
    face->key(face, 'j', ROWS);
    shows(face, "+0.0197 ±0.0022 bits/byte, 9.0 standard errors", true);
    shows(face, "94.0 % of the bytes", true);
    face->key(face, KEY_CODE_END, ROWS);
    focus_on(face, "nvfp4");
    face->key(face, KEY_CODE_DOWN, ROWS);
    focus_on(face, "nvfp4");
    face->key(face, 's', ROWS);
    focus_on(face, "nvfp4");
    face->key(face, KEY_CODE_HOME, ROWS);
    focus_on(face, "int8 channel"); /* the least loss is first now */
    drop(face, request);
}

static void esc_stops_and_keeps(void **state)
{
    json_t *request;
    struct jobface *face = board(&request);
    (void)state;
    assert_int_equal(face->key(face, KEY_CODE_ESCAPE, ROWS), JOBFACE_LEAVE); /* nothing is there to be kept */
    tell(face, "report", report_of(3, false));
    assert_int_equal(face->key(face, KEY_CODE_ESCAPE, ROWS), JOBFACE_CANCEL);
    face->id = 0;
    assert_int_equal(tell(face, "quality", report_of(3, false)), 0);
    assert_true(face->answered);
    shows(face, "stopped after 3 schemes", true);
    shows(face, "int4 group:128", true);
    assert_int_equal(face->key(face, KEY_CODE_ESCAPE, ROWS), JOBFACE_LEAVE);
    drop(face, request);
}

static void a_failure_ends_it_or_is_told(void **state)
{
    json_t *request;
    struct jobface *face = board(&request);
    (void)state;
    face->id = 0;
    assert_int_equal(fail_with(face, "cannot open it"), JOBFACE_LEAVE);
    assert_string_equal(face->error, "cannot open it");
    drop(face, request);
    face = board(&request);
    tell(face, "report", report_of(2, false));
    face->id = 0;
    assert_int_equal(fail_with(face, "the lab ended"), 0); /* what there is stays */
    shows(face, "the lab ended", true);
    shows(face, "int8 channel", true);
    assert_string_equal(face->error, "");
    drop(face, request);
}

static void a_scheme_writes(void **state)
{
    json_t *request;
    struct jobface *face = finished(&request);
    (void)state;
    face->key(face, KEY_CODE_DOWN, ROWS);
    assert_int_equal(face->key(face, KEY_CODE_ENTER, ROWS), JOBFACE_ASK);
    const json_t *asked = face->request, *scheme = json_array_get(json_object_get(asked, "runs"), 0);
    assert_string_equal(view_text(json_object_get(scheme, "weights"), "format", ""), "int8 channel");
    assert_true(json_is_false(json_object_get(asked, "measure")));
    assert_int_equal(view_number(asked, "outliers", 0), 3);
    assert_string_equal(view_text(asked, "path", ""), "/models/lab");
    face->id = 2;
    shows(face, "int8 channel", true);
    face->id = 0;
    assert_int_equal(tell(face, "quality", json_pack("{s:b, s:s, s:[{s:s, s:s}, {s:s, s:s}]}", "complete", true,
                                                     "prompt", "Ruth 1\nIn the beginning", "runs", "label", "fp32",
                                                     "sample", "was the word", "label", "int8 channel", "sample",
                                                     "was the sword")), JOBFACE_TOP);
    shows(face, "\"In the beginning\" goes on", true);
    shows(face, "was the word", true);
    shows(face, "was the sword", true);
    char *seed = strdup(view_text(face->request, "seed", ""));
    assert_int_equal(face->key(face, 'n', ROWS), JOBFACE_ASK);
    assert_string_not_equal(view_text(face->request, "seed", ""), seed);
    free(seed);
    assert_int_equal(face->key(face, KEY_CODE_ESCAPE, ROWS), JOBFACE_TOP);
    shows(face, "was the sword", false);
    focus_on(face, "int8 channel");
    face->key(face, KEY_CODE_ENTER, ROWS);
    assert_int_equal(fail_with(face, "only a model of bytes can show what it writes"), 0);
    shows(face, "only a model of bytes", true);
    drop(face, request);
}

/* Many schemes, every size: nothing is written outside, the focus is seen, ASCII is ASCII. */
static void every_size_shows_the_focus(void **state)
{
    static const int sizes[][2] = { { 20, 5 }, { 40, 12 }, { 60, 16 }, { 80, 24 }, { 130, 24 }, { 200, 60 } };
    json_t *request;
    struct draw_result result;
    struct jobface *face = board(&request);
    (void)state;
    face->id = 0;
    tell(face, "quality", report_of(31, true));
    for (int i = 0; i < 31; i++, face->key(face, KEY_CODE_DOWN, ROWS))
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            char *text = drawn(face, sizes[s][0], sizes[s][1], true, &result);
            if (result.cursor_y < 0 && sizes[s][1] >= 12)
                fail_msg("row %d at %d x %d: the focus is out of sight\n%s", i, sizes[s][0], sizes[s][1], text);
            for (const char *c = text; *c; c++)
                if ((unsigned char)*c > 126)
                    fail_msg("not ASCII at %d x %d: %s", sizes[s][0], sizes[s][1], text);
            free(text);
        }
    drop(face, request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_one_after_the_other),
        cmocka_unit_test(the_focus_says_its_figures),
        cmocka_unit_test(esc_stops_and_keeps),
        cmocka_unit_test(a_failure_ends_it_or_is_told),
        cmocka_unit_test(a_scheme_writes),
        cmocka_unit_test(every_size_shows_the_focus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
