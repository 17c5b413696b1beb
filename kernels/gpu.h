/* gpu.h: the GPU behind a C interface: the module, its devices, memory, and the table of launches.
 * build/lib/saffron_cuda.so holds all CUDA code and exports one symbol, saffron_cuda; gpu.c opens it when first used.
 * Nothing here exits or prints: a call returns a status, and `error` gives the words of the last failure.
 * One thread at a time uses a struct gpu; what is launched on it runs in order, on a stream of its own. */
#ifndef KERNELS_GPU_H
#define KERNELS_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GPU_MODULE_VERSION = 3, GPU_DEVICES_MOST = 64 };

struct gpu;                     /* an opened device: its stream and scratch memory */

/* What the driver says of one device. */
struct gpu_device {
    char   name[128];           /* "NVIDIA H200" */
    int    index;               /* in the driver's order: N of cuda:N */
    int    capability;          /* compute capability, 90 for 9.0 */
    int    processors;          /* streaming multiprocessors */
    size_t memory, free;        /* bytes; free is that of now, 0 if the device could not be asked */
    size_t l2_bytes;
};

/* What a launch does, and which struct its `work` points to. */
enum gpu_op {
    GPU_READ,                   /* reads a buffer and nothing else: struct gpu_read */
    GPU_RANGE,                  /* the range of each group: struct gpu_task */
    GPU_FIT,                    /* the scale of each group: struct gpu_task */
    GPU_ENCODE,                 /* codes, values and counts under known scales: struct gpu_task */
    GPU_DECODE,                 /* codes to values: struct gpu_task */
    GPU_ERROR,                  /* the sums of error.h, one a chunk: struct gpu_task */
    GPU_CAST,                   /* to packed codes under known scales, fast: struct gpu_cast, as all of these */
    GPU_CAST_STATS,             /* the same, with the sums of the error */
    GPU_CAST_FIND,              /* the same as GPU_CAST, finding each row's or block's scale on the way */
    GPU_CAST_FIND_STATS,        /* with the sums too; whole blocks only */
    GPU_UNCAST,                 /* packed codes to values */
    GPU_PACK,                   /* codes to the records of GPU_GEMV: struct gpu_pack */
    GPU_GEMV,                   /* y = W x for batch 1 to 64, as gpu_product.h says */
    GPU_GEMM,                   /* larger products, as gpu_product.h says */
    GPU_ATTENTION,              /* decode attention, as gpu_attention.h says */
    GPU_PREFILL,                /* prefill attention, as gpu_attention.h says */
    GPU_SGEMM,                  /* FP32 product with packed weights: struct gpu_sgemm of gpu_forward.h */
    GPU_CAUSAL,                 /* FP32 attention of a forward pass: struct gpu_causal */
    GPU_GATHER,                 /* rows of a forward pass: struct gpu_rows, as all of these */
    GPU_NORM,
    GPU_ROTATE,
    GPU_SWIGLU,
    GPU_DIVIDE,
    GPU_HADAMARD,
    GPU_DROP,
    GPU_KEEP,
};

/* GPU_READ: reads `bytes` (a multiple of 16) at x; *sum may change. Pointers of the device. */
struct gpu_read {
    const void *x;
    size_t      bytes;
    uint32_t   *sum;
};

/* Puts one kernel, or a few in order, on g's stream and does not wait. It allocates nothing, so that it can be
 * recorded into a graph: scratch memory comes from `work`. */
typedef enum kernel_status gpu_launch_fn(struct gpu *g, const void *work);

/* A row of the launch table. */
struct gpu_kernel {
    enum gpu_op    op;
    const char    *format;      /* of codes or weights, as in the format table; NULL: any */
    const char    *input;       /* "bf16", "fp16", "fp32", what it meets; NULL: any */
    int            needs;       /* lowest compute capability */
    float          bound;       /* 0: the same bits as the scalar reference; else relative Frobenius error */
    gpu_launch_fn *launch;      /* NULL ends a list */
    const char    *function, *file;     /* to show the source */
};

/* Enqueues launch number i of a measured series. */
typedef enum kernel_status gpu_series_fn(struct gpu *g, void *ctx, int i);

/* What the module exports as the symbol saffron_cuda. */
struct gpu_module {
    int version;                /* GPU_MODULE_VERSION */

    /* CUDA versions as 1000 major + 10 minor; driver 0: no driver. */
    enum kernel_status (*versions)(int *driver, int *runtime);
    /* Fills list[0..room) and says how many devices there are. */
    enum kernel_status (*devices)(struct gpu_device *list, int room, int *count);

    /* Opens device `index`. *g is to be closed; NULL unless KERNEL_OK. */
    enum kernel_status (*open)(int index, struct gpu **g);
    void (*close)(struct gpu *g);
    const struct gpu_device *(*device)(const struct gpu *g);

    /* Device memory. free of NULL does nothing. */
    enum kernel_status (*alloc)(struct gpu *g, size_t bytes, void **p);
    void (*free)(struct gpu *g, void *p);
    /* Copies and fills, in order with the launches. From and to pageable host memory they have ended on return. */
    enum kernel_status (*upload)(struct gpu *g, void *to, const void *from, size_t bytes);
    enum kernel_status (*download)(struct gpu *g, void *to, const void *from, size_t bytes);
    enum kernel_status (*copy)(struct gpu *g, void *to, const void *from, size_t bytes);
    enum kernel_status (*fill)(struct gpu *g, void *to, int byte, size_t bytes);

    /* Waits for all that was enqueued, asking `progress` some hundred times a second with the fraction `done`. On
     * false it waits on without asking, then says KERNEL_CANCELED: a kernel that runs cannot be stopped. */
    enum kernel_status (*wait)(struct gpu *g, const struct progress *progress, double done);

    /* The table of launches: row i, NULL past the end. */
    const struct gpu_kernel *(*kernel)(size_t i);
    /* The best row for op, format and input that device g can run; NULL if there is none. */
    const struct gpu_kernel *(*find)(const struct gpu *g, enum gpu_op op, const char *format, const char *input);

    /* Times a series: `launches` of them recorded as one graph, replayed `rounds` times after two for warmth; ms[round]
     * is the time of one launch. launches 0: one alone, between two events, without a graph. */
    enum kernel_status (*measure)(struct gpu *g, gpu_series_fn *series, void *ctx, int launches, int rounds,
                                  double *ms);

    /* One line of the last failure in this process: "cannot allocate 3.0 GiB on NVIDIA H200: out of memory". */
    const char *(*error)(void);
};

/* Where the module lies, before the first use. NULL: there is none. The text is copied. */
void gpu_place(const char *path);

/* The module, opened at the first call; NULL, and the reason in why[0..room), if it is not there or does not fit. */
const struct gpu_module *gpu_module(char *why, size_t room);

/* What --device names: -1 for the freest, else an index. False for other words than cuda and cuda:N. */
bool gpu_parse(const char *text, int *index);

/* Opens device `index`, or with -1 the one with most free memory. KERNEL_NO_GPU, and one line in why[0..room), if there
 * is none to use. Close it with the module's close. */
enum kernel_status gpu_open(int index, struct gpu **g, char *why, size_t room);

/* The module of an opened device: never NULL after gpu_open said KERNEL_OK. */
const struct gpu_module *gpu_opened(void);

/* The devices there are, at most `room`; 0, and the reason in why[0..why_room), if none can be used. */
int gpu_devices(struct gpu_device *list, int room, char *why, size_t why_room);

#ifdef __cplusplus
}
#endif

#endif
