/* encode_neon.c: values to packed codes by a known scale, 16 at a time, with or without the sums of the error.
 * The same steps as lanes_avx512.h and encode_avx512.c, which explain them. Narrowing keeps the lower half of a lane,
 * so that what stands above a code need not be cleared. */
#include "kernels/variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "kernels/encode.h"
#include "kernels/inline.h"
#include "kernels/lanes.h"

enum { GROUP = 16, QUARTERS = 4 };

/* What a call works with. Floats of at most 8 bits work on values times a power of two, `fold`. */
struct run {
    const struct encode_job *job;
    float32x4_t inverse, scale;     /* folded */
    float32x4_t largest, power;     /* beyond it everything becomes it; 2^(mantissa bits that go) */
    uint32x4_t  normal, below_sign; /* the bits of the smallest normal value; the code's bits below its sign */
    int32x4_t   shift, sign_shift;  /* to the right, so negative */
};

/* The lanes of the sums: element i of a chunk adds into lane i mod 64. */
struct sums {
    float32x4_t signal[4 * QUARTERS], noise[4 * QUARTERS], most;
};

static ALWAYS_INLINE struct run open_run(const struct encode_job *job, const enum lane_kind kind)
{
    const struct format *f = job->format;
    int shift = 23 - f->lane[2];
    float fold = lane_fold(f, kind);
    return (struct run){
        .job = job, .inverse = vdupq_n_f32(job->inverse * fold), .scale = vdupq_n_f32(job->scale / fold),
        .largest = vdupq_n_f32(f->largest * fold), .power = vdupq_n_f32(ldexpf(1, shift)),
        .normal = vreinterpretq_u32_f32(vdupq_n_f32(f->normal * fold)),
        .below_sign = vdupq_n_u32((1u << (f->bits - 1)) - 1), .shift = vdupq_n_s32(-shift),
        .sign_shift = vdupq_n_s32(f->bits - 32),
    };
}

static ALWAYS_INLINE float32x4_t limit(const struct run *r, float32x4_t y)
{
    return vmaxq_f32(vminq_f32(y, r->largest), vnegq_f32(r->largest));
}

static ALWAYS_INLINE uint32x4_t lane_float(const struct run *r, float32x4_t y, float32x4_t *size)
{
    float32x4_t a = vminq_f32(vabsq_f32(y), r->largest);
    uint32x4_t exponent = vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0x7f800000));
    exponent = vmaxq_u32(exponent, r->normal);
    float32x4_t e = vreinterpretq_f32_u32(exponent), sum = vfmaq_f32(a, e, r->power);
    uint32x4_t code = vaddq_u32(vreinterpretq_u32_f32(sum), vshlq_u32(exponent, r->shift));
    *size = vfmsq_f32(sum, e, r->power);
    return vbslq_u32(r->below_sign, code, vshlq_u32(vreinterpretq_u32_f32(y), r->sign_shift));
}

static ALWAYS_INLINE uint32x4_t lane_integer(const struct run *r, float32x4_t y, float32x4_t *size)
{
    int32x4_t code = vcvtnq_s32_f32(limit(r, y));
    *size = vabsq_f32(vcvtq_f32_s32(code));
    return vreinterpretq_u32_s32(code);
}

static ALWAYS_INLINE uint32x4_t lane_bf16(const struct run *r, float32x4_t y, float32x4_t *size)
{
    uint32x4_t bits = vreinterpretq_u32_f32(limit(r, y)), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t sum = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    *size = vreinterpretq_f32_u32(vandq_u32(sum, vdupq_n_u32(0x7fff0000)));
    return vshrq_n_u32(sum, 16);
}

static ALWAYS_INLINE uint32x4_t lane_fp16(const struct run *r, float32x4_t y, float32x4_t *size)
{
    float16x4_t half = vcvt_f16_f32(limit(r, y));
    *size = vabsq_f32(vcvt_f32_f16(half));
    return vmovl_u16(vreinterpret_u16_f16(half));
}

static ALWAYS_INLINE uint32x4_t lane_code(const enum lane_kind kind, const struct run *r, float32x4_t y,
                                          float32x4_t *size)
{
    switch (kind) {
    case LANE_INT8:
    case LANE_INT4: return lane_integer(r, y, size);
    case LANE_FP16: return lane_fp16(r, y, size);
    case LANE_BF16: return lane_bf16(r, y, size);
    default:        return lane_float(r, y, size);
    }
}

/* Bytes that 16 codes take. */
static ALWAYS_INLINE size_t group_bytes(const enum lane_kind kind)
{
    return kind == LANE_FP16 || kind == LANE_BF16 ? 32 : kind == LANE_FLOAT4 || kind == LANE_INT4 ? 8 : 16;
}

/* 16 codes to where they belong. */
static ALWAYS_INLINE void put_codes(const enum lane_kind kind, uint8_t *out, const uint32x4_t code[4])
{
    uint16x8_t low = vcombine_u16(vmovn_u32(code[0]), vmovn_u32(code[1]));
    uint16x8_t high = vcombine_u16(vmovn_u32(code[2]), vmovn_u32(code[3]));
    if (kind == LANE_FP16 || kind == LANE_BF16) {
        vst1q_u8(out, vreinterpretq_u8_u16(low));
        vst1q_u8(out + 16, vreinterpretq_u8_u16(high));
        return;
    }
    uint8x16_t bytes = vcombine_u8(vmovn_u16(low), vmovn_u16(high));
    if (kind == LANE_FLOAT8 || kind == LANE_INT8) {
        vst1q_u8(out, bytes);
    } else {            /* the code in the odd byte of a pair goes beside that in the even one */
        uint16x8_t pairs = vreinterpretq_u16_u8(vandq_u8(bytes, vdupq_n_u8(15)));
        vst1_u8(out, vmovn_u16(vsraq_n_u16(pairs, pairs, 4)));
    }
}

/* Four values of either source. */
static ALWAYS_INLINE float32x4_t load(const enum source source, const void *x, size_t i)
{
    if (source == SOURCE_FP32)
        return vld1q_f32((const float *)x + i);
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)x + i), 16));
}

/* True if a value of the group is NaN or infinite: only then x - x is not 0. */
static ALWAYS_INLINE bool is_special(const float32x4_t x[4])
{
    uint32x4_t any = vdupq_n_u32(0);
    for (int k = 0; k < 4; k++)
        any = vorrq_u32(any, vreinterpretq_u32_f32(vsubq_f32(x[k], x[k])));
    return vmaxvq_u32(any) != 0;
}

/* 16 finite values, quarter `quarter` of 64. A code's value has the sign of x, or is 0, so the error is that of the
 * magnitudes. */
static ALWAYS_INLINE void encode_finite(const struct run *r, struct sums *sums, int quarter, const float32x4_t x[4],
                                        uint8_t *out, const enum lane_kind kind, const bool stats)
{
    uint32x4_t code[4];
    for (int k = 0; k < 4; k++) {
        float32x4_t size;
        code[k] = lane_code(kind, r, vmulq_f32(x[k], r->inverse), &size);
        if (!stats)
            continue;
        float32x4_t difference = vsubq_f32(vabsq_f32(x[k]), vmulq_f32(size, r->scale));
        float32x4_t *signal = &sums->signal[4 * quarter + k], *noise = &sums->noise[4 * quarter + k];
        *signal = vaddq_f32(*signal, vmulq_f32(x[k], x[k]));
        *noise = vaddq_f32(*noise, vmulq_f32(difference, difference));
        sums->most = vmaxq_f32(sums->most, vabsq_f32(difference));
    }
    put_codes(kind, out, code);
}

static ALWAYS_INLINE void load_group(float32x4_t group[4], const enum source source, const void *x, size_t i)
{
    for (size_t k = 0; k < 4; k++)
        group[k] = load(source, x, i + 4 * k);
}

static void keep_sums(const struct sums *s, size_t count, struct error_sums *chunk)
{
    float signal[GROUP * QUARTERS], noise[GROUP * QUARTERS];
    for (int k = 0; k < 4 * QUARTERS; k++) {
        vst1q_f32(signal + 4 * k, s->signal[k]);
        vst1q_f32(noise + 4 * k, s->noise[k]);
    }
    *chunk = (struct error_sums){error_join(signal), error_join(noise), (double)vmaxvq_f32(s->most), count};
}

/* A whole group from element i on. Returns how many of its values are not finite: those are 0 at first. */
static ALWAYS_INLINE size_t encode_group(const struct run *r, struct sums *sums, int quarter, size_t i, uint8_t *out,
                                         const enum lane_kind kind, const enum source source, const bool stats)
{
    float32x4_t group[4];
    size_t others = 0;
    load_group(group, source, r->job->x, i);
    bool special = is_special(group);
    if (__builtin_expect(special, 0)) {
        float finite[GROUP];
        others = encode_finite_values(r->job, i, GROUP, finite);
        load_group(group, SOURCE_FP32, finite, 0);
    }
    encode_finite(r, sums, quarter, group, out, kind, stats);
    if (__builtin_expect(special, 0))
        encode_other_values(r->job, i, GROUP, out);
    return others;
}

/* The last n values, less than a group: zeros behind them change neither the sums nor the bytes that are kept. */
static ALWAYS_INLINE size_t encode_end(const struct run *r, struct sums *sums, int quarter, size_t i, size_t n,
                                       uint8_t *out, const enum lane_kind kind, const bool stats)
{
    float finite[GROUP] = {0};
    uint8_t codes[2 * GROUP];
    float32x4_t group[4];
    size_t others = encode_finite_values(r->job, i, n, finite);
    load_group(group, SOURCE_FP32, finite, 0);
    encode_finite(r, sums, quarter, group, codes, kind, stats);
    memcpy(out, codes, (n * r->job->format->bits + 7) / 8);
    encode_other_values(r->job, i, n, out);
    return others;
}

/* Units first..last of a job. */
static ALWAYS_INLINE void encode_chunks(const struct encode_job *job, size_t first, size_t last,
                                        const enum lane_kind kind, const enum source source, const bool stats)
{
    const struct run r = open_run(job, kind);
    size_t all = job->rows * job->cols, bytes = group_bytes(kind);
    for (size_t chunk = first; chunk < last; chunk++) {
        size_t from = chunk * ENCODE_CHUNK, n = all - from < ENCODE_CHUNK ? all - from : ENCODE_CHUNK, i, others = 0;
        uint8_t *out = job->codes + from / GROUP * bytes;
        struct sums sums = {0};
        for (i = 0; i + GROUP <= n; i += GROUP, out += bytes)
            others += encode_group(&r, &sums, (int)(i / GROUP % QUARTERS), from + i, out, kind, source, stats);
        if (i < n)
            others += encode_end(&r, &sums, (int)(i / GROUP % QUARTERS), from + i, n - i, out, kind, stats);
        if (stats)
            keep_sums(&sums, n - others, &job->chunks[chunk]);
    }
}

/* Scales that folding would take out of FP32's range are left to the reference. */
static ALWAYS_INLINE void encode_any(const struct encode_job *job, size_t first, size_t last,
                                     const enum lane_kind kind, const bool stats)
{
    bool folds = lane_folds(job->inverse, job->scale);
    if (!folds && stats)
        encode_stats__scalar(job, first, last);
    else if (!folds)
        encode__scalar(job, first, last);
    else if (job->source == SOURCE_BF16)
        encode_chunks(job, first, last, kind, SOURCE_BF16, stats);
    else
        encode_chunks(job, first, last, kind, SOURCE_FP32, stats);
}

#define ENCODER(name, kind) \
    void encode_##name##__neon(const struct encode_job *job, size_t first, size_t last) \
    { \
        encode_any(job, first, last, kind, false); \
    } \
    void encode_stats_##name##__neon(const struct encode_job *job, size_t first, size_t last) \
    { \
        encode_any(job, first, last, kind, true); \
    }

ENCODER(float8, LANE_FLOAT8)
ENCODER(float4, LANE_FLOAT4)
ENCODER(int8, LANE_INT8)
ENCODER(int4, LANE_INT4)
ENCODER(fp16, LANE_FP16)
ENCODER(bf16, LANE_BF16)

#else
typedef int no_encode_neon;     /* a translation unit may not be empty */
#endif
