/* commands_quantize.c: `saffron quantize`: a file's tensor through the lab; a screen of what came of it, or lines. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/job.h"

/* --- the request -------------------------------------------------------------------------------------------------- */

static void put_text(json_t *request, const char *name, const char *text)
{
    if (text)
        json_object_set_new(request, name, json_string(text));
}

/* A number of an option; false, and said, if it is none. */
static bool put_number(json_t *request, const char *name, const char *option, const char *text)
{
    char *end;
    double value = text ? strtod(text, &end) : 0;
    if (!text)
        return true;
    if (end == text || *end || !(value >= 0 && value <= 1)) {
        commands_fail("%s cannot be '%s', it is a number from 0 to 1", option, text);
        return false;
    }
    json_object_set_new(request, name, json_real(value));
    return true;
}

/* The files as the lab is to open them. */
struct files {
    char path[PATH_MAX], calib[PATH_MAX];
};

static bool find_files(const struct options *options, struct files *files)
{
    const char *missing = NULL;
    *files->calib = '\0';
    if (!commands_lab_path(options, options->words[0], files->path))
        missing = options->words[0];
    else if (options->calib[0] && !commands_lab_path(options, options->calib[0], files->calib))
        missing = options->calib[0];
    if (missing)
        commands_fail("cannot read '%s': %s", missing, strerror(errno));
    return !missing;
}

static json_t *make_open(const struct options *options, const struct files *files)
{
    json_t *open = json_pack("{s:[s]}", "files", files->path);
    if (*files->calib)
        json_array_append_new(json_object_get(open, "files"), json_string(files->calib));
    put_text(open, "output", options->out);
    return open;
}

static json_t *make_request(const struct options *options, const struct files *files)
{
    json_t *request = json_pack("{s:s, s:s}", "type", "quantize", "path", files->path);
    const char *const texts[][2] = {
        { "tensor", options->word_count > 1 ? options->words[1] : NULL }, { "format", options->format },
        { "scale", options->scale }, { "zero_point", options->zero_point }, { "clip", options->clip },
        { "mx", options->mx }, { "rounding", options->rounding }, { "overflow", options->overflow },
        { "method", options->method }, { "calib", *files->calib ? files->calib : NULL },
        { "calib_tensor", options->calib[1] }, { "emit", options->emit }, { "out", options->out },
        { "seed", options->seed },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        put_text(request, texts[i][0], texts[i][1]);
    if (options->act_order)
        json_object_set_new(request, "act_order", json_true());
    if (put_number(request, "alpha", "--alpha", options->alpha) && put_number(request, "damp", "--damp", options->damp))
        return request;
    json_decref(request);
    return NULL;
}

/* --- the job ------------------------------------------------------------------------------------------------------ */

static void mask(json_t *report)
{
    json_object_set_new(report, "elapsed_ms", json_string("<measured>"));
    json_object_set_new(report, "gb_per_s", json_string("<measured>"));
}

/* The corner says which tensor of which file, the line below the picture who computed it. */
static void frame(const struct job *job, const json_t *report, json_t *view)
{
    char where[200], status[200], ms[32];
    const char *path = view_text(job->request, "path", ""), *slash = strrchr(path, '/');
    const char *tensor = view_text(job->request, "tensor", "");
    snprintf(where, sizeof where, "%s%s%s", slash ? slash + 1 : path, *tensor ? " · " : "", tensor);
    json_object_set_new(view, "where", json_string(where));
    if (!report)
        return;
    const char *device = view_text(report, "device", "cpu"), *isa = view_text(report, "isa", "");
    bool cpu = strcmp(device, "cpu") == 0;
    snprintf(status, sizeof status, "computed now · %s · %s ms", cpu ? isa : device,
             view_format(view_number(report, "elapsed_ms", 0), ms, sizeof ms));
    json_object_set_new(view, "status", json_string(status));
}

/* What a screen asks: the same, with pictures. */
static json_t *with_look(const json_t *request)
{
    json_t *look = json_copy((json_t *)request);
    if (look)
        json_object_set_new(look, "look", json_true());
    return look;
}

int command_quantize(const struct options *options)
{
    struct files files;
    if (!find_files(options, &files))
        return EXIT_USAGE;
    json_t *request = make_request(options, &files), *look = with_look(request), *open = make_open(options, &files);
    const struct job job = { .title = "saffron quantize", .report = "quantize", .request = request, .look = look,
                             .open = open, .screen = true, .frame = frame, .mask = mask };
    int status = request ? job_run(options, &job) : EXIT_USAGE;
    json_decref(request);
    json_decref(look);
    json_decref(open);
    return status;
}
