/* gpu_eight.cuh: eight values at a time, as the fast encoders read them, and the scales that they share.
 * Each type of source is a struct of static functions; each kind of scale too, of which a format inherits one. */
#ifndef KERNELS_GPU_EIGHT_CUH
#define KERNELS_GPU_EIGHT_CUH

#include <cuda_fp8.h>

#include "kernels/gpu_numbers.cuh"

struct eight {
    float v[8];
};

/* ---- Sources --------------------------------------------------------------------------------------- */

/* `peak` is the bits of the largest magnitude as FP32: from INFINITE_BITS on where some value is not finite. Of the
 * larger magnitudes of two pairs the sign means nothing. `gather` takes a run from words that lie `apart`. EXACT: the
 * square of a value has at most 24 bits, and is no subnormal. */

struct from_bf16 {
    enum { TYPE = GPU_BF16 };
    static constexpr bool EXACT = false;
    typedef uint4 raw;

    static __device__ __forceinline__ raw load(const void *x, size_t i)
    {
        return __ldcs((const uint4 *)x + i);
    }
    static __device__ __forceinline__ raw nothing(void)
    {
        return make_uint4(0, 0, 0, 0);
    }
    static __device__ __forceinline__ raw gather(const uint4 *words, int)
    {
        return *words;
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
    static __device__ __forceinline__ uint32_t larger(uint32_t a, uint32_t b)
    {
#if __CUDA_ARCH__ >= 860
        uint32_t m;
        asm("max.NaN.xorsign.abs.bf16x2 %0, %1, %2;" : "=r"(m) : "r"(a), "r"(b));
        return m;
#else
        __nv_bfloat162 m = __hmax2_nan(__habs2(*(__nv_bfloat162 *)&a), __habs2(*(__nv_bfloat162 *)&b));
        return *(uint32_t *)&m;
#endif
    }
    static __device__ __forceinline__ uint32_t peak(const raw &r)
    {
        uint32_t m = larger(larger(r.x, r.y), larger(r.z, r.w));
        return max(m << 16 & 0x7fffffffu, m & 0x7fff0000u);
    }
};

struct from_fp16 {
    enum { TYPE = GPU_FP16 };
    static constexpr bool EXACT = true;
    typedef uint4 raw;

    static __device__ __forceinline__ raw load(const void *x, size_t i)
    {
        return __ldcs((const uint4 *)x + i);
    }
    static __device__ __forceinline__ raw nothing(void)
    {
        return make_uint4(0, 0, 0, 0);
    }
    static __device__ __forceinline__ raw gather(const uint4 *words, int)
    {
        return *words;
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
    static __device__ __forceinline__ uint32_t larger(uint32_t a, uint32_t b)
    {
#if __CUDA_ARCH__ >= 860
        uint32_t m;
        asm("max.NaN.xorsign.abs.f16x2 %0, %1, %2;" : "=r"(m) : "r"(a), "r"(b));
        return m;
#else
        __half2 m = __hmax2_nan(__habs2(*(__half2 *)&a), __habs2(*(__half2 *)&b));
        return *(uint32_t *)&m;
#endif
    }
    static __device__ __forceinline__ uint32_t peak(const raw &r)
    {
        uint32_t m = larger(larger(r.x, r.y), larger(r.z, r.w));
        float2 two = __half22float2(*(__half2 *)&m);
        return max(__float_as_uint(two.x) & 0x7fffffffu, __float_as_uint(two.y) & 0x7fffffffu);
    }
};

struct from_fp32 {
    enum { TYPE = GPU_FP32 };
    static constexpr bool EXACT = false;
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
    static __device__ __forceinline__ raw gather(const uint4 *words, int apart)
    {
        uint4 a = words[0], b = words[apart];
        eight e = {{__uint_as_float(a.x), __uint_as_float(a.y), __uint_as_float(a.z), __uint_as_float(a.w),
                    __uint_as_float(b.x), __uint_as_float(b.y), __uint_as_float(b.z), __uint_as_float(b.w)}};
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
    static __device__ __forceinline__ uint32_t peak(const raw &r)
    {
        uint32_t m = 0;
#pragma unroll
        for (int i = 0; i < 8; i++)
            m = max(m, __float_as_uint(r.v[i]) & 0x7fffffffu);
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

/* 1 / x as FP32 division gives it, for 2^-120 < x < 2^120: the hardware's guess and one step of Newton. */
static __device__ __forceinline__ float quick_inverse(float x)
{
    float guess;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(guess) : "f"(x));
    return fmaf(guess, -fmaf(x, guess, -1), guess);
}

/* Each kind of scale is found from the largest magnitude, or known from what is stored; quick_find and quick_known give
 * the same where quick_scales allows them. */

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
    static __device__ __forceinline__ scaled quick_find(const gpu_cast &c, float amax)
    {
        return find(c, amax);
    }
    static __device__ __forceinline__ scaled quick_known(const gpu_cast &c, stored s)
    {
        return known(c, s);
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
    /* The quotient by 7 from its reciprocal and its own remainder; where that is too small for FP32, the scale is too
     * small for FP16. */
    static __device__ __forceinline__ scaled quick_find(const gpu_cast &, float amax)
    {
        const float seventh = 0x1.24924ap-3f;
        float quotient = amax * seventh;
        quotient = fmaf(fmaf(-7, quotient, amax), seventh, quotient);
        float scale = __half2float(__float2half_rn(fminf(quotient, 65504)));
        scale = amax == 0 ? 1 : fmaxf(scale, 0x1p-24f);
        scaled s = {scale, quick_inverse(scale), __half_as_ushort(__float2half_rn(scale))};
        return s;
    }
    static __device__ __forceinline__ scaled quick_known(const gpu_cast &c, stored bits)
    {
        return known(c, bits);
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
    static __device__ __forceinline__ scaled quick_find(const gpu_cast &c, float amax)
    {
        return find(c, amax);
    }
    static __device__ __forceinline__ scaled quick_known(const gpu_cast &c, stored code)
    {
        return known(c, code);
    }
};

/* E4M3 for blocks of 16, times the FP32 scale of the tensor. */
struct scale_e4m3 {
    static constexpr int GROUP = 16, RUNS = 16 / 8;        /* values, and runs of eight, that share one */
    typedef uint8_t stored;

    static __device__ __forceinline__ float value(const gpu_cast &c, stored code)
    {
        return __half2float(__half(__nv_cvt_fp8_to_halfraw(code, __NV_E4M3))) * c.tensor;
    }
    static __device__ __forceinline__ scaled known(const gpu_cast &c, stored code)
    {
        float scale = value(c, code);
        scaled s = {scale, scale > 0 ? 1 / scale : 0, code};
        return s;
    }
    static __device__ __forceinline__ scaled find(const gpu_cast &c, float amax)
    {
        return known(c, __nv_cvt_float_to_fp8(amax * c.unit, __NV_SATFINITE, __NV_E4M3));
    }
    static __device__ __forceinline__ scaled quick_known(const gpu_cast &c, stored code)
    {
        float scale = value(c, code);
        scaled s = {scale, scale > 0 ? quick_inverse(scale) : 0, code};
        return s;
    }
    static __device__ __forceinline__ scaled quick_find(const gpu_cast &c, float amax)
    {
        return quick_known(c, __nv_cvt_float_to_fp8(amax * c.unit, __NV_SATFINITE, __NV_E4M3));
    }
};

/* Whether the scale of a tensor with two levels lets the quick ones be used, with room for FACTOR below. */
static inline bool quick_scales(const gpu_cast *c, int group)
{
    return group != 16 || (c->tensor > 0x1p-90f && c->tensor < 0x1p90f);
}

#endif
