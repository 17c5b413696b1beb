/* gpu_slice.cuh: a slice of packed weights: how its codes lie, and how a warp multiplies it.
 * 32 rows and 64 or 128 columns: two tiles of 16 rows, each as A fragments of mma.m16n8k16, 16 bytes a lane; then
 * the scales of both. Columns are dealt to lanes so that what lane t wants of x is 16 bytes in a row. A record of the
 * layout table is one slice or two. gpu_pack.cu writes them, gpu_product.cu streams them. */
#ifndef KERNELS_GPU_SLICE_CUH
#define KERNELS_GPU_SLICE_CUH

#include "kernels/gpu_product.h"
#include "kernels/gpu_words.cuh"

enum weight { W_BF16, W_FP16, W_INT8, W_E4M3, W_INT4, W_MXFP4, W_NVFP4 };

/* COLUMNS of a slice; SLICE: its bytes, what a warp copies, waits for and multiplies at once. Smaller ones cost
 * instructions, larger ones leave warps idle at the end of a launch. */
template <enum weight W>
struct weight_traits;
template <> struct weight_traits<W_BF16> { enum { BITS = 16, COLUMNS = 128, SLICE = 8192 }; };
template <> struct weight_traits<W_FP16> { enum { BITS = 16, COLUMNS = 128, SLICE = 8192 }; };
template <> struct weight_traits<W_INT8> { enum { BITS = 8, COLUMNS = 64, SLICE = 2048 }; };
template <> struct weight_traits<W_E4M3> { enum { BITS = 8, COLUMNS = 64, SLICE = 2048 }; };
template <> struct weight_traits<W_INT4> { enum { BITS = 4, COLUMNS = 128, SLICE = 2048 + 64 }; };
template <> struct weight_traits<W_MXFP4> { enum { BITS = 4, COLUMNS = 128, SLICE = 2048 + 128 }; };
template <> struct weight_traits<W_NVFP4> { enum { BITS = 4, COLUMNS = 128, SLICE = 2048 + 256 }; };

/* The same where the format is known at run time only. */
static __device__ __forceinline__ int columns_of(int bits)
{
    return bits == 8 ? weight_traits<W_INT8>::COLUMNS : weight_traits<W_INT4>::COLUMNS;
}

/* Where in its slice lane t finds value i (0 to 3) of instruction m; i 2 and 3 are the second half of k. */
static __device__ __forceinline__ int column_of(int m, int t, int i)
{
    return 32 * (m / 2) + 8 * t + 4 * (m % 2) + i;
}

/* The A fragments of instructions 2 q and 2 q + 1 of a tile at `from`, decoded; `held` keeps what a 16-byte load has
 * brought for the next pair. */
template <class PAIR, enum weight W>
static __device__ __forceinline__ void fragments(uint32_t from, int lane, int q, uint4 &held, uint32_t a[2][4])
{
    enum { BITS = weight_traits<W>::BITS };
    if constexpr (BITS == 16) {
        for (int m = 0; m < 2; m++) {
            uint4 v = load_shared_16(from + ((2 * q + m) * 32 + lane) * 16);
            a[m][0] = v.x, a[m][1] = v.y, a[m][2] = v.z, a[m][3] = v.w;
        }
    } else if constexpr (BITS == 8) {
        constexpr enum codes CODES = W == W_INT8 ? CODES_INT8 : CODES_E4M3;
        uint4 v = load_shared_16(from + (q * 32 + lane) * 16);
        words<PAIR, CODES>::decode(v.x, a[0]);
        words<PAIR, CODES>::decode(v.y, a[0] + 2);
        words<PAIR, CODES>::decode(v.z, a[1]);
        words<PAIR, CODES>::decode(v.w, a[1] + 2);
    } else {
        constexpr enum codes CODES = W == W_INT4 ? CODES_INT4 : CODES_E2M1;
        if (q % 2 == 0)
            held = load_shared_16(from + (q / 2 * 32 + lane) * 16);
        words<PAIR, CODES>::decode(q % 2 ? held.z : held.x, a[0]);
        words<PAIR, CODES>::decode(q % 2 ? held.w : held.y, a[1]);
    }
}

/* The scales that a lane needs of both tiles, for its rows g and g + 8; how they apply depends on the format. */
template <class PAIR, enum weight W>
struct slice_scales {
    __device__ __forceinline__ void load(uint32_t, int, int) {}
    __device__ __forceinline__ void to_weights(int, int, uint32_t[2][4]) const {}
};

/* One FP16 a row and chunk, for the sums. */
template <class PAIR>
struct slice_scales<PAIR, W_INT4> {
    uint2 rows;
    __device__ __forceinline__ void load(uint32_t from, int g, int)
    {
        rows = load_shared_8(from + g * 8);
    }
    __device__ __forceinline__ void to_weights(int, int, uint32_t[2][4]) const {}
    __device__ __forceinline__ float of(int h, int r, int) const
    {
        uint32_t pair = h ? rows.y : rows.x;
        return r ? pair_fp16::high(pair) : pair_fp16::low(pair);
    }
};

/* E8M0, for sums of 32 columns: exact there, which a 16-bit weight times its scale need not be. */
template <class PAIR>
struct slice_scales<PAIR, W_MXFP4> {
    uint4 codes;
    __device__ __forceinline__ void load(uint32_t from, int g, int)
    {
        codes = load_shared_16(from + g * 16);
    }
    __device__ __forceinline__ void to_weights(int, int, uint32_t a[2][4]) const
    {
        if (words<PAIR, CODES_E2M1>::factor == 1)
#pragma unroll
            for (int i = 0; i < 8; i++)
                a[i / 4][i % 4] = PAIR::mul(a[i / 4][i % 4], 0x7e807e80u);              /* 2^126 */
    }
    __device__ __forceinline__ float of(int h, int r, int q) const
    {
        uint32_t e = (h ? r ? codes.w : codes.z : r ? codes.y : codes.x) >> 8 * q & 255;
        return __uint_as_float(e ? e << 23 : 0x00400000u);                              /* 2^-127 is subnormal */
    }
};

/* E4M3, for the 16 columns that two lanes see of an instruction pair: exact on the weights. */
template <class PAIR>
struct slice_scales<PAIR, W_NVFP4> {
    uint32_t two[2][2][2];
    __device__ __forceinline__ void load(uint32_t from, int g, int t)
    {
        uint4 codes = load_shared_16(from + (g * 2 + t / 2) * 16);
        scale_words<PAIR>::decode(codes.x, two[0][0]);
        scale_words<PAIR>::decode(codes.y, two[0][1]);
        scale_words<PAIR>::decode(codes.z, two[1][0]);
        scale_words<PAIR>::decode(codes.w, two[1][1]);
    }
    __device__ __forceinline__ void to_weights(int h, int q, uint32_t a[2][4]) const
    {
#pragma unroll
        for (int i = 0; i < 8; i++)
            a[i / 4][i % 4] = PAIR::mul(a[i / 4][i % 4], scale_words<PAIR>::one(two[h][i % 2], q));
    }
};

/* sums += part * scale, of rows g and g + 8; part is zero again. */
template <int NT>
static __device__ __forceinline__ void add_scaled(float sums[NT][4], float part[NT][4], float s0, float s1)
{
#pragma unroll
    for (int n = 0; n < NT; n++) {
        sums[n][0] = fmaf(part[n][0], s0, sums[n][0]), sums[n][1] = fmaf(part[n][1], s0, sums[n][1]);
        sums[n][2] = fmaf(part[n][2], s1, sums[n][2]), sums[n][3] = fmaf(part[n][3], s1, sums[n][3]);
        part[n][0] = part[n][1] = part[n][2] = part[n][3] = 0;
    }
}

/* sums += slice * x: of both tiles, for 8 NT tokens; x(q, n) is the B fragment of instruction pair q. */
template <class PAIR, enum weight W, int NT, class X>
static __device__ __forceinline__ void multiply_slice(uint32_t slice, const X &x, int lane, float sums[2][NT][4])
{
    enum { COLUMNS = weight_traits<W>::COLUMNS, CODES = 2 * COLUMNS * weight_traits<W>::BITS, PAIRS = COLUMNS / 32 };
    constexpr bool GROUPED = W == W_INT4 || W == W_MXFP4;
    slice_scales<PAIR, W> scales;
    uint4 held[2] = {};
    float part[2][NT][4] = {};
    scales.load(slice + 2 * CODES, lane / 4, lane % 4);
#pragma unroll
    for (int q = 0; q < PAIRS; q++) {
        uint32_t a[2][2][4];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            fragments<PAIR, W>(slice + h * CODES, lane, q, held[h], a[h]);
            scales.to_weights(h, q, a[h]);
        }
#pragma unroll
        for (int n = 0; n < NT; n++) {
            uint4 b = x(q, n);
#pragma unroll
            for (int h = 0; h < 2; h++) {
                float *d = GROUPED ? part[h][n] : sums[h][n];
                PAIR::mma(d, a[h][0], b.x, b.y);
                PAIR::mma(d, a[h][1], b.z, b.w);
            }
        }
        if constexpr (W == W_MXFP4)
#pragma unroll
            for (int h = 0; h < 2; h++)
                add_scaled<NT>(sums[h], part[h], scales.of(h, 0, q), scales.of(h, 1, q));
    }
    if constexpr (W == W_INT4)
#pragma unroll
        for (int h = 0; h < 2; h++)
            add_scaled<NT>(sums[h], part[h], scales.of(h, 0, 0), scales.of(h, 1, 0));
}

/* What is left to multiply the sums with, besides a scale of the row. */
template <class PAIR, enum weight W>
static constexpr float left_over()
{
    return W == W_NVFP4 ? 128.0f : W == W_MXFP4 ? words<PAIR, CODES_E2M1>::factor
         : W == W_E4M3 ? words<PAIR, CODES_E4M3>::factor : 1.0f;
}

#endif
