/* inline.h: the two compiler hints that the SIMD kernels need.
 * A kernel's inner function takes its decoder and token count as constants; inlined, they cost nothing.
 * Included by the files of kernels only. */
#ifndef KERNELS_INLINE_H
#define KERNELS_INLINE_H

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Loops over an array of vector registers must be unrolled, or the array goes to memory. */
#if defined(__clang__)
#define UNROLL_16 _Pragma("clang loop unroll(full)")
#else
#define UNROLL_16 _Pragma("GCC unroll 16")
#endif

/* E4M3 read as FP16 bits is too small by 2^(15 - 7), the difference of the biases. */
#define E4M3_FACTOR 256.0f

#endif
