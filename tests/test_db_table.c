/* test_db_table.c: every fault against every operation, as a table: tests/db_faults.txt says what is to happen.
 * Whatever it is, what was acknowledged before is there afterwards, and the store goes on. A fault while the store is
 * open lasts until the operation is over. `test_db_table --write` prints the table as it is now. Faults that come once
 * are in test_db_faults.c, power cuts in test_db_power.c, missing memory in test_db_each.c, kill -9 in test_kill.sh. */
#include "tests/db.h"
#include "tests/faultdisk.h"

#include <fcntl.h>
#include <pthread.h>

enum { EARLIER = 60, ROW_BYTES = 1024, TABLE_BYTES = 32 * 1024 };

/* No power is cut here, and hundreds of stores wait for no disk: the syncs under the failing disk do nothing. */
int fsync(int fd)
{
    return fd < 0 ? -1 : 0;
}

int fdatasync(int fd)
{
    return fd < 0 ? -1 : 0;
}

/* ---- operations ---- */

enum deed { OPEN, APPEND, LESSON, PROGRESS, CARDS, CALIBRATION, IMPORT, EXPORT, BACKUP, RESTORE, REBUILD, DEEDS };

static const char *const deed_names[DEEDS] = { "open",   "append", "lesson", "progress", "cards",  "calibration",
                                               "import", "export", "backup", "restore",  "rebuild" };

static const char foreign[] =
    "{\"uuid\":\"01890000-0000-7000-8000-000000000001\",\"learner\":\"o\",\"device\":\"other\",\"seq\":1,\"utc\":1,"
    "\"offset\":0,\"course\":\"\",\"lesson\":\"l\",\"step\":\"far\",\"rev\":1,\"kind\":\"seen\",\"payload\":{}}";

static void perform(struct bench *b, enum deed deed, struct store_reply *reply)
{
    static const enum store_question questions[DEEDS] = {
        [OPEN] = STORE_STATUS,   [LESSON] = STORE_LESSON, [PROGRESS] = STORE_PROGRESS, [CARDS] = STORE_CARDS,
        [CALIBRATION] = STORE_CALIBRATION, [IMPORT] = STORE_IMPORT, [EXPORT] = STORE_EVENTS, [BACKUP] = STORE_BACKUP,
        [RESTORE] = STORE_RESTORE, [REBUILD] = STORE_REBUILD,
    };
    char file[400], copy[400];
    snprintf(file, sizeof file, "%s/new", b->folder);
    snprintf(copy, sizeof copy, "%s/copy", b->folder);
    const char *arg = deed == LESSON    ? "l"
                      : deed == CARDS   ? "all"
                      : deed == IMPORT  ? foreign
                      : deed == BACKUP  ? file
                      : deed == RESTORE ? copy
                                        : "";
    struct record record = { .kind = "seen", .lesson = "l", .step = "fresh" };
    if (deed == APPEND)
        assert_true(store_post_wait(b->store, &record, reply));
    else
        assert_true(store_ask_wait(b->store, questions[deed], arg, reply));
}

/* ---- faults ---- */

static void end_of_name(struct bench *b, const char *end, char name[400])
{
    snprintf(name, 400, "%s%s", b->path, end);
}

/* Overwrites a page of the file with noise. */
static void spoil(struct bench *b, long page)
{
    char name[400], noise[4096];
    end_of_name(b, "", name);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)rand();
    int fd = open(name, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, noise, sizeof noise, page * 4096) == sizeof noise);
    close(fd);
}

static void watch(int operation, int code, bool from_then_on)
{
    atomic_store(&failed, 0);
    atomic_store(&lasting, from_then_on);
    atomic_store(&failure, code);
    atomic_store(&watched, operation);
    atomic_store(&countdown, 1);
}

/* Before the store opens. */
static void older_schema(struct bench *b) { sql(b, "DROP INDEX event_lesson; PRAGMA user_version = 1"); }
static void newer_schema(struct bench *b) { sql(b, "PRAGMA user_version = 9"); }
static void older_tables(struct bench *b) { sql(b, "UPDATE fold_state SET value = '0' WHERE name = 'version'"); }
static void no_tables(struct bench *b) { sql(b, "DROP TABLE card; DROP TABLE forecast; DROP TABLE progress_step"); }
static void bad_page(struct bench *b) { spoil(b, 2); }
static void bad_header(struct bench *b) { spoil(b, 0); }
static void is_read_only(struct bench *b)
{
    (void)b;
    atomic_store(&read_only, 1);
}

/* Events that were only in the WAL, which is gone. */
static void lost_wal(struct bench *b)
{
    char kept[400], name[400], command[1000];
    end_of_name(b, "", name);
    snprintf(kept, sizeof kept, "%s/kept", b->folder);
    snprintf(command, sizeof command, "cp '%s' '%s'", name, kept);
    assert_int_equal(system(command), 0);
    bench_start(b);
    say(b, "seen", "l", "late", "{}");
    say(b, "seen", "l", "later", "{}");
    bench_stop(b);
    assert_int_equal(rename(kept, name), 0);
    end_of_name(b, "-wal", name);
    unlink(name);
}

/* While it is open. */
static void disk_full(struct bench *b)
{
    (void)b;
    watch(WRITES, SQLITE_FULL, true);
}
static void disk_does_not_write(struct bench *b)
{
    (void)b;
    watch(WRITES, SQLITE_IOERR_WRITE, true);
}
static void disk_does_not_sync(struct bench *b)
{
    (void)b;
    watch(SYNCS, 0, true);
}
static void disk_does_not_read(struct bench *b)
{
    (void)b;
    watch(READS, 0, true);
}
static void clock_jumps_back(struct bench *b) { b->utc -= 400 * (int64_t)DAY; }

static void *write_a_while(void *path)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 1000);
        sqlite3_exec(db, "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS other(x)", NULL, NULL, NULL);
        usleep(60000);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_close(db);
    return NULL;
}

static pthread_t other;

static void another_writes(struct bench *b)
{
    pthread_create(&other, NULL, write_a_while, b->path);
    usleep(20000);
}

static const struct fault {
    const char *name;
    void (*before)(struct bench *); /* the store opens */
    void (*during)(struct bench *); /* it is open */
    int  lost;                      /* events that the fault itself takes */
} faults[] = {
    { "none", NULL, NULL, 0 },
    { "the disk does not write", NULL, disk_does_not_write, 0 },
    { "the disk is full", NULL, disk_full, 0 },
    { "the disk does not sync", NULL, disk_does_not_sync, 0 },
    { "the disk does not read", disk_does_not_read, NULL, 0 },
    { "another tutor writes", NULL, another_writes, 0 },
    { "the clock jumps back", NULL, clock_jumps_back, 0 },
    { "the file is read-only", is_read_only, NULL, 0 },
    { "an older schema", older_schema, NULL, 0 },
    { "a newer schema", newer_schema, NULL, 0 },
    { "older derived tables", older_tables, NULL, 0 },
    { "derived tables are missing", no_tables, NULL, 0 },
    { "a page of events is damaged", bad_page, NULL, EARLIER },
    { "the header is damaged", bad_header, NULL, 0 },
    { "the WAL was deleted", lost_wal, NULL, 0 },
};

enum { FAULTS = sizeof faults / sizeof faults[0] };

/* ---- one cell ---- */

static void fill(struct bench *b)
{
    char step[16], copy[400];
    bench_folder(b);
    bench_start(b);
    for (int i = 0; i < EARLIER; i++) {
        snprintf(step, sizeof step, "s%d", i % 10);
        say(b, i % 3 == 1 ? "result" : i % 3 ? "review" : "prediction", "l", step,
            i % 3 == 1 ? "{\"hit\":false,\"card\":{\"front\":\"f\",\"back\":\"b\"}}"
            : i % 3    ? "{\"grade\":\"good\"}"
                       : "{\"type\":\"number\",\"confidence\":95}");
    }
    snprintf(copy, sizeof copy, "%s/copy", b->folder);
    json_decref(ask(b, STORE_BACKUP, copy));
    json_decref(ask(b, STORE_PROGRESS, NULL));
    bench_stop(b);
}

static json_t *status_of(struct bench *b)
{
    struct store_reply reply;
    assert_true(store_ask_wait(b->store, STORE_STATUS, NULL, &reply));
    json_t *status = reply.ok ? json_loads(reply.text, 0, NULL) : json_object();
    store_reply_clear(&reply);
    return status;
}

/* "done", "refused", with "read-only" or "told" where the learner was. */
static void outcome(const struct store_reply *reply, const json_t *status, char *out, size_t size)
{
    bool saving = strcmp(text(status, "mode"), "saving") == 0;
    bool told = json_array_size(json_object_get(status, "notices")) > 0;
    if (!reply->ok && reply->text && strlen(reply->text) < 20)
        fail_msg("refused with '%s'", reply->text);
    snprintf(out, size, "%s%s", reply->ok ? "done" : "refused",
             !saving && *text(status, "mode") != '(' ? ", not saving" : told ? ", told" : "");
}

static int count_events(struct bench *b)
{
    json_t *events = ask(b, STORE_LESSON, "l");
    int     count = (int)json_array_size(events);
    json_decref(events);
    return count;
}

/* The fault is over: what was acknowledged is there, and the store goes on. */
static void examine(struct bench *b, const struct fault *fault, enum deed deed, const struct store_reply *reply)
{
    int adds = reply->ok && (deed == APPEND || deed == IMPORT);
    if (fault->before == newer_schema)
        return; /* never touched: test_db_damage.c */
    bench_start(b);
    int there = count_events(b);
    if (there < EARLIER - fault->lost + adds)
        fail_msg("%s, %s: %d events of %d", fault->name, deed_names[deed], there, EARLIER + adds);
    say(b, "seen", "l", "goes on", "{}");
    json_t *before = ask(b, STORE_PROGRESS, NULL);
    json_decref(ask(b, STORE_REBUILD, NULL));
    json_t *after = ask(b, STORE_PROGRESS, NULL);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    bench_stop(b);
}

static void try(const struct fault *fault, enum deed deed, char *out, size_t size)
{
    struct bench       b;
    struct store_reply reply;
    fill(&b);
    if (fault->before)
        fault->before(&b);
    if (deed != OPEN || !fault->during) {
        bench_start(&b);
        json_decref(status_of(&b));
    }
    if (fault->during)
        fault->during(&b);
    if (deed == OPEN && fault->during)
        bench_start(&b);
    perform(&b, deed, &reply);
    json_t *status = status_of(&b);
    outcome(&reply, status, out, size);
    atomic_store(&countdown, 0);
    if (fault->during == another_writes)
        pthread_join(other, NULL);
    bench_stop(&b);
    atomic_store(&read_only, 0);
    examine(&b, fault, deed, &reply);
    json_decref(status);
    store_reply_clear(&reply);
    bench_sweep(&b);
}

/* ---- the table ---- */

/* One line a fault: its name, then the operations by outcome. */
static void make_row(const struct fault *fault, char *row, size_t size)
{
    char   outcomes[DEEDS][48];
    size_t used = (size_t)snprintf(row, size, "%s:\n", fault->name);
    bool   listed[DEEDS] = { false };
    srand(7);
    for (int i = 0; i < DEEDS; i++)
        try(fault, (enum deed)i, outcomes[i], sizeof outcomes[i]);
    for (int i = 0; i < DEEDS; i++) {
        if (listed[i])
            continue;
        used += (size_t)snprintf(row + used, size - used, "    %-22s", outcomes[i]);
        for (int k = i; k < DEEDS; k++)
            if (strcmp(outcomes[k], outcomes[i]) == 0) {
                listed[k] = true;
                used += (size_t)snprintf(row + used, size - used, " %s", deed_names[k]);
            }
        used += (size_t)snprintf(row + used, size - used, "\n");
    }
}

static void table_is_as_written(void **state)
{
    static char wanted[TABLE_BYTES];
    FILE       *file = fopen("tests/db_faults.txt", "r");
    (void)state;
    assert_non_null(file);
    wanted[fread(wanted, 1, sizeof wanted - 1, file)] = 0;
    fclose(file);
    for (int i = 0; i < FAULTS; i++) {
        char row[ROW_BYTES];
        make_row(&faults[i], row, sizeof row);
        if (!strstr(wanted, row))
            fail_msg("tests/db_faults.txt has no\n%s", row);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(table_is_as_written) };
    if (argc < 2 || strcmp(argv[1], "--write") != 0)
        return cmocka_run_group_tests(tests, faultdisk_setup, NULL);
    faultdisk_setup(NULL);
    for (int i = 0; i < FAULTS; i++) {
        char row[ROW_BYTES];
        make_row(&faults[i], row, sizeof row);
        printf("%s\n", row);
    }
    return 0;
}
