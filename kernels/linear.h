/* linear.h: a linear layer Y = X W^T with rounded weights and activations, against FP64.
 * X is [tokens, in], W is [out, in], Y is [tokens, out], all row-major.
 * Rounded activations: codes are multiplied (INT8 into INT32, others into FP32) and scaled afterwards.
 * Weight-only: W is decoded first, then an FP32 product. */
#ifndef KERNELS_LINEAR_H
#define KERNELS_LINEAR_H

#include <stddef.h>

#include "kernels/cpu.h"
#include "kernels/format.h"
#include "kernels/quantize.h"
#include "kernels/status.h"

struct linear {
    const float *x;             /* [tokens, in] */
    const float *w;             /* [out, in] */
    size_t tokens, in, out;
};

/* How to compute it. The zero of this struct is plain FP32. */
struct linear_recipe {
    const struct format *weights;       /* NULL: FP32 */
    struct scale         weight_scale;
    const struct format *activations;   /* NULL: weight-only, the activations stay FP32. No block format */
    bool                 per_token;     /* true: a dynamic scale for each token; false: one for the tensor. Formats
                                           that need no scale (FP16, BF16) have none */
    float                static_amax;   /* that one scale's amax, calibrated (and smoothed) before; 0: from x itself */
    const float         *smooth;        /* [in] SmoothQuant scales, X / s and W * s; NULL: none */
    enum isa             isa;           /* what may be used */
};

/* Y in FP64, the reference. y [tokens, out]. */
enum kernel_status linear_exact(const struct linear *layer, double *y, const struct progress *progress);

/* Y as the recipe says. y [tokens, out]. */
enum kernel_status linear_run(const struct linear *layer, const struct linear_recipe *recipe, float *y,
                              const struct progress *progress);

/* Output SQNR in dB of y against the exact one; n = tokens * out. */
double linear_sqnr_db(const double *exact, const float *y, size_t n);

/* SmoothQuant's scales: s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), at least 1e-5. x is [tokens, in] calibration
 * data; smooth [in] receives s. A column of zeros in X and W gets 1. */
void linear_smooth(const struct linear *layer, double alpha, float *smooth);

/* Copies x [tokens, in] with column j divided by s_j; and w [out, in] with column j times s_j. */
void linear_smooth_x(const float *x, const float *smooth, size_t tokens, size_t in, float *smoothed);
void linear_smooth_w(const float *w, const float *smooth, size_t out, size_t in, float *smoothed);

#endif
