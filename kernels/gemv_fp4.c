/* gemv_fp4.c: y = W x for MXFP4 and NVFP4, the scalar kernels.
 * A lane is a block (operand.h): 64 bytes hold two registers of codes, each 4 values of 16 blocks. With INT8
 * activations a block's sum is an exact integer of doubled levels, then meets its scale.
 * Called from kernel.c through the table, with shapes already checked. */
#include "kernels/variants.h"

enum { LANES = 16 };

/* E2M1 doubled, by code: whole numbers. */
static const int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static double scale_value(const struct matrix *w, uint8_t code)
{
    return (double)format_decode(format_find(w->format->block == 16 ? "e4m3" : "e8m0"), code);
}

/* Value v of block i of the run that starts at `codes`. */
static int8_t level(const uint8_t *codes, size_t v, size_t i)
{
    size_t line = v / 8, in_register = 4 * i + v % 4;
    uint8_t byte = codes[64 * line + in_register];
    return doubled[v / 4 % 2 ? byte >> 4 : byte & 15];
}

/* The scales of a run to values, once for all tokens. */
static void run_scales(const struct matrix *w, size_t row, size_t run, double *scale)
{
    for (size_t i = 0; i < LANES; i++)
        scale[i] = scale_value(w, w->block_scale[row * w->groups + run * LANES + i]);
}

static void gemv_codes(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    size_t block = w->format->block, run_bytes = LANES * block / 2;
    for (size_t row = first; row < last; row++) {
        const uint8_t *codes = w->codes + row * w->stride;
        for (size_t b = 0; b < x->batch; b++) {
            double sum = 0;
            for (size_t run = 0; run < w->groups / LANES; run++) {
                const int8_t *token = x->codes + b * x->padded + run * LANES * block;
                double scale[LANES];
                run_scales(w, row, run, scale);
                for (size_t i = 0; i < LANES; i++) {
                    int32_t dot = 0;
                    for (size_t v = 0; v < block; v++)
                        dot += level(codes + run * run_bytes, v, i) * token[v / 4 * 64 + 4 * i + v % 4];
                    sum += (double)dot * scale[i];
                }
            }
            y[b * w->rows + row] = (float)(0.5 * sum * (double)w->tensor_scale) * x->scale[b];
        }
    }
}

static void gemv_values(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    size_t block = w->format->block, run_bytes = LANES * block / 2;
    for (size_t row = first; row < last; row++) {
        const uint8_t *codes = w->codes + row * w->stride;
        for (size_t b = 0; b < x->batch; b++) {
            double sum = 0;
            for (size_t run = 0; run < w->groups / LANES; run++) {
                const float *token = x->x + b * x->padded + run * LANES * block;
                double scale[LANES];
                run_scales(w, row, run, scale);
                for (size_t i = 0; i < LANES; i++) {
                    double dot = 0;
                    for (size_t v = 0; v < block; v++)
                        dot += (double)level(codes + run * run_bytes, v, i) * (double)token[v * LANES + i];
                    sum += dot * scale[i];
                }
            }
            y[b * w->rows + row] = (float)(0.5 * sum * (double)w->tensor_scale) * x->scale[b];
        }
    }
}

void gemv_mxfp4__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    gemv_codes(w, x, y, first, last);
}

void gemv_nvfp4__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    gemv_codes(w, x, y, first, last);
}

void gemv_mxfp4_values__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    gemv_values(w, x, y, first, last);
}

void gemv_nvfp4_values__scalar(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    gemv_values(w, x, y, first, last);
}
