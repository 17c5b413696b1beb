/* gpu_prefill.cuh: what both ways to compute prefill share: widening of codes, softmax, queries in and rows out.
 * A warp holds 16 queries: of lane l, rows g = l / 4 and g + 8, columns 2 t and 2 t + 1 of every eight (t = l % 4).
 * gpu_prefill.cu is for all cards, gpu_prefill_wgmma.cuh for those of compute capability 9.0. */
#ifndef KERNELS_GPU_PREFILL_CUH
#define KERNELS_GPU_PREFILL_CUH

#include <math.h>

#include "kernels/gpu_kv.cuh"

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

/* Where a thread block is: its tile of queries, and what of K and V it sees. */
struct place_in_work {
    int rows, position, seen, tiles, kv_head;
    size_t row0, vectors;       /* the first query of the head; the first token of the KV head */
};

template <int ROWS, int TOKENS>
static __device__ __forceinline__ struct place_in_work find_place(const struct prefill &p)
{
    struct place_in_work at;
    const int tile = (int)(gridDim.z - 1 - blockIdx.z);             /* longest first */
    const int head = (int)blockIdx.x, sequence = (int)blockIdx.y, length = p.lengths[sequence];
    at.kv_head = head / (p.heads / p.kv_heads);
    at.rows = min(ROWS, p.queries - tile * ROWS);
    at.position = length - p.queries + tile * ROWS;                 /* of the first query */
    at.seen = min(length, at.position + at.rows);                   /* tokens that the last query sees */
    at.tiles = at.seen > 0 ? (at.seen + TOKENS - 1) / TOKENS : 0;
    at.row0 = ((size_t)sequence * p.queries + tile * ROWS) * p.heads + head;
    at.vectors = ((size_t)sequence * p.kv_heads + at.kv_head) * p.capacity;
    return at;
}

/* Where chunk c of 16 bytes of row r lies: eight rows of one chunk are free of bank conflicts. In whole rows of WIDE
 * bytes, or in blocks of ROWS rows of 128 bytes as wgmma wants them. */
template <int WIDE>
struct whole_rows {
    static __device__ __forceinline__ unsigned at(unsigned r, unsigned c)
    {
        return r * WIDE + (c ^ (r & 7)) * 16;
    }
};

template <int ROWS>
struct row_blocks {
    static __device__ __forceinline__ unsigned at(unsigned r, unsigned c)
    {
        return (c / 8 * ROWS + r) * 128 + ((c & 7) ^ (r & 7)) * 16;
    }
};

static __device__ __forceinline__ void store_shared_16(uint32_t to, const uint32_t v[4])
{
    asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3])
                 : "memory");
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
    } else if constexpr (F == KV_E4M3) {
        neighbors_e4m3::decode(w, v);
    } else {
        uint32_t d[2];
        words<pair_fp16, CODES_INT8>::decode(w, d);
        v[0] = __byte_perm(d[0], d[1], 0x5410);
        v[1] = __byte_perm(d[0], d[1], 0x7632);
    }
}

/* The queries of the block to shared memory; FP16 wants each scaled by a power of two to below 2, which row_scale
 * undoes. Rows that are not there are zeros. Two threads a row. */
template <enum kv F, int HD, class PLACE>
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
        store_shared_16(to + PLACE::at(r, half * (HD / 16) + i), w);
    }
}

/* What a warp has of its rows g and g + 8. */
template <int HD>
struct sums {
    float most[2], sum[2], o[HD / 8][4];
};

/* Scores to weights; what was summed before is to be multiplied by shrink. Row g may see tokens below limit[0] of the
 * tile, row g + 8 below limit[1]. */
template <int HD, int N>
static __device__ __forceinline__ void soften(struct sums<HD> &w, float s[N][4], const float scale[2],
                                              const int limit[2], bool masked, int t, float shrink[2])
{
    float most[2] = {-INFINITY, -INFINITY};
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
        w.sum[h] *= shrink[h];
    }
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            s[n][i] = power_of_two(fmaf(s[n][i], scale[i / 2], -most[i / 2]));
            w.sum[i / 2] += s[n][i];
        }
}

/* Maxima seldom rise after the first tiles: then this is nothing. */
template <int HD>
static __device__ __forceinline__ void shrink_rows(struct sums<HD> &w, const float shrink[2])
{
    if (__any_sync(~0u, shrink[0] != 1 || shrink[1] != 1))
#pragma unroll
        for (int d = 0; d < HD / 8; d++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                w.o[d][i] *= shrink[i / 2];
}

/* The rows of the warp, divided, through shared memory that held its queries, so that stores are of 16 bytes. */
template <int HD, class PLACE>
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
            asm volatile("st.shared.u32 [%0], %1;" ::"r"(stage + PLACE::at(warp * 16 + g + 8 * h, d) + t * 4),
                         "r"(pair_bf16::make(w.o[d][2 * h] * times, w.o[d][2 * h + 1] * times)) : "memory");
    }
    __syncwarp();
    for (int i = lane; i < 16 * HD / 8; i += 32) {
        const int r = warp * 16 + i / (HD / 8), c = i % (HD / 8);
        if (r < rows)
            ((uint4 *)(out + (size_t)r * step))[c] = load_shared_16(stage + PLACE::at(r, c));
    }
}

#endif
