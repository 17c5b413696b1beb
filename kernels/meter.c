/* meter.c: sums over outputs, rows and columns; divergence of softmax. In FP64, in reading order. */
#include "kernels/meter.h"

#include <float.h>
#include <math.h>

static struct meter finish(double signal, double noise)
{
    return (struct meter){signal, noise, noise == 0 ? (double)INFINITY : 10 * log10(signal / noise)};
}

/* n values, `step` apart. */
static struct meter compare(const float *exact, const float *y, size_t n, size_t step)
{
    double signal = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        double meant = (double)exact[i * step], wrong = meant - (double)y[i * step];
        signal += meant * meant;
        noise += wrong * wrong;
    }
    return finish(signal, noise);
}

struct meter meter_compare(const float *exact, const float *y, size_t n)
{
    return compare(exact, y, n, 1);
}

void meter_rows(const float *exact, const float *y, size_t rows, size_t cols, struct meter *out)
{
    for (size_t i = 0; i < rows; i++)
        out[i] = compare(exact + i * cols, y + i * cols, cols, 1);
}

void meter_cols(const float *exact, const float *y, size_t rows, size_t cols, struct meter *out)
{
    for (size_t j = 0; j < cols; j++)
        out[j] = compare(exact + j, y + j, rows, cols);
}

double meter_kl(const double *exact, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exact[i] > 0 ? exact[i] * log(exact[i] / fmax(y[i], DBL_MIN)) : 0;
    return sum;
}

static size_t largest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* log of the sum of exp(x), taken from the largest so that nothing overflows. */
static double log_sum_exp(const float *x, size_t n)
{
    double most = (double)x[largest(x, n)], sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}

static double row_kl(const float *exact, const float *y, size_t n)
{
    double from = log_sum_exp(exact, n), to = log_sum_exp(y, n), sum = 0;
    for (size_t i = 0; i < n; i++) {
        double log_p = (double)exact[i] - from, log_q = (double)y[i] - to;
        sum += exp(log_p) * (log_p - log_q);
    }
    return sum;
}

double meter_softmax_kl(const float *exact, const float *y, size_t rows, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < rows && n; i++)
        sum += row_kl(exact + i * n, y + i * n, n);
    return rows ? sum / (double)rows : 0;
}

double meter_top_agreement(const float *exact, const float *y, size_t rows, size_t n)
{
    size_t same = 0;
    for (size_t i = 0; i < rows && n; i++)
        same += largest(exact + i * n, n) == largest(y + i * n, n);
    return rows ? (double)same / (double)rows : 0;
}
