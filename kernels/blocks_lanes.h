/* blocks_lanes.h: the part of KERNEL_QUANTIZE that is the same for any width of lanes: segments, runs, rows.
 * Included once by blocks_avx2.c and blocks_avx512.c, behind what it builds on: find_scales, find_codes, open_blocks,
 * row_amax and put_row of that width. Everything is inlined with constants, so a shared text costs nothing. */
#ifndef KERNELS_BLOCKS_LANES_H
#define KERNELS_BLOCKS_LANES_H

/* ---- Blocks ---------------------------------------------------------------------------------------- */

/* A whole segment. False, and nothing that counts is written, if a value is not finite. */
static ALWAYS_INLINE bool segment(const struct blocks *b, const enum source source, const void *x, size_t from,
                                  const enum lane_kind kind, const enum rule rule, const size_t size, uint8_t *codes,
                                  uint8_t *stored, const bool stream)
{
    float inverse[SEGMENT / BLOCK_LEAST];
    enum meeting met = find_scales(b, source, x, from, rule, size, inverse, stored);
    if (met == MET_WITHIN)
        find_codes(b, source, x, from, kind, size, inverse, codes, true, stream);
    else if (met == MET_BEYOND)
        find_codes(b, source, x, from, kind, size, inverse, codes, false, stream);
    return met != MET_SPECIAL;
}

/* Less than a segment, n values of a row: zeros behind them add nothing. */
static ALWAYS_INLINE void short_segment(const struct blocks *b, size_t from, size_t n, const enum lane_kind kind,
                                        const enum rule rule, const size_t size, uint8_t *codes, size_t scale_index)
{
    float x[SEGMENT];
    uint8_t bytes[SEGMENT], stored[SEGMENT / BLOCK_LEAST * 2];
    for (size_t i = 0; i < n; i++)
        x[i] = encode_value(b->job, from + i);
    memset(x + n, 0, (SEGMENT - n) * sizeof *x);
    if (!segment(b, SOURCE_FP32, x, 0, kind, rule, size, bytes, stored, false)) {
        quantize_values(b->job, from, n, codes, scale_index);
        return;
    }
    memcpy(codes, bytes, encode_row_bytes(b->job->format, n));
    uint8_t *scales = (uint8_t *)b->job->scales + scale_index * stored_bytes(rule);
    memcpy(scales, stored, (n + size - 1) / size * stored_bytes(rule));
}

/* n values that lie side by side and end where a row does. */
static ALWAYS_INLINE void quantize_run(const struct blocks *b, const enum source source, size_t from, size_t n,
                                       const enum lane_kind kind, const enum rule rule, const size_t size,
                                       uint8_t *codes, size_t scale_index, const bool stream)
{
    size_t i = 0, bytes = SEGMENT / GROUP * lane_group_bytes(kind);
    for (; i + SEGMENT <= n; i += SEGMENT, codes += bytes, scale_index += SEGMENT / size) {
        uint8_t *stored = (uint8_t *)b->job->scales + scale_index * stored_bytes(rule);
        if (__builtin_expect(!segment(b, source, b->job->x, from + i, kind, rule, size, codes, stored, stream), 0))
            quantize_values(b->job, from + i, SEGMENT, codes, scale_index);
    }
    if (i < n)
        short_segment(b, from + i, n - i, kind, rule, size, codes, scale_index);
}

/* Rows first..last. Where blocks fill the rows, the rows are one run. */
static ALWAYS_INLINE void quantize_blocks(const struct encode_job *job, const enum source source, size_t first,
                                          size_t last, const enum lane_kind kind, const enum rule rule,
                                          const size_t size, const bool stream)
{
    const struct blocks b = open_blocks(job, kind);
    size_t bytes = encode_row_bytes(job->format, job->cols), per_row = encode_scales_of_row(job->format, job->cols);
    size_t step = job->cols % size == 0 ? last - first : 1;
    for (size_t row = first; row < last; row += step)
        quantize_run(&b, source, row * job->cols, step * job->cols, kind, rule, size, job->codes + row * bytes,
                     row * per_row, stream);
    if (stream)
        _mm_sfence();
}

/* True if every segment's codes may go past the caches. */
static bool may_stream(const struct encode_job *job, size_t first, size_t size)
{
    size_t bytes = encode_row_bytes(job->format, job->cols);
    return job->stream && job->cols % size == 0 && ((uintptr_t)job->codes + first * bytes) % 64 == 0;
}

static ALWAYS_INLINE void quantize_any(const struct encode_job *job, size_t first, size_t last,
                                       const enum lane_kind kind, const enum rule rule, const size_t size)
{
    if (rule == RULE_NVFP4 && !(job->tensor <= 0x1p100f))
        quantize__scalar(job, first, last);         /* too large to fold */
    else if (job->source == SOURCE_BF16)
        quantize_blocks(job, SOURCE_BF16, first, last, kind, rule, size, false);
    else if (may_stream(job, first, size))
        quantize_blocks(job, SOURCE_FP32, first, last, kind, rule, size, true);
    else
        quantize_blocks(job, SOURCE_FP32, first, last, kind, rule, size, false);
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE void quantize_one(const struct encode_job *job, const struct lane_format *f, size_t row,
                                       const enum source source, const enum lane_kind kind)
{
    size_t from = row * job->cols;
    uint8_t *out = job->codes + from;
    uint32_t bits = row_amax(job, source, from, job->cols);
    float amax;
    memcpy(&amax, &bits, sizeof amax);
    float scale = scale_absmax(amax, job->format->largest), inverse = 1 / scale;
    if (bits >= 0x7f800000u || !lane_folds(inverse, 1)) {
        quantize_values(job, from, job->cols, out, row);
        return;
    }
    ((float *)job->scales)[row] = scale;
    if (job->stream && (uintptr_t)out % 64 == 0)
        put_row(job, f, source, from, inverse, out, kind, true);
    else
        put_row(job, f, source, from, inverse, out, kind, false);
}

static ALWAYS_INLINE void quantize_rows(const struct encode_job *job, size_t first, size_t last,
                                        const enum source source, const enum lane_kind kind)
{
    const struct lane_format f = lane_format_of(job->format, kind);
    for (size_t row = first; row < last; row++)
        quantize_one(job, &f, row, source, kind);
    if (job->stream)
        _mm_sfence();
}

/* ---- The functions of the table -------------------------------------------------------------------- */

#define BLOCKS(name, suffix, kind, rule, size) \
    void quantize_##name##__##suffix(const struct encode_job *job, size_t first, size_t last) \
    { \
        quantize_any(job, first, last, kind, rule, size); \
    }
#define ROWS(name, suffix, kind) \
    void quantize_##name##__##suffix(const struct encode_job *job, size_t first, size_t last) \
    { \
        if (job->source == SOURCE_BF16) \
            quantize_rows(job, first, last, SOURCE_BF16, kind); \
        else \
            quantize_rows(job, first, last, SOURCE_FP32, kind); \
    }
#define QUANTIZERS(suffix) \
    BLOCKS(int4, suffix, LANE_INT4, RULE_GROUP, 128) \
    BLOCKS(mxfp8, suffix, LANE_FLOAT8, RULE_MX, 32) \
    BLOCKS(mxfp4, suffix, LANE_FLOAT4, RULE_MX, 32) \
    BLOCKS(nvfp4, suffix, LANE_FLOAT4, RULE_NVFP4, 16) \
    ROWS(int8, suffix, LANE_INT8) \
    ROWS(float8, suffix, LANE_FLOAT8)

#endif
