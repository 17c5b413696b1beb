/* rowops_neon.c: the row operations, vectorized by the compiler for NEON.
 * Nothing is fused, so the bits are those of rowops.c. A processor of this kind always has NEON, so the compiler may
 * make of rowops.c the same instructions; this row is what `--isa neon` and a reveal name. */
#include "kernels/rowops.h"

#if defined(__aarch64__)
#include "kernels/rowops_body.h"

const struct rowops rowops__neon = ROWOPS;

#else
typedef int rowops_neon_is_empty;       /* a translation unit may not be empty */
#endif
