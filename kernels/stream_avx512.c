/* stream_avx512.c: the read-only loop with 64-byte loads. See stream.c.
 * A load is a whole cache line; four streams, one sum each.
 * Only kernel.c calls it, through the table. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

uint64_t read__avx512(const void *buffer, size_t bytes)
{
    const uint8_t *at = buffer;
    size_t quarter = bytes / 4;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i < quarter; i += 64) {
        a = _mm512_add_epi64(a, _mm512_load_si512(at + i));
        b = _mm512_add_epi64(b, _mm512_load_si512(at + quarter + i));
        c = _mm512_add_epi64(c, _mm512_load_si512(at + 2 * quarter + i));
        d = _mm512_add_epi64(d, _mm512_load_si512(at + 3 * quarter + i));
    }
    uint64_t lane[8], sum = 0;
    a = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
    _mm512_storeu_si512(lane, a);
    for (int i = 0; i < 8; i++)         /* the reduction intrinsic adds signed numbers, whose overflow is undefined */
        sum += lane[i];
    return sum;
}

#else
typedef int no_stream_avx512;   /* a translation unit may not be empty */
#endif
