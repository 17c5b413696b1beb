/* benchgpu.c: the GPU's kernels, timed beside what its memory gives: every row of the launch table that casts.
 * A kernel is compared with a copy of as many bytes, timed in the same second. */
#include "engine/bench.h"

#include <stdio.h>
#include <string.h>

#include "engine/device.h"
#include "kernels/gpu_arena.h"
#include "kernels/gpu_quantize.h"

enum { ROWS = 8192, COLS = 8192, LIMIT_BYTES = 256 << 20 };

static const size_t ARENA = (size_t)6 << 30;

/* The operations of `saffron bench` by those of the launch table. */
static const struct op {
    enum gpu_op op;
    const char *name;
} ops[] = {
    { GPU_CAST, "encode" },         { GPU_CAST_STATS, "encode-stats" }, { GPU_CAST_FIND, "quantize" },
    { GPU_CAST_FIND_STATS, "quantize-stats" }, { GPU_UNCAST, "decode" },
};

struct bench {
    const struct bench_question *q;
    struct gpu_arena arena;
    const struct gpu_device *device;
    char    isa[16];
    json_t *limits, *kernels;
    int     done, all;
};

static bool go_on(struct bench *b, const char *label)
{
    const struct bench_env *env = b->q->env;
    return !env->progress || env->progress(env->ctx, (double)b->done++ / (b->all + 1), label);
}

static void add_limit(struct bench *b, const char *name, double ms, double read, double written)
{
    json_array_append_new(b->limits, json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f}", "name", name, "size", "dram",
                          "isa", b->isa, "threads", b->device->processors, "read", read, "written", written, "gb_per_s",
                          (double)LIMIT_BYTES / ms * 1e-6));
}

static enum kernel_status time_limits(struct bench *b)
{
    double ms;
    enum kernel_status status = gpu_arena_read(&b->arena, LIMIT_BYTES, b->q->rounds, &ms);
    if (status != KERNEL_OK)
        return status;
    add_limit(b, "R", ms, 1, 0);
    status = gpu_arena_copy(&b->arena, LIMIT_BYTES, b->q->rounds, &ms);
    if (status == KERNEL_OK)
        add_limit(b, "memcpy", ms, 1, 1);
    return status;
}

/* The operation's name if the row is asked for, else NULL. */
static const char *wanted(const struct bench *b, const struct gpu_kernel *k)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (ops[i].op == k->op && k->needs <= b->device->capability
            && (!b->q->op || strcmp(b->q->op, ops[i].name) == 0)
            && (!b->q->format || strcmp(b->q->format, k->format) == 0))
            return ops[i].name;
    return NULL;
}

static enum kernel_status time_row(struct bench *b, const struct gpu_kernel *k, const char *op)
{
    struct gpu_cast_series s;
    double before = 0, ms = 0, after = 0;
    int rounds = b->q->rounds;
    if (!gpu_cast_series_open(&s, &b->arena, k, ROWS, COLS))
        return KERNEL_OK;
    enum kernel_status status = gpu_arena_copy(&b->arena, s.bytes, rounds, &before);
    if (status == KERNEL_OK)
        status = gpu_arena_time(&b->arena, gpu_cast_series_launch, &s, GPU_LAUNCHES, rounds, &ms);
    if (status == KERNEL_OK)
        status = gpu_arena_copy(&b->arena, s.bytes, rounds, &after);
    if (status != KERNEL_OK)
        return status;
    json_array_append_new(b->kernels,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:f, s:f, s:f, s:n, s:n, s:s, s:s, s:o}",
                          "op", op, "format", k->format, "activations", k->input, "size", "dram", "isa", b->isa,
                          "threads", b->device->processors, "bytes", (json_int_t)s.bytes, "us", 1e3 * ms, "gb_per_s",
                          (double)s.bytes / ms * 1e-6, "of_stream", (before + after) / 2 / ms, "of_read", "of_f16",
                          "device", "cuda", "function", k->function, "shape",
                          json_sprintf("%s %s", k->op == GPU_UNCAST ? "to" : "from", k->input)));
    return KERNEL_OK;
}

static enum kernel_status time_rows(struct bench *b)
{
    const struct gpu_module *m = b->arena.m;
    enum kernel_status status = time_limits(b);
    for (size_t i = 0; m->kernel(i); i++)
        b->all += wanted(b, m->kernel(i)) != NULL;
    for (size_t i = 0; status == KERNEL_OK && m->kernel(i); i++) {
        const char *op = wanted(b, m->kernel(i));
        if (op)
            status = go_on(b, op) ? time_row(b, m->kernel(i), op) : KERNEL_CANCELED;
    }
    return status;
}

bool benchgpu_time(const struct bench_question *q, json_t *limits, json_t *kernels, char *error, size_t size)
{
    struct gpu_seat *seat = device_seat();
    struct bench b = { .q = q, .limits = limits, .kernels = kernels };
    if (!seat || !seat->g) {
        snprintf(error, size, "no GPU to time: %s", *device_why() ? device_why() : "ask for one by --device cuda");
        return false;
    }
    enum kernel_status status = gpu_arena_open(&b.arena, seat->g, ARENA, NULL);
    if (status == KERNEL_OK) {
        b.device = b.arena.m->device(seat->g);
        snprintf(b.isa, sizeof b.isa, "sm_%d", b.device->capability);
        status = time_rows(&b);
    }
    if (status == KERNEL_CANCELED)
        snprintf(error, size, "canceled");
    else if (status != KERNEL_OK)
        snprintf(error, size, "cannot time the GPU: %s", status == KERNEL_GPU_FAILED ? gpu_opened()->error()
                                                                                       : kernel_status_text(status));
    gpu_arena_close(&b.arena);
    return status == KERNEL_OK;
}
