/* encode_avx2.c: values to packed codes by a known scale, 32 at a time, with or without the sums of the error.
 * The same plan as encode_avx512.c; the element's arithmetic is in lanes_avx2.h. The sums' 64 lanes are eight vectors
 * of each kind, more than there are registers, so that they live in the first cache. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include "kernels/lanes_avx2.h"

enum { GROUP = 32, HALVES = 2 };

/* The lanes of the sums: element i of a chunk adds into lane i mod 64. */
struct sums {
    __m256 signal[4 * HALVES], noise[4 * HALVES], most;
};

/* What a call works with. */
struct run {
    const struct encode_job *job;
    struct lane_format f;
    __m256  inverse, scale;        /* folded, as f is */
    bool    far;
};

/* True if a value of the group is NaN or, where sums are kept, infinite: only then x - x is not 0. */
static ALWAYS_INLINE bool is_special(const __m256 x[4], const bool stats)
{
    __m256 any = _mm256_setzero_ps();
    if (!stats) {
        any = _mm256_or_ps(_mm256_cmp_ps(x[0], x[1], _CMP_UNORD_Q), _mm256_cmp_ps(x[2], x[3], _CMP_UNORD_Q));
        return _mm256_movemask_ps(any) != 0;
    }
    UNROLL_16
    for (int k = 0; k < 4; k++)
        any = _mm256_or_ps(any, _mm256_sub_ps(x[k], x[k]));
    return !_mm256_testz_si256(_mm256_castps_si256(any), _mm256_castps_si256(any));
}

/* 32 finite values, the first or the second half of 64. A code's value has the sign of x, or is 0, so the error is that
 * of the magnitudes. */
static ALWAYS_INLINE void encode_finite(const struct run *r, struct sums *sums, const int half, const __m256 x[4],
                                        uint8_t *out, const enum lane_kind kind, const bool stats, const bool stream)
{
    __m256i code[4];
    __m256 y[4];
    UNROLL_16
    for (int k = 0; k < 4; k++) {
        __m256 size;
        y[k] = _mm256_mul_ps(x[k], r->inverse);
        code[k] = lane_code(kind, &r->f, y[k], &size, false);
        if (!stats)
            continue;
        __m256 difference = _mm256_sub_ps(lane_abs(x[k]), _mm256_mul_ps(size, r->scale));
        __m256 *signal = &sums->signal[4 * half + k], *noise = &sums->noise[4 * half + k];
        *signal = _mm256_add_ps(*signal, _mm256_mul_ps(x[k], x[k]));
        *noise = _mm256_add_ps(*noise, _mm256_mul_ps(difference, difference));
        sums->most = _mm256_max_ps(sums->most, lane_abs(difference));
    }
    lane_put(kind, out, code, y, stream);
}

static ALWAYS_INLINE void load_group(__m256 group[4], const enum source source, const void *x, size_t i)
{
    UNROLL_16
    for (size_t k = 0; k < 4; k++)
        group[k] = lane_load(source, x, i + 8 * k);
}

static ALWAYS_INLINE void keep_sums(const struct sums *s, size_t count, struct error_sums *chunk)
{
    float signal[GROUP * HALVES], noise[GROUP * HALVES], most[8];
    for (int k = 0; k < 4 * HALVES; k++) {
        _mm256_storeu_ps(signal + 8 * k, s->signal[k]);
        _mm256_storeu_ps(noise + 8 * k, s->noise[k]);
    }
    _mm256_storeu_ps(most, s->most);
    for (int k = 1; k < 8; k++)
        most[0] = fmaxf(most[0], most[k]);
    *chunk = (struct error_sums){error_join(signal), error_join(noise), (double)most[0], count};
}

/* A whole group from element i on. Returns how many of its values are not finite: those are 0 at first. */
static ALWAYS_INLINE size_t encode_group(const struct run *r, struct sums *sums, const int half, size_t i, uint8_t *out,
                                         const enum lane_kind kind, const enum source source, const bool stats,
                                         const bool stream)
{
    __m256 group[4];
    size_t others = 0;
    if (r->far)
        lane_ahead(source, r->job->x, i);
    load_group(group, source, r->job->x, i);
    bool special = is_special(group, stats);
    if (__builtin_expect(special, 0)) {
        float finite[GROUP];
        others = encode_finite_values(r->job, i, GROUP, finite);
        load_group(group, SOURCE_FP32, finite, 0);
    }
    encode_finite(r, sums, half, group, out, kind, stats, stream);
    if (__builtin_expect(special, 0))
        encode_other_values(r->job, i, GROUP, out);
    return others;
}

/* The last n values, less than a group: zeros behind them change neither the sums nor the bytes that are kept. */
static ALWAYS_INLINE size_t encode_end(const struct run *r, struct sums *sums, const int half, size_t i, size_t n,
                                       uint8_t *out, const enum lane_kind kind, const bool stats)
{
    float finite[GROUP] = {0};
    uint8_t codes[2 * GROUP];
    __m256 group[4];
    size_t others = encode_finite_values(r->job, i, n, finite);
    load_group(group, SOURCE_FP32, finite, 0);
    encode_finite(r, sums, half, group, codes, kind, stats, false);
    memcpy(out, codes, (n * r->job->format->bits + 7) / 8);
    encode_other_values(r->job, i, n, out);
    return others;
}

/* Units first..last of a job. */
static ALWAYS_INLINE void encode_chunks(const struct encode_job *job, size_t first, size_t last,
                                        const enum lane_kind kind, const enum source source, const bool stats,
                                        const bool stream)
{
    struct run r = {.job = job, .f = lane_format_of(job->format, kind), .far = job->far};
    size_t all = job->rows * job->cols, bytes = lane_group_bytes(kind);
    r.inverse = _mm256_set1_ps(job->inverse * r.f.fold);
    r.scale = _mm256_set1_ps(job->scale / r.f.fold);
    for (size_t chunk = first; chunk < last; chunk++) {
        size_t from = chunk * ENCODE_CHUNK, n = all - from < ENCODE_CHUNK ? all - from : ENCODE_CHUNK, i, others = 0;
        uint8_t *out = job->codes + from / GROUP * bytes;
        struct sums sums = {0};
        for (i = 0; i + 2 * GROUP <= n; i += 2 * GROUP, out += 2 * bytes) {
            others += encode_group(&r, &sums, 0, from + i, out, kind, source, stats, stream);
            others += encode_group(&r, &sums, 1, from + i + GROUP, out + bytes, kind, source, stats, stream);
        }
        if (i < n)
            others += encode_end(&r, &sums, 0, from + i, n - i < GROUP ? n - i : GROUP, out, kind, stats);
        if (i + GROUP < n)
            others += encode_end(&r, &sums, 1, from + i + GROUP, n - i - GROUP, out + bytes, kind, stats);
        if (stats)
            keep_sums(&sums, n - others, &job->chunks[chunk]);
    }
    if (stream)
        _mm_sfence();
}

#include "kernels/encode_lanes.h"

ENCODERS(avx2)

#else
typedef int no_encode_avx2;   /* a translation unit may not be empty */
#endif
