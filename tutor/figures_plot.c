/* figures_plot.c: curves in quarter cells, with tick numbers, reference lines and the learner's value.
 * A curve's name stands at its right end, or in a list below when there is no room beside. */
#include "tutor/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tutor/axis.h"

/* HEIGHT: below a guess and its sentence the whole plot stands on a screen of 24 rows. */
enum { HEIGHT = 7, TALLEST = 30, TICKS = 32, NAMES = 24, BESIDE_LEAST = 56, NAME_MOST = 26 };

struct name {
    int        row;
    enum style style;
    enum glyph glyph;
    char       text[112];
};

struct plot {
    struct pen   *pen;
    const json_t *block;
    struct axis   x, y;               /* in half cells: x.width columns, y.width rows, from the bottom up */
    int           left, top;          /* first cell of the field */
    int           width, height;      /* of the field, in cells */
    uint8_t      *quarters, *styles;  /* of each cell: which quarters are set, and by whom */
    struct name   names[NAMES];       /* what stands at the right end, or below */
    int           name_count;
};

static enum style series_style(const json_t *series, size_t i)
{
    const char *role = view_text(series, "role", NULL);
    return role && strcmp(role, "plain") != 0 ? mark_style(role) : (enum style)(STYLE_PART0 + i % STYLE_PARTS);
}

char *plot_reference(const json_t *ref, const char *unit, const char *who, char *out, size_t size)
{
    const char *role = view_text(ref, "role", "plain");
    json_t *mark = json_pack("{s:s, s:s, s:f}", "label", view_text(ref, "label", who), "role", role, "at",
                             view_number(ref, json_object_get(ref, "x") ? "x" : "y", 0));
    if (mark)
        mark_text(mark, unit, out, size);
    else
        snprintf(out, size, "%s", who);
    json_decref(mark);
    return out;
}

/* ------------------------------------------------------------------------------------------------------ ranges */

static void widen_range(double value, bool log, double *low, double *high)
{
    if (!isfinite(value) || (log && value <= 0))
        return;
    *low = isnan(*low) || value < *low ? value : *low;
    *high = isnan(*high) || value > *high ? value : *high;
}

/* The axis of "x" or "y": as the block gives it, else all that is to be shown; a y axis starts at 0 where 0 is near. */
static struct axis range_of(const json_t *block, const char *name, int width)
{
    const json_t *given = json_object_get(block, name);
    bool log = axis_is_log(given);
    double low = NAN, high = NAN;
    size_t i, k;
    json_t *item, *value;
    json_array_foreach(json_object_get(block, "series"), i, item)
        json_array_foreach(json_object_get(item, name), k, value)
            widen_range(view_as_number(value), log, &low, &high);
    json_array_foreach(json_object_get(block, "refs"), i, item)
        widen_range(view_number(item, name, NAN), log, &low, &high);
    widen_range(view_number(json_object_get(block, "guess"), name, NAN), log, &low, &high);
    if (isnan(low))
        low = log ? 1 : 0, high = log ? 10 : 1;
    if (*name == 'y' && !log && low > 0 && low < high * 0.6)
        low = 0;
    if (*name == 'y' && !log)
        high += (high - low) * 0.05;
    return axis_new(view_number(given, "from", low), view_number(given, "to", high), log, width);
}

/* ------------------------------------------------------------------------------------------------------ raster */

/* Sets a quarter; sx counts half cells from the left, sy from the bottom. */
static void set_quarter(struct plot *plot, int sx, int sy, enum style style)
{
    int x = sx / 2, y = plot->height - 1 - sy / 2;
    if (sx < 0 || sy < 0 || x >= plot->width || y < 0)
        return;
    size_t cell = (size_t)y * (size_t)plot->width + (size_t)x;
    plot->quarters[cell] |= (uint8_t)(1 << (sx % 2 + (sy % 2 ? 0 : 2)));
    plot->styles[cell] = (uint8_t)style;
}

/* A place in half cells, kept within a few fields of the field so that lines leave it in the right direction. */
static int place_of(const struct axis *axis, double value)
{
    double place = axis_place(axis, value);
    place = place < -4 ? -4 : place > 5 ? 5 : place;
    return (int)lrint(place * (axis->width - 1));
}

static void line(struct plot *plot, int x0, int y0, int x1, int y1, enum style style)
{
    int steps = abs(x1 - x0) > abs(y1 - y0) ? abs(x1 - x0) : abs(y1 - y0);
    for (int i = 0; i <= steps; i++) {
        double t = steps ? (double)i / steps : 0;
        set_quarter(plot, (int)lrint(x0 + t * (x1 - x0)), (int)lrint(y0 + t * (y1 - y0)), style);
    }
}

static void draw_curve(struct plot *plot, const json_t *series, enum style style)
{
    const json_t *xs = json_object_get(series, "x"), *ys = json_object_get(series, "y");
    bool step = strcmp(view_text(series, "style", "line"), "step") == 0, has_last = false;
    int last_x = 0, last_y = 0;
    for (size_t i = 0; i < json_array_size(xs) && i < json_array_size(ys); i++) {
        double x = view_as_number(json_array_get(xs, i)), y = view_as_number(json_array_get(ys, i));
        if (!isfinite(x) || !isfinite(y)) {
            has_last = false;
            continue;
        }
        int sx = place_of(&plot->x, x), sy = place_of(&plot->y, y);
        if (has_last && step) {
            line(plot, last_x, last_y, sx, last_y, style);
            line(plot, sx, last_y, sx, sy, style);
        } else
            line(plot, has_last ? last_x : sx, has_last ? last_y : sy, sx, sy, style);
        last_x = sx;
        last_y = sy;
        has_last = true;
    }
}

static void draw_points(struct plot *plot, const json_t *series, enum style style)
{
    const json_t *xs = json_object_get(series, "x"), *ys = json_object_get(series, "y");
    const char *role = view_text(series, "role", "outcome");
    for (size_t i = 0; i < json_array_size(xs) && i < json_array_size(ys); i++) {
        double x = axis_place(&plot->x, view_as_number(json_array_get(xs, i)));
        double y = axis_place(&plot->y, view_as_number(json_array_get(ys, i)));
        if (x >= 0 && x <= 1 && y >= 0 && y <= 1)
            pen_put(plot->pen, plot->left + (int)lrint(x * (plot->width - 1)),
                    plot->top + plot->height - 1 - (int)lrint(y * (plot->height - 1)), mark_glyph(role), style);
    }
}

static void draw_raster(struct plot *plot)
{
    static const char *const blocks[] = { " ", "▘", "▝", "▀", "▖", "▌", "▞", "▛",
                                         "▗", "▚", "▐", "▜", "▄", "▙", "▟", "█" };
    for (int y = 0; y < plot->height; y++)
        for (int x = 0; x < plot->width; x++) {
            size_t cell = (size_t)y * (size_t)plot->width + (size_t)x;
            if (plot->quarters[cell])
                pen_text(plot->pen, plot->left + x, plot->top + y,
                         plot->pen->ascii ? "*" : blocks[plot->quarters[cell]], (enum style)plot->styles[cell]);
        }
}

/* ------------------------------------------------------------------------------------------- axes and references */

static int row_of(const struct plot *plot, double value)
{
    double place = axis_place(&plot->y, value);
    place = !(place > 0) ? 0 : place > 1 ? 1 : place;
    return plot->top + plot->height - 1 - (int)lrint(place * (plot->height - 1));
}

static void draw_y_axis(struct plot *plot, const double *ticks, int count)
{
    for (int y = 0; y < plot->height; y++)
        pen_put(plot->pen, plot->left - 1, plot->top + y, GLYPH_LEADER, STYLE_AXIS);
    for (int i = 0; i < count; i++) {
        char number[32];
        int row = row_of(plot, ticks[i]);
        pen_text_right(plot->pen, plot->left - 1, row, axis_number(ticks[i], number, sizeof number), STYLE_AXIS);
        pen_put(plot->pen, plot->left - 1, row, GLYPH_RIGHT_END, STYLE_AXIS);
    }
}

static void draw_x_axis(struct plot *plot, int y)
{
    struct axis cells = plot->x;
    double ticks[TICKS];
    cells.width = plot->width;
    int count = axis_ticks(&cells, 10, ticks, TICKS);
    pen_text(plot->pen, plot->left - 1, y, plot->pen->ascii ? "+" : "└", STYLE_AXIS);
    pen_run(plot->pen, plot->left, y, plot->width, GLYPH_LINE, STYLE_AXIS);
    for (int i = 0; i < count; i++)
        pen_put(plot->pen, plot->left + axis_column(&cells, ticks[i]), y, GLYPH_TICK, STYLE_AXIS);
    axis_numbers(plot->pen, &cells, plot->left, y + 1, ticks, count);
}

static struct name *add_name(struct plot *plot, double y, enum style style, enum glyph glyph)
{
    struct name *name = &plot->names[plot->name_count < NAMES ? plot->name_count++ : NAMES - 1];
    *name = (struct name){ .row = row_of(plot, y), .style = style, .glyph = glyph };
    return name;
}

/* A reference line: across the field at a height, named at the right; or upright, named below. */
static int draw_reference(struct plot *plot, const json_t *ref, const char *who, struct label *labels, int count)
{
    bool on_x = json_object_get(ref, "x") != NULL;
    const char *unit = view_text(json_object_get(plot->block, on_x ? "x" : "y"), "unit", NULL);
    const char *role = view_text(ref, "role", strcmp(who, "you") == 0 ? "guess" : "plain");
    enum style style = strcmp(role, "plain") == 0 ? STYLE_DIM : mark_style(role);
    char text[112];

    plot_reference(ref, unit, who, text, sizeof text);
    if (!on_x) {
        double y = view_number(ref, "y", 0);
        pen_run(plot->pen, plot->left, row_of(plot, y), plot->width, GLYPH_HLINE, style);
        struct name *name = add_name(plot, y, style, mark_glyph(role));
        memcpy(name->text, text, sizeof text);
        return count;
    }
    struct axis cells = plot->x;
    cells.width = plot->width;
    int column = axis_column(&cells, view_number(ref, "x", 0));
    for (int y = 0; y < plot->height && column >= 0; y++)
        pen_put(plot->pen, plot->left + column, plot->top + y, GLYPH_VLINE, style);
    labels[count] = (struct label){ .column = plot->left + (column > 0 ? column : 0), .style = style };
    snprintf(labels[count].text, sizeof labels[count].text, "%.95s", text);
    return count + 1;
}

static int by_label_column(const void *a, const void *b)
{
    return ((const struct label *)a)->column - ((const struct label *)b)->column;
}

/* References and the guess; returns the labels that hang below the axis. */
static int draw_references(struct plot *plot, struct label *labels)
{
    const json_t *guess = json_object_get(plot->block, "guess");
    int count = 0;
    size_t i;
    json_t *ref;
    json_array_foreach(json_object_get(plot->block, "refs"), i, ref)
        if (json_object_get(ref, "x") || json_object_get(ref, "y"))
            count = draw_reference(plot, ref, "line", labels, count);
    if (json_object_get(guess, "x") || json_object_get(guess, "y"))
        count = draw_reference(plot, guess, "you", labels, count);
    qsort(labels, (size_t)count, sizeof *labels, by_label_column);
    return count;
}

/* The mark of a guess on x stands on the axis itself. */
static void draw_guess_mark(struct plot *plot, int y)
{
    const json_t *guess = json_object_get(plot->block, "guess");
    struct axis cells = plot->x;
    cells.width = plot->width;
    int column = json_object_get(guess, "x") ? axis_column(&cells, view_number(guess, "x", NAN)) : -1;
    if (column >= 0)
        pen_put(plot->pen, plot->left + column, y, GLYPH_GUESS, STYLE_GUESS);
}

/* ------------------------------------------------------------------------------------------------------- names */

/* A curve is named with its last value; a "bare" plot, which the roofline makes, has names only. */
static int by_row(const void *a, const void *b)
{
    return ((const struct name *)a)->row - ((const struct name *)b)->row;
}

static void name_series(struct plot *plot)
{
    size_t i;
    json_t *series;
    json_array_foreach(json_object_get(plot->block, "series"), i, series) {
        const json_t *ys = json_object_get(series, "y");
        double last = json_array_size(ys) ? view_as_number(json_array_get(ys, json_array_size(ys) - 1)) : NAN;
        bool points = strcmp(view_text(series, "style", "line"), "points") == 0;
        const char *role = view_text(series, "role", "outcome");
        struct name *name = add_name(plot, last, series_style(series, i), points ? mark_glyph(role) : GLYPH_LINE);
        char number[48];
        bool bare = isnan(last) || view_flag(plot->block, "bare");
        snprintf(name->text, sizeof name->text, "%.60s%s%s", view_text(series, "label", ""), bare ? "" : " ",
                 bare ? "" : view_format(last, number, sizeof number));
    }
}

/* Names beside the field, one a row, pushed apart where they meet. */
static void names_beside(struct plot *plot, int x)
{
    struct name *names = plot->names;
    qsort(names, (size_t)plot->name_count, sizeof *names, by_row);
    for (int i = 1; i < plot->name_count; i++)
        if (names[i].row <= names[i - 1].row)
            names[i].row = names[i - 1].row + 1;
    int over = plot->name_count ? names[plot->name_count - 1].row - (plot->top + plot->height - 1) : 0;
    for (int i = plot->name_count - 1; i >= 0 && over > 0; i--) {
        int limit = plot->top + plot->height - 1 - (plot->name_count - 1 - i);
        names[i].row = names[i].row > limit ? limit : names[i].row;
    }
    for (int i = 0; i < plot->name_count; i++) {
        int at = x + pen_put(plot->pen, x, names[i].row, names[i].glyph, names[i].style) + 1;
        pen_clip(plot->pen, at, names[i].row, plot->pen->width - at, names[i].text, names[i].style);
    }
}

static int names_below(struct plot *plot, int y)
{
    int x = 0, top = y;
    for (int i = 0; i < plot->name_count; i++) {
        int width = text_width(plot->names[i].text) + 4;
        if (x > 0 && x + width > plot->pen->width) {
            x = 0;
            y++;
        }
        pen_put(plot->pen, x, y, plot->names[i].glyph, plot->names[i].style);
        pen_text(plot->pen, x + 2, y, plot->names[i].text, plot->names[i].style);
        x += width;
    }
    return plot->name_count ? y + 1 - top : 0;
}

static int longest_name(const json_t *block)
{
    int most = 0;
    char text[112], number[48];
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(block, "series"), i, item) {
        const json_t *ys = json_object_get(item, "y");
        double last = json_array_size(ys) ? view_as_number(json_array_get(ys, json_array_size(ys) - 1)) : NAN;
        int width = text_width(view_text(item, "label", ""));
        if (!view_flag(block, "bare"))
            width += 1 + text_width(view_format(last, number, sizeof number));
        most = width > most ? width : most;
    }
    json_array_foreach(json_object_get(block, "refs"), i, item)
        if (json_object_get(item, "y")) {
            const char *unit = view_text(json_object_get(block, "y"), "unit", NULL);
            int width = text_width(plot_reference(item, unit, "line", text, sizeof text));
            most = width > most ? width : most;
        }
    return most + 3;
}

/* ---------------------------------------------------------------------------------------------------- the figure */

static int draw_captions(struct pen *pen, const json_t *block)
{
    const json_t *x = json_object_get(block, "x"), *y = json_object_get(block, "y");
    const char *title = view_text(block, "title", NULL);
    const char *names[] = { view_text(y, "label", ""), view_text(x, "label", "") };
    const char *units[] = { view_text(y, "unit", ""), view_text(x, "unit", "") };
    char text[512];
    int lines = title ? pen_wrap(pen, 0, 0, pen->width, title, STYLE_DIM) : 0;
    if (!*names[0] && !*names[1])
        return lines;
    snprintf(text, sizeof text, "%s%s%s%s%s%s%s%s", names[0], *units[0] ? ", " : "", units[0],
             *names[0] && *names[1] ? "  over  " : "", names[1], *units[1] ? ", " : "", units[1], "");
    return lines + pen_wrap(pen, 0, lines, pen->width, text, STYLE_DIM);
}

static int gutter_of(const double *ticks, int count)
{
    int gutter = 1;
    for (int i = 0; i < count; i++) {
        char number[32];
        int width = text_width(axis_number(ticks[i], number, sizeof number));
        gutter = width > gutter ? width : gutter;
    }
    return gutter + 1;
}

int figure_plot(struct pen *pen, const json_t *block)
{
    struct plot plot = { .pen = pen, .block = block };
    struct label labels[9];
    double ticks[TICKS];
    size_t i;
    json_t *series;
    int names = longest_name(block), y;
    bool beside = pen->width >= BESIDE_LEAST && names <= NAME_MOST + 3;

    plot.top = draw_captions(pen, block);
    plot.height = pen->room > 0 ? pen->room - plot.top - 5 : pen->tight ? 6 : HEIGHT;
    plot.height = plot.height < 5 ? 5 : plot.height > TALLEST ? TALLEST : plot.height;
    plot.y = range_of(block, "y", plot.height * 2);
    int count = axis_ticks(&plot.y, 5, ticks, TICKS);
    plot.left = gutter_of(ticks, count);
    plot.width = pen->width - plot.left - (beside ? names : 0);
    if (plot.width < 4)
        plot.width = 4;
    plot.x = range_of(block, "x", plot.width * 2);
    plot.quarters = calloc((size_t)(plot.width * plot.height), 2);
    if (!plot.quarters)
        abort();
    plot.styles = plot.quarters + (size_t)(plot.width * plot.height);

    int hanging = draw_references(&plot, labels);
    json_array_foreach(json_object_get(block, "series"), i, series)
        if (strcmp(view_text(series, "style", "line"), "points") != 0)
            draw_curve(&plot, series, series_style(series, i));
    draw_raster(&plot);
    json_array_foreach(json_object_get(block, "series"), i, series)
        if (strcmp(view_text(series, "style", "line"), "points") == 0)
            draw_points(&plot, series, series_style(series, i));
    free(plot.quarters);
    draw_y_axis(&plot, ticks, count);
    draw_x_axis(&plot, plot.top + plot.height);
    draw_guess_mark(&plot, plot.top + plot.height);
    name_series(&plot);
    if (beside)
        names_beside(&plot, plot.left + plot.width + 1);
    y = plot.top + plot.height + 2;
    y += axis_labels(pen, y, pen->width, labels, hanging);
    return y + (beside ? 0 : names_below(&plot, y));
}
