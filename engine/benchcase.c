/* benchcase.c: how each operation of the kernel table is set up to be timed.
 * What is in the memory does not matter to the time, but that it is ordinary: seeded normal values, repeated, and codes
 * made from them. The first 256 rows are rounded, all others are their copies. */
#include "engine/benchcase.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/attention.h"
#include "kernels/buffer.h"
#include "kernels/quantize.h"
#include "kernels/random.h"

enum {
    COLS   = 4096,
    PERIOD = 256,           /* rows that differ */
    PRODUCT_ROWS = 16,      /* of a unit of a product */
    SEED   = 1,
    MIB    = 1 << 20,
};

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void fill(struct benchmemory *m)
{
    size_t period = PERIOD * COLS < m->values ? (size_t)PERIOD * COLS : m->values;
    random_gaussian(m->x, period, SEED, 1);
    for (size_t i = period; i < m->values; i += period)
        memcpy(m->x + i, m->x, (m->values - i < period ? m->values - i : period) * sizeof *m->x);
}

/* All buffers and matrices together take some twenty times this at most. */
static size_t memory_share(void)
{
    return (size_t)sysconf(_SC_PHYS_PAGES) / 20 * (size_t)sysconf(_SC_PAGESIZE);
}

bool benchmemory_open(struct benchmemory *m, bool cache, int threads)
{
    const struct cpu *cpu = cpu_info();
    size_t second = cpu->l2_bytes ? cpu->l2_bytes : MIB / 4, beyond = 5 * cpu->last_cache_bytes;
    *m = (struct benchmemory){ .cache = cache };
    m->target = cache ? (size_t)threads * second / 2 : beyond > 256u * MIB ? beyond : 256u * MIB;
    if (!cache && m->target > memory_share())
        m->target = memory_share();
    m->values = m->target / sizeof *m->x / COLS * COLS;
    m->x = buffer_open(m->values * sizeof *m->x);
    m->y = buffer_open(m->values * sizeof *m->y);
    m->codes = buffer_open(m->values * sizeof *m->x);
    m->loose = buffer_open(m->values * sizeof *m->x);
    m->scales = buffer_open(m->values);
    m->chunks = buffer_open((m->values / ENCODE_CHUNK + 1) * sizeof *m->chunks);
    if (m->x && m->y && m->codes && m->loose && m->scales && m->chunks) {
        fill(m);
        return true;
    }
    benchmemory_close(m);
    return false;
}

void benchmemory_close(struct benchmemory *m)
{
    buffer_close(m->x, m->values * sizeof *m->x);
    buffer_close(m->y, m->values * sizeof *m->y);
    buffer_close(m->codes, m->values * sizeof *m->x);
    buffer_close(m->loose, m->values * sizeof *m->x);
    buffer_close(m->scales, m->values);
    buffer_close(m->chunks, (m->values / ENCODE_CHUNK + 1) * sizeof *m->chunks);
    *m = (struct benchmemory){ 0 };
}

/* --- packed codes ------------------------------------------------------------------------------------------------- */

/* As many rows as the size asks for, when each moves `bytes`. */
static size_t rows_of(const struct benchmemory *m, double bytes)
{
    size_t most = m->values / COLS, rows = m->cache ? (size_t)((double)m->target / bytes) : most;
    return rows < 1 ? 1 : rows < most ? rows : most;
}

/* `bytes` of the first `part` are there; the rest repeats them. */
static void repeat(uint8_t *bytes, size_t part, size_t whole)
{
    for (size_t i = part; part && i < whole; i += part)
        memcpy(bytes + i, bytes, whole - i < part ? whole - i : part);
}

/* Codes and scales for a decoder, by the best encoder of this format. */
static void make_codes(struct benchcase *c)
{
    struct encode_job *job = &c->job, part = *job;
    bool by_row = c->kernel->op == KERNEL_DEQUANTIZE;
    const struct kernel *k = kernel_find(by_row ? KERNEL_QUANTIZE : KERNEL_ENCODE, job->format->name,
                                         cpu_info()->best);
    part.rows = job->rows < PERIOD ? job->rows : PERIOD;
    part.stream = false;
    if (k && encode_run(k, &part) == KERNEL_OK) {
        size_t row = encode_row_bytes(job->format, COLS);
        size_t scales = encode_scales_of_row(job->format, COLS) * encode_scale_bytes(job->format);
        repeat(job->codes, part.rows * row, job->rows * row);
        if (by_row)
            repeat(job->scales, part.rows * scales, job->rows * scales);
    }
}

static enum kernel_status open_codec(struct benchcase *c, struct benchmemory *m)
{
    const struct format *f = c->format;
    struct encode_job *job = &c->job;
    float amax = quant_amax(m->x, m->values < PERIOD * COLS ? m->values : PERIOD * COLS);
    *job = (struct encode_job){ .format = f, .source = SOURCE_FP32, .rows = 1, .cols = COLS, .x = m->x, .values = m->y,
                                .codes = m->codes, .scales = m->scales, .chunks = m->chunks, .scale = 1, .inverse = 1,
                                .tensor = scale_of_tensor(amax, f->largest) };
    struct encode_traffic traffic = encode_traffic(c->kernel, job);
    job->rows = rows_of(m, (double)traffic.read + (double)traffic.written);
    c->units = encode_units(c->kernel, job);
    if (!c->units)
        return KERNEL_NO_KERNEL;
    if (f->bits <= 8 && f->kind != FORMAT_POWER) {
        job->scale = scale_absmax(amax, f->largest);
        job->inverse = 1 / job->scale;
    }
    traffic = encode_traffic(c->kernel, job);
    encode_place(job, c->kernel);
    c->read = (double)traffic.read / (double)c->units;
    c->written = (double)traffic.written / (double)c->units;
    c->values = (double)job->rows * COLS / (double)c->units;
    make_codes(c);
    return KERNEL_OK;
}

static void run_codec(struct benchcase *c, size_t first, size_t last)
{
    c->kernel->job(&c->job, first, last);
}

static void close_nothing(struct benchcase *c)
{
    (void)c;
}

/* --- codes and values at once ------------------------------------------------------------------------------------- */

static enum kernel_status open_round(struct benchcase *c, struct benchmemory *m)
{
    size_t wide = format_code_bytes(c->format);
    bool scaled = c->format->bits <= 8 && c->format->kind != FORMAT_POWER;
    float scale = scaled ? scale_absmax(6, c->format->largest) : 1;
    c->read = COLS * sizeof(float);
    c->written = (double)(COLS * (sizeof(float) + wide));
    c->values = COLS;
    c->units = rows_of(m, c->read + c->written);
    c->rounding = (struct round_run){ .format = c->format, .x = m->x, .scale = scale, .inverse = 1 / scale,
                                      .codes = m->loose, .values = m->y };
    return KERNEL_OK;
}

static void run_round(struct benchcase *c, size_t first, size_t last)
{
    struct round_run run = c->rounding;
    run.x += first * COLS;
    run.values += first * COLS;
    run.codes = (uint8_t *)run.codes + first * COLS * format_code_bytes(c->format);
    run.n = (last - first) * COLS;
    c->kernel->round(&run);
}

/* --- products ----------------------------------------------------------------------------------------------------- */

static void close_product(struct benchcase *c)
{
    matrix_free(&c->product.matrix);
    operand_free(&c->product.operand);
    free(c->product.y);
    c->product.y = NULL;
}

/* The inputs are prepared before: rounding them is not timed. */
static enum kernel_status open_product(struct benchcase *c, struct benchmemory *m)
{
    double row = (double)COLS * c->format->bits / 8;
    size_t rows = (size_t)((double)m->target / row) / PRODUCT_ROWS * PRODUCT_ROWS;
    rows = rows > PRODUCT_ROWS ? rows : PRODUCT_ROWS;
    enum kernel_status status = matrix_seeded(&c->product.matrix, c->format, rows, COLS, SEED, 0.02, NULL);
    if (status == KERNEL_OK)
        status = operand_prepare(&c->product.operand, c->kernel->activation, c->kernel->layout, m->x, 1, COLS,
                                 NULL);
    c->product.y = malloc(rows * sizeof *c->product.y);
    if (status == KERNEL_OK && !c->product.y)
        status = KERNEL_NO_MEMORY;
    if (status != KERNEL_OK) {
        close_product(c);
        return status;
    }
    c->units = rows / PRODUCT_ROWS;
    c->read = (double)c->product.matrix.bytes / (double)c->units;
    c->written = PRODUCT_ROWS * sizeof(float);
    c->values = PRODUCT_ROWS * COLS;
    return KERNEL_OK;
}

static void run_product(struct benchcase *c, size_t first, size_t last)
{
    c->kernel->gemv(&c->product.matrix, &c->product.operand, c->product.y, first * PRODUCT_ROWS, last * PRODUCT_ROWS);
}

/* --- attention ---------------------------------------------------------------------------------------------------- */

/* Decode attention as models have it: six query heads for each of keys and values, and one for each. */
static const struct {
    const char *name;
    size_t      queries, heads, dim;
} shapes[] = { { "24:4 heads of 256", 24, 4, 256 }, { "8:8 heads of 128", 8, 8, 128 } };

enum { SHAPES = sizeof shapes / sizeof shapes[0], TOKENS = 4096 };

static void close_attention(struct benchcase *c)
{
    kvcache_free(&c->attention.cache);
    free(c->attention.q);
    free(c->attention.y);
    c->attention.q = c->attention.y = NULL;
}

/* Sequences are units: each has a cache of its own, and as many stand side by side as the memory's size asks for. */
static enum kernel_status open_attention(struct benchcase *c, struct benchmemory *m)
{
    size_t queries = shapes[c->shape].queries, heads = shapes[c->shape].heads, dim = shapes[c->shape].dim;
    double token = (double)(2 * heads * dim) * c->format->bits / 8;
    size_t tokens = m->cache ? (size_t)((double)m->target / token) / KVCACHE_BLOCK * KVCACHE_BLOCK : TOKENS;
    struct kvcache_shape shape = { .sequences = 1, .heads = heads, .head_dim = dim };
    shape.tokens = tokens > KVCACHE_BLOCK ? tokens : KVCACHE_BLOCK;
    if (!m->cache)
        shape.sequences = (size_t)((double)m->target / token / TOKENS) + 1;
    if (!kvcache_takes(c->format))
        return KERNEL_NO_KERNEL;
    enum kernel_status status = kvcache_seeded(&c->attention.cache, c->format, &shape, SEED, NULL);
    size_t n = shape.sequences * queries * dim;
    c->attention.q = malloc(n * sizeof(float));
    c->attention.y = malloc(n * sizeof(float));
    if (status == KERNEL_OK && (!c->attention.q || !c->attention.y))
        status = KERNEL_NO_MEMORY;
    if (status != KERNEL_OK) {
        close_attention(c);
        return status;
    }
    random_gaussian(c->attention.q, n, SEED, 1);
    c->shape_name = shapes[c->shape].name;
    c->units = shape.sequences;
    c->read = (double)c->attention.cache.bytes / (double)c->units;
    c->values = (double)(2 * heads * dim * shape.tokens);
    return KERNEL_OK;
}

/* Sequences first..last alone. */
static void run_attention(struct benchcase *c, size_t first, size_t last)
{
    struct kvcache part = c->attention.cache;
    size_t heads = shapes[c->shape].queries, dim = part.shape.head_dim;
    size_t bytes = part.shape.heads * part.blocks * part.block_bytes;
    part.shape.sequences = last - first;
    part.keys += first * bytes;
    part.values += first * bytes;
    part.length += first;
    part.poison += first * part.shape.heads;
    const struct attention a = { .cache = &part, .heads = heads, .scale = 1 / sqrtf((float)dim),
                                 .q = c->attention.q + first * heads * dim };
    attention(c->kernel, &a, c->attention.y + first * heads * dim, NULL);
}

/* --- what a model's forward pass is made of ----------------------------------------------------------------------- */

enum { MEET = 16, OUTPUTS = 2 * SGEMM_PANEL }; /* tokens that meet the weights; outputs of a unit */

static void close_sgemm(struct benchcase *c)
{
    panels_free(&c->forward.panels);
    free(c->forward.y);
    c->forward.y = NULL;
}

static enum kernel_status open_sgemm(struct benchcase *c, struct benchmemory *m)
{
    size_t n = m->target / (COLS * sizeof(float)) / OUTPUTS * OUTPUTS;
    n = n > OUTPUTS ? n : OUTPUTS;
    if (strcmp(c->format->name, "fp32") != 0)
        return KERNEL_NO_KERNEL;
    enum kernel_status status = panels_make(&c->forward.panels, n, COLS);
    c->forward.y = malloc(MEET * n * sizeof(float));
    if (status == KERNEL_OK && !c->forward.y)
        status = KERNEL_NO_MEMORY;
    if (status != KERNEL_OK) {
        close_sgemm(c);
        return status;
    }
    for (size_t row = 0; row < n; row++)
        panels_rows(&c->forward.panels, row, 1, m->x + row % (m->values / COLS) * COLS, COLS);
    c->shape_name = "16 tokens";
    c->units = n / OUTPUTS;
    c->read = OUTPUTS * COLS * sizeof(float);
    c->written = MEET * OUTPUTS * sizeof(float);
    c->values = OUTPUTS * COLS;
    c->forward.x = m->x;
    return KERNEL_OK;
}

static void run_sgemm(struct benchcase *c, size_t first, size_t last)
{
    struct panels part = c->forward.panels;
    size_t outputs = (last - first) * OUTPUTS;
    part.data += first * OUTPUTS * COLS;
    part.n = outputs;
    c->kernel->sgemm(&part, c->forward.x, 0, MEET, outputs, COLS, c->forward.y + first * OUTPUTS, c->units * OUTPUTS);
}

static const char *const row_shapes[] = { "norm", "softmax" };

static enum kernel_status open_rows(struct benchcase *c, struct benchmemory *m)
{
    if (strcmp(c->format->name, "fp32") != 0)
        return KERNEL_NO_KERNEL;
    c->shape_name = row_shapes[c->shape];
    c->read = c->written = COLS * sizeof(float);
    c->values = COLS;
    c->units = rows_of(m, c->read + c->written);
    c->forward.x = m->x;
    c->forward.rows = m->y;
    memcpy(m->y, m->x, c->units * COLS * sizeof(float));
    return KERNEL_OK;
}

static void run_rows(struct benchcase *c, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++) {
        if (c->shape == 0)
            c->kernel->rows->norm(c->forward.x + row * COLS, c->forward.x, 1e-5f, COLS, c->forward.rows + row * COLS);
        else
            c->kernel->rows->softmax(c->forward.rows + row * COLS, 1, COLS);
    }
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

enum { GROUP_CODEC, GROUP_PRODUCT, GROUP_ATTENTION, GROUP_FORWARD };

static const struct benchfamily families[] = {
    { KERNEL_ENCODE, "encode", GROUP_CODEC, 1, open_codec, run_codec, close_nothing },
    { KERNEL_ENCODE_STATS, "encode-stats", GROUP_CODEC, 1, open_codec, run_codec, close_nothing },
    { KERNEL_QUANTIZE, "quantize", GROUP_CODEC, 1, open_codec, run_codec, close_nothing },
    { KERNEL_DECODE, "decode", GROUP_CODEC, 1, open_codec, run_codec, close_nothing },
    { KERNEL_DEQUANTIZE, "dequantize", GROUP_CODEC, 1, open_codec, run_codec, close_nothing },
    { KERNEL_ROUND, "round", GROUP_CODEC, 1, open_round, run_round, close_nothing },
    { KERNEL_GEMV, "gemv", GROUP_PRODUCT, 1, open_product, run_product, close_product },
    { KERNEL_GEMV_NAIVE, "gemv-naive", GROUP_PRODUCT, 1, open_product, run_product, close_product },
    { KERNEL_ATTENTION, "attention", GROUP_ATTENTION, SHAPES, open_attention, run_attention, close_attention },
    { KERNEL_SGEMM, "sgemm", GROUP_FORWARD, 1, open_sgemm, run_sgemm, close_sgemm },
    { KERNEL_ROWS, "rows", GROUP_FORWARD, 2, open_rows, run_rows, close_nothing },
};

const struct benchfamily *benchfamily_at(size_t i)
{
    return i < sizeof families / sizeof families[0] ? &families[i] : NULL;
}

enum kernel_status benchcase_open(struct benchcase *c, const struct benchfamily *family, const struct kernel *k,
                                  const struct format *format, int shape, struct benchmemory *m)
{
    *c = (struct benchcase){ .family = family, .kernel = k, .format = format, .shape = shape };
    return family->open(c, m);
}

void benchcase_close(struct benchcase *c)
{
    if (c->family)
        c->family->close(c);
    c->family = NULL;
}

const char *benchcase_input(const struct benchcase *c)
{
    if (c->family->group == GROUP_PRODUCT)
        return activation_name(c->kernel->activation);
    if (c->family->group == GROUP_ATTENTION || c->family->group == GROUP_FORWARD)
        return "fp32";
    return c->kernel->op == KERNEL_DECODE || c->kernel->op == KERNEL_DEQUANTIZE ? NULL : "fp32";
}

/* --- plain loops -------------------------------------------------------------------------------------------------- */

/* Cuts the memory into units that read and write in this proportion, in whole steps of so many bytes. */
static void cut_loop(struct benchcase *c, const struct benchmemory *m, double read, double written, size_t step)
{
    double most = read > written ? read : written, whole = (double)m->values * sizeof(float);
    double unit = m->cache ? (double)m->target * most / (read + written) : MIB;
    c->loop.from = (const char *)m->x;
    c->loop.to = (char *)m->y;
    c->read = (double)((size_t)(unit * read / most / (double)step + 0.5) * step);
    c->written = (double)((size_t)(unit * written / most / (double)step + 0.5) * step);
    c->units = m->cache ? 1 : (size_t)(whole / unit);
}

void benchcase_turns(struct benchcase *c, const struct benchmemory *m, limit_fn *turns, double read, double written)
{
    *c = (struct benchcase){ .loop = { .turns = turns } };
    cut_loop(c, m, read, written, LIMIT_STEP);
}

void benchcase_reader(struct benchcase *c, const struct benchmemory *m, read_fn *reader)
{
    *c = (struct benchcase){ .loop = { .reader = reader } };
    cut_loop(c, m, 1, 0, 4096);
}

void benchcase_memcpy(struct benchcase *c, const struct benchmemory *m)
{
    *c = (struct benchcase){ .units = 0 };
    cut_loop(c, m, 1, 1, LIMIT_STEP);
}

void benchcase_mover(struct benchcase *c, const struct benchmemory *m, move_fn *move, enum move how, double read,
                     double written)
{
    static const int proportions[][2] = { { 8, 1 }, { 4, 1 }, { 2, 1 }, { 1, 1 }, { 1, 2 }, { 1, 4 }, { 1, 8 } };
    const int *nearest = proportions[0];
    for (size_t i = 1; i < sizeof proportions / sizeof proportions[0]; i++) {
        const int *p = proportions[i];
        if (fabs(log(read / written * p[1] / p[0])) < fabs(log(read / written * nearest[1] / nearest[0])))
            nearest = p;
    }
    *c = (struct benchcase){ .loop = { .move = move, .how = how, .lines_read = nearest[0],
                                       .lines_written = nearest[1] } };
    cut_loop(c, m, nearest[0], nearest[1], 64);
    double steps = floor(fmin(c->read / nearest[0], c->written / nearest[1]) / 64);
    c->read = 64 * steps * nearest[0];
    c->written = 64 * steps * nearest[1];
}

static void run_loop(struct benchcase *c, size_t first, size_t last)
{
    size_t read = (size_t)c->read, written = (size_t)c->written, n = last - first;
    const char *from = c->loop.from + first * read;
    char *to = c->loop.to + first * written;
    if (c->loop.reader)
        (void)c->loop.reader(from, n * read);
    else if (c->loop.turns)
        (void)c->loop.turns(from, n * read, to, n * written);
    else if (c->loop.move)
        c->loop.move(to, from, n * read / 64 / (size_t)c->loop.lines_read, c->loop.lines_read, c->loop.lines_written,
                     c->loop.how);
    else
        memcpy(to, from, n * read);
}

void benchcase_run(struct benchcase *c, size_t first, size_t last)
{
    if (c->kernel)
        c->family->run(c, first, last);
    else
        run_loop(c, first, last);
}
