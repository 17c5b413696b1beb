/* gpu_eight.cuh: eight values at a time, from memory to codes and back: the inner part of the fast encoders.
 * Each format is a struct of static functions; each type of source too. Inputs that are not finite take a slow way
 * through the generic pair, so that the fast one need not know them.
 * Rounding is the hardware's where it has the format, else an addition of a number so large that the sum's last bit
 * is the format's last digit: exact, and to nearest even, since FP32 addition is. */
#ifndef KERNELS_GPU_EIGHT_CUH
#define KERNELS_GPU_EIGHT_CUH

#include <cuda_fp8.h>

#include "kernels/gpu_numbers.cuh"

struct eight {
    float v[8];
};

/* ---- Sources --------------------------------------------------------------------------------------- */

struct from_bf16 {
    enum { TYPE = GPU_BF16 };
    typedef uint4 raw;

    static __device__ __forceinline__ raw load(const void *x, size_t i)
    {
        return __ldcs((const uint4 *)x + i);
    }
    static __device__ __forceinline__ raw nothing(void)
    {
        return make_uint4(0, 0, 0, 0);
    }
    static __device__ __forceinline__ eight floats(const raw &r)
    {
        const uint32_t w[4] = {r.x, r.y, r.z, r.w};
        eight e;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            e.v[2 * i] = __uint_as_float(w[i] << 16);
            e.v[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
        }
        return e;
    }
    /* 0 times a finite number is 0, else NaN. */
    static __device__ __forceinline__ bool finite(const raw &r)
    {
        const uint32_t w[4] = {r.x, r.y, r.z, r.w};
        __nv_bfloat162 zero = __floats2bfloat162_rn(0, 0), sum = zero;
#pragma unroll
        for (int i = 0; i < 4; i++)
            sum = __hfma2(*(const __nv_bfloat162 *)&w[i], zero, sum);
        return *(uint32_t *)&sum == 0;
    }
    static __device__ __forceinline__ float most(const raw &r, const eight &)
    {
        const uint32_t w[4] = {r.x, r.y, r.z, r.w};
        __nv_bfloat162 m = __habs2(*(const __nv_bfloat162 *)&w[0]);
#pragma unroll
        for (int i = 1; i < 4; i++)
            m = __hmax2(m, __habs2(*(const __nv_bfloat162 *)&w[i]));
        return fmaxf(__low2float(m), __high2float(m));
    }
};

struct from_fp16 {
    enum { TYPE = GPU_FP16 };
    typedef uint4 raw;

    static __device__ __forceinline__ raw load(const void *x, size_t i)
    {
        return __ldcs((const uint4 *)x + i);
    }
    static __device__ __forceinline__ raw nothing(void)
    {
        return make_uint4(0, 0, 0, 0);
    }
    static __device__ __forceinline__ eight floats(const raw &r)
    {
        const uint32_t w[4] = {r.x, r.y, r.z, r.w};
        eight e;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float2 two = __half22float2(*(const __half2 *)&w[i]);
            e.v[2 * i] = two.x;
            e.v[2 * i + 1] = two.y;
        }
        return e;
    }
    static __device__ __forceinline__ bool finite(const raw &r)
    {
        const uint32_t w[4] = {r.x, r.y, r.z, r.w};
        __half2 zero = __floats2half2_rn(0, 0), sum = zero;
#pragma unroll
        for (int i = 0; i < 4; i++)
            sum = __hfma2(*(const __half2 *)&w[i], zero, sum);
        return *(uint32_t *)&sum == 0;
    }
    static __device__ __forceinline__ float most(const raw &r, const eight &)
    {
        const uint32_t w[4] = {r.x, r.y, r.z, r.w};
        __half2 m = __habs2(*(const __half2 *)&w[0]);
#pragma unroll
        for (int i = 1; i < 4; i++)
            m = __hmax2(m, __habs2(*(const __half2 *)&w[i]));
        return fmaxf(__low2float(m), __high2float(m));
    }
};

struct from_fp32 {
    enum { TYPE = GPU_FP32 };
    typedef eight raw;

    static __device__ __forceinline__ raw load(const void *x, size_t i)
    {
        float4 a = __ldcs((const float4 *)x + 2 * i), b = __ldcs((const float4 *)x + 2 * i + 1);
        eight e = {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
        return e;
    }
    static __device__ __forceinline__ raw nothing(void)
    {
        eight e = {};
        return e;
    }
    static __device__ __forceinline__ eight floats(const raw &r)
    {
        return r;
    }
    static __device__ __forceinline__ bool finite(const raw &r)
    {
        float sum = 0;
#pragma unroll
        for (int i = 0; i < 8; i++)
            sum = fmaf(r.v[i], 0, sum);
        return sum == 0;
    }
    static __device__ __forceinline__ float most(const raw &, const eight &x)
    {
        float m = fabsf(x.v[0]);
#pragma unroll
        for (int i = 1; i < 8; i++)
            m = fmaxf(m, fabsf(x.v[i]));
        return m;
    }
};

/* The largest finite magnitude, where some are not. */
static __device__ __noinline__ float most_finite(eight x)
{
    float m = 0;
    for (int i = 0; i < 8; i++)
        if (is_finite(x.v[i]))
            m = fmaxf(m, fabsf(x.v[i]));
    return m;
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

/* A scale as a fast encoder wants it. */
struct scaled {
    float    scale, inverse;
    uint32_t stored;
};

/* One scale for a tensor or a row, FP32. */
struct scale_fp32 {
    static constexpr int GROUP = 0, RUNS = 1;              /* none shares less than a row */
    typedef float stored;

    static __device__ __forceinline__ scaled find(const gpu_cast &c, float amax)
    {
        float scale = absmax_scale(amax, c.format.largest);
        scaled s = {scale, 1 / scale, __float_as_uint(scale)};
        return s;
    }
    static __device__ __forceinline__ scaled known(const gpu_cast &c, stored)
    {
        scaled s = {c.scale, c.inverse, 0};
        return s;
    }
};

/* FP16 for groups of 128. */
struct scale_fp16 {
    static constexpr int GROUP = 128, RUNS = 128 / 8;        /* values, and runs of eight, that share one */
    typedef uint16_t stored;

    static __device__ __forceinline__ scaled find(const gpu_cast &c, float amax)
    {
        /* Beyond 65504 FP16 gives infinity, which the clamp takes back. */
        float scale = clamp(__half2float(__float2half_rn(absmax_scale(amax, c.format.largest))), 0x1p-24f, 65504);
        scaled s = {scale, 1 / scale, __half_as_ushort(__float2half_rn(scale))};
        return s;
    }
    static __device__ __forceinline__ scaled known(const gpu_cast &, stored bits)
    {
        float scale = __half2float(__ushort_as_half(bits));
        scaled s = {scale, 1 / scale, bits};
        return s;
    }
};

/* Powers of two for blocks of 32: the exponent of amax less that of the format's largest value. */
template <int EMAX> struct scale_e8m0 {
    static constexpr int GROUP = 32, RUNS = 32 / 8;        /* values, and runs of eight, that share one */
    typedef uint8_t stored;

    static __device__ __forceinline__ scaled known(const gpu_cast &, stored code)
    {
        scaled s = {power_of_two((int)code - 127), power_of_two(127 - (int)code), code};
        return s;
    }
    /* A subnormal amax counts as 2^-127, which the clamp makes of it anyway. */
    static __device__ __forceinline__ scaled find(const gpu_cast &c, float amax)
    {
        int code = (int)(__float_as_uint(amax) >> 23) - EMAX;
        code = amax == 0 ? 127 : code < 1 ? 1 : code > 253 ? 253 : code;
        scaled s = {__uint_as_float((uint32_t)code << 23), __uint_as_float((uint32_t)(254 - code) << 23),
                    (uint32_t)code};
        return s;
    }
};

/* E4M3 for blocks of 16, times the FP32 scale of the tensor. */
struct scale_e4m3 {
    static constexpr int GROUP = 16, RUNS = 16 / 8;        /* values, and runs of eight, that share one */
    typedef uint8_t stored;

    static __device__ __forceinline__ scaled known(const gpu_cast &c, stored code)
    {
        float block = __half2float(__half(__nv_cvt_fp8_to_halfraw(code, __NV_E4M3))), scale = block * c.tensor;
        scaled s = {scale, scale > 0 ? 1 / scale : 0, code};
        return s;
    }
    static __device__ __forceinline__ scaled find(const gpu_cast &c, float amax)
    {
        return known(c, __nv_cvt_float_to_fp8(amax * c.unit, __NV_SATFINITE, __NV_E4M3));
    }
};

/* ---- Formats --------------------------------------------------------------------------------------- */

/* 1.5 * 2^23: a sum with it has steps of 1, and its low bits are the other summand. */
static const float LARGE = 12582912.0f;

static __device__ __forceinline__ float limit(float y, float most)
{
    return fminf(fmaxf(y, -most), most);
}

struct to_fp16 : scale_fp32 {
    static constexpr int BITS = 16;
    static __device__ __forceinline__ void codes(const eight &y, uint32_t *w)
    {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            __half2 two = __floats2half2_rn(limit(y.v[2 * i], 65504), limit(y.v[2 * i + 1], 65504));
            w[i] = *(uint32_t *)&two;
        }
    }
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        return from_fp16::floats(make_uint4(w[0], w[1], w[2], w[3]));
    }
};

struct to_bf16 : scale_fp32 {
    static constexpr int BITS = 16;
    static __device__ __forceinline__ void codes(const eight &y, uint32_t *w)
    {
        const float most = 0x1.fep127f;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            __nv_bfloat162 two = __floats2bfloat162_rn(limit(y.v[2 * i], most), limit(y.v[2 * i + 1], most));
            w[i] = *(uint32_t *)&two;
        }
    }
    static __device__ __forceinline__ eight values(const uint32_t *w)
    {
        return from_bf16::floats(make_uint4(w[0], w[1], w[2], w[3]));
    }
};

/* The two FP8 formats, by the hardware from sm_89 on. */
template <__nv_fp8_interpretation_t KIND> struct to_fp8 {
    static constexpr int BITS = 8;
    static __device__ __forceinline__ void codes(const eight &y, uint32_t *w)
    {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            uint32_t low = __nv_cvt_float2_to_fp8x2(make_float2(y.v[4 * i], y.v[4 * i + 1]), __NV_SATFINITE, KIND);
            uint32_t high = __nv_cvt_float2_to_fp8x2(make_float2(y.v[4 * i + 2], y.v[4 * i + 3]), __NV_SATFINITE, KIND);
            w[i] = low | high << 16;
        }
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

struct to_e4m3 : to_fp8<__NV_E4M3>, scale_fp32 {};
struct to_e5m2 : to_fp8<__NV_E5M2>, scale_fp32 {};
struct to_mxfp8_e4m3 : to_fp8<__NV_E4M3>, scale_e8m0<8> {};
struct to_mxfp8_e5m2 : to_fp8<__NV_E5M2>, scale_e8m0<15> {};

struct to_int8 : scale_fp32 {
    static constexpr int BITS = 8;
    static __device__ __forceinline__ void codes(const eight &y, uint32_t *w)
    {
        uint32_t t[8];
#pragma unroll
        for (int i = 0; i < 8; i++)
            t[i] = __float_as_uint(limit(y.v[i], 127) + LARGE);
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

struct to_int4 : scale_fp16 {
    static constexpr int BITS = 4;
    /* The low four bits of each sum are the code plus 8, 1 to 15; a shifted sum of the sums puts them side by side, and
     * what their upper bits add is one known number. */
    static __device__ __forceinline__ void codes(const eight &y, uint32_t *w)
    {
        const uint32_t base = 0x4b400000u;      /* the bits of LARGE */
        uint32_t all = 0, extra = 0;
#pragma unroll
        for (int i = 7; i >= 0; i--) {
            all = (all << 4) + __float_as_uint(limit(y.v[i], 7) + (LARGE + 8));
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

/* E2M1: 0 to 2 in halves, 2 to 4 in ones, 4 to 6 in a two: each part is cut to [0, 1] by saturation, which is free, and
 * rounded by itself; the code of the magnitude is the sum of the steps in each. */
struct to_e2m1 {
    static constexpr int BITS = 4;
    static __device__ __forceinline__ uint32_t magnitude(float y)
    {
        float a = fabsf(y);
        float first = __saturatef(a * 0.5f), second = __saturatef(fmaf(a, 0.5f, -1));
        float third = __saturatef(fmaf(a, 0.5f, -2));
        return __float_as_uint(fmaf(first, 4, LARGE)) + __float_as_uint(fmaf(second, 2, LARGE)) +
               __float_as_uint(third + LARGE);
    }
    /* Signs come from the top bytes, two gathers for the even and two for the odd places. */
    static __device__ __forceinline__ uint32_t signs(const eight &y)
    {
        uint32_t b[8];
#pragma unroll
        for (int i = 0; i < 8; i++)
            b[i] = __float_as_uint(y.v[i]);
        uint32_t even = __byte_perm(__byte_perm(b[0], b[2], 0x0073), __byte_perm(b[4], b[6], 0x0073), 0x5410);
        uint32_t odd = __byte_perm(__byte_perm(b[1], b[3], 0x0073), __byte_perm(b[5], b[7], 0x0073), 0x5410);
        return (even >> 4 & 0x08080808u) | (odd & 0x80808080u);
    }
    static __device__ __forceinline__ void codes(const eight &y, uint32_t *w)
    {
        const uint32_t base = 3u * 0x4b400000u;
        uint32_t all = 0, extra = 0;
#pragma unroll
        for (int i = 7; i >= 0; i--) {
            all = (all << 4) + magnitude(y.v[i]);
            extra = (extra << 4) + base;
        }
        w[0] = (all - extra) | signs(y);
    }
    /* A magnitude's code moved to the top of a half's mantissa is the value times 2^-14. */
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

struct to_mxfp4 : to_e2m1, scale_e8m0<2> {};
struct to_nvfp4 : to_e2m1, scale_e4m3 {};

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
