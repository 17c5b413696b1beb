/* gemv_neon.c: y = W x with NEON, as every AArch64 has it: no dot-product or BF16 extensions.
 * One row and one token at a time, four sums, so that no addition waits. Rounding of x and layouts: operand.h.
 * Called from kernel.c through the table, with shapes already checked. */
#include "kernels/variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/inline.h"

/* Decodes 16 weights, from index i of a row (a multiple of 16). */
typedef void decode16_fn(const uint8_t *row, size_t i, float32x4_t w[4]);

/* ---- FP32 operands --------------------------------------------------------------------------------- */

static ALWAYS_INLINE void decode16_fp32(const uint8_t *row, size_t i, float32x4_t w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++)
        w[j] = vld1q_f32((const float *)(const void *)(row + 4 * (i + 4 * j)));
}

static ALWAYS_INLINE uint16x4_t load_codes16(const uint8_t *at)
{
    return vld1_u16((const uint16_t *)(const void *)at);
}

static ALWAYS_INLINE void decode16_fp16(const uint8_t *row, size_t i, float32x4_t w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++)
        w[j] = vcvt_f32_f16(vreinterpret_f16_u16(load_codes16(row + 2 * (i + 4 * j))));
}

static ALWAYS_INLINE void decode16_bf16(const uint8_t *row, size_t i, float32x4_t w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++)
        w[j] = vreinterpretq_f32_u32(vshll_n_u16(load_codes16(row + 2 * (i + 4 * j)), 16));
}

/* Sixteen signed bytes as numbers. */
static ALWAYS_INLINE void widen16(int8x16_t bytes, float32x4_t w[4])
{
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    w[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    w[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)));
    w[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    w[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)));
}

static ALWAYS_INLINE void decode16_int8(const uint8_t *row, size_t i, float32x4_t w[4])
{
    widen16(vld1q_s8((const int8_t *)(row + i)), w);
}

/* S EEEE MMM to the FP16 pattern S 0EEEE MMM0000000: widen with the sign, shift left by seven, clear bit 14, where the
 * sign was copied. FP16's bias is 15 and E4M3's 7, so values are too small by 2^8, subnormals included. */
static ALWAYS_INLINE uint16x8_t half_bits(int8x8_t bytes)
{
    return vandq_u16(vreinterpretq_u16_s16(vshlq_n_s16(vmovl_s8(bytes), 7)), vdupq_n_u16(0xbf80));
}

static ALWAYS_INLINE void decode16_e4m3(const uint8_t *row, size_t i, float32x4_t w[4])
{
    int8x16_t bytes = vld1q_s8((const int8_t *)(row + i));
    float16x8_t low = vreinterpretq_f16_u16(half_bits(vget_low_s8(bytes)));
    float16x8_t high = vreinterpretq_f16_u16(half_bits(vget_high_s8(bytes)));
    w[0] = vcvt_f32_f16(vget_low_f16(low));
    w[1] = vcvt_f32_f16(vget_high_f16(low));
    w[2] = vcvt_f32_f16(vget_low_f16(high));
    w[3] = vcvt_f32_f16(vget_high_f16(high));
}

/* One row times one token, n a multiple of 16. */
static ALWAYS_INLINE float dot(decode16_fn *decode, const uint8_t *row, const float *x, size_t n)
{
    float32x4_t sum[4];
    UNROLL_16 for (int j = 0; j < 4; j++)
        sum[j] = vdupq_n_f32(0);
    for (size_t i = 0; i < n; i += 16) {
        float32x4_t w[4];
        decode(row, i, w);
        UNROLL_16 for (size_t j = 0; j < 4; j++)
            sum[j] = vfmaq_f32(sum[j], w[j], vld1q_f32(x + i + 4 * j));
    }
    return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

/* factor: what decoded weights are too small by. */
static ALWAYS_INLINE void product(decode16_fn *decode, const struct matrix *w, const struct operand *x, float *y,
                                  size_t first, size_t last, const float factor)
{
    for (size_t r = first; r < last; r++) {
        float scale = w->row_scale ? factor * w->row_scale[r] : factor;
        for (size_t b = 0; b < x->batch; b++)
            y[b * w->rows + r] = dot(decode, w->codes + r * w->stride, x->x + b * x->padded, w->padded) * scale *
                                 x->scale[b];
    }
}

void gemv_fp32__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(decode16_fp32, w, x, y, first, last, 1);
}

void gemv_fp16__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(decode16_fp16, w, x, y, first, last, 1);
}

void gemv_bf16__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(decode16_bf16, w, x, y, first, last, 1);
}

void gemv_int8_values__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(decode16_int8, w, x, y, first, last, 1);
}

void gemv_e4m3__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(decode16_e4m3, w, x, y, first, last, 256);
}

/* ---- INT8 activations ------------------------------------------------------------------------------ */

/* Two products of bytes in 16 bits are at most 2 * 127 * 127 = 32,258, below 32,767, since neither is ever -128. */
void gemv_int8__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        const int8_t *row = (const int8_t *)(w->codes + r * w->stride);
        for (size_t b = 0; b < x->batch; b++) {
            const int8_t *token = x->codes + b * x->padded;
            int32x4_t even = vdupq_n_s32(0), odd = even;
            for (size_t i = 0; i < w->padded; i += 32) {
                int8x16_t w0 = vld1q_s8(row + i), w1 = vld1q_s8(row + i + 16);
                int8x16_t x0 = vld1q_s8(token + i), x1 = vld1q_s8(token + i + 16);
                even = vpadalq_s16(even, vmlal_s8(vmull_s8(vget_low_s8(w0), vget_low_s8(x0)), vget_high_s8(w0),
                                                  vget_high_s8(x0)));
                odd = vpadalq_s16(odd, vmlal_s8(vmull_s8(vget_low_s8(w1), vget_low_s8(x1)), vget_high_s8(w1),
                                                vget_high_s8(x1)));
            }
            y[b * w->rows + r] = (float)vaddvq_s32(vaddq_s32(even, odd)) * w->row_scale[r] * x->scale[b];
        }
    }
}

/* A group: (code + 8) times x. A lane of 16 bits adds 16 products of at most 15 * 127: 30,480. */
static ALWAYS_INLINE int32_t int4_group(const uint8_t *row, const int8_t *x)
{
    const uint8x16_t low_half = vdupq_n_u8(15);
    int16x8_t sum = vdupq_n_s16(0);
    UNROLL_16 for (int j = 0; j < 4; j++) {
        uint8x16_t bytes = vld1q_u8(row + 16 * j);
        int8x16_t low = vreinterpretq_s8_u8(vandq_u8(bytes, low_half));
        int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
        int8x16_t x0 = vld1q_s8(x + 16 * j), x1 = vld1q_s8(x + 64 + 16 * j);
        sum = vmlal_s8(sum, vget_low_s8(low), vget_low_s8(x0));
        sum = vmlal_s8(sum, vget_high_s8(low), vget_high_s8(x0));
        sum = vmlal_s8(sum, vget_low_s8(high), vget_low_s8(x1));
        sum = vmlal_s8(sum, vget_high_s8(high), vget_high_s8(x1));
    }
    return vaddlvq_s16(sum);
}

static ALWAYS_INLINE float fp16_value(uint16_t code)
{
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(code))), 0);
}

void gemv_int4__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = w->codes + r * w->stride;
        const uint16_t *scales = w->group_scale + r * w->groups;
        for (size_t b = 0; b < x->batch; b++) {
            const int8_t *token = x->codes + b * x->padded;
            const int32_t *correction = x->correction + b * x->groups;
            double sum = 0;
            for (size_t g = 0; g < w->groups; g++) {
                int32_t group = int4_group(row + g * MATRIX_GROUP / 2, token + g * MATRIX_GROUP) + correction[g];
                sum += (double)group * (double)fp16_value(scales[g]);
            }
            y[b * w->rows + r] = (float)sum * x->scale[b];
        }
    }
}

/* ---- INT4 with FP32 operands ----------------------------------------------------------------------- */

/* sum += 16 values times x. */
static ALWAYS_INLINE void add16(float32x4_t sum[4], int8x16_t values, const float *x)
{
    float32x4_t w[4];
    widen16(values, w);
    UNROLL_16 for (int j = 0; j < 4; j++)
        sum[j] = vfmaq_f32(sum[j], w[j], vld1q_f32(x + 4 * j));
}

void gemv_int4_values__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const int8x16_t eight = vdupq_n_s8(8);
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = w->codes + r * w->stride;
        const uint16_t *scales = w->group_scale + r * w->groups;
        for (size_t b = 0; b < x->batch; b++) {
            double total = 0;
            for (size_t g = 0; g < w->groups; g++) {
                const float *token = x->x + b * x->padded + g * MATRIX_GROUP;
                float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
                for (int j = 0; j < 64; j += 16) {
                    uint8x16_t bytes = vld1q_u8(row + g * MATRIX_GROUP / 2 + j);
                    uint8x16_t low = vandq_u8(bytes, vdupq_n_u8(15)), high = vshrq_n_u8(bytes, 4);
                    add16(sum, vsubq_s8(vreinterpretq_s8_u8(low), eight), token + j);
                    add16(sum, vsubq_s8(vreinterpretq_s8_u8(high), eight), token + 64 + j);
                }
                float group = vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
                total += (double)group * (double)fp16_value(scales[g]);
            }
            y[b * w->rows + r] = (float)total * x->scale[b];
        }
    }
}

#else
typedef int no_gemv_neon;       /* a translation unit may not be empty */
#endif
