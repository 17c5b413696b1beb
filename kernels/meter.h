/* meter.h: what rounding does to results: outputs, distributions, single rows and columns.
 * Sums run in FP64; error.h has the sums over the values themselves. */
#ifndef KERNELS_METER_H
#define KERNELS_METER_H

#include <stddef.h>

#include "kernels/status.h"

/* Power of what was meant, and of what is wrong with it. */
struct meter {
    double signal, noise;
    double sqnr_db;             /* 10 log10(signal / noise); inf where nothing is wrong */
};

/* y against exact, n values. */
struct meter meter_compare(const float *exact, const float *y, size_t n);

/* The same for each row, or each column, of [rows, cols]. out [rows] or [cols]. */
void meter_rows(const float *exact, const float *y, size_t rows, size_t cols, struct meter *out);
void meter_cols(const float *exact, const float *y, size_t rows, size_t cols, struct meter *out);

/* KL(exact || y) of two distributions over n, in nats. What y has at 0 counts as the smallest normal number. */
double meter_kl(const double *exact, const double *y, size_t n);

/* Mean over the rows of KL(softmax(exact) || softmax(y)) in nats; logits [rows, n], finite. */
double meter_softmax_kl(const float *exact, const float *y, size_t rows, size_t n);

/* The share of rows whose largest logit is the same in both: top-token agreement. */
double meter_top_agreement(const float *exact, const float *y, size_t rows, size_t n);

#endif
