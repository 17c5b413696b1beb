/* gpu_encode.cu: values to codes and back for every row of the format table, by one generic kernel each.
 * The definition on the device: what gpu_cast.cu does faster must give the same bits.
 * Order of work as in quantize.c: ranges, fits, codes and values, sums. */
#include "kernels/gpu_module.cuh"
#include "kernels/gpu_numbers.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

static const unsigned ALL = 0xffffffffu;     /* the threads of a warp */

/* ---- Where elements stand -------------------------------------------------------------------------- */

/* a / b; 32-bit division is several times faster. */
static __device__ __forceinline__ uint64_t divide(uint64_t a, uint64_t b)
{
    return (a | b) >> 32 ? a / b : (uint32_t)a / (uint32_t)b;
}

/* Which scale element i uses. */
static __device__ __forceinline__ uint64_t scale_index(const gpu_task &t, uint64_t i)
{
    if (t.scales <= 1)
        return 0;
    uint64_t row = divide(i, t.cols), col = i - row * t.cols;
    return divide(row, t.tile_rows) * t.per_row + divide(col, t.tile_cols);
}

/* The part of the tensor that scale number g covers. */
struct tile {
    uint64_t first, cols, n;
};

static __device__ tile tile_of(const gpu_task &t, uint64_t g)
{
    uint64_t place = divide(g, t.per_row);
    uint64_t row = place * t.tile_rows, col = (g - place * t.per_row) * t.tile_cols;
    uint64_t rows = t.rows - row < t.tile_rows ? t.rows - row : t.tile_rows;
    tile out = {row * t.cols + col, t.cols - col < t.tile_cols ? t.cols - col : t.tile_cols, 0};
    out.n = rows * out.cols;
    return out;
}

/* Value i of a tile, row after row. */
static __device__ __forceinline__ float tile_value(const gpu_task &t, const tile &p, uint64_t i)
{
    if (p.n != p.cols && p.cols != t.cols) {
        uint64_t row = divide(i, p.cols);
        i = row * t.cols + (i - row * p.cols);
    }
    return load_value(t.x, t.source, p.first + i);
}

/* ---- Ranges ---------------------------------------------------------------------------------------- */

static __device__ __forceinline__ gpu_range range_start(void)
{
    gpu_range r = {0, 0, 0, 0, 0, 0, 0};
    return r;
}

static __device__ __forceinline__ void range_join(gpu_range &a, const gpu_range &b)
{
    if (!b.any)
        return;
    if (!a.any) {
        a = b;
        return;
    }
    if (b.low < a.low || (b.low == a.low && b.low_at < a.low_at))
        a.low = b.low, a.low_at = b.low_at;
    if (b.high > a.high || (b.high == a.high && b.high_at < a.high_at))
        a.high = b.high, a.high_at = b.high_at;
    float most = fabsf(a.peak), size = fabsf(b.peak);
    if (size > most || (size == most && b.peak_at < a.peak_at))
        a.peak = b.peak, a.peak_at = b.peak_at;
}

static __device__ __forceinline__ void range_add(gpu_range &r, float x, uint64_t i)
{
    if (!is_finite(x))
        return;
    const gpu_range one = {x, x, x, 1, i, i, i};
    range_join(r, one);
}

/* Joins the ranges of a warp's threads; all have the result. */
static __device__ gpu_range range_warp(gpu_range r)
{
    for (int apart = 16; apart > 0; apart /= 2) {
        gpu_range other;
        other.low = __shfl_xor_sync(ALL, r.low, apart), other.low_at = __shfl_xor_sync(ALL, r.low_at, apart);
        other.high = __shfl_xor_sync(ALL, r.high, apart), other.high_at = __shfl_xor_sync(ALL, r.high_at, apart);
        other.peak = __shfl_xor_sync(ALL, r.peak, apart), other.peak_at = __shfl_xor_sync(ALL, r.peak_at, apart);
        other.any = __shfl_xor_sync(ALL, r.any, apart);
        range_join(r, other);
    }
    return r;
}

/* A warp for each segment of each group. */
static __global__ void __launch_bounds__(THREADS) range_segments(const __grid_constant__ gpu_task t)
{
    uint64_t total = t.scales * t.segments, step = gridDim.x * (uint64_t)WARPS;
    for (uint64_t job = blockIdx.x * (uint64_t)WARPS + threadIdx.x / 32; job < total; job += step) {
        uint64_t g = divide(job, t.segments), part = job - g * t.segments;
        tile p = tile_of(t, g);
        uint64_t end = (part + 1) * GPU_SEGMENT < p.n ? (part + 1) * GPU_SEGMENT : p.n;
        gpu_range r = range_start();
        for (uint64_t i = part * GPU_SEGMENT + threadIdx.x % 32; i < end; i += 32)
            range_add(r, tile_value(t, p, i), i);
        r = range_warp(r);
        if (threadIdx.x % 32 == 0)
            t.ranges[job] = r;
    }
}

/* A warp for each group joins its segments into the first. */
static __global__ void __launch_bounds__(THREADS) range_groups(const __grid_constant__ gpu_task t)
{
    for (uint64_t g = blockIdx.x * (uint64_t)WARPS + threadIdx.x / 32; g < t.scales; g += gridDim.x * (uint64_t)WARPS) {
        gpu_range r = range_start();
        for (uint64_t part = threadIdx.x % 32; part < t.segments; part += 32)
            range_join(r, t.ranges[g * t.segments + part]);
        r = range_warp(r);
        if (threadIdx.x % 32 == 0)
            t.ranges[g * t.segments] = r;
    }
}

static enum kernel_status launch_range(struct gpu *g, const void *work)
{
    const gpu_task *t = (const gpu_task *)work;
    if (t->scales == 0)
        return KERNEL_OK;
    range_segments<<<gpu_blocks(g, t->scales * t->segments, WARPS, THREADS, 4), THREADS, 0, g->stream>>>(*t);
    if (t->segments > 1)
        range_groups<<<gpu_blocks(g, t->scales, WARPS, THREADS, 4), THREADS, 0, g->stream>>>(*t);
    return gpu_launched(g, "range_segments");
}

/* ---- Fits ------------------------------------------------------------------------------------------ */

/* The range of group g as its scale sees it, before a clip. */
static __device__ struct range group_range(const gpu_task &t, uint64_t g)
{
    const gpu_range &r = t.ranges[g * t.segments];
    struct range out = {r.low, r.high, fabsf(r.peak), r.peak};
    if (t.symmetric) {
        float amax = t.amax > 0 ? t.amax : out.amax;
        out.low = -amax, out.high = out.amax = out.peak = amax;
    }
    return out;
}

static __global__ void __launch_bounds__(THREADS) fit_groups(const __grid_constant__ gpu_task t)
{
    for (uint64_t g = blockIdx.x * (uint64_t)THREADS + threadIdx.x; g < t.scales; g += gridDim.x * (uint64_t)THREADS)
        t.fits[g] = fit_of(t, group_range(t, g));
}

/* How many of a group's finite magnitudes agree with `prefix` above bit `shift`, by their next eight bits. */
static __device__ void count_digits(const gpu_task &t, const tile &p, uint32_t prefix, int shift, unsigned *bins)
{
    bins[threadIdx.x] = 0;
    __syncthreads();
    for (uint64_t i = threadIdx.x; i < p.n; i += THREADS) {
        uint32_t magnitude = __float_as_uint(tile_value(t, p, i)) & 0x7fffffffu;
        bool same = shift == 24 || magnitude >> (shift + 8) == prefix >> (shift + 8);
        if (magnitude < INFINITE_BITS && same)
            atomicAdd(&bins[magnitude >> shift & 255], 1u);
    }
    __syncthreads();
}

/* The magnitude of the given rank among a group's finite ones, digit by digit from the top; 0 if there is none. */
static __device__ float percentile(const gpu_task &t, const tile &p, unsigned *bins)
{
    __shared__ uint64_t rank;
    __shared__ uint32_t prefix;
    for (int shift = 24; shift >= 0; shift -= 8) {
        count_digits(t, p, shift == 24 ? 0 : prefix, shift, bins);
        if (threadIdx.x == 0) {
            uint64_t finite = 0, below = 0;
            int digit = 0;
            if (shift == 24) {
                for (int i = 0; i < 256; i++)
                    finite += bins[i];
                rank = (t.thousandths * finite + 99999) / 100000;
                rank = rank ? rank - 1 : 0;
                prefix = 0;
            }
            while (digit < 255 && below + bins[digit] <= rank)
                below += bins[digit++];
            rank -= below;
            prefix |= (uint32_t)digit << shift;
            if (shift == 24 && finite == 0)
                prefix = 0xffffffffu;
        }
        __syncthreads();
        if (prefix == 0xffffffffu)
            return 0;
    }
    return __uint_as_float(prefix);
}

/* A block for each group. */
static __global__ void __launch_bounds__(THREADS) fit_percentile(const __grid_constant__ gpu_task t)
{
    __shared__ unsigned bins[256];
    for (uint64_t g = blockIdx.x; g < t.scales; g += gridDim.x) {
        float most = percentile(t, tile_of(t, g), bins);
        if (threadIdx.x == 0) {
            struct range r = group_range(t, g);
            r.low = r.low < -most ? -most : r.low;
            r.high = r.high > most ? most : r.high;
            r.amax = r.amax > most ? most : r.amax;
            r.peak = copysignf(r.amax, r.peak);
            t.fits[g] = fit_of(t, r);
        }
        __syncthreads();
    }
}

/* ---- The clip that errs least ---------------------------------------------------------------------- */

/* The fit of trial number k: 1.00, 0.99 ... of the range. */
static __device__ struct fit trial_fit(const gpu_task &t, const struct range &range, int k)
{
    if (k == 0)
        return fit_of(t, range);
    float factor = (float)(100 - k) / 100;
    struct range r = {range.low * factor, range.high * factor, range.amax * factor, range.peak * factor};
    return fit_of(t, r);
}

/* Lanes 2 i and 2 i + 1 of thread i, joined by the pairwise tree in FP64; all threads have the sum. */
static __device__ __forceinline__ double join_lanes(float even, float odd)
{
    double sum = (double)even + (double)odd;
    for (int apart = 1; apart < 32; apart *= 2)
        sum += __shfl_xor_sync(ALL, sum, apart);
    return sum;
}

/* The squared error of one chunk of a tile under a fit, by a warp. */
static __device__ double chunk_noise(const gpu_task &t, const tile &p, uint64_t chunk, const struct fit &fit)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    uint64_t first = chunk * GPU_SUMS_OF, end = first + GPU_SUMS_OF < p.n ? first + GPU_SUMS_OF : p.n;
    float lane[2] = {0, 0};
    for (uint64_t i = first + 2 * (threadIdx.x % 32); i < end; i += 64)
        for (int j = 0; j < 2 && i + j < end; j++) {
            float x = tile_value(t, p, i + j);
            if (!is_finite(x))
                continue;
            float difference = x - encode_under(t.format, t.zero, fit, x, nearest).value;
            lane[j] += difference * difference;
        }
    return join_lanes(lane[0], lane[1]);
}

/* A warp for each group of at most GPU_SEGMENT values tries all factors. */
static __global__ void __launch_bounds__(THREADS) fit_search(const __grid_constant__ gpu_task t)
{
    for (uint64_t g = blockIdx.x * (uint64_t)WARPS + threadIdx.x / 32; g < t.scales; g += gridDim.x * (uint64_t)WARPS) {
        tile p = tile_of(t, g);
        struct range range = group_range(t, g);
        double least = 0;
        int best = 0;
        for (int k = 0; k < GPU_TRIALS; k++) {
            struct fit fit = trial_fit(t, range, k);
            double noise = 0;
            for (uint64_t chunk = 0; chunk * GPU_SUMS_OF < p.n; chunk++)
                noise += chunk_noise(t, p, chunk, fit);
            if (k == 0 || noise < least) {
                least = noise;
                best = k;
            }
        }
        if (threadIdx.x % 32 == 0)
            t.fits[g] = trial_fit(t, range, best);
    }
}

/* Larger groups: a block for each group and factor; its warps take chunks, whose errors join in order. */
static __global__ void __launch_bounds__(THREADS) search_trials(const __grid_constant__ gpu_task t)
{
    __shared__ double part[WARPS];
    for (uint64_t job = blockIdx.x; job < t.scales * GPU_TRIALS; job += gridDim.x) {
        uint64_t g = job / GPU_TRIALS;
        tile p = tile_of(t, g);
        struct fit fit = trial_fit(t, group_range(t, g), (int)(job % GPU_TRIALS));
        double noise = 0;
        for (uint64_t first = 0; first * GPU_SUMS_OF < p.n; first += WARPS) {
            uint64_t chunk = first + threadIdx.x / 32;
            double mine = chunk * GPU_SUMS_OF < p.n ? chunk_noise(t, p, chunk, fit) : 0;
            if (threadIdx.x % 32 == 0)
                part[threadIdx.x / 32] = mine;
            __syncthreads();
            for (int w = 0; threadIdx.x == 0 && w < WARPS && (first + w) * GPU_SUMS_OF < p.n; w++)
                noise += part[w];
            __syncthreads();
        }
        if (threadIdx.x == 0)
            t.trials[job] = noise;
    }
}

static __global__ void __launch_bounds__(THREADS) pick_trials(const __grid_constant__ gpu_task t)
{
    for (uint64_t g = blockIdx.x * (uint64_t)THREADS + threadIdx.x; g < t.scales; g += gridDim.x * (uint64_t)THREADS) {
        int best = 0;
        for (int k = 1; k < GPU_TRIALS; k++)
            if (t.trials[g * GPU_TRIALS + k] < t.trials[g * GPU_TRIALS + best])
                best = k;
        t.fits[g] = trial_fit(t, group_range(t, g), best);
    }
}

static enum kernel_status launch_fit(struct gpu *g, const void *work)
{
    const gpu_task *t = (const gpu_task *)work;
    if (t->scales == 0)
        return KERNEL_OK;
    if (t->clip == CLIP_PERCENTILE) {
        fit_percentile<<<gpu_blocks(g, t->scales, 1, THREADS, 8), THREADS, 0, g->stream>>>(*t);
    } else if (t->clip == CLIP_MSE && t->segments == 1) {
        fit_search<<<gpu_blocks(g, t->scales, WARPS, THREADS, 8), THREADS, 0, g->stream>>>(*t);
    } else if (t->clip == CLIP_MSE) {
        search_trials<<<gpu_blocks(g, t->scales * GPU_TRIALS, 1, THREADS, 8), THREADS, 0, g->stream>>>(*t);
        pick_trials<<<gpu_blocks(g, t->scales, THREADS, THREADS, 4), THREADS, 0, g->stream>>>(*t);
    } else {
        fit_groups<<<gpu_blocks(g, t->scales, THREADS, THREADS, 4), THREADS, 0, g->stream>>>(*t);
    }
    return gpu_launched(g, "fit_groups");
}

/* ---- Codes and values ------------------------------------------------------------------------------ */

static __device__ __forceinline__ void store_code(const gpu_task &t, uint64_t i, uint32_t code)
{
    if (t.format.bits <= 8)
        ((uint8_t *)t.codes)[i] = (uint8_t)code;
    else if (t.format.bits <= 16)
        ((uint16_t *)t.codes)[i] = (uint16_t)code;
    else
        ((uint32_t *)t.codes)[i] = code;
}

static __device__ __forceinline__ uint32_t load_code(const gpu_task &t, uint64_t i)
{
    if (t.packed)
        return ((const uint8_t *)t.codes)[i / 2] >> (i % 2 * 4) & 15;
    if (t.format.bits <= 8)
        return ((const uint8_t *)t.codes)[i];
    return t.format.bits <= 16 ? ((const uint16_t *)t.codes)[i] : ((const uint32_t *)t.codes)[i];
}

/* Adds what the block's threads counted. */
static __device__ void add_counts(struct gpu_counts *counts, unsigned zeros, unsigned nonfinite, unsigned clipped)
{
    zeros = __reduce_add_sync(ALL, zeros);
    nonfinite = __reduce_add_sync(ALL, nonfinite);
    clipped = __reduce_add_sync(ALL, clipped);
    if (threadIdx.x % 32)
        return;
    if (zeros)
        atomicAdd(&counts->zeros, (unsigned long long)zeros);
    if (nonfinite)
        atomicAdd(&counts->nonfinite, (unsigned long long)nonfinite);
    if (clipped)
        atomicAdd(&counts->clipped, (unsigned long long)clipped);
}

/* A thread takes two neighbors at a time, so that a byte of packed codes has one writer. */
static __global__ void __launch_bounds__(THREADS) encode_all(const __grid_constant__ gpu_task t)
{
    uint64_t n = t.rows * t.cols, step = 2 * (uint64_t)gridDim.x * THREADS;
    unsigned zeros = 0, nonfinite = 0, clipped = 0;
    for (uint64_t pair = 2 * (blockIdx.x * (uint64_t)THREADS + threadIdx.x); pair < n; pair += step) {
        uint32_t byte = 0;
        for (uint64_t i = pair; i < pair + 2 && i < n; i++) {
            float x = load_value(t.x, t.source, i);
            how h = {t.rounding, t.overflow, 0};
            if (t.rounding == ROUND_STOCHASTIC)
                h.random = random_of(t.seed, t.first + i);
            outcome o = encode_under(t.format, t.zero, t.fits[scale_index(t, i)], x, h);
            byte |= o.code << (i - pair) * 4;
            if (t.codes && !t.packed)
                store_code(t, i, o.code);
            if (t.values)
                ((float *)t.values)[i] = o.value;
            zeros += o.value == 0;
            nonfinite += !is_finite(x);
            clipped += o.clipped;
        }
        if (t.codes && t.packed)
            ((uint8_t *)t.codes)[pair / 2] = (uint8_t)byte;
    }
    if (t.counts)
        add_counts(t.counts, zeros, nonfinite, clipped);
}

static enum kernel_status launch_encode(struct gpu *g, const void *work)
{
    const gpu_task *t = (const gpu_task *)work;
    if (t->rows * t->cols == 0)
        return KERNEL_OK;
    encode_all<<<gpu_blocks(g, t->rows * t->cols, 2 * THREADS, THREADS, 8), THREADS, 0, g->stream>>>(*t);
    return gpu_launched(g, "encode_all");
}

static __device__ __forceinline__ void store_value(void *values, int type, uint64_t i, float value)
{
    if (type == GPU_FP32)
        ((float *)values)[i] = value;
    else if (type == GPU_FP16)
        ((__half *)values)[i] = __float2half_rn(value);
    else
        ((__nv_bfloat16 *)values)[i] = __float2bfloat16_rn(value);
}

static __global__ void __launch_bounds__(THREADS) decode_all(const __grid_constant__ gpu_task t)
{
    uint64_t n = t.rows * t.cols, step = (uint64_t)gridDim.x * THREADS;
    for (uint64_t i = blockIdx.x * (uint64_t)THREADS + threadIdx.x; i < n; i += step)
        store_value(t.values, t.value_type, i,
                    value_of(t.format, t.zero, t.fits[scale_index(t, i)], load_code(t, i)));
}

static enum kernel_status launch_decode(struct gpu *g, const void *work)
{
    const gpu_task *t = (const gpu_task *)work;
    if (t->rows * t->cols == 0)
        return KERNEL_OK;
    decode_all<<<gpu_blocks(g, t->rows * t->cols, THREADS, THREADS, 8), THREADS, 0, g->stream>>>(*t);
    return gpu_launched(g, "decode_all");
}

/* ---- Sums ------------------------------------------------------------------------------------------ */

/* A warp for each chunk; thread i has lanes 2 i and 2 i + 1. */
static __global__ void __launch_bounds__(THREADS) error_chunks(const __grid_constant__ gpu_task t)
{
    uint64_t n = t.rows * t.cols, chunks = (n + GPU_SUMS_OF - 1) / GPU_SUMS_OF;
    const float *values = (const float *)t.values;
    for (uint64_t chunk = blockIdx.x * (uint64_t)WARPS + threadIdx.x / 32; chunk < chunks;
         chunk += gridDim.x * (uint64_t)WARPS) {
        uint64_t first = chunk * GPU_SUMS_OF, end = first + GPU_SUMS_OF < n ? first + GPU_SUMS_OF : n;
        float signal[2] = {0, 0}, noise[2] = {0, 0};
        uint32_t most = 0, count = 0;
        for (uint64_t i = first + 2 * (threadIdx.x % 32); i < end; i += 64)
            for (int j = 0; j < 2 && i + j < end; j++) {
                float x = load_value(t.x, t.source, i + j);
                if (!is_finite(x))
                    continue;
                float difference = x - values[i + j];
                signal[j] += x * x;
                noise[j] += difference * difference;
                most = max(most, __float_as_uint(difference) & 0x7fffffffu);
                count++;
            }
        struct gpu_sums sums = {join_lanes(signal[0], signal[1]), join_lanes(noise[0], noise[1]),
                                __reduce_max_sync(ALL, most), __reduce_add_sync(ALL, count)};
        if (threadIdx.x % 32 == 0)
            t.sums[chunk] = sums;
    }
}

static enum kernel_status launch_error(struct gpu *g, const void *work)
{
    const gpu_task *t = (const gpu_task *)work;
    if (t->rows * t->cols == 0)
        return KERNEL_OK;
    error_chunks<<<gpu_blocks(g, t->rows * t->cols, WARPS * GPU_SUMS_OF, THREADS, 8), THREADS, 0, g->stream>>>(*t);
    return gpu_launched(g, "error_chunks");
}

/* ---- The rows -------------------------------------------------------------------------------------- */

const struct gpu_kernel gpu_encode_rows[] = {
    {GPU_RANGE, NULL, NULL, 80, 0, launch_range, "range_segments", "kernels/gpu_encode.cu"},
    {GPU_FIT, NULL, NULL, 80, 0, launch_fit, "fit_groups", "kernels/gpu_encode.cu"},
    {GPU_ENCODE, NULL, NULL, 80, 0, launch_encode, "encode_all", "kernels/gpu_encode.cu"},
    {GPU_DECODE, NULL, NULL, 80, 0, launch_decode, "decode_all", "kernels/gpu_encode.cu"},
    {GPU_ERROR, NULL, NULL, 80, 0, launch_error, "error_chunks", "kernels/gpu_encode.cu"},
    {},
};
