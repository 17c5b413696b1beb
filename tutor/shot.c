/* shot.c: cells as SVG. See shot.h. */
#include "tutor/shot.h"

#include <string.h>
#include <utf8proc.h>

/* A cell in units of a hundredth of a pixel: DejaVu Sans Mono and Menlo at 14 px advance by 8.43 px. */
enum { CELL_WIDTH = 843, CELL_HEIGHT = 1800, FONT = 1400, BASELINE = 1330, PAD = 1400 };

struct shot {
    const struct canvas *canvas;
    const struct theme  *theme;
    FILE                *file;
};

/* ------------------------------------------------------------------------------------------------------- shapes */

static void rect(const struct shot *shot, int x, int y, int width, int height, int32_t color, int percent)
{
    fprintf(shot->file, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#%06x\"", x / 100.0,
            y / 100.0, width / 100.0, height / 100.0, (unsigned)color);
    if (percent < 100)
        fprintf(shot->file, " fill-opacity=\"0.%02d\"", percent);
    fputs("/>\n", shot->file);
}

/* Parts of box-drawing characters: arms from the middle, thick or dashed ones. */
enum { UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8, THICK = 16, DASHED = 32 };

static int arms_of(utf8proc_int32_t c)
{
    switch (c) {
    case 0x2500: return LEFT | RIGHT;
    case 0x2502: return UP | DOWN;
    case 0x2503: return UP | DOWN | THICK;
    case 0x2504: case 0x2508: return LEFT | RIGHT | DASHED;
    case 0x250A: return UP | DOWN | DASHED;
    case 0x2514: return UP | RIGHT;
    case 0x251C: return UP | DOWN | RIGHT;
    case 0x2524: return UP | DOWN | LEFT;
    case 0x252C: return DOWN | LEFT | RIGHT;
    case 0x2534: return UP | LEFT | RIGHT;
    case 0x253C: return UP | DOWN | LEFT | RIGHT;
    case 0x254B: return UP | DOWN | LEFT | RIGHT | THICK;
    default:     return 0;
    }
}

/* An axis reads better with ticks shorter than the cell: arms up and down of a crossing end before its edge. */
static void draw_arms(const struct shot *shot, int x, int y, int cells, int arms, int32_t color)
{
    int thick = arms & THICK ? 260 : 100, middle_x = x + CELL_WIDTH / 2, middle_y = y + CELL_HEIGHT / 2;
    int cut = (arms & LEFT) && (arms & RIGHT) ? CELL_HEIGHT / 5 : 0;
    if (arms & DASHED) {
        for (int i = 0; i < 2 && (arms & UP); i++)
            rect(shot, middle_x - 50, y + i * CELL_HEIGHT / 2 + 200, 100, CELL_HEIGHT / 4, color, 100);
        for (int i = 0; i < 2 * cells && (arms & LEFT); i++)
            rect(shot, x + i * CELL_WIDTH / 2 + 100, middle_y - 50, CELL_WIDTH / 4, 100, color, 100);
        return;
    }
    if (arms & (LEFT | RIGHT)) {
        int left = arms & LEFT ? x : middle_x - thick / 2;
        int right = arms & RIGHT ? x + cells * CELL_WIDTH : middle_x + thick / 2;
        rect(shot, left, middle_y - 50, right - left, 100, color, 100);
    }
    if (arms & (UP | DOWN)) {
        int top = arms & UP ? y + cut : middle_y - 50, bottom = arms & DOWN ? y + CELL_HEIGHT - cut : middle_y + 50;
        rect(shot, middle_x - thick / 2, top, thick, bottom - top, color, 100);
    }
}

/* Block elements, U+2580 to U+259F, `cells` equal ones side by side. Returns whether c is one. */
static bool draw_block_element(const struct shot *shot, int x, int y, int cells, utf8proc_int32_t c, int32_t color)
{
    static const unsigned char quadrants[] = { 4, 8, 1, 13, 9, 7, 11, 2, 6, 14 }; /* 1 2 above, 4 8 below */
    int width = cells * CELL_WIDTH, half = CELL_HEIGHT / 2;
    if (c == 0x2580)
        rect(shot, x, y, width, half, color, 100);
    else if (c >= 0x2581 && c <= 0x2588) {
        int height = CELL_HEIGHT * (int)(c - 0x2580) / 8;
        rect(shot, x, y + CELL_HEIGHT - height, width, height, color, 100);
    } else if (c >= 0x2589 && c <= 0x258F)
        rect(shot, x, y, CELL_WIDTH * (int)(0x2590 - c) / 8, CELL_HEIGHT, color, 100);
    else if (c == 0x2590)
        rect(shot, x + CELL_WIDTH / 2, y, CELL_WIDTH - CELL_WIDTH / 2, CELL_HEIGHT, color, 100);
    else if (c >= 0x2591 && c <= 0x2593)
        rect(shot, x, y, width, CELL_HEIGHT, color, (int)(c - 0x2590) * 25);
    else if (c >= 0x2596 && c <= 0x259F) {
        for (int q = 0; q < 4; q++)
            if (quadrants[c - 0x2596] & (1 << q))
                rect(shot, x + q % 2 * CELL_WIDTH / 2, y + q / 2 * half, CELL_WIDTH / 2, half, color, 100);
    } else
        return false;
    return true;
}

/* Whether equal neighbors of this block element are one rectangle. */
static bool joins(utf8proc_int32_t c)
{
    return (c >= 0x2580 && c <= 0x2588) || (c >= 0x2591 && c <= 0x2593) || c == 0x2500;
}

/* --------------------------------------------------------------------------------------------------------- text */

static void put_escaped(FILE *file, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&': fputs("&amp;", file); break;
        case '<': fputs("&lt;", file); break;
        case '>': fputs("&gt;", file); break;
        default:  fputc(*text, file);
        }
}

static utf8proc_int32_t first_of(const struct canvas_cell *cell)
{
    utf8proc_int32_t c;
    return utf8proc_iterate((const utf8proc_uint8_t *)cell->text, -1, &c) > 0 ? c : 0;
}

static bool is_blank(const struct canvas_cell *cell)
{
    return cell->text[0] == '\0' || strcmp(cell->text, " ") == 0;
}

static bool is_shape(const struct canvas_cell *cell)
{
    utf8proc_int32_t c = first_of(cell);
    return (c >= 0x2580 && c <= 0x259F) || arms_of(c);
}

static struct look look_of(const struct shot *shot, const struct canvas_cell *cell)
{
    struct look look = theme_look(shot->theme, (enum style)cell->style, (enum style)cell->back);
    look.fg = look.fg < 0 ? theme_ink(shot->theme) : look.fg;
    return look;
}

/* One word: the cells [from, to) of a row in one look. */
static void put_word(const struct shot *shot, int from, int to, int y)
{
    struct look look = look_of(shot, canvas_at(shot->canvas, from, y));
    fprintf(shot->file, "<text x=\"%.2f\" y=\"%.2f\" fill=\"#%06x\"", (PAD + from * CELL_WIDTH) / 100.0,
            (PAD + y * CELL_HEIGHT + BASELINE) / 100.0, (unsigned)look.fg);
    if (to - from > 1)
        fprintf(shot->file, " textLength=\"%.2f\"", (to - from) * CELL_WIDTH / 100.0);
    fputs(look.attributes & LOOK_BOLD ? " font-weight=\"bold\"" : "", shot->file);
    fputs(look.attributes & LOOK_ITALIC ? " font-style=\"italic\"" : "", shot->file);
    fputs(look.attributes & LOOK_STRUCK ? " text-decoration=\"line-through\"" : "", shot->file);
    fputc('>', shot->file);
    for (int x = from; x < to; x++)
        put_escaped(shot->file, canvas_at(shot->canvas, x, y)->text);
    fputs("</text>\n", shot->file);
}

/* ---------------------------------------------------------------------------------------------------------- rows */

static bool same_look(const struct canvas_cell *a, const struct canvas_cell *b)
{
    return a->style == b->style && a->back == b->back;
}

static void draw_fills(const struct shot *shot, int y)
{
    for (int x = 0, end; x < shot->canvas->width; x = end) {
        uint8_t back = canvas_at(shot->canvas, x, y)->back;
        for (end = x + 1; end < shot->canvas->width && canvas_at(shot->canvas, end, y)->back == back; end++)
            ;
        if (back != STYLE_TEXT)
            rect(shot, PAD + x * CELL_WIDTH, PAD + y * CELL_HEIGHT, (end - x) * CELL_WIDTH, CELL_HEIGHT,
                 theme_look(shot->theme, STYLE_TEXT, (enum style)back).bg, 100);
    }
}

/* A shape and its equal neighbors; returns the column behind them. */
static int draw_shape(const struct shot *shot, int x, int y)
{
    const struct canvas_cell *cell = canvas_at(shot->canvas, x, y);
    utf8proc_int32_t c = first_of(cell);
    int end = x + 1, left = PAD + x * CELL_WIDTH, top = PAD + y * CELL_HEIGHT;
    int32_t color = look_of(shot, cell).fg;
    for (; joins(c) && end < shot->canvas->width; end++) {
        const struct canvas_cell *next = canvas_at(shot->canvas, end, y);
        if (first_of(next) != c || next->style != cell->style)
            break;
    }
    if (!draw_block_element(shot, left, top, end - x, c, color))
        draw_arms(shot, left, top, end - x, arms_of(c), color);
    return end;
}

static void draw_glyphs(const struct shot *shot, int y)
{
    for (int x = 0, end; x < shot->canvas->width; x = end) {
        const struct canvas_cell *cell = canvas_at(shot->canvas, x, y);
        end = x + 1;
        if (is_blank(cell))
            continue;
        if (is_shape(cell)) {
            end = draw_shape(shot, x, y);
            continue;
        }
        bool alone = first_of(cell) > 0x7F; /* fonts differ in the width of symbols: each in its own cell */
        while (!alone && end < shot->canvas->width) {
            const struct canvas_cell *next = canvas_at(shot->canvas, end, y);
            if (is_blank(next) || is_shape(next) || !same_look(next, cell) || first_of(next) > 0x7F)
                break;
            end++;
        }
        put_word(shot, x, end, y);
    }
}

bool shot_write(const struct canvas *canvas, const struct theme *theme, FILE *file)
{
    struct shot shot = { canvas, theme, file };
    double width = (2 * PAD + canvas->width * CELL_WIDTH) / 100.0;
    double height = (2 * PAD + canvas->height * CELL_HEIGHT) / 100.0;

    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.2f %.2f\" "
            "shape-rendering=\"crispEdges\" font-family=\"'DejaVu Sans Mono',Menlo,Consolas,monospace\" "
            "font-size=\"%d\">\n",
            width, height, width, height, FONT / 100);
    fprintf(file, "<rect width=\"100%%\" height=\"100%%\" rx=\"6\" fill=\"#%06x\"/>\n", (unsigned)theme_paper(theme));
    for (int y = 0; y < canvas->height; y++)
        draw_fills(&shot, y);
    for (int y = 0; y < canvas->height; y++)
        draw_glyphs(&shot, y);
    fputs("</svg>\n", file);
    return fflush(file) == 0 && !ferror(file);
}
