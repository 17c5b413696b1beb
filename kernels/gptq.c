/* gptq.c: GPTQ, E. Frantar and others, arXiv:2210.17323, in the order of its published gptq.py.
 * Columns are rounded one after the other; the error of each is spread over those to come, weighed by the inverse of
 * H = 2/n X^T X, so that the output moves least. Corrections within a block are made at once, beyond it block by block.
 * Rows never meet: each row of a block is finished before the next. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dense.h"
#include "kernels/kernel.h"
#include "kernels/method.h"
#include "kernels/variants.h"

enum { BLOCK = 128 };
static const double default_damp = 0.01;

/* Column k of the work is column order[k] of the layer. */
struct gptq {
    const struct method_task *task;
    struct quant *q;
    size_t  rows, cols, block;
    bool    grouped;            /* scales are found when a group starts; else they are q's from the beginning */
    size_t *order;              /* [cols] */
    float  *w;                  /* [rows, cols] in that order, corrected as we go */
    double *h;                  /* [cols, cols] H, then the factor U of its inverse */
    float  *error;              /* [rows, block] what each rounding left, over U_ii */
    float  *push;               /* [cols, block] the block's rows of U transposed: where errors go */
    float  *change;             /* [CHUNK, cols] products of both */
    struct format grid;         /* with the lowest code for ZERO_FULL */
    const struct kernel *kernel;
};

enum { CHUNK = 64 };            /* rows corrected at a time */

static bool gptq_allocate(struct gptq *g)
{
    size_t n = g->rows * g->cols;
    g->order = malloc(g->cols * sizeof *g->order + 1);
    g->w = malloc(n * sizeof *g->w + 1);
    g->h = malloc(g->cols * g->cols * sizeof *g->h + 1);
    g->error = malloc(g->rows * g->block * sizeof *g->error + 1);
    g->push = malloc(g->cols * g->block * sizeof *g->push + 1);
    g->change = malloc(CHUNK * g->cols * sizeof *g->change + 1);
    return g->order && g->w && g->h && g->error && g->push && g->change;
}

static void gptq_free(struct gptq *g)
{
    free(g->order);
    free(g->w);
    free(g->h);
    free(g->error);
    free(g->push);
    free(g->change);
}

/* ---- H --------------------------------------------------------------------------------------------- */

/* A column of X that is always 0 says nothing: its weights become 0. */
static void bury_dead_columns(struct gptq *g)
{
    for (size_t j = 0; j < g->cols; j++) {
        if (g->h[j * g->cols + j] != 0)
            continue;
        g->h[j * g->cols + j] = 1;
        for (size_t row = 0; row < g->rows; row++)
            g->w[row * g->cols + j] = 0;
    }
}

static void dampen(struct gptq *g)
{
    double mean = 0, damp = g->task->damp > 0 ? g->task->damp : default_damp;
    for (size_t j = 0; j < g->cols; j++)
        mean += g->h[j * g->cols + j] / (double)g->cols;
    for (size_t j = 0; j < g->cols; j++)
        g->h[j * g->cols + j] += damp * mean;
}

struct weighed {
    double weight;
    size_t column;
};

/* Falling weight; equals in their natural order. */
static int by_weight(const void *a, const void *b)
{
    const struct weighed *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->column > y->column) - (x->column < y->column);
}

/* Takes the columns of w and both sides of H into g->order. Row by row, with room for one. */
static bool permute(struct gptq *g)
{
    size_t n = g->cols;
    double *h = malloc(n * n * sizeof *h + 1);
    float *row = malloc(n * sizeof *row + 1);
    for (size_t i = 0; h && i < n; i++)
        for (size_t j = 0; j < n; j++)
            h[i * n + j] = g->h[g->order[i] * n + g->order[j]];
    for (size_t r = 0; row && r < g->rows; r++) {
        for (size_t j = 0; j < n; j++)
            row[j] = g->w[r * n + g->order[j]];
        memcpy(g->w + r * n, row, n * sizeof *row);
    }
    free(row);
    if (h) {
        free(g->h);
        g->h = h;
    }
    return row && h;
}

static bool order_columns(struct gptq *g)
{
    struct weighed *columns = malloc(g->cols * sizeof *columns + 1);
    if (!columns)
        return false;
    for (size_t j = 0; j < g->cols; j++)
        columns[j] = (struct weighed){g->h[j * g->cols + j], j};
    if (g->task->act_order)
        qsort(columns, g->cols, sizeof *columns, by_weight);
    for (size_t j = 0; j < g->cols; j++)
        g->order[j] = columns[j].column;
    free(columns);
    return !g->task->act_order || permute(g);
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

/* Finds the scales of group number `group` from columns first..first+n of w, by rounding them as a tensor. */
static enum kernel_status fit_group(struct gptq *g, size_t group, const float *w, size_t first, size_t n)
{
    struct quant part;
    struct recipe recipe = g->q->recipe;
    float *values = malloc(g->rows * n * sizeof *values + 1);
    if (!values)
        return KERNEL_NO_MEMORY;
    for (size_t row = 0; row < g->rows; row++)
        memcpy(values + row * n, w + row * g->cols + first, n * sizeof *values);
    recipe.amax = g->q->amax;
    enum kernel_status status = quantize(values, g->rows, n, &recipe, NULL, &part);
    free(values);
    if (status != KERNEL_OK)
        return status;
    for (size_t i = 0; i < part.scale_count; i++) {
        size_t to = i * g->q->scales_per_row + group;
        g->q->scales[to] = part.scales[i];
        g->q->stored[to] = part.stored[i];
        if (part.zeros)
            g->q->zeros[to] = part.zeros[i];
    }
    quant_free(&part);
    return KERNEL_OK;
}

static enum kernel_status fit_groups(struct gptq *g, const float *w, size_t first, size_t end)
{
    size_t size = g->q->tile_cols;
    enum kernel_status status = KERNEL_OK;
    for (size_t k = (first + size - 1) / size; status == KERNEL_OK && k * size < end; k++) {
        size_t n = g->cols - k * size < size ? g->cols - k * size : size;
        status = fit_group(g, k, w, k * size, n);
    }
    return status;
}

/* ---- Rounding -------------------------------------------------------------------------------------- */

/* Rounds w, the value of (row, col) of the layer, whose scale is number s. Returns the decoded value. */
static float round_one(struct gptq *g, float w, size_t row, size_t col, size_t s)
{
    struct quant *q = g->q;
    size_t i = row * g->cols + col;
    float scale = q->scale_count ? q->scales[s] : 1;
    struct encode_run run = {
        .format = &g->grid, .x = &w, .n = 1, .values = q->values + i, .cast = q->recipe.cast, .seed = q->recipe.seed,
        .index = q->recipe.first + i, .codes = (uint8_t *)q->codes + i * format_code_bytes(q->recipe.format),
        .scale = scale, .inverse = scale != 0 ? 1 / scale : 0,
    };
    if (q->recipe.zero == ZERO_KIVI)
        run.offset = q->zeros[s];
    else if (q->zeros)
        run.zero = (int32_t)q->zeros[s];
    if (q->zeros)
        encode_affine(&run);
    else
        g->kernel->encode(&run);
    q->clipped += run.clipped;
    return q->values[i];
}

/* Columns first..end of one row: rounds each, and corrects those behind it in the block. */
static void round_row(struct gptq *g, size_t row, size_t first, size_t end)
{
    float *w = g->w + row * g->cols, *error = g->error + row * g->block;
    bool scattered = g->grouped && !g->task->static_groups;
    for (size_t i = first; i < end; i++) {
        const double *u = g->h + i * g->cols;
        size_t col = g->order[i], across = (scattered ? i : col) / g->q->tile_cols;
        size_t s = row / g->q->tile_rows * g->q->scales_per_row + across;
        float rounded = round_one(g, w[i], row, col, s);
        error[i - first] = (w[i] - rounded) / (float)u[i];
        for (size_t j = i + 1; j < end; j++)
            w[j] -= error[i - first] * (float)u[j];
    }
}

/* Columns behind the block: W -= E times the block's rows of U. */
static enum kernel_status correct_rest(struct gptq *g, size_t first, size_t end)
{
    size_t width = end - first, rest = g->cols - end;
    for (size_t j = 0; j < rest; j++)
        for (size_t i = 0; i < width; i++)
            g->push[j * width + i] = (float)g->h[(first + i) * g->cols + end + j];
    for (size_t row = 0; row < g->rows && rest; row += CHUNK) {
        size_t rows = g->rows - row < CHUNK ? g->rows - row : CHUNK;
        enum kernel_status status = dense_product(g->error + row * g->block, g->push, rows, rest, width, g->change,
                                                  g->task->isa, NULL);
        if (status != KERNEL_OK)
            return status;
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < rest; j++)
                g->w[(row + r) * g->cols + end + j] -= g->change[r * rest + j];
    }
    return KERNEL_OK;
}

static enum kernel_status round_columns(struct gptq *g, const struct progress *progress)
{
    for (size_t first = 0; first < g->cols; first += g->block) {
        size_t end = g->cols - first < g->block ? g->cols : first + g->block;
        if (!progress_tick(progress, 0.5 + 0.5 * (double)first / (double)g->cols))
            return KERNEL_CANCELED;
        enum kernel_status status = KERNEL_OK;
        if (g->grouped && !g->task->static_groups)
            status = fit_groups(g, g->w, first, end);
        if (status != KERNEL_OK)
            return status;
        for (size_t row = 0; row < g->rows; row++)
            round_row(g, row, first, end);
        status = correct_rest(g, first, end);
        if (status != KERNEL_OK)
            return status;
    }
    return KERNEL_OK;
}

/* ---- The whole ------------------------------------------------------------------------------------- */

/* Half of the progress belongs to the factorization. */
struct half {
    const struct progress *whole;
};

static bool half_tick(void *ctx, double fraction)
{
    return progress_tick(((struct half *)ctx)->whole, fraction / 2);
}

static enum kernel_status prepare(struct gptq *g, const struct progress *progress)
{
    const struct method_task *task = g->task;
    memcpy(g->w, task->w, g->rows * g->cols * sizeof *g->w);
    enum kernel_status status = dense_gram(task->x, task->tokens, g->cols, g->h, task->isa, progress);
    if (status != KERNEL_OK)
        return status;
    for (size_t i = 0; i < g->cols * g->cols; i++)
        g->h[i] *= 2 / (double)task->tokens;
    bury_dead_columns(g);
    if (g->grouped && task->static_groups)
        status = fit_groups(g, g->w, 0, g->cols);
    if (status == KERNEL_OK && !order_columns(g))
        status = KERNEL_NO_MEMORY;
    if (status != KERNEL_OK)
        return status;
    dampen(g);
    return dense_inverse_factor(g->h, g->cols, task->isa, progress);
}

/* Where act-order scatters the groups, each column says which of its row's scales it uses, as GPTQ's g_idx does. */
static enum kernel_status name_groups(const struct gptq *g, struct method_result *result)
{
    if (!g->grouped || !g->task->act_order || g->task->static_groups)
        return KERNEL_OK;
    result->group_of = malloc(g->cols * sizeof *result->group_of + 1);
    if (!result->group_of)
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < g->cols; i++)
        result->group_of[g->order[i]] = (uint32_t)(i / g->q->tile_cols);
    result->bytes = g->q->bytes + g->cols * sizeof *result->group_of;
    return KERNEL_OK;
}

/* A block format brings its own kind of scale. Double quantization spans the tensor: its scales stay. */
static enum scale_kind scale_kind_of(const struct quant *q)
{
    const struct format *f = q->recipe.format;
    return f->block ? recipe_scale(f).kind : q->recipe.scale.kind;
}

enum kernel_status method_gptq(const struct method_task *task, const struct progress *progress,
                               struct method_result *result)
{
    struct gptq g = {.task = task, .q = &result->q, .rows = task->out, .cols = task->in,
                     .block = task->block ? task->block : BLOCK, .grid = *task->weights.format};
    struct half half = {progress};
    const struct progress first_half = {half_tick, &half};
    enum kernel_status status = quantize(task->w, task->out, task->in, &task->weights, NULL, g.q);
    if (status != KERNEL_OK || !g.rows || !g.cols)
        return status;
    g.block = g.block < g.cols ? g.block : g.cols;
    g.grouped = g.q->tile_cols < g.cols && scale_kind_of(g.q) != SCALE_DOUBLE;
    g.kernel = kernel_find(KERNEL_ENCODE, task->weights.format->name, ISA_SCALAR);
    if (task->weights.zero == ZERO_FULL)
        g.grid.code_min = -g.grid.code_max - 1;
    g.q->clipped = 0;
    status = gptq_allocate(&g) ? prepare(&g, &first_half) : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK)
        status = round_columns(&g, progress);
    if (status == KERNEL_OK)
        status = name_groups(&g, result);
    if (status == KERNEL_OK)
        method_measure_quant(g.q, task->w);
    gptq_free(&g);
    return status;
}
