/* random.h: seeded numbers that are the same on every machine and for any number of threads.
 * Philox4x32-10 is a function of (seed, index): there is no state to carry or to order.
 * Every generator names its stream, so that one seed can feed values, outliers and channels independently. */
#ifndef KERNELS_RANDOM_H
#define KERNELS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum random_stream {
    STREAM_VALUES,          /* counter words 2 and 3 are (stream, 0); this one is plain Philox */
    STREAM_OUTLIERS,
    STREAM_CHANNELS,
    STREAM_CHANNEL_TIMES,
    STREAM_FACTORS,
    STREAM_MIXTURE,
};

/* Philox4x32-10: 10 rounds over `counter` with `key`. */
void random_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* The i-th 32-bit number of (seed, stream): word i mod 4 of the block with counter i / 4. */
uint32_t random_bits(uint64_t seed, enum random_stream stream, uint64_t i);

/* The i-th number in [0, 1), a multiple of 2^-32. */
double random_uniform(uint64_t seed, enum random_stream stream, uint64_t i);

/* Fills x[0..n) with a normal distribution, standard deviation sigma: Box-Muller in FP64, rounded to FP32.
 * Value i depends on seed and i only. */
void random_gaussian(float *x, size_t n, uint64_t seed, double sigma);

/* Multiplies each value by `times` with probability `fraction`, independently. Returns how many were. */
size_t random_outliers(float *x, size_t n, uint64_t seed, double fraction, double times);

/* Picks `count` of the numbers 0..of-1 without replacement, in ascending order. count <= of. */
void random_choose(size_t *chosen, size_t count, size_t of, uint64_t seed);

/* Multiplies `count` columns of x [rows, cols], chosen without replacement, by factors spread evenly at
 * random over [from, to]. chosen[count] receives the columns, ascending; it may be NULL when count <= 64. */
void random_outlier_channels(float *x, size_t rows, size_t cols, uint64_t seed,
                             size_t count, double from, double to, size_t *chosen);

/* Fills x [rows, cols] with rows whose columns are correlated, as a layer's inputs are: each row is a mixture of
 * `factors` normal numbers shared by all columns, plus `noise` times normal numbers of its own. `law` fixes the
 * mixture, `seed` the rows: two seeds of one law are calibration and fresh data. False when out of memory. */
bool random_correlated(float *x, size_t rows, size_t cols, uint64_t seed, uint64_t law, size_t factors, double noise);

#endif
