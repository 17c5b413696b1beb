/* variants.h: every kernel function by name, for the table in kernel.c alone.
 * A name is a sentence: operation_format__isa. Contracts are in kernel.h at gemv_fn and read_fn. */
#ifndef KERNELS_VARIANTS_H
#define KERNELS_VARIANTS_H

#include "kernels/kernel.h"

read_fn read__scalar;
gemv_fn gemv_fp32__scalar, gemv_fp16__scalar, gemv_e4m3__scalar, gemv_int8__scalar, gemv_int4__scalar;
gemv_fn gemv_fp32_naive, gemv_int4_naive;
round_fn round__scalar;
attention_fn attention__scalar;

/* The same for integers with a zero-point or a stored minimum: code = round((x - offset) * inverse) + zero, clamped
 * to 0 ... 2^bits - 1. NaN counts as round() = 0. */
void round_affine(struct round_run *run);

/* What a wider variant leaves over: elements first..n of the run, by the reference. */
void round_rest(struct round_run *run, size_t first);

encode_job_fn encode__scalar, encode_stats__scalar, quantize__scalar, decode__scalar, dequantize__scalar;

/* One row of KERNEL_QUANTIZE by the reference: what faster ones hand over. */
void quantize_row(const struct encode_job *job, size_t row);

#if defined(__x86_64__)
round_fn round__avx2, round__avx512;
read_fn read__avx2, read__avx512;
gemv_fn gemv_fp32__avx2, gemv_fp16__avx2, gemv_e4m3__avx2, gemv_int8__avx2, gemv_int4__avx2;
gemv_fn gemv_fp32__avx512, gemv_fp16__avx512, gemv_e4m3__avx512, gemv_int8__avx512, gemv_int4__avx512;
#endif

#endif
