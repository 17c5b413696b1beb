/* figures_stack.c: memory budgets: parts end to end against one capacity. */
#include "tutor/figures.h"

#include <math.h>
#include <string.h>

#include "tutor/axis.h"

enum { PARTS = 12, MARKS = 8, AIRY = 4, ROOMY = 80 }; /* up to AIRY rows have an empty line between them */

static double sum_of(const json_t *parts)
{
    double sum = 0;
    size_t i;
    json_t *part;
    json_array_foreach(parts, i, part) {
        double value = view_number(part, "value", 0);
        sum += isfinite(value) && value > 0 ? value : 0;
    }
    return sum;
}

static double longest(const json_t *block)
{
    double most = view_number(block, "capacity", 1);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(block, "rows"), i, row) {
        double sum = sum_of(json_object_get(row, "parts"));
        most = sum > most ? sum : most;
    }
    return most;
}

static char *part_text(const json_t *part, char *out, size_t size)
{
    char number[48];
    snprintf(out, size, "%s %s", view_format(view_number(part, "value", NAN), number, sizeof number),
             view_text(part, "label", ""));
    return out;
}

static enum style part_style(const json_t *part, size_t i)
{
    const char *role = view_text(part, "role", NULL);
    return role && strcmp(role, "plain") != 0 ? mark_style(role) : (enum style)(STYLE_PART0 + i % STYLE_PARTS);
}

/* Rows of cells that a stack is high: two where there is room. */
static int stack_height(const struct pen *pen)
{
    return pen->width > ROOMY && !pen->tight ? 2 : 1;
}

/* One part from column `from` to `to`: a field of its color, or of its character where there are none, with its name
 * inside. Returns whether the name fitted. */
static bool draw_part(struct pen *pen, int from, int to, int y, const json_t *part, size_t i)
{
    static const char *const fills[STYLE_PARTS] = { "=", ".", "-", ":" };
    const char *fill = pen->ascii || pen->shades ? fills[i % STYLE_PARTS] : " ";
    char text[160], padded[168];
    int width = to - from;

    for (int x = from; x < to; x++)
        for (int row = 0; row < stack_height(pen); row++)
            pen_text_on(pen, x, y + row, fill, STYLE_DIM, pen->shades ? STYLE_TEXT : part_style(part, i));
    part_text(part, text, sizeof text);
    if (text_width(text) + 2 > width)
        return false;
    snprintf(padded, sizeof padded, " %s ", text);
    pen_text_on(pen, from + (width - text_width(padded)) / 2, y, padded, STYLE_TEXT,
                pen->shades ? STYLE_TEXT : part_style(part, i));
    return true;
}

static void draw_wall(struct pen *pen, int x, int y)
{
    for (int row = 0; row < stack_height(pen); row++)
        pen_put(pen, x, y + row, GLYPH_BAR, STYLE_AXIS);
}

/* A row of parts between walls; names that do not fit hang below. Returns its rows. */
static int draw_row(struct pen *pen, const struct axis *axis, int left, int y, const json_t *row)
{
    const json_t *parts = json_object_get(row, "parts");
    struct label labels[PARTS];
    int count = 0;
    double sum = 0;
    size_t i;
    json_t *part;

    draw_wall(pen, left, y);
    json_array_foreach(parts, i, part) {
        double value = view_number(part, "value", 0);
        int from = left + axis_column(axis, sum) + 1;
        sum += isfinite(value) && value > 0 ? value : 0;
        int to = left + axis_column(axis, sum);
        bool named = draw_part(pen, from, to > from ? to : from, y, part, i);
        draw_wall(pen, to > from ? to : from, y);
        if (named || count == PARTS)
            continue;
        labels[count] = (struct label){ .column = (from + to) / 2, .style = STYLE_DIM };
        part_text(part, labels[count].text, sizeof labels[count].text);
        count++;
    }
    return stack_height(pen) + axis_labels(pen, y + stack_height(pen), pen->width, labels, count);
}

/* Name and remark of a row on a line of their own. */
static int draw_name(struct pen *pen, int y, const json_t *row)
{
    const char *label = view_text(row, "label", ""), *note = view_text(row, "note", "");
    int width = text_width(label);
    if (width + 2 + text_width(note) <= pen->width) {
        pen_text(pen, 0, y, label, STYLE_TEXT);
        pen_text_right(pen, pen->width, y, note, STYLE_DIM);
        return 1;
    }
    int lines = pen_wrap(pen, 0, y, pen->width, label, STYLE_TEXT);
    return lines + pen_wrap(pen, 0, y + lines, pen->width, note, STYLE_DIM);
}

/* Where parts go beyond the capacity, a line through the row shows it. */
static void draw_capacity(struct pen *pen, const struct axis *axis, int y, double capacity)
{
    for (int row = 0; row < stack_height(pen) && axis->to > capacity * 1.005; row++)
        pen_put(pen, axis_column(axis, capacity), y + row, GLYPH_LIMIT, STYLE_LIMIT);
}

int figure_stack(struct pen *pen, const json_t *block)
{
    const char *title = view_text(block, "title", ""), *unit = view_text(block, "unit", NULL);
    const json_t *rows = json_object_get(block, "rows"), *marks = json_object_get(block, "marks");
    double capacity = view_number(block, "capacity", 1);
    struct axis axis = axis_new(0, longest(block), false, pen->width);
    struct label labels[MARKS];
    char measure[64], text[96];
    size_t i;
    json_t *row;

    snprintf(text, sizeof text, "capacity %s", view_format_unit(capacity, unit, measure, sizeof measure));
    bool beside = text_width(title) + 2 + text_width(text) <= pen->width;
    int y = pen_wrap(pen, 0, 0, pen->width, title, STYLE_DIM);
    pen_text_right(pen, pen->width, beside ? 0 : y, text, STYLE_DIM);
    y += !beside || y == 0;
    json_array_foreach(rows, i, row) {
        y += i > 0 && !pen->tight && json_array_size(rows) <= AIRY;
        y += draw_name(pen, y, row);
        int top = y;
        y += draw_row(pen, &axis, 0, y, row);
        draw_capacity(pen, &axis, top, capacity);
    }
    int count = axis_mark_labels(pen, &axis, 0, marks, unit, labels, MARKS);
    if (count > 0)
        axis_marks(pen, &axis, 0, y++, marks);
    return y + axis_labels(pen, y, pen->width, labels, count);
}
