/* gpu_cast.cuh: encoding at the speed of memory: packed codes, scales known or found on the way.
 * Flat: each thread several runs of eight values, far apart; rows: a block a row, which it keeps in registers while it
 * finds the scale; ragged ones for shapes whose rows do not end where a run does. Every input is read once.
 * gpu_sums.cuh adds the sums of the error. A .cu file makes the kernels for some formats: they compile side by side. */
#ifndef KERNELS_GPU_CAST_CUH
#define KERNELS_GPU_CAST_CUH

#include "kernels/gpu_module.cuh"
#include "kernels/gpu_round.cuh"

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

/* The largest of the `lanes` threads whose runs share a scale; `group` are those that take part. */
static __device__ __forceinline__ uint32_t most_of_lanes(uint32_t most, int lanes, unsigned group = ALL)
{
#pragma unroll
    for (int apart = 1; apart < lanes; apart *= 2)
        most = max(most, __shfl_xor_sync(group, most, apart));
    return most;
}

/* Codes of a run under a scale; all is finite. CLAMP as in gpu_round.cuh. */
template <class F, class S, bool CLAMP>
static __device__ __forceinline__ void codes_of(const typename S::raw &r, float inverse, uint32_t *w)
{
    const float factor = inverse * F::FACTOR;
    eight y = S::floats(r), values;
#pragma unroll
    for (int i = 0; i < 8; i++)
        y.v[i] *= factor;
    F::template round<S, CLAMP>(r, y, w, values);
}

/* The same by the generic pair, of any values. */
static __device__ __forceinline__ words slow_codes_of(const gpu_cast &c, eight x, float inverse)
{
    for (int i = 0; i < 8; i++)
        x.v[i] *= inverse;
    return slow_codes(c.format, x);
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

/* A thread's runs by the generic pair; a warp calls it together. */
template <class F, class S, bool FIND>
static __device__ __noinline__ void slow_runs(const gpu_cast &c, size_t first, size_t runs)
{
    typename F::stored *scales = (typename F::stored *)c.scales;
    for (int j = 0; j < CAST_DEPTH; j++) {
        size_t i = first + j * CAST_THREADS;
        eight x = S::floats(i < runs ? S::load(c.x, i) : S::nothing());
        scaled s;
        if constexpr (FIND) {
            s = F::find(c, __uint_as_float(most_of_lanes(__float_as_uint(most_finite(x)), F::RUNS)));
            if (i < runs && i % F::RUNS == 0)
                scales[i / F::RUNS] = (typename F::stored)s.stored;
        } else {
            s = F::known(c, F::GROUP && i < runs ? scales[i / F::RUNS] : typename F::stored());
        }
        words w = slow_codes_of(c, x, s.inverse);
        if (i < runs)
            store_codes<F>(c.codes, i, w.w);
    }
}

/* The largest magnitude of the block that one of a thread's four runs is part of: of run t % 4 for thread t. Threads
 * that share blocks give each other what the other reduces, so that none does it twice. */
static __device__ __forceinline__ uint32_t most_of_four(const uint32_t *peak, int lanes)
{
    const bool two = threadIdx.x & 2, one = threadIdx.x & 1;
    uint32_t a = max(two ? peak[2] : peak[0], __shfl_xor_sync(ALL, two ? peak[0] : peak[2], 2));
    uint32_t b = max(two ? peak[3] : peak[1], __shfl_xor_sync(ALL, two ? peak[1] : peak[3], 2));
    uint32_t most = max(one ? b : a, __shfl_xor_sync(ALL, one ? a : b, 1));
#pragma unroll
    for (int apart = 4; apart < lanes; apart *= 2)
        most = max(most, __shfl_xor_sync(ALL, most, apart));
    return most;
}

/* Finds and stores the scales of four runs, and says what they are multiplied by, and whether all was finite. */
template <class F>
static __device__ __forceinline__ bool find_four(const gpu_cast &c, const uint32_t *peak, size_t first, size_t runs,
                                                 float *inverse)
{
    typename F::stored *scales = (typename F::stored *)c.scales + first / F::RUNS;
    constexpr int APART = CAST_THREADS / F::RUNS;       /* places between the scales of a thread's runs */
    if (F::RUNS >= 4) {
        const unsigned j = threadIdx.x % 4;
        uint32_t most = most_of_four(peak, F::RUNS);
        scaled s = F::quick_find(c, __uint_as_float(most));
        if (threadIdx.x % F::RUNS < 4 && first + j * CAST_THREADS < runs)
            scales[j * APART] = (typename F::stored)s.stored;
#pragma unroll
        for (int k = 0; k < 4; k++)
            inverse[k] = __shfl_sync(ALL, s.inverse, k, 4);
        return most < INFINITE_BITS;
    }
    const bool one = threadIdx.x & 1;       /* two threads a block: one finds those of runs 0 and 2 */
    bool finite = true;
#pragma unroll
    for (int k = 0; k < 4; k += 2) {
        uint32_t other = __shfl_xor_sync(ALL, one ? peak[k] : peak[k + 1], 1);
        uint32_t most = max(one ? peak[k + 1] : peak[k], other);
        scaled s = F::quick_find(c, __uint_as_float(most));
        if (first + (k + one) * CAST_THREADS < runs)
            scales[(k + one) * APART] = (typename F::stored)s.stored;
        float theirs = __shfl_xor_sync(ALL, s.inverse, 1);
        inverse[k] = one ? theirs : s.inverse;
        inverse[k + 1] = one ? s.inverse : theirs;
        finite = finite && most < INFINITE_BITS;
    }
    return finite;
}

/* The runs of a thread. WHOLE: all are there. */
template <class F, class S, bool FIND, bool WHOLE>
static __device__ __forceinline__ void flat_runs(const gpu_cast &c, size_t first, size_t runs)
{
    constexpr bool LOAD = F::GROUP > 0 && !FIND;        /* known scales come with the values, not after them */
    typename S::raw r[CAST_DEPTH];
    typename F::stored stored[CAST_DEPTH] = {};
    float inverse[CAST_DEPTH];
    bool finite = true, inside = false;
#pragma unroll
    for (int j = 0; j < CAST_DEPTH; j++) {
        size_t i = first + j * CAST_THREADS;
        r[j] = WHOLE || i < runs ? S::load(c.x, i) : S::nothing();
        if (LOAD && (WHOLE || i < runs))
            stored[j] = ((const typename F::stored *)c.scales)[i / F::RUNS];
    }
    if constexpr (FIND) {
        uint32_t peak[CAST_DEPTH];
#pragma unroll
        for (int j = 0; j < CAST_DEPTH; j++)
            peak[j] = S::peak(r[j]);
        finite = find_four<F>(c, peak, first, WHOLE ? SIZE_MAX : runs, inverse);
        inside = F::INSIDE > 0;
#pragma unroll
        for (int j = 0; j < CAST_DEPTH; j++)
            inside = inside && __uint_as_float(peak[j]) * inverse[j] < F::INSIDE;
        inside = F::INSIDE > 0 && __all_sync(ALL, inside);
    } else {
#pragma unroll
        for (int j = 0; j < CAST_DEPTH; j++) {
            inverse[j] = F::quick_known(c, stored[j]).inverse;
            finite = finite && S::finite(r[j]);
        }
    }
#pragma unroll
    for (int j = 0; j < CAST_DEPTH; j++) {
        size_t i = first + j * CAST_THREADS;
        uint32_t w[4];
        if (inside)
            codes_of<F, S, false>(r[j], inverse[j], w);
        else
            codes_of<F, S, true>(r[j], inverse[j], w);
        if (WHOLE || i < runs)
            store_codes<F>(c.codes, i, w);
    }
    bool all = __all_sync(ALL, finite);
    __syncwarp();               /* another thread may write the scale that this one has written */
    if (!all)
        slow_runs<F, S, FIND>(c, first, runs);
}

template <class F, class S, bool FIND>
static __global__ void __launch_bounds__(CAST_THREADS) cast_flat(const __grid_constant__ gpu_cast c)
{
    enum { EACH = CAST_THREADS * CAST_DEPTH };
    size_t n = c.rows * c.cols, runs = n / 8, first = blockIdx.x * (size_t)EACH + threadIdx.x;
    if ((blockIdx.x + (size_t)1) * EACH <= runs)
        flat_runs<F, S, FIND, true>(c, first, runs);
    else
        flat_runs<F, S, FIND, false>(c, first, runs);
    if (F::GROUP == 0 && blockIdx.x == 0 && threadIdx.x == 0)
        cast_tail<F, S>(c, n);
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* The largest of all threads' numbers; `part` has room for one a warp. */
template <int SIZE> static __device__ __forceinline__ uint32_t most_of_block(uint32_t most, uint32_t *part)
{
    most = __reduce_max_sync(ALL, most);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = most;
    __syncthreads();
    return __reduce_max_sync(ALL, part[threadIdx.x % (SIZE / 32)]);
}

/* A block for each row of at most 8 * SIZE * DEEP values. Sources of 16 bits let a multiprocessor hold
 * 1,280 threads. */
template <class F, class S, int SIZE, int DEEP>
static __global__ void __launch_bounds__(SIZE, S::TYPE == GPU_FP32 ? 1 : 1280 / SIZE)
    cast_rows(const __grid_constant__ gpu_cast c)
{
    __shared__ uint32_t part[2][SIZE / 32];
    size_t runs = c.cols / 8, first = blockIdx.x * runs;
    typename S::raw r[DEEP];
    uint32_t most = 0;
#pragma unroll
    for (int j = 0; j < DEEP; j++) {
        size_t i = threadIdx.x + j * SIZE;
        r[j] = i < runs ? S::load(c.x, first + i) : S::nothing();
    }
#pragma unroll
    for (int j = 0; j < DEEP; j++)
        most = max(most, S::peak(r[j]));
    most = most_of_block<SIZE>(most, part[0]);
    bool finite = most < INFINITE_BITS;
    if (!finite) {
        float least = 0;
        for (int j = 0; j < DEEP; j++)
            least = fmaxf(least, most_finite(S::floats(r[j])));
        most = most_of_block<SIZE>(__float_as_uint(least), part[1]);
    }
    scaled s = F::find(c, __uint_as_float(most));
    if (threadIdx.x == 0)
        ((float *)c.scales)[blockIdx.x] = s.scale;
#pragma unroll
    for (int j = 0; j < DEEP; j++) {
        size_t i = threadIdx.x + j * SIZE;
        uint32_t w[4];
        codes_of<F, S, true>(r[j], s.inverse, w);
        if (!finite) {
            words slow = slow_codes_of(c, S::floats(r[j]), s.inverse);
            for (int k = 0; k < F::BITS / 4; k++)
                w[k] = slow.w[k];
        }
        if (i < runs)
            store_codes<F>(c.codes, first + i, w);
    }
}

/* Any row, read twice, value by value. */
template <class F, class S>
static __global__ void __launch_bounds__(CAST_THREADS) cast_rows_ragged(const __grid_constant__ gpu_cast c)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    __shared__ uint32_t part[CAST_THREADS / 32];
    size_t first = blockIdx.x * c.cols;
    float most = 0;
    for (size_t i = threadIdx.x; i < c.cols; i += CAST_THREADS) {
        float x = load_value(c.x, S::TYPE, first + i);
        most = is_finite(x) ? fmaxf(most, fabsf(x)) : most;
    }
    scaled s = F::find(c, __uint_as_float(most_of_block<CAST_THREADS>(__float_as_uint(most), part)));
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
    if (F::GROUP > 0 && (c->cols % (8 * F::RUNS) || !quick_scales(c, F::GROUP))) {
        size_t groups = (c->cols + 8 * F::RUNS - 1) / (8 * F::RUNS) * c->rows;
        if constexpr (F::GROUP > 0)
            cast_groups<F, S, FIND>
                <<<blocks_for(groups, CAST_THREADS), CAST_THREADS, 0, g->stream>>>(*c, F::GROUP != 128);
    } else {
        cast_flat<F, S, FIND><<<blocks_for(n, 8 * CAST_THREADS * CAST_DEPTH), CAST_THREADS, 0, g->stream>>>(*c);
    }
    return gpu_launched(g, "cast_flat");
}

template <class F, class S> static enum kernel_status launch_rows(struct gpu *g, const void *work)
{
    enum { DEEP = 4 };
    const gpu_cast *c = (const gpu_cast *)work;
    enum kernel_status status = cast_check(c);
    if (status != KERNEL_OK || c->rows == 0 || c->cols == 0)
        return status;
    unsigned rows = (unsigned)c->rows;
    size_t threads = c->cols % 8 == 0 ? (c->cols / 8 + DEEP - 1) / DEEP : SIZE_MAX;
    if (threads <= 64)
        cast_rows<F, S, 64, DEEP><<<rows, 64, 0, g->stream>>>(*c);
    else if (threads <= 128)
        cast_rows<F, S, 128, DEEP><<<rows, 128, 0, g->stream>>>(*c);
    else if (threads <= 256)
        cast_rows<F, S, 256, DEEP><<<rows, 256, 0, g->stream>>>(*c);
    else if (threads <= 512)
        cast_rows<F, S, 512, DEEP><<<rows, 512, 0, g->stream>>>(*c);
    else if (threads <= 640)
        cast_rows<F, S, 640, DEEP><<<rows, 640, 0, g->stream>>>(*c);
    else if (threads <= 1024)
        cast_rows<F, S, 1024, DEEP><<<rows, 1024, 0, g->stream>>>(*c);
    else
        cast_rows_ragged<F, S><<<rows, CAST_THREADS, 0, g->stream>>>(*c);
    return gpu_launched(g, "cast_rows");
}

#endif
