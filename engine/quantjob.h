/* quantjob.h: one request of `saffron quantize`: a tensor of a file, rounded, measured, and written if asked.
 * Rows stream through where the method allows it, so that the tensor may be larger than memory. */
#ifndef ENGINE_QUANTJOB_H
#define ENGINE_QUANTJOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/outfile.h"
#include "kernels/cpu.h"

struct pool;

struct quantjob_env {
    enum isa        isa;
    size_t          block_values;/* to hold at a time where a tensor can stream; 0: 2^24, 64 MiB of floats */
    struct outfile *out;         /* open, or NULL: nothing is written; committed or abandoned here */
    struct pool    *pool;        /* the threads that may share the work; NULL: the caller's alone */
    struct gpu_seat *gpu;        /* a GPU that may round instead, or NULL */
    bool          (*progress)(void *ctx, double fraction); /* false stops it */
    void           *ctx;
};

/* Does what the message asks (protocol.c, "quantize"). {"quantize": what --json prints, "blocks": the same for people},
 * or NULL with one line in error. */
json_t *quantjob_run(const json_t *request, const struct quantjob_env *env, char *error, size_t size);

#endif
