/* gptq.c: GPTQ, E. Frantar and others, arXiv:2210.17323, in the order of its published gptq.py.
 * Columns are rounded one after the other; the error of each is spread over those to come, weighed by the inverse of
 * H = 2/n X^T X, so that the output moves least. Corrections within a block are made at once, beyond it block by block.
 * Rows never meet: each row of a block is finished before the next. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dense.h"
#include "kernels/fitter.h"
#include "kernels/method.h"

enum {
    BLOCK = 128,            /* columns between two lazy corrections */
    CHUNK = 64,             /* rows corrected at a time */
};
static const double default_damp = 0.01;

/* Column i of the work is column order[i] of the layer. */
struct gptq {
    const struct method_task *task;
    struct quant *q;
    size_t  rows, cols, block;
    bool    early;              /* all scales are found before any correction: there is one a row, or they are static */
    size_t *order;              /* [cols] */
    float  *w;                  /* [rows, cols] in that order, corrected as we go */
    double *h;                  /* [cols, cols] H, then the factor U of its inverse */
    float  *error;              /* [rows, block] what each rounding left, over U_ii */
    float  *push;               /* [cols, block] the block's rows of U transposed: where errors go */
    float  *change;             /* [CHUNK, cols] products of both */
    float  *group;              /* one group's values side by side */
    struct fit   *fits;         /* as many as q has scales, at least 1 */
    struct fitter fitter;
};

static enum kernel_status gptq_allocate(struct gptq *g)
{
    size_t n = g->rows * g->cols, group = g->q->tile_rows * g->q->tile_cols;
    g->order = malloc(g->cols * sizeof *g->order + 1);
    g->w = malloc(n * sizeof *g->w + 1);
    g->h = malloc(g->cols * g->cols * sizeof *g->h + 1);
    g->error = malloc(g->rows * g->block * sizeof *g->error + 1);
    g->push = malloc(g->cols * g->block * sizeof *g->push + 1);
    g->change = malloc(CHUNK * g->cols * sizeof *g->change + 1);
    g->group = malloc(group * sizeof *g->group + 1);
    g->fits = malloc((g->q->scale_count + 1) * sizeof *g->fits);
    if (!g->order || !g->w || !g->h || !g->error || !g->push || !g->change || !g->group || !g->fits)
        return KERNEL_NO_MEMORY;
    return fitter_open(&g->fitter, &g->q->recipe, group, quant_amax(g->task->w, n));
}

static void gptq_free(struct gptq *g)
{
    fitter_close(&g->fitter);
    free(g->order);
    free(g->w);
    free(g->h);
    free(g->error);
    free(g->push);
    free(g->change);
    free(g->group);
    free(g->fits);
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

/* Fits the groups that share columns first..first+n of w [rows, cols]; they are number k of those side by side. */
static void fit_columns(struct gptq *g, const float *w, size_t k, size_t first, size_t n)
{
    const struct quant *q = g->q;
    for (size_t band = 0; band < q->scale_rows; band++) {
        size_t row = band * q->tile_rows, rows = g->rows - row < q->tile_rows ? g->rows - row : q->tile_rows;
        for (size_t r = 0; r < rows; r++)
            memcpy(g->group + r * n, w + (row + r) * g->cols + first, n * sizeof *g->group);
        g->fits[band * q->scales_per_row + k] = fitter_fit(&g->fitter, g->group, rows * n);
    }
}

/* Fits the groups that start within columns first..end. */
static void fit_groups(struct gptq *g, const float *w, size_t first, size_t end)
{
    size_t size = g->q->tile_cols;
    for (size_t k = (first + size - 1) / size; k * size < end; k++)
        fit_columns(g, w, k, k * size, g->cols - k * size < size ? g->cols - k * size : size);
}

/* All scales at once. */
static void fit_early(struct gptq *g)
{
    g->q->tensor_scale = g->fitter.rule.tensor;
    if (!g->q->scale_count)
        g->fits[0] = fitter_fit(&g->fitter, NULL, 0);
    else if (g->early)
        fit_groups(g, g->w, 0, g->cols);
    if (g->fitter.rule.kind == SCALE_DOUBLE)
        g->q->tensor_scale = scale_double(g->fits, g->q->scale_count);
}

/* ---- Rounding -------------------------------------------------------------------------------------- */

/* Which fit column i of the work uses in this row. Late groups are of neighbors in the work's order. */
static const struct fit *fit_of(const struct gptq *g, size_t row, size_t i)
{
    const struct quant *q = g->q;
    size_t across = (g->early ? g->order[i] : i) / q->tile_cols;
    return &g->fits[q->scale_count ? row / q->tile_rows * q->scales_per_row + across : 0];
}

/* Rounds w, the value in this row and column i of the work. Returns the decoded value. */
static float round_one(struct gptq *g, float w, size_t row, size_t i)
{
    struct quant *q = g->q;
    size_t at = row * g->cols + g->order[i];
    struct round_run run = {
        .x = &w, .n = 1, .values = q->values + at, .cast = q->recipe.cast, .seed = q->recipe.seed,
        .index = q->recipe.first + at, .codes = (uint8_t *)q->codes + at * format_code_bytes(q->recipe.format),
    };
    fitter_encode(&g->fitter, fit_of(g, row, i), &run);
    q->clipped += run.clipped;
    return q->values[at];
}

/* Columns first..end of one row: rounds each, and corrects those behind it in the block. */
static void round_row(struct gptq *g, size_t row, size_t first, size_t end)
{
    float *w = g->w + row * g->cols, *error = g->error + row * (end - first);
    for (size_t i = first; i < end; i++) {
        const double *u = g->h + i * g->cols;
        float left = (w[i] - round_one(g, w[i], row, i)) / (float)u[i];
        error[i - first] = left;
        for (size_t j = i + 1; j < end; j++)
            w[j] -= left * (float)u[j];
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
        enum kernel_status status = dense_product(g->error + row * width, g->push, rows, rest, width, g->change,
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
        if (!g->early && g->q->scale_count)
            fit_groups(g, g->w, first, end);
        for (size_t row = 0; row < g->rows; row++)
            round_row(g, row, first, end);
        enum kernel_status status = correct_rest(g, first, end);
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
    if (g->q->tile_cols == g->cols)
        fit_early(g);           /* gptq.py finds the scales of whole rows before dead columns are looked for */
    bury_dead_columns(g);
    if (g->q->tile_cols < g->cols)
        fit_early(g);
    if (!order_columns(g))
        return KERNEL_NO_MEMORY;
    dampen(g);
    return dense_inverse_factor(g->h, g->cols, task->isa, progress);
}

/* The scales go into q. Where act-order scatters the groups, each column says which of its row's scales it uses, as
 * GPTQ's g_idx does; quant_finish does not know of that, so values are decoded here. */
static enum kernel_status finish(struct gptq *g, struct method_result *result)
{
    struct quant *q = g->q;
    for (size_t i = 0; i < q->scale_count; i++)
        quant_set_fit(q, i, &g->fits[i]);
    quant_finish(q, g->task->w);
    if (g->early || !g->task->act_order)
        return KERNEL_OK;
    result->group_of = malloc(g->cols * sizeof *result->group_of + 1);
    if (!result->group_of)
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < g->cols; i++)
        result->group_of[g->order[i]] = (uint32_t)(i / q->tile_cols);
    for (size_t row = 0; row < g->rows; row++)
        for (size_t i = 0; i < g->cols; i++) {
            size_t at = row * g->cols + g->order[i];
            q->values[at] = fitter_value(&g->fitter, fit_of(g, row, i), quant_code(q, at));
        }
    method_measure_quant(q, g->task->w);
    result->bytes = q->bytes + g->cols * sizeof *result->group_of;
    return KERNEL_OK;
}

/* One scale a row is found at once; double quantization needs all scales before the first code. */
static bool scales_come_early(const struct method_task *task, const struct quant *q)
{
    const struct format *f = task->weights.format;
    enum scale_kind kind = f->block ? recipe_scale(f).kind : task->weights.scale.kind;
    return task->static_groups || q->tile_cols >= task->in || kind == SCALE_DOUBLE;
}

enum kernel_status method_gptq(const struct method_task *task, const struct progress *progress,
                               struct method_result *result)
{
    struct gptq g = {.task = task, .q = &result->q, .rows = task->out, .cols = task->in,
                     .block = task->block ? task->block : BLOCK};
    struct half half = {progress};
    const struct progress first_half = {half_tick, &half, progress ? progress->pool : NULL};
    if (!g.rows || !g.cols)
        return quantize(task->w, task->out, task->in, &task->weights, NULL, g.q);
    enum kernel_status status = quant_begin(g.q, g.rows, g.cols, &task->weights);
    if (status != KERNEL_OK)
        return status;
    g.block = g.block < g.cols ? g.block : g.cols;
    g.early = scales_come_early(task, g.q);
    status = gptq_allocate(&g);
    if (status == KERNEL_OK)
        status = prepare(&g, &first_half);
    if (status == KERNEL_OK)
        status = round_columns(&g, progress);
    if (status == KERNEL_OK)
        status = finish(&g, result);
    gptq_free(&g);
    return status;
}
