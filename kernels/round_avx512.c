/* round_avx512.c: values to codes and back, sixteen at a time, for every format of at most 16 bits.
 * The same integer arithmetic as float_round in format.c, lane by lane, so the same bits; nearest even, saturating.
 * One body serves all floats: what differs comes from the format's row as shift counts and limits. */
#include <math.h>

#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

/* What a run adds up, and the scale. */
struct lanes {
    const struct format *f;
    __m512    scale, inverse;
    size_t    zeros, nonfinite, clipped;
};

static ALWAYS_INLINE __m512i set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}

/* Codes of magnitudes to values. Normal: move the mantissa below FP32's exponent and correct the bias. Subnormal:
 * the code itself counts the smallest values. */
static ALWAYS_INLINE __m512 decode_float(const struct format *f, __m512i magnitude)
{
    __m128i shift = _mm_cvtsi32_si128(23 - f->lane[2]);
    __m512i normal = _mm512_add_epi32(_mm512_sll_epi32(magnitude, shift), set1((127 - f->bias) << 23));
    __m512 subnormal = _mm512_mul_ps(_mm512_cvtepi32_ps(magnitude), _mm512_set1_ps(f->smallest));
    __mmask16 is_subnormal = _mm512_cmplt_epi32_mask(magnitude, set1(1 << f->lane[2]));
    return _mm512_mask_blend_ps(is_subnormal, _mm512_castsi512_ps(normal), subnormal);
}

/* Codes of y, and in *value what they stand for. Lanes follow float_round, which says why. */
static ALWAYS_INLINE __m512i encode_float(struct lanes *l, __m512 y, __m512 *value)
{
    const struct format *f = l->f;
    __m512i bits = _mm512_castps_si512(y), magnitude = _mm512_and_si512(bits, set1(0x7fffffff));
    __mmask16 nan = _mm512_cmpgt_epi32_mask(magnitude, set1(0x7f800000));
    __m512i exponent = _mm512_srli_epi32(magnitude, 23), fraction = _mm512_and_si512(magnitude, set1(0x7fffff));
    __mmask16 hidden = _mm512_test_epi32_mask(exponent, exponent);
    __m512i significand = _mm512_mask_or_epi32(fraction, hidden, fraction, set1(0x800000));
    __m512i target = _mm512_add_epi32(_mm512_max_epi32(exponent, set1(1)), set1(f->bias - 127));

    /* A subnormal shifts by one more for each step of the exponent; by 25 nothing is left but a zero. */
    __m512i below = _mm512_max_epi32(_mm512_sub_epi32(set1(1), target), _mm512_setzero_si512());
    __m512i shift = _mm512_min_epi32(_mm512_add_epi32(below, set1(23 - f->lane[2])), set1(25));
    __m512i base = _mm512_sll_epi32(_mm512_max_epi32(_mm512_sub_epi32(target, set1(1)), _mm512_setzero_si512()),
                                    _mm_cvtsi32_si128(f->lane[2]));
    /* Nearest even: add just under half, and the bit that decides a tie. */
    __m512i odd = _mm512_and_si512(_mm512_srlv_epi32(significand, shift), set1(1));
    __m512i half = _mm512_sllv_epi32(set1(1), _mm512_sub_epi32(shift, set1(1)));
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(significand, _mm512_sub_epi32(half, set1(1))), odd);
    __m512i code = _mm512_add_epi32(base, _mm512_srlv_epi32(sum, shift));

    __mmask16 over = _mm512_mask_cmpgt_epi32_mask((__mmask16)~nan, code, set1(f->code_max));
    l->clipped += (size_t)_mm_popcnt_u32(over);
    code = _mm512_min_epi32(code, set1(f->code_max));
    __m512i sign = _mm512_and_si512(bits, set1(INT32_MIN));
    *value = _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(decode_float(f, code)), sign));
    *value = _mm512_mask_blend_ps(nan, *value, _mm512_set1_ps(f->specials == SPECIALS_NONE ? 0 : NAN));
    code = _mm512_or_si512(code, _mm512_srl_epi32(sign, _mm_cvtsi32_si128(32 - f->bits)));
    return _mm512_mask_blend_epi32(nan, code, set1((int32_t)f->nan));
}

static ALWAYS_INLINE __m512i encode_integer(struct lanes *l, __m512 y, __m512 *value)
{
    const struct format *f = l->f;
    __m512 limit = _mm512_set1_ps(f->largest);
    __mmask16 number = _mm512_cmp_ps_mask(y, y, _CMP_ORD_Q);
    __m512 rounded = _mm512_maskz_roundscale_ps(number, y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __mmask16 over = _mm512_cmp_ps_mask(_mm512_abs_ps(rounded), limit, _CMP_GT_OQ);
    l->clipped += (size_t)_mm_popcnt_u32(over);
    rounded = _mm512_max_ps(_mm512_min_ps(rounded, limit), _mm512_sub_ps(_mm512_setzero_ps(), limit));
    __m512i code = _mm512_cvtps_epi32(rounded);
    *value = _mm512_cvtepi32_ps(code);
    return _mm512_and_si512(code, set1((1 << f->bits) - 1));
}

/* Sixteen values; `integer` and `wide` (16-bit codes) are constants. */
static ALWAYS_INLINE void encode16(struct lanes *l, const struct round_run *run, size_t i, const int integer,
                                   const int wide)
{
    __m512 x = _mm512_loadu_ps(run->x + i), y = _mm512_mul_ps(x, l->inverse), value;
    __m512i code = integer ? encode_integer(l, y, &value) : encode_float(l, y, &value);
    value = _mm512_mul_ps(value, l->scale);
    _mm512_storeu_ps(run->values + i, value);
    if (wide)
        _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)run->codes + i), _mm512_cvtepi32_epi16(code));
    else
        _mm_storeu_si128((__m128i *)(void *)((uint8_t *)run->codes + i), _mm512_cvtepi32_epi8(code));
    __m512i magnitude = _mm512_and_si512(_mm512_castps_si512(x), set1(0x7fffffff));
    l->nonfinite += (size_t)_mm_popcnt_u32(_mm512_cmpge_epi32_mask(magnitude, set1(0x7f800000)));
    l->zeros += (size_t)_mm_popcnt_u32(_mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_EQ_OQ));
}

static ALWAYS_INLINE void encode_whole(struct round_run *run, size_t n, const int integer, const int wide)
{
    struct lanes l = {.f = run->format, .scale = _mm512_set1_ps(run->scale),
                      .inverse = _mm512_set1_ps(run->inverse)};
    for (size_t i = 0; i < n; i += 16)
        encode16(&l, run, i, integer, wide);
    run->zeros += l.zeros;
    run->nonfinite += l.nonfinite;
    run->clipped += l.clipped;
}

void round__avx512(struct round_run *run)
{
    size_t n = run->n / 16 * 16, bytes = format_code_bytes(run->format);
    if (run->format->kind == FORMAT_INTEGER)
        encode_whole(run, n, 1, 0);
    else if (bytes == 1)
        encode_whole(run, n, 0, 0);
    else
        encode_whole(run, n, 0, 1);
    round_rest(run, n);
}

#else
typedef int no_round_avx512;   /* a translation unit may not be empty */
#endif
