/* quantize.h: a tensor, rounded: scales, codes, decoded values, and what the rounding did.
 * Tensors are row-major [rows, cols]: a channel is a row of W [out, in], a token a row of X [token, feature].
 * Groups and blocks run along the row and never cross rows; a short last group or tile is its own group, a short
 * last block of a block format is padded with zero codes, which are counted in its bytes. */
#ifndef KERNELS_QUANTIZE_H
#define KERNELS_QUANTIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"
#include "kernels/recipe.h"
#include "kernels/status.h"

/* A quantized tensor. Owned by the caller through quant_free. Non-finite inputs are counted, keep their
 * place in the codes, and take no part in signal and noise. */
struct quant {
    struct recipe recipe;
    size_t    rows, cols;
    void     *codes;            /* [rows, cols] of 1, 2 or 4 bytes (format_code_bytes); use quant_code */
    float    *values;           /* [rows, cols] decoded: (code value - zero) * scale + offset */
    float    *scales;           /* [scale_rows, scales_per_row] as used, after rounding to how they are stored */
    uint32_t *stored;           /* the same as stored: FP32 or FP16 bits, E8M0, E4M3, or 8-bit code */
    float    *zeros;            /* the same shape: zero-points of awq and gptq, minima of kivi; else NULL */
    float     tensor_scale;     /* two-level: the FP32 scale of the tensor, part of `scales` already;
                                   double: the mean of the block maxima; else 1 */
    size_t    scale_count;      /* scales in all: 0 for SCALE_NONE */
    size_t    scales_per_row;   /* scales side by side; 1 for scales that span the row */
    size_t    scale_rows;       /* rows of scales */
    size_t    tile_rows, tile_cols; /* values that share a scale, before the tensor's edge cuts them */
    size_t    nonfinite;        /* NaN and infinite inputs */
    size_t    clipped;          /* inputs beyond the largest value */
    size_t    zero_count;       /* elements that decode to 0 */
    size_t    bytes;            /* codes packed row by row or block by block, and scales */
    float     amax;             /* largest finite |x| */
    struct error_sums error;
    double    mse, sqnr_db;     /* sqnr_db is inf where nothing was lost */
    double    max_abs_error;
    double    zero_fraction, clipped_fraction;  /* of all elements; 0 for an empty tensor */
    double    bits_per_weight;  /* 8 * bytes / elements */
};

/* Quantizes x [rows, cols]. On KERNEL_OK, *q is to be freed; on anything else it is empty. KERNEL_BAD_RECIPE where
 * recipe_check would say why. */
enum kernel_status quantize(const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                            const struct progress *progress, struct quant *q);

/* The same in steps, for a method that chooses codes itself: quant_begin makes room (*q as quantize() leaves it),
 * then every scale is set and every code put, then quant_finish decodes and measures against x [rows, cols]. What
 * was clipped the caller adds. Under SCALE_DOUBLE, fits are set after scale_double. */
enum kernel_status quant_begin(struct quant *q, size_t rows, size_t cols, const struct recipe *recipe);
void               quant_set_fit(struct quant *q, size_t scale, const struct fit *fit);
void               quant_put(struct quant *q, size_t i, uint32_t code);
void               quant_finish(struct quant *q, const float *x);

/* Which values of a [rows, cols] tensor share a scale: the shapes in *q alone; nothing in it is to be freed. */
void quant_lay_out(struct quant *q, size_t rows, size_t cols, const struct recipe *recipe);

/* The last step of one who has codes, values and counts from elsewhere, a GPU: keeps the sums, and what follows from
 * them. amax, zero_count, nonfinite and clipped are set before. */
void quant_measured(struct quant *q, const struct error_sums *error);

/* Frees what q owns and empties it. An empty one may be freed again. */
void quant_free(struct quant *q);

/* False, and one line in why[0..room), if the tensor had nothing to round: empty, all zeros, nothing finite. */
bool quant_meant(const struct quant *q, char *why, size_t room);

/* The code of element i (row-major), its bit pattern zero-extended. */
uint32_t quant_code(const struct quant *q, size_t i);

/* The i-th of an array of codes as wide as the format's. */
uint32_t quant_load_code(const struct format *format, const void *codes, size_t i);

/* Which scale element i uses, and that scale; 0 and 1 for SCALE_NONE. */
size_t quant_scale_index(const struct quant *q, size_t i);
float  quant_scale(const struct quant *q, size_t i);

/* The values within [low, high] that codes under scale number `scale` can have, ascending, each once. Writes at
 * most `room` of them and returns how many there are. */
size_t quant_values(const struct quant *q, size_t scale, float low, float high, float *values, size_t room);

/* Parts of a tensor whose errors are looked at one by one. */
enum quant_part { QUANT_ROWS, QUANT_COLUMNS, QUANT_BLOCKS };    /* blocks: what shares a scale */

/* How many parts there are, and the sums of each: sums[quant_parts()], blocks in the order of the scales. x is
 * what q was made from. A part's elements are summed in row-major order, as a tensor of their own. */
size_t             quant_parts(const struct quant *q, enum quant_part part);
enum kernel_status quant_errors(const struct quant *q, const float *x, enum quant_part part, struct error_sums *sums);

/* The largest |x| over finite values, from its bits, so that no order matters; 0 if there is none. */
float quant_amax(const float *x, size_t n);

#endif
