/* fold.c: derived tables, kept up to date by folding events into them one by one, in order.
 * A lesson's rows depend on that lesson's events only. An event that comes after all that were folded is
 * folded alone; a retract, or one that sorts earlier (a second device, an import), makes its lesson be folded
 * anew. Nothing here is worth a sync: what a power cut takes is folded again. */
#include "db/fold.h"

#include "db/jsonroom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Raise when a fold function or table changes: older derived tables are then made anew. */
#define FOLD_VERSION "3"

/* In the order in which they see an event: a card looks at the forecast that its result has closed. */
static const struct derived *const nouns[] = { &progress_derived, &calibration_derived, &cards_derived,
                                               &settings_derived };

enum { NOUNS = sizeof nouns / sizeof *nouns, TABLES = 8 /* theirs and those below */ };

/* fold_lesson: key of the last event folded into each lesson; fold_state: how far the log was read. */
static const char own_tables[] =
    "CREATE TABLE fold_lesson(lesson TEXT PRIMARY KEY, utc INTEGER, device TEXT, seq INTEGER) WITHOUT ROWID;"
    "CREATE TABLE fold_state(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO fold_state VALUES ('version', '" FOLD_VERSION "'), ('folded', 0);";

/* ---- tables ---- */

/* Runs a script of CREATE TABLE statements, each preceded by DROP, as temporary ones when scratch. */
static bool create(struct base *base, const char *script)
{
    static const char word[] = "CREATE TABLE ";
    char             *copy = strdup(script);
    bool              ok = copy != NULL;
    char             *save = NULL, *part = ok ? strtok_r(copy, ";", &save) : NULL;
    for (; ok && part; part = strtok_r(NULL, ";", &save)) {
        if (strncmp(part, word, sizeof word - 1) != 0) {
            ok = base_exec(base, part) == SQLITE_OK;
            continue;
        }
        const char *rest = part + sizeof word - 1;
        char       *sql = sqlite3_mprintf("DROP TABLE IF EXISTS %s.%.*s; CREATE TABLE %s.%s",
                                    base->scratch ? "temp" : "main", (int)strcspn(rest, "("), rest,
                                    base->scratch ? "temp" : "main", rest);
        ok = sql && base_exec(base, sql) == SQLITE_OK;
        sqlite3_free(sql);
    }
    if (!copy)
        base_fail(base, SQLITE_NOMEM, "read");
    free(copy);
    return ok;
}

static bool create_all(struct base *base)
{
    if (!create(base, own_tables))
        return false;
    for (int i = 0; i < NOUNS; i++)
        if (!create(base, nouns[i]->tables))
            return false;
    return true;
}

/* Whether all tables are there, and those of this version. */
static bool current(struct base *base)
{
    return base_int(base, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('fold_lesson',"
                          " 'fold_state', 'progress_lesson', 'progress_step', 'forecast', 'card', 'review', 'setting')",
                    0) == TABLES &&
           base_int(base, "SELECT value = '" FOLD_VERSION "' FROM fold_state WHERE name = 'version'", 0) == 1;
}

static bool end(struct base *base, bool ok)
{
    if (ok && base_exec(base, "COMMIT") == SQLITE_OK)
        return true;
    sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

bool fold_create(struct base *base, bool scratch)
{
    base->scratch = scratch;
    if (!scratch && current(base))
        return true;
    if (base_exec(base, scratch ? "BEGIN" : "BEGIN IMMEDIATE") != SQLITE_OK)
        return false;
    return end(base, (!scratch && current(base)) || create_all(base));
}

/* ---- folding ---- */

static bool run_for(struct base *base, const char *sql, const char *lesson)
{
    sqlite3_stmt *stmt = base_stmt(base, sql);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, lesson, -1, SQLITE_STATIC);
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

/* Runs a statement of lesson, utc, device and seq, which orders events; true when it ends without a row. */
static bool run_ordered(struct base *base, const char *sql, const struct entry *entry)
{
    sqlite3_stmt *stmt = base_stmt(base, sql);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, entry->lesson, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, entry->utc);
    sqlite3_bind_text(stmt, 3, entry->device, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, entry->seq);
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

static bool remember(struct base *base, const struct entry *entry)
{
    return run_ordered(base, "INSERT OR REPLACE INTO fold_lesson VALUES (?1, ?2, ?3, ?4)", entry);
}

static bool fold_one(struct base *base, const struct entry *entry)
{
    jsonroom_failed();
    json_t *payload = json_loads(entry->payload, 0, NULL);
    bool    ok = true;
    for (int i = 0; i < NOUNS && ok; i++)
        ok = nouns[i]->fold(base, entry, payload);
    json_decref(payload);
    if (jsonroom_failed()) { /* a payload that was not read whole */
        base_fail(base, SQLITE_NOMEM, "read");
        return false;
    }
    return ok;
}

static bool forget(struct base *base, const char *lesson)
{
    for (int i = 0; i < NOUNS; i++)
        for (int j = 0; j < 2 && nouns[i]->forget[j]; j++)
            if (!run_for(base, nouns[i]->forget[j], lesson))
                return false;
    return run_for(base, "DELETE FROM fold_lesson WHERE lesson = ?1", lesson);
}

static bool fold_lesson(struct base *base, const char *lesson)
{
    struct entries entries;
    bool           ok = journal_load(base, lesson, &entries) && forget(base, lesson);
    for (size_t i = 0; i < entries.count && ok; i++)
        ok = entries.list[i].retracted || fold_one(base, &entries.list[i]);
    if (ok && entries.count)
        ok = remember(base, &entries.list[entries.count - 1]);
    entries_free(&entries);
    return ok;
}

/* The last event of a run of one lesson's events; it is remembered when the run ends. */
struct run {
    char    lesson[128], device[RECORD_UUID];
    int64_t utc, seq;
    bool    open;
};

static bool end_run(struct base *base, struct run *run)
{
    struct entry last = { .lesson = run->lesson, .device = run->device, .utc = run->utc, .seq = run->seq };
    bool         ok = !run->open || remember(base, &last);
    run->open = false;
    return ok;
}

/* Names too long for a run are remembered at once. */
static bool extend_run(struct base *base, struct run *run, const struct entry *entry)
{
    if (strlen(entry->lesson) >= sizeof run->lesson || strlen(entry->device) >= sizeof run->device)
        return end_run(base, run) && remember(base, entry);
    snprintf(run->lesson, sizeof run->lesson, "%s", entry->lesson);
    snprintf(run->device, sizeof run->device, "%s", entry->device);
    run->utc = entry->utc;
    run->seq = entry->seq;
    run->open = true;
    return true;
}

/* Whether the event is one more of the run. */
static bool continues(const struct run *run, const struct entry *entry)
{
    if (!run->open || strcmp(run->lesson, entry->lesson) != 0)
        return false;
    int device = strcmp(entry->device, run->device);
    return entry->utc != run->utc ? entry->utc > run->utc : device ? device > 0 : entry->seq > run->seq;
}

/* True when the event sorts behind everything folded into its lesson and takes nothing back. */
static bool follows(struct base *base, const struct run *run, const struct entry *entry)
{
    if (strcmp(entry->kind, "retract") == 0)
        return false;
    if (continues(run, entry))
        return true;
    return run_ordered(base, "SELECT 1 FROM fold_lesson WHERE lesson = ?1 AND (utc, device, seq) >= (?2, ?3, ?4)",
                       entry);
}

static int64_t folded(struct base *base)
{
    return base_int(base, "SELECT value FROM fold_state WHERE name = 'folded'", 0);
}

static int64_t newest(struct base *base)
{
    return base_int(base, "SELECT max(id) FROM event", 0);
}

/* Folds the first event after `after`, or its lesson; *after gets its id. A lesson that was folded anew (a key of
 * `whole`) has all its events. */
static bool fold_next(struct base *base, int64_t *after, struct run *run, json_t *whole)
{
    struct entry  entry;
    sqlite3_stmt *stmt =
        base_stmt(base, "SELECT " JOURNAL_COLUMNS " FROM event WHERE id > ?1 ORDER BY id LIMIT 1");
    if (!stmt)
        return false;
    sqlite3_bind_int64(stmt, 1, *after);
    int rc = base_step(base, stmt);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE;
    journal_read(stmt, &entry);
    *after = entry.id;
    bool ok = true;
    if (!json_object_get(whole, entry.lesson)) {
        ok = strcmp(entry.lesson, run->lesson) == 0 || end_run(base, run);
        bool alone = ok && follows(base, run, &entry);
        if (alone)
            ok = fold_one(base, &entry) && extend_run(base, run, &entry);
        else if (ok) {
            run->open = false; /* the whole lesson is folded, and remembered */
            ok = fold_lesson(base, entry.lesson) && json_object_set_new(whole, entry.lesson, json_true()) == 0;
        }
    }
    sqlite3_reset(stmt);
    return ok;
}

static bool fold_range(struct base *base, int64_t after, int64_t last)
{
    json_t    *whole = json_object();
    struct run run = { .open = false };
    bool       ok = true;
    while (after < last && ok)
        ok = fold_next(base, &after, &run, whole);
    json_decref(whole);
    if (!ok || !end_run(base, &run))
        return false;
    sqlite3_stmt *stmt = base_stmt(base, "UPDATE fold_state SET value = ?1 WHERE name = 'folded'");
    if (!stmt)
        return false;
    sqlite3_bind_int64(stmt, 1, last);
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

static bool begin(struct base *base)
{
    if (base->scratch)
        return base_exec(base, "BEGIN") == SQLITE_OK;
    return base_exec(base, "PRAGMA synchronous = NORMAL") == SQLITE_OK &&
           base_exec(base, "BEGIN IMMEDIATE") == SQLITE_OK;
}

static bool finish(struct base *base, bool ok)
{
    ok = end(base, ok);
    if (base->scratch)
        return ok;
    /* From here on a commit must be on the disk again: once more, should it fail. */
    return (base_exec(base, "PRAGMA synchronous = FULL") == SQLITE_OK ||
            base_exec(base, "PRAGMA synchronous = FULL") == SQLITE_OK) && ok;
}

bool fold_catch_up(struct base *base)
{
    if (folded(base) == newest(base))
        return true;
    bool ok = begin(base);
    return finish(base, ok && fold_range(base, folded(base), newest(base)));
}

static bool fold_every_lesson(struct base *base)
{
    jsonroom_failed();
    json_t       *lessons = json_array();
    sqlite3_stmt *stmt = base_stmt(base, "SELECT DISTINCT lesson FROM event");
    int           rc = stmt ? SQLITE_ROW : SQLITE_ERROR;
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW)
        json_array_append_new(lessons, json_string(base_text(stmt, 0)));
    sqlite3_reset(stmt);
    bool    ok = rc == SQLITE_DONE && !jsonroom_failed();
    size_t  i;
    json_t *lesson;
    json_array_foreach(lessons, i, lesson) {
        ok = ok && fold_lesson(base, json_string_value(lesson));
    }
    json_decref(lessons);
    return ok;
}

bool fold_rebuild(struct base *base)
{
    bool ok = begin(base) && create_all(base) && fold_every_lesson(base);
    return finish(base, ok && fold_range(base, newest(base), newest(base)));
}
