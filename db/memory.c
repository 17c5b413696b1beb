/* memory.c: what the learner's own reviews say. See memory.h. The rows are made by cards.c. */
#include "db/memory.h"

#include "db/calibration.h"

/* Days between two reviews; the last bin is open. */
static const int64_t bins[][2] = { { 1, 1 }, { 2, 3 }, { 4, 7 }, { 8, 14 }, { 15, 30 }, { 31, 90 }, { 91, 0 } };

enum { BINS = sizeof bins / sizeof *bins };

struct group {
    int    n, good;
    int    expected_n; /* reviews for which FSRS had an expectation, */
    double expected;   /* and their sum */
};

static json_t *rate_json(const char *count, const struct group *g)
{
    double low, high;
    calibration_wilson(g->good, g->n, &low, &high);
    return json_pack("{s:i, s:i, s:o, s:o, s:o}", count, g->n, "recalled", g->good, "rate",
                     g->n ? json_real((double)g->good / g->n) : json_null(), "low", g->n ? json_real(low) : json_null(),
                     "high", g->n ? json_real(high) : json_null());
}

static json_t *bin_json(int bin, const struct group *g)
{
    json_t *out = rate_json("n", g);
    json_object_set_new(out, "from", json_integer(bins[bin][0]));
    json_object_set_new(out, "to", bins[bin][1] ? json_integer(bins[bin][1]) : json_null());
    json_object_set_new(out, "expected", g->expected_n ? json_real(g->expected / g->expected_n) : json_null());
    return out;
}

static int bin_of(int64_t elapsed)
{
    int bin = 0;
    while (bins[bin][1] && elapsed > bins[bin][1])
        bin++;
    return bin;
}

json_t *memory_forgetting(struct base *base)
{
    struct group  groups[BINS] = { { 0 } };
    int64_t       reviews = base_int(base, "SELECT count(*) FROM review", 0);
    sqlite3_stmt *stmt = base_stmt(base, "SELECT elapsed, count(*), sum(good), count(recall), total(recall)"
                                         " FROM review WHERE elapsed > 0 GROUP BY elapsed");
    int           rc = SQLITE_ERROR;
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        struct group *g = &groups[bin_of(sqlite3_column_int64(stmt, 0))];
        g->n += sqlite3_column_int(stmt, 1);
        g->good += sqlite3_column_int(stmt, 2);
        g->expected_n += sqlite3_column_int(stmt, 3);
        g->expected += sqlite3_column_double(stmt, 4);
    }
    sqlite3_reset(stmt);
    if (rc != SQLITE_DONE)
        return NULL;
    json_t *list = json_array();
    for (int i = 0; i < BINS; i++)
        json_array_append_new(list, bin_json(i, &groups[i]));
    return json_pack("{s:I, s:b, s:o}", "reviews", (json_int_t)reviews, "enough", reviews >= MEMORY_ENOUGH, "bins",
                     list);
}

json_t *memory_evidence(struct base *base)
{
    struct group  groups[2] = { { 0 } };
    sqlite3_stmt *stmt =
        base_stmt(base, "SELECT predicted, count(*), sum(good) FROM (SELECT predicted, good, min(utc)"
                        " FROM review WHERE age > 0 GROUP BY lesson, step) GROUP BY predicted");
    int rc = SQLITE_ERROR;
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        struct group *g = &groups[sqlite3_column_int(stmt, 0) != 0];
        g->n += sqlite3_column_int(stmt, 1);
        g->good += sqlite3_column_int(stmt, 2);
    }
    sqlite3_reset(stmt);
    if (rc != SQLITE_DONE)
        return NULL;
    return json_pack("{s:o, s:o, s:b}", "predicted", rate_json("cards", &groups[1]), "read",
                     rate_json("cards", &groups[0]), "enough",
                     groups[0].n >= MEMORY_CARDS && groups[1].n >= MEMORY_CARDS);
}
