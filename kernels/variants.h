/* variants.h: every kernel function by name, for the table in kernel.c alone.
 * A name is a sentence: operation_format__isa. Contracts are in kernel.h at gemv_fn and read_fn. */
#ifndef KERNELS_VARIANTS_H
#define KERNELS_VARIANTS_H

#include "kernels/kernel.h"

read_fn read__scalar;
/* Products, one instruction set's rows. _values: the function takes x as FP32 numbers. */
#define PRODUCT_FUNCTIONS(suffix) \
    gemv_fn gemv_fp32__##suffix, gemv_fp16__##suffix, gemv_bf16__##suffix, gemv_e4m3__##suffix, gemv_int8__##suffix, \
        gemv_int8_values__##suffix, gemv_int4__##suffix, gemv_int4_values__##suffix, gemv_mxfp4__##suffix, \
        gemv_mxfp4_values__##suffix, gemv_nvfp4__##suffix, gemv_nvfp4_values__##suffix
PRODUCT_FUNCTIONS(scalar);
gemv_fn gemv_fp32_naive, gemv_int4_naive;
round_fn round__scalar;
attention_fn attention__scalar;
#define ATTENTION_FUNCTIONS(suffix) \
    attention_fn attention_bf16__##suffix, attention_e4m3__##suffix, attention_int8__##suffix, attention_int4__##suffix

/* The same for integers with a zero-point or a stored minimum: code = round((x - offset) * inverse) + zero, clamped
 * to 0 ... 2^bits - 1. NaN counts as round() = 0. */
void round_affine(struct round_run *run);

/* What a wider variant leaves over: elements first..n of the run, by the reference. */
void round_rest(struct round_run *run, size_t first);

encode_job_fn encode__scalar, encode_stats__scalar, quantize__scalar, decode__scalar, dequantize__scalar;

/* What faster rows of KERNEL_ENCODE do with values that are not finite: n values of the job with 0 in their place,
 * which counts them; and their codes by the reference, put among those of the others. */
size_t encode_finite_values(const struct encode_job *job, size_t from, size_t n, float *x);
void   encode_other_values(const struct encode_job *job, size_t from, size_t n, uint8_t *codes);

/* KERNEL_QUANTIZE by the reference for n elements of a row, of which the first begins a block: what faster rows hand
 * over. Their codes and their scales' numbers start where the caller says. */
void quantize_values(const struct encode_job *job, size_t from, size_t n, uint8_t *codes, size_t scale_index);

/* Packed codes, one instruction set's rows: float8 serves E4M3 and E5M2. */
#define CODER_FUNCTIONS(suffix) \
    encode_job_fn encode_float8__##suffix, encode_float4__##suffix, encode_int8__##suffix, \
        encode_int4__##suffix, encode_fp16__##suffix, encode_bf16__##suffix, \
        encode_stats_float8__##suffix, encode_stats_float4__##suffix, encode_stats_int8__##suffix, \
        encode_stats_int4__##suffix, encode_stats_fp16__##suffix, encode_stats_bf16__##suffix, \
        decode_float8__##suffix, decode_float4__##suffix, decode_int8__##suffix, \
        decode_int4__##suffix, decode_fp16__##suffix, decode_bf16__##suffix, \
        dequantize_int8__##suffix, dequantize_float8__##suffix, dequantize_int4__##suffix, \
        dequantize_mxfp8__##suffix, dequantize_mxfp4__##suffix, dequantize_nvfp4__##suffix
#define FINDER_FUNCTIONS(suffix) \
    encode_job_fn quantize_int8__##suffix, quantize_float8__##suffix, quantize_int4__##suffix, \
        quantize_mxfp8__##suffix, quantize_mxfp4__##suffix, quantize_nvfp4__##suffix

#if defined(__x86_64__)
round_fn round__avx2, round__avx512;
move_fn move__avx2, move__avx512;
read_fn read__avx2, read__avx512;
CODER_FUNCTIONS(avx2);
CODER_FUNCTIONS(avx512);
FINDER_FUNCTIONS(avx2);
FINDER_FUNCTIONS(avx512);

PRODUCT_FUNCTIONS(avx2);
PRODUCT_FUNCTIONS(avx512);
ATTENTION_FUNCTIONS(avx2);
ATTENTION_FUNCTIONS(avx512);
#elif defined(__aarch64__)
CODER_FUNCTIONS(neon);
PRODUCT_FUNCTIONS(neon);
ATTENTION_FUNCTIONS(neon);
#endif

#endif
