/* rowops.h: what a language model does to rows of numbers between its products.
 * One source, rowops_body.h, compiled once for each instruction set: sums run in 16 lanes that are added in one fixed
 * order and nothing is fused, so every variant gives the same bits. Rows of any length; buffers may not overlap unless
 * they are the same. */
#ifndef KERNELS_ROWOPS_H
#define KERNELS_ROWOPS_H

#include <stddef.h>

struct rowops {
    /* y = x / sqrt(mean(x^2) + eps) * gain: RMSNorm of one row. y may be x. */
    void (*norm)(const float *x, const float *gain, float eps, size_t n, float *y);
    /* x = softmax(x * scale), n >= 1, finite. */
    void (*softmax)(float *x, float scale, size_t n);
    /* gate = gate / (1 + exp(-gate)) * up: SwiGLU. */
    void (*swiglu)(float *gate, const float *up, size_t n);
    /* Pairs (x[i], x[half + i]) turn by the angle whose cosine and sine are given. */
    void (*rotate)(float *x, const float *cosine, const float *sine, size_t half);
    /* y += x. */
    void (*add)(float *y, const float *x, size_t n);
    /* Natural logarithm of the sum of exp(x), n >= 1, finite. */
    double (*log_sum_exp)(const float *x, size_t n);
    /* Sum of exp(x - x_log_sum) * ((x - x_log_sum) - (y - y_log_sum)): KL(softmax(x) || softmax(y)) in nats. */
    double (*divergence)(const float *x, double x_log_sum, const float *y, double y_log_sum, size_t n);
};

extern const struct rowops rowops__scalar, rowops__avx2, rowops__avx512, rowops__neon;

#endif
