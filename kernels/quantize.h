/* quantize.h: a tensor, rounded: scales, codes, decoded values, and what the rounding did.
 * Tensors are row-major [rows, cols]: a channel is a row of W [out, in], a token a row of X [token, feature].
 * Groups run along the row and never cross rows; a short last group is its own group. */
#ifndef KERNELS_QUANTIZE_H
#define KERNELS_QUANTIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"
#include "kernels/format.h"
#include "kernels/status.h"

enum scale_kind {
    SCALE_NONE,         /* plain cast: the scale is 1 */
    SCALE_TENSOR,       /* one FP32 scale */
    SCALE_CHANNEL,      /* one FP32 scale a row, when rows are channels */
    SCALE_TOKEN,        /* the same, when rows are tokens */
    SCALE_GROUP,        /* one FP16 scale for each `size` values of a row */
};

struct scale {
    enum scale_kind kind;
    uint32_t        size;       /* SCALE_GROUP: values per scale, at least 1 */
};

/* Parses "none", "tensor", "channel", "token", "group:N". On failure returns false and writes one line
 * for people to why[0..room), *scale untouched. */
bool scale_parse(const char *text, struct scale *scale, char *why, size_t room);

/* The inverse: writes "group:128" to text[0..room). */
void scale_print(struct scale scale, char *text, size_t room);

/* How to quantize. `cast.random` is ignored: stochastic rounding draws from seed and element index. */
struct recipe {
    const struct format *format;
    struct scale         scale;
    struct cast          cast;
    uint64_t             seed;
    enum isa             isa;       /* what may be used: the result is the same, its time is not */
};

/* The sums behind MSE and SQNR, see arithmetic.md "Sums": the same bits on every instruction set. */
struct error_sums {
    double signal;              /* sum of x^2 */
    double noise;               /* sum of (x - decoded)^2 */
    double max_abs;             /* largest |x - decoded| */
};

/* A quantized tensor. Owned by the caller through quant_free. Non-finite inputs are counted, keep their
 * place in the codes, and take no part in signal and noise. */
struct quant {
    struct recipe recipe;
    size_t  rows, cols;
    void   *codes;              /* [rows, cols] of 1, 2 or 4 bytes (format_code_bytes); use quant_code */
    float  *values;             /* [rows, cols] decoded: code value * scale */
    float  *scales;             /* [rows or 1, scales_per_row] as used, after rounding to how they are stored */
    size_t  scale_count;        /* scales in all: 0 for SCALE_NONE */
    size_t  scales_per_row;     /* groups in a row; 1 for every other kind */
    size_t  nonfinite;          /* NaN and infinite inputs */
    size_t  clipped;            /* inputs beyond the largest value */
    size_t  zeros;              /* elements that decode to 0 */
    size_t  bytes;              /* codes packed row by row, and scales */
    float   amax;               /* largest finite |x| */
    struct error_sums error;
    double  mse, sqnr_db;       /* sqnr_db is inf where nothing was lost */
    double  max_abs_error;
    double  zero_fraction, clipped_fraction;    /* of all elements; 0 for an empty tensor */
    double  bits_per_weight;    /* 8 * bytes / elements */
};

/* Quantizes x [rows, cols]. On KERNEL_OK, *q is to be freed; on anything else it is empty. */
enum kernel_status quantize(const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                            const struct progress *progress, struct quant *q);

/* Frees what q owns and empties it. An empty one may be freed again. */
void quant_free(struct quant *q);

/* The code of element i (row-major), its bit pattern zero-extended. */
uint32_t quant_code(const struct quant *q, size_t i);

/* The scale that element i was divided by; 1 for SCALE_NONE. */
float quant_scale(const struct quant *q, size_t i);

/* The largest |x| over finite values, from its bits, so that no order matters; 0 if there is none. */
float quant_amax(const float *x, size_t n);

/* The scale that maps amax to `largest`: one division, clamped so that its reciprocal is finite. amax 0 gives 1. */
float scale_absmax(float amax, float largest);

/* A scale as FP16 stores it: nearest even, clamped to [2^-24, 65504]. */
float scale_to_fp16(float scale);

/* Signal, noise and largest error of `decoded` against x. Elements whose x is not finite are skipped. */
struct error_sums error_measure(const float *x, const float *decoded, size_t n);

/* The same over the elements that `pick` marks non-zero: whose error is it? */
struct error_sums error_where(const float *x, const float *decoded, const uint8_t *pick, size_t n);

/* The same over the elements with |x| < threshold: the ordinary values. */
struct error_sums error_below(const float *x, const float *decoded, float threshold, size_t n);

/* 10 log10(signal / noise); inf where noise is 0. */
double sqnr_db(double signal, double noise);

#endif
