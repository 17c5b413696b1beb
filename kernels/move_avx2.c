/* move_avx2.c: the loop whose speed is the limit of a kernel that reads and writes: it moves lines in the kernel's
 * proportion, and what it writes depends on all that it reads. See KERNEL_MOVE in kernel.h.
 * Proportions and ways of writing are constants of each copy of the loop. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

enum { LINE = 64, AHEAD = 2048 };

static ALWAYS_INLINE void move_lines(uint8_t *out, const uint8_t *in, size_t steps, const int read, const int written,
                                     const enum move how)
{
    for (size_t step = 0; step < steps; step++, in += read * LINE, out += written * LINE) {
        const __m256i *from = (const __m256i *)(const void *)in;
        __m256i *to = (__m256i *)(void *)out, low = _mm256_load_si256(from), high = _mm256_load_si256(from + 1);
        if (how == MOVE_PREFETCH)
            for (int k = 0; k < read; k++)
                _mm_prefetch((const char *)in + AHEAD + k * LINE, _MM_HINT_T0);
        for (int k = 1; k < read; k++) {
            low = _mm256_xor_si256(low, _mm256_load_si256(from + 2 * k));
            high = _mm256_xor_si256(high, _mm256_load_si256(from + 2 * k + 1));
        }
        for (int k = 0; k < written; k++)
            if (how == MOVE_STREAM) {
                _mm256_stream_si256(to + 2 * k, low);
                _mm256_stream_si256(to + 2 * k + 1, high);
            } else {
                _mm256_store_si256(to + 2 * k, low);
                _mm256_store_si256(to + 2 * k + 1, high);
            }
    }
    if (how == MOVE_STREAM)
        _mm_sfence();
}

#include "kernels/move_lanes.h"

bool move__avx2(void *out, const void *in, size_t steps, int read, int written, enum move how)
{
    return move_any(out, in, steps, read, written, how);
}

#else
typedef int no_move_avx2;    /* a translation unit may not be empty */
#endif
