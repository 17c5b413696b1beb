/* gpu_round.cuh: eight values to codes and back: the inner part of the fast encoders, one struct a format.
 * Inputs that are not finite take a slow way through the generic pair, so that the fast one need not know them.
 * Rounding is the hardware's where it has the format, else an addition of a number so large that the sum's last bit
 * is the format's last digit: exact, and to nearest even, since FP32 addition is. */
#ifndef KERNELS_GPU_ROUND_CUH
#define KERNELS_GPU_ROUND_CUH

#include "kernels/gpu_eight.cuh"

/* ---- Formats --------------------------------------------------------------------------------------- */

/* round(): the codes of eight values divided by their scale, which come times FACTOR, and the values of those codes,
 * times UNIT, without their signs if UNSIGNED: whatever is cheapest. CLAMP false: all are known to round to a value of
 * the format. INSIDE: below it that is so; 0: it is not worth asking. EXACT: a value times a found scale has at most 24
 * bits. */
struct round_plainly {
    static constexpr float FACTOR = 1, UNIT = 1, INSIDE = 0;
    static constexpr bool UNSIGNED = false;
};

/* 1.5 * 2^23: a sum with it has steps of 1, and its low bits are the other summand. */
static const float LARGE = 12582912.0f;

static __device__ __forceinline__ float limit(float y, float most)
{
    return fminf(fmaxf(y, -most), most);
}

struct to_fp16 : round_plainly, scale_fp32 {
    static constexpr int BITS = 16;
    static constexpr bool EXACT = false;
    template <class S, bool CLAMP>
    static __device__ __forceinline__ void round(const typename S::raw &, const eight &y, uint32_t *w, eight &v)
    {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            __half2 two = __floats2half2_rn(limit(y.v[2 * i], 65504), limit(y.v[2 * i + 1], 65504));
            w[i] = *(uint32_t *)&two;
        }
        v = values(w);
    }
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        return from_fp16::floats(make_uint4(w[0], w[1], w[2], w[3]));
    }
};

struct to_bf16 : round_plainly, scale_fp32 {
    static constexpr int BITS = 16;
    static constexpr bool EXACT = false;
    template <class S, bool CLAMP>
    static __device__ __forceinline__ void round(const typename S::raw &, const eight &y, uint32_t *w, eight &v)
    {
        const float most = 0x1.fep127f;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            __nv_bfloat162 two = __floats2bfloat162_rn(limit(y.v[2 * i], most), limit(y.v[2 * i + 1], most));
            w[i] = *(uint32_t *)&two;
        }
        v = values(w);
    }
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        return from_bf16::floats(make_uint4(w[0], w[1], w[2], w[3]));
    }
};

/* The two FP8 formats, by the hardware from sm_89 on. */
template <__nv_fp8_interpretation_t KIND> struct to_fp8 : round_plainly {
    static constexpr int BITS = 8;
    static constexpr bool UNSIGNED = true;
    static constexpr float UNIT = KIND == __NV_E4M3 ? 0x1p-8f : 1;
    template <class S, bool CLAMP>
    static __device__ __forceinline__ void round(const typename S::raw &, const eight &y, uint32_t *w, eight &v)
    {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            uint32_t low = __nv_cvt_float2_to_fp8x2(make_float2(y.v[4 * i], y.v[4 * i + 1]), __NV_SATFINITE, KIND);
            uint32_t high = __nv_cvt_float2_to_fp8x2(make_float2(y.v[4 * i + 2], y.v[4 * i + 3]), __NV_SATFINITE, KIND);
            w[i] = low | high << 16;
        }
        v = magnitudes(w);
    }
    /* Exponent and mantissa moved to where a half has them: E4M3's bias of 7 read as 15 is a factor of 2^-8. */
    static __device__ __forceinline__ eight magnitudes(const uint32_t *w)
    {
        const int shift = KIND == __NV_E4M3 ? 1 : 0;
        const uint32_t mask = 0x7f007f00u >> shift;
        eight e;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            uint32_t even = w[i] << (8 - shift) & mask, odd = w[i] >> shift & mask;
            float2 a = __half22float2(*(__half2 *)&even), b = __half22float2(*(__half2 *)&odd);
            e.v[4 * i] = a.x, e.v[4 * i + 1] = b.x, e.v[4 * i + 2] = a.y, e.v[4 * i + 3] = b.y;
        }
        return e;
    }
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        eight e;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            __half2_raw raw = __nv_cvt_fp8x2_to_halfraw2((__nv_fp8x2_storage_t)(w[i / 2] >> 16 * (i % 2)), KIND);
            float2 two = __half22float2(__half2(raw));
            e.v[2 * i] = two.x;
            e.v[2 * i + 1] = two.y;
        }
        return e;
    }
};

struct to_e4m3 : to_fp8<__NV_E4M3>, scale_fp32 {
    static constexpr bool EXACT = false;
};
struct to_e5m2 : to_fp8<__NV_E5M2>, scale_fp32 {
    static constexpr bool EXACT = false;
};
struct to_mxfp8_e4m3 : to_fp8<__NV_E4M3>, scale_e8m0<8> {
    static constexpr bool EXACT = true;
};
struct to_mxfp8_e5m2 : to_fp8<__NV_E5M2>, scale_e8m0<15> {
    static constexpr bool EXACT = true;
};

struct to_int8 : round_plainly, scale_fp32 {
    static constexpr int BITS = 8;
    static constexpr bool EXACT = false;
    template <class S, bool CLAMP>
    static __device__ __forceinline__ void round(const typename S::raw &, const eight &y, uint32_t *w, eight &v)
    {
        uint32_t t[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float sum = limit(y.v[i], 127) + LARGE;
            v.v[i] = sum - LARGE;
            t[i] = __float_as_uint(sum);
        }
#pragma unroll
        for (int i = 0; i < 2; i++)
            w[i] = __byte_perm(__byte_perm(t[4 * i], t[4 * i + 1], 0x0040),
                               __byte_perm(t[4 * i + 2], t[4 * i + 3], 0x0040), 0x5410);
    }
    /* A byte with its sign bit turned is the number plus 128; under the exponent of 2^23 it is a float. */
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        eight e;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            uint32_t word = w[i / 4] ^ 0x80808080u;
            e.v[i] = __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7650 | i % 4)) - 8388736.0f;
        }
        return e;
    }
};

struct to_int4 : round_plainly, scale_fp16 {
    static constexpr int BITS = 4;
    static constexpr float INSIDE = 7.5f;
    static constexpr bool EXACT = true;
    /* The low four bits of each sum are the code plus 8, 1 to 15; a shifted sum of the sums puts them side by side, and
     * what their upper bits add is one known number. */
    template <class S, bool CLAMP>
    static __device__ __forceinline__ void round(const typename S::raw &, const eight &y, uint32_t *w, eight &v)
    {
        const uint32_t base = 0x4b400000u;      /* the bits of LARGE */
        uint32_t all = 0, extra = 0;
#pragma unroll
        for (int i = 7; i >= 0; i--) {
            float sum = (CLAMP ? limit(y.v[i], 7) : y.v[i]) + (LARGE + 8);
            v.v[i] = sum - (LARGE + 8);
            all = (all << 4) + __float_as_uint(sum);
            extra = (extra << 4) + base;
        }
        w[0] = (all - extra) ^ 0x88888888u;
    }
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        uint32_t word = w[0] ^ 0x88888888u;
        eight e;
#pragma unroll
        for (int i = 0; i < 8; i++)
            e.v[i] = __uint_as_float((word >> 4 * i & 15) | 0x4b000000u) - 8388616.0f;     /* 2^23 + 8 */
        return e;
    }
};

/* Signs of eight values at bits 3, 7, 11 ... */
static __device__ __forceinline__ uint32_t signs_of(const uint4 &r)
{
    uint32_t low = __byte_perm(r.x, r.y, 0x7531), high = __byte_perm(r.z, r.w, 0x7531);
    return (__byte_perm(low, high, 0x6420) >> 4 & 0x08080808u) | (__byte_perm(low, high, 0x7531) & 0x80808080u);
}

static __device__ __forceinline__ uint32_t signs_of(const eight &x)
{
    uint32_t two[4];        /* upper halves of neighbors, as in 16 bits */
#pragma unroll
    for (int i = 0; i < 4; i++)
        two[i] = __byte_perm(__float_as_uint(x.v[2 * i]), __float_as_uint(x.v[2 * i + 1]), 0x7632);
    return signs_of(make_uint4(two[0], two[1], two[2], two[3]));
}

/* E2M1 has steps of a half up to 2, of ones up to 4 and of twos beyond. p is 1, 2 or 4 below the value, times FACTOR;
 * added to 1.5 * 2^22 p, the value is rounded to a half of p. */
struct to_e2m1 : round_plainly {
    static constexpr int BITS = 4;
    static constexpr float FACTOR = 0x1p-14f, UNIT = FACTOR;
    static constexpr bool UNSIGNED = true;
    template <class S, bool CLAMP>
    static __device__ __forceinline__ void round(const typename S::raw &r, const eight &y, uint32_t *w, eight &v)
    {
        const float wide = 0x1.8p22f;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float a = CLAMP ? fminf(fabsf(y.v[i]), 6 * FACTOR) : fabsf(y.v[i]);
            float p = __uint_as_float(__float_as_uint(fmaxf(a, FACTOR)) & INFINITE_BITS);
            v.v[i] = fmaf(p, -wide, fmaf(p, wide, a));
        }
        w[0] = codes_without_signs(v) | signs_of(r);
    }
    /* A value times 2^-14 is a half with the code of its magnitude at the top of the mantissa. */
    static __device__ __forceinline__ uint32_t codes_without_signs(const eight &v)
    {
        uint32_t word = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            __half2 two = __floats2half2_rn(v.v[i], v.v[i + 4]);
            uint32_t bits = *(uint32_t *)&two;
            word |= (i == 3 ? bits << 3 : bits >> (9 - 4 * i)) & 0x00070007u << 4 * i;
        }
        return word;
    }
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        const __half2 factor = __floats2half2_rn(16384, 16384);
        eight e;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint32_t word = w[0] >> 4 * i;      /* places i and i + 4 at bits 0 and 16 */
            uint32_t two = (word & 0x00070007u) << 9 | (word & 0x00080008u) << 12;
            float2 f = __half22float2(__hmul2(*(__half2 *)&two, factor));
            e.v[i] = f.x;
            e.v[i + 4] = f.y;
        }
        return e;
    }
};

struct to_mxfp4 : to_e2m1, scale_e8m0<2> {
    static constexpr bool EXACT = true;
};
/* Scales in E4M3 hardly ever leave a value of 7 or more; powers of two, one in four. */
struct to_nvfp4 : to_e2m1, scale_e4m3 {
    static constexpr float INSIDE = 7;
    static constexpr bool EXACT = false;
};

/* The slow way: eight codes by the generic pair. */
struct words {
    uint32_t w[4];
};

static __device__ __noinline__ words slow_codes(const gpu_format &f, eight y)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    words out = {};
    for (int i = 0; i < 8; i++) {
        int at = i * f.bits;
        out.w[at / 32] |= encode_value(f, y.v[i], nearest) << at % 32;
    }
    return out;
}

#endif
