/* view.h: views, the blocks a lesson shows.
 * A view is JSON, made by the session, the app or a lesson's reveal(), and drawn by tutor/draw.c (cells) or
 * tutor/plain.c (sentences). Blocks say what, never where: no coordinates, no colors. */
#ifndef ENGINE_VIEW_H
#define ENGINE_VIEW_H

#include "engine/schema.h"

/* A whole screen:
 *   {"title": "The other lever", "where": "the catch · step 4 of 6",
 *    "body": [block...],        scrolls
 *    "dock": [block...],        what has the focus (input, choices, knobs); stays visible above the footer
 *    "status": "...",           one line, dim: progress, provenance
 *    "message": "...",          one line, bright: an error or a notice, until the next key
 *    "keys": [{"key": "Enter", "name": "next", "help": "..."}...],   the footer, most important first
 *    "overlay": [block...],     help or a list over the body, when open
 *    "step": "...",             id of the step, "" at the end of a lesson
 *    "kind": "read",            of the step; absent beyond lessons
 *    "timed": true}             numbers on it are timings, which vary
 * Every block is an object whose "view" names its kind: one row of view_kinds. */

/* ORDER VIEW_KIND: view_kinds in view.c, draw_table in tutor/draw.c, say_table in tutor/say.c */
enum view_kind {
    VIEW_HEADING,  /* text */
    VIEW_PROSE,    /* text: one paragraph */
    VIEW_NOTE,     /* text, title: an aside, such as the Kubernetes translation */
    VIEW_QUOTE,    /* text: the pantry analogy */
    VIEW_CODE,     /* text: lines kept as they are; caption */
    VIEW_TABLE,    /* columns, rows */
    VIEW_FORMULA,  /* terms, one a line, with the running product */
    VIEW_BITS,     /* bit lanes of one or more codes */
    VIEW_GRID,     /* a number line: a format's values and marks on it; also guess and outcome on one axis */
    VIEW_HIST,     /* histogram, the grid under it */
    VIEW_HEAT,     /* matrix of levels */
    VIEW_MAPS,     /* several matrices of levels on one scale, stacked as strips or beside each other */
    VIEW_BARS,     /* bars, optionally split; the guess on the same axis */
    VIEW_INTERVALS, /* values with their intervals, one a row, and columns of figures */
    VIEW_PLOT,     /* curves */
    VIEW_ROOFLINE, /* attainable speed over FLOPs a byte */
    VIEW_STACK,    /* memory budgets as stacked parts against one capacity */
    VIEW_KNOBS,    /* knobs and which has the focus (made by the session) */
    VIEW_INPUT,    /* a line or a text being typed (made by the session) */
    VIEW_CHOICES,  /* options, one focused or picked (made by the session) */
    VIEW_PLACE,    /* a bare axis with the learner's mark (made by the session) */
    VIEW_RANKING,  /* items being ordered (made by the session) */
    VIEW_CELLS,    /* a table being filled in (made by the session) */
    VIEW_SURE,     /* how sure: guess, 50, 75, 95 (made by the session) */
    VIEW_MENU,     /* a list of things to open: the map, jump, search (made by the app) */
    VIEW_WORKING,  /* a computation under way: label, fraction (made by the session) */
    VIEW_KIND_COUNT
};

/* Who a mark belongs to. Guess is the learner's blue, outcome the computed orange; both carry a glyph and a word. */
#define VIEW_ROLES "guess|outcome|value|wrong|limit|plain"

extern const struct object view_kinds[VIEW_KIND_COUNT];

/* The kind of a block, or VIEW_KIND_COUNT if it has none that is known. */
enum view_kind view_kind_of(const json_t *block);

/* Checks one block or a list of blocks (see schema_check). */
bool view_check(const json_t *block, char *error, size_t size);
bool view_check_list(const json_t *blocks, char *error, size_t size);

/* A field of a block, or the default when it is absent. Numbers accept "nan", "inf", "-inf". */
const char *view_text(const json_t *block, const char *name, const char *absent);
double      view_number(const json_t *block, const char *name, double absent);
bool        view_flag(const json_t *block, const char *name);
double      view_as_number(const json_t *value);

/* Numbers as people read them: three significant digits, thousands separated by commas from 10,000 up, no exponent
 * between 1e-4 and 1e15, trailing zeros dropped. "nan", "inf". Writes to out, returns out. */
char *view_format(double value, char *out, size_t size);
/* The same with a unit: bytes become KiB, MiB, GiB ("B" only); "%" and "x" follow at once or after a space. */
char *view_format_unit(double value, const char *unit, char *out, size_t size);

#endif
