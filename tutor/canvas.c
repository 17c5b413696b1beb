/* canvas.c: a grid of cells in memory. See canvas.h. */
#include "tutor/canvas.h"

#include <stdlib.h>
#include <string.h>

static const struct canvas_cell blank = { .text = " ", .width = 1 };

static void *must(void *memory)
{
    if (!memory) {
        fputs("out of memory for the screen\n", stderr);
        abort();
    }
    return memory;
}

struct canvas *canvas_new(int width, int height)
{
    struct canvas *canvas = must(calloc(1, sizeof *canvas));
    canvas_reset(canvas, width, height);
    return canvas;
}

void canvas_free(struct canvas *canvas)
{
    if (!canvas)
        return;
    free(canvas->cells);
    free(canvas);
}

static size_t area(const struct canvas *canvas)
{
    return (size_t)canvas->width * (size_t)canvas->height;
}

void canvas_reset(struct canvas *canvas, int width, int height)
{
    width = width > 0 ? width : 0;
    height = height > 0 ? height : 0;
    if (!canvas->cells || width != canvas->width || height != canvas->height) {
        canvas->width = width;
        canvas->height = height;
        free(canvas->cells);
        canvas->cells = must(malloc((area(canvas) + 1) * sizeof *canvas->cells));
    }
    for (size_t i = 0; i < area(canvas); i++)
        canvas->cells[i] = blank;
}

static struct canvas_cell *at(struct canvas *canvas, int x, int y)
{
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height)
        return NULL;
    return &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x];
}

const struct canvas_cell *canvas_at(const struct canvas *canvas, int x, int y)
{
    return at((struct canvas *)canvas, x, y);
}

/* Blanks the other half of a wide cell that is about to be cut at x. */
static void split_wide(struct canvas *canvas, int x, int y)
{
    struct canvas_cell *here = at(canvas, x, y);
    if (!here || here->width == 1)
        return;
    struct canvas_cell *other = at(canvas, here->width == 2 ? x + 1 : x - 1, y);
    if (other)
        *other = blank;
    *here = blank;
}

void canvas_put(struct canvas *canvas, int x, int y, const struct text_cell *cell, enum style style, enum style back)
{
    if (!at(canvas, x, y) || (cell->width == 2 && !at(canvas, x + 1, y)))
        return;
    split_wide(canvas, x, y);
    if (cell->width == 2)
        split_wide(canvas, x + 1, y);
    struct canvas_cell *here = at(canvas, x, y);
    memset(here, 0, sizeof *here);
    memcpy(here->text, cell->text, strlen(cell->text));
    here->width = (uint8_t)cell->width;
    here->style = (uint8_t)style;
    here->back = (uint8_t)back;
    if (cell->width == 2)
        here[1] = (struct canvas_cell){ .width = 0, .style = (uint8_t)style, .back = (uint8_t)back };
}

int canvas_text(struct canvas *canvas, int x, int y, int left, int right, const char *text, enum style style,
                enum style back)
{
    struct text_cell cell;
    size_t bytes = strlen(text);
    int start = x;
    for (size_t n; (n = text_next(text, bytes, &cell)) > 0; text += n, bytes -= n) {
        if (x >= left && x + cell.width <= right)
            canvas_put(canvas, x, y, &cell, style, back);
        x += cell.width;
    }
    return x - start;
}

void canvas_fill(struct canvas *canvas, int x, int y, int width, int height, const char *glyph, enum style style)
{
    struct text_cell cell;
    text_next(glyph, strlen(glyph), &cell);
    for (int row = y; row < y + height; row++)
        for (int column = x; column < x + width; column++)
            canvas_put(canvas, column, row, &cell, style, STYLE_TEXT);
}

bool canvas_cell_equal(const struct canvas_cell *a, const struct canvas_cell *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool canvas_equal(const struct canvas *a, const struct canvas *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->cells, b->cells, area(a) * sizeof *a->cells) == 0;
}

void canvas_copy(struct canvas *to, const struct canvas *from)
{
    canvas_reset(to, from->width, from->height);
    memcpy(to->cells, from->cells, area(from) * sizeof *from->cells);
}

static char *dump_row(const struct canvas *canvas, int y, char *out)
{
    char *end = out; /* behind the last cell that is not blank */
    for (int x = 0; x < canvas->width; x++) {
        const struct canvas_cell *cell = canvas_at(canvas, x, y);
        size_t length = strlen(cell->text);
        memcpy(out, cell->text, length);
        out += length;
        if (cell->text[0] != '\0' && strcmp(cell->text, " ") != 0)
            end = out;
    }
    *end++ = '\n';
    return end;
}

char *canvas_dump(const struct canvas *canvas)
{
    char *text = must(malloc(area(canvas) * TEXT_CELL_BYTES + (size_t)canvas->height + 1));
    char *end = text;
    for (int y = 0; y < canvas->height; y++)
        end = dump_row(canvas, y, end);
    *end = '\0';
    return text;
}
