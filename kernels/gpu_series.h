/* gpu_series.h: series of products and attentions to time on a GPU, over a rotation of an arena's buffers.
 * What weights, caches and inputs hold is the arena's normal numbers read as whatever is wanted: no time depends on it.
 * Open one, hand its launch to gpu_arena_time or a module's measure, close it. */
#ifndef KERNELS_GPU_SERIES_H
#define KERNELS_GPU_SERIES_H

#include "kernels/gpu_arena.h"
#include "kernels/gpu_attention.h"
#include "kernels/gpu_gemm.h"
#include "kernels/gpu_product.h"

enum { GPU_SEQUENCES_MOST = 64 };

/* A row of GPU_GEMV. */
struct gpu_product_series {
    const struct gpu_arena  *arena;
    const struct gpu_kernel *kernel;
    struct gpu_weights w;
    struct gpu_gemv    work;
    size_t bytes;               /* of the weights with their scales: what must be read */
    int    slots;
    void  *own;                 /* device memory of x, y, scales and scratch */
};

/* A row of GPU_ATTENTION or GPU_PREFILL. */
struct gpu_attention_shape {
    int sequences, tokens, heads, kv_heads, head_dim;
};

struct gpu_attention_series {
    const struct gpu_arena  *arena;
    const struct gpu_kernel *kernel;
    struct gpu_attention decode;
    struct gpu_prefill   prefill;
    size_t bytes;               /* of K and V with their scales */
    size_t codes, groups;       /* of K alone */
    double flop;                /* of a launch: 4 head_dim for each head and each token it looks at */
    int    slots;
    void  *own;
};

/* A row of GPU_GEMM on matrices of size x size. */
struct gpu_gemm_series {
    const struct gpu_arena  *arena;
    const struct gpu_kernel *kernel;
    struct gpu_gemm work;
    size_t bytes;
    double flop;
    void  *own;
};

/* Prepares a series; to be closed, also after a failure. Products of batch tokens (its work.batch may be changed up to
 * GPU_BATCH_MOST); prompts of `tokens` where the row is GPU_PREFILL. KERNEL_NO_MEMORY also if the arena is too small,
 * KERNEL_BAD_SHAPE for more sequences than GPU_SEQUENCES_MOST. */
enum kernel_status gpu_product_open(struct gpu_product_series *s, const struct gpu_arena *a, const struct gpu_kernel *k,
                                    int rows, int cols, int batch);
enum kernel_status gpu_attention_open(struct gpu_attention_series *s, const struct gpu_arena *a,
                                      const struct gpu_kernel *k, const struct gpu_attention_shape *shape);
enum kernel_status gpu_gemm_open(struct gpu_gemm_series *s, const struct gpu_arena *a, const struct gpu_kernel *k,
                                 int size, bool fast);
void gpu_product_close(struct gpu_product_series *s);
void gpu_attention_close(struct gpu_attention_series *s);
void gpu_gemm_close(struct gpu_gemm_series *s);

/* Their gpu_series_fn; ctx is the series. */
enum kernel_status gpu_product_launch(struct gpu *g, void *ctx, int i);
enum kernel_status gpu_attention_launch(struct gpu *g, void *ctx, int i);
enum kernel_status gpu_gemm_launch(struct gpu *g, void *ctx, int i);

#endif
