/* gpu_sgemm.cu: the FP32 product of sgemm.h on the GPU, with the same bits.
 * A block makes 128 x 64 outputs from tiles of 16 of depth, two of them in shared memory: one is multiplied while the
 * next comes. Each thread keeps 8 x 4 sums in registers and walks k in order, so the order of sums is the
 * processor's; splitting k among blocks would be faster for few rows, and other bits. */
#include "kernels/gpu_forward.h"
#include "kernels/gpu_module.cuh"

enum {
    THREADS = 256,
    TILE_M = 128, TILE_N = 64, TILE_K = 16,
    PAD = 4,                        /* floats between rows of X's tile: 16-byte loads stay aligned, banks shift */
    PANEL = 16,                     /* outputs side by side in W */
    LOADS = TILE_M * TILE_K / THREADS,
};

struct tiles {
    float x[TILE_K][TILE_M + PAD];
    float w[TILE_K][TILE_N];
};

/* What a thread carries from global to shared memory. */
struct load {
    float  x[LOADS];
    float4 w;
};

static __device__ __forceinline__ void fetch(const gpu_sgemm &t, size_t row0, size_t panel0, size_t k0, load &l)
{
    size_t k = k0 + threadIdx.x % TILE_K, row = row0 + threadIdx.x / TILE_K;
#pragma unroll
    for (int i = 0; i < LOADS; i++, row += THREADS / TILE_K)
        l.x[i] = row < t.m && k < t.k ? t.x[row * t.k + k] : 0;
    size_t panel = panel0 + threadIdx.x / 64, depth = k0 + threadIdx.x % 64 / 4;
    l.w = make_float4(0, 0, 0, 0);
    if (panel * PANEL < t.n && depth < t.k)
        l.w = *(const float4 *)(t.panels + (panel * t.k + depth) * PANEL + threadIdx.x % 4 * 4);
}

static __device__ __forceinline__ void put(tiles &s, const load &l)
{
#pragma unroll
    for (int i = 0; i < LOADS; i++)
        s.x[threadIdx.x % TILE_K][threadIdx.x / TILE_K + i * (THREADS / TILE_K)] = l.x[i];
    *(float4 *)&s.w[threadIdx.x % 64 / 4][threadIdx.x / 64 * PANEL + threadIdx.x % 4 * 4] = l.w;
}

/* One step of k: 8 rows (4 here, 4 half a tile below) by 4 outputs. */
static __device__ __forceinline__ void step(const tiles &s, int k, float sum[8][4])
{
    const float4 above = *(const float4 *)&s.x[k][threadIdx.x / 16 * 4];
    const float4 below = *(const float4 *)&s.x[k][TILE_M / 2 + threadIdx.x / 16 * 4];
    const float4 right = *(const float4 *)&s.w[k][threadIdx.x % 16 * 4];
    const float x[8] = {above.x, above.y, above.z, above.w, below.x, below.y, below.z, below.w};
    const float w[4] = {right.x, right.y, right.z, right.w};
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            sum[i][j] = __fmaf_rn(x[i], w[j], sum[i][j]);
}

static __device__ __forceinline__ void finish(const gpu_sgemm &t, size_t row, size_t col, float sum)
{
    if (row >= t.m || col >= t.n)
        return;
    if (t.bias)
        sum += t.bias[col];
    t.y[row * t.n + col] = t.onto ? t.y[row * t.n + col] + sum : sum;
}

static __global__ void __launch_bounds__(THREADS) sgemm_panels(const __grid_constant__ gpu_sgemm t)
{
    __shared__ __align__(16) tiles s[2];
    size_t row0 = blockIdx.x * (size_t)TILE_M, panel0 = blockIdx.y * (size_t)(TILE_N / PANEL);
    float sum[8][4] = {};
    load l;
    int at = 0;
    fetch(t, row0, panel0, 0, l);
    for (size_t k0 = 0; k0 < t.k; k0 += TILE_K, at ^= 1) {
        put(s[at], l);
        __syncthreads();            /* the tile is whole, and nobody reads the one before the last any more */
        if (k0 + TILE_K < t.k)
            fetch(t, row0, panel0, k0 + TILE_K, l);
        if (k0 + TILE_K <= t.k) {
#pragma unroll
            for (int k = 0; k < TILE_K; k++)
                step(s[at], k, sum);
        } else {
            for (int k = 0; k < (int)(t.k - k0); k++)
                step(s[at], k, sum);
        }
    }
    size_t row = row0 + threadIdx.x / 16 * 4, col = panel0 * PANEL + threadIdx.x % 16 * 4;
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            finish(t, row + i / 4 * (TILE_M / 2) + i % 4, col + j, sum[i][j]);
}

static enum kernel_status launch_sgemm(struct gpu *g, const void *work)
{
    const gpu_sgemm *t = (const gpu_sgemm *)work;
    if (t->m == 0 || t->n == 0)
        return KERNEL_OK;
    dim3 grid((unsigned)((t->m + TILE_M - 1) / TILE_M), (unsigned)((t->n + TILE_N - 1) / TILE_N));
    if (grid.y > 65535)
        return gpu_refuse(KERNEL_BAD_SHAPE, "a product of %zu outputs is larger than the GPU's grid", t->n);
    sgemm_panels<<<grid, THREADS, 0, g->stream>>>(*t);
    return gpu_launched(g, "sgemm_panels");
}

const struct gpu_kernel gpu_sgemm_rows[] = {
    {GPU_SGEMM, NULL, NULL, 80, 0, launch_sgemm, "sgemm_panels", "kernels/gpu_sgemm.cu"},
    {},
};
