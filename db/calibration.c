/* calibration.c: does the learner know what they know? Confidence against hits, derived from scored
 * predictions. A forecast row is made by a prediction and closed by the first result that follows it. */
#include "db/calibration.h"

#include "db/fold.h"
#include "db/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[] = { "guess", "50", "75", "95" };

enum { LEVELS = sizeof levels / sizeof *levels };

/* ---- arithmetic ---- */

void calibration_wilson(int hits, int n, double *low, double *high)
{
    const double z = 1.959963984540054; /* 97.5th percentile of the normal distribution */
    *low = 0;
    *high = 1;
    if (n <= 0)
        return;
    double p = (double)hits / n;
    double center = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / (1 + z * z / n);
    *low = center - half > 0 ? center - half : 0;
    *high = center + half < 1 ? center + half : 1;
}

double calibration_chance(const char *level, int options)
{
    if (level && strcmp(level, "guess") == 0)
        return options > 0 ? 1.0 / options : 0.10;
    for (int i = 1; level && i < LEVELS; i++)
        if (strcmp(level, levels[i]) == 0)
            return atoi(level) / 100.0;
    return -1;
}

/* ---- fold ---- */

/* A confidence as its level's name: "guess", 50 or "50"; NULL for no idea. */
static const char *level_of(const json_t *confidence)
{
    if (json_is_integer(confidence)) {
        int percent = (int)json_integer_value(confidence);
        return percent == 95 ? "95" : percent == 75 ? "75" : percent == 50 ? "50" : NULL;
    }
    for (int i = 0; json_is_string(confidence) && i < LEVELS; i++)
        if (strcmp(json_string_value(confidence), levels[i]) == 0)
            return levels[i];
    return NULL;
}

static bool fold_prediction(struct base *base, const struct entry *entry, const json_t *payload)
{
    const char *type = json_string_value(json_object_get(payload, "type"));
    const char *level = level_of(json_object_get(payload, "confidence"));
    size_t      options =
        type && strcmp(type, "choice") == 0 ? json_array_size(json_object_get(payload, "order")) : 0;
    if (!level)
        return true;
    sqlite3_stmt *stmt =
        base_stmt(base, "INSERT OR REPLACE INTO forecast(uuid, lesson, step, device, utc, seq, level, chance)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, entry->uuid, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, entry->lesson, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, entry->step, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 4, entry->device, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 5, entry->utc);
    sqlite3_bind_int64(stmt, 6, entry->seq);
    sqlite3_bind_text(stmt, 7, level, -1, SQLITE_STATIC);
    sqlite3_bind_double(stmt, 8, calibration_chance(level, (int)options));
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

/* Closes the device's last forecast on the step, if it is open. hit: 1, 0, or -1 for unscored; octaves: how far off a
 * magnitude was, or null. */
static bool fold_result(struct base *base, const struct entry *entry, int hit, const json_t *octaves)
{
    sqlite3_stmt *stmt = base_stmt(
        base, "UPDATE forecast SET hit = ?4, closed = 1, result = ?5, octaves = ?6"
              " WHERE lesson = ?1 AND step = ?2 AND closed = 0 AND uuid ="
              "  (SELECT uuid FROM forecast WHERE lesson = ?1 AND step = ?2 AND device = ?3"
              "   ORDER BY utc DESC, seq DESC LIMIT 1)");
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, entry->lesson, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, entry->step, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, entry->device, -1, SQLITE_STATIC);
    if (hit >= 0)
        sqlite3_bind_int(stmt, 4, hit);
    sqlite3_bind_text(stmt, 5, entry->uuid, -1, SQLITE_STATIC);
    if (json_is_number(octaves))
        sqlite3_bind_double(stmt, 6, json_number_value(octaves));
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

static bool calibration_fold(struct base *base, const struct entry *entry, const json_t *payload)
{
    if (strcmp(entry->kind, "prediction") == 0)
        return fold_prediction(base, entry, payload);
    if (strcmp(entry->kind, "result") != 0)
        return true;
    const json_t *hit = json_object_get(payload, "hit");
    return fold_result(base, entry, json_is_boolean(hit) ? json_is_true(hit) : -1, json_object_get(payload, "octaves"));
}

/* ---- reply ---- */

struct sums {
    int    n, hits, surprises;
    double chance, brier;
};

static json_t *mean(double sum, int n)
{
    return n ? json_real(sum / n) : json_null();
}

static void put_sums(json_t *out, const struct sums *s)
{
    json_object_set_new(out, "n", json_integer(s->n));
    json_object_set_new(out, "hits", json_integer(s->hits));
    json_object_set_new(out, "brier", mean(s->brier, s->n));
    json_object_set_new(out, "mean_confidence", mean(s->chance, s->n));
    json_object_set_new(out, "hit_rate", mean(s->hits, s->n));
}

static void join(struct sums *all, const struct sums *s)
{
    all->n += s->n;
    all->hits += s->hits;
    all->surprises += s->surprises;
    all->chance += s->chance;
    all->brier += s->brier;
}

static json_t *level_json(int level, const struct sums *sums)
{
    double low, high;
    calibration_wilson(sums->hits, sums->n, &low, &high);
    return json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o}", "level", levels[level], "n", sums->n, "hits",
                     sums->hits, "mean_confidence", mean(sums->chance, sums->n), "hit_rate",
                     mean(sums->hits, sums->n), "low", sums->n ? json_real(low) : json_null(), "high",
                     sums->n ? json_real(high) : json_null());
}

/* Columns 1 on: the sums of a group of forecasts. */
#define SUMS "count(*), sum(hit), sum(chance), sum((chance - hit) * (chance - hit)), sum(hit = 0 AND chance >= 0.75)"

static struct sums read_sums(sqlite3_stmt *stmt)
{
    return (struct sums){ .n = sqlite3_column_int(stmt, 1),
                          .hits = sqlite3_column_int(stmt, 2),
                          .chance = sqlite3_column_double(stmt, 3),
                          .brier = sqlite3_column_double(stmt, 4),
                          .surprises = sqlite3_column_int(stmt, 5) };
}

static bool add_levels(struct base *base, json_t *reply)
{
    struct sums   by_level[LEVELS] = { 0 }, all = { 0 };
    int           rc = SQLITE_ERROR;
    json_t       *rows = json_array();
    sqlite3_stmt *stmt = base_stmt(base, "SELECT level, " SUMS " FROM forecast WHERE hit IS NOT NULL GROUP BY level");
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW)
        for (int i = 0; i < LEVELS; i++)
            if (strcmp(base_text(stmt, 0), levels[i]) == 0)
                by_level[i] = read_sums(stmt);
    sqlite3_reset(stmt);
    for (int i = 0; i < LEVELS; i++) {
        join(&all, &by_level[i]);
        json_array_append_new(rows, level_json(i, &by_level[i]));
    }
    put_sums(reply, &all);
    json_object_set_new(reply, "enough", json_boolean(all.n >= CALIBRATION_ENOUGH));
    json_object_set_new(reply, "surprises", json_integer(all.surprises));
    json_object_set_new(reply, "levels", rows);
    return rc == SQLITE_DONE;
}

static bool add_lessons(struct base *base, json_t *reply)
{
    int           rc = SQLITE_ERROR;
    json_t       *rows = json_array();
    sqlite3_stmt *stmt =
        base_stmt(base, "SELECT lesson, " SUMS " FROM forecast WHERE hit IS NOT NULL GROUP BY lesson ORDER BY lesson");
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        struct sums sums = read_sums(stmt);
        json_t     *row = json_pack("{s:s}", "lesson", base_text(stmt, 0));
        put_sums(row, &sums);
        json_array_append_new(rows, row);
    }
    sqlite3_reset(stmt);
    json_object_set_new(reply, "lessons", rows);
    return rc == SQLITE_DONE;
}

static void add_group(json_t *rows, int from, int64_t utc, const struct sums *sums)
{
    json_t *row = json_pack("{s:i, s:i, s:I}", "from", from, "to", from + sums->n - 1, "utc", (json_int_t)utc);
    put_sums(row, sums);
    json_array_append_new(rows, row);
}

/* In the order in which they were made; the last group may be smaller. */
static bool add_over_time(struct base *base, json_t *reply)
{
    struct sums   sums = { 0 };
    int           rc = SQLITE_ERROR, from = 1;
    int64_t       utc = 0;
    json_t       *rows = json_array();
    sqlite3_stmt *stmt = base_stmt(base, "SELECT utc, 1, hit, chance, (chance - hit) * (chance - hit), 0 FROM forecast"
                                         " WHERE hit IS NOT NULL ORDER BY utc, device, seq");
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        struct sums one = read_sums(stmt);
        join(&sums, &one);
        utc = sqlite3_column_int64(stmt, 0);
        if (sums.n == CALIBRATION_GROUP) {
            add_group(rows, from, utc, &sums);
            from += sums.n;
            sums = (struct sums){ 0 };
        }
    }
    sqlite3_reset(stmt);
    if (sums.n)
        add_group(rows, from, utc, &sums);
    json_object_set_new(reply, "over_time", rows);
    return rc == SQLITE_DONE;
}

static bool add_magnitudes(struct base *base, json_t *reply)
{
    sqlite3_stmt *stmt = base_stmt(
        base, "SELECT count(octaves), avg(octaves), sum(octaves <= 1), (SELECT octaves FROM forecast WHERE octaves"
              " NOT NULL ORDER BY octaves LIMIT 1 OFFSET (SELECT (count(octaves) - 1) / 2 FROM forecast))"
              " FROM forecast");
    int rc = stmt ? base_step(base, stmt) : SQLITE_ERROR;
    if (rc == SQLITE_ROW) {
        int n = sqlite3_column_int(stmt, 0);
        json_object_set_new(reply, "magnitudes",
                            json_pack("{s:i, s:o, s:o, s:i}", "n", n, "median_octaves",
                                      mean(n * sqlite3_column_double(stmt, 3), n), "mean_octaves",
                                      mean(n * sqlite3_column_double(stmt, 1), n), "within_one",
                                      sqlite3_column_int(stmt, 2)));
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW;
}

static json_t *calibration_reply(struct base *base, int64_t utc, int offset, const char *arg)
{
    json_t *reply = json_object();
    (void)utc;
    (void)offset;
    (void)arg;
    bool    ok = reply && add_levels(base, reply) && add_lessons(base, reply) && add_over_time(base, reply) &&
              add_magnitudes(base, reply);
    json_t *forgetting = ok ? memory_forgetting(base) : NULL, *evidence = forgetting ? memory_evidence(base) : NULL;
    if (evidence && json_object_set_new(reply, "forgetting", forgetting) == 0 &&
        json_object_set_new(reply, "evidence", evidence) == 0)
        return reply;
    if (!evidence)
        json_decref(forgetting);
    json_decref(reply);
    return NULL;
}

const struct derived calibration_derived = {
    .name = "calibration",
    .tables =
        "CREATE TABLE forecast(lesson TEXT, step TEXT, uuid TEXT, device TEXT, utc INTEGER, seq INTEGER,"
        " level TEXT, chance REAL, hit INTEGER, closed INTEGER DEFAULT 0, result TEXT, octaves REAL,"
        " PRIMARY KEY(lesson, step, uuid)) WITHOUT ROWID",
    .forget = { "DELETE FROM forecast WHERE lesson = ?1" },
    .fold = calibration_fold,
    .reply = calibration_reply,
};
