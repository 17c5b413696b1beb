/* move_avx512.c: the loop whose speed is the limit of a kernel that reads and writes: it moves lines in the kernel's
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
        __m512i sum = _mm512_load_si512(in);
        if (how == MOVE_PREFETCH)
            for (int k = 0; k < read; k++)
                _mm_prefetch((const char *)in + AHEAD + k * LINE, _MM_HINT_T0);
        for (int k = 1; k < read; k++)
            sum = _mm512_xor_si512(sum, _mm512_load_si512(in + k * LINE));
        for (int k = 0; k < written; k++)
            if (how == MOVE_STREAM)
                _mm512_stream_si512((__m512i *)(void *)(out + k * LINE), sum);
            else
                _mm512_store_si512(out + k * LINE, sum);
    }
    if (how == MOVE_STREAM)
        _mm_sfence();
}

#include "kernels/move_lanes.h"

bool move__avx512(void *out, const void *in, size_t steps, int read, int written, enum move how)
{
    return move_any(out, in, steps, read, written, how);
}

#else
typedef int no_move_avx512;    /* a translation unit may not be empty */
#endif
