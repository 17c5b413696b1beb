/* viewdata.h: numbers of a matrix as blocks show them: counted in bins, or reduced to 16 levels. */
#ifndef ENGINE_VIEWDATA_H
#define ENGINE_VIEWDATA_H

#include <jansson.h>
#include <stddef.h>

enum { VIEWDATA_ROWS = 128, VIEWDATA_COLS = 256 }; /* cells of a heat map at most */

struct viewdata_matrix {
    size_t       rows, cols;
    const float *values;   /* [rows, cols] */
    const float *original; /* with it the size of the error is meant, original - values; else NULL: |value| */
};

/* How many of x [n] lie in each of `bins` equal parts from `from` to `to`. A new list. */
json_t *viewdata_bins(const float *x, size_t n, double from, double to, int bins);

/* The matrix reduced to at most *rows x *cols cells by largest magnitude, NaN where one is in there, and how many those
 * are then; `high` grows to the largest that is finite. To be freed. NULL without memory. */
double *viewdata_reduce(const struct viewdata_matrix *m, size_t *rows, size_t *cols, double *high);

/* Lines of levels, '0' to 'f' over the three decades below `high`, 'f' for infinities too, 'n' for NaN; at most
 * VIEWDATA_COLS wide. A new list. */
json_t *viewdata_levels(const double *cell, size_t rows, size_t cols, double high);

/* Sets field `name` of the block to a number behind a prefix, unless it is there. */
void viewdata_label(json_t *block, const char *name, const char *prefix, double value);

/* A whole heat map: fills rows, shape, low and high. NULL, or what is wrong. */
const char *viewdata_heat(json_t *block, const struct viewdata_matrix *m);

#endif
