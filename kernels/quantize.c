/* quantize.c: scales, codes and statistics, by the definitions of the format's row.
 * Codes come from the kernel table, the rules of scales from scale.c; here is which values share one.
 * Order of work: the scales of all groups, then codes and values row by row, then the sums. */
#include "kernels/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernel.h"
#include "kernels/variants.h"

/* What one call works with. */
struct work {
    struct quant        *q;
    const float         *x;
    const struct kernel *kernel;
    struct format        grid;      /* the recipe's format; with the lowest code for ZERO_FULL */
    struct scale_rule    rule;
    struct fit          *fits;      /* [scale_rows, scales_per_row]; one for SCALE_NONE */
    float               *group;     /* one group's values, where they do not lie side by side */
    float               *trial;     /* one group decoded, while looking for the best clip */
    uint32_t            *order;     /* one group's codes or magnitudes */
    const struct progress *progress;
};

/* ---- Codes ----------------------------------------------------------------------------------------- */

uint32_t quant_code(const struct quant *q, size_t i)
{
    switch (format_code_bytes(q->recipe.format)) {
    case 1:  return ((const uint8_t *)q->codes)[i];
    case 2:  return ((const uint16_t *)q->codes)[i];
    default: return ((const uint32_t *)q->codes)[i];
    }
}

/* The row that encodes: a fast one where the recipe rounds as they do, else the reference. */
static const struct kernel *encoder(const struct recipe *recipe)
{
    bool common = recipe->cast.rounding == ROUND_NEAREST && recipe->cast.overflow == OVERFLOW_SATURATE &&
                  recipe->zero == ZERO_NONE;
    return kernel_find(KERNEL_ENCODE, recipe->format->name, common ? recipe->isa : ISA_SCALAR);
}

/* Encodes a run by one fit. */
static void encode(const struct work *w, struct encode_run *run, const struct fit *fit)
{
    run->format = &w->grid;
    run->scale = fit->scale;
    run->inverse = fit->inverse;
    run->offset = fit->offset;
    run->zero = fit->zero;
    if (w->rule.zero >= ZERO_AWQ)
        encode_affine(run);
    else
        w->kernel->encode(run);
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

/* ---- Ranges and clips ------------------------------------------------------------------------------ */

static uint32_t magnitude_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

static float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

float quant_amax(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = magnitude_bits(x[i]);
        if (bits < 0x7f800000u && bits > most)
            most = bits;
    }
    return bits_float(most);
}

/* The k-th smallest (from 0) of a[0..n), whose order is lost; k < n. Hoare's selection. */
static uint32_t select_kth(uint32_t *a, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t pivot = a[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint32_t swapped = a[i];
            a[i++] = a[j];
            a[j--] = swapped;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return a[k];
}

/* The ceil(percent * n / 100)-th smallest of n finite magnitudes, counted in thousandths so that it is exact. */
static float percentile(const float *x, size_t n, float percent, uint32_t *order)
{
    size_t finite = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            order[finite++] = magnitude_bits(x[i]);
    if (!finite)
        return 0;
    uint64_t thousandths = (uint64_t)llround(1000 * (double)percent);
    size_t rank = (size_t)((thousandths * finite + 99999) / 100000);
    return bits_float(select_kth(order, finite, rank ? rank - 1 : 0));
}

/* The squared error of the group with this fit, rounded to nearest. */
static double trial_error(const struct work *w, const float *x, size_t n, const struct fit *fit)
{
    struct encode_run run = {.x = x, .n = n, .codes = w->order, .values = w->trial};
    encode(w, &run, fit);
    return error_measure(x, w->trial, n).noise;
}

enum { CLIP_FROM = 100, CLIP_TO = 25 };     /* percent of the range */

/* The fit of the factor that errs least; the larger factor of equals. */
static struct fit best_fit(const struct work *w, const float *x, size_t n, struct range range)
{
    struct fit best = scale_fit(&w->rule, range);
    double least = trial_error(w, x, n, &best);
    for (int percent = CLIP_FROM - 1; percent >= CLIP_TO; percent--) {
        struct fit fit = scale_fit(&w->rule, range_shrink(range, (float)percent / 100));
        double error = trial_error(w, x, n, &fit);
        if (error < least) {
            least = error;
            best = fit;
        }
    }
    return best;
}

static bool spans_tensor(const struct quant *q)
{
    return q->recipe.scale.kind == SCALE_TENSOR;
}

/* The range of one group; only the magnitude where the rule asks for no more. */
static struct range group_range(const struct work *w, const float *x, size_t n)
{
    if (w->rule.zero >= ZERO_AWQ || w->rule.kind == SCALE_SIGNED)
        return range_of(x, n);
    float amax = spans_tensor(w->q) ? w->q->amax : quant_amax(x, n);
    return (struct range){-amax, amax, amax, amax};
}

static struct fit group_fit(const struct work *w, size_t g)
{
    const struct clip clip = w->q->recipe.clip;
    struct tile t = tile_of(w->q, g);
    size_t n = t.rows * t.cols;
    const float *x = tile_values(w->x, w->q->cols, t, w->group);
    struct range range = group_range(w, x, n);
    if (clip.kind == CLIP_PERCENTILE)
        range = range_clip(range, percentile(x, n, clip.percent, w->order));
    return clip.kind == CLIP_MSE ? best_fit(w, x, n, range) : scale_fit(&w->rule, range);
}

/* ---- The scales of a tensor ------------------------------------------------------------------------ */

enum { TICK_VALUES = 1 << 20, TRIALS = CLIP_FROM - CLIP_TO + 1 };   /* about a million values between two looks */

static bool tick(const struct work *w, double fraction)
{
    return progress_tick(w->progress, fraction);
}

/* The share of the whole time that finding scales takes. */
static double scale_share(const struct work *w)
{
    return w->q->recipe.clip.kind == CLIP_MSE ? 0.97 : 0.3;
}

static void store_fits(struct work *w)
{
    struct quant *q = w->q;
    for (size_t g = 0; g < q->scale_count; g++) {
        q->scales[g] = w->fits[g].scale;
        q->stored[g] = w->fits[g].stored;
        if (q->zeros)
            q->zeros[g] = w->rule.zero == ZERO_KIVI ? w->fits[g].offset : (float)w->fits[g].zero;
    }
}

static bool find_scales(struct work *w)
{
    struct quant *q = w->q;
    if (!q->scale_count) {
        w->fits[0] = scale_fit(&w->rule, (struct range){0});
        return true;
    }
    size_t per_group = q->tile_rows * q->tile_cols, trials = q->recipe.clip.kind == CLIP_MSE ? TRIALS : 1;
    size_t step = TICK_VALUES / per_group / trials + 1;
    for (size_t g = 0; g < q->scale_count; g++) {
        if (g % step == 0 && !tick(w, scale_share(w) * (double)g / (double)q->scale_count))
            return false;
        w->fits[g] = group_fit(w, g);
    }
    if (w->rule.kind == SCALE_DOUBLE)
        q->tensor_scale = scale_double(w->fits, q->scale_count);
    store_fits(w);
    return true;
}

/* ---- The whole tensor ------------------------------------------------------------------------------ */

static void encode_row(const struct work *w, size_t row)
{
    struct quant *q = w->q;
    struct encode_run run = {.cast = q->recipe.cast, .seed = q->recipe.seed};
    for (size_t col = 0; col < q->cols; col += q->tile_cols) {
        size_t i = row * q->cols + col;
        run.index = q->recipe.first + i;
        run.x = w->x + i;
        run.n = smaller(q->tile_cols, q->cols - col);
        run.codes = (uint8_t *)q->codes + i * format_code_bytes(q->recipe.format);
        run.values = q->values + i;
        encode(w, &run, &w->fits[quant_scale_index(q, i)]);
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

static size_t ceil_divide(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Which values share a scale. */
static void lay_out(struct quant *q)
{
    struct scale scale = q->recipe.scale;
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

static void count_bytes(struct quant *q)
{
    const struct format *f = q->recipe.format;
    size_t row_bytes = ceil_divide(q->cols * f->bits, 8);
    enum scale_kind kind = q->recipe.scale.kind;
    if (!f->block) {
        q->bytes = q->rows * row_bytes + scale_bytes(kind, q->recipe.zero, f->bits, q->scale_count);
        return;
    }
    size_t blocks = q->rows * ceil_divide(q->cols, f->block);
    q->bytes = blocks * f->block_bytes;
    if (kind != SCALE_NONE)     /* what scales share beside what is in the blocks */
        q->bytes += scale_bytes(kind, ZERO_NONE, 0, blocks) - blocks * (f->block_bytes - f->block * f->bits / 8u);
}

static bool allocate(struct work *w)
{
    struct quant *q = w->q;
    size_t n = q->rows * q->cols, groups = q->scale_count ? q->scale_count : 1;
    size_t group = q->scale_count ? q->tile_rows * q->tile_cols : 1;
    bool gathers = q->tile_rows > 1 && q->tile_cols < q->cols, clips = q->recipe.clip.kind != CLIP_NONE;
    q->codes = malloc(n ? n * format_code_bytes(q->recipe.format) : 1);
    q->values = malloc(n ? n * sizeof *q->values : 1);
    q->scales = malloc(groups * sizeof *q->scales);
    q->stored = malloc(groups * sizeof *q->stored);
    q->zeros = q->recipe.zero >= ZERO_AWQ ? malloc(groups * sizeof *q->zeros) : NULL;
    w->fits = malloc(groups * sizeof *w->fits);
    w->group = malloc(gathers ? group * sizeof *w->group : 1);
    w->trial = malloc(clips ? group * sizeof *w->trial : 1);
    w->order = malloc(clips ? group * sizeof *w->order : 1);
    return q->codes && q->values && q->scales && q->stored && (q->zeros || q->recipe.zero < ZERO_AWQ) && w->fits &&
           w->group && w->trial && w->order;
}

static void work_free(struct work *w)
{
    free(w->fits);
    free(w->group);
    free(w->trial);
    free(w->order);
}

static void measure(struct quant *q, const float *x)
{
    size_t n = q->rows * q->cols;
    q->error = error_measure(x, q->values, n);
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

static enum kernel_status run_quantize(struct work *w)
{
    struct quant *q = w->q;
    const struct recipe *r = &q->recipe;
    enum scale_kind own = r->format->block ? recipe_scale(r->format).kind : r->scale.kind;
    q->amax = quant_amax(w->x, q->rows * q->cols);
    q->amax = r->amax > 0 ? r->amax : q->amax;
    if (own == SCALE_TWO_LEVEL && r->scale.kind != SCALE_NONE)
        q->tensor_scale = scale_of_tensor(q->amax, r->format->largest);
    w->rule = (struct scale_rule){&w->grid, own, r->zero, r->mx, q->tensor_scale};
    if (!find_scales(w) || !encode_rows(w))
        return KERNEL_CANCELED;
    measure(q, w->x);
    return KERNEL_OK;
}

enum kernel_status quantize(const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                            const struct progress *progress, struct quant *q)
{
    char why[8];
    *q = (struct quant){.recipe = *recipe, .rows = rows, .cols = cols, .tensor_scale = 1};
    if (!recipe_check(recipe, why, sizeof why)) {
        *q = (struct quant){0};
        return KERNEL_BAD_RECIPE;
    }
    if (cols && rows > SIZE_MAX / 16 / cols) {
        *q = (struct quant){0};
        return KERNEL_BAD_SHAPE;
    }
    lay_out(q);
    struct work w = {.q = q, .x = x, .kernel = encoder(recipe), .grid = *recipe->format, .progress = progress};
    if (recipe->zero == ZERO_FULL)
        w.grid.code_min = -w.grid.code_max - 1;
    enum kernel_status status = allocate(&w) ? run_quantize(&w) : KERNEL_NO_MEMORY;
    work_free(&w);
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
    const char *text = n == 0              ? "the tensor is empty: there is nothing to round"
                       : q->nonfinite == n ? "no value of the tensor is finite: there is nothing to round"
                       : q->error.signal == 0 && q->amax == 0
                           ? "every value of the tensor is 0: there is nothing to round"
                           : NULL;
    if (text)
        snprintf(why, room, "%s", text);
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
