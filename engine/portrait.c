/* portrait.c: a tensor read once, whole, for its range and columns.
 * What is drawn and rounded are rows spread evenly over it, at most 2^20 values. */
#include "engine/portrait.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tensorfile.h"
#include "engine/view.h"
#include "engine/viewdata.h"
#include "engine/viewtext.h"
#include "kernels/quantize.h"

enum {
    SAMPLE       = 1 << 20,  /* values that are drawn and rounded */
    READ_AT_ONCE = 1 << 20,
    BINS         = 64,
    POINTS       = 512,      /* of the curve of column maxima */
    MARKS        = 8,
    COLUMNS_MOST = 1 << 26,
};

#define OUTLIER_TIMES 6.0    /* a column stands out whose maximum is so many times the median one */

static bool fail(struct portrait *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool fail(struct portrait *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->error, p->size, format, args);
    va_end(args);
    return false;
}

static bool tell(struct portrait *p, double fraction)
{
    return p->env->progress(p->env->ctx, fraction) || fail(p, "canceled");
}

/* --- as a line --------------------------------------------------------------------------------------------------- */

static json_t *shape_of(const struct safetensor *tensor)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    return shape;
}

static char *shape_text(const struct safetensor *tensor, char *out, size_t size)
{
    *out = '\0';
    for (int i = 0; i < tensor->rank; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s%llu", i ? " x " : "", (unsigned long long)tensor->shape[i]);
    if (!tensor->rank)
        snprintf(out, size, "one number");
    return out;
}

static double bits_of(const struct safetensor *tensor)
{
    return tensor->count ? 8.0 * (double)tensor->bytes / (double)tensor->count : dtype_bits(tensor->dtype);
}

json_t *portrait_line(const struct safetensor *tensor, const char *name)
{
    return json_pack("{s:s, s:o, s:s, s:I, s:f}", "name", name, "shape", shape_of(tensor), "type",
                     tensor->dtype->name, "bytes", (json_int_t)tensor->bytes, "bits_per_weight", bits_of(tensor));
}

static char *bytes_text(double bytes, char *out, size_t size)
{
    return view_format_unit(bytes, "B", out, size);
}

/* --- one tensor, read --------------------------------------------------------------------------------------------- */

static void count_values(struct portrait *p, const float *x, size_t n, uint64_t first)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        if (!isfinite(v)) {
            p->nonfinite++;
            continue;
        }
        p->low = v < p->low ? v : p->low;
        p->high = v > p->high ? v : p->high;
        p->sum += v;
        p->squares += v * v;
        p->zeros += v == 0;
        uint64_t col = (first + i) % p->cols;
        float size = fabsf(x[i]);
        p->maxima[col] = size > p->maxima[col] ? size : p->maxima[col];
    }
}

/* The whole tensor, a stretch at a time. */
static bool read_all(struct portrait *p)
{
    float *x = malloc(READ_AT_ONCE * sizeof *x);
    bool good = x || fail(p, "out of memory");
    p->low = (double)INFINITY;
    p->high = -(double)INFINITY;
    for (uint64_t done = 0; good && done < p->tensor->count;) {
        uint64_t left = p->tensor->count - done;
        size_t n = left < READ_AT_ONCE ? (size_t)left : READ_AT_ONCE;
        safetensor_floats(p->tensor, done, n, x);
        count_values(p, x, n, done);
        done += n;
        good = tell(p, 0.5 * (double)done / (double)p->tensor->count);
    }
    free(x);
    return good;
}

/* Rows spread evenly over the tensor; of rows that are too long, one. */
static bool take_sample(struct portrait *p)
{
    uint64_t most = SAMPLE / p->cols ? SAMPLE / p->cols : 1;
    p->every = (size_t)((p->rows + most - 1) / most);
    p->sampled = (size_t)((p->rows + p->every - 1) / p->every);
    p->sample = malloc(p->sampled * (size_t)p->cols * sizeof *p->sample);
    if (!p->sample)
        return fail(p, "out of memory");
    for (size_t r = 0; r < p->sampled; r++)
        safetensor_floats(p->tensor, (uint64_t)r * p->every * p->cols, p->cols, p->sample + r * p->cols);
    return true;
}

static int by_size(const void *a, const void *b)
{
    const struct column *x = a, *y = b;
    if (x->amax != y->amax)
        return x->amax < y->amax ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

static bool sort_columns(struct portrait *p)
{
    p->sorted = malloc((size_t)p->cols * sizeof *p->sorted);
    if (!p->sorted)
        return fail(p, "out of memory");
    for (uint64_t c = 0; c < p->cols; c++)
        p->sorted[c] = (struct column){ c, p->maxima[c] };
    qsort(p->sorted, (size_t)p->cols, sizeof *p->sorted, by_size);
    return true;
}

static double times_median(const struct portrait *p, const struct column *column)
{
    double median = (double)p->sorted[p->cols / 2].amax;
    return median > 0 ? (double)column->amax / median : 0;
}

/* --- every format ------------------------------------------------------------------------------------------------- */

static bool round_sample(struct portrait *p, const struct format *f, const char *scale)
{
    struct recipe recipe;
    struct quant q;
    char why[160];
    const struct recipe_words words = { .format = f->name, .scale = scale };
    const struct progress progress = { .pool = p->env->pool };
    if (!recipe_parse(&words, &recipe, why, sizeof why))
        return true;
    recipe.isa = p->env->isa;
    enum kernel_status status = quantize(p->sample, p->sampled, (size_t)p->cols, &recipe, &progress, &q);
    if (status != KERNEL_OK)
        return fail(p, "cannot round to %s: %s", f->name, kernel_status_text(status));
    json_array_append_new(p->formats,
                          json_pack("{s:s, s:s, s:f, s:o, s:f}", "format", f->name, "scale", scale ? scale : f->scale,
                                    "bits_per_weight", q.bits_per_weight, "sqnr_db", viewtext_number(q.sqnr_db),
                                    "zero_fraction", q.zero_fraction));
    quant_free(&q);
    return true;
}

/* The scale that weights have as a rule where the format brings none. */
static const char *usual_scale(const struct format *f)
{
    if (f->block || strcmp(f->scale, "none") == 0)
        return NULL;
    return f->kind == FORMAT_INTEGER && f->bits < 8 ? "group:128" : "channel";
}

static bool round_all(struct portrait *p)
{
    p->formats = json_array();
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        if (f->kind == FORMAT_POWER)    /* a scale, no number with a sign */
            continue;
        if (!round_sample(p, f, NULL) || (usual_scale(f) && !round_sample(p, f, usual_scale(f))) ||
            !tell(p, 0.5 + 0.5 * (double)(i + 1) / (double)format_count()))
            return false;
    }
    return true;
}

/* --- the portrait ------------------------------------------------------------------------------------------------- */

static bool has_values(const struct portrait *p)
{
    return p->sample && p->nonfinite < p->tensor->count;
}

static double largest(const struct portrait *p)
{
    return fmax(fabs(p->low), fabs(p->high));
}

static double deviation(const struct portrait *p)
{
    double n = (double)(p->tensor->count - p->nonfinite), mean = p->sum / n;
    double variance = p->squares / n - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}

static json_t *outliers(const struct portrait *p)
{
    json_t *columns = json_array();
    for (uint64_t i = 0; i < p->cols && i < 64 && times_median(p, &p->sorted[i]) >= OUTLIER_TIMES; i++)
        json_array_append_new(columns,
                              json_pack("{s:I, s:f, s:f}", "index", (json_int_t)p->sorted[i].index, "amax",
                                        (double)p->sorted[i].amax, "times", times_median(p, &p->sorted[i])));
    return columns;
}

static json_t *histogram(const struct portrait *p)
{
    double most = largest(p) > 0 ? largest(p) : 1;
    return json_pack("{s:f, s:f, s:o}", "from", -most, "to", most, "counts",
                     viewdata_bins(p->sample, p->sampled * (size_t)p->cols, -most, most, BINS));
}

/* Column maxima, at most POINTS: of neighbors the largest. With `places` the column that each point begins at. */
static json_t *maxima(const struct portrait *p, json_t *places)
{
    json_t *points = json_array();
    uint64_t n = p->cols < POINTS ? p->cols : POINTS;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t first = i * p->cols / n, end = (i + 1) * p->cols / n;
        float most = 0;
        for (uint64_t c = first; c < end; c++)
            most = p->maxima[c] > most ? p->maxima[c] : most;
        json_array_append_new(points, json_real((double)most));
        if (places)
            json_array_append_new(places, json_integer((json_int_t)first));
    }
    return points;
}

json_t *portrait_json(const struct portrait *p)
{
    json_t *all = portrait_line(p->tensor, p->name);
    if (!has_values(p))
        return all;
    double n = (double)p->tensor->count;
    json_object_set_new(all, "min", json_real(p->low));
    json_object_set_new(all, "max", json_real(p->high));
    json_object_set_new(all, "amax", json_real(largest(p)));
    json_object_set_new(all, "mean", json_real(p->sum / (n - (double)p->nonfinite)));
    json_object_set_new(all, "std", json_real(deviation(p)));
    json_object_set_new(all, "zero_fraction", json_real((double)p->zeros / n));
    json_object_set_new(all, "nonfinite", json_integer((json_int_t)p->nonfinite));
    json_object_set_new(all, "outlier_columns", outliers(p));
    json_object_set_new(all, "histogram", histogram(p));
    json_object_set_new(all, "column_maxima", maxima(p, NULL));
    json_object_set_new(all, "sampled_rows", json_integer((json_int_t)p->sampled));
    json_object_set(all, "formats", p->formats);
    return all;
}

static json_t *facts(const struct portrait *p)
{
    char shape[200], bytes[40];
    const struct safetensor *t = p->tensor;
    json_t *rows = json_array();
    viewtext_fact(rows, "shape", "%s", shape_text(t, shape, sizeof shape));
    viewtext_fact(rows, "type", "%s, %.4g bits a value", t->dtype->name, bits_of(t));
    viewtext_fact(rows, "size", "%s", bytes_text((double)t->bytes, bytes, sizeof bytes));
    if (has_values(p)) {
        double n = (double)t->count;
        viewtext_fact(rows, "range", "%.4g to %.4g", p->low, p->high);
        viewtext_fact(rows, "mean, deviation", "%.4g, %.4g", p->sum / (n - (double)p->nonfinite), deviation(p));
        viewtext_fact(rows, "zeros", "%.3g %%", 100 * (double)p->zeros / n);
    }
    if (p->nonfinite)
        viewtext_fact(rows, "not finite", "%llu", (unsigned long long)p->nonfinite);
    return viewtext_facts(rows);
}

static json_t *marks(const struct portrait *p)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < p->cols && i < MARKS && times_median(p, &p->sorted[i]) >= OUTLIER_TIMES; i++) {
        char label[64];
        snprintf(label, sizeof label, "column %llu: %.3g x", (unsigned long long)p->sorted[i].index,
                 times_median(p, &p->sorted[i]));
        json_array_append_new(list, json_pack("{s:I, s:s}", "at", (json_int_t)p->sorted[i].index, "label", label));
    }
    return list;
}

static void add_figures(const struct portrait *p, json_t *blocks)
{
    const struct viewdata_matrix m = { p->sampled, (size_t)p->cols, p->sample, NULL };
    json_t *bins = histogram(p), *places = json_array(), *points = maxima(p, places);
    json_object_set_new(bins, "view", json_string("hist"));
    json_object_set_new(bins, "title", json_string("values"));
    json_array_append_new(blocks, bins);
    if (p->cols > 1)
        json_array_append_new(
            blocks, json_pack("{s:s, s:s, s:[{s:s, s:O, s:O, s:s}], s:{s:s}, s:{s:s}}", "view", "plot", "title",
                              "the largest |x| of each column", "series", "label", "largest |x|", "x", places, "y",
                              points, "role", "outcome", "x", "label", "column", "y", "label", "|x|"));
    json_t *heat = json_pack("{s:s, s:s, s:s, s:s, s:o}", "view", "heat", "title", "|x|", "row", "row", "column",
                             "column", "marks", marks(p));
    if (!viewdata_heat(heat, &m))
        json_array_append(blocks, heat);
    json_decref(heat);
    json_decref(places);
    json_decref(points);
}

static json_t *format_table(const struct portrait *p)
{
    json_t *rows = json_array(), *row;
    size_t i;
    json_array_foreach(p->formats, i, row) {
        char bits[24], db[32], zeros[24];
        double sqnr = view_number(row, "sqnr_db", NAN);
        snprintf(bits, sizeof bits, "%.4g", view_number(row, "bits_per_weight", 0));
        viewtext_decibels(sqnr, 2, db, sizeof db);
        snprintf(zeros, sizeof zeros, "%.3g %%", 100 * view_number(row, "zero_fraction", 0));
        json_array_append_new(rows, json_pack("[s, s, s, s, s]", view_text(row, "format", ""),
                                              view_text(row, "scale", ""), bits, db, zeros));
    }
    return json_pack("{s:s, s:[s, s, s, s, s], s:o}", "view", "table", "columns", "format", "scale", "bits a value",
                     "SQNR", "zeros", "rows", rows);
}

json_t *portrait_blocks(const struct portrait *p)
{
    json_t *blocks = json_array();
    json_array_append_new(blocks, json_pack("{s:s, s:s}", "view", "heading", "text", p->name));
    json_array_append_new(blocks, facts(p));
    if (!dtype_loads(p->tensor->dtype))
        json_array_append_new(blocks,
                              viewtext_prose("Values of type %s cannot be decoded here.", p->tensor->dtype->name));
    if (!has_values(p))
        return blocks;
    if (p->every > 1)
        json_array_append_new(
            blocks, viewtext_prose("Range and columns are of all rows; what follows is of %zu rows, each %zu-th.",
                                   p->sampled, p->every));
    add_figures(p, blocks);
    json_array_append_new(blocks, format_table(p));
    return blocks;
}

bool portrait_read(struct portrait *p)
{
    p->rows = tensorfile_rows(p->tensor);
    p->cols = tensorfile_cols(p->tensor);
    if (!p->tensor->count || !dtype_loads(p->tensor->dtype))
        return true;
    if (p->cols > COLUMNS_MOST)
        return fail(p, "tensor '%.120s' has rows of %llu values, up to %d are looked at", p->name,
                    (unsigned long long)p->cols, COLUMNS_MOST);
    p->maxima = calloc((size_t)p->cols, sizeof *p->maxima);
    if (!p->maxima)
        return fail(p, "out of memory");
    if (!read_all(p) || !take_sample(p) || !sort_columns(p))
        return false;
    return p->nonfinite == p->tensor->count || round_all(p);
}

void portrait_free(struct portrait *p)
{
    free(p->maxima);
    free(p->sorted);
    free(p->sample);
    json_decref(p->formats);
}
