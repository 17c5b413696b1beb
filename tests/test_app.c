/* test_app.c: between the keyboard and the actors: the map, jump, search, help, recall and its undo, scrolling.
 * The app runs on two lessons written here, with a store and a lab that exist only in the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/view.h"
#include "tutor/app.h"

static const char first_text[] =
    "{\"id\":\"first\",\"title\":\"First things\",\"win\":\"count\",\"sha256\":\"00\","
    "\"parts\":[{\"id\":\"a\",\"title\":\"Beginning\",\"core\":true},"
    "{\"id\":\"b\",\"title\":\"Ending\",\"core\":true}],"
    "\"dives\":[{\"id\":\"why-scale\",\"title\":\"Why does a scale help?\",\"body\":[{\"view\":\"prose\",\"text\":"
    "\"A salient channel decides.\"}]},{\"id\":\"tried\",\"title\":\"Is it measured?\",\"live\":true,\"body\":"
    "[{\"view\":\"prose\",\"text\":\"See below.\"}]}],\"steps\":["
    "{\"kind\":\"read\",\"id\":\"hello\",\"part\":0,\"title\":\"Hello\",\"dives\":[\"why-scale\"],"
    "\"body\":[{\"view\":\"prose\",\"text\":\"Hi.\"}]},"
    "{\"kind\":\"explain\",\"id\":\"words\",\"part\":0,\"title\":\"In words\",\"model\":\"ours\","
    "\"ask\":[{\"view\":\"prose\",\"text\":\"Why?\"}]},"
    "{\"kind\":\"read\",\"id\":\"end\",\"part\":1,\"title\":\"Good-bye\",\"body\":[{\"view\":\"prose\",\"text\":"
    "\"Bye.\"}]}]}";
static const char second_text[] =
    "{\"id\":\"second\",\"title\":\"Second things\",\"win\":\"guess\",\"sha256\":\"01\",\"needs\":[\"first\"],"
    "\"steps\":["
    "{\"kind\":\"predict\",\"id\":\"hello\",\"ask\":[{\"view\":\"prose\",\"text\":\"How many?\"}],"
    "\"number\":{\"within\":\"exact\"},\"live\":true}]}";
static const char course_text[] = "{\"groups\":[{\"title\":\"A\",\"lessons\":[\"first\",\"second\"]}]}";

static const char cards_text[] =
    "{\"due\":2,\"total\":3,\"today\":20,\"next_day\":21,\"next_due\":\"2026-01-02T04:00:00Z\","
    "\"cards\":["
    "{\"lesson\":\"first\",\"step\":\"words\",\"rev\":1,\"front\":\"front one\",\"back\":\"back one\",\"again\":"
    "\"other words\",\"reviews\":0,\"due_day\":20,\"state\":\"new\"},"
    "{\"lesson\":\"second\",\"step\":\"hello\",\"rev\":1,\"front\":\"front two\",\"back\":\"back two\",\"again\":"
    "\"two in other words\",\"reviews\":0,\"due_day\":18,\"surprise\":true,\"state\":\"surprise\"}]}";

static struct catalog *catalog;

struct stage {
    struct app *app;
    enum data   asked;
    json_t     *record;   /* the newest, not answered yet */
    long        record_id;
    char       *file;
    json_t     *request;  /* the newest lab request */
    unsigned    effects;
    int64_t     now;
};

static void take(struct stage *s, unsigned effects, struct outbox *out)
{
    s->effects = effects;
    assert_int_equal(!!(effects & FX_STORE), out->record != NULL);
    assert_int_equal(!!(effects & FX_LAB), out->request != NULL);
    assert_int_equal(!!(effects & FX_ASK), out->ask != DATA_NONE);
    if (out->record) {
        assert_non_null(json_object_get(out->record, "lesson"));
        json_decref(s->record);
        s->record = out->record;
        s->record_id = out->record_id;
    }
    if (out->ask != DATA_NONE) {
        assert_int_equal(s->asked, DATA_NONE); /* one question at a time */
        s->asked = out->ask;
    }
    if (out->text) {
        free(s->file);
        s->file = out->text;
    }
    if (out->request) {
        json_decref(s->request);
        s->request = out->request;
    }
}

static void feed(struct stage *s, struct event e)
{
    struct outbox out = { 0 };
    char why[512] = "";
    e.now = s->now += 10;
    take(s, app_feed(s->app, &e, &out), &out);
    json_t *view = app_view(s->app);
    static const char *const lists[] = { "body", "dock", "overlay" };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (json_object_get(view, lists[i]) && !view_check_list(json_object_get(view, lists[i]), why, sizeof why))
            fail_msg("%s: %s", lists[i], why);
    json_decref(view);
}

static void key(struct stage *s, uint32_t k) { feed(s, (struct event){ .kind = EVENT_KEY, .key = k }); }

static void type(struct stage *s, const char *text)
{
    for (; *text; text++)
        key(s, (uint32_t)(unsigned char)*text);
}

/* The store answers every question. */
static void answer(struct stage *s, const char *records)
{
    while (s->asked != DATA_NONE) {
        enum data data = s->asked;
        json_t *reply = json_loads(data == DATA_LESSON ? records : data == DATA_CARDS ? cards_text : "{}", 0, NULL);
        s->asked = DATA_NONE;
        feed(s, (struct event){ .kind = EVENT_DATA, .data = data, .message = reply });
        json_decref(reply);
    }
}

static void stored(struct stage *s, const char *uuid)
{
    assert_non_null(s->record);
    json_decref(s->record);
    s->record = NULL;
    feed(s, (struct event){ .kind = EVENT_STORED, .id = s->record_id, .text = uuid });
}

static void open_stage(struct stage *s)
{
    *s = (struct stage){ .app = app_new(catalog, "seed"), .now = 1000 };
}

static void begin(struct stage *s, enum app_start start)
{
    struct outbox out = { 0 };
    open_stage(s);
    take(s, app_begin(s->app, start, &out), &out);
    answer(s, "[]");
}

static void begin_lesson(struct stage *s, int lesson, const char *step)
{
    struct outbox out = { 0 };
    open_stage(s);
    take(s, app_lesson(s->app, catalog_document(catalog, lesson), step, &out), &out);
    answer(s, "[]");
    if (app_warming(s->app))
        feed(s, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_SKIP });
}

static void close_stage(struct stage *s)
{
    json_decref(s->record);
    json_decref(s->request);
    free(s->file);
    app_free(s->app);
}

static bool shows(struct stage *s, const char *words)
{
    json_t *view = app_view(s->app);
    char *text = json_dumps(view, 0);
    bool found = strstr(text, words) != NULL;
    free(text);
    json_decref(view);
    return found;
}

static const char *record_text(const struct stage *s, const char *name) { return view_text(s->record, name, ""); }

static const char *on_step(const struct stage *s)
{
    const struct session *session = app_session(s->app);
    return session ? document_step(catalog_document(catalog, 0), session_step(session))->id : "";
}

static void the_map_opens_lessons(void **unused)
{
    struct stage s;
    (void)unused;
    begin(&s, APP_MAP);
    assert_true(shows(&s, "First things"));
    assert_true(shows(&s, "Second things"));
    assert_true(shows(&s, "not started"));
    assert_true(shows(&s, "2 cards due"));
    assert_true(shows(&s, "After it you can count."));
    key(&s, KEY_CODE_UP);
    assert_true(s.effects & FX_BELL);
    key(&s, KEY_CODE_DOWN);
    assert_true(shows(&s, "After it you can guess."));
    key(&s, KEY_CODE_DOWN);
    assert_true(s.effects & FX_BELL);
    key(&s, KEY_CODE_ENTER);
    assert_true(app_busy(s.app));
    answer(&s, "[]");
    assert_true(shows(&s, "Before the lesson")); /* a card of an earlier day */
    key(&s, 'k');
    assert_true(shows(&s, "How many?"));
    assert_string_equal(record_text(&s, "kind"), "open");
    assert_string_equal(record_text(&s, "lesson"), "second");
    key(&s, 'm');
    answer(&s, "[]");
    assert_true(shows(&s, "After it you can guess.")); /* the focus is on the lesson one comes from */
    feed(&s, (struct event){ .kind = EVENT_TEXT, .text = "first" });
    assert_true(shows(&s, "After it you can count."));
    feed(&s, (struct event){ .kind = EVENT_TEXT, .text = "nowhere" });
    assert_true(s.effects & FX_BELL);
    key(&s, 'q');
    assert_true(s.effects & FX_DONE);
    close_stage(&s);
}

/* Esc while a lesson opens, then another: the late answer is about the lesson of before. */
static void a_late_answer_opens_nothing(void **unused)
{
    struct stage s;
    json_t *late = json_pack("[{s:s, s:s, s:i, s:s, s:{s:s, s:f}}]", "kind", "prediction", "step", "hello", "rev", 1,
                             "uuid", "u", "payload", "text", "LATE", "value", 1.0);
    (void)unused;
    begin(&s, APP_MAP);
    key(&s, KEY_CODE_ENTER);
    assert_int_equal(s.asked, DATA_LESSON);
    key(&s, KEY_CODE_ESCAPE);
    key(&s, KEY_CODE_DOWN);
    key(&s, KEY_CODE_ENTER);
    s.asked = DATA_NONE;
    feed(&s, (struct event){ .kind = EVENT_DATA, .data = DATA_LESSON, .message = late });
    json_decref(late);
    assert_null(app_session(s.app));
    answer(&s, "[]");
    key(&s, 'k'); /* the card before the lesson */
    assert_non_null(app_session(s.app));
    assert_true(shows(&s, "How many?"));
    assert_false(shows(&s, "LATE"));
    close_stage(&s);
}

static void jump_goes_by_name(void **unused)
{
    struct stage s;
    (void)unused;
    begin_lesson(&s, 0, NULL);
    key(&s, 'j');
    assert_int_equal(app_wants(s.app), WANTS_LINE);
    assert_true(shows(&s, "Beginning"));
    type(&s, "good");
    assert_true(shows(&s, "Good-bye"));
    assert_false(shows(&s, "In words"));
    key(&s, KEY_CODE_ENTER);
    assert_string_equal(on_step(&s), "end");
    assert_false(shows(&s, "overlay"));
    key(&s, 'j');
    type(&s, "qqq");
    assert_true(shows(&s, "no such step"));
    key(&s, KEY_CODE_ENTER);
    assert_true(s.effects & FX_BELL);
    key(&s, KEY_CODE_ESCAPE);
    assert_string_equal(on_step(&s), "end");
    close_stage(&s);
}

/* Every way out of a half-written explanation keeps it. */
static void a_draft_survives_every_way_out(void **unused)
{
    static const enum command ways[] = { COMMAND_MAP,   COMMAND_RECALL, COMMAND_STATS,
                                         COMMAND_SEARCH, COMMAND_QUIT,  COMMAND_JUMP };
    (void)unused;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct stage s;
        begin_lesson(&s, 0, "words");
        stored(&s, "u");
        type(&s, "fewer bytes");
        feed(&s, (struct event){ .kind = EVENT_COMMAND, .command = ways[i] });
        if (ways[i] == COMMAND_JUMP) {
            key(&s, KEY_CODE_UP);
            key(&s, KEY_CODE_ENTER);
        }
        if (strcmp(record_text(&s, "kind"), "draft") != 0)
            fail_msg("left by '%s': no draft", command_table[ways[i]].name);
        assert_string_equal(view_text(json_object_get(s.record, "payload"), "text", ""), "fewer bytes");
        close_stage(&s);
    }
}

/* Esc makes letters commands, though words stand in the input. */
static void escape_frees_the_letters(void **unused)
{
    struct stage s;
    (void)unused;
    begin_lesson(&s, 0, "words");
    type(&s, "quit?");
    assert_false(s.effects & FX_DONE);
    key(&s, KEY_CODE_ESCAPE);
    key(&s, '?');
    assert_true(shows(&s, command_table[COMMAND_HELP].help));
    key(&s, '?');
    key(&s, KEY_CODE_ESCAPE);
    type(&s, " no");
    assert_true(shows(&s, "quit? no"));
    key(&s, KEY_CODE_ESCAPE);
    key(&s, 'q');
    assert_true(s.effects & FX_DONE);
    close_stage(&s);
}

/* A dive longer than the window can be read to its end, and starts at its top. */
static void an_overlay_scrolls(void **unused)
{
    struct stage s;
    (void)unused;
    begin_lesson(&s, 0, NULL);
    app_scroll_limit(s.app, 30);
    key(&s, KEY_CODE_PAGE_DOWN);
    key(&s, 'd');
    assert_int_equal(app_scroll(s.app), 0);
    assert_true(shows(&s, "A salient channel decides."));
    app_scroll_limit(s.app, 30);
    key(&s, KEY_CODE_PAGE_DOWN);
    assert_int_equal(app_scroll(s.app), 10);
    assert_true(shows(&s, "A salient channel decides."));
    key(&s, 'q'); /* closes it, and does not leave */
    assert_false(s.effects & FX_DONE);
    assert_false(shows(&s, "A salient channel decides."));
    assert_int_equal(app_scroll(s.app), 0);
    close_stage(&s);
}

static void a_live_dive_is_asked_of_the_lab(void **unused)
{
    struct stage s;
    (void)unused;
    begin(&s, APP_MAP);
    key(&s, '/');
    type(&s, "meazured");
    key(&s, KEY_CODE_ENTER);
    assert_true(shows(&s, "See below."));
    assert_true(shows(&s, "computing"));
    assert_string_equal(view_text(s.request, "step", ""), "tried");
    assert_string_equal(view_text(s.request, "lesson", ""), "00");
    json_t *result = json_pack("{s:s, s:O, s:n, s:[{s:s, s:s}]}", "type", "result", "id",
                               json_object_get(s.request, "id"), "answer", "blocks", "view", "prose", "text", "42 dB");
    json_t *stranger = json_pack("{s:s, s:i, s:[{s:s, s:s}]}", "type", "result", "id", 999999, "blocks", "view",
                                 "prose", "text", "41 dB");
    feed(&s, (struct event){ .kind = EVENT_LAB, .message = stranger });
    assert_false(shows(&s, "41 dB"));
    feed(&s, (struct event){ .kind = EVENT_LAB, .message = result });
    assert_true(shows(&s, "42 dB"));
    assert_false(shows(&s, "computing"));
    key(&s, KEY_CODE_ESCAPE);
    key(&s, KEY_CODE_ENTER);
    feed(&s, (struct event){ .kind = EVENT_LAB_LOST, .text = "signal 9" });
    assert_true(shows(&s, "See below."));
    assert_false(shows(&s, "computing"));
    json_decref(result);
    json_decref(stranger);
    close_stage(&s);
}

static void the_map_says_what_leans_on_what(void **unused)
{
    struct stage s;
    (void)unused;
    begin(&s, APP_MAP);
    assert_true(shows(&s, "after First things"));
    assert_true(shows(&s, "It prepares: Second things."));
    key(&s, KEY_CODE_DOWN);
    assert_true(shows(&s, "It leans on: First things."));
    close_stage(&s);
}

static void search_finds_dives(void **unused)
{
    struct stage s;
    (void)unused;
    begin(&s, APP_MAP);
    key(&s, '/');
    assert_true(shows(&s, "type words"));
    type(&s, "salient");
    assert_true(shows(&s, "Why does a scale help?"));
    key(&s, KEY_CODE_ENTER);
    assert_true(shows(&s, "A salient channel decides."));
    key(&s, KEY_CODE_ESCAPE);
    assert_false(shows(&s, "A salient channel decides."));
    type(&s, "zzzzzz");
    assert_true(shows(&s, "nothing found"));
    key(&s, KEY_CODE_ENTER);
    assert_true(s.effects & FX_BELL);
    key(&s, KEY_CODE_ESCAPE);
    answer(&s, "[]");
    assert_true(shows(&s, "First things"));
    close_stage(&s);
}

static void help_lists_every_command(void **unused)
{
    struct stage s;
    (void)unused;
    begin_lesson(&s, 0, NULL);
    key(&s, '?');
    for (int c = 0; c < COMMAND_COUNT; c++)
        assert_true(shows(&s, command_table[c].help));
    key(&s, 'k'); /* no command while help is open */
    assert_true(s.effects & FX_BELL);
    key(&s, '?');
    assert_false(shows(&s, "overlay"));
    key(&s, '!');
    assert_true(s.effects & FX_FILE);
    assert_non_null(strstr(s.file, "\"step\": \"hello\""));
    key(&s, 'T');
    assert_string_equal(record_text(&s, "kind"), "setting");
    assert_string_equal(view_text(json_object_get(s.record, "payload"), "value", ""), app_theme(s.app));
    close_stage(&s);
}

static void recall_grades_and_takes_back(void **unused)
{
    struct stage s;
    (void)unused;
    begin(&s, APP_RECALL);
    assert_true(shows(&s, "card 1 of 2"));
    assert_false(shows(&s, "back one"));
    feed(&s, (struct event){ .kind = EVENT_NOT_STORED, .id = 0, .text = "a notice of the store" });
    assert_true(shows(&s, "a notice of the store"));
    key(&s, ' ');
    assert_false(shows(&s, "grade again"));
    key(&s, 'u'); /* nothing to take back */
    assert_true(s.effects & FX_BELL);
    close_stage(&s);
    begin(&s, APP_RECALL);
    key(&s, '2'); /* nothing to grade before one looked */
    assert_true(s.effects & FX_BELL);
    key(&s, KEY_CODE_ENTER);
    assert_true(shows(&s, "back one"));
    assert_int_equal(app_wants(s.app), WANTS_GRADE);
    key(&s, '2');
    assert_string_equal(record_text(&s, "kind"), "review");
    assert_string_equal(record_text(&s, "lesson"), "first");
    assert_string_equal(view_text(json_object_get(s.record, "payload"), "grade", ""), "good");
    assert_true(app_busy(s.app));
    feed(&s, (struct event){ .kind = EVENT_TICK }); /* time passes without a bell */
    assert_false(s.effects & FX_BELL);
    stored(&s, "uuid-of-one");
    assert_true(shows(&s, "card 2 of 2"));
    assert_true(shows(&s, "two in other words")); /* every other time */
    assert_true(shows(&s, "You were sure here"));
    key(&s, 'u');
    assert_string_equal(record_text(&s, "kind"), "retract");
    assert_string_equal(view_text(json_object_get(s.record, "payload"), "target", ""), "uuid-of-one");
    assert_string_equal(record_text(&s, "lesson"), "first");
    stored(&s, "uuid-of-retract");
    assert_true(shows(&s, "card 1 of 2"));
    key(&s, 'u'); /* once */
    assert_true(s.effects & FX_BELL);
    key(&s, KEY_CODE_ENTER);
    feed(&s, (struct event){ .kind = EVENT_TEXT, .text = "again" });
    assert_string_equal(view_text(json_object_get(s.record, "payload"), "grade", ""), "again");
    feed(&s, (struct event){ .kind = EVENT_NOT_STORED, .id = s.record_id, .text = "disk full" });
    assert_true(shows(&s, "disk full"));
    assert_true(shows(&s, "back one"));
    key(&s, 'a');
    stored(&s, "u1");
    key(&s, ' ');
    key(&s, 'g');
    stored(&s, "u2");
    assert_true(shows(&s, "all that is due"));
    key(&s, KEY_CODE_ENTER);
    answer(&s, "[]");
    assert_true(shows(&s, "First things"));
    close_stage(&s);
}

/* Cards of today are no reminder; those of earlier days come before new material, once, and can be left. */
static void cards_come_before_a_lesson(void **unused)
{
    struct stage s;
    struct outbox out = { 0 };
    (void)unused;
    open_stage(&s);
    take(&s, app_lesson(s.app, catalog_document(catalog, 0), NULL, &out), &out);
    answer(&s, "[]");
    assert_true(app_warming(s.app));
    assert_true(shows(&s, "card 1 of 1"));
    assert_true(shows(&s, "two in other words"));
    stored(&s, "of-open");
    key(&s, KEY_CODE_ENTER);
    key(&s, '2');
    assert_string_equal(record_text(&s, "kind"), "review");
    assert_string_equal(record_text(&s, "lesson"), "second");
    stored(&s, "u");
    assert_false(app_warming(s.app));
    assert_string_equal(on_step(&s), "hello");
    key(&s, 'm');
    answer(&s, "[]");
    key(&s, KEY_CODE_ENTER);
    answer(&s, "[]");
    assert_false(app_warming(s.app)); /* not a second time */
    close_stage(&s);
    begin_lesson(&s, 0, "end"); /* one step was asked for */
    assert_false(app_warming(s.app));
    assert_string_equal(on_step(&s), "end");
    close_stage(&s);
}

static void any_command_is_survived_in_recall(void **unused)
{
    struct stage s;
    (void)unused;
    for (int c = 0; c <= COMMAND_NONE; c++) {
        begin(&s, APP_RECALL);
        feed(&s, (struct event){ .kind = EVENT_COMMAND, .command = (enum command)c });
        close_stage(&s);
    }
}

static void scrolling_has_limits(void **unused)
{
    struct stage s;
    (void)unused;
    begin_lesson(&s, 0, NULL);
    app_scroll_limit(s.app, 12);
    key(&s, KEY_CODE_UP);
    assert_true(s.effects & FX_BELL);
    key(&s, KEY_CODE_DOWN);
    assert_int_equal(app_scroll(s.app), 1);
    key(&s, KEY_CODE_PAGE_DOWN);
    key(&s, KEY_CODE_PAGE_DOWN);
    assert_int_equal(app_scroll(s.app), 12);
    key(&s, KEY_CODE_PAGE_DOWN);
    assert_true(s.effects & FX_BELL);
    app_scroll_limit(s.app, 5); /* a larger window */
    assert_int_equal(app_scroll(s.app), 5);
    app_scroll_limit(s.app, -3);
    assert_int_equal(app_scroll(s.app), 0);
    app_scroll_limit(s.app, 12);
    key(&s, KEY_CODE_DOWN);
    key(&s, KEY_CODE_ENTER); /* the next step begins at its top */
    assert_int_equal(app_scroll(s.app), 0);
    close_stage(&s);
    begin(&s, APP_RECALL);
    app_scroll_limit(s.app, 12); /* a long card on a small window */
    key(&s, KEY_CODE_PAGE_DOWN);
    assert_int_equal(app_scroll(s.app), 10);
    close_stage(&s);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/lessons/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int load_catalog(void **unused)
{
    char folder[] = "/tmp/saffron-app-XXXXXX", path[64], problem[512];
    static const char *const names[] = { "first.json", "second.json", "course.json" };
    (void)unused;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lessons", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(folder, names[0], first_text);
    write_file(folder, names[1], second_text);
    write_file(folder, names[2], course_text);
    setenv("SAFFRON_DATA", folder, 1);
    catalog = catalog_load(problem, sizeof problem);
    for (int i = 0; i < 3; i++) {
        char file[96];
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        unlink(file);
    }
    rmdir(path);
    rmdir(folder);
    assert_string_equal(problem, "");
    assert_int_equal(catalog_count(catalog), 2);
    return 0;
}

static int free_catalog(void **unused)
{
    (void)unused;
    catalog_free(catalog);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_opens_lessons),
        cmocka_unit_test(a_late_answer_opens_nothing),
        cmocka_unit_test(jump_goes_by_name),
        cmocka_unit_test(a_draft_survives_every_way_out),
        cmocka_unit_test(escape_frees_the_letters),
        cmocka_unit_test(an_overlay_scrolls),
        cmocka_unit_test(search_finds_dives),
        cmocka_unit_test(a_live_dive_is_asked_of_the_lab),
        cmocka_unit_test(the_map_says_what_leans_on_what),
        cmocka_unit_test(help_lists_every_command),
        cmocka_unit_test(recall_grades_and_takes_back),
        cmocka_unit_test(cards_come_before_a_lesson),
        cmocka_unit_test(any_command_is_survived_in_recall),
        cmocka_unit_test(scrolling_has_limits),
    };
    return cmocka_run_group_tests(tests, load_catalog, free_catalog);
}
