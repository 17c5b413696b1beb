/* sgemm.h: FP32 products Y = X W^T with W packed once, for models whose weights meet many tokens.
 * Each output is one sum over k in order, by fused multiply-add on every instruction set but the scalar one: the same
 * bits with AVX2, AVX-512 and NEON, for any number of rows at a time, and however the rows are shared among threads. */
#ifndef KERNELS_SGEMM_H
#define KERNELS_SGEMM_H

#include <stddef.h>

#include "kernels/cpu.h"
#include "kernels/status.h"

enum { SGEMM_PANEL = 16 };      /* outputs side by side */

/* W [n, k] as panels of 16 outputs: data[panel][k][16], 64-byte aligned, padded with zeros to an even number of
 * panels. Empty: all zero. */
struct panels {
    size_t n, k;
    float *data;
};

/* Room for W [n, k]; free with panels_free. KERNEL_NO_MEMORY, KERNEL_BAD_SHAPE. The values are zeros. */
enum kernel_status panels_make(struct panels *p, size_t n, size_t k);
void               panels_free(struct panels *p);

/* Fills outputs first to first + count - 1 with rows of w [count, k], rows ldw apart. */
void panels_rows(struct panels *p, size_t first, size_t count, const float *w, size_t ldw);

/* Fills depth first to first + count - 1 from w [count, n], rows ldw apart: the transposed order. */
void panels_columns(struct panels *p, size_t first, size_t count, const float *w, size_t ldw);

/* y [m, cols] = x [m, depth] times the first `cols` outputs and the first `depth` of W: cols <= n, depth <= k.
 * Rows of x and y are ldx and ldy apart. */
typedef void sgemm_fn(const struct panels *p, const float *x, size_t ldx, size_t m, size_t cols, size_t depth,
                      float *y, size_t ldy);

sgemm_fn sgemm__scalar, sgemm__avx2, sgemm__avx512, sgemm__neon;

#endif
