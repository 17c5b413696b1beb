/* gpu_uncast.cu: decoding at the speed of memory: packed codes and their scales to FP32 or BF16. */
#include "kernels/gpu_cast.cuh"

/* ---- Decoding -------------------------------------------------------------------------------------- */

template <class F> static __device__ __forceinline__ void load_codes(const void *codes, size_t i, uint32_t *w)
{
    if (F::BITS == 16) {
        uint4 v = __ldcs((const uint4 *)codes + i);
        w[0] = v.x, w[1] = v.y, w[2] = v.z, w[3] = v.w;
    } else if (F::BITS == 8) {
        uint2 v = __ldcs((const uint2 *)codes + i);
        w[0] = v.x, w[1] = v.y;
    } else {
        w[0] = __ldcs((const uint32_t *)codes + i);
    }
}

template <class S> static __device__ __forceinline__ void store_values(void *values, size_t i, const eight &e)
{
    if (S::TYPE == GPU_FP32) {
        __stcs((float4 *)values + 2 * i, make_float4(e.v[0], e.v[1], e.v[2], e.v[3]));
        __stcs((float4 *)values + 2 * i + 1, make_float4(e.v[4], e.v[5], e.v[6], e.v[7]));
    } else {
        uint32_t w[4];
        for (int k = 0; k < 4; k++) {
            __nv_bfloat162 two = __floats2bfloat162_rn(e.v[2 * k], e.v[2 * k + 1]);
            w[k] = *(uint32_t *)&two;
        }
        __stcs((uint4 *)values + i, make_uint4(w[0], w[1], w[2], w[3]));
    }
}

/* What is stored of the scale of a run; asked for together with the codes. */
template <class F> static __device__ __forceinline__ typename F::stored load_scale(const gpu_cast &c, size_t i)
{
    return F::GROUP > 0 ? ((const typename F::stored *)c.scales)[i / F::RUNS] : typename F::stored();
}

template <class F>
static __device__ __forceinline__ float decode_scale(const gpu_cast &c, size_t i, typename F::stored stored)
{
    if (F::GROUP > 0)
        return F::known(c, stored).scale;
    return c.by_row ? ((const float *)c.scales)[i / (c.cols / 8)] : c.scale;
}

/* Codes to FP32 or BF16. A NaN becomes the device's, unlike those of the generic kernel. */
template <class F, class S>
static __global__ void __launch_bounds__(CAST_THREADS) uncast_flat(const __grid_constant__ gpu_cast c)
{
    size_t runs = c.rows * c.cols / 8, first = blockIdx.x * (size_t)(CAST_THREADS * CAST_DEPTH) + threadIdx.x;
    uint32_t w[CAST_DEPTH][4];
    typename F::stored stored[CAST_DEPTH];
#pragma unroll
    for (int j = 0; j < CAST_DEPTH; j++)
        if (first + j * CAST_THREADS < runs) {
            load_codes<F>(c.codes, first + j * CAST_THREADS, w[j]);
            stored[j] = load_scale<F>(c, first + j * CAST_THREADS);
        }
#pragma unroll
    for (int j = 0; j < CAST_DEPTH; j++) {
        size_t i = first + j * CAST_THREADS;
        if (i >= runs)
            return;
        eight e = F::values(w[j]);
        float scale = decode_scale<F>(c, i, stored[j]);
#pragma unroll
        for (int k = 0; k < 8; k++)
            e.v[k] *= scale;
        store_values<S>(c.values, i, e);
    }
}

/* ---- Launcher -------------------------------------------------------------------------------------- */

template <class F, class S> static enum kernel_status launch_uncast(struct gpu *g, const void *work)
{
    const gpu_cast *c = (const gpu_cast *)work;
    enum kernel_status status = cast_check(c);
    size_t n = c->rows * c->cols;
    if (status != KERNEL_OK || n == 0)
        return status;
    if (c->cols % (8 * F::RUNS) && (F::GROUP > 0 || c->by_row || n % 8))
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot decode rows that end within %d values", 8 * F::RUNS);
    uncast_flat<F, S><<<blocks_for(n, 8 * CAST_THREADS * CAST_DEPTH), CAST_THREADS, 0, g->stream>>>(*c);
    return gpu_launched(g, "uncast_flat");
}

/* ---- The rows -------------------------------------------------------------------------------------- */

#define UNCAST(format, to) \
    {GPU_UNCAST, format, "fp32", 80, 0, launch_uncast<to, from_fp32>, "uncast_flat", "kernels/gpu_uncast.cu"}, \
    {GPU_UNCAST, format, "bf16", 80, 0, launch_uncast<to, from_bf16>, "uncast_flat", "kernels/gpu_uncast.cu"}

const struct gpu_kernel gpu_uncast_rows[] = {
    UNCAST("fp16", to_fp16),
    UNCAST("bf16", to_bf16),
    UNCAST("e4m3", to_e4m3),
    UNCAST("e5m2", to_e5m2),
    UNCAST("int8", to_int8),
    UNCAST("int4", to_int4),
    UNCAST("mxfp8-e4m3", to_mxfp8_e4m3),
    UNCAST("mxfp8-e5m2", to_mxfp8_e5m2),
    UNCAST("mxfp4", to_mxfp4),
    UNCAST("nvfp4", to_nvfp4),
    {},
};
