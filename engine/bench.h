/* bench.h: `saffron bench`: every kernel of the table, timed beside the limits of this machine's memory.
 * Numbers of one round are taken within a fraction of a second of each other; what is reported are medians, and medians
 * of ratios within a round, so that a machine that slows down slows all. */
#ifndef ENGINE_BENCH_H
#define ENGINE_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernels/cpu.h"
#include "kernels/pool.h"

struct bench_env {
    enum isa     isa;           /* the most that may be used */
    struct pool *pool;          /* NULL: one thread */
    const char  *device;        /* "cpu", or what --device said */
    bool       (*progress)(void *ctx, double fraction, const char *label); /* false stops it */
    void        *ctx;
};

/* What is asked of a device. */
struct bench_question {
    const struct bench_env *env;
    const char *op, *format;    /* --only, or NULL: all */
    bool        dram, cache;    /* what is timed: from memory, in cache */
    int         rounds;
};

/* Times the kernels of one device: appends rows to `limits` and `kernels`, with the keys that bench.c writes and
 * "device". False with one line in error, "canceled" where progress answered false. A device is a row of devices[] in
 * bench.c. */
typedef bool bench_device_fn(const struct bench_question *question, json_t *limits, json_t *kernels, char *error,
                             size_t size);

bench_device_fn benchcpu_time, benchgpu_time;

/* Does what the message asks (protocol.c, "bench"): {"bench": {"machine", "limits", "kernels"}, "blocks": the same for
 * people}; NULL with one line in error. "only": OP or OP:FORMAT; "size": dram or cache, both without it; "rounds". */
json_t *bench_run(const json_t *request, const struct bench_env *env, char *error, size_t size);

#endif
