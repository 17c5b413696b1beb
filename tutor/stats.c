/* stats.c: calibration, due cards, forgetting curve, evidence, as blocks. See stats.h. */
#include "tutor/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "db/calibration.h"
#include "db/memory.h"
#include "engine/view.h"

enum { LESSONS_SHOWN = 24, GROUPS_SHOWN = 12 };

static void add(json_t *list, json_t *block)
{
    json_array_append_new(list, block);
}

static void add_prose(json_t *list, const char *text)
{
    add(list, json_pack("{s:s, s:s}", "view", "prose", "text", text));
}

static void add_heading(json_t *list, const char *text)
{
    add(list, json_pack("{s:s, s:s}", "view", "heading", "text", text));
}

static int whole(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

static double percent(const json_t *object, const char *name)
{
    return 100 * view_number(object, name, NAN);
}

/* A share as whole percent, "-" for none. */
static const char *share(double value, char out[16])
{
    snprintf(out, 16, isfinite(value) ? "%.0f %%" : "-", value + 1e-9); /* halves go up, however summed */
    return out;
}

/* --- calibration -------------------------------------------------------------------------------------------------- */

static void add_summary(const json_t *c, json_t *body)
{
    char text[256], said[16], right[16];
    int n = whole(c, "n"), surprises = whole(c, "surprises");
    snprintf(text, sizeof text, "%d of %d prediction%s right. You said %s on average; %s were.", whole(c, "hits"), n,
             n == 1 ? " was" : "s were", share(percent(c, "mean_confidence"), said),
             share(percent(c, "hit_rate"), right));
    add_prose(body, text);
    snprintf(text, sizeof text, "Brier score %.3f (0 is perfect, 0.25 a coin). %d surprise%s: a miss at 75 or 95 %%.",
             view_number(c, "brier", NAN), surprises, surprises == 1 ? "" : "s");
    add_prose(body, text);
}

/* A whisker, and a gap behind it. */
static void add_whisker(json_t *x, json_t *y, double at, double low, double high)
{
    add(x, json_real(at));
    add(y, json_real(low));
    add(x, json_real(at));
    add(y, json_real(high));
    add(x, json_string("nan"));
    add(y, json_string("nan"));
}

static json_t *series_of(const char *label, const char *style, json_t *x, json_t *y)
{
    return json_pack("{s:s, s:o, s:o, s:s, s:s}", "label", label, "x", x, "y", y, "style", style, "role", "outcome");
}

/* One point a level, with its Wilson interval as a whisker. */
void stats_add_reliability(const json_t *c, const char *title, const char *who, json_t *body)
{
    json_t *x = json_array(), *y = json_array(), *whisker_x = json_array(), *whisker_y = json_array(), *level;
    size_t i;
    json_array_foreach(json_object_get(c, "levels"), i, level) {
        double said = percent(level, "mean_confidence");
        if (whole(level, "n") == 0)
            continue;
        add(x, json_real(said));
        add(y, json_real(percent(level, "hit_rate")));
        add_whisker(whisker_x, whisker_y, said, percent(level, "low"), percent(level, "high"));
    }
    add(x, json_string("nan")); /* the last value would stand in the legend */
    add(y, json_string("nan"));
    json_t *series = json_array();
    add(series, json_pack("{s:s, s:[f, f, s], s:[f, f, s]}", "label", "exactly as sure as right", "x", 0.0, 100.0,
                          "nan", "y", 0.0, 100.0, "nan"));
    add(series, series_of("95 % interval", "line", whisker_x, whisker_y));
    add(series, series_of(who, "points", x, y));
    add(body, json_pack("{s:s, s:s, s:o, s:{s:s, s:s, s:f, s:f}, s:{s:s, s:s, s:f, s:f}}", "view", "plot", "title",
                        title, "series", series, "x", "label", "said", "unit", "%", "from", 0.0, "to", 100.0, "y",
                        "label", "were right", "unit", "%", "from", 0.0, "to", 100.0));
}

void stats_add_levels(const json_t *c, json_t *body)
{
    json_t *rows = json_array(), *level;
    size_t i;
    json_array_foreach(json_object_get(c, "levels"), i, level) {
        char said[32], right[16], interval[32];
        const char *name = view_text(level, "level", "");
        if (whole(level, "n") == 0)
            continue;
        snprintf(said, sizeof said, strcmp(name, "guess") == 0 ? "a guess" : "%s %%", name);
        snprintf(interval, sizeof interval, "%.0f to %.0f %%", percent(level, "low"), percent(level, "high"));
        add(rows, json_pack("[s, i, i, s, s]", said, whole(level, "n"), whole(level, "hits"),
                            share(percent(level, "hit_rate"), right), interval));
    }
    add(body, json_pack("{s:s, s:[s, s, s, s, s], s:o}", "view", "table", "columns", "said", "times", "right",
                        "share", "95 % interval", "rows", rows));
}

static void add_magnitudes(const json_t *c, json_t *body)
{
    char text[256];
    const json_t *m = json_object_get(c, "magnitudes");
    double median = view_number(m, "median_octaves", NAN);
    int n = whole(m, "n");
    if (n == 0)
        return;
    snprintf(text, sizeof text,
             "%d magnitude%s guessed: half within %.1f octaves (a factor of %.1f), %d within a factor of 2.", n,
             n == 1 ? "" : "s", median, exp2(median), whole(m, "within_one"));
    add_prose(body, text);
}

static json_t *sums_row(const char *name, const json_t *sums)
{
    char said[16], right[16], brier[16];
    snprintf(brier, sizeof brier, "%.3f", view_number(sums, "brier", NAN));
    return json_pack("[s, i, s, s, s]", name, whole(sums, "n"), share(percent(sums, "mean_confidence"), said),
                     share(percent(sums, "hit_rate"), right), brier);
}

static void add_sums_table(json_t *body, const char *first, json_t *rows)
{
    add(body, json_pack("{s:s, s:[s, s, s, s, s], s:o}", "view", "table", "columns", first, "predictions", "you said",
                        "were right", "Brier", "rows", rows));
}

static void add_lessons(const json_t *c, json_t *body)
{
    json_t *rows = json_array(), *lesson;
    size_t i;
    json_array_foreach(json_object_get(c, "lessons"), i, lesson)
        if (i < LESSONS_SHOWN)
            add(rows, sums_row(view_text(lesson, "lesson", ""), lesson));
    add_sums_table(body, "lesson", rows);
}

/* The newest groups of predictions, once there are two to compare. */
static void add_over_time(const json_t *c, json_t *body)
{
    const json_t *groups = json_object_get(c, "over_time");
    size_t n = json_array_size(groups);
    json_t *rows = json_array();
    for (size_t i = n > GROUPS_SHOWN ? n - GROUPS_SHOWN : 0; i < n; i++) {
        const json_t *group = json_array_get(groups, i);
        char name[48];
        snprintf(name, sizeof name, "%d to %d", whole(group, "from"), whole(group, "to"));
        add(rows, sums_row(name, group));
    }
    if (n > 1)
        add_sums_table(body, "over time", rows);
    else
        json_decref(rows);
}

static void add_calibration(const json_t *c, json_t *body)
{
    char text[160];
    int n = whole(c, "n");
    add_heading(body, "Do you know what you know?");
    if (n == 0) {
        add_prose(body, "No scored predictions yet. Each guess with a confidence adds one.");
        return;
    }
    add_summary(c, body);
    add_magnitudes(c, body);
    if (view_flag(c, "enough"))
        stats_add_reliability(c, "How often you were right, by how sure you were", "you", body);
    else {
        snprintf(text, sizeof text, "%d %s too few to judge your calibration; from %d on a plot stands here.", n,
                 n == 1 ? "prediction is" : "predictions are", CALIBRATION_ENOUGH);
        add_prose(body, text);
    }
    stats_add_levels(c, body);
    add_lessons(c, body);
    add_over_time(c, body);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void add_due(const json_t *cards, json_t *body)
{
    static const char *const names[][2] = { { "now", "now" },          { "today", "later today" },
                                            { "tomorrow", "tomorrow" }, { "week", "in 2 to 7 days" },
                                            { "month", "in 8 to 30 days" }, { "later", "later" } };
    json_t *bars = json_array();
    char text[128];
    int total = whole(cards, "total");
    add_heading(body, "Cards");
    snprintf(text, sizeof text, "%d of %d card%s due now.", whole(cards, "due"), total, total == 1 ? " is" : "s are");
    add_prose(body, total ? text : "No cards yet: each reveal makes one.");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        add(bars, json_pack("{s:s, s:i, s:s}", "label", names[i][1], "value",
                            whole(json_object_get(cards, "ahead"), names[i][0]), "role", "outcome"));
    if (total > 0)
        add(body, json_pack("{s:s, s:s, s:o}", "view", "bars", "title", "When your cards come back", "bars", bars));
    else
        json_decref(bars);
}

static void bin_label(const json_t *bin, char *out, size_t size)
{
    int from = whole(bin, "from"), to = whole(bin, "to");
    if (from == to)
        snprintf(out, size, "after %d day%s", from, from == 1 ? "" : "s");
    else if (to)
        snprintf(out, size, "after %d to %d days", from, to);
    else
        snprintf(out, size, "after %d days or more", from);
}

static json_t *bin_bar(const json_t *bin)
{
    char label[48], note[48];
    double expected = percent(bin, "expected");
    bin_label(bin, label, sizeof label);
    int used = snprintf(note, sizeof note, "%d of %d", whole(bin, "recalled"), whole(bin, "n"));
    if (isfinite(expected))
        snprintf(note + used, sizeof note - (size_t)used, ", expected %.0f %%", expected);
    return json_pack("{s:s, s:f, s:f, s:f, s:s, s:s}", "label", label, "value", percent(bin, "rate"), "low",
                            percent(bin, "low"), "high", percent(bin, "high"), "note", note, "role", "outcome");
}

static void add_forgetting(const json_t *f, json_t *body)
{
    json_t *bars = json_array(), *bin;
    char text[160];
    size_t i;
    int n = whole(f, "reviews");
    add_heading(body, "How fast you forget");
    json_array_foreach(json_object_get(f, "bins"), i, bin)
        if (whole(bin, "n") > 0)
            add(bars, bin_bar(bin));
    if (view_flag(f, "enough") && json_array_size(bars) > 0) {
        snprintf(text, sizeof text, "From %d reviews, beside what FSRS expected.", n);
        add_prose(body, text);
        add(body, json_pack("{s:s, s:s, s:o, s:s, s:f, s:f}", "view", "bars", "title",
                            "Recalled, by days since the review before", "bars", bars, "unit", "%", "from", 0.0, "to",
                            100.0));
        return;
    }
    json_decref(bars);
    snprintf(text, sizeof text, "%d %s too few for a curve of your own; from %d on it stands here.", n,
             n == 1 ? "review is" : "reviews are", MEMORY_ENOUGH);
    add_prose(body, text);
}

static void add_evidence(const json_t *e, json_t *body)
{
    const json_t *predicted = json_object_get(e, "predicted"), *only_read = json_object_get(e, "read");
    char text[256];
    add_heading(body, "Does predicting first help you?");
    snprintf(text, sizeof text,
             "At the first review a day or more later: predicted first, %d of %d recalled; only read, %d of %d.",
             whole(predicted, "recalled"), whole(predicted, "cards"), whole(only_read, "recalled"),
             whole(only_read, "cards"));
    add_prose(body, text);
    if (!view_flag(e, "enough")) {
        snprintf(text, sizeof text, "Too few to compare: that takes %d cards of each.", MEMORY_CARDS);
        add_prose(body, text);
    }
}

json_t *stats_blocks(const json_t *calibration, const json_t *cards)
{
    json_t *body = json_array();
    add_calibration(calibration, body);
    add_due(cards, body);
    add_forgetting(json_object_get(calibration, "forgetting"), body);
    add_evidence(json_object_get(calibration, "evidence"), body);
    return body;
}
