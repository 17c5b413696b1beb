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

/* E4M3 codes as FP32 bits are too small by 2^(127 - 7), operands in LAYOUT_FOURS too large by 2^100. */
#define E4M3_MASK 0x87f00000u       /* sign, four bits of exponent, three of mantissa */
#define E4M3_FACTOR 0x1p20f

#endif
