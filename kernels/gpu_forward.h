/* gpu_forward.h: a language model's forward pass in FP32 on the GPU, piece by piece: what its launches are given.
 * The bits are the processor's: an output of a product is one sum in the order of k by fused multiply-add, as sgemm.h
 * says, and rows are summed in 16 lanes and nothing is fused, as rowops.h says. Only a processor without fused
 * multiply-add (ISA_SCALAR) differs, in the last bits of products.
 * Matrices are row-major and of FP32; every pointer is the device's. */
#ifndef KERNELS_GPU_FORWARD_H
#define KERNELS_GPU_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* GPU_SGEMM: Y = X W^T, then plus the bias, then plus what y held. */
struct gpu_sgemm {
    const float *panels;        /* W [n, k] as struct panels packs it */
    const float *x;             /* [m, k] */
    const float *bias;          /* [n], or NULL */
    float *y;                   /* [m, n] */
    size_t m, n, k;
    bool   onto;                /* y += */
};

/* GPU_CAUSAL: attention over windows of `context` tokens, the last maybe shorter; each token looks at those before it
 * in its window and at itself. The launch refuses heads beyond 256, and windows so long that one query's scores do not
 * fit the card's shared memory: 4,000 tokens always fit. */
struct gpu_causal {
    const float *q;             /* [tokens, heads, head] */
    const float *k, *v;         /* [tokens, kv_heads, head]; heads is a multiple of kv_heads */
    float *out;                 /* [tokens, heads, head] */
    size_t tokens, context;
    int    heads, kv_heads, head;
};

/* The rest works on rows of y [rows, cols]; x is [rows, cols] too, and may be y. */
struct gpu_rows {
    float       *y;
    const float *x;
    size_t       rows, cols;
    const float *by;            /* GPU_NORM: the gain [cols]; GPU_SWIGLU: up [rows, cols]; GPU_DIVIDE: [cols];
                                   GPU_GATHER: a table of rows of `cols` */
    float        eps;           /* GPU_NORM */
    const uint32_t *index;      /* GPU_GATHER: [rows], which row of the table; x is unused */
    const float *cosine, *sine; /* GPU_ROTATE: [context, head / 2] */
    size_t       context, head; /* GPU_ROTATE: row i stands at position i % context; cols is a multiple of head */
    const int8_t *signs;        /* GPU_HADAMARD: [block, block], as struct hadamard has them */
    size_t       block;
    const uint8_t *kept;        /* GPU_DROP, GPU_KEEP: [cols] */
};

/* What each does with a row:
 * GPU_GATHER    y = the table's row
 * GPU_NORM      y = x / sqrt(mean(x^2) + eps) * gain
 * GPU_ROTATE    y = each head of x, turned by its position's angles
 * GPU_SWIGLU    y = x / (1 + exp(-x)) * up
 * GPU_DIVIDE    y = x / by
 * GPU_HADAMARD  y = x H; cols as a struct hadamard's n
 * GPU_DROP      y = x, 0 in the kept columns
 * GPU_KEEP      y = y, x rounded to FP16 in the kept columns */

#ifdef __cplusplus
}
#endif

#endif
