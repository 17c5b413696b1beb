/* gemv_fp4_avx512.c: y = W x for MXFP4 and NVFP4 with AVX-512 and VNNI.
 * A lane is a block (operand.h), so 16 blocks meet their 16 scales in one multiply-add and no lane is summed before the
 * row ends. Codes become doubled levels by a table in a register. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

enum { FP4_AHEAD = 8192 };      /* bytes to prefetch ahead, into the second cache: by trying, as in gemv_avx512.c */

/* ---- Scales ---------------------------------------------------------------------------------------- */

/* 16 scales. E8M0 is FP32's exponent; its code 0 is 2^-127, a subnormal. E4M3 without sign becomes FP16 bits, too small
 * by 2^8 (its bias is 7, FP16's 15): NVFP4_FACTOR makes up for it. */
static ALWAYS_INLINE __m512 load_scales(const uint8_t *at, const int block)
{
    __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)at);
    if (block == 16)
        return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(codes), 7));
    __m512i bits = _mm512_slli_epi32(_mm512_cvtepu8_epi32(codes), 23);
    return _mm512_castsi512_ps(_mm512_max_epu32(bits, _mm512_set1_epi32(0x00400000)));
}

/* Levels are doubled, and E4M3 scales 2^8 too small. */
static ALWAYS_INLINE float factor(const struct matrix *w, const int block)
{
    return (block == 16 ? 0.5f * 256 : 0.5f) * w->tensor_scale;
}

/* ---- INT8 activations ------------------------------------------------------------------------------ */

/* Doubled levels plus 12, so that vpdpbusd takes them as unsigned: 0 to 24. The correction takes 12 times x off. */
static ALWAYS_INLINE __m512i levels(__m512i codes)
{
    const __m512i table = _mm512_broadcast_i32x4(
        _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    return _mm512_shuffle_epi8(table, codes);
}

/* Sums of one row times 1 or 4 tokens (tokens and block are constants). */
static ALWAYS_INLINE void codes_tokens(const struct matrix *w, size_t row, const struct operand *x, size_t b,
                                       const int block, const int tokens, float *sums)
{
    const __m512i low_half = _mm512_set1_epi8(15);
    const uint8_t *codes = w->codes + row * w->stride, *scales = w->block_scale + row * w->groups;
    const int8_t *token = x->codes + b * x->padded;
    const int32_t *correction = x->correction + b * x->groups;
    __m512 total[4];
    UNROLL_16 for (int t = 0; t < tokens; t++)
        total[t] = _mm512_setzero_ps();
    for (size_t g = 0; g < w->groups; g += 16) {
        __m512i dot[4];
        __m512 scale = load_scales(scales + g, block);
        UNROLL_16 for (int t = 0; t < tokens; t++)
            dot[t] = _mm512_loadu_si512(correction + (size_t)t * x->groups + g);
        for (int line = 0; line < block / 8; line++, codes += 64, token += 128) {
            __m512i bytes = _mm512_loadu_si512(codes);
            _mm_prefetch((const char *)codes + FP4_AHEAD, _MM_HINT_T1);
            __m512i low = levels(_mm512_and_si512(bytes, low_half));
            __m512i high = levels(_mm512_and_si512(_mm512_srli_epi16(bytes, 4), low_half));
            UNROLL_16 for (int t = 0; t < tokens; t++) {
                const int8_t *at = token + (size_t)t * x->padded;
                dot[t] = _mm512_dpbusd_epi32(dot[t], low, _mm512_loadu_si512(at));
                dot[t] = _mm512_dpbusd_epi32(dot[t], high, _mm512_loadu_si512(at + 64));
            }
        }
        UNROLL_16 for (int t = 0; t < tokens; t++)
            total[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[t]), scale, total[t]);
    }
    UNROLL_16 for (int t = 0; t < tokens; t++)
        sums[t] = _mm512_reduce_add_ps(total[t]);
}

/* ---- FP32 operands --------------------------------------------------------------------------------- */

/* The doubled level of the code in the low four bits of each lane. */
static ALWAYS_INLINE __m512 level_values(__m512i lanes)
{
    const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 6, 8, 12, -0.0f, -1, -2, -3, -4, -6, -8, -12);
    return _mm512_permutexvar_ps(lanes, table);
}

static ALWAYS_INLINE void values_tokens(const struct matrix *w, size_t row, const struct operand *x, size_t b,
                                        const int block, const int tokens, float *sums)
{
    const uint8_t *codes = w->codes + row * w->stride, *scales = w->block_scale + row * w->groups;
    const float *token = x->x + b * x->padded;
    __m512 total[4];
    UNROLL_16 for (int t = 0; t < tokens; t++)
        total[t] = _mm512_setzero_ps();
    for (size_t g = 0; g < w->groups; g += 16) {
        __m512 even[4], odd[4], scale = load_scales(scales + g, block);
        UNROLL_16 for (int t = 0; t < tokens; t++)
            even[t] = odd[t] = _mm512_setzero_ps();
        for (int line = 0; line < block / 8; line++, codes += 64, token += 128) {
            __m512i bytes = _mm512_loadu_si512(codes);
            _mm_prefetch((const char *)codes + FP4_AHEAD, _MM_HINT_T1);
            UNROLL_16 for (int k = 0; k < 4; k++) {
                __m512 low = level_values(_mm512_srli_epi32(bytes, (unsigned)(8 * k)));
                __m512 high = level_values(_mm512_srli_epi32(bytes, (unsigned)(8 * k + 4)));
                UNROLL_16 for (int t = 0; t < tokens; t++) {
                    const float *at = token + (size_t)t * x->padded + 16 * k;
                    even[t] = _mm512_fmadd_ps(low, _mm512_loadu_ps(at), even[t]);
                    odd[t] = _mm512_fmadd_ps(high, _mm512_loadu_ps(at + 64), odd[t]);
                }
            }
        }
        UNROLL_16 for (int t = 0; t < tokens; t++)
            total[t] = _mm512_fmadd_ps(_mm512_add_ps(even[t], odd[t]), scale, total[t]);
    }
    UNROLL_16 for (int t = 0; t < tokens; t++)
        sums[t] = _mm512_reduce_add_ps(total[t]);
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE void row_tokens(const struct matrix *w, size_t row, const struct operand *x, size_t b,
                                     const int block, const bool codes, const int tokens, float *sums)
{
    if (codes)
        codes_tokens(w, row, x, b, block, tokens, sums);
    else
        values_tokens(w, row, x, b, block, tokens, sums);
}

/* codes: x is INT8, else FP32; block and codes are constants. */
static ALWAYS_INLINE void product(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last,
                                  const int block, const bool codes)
{
    for (size_t r = first; r < last; r++) {
        for (size_t b = 0, step; b < x->batch; b += step) {
            float sums[4];
            step = x->batch - b >= 4 ? 4 : 1;
            if (step == 4)
                row_tokens(w, r, x, b, block, codes, 4, sums);
            else
                row_tokens(w, r, x, b, block, codes, 1, sums);
            for (size_t i = 0; i < step; i++)
                y[(b + i) * w->rows + r] = sums[i] * factor(w, block) * x->scale[b + i];
        }
    }
}

void gemv_mxfp4__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(w, x, y, first, last, 32, true);
}

void gemv_nvfp4__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(w, x, y, first, last, 16, true);
}

void gemv_mxfp4_values__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(w, x, y, first, last, 32, false);
}

void gemv_nvfp4_values__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    product(w, x, y, first, last, 16, false);
}

#else
typedef int no_fp4_avx512;      /* a translation unit may not be empty */
#endif
