/* gpu_rows.cuh: rows of a forward pass as rowops_body.h walks them: 16 lanes, one order of sums, and its exp.
 * Sixteen neighbors of a warp share a row; lane l takes the values l, l + 16, l + 32 and so on.
 * Compiled with --fmad=false: nothing is fused but what asks for it. */
#ifndef KERNELS_GPU_ROWS_CUH
#define KERNELS_GPU_ROWS_CUH

enum { LANES = 16 };

/* Sums of 16 lanes, added as sum_lanes does: halves onto halves. All 16 have the result; a warp calls it together. */
static __device__ __forceinline__ float lanes_sum(float sum)
{
#pragma unroll
    for (int half = LANES / 2; half; half /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, half, LANES);
    return sum;
}

static __device__ __forceinline__ float lanes_largest(float most)
{
#pragma unroll
    for (int half = LANES / 2; half; half /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, most, half, LANES);
        most = most < other ? other : most;
    }
    return most;
}

/* exp_part of rowops_body.h, one value at a time: the constants and why they are so stand there. */
static __device__ __forceinline__ float lane_exp(float x)
{
    const float nearest = 12582912.0f;
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = x * 1.44269504f + nearest - nearest;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = r * (1.0f / 5040) + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * __int_as_float(((int)n + 127) << 23);
}

#endif
