/* gpu_prefill_wgmma.cuh: prefill for compute capability 9.0: products of four warps, fed by four others.
 * A thread block is 128 queries of one head. Eight warps compute, 64 rows each four; four warps fill a ring in shared
 * memory with tiles of K and V, of BF16 as they are, of codes widened to FP16: all that formats differ in. While the
 * weights of one tile meet V, the scores of the next are softened: K 0, K 1, V 0, K 2, V 1 ... is the ring's order. */
#ifndef KERNELS_GPU_PREFILL_WGMMA_CUH
#define KERNELS_GPU_PREFILL_WGMMA_CUH

#include "kernels/gpu_prefill.cuh"
#include "kernels/gpu_wgmma.cuh"

template <enum kv F, int HD>
struct flow {
    enum {
        ROWS = 128,
        COMPUTING = 256, FEEDING = 128, THREADS = COMPUTING + FEEDING,
        REGISTERS = 208, FEEDING_REGISTERS = 88,        /* 2 * 208 + 88 = 3 * 168: all that the block has */
        TOKENS = HD == 256 ? 64 : 128,      /* of a tile */
        BITS = kv_traits<F>::BITS,
        ROW = HD * BITS / 8,                /* bytes of a token in the cache */
        SLOT = TOKENS * HD * 2,
        SLOTS = 4,
        Q = 0,
        RING = Q + ROWS * HD * 2,
        SCALES = RING + SLOTS * SLOT,       /* FP32 for each row */
        FULL = SCALES + ROWS * 4,           /* barriers, one for each slot */
        EMPTY = FULL + SLOTS * 8,
        GROUP = kv_traits<F>::PARTS * HD * 2,           /* bytes of the scales and minima of 32 tokens */
        TILE_GROUPS = TOKENS / 32 * GROUP,
        GROUPS = EMPTY + SLOTS * 8,         /* those of two tiles */
        SHARED = GROUPS + 2 * TILE_GROUPS,
    };
    static_assert(GROUPS % 16 == 0 && TILE_GROUPS <= FEEDING * 16, "a thread copies 16 bytes of scales at most");
    using rows = row_blocks<ROWS>;
    using tokens = row_blocks<TOKENS>;
};

/* ---- The four warps that feed ---------------------------------------------------------------------- */

/* Item n of the ring, of 2 * tiles: V, or K? and of which tile. */
static __device__ __forceinline__ bool item_is_v(int n, int tiles)
{
    return n == 2 * tiles - 1 || (n > 0 && n % 2 == 0);
}

static __device__ __forceinline__ int item_tile(int n, int tiles)
{
    return n == 2 * tiles - 1 ? tiles - 1 : n % 2 ? (n + 1) / 2 : n > 0 ? n / 2 - 1 : 0;
}

/* Copies as they are: item n is on its way while item n - 1 lands. */
template <int HD>
static __device__ __forceinline__ void feed_copies(const uint8_t *k, const uint8_t *v, const struct place_in_work &at,
                                                   uint32_t base)
{
    using S = flow<KV_BF16, HD>;
    constexpr int CHUNKS = S::ROW / 16;
    const unsigned thread = threadIdx.x - S::COMPUTING;
    const int items = 2 * at.tiles;
    for (int n = 0; n < items; n++) {
        const int slot = n % S::SLOTS, token = item_tile(n, at.tiles) * S::TOKENS, valid = at.seen - token;
        const uint8_t *from = (item_is_v(n, at.tiles) ? v : k) + (size_t)token * S::ROW;
        const uint32_t to = base + S::RING + slot * S::SLOT;
        barrier_wait(base + S::EMPTY + 8 * slot, n / S::SLOTS % 2 ^ 1);
#pragma unroll
        for (int i = 0; i < S::TOKENS * CHUNKS / S::FEEDING; i++) {
            const unsigned piece = i * S::FEEDING + thread, r = piece / CHUNKS, c = piece % CHUNKS;
            asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to + S::tokens::at(r, c)),
                         "l"(from + piece * 16), "r"((int)r < valid ? 16 : 0) : "memory");
        }
        copies_commit();
        if (n > 0) {
            copies_wait<1>();
            fence_async();
            __syncwarp();
            if (thread % 32 == 0)
                barrier_arrive(base + S::FULL + 8 * ((n - 1) % S::SLOTS));
        }
    }
    copies_wait<0>();
    fence_async();
    __syncwarp();
    if (thread % 32 == 0 && items > 0)
        barrier_arrive(base + S::FULL + 8 * ((items - 1) % S::SLOTS));
}

/* The codes of an item that a thread widens. Eight lanes read neighbors, 64 bytes of two rows or 32 of four, and write
 * to all banks. All pieces of a thread are of one chunk. */
template <enum kv F, int HD>
struct share {
    using S = flow<F, HD>;
    enum {
        CHUNKS = S::ROW / 16, PIECES = S::TOKENS * CHUNKS / S::FEEDING, CODES = 128 / S::BITS, PAIRS = CODES / 2,
        SIDE = S::BITS == 8 ? 4 : 2,        /* chunks of eight lanes */
        ROWS = S::FEEDING / CHUNKS,         /* rows from a piece to the next */
    };
    static __device__ __forceinline__ unsigned row(unsigned i)
    {
        const unsigned thread = threadIdx.x - S::COMPUTING;
        return i * ROWS + thread / (8 * CHUNKS / SIDE) * (8 / SIDE) + thread % 8 / SIDE;
    }
    static __device__ __forceinline__ unsigned chunk()
    {
        const unsigned thread = threadIdx.x - S::COMPUTING;
        return thread / 8 % (CHUNKS / SIDE) * SIDE + thread % SIDE;
    }
    /* Piece i of a tile; zeros from row `valid` on. Not before a store that stands before it: registers are few. */
    static __device__ __forceinline__ uint4 load(const uint8_t *from, unsigned i, int valid)
    {
        uint4 w = {};
        if ((int)row(i) < valid)
            asm volatile("ld.global.nc.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(w.x), "=r"(w.y), "=r"(w.z), "=r"(w.w)
                         : "l"(from + row(i) * S::ROW + chunk() * 16));
        return w;
    }
    /* The scales and minima of a tile on their way to shared memory; zeros for blocks behind `valid` tokens. */
    static __device__ __forceinline__ void copy_groups(uint32_t to, const uint8_t *from, int valid)
    {
        const int at = (int)(threadIdx.x - S::COMPUTING) * 16;
        if constexpr (S::GROUP > 0)
            if (at < S::TILE_GROUPS)
                asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to + at), "l"(from + at),
                             "r"(at / S::GROUP * 32 < valid ? 16 : 0) : "memory");
        copies_commit();
    }
    /* Of K: a number for each channel of the chunk, new every 32 rows. */
    static __device__ __forceinline__ void load_channels(uint32_t groups, unsigned i, uint32_t scale[2][PAIRS])
    {
#pragma unroll
        for (int part = 0; part < kv_traits<F>::PARTS; part++)
#pragma unroll
            for (int j = 0; j < PAIRS / 4; j++) {
                const uint4 w = load_shared_16(groups + row(i) / 32 * S::GROUP + (part * HD + chunk() * CODES) * 2 +
                                               16 * j);
                scale[part][4 * j] = w.x, scale[part][4 * j + 1] = w.y;
                scale[part][4 * j + 2] = w.z, scale[part][4 * j + 3] = w.w;
            }
    }
    /* Of V: one for the chunk in this row, twice; 0 behind `valid`. */
    static __device__ __forceinline__ uint32_t load_token(uint32_t groups, unsigned i, int part, int valid)
    {
        const unsigned r = row(i), at = part * HD + chunk() * CODES / 32 * 32 + r % 32;
        return (int)r < valid ? load_shared_2(groups + r / 32 * S::GROUP + at * 2) * 0x10001u : 0;
    }
    template <bool IS_V>
    static __device__ __forceinline__ void widen(uint32_t to, uint4 w, uint32_t groups, unsigned i, int valid,
                                                 uint32_t scale[2][PAIRS])
    {
        constexpr int PARTS = kv_traits<F>::PARTS;
        uint32_t v[PAIRS];
        widen_word<F>(w.x, v), widen_word<F>(w.y, v + PAIRS / 4);
        widen_word<F>(w.z, v + PAIRS / 2), widen_word<F>(w.w, v + PAIRS / 4 * 3);
        if constexpr (PARTS > 0 && IS_V) {
            const uint32_t times = load_token(groups, i, 0, valid);
            const uint32_t least = PARTS == 2 ? load_token(groups, i, 1, valid) : 0;
#pragma unroll
            for (int j = 0; j < PAIRS; j++)
                v[j] = multiply_add(v[j], times, least);
        } else if constexpr (PARTS > 0) {
            if (ROWS >= 32 || i * ROWS % 32 == 0)
                load_channels(groups, i, scale);
#pragma unroll
            for (int j = 0; j < PAIRS; j++)
                v[j] = multiply_add(v[j], scale[0][j], PARTS == 2 ? scale[1][j] : 0);
        }
#pragma unroll
        for (int j = 0; j < PAIRS / 4; j++)
            store_shared_16(to + S::tokens::at(row(i), chunk() * (PAIRS / 4) + j), v + 4 * j);
    }
    /* A tile to its slot; meanwhile `next` becomes the codes of the one after it, at `from`. */
    template <bool IS_V>
    static __device__ __forceinline__ void fill(uint32_t to, uint32_t groups, int valid, uint4 next[PIECES],
                                                const uint8_t *from, int then_valid)
    {
        uint32_t scale[2][PAIRS];
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            const uint4 w = next[i];
            next[i] = load(from, i, then_valid);
            widen<IS_V>(to, w, groups, i, valid, scale);
        }
    }
};

/* Widens codes; those of the next item, and its scales, are on their way meanwhile. */
template <enum kv F, int HD>
static __device__ __forceinline__ void feed_codes(const struct prefill &p, const uint8_t *k, const uint8_t *v,
                                                  const struct place_in_work &at, uint32_t base)
{
    using S = flow<F, HD>;
    using mine = share<F, HD>;
    const uint8_t *k_group = (const uint8_t *)p.k_group + at.vectors / 32 * S::GROUP;
    const uint8_t *v_group = (const uint8_t *)p.v_group + at.vectors / 32 * S::GROUP;
    const int items = 2 * at.tiles;
    uint4 next[mine::PIECES];
#pragma unroll
    for (int i = 0; i < mine::PIECES; i++)
        next[i] = mine::load(k, i, at.seen);
    if (S::GROUP > 0)
        mine::copy_groups(base + S::GROUPS, k_group, at.seen);
    for (int n = 0; n < items; n++) {
        const int slot = n % S::SLOTS, token = item_tile(n, at.tiles) * S::TOKENS;
        const int then = n + 1 < items ? item_tile(n + 1, at.tiles) * S::TOKENS : at.seen;
        const bool is_v = item_is_v(n, at.tiles), then_v = item_is_v(n + 1, at.tiles);
        const uint8_t *from = (then_v ? v : k) + (size_t)then * S::ROW;
        const uint32_t to = base + S::RING + slot * S::SLOT, groups = base + S::GROUPS + n % 2 * S::TILE_GROUPS;
        barrier_wait(base + S::EMPTY + 8 * slot, n / S::SLOTS % 2 ^ 1);
        if (S::GROUP > 0) {
            copies_wait<0>();
            meet<S::FEEDING>(4);            /* all are done with the scales of item n - 1 */
            mine::copy_groups(base + S::GROUPS + (n + 1) % 2 * S::TILE_GROUPS,
                              (then_v ? v_group : k_group) + (size_t)(then / 32) * S::GROUP, at.seen - then);
        }
        if (S::GROUP > 0 && is_v)
            mine::template fill<true>(to, groups, at.seen - token, next, from, at.seen - then);
        else
            mine::template fill<false>(to, groups, at.seen - token, next, from, at.seen - then);
        fence_async();
        __syncwarp();
        if (threadIdx.x % 32 == 0)
            barrier_arrive(base + S::FULL + 8 * slot);
    }
    copies_wait<0>();
}

/* ---- The eight warps that compute ------------------------------------------------------------------ */

/* S = Q K' of 64 rows of queries and a tile. */
template <enum kv F, int HD>
static __device__ __forceinline__ void start_scores(uint32_t q, uint32_t k, float (*s)[4])
{
    using S = flow<F, HD>;
    wgmma_begin();
#pragma unroll
    for (int m = 0; m < HD / 16; m++) {
        const uint64_t a = wgmma_place(q + m / 4 * S::ROWS * 128 + m % 4 * 32, S::ROWS);
        const uint64_t b = wgmma_place(k + m / 4 * S::TOKENS * 128 + m % 4 * 32, S::TOKENS);
        wgmma_shared<typename kv_traits<F>::pair, S::TOKENS>(s, a, b, m > 0);
    }
    wgmma_commit();
}

/* O += P V. */
template <enum kv F, int HD>
static __device__ __forceinline__ void start_sums(const uint32_t (*p)[4], uint32_t v, float (*o)[4])
{
    using S = flow<F, HD>;
    wgmma_begin();
#pragma unroll
    for (int n = 0; n < S::TOKENS / 16; n++)
        wgmma_registers<typename kv_traits<F>::pair, HD>(o, p[n], wgmma_place(v + n * 2048, S::TOKENS));
    wgmma_commit();
}

/* Weights as the A of a product. */
template <class PAIR, int N>
static __device__ __forceinline__ void pack(const float (*s)[4], uint32_t (*p)[4])
{
#pragma unroll
    for (int n = 0; n < N / 16; n++) {
        p[n][0] = PAIR::make(s[2 * n][0], s[2 * n][1]);
        p[n][1] = PAIR::make(s[2 * n][2], s[2 * n][3]);
        p[n][2] = PAIR::make(s[2 * n + 1][0], s[2 * n + 1][1]);
        p[n][3] = PAIR::make(s[2 * n + 1][2], s[2 * n + 1][3]);
    }
}

/* The queries of the block over all tokens that they see; w begins as nothing. */
template <enum kv F, int HD>
static __device__ __forceinline__ void compute(const struct place_in_work &at, const float scale[2], uint32_t base,
                                               struct sums<HD> &w)
{
    using S = flow<F, HD>;
    using pair = typename kv_traits<F>::pair;
    const int lane = threadIdx.x % 32, first = threadIdx.x / 32 * 16 + lane / 4, group = threadIdx.x / 128;
    const uint32_t q = base + S::Q + group * 64 * 128;
    float s[S::TOKENS / 8][4], shrink[2];
    uint32_t weights[S::TOKENS / 16][4];
    auto await = [&](int n) {
        barrier_wait(base + S::FULL + n % S::SLOTS * 8, n / S::SLOTS % 2);
        return base + S::RING + n % S::SLOTS * S::SLOT;
    };
    auto release = [&](int n) {
        if (lane == 0)
            barrier_arrive(base + S::EMPTY + n % S::SLOTS * 8);
    };
    auto soften_tile = [&](int j) {
        const int token = j * S::TOKENS;
        const int limit[2] = {at.position + first + 1 - token, at.position + first + 9 - token};
        soften<HD, S::TOKENS / 8>(w, s, scale, limit, token + S::TOKENS > at.position + group * 64 + 1, lane % 4,
                                  shrink);
    };
    start_scores<F, HD>(q, await(0), s);
    wgmma_wait<0, S::TOKENS>(s);
    release(0);
    soften_tile(0);
    pack<pair, S::TOKENS>(s, weights);
    for (int j = 0; j + 1 < at.tiles; j++) {
        start_scores<F, HD>(q, await(2 * j + 1), s);
        start_sums<F, HD>(weights, await(2 * j + 2), w.o);
        wgmma_wait<1, S::TOKENS>(s);
        release(2 * j + 1);
        soften_tile(j + 1);
        wgmma_wait<0, HD>(w.o);
        release(2 * j + 2);
        shrink_rows<HD>(w, shrink);
        pack<pair, S::TOKENS>(s, weights);
    }
    start_sums<F, HD>(weights, await(2 * at.tiles - 1), w.o);
    wgmma_wait<0, HD>(w.o);
}

/* ---- One thread block ------------------------------------------------------------------------------ */

template <enum kv F, int HD>
static __device__ __forceinline__ void compute_rows(const struct prefill &p, const struct place_in_work &at,
                                                    uint8_t *shared)
{
    using S = flow<F, HD>;
    const uint32_t base = shared_address(shared);
    const size_t step = (size_t)p.heads * HD;
    const int lane = threadIdx.x % 32, first = threadIdx.x / 32 * 16 + lane / 4;
    float *row_scale = (float *)(shared + S::SCALES), scale[2];
    load_queries<F, HD, typename S::rows>(base + S::Q, p.q + at.row0 * HD, step, at.rows, row_scale);
    fence_async();
    meet<S::COMPUTING>(1);
    for (int h = 0; h < 2; h++)
        scale[h] = p.scale * (F == KV_BF16 ? 1 : row_scale[first + 8 * h]) *
                   (F == KV_E4M3 ? neighbors_e4m3::factor * p.k_scale[at.kv_head] : 1);
    struct sums<HD> w = {{-INFINITY, -INFINITY}, {0, 0}, {}};
    if (at.tiles > 0)
        compute<F, HD>(at, scale, base, w);
    meet<128>(2 + threadIdx.x / 128);
    store_rows<HD, typename S::rows>(w, F == KV_E4M3 ? neighbors_e4m3::factor * p.v_scale[at.kv_head] : 1, base + S::Q,
                                     lane, p.out + at.row0 * HD, step, at.rows);
}

template <enum kv F, int HD>
static __device__ __forceinline__ void attend_flow(const struct prefill &p)
{
    using S = flow<F, HD>;
    extern __shared__ __align__(1024) uint8_t shared[];
    const uint32_t base = shared_address(shared);
    if (threadIdx.x < S::SLOTS) {
        barrier_open(base + S::FULL + 8 * threadIdx.x, S::FEEDING / 32);
        barrier_open(base + S::EMPTY + 8 * threadIdx.x, S::COMPUTING / 32);
    }
    __syncthreads();
    const struct place_in_work at = find_place<S::ROWS, S::TOKENS>(p);
    if (threadIdx.x >= S::COMPUTING) {
        registers_lower<S::FEEDING_REGISTERS>();
        const uint8_t *k = p.k + at.vectors * S::ROW, *v = p.v + at.vectors * S::ROW;
        if constexpr (F == KV_BF16)
            feed_copies<HD>(k, v, at, base);
        else
            feed_codes<F, HD>(p, k, v, at, base);
    } else {
        registers_raise<S::REGISTERS>();
        compute_rows<F, HD>(p, at, shared);
    }
}

#endif
