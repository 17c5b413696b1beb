/* test_storm.c: a hundred writers killed with -9 at random moments, then everything that was acknowledged is there; two
 * tutors at once; and the store under threads that post as fast as they can. */
#include "tests/db.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { KILLS = 100, MOST_US = 12000, ACKNOWLEDGED = 20000 };

static char acknowledged[ACKNOWLEDGED][RECORD_UUID];
static int  count;

/* ---- the writer ---- */

/* Posts several records ahead, so that transactions hold more than one; prints each uuid as it is acknowledged. */
static void write_until_killed(struct bench *b, int out, int life)
{
    struct store_reply reply;
    char               step[16];
    bench_start(b);
    for (uint64_t id = 1;; id++) {
        snprintf(step, sizeof step, "s%d", (int)id % 9);
        struct record record = { .id = id, .kind = id % 3 ? "prediction" : "result", .lesson = "storm", .step = step,
                                 .rev = life, .payload = id % 3 ? "{\"confidence\":75}" : "{\"hit\":true}" };
        store_post(b->store, &record);
        if (id % 7 == 0)
            store_ask(b->store, 0, STORE_PROGRESS, NULL);
        while (id % 4 == 0 && poll(&(struct pollfd){ .fd = store_fd(b->store), .events = POLLIN }, 1, 1000) > 0 &&
               store_next(b->store, &reply)) {
            if (reply.ok && reply.uuid[0] && write(out, reply.uuid, RECORD_UUID) != RECORD_UUID)
                _exit(1);
            bool last = reply.id == id;
            store_reply_clear(&reply);
            if (last)
                break;
        }
    }
}

static void live_and_die(struct bench *b, int life)
{
    int   ends[2];
    char  uuid[RECORD_UUID];
    pid_t child;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(b, ends[1], life);
    }
    close(ends[1]);
    if (rand() % 2) /* half of them have acknowledged something, the others may die while they open */
        poll(&(struct pollfd){ .fd = ends[0], .events = POLLIN }, 1, 5000);
    usleep((useconds_t)(rand() % MOST_US));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(ends[0], uuid, RECORD_UUID) == RECORD_UUID && count < ACKNOWLEDGED)
        memcpy(acknowledged[count++], uuid, RECORD_UUID);
    close(ends[0]);
}

/* ---- what is there afterwards ---- */

static void expect_all(struct bench *b)
{
    size_t  i;
    json_t *events = ask(b, STORE_LESSON, "storm"), *event, *known = json_object();
    json_array_foreach(events, i, event) {
        json_object_set_new(known, text(event, "uuid"), json_true());
    }
    for (int k = 0; k < count; k++)
        if (!json_object_get(known, acknowledged[k]))
            fail_msg("acknowledged event %d of %d, %s, is gone", k, count, acknowledged[k]);
    json_decref(known);
    json_decref(events);
}

/* seq counts every event of a device once, without a gap. */
static void expect_whole_numbers(struct bench *b, const char *lesson)
{
    size_t  i;
    json_t *events = ask(b, STORE_LESSON, lesson), *event;
    int64_t utc = 0;
    json_array_foreach(events, i, event) {
        assert_int_equal(number(event, "seq"), i + 1);
        assert_true(number(event, "utc") >= utc);
        utc = number(event, "utc");
    }
    json_decref(events);
}

static void expect_rebuild_equal(struct bench *b)
{
    json_t *before = ask(b, STORE_PROGRESS, NULL), *known = ask(b, STORE_CALIBRATION, NULL);
    json_decref(ask(b, STORE_REBUILD, NULL));
    json_t *after = ask(b, STORE_PROGRESS, NULL), *again = ask(b, STORE_CALIBRATION, NULL);
    assert_true(json_equal(before, after));
    assert_true(json_equal(known, again));
    json_decref(before);
    json_decref(after);
    json_decref(known);
    json_decref(again);
}

static void kill_storm(void **state)
{
    struct bench b;
    (void)state;
    srand(3);
    count = 0;
    bench_folder(&b);
    for (int life = 0; life < KILLS; life++)
        live_and_die(&b, life);
    assert_true(count > KILLS / 4);
    bench_start(&b);
    json_t *status = ask(&b, STORE_STATUS, NULL);
    assert_int_equal(json_array_size(json_object_get(status, "notices")), 0);
    json_decref(status);
    expect_all(&b);
    expect_whole_numbers(&b, "storm");
    expect_rebuild_equal(&b);
    bench_stop(&b);
    bench_sweep(&b);
}

/* ---- two tutors ---- */

enum { TWINS = 3, EACH = 60 };

/* Several processes write at once; all acknowledged, numbered without a gap. One is opened while the others run. */
static void tutors_at_once(void **state)
{
    struct bench b;
    pid_t        children[TWINS];
    int          status;
    (void)state;
    bench_folder(&b);
    for (int i = 0; i < TWINS; i++) {
        children[i] = fork();
        if (children[i])
            continue;
        bench_start(&b);
        for (int k = 0; k < EACH; k++) {
            struct store_reply reply;
            struct record      record = { .kind = "seen", .lesson = "twins", .step = k % 2 ? "a" : "b" };
            if (!store_post_wait(b.store, &record, &reply) || !reply.ok) {
                fprintf(stderr, "not stored: %s\n", reply.text);
                _exit(1);
            }
            if (k % 20 == 0 && (!store_ask_wait(b.store, STORE_PROGRESS, NULL, &reply) || !reply.ok))
                _exit(2);
        }
        bench_stop(&b);
        _exit(0);
    }
    for (int i = 0; i < TWINS; i++) {
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    bench_start(&b);
    json_t *events = ask(&b, STORE_LESSON, "twins");
    assert_int_equal(json_array_size(events), TWINS * EACH);
    json_decref(events);
    expect_whole_numbers(&b, "twins");
    expect_rebuild_equal(&b);
    bench_stop(&b);
    bench_sweep(&b);
}

static int version_of(const char *path)
{
    sqlite3      *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return version;
}

/* Several tutors open a file of the schema before at once: all get on, and the copy that is kept is of that schema. */
static void an_old_file_opened_at_once(void **state)
{
    enum { ROUNDS = 12 };
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct bench b;
        pid_t        children[TWINS];
        char         copy[4200];
        int          status;
        bench_folder(&b);
        bench_start(&b);
        for (int i = 0; i < 200; i++)
            say(&b, "seen", "l", "a", "{}");
        bench_stop(&b);
        sql(&b, "DROP INDEX event_lesson; PRAGMA user_version = 1");
        for (int i = 0; i < TWINS; i++) {
            children[i] = fork();
            if (children[i])
                continue;
            struct store_reply reply;
            struct record      record = { .kind = "seen", .lesson = "l", .step = "b" };
            bench_start(&b);
            bool stored = store_post_wait(b.store, &record, &reply) && reply.ok;
            if (!stored)
                fprintf(stderr, "not stored: %s\n", reply.text);
            bench_stop(&b);
            _exit(!stored);
        }
        for (int i = 0; i < TWINS; i++) {
            waitpid(children[i], &status, 0);
            assert_int_equal(status, 0);
        }
        snprintf(copy, sizeof copy, "%s.v1", b.path);
        assert_int_equal(version_of(copy), 1);
        bench_sweep(&b);
    }
}

/* Two stores in one process, each with its own thread: for the thread sanitizer. */
static void two_stores_in_one_process(void **state)
{
    struct bench *a = *state, b = *a;
    bench_start(&b);
    for (int i = 0; i < 40; i++) {
        say(a, "seen", "l", "a", "{}");
        say(&b, "prediction", "l", "b", "{\"confidence\":50}");
        if (i % 10 == 0) {
            json_decref(ask(a, STORE_PROGRESS, NULL));
            json_decref(ask(&b, STORE_CARDS, NULL));
        }
    }
    expect_whole_numbers(a, "l");
    bench_stop(&b);
}

/* Closing right after posting: everything posted is stored. */
static void close_finishes_what_was_posted(void **state)
{
    struct bench *b = *state;
    for (uint64_t id = 1; id <= 200; id++)
        store_post(b->store, &(struct record){ .id = id, .kind = "seen", .lesson = "l", .step = "s" });
    store_ask(b->store, 201, STORE_CARDS, NULL);
    bench_stop(b);
    bench_start(b);
    json_t *events = ask(b, STORE_LESSON, "l");
    assert_int_equal(json_array_size(events), 200);
    json_decref(events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_storm),
        cmocka_unit_test(tutors_at_once),
        cmocka_unit_test(an_old_file_opened_at_once),
        cmocka_unit_test_setup_teardown(two_stores_in_one_process, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(close_finishes_what_was_posted, bench_open, bench_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
