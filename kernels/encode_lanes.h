/* encode_lanes.h: the part of encoding by a known scale that is the same for AVX2 and AVX-512.
 * Included once by encode_avx2.c and encode_avx512.c, behind encode_chunks of that width.
 * Everything is inlined with constants, so a shared text costs nothing. */
#ifndef KERNELS_ENCODE_LANES_H
#define KERNELS_ENCODE_LANES_H

/* The constants of encode_chunks chosen once for a call. */
static ALWAYS_INLINE void encode_any(const struct encode_job *job, size_t first, size_t last,
                                     const enum lane_kind kind, const bool stats)
{
    bool stream = job->stream && (uintptr_t)job->codes % 64 == 0;
    if (!lane_folds(job->inverse, job->scale)) {
        if (stats)
            encode_stats__scalar(job, first, last);
        else
            encode__scalar(job, first, last);
    } else if (job->source == SOURCE_BF16) {
        encode_chunks(job, first, last, kind, SOURCE_BF16, stats, false);
    } else if (stream) {
        encode_chunks(job, first, last, kind, SOURCE_FP32, stats, true);
    } else {
        encode_chunks(job, first, last, kind, SOURCE_FP32, stats, false);
    }
}

#define ENCODER(name, suffix, kind) \
    void encode_##name##__##suffix(const struct encode_job *job, size_t first, size_t last) \
    { \
        encode_any(job, first, last, kind, false); \
    } \
    void encode_stats_##name##__##suffix(const struct encode_job *job, size_t first, size_t last) \
    { \
        encode_any(job, first, last, kind, true); \
    }
#define ENCODERS(suffix) \
    ENCODER(float8, suffix, LANE_FLOAT8) \
    ENCODER(float4, suffix, LANE_FLOAT4) \
    ENCODER(int8, suffix, LANE_INT8) \
    ENCODER(int4, suffix, LANE_INT4) \
    ENCODER(fp16, suffix, LANE_FP16) \
    ENCODER(bf16, suffix, LANE_BF16)

#endif
