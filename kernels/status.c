/* status.c: the words for each way a kernel call can end. */
#include "kernels/status.h"

const char *kernel_status_text(enum kernel_status status)
{
    switch (status) {
    case KERNEL_OK:        return "done";
    case KERNEL_CANCELED:  return "stopped";
    case KERNEL_NO_MEMORY: return "out of memory";
    case KERNEL_BAD_RECIPE: return "these choices of format, scale and rounding do not go together";
    case KERNEL_BAD_SHAPE: return "the shapes do not fit together";
    case KERNEL_NO_KERNEL: return "no kernel for this format on this instruction set";
    case KERNEL_SINGULAR:  return "the inputs do not determine the weights: raise damp";
    case KERNEL_NO_GPU:    return "no usable GPU";
    case KERNEL_GPU_FAILED: return "the GPU failed";
    }
    return "unknown status";
}
