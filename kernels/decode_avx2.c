/* decode_avx2.c: packed codes to values, by a known scale or by those of rows, groups and blocks; 32 at a time.
 * The same plan as decode_avx512.c; 4-bit codes look their value up in two registers of eight.
 * Contracts: encode_job_fn in kernel.h and encode.h. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx2.h"

enum { GROUP = 32 };

struct run {
    const struct format *format;
    __m256  scale;          /* 8-bit floats: times 2^(15 - bias) */
    __m256  low, high;      /* 4 bits: the values of codes 0 to 7 and 8 to 15, times the scale */
    __m128i shift;          /* 8-bit floats: from their exponent's place to FP16's; */
    __m256i kept;           /* the bits that are then theirs */
    float   plain;          /* the scale itself */
};

static ALWAYS_INLINE void put_values(float *out, __m256 value, const bool stream)
{
    if (stream)
        _mm256_stream_ps(out, value);
    else
        _mm256_storeu_ps(out, value);
}

/* 16 codes, one in the upper half of each 16 bits: with its exponent in FP16's place, converted. */
static ALWAYS_INLINE void put_float8(const struct run *r, __m256i code, float *out, const bool stream)
{
    __m256i half = _mm256_and_si256(_mm256_sra_epi16(code, r->shift), r->kept);
    __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(half));
    __m256 high = _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1));
    put_values(out, _mm256_mul_ps(low, r->scale), stream);
    put_values(out + 8, _mm256_mul_ps(high, r->scale), stream);
}

/* True if one of 32 codes is a NaN that FP16 does not have at this place: E4M3's 7f and ff. */
static ALWAYS_INLINE bool has_nan(const struct run *r, __m256i bytes)
{
    __m256i size = _mm256_and_si256(bytes, _mm256_set1_epi8(0x7f));
    return _mm256_movemask_epi8(_mm256_cmpgt_epi8(size, _mm256_set1_epi8((char)r->format->code_max))) != 0;
}

static void decode_slowly(const struct run *r, const uint8_t *codes, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = format_decode(r->format, encode_load(codes, i, r->format->bits)) * r->plain;
}

static ALWAYS_INLINE void decode_float8(const struct run *r, const uint8_t *codes, float *out, const bool stream)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)codes);
    if (__builtin_expect(has_nan(r, bytes), 0)) {
        decode_slowly(r, codes, GROUP, out);
        return;
    }
    /* Unpacking works within 128 bits: put apart the eights that shall come first and those that shall come last. */
    bytes = _mm256_permute4x64_epi64(bytes, 0xd8);
    put_float8(r, _mm256_unpacklo_epi8(_mm256_setzero_si256(), bytes), out, stream);
    put_float8(r, _mm256_unpackhi_epi8(_mm256_setzero_si256(), bytes), out + 16, stream);
}

/* The values of eight 4-bit codes. A lookup takes the lower three bits; the fourth, moved to the sign, chooses. */
static ALWAYS_INLINE __m256 looked_up(const struct run *r, const uint8_t *codes)
{
    int32_t four;
    memcpy(&four, codes, sizeof four);
    const __m256i places = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    __m256i code = _mm256_srlv_epi32(_mm256_set1_epi32(four), places);
    __m256 low = _mm256_permutevar8x32_ps(r->low, code), high = _mm256_permutevar8x32_ps(r->high, code);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(code, 28)));
}

static ALWAYS_INLINE void decode_four(const struct run *r, const uint8_t *codes, float *out, const bool stream)
{
    UNROLL_16
    for (size_t k = 0; k < 4; k++)
        put_values(out + 8 * k, looked_up(r, codes + 4 * k), stream);
}

static ALWAYS_INLINE __m256 widened(const enum lane_kind kind, const uint8_t *codes, size_t k)
{
    if (kind == LANE_INT8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(codes + 8 * k));
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    }
    __m128i half = _mm_loadu_si128((const __m128i *)(const void *)codes + k);
    if (kind == LANE_FP16)
        return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static ALWAYS_INLINE void decode_group(const struct run *r, const uint8_t *codes, float *out, const enum lane_kind kind,
                                       const bool stream)
{
    if (kind == LANE_FLOAT8)
        decode_float8(r, codes, out, stream);
    else if (kind == LANE_FLOAT4 || kind == LANE_INT4)
        decode_four(r, codes, out, stream);
    else
        for (size_t k = 0; k < 4; k++)
            put_values(out + 8 * k, _mm256_mul_ps(widened(kind, codes, k), r->scale), stream);
}

static struct run open_run(const struct encode_job *job, const enum lane_kind kind)
{
    const struct format *f = job->format;
    struct run r = {.format = f, .scale = _mm256_set1_ps(job->scale), .plain = job->scale};
    if (kind == LANE_FLOAT8) {
        r.scale = _mm256_set1_ps(ldexpf(job->scale, 15 - f->bias));
        r.shift = _mm_cvtsi32_si128(f->lane[2] - 2);
        r.kept = _mm256_set1_epi16((short)(0x8000 | 0x7f << (10 - f->lane[2])));
    } else if (kind == LANE_FLOAT4 || kind == LANE_INT4) {
        float table[16];
        for (uint32_t code = 0; code < 16; code++)
            table[code] = format_decode(f, code) * job->scale;
        r.low = _mm256_loadu_ps(table);
        r.high = _mm256_loadu_ps(table + 8);
    }
    return r;
}

/* What block b of the tensor is multiplied by. */
static ALWAYS_INLINE __m256 scale_of_block(const struct encode_job *job, size_t b, const size_t size,
                                           const float table[256])
{
    if (size == 128)
        return _mm256_cvtph_ps(_mm_set1_epi16((short)((const uint16_t *)job->scales)[b]));
    return _mm256_set1_ps(table[((const uint8_t *)job->scales)[b]]);
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
        __m256 scale = scale_of_block(job, b + 8 * k / size, size, table);
        __m256 value = kind == LANE_FLOAT8 ? _mm256_loadu_ps(unit + 8 * k) : looked_up(r, codes + 4 * k);
        _mm256_storeu_ps(out + 8 * k, _mm256_mul_ps(value, scale));
    }
}

#include "kernels/decode_lanes.h"

DECODERS(avx2)

#else
typedef int no_decode_avx2;     /* a translation unit may not be empty */
#endif
