/* gpu_product.cu: products with quantized weights. */
#include "kernels/gpu_module.cuh"

const struct gpu_kernel gpu_product_rows[] = {
    {},
};
