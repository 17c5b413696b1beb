/* commands_bench.c: `saffron bench`: the kernels of this machine, timed in the lab beside the limits of its memory. */
#include <stdlib.h>
#include <string.h>

#include "tutor/commands.h"
#include "tutor/job.h"

/* What differs from run to run and from machine to machine. */
static void mask_fields(json_t *object, const char *const *names)
{
    for (; *names; names++)
        if (json_object_get(object, *names) && !json_is_null(json_object_get(object, *names)))
            json_object_set_new(object, *names, json_string("<measured>"));
}

static void mask(json_t *report)
{
    static const char *const machine[] = { "cpu", "cores", "caches", NULL };
    static const char *const limit[] = { "gb_per_s", NULL };
    static const char *const kernel[] = { "bytes", "us", "gb_per_s", "of_stream", "of_read", "of_f16",
                                          "tflop_per_s", NULL };
    size_t i;
    json_t *row;
    mask_fields(json_object_get(report, "machine"), machine);
    json_array_foreach(json_object_get(report, "limits"), i, row)
        mask_fields(row, limit);
    json_array_foreach(json_object_get(report, "kernels"), i, row)
        mask_fields(row, kernel);
}

int command_bench(const struct options *given)
{
    struct options options = *given;
    json_t *request = json_pack("{s:s}", "type", "bench");
    const char *device = options.device && strcmp(options.device, "auto") != 0 ? options.device : "cpu";
    struct job job = { .title = "saffron bench", .report = "bench", .request = request, .screen = true, .timed = true,
                       .mask = mask };
    json_object_set_new(request, "device", json_string(device));
    if (options.only)
        json_object_set_new(request, "only", json_string(options.only));
    if (options.size)
        json_object_set_new(request, "size", json_string(options.size));
    if (options.rounds)
        json_object_set_new(request, "rounds", json_integer(options.rounds));
    options.threads = options.threads ? options.threads : 1; /* ratios are told of one thread unless asked otherwise */
    int status = job_run(&options, &job);
    json_decref(request);
    return status;
}
