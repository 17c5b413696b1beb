/* test_exchange.c: events out of one database and into another: byte by byte, once only, in any order; what is no event
 * is refused; values of a JSON text found without building them; backups put back. */
#include "tests/db.h"

#include "db/jsonscan.h"

#include <sqlite3.h>

/* ---- finding values ---- */

static void values_are_found(void **state)
{
    static const char text[] = " {\"a\": 1, \"b\" : {\"c\": [\"}\\\"]\", 2]} , \"d\":\"x\\\\\", \"e\":null } tail";
    const char          *p = text;
    struct jsonscan_part object, part;
    (void)state;
    assert_true(jsonscan_value(&p, text + sizeof text - 1, &object));
    assert_string_equal(p, " tail");
    static const char *const wanted[][2] = {
        { "a", "1" }, { "b", "{\"c\": [\"}\\\"]\", 2]}" }, { "d", "\"x\\\\\"" }, { "e", "null" }
    };
    for (size_t i = 0; i < 4; i++) {
        assert_true(jsonscan_member(object, wanted[i][0], &part));
        assert_int_equal(part.size, strlen(wanted[i][1]));
        assert_memory_equal(part.at, wanted[i][1], part.size);
    }
    assert_false(jsonscan_member(object, "c", &part)); /* of an inner object */
    for (size_t cut = 1; cut < strlen(" {\"a\": 1, \"b\" : {\"c\": [\"}\\\"]\", 2]}"); cut++) {
        p = text;
        assert_false(jsonscan_value(&p, text + cut, &part));
    }
}

/* jansson takes what is valid here; what it refuses is not valid, but for a few numbers at the edge. */
static void validity_is_that_of_the_reader(void **state)
{
    static const char *const texts[] = {
        "{}", " { \"a\" : [ 1 , -0.5e+3, true,false,null, \"\\u00e9\\n\" ] } ", "{\"a\":{}}", "[]", "1", "", "{", "{}x",
        "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":-}",
        "{\"a\":1e}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\t\"}", "{\"a\":\"",
        "{\"a\":tru}", "{\"a\":[1,2}", "{\"a\":99999999999999999999}", "{\"a\":1e999}", "{\"a\":1e-5}",
        "{\"a\":123456789012345678}", "{\"a\":\"\xc3\xa9\"}", "{\"a\":\"\xc3\"}", "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xff\"}", "{\"a\":1.5e299}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *json = json_loads(texts[i], 0, NULL);
        if (jsonscan_valid(texts[i], strlen(texts[i])) != json_is_object(json))
            fail_msg("'%s': jansson says %d", texts[i], json_is_object(json));
        json_decref(json);
    }
    srand(1);
    for (int i = 0; i < 20000; i++) { /* one byte of a good text is another */
        char text[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\xc3\xa9\",true,{\"b\":null}],\"c\":\"\\n\"}";
        text[rand() % (sizeof text - 1)] = (char)(1 + rand() % 255);
        json_t *json = json_loads(text, 0, NULL);
        if (jsonscan_valid(text, strlen(text)) && !json_is_object(json))
            fail_msg("'%s' is not valid", text);
        json_decref(json);
    }
}

/* A file of many long values, read with little memory; and files that are none. */
static void files_are_read_in_parts(void **state)
{
    struct jsonscan      scan;
    struct jsonscan_part part;
    char                 format[32];
    (void)state;
    FILE *file = tmpfile();
    fputs("{\"format\":\"f\",\"other\":[{\"list\":[1]}],\"list\" : [", file);
    for (int i = 0; i < 3000; i++)
        fprintf(file, "%s{\"i\":%d,\"pad\":\"%0*d\"}", i ? " ,\n" : "", i, i % 900 + 1, 0);
    fputs("]}", file);
    rewind(file);
    assert_true(jsonscan_open(&scan, file, "list", "format", format, sizeof format));
    assert_string_equal(format, "f");
    int count = 0;
    while (jsonscan_next(&scan, &part)) {
        json_t *json = json_loadb(part.at, part.size, 0, NULL);
        assert_int_equal(number(json, "i"), count++);
        json_decref(json);
    }
    assert_string_equal(scan.error, "");
    assert_int_equal(count, 3000);
    assert_true(scan.room < 1024 * 1024);
    jsonscan_close(&scan);
    fclose(file);
}

static void torn_files_say_so(void **state)
{
    static const char whole[] = "{\"format\":\"f\",\"list\":[{\"a\":1},{\"b\":\"x\"}]}";
    (void)state;
    for (size_t cut = 0; cut < sizeof whole - 2; cut++) {
        struct jsonscan      scan;
        struct jsonscan_part part;
        char                 format[32];
        FILE                *file = tmpfile();
        fwrite(whole, 1, cut, file);
        rewind(file);
        if (jsonscan_open(&scan, file, "list", "format", format, sizeof format))
            while (jsonscan_next(&scan, &part))
                ;
        if (cut < sizeof whole - 3 || *scan.error)
            assert_true(*scan.error);
        jsonscan_close(&scan);
        fclose(file);
    }
}

/* ---- out and in ---- */

/* All events as pages give them, joined. malloc. */
static char *all_events(struct bench *b)
{
    char  after[200] = "", *all = strdup("");
    do {
        struct store_reply reply;
        assert_true(store_ask_wait(b->store, STORE_EVENTS, after, &reply));
        assert_true(reply.ok);
        char *events = strchr(reply.text, '\n');
        assert_non_null(events);
        snprintf(after, sizeof after, "%.*s", (int)(events - reply.text), reply.text);
        char *more = NULL;
        assert_true(asprintf(&more, "%s%s%s", all, *all && events[1] ? ",\n" : "", events + 1) >= 0);
        free(all);
        all = more;
        store_reply_clear(&reply);
    } while (*after);
    return all;
}

static json_t *derived(struct bench *b)
{
    return json_pack("[o, o, o, o]", ask(b, STORE_PROGRESS, NULL), ask(b, STORE_CARDS, "all"),
                     ask(b, STORE_CALIBRATION, NULL), ask(b, STORE_SETTINGS, NULL));
}

static void expect_taken(struct bench *b, const char *events, int added, int known, int clashing, int refused)
{
    json_t *reply = ask(b, STORE_IMPORT, events);
    assert_int_equal(number(reply, "added"), added);
    assert_int_equal(number(reply, "known"), known);
    assert_int_equal(number(reply, "clashing"), clashing);
    assert_int_equal(number(reply, "refused"), refused);
    json_decref(reply);
}

/* A history with everything in it that JSON could change on the way: spacing, escapes, numbers. */
static void write_history(struct bench *b, int steps)
{
    char               step[16];
    struct store_reply reply;
    say(b, "setting", "", "", "{\"name\":\"retention\",\"value\":\"0.85\"}");
    for (int i = 0; i < steps; i++) {
        snprintf(step, sizeof step, "s%d", i);
        b->utc += 60000;
        say(b, "prediction", i % 2 ? "l" : "m", step,
            "{ \"type\":\"number\", \"value\": 1.0,\t\"raw\": \"\\u00e9\\n\\\"{\", \"confidence\": 95,\"x\":1e-7 }");
        say(b, "result", i % 2 ? "l" : "m", step,
            "{\"hit\":false,\"octaves\":0.1,\"card\":{\"front\":\"f\",\"back\":\"b\"}}");
        if (i % 3)
            continue;
        b->utc += DAY;
        post(b, "review", i % 2 ? "l" : "m", step, "{\"grade\":\"good\"}", &reply);
        char payload[80];
        snprintf(payload, sizeof payload, "{\"target\":\"%s\"}", reply.uuid);
        if (i % 2)
            say(b, "retract", "l", step, payload);
    }
}

static void round_trips(void **state)
{
    struct bench *b = *state, other;
    write_history(b, 700); /* more than a page */
    json_t *before = derived(b);
    char   *events = all_events(b);
    assert_true(strlen(events) > 300 * 1024);
    bench_folder(&other);
    bench_start(&other);
    other.utc = b->utc;
    int count = 1 + 2 * 700 + 234 + 117;
    expect_taken(&other, events, count, 0, 0, 0);
    char *again = all_events(&other);
    assert_string_equal(events, again);
    json_t *after = derived(&other);
    assert_true(json_equal(before, after));
    expect_taken(&other, events, 0, count, 0, 0); /* twice changes nothing */
    json_t *twice = derived(&other);
    assert_true(json_equal(before, twice));
    json_decref(ask(&other, STORE_REBUILD, NULL));
    json_t *rebuilt = derived(&other);
    assert_true(json_equal(before, rebuilt));
    json_decref(before);
    json_decref(after);
    json_decref(twice);
    json_decref(rebuilt);
    free(events);
    free(again);
    bench_stop(&other);
    bench_sweep(&other);
}

/* Two machines of one learner: whoever imports first, both end with the same. */
static void two_machines_agree(void **state)
{
    struct bench *a = *state, b;
    bench_folder(&b);
    bench_start(&b);
    write_history(a, 12);
    b.utc = a->utc - 6 * (int64_t)DAY; /* in between */
    say(&b, "prediction", "l", "s1", "{\"type\":\"number\",\"confidence\":50}");
    say(&b, "result", "l", "s1", "{\"hit\":true,\"card\":{\"front\":\"other\",\"back\":\"b\"}}");
    say(&b, "review", "l", "s1", "{\"grade\":\"again\"}");
    char *of_a = all_events(a), *of_b = all_events(&b);
    json_decref(ask(a, STORE_IMPORT, of_b));
    json_decref(ask(&b, STORE_IMPORT, of_a));
    b.utc = a->utc;
    json_t *x = derived(a), *y = derived(&b);
    assert_true(json_equal(x, y));
    say(a, "seen", "l", "later", "{}"); /* each goes on as its own device */
    say(&b, "seen", "l", "later", "{}");
    json_decref(x);
    json_decref(y);
    free(of_a);
    free(of_b);
    bench_stop(&b);
    bench_sweep(&b);
}

static void what_is_no_event_is_refused(void **state)
{
    struct bench *b = *state;
    say(b, "seen", "l", "s", "{}");
    char *events = all_events(b), *clash = strdup(events);
    memcpy(strstr(clash, "\"uuid\":\"") + 8, "ffffffff", 8); /* another event with its device and seq */
    expect_taken(b, clash, 0, 0, 1, 0);
    static const char *const bad[] = {
        "{}", "17,", "{\"uuid\":\"x\"}", "[]",
        "{\"uuid\":\"01890000-0000-7000-8000-000000000001\",\"learner\":\"l\",\"device\":\"d\",\"seq\":0,\"utc\":1,"
        "\"offset\":0,\"course\":\"\",\"lesson\":\"\",\"step\":\"\",\"rev\":1,\"kind\":\"seen\",\"payload\":{}}",
        "{\"uuid\":\"01890000-0000-7000-8000-000000000001\",\"learner\":\"l\",\"device\":\"d\",\"seq\":1,\"utc\":1,"
        "\"offset\":0,\"course\":\"\",\"lesson\":\"\",\"step\":\"\",\"rev\":1,\"kind\":\"rumor\",\"payload\":{}}",
        "{\"uuid\":\"01890000-0000-7000-8000-000000000001\",\"learner\":\"l\",\"device\":\"d\",\"seq\":1,\"utc\":1,"
        "\"offset\":0,\"course\":\"\",\"lesson\":\"\",\"step\":\"\",\"rev\":1,\"kind\":\"seen\",\"payload\":[1]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_taken(b, bad[i], 0, 0, 0, 1);
    char *after = all_events(b);
    assert_string_equal(events, after);
    free(events);
    free(clash);
    free(after);
}

/* ---- backups ---- */

static void a_backup_is_put_back(void **state)
{
    struct bench *b = *state;
    char          copy[400], name[500];
    struct store_reply reply;
    snprintf(copy, sizeof copy, "%s/copy.db", b->folder);
    write_history(b, 20);
    json_t *then = derived(b);
    json_decref(ask(b, STORE_BACKUP, copy));
    int64_t now = b->utc;
    say(b, "retract", "l", "", "{\"scope\":\"lesson\"}");
    json_t *restored = ask(b, STORE_RESTORE, copy);
    snprintf(name, sizeof name, "%s", text(restored, "aside"));
    assert_non_null(strstr(name, ".before-restore-"));
    json_decref(restored);
    b->utc = now;
    json_t *back = derived(b);
    assert_true(json_equal(then, back));
    say(b, "seen", "l", "more", "{}");
    bench_stop(b);
    bench_start(b);
    json_t *status = ask(b, STORE_STATUS, NULL);
    assert_int_equal(json_array_size(json_object_get(status, "notices")), 0);
    json_decref(status);
    sqlite3 *aside; /* what was there is whole */
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(name, &aside), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(aside, "SELECT count(*) FROM event WHERE kind = 'retract' AND step = ''", -1,
                                        &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 1);
    sqlite3_finalize(stmt);
    sqlite3_close(aside);
    static const char *const no_backups[] = { "/nowhere/x.db", "/etc/passwd" };
    for (size_t i = 0; i < 2; i++) {
        assert_true(store_ask_wait(b->store, STORE_RESTORE, no_backups[i], &reply));
        assert_false(reply.ok);
        assert_non_null(strstr(reply.text, "cannot restore"));
        store_reply_clear(&reply);
    }
    say(b, "seen", "l", "and more", "{}");
    json_decref(then);
    json_decref(back);
}

#define test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(validity_is_that_of_the_reader),
        cmocka_unit_test(files_are_read_in_parts),
        cmocka_unit_test(torn_files_say_so),
        test(round_trips),
        test(two_machines_agree),
        test(what_is_no_event_is_refused),
        test(a_backup_is_put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
