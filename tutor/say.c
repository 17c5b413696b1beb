/* say.c: words, lists and forms as sentences; figures are in say_figures.c. See say.h. */
#include "tutor/say.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text.h"
#include "tutor/axis.h"
#include "tutor/sayer.h"

static void add(struct sayer *say, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int need = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (need < 0)
        return;
    if (say->used + (size_t)need + 1 > say->size) {
        say->size = (say->used + (size_t)need + 1) * 2;
        say->text = realloc(say->text, say->size);
        if (!say->text)
            abort();
    }
    vsnprintf(say->text + say->used, say->size - say->used, format, arguments);
    say->used += (size_t)need;
}

void say_add(struct sayer *say, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(say, format, arguments);
    va_end(arguments);
}

void say_more(struct sayer *say, const char *format, ...)
{
    va_list arguments;
    if (say->used > 0)
        say_add(say, "%s", say->text[say->used - 1] == ':' ? " " : ", ");
    va_start(arguments, format);
    add(say, format, arguments);
    va_end(arguments);
}

void say_end(struct sayer *say)
{
    if (say->used == 0)
        return;
    for (size_t i = 0; i < say->used; i++)
        if (say->text[i] == '\n')
            say->text[i] = ' ';
    char *clean = text_clean(say->text);
    say->line(say->context, clean);
    free(clean);
    say->used = 0;
}

void say_text(struct sayer *say, const char *text)
{
    size_t bytes = text ? strlen(text) : 0, next;
    for (; bytes > 0; text += next, bytes -= next) {
        size_t length = text_sentence(text, bytes, &next);
        say_add(say, "%.*s", (int)length, text);
        say_end(say);
    }
}

void say_marks(struct sayer *say, const json_t *marks, const char *unit)
{
    char text[128];
    size_t i;
    json_t *mark;
    json_array_foreach(marks, i, mark) {
        const char *role = view_text(mark, "role", "plain");
        say_add(say, "%s: %s", strcmp(role, "plain") == 0 ? "mark" : role, mark_text(mark, unit, text, sizeof text));
        say_end(say);
    }
}

/* ------------------------------------------------------------------------------------------------------- words */

static void say_prose(struct sayer *say, const json_t *block)
{
    say_text(say, view_text(block, "text", ""));
}

static void say_note(struct sayer *say, const json_t *block)
{
    say_text(say, view_text(block, "title", NULL));
    say_prose(say, block);
}

static void say_code(struct sayer *say, const json_t *block)
{
    const char *text = view_text(block, "text", "");
    say_text(say, view_text(block, "caption", NULL));
    while (*text) {
        size_t bytes = strcspn(text, "\n");
        say_add(say, "%.*s", (int)bytes, text);
        say_end(say);
        text += bytes + (text[bytes] == '\n');
    }
}

static const char *value_text(const json_t *value, char *out, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "yes" : "no";
    return view_format(view_as_number(value), out, size);
}

/* "E4M3: value 240, step 16" */
static void say_row(struct sayer *say, const json_t *columns, const json_t *row)
{
    char number[48];
    size_t c;
    json_t *cell;
    json_array_foreach(row, c, cell) {
        const char *title = json_string_value(json_array_get(columns, c));
        const char *text = value_text(cell, number, sizeof number);
        if (c == 0)
            say_add(say, "%s%s%s:", title && *title ? title : "", title && *title ? " " : "", text);
        else if (title && *title)
            say_more(say, "%s %s", title, text);
        else
            say_more(say, "%s", text);
    }
    say_end(say);
}

static void say_table(struct sayer *say, const json_t *block)
{
    size_t r;
    json_t *row;
    say_text(say, view_text(block, "caption", NULL));
    json_array_foreach(json_object_get(block, "rows"), r, row)
        say_row(say, json_object_get(block, "columns"), row);
    say_text(say, view_text(block, "source", NULL));
}

/* ------------------------------------------------------------------------------------------------------- lists */

static void say_option(struct sayer *say, const json_t *option, int number)
{
    const char *state = view_text(option, "state", NULL), *right = view_text(option, "right", NULL);
    if (view_flag(option, "heading")) {
        say_add(say, "%s", view_text(option, "text", ""));
        say_end(say);
        return;
    }
    if (number)
        say_add(say, "%d. ", number);
    say_add(say, "%s", view_text(option, "text", ""));
    if (view_flag(option, "picked"))
        say_more(say, "your choice");
    if (state && (strcmp(state, "right") == 0 || strcmp(state, "wrong") == 0))
        say_more(say, "%s", state);
    if (right)
        say_more(say, "%s", right);
    if (view_flag(option, "focused"))
        say_more(say, "selected");
    say_end(say);
}

static void say_options(struct sayer *say, const json_t *options, bool numbered)
{
    int number = 0;
    size_t i;
    json_t *option;
    json_array_foreach(options, i, option) {
        number += numbered && !view_flag(option, "heading");
        say_option(say, option, number);
    }
}

static void say_choices(struct sayer *say, const json_t *block)
{
    say_options(say, json_object_get(block, "options"), true);
}

static void say_ranking(struct sayer *say, const json_t *block)
{
    say_text(say, view_text(block, "first", NULL));
    say_choices(say, block);
}

static void say_menu(struct sayer *say, const json_t *block)
{
    const json_t *items = json_object_get(block, "items");
    if (json_array_size(items) == 0)
        say_text(say, view_text(block, "empty", NULL));
    say_options(say, items, false);
}

/* ------------------------------------------------------------------------------------------------------- forms */

static void say_knob(struct sayer *say, const json_t *knob)
{
    const json_t *value = json_object_get(knob, "value"), *choices = json_object_get(knob, "choices");
    const char *unit = view_text(knob, "unit", NULL);
    char number[64];
    size_t i;
    json_t *choice;

    say_add(say, "%s: ", view_text(knob, "label", view_text(knob, "name", "")));
    if (json_is_number(value))
        say_add(say, "%s", view_format_unit(view_as_number(value), unit, number, sizeof number));
    else
        say_add(say, "%s", json_is_boolean(value) ? json_is_true(value) ? "on" : "off" : json_string_value(value));
    if (json_object_get(knob, "from") && json_object_get(knob, "to")) {
        say_add(say, ", from %s", view_format(view_number(knob, "from", 0), number, sizeof number));
        say_add(say, " to %s", view_format(view_number(knob, "to", 0), number, sizeof number));
    }
    json_array_foreach(choices, i, choice)
        say_add(say, "%s%s", i ? " or " : ", one of ", json_string_value(choice));
    say_end(say);
}

static void say_knobs(struct sayer *say, const json_t *block)
{
    size_t i;
    json_t *knob;
    json_array_foreach(json_object_get(block, "knobs"), i, knob)
        say_knob(say, knob);
}

static void say_input(struct sayer *say, const json_t *block)
{
    const char *text = view_text(block, "text", ""), *unit = view_text(block, "unit", NULL);
    const char *label = view_text(block, "label", NULL), *hint = view_text(block, "hint", NULL);
    if (label)
        say_add(say, "%s:", label);
    if (*text)
        say_more(say, "%s", text);
    else if (hint)
        say_more(say, "%s", hint);
    if (unit)
        say_add(say, " %s", unit);
    say_end(say);
    say_text(say, view_text(block, "echo", NULL));
}

static void say_place(struct sayer *say, const json_t *block)
{
    const char *unit = view_text(block, "unit", NULL), *typed = view_text(block, "text", "");
    char number[64];
    say_add(say, "an axis from %s", view_format(view_number(block, "from", 0), number, sizeof number));
    say_add(say, " to %s", view_format_unit(view_number(block, "to", 0), unit, number, sizeof number));
    say_end(say);
    view_format_unit(view_number(block, "at", 0), unit, number, sizeof number);
    say_add(say, "%s: %s", view_text(block, "label", "your guess"), *typed ? typed : number);
    say_end(say);
}

static void say_cells(struct sayer *say, const json_t *block)
{
    const json_t *columns = json_object_get(block, "columns");
    size_t r, c, i;
    json_t *row, *cell, *column, *choice;
    json_array_foreach(json_object_get(block, "rows"), r, row) {
        say_add(say, "%s:", view_text(row, "label", ""));
        json_array_foreach(json_object_get(row, "cells"), c, cell) {
            const char *text = view_text(cell, "text", ""), *right = view_text(cell, "right", NULL);
            const char *state = view_text(cell, "state", NULL);
            say_more(say, "%s %s", view_text(json_array_get(columns, c), "title", ""), *text ? text : "open");
            if (state)
                say_add(say, " %s", state);
            if (right)
                say_add(say, ", it is %s", right);
        }
        say_end(say);
    }
    json_array_foreach(columns, c, column) {
        if (json_array_size(json_object_get(column, "choices")) == 0)
            continue;
        say_add(say, "%s:", view_text(column, "title", ""));
        json_array_foreach(json_object_get(column, "choices"), i, choice)
            say_add(say, "%s %zu is %s", i ? ";" : "", i + 1, json_string_value(choice));
        say_end(say);
    }
}

static void say_sure(struct sayer *say, const json_t *block)
{
    say_add(say, "You say %s.", view_text(block, "guess", ""));
    say_end(say);
    say_text(say, view_text(block, "rule", NULL));
    say_add(say, "How sure? 1 guess, 2 50 %%, 3 75 %%, 4 95 %%.");
    say_end(say);
}

static void say_working(struct sayer *say, const json_t *block)
{
    double fraction = view_number(block, "fraction", NAN);
    say_add(say, "%s", view_text(block, "label", ""));
    if (!isnan(fraction))
        say_add(say, ": %d %%", (int)lrint((fraction < 0 ? 0 : fraction > 1 ? 1 : fraction) * 100));
    say_end(say);
}

/* ------------------------------------------------------------------------------------------------------- views */

/* ORDER VIEW_KIND */
static void (*const say_table_of_kinds[])(struct sayer *, const json_t *) = {
    [VIEW_HEADING] = say_prose, [VIEW_PROSE] = say_prose,   [VIEW_NOTE] = say_note,       [VIEW_QUOTE] = say_prose,
    [VIEW_CODE] = say_code,     [VIEW_TABLE] = say_table,   [VIEW_FORMULA] = say_formula, [VIEW_BITS] = say_bits,
    [VIEW_GRID] = say_grid,     [VIEW_HIST] = say_hist,     [VIEW_HEAT] = say_heat,       [VIEW_MAPS] = say_maps,
    [VIEW_BARS] = say_bars,     [VIEW_INTERVALS] = say_intervals,
    [VIEW_PLOT] = say_plot,     [VIEW_ROOFLINE] = say_roofline, [VIEW_STACK] = say_stack, [VIEW_KNOBS] = say_knobs,
    [VIEW_INPUT] = say_input,   [VIEW_CHOICES] = say_choices, [VIEW_PLACE] = say_place,   [VIEW_RANKING] = say_ranking,
    [VIEW_CELLS] = say_cells,   [VIEW_SURE] = say_sure,     [VIEW_MENU] = say_menu,       [VIEW_WORKING] = say_working,
};
static_assert(sizeof say_table_of_kinds / sizeof *say_table_of_kinds == VIEW_KIND_COUNT, "a row a view kind");

void say_blocks(const json_t *blocks, say_line *line, void *context)
{
    size_t i;
    json_t *block;
    json_array_foreach(blocks, i, block)
        say_block(block, line, context);
}

void say_block(const json_t *block, say_line *line, void *context)
{
    struct sayer say = { .line = line, .context = context };
    enum view_kind kind = view_kind_of(block);
    if (kind < VIEW_KIND_COUNT)
        say_table_of_kinds[kind](&say, block);
    free(say.text);
}

void say_view(const json_t *view, say_line *line, void *context)
{
    struct sayer say = { .line = line, .context = context };
    const json_t *overlay = json_object_get(view, "overlay");

    say_more(&say, "%s", view_text(view, "title", ""));
    if (json_object_get(view, "where"))
        say_more(&say, "%s", view_text(view, "where", ""));
    say_end(&say);
    say_blocks(overlay ? overlay : json_object_get(view, "body"), line, context);
    if (!overlay)
        say_blocks(json_object_get(view, "dock"), line, context);
    say_text(&say, view_text(view, "status", NULL));
    say_text(&say, view_text(view, "message", NULL));
    free(say.text);
}
