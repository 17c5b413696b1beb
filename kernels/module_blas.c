/* module_blas.c: the module build/lib/saffron_blas.so: dense.h's functions on LAPACK and BLAS.
 * It is built where OpenBLAS was found, linked to nothing of ours, and opened by dense.c.
 * Fortran is column-major: a row-major matrix is its transpose there, and "lower" reads "upper". */
#include "kernels/dense.h"

#include <limits.h>
#include <stdio.h>

/* The Fortran routines; the lengths of their character arguments are left out, as everybody does for length 1. */
void sgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const float *alpha,
            const float *a, const int *lda, const float *b, const int *ldb, const float *beta, float *c,
            const int *ldc);
void dsyrk_(const char *triangle, const char *t, const int *n, const int *k, const double *alpha, const double *a,
            const int *lda, const double *beta, double *c, const int *ldc);
void dpotrf_(const char *triangle, const int *n, double *a, const int *lda, int *info);
void dtrtri_(const char *triangle, const char *diagonal, const int *n, double *a, const int *lda, int *info);
char *openblas_get_config(void);

static const char *name(void)
{
    static char text[128];
    snprintf(text, sizeof text, "%.100s", openblas_get_config());
    return text;
}

static void product(const float *x, const float *w, size_t m, size_t n, size_t k, float *y)
{
    const int rows = (int)m, cols = (int)n, inner = (int)k;
    const float one = 1, zero = 0;
    sgemm_("T", "N", &cols, &rows, &inner, &one, w, &inner, x, &inner, &zero, y, &cols);
}

static void gram(const double *x, size_t rows, size_t n, double *h)
{
    const int side = (int)n, inner = (int)rows;
    const double one = 1;
    dsyrk_("L", "N", &side, &inner, &one, x, &side, &one, h, &side);
}

static bool cholesky(double *a, size_t n)
{
    const int side = (int)n;
    int info = 0;
    dpotrf_("U", &side, a, &side, &info);
    return info == 0;
}

static bool invert(double *a, size_t n)
{
    const int side = (int)n;
    int info = 0;
    dtrtri_("U", "N", &side, a, &side, &info);
    return info == 0;
}

extern const struct dense_module saffron_blas;
const struct dense_module saffron_blas = { DENSE_MODULE_VERSION, name, product, gram, cholesky, invert };
