/* quantlook.h: what rounding did to a tensor, gathered while blocks of its rows go by, for a picture of it.
 * A level is what a code stands for before its scale: 3 of int4, 1.5 of e2m1; with a zero-point, the code itself. A
 * value has one too: where it lay among them when it was rounded. */
#ifndef ENGINE_QUANTLOOK_H
#define ENGINE_QUANTLOOK_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/method.h"

enum {
    QUANTLOOK_BINS   = 2048,    /* of levels, from -reach to reach */
    QUANTLOOK_CODES  = 256,
    QUANTLOOK_OCTAVE = 16,      /* bins of scales from a power of two to the next, */
    QUANTLOOK_LEAST  = -160,    /* the lowest of which is 2^LEAST */
    QUANTLOOK_SCALES = 320 * QUANTLOOK_OCTAVE,
    QUANTLOOK_WORST  = 3,
};

/* ORDER QUANTLOOK_FATE: names in quantview.c */
enum quantlook_fate {
    QUANTLOOK_ROUNDED,          /* to one of its neighbors */
    QUANTLOOK_ZERO,             /* it was none, and is 0 now */
    QUANTLOOK_CLIPPED,          /* it lay beyond the last level, too far to round to it */
    QUANTLOOK_FATES
};

/* A row or a column, and the sums of its error. */
struct quantlook_part {
    size_t index;
    double signal, noise;
};

/* Values that are not finite take no part. Sums run in FP64, in row-major order. */
struct quantlook {
    size_t rows, cols;
    size_t seen;                                /* rows */
    double reach;                               /* a power of two, beyond all levels and what a scale is to reach */
    double before[QUANTLOOK_BINS], after[QUANTLOOK_BINS]; /* levels, but for columns that a method keeps apart */
    double codes[QUANTLOOK_CODES];              /* how often each was used; formats of up to 8 bits */
    double scales[QUANTLOOK_SCALES];            /* by the binary logarithm of |scale| */
    double scale_low, scale_high, scale_count;  /* of scales that are not 0 */
    double count[QUANTLOOK_FATES], noise[QUANTLOOK_FATES];
    double zeros;                               /* values that were 0 before */
    double signal;
    struct quantlook_part  worst[QUANTLOOK_WORST];          /* rows, lowest SQNR first; */
    size_t                 worst_count;
    struct quantlook_part *columns;             /* [cols]; of one row, which may be long, only their sum */
    double                *cells;               /* [map_rows, map_cols] the squared error in each part */
    size_t                 map_rows, map_cols;
    float                 *prepared;            /* [cols] a row as it was rounded */
};

/* Begins with a tensor of rows x cols. NULL without memory. */
struct quantlook *quantlook_new(size_t rows, size_t cols);
void              quantlook_free(struct quantlook *);

/* Takes the next rows in: w [rounded->q.rows, cols] as they were, and what became of them. */
void quantlook_take(struct quantlook *, const float *w, const struct method_result *rounded);

/* The columns of lowest SQNR, lowest first; how many there are, at most QUANTLOOK_WORST; none of one row. Those
 * without signal or error are left out, here and among the rows. */
size_t quantlook_columns(const struct quantlook *, struct quantlook_part worst[QUANTLOOK_WORST]);

/* The root of the mean squared error in cell i of the map. */
double quantlook_cell(const struct quantlook *, size_t i);

/* The lowest and the highest level that codes of a recipe have. */
void quantlook_ends(const struct recipe *r, double *low, double *high);

#endif
