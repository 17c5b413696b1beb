/* gpu_cast.cu: the fast encoders of formats with one scale for the tensor or a row.
 * The kernels are those of gpu_cast.cuh and gpu_sums.cuh. */
#include "kernels/gpu_sums.cuh"

const struct gpu_kernel gpu_cast_rows[] = {
    SOURCES(TENSOR, "fp16", to_fp16),
    SOURCES(TENSOR, "bf16", to_bf16),
    SOURCES(TENSOR, "e4m3", to_e4m3),
    SOURCES(ROWS, "e4m3", to_e4m3),
    SOURCES(TENSOR, "e5m2", to_e5m2),
    SOURCES(ROWS, "e5m2", to_e5m2),
    SOURCES(TENSOR, "int8", to_int8),
    SOURCES(ROWS, "int8", to_int8),
    {},
};
