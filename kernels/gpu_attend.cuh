/* gpu_attend.cuh: decode attention, what one warp does: some tokens of one KV head, for at most eight query heads.
 * Steps of 16 or 32 tokens come through the warp's own ring of copies in shared memory. Scores come transposed,
 * S' = K q' and O' = V' P', so that the heads fill the short side of a tensor-core instruction. Scales of a block of
 * int8 and int4 are multiplied into q and P, fewer numbers than K and V. Included by gpu_attention.cu. */
#ifndef KERNELS_GPU_ATTEND_CUH
#define KERNELS_GPU_ATTEND_CUH

#include <math.h>

#include "kernels/gpu_kv.cuh"

/* ---- Decoding -------------------------------------------------------------------------------------- */

/* Which channel half `half` of register `reg` of B fragment m stands for, for lanes t: the order in which decoding a
 * row of K gives its channels. */
template <enum kv F, int HD>
static __device__ __forceinline__ int channel_of(int m, int t, int reg, int half)
{
    constexpr int BITS = kv_traits<F>::BITS;
    if (BITS == 16)
        return 32 * (m / 2) + 8 * t + 4 * (m % 2) + 2 * reg + half;
    if (F == KV_E4M3 && neighbors_e4m3::direct)
        return 64 * (m / 4) + 16 * t + 4 * (m % 4) + 2 * reg + half;
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

/* One word to its pairs: 1, 2 or 4 of them; V's words hold two channels of two tokens, and its pairs are of tokens. */
template <enum kv F, bool IS_V>
static __device__ __forceinline__ void decode_word(uint32_t w, uint32_t *v)
{
    if constexpr (F == KV_BF16) {
        v[0] = w;
    } else if constexpr (F == KV_E4M3) {
        if constexpr (neighbors_e4m3::direct)
            neighbors_e4m3::decode(IS_V ? __byte_perm(w, w, 0x3120) : w, v);
        else
            words<pair_fp16, CODES_E4M3>::decode(w, v);
    } else if constexpr (F == KV_INT8) {
        words<pair_fp16, CODES_INT8>::decode(w, v);
    } else {                                /* codes 0 to 15, less 8: see raise */
        words<pair_fp16, CODES_INT4>::decode(w, v);
    }
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
        PAD = BITS == 4 ? 1 : 64 / BITS,    /* spreads the heads of a warp's sums over the banks */
        SUMS = WARPS * 8 * (HD + PAD + 2) * 4,          /* where warps meet at the end */
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
template <enum kv F, int HD>
static __device__ __forceinline__ uint2 channel_pairs(uint32_t from, int m, int t)
{
    uint2 v;
    if (kv_traits<F>::BITS == 8) {          /* channels 0 to 3 of four: (0, 2) and (1, 3) */
        uint2 w = load_shared_8(from + channel_of<F, HD>(m, t, 0, 0) * 2);
        v.x = __byte_perm(w.x, w.y, 0x5410), v.y = __byte_perm(w.x, w.y, 0x7632);
    } else {                                /* (0, 4) and (1, 5) of eight, then (2, 6) and (3, 7) */
        uint32_t at = from + channel_of<F, HD>(m, t, 0, 0) * 2;
        uint32_t low = load_shared_4(at), high = load_shared_4(at + 8);
        v.x = __byte_perm(low, high, 0x5410), v.y = __byte_perm(low, high, 0x7632);
    }
    return v;
}

/* S' += K q': the tokens of a slot, the heads of the group. Scales go to the queries, once for all tokens, and minima
 * into a sum of their own that is the same for every token. */
template <enum kv F, int HD, int SUB, class S>
static __device__ __forceinline__ void scores(uint32_t slot, int lane, const uint32_t q[HD / 16][2], float s[SUB][4])
{
    using pair = typename kv_traits<F>::pair;
    const int g = lane / 4, t = lane % 4;
    constexpr int PAIRS = 16 / S::BITS;                     /* pairs of a word */
    constexpr int WIDE = S::ROW / 4 < 16 ? 8 : 16;          /* bytes that a lane reads of a row at a time */
    constexpr int LOADS = S::ROW / 4 / WIDE, WORDS = WIDE / 4, PER_LOAD = HD / 16 / LOADS;
    float second[SUB][4] = {}, least[2][4] = {};
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        uint32_t v[SUB][2][WORDS * PAIRS];
#pragma unroll
        for (int row = 0; row < 2 * SUB; row++) {
            uint32_t w[WORDS];
            if constexpr (WIDE == 16) {
                uint4 read = load_shared_16(slot + S::k_place(8 * row + g, 4 * i + t));
                w[0] = read.x, w[1] = read.y, w[WORDS - 2] = read.z, w[WORDS - 1] = read.w;
            } else {
                uint2 read = load_shared_8(slot + S::k_place(8 * row + g, t / 2) + t % 2 * 8);
                w[0] = read.x, w[1] = read.y;
            }
#pragma unroll
            for (int j = 0; j < WORDS; j++)
                decode_word<F, false>(w[j], v[row / 2][row % 2] + j * PAIRS);
        }
#pragma unroll
        for (int j = 0; j < PER_LOAD; j++) {
            const int m = i * PER_LOAD + j;
            uint32_t b[2] = {q[m][0], q[m][1]};
            if constexpr (S::PARTS > 0) {
                const uint2 scale = channel_pairs<F, HD>(slot + S::CODES, m, t);
                if constexpr (S::PARTS == 2) {
                    uint2 low = channel_pairs<F, HD>(slot + S::CODES + HD * 2, m, t);
                    low.x = raise(low.x, scale.x), low.y = raise(low.y, scale.y);
                    const uint32_t a[4] = {low.x, low.x, low.y, low.y};
                    pair::mma(least[m % 2], a, b[0], b[1]);
                }
                b[0] = pair::mul(b[0], scale.x), b[1] = pair::mul(b[1], scale.y);
            }
#pragma unroll
            for (int sub = 0; sub < SUB; sub++) {
                const uint32_t a[4] = {v[sub][0][2 * j], v[sub][1][2 * j], v[sub][0][2 * j + 1], v[sub][1][2 * j + 1]};
                pair::mma(m % 2 ? second[sub] : s[sub], a, b[0], b[1]);
            }
        }
    }
#pragma unroll
    for (int sub = 0; sub < SUB; sub++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            s[sub][i] += second[sub][i] + (S::PARTS == 2 ? least[0][i] + least[1][i] : 0);
}

/* O' += V' P' for 16 tokens; `p` is P' as a B fragment. Scales go to the weights; what the minima add is summed in
 * `least`, whose row g is of channels 32 g to 32 g + 31. */
template <enum kv F, int HD, class S>
static __device__ __forceinline__ void weigh(uint32_t slot, int row, int lane, const uint32_t p[2],
                                             float o[HD / 16][4], float least[4])
{
    using pair = typename kv_traits<F>::pair;
    const int g = lane / 4, t = lane % 4, r = row + lane / 8 % 2 * 8 + lane % 8;
    constexpr int TILES = S::BITS == 8 ? 1 : 2;             /* tiles of O' that a chunk gives */
    uint32_t b[2] = {p[0], p[1]};
    if constexpr (S::PARTS == 2) {
        const uint32_t at = slot + S::CODES + (g % (HD / 32) * 32 + row + 2 * t) * 2;
        const uint32_t a[4] = {raise(load_shared_4(at + HD * 2), load_shared_4(at)), 0,
                               raise(load_shared_4(at + HD * 2 + 16), load_shared_4(at + 16)), 0};
        pair::mma(least, a, p[0], p[1]);
    }
#pragma unroll
    for (int c = 0; c < S::CHUNKS / 2; c++) {
        uint32_t w[4];
        load_transposed(w, slot + S::v_place(r, 2 * c + lane / 16));
        if constexpr (F == KV_BF16) {
            uint32_t a[4] = {w[0], w[2], w[1], w[3]};
            pair::mma(o[c], a, p[0], p[1]);
        } else {
#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32_t early[2 * TILES], late[2 * TILES];
                decode_word<F, true>(w[2 * h], early);
                decode_word<F, true>(w[2 * h + 1], late);
                if constexpr (S::PARTS > 0) {
                    if (TILES == 2 || h == 0) {
                        const int group = (2 * c + h) * TILES / 2;
                        const uint32_t at = slot + S::CODES + (group * 32 + row + 2 * t) * 2;
                        b[0] = pair::mul(p[0], load_shared_4(at)), b[1] = pair::mul(p[1], load_shared_4(at + 16));
                    }
                }
#pragma unroll
                for (int i = 0; i < TILES; i++) {
                    uint32_t a[4] = {early[2 * i], early[2 * i + 1], late[2 * i], late[2 * i + 1]};
                    pair::mma(o[(2 * c + h) * TILES + i], a, b[0], b[1]);
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

/* What a warp has of the heads 2 t and 2 t + 1: maximum and sum of the exponentials, and the whole group's O', `least`
 * apart from it. */
template <int HD>
struct sums {
    float most[2], sum[2], o[HD / 16][4], least[4];
};

/* S' of a step to weights: the maximum rises, what was summed shrinks, P' leaves as B fragments. All weights and their
 * sum are 2^LIFT times as large as they should be: few are then too small for FP16 when scales have shrunk them. */
enum { LIFT = 8 };

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
            w.sum[j] *= shrink[j], w.least[j] *= shrink[j], w.most[j] = most[j];
    }
#pragma unroll
    for (int i = 0; i < SUB; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            s[i][j] = power_of_two(s[i][j] - (w.most[j % 2] - LIFT));
            w.sum[j % 2] += s[i][j];
        }
        p[i][0] = transpose(PAIR::make(s[i][0], s[i][1]));
        p[i][1] = transpose(PAIR::make(s[i][2], s[i][3]));
    }
}

/* A lane's query as B fragments, zeros for NULL. FP16 wants it scaled, by a power of two, to below 2, which is left to
 * multiply its scores with. */
template <enum kv F, int HD>
static __device__ void load_query(const __nv_bfloat16 *q, int t, uint32_t b[HD / 16][2], float *left)
{
    using pair = typename kv_traits<F>::pair;
    float times = 1;
    if (F != KV_BF16) {
        float most = 0;
        for (int i = t; q && i < HD; i += 4)
            most = fmaxf(most, fabsf(__bfloat162float(q[i])));
        most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
        most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
        int e = most > 0 && most < INFINITY ? ilogbf(most) : 0;
        e = e < -100 ? -100 : e;
        times = exp2f((float)-e);
        *left *= exp2f((float)e);
    }
#pragma unroll
    for (int m = 0; m < HD / 16; m++)
#pragma unroll
        for (int reg = 0; reg < 2; reg++) {
            float v[2];
#pragma unroll
            for (int half = 0; half < 2; half++)
                v[half] = q ? __bfloat162float(q[channel_of<F, HD>(m, t, reg, half)]) * times : 0;
            b[m][reg] = pair::make(v[0], v[1]);
        }
}

/* Tokens [first, last) of one KV head; K, V and scales of that head begin at the pointers. `q` is this lane's query,
 * NULL if its head is not there, `left` what its scores are multiplied with. */
template <enum kv F, int HD, int WARPS, int DEPTH, int SUB>
static __device__ void attend(const uint8_t *k, const uint8_t *v, const uint8_t *k_group, const uint8_t *v_group,
                              int first, int last, const __nv_bfloat16 *q, float left, uint32_t ring,
                              struct sums<HD> &w)
{
    using S = shape<F, HD, WARPS, DEPTH, SUB>;
    using pair = typename kv_traits<F>::pair;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
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
    uint32_t query[HD / 16][2];
    load_query<F, HD>(q, t, query, &left);
    const float scale[2] = {__shfl_sync(~0u, left, 8 * t), __shfl_sync(~0u, left, 8 * t + 4)};  /* heads 2 t, 2 t + 1 */
    int slot = 0;
    for (int step = warp; step < steps; step += WARPS) {
        const uint32_t at = mine + slot * 2 * S::SLOT;
        const int valid = last - first - step * S::TOKENS;
        float s[SUB][4] = {};
        uint32_t weights[SUB][2];
        copies_wait<2 * DEPTH - 1>();
        __syncwarp();
        scores<F, HD, SUB, S>(at, lane, query, s);
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
            weigh<F, HD, S>(at + S::SLOT, 16 * i, lane, weights[i], w.o, w.least);
        __syncwarp();
        get_v(step + DEPTH * WARPS, slot);
        slot = slot + 1 == DEPTH ? 0 : slot + 1;
    }
    copies_wait<0>();
}

#endif
