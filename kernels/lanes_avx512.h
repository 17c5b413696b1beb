/* lanes_avx512.h: elements in AVX-512 lanes, for encode_avx512.c, decode_avx512.c and blocks_avx512.c alone.
 * Sixteen values to their codes, 64 codes to packed bytes; what differs between formats comes from the format's row.
 * No NaN may come here: callers look for it first, 64 values at a time, and leave it to the reference. */
#ifndef KERNELS_LANES_AVX512_H
#define KERNELS_LANES_AVX512_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/encode.h"
#include "kernels/inline.h"
#include "kernels/lanes.h"

/* One format as vectors. Floats of at most 8 bits work on values times `fold`, a power of two: see lane_float. */
struct lane_format {
    float   fold;
    __m512  largest;        /* beyond it everything becomes it */
    __m512i normal;         /* floats: the bits of the smallest normal value */
    __m512  power;          /* floats: 2^(mantissa bits that go) */
    __m512i shift;          /* floats: how many those are */
    __m512i sign_shift;     /* floats: from FP32's sign to the code's */
    __m512i below_sign;     /* floats: the code's bits below its sign */
};

static ALWAYS_INLINE struct lane_format lane_format_of(const struct format *f, const enum lane_kind kind)
{
    int shift = 23 - f->lane[2];
    float fold = lane_fold(f, kind);
    return (struct lane_format){
        .fold = fold, .largest = _mm512_set1_ps(f->largest * fold),
        .normal = _mm512_castps_si512(_mm512_set1_ps(f->normal * fold)), .power = _mm512_set1_ps(ldexpf(1, shift)),
        .shift = _mm512_set1_epi32(shift), .sign_shift = _mm512_set1_epi32(32 - f->bits),
        .below_sign = _mm512_set1_epi32((1 << (f->bits - 1)) - 1),
    };
}

/* Least magnitude of y and `most`, with the sign of y. */
static ALWAYS_INLINE __m512 lane_limit(__m512 y, __m512 most)
{
    return _mm512_range_ps(y, most, 0x2);
}

/* The codes of floats of at most 8 bits; *size their magnitudes. Let e be the power of two below |y|, not less than the
 * smallest normal value. |y| + e * 2^shift keeps as many bits of |y| as the format has, rounded to nearest even by the
 * adder (the product is exact), and its lowest bits count how many of those steps |y| has. The code is that count and
 * the exponent's field, less what the biases differ by and a hidden one: a constant, which `fold` makes a multiple of
 * the field's range. A carry out of the mantissa raises the exponent by itself. */
static ALWAYS_INLINE __m512i lane_float(const struct lane_format *f, __m512 y, __m512 *size)
{
    __m512 a = _mm512_range_ps(y, f->largest, 0xa);         /* the least of the magnitudes */
    __m512i exponent = _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7f800000));
    exponent = _mm512_max_epi32(exponent, f->normal);
    __m512 e = _mm512_castsi512_ps(exponent), sum = _mm512_fmadd_ps(e, f->power, a);
    __m512i code = _mm512_add_epi32(_mm512_castps_si512(sum), _mm512_srlv_epi32(exponent, f->shift));
    __m512i sign = _mm512_srlv_epi32(_mm512_castps_si512(y), f->sign_shift);
    *size = _mm512_fnmadd_ps(e, f->power, sum);
    return _mm512_ternarylogic_epi32(f->below_sign, code, sign, 0xca);      /* code below the sign, the sign above */
}

/* Magnitudes in *size here and below; `within`: no value exceeds the largest. */
static ALWAYS_INLINE __m512i lane_integer(const struct lane_format *f, __m512 y, __m512 *size, const bool within)
{
    __m512i code = _mm512_cvtps_epi32(within ? y : lane_limit(y, f->largest));
    *size = _mm512_abs_ps(_mm512_cvtepi32_ps(code));
    return code;
}

/* In the lower half of each lane. */
static ALWAYS_INLINE __m512i lane_bf16(const struct lane_format *f, __m512 y, __m512 *size)
{
    __m512i bits = _mm512_castps_si512(lane_limit(y, f->largest));
    __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    __m512i sum = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
    sum = _mm512_mask_add_epi32(sum, odd, sum, _mm512_set1_epi32(1));
    *size = _mm512_castsi512_ps(_mm512_and_si512(sum, _mm512_set1_epi32(0x7fff0000)));
    return _mm512_srli_epi32(sum, 16);
}

static ALWAYS_INLINE __m512i lane_fp16(const struct lane_format *f, __m512 y, __m512 *size)
{
    __m256i half = _mm512_cvtps_ph(lane_limit(y, f->largest), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    *size = _mm512_abs_ps(_mm512_cvtph_ps(half));
    return _mm512_cvtepu16_epi32(half);
}

static ALWAYS_INLINE __m512i lane_code(const enum lane_kind kind, const struct lane_format *f, __m512 y, __m512 *size,
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

/* Sixteen values of either source. */
static ALWAYS_INLINE __m512 lane_load(const enum source source, const void *x, size_t i)
{
    if (source == SOURCE_FP32)
        return _mm512_loadu_ps((const float *)x + i);
    __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)x + i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* 64 bytes, or 32, past the caches or not; `stream` only where out is a multiple of their size. */
static ALWAYS_INLINE void lane_put64(uint8_t *out, __m512i bytes, const bool stream)
{
    if (stream)
        _mm512_stream_si512((__m512i *)(void *)out, bytes);
    else
        _mm512_storeu_si512(out, bytes);
}

static ALWAYS_INLINE void lane_put32(uint8_t *out, __m256i bytes, const bool stream)
{
    if (stream)
        _mm256_stream_si256((__m256i *)(void *)out, bytes);
    else
        _mm256_storeu_si256((__m256i *)(void *)out, bytes);
}

/* Four vectors of codes as 64 bytes, in order: packing works within 128 bits, so dwords are put right at the end. */
static ALWAYS_INLINE __m512i lane_bytes(const enum lane_kind kind, const __m512i code[4])
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    bool integer = kind == LANE_INT8 || kind == LANE_INT4;
    __m512i low = integer ? _mm512_packs_epi32(code[0], code[1]) : _mm512_packus_epi32(code[0], code[1]);
    __m512i high = integer ? _mm512_packs_epi32(code[2], code[3]) : _mm512_packus_epi32(code[2], code[3]);
    __m512i bytes = integer ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high);
    return _mm512_permutexvar_epi32(order, bytes);
}

/* 64 bytes of one code each as 32 bytes of two. */
static ALWAYS_INLINE __m256i lane_nibbles(__m512i bytes)
{
    __m512i low = _mm512_and_si512(bytes, _mm512_set1_epi8(15));
    return _mm512_cvtepi16_epi8(_mm512_maddubs_epi16(low, _mm512_set1_epi16(0x1001)));
}

/* 64 codes to where they belong: 128, 64 or 32 bytes. */
static ALWAYS_INLINE void lane_put(const enum lane_kind kind, uint8_t *out, const __m512i code[4], const bool stream)
{
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    if (kind == LANE_FP16 || kind == LANE_BF16) {
        lane_put64(out, _mm512_permutexvar_epi64(order, _mm512_packus_epi32(code[0], code[1])), stream);
        lane_put64(out + 64, _mm512_permutexvar_epi64(order, _mm512_packus_epi32(code[2], code[3])), stream);
    } else if (kind == LANE_FLOAT8 || kind == LANE_INT8) {
        lane_put64(out, lane_bytes(kind, code), stream);
    } else {
        lane_put32(out, lane_nibbles(lane_bytes(kind, code)), stream);
    }
}

/* Asks for the 64 values that come 4 KiB after these. Processors do so by themselves, but stop at the end of a page. */
static ALWAYS_INLINE void lane_ahead(const enum source source, const void *x, size_t i)
{
    size_t width = source == SOURCE_FP32 ? 4 : 2;
    const char *at = (const char *)x + i * width + 4096;
    for (size_t byte = 0; byte < 64 * width; byte += 64)
        _mm_prefetch(at + byte, _MM_HINT_T1);
}

/* Bytes that 64 codes take. */
static ALWAYS_INLINE size_t lane_group_bytes(const enum lane_kind kind)
{
    return kind == LANE_FP16 || kind == LANE_BF16 ? 128 : kind == LANE_FLOAT4 || kind == LANE_INT4 ? 32 : 64;
}

#endif
