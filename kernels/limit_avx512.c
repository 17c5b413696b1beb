/* limit_avx512.c: the plain loops with 64-byte loads and stores. See limit.c.
 * Non-temporal stores write a line without reading it first, which pays where the results are larger than the caches.
 * Only limit.c calls them, through the table. */
#include "kernels/limit.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

enum { AHEAD = 2048 }; /* bytes: far enough for memory, near enough for the second cache */

static ALWAYS_INLINE uint64_t limit_move(const void *from, size_t read, void *to, size_t written, size_t turn,
                                         bool past, bool ahead)
{
    const char *in = from;
    char *out = to;
    const __m512i fill = _mm512_set1_epi8(LIMIT_FILL);
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    size_t most = read > written ? read : written, r = 0, w = 0;
    for (size_t at = turn; r < read || w < written; at += turn) {
        for (size_t end = limit_end(read, most, at); r < end; r += 256) {
            if (ahead) {
                _mm_prefetch(in + r + AHEAD, _MM_HINT_T1);
                _mm_prefetch(in + r + AHEAD + 64, _MM_HINT_T1);
                _mm_prefetch(in + r + AHEAD + 128, _MM_HINT_T1);
                _mm_prefetch(in + r + AHEAD + 192, _MM_HINT_T1);
            }
            a = _mm512_add_epi64(a, _mm512_load_si512((const void *)(in + r)));
            b = _mm512_add_epi64(b, _mm512_load_si512((const void *)(in + r + 64)));
            c = _mm512_add_epi64(c, _mm512_load_si512((const void *)(in + r + 128)));
            d = _mm512_add_epi64(d, _mm512_load_si512((const void *)(in + r + 192)));
        }
        for (size_t end = limit_end(written, most, at); w < end; w += 64) {
            if (past)
                _mm512_stream_si512((void *)(out + w), fill);
            else
                _mm512_store_si512((void *)(out + w), fill);
        }
    }
    if (past)
        _mm_sfence();
    uint64_t lane[8], sum = 0;
    a = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
    _mm512_storeu_si512((void *)lane, a);
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}

uint64_t limit__avx512(const void *from, size_t read, void *to, size_t written)
{
    return limit_move(from, read, to, written, LIMIT_TURN, false, false);
}

uint64_t limit_long__avx512(const void *from, size_t read, void *to, size_t written)
{
    return limit_move(from, read, to, written, LIMIT_LONG, false, false);
}

uint64_t limit_past__avx512(const void *from, size_t read, void *to, size_t written)
{
    return limit_move(from, read, to, written, LIMIT_TURN, true, false);
}

uint64_t limit_ahead__avx512(const void *from, size_t read, void *to, size_t written)
{
    return limit_move(from, read, to, written, LIMIT_TURN, true, true);
}

#else
typedef int no_limit_avx512;     /* a translation unit may not be empty */
#endif
