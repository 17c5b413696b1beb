/* decode_avx512.c: packed codes to values, by a known scale or by those of rows, groups and blocks; 64 at a time.
 * 8-bit floats become FP16 by a shift, which the processor converts; 4-bit codes look their value up in one register.
 * Contracts: encode_job_fn in kernel.h and encode.h. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <math.h>

#include "kernels/lanes_avx512.h"

enum { GROUP = 64 };

struct run {
    const struct format *format;
    __m512  scale;          /* 8-bit floats: times 2^(15 - bias) */
    __m512  table;          /* 4 bits: the values of all codes, times the scale */
    __m512i shift, kept;    /* 8-bit floats: from their exponent's place to FP16's; the bits that are then theirs */
    float   plain;          /* the scale itself */
};

static ALWAYS_INLINE void put_values(float *out, __m512 value, const bool stream)
{
    if (stream)
        _mm512_stream_ps(out, value);
    else
        _mm512_storeu_ps(out, value);
}

/* 32 codes, one in the upper half of each 16 bits: with its exponent in FP16's place, converted. */
static ALWAYS_INLINE void put_float8(const struct run *r, __m512i code, float *out, const bool stream)
{
    __m512i half = _mm512_and_si512(_mm512_srav_epi16(code, r->shift), r->kept);
    __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(half));
    __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1));
    put_values(out, _mm512_mul_ps(low, r->scale), stream);
    put_values(out + 16, _mm512_mul_ps(high, r->scale), stream);
}

/* True if one of 64 codes is a NaN that FP16 does not have at this place: E4M3's 7f and ff. */
static ALWAYS_INLINE bool has_nan(const struct run *r, __m512i bytes)
{
    __m512i size = _mm512_and_si512(bytes, _mm512_set1_epi8(0x7f));
    return _mm512_cmpgt_epi8_mask(size, _mm512_set1_epi8((char)r->format->code_max)) != 0;
}

static void decode_slowly(const struct run *r, const uint8_t *codes, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = format_decode(r->format, encode_load(codes, i, r->format->bits)) * r->plain;
}

static ALWAYS_INLINE void decode_float8(const struct run *r, const uint8_t *codes, float *out, const bool stream)
{
    __m512i bytes = _mm512_loadu_si512(codes);
    if (__builtin_expect(has_nan(r, bytes), 0)) {
        decode_slowly(r, codes, GROUP, out);
        return;
    }
    /* Unpacking works within 128 bits: put apart the eights that shall come first and those that shall come last. */
    bytes = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), bytes);
    put_float8(r, _mm512_unpacklo_epi8(_mm512_setzero_si512(), bytes), out, stream);
    put_float8(r, _mm512_unpackhi_epi8(_mm512_setzero_si512(), bytes), out + 32, stream);
}

/* The values of sixteen 4-bit codes. */
static ALWAYS_INLINE __m512 looked_up(const struct run *r, const uint8_t *codes)
{
    __m128i pairs = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)codes));
    __m128i bytes = _mm_or_si128(pairs, _mm_slli_epi16(pairs, 4));      /* the lookup takes the lower four bits */
    return _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(bytes), r->table);
}

static ALWAYS_INLINE void decode_four(const struct run *r, const uint8_t *codes, float *out, const bool stream)
{
    UNROLL_16
    for (size_t k = 0; k < 4; k++)
        put_values(out + 16 * k, looked_up(r, codes + 8 * k), stream);
}

static ALWAYS_INLINE __m512 widened(const enum lane_kind kind, const uint8_t *codes, size_t k)
{
    if (kind == LANE_INT8)
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)codes + k)));
    __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)codes + k);
    if (kind == LANE_FP16)
        return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static ALWAYS_INLINE void decode_group(const struct run *r, const uint8_t *codes, float *out, const enum lane_kind kind,
                                       const bool stream)
{
    if (kind == LANE_FLOAT8)
        decode_float8(r, codes, out, stream);
    else if (kind == LANE_FLOAT4 || kind == LANE_INT4)
        decode_four(r, codes, out, stream);
    else
        UNROLL_16
        for (size_t k = 0; k < 4; k++)
            put_values(out + 16 * k, _mm512_mul_ps(widened(kind, codes, k), r->scale), stream);
}

static struct run open_run(const struct encode_job *job, const enum lane_kind kind)
{
    const struct format *f = job->format;
    struct run r = {.format = f, .scale = _mm512_set1_ps(job->scale), .plain = job->scale};
    if (kind == LANE_FLOAT8) {
        r.scale = _mm512_set1_ps(ldexpf(job->scale, 15 - f->bias));
        r.shift = _mm512_set1_epi16((short)(f->lane[2] - 2));
        r.kept = _mm512_set1_epi16((short)(0x8000 | 0x7f << (10 - f->lane[2])));
    } else if (kind == LANE_FLOAT4 || kind == LANE_INT4) {
        float table[16];
        for (uint32_t code = 0; code < 16; code++)
            table[code] = format_decode(f, code) * job->scale;
        r.table = _mm512_loadu_ps(table);
    }
    return r;
}

/* What block b of the tensor is multiplied by. */
static ALWAYS_INLINE __m512 scale_of_block(const struct encode_job *job, size_t b, const size_t size,
                                           const float table[256])
{
    if (size == 128)
        return _mm512_cvtph_ps(_mm256_set1_epi16((short)((const uint16_t *)job->scales)[b]));
    return _mm512_set1_ps(table[((const uint8_t *)job->scales)[b]]);
}

/* 64 values of blocks of `size`, the first of them block b. The element's own factor comes first: it is exact. */
static ALWAYS_INLINE void scaled_group(const struct run *r, const struct encode_job *job, const uint8_t *codes,
                                       size_t b, float *out, const enum lane_kind kind, const size_t size,
                                       const float *table)
{
    float unit[GROUP];
    if (kind == LANE_FLOAT8)
        decode_float8(r, codes, unit, false);
    UNROLL_16
    for (size_t k = 0; k < 4; k++) {
        __m512 scale = scale_of_block(job, b + 16 * k / size, size, table);
        __m512 value = kind == LANE_FLOAT8 ? _mm512_loadu_ps(unit + 16 * k) : looked_up(r, codes + 8 * k);
        _mm512_storeu_ps(out + 16 * k, _mm512_mul_ps(value, scale));
    }
}

#include "kernels/decode_lanes.h"

DECODERS(avx512)

#else
typedef int no_decode_avx512;   /* a translation unit may not be empty */
#endif
