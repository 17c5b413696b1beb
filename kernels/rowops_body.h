/* rowops_body.h: the functions of rowops.h, included by one source for each instruction set.
 * Written with the vector types that gcc and clang share. A row is walked in runs of 16 values, PARTS vectors of
 * LANES, as many as a register of the instruction set holds; so a sum has 16 lanes everywhere. What is left over at a
 * row's end goes through a vector padded with numbers that change nothing.
 * exp: x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts so that n times the first is exact; e^r by its Taylor
 * polynomial of degree 7, whose next term is below 6e-9; 2^n by exponent bits. Relative error below 3e-7. */
#ifndef KERNELS_ROWOPS_BODY_H
#define KERNELS_ROWOPS_BODY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/inline.h"
#include "kernels/rowops.h"

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
enum { RUN = 16, PARTS = RUN / LANES };
typedef float   lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t whole __attribute__((vector_size(4 * LANES)));

/* Every vector of a row: k is where it begins, part which of the run's it is. */
#define EACH_VECTOR(n) \
    for (size_t run_ = 0; run_ < (n); run_ += RUN) \
        UNROLL_16 for (size_t part = 0, k = run_; part < PARTS; part++, k += LANES)

#define EXP_LOW (-87.0f)            /* below, the result would be subnormal */
#define EXP_HIGH 88.0f
#define NEAREST 12582912.0f         /* 1.5 * 2^23: adding and subtracting it rounds to a whole number */

/* Vectors go by pointer: a function that returned one would have another calling convention on each processor. */

static ALWAYS_INLINE void load_part(const float *x, size_t first, size_t n, float fill, lanes *v)
{
    if (first + LANES <= n) {
        memcpy(v, x + first, sizeof *v);
        return;
    }
    float room[LANES];
    for (size_t i = 0; i < LANES; i++)
        room[i] = first + i < n ? x[first + i] : fill;
    memcpy(v, room, sizeof *v);
}

static ALWAYS_INLINE void store_part(float *y, size_t first, size_t n, const lanes *v)
{
    if (first + LANES <= n)
        memcpy(y + first, v, sizeof *v);
    else if (first < n)
        memcpy(y + first, v, (n - first) * sizeof *y);
}

/* What is behind the row's end becomes 0. */
static ALWAYS_INLINE void clear_rest(size_t first, size_t n, lanes *v)
{
    float room[LANES];
    if (first + LANES <= n)
        return;
    memcpy(room, v, sizeof room);
    for (size_t i = 0; i < LANES; i++)
        room[i] = first + i < n ? room[i] : 0;
    memcpy(v, room, sizeof *v);
}

/* a where `mask` is all ones, b where it is 0. */
static ALWAYS_INLINE void choose(const whole *mask, const lanes *a, const lanes *b, lanes *v)
{
    *v = (lanes)((*mask & (whole)*a) | (~*mask & (whole)*b));
}

/* v = exp(v), v clamped to [EXP_LOW, EXP_HIGH]. */
static ALWAYS_INLINE void exp_part(lanes *v)
{
    const lanes zero = {0}, low = zero + EXP_LOW, high = zero + EXP_HIGH;
    lanes x, n, r, p;
    whole mask = *v < low;
    choose(&mask, &low, v, &x);
    mask = x > high;
    choose(&mask, &high, &x, &x);
    n = x * 1.44269504f + NEAREST - NEAREST;
    r = x - n * 0.693359375f + n * 2.12194440e-4f;
    p = r * (1.0f / 5040) + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    *v = p * (lanes)((__builtin_convertvector(n, whole) + 127) << 23);
}

static ALWAYS_INLINE float sum_lanes(const lanes *sum)
{
    float lane[RUN];
    memcpy(lane, sum, sizeof lane);
    for (int half = RUN / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static ALWAYS_INLINE float largest(const float *x, size_t n)
{
    const lanes zero = {0};
    lanes most = zero + x[0], v;
    float lane[LANES];
    EACH_VECTOR(n) {
        load_part(x, k, n, x[0], &v);
        whole mask = most < v;
        choose(&mask, &v, &most, &most);
    }
    memcpy(lane, &most, sizeof lane);
    for (int i = 1; i < LANES; i++)
        lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
    return lane[0];
}

static void norm(const float *x, const float *gain, float eps, size_t n, float *y)
{
    lanes sum[PARTS] = {{0}}, v, g;
    EACH_VECTOR(n) {
        load_part(x, k, n, 0, &v);
        sum[part] += v * v;
    }
    float factor = 1.0f / sqrtf(sum_lanes(sum) / (float)n + eps);
    EACH_VECTOR(n) {
        load_part(x, k, n, 0, &v);
        load_part(gain, k, n, 0, &g);
        v = v * factor * g;
        store_part(y, k, n, &v);
    }
}

static void softmax(float *x, float scale, size_t n)
{
    float most = largest(x, n);
    lanes sum[PARTS] = {{0}}, v;
    EACH_VECTOR(n) {
        load_part(x, k, n, most, &v);
        v = (v - most) * scale;
        exp_part(&v);
        clear_rest(k, n, &v);
        sum[part] += v;
        store_part(x, k, n, &v);
    }
    float factor = 1.0f / sum_lanes(sum);
    EACH_VECTOR(n) {
        load_part(x, k, n, 0, &v);
        v *= factor;
        store_part(x, k, n, &v);
    }
}

static void swiglu(float *gate, const float *up, size_t n)
{
    lanes g, u, power;
    EACH_VECTOR(n) {
        load_part(gate, k, n, 0, &g);
        load_part(up, k, n, 0, &u);
        power = -g;
        exp_part(&power);
        g = g / (1.0f + power) * u;
        store_part(gate, k, n, &g);
    }
}

static void rotate(float *x, const float *cosine, const float *sine, size_t half)
{
    lanes a, b, c, s, first, second;
    EACH_VECTOR(half) {
        load_part(x, k, half, 0, &a);
        load_part(x + half, k, half, 0, &b);
        load_part(cosine, k, half, 0, &c);
        load_part(sine, k, half, 0, &s);
        first = a * c - b * s;
        second = b * c + a * s;
        store_part(x, k, half, &first);
        store_part(x + half, k, half, &second);
    }
}

static void add(float *y, const float *x, size_t n)
{
    lanes a, b;
    EACH_VECTOR(n) {
        load_part(y, k, n, 0, &a);
        load_part(x, k, n, 0, &b);
        a += b;
        store_part(y, k, n, &a);
    }
}

static double log_sum_exp(const float *x, size_t n)
{
    float most = largest(x, n);
    lanes sum[PARTS] = {{0}}, v;
    EACH_VECTOR(n) {
        load_part(x, k, n, most, &v);
        v -= most;
        exp_part(&v);
        clear_rest(k, n, &v);
        sum[part] += v;
    }
    return (double)most + log((double)sum_lanes(sum));
}

static double divergence(const float *x, double x_log_sum, const float *y, double y_log_sum, size_t n)
{
    lanes sum[PARTS] = {{0}}, a, b, p;
    EACH_VECTOR(n) {
        load_part(x, k, n, 0, &a);
        load_part(y, k, n, 0, &b);
        p = a = a - (float)x_log_sum;
        exp_part(&p);
        clear_rest(k, n, &p);
        sum[part] += p * (a - (b - (float)y_log_sum));
    }
    return (double)sum_lanes(sum);
}

#define ROWOPS {norm, softmax, swiglu, rotate, add, log_sum_exp, divergence}

#endif
