/* test_db_damage.c: what the store does with files it cannot trust, folders it cannot write and disks that fail.
 * The rule under test: never a crash, one clear line, and nothing that was acknowledged goes missing without a word. */
#include "tests/db.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

enum { EVENTS = 400 };

/* ---- helpers ---- */

static void fill(struct bench *b, int count)
{
    char step[16], payload[200];
    for (int i = 0; i < count; i++) {
        snprintf(step, sizeof step, "s%d", i);
        snprintf(payload, sizeof payload, "{\"raw\":\"%d\",\"pad\":\"%0*d\"}", i, i % 120 + 1, i);
        say(b, i % 2 ? "seen" : "prediction", "l", step, payload);
    }
}

static int64_t count_events(struct bench *b)
{
    json_t *events = ask(b, STORE_LESSON, "l");
    int64_t count = (int64_t)json_array_size(events);
    json_decref(events);
    return count;
}

/* Whether a notice holds these words. */
static bool notice_with(struct bench *b, const char *words)
{
    json_t *status = ask(b, STORE_STATUS, NULL), *notice;
    size_t  i;
    bool    found = false;
    json_array_foreach(json_object_get(status, "notices"), i, notice) {
        found |= strstr(json_string_value(notice), words) != NULL;
    }
    json_decref(status);
    return found;
}

static void expect_notice(struct bench *b, const char *words)
{
    if (!notice_with(b, words))
        fail_msg("no notice says '%s'", words);
}

static void expect_mode(struct bench *b, const char *mode)
{
    json_t *status = ask(b, STORE_STATUS, NULL);
    assert_string_equal(text(status, "mode"), mode);
    json_decref(status);
}

static void file_name(struct bench *b, const char *end, char name[300])
{
    snprintf(name, 300, "%.280s%s", b->path, end);
}

static void overwrite(struct bench *b, const char *end, off_t at, size_t size, int byte)
{
    char  name[300];
    char *junk = malloc(size);
    file_name(b, end, name);
    for (size_t i = 0; i < size; i++)
        junk[i] = (char)(byte ? byte : rand());
    int fd = open(name, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, junk, size, at), size);
    close(fd);
    free(junk);
}

static void shell(const char *format, ...)
{
    char    command[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static off_t size_of_file(struct bench *b, const char *end)
{
    struct stat info;
    char        name[300];
    file_name(b, end, name);
    return stat(name, &info) == 0 ? info.st_size : -1;
}

static int set_aside(struct bench *b)
{
    int            count = 0;
    struct dirent *entry;
    DIR           *folder = opendir(b->folder);
    while ((entry = readdir(folder)))
        count += strstr(entry->d_name, ".damaged-") != NULL && !strstr(entry->d_name, "-wal");
    closedir(folder);
    return count;
}

/* Appends without expecting success; the reply's text is in `why`. */
static bool try_say(struct bench *b, char *why, size_t size)
{
    struct store_reply reply;
    struct record      record = { .kind = "seen", .lesson = "l", .step = "s", .payload = "{}" };
    assert_true(store_post_wait(b->store, &record, &reply));
    bool ok = reply.ok;
    snprintf(why, size, "%s", reply.text ? reply.text : "");
    assert_true(ok || strlen(why) > 10);
    assert_null(strchr(why, '\n'));
    store_reply_clear(&reply);
    return ok;
}

/* ---- damaged files ---- */

static void garbage_file(void **state)
{
    struct bench *b = *state;
    bench_stop(b);
    char name[300];
    file_name(b, "", name);
    assert_int_equal(truncate(name, 20000), 0);
    overwrite(b, "", 0, 20000, 0);
    bench_start(b);
    expect_notice(b, "was damaged");
    expect_notice(b, name);
    expect_mode(b, "saving");
    assert_int_equal(set_aside(b), 1);
    say(b, "seen", "l", "a", "{}");
    assert_int_equal(count_events(b), 1);
}

static void destroyed_first_page(void **state)
{
    struct bench *b = *state;
    fill(b, EVENTS);
    bench_stop(b);
    overwrite(b, "", 0, 4096, 0);
    bench_start(b);
    expect_notice(b, "was damaged");
    assert_int_equal(count_events(b), EVENTS);
    assert_int_equal(set_aside(b), 1);
    struct store_reply r;
    post(b, "seen", "l", "after", "{}", &r);
    assert_int_equal(r.seq, EVENTS + 1);
}

/* Whatever page is destroyed, all events but those on it come back, and the learner hears of it. */
static void any_damaged_page(void **state)
{
    struct bench *b = *state;
    fill(b, EVENTS);
    bench_stop(b);
    off_t pages = size_of_file(b, "") / 4096;
    char  name[300], copy[300];
    file_name(b, "", name);
    file_name(b, ".copy", copy);
    shell("cp '%s' '%s'; rm -f '%s-wal' '%s-shm'", name, copy, name, name);
    for (off_t page = 0; page < pages; page += page < 8 ? 1 : 5) {
        shell("cp '%s' '%s'; rm -f '%s-wal' '%s-shm'", copy, name, name, name);
        overwrite(b, "", page * 4096, 4096, 0xa5);
        bench_start(b);
        int64_t count = count_events(b);
        say(b, "seen", "l", "after", "{}");
        for (int i = 0; i < 200 && !notice_with(b, "was damaged"); i++)
            usleep(10000); /* the idle check */
        assert_true(count_events(b) >= EVENTS - 60);
        assert_true(count == 0 || count >= EVENTS - 60);
        bench_stop(b);
    }
    bench_start(b);
}

/* A few bytes overwritten anywhere: whatever SQLite makes of it, the store answers, and what it salvages is sound. */
static void random_bytes_anywhere(void **state)
{
    struct bench *b = *state;
    char          name[300], copy[300], why[600];
    fill(b, 150);
    bench_stop(b);
    file_name(b, "", name);
    file_name(b, ".copy", copy);
    shell("cp '%s' '%s'", name, copy);
    off_t size = size_of_file(b, "");
    srand(11);
    for (int round = 0; round < 20; round++) {
        shell("cp '%s' '%s'; rm -f '%s-wal' '%s-shm'", copy, name, name, name);
        for (int i = 0; i < 1 + round * 10; i++)
            overwrite(b, "", rand() % (size - 8), 1 + rand() % 8, 0);
        bench_start(b);
        try_say(b, why, sizeof why);
        usleep(3000);
        struct store_reply reply;
        assert_true(store_ask_wait(b->store, STORE_LESSON, "l", &reply));
        store_reply_clear(&reply);
        assert_true(store_ask_wait(b->store, STORE_PROGRESS, NULL, &reply));
        store_reply_clear(&reply);
        bench_stop(b);
    }
    bench_start(b);
}

static void truncated_file(void **state)
{
    struct bench *b = *state;
    fill(b, EVENTS);
    bench_stop(b);
    char name[300];
    file_name(b, "-wal", name);
    unlink(name);
    file_name(b, "", name);
    off_t size = size_of_file(b, "");
    assert_int_equal(truncate(name, size / 2 + 100), 0);
    bench_start(b);
    say(b, "seen", "l", "after", "{}");
    expect_notice(b, "was damaged");
    assert_true(count_events(b) > EVENTS / 5);
    struct store_reply r;
    post(b, "seen", "l", "after", "{}", &r);
    assert_int_equal(r.seq, EVENTS + 2); /* numbers of lost events are not given again */
}

static void emptied_file(void **state)
{
    struct bench *b = *state;
    fill(b, 5);
    bench_stop(b);
    char name[300];
    file_name(b, "-wal", name);
    unlink(name);
    file_name(b, "", name);
    assert_int_equal(truncate(name, 0), 0);
    bench_start(b);
    expect_mode(b, "saving");
    say(b, "seen", "l", "a", "{}");
    assert_int_equal(count_events(b), 1);
}

static void results_with_long_blocks_survive(void **state)
{
    struct bench *b = *state;
    char         *payload = malloc(70000);
    snprintf(payload, 70000, "{\"hit\":true,\"blocks\":\"%065000d\"}", 7);
    say(b, "result", "l", "a", payload);
    fill(b, 10);
    bench_stop(b);
    overwrite(b, "", 0, 4096, 0);
    bench_start(b);
    assert_int_equal(count_events(b), 11);
    json_t *events = ask(b, STORE_LESSON, "l");
    assert_int_equal(
        json_string_length(json_object_get(json_object_get(json_array_get(events, 0), "payload"), "blocks")),
        65000);
    json_decref(events);
    free(payload);
}

static void foreign_database_is_left_alone(void **state)
{
    struct bench *b = *state;
    sqlite3      *db;
    char          why[600];
    bench_stop(b);
    snprintf(b->path, sizeof b->path, "%s/music.db", b->folder);
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE song(title); INSERT INTO song VALUES ('x')", NULL, NULL, NULL);
    sqlite3_close(db);
    bench_start(b);
    assert_false(try_say(b, why, sizeof why));
    assert_non_null(strstr(why, "not one of saffron"));
    bench_stop(b);
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT title FROM song", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    bench_start(b);
}

static void damaged_while_another_tutor_runs(void **state)
{
    struct bench *b = *state, other = **(struct bench **)state;
    char          why[600];
    fill(b, EVENTS);
    bench_start(&other);
    say(&other, "seen", "l", "s", "{}");
    bench_stop(b);
    overwrite(b, "", 0, 4096, 0);
    bench_start(b);
    if (!try_say(b, why, sizeof why))
        assert_non_null(strstr(why, "another saffron has it open"));
    bench_stop(&other);
    bench_stop(b);
    bench_start(b);
    assert_true(try_say(b, why, sizeof why));
    assert_true(count_events(b) >= EVENTS);
}

/* A crash between the two renames of a repair is finished at the next start. */
static void interrupted_repair(void **state)
{
    struct bench *b = *state;
    char          name[300], rescued[300];
    fill(b, 20);
    bench_stop(b);
    file_name(b, "", name);
    file_name(b, ".rescued", rescued);
    shell("mv '%s' '%s' && echo junk >'%s-wal'", name, rescued, name);
    bench_start(b);
    assert_int_equal(count_events(b), 20);
    expect_mode(b, "saving");
}

/* ---- losses that leave a sound file ---- */

static void lost_wal(void **state)
{
    struct bench *b = *state;
    char          name[300];
    int           status;
    fill(b, 20);
    bench_stop(b);
    pid_t child = fork();
    if (child == 0) { /* a tutor that is killed with frames in the WAL; a reader holds them there */
        sqlite3 *reader;
        bench_start(b);
        json_decref(ask(b, STORE_STATUS, NULL));
        sqlite3_open(b->path, &reader);
        sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM event", NULL, NULL, NULL);
        fill(b, 7);
        _exit(0);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    file_name(b, "-wal", name);
    assert_int_equal(unlink(name), 0);
    file_name(b, "-shm", name);
    unlink(name);
    bench_start(b);
    assert_int_equal(count_events(b), 20);
    expect_notice(b, "lacks its last 7 events");
    struct store_reply r;
    post(b, "seen", "l", "after", "{}", &r);
    assert_int_equal(r.seq, 28);
    bench_stop(b);
    bench_start(b);
    assert_false(notice_with(b, "lacks"));
}

static void whole_wal_is_no_loss(void **state)
{
    struct bench *b = *state;
    int           status;
    bench_stop(b);
    pid_t child = fork();
    if (child == 0) {
        bench_start(b);
        fill(b, 7);
        _exit(0);
    }
    waitpid(child, &status, 0);
    bench_start(b);
    assert_int_equal(count_events(b), 7);
    assert_false(notice_with(b, "lacks"));
}

/* ---- places that cannot be written ---- */

static void no_place_at_all(void **state)
{
    static const char *const places[] = { "/dev/null/x/progress.db", "/proc/saffron/progress.db", "/proc/version" };
    struct bench            *b = *state;
    char                     why[600];
    bench_stop(b);
    char path[256];
    memcpy(path, b->path, sizeof path);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(b->path, sizeof b->path, "%s", places[i]);
        bench_start(b);
        assert_false(try_say(b, why, sizeof why));
        assert_non_null(strstr(why, places[i]));
        expect_notice(b, "progress is not being saved");
        json_t *cards = ask(b, STORE_CARDS, NULL), *progress = ask(b, STORE_PROGRESS, NULL);
        assert_int_equal(number(cards, "due"), 0);
        json_decref(cards);
        json_decref(progress);
        bench_stop(b);
    }
    memcpy(b->path, path, sizeof path);
    bench_start(b);
}

/* A path that is a folder, then no longer: the next record is stored. */
static void place_that_comes_back(void **state)
{
    struct bench *b = *state;
    char          why[600];
    bench_stop(b);
    snprintf(b->path, sizeof b->path, "%s/later.db", b->folder);
    mkdir(b->path, 0700);
    bench_start(b);
    assert_false(try_say(b, why, sizeof why));
    rmdir(b->path);
    assert_true(try_say(b, why, sizeof why));
    expect_notice(b, "being saved again");
    expect_mode(b, "saving");
}

/* Runs `body` in a child without root's rights; its exit status is the number of the line that failed. */
static void as_nobody(struct bench *b, int (*body)(struct bench *))
{
    int   status;
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(0);
        _exit(body(b));
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define need(what)                                                                                         \
    do {                                                                                                   \
        if (!(what))                                                                                       \
            return __LINE__ % 250 + 1;                                                                     \
    } while (0)

static int read_only_body(struct bench *b)
{
    struct store_reply reply;
    struct record      record = { .kind = "seen", .lesson = "l", .step = "s" };
    bench_start(b);
    need(store_post_wait(b->store, &record, &reply) && !reply.ok && strstr(reply.text, b->path));
    store_reply_clear(&reply);
    need(store_ask_wait(b->store, STORE_STATUS, NULL, &reply) && reply.ok);
    need(strstr(reply.text, "\"read-only\""));
    store_reply_clear(&reply);
    need(store_ask_wait(b->store, STORE_PROGRESS, NULL, &reply) && reply.ok && strstr(reply.text, "\"s3\""));
    store_reply_clear(&reply);
    need(store_ask_wait(b->store, STORE_LESSON, "l", &reply) && reply.ok && strstr(reply.text, "\"s3\""));
    store_reply_clear(&reply);
    bench_stop(b);
    return 0;
}

static void read_only_home(void **state)
{
    struct bench *b = *state;
    fill(b, 5);
    bench_stop(b);
    chmod(b->path, 0444);
    chmod(b->folder, 0555);
    as_nobody(b, read_only_body);
    chmod(b->folder, 0700);
    chmod(b->path, 0600);
    bench_start(b);
    assert_int_equal(count_events(b), 5);
}

/* ---- full disk ---- */

static int full_disk_body(struct bench *b)
{
    struct rlimit      none = { 0, RLIM_INFINITY };
    struct store_reply reply;
    struct record      record = { .kind = "seen", .lesson = "l", .step = "s" };
    signal(SIGXFSZ, SIG_IGN);
    bench_start(b);
    need(store_post_wait(b->store, &record, &reply) && reply.ok);
    usleep(b->offset * 1000); /* before or after the WAL was lengthened */
    setrlimit(RLIMIT_FSIZE, &none);
    need(store_post_wait(b->store, &record, &reply) && !reply.ok && strstr(reply.text, "free some space"));
    store_reply_clear(&reply);
    none.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &none);
    need(store_post_wait(b->store, &record, &reply) && reply.ok);
    bench_stop(b);
    return 0;
}

static void full_disk(void **state)
{
    struct bench *b = *state;
    int           status;
    bench_stop(b);
    for (int round = 0; round < 4; round++) {
        b->offset = round * 30;
        pid_t child = fork();
        if (child == 0)
            _exit(full_disk_body(b));
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
    bench_start(b);
    assert_int_equal(count_events(b), 8);
}

/* ---- network file systems ---- */

/* No WAL there; a database made elsewhere is taken over, and goes back. */
static void network_folder(void **state)
{
    static const char *const journals[] = { "truncate", "wal", "truncate" };
    struct bench            *b = *state;
    fill(b, 5);
    for (int i = 0; i < 3; i++) {
        bench_stop(b);
        b->store = store_open(&(struct store_config){ .path = b->path, .network = i != 1 });
        json_t *status = ask(b, STORE_STATUS, NULL);
        assert_string_equal(text(status, "journal"), journals[i]);
        json_decref(status);
        say(b, "seen", "l", "s", "{}");
        usleep(2000);
        say(b, "seen", "l", "t", "{}");
        assert_int_equal(count_events(b), 7 + 2 * i);
    }
}

/* ---- backup ---- */

static void backup_is_whole(void **state)
{
    struct bench *b = *state;
    char          copy[300], why[600] = "";
    fill(b, 30);
    file_name(b, ".backup", copy);
    json_t *done = ask(b, STORE_BACKUP, copy);
    assert_int_equal(number(done, "events"), 30);
    json_decref(done);
    struct store_reply reply;
    assert_true(store_ask_wait(b->store, STORE_BACKUP, copy, &reply));
    assert_false(reply.ok);
    snprintf(why, sizeof why, "%s", reply.text);
    assert_non_null(strstr(why, "it exists"));
    store_reply_clear(&reply);
    assert_true(store_ask_wait(b->store, STORE_BACKUP, "/nowhere/at/all", &reply));
    assert_false(reply.ok);
    store_reply_clear(&reply);
    json_t *here = ask(b, STORE_LESSON, "l");
    bench_stop(b);
    snprintf(b->path, sizeof b->path, "%s", copy);
    bench_start(b);
    json_t *there = ask(b, STORE_LESSON, "l");
    assert_true(json_equal(here, there));
    json_decref(here);
    json_decref(there);
}

/* ---- old and new schemas ---- */

static void migrates_from_the_first_schema(void **state)
{
    struct bench *b = *state;
    sqlite3      *db;
    json_t       *before;
    fill(b, 50);
    before = ask(b, STORE_LESSON, "l");
    bench_stop(b);
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK); /* undo what came after schema 1 */
    assert_int_equal(sqlite3_exec(db,
                                  "DROP INDEX event_lesson; DROP TABLE fold_state; DROP TABLE fold_lesson;"
                                  "DROP TABLE card; DROP TABLE forecast; DROP TABLE progress_step;"
                                  "DROP TABLE progress_lesson; DROP TABLE setting; PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    bench_start(b);
    json_t *after = ask(b, STORE_LESSON, "l");
    assert_true(json_equal(before, after));
    assert_true(size_of_file(b, ".v1") > 0);
    json_decref(before);
    json_decref(after);
    say(b, "seen", "l", "a", "{}");
    json_t *progress = ask(b, STORE_PROGRESS, NULL);
    assert_int_equal(number(progress_lesson(progress, "l"), "done"), 26);
    json_decref(progress);
}

/* A file beside the database, last written to so many seconds ago. */
static void leave(const struct bench *b, const char *suffix, int pid, long age)
{
    char name[400];
    snprintf(name, sizeof name, "%.300s.v1.%d.%s", b->path, pid, suffix);
    FILE *file = fopen(name, "w");
    assert_true(file && fputs("half a copy", file) >= 0 && fclose(file) == 0);
    const struct timeval then[2] = { { time(NULL) - age, 0 }, { time(NULL) - age, 0 } };
    assert_int_equal(utimes(name, then), 0);
}

static bool is_left(const struct bench *b, const char *suffix, int pid)
{
    char name[400];
    snprintf(name, sizeof name, "%.300s.v1.%d.%s", b->path, pid, suffix);
    return access(name, F_OK) == 0;
}

/* A tutor killed while it copied an old file leaves half a copy: the next one removes it, but no copy that is being
 * made. */
static void torn_copies_go(void **state)
{
    static const char *const torn[] = { "0x55d0.part", "0x55d0.part-journal", "0x55d0" };
    struct bench *b = *state;
    int gone = fork();
    if (gone == 0)
        _exit(0);
    assert_true(gone > 0 && waitpid(gone, NULL, 0) == gone);
    fill(b, 3);
    bench_stop(b);
    for (size_t i = 0; i < 3; i++) {
        leave(b, torn[i], gone, 3600);
        leave(b, torn[i], getpid(), 3600); /* of a live one */
    }
    leave(b, "young.part", gone, 0);       /* perhaps of another machine that shares the folder */
    bench_start(b);
    assert_int_equal(count_events(b), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_false(is_left(b, torn[i], gone));
        assert_true(is_left(b, torn[i], getpid()));
    }
    assert_true(is_left(b, "young.part", gone));
}

static void newer_schema_is_read_only(void **state)
{
    struct bench *b = *state;
    sqlite3      *db;
    char          why[600];
    fill(b, 5);
    bench_stop(b);
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
    sqlite3_close(db);
    bench_start(b);
    assert_false(try_say(b, why, sizeof why));
    assert_non_null(strstr(why, "newer saffron"));
    expect_mode(b, "read-only");
    assert_int_equal(count_events(b), 5);
    json_t *progress = ask(b, STORE_PROGRESS, NULL);
    assert_non_null(progress_lesson(progress, "l"));
    json_decref(progress);
}

#define test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(garbage_file),
        test(destroyed_first_page),
        test(any_damaged_page),
        test(random_bytes_anywhere),
        test(truncated_file),
        test(emptied_file),
        test(results_with_long_blocks_survive),
        test(foreign_database_is_left_alone),
        test(damaged_while_another_tutor_runs),
        test(interrupted_repair),
        test(lost_wal),
        test(whole_wal_is_no_loss),
        test(no_place_at_all),
        test(place_that_comes_back),
        test(read_only_home),
        test(full_disk),
        test(network_folder),
        test(backup_is_whole),
        test(migrates_from_the_first_schema),
        test(torn_copies_go),
        test(newer_schema_is_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
