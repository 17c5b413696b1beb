/* cards.c: recall cards and their schedule, derived from result, answer and review events. See cards.h.
 * Due moments are worked out when asked, from what is remembered and the retention wanted now. */
#include "db/cards.h"

#include "db/fold.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t cards_day(int64_t utc_ms, int offset_minutes)
{
    return schedule_day(utc_ms, offset_minutes);
}

void cards_time(int64_t utc_ms, char text[24])
{
    time_t    seconds = (time_t)(utc_ms / 1000);
    struct tm t;
    if (!gmtime_r(&seconds, &t) || strftime(text, 24, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        text[0] = 0;
}

static enum fsrs_rating rating_of(const json_t *payload)
{
    const char *grade = json_string_value(json_object_get(payload, "grade"));
    return grade && strcmp(grade, "good") == 0 ? FSRS_GOOD : FSRS_AGAIN;
}

void cards_complete(json_t *payload, int64_t utc_ms, int offset_minutes, int64_t elapsed_days)
{
    char hash[9];
    fsrs_hash(fsrs_defaults, hash);
    json_object_set_new(payload, "rating", json_integer(rating_of(payload)));
    json_object_set_new(payload, "ts_utc", json_integer(utc_ms));
    json_object_set_new(payload, "local_day", json_integer(cards_day(utc_ms, offset_minutes)));
    json_object_set_new(payload, "elapsed_days", elapsed_days < 0 ? json_null() : json_integer(elapsed_days));
    json_object_set_new(payload, "algo_version", json_string("fsrs-6"));
    json_object_set_new(payload, "weights_hash", json_string(hash));
}

/* ---- rows ---- */

/* Everything about one card but its text; strings are the statement's. */
struct card {
    struct schedule schedule;
    bool            surprise, predicted;
};

/* ORDER CARD_COLUMNS: load, store */
#define CARD_COLUMNS \
    "state, stage, stability, difficulty, made_day, last_day, due_utc, due_day, reviews, lapses, surprise, predicted"

static void load(sqlite3_stmt *stmt, int at, struct card *card)
{
    *card = (struct card){
        .schedule = { .state = (enum schedule_state)sqlite3_column_int(stmt, at),
                      .step = sqlite3_column_int(stmt, at + 1),
                      .memory = { sqlite3_column_double(stmt, at + 2), sqlite3_column_double(stmt, at + 3) },
                      .made_day = sqlite3_column_int64(stmt, at + 4),
                      .last_day = sqlite3_column_int64(stmt, at + 5),
                      .due_utc = sqlite3_column_int64(stmt, at + 6),
                      .due_day = sqlite3_column_int64(stmt, at + 7),
                      .reviews = sqlite3_column_int(stmt, at + 8),
                      .lapses = sqlite3_column_int(stmt, at + 9) },
        .surprise = sqlite3_column_int(stmt, at + 10),
        .predicted = sqlite3_column_int(stmt, at + 11),
    };
    if (card->schedule.state > SCHEDULE_RELEARNING) /* a damaged row, until it is derived anew */
        card->schedule.state = SCHEDULE_NEW;
}

static void bind_text(sqlite3_stmt *stmt, int column, const char *text)
{
    sqlite3_bind_text(stmt, column, text ? text : "", -1, SQLITE_STATIC);
}

static bool run(struct base *base, sqlite3_stmt *stmt)
{
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

/* 1 found, 0 none, -1 failure. */
static int find(struct base *base, const struct entry *entry, struct card *card)
{
    sqlite3_stmt *stmt = base_stmt(base, "SELECT " CARD_COLUMNS " FROM card WHERE lesson = ?1 AND step = ?2");
    *card = (struct card){ 0 };
    if (!stmt)
        return -1;
    bind_text(stmt, 1, entry->lesson);
    bind_text(stmt, 2, entry->step);
    int rc = base_step(base, stmt);
    if (rc == SQLITE_ROW)
        load(stmt, 0, card);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

/* review: the grade that the card comes from, or NULL for a reveal, which leaves the last one. */
static bool store(struct base *base, const struct entry *entry, const struct card *card, const char *review)
{
    const struct schedule *s = &card->schedule;
    sqlite3_stmt          *stmt =
        base_stmt(base, "UPDATE card SET (" CARD_COLUMNS ") = (?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14),"
                        " last_review = coalesce(?15, last_review) WHERE lesson = ?1 AND step = ?2");
    if (!stmt)
        return false;
    bind_text(stmt, 1, entry->lesson);
    bind_text(stmt, 2, entry->step);
    sqlite3_bind_int(stmt, 3, (int)s->state);
    sqlite3_bind_int(stmt, 4, s->step);
    sqlite3_bind_double(stmt, 5, s->memory.stability);
    sqlite3_bind_double(stmt, 6, s->memory.difficulty);
    sqlite3_bind_int64(stmt, 7, s->made_day);
    sqlite3_bind_int64(stmt, 8, s->last_day);
    sqlite3_bind_int64(stmt, 9, s->due_utc);
    sqlite3_bind_int64(stmt, 10, s->due_day);
    sqlite3_bind_int(stmt, 11, s->reviews);
    sqlite3_bind_int(stmt, 12, s->lapses);
    sqlite3_bind_int(stmt, 13, card->surprise);
    sqlite3_bind_int(stmt, 14, card->predicted);
    sqlite3_bind_text(stmt, 15, review, -1, SQLITE_STATIC); /* NULL binds as such */
    return run(base, stmt);
}

/* ---- fold ---- */

/* When an event happened by the learner's clock; the log's own time may have been held back by a clock that was ahead
 * once. Older events name only the day. */
static void moment(const struct entry *entry, const json_t *payload, int64_t *utc, int64_t *day)
{
    const json_t *ts = json_object_get(payload, "ts_utc"), *local = json_object_get(payload, "local_day");
    *utc = json_is_integer(ts) ? json_integer_value(ts) : entry->utc;
    *day = json_is_integer(local) ? json_integer_value(local) : cards_day(*utc, entry->offset);
}

/* A known card gets the newer text. */
static bool fold_text(struct base *base, const struct entry *entry, const json_t *card)
{
    char         *text = json_dumps(card, JSON_COMPACT);
    sqlite3_stmt *stmt =
        base_stmt(base, "INSERT INTO card(lesson, step, course, rev, card) VALUES (?1, ?2, ?3, ?4, ?5)"
                        " ON CONFLICT(lesson, step) DO UPDATE SET course = excluded.course, rev = excluded.rev,"
                        " card = excluded.card");
    bool ok = text && stmt;
    if (ok) {
        bind_text(stmt, 1, entry->lesson);
        bind_text(stmt, 2, entry->step);
        bind_text(stmt, 3, entry->course);
        sqlite3_bind_int(stmt, 4, entry->rev);
        bind_text(stmt, 5, text);
        ok = run(base, stmt);
    }
    free(text);
    return ok;
}

/* Whether the result that is being folded was a miss at 75 or 95 %: calibration.c has closed its forecast before. */
static int surprises(struct base *base, const struct entry *entry)
{
    sqlite3_stmt *stmt = base_stmt(base, "SELECT 1 FROM forecast WHERE lesson = ?1 AND step = ?2 AND result = ?3"
                                         " AND hit = 0 AND chance >= 0.75");
    if (!stmt)
        return -1;
    bind_text(stmt, 1, entry->lesson);
    bind_text(stmt, 2, entry->step);
    bind_text(stmt, 3, entry->uuid);
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

static bool fold_reveal(struct base *base, const struct entry *entry, const json_t *payload)
{
    struct card   card;
    int64_t       utc, day;
    const json_t *text = json_object_get(payload, "card");
    int           known = find(base, entry, &card), surprise = surprises(base, entry);
    if (known < 0 || surprise < 0 || !fold_text(base, entry, text))
        return false;
    moment(entry, payload, &utc, &day);
    if (known && !surprise)
        return true;
    card.surprise = surprise;
    card.predicted = json_is_boolean(json_object_get(payload, "hit"));
    schedule_reveal(&card.schedule, surprise, utc, day);
    return store(base, entry, &card, NULL);
}

/* What the learner's own forgetting curve is drawn from (memory.c). */
static bool remember(struct base *base, const struct entry *entry, const struct card *card, bool good, int64_t day)
{
    const struct schedule *s = &card->schedule;
    int64_t                since = s->reviews ? s->last_day : s->made_day;
    sqlite3_stmt          *stmt =
        base_stmt(base, "INSERT OR REPLACE INTO review(lesson, step, uuid, elapsed, age, recall, good,"
                        " predicted, utc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    if (!stmt)
        return false;
    int64_t elapsed = day > since ? day - since : 0;
    bind_text(stmt, 1, entry->lesson);
    bind_text(stmt, 2, entry->step);
    bind_text(stmt, 3, entry->uuid);
    sqlite3_bind_int64(stmt, 4, elapsed);
    sqlite3_bind_int64(stmt, 5, day > s->made_day ? day - s->made_day : 0);
    if (s->memory.stability > 0)
        sqlite3_bind_double(stmt, 6, fsrs_recall(fsrs_defaults, (double)elapsed, s->memory.stability));
    sqlite3_bind_int(stmt, 7, good);
    sqlite3_bind_int(stmt, 8, card->predicted);
    sqlite3_bind_int64(stmt, 9, entry->utc);
    return run(base, stmt);
}

static bool fold_grade(struct base *base, const struct entry *entry, const json_t *payload)
{
    struct card card;
    int64_t     utc, day;
    int         known = find(base, entry, &card);
    if (known < 1) /* a review of a card that was never made says nothing */
        return known == 0;
    moment(entry, payload, &utc, &day);
    enum fsrs_rating rating = rating_of(payload);
    if (!remember(base, entry, &card, rating == FSRS_GOOD, day))
        return false;
    schedule_grade(&card.schedule, rating, utc, day);
    return store(base, entry, &card, entry->uuid);
}

static bool cards_fold(struct base *base, const struct entry *entry, const json_t *payload)
{
    bool review = strcmp(entry->kind, "review") == 0;
    bool brings = review || strcmp(entry->kind, "result") == 0 || strcmp(entry->kind, "answer") == 0;
    if (!*entry->step || !brings)
        return true;
    if (json_is_string(json_object_get(json_object_get(payload, "card"), "front")) &&
        !fold_reveal(base, entry, payload))
        return false;
    return !review || fold_grade(base, entry, payload);
}

/* ---- reply ---- */

/* What a reply is about: now, and what the learner has set. */
struct question {
    int64_t utc, today;
    int     offset;
    double  retention;
    bool    fuzz, all;
};

static uint32_t fuzz_seed(const struct question *q, const char *lesson, const char *step, int reviews)
{
    uint32_t sum = 2166136261u + (uint32_t)reviews;
    for (const char *p = lesson; *p; p++)
        sum = (sum ^ (unsigned char)*p) * 16777619u;
    for (const char *p = step; *p; p++)
        sum = (sum ^ (unsigned char)*p) * 16777619u;
    return q->fuzz ? sum | 1 : 0;
}

static json_t *real_or_null(bool there, double value)
{
    return there ? json_real(value) : json_null();
}

/* The card as its lesson has it, with the parts that every card has. */
static void add_text(json_t *out, const char *text)
{
    static const char *const names[] = { "front", "back", "again" };
    json_t                  *card = json_loads(text, 0, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *part = json_string_value(json_object_get(card, names[i]));
        json_object_set_new(out, names[i], json_string(part ? part : ""));
    }
    json_object_set_new(out, "card", card ? card : json_object());
}

static json_t *card_json(sqlite3_stmt *stmt, const struct question *q, const struct card *card, int64_t due)
{
    char                   when[24];
    const struct schedule *s = &card->schedule;
    const char            *lesson = base_text(stmt, 0), *step = base_text(stmt, 2);
    bool                   rated = s->memory.stability > 0;
    int64_t                elapsed = q->today > s->last_day ? q->today - s->last_day : 0;
    cards_time(due, when);
    json_t *out = json_pack("{s:o, s:s, s:s, s:s, s:i}", "id", json_sprintf("%s:%s", lesson, step), "lesson", lesson,
                            "course", base_text(stmt, 1), "step", step, "rev", sqlite3_column_int(stmt, 3));
    if (!out)
        return NULL;
    add_text(out, base_text(stmt, 4));
    json_t *more = json_pack(
        "{s:s, s:s, s:I, s:b, s:I, s:o, s:o, s:o, s:i, s:i, s:i, s:o, s:b, s:b, s:s?}", "state",
        schedule_names[s->state], "due", when, "due_day", (json_int_t)cards_day(due, q->offset), "is_due",
        schedule_is_due(s, q->retention, fuzz_seed(q, lesson, step, s->reviews), q->utc, q->offset), "interval_days",
        (json_int_t)(s->state == SCHEDULE_REVIEW ? cards_day(due, q->offset) - s->last_day : 0), "stability",
        real_or_null(rated, s->memory.stability), "difficulty", real_or_null(rated, s->memory.difficulty), "recall",
        real_or_null(rated, fsrs_recall(fsrs_defaults, (double)elapsed, rated ? s->memory.stability : 1)), "reviews",
        s->reviews, "lapses", s->lapses, "returns", s->state == SCHEDULE_SURPRISE ? s->step : 0, "elapsed_days",
        s->reviews ? json_integer(elapsed) : json_null(), "surprise", card->surprise, "predicted", card->predicted,
        "last_review", (const char *)sqlite3_column_text(stmt, 5));
    json_object_update(out, more);
    json_decref(more);
    return out;
}

enum { AHEAD_NOW, AHEAD_TODAY, AHEAD_TOMORROW, AHEAD_WEEK, AHEAD_MONTH, AHEAD_LATER, AHEAD };

static const char *const ahead_names[AHEAD] = { "now", "today", "tomorrow", "week", "month", "later" };

/* What is counted while the cards pass by. */
struct tally {
    int     total, ahead[AHEAD];
    int64_t next; /* the earliest due moment not yet come, 0: none */
};

static void count_card(struct tally *tally, const struct question *q, int64_t due, bool is_due)
{
    int64_t days = cards_day(due, q->offset) - q->today;
    tally->total++;
    tally->ahead[is_due      ? AHEAD_NOW
                 : days < 1  ? AHEAD_TODAY
                 : days < 2  ? AHEAD_TOMORROW
                 : days < 8  ? AHEAD_WEEK
                 : days < 31 ? AHEAD_MONTH
                             : AHEAD_LATER]++;
    if (!is_due && (tally->next == 0 || due < tally->next))
        tally->next = due;
}

static json_t *list(struct base *base, const struct question *q, struct tally *tally)
{
    json_t       *cards = json_array();
    sqlite3_stmt *stmt = base_stmt(base, "SELECT lesson, course, step, rev, card, last_review, " CARD_COLUMNS
                                         " FROM card ORDER BY lesson, step");
    int           rc = SQLITE_ERROR;
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        struct card card;
        load(stmt, 6, &card);
        uint32_t seed = fuzz_seed(q, base_text(stmt, 0), base_text(stmt, 2), card.schedule.reviews);
        int64_t  due = schedule_due(&card.schedule, q->retention, seed, q->offset);
        bool     is_due = schedule_is_due(&card.schedule, q->retention, seed, q->utc, q->offset);
        count_card(tally, q, due, is_due);
        if (is_due || q->all)
            json_array_append_new(cards, card_json(stmt, q, &card, due));
    }
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return cards;
    json_decref(cards);
    return NULL;
}

/* Surprises first, then the longest overdue; equal ones stay in the order of their ids. */
static int compare(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int           sure = json_is_true(json_object_get(y, "surprise")) - json_is_true(json_object_get(x, "surprise"));
    if (sure)
        return sure;
    int late = strcmp(json_string_value(json_object_get(x, "due")), json_string_value(json_object_get(y, "due")));
    return late ? late
                : strcmp(json_string_value(json_object_get(x, "id")), json_string_value(json_object_get(y, "id")));
}

static json_t *sorted(json_t *cards)
{
    size_t   n = json_array_size(cards);
    json_t **rows = malloc((n + 1) * sizeof *rows);
    json_t  *out = json_array();
    for (size_t i = 0; i < n && rows; i++)
        rows[i] = json_array_get(cards, i);
    if (rows)
        qsort(rows, n, sizeof *rows, compare);
    for (size_t i = 0; i < n && rows; i++)
        json_array_append(out, rows[i]);
    free(rows);
    json_decref(cards);
    return out;
}

static json_t *cards_reply(struct base *base, int64_t utc, int offset, const char *arg)
{
    char            next[24] = "", retention[16], fuzz[8];
    struct tally    tally = { 0 };
    struct question q = { .utc = utc, .offset = offset, .today = cards_day(utc, offset) };
    settings_value(base, "retention", retention, sizeof retention);
    settings_value(base, "fuzz", fuzz, sizeof fuzz);
    q.retention = strtod(retention, NULL);
    q.fuzz = strcmp(fuzz, "on") == 0;
    q.all = arg && strcmp(arg, "all") == 0;
    json_t *cards = list(base, &q, &tally);
    if (!cards)
        return NULL;
    if (!q.all)
        cards = sorted(cards);
    if (tally.next)
        cards_time(tally.next, next);
    json_t *ahead = json_object();
    for (int i = 0; i < AHEAD; i++)
        json_object_set_new(ahead, ahead_names[i], json_integer(tally.ahead[i]));
    return json_pack("{s:I, s:i, s:i, s:o, s:s?, s:o, s:o}", "today", (json_int_t)q.today, "due",
                     tally.ahead[AHEAD_NOW], "total", tally.total, "next_day",
                     tally.next ? json_integer(cards_day(tally.next, offset)) : json_null(), "next_due",
                     tally.next ? next : NULL, "ahead", ahead, "cards", cards);
}

const struct derived cards_derived = {
    .name = "cards",
    .tables = "CREATE TABLE card(lesson TEXT, step TEXT, course TEXT, rev INTEGER, card TEXT, state INTEGER,"
              " stage INTEGER, stability REAL, difficulty REAL, made_day INTEGER, last_day INTEGER, due_utc INTEGER,"
              " due_day INTEGER, reviews INTEGER, lapses INTEGER, surprise INTEGER, predicted INTEGER,"
              " last_review TEXT, PRIMARY KEY(lesson, step)) WITHOUT ROWID;"
              "CREATE TABLE review(lesson TEXT, step TEXT, uuid TEXT, elapsed INTEGER, age INTEGER, recall REAL,"
              " good INTEGER, predicted INTEGER, utc INTEGER, PRIMARY KEY(lesson, step, uuid)) WITHOUT ROWID",
    .forget = { "DELETE FROM card WHERE lesson = ?1", "DELETE FROM review WHERE lesson = ?1" },
    .fold = cards_fold,
    .reply = cards_reply,
};
