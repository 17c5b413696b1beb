/* inspectjob.h: one request of `saffron inspect`: what a file of tensors holds, or what is in one of them. */
#ifndef ENGINE_INSPECTJOB_H
#define ENGINE_INSPECTJOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernels/cpu.h"
#include "kernels/pool.h"

struct inspectjob_env {
    enum isa     isa;
    struct pool *pool;         /* NULL: one thread */
    bool       (*progress)(void *ctx, double fraction); /* false stops it */
    void        *ctx;
};

/* The request has "path", and "tensor": a name, or a pattern with * or ? that picks from the list. Gives {"inspect":
 * what --json prints, "blocks": the same for people}; NULL with one line in error. */
json_t *inspectjob_run(const json_t *request, const struct inspectjob_env *env, char *error, size_t size);

#endif
