/* session_answer.c: making a guess: options, order, place, number and cells. See session.h.
 * Keys and plain text end in the same state; nothing here is stored. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/session_state.h"
#include "engine/view.h"

void session_shuffle(struct session *s)
{
    const struct step *step = session_here(s);
    char hex[17];
    int n = (int)json_array_size(json_object_get(step->rule, "options"));
    session_seed(s, 0, hex);
    answer_shuffle(strtoull(hex, NULL, 16), n < MOST_OPTIONS ? n : MOST_OPTIONS, s->order);
}

static const json_t *options_of(const struct session *s)
{
    return json_object_get(session_here(s)->rule, "options");
}

static const char *option_id(const struct session *s, int shown)
{
    return view_text(json_array_get(options_of(s), (size_t)s->order[shown]), "id", "");
}

int session_option_count(const struct session *s)
{
    int n = (int)json_array_size(options_of(s));
    return n < MOST_OPTIONS ? n : MOST_OPTIONS;
}

/* "2" or an option id -> the place on screen, or -1. */
static int find_option(const struct session *s, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end != text && *end == '\0')
        return n >= 1 && n <= session_option_count(s) ? (int)n - 1 : -1;
    for (int i = 0; i < session_option_count(s); i++)
        if (strcmp(option_id(s, i), text) == 0)
            return i;
    return -1;
}

/* "2 1 4 3", best first -> the items in that order; false if it is no permutation. */
static bool read_order(struct session *s, const char *text)
{
    int picked[MOST_OPTIONS], n = session_option_count(s), count = 0;
    bool used[MOST_OPTIONS] = { false };
    char copy[LINE_MAX_BYTES + 1];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok(copy, " ,>"); word; word = strtok(NULL, " ,>")) {
        int i = find_option(s, word);
        if (i < 0 || used[i] || count == n)
            return false;
        used[i] = true;
        picked[count++] = s->order[i];
    }
    if (count != n)
        return false;
    memcpy(s->order, picked, (size_t)n * sizeof picked[0]);
    return true;
}

json_t *session_order(const struct session *s)
{
    json_t *ids = json_array();
    for (int i = 0; i < session_option_count(s); i++)
        json_array_append_new(ids, json_string(option_id(s, i)));
    return ids;
}

static void order_text(const struct session *s, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < session_option_count(s) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                                 view_text(json_array_get(options_of(s), (size_t)s->order[i]), "text", ""));
}

/* A typed place beyond the axis is no place; why[0..size) says where the axis ends. */
static bool on_axis(const json_t *rule, double value, char *why, size_t size)
{
    char low[64], high[64];
    const char *unit = view_text(rule, "unit", "");
    double from = view_number(rule, "from", 0), to = view_number(rule, "to", 1);
    if (value >= from && value <= to)
        return true;
    snprintf(why, size, "the axis runs from %s to %s: type a place on it",
             view_format_unit(from, unit, low, sizeof low), view_format_unit(to, unit, high, sizeof high));
    return false;
}

/* Reads the guess that stands on screen. On success s->guess and its echo are set. */
bool session_read_guess(struct session *s)
{
    const struct step *step = session_here(s);
    const char *unit = view_text(step->rule, "unit", "");
    double value = s->place;
    json_t *json = NULL;
    char text[256] = "";
    if (strcmp(s->line.text, "-") == 0) {
        snprintf(text, sizeof text, "no idea");
        json = json_null();
    } else if (step->answer == ANSWER_NUMBER || (step->answer == ANSWER_PLACE && s->line.size > 0)) {
        if (!answer_read_number(s->line.text, unit, &value, text, sizeof text)) {
            snprintf(s->echo, sizeof s->echo, "%s", text);
            return false;
        }
        if (step->answer == ANSWER_PLACE && !on_axis(step->rule, value, s->echo, sizeof s->echo))
            return false;
        json = json_real(value);
    } else if (step->answer == ANSWER_PLACE) {
        view_format_unit(value, unit, text, sizeof text);
        json = json_real(value);
    } else if (step->answer == ANSWER_CHOICE) {
        int picked = s->line.size > 0 ? find_option(s, s->line.text) : s->focus;
        if (picked < 0) {
            snprintf(s->echo, sizeof s->echo, "there is no option '%.40s': type 1 to %d, or its id", s->line.text,
                     session_option_count(s));
            return false;
        }
        s->focus = picked;
        json = json_string(option_id(s, picked));
        snprintf(text, sizeof text, "%s", answer_option_text(step, option_id(s, picked)));
    } else if (step->answer == ANSWER_ORDER) {
        if (s->line.size > 0 && !read_order(s, s->line.text)) {
            snprintf(s->echo, sizeof s->echo, "type each of 1 to %d once, best first, like 2 1 3",
                     session_option_count(s));
            return false;
        }
        json = session_order(s);
        order_text(s, text, sizeof text);
    }
    session_set(&s->guess, json_pack("{s:o, s:s, s:s}", "value", json, "text", text, "raw", s->line.text));
    snprintf(s->echo, sizeof s->echo, "%s", text);
    if (step->answer == ANSWER_ORDER && json_is_array(json))
        line_clear(&s->line); /* the list stands as typed now: its numbers mean something else from here on */
    return true;
}

static unsigned move_item(struct session *s, int to)
{
    int n = session_option_count(s);
    if (to < 0 || to >= n)
        return FX_BELL;
    if (s->grabbed) {
        int t = s->order[s->focus];
        s->order[s->focus] = s->order[to];
        s->order[to] = t;
    }
    s->focus = to;
    return FX_DRAW;
}

static unsigned slide(struct session *s, int direction, int ticks)
{
    const json_t *rule = session_here(s)->rule;
    double from = view_number(rule, "from", 0), to = view_number(rule, "to", 1);
    if (strcmp(view_text(rule, "scale", "linear"), "log") == 0)
        s->place *= pow(to / from, direction * ticks / 100.0);
    else
        s->place += direction * ticks * view_number(rule, "tick", (to - from) / 60);
    s->place = fmin(fmax(s->place, from), to);
    line_clear(&s->line);
    s->echo[0] = '\0';
    return FX_DRAW;
}

double session_middle(const json_t *rule)
{
    double from = view_number(rule, "from", 0), to = view_number(rule, "to", 1);
    return strcmp(view_text(rule, "scale", "linear"), "log") == 0 ? sqrt(from * to) : (from + to) / 2;
}

static int cell_count(const struct session *s)
{
    size_t n = json_array_size(json_object_get(session_here(s)->json, "columns"))
             * json_array_size(json_object_get(session_here(s)->json, "rows"));
    return n < MOST_CELLS ? (int)n : MOST_CELLS;
}

/* Sets the focused cell from a digit or a choice's text, and goes on to the next one. */
bool session_set_cell(struct session *s, const char *text)
{
    const json_t *columns = json_object_get(session_here(s)->json, "columns");
    size_t width = json_array_size(columns);
    const json_t *choices = json_object_get(json_array_get(columns, (size_t)s->focus % width), "choices");
    char *end;
    long n = strtol(text, &end, 10);
    int pick = -1;
    for (size_t i = 0; i < json_array_size(choices); i++)
        if (strcmp(json_string_value(json_array_get(choices, i)), text) == 0)
            pick = (int)i;
    if (pick < 0 && end != text && *end == '\0' && n >= 1 && n <= (long)json_array_size(choices))
        pick = (int)n - 1;
    if (pick < 0) {
        snprintf(s->echo, sizeof s->echo, "type 1 to %zu for this cell", json_array_size(choices));
        return false;
    }
    s->cells[s->focus] = pick;
    s->echo[0] = '\0';
    if (s->focus + 1 < cell_count(s))
        s->focus++;
    return true;
}

int session_empty_cells(const struct session *s)
{
    int empty = 0;
    for (int i = 0; i < cell_count(s); i++)
        empty += s->cells[i] < 0;
    return empty;
}

static unsigned move_cell(struct session *s, int by)
{
    int to = s->focus + by;
    if (to < 0 || to >= cell_count(s))
        return FX_BELL;
    s->focus = to;
    return FX_DRAW;
}

/* Arrow keys and the space bar while a guess is being made. 0: the key is not one of these. */
unsigned session_answer_key(struct session *s, uint32_t key)
{
    const struct step *step = session_here(s);
    int width = (int)json_array_size(json_object_get(step->json, "columns"));
    int side = key == KEY_CODE_RIGHT ? 1 : key == KEY_CODE_LEFT ? -1 : 0;
    int rise = key == KEY_CODE_DOWN ? 1 : key == KEY_CODE_UP ? -1 : 0;
    int page = key == KEY_CODE_CTRL_RIGHT ? 1 : key == KEY_CODE_CTRL_LEFT ? -1 : 0;
    if (step->answer == ANSWER_PLACE && (side || page))
        return side ? slide(s, side, 1) : slide(s, page, 10);
    if (step->answer == ANSWER_CHOICE && rise) {
        line_clear(&s->line);
        return move_item(s, s->focus + rise);
    }
    if (step->answer == ANSWER_ORDER && rise)
        return move_item(s, s->focus + rise);
    if (step->answer == ANSWER_ORDER && key == ' ' && s->line.size == 0) {
        s->grabbed = !s->grabbed;
        return FX_DRAW;
    }
    if (step->kind == STEP_FILL && (side || rise))
        return move_cell(s, side + rise * width);
    return 0;
}

/* What a line can hold before letters may follow: a number's start, or the digit of an option. */
bool session_starts_text(const struct session *s, uint32_t key)
{
    if (session_writing(s))
        return key >= ' ' && key < KEY_CODE_ENTER;
    if (session_here(s)->kind == STEP_RECALL)
        return false;
    return (key >= '0' && key <= '9') || key == '.' || key == '+' ||
        (key == '-' && session_here(s)->answer != ANSWER_NONE);
}

void session_echo(struct session *s)
{
    const struct step *step = session_here(s);
    double value;
    s->echo[0] = '\0';
    if (strcmp(s->line.text, "-") == 0)
        snprintf(s->echo, sizeof s->echo, "no idea: Enter stores it, unscored");
    else if (s->line.size > 0 && (step->answer == ANSWER_NUMBER || step->answer == ANSWER_PLACE)
             && answer_read_number(s->line.text, view_text(step->rule, "unit", ""), &value, s->echo, sizeof s->echo)
             && step->answer == ANSWER_PLACE)
        s->place = fmin(fmax(value, view_number(step->rule, "from", 0)), view_number(step->rule, "to", 1));
}

unsigned session_type_key(struct session *s, uint32_t key)
{
    const struct step *step = session_here(s);
    if (!line_key(&s->line, key))
        return FX_BELL;
    int shown = step->answer == ANSWER_CHOICE ? find_option(s, s->line.text) : -1;
    if (shown >= 0)
        s->focus = shown;
    if (step->kind == STEP_FILL) {
        bool digit = s->line.size == 1 && s->line.text[0] >= '0' && s->line.text[0] <= '9';
        if (digit) {
            bool taken = session_set_cell(s, s->line.text);
            line_clear(&s->line);
            return taken ? FX_DRAW : FX_DRAW | FX_BELL;
        }
    }
    session_echo(s);
    return FX_DRAW;
}

/* Cells as typed, and how many are right. */
json_t *session_cells(const struct session *s, int *right, int *all)
{
    const json_t *columns = json_object_get(session_here(s)->json, "columns");
    const json_t *rows = json_object_get(session_here(s)->json, "rows");
    json_t *texts = json_array();
    size_t width = json_array_size(columns);
    *right = *all = 0;
    for (size_t r = 0; r < json_array_size(rows); r++)
        for (size_t c = 0; c < width && *all < MOST_CELLS; c++) {
            int pick = s->cells[r * width + c];
            json_t *text = json_array_get(json_object_get(json_array_get(columns, c), "choices"), (size_t)pick);
            const json_t *wanted = json_array_get(json_object_get(json_array_get(rows, r), "cells"), c);
            *right += json_equal(text, wanted) ? 1 : 0;
            ++*all;
            json_array_append(texts, text ? text : json_null());
        }
    return texts;
}
