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
    look->columns = calloc(rows > 1 ? cols : 1, sizeof *look->columns);
    look->cells = calloc(look->map_rows * look->map_cols, sizeof *look->cells);
    look->prepared = malloc(cols * sizeof *look->prepared);
    for (size_t c = 0; look->columns && rows > 1 && c < cols; c++)
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

void quantlook_ends(const struct recipe *r, double *low, double *high)
{
    const struct format *f = r->format;
    bool affine = r->zero >= ZERO_AWQ, lowest = r->zero == ZERO_FULL || r->scale.kind == SCALE_SIGNED;
    *high = affine ? (double)(1u << f->bits) - 1 : (double)f->largest;
    *low = affine ? 0 : lowest ? -*high - 1 : -*high;
}

/* Bins of twice the width: the middle of the new ones holds all the old ones. */
static void join_bins(double *bins)
{
    double joined[QUANTLOOK_BINS] = { 0 };
    for (size_t i = 0; i < QUANTLOOK_BINS; i++)
        joined[QUANTLOOK_BINS / 4 + i / 2] += bins[i];
    memcpy(bins, joined, sizeof joined);
}

/* Makes room for a level, which is finite. */
static void reach_to(struct quantlook *look, double level)
{
    while (fabs(level) >= look->reach) {
        join_bins(look->before);
        join_bins(look->after);
        look->reach *= 2;
    }
}

static void count_level(struct quantlook *look, double *bins, double level, double times)
{
    if (!isfinite(level))
        return;
    reach_to(look, level);
    bins[(size_t)((level / look->reach + 1) * (QUANTLOOK_BINS / 2))] += times;
}

/* How values under one scale become levels, in the arithmetic of round.c, so that ties fall as they did there. */
struct unit {
    float offset, inverse, zero;
};

static struct unit unit_of(const struct quant *q, size_t g)
{
    float scale = q->scale_count ? q->scales[g] : 1, zero = q->zeros ? q->zeros[g] : 0;
    bool minimum = q->recipe.zero == ZERO_KIVI;
    return (struct unit){ minimum ? zero : 0, scale == 0 ? 0 : 1 / scale, minimum ? 0 : zero };
}

static float level_of(const struct unit *unit, float v)
{
    return (v - unit->offset) * unit->inverse + unit->zero;
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

/* Whether a level lies so far beyond the ends that rounding alone would have left them. */
static bool clips(const struct quant *q, float level)
{
    double low, high;
    quantlook_ends(&q->recipe, &low, &high);
    if ((double)level >= low && (double)level <= high)
        return false;
    return q->zeros ? rint((double)level) < low || rint((double)level) > high
                    : format_clips(q->recipe.format, level, q->recipe.cast);
}

static enum quantlook_fate fate_of(bool clipped, double was, double is)
{
    return clipped ? QUANTLOOK_CLIPPED : was != 0 && is == 0 ? QUANTLOOK_ZERO : QUANTLOOK_ROUNDED;
}

static void count_error(struct quantlook *look, size_t c, double was, double error, struct quantlook_part *row)
{
    struct quantlook_part *column = &look->columns[look->rows > 1 ? c : 0];
    double square = error * error;
    size_t at = look->seen * look->map_rows / look->rows * look->map_cols + c * look->map_cols / look->cols;
    column->signal += was * was;
    column->noise += square;
    row->signal += was * was;
    row->noise += square;
    look->cells[at] += square;
}

/* Narrow codes are counted now, and their levels by the block; codes[] has one element for each of 256. */
static void count_code(struct quantlook *look, const struct quant *q, size_t i, size_t *codes)
{
    if (q->recipe.format->bits <= 8)
        codes[((const uint8_t *)q->codes)[i]]++;
    else
        count_level(look, look->after, level_of_code(q, quant_code(q, i)), 1);
}

/* Which of the scales column c of row r has. */
static size_t scale_of(const struct method_result *rounded, size_t r, size_t c)
{
    const struct quant *q = &rounded->q;
    if (!q->scale_count)
        return 0;
    return r / q->tile_rows * q->scales_per_row + (rounded->group_of ? rounded->group_of[c] : c / q->tile_cols);
}

static void take_row(struct quantlook *look, const float *w, const struct method_result *rounded, size_t r,
                     struct quantlook_part *row, size_t *codes)
{
    const struct quant *q = &rounded->q;
    size_t known = SIZE_MAX;
    struct unit unit = { 0 };
    prepare_row(look, w, rounded);
    for (size_t c = 0; c < look->cols; c++) {
        size_t i = r * look->cols + c, g = scale_of(rounded, r, c);
        double was = (double)w[c], is = (double)rounded->weights[i];
        float level = 0;
        if (!isfinite(was))
            continue;
        if (g != known)
            unit = unit_of(q, known = g);
        if (!rounded->kept || !rounded->kept[c]) {
            level = level_of(&unit, look->prepared[c]);
            count_level(look, look->before, (double)level, 1);
            count_code(look, q, i, codes);
        }
        enum quantlook_fate fate = fate_of(clips(q, level), was, is);
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
    for (size_t c = 0; look->rows > 1 && c < look->cols; c++)
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
    size_t codes[QUANTLOOK_CODES] = { 0 };
    double low, high;
    quantlook_ends(&rounded->q.recipe, &low, &high);
    if (rounded->q.scale_count) {
        reach_to(look, low);
        reach_to(look, high);
    }
    count_scales(look, &rounded->q);
    for (size_t r = 0; r < rounded->q.rows; r++, look->seen++) {
        struct quantlook_part row = { .index = look->seen };
        take_row(look, w + r * look->cols, rounded, r, &row, codes);
        look->signal += row.signal;
        rank(look->worst, &look->worst_count, &row);
    }
    for (uint32_t code = 0; code < QUANTLOOK_CODES; code++) {
        look->codes[code] += (double)codes[code];
        if (codes[code])
            count_level(look, look->after, level_of_code(&rounded->q, code), (double)codes[code]);
    }
}
