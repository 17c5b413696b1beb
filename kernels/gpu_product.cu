/* gpu_product.cu: y = x W^T for up to 64 tokens, weights of 16, 8 and 4 bits streamed once from memory.
 * A block is 8 or 16 warps on as many tiles of 16 rows; all walk along the columns, each copying its own records to a
 * ring in shared memory (cp.async, chunks ahead), decoding them in registers, and multiplying with mma.m16n8k16.
 * The work, rows times chunks, is cut into as many equal runs as there are blocks. A run may begin inside a row: its
 * sums are then handed to the block that began that row, which adds them in order, so that the result never varies. */
#include "kernels/gpu_product.h"

#include <string.h>

#include "kernels/gpu_module.cuh"
#include "kernels/gpu_words.cuh"

enum weight { W_BF16, W_FP16, W_INT8, W_E4M3, W_INT4, W_MXFP4, W_NVFP4 };

/* Where in its chunk lane t finds value i (0 to 3) of instruction m (0 to 7); i 2 and 3 are the second half of k. */
static __device__ __forceinline__ int column_of(int m, int t, int i)
{
    return 32 * (m / 2) + 8 * t + 4 * (m % 2) + i;
}

/* ---- Packing --------------------------------------------------------------------------------------- */

struct packing {
    uint8_t *records;
    const void *codes, *scales;
    int rows, cols, chunks, tiles, bits, group, scale_bytes, record, offset;     /* offset: added to codes of int4 */
};

static __device__ uint32_t code_at(const struct packing &p, int row, int col)
{
    if (row >= p.rows || col >= p.cols)
        return 0;
    size_t i = (size_t)row * p.cols + col;
    return p.bits == 16 ? ((const uint16_t *)p.codes)[i] : ((const uint8_t *)p.codes)[i];
}

/* Value i of instruction m, in row g or g + 8, for lane (g, t) of a record. */
static __device__ uint32_t value_at(const struct packing &p, int tile, int chunk, int lane, int m, int half, int i)
{
    uint32_t code = code_at(p, tile * GPU_TILE + lane / 4 + 8 * half, chunk * GPU_CHUNK + column_of(m, lane % 4, i));
    return p.bits == 4 ? (code + p.offset) & 15 : code;
}

/* The 32-bit word `w` of lane `lane` (words of a lane count from 0 over the whole record). */
static __device__ uint32_t word_at(const struct packing &p, int tile, int chunk, int lane, int w)
{
    uint32_t word = 0;
    if (p.bits == 16) {                     /* register w % 4 of instruction w / 4 */
        int half = w % 2, i = w % 4 / 2 * 2;
        return value_at(p, tile, chunk, lane, w / 4, half, i) |
               value_at(p, tile, chunk, lane, w / 4, half, i + 1) << 16;
    }
    if (p.bits == 8) {                      /* bytes 0 and 2 are one register, 1 and 3 the next */
        for (int b = 0; b < 4; b++)
            word |= value_at(p, tile, chunk, lane, w / 2, b % 2, w % 2 * 2 + b / 2) << 8 * b;
        return word;
    }
    for (int n = 0; n < 8; n++)             /* nibbles r and r + 4 are register r */
        word |= value_at(p, tile, chunk, lane, w, n % 2, n % 4 / 2 * 2 + n / 4) << 4 * n;
    return word;
}

/* Byte b of the scales of a record. */
static __device__ uint8_t scale_byte(const struct packing &p, int tile, int chunk, int b)
{
    int per_row = GPU_CHUNK / p.group, row, group, byte = 0;
    if (p.group == 128) {                   /* FP16, a row after the other */
        row = b / 2;
        group = 0;
        byte = b % 2;
    } else if (p.group == 32) {             /* rows g and g + 8 of a lane are neighbors */
        row = b / 8 + b % 8 / 4 * 8;
        group = b % 4;
    } else {                                /* the same for each half of the columns that a lane sees */
        row = b / 16 + b % 8 / 4 * 8;
        group = b % 4 * 2 + b / 8 % 2;
    }
    row += tile * GPU_TILE;
    group += chunk * per_row;
    int groups = (p.cols + p.group - 1) / p.group;
    if (row >= p.rows || group >= groups)
        return 0;
    return ((const uint8_t *)p.scales)[((size_t)row * groups + group) * p.scale_bytes + byte];
}

/* One thread a word of 32 bits. */
static __global__ void pack_records(struct packing p)
{
    size_t words = p.record / 4, count = (size_t)p.tiles * p.chunks * words, code_words = 16 * GPU_CHUNK * p.bits / 32;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        int word = (int)(i % words), chunk = (int)(i / words % p.chunks), tile = (int)(i / words / p.chunks);
        uint32_t v = 0;
        if (word < (int)code_words) {       /* 16 bytes a lane, then the next 16 of the first lane */
            v = word_at(p, tile, chunk, word / 4 % 32, word / 128 * 4 + word % 4);
        } else {
            for (int b = 0; b < 4; b++)
                v |= (uint32_t)scale_byte(p, tile, chunk, (word - (int)code_words) * 4 + b) << 8 * b;
        }
        ((uint32_t *)p.records)[i] = v;
    }
}

static enum kernel_status launch_pack(struct gpu *g, const void *work)
{
    const struct gpu_pack *k = (const struct gpu_pack *)work;
    const struct gpu_layout *l = k->w->layout;
    struct packing p = {k->w->records, k->codes, k->scales, k->w->rows, k->w->cols, (int)gpu_chunks(k->w),
                        (int)gpu_tiles(k->w), l->bits, l->group, l->scale_bytes, (int)l->record,
                        strcmp(l->format, "int4") == 0 ? 8 : 0};
    size_t words = gpu_weights_bytes(k->w) / 4;
    if (words == 0)
        return KERNEL_OK;
    pack_records<<<gpu_blocks(g, words, 256, 256, 4), 256, 0, g->stream>>>(p);
    return gpu_launched(g, "pack_records");
}

/* ---- The product ----------------------------------------------------------------------------------- */

struct product {
    const uint8_t *records;
    const float *row_scale;
    const uint4 *x;             /* [batch, chunks * 16] of 8 values */
    float *y;
    float *parts;               /* [blocks, batch, rows of a block] sums handed over */
    unsigned *ready;            /* [blocks] 1: the part is there */
    float scale;
    int rows, batch, chunks, tiles;
    int items;                  /* row blocks times chunks */
};

enum {
    X_ROW = 320,                /* bytes of a token's chunk in shared memory: 256 and room against bank conflicts */
    SHARED_MOST = 227 * 1024,   /* of a block's shared memory, or SHARED_SMALL: see gpu_built */
    SHARED_SMALL = 99 * 1024,
};

template <enum weight W>
struct weight_traits;
template <> struct weight_traits<W_BF16> { enum { BITS = 16, RECORD = 4096 }; };
template <> struct weight_traits<W_FP16> { enum { BITS = 16, RECORD = 4096 }; };
template <> struct weight_traits<W_INT8> { enum { BITS = 8, RECORD = 2048 }; };
template <> struct weight_traits<W_E4M3> { enum { BITS = 8, RECORD = 2048 }; };
template <> struct weight_traits<W_INT4> { enum { BITS = 4, RECORD = 1056 }; };
template <> struct weight_traits<W_MXFP4> { enum { BITS = 4, RECORD = 1088 }; };
template <> struct weight_traits<W_NVFP4> { enum { BITS = 4, RECORD = 1152 }; };

/* The A fragments of instruction pair q (0 to 3) of a record at `from`, decoded; `held` keeps what a 16-byte load
 * brought for the next pair. */
template <class PAIR, enum weight W>
static __device__ __forceinline__ void fragments(uint32_t from, int lane, int q, uint4 &held, uint32_t a[2][4])
{
    enum { BITS = weight_traits<W>::BITS };
    if constexpr (BITS == 16) {
        for (int m = 0; m < 2; m++) {
            uint4 v = load_shared_16(from + ((2 * q + m) * 32 + lane) * 16);
            a[m][0] = v.x, a[m][1] = v.y, a[m][2] = v.z, a[m][3] = v.w;
        }
    } else if constexpr (BITS == 8) {
        constexpr enum codes CODES = W == W_INT8 ? CODES_INT8 : CODES_E4M3;
        uint4 v = load_shared_16(from + (q * 32 + lane) * 16);
        words<PAIR, CODES>::decode(v.x, a[0]);
        words<PAIR, CODES>::decode(v.y, a[0] + 2);
        words<PAIR, CODES>::decode(v.z, a[1]);
        words<PAIR, CODES>::decode(v.w, a[1] + 2);
    } else {
        constexpr enum codes CODES = W == W_INT4 ? CODES_INT4 : CODES_E2M1;
        if (q % 2 == 0)
            held = load_shared_16(from + (q / 2 * 32 + lane) * 16);
        words<PAIR, CODES>::decode(q % 2 ? held.z : held.x, a[0]);
        words<PAIR, CODES>::decode(q % 2 ? held.w : held.y, a[1]);
    }
}

/* An E4M3 byte, never negative, as a pair of the same value: times 2^7 in FP16, times 2^119 in BF16. With E2M1 codes
 * that gives value times scale times 2^-7 in both, exactly. */
template <class PAIR>
static __device__ __forceinline__ uint32_t block_scale(uint32_t byte);

template <>
__device__ __forceinline__ uint32_t block_scale<pair_fp16>(uint32_t byte)
{
    return pair_fp16::mul(byte * 0x00800080u, 0x78007800u);                      /* 2^-8 times 2^15 */
}

template <>
__device__ __forceinline__ uint32_t block_scale<pair_bf16>(uint32_t byte)
{
    return pair_bf16::mul(pair_bf16::mul(byte * 0x00100010u, 0x7b807b80u), 0x7b007b00u);     /* 2^-120 2^120 2^119 */
}

/* sums += record * x for one chunk. */
template <class PAIR, enum weight W, int NT>
static __device__ __forceinline__ void multiply_chunk(uint32_t record, uint32_t x, int lane, float sums[NT][4])
{
    const int g = lane / 4, t = lane % 4;
    uint4 held = {};
    float part[NT][4] = {};
    uint32_t scales[2] = {};
    if constexpr (W == W_NVFP4) {
        uint2 v = load_shared_8(record + 1024 + (g * 2 + t / 2) * 8);
        scales[0] = v.x, scales[1] = v.y;
    }
    if constexpr (W == W_MXFP4) {
        uint2 v = load_shared_8(record + 1024 + g * 8);
        scales[0] = v.x, scales[1] = v.y;
    }
#pragma unroll
    for (int q = 0; q < 4; q++) {
        uint32_t a[2][4];
        fragments<PAIR, W>(record, lane, q, held, a);
        if constexpr (W == W_NVFP4)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32_t s = block_scale<PAIR>(scales[h] >> 8 * q & 255);
                a[0][h] = PAIR::mul(a[0][h], s), a[0][2 + h] = PAIR::mul(a[0][2 + h], s);
                a[1][h] = PAIR::mul(a[1][h], s), a[1][2 + h] = PAIR::mul(a[1][2 + h], s);
            }
        if constexpr (W == W_MXFP4 && words<PAIR, CODES_E2M1>::factor == 1)
#pragma unroll
            for (int i = 0; i < 8; i++)
                a[i / 4][i % 4] = PAIR::mul(a[i / 4][i % 4], 0x7e807e80u);           /* 2^126 */
        constexpr bool GROUPED = W == W_INT4 || W == W_MXFP4;
#pragma unroll
        for (int n = 0; n < NT; n++) {
            uint4 b = load_shared_16(x + (n * 8 + g) * X_ROW + q * 64 + t * 16);
            float *d = GROUPED ? part[n] : sums[n];
            PAIR::mma(d, a[0], b.x, b.y);
            PAIR::mma(d, a[1], b.z, b.w);
        }
        if constexpr (W == W_MXFP4) {
            uint32_t e0 = scales[0] >> 8 * q & 255, e1 = scales[1] >> 8 * q & 255;
            float s0 = __uint_as_float(e0 ? e0 << 23 : 0x00400000u), s1 = __uint_as_float(e1 ? e1 << 23 : 0x00400000u);
#pragma unroll
            for (int n = 0; n < NT; n++) {
                sums[n][0] = fmaf(part[n][0], s0, sums[n][0]), sums[n][1] = fmaf(part[n][1], s0, sums[n][1]);
                sums[n][2] = fmaf(part[n][2], s1, sums[n][2]), sums[n][3] = fmaf(part[n][3], s1, sums[n][3]);
                part[n][0] = part[n][1] = part[n][2] = part[n][3] = 0;
            }
        }
    }
    if constexpr (W == W_INT4) {
        float s0 = __half2float(__ushort_as_half((unsigned short)load_shared_2(record + 1024 + g * 2)));
        float s1 = __half2float(__ushort_as_half((unsigned short)load_shared_2(record + 1024 + (g + 8) * 2)));
#pragma unroll
        for (int n = 0; n < NT; n++) {
            sums[n][0] = fmaf(part[n][0], s0, sums[n][0]), sums[n][1] = fmaf(part[n][1], s0, sums[n][1]);
            sums[n][2] = fmaf(part[n][2], s1, sums[n][2]), sums[n][3] = fmaf(part[n][3], s1, sums[n][3]);
        }
    }
}

/* What is left to multiply the sums with, besides a scale of the row. */
template <class PAIR, enum weight W>
static constexpr float left_over()
{
    return W == W_NVFP4 ? 128.0f : W == W_MXFP4 ? words<PAIR, CODES_E2M1>::factor
         : W == W_E4M3 ? words<PAIR, CODES_E4M3>::factor : 1.0f;
}

template <class PAIR, enum weight W, int NT, int WARPS, int STAGES>
struct stream {
    enum {
        RECORD = weight_traits<W>::RECORD,
        ROWS = WARPS * GPU_TILE,
        X_BYTES = NT * 8 * X_ROW,
        STAGE = WARPS * RECORD + X_BYTES,
        SHARED = STAGES * STAGE,
    };

    /* Starts the copies of one item into a stage; the caller commits. */
    static __device__ __forceinline__ void fetch(const struct product &p, int block, int chunk, uint32_t stage,
                                                 int warp, int lane)
    {
        const int tile = block * WARPS + warp;
        if (tile < p.tiles) {
            const uint8_t *from = p.records + ((size_t)tile * p.chunks + chunk) * RECORD + lane * 16;
            uint32_t to = stage + warp * RECORD + lane * 16;
#pragma unroll
            for (int i = 0; i < RECORD / 512; i++)
                copy_16(to + i * 512, from + i * 512);
            if (RECORD % 512 && lane < RECORD % 512 / 16)
                copy_16(to + RECORD / 512 * 512, from + RECORD / 512 * 512);
        }
        uint32_t x = stage + WARPS * RECORD;
        for (int i = threadIdx.x; i < p.batch * 16; i += WARPS * 32)
            copy_16(x + i / 16 * X_ROW + i % 16 * 16, p.x + ((size_t)(i / 16) * p.chunks + chunk) * 16 + i % 16);
    }
};

/* Run v of the work: items [first, last). */
static __device__ __forceinline__ int run_first(const struct product &p, int v)
{
    return (int)((long long)p.items * v / (int)gridDim.x);
}

/* A place in the work: row block and chunk. */
struct cursor {
    int block, chunk;
    __device__ __forceinline__ cursor(const struct product &p, int item)
        : block(item / p.chunks), chunk(item % p.chunks)
    {
    }
    __device__ __forceinline__ void step(const struct product &p)
    {
        if (++chunk == p.chunks)
            chunk = 0, block++;
    }
};

/* The sums of a row block that another block began: left for it, and flagged. */
template <int NT, int ROWS>
static __device__ void hand_over(const struct product &p, int v, int row, int column, const float sums[NT][4])
{
    float *part = p.parts + (size_t)v * p.batch * ROWS;
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int token = n * 8 + column + i % 2;
            if (token < p.batch)
                part[(size_t)token * ROWS + row + i / 2 * 8] = sums[n][i];
        }
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0)
        asm volatile("st.release.gpu.global.u32 [%0], 1;" ::"l"(p.ready + v) : "memory");
}

/* Adds what run v has left. */
template <int NT, int ROWS>
static __device__ void take_over(const struct product &p, int v, int row, int column, float sums[NT][4])
{
    if (threadIdx.x == 0) {
        unsigned flag;
        do
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(flag) : "l"(p.ready + v) : "memory");
        while (!flag);
        p.ready[v] = 0;
    }
    __syncthreads();
    const float *part = p.parts + (size_t)v * p.batch * ROWS;
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int token = n * 8 + column + i % 2;
            if (token < p.batch)
                sums[n][i] += __ldcg(part + (size_t)token * ROWS + row + i / 2 * 8);
        }
}

template <class PAIR, enum weight W, int NT, int WARPS, int STAGES>
static __device__ __forceinline__ void multiply_run(const struct product &p)
{
    using S = stream<PAIR, W, NT, WARPS, STAGES>;
    extern __shared__ __align__(128) uint8_t shared[];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const uint32_t ring = shared_address(shared);
    /* The last block takes the first run: a block waits only for runs of blocks that started before it. */
    const int v = (int)(gridDim.x - 1 - blockIdx.x);
    const int first = run_first(p, v), last = run_first(p, v + 1);
    cursor ahead(p, first), at(p, first);

    for (int s = 0; s < STAGES; s++)        /* tokens that are not there stay zero */
        for (int i = threadIdx.x; i < S::X_BYTES / 16; i += WARPS * 32)
            if (i >= p.batch * (X_ROW / 16))
                *(uint4 *)(shared + s * S::STAGE + WARPS * S::RECORD + i * 16) = uint4{};
    for (int s = 0; s < STAGES - 1; s++) {
        if (first + s < last) {
            S::fetch(p, ahead.block, ahead.chunk, ring + s * S::STAGE, warp, lane);
            ahead.step(p);
        }
        copies_commit();
        __syncthreads();        /* the first stage of every warp before the second of any */
    }

    float sums[NT][4] = {};
    int stage = 0, fill = STAGES - 1;
    for (int item = first; item < last; item++, at.step(p)) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        if (item + STAGES - 1 < last) {
            S::fetch(p, ahead.block, ahead.chunk, ring + fill * S::STAGE, warp, lane);
            ahead.step(p);
        }
        copies_commit();
        const uint32_t here = ring + stage * S::STAGE;
        multiply_chunk<PAIR, W, NT>(here + warp * S::RECORD, here + WARPS * S::RECORD, lane, sums);
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        fill = fill + 1 == STAGES ? 0 : fill + 1;

        if (at.chunk + 1 < p.chunks && item + 1 < last)
            continue;
        const int row = warp * GPU_TILE + lane / 4, column = lane % 4 * 2;
        const int begin = at.block * p.chunks;
        if (begin < first) {
            hand_over<NT, S::ROWS>(p, v, row, column, sums);
        } else {
            for (int other = v + 1; at.chunk + 1 < p.chunks && other < (int)gridDim.x &&
                 run_first(p, other) < begin + p.chunks; other++)
                take_over<NT, S::ROWS>(p, other, row, column, sums);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int to = at.block * S::ROWS + row + i / 2 * 8;
                const float scale = to < p.rows ? (p.row_scale ? p.row_scale[to] : 1.0f) * p.scale : 0;
#pragma unroll
                for (int n = 0; n < NT; n++)
                    if (to < p.rows && n * 8 + column + i % 2 < p.batch)
                        p.y[(size_t)(n * 8 + column + i % 2) * p.rows + to] = sums[n][i] * scale;
            }
        }
#pragma unroll
        for (int n = 0; n < NT; n++)
            sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0;
    }
}

template <class PAIR, enum weight W, int NT, int WARPS, int STAGES, bool SMALL>
static __global__ void __launch_bounds__(WARPS * 32, 1) product_kernel(const __grid_constant__ struct product p)
{
    if constexpr (gpu_built<SMALL>::here)
        multiply_run<PAIR, W, NT, WARPS, STAGES>(p);
}

template <class PAIR, enum weight W, int NT, int WARPS, int STAGES, bool SMALL>
static enum kernel_status run_product(struct gpu *g, const struct gpu_gemv *k)
{
    using S = stream<PAIR, W, NT, WARPS, STAGES>;
    const struct gpu_weights *w = k->w;
    struct product p = {};
    p.records = w->records;
    p.row_scale = w->row_scale;
    p.x = (const uint4 *)k->x;
    p.y = k->y;
    p.ready = (unsigned *)k->scratch;
    p.parts = (float *)(p.ready + g->about.processors);
    p.scale = w->tensor_scale * left_over<PAIR, W>();
    p.rows = w->rows;
    p.batch = k->batch;
    p.chunks = (int)gpu_chunks(w);
    p.tiles = (int)gpu_tiles(w);
    p.items = (p.tiles + WARPS - 1) / WARPS * p.chunks;
    static_assert(S::ROWS <= 256 && STAGES >= 2, "gpu_gemv_scratch");
    auto kernel = product_kernel<PAIR, W, NT, WARPS, STAGES, SMALL>;
    enum kernel_status status = gpu_check(g, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                                  S::SHARED), "set up a product");
    if (status != KERNEL_OK)
        return status;
    const int blocks = p.items < g->about.processors ? p.items : g->about.processors;
    if (blocks == 0)
        return gpu_check(g, cudaMemsetAsync(k->y, 0, sizeof(float) * k->batch * w->rows, g->stream), "clear a product");
    kernel<<<blocks, WARPS * 32, S::SHARED, g->stream>>>(p);
    return gpu_launched(g, "product_kernel");
}

/* Warps of a block and stages of its ring. */
template <enum weight W, int NT, bool SMALL>
struct tuning {
    enum {
        WARPS = (weight_traits<W>::BITS == 16 ? 8 : 16) / (SMALL ? 2 : 1),
        STAGE = WARPS * weight_traits<W>::RECORD + NT * 8 * X_ROW,
        FIT = (SMALL ? SHARED_SMALL : SHARED_MOST) / STAGE,
        STAGES = FIT < 4 ? FIT : 4,
    };
};

template <class PAIR, enum weight W, int NT>
static enum kernel_status choose_product(struct gpu *g, const struct gpu_gemv *k)
{
    using big = tuning<W, NT, false>;
    using small = tuning<W, NT, true>;
    return gpu_small(g) ? run_product<PAIR, W, NT, small::WARPS, small::STAGES, true>(g, k)
                        : run_product<PAIR, W, NT, big::WARPS, big::STAGES, false>(g, k);
}

template <class PAIR, enum weight W>
static enum kernel_status launch_product(struct gpu *g, const void *work)
{
    const struct gpu_gemv *k = (const struct gpu_gemv *)work;
    if (k->batch < 0 || k->batch > GPU_BATCH_MOST)
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot multiply %d tokens at once: at most %d", k->batch, GPU_BATCH_MOST);
    if (k->batch == 0 || k->w->rows == 0)
        return KERNEL_OK;
    if (k->batch <= 8)
        return choose_product<PAIR, W, 1>(g, k);
    if (k->batch <= 16)
        return choose_product<PAIR, W, 2>(g, k);
    if (k->batch <= 32)
        return choose_product<PAIR, W, 4>(g, k);
    return choose_product<PAIR, W, 8>(g, k);
}

#define ROW(format, input, PAIR, W, bound) \
    {GPU_GEMV, format, input, 80, bound, launch_product<PAIR, W>, "product_kernel", "kernels/gpu_product.cu"}

/* Weights and activations are exact in the tensor cores; only their FP32 sums round. */
const struct gpu_kernel gpu_product_rows[] = {
    {GPU_PACK, NULL, NULL, 80, 0, launch_pack, "pack_records", "kernels/gpu_product.cu"},
    ROW("bf16", "bf16", pair_bf16, W_BF16, 2e-6f),
    ROW("fp16", "fp16", pair_fp16, W_FP16, 2e-6f),
    ROW("int8", "bf16", pair_bf16, W_INT8, 2e-6f),
    ROW("int8", "fp16", pair_fp16, W_INT8, 2e-6f),
    ROW("e4m3", "bf16", pair_bf16, W_E4M3, 2e-6f),
    ROW("e4m3", "fp16", pair_fp16, W_E4M3, 2e-6f),
    ROW("int4", "bf16", pair_bf16, W_INT4, 2e-6f),
    ROW("int4", "fp16", pair_fp16, W_INT4, 2e-6f),
    ROW("mxfp4", "bf16", pair_bf16, W_MXFP4, 2e-6f),
    ROW("mxfp4", "fp16", pair_fp16, W_MXFP4, 2e-6f),
    ROW("nvfp4", "bf16", pair_bf16, W_NVFP4, 2e-6f),
    ROW("nvfp4", "fp16", pair_fp16, W_NVFP4, 2e-6f),
    {},
};
