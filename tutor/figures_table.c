/* figures_table.c: tables, and tables to fill in. Both share one layout of columns. */
#include "tutor/figures.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 10, GAP = 2, LEAST = 10 };

struct grid {
    int  count;          /* columns */
    int  width[COLUMNS]; /* cells of each */
    bool right[COLUMNS]; /* numbers stand at the right */
    bool fits;           /* else: labelled lines instead of columns */
};

static const char *cell_text(const json_t *cell, char *out, size_t size)
{
    if (json_is_string(cell))
        return json_string_value(cell);
    if (json_is_boolean(cell))
        return json_is_true(cell) ? "yes" : "no";
    return view_format(view_as_number(cell), out, size);
}

static bool is_numeric(const json_t *cell)
{
    const char *text = json_string_value(cell);
    if (!text)
        return true;
    text += strcspn(text, "-0123456789.");
    return *text != '\0' && strspn(json_string_value(cell), "+-~<>= ") == (size_t)(text - json_string_value(cell));
}

/* Shrinks the widest columns until the table fits; gives up when it would need columns below LEAST cells. */
static void shrink(struct grid *grid, int room)
{
    int total = (grid->count - 1) * GAP;
    for (int c = 0; c < grid->count; c++)
        total += grid->width[c];
    while (total > room) {
        int widest = 0;
        for (int c = 1; c < grid->count; c++)
            if (grid->width[c] > grid->width[widest])
                widest = c;
        if (grid->width[widest] <= LEAST)
            return;
        grid->width[widest]--;
        total--;
    }
    grid->fits = true;
}

/* ------------------------------------------------------------------------------------------------------ a table */

static struct grid table_grid(const json_t *block, int room)
{
    struct grid grid = { .count = (int)json_array_size(json_object_get(block, "columns")) };
    size_t r, c;
    json_t *row, *cell;
    bool text[COLUMNS] = { false };
    char buffer[48];

    json_array_foreach(json_object_get(block, "columns"), c, cell)
        if (c < COLUMNS)
            grid.width[c] = text_width(json_string_value(cell));
    json_array_foreach(json_object_get(block, "rows"), r, row)
        json_array_foreach(row, c, cell) {
            if (c >= COLUMNS)
                break;
            int width = text_width(cell_text(cell, buffer, sizeof buffer));
            grid.count = (int)c + 1 > grid.count ? (int)c + 1 : grid.count;
            grid.width[c] = width > grid.width[c] ? width : grid.width[c];
            text[c] |= !is_numeric(cell) && width > 0;
        }
    grid.count = grid.count > COLUMNS ? COLUMNS : grid.count;
    for (int k = 1; k < grid.count; k++)
        grid.right[k] = !text[k] && json_array_size(json_object_get(block, "rows")) > 0;
    shrink(&grid, room);
    return grid;
}

/* Draws a row of texts in columns, each wrapped in its column; returns the rows taken. */
static int table_row(struct pen *pen, const struct grid *grid, int y, const json_t *row, enum style style)
{
    int x = 0, rows = 1;
    char buffer[48];
    for (int c = 0; c < grid->count; c++) {
        const json_t *cell = json_array_get(row, (size_t)c);
        const char *text = cell ? cell_text(cell, buffer, sizeof buffer) : "";
        int indent = grid->right[c] ? grid->width[c] - text_width(text) : 0;
        int lines = pen_wrap(pen, x + (indent > 0 ? indent : 0), y, grid->width[c], text, style);
        rows = lines > rows ? lines : rows;
        x += grid->width[c] + GAP;
    }
    return rows;
}

static int table_width(const struct grid *grid)
{
    int width = (grid->count - 1) * GAP;
    for (int c = 0; c < grid->count; c++)
        width += grid->width[c];
    return width;
}

/* A table too wide for the screen: the first cell of a row, then a line for each other cell with its title. */
static int table_lines(struct pen *pen, int y, const json_t *block)
{
    const json_t *columns = json_object_get(block, "columns");
    int top = y;
    size_t r, c;
    json_t *row, *cell;
    char buffer[48];
    json_array_foreach(json_object_get(block, "rows"), r, row)
        json_array_foreach(row, c, cell) {
            const char *title = json_string_value(json_array_get(columns, c));
            int x = c ? 2 : 0;
            if (c > 0 && title && *title)
                x += pen_clip(pen, x, y, pen->width / 2, title, STYLE_DIM) + 1;
            y += pen_wrap(pen, x, y, pen->width - x, cell_text(cell, buffer, sizeof buffer),
                          c ? STYLE_TEXT : STYLE_STRONG);
        }
    return y - top;
}

int figure_table(struct pen *pen, const json_t *block)
{
    const char *caption = view_text(block, "caption", NULL), *source = view_text(block, "source", NULL);
    const json_t *columns = json_object_get(block, "columns");
    struct grid grid = table_grid(block, pen->width);
    int y = caption ? pen_wrap(pen, 0, 0, pen->width, caption, STYLE_DIM) : 0;
    size_t r;
    json_t *row;

    if (!grid.fits)
        y += table_lines(pen, y, block);
    else {
        if (json_array_size(columns) > 0) {
            y += table_row(pen, &grid, y, columns, STYLE_DIM);
            pen_run(pen, 0, y++, table_width(&grid), GLYPH_RULE, STYLE_RULE);
        }
        json_array_foreach(json_object_get(block, "rows"), r, row)
            y += table_row(pen, &grid, y, row, STYLE_TEXT);
    }
    return y + (source ? pen_wrap(pen, 0, y, pen->width, source, STYLE_DIM) : 0);
}

/* ----------------------------------------------------------------------------------------------- to be filled in */

/* What stands in a cell: its text, and after the commit the mark and the right text of a miss. */
static int cell_width(const json_t *cell)
{
    const char *right = view_text(cell, "right", NULL);
    int width = text_width(view_text(cell, "text", ""));
    width = view_flag(cell, "open") && width < 4 ? 4 : width;
    return width + (json_object_get(cell, "state") ? 2 : 0) + (right ? 3 + text_width(right) : 0);
}

/* Draws a cell; returns its cells. Without `whole` the right text of a miss is left to the caller. */
static int draw_cell(struct pen *pen, int x, int y, const json_t *cell, bool whole)
{
    const char *text = view_text(cell, "text", ""), *state = view_text(cell, "state", NULL);
    const char *right = whole ? view_text(cell, "right", NULL) : NULL;
    bool focused = view_flag(cell, "focused"), open = view_flag(cell, "open");
    enum style style = focused ? STYLE_FOCUS : open ? STYLE_GUESS : STYLE_TEXT;
    int start = x;

    if (open && !*text)
        pen_text(pen, x, y, pen->ascii ? "____" : "····", focused ? STYLE_FOCUS : STYLE_RULE);
    int width = pen_text(pen, x, y, text, style);
    if (focused)
        pen_cursor(pen, x, y);
    x += open && width < 4 ? 4 : width;
    if (state) {
        bool good = strcmp(state, "right") == 0;
        x += 1 + pen_put(pen, x + 1, y, good ? GLYPH_RIGHT_MARK : GLYPH_WRONG_MARK, good ? STYLE_OK : STYLE_ERROR);
    }
    if (right) {
        x += 1 + pen_put(pen, x + 1, y, GLYPH_RIGHT, STYLE_RULE);
        x += 1 + pen_text(pen, x + 1, y, right, STYLE_OUTCOME);
    }
    return x - start;
}

static struct grid cells_grid(const json_t *block, int room)
{
    struct grid grid = { .count = 1 };
    size_t r, c;
    json_t *row, *cell;
    json_array_foreach(json_object_get(block, "columns"), c, cell) {
        if (c + 1 >= COLUMNS)
            break;
        grid.width[c + 1] = text_width(view_text(cell, "title", ""));
        grid.count = (int)c + 2;
    }
    json_array_foreach(json_object_get(block, "rows"), r, row) {
        int label = text_width(view_text(row, "label", ""));
        grid.width[0] = label > grid.width[0] ? label : grid.width[0];
        json_array_foreach(json_object_get(row, "cells"), c, cell) {
            if (c + 1 >= COLUMNS)
                break;
            int width = cell_width(cell);
            grid.width[c + 1] = width > grid.width[c + 1] ? width : grid.width[c + 1];
            grid.count = (int)c + 2 > grid.count ? (int)c + 2 : grid.count;
        }
    }
    grid.fits = table_width(&grid) <= room;
    return grid;
}

static int cells_columns(struct pen *pen, const struct grid *grid, const json_t *block)
{
    int y = 0, x = grid->width[0] + GAP;
    size_t r, c;
    json_t *row, *cell;
    json_array_foreach(json_object_get(block, "columns"), c, cell) {
        pen_text(pen, x, y, view_text(cell, "title", ""), STYLE_DIM);
        x += c + 1 < COLUMNS ? grid->width[c + 1] + GAP : 0;
    }
    pen_run(pen, 0, ++y, table_width(grid), GLYPH_RULE, STYLE_RULE);
    json_array_foreach(json_object_get(block, "rows"), r, row) {
        pen_text(pen, 0, ++y, view_text(row, "label", ""), STYLE_STRONG);
        x = grid->width[0] + GAP;
        json_array_foreach(json_object_get(row, "cells"), c, cell) {
            draw_cell(pen, x, y, cell, true);
            x += c + 1 < COLUMNS ? grid->width[c + 1] + GAP : 0;
        }
    }
    return y + 1;
}

/* "bits   1 -> 4   2 -> 8": the choices of a column with the keys that take them, after a title; returns the rows. */
static int draw_choices(struct pen *pen, int left, int y, const char *title, const json_t *column)
{
    int first = left + (*title ? pen_text(pen, left, y, title, STYLE_DIM) + 3 : 0), x = first, top = y;
    size_t i;
    json_t *choice;
    json_array_foreach(json_object_get(column, "choices"), i, choice) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i + 1);
        int width = text_width(number) + 3 + text_width(json_string_value(choice));
        if (x > first && x + width > pen->width) {
            x = left + 2;
            y++;
        }
        x += pen_text(pen, x, y, number, STYLE_KEY) + 1;
        x += pen_put(pen, x, y, GLYPH_RIGHT, STYLE_RULE) + 1;
        x += pen_text(pen, x, y, json_string_value(choice), STYLE_TEXT) + 3;
    }
    return y + 1 - top;
}

/* Lines instead of columns; the choices stand below the cell that has the focus, where a short screen shows them. */
static int cells_lines(struct pen *pen, const json_t *block)
{
    const json_t *columns = json_object_get(block, "columns");
    int y = 0;
    size_t r, c;
    json_t *row, *cell;
    json_array_foreach(json_object_get(block, "rows"), r, row) {
        y += pen_wrap(pen, 0, y, pen->width, view_text(row, "label", ""), STYLE_STRONG);
        json_array_foreach(json_object_get(row, "cells"), c, cell) {
            const char *title = view_text(json_array_get(columns, c), "title", "");
            int width = pen_clip(pen, 2, y, pen->width / 2, title, STYLE_DIM);
            bool whole = 2 + width + 1 + cell_width(cell) <= pen->width;
            const json_t *column = json_array_get(columns, c);
            draw_cell(pen, 2 + width + 1, y++, cell, whole);
            if (!whole && json_object_get(cell, "right")) {
                pen_put(pen, 4, y, GLYPH_RIGHT, STYLE_RULE);
                y += pen_wrap(pen, 6, y, pen->width - 6, view_text(cell, "right", ""), STYLE_OUTCOME);
            }
            if (view_flag(cell, "focused") && json_array_size(json_object_get(column, "choices")) > 0)
                y += draw_choices(pen, 4, y, "", column);
        }
    }
    return y;
}

/* The choices of the column that has the focus. */
static int focused_choices(struct pen *pen, int y, const json_t *block)
{
    size_t r, c;
    json_t *row, *cell;
    json_array_foreach(json_object_get(block, "rows"), r, row)
        json_array_foreach(json_object_get(row, "cells"), c, cell) {
            const json_t *column = json_array_get(json_object_get(block, "columns"), c);
            if (view_flag(cell, "focused") && json_array_size(json_object_get(column, "choices")) > 0)
                return 1 + draw_choices(pen, 0, y + 1, view_text(column, "title", ""), column);
        }
    return 0;
}

int figure_cells(struct pen *pen, const json_t *block)
{
    struct grid grid = cells_grid(block, pen->width);
    int y = grid.fits ? cells_columns(pen, &grid, block) : cells_lines(pen, block);
    return y + (grid.fits ? focused_choices(pen, y, block) : 0);
}
