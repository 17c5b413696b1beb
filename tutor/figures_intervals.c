/* figures_intervals.c: values with their intervals, one a row, on one axis; figures of the row in columns before it.
 * With a knee the axis is linear around 0 and logarithmic beyond, so that differences of all sizes and both signs show.
 */
#include "tutor/figures.h"

#include <math.h>
#include <string.h>

#include "tutor/axis.h"

enum { COLUMNS = 6, GAP = 2, POINTER = 2, TRACK_LEAST = 14, NUMBER_APART = 8, ROOMY = 100, TICKS = 24 };

struct layout {
    int label, columns, column[COLUMNS]; /* widths: of names, of the columns that are shown */
    int track_x, track, behind;          /* the axis, and the numbers behind it */
    bool own_line;                       /* names stand on lines of their own */
    bool below;                          /* what columns or the numbers behind would say stands below each row */
    double knee;                         /* 0: the axis is linear */
    struct axis axis;                    /* of bent values */
};

char *interval_text(const json_t *row, const char *unit, char *out, size_t size)
{
    char value[64], low[32], high[32];
    *out = '\0';
    if (json_array_size(json_object_get(row, "cells")) > 0)
        return out;
    view_format_unit(view_number(row, "value", NAN), unit, value, sizeof value);
    if (json_object_get(row, "low") && json_object_get(row, "high"))
        snprintf(out, size, "%s, %s to %s", value, view_format(view_number(row, "low", NAN), low, sizeof low),
                 view_format(view_number(row, "high", NAN), high, sizeof high));
    else
        snprintf(out, size, "%s", value);
    return out;
}

/* Where a value stands on an axis that is linear: itself, or bent beyond the knee. */
static double bent(const struct layout *l, double value)
{
    return l->knee > 0 ? asinh(value / l->knee) : value;
}

static const char *cell_of(const json_t *row, int column)
{
    const char *text = json_string_value(json_array_get(json_object_get(row, "cells"), (size_t)column));
    return text ? text : "";
}

static int column_width(const json_t *block, int column)
{
    const char *title = json_string_value(json_array_get(json_object_get(block, "columns"), (size_t)column));
    int most = title ? text_width(title) : 0;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(block, "rows"), i, row) {
        int width = text_width(cell_of(row, column));
        most = width > most ? width : most;
    }
    return most;
}

/* Both ends of the axis: as given, else of all intervals and 0. */
static struct axis axis_of(const struct layout *l, const json_t *block)
{
    double from = 0, to = 0;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(block, "rows"), i, row) {
        double value = view_number(row, "value", NAN);
        double low = view_number(row, "low", value), high = view_number(row, "high", value);
        from = isfinite(low) && low < from ? low : from;
        to = isfinite(high) && high > to ? high : to;
    }
    from = view_number(block, "from", from);
    to = view_number(block, "to", to);
    return axis_new(bent(l, from), bent(l, to), false, l->track);
}

/* Narrower by what can go: columns that may be spared, names on lines of their own, columns below the rows. */
static struct layout layout_of(const struct pen *pen, const json_t *block)
{
    struct layout l = { .columns = (int)json_array_size(json_object_get(block, "columns")),
                        .knee = view_number(block, "knee", 0) };
    int used = 0, spare = (int)view_number(block, "spare", 0);
    int most = pen->width / 3 > INTERVALS_LABEL && pen->width >= ROOMY ? pen->width / 3 : INTERVALS_LABEL;
    size_t i;
    json_t *row;
    l.columns = l.columns < COLUMNS ? l.columns : COLUMNS;
    for (int c = 0; c < l.columns; c++)
        used += GAP + (l.column[c] = column_width(block, c));
    json_array_foreach(json_object_get(block, "rows"), i, row) {
        char text[160];
        int label = text_width(view_text(row, "label", ""));
        int behind = text_width(interval_text(row, view_text(block, "unit", NULL), text, sizeof text));
        l.label = label > most ? most : label > l.label ? label : l.label;
        l.behind = behind > 0 && behind + 1 > l.behind ? behind + 1 : l.behind;
    }
    l.below = l.behind > pen->width / 2;
    l.behind = l.below ? 0 : l.behind;
    int room = pen->width - POINTER - GAP - TRACK_LEAST - l.behind;
    for (; spare > 0 && l.columns > 0 && l.label + used > room; spare--)
        used -= GAP + l.column[--l.columns];
    if (l.label + used > room) {
        l.own_line = true;
        l.label = 0;
        used -= used > 0 ? GAP : 0;
    }
    if (l.label + used > room) {
        l.below = true;
        used = 0;
    }
    l.track_x = POINTER + l.label + used + (l.label + used > 0 ? GAP : 0);
    l.track = pen->width - l.track_x - l.behind;
    l.axis = axis_of(&l, block);
    return l;
}

/* The left end of a column's cells. */
static int column_x(const struct layout *l, int column)
{
    int x = POINTER + l->label + (l->own_line ? 0 : GAP);
    for (int c = 0; c < column; c++)
        x += l->column[c] + GAP;
    return x;
}

/* --- the axis ----------------------------------------------------------------------------------------------------- */

/* Values to number: round ones, or 0 and powers of ten beyond the knee. The important ones first. */
static int ticks_of(const struct layout *l, double *ticks)
{
    int count = 0;
    if (!(l->knee > 0))
        return axis_ticks(&l->axis, NUMBER_APART, ticks, TICKS);
    ticks[count++] = 0;
    for (double power = l->knee; count + 2 <= TICKS && asinh(power / l->knee) <= fmax(l->axis.to, -l->axis.from);
         power *= 10) {
        ticks[count++] = power;
        ticks[count++] = -power;
    }
    return count;
}

/* Numbers that neither touch another one nor leave the axis. */
static void draw_numbers(struct pen *pen, const struct layout *l, int y)
{
    double ticks[TICKS];
    bool taken[512] = { false };
    int count = ticks_of(l, ticks);
    for (int i = 0; i < count; i++) {
        char number[32];
        double place = axis_place(&l->axis, bent(l, ticks[i]));
        if (place < 0 || place > 1)
            continue;
        int width = text_width(axis_number(ticks[i], number, sizeof number));
        int start = axis_column(&l->axis, bent(l, ticks[i])) - width / 2;
        start = start + width > l->track ? l->track - width : start < 0 ? 0 : start;
        bool open = start + width < (int)sizeof taken;
        for (int x = start ? start - 1 : 0; open && x <= start + width; x++)
            open = !taken[x];
        for (int x = start; open && x < start + width; x++)
            taken[x] = true;
        if (open)
            pen_text(pen, l->track_x + start, y, number, STYLE_AXIS);
    }
}

static int draw_head(struct pen *pen, const struct layout *l, const json_t *block)
{
    const json_t *columns = json_object_get(block, "columns");
    const char *title = view_text(block, "title", "");
    int y = 0;
    if (text_width(title) > l->track)
        y += pen_wrap(pen, 0, 0, pen->width, title, STYLE_DIM);
    else
        pen_text(pen, l->track_x, y, title, STYLE_DIM);
    for (int c = 0; c < l->columns && !l->below; c++)
        pen_text_right(pen, column_x(l, c) + l->column[c], y, json_string_value(json_array_get(columns, (size_t)c)),
                       STYLE_DIM);
    y += y == 0 || (l->columns > 0 && !l->below);
    pen_run(pen, 0, y, l->track_x - (l->track_x > POINTER ? GAP : 0), GLYPH_RULE, STYLE_RULE);
    draw_numbers(pen, l, y);
    return y + 1;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void draw_interval(struct pen *pen, const struct layout *l, int y, const json_t *row)
{
    const char *role = view_text(row, "role", "outcome");
    double value = view_number(row, "value", NAN), zero = axis_place(&l->axis, 0);
    int low = axis_column(&l->axis, bent(l, view_number(row, "low", value)));
    int high = axis_column(&l->axis, bent(l, view_number(row, "high", value)));
    int at = axis_column(&l->axis, bent(l, value));
    if (zero >= 0 && zero <= 1)
        pen_put(pen, l->track_x + axis_column(&l->axis, 0), y, GLYPH_VLINE, STYLE_AXIS);
    if (at < 0) {
        pen_text(pen, l->track_x, y, "nan", STYLE_ERROR);
        return;
    }
    if (high > low) {
        pen_run(pen, l->track_x + low, y, high - low, GLYPH_LINE, STYLE_AXIS);
        pen_put(pen, l->track_x + low, y, GLYPH_LOW, STYLE_AXIS);
        pen_put(pen, l->track_x + high, y, GLYPH_HIGH, STYLE_AXIS);
    }
    pen_put(pen, l->track_x + at, y, mark_glyph(role), mark_style(role));
}

/* "bits 4.13, bits/byte 1.8": the columns of a row in words. */
static char *cells_text(const json_t *block, const json_t *row, int columns, char *out, size_t size)
{
    interval_text(row, view_text(block, "unit", NULL), out, size);
    for (int c = 0; c < columns; c++) {
        const char *title = json_string_value(json_array_get(json_object_get(block, "columns"), (size_t)c));
        size_t used = strlen(out);
        if (*cell_of(row, c))
            snprintf(out + used, size - used, "%s%s %s", used ? ", " : "", title ? title : "", cell_of(row, c));
    }
    return out;
}

static int draw_row(struct pen *pen, const struct layout *l, int y, const json_t *block, const json_t *row)
{
    const char *label = view_text(row, "label", "");
    bool focused = view_flag(row, "focused");
    enum style style = focused ? STYLE_FOCUS : STYLE_TEXT;
    char text[256];
    int top = y;
    if (focused) {
        pen_put(pen, 0, y, GLYPH_POINTER, STYLE_FOCUS);
        pen_cursor(pen, 0, y);
    }
    if (l->own_line || text_width(label) > l->label)
        y += pen_wrap(pen, POINTER, y, pen->width - POINTER, label, style);
    else
        pen_text(pen, POINTER, y, label, style);
    for (int c = 0; c < l->columns && !l->below; c++)
        pen_text_right(pen, column_x(l, c) + l->column[c], y, cell_of(row, c), style);
    draw_interval(pen, l, y, row);
    if (l->behind)
        pen_text(pen, pen->width - l->behind + 1, y,
                 interval_text(row, view_text(block, "unit", NULL), text, sizeof text), style);
    if (l->below && *cells_text(block, row, l->columns, text, sizeof text))
        y += pen_wrap(pen, POINTER, y + 1, pen->width - POINTER, text, STYLE_DIM);
    return y + 1 - top;
}

int figure_intervals(struct pen *pen, const json_t *block)
{
    struct layout l = layout_of(pen, block);
    int y = draw_head(pen, &l, block);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(block, "rows"), i, row)
        y += draw_row(pen, &l, y, block, row);
    return y;
}
