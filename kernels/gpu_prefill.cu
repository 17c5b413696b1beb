/* gpu_prefill.cu: attention of a whole prompt: bound by arithmetic, done by tensor cores.
 * A thread block is 128 queries of one head; its eight warps hold 16 rows each, their sums in registers. K and V pass
 * through shared memory 64 or 128 tokens at a time, the next K on its way while the weights meet V. Codes are copied as
 * they are and widened to FP16 once in each block, so that the loop over them is the same for every format. */
#include "kernels/gpu_attention.h"

#include "kernels/gpu_module.cuh"
#include "kernels/gpu_prefill.cuh"
#include "kernels/gpu_prefill_wgmma.cuh"

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
    using place = whole_rows<WIDE>;
};

static __device__ __forceinline__ void load_matrices(uint32_t v[4], uint32_t from)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(from)
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
        uint32_t at = to + (DIRECT ? S::place::at(r, c) : piece * 16);
        asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(at), "l"(from + (size_t)piece * 16),
                     "r"(r < valid ? 16 : 0) : "memory");
    }
    copies_commit();
}

/* Sixteen bytes of codes to pairs of FP16, scales applied where they are not of a whole head: piece c of row r of a
 * tile whose first token is `token` of the cache of this head. Behind `valid` rows V becomes zeros. */
template <enum kv F, int HD, bool IS_V>
static __device__ __forceinline__ void widen_piece(uint4 w, const __half *group, int token, int r, int c, int valid,
                                                   uint32_t v[16 * 8 / kv_traits<F>::BITS / 2])
{
    constexpr int PAIRS = 16 * 8 / kv_traits<F>::BITS / 2, PARTS = kv_traits<F>::PARTS;
    widen_word<F>(w.x, v), widen_word<F>(w.y, v + PAIRS / 4);
    widen_word<F>(w.z, v + PAIRS / 2), widen_word<F>(w.w, v + PAIRS / 4 * 3);
    if constexpr (PARTS > 0) {
        const __half *block = group + (size_t)((token + r) / 32) * PARTS * HD;
        if constexpr (IS_V) {
            const __half *at = block + c * (2 * PAIRS) / 32 * 32 + (token + r) % 32;
            __half2 scale = r < valid ? __half2half2(at[0]) : __half2(), least = {};
            if (PARTS == 2 && r < valid)
                least = __half2half2(at[HD]);
#pragma unroll
            for (int j = 0; j < PAIRS; j++)
                v[j] = multiply_add(v[j], *(uint32_t *)&scale, *(uint32_t *)&least);
        } else if (r < valid) {
            const uint32_t *scale = (const uint32_t *)(block + c * (2 * PAIRS)), *least = scale + HD / 2;
#pragma unroll
            for (int j = 0; j < PAIRS; j++)
                v[j] = multiply_add(v[j], scale[j], PARTS == 2 ? least[j] : 0);
        }
    }
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
        uint32_t v[PAIRS];
        widen_piece<F, HD, IS_V>(load_shared_16(from + piece * 16), group, token, r, c, valid, v);
#pragma unroll
        for (int j = 0; j < PAIRS / 4; j++)
            store_shared_16(to + S::place::at(r, c * (PAIRS / 4) + j), v + 4 * j);
    }
}

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
        load_matrices(a, q + S::place::at(row, 2 * m + lane / 16));
#pragma unroll
        for (int n = 0; n < S::TOKENS / 16; n++) {
            uint32_t b[4];
            load_matrices(b, k + S::place::at(16 * n + token, 2 * m + odd));
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
            load_transposed(b, v + S::place::at(16 * n + lane % 16, 2 * d + lane / 16));
            pair::mma(w.o[2 * d], a, b[0], b[1]);
            pair::mma(w.o[2 * d + 1], a, b[2], b[3]);
        }
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
    const struct place_in_work at = find_place<ROWS, S::TOKENS>(p);
    const int rows = at.rows, position = at.position, seen = at.seen, tiles = at.tiles, kv_head = at.kv_head;
    const size_t step = (size_t)p.heads * HD;
    const uint8_t *k = p.k + at.vectors * S::ROW, *v = p.v + at.vectors * S::ROW;
    const __half *k_group = p.k_group + at.vectors / 32 * S::PARTS * HD;
    const __half *v_group = p.v_group + at.vectors / 32 * S::PARTS * HD;
    const uint32_t q_tile = base + S::Q, k_tile = base + S::K, v_tile = base + S::V;
    const uint32_t k_land = F == KV_BF16 ? k_tile : base + S::CODES;
    const uint32_t v_land = F == KV_BF16 ? v_tile : k_land + S::CODE_BYTES;

    if (tiles > 0) {
        fetch<S, F == KV_BF16>(k_land, k, seen);
        fetch<S, F == KV_BF16>(v_land, v, seen);
    }
    load_queries<F, HD, typename S::place>(q_tile, p.q + at.row0 * HD, step, rows, row_scale);
    __syncthreads();
    float scale[2], shrink[2];
    const int first = threadIdx.x / 32 * 16 + g;
    for (int h = 0; h < 2; h++)
        scale[h] = p.scale * (F == KV_BF16 ? 1 : row_scale[first + 8 * h]) *
                   (F == KV_E4M3 ? neighbors_e4m3::factor * p.k_scale[kv_head] : 1);

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
        soften<HD, S::TOKENS / 8>(w, s, scale, limit, token + S::TOKENS > position + 1, t, shrink);
        shrink_rows<HD>(w, shrink);
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
    store_rows<HD, typename S::place>(w, F == KV_E4M3 ? neighbors_e4m3::factor * p.v_scale[kv_head] : 1, q_tile, lane,
                                      p.out + at.row0 * HD, step, rows);
}

template <enum kv F, int HD, bool SMALL>
static __global__ void __launch_bounds__(shape<F, HD, SMALL>::THREADS, 1)
prefill_kernel(const __grid_constant__ struct prefill p)
{
    if constexpr (gpu_built<SMALL>::here)
        attend_tile<F, HD, SMALL>(p);
}

/* For compute capability 9.0. */
template <enum kv F, int HD>
static __global__ void __launch_bounds__(flow<F, HD>::THREADS, 1) prefill_flow(const __grid_constant__ struct prefill p)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    attend_flow<F, HD>(p);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 900
#error "prefill needs code for 90a, not for 90"
#endif
}

static enum kernel_status run_kernel(struct gpu *g, const struct gpu_prefill *a, void (*kernel)(struct prefill),
                                     int rows, int threads, int shared)
{
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
    enum kernel_status status = gpu_check(g, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                                  shared), "set up prefill");
    if (status != KERNEL_OK)
        return status;
    dim3 grid((unsigned)a->heads, (unsigned)c->sequences, (unsigned)((a->queries + rows - 1) / rows));
    kernel<<<grid, (unsigned)threads, (size_t)shared, g->stream>>>(p);
    return gpu_launched(g, "prefill");
}

template <enum kv F, int HD>
static enum kernel_status run_prefill(struct gpu *g, const struct gpu_prefill *a)
{
    using hopper = flow<F, HD>;
    using small = shape<F, HD, true>;
    using other = shape<F, HD, false>;
    if (g->about.capability == 90)
        return run_kernel(g, a, prefill_flow<F, HD>, hopper::ROWS, hopper::THREADS, hopper::SHARED);
    if (gpu_small(g))
        return run_kernel(g, a, prefill_kernel<F, HD, true>, small::ROWS, small::THREADS, small::SHARED);
    return run_kernel(g, a, prefill_kernel<F, HD, false>, other::ROWS, other::THREADS, other::SHARED);
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
        return run_prefill<F, 64>(g, a);
    case 128:
        return run_prefill<F, 128>(g, a);
    case 256:
        return run_prefill<F, 256>(g, a);
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
