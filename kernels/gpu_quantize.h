/* gpu_quantize.h: quantize() on a GPU: the same bits, found elsewhere.
 * The tensor is uploaded, everything is computed on the card, and what a struct quant holds comes back.
 * A cancel is answered between copies of some megabytes and between kernels. */
#ifndef KERNELS_GPU_QUANTIZE_H
#define KERNELS_GPU_QUANTIZE_H

#include <stddef.h>

#include "kernels/gpu_encode.h"
#include "kernels/quantize.h"

/* As quantize(), on the device g. KERNEL_NO_KERNEL where the device does not know the format's pair; KERNEL_NO_MEMORY
 * and KERNEL_GPU_FAILED with the words in the module's error(). *q is then empty, and quantize() may be called. */
enum kernel_status gpu_quantize(struct gpu *g, const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                                const struct progress *progress, struct quant *q);

/* The task of a recipe for x [rows, cols] with q's layout: its choices and shapes; every pointer is still NULL. The
 * scale of the tensor is 1. False where the device does not know the format's pair. */
bool gpu_task_of(const struct quant *q, struct gpu_task *task);

/* What the sums of `chunks` chunks, joined in order, come to. */
struct error_sums gpu_sums_join(const struct gpu_sums *sums, size_t chunks);

#endif
