/* figures_bars.c: bars on one axis, split or whole, the learner's guess on the same axis. */
#include "tutor/figures.h"

#include <math.h>
#include <string.h>

#include "tutor/axis.h"

enum { LABEL_MOST = 24, TRACK_LEAST = 10, MARKS = 8, AIRY = 5 }; /* up to AIRY bars stand apart */

double bar_value(const json_t *bar)
{
    double sum = 0;
    size_t i;
    json_t *part;
    if (json_object_get(bar, "value"))
        return view_number(bar, "value", NAN);
    json_array_foreach(json_object_get(bar, "parts"), i, part)
        sum += view_number(part, "value", 0);
    return sum;
}

struct layout {
    int label, track, text; /* widths: names, bars, numbers behind them */
    bool own_line;          /* names stand on lines of their own */
    bool below;             /* numbers stand below their bars */
    struct axis axis;
};

/* What stands behind a bar: value, guess, spread, note. */
static char *bar_text(const json_t *bar, const char *unit, char *out, size_t size)
{
    char value[64], low[32], high[32], guess[32] = "", spread[96] = "";
    const char *note = view_text(bar, "note", "");
    view_format_unit(bar_value(bar), unit, value, sizeof value);
    if (json_object_get(bar, "guess"))
        view_format(view_number(bar, "guess", NAN), guess, sizeof guess);
    if (json_object_get(bar, "low") && json_object_get(bar, "high"))
        snprintf(spread, sizeof spread, ", %s to %s", view_format(view_number(bar, "low", NAN), low, sizeof low),
                 view_format(view_number(bar, "high", NAN), high, sizeof high));
    snprintf(out, size, "%s%s%s%s%s%s", value, *guess ? ", you " : "", guess, spread, *note ? "  " : "", note);
    return out;
}

static double largest(const json_t *block)
{
    double most = 0;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(block, "bars"), i, item) {
        double ends[] = { bar_value(item), view_number(item, "high", 0), view_number(item, "guess", 0) };
        for (int k = 0; k < 3; k++)
            most = isfinite(ends[k]) && ends[k] > most ? ends[k] : most;
    }
    json_array_foreach(json_object_get(block, "marks"), i, item) {
        double at = view_number(item, "at", 0);
        most = isfinite(at) && at > most ? at : most;
    }
    return most > 0 ? most : 1;
}

static struct layout layout_of(const struct pen *pen, const json_t *block)
{
    struct layout l = { 0 };
    char text[512];
    size_t i;
    json_t *bar;
    json_array_foreach(json_object_get(block, "bars"), i, bar) {
        int label = text_width(view_text(bar, "label", ""));
        int behind = text_width(bar_text(bar, view_text(block, "unit", NULL), text, sizeof text));
        l.label = label > l.label ? label : l.label;
        l.text = behind > l.text ? behind : l.text;
    }
    l.own_line = l.label > LABEL_MOST || l.label + TRACK_LEAST + 14 > pen->width;
    l.label = l.own_line ? 0 : l.label + 2;
    l.below = l.label + TRACK_LEAST + 1 + l.text > pen->width || l.text > pen->width / 2;
    l.track = pen->width - l.label - (l.below ? 0 : l.text + 1);
    l.axis = axis_new(view_number(block, "from", 0), view_number(block, "to", largest(block)), axis_is_log(block),
                      l.track);
    return l;
}

/* Cells from the left end of the track to a value, in fractions of a cell. */
static double reach(const struct layout *l, double value)
{
    double place = axis_place(&l->axis, value);
    return place <= 0 || isnan(place) ? 0 : place > 1 ? l->track : place * l->track;
}

static enum style part_style(const json_t *part, size_t i)
{
    const char *role = view_text(part, "role", NULL);
    return role && strcmp(role, "plain") != 0 ? mark_style(role) : (enum style)(STYLE_PART0 + i % STYLE_PARTS);
}

static void draw_parts(struct pen *pen, const struct layout *l, int y, const json_t *parts)
{
    double sum = 0;
    size_t i;
    json_t *part;
    json_array_foreach(parts, i, part) {
        int from = (int)lrint(reach(l, sum));
        sum += view_number(part, "value", 0);
        int to = (int)lrint(reach(l, sum));
        for (int x = from; x < to; x++)
            pen_text(pen, l->label + x, y, pen->ascii ? (i % 2 ? "-" : "=") : "█", part_style(part, i));
    }
}

/* The spread as a thin line over the bar's end, with a tick where the bar ends. */
static void draw_spread(struct pen *pen, const struct layout *l, int y, const json_t *bar)
{
    if (!json_object_get(bar, "low") || !json_object_get(bar, "high"))
        return;
    int low = (int)reach(l, view_number(bar, "low", 0)), high = (int)reach(l, view_number(bar, "high", 0));
    high = high >= l->track ? l->track - 1 : high;
    if (high <= low)
        return;
    pen_put(pen, l->label + low, y, GLYPH_LOW, STYLE_LIMIT);
    pen_run(pen, l->label + low + 1, y, high - low - 1, GLYPH_LINE, STYLE_LIMIT);
    pen_put(pen, l->label + high, y, GLYPH_HIGH, STYLE_LIMIT);
    int end = (int)reach(l, bar_value(bar));
    if (end > low && end < high)
        pen_put(pen, l->label + end, y, GLYPH_TICK, STYLE_TEXT);
}

static void draw_guess(struct pen *pen, const struct layout *l, int y, const json_t *bar)
{
    int column = json_object_get(bar, "guess") ? axis_column(&l->axis, view_number(bar, "guess", NAN)) : -1;
    if (column >= 0)
        pen_put(pen, l->label + column, y, GLYPH_GUESS, STYLE_GUESS);
}

/* The names of the parts, each in the style of its part. */
static int part_names(struct pen *pen, int indent, int y, const json_t *parts)
{
    int x = indent, top = y;
    size_t i;
    json_t *part;
    json_array_foreach(parts, i, part) {
        char number[48], text[160];
        snprintf(text, sizeof text, "%s %s", view_format(view_number(part, "value", NAN), number, sizeof number),
                 view_text(part, "label", ""));
        if (x > indent && x + text_width(text) + 2 > pen->width) {
            x = indent;
            y++;
        }
        x += pen_text(pen, x, y, pen->ascii ? (i % 2 ? "-" : "=") : "■", part_style(part, i)) + 1;
        x += pen_text(pen, x, y, text, STYLE_DIM) + 2;
    }
    return json_array_size(parts) ? y + 1 - top : 0;
}

static int draw_bar(struct pen *pen, const struct layout *l, int y, const json_t *bar, const char *unit)
{
    const char *role = view_text(bar, "role", NULL);
    const json_t *parts = json_object_get(bar, "parts");
    enum style style = role && strcmp(role, "plain") != 0 ? mark_style(role) : STYLE_PART0;
    int top = y;
    char text[512];

    if (l->own_line)
        y += pen_wrap(pen, 0, y, pen->width, view_text(bar, "label", ""), STYLE_TEXT);
    else
        pen_text(pen, 0, y, view_text(bar, "label", ""), STYLE_TEXT);
    struct pen track = *pen;
    track.x += l->label;
    track.width = l->track;
    if (json_array_size(parts) > 0)
        draw_parts(pen, l, y, parts);
    else
        pen_bar(&track, 0, y, reach(l, bar_value(bar)), style);
    draw_spread(pen, l, y, bar);
    draw_guess(pen, l, y, bar);
    bar_text(bar, unit, text, sizeof text);
    if (l->below)
        y += pen_wrap(pen, l->label, y + 1, pen->width - l->label, text, STYLE_DIM);
    else
        pen_text(pen, l->label + l->track + 1, y, text, STYLE_TEXT);
    return y + 1 - top + part_names(pen, l->label, y + 1, parts);
}

int figure_bars(struct pen *pen, const json_t *block)
{
    const char *title = view_text(block, "title", NULL), *unit = view_text(block, "unit", NULL);
    const json_t *bars = json_object_get(block, "bars"), *marks = json_object_get(block, "marks");
    struct layout l = layout_of(pen, block);
    struct label labels[MARKS];
    int y = title ? pen_wrap(pen, 0, 0, pen->width, title, STYLE_DIM) : 0;
    bool airy = !pen->tight && (json_array_size(bars) <= AIRY || pen->width > 80);
    size_t i;
    json_t *bar;

    json_array_foreach(bars, i, bar)
        y += draw_bar(pen, &l, y, bar, unit) + (airy && i + 1 < json_array_size(bars));
    int count = axis_mark_labels(pen, &l.axis, l.label, marks, unit, labels, MARKS);
    if (count > 0) {
        pen_run(pen, l.label, y, l.track, GLYPH_LINE, STYLE_RULE);
        axis_marks(pen, &l.axis, l.label, y++, marks);
        y += axis_labels(pen, y, pen->width, labels, count);
    }
    return y;
}
