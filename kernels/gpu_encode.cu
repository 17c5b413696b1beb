/* gpu_encode.cu: values to codes and back for every row of the format table. */
#include "kernels/gpu_module.cuh"

const struct gpu_kernel gpu_encode_rows[] = {
    {},
};
