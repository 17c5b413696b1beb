/* accumulate.c: dot products in narrow accumulators, one row each.
 * acc14 is what arithmetic.md states of Hopper's FP8 tensor cores: products are aligned to the largest exponent and
 * truncated, so its error is a bias toward zero that grows with the sum. */
#include "kernels/accumulate.h"

#include <math.h>
#include <string.h>

#include "kernels/format.h"

static double dot_fp64(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static double dot_fp32(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = fmaf(a[i], b[i], sum);
    return (double)sum;
}

/* One addition in FP32, then the sum is stored in the narrow format. */
static double dot_narrow(const struct format *f, const float *a, const float *b, size_t n)
{
    const struct cast how = {.rounding = ROUND_NEAREST, .overflow = OVERFLOW_NATIVE};
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = format_round(f, fmaf(a[i], b[i], sum), how);
    return (double)sum;
}

static double dot_fp16(const float *a, const float *b, size_t n)
{
    return dot_narrow(format_find("fp16"), a, b, n);
}

static double dot_bf16(const float *a, const float *b, size_t n)
{
    return dot_narrow(format_find("bf16"), a, b, n);
}

/* ---- 14 bits --------------------------------------------------------------------------------------- */

enum { ALIGNED = 32, FRACTION = 13, PROMOTED = 128 };

static int larger_exponent(double x, int most)
{
    int exponent;
    frexp(x, &exponent);
    return x != 0 && exponent > most ? exponent : most;
}

/* Adds up to 32 products to sum: all are cut to 14 bits, counted from the largest one's first bit. */
static double add_aligned(double sum, const float *a, const float *b, size_t n)
{
    int exponent = larger_exponent(sum, -2000);
    for (size_t i = 0; i < n; i++)
        exponent = larger_exponent((double)a[i] * (double)b[i], exponent);
    if (exponent == -2000)
        return sum;
    double unit = ldexp(1, exponent - 1 - FRACTION), units = trunc(sum / unit);
    for (size_t i = 0; i < n; i++)
        units += trunc((double)a[i] * (double)b[i] / unit);
    return units * unit;
}

static double dot_acc14(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i += ALIGNED)
        sum = add_aligned(sum, a + i, b + i, n - i < ALIGNED ? n - i : ALIGNED);
    return sum;
}

/* The same, but every 128 products the sum moves to FP32 and the short accumulator starts anew. */
static double dot_promoted(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i += PROMOTED)
        sum += (float)dot_acc14(a + i, b + i, n - i < PROMOTED ? n - i : PROMOTED);
    return (double)sum;
}

/* ---- Integers -------------------------------------------------------------------------------------- */

int64_t accumulate_int64(const int8_t *a, const int8_t *b, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

int32_t accumulate_int32(const int8_t *a, const int8_t *b, size_t n)
{
    uint32_t wrapped = (uint32_t)accumulate_int64(a, b, n);
    int32_t sum;
    memcpy(&sum, &wrapped, sizeof sum);
    return sum;
}

int32_t accumulate_maddubs(const uint8_t *a, const int8_t *b, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 2 <= n; i += 2) {
        int pair = a[i] * b[i] + a[i + 1] * b[i + 1];
        sum += (uint32_t)(pair > INT16_MAX ? INT16_MAX : pair < INT16_MIN ? INT16_MIN : pair);
    }
    int32_t whole;
    memcpy(&whole, &sum, sizeof whole);
    return whole;
}

/* ---- The table ------------------------------------------------------------------------------------- */

static const struct accumulator rows[] = {
    {"fp64", "FP64", dot_fp64, "dot_fp64"},
    {"fp32", "FP32", dot_fp32, "dot_fp32"},
    {"fp16", "FP16", dot_fp16, "dot_narrow"},
    {"bf16", "BF16", dot_bf16, "dot_narrow"},
    {"acc14", "14 bits, as Hopper's FP8 tensor cores", dot_acc14, "dot_acc14"},
    {"acc14-promoted", "14 bits, to FP32 every 128 products", dot_promoted, "dot_promoted"},
};

size_t accumulator_count(void)
{
    return sizeof rows / sizeof rows[0];
}

const struct accumulator *accumulator_at(size_t i)
{
    return i < accumulator_count() ? &rows[i] : NULL;
}

const struct accumulator *accumulator_find(const char *name)
{
    for (size_t i = 0; i < accumulator_count(); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}
