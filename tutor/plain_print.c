/* plain_print.c: what of a view is new, as lines. See plain_print.h. */
#include "tutor/plain_print.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text.h"
#include "engine/view.h"
#include "tutor/say.h"

enum { LINE_BYTES = 16384 };

#define MEASURED "<measured>"

/* --- masking ------------------------------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The end of the number that starts at `at`: digits, with separators between digits, and an exponent. */
static const char *number_end(const char *at)
{
    while (is_digit(*at) || ((*at == '.' || *at == ',') && is_digit(at[1])))
        at++;
    if (*at == 'e' && (is_digit(at[1]) || ((at[1] == '-' || at[1] == '+') && is_digit(at[2]))))
        for (at += 2; is_digit(*at); at++)
            ;
    return at;
}

/* Skips the prefix of a rate that follows a number: a slower run prints MB/s where another prints GB/s. */
static const char *skip_prefix(const char *at)
{
    bool rate = at[0] == ' ' && at[1] && strchr("KMGTP", at[1]) &&
        (strncmp(at + 2, "B/s", 3) == 0 || strncmp(at + 2, "FLOP/s", 6) == 0);
    return rate ? at + 2 : at;
}

void plain_mask(const char *line, const char *machine, bool numbers, char *out, size_t size)
{
    size_t used = 0, length = machine ? strlen(machine) : 0;
    char before = ' ';
    *out = '\0';
    while (*line && used + sizeof MEASURED < size) {
        const char *end = NULL;
        if (length && strncmp(line, machine, length) == 0)
            end = line + length;
        else if (numbers && is_digit(*line) && !isalnum((unsigned char)before))
            end = number_end(line);
        if (end) {
            line = skip_prefix(end);
            used += (size_t)snprintf(out + used, size - used, line == end ? MEASURED : MEASURED " ");
            before = '0';
            continue;
        }
        before = *line;
        out[used++] = *line++;
        out[used] = '\0';
    }
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

struct saying {
    struct plain_print *print;
    bool                timed;
};

static void say_masked(void *context, const char *line)
{
    const struct saying *saying = context;
    char masked[LINE_BYTES], *ascii = saying->print->ascii ? text_ascii(line) : NULL;
    line = ascii ? ascii : line;
    if (saying->print->mask) {
        plain_mask(line, saying->print->machine, saying->timed, masked, sizeof masked);
        line = masked;
    }
    puts(line);
    free(ascii);
}

void plain_print_line(struct plain_print *print, const char *line)
{
    struct saying saying = { print, false };
    char *clean = text_clean(line);
    say_masked(&saying, clean);
    free(clean);
}

/* "setup · step 1 of 6" is read aloud as "setup, step 1 of 6". */
static void without_dots(const char *text, char *out, size_t size)
{
    static const char dot[] = " \xc2\xb7 ";
    size_t used = 0;
    while (*text && used + 3 < size) {
        bool is_dot = strncmp(text, dot, sizeof dot - 1) == 0;
        out[used++] = is_dot ? ',' : *text;
        if (is_dot)
            out[used++] = ' ';
        text += is_dot ? sizeof dot - 1 : 1;
    }
    out[used] = '\0';
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

/* The mark on an axis is typed here. */
static json_t *place_as_input(const json_t *place)
{
    char from[64], to[64], hint[160];
    const char *unit = view_text(place, "unit", "");
    view_format(view_number(place, "from", 0), from, sizeof from);
    view_format_unit(view_number(place, "to", 0), unit, to, sizeof to);
    snprintf(hint, sizeof hint, "a value from %s to %s", from, to);
    return json_pack("{s:s, s:s, s:s, s:s}", "view", "input", "label", view_text(place, "label", "your guess"),
                     "text", "", "hint", hint);
}

/* Without what was typed so far; NULL when it shows nothing else. */
static json_t *empty_input(const json_t *input)
{
    const char *label = view_text(input, "label", ""), *unit = view_text(input, "unit", "");
    const char *hint = view_text(input, "hint", "");
    if (!*hint)
        return NULL;
    json_t *title = *unit ? json_sprintf("%s, in %s", label, unit) : json_string(label);
    return json_pack("{s:s, s:o, s:s, s:s}", "view", "input", "label", title, "text", "", "hint", hint);
}

static json_t *without_focus(const json_t *block, const char *list)
{
    json_t *copy = json_deep_copy(block), *item;
    size_t i;
    json_array_foreach(json_object_get(copy, list), i, item)
        json_object_del(item, "focused");
    return copy;
}

/* Items are picked by their number. */
static json_t *numbered(json_t *menu)
{
    size_t i;
    json_t *item;
    int number = 0;
    json_array_foreach(json_object_get(menu, "items"), i, item) {
        if (view_flag(item, "heading"))
            continue;
        json_t *text = json_sprintf("%d. %s", ++number, view_text(item, "text", ""));
        json_object_set_new(item, "text", text);
    }
    return menu;
}

/* A knob is turned by its name, so the name is said as well. */
static json_t *named(json_t *knobs)
{
    size_t i;
    json_t *knob;
    json_array_foreach(json_object_get(knobs, "knobs"), i, knob) {
        const char *name = view_text(knob, "name", ""), *label = view_text(knob, "label", name);
        bool same = strcmp(name, label) == 0;
        json_t *text = same ? json_sprintf("knob %s", name) : json_sprintf("knob %s, %s", name, label);
        json_object_set_new(knob, "label", text);
    }
    return knobs;
}

/* Cells are news once; afterwards the prompt says which cell is next. */
static json_t *without_answers(json_t *cells)
{
    size_t r, c;
    json_t *row, *cell;
    json_array_foreach(json_object_get(cells, "rows"), r, row)
        json_array_foreach(json_object_get(row, "cells"), c, cell)
            if (!json_object_get(cell, "state"))
                json_array_set_new(json_object_get(row, "cells"), c, json_pack("{s:s, s:b}", "text", "", "open", 1));
    return cells;
}

/* A block as it is printed and as news is judged: without what is typed, and where the focus stands. NULL: never. */
static json_t *as_news(const json_t *block)
{
    switch (view_kind_of(block)) {
    case VIEW_WORKING: return NULL;
    case VIEW_PLACE:   return place_as_input(block);
    case VIEW_INPUT:   return empty_input(block);
    case VIEW_CHOICES:
    case VIEW_RANKING: return without_focus(block, "options");
    case VIEW_MENU:    return numbered(without_focus(block, "items"));
    case VIEW_KNOBS:   return named(without_focus(block, "knobs"));
    case VIEW_CELLS:   return without_answers(json_deep_copy(block));
    default:           return json_deep_copy(block);
    }
}

static bool take_equal(json_t *list, const json_t *block)
{
    size_t i;
    json_t *other;
    json_array_foreach(list, i, other)
        if (json_equal(other, block)) {
            json_array_remove(list, i);
            return true;
        }
    return false;
}

static void print_list(struct saying *saying, json_t *old, json_t *now, const json_t *blocks)
{
    for (size_t i = 0; i < json_array_size(blocks); i++) {
        json_t *block = as_news(json_array_get(blocks, i));
        if (!block)
            continue;
        if (!take_equal(old, block))
            say_block(block, say_masked, saying);
        json_array_append_new(now, block);
    }
}

void plain_print_blocks(struct plain_print *print, const json_t *blocks, bool timed)
{
    struct saying saying = { print, timed };
    for (size_t i = 0; i < json_array_size(blocks); i++) {
        json_t *block = as_news(json_array_get(blocks, i));
        if (block)
            say_block(block, say_masked, &saying);
        json_decref(block);
    }
}

/* A status or message, when it changed. */
static void print_text(struct plain_print *print, const char *text, char *last, size_t size)
{
    char plain[512];
    without_dots(text, plain, sizeof plain);
    if (*plain && strcmp(plain, last) != 0)
        plain_print_line(print, plain);
    snprintf(last, size, "%s", plain);
}

static void print_title(struct plain_print *print, const json_t *view)
{
    char screen[320], where[160];
    const char *title = view_text(view, "title", ""), *step = view_text(view, "step", "");
    without_dots(view_text(view, "where", ""), where, sizeof where);
    snprintf(screen, sizeof screen, "%s%s%s", title, *where ? ", " : "", where);
    size_t n = strlen(screen);
    char identity[400];
    snprintf(identity, sizeof identity, "%s\n%s", screen, step);
    if (strcmp(identity, print->screen) == 0)
        return;
    plain_print_anew(print);
    snprintf(print->screen, sizeof print->screen, "%s", identity);
    if (print->begun)
        putchar('\n');
    print->begun = true;
    if (n)
        plain_print_line(print, screen);
}

void plain_print_view(struct plain_print *print, const json_t *view)
{
    struct saying saying = { print, json_is_true(json_object_get(view, "timed")) };
    const json_t *overlay = json_object_get(view, "overlay");
    print_title(print, view);
    json_t *old = print->shown ? print->shown : json_array(), *now = json_array();
    print_list(&saying, old, now, json_object_get(view, "body"));
    saying.timed = false; /* knobs are what the learner set */
    print_list(&saying, old, now, json_object_get(view, "dock"));
    print_list(&saying, old, now, overlay);
    json_decref(old);
    print->shown = now;
    print_text(print, view_text(view, "status", ""), print->status, sizeof print->status);
    print_text(print, view_text(view, "message", ""), print->message, sizeof print->message);
    fflush(stdout);
}

void plain_print_anew(struct plain_print *print)
{
    json_decref(print->shown);
    print->shown = NULL;
    print->screen[0] = print->status[0] = print->message[0] = '\0';
}

void plain_print_listen(struct plain_print *print)
{
    print->message[0] = '\0';
}

void plain_print_free(struct plain_print *print)
{
    json_decref(print->shown);
    print->shown = NULL;
}
