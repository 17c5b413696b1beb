/* commands_quality.c: `saffron quality`: a language model's loss under each scheme, computed by the lab. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tutor/commands.h"
#include "tutor/job.h"
#include "tutor/qualityboard.h"

/* What the lab is to open. */
struct places {
    char model[PATH_MAX], text[PATH_MAX], calib[PATH_MAX];
};

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The text is held-out text beside the model where none is named. */
static bool find_places(const struct options *options, struct places *places)
{
    char beside[PATH_MAX];
    const char *model = options->words[0];
    *places = (struct places){ 0 };
    if (!commands_lab_path(options, model, places->model))
        return commands_fail("cannot open '%s': %s", model, strerror(errno)), false;
    if (!options->lab && !is_folder(places->model))
        return commands_fail("cannot open '%s', it takes a folder with config.json and .safetensors", model), false;
    if (snprintf(beside, sizeof beside, "%s/heldout.txt", places->model) >= (int)sizeof beside)
        return commands_fail("the path '%s' is too long", model), false;
    const char *text = options->text ? options->text : beside;
    if (!commands_lab_path(options, text, places->text)) {
        if (options->text)
            commands_fail("cannot read '%s': %s", text, strerror(errno));
        else
            commands_fail("quality needs --text FILE: text that the model has not seen");
        return false;
    }
    if (options->calib[0] && !commands_lab_path(options, options->calib[0], places->calib))
        return commands_fail("cannot read '%s': %s", options->calib[0], strerror(errno)), false;
    return true;
}

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text)
        json_object_set_new(object, name, json_string(text));
}

/* One scheme: what the options say, with this format of the weights, or without. */
static json_t *make_scheme(const struct options *options, const char *format, double alpha, bool has_alpha)
{
    json_t *scheme = json_object(), *weights = json_object(), *activations = json_object(), *kv = json_object();
    bool few = format && (strcmp(format, "int4") == 0 || strcmp(format, "int3") == 0 || strcmp(format, "int2") == 0);
    bool eight = format && (strcmp(format, "int8") == 0 || strncmp(format, "e4m3", 4) == 0
                            || strncmp(format, "e5m2", 4) == 0);
    put_text(weights, "format", format);
    put_text(weights, "scale", options->scale ? options->scale : few ? "group:128" : eight ? "channel" : NULL);
    put_text(weights, "zero_point", options->zero_point);
    put_text(weights, "clip", options->clip);
    put_text(weights, "mx", options->mx);
    put_text(weights, "method", options->method);
    if (has_alpha)
        json_object_set_new(weights, "alpha", json_real(alpha));
    put_text(activations, "format", options->activations);
    put_text(activations, "scale", options->activation_scale);
    put_text(kv, "format", options->kv_format);
    if (format)
        json_object_set(scheme, "weights", weights);
    if (options->activations)
        json_object_set(scheme, "activations", activations);
    if (options->kv_format)
        json_object_set(scheme, "kv", kv);
    json_decref(weights);
    json_decref(activations);
    json_decref(kv);
    return scheme;
}

/* Whether an option says how to round what no other option has rounded; that is said. */
static bool idle(const struct options *options)
{
    const struct { const char *name, *value; } weights[] = {
        { "--method", options->method }, { "--scale", options->scale }, { "--alpha", options->alpha },
        { "--zero-point", options->zero_point }, { "--clip", options->clip }, { "--mx", options->mx },
    };
    for (size_t i = 0; !options->format && i < sizeof weights / sizeof *weights; i++)
        if (weights[i].value) {
            commands_fail("%s needs a format for the weights: --format int4", weights[i].name);
            return true;
        }
    if (options->activation_scale && !options->activations) {
        commands_fail("--activation-scale needs a format for the activations: --activations int8");
        return true;
    }
    return false;
}

/* The formats of --format, separated by commas; NULL where no option names a scheme: then the lab's own table. */
static json_t *make_runs(const struct options *options)
{
    char *end = NULL;
    double alpha = options->alpha ? strtod(options->alpha, &end) : 0;
    if (options->alpha && (end == options->alpha || *end || !(alpha >= 0 && alpha <= 1))) {
        commands_fail("--alpha cannot be '%s', it is a number from 0 to 1", options->alpha);
        return json_null();
    }
    if (idle(options))
        return json_null();
    if (!options->format && !options->activations && !options->kv_format)
        return NULL;
    json_t *runs = json_array();
    if (!options->format)
        json_array_append_new(runs, make_scheme(options, NULL, alpha, false));
    for (const char *at = options->format; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char format[64];
        snprintf(format, sizeof format, "%.*s", (int)strcspn(at, ","), at);
        json_array_append_new(runs, make_scheme(options, format, alpha, options->alpha != NULL));
    }
    return runs;
}

/* "4x64": so many channels, so many times. */
static bool put_outliers(json_t *request, const char *text)
{
    char *middle, *end;
    if (!text)
        return true;
    long channels = strtol(text, &middle, 10);
    double times = *middle == 'x' ? strtod(middle + 1, &end) : 0;
    if (channels < 1 || *middle != 'x' || end == middle + 1 || *end || !(times >= 1)) {
        commands_fail("--outliers cannot be '%s', it is CHANNELSxTIMES, such as 4x64", text);
        return false;
    }
    json_object_set_new(request, "outliers", json_integer(channels));
    json_object_set_new(request, "times", json_real(times));
    return true;
}

static json_t *make_request(const struct options *options, const struct places *places)
{
    json_t *request = json_pack("{s:s, s:s, s:s}", "type", "quality", "path", places->model, "text", places->text);
    json_t *runs = make_runs(options);
    put_text(request, "calib", *places->calib ? places->calib : NULL);
    put_text(request, "seed", options->seed);
    if (options->context)
        json_object_set_new(request, "context", json_integer(options->context));
    if (options->sample)
        json_object_set_new(request, "sample", json_integer(options->sample));
    if (options->tokens)
        json_object_set_new(request, "tokens", json_integer(options->tokens));
    bool fine = !json_is_null(runs) && put_outliers(request, options->outliers);
    if (runs && fine)
        json_object_set(request, "runs", runs);
    json_decref(runs);
    if (fine)
        return request;
    json_decref(request);
    return NULL;
}

static void mask(json_t *report)
{
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(report, "runs"), i, run) {
        if (!json_object_get(run, "seconds"))
            continue;
        json_object_set_new(run, "prepare_seconds", json_string("<measured>"));
        json_object_set_new(run, "seconds", json_string("<measured>"));
    }
}

int command_quality(const struct options *options)
{
    struct places places;
    if (!find_places(options, &places))
        return EXIT_USAGE;
    json_t *request = make_request(options, &places);
    if (!request)
        return EXIT_USAGE;
    json_t *open = json_pack("{s:[s, s]}", "files", places.model, places.text);
    if (*places.calib)
        json_array_append_new(json_object_get(open, "files"), json_string(places.calib));
    struct jobface *board = qualityboard_new(request, open);
    const struct job job = { .title = "saffron quality", .report = "quality", .request = request, .open = open,
                             .screen = board != NULL, .face = board, .mask = mask };
    int status = job_run(options, &job);
    qualityboard_free(board);
    json_decref(request);
    json_decref(open);
    return status;
}
