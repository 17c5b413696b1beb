/* matrix.h: weights packed as a product streams them.
 * Rows are padded with zero codes to whole runs, so that no kernel has a tail to treat; the bytes of the padding are
 * streamed, and counted. Scales: one FP32 a row for 8-bit formats, one FP16 for each 128 values for plain 4-bit ones,
 * those of their blocks for MXFP4 and NVFP4, none for wider formats. */
#ifndef KERNELS_MATRIX_H
#define KERNELS_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/format.h"
#include "kernels/operand.h"
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

/* W [rows, cols], packed. Rows of 8 bits and more are in order. In a 4-bit row each line of 64 bytes holds 128
 * positions: position p in the low half of byte p, position 64 + p in its high half. Groups of 128 are in order, and
 * INT4 halves hold code + 8 (1 to 15); blocks of 16 and 32 lie as LAYOUT_CODES_16 and _32 say, 16 blocks a run. */
struct matrix {
    const struct format *format;
    size_t    rows, cols;
    size_t    padded;           /* values in a row with padding */
    size_t    stride;           /* bytes from row to row, a multiple of 64 */
    size_t    groups;           /* scales in a row that are not the row's own; 0 where there are none */
    enum layout layout;         /* of 4-bit codes: where they lie */
    uint8_t  *codes;            /* [rows, stride], 64-byte aligned */
    float    *row_scale;        /* [rows] of 8-bit formats, else NULL. NaN where the row has a NaN code:
                                   then the product is NaN, and kernels may decode NaN codes to anything */
    int32_t  *row_sum;          /* [rows] sum of the codes (INT8 only, else NULL) */
    uint16_t *group_scale;      /* [rows, groups] FP16 bits of plain 4-bit formats, else NULL */
    uint8_t  *block_scale;      /* [rows, groups] E8M0 (blocks of 32) or E4M3 (of 16), in order, else NULL */
    float     tensor_scale;     /* NVFP4: the scale of the tensor; else 1 */
    size_t    bytes;            /* what one product streams: codes and scales */
};

/* Rounds w [rows, cols] to `format` and packs it. Free with matrix_free. */
enum kernel_status matrix_pack(struct matrix *m, const struct format *format, const float *w,
                               size_t rows, size_t cols, const struct progress *progress);

/* Packs codes that are already there; q has a scale for the tensor or for each row, or groups of 128 of a
 * 4-bit format, or its blocks', or none. KERNEL_BAD_SHAPE if the scales are others. */
enum kernel_status matrix_from_quant(struct matrix *m, const struct quant *q);

/* A Gaussian W [rows, cols] with standard deviation sigma, made fast: at most 256 rows are drawn from the
 * seed and rounded, row i is a copy of row i mod 256. For timing: the bytes are as many, the work the same. */
enum kernel_status matrix_seeded(struct matrix *m, const struct format *format, size_t rows, size_t cols,
                                 uint64_t seed, double sigma, const struct progress *progress);

void matrix_free(struct matrix *m);

/* The value of W[row, col] as the product sees it: decoded, times its scale. For tests and references. */
double matrix_value(const struct matrix *m, size_t row, size_t col);

#endif
