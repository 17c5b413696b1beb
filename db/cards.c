/* cards.c: recall cards and their schedule, derived from result and review events.
 * The schedule is a simple one; every review is kept whole in the log, so that a better one can replay it. */
#include "db/cards.h"

#include "db/fold.h"

#include <string.h>

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    ROLLOVER = 4 * 60 /* minutes after midnight at which a learner's day starts */
};

/* ---- schedule ---- */

int64_t cards_day(int64_t utc_ms, int offset_minutes)
{
    int64_t local = utc_ms + ((int64_t)offset_minutes - ROLLOVER) * 60000;
    return local >= 0 ? local / DAY_MS : -((DAY_MS - 1 - local) / DAY_MS);
}

int cards_interval(int streak)
{
    static const int days[] = { 1, 1, 3, 7, 21 };
    return days[streak < 0 ? 0 : streak > 4 ? 4 : streak];
}

char *cards_review(const char *grade, const char *confidence, int64_t latency_ms, int64_t local_day,
                   int64_t elapsed_days, const char *card)
{
    json_t *review = json_pack("{s:s, s:i, s:s?, s:I, s:I, s:o, s:s, s:n}", "grade", grade, "rating",
                               strcmp(grade, "good") == 0 ? 3 : 1, "confidence", confidence, "latency_ms",
                               (json_int_t)latency_ms, "local_day", (json_int_t)local_day, "elapsed_days",
                               elapsed_days < 0 ? json_null() : json_integer(elapsed_days), "algo_version",
                               "steps-1", "weights_hash");
    json_t *text = card ? json_loads(card, 0, NULL) : NULL;
    if (review && text)
        json_object_set_new(review, "card", text);
    char *out = review ? json_dumps(review, JSON_COMPACT) : NULL;
    json_decref(review);
    return out;
}

/* ---- fold ---- */

static bool run(struct base *base, sqlite3_stmt *stmt)
{
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

static void bind_text(sqlite3_stmt *stmt, int column, const char *text)
{
    sqlite3_bind_text(stmt, column, text ? text : "", -1, SQLITE_STATIC);
}

/* The day an event happened on, as the learner's clock said; the log's utc may have been held back by a clock
 * that was ahead once. */
static int64_t event_day(const struct entry *entry, const json_t *payload)
{
    const json_t *day = json_object_get(payload, "local_day");
    return json_is_integer(day) ? json_integer_value(day) : cards_day(entry->utc, entry->offset);
}

/* A new card is due at once; a known one gets the newer text. */
static bool fold_text(struct base *base, const struct entry *entry, const json_t *card, int64_t day)
{
    sqlite3_stmt *stmt =
        base_stmt(base, "INSERT INTO card(lesson, step, course, rev, front, back, again, made_day, due_day)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT(lesson, step) DO UPDATE SET"
                        " course = excluded.course, rev = excluded.rev, front = excluded.front,"
                        " back = excluded.back, again = excluded.again");
    if (!stmt)
        return false;
    bind_text(stmt, 1, entry->lesson);
    bind_text(stmt, 2, entry->step);
    bind_text(stmt, 3, entry->course);
    sqlite3_bind_int(stmt, 4, entry->rev);
    bind_text(stmt, 5, json_string_value(json_object_get(card, "front")));
    bind_text(stmt, 6, json_string_value(json_object_get(card, "back")));
    bind_text(stmt, 7, json_string_value(json_object_get(card, "again")));
    sqlite3_bind_int64(stmt, 8, day);
    return run(base, stmt);
}

/* A good grade on the day of the last good one is practice: it does not lengthen the interval again. */
static int next_streak(int streak, bool good, int64_t day, int64_t last_day)
{
    if (!good)
        return 0;
    return streak > 0 && day <= last_day ? streak : streak + 1;
}

static bool fold_grade(struct base *base, const struct entry *entry, bool good, int64_t day)
{
    sqlite3_stmt *stmt = base_stmt(base, "SELECT streak, last_day FROM card WHERE lesson = ?1 AND step = ?2");
    if (!stmt)
        return false;
    bind_text(stmt, 1, entry->lesson);
    bind_text(stmt, 2, entry->step);
    int  rc = base_step(base, stmt);
    bool known = rc == SQLITE_ROW;
    int  streak =
        known ? next_streak(sqlite3_column_int(stmt, 0), good, day, sqlite3_column_int64(stmt, 1)) : 0;
    sqlite3_reset(stmt);
    if (!known) /* a review of a card that was never made says nothing */
        return rc == SQLITE_DONE;
    stmt = base_stmt(
        base, "UPDATE card SET streak = ?3, due_day = ?4, last_day = ?5, last_review = ?6, reps = reps + 1,"
              " lapses = lapses + ?7 WHERE lesson = ?1 AND step = ?2");
    if (!stmt)
        return false;
    bind_text(stmt, 1, entry->lesson);
    bind_text(stmt, 2, entry->step);
    sqlite3_bind_int(stmt, 3, streak);
    sqlite3_bind_int64(stmt, 4, day + cards_interval(streak));
    sqlite3_bind_int64(stmt, 5, day);
    bind_text(stmt, 6, entry->uuid);
    sqlite3_bind_int(stmt, 7, !good);
    return run(base, stmt);
}

static bool cards_fold(struct base *base, const struct entry *entry, const json_t *payload)
{
    const json_t *card = json_object_get(payload, "card");
    int64_t       day = event_day(entry, payload);
    bool          review = strcmp(entry->kind, "review") == 0;
    bool          brings = review || strcmp(entry->kind, "result") == 0 || strcmp(entry->kind, "answer") == 0;
    if (!*entry->step || !brings)
        return true;
    if (json_is_string(json_object_get(card, "front")) && !fold_text(base, entry, card, day))
        return false;
    if (!review)
        return true;
    const char *grade = json_string_value(json_object_get(payload, "grade"));
    return fold_grade(base, entry, grade && strcmp(grade, "good") == 0, day);
}

/* ---- reply ---- */

static json_t *card_json(sqlite3_stmt *stmt, int64_t today)
{
    const char *last = (const char *)sqlite3_column_text(stmt, 11);
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:s?, s:o, s:b}", "lesson",
                     sqlite3_column_text(stmt, 0), "course", sqlite3_column_text(stmt, 1), "step",
                     sqlite3_column_text(stmt, 2), "rev", sqlite3_column_int(stmt, 3), "front",
                     sqlite3_column_text(stmt, 4), "back", sqlite3_column_text(stmt, 5), "again",
                     sqlite3_column_text(stmt, 6), "due_day", (json_int_t)sqlite3_column_int64(stmt, 7),
                     "streak", sqlite3_column_int(stmt, 8), "reps", sqlite3_column_int(stmt, 9), "lapses",
                     sqlite3_column_int(stmt, 10), "last_review", last, "elapsed_days",
                     last ? json_integer(today - sqlite3_column_int64(stmt, 12)) : json_null(), "surprise",
                     sqlite3_column_int(stmt, 13));
}

static json_t *due_cards(struct base *base, int64_t today)
{
    sqlite3_stmt *stmt = base_stmt(
        base, "SELECT lesson, course, step, rev, front, back, again, due_day, streak, reps, lapses,"
              " last_review, last_day, EXISTS(SELECT 1 FROM forecast f WHERE f.lesson = c.lesson AND"
              " f.step = c.step AND f.hit = 0 AND f.chance >= 0.75) AS surprise"
              " FROM card c WHERE reps = 0 OR due_day <= ?1 ORDER BY surprise DESC, due_day, lesson, step");
    json_t *cards = json_array();
    int     rc = SQLITE_ERROR;
    if (stmt)
        sqlite3_bind_int64(stmt, 1, today);
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW)
        json_array_append_new(cards, card_json(stmt, today));
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return cards;
    json_decref(cards);
    return NULL;
}

static json_t *cards_reply(struct base *base, int64_t utc, int offset)
{
    int64_t       today = cards_day(utc, offset);
    json_t       *cards = due_cards(base, today);
    sqlite3_stmt *stmt =
        base_stmt(base, "SELECT count(*), min(due_day) FILTER (WHERE reps > 0 AND due_day > ?1) FROM card");
    json_t *reply = NULL;
    if (stmt)
        sqlite3_bind_int64(stmt, 1, today);
    if (cards && stmt && base_step(base, stmt) == SQLITE_ROW)
        reply = json_pack("{s:I, s:i, s:i, s:o, s:O}", "today", (json_int_t)today, "due",
                          (int)json_array_size(cards), "total", sqlite3_column_int(stmt, 0), "next_day",
                          sqlite3_column_type(stmt, 1) == SQLITE_NULL
                              ? json_null()
                              : json_integer(sqlite3_column_int64(stmt, 1)),
                          "cards", cards);
    sqlite3_reset(stmt);
    json_decref(cards);
    return reply;
}

const struct derived cards_derived = {
    .name = "cards",
    .tables = "CREATE TABLE card(lesson TEXT, step TEXT, course TEXT, rev INTEGER, front TEXT, back TEXT,"
              " again TEXT, made_day INTEGER, due_day INTEGER, streak INTEGER DEFAULT 0,"
              " reps INTEGER DEFAULT 0, lapses INTEGER DEFAULT 0,"
              " last_day INTEGER, last_review TEXT, PRIMARY KEY(lesson, step)) WITHOUT ROWID",
    .forget = { "DELETE FROM card WHERE lesson = ?1" },
    .fold = cards_fold,
    .reply = cards_reply,
};
