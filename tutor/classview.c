/* classview.c: what a class did, as pages of views. See classview.h. */
#include "tutor/classview.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/view.h"
#include "tutor/classlog.h"
#include "tutor/stats.h"

enum { BARS_MOST = 12, ROWS_MOST = 10, TEXT = 1024 };

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

/* --- names -------------------------------------------------------------------------------------------------------- */

static const struct step *step_of(const json_t *row, const struct catalog *catalog, const struct document **document)
{
    int lesson = catalog ? catalog_find(catalog, view_text(row, "lesson", "")) : -1;
    *document = lesson >= 0 ? catalog_document(catalog, lesson) : NULL;
    int step = *document ? document_find(*document, view_text(row, "step", "")) : -1;
    return step >= 0 ? document_step(*document, step) : NULL;
}

static void question_of(const struct step *step, char out[TEXT])
{
    size_t used = 0, i;
    json_t *block;
    out[0] = '\0';
    json_array_foreach(json_object_get(step->json, "ask"), i, block)
        if (view_kind_of(block) == VIEW_PROSE && used < TEXT)
            used += (size_t)snprintf(out + used, TEXT - used, "%s%s", used ? " " : "", view_text(block, "text", ""));
}

/* An option's words for its id; of an order, those of each, best first. */
static void answer_text(const struct step *step, const char *answer, char out[TEXT])
{
    size_t used = 0;
    out[0] = '\0';
    while (*answer && used < TEXT) {
        char id[80];
        size_t n = strcspn(answer, ",");
        snprintf(id, sizeof id, "%.*s", (int)(n < sizeof id ? n : sizeof id - 1), answer);
        used += (size_t)snprintf(out + used, TEXT - used, "%s%s", used ? " > " : "", answer_option_text(step, id));
        answer += n;
        answer += strspn(answer, ", ");
    }
}

static void name_answers(json_t *row, const struct step *step)
{
    char text[TEXT];
    size_t i;
    json_t *answer;
    bool options = step && (step->answer == ANSWER_CHOICE || step->answer == ANSWER_ORDER);
    json_array_foreach(json_object_get(row, "answers"), i, answer) {
        const char *given = view_text(answer, "answer", "");
        if (options)
            answer_text(step, given, text);
        json_object_set_new(answer, "text", json_string(options ? text : given));
    }
}

static void name_rows(json_t *rows, const struct catalog *catalog)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        char question[TEXT] = "";
        const struct document *document;
        const struct step *step = step_of(row, catalog, &document);
        if (step)
            question_of(step, question);
        const char *id = view_text(row, "step", "");
        json_object_set_new(row, "title", json_string(step ? view_text(step->json, "title", id) : id));
        json_object_set_new(row, "question", json_string(question));
        json_object_set_new(row, "lesson_title",
                            json_string(document ? document_title(document) : view_text(row, "lesson", "")));
        name_answers(row, step);
    }
}

/* Where the course has a step; what is not installed comes last. */
static int rank_of(const json_t *row, const struct catalog *catalog)
{
    const struct document *document;
    int lesson = catalog ? catalog_find(catalog, view_text(row, "lesson", "")) : -1;
    const struct step *step = step_of(row, catalog, &document);
    return lesson < 0 ? 1 << 20 : 1000 * lesson + (step ? document_find(document, step->id) : 999);
}

/* In the order of the course; an insertion sort keeps equal ones as they were. */
static json_t *in_course_order(json_t *rows, const struct catalog *catalog)
{
    json_t *out = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        size_t at = json_array_size(out);
        while (at > 0 && rank_of(json_array_get(out, at - 1), catalog) > rank_of(row, catalog))
            at--;
        json_array_insert(out, at, row);
    }
    return out;
}

void classview_name(json_t *class, const struct catalog *catalog)
{
    json_object_set_new(class, "steps", in_course_order(json_object_get(class, "steps"), catalog));
    name_rows(json_object_get(class, "steps"), catalog);
    name_rows(json_object_get(class, "cards"), catalog);
    name_rows(json_object_get(class, "flags"), catalog);
}

/* --- the class ---------------------------------------------------------------------------------------------------- */

static double share(const json_t *row, const char *part, const char *all)
{
    return whole(row, all) ? 100.0 * whole(row, part) / whole(row, all) : 0;
}

static void add_counts(const json_t *class, json_t *body)
{
    char text[300];
    int missing = whole(class, "missing"), overlapping = whole(class, "overlapping");
    snprintf(text, sizeof text, "%d learner%s, %d files, %d events; %d scored predictions, %d right.",
             whole(class, "learners"), whole(class, "learners") == 1 ? "" : "s", whole(class, "files"),
             whole(class, "events"), whole(class, "n"), whole(class, "hits"));
    add_prose(body, text);
    if (overlapping > 0) {
        snprintf(text, sizeof text, "%d events stood in more than one file and were counted once.", overlapping);
        add_prose(body, text);
    }
    if (missing > 0) {
        snprintf(text, sizeof text, "%d events are missing from these files: ask for fresh exports.", missing);
        add_prose(body, text);
    }
}

/* Index of the row with the lowest share of hits that is not yet taken, or -1. */
static int lowest(const json_t *steps, const bool *taken, size_t n)
{
    int found = -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(steps, i);
        if (!taken[i] &&
            (found < 0 || share(row, "hits", "n") < share(json_array_get(steps, (size_t)found), "hits", "n")))
            found = (int)i;
    }
    return found;
}

static void add_hardest(const json_t *class, json_t *body)
{
    const json_t *steps = json_object_get(class, "steps");
    bool taken[512] = { false };
    size_t n = json_array_size(steps) < 512 ? json_array_size(steps) : 512;
    json_t *bars = json_array();
    for (int k = 0; k < BARS_MOST; k++) {
        int at = lowest(steps, taken, n);
        if (at < 0)
            break;
        const json_t *row = json_array_get(steps, (size_t)at);
        char note[48];
        taken[at] = true;
        snprintf(note, sizeof note, "%d of %d", whole(row, "hits"), whole(row, "n"));
        add(bars, json_pack("{s:s, s:f, s:s, s:s}", "label", view_text(row, "title", ""), "value",
                            share(row, "hits", "n"), "note", note, "role", "outcome"));
    }
    add(body, json_pack("{s:s, s:s, s:o, s:s, s:f, s:f}", "view", "bars", "title", "Right, the hardest first", "bars",
                        bars, "unit", "%", "from", 0.0, "to", 100.0));
}

static void add_cards(const json_t *class, json_t *body)
{
    size_t i;
    json_t *card, *rows = json_array();
    json_array_foreach(json_object_get(class, "cards"), i, card) {
        char forgot[32];
        if (i == ROWS_MOST)
            break;
        snprintf(forgot, sizeof forgot, "%.0f %%", share(card, "again", "reviews"));
        add(rows, json_pack("[s, i, s]", view_text(card, "front", view_text(card, "title", "")), whole(card, "reviews"),
                            forgot));
    }
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        return;
    }
    add_heading(body, "Hardest cards");
    add(body, json_pack("{s:s, s:[s, s, s], s:o}", "view", "table", "columns", "card", "reviews", "forgotten", "rows",
                        rows));
}

static void add_flags(const json_t *class, json_t *body)
{
    size_t i;
    json_t *flag, *rows = json_array();
    json_array_foreach(json_object_get(class, "flags"), i, flag)
        add(rows, json_pack("[s, s, i]", view_text(flag, "lesson_title", ""), view_text(flag, "title", ""),
                            whole(flag, "n")));
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        return;
    }
    add_heading(body, "Flagged by learners");
    add(body, json_pack("{s:s, s:[s, s, s], s:o}", "view", "table", "columns", "lesson", "question", "learners", "rows",
                        rows));
}

/* --- a step ------------------------------------------------------------------------------------------------------- */

static void add_summary(const json_t *row, json_t *body)
{
    char text[400];
    int n = whole(row, "n"), used;
    used = snprintf(text, sizeof text,
                    "%d of %d right; %d sure (75 or 95 %%) and wrong, %d without an idea, %d took a hint.",
                    whole(row, "hits"), n, whole(row, "surprises"), whole(row, "no_idea"), whole(row, "hinted"));
    if (whole(row, "flags") > 0)
        snprintf(text + used, sizeof text - (size_t)used, " Flagged by %d.", whole(row, "flags"));
    add_prose(body, text);
}

static void add_outcome(const json_t *row, json_t *body)
{
    const json_t *outcome = json_object_get(row, "outcome");
    double low = view_number(outcome, "low", NAN), high = view_number(outcome, "high", NAN);
    char a[64], b[64], text[200];
    if (!isfinite(low))
        return;
    view_format_unit(low, view_text(row, "unit", ""), a, sizeof a);
    view_format_unit(high, view_text(row, "unit", ""), b, sizeof b);
    if (strcmp(a, b) == 0)
        snprintf(text, sizeof text, "Computed: %s.", a);
    else
        snprintf(text, sizeof text, "Computed: %s to %s, by seed and machine.", a, b);
    add_prose(body, text);
}

/* Guesses in half octaves around the outcome. */
static void add_octaves(const json_t *row, json_t *body)
{
    const json_t *counts = json_object_get(row, "octaves");
    double median = view_number(row, "median_octaves", NAN);
    char note[120];
    if (!isfinite(median))
        return;
    snprintf(note, sizeof note, "half of the guesses are within %.2f octaves, a factor of %.2g", median, exp2(median));
    add(body,
        json_pack("{s:s, s:s, s:s, s:f, s:f, s:O, s:[{s:f, s:s, s:s}], s:s}", "view", "hist", "title",
                  "Guess over outcome, in octaves: -1 is half, 1 is twice", "unit", "octaves", "from", -8.25, "to",
                  8.25, "counts", counts, "marks", "at", 0.0, "label", "right", "role", "outcome", "note", note));
}

static void add_answers(const json_t *row, json_t *body)
{
    size_t i;
    json_t *answer, *bars = json_array();
    bool exact = json_is_true(json_object_get(row, "answers_exact"));
    json_array_foreach(json_object_get(row, "answers"), i, answer) {
        bool hit = json_is_true(json_object_get(answer, "hit"));
        char label[TEXT + 16];
        if (i == BARS_MOST)
            break;
        snprintf(label, sizeof label, "%s%s", view_text(answer, "text", ""), hit ? ", right" : "");
        add(bars, json_pack("{s:s, s:i, s:s}", "label", label, "value", whole(answer, "n"), "role",
                            hit ? "outcome" : "guess"));
    }
    if (json_array_size(bars) > 0)
        add(body, json_pack("{s:s, s:s, s:o}", "view", "bars", "title",
                            exact ? "The commonest answers, learners" : "The commonest answers, learners at most",
                            "bars", bars));
    else
        json_decref(bars);
}

static json_t *page(const char *title, const char *where, json_t *body)
{
    return json_pack("{s:s, s:s, s:o, s:[], s:s, s:s, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}]}", "title",
                     title, "where", where, "body", body, "dock", "status", "", "message", "", "keys", "key", "→",
                     "name", "next", "help", "the next question", "key", "←", "name", "back", "help", "the one before",
                     "key", "q", "name", "quit", "help", "leave");
}

static json_t *step_page(const json_t *row, size_t at, size_t all)
{
    char where[64];
    json_t *body = json_array();
    const char *question = view_text(row, "question", "");
    snprintf(where, sizeof where, "question %zu of %zu", at + 1, all);
    add_heading(body, *question ? question : view_text(row, "title", ""));
    add_summary(row, body);
    add_outcome(row, body);
    add_octaves(row, body);
    add_answers(row, body);
    stats_add_levels(row, body);
    return page(view_text(row, "lesson_title", ""), where, body);
}

json_t *classview_pages(const json_t *class)
{
    json_t *pages = json_array(), *body = json_array(), *row;
    const json_t *steps = json_object_get(class, "steps");
    size_t i, n = json_array_size(steps);
    add_counts(class, body);
    if (n > 0) {
        stats_add_reliability(class, "How often they were right, by how sure they were", "the class", body);
        stats_add_levels(class, body);
        add_hardest(class, body);
    }
    add_cards(class, body);
    add_flags(class, body);
    add(pages, page("The class", "", body));
    json_array_foreach((json_t *)(uintptr_t)steps, i, row)
        add(pages, step_page(row, i, n));
    return pages;
}
