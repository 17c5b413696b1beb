/* say_figures.c: figures as sentences, with the numbers that their drawings show. See sayer.h. */
#include <math.h>
#include <string.h>

#include "tutor/axis.h"
#include "tutor/figures.h"
#include "tutor/sayer.h"

static void say_span(struct sayer *say, const json_t *axis, const char *unit)
{
    char from[64], to[64];
    if (!json_object_get(axis, "from") || !json_object_get(axis, "to"))
        return;
    double low = view_number(axis, "from", 0), high = view_number(axis, "to", 0);
    if (axis_is_log(axis) && low <= 0) /* a guess of 0 widens a range to where no logarithm goes */
        low = axis_new(low, high, true, 2).from;
    view_format(low, from, sizeof from);
    view_format_unit(high, unit, to, sizeof to);
    say_more(say, "%sfrom %s to %s", axis_is_log(axis) ? "logarithmic " : "", from, to);
}

void say_formula(struct sayer *say, const json_t *block)
{
    const json_t *terms = json_object_get(block, "terms");
    char text[64];
    size_t i;
    json_t *term;

    say_text(say, view_text(block, "title", NULL));
    json_array_foreach(terms, i, term) {
        const char *source = view_text(term, "source", NULL), *note = view_text(term, "note", NULL);
        bool struck = view_flag(term, "struck");
        if (i > 0)
            say_add(say, "%s ", formula_word(term));
        view_format_unit(view_number(term, "value", NAN), view_text(term, "unit", NULL), text, sizeof text);
        say_add(say, "%s %s", view_text(term, "label", ""), text);
        if (struck)
            say_more(say, "struck out");
        else if (i > 0)
            say_more(say, "makes %s", view_format(formula_value(terms, i + 1), text, sizeof text));
        if (note)
            say_more(say, "%s", note);
        if (source)
            say_more(say, "source %s", source);
        say_end(say);
    }
    view_format_unit(formula_value(terms, json_array_size(terms)), view_text(block, "unit", NULL), text, sizeof text);
    say_add(say, "%s: %s", view_text(block, "result", "result"), text);
    say_end(say);
    say_text(say, view_text(block, "note", NULL));
}

void say_bits(struct sayer *say, const json_t *block)
{
    static const char *const names[BITS_LANES] = { "sign", "exponent", "mantissa" };
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(block, "rows"), i, row) {
        const char *bits = view_text(row, "bits", "");
        int widths[BITS_LANES];
        bits_lanes(row, widths);
        say_add(say, "%s:", view_text(row, "label", ""));
        if (json_object_get(row, "value"))
            say_more(say, "value %s", view_text(row, "value", ""));
        for (int k = 0; k < BITS_LANES; k++) {
            int left = (int)strlen(bits), take = widths[k] < left ? widths[k] : left;
            if (take > 0)
                say_more(say, "%s %.*s", names[k], take, bits);
            bits += take > 0 ? take : 0;
        }
        if (json_object_get(row, "step"))
            say_more(say, "step %s", view_text(row, "step", ""));
        if (json_object_get(row, "note"))
            say_more(say, "%s", view_text(row, "note", ""));
        say_end(say);
    }
    say_text(say, view_text(block, "caption", NULL));
}

/* At most a dozen values in full; more are told by their ends, which the axis shows. */
static void say_values(struct sayer *say, const json_t *values)
{
    char text[48];
    size_t i;
    json_t *value;
    if (json_array_size(values) == 0)
        return;
    say_add(say, "the format's values: ");
    if (json_array_size(values) > 12)
        say_add(say, "too dense to list");
    else
        json_array_foreach(values, i, value)
            say_add(say, "%s%s", i ? ", " : "", view_format(view_as_number(value), text, sizeof text));
    say_end(say);
}

void say_grid(struct sayer *say, const json_t *block)
{
    const char *unit = view_text(block, "unit", NULL);
    say_text(say, view_text(block, "title", NULL));
    say_add(say, "a number line:");
    say_span(say, block, unit);
    say_end(say);
    say_values(say, json_object_get(block, "values"));
    say_marks(say, json_object_get(block, "marks"), unit);
}

void say_hist(struct sayer *say, const json_t *block)
{
    const char *unit = view_text(block, "unit", NULL);
    char text[64];
    say_text(say, view_text(block, "title", NULL));
    say_add(say, "a histogram:");
    say_span(say, block, unit);
    say_more(say, "tallest bin %s", view_format(hist_tallest(json_object_get(block, "counts")), text, sizeof text));
    say_end(say);
    if (json_array_size(json_object_get(block, "after")) > 0) {
        say_add(say, "after rounding, tallest bin %s",
                view_format(hist_tallest(json_object_get(block, "after")), text, sizeof text));
        say_end(say);
    }
    say_values(say, json_object_get(block, "values"));
    say_marks(say, json_object_get(block, "marks"), unit);
    say_text(say, view_text(block, "note", NULL));
}

/* What a map would show at a glance is in the notes and in the sentences below it. */
void say_maps(struct sayer *say, const json_t *block)
{
    const char *measure = view_text(block, "measure", "");
    size_t i;
    json_t *map;
    say_text(say, view_text(block, "title", NULL));
    say_add(say, "maps%s%s on one scale:", *measure ? " of " : "", measure);
    say_more(say, "lowest level %s, highest %s", view_text(block, "low", "none"), view_text(block, "high", "most"));
    say_end(say);
    json_array_foreach(json_object_get(block, "maps"), i, map) {
        const char *note = view_text(map, "note", NULL);
        say_add(say, "%s%s%s", view_text(map, "label", ""), note ? ": " : "", note ? note : "");
        say_end(say);
    }
}

void say_heat(struct sayer *say, const json_t *block)
{
    const json_t *shape = json_object_get(block, "shape");
    const char *measure = view_text(block, "measure", "");
    char text[48];
    size_t i;
    json_t *mark, *row;
    bool nan = false;

    say_text(say, view_text(block, "title", NULL));
    say_add(say, "a heat map%s%s:", *measure ? " of " : "", measure);
    say_more(say, "%s rows", view_format(view_as_number(json_array_get(shape, 0)), text, sizeof text));
    if (json_object_get(block, "row"))
        say_add(say, " (%s)", view_text(block, "row", ""));
    say_more(say, "%s columns", view_format(view_as_number(json_array_get(shape, 1)), text, sizeof text));
    if (json_object_get(block, "column"))
        say_add(say, " (%s)", view_text(block, "column", ""));
    say_more(say, "lowest level %s, highest %s", view_text(block, "low", "none"), view_text(block, "high", "most"));
    say_end(say);
    json_array_foreach(json_object_get(block, "marks"), i, mark) {
        view_format(view_number(mark, "at", 0), text, sizeof text);
        say_add(say, "marked column %s: %s", text, view_text(mark, "label", ""));
        say_end(say);
    }
    json_array_foreach(json_object_get(block, "rows"), i, row)
        nan = nan || strchr(json_string_value(row), 'n');
    if (nan) {
        say_add(say, "some values are NaN");
        say_end(say);
    }
}

static void say_parts(struct sayer *say, const json_t *parts)
{
    char text[48];
    size_t i;
    json_t *part;
    json_array_foreach(parts, i, part)
        say_more(say, "%s %s", view_format(view_number(part, "value", NAN), text, sizeof text),
                 view_text(part, "label", ""));
}

void say_bars(struct sayer *say, const json_t *block)
{
    const char *unit = view_text(block, "unit", NULL);
    char text[64];
    size_t i;
    json_t *bar;
    say_text(say, view_text(block, "title", NULL));
    json_array_foreach(json_object_get(block, "bars"), i, bar) {
        say_add(say, "%s:", view_text(bar, "label", ""));
        say_more(say, "%s", view_format_unit(bar_value(bar), unit, text, sizeof text));
        say_parts(say, json_object_get(bar, "parts"));
        if (json_object_get(bar, "guess"))
            say_more(say, "you %s", view_format(view_number(bar, "guess", NAN), text, sizeof text));
        if (json_object_get(bar, "low") && json_object_get(bar, "high")) {
            say_more(say, "spread %s", view_format(view_number(bar, "low", NAN), text, sizeof text));
            say_add(say, " to %s", view_format(view_number(bar, "high", NAN), text, sizeof text));
        }
        if (json_object_get(bar, "note"))
            say_more(say, "%s", view_text(bar, "note", ""));
        say_end(say);
    }
    say_marks(say, json_object_get(block, "marks"), unit);
}

void say_intervals(struct sayer *say, const json_t *block)
{
    const char *unit = view_text(block, "unit", NULL);
    const json_t *columns = json_object_get(block, "columns");
    char text[160];
    size_t i, c;
    json_t *row, *cell;
    say_text(say, view_text(block, "title", NULL));
    json_array_foreach(json_object_get(block, "rows"), i, row) {
        say_add(say, "%s:", view_text(row, "label", ""));
        if (*interval_text(row, unit, text, sizeof text))
            say_more(say, "%s", text);
        json_array_foreach(json_object_get(row, "cells"), c, cell) {
            const char *title = json_string_value(json_array_get(columns, c));
            if (*json_string_value(cell))
                say_more(say, "%s%s%s", title ? title : "", title && *title ? " " : "", json_string_value(cell));
        }
        say_end(say);
    }
}

void say_stack(struct sayer *say, const json_t *block)
{
    const char *unit = view_text(block, "unit", NULL);
    char text[64];
    size_t i;
    json_t *row;
    say_text(say, view_text(block, "title", NULL));
    say_add(say, "capacity %s", view_format_unit(view_number(block, "capacity", NAN), unit, text, sizeof text));
    say_end(say);
    json_array_foreach(json_object_get(block, "rows"), i, row) {
        say_add(say, "%s:", view_text(row, "label", ""));
        say_parts(say, json_object_get(row, "parts"));
        if (json_object_get(row, "note"))
            say_more(say, "%s", view_text(row, "note", ""));
        say_end(say);
    }
    say_marks(say, json_object_get(block, "marks"), unit);
}

/* How a curve goes, in words: its numbers are its points, of which the drawing names the last. */
static const char *shape_of(const json_t *y)
{
    bool up = false, down = false;
    for (size_t i = 1; i < json_array_size(y); i++) {
        double step = view_as_number(json_array_get(y, i)) - view_as_number(json_array_get(y, i - 1));
        up = up || step > 0;
        down = down || step < 0;
    }
    return up && down ? "rises and falls" : up ? "rises" : down ? "falls" : "is level";
}

static void say_axis(struct sayer *say, const char *name, const json_t *axis)
{
    if (!axis)
        return;
    say_add(say, "%s: %s", name, view_text(axis, "label", ""));
    if (json_object_get(axis, "unit"))
        say_more(say, "%s", view_text(axis, "unit", ""));
    if (axis_is_log(axis))
        say_more(say, "logarithmic");
    say_end(say);
}

static void say_reference(struct sayer *say, const json_t *ref, const char *who, const json_t *block)
{
    char text[160];
    bool on_x = json_object_get(ref, "x") != NULL;
    if (!on_x && !json_object_get(ref, "y"))
        return;
    const char *unit = view_text(json_object_get(block, on_x ? "x" : "y"), "unit", NULL);
    say_add(say, "%s: at %s %s", who, on_x ? "x" : "y", plot_reference(ref, unit, who, text, sizeof text));
    say_end(say);
}

void say_plot(struct sayer *say, const json_t *block)
{
    char text[64];
    size_t i;
    json_t *item;
    say_text(say, view_text(block, "title", NULL));
    say_axis(say, "x", json_object_get(block, "x"));
    say_axis(say, "y", json_object_get(block, "y"));
    json_array_foreach(json_object_get(block, "series"), i, item) {
        const json_t *y = json_object_get(item, "y");
        size_t count = json_array_size(y);
        double last = count ? view_as_number(json_array_get(y, count - 1)) : NAN;
        say_add(say, "%s: %s", view_text(item, "label", ""), shape_of(y));
        if (!isnan(last)) /* a curve that ends in a gap has no last value to name */
            say_add(say, ", ends at %s", view_format(last, text, sizeof text));
        say_end(say);
    }
    json_array_foreach(json_object_get(block, "refs"), i, item)
        say_reference(say, item, "line", block);
    say_reference(say, json_object_get(block, "guess"), "you", block);
}

void say_roofline(struct sayer *say, const json_t *block)
{
    char text[256];
    size_t i;
    json_t *item;
    say_text(say, view_text(block, "title", NULL));
    json_array_foreach(json_object_get(block, "roofs"), i, item) {
        say_add(say, "%s", roofline_roof(item, text, sizeof text));
        say_end(say);
    }
    json_array_foreach(json_object_get(block, "points"), i, item) {
        say_add(say, "%s", roofline_point(item, text, sizeof text));
        say_end(say);
    }
}
