/* gpu_attention.cu: attention over a quantized KV cache. */
#include "kernels/gpu_module.cuh"

const struct gpu_kernel gpu_attention_rows[] = {
    {},
};
