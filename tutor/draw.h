/* draw.h: a view as cells.
 * Same view, same size, same options: same canvas. The layout is header, scrolling body, dock, status or message,
 * footer; on wide screens figures stand beside the text. */
#ifndef TUTOR_DRAW_H
#define TUTOR_DRAW_H

#include "engine/view.h"
#include "tutor/pen.h"

enum {
    DRAW_TEXT_WIDTH = 72,  /* the measure that prose keeps */
    DRAW_MARGIN = 4,
    DRAW_WIDE = 130,       /* from here figures go beside the text */
    DRAW_LEAST_WIDTH = 20, /* below: a card that says "too small" */
    DRAW_LEAST_HEIGHT = 5,
};

struct draw_options {
    bool ascii;  /* ASCII glyphs only */
    bool shades; /* the screen has no 16 heat colors: density characters instead */
    int  scroll; /* first line of the body (or of the overlay) to show; clamped */
};

struct draw_result {
    int content_height;       /* lines of the body (or of the overlay) */
    int body_height;          /* lines of it that are visible */
    int scroll;               /* as it was clamped, and moved to keep the focused line visible */
    int cursor_x, cursor_y;   /* the focused element, -1 when there is none */
};

/* Draws the whole view into the canvas, whose size is the screen's. The view was checked by view_check_list; what
 * is missing or odd is left out. */
void draw_view(const json_t *view, struct canvas *canvas, const struct draw_options *options,
               struct draw_result *result);

/* Draws one block into the pen's area; returns its height. */
int draw_block(struct pen *pen, const json_t *block);

#endif
