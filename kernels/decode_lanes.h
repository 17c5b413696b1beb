/* decode_lanes.h: the part of decoding that is the same for any width of lanes: chunks, runs, rows.
 * Included once by decode_avx2.c and decode_avx512.c, behind what it builds on: open_run, decode_group, decode_slowly,
 * scaled_group of that width. Everything is inlined with constants, so a shared text costs nothing. */
#ifndef KERNELS_DECODE_LANES_H
#define KERNELS_DECODE_LANES_H

static ALWAYS_INLINE void decode_chunks(const struct encode_job *job, size_t first, size_t last,
                                        const enum lane_kind kind, const bool stream)
{
    const struct run r = open_run(job, kind);
    size_t bytes = lane_group_bytes(kind), all = job->rows * job->cols;
    size_t end = last * ENCODE_CHUNK < all ? last * ENCODE_CHUNK : all, i = first * ENCODE_CHUNK;
    for (; i + GROUP <= end; i += GROUP)
        decode_group(&r, job->codes + i / GROUP * bytes, job->values + i, kind, stream);
    if (i < end)
        decode_slowly(&r, job->codes + i / GROUP * bytes, end - i, job->values + i);
    if (stream)
        _mm_sfence();
}

static ALWAYS_INLINE void decode_any(const struct encode_job *job, size_t first, size_t last, const enum lane_kind kind)
{
    if (kind == LANE_FLOAT8 && isinf(ldexpf(job->scale, 15 - job->format->bias)))
        decode__scalar(job, first, last);       /* the two factors do not fit one */
    else if (job->stream && (uintptr_t)job->values % 64 == 0)
        decode_chunks(job, first, last, kind, true);
    else
        decode_chunks(job, first, last, kind, false);
}

/* ---- The scales of rows, groups and blocks --------------------------------------------------------- */

/* Every scale that fits a byte, decoded. */
static void scale_table(const struct encode_job *job, float table[256])
{
    bool two_level = encode_scale(job->format).kind == SCALE_TWO_LEVEL;
    const struct format *stored = format_find(two_level ? "e4m3" : "e8m0");
    for (uint32_t i = 0; i < 256; i++)
        table[i] = format_decode(stored, i) * (two_level ? job->tensor : 1);
}

/* n values of one row, or of rows that their blocks fill, from element `from` and block b on. */
static ALWAYS_INLINE void dequantize_run(const struct run *r, const struct encode_job *job, const uint8_t *codes,
                                         size_t from, size_t n, size_t b, const enum lane_kind kind, const size_t size,
                                         const float *table)
{
    size_t i = 0, bytes = lane_group_bytes(kind);
    for (; i + GROUP <= n; i += GROUP, codes += bytes)
        scaled_group(r, job, codes, b + i / size, job->values + from + i, kind, size, table);
    for (size_t k = i; k < n; k++) {
        uint32_t code = encode_load(codes, k - i, job->format->bits);
        job->values[from + k] = format_decode(job->format, code) * encode_scale_at(job, b + k / size);
    }
}

static ALWAYS_INLINE void dequantize_blocks(const struct encode_job *job, size_t first, size_t last,
                                            const enum lane_kind kind, const size_t size)
{
    struct encode_job plain = *job;
    float table[256];
    plain.scale = 1;
    const struct run r = open_run(&plain, kind);
    if (size != 128)
        scale_table(job, table);
    size_t bytes = encode_row_bytes(job->format, job->cols), per_row = encode_scales_of_row(job->format, job->cols);
    size_t step = job->cols % size == 0 ? last - first : 1;
    for (size_t row = first; row < last; row += step)
        dequantize_run(&r, job, job->codes + row * bytes, row * job->cols, step * job->cols, row * per_row, kind, size,
                       table);
}

/* One scale a row: each row is decoded as a tensor of its own. */
static ALWAYS_INLINE void dequantize_rows(const struct encode_job *job, size_t first, size_t last,
                                          const enum lane_kind kind)
{
    for (size_t row = first; row < last; row++) {
        struct encode_job one = *job;
        one.rows = 1;
        one.scale = ((const float *)job->scales)[row];
        one.codes += row * job->cols;
        one.values += row * job->cols;
        decode_any(&one, 0, (job->cols + ENCODE_CHUNK - 1) / ENCODE_CHUNK, kind);
    }
}

/* ---- The functions of the table -------------------------------------------------------------------- */

#define DECODER(name, suffix, call) \
    void name##__##suffix(const struct encode_job *job, size_t first, size_t last) \
    { \
        call; \
    }
#define DECODERS(suffix) \
    DECODER(decode_float8, suffix, decode_any(job, first, last, LANE_FLOAT8)) \
    DECODER(decode_float4, suffix, decode_any(job, first, last, LANE_FLOAT4)) \
    DECODER(decode_int8, suffix, decode_any(job, first, last, LANE_INT8)) \
    DECODER(decode_int4, suffix, decode_any(job, first, last, LANE_INT4)) \
    DECODER(decode_fp16, suffix, decode_any(job, first, last, LANE_FP16)) \
    DECODER(decode_bf16, suffix, decode_any(job, first, last, LANE_BF16)) \
    DECODER(dequantize_int8, suffix, dequantize_rows(job, first, last, LANE_INT8)) \
    DECODER(dequantize_float8, suffix, dequantize_rows(job, first, last, LANE_FLOAT8)) \
    DECODER(dequantize_int4, suffix, dequantize_blocks(job, first, last, LANE_INT4, 128)) \
    DECODER(dequantize_mxfp8, suffix, dequantize_blocks(job, first, last, LANE_FLOAT8, 32)) \
    DECODER(dequantize_mxfp4, suffix, dequantize_blocks(job, first, last, LANE_FLOAT4, 32)) \
    DECODER(dequantize_nvfp4, suffix, dequantize_blocks(job, first, last, LANE_FLOAT4, 16))

#endif
