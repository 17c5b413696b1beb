/* db.h: what the tests of db/ share: a store in its own folder with a clock that stands still, and short
 * asks. */
#ifndef TESTS_DB_H
#define TESTS_DB_H

#include "db/calibration.h"
#include "db/cards.h"
#include "db/progress.h"
#include "db/settings.h"
#include "db/store.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define DAY 86400000

struct bench {
    struct store *store;
    int64_t       utc;
    int           offset;
    char          folder[200], path[300];
};

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static inline int64_t bench_clock(void *ctx, int *offset)
{
    struct bench *b = ctx;
    *offset = b->offset;
    return b->utc;
}

static inline void bench_start(struct bench *b)
{
    b->store = store_open(&(struct store_config){ .path = b->path, .clock = bench_clock, .clock_ctx = b });
    assert_non_null(b->store);
}

static inline void bench_stop(struct bench *b)
{
    store_close(b->store);
    b->store = NULL;
}

static inline void bench_folder(struct bench *b)
{
    const char *tmp = getenv("TMPDIR");
    *b = (struct bench){ .utc = 1760000000000, .offset = 120 };
    snprintf(b->folder, sizeof b->folder, "%s/saffron-db-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/progress.db", b->folder);
}

static inline void bench_sweep(struct bench *b)
{
    char           name[600];
    struct dirent *entry;
    DIR           *folder = opendir(b->folder);
    while (folder && (entry = readdir(folder))) {
        snprintf(name, sizeof name, "%s/%s", b->folder, entry->d_name);
        unlink(name);
    }
    if (folder)
        closedir(folder);
    rmdir(b->folder);
}

/* Runs statements on the file while no store has it. */
static inline void sql(struct bench *b, const char *script)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    sqlite3_exec(db, script, NULL, NULL, NULL);
    sqlite3_close(db);
}

static inline int bench_open(void **state)
{
    struct bench *b = malloc(sizeof *b);
    bench_folder(b);
    bench_start(b);
    *state = b;
    return 0;
}

static inline int bench_close(void **state)
{
    struct bench *b = *state;
    bench_stop(b);
    bench_sweep(b);
    free(b);
    return 0;
}

/* Appends and fails the test when it is not stored. */
static inline void post(struct bench *b, const char *kind, const char *lesson, const char *step,
                        const char *payload, struct store_reply *reply)
{
    struct record record = {
        .kind = kind, .course = "course", .lesson = lesson, .step = step, .rev = 1, .payload = payload
    };
    assert_true(store_post_wait(b->store, &record, reply));
    if (!reply->ok)
        print_error("not stored: %s\n", reply->text);
    assert_true(reply->ok);
}

static inline void say(struct bench *b, const char *kind, const char *lesson, const char *step,
                       const char *payload)
{
    struct store_reply reply;
    post(b, kind, lesson, step, payload, &reply);
}

static inline json_t *ask(struct bench *b, enum store_question question, const char *arg)
{
    struct store_reply reply;
    assert_true(store_ask_wait(b->store, question, arg, &reply));
    if (!reply.ok)
        print_error("not answered: %s\n", reply.text);
    assert_true(reply.ok);
    json_t *json = json_loads(reply.text, 0, NULL);
    assert_non_null(json);
    store_reply_clear(&reply);
    return json;
}

static inline const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "(none)";
}

static inline int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

#endif
