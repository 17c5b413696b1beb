/* test_db_faults.c: a session with the store, in which one disk operation fails.
 * From the first operation to the last (the many writes and reads in strides), once or from then on. What was
 * acknowledged is there afterwards, what was not says why. */
#include "tests/db.h"
#include "tests/faultdisk.h"

/* ---- the session ---- */

enum { RECORDS = 4 };

struct outcome {
    bool stored[RECORDS];
    char uuid[RECORDS][RECORD_UUID];
};

/* Something of everything; whatever fails, each request is answered, with a reason where it was not done. */
static void session(struct bench *b, struct outcome *outcome)
{
    static const char *const kinds[] = { "open", "prediction", "result", "review" };
    static const char *const payloads[] = { "{}", "{\"type\":\"number\",\"confidence\":75}",
                                            "{\"hit\":true,\"card\":{\"front\":\"f\",\"back\":\"b\"}}",
                                            "{\"grade\":\"good\"}" };
    struct store_reply       reply;
    bench_start(b);
    for (int i = 0; i < RECORDS; i++) {
        struct record record = { .kind = kinds[i], .lesson = "l", .step = "s", .payload = payloads[i] };
        assert_true(store_post_wait(b->store, &record, &reply));
        assert_true(reply.ok || (reply.text && strlen(reply.text) > 10));
        outcome->stored[i] = reply.ok;
        memcpy(outcome->uuid[i], reply.uuid, RECORD_UUID);
        store_reply_clear(&reply);
        if (i != 1)
            continue;
        assert_true(store_ask_wait(b->store, STORE_PROGRESS, NULL, &reply));
        assert_true(reply.text && strlen(reply.text) > 10);
        store_reply_clear(&reply);
        usleep(3000); /* rest: the WAL is lengthened */
    }
    bench_stop(b);
}

static bool holds(json_t *events, const char *uuid)
{
    size_t  i;
    json_t *event;
    json_array_foreach(events, i, event) {
        if (strcmp(text(event, "uuid"), uuid) == 0)
            return true;
    }
    return false;
}

/* With a sound disk again: what was acknowledged is there, and the store is as good as new. */
static void examine(struct bench *b, const struct outcome *outcome)
{
    bench_start(b);
    json_t *events = ask(b, STORE_LESSON, "l");
    for (int i = 0; i < RECORDS; i++)
        if (outcome->stored[i] && !holds(events, outcome->uuid[i]))
            fail_msg("record %d was acknowledged and is gone", i);
    say(b, "seen", "l", "t", "{}");
    json_t *before = ask(b, STORE_PROGRESS, NULL);
    json_decref(ask(b, STORE_REBUILD, NULL));
    json_t *after = ask(b, STORE_PROGRESS, NULL);
    assert_true(json_equal(before, after));
    json_decref(events);
    json_decref(before);
    json_decref(after);
    bench_stop(b);
}

/* Returns how many operations failed. */
static int fail_at(int operation, int place, bool from_then_on, int code, bool filled)
{
    struct bench   b;
    struct outcome outcome = { .stored = { false } };
    bench_folder(&b);
    if (filled) {
        bench_start(&b);
        say(&b, "seen", "l", "before", "{}");
        bench_stop(&b);
    }
    atomic_store(&failed, 0);
    atomic_store(&lasting, from_then_on);
    atomic_store(&failure, code);
    atomic_store(&watched, operation);
    atomic_store(&countdown, place);
    session(&b, &outcome);
    atomic_store(&countdown, 0);
    examine(&b, &outcome);
    bench_sweep(&b);
    return atomic_load(&failed);
}

static void fail_each(int operation, bool from_then_on, int code, bool filled, int stride)
{
    int place = 1;
    while (fail_at(operation, place, from_then_on, code, filled) > 0 && place < 400)
        place += stride;
    assert_true(place > 1 && place < 400);
}

static void writes_fail_once(void **state)
{
    (void)state;
    fail_each(WRITES, false, SQLITE_FULL, false, 3);
    fail_each(WRITES, false, SQLITE_IOERR_WRITE, true, 4);
}

static void writes_fail_for_good(void **state)
{
    (void)state;
    fail_each(WRITES, true, SQLITE_FULL, false, 3);
    fail_each(WRITES, true, SQLITE_FULL, true, 3);
}

static void syncs_fail(void **state)
{
    (void)state;
    fail_each(SYNCS, false, 0, false, 1);
    fail_each(SYNCS, true, 0, true, 1);
}

static void files_do_not_open(void **state)
{
    (void)state;
    fail_each(OPENS, false, 0, false, 1);
    fail_each(OPENS, true, 0, true, 1);
}

static void truncates_and_shared_memory_fail(void **state)
{
    (void)state;
    fail_each(TRUNCATES, true, 0, false, 1);
    fail_each(SHARED, false, 0, false, 1);
    fail_each(SHARED, true, 0, true, 1);
}

static void reads_fail(void **state)
{
    (void)state;
    fail_each(READS, false, 0, true, 5);
    fail_each(READS, true, 0, true, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_fail_once),
        cmocka_unit_test(writes_fail_for_good),
        cmocka_unit_test(syncs_fail),
        cmocka_unit_test(files_do_not_open),
        cmocka_unit_test(truncates_and_shared_memory_fail),
        cmocka_unit_test(reads_fail),
    };
    return cmocka_run_group_tests(tests, faultdisk_setup, NULL);
}
