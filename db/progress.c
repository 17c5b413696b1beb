/* progress.c: where the learner stands in each lesson, derived from events.
 * One row a step and one a lesson; the step's state is that of its last event that says one. */
#include "db/progress.h"

#include "db/fold.h"

#include <string.h>

/* ---- fold ---- */

/* rank: a lower one does not replace a higher one, except that a prediction starts its step anew. */
static const struct {
    const char *kind, *state;
    int         rank;
} states[] = {
    { "open", "open", 0 },       { "skip", "skipped", 2 },    { "prediction", "committed", 2 },
    { "seen", "seen", 3 },       { "answer", "answered", 3 }, { "review", "recalled", 3 },
    { "result", "revealed", 3 },
};

static bool run(struct base *base, sqlite3_stmt *stmt)
{
    int rc = stmt ? base_step(base, stmt) : base->rc;
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

static void place(sqlite3_stmt *stmt, const struct entry *entry)
{
    sqlite3_bind_text(stmt, 1, entry->lesson, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, entry->step, -1, SQLITE_STATIC);
}

static bool fold_lesson(struct base *base, const struct entry *entry)
{
    sqlite3_stmt *stmt = base_stmt(
        base, "INSERT INTO progress_lesson VALUES (?1, ?3, ?2, ?4) ON CONFLICT(lesson) DO UPDATE SET"
              " course = excluded.course, utc = excluded.utc,"
              " last_step = CASE ?2 WHEN '' THEN last_step ELSE ?2 END");
    if (!stmt)
        return false;
    place(stmt, entry);
    sqlite3_bind_text(stmt, 3, entry->course, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, entry->utc);
    return run(base, stmt);
}

static bool fold_state(struct base *base, const struct entry *entry, const char *state, int rank)
{
    sqlite3_stmt *stmt = base_stmt(
        base, "INSERT INTO progress_step(lesson, step, rev, state, rank, utc)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(lesson, step) DO UPDATE SET rev = excluded.rev,"
              " state = excluded.state, rank = excluded.rank, utc = excluded.utc"
              " WHERE excluded.rank >= rank OR (excluded.rank = 2 AND excluded.rev > rev)");
    if (!stmt)
        return false;
    place(stmt, entry);
    sqlite3_bind_int(stmt, 3, entry->rev);
    sqlite3_bind_text(stmt, 4, state, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 5, rank);
    sqlite3_bind_int64(stmt, 6, entry->utc);
    return run(base, stmt);
}

/* hit: 1, 0, or -1 for unscored. The first result of a question counts; a later one is a look at another
 * seed. */
static bool fold_hit(struct base *base, const struct entry *entry, int hit)
{
    sqlite3_stmt *stmt =
        base_stmt(base, "UPDATE progress_step SET hit = ?3, hit_rev = ?4"
                        " WHERE lesson = ?1 AND step = ?2 AND (hit_rev IS NULL OR hit_rev < ?4)");
    if (!stmt)
        return false;
    place(stmt, entry);
    if (hit >= 0)
        sqlite3_bind_int(stmt, 3, hit);
    sqlite3_bind_int(stmt, 4, entry->rev);
    return run(base, stmt);
}

static bool fold_hint(struct base *base, const struct entry *entry)
{
    sqlite3_stmt *stmt =
        base_stmt(base, "INSERT INTO progress_step(lesson, step, rev, state, rank, utc, hints)"
                        " VALUES (?1, ?2, ?3, 'open', 0, ?4, 1)"
                        " ON CONFLICT(lesson, step) DO UPDATE SET hints = hints + 1");
    if (!stmt)
        return false;
    place(stmt, entry);
    sqlite3_bind_int(stmt, 3, entry->rev);
    sqlite3_bind_int64(stmt, 4, entry->utc);
    return run(base, stmt);
}

static bool progress_fold(struct base *base, const struct entry *entry, const json_t *payload)
{
    if (!*entry->lesson || strcmp(entry->kind, "retract") == 0)
        return true;
    if (!fold_lesson(base, entry))
        return false;
    if (!*entry->step)
        return true;
    if (strcmp(entry->kind, "hint") == 0)
        return fold_hint(base, entry);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(entry->kind, states[i].kind) == 0 &&
            !fold_state(base, entry, states[i].state, states[i].rank))
            return false;
    if (strcmp(entry->kind, "result") != 0)
        return true;
    const json_t *hit = json_object_get(payload, "hit");
    return fold_hit(base, entry, json_is_boolean(hit) ? json_is_true(hit) : -1);
}

/* ---- reply ---- */

static json_t *step_json(sqlite3_stmt *stmt)
{
    bool scored = sqlite3_column_type(stmt, 4) != SQLITE_NULL;
    return json_pack("{s:s, s:i, s:o, s:i, s:I, s:b}", "state", base_text(stmt, 2), "rev",
                     sqlite3_column_int(stmt, 3), "hit",
                     scored ? json_boolean(sqlite3_column_int(stmt, 4)) : json_null(), "hints",
                     sqlite3_column_int(stmt, 5), "utc", (json_int_t)sqlite3_column_int64(stmt, 6),
                     "surprise", sqlite3_column_int(stmt, 7));
}

static void count(json_t *lesson, const char *name)
{
    json_object_set_new(lesson, name, json_integer(json_integer_value(json_object_get(lesson, name)) + 1));
}

/* Takes the step; one that is no text any more is left out. */
static void add_step(json_t *lesson, const char *id, json_t *step)
{
    const char   *state = json_string_value(json_object_get(step, "state"));
    const json_t *hit = json_object_get(step, "hit");
    if (!state || json_object_set_new(json_object_get(lesson, "steps"), id, step) != 0)
        return;
    if (progress_step_done(lesson, id))
        count(lesson, "done");
    if (strcmp(state, "skipped") == 0)
        count(lesson, "skipped");
    if (strcmp(state, "revealed") == 0)
        count(lesson, json_is_true(hit) ? "hits" : json_is_false(hit) ? "misses" : "unscored");
}

static json_t *lessons_json(struct base *base)
{
    json_t       *lessons = json_array();
    sqlite3_stmt *stmt = base_stmt(
        base, "SELECT lesson, course, last_step, utc FROM progress_lesson ORDER BY utc DESC, lesson");
    int rc = SQLITE_ERROR;
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW)
        json_array_append_new(lessons,
                              json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:{}}", "lesson",
                                        base_text(stmt, 0), "course", base_text(stmt, 1),
                                        "last_step", base_text(stmt, 2), "last_utc",
                                        (json_int_t)sqlite3_column_int64(stmt, 3), "done", 0, "hits", 0,
                                        "misses", 0, "unscored", 0, "skipped", 0, "steps"));
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return lessons;
    json_decref(lessons);
    return NULL;
}

static json_t *progress_reply(struct base *base, int64_t utc, int offset, const char *arg)
{
    (void)utc;
    (void)offset;
    (void)arg;
    json_t *lessons = lessons_json(base);
    json_t *reply = json_pack("{s:o}", "lessons", lessons);
    int     rc = SQLITE_ERROR;
    if (!reply)
        return NULL;
    sqlite3_stmt *stmt = base_stmt(
        base, "SELECT lesson, step, state, rev, hit, hints, utc, EXISTS(SELECT 1 FROM forecast f WHERE"
              " f.lesson = p.lesson AND f.step = p.step AND f.hit = 0 AND f.chance >= 0.75)"
              " FROM progress_step p ORDER BY lesson, step");
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        json_t *lesson = progress_lesson(reply, base_text(stmt, 0));
        if (lesson)
            add_step(lesson, base_text(stmt, 1), step_json(stmt));
    }
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return reply;
    json_decref(reply);
    return NULL;
}

/* ---- for callers ---- */

json_t *progress_lesson(json_t *progress, const char *lesson)
{
    size_t  i;
    json_t *row;
    json_array_foreach(json_object_get(progress, "lessons"), i, row) {
        if (strcmp(json_string_value(json_object_get(row, "lesson")), lesson) == 0)
            return row;
    }
    return NULL;
}

bool progress_step_done(json_t *lesson, const char *step)
{
    json_t     *row = json_object_get(json_object_get(lesson, "steps"), step);
    const char *state = json_string_value(json_object_get(row, "state"));
    return state && strcmp(state, "open") != 0 && strcmp(state, "committed") != 0;
}

const char *progress_next(json_t *lesson, const char *const *steps, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (!progress_step_done(lesson, steps[i]))
            return steps[i];
    return NULL;
}

const struct derived progress_derived = {
    .name = "progress",
    .tables =
        "CREATE TABLE progress_lesson("
        "  lesson TEXT PRIMARY KEY, course TEXT, last_step TEXT, utc INTEGER) WITHOUT ROWID;"
        "CREATE TABLE progress_step("
        "  lesson TEXT, step TEXT, rev INTEGER, state TEXT, rank INTEGER, hit INTEGER, hit_rev INTEGER,"
        "  hints INTEGER DEFAULT 0, utc INTEGER, PRIMARY KEY(lesson, step)) WITHOUT ROWID",
    .forget = { "DELETE FROM progress_step WHERE lesson = ?1",
                "DELETE FROM progress_lesson WHERE lesson = ?1" },
    .fold = progress_fold,
    .reply = progress_reply,
};
