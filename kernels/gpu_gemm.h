/* gpu_gemm.h: products larger than a few tokens on the GPU, done by NVIDIA's cuBLASLt: what its launch is given.
 * The library is opened when first used; without it the launch says so in one line.
 * FP8 comes with its accumulator to choose: Hopper's own of some 14 bits, or partial sums promoted to FP32. */
#ifndef KERNELS_GPU_GEMM_H
#define KERNELS_GPU_GEMM_H

#include "kernels/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GPU_GEMM_SCRATCH = 32 << 20 };

/* GPU_GEMM: Y = X W^T times scale. The row's format is that of W, its input that of X: bf16, e4m3 or int8, both the
 * same. cols is a multiple of 16, rows and tokens of 4. Y is FP32, for int8 INT32 and not scaled. */
struct gpu_gemm {
    const void *w;              /* [rows, cols] */
    const void *x;              /* [tokens, cols] */
    int    rows, cols, tokens;
    float  scale;
    bool   fast;                /* e4m3: leave all sums in the tensor core's accumulator */
    void  *y;                   /* [tokens, rows] */
    void  *scratch;             /* GPU_GEMM_SCRATCH bytes, 256-byte aligned */
};

#ifdef __cplusplus
}
#endif

#endif
