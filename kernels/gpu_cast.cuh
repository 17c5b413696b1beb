/* gpu_cast.cuh: encoding at the speed of memory: packed codes, scales known or found on the way, sums of the error.
 * Four kernels over the formats of gpu_eight.cuh: flat (each thread several runs of eight values, far apart), chunks
 * (eight threads a chunk, in the order of the sums), rows (a block a row, which it keeps in registers while it finds
 * the scale), and ragged ones for shapes whose rows do not end where a run does. Every input is read once.
 * A .cu file makes them for some formats, so that they compile side by side. */
#ifndef KERNELS_GPU_CAST_CUH
#define KERNELS_GPU_CAST_CUH

#include "kernels/gpu_eight.cuh"
#include "kernels/gpu_module.cuh"

enum { CAST_THREADS = 256, CAST_DEPTH = 4 };      /* runs that a thread loads before it uses the first */

static const unsigned ALL = 0xffffffffu;            /* the threads of a warp */

/* ---- Eight values ---------------------------------------------------------------------------------- */

template <class F> static __device__ __forceinline__ void store_codes(void *codes, size_t i, const uint32_t *w)
{
    if (F::BITS == 16)
        __stcs((uint4 *)codes + i, make_uint4(w[0], w[1], w[2], w[3]));
    else if (F::BITS == 8)
        __stcs((uint2 *)codes + i, make_uint2(w[0], w[1]));
    else
        __stcs((uint32_t *)codes + i, w[0]);
}

/* The largest finite magnitude of a run, and of the `lanes` threads whose runs share a scale. */
template <class S>
static __device__ __forceinline__ float most_of(const typename S::raw &r, const eight &x, bool finite)
{
    return finite ? S::most(r, x) : most_finite(x);
}

static __device__ __forceinline__ float most_of_lanes(float most, int lanes)
{
    for (int apart = 1; apart < lanes; apart *= 2)
        most = fmaxf(most, __shfl_xor_sync(ALL, most, apart));
    return most;
}

/* Codes of a run under a scale. */
template <class F>
static __device__ __forceinline__ void codes_of(const gpu_cast &c, const eight &x, float inverse, bool finite,
                                                uint32_t *w)
{
    eight y;
#pragma unroll
    for (int i = 0; i < 8; i++)
        y.v[i] = x.v[i] * inverse;
    F::codes(y, w);
    if (!finite) {
        words slow = slow_codes(c.format, y);
        for (int i = 0; i < F::BITS / 4; i++)
            w[i] = slow.w[i];
    }
}

/* The scale of a block, stored by its first lane if it was found. `i` counts runs, `inside` is false past the end. */
template <class F, bool FIND>
static __device__ __forceinline__ scaled scale_of(const gpu_cast &c, size_t i, bool inside, float most, int lanes)
{
    typename F::stored *scales = (typename F::stored *)c.scales;
    if (F::GROUP == 0)
        return F::known(c, typename F::stored());
    size_t g = i / F::RUNS;
    if (!FIND)
        return F::known(c, inside ? scales[g] : typename F::stored());
    scaled s = F::find(c, most_of_lanes(most, lanes));
    if (inside && i % F::RUNS == 0)
        scales[g] = (typename F::stored)s.stored;
    return s;
}

/* ---- Flat ------------------------------------------------------------------------------------------ */

/* What a run does not cover: fewer than eight values at the end of a tensor with one scale. */
template <class F, class S> static __device__ void cast_tail(const gpu_cast &c, size_t n)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    for (size_t i = n / 8 * 8; i < n; i++) {
        uint32_t code = encode_value(c.format, load_value(c.x, S::TYPE, i) * c.inverse, nearest);
        if (F::BITS == 16)
            ((uint16_t *)c.codes)[i] = (uint16_t)code;
        else
            ((uint8_t *)c.codes)[i] = (uint8_t)code;
    }
}

template <class F, class S, bool FIND>
static __global__ void __launch_bounds__(CAST_THREADS) cast_flat(const __grid_constant__ gpu_cast c)
{
    size_t n = c.rows * c.cols, runs = n / 8, first = blockIdx.x * (size_t)(CAST_THREADS * CAST_DEPTH) + threadIdx.x;
    typename S::raw r[CAST_DEPTH];
#pragma unroll
    for (int j = 0; j < CAST_DEPTH; j++)
        r[j] = first + j * CAST_THREADS < runs ? S::load(c.x, first + j * CAST_THREADS) : S::nothing();
#pragma unroll
    for (int j = 0; j < CAST_DEPTH; j++) {
        size_t i = first + j * CAST_THREADS;
        eight x = S::floats(r[j]);
        bool finite = S::finite(r[j]);
        float most = FIND ? most_of<S>(r[j], x, finite) : 0;
        scaled s = scale_of<F, FIND>(c, i, i < runs, most, F::RUNS);
        uint32_t w[4];
        codes_of<F>(c, x, s.inverse, finite, w);
        if (i < runs)
            store_codes<F>(c.codes, i, w);
    }
    if (F::GROUP == 0 && blockIdx.x == 0 && threadIdx.x == 0)
        cast_tail<F, S>(c, n);
}

/* ---- Chunks, with sums ----------------------------------------------------------------------------- */

/* What one thread of a chunk has summed: lanes 8 t to 8 t + 7. */
struct lanes {
    float    signal[8], noise[8];
    float    most;
    uint32_t count;
};

static __device__ __forceinline__ void add_run(lanes &l, const eight &x, const eight &values, float scale)
{
#pragma unroll
    for (int i = 0; i < 8; i++) {
        float difference = x.v[i] - values.v[i] * scale;
        l.signal[i] += x.v[i] * x.v[i];
        l.noise[i] += difference * difference;
        l.most = fmaxf(l.most, fabsf(difference));
    }
}

/* The same where some are not finite: they and their codes count as 0, which changes no sum. */
static __device__ __forceinline__ void leave_out(lanes &l, eight &x, eight &values)
{
    for (int i = 0; i < 8; i++)
        if (!is_finite(x.v[i])) {
            x.v[i] = values.v[i] = 0;
            l.count--;
        }
}

static __device__ __forceinline__ double join_eight(const float *lane)
{
    double sum = (((double)lane[0] + (double)lane[1]) + ((double)lane[2] + (double)lane[3])) +
                 (((double)lane[4] + (double)lane[5]) + ((double)lane[6] + (double)lane[7]));
    for (int apart = 1; apart < 8; apart *= 2)
        sum += __shfl_xor_sync(ALL, sum, apart);
    return sum;
}

static __device__ __forceinline__ void store_sums(const gpu_cast &c, size_t chunk, size_t chunks, lanes &l)
{
    struct gpu_sums sums = {join_eight(l.signal), join_eight(l.noise), 0, 0};
    for (int apart = 1; apart < 8; apart *= 2) {
        l.most = fmaxf(l.most, __shfl_xor_sync(ALL, l.most, apart));
        l.count += __shfl_xor_sync(ALL, l.count, apart);
    }
    sums.most = __float_as_uint(l.most);
    sums.count = l.count;
    if (threadIdx.x % 8 == 0 && chunk < chunks)
        c.sums[chunk] = sums;
}

/* Fewer than eight values at the end of a tensor with one scale: read one by one, the rest 0. */
template <class F, class S> static __device__ __noinline__ void stats_tail(const gpu_cast &c, size_t n, lanes &l)
{
    eight x = {}, values = {};
    cast_tail<F, S>(c, n);
    for (size_t i = n / 8 * 8; i < n; i++) {
        x.v[i % 8] = load_value(c.x, S::TYPE, i);
        uint32_t code = F::BITS == 16 ? ((uint16_t *)c.codes)[i] : ((uint8_t *)c.codes)[i];
        values.v[i % 8] = decode_value(c.format, code);
    }
    l.count += (uint32_t)(n % 8);
    leave_out(l, x, values);
    add_run(l, x, values, c.scale);
}

/* Eight threads take 64 values of their chunk at a time; DEEP such steps are loaded before the first is used, and share
 * a scale where groups have 128 values. */
template <class F, class S, bool FIND>
static __global__ void __launch_bounds__(CAST_THREADS) cast_chunks(const __grid_constant__ gpu_cast c)
{
    constexpr int DEEP = 4, SHARE = F::GROUP == 128 ? 2 : 1, LANES = F::RUNS / SHARE;
    size_t n = c.rows * c.cols, runs = n / 8, chunks = (n + GPU_SUMS_OF - 1) / GPU_SUMS_OF;
    size_t chunk = (blockIdx.x * (size_t)CAST_THREADS + threadIdx.x) / 8;
    size_t first = chunk * (GPU_SUMS_OF / 8) + threadIdx.x % 8;
    lanes l = {};
    for (int step = 0; step < GPU_SUMS_OF / 64; step += DEEP) {
        typename S::raw r[DEEP];
#pragma unroll
        for (int j = 0; j < DEEP; j++)
            r[j] = first + (step + j) * 8 < runs ? S::load(c.x, first + (step + j) * 8) : S::nothing();
#pragma unroll
        for (int j = 0; j < DEEP; j += SHARE) {
            eight x[SHARE];
            bool finite[SHARE];
            float most = 0;
#pragma unroll
            for (int k = 0; k < SHARE; k++) {
                x[k] = S::floats(r[j + k]);
                finite[k] = S::finite(r[j + k]);
                most = FIND ? fmaxf(most, most_of<S>(r[j + k], x[k], finite[k])) : 0;
            }
            size_t i = first + (step + j) * 8;
            scaled s = scale_of<F, FIND>(c, i, i < runs, most, LANES);
#pragma unroll
            for (int k = 0; k < SHARE; k++) {
                uint32_t w[4];
                codes_of<F>(c, x[k], s.inverse, finite[k], w);
                eight values = F::values(w);
                bool inside = i + k * 8 < runs;
                if (inside)
                    store_codes<F>(c.codes, i + k * 8, w);
                l.count += inside ? 8 : 0;
                if (!finite[k])
                    leave_out(l, x[k], values);
                add_run(l, x[k], values, s.scale);
            }
        }
    }
    if (F::GROUP == 0 && n % 8 && chunk == chunks - 1 && runs % 8 == threadIdx.x % 8)
        stats_tail<F, S>(c, n, l);
    store_sums(c, chunk, chunks, l);
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* The largest of all threads' numbers. */
template <int SIZE> static __device__ __forceinline__ float most_of_block(float most)
{
    __shared__ float part[SIZE / 32];
    most = most_of_lanes(most, 32);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = most;
    __syncthreads();
    most = part[0];
#pragma unroll
    for (int i = 1; i < SIZE / 32; i++)
        most = fmaxf(most, part[i]);
    return most;
}

/* A block for each row of at most 8 * SIZE * DEEP values. */
template <class F, class S, int SIZE, int DEEP>
static __global__ void __launch_bounds__(SIZE) cast_rows(const __grid_constant__ gpu_cast c)
{
    size_t runs = c.cols / 8, first = blockIdx.x * runs;
    typename S::raw r[DEEP];
    float most = 0;
#pragma unroll
    for (int j = 0; j < DEEP; j++) {
        size_t i = threadIdx.x + j * SIZE;
        r[j] = i < runs ? S::load(c.x, first + i) : S::nothing();
    }
#pragma unroll
    for (int j = 0; j < DEEP; j++)
        most = fmaxf(most, most_of<S>(r[j], S::floats(r[j]), S::finite(r[j])));
    scaled s = F::find(c, most_of_block<SIZE>(most));
    if (threadIdx.x == 0)
        ((float *)c.scales)[blockIdx.x] = s.scale;
#pragma unroll
    for (int j = 0; j < DEEP; j++) {
        size_t i = threadIdx.x + j * SIZE;
        uint32_t w[4];
        codes_of<F>(c, S::floats(r[j]), s.inverse, S::finite(r[j]), w);
        if (i < runs)
            store_codes<F>(c.codes, first + i, w);
    }
}

/* Any row, read twice, value by value. */
template <class F, class S>
static __global__ void __launch_bounds__(CAST_THREADS) cast_rows_ragged(const __grid_constant__ gpu_cast c)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    size_t first = blockIdx.x * c.cols;
    float most = 0;
    for (size_t i = threadIdx.x; i < c.cols; i += CAST_THREADS) {
        float x = load_value(c.x, S::TYPE, first + i);
        most = is_finite(x) ? fmaxf(most, fabsf(x)) : most;
    }
    scaled s = F::find(c, most_of_block<CAST_THREADS>(most));
    if (threadIdx.x == 0)
        ((float *)c.scales)[blockIdx.x] = s.scale;
    for (size_t i = threadIdx.x; i < c.cols; i += CAST_THREADS) {
        uint32_t code = encode_value(c.format, load_value(c.x, S::TYPE, first + i) * s.inverse, nearest);
        if (F::BITS == 16)
            ((uint16_t *)c.codes)[first + i] = (uint16_t)code;
        else
            ((uint8_t *)c.codes)[first + i] = (uint8_t)code;
    }
}

/* ---- Ragged groups --------------------------------------------------------------------------------- */

/* Bytes of a row of codes; a block format pads its last block. */
template <class F> static __host__ __device__ __forceinline__ size_t row_bytes(size_t cols, bool pads)
{
    size_t values = pads ? (cols + F::GROUP - 1) / F::GROUP * F::GROUP : cols;
    return (values * F::BITS + 7) / 8;
}

/* A thread for each group of any row; `pads` is true of block formats. */
template <class F, class S, bool FIND>
static __global__ void __launch_bounds__(CAST_THREADS) cast_groups(const __grid_constant__ gpu_cast c, bool pads)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    size_t per_row = (c.cols + F::GROUP - 1) / F::GROUP, g = blockIdx.x * (size_t)CAST_THREADS + threadIdx.x;
    typename F::stored *scales = (typename F::stored *)c.scales;
    if (g >= per_row * c.rows)
        return;
    size_t row = g / per_row, col = g % per_row * F::GROUP;
    size_t n = c.cols - col < F::GROUP ? c.cols - col : F::GROUP, first = row * c.cols + col;
    float most = 0;
    for (size_t i = 0; FIND && i < n; i++) {
        float x = load_value(c.x, S::TYPE, first + i);
        most = is_finite(x) ? fmaxf(most, fabsf(x)) : most;
    }
    scaled s = FIND ? F::find(c, most) : F::known(c, scales[g]);
    if (FIND)
        scales[g] = (typename F::stored)s.stored;
    uint8_t *codes = (uint8_t *)c.codes + row * row_bytes<F>(c.cols, pads) + col * F::BITS / 8;
    size_t bytes = row_bytes<F>(c.cols, pads) - col * F::BITS / 8;
    bytes = bytes < F::GROUP * F::BITS / 8 ? bytes : F::GROUP * F::BITS / 8;
    for (size_t b = 0; b < bytes; b++) {
        uint32_t byte = 0;
        for (size_t k = 0, i = b * 8 / F::BITS; k < 8 / F::BITS && i < n; k++, i++)
            byte |= encode_value(c.format, load_value(c.x, S::TYPE, first + i) * s.inverse, nearest) << k * F::BITS;
        codes[b] = (uint8_t)byte;
    }
}

/* ---- Launchers ------------------------------------------------------------------------------------- */

/* Blocks for so many things, `each` to a block. */
static inline unsigned blocks_for(size_t things, size_t each)
{
    return (unsigned)((things + each - 1) / each);
}

/* Refuses shapes beyond a grid, and pointers that are not aligned. */
static inline enum kernel_status cast_check(const gpu_cast *c)
{
    if (c->rows > INT32_MAX || (c->cols && c->rows > ((uint64_t)1 << 40) / c->cols))
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot encode a tensor of more than 2^40 values or 2^31 rows");
    if (((uintptr_t)c->x | (uintptr_t)c->codes | (uintptr_t)c->values) % 16)
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot encode from or to memory that is not aligned to 16 bytes");
    return KERNEL_OK;
}

template <class F, class S, bool FIND> static enum kernel_status launch_flat(struct gpu *g, const void *work)
{
    const gpu_cast *c = (const gpu_cast *)work;
    enum kernel_status status = cast_check(c);
    size_t n = c->rows * c->cols;
    if (status != KERNEL_OK || n == 0)
        return status;
    if (F::GROUP > 0 && c->cols % (8 * F::RUNS)) {
        size_t groups = (c->cols + 8 * F::RUNS - 1) / (8 * F::RUNS) * c->rows;
        if constexpr (F::GROUP > 0)
            cast_groups<F, S, FIND>
                <<<blocks_for(groups, CAST_THREADS), CAST_THREADS, 0, g->stream>>>(*c, F::GROUP != 128);
    } else {
        cast_flat<F, S, FIND><<<blocks_for(n, 8 * CAST_THREADS * CAST_DEPTH), CAST_THREADS, 0, g->stream>>>(*c);
    }
    return gpu_launched(g, "cast_flat");
}

template <class F, class S, bool FIND> static enum kernel_status launch_chunks(struct gpu *g, const void *work)
{
    const gpu_cast *c = (const gpu_cast *)work;
    enum kernel_status status = cast_check(c);
    size_t n = c->rows * c->cols;
    if (status != KERNEL_OK || n == 0)
        return status;
    if (F::GROUP > 0 && c->cols % (8 * F::RUNS))
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot sum errors of rows that end within a block of %d", F::GROUP);
    size_t chunks = (n + GPU_SUMS_OF - 1) / GPU_SUMS_OF;
    cast_chunks<F, S, FIND><<<blocks_for(chunks, CAST_THREADS / 8), CAST_THREADS, 0, g->stream>>>(*c);
    return gpu_launched(g, "cast_chunks");
}

template <class F, class S> static enum kernel_status launch_rows(struct gpu *g, const void *work)
{
    enum { SHORT = 256, SHORT_DEEP = 3, LONG = 512, LONG_DEEP = 5 };
    const gpu_cast *c = (const gpu_cast *)work;
    enum kernel_status status = cast_check(c);
    if (status != KERNEL_OK || c->rows == 0 || c->cols == 0)
        return status;
    unsigned rows = (unsigned)c->rows;
    if (c->cols % 8 == 0 && c->cols <= 8 * SHORT * SHORT_DEEP)
        cast_rows<F, S, SHORT, SHORT_DEEP><<<rows, SHORT, 0, g->stream>>>(*c);
    else if (c->cols % 8 == 0 && c->cols <= 8 * LONG * LONG_DEEP)
        cast_rows<F, S, LONG, LONG_DEEP><<<rows, LONG, 0, g->stream>>>(*c);
    else
        cast_rows_ragged<F, S><<<rows, CAST_THREADS, 0, g->stream>>>(*c);
    return gpu_launched(g, "cast_rows");
}

/* ---- Rows of the launch table ---------------------------------------------------------------------- */

#define CAST_ROW(op, format, input, launch, name) {op, format, input, 80, 0, launch, name, "kernels/gpu_cast.cuh"}

/* One scale for the tensor; and, for those that have it, one a row. */
#define TENSOR(format, to, input, from) \
    CAST_ROW(GPU_CAST, format, input, (launch_flat<to, from, false>), "cast_flat"), \
    CAST_ROW(GPU_CAST_STATS, format, input, (launch_chunks<to, from, false>), "cast_chunks")
#define ROWS(format, to, input, from) \
    CAST_ROW(GPU_CAST_FIND, format, input, (launch_rows<to, from>), "cast_rows")
#define BLOCKS(format, to, input, from) \
    TENSOR(format, to, input, from), \
    CAST_ROW(GPU_CAST_FIND, format, input, (launch_flat<to, from, true>), "cast_flat"), \
    CAST_ROW(GPU_CAST_FIND_STATS, format, input, (launch_chunks<to, from, true>), "cast_chunks")
#define SOURCES(macro, format, to) \
    macro(format, to, "bf16", from_bf16), macro(format, to, "fp16", from_fp16), macro(format, to, "fp32", from_fp32)

#endif
