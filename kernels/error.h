/* error.h: how far decoded values are from what they were.
 * The same bits on every instruction set and for any number of threads; see error.c for the order of the sums.
 * Elements whose original is not finite take no part. */
#ifndef KERNELS_ERROR_H
#define KERNELS_ERROR_H

#include <stddef.h>
#include <stdint.h>

/* The sums behind MSE and SQNR, see arithmetic.md "Sums": the same bits on every instruction set. */
struct error_sums {
    double signal;              /* sum of x^2 */
    double noise;               /* sum of (x - decoded)^2 */
    double max_abs;             /* largest |x - decoded| */
    size_t count;               /* elements that took part */
};

/* Signal, noise and largest error of `decoded` against x. Elements whose x is not finite are skipped. */
struct error_sums error_measure(const float *x, const float *decoded, size_t n);

/* The same over the elements that `pick` marks non-zero: whose error is it? */
struct error_sums error_where(const float *x, const float *decoded, const uint8_t *pick, size_t n);

/* The same over the elements with |x| < threshold: the ordinary values. */
struct error_sums error_below(const float *x, const float *decoded, float threshold, size_t n);

/* The sum of a chunk's lanes, joined as error.c does: for kernels that keep the lanes themselves. */
enum { ERROR_LANES = 64 };
double error_join(const float lane[ERROR_LANES]);

/* 10 log10(signal / noise); inf where noise is 0. */
double sqnr_db(double signal, double noise);

#endif
