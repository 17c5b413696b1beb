/* session_view.c: what a session looks like, as a view.
 * Pure: the same state gives the same JSON. Nothing of an outcome is in the view before its guess is committed, since
 * `shown` is empty until then. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/answer.h"
#include "engine/session_state.h"
#include "engine/view.h"

static void add(json_t *list, json_t *block)
{
    json_array_append_new(list, block);
}

static void add_all(json_t *list, const json_t *blocks)
{
    if (json_is_array(blocks))
        json_array_extend(list, (json_t *)(uintptr_t)blocks);
}

static json_t *prose(const char *text)
{
    return json_pack("{s:s, s:s}", "view", "prose", "text", text);
}

static json_t *note(const char *title, const char *text)
{
    return json_pack("{s:s, s:s, s:s}", "view", "note", "title", title, "text", text);
}

/* --- the outcome beside the guess --------------------------------------------------------------------------------- */

static const json_t *guess_of(const struct session *s)
{
    return s->guess && session_here(s)->kind == STEP_PREDICT ? s->guess : session_state_here(s)->guess;
}

/* A round axis that holds both values with some air. */
static void axis_around(const struct step *step, double guess, double outcome, double *from, double *to)
{
    bool log_scale = strcmp(view_text(step->rule, "scale", "linear"), "log") == 0;
    double low = fmin(isfinite(guess) ? guess : outcome, outcome);
    double high = fmax(isfinite(guess) ? guess : outcome, outcome);
    *from = view_number(step->rule, "from", NAN);
    *to = view_number(step->rule, "to", NAN);
    if (log_scale && low > 0) {
        double floor_decade = pow(10, floor(log10(low))), ceil_decade = pow(10, ceil(log10(high * 1.0001)));
        *from = isfinite(*from) ? fmin(*from, floor_decade) : floor_decade;
        *to = isfinite(*to) ? fmax(*to, ceil_decade) : ceil_decade;
        return;
    }
    double span = high > low ? high - low : fmax(fabs(high), 1);
    double unit = pow(10, floor(log10(span)));
    double below = low >= 0 && low - span / 4 < unit ? 0 : floor((low - span / 4) / unit) * unit;
    double above = ceil((high + span / 4) / unit) * unit;
    *from = isfinite(*from) ? fmin(*from, low) : below;
    *to = isfinite(*to) ? fmax(*to, high) : above;
}

static json_t *mark(double at, const char *label, const char *role)
{
    return json_pack("{s:f, s:s, s:s}", "at", at, "label", label, "role", role);
}

static json_t *guess_mark(const struct step *step, double value)
{
    char label[96], number[64];
    snprintf(label, sizeof label, "you %s",
             view_format_unit(value, view_text(step->rule, "unit", ""), number, sizeof number));
    return mark(value, label, "guess");
}

/* The first block of the outcome, where it is a number line that marks the outcome itself: the guess joins it, so that
 * no second axis says the same. Else NULL. */
static const json_t *own_axis(const struct session *s)
{
    const json_t *first = json_array_get(json_object_get(s->shown, "blocks"), 0);
    const json_t *marks = json_object_get(first, "marks");
    bool number = session_here(s)->answer == ANSWER_NUMBER || session_here(s)->answer == ANSWER_PLACE;
    if (!number || view_kind_of(first) != VIEW_GRID)
        return NULL;
    for (size_t i = 0; i < json_array_size(marks); i++)
        if (strcmp(view_text(json_array_get(marks, i), "role", ""), "outcome") == 0)
            return first;
    return NULL;
}

static void add_own_axis(const struct session *s, json_t *body, const json_t *axis, const json_t *guess)
{
    json_t *grid = json_deep_copy(axis);
    double value = json_is_number(guess) ? json_number_value(guess) : NAN;
    if (value >= view_number(grid, "from", 0) && value <= view_number(grid, "to", 0))
        json_array_insert_new(json_object_get(grid, "marks"), 0, guess_mark(session_here(s), value));
    add(body, grid);
}

static void add_axis(const struct session *s, json_t *body, const json_t *guess, const json_t *answer)
{
    const struct step *step = session_here(s);
    const char *unit = view_text(step->rule, "unit", "");
    double outcome = view_as_number(answer), value = json_is_number(guess) ? json_number_value(guess) : NAN, from, to;
    char label[96], number[64];
    if (own_axis(s)) {
        add_own_axis(s, body, own_axis(s), guess);
        return;
    }
    if (!isfinite(outcome)) {
        snprintf(label, sizeof label, "The outcome is %s.", view_format(outcome, number, sizeof number));
        add(body, prose(label));
        return;
    }
    axis_around(step, value, outcome, &from, &to);
    json_t *marks = json_array();
    if (isfinite(value))
        add(marks, guess_mark(step, value));
    bool cited = json_object_get(step->json, "source") != NULL;
    snprintf(label, sizeof label, "%s %s", cited ? "cited" : "computed",
             view_format_unit(outcome, unit, number, sizeof number));
    add(marks, mark(outcome, label, "outcome"));
    add(body, json_pack("{s:s, s:f, s:f, s:s, s:s, s:o}", "view", "grid", "from", from, "to", to, "scale",
                        view_text(step->rule, "scale", "linear"), "unit", unit, "marks", marks));
}

static json_t *option_json(const struct step *step, const char *id, const char *state, const char *right)
{
    json_t *option = json_pack("{s:s, s:s}", "id", id, "text", answer_option_text(step, id));
    if (state)
        json_object_set_new(option, "state", json_string(state));
    if (right)
        json_object_set_new(option, "right", json_string(right));
    return option;
}

static void add_choice(const struct session *s, json_t *body, const json_t *guess, const json_t *answer)
{
    const struct step *step = session_here(s);
    const json_t *options = json_object_get(step->rule, "options");
    json_t *list = json_array();
    for (int i = 0; i < (int)json_array_size(options) && i < MOST_OPTIONS; i++) {
        const json_t *id = json_object_get(json_array_get(options, (size_t)s->order[i]), "id");
        bool right = json_equal(id, answer), yours = guess && json_equal(id, guess);
        add(list, option_json(step, json_string_value(id), right ? "right" : yours ? "wrong" : NULL,
                              yours ? "you" : NULL));
    }
    add(body, json_pack("{s:s, s:o}", "view", "choices", "options", list));
}

static void add_order(const struct session *s, json_t *body, const json_t *guess, const json_t *answer)
{
    const struct step *step = session_here(s);
    json_t *rows = json_array();
    size_t i;
    json_t *id;
    json_array_foreach((json_t *)(uintptr_t)answer, i, id) {
        const json_t *yours = json_array_get(guess, i);
        add(rows,
            json_pack("[i, s, s]", (int)i + 1, yours ? answer_option_text(step, json_string_value(yours)) : "no idea",
                      answer_option_text(step, json_string_value(id) ? json_string_value(id) : "")));
    }
    add(body,
        json_pack("{s:s, s:[s, s, s], s:o}", "view", "table", "columns", "place", "you", "computed", "rows", rows));
}

static void add_comparison(const struct session *s, json_t *body)
{
    const struct step *step = session_here(s);
    const json_t *guess = json_object_get(guess_of(s), "value"), *answer = json_object_get(s->shown, "answer");
    char words[512];
    if (!answer || json_is_null(answer))
        return;
    switch (step->answer) {
    case ANSWER_NUMBER:
    case ANSWER_PLACE:  add_axis(s, body, guess, answer); break;
    case ANSWER_CHOICE: add_choice(s, body, guess, answer); break;
    case ANSWER_ORDER:  add_order(s, body, guess, answer); break;
    default: return;
    }
    const json_t *values = json_object_get(s->shown, "values");
    enum verdict verdict = answer_judge(step, guess, answer, values);
    answer_difference(step, guess, answer, words, sizeof words);
    if (verdict == VERDICT_UNSCORED)
        snprintf(words, sizeof words, "Not scored: %.400s", view_text(values, "unscored", ""));
    else if (verdict == VERDICT_HIT && !answer_hit(step, guess, answer))
        snprintf(words, sizeof words, "Right: within what this machine's timings part.");
    if (s->shown_trial.own)
        add(body, prose("On your tensor; your guess was for the step's own."));
    else if (session_explored(s))
        add(body, prose("At these knobs and this seed; your guess was for the first ones."));
    else if (*words)
        add(body, prose(words));
}

/* --- the body ----------------------------------------------------------------------------------------------------- */

static void add_hints(const struct session *s, json_t *body)
{
    const json_t *hints = json_object_get(session_here(s)->json, "hints");
    for (int i = 0; i < s->hints && i < (int)json_array_size(hints); i++) {
        char title[32];
        snprintf(title, sizeof title, "Hint %d of %zu", i + 1, json_array_size(hints));
        add(body, note(title, json_string_value(json_array_get(hints, (size_t)i))));
    }
}

static void add_takeaway(const struct session *s, json_t *body)
{
    const json_t *json = session_here(s)->json, *card = json_object_get(json, "card");
    const char *text = card ? view_text(card, "back", "") : view_text(json, "takeaway", NULL);
    if (text)
        add(body, note("To remember", text));
}

static void add_question(const struct session *s, json_t *body)
{
    const json_t *json = session_here(s)->json;
    add_all(body, json_object_get(json, "ask"));
    add_all(body, s->given ? s->given : json_object_get(json, "given"));
    add_hints(s, body);
}

static void add_cells(const struct session *s, json_t *list, bool committed)
{
    const json_t *json = session_here(s)->json, *columns = json_object_get(json, "columns");
    const json_t *rows = json_object_get(json, "rows");
    const json_t *answer = session_state_here(s)->answer;
    const json_t *kept = json_object_get(answer ? answer : s->guess, "cells");
    size_t width = json_array_size(columns);
    json_t *out = json_array();
    for (size_t r = 0; r < json_array_size(rows); r++) {
        json_t *cells = json_array();
        for (size_t c = 0; c < width && r * width + c < MOST_CELLS; c++) {
            size_t at = r * width + c;
            const json_t *wanted = json_array_get(json_object_get(json_array_get(rows, r), "cells"), c);
            const json_t *choices = json_object_get(json_array_get(columns, c), "choices");
            const json_t *mine = committed ? json_array_get(kept, at)
                               : s->cells[at] >= 0 ? json_array_get(choices, (size_t)s->cells[at]) : NULL;
            json_t *cell = json_pack("{s:s}", "text", json_is_string(mine) ? json_string_value(mine) : "");
            if (committed) {
                bool right = json_equal(mine, wanted);
                json_object_set_new(cell, "state", json_string(right ? "right" : "wrong"));
                if (!right)
                    json_object_set(cell, "right", (json_t *)(uintptr_t)wanted);
            } else {
                json_object_set_new(cell, "open", json_boolean(s->cells[at] < 0));
                json_object_set_new(cell, "focused", json_boolean((int)at == s->focus));
            }
            add(cells, cell);
        }
        add(out, json_pack("{s:s, s:o}", "label", view_text(json_array_get(rows, r), "label", ""), "cells", cells));
    }
    json_t *heads = json_array();
    for (size_t c = 0; c < width; c++)
        add(heads, json_pack("{s:s, s:O}", "title", view_text(json_array_get(columns, c), "title", ""), "choices",
                             json_object_get(json_array_get(columns, c), "choices")));
    add(list, json_pack("{s:s, s:o, s:o}", "view", "cells", "columns", heads, "rows", out));
}

static void add_revealed(const struct session *s, json_t *body)
{
    const struct step *step = session_here(s);
    const struct step_state *state = session_state_here(s);
    char text[160];
    switch (step->kind) {
    case STEP_PREDICT:
        add_comparison(s, body);
        if (json_is_null(json_object_get(guess_of(s), "value")))
            add(body, prose("You had no idea: stored, not scored."));
        break;
    case STEP_FILL: {
        const json_t *answer = state->answer ? state->answer : s->guess;
        add_cells(s, body, true);
        snprintf(text, sizeof text, "%d of %d cells are right.",
                 (int)json_integer_value(json_object_get(answer, "right")),
                 (int)json_integer_value(json_object_get(answer, "of")));
        add(body, prose(text));
        add_all(body, json_object_get(step->json, "body"));
        break;
    }
    case STEP_EXPLAIN:
        add(body, note("You", view_text(state->answer ? state->answer : s->guess, "text", "")));
        add(body, note("Ours", view_text(step->json, "model", "")));
        add(body, prose("What does ours say that yours does not? What does yours say better?"));
        break;
    case STEP_EXPLORE:
        add_all(body, json_object_get(step->json, "ask"));
        break;
    case STEP_RECALL:
        add(body, prose(view_text(json_object_get(step->json, "card"), "front", "")));
        add(body, note("The card says", view_text(json_object_get(step->json, "card"), "back", "")));
        return;
    default:
        break;
    }
    const json_t *blocks = json_object_get(s->shown, "blocks");
    for (size_t i = own_axis(s) ? 1 : 0; i < json_array_size(blocks); i++)
        json_array_append(body, json_array_get(blocks, i));
    if (step->kind == STEP_PREDICT || step->kind == STEP_FILL)
        add_takeaway(s, body);
}

static void add_links(const struct session *s, json_t *body)
{
    const json_t *links = json_object_get(document_json(s->document), "links");
    size_t i, k;
    json_t *id, *link;
    json_array_foreach(json_object_get(session_here(s)->json, "links"), i, id)
        json_array_foreach((json_t *)(uintptr_t)links, k, link)
            if (json_equal(id, json_object_get(link, "lesson"))) {
                char text[2048];
                size_t used = 0;
                for (size_t l = 0; l < json_array_size(json_object_get(link, "primer")) && used < sizeof text; l++)
                    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", l ? " " : "",
                                             json_string_value(json_array_get(json_object_get(link, "primer"), l)));
                if (used > 0)
                    add(body, note(view_text(link, "title", ""), text));
            }
}

static json_t *body(const struct session *s)
{
    const struct step *step = session_here(s);
    json_t *list = json_array();
    switch (s->phase) {
    case PHASE_READ:
        add_all(list, json_object_get(step->json, "body"));
        break;
    case PHASE_ANSWER:
    case PHASE_SURE:
    case PHASE_SAVING:
    case PHASE_COMMITTED:
    case PHASE_FAILED:
        if (step->kind == STEP_RECALL)
            add(list, prose(view_text(json_object_get(step->json, "card"), "front", "")));
        add_question(s, list);
        break;
    case PHASE_GRADE:
        add(list, prose(view_text(json_object_get(step->json, "card"), "front", "")));
        add(list, note("The card says", view_text(json_object_get(step->json, "card"), "back", "")));
        break;
    case PHASE_REVEALED:
        add_revealed(s, list);
        break;
    case PHASE_FINISHED: {
        char text[256];
        snprintf(text, sizeof text, "You can now %s.", view_text(document_json(s->document), "win", ""));
        add(list, json_pack("{s:s, s:s}", "view", "heading", "text", "The end of this lesson"));
        add(list, prose(text));
        break;
    }
    }
    if (s->phase == PHASE_READ || s->phase == PHASE_REVEALED)
        add_links(s, list);
    return list;
}

/* --- the dock ----------------------------------------------------------------------------------------------------- */

static json_t *options(const struct session *s)
{
    const struct step *step = session_here(s);
    const json_t *all = json_object_get(step->rule, "options");
    json_t *list = json_array();
    for (int i = 0; i < (int)json_array_size(all) && i < MOST_OPTIONS; i++) {
        const char *id = view_text(json_array_get(all, (size_t)s->order[i]), "id", "");
        json_t *option = option_json(step, id, NULL, NULL);
        json_object_set_new(option, "focused", json_boolean(i == s->focus));
        json_object_set_new(option, "picked", json_boolean(i == s->focus && s->grabbed));
        add(list, option);
    }
    return list;
}

static json_t *input(const struct session *s, const char *label, const char *hint, bool multiline)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:s, s:s}", "view", "input", "label", label, "text", s->line.text,
                     "echo", s->echo, "cursor", (json_int_t)s->line.cursor, "multiline", multiline, "unit",
                     view_text(session_here(s)->rule, "unit", ""), "hint", hint);
}

static void dock_answer(const struct session *s, json_t *dock)
{
    const struct step *step = session_here(s);
    char rule[128];
    answer_rule_text(step, rule, sizeof rule);
    switch (step->kind) {
    case STEP_FILL:    add_cells(s, dock, false); break;
    case STEP_EXPLAIN: add(dock, input(s, "in your words", "write it as you would say it", true)); return;
    case STEP_RECALL:  return;
    default: break;
    }
    switch (step->answer) {
    case ANSWER_CHOICE:
        add(dock, json_pack("{s:s, s:o}", "view", "choices", "options", options(s)));
        break;
    case ANSWER_ORDER:
        add(dock,
            json_pack("{s:s, s:o, s:s}", "view", "ranking", "options", options(s), "first",
                      view_text(step->rule, "first", "")));
        break;
    case ANSWER_PLACE:
        add(dock,
            json_pack("{s:s, s:f, s:f, s:s, s:s, s:f, s:s, s:s}", "view", "place", "from",
                      view_number(step->rule, "from", 0), "to", view_number(step->rule, "to", 1), "scale",
                      view_text(step->rule, "scale", "linear"), "unit", view_text(step->rule, "unit", ""), "at",
                      s->place, "text", s->line.text, "label", "your guess"));
        break;
    case ANSWER_NUMBER:
        add(dock, input(s, "your guess", rule, false));
        return;
    default: break;
    }
    if (s->line.size > 0 || s->echo[0])
        add(dock, input(s, "typed", "", false));
}

static void dock_knobs(const struct session *s, json_t *dock)
{
    const json_t *knobs = json_object_get(session_here(s)->json, "knobs");
    json_t *list = json_array();
    size_t i;
    json_t *knob;
    json_array_foreach((json_t *)(uintptr_t)knobs, i, knob) {
        const char *id = view_text(knob, "id", "");
        json_t *shown = json_pack("{s:s, s:s, s:O, s:b}", "name", id, "label", view_text(knob, "label", id), "value",
                                  json_object_get(s->trial.knobs, id), "focused", (int)i == s->knob);
        if (json_is_string(json_object_get(knob, "value")) && !json_object_get(knob, "choices"))
            json_object_set_new(shown, "bit", json_integer(s->bit));
        static const char *const kept[] = { "choices", "from", "to", "scale", "unit" };
        for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
            if (json_object_get(knob, kept[k]))
                json_object_set(shown, kept[k], json_object_get(knob, kept[k]));
        add(list, shown);
    }
    if (json_array_size(list))
        add(dock, json_pack("{s:s, s:o}", "view", "knobs", "knobs", list));
    else
        json_decref(list);
}

/* "Your guess: 4 times, 95 % sure.": the guess stays in sight while its outcome is computed. */
static void add_commitment(const struct session *s, json_t *dock)
{
    const json_t *guess = guess_of(s), *sure = json_object_get(guess, "confidence");
    char text[512];
    if (session_here(s)->kind != STEP_PREDICT || json_is_null(json_object_get(guess, "value")))
        return;
    if (json_is_integer(sure))
        snprintf(text, sizeof text, "Your guess: %.300s, %d %% sure.", view_text(guess, "text", ""),
                 (int)json_integer_value(sure));
    else
        snprintf(text, sizeof text, "Your guess: %.300s, no more than that.", view_text(guess, "text", ""));
    add(dock, prose(text));
}

static json_t *dock(const struct session *s)
{
    json_t *list = json_array();
    char rule[128];
    switch (s->phase) {
    case PHASE_ANSWER:
        dock_answer(s, list);
        break;
    case PHASE_SURE:
        answer_rule_text(session_here(s), rule, sizeof rule);
        add(list, json_pack("{s:s, s:s, s:s}", "view", "sure", "guess", view_text(s->guess, "text", ""), "rule", rule));
        break;
    case PHASE_SAVING:
        add(list, json_pack("{s:s, s:s}", "view", "working", "label", "saving"));
        break;
    case PHASE_COMMITTED:
        add_commitment(s, list);
        if (s->request_id)
            add(list, json_pack("{s:s, s:s, s:f}", "view", "working", "label", s->label, "fraction", s->fraction));
        else if (session_state_here(s)->skipped)
            add(list, prose("Your guess is stored; no lab could compute its outcome. r (:recompute) tries again."));
        else
            add(list, prose("Your guess is stored; its outcome was not computed yet. Enter computes it."));
        break;
    case PHASE_REVEALED:
        dock_knobs(s, list);
        if (s->request_id && s->fraction > 0)
            add(list, json_pack("{s:s, s:s, s:f}", "view", "working", "label", s->label, "fraction", s->fraction));
        break;
    default:
        break;
    }
    return list;
}

/* --- header, status, footer --------------------------------------------------------------------------------------- */

/* "the catch · step 4 of 6" */
static void where(const struct session *s, char *out, size_t size)
{
    char place[64];
    const char *title = document_part_title(s->document, session_here(s)->part);
    document_place(s->document, s->at, place, sizeof place);
    snprintf(out, size, "%s%s%s", title, *title ? " · " : "", place);
}

static void status(const struct session *s, char *out, size_t size)
{
    const json_t *p = json_object_get(s->shown, "provenance");
    char when[64] = "computed now";
    *out = '\0';
    if (s->unsaved)
        snprintf(out, size, "this answer is not saved");
    if (s->phase != PHASE_REVEALED || !p)
        return;
    if (view_text(p, "cited", NULL)) {
        snprintf(out, size, "cited · %s", view_text(p, "cited", ""));
        return;
    }
    const struct step_state *state = session_state_here(s);
    if (state->result && s->shown == json_object_get(state->result, "outcome") && state->result_utc != 0
        && s->guess == NULL) {
        time_t seconds = (time_t)(state->result_utc / 1000);
        struct tm utc;
        gmtime_r(&seconds, &utc);
        strftime(when, sizeof when, "computed %Y-%m-%d %H:%M UTC", &utc);
    }
    snprintf(out, size, "%s%s%s · %s · %s%s%s · seed %.16s", s->unsaved ? "not saved · " : "", when,
             json_is_true(json_object_get(p, "timed")) ? ", timings vary" : "", view_text(p, "device", "cpu"),
             view_text(p, "isa", "scalar"), view_text(p, "tensor", NULL) ? " · " : "", view_text(p, "tensor", ""),
             view_text(p, "seed", "-"));
}

static void key(json_t *keys, enum command command, const char *name)
{
    char text[32];
    const struct command_info *info = &command_table[command];
    add(keys,
        json_pack("{s:s, s:s, s:s}", "key", command_key_name(info->key, text, sizeof text), "name",
                  name ? name : info->name, "help", info->help));
}

static void plain_key(json_t *keys, const char *name, const char *does)
{
    add(keys, json_pack("{s:s, s:s, s:s}", "key", name, "name", does, "help", does));
}

static void answer_keys(const struct session *s, json_t *keys)
{
    const struct step *step = session_here(s);
    if (session_writing(s)) {
        key(keys, COMMAND_NEXT, "compare with ours");
        plain_key(keys, "Esc", "commands");
        return;
    }
    if (step->kind == STEP_RECALL) {
        key(keys, COMMAND_NEXT, "say it, then look");
        key(keys, COMMAND_SKIP, "skip");
        return;
    }
    if (step->answer == ANSWER_PLACE)
        plain_key(keys, "←→", "move");
    if (step->answer == ANSWER_CHOICE)
        plain_key(keys, "↑↓", "choose");
    if (step->answer == ANSWER_ORDER) {
        plain_key(keys, "↑↓", "move");
        plain_key(keys, "Space", s->grabbed ? "let go" : "take");
    }
    if (step->kind == STEP_FILL) {
        plain_key(keys, "1-9", "fill the cell");
        plain_key(keys, "←→↑↓", "move");
    }
    if (step->answer == ANSWER_NUMBER || step->answer == ANSWER_PLACE)
        plain_key(keys, "0-9", "type a number");
    key(keys, COMMAND_NEXT,
        step->kind == STEP_FILL ? "check" : step->kind == STEP_EXPLAIN ? "compare with ours" : "then how sure");
    if (json_array_size(json_object_get(step->json, "hints")) > (size_t)s->hints)
        key(keys, COMMAND_HINT, "hint");
    if (step->kind == STEP_PREDICT)
        key(keys, COMMAND_NO_IDEA, "no idea");
}

/* What the outcome on screen was computed on: sample tensors have a '/' in their names. */
static const char *shown_tensor(const struct session *s)
{
    return view_text(json_object_get(s->shown, "provenance"), "tensor", "");
}

static json_t *keys(const struct session *s)
{
    json_t *list = json_array();
    switch (s->phase) {
    case PHASE_ANSWER:
        answer_keys(s, list);
        break;
    case PHASE_SURE:
        plain_key(list, "1", "guess");
        plain_key(list, "2", "50 %");
        plain_key(list, "3", "75 %");
        plain_key(list, "4", "95 %");
        plain_key(list, "Esc", "change");
        break;
    case PHASE_GRADE:
        plain_key(list, "1", "again");
        plain_key(list, "2", "good");
        break;
    case PHASE_REVEALED:
        if (json_array_size(json_object_get(session_here(s)->json, "knobs"))) {
            plain_key(list, "←→", session_flips(s) ? "move" : "turn");
            if (session_flips(s))
                plain_key(list, "Space", "flip a bit");
            key(list, COMMAND_KNOB, "next knob");
        }
        key(list, COMMAND_NEXT, "next");
        if (session_here(s)->live)
            key(list, COMMAND_AGAIN, "new seed");
        if (json_array_size(json_object_get(json_object_get(s->shown, "provenance"), "kernels")))
            key(list, COMMAND_CODE, "the code");
        if (json_array_size(json_object_get(session_here(s)->json, "dives")))
            key(list, COMMAND_DIVE, "deeper");
        if (session_here(s)->live && (s->shown_trial.own || strchr(shown_tensor(s), '/')))
            key(list, COMMAND_TENSOR, "your tensor");
        break;
    case PHASE_COMMITTED:
        if (s->request_id)
            plain_key(list, "Esc", "cancel");
        else
            key(list, COMMAND_NEXT, "compute");
        break;
    case PHASE_FAILED:
        key(list, COMMAND_NEXT, session_state_here(s)->skipped ? "go on" : "try again");
        key(list, COMMAND_SKIP, "skip");
        break;
    case PHASE_FINISHED:
        key(list, COMMAND_NEXT, "to the map");
        break;
    default:
        key(list, COMMAND_NEXT, "next");
        break;
    }
    if (!session_writing(s)) {
        key(list, COMMAND_HELP, NULL);
        key(list, COMMAND_QUIT, NULL);
        if (s->at > 0)
            key(list, COMMAND_BACK, NULL);
    }
    return list;
}

json_t *session_view(const struct session *s)
{
    char place[160], line[256];
    where(s, place, sizeof place);
    status(s, line, sizeof line);
    json_t *view =
        json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "title", document_title(s->document), "where", place, "body",
                  body(s), "dock", dock(s), "status", line, "message", s->message, "keys", keys(s));
    json_object_set_new(view, "step", json_string(s->phase == PHASE_FINISHED ? "" : session_here(s)->id));
    json_object_set_new(view, "kind", json_string(step_kind_names[session_here(s)->kind]));
    if (view && s->overlay)
        json_object_set(view, "overlay", s->overlay);
    if (view && json_is_true(json_object_get(json_object_get(s->shown, "provenance"), "timed")))
        json_object_set_new(view, "timed", json_true());
    return view;
}
