/* lab_job.c: requests that may take minutes: quantize, quality, inspect, bench. See lab_state.h.
 * The watchdog waits anew at every look; what they read lies in files that a stranger may cut short meanwhile. */
#include "engine/bench.h"
#include "engine/inspectjob.h"
#include "engine/lab_state.h"
#include "engine/qualityjob.h"
#include "engine/quantjob.h"
#include "engine/view.h"
#include "engine/watch.h"

struct job {
    const char *name;    /* of the request, and of its reply */
    const char *label;   /* what it is doing, unless it says so itself */
    int         limit_s; /* between two looks */
};

static const struct job quantizing = { "quantize", "rounding", 120 };
static const struct job measuring = { "quality", NULL, 600 }; /* a method that searches may take minutes for a layer */
static const struct job inspecting = { "inspect", "reading", 120 };
static const struct job benching = { "bench", NULL, 120 };

/* The `ctx` of a job's progress. */
static void *ctx_of(const struct job *job)
{
    return (void *)(uintptr_t)job;
}

static bool go_on_with(void *ctx, double fraction, const char *label)
{
    const struct job *job = ctx;
    watch_host(job->name, job->limit_s);
    lab_progress(NULL, fraction, label);
    return !watch_canceled();
}

static bool go_on(void *ctx, double fraction)
{
    return go_on_with(ctx, fraction, ((const struct job *)ctx)->label);
}

static void begin(const struct job *job, const json_t *message)
{
    watch_host(job->name, job->limit_s);
    lab_read_mapped(lab_id(message), lab_text(message, "path"));
}

/* Takes the reply; NULL: what is in error is said. */
static void finish(const struct job *job, const json_t *message, json_t *reply, const char *error)
{
    lab_read_mapped(0, NULL);
    if (!reply) {
        lab_problem(lab_id(message), error, NULL, 0);
        return;
    }
    json_object_set_new(reply, "type", json_string(job->name));
    json_object_set_new(reply, "id", json_integer(lab_id(message)));
    lab_send(reply);
}

void lab_quantize(json_t *message)
{
    char error[512];
    bool writes = *lab_text(message, "out") != '\0';
    const struct quantjob_env env = { .isa = lab_isa(), .pool = lab.env.pool, .gpu = lab.env.gpu,
                                      .out = writes ? &lab.output : NULL, .progress = go_on,
                                      .ctx = ctx_of(&quantizing) };
    if (writes && lab.output.fd < 0) {
        lab_problem(lab_id(message), lab.output_error, NULL, 0);
        return;
    }
    begin(&quantizing, message);
    finish(&quantizing, message, quantjob_run(message, &env, error, sizeof error), error);
}

/* What is known so far goes out at once, whatever was said just now. */
static void tell_part(void *ctx, json_t *report)
{
    const struct job *job = ctx;
    lab_send(json_pack("{s:s, s:I, s:s, s:o}", "type", "progress", "id", (json_int_t)watch_request(), "label",
                       job->name, "report", report));
}

static void reads(void *ctx, const char *path)
{
    (void)ctx;
    lab_read_mapped((json_int_t)watch_request(), path);
}

void lab_quality(json_t *message)
{
    char error[512];
    const struct qualityjob_env env = { .isa = lab_isa(), .pool = lab.env.pool, .gpu = lab.env.gpu,
                                        .progress = go_on_with, .part = tell_part, .reads = reads,
                                        .ctx = ctx_of(&measuring) };
    begin(&measuring, message);
    finish(&measuring, message, qualityjob_run(message, &env, error, sizeof error), error);
}

void lab_inspect(json_t *message)
{
    char error[512];
    const struct inspectjob_env env = { .isa = lab_isa(), .pool = lab.env.pool, .progress = go_on,
                                        .ctx = ctx_of(&inspecting) };
    begin(&inspecting, message);
    finish(&inspecting, message, inspectjob_run(message, &env, error, sizeof error), error);
}

/* No file is read here. */
void lab_bench(json_t *message)
{
    char error[512];
    const struct bench_env env = { .isa = lab_isa(), .pool = lab.env.pool, .progress = go_on_with,
                                   .ctx = ctx_of(&benching), .device = view_text(message, "device", "cpu") };
    begin(&benching, NULL);
    finish(&benching, message, bench_run(message, &env, error, sizeof error), error);
}
