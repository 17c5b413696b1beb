/* gpu_sums.cuh: encoding and, in the same pass, the sums of the error: the order of the sums is that of error.h.
 * Eight threads take a chunk of 4,096 values, 64 at a time, each the sums of its eight lanes in registers; what they
 * read is asked for some steps ahead, into shared memory, where each thread meets only its own.
 * Whatever is not plain goes a slow way, chunk by chunk: a chunk that is cut off by the end of the tensor, values that
 * are not finite, squares beyond FP32. Those show in the sums. */
#ifndef KERNELS_GPU_SUMS_CUH
#define KERNELS_GPU_SUMS_CUH

#include "kernels/gpu_cast.cuh"

enum { SUMS_AHEAD = 4 };        /* steps, of two runs, that are asked for before they are used; of FP32, half as many */

/* How the threads of a multiprocessor are shared out: registers for much arithmetic, or more warps for little. */
template <class F, class S> struct sums_block {
    static constexpr bool MUCH = F::GROUP == 16 || F::GROUP == 32 || S::TYPE == GPU_FP32;
    static constexpr int THREADS = MUCH ? 64 : 256, BLOCKS = S::TYPE == GPU_FP32 ? 8 : MUCH ? 12 : 4;
};

/* ---- Sums ------------------------------------------------------------------------------------------ */

/* What one thread of a chunk has summed: lanes 8 t to 8 t + 7. */
struct lanes {
    float    signal[8], noise[8];
    float    most;
    uint32_t count;
};

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

/* ---- Chunks that are not plain --------------------------------------------------------------------- */

/* Adds eight values and what they became. Those that are not finite take no part: as 0 they change no sum. */
static __device__ void add_run(lanes &l, eight &x, eight &values, float scale)
{
    for (int i = 0; i < 8; i++) {
        if (!is_finite(x.v[i])) {
            x.v[i] = values.v[i] = 0;
            l.count--;
        }
        float difference = x.v[i] - values.v[i] * scale;
        l.signal[i] += x.v[i] * x.v[i];
        l.noise[i] += difference * difference;
        l.most = fmaxf(l.most, fabsf(difference));
    }
}

/* Fewer than eight values at the end of a tensor with one scale: read one by one, the rest 0. */
template <class F, class S> static __device__ __noinline__ void sums_tail(const gpu_cast &c, size_t n, lanes &l)
{
    eight x = {}, values = {};
    cast_tail<F, S>(c, n);
    for (size_t i = n / 8 * 8; i < n; i++) {
        x.v[i % 8] = load_value(c.x, S::TYPE, i);
        uint32_t code = F::BITS == 16 ? ((uint16_t *)c.codes)[i] : ((uint8_t *)c.codes)[i];
        values.v[i % 8] = decode_value(c.format, code);
    }
    l.count += (uint32_t)(n % 8);
    add_run(l, x, values, c.scale);
}

/* The scale of the group that run i is part of, for the slow way; the eight threads of a chunk call it together. */
template <class F, class S, bool FIND> static __device__ scaled slow_scale(const gpu_cast &c, size_t i, size_t runs)
{
    constexpr int SHARE = F::GROUP == 128 ? 2 : 1;
    typename F::stored *scales = (typename F::stored *)c.scales + (F::GROUP ? i / F::RUNS : 0);
    scaled s;
    if constexpr (FIND) {
        float most = 0;
        for (int k = 0; k < SHARE; k++)
            most = fmaxf(most, i + k * 8 < runs ? most_finite(S::floats(S::load(c.x, i + k * 8))) : 0);
        uint32_t bits = most_of_lanes(__float_as_uint(most), F::RUNS / SHARE, 0xffu << (threadIdx.x & 24));
        s = F::find(c, __uint_as_float(bits));
        if (i < runs && i % F::RUNS == 0)
            *scales = (typename F::stored)s.stored;
    } else {
        s = F::known(c, F::GROUP && i < runs ? *scales : typename F::stored());
    }
    return s;
}

/* A chunk by the generic pair. */
template <class F, class S, bool FIND>
static __device__ __noinline__ void slow_chunk(const gpu_cast &c, size_t chunk, lanes &out)
{
    constexpr int SHARE = F::GROUP == 128 ? 2 : 1;
    size_t n = c.rows * c.cols, runs = n / 8, first = chunk * (GPU_SUMS_OF / 8) + threadIdx.x % 8;
    lanes l = {};
    for (int step = 0; step < GPU_SUMS_OF / 64; step += SHARE) {
        scaled s = slow_scale<F, S, FIND>(c, first + step * 8, runs);
        for (int k = 0; k < SHARE; k++) {
            size_t i = first + (step + k) * 8;
            if (i >= runs)
                continue;
            eight x = S::floats(S::load(c.x, i)), y;
            for (int j = 0; j < 8; j++)
                y.v[j] = x.v[j] * s.inverse;
            words w = slow_codes(c.format, y);
            eight values = F::values(w.w);
            store_codes<F>(c.codes, i, w.w);
            l.count += 8;
            add_run(l, x, values, s.scale);
        }
    }
    if (F::GROUP == 0 && n % 8 && chunk == (n - 1) / GPU_SUMS_OF && runs % 8 == threadIdx.x % 8)
        sums_tail<F, S>(c, n, l);
    out = l;
}

/* ---- Plain chunks ---------------------------------------------------------------------------------- */

/* Sums of a plain chunk. Of the largest error the square is kept, by its bits: see largest_error. */
struct plain_sums {
    float    signal[8], noise[8];
    uint32_t most;
};

/* Products that are exact may join the sum that follows: the same bits. Without signs the difference is the same or its
 * negative. */
template <class F, class S, bool FIND>
static __device__ __forceinline__ void add_plain(plain_sums &l, const eight &x, const eight &values, float scale)
{
    constexpr bool EXACT = FIND && F::EXACT;
    uint32_t square[8];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        float a = F::UNSIGNED ? fabsf(x.v[i]) : x.v[i];
        float d = EXACT ? fmaf(-values.v[i], scale, a) : a - values.v[i] * scale, q = d * d;
        l.signal[i] = S::EXACT ? fmaf(a, a, l.signal[i]) : l.signal[i] + a * a;
        l.noise[i] += q;
        square[i] = F::BITS == 16 ? __float_as_uint(d) & 0x7fffffffu : __float_as_uint(q);
    }
#pragma unroll
    for (int i = 0; i < 8; i += 2)
        l.most = __vimax3_u32(l.most, square[i], square[i + 1]);
}

/* A square between 2^-63 and infinity is that of one number only, its root rounded: numbers are further apart, in
 * parts of themselves, than half as far as their squares. Formats of 16 bits, often exact, keep the number itself. */
template <class F> static __device__ __forceinline__ bool largest_error(uint32_t most, float *error)
{
    *error = F::BITS == 16 ? __uint_as_float(most) : __fsqrt_rn(__uint_as_float(most));
    return most < INFINITE_BITS && (F::BITS == 16 || most > 0x20000000u);
}

/* Scales of two runs, eight apart, from their largest magnitudes. `scales` is where this thread's of this step are. */
template <class F>
static __device__ __forceinline__ void find_two(const gpu_cast &c, typename F::stored *scales, const uint32_t *peak,
                                                scaled *s)
{
    if (F::GROUP == 128) {
        s[0] = s[1] = F::quick_find(c, __uint_as_float(most_of_lanes(max(peak[0], peak[1]), 8)));
        if (threadIdx.x % 8 == 0)
            *scales = (typename F::stored)s[0].stored;
    } else if (F::GROUP == 16) {        /* two threads, two blocks: each finds one */
        const bool odd = threadIdx.x % 2;
        uint32_t other = __shfl_xor_sync(ALL, odd ? peak[0] : peak[1], 1);
        scaled own = F::quick_find(c, __uint_as_float(max(odd ? peak[1] : peak[0], other)));
        float scale = __shfl_xor_sync(ALL, own.scale, 1), inverse = __shfl_xor_sync(ALL, own.inverse, 1);
        s[0].scale = odd ? scale : own.scale, s[0].inverse = odd ? inverse : own.inverse;
        s[1].scale = odd ? own.scale : scale, s[1].inverse = odd ? own.inverse : inverse;
        *scales = (typename F::stored)own.stored;
    } else {
#pragma unroll
        for (int k = 0; k < 2; k++) {
            s[k] = F::quick_find(c, __uint_as_float(most_of_lanes(peak[k], F::RUNS)));
            if (threadIdx.x % 4 == 0)
                scales[2 * k] = (typename F::stored)s[k].stored;
        }
    }
}

/* Where the scale of a thread's first run is to be read; or where the one that it finds goes. */
template <class F, bool FIND> static __device__ __forceinline__ size_t first_scale(size_t chunk)
{
    const unsigned t = threadIdx.x % 8;
    if (F::GROUP == 0)
        return 0;
    size_t first = chunk * (GPU_SUMS_OF / (F::GROUP ? F::GROUP : 1));
    return first + (F::GROUP == 128 ? 0 : F::GROUP == 32 ? t / 4 : FIND ? t % 2 * 4 + t / 2 : t / 2);
}

/* WORDS is how many a run has: of two, each is half of what is fetched, so that the first cache is to keep it. */
template <int WORDS> static __device__ __forceinline__ void ask(uint4 *to, const uint4 *from)
{
    const unsigned at = (unsigned)__cvta_generic_to_shared(to);
    if (WORDS == 1)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from) : "memory");
}

static __device__ __forceinline__ void ask_end(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int LEFT> static __device__ __forceinline__ void ask_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

/* Two runs of a plain chunk: codes stored, sums added. */
template <class F, class S, bool FIND>
static __device__ __forceinline__ void take_two(const gpu_cast &c, plain_sums &sums, const typename S::raw *r,
                                                typename F::stored *scales, uint32_t *codes)
{
    constexpr int GAP = F::GROUP == 16 ? 4 : F::GROUP == 32 ? 2 : 0;
    scaled s[2];
    bool inside = false;
    if (FIND) {
        const uint32_t peak[2] = {S::peak(r[0]), S::peak(r[1])};
        find_two<F>(c, scales, peak, s);
        if (F::INSIDE > 0)
            inside = __all_sync(ALL, __uint_as_float(peak[0]) * s[0].inverse < F::INSIDE &&
                                         __uint_as_float(peak[1]) * s[1].inverse < F::INSIDE);
    } else {
        s[0] = F::quick_known(c, F::GROUP ? scales[0] : typename F::stored());
        s[1] = GAP ? F::quick_known(c, scales[GAP]) : s[0];
    }
#pragma unroll
    for (int k = 0; k < 2; k++) {
        const float factor = s[k].inverse * F::FACTOR;
        eight x = S::floats(r[k]), y, values;
        uint32_t w[4];
#pragma unroll
        for (int j = 0; j < 8; j++)
            y.v[j] = x.v[j] * factor;
        if (inside)
            F::template round<S, false>(r[k], y, w, values);
        else
            F::template round<S, true>(r[k], y, w, values);
        store_codes<F>(codes, k * 8, w);
        add_plain<F, S, FIND>(sums, x, values, s[k].scale * (1 / F::UNIT));
    }
}

/* A chunk that is all there. False if it was not plain after all: then everything it gave is to be done again. */
template <class F, class S, bool FIND>
static __device__ __forceinline__ bool plain_chunk(const gpu_cast &c, size_t chunk, uint4 *ring, lanes &l)
{
    constexpr int WORDS = sizeof(typename S::raw) / sizeof(uint4), PLACES = 2 * WORDS, AHEAD = SUMS_AHEAD / WORDS;
    constexpr int STEPS = GPU_SUMS_OF / 128, THREADS = sums_block<F, S>::THREADS;
    const size_t first = chunk * (GPU_SUMS_OF / 8) + threadIdx.x % 8;
    const uint4 *from = (const uint4 *)c.x + first * WORDS;
    uint32_t *codes = (uint32_t *)c.codes + first * (F::BITS / 4);
    typename F::stored *scales = (typename F::stored *)c.scales + first_scale<F, FIND>(chunk);
    plain_sums sums = {};
    auto ask_step = [&](int place) {
#pragma unroll
        for (int k = 0; k < PLACES; k++)
            ask<WORDS>(&ring[(place * PLACES + k) * THREADS], from + k / WORDS * 8 * WORDS + k % WORDS);
        from += 8 * PLACES;
    };
#pragma unroll
    for (int place = 0; place < AHEAD; place++)
        ask_step(place), ask_end();
#pragma unroll 1
    for (int step = 0; step < STEPS; step++) {
        const int place = step % AHEAD;
        ask_wait<AHEAD - 1>();
        const uint4 *mine = &ring[place * PLACES * THREADS];
        const typename S::raw r[2] = {S::gather(mine, THREADS),
                                      S::gather(mine + WORDS * THREADS, THREADS)};
        if (step < STEPS - AHEAD)
            ask_step(place);
        ask_end();
        take_two<F, S, FIND>(c, sums, r, scales, codes);
        scales += F::GROUP ? 128 / F::GROUP : 0;
        codes += 16 * (F::BITS / 4);
    }
    bool plain = largest_error<F>(sums.most, &l.most);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        plain = plain && sums.signal[i] < __uint_as_float(INFINITE_BITS);
        l.signal[i] = sums.signal[i];
        l.noise[i] = sums.noise[i];
    }
    l.count = GPU_SUMS_OF / 8;
    return plain;
}

/* A warp takes four chunks; it is quick if all four are there and the scale of the tensor allows it. */
template <class F, class S, bool FIND>
static __global__ void __launch_bounds__(sums_block<F, S>::THREADS, sums_block<F, S>::BLOCKS)
    cast_chunks(const __grid_constant__ gpu_cast c, bool quick)
{
    constexpr int THREADS = sums_block<F, S>::THREADS;
    __shared__ uint4 ring[2 * SUMS_AHEAD * THREADS];
    const size_t n = c.rows * c.cols, chunks = (n + GPU_SUMS_OF - 1) / GPU_SUMS_OF;
    const size_t chunk = (blockIdx.x * (size_t)THREADS + threadIdx.x) / 8;
    lanes l = {};
    bool plain = quick && (chunk / 4 * 4 + 4) * GPU_SUMS_OF <= n;
    if (plain)
        plain = plain_chunk<F, S, FIND>(c, chunk, ring + threadIdx.x, l);
    const unsigned group = 0xffu << (threadIdx.x & 24);
    unsigned plain_ones = __ballot_sync(ALL, plain);
    __syncwarp();               /* another thread may write what this one has written */
    if ((plain_ones & group) != group)
        slow_chunk<F, S, FIND>(c, chunk, l);
    __syncwarp();
    store_sums(c, chunk, chunks, l);
}

/* ---- Launcher -------------------------------------------------------------------------------------- */

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
    constexpr int THREADS = sums_block<F, S>::THREADS;
    cast_chunks<F, S, FIND>
        <<<blocks_for(chunks, THREADS / 8), THREADS, 0, g->stream>>>(*c, quick_scales(c, F::GROUP));
    return gpu_launched(g, "cast_chunks");
}

/* ---- Rows of the launch table ---------------------------------------------------------------------- */

#define CAST_ROW(op, format, input, launch, name) {op, format, input, 80, 0, launch, name, "kernels/gpu_cast.cuh"}
#define SUMS_ROW(op, format, input, launch) {op, format, input, 80, 0, launch, "cast_chunks", "kernels/gpu_sums.cuh"}

/* One scale for the tensor; and, for those that have it, one a row. */
#define TENSOR(format, to, input, from) \
    CAST_ROW(GPU_CAST, format, input, (launch_flat<to, from, false>), "cast_flat"), \
    SUMS_ROW(GPU_CAST_STATS, format, input, (launch_chunks<to, from, false>))
#define ROWS(format, to, input, from) \
    CAST_ROW(GPU_CAST_FIND, format, input, (launch_rows<to, from>), "cast_rows")
#define BLOCKS(format, to, input, from) \
    TENSOR(format, to, input, from), \
    CAST_ROW(GPU_CAST_FIND, format, input, (launch_flat<to, from, true>), "cast_flat"), \
    SUMS_ROW(GPU_CAST_FIND_STATS, format, input, (launch_chunks<to, from, true>))
#define SOURCES(macro, format, to) \
    macro(format, to, "bf16", from_bf16), macro(format, to, "fp16", from_fp16), macro(format, to, "fp32", from_fp32)

#endif
