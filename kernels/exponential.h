/* exponential.h: e^x in FP32, the same bits on every instruction set: only rounding-to-nearest mul, add and sub.
 * For x in [-87, 88] the relative error is below 2^-22 (2.4e-7): 2^-23.5 at worst over every float of that range from
 * 2^-31 in magnitude up and a sample of the smaller ones; below -87 and for NaN the result is 0, which is off by less
 * than 1.7e-38. Above 88 it is undefined.
 * x = n ln 2 + r, |r| <= 0.3466; e^r by a polynomial; 2^n by adding n to the exponent. */
#ifndef KERNELS_EXPONENTIAL_H
#define KERNELS_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

/* Adding it leaves no bits for a fraction: the sum's lowest bits are x rounded to an integer, to nearest even. */
#define EXP_MAGIC 0x1.8p23f
#define EXP_LOWEST (-87.0f)             /* e^-87 is 1.6e-38, still a normal number */
#define EXP_LOG2E 0x1.715476p+0f
/* ln 2 in two parts. The first has 15 bits, so that n times it is exact; the second is what is missing. */
#define EXP_LN2_HIGH 0x1.62e4p-1f
#define EXP_LN2_LOW 0x1.7f7d1cp-20f
/* e^r = 1 + r + r^2 (C0 + C1 r + ... + C4 r^4), relative error below 2^-28 for |r| <= 0.34658: by Remez' exchange, then
 * rounded to FP32. */
#define EXP_C0 0x1.fffffcp-2f
#define EXP_C1 0x1.555492p-3f
#define EXP_C2 0x1.5558f2p-5f
#define EXP_C3 0x1.1239d6p-7f
#define EXP_C4 0x1.6a2448p-10f

/* One value. */
static inline float exponential(float x)
{
    if (!(x >= EXP_LOWEST))
        return 0;
    float shifted = x * EXP_LOG2E + EXP_MAGIC, whole = shifted - EXP_MAGIC;
    float r = (x - whole * EXP_LN2_HIGH) - whole * EXP_LN2_LOW;
    float tail = EXP_C0 + r * (EXP_C1 + r * (EXP_C2 + r * (EXP_C3 + r * EXP_C4)));
    float value = 1 + (r + r * r * tail);
    uint32_t bits, n;
    memcpy(&bits, &value, sizeof bits);
    memcpy(&n, &shifted, sizeof n);
    bits += n << 23;                    /* what is above n in the magic sum leaves at the top */
    memcpy(&value, &bits, sizeof value);
    return value;
}

#if defined(__AVX2__)
#include <immintrin.h>

/* Eight values. */
static inline __m256 exponential__avx2(__m256 x)
{
    const __m256 magic = _mm256_set1_ps(EXP_MAGIC);
    __m256 shifted = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(EXP_LOG2E)), magic);
    __m256 whole = _mm256_sub_ps(shifted, magic);
    __m256 r = _mm256_sub_ps(_mm256_sub_ps(x, _mm256_mul_ps(whole, _mm256_set1_ps(EXP_LN2_HIGH))),
                             _mm256_mul_ps(whole, _mm256_set1_ps(EXP_LN2_LOW)));
    __m256 tail = _mm256_add_ps(_mm256_set1_ps(EXP_C3), _mm256_mul_ps(r, _mm256_set1_ps(EXP_C4)));
    tail = _mm256_add_ps(_mm256_set1_ps(EXP_C2), _mm256_mul_ps(r, tail));
    tail = _mm256_add_ps(_mm256_set1_ps(EXP_C1), _mm256_mul_ps(r, tail));
    tail = _mm256_add_ps(_mm256_set1_ps(EXP_C0), _mm256_mul_ps(r, tail));
    tail = _mm256_add_ps(r, _mm256_mul_ps(_mm256_mul_ps(r, r), tail));
    __m256i value = _mm256_castps_si256(_mm256_add_ps(_mm256_set1_ps(1), tail));
    value = _mm256_add_epi32(value, _mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
    return _mm256_and_ps(_mm256_castsi256_ps(value), _mm256_cmp_ps(x, _mm256_set1_ps(EXP_LOWEST), _CMP_GE_OQ));
}
#endif

#if defined(__AVX512F__)

/* Sixteen values. */
static inline __m512 exponential__avx512(__m512 x)
{
    const __m512 magic = _mm512_set1_ps(EXP_MAGIC);
    __m512 shifted = _mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(EXP_LOG2E)), magic);
    __m512 whole = _mm512_sub_ps(shifted, magic);
    __m512 r = _mm512_sub_ps(_mm512_sub_ps(x, _mm512_mul_ps(whole, _mm512_set1_ps(EXP_LN2_HIGH))),
                             _mm512_mul_ps(whole, _mm512_set1_ps(EXP_LN2_LOW)));
    __m512 tail = _mm512_add_ps(_mm512_set1_ps(EXP_C3), _mm512_mul_ps(r, _mm512_set1_ps(EXP_C4)));
    tail = _mm512_add_ps(_mm512_set1_ps(EXP_C2), _mm512_mul_ps(r, tail));
    tail = _mm512_add_ps(_mm512_set1_ps(EXP_C1), _mm512_mul_ps(r, tail));
    tail = _mm512_add_ps(_mm512_set1_ps(EXP_C0), _mm512_mul_ps(r, tail));
    tail = _mm512_add_ps(r, _mm512_mul_ps(_mm512_mul_ps(r, r), tail));
    __m512i value = _mm512_castps_si512(_mm512_add_ps(_mm512_set1_ps(1), tail));
    value = _mm512_add_epi32(value, _mm512_slli_epi32(_mm512_castps_si512(shifted), 23));
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(EXP_LOWEST), _CMP_GE_OQ),
                               _mm512_castsi512_ps(value));
}
#endif

#if defined(__ARM_NEON)
#include <arm_neon.h>

/* Four values. vmulq and vaddq, never vmlaq, which may be fused. */
static inline float32x4_t exponential__neon(float32x4_t x)
{
    const float32x4_t magic = vdupq_n_f32(EXP_MAGIC);
    float32x4_t shifted = vaddq_f32(vmulq_n_f32(x, EXP_LOG2E), magic);
    float32x4_t whole = vsubq_f32(shifted, magic);
    float32x4_t r = vsubq_f32(vsubq_f32(x, vmulq_n_f32(whole, EXP_LN2_HIGH)), vmulq_n_f32(whole, EXP_LN2_LOW));
    float32x4_t tail = vaddq_f32(vdupq_n_f32(EXP_C3), vmulq_n_f32(r, EXP_C4));
    tail = vaddq_f32(vdupq_n_f32(EXP_C2), vmulq_f32(r, tail));
    tail = vaddq_f32(vdupq_n_f32(EXP_C1), vmulq_f32(r, tail));
    tail = vaddq_f32(vdupq_n_f32(EXP_C0), vmulq_f32(r, tail));
    tail = vaddq_f32(r, vmulq_f32(vmulq_f32(r, r), tail));
    uint32x4_t value = vreinterpretq_u32_f32(vaddq_f32(vdupq_n_f32(1), tail));
    value = vaddq_u32(value, vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23));
    return vreinterpretq_f32_u32(vandq_u32(value, vcgeq_f32(x, vdupq_n_f32(EXP_LOWEST))));
}
#endif

#endif
