/* gemv.c: y = W x, the scalar kernels: the reference of every faster one, and the naive ones of the lesson.
 * The reference does one weight at a time and adds in FP64; the naive ones add in FP32, as one would first write it.
 * Called from kernel.c through the table, with shapes already checked. */
#include <math.h>
#include <string.h>

#include "kernels/variants.h"

/* ---- Decoding one weight --------------------------------------------------------------------------- */

/* FP16 bits to FP32, exact: move exponent and mantissa into place, then correct the bias by a power of two
 * (2^112 = 2^(127 - 15)), which also normalizes subnormals. */
static float fp16_value(uint16_t code)
{
    uint32_t bits = (uint32_t)(code & 0x7fff) << 13, sign = (uint32_t)(code & 0x8000) << 16;
    if ((code & 0x7c00) == 0x7c00) {
        bits |= 0x7f800000u;                /* infinity and NaN keep their exponent of all ones */
    } else {
        float value;
        memcpy(&value, &bits, sizeof value);
        value *= 0x1p112f;
        memcpy(&bits, &value, sizeof bits);
    }
    float value;
    bits |= sign;                           /* not a branch: signs are not to be predicted */
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* All 256 values of an 8-bit format. */
static void decode_all(const struct format *format, float values[256])
{
    for (uint32_t code = 0; code < 256; code++)
        values[code] = format_decode(format, code);
}

/* ---- FP32 activations ------------------------------------------------------------------------------ */

void gemv_fp32__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        const float *weights = (const float *)(const void *)(w->codes + row * w->stride);
        for (size_t b = 0; b < x->batch; b++) {
            const float *token = x->x + b * x->padded;
            double sum = 0;
            for (size_t i = 0; i < w->cols; i++)
                sum += (double)weights[i] * (double)token[i];
            y[b * w->rows + row] = (float)sum;
        }
    }
}

void gemv_fp16__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        const uint16_t *weights = (const uint16_t *)(const void *)(w->codes + row * w->stride);
        for (size_t b = 0; b < x->batch; b++) {
            const float *token = x->x + b * x->padded;
            double sum = 0;
            for (size_t i = 0; i < w->cols; i++)
                sum += (double)fp16_value(weights[i]) * (double)token[i];
            y[b * w->rows + row] = (float)sum;
        }
    }
}

void gemv_e4m3__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    float values[256];
    decode_all(w->format, values);
    for (size_t row = first; row < last; row++) {
        const uint8_t *weights = w->codes + row * w->stride;
        for (size_t b = 0; b < x->batch; b++) {
            const float *token = x->x + b * x->padded;
            double sum = 0;
            for (size_t i = 0; i < w->padded; i++) {    /* byte i holds this value of its 32, see matrix.h */
                size_t col = (i & ~(size_t)31) + (i % 32) / 2 + (i & 1) * 16;
                sum += (double)values[weights[i]] * (double)token[col];
            }
            y[b * w->rows + row] = (float)sum * w->row_scale[row];
        }
    }
}

/* ---- INT8 activations ------------------------------------------------------------------------------ */

/* Exact in INT32 for every K up to MATRIX_COLS_MAX; the one conversion and two products round the same everywhere. */
void gemv_int8__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        const int8_t *weights = (const int8_t *)(w->codes + row * w->stride);
        for (size_t b = 0; b < x->batch; b++) {
            const int8_t *token = x->codes + b * x->padded;
            int32_t sum = 0;
            for (size_t i = 0; i < w->cols; i++)
                sum += weights[i] * token[i];
            y[b * w->rows + row] = (float)sum * w->row_scale[row] * x->scale[b];
        }
    }
}

/* sum over a group of (code + 8) * x; the caller takes off 8 * sum x. */
static int32_t int4_group(const uint8_t *weights, const int8_t *token)
{
    const int half = MATRIX_GROUP / 2;
    int32_t sum = 0;
    for (int i = 0; i < half; i++)
        sum += (weights[i] & 15) * token[i] + (weights[i] >> 4) * token[half + i];
    return sum;
}

void gemv_int4__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        const uint8_t *weights = w->codes + row * w->stride;
        const uint16_t *scales = w->group_scale + row * w->groups;
        for (size_t b = 0; b < x->batch; b++) {
            const int8_t *token = x->codes + b * x->padded;
            const int32_t *sums = x->group_sum + b * x->groups;
            double sum = 0;
            for (size_t g = 0; g < w->groups; g++) {
                int32_t dot = int4_group(weights + g * MATRIX_GROUP / 2, token + g * MATRIX_GROUP) - 8 * sums[g];
                sum += (double)dot * (double)fp16_value(scales[g]);
            }
            y[b * w->rows + row] = (float)sum * x->scale[b];
        }
    }
}

/* ---- Naive ----------------------------------------------------------------------------------------- */

void gemv_fp32_naive(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        const float *weights = (const float *)(const void *)(w->codes + row * w->stride);
        for (size_t b = 0; b < x->batch; b++) {
            float sum = 0;
            for (size_t i = 0; i < w->cols; i++)
                sum += weights[i] * x->x[b * x->padded + i];
            y[b * w->rows + row] = sum;
        }
    }
}

/* One weight at a time: find its byte, its half, take off the 8, apply the scale, multiply, add. An eighth of
 * the bytes of FP32, and some ten instructions for each. */
void gemv_int4_naive(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const size_t half = MATRIX_GROUP / 2;
    for (size_t row = first; row < last; row++) {
        const uint8_t *weights = w->codes + row * w->stride;
        for (size_t b = 0; b < x->batch; b++) {
            float sum = 0;
            for (size_t i = 0; i < w->cols; i++) {
                size_t group = i / MATRIX_GROUP, in_group = i % MATRIX_GROUP;
                uint8_t byte = weights[group * half + in_group % half];
                int code = (in_group < half ? byte & 15 : byte >> 4) - 8;
                float scale = fp16_value(w->group_scale[row * w->groups + group]);
                sum += (float)code * scale * x->x[b * x->padded + i];
            }
            y[b * w->rows + row] = sum;
        }
    }
}
