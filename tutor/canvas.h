/* canvas.h: the grid of cells that every face but plain mode is made of.
 * The drawing writes a canvas; screen.c flushes it to curses, shot.c to a picture, tests dump it as text. Cells carry
 * what they mean (a style), never a color: theme.c decides that. */
#ifndef TUTOR_CANVAS_H
#define TUTOR_CANVAS_H

#include "engine/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ORDER STYLE: themes in theme.c */
enum style {
    STYLE_TEXT,     /* as `back`: the terminal's own background */
    STYLE_STRONG,   /* the figure a question is about, totals */
    STYLE_DIM,      /* status, captions, remarks */
    STYLE_TITLE,    /* the screen's title, headings */
    STYLE_RULE,     /* rules, leaders, empty tracks */
    STYLE_AXIS,     /* tick marks and their numbers */
    STYLE_KEY,      /* a key in the footer */
    STYLE_CODE,
    STYLE_QUOTE,
    STYLE_STRUCK,   /* left out of a formula */
    STYLE_GUESS,    /* the learner's: always blue */
    STYLE_OUTCOME,  /* the computed: always orange */
    STYLE_VALUE,    /* a value given, neither guessed nor computed */
    STYLE_WRONG,    /* a typical wrong answer */
    STYLE_LIMIT,    /* a capacity, a ceiling */
    STYLE_SIGN,     /* lanes of a code */
    STYLE_EXPONENT,
    STYLE_MANTISSA,
    STYLE_FOCUS,    /* what the keys act on */
    STYLE_ERROR,
    STYLE_OK,
    STYLE_PART0,    /* parts of a bar and curves without a role */
    STYLE_PART1,
    STYLE_PART2,
    STYLE_PART3,
    STYLE_NAN,      /* not a number, in a heat map */
    STYLE_HEAT0,    /* 16 levels, none to most */
    STYLE_HEAT15 = STYLE_HEAT0 + 15,
    STYLE_COUNT
};

enum { STYLE_PARTS = 4 };

struct canvas_cell {
    char    text[TEXT_CELL_BYTES]; /* NUL-padded; empty right of a wide cell */
    uint8_t width;                 /* 1, 2, or 0 right of a wide cell */
    uint8_t style;                 /* enum style of the glyph */
    uint8_t back;                  /* the style whose color fills the cell behind it, STYLE_TEXT: none */
};

struct canvas {
    int width, height;
    struct canvas_cell *cells; /* height rows of width */
};

/* A canvas of blanks; 0 x 0 is fine. Out of memory ends the process. */
struct canvas *canvas_new(int width, int height);
void canvas_free(struct canvas *canvas);

/* Blanks every cell, after changing the size if it differs. */
void canvas_reset(struct canvas *canvas, int width, int height);

/* The cell at a place, or NULL outside. */
const struct canvas_cell *canvas_at(const struct canvas *canvas, int x, int y);

/* Writes one cell. Outside of the canvas nothing happens; half of a wide cell that is overwritten becomes a blank. */
void canvas_put(struct canvas *canvas, int x, int y, const struct text_cell *cell, enum style style, enum style back);

/* Writes text on one row from x, clipped to the columns [left, right); returns its width in cells. */
int canvas_text(struct canvas *canvas, int x, int y, int left, int right, const char *text, enum style style,
                enum style back);

/* Writes a glyph into every cell of a rectangle. */
void canvas_fill(struct canvas *canvas, int x, int y, int width, int height, const char *glyph, enum style style);

/* Whether two canvases, or two cells, are the same in size, text, style and back. */
bool canvas_equal(const struct canvas *a, const struct canvas *b);
bool canvas_cell_equal(const struct canvas_cell *a, const struct canvas_cell *b);
/* Makes `to` the same as `from`. */
void canvas_copy(struct canvas *to, const struct canvas *from);

/* The text of the canvas, a row a line, trailing blanks cut. The caller frees it. */
char *canvas_dump(const struct canvas *canvas);

#endif
