/* gpu_quantize.h: quantize() on a GPU: the same bits, found elsewhere.
 * The tensor is uploaded, everything is computed on the card, and what a struct quant holds comes back.
 * A cancel is answered between copies of some megabytes and between kernels. */
#ifndef KERNELS_GPU_QUANTIZE_H
#define KERNELS_GPU_QUANTIZE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernels/gpu_encode.h"
#include "kernels/quantize.h"

/* As quantize(), on the device g. KERNEL_NO_KERNEL where the device does not know the format's pair; KERNEL_NO_MEMORY
 * and KERNEL_GPU_FAILED with the words in the module's error(). *q is then empty, and quantize() may be called. */
enum kernel_status gpu_quantize(struct gpu *g, const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                                const struct progress *progress, struct quant *q);

/* A GPU that quantize() may use where a recipe names it. One tensor at a time; others meanwhile go to the CPU. */
struct gpu_seat {
    struct gpu   *g;            /* NULL after it broke down, and then for good */
    size_t        least;        /* values from which a tensor is worth the way to the card and back */
    atomic_flag   busy;
    unsigned long runs;         /* tensors rounded so far */
    char          why[320];     /* the last refusal, one line; "" if there was none */
};

/* Takes the card for one piece of work. False if it is busy or gone. */
bool gpu_seat_take(struct gpu_seat *seat);

/* Gives it back after work that ended so, and counts it. False if the CPU is to do it instead: the card has too little
 * memory, or broke down; the words are then in `why`. */
bool gpu_seat_give(struct gpu_seat *seat, enum kernel_status status);

/* Rounds as gpu_quantize does. False if the CPU is to do it: the tensor is small, the card is busy, has too little
 * memory, or broke down; the last two leave their words in `why`. */
bool gpu_seat_quantize(struct gpu_seat *seat, const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                       const struct progress *progress, struct quant *q, enum kernel_status *status);

/* The task of a recipe for x [rows, cols] with q's layout: its choices and shapes; every pointer is still NULL. The
 * scale of the tensor is 1. False where the device does not know the format's pair. */
bool gpu_task_of(const struct quant *q, struct gpu_task *task);

/* What the sums of `chunks` chunks, joined in order, come to. */
struct error_sums gpu_sums_join(const struct gpu_sums *sums, size_t chunks);

#endif
