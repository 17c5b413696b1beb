/* gpu_words.cuh: a 32-bit word of codes to pairs of FP16 or BF16 values, in registers.
 * A word of 8-bit codes gives two pairs: bytes 0 and 2, bytes 1 and 3. A word of 4-bit codes gives four: nibbles r and
 * r + 4. What is stored so that these are neighbors needs no shuffling. Values are exact, up to the power of two that
 * `factor` undoes: moving exponent bits without rebiasing is free, a multiplication is not. NaN is not told apart. */
#ifndef KERNELS_GPU_WORDS_CUH
#define KERNELS_GPU_WORDS_CUH

#include "kernels/gpu_mma.cuh"

enum codes { CODES_16, CODES_INT8, CODES_E4M3, CODES_INT4, CODES_E2M1 };

template <class PAIR, enum codes CODES>
struct words;

/* INT8 in FP16: 1024 + (code ^ 128) has the code in its low mantissa bits. */
template <>
struct words<pair_fp16, CODES_INT8> {
    static constexpr float factor = 1;
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[2])
    {
        v[0] = pair_fp16::sub(mask_xor<0x00ff00ffu, 0x64806480u>(w), 0x64806480u);
        v[1] = pair_fp16::sub(mask_xor<0x00ff00ffu, 0x64806480u>(w >> 8), 0x64806480u);
    }
};

/* INT8 in BF16, whose mantissa has seven bits: 128 + low bits, less 128 or, for negative codes, 256. */
template <>
struct words<pair_bf16, CODES_INT8> {
    static constexpr float factor = 1;
    static __device__ __forceinline__ uint32_t signed_pair(uint32_t w)
    {
        return pair_bf16::sub(mask_or<0x007f007fu, 0x43004300u>(w), mask_or<0x00800080u, 0x43004300u>(w));
    }
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[2])
    {
        v[0] = signed_pair(w);
        v[1] = signed_pair(w >> 8);
    }
};

/* E4M3 in FP16: exponent and mantissa move into place; the bias of 7 read as 15 is a factor of 2^-8. */
template <>
struct words<pair_fp16, CODES_E4M3> {
    static constexpr float factor = 256;
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[2])
    {
        v[0] = mask_join<0x80008000u>(w << 8, (w << 7) & 0x3f803f80u);
        v[1] = mask_join<0x80008000u>(w, (w >> 1) & 0x3f803f80u);
    }
};

/* E4M3 to FP16 with neighbors as pairs: cards from 8.9 on have an instruction for it, exact and free of factors. */
struct neighbors_e4m3 {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
    static constexpr bool direct = true;
    static constexpr float factor = 1;
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[2])
    {
        asm("{.reg .b16 low, high; mov.b32 {low, high}, %2;"
            "cvt.rn.f16x2.e4m3x2 %0, low; cvt.rn.f16x2.e4m3x2 %1, high;}" : "=r"(v[0]), "=r"(v[1]) : "r"(w));
    }
#else
    static constexpr bool direct = false;
    static constexpr float factor = words<pair_fp16, CODES_E4M3>::factor;
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[2])
    {
        uint32_t d[2];
        words<pair_fp16, CODES_E4M3>::decode(w, d);
        v[0] = __byte_perm(d[0], d[1], 0x5410);
        v[1] = __byte_perm(d[0], d[1], 0x7632);
    }
#endif
};

/* E4M3 in BF16: the bias is off by 120, too much to leave in the sums. */
template <>
struct words<pair_bf16, CODES_E4M3> {
    static constexpr float factor = 1;
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[2])
    {
        const uint32_t rebias = 0x7b807b80u;            /* 2^120 twice */
        v[0] = pair_bf16::mul(mask_join<0x80008000u>(w << 8, (w << 4) & 0x07f007f0u), rebias);
        v[1] = pair_bf16::mul(mask_join<0x80008000u>(w, (w >> 4) & 0x07f007f0u), rebias);
    }
};

/* INT4 as code + 8. In FP16 odd pairs stay four bits up: 1024 + 16 u, then a sixteenth of it. */
template <>
struct words<pair_fp16, CODES_INT4> {
    static constexpr float factor = 1;
    static __device__ __forceinline__ uint32_t upper(uint32_t w)
    {
        uint32_t v = mask_or<0x00f000f0u, 0x64006400u>(w), sixteenth = 0x2c002c00u, less = 0xd480d480u;
        __half2 d = __hfma2(*(__half2 *)&v, *(__half2 *)&sixteenth, *(__half2 *)&less);     /* v / 16 - 72 */
        return *(uint32_t *)&d;
    }
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[4])
    {
        v[0] = pair_fp16::sub(mask_or<0x000f000fu, 0x64006400u>(w), 0x64086408u);
        v[1] = upper(w);
        v[2] = pair_fp16::sub(mask_or<0x000f000fu, 0x64006400u>(w >> 8), 0x64086408u);
        v[3] = upper(w >> 8);
    }
};

template <>
struct words<pair_bf16, CODES_INT4> {
    static constexpr float factor = 1;
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[4])
    {
#pragma unroll
        for (int r = 0; r < 4; r++)
            v[r] = pair_bf16::sub(mask_or<0x000f000fu, 0x43004300u>(w >> 4 * r), 0x43084308u);   /* 128 + u - 136 */
    }
};

/* E2M1, stored so that little needs moving: of each half of a word, bits 8 to 6, 5 to 3, 2 to 0 and 11 to 9 are the
 * magnitudes of registers 0 to 3, bits 15, 12, 14 and 13 their signs. */
static __device__ __forceinline__ uint32_t e2m1_place(uint32_t code, int r)
{
    const int magnitude[4] = {6, 3, 0, 9}, sign[4] = {15, 12, 14, 13};
    return (code & 7) << magnitude[r] | code >> 3 << sign[r];
}

/* The magnitude to the low exponent bits and the first of the mantissa, the sign to the top. In FP16 that is the value
 * times 2^-14, in BF16 times 2^-126: the caller's scale makes up for it. */
template <>
struct words<pair_fp16, CODES_E2M1> {
    static constexpr float factor = 16384;
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[4])
    {
        v[0] = mask_join<0x80008000u>(w, (w << 3) & 0x0e000e00u);
        v[1] = mask_join<0x80008000u>(w << 3, (w << 6) & 0x0e000e00u);
        v[2] = mask_join<0x80008000u>(w << 1, (w << 9) & 0x0e000e00u);
        v[3] = mask_join<0x80008000u>(w << 2, w & 0x0e000e00u);
    }
};

template <>
struct words<pair_bf16, CODES_E2M1> {
    static constexpr float factor = 1;                  /* after a multiplication by 2^126 */
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t v[4])
    {
        v[0] = w & 0x81c081c0u;
        v[1] = (w << 3) & 0x81c081c0u;
        v[2] = mask_join<0x80008000u>(w << 1, (w << 6) & 0x01c001c0u);
        v[3] = mask_join<0x80008000u>(w << 2, (w >> 3) & 0x01c001c0u);
    }
};

/* Four scales of E4M3, never negative: decode brings two at a time to 16 bits, `one` gives scale q (0 to 3) as a pair
 * of the same value. Times 2^7 in FP16, times 2^119 in BF16: with E2M1 codes that is value times scale times 2^-7 in
 * both, exactly. */
template <class PAIR>
struct scale_words;

template <>
struct scale_words<pair_fp16> {
    static __device__ __forceinline__ uint32_t two(uint32_t w)
    {
        return pair_fp16::mul(w & 0x3f803f80u, 0x78007800u);                    /* 2^-8 times 2^15 */
    }
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t s[2])
    {
        s[0] = two(w << 7), s[1] = two(w >> 1);
    }
    static __device__ __forceinline__ uint32_t one(const uint32_t s[2], int q)
    {
        return __byte_perm(s[q % 2], 0, q < 2 ? 0x1010 : 0x3232);
    }
};

template <>
struct scale_words<pair_bf16> {
    static __device__ __forceinline__ uint32_t two(uint32_t w)
    {
        return pair_bf16::mul(pair_bf16::mul(w & 0x07f007f0u, 0x7b807b80u), 0x7b007b00u);   /* 2^-120 2^120 2^119 */
    }
    static __device__ __forceinline__ void decode(uint32_t w, uint32_t s[2])
    {
        s[0] = two(w << 4), s[1] = two(w >> 4);
    }
    static __device__ __forceinline__ uint32_t one(const uint32_t s[2], int q)
    {
        return scale_words<pair_fp16>::one(s, q);
    }
};

#endif
