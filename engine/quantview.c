/* quantview.c: see quantview.h. Blocks are in the order of a first look: one line, the picture, then the rest. */
#include "engine/quantview.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/view.h"
#include "engine/viewdata.h"
#include "engine/viewtext.h"

enum {
    BINS_MOST = 128,    /* of a histogram */
    TICKS_MOST = 256,   /* levels under it */
    NAME_MOST = 100,    /* bytes of a file's name that are shown */
};

/* --- in words ----------------------------------------------------------------------------------------------------- */

/* An error of so many dB as a share of the signal's magnitude: 20 dB are 10 %. */
static double percent_of(double db)
{
    return 100 * pow(10, -db / 20);
}

static json_t *headline(const struct quantview *v)
{
    char text[240], db[32], output[64] = "";
    const char *scale = view_text(v->report, "scale", ""), *method = view_text(v->report, "method", "");
    bool own = v->recipe->format->block != 0, plain = strcmp(method, "rtn") == 0;
    if (v->tokens)
        snprintf(output, sizeof output, ", output %s",
                 viewtext_decibels(view_number(v->report, "output_sqnr_db", 0), 1, db, sizeof db));
    snprintf(text, sizeof text, "%s%s%s%s%s · %.4g bits/weight · %s%s", v->recipe->format->name, own ? "" : " ",
             own ? "" : scale, plain ? "" : " ", plain ? "" : method, view_number(v->report, "bits_per_weight", 0),
             viewtext_decibels(view_number(v->report, "sqnr_db", 0), 1, db, sizeof db), output);
    return json_pack("{s:s, s:s}", "view", "heading", "text", text);
}

static json_t *summary(const struct quantview *v)
{
    char output[120] = "", error[80] = "nothing was lost";
    double bits = view_number(v->report, "bits_per_weight", 0), sqnr = view_number(v->report, "sqnr_db", 0);
    double before = 8.0 * (double)v->tensor->bytes / (double)v->tensor->count;
    if (!isinf(sqnr))
        snprintf(error, sizeof error, "RMS error %.3g %%", percent_of(sqnr));
    if (v->tokens)
        snprintf(output, sizeof output, ", of the output %.3g %% (%zu tokens)",
                 percent_of(view_number(v->report, "output_sqnr_db", 0)), v->tokens);
    return viewtext_prose("%.3g times %s than %s of %.4g bits; %s%s.", before > bits ? before / bits : bits / before,
                          before > bits ? "smaller" : "larger", v->tensor->dtype->name, before, error, output);
}

static json_t *written(const struct quantview *v)
{
    const char *slash = strrchr(v->out, '/');
    return viewtext_prose("Written: %.*s.", NAME_MOST, slash ? slash + 1 : v->out);
}

/* --- how values met the codes ------------------------------------------------------------------------------------- */

/* The bins of a histogram: those of counts[0..n) from `first` to `last` joined `merge` at a time. A new list. */
static json_t *joined(const double *counts, size_t n, long first, long last, long merge)
{
    json_t *list = json_array();
    for (long at = first; at <= last; at += merge) {
        double sum = 0;
        for (long i = at; i < at + merge; i++)
            sum += i >= 0 && i < (long)n ? counts[i] : 0;
        json_array_append_new(list, json_real(sum));
    }
    return list;
}

/* The first and the last bin that is not empty, in either list; false where all are. */
static bool used(const double *a, const double *b, size_t n, long *first, long *last)
{
    *first = -1;
    for (size_t i = 0; i < n; i++)
        if (a[i] > 0 || (b && b[i] > 0)) {
            *first = *first < 0 ? (long)i : *first;
            *last = (long)i;
        }
    return *first >= 0;
}

/* Levels that codes can have between the ends of the picture, few enough to be told apart. */
static json_t *ticks(const struct quantview *v, bool affine, double from, double to)
{
    static float values[TICKS_MOST];
    const struct format *f = v->recipe->format;
    json_t *list = json_array();
    size_t n = 0;
    if (affine || v->recipe->zero == ZERO_FULL) {
        int low = affine ? 0 : -f->code_max - 1;
        for (int code = low; code < low + (1 << f->bits); code++)
            values[n++] = (float)code;
    } else if (f->bits <= 8)
        n = format_values(f, -f->largest - 1, f->largest, values, TICKS_MOST);
    for (size_t i = 0; i < n && i < TICKS_MOST; i++)
        if ((double)values[i] >= from && (double)values[i] <= to)
            json_array_append_new(list, json_real((double)values[i]));
    return list;
}

/* How many codes are used, and the entropy of their use. Nothing to say of wide formats. */
static void about_codes(const struct quantview *v, char *out, size_t size)
{
    double all = 0, bits = 0;
    int count = 0;
    *out = '\0';
    if (v->recipe->format->bits > 8)
        return;
    for (size_t i = 0; i < QUANTLOOK_CODES; i++)
        all += v->look->codes[i];
    for (size_t i = 0; i < QUANTLOOK_CODES; i++)
        if (v->look->codes[i] > 0) {
            count++;
            bits -= v->look->codes[i] / all * log2(v->look->codes[i] / all);
        }
    snprintf(out, size, "%d of %d codes are used: %.3g bits of information a code.", count,
             1 << v->recipe->format->bits, bits);
}

/* Codes that no value took are shown too, where a scale was to reach them. */
static void reach_ends(const struct quantview *v, double width, long *first, long *last)
{
    double low, high;
    if (v->look->scale_count == 0)
        return; /* nothing was to reach them */
    quantlook_ends(v->recipe, &low, &high);
    long lowest = (long)((low + v->look->reach) / width), highest = (long)((high + v->look->reach) / width);
    *first = lowest < *first ? lowest : *first;
    *last = highest > *last ? highest : *last;
}

static json_t *levels(const struct quantview *v)
{
    const struct quantlook *look = v->look;
    const char *name = v->recipe->format->name;
    char note[160], title[160];
    long first, last = 0, merge = 2;
    double width = 2 * look->reach / QUANTLOOK_BINS;
    bool affine = v->recipe->zero >= ZERO_AWQ;
    if (!used(look->before, look->after, QUANTLOOK_BINS, &first, &last))
        return NULL;
    reach_ends(v, width, &first, &last);
    while ((last - first) / merge + 2 > BINS_MOST)
        merge *= 2;
    first = (first + merge / 2) / merge * merge - merge / 2; /* a level lies in the middle of its bin */
    long bins = (last - first) / merge + 1;
    double from = (double)first * width - look->reach, to = from + (double)(bins * merge) * width;
    if (look->scale_count > 0)
        snprintf(title, sizeof title, "values in units of %s, and the codes of %s that they became",
                 look->scale_count > 1 ? "their scales" : "the scale", name);
    else
        snprintf(title, sizeof title, "the values, and what %s made of them", name);
    about_codes(v, note, sizeof note);
    return json_pack("{s:s, s:s, s:f, s:f, s:o, s:o, s:o, s:s}", "view", "hist", "title", title, "from", from, "to", to,
                     "counts", joined(look->before, QUANTLOOK_BINS, first, last, merge), "after",
                     joined(look->after, QUANTLOOK_BINS, first, last, merge), "values", ticks(v, affine, from, to),
                     "note", note);
}

/* --- whose error it is -------------------------------------------------------------------------------------------- */

static json_t *fates(const struct quantview *v)
{
    /* ORDER QUANTLOOK_FATE */
    static const char *const names[QUANTLOOK_FATES] = { "rounded to a neighbor", "became 0", "clipped" };
    json_t *bars = json_array();
    double noise = 0, count = 0;
    for (int i = 0; i < QUANTLOOK_FATES; i++) {
        noise += v->look->noise[i];
        count += v->look->count[i];
    }
    if (!(noise > 0) || !isfinite(noise)) {
        json_decref(bars);
        return NULL;
    }
    for (int i = 0; i < QUANTLOOK_FATES; i++) {
        char note[60];
        snprintf(note, sizeof note, "of the error, from %.3g %% of the values", 100 * v->look->count[i] / count);
        json_array_append_new(bars, json_pack("{s:s, s:f, s:s, s:s}", "label", names[i], "value",
                                              100 * v->look->noise[i] / noise, "role",
                                              i == QUANTLOOK_ROUNDED ? "value" : "wrong", "note", note));
    }
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:o}", "view", "bars", "title", "whose error it is", "unit", "%",
                     "from", 0.0, "to", 100.0, "bars", bars);
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

static json_t *details(const struct quantview *v)
{
    const struct recipe *r = v->recipe;
    char clip[40], count[40];
    json_t *rows = json_array();
    double values = (double)v->tensor->count, alpha = view_number(v->report, "alpha", NAN);
    recipe_print_clip(r->clip, clip, sizeof clip);
    viewtext_fact(rows, "format", "%s", r->format->title);
    viewtext_fact(rows, "method", "%s", v->method->title);
    if (r->zero != ZERO_NONE)
        viewtext_fact(rows, "zero-point", "%s", zero_point_name(r->zero));
    if (r->clip.kind != CLIP_NONE)
        viewtext_fact(rows, "clip", "%s", clip);
    if (isfinite(alpha))
        viewtext_fact(rows, "alpha", "%.2f", alpha);
    if (json_object_get(v->report, "kept_columns"))
        viewtext_fact(rows, "columns in FP16", "%.0f of %zu", view_number(v->report, "kept_columns", 0),
                      v->look->cols);
    viewtext_fact(rows, "became 0", "%.3g %% (before: %.3g %%)", 100 * view_number(v->report, "zero_fraction", 0),
                  100 * v->look->zeros / values);
    viewtext_fact(rows, "clipped", "%.3g %%", 100 * view_number(v->report, "clipped_fraction", 0));
    viewtext_fact(rows, "largest error", "%.4g", view_number(v->report, "max_abs_error", NAN));
    if (view_number(v->report, "nonfinite", 0) > 0)
        viewtext_fact(rows, "not finite", "%s", view_format(view_number(v->report, "nonfinite", 0), count,
                                                            sizeof count));
    if (json_object_get(v->report, "last_group"))
        viewtext_fact(rows, "last group of a row", "shorter: %.0f values", view_number(v->report, "last_group", 0));
    return viewtext_facts(rows);
}

/* Several scales, by size. */
static json_t *scales(const struct quantlook *look)
{
    char low[32], high[32], count[32], title[200];
    long first, last = 0, merge = 1;
    if (look->scale_count < 2 || !used(look->scales, NULL, QUANTLOOK_SCALES, &first, &last))
        return NULL;
    while ((last - first) / merge + 2 > BINS_MOST)
        merge *= 2;
    first = first / QUANTLOOK_OCTAVE * QUANTLOOK_OCTAVE;
    last = (last / QUANTLOOK_OCTAVE + 1) * QUANTLOOK_OCTAVE - 1;
    snprintf(title, sizeof title, "%s scales from %s to %s: %.3g times; by their power of two",
             view_format(look->scale_count, count, sizeof count), view_format(look->scale_low, low, sizeof low),
             view_format(look->scale_high, high, sizeof high), look->scale_high / look->scale_low);
    return json_pack("{s:s, s:s, s:f, s:f, s:o}", "view", "hist", "title", title, "from",
                     QUANTLOOK_LEAST + (double)first / QUANTLOOK_OCTAVE, "to",
                     QUANTLOOK_LEAST + (double)(last + 1) / QUANTLOOK_OCTAVE, "counts",
                     joined(look->scales, QUANTLOOK_SCALES, first, last, merge));
}

static void add_parts(const struct quantview *v, json_t *rows, const char *what, const struct quantlook_part *part,
                      size_t count)
{
    double noise = 0;
    for (int i = 0; i < QUANTLOOK_FATES; i++)
        noise += v->look->noise[i];
    for (size_t i = 0; i < count; i++) {
        char name[48], db[32], share[32];
        snprintf(name, sizeof name, "%s %zu", what, part[i].index);
        snprintf(share, sizeof share, "%.3g %%", 100 * part[i].noise / noise);
        json_array_append_new(rows, json_pack("[s, s, s]", name,
                                              viewtext_decibels(sqnr_db(part[i].signal, part[i].noise), 1, db,
                                                                sizeof db), share));
    }
}

/* Where relative errors are the largest. */
static json_t *worst(const struct quantview *v, const struct quantlook_part *columns, size_t count)
{
    json_t *rows = json_array();
    add_parts(v, rows, "row", v->look->worst, v->look->worst_count);
    add_parts(v, rows, "column", columns, count);
    return json_pack("{s:s, s:[s, s, s], s:o}", "view", "table", "columns", "worst of all", "SQNR",
                     "share of the error", "rows", rows);
}

/* Sixteen linear levels: what is half as bright has a quarter of the error's power. */
static json_t *map_rows(const struct quantlook *look, double high)
{
    json_t *lines = json_array();
    char line[VIEWDATA_COLS];
    for (size_t r = 0; r < look->map_rows; r++) {
        for (size_t c = 0; c < look->map_cols; c++) {
            double level = 15 * quantlook_cell(look, r * look->map_cols + c) / high;
            line[c] = isnan(level) ? 'n' : "0123456789abcdef"[level < 15 ? (int)(level + 0.5) : 15];
        }
        json_array_append_new(lines, json_stringn(line, look->map_cols));
    }
    return lines;
}

static json_t *map(const struct quantview *v, const struct quantlook_part *columns, size_t count)
{
    const struct quantlook *look = v->look;
    double high = 0;
    json_t *marks = json_array();
    for (size_t i = 0; i < look->map_rows * look->map_cols; i++) {
        double size = quantlook_cell(look, i);
        high = isfinite(size) && size > high ? size : high;
    }
    for (size_t i = 0; i < count; i++) {
        char label[48];
        snprintf(label, sizeof label, "column %zu", columns[i].index);
        json_array_append_new(marks, json_pack("{s:I, s:s}", "at", (json_int_t)columns[i].index, "label", label));
    }
    json_t *rows = map_rows(look, high > 0 ? high : 1);
    json_t *block = json_pack("{s:s, s:s, s:s, s:s, s:o, s:[I, I], s:o}", "view", "heat", "title",
                              "where the error is", "measure", "RMS error", "low", "0", "rows", rows, "shape",
                              (json_int_t)look->rows, (json_int_t)look->cols, "marks", marks);
    viewdata_label(block, "high", "", high);
    if (v->tokens) {
        json_object_set_new(block, "row", json_string("output"));
        json_object_set_new(block, "column", json_string("input"));
    }
    return block;
}

/* Takes a block over, if there is one. */
static void add(json_t *list, json_t *block)
{
    if (block)
        json_array_append_new(list, block);
}

json_t *quantview_blocks(const struct quantview *v)
{
    struct quantlook_part columns[QUANTLOOK_WORST];
    size_t count = quantlook_columns(v->look, columns);
    bool matrix = v->look->rows > 1 && v->look->cols > 1, lossy = v->look->worst_count > 0;
    json_t *list = json_array();
    add(list, headline(v));
    add(list, summary(v));
    if (v->out)
        add(list, written(v));
    add(list, levels(v));
    add(list, fates(v));
    add(list, details(v));
    if (matrix && lossy)
        add(list, worst(v, columns, count));
    add(list, scales(v->look));
    if (matrix && lossy)
        add(list, map(v, columns, count));
    return list;
}
