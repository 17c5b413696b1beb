/* figures_grid.c: number lines: a format's values with marks on them, and the axis on which a guess is placed. */
#include "tutor/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tutor/axis.h"

enum { TICKS = 64, LABELS = 32, VALUES = 512 };

enum { APART = 9 }; /* cells between the ticks of a ruler, about */

/* The bare line with its ends. */
static void draw_line(struct pen *pen, const struct axis *axis, int y)
{
    pen_run(pen, 0, y, axis->width, GLYPH_LINE, STYLE_AXIS);
    pen_put(pen, 0, y, GLYPH_LEFT_END, STYLE_AXIS);
    pen_put(pen, axis->width - 1, y, GLYPH_RIGHT_END, STYLE_AXIS);
}

static void draw_ticks(struct pen *pen, const struct axis *axis, int y, const double *ticks, int count,
                       enum glyph glyph)
{
    for (int i = 0; i < count; i++) {
        int column = axis_column(axis, ticks[i]);
        if (column > 0 && column < axis->width - 1)
            pen_put(pen, column, y, glyph, STYLE_AXIS);
    }
}

/* Minor ticks: 2 to 9 in each decade of a log axis, else the middle between two ticks. */
static void draw_minor(struct pen *pen, const struct axis *axis, int y, const double *ticks, int count)
{
    for (int i = 0; i + 1 < count; i++) {
        if (!axis->log) {
            double middle = (ticks[i] + ticks[i + 1]) / 2;
            draw_ticks(pen, axis, y, &middle, 1, GLYPH_MINOR);
            continue;
        }
        for (int k = 2; k <= 9 && ticks[i + 1] / ticks[i] < 10.5; k++) {
            double minor = ticks[i] * k;
            draw_ticks(pen, axis, y, &minor, 1, GLYPH_MINOR);
        }
    }
}

/* An axis with round numbers above it: rows y and y + 1. */
static void draw_ruler(struct pen *pen, const struct axis *axis, int y)
{
    double ticks[TICKS];
    int count = axis_ticks(axis, APART, ticks, TICKS);
    axis_numbers(pen, axis, 0, y, ticks, count);
    draw_line(pen, axis, y + 1);
    draw_minor(pen, axis, y + 1, ticks, count);
    draw_ticks(pen, axis, y + 1, ticks, count, GLYPH_TICK);
}

static int draw_mark_labels(struct pen *pen, const struct axis *axis, int y, const json_t *marks, const char *unit)
{
    struct label labels[LABELS];
    int count = axis_mark_labels(pen, axis, 0, marks, unit, labels, LABELS);
    return axis_labels(pen, y, axis->width, labels, count);
}

/* Whether the values are so close that they need a density instead of a tick each. */
static bool is_dense(const struct axis *axis, const double *values, int count)
{
    int last = -2, touching = 0, distinct = 0;
    for (int i = 0; i < count; i++) {
        int column = axis_column(axis, values[i]);
        touching += column - last < 2;
        distinct += column != last;
        last = column;
    }
    return touching * 4 > count && distinct > 2;
}

/* How many values fall into each column, as a row of small columns above the line. */
static void draw_density(struct pen *pen, const struct axis *axis, int y, const double *values, int count)
{
    int *per = calloc((size_t)axis->width, sizeof *per), most = 1;
    if (!per)
        abort();
    for (int i = 0; i < count; i++) {
        int column = axis_column(axis, values[i]);
        if (column >= 0 && ++per[column] > most)
            most = per[column];
    }
    for (int x = 0; x < axis->width; x++)
        if (per[x] > 0)
            pen_column(pen, x, y, (int)lrint(8 * sqrt((double)per[x] / most)), STYLE_VALUE);
    free(per);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int read_values(const json_t *list, double *values, int most)
{
    int count = 0;
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value) {
        double v = view_as_number(value);
        if (isfinite(v) && count < most)
            values[count++] = v;
    }
    qsort(values, (size_t)count, sizeof *values, by_value);
    return count;
}

/* The line, with a tick for each value of the format; its rows: [density,] line, numbers. */
static int draw_values(struct pen *pen, const struct axis *axis, int y, const json_t *marks, const double *values,
                       int count)
{
    if (is_dense(axis, values, count)) {
        draw_density(pen, axis, y, values, count);
        draw_ruler(pen, axis, y + 1);
        axis_marks(pen, axis, 0, y + 2, marks);
        return 3;
    }
    axis_numbers(pen, axis, 0, y, values, count);
    draw_line(pen, axis, y + 1);
    draw_ticks(pen, axis, y + 1, values, count, GLYPH_TICK);
    axis_marks(pen, axis, 0, y + 1, marks);
    return 2;
}

int figure_grid(struct pen *pen, const json_t *block)
{
    double values[VALUES];
    const json_t *marks = json_object_get(block, "marks");
    const char *title = view_text(block, "title", NULL);
    struct axis axis = axis_new(view_number(block, "from", 0), view_number(block, "to", 1), axis_is_log(block),
                                pen->width);
    int count = read_values(json_object_get(block, "values"), values, VALUES);
    int y = title ? pen_wrap(pen, 0, 0, pen->width, title, STYLE_DIM) : 0;

    if (count > 0)
        y += draw_values(pen, &axis, y, marks, values, count);
    else {
        axis = axis_even(axis, APART);
        draw_ruler(pen, &axis, y);
        axis_marks(pen, &axis, 0, y + 1, marks);
        y += 2;
    }
    return y + draw_mark_labels(pen, &axis, y, marks, view_text(block, "unit", NULL));
}

/* Where the mark of a place stands: at the number typed so far, else where the keys moved it. */
int figure_place(struct pen *pen, const json_t *block)
{
    struct axis bare = axis_new(view_number(block, "from", 0), view_number(block, "to", 1), axis_is_log(block),
                                pen->width);
    struct axis axis = axis_even(bare, APART);
    const char *typed = view_text(block, "text", ""), *word = view_text(block, "label", "your guess");
    double at = view_number(block, "at", axis.from);
    int column = axis_column(&axis, at);
    struct label label = { .column = column < 0 ? 0 : column, .style = STYLE_GUESS };
    char measure[64];

    draw_ruler(pen, &axis, 0);
    pen_put(pen, label.column, 2, GLYPH_GUESS, STYLE_GUESS);
    pen_cursor(pen, label.column, 2);
    view_format_unit(at, view_text(block, "unit", NULL), measure, sizeof measure);
    if (*typed)
        snprintf(label.text, sizeof label.text, "%.40s_ %s", typed, word);
    else
        snprintf(label.text, sizeof label.text, "%s %s", measure, word);
    return 3 + axis_labels(pen, 3, axis.width, &label, 1);
}
