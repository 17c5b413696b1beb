/* matrix.c: packing weights and preparing activations for the products of gemv*.c.
 * One allocation per matrix and per operand, asked for in huge pages: a stream of 4 KiB pages loses 10 to 25 %.
 * How a format is packed follows from its width and kind, never from its name. */
#include "kernels/matrix.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/random.h"

/* ---- Memory ---------------------------------------------------------------------------------------- */

enum { HUGE_PAGE = 2 << 20, LINE = 64 };

static size_t round_up(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

void *matrix_memory(size_t bytes)
{
    size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : LINE;
    size_t size = round_up(bytes ? bytes : 1, align);
    void *memory = aligned_alloc(align, size);
    if (!memory)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (align == HUGE_PAGE)
        (void)madvise(memory, size, MADV_HUGEPAGE);     /* a wish: without it the stream is only slower */
#endif
    memset(memory, 0, size);
    return memory;
}

/* ---- Weights: layout ------------------------------------------------------------------------------- */

static bool matrix_layout(struct matrix *m, const struct format *format, size_t rows, size_t cols)
{
    *m = (struct matrix){.format = format, .rows = rows, .cols = cols};
    bool whole = format->bits == 4 || format->bits == 8 || format->bits == 16 || format->bits == 32;
    if (cols > MATRIX_COLS_MAX || !whole || format->block)
        return false;
    m->padded = round_up(cols, MATRIX_PAD);
    m->stride = m->padded * format->bits / 8;
    m->groups = format->bits == 4 ? m->padded / MATRIX_GROUP : 0;
    return !m->stride || rows <= SIZE_MAX / 4 / m->stride;
}

/* Carves codes and scales out of one allocation; false if there is no memory. */
static bool matrix_allocate(struct matrix *m)
{
    size_t codes = round_up(m->rows * m->stride, LINE);
    size_t row_scale = m->format->bits == 8 ? round_up(m->rows * sizeof(float), LINE) : 0;
    size_t row_sum = m->format->bits == 8 && m->format->kind == FORMAT_INTEGER ? row_scale : 0;
    size_t group_scale = m->rows * m->groups * sizeof(uint16_t);
    m->codes = matrix_memory(codes + row_scale + row_sum + group_scale);
    if (!m->codes)
        return false;
    uint8_t *next = m->codes + codes;
    m->row_scale = row_scale ? (float *)(void *)next : NULL;
    m->row_sum = row_sum ? (int32_t *)(void *)(next + row_scale) : NULL;
    m->group_scale = m->groups ? (uint16_t *)(void *)(next + row_scale + row_sum) : NULL;
    m->bytes = m->rows * (m->stride + (row_scale ? 4 : 0) + (row_sum ? 4 : 0) + 2 * m->groups);
    return true;
}

void matrix_free(struct matrix *m)
{
    free(m->codes);
    *m = (struct matrix){0};
}

/* ---- Weights: codes -------------------------------------------------------------------------------- */

/* INT4 is stored as code + 8, so that a kernel can treat it as unsigned and subtract 8 times the sum of x. */
static uint8_t nibble(const struct format *format, uint32_t code)
{
    return (uint8_t)(format->kind == FORMAT_INTEGER ? (code + 8) & 15 : code);
}

static void pack_nibbles(const struct matrix *m, const struct quant *q, size_t from, uint8_t *to)
{
    const size_t half = MATRIX_GROUP / 2;
    for (size_t col = 0; col < m->padded; col++) {
        uint32_t code = col < m->cols ? quant_code(q, from + col) : 0;
        size_t in_group = col % MATRIX_GROUP;
        uint8_t *byte = &to[col / MATRIX_GROUP * half + in_group % half];
        *byte = (uint8_t)(*byte | nibble(m->format, code) << (in_group < half ? 0 : 4));
    }
}

/* Where value `col` of a row of 8-bit floats lies; see matrix.h. */
static size_t pair_index(size_t col)
{
    return (col & ~(size_t)31) + 2 * (col & 15) + (col >> 4 & 1);
}

static void pack_pairs(const struct matrix *m, const struct quant *q, size_t from, uint8_t *to)
{
    for (size_t col = 0; col < m->cols; col++)
        to[pair_index(col)] = (uint8_t)quant_code(q, from + col);
}

static bool in_pairs(const struct format *format)
{
    return format->bits == 8 && format->kind == FORMAT_FLOAT;
}

static bool has_nan(const struct matrix *m, const struct quant *q, size_t from)
{
    for (size_t col = 0; col < m->cols; col++)
        if (isnan(format_decode(m->format, quant_code(q, from + col))))
            return true;
    return false;
}

static int32_t code_sum(const struct matrix *m, const uint8_t *codes)
{
    int32_t sum = 0;
    for (size_t col = 0; col < m->cols; col++)
        sum += (int8_t)codes[col];
    return sum;
}

static void pack_group_scales(const struct matrix *m, const struct quant *q, size_t from, uint16_t *to)
{
    const struct format *fp16 = format_find("fp16");
    for (size_t g = 0; g < m->groups; g++)
        to[g] = (uint16_t)format_encode(fp16, quant_scale(q, from + g * MATRIX_GROUP), (struct cast){0});
}

/* Row `from` of q becomes row `to` of m. */
static void pack_row(struct matrix *m, const struct quant *q, size_t from, size_t to)
{
    uint8_t *codes = m->codes + to * m->stride;
    size_t first = from * q->cols;
    if (m->groups) {
        pack_nibbles(m, q, first, codes);
        pack_group_scales(m, q, first, m->group_scale + to * m->groups);
        return;
    }
    size_t bytes = q->cols * format_code_bytes(m->format);
    if (in_pairs(m->format))
        pack_pairs(m, q, first, codes);
    else if (bytes)
        memcpy(codes, (const uint8_t *)q->codes + from * bytes, bytes);
    if (m->row_scale)
        m->row_scale[to] = !q->cols || has_nan(m, q, first) ? (q->cols ? NAN : 1) : quant_scale(q, first);
    if (m->row_sum)
        m->row_sum[to] = code_sum(m, codes);
}

static bool scales_fit(const struct quant *q)
{
    enum scale_kind kind = q->recipe.scale.kind;
    unsigned bits = q->recipe.format->bits;
    if (q->recipe.zero != ZERO_NONE)
        return false;
    if (bits == 4)
        return kind == SCALE_GROUP && q->recipe.scale.size == MATRIX_GROUP;
    return bits == 8 ? kind < SCALE_GROUP : kind == SCALE_NONE;
}

enum kernel_status matrix_from_quant(struct matrix *m, const struct quant *q)
{
    if (!matrix_layout(m, q->recipe.format, q->rows, q->cols) || !scales_fit(q)) {
        *m = (struct matrix){0};
        return KERNEL_BAD_SHAPE;
    }
    if (!matrix_allocate(m)) {
        *m = (struct matrix){0};
        return KERNEL_NO_MEMORY;
    }
    for (size_t row = 0; row < m->rows; row++)
        pack_row(m, q, row, row);
    return KERNEL_OK;
}

/* The scale that a format is packed with. */
static struct scale packed_scale(const struct format *format)
{
    if (format->bits == 4)
        return (struct scale){.kind = SCALE_GROUP, .size = MATRIX_GROUP};
    return (struct scale){.kind = format->bits == 8 ? SCALE_CHANNEL : SCALE_NONE};
}

enum kernel_status matrix_pack(struct matrix *m, const struct format *format, const float *w,
                               size_t rows, size_t cols, const struct progress *progress)
{
    const struct recipe recipe = {.format = format, .scale = packed_scale(format), .isa = cpu_info()->best};
    struct quant q;
    *m = (struct matrix){0};
    enum kernel_status status = quantize(w, rows, cols, &recipe, progress, &q);
    if (status != KERNEL_OK)
        return status;
    status = matrix_from_quant(m, &q);
    quant_free(&q);
    return status;
}

/* ---- Weights: seeded ------------------------------------------------------------------------------- */

enum { SEEDED_ROWS = 256 };

/* Row i of m becomes a copy of row i mod base->rows of base. */
static void copy_row(struct matrix *m, const struct matrix *base, size_t row)
{
    size_t from = row % base->rows;
    memcpy(m->codes + row * m->stride, base->codes + from * m->stride, m->stride);
    if (m->row_scale)
        m->row_scale[row] = base->row_scale[from];
    if (m->row_sum)
        m->row_sum[row] = base->row_sum[from];
    if (m->groups)
        memcpy(m->group_scale + row * m->groups, base->group_scale + from * m->groups, m->groups * sizeof(uint16_t));
}

static enum kernel_status seeded_base(struct matrix *base, const struct format *format, size_t rows, size_t cols,
                                      uint64_t seed, double sigma, const struct progress *progress)
{
    float *w = matrix_memory(rows * cols * sizeof *w);
    if (!w)
        return KERNEL_NO_MEMORY;
    random_gaussian(w, rows * cols, seed, sigma);
    enum kernel_status status = matrix_pack(base, format, w, rows, cols, progress);
    free(w);
    return status;
}

enum kernel_status matrix_seeded(struct matrix *m, const struct format *format, size_t rows, size_t cols,
                                 uint64_t seed, double sigma, const struct progress *progress)
{
    struct matrix base = {0};
    if (!matrix_layout(m, format, rows, cols)) {
        *m = (struct matrix){0};
        return KERNEL_BAD_SHAPE;
    }
    size_t distinct = rows < SEEDED_ROWS ? rows : SEEDED_ROWS;
    enum kernel_status status = seeded_base(&base, format, distinct, cols, seed, sigma, progress);
    if (status == KERNEL_OK && !matrix_allocate(m))
        status = KERNEL_NO_MEMORY;
    for (size_t row = 0; status == KERNEL_OK && row < rows; row++) {
        copy_row(m, &base, row);
        if (row % SEEDED_ROWS == 0 && !progress_tick(progress, (double)row / (double)rows))
            status = KERNEL_CANCELED;
    }
    matrix_free(&base);
    if (status != KERNEL_OK)
        matrix_free(m);
    return status;
}

/* ---- Weights: back to values ----------------------------------------------------------------------- */

static uint32_t packed_code(const struct matrix *m, size_t row, size_t col)
{
    const uint8_t *codes = m->codes + row * m->stride;
    if (m->groups) {
        size_t half = MATRIX_GROUP / 2, in_group = col % MATRIX_GROUP;
        uint8_t byte = codes[col / MATRIX_GROUP * half + in_group % half];
        uint32_t code = in_group < half ? byte & 15u : byte >> 4;
        return m->format->kind == FORMAT_INTEGER ? (code - 8) & 15 : code;
    }
    if (in_pairs(m->format))
        return codes[pair_index(col)];
    uint32_t code = 0;
    size_t bytes = format_code_bytes(m->format);
    memcpy(&code, codes + col * bytes, bytes);      /* little-endian, as every target here */
    return code;
}

float matrix_value(const struct matrix *m, size_t row, size_t col)
{
    float value = format_decode(m->format, packed_code(m, row, col));
    if (m->groups)
        return value * format_decode(format_find("fp16"), m->group_scale[row * m->groups + col / MATRIX_GROUP]);
    return m->row_scale ? value * m->row_scale[row] : value;
}

/* ---- Activations ----------------------------------------------------------------------------------- */

static bool operand_allocate(struct operand *o)
{
    if (o->activation == ACTIVATION_FP32) {
        o->x = matrix_memory(o->batch * o->padded * sizeof *o->x);
        return o->x;
    }
    o->groups = o->padded / MATRIX_GROUP;
    size_t codes = round_up(o->batch * o->padded, LINE), scale = round_up(o->batch * sizeof *o->scale, LINE);
    o->codes = matrix_memory(codes + scale + o->batch * o->groups * sizeof *o->group_sum);
    if (!o->codes)
        return false;
    o->scale = (float *)(void *)((uint8_t *)o->codes + codes);
    o->group_sum = (int32_t *)(void *)((uint8_t *)o->codes + codes + scale);
    return true;
}

/* One value to INT8, equal to the reference encoder: NaN to 0, clamp, then nearest even. Adding 1.5 * 2^23
 * leaves no bits for a fraction, so the sum rounds to an integer; fine here since no sign of zero is kept. */
static int8_t to_int8(float y)
{
    const float magic = 0x1.8p23f;
    if (isnan(y))
        return 0;
    y = y < -127 ? -127 : y > 127 ? 127 : y;
    return (int8_t)((y + magic) - magic);
}

static void operand_round(struct operand *o, const float *x, size_t token)
{
    float inverse = 1 / o->scale[token];
    int8_t *codes = o->codes + token * o->padded;
    for (size_t i = 0; i < o->cols; i++)
        codes[i] = to_int8(x[i] * inverse);
    for (size_t g = 0; g < o->groups; g++) {
        int32_t sum = 0;
        for (size_t i = 0; i < MATRIX_GROUP; i++)
            sum += codes[g * MATRIX_GROUP + i];
        o->group_sum[token * o->groups + g] = sum;
    }
}

enum kernel_status operand_prepare(struct operand *o, enum activation activation, const float *x,
                                   size_t batch, size_t cols, const float *scales)
{
    *o = (struct operand){.activation = activation, .batch = batch, .cols = cols};
    if (cols > MATRIX_COLS_MAX || (cols && batch > SIZE_MAX / 8 / MATRIX_PAD / cols))
        return KERNEL_BAD_SHAPE;
    o->padded = round_up(cols, MATRIX_PAD);
    if (!operand_allocate(o))
        return KERNEL_NO_MEMORY;
    for (size_t token = 0; token < batch && cols; token++) {
        const float *from = x + token * cols;
        if (activation == ACTIVATION_FP32) {
            memcpy(o->x + token * o->padded, from, cols * sizeof *from);
            continue;
        }
        o->scale[token] = scales ? scales[token] : scale_absmax(quant_amax(from, cols), 127);
        operand_round(o, from, token);
    }
    return KERNEL_OK;
}

void operand_free(struct operand *o)
{
    free(o->x);
    free(o->codes);
    *o = (struct operand){0};
}

struct operand operand_slice(const struct operand *o, size_t first, size_t batch)
{
    struct operand slice = *o;
    slice.batch = batch;
    if (o->x)
        slice.x = o->x + first * o->padded;
    if (o->codes) {
        slice.codes = o->codes + first * o->padded;
        slice.scale = o->scale + first;
        slice.group_sum = o->group_sum + first * o->groups;
    }
    return slice;
}
