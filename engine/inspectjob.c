/* inspectjob.c: the list of a file's tensors, and the portrait of one.
 * A portrait reads the whole tensor once for its range and columns; what is drawn and rounded are rows spread evenly
 * over it, at most 2^20 values. */
#include "engine/inspectjob.h"

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tensorfile.h"
#include "engine/view.h"
#include "engine/viewdata.h"
#include "kernels/quantize.h"

enum {
    LISTED_MOST  = 8000,     /* a message holds 4 MiB */
    SAMPLE       = 1 << 20,  /* values that are drawn and rounded */
    READ_AT_ONCE = 1 << 20,
    BINS         = 64,
    POINTS       = 512,      /* of the curve of column maxima */
    MARKS        = 8,
    COLUMNS_MOST = 1 << 26,
};

#define OUTLIER_TIMES 6.0    /* a column stands out whose maximum is so many times the median one */

struct column {
    uint64_t index;
    float    amax;
};

struct inspect {
    const struct inspectjob_env *env;
    const json_t            *request;
    char                    *error;
    size_t                   size;
    struct tensorfile       *file;
    const struct safetensor *tensor;
    uint64_t                 rows, cols;

    double                   low, high, sum, squares;  /* of finite values */
    uint64_t                 zeros, nonfinite;
    float                   *maxima;                   /* [cols] */
    struct column           *sorted;                   /* [cols], the largest first */
    float                   *sample;                   /* [sampled, cols] */
    size_t                   sampled, every;           /* rows, and each how many-th of the tensor's */
    json_t                  *formats;
};

static bool fail(struct inspect *in, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool fail(struct inspect *in, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(in->error, in->size, format, args);
    va_end(args);
    return false;
}

static bool tell(struct inspect *in, double fraction)
{
    return in->env->progress(in->env->ctx, fraction) || fail(in, "canceled");
}

/* --- one tensor as a line ----------------------------------------------------------------------------------------- */

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

static const char *name_of(const struct inspect *in, const struct safetensor *tensor)
{
    const char *slash = strrchr(view_text(in->request, "path", ""), '/');
    return *tensor->name ? tensor->name : slash ? slash + 1 : view_text(in->request, "path", "");
}

static double bits_of(const struct safetensor *tensor)
{
    return tensor->count ? 8.0 * (double)tensor->bytes / (double)tensor->count : dtype_bits(tensor->dtype);
}

static json_t *line_of(const struct inspect *in, const struct safetensor *tensor)
{
    return json_pack("{s:s, s:o, s:s, s:I, s:f}", "name", name_of(in, tensor), "shape", shape_of(tensor), "type",
                     tensor->dtype->name, "bytes", (json_int_t)tensor->bytes, "bits_per_weight", bits_of(tensor));
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

static bool is_pattern(const char *name)
{
    return name && strpbrk(name, "*?") != NULL;
}

static json_t *metadata(const struct inspect *in)
{
    json_t *all = json_object();
    const struct gguf_entry *entry;
    for (size_t i = 0; (entry = tensorfile_entry(in->file, i)); i++)
        json_object_set_new(all, entry->key, json_string(entry->text));
    return all;
}

static json_t *list(const struct inspect *in, const char *pattern)
{
    json_t *tensors = json_array();
    uint64_t bytes = 0, values = 0;
    size_t found = 0;
    for (size_t i = 0; i < tensorfile_count(in->file); i++) {
        const struct safetensor *t = tensorfile_at(in->file, i);
        if (pattern && fnmatch(pattern, t->name, 0) != 0)
            continue;
        bytes += t->bytes;
        values += t->count;
        if (++found <= LISTED_MOST)
            json_array_append_new(tensors, line_of(in, t));
    }
    json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:f, s:o}", "kind", tensorfile_kind(in->file), "count",
                            (json_int_t)found, "values", (json_int_t)values, "bytes", (json_int_t)bytes,
                            "bits_per_weight", values ? 8.0 * (double)bytes / (double)values : 0, "tensors", tensors);
    if (found > LISTED_MOST)
        json_object_set_new(all, "left_out", json_integer((json_int_t)(found - LISTED_MOST)));
    if (tensorfile_entry(in->file, 0))
        json_object_set_new(all, "metadata", metadata(in));
    return all;
}

static json_t *prose(const char *format, ...) __attribute__((format(printf, 1, 2)));

static json_t *prose(const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return json_pack("{s:s, s:s}", "view", "prose", "text", text);
}

static char *bytes_text(double bytes, char *out, size_t size)
{
    return view_format_unit(bytes, "B", out, size);
}

static json_t *list_blocks(const struct inspect *in, const json_t *all)
{
    json_t *blocks = json_array(), *rows = json_array(), *line;
    char bytes[40], values[40];
    size_t i;
    json_array_append_new(
        blocks, prose("%s: %llu tensors, %s values in %s, %.4g bits per value.", tensorfile_kind(in->file),
                      (unsigned long long)view_number(all, "count", 0),
                      view_format(view_number(all, "values", 0), values, sizeof values),
                      bytes_text(view_number(all, "bytes", 0), bytes, sizeof bytes),
                      view_number(all, "bits_per_weight", 0)));
    json_array_foreach(json_object_get(all, "tensors"), i, line) {
        char shape[160] = "", bits[24];
        size_t k;
        json_t *side;
        json_array_foreach(json_object_get(line, "shape"), k, side)
            snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", k ? " x " : "",
                     (long long)json_integer_value(side));
        snprintf(bits, sizeof bits, "%.4g", view_number(line, "bits_per_weight", 0));
        json_array_append_new(rows, json_pack("[s, s, s, s, s]", view_text(line, "name", ""), shape,
                                              view_text(line, "type", ""),
                                              bytes_text(view_number(line, "bytes", 0), bytes, sizeof bytes), bits));
    }
    json_array_append_new(blocks, json_pack("{s:s, s:[s, s, s, s, s], s:o}", "view", "table", "columns", "tensor",
                                            "shape", "type", "size", "bits a value", "rows", rows));
    if (json_object_get(all, "left_out"))
        json_array_append_new(
            blocks, prose("%lld more are left out; name them by a pattern, such as 'model.layers.3.*'.",
                          (long long)view_number(all, "left_out", 0)));
    return blocks;
}

/* --- one tensor, read --------------------------------------------------------------------------------------------- */

static void count_values(struct inspect *in, const float *x, size_t n, uint64_t first)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        if (!isfinite(v)) {
            in->nonfinite++;
            continue;
        }
        in->low = v < in->low ? v : in->low;
        in->high = v > in->high ? v : in->high;
        in->sum += v;
        in->squares += v * v;
        in->zeros += v == 0;
        uint64_t col = (first + i) % in->cols;
        float size = fabsf(x[i]);
        in->maxima[col] = size > in->maxima[col] ? size : in->maxima[col];
    }
}

/* The whole tensor, a stretch at a time. */
static bool read_all(struct inspect *in)
{
    float *x = malloc(READ_AT_ONCE * sizeof *x);
    bool good = x || fail(in, "out of memory");
    in->low = (double)INFINITY;
    in->high = -(double)INFINITY;
    for (uint64_t done = 0; good && done < in->tensor->count;) {
        uint64_t left = in->tensor->count - done;
        size_t n = left < READ_AT_ONCE ? (size_t)left : READ_AT_ONCE;
        safetensor_floats(in->tensor, done, n, x);
        count_values(in, x, n, done);
        done += n;
        good = tell(in, 0.5 * (double)done / (double)in->tensor->count);
    }
    free(x);
    return good;
}

/* Rows spread evenly over the tensor; of rows that are too long, one. */
static bool take_sample(struct inspect *in)
{
    uint64_t most = SAMPLE / in->cols ? SAMPLE / in->cols : 1;
    in->every = (size_t)((in->rows + most - 1) / most);
    in->sampled = (size_t)((in->rows + in->every - 1) / in->every);
    in->sample = malloc(in->sampled * (size_t)in->cols * sizeof *in->sample);
    if (!in->sample)
        return fail(in, "out of memory");
    for (size_t r = 0; r < in->sampled; r++)
        safetensor_floats(in->tensor, (uint64_t)r * in->every * in->cols, in->cols, in->sample + r * in->cols);
    return true;
}

static int by_size(const void *a, const void *b)
{
    const struct column *x = a, *y = b;
    if (x->amax != y->amax)
        return x->amax < y->amax ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

static bool sort_columns(struct inspect *in)
{
    in->sorted = malloc((size_t)in->cols * sizeof *in->sorted);
    if (!in->sorted)
        return fail(in, "out of memory");
    for (uint64_t c = 0; c < in->cols; c++)
        in->sorted[c] = (struct column){ c, in->maxima[c] };
    qsort(in->sorted, (size_t)in->cols, sizeof *in->sorted, by_size);
    return true;
}

static double times_median(const struct inspect *in, const struct column *column)
{
    double median = (double)in->sorted[in->cols / 2].amax;
    return median > 0 ? (double)column->amax / median : 0;
}

/* --- every format ------------------------------------------------------------------------------------------------- */

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
}

static bool round_sample(struct inspect *in, const struct format *f, const char *scale)
{
    struct recipe recipe;
    struct quant q;
    char why[160];
    const struct recipe_words words = { .format = f->name, .scale = scale };
    const struct progress progress = { .pool = in->env->pool };
    if (!recipe_parse(&words, &recipe, why, sizeof why))
        return true;
    recipe.isa = in->env->isa;
    enum kernel_status status = quantize(in->sample, in->sampled, (size_t)in->cols, &recipe, &progress, &q);
    if (status != KERNEL_OK)
        return fail(in, "cannot round to %s: %s", f->name, kernel_status_text(status));
    json_array_append_new(in->formats,
                          json_pack("{s:s, s:s, s:f, s:o, s:f}", "format", f->name, "scale", scale ? scale : f->scale,
                                    "bits_per_weight", q.bits_per_weight, "sqnr_db", number(q.sqnr_db),
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

static bool round_all(struct inspect *in)
{
    in->formats = json_array();
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        if (f->kind == FORMAT_POWER)    /* a scale, no number with a sign */
            continue;
        if (!round_sample(in, f, NULL) || (usual_scale(f) && !round_sample(in, f, usual_scale(f))) ||
            !tell(in, 0.5 + 0.5 * (double)(i + 1) / (double)format_count()))
            return false;
    }
    return true;
}

/* --- the portrait ------------------------------------------------------------------------------------------------- */

static bool has_values(const struct inspect *in)
{
    return in->sample && in->nonfinite < in->tensor->count;
}

static double largest(const struct inspect *in)
{
    return fmax(fabs(in->low), fabs(in->high));
}

static double deviation(const struct inspect *in)
{
    double n = (double)(in->tensor->count - in->nonfinite), mean = in->sum / n;
    double variance = in->squares / n - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}

static json_t *outliers(const struct inspect *in)
{
    json_t *columns = json_array();
    for (uint64_t i = 0; i < in->cols && i < 64 && times_median(in, &in->sorted[i]) >= OUTLIER_TIMES; i++)
        json_array_append_new(columns,
                              json_pack("{s:I, s:f, s:f}", "index", (json_int_t)in->sorted[i].index, "amax",
                                        (double)in->sorted[i].amax, "times", times_median(in, &in->sorted[i])));
    return columns;
}

static json_t *histogram(const struct inspect *in)
{
    double most = largest(in) > 0 ? largest(in) : 1;
    return json_pack("{s:f, s:f, s:o}", "from", -most, "to", most, "counts",
                     viewdata_bins(in->sample, in->sampled * (size_t)in->cols, -most, most, BINS));
}

/* Column maxima, at most POINTS: of neighbors the largest. With `places` the column that each point begins at. */
static json_t *maxima(const struct inspect *in, json_t *places)
{
    json_t *points = json_array();
    uint64_t n = in->cols < POINTS ? in->cols : POINTS;
    for (uint64_t p = 0; p < n; p++) {
        float most = 0;
        for (uint64_t c = p * in->cols / n; c < (p + 1) * in->cols / n; c++)
            most = in->maxima[c] > most ? in->maxima[c] : most;
        json_array_append_new(points, json_real((double)most));
        if (places)
            json_array_append_new(places, json_integer((json_int_t)(p * in->cols / n)));
    }
    return points;
}

static json_t *portrait(const struct inspect *in)
{
    json_t *all = line_of(in, in->tensor);
    if (!has_values(in))
        return all;
    double n = (double)in->tensor->count;
    json_object_set_new(all, "min", json_real(in->low));
    json_object_set_new(all, "max", json_real(in->high));
    json_object_set_new(all, "amax", json_real(largest(in)));
    json_object_set_new(all, "mean", json_real(in->sum / (n - (double)in->nonfinite)));
    json_object_set_new(all, "std", json_real(deviation(in)));
    json_object_set_new(all, "zero_fraction", json_real((double)in->zeros / n));
    json_object_set_new(all, "nonfinite", json_integer((json_int_t)in->nonfinite));
    json_object_set_new(all, "outlier_columns", outliers(in));
    json_object_set_new(all, "histogram", histogram(in));
    json_object_set_new(all, "column_maxima", maxima(in, NULL));
    json_object_set_new(all, "sampled_rows", json_integer((json_int_t)in->sampled));
    json_object_set(all, "formats", in->formats);
    return all;
}

static void add_fact(json_t *rows, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add_fact(json_t *rows, const char *what, const char *format, ...)
{
    char value[200];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    json_array_append_new(rows, json_pack("[s, s]", what, value));
}

static json_t *facts(const struct inspect *in)
{
    char shape[200], bytes[40];
    const struct safetensor *t = in->tensor;
    json_t *rows = json_array();
    add_fact(rows, "shape", "%s", shape_text(t, shape, sizeof shape));
    add_fact(rows, "type", "%s, %.4g bits a value", t->dtype->name, bits_of(t));
    add_fact(rows, "size", "%s", bytes_text((double)t->bytes, bytes, sizeof bytes));
    if (has_values(in)) {
        double n = (double)t->count;
        add_fact(rows, "range", "%.4g to %.4g", in->low, in->high);
        add_fact(rows, "mean, deviation", "%.4g, %.4g", in->sum / (n - (double)in->nonfinite), deviation(in));
        add_fact(rows, "zeros", "%.3g %%", 100 * (double)in->zeros / n);
    }
    if (in->nonfinite)
        add_fact(rows, "not finite", "%llu", (unsigned long long)in->nonfinite);
    return json_pack("{s:s, s:o}", "view", "table", "rows", rows);
}

static json_t *marks(const struct inspect *in)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < in->cols && i < MARKS && times_median(in, &in->sorted[i]) >= OUTLIER_TIMES; i++) {
        char label[64];
        snprintf(label, sizeof label, "column %llu: %.3g x", (unsigned long long)in->sorted[i].index,
                 times_median(in, &in->sorted[i]));
        json_array_append_new(list, json_pack("{s:I, s:s}", "at", (json_int_t)in->sorted[i].index, "label", label));
    }
    return list;
}

static void add_figures(const struct inspect *in, json_t *blocks)
{
    const struct viewdata_matrix m = { in->sampled, (size_t)in->cols, in->sample, NULL };
    json_t *bins = histogram(in), *places = json_array(), *points = maxima(in, places);
    json_object_set_new(bins, "view", json_string("hist"));
    json_object_set_new(bins, "title", json_string("values"));
    json_array_append_new(blocks, bins);
    if (in->cols > 1)
        json_array_append_new(
            blocks, json_pack("{s:s, s:s, s:[{s:s, s:O, s:O, s:s}], s:{s:s}, s:{s:s}}", "view", "plot", "title",
                              "the largest |x| of each column", "series", "label", "largest |x|", "x", places, "y",
                              points, "role", "outcome", "x", "label", "column", "y", "label", "|x|"));
    json_t *heat = json_pack("{s:s, s:s, s:s, s:s, s:o}", "view", "heat", "title", "|x|", "row", "row", "column",
                             "column", "marks", marks(in));
    if (!viewdata_heat(heat, &m))
        json_array_append(blocks, heat);
    json_decref(heat);
    json_decref(places);
    json_decref(points);
}

static json_t *format_table(const struct inspect *in)
{
    json_t *rows = json_array(), *row;
    size_t i;
    json_array_foreach(in->formats, i, row) {
        char bits[24], db[32], zeros[24];
        double sqnr = view_number(row, "sqnr_db", NAN);
        snprintf(bits, sizeof bits, "%.4g", view_number(row, "bits_per_weight", 0));
        snprintf(db, sizeof db, isinf(sqnr) ? "exact" : "%.2f dB", sqnr);
        snprintf(zeros, sizeof zeros, "%.3g %%", 100 * view_number(row, "zero_fraction", 0));
        json_array_append_new(rows, json_pack("[s, s, s, s, s]", view_text(row, "format", ""),
                                              view_text(row, "scale", ""), bits, db, zeros));
    }
    return json_pack("{s:s, s:[s, s, s, s, s], s:o}", "view", "table", "columns", "format", "scale", "bits a value",
                     "SQNR", "zeros", "rows", rows);
}

static json_t *portrait_blocks(const struct inspect *in)
{
    json_t *blocks = json_array();
    json_array_append_new(blocks, json_pack("{s:s, s:s}", "view", "heading", "text", name_of(in, in->tensor)));
    json_array_append_new(blocks, facts(in));
    if (!dtype_loads(in->tensor->dtype))
        json_array_append_new(blocks, prose("Values of type %s cannot be decoded here.", in->tensor->dtype->name));
    if (!has_values(in))
        return blocks;
    if (in->every > 1)
        json_array_append_new(blocks,
                              prose("Range and columns are of all rows; what follows is of %zu rows, each %zu-th.",
                                    in->sampled, in->every));
    add_figures(in, blocks);
    json_array_append_new(blocks, format_table(in));
    return blocks;
}

static bool read_tensor(struct inspect *in)
{
    in->rows = tensorfile_rows(in->tensor);
    in->cols = tensorfile_cols(in->tensor);
    if (!in->tensor->count || !dtype_loads(in->tensor->dtype))
        return true;
    if (in->cols > COLUMNS_MOST)
        return fail(in, "tensor '%.120s' has rows of %llu values, up to %d are looked at", name_of(in, in->tensor),
                    (unsigned long long)in->cols, COLUMNS_MOST);
    in->maxima = calloc((size_t)in->cols, sizeof *in->maxima);
    if (!in->maxima)
        return fail(in, "out of memory");
    if (!read_all(in) || !take_sample(in) || !sort_columns(in))
        return false;
    return in->nonfinite == in->tensor->count || round_all(in);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static json_t *reply_of(json_t *report, json_t *blocks)
{
    return json_pack("{s:o, s:o}", "inspect", report, "blocks", blocks);
}

json_t *inspectjob_run(const json_t *request, const struct inspectjob_env *env, char *error, size_t size)
{
    const char *name = view_text(request, "tensor", NULL);
    struct inspect in = { .env = env, .request = request, .error = error, .size = size };
    json_t *reply = NULL;
    in.file = tensorfile_open(view_text(request, "path", ""), error, size);
    if (in.file && (!name || is_pattern(name))) {
        json_t *all = list(&in, name);
        reply = reply_of(all, list_blocks(&in, all));
    } else if (in.file && (in.tensor = tensorfile_find(in.file, name, error, size)) && read_tensor(&in)) {
        reply = reply_of(portrait(&in), portrait_blocks(&in));
    }
    tensorfile_close(in.file);
    free(in.maxima);
    free(in.sorted);
    free(in.sample);
    json_decref(in.formats);
    return reply;
}
