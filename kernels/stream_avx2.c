/* stream_avx2.c: the read-only loop with 32-byte loads. See stream.c.
 * Each of four streams takes a whole cache line a turn; sums are taken so that no load can be left out.
 * Only kernel.c calls it, through the table. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* A cache line, folded into 32 bytes. */
static inline __m256i line(const uint8_t *at)
{
    return _mm256_add_epi64(_mm256_load_si256((const __m256i *)(const void *)at),
                            _mm256_load_si256((const __m256i *)(const void *)(at + 32)));
}

uint64_t read__avx2(const void *buffer, size_t bytes)
{
    const uint8_t *at = buffer;
    size_t quarter = bytes / 4;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = 0; i < quarter; i += 64) {
        a = _mm256_add_epi64(a, line(at + i));
        b = _mm256_add_epi64(b, line(at + quarter + i));
        c = _mm256_add_epi64(c, line(at + 2 * quarter + i));
        d = _mm256_add_epi64(d, line(at + 3 * quarter + i));
    }
    uint64_t lane[4];
    a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
    _mm256_storeu_si256((__m256i *)(void *)lane, a);
    return lane[0] + lane[1] + lane[2] + lane[3];
}

#else
typedef int no_stream_avx2;     /* a translation unit may not be empty */
#endif
