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

static ALWAYS_INLINE void decode_chunks(const struct encode_job *job, size_t first, size_t last,
                                        const enum lane_kind kind, const bool stream)
{
    const struct run r = open_run(job, kind);
    size_t bytes = lane_group_bytes(kind), all = job->rows * job->cols;
    size_t end = last * ENCODE_CHUNK < all ? last * ENCODE_CHUNK : all, i = first * ENCODE_CHUNK;
    for (; i + GROUP <= end; i += GROUP)
        decode_group(&r, job->codes + i / GROUP * bytes, job->values + i, kind, stream);
    if (i < end)
        decode_slowly(&r, job->codes + i / GROUP * bytes, end - i, job->values + i);
    if (stream)
        _mm_sfence();
}

static ALWAYS_INLINE void decode_any(const struct encode_job *job, size_t first, size_t last, const enum lane_kind kind)
{
    if (kind == LANE_FLOAT8 && isinf(ldexpf(job->scale, 15 - job->format->bias)))
        decode__scalar(job, first, last);       /* the two factors do not fit one */
    else if (job->stream && (uintptr_t)job->values % 64 == 0)
        decode_chunks(job, first, last, kind, true);
    else
        decode_chunks(job, first, last, kind, false);
}

#define DECODER(name, kind) \
    void decode_##name##__avx2(const struct encode_job *job, size_t first, size_t last) \
    { \
        decode_any(job, first, last, kind); \
    }

DECODER(float8, LANE_FLOAT8)
DECODER(float4, LANE_FLOAT4)
DECODER(int8, LANE_INT8)
DECODER(int4, LANE_INT4)
DECODER(fp16, LANE_FP16)
DECODER(bf16, LANE_BF16)

/* ---- The scales of rows, groups and blocks --------------------------------------------------------- */

/* Every scale that fits a byte, decoded. */
static void scale_table(const struct encode_job *job, float table[256])
{
    bool two_level = encode_scale(job->format).kind == SCALE_TWO_LEVEL;
    const struct format *stored = format_find(two_level ? "e4m3" : "e8m0");
    for (uint32_t i = 0; i < 256; i++)
        table[i] = format_decode(stored, i) * (two_level ? job->tensor : 1);
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

/* n values of one row, or of rows that their blocks fill, from element `from` and block b on. */
static ALWAYS_INLINE void dequantize_run(const struct run *r, const struct encode_job *job, const uint8_t *codes,
                                         size_t from, size_t n, size_t b, const enum lane_kind kind, const size_t size,
                                         const float *table)
{
    size_t i = 0, bytes = lane_group_bytes(kind);
    for (; i + GROUP <= n; i += GROUP, codes += bytes)
        scaled_group(r, job, codes, b + i / size, job->values + from + i, kind, size, table);
    for (size_t k = i; k < n; k++) {
        uint32_t code = encode_load(codes, k - i, job->format->bits);
        job->values[from + k] = format_decode(job->format, code) * encode_scale_at(job, b + k / size);
    }
}

static ALWAYS_INLINE void dequantize_blocks(const struct encode_job *job, size_t first, size_t last,
                                            const enum lane_kind kind, const size_t size)
{
    struct encode_job plain = *job;
    float table[256];
    plain.scale = 1;
    const struct run r = open_run(&plain, kind);
    if (size != 128)
        scale_table(job, table);
    size_t bytes = encode_row_bytes(job->format, job->cols), per_row = encode_scales_of_row(job->format, job->cols);
    size_t step = job->cols % size == 0 ? last - first : 1;
    for (size_t row = first; row < last; row += step)
        dequantize_run(&r, job, job->codes + row * bytes, row * job->cols, step * job->cols, row * per_row, kind, size,
                       table);
}

/* One scale a row: each row is decoded as a tensor of its own. */
static ALWAYS_INLINE void dequantize_rows(const struct encode_job *job, size_t first, size_t last,
                                          const enum lane_kind kind)
{
    for (size_t row = first; row < last; row++) {
        struct encode_job one = *job;
        one.rows = 1;
        one.scale = ((const float *)job->scales)[row];
        one.codes += row * job->cols;
        one.values += row * job->cols;
        decode_any(&one, 0, (job->cols + ENCODE_CHUNK - 1) / ENCODE_CHUNK, kind);
    }
}

#define DEQUANTIZER(name, call) \
    void dequantize_##name##__avx2(const struct encode_job *job, size_t first, size_t last) \
    { \
        call; \
    }

DEQUANTIZER(int8, dequantize_rows(job, first, last, LANE_INT8))
DEQUANTIZER(float8, dequantize_rows(job, first, last, LANE_FLOAT8))
DEQUANTIZER(int4, dequantize_blocks(job, first, last, LANE_INT4, 128))
DEQUANTIZER(mxfp8, dequantize_blocks(job, first, last, LANE_FLOAT8, 32))
DEQUANTIZER(mxfp4, dequantize_blocks(job, first, last, LANE_FLOAT4, 32))
DEQUANTIZER(nvfp4, dequantize_blocks(job, first, last, LANE_FLOAT4, 16))

#else
typedef int no_decode_avx2;     /* a translation unit may not be empty */
#endif
