/* qualityjob.c: from a request to figures of schemes, by loss, and to what each writes.
 * FP32 first; then one scheme after the other, each against it. */
#include "engine/qualityjob.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/device.h"
#include "engine/qualityview.h"
#include "engine/view.h"

enum { PROMPT_MOST = 64 };      /* tokens of the text that a sample goes on from */
#define TEMPERATURE 0.8

struct job {
    const struct qualityjob_env *env;
    const json_t       *request;
    char               *error;
    size_t              size;

    struct llama       *model;
    struct quality_text text, calibration;
    bool                own_calibration;
    struct quality      quality;
    struct scheme       scheme[QUALITYJOB_RUNS];
    json_t             *asked;                      /* the same as they were asked for */
    struct quality_run  run[QUALITYJOB_RUNS + 1];   /* the first is FP32 */
    char               *sample[QUALITYJOB_RUNS + 1]; /* what each wrote, or NULL */
    size_t              schemes, runs, written, steps, done;
    size_t              prompt, sampled;            /* tokens: what samples go on from, and their length; 0: none */
    bool                measures, opened, complete;
    const char         *label;                      /* of what is under way */
    double              base, span;                 /* its progress counts from base on, this much of a step */
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

static bool status_problem(struct job *job, const char *label, enum kernel_status status)
{
    if (status == KERNEL_CANCELED)
        return fail(job, "canceled");
    return fail(job, "cannot measure %s: %s", label, kernel_status_text(status));
}

/* --- schemes from JSON -------------------------------------------------------------------------------------------- */

/* A key of a part, or the i-th of a list. */
static const char *word(const json_t *part, const char *name, size_t i)
{
    const json_t *found = json_is_array(part) ? json_array_get(part, i) : json_object_get(part, name);
    return json_string_value(found);
}

static struct recipe_words words_of(const json_t *part)
{
    return (struct recipe_words){
        .format = word(part, "format", 0), .scale = word(part, "scale", 1),
        .zero_point = word(part, "zero_point", SIZE_MAX), .clip = word(part, "clip", SIZE_MAX),
        .mx = word(part, "mx", SIZE_MAX), .rounding = word(part, "rounding", SIZE_MAX),
        .overflow = word(part, "overflow", SIZE_MAX) };
}

static bool known_keys(const json_t *part, const char *what, const char *const *names, char *error, size_t size)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)part, key, value) {
        bool known = false;
        for (size_t i = 0; names[i]; i++)
            known = known || strcmp(key, names[i]) == 0;
        if (!known) {
            snprintf(error, size, "'%.40s' is no option of %s", key, what);
            return false;
        }
    }
    return true;
}

static bool check_parts(const json_t *json, char *error, size_t size)
{
    static const char *const parts[] = { "weights", "activations", "kv", NULL };
    static const char *const names[] = { "format", "scale", "zero_point", "clip", "mx", "rounding", "overflow",
                                         "method", "alpha", "damp", "act_order", "folded", NULL };
    if (!known_keys(json, "a scheme: it has weights, activations and kv", parts, error, size))
        return false;
    for (size_t i = 0; parts[i]; i++) {
        const json_t *part = json_object_get(json, parts[i]);
        if (part && !json_is_object(part) && !json_is_array(part)) {
            snprintf(error, size, "'%s' is {format = ..., scale = ...}", parts[i]);
            return false;
        }
        if (part && !word(part, "format", 0)) {
            snprintf(error, size, "'%s' has no format", parts[i]);
            return false;
        }
        if (!known_keys(part, parts[i], names, error, size))
            return false;
    }
    return true;
}

bool qualityjob_scheme(const json_t *json, enum isa isa, uint64_t seed, struct scheme *scheme, char *error,
                       size_t size)
{
    const json_t *weights = json_object_get(json, "weights"), *alpha = json_object_get(weights, "alpha");
    struct scheme_words words = {
        .weights = words_of(weights), .activations = words_of(json_object_get(json, "activations")),
        .cache = words_of(json_object_get(json, "kv")), .method = word(weights, "method", SIZE_MAX) };
    if (!check_parts(json, error, size) || !scheme_parse(&words, isa, seed, scheme, error, size))
        return false;
    scheme->fixed = json_is_number(alpha);
    scheme->alpha = json_number_value(alpha);
    scheme->damp = json_number_value(json_object_get(weights, "damp"));
    scheme->act_order = json_is_true(json_object_get(weights, "act_order"));
    scheme->folded = json_is_true(json_object_get(weights, "folded"));
    if (!(scheme->alpha >= 0 && scheme->alpha <= 1 && scheme->damp >= 0 && scheme->damp <= 1)) {
        snprintf(error, size, "alpha and damp are from 0 to 1");
        return false;
    }
    return true;
}

json_t *qualityjob_table(void)
{
    static const char *const plain[][3] = {     /* format, scale, method */
        { "bf16", NULL, NULL }, { "int8", "channel", NULL }, { "int8", "tensor", NULL }, { "e4m3", "channel", NULL },
        { "mxfp8-e4m3", NULL, NULL }, { "q8_0", NULL, NULL }, { "mxfp6-e2m3", NULL, NULL },
        { "int4", "channel", NULL }, { "int4", "group:128", NULL }, { "int4", "group:32", NULL },
        { "int4", "group:128", "gptq" }, { "int4", "group:128", "awq" }, { "int4", "group:128", "hadamard" },
        { "q4_0", NULL, NULL }, { "nf4", NULL, NULL }, { "mxfp4", NULL, NULL }, { "nvfp4", NULL, NULL },
        { "int3", "group:128", NULL }, { "int3", "group:128", "gptq" }, { "int2", "group:128", NULL },
        { "int2", "group:128", "gptq" },
    };
    static const char *const whole[][6] = {     /* weights, scale, method, activations, their scale, KV */
        { "int8", "channel", NULL, "int8", "token", NULL },   { "int8", "channel", NULL, "int8", "tensor", NULL },
        { "int8", "channel", "smoothquant", "int8", "tensor", NULL },
        { "int8", "channel", "hadamard", "int8", "tensor", NULL },
        { "e4m3", "channel", NULL, "e4m3", "token", NULL },   { "nvfp4", NULL, NULL, "nvfp4", NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL, "e4m3" },             { NULL, NULL, NULL, NULL, NULL, "int8" },
        { NULL, NULL, NULL, NULL, NULL, "int4" },
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        json_array_append_new(list, json_pack("{s:{s:s, s:s*, s:s*}}", "weights", "format", plain[i][0], "scale",
                                              plain[i][1], "method", plain[i][2]));
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        json_t *one = json_object();
        if (whole[i][0])
            json_object_set_new(one, "weights", json_pack("{s:s, s:s*, s:s*}", "format", whole[i][0], "scale",
                                                          whole[i][1], "method", whole[i][2]));
        if (whole[i][3])
            json_object_set_new(one, "activations", json_pack("{s:s, s:s*}", "format", whole[i][3], "scale",
                                                              whole[i][4]));
        if (whole[i][5])
            json_object_set_new(one, "kv", json_pack("{s:s}", "format", whole[i][5]));
        json_array_append_new(list, one);
    }
    return list;
}

static bool read_schemes(struct job *job)
{
    const json_t *given = json_object_get(job->request, "runs");
    json_t *list = given ? json_incref((json_t *)(uintptr_t)given) : qualityjob_table(), *one;
    uint64_t seed = strtoull(view_text(job->request, "seed", "0"), NULL, 0);
    size_t i;
    bool fine = json_array_size(list) >= 1 && json_array_size(list) <= QUALITYJOB_RUNS;
    if (!fine)
        fail(job, "1 to %d schemes can be measured at once", QUALITYJOB_RUNS);
    json_array_foreach(list, i, one)
        if (fine)
            fine = qualityjob_scheme(one, job->env->isa, seed, &job->scheme[i], job->error, job->size);
    job->schemes = json_array_size(list);
    job->asked = list;
    return fine;
}

/* --- model and texts ---------------------------------------------------------------------------------------------- */

bool qualityjob_calibration(const char *folder, const char *path, const struct quality_text *text, size_t vocab,
                            struct quality_text *calibration, bool *own, char *error, size_t size)
{
    char beside[4096];
    snprintf(beside, sizeof beside, "%s/calibration.txt", folder);
    *own = path || access(beside, R_OK) == 0;
    if (*own)
        return quality_read(calibration, path ? path : beside, vocab, QUALITYJOB_CALIBRATION, error, size);
    size_t count = text->count < QUALITYJOB_CALIBRATION ? text->count : QUALITYJOB_CALIBRATION;
    *calibration = (struct quality_text){ .tokens = malloc(count * sizeof *text->tokens + 1), .count = count };
    if (calibration->tokens)
        memcpy(calibration->tokens, text->tokens, count * sizeof *text->tokens);
    else
        snprintf(error, size, "out of memory");
    return calibration->tokens != NULL;
}

static bool plant(struct job *job)
{
    size_t channels = (size_t)view_number(job->request, "outliers", 0);
    double times = view_number(job->request, "times", 64);
    if (!channels)
        return true;
    if (channels > job->model->config.width || !(times >= 1 && times <= 65536))
        return fail(job, "outliers: 1 to %zu channels, 1 to 65536 times", job->model->config.width);
    return llama_plant(job->model, channels, times, strtoull(view_text(job->request, "seed", "0"), NULL, 0))
        || fail(job, "out of memory");
}

/* How long samples are, and what they go on from. */
static bool plan_samples(struct job *job)
{
    size_t context = job->model->config.context;
    job->sampled = (size_t)view_number(job->request, "sample", 0);
    job->measures = !json_is_false(json_object_get(job->request, "measure"));
    if (job->sampled && job->model->config.vocab != 256)
        return fail(job, "only a model of bytes can show what it writes, this one has %zu tokens",
                    job->model->config.vocab);
    if (job->sampled && (job->sampled < 1 || context < 8 || job->sampled > context - 4))
        return fail(job, "a sample has at most %zu bytes, the context less 4", context > 4 ? context - 4 : 0);
    job->prompt = context - job->sampled < PROMPT_MOST ? context - job->sampled : PROMPT_MOST;
    job->steps = (job->schemes + 1) * ((size_t)job->measures + (job->sampled > 0));
    return true;
}

static void say_read(const struct job *job, const char *path)
{
    if (job->env->reads)
        job->env->reads(job->env->ctx, path);
}

static bool read_texts(struct job *job, const char *folder, size_t vocab, size_t tokens)
{
    const char *text = view_text(job->request, "text", ""), *calib = view_text(job->request, "calib", NULL);
    say_read(job, text);
    if (!quality_read(&job->text, text, vocab, tokens, job->error, job->size))
        return false;
    say_read(job, calib ? calib : folder);
    if (!qualityjob_calibration(folder, calib, &job->text, vocab, &job->calibration, &job->own_calibration, job->error,
                                job->size))
        return false;
    say_read(job, folder);
    return true;
}

static bool read_inputs(struct job *job)
{
    const char *path = view_text(job->request, "path", "");
    say_read(job, path);
    if (!read_schemes(job) || !(job->model = llama_open(path, job->error, job->size)) || !plant(job))
        return false;
    size_t vocab = job->model->config.vocab, most = quality_most(vocab);
    size_t asked = (size_t)view_number(job->request, "tokens", 0);
    size_t tokens = asked && asked < most ? asked : most;
    if (!plan_samples(job) || !read_texts(job, path, vocab, tokens))
        return false;
    job->prompt = job->prompt < job->text.count ? job->prompt : job->text.count;
    return true;
}

static size_t context_of(const struct job *job)
{
    size_t most = job->model->config.context, asked = (size_t)view_number(job->request, "context", 0);
    size_t context = asked ? asked : QUALITY_CONTEXT;
    return context < most ? context : most;
}

/* --- what came of it ---------------------------------------------------------------------------------------------- */

/* Numbers that are not finite travel as strings. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
}

json_t *qualityjob_figures(const struct quality *q, const struct quality_run *run)
{
    json_t *o = json_object();
    const char *per = q->model->config.vocab == 256 ? "bits_per_byte" : "bits_per_token";
    json_object_set_new(o, "label", json_string(run->scheme.label));
    json_object_set_new(o, "rank", json_integer((json_int_t)run->rank));
    json_object_set_new(o, "bits_per_weight", json_real(run->bits_per_weight));
    json_object_set_new(o, per, number(run->bits));
    json_object_set_new(o, "delta", number(run->delta));
    json_object_set_new(o, "delta_se", number(run->delta_error));
    json_object_set_new(o, "kl", number(run->kl));
    json_object_set_new(o, "top1", number(run->top1));
    json_object_set_new(o, "prepare_seconds", json_real(run->prepare_seconds));
    json_object_set_new(o, "seconds", json_real(run->seconds));
    return o;
}

static json_t *run_of(const struct job *job, size_t i)
{
    const struct scheme plain = scheme_plain();
    json_t *run = i < job->runs ? qualityjob_figures(&job->quality, &job->run[i])
                                : json_pack("{s:s}", "label", i ? job->scheme[i - 1].label : plain.label);
    if (i > 0)
        json_object_set(run, "scheme", json_array_get(job->asked, i - 1));
    if (job->sample[i])
        json_object_set_new(run, "sample", json_string(job->sample[i]));
    return run;
}

/* What is known so far. */
static json_t *report(const struct job *job)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < (job->runs > job->written ? job->runs : job->written); i++)
        json_array_append_new(runs, run_of(job, i));
    json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:s, s:s, s:i, s:f, s:b, s:o}", "model",
                          job->model->name, "text", job->text.name, "parameters",
                          (json_int_t)llama_parameters(job->model), "predicted", (json_int_t)job->quality.predicted,
                          "context", (json_int_t)context_of(job), "calibration",
                          job->own_calibration ? "own text" : "the text itself", "simulated", 1, "device",
                          device_computed(), "isa", device_isa(isa_name(job->env->isa)), "outliers",
                          (int)job->model->planted, "times", job->model->times, "complete", job->complete, "runs",
                          runs);
    char prompt[PROMPT_MOST + 1];
    qualityjob_spell(job->text.tokens, job->prompt, prompt);
    if (job->sampled)
        json_object_set_new(o, "prompt", json_string(prompt));
    return o;
}

/* --- measuring ---------------------------------------------------------------------------------------------------- */

static bool tick(void *ctx, double fraction)
{
    struct job *job = ctx;
    double whole = ((double)job->done + job->base + job->span * fraction) / (double)(job->steps ? job->steps : 1);
    return !job->env->progress || job->env->progress(job->env->ctx, whole, job->label);
}

/* What one run came to is told at once. A stop keeps what is done. */
static bool step_done(struct job *job, enum kernel_status status)
{
    if (status == KERNEL_CANCELED && job->runs + job->written > 0)
        return false;
    if (status != KERNEL_OK)
        return status_problem(job, job->label, status);
    job->done++;
    if (job->measures)
        quality_rank(job->run, job->runs, job->quality.predicted);
    if (job->env->part && job->done < job->steps)
        job->env->part(job->env->ctx, report(job));
    return true;
}

static bool measure_all(struct job *job, const struct scheme_text *calibration, const struct progress *progress)
{
    job->label = "fp32";
    enum kernel_status status = quality_open(&job->quality, job->model, job->text.tokens, job->text.count,
                                             calibration->context, calibration, job->env->isa, job->env->gpu, progress);
    job->opened = status == KERNEL_OK;
    if (job->opened)
        job->run[job->runs++] = job->quality.plain;
    for (size_t i = 0; step_done(job, status); i++) {
        if (i == job->schemes)
            return true;
        job->label = job->scheme[i].label;
        status = quality_measure(&job->quality, &job->scheme[i], progress, &job->run[job->runs]);
        job->runs += status == KERNEL_OK;
    }
    return false;
}

void qualityjob_spell(const uint32_t *tokens, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = tokens[i] == '\n' || (tokens[i] >= 0x20 && tokens[i] < 0x7f) ? (char)tokens[i] : '?';
    out[count] = '\0';
}

/* One scheme goes on from the beginning of the text. */
static enum kernel_status write_one(struct job *job, const struct scheme *scheme, const struct scheme_text *calibration,
                                    const struct progress *progress, char **sample)
{
    struct llama_net net;
    uint64_t seed = strtoull(view_text(job->request, "seed", "0"), NULL, 0);
    uint32_t *out = malloc(job->sampled * sizeof *out);
    enum kernel_status status = KERNEL_NO_MEMORY;
    job->span = 0.5; /* half of the time for the net, half for the text */
    if (out)
        status = scheme_net(scheme, job->model, calibration, job->model->config.context, job->env->isa, progress, &net);
    job->base = 0.5;
    if (status == KERNEL_OK) {
        status = quality_generate(&net, job->text.tokens, job->prompt, job->sampled, TEMPERATURE, seed, progress, out);
        llamanet_free(&net);
    }
    job->base = 0;
    if (status == KERNEL_OK && !(*sample = malloc(job->sampled + 1)))
        status = KERNEL_NO_MEMORY;
    if (status == KERNEL_OK)
        qualityjob_spell(out, job->sampled, *sample);
    free(out);
    return status;
}

static bool write_all(struct job *job, const struct scheme_text *calibration, const struct progress *progress)
{
    const struct scheme plain = scheme_plain();
    for (size_t i = 0; i <= job->schemes; i++) {
        const struct scheme *scheme = i ? &job->scheme[i - 1] : &plain;
        job->label = scheme->label;
        enum kernel_status status = write_one(job, scheme, calibration, progress, &job->sample[i]);
        job->written += status == KERNEL_OK;
        if (!step_done(job, status))
            return false;
    }
    return true;
}

/* False with one line in error, or none where it was stopped. */
static bool work(struct job *job)
{
    const struct progress progress = { tick, job, job->env->pool };
    struct scheme_text calibration = { job->calibration.tokens, job->calibration.count, context_of(job) };
    job->complete = (!job->measures || measure_all(job, &calibration, &progress))
                 && (!job->sampled || write_all(job, &calibration, &progress));
    return job->complete || !*job->error;
}

static void close_job(struct job *job)
{
    for (size_t i = 1; i < job->runs; i++)
        free(job->run[i].loss);
    for (size_t i = 0; i < job->written; i++)
        free(job->sample[i]);
    if (job->opened)
        quality_close(&job->quality);
    quality_drop(&job->text);
    quality_drop(&job->calibration);
    llama_close(job->model);
    json_decref(job->asked);
}

json_t *qualityjob_run(const json_t *request, const struct qualityjob_env *env, char *error, size_t size)
{
    struct job *job = calloc(1, sizeof *job);
    json_t *reply = NULL;
    if (!job) {
        snprintf(error, size, "out of memory");
        return NULL;
    }
    job->env = env;
    job->span = 1;
    job->request = request;
    job->error = error;
    job->size = size;
    *error = '\0';
    if (read_inputs(job) && work(job)) {
        json_t *figures = report(job);
        reply = json_pack("{s:o, s:o}", "quality", figures, "blocks", qualityview_blocks(figures));
    }
    close_job(job);
    free(job);
    return reply;
}
