/* document.c: the lesson schema, and a document checked against it.
 * One table for lesson files (in the lab) and lesson documents (in the tutor): what the schema cannot say is said
 * in check_step. */
#include "engine/document.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/shortanswer.h"
#include "engine/view.h"

/* ORDER STEP_KIND */
const char *const step_kind_names[STEP_KIND_COUNT] = { "read", "predict", "fill", "recall", "explain", "explore" };
/* ORDER ANSWER_KIND */
const char *const answer_kind_names[ANSWER_KIND_COUNT] = { "number", "choice", "order", "place" };

enum { MOST_STEPS = 128, MOST_BLOCKS = 64 };

#define TEXT(n, h)       { .name = n, .type = FIELD_STRING, .help = h }
#define NEED_TEXT(n, h)  { .name = n, .type = FIELD_STRING, .flags = FIELD_REQUIRED, .help = h }
#define TEXTS(n, m, h)   { .name = n, .type = FIELD_STRING, .flags = FIELD_LIST, .most = m, .help = h }
#define NUM(n, h)        { .name = n, .type = FIELD_NUMBER, .help = h }
#define NEED_NUM(n, h)   { .name = n, .type = FIELD_NUMBER, .flags = FIELD_REQUIRED, .help = h }
#define BLOCKS(n, h)     { .name = n, .type = FIELD_BLOCK, .flags = FIELD_LIST, .most = MOST_BLOCKS, .help = h }
#define NEED_ID \
    { .name = "id", .type = FIELD_ID, .flags = FIELD_REQUIRED, .help = "stable: progress hangs on it" }
#define SCALE            { .name = "scale", .type = FIELD_ENUM, .names = "linear|log", .help = "of the axis" }
#define END              { .name = NULL }

static const struct object option = { "option", (const struct field[]){
    NEED_ID, NEED_TEXT("text", "what the learner reads"), END }, "an option" };

static const struct object number_rule = { "number", (const struct field[]){
    TEXT("unit", "%, KiB, x, dB ..."), SCALE, NEED_TEXT("within", "exact, 25 %, 3 points, 2 x"),
    NUM("from", "of the axis"), NUM("to", "of the axis"), END }, "a typed number" };

static const struct object choice_rule = { "choice", (const struct field[]){
    { .name = "options", .type = FIELD_OBJECT, .flags = FIELD_LIST | FIELD_REQUIRED, .object = &option, .most = 9 },
    END }, "one of several options" };

static const struct object order_rule = { "order", (const struct field[]){
    { .name = "options", .type = FIELD_OBJECT, .flags = FIELD_LIST | FIELD_REQUIRED, .object = &option, .most = 9 },
    NEED_TEXT("first", "what the top of the list means"), END }, "items to rank" };

static const struct object place_rule = { "place", (const struct field[]){
    NEED_NUM("from", ""), NEED_NUM("to", ""), TEXT("unit", ""), SCALE, NUM("tick", "distance the mark moves"),
    NEED_TEXT("within", "tick, 3 points, 10 %"), END }, "a mark on an axis" };

static const struct object knob = { "knob", (const struct field[]){
    NEED_ID, TEXT("label", "default: the id"),
    { .name = "value", .type = FIELD_VALUE, .flags = FIELD_REQUIRED, .help = "where it starts" },
    TEXTS("choices", 16, "of a choice knob"), NUM("from", ""), NUM("to", ""), NUM("step", "of a linear knob"), SCALE,
    TEXT("unit", ""), END }, "something to turn after the reveal" };

static const struct object card = { "card", (const struct field[]){
    NEED_TEXT("front", "the question"), NEED_TEXT("back", "the answer"),
    TEXT("again", "the question in other words"),
    { .name = "answer", .type = FIELD_ANY, .help = "typed and judged: a number, or texts of which one is meant" },
    TEXT("unit", "of a number"), TEXT("within", "of a number: exact, 5 %, 3 points; default 2 %"),
    { .name = "live", .type = FIELD_BOOL, .help = "always asks for the number, computed with another seed" },
    END }, "a recall card" };

static const struct object column = { "column", (const struct field[]){
    NEED_TEXT("title", ""), { .name = "choices", .type = FIELD_STRING, .flags = FIELD_LIST | FIELD_REQUIRED, .most = 9,
    .help = "what its cells can be" }, END }, "a column to fill in" };

static const struct object row = { "row", (const struct field[]){
    NEED_TEXT("label", ""), { .name = "cells", .type = FIELD_STRING, .flags = FIELD_LIST | FIELD_REQUIRED, .most = 8,
    .help = "the right texts" }, END }, "a row to fill in" };

static const struct object step_schema = { "step", (const struct field[]){
    { .name = "kind", .type = FIELD_ENUM, .flags = FIELD_REQUIRED,
      .names = "read|predict|fill|recall|explain|explore" },
    NEED_ID,
    { .name = "rev", .type = FIELD_INTEGER, .min = 1, .max = 1e6, .help = "raised when the question changes" },
    { .name = "part", .type = FIELD_INTEGER, .min = 0, .max = 64 },
    TEXT("title", "for the jump menu"),
    BLOCKS("body", "what is read, or shown after a fill"), BLOCKS("ask", "the question"),
    { .name = "given", .type = FIELD_ANY, .help = "facts before the commit, or true when the lab makes them" },
    { .name = "number", .type = FIELD_OBJECT, .object = &number_rule },
    { .name = "choice", .type = FIELD_OBJECT, .object = &choice_rule },
    { .name = "order", .type = FIELD_OBJECT, .object = &order_rule },
    { .name = "place", .type = FIELD_OBJECT, .object = &place_rule },
    TEXTS("hints", 6, "in stages, none says the answer"),
    { .name = "wrong", .type = FIELD_ANY, .help = "typical wrong answers, which must miss" },
    { .name = "knobs", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &knob, .most = 8 },
    { .name = "live", .type = FIELD_BOOL, .help = "compute() runs in the lab" },
    { .name = "answer", .type = FIELD_ANY, .help = "a cited answer" }, TEXT("source", "of the cited answer"),
    TEXT("because", "the mechanism: an author's claim"),
    { .name = "card", .type = FIELD_OBJECT, .object = &card },
    { .name = "columns", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &column, .most = 8 },
    { .name = "rows", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &row, .most = 16 },
    TEXT("model", "our words, to compare with"), TEXT("takeaway", "to remember, without a card"),
    TEXTS("dives", 8, "ids of deep dives"), TEXTS("links", 8, "ids of lessons"),
    { .name = "line", .type = FIELD_INTEGER, .min = 0, .max = 1e9, .help = "where it stands in the file" },
    END }, "a step" };

static const struct object part_schema = { "part", (const struct field[]){
    NEED_ID, NEED_TEXT("title", "for the header"), { .name = "core", .type = FIELD_BOOL }, END }, "a group of steps" };

static const struct object dive_schema = { "dive", (const struct field[]){
    NEED_ID, NEED_TEXT("title", "the question it answers"), BLOCKS("body", ""),
    { .name = "live", .type = FIELD_BOOL, .help = "the lab adds to it when it is read" }, END }, "a deep dive" };

static const struct object link_schema = { "link", (const struct field[]){
    { .name = "lesson", .type = FIELD_ID, .flags = FIELD_REQUIRED }, NEED_TEXT("title", ""),
    TEXTS("primer", 8, "shown while the lesson does not exist"), END }, "a link to another lesson" };

const struct object lesson_schema = { "lesson", (const struct field[]){
    NEED_ID, NEED_TEXT("title", ""), NEED_TEXT("win", "after this you can ..."), TEXT("sha256", "of the file"),
    TEXT("course_part", "where the map lists it"), TEXTS("needs", 8, "lessons to do first"),
    NUM("minutes", "about how long it takes"), TEXTS("sources", 64, "what the lesson rests on"),
    { .name = "parts", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &part_schema, .most = 32 },
    { .name = "steps", .type = FIELD_OBJECT, .flags = FIELD_LIST | FIELD_REQUIRED, .object = &step_schema,
      .most = MOST_STEPS },
    { .name = "dives", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &dive_schema, .most = 64 },
    { .name = "links", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &link_schema, .most = 32 },
    END }, "a lesson" };

struct document {
    json_t     *json;
    int         count;
    struct step steps[];
};

static int integer_of(const json_t *json, const char *name, int absent)
{
    const json_t *value = json_object_get(json, name);
    return value ? (int)json_integer_value(value) : absent;
}

static bool read_step(struct step *s, const json_t *json)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    int answers = 0;
    *s = (struct step){ .answer = ANSWER_NONE, .id = json_string_value(json_object_get(json, "id")), .json = json,
                        .rev = integer_of(json, "rev", 1), .part = integer_of(json, "part", -1),
                        .live = json_is_true(json_object_get(json, "live")),
                        .given_live = json_is_true(json_object_get(json, "given")) };
    for (int k = 0; k < STEP_KIND_COUNT; k++)
        if (strcmp(step_kind_names[k], kind) == 0)
            s->kind = (enum step_kind)k;
    for (int a = 0; a < ANSWER_KIND_COUNT; a++) {
        const json_t *rule = json_object_get(json, answer_kind_names[a]);
        if (rule) {
            s->answer = (enum answer_kind)a;
            s->rule = rule;
            answers++;
        }
    }
    return answers == (s->kind == STEP_PREDICT);
}

static bool distinct_options(const json_t *options)
{
    size_t n = json_array_size(options);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (json_equal(json_object_get(json_array_get(options, i), "id"),
                           json_object_get(json_array_get(options, j), "id")))
                return false;
    return n >= 2;
}

static const char *check_cells(const json_t *json)
{
    const json_t *columns = json_object_get(json, "columns"), *rows = json_object_get(json, "rows");
    size_t i;
    json_t *r;
    if (!json_array_size(columns) || !json_array_size(rows))
        return "a fill step needs 'columns' and rows";
    json_array_foreach((json_t *)(uintptr_t)rows, i, r) {
        const json_t *cells = json_object_get(r, "cells");
        if (json_array_size(cells) != json_array_size(columns))
            return "each row needs one cell a column";
        for (size_t c = 0; c < json_array_size(cells); c++) {
            const json_t *choices = json_object_get(json_array_get(columns, c), "choices");
            bool found = false;
            for (size_t k = 0; k < json_array_size(choices); k++)
                found = found || json_equal(json_array_get(choices, k), json_array_get(cells, c));
            if (!found)
                return "a right cell is not among its column's choices";
        }
    }
    return NULL;
}

static bool is_log(const json_t *json)
{
    return strcmp(view_text(json, "scale", "linear"), "log") == 0;
}

/* The ends of an axis or of a knob: both of a `whole` one; NULL when all is well. */
static const char *check_ends(const json_t *json, bool whole)
{
    bool has_from = json_object_get(json, "from") != NULL, has_to = json_object_get(json, "to") != NULL;
    double from = view_number(json, "from", 0), to = view_number(json, "to", 1);
    if (!isfinite(from) || !isfinite(to) || (whole && !(has_from && has_to)))
        return "needs 'from' and 'to' that are numbers";
    if (has_from && has_to && !(from < to))
        return "'from' must be less than 'to'";
    if (is_log(json) && has_from && !(from > 0))
        return "a log axis needs a 'from' greater than 0";
    return NULL;
}

static const char *check_knob(const json_t *knob_json)
{
    const json_t *value = json_object_get(knob_json, "value"), *choices = json_object_get(knob_json, "choices");
    bool found = !choices;
    for (size_t i = 0; i < json_array_size(choices); i++)
        found = found || json_equal(json_array_get(choices, i), (json_t *)(uintptr_t)value);
    if (!found)
        return "a knob's value is not among its choices";
    if (choices || json_is_boolean(value))
        return NULL;
    if (json_is_string(value)) {
        size_t n = json_string_length(value);
        bool code = n >= 2 && n <= 32 && strspn(json_string_value(value), "01") == n;
        return code ? NULL : "a knob's text is one of its 'choices', or 2 to 32 bits to flip, such as \"0110\"";
    }
    if (!json_is_number(value))
        return "a knob's value is a number, true or false, bits, or one of its choices";
    const char *why = check_ends(knob_json, false);
    double number = json_number_value(value);
    if (!why && !(number >= view_number(knob_json, "from", number) && number <= view_number(knob_json, "to", number)))
        why = "a knob's value is not between its 'from' and 'to'";
    return why;
}

static const char *check_knobs(const json_t *knobs)
{
    const char *why = NULL;
    for (size_t i = 0; !why && i < json_array_size(knobs); i++)
        why = check_knob(json_array_get(knobs, i));
    return why;
}

/* What the schema cannot say; NULL when all is well. */
/* The parts of a card that only recall reads. */
static bool check_card(const struct step *s)
{
    const json_t *own = json_object_get(s->json, "card"), *answer = json_object_get(own, "answer");
    if (answer && !shortanswer_wanted(own))
        return false;
    if (json_object_get(own, "within") && !answer_rule_known(own))
        return false;
    return !view_flag(own, "live") || (s->kind == STEP_PREDICT && s->answer == ANSWER_NUMBER && s->live);
}

static const char *check_step(const struct step *s)
{
    char why[256];
    const json_t *given = json_object_get(s->json, "given");
    if (s->answer == ANSWER_CHOICE || s->answer == ANSWER_ORDER)
        if (!distinct_options(json_object_get(s->rule, "options")))
            return "needs two or more options with different ids";
    const char *bad = check_knobs(json_object_get(s->json, "knobs"));
    if (!bad && (s->answer == ANSWER_NUMBER || s->answer == ANSWER_PLACE))
        bad = check_ends(s->rule, s->answer == ANSWER_PLACE);
    if (!bad && s->answer == ANSWER_PLACE && !(view_number(s->rule, "tick", 1) > 0))
        bad = "'tick' must be greater than 0";
    if (bad)
        return bad;
    if ((s->answer == ANSWER_NUMBER || s->answer == ANSWER_PLACE) && !answer_rule_known(s->rule))
        return "'within' must be exact, tick, N %, N points or N x";
    if (s->kind == STEP_PREDICT && !json_array_size(json_object_get(s->json, "ask")))
        return "a predict step needs 'ask'";
    if (given && !json_is_boolean(given) && !view_check_list(given, why, sizeof why))
        return "'given' must be a list of views";
    if (s->kind == STEP_FILL)
        return check_cells(s->json);
    if (s->kind == STEP_RECALL && !json_object_get(s->json, "card"))
        return "a recall step needs 'front' and 'back'";
    if (!check_card(s))
        return "a card's 'answer' is a number or texts, 'within' as elsewhere, and 'live' needs a computed number";
    if (s->kind == STEP_EXPLAIN && !json_object_get(s->json, "model"))
        return "an explain step needs 'model'";
    return NULL;
}

/* The id of a dive that a step has too, or NULL: the lab finds both by their id. */
static const char *shared_id(const struct document *d)
{
    size_t i;
    json_t *dive;
    json_array_foreach(json_object_get(d->json, "dives"), i, dive)
        if (document_find(d, json_string_value(json_object_get(dive, "id"))) >= 0)
            return json_string_value(json_object_get(dive, "id"));
    return NULL;
}

struct document *document_new(json_t *json, char *error, size_t size)
{
    char why[512];
    if (!schema_check(json, &lesson_schema, why, sizeof why)) {
        snprintf(error, size, "%s", why);
        return NULL;
    }
    const json_t *steps = json_object_get(json, "steps");
    size_t n = json_array_size(steps);
    if (n == 0) {
        snprintf(error, size, "the lesson has no steps");
        return NULL;
    }
    struct document *d = calloc(1, sizeof *d + n * sizeof d->steps[0]);
    if (!d) {
        snprintf(error, size, "out of memory");
        return NULL;
    }
    d->json = json_incref(json);
    d->count = (int)n;
    for (int i = 0; i < d->count; i++) {
        struct step *s = &d->steps[i];
        const char *bad = NULL;
        if (!read_step(s, json_array_get(steps, (size_t)i)))
            bad = s->kind == STEP_PREDICT ? "needs exactly one of number, choice, order, place"
                                          : "only a predict step has number, choice, order or place";
        else if (document_find(d, s->id) != i)
            bad = "the id is used twice";
        else if (s->part >= document_part_count(d))
            bad = "the part does not exist";
        else
            bad = check_step(s);
        if (bad) {
            snprintf(error, size, "step '%s': %s", s->id, bad);
            document_free(d);
            return NULL;
        }
    }
    if (shared_id(d)) {
        snprintf(error, size, "step '%s': a deep dive has the same id", shared_id(d));
        document_free(d);
        return NULL;
    }
    return d;
}

void document_free(struct document *d)
{
    if (d)
        json_decref(d->json);
    free(d);
}

static const char *text_of(const struct document *d, const char *name)
{
    return view_text(d->json, name, "");
}

const char *document_id(const struct document *d) { return text_of(d, "id"); }
const char *document_title(const struct document *d) { return text_of(d, "title"); }
const char *document_sha256(const struct document *d) { return text_of(d, "sha256"); }
const json_t *document_json(const struct document *d) { return d->json; }
int document_step_count(const struct document *d) { return d->count; }

const struct step *document_step(const struct document *d, int index)
{
    return index >= 0 && index < d->count ? &d->steps[index] : NULL;
}

int document_find(const struct document *d, const char *id)
{
    for (int i = 0; i < d->count; i++)
        if (d->steps[i].id && strcmp(d->steps[i].id, id) == 0)
            return i;
    return -1;
}

int document_part_count(const struct document *d)
{
    size_t n = json_array_size(json_object_get(d->json, "parts"));
    return n ? (int)n : 1;
}

const char *document_part_title(const struct document *d, int part)
{
    const json_t *p = part >= 0 ? json_array_get(json_object_get(d->json, "parts"), (size_t)part) : NULL;
    return view_text(p, "title", "");
}

void document_place(const struct document *d, int step, char *out, size_t size)
{
    const json_t *parts = json_object_get(d->json, "parts");
    int part = d->steps[step].part, number = 0, count = 0;
    if (part < 0) {
        snprintf(out, size, "step %d of %d", step + 1, d->count);
        return;
    }
    bool core = json_is_true(json_object_get(json_array_get(parts, (size_t)part), "core"));
    for (int i = 0; i < (int)json_array_size(parts); i++)
        if (json_is_true(json_object_get(json_array_get(parts, (size_t)i), "core")) == core) {
            count++;
            number += i <= part;
        }
    snprintf(out, size, "%s %d of %d", core ? "step" : "part two,", number, count);
}
