/* commands_lab.c: what the lab computes, for the command line: a step again, a lesson checked, a config's cache. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/machine.h"
#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/drive.h"
#include "tutor/plain_print.h"

void commands_print_json(const json_t *json, size_t order)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15) | order);
    putchar('\n');
}

/* --- run: a step again -------------------------------------------------------------------------------------------- */

/* Whether a guess for the step is stored (explore steps ask for none). */
static bool committed(const struct drive *d)
{
    json_t *durable = session_durable(d->session);
    json_t *guess = json_object_get(json_object_get(durable, d->lesson.step), "guess");
    bool yes = json_is_object(guess) || strcmp(view_text(d->step, "kind", ""), "explore") == 0;
    json_decref(durable);
    return yes;
}

static bool computes(const struct drive *d)
{
    const char *kind = view_text(d->step, "kind", "");
    return strcmp(kind, "predict") == 0 || strcmp(kind, "explore") == 0;
}

static bool compute(struct drive *d, char *error, size_t size)
{
    drive_command(d, COMMAND_RECOMPUTE, NULL);
    for (int i = 0; i < d->options->knob_count; i++) {
        drive_command(d, COMMAND_KNOB, d->options->knobs[i]);
        if (drive_complains(d, error, size))
            return false;
    }
    if (d->options->tensor[0]) {
        char own[PATH_MAX + 600];
        const char *name = d->options->tensor[1];
        snprintf(own, sizeof own, "%s%s%s", d->options->tensor[0], name ? " " : "", name ? name : "");
        drive_command(d, COMMAND_TENSOR, own);
    }
    if (!drive_complains(d, error, size) && !d->result)
        snprintf(error, size, "step '%s' gave no result", d->lesson.step);
    return d->result != NULL && !*error;
}

static void mask_result(json_t *result)
{
    json_t *provenance = json_object_get(result, "provenance");
    static const char *const measured[] = { "answer", "values", "blocks" };
    if (json_object_get(provenance, "elapsed_ms"))
        json_object_set_new(provenance, "elapsed_ms", json_string("<measured>"));
    if (json_is_true(json_object_get(provenance, "timed")))
        for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++)
            json_object_set_new(result, measured[i], json_string("<measured>"));
}

static void print_provenance(const json_t *provenance)
{
    size_t i;
    json_t *kernel;
    json_array_foreach(json_object_get(provenance, "kernels"), i, kernel)
        printf("%s%s", i ? ", " : "kernels: ", json_string_value(kernel));
    if (i)
        putchar('\n');
    if (view_text(provenance, "command", NULL))
        printf("again with: %s\n", view_text(provenance, "command", ""));
}

static void show_result(struct drive *d)
{
    struct plain_print print = { .mask = d->options->mask, .machine = machine_name() };
    if (d->options->json) {
        json_object_del(d->result, "type");
        json_object_del(d->result, "id");
        if (d->options->mask)
            mask_result(d->result);
        json_object_set_new(d->result, "lesson", json_string(document_id(d->lesson.document)));
        json_object_set_new(d->result, "step", json_string(d->lesson.step));
        commands_print_json(d->result, JSON_SORT_KEYS); /* those of a lesson's own tables come in any order */
        return;
    }
    json_t *view = session_view(d->session);
    plain_print_view(&print, view);
    plain_print_free(&print);
    json_decref(view);
    print_provenance(json_object_get(d->result, "provenance"));
}

int command_run(const struct options *options)
{
    char error[1024];
    struct drive d;
    int status = EXIT_USAGE;
    if (!drive_open(&d, options, options->words[0], error, sizeof error))
        commands_fail("%s", error);
    else if (!computes(&d))
        commands_fail("step '%s' computes nothing", d.lesson.step);
    else if (!committed(&d))
        commands_fail("step '%s' waits for your prediction first: saffron %s", d.lesson.step, options->words[0]);
    else if (!compute(&d, error, sizeof error))
        commands_fail("%s", error);
    else {
        show_result(&d);
        status = EXIT_DONE;
    }
    drive_close(&d);
    return status;
}

/* --- check: lessons linted and run -------------------------------------------------------------------------------- */

static int print_findings(const json_t *findings, const char *path)
{
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding)
        printf("%s:%d:%d: %s\n", path, (int)json_integer_value(json_object_get(finding, "line")),
               (int)json_integer_value(json_object_get(finding, "column")), view_text(finding, "text", ""));
    fflush(stdout);
    return json_array_size(findings) ? EXIT_NO : EXIT_DONE;
}

static bool can_send(const char *path)
{
    bool can = options_sendable(path);
    errno = can ? errno : EILSEQ;
    return can;
}

bool commands_lab_path(const struct options *options, const char *path, char real[PATH_MAX])
{
    if (!options->lab)
        return access(path, R_OK) == 0 && realpath(path, real) && can_send(real);
    errno = ENAMETOOLONG;
    return snprintf(real, PATH_MAX, "%s", path) < PATH_MAX && can_send(real);
}

static int check_file(const struct options *options, struct actors *actors, const char *path)
{
    char real[PATH_MAX], error[512];
    if (!commands_lab_path(options, path, real))
        return commands_fail("cannot read '%s': %s", path, strerror(errno));
    json_t *request = json_pack("{s:s, s:s}", "type", "check", "path", real);
    json_t *message = actors_request(actors, request, real, error, sizeof error);
    int status = EXIT_USAGE;
    if (!message)
        commands_fail("cannot check '%s': %s", path, error);
    else if (strcmp(view_text(message, "type", ""), "report") == 0)
        status = print_findings(json_object_get(message, "findings"), path);
    else
        commands_fail("cannot check '%s': %s", path, view_text(message, "text", "the lab gave no report"));
    json_decref(message);
    json_decref(request);
    return status;
}

int command_check(const struct options *options)
{
    char error[512];
    int worst = EXIT_DONE;
    struct actors *actors = actors_open(options, NULL, error, sizeof error);
    if (!actors)
        return commands_fail("%s", error);
    for (int i = 0; i < options->word_count; i++) {
        int status = check_file(options, actors, options->words[i]);
        worst = status > worst ? status : worst;
    }
    actors_close(actors);
    return worst;
}

/* --- kv: what a conversation costs -------------------------------------------------------------------------------- */

static json_t *kv_request(const struct options *options, const char *path)
{
    json_t *request = json_pack("{s:s, s:s}", "type", "kv", "path", path);
    if (options->kv_format)
        json_object_set_new(request, "kv_format", json_string(options->kv_format));
    if (options->context)
        json_object_set_new(request, "context", json_integer(options->context));
    if (options->sequences)
        json_object_set_new(request, "sequences", json_integer(options->sequences));
    return request;
}

static int show_kv(const struct options *options, const json_t *message)
{
    struct plain_print print = { .mask = false };
    json_t *kv = json_object_get(message, "kv");
    if (!kv)
        return commands_fail("%s", view_text(message, "text", "the lab gave no answer"));
    if (options->json)
        commands_print_json(kv, 0);
    else
        plain_print_blocks(&print, json_object_get(message, "blocks"), false);
    return EXIT_DONE;
}

int command_kv(const struct options *options)
{
    char error[512], real[PATH_MAX];
    const char *path = options->words[0];
    if (!commands_lab_path(options, path, real))
        return commands_fail("cannot read '%s': %s", path, strerror(errno));
    if (options->kv_format && !options_sendable(options->kv_format))
        return commands_fail("--kv-format cannot be '%s'", options->kv_format);
    struct actors *actors = actors_open(options, NULL, error, sizeof error);
    if (!actors)
        return commands_fail("%s", error);
    json_t *request = kv_request(options, real);
    json_t *message = actors_request(actors, request, real, error, sizeof error);
    int status = message ? show_kv(options, message) : commands_fail("%s", error);
    json_decref(message);
    json_decref(request);
    actors_close(actors);
    return status;
}
