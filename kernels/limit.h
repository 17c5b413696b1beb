/* limit.h: what memory itself can do: plain loops that move bytes in any proportion, a stretch of reading and a stretch
 * of writing in turns. Beside them stand KERNEL_READ and KERNEL_MOVE, which go line by line. A kernel's speed is told
 * as a share of the best of all these; one above 1 means that they are badly written. */
#ifndef KERNELS_LIMIT_H
#define KERNELS_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"

/* Reads `read` bytes once and writes `written` bytes once, interleaved in that proportion. Both are multiples of 256
 * and at most 2^40, the addresses 64-byte aligned; either may be 0. Every byte written is LIMIT_FILL. Returns the sum
 * of the 64-bit words read, so that no read is left out. */
typedef uint64_t limit_fn(const void *from, size_t read, void *to, size_t written);

enum { LIMIT_FILL = 0x5a, LIMIT_STEP = 256 };

struct limit {
    const char *name;           /* "normal", "long turns", "non-temporal", "prefetched": how it stores and loads */
    enum isa    isa;
    limit_fn   *run;
    const char *function, *file;
};

/* Row i of limit_count() rows; NULL past the end. */
size_t              limit_count(void);
const struct limit *limit_at(size_t i);

/* --- for the loops themselves ------------------------------------------------------------------------------------- */

limit_fn limit__scalar, limit_long__scalar, limit_ahead__scalar;
#if defined(__x86_64__)
limit_fn limit__avx2, limit_long__avx2, limit_past__avx2, limit_ahead__avx2;
limit_fn limit__avx512, limit_long__avx512, limit_past__avx512, limit_ahead__avx512;
#endif

/* How far a side of `total` bytes is when the larger one, of `most`, is at `at`; whole steps, all of it at the end. */
static inline size_t limit_end(size_t total, size_t most, size_t at)
{
    uint64_t share = most ? ((uint64_t)total << 16) / most : 0; /* of 2^16 */
    return at >= most ? total : (size_t)(((uint64_t)at * share >> 16) & ~(uint64_t)(LIMIT_STEP - 1));
}

/* Bytes of the larger side between two changes from reading to writing: short turns are best from memory, where stores
 * go past the caches; long ones in cache, where much is written. */
enum { LIMIT_TURN = 1024, LIMIT_LONG = 16384 };

#endif
