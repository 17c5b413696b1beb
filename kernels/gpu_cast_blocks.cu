/* gpu_cast_blocks.cu: the fast encoders of formats whose blocks have their own scales.
 * The kernels are those of gpu_cast.cuh and gpu_sums.cuh. */
#include "kernels/gpu_sums.cuh"

const struct gpu_kernel gpu_cast_block_rows[] = {
    SOURCES(BLOCKS, "int4", to_int4),
    SOURCES(BLOCKS, "mxfp8-e4m3", to_mxfp8_e4m3),
    SOURCES(BLOCKS, "mxfp8-e5m2", to_mxfp8_e5m2),
    SOURCES(BLOCKS, "mxfp4", to_mxfp4),
    SOURCES(BLOCKS, "nvfp4", to_nvfp4),
    {},
};
