/* quantlook.c: see quantlook.h. Levels are counted in bins whose reach doubles when a value lies beyond: neighbors then
 * join, so that one pass is enough whatever comes. */
#include "engine/quantlook.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/viewdata.h"

static const double first_reach = 0x1p-140;

struct quantlook *quantlook_new(size_t rows, size_t cols)
{
    struct quantlook *look = calloc(1, sizeof *look);
    if (!look)
        return NULL;
    look->rows = rows;
    look->cols = cols;
    look->reach = first_reach;
    look->scale_low = (double)INFINITY;
    look->map_rows = rows < VIEWDATA_ROWS ? rows : VIEWDATA_ROWS;
    look->map_cols = cols < VIEWDATA_COLS ? cols : VIEWDATA_COLS;
    look->columns = calloc(cols, sizeof *look->columns);
    look->cells = calloc(look->map_rows * look->map_cols, sizeof *look->cells);
    look->prepared = malloc(cols * sizeof *look->prepared);
    for (size_t c = 0; look->columns && c < cols; c++)
        look->columns[c].index = c;
    if (look->columns && look->cells && look->prepared)
        return look;
    quantlook_free(look);
    return NULL;
}

void quantlook_free(struct quantlook *look)
{
    if (!look)
        return;
    free(look->columns);
    free(look->cells);
    free(look->prepared);
    free(look);
}

/* --- levels ------------------------------------------------------------------------------------------------------- */

bool quantlook_ends(const struct recipe *r, double *low, double *high)
{
    const struct format *f = r->format;
    bool affine = r->zero >= ZERO_AWQ, lowest = r->zero == ZERO_FULL || r->scale.kind == SCALE_SIGNED;
    *high = affine ? (double)(1u << f->bits) - 1 : (double)f->largest;
    *low = affine ? 0 : lowest ? -*high - 1 : -*high;
    return f->bits <= 8;
}

/* Bins of twice the width: the middle of the new ones holds all the old ones. */
static void join_bins(double *bins)
{
    double joined[QUANTLOOK_BINS] = { 0 };
    for (size_t i = 0; i < QUANTLOOK_BINS; i++)
        joined[QUANTLOOK_BINS / 4 + i / 2] += bins[i];
    memcpy(bins, joined, sizeof joined);
}

static void count_level(struct quantlook *look, double *bins, double level)
{
    if (!isfinite(level))
        return;
    while (fabs(level) >= look->reach) {
        join_bins(look->before);
        join_bins(look->after);
        look->reach *= 2;
    }
    bins[(size_t)((level / look->reach + 1) * (QUANTLOOK_BINS / 2))]++;
}

/* Where value v lay among the levels of scale g. */
static double level_of(const struct quant *q, size_t g, double v)
{
    double scale = q->scale_count ? (double)q->scales[g] : 1, zero = q->zeros ? (double)q->zeros[g] : 0;
    if (q->zeros && q->recipe.zero == ZERO_KIVI)
        return scale == 0 ? 0 : (v - zero) / scale;
    return scale == 0 ? zero : v / scale + zero;
}

static double level_of_code(const struct quant *q, uint32_t code)
{
    return q->zeros ? (double)code : (double)format_decode(q->recipe.format, code);
}

/* --- one row ------------------------------------------------------------------------------------------------------ */

/* A row as the method rounded it: multiplied, rotated. */
static void prepare_row(struct quantlook *look, const float *w, const struct method_result *rounded)
{
    memcpy(look->prepared, w, look->cols * sizeof *w);
    for (size_t c = 0; rounded->divide && c < look->cols; c++)
        look->prepared[c] *= rounded->divide[c];
    if (rounded->rotation.n)
        hadamard_rotate(&rounded->rotation, look->prepared, 1);
}

/* How far beyond both ends of the levels values are still rounded, not clipped: half of the last step. */
struct ends {
    double low, high;
};

static struct ends ends_of(const struct quant *q)
{
    struct ends ends;
    const struct format *f = q->recipe.format;
    if (!quantlook_ends(&q->recipe, &ends.low, &ends.high))
        return (struct ends){ -(double)INFINITY, (double)INFINITY };
    double half = q->zeros ? 0.5 : (double)format_step(f, f->largest) / 2;
    return (struct ends){ ends.low - half, ends.high + half };
}

static enum quantlook_fate fate_of(const struct ends *ends, double level, double was, double is)
{
    if (level < ends->low || level > ends->high)
        return QUANTLOOK_CLIPPED;
    return was != 0 && is == 0 ? QUANTLOOK_ZERO : QUANTLOOK_ROUNDED;
}

static void count_error(struct quantlook *look, size_t c, double was, double error, struct quantlook_part *row)
{
    struct quantlook_part *column = &look->columns[c];
    double square = error * error;
    size_t at = look->seen * look->map_rows / look->rows * look->map_cols + c * look->map_cols / look->cols;
    column->signal += was * was;
    column->noise += square;
    row->signal += was * was;
    row->noise += square;
    look->cells[at] += square;
}

static void take_row(struct quantlook *look, const float *w, const struct method_result *rounded, size_t r,
                     struct quantlook_part *row)
{
    const struct quant *q = &rounded->q;
    const struct ends ends = ends_of(q);
    size_t base = q->scale_count ? r / q->tile_rows * q->scales_per_row : 0;
    prepare_row(look, w, rounded);
    for (size_t c = 0; c < look->cols; c++) {
        size_t i = r * look->cols + c, g = base;
        double was = (double)w[c], is = (double)rounded->weights[i], level = 0;
        if (!isfinite(was))
            continue;
        if (!rounded->kept || !rounded->kept[c]) {
            uint32_t code = quant_code(q, i);
            g += !q->scale_count ? 0 : rounded->group_of ? rounded->group_of[c] : c / q->tile_cols;
            level = level_of(q, g, (double)look->prepared[c]);
            count_level(look, look->before, level);
            count_level(look, look->after, level_of_code(q, code));
            look->codes[code % QUANTLOOK_CODES]++;
        }
        enum quantlook_fate fate = fate_of(&ends, level, was, is);
        look->count[fate]++;
        look->noise[fate] += (was - is) * (was - is);
        look->zeros += was == 0;
        count_error(look, c, was, was - is, row);
    }
}

/* --- the worst ---------------------------------------------------------------------------------------------------- */

/* Noise a signal; an error that is no number is worse than any. */
static double badness(const struct quantlook_part *part)
{
    double ratio = part->noise / part->signal;
    return isnan(ratio) ? (double)INFINITY : ratio;
}

static void rank(struct quantlook_part *worst, size_t *count, const struct quantlook_part *part)
{
    size_t at = *count;
    if (part->signal == 0 || part->noise == 0)
        return;
    while (at > 0 && badness(part) > badness(&worst[at - 1]))
        at--;
    if (at == QUANTLOOK_WORST)
        return;
    *count += *count < QUANTLOOK_WORST;
    memmove(&worst[at + 1], &worst[at], (*count - at - 1) * sizeof *worst);
    worst[at] = *part;
}

size_t quantlook_columns(const struct quantlook *look, struct quantlook_part worst[QUANTLOOK_WORST])
{
    size_t count = 0;
    for (size_t c = 0; c < look->cols; c++)
        rank(worst, &count, &look->columns[c]);
    return count;
}

/* How many of n lie in part i of `parts`: those whose number times parts / n, cut, is i. */
static size_t part_size(size_t n, size_t parts, size_t i)
{
    return ((i + 1) * n + parts - 1) / parts - (i * n + parts - 1) / parts;
}

double quantlook_cell(const struct quantlook *look, size_t i)
{
    size_t rows = part_size(look->rows, look->map_rows, i / look->map_cols);
    size_t cols = part_size(look->cols, look->map_cols, i % look->map_cols);
    return sqrt(look->cells[i] / ((double)rows * (double)cols));
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* A scale that spans the tensor comes with every block, and counts once. */
static void count_scales(struct quantlook *look, const struct quant *q)
{
    if (look->seen && q->recipe.scale.kind == SCALE_TENSOR)
        return;
    for (size_t g = 0; g < q->scale_count; g++) {
        double scale = fabs((double)q->scales[g]);
        double bin = (log2(scale) - QUANTLOOK_LEAST) * QUANTLOOK_OCTAVE;
        if (!(scale > 0) || !(bin >= 0 && bin < QUANTLOOK_SCALES))
            continue;
        look->scales[(size_t)bin]++;
        look->scale_count++;
        look->scale_low = fmin(look->scale_low, scale);
        look->scale_high = fmax(look->scale_high, scale);
    }
}

void quantlook_take(struct quantlook *look, const float *w, const struct method_result *rounded)
{
    count_scales(look, &rounded->q);
    for (size_t r = 0; r < rounded->q.rows; r++, look->seen++) {
        struct quantlook_part row = { .index = look->seen };
        take_row(look, w + r * look->cols, rounded, r, &row);
        look->signal += row.signal;
        rank(look->worst, &look->worst_count, &row);
    }
}
