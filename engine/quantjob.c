/* quantjob.c: from a file's tensor to codes, figures and an output file.
 * One block of rows at a time: read as floats, rounded by the method, written, counted. A method that must see
 * everything gets one block. */
#include "engine/quantjob.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/device.h"
#include "engine/quantview.h"
#include "engine/safetensors_write.h"
#include "engine/tensorfile.h"
#include "engine/view.h"
#include "engine/viewtext.h"
#include "kernels/method.h"

enum {
    BLOCK_VALUES = 1 << 24, /* 64 MiB of floats */
    GROUPS_SHOWN = 64,
};

enum part { PART_CODES, PART_SCALES, PART_ZEROS, PART_TENSOR, PART_DEQUANT, PART_INPUT, PART_KEPT, PART_GROUP, PARTS };

struct job {
    const struct quantjob_env *env;
    const json_t              *request;
    char                      *error;
    size_t                     size;

    struct tensorfile         *file, *calib_file;
    const struct safetensor   *tensor;
    size_t                     rows, cols, block; /* block: rows at a time */
    const struct method       *method;
    struct method_task         task;
    float                     *values, *calib;

    struct safetensors_writer  writer;
    int                        part[PARTS];       /* number of each in the writer, -1: not written */

    size_t                     done;              /* rows */
    struct quantlook          *look;              /* where a screen asks; or NULL */
    struct error_sums          sums;
    size_t                     zeros, clipped, nonfinite, bytes, kept;
    float                      amax;
    double                     alpha, output_sqnr_db, seconds;
    bool                       has_output;
};

static bool fail(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool fail(struct job *job, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(job->error, job->size, format, args);
    va_end(args);
    return false;
}

static const char *text(const struct job *job, const char *name)
{
    return view_text(job->request, name, NULL);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static bool read_recipe(struct job *job)
{
    const struct recipe_words words = {
        .format = text(job, "format"), .scale = text(job, "scale"), .zero_point = text(job, "zero_point"),
        .clip = text(job, "clip"), .mx = text(job, "mx"), .rounding = text(job, "rounding"),
        .overflow = text(job, "overflow"),
    };
    if (!words.format)
        return fail(job, "quantize needs --format, as in --format int8");
    if (!recipe_parse(&words, &job->task.weights, job->error, job->size))
        return false;
    job->task.weights.isa = job->task.isa = job->env->isa;
    job->task.weights.gpu = job->env->gpu;
    job->task.weights.seed = strtoull(view_text(job->request, "seed", "0"), NULL, 0);
    return true;
}

/* LLM.int8() and SmoothQuant are about rounded inputs: the same format, a scale a token. */
static bool read_activations(struct job *job)
{
    const struct format *f = job->task.weights.format;
    const struct recipe_words words = { .format = f->name, .scale = f->block || strcmp(f->scale, "none") == 0 ? NULL
                                                                                                            : "token" };
    if (strcmp(job->method->name, "llm-int8") != 0 && strcmp(job->method->name, "smoothquant") != 0)
        return true;
    if (!recipe_parse(&words, &job->task.activations, job->error, job->size))
        return false;
    job->task.activations.isa = job->env->isa;
    job->task.activations.gpu = job->env->gpu;
    return true;
}

static bool read_method(struct job *job)
{
    const char *name = view_text(job->request, "method", "rtn");
    char known[160] = "";
    job->method = method_find(name);
    for (size_t i = 0; i < method_count(); i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", method_at(i)->name);
    if (!job->method)
        return fail(job, "unknown method '%.40s': use %s", name, known);
    const json_t *alpha = json_object_get(job->request, "alpha");
    job->task.fixed = alpha != NULL;
    job->task.alpha = json_number_value(alpha);
    job->task.damp = view_number(job->request, "damp", 0);
    job->task.act_order = view_flag(job->request, "act_order");
    if (alpha && strcmp(name, "smoothquant") != 0 && strcmp(name, "awq") != 0)
        return fail(job, "--alpha belongs to the methods smoothquant and awq, not to '%s'", name);
    if ((job->task.act_order || job->task.damp > 0) && strcmp(name, "gptq") != 0)
        return fail(job, "%s belongs to the method gptq, not to '%s'",
                    job->task.act_order ? "--act-order" : "--damp", name);
    return read_activations(job);
}

static const struct safetensor *open_tensor(struct job *job, const char *path, const char *name,
                                            struct tensorfile **file)
{
    *file = tensorfile_open(path, job->error, job->size);
    const struct safetensor *tensor = *file ? tensorfile_find(*file, name, job->error, job->size) : NULL;
    if (tensor && tensor->count > SIZE_MAX / 64) {
        fail(job, "tensor '%.120s' is too large", tensor->name);
        return NULL;
    }
    if (tensor && !dtype_loads(tensor->dtype)) {
        fail(job, "tensor '%.120s' is of type %s, whose values cannot be decoded here", tensor->name,
             tensor->dtype->name);
        return NULL;
    }
    if (tensor && !tensor->count) {
        fail(job, "tensor '%.120s' is empty: there is nothing to round", *tensor->name ? tensor->name : path);
        return NULL;
    }
    return tensor;
}

static bool read_calibration(struct job *job)
{
    const char *path = text(job, "calib");
    if (!path && job->method->calibrated)
        return fail(job, "method '%s' needs --calib FILE TENSOR: inputs of this layer, [tokens, %zu]",
                    job->method->name, job->cols);
    const struct safetensor *x = path ? open_tensor(job, path, text(job, "calib_tensor"), &job->calib_file) : NULL;
    if (!path || !x)
        return !path;
    size_t tokens = (size_t)tensorfile_rows(x), features = (size_t)tensorfile_cols(x);
    if (features != job->cols)
        return fail(job, "--calib has %zu features a token, but the weights take %zu", features, job->cols);
    job->calib = malloc(tokens * features * sizeof *job->calib);
    if (!job->calib)
        return fail(job, "out of memory: the calibration inputs need %.3g GiB",
                    (double)tokens * (double)features * 0x1p-28);
    safetensor_floats(x, 0, tokens * features, job->calib);
    job->task.x = job->calib;
    job->task.tokens = tokens;
    return true;
}

/* --- blocks of rows ----------------------------------------------------------------------------------------------- */

static enum scale_kind kind_of(const struct recipe *r)
{
    return r->format->block && r->scale.kind != SCALE_NONE ? recipe_scale(r->format).kind : r->scale.kind;
}

/* Whether rows can be rounded without seeing all of them; for scales that span the tensor its amax is enough, if no
 * clip and no zero-point asks for more, and if the method leaves the values as they are. */
static bool streams(const struct job *job)
{
    const struct recipe *r = &job->task.weights;
    enum scale_kind kind = kind_of(r);
    bool spans = kind == SCALE_TENSOR || kind == SCALE_TWO_LEVEL, plain = strcmp(job->method->name, "rtn") == 0;
    if (!job->method->rows || kind == SCALE_DOUBLE || job->calib)
        return false;
    return !spans || (plain && r->zero < ZERO_AWQ && (kind != SCALE_TENSOR || r->clip.kind == CLIP_NONE));
}

static bool plan_blocks(struct job *job)
{
    const struct recipe *r = &job->task.weights;
    size_t band = kind_of(r) == SCALE_TILE ? r->scale.rows : 1;
    size_t values = job->env->block_values ? job->env->block_values : BLOCK_VALUES;
    size_t most = values / job->cols / band * band;
    job->block = streams(job) ? most > band ? most : band : job->rows;
    job->block = job->block < job->rows ? job->block : job->rows;
    job->values = malloc(job->block * job->cols * sizeof *job->values);
    return job->values || fail(job, "out of memory: %zu x %zu values need %.3g GiB as floats", job->block, job->cols,
                               (double)job->block * (double)job->cols * 0x1p-28);
}

/* The next block's rows, 0 after the last. */
static size_t read_block(struct job *job)
{
    size_t rows = job->rows - job->done < job->block ? job->rows - job->done : job->block;
    if (rows)
        safetensor_floats(job->tensor, job->done * job->cols, rows * job->cols, job->values);
    return rows;
}

static bool tick_block(void *ctx, double fraction)
{
    struct job *job = ctx;
    double share = (double)(job->rows - job->done < job->block ? job->rows - job->done : job->block);
    return job->env->progress(job->env->ctx, ((double)job->done + fraction * share) / (double)job->rows);
}

/* The first of two passes, where scales span a tensor that does not come at once. */
static bool find_amax(struct job *job)
{
    enum scale_kind kind = kind_of(&job->task.weights);
    if (job->block == job->rows || (kind != SCALE_TENSOR && kind != SCALE_TWO_LEVEL))
        return true;
    for (size_t rows; (rows = read_block(job)); job->done += rows) {
        float most = quant_amax(job->values, rows * job->cols);
        job->task.weights.amax = most > job->task.weights.amax ? most : job->task.weights.amax;
        if (!job->env->progress(job->env->ctx, 0))
            return fail(job, "canceled");
    }
    job->done = 0;
    return true;
}

/* --- the output file ---------------------------------------------------------------------------------------------- */

static bool wants(const struct job *job, const char *what)
{
    const char *list = view_text(job->request, "emit", "codes,scales,dequant");
    size_t n = strlen(what);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, what, n) == 0 && (at[n] == ',' || !at[n]))
            return true;
    return false;
}

static bool check_emit(struct job *job)
{
    const char *list = text(job, "emit");
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        int n = (int)strcspn(at, ",");
        if ((n != 5 || strncmp(at, "codes", 5) != 0) && (n != 6 || strncmp(at, "scales", 6) != 0) &&
            (n != 7 || strncmp(at, "dequant", 7) != 0))
            return fail(job, "cannot emit '%.*s': use codes, scales, dequant", n > 40 ? 40 : n, at);
    }
    return !list || job->env->out || fail(job, "--emit needs --out FILE.safetensors");
}

static void add_part(struct job *job, enum part part, const char *name, const char *dtype, int rank,
                     const uint64_t *shape)
{
    job->part[part] = safetensors_add(&job->writer, name, dtype, rank, shape);
}

static json_t *metadata(const struct job *job)
{
    const struct recipe *r = &job->task.weights;
    char scale[40], clip[40];
    scale_print(r->scale, scale, sizeof scale);
    recipe_print_clip(r->clip, clip, sizeof clip);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "format", r->format->name, "scale", scale, "zero_point",
                     zero_point_name(r->zero), "clip", clip, "method", job->method->name);
}

/* What the first block shows of the whole: every later one is laid out alike. */
static bool begin_output(struct job *job, const struct method_result *result)
{
    const struct quant *q = &result->q;
    const uint64_t one = 1, inputs = job->cols;
    bool one_scale = kind_of(&q->recipe) == SCALE_TENSOR;
    uint64_t groups[2] = { one_scale ? 1 : (job->rows + q->tile_rows - 1) / q->tile_rows, q->scales_per_row };
    static const char *const codes[] = { NULL, "U8", "U16", NULL, "U32" };
    job->writer.fd = job->env->out->fd;
    if (wants(job, "codes"))
        add_part(job, PART_CODES, "codes", codes[format_code_bytes(q->recipe.format)], job->tensor->rank,
                 job->tensor->shape);
    if (wants(job, "scales") && q->scale_count) {
        add_part(job, PART_SCALES, "scales", "F32", 2, groups);
        if (q->zeros)
            add_part(job, PART_ZEROS, "zeros", "F32", 2, groups);
        if (kind_of(&q->recipe) == SCALE_TWO_LEVEL)
            add_part(job, PART_TENSOR, "tensor_scale", "F32", 1, &one);
    }
    if (wants(job, "dequant"))
        add_part(job, PART_DEQUANT, "dequant", "F32", job->tensor->rank, job->tensor->shape);
    if (result->divide)
        add_part(job, PART_INPUT, "input_scale", "F32", 1, &inputs);
    if (result->kept)
        add_part(job, PART_KEPT, "kept", "U8", 1, &inputs);
    if (result->group_of)
        add_part(job, PART_GROUP, "group_index", "U32", 1, &inputs);
    json_t *about = metadata(job);
    bool done = safetensors_begin(&job->writer, about);
    json_decref(about);
    return done || fail(job, "cannot write the output: %s", strerror(errno));
}

static bool put(struct job *job, enum part part, const void *data, size_t bytes)
{
    if (job->part[part] < 0 || safetensors_put(&job->writer, job->part[part], data, bytes))
        return true;
    return fail(job, "cannot write the output: %s", strerror(errno));
}

/* Block scales of two levels without the tensor's; every other kind as used. */
static bool put_scales(struct job *job, const struct quant *q)
{
    const struct format *e4m3 = format_find("e4m3");
    bool once = job->done && q->scale_count == 1 && kind_of(&q->recipe) == SCALE_TENSOR;
    if (once || job->part[PART_SCALES] < 0)
        return true;
    if (job->part[PART_TENSOR] < 0)
        return put(job, PART_SCALES, q->scales, q->scale_count * sizeof *q->scales);
    for (size_t first = 0; first < q->scale_count; first += GROUPS_SHOWN) {
        float scales[GROUPS_SHOWN];
        size_t n = q->scale_count - first < GROUPS_SHOWN ? q->scale_count - first : GROUPS_SHOWN;
        for (size_t i = 0; i < n; i++)
            scales[i] = format_decode(e4m3, q->stored[first + i]);
        if (!put(job, PART_SCALES, scales, n * sizeof *scales))
            return false;
    }
    return job->done || put(job, PART_TENSOR, &q->tensor_scale, sizeof q->tensor_scale);
}

static bool write_block(struct job *job, const struct method_result *result)
{
    const struct quant *q = &result->q;
    size_t n = q->rows * q->cols;
    if (!job->env->out)
        return true;
    if (!job->done && !begin_output(job, result))
        return false;
    return put(job, PART_CODES, q->codes, n * format_code_bytes(q->recipe.format)) && put_scales(job, q) &&
           put(job, PART_ZEROS, q->zeros, q->scale_count * sizeof *q->zeros) &&
           put(job, PART_DEQUANT, result->weights, n * sizeof *result->weights) &&
           put(job, PART_INPUT, result->divide, q->cols * sizeof *result->divide) &&
           put(job, PART_KEPT, result->kept, q->cols) &&
           put(job, PART_GROUP, result->group_of, q->cols * sizeof *result->group_of);
}

/* --- rounding ----------------------------------------------------------------------------------------------------- */

static void count_block(struct job *job, const struct method_result *result)
{
    const struct quant *q = &result->q;
    enum scale_kind kind = kind_of(&q->recipe);
    job->sums.signal += result->error.signal;
    job->sums.noise += result->error.noise;
    job->sums.count += result->error.count;
    if (!(result->error.max_abs <= job->sums.max_abs))
        job->sums.max_abs = result->error.max_abs;
    for (size_t i = 0; i < q->rows * q->cols; i++)
        job->zeros += result->weights[i] == 0;
    job->clipped += q->clipped;
    job->nonfinite += q->nonfinite;
    job->amax = fmaxf(job->amax, q->amax);
    job->bytes += result->bytes - (job->done && (kind == SCALE_TENSOR || kind == SCALE_TWO_LEVEL) ? sizeof(float) : 0);
    job->alpha = result->alpha;
    job->kept = result->kept_count;
}

static bool status_problem(struct job *job, enum kernel_status status)
{
    if (status == KERNEL_CANCELED)
        return fail(job, "canceled");
    return fail(job, "cannot quantize: %s", kernel_status_text(status));
}

static bool round_block(struct job *job, size_t rows)
{
    struct method_result result;
    struct meter meter;
    const struct progress progress = { .tick = tick_block, .ctx = job, .pool = job->env->pool };
    double began = seconds_now();
    job->task.w = job->values;
    job->task.out = rows;
    job->task.weights.first = job->done * job->cols;
    if (!method_check(job->method, &job->task, job->error, job->size))
        return false;
    enum kernel_status status = method_run(job->method, &job->task, &progress, &result);
    job->seconds += seconds_now() - began;
    if (status != KERNEL_OK)
        return status_problem(job, status);
    if (job->calib) {
        status = method_measure(&result, job->values, job->calib, job->task.tokens, NULL, &meter);
        job->output_sqnr_db = meter.sqnr_db;
        job->has_output = true;
    }
    bool done = status == KERNEL_OK ? write_block(job, &result) : status_problem(job, status);
    if (done)
        count_block(job, &result);
    if (done && job->look)
        quantlook_take(job->look, job->values, &result);
    method_free(&result);
    return done;
}

static bool round_all(struct job *job)
{
    for (size_t rows; (rows = read_block(job)); job->done += rows)
        if (!round_block(job, rows))
            return false;
    size_t n = job->rows * job->cols;
    const char *name = *job->tensor->name ? job->tensor->name : text(job, "path");
    if (job->nonfinite == n)
        return fail(job, "no value of tensor '%.120s' is finite: there is nothing to round", name);
    if (job->amax == 0)
        return fail(job, "every value of tensor '%.120s' is 0: there is nothing to round", name);
    return true;
}

/* --- what came of it ---------------------------------------------------------------------------------------------- */

static json_t *shape_of(const struct safetensor *tensor)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    return shape;
}

/* Values in the last group of a row, where that is shorter than the others; else 0. */
static size_t short_group(const struct job *job)
{
    const struct recipe *r = &job->task.weights;
    struct scale scale = r->format->block ? recipe_scale(r->format) : r->scale;
    return scale.kind >= SCALE_GROUP && scale.size ? job->cols % scale.size : 0;
}

static json_t *report(const struct job *job)
{
    const struct recipe *r = &job->task.weights;
    char scale[40];
    double n = (double)job->rows * (double)job->cols;
    const char *name = *job->tensor->name ? job->tensor->name : view_text(job->request, "tensor", "");
    json_t *o = json_object();
    scale_print(r->scale, scale, sizeof scale);
    json_object_set_new(o, "tensor", json_string(*name ? name : text(job, "path")));
    json_object_set_new(o, "shape", shape_of(job->tensor));
    json_object_set_new(o, "format", json_string(r->format->name));
    json_object_set_new(o, "scale", json_string(scale));
    json_object_set_new(o, "method", json_string(job->method->name));
    json_object_set_new(o, "bits_per_weight", json_real(8.0 * (double)job->bytes / n));
    json_object_set_new(o, "mse", viewtext_number(job->sums.noise / (n - (double)job->nonfinite)));
    json_object_set_new(o, "sqnr_db", viewtext_number(sqnr_db(job->sums.signal, job->sums.noise)));
    json_object_set_new(o, "max_abs_error", viewtext_number(job->sums.max_abs));
    json_object_set_new(o, "zero_fraction", json_real((double)job->zeros / n));
    json_object_set_new(o, "clipped_fraction", json_real((double)job->clipped / n));
    json_object_set_new(o, "nonfinite", json_integer((json_int_t)job->nonfinite));
    if (job->has_output)
        json_object_set_new(o, "output_sqnr_db", viewtext_number(job->output_sqnr_db));
    if (isfinite(job->alpha))
        json_object_set_new(o, "alpha", json_real(job->alpha));
    if (strcmp(job->method->name, "llm-int8") == 0)
        json_object_set_new(o, "kept_columns", json_integer((json_int_t)job->kept));
    if (short_group(job))
        json_object_set_new(o, "last_group", json_integer((json_int_t)short_group(job)));
    json_object_set_new(o, "device", json_string(device_computed()));
    json_object_set_new(o, "isa", json_string(device_isa(isa_name(job->env->isa))));
    json_object_set_new(o, "elapsed_ms", json_real(1e3 * job->seconds));
    double moved = (double)job->tensor->bytes + (double)job->bytes;
    json_object_set_new(o, "gb_per_s", json_real(moved / job->seconds * 1e-9));
    return o;
}

static json_t *blocks(const struct job *job)
{
    const struct recipe *r = &job->task.weights;
    char scale[40], db[40];
    double n = (double)job->rows * (double)job->cols;
    json_t *rows = json_array(), *list = json_array();
    scale_print(r->scale, scale, sizeof scale);
    if (r->zero == ZERO_NONE)
        viewtext_fact(rows, "format", "%s, %s", r->format->name, r->format->title);
    else
        viewtext_fact(rows, "format", "%s, zero-point %s", r->format->name, zero_point_name(r->zero));
    viewtext_fact(rows, "scale", "%s", scale);
    viewtext_fact(rows, "method", "%s", job->method->title);
    if (isfinite(job->alpha))
        viewtext_fact(rows, "alpha", "%.2f", job->alpha);
    if (strcmp(job->method->name, "llm-int8") == 0)
        viewtext_fact(rows, "columns in FP16", "%zu of %zu", job->kept, job->cols);
    viewtext_fact(rows, "bits per weight", "%.4g", 8.0 * (double)job->bytes / n);
    viewtext_fact(rows, "SQNR of the weights", "%s",
                  viewtext_decibels(sqnr_db(job->sums.signal, job->sums.noise), 2, db, sizeof db));
    if (job->has_output)
        viewtext_fact(rows, "SQNR of the output", "%s", viewtext_decibels(job->output_sqnr_db, 2, db, sizeof db));
    viewtext_fact(rows, "largest error", "%.4g", job->sums.max_abs);
    viewtext_fact(rows, "became 0", "%.3g %%", 100 * (double)job->zeros / n);
    viewtext_fact(rows, "clipped", "%.3g %%", 100 * (double)job->clipped / n);
    if (job->nonfinite)
        viewtext_fact(rows, "not finite", "%zu", job->nonfinite);
    if (strcmp(device_computed(), "cpu") != 0)
        viewtext_fact(rows, "computed by", "%s", device_computed());
    json_array_append_new(list, viewtext_facts(rows));
    if (short_group(job)) {
        char note[160];
        snprintf(note, sizeof note, "The last group of each row is shorter: it has %zu values.", short_group(job));
        json_array_append_new(list, json_pack("{s:s, s:s}", "view", "prose", "text", note));
    }
    return list;
}

/* What the request wants beside the report: lines, or the blocks of a screen. */
static json_t *shown(const struct job *job, const json_t *report)
{
    const struct quantview view = { .report = report, .look = job->look, .recipe = &job->task.weights,
                                    .method = job->method, .tensor = job->tensor, .tokens = job->task.tokens,
                                    .out = job->env->out ? text(job, "out") : NULL };
    return job->look ? quantview_blocks(&view) : blocks(job);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static bool begin_look(struct job *job)
{
    if (!view_flag(job->request, "look"))
        return true;
    job->look = quantlook_new(job->rows, job->cols);
    return job->look || fail(job, "out of memory");
}

static bool open_input(struct job *job)
{
    job->tensor = open_tensor(job, view_text(job->request, "path", ""), text(job, "tensor"), &job->file);
    if (!job->tensor)
        return false;
    job->rows = (size_t)tensorfile_rows(job->tensor);
    job->cols = job->task.in = (size_t)tensorfile_cols(job->tensor);
    return true;
}

static bool put_output_in_place(struct job *job)
{
    if (!job->env->out)
        return true;
    if (!safetensors_whole(&job->writer))
        return fail(job, "cannot write the output: it is not whole");
    return outfile_commit(job->env->out, job->error, job->size);
}

static bool run(struct job *job)
{
    return read_recipe(job) && read_method(job) && check_emit(job) && open_input(job) && read_calibration(job) &&
           plan_blocks(job) && begin_look(job) && find_amax(job) && round_all(job) && put_output_in_place(job);
}

json_t *quantjob_run(const json_t *request, const struct quantjob_env *env, char *error, size_t size)
{
    struct job job = { .env = env, .request = request, .error = error, .size = size, .alpha = (double)NAN };
    json_t *reply = NULL;
    for (int i = 0; i < PARTS; i++)
        job.part[i] = -1;
    if (run(&job)) {
        json_t *said = report(&job);
        reply = json_pack("{s:o, s:o}", "quantize", said, "blocks", shown(&job, said));
    } else if (env->out)
        outfile_abandon(env->out);
    tensorfile_close(job.file);
    tensorfile_close(job.calib_file);
    quantlook_free(job.look);
    free(job.values);
    free(job.calib);
    return reply;
}
