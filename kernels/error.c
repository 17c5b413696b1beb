/* error.c: the sums behind MSE and SQNR, in one order everywhere.
 * Chunks of 4096 elements; within a chunk element i adds into FP32 lane i mod 64, multiply, then add; lanes join by
 * a pairwise tree in FP64; chunks join in order. So SIMD, threads and a GPU give the same bits. */
#include "kernels/error.h"

#include <math.h>

enum { SUM_CHUNK = 4096, SUM_LANES = ERROR_LANES };

double error_join(const float lane[SUM_LANES])
{
    double sum[SUM_LANES];
    for (int i = 0; i < SUM_LANES; i++)
        sum[i] = (double)lane[i];
    for (int width = SUM_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            sum[i] = sum[2 * i] + sum[2 * i + 1];
    return sum[0];
}

/* One chunk. An element counts if x is finite, |x| < threshold, and pick (if given) marks it. */
static void add_chunk(struct error_sums *e, const float *x, const float *decoded, const uint8_t *pick,
                      float threshold, size_t n)
{
    float signal[SUM_LANES] = {0}, noise[SUM_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) < threshold) || (pick && !pick[i]))
            continue;
        float difference = x[i] - decoded[i];
        float square = x[i] * x[i], loss = difference * difference;
        signal[i % SUM_LANES] += square;
        noise[i % SUM_LANES] += loss;
        e->count++;
        if (!((double)fabsf(difference) <= e->max_abs) && !isnan(e->max_abs))   /* a NaN stays */
            e->max_abs = (double)fabsf(difference);
    }
    e->signal += error_join(signal);
    e->noise += error_join(noise);
}

static struct error_sums measure(const float *x, const float *decoded, const uint8_t *pick, float threshold, size_t n)
{
    struct error_sums e = {0};
    for (size_t i = 0; i < n; i += SUM_CHUNK)
        add_chunk(&e, x + i, decoded + i, pick ? pick + i : NULL, threshold, n - i < SUM_CHUNK ? n - i : SUM_CHUNK);
    return e;
}

struct error_sums error_measure(const float *x, const float *decoded, size_t n)
{
    return measure(x, decoded, NULL, INFINITY, n);
}

struct error_sums error_where(const float *x, const float *decoded, const uint8_t *pick, size_t n)
{
    return measure(x, decoded, pick, INFINITY, n);
}

struct error_sums error_below(const float *x, const float *decoded, float threshold, size_t n)
{
    return measure(x, decoded, NULL, threshold, n);
}

double sqnr_db(double signal, double noise)
{
    return noise == 0 ? (double)INFINITY : 10 * log10(signal / noise);
}
