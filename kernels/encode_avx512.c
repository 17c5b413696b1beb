/* encode_avx512.c: values to packed codes by a known scale, 64 at a time, with or without the sums of the error.
 * The element's arithmetic is in lanes_avx512.h; here are loads, stores, sums, ends of tensors, and what is not finite.
 * Contracts: encode_job_fn in kernel.h and encode.h. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <math.h>

#include "kernels/lanes_avx512.h"

enum { GROUP = 64 };

/* The lanes of the sums: element i of a chunk adds into lane i mod 64. */
struct sums {
    __m512 signal[4], noise[4], most;
};

/* What a call works with. */
struct run {
    const struct encode_job *job;
    struct lane_format f;
    __m512  inverse, scale;        /* folded, as f is */
    bool    far;
};

/* True if a value of the group is NaN or, where sums are kept, infinite. */
static ALWAYS_INLINE bool is_special(const __m512 x[4], const bool stats)
{
    if (!stats)
        return _mm512_cmp_ps_mask(x[0], x[1], _CMP_UNORD_Q) | _mm512_cmp_ps_mask(x[2], x[3], _CMP_UNORD_Q);
    return _mm512_fpclass_ps_mask(x[0], 0x99) | _mm512_fpclass_ps_mask(x[1], 0x99) |
           _mm512_fpclass_ps_mask(x[2], 0x99) | _mm512_fpclass_ps_mask(x[3], 0x99);
}

/* 64 finite values. A code's value has the sign of x, or is 0, so the error is that of the magnitudes. */
static ALWAYS_INLINE void encode_finite(const struct run *r, struct sums *sums, const __m512 x[4], uint8_t *out,
                                        const enum lane_kind kind, const bool stats, const bool stream)
{
    __m512i code[4];
    UNROLL_16
    for (int k = 0; k < 4; k++) {
        __m512 size;
        code[k] = lane_code(kind, &r->f, _mm512_mul_ps(x[k], r->inverse), &size, false);
        if (!stats)
            continue;
        __m512 difference = _mm512_sub_ps(_mm512_abs_ps(x[k]), _mm512_mul_ps(size, r->scale));
        sums->signal[k] = _mm512_add_ps(sums->signal[k], _mm512_mul_ps(x[k], x[k]));
        sums->noise[k] = _mm512_add_ps(sums->noise[k], _mm512_mul_ps(difference, difference));
        sums->most = _mm512_range_ps(sums->most, difference, 0xb);      /* the largest of the magnitudes */
    }
    lane_put(kind, out, code, stream);
}

static ALWAYS_INLINE void load_group(__m512 group[4], const enum source source, const void *x, size_t i)
{
    UNROLL_16
    for (size_t k = 0; k < 4; k++)
        group[k] = lane_load(source, x, i + 16 * k);
}

static ALWAYS_INLINE void keep_sums(const struct sums *s, size_t count, struct error_sums *chunk)
{
    float signal[GROUP], noise[GROUP];
    UNROLL_16
    for (int k = 0; k < 4; k++) {
        _mm512_storeu_ps(signal + 16 * k, s->signal[k]);
        _mm512_storeu_ps(noise + 16 * k, s->noise[k]);
    }
    *chunk = (struct error_sums){error_join(signal), error_join(noise), (double)_mm512_reduce_max_ps(s->most),
                                 count};
}

/* A whole group from element i on. Returns how many of its values are not finite: those are 0 at first. */
static ALWAYS_INLINE size_t encode_group(const struct run *r, struct sums *sums, size_t i, uint8_t *out,
                                         const enum lane_kind kind, const enum source source, const bool stats,
                                         const bool stream)
{
    __m512 group[4];
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
    encode_finite(r, sums, group, out, kind, stats, stream);
    if (__builtin_expect(special, 0))
        encode_other_values(r->job, i, GROUP, out);
    return others;
}

/* The last n values, less than a group: zeros behind them change neither the sums nor the bytes that are kept. */
static ALWAYS_INLINE size_t encode_end(const struct run *r, struct sums *sums, size_t i, size_t n,
                                       uint8_t *out, const enum lane_kind kind, const bool stats)
{
    float finite[GROUP] = {0};
    uint8_t codes[2 * GROUP];
    __m512 group[4];
    size_t others = encode_finite_values(r->job, i, n, finite);
    load_group(group, SOURCE_FP32, finite, 0);
    encode_finite(r, sums, group, codes, kind, stats, false);
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
    r.inverse = _mm512_set1_ps(job->inverse * r.f.fold);
    r.scale = _mm512_set1_ps(job->scale / r.f.fold);
    for (size_t chunk = first; chunk < last; chunk++) {
        size_t from = chunk * ENCODE_CHUNK, n = all - from < ENCODE_CHUNK ? all - from : ENCODE_CHUNK, i, others = 0;
        uint8_t *out = job->codes + from / GROUP * bytes;
        struct sums sums = {0};
        for (i = 0; i + GROUP <= n; i += GROUP, out += bytes)
            others += encode_group(&r, &sums, from + i, out, kind, source, stats, stream);
        if (i < n)
            others += encode_end(&r, &sums, from + i, n - i, out, kind, stats);
        if (stats)
            keep_sums(&sums, n - others, &job->chunks[chunk]);
    }
    if (stream)
        _mm_sfence();
}

#include "kernels/encode_lanes.h"

ENCODERS(avx512)

#else
typedef int no_encode_avx512;   /* a translation unit may not be empty */
#endif
