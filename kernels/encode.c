/* encode.c: packed codes by the reference pair of the format's row and the rules of scale.c: the definition.
 * encode_*.c, decode_*.c and blocks_*.c match these functions bit for bit; they serve every format of the table.
 * Below them: what a job needs, and how one is run. */
#include "kernels/encode.h"

#include <math.h>
#include <string.h>

#include "kernels/buffer.h"
#include "kernels/quantize.h"
#include "kernels/variants.h"

static const struct cast nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};

/* ---- Layout ---------------------------------------------------------------------------------------- */

enum { GROUP = 128 };

struct scale encode_scale(const struct format *f)
{
    if (f->block) {
        struct scale own = recipe_scale(f);
        return own.kind == SCALE_DOUBLE ? (struct scale){0} : own;
    }
    if (strcmp(f->scale, "none") == 0)
        return (struct scale){0};
    if (f->kind == FORMAT_INTEGER && f->bits < 8)
        return (struct scale){.kind = SCALE_GROUP, .size = GROUP};
    return (struct scale){.kind = SCALE_CHANNEL};
}

static size_t ceil_divide(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t encode_row_bytes(const struct format *f, size_t cols)
{
    size_t padded = f->block ? ceil_divide(cols, f->block) * f->block : cols;
    return ceil_divide(padded * f->bits, 8);
}

size_t encode_scales_of_row(const struct format *f, size_t cols)
{
    struct scale scale = encode_scale(f);
    if (scale.kind == SCALE_NONE)
        return 0;
    return scale.size ? ceil_divide(cols, scale.size) : cols > 0;
}

size_t encode_scale_bytes(const struct format *f)
{
    return scale_stored_bytes(encode_scale(f).kind);
}

static void store_bits(uint8_t *row, size_t at, unsigned bits, uint32_t code)
{
    for (size_t end = at + bits; at < end; code >>= 1, at++) {
        uint8_t bit = (uint8_t)(1u << at % 8);
        row[at / 8] = (uint8_t)(code & 1 ? row[at / 8] | bit : row[at / 8] & ~bit);
    }
}

void encode_store(uint8_t *row, size_t i, unsigned bits, uint32_t code)
{
    if (bits == 8)
        row[i] = (uint8_t)code;
    else if (bits == 16)
        memcpy(row + 2 * i, &(uint16_t){(uint16_t)code}, 2);
    else
        store_bits(row, i * bits, bits, code);
}

uint32_t encode_load(const uint8_t *row, size_t i, unsigned bits)
{
    uint32_t code = 0;
    if (bits == 8)
        return row[i];
    for (unsigned b = 0; b < bits; b++) {
        size_t at = i * bits + b;
        code |= (uint32_t)(row[at / 8] >> at % 8 & 1) << b;
    }
    return code;
}

float encode_value(const struct encode_job *job, size_t i)
{
    if (job->source == SOURCE_FP32)
        return ((const float *)job->x)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)job->x)[i] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

float encode_scale_at(const struct encode_job *job, size_t i)
{
    switch (encode_scale(job->format).kind) {
    case SCALE_BLOCK:
        return format_decode(format_find("e8m0"), ((const uint8_t *)job->scales)[i]);
    case SCALE_TWO_LEVEL:
        return format_decode(format_find("e4m3"), ((const uint8_t *)job->scales)[i]) * job->tensor;
    case SCALE_GROUP:
    case SCALE_SIGNED:
        return format_decode(format_find("fp16"), ((const uint16_t *)job->scales)[i]);
    default:
        return ((const float *)job->scales)[i];
    }
}

/* ---- The scale known ------------------------------------------------------------------------------- */

/* Elements of unit `chunk`. */
static size_t chunk_size(const struct encode_job *job, size_t chunk)
{
    return smaller(job->rows * job->cols - chunk * ENCODE_CHUNK, ENCODE_CHUNK);
}

/* The codes of one chunk; where `values` is given, also what they stand for. Bits behind the last code are 0. */
static void encode_chunk(const struct encode_job *job, size_t chunk, float *x, float *values)
{
    const struct format *f = job->format;
    size_t from = chunk * ENCODE_CHUNK, n = chunk_size(job, chunk);
    uint8_t *codes = job->codes + from * f->bits / 8;
    codes[ceil_divide(n * f->bits, 8) - 1] = 0;
    for (size_t i = 0; i < n; i++) {
        float original = encode_value(job, from + i);
        uint32_t code = format_encode(f, original * job->inverse, nearest);
        encode_store(codes, i, f->bits, code);
        if (!values)
            continue;
        x[i] = original;
        values[i] = format_decode(f, code) * job->scale;
    }
}

size_t encode_finite_values(const struct encode_job *job, size_t from, size_t n, float *x)
{
    size_t others = 0;
    for (size_t i = 0; i < n; i++) {
        float value = encode_value(job, from + i);
        x[i] = isfinite(value) ? value : 0;
        others += !isfinite(value);
    }
    return others;
}

void encode_other_values(const struct encode_job *job, size_t from, size_t n, uint8_t *codes)
{
    const struct format *f = job->format;
    for (size_t i = 0; i < n; i++) {
        float x = encode_value(job, from + i);
        if (!isfinite(x))
            encode_store(codes, i, f->bits, format_encode(f, x * job->inverse, nearest));
    }
}

void encode__scalar(const struct encode_job *job, size_t first, size_t last)
{
    for (size_t chunk = first; chunk < last; chunk++)
        encode_chunk(job, chunk, NULL, NULL);
}

void encode_stats__scalar(const struct encode_job *job, size_t first, size_t last)
{
    float x[ENCODE_CHUNK], values[ENCODE_CHUNK];
    for (size_t chunk = first; chunk < last; chunk++) {
        encode_chunk(job, chunk, x, values);
        job->chunks[chunk] = error_measure(x, values, chunk_size(job, chunk));
    }
}

void decode__scalar(const struct encode_job *job, size_t first, size_t last)
{
    const struct format *f = job->format;
    for (size_t chunk = first; chunk < last; chunk++) {
        size_t from = chunk * ENCODE_CHUNK;
        const uint8_t *codes = job->codes + from * f->bits / 8;
        for (size_t i = 0; i < chunk_size(job, chunk); i++)
            job->values[from + i] = format_decode(f, encode_load(codes, i, f->bits)) * job->scale;
    }
}

/* ---- The scale found ------------------------------------------------------------------------------- */

static void store_scale(const struct encode_job *job, size_t i, const struct fit *fit)
{
    switch (encode_scale_bytes(job->format)) {
    case 1:  ((uint8_t *)job->scales)[i] = (uint8_t)fit->stored; break;
    case 2:  ((uint16_t *)job->scales)[i] = (uint16_t)fit->stored; break;
    default: ((uint32_t *)job->scales)[i] = fit->stored; break;
    }
}

/* The range of elements from..from + n of x. */
static struct range range_of(const struct encode_job *job, size_t from, size_t n)
{
    struct range range = {0};
    for (size_t i = 0; i < n; i++) {
        float x = encode_value(job, from + i);
        struct range one = range_measure(&x, 1);
        range.peak = one.amax > range.amax ? one.peak : range.peak;
        range.amax = one.amax > range.amax ? one.amax : range.amax;
    }
    return range;
}

void quantize_values(const struct encode_job *job, size_t from, size_t n, uint8_t *codes, size_t scale_index)
{
    const struct format *f = job->format;
    struct scale scale = encode_scale(f);
    struct scale_rule rule = {.format = f, .kind = scale.kind, .tensor = job->tensor};
    size_t size = scale.size ? scale.size : job->cols;
    memset(codes, 0, encode_row_bytes(f, n));
    for (size_t first = 0; first < n; first += size, scale_index++) {
        size_t end = smaller(first + size, n);
        struct fit fit = scale_fit(&rule, range_of(job, from + first, end - first));
        store_scale(job, scale_index, &fit);
        for (size_t i = first; i < end; i++)
            encode_store(codes, i, f->bits, format_encode(f, encode_value(job, from + i) * fit.inverse, nearest));
    }
}

void quantize__scalar(const struct encode_job *job, size_t first, size_t last)
{
    size_t bytes = encode_row_bytes(job->format, job->cols), per_row = encode_scales_of_row(job->format, job->cols);
    for (size_t row = first; row < last; row++)
        quantize_values(job, row * job->cols, job->cols, job->codes + row * bytes, row * per_row);
}

void dequantize__scalar(const struct encode_job *job, size_t first, size_t last)
{
    const struct format *f = job->format;
    struct scale scale = encode_scale(f);
    size_t bytes = encode_row_bytes(f, job->cols), per_row = encode_scales_of_row(f, job->cols);
    size_t size = scale.size ? scale.size : job->cols;
    for (size_t row = first; row < last; row++)
        for (size_t i = 0; i < job->cols; i++) {
            uint32_t code = encode_load(job->codes + row * bytes, i, f->bits);
            job->values[row * job->cols + i] =
                format_decode(f, code) * encode_scale_at(job, row * per_row + i / size);
        }
}

/* ---- Jobs ------------------------------------------------------------------------------------------ */

static bool by_row(const struct kernel *k)
{
    return k->op == KERNEL_QUANTIZE || k->op == KERNEL_DEQUANTIZE;
}

static bool decodes(const struct kernel *k)
{
    return k->op == KERNEL_DECODE || k->op == KERNEL_DEQUANTIZE;
}

/* True if row k works for this job at all. */
static bool can(const struct kernel *k, const struct encode_job *job)
{
    const struct format *f = job->format;
    if (!k->job || (k->format && strcmp(k->format, f->name) != 0))
        return false;
    if (by_row(k))
        return encode_scale(f).kind != SCALE_NONE;
    return job->rows == 1 || job->cols * f->bits % 8 == 0;
}

size_t encode_units(const struct kernel *k, const struct encode_job *job)
{
    if (!can(k, job) || !job->cols)
        return 0;
    return by_row(k) ? job->rows : ceil_divide(job->rows * job->cols, ENCODE_CHUNK);
}

static size_t source_bytes(const struct encode_job *job)
{
    return job->rows * job->cols * (job->source == SOURCE_FP32 ? 4 : 2);
}

static size_t code_bytes(const struct kernel *k, const struct encode_job *job)
{
    if (by_row(k))
        return job->rows * encode_row_bytes(job->format, job->cols);
    return ceil_divide(job->rows * job->cols * job->format->bits, 8);
}

static size_t scales_bytes(const struct encode_job *job)
{
    return job->rows * encode_scales_of_row(job->format, job->cols) * encode_scale_bytes(job->format);
}

struct encode_traffic encode_traffic(const struct kernel *k, const struct encode_job *job)
{
    size_t packed = code_bytes(k, job) + (by_row(k) ? scales_bytes(job) : 0);
    size_t values = job->rows * job->cols * sizeof(float);
    if (decodes(k))
        return (struct encode_traffic){packed, values};
    return (struct encode_traffic){source_bytes(job), packed};
}

/* Non-temporal stores pay where the result would push everything else out of the last cache. */
void encode_place(struct encode_job *job, const struct kernel *k)
{
    struct encode_traffic traffic = encode_traffic(k, job);
    job->stream = traffic.written > cpu_info()->last_cache_bytes / 2;
    job->far = traffic.read > cpu_info()->l2_bytes;
}

enum kernel_status encode_open(struct encode_job *job, const struct kernel *k, const struct format *format,
                               enum source source, size_t rows, size_t cols)
{
    *job = (struct encode_job){.format = format, .source = source, .rows = rows, .cols = cols, .scale = 1, .inverse = 1,
                               .tensor = 1};
    if (cols && rows > SIZE_MAX / 16 / cols)
        return KERNEL_BAD_SHAPE;
    if (!can(k, job))
        return by_row(k) ? KERNEL_NO_KERNEL : KERNEL_BAD_SHAPE;
    encode_place(job, k);
    job->x = decodes(k) ? NULL : buffer_open(source_bytes(job));
    job->values = decodes(k) ? buffer_open(rows * cols * sizeof(float)) : NULL;
    job->codes = buffer_open(rows * encode_row_bytes(format, cols));
    job->scales = by_row(k) ? buffer_open(scales_bytes(job)) : NULL;
    job->chunks = k->op == KERNEL_ENCODE_STATS ? buffer_open(encode_units(k, job) * sizeof *job->chunks) : NULL;
    bool missing = !(job->x || job->values) || !job->codes || (by_row(k) && !job->scales) ||
                   (k->op == KERNEL_ENCODE_STATS && !job->chunks);
    if (missing)
        encode_close(job);
    return missing ? KERNEL_NO_MEMORY : KERNEL_OK;
}

void encode_close(struct encode_job *job)
{
    buffer_close(job->x, source_bytes(job));
    buffer_close(job->values, job->rows * job->cols * sizeof(float));
    buffer_close(job->codes, job->rows * encode_row_bytes(job->format, job->cols));
    buffer_close(job->scales, scales_bytes(job));
    buffer_close(job->chunks, ceil_divide(job->rows * job->cols, ENCODE_CHUNK) * sizeof *job->chunks);
    *job = (struct encode_job){0};
}

enum kernel_status encode_run(const struct kernel *k, const struct encode_job *job)
{
    size_t units = encode_units(k, job);
    if (!can(k, job))
        return KERNEL_BAD_SHAPE;
    k->job(job, 0, units);
    return KERNEL_OK;
}

struct error_sums encode_sums(const struct encode_job *job, size_t units)
{
    struct error_sums sums = {0};
    for (size_t i = 0; i < units; i++) {
        sums.signal += job->chunks[i].signal;
        sums.noise += job->chunks[i].noise;
        sums.count += job->chunks[i].count;
        if (!(job->chunks[i].max_abs <= sums.max_abs) && !isnan(sums.max_abs))     /* a NaN stays */
            sums.max_abs = job->chunks[i].max_abs;
    }
    return sums;
}
