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

/* BF16 is the upper half of an FP32. */
static float bf16_value(uint16_t code)
{
    uint32_t bits = (uint32_t)code << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- FP32 operands: activations in FP32, or rounded to BF16 or INT8 before ------------------------- */

void gemv_fp32__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        const float *weights = (const float *)(const void *)(w->codes + row * w->stride);
        for (size_t b = 0; b < x->batch; b++) {
            const float *token = x->x + b * x->padded;
            double sum = 0;
            for (size_t i = 0; i < w->cols; i++)
                sum += (double)weights[i] * (double)token[i];
            y[b * w->rows + row] = (float)sum * x->scale[b];
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
            y[b * w->rows + row] = (float)sum * x->scale[b];
        }
    }
}

void gemv_bf16__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        const uint16_t *weights = (const uint16_t *)(const void *)(w->codes + row * w->stride);
        for (size_t b = 0; b < x->batch; b++) {
            const float *token = x->x + b * x->padded;
            double sum = 0;
            for (size_t i = 0; i < w->cols; i++)
                sum += (double)bf16_value(weights[i]) * (double)token[i];
            y[b * w->rows + row] = (float)sum * x->scale[b];
        }
    }
}

/* Rows of 8-bit codes, each with a scale: the code's value from a table of 256. */
static void gemv_bytes(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    float values[256];
    for (uint32_t code = 0; code < 256; code++)
        values[code] = format_decode(w->format, code);
    for (size_t row = first; row < last; row++) {
        const uint8_t *weights = w->codes + row * w->stride;
        for (size_t b = 0; b < x->batch; b++) {
            const float *token = x->x + b * x->padded;
            double sum = 0;
            for (size_t i = 0; i < w->cols; i++)
                sum += (double)values[weights[i]] * (double)token[i];
            y[b * w->rows + row] = (float)sum * w->row_scale[row] * x->scale[b];
        }
    }
}

void gemv_e4m3__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    gemv_bytes(w, x, y, first, last);
}

void gemv_int8_values__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    gemv_bytes(w, x, y, first, last);
}

void gemv_int4_values__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const size_t half = MATRIX_GROUP / 2;
    for (size_t row = first; row < last; row++) {
        const uint16_t *scales = w->group_scale + row * w->groups;
        for (size_t b = 0; b < x->batch; b++) {
            double sum = 0;
            for (size_t g = 0; g < w->groups; g++) {
                const uint8_t *weights = w->codes + row * w->stride + g * half;
                const float *token = x->x + b * x->padded + g * MATRIX_GROUP;
                double dot = 0;
                for (size_t i = 0; i < half; i++)
                    dot += (double)((weights[i] & 15) - 8) * (double)token[i] +
                           (double)((weights[i] >> 4) - 8) * (double)token[half + i];
                sum += dot * (double)fp16_value(scales[g]);
            }
            y[b * w->rows + row] = (float)sum * x->scale[b];
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

/* sum over a group of (code + 8) * x; the correction takes off 8 * sum x. */
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
            const int32_t *correction = x->correction + b * x->groups;
            double sum = 0;
            for (size_t g = 0; g < w->groups; g++) {
                int32_t dot = int4_group(weights + g * MATRIX_GROUP / 2, token + g * MATRIX_GROUP) + correction[g];
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
            y[b * w->rows + row] = sum * x->scale[b];
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
            y[b * w->rows + row] = sum * x->scale[b];
        }
    }
}
