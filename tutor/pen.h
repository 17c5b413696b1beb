/* pen.h: writes into an area of a canvas, or only measures.
 * Every figure is one function of a pen and a block that returns its height; with no canvas the same function
 * measures. Rows outside of the pen's clip are not written, which is how a body scrolls. */
#ifndef TUTOR_PEN_H
#define TUTOR_PEN_H

#include "tutor/canvas.h"

/* Glyphs by meaning, each with an ASCII twin of the same width. ORDER GLYPH: glyph_table in pen.c */
enum glyph {
    GLYPH_GUESS, GLYPH_OUTCOME, GLYPH_VALUE, GLYPH_WRONG, GLYPH_LIMIT, GLYPH_PLAIN,
    GLYPH_RULE, GLYPH_LINE, GLYPH_TICK, GLYPH_MINOR, GLYPH_LEFT_END, GLYPH_RIGHT_END, GLYPH_LEADER,
    GLYPH_DOWN, GLYPH_UP, GLYPH_LEFT, GLYPH_RIGHT, GLYPH_POINTER, GLYPH_COLUMN,
    GLYPH_FULL, GLYPH_TRACK, GLYPH_QUOTE, GLYPH_BAR, GLYPH_TIMES, GLYPH_DOT, GLYPH_STRUCK,
    GLYPH_DONE, GLYPH_DOING, GLYPH_NEW, GLYPH_RIGHT_MARK, GLYPH_WRONG_MARK, GLYPH_PICKED, GLYPH_HANDLE,
    GLYPH_HLINE, GLYPH_VLINE, GLYPH_LOW, GLYPH_HIGH, GLYPH_ELLIPSIS, GLYPH_NAN, GLYPH_WRAP,
    GLYPH_COUNT
};

struct pen {
    struct canvas *canvas;   /* NULL: measure only */
    int  x, y;               /* origin of the area; y may lie above `top` */
    int  width;              /* cells the area is wide */
    int  top, bottom;        /* rows that may be written, top <= row < bottom */
    int  room;               /* rows that a growing figure should fill, 0: its own height */
    bool tight;              /* few rows: no air inside figures */
    bool ascii;              /* ASCII twins */
    bool shades;             /* density characters instead of colors in heat maps and stacks */
    int *cursor_x, *cursor_y; /* where the focused element goes, or NULL when nothing has the focus */
};

/* The glyph as text, in ASCII where the pen writes ASCII. */
const char *pen_glyph(const struct pen *pen, enum glyph glyph);

/* Writes at (x, y) of the area, clipped to it; returns the cells that the whole text takes. */
int pen_text(const struct pen *pen, int x, int y, const char *text, enum style style);
int pen_text_on(const struct pen *pen, int x, int y, const char *text, enum style style, enum style back);
int pen_bytes(const struct pen *pen, int x, int y, const char *text, size_t bytes, enum style style);
int pen_put(const struct pen *pen, int x, int y, enum glyph glyph, enum style style);

/* Writes text that ends before column x. */
void pen_text_right(const struct pen *pen, int x, int y, const char *text, enum style style);

/* Writes text cut with an ellipsis at `width` cells. */
int pen_clip(const struct pen *pen, int x, int y, int width, const char *text, enum style style);

/* Writes a paragraph `width` cells wide; returns its lines. */
int pen_wrap(const struct pen *pen, int x, int y, int width, const char *text, enum style style);

/* A run of one glyph. */
void pen_run(const struct pen *pen, int x, int y, int width, enum glyph glyph, enum style style);

/* A horizontal bar from x, `length` cells long in eighths; returns the cells it touches. */
int pen_bar(const struct pen *pen, int x, int y, double length, enum style style);

/* The cell for a vertical bar: `eighths` 0 to 8 of it are filled. */
void pen_column(const struct pen *pen, int x, int y, int eighths, enum style style);

/* Puts the terminal's cursor on a place of the area. */
void pen_cursor(const struct pen *pen, int x, int y);

#endif
