/* rowops_avx512.c: the row operations, vectorized by the compiler for AVX-512.
 * The Makefile gives this file its instruction set; nothing is fused, so the bits are those of rowops.c. */
#include "kernels/rowops.h"

#if defined(__x86_64__)
#include "kernels/rowops_body.h"

const struct rowops rowops__avx512 = ROWOPS;

#else
typedef int rowops_avx512_is_empty;       /* a translation unit may not be empty */
#endif
