/* status.h: how a kernel call ended, how a long one is watched, and which threads share it.
 * Nothing in kernels/ prints or exits; it returns one of these.
 * A caller that wants to stop a long call answers false from its tick. */
#ifndef KERNELS_STATUS_H
#define KERNELS_STATUS_H

#include <stdbool.h>

enum kernel_status {
    KERNEL_OK,
    KERNEL_CANCELED,        /* the caller's tick answered false; outputs are not to be used */
    KERNEL_NO_MEMORY,
    KERNEL_BAD_RECIPE,      /* choices of the recipe that do not go together; recipe_check says which */
    KERNEL_BAD_SHAPE,       /* sizes that do not match, or too large for the result to be exact */
    KERNEL_NO_KERNEL,       /* no row of the kernel table does this with the allowed instruction set */
    KERNEL_SINGULAR,        /* a matrix that cannot be factorized: not positive definite; more damping helps */
    KERNEL_NO_GPU,          /* no usable GPU; gpu.h's functions say why */
    KERNEL_GPU_FAILED,      /* the GPU or its driver refused or broke down; gpu_error says how */
};

struct pool;                /* pool.h */

/* Called between tiles of a long call, in the caller's thread, with the fraction done (0 to 1). False stops the call.
 * A NULL struct progress pointer means: never asked, and one thread. */
struct progress {
    bool       (*tick)(void *ctx, double fraction);
    void        *ctx;
    struct pool *pool;      /* the threads that may share the work; NULL: the caller's alone */
};

/* Plain words for people: "out of memory". Never NULL. */
const char *kernel_status_text(enum kernel_status status);

/* True if the call should go on. */
static inline bool progress_tick(const struct progress *progress, double fraction)
{
    return !progress || !progress->tick || progress->tick(progress->ctx, fraction);
}

#endif
