/* figures_heat.c: a matrix as levels, two rows of it in a row of cells.
 * Fine maps are reduced by their largest level, so that an outlier is never lost; coarse ones are widened. */
#include "tutor/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tutor/axis.h"

enum { LEVEL_NAN = 16, ROWS_AT_HOME = 10, ROWS_TIGHT = 4, WIDEST_CELL = 4, MARKS = 8, LEGEND = 8 };

struct heat {
    const json_t *rows; /* strings of levels */
    int height, width;  /* of the map as given */
    int lines, columns; /* as drawn: half-cell lines (whole ones with shades) and cells */
    bool whole;         /* one line a row of cells: shades, or only few rows */
};

/* The level of a place of the map: 0 to 15, LEVEL_NAN, or -1 where the row is too short. */
static int level_at(const struct heat *heat, int row, int column)
{
    const json_t *text = json_array_get(heat->rows, (size_t)row);
    if ((size_t)column >= json_string_length(text))
        return -1;
    char c = json_string_value(text)[column];
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c == 'n' ? LEVEL_NAN : -1;
}

/* The largest level of the part of the map that a drawn place covers; NaN counts as largest. */
static int level_of(const struct heat *heat, int line, int column)
{
    int top = (int)((long)line * heat->height / heat->lines);
    int bottom = (int)((long)(line + 1) * heat->height / heat->lines);
    int left = (int)((long)column * heat->width / heat->columns);
    int right = (int)((long)(column + 1) * heat->width / heat->columns);
    int most = -1;
    bottom = bottom > top ? bottom : top + 1;
    right = right > left ? right : left + 1;
    for (int r = top; r < bottom; r++)
        for (int c = left; c < right; c++) {
            int level = level_at(heat, r, c);
            most = level > most ? level : most;
        }
    return most;
}

static enum style style_of(int level)
{
    return level == LEVEL_NAN ? STYLE_NAN : level < 0 ? STYLE_TEXT : (enum style)(STYLE_HEAT0 + level);
}

static void draw_shade(struct pen *pen, int x, int y, int level)
{
    static const char ascii[] = " .:-=+*#%@";
    static const char *const shades[] = { " ", "░", "▒", "▓", "█" };
    char one[2] = { level > 0 ? ascii[(level * 9 + 7) / 15] : ' ' };
    if (level == LEVEL_NAN)
        pen_put(pen, x, y, GLYPH_NAN, STYLE_NAN);
    else if (pen->ascii)
        pen_text(pen, x, y, one, STYLE_TEXT);
    else if (level >= 0)
        pen_text(pen, x, y, shades[(level * 4 + 7) / 15], STYLE_TEXT);
}

/* Two lines in a row of cells. Equal halves are one blank, and the higher level is always the glyph, so that neighbors
 * share their colors more often. */
static void draw_half(struct pen *pen, int x, int y, int upper, int lower)
{
    enum style up = style_of(upper), down = style_of(lower);
    if (up == down)
        pen_text_on(pen, x, y, " ", STYLE_TEXT, up);
    else if (up > down)
        pen_text_on(pen, x, y, "▀", up, down);
    else
        pen_text_on(pen, x, y, "▄", down, up);
}

static void draw_cells(struct pen *pen, const struct heat *heat, int left, int y)
{
    int rows = heat->whole ? heat->lines : (heat->lines + 1) / 2;
    bool shades = pen->shades || pen->ascii;
    for (int row = 0; row < rows; row++)
        for (int x = 0; x < heat->columns; x++) {
            if (shades)
                draw_shade(pen, left + x, y + row, level_of(heat, row, x));
            else if (heat->whole)
                draw_half(pen, left + x, y + row, level_of(heat, row, x), level_of(heat, row, x));
            else
                draw_half(pen, left + x, y + row, level_of(heat, 2 * row, x),
                          2 * row + 1 < heat->lines ? level_of(heat, 2 * row + 1, x) : -1);
        }
}

/* The most lines up to `lines` that share `height` rows evenly, unless that is less than two thirds of them. */
static int even_lines(int height, int lines)
{
    for (int n = lines; n * 3 >= lines * 2; n--)
        if (height % n == 0)
            return n;
    return lines;
}

/* How large the map is drawn in `width` cells and `rows` rows of cells. */
static struct heat heat_new(const json_t *block, int width, int rows, bool shades)
{
    struct heat heat = { .rows = json_object_get(block, "rows") };
    size_t i;
    json_t *row;
    heat.height = (int)json_array_size(heat.rows);
    json_array_foreach(heat.rows, i, row)
        heat.width = (int)json_string_length(row) > heat.width ? (int)json_string_length(row) : heat.width;
    if (heat.width == 0 || heat.height == 0)
        return heat;
    int widen = width / heat.width;
    heat.columns = widen < 1 ? width : heat.width * (widen > WIDEST_CELL ? WIDEST_CELL : widen);
    heat.whole = shades || heat.height * 2 <= rows;
    heat.lines = heat.whole ? rows : rows * 2;
    if (heat.lines < heat.height) /* as many matrix rows in each line, if the count allows */
        heat.lines = even_lines(heat.height, heat.lines);
    if (heat.lines > heat.height) { /* strips may be several rows high, a map keeps its rows */
        int times = heat.lines / heat.height;
        heat.lines = heat.height * (times > 2 ? 2 : times);
    }
    return heat;
}

/* "what it measures  low ▁▂▃ high" at the right of the title's line, below it when both do not fit. */
int heat_legend(struct pen *pen, int title_width, int y, const json_t *block)
{
    const char *measure = view_text(block, "measure", ""), *low = view_text(block, "low", "none");
    const char *high = view_text(block, "high", "most");
    int width = text_width(measure) + text_width(low) + LEGEND + text_width(high) + 2 + (*measure ? 2 : 0);
    bool below = title_width + 3 + width > pen->width;
    int x = below ? 0 : pen->width - width, row = y + (below && title_width > 0);

    x += pen_text(pen, x, row, measure, STYLE_DIM) + (*measure ? 2 : 0);
    x += pen_text(pen, x, row, low, STYLE_DIM) + 1;
    for (int i = 0; i < LEGEND; i++, x++) {
        int level = i * 15 / (LEGEND - 1);
        if (pen->shades || pen->ascii)
            draw_shade(pen, x, row, level);
        else
            draw_half(pen, x, row, level, level);
    }
    pen_text(pen, x + 1, row, high, STYLE_DIM);
    return row + 1 - y;
}

int heat_cells(struct pen *pen, const json_t *rows, int x, int y, int columns, int halves)
{
    bool whole = pen->shades || pen->ascii;
    struct heat heat = { .rows = rows, .height = (int)json_array_size(rows), .columns = columns, .whole = whole,
                         .lines = whole ? (halves + 1) / 2 : halves };
    heat.width = (int)json_string_length(json_array_get(rows, 0));
    if (heat.width == 0)
        return 0;
    if (heat.columns > heat.width * WIDEST_CELL)
        heat.columns = heat.width * WIDEST_CELL;
    if (heat.lines < heat.height)
        heat.lines = even_lines(heat.height, heat.lines);
    draw_cells(pen, &heat, x, y);
    return whole ? heat.lines : (heat.lines + 1) / 2;
}

/* Numbers of the matrix's rows at the left, every fourth row of cells; the first and the last are enough on a small
 * one. */
static void draw_row_numbers(struct pen *pen, const struct heat *heat, int gutter, int y, double matrix_rows)
{
    int rows = heat->whole ? heat->lines : (heat->lines + 1) / 2;
    for (int row = 0; row < rows; row += 4) {
        char number[32];
        view_format(floor(row * matrix_rows / rows), number, sizeof number);
        pen_text_right(pen, gutter - 1, y + row, number, STYLE_AXIS);
    }
}

static int draw_marks(struct pen *pen, const struct heat *heat, int left, int y, const json_t *block, double columns)
{
    struct label labels[MARKS];
    int count = 0;
    size_t i;
    json_t *mark;
    json_array_foreach(json_object_get(block, "marks"), i, mark) {
        double at = view_number(mark, "at", 0);
        char number[32];
        if (count == MARKS || !(at >= 0 && at < columns))
            continue;
        int x = left + (int)((at + 0.5) / columns * heat->columns);
        labels[count] = (struct label){ .column = x, .style = STYLE_OUTCOME };
        view_format(at, number, sizeof number);
        const char *text = view_text(mark, "label", "");
        if (strstr(text, number))
            snprintf(labels[count].text, sizeof labels[count].text, "%s", text);
        else
            snprintf(labels[count].text, sizeof labels[count].text, "%s%s%s", number, *text ? ": " : "", text);
        pen_put(pen, x, y, GLYPH_COLUMN, STYLE_OUTCOME);
        count++;
    }
    return count ? 1 + axis_labels(pen, y + 1, pen->width, labels, count) : 0;
}

/* "128 token x 384 feature" below the map. */
static int draw_shape(struct pen *pen, int left, int y, const json_t *block, bool nan)
{
    const json_t *shape = json_object_get(block, "shape");
    char rows[32], columns[32], text[256];
    view_format(view_as_number(json_array_get(shape, 0)), rows, sizeof rows);
    view_format(view_as_number(json_array_get(shape, 1)), columns, sizeof columns);
    snprintf(text, sizeof text, "%s rows (%s) %s %s columns (%s)%s", rows, view_text(block, "row", "row"),
             pen_glyph(pen, GLYPH_TIMES), columns, view_text(block, "column", "column"), nan ? ", some NaN: " : "");
    int x = left, lines = pen_wrap(pen, left, y, pen->width - left, text, STYLE_DIM);
    if (nan && lines == 1) {
        x += text_width(text);
        if (pen->shades || pen->ascii)
            draw_shade(pen, x, y, LEVEL_NAN);
        else
            draw_half(pen, x, y, LEVEL_NAN, LEVEL_NAN);
    }
    return lines;
}

static bool has_nan(const struct heat *heat)
{
    size_t i;
    json_t *row;
    json_array_foreach(heat->rows, i, row)
        if (strchr(json_string_value(row), 'n'))
            return true;
    return false;
}

int figure_heat(struct pen *pen, const json_t *block)
{
    const char *title = view_text(block, "title", "");
    const json_t *shape = json_object_get(block, "shape");
    double matrix_rows = view_as_number(json_array_get(shape, 0));
    double matrix_columns = view_as_number(json_array_get(shape, 1));
    char number[32];
    int gutter = text_width(view_format(matrix_rows, number, sizeof number)) + 1;
    int rows = pen->room > 8 + ROWS_AT_HOME ? pen->room - 8 : pen->tight ? ROWS_TIGHT : ROWS_AT_HOME;
    struct heat heat = heat_new(block, pen->width - gutter, rows, pen->shades || pen->ascii);
    int title_rows = pen_wrap(pen, 0, 0, pen->width, title, STYLE_TEXT);
    int y = title_rows > 1 ? title_rows : 0;

    y += heat_legend(pen, title_rows > 1 ? 0 : text_width(title), y, block);
    if (heat.columns == 0)
        return y;
    draw_cells(pen, &heat, gutter, y);
    draw_row_numbers(pen, &heat, gutter, y, matrix_rows);
    y += heat.whole ? heat.lines : (heat.lines + 1) / 2;
    y += draw_marks(pen, &heat, gutter, y, block, matrix_columns);
    return y + draw_shape(pen, gutter, y, block, has_nan(&heat));
}
