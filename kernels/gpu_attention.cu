/* gpu_attention.cu: one query against a long cache: decode attention, bound by reading K and V once.
 * All blocks of 32 tokens of all sequences and KV heads are cut into equal runs, some for each processor. The warps of
 * a thread block take turns at steps of a run; each has its own ring of copies in shared memory, its own maximum and
 * sums. Scores come transposed, S' = K q' and O' = V' P', so that the heads of a group, at most eight, fill the short
 * side of a tensor-core instruction. A second kernel joins the runs of a KV head in order: the result never varies. */
#include "kernels/gpu_attention.h"

#include "kernels/gpu_attend.cuh"
#include "kernels/gpu_module.cuh"

struct attention {
    const uint8_t *k, *v;
    const float *k_scale, *v_scale;
    const uint8_t *k_group, *v_group;
    const int *lengths, *starts;
    const __nv_bfloat16 *q;
    float *out, *sums;          /* sums: [slots, 8, head_dim], not divided */
    float2 *softmax;            /* [slots, 8]: maximum, sum */
    float scale;                /* times log2 e */
    int sequences, kv_heads, heads, group, tiles, units;
    size_t capacity;
};

/* ---- Which tokens a thread block takes ------------------------------------------------------------- */

/* Run v of the work, in units of 32 tokens of one KV head and tile of heads. */
static __device__ __forceinline__ int run_first(const struct attention &p, int v, int runs)
{
    return (int)((long long)p.units * v / runs);
}

/* The run that holds unit u. */
static __device__ __forceinline__ int run_of(const struct attention &p, int u, int runs)
{
    int v = (int)((long long)u * runs / p.units);
    while (run_first(p, v, runs) > u)
        v--;
    while (run_first(p, v + 1, runs) <= u)
        v++;
    return v;
}

/* ---- One thread block ------------------------------------------------------------------------------ */

/* The warps' sums to one, in shared memory that the rings no longer need, and out to a slot. */
template <enum kv F, int HD, int WARPS>
static __device__ void join_warps(const struct attention &p, struct sums<HD> &w, float *meet, int slot, float v_scale)
{
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    if (kv_traits<F>::PARTS == 2)
#pragma unroll
        for (int i = 0; i < HD / 16; i++)           /* 32 channels are two tiles; row i / 2 is of lanes 4 (i / 2) + t */
#pragma unroll
            for (int j = 0; j < 4; j++)
                w.o[i][j] += __shfl_sync(~0u, w.least[j % 2], i / 2 * 4 + t);
    constexpr int STEP = HD + shape<F, HD, WARPS, 1, 2>::PAD;
    float *o = meet + warp * 8 * STEP, *most = meet + WARPS * 8 * STEP, *sum = most + WARPS * 8;
#pragma unroll
    for (int j = 0; j < 2; j++)
#pragma unroll
        for (int lanes = 4; lanes < 32; lanes *= 2)
            w.sum[j] += __shfl_xor_sync(~0u, w.sum[j], lanes);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < HD / 16; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            o[(2 * t + j % 2) * STEP + output_of<kv_traits<F>::BITS>(i, g, j / 2)] = w.o[i][j];
    if (g == 0)
        for (int j = 0; j < 2; j++)
            most[warp * 8 + 2 * t + j] = w.most[j], sum[warp * 8 + 2 * t + j] = w.sum[j];
    __syncthreads();
    for (int i = threadIdx.x; i < p.group * HD; i += WARPS * 32) {
        const int head = i / HD;
        float top = -INFINITY, total = 0, all = 0;
        for (int x = 0; x < WARPS; x++)
            top = fmaxf(top, most[x * 8 + head]);
        for (int x = 0; x < WARPS; x++) {
            float share = most[x * 8 + head] == -INFINITY ? 0 : power_of_two(most[x * 8 + head] - top);
            total = fmaf(share, sum[x * 8 + head], total);
            all = fmaf(share, meet[(x * 8 + head) * STEP + i % HD], all);
        }
        p.sums[(size_t)slot * 8 * HD + i] = all * v_scale;
        if (i % HD == 0)
            p.softmax[slot * 8 + head] = make_float2(top, total);
    }
    __syncthreads();
}

/* What a thread block does: its run of the work, KV head after KV head. */
template <enum kv F, int HD, int WARPS, int DEPTH, int SUB>
static __device__ __forceinline__ void attend_run(const struct attention &p)
{
    using S = shape<F, HD, WARPS, DEPTH, SUB>;
    extern __shared__ __align__(128) uint8_t shared[];
    const int g = threadIdx.x % 32 / 4, pairs = p.kv_heads * p.tiles, runs = (int)gridDim.x;
    const int end = run_first(p, (int)blockIdx.x + 1, runs);
    int sequence = 0;
    for (int u = run_first(p, (int)blockIdx.x, runs); u < end;) {
        while (p.starts[sequence + 1] * pairs <= u)
            sequence++;
        const int blocks = p.starts[sequence + 1] - p.starts[sequence], from = u - p.starts[sequence] * pairs;
        const int pair = from / blocks, block = from % blocks, kv_head = pair / p.tiles, tile = pair % p.tiles;
        const int stop = min(blocks, block + end - u), length = p.lengths[sequence];
        const size_t head = (size_t)sequence * p.kv_heads + kv_head, all = head * p.capacity;
        const int whole = p.heads / p.kv_heads, query = kv_head * whole + tile * 8 + g;
        const bool there = g < p.group && tile * 8 + g < whole;
        const float left = p.scale * (F == KV_E4M3 ? p.k_scale[kv_head] * neighbors_e4m3::factor : 1);
        struct sums<HD> w = {{-INFINITY, -INFINITY}, {0, 0}, {}, {}};
        attend<F, HD, WARPS, DEPTH, SUB>(p.k + all * S::ROW, p.v + all * S::ROW, p.k_group + all / 32 * S::GROUP,
                                         p.v_group + all / 32 * S::GROUP, block * 32, min(stop * 32, length),
                                         there ? p.q + ((size_t)sequence * p.heads + query) * HD : NULL, left,
                                         shared_address(shared), w);
        join_warps<F, HD, WARPS>(p, w, (float *)shared, (int)blockIdx.x + sequence * pairs + pair,
                                 F == KV_E4M3 ? p.v_scale[kv_head] * neighbors_e4m3::factor : 1);
        u += stop - block;
    }
}

template <enum kv F, int HD, int WARPS, int DEPTH, int SUB, int BLOCKS, bool SMALL>
static __global__ void __launch_bounds__(WARPS * 32, BLOCKS)
attention_kernel(const __grid_constant__ struct attention p)
{
    grid_follows();
    if constexpr (gpu_built<SMALL>::here)
        attend_run<F, HD, WARPS, DEPTH, SUB>(p);
}

/* ---- The runs of a KV head to its outputs ---------------------------------------------------------- */

enum { JOINERS = 4 };           /* threads that share a channel's runs */

/* A thread block is a pair of sequence and KV head (and tile of heads) and one of its heads; a thread, a channel and
 * every fourth of its runs. */
template <int HD>
static __global__ void __launch_bounds__(HD * JOINERS)
join_runs(const __grid_constant__ struct attention p, int runs)
{
    __shared__ float total_of[JOINERS], all_of[JOINERS][HD];
    grid_follows();
    const int pairs = p.kv_heads * p.tiles, index = (int)blockIdx.x, sequence = index / pairs, pair = index % pairs;
    const int head = (int)blockIdx.y, whole = p.heads / p.kv_heads, in_group = pair % p.tiles * 8 + head;
    const int blocks = p.starts[sequence + 1] - p.starts[sequence], channel = threadIdx.x % HD;
    const int joiner = threadIdx.x / HD;
    if (in_group >= whole)
        return;
    float total = 0, all = 0;
    if (blocks > 0) {
        const int u = p.starts[sequence] * pairs + pair * blocks;
        const int first = run_of(p, u, runs), last = run_of(p, u + blocks - 1, runs);
        float top = -INFINITY;
        for (int v = first + (int)threadIdx.x % 32; v <= last; v += 32)
            top = fmaxf(top, p.softmax[(v + index) * 8 + head].x);
        for (int lanes = 1; lanes < 32; lanes *= 2)
            top = fmaxf(top, __shfl_xor_sync(~0u, top, lanes));
#pragma unroll 8
        for (int v = first + joiner; v <= last; v += JOINERS) {
            float2 part = p.softmax[(v + index) * 8 + head];
            float share = power_of_two(part.x - top);
            total = fmaf(share, part.y, total);
            all = fmaf(share, p.sums[((size_t)(v + index) * 8 + head) * HD + channel], all);
        }
    }
    all_of[joiner][channel] = all;
    if (channel == 0)
        total_of[joiner] = total;
    __syncthreads();
    if (joiner > 0)
        return;
    for (int i = 1; i < JOINERS; i++)
        total += total_of[i], all += all_of[i][channel];
    const size_t row = (size_t)sequence * p.heads + pair / p.tiles * whole + in_group;
    p.out[row * HD + channel] = total > 0 ? all / total : 0;
}

/* ---- Launching ------------------------------------------------------------------------------------- */

template <enum kv F, int HD, int WARPS, int DEPTH, int SUB, int BLOCKS, int WAVES, bool SMALL>
static enum kernel_status run_attention(struct gpu *g, const struct gpu_attention *a)
{
    using S = shape<F, HD, WARPS, DEPTH, SUB>;
    const struct gpu_cache *c = &a->cache;
    struct attention p = {};
    int whole = a->heads / c->kv_heads;
    p.k = (const uint8_t *)c->k, p.v = (const uint8_t *)c->v;
    p.k_scale = c->k_scale, p.v_scale = c->v_scale;
    p.k_group = (const uint8_t *)c->k_group, p.v_group = (const uint8_t *)c->v_group;
    p.lengths = a->lengths, p.starts = a->starts;
    p.q = (const __nv_bfloat16 *)a->q;
    p.out = a->out;
    p.scale = a->scale * 1.44269504f;
    p.sequences = c->sequences, p.kv_heads = c->kv_heads, p.heads = a->heads;
    p.group = whole < 8 ? whole : 8;
    p.tiles = (whole + 7) / 8;
    p.units = a->blocks * c->kv_heads * p.tiles;
    p.capacity = c->capacity;
    const int most = BLOCKS * WAVES * g->about.processors, slots = most + (int)gpu_attention_pairs(a);
    p.sums = (float *)a->scratch;
    p.softmax = (float2 *)(p.sums + (size_t)slots * 8 * HD);
    auto kernel = attention_kernel<F, HD, WARPS, DEPTH, SUB, BLOCKS, SMALL>;
    static_assert(BLOCKS * WAVES <= GPU_ATTENTION_RUNS, "gpu_attention_scratch");
    enum kernel_status status = gpu_check(g, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                                  S::SHARED), "set up attention");
    if (status != KERNEL_OK)
        return status;
    int runs = p.units < most ? p.units : most;
    const dim3 joins((unsigned)gpu_attention_pairs(a), (unsigned)p.group);
    if (runs > 0)
        status = gpu_follow(g, kernel, dim3((unsigned)runs), WARPS * 32, S::SHARED, "attention_kernel", p);
    if (status == KERNEL_OK)
        status = gpu_follow(g, join_runs<HD>, joins, HD * JOINERS, 0, "join_runs", p, runs);
    return status;
}

/* How many warps a block has, and how many steps the ring of each. At head_dim 256, measured on an H200: what must be
 * unpacked is faster with more warps, BF16 with a deeper ring, and int4 with registers enough. Small blocks have four
 * warps. */
template <enum kv F, int HD, int DEPTH>
static enum kernel_status choose_attention(struct gpu *g, const struct gpu_attention *a)
{
    constexpr int SUB = F == KV_BF16 ? 1 : 2;
    constexpr bool WIDE = HD == 256;
    constexpr int WARPS = !WIDE || F == KV_INT4 ? 8 : F == KV_BF16 ? 7 : 12;
    return gpu_small(g) ? run_attention<F, HD, 4, DEPTH, SUB, 1, 1, true>(g, a)
                        : run_attention<F, HD, WARPS, WIDE && F == KV_BF16 ? 2 : DEPTH, SUB, 1, 1, false>(g, a);
}

template <enum kv F>
static enum kernel_status launch_attention(struct gpu *g, const void *work)
{
    const struct gpu_attention *a = (const struct gpu_attention *)work;
    const struct gpu_cache *c = &a->cache;
    if (c->kv_heads < 1 || a->heads < c->kv_heads || a->heads % c->kv_heads || c->capacity % 32)
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot attend with %d heads over %d KV heads", a->heads, c->kv_heads);
    if (c->sequences == 0)
        return KERNEL_OK;
    switch (c->head_dim) {
    case 64:
        return choose_attention<F, 64, 4>(g, a);
    case 128:
        return choose_attention<F, 128, 2>(g, a);
    case 256:
        return choose_attention<F, 256, 1>(g, a);
    }
    return gpu_refuse(KERNEL_BAD_SHAPE, "cannot attend with heads of %d: 64, 128 or 256", c->head_dim);
}

#define ROW(format, F, bound) \
    {GPU_ATTENTION, format, "bf16", 80, bound, launch_attention<F>, "attention_kernel", "kernels/gpu_attention.cu"}

/* The weights of V round to BF16 or FP16; so do dequantized values of int8 and int4. */
const struct gpu_kernel gpu_attention_rows[] = {
    ROW("bf16", KV_BF16, 4e-3f),
    ROW("e4m3", KV_E4M3, 1e-3f),
    ROW("int8", KV_INT8, 1e-3f),
    ROW("int4", KV_INT4, 1e-3f),
    {},
};
