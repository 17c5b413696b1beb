/* gpu_product.cu: y = x W^T for up to 64 tokens, weights of 16, 8 and 4 bits streamed once from memory.
 * A warp copies its own slices to a ring in shared memory (cp.async, ahead), decodes them in registers and multiplies
 * with mma.m16n8k16. The warps of a block are TILES teams: a team has 32 rows, and its SPLIT warps take turns along the
 * columns; at the end of the rows their sums are added up.
 * The work, blocks of rows times chunks, is cut into as many equal runs as there are multiprocessors. A run may begin
 * inside a block of rows: its sums are then left for the run that began these rows, which adds them in order, so that
 * the result never varies. */
#include "kernels/gpu_module.cuh"
#include "kernels/gpu_slice.cuh"

struct product {
    const uint8_t *records;
    const float *row_scale;
    const uint4 *x;             /* [batch, x_row] of 8 values */
    float *y;
    uint64_t *parts;            /* [blocks, TILES, 8 NT, 32] sums left for another run, each with its mark */
    float scale;
    int rows, batch, chunks, tiles;     /* chunks: of the columns of a slice */
    int x_row;                  /* of x, in 16 bytes */
    int run, longer;            /* items, row blocks times chunks, of a run; the first `longer` runs have one more */
};

enum {
    X_ROW_MOST = 320,           /* of shape: a row of x in shared memory */
    SHARED_MOST = 227 * 1024,   /* of a block's shared memory, or SHARED_SMALL: see gpu_built */
    SHARED_SMALL = 99 * 1024,
};

/* A block's shape: teams, warps of a team, slices of a warp's ring. */
template <enum weight W, int NT_, int TILES_, int SPLIT_, int STAGES_>
struct shape {
    enum {
        NT = NT_, TILES = TILES_, SPLIT = SPLIT_, STAGES = STAGES_,
        WARPS = TILES * SPLIT,
        SLICE = weight_traits<W>::SLICE,
        X_WORDS = weight_traits<W>::COLUMNS / 8,        /* of 16 bytes: a token's share of a chunk */
        X_ROW = X_WORDS * 16 + (X_WORDS > 4 ? 64 : 0),  /* its bytes in shared memory, without bank conflicts */
        RING = WARPS * STAGES * SLICE,
        GATHER = (SPLIT - 1) * TILES * NT * 1024,       /* bytes of the sums of all warps of a team but the first */
        X_STAGE = NT * 8 * X_ROW,                       /* where x goes through a ring too */
    };
};

/* The first item of run v. */
static __device__ __forceinline__ int run_first(const struct product &p, int v)
{
    return v * p.run + min(v, p.longer);
}

/* The end of what may be done while the launch before is still running, which is to read weights that have long been
 * there; and from here on, the next launch may do that. */
static __device__ __forceinline__ void wait_for_launch_before()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/* ---- Weights and x --------------------------------------------------------------------------------- */

/* The slices of a warp in their order, SPLIT chunks from one to the next; copied ahead of being multiplied. */
template <class S>
struct feed {
    const uint8_t *from;        /* this lane's part of the slice */
    int tile, chunk, left;      /* where it is; chunks of the run to come, from this one on */

    __device__ __forceinline__ void enter(const struct product &p)
    {
        while (chunk >= p.chunks) {
            chunk -= p.chunks;
            tile += S::TILES;
            from += (ptrdiff_t)(S::TILES - 1) * p.chunks * S::SLICE;
        }
    }

    __device__ __forceinline__ void next(const struct product &p)
    {
        left -= S::SPLIT;
        chunk += S::SPLIT;
        from += S::SPLIT * S::SLICE;
        enter(p);
    }

    __device__ __forceinline__ void copy(const struct product &p, uint32_t to, int lane) const
    {
        enum { WHOLE = S::SLICE / 512, REST = S::SLICE % 512 / 16 };
        const bool there = left > 0 && tile < p.tiles;
#pragma unroll
        for (int i = 0; i < WHOLE; i++)
            copy_16_if(there, to + lane * 16 + i * 512, from + i * 512);
        if (REST)
            copy_16_if(there && lane < REST, to + lane * 16 + WHOLE * 512, from + WHOLE * 512);
    }
};

/* x for few tokens: every lane reads what it wants, a chunk ahead; the warps of a block share L1. */
template <class S>
struct x_by_lane {
    enum { STAGE = 0 };
    const uint4 *from;
    size_t token;
    bool reads[S::NT];          /* whether tokens g, g + 8, .. are there; what is not stays zero */
    uint4 v[S::X_WORDS / 4][S::NT];

    __device__ __forceinline__ x_by_lane(const struct product &p, uint8_t *, int lane)
        : from(p.x + (size_t)(lane / 4) * p.x_row + lane % 4), token(p.x_row), v{}
    {
#pragma unroll
        for (int n = 0; n < S::NT; n++)
            reads[n] = n * 8 + lane / 4 < p.batch;
    }
    __device__ __forceinline__ void copy(const struct product &, int, int) {}
    __device__ __forceinline__ void fetch(int chunk)
    {
#pragma unroll
        for (int n = 0; n < S::NT; n++)
#pragma unroll
            for (int q = 0; q < S::X_WORDS / 4; q++)
                if (reads[n])
                    v[q][n] = from[n * 8 * token + chunk * S::X_WORDS + q * 4];
    }
    __device__ __forceinline__ void turn(int)
    {
        __syncwarp();
    }
    __device__ __forceinline__ uint4 operator()(int q, int n) const
    {
        return v[q][n];
    }
};

/* x for many: a ring beside that of the weights, filled and read by all warps of a block, which stay together. */
template <class S>
struct x_by_block {
    enum { STAGE = S::X_STAGE };
    uint32_t ring, at, own;     /* where the ring is, where the stage of this turn, where in a stage this lane reads */

    __device__ __forceinline__ x_by_block(const struct product &p, uint8_t *shared, int lane)
        : ring(shared_address(shared)), at(0), own(lane / 4 * S::X_ROW + lane % 4 * 16)
    {
        static_assert(S::SPLIT == 1, "all warps are at the same chunk");
        for (int i = threadIdx.x; i < S::STAGES * STAGE / 16; i += S::WARPS * 32)
            if (i % (STAGE / 16) >= p.batch * (S::X_ROW / 16))
                *(uint4 *)(shared + i * 16) = uint4{};          /* tokens that are not there stay zero */
    }
    __device__ __forceinline__ void copy(const struct product &p, int chunk, int stage)
    {
        for (int i = threadIdx.x; i < p.batch * S::X_WORDS; i += S::WARPS * 32) {
            const int token = i / S::X_WORDS, word = i % S::X_WORDS;
            copy_16(ring + stage * STAGE + token * S::X_ROW + word * 16,
                    p.x + (size_t)token * p.x_row + chunk * S::X_WORDS + word);
        }
    }
    __device__ __forceinline__ void fetch(int) {}
    __device__ __forceinline__ void turn(int stage)
    {
        __syncthreads();
        at = ring + stage * STAGE + own;
    }
    __device__ __forceinline__ uint4 operator()(int q, int n) const
    {
        return load_shared_16(at + n * 8 * S::X_ROW + q * 64);
    }
};

/* ---- Sums ------------------------------------------------------------------------------------------ */

/* A sum for another block travels with its mark, one word of 64 bits: who sees the mark sees the sum. */
static __device__ __forceinline__ void send(uint64_t *to, float sum)
{
    uint64_t word = 1ull << 32 | __float_as_uint(sum);
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to), "l"(word) : "memory");
}

static __device__ __forceinline__ uint64_t receive(const uint64_t *from)
{
    uint64_t word;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word) : "l"(from) : "memory");
    return word;
}

/* A warp's sums of 32 rows, as the instructions leave them; i counts a lane's. */
template <int NT>
struct tile_sums {
    enum { COUNT = 2 * NT * 4 };
    float v[2][NT][4];

    __device__ __forceinline__ float &at(int i)
    {
        return v[i / 4 / NT][i / 4 % NT][i % 4];
    }
    static __device__ __forceinline__ int row(int i, int lane)
    {
        return i / 4 / NT * 16 + i % 4 / 2 * 8 + lane / 4;
    }
    static __device__ __forceinline__ int token(int i, int lane)
    {
        return i / 4 % NT * 8 + lane % 4 * 2 + i % 2;
    }
};

/* Leaves the sums for the run that began these rows. */
template <int NT>
static __device__ __forceinline__ void hand_over(uint64_t *to, int lane, int batch, tile_sums<NT> &sums)
{
#pragma unroll
    for (int i = 0; i < sums.COUNT; i++)
        if (sums.token(i, lane) < batch)
            send(to + i * 32 + lane, sums.at(i));
}

/* Adds what another run has left, and clears the marks for the next launch. */
template <int NT>
static __device__ __forceinline__ void take_over(uint64_t *from, int lane, int batch, tile_sums<NT> &sums)
{
    enum { AT_ONCE = 8 };
#pragma unroll
    for (int first = 0; first < sums.COUNT; first += AT_ONCE) {
        uint64_t word[AT_ONCE];
        bool whole;
        do {
            whole = true;
#pragma unroll
            for (int i = 0; i < AT_ONCE; i++)
                if (sums.token(first + i, lane) < batch) {
                    word[i] = receive(from + (first + i) * 32 + lane);
                    whole &= word[i] >> 32 != 0;
                }
        } while (!whole);
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++)
            if (sums.token(first + i, lane) < batch) {
                sums.at(first + i) += __uint_as_float((uint32_t)word[i]);
                from[(first + i) * 32 + lane] = 0;
            }
    }
}

/* Waits for the warps of a team. */
template <class S>
static __device__ __forceinline__ void meet(int team)
{
    asm volatile("bar.sync %0, %1;" ::"r"(team + 1), "n"(S::SPLIT * 32) : "memory");
}

/* The sums of a team, added in order by the first of its warps. */
template <class S, int NT>
static __device__ __forceinline__ void gather(float *held, int team, int part, int lane, tile_sums<NT> &sums)
{
    float *own = held + team * (S::SPLIT - 1) * sums.COUNT * 32 + lane;
    meet<S>(team);              /* what was gathered before has been read */
    if (part > 0)
#pragma unroll
        for (int i = 0; i < sums.COUNT; i++)
            own[((part - 1) * sums.COUNT + i) * 32] = sums.at(i);
    meet<S>(team);
    if (part == 0)
        for (int other = 0; other < S::SPLIT - 1; other++)
#pragma unroll
            for (int i = 0; i < sums.COUNT; i++)
                sums.at(i) += own[(other * sums.COUNT + i) * 32];
}

template <int NT>
static __device__ __forceinline__ void write_rows(const struct product &p, int tile, int lane, tile_sums<NT> &sums)
{
#pragma unroll
    for (int i = 0; i < sums.COUNT; i++) {
        const int row = tile * GPU_TILE + sums.row(i, lane), token = sums.token(i, lane);
        if (row < p.rows && token < p.batch)
            p.y[(size_t)token * p.rows + row] = sums.at(i) * ((p.row_scale ? p.row_scale[row] : 1.0f) * p.scale);
    }
}

/* ---- The kernel ------------------------------------------------------------------------------------ */

template <class PAIR, enum weight W, class S, template <class> class X>
static __device__ __forceinline__ void multiply_run(const struct product &p)
{
    extern __shared__ __align__(128) uint8_t shared[];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, team = warp / S::SPLIT, part = warp % S::SPLIT;
    const uint32_t ring = shared_address(shared) + warp * S::STAGES * S::SLICE;
    float *const gathered = (float *)(shared + S::RING + S::STAGES * X<S>::STAGE);
    /* The last block takes the first run: a block waits only for runs of blocks that started before it. */
    const int v = (int)(gridDim.x - 1 - blockIdx.x), first = run_first(p, v), last = run_first(p, v + 1);
    int block = first / p.chunks, chunk = first % p.chunks + part;      /* maybe past the end of these rows */

    feed<S> ahead = {p.records + ((size_t)(block * S::TILES + team) * p.chunks + chunk) * S::SLICE + lane * 16,
                     block * S::TILES + team, chunk, last - first - part};
    ahead.enter(p);
    X<S> x(p, shared + S::RING, lane);
    if (X<S>::STAGE)
        wait_for_launch_before();
#pragma unroll
    for (int s = 0; s < S::STAGES - 1; s++) {
        ahead.copy(p, ring + s * S::SLICE, lane);
        if (ahead.left > 0)
            x.copy(p, ahead.chunk, s);
        copies_commit();
        ahead.next(p);
        __syncthreads();        /* the first slice of every warp before the second of any */
    }
    if (!X<S>::STAGE)
        wait_for_launch_before();

    int stage = 0, spare = S::STAGES - 1;
    for (int begin = block * p.chunks; begin < last; begin += p.chunks, block++, chunk -= p.chunks) {
        const int tile = block * S::TILES + team, stop = min(p.chunks, last - begin), end = begin + p.chunks;
        tile_sums<S::NT> sums = {};
        if (chunk < stop)
            x.fetch(chunk);
        for (; chunk < stop; chunk += S::SPLIT) {
            copies_wait<S::STAGES - 2>();
            x.turn(stage);
            ahead.copy(p, ring + spare * S::SLICE, lane);
            if (ahead.left > 0)
                x.copy(p, ahead.chunk, spare);
            copies_commit();
            ahead.next(p);
            if (tile < p.tiles)
                multiply_slice<PAIR, W, S::NT>(ring + stage * S::SLICE, x, lane, sums.v);
            if (chunk + S::SPLIT < stop)
                x.fetch(chunk + S::SPLIT);
            spare = stage;
            stage = stage + 1 == S::STAGES ? 0 : stage + 1;
        }
        if constexpr (S::SPLIT > 1)
            gather<S>(gathered, team, part, lane, sums);
        if (part > 0)
            continue;
        const size_t left = (size_t)S::TILES * sums.COUNT * 32;         /* of a run */
        uint64_t *const place = p.parts + (size_t)team * sums.COUNT * 32;
        if (begin < first) {
            hand_over(place + v * left, lane, p.batch, sums);
            continue;
        }
        for (int other = v + 1; end > last && other < (int)gridDim.x && run_first(p, other) < end; other++)
            take_over(place + other * left, lane, p.batch, sums);
        write_rows(p, tile, lane, sums);
    }
}

template <class PAIR, enum weight W, class S, template <class> class X, bool SMALL>
static __global__ void __launch_bounds__(S::WARPS * 32, 1) product_kernel(const __grid_constant__ struct product p)
{
    if constexpr (gpu_built<SMALL>::here)
        multiply_run<PAIR, W, S, X>(p);
}

/* ---- Launches -------------------------------------------------------------------------------------- */

/* A launch that may start while the one before it ends, if `early` and the card can do so. */
template <class KERNEL>
static enum kernel_status launch(struct gpu *g, KERNEL *kernel, int blocks, int threads, size_t shared, bool early,
                                 const struct product &p)
{
    enum kernel_status status = gpu_check(g, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                                  (int)shared), "set up a product");
    if (status != KERNEL_OK)
        return status;
    cudaLaunchAttribute overlap = {};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = blocks, config.blockDim = threads, config.dynamicSmemBytes = shared, config.stream = g->stream;
    config.attrs = &overlap, config.numAttrs = early && g->about.capability >= 90;
    return gpu_check(g, cudaLaunchKernelEx(&config, kernel, p), "product_kernel");
}

template <class PAIR, enum weight W, class S, template <class> class X, bool SMALL>
static enum kernel_status run_product(struct gpu *g, const struct gpu_gemv *k)
{
    const struct gpu_weights *w = k->w;
    struct product p = {};
    p.records = w->records;
    p.row_scale = w->row_scale;
    p.x = (const uint4 *)k->x;
    p.y = k->y;
    p.parts = (uint64_t *)k->scratch;
    p.scale = w->tensor_scale * left_over<PAIR, W>();
    p.rows = w->rows;
    p.batch = k->batch;
    p.chunks = (int)gpu_chunks(w) * GPU_CHUNK / weight_traits<W>::COLUMNS;
    p.x_row = (int)gpu_chunks(w) * GPU_CHUNK / 8;
    p.tiles = (int)gpu_tiles(w);
    constexpr int SHARED = S::RING + S::STAGES * X<S>::STAGE + S::GATHER;
    constexpr int most = SMALL ? SHARED_SMALL : SHARED_MOST;
    static_assert(SHARED <= most, "a block's shared memory");
    static_assert(S::TILES * GPU_TILE <= GPU_SCRATCH_ROWS && S::STAGES >= 2, "gpu_gemv_scratch");
    const int items = (p.tiles + S::TILES - 1) / S::TILES * p.chunks;
    const int blocks = items < g->about.processors ? items : g->about.processors;
    if (blocks == 0)
        return gpu_check(g, cudaMemsetAsync(k->y, 0, sizeof(float) * k->batch * w->rows, g->stream), "clear a product");
    p.run = items / blocks;
    p.longer = items % blocks;
    return launch(g, product_kernel<PAIR, W, S, X, SMALL>, blocks, S::WARPS * 32, SHARED, k->early, p);
}

/* A block for so many tokens on such a card. Few stages on purpose: what waits in the memory's queues beyond what keeps
 * it busy only delays the first slices, and some multiprocessors more than others. */
template <enum weight W, int NT, bool SMALL>
struct tuning {
    enum {
        BITS = weight_traits<W>::BITS,
        BY_LANE = NT == 1,
        MOST = !BY_LANE || BITS == 16 ? 8 : BITS == 8 ? 24 : 16,
        WARPS = !SMALL ? MOST : BITS == 16 && NT == 8 ? 2 : MOST / 2,
        SPLIT = BY_LANE ? 4 : 1,
        FIT = (SMALL ? SHARED_SMALL : SHARED_MOST) / (WARPS * weight_traits<W>::SLICE + NT * 8 * X_ROW_MOST),
        STAGES = BY_LANE ? 2 : FIT < 4 ? FIT : 4,
    };
    using type = shape<W, NT, WARPS / SPLIT, SPLIT, STAGES>;
};

template <class PAIR, enum weight W, int NT, bool SMALL>
static enum kernel_status choose_input(struct gpu *g, const struct gpu_gemv *k)
{
    using T = tuning<W, NT, SMALL>;
    if constexpr (T::BY_LANE)
        return run_product<PAIR, W, typename T::type, x_by_lane, SMALL>(g, k);
    else
        return run_product<PAIR, W, typename T::type, x_by_block, SMALL>(g, k);
}

template <class PAIR, enum weight W, int NT>
static enum kernel_status choose_size(struct gpu *g, const struct gpu_gemv *k)
{
    return gpu_small(g) ? choose_input<PAIR, W, NT, true>(g, k) : choose_input<PAIR, W, NT, false>(g, k);
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
        return choose_size<PAIR, W, 1>(g, k);
    if (k->batch <= 16)
        return choose_size<PAIR, W, 2>(g, k);
    if (k->batch <= 32)
        return choose_size<PAIR, W, 4>(g, k);
    return choose_size<PAIR, W, 8>(g, k);
}

#define ROW(format, input, PAIR, W, bound) \
    {GPU_GEMV, format, input, 80, bound, launch_product<PAIR, W>, "product_kernel", "kernels/gpu_product.cu"}

/* Weights and activations are exact in the tensor cores; only their FP32 sums round. */
const struct gpu_kernel gpu_product_rows[] = {
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
