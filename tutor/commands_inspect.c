/* commands_inspect.c: `saffron inspect`: what a file of tensors holds, looked at in the lab. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/view.h"

#include "tutor/commands.h"
#include "tutor/job.h"

/* "4096 x 4096  Q4_K  9 MiB  4.5 bits" */
static void remark(const json_t *item, char *out, size_t size)
{
    char shape[80] = "", bytes[40];
    size_t i;
    json_t *side;
    json_array_foreach(json_object_get(item, "shape"), i, side)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", i ? " x " : "",
                 (long long)json_integer_value(side));
    snprintf(out, size, "%s  %s  %s  %.4g bits", shape, view_text(item, "type", ""),
             view_format_unit(view_number(item, "bytes", 0), "B", bytes, sizeof bytes),
             view_number(item, "bits_per_weight", 0));
}

static void about(const json_t *report, char *out, size_t size)
{
    char bytes[40];
    snprintf(out, size, "%s, %s", view_text(report, "kind", ""),
             view_format_unit(view_number(report, "bytes", 0), "B", bytes, sizeof bytes));
}

/* A model's folder stands for its index, or for its only file. */
static const char *file_of(const char *path, char found[PATH_MAX])
{
    static const char *const names[] = { "model.safetensors.index.json", "model.safetensors" };
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return path;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (snprintf(found, PATH_MAX, "%s/%s", path, names[i]) < PATH_MAX && access(found, R_OK) == 0)
            return found;
    return path;
}

int command_inspect(const struct options *options)
{
    char path[PATH_MAX], found[PATH_MAX];
    if (!commands_lab_path(options, file_of(options->words[0], found), path))
        return commands_fail("cannot read '%s': %s", options->words[0], strerror(errno));
    json_t *request = json_pack("{s:s, s:s}", "type", "inspect", "path", path);
    json_t *open = json_pack("{s:[s]}", "files", path);
    if (options->word_count > 1)
        json_object_set_new(request, "tensor", json_string(options->words[1]));
    const struct job job = { .title = "saffron inspect", .report = "inspect", .request = request, .open = open,
                             .screen = true, .list = "tensors", .pick = "tensor", .remark = remark, .about = about };
    int status = job_run(options, &job);
    json_decref(request);
    json_decref(open);
    return status;
}
