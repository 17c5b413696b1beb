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
    size_t skipped;
};

struct run {
    const struct encode_job *job;
    struct lane_format f;
    __m512 inverse, scale;
    struct sums sums;
};

/* True if a value of the group is NaN or, where sums are kept, infinite. */
static ALWAYS_INLINE bool is_special(const __m512 x[4], const bool stats)
{
    if (!stats)
        return _mm512_cmp_ps_mask(x[0], x[1], _CMP_UNORD_Q) | _mm512_cmp_ps_mask(x[2], x[3], _CMP_UNORD_Q);
    return _mm512_fpclass_ps_mask(x[0], 0x99) | _mm512_fpclass_ps_mask(x[1], 0x99) |
           _mm512_fpclass_ps_mask(x[2], 0x99) | _mm512_fpclass_ps_mask(x[3], 0x99);
}

static ALWAYS_INLINE void add_error(struct run *r, int k, __m512 x, __m512 value)
{
    __m512 difference = _mm512_sub_ps(x, _mm512_mul_ps(value, r->scale));
    r->sums.signal[k] = _mm512_add_ps(r->sums.signal[k], _mm512_mul_ps(x, x));
    r->sums.noise[k] = _mm512_add_ps(r->sums.noise[k], _mm512_mul_ps(difference, difference));
    r->sums.most = _mm512_max_ps(r->sums.most, _mm512_abs_ps(difference));
}

/* 64 finite values. */
static ALWAYS_INLINE void encode_finite(struct run *r, const __m512 x[4], uint8_t *out, const enum lane_kind kind,
                                        const bool stats, const bool stream)
{
    __m512i code[4];
    for (int k = 0; k < 4; k++) {
        __m512 value;
        code[k] = lane_code(kind, &r->f, _mm512_mul_ps(x[k], r->inverse), &value);
        if (stats)
            add_error(r, k, x[k], value);
    }
    lane_put(kind, out, code, stream);
}

/* What is not finite is encoded as 0 first and then by the reference, and takes no part in the sums. */
static void encode_special(struct run *r, const __m512 x[4], uint8_t *out, const enum lane_kind kind, const bool stats)
{
    float value[GROUP], finite[GROUP];
    __m512 clean[4];
    for (int k = 0; k < 4; k++)
        _mm512_storeu_ps(value + 16 * k, x[k]);
    for (int i = 0; i < GROUP; i++)
        finite[i] = isfinite(value[i]) ? value[i] : 0;
    for (int k = 0; k < 4; k++)
        clean[k] = _mm512_loadu_ps(finite + 16 * k);
    encode_finite(r, clean, out, kind, stats, false);
    for (size_t i = 0; i < GROUP; i++) {
        if (isfinite(value[i]))
            continue;
        const struct format *f = r->job->format;
        encode_store(out, i, f->bits, format_encode(f, value[i] * r->job->inverse, (struct cast){0}));
        r->sums.skipped++;
    }
}

static ALWAYS_INLINE void encode_group(struct run *r, const void *x, size_t i, uint8_t *out, const enum lane_kind kind,
                                       const enum source source, const bool stats, const bool stream)
{
    __m512 group[4];
    for (size_t k = 0; k < 4; k++)
        group[k] = lane_load(source, x, i + 16 * k);
    if (__builtin_expect(is_special(group, stats), 0))
        encode_special(r, group, out, kind, stats);
    else
        encode_finite(r, group, out, kind, stats, stream);
}

/* The last group of the tensor: zeros behind it change neither sums nor the bytes that are kept. */
static void encode_end(struct run *r, size_t from, size_t n, uint8_t *out, const enum lane_kind kind, const bool stats)
{
    float x[GROUP] = {0};
    uint8_t bytes[2 * GROUP];
    for (size_t i = 0; i < n; i++)
        x[i] = encode_value(r->job, from + i);
    encode_group(r, x, 0, bytes, kind, SOURCE_FP32, stats, false);
    memcpy(out, bytes, (n * r->job->format->bits + 7) / 8);
}

static void keep_sums(const struct sums *s, size_t n, struct error_sums *chunk)
{
    float signal[GROUP], noise[GROUP];
    for (int k = 0; k < 4; k++) {
        _mm512_storeu_ps(signal + 16 * k, s->signal[k]);
        _mm512_storeu_ps(noise + 16 * k, s->noise[k]);
    }
    *chunk = (struct error_sums){error_join(signal), error_join(noise), (double)_mm512_reduce_max_ps(s->most),
                                 n - s->skipped};
}

/* Units first..last of a job. */
static ALWAYS_INLINE void encode_chunks(const struct encode_job *job, size_t first, size_t last,
                                        const enum lane_kind kind, const enum source source, const bool stats,
                                        const bool stream)
{
    size_t all = job->rows * job->cols, bytes = lane_group_bytes(kind);
    struct run r = {.job = job, .f = lane_format_of(job->format), .inverse = _mm512_set1_ps(job->inverse),
                    .scale = _mm512_set1_ps(job->scale)};
    for (size_t chunk = first; chunk < last; chunk++) {
        size_t from = chunk * ENCODE_CHUNK, n = all - from < ENCODE_CHUNK ? all - from : ENCODE_CHUNK, i;
        uint8_t *out = job->codes + from / GROUP * bytes;
        if (stats)
            r.sums = (struct sums){0};
        for (i = 0; i + GROUP <= n; i += GROUP, out += bytes)
            encode_group(&r, job->x, from + i, out, kind, source, stats, stream);
        if (i < n)
            encode_end(&r, from + i, n - i, out, kind, stats);
        if (stats)
            keep_sums(&r.sums, n, &job->chunks[chunk]);
    }
    if (stream)
        _mm_sfence();
}

/* The constants of encode_chunks chosen once for a call. */
static ALWAYS_INLINE void encode_any(const struct encode_job *job, size_t first, size_t last,
                                     const enum lane_kind kind, const bool stats)
{
    bool stream = job->stream && (uintptr_t)job->codes % 64 == 0;
    if (job->source == SOURCE_BF16)
        encode_chunks(job, first, last, kind, SOURCE_BF16, stats, false);
    else if (stream)
        encode_chunks(job, first, last, kind, SOURCE_FP32, stats, true);
    else
        encode_chunks(job, first, last, kind, SOURCE_FP32, stats, false);
}

#define ENCODER(name, kind) \
    void encode_##name##__avx512(const struct encode_job *job, size_t first, size_t last) \
    { \
        encode_any(job, first, last, kind, false); \
    } \
    void encode_stats_##name##__avx512(const struct encode_job *job, size_t first, size_t last) \
    { \
        encode_any(job, first, last, kind, true); \
    }

ENCODER(float8, LANE_FLOAT8)
ENCODER(float4, LANE_FLOAT4)
ENCODER(int8, LANE_INT8)
ENCODER(int4, LANE_INT4)
ENCODER(fp16, LANE_FP16)
ENCODER(bf16, LANE_BF16)

#else
typedef int no_encode_avx512;   /* a translation unit may not be empty */
#endif
