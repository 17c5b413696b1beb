/* blocks_avx2.c: values to packed codes, the scale of each row, group or block found on the way.
 * The same plan as blocks_avx512.c, which explains the steps; the scales of eight blocks at a time.
 * Contracts: encode_job_fn in kernel.h and encode.h. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx2.h"

enum { SEGMENT = 2048, GROUP = 32, BLOCK_LEAST = 16 };

/* ---- The largest magnitudes ------------------------------------------------------------------------ */

static ALWAYS_INLINE __m256i magnitude(const enum source source, const void *x, size_t i)
{
    return _mm256_castps_si256(lane_abs(lane_load(source, x, i)));
}

/* Lane i of the result: the largest of most[i]'s lanes. Each step joins pairs of vectors and halves what is left. */
static ALWAYS_INLINE __m256i largest_of_each(__m256i most[8])
{
    UNROLL_16
    for (int i = 0; i < 4; i++)
        most[i] = _mm256_max_epi32(_mm256_unpacklo_epi32(most[2 * i], most[2 * i + 1]),
                                   _mm256_unpackhi_epi32(most[2 * i], most[2 * i + 1]));
    UNROLL_16
    for (int i = 0; i < 2; i++)
        most[i] = _mm256_max_epi32(_mm256_unpacklo_epi64(most[2 * i], most[2 * i + 1]),
                                   _mm256_unpackhi_epi64(most[2 * i], most[2 * i + 1]));
    return _mm256_max_epi32(_mm256_permute2x128_si256(most[0], most[1], 0x20),
                            _mm256_permute2x128_si256(most[0], most[1], 0x31));
}

/* The bits of the largest magnitudes of eight blocks of `size` from element i on. */
static ALWAYS_INLINE __m256i block_amax(const enum source source, const void *x, size_t i, const size_t size)
{
    __m256i most[8];
    UNROLL_16
    for (size_t block = 0; block < 8; block++) {
        most[block] = magnitude(source, x, i + block * size);
        UNROLL_16
        for (size_t k = 8; k < size; k += 8)
            most[block] = _mm256_max_epi32(most[block], magnitude(source, x, i + block * size + k));
    }
    return largest_of_each(most);
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

/* Which rule a block's scale follows; a constant wherever it is inlined. */
enum rule { RULE_GROUP, RULE_MX, RULE_NVFP4 };

struct blocks {
    const struct encode_job *job;
    struct lane_format f, e4m3;
    __m256  largest;        /* of the format */
    __m256i emax;
    __m256  unit, tensor;   /* NVFP4: what a block's amax is multiplied by for its scale, and that by; both folded */
};

/* FP16(amax / largest), see scale_absmax and scale_to_fp16. */
static ALWAYS_INLINE __m256 group_scales(const struct blocks *b, __m256i amax, uint8_t *stored)
{
    __m256 scale = _mm256_div_ps(_mm256_castsi256_ps(amax), b->largest);
    scale = _mm256_min_ps(_mm256_max_ps(scale, _mm256_set1_ps(0x1p-24f)), _mm256_set1_ps(65504));
    __m256i none = _mm256_cmpeq_epi32(amax, _mm256_setzero_si256());
    scale = _mm256_blendv_ps(scale, _mm256_set1_ps(1), _mm256_castsi256_ps(none));
    __m128i half = _mm256_cvtps_ph(scale, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128((__m128i *)(void *)stored, half);
    return _mm256_div_ps(_mm256_set1_ps(1), _mm256_cvtph_ps(half));
}

/* Eight numbers below 256 as bytes. */
static ALWAYS_INLINE void store_bytes(uint8_t *out, __m256i numbers)
{
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
    _mm_storel_epi64((__m128i *)(void *)out, _mm_packus_epi16(words, words));
}

/* 2^(exponent - emax) by integers alone; an FP32 subnormal is below what a scale can be. */
static ALWAYS_INLINE __m256 mx_scales(const struct blocks *b, __m256i amax, uint8_t *stored)
{
    __m256i code = _mm256_max_epi32(_mm256_sub_epi32(_mm256_srli_epi32(amax, 23), b->emax), _mm256_set1_epi32(1));
    __m256i none = _mm256_cmpeq_epi32(amax, _mm256_setzero_si256());
    code = _mm256_blendv_epi8(code, _mm256_set1_epi32(127), none);
    store_bytes(stored, code);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32(_mm256_set1_epi32(254), code), 23));
}

static ALWAYS_INLINE __m256 nvfp4_scales(const struct blocks *b, __m256i amax, uint8_t *stored)
{
    __m256 size;
    __m256i code = lane_float(&b->e4m3, _mm256_mul_ps(_mm256_castsi256_ps(amax), b->unit), &size);
    store_bytes(stored, code);
    __m256 scale = _mm256_mul_ps(size, b->tensor);
    __m256 any = _mm256_cmp_ps(scale, _mm256_setzero_ps(), _CMP_GT_OQ);
    return _mm256_and_ps(any, _mm256_div_ps(_mm256_set1_ps(1), scale));
}

/* Bytes of one stored scale. */
static ALWAYS_INLINE size_t stored_bytes(const enum rule rule)
{
    return rule == RULE_GROUP ? 2 : 1;
}

/* ---- Segments -------------------------------------------------------------------------------------- */

/* What find_scales met. */
enum meeting {
    MET_SPECIAL,            /* a value that is not finite: for the reference */
    MET_BEYOND,             /* codes to be limited: an integer's scale that was rounded down, or could not grow */
    MET_WITHIN,
};

/* The scales of a segment: stored ones and what values are multiplied by. */
static ALWAYS_INLINE enum meeting find_scales(const struct blocks *b, const enum source source, const void *x,
                                              size_t from, const enum rule rule, const size_t size, float *inverse,
                                              uint8_t *stored)
{
    __m256i most = _mm256_setzero_si256();
    __m256 reach = _mm256_setzero_ps();
    for (size_t block = 0; block < SEGMENT / size; block += 8) {
        if (b->job->far)
            for (size_t i = block * size; i < (block + 8) * size; i += GROUP)
                lane_ahead(source, x, from + i);
        __m256i amax = block_amax(source, x, from + block * size, size);
        uint8_t *out = stored + block * stored_bytes(rule);
        __m256 found = rule == RULE_GROUP ? group_scales(b, amax, out)
                       : rule == RULE_MX  ? mx_scales(b, amax, out)
                                          : nvfp4_scales(b, amax, out);
        _mm256_storeu_ps(inverse + block, _mm256_mul_ps(found, _mm256_set1_ps(b->f.fold)));
        reach = _mm256_max_ps(reach, _mm256_mul_ps(found, _mm256_castsi256_ps(amax)));
        most = _mm256_max_epi32(most, amax);
    }
    if (_mm256_movemask_epi8(_mm256_cmpgt_epi32(most, _mm256_set1_epi32(0x7f7fffff))))
        return MET_SPECIAL;
    __m256 bound = _mm256_add_ps(b->largest, _mm256_set1_ps(0.25f));
    bool beyond = _mm256_movemask_ps(_mm256_cmp_ps(reach, bound, _CMP_GT_OQ)) != 0;
    return rule == RULE_GROUP && beyond ? MET_BEYOND : MET_WITHIN;
}

static ALWAYS_INLINE void find_codes(const struct blocks *b, const enum source source, const void *x, size_t from,
                                     const enum lane_kind kind, const size_t size, const float *inverse, uint8_t *out,
                                     const bool within, const bool stream)
{
    for (size_t i = 0; i < SEGMENT; i += GROUP, out += lane_group_bytes(kind)) {
        __m256i code[4];
        __m256 y[4];
        UNROLL_16
        for (size_t k = 0; k < 4; k++) {
            __m256 by = _mm256_set1_ps(inverse[(i + 8 * k) / size]), magnitudes;
            y[k] = _mm256_mul_ps(lane_load(source, x, from + i + 8 * k), by);
            code[k] = lane_code(kind, &b->f, y[k], &magnitudes, within);
        }
        lane_put(kind, out, code, y, stream);
    }
}

static ALWAYS_INLINE struct blocks open_blocks(const struct encode_job *job, const enum lane_kind kind)
{
    const struct format *f = job->format;
    struct blocks b = {.job = job, .f = lane_format_of(f, kind), .largest = _mm256_set1_ps(f->largest),
                       .e4m3 = lane_format_of(format_find("e4m3"), LANE_FLOAT8), .emax = _mm256_set1_epi32(f->emax)};
    b.unit = _mm256_set1_ps(1 / (f->largest * job->tensor) * b.e4m3.fold);
    b.tensor = _mm256_set1_ps(job->tensor / b.e4m3.fold);
    return b;
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* The bits of the largest magnitude of n values. */
static ALWAYS_INLINE uint32_t row_amax(const struct encode_job *job, const enum source source, size_t from, size_t n)
{
    __m256i most[4];
    uint32_t tail = 0;
    size_t i = 0;
    UNROLL_16
    for (int k = 0; k < 4; k++)
        most[k] = _mm256_setzero_si256();
    for (; i + GROUP <= n; i += GROUP) {
        if (job->far)
            lane_ahead(source, job->x, from + i);
        UNROLL_16
        for (size_t k = 0; k < 4; k++)
            most[k] = _mm256_max_epi32(most[k], magnitude(source, job->x, from + i + 8 * k));
    }
    for (; i < n; i++) {
        float x = fabsf(encode_value(job, from + i));
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        tail = bits > tail ? bits : tail;
    }
    most[0] = _mm256_max_epi32(_mm256_max_epi32(most[0], most[1]), _mm256_max_epi32(most[2], most[3]));
    uint32_t lane[8];
    _mm256_storeu_si256((__m256i *)(void *)lane, most[0]);
    for (int k = 0; k < 8; k++)
        tail = lane[k] > tail ? lane[k] : tail;
    return tail;
}

static ALWAYS_INLINE void put_row(const struct encode_job *job, const struct lane_format *f, const enum source source,
                                  size_t from, float inverse, uint8_t *out, const enum lane_kind kind,
                                  const bool stream)
{
    __m256 by = _mm256_set1_ps(inverse * f->fold), size;
    size_t i = 0;
    for (; i + GROUP <= job->cols; i += GROUP) {
        __m256i code[4];
        __m256 y[4];
        UNROLL_16
        for (size_t k = 0; k < 4; k++) {
            y[k] = _mm256_mul_ps(lane_load(source, job->x, from + i + 8 * k), by);
            code[k] = lane_code(kind, f, y[k], &size, true);
        }
        lane_put(kind, out + i, code, y, stream);
    }
    for (; i < job->cols; i++)
        out[i] = (uint8_t)format_encode(job->format, encode_value(job, from + i) * inverse, (struct cast){0});
}

#include "kernels/blocks_lanes.h"

QUANTIZERS(avx2)

#else
typedef int no_blocks_avx2;     /* a translation unit may not be empty */
#endif
