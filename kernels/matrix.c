/* matrix.c: packing weights for the products of gemv*.c, and looking them up again.
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

/* A block format that packs: four bits, one E8M0 or E4M3 scale for each 32 or 16 values. */
static bool in_blocks(const struct format *f)
{
    return f->bits == 4 && f->kind == FORMAT_FLOAT && (f->block == 16 || f->block == 32);
}

static bool matrix_layout(struct matrix *m, const struct format *f, size_t rows, size_t cols)
{
    *m = (struct matrix){.format = f, .rows = rows, .cols = cols, .tensor_scale = 1};
    bool whole = f->bits == 4 || f->bits == 8 || f->bits == 16 || f->bits == 32;
    if (cols > MATRIX_COLS_MAX || !whole || (f->block && !in_blocks(f)))
        return false;
    m->layout = f->block ? f->block == 16 ? LAYOUT_CODES_16 : LAYOUT_CODES_32 : LAYOUT_CODES;
    m->padded = round_up(cols, layout_run(m->layout));
    m->stride = m->padded * f->bits / 8;
    m->groups = f->bits == 4 ? m->padded / layout_group(m->layout) : 0;
    return !m->stride || rows <= SIZE_MAX / 4 / m->stride;
}

/* Carves codes and scales out of one allocation; false if there is no memory. */
static bool matrix_allocate(struct matrix *m)
{
    size_t codes = round_up(m->rows * m->stride, LINE);
    size_t row_scale = m->format->bits == 8 ? round_up(m->rows * sizeof(float), LINE) : 0;
    size_t row_sum = m->format->bits == 8 && m->format->kind == FORMAT_INTEGER ? row_scale : 0;
    size_t each = m->format->block ? 1 : sizeof(uint16_t), groups = m->rows * m->groups * each;
    m->codes = matrix_memory(codes + row_scale + row_sum + groups);
    if (!m->codes)
        return false;
    uint8_t *next = m->codes + codes;
    m->row_scale = row_scale ? (float *)(void *)next : NULL;
    m->row_sum = row_sum ? (int32_t *)(void *)(next + row_scale) : NULL;
    m->group_scale = m->groups && !m->format->block ? (uint16_t *)(void *)(next + row_scale + row_sum) : NULL;
    m->block_scale = m->groups && m->format->block ? next + row_scale + row_sum : NULL;
    m->bytes = m->rows * (m->stride + (row_scale ? 4 : 0) + (row_sum ? 4 : 0) + each * m->groups);
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

/* Where position p of a 4-bit row lies; see matrix.h. */
static size_t nibble_byte(size_t p)
{
    return p / 128 * 64 + p % 64;
}

static unsigned nibble_shift(size_t p)
{
    return p % 128 < 64 ? 0 : 4;
}

static void pack_nibbles(const struct matrix *m, const struct quant *q, size_t from, uint8_t *to)
{
    for (size_t col = 0; col < m->padded; col++) {
        uint32_t code = col < m->cols ? quant_code(q, from + col) : 0;
        size_t p = layout_position(m->layout, col);
        to[nibble_byte(p)] = (uint8_t)(to[nibble_byte(p)] | nibble(m->format, code) << nibble_shift(p));
    }
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

static void pack_group_scales(const struct matrix *m, const struct quant *q, size_t from, size_t to)
{
    const struct format *fp16 = format_find("fp16");
    for (size_t g = 0; g < m->groups; g++) {
        size_t col = g * layout_group(m->layout), i = from + col;
        if (m->group_scale)
            m->group_scale[to * m->groups + g] = (uint16_t)format_encode(fp16, quant_scale(q, i), (struct cast){0});
        else if (col < m->cols)         /* the padding's blocks keep scale code 0: their values are 0 */
            m->block_scale[to * m->groups + g] = (uint8_t)q->stored[quant_scale_index(q, i)];
    }
}

/* Row `from` of q becomes row `to` of m. */
static void pack_row(struct matrix *m, const struct quant *q, size_t from, size_t to)
{
    uint8_t *codes = m->codes + to * m->stride;
    size_t first = from * q->cols;
    if (m->groups) {
        pack_nibbles(m, q, first, codes);
        pack_group_scales(m, q, first, to);
        return;
    }
    size_t bytes = q->cols * format_code_bytes(m->format);
    if (bytes)
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
    if (q->recipe.format->block)
        return kind == recipe_scale(q->recipe.format).kind;
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
    if (m->block_scale)
        m->tensor_scale = q->tensor_scale;
    for (size_t row = 0; row < m->rows; row++)
        pack_row(m, q, row, row);
    return KERNEL_OK;
}

/* The scale that a format is packed with. */
static struct scale packed_scale(const struct format *format)
{
    if (format->block)
        return recipe_scale(format);
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
    if (m->group_scale)
        memcpy(m->group_scale + row * m->groups, base->group_scale + from * m->groups, m->groups * sizeof(uint16_t));
    if (m->block_scale)
        memcpy(m->block_scale + row * m->groups, base->block_scale + from * m->groups, m->groups);
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
    m->tensor_scale = base.tensor_scale;
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
        size_t p = layout_position(m->layout, col);
        uint32_t code = (uint32_t)codes[nibble_byte(p)] >> nibble_shift(p) & 15;
        return m->format->kind == FORMAT_INTEGER ? (code - 8) & 15 : code;
    }
    uint32_t code = 0;
    size_t bytes = format_code_bytes(m->format);
    memcpy(&code, codes + col * bytes, bytes);      /* little-endian, as every target here */
    return code;
}

double matrix_value(const struct matrix *m, size_t row, size_t col)
{
    double value = (double)format_decode(m->format, packed_code(m, row, col));
    size_t group = m->groups ? row * m->groups + col / layout_group(m->layout) : 0;
    if (m->group_scale)
        return value * (double)format_decode(format_find("fp16"), m->group_scale[group]);
    if (m->block_scale) {
        const struct format *scale = format_find(m->format->block == 16 ? "e4m3" : "e8m0");
        return value * (double)format_decode(scale, m->block_scale[group]) * (double)m->tensor_scale;
    }
    return m->row_scale ? value * (double)m->row_scale[row] : value;
}
