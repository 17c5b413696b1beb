/* lanes_avx2.h: elements in AVX2 lanes, for encode_avx2.c, decode_avx2.c and blocks_avx2.c alone.
 * The same steps as lanes_avx512.h, which explains them; eight values at a time, 32 codes to packed bytes.
 * No NaN may come here: callers look for it first and leave it to the reference. */
#ifndef KERNELS_LANES_AVX2_H
#define KERNELS_LANES_AVX2_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/encode.h"
#include "kernels/inline.h"
#include "kernels/lanes.h"

/* One format as vectors. Floats of at most 8 bits work on values times `fold`, a power of two. */
struct lane_format {
    float   fold;
    __m256  largest;        /* beyond it everything becomes it */
    __m256i normal;         /* floats: the bits of the smallest normal value */
    __m256  power;          /* floats: 2^(mantissa bits that go) */
    __m256i shift;          /* floats: how many those are */
    __m256i below_sign;     /* floats: the code's bits below its sign */
};

static ALWAYS_INLINE struct lane_format lane_format_of(const struct format *f, const enum lane_kind kind)
{
    int shift = 23 - f->lane[2];
    float fold = lane_fold(f, kind);
    return (struct lane_format){
        .fold = fold, .largest = _mm256_set1_ps(f->largest * fold),
        .normal = _mm256_castps_si256(_mm256_set1_ps(f->normal * fold)), .power = _mm256_set1_ps(ldexpf(1, shift)),
        .shift = _mm256_set1_epi32(shift),
        .below_sign = _mm256_set1_epi32((1 << (f->bits - 1)) - 1),
    };
}

static ALWAYS_INLINE __m256 lane_abs(__m256 x)
{
    return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(INT32_MAX)));
}

/* y, but not beyond +-most. */
static ALWAYS_INLINE __m256 lane_limit(__m256 y, __m256 most)
{
    __m256 least = _mm256_xor_ps(most, _mm256_set1_ps(-0.0f));
    return _mm256_max_ps(_mm256_min_ps(y, most), least);
}

/* Without the sign, which lane_bytes adds for 32 codes at once. */
static ALWAYS_INLINE __m256i lane_float(const struct lane_format *f, __m256 y, __m256 *size)
{
    __m256 a = _mm256_min_ps(lane_abs(y), f->largest);
    __m256i exponent = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7f800000));
    exponent = _mm256_max_epi32(exponent, f->normal);
    __m256 e = _mm256_castsi256_ps(exponent), sum = _mm256_fmadd_ps(e, f->power, a);
    __m256i code = _mm256_add_epi32(_mm256_castps_si256(sum), _mm256_srlv_epi32(exponent, f->shift));
    *size = _mm256_fnmadd_ps(e, f->power, sum);
    return _mm256_and_si256(code, f->below_sign);
}

/* `within`: no value exceeds the largest. */
static ALWAYS_INLINE __m256i lane_integer(const struct lane_format *f, __m256 y, __m256 *size, const bool within)
{
    __m256i code = _mm256_cvtps_epi32(within ? y : lane_limit(y, f->largest));
    *size = lane_abs(_mm256_cvtepi32_ps(code));
    return code;
}

/* In the lower half of each lane. */
static ALWAYS_INLINE __m256i lane_bf16(const struct lane_format *f, __m256 y, __m256 *size)
{
    __m256i bits = _mm256_castps_si256(lane_limit(y, f->largest));
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    *size = _mm256_castsi256_ps(_mm256_and_si256(sum, _mm256_set1_epi32(0x7fff0000)));
    return _mm256_srli_epi32(sum, 16);
}

static ALWAYS_INLINE __m256i lane_fp16(const struct lane_format *f, __m256 y, __m256 *size)
{
    __m128i half = _mm256_cvtps_ph(lane_limit(y, f->largest), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    *size = lane_abs(_mm256_cvtph_ps(half));
    return _mm256_cvtepu16_epi32(half);
}

static ALWAYS_INLINE __m256i lane_code(const enum lane_kind kind, const struct lane_format *f, __m256 y, __m256 *size,
                                       const bool within)
{
    switch (kind) {
    case LANE_INT8:
    case LANE_INT4: return lane_integer(f, y, size, within);
    case LANE_FP16: return lane_fp16(f, y, size);
    case LANE_BF16: return lane_bf16(f, y, size);
    default:        return lane_float(f, y, size);
    }
}

/* Eight values of either source. */
static ALWAYS_INLINE __m256 lane_load(const enum source source, const void *x, size_t i)
{
    if (source == SOURCE_FP32)
        return _mm256_loadu_ps((const float *)x + i);
    __m128i half = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)x + i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* 32 bytes, or 16, past the caches or not; `stream` only where out is a multiple of their size. */
static ALWAYS_INLINE void lane_put32(uint8_t *out, __m256i bytes, const bool stream)
{
    if (stream)
        _mm256_stream_si256((__m256i *)(void *)out, bytes);
    else
        _mm256_storeu_si256((__m256i *)(void *)out, bytes);
}

static ALWAYS_INLINE void lane_put16(uint8_t *out, __m128i bytes, const bool stream)
{
    if (stream)
        _mm_stream_si128((__m128i *)(void *)out, bytes);
    else
        _mm_storeu_si128((__m128i *)(void *)out, bytes);
}

/* The signs of four vectors where 8-bit codes have theirs, ordered as packing does: saturation keeps a sign. */
static ALWAYS_INLINE __m256i lane_signs(const __m256 y[4])
{
    __m256i low = _mm256_packs_epi32(_mm256_castps_si256(y[0]), _mm256_castps_si256(y[1]));
    __m256i high = _mm256_packs_epi32(_mm256_castps_si256(y[2]), _mm256_castps_si256(y[3]));
    return _mm256_and_si256(_mm256_packs_epi16(low, high), _mm256_set1_epi8(INT8_MIN));
}

/* Four vectors of codes as 32 bytes, in order: packing works within 128 bits, so dwords are put right at the end. */
static ALWAYS_INLINE __m256i lane_bytes(const enum lane_kind kind, const __m256i code[4], const __m256 y[4])
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    bool integer = kind == LANE_INT8 || kind == LANE_INT4;
    __m256i low = integer ? _mm256_packs_epi32(code[0], code[1]) : _mm256_packus_epi32(code[0], code[1]);
    __m256i high = integer ? _mm256_packs_epi32(code[2], code[3]) : _mm256_packus_epi32(code[2], code[3]);
    __m256i bytes = integer ? _mm256_packs_epi16(low, high) : _mm256_packus_epi16(low, high);
    if (kind == LANE_FLOAT8)
        bytes = _mm256_or_si256(bytes, lane_signs(y));
    if (kind == LANE_FLOAT4)
        bytes = _mm256_or_si256(bytes, _mm256_srli_epi16(lane_signs(y), 4));
    return _mm256_permutevar8x32_epi32(bytes, order);
}

/* 32 bytes of one code each as 16 bytes of two. */
static ALWAYS_INLINE __m128i lane_nibbles(__m256i bytes)
{
    __m256i low = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
    __m256i pairs = _mm256_maddubs_epi16(low, _mm256_set1_epi16(0x1001));
    return _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

/* Asks for the 32 values that come 4 KiB after these. Processors do so by themselves, but stop at the end of a page. */
static ALWAYS_INLINE void lane_ahead(const enum source source, const void *x, size_t i)
{
    size_t width = source == SOURCE_FP32 ? 4 : 2;
    const char *at = (const char *)x + i * width + 4096;
    for (size_t byte = 0; byte < 32 * width; byte += 64)
        _mm_prefetch(at + byte, _MM_HINT_T1);
}

/* Bytes that 32 codes take. */
static ALWAYS_INLINE size_t lane_group_bytes(const enum lane_kind kind)
{
    return kind == LANE_FP16 || kind == LANE_BF16 ? 64 : kind == LANE_FLOAT4 || kind == LANE_INT4 ? 16 : 32;
}

/* 32 codes of y to where they belong. */
static ALWAYS_INLINE void lane_put(const enum lane_kind kind, uint8_t *out, const __m256i code[4], const __m256 y[4],
                                   const bool stream)
{
    if (kind == LANE_FP16 || kind == LANE_BF16) {
        lane_put32(out, _mm256_permute4x64_epi64(_mm256_packus_epi32(code[0], code[1]), 0xd8), stream);
        lane_put32(out + 32, _mm256_permute4x64_epi64(_mm256_packus_epi32(code[2], code[3]), 0xd8), stream);
    } else if (kind == LANE_FLOAT8 || kind == LANE_INT8) {
        lane_put32(out, lane_bytes(kind, code, y), stream);
    } else {
        lane_put16(out, lane_nibbles(lane_bytes(kind, code, y)), stream);
    }
}

#endif
