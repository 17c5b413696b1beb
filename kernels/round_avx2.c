/* round_avx2.c: values to codes and back, eight at a time, for every format of at most 16 bits.
 * The same plan and the same bits as round_avx512.c, which explains the steps; masks are whole lanes here.
 * Nearest even, saturating. */
#include <math.h>

#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

/* What a run adds up (each lane of a count goes down by one an element), and the scale. */
struct lanes {
    const struct format *f;
    __m256    scale, inverse;
    __m256i   zeros, nonfinite, clipped;
};

static ALWAYS_INLINE __m256i set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static ALWAYS_INLINE __m256i choose(__m256i mask, __m256i yes, __m256i no)
{
    return _mm256_blendv_epi8(no, yes, mask);
}

static ALWAYS_INLINE __m256 decode_float(const struct format *f, __m256i magnitude)
{
    __m128i shift = _mm_cvtsi32_si128(23 - f->lane[2]);
    __m256i normal = _mm256_add_epi32(_mm256_sll_epi32(magnitude, shift), set1((127 - f->bias) << 23));
    __m256 subnormal = _mm256_mul_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(f->smallest));
    __m256i is_subnormal = _mm256_cmpgt_epi32(set1(1 << f->lane[2]), magnitude);
    return _mm256_castsi256_ps(choose(is_subnormal, _mm256_castps_si256(subnormal), normal));
}

static ALWAYS_INLINE __m256i encode_float(struct lanes *l, __m256 y, __m256 *value)
{
    const struct format *f = l->f;
    const __m256i zero = _mm256_setzero_si256();
    __m256i bits = _mm256_castps_si256(y), magnitude = _mm256_and_si256(bits, set1(0x7fffffff));
    __m256i nan = _mm256_cmpgt_epi32(magnitude, set1(0x7f800000));
    __m256i exponent = _mm256_srli_epi32(magnitude, 23), fraction = _mm256_and_si256(magnitude, set1(0x7fffff));
    __m256i hidden = _mm256_and_si256(_mm256_cmpgt_epi32(exponent, zero), set1(0x800000));
    __m256i significand = _mm256_or_si256(fraction, hidden);
    __m256i target = _mm256_add_epi32(_mm256_max_epi32(exponent, set1(1)), set1(f->bias - 127));

    __m256i below = _mm256_max_epi32(_mm256_sub_epi32(set1(1), target), zero);
    __m256i shift = _mm256_min_epi32(_mm256_add_epi32(below, set1(23 - f->lane[2])), set1(25));
    __m256i base = _mm256_sll_epi32(_mm256_max_epi32(_mm256_sub_epi32(target, set1(1)), zero),
                                    _mm_cvtsi32_si128(f->lane[2]));
    __m256i odd = _mm256_and_si256(_mm256_srlv_epi32(significand, shift), set1(1));
    __m256i half = _mm256_sllv_epi32(set1(1), _mm256_sub_epi32(shift, set1(1)));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(significand, _mm256_sub_epi32(half, set1(1))), odd);
    __m256i code = _mm256_add_epi32(base, _mm256_srlv_epi32(sum, shift));

    __m256i over = _mm256_andnot_si256(nan, _mm256_cmpgt_epi32(code, set1(f->code_max)));
    l->clipped = _mm256_add_epi32(l->clipped, over);
    code = _mm256_min_epi32(code, set1(f->code_max));
    __m256i sign = _mm256_and_si256(bits, set1(INT32_MIN));
    __m256i decoded = _mm256_or_si256(_mm256_castps_si256(decode_float(f, code)), sign);
    __m256 nan_value = _mm256_set1_ps(f->specials == SPECIALS_NONE ? 0 : NAN);
    *value = _mm256_castsi256_ps(choose(nan, _mm256_castps_si256(nan_value), decoded));
    code = _mm256_or_si256(code, _mm256_srl_epi32(sign, _mm_cvtsi32_si128(32 - f->bits)));
    return choose(nan, set1((int32_t)f->nan), code);
}

static ALWAYS_INLINE __m256i encode_integer(struct lanes *l, __m256 y, __m256 *value)
{
    const struct format *f = l->f;
    __m256 limit = _mm256_set1_ps(f->largest);
    __m256 number = _mm256_and_ps(y, _mm256_cmp_ps(y, y, _CMP_ORD_Q));
    __m256 rounded = _mm256_round_ps(number, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), rounded);
    l->clipped = _mm256_add_epi32(l->clipped, _mm256_castps_si256(_mm256_cmp_ps(size, limit, _CMP_GT_OQ)));
    rounded = _mm256_max_ps(_mm256_min_ps(rounded, limit), _mm256_sub_ps(_mm256_setzero_ps(), limit));
    __m256i code = _mm256_cvtps_epi32(rounded);
    *value = _mm256_cvtepi32_ps(code);
    return _mm256_and_si256(code, set1((1 << f->bits) - 1));
}

/* Eight 32-bit codes to the lower 16 bits of each, in order. */
static ALWAYS_INLINE __m128i narrow16(__m256i code)
{
    return _mm_packus_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
}

static ALWAYS_INLINE void encode8(struct lanes *l, const struct round_run *run, size_t i, const int integer,
                                  const int wide)
{
    __m256 x = _mm256_loadu_ps(run->x + i), y = _mm256_mul_ps(x, l->inverse), value;
    __m128i code = narrow16(integer ? encode_integer(l, y, &value) : encode_float(l, y, &value));
    value = _mm256_mul_ps(value, l->scale);
    _mm256_storeu_ps(run->values + i, value);
    if (wide)
        _mm_storeu_si128((__m128i *)(void *)((uint16_t *)run->codes + i), code);
    else
        _mm_storel_epi64((__m128i *)(void *)((uint8_t *)run->codes + i), _mm_packus_epi16(code, code));
    __m256i magnitude = _mm256_and_si256(_mm256_castps_si256(x), set1(0x7fffffff));
    l->nonfinite = _mm256_add_epi32(l->nonfinite, _mm256_cmpgt_epi32(magnitude, set1(0x7f7fffff)));
    __m256 is_zero = _mm256_cmp_ps(value, _mm256_setzero_ps(), _CMP_EQ_OQ);
    l->zeros = _mm256_add_epi32(l->zeros, _mm256_castps_si256(is_zero));
}

/* Lanes that went down by one an element, as a count. */
static size_t counted(__m256i lanes)
{
    int32_t lane[8];
    size_t count = 0;
    _mm256_storeu_si256((__m256i *)(void *)lane, lanes);
    for (int i = 0; i < 8; i++)
        count += (size_t)-(int64_t)lane[i];
    return count;
}

static ALWAYS_INLINE void encode_whole(struct round_run *run, size_t first, size_t last, const int integer,
                                       const int wide)
{
    struct lanes l = {.f = run->format, .scale = _mm256_set1_ps(run->scale),
                      .inverse = _mm256_set1_ps(run->inverse)};
    l.zeros = l.nonfinite = l.clipped = _mm256_setzero_si256();
    for (size_t i = first; i < last; i += 8)
        encode8(&l, run, i, integer, wide);
    run->zeros += counted(l.zeros);
    run->nonfinite += counted(l.nonfinite);
    run->clipped += counted(l.clipped);
}

void round__avx2(struct round_run *run)
{
    const size_t part = (size_t)1 << 30;        /* so that no lane's count overflows */
    size_t n = run->n / 8 * 8, bytes = format_code_bytes(run->format);
    for (size_t i = 0, end; i < n; i = end) {
        end = n - i < part ? n : i + part;
        if (run->format->kind == FORMAT_INTEGER)
            encode_whole(run, i, end, 1, 0);
        else if (bytes == 1)
            encode_whole(run, i, end, 0, 0);
        else
            encode_whole(run, i, end, 0, 1);
    }
    round_rest(run, n);
}

#else
typedef int no_round_avx2;     /* a translation unit may not be empty */
#endif
