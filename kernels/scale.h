/* scale.h: which values share a scale, how the scale is found, and how it is stored.
 * Each kind is one row of a table in scale.c: its name, its storage and its rule, a pure function of a group's range.
 * Values meet their codes by code = round((x - offset) * inverse) + zero, x' = (code - zero) * scale + offset. */
#ifndef KERNELS_SCALE_H
#define KERNELS_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/format.h"

enum scale_kind {
    SCALE_NONE,         /* plain cast: the scale is 1. NVFP4: without the scale of the tensor */
    SCALE_TENSOR,       /* one FP32 scale */
    SCALE_CHANNEL,      /* one FP32 scale a row, when rows are channels */
    SCALE_TOKEN,        /* the same, when rows are tokens */
    SCALE_GROUP,        /* one FP16 scale for each `size` values of a row */
    SCALE_BLOCK,        /* one E8M0 scale, a power of two, for each `size` values of a row (OCP MX) */
    SCALE_TILE,         /* one FP32 scale for each tile of `rows` x `size` */
    SCALE_TWO_LEVEL,    /* one E4M3 scale for each `size` values of a row, times one FP32 of the tensor (NVFP4) */
    SCALE_SIGNED,       /* as group, but the value of largest magnitude meets the lowest code (Q4_0) */
    SCALE_DOUBLE,       /* one 8-bit scale for each `size` values of a row, itself scaled in blocks of 256 (NF4) */
    SCALE_KINDS,
};

struct scale {
    enum scale_kind kind;
    uint32_t        size;       /* values along a row that share it; kinds from SCALE_GROUP on, at least 1 */
    uint32_t        rows;       /* SCALE_TILE: rows that share it, at least 1 */
};

enum zero_point {
    ZERO_NONE,          /* symmetric: -top ... top */
    ZERO_FULL,          /* symmetric, with the lowest code too: -top - 1 ... top */
    ZERO_AWQ,           /* the codes span min ... max; an integer zero-point, clamped to the codes */
    ZERO_GPTQ,          /* the same, after min ... max was widened to include 0 */
    ZERO_KIVI,          /* the codes span min ... max; the minimum itself is stored, as FP16 */
    ZERO_POINTS,
};

enum mx_rule {
    MX_FLOOR,           /* OCP: the exponent of amax less emax. Up to a factor of 2 of the maximum may clip */
    MX_CEIL,            /* the smallest power of two under which amax does not exceed the largest value */
};

/* Parses "none", "tensor", "channel", "token", "group:N", "block:N", "tile:RxC", "two-level" (two-level:16) or
 * "two-level:N". On failure returns false and writes one line for people to why[0..room), *scale untouched. */
bool scale_parse(const char *text, struct scale *scale, char *why, size_t room);

/* The inverse: writes "group:128" to text[0..room). */
void scale_print(struct scale scale, char *text, size_t room);

/* True if both say the same. */
bool scale_equal(struct scale a, struct scale b);

/* What a group of values spans; all zeros if none is finite. */
struct range {
    float low, high;    /* smallest and largest finite value */
    float amax;         /* largest finite magnitude */
    float peak;         /* the value that has it, the first of equals */
};

/* The range of x[0..n). */
struct range range_measure(const float *x, size_t n);

/* `range` with every bound at most `most` from 0. most is not below the smallest magnitude in the group. */
struct range range_clip(struct range range, float most);

/* `range` with its bounds multiplied by `factor`. */
struct range range_shrink(struct range range, float factor);

/* Which rule a scale follows. */
struct scale_rule {
    const struct format *format;
    enum scale_kind kind;
    enum zero_point zero;
    enum mx_rule    mx;
    float           tensor;     /* SCALE_TWO_LEVEL: the scale of the tensor, from scale_of_tensor */
};

/* How a group meets its codes. */
struct fit {
    float    scale, inverse;    /* inverse is 1 / scale, rounded once; 0 where two-level stores the scale 0 */
    float    offset;            /* ZERO_KIVI: the stored minimum; else 0 */
    int32_t  zero;              /* ZERO_AWQ, ZERO_GPTQ: the code of 0; else 0 */
    uint32_t stored;            /* the scale's code as it is stored: FP32 or FP16 bits, E8M0, E4M3 */
};

/* The fit of a group with this range. SCALE_DOUBLE: the scale is still exact, see scale_double. */
struct fit scale_fit(const struct scale_rule *rule, struct range range);

/* The FP32 scale of a whole tensor for two-level scales over elements up to `largest`: NVFP4's amax / 2688. */
float scale_of_tensor(float amax, float largest);

/* Rounds the scales of fit[0..n), in the tensor's order, as bitsandbytes does: less their mean (which is
 * returned), in blocks of 256, absmax, to the 8-bit dynamic map. `inverse` stays that of the exact scale. */
float scale_double(struct fit *fit, size_t n);

/* Bytes of n stored scales, with what they share and with their zero-points of codes of `bits`. */
size_t scale_bytes(enum scale_kind kind, enum zero_point zero, unsigned bits, size_t n);

/* Bytes of one stored scale; 0 for SCALE_NONE. */
size_t scale_stored_bytes(enum scale_kind kind);

/* The scale that maps amax to `largest`: one division, clamped so that its reciprocal is finite. amax 0 gives 1. */
float scale_absmax(float amax, float largest);

/* A scale as FP16 stores it: nearest even, clamped to [2^-24, 65504]. */
float scale_to_fp16(float scale);

#endif
