/* gpu_causal.cu: causal attention of a forward pass in FP32, scores, softmax and values in one kernel.
 * A block takes up to 16 queries of one head. Keys, then values, pass through shared memory 64 at a time; the scores
 * of each query stay there whole, since its softmax has the bits of rowops.h: an online softmax would sum otherwise.
 * Sixteen threads serve a query: a score or an output of a head is one thread's sum, in order. */
#include <math.h>

#include "kernels/gpu_forward.h"
#include "kernels/gpu_module.cuh"
#include "kernels/gpu_rows.cuh"

enum { THREADS = 256, QUERIES = THREADS / LANES, KEYS = 64, HEAD_MOST = 256 };

struct place {
    gpu_causal t;
    int   queries;                  /* of a block, at most QUERIES */
    int   row;                      /* floats from one query's scores to the next's */
    float scale;
};

/* Rows first to first + count - 1 of one head, from a matrix whose rows are `stride` apart; KEYS rows, zeros behind. */
static __device__ void take_rows(const float *x, size_t stride, size_t count, int head, float *to)
{
    for (int r = threadIdx.x / 32; r < KEYS; r += THREADS / 32)
        for (int d = threadIdx.x % 32; d < head; d += 32)
            to[r * (head + 1) + d] = (size_t)r < count ? x[r * stride + d] : 0;
}

/* This thread's keys of a chunk: lane, lane + 16, ... */
static __device__ void score_chunk(const float *q, const float *keys, int head, size_t first, size_t end, float *scores)
{
    const int lane = threadIdx.x % LANES;
    float sum[KEYS / LANES] = {};
    for (int d = 0; d < head; d++)
#pragma unroll
        for (int j = 0; j < KEYS / LANES; j++)
            sum[j] = __fmaf_rn(q[d], keys[(lane + j * LANES) * (head + 1) + d], sum[j]);
#pragma unroll
    for (int j = 0; j < KEYS / LANES; j++)
        if (first + lane + j * LANES < end)
            scores[first + lane + j * LANES] = sum[j];
}

/* softmax of rowops.h on scores[0..n); n 0: nothing. */
static __device__ void soften(float *scores, size_t n, float scale)
{
    float most = n ? scores[0] : 0, sum = 0;
    for (size_t i = threadIdx.x % LANES; i < n; i += LANES)
        most = most < scores[i] ? scores[i] : most;
    most = lanes_largest(most);
    for (size_t i = threadIdx.x % LANES; i < n; i += LANES) {
        float power = lane_exp((scores[i] - most) * scale);
        sum += power;
        scores[i] = power;
    }
    float factor = 1.0f / lanes_sum(sum);
    for (size_t i = threadIdx.x % LANES; i < n; i += LANES)
        scores[i] *= factor;
}

/* PARTS: outputs of a thread, head / 16 rounded up. */
template <int PARTS>
static __global__ void __launch_bounds__(THREADS) causal_windows(const __grid_constant__ place p)
{
    extern __shared__ float room[];
    const gpu_causal &t = p.t;
    const int head = t.head, mine = threadIdx.x / LANES, lane = threadIdx.x % LANES;
    const size_t window = blockIdx.z * t.context, first = blockIdx.x * (size_t)p.queries;
    const size_t length = t.tokens - window < t.context ? t.tokens - window : t.context;
    if (first >= length)
        return;
    const size_t count = length - first < (size_t)p.queries ? length - first : p.queries, all = first + count;
    const size_t n = (size_t)mine < count ? first + mine + 1 : 0;      /* keys that my query looks at */
    const size_t stride = (size_t)t.kv_heads * head;
    const size_t from = window * stride + blockIdx.y / (t.heads / t.kv_heads) * (size_t)head;
    float *chunk = room, *q = room + KEYS * (head + 1), *scores = q + QUERIES * (head + 1) + mine * (size_t)p.row;
    const float *query = t.q + ((window + first) * t.heads + blockIdx.y) * (size_t)head;
    for (int r = threadIdx.x / 32; r < (int)count; r += THREADS / 32)
        for (int d = threadIdx.x % 32; d < head; d += 32)
            q[r * (head + 1) + d] = query[(size_t)r * t.heads * head + d];
    for (size_t at = 0; at < all; at += KEYS) {
        __syncthreads();
        take_rows(t.k + from + at * stride, stride, all - at, head, chunk);
        __syncthreads();
        if (at < n)
            score_chunk(q + mine * (head + 1), chunk, head, at, n, scores);
    }
    __syncwarp();
    soften(scores, n, p.scale);
    float sum[PARTS] = {};
    for (size_t at = 0; at < all; at += KEYS) {
        __syncthreads();
        take_rows(t.v + from + at * stride, stride, all - at, head, chunk);
        __syncthreads();
        for (size_t i = at; i < n && i < at + KEYS; i++)
#pragma unroll
            for (int j = 0; j < PARTS; j++)
                if (lane + j * LANES < head)
                    sum[j] = __fmaf_rn(scores[i], chunk[(i - at) * (head + 1) + lane + j * LANES], sum[j]);
    }
    float *out = t.out + ((window + first + mine) * t.heads + blockIdx.y) * (size_t)head;
#pragma unroll
    for (int j = 0; j < PARTS; j++)
        if (n && lane + j * LANES < head)
            out[lane + j * LANES] = sum[j];
}

typedef void causal_fn(place p);

static causal_fn *kernel_for(int head)
{
    return head <= 64 ? causal_windows<4> : head <= 128 ? causal_windows<8> : causal_windows<16>;
}

static enum kernel_status launch_causal(struct gpu *g, const void *work)
{
    const gpu_causal *t = (const gpu_causal *)work;
    int most = 0;
    if (t->tokens == 0 || t->context == 0)
        return KERNEL_OK;
    if (t->head < 1 || t->head > HEAD_MOST || t->kv_heads < 1 || t->heads % t->kv_heads)
        return gpu_refuse(KERNEL_NO_KERNEL, "attention on the GPU takes heads of 1 to %d values", HEAD_MOST);
    enum kernel_status status = gpu_check(g, cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                          g->about.index), "ask a GPU for its shared memory");
    size_t windows = (t->tokens + t->context - 1) / t->context;
    size_t context = t->context < t->tokens ? t->context : t->tokens;
    place p = {*t, QUERIES, (int)((context + LANES - 1) / LANES * LANES + 1), 1.0f / sqrtf((float)t->head)};
    size_t fixed = (KEYS + QUERIES) * (size_t)(t->head + 1) * sizeof(float), bytes;
    while ((bytes = fixed + (size_t)p.queries * p.row * sizeof(float)) > (size_t)most && p.queries > 1)
        p.queries /= 2;
    if (status != KERNEL_OK)
        return status;
    if (bytes > (size_t)most || windows > 65535 || t->heads > 65535)
        return gpu_refuse(KERNEL_NO_KERNEL, "attention on the GPU cannot hold windows of %zu tokens", context);
    causal_fn *run = kernel_for(t->head);
    status = gpu_check(g, cudaFuncSetAttribute(run, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
                       "reserve shared memory");
    if (status != KERNEL_OK)
        return status;
    dim3 grid((unsigned)((context + p.queries - 1) / p.queries), (unsigned)t->heads, (unsigned)windows);
    run<<<grid, THREADS, bytes, g->stream>>>(p);
    return gpu_launched(g, "causal_windows");
}

const struct gpu_kernel gpu_causal_rows[] = {
    {GPU_CAUSAL, NULL, NULL, 80, 0, launch_causal, "causal_windows", "kernels/gpu_causal.cu"},
    {},
};
