/* gpu_prefill.cu: attention of a whole prompt: bound by arithmetic, done by tensor cores.
 * A thread block is 128 queries of one head; its eight warps hold 16 rows each, their sums in registers. K and V pass
 * through shared memory 64 or 128 tokens at a time, the next K on its way while the weights meet V. Codes are copied as
 * they are and widened to FP16 once in each block, so that the loop over them is the same for every format. */
#include "kernels/gpu_attention.h"

#include <math.h>

#include "kernels/gpu_module.cuh"
#include "kernels/gpu_words.cuh"

enum kv { KV_BF16, KV_E4M3, KV_INT8, KV_INT4 };

template <enum kv F> struct kv_traits;
template <> struct kv_traits<KV_BF16> { enum { BITS = 16, PARTS = 0 }; using pair = pair_bf16; };
template <> struct kv_traits<KV_E4M3> { enum { BITS = 8, PARTS = 0 }; using pair = pair_fp16; };
template <> struct kv_traits<KV_INT8> { enum { BITS = 8, PARTS = 1 }; using pair = pair_fp16; };
template <> struct kv_traits<KV_INT4> { enum { BITS = 4, PARTS = 2 }; using pair = pair_fp16; };

struct prefill {
    const uint8_t *k, *v;
    const float *k_scale, *v_scale;
    const __half *k_group, *v_group;
    const int *lengths;
    const __nv_bfloat16 *q;
    __nv_bfloat16 *out;
    float scale;                /* times log2 e */
    int kv_heads, heads, queries;
    size_t capacity;
};

template <enum kv F, int HD, bool SMALL>
struct shape {
    enum {
        ROWS = SMALL ? 64 : 128,            /* queries of a thread block, 16 a warp */
        THREADS = ROWS * 2,
        BITS = kv_traits<F>::BITS,
        PARTS = kv_traits<F>::PARTS,
        TOKENS = (HD == 256 ? 64 : 128) / (SMALL ? 2 : 1),      /* of a tile of K and V */
        WIDE = HD * 2,                      /* bytes of a token in a tile */
        ROW = HD * BITS / 8,                /* in the cache */
        Q = 0,
        K = Q + ROWS * WIDE,
        V = K + TOKENS * WIDE,
        CODES = V + TOKENS * WIDE,          /* where K and V land as codes */
        CODE_BYTES = F == KV_BF16 ? 0 : TOKENS * ROW,
        SHARED = CODES + 2 * CODE_BYTES,
    };
};

/* Chunk c of 16 bytes of row r, in rows of WIDE bytes: eight rows of one chunk are free of bank conflicts. */
template <int WIDE>
static __device__ __forceinline__ int place(int r, int c)
{
    return r * WIDE + (c ^ (r & 7)) * 16;
}

static __device__ __forceinline__ void load_matrices(uint32_t v[4], uint32_t from)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(from)
                 : "memory");
}

static __device__ __forceinline__ void store_shared_16(uint32_t to, const uint32_t v[4])
{
    asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3])
                 : "memory");
}

/* A tile of K or V from the cache: 16-bit formats to their place, codes in order. Tokens from `valid` on become zeros:
 * they may never have been written. */
template <class S, bool DIRECT>
static __device__ __forceinline__ void fetch(uint32_t to, const uint8_t *from, int valid)
{
    constexpr int CHUNKS = S::ROW / 16;
#pragma unroll
    for (int i = 0; i < S::TOKENS * CHUNKS / S::THREADS; i++) {
        int piece = i * S::THREADS + threadIdx.x, r = piece / CHUNKS, c = piece % CHUNKS;
        uint32_t at = to + (DIRECT ? place<S::WIDE>(r, c) : piece * 16);
        asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(at), "l"(from + (size_t)piece * 16),
                     "r"(r < valid ? 16 : 0) : "memory");
    }
    copies_commit();
}

/* Four codes in order to two pairs. */
template <enum kv F>
static __device__ __forceinline__ void widen_word(uint32_t w, uint32_t *v)
{
    if constexpr (F == KV_INT4) {
        uint32_t d[4];
        words<pair_fp16, CODES_INT4>::decode(w, d);          /* nibbles r and r + 4, less 8 */
#pragma unroll
        for (int i = 0; i < 2; i++) {
            v[i] = pair_fp16::sub(__byte_perm(d[2 * i], d[2 * i + 1], 0x5410), 0xc800c800u);
            v[2 + i] = pair_fp16::sub(__byte_perm(d[2 * i], d[2 * i + 1], 0x7632), 0xc800c800u);
        }
    } else {
        uint32_t d[2];
        words<pair_fp16, F == KV_E4M3 ? CODES_E4M3 : CODES_INT8>::decode(w, d);
        v[0] = __byte_perm(d[0], d[1], 0x5410);
        v[1] = __byte_perm(d[0], d[1], 0x7632);
    }
}

static __device__ __forceinline__ uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c)
{
    __half2 v = __hfma2(*(__half2 *)&a, *(__half2 *)&b, *(__half2 *)&c);
    return *(uint32_t *)&v;
}

/* A tile of codes to a tile of FP16, scales applied where they are not of a whole head. `token` is its first one, of
 * the cache of this head; behind `valid` there are zeros. */
template <enum kv F, int HD, bool SMALL, bool IS_V>
static __device__ __forceinline__ void widen(uint32_t to, uint32_t from, const __half *group, int token, int valid)
{
    using S = shape<F, HD, SMALL>;
    constexpr int CHUNKS = S::ROW / 16, PAIRS = 16 * 8 / S::BITS / 2;
#pragma unroll
    for (int i = 0; i < S::TOKENS * CHUNKS / S::THREADS; i++) {
        const int piece = i * S::THREADS + threadIdx.x, r = piece / CHUNKS, c = piece % CHUNKS;
        const uint4 w = load_shared_16(from + piece * 16);
        uint32_t v[PAIRS];
        widen_word<F>(w.x, v), widen_word<F>(w.y, v + PAIRS / 4);
        widen_word<F>(w.z, v + PAIRS / 2), widen_word<F>(w.w, v + PAIRS / 4 * 3);
        if constexpr (S::PARTS > 0) {
            const __half *block = group + (size_t)((token + r) / 32) * S::PARTS * HD;
            if constexpr (IS_V) {
                const __half *at = block + c * (2 * PAIRS) / 32 * 32 + (token + r) % 32;
                __half2 scale = r < valid ? __half2half2(at[0]) : __half2(), least = {};
                if (S::PARTS == 2 && r < valid)
                    least = __half2half2(at[HD]);
#pragma unroll
                for (int j = 0; j < PAIRS; j++)
                    v[j] = multiply_add(v[j], *(uint32_t *)&scale, *(uint32_t *)&least);
            } else if (r < valid) {
                const uint32_t *scale = (const uint32_t *)(block + c * (2 * PAIRS)), *least = scale + HD / 2;
#pragma unroll
                for (int j = 0; j < PAIRS; j++)
                    v[j] = multiply_add(v[j], scale[j], S::PARTS == 2 ? least[j] : 0);
            }
        }
#pragma unroll
        for (int j = 0; j < PAIRS / 4; j++)
            store_shared_16(to + place<S::WIDE>(r, c * (PAIRS / 4) + j), v + 4 * j);
    }
}

/* The queries of the block to shared memory; FP16 wants each scaled by a power of two to below 2, which row_scale
 * undoes. Rows that are not there are zeros. Two threads a row. */
template <enum kv F, int HD>
static __device__ __forceinline__ void load_queries(uint32_t to, const __nv_bfloat16 *q, size_t step, int rows,
                                                    float *row_scale)
{
    const int r = threadIdx.x / 2, half = threadIdx.x % 2;
    const uint4 *row = (const uint4 *)(q + (size_t)r * step) + half * (HD / 16);
    float most = 0, times = 1;
    if (F != KV_BF16) {
        for (int i = 0; i < HD / 16; i++) {
            uint4 v = r < rows ? row[i] : uint4{};
            uint32_t w[4] = {v.x, v.y, v.z, v.w};
            for (int j = 0; j < 4; j++)
                most = fmaxf(most, fmaxf(fabsf(pair_bf16::low(w[j])), fabsf(pair_bf16::high(w[j]))));
        }
        most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
        int e = most > 0 && most < INFINITY ? max(ilogbf(most), -100) : 0;
        times = exp2f((float)-e);
        if (half == 0)
            row_scale[r] = exp2f((float)e);
    }
    for (int i = 0; i < HD / 16; i++) {
        uint4 v = r < rows ? row[i] : uint4{};
        uint32_t w[4] = {v.x, v.y, v.z, v.w};
        if (F != KV_BF16)
            for (int j = 0; j < 4; j++)
                w[j] = pair_fp16::make(pair_bf16::low(w[j]) * times, pair_bf16::high(w[j]) * times);
        store_shared_16(to + place<HD * 2>(r, half * (HD / 16) + i), w);
    }
}

/* What a warp has of its rows g and g + 8. */
template <int HD>
struct sums {
    float most[2], sum[2], o[HD / 8][4];
};

/* S = Q K': the warp's 16 rows, all tokens of the tile. */
template <enum kv F, int HD, bool SMALL>
static __device__ __forceinline__ void scores(uint32_t q, uint32_t k, int lane,
                                              float s[shape<F, HD, SMALL>::TOKENS / 8][4])
{
    using S = shape<F, HD, SMALL>;
    const int row = threadIdx.x / 32 * 16 + lane % 16, token = lane / 16 * 8 + lane % 8, odd = lane / 8 % 2;
#pragma unroll
    for (int m = 0; m < HD / 16; m++) {
        uint32_t a[4];
        load_matrices(a, q + place<S::WIDE>(row, 2 * m + lane / 16));
#pragma unroll
        for (int n = 0; n < S::TOKENS / 16; n++) {
            uint32_t b[4];
            load_matrices(b, k + place<S::WIDE>(16 * n + token, 2 * m + odd));
            kv_traits<F>::pair::mma(s[2 * n], a, b[0], b[1]);
            kv_traits<F>::pair::mma(s[2 * n + 1], a, b[2], b[3]);
        }
    }
}

/* O += P V, P taken from the scores' own registers. */
template <enum kv F, int HD, bool SMALL>
static __device__ __forceinline__ void weigh(uint32_t v, int lane, const float s[shape<F, HD, SMALL>::TOKENS / 8][4],
                                             struct sums<HD> &w)
{
    using S = shape<F, HD, SMALL>;
    using pair = typename kv_traits<F>::pair;
#pragma unroll
    for (int n = 0; n < S::TOKENS / 16; n++) {
        uint32_t a[4] = {pair::make(s[2 * n][0], s[2 * n][1]), pair::make(s[2 * n][2], s[2 * n][3]),
                         pair::make(s[2 * n + 1][0], s[2 * n + 1][1]), pair::make(s[2 * n + 1][2], s[2 * n + 1][3])};
#pragma unroll
        for (int d = 0; d < HD / 16; d++) {
            uint32_t b[4];
            load_transposed(b, v + place<S::WIDE>(16 * n + lane % 16, 2 * d + lane / 16));
            pair::mma(w.o[2 * d], a, b[0], b[1]);
            pair::mma(w.o[2 * d + 1], a, b[2], b[3]);
        }
    }
}

/* Scores to weights. Row g may see tokens below limit[0] of the tile, row g + 8 below limit[1]. */
template <int HD, int N>
static __device__ __forceinline__ void soften(struct sums<HD> &w, float s[N][4], const float scale[2],
                                              const int limit[2], bool masked, int t)
{
    float most[2] = {-INFINITY, -INFINITY}, shrink[2];
    if (masked)
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (8 * n + 2 * t + i % 2 >= limit[i / 2])
                    s[n][i] = -INFINITY;
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            most[i / 2] = fmaxf(most[i / 2], s[n][i]);
#pragma unroll
    for (int h = 0; h < 2; h++) {
        most[h] = fmaxf(most[h], __shfl_xor_sync(~0u, most[h], 1));
        most[h] = fmaxf(most[h], __shfl_xor_sync(~0u, most[h], 2));
        most[h] = most[h] == -INFINITY ? -1e30f : most[h] * scale[h];   /* a row that sees nothing of this tile */
        most[h] = fmaxf(most[h], w.most[h]);
        shrink[h] = power_of_two(w.most[h] - most[h]);
        w.most[h] = most[h];
    }
    if (__any_sync(~0u, shrink[0] != 1 || shrink[1] != 1)) {
#pragma unroll
        for (int d = 0; d < HD / 8; d++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                w.o[d][i] *= shrink[i / 2];
        w.sum[0] *= shrink[0], w.sum[1] *= shrink[1];
    }
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            s[n][i] = power_of_two(fmaf(s[n][i], scale[i / 2], -most[i / 2]));
            w.sum[i / 2] += s[n][i];
        }
}

/* The rows of the warp, divided, through shared memory that held its queries, so that stores are of 16 bytes. */
template <int HD>
static __device__ __forceinline__ void store_rows(const struct sums<HD> &w, float v_scale, uint32_t stage, int lane,
                                                  __nv_bfloat16 *out, size_t step, int rows)
{
    const int warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float sum = w.sum[h];
        sum += __shfl_xor_sync(~0u, sum, 1);
        sum += __shfl_xor_sync(~0u, sum, 2);
        const float times = sum > 0 ? v_scale / sum : 0;
#pragma unroll
        for (int d = 0; d < HD / 8; d++)
            asm volatile("st.shared.u32 [%0], %1;" ::"r"(stage + place<HD * 2>(warp * 16 + g + 8 * h, d) + t * 4),
                         "r"(pair_bf16::make(w.o[d][2 * h] * times, w.o[d][2 * h + 1] * times)) : "memory");
    }
    __syncwarp();
    for (int i = lane; i < 16 * HD / 8; i += 32) {
        const int r = warp * 16 + i / (HD / 8), c = i % (HD / 8);
        if (r < rows)
            ((uint4 *)(out + (size_t)r * step))[c] = load_shared_16(stage + place<HD * 2>(r, c));
    }
}

/* What a thread block does: its queries over all tokens that they see. */
template <enum kv F, int HD, bool SMALL>
static __device__ __forceinline__ void attend_tile(const struct prefill &p)
{
    using S = shape<F, HD, SMALL>;
    extern __shared__ __align__(1024) uint8_t shared[];
    constexpr int ROWS = S::ROWS;
    __shared__ float row_scale[ROWS];
    const uint32_t base = shared_address(shared);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int tile = (int)(gridDim.x - 1 - blockIdx.x);             /* longest first */
    const int head = (int)blockIdx.y, sequence = (int)blockIdx.z, kv_head = head / (p.heads / p.kv_heads);
    const int length = p.lengths[sequence], rows = min(ROWS, p.queries - tile * ROWS);
    const int position = length - p.queries + tile * ROWS;          /* of the first query */
    const int seen = min(length, position + rows);                  /* tokens that the last query sees */
    const int tiles = seen > 0 ? (seen + S::TOKENS - 1) / S::TOKENS : 0;
    const size_t row0 = ((size_t)sequence * p.queries + tile * ROWS) * p.heads + head, step = (size_t)p.heads * HD;
    const size_t vectors = ((size_t)sequence * p.kv_heads + kv_head) * p.capacity;
    const uint8_t *k = p.k + vectors * S::ROW, *v = p.v + vectors * S::ROW;
    const __half *k_group = p.k_group + vectors / 32 * S::PARTS * HD;
    const __half *v_group = p.v_group + vectors / 32 * S::PARTS * HD;
    const uint32_t q_tile = base + S::Q, k_tile = base + S::K, v_tile = base + S::V;
    const uint32_t k_land = F == KV_BF16 ? k_tile : base + S::CODES;
    const uint32_t v_land = F == KV_BF16 ? v_tile : k_land + S::CODE_BYTES;

    if (tiles > 0) {
        fetch<S, F == KV_BF16>(k_land, k, seen);
        fetch<S, F == KV_BF16>(v_land, v, seen);
    }
    load_queries<F, HD>(q_tile, p.q + row0 * HD, step, rows, row_scale);
    __syncthreads();
    float scale[2];
    const int first = threadIdx.x / 32 * 16 + g;
    for (int h = 0; h < 2; h++)
        scale[h] = p.scale * (F == KV_BF16 ? 1 : row_scale[first + 8 * h]) *
                   (F == KV_E4M3 ? 256 * p.k_scale[kv_head] : 1);

    struct sums<HD> w = {{-INFINITY, -INFINITY}, {0, 0}, {}};
    for (int j = 0; j < tiles; j++) {
        const int token = j * S::TOKENS;
        copies_wait<1>();
        __syncthreads();
        if constexpr (F != KV_BF16) {
            widen<F, HD, SMALL, false>(k_tile, k_land, k_group, token, seen - token);
            __syncthreads();
            if (j + 1 < tiles)
                fetch<S, false>(k_land, k + (size_t)(token + S::TOKENS) * S::ROW, seen - token - S::TOKENS);
            else
                copies_commit();
        }
        float s[S::TOKENS / 8][4] = {};
        scores<F, HD, SMALL>(q_tile, k_tile, lane, s);
        if constexpr (F == KV_BF16) {
            __syncthreads();
            if (j + 1 < tiles)
                fetch<S, true>(k_land, k + (size_t)(token + S::TOKENS) * S::ROW, seen - token - S::TOKENS);
            else
                copies_commit();
        }
        const int limit[2] = {position + first + 1 - token, position + first + 9 - token};
        soften<HD, S::TOKENS / 8>(w, s, scale, limit, token + S::TOKENS > position + 1, t);
        copies_wait<1>();
        __syncthreads();
        if constexpr (F != KV_BF16) {
            widen<F, HD, SMALL, true>(v_tile, v_land, v_group, token, seen - token);
            __syncthreads();
            if (j + 1 < tiles)
                fetch<S, false>(v_land, v + (size_t)(token + S::TOKENS) * S::ROW, seen - token - S::TOKENS);
            else
                copies_commit();
        }
        weigh<F, HD, SMALL>(v_tile, lane, s, w);
        if constexpr (F == KV_BF16) {
            __syncthreads();
            if (j + 1 < tiles)
                fetch<S, true>(v_land, v + (size_t)(token + S::TOKENS) * S::ROW, seen - token - S::TOKENS);
            else
                copies_commit();
        }
    }
    store_rows<HD>(w, F == KV_E4M3 ? 256 * p.v_scale[kv_head] : 1, q_tile, lane, p.out + row0 * HD, step, rows);
}

template <enum kv F, int HD, bool SMALL>
static __global__ void __launch_bounds__(shape<F, HD, SMALL>::THREADS, 1)
prefill_kernel(const __grid_constant__ struct prefill p)
{
    if constexpr (gpu_built<SMALL>::here)
        attend_tile<F, HD, SMALL>(p);
}

template <enum kv F, int HD, bool SMALL>
static enum kernel_status run_prefill(struct gpu *g, const struct gpu_prefill *a)
{
    using S = shape<F, HD, SMALL>;
    const struct gpu_cache *c = &a->cache;
    struct prefill p = {};
    p.k = (const uint8_t *)c->k, p.v = (const uint8_t *)c->v;
    p.k_scale = c->k_scale, p.v_scale = c->v_scale;
    p.k_group = (const __half *)c->k_group, p.v_group = (const __half *)c->v_group;
    p.lengths = a->lengths;
    p.q = (const __nv_bfloat16 *)a->q;
    p.out = (__nv_bfloat16 *)a->out;
    p.scale = a->scale * 1.44269504f;
    p.kv_heads = c->kv_heads, p.heads = a->heads, p.queries = a->queries;
    p.capacity = c->capacity;
    auto kernel = prefill_kernel<F, HD, SMALL>;
    enum kernel_status status = gpu_check(g, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                                  S::SHARED), "set up prefill");
    if (status != KERNEL_OK)
        return status;
    dim3 grid((unsigned)((a->queries + S::ROWS - 1) / S::ROWS), (unsigned)a->heads, (unsigned)c->sequences);
    kernel<<<grid, S::THREADS, S::SHARED, g->stream>>>(p);
    return gpu_launched(g, "prefill_kernel");
}

template <enum kv F>
static enum kernel_status launch_prefill(struct gpu *g, const void *work)
{
    const struct gpu_prefill *a = (const struct gpu_prefill *)work;
    const struct gpu_cache *c = &a->cache;
    if (c->kv_heads < 1 || a->heads < c->kv_heads || a->heads % c->kv_heads || c->capacity % 32)
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot attend with %d heads over %d KV heads", a->heads, c->kv_heads);
    if (c->sequences == 0 || a->queries == 0)
        return KERNEL_OK;
    switch (c->head_dim) {
    case 64:
        return gpu_small(g) ? run_prefill<F, 64, true>(g, a) : run_prefill<F, 64, false>(g, a);
    case 128:
        return gpu_small(g) ? run_prefill<F, 128, true>(g, a) : run_prefill<F, 128, false>(g, a);
    case 256:
        return gpu_small(g) ? run_prefill<F, 256, true>(g, a) : run_prefill<F, 256, false>(g, a);
    }
    return gpu_refuse(KERNEL_BAD_SHAPE, "cannot attend with heads of %d: 64, 128 or 256", c->head_dim);
}

#define ROW(format, F, bound) \
    {GPU_PREFILL, format, "bf16", 80, bound, launch_prefill<F>, "prefill_kernel", "kernels/gpu_prefill.cu"}

/* The outputs and the weights of V round to BF16 or FP16, dequantized values of int8 and int4 to FP16. */
const struct gpu_kernel gpu_prefill_rows[] = {
    ROW("bf16", KV_BF16, 5e-3f),
    ROW("e4m3", KV_E4M3, 3e-3f),
    ROW("int8", KV_INT8, 3e-3f),
    ROW("int4", KV_INT4, 3e-3f),
    {},
};
