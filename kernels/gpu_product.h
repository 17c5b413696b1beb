/* gpu_product.h: products with quantized weights on the GPU: what their launches are given.
 * Weights lie in records: of 32 rows and 128 columns each, in the order in which a tensor-core instruction wants them,
 * their group scales behind the codes; so that a warp reads pieces of 2 KB and decodes them in registers.
 * Packing is a launch too (GPU_PACK); the records of a weight format serve FP16 and BF16 activations alike. */
#ifndef KERNELS_GPU_PRODUCT_H
#define KERNELS_GPU_PRODUCT_H

#include "kernels/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    GPU_TILE = 32,              /* rows of a record */
    GPU_CHUNK = 128,            /* columns of a record */
    GPU_BATCH_MOST = 64,        /* tokens of a GPU_GEMV */
    GPU_SCRATCH_ROWS = 256,     /* whose sums a launch may have to leave for another block */
};

/* How a format's record is made. */
struct gpu_layout {
    const char *format;         /* "int4" */
    int         bits;           /* of a code */
    int         group;          /* values that share a scale in the record; 0: none there, but one FP32 a row */
    int         scale_bytes;    /* of one such scale: 2 FP16 (int4), 1 E8M0 (mxfp4) or E4M3 (nvfp4) */
    size_t      record;         /* bytes */
};

/* The layout of a weight format, NULL if there is none: fp16 bf16 int8 e4m3 int4 mxfp4 nvfp4. */
const struct gpu_layout *gpu_layout_find(const char *format);

/* W [rows, cols] in records. Device memory, owned by the caller. */
struct gpu_weights {
    const struct gpu_layout *layout;
    int         rows, cols;
    uint8_t    *records;        /* [tiles, chunks, layout->record] */
    const float *row_scale;     /* [rows], int8 and e4m3 only */
    float       tensor_scale;   /* nvfp4: t; else 1 */
};

static inline size_t gpu_tiles(const struct gpu_weights *w)
{
    return ((size_t)w->rows + GPU_TILE - 1) / GPU_TILE;
}

static inline size_t gpu_chunks(const struct gpu_weights *w)
{
    return ((size_t)w->cols + GPU_CHUNK - 1) / GPU_CHUNK;
}

/* Bytes of all records. */
static inline size_t gpu_weights_bytes(const struct gpu_weights *w)
{
    return gpu_tiles(w) * gpu_chunks(w) * w->layout->record;
}

/* GPU_PACK: codes as an encoder leaves them, one a byte (16-bit formats: two bytes), to records. Device pointers. */
struct gpu_pack {
    struct gpu_weights *w;
    const void *codes;          /* [rows, cols] */
    const void *scales;         /* [rows, ceil(cols / group)] of scale_bytes each; NULL where the record has none */
};

/* GPU_GEMV: y = x W^T. x is FP16 or BF16 as the row's `input` says. */
struct gpu_gemv {
    const struct gpu_weights *w;
    const void *x;              /* [batch, chunks * GPU_CHUNK], zeros behind cols; 16-byte aligned */
    int         batch;          /* 0 to GPU_BATCH_MOST */
    float      *y;              /* [batch, rows] */
    void       *scratch;        /* gpu_gemv_scratch bytes, zeros before the first launch; for one launch at a time */
    bool        early;          /* nothing enqueued before writes the weights: they may be read while it still runs */
};

/* Bytes of scratch that GPU_GEMV wants on a device with this many processors. */
static inline size_t gpu_gemv_scratch(int processors)
{
    return (size_t)processors * GPU_SCRATCH_ROWS * GPU_BATCH_MOST * sizeof(uint64_t);
}

#ifdef __cplusplus
}
#endif

#endif
