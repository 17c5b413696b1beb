/* kernel.h: the table of kernels, one row each; dispatch, tests and bench walk it.
 * A row names the operation, the format of the weights, what they meet, and the instruction set it needs;
 * so a kernel cannot exist untested. To add a variant, add a row to kernel.c. */
#ifndef KERNELS_KERNEL_H
#define KERNELS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"
#include "kernels/matrix.h"
#include "kernels/rowops.h"
#include "kernels/sgemm.h"
#include "kernels/status.h"

enum kernel_op {
    KERNEL_READ,            /* reads a buffer and does nothing else: the memory's limit */
    KERNEL_MOVE,            /* reads lines and writes lines and does nothing else: the limit of what also writes */
    KERNEL_GEMV,            /* y = W x, as fast as this instruction set can */
    KERNEL_GEMV_NAIVE,      /* the same as one would first write it: one weight at a time */
    KERNEL_ATTENTION,       /* decode attention, see attention.h */
    KERNEL_ROUND,           /* values to codes and back, with counts */
    KERNEL_ENCODE,          /* values to packed codes by a known scale */
    KERNEL_ENCODE_STATS,    /* the same, with the sums of the error */
    KERNEL_QUANTIZE,        /* values to packed codes, the scale of each row, group or block found on the way */
    KERNEL_DECODE,          /* packed codes to values by a known scale */
    KERNEL_DEQUANTIZE,      /* packed codes to values by the scales that KERNEL_QUANTIZE found */
    KERNEL_SGEMM,           /* FP32 product with packed weights, see sgemm.h; tolerance for sums of 4096 products */
    KERNEL_ROWS,            /* norms, softmax and the like on rows, see rowops.h */
};

/* Rows first..last of Y = X W^T: y[b * w->rows + row] for each token b of x. */
typedef void gemv_fn(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last);

/* Reads `bytes` (a multiple of 4096, 64-byte aligned) once; returns a checksum so that no read is left out. */
typedef uint64_t read_fn(const void *buffer, size_t bytes);

/* How KERNEL_MOVE writes. */
enum move {
    MOVE_PLAIN,
    MOVE_STREAM,            /* past the caches */
    MOVE_PREFETCH,          /* plain, and asks for what it reads 2 KiB ahead */
};

/* `steps` times: reads `read` lines of 64 bytes and writes `written` ones, all 64-byte aligned. One of the two is 1,
 * the other 1, 2, 4 or 8; else nothing happens and the answer is false. */
typedef bool move_fn(void *out, const void *in, size_t steps, int read, int written, enum move how);

/* Values that share one scale, for KERNEL_ROUND. The counts are added to. */
struct round_run {
    const struct format *format;
    struct cast  cast;
    uint64_t     seed;              /* stochastic rounding draws from seed and index + i */
    size_t       index;             /* of x[0] in the whole tensor */
    const float *x;                 /* [n] */
    size_t       n;
    float        scale, inverse;    /* inverse: what x is multiplied by, 1 / scale as a rule */
    float        offset;            /* round_affine: subtracted from x before, added to the value after */
    int32_t      zero;              /* round_affine: the code of 0 */
    void        *codes;             /* [n] of format_code_bytes */
    float       *values;            /* [n] decoded */
    size_t       zeros, nonfinite, clipped;
};

/* Encodes x * inverse and decodes again, times scale. Rows above scalar round to nearest and saturate, no other. */
typedef void round_fn(struct round_run *run);

/* Units first..last of a tensor on its way to packed codes or back, see encode.h. */
struct encode_job;
typedef void encode_job_fn(const struct encode_job *job, size_t first, size_t last);

/* One piece of decode attention, see attention.h. */
struct attention_piece;
typedef void attention_fn(const struct attention_piece *piece);

struct kernel {
    enum kernel_op  op;
    const char     *format;         /* a name in the format table; NULL where it works for every format */
    enum activation activation;     /* products: how x is rounded, and how the function wants it laid out */
    enum layout     layout;
    enum isa        isa;            /* what it needs */
    const char     *device;         /* "cpu" */
    float           tolerance;      /* 0: the same bits as the scalar row. Else |y - exact| <= tolerance * sum |w x| */
    gemv_fn        *gemv;
    read_fn        *read;
    attention_fn   *attention;
    move_fn        *move;
    round_fn       *round;
    encode_job_fn  *job;            /* KERNEL_ENCODE to KERNEL_DEQUANTIZE, see encode.h */
    sgemm_fn       *sgemm;
    const struct rowops *rows;
    const char     *function;       /* its name and file, to show the source */
    const char     *file;
};

/* Row i of kernel_count() rows; NULL past the end. */
size_t               kernel_count(void);
const struct kernel *kernel_at(size_t i);

/* The best row for this operation and format (or for any format) that `allowed` permits and this processor can
 * run; NULL if there is none. */
const struct kernel *kernel_find(enum kernel_op op, const char *format, enum isa allowed);

/* The best product of this format with these activations; kernel_find gives the format's usual ones. */
const struct kernel *kernel_find_product(const char *format, enum activation activation, enum isa allowed);

/* Y = X W^T with row k: x [batch, cols], y [batch, rows]. Preparing x (rounding it, where the kernel wants
 * INT8) is part of the call. Batches are taken 16 tokens at a time; W is streamed once for each 16. */
enum kernel_status gemv(const struct kernel *k, const struct matrix *w, const float *x, size_t batch,
                        float *y, const struct progress *progress);

/* The same with x already prepared for k->activation. */
enum kernel_status gemv_prepared(const struct kernel *k, const struct matrix *w, const struct operand *x,
                                 float *y, const struct progress *progress);

#endif
