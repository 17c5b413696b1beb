/* gpu_encode.h: what the launches that encode, decode and measure work on; for C and for CUDA.
 * One struct serves them all: each launch reads what its comment names. Every pointer is the device's.
 * Chunk i of a tensor is its elements 4096 i to 4096 i + 4095, row-major: the unit of the sums, see error.h. */
#ifndef KERNELS_GPU_ENCODE_H
#define KERNELS_GPU_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/format.h"
#include "kernels/gpu.h"
#include "kernels/scale.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GPU_SUMS_OF = 4096, GPU_LEVELS_MOST = 16, GPU_TRIALS = 76 };

/* The reference pairs of format.c that the device knows. */
enum gpu_pair { GPU_PAIR_FLOAT, GPU_PAIR_INTEGER, GPU_PAIR_OFFSET, GPU_PAIR_POWER, GPU_PAIR_LEVELS };

/* A row of the format table as the device reads it. */
struct gpu_format {
    int32_t  pair;              /* enum gpu_pair */
    int32_t  specials;          /* enum format_specials */
    int32_t  bits, mantissa, bias;
    int32_t  code_min, code_max;
    uint32_t nan;
    float    largest, smallest;
    float    levels[GPU_LEVELS_MOST];
};

/* The device's copy of a row. False if the device does not know its pair, or has too many levels. */
bool gpu_format_of(const struct format *f, struct gpu_format *out);

/* Types of the values that are encoded, and that decoding gives. */
enum gpu_type { GPU_FP32, GPU_FP16, GPU_BF16 };

/* Smallest and largest finite value of a group and the value of largest magnitude, with the place where each stands
 * first: equals keep the earlier, as a loop over the group would. */
struct gpu_range {
    float    low, high, peak;
    uint32_t any;               /* 0: no value is finite */
    uint64_t low_at, high_at, peak_at;
};

/* The sums of one chunk. */
struct gpu_sums {
    double   signal, noise;
    uint32_t most;              /* bits of the largest |x - decoded|; those of a NaN are larger than any number's */
    uint32_t count;             /* elements that took part */
};

/* Counts of a whole tensor. */
struct gpu_counts {
    unsigned long long zeros, nonfinite, clipped;
};

/* Why each element is what it is. */
struct gpu_task {
    struct gpu_format format;   /* with the lowest code too for ZERO_FULL */
    int32_t  source;            /* enum gpu_type of x */
    int32_t  rounding, overflow;
    int32_t  kind, zero, mx;    /* the scale's rule: enum scale_kind, zero_point, mx_rule */
    int32_t  clip;              /* GPU_FIT: enum clip_kind */
    int32_t  packed;            /* 4-bit codes two to a byte, the first in the low half; rows of even length only */
    int32_t  symmetric;         /* GPU_FIT: ranges count as -amax to amax */
    float    largest;           /* GPU_FIT: what a scale maps amax to; the format's */
    float    full_largest;      /* GPU_FIT: what ZERO_AWQ and its like map the span to, 2^bits - 1 */
    float    tensor;            /* GPU_FIT: the FP32 scale of the tensor, two-level */
    float    amax;              /* GPU_FIT: above 0: the magnitude of every group, SCALE_TENSOR */
    uint64_t thousandths;       /* GPU_FIT: of a percentile */
    uint64_t seed, first;       /* stochastic rounding: the index of x[0] */
    const void *x;              /* [rows, cols] */
    uint64_t rows, cols;
    uint64_t tile_rows, tile_cols, per_row, scales;     /* which values share a scale, as in struct quant; scales 0:
                                                           all use fits[0] */
    struct gpu_range *ranges;   /* GPU_RANGE: out, [scales, segments]; GPU_FIT: in, joined */
    uint64_t segments;          /* GPU_RANGE: parts of a group, of GPU_SEGMENT values */
    double  *trials;            /* GPU_FIT with CLIP_MSE: [scales, GPU_TRIALS], where groups are larger than
                                   GPU_SEGMENT */
    struct fit *fits;           /* GPU_FIT, GPU_ENCODE_ABSMAX: out; GPU_ENCODE, GPU_DECODE: in */
    void    *codes;             /* [rows, cols], 1, 2 or 4 bytes each, or packed; may be NULL when encoding */
    void    *values;            /* [rows, cols] decoded, of value_type; may be NULL when encoding */
    int32_t  value_type;        /* enum gpu_type; GPU_ENCODE: GPU_FP32 */
    struct gpu_counts *counts;  /* added to; may be NULL */
    struct gpu_sums   *sums;    /* GPU_ERROR: out, one a chunk; GPU_ENCODE: the same, or NULL */
};

enum { GPU_SEGMENT = 65536 };

/* The fast launches: rounded to nearest even, saturating, to packed codes in the layout of encode.h: code i of a row at
 * bit i * bits; one FP32 scale for the tensor or a row, or the scales of a block format and of INT4 in groups of 128,
 * stored as FP16, E8M0 or E4M3. x, codes and values are aligned to 16 bytes. */
struct gpu_cast {
    struct gpu_format format;
    const void *x;              /* [rows, cols] of the row's input type; GPU_UNCAST: unused */
    uint64_t rows, cols;
    void    *codes;             /* [rows, ceil(cols * bits / 8)], block formats with a short last block padded */
    void    *scales;            /* [rows, scales of a row]; in where they are known, out where they are found; unused
                                   where one scale serves the tensor */
    void    *values;            /* GPU_UNCAST: [rows, cols] FP32 or BF16, as the row's input says */
    float    scale, inverse;    /* of the tensor, and 1 / scale */
    float    tensor, unit;      /* NVFP4: the FP32 scale of the tensor, and 1 / (6 tensor) */
    int32_t  by_row;            /* GPU_UNCAST: scales holds one FP32 a row, instead of `scale` */
    struct gpu_sums *sums;      /* GPU_CAST_STATS, GPU_CAST_FIND_STATS: out, one a chunk */
};

#ifdef __cplusplus
}
#endif

#endif
