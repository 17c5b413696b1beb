/* figures_hist.c: a histogram, the same bins after rounding below it, and the grid's values under both. */
#include "tutor/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tutor/axis.h"

enum { HEIGHT = 4, ALONE = 5, TALLEST = 20, MARKS = 16, TICKS = 64, APART = 9 };

double hist_tallest(const json_t *counts)
{
    double most = 0;
    size_t i;
    json_t *count;
    json_array_foreach(counts, i, count) {
        double n = view_as_number(count);
        if (isfinite(n) && n > most)
            most = n;
    }
    return most;
}

/* How bins become cells: `merge` bins share a column, and a column is `span` cells wide. Each column holds as many
 * bins as the next, or the drawing would show a comb that the data does not have. */
struct bins {
    int count, merge, span;
};

static struct bins bins_of(const json_t *counts, int width)
{
    struct bins bins = { .count = (int)json_array_size(counts) };
    bins.count = bins.count > 0 ? bins.count : 1;
    bins.merge = (bins.count + width - 1) / width;
    int columns = (bins.count + bins.merge - 1) / bins.merge;
    bins.span = width / columns > 1 ? width / columns : 1;
    return bins;
}

static int bins_width(const struct bins *bins)
{
    return (bins->count + bins->merge - 1) / bins->merge * bins->span;
}

static void resample(const json_t *counts, const struct bins *bins, double *columns)
{
    for (int b = 0; b < bins->count; b++) {
        double n = view_as_number(json_array_get(counts, (size_t)b));
        for (int x = 0; x < bins->span && isfinite(n) && n > 0; x++)
            columns[b / bins->merge * bins->span + x] += n;
    }
}

/* Columns in eighths of a cell; what is there at all shows at least one eighth. */
static void draw_columns(struct pen *pen, int y, int height, const double *columns, int width, enum style style)
{
    double most = 0;
    for (int x = 0; x < width; x++)
        most = columns[x] > most ? columns[x] : most;
    for (int x = 0; x < width && most > 0; x++) {
        int eighths = (int)lrint(columns[x] / most * height * 8);
        if (columns[x] > 0 && eighths == 0)
            eighths = 1;
        for (int row = 0; row < height && eighths > 0; row++, eighths -= 8)
            pen_column(pen, x, y + height - 1 - row, eighths, style);
    }
}

/* A panel: who it is and its tallest bin at the right, above or over the columns. Returns its rows. */
static int panel(struct pen *pen, int y, int height, const json_t *counts, const char *name, const struct bins *bins,
                 enum style style)
{
    int width = bins_width(bins);
    double *columns = calloc((size_t)width, sizeof *columns);
    char number[48], text[96];
    if (!columns)
        abort();
    resample(counts, bins, columns);
    snprintf(text, sizeof text, "%s%stallest bin %s", name, *name ? ", " : "",
             view_format(hist_tallest(counts), number, sizeof number));
    pen_text_right(pen, width, y, text, STYLE_DIM);
    draw_columns(pen, y + 1, height, columns, width, style);
    free(columns);
    return height + 1;
}

/* The grid under the columns: a tick for each value. */
static void draw_grid(struct pen *pen, const struct axis *axis, int y, const json_t *values)
{
    size_t i;
    json_t *value;
    pen_run(pen, 0, y, axis->width, GLYPH_LINE, STYLE_RULE);
    json_array_foreach(values, i, value) {
        double v = view_as_number(value), place = axis_place(axis, v);
        if (place >= 0 && place <= 1)
            pen_put(pen, axis_column(axis, v), y, GLYPH_TICK, STYLE_VALUE);
    }
    if (json_array_size(values) > 0)
        return;
    double ticks[TICKS];
    int count = axis_ticks(axis, APART, ticks, TICKS);
    for (int t = 0; t < count; t++)
        pen_put(pen, axis_column(axis, ticks[t]), y, GLYPH_MINOR, STYLE_AXIS);
}

/* Rows for the columns of each panel. */
static int column_height(const struct pen *pen, int panels)
{
    int room = pen->room > 0 ? (pen->room - 6) / panels - 1 : pen->tight ? 3 : panels > 1 ? HEIGHT : ALONE;
    return room < 3 ? 3 : room > TALLEST ? TALLEST : room;
}

int figure_hist(struct pen *pen, const json_t *block)
{
    const char *title = view_text(block, "title", NULL), *note = view_text(block, "note", NULL);
    const json_t *after = json_object_get(block, "after"), *marks = json_object_get(block, "marks");
    const json_t *counts = json_object_get(block, "counts");
    struct bins bins = bins_of(counts, pen->width), bins_after = { (int)json_array_size(after), bins.merge, bins.span };
    struct axis axis = axis_new(view_number(block, "from", 0), view_number(block, "to", 1), false, bins_width(&bins));
    bool twice = bins_after.count > 0 && bins_after.count <= bins.count;
    int height = column_height(pen, twice ? 2 : 1);
    int y = title ? pen_wrap(pen, 0, 0, pen->width, title, STYLE_DIM) : 0;
    struct label labels[MARKS];
    double ticks[TICKS];

    y += panel(pen, y, height, counts, twice ? "before" : "", &bins, STYLE_VALUE);
    if (twice)
        y += panel(pen, y, height, after, "after rounding", &bins_after, STYLE_OUTCOME);
    draw_grid(pen, &axis, y, json_object_get(block, "values"));
    axis_marks(pen, &axis, 0, y, marks);
    y++;
    axis_numbers(pen, &axis, 0, y, ticks, axis_ticks(&axis, APART, ticks, TICKS));
    y++;
    int count = axis_mark_labels(pen, &axis, 0, marks, view_text(block, "unit", NULL), labels, MARKS);
    y += axis_labels(pen, y, axis.width, labels, count);
    return y + (note ? pen_wrap(pen, 0, y, pen->width, note, STYLE_DIM) : 0);
}
