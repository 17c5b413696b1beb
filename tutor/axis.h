/* axis.h: an axis on a row of cells: where a value stands, its ticks, the marks on it and their labels.
 * Grid, place, hist, bars, stack and plot share it, so that the guess looks the same everywhere. */
#ifndef TUTOR_AXIS_H
#define TUTOR_AXIS_H

#include "engine/view.h"
#include "tutor/pen.h"

struct axis {
    double from, to;
    bool   log;
    int    width; /* cells from the first to the last */
};

/* An axis of a block's or an axis object's "from", "to" and "scale"; a log axis that cannot be one is linear. Never
 * empty: from < to, both finite, width at least 2. */
struct axis axis_new(double from, double to, bool log, int width);
/* The same, at most a sixth narrower where that spaces its ticks (see axis_ticks) evenly. */
struct axis axis_even(struct axis axis, int apart);
bool axis_is_log(const json_t *object);

/* The place of a value, 0 to 1, unclamped; NaN for NaN. */
double axis_place(const struct axis *axis, double value);

/* The column of a value, clamped to the axis; -1 for NaN. */
int axis_column(const struct axis *axis, double value);

/* Round values for ticks about `apart` cells from each other, at most `most`; returns how many. On a log axis of a
 * decade or more: powers of ten. */
int axis_ticks(const struct axis *axis, int apart, double *ticks, int most);

/* Writes tick numbers on row y, centered on their columns, leaving out those that would touch. */
void axis_numbers(struct pen *pen, const struct axis *axis, int x, int y, const double *ticks, int count);

/* A tick's number: as view_format, but 100k, 1M, 1G from 100,000 up. */
char *axis_number(double value, char *out, size_t size);

/* The style and the glyph of a role of VIEW_ROLES. */
enum style mark_style(const char *role);
enum glyph mark_glyph(const char *role);

/* How a mark is called on every face: its label, with its number when the label lacks it, else the role's word. */
char *mark_text(const json_t *mark, const char *unit, char *out, size_t size);

/* A label that hangs at a column below an axis. */
struct label {
    int         column;
    enum style  style;
    char        text[96];
    int         row, x; /* set by the layout */
};

/* Writes labels under their columns from row y: side by side where they fit, else on further rows with a leader up to
 * the axis. They never overlap. Returns the rows taken. */
int axis_labels(struct pen *pen, int y, int width, struct label *labels, int count);

/* Puts the glyphs of marks on row y, whose first cell is x; the most important one wins a cell. */
void axis_marks(struct pen *pen, const struct axis *axis, int x, int y, const json_t *marks);

/* The marks of a list as labels, in order of their columns; at most `most`. A mark whose cell another one won has its
 * glyph in its label. */
int axis_mark_labels(const struct pen *pen, const struct axis *axis, int x, const json_t *marks, const char *unit,
                     struct label *labels, int most);

#endif
