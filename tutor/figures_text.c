/* figures_text.c: words: headings, prose, notes, quotes, code. */
#include "tutor/figures.h"

#include <string.h>

int figure_heading(struct pen *pen, const json_t *block)
{
    return pen_wrap(pen, 0, 0, pen->width, view_text(block, "text", ""), STYLE_TITLE);
}

/* The figure a question is about stands in the middle of its line. */
static int big_line(struct pen *pen, const char *text)
{
    int width = text_width(text);
    if (width > pen->width)
        return pen_wrap(pen, 0, 0, pen->width, text, STYLE_STRONG);
    return pen_wrap(pen, (pen->width - width) / 2, 0, pen->width, text, STYLE_STRONG);
}

int figure_prose(struct pen *pen, const json_t *block)
{
    const char *text = view_text(block, "text", "");
    if (view_flag(block, "big"))
        return big_line(pen, text);
    return pen_wrap(pen, 0, 0, pen->width, text, STYLE_TEXT);
}

/* A paragraph behind a line at the left. */
static int barred(struct pen *pen, int y, const char *text, enum glyph bar, enum style bar_style, enum style style)
{
    int lines = pen_wrap(pen, 2, y, pen->width - 2, text, style);
    for (int i = 0; i < lines; i++)
        pen_put(pen, 0, y + i, bar, bar_style);
    return lines;
}

int figure_note(struct pen *pen, const json_t *block)
{
    const char *title = view_text(block, "title", NULL);
    int lines = title ? barred(pen, 0, title, GLYPH_BAR, STYLE_RULE, STYLE_TITLE) : 0;
    return lines + barred(pen, lines, view_text(block, "text", ""), GLYPH_BAR, STYLE_RULE, STYLE_TEXT);
}

int figure_quote(struct pen *pen, const json_t *block)
{
    return barred(pen, 0, view_text(block, "text", ""), GLYPH_QUOTE, STYLE_QUOTE, STYLE_QUOTE);
}

/* One line of code; what is too long goes on below, marked. Returns its rows. */
static int code_line(struct pen *pen, int y, const char *text, size_t bytes)
{
    int rows = 0;
    do {
        int indent = rows ? 4 : 2;
        size_t fits = text_fit(text, bytes, pen->width - indent);
        if (fits == 0 && bytes > 0)
            fits = bytes;
        if (rows)
            pen_put(pen, 2, y + rows, GLYPH_WRAP, STYLE_RULE);
        pen_bytes(pen, indent, y + rows, text, fits, STYLE_CODE);
        text += fits;
        bytes -= fits;
        rows++;
    } while (bytes > 0);
    return rows;
}

int figure_code(struct pen *pen, const json_t *block)
{
    const char *text = view_text(block, "text", ""), *caption = view_text(block, "caption", NULL);
    int rows = caption ? pen_wrap(pen, 0, 0, pen->width, caption, STYLE_DIM) : 0;
    while (*text) {
        size_t bytes = strcspn(text, "\n");
        rows += code_line(pen, rows, text, bytes);
        text += bytes + (text[bytes] == '\n');
    }
    return rows;
}
