/* dense.h: dense products and factorizations, through LAPACK and BLAS where the module is there.
 * The module is opened when first used; without it, or when only scalar code is allowed, plain FP64 loops do the same
 * work: slower, with the same bits on every machine. BLAS runs on one thread, so that its results repeat too. */
#ifndef KERNELS_DENSE_H
#define KERNELS_DENSE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/cpu.h"
#include "kernels/status.h"

enum { DENSE_MOST = 16384 };    /* sides of a matrix that is factorized: 2 GiB of FP64 */

/* What the module exports as the symbol saffron_blas. Row-major; every matrix is contiguous. */
struct dense_module {
    int version;                /* DENSE_MODULE_VERSION */
    const char *(*name)(void);  /* "OpenBLAS 0.3.21": borrowed */
    /* y [m, n] = x [m, k] times w [n, k] transposed, FP32. */
    void (*product)(const float *x, const float *w, size_t m, size_t n, size_t k, float *y);
    /* The upper triangle of h [n, n] grows by x transposed times x, x [rows, n]. */
    void (*gram)(const double *x, size_t rows, size_t n, double *h);
    /* The lower triangle of a [n, n] becomes L with a = L L transposed. False: not positive definite. */
    bool (*cholesky)(double *a, size_t n);
    /* The lower triangular a [n, n] becomes its inverse. False: singular. */
    bool (*invert)(double *a, size_t n);
};

enum { DENSE_MODULE_VERSION = 1 };

/* Where the module lies, before the first use. NULL: there is none. The text is copied. */
void dense_place(const char *path);

/* Opens the module if it is not open. Its name, or NULL with the reason in why[0..room). */
const char *dense_open(char *why, size_t room);

/* y [m, n] = x [m, k] times w [n, k] transposed. Each dot product is summed in FP32 by BLAS, else in FP64. */
enum kernel_status dense_product(const float *x, const float *w, size_t m, size_t n, size_t k, float *y,
                                 enum isa isa, const struct progress *progress);

/* h [n, n] = x transposed times x in FP64, both triangles; x [rows, n]. */
enum kernel_status dense_gram(const float *x, size_t rows, size_t n, double *h, enum isa isa,
                              const struct progress *progress);

/* a [n, n], symmetric and positive definite, becomes U, upper triangular with positive diagonal and zeros below, such
 * that the inverse of a is U transposed times U: GPTQ's factor. KERNEL_SINGULAR if a is not positive definite. */
enum kernel_status dense_inverse_factor(double *a, size_t n, enum isa isa, const struct progress *progress);

#endif
