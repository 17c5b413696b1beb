/* quantize.c: scales, codes and statistics, by the definitions of the format's row.
 * Codes come from the kernel table, the rules of scales from scale.c; here is which values share one.
 * Order of work: the scales of all groups, then codes and values row by row, then the sums. */
#include "kernels/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/fitter.h"
#include "kernels/gpu_quantize.h"

/* What one call works with. */
struct work {
    struct quant  *q;
    const float   *x;
    struct fitter  fitter;
    struct fit    *fits;        /* [scale_rows, scales_per_row]; one for SCALE_NONE */
    float         *group;       /* one group's values, where they do not lie side by side */
    const struct progress *progress;
};

/* ---- Codes ----------------------------------------------------------------------------------------- */

uint32_t quant_load_code(const struct format *format, const void *codes, size_t i)
{
    switch (format_code_bytes(format)) {
    case 1:  return ((const uint8_t *)codes)[i];
    case 2:  return ((const uint16_t *)codes)[i];
    default: return ((const uint32_t *)codes)[i];
    }
}

uint32_t quant_code(const struct quant *q, size_t i)
{
    return quant_load_code(q->recipe.format, q->codes, i);
}

void quant_put(struct quant *q, size_t i, uint32_t code)
{
    switch (format_code_bytes(q->recipe.format)) {
    case 1:  ((uint8_t *)q->codes)[i] = (uint8_t)code; break;
    case 2:  ((uint16_t *)q->codes)[i] = (uint16_t)code; break;
    default: ((uint32_t *)q->codes)[i] = code; break;
    }
}

/* ---- Groups ---------------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t quant_scale_index(const struct quant *q, size_t i)
{
    if (!q->scale_count || !q->cols)
        return 0;
    return i / q->cols / q->tile_rows * q->scales_per_row + i % q->cols / q->tile_cols;
}

float quant_scale(const struct quant *q, size_t i)
{
    return q->scale_count ? q->scales[quant_scale_index(q, i)] : 1;
}

/* The part of the tensor that scale number g covers. */
struct tile {
    size_t row, col, rows, cols;
};

static struct tile tile_of(const struct quant *q, size_t g)
{
    size_t row = g / q->scales_per_row * q->tile_rows, col = g % q->scales_per_row * q->tile_cols;
    return (struct tile){row, col, smaller(q->tile_rows, q->rows - row), smaller(q->tile_cols, q->cols - col)};
}

/* The tile's values of a [.., cols] tensor, row after row: in place where they lie so already, else in `room`. */
static const float *tile_values(const float *x, size_t cols, struct tile t, float *room)
{
    const float *first = x + t.row * cols + t.col;
    if (t.rows == 1 || t.cols == cols)
        return first;
    for (size_t row = 0; row < t.rows; row++)
        memcpy(room + row * t.cols, first + row * cols, t.cols * sizeof *room);
    return room;
}

float quant_amax(const float *x, size_t n)
{
    uint32_t most = 0;
    float value;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7fffffffu;
        if (bits < 0x7f800000u && bits > most)
            most = bits;
    }
    memcpy(&value, &most, sizeof value);
    return value;
}

/* ---- The scales of a tensor ------------------------------------------------------------------------ */

enum { TICK_VALUES = 1 << 20, TRIALS = 76 };    /* about a million values between two looks; TRIALS of a clip */

static bool tick(const struct work *w, double fraction)
{
    return progress_tick(w->progress, fraction);
}

/* The share of the whole time that finding scales takes. */
static double scale_share(const struct work *w)
{
    return w->q->recipe.clip.kind == CLIP_MSE ? 0.97 : 0.3;
}

void quant_set_fit(struct quant *q, size_t g, const struct fit *fit)
{
    if (!q->scale_count)
        return;
    q->scales[g] = fit->scale;
    q->stored[g] = fit->stored;
    if (q->zeros)
        q->zeros[g] = q->recipe.zero == ZERO_KIVI ? fit->offset : (float)fit->zero;
}

static struct fit group_fit(const struct work *w, size_t g)
{
    struct tile t = tile_of(w->q, g);
    return fitter_fit(&w->fitter, tile_values(w->x, w->q->cols, t, w->group), t.rows * t.cols);
}

static bool find_scales(struct work *w)
{
    struct quant *q = w->q;
    size_t trials = q->recipe.clip.kind == CLIP_MSE ? TRIALS : 1;
    size_t step = TICK_VALUES / (q->tile_rows * q->tile_cols) / trials + 1;
    if (!q->scale_count)
        w->fits[0] = fitter_fit(&w->fitter, NULL, 0);
    for (size_t g = 0; g < q->scale_count; g++) {
        if (g % step == 0 && !tick(w, scale_share(w) * (double)g / (double)q->scale_count))
            return false;
        w->fits[g] = group_fit(w, g);
    }
    q->tensor_scale = w->fitter.rule.tensor;
    if (w->fitter.rule.kind == SCALE_DOUBLE)
        q->tensor_scale = scale_double(w->fits, q->scale_count);
    for (size_t g = 0; g < q->scale_count; g++)
        quant_set_fit(q, g, &w->fits[g]);
    return true;
}

/* ---- The codes of a tensor ------------------------------------------------------------------------- */

static void encode_row(const struct work *w, size_t row)
{
    struct quant *q = w->q;
    struct round_run run = {.cast = q->recipe.cast, .seed = q->recipe.seed};
    for (size_t col = 0; col < q->cols; col += q->tile_cols) {
        size_t i = row * q->cols + col;
        run.index = q->recipe.first + i;
        run.x = w->x + i;
        run.n = smaller(q->tile_cols, q->cols - col);
        run.codes = (uint8_t *)q->codes + i * format_code_bytes(q->recipe.format);
        run.values = q->values + i;
        fitter_encode(&w->fitter, &w->fits[quant_scale_index(q, i)], &run);
    }
    q->zero_count += run.zeros;
    q->nonfinite += run.nonfinite;
    q->clipped += run.clipped;
}

static bool encode_rows(const struct work *w)
{
    struct quant *q = w->q;
    double from = scale_share(w);
    size_t step = q->cols ? TICK_VALUES / q->cols + 1 : 1;
    for (size_t row = 0; row < q->rows; row++) {
        if (row % step == 0 && !tick(w, from + (1 - from) * (double)row / (double)q->rows))
            return false;
        encode_row(w, row);
    }
    return true;
}

/* ---- A result -------------------------------------------------------------------------------------- */

static size_t ceil_divide(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

void quant_lay_out(struct quant *q, size_t rows, size_t cols, const struct recipe *recipe)
{
    struct scale scale = recipe->scale;
    *q = (struct quant){.recipe = *recipe, .rows = rows, .cols = cols, .tensor_scale = 1};
    if (scale.kind == SCALE_NONE && q->recipe.format->block)
        scale = recipe_scale(q->recipe.format);
    q->tile_rows = scale.kind == SCALE_TENSOR ? q->rows : scale.kind == SCALE_TILE ? scale.rows : 1;
    q->tile_cols = scale.kind >= SCALE_GROUP ? scale.size : q->cols;
    q->tile_rows = q->tile_rows ? smaller(q->tile_rows, q->rows ? q->rows : 1) : 1;
    q->tile_cols = q->tile_cols ? smaller(q->tile_cols, q->cols ? q->cols : 1) : 1;
    q->scales_per_row = q->cols ? ceil_divide(q->cols, q->tile_cols) : 1;
    q->scale_rows = ceil_divide(q->rows, q->tile_rows);
    q->scale_count = q->scale_rows * (q->cols || scale.kind < SCALE_GROUP ? q->scales_per_row : 0);
    if (scale.kind == SCALE_NONE || scale.kind == SCALE_TENSOR)
        q->scale_count = scale.kind == SCALE_TENSOR;
}

static bool allocate(struct quant *q)
{
    size_t n = q->rows * q->cols, scales = q->scale_count ? q->scale_count : 1;
    bool zeros = q->recipe.zero >= ZERO_AWQ;
    q->codes = malloc(n ? n * format_code_bytes(q->recipe.format) : 1);
    q->values = malloc(n ? n * sizeof *q->values : 1);
    q->scales = malloc(scales * sizeof *q->scales);
    q->stored = malloc(scales * sizeof *q->stored);
    q->zeros = zeros ? malloc(scales * sizeof *q->zeros) : NULL;
    return q->codes && q->values && q->scales && q->stored && (q->zeros || !zeros);
}

enum kernel_status quant_begin(struct quant *q, size_t rows, size_t cols, const struct recipe *recipe)
{
    char why[8];
    enum kernel_status status = KERNEL_OK;
    *q = (struct quant){0};
    if (!recipe_check(recipe, why, sizeof why))
        status = KERNEL_BAD_RECIPE;
    else if (cols && rows > SIZE_MAX / 16 / cols)
        status = KERNEL_BAD_SHAPE;
    if (status == KERNEL_OK) {
        quant_lay_out(q, rows, cols, recipe);
        status = allocate(q) ? KERNEL_OK : KERNEL_NO_MEMORY;
    }
    if (status != KERNEL_OK)
        quant_free(q);
    return status;
}

static void count_bytes(struct quant *q)
{
    const struct format *f = q->recipe.format;
    enum scale_kind kind = q->recipe.scale.kind;
    if (!f->block) {
        q->bytes =
            q->rows * ceil_divide(q->cols * f->bits, 8) + scale_bytes(kind, q->recipe.zero, f->bits, q->scale_count);
        return;
    }
    size_t blocks = q->rows * ceil_divide(q->cols, f->block), in_blocks = f->block_bytes - f->block * f->bits / 8u;
    q->bytes = blocks * f->block_bytes;
    if (kind != SCALE_NONE)     /* what scales share beside what is in the blocks */
        q->bytes += scale_bytes(kind, ZERO_NONE, 0, blocks) - blocks * in_blocks;
}

void quant_measured(struct quant *q, const struct error_sums *error)
{
    size_t n = q->rows * q->cols;
    q->error = *error;
    q->sqnr_db = sqnr_db(q->error.signal, q->error.noise);
    q->max_abs_error = q->error.max_abs;
    count_bytes(q);
    if (n == 0)
        return;
    size_t finite = n - q->nonfinite;
    q->mse = finite ? q->error.noise / (double)finite : 0;
    q->zero_fraction = (double)q->zero_count / (double)n;
    q->clipped_fraction = (double)q->clipped / (double)n;
    q->bits_per_weight = 8.0 * (double)q->bytes / (double)n;
}

static void measure(struct quant *q, const float *x)
{
    struct error_sums error = error_measure(x, q->values, q->rows * q->cols);
    quant_measured(q, &error);
}

static float decoded(const struct quant *q, size_t i)
{
    uint32_t code = quant_code(q, i);
    size_t g = quant_scale_index(q, i);
    float scale = q->scale_count ? q->scales[g] : 1;
    if (!q->zeros)
        return format_decode(q->recipe.format, code) * scale;
    bool minimum = q->recipe.zero == ZERO_KIVI;
    return ((float)code - (minimum ? 0 : q->zeros[g])) * scale + (minimum ? q->zeros[g] : 0);
}

void quant_finish(struct quant *q, const float *x)
{
    q->amax = quant_amax(x, q->rows * q->cols);
    for (size_t i = 0; i < q->rows * q->cols; i++) {
        q->values[i] = decoded(q, i);
        q->zero_count += q->values[i] == 0;
        q->nonfinite += !isfinite(x[i]);
    }
    measure(q, x);
}

static enum kernel_status run_quantize(struct work *w)
{
    struct quant *q = w->q;
    size_t scales = q->scale_count ? q->scale_count : 1, group = q->scale_count ? q->tile_rows * q->tile_cols : 1;
    bool gathers = q->tile_rows > 1 && q->tile_cols < q->cols;
    q->amax = quant_amax(w->x, q->rows * q->cols);
    w->fits = malloc(scales * sizeof *w->fits);
    w->group = malloc(gathers ? group * sizeof *w->group : 1);
    enum kernel_status status = fitter_open(&w->fitter, &q->recipe, group, q->amax);
    if (status != KERNEL_OK || !w->fits || !w->group)
        return KERNEL_NO_MEMORY;
    if (!find_scales(w) || !encode_rows(w))
        return KERNEL_CANCELED;
    measure(q, w->x);
    return KERNEL_OK;
}

enum kernel_status quantize(const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                            const struct progress *progress, struct quant *q)
{
    enum kernel_status status;
    if (recipe->gpu && gpu_seat_quantize(recipe->gpu, x, rows, cols, recipe, progress, q, &status))
        return status;
    status = quant_begin(q, rows, cols, recipe);
    if (status != KERNEL_OK)
        return status;
    struct work w = {.q = q, .x = x, .progress = progress};
    status = run_quantize(&w);
    fitter_close(&w.fitter);
    free(w.fits);
    free(w.group);
    if (status != KERNEL_OK)
        quant_free(q);
    return status;
}

void quant_free(struct quant *q)
{
    free(q->codes);
    free(q->values);
    free(q->scales);
    free(q->stored);
    free(q->zeros);
    *q = (struct quant){0};
}

bool quant_meant(const struct quant *q, char *why, size_t room)
{
    size_t n = q->rows * q->cols;
    const char *text = NULL;
    if (n == 0)
        text = "the tensor is empty";
    else if (q->nonfinite == n)
        text = "no value of the tensor is finite";
    else if (q->error.signal == 0)
        text = "every value of the tensor is 0";
    if (text)
        snprintf(why, room, "%s: there is nothing to round", text);
    return !text;
}

/* ---- Looking at the result ------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Integers with a zero-point, or with their lowest code: 2^bits values in equal steps. */
static size_t affine_values(const struct quant *q, size_t g, float low, float high, float *values, size_t room)
{
    const struct format *f = q->recipe.format;
    size_t count = 0;
    bool minimum = q->recipe.zero == ZERO_KIVI;
    int zero = q->recipe.zero == ZERO_FULL ? f->code_max + 1 : minimum ? 0 : (int)q->zeros[g];
    for (int code = 0; code < 1 << f->bits; code++) {
        float value = (float)(code - zero) * q->scales[g] + (minimum ? q->zeros[g] : 0);
        if (value >= low && value <= high && count++ < room)
            values[count - 1] = value;
    }
    return count;
}

size_t quant_values(const struct quant *q, size_t g, float low, float high, float *values, size_t room)
{
    if (q->recipe.zero != ZERO_NONE)
        return affine_values(q, g, low, high, values, room);
    float scale = q->scale_count ? q->scales[g] : 1;
    if (scale == 0) {
        if (low <= 0 && high >= 0 && room)
            values[0] = 0;
        return low <= 0 && high >= 0;
    }
    float from = low / scale, to = high / scale;
    size_t n = format_values(q->recipe.format, fminf(from, to), fmaxf(from, to), values, room);
    for (size_t i = 0; i < smaller(n, room); i++)
        values[i] *= scale;
    if (scale < 0)
        qsort(values, smaller(n, room), sizeof *values, ascending);
    return n;
}

size_t quant_parts(const struct quant *q, enum quant_part part)
{
    switch (part) {
    case QUANT_ROWS:    return q->rows;
    case QUANT_COLUMNS: return q->cols;
    case QUANT_BLOCKS:  break;
    }
    return q->scale_count ? q->scale_count : 1;
}

static struct tile part_tile(const struct quant *q, enum quant_part part, size_t i)
{
    switch (part) {
    case QUANT_ROWS:    return (struct tile){i, 0, 1, q->cols};
    case QUANT_COLUMNS: return (struct tile){0, i, q->rows, 1};
    case QUANT_BLOCKS:  break;
    }
    return q->scale_count ? tile_of(q, i) : (struct tile){0, 0, q->rows, q->cols};
}

enum kernel_status quant_errors(const struct quant *q, const float *x, enum quant_part part, struct error_sums *sums)
{
    size_t most = part == QUANT_COLUMNS ? q->rows : part == QUANT_BLOCKS ? q->tile_rows * q->tile_cols : 0;
    float *room = malloc((2 * most + 1) * sizeof *room);
    if (!room)
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < quant_parts(q, part); i++) {
        struct tile t = part_tile(q, part, i);
        const float *was = tile_values(x, q->cols, t, room), *is = tile_values(q->values, q->cols, t, room + most);
        sums[i] = error_measure(was, is, t.rows * t.cols);
    }
    free(room);
    return KERNEL_OK;
}
