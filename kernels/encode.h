/* encode.h: a tensor on its way to packed codes and back, one pass each: kernel rows from KERNEL_ENCODE on.
 * All round to nearest even, saturate, and give the bits of their scalar row. Any number of threads may run a job: a
 * unit is written by whoever takes it, and by nobody else.
 *
 * Packed codes: code i of a row lies at bit i * bits, least significant first; a row starts on a byte. Block formats
 * pad a short last block with zero codes. Scales lie in an array of their own, [rows, scales of a row]. */
#ifndef KERNELS_ENCODE_H
#define KERNELS_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"
#include "kernels/kernel.h"
#include "kernels/scale.h"
#include "kernels/status.h"

/* Elements of one unit where the scale is known: the chunk of the error sums. */
enum { ENCODE_CHUNK = 4096 };

/* What the values are kept in. */
enum source {
    SOURCE_FP32,
    SOURCE_BF16,                /* the upper half of an FP32 */
};

struct encode_job {
    const struct format *format;
    enum source  source;        /* of x; decoding writes FP32 */
    size_t       rows, cols;
    void        *x;             /* [rows, cols] what is encoded */
    float       *values;        /* [rows, cols] what is decoded */
    uint8_t     *codes;         /* [rows, encode_row_bytes] */
    void        *scales;        /* [rows, encode_scales_of_row] FP32, FP16, E8M0 or E4M3; QUANTIZE and DEQUANTIZE */
    struct error_sums *chunks;  /* [units] sums of each chunk; ENCODE_STATS */
    float        scale, inverse;        /* ENCODE, ENCODE_STATS, DECODE; inverse: 1 / scale as a rule */
    float        tensor;        /* two-level scales: the scale of the tensor, from scale_of_tensor */
    bool         stream;        /* results go past the caches; these two are set by encode_place */
    bool         far;           /* the source is asked for ahead, since it lies beyond the second cache */
};

/* The scale that KERNEL_QUANTIZE finds: a block format's own, groups of 128 for integers of less than 8 bits, one a
 * row for the other formats. SCALE_NONE: there is none, and no such kernel (16 and 32 bits, E8M0, double scales). */
struct scale encode_scale(const struct format *format);

/* Bytes of one row of codes, how many scales a row has, and the bytes of one scale. */
size_t encode_row_bytes(const struct format *format, size_t cols);
size_t encode_scales_of_row(const struct format *format, size_t cols);
size_t encode_scale_bytes(const struct format *format);

/* How many units a job has: rows where scales are found or read, else chunks of the tensor taken as one row. 0 if
 * it is empty, or if row k cannot do it: another format, or rows that do not end on a byte where they must. */
size_t encode_units(const struct kernel *k, const struct encode_job *job);

/* Bytes that the whole job must read and write at least. */
struct encode_traffic {
    size_t read, written;
};
struct encode_traffic encode_traffic(const struct kernel *k, const struct encode_job *job);

/* Sets stream and far by the size of what the job reads and writes. */
void encode_place(struct encode_job *job, const struct kernel *k);

/* Memory for a job of row k over [rows, cols], 64-byte aligned and in huge pages where the system has them; the caller
 * fills x, or codes and scales, and sets scale, inverse and tensor (all 1 at first). Free with encode_close. */
enum kernel_status encode_open(struct encode_job *job, const struct kernel *k, const struct format *format,
                               enum source source, size_t rows, size_t cols);
void               encode_close(struct encode_job *job);

/* Runs all units in this thread. KERNEL_BAD_SHAPE where encode_units is 0 and the job is not empty. */
enum kernel_status encode_run(const struct kernel *k, const struct encode_job *job);

/* The sums of a whole ENCODE_STATS job, its chunks joined in order. */
struct error_sums encode_sums(const struct encode_job *job, size_t units);

/* Row i of packed codes, one code; and the values of a source, for references and tests. */
uint32_t encode_load(const uint8_t *row, size_t i, unsigned bits);
void     encode_store(uint8_t *row, size_t i, unsigned bits, uint32_t code);
float    encode_value(const struct encode_job *job, size_t i);

/* The scale of stored scale number i, as decoding uses it. */
float encode_scale_at(const struct encode_job *job, size_t i);

#endif
