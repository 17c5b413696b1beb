/* gemv_fp4_neon.c: y = W x for MXFP4 and NVFP4 with NEON.
 * The plan of gemv_fp4_avx512.c in quarters: four blocks, the lanes of one register, at a time.
 * Levels are signed here, so the operand's correction is not needed. */
#include "kernels/variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#include "kernels/inline.h"

/* E2M1 doubled, by code. */
static const int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* Four scales: E8M0 is FP32's exponent, its code 0 the subnormal 2^-127; E4M3 without sign becomes FP16 bits, too small
 * by 2^8. */
static ALWAYS_INLINE float32x4_t load_scales(const uint8_t *at, const int block)
{
    uint32_t four;
    memcpy(&four, at, sizeof four);
    uint16x4_t codes = vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))));
    if (block == 16)
        return vcvt_f32_f16(vreinterpret_f16_u16(vshl_n_u16(codes, 7)));
    return vreinterpretq_f32_u32(vmaxq_u32(vshlq_n_u32(vmovl_u16(codes), 23), vdupq_n_u32(0x00400000)));
}

static ALWAYS_INLINE float factor(const struct matrix *w, const int block)
{
    return (block == 16 ? 0.5f * 256 : 0.5f) * w->tensor_scale;
}

/* What one quarter of a run sums to: its four blocks with x, before their scales. */
typedef float32x4_t quarter_fn(const uint8_t *codes, const void *x, const int block);

/* INT8: a lane of 16 bits adds at most 8 products of 12 * 127: 12,192. */
static ALWAYS_INLINE float32x4_t quarter_codes(const uint8_t *codes, const void *x, const int block)
{
    const int8x16_t table = vld1q_s8(doubled);
    const int8_t *token = x;
    int16x8_t front = vdupq_n_s16(0), back = front;
    for (int line = 0; line < block / 8; line++, codes += 64, token += 128) {
        uint8x16_t bytes = vld1q_u8(codes);
        int8x16_t low = vqtbl1q_s8(table, vandq_u8(bytes, vdupq_n_u8(15)));
        int8x16_t high = vqtbl1q_s8(table, vshrq_n_u8(bytes, 4));
        int8x16_t x0 = vld1q_s8(token), x1 = vld1q_s8(token + 64);
        front = vmlal_s8(front, vget_low_s8(low), vget_low_s8(x0));
        front = vmlal_s8(front, vget_low_s8(high), vget_low_s8(x1));
        back = vmlal_s8(back, vget_high_s8(low), vget_high_s8(x0));
        back = vmlal_s8(back, vget_high_s8(high), vget_high_s8(x1));
    }
    return vcvtq_f32_s32(vpaddq_s32(vpaddlq_s16(front), vpaddlq_s16(back)));
}

/* Byte k of each lane, signed, as a number. */
static ALWAYS_INLINE float32x4_t byte_values(int8x16_t bytes, const int k)
{
    int32x4_t lanes = vreinterpretq_s32_s8(bytes);
    return vcvtq_f32_s32(vshrq_n_s32(vshlq_s32(lanes, vdupq_n_s32(24 - 8 * k)), 24));
}

static ALWAYS_INLINE float32x4_t quarter_values(const uint8_t *codes, const void *x, const int block)
{
    const int8x16_t table = vld1q_s8(doubled);
    const float *token = x;
    float32x4_t even = vdupq_n_f32(0), odd = even;
    for (int line = 0; line < block / 8; line++, codes += 64, token += 128) {
        uint8x16_t bytes = vld1q_u8(codes);
        int8x16_t low = vqtbl1q_s8(table, vandq_u8(bytes, vdupq_n_u8(15)));
        int8x16_t high = vqtbl1q_s8(table, vshrq_n_u8(bytes, 4));
        UNROLL_16 for (int k = 0; k < 4; k++) {
            even = vfmaq_f32(even, byte_values(low, k), vld1q_f32(token + 16 * k));
            odd = vfmaq_f32(odd, byte_values(high, k), vld1q_f32(token + 64 + 16 * k));
        }
    }
    return vaddq_f32(even, odd);
}

static ALWAYS_INLINE void product(quarter_fn *quarter, const struct matrix *w, const struct operand *x, float *y,
                                  size_t first, size_t last, const int block)
{
    for (size_t r = first; r < last; r++) {
        const uint8_t *scales = w->block_scale + r * w->groups;
        for (size_t b = 0; b < x->batch; b++) {
            float32x4_t total = vdupq_n_f32(0);
            for (size_t g = 0; g < w->groups; g += 4) {
                size_t run = g / 16 * 16 * (size_t)block, lane = g % 16;
                const uint8_t *codes = w->codes + r * w->stride + run / 2 + 4 * lane;
                const void *token = x->codes ? (const void *)(x->codes + b * x->padded + run + 4 * lane)
                                             : (const void *)(x->x + b * x->padded + run + lane);
                total = vfmaq_f32(total, quarter(codes, token, block), load_scales(scales + g, block));
            }
            y[b * w->rows + r] = vaddvq_f32(total) * factor(w, block) * x->scale[b];
        }
    }
}

void gemv_mxfp4__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(quarter_codes, w, x, y, first, last, 32);
}

void gemv_nvfp4__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(quarter_codes, w, x, y, first, last, 16);
}

void gemv_mxfp4_values__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(quarter_values, w, x, y, first, last, 32);
}

void gemv_nvfp4_values__neon(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(quarter_values, w, x, y, first, last, 16);
}

#else
typedef int no_gemv_fp4_neon;   /* a translation unit may not be empty */
#endif
