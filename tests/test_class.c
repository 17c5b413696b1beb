/* test_class.c: a class gathered from exports: what counts once, what is taken back, the commonest answers, memory that
 * does not grow, and a page in which nothing that anybody wrote can act. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cmocka.h>

#include "engine/view.h"
#include "tutor/classlog.h"
#include "tutor/classview.h"

/* ---- exports, written as they are needed ---- */

struct learner {
    FILE *file;
    char  name[16];
    int   seq;
};

static void begin(struct learner *l, const char *name)
{
    *l = (struct learner){ .file = tmpfile() };
    snprintf(l->name, sizeof l->name, "%s", name);
    fputs("{\"format\":\"saffron-export\",\"version\":1,\"events\":[\n", l->file);
}

/* One event; its uuid is "NAME-SEQ". */
static void put(struct learner *l, const char *kind, const char *step, const char *payload)
{
    l->seq++;
    fprintf(l->file,
            "%s{\"uuid\":\"%s-%d\",\"learner\":\"%s\",\"device\":\"dev-%s\",\"seq\":%d,\"utc\":1,\"offset\":0,"
            "\"course\":\"c\",\"lesson\":\"l\",\"step\":\"%s\",\"rev\":1,\"kind\":\"%s\",\"payload\":%s}",
            l->seq > 1 ? ",\n" : "", l->name, l->seq, l->name, l->name, l->seq, step, kind, payload);
}

static void guess(struct learner *l, const char *step, double value, double outcome, bool hit, const char *sure)
{
    char payload[300];
    snprintf(payload, sizeof payload, "{\"type\":\"number\",\"unit\":\"%%\",\"value\":%g,\"confidence\":%s}", value,
             sure);
    put(l, "prediction", step, payload);
    snprintf(payload, sizeof payload,
             "{\"outcome\":{\"answer\":%g,\"blocks\":[{\"hit\":1}]},\"hit\":%s,\"guess\":%g,"
             "\"confidence\":%s,\"card\":{\"front\":\"f\",\"back\":\"b\"}}",
             outcome, hit ? "true" : "false", value, sure);
    put(l, "result", step, payload);
}

static void end(struct learner *l, struct classlog *log)
{
    char error[200] = "";
    fputs("\n]}\n", l->file);
    rewind(l->file);
    if (!classlog_take(log, l->file, error, sizeof error))
        fail_msg("%s", error);
    fclose(l->file);
}

static int number(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

static json_t *step_named(json_t *class, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(class, "steps"), i, row)
        if (strcmp(view_text(row, "step", ""), name) == 0)
            return row;
    fail_msg("no step '%s'", name);
    return NULL;
}

/* ---- what counts ---- */

static void guesses_are_counted(void **unused)
{
    struct classlog *log = classlog_new();
    static const char *const sure[] = { "\"guess\"", "50", "75", "95" };
    (void)unused;
    for (int i = 0; i < 40; i++) {
        struct learner l;
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        begin(&l, name);
        guess(&l, "a", i % 4 ? 60 : 240, 60, i % 4, sure[i % 4]);
        put(&l, "hint", "a", "{\"n\":1}");
        if (i < 3)
            put(&l, "flag", "a", "{\"what\":\"problem\"}");
        put(&l, "flag", "a", "{\"what\":\"restored\"}");
        put(&l, "review", "a", i % 2 ? "{\"grade\":\"good\"}" : "{\"grade\":\"again\"}");
        put(&l, "result", "b", "{\"hit\":null,\"guess\":null,\"confidence\":null,\"outcome\":{\"answer\":1}}");
        end(&l, log);
    }
    json_t *class = classlog_json(log), *a = step_named(class, "a"), *b = step_named(class, "b");
    assert_int_equal(number(class, "learners"), 40);
    assert_int_equal(number(class, "n"), 40);
    assert_int_equal(number(a, "n"), 40);
    assert_int_equal(number(a, "hits"), 30);
    assert_int_equal(number(a, "hinted"), 40);
    assert_int_equal(number(a, "flags"), 3);
    assert_int_equal(number(a, "surprises"), 0); /* the misses were guesses */
    assert_int_equal(number(b, "no_idea"), 40);
    json_t *first = json_array_get(json_object_get(a, "answers"), 0);
    assert_string_equal(view_text(first, "answer", ""), "60 %");
    assert_int_equal(number(first, "n"), 30);
    json_t *octaves = json_object_get(a, "octaves");
    assert_int_equal(json_integer_value(json_array_get(octaves, 16)), 30);
    assert_int_equal(json_integer_value(json_array_get(octaves, 20)), 10); /* two octaves up */
    assert_true(fabs(view_number(a, "median_octaves", -1) - 0.25) < 1e-9);
    json_t *level = json_array_get(json_object_get(a, "levels"), 3);
    assert_int_equal(number(level, "n"), 10);
    assert_int_equal(number(level, "hits"), 10);
    json_t *card = json_array_get(json_object_get(class, "cards"), 0);
    assert_int_equal(number(card, "reviews"), 40);
    assert_int_equal(number(card, "again"), 20);
    json_decref(class);
    classlog_free(log);
}

static void overlaps_count_once(void **unused)
{
    struct classlog *log = classlog_new();
    struct learner l;
    (void)unused;
    for (int copy = 0; copy < 3; copy++) { /* an early export, a later one, the early one again */
        begin(&l, "x");
        guess(&l, "a", 5, 5, true, "50");
        if (copy == 1)
            guess(&l, "b", 5, 5, false, "95");
        end(&l, log);
    }
    begin(&l, "y"); /* an export whose beginning is lost */
    l.seq = 10;
    guess(&l, "a", 5, 5, true, "50");
    fseek(l.file, 0, SEEK_END);
    end(&l, log);
    json_t *class = classlog_json(log);
    assert_int_equal(number(class, "learners"), 2);
    assert_int_equal(number(class, "overlapping"), 4);
    assert_int_equal(number(class, "missing"), 10);
    assert_int_equal(number(step_named(class, "a"), "n"), 2);
    assert_int_equal(number(step_named(class, "b"), "n"), 1);
    assert_int_equal(number(step_named(class, "b"), "surprises"), 1);
    json_decref(class);
    classlog_free(log);
}

static void what_was_taken_back_does_not_count(void **unused)
{
    struct classlog *log = classlog_new();
    struct learner l;
    (void)unused;
    begin(&l, "u");
    guess(&l, "a", 5, 5, true, "50");               /* 1, 2 */
    put(&l, "retract", "a", "{\"scope\":\"step\"}"); /* 3 */
    guess(&l, "b", 5, 5, true, "50");               /* 4, 5 */
    put(&l, "retract", "b", "{\"scope\":\"step\"}"); /* 6 */
    put(&l, "retract", "b", "{\"target\":\"u-6\"}"); /* 7: the reset is undone */
    put(&l, "review", "b", "{\"grade\":\"again\"}"); /* 8 */
    put(&l, "retract", "b", "{\"target\":\"u-8\"}"); /* 9 */
    put(&l, "review", "b", "{\"grade\":\"good\"}");  /* 10 */
    guess(&l, "c", 1, 5, false, "50");
    put(&l, "retract", "c", "{\"scope\":\"step\"}");
    guess(&l, "c", 5, 5, true, "50"); /* the last attempt counts */
    end(&l, log);
    json_t *class = classlog_json(log);
    assert_int_equal(json_array_size(json_object_get(class, "steps")), 2);
    assert_int_equal(number(step_named(class, "b"), "hits"), 1);
    assert_int_equal(number(step_named(class, "c"), "n"), 1);
    assert_int_equal(number(step_named(class, "c"), "hits"), 1);
    json_t *card = json_array_get(json_object_get(class, "cards"), 0);
    assert_int_equal(number(card, "reviews"), 1);
    assert_int_equal(number(card, "again"), 0);
    json_decref(class);
    classlog_free(log);
}

/* Two answers that a quarter of the class gives each stay on the list, whatever crowd of rare ones passes by. */
static void common_answers_stay(void **unused)
{
    struct classlog *log = classlog_new();
    (void)unused;
    for (int i = 0; i < 400; i++) {
        struct learner l;
        char name[16], payload[120];
        snprintf(name, sizeof name, "s%d", i);
        begin(&l, name);
        snprintf(payload, sizeof payload,
                 "{\"hit\":%s,\"guess\":\"%s%d\",\"confidence\":50,\"outcome\":{\"answer\":\"right0\"}}",
                 i % 4 == 0 ? "true" : "false",
                 i % 4 == 0   ? "right"
                 : i % 4 == 1 ? "wrong"
                              : "rare",
                 i % 4 < 2 ? 0 : i);
        put(&l, "result", "a", payload);
        end(&l, log);
    }
    json_t *class = classlog_json(log), *a = step_named(class, "a"), *list = json_object_get(a, "answers");
    assert_int_equal(json_array_size(list), CLASSLOG_ANSWERS);
    assert_true(json_is_false(json_object_get(a, "answers_exact")));
    for (size_t i = 0; i < 2; i++) {
        const char *answer = view_text(json_array_get(list, i), "answer", "");
        assert_true(strcmp(answer, "right0") == 0 || strcmp(answer, "wrong0") == 0);
        assert_true(number(json_array_get(list, i), "n") >= 100);
    }
    json_decref(class);
    classlog_free(log);
}

/* Bytes that malloc has handed out; 0 where it does not say (a sanitizer's, another C library's). */
static size_t in_use(void)
{
#ifdef __GLIBC__
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

/* A thousand learners; what is kept for one is a few hundred bytes. */
static void memory_does_not_grow(void **unused)
{
    struct classlog *log = classlog_new();
    size_t after_ten = 0;
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        struct learner l;
        char name[16], step[16];
        snprintf(name, sizeof name, "m%d", i);
        begin(&l, name);
        for (int k = 0; k < 20; k++) {
            snprintf(step, sizeof step, "s%d", k);
            guess(&l, step, 1 + i % 50, 20, i % 3, "75");
        }
        end(&l, log);
        if (i == 9)
            after_ten = in_use();
    }
    size_t grown = in_use() - after_ten;
    if (grown > 600 * 1000)
        fail_msg("990 learners took %zu bytes", grown);
    classlog_free(log);
}

static void files_that_are_none(void **unused)
{
    static const char *const texts[] = { "", "{}", "[1]", "{\"events\":[]}", "{\"format\":\"other\",\"events\":[]}",
                                         "{\"format\":\"saffron-export\",\"events\":[{\"seq\":1" };
    struct classlog *log = classlog_new();
    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char error[200] = "";
        FILE *file = tmpfile();
        fputs(texts[i], file);
        rewind(file);
        assert_false(classlog_take(log, file, error, sizeof error));
        assert_true(*error);
        fclose(file);
    }
    classlog_free(log);
}

/* ---- what is shown ---- */

static json_t *hostile_class(void)
{
    struct classlog *log = classlog_new();
    struct learner l;
    begin(&l, "<script>");
    put(&l, "result", "<img src=x>", "{\"hit\":false,\"guess\":\"<script>alert(1)</script>\",\"confidence\":95,"
                                     "\"outcome\":{\"answer\":\"a&b\"},\"card\":{\"front\":\"<b>\\\"bold\\\"</b>\"}}");
    put(&l, "review", "<img src=x>", "{\"grade\":\"again\"}");
    put(&l, "flag", "<img src=x>", "{\"what\":\"problem\"}");
    guess(&l, "n", 3, 50, false, "95");
    end(&l, log);
    json_t *class = classlog_json(log);
    classlog_free(log);
    classview_name(class, NULL);
    return class;
}

static void nothing_written_can_act(void **unused)
{
    json_t *class = hostile_class();
    char *page = NULL;
    size_t size = 0;
    (void)unused;
    FILE *out = open_memstream(&page, &size);
    assert_true(classpage_write(class, out));
    fclose(out);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<img"));
    assert_null(strstr(page, "<b>"));
    assert_null(strstr(page, "http"));
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(page, "&lt;b&gt;&quot;bold&quot;&lt;/b&gt;"));
    assert_non_null(strstr(page, "<svg"));
    free(page);
    json_decref(class);
}

static void pages_are_views(void **unused)
{
    json_t *class = hostile_class(), *pages = classview_pages(class), *page;
    char why[512] = "";
    size_t i;
    (void)unused;
    assert_int_equal(json_array_size(pages), 3);
    json_array_foreach(pages, i, page)
        if (!view_check_list(json_object_get(page, "body"), why, sizeof why))
            fail_msg("page %zu: %s", i, why);
    json_decref(pages);
    json_decref(class);
    struct classlog *empty = classlog_new();
    class = classlog_json(empty);
    classview_name(class, NULL);
    pages = classview_pages(class);
    assert_int_equal(json_array_size(pages), 1);
    json_decref(pages);
    json_decref(class);
    classlog_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_are_counted),
        cmocka_unit_test(overlaps_count_once),
        cmocka_unit_test(what_was_taken_back_does_not_count),
        cmocka_unit_test(common_answers_stay),
        cmocka_unit_test(memory_does_not_grow),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(nothing_written_can_act),
        cmocka_unit_test(pages_are_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
