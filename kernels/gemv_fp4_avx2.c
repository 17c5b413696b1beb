/* gemv_fp4_avx2.c: y = W x for MXFP4 and NVFP4 with AVX2.
 * The plan of gemv_fp4_avx512.c in halves: lanes 0 to 7 of a run, then lanes 8 to 15.
 * Byte products go through vpmaddubsw, whose 16-bit sums saturate: each use says why they cannot here. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

enum { FP4_AHEAD = 8192 };      /* bytes to prefetch ahead, into the second cache */

static ALWAYS_INLINE __m256i load32(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

static ALWAYS_INLINE float add_lanes(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

/* Eight scales, as load_scales in gemv_fp4_avx512.c explains. */
static ALWAYS_INLINE __m256 load_scales(const uint8_t *at, const int block)
{
    __m128i codes = _mm_loadl_epi64((const __m128i *)(const void *)at);
    if (block == 16)
        return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(codes), 7));
    __m256i bits = _mm256_slli_epi32(_mm256_cvtepu8_epi32(codes), 23);
    return _mm256_castsi256_ps(_mm256_max_epu32(bits, _mm256_set1_epi32(0x00400000)));
}

static ALWAYS_INLINE float factor(const struct matrix *w, const int block)
{
    return (block == 16 ? 0.5f * 256 : 0.5f) * w->tensor_scale;
}

/* ---- INT8 activations ------------------------------------------------------------------------------ */

/* Doubled levels plus 12: 0 to 24. */
static ALWAYS_INLINE __m256i levels(__m256i codes)
{
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    return _mm256_shuffle_epi8(table, codes);
}

/* Eight blocks, from half `half` (0 or 1) of a run; block is a constant. A pair is at most 2 * 24 * 127 = 6,096, and
 * four of them 24,384: two lines stay in 16 bits, then go to 32. */
static ALWAYS_INLINE __m256i dot_half(const uint8_t *codes, const int8_t *x, const int block, size_t half)
{
    const __m256i low_half = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    codes += 32 * half;
    x += 32 * half;
    UNROLL_16 for (int pair = 0; pair < block / 16; pair++) {
        __m256i words = _mm256_setzero_si256();
        UNROLL_16 for (int line = 0; line < 2; line++, codes += 64, x += 128) {
            __m256i bytes = load32(codes);
            __m256i low = levels(_mm256_and_si256(bytes, low_half));
            __m256i high = levels(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_half));
            words = _mm256_add_epi16(words, _mm256_maddubs_epi16(low, load32(x)));
            words = _mm256_add_epi16(words, _mm256_maddubs_epi16(high, load32(x + 64)));
        }
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(words, ones));
    }
    return sum;
}

static ALWAYS_INLINE float codes_token(const struct matrix *w, size_t row, const struct operand *x, size_t b,
                                       const int block)
{
    const uint8_t *codes = w->codes + row * w->stride, *scales = w->block_scale + row * w->groups;
    const int8_t *token = x->codes + b * x->padded;
    const int32_t *correction = x->correction + b * x->groups;
    __m256 total = _mm256_setzero_ps();
    for (size_t g = 0; g < w->groups; g += 16, codes += 8 * block, token += 16 * block) {
        UNROLL_16 for (int line = 0; line < block / 8; line++)
            _mm_prefetch((const char *)codes + FP4_AHEAD + 64 * line, _MM_HINT_T1);
        UNROLL_16 for (size_t half = 0; half < 2; half++) {
            size_t at = g + 8 * half;
            __m256i dot = _mm256_add_epi32(dot_half(codes, token, block, half), load32(correction + at));
            total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), load_scales(scales + at, block), total);
        }
    }
    return add_lanes(total);
}

/* ---- FP32 operands --------------------------------------------------------------------------------- */

/* The doubled level of the code at bit `shift` of each lane: its lower three bits from a table, its sign moved up. */
static ALWAYS_INLINE __m256 level_values(__m256i lanes, const int shift)
{
    const __m256 table = _mm256_setr_ps(0, 1, 2, 3, 4, 6, 8, 12);
    __m256 magnitude = _mm256_permutevar8x32_ps(table, _mm256_srli_epi32(lanes, shift));
    __m256i sign = _mm256_and_si256(_mm256_slli_epi32(lanes, 28 - shift), _mm256_set1_epi32(INT32_MIN));
    return _mm256_or_ps(magnitude, _mm256_castsi256_ps(sign));
}

static ALWAYS_INLINE float values_token(const struct matrix *w, size_t row, const struct operand *x, size_t b,
                                        const int block)
{
    const uint8_t *codes = w->codes + row * w->stride, *scales = w->block_scale + row * w->groups;
    const float *token = x->x + b * x->padded;
    __m256 total = _mm256_setzero_ps();
    for (size_t g = 0; g < w->groups; g += 16, codes += 8 * block, token += 16 * block) {
        UNROLL_16 for (size_t half = 0; half < 2; half++) {
            __m256 even = _mm256_setzero_ps(), odd = even;
            for (int line = 0; line < block / 8; line++) {
                __m256i lanes = load32(codes + 64 * line + 32 * half);
                const float *at = token + 128 * line + 8 * half;
                UNROLL_16 for (int k = 0; k < 4; k++) {
                    even = _mm256_fmadd_ps(level_values(lanes, 8 * k), _mm256_loadu_ps(at + 16 * k), even);
                    odd = _mm256_fmadd_ps(level_values(lanes, 8 * k + 4), _mm256_loadu_ps(at + 64 + 16 * k), odd);
                }
            }
            total = _mm256_fmadd_ps(_mm256_add_ps(even, odd), load_scales(scales + g + 8 * half, block), total);
        }
    }
    return add_lanes(total);
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

typedef float token_fn(const struct matrix *w, size_t row, const struct operand *x, size_t b, const int block);

static ALWAYS_INLINE void product(token_fn *dot, const struct matrix *w, const struct operand *x, float *y,
                                  size_t first, size_t last, const int block)
{
    for (size_t r = first; r < last; r++)
        for (size_t b = 0; b < x->batch; b++)
            y[b * w->rows + r] = dot(w, r, x, b, block) * factor(w, block) * x->scale[b];
}

void gemv_mxfp4__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(codes_token, w, x, y, first, last, 32);
}

void gemv_nvfp4__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(codes_token, w, x, y, first, last, 16);
}

void gemv_mxfp4_values__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(values_token, w, x, y, first, last, 32);
}

void gemv_nvfp4_values__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(values_token, w, x, y, first, last, 16);
}

#else
typedef int no_fp4_avx2;        /* a translation unit may not be empty */
#endif
