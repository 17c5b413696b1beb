/* matrix.h: weights packed as a product streams them, and activations prepared for it.
 * Rows are padded with zero codes to MATRIX_PAD values, so that no kernel has a tail to treat; the bytes of
 * the padding are streamed, and counted. Scales: one FP32 a row for 8-bit formats, one FP16 for each 128
 * values for 4-bit ones, none for wider formats. */
#ifndef KERNELS_MATRIX_H
#define KERNELS_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/format.h"
#include "kernels/quantize.h"
#include "kernels/status.h"

enum {
    MATRIX_PAD = 128,           /* a row is a whole number of groups, and of 64-byte lines in every format */
    MATRIX_GROUP = 128,         /* values per FP16 scale of a 4-bit format */
    MATRIX_COLS_MAX = 133120,   /* up to here INT8 x INT8 cannot overflow INT32: 127 * 127 * cols < 2^31 */
};

/* Zeroed memory, aligned to a cache line, or to a huge page (and asked for in such) where it is that large; NULL if
 * there is none. Free with free. */
void *matrix_memory(size_t bytes);

/* W [rows, cols], packed. In a 4-bit row each group of 128 is 64 bytes: byte j holds value j in its low half
 * and value 64 + j in its high half. INT4 halves hold code + 8 (1 to 15), others the code itself.
 * In a row of 8-bit floats each run of 32 values is 32 bytes: value j at byte 2 j, value 16 + j at byte 2 j + 1, so
 * that widening even and odd bytes gives the values in order. All other rows are in order. */
struct matrix {
    const struct format *format;
    size_t    rows, cols;
    size_t    padded;           /* values in a row with padding */
    size_t    stride;           /* bytes from row to row, a multiple of 64 */
    size_t    groups;           /* FP16 scales in a row; 0 where there are none */
    uint8_t  *codes;            /* [rows, stride], 64-byte aligned */
    float    *row_scale;        /* [rows] of 8-bit formats, else NULL. NaN where the row has a NaN code:
                                   then the product is NaN, and kernels may decode NaN codes to anything */
    int32_t  *row_sum;          /* [rows] sum of the codes (INT8 only, else NULL) */
    uint16_t *group_scale;      /* [rows, groups] FP16 bits of 4-bit formats, else NULL */
    size_t    bytes;            /* what one product streams: codes and scales */
};

/* Rounds w [rows, cols] to `format` and packs it. Free with matrix_free. */
enum kernel_status matrix_pack(struct matrix *m, const struct format *format, const float *w,
                               size_t rows, size_t cols, const struct progress *progress);

/* Packs codes that are already there; q has a scale for the tensor or for each row, or groups of 128 of a
 * 4-bit format, or none. KERNEL_BAD_SHAPE if the scales are others. */
enum kernel_status matrix_from_quant(struct matrix *m, const struct quant *q);

/* A Gaussian W [rows, cols] with standard deviation sigma, made fast: at most 256 rows are drawn from the
 * seed and rounded, row i is a copy of row i mod 256. For timing: the bytes are as many, the work the same. */
enum kernel_status matrix_seeded(struct matrix *m, const struct format *format, size_t rows, size_t cols,
                                 uint64_t seed, double sigma, const struct progress *progress);

void matrix_free(struct matrix *m);

/* The value of W[row, col] as the product sees it: decoded, times its scale. For tests and references. */
float matrix_value(const struct matrix *m, size_t row, size_t col);

/* What the product multiplies W with. */
enum activation {
    ACTIVATION_FP32,            /* x as it is */
    ACTIVATION_INT8,            /* x rounded to INT8, one scale a token */
};

/* X [batch, cols], prepared: padded with zeros, 64-byte aligned. */
struct operand {
    enum activation activation;
    size_t   batch, cols, padded, groups;
    float   *x;                 /* [batch, padded], FP32 only */
    int8_t  *codes;             /* [batch, padded], -127 to 127, INT8 only */
    float   *scale;             /* [batch], INT8 only */
    int32_t *group_sum;         /* [batch, groups] sums of codes over MATRIX_GROUP values, INT8 only */
};

/* Prepares x [batch, cols]. For INT8, scales[batch] are used if given (a static scale), else each token's
 * absmax / 127 (dynamic); NaN becomes 0. Free with operand_free. */
enum kernel_status operand_prepare(struct operand *o, enum activation activation, const float *x,
                                   size_t batch, size_t cols, const float *scales);
void operand_free(struct operand *o);

/* Tokens first..first+batch of o, sharing its memory; not to be freed. */
struct operand operand_slice(const struct operand *o, size_t first, size_t batch);

#endif
