/* gpu_module.cuh: what the .cu files of the module share: an opened device, and how errors travel.
 * A launcher enqueues on g->stream and returns gpu_launched(g, name); it never waits and never exits.
 * A file adds launches by a list of rows that module_cuda.cu names. */
#ifndef KERNELS_GPU_MODULE_CUH
#define KERNELS_GPU_MODULE_CUH

#include <cuda_runtime.h>

#include "kernels/gpu.h"

struct gpu {
    struct gpu_device about;
    cudaStream_t      stream;
};

/* The lists of launches, each ended by a row without a function. ORDER as in module_cuda.cu. */
extern const struct gpu_kernel gpu_stream_rows[];
extern const struct gpu_kernel gpu_encode_rows[];
extern const struct gpu_kernel gpu_cast_rows[];
extern const struct gpu_kernel gpu_cast_block_rows[];
extern const struct gpu_kernel gpu_uncast_rows[];
extern const struct gpu_kernel gpu_pack_rows[];
extern const struct gpu_kernel gpu_product_rows[];
extern const struct gpu_kernel gpu_attention_rows[];
extern const struct gpu_kernel gpu_prefill_rows[];
extern const struct gpu_kernel gpu_gemm_rows[];
extern const struct gpu_kernel gpu_sgemm_rows[];
extern const struct gpu_kernel gpu_causal_rows[];
extern const struct gpu_kernel gpu_rows_rows[];

/* KERNEL_OK, or the status of a failed CUDA call, whose words are kept for `error`: "cannot WHAT on DEVICE: why". */
enum kernel_status gpu_check(const struct gpu *g, cudaError_t error, const char *what);

/* Keeps a line for `error`, printf-like, and returns `status`. */
enum kernel_status gpu_refuse(enum kernel_status status, const char *text, ...);

/* After a launch: the same for what the launch itself refused. */
static inline enum kernel_status gpu_launched(const struct gpu *g, const char *kernel)
{
    return gpu_check(g, cudaGetLastError(), kernel);
}

/* Launches a kernel that begins with grid_follows (gpu_mma.cuh): from compute capability 9.0 on it gets ready while the
 * one before it ends. */
template <class... ARGS>
static inline enum kernel_status gpu_follow(const struct gpu *g, void (*kernel)(ARGS...), dim3 grid, unsigned threads,
                                            size_t shared, const char *name, ARGS... args)
{
    cudaLaunchAttribute early = {};
    cudaLaunchConfig_t config = {};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    config.gridDim = grid, config.blockDim = threads, config.dynamicSmemBytes = shared, config.stream = g->stream;
    config.attrs = &early, config.numAttrs = g->about.capability >= 90 ? 1 : 0;
    return gpu_check(g, cudaLaunchKernelEx(&config, kernel, args...), name);
}

/* Which of a kernel's two sizes a card takes; see gpu_built in gpu_mma.cuh. */
static inline bool gpu_small(const struct gpu *g)
{
    return g->about.capability < 90 || g->about.capability >= 120;
}

/* Blocks for a grid over n things, `each` to a block, at most `waves` times what the card holds of 2048 threads. */
static inline unsigned gpu_blocks(const struct gpu *g, size_t n, size_t each, unsigned threads, unsigned waves)
{
    size_t wanted = (n + each - 1) / each, most = (size_t)g->about.processors * (2048 / threads) * waves;
    return (unsigned)(wanted == 0 ? 1 : wanted < most ? wanted : most);
}

#endif
