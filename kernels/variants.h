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

/* KERNEL_QUANTIZE by the reference for n elements of a row, of which the first begins a block: what faster rows hand
 * over. Their codes and their scales' numbers start where the caller says. */
void quantize_values(const struct encode_job *job, size_t from, size_t n, uint8_t *codes, size_t scale_index);

#if defined(__x86_64__)
round_fn round__avx2, round__avx512;
move_fn move__avx2, move__avx512;
read_fn read__avx2, read__avx512;
encode_job_fn encode_float8__avx512, encode_float4__avx512, encode_int8__avx512, encode_int4__avx512,
    encode_fp16__avx512, encode_bf16__avx512;
encode_job_fn encode_stats_float8__avx512, encode_stats_float4__avx512, encode_stats_int8__avx512,
    encode_stats_int4__avx512, encode_stats_fp16__avx512, encode_stats_bf16__avx512;
encode_job_fn decode_float8__avx512, decode_float4__avx512, decode_int8__avx512, decode_int4__avx512,
    decode_fp16__avx512, decode_bf16__avx512;
encode_job_fn quantize_int8__avx512, quantize_float8__avx512, quantize_int4__avx512, quantize_mxfp8__avx512,
    quantize_mxfp4__avx512, quantize_nvfp4__avx512;
encode_job_fn dequantize_int8__avx512, dequantize_float8__avx512, dequantize_int4__avx512, dequantize_mxfp8__avx512,
    dequantize_mxfp4__avx512, dequantize_nvfp4__avx512;
gemv_fn gemv_fp32__avx2, gemv_fp16__avx2, gemv_e4m3__avx2, gemv_int8__avx2, gemv_int4__avx2;
gemv_fn gemv_fp32__avx512, gemv_fp16__avx512, gemv_e4m3__avx512, gemv_int8__avx512, gemv_int4__avx512;
#endif

#endif
