/* operand.h: activations, prepared for a product: rounded as the row of the kernel table says, and laid out as its
 * kernel streams them.
 * Rounding is the activation; where each value lies is the layout. Both are constants of a row. */
#ifndef KERNELS_OPERAND_H
#define KERNELS_OPERAND_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/status.h"

/* What the product multiplies W with. */
enum activation {
    ACTIVATION_FP32,            /* x as it is */
    ACTIVATION_INT8,            /* x rounded to INT8, one scale a token */
    ACTIVATION_BF16,            /* x rounded to BF16, no scale */
    ACTIVATIONS,
};

/* "fp32", "int8", "bf16"; and how fine their scales are: "no scale", "one scale a token". */
const char *activation_name(enum activation activation);
const char *activation_granularity(enum activation activation);

/* Where value `col` of a row lies, and as what. Runs are padded with zeros to a whole number. */
enum layout {
    LAYOUT_VALUES,              /* FP32, in order */
    LAYOUT_FOURS,               /* FP32: in each run of 64, position 16 k + i holds value 4 i + k. So byte k of each
                                   32-bit lane of 8-bit codes meets a whole register of x. Values are scaled by a power
                                   of two so that the token's largest lies in [2^100, 2^101): see gemv_avx2.c */
    LAYOUT_CODES,               /* INT8 codes, in order */
    LAYOUT_CODES_16,            /* INT8 codes: a run is 16 blocks of 16, a lane a block: byte k of lane i of register */
    LAYOUT_CODES_32,            /*   r holds value 4 r + k of block i. Or 16 blocks of 32 */
    LAYOUT_VALUES_16,           /* FP32 for the same blocks: position 16 v + i holds value v of block i */
    LAYOUT_VALUES_32,
    LAYOUTS,
};

/* Values of a run, and the values that share a correction; the position of value `col`. */
size_t layout_run(enum layout layout);
size_t layout_group(enum layout layout);
size_t layout_position(enum layout layout, size_t col);

/* X [batch, cols], prepared; 64-byte aligned. */
struct operand {
    enum activation activation;
    enum layout layout;
    size_t   batch, cols, padded, groups;
    float   *x;                 /* [batch, padded] FP32 layouts; INT8 activations stand there as their codes */
    int8_t  *codes;             /* [batch, padded] INT8 layouts, -127 to 127 */
    float   *scale;             /* [batch] what a sum of stored values is to be multiplied by; FOURS: less 2^100 */
    int32_t *correction;        /* [batch, groups] INT8 layouts: -8 (CODES) or -12 times the sum of a group's codes:
                                   what weights stored as code + 8, or doubled level + 12, add too much */
};

/* Prepares x [batch, cols]. For INT8, scales[batch] are used if given (a static scale), else each token's
 * absmax / 127 (dynamic); NaN becomes 0. Free with operand_free. KERNEL_BAD_SHAPE for codes of another activation than
 * INT8, or more columns than MATRIX_COLS_MAX. */
enum kernel_status operand_prepare(struct operand *o, enum activation activation, enum layout layout, const float *x,
                                   size_t batch, size_t cols, const float *scales);
void operand_free(struct operand *o);

/* Value `col` of a token as the product sees it. For tests and references. */
double operand_value(const struct operand *o, size_t token, size_t col);

/* Tokens first..first+batch of o, sharing its memory; not to be freed. */
struct operand operand_slice(const struct operand *o, size_t first, size_t batch);

#endif
