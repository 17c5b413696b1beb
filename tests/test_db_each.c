/* test_db_each.c: every allocation and every call of SQLite in the store's thread fails once.
 * One after the other, until the operation gets through. Each request is answered; what was acknowledged is there
 * afterwards; what was refused is not half there; answers given meanwhile are right or refused, never short.
 * malloc, calloc, realloc and SQLite's functions are taken over by this program; the libraries use the same ones. */
#include "tests/db.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define OWN_MALLOC 0
#else
#define OWN_MALLOC 1
#endif
#else
#define OWN_MALLOC 1
#endif

/* ---- what fails ---- */

enum watched { NOTHING, ALLOCATIONS, CALLS };

static atomic_int  watched, countdown, failed, failure;
static pthread_t   tester; /* its own allocations never fail */
static atomic_bool ready;

/* Within a function of SQLite: what it calls itself is its own business. */
static _Thread_local int inside;

/* Whether this is the one that fails. */
static bool fails(enum watched what)
{
    if ((inside && what == CALLS) || atomic_load(&watched) != (int)what || !atomic_load(&ready) ||
        pthread_equal(pthread_self(), tester))
        return false;
    if (atomic_fetch_sub(&countdown, 1) != 1)
        return false;
    atomic_fetch_add(&failed, 1);
    return true;
}

#if OWN_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    if (!fails(ALLOCATIONS))
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    if (!fails(ALLOCATIONS))
        return __libc_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *old, size_t size)
{
    if (!fails(ALLOCATIONS))
        return __libc_realloc(old, size);
    errno = ENOMEM;
    return NULL;
}
#endif

/* No power is cut here, and a thousand stores wait for no disk. */
int fsync(int fd)
{
    return fd < 0 ? -1 : 0;
}

int fdatasync(int fd)
{
    return fd < 0 ? -1 : 0;
}

/* Puts the real function of a name where `function` points; a function is no object, so the bytes are copied. */
static void real(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol)
        abort();
    memcpy(function, &symbol, sizeof symbol);
}

#define CALL(name, ...)               \
    __extension__({                   \
        __typeof__(&name) function_;  \
        real(#name, &function_);      \
        function_(__VA_ARGS__);       \
    })

int sqlite3_step(sqlite3_stmt *stmt)
{
    return fails(CALLS) ? atomic_load(&failure) : CALL(sqlite3_step, stmt);
}

int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags, sqlite3_stmt **out, const char **tail)
{
    *out = NULL;
    return fails(CALLS) ? atomic_load(&failure) : CALL(sqlite3_prepare_v3, db, sql, n, flags, out, tail);
}

int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int n, sqlite3_stmt **out, const char **tail)
{
    *out = NULL;
    return fails(CALLS) ? atomic_load(&failure) : CALL(sqlite3_prepare_v2, db, sql, n, out, tail);
}

/* A rollback is let through, as SQLite lets it: there is nothing that could fail in it but to undo too little. */
int sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *ctx, char **error)
{
    if (strcmp(sql, "ROLLBACK") != 0 && fails(CALLS))
        return atomic_load(&failure);
    inside++;
    int rc = CALL(sqlite3_exec, db, sql, each, ctx, error);
    inside--;
    return rc;
}

int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs)
{
    if (!fails(CALLS))
        return CALL(sqlite3_open_v2, name, db, flags, vfs);
    *db = NULL;
    return atomic_load(&failure);
}

int sqlite3_open(const char *name, sqlite3 **db)
{
    if (!fails(CALLS))
        return CALL(sqlite3_open, name, db);
    *db = NULL;
    return atomic_load(&failure);
}

sqlite3_backup *sqlite3_backup_init(sqlite3 *to, const char *a, sqlite3 *from, const char *b)
{
    return fails(CALLS) ? NULL : CALL(sqlite3_backup_init, to, a, from, b);
}

int sqlite3_backup_step(sqlite3_backup *backup, int pages)
{
    return fails(CALLS) ? atomic_load(&failure) : CALL(sqlite3_backup_step, backup, pages);
}

int sqlite3_wal_checkpoint_v2(sqlite3 *db, const char *name, int mode, int *log, int *moved)
{
    return fails(CALLS) ? atomic_load(&failure) : CALL(sqlite3_wal_checkpoint_v2, db, name, mode, log, moved);
}

int sqlite3_file_control(sqlite3 *db, const char *name, int op, void *arg)
{
    return fails(CALLS) ? atomic_load(&failure) : CALL(sqlite3_file_control, db, name, op, arg);
}

/* ---- operations ---- */

enum operation {
    OPEN,
    APPEND,
    LESSON,
    PROGRESS,
    CARDS,
    CALIBRATION,
    IMPORT,
    EXPORT,
    BACKUP,
    RESTORE,
    REBUILD,
    OPERATIONS
};

static const char *const operation_names[] = { "open",   "append", "lesson", "progress", "cards",  "calibration",
                                               "import", "export", "backup", "restore",  "rebuild" };

static const char foreign[] =
    "{\"uuid\":\"01890000-0000-7000-8000-000000000001\",\"learner\":\"o\",\"device\":\"other\",\"seq\":1,\"utc\":1,"
    "\"offset\":0,\"course\":\"\",\"lesson\":\"l\",\"step\":\"far\",\"rev\":1,\"kind\":\"seen\",\"payload\":{}},"
    "{\"uuid\":\"01890000-0000-7000-8000-000000000002\",\"learner\":\"o\",\"device\":\"other\",\"seq\":2,\"utc\":2,"
    "\"offset\":0,\"course\":\"\",\"lesson\":\"l\",\"step\":\"far\",\"rev\":1,\"kind\":\"seen\",\"payload\":{}}";

/* A small history with something for every table, a retract among it. */
static void fill(struct bench *b)
{
    struct store_reply reply;
    char               payload[80];
    bench_start(b);
    for (int i = 0; i < 3; i++) {
        char step[8];
        snprintf(step, sizeof step, "s%d", i);
        say(b, "prediction", "l", step, "{\"type\":\"number\",\"confidence\":95}");
        say(b, "result", "l", step, "{\"hit\":false,\"octaves\":1.5,\"card\":{\"front\":\"f\",\"back\":\"b\"}}");
        post(b, "review", "l", step, "{\"grade\":\"good\"}", &reply);
    }
    snprintf(payload, sizeof payload, "{\"target\":\"%s\"}", reply.uuid);
    say(b, "retract", "l", "s2", payload);
    say(b, "setting", "", "", "{\"name\":\"retention\",\"value\":\"0.85\"}");
    char copy[400];
    snprintf(copy, sizeof copy, "%s/copy", b->folder);
    json_decref(ask(b, STORE_BACKUP, copy));
    bench_stop(b);
}

static json_t *everything(struct bench *b)
{
    return json_pack("[o, o, o, o, o]", ask(b, STORE_LESSON, "l"), ask(b, STORE_PROGRESS, NULL),
                     ask(b, STORE_CARDS, "all"), ask(b, STORE_CALIBRATION, NULL), ask(b, STORE_SETTINGS, NULL));
}

/* Does it; the reply is the caller's. The store is open but for OPEN. */
static void perform(struct bench *b, enum operation operation, struct store_reply *reply)
{
    static const enum store_question questions[] = {
        [OPEN] = STORE_STATUS,   [LESSON] = STORE_LESSON, [PROGRESS] = STORE_PROGRESS, [CARDS] = STORE_CARDS,
        [CALIBRATION] = STORE_CALIBRATION, [IMPORT] = STORE_IMPORT, [EXPORT] = STORE_EVENTS, [BACKUP] = STORE_BACKUP,
        [RESTORE] = STORE_RESTORE, [REBUILD] = STORE_REBUILD,
    };
    char        file[400], copy[400];
    const char *arg = "";
    snprintf(file, sizeof file, "%s/new", b->folder);
    snprintf(copy, sizeof copy, "%s/copy", b->folder);
    arg = operation == LESSON ? "l" : operation == CARDS ? "all" : operation == IMPORT ? foreign
        : operation == BACKUP ? file : operation == RESTORE ? copy : "";
    if (operation == APPEND) {
        struct record record = { .kind = "seen", .lesson = "l", .step = "fresh", .payload = "{\"a\":[1,2,{\"b\":3}]}" };
        assert_true(store_post_wait(b->store, &record, reply));
    } else
        assert_true(store_ask_wait(b->store, questions[operation], arg, reply));
}

/* What the sound store answers, to compare with; the empty text where the answer names files or times. */
static char *sound_answer(struct bench *b, enum operation operation)
{
    struct store_reply reply;
    bool compared = operation >= LESSON && operation <= CALIBRATION;
    if (!compared)
        return strdup("");
    bench_start(b);
    perform(b, operation, &reply);
    assert_true(reply.ok);
    bench_stop(b);
    return reply.text;
}

static bool has_step(struct bench *b, const char *step)
{
    json_t *events = ask(b, STORE_LESSON, "l"), *event;
    size_t  i;
    bool    found = false;
    json_array_foreach(events, i, event) {
        found |= strcmp(text(event, "step"), step) == 0;
    }
    json_decref(events);
    return found;
}

/* After the fault: all that was there is there, and the operation has happened whole or not at all. */
static void examine(struct bench *b, enum operation operation, const struct store_reply *reply, json_t *before)
{
    bench_start(b);
    json_t *after = everything(b);
    bool    adds = operation == APPEND || operation == IMPORT;
    if (!adds && !json_equal(before, after))
        fail_msg("%s: what was there has changed", operation_names[operation]);
    if (adds) {
        bool there = has_step(b, operation == APPEND ? "fresh" : "far");
        if (reply->ok && !there)
            fail_msg("%s: acknowledged and gone: %s", operation_names[operation], reply->text ? reply->text : "");
        json_t *events = json_array_get(after, 0);
        int     extra = (int)json_array_size(events) - (int)json_array_size(json_array_get(before, 0));
        assert_true(extra == 0 || extra == (operation == APPEND ? 1 : 2));
    }
    json_decref(ask(b, STORE_REBUILD, NULL));
    json_t *rebuilt = everything(b);
    if (!json_equal(after, rebuilt))
        fail_msg("%s: what was derived is not what the events say", operation_names[operation]);
    say(b, "seen", "l", "goes on", "{}");
    json_decref(after);
    json_decref(rebuilt);
    bench_stop(b);
}

/* A copy of the filled folder, so that filling is done once. */
static void copy_file(const struct bench *from, const struct bench *to, const char *name)
{
    char  path[400], data[4096];
    size_t got;
    snprintf(path, sizeof path, "%s/%s", from->folder, name);
    FILE *in = fopen(path, "rb");
    snprintf(path, sizeof path, "%s/%s", to->folder, name);
    FILE *out = in ? fopen(path, "wb") : NULL;
    while (out && (got = fread(data, 1, sizeof data, in)) > 0)
        fwrite(data, 1, got, out);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
}

static void clone_files(const struct bench *from, struct bench *to)
{
    static const char *const names[] = { "progress.db", "progress.db-wal", "progress.db.seq", "copy" };
    bench_folder(to);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        copy_file(from, to, names[i]);
}

/* The n-th allocation or call of the operation fails. False: there were fewer. */
static bool fail_one(const struct bench *filled, enum operation operation, enum watched what, int n, int code,
                     const char *sound, json_t *before)
{
    struct bench       b;
    struct store_reply reply;
    clone_files(filled, &b);
    atomic_store(&failed, 0);
    atomic_store(&failure, code);
    if (operation != OPEN) {
        bench_start(&b);
        json_decref(ask(&b, STORE_STATUS, NULL));
    }
    atomic_store(&countdown, n);
    atomic_store(&watched, (int)what);
    if (operation == OPEN)
        bench_start(&b);
    perform(&b, operation, &reply);
    atomic_store(&watched, NOTHING);
    if (!reply.ok && reply.text && strlen(reply.text) < 10)
        fail_msg("%s: refused with '%s'", operation_names[operation], reply.text);
    if (reply.ok && *sound && strcmp(reply.text, sound) != 0)
        fail_msg("%s, failure %d: a wrong answer\n%s\nnot\n%s", operation_names[operation], n, reply.text, sound);
    bench_stop(&b);
    bool happened = atomic_load(&failed) > 0;
    if (happened)
        examine(&b, operation, &reply, before);
    store_reply_clear(&reply);
    bench_sweep(&b);
    return happened;
}

static void fail_each(enum watched what, int code)
{
    struct bench filled;
    bench_folder(&filled);
    fill(&filled);
    bench_start(&filled);
    json_t *before = everything(&filled);
    bench_stop(&filled);
    for (int operation = 0; operation < OPERATIONS; operation++) {
        char *sound = sound_answer(&filled, (enum operation)operation);
        int   n = 1;
        /* one by one at first, then in growing strides: the many are of one kind, inside SQLite's parser */
        while (n < 100000 && fail_one(&filled, (enum operation)operation, what, n, code, sound, before))
            n += n < 24 ? 1 : 1 + n / 7;
        if (n == 1)
            fail_msg("%s: nothing could fail", operation_names[operation]);
        free(sound);
    }
    json_decref(before);
    bench_sweep(&filled);
}

static void each_allocation_fails_once(void **state)
{
    (void)state;
    if (!OWN_MALLOC)
        skip();
    fail_each(ALLOCATIONS, 0);
}

static void each_call_fails_once(void **state)
{
    (void)state;
    fail_each(CALLS, SQLITE_IOERR_READ);
}

static void each_call_finds_no_memory(void **state)
{
    (void)state;
    fail_each(CALLS, SQLITE_NOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_once),
        cmocka_unit_test(each_call_fails_once),
        cmocka_unit_test(each_call_finds_no_memory),
    };
    tester = pthread_self();
    atomic_store(&ready, true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
