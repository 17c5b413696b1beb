/* blocks_avx512.c: values to packed codes, the scale of each row, group or block found on the way.
 * Rows are read twice, the second time from a cache. Blocks go in two phases over 2048 values: the scales of all,
 * sixteen at a time, then the codes, so that codes do not wait for divisions. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <math.h>

#include "kernels/lanes_avx512.h"

enum { SEGMENT = 2048, GROUP = 64, BLOCK_LEAST = 16 };

/* ---- The largest magnitudes ------------------------------------------------------------------------ */

static ALWAYS_INLINE __m512i magnitude(const enum source source, const void *x, size_t i)
{
    return _mm512_and_si512(_mm512_castps_si512(lane_load(source, x, i)), _mm512_set1_epi32(INT32_MAX));
}

/* Lane i of the result: the largest of most[i]'s lanes. Each step joins pairs of vectors and halves what is left. */
static ALWAYS_INLINE __m512i largest_of_each(__m512i most[16])
{
    UNROLL_16
    for (int i = 0; i < 8; i++)
        most[i] = _mm512_max_epi32(_mm512_unpacklo_epi32(most[2 * i], most[2 * i + 1]),
                                   _mm512_unpackhi_epi32(most[2 * i], most[2 * i + 1]));
    UNROLL_16
    for (int i = 0; i < 4; i++)
        most[i] = _mm512_max_epi32(_mm512_unpacklo_epi64(most[2 * i], most[2 * i + 1]),
                                   _mm512_unpackhi_epi64(most[2 * i], most[2 * i + 1]));
    UNROLL_16
    for (int i = 0; i < 2; i++)
        most[i] = _mm512_max_epi32(_mm512_shuffle_i32x4(most[2 * i], most[2 * i + 1], 0x88),
                                   _mm512_shuffle_i32x4(most[2 * i], most[2 * i + 1], 0xdd));
    return _mm512_max_epi32(_mm512_shuffle_i32x4(most[0], most[1], 0x88),
                            _mm512_shuffle_i32x4(most[0], most[1], 0xdd));
}

/* The bits of the largest magnitudes of sixteen blocks of `size` from element i on. */
static ALWAYS_INLINE __m512i block_amax(const enum source source, const void *x, size_t i, const size_t size)
{
    __m512i most[16];
    UNROLL_16
    for (size_t block = 0; block < 16; block++) {
        most[block] = magnitude(source, x, i + block * size);
        UNROLL_16
        for (size_t k = 16; k < size; k += 16)
            most[block] = _mm512_max_epi32(most[block], magnitude(source, x, i + block * size + k));
    }
    return largest_of_each(most);
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

/* Which rule a block's scale follows; a constant wherever it is inlined. */
enum rule { RULE_GROUP, RULE_MX, RULE_NVFP4 };

struct blocks {
    const struct encode_job *job;
    struct lane_format f, e4m3;
    __m512  largest;        /* of the format */
    __m512i emax;
    __m512  unit, tensor;   /* NVFP4: what a block's amax is multiplied by for its scale, and that by; both folded */
};

/* FP16(amax / largest), see scale_absmax and scale_to_fp16. */
static ALWAYS_INLINE __m512 group_scales(const struct blocks *b, __m512i amax, uint8_t *stored)
{
    __m512 scale = _mm512_div_ps(_mm512_castsi512_ps(amax), b->largest);
    scale = _mm512_min_ps(_mm512_max_ps(scale, _mm512_set1_ps(0x1p-24f)), _mm512_set1_ps(65504));
    scale = _mm512_mask_mov_ps(scale, _mm512_testn_epi32_mask(amax, amax), _mm512_set1_ps(1));
    __m256i half = _mm512_cvtps_ph(scale, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm256_storeu_si256((__m256i *)(void *)stored, half);
    return _mm512_div_ps(_mm512_set1_ps(1), _mm512_cvtph_ps(half));
}

/* 2^(exponent - emax) by integers alone; an FP32 subnormal is below what a scale can be. */
static ALWAYS_INLINE __m512 mx_scales(const struct blocks *b, __m512i amax, uint8_t *stored)
{
    __m512i code = _mm512_max_epi32(_mm512_sub_epi32(_mm512_srli_epi32(amax, 23), b->emax), _mm512_set1_epi32(1));
    code = _mm512_mask_mov_epi32(code, _mm512_testn_epi32_mask(amax, amax), _mm512_set1_epi32(127));
    _mm_storeu_si128((__m128i *)(void *)stored, _mm512_cvtepi32_epi8(code));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(254), code), 23));
}

static ALWAYS_INLINE __m512 nvfp4_scales(const struct blocks *b, __m512i amax, uint8_t *stored)
{
    __m512 size;
    __m512i code = lane_float(&b->e4m3, _mm512_mul_ps(_mm512_castsi512_ps(amax), b->unit), &size);
    _mm_storeu_si128((__m128i *)(void *)stored, _mm512_cvtepi32_epi8(code));
    __m512 scale = _mm512_mul_ps(size, b->tensor);
    __mmask16 any = _mm512_cmp_ps_mask(scale, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_maskz_div_ps(any, _mm512_set1_ps(1), scale);
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
    __m512i most = _mm512_setzero_si512();
    __m512 reach = _mm512_setzero_ps();
    for (size_t block = 0; block < SEGMENT / size; block += 16) {
        if (b->job->far)
            for (size_t i = block * size; i < (block + 16) * size; i += GROUP)
                lane_ahead(source, x, from + i);
        __m512i amax = block_amax(source, x, from + block * size, size);
        uint8_t *out = stored + block * stored_bytes(rule);
        __m512 found = rule == RULE_GROUP ? group_scales(b, amax, out)
                       : rule == RULE_MX  ? mx_scales(b, amax, out)
                                          : nvfp4_scales(b, amax, out);
        _mm512_storeu_ps(inverse + block, _mm512_mul_ps(found, _mm512_set1_ps(b->f.fold)));
        reach = _mm512_max_ps(reach, _mm512_mul_ps(found, _mm512_castsi512_ps(amax)));
        most = _mm512_max_epi32(most, amax);
    }
    if (_mm512_cmpge_epi32_mask(most, _mm512_set1_epi32(0x7f800000)))
        return MET_SPECIAL;
    __m512 bound = _mm512_add_ps(b->largest, _mm512_set1_ps(0.25f));
    return rule == RULE_GROUP && _mm512_cmp_ps_mask(reach, bound, _CMP_GT_OQ) ? MET_BEYOND : MET_WITHIN;
}

static ALWAYS_INLINE void find_codes(const struct blocks *b, const enum source source, const void *x, size_t from,
                                     const enum lane_kind kind, const size_t size, const float *inverse, uint8_t *out,
                                     const bool within, const bool stream)
{
    for (size_t i = 0; i < SEGMENT; i += GROUP, out += lane_group_bytes(kind)) {
        __m512i code[4];
        UNROLL_16
        for (size_t k = 0; k < 4; k++) {
            __m512 by = _mm512_set1_ps(inverse[(i + 16 * k) / size]), magnitudes;
            __m512 y = _mm512_mul_ps(lane_load(source, x, from + i + 16 * k), by);
            code[k] = lane_code(kind, &b->f, y, &magnitudes, within);
        }
        lane_put(kind, out, code, stream);
    }
}

static ALWAYS_INLINE struct blocks open_blocks(const struct encode_job *job, const enum lane_kind kind)
{
    const struct format *f = job->format;
    struct blocks b = {.job = job, .f = lane_format_of(f, kind), .largest = _mm512_set1_ps(f->largest),
                       .e4m3 = lane_format_of(format_find("e4m3"), LANE_FLOAT8), .emax = _mm512_set1_epi32(f->emax)};
    b.unit = _mm512_set1_ps(1 / (f->largest * job->tensor) * b.e4m3.fold);
    b.tensor = _mm512_set1_ps(job->tensor / b.e4m3.fold);
    return b;
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* The bits of the largest magnitude of n values. */
static ALWAYS_INLINE uint32_t row_amax(const struct encode_job *job, const enum source source, size_t from, size_t n)
{
    __m512i most[4];
    uint32_t tail = 0;
    size_t i = 0;
    UNROLL_16
    for (int k = 0; k < 4; k++)
        most[k] = _mm512_setzero_si512();
    for (; i + GROUP <= n; i += GROUP) {
        if (job->far)
            lane_ahead(source, job->x, from + i);
        UNROLL_16
        for (size_t k = 0; k < 4; k++)
            most[k] = _mm512_max_epi32(most[k], magnitude(source, job->x, from + i + 16 * k));
    }
    for (; i < n; i++) {
        float x = fabsf(encode_value(job, from + i));
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        tail = bits > tail ? bits : tail;
    }
    most[0] = _mm512_max_epi32(_mm512_max_epi32(most[0], most[1]), _mm512_max_epi32(most[2], most[3]));
    uint32_t bits = (uint32_t)_mm512_reduce_max_epi32(most[0]);
    return bits > tail ? bits : tail;
}

static ALWAYS_INLINE void put_row(const struct encode_job *job, const struct lane_format *f, const enum source source,
                                  size_t from, float inverse, uint8_t *out, const enum lane_kind kind,
                                  const bool stream)
{
    __m512 by = _mm512_set1_ps(inverse * f->fold), size;
    size_t i = 0;
    for (; i + GROUP <= job->cols; i += GROUP) {
        __m512i code[4];
        UNROLL_16
        for (size_t k = 0; k < 4; k++)
            code[k] = lane_code(kind, f, _mm512_mul_ps(lane_load(source, job->x, from + i + 16 * k), by), &size, true);
        lane_put(kind, out + i, code, stream);
    }
    for (; i < job->cols; i++)
        out[i] = (uint8_t)format_encode(job->format, encode_value(job, from + i) * inverse, (struct cast){0});
}

#include "kernels/blocks_lanes.h"

QUANTIZERS(avx512)

#else
typedef int no_blocks_avx512;   /* a translation unit may not be empty */
#endif
