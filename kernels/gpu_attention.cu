/* gpu_attention.cu: one query against a long cache: decode attention, bound by reading K and V once.
 * All blocks of 32 tokens of all sequences and KV heads are cut into equal runs, some for each processor. The warps of
 * a thread block take turns at steps of a run; each has its own ring of copies in shared memory, its own maximum and
 * sums. Scores come transposed, S' = K q' and O' = V' P', so that the heads of a group, at most eight, fill the short
 * side of a tensor-core instruction. A second kernel joins the runs of a KV head in order: the result never varies. */
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

/* ---- Decoding -------------------------------------------------------------------------------------- */

/* Which channel half `half` of register `reg` of B fragment m stands for, for lanes t: the order in which decoding a
 * row of K gives its channels. */
template <int BITS, int HD>
static __device__ __forceinline__ int channel_of(int m, int t, int reg, int half)
{
    if (BITS == 16)
        return 32 * (m / 2) + 8 * t + 4 * (m % 2) + 2 * reg + half;
    if (BITS == 8)
        return 64 * (m / 4) + 16 * t + 4 * (m % 4) + reg + 2 * half;
    return HD == 64 ? 16 * t + 8 * (m / 2) + 2 * (m % 2) + reg + 4 * half
                    : 128 * (m / 8) + 32 * t + 8 * (m % 8 / 2) + 2 * (m % 2) + reg + 4 * half;
}

/* The channel that row g, or g + 8, of tile dt of O' stands for. */
template <int BITS>
static __device__ __forceinline__ int output_of(int dt, int g, int half)
{
    return BITS == 16 ? 16 * dt + 8 * half + g : BITS == 8 ? 16 * dt + 2 * g + half
                      : 32 * (dt / 2) + 4 * g + 2 * (dt % 2) + half;
}

/* One word to its pairs: 1, 2 or 4 of them. */
template <enum kv F>
static __device__ __forceinline__ void decode_word(uint32_t w, uint32_t *v)
{
    if constexpr (F == KV_BF16) {
        v[0] = w;
    } else if constexpr (F == KV_E4M3) {
        words<pair_fp16, CODES_E4M3>::decode(w, v);
    } else if constexpr (F == KV_INT8) {
        words<pair_fp16, CODES_INT8>::decode(w, v);
    } else {                                /* codes 0 to 15, less 8: see raise */
        words<pair_fp16, CODES_INT4>::decode(w, v);
    }
}

static __device__ __forceinline__ uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c)
{
    __half2 v = __hfma2(*(__half2 *)&a, *(__half2 *)&b, *(__half2 *)&c);
    return *(uint32_t *)&v;
}

/* A minimum for codes that come less 8: 8 scales more. */
static __device__ __forceinline__ uint32_t raise(uint32_t least, uint32_t scale)
{
    return multiply_add(scale, 0x48004800u, least);
}

/* ---- One warp -------------------------------------------------------------------------------------- */

template <enum kv F, int HD, int WARPS, int DEPTH, int SUB>
struct shape {
    enum {
        BITS = kv_traits<F>::BITS,
        PARTS = kv_traits<F>::PARTS,
        ROW = HD * BITS / 8,                /* bytes of a token */
        CHUNKS = ROW / 16,
        TOKENS = 16 * SUB,                  /* of a step */
        CODES = TOKENS * ROW,
        GROUP = PARTS * HD * 2,             /* bytes of the scales and minima of 32 tokens */
        SLOT = CODES + GROUP,               /* of K, and as many of V */
        WARP = 2 * SLOT * DEPTH,
        SUMS = WARPS * 8 * (HD + 2) * 4,    /* where warps meet at the end */
        SHARED = WARPS * WARP > SUMS ? WARPS * WARP : SUMS,
    };
    static_assert(PARTS == 0 || SUB == 2, "a step is a block of scales");

    /* Where chunk c of row r lies in a slot, so that reading is free of bank conflicts: of K, lanes take two rows of
     * four chunks at a time; of V, eight rows of one chunk. */
    static __device__ __forceinline__ int k_place(int r, int c)
    {
        return r * ROW + (CHUNKS >= 8 ? c ^ (r & 1) << 2 : c) * 16;
    }
    static __device__ __forceinline__ int v_place(int r, int c)
    {
        return r * ROW + (CHUNKS >= 8 ? c ^ (r & 7) : CHUNKS == 4 ? c ^ (r >> 1 & 3) : c ^ (r >> 2 & 1)) * 16;
    }
};

template <class S, bool V>
static __device__ __forceinline__ void fetch(uint32_t slot, const uint8_t *codes, const uint8_t *group, int lane)
{
#pragma unroll
    for (int i = 0; i < S::CODES / 512; i++) {
        int piece = i * 32 + lane, r = piece / S::CHUNKS, c = piece % S::CHUNKS;
        copy_16(slot + (V ? S::v_place(r, c) : S::k_place(r, c)), codes + piece * 16);
    }
#pragma unroll
    for (int i = 0; i * 512 < S::GROUP; i++)
        if (i * 512 + lane * 16 < S::GROUP)
            copy_16(slot + S::CODES + i * 512 + lane * 16, group + i * 512 + lane * 16);
}

/* Pairs of scales or minima of K for fragment m, from `from`, FP16 [HD]. */
template <int BITS, int HD>
static __device__ __forceinline__ uint2 channel_pairs(uint32_t from, int m, int t)
{
    uint2 v;
    if (BITS == 8) {                        /* channels 0 to 3 of four: (0, 2) and (1, 3) */
        uint2 w = load_shared_8(from + channel_of<BITS, HD>(m, t, 0, 0) * 2);
        v.x = __byte_perm(w.x, w.y, 0x5410), v.y = __byte_perm(w.x, w.y, 0x7632);
    } else {                                /* (0, 4) and (1, 5) of eight, then (2, 6) and (3, 7) */
        uint32_t at = from + channel_of<BITS, HD>(m, t, 0, 0) * 2;
        uint32_t low = load_shared_4(at), high = load_shared_4(at + 8);
        v.x = __byte_perm(low, high, 0x5410), v.y = __byte_perm(low, high, 0x7632);
    }
    return v;
}

/* S' += K q': 16 tokens at row `row` of the slot, the heads of the group. */
template <enum kv F, int HD, class S>
static __device__ __forceinline__ void scores(uint32_t slot, int row, int lane, const uint32_t q[HD / 16][2],
                                              float s[4])
{
    const int g = lane / 4, t = lane % 4;
    constexpr int PAIRS = 16 / S::BITS;                     /* pairs of a word */
    constexpr int WIDE = S::ROW / 4 < 16 ? 8 : 16;          /* bytes that a lane reads of a row at a time */
    constexpr int LOADS = S::ROW / 4 / WIDE, WORDS = WIDE / 4, PER_LOAD = HD / 16 / LOADS;
    float second[4] = {};
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        uint32_t w[2][WORDS];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            if constexpr (WIDE == 16) {
                uint4 v = load_shared_16(slot + S::k_place(row + g + 8 * h, 4 * i + t));
                w[h][0] = v.x, w[h][1] = v.y, w[h][WORDS - 2] = v.z, w[h][WORDS - 1] = v.w;
            } else {
                uint2 v = load_shared_8(slot + S::k_place(row + g + 8 * h, t / 2) + t % 2 * 8);
                w[h][0] = v.x, w[h][1] = v.y;
            }
        }
        uint32_t v[2][WORDS * PAIRS];
#pragma unroll
        for (int j = 0; j < WORDS; j++) {
            decode_word<F>(w[0][j], v[0] + j * PAIRS);
            decode_word<F>(w[1][j], v[1] + j * PAIRS);
        }
#pragma unroll
        for (int j = 0; j < PER_LOAD; j++) {
            const int m = i * PER_LOAD + j;
            uint32_t a[4] = {v[0][2 * j], v[1][2 * j], v[0][2 * j + 1], v[1][2 * j + 1]};
            if constexpr (S::PARTS > 0) {
                uint2 scale = channel_pairs<S::BITS, HD>(slot + S::CODES, m, t), least = {};
                if constexpr (S::PARTS == 2)
                    least = channel_pairs<S::BITS, HD>(slot + S::CODES + HD * 2, m, t);
                if constexpr (S::PARTS == 2)
                    least.x = raise(least.x, scale.x), least.y = raise(least.y, scale.y);
#pragma unroll
                for (int r = 0; r < 4; r++)
                    a[r] = S::PARTS == 2 ? multiply_add(a[r], r < 2 ? scale.x : scale.y, r < 2 ? least.x : least.y)
                                         : pair_fp16::mul(a[r], r < 2 ? scale.x : scale.y);
            }
            kv_traits<F>::pair::mma(m % 2 ? second : s, a, q[m][0], q[m][1]);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
        s[i] += second[i];
}

/* O' += V' P' for 16 tokens; `p` is P' as a B fragment. */
template <enum kv F, int HD, class S>
static __device__ __forceinline__ void weigh(uint32_t slot, int row, int lane, uint32_t p0, uint32_t p1,
                                             float o[HD / 16][4])
{
    using pair = typename kv_traits<F>::pair;
    const int t = lane % 4, r = row + lane / 8 % 2 * 8 + lane % 8;
#pragma unroll
    for (int c = 0; c < S::CHUNKS / 2; c++) {
        uint32_t w[4];
        load_transposed(w, slot + S::v_place(r, 2 * c + lane / 16));
        if constexpr (F == KV_BF16) {
            uint32_t a[4] = {w[0], w[2], w[1], w[3]};
            pair::mma(o[c], a, p0, p1);
        } else {
            constexpr int TILES = S::BITS == 8 ? 1 : 2;         /* tiles of O' that a chunk gives */
            constexpr int PAIRS = 2 * TILES;
#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32_t early[PAIRS], late[PAIRS];
                decode_word<F>(w[2 * h], early);
                decode_word<F>(w[2 * h + 1], late);
                if constexpr (S::PARTS > 0) {
                    const int group = ((2 * c + h) * TILES * 16) / 32;
                    const uint32_t at = slot + S::CODES + (group * 32 + row + 2 * t) * 2;
                    uint32_t se = load_shared_4(at), sl = load_shared_4(at + 16), me = 0, ml = 0;
                    if constexpr (S::PARTS == 2)
                        me = raise(load_shared_4(at + HD * 2), se), ml = raise(load_shared_4(at + HD * 2 + 16), sl);
#pragma unroll
                    for (int i = 0; i < PAIRS; i++) {
                        early[i] = S::PARTS == 2 ? multiply_add(early[i], se, me) : pair::mul(early[i], se);
                        late[i] = S::PARTS == 2 ? multiply_add(late[i], sl, ml) : pair::mul(late[i], sl);
                    }
                }
#pragma unroll
                for (int i = 0; i < TILES; i++) {
                    uint32_t a[4] = {early[2 * i], early[2 * i + 1], late[2 * i], late[2 * i + 1]};
                    pair::mma(o[(2 * c + h) * TILES + i], a, p0, p1);
                }
            }
        }
    }
}

/* Zeros for the tokens of a slot of V from `valid` on: what was never written may be NaN, and 0 times NaN is NaN. */
template <class S, int HD>
static __device__ void clear_rows(uint32_t slot, int valid, int lane)
{
    for (int i = valid * (S::ROW / 4) + lane; i < S::TOKENS * (S::ROW / 4); i += 32)
        asm volatile("st.shared.u32 [%0], 0;" ::"r"(slot + i * 4) : "memory");
    if (S::PARTS)
        for (int i = lane; i < S::PARTS * (HD / 32) * 32; i += 32)
            if (i % 32 >= valid)
                asm volatile("st.shared.u16 [%0], %1;" ::"r"(slot + S::CODES + i * 2), "h"((short)0) : "memory");
}

/* What a warp has of the heads 2 t and 2 t + 1: maximum and sum of the exponentials, and the whole group's O'. */
template <int HD>
struct sums {
    float most[2], sum[2], o[HD / 16][4];
};

/* S' of a step to weights: the maximum rises, what was summed shrinks, P' leaves as B fragments. */
template <class PAIR, int HD, int SUB>
static __device__ __forceinline__ void soften(struct sums<HD> &w, float s[SUB][4], const float scale[2], int valid,
                                              int g,
                                              uint32_t p[SUB][2])
{
    float most[2] = {w.most[0], w.most[1]};
#pragma unroll
    for (int i = 0; i < SUB; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            s[i][j] = 16 * i + g + j / 2 * 8 < valid ? s[i][j] * scale[j % 2] : -INFINITY;
            most[j % 2] = fmaxf(most[j % 2], s[i][j]);
        }
#pragma unroll
    for (int j = 0; j < 2; j++)
#pragma unroll
        for (int lanes = 4; lanes < 32; lanes *= 2)
            most[j] = fmaxf(most[j], __shfl_xor_sync(~0u, most[j], lanes));
    if (__any_sync(~0u, most[0] > w.most[0] || most[1] > w.most[1])) {
        float shrink[2] = {power_of_two(w.most[0] - most[0]), power_of_two(w.most[1] - most[1])};
#pragma unroll
        for (int i = 0; i < HD / 16; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                w.o[i][j] *= shrink[j % 2];
#pragma unroll
        for (int j = 0; j < 2; j++)
            w.sum[j] *= shrink[j], w.most[j] = most[j];
    }
#pragma unroll
    for (int i = 0; i < SUB; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            s[i][j] = power_of_two(s[i][j] - w.most[j % 2]);
            w.sum[j % 2] += s[i][j];
        }
        p[i][0] = transpose(PAIR::make(s[i][0], s[i][1]));
        p[i][1] = transpose(PAIR::make(s[i][2], s[i][3]));
    }
}

/* Tokens [first, last) of one KV head; K, V and scales of that head begin at the pointers. */
template <enum kv F, int HD, int WARPS, int DEPTH, int SUB>
static __device__ void attend(const struct attention &p, const uint8_t *k, const uint8_t *v, const uint8_t *k_group,
                              const uint8_t *v_group, int first, int last, const uint32_t q[HD / 16][2],
                              const float scale[2], uint32_t ring, struct sums<HD> &w)
{
    using S = shape<F, HD, WARPS, DEPTH, SUB>;
    using pair = typename kv_traits<F>::pair;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4;
    const int steps = (last - first + S::TOKENS - 1) / S::TOKENS;
    const uint32_t mine = ring + warp * S::WARP;
    auto get_k = [&](int step, int slot) {
        size_t token = first + (size_t)step * S::TOKENS;
        if (step < steps)
            fetch<S, false>(mine + slot * 2 * S::SLOT, k + token * S::ROW, k_group + token / 32 * S::GROUP, lane);
        copies_commit();
    };
    auto get_v = [&](int step, int slot) {
        size_t token = first + (size_t)step * S::TOKENS;
        if (step < steps)
            fetch<S, true>(mine + slot * 2 * S::SLOT + S::SLOT, v + token * S::ROW, v_group + token / 32 * S::GROUP,
                           lane);
        copies_commit();
    };
#pragma unroll
    for (int d = 0; d < DEPTH; d++) {
        get_k(warp + d * WARPS, d);
        get_v(warp + d * WARPS, d);
    }
    int slot = 0;
    for (int step = warp; step < steps; step += WARPS) {
        const uint32_t at = mine + slot * 2 * S::SLOT;
        const int valid = last - first - step * S::TOKENS;
        float s[SUB][4] = {};
        uint32_t weights[SUB][2];
        copies_wait<2 * DEPTH - 1>();
        __syncwarp();
#pragma unroll
        for (int i = 0; i < SUB; i++)
            scores<F, HD, S>(at, 16 * i, lane, q, s[i]);
        __syncwarp();
        get_k(step + DEPTH * WARPS, slot);
        soften<pair, HD, SUB>(w, s, scale, valid, g, weights);
        copies_wait<2 * DEPTH - 1>();
        __syncwarp();
        if (valid < S::TOKENS) {
            clear_rows<S, HD>(at + S::SLOT, valid, lane);
            __syncwarp();
        }
#pragma unroll
        for (int i = 0; i < SUB; i++)
            weigh<F, HD, S>(at + S::SLOT, 16 * i, lane, weights[i][0], weights[i][1], w.o);
        __syncwarp();
        get_v(step + DEPTH * WARPS, slot);
        slot = slot + 1 == DEPTH ? 0 : slot + 1;
    }
    copies_wait<0>();
}

/* ---- One thread block ------------------------------------------------------------------------------ */

/* The query of head `g` of the tile as B fragments, and what is left to multiply its scores with. FP16 wants it
 * scaled, by a power of two, to below 2. */
template <enum kv F, int HD>
static __device__ void load_query(const __nv_bfloat16 *q, bool there, int t, uint32_t b[HD / 16][2], float *scale)
{
    using pair = typename kv_traits<F>::pair;
    float times = 1;
    if (F != KV_BF16) {
        float most = 0;
        for (int i = t; there && i < HD; i += 4)
            most = fmaxf(most, fabsf(__bfloat162float(q[i])));
        most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
        most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
        int e = most > 0 && most < INFINITY ? ilogbf(most) : 0;
        e = e < -100 ? -100 : e;
        times = exp2f((float)-e);
        *scale *= exp2f((float)e);
    }
#pragma unroll
    for (int m = 0; m < HD / 16; m++)
#pragma unroll
        for (int reg = 0; reg < 2; reg++) {
            float v[2];
#pragma unroll
            for (int half = 0; half < 2; half++)
                v[half] = there ? __bfloat162float(q[channel_of<kv_traits<F>::BITS, HD>(m, t, reg, half)]) * times : 0;
            b[m][reg] = pair::make(v[0], v[1]);
        }
}

/* The warps' sums to one, in shared memory that the rings no longer need, and out to a slot. */
template <enum kv F, int HD, int WARPS>
static __device__ void join_warps(const struct attention &p, struct sums<HD> &w, float *meet, int slot, float v_scale)
{
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    float *o = meet + warp * 8 * HD, *most = meet + WARPS * 8 * HD, *sum = most + WARPS * 8;
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
            o[(2 * t + j % 2) * HD + output_of<kv_traits<F>::BITS>(i, g, j / 2)] = w.o[i][j];
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
            all = fmaf(share, meet[x * 8 * HD + i], all);
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
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, pairs = p.kv_heads * p.tiles, runs = (int)gridDim.x;
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
        uint32_t q[HD / 16][2];
        float left = p.scale * (F == KV_E4M3 ? p.k_scale[kv_head] * 256 : 1), scale[2];
        load_query<F, HD>(p.q + ((size_t)sequence * p.heads + query) * HD, there, t, q, &left);
        scale[0] = __shfl_sync(~0u, left, 8 * t);           /* of head 2 t: its lanes are 8 t to 8 t + 3 */
        scale[1] = __shfl_sync(~0u, left, 8 * t + 4);
        struct sums<HD> w = {{-INFINITY, -INFINITY}, {0, 0}, {}};
        attend<F, HD, WARPS, DEPTH, SUB>(p, p.k + all * S::ROW, p.v + all * S::ROW, p.k_group + all / 32 * S::GROUP,
                                         p.v_group + all / 32 * S::GROUP, block * 32, min(stop * 32, length), q, scale,
                                         shared_address(shared), w);
        join_warps<F, HD, WARPS>(p, w, (float *)shared, (int)blockIdx.x + sequence * pairs + pair,
                                 F == KV_E4M3 ? p.v_scale[kv_head] * 256 : 1);
        u += stop - block;
    }
}

template <enum kv F, int HD, int WARPS, int DEPTH, int SUB, int BLOCKS, bool SMALL>
static __global__ void __launch_bounds__(WARPS * 32, BLOCKS)
attention_kernel(const __grid_constant__ struct attention p)
{
    if constexpr (gpu_built<SMALL>::here)
        attend_run<F, HD, WARPS, DEPTH, SUB>(p);
}

/* ---- The runs of a KV head to its outputs ---------------------------------------------------------- */

/* A thread block is a pair of sequence and KV head (and tile of heads) and one of its heads; a thread, a channel. */
template <int HD>
static __global__ void __launch_bounds__(HD) join_runs(const __grid_constant__ struct attention p, int runs)
{
    const int pairs = p.kv_heads * p.tiles, index = (int)blockIdx.x, sequence = index / pairs, pair = index % pairs;
    const int head = (int)blockIdx.y, whole = p.heads / p.kv_heads, in_group = pair % p.tiles * 8 + head;
    const int blocks = p.starts[sequence + 1] - p.starts[sequence];
    if (in_group >= whole)
        return;
    float total = 0, all = 0;
    if (blocks > 0) {
        const int u = p.starts[sequence] * pairs + pair * blocks;
        const int first = run_of(p, u, runs), last = run_of(p, u + blocks - 1, runs);
        float top = -INFINITY;
        for (int v = first; v <= last; v++)
            top = fmaxf(top, p.softmax[(v + index) * 8 + head].x);
#pragma unroll 4
        for (int v = first; v <= last; v++) {
            float2 part = p.softmax[(v + index) * 8 + head];
            float share = power_of_two(part.x - top);
            total = fmaf(share, part.y, total);
            all = fmaf(share, p.sums[((size_t)(v + index) * 8 + head) * HD + threadIdx.x], all);
        }
    }
    const size_t row = (size_t)sequence * p.heads + pair / p.tiles * whole + in_group;
    p.out[row * HD + threadIdx.x] = total > 0 ? all / total : 0;
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
    if (runs > 0)
        kernel<<<runs, WARPS * 32, S::SHARED, g->stream>>>(p);
    join_runs<HD><<<dim3((unsigned)gpu_attention_pairs(a), (unsigned)p.group), HD, 0, g->stream>>>(p, runs);
    return gpu_launched(g, "attention_kernel");
}

/* Small blocks have half the warps. */
template <enum kv F, int HD, int DEPTH>
static enum kernel_status choose_attention(struct gpu *g, const struct gpu_attention *a)
{
    constexpr int SUB = F == KV_BF16 ? 1 : 2;
    return gpu_small(g) ? run_attention<F, HD, 4, DEPTH, SUB, 1, 1, true>(g, a)
                        : run_attention<F, HD, 8, DEPTH, SUB, 1, 1, false>(g, a);
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
