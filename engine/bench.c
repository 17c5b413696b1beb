/* bench.c: what is asked of the bench, of which device, and the reply.
 * The timing itself is in benchcpu.c; another device is another file and a row of devices[]. */
#include "engine/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/benchcase.h"
#include "engine/benchview.h"
#include "engine/device.h"
#include "engine/schema.h"
#include "engine/view.h"

enum { ROUNDS = 11, OPS_MOST = 32 };

/* Writes the line and says false. */
static bool refuse(char *error, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool refuse(char *error, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, size, format, args);
    va_end(args);
    return false;
}

static bool check_op(const char *op, char *error, size_t size)
{
    const char *names[OPS_MOST], *nearest;
    char list[400] = "";
    size_t n = 0;
    static const char *const gpu[] = { "gemm", "prefill" };  /* what only a GPU's table has */
    size_t families = 0;
    while (benchfamily_at(families))
        families++;
    for (; n < families + sizeof gpu / sizeof gpu[0] && n < OPS_MOST; n++) {
        names[n] = n < families ? benchfamily_at(n)->name : gpu[n - families];
        if (strcmp(names[n], op) == 0)
            return true;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", n ? ", " : "", names[n]);
    }
    nearest = schema_nearest(op, names, n);
    if (nearest)
        return refuse(error, size, "unknown operation '%.40s', did you mean '%s'?", op, nearest);
    return refuse(error, size, "unknown operation '%.40s': use %s", op, list);
}

static bool check_format(const char *name, char *error, size_t size)
{
    const struct format *near = format_find(name) ? NULL : format_nearest(name);
    if (format_find(name))
        return true;
    if (near)
        return refuse(error, size, "unknown format '%.40s'; did you mean '%s'?", name, near->name);
    return refuse(error, size, "unknown format '%.40s': the README lists them, such as int8, e4m3, mxfp4", name);
}

/* `only` is OP or OP:FORMAT and is cut in two. */
static bool read_question(const json_t *request, char *only, struct bench_question *q, char *error, size_t size)
{
    const char *where = view_text(request, "size", "");
    q->dram = strcmp(where, "cache") != 0;
    q->cache = strcmp(where, "dram") != 0;
    if (*where && q->dram && q->cache)
        return refuse(error, size, "--size cannot be '%.40s': use dram or cache", where);
    q->rounds = (int)view_number(request, "rounds", ROUNDS);
    if (q->rounds < 1 || q->rounds > BENCH_ROUNDS_MOST)
        return refuse(error, size, "--rounds is a number from 1 to %d", BENCH_ROUNDS_MOST);
    if (!*only)
        return true;
    char *colon = strchr(only, ':');
    if (colon)
        *colon = '\0';
    q->op = only;
    q->format = colon ? colon + 1 : NULL;
    return check_op(q->op, error, size) && (!q->format || check_format(q->format, error, size));
}

static json_t *machine(const struct bench_question *q)
{
    const struct cpu *cpu = cpu_info();
    json_t *facts = json_pack("{s:s, s:I, s:{s:I, s:I}, s:s, s:i, s:i}", "cpu", cpu->model, "cores",
                              (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "caches", "l2_bytes",
                              (json_int_t)cpu->l2_bytes, "last_bytes", (json_int_t)cpu->last_cache_bytes, "isa",
                              isa_name(q->env->isa), "threads", pool_threads(q->env->pool), "rounds", q->rounds);
    if (strncmp(q->env->device, "cuda", 4) == 0)
        json_object_set_new(facts, "gpu", json_string(device_name()));
    return facts;
}

/* Devices by the word of --device; "cuda:1" is of "cuda". */
static const struct device {
    const char      *name;
    bench_device_fn *time;
} devices[] = {
    { "cpu", benchcpu_time },
    { "cuda", benchgpu_time },
};

static bench_device_fn *device_of(const char *name)
{
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        if (strncmp(name, devices[i].name, strlen(devices[i].name)) == 0)
            return devices[i].time;
    return NULL;
}

json_t *bench_run(const json_t *request, const struct bench_env *env, char *error, size_t size)
{
    struct bench_question question = { .env = env };
    bench_device_fn *time = device_of(env->device);
    char only[64];
    snprintf(only, sizeof only, "%s", view_text(request, "only", ""));
    if (!read_question(request, only, &question, error, size))
        return NULL;
    if (!time) {
        snprintf(error, size, "no kernels of device '%.40s' can be timed here: use --device cpu", env->device);
        return NULL;
    }
    json_t *limits = json_array(), *kernels = json_array(), *reply = NULL;
    if (time(&question, limits, kernels, error, size)) {
        json_t *all = json_pack("{s:o, s:O, s:O}", "machine", machine(&question), "limits", limits, "kernels", kernels);
        reply = json_pack("{s:O, s:o}", "bench", all, "blocks", benchview_blocks(all));
        json_decref(all);
    }
    json_decref(limits);
    json_decref(kernels);
    return reply;
}
