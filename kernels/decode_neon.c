/* decode_neon.c: packed codes to values, by a known scale or by those of rows, groups and blocks; 16 at a time.
 * 8-bit floats become FP16 by a shift, which the processor converts; the upper byte of a 4-bit code as FP16 is looked
 * up in one register, since the lower one is 0. */
#include "kernels/variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>

#include "kernels/encode.h"
#include "kernels/inline.h"

enum { GROUP = 16 };

/* Which arithmetic an element takes; a constant wherever it is inlined. */
enum lane_kind { LANE_FLOAT8, LANE_FOUR, LANE_INT8, LANE_FP16, LANE_BF16 };

struct run {
    const struct format *format;
    float32x4_t unit;           /* 8-bit floats: 2^(15 - bias) */
    uint8x16_t  table;          /* 4 bits: the upper bytes of the values as FP16 */
    int16x8_t   shift;          /* 8-bit floats: from their exponent's place to FP16's, to the right, so negative */
    uint16x8_t  kept;           /* the bits that are then theirs */
};

/* Bytes that 16 codes take. */
static ALWAYS_INLINE size_t group_bytes(const enum lane_kind kind)
{
    return kind == LANE_FP16 || kind == LANE_BF16 ? 32 : kind == LANE_FOUR ? 8 : 16;
}

static struct run open_run(const struct format *f, const enum lane_kind kind)
{
    struct run r = {.format = f};
    uint8_t table[16];
    for (uint32_t code = 0; kind == LANE_FOUR && code < 16; code++)
        table[code] = (uint8_t)(format_encode(format_find("fp16"), format_decode(f, code), (struct cast){0}) >> 8);
    if (kind == LANE_FOUR)
        r.table = vld1q_u8(table);
    if (kind == LANE_FLOAT8) {
        r.unit = vdupq_n_f32(ldexpf(1, 15 - f->bias));
        r.shift = vdupq_n_s16((int16_t)(2 - f->lane[2]));
        r.kept = vdupq_n_u16((uint16_t)(0x8000 | 0x7f << (10 - f->lane[2])));
    }
    return r;
}

static ALWAYS_INLINE void put_halves(const struct run *r, uint16x8_t low, uint16x8_t high, float32x4_t value[4],
                                     const enum lane_kind kind)
{
    value[0] = vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(low)));
    value[1] = vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(low)));
    value[2] = vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(high)));
    value[3] = vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(high)));
    for (int k = 0; kind == LANE_FLOAT8 && k < 4; k++)
        value[k] = vmulq_f32(value[k], r->unit);
}

static ALWAYS_INLINE uint16x8_t shifted(const struct run *r, uint8x8_t bytes)
{
    int16x8_t upper = vreinterpretq_s16_u16(vshll_n_u8(bytes, 8));
    return vandq_u16(vreinterpretq_u16_s16(vshlq_s16(upper, r->shift)), r->kept);
}

/* The values of 16 codes, in units of the scale. */
static ALWAYS_INLINE void decode_group(const struct run *r, const uint8_t *codes, float32x4_t value[4],
                                       const enum lane_kind kind)
{
    if (kind == LANE_FLOAT8) {
        uint8x16_t bytes = vld1q_u8(codes);
        put_halves(r, shifted(r, vget_low_u8(bytes)), shifted(r, vget_high_u8(bytes)), value, kind);
    } else if (kind == LANE_FOUR) {
        uint8x8_t pairs = vld1_u8(codes);
        uint8x8x2_t ordered = vzip_u8(vand_u8(pairs, vdup_n_u8(15)), vshr_n_u8(pairs, 4));
        uint8x16_t upper = vqtbl1q_u8(r->table, vcombine_u8(ordered.val[0], ordered.val[1]));
        put_halves(r, vshll_n_u8(vget_low_u8(upper), 8), vshll_n_u8(vget_high_u8(upper), 8), value, kind);
    } else if (kind == LANE_INT8) {
        int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(codes));
        int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
        value[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
        value[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)));
        value[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
        value[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)));
    } else if (kind == LANE_FP16) {
        put_halves(r, vreinterpretq_u16_u8(vld1q_u8(codes)), vreinterpretq_u16_u8(vld1q_u8(codes + 16)), value, kind);
    } else {
        for (size_t k = 0; k < 4; k++) {
            uint16x4_t half = vreinterpret_u16_u8(vld1_u8(codes + 8 * k));
            value[k] = vreinterpretq_f32_u32(vshll_n_u16(half, 16));
        }
    }
}

/* True if one of 16 codes is a NaN that FP16 does not have at this place: E4M3's 7f and ff. */
static ALWAYS_INLINE bool has_nan(const struct run *r, const uint8_t *codes)
{
    return vmaxvq_u8(vandq_u8(vld1q_u8(codes), vdupq_n_u8(0x7f))) > (uint8_t)r->format->code_max;
}

static void decode_slowly(const struct run *r, const uint8_t *codes, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = format_decode(r->format, encode_load(codes, i, r->format->bits)) * scale;
}

/* n values that share a scale. */
static ALWAYS_INLINE void decode_values(const struct run *r, const uint8_t *codes, size_t n, float scale, float *out,
                                        const enum lane_kind kind)
{
    size_t i = 0;
    for (; i + GROUP <= n; i += GROUP, codes += group_bytes(kind)) {
        float32x4_t value[4];
        if (kind == LANE_FLOAT8 && __builtin_expect(has_nan(r, codes), 0)) {
            decode_slowly(r, codes, GROUP, scale, out + i);
            continue;
        }
        decode_group(r, codes, value, kind);
        for (size_t k = 0; k < 4; k++)
            vst1q_f32(out + i + 4 * k, vmulq_n_f32(value[k], scale));
    }
    decode_slowly(r, codes, n - i, scale, out + i);
}

static ALWAYS_INLINE void decode_chunks(const struct encode_job *job, size_t first, size_t last,
                                        const enum lane_kind kind)
{
    const struct run r = open_run(job->format, kind);
    size_t all = job->rows * job->cols, from = first * ENCODE_CHUNK;
    size_t end = last * ENCODE_CHUNK < all ? last * ENCODE_CHUNK : all;
    decode_values(&r, job->codes + from * job->format->bits / 8, end - from, job->scale, job->values + from, kind);
}

/* Rows whose scales span `size` values, or the row where size is 0. */
static ALWAYS_INLINE void dequantize_rows(const struct encode_job *job, size_t first, size_t last,
                                          const enum lane_kind kind, const size_t size)
{
    const struct run r = open_run(job->format, kind);
    size_t bytes = encode_row_bytes(job->format, job->cols), per_row = encode_scales_of_row(job->format, job->cols);
    size_t step = size ? size : job->cols;
    for (size_t row = first; row < last; row++)
        for (size_t i = 0; i < job->cols; i += step) {
            const uint8_t *codes = job->codes + row * bytes + i * job->format->bits / 8;
            float scale = encode_scale_at(job, row * per_row + i / step);
            decode_values(&r, codes, job->cols - i < step ? job->cols - i : step, scale,
                          job->values + row * job->cols + i, kind);
        }
}

#define DECODER(name, call) \
    void name##__neon(const struct encode_job *job, size_t first, size_t last) \
    { \
        call; \
    }

DECODER(decode_float8, decode_chunks(job, first, last, LANE_FLOAT8))
DECODER(decode_float4, decode_chunks(job, first, last, LANE_FOUR))
DECODER(decode_int8, decode_chunks(job, first, last, LANE_INT8))
DECODER(decode_int4, decode_chunks(job, first, last, LANE_FOUR))
DECODER(decode_fp16, decode_chunks(job, first, last, LANE_FP16))
DECODER(decode_bf16, decode_chunks(job, first, last, LANE_BF16))
DECODER(dequantize_int8, dequantize_rows(job, first, last, LANE_INT8, 0))
DECODER(dequantize_float8, dequantize_rows(job, first, last, LANE_FLOAT8, 0))
DECODER(dequantize_int4, dequantize_rows(job, first, last, LANE_FOUR, 128))
DECODER(dequantize_mxfp8, dequantize_rows(job, first, last, LANE_FLOAT8, 32))
DECODER(dequantize_mxfp4, dequantize_rows(job, first, last, LANE_FOUR, 32))
DECODER(dequantize_nvfp4, dequantize_rows(job, first, last, LANE_FOUR, 16))

#else
typedef int no_decode_neon;     /* a translation unit may not be empty */
#endif
