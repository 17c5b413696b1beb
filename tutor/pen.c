/* pen.c: glyphs, and writing inside a clip. See pen.h. */
#include "tutor/pen.h"

#include <math.h>
#include <string.h>

/* ORDER GLYPH */
static const char *const glyph_table[GLYPH_COUNT][2] = {
    [GLYPH_GUESS] = { "▲", "^" },      [GLYPH_OUTCOME] = { "●", "*" },    [GLYPH_VALUE] = { "◆", "#" },
    [GLYPH_WRONG] = { "×", "x" },      [GLYPH_LIMIT] = { "┃", "!" },      [GLYPH_PLAIN] = { "╋", "+" },
    [GLYPH_RULE] = { "─", "-" },       [GLYPH_LINE] = { "─", "-" },       [GLYPH_TICK] = { "┼", "|" },
    [GLYPH_MINOR] = { "┴", "." },      [GLYPH_LEFT_END] = { "├", "|" },   [GLYPH_RIGHT_END] = { "┤", "|" },
    [GLYPH_LEADER] = { "│", "|" },     [GLYPH_DOWN] = { "↓", "v" },       [GLYPH_UP] = { "↑", "^" },
    [GLYPH_LEFT] = { "←", "<" },       [GLYPH_RIGHT] = { "→", ">" },      [GLYPH_POINTER] = { "▸", ">" },
    [GLYPH_COLUMN] = { "↑", "^" },     [GLYPH_FULL] = { "█", "=" },       [GLYPH_TRACK] = { "┄", "." },
    [GLYPH_QUOTE] = { "┃", "|" },      [GLYPH_BAR] = { "│", "|" },        [GLYPH_TIMES] = { "×", "x" },
    [GLYPH_DOT] = { "·", "." },        [GLYPH_STRUCK] = { "✗", "x" },     [GLYPH_DONE] = { "●", "#" },
    [GLYPH_DOING] = { "◐", "~" },      [GLYPH_NEW] = { "○", "." },        [GLYPH_RIGHT_MARK] = { "✓", "+" },
    [GLYPH_WRONG_MARK] = { "✗", "x" }, [GLYPH_PICKED] = { "●", "*" },     [GLYPH_HANDLE] = { "●", "o" },
    [GLYPH_HLINE] = { "┈", "-" },      [GLYPH_VLINE] = { "┊", ":" },      [GLYPH_LOW] = { "├", "|" },
    [GLYPH_HIGH] = { "┤", "|" },       [GLYPH_ELLIPSIS] = { "…", "~" },   [GLYPH_NAN] = { "╳", "N" },
    [GLYPH_WRAP] = { "↪", "\\" },
};

const char *pen_glyph(const struct pen *pen, enum glyph glyph)
{
    return glyph_table[glyph][pen->ascii];
}

/* Whether row y of the area may be written. */
static bool visible(const struct pen *pen, int y)
{
    int row = pen->y + y;
    return pen->canvas && row >= pen->top && row < pen->bottom;
}

int pen_text_on(const struct pen *pen, int x, int y, const char *text, enum style style, enum style back)
{
    if (!visible(pen, y))
        return text_width(text);
    return canvas_text(pen->canvas, pen->x + x, pen->y + y, pen->x, pen->x + pen->width, text, style, back);
}

int pen_text(const struct pen *pen, int x, int y, const char *text, enum style style)
{
    return pen_text_on(pen, x, y, text, style, STYLE_TEXT);
}

int pen_bytes(const struct pen *pen, int x, int y, const char *text, size_t bytes, enum style style)
{
    struct text_cell cell;
    int start = x;
    for (size_t n; (n = text_next(text, bytes, &cell)) > 0; text += n, bytes -= n)
        x += pen_text(pen, x, y, cell.text, style);
    return x - start;
}

int pen_put(const struct pen *pen, int x, int y, enum glyph glyph, enum style style)
{
    return pen_text(pen, x, y, pen_glyph(pen, glyph), style);
}

void pen_text_right(const struct pen *pen, int x, int y, const char *text, enum style style)
{
    pen_text(pen, x - text_width(text), y, text, style);
}

int pen_clip(const struct pen *pen, int x, int y, int width, const char *text, enum style style)
{
    char cut[1024];
    return pen_text(pen, x, y, text_clip(text, width, pen_glyph(pen, GLYPH_ELLIPSIS), cut, sizeof cut), style);
}

int pen_wrap(const struct pen *pen, int x, int y, int width, const char *text, enum style style)
{
    size_t bytes = strlen(text), next;
    int lines = 0;
    for (; bytes > 0; text += next, bytes -= next, lines++) {
        size_t line = text_line(text, bytes, width, &next);
        pen_bytes(pen, x, y + lines, text, line, style);
    }
    return lines;
}

void pen_run(const struct pen *pen, int x, int y, int width, enum glyph glyph, enum style style)
{
    for (int i = 0; i < width; i++)
        pen_put(pen, x + i, y, glyph, style);
}

int pen_bar(const struct pen *pen, int x, int y, double length, enum style style)
{
    static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    if (!(length > 0))
        return 0;
    if (length > pen->width)
        length = pen->width;
    int eighths = (int)lrint(length * 8);
    if (eighths == 0)
        eighths = 1;
    int whole = pen->ascii ? (eighths + 4) / 8 : eighths / 8;
    pen_run(pen, x, y, whole, GLYPH_FULL, style);
    if (pen->ascii)
        return whole > 0 ? whole : pen_text(pen, x, y, "|", style);
    if (eighths % 8)
        pen_text(pen, x + whole, y, parts[eighths % 8], style);
    return whole + (eighths % 8 != 0);
}

void pen_column(const struct pen *pen, int x, int y, int eighths, enum style style)
{
    static const char *const fine[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    static const char *const coarse[] = { " ", ".", ".", ":", ":", "|", "|", "#", "#" };
    if (eighths > 0)
        pen_text(pen, x, y, (pen->ascii ? coarse : fine)[eighths < 8 ? eighths : 8], style);
}

void pen_cursor(const struct pen *pen, int x, int y)
{
    if (!pen->cursor_x || x < 0 || x >= pen->width || !visible(pen, y))
        return;
    *pen->cursor_x = pen->x + x;
    *pen->cursor_y = pen->y + y;
}
