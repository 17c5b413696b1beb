/* benchgpu.c: the GPU's kernels, timed beside what its memory gives: every row of the launch table that does work.
 * A cast is compared with a copy of as many bytes, a product or decode attention with a kernel that only reads them,
 * timed in the same second. What is bound by arithmetic, large products and prefill, has its FLOP/s. */
#include "engine/bench.h"

#include <stdio.h>
#include <string.h>

#include "engine/device.h"
#include "kernels/gpu_arena.h"
#include "kernels/gpu_quantize.h"
#include "kernels/gpu_series.h"

enum {
    ROWS = 8192, COLS = 8192, LIMIT_BYTES = 256 << 20,
    OUT = 17408, IN = 5120,             /* the products: a layer of the course's model */
    FEW = 3,                            /* launches of what takes milliseconds */
};

/* What Qwen3.6-27B's attention has, one long chat and a prompt. */
static const struct gpu_attention_shape look = { 1, 131072, 24, 4, 256 }, prompt = { 1, 8192, 24, 4, 256 };

static const size_t ARENA = (size_t)6 << 30;

/* The operations of `saffron bench` by those of the launch table. */
static const struct op {
    enum gpu_op op;
    const char *name;
} ops[] = {
    { GPU_CAST, "encode" },         { GPU_CAST_STATS, "encode-stats" }, { GPU_CAST_FIND, "quantize" },
    { GPU_CAST_FIND_STATS, "quantize-stats" }, { GPU_UNCAST, "decode" }, { GPU_GEMV, "gemv" },
    { GPU_GEMM, "gemm" },                   { GPU_ATTENTION, "attention" }, { GPU_PREFILL, "prefill" },
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

/* What is timed of a row: one series, with what it moves and computes. */
struct timed {
    gpu_series_fn *launch;
    void   *series;
    size_t  bytes;
    double  flop;               /* 0: bound by memory */
    bool    reads;              /* compared with reading, else with copying */
    int     launches;
    char    shape[80];
};

/* The ceiling of a row's bytes, ms; 0 where memory is not what bounds it. */
static enum kernel_status time_ceiling(struct bench *b, const struct timed *t, double *ms)
{
    *ms = 0;
    if (t->flop > 0)
        return KERNEL_OK;
    return t->reads ? gpu_arena_read(&b->arena, t->bytes, b->q->rounds, ms)
                    : gpu_arena_copy(&b->arena, t->bytes, b->q->rounds, ms);
}

static json_t *share(bool given, double x)
{
    return given ? json_real(x) : json_null();
}

static enum kernel_status time_series(struct bench *b, const struct gpu_kernel *k, const char *op,
                                      const struct timed *t)
{
    double before, ms, after;
    enum kernel_status status = time_ceiling(b, t, &before);
    if (status == KERNEL_OK)
        status = gpu_arena_time(&b->arena, t->launch, t->series, t->launches, b->q->rounds, &ms);
    if (status == KERNEL_OK)
        status = time_ceiling(b, t, &after);
    if (status != KERNEL_OK)
        return status;
    double of = (before + after) / 2 / ms;
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:f, s:f, s:o, s:o, s:n, s:s, s:s, s:s}",
                            "op", op, "format", k->format, "activations", k->input, "size", "dram", "isa", b->isa,
                            "threads", b->device->processors, "bytes", (json_int_t)t->bytes, "us", 1e3 * ms, "gb_per_s",
                            (double)t->bytes / ms * 1e-6, "of_stream", share(t->flop <= 0, of), "of_read",
                            share(t->flop <= 0 && t->reads, of), "of_f16", "device", "cuda", "function", k->function,
                            "shape", t->shape);
    if (t->flop > 0)
        json_object_set_new(row, "tflop_per_s", json_real(t->flop / ms * 1e-9));
    json_array_append_new(b->kernels, row);
    return KERNEL_OK;
}

static enum kernel_status time_cast(struct bench *b, const struct gpu_kernel *k, const char *op)
{
    struct gpu_cast_series s;
    if (!gpu_cast_series_open(&s, &b->arena, k, ROWS, COLS))
        return KERNEL_OK;
    struct timed t = { .launch = gpu_cast_series_launch, .series = &s, .bytes = s.bytes, .launches = GPU_LAUNCHES };
    snprintf(t.shape, sizeof t.shape, "%s %s", k->op == GPU_UNCAST ? "to" : "from", k->input);
    return time_series(b, k, op, &t);
}

static enum kernel_status time_product(struct bench *b, const struct gpu_kernel *k, const char *op)
{
    static const int batches[] = { 1, 16 };
    struct gpu_product_series s;
    enum kernel_status status = gpu_product_open(&s, &b->arena, k, OUT, IN, 1);
    for (size_t i = 0; status == KERNEL_OK && i < sizeof batches / sizeof batches[0]; i++) {
        struct timed t = { .launch = gpu_product_launch, .series = &s, .bytes = s.bytes, .reads = true,
                           .launches = GPU_LAUNCHES };
        s.work.batch = batches[i];
        snprintf(t.shape, sizeof t.shape, "x %s, %d to %d, batch %d", k->input, IN, OUT, batches[i]);
        status = time_series(b, k, op, &t);
    }
    gpu_product_close(&s);
    return status == KERNEL_NO_MEMORY ? KERNEL_OK : status;
}

/* cuBLASLt may be missing: then there is nothing to time. */
static enum kernel_status time_gemm(struct bench *b, const struct gpu_kernel *k, const char *op)
{
    enum kernel_status status = KERNEL_OK;
    for (int fast = 0; status == KERNEL_OK && fast <= (strcmp(k->format, "e4m3") == 0); fast++) {
        struct gpu_gemm_series s;
        status = gpu_gemm_open(&s, &b->arena, k, ROWS, fast);
        struct timed t = { .launch = gpu_gemm_launch, .series = &s, .bytes = s.bytes, .flop = s.flop, .launches = FEW };
        snprintf(t.shape, sizeof t.shape, "%d cubed%s", ROWS, strcmp(k->format, "e4m3") ? "" : fast ? ", fast sums"
                                                                                                  : ", promoted sums");
        if (status == KERNEL_OK)
            status = time_series(b, k, op, &t);
        gpu_gemm_close(&s);
    }
    return status == KERNEL_NO_MEMORY || status == KERNEL_NO_KERNEL ? KERNEL_OK : status;
}

static enum kernel_status time_attention(struct bench *b, const struct gpu_kernel *k, const char *op)
{
    const struct gpu_attention_shape *a = k->op == GPU_PREFILL ? &prompt : &look;
    struct gpu_attention_series s;
    enum kernel_status status = gpu_attention_open(&s, &b->arena, k, a);
    const bool whole = k->op == GPU_PREFILL;
    struct timed t = { .launch = gpu_attention_launch, .series = &s, .bytes = s.bytes, .reads = true,
                       .flop = whole ? s.flop : 0, .launches = whole ? FEW : GPU_LAUNCHES };
    snprintf(t.shape, sizeof t.shape, "cache, %d tokens, %d heads on %d of %d", a->tokens, a->heads, a->kv_heads,
             a->head_dim);
    if (status == KERNEL_OK)
        status = time_series(b, k, op, &t);
    gpu_attention_close(&s);
    return status == KERNEL_NO_MEMORY ? KERNEL_OK : status;
}

static enum kernel_status time_row(struct bench *b, const struct gpu_kernel *k, const char *op)
{
    switch (k->op) {
    case GPU_GEMV:
        return time_product(b, k, op);
    case GPU_GEMM:
        return time_gemm(b, k, op);
    case GPU_ATTENTION:
    case GPU_PREFILL:
        return time_attention(b, k, op);
    default:
        return time_cast(b, k, op);
    }
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
