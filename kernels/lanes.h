/* lanes.h: what the kernels of packed codes share, whatever the width of their lanes.
 * Included by lanes_avx2.h, lanes_avx512.h and encode_neon.c alone.
 * A kind and a fold are constants of each copy of a loop. */
#ifndef KERNELS_LANES_H
#define KERNELS_LANES_H

#include <math.h>
#include <stdbool.h>

#include "kernels/format.h"

/* Which arithmetic an element takes; a constant wherever it is inlined. */
enum lane_kind { LANE_FLOAT8, LANE_FLOAT4, LANE_INT8, LANE_INT4, LANE_FP16, LANE_BF16 };

/* What values are multiplied by beside the scale, a power of two: floats of at most 8 bits want their codes' constant
 * to be a multiple of the exponent's range, see lane_float in lanes_avx512.h. */
static inline float lane_fold(const struct format *f, enum lane_kind kind)
{
    bool small = kind == LANE_FLOAT8 || kind == LANE_FLOAT4;
    return small ? ldexpf(1, -((128 - f->bias) & ((1 << f->lane[1]) - 1))) : 1;
}

/* False where folding would leave FP32's range: such scales are left to the reference. */
static inline bool lane_folds(float inverse, float scale)
{
    return inverse >= 0x1p-100f && scale <= 0x1p100f;
}

#endif
