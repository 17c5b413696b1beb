/* gpu_rows.cu: what a language model does to rows between its products, on the GPU: rowops.h and its like.
 * All of it waits for memory; a launch is one pass. Where a row has a sum, 16 threads walk it; else a thread takes
 * whatever value comes. */
#include "kernels/gpu_forward.h"
#include "kernels/gpu_module.cuh"
#include "kernels/gpu_numbers.cuh"
#include "kernels/gpu_rows.cuh"

enum { THREADS = 256 };

/* Values of a grid that walks all of them: this thread's first, and the step to its next. */
#define EACH(i, n) \
    for (size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x; i < (n); i += gridDim.x * (size_t)THREADS)

static unsigned blocks_for(const struct gpu *g, const gpu_rows *t)
{
    return gpu_blocks(g, t->rows * t->cols, THREADS, THREADS, 4);
}

/* ---- Value by value -------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS) gather_rows(const __grid_constant__ gpu_rows t)
{
    EACH(i, t.rows * t.cols)
        t.y[i] = t.by[t.index[i / t.cols] * t.cols + i % t.cols];
}

static __global__ void __launch_bounds__(THREADS) rotate_heads(const __grid_constant__ gpu_rows t)
{
    const size_t half = t.head / 2, pairs = t.cols / 2;
    EACH(i, t.rows * pairs) {
        size_t row = i / pairs, pair = i - row * pairs, turn = row % t.context * half + pair % half;
        size_t at = row * t.cols + pair / half * t.head + pair % half;
        float a = t.x[at], b = t.x[at + half], c = t.cosine[turn], s = t.sine[turn];
        t.y[at] = a * c - b * s;
        t.y[at + half] = b * c + a * s;
    }
}

static __global__ void __launch_bounds__(THREADS) swiglu_rows(const __grid_constant__ gpu_rows t)
{
    EACH(i, t.rows * t.cols) {
        float gate = t.x[i];
        t.y[i] = gate / (1.0f + lane_exp(-gate)) * t.by[i];
    }
}

static __global__ void __launch_bounds__(THREADS) divide_columns(const __grid_constant__ gpu_rows t)
{
    EACH(i, t.rows * t.cols)
        t.y[i] = t.x[i] / t.by[i % t.cols];
}

static __global__ void __launch_bounds__(THREADS) drop_columns(const __grid_constant__ gpu_rows t)
{
    EACH(i, t.rows * t.cols)
        t.y[i] = t.kept[i % t.cols] ? 0 : t.x[i];
}

static __global__ void __launch_bounds__(THREADS) keep_columns(const __grid_constant__ gpu_rows t)
{
    EACH(i, t.rows * t.cols)
        if (t.kept[i % t.cols])
            t.y[i] = half_value(half_bits(t.x[i]));
}

/* ---- Rows with sums -------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS) norm_rows(const __grid_constant__ gpu_rows t)
{
    const size_t lane = threadIdx.x % LANES, row = blockIdx.x * (size_t)(THREADS / LANES) + threadIdx.x / LANES;
    const size_t n = row < t.rows ? t.cols : 0;     /* threads without a row still add with their warp */
    const float *x = t.x + row * t.cols;
    float sum = 0;
    for (size_t i = lane; i < n; i += LANES)
        sum += x[i] * x[i];
    float factor = 1.0f / sqrtf(lanes_sum(sum) / (float)t.cols + t.eps);
    for (size_t i = lane; i < n; i += LANES)
        t.y[row * t.cols + i] = x[i] * factor * t.by[i];
}

/* A block takes a row: butterflies between blocks of signs, then each block times the signs, then the unit, in the
 * order of hadamard.c. room holds the row twice. */
static __global__ void __launch_bounds__(THREADS) hadamard_rows(const __grid_constant__ gpu_rows t, float unit)
{
    extern __shared__ float room[];
    const size_t n = t.cols, side = t.block;
    float *x = room, *made = side > 1 ? room + n : room;
    for (size_t i = threadIdx.x; i < n; i += THREADS)
        x[i] = t.x[blockIdx.x * n + i];
    for (size_t half = side; half < n; half *= 2) {
        __syncthreads();
        for (size_t i = threadIdx.x; i < n / 2; i += THREADS) {
            size_t at = i / half * 2 * half + i % half;
            float a = x[at], b = x[at + half];
            x[at] = a + b;
            x[at + half] = a - b;
        }
    }
    __syncthreads();
    for (size_t i = threadIdx.x; side > 1 && i < n; i += THREADS) {
        size_t first = i / side * side;
        double sum = 0;
        for (size_t j = 0; j < side; j++)
            sum += (double)x[first + j] * t.signs[j * side + i % side];
        made[i] = (float)sum;
    }
    for (size_t i = threadIdx.x; i < n; i += THREADS)   /* what this thread itself has made */
        t.y[blockIdx.x * n + i] = made[i] * unit;
}

/* ---- Launches -------------------------------------------------------------------------------------- */

#define LAUNCH(name, blocks) \
    static enum kernel_status launch_##name(struct gpu *g, const void *work) \
    { \
        const gpu_rows *t = (const gpu_rows *)work; \
        if (t->rows * t->cols == 0) \
            return KERNEL_OK; \
        name<<<blocks, THREADS, 0, g->stream>>>(*t); \
        return gpu_launched(g, #name); \
    }

LAUNCH(gather_rows, blocks_for(g, t))
LAUNCH(rotate_heads, blocks_for(g, t))
LAUNCH(swiglu_rows, blocks_for(g, t))
LAUNCH(divide_columns, blocks_for(g, t))
LAUNCH(drop_columns, blocks_for(g, t))
LAUNCH(keep_columns, blocks_for(g, t))
LAUNCH(norm_rows, (unsigned)((t->rows * LANES + THREADS - 1) / THREADS))

static enum kernel_status launch_hadamard(struct gpu *g, const void *work)
{
    const gpu_rows *t = (const gpu_rows *)work;
    size_t bytes = (t->block > 1 ? 2 : 1) * t->cols * sizeof(float);
    int most = 0;
    if (t->rows * t->cols == 0)
        return KERNEL_OK;
    enum kernel_status status = gpu_check(g, cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                          g->about.index), "ask a GPU for its shared memory");
    if (status == KERNEL_OK && bytes > (size_t)most)
        status = gpu_refuse(KERNEL_NO_KERNEL, "the GPU cannot rotate rows of %zu values", t->cols);
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaFuncSetAttribute(hadamard_rows, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           (int)bytes), "reserve shared memory");
    if (status != KERNEL_OK)
        return status;
    hadamard_rows<<<(unsigned)t->rows, THREADS, bytes, g->stream>>>(*t, (float)(1 / sqrt((double)t->cols)));
    return gpu_launched(g, "hadamard_rows");
}

#define ROW(op, launch, function) {op, NULL, NULL, 80, 0, launch, function, "kernels/gpu_rows.cu"}

const struct gpu_kernel gpu_rows_rows[] = {
    ROW(GPU_GATHER, launch_gather_rows, "gather_rows"),
    ROW(GPU_NORM, launch_norm_rows, "norm_rows"),
    ROW(GPU_ROTATE, launch_rotate_heads, "rotate_heads"),
    ROW(GPU_SWIGLU, launch_swiglu_rows, "swiglu_rows"),
    ROW(GPU_DIVIDE, launch_divide_columns, "divide_columns"),
    ROW(GPU_HADAMARD, launch_hadamard, "hadamard_rows"),
    ROW(GPU_DROP, launch_drop_columns, "drop_columns"),
    ROW(GPU_KEEP, launch_keep_columns, "keep_columns"),
    {},
};
