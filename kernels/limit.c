/* limit.c: the plain loops by 64-bit words, and the table of all.
 * Faster ones are in limit_avx2.c and limit_avx512.c: their stores may go past the caches (non-temporal), and then
 * their loads may be asked for ahead (prefetched). */
#include "kernels/limit.h"

/* `ahead`: bytes that loads are asked for in advance, 0: not. */
static inline uint64_t limit_move(const void *from, size_t read, void *to, size_t written, size_t turn, size_t ahead)
{
    const uint64_t *in = from, fill = LIMIT_FILL * 0x0101010101010101ull;
    uint64_t *out = to, a = 0, b = 0, c = 0, d = 0;
    size_t most = read > written ? read : written, r = 0, w = 0;
    for (size_t at = turn; r < read || w < written; at += turn) {
        for (size_t end = limit_end(read, most, at); r < end; r += 64, in += 8) {
            if (ahead)
                __builtin_prefetch((const char *)in + ahead, 0, 2);
            a += in[0] + in[4];
            b += in[1] + in[5];
            c += in[2] + in[6];
            d += in[3] + in[7];
        }
        for (size_t end = limit_end(written, most, at); w < end; w += 32, out += 4)
            out[0] = out[1] = out[2] = out[3] = fill;
    }
    return a + b + c + d;
}

uint64_t limit__scalar(const void *from, size_t read, void *to, size_t written)
{
    return limit_move(from, read, to, written, LIMIT_TURN, 0);
}

uint64_t limit_long__scalar(const void *from, size_t read, void *to, size_t written)
{
    return limit_move(from, read, to, written, LIMIT_LONG, 0);
}

uint64_t limit_ahead__scalar(const void *from, size_t read, void *to, size_t written)
{
    return limit_move(from, read, to, written, LIMIT_TURN, 4096);
}

#define LIMIT(name_, isa_, function_, file_) \
    {.name = name_, .isa = isa_, .run = function_, .function = #function_, .file = "kernels/" file_}

static const struct limit limits[] = {
    LIMIT("normal", ISA_SCALAR, limit__scalar, "limit.c"),
    LIMIT("long turns", ISA_SCALAR, limit_long__scalar, "limit.c"),
    LIMIT("prefetched", ISA_SCALAR, limit_ahead__scalar, "limit.c"),
#if defined(__x86_64__)
    LIMIT("normal", ISA_AVX2, limit__avx2, "limit_avx2.c"),
    LIMIT("long turns", ISA_AVX2, limit_long__avx2, "limit_avx2.c"),
    LIMIT("non-temporal", ISA_AVX2, limit_past__avx2, "limit_avx2.c"),
    LIMIT("prefetched", ISA_AVX2, limit_ahead__avx2, "limit_avx2.c"),
    LIMIT("normal", ISA_AVX512, limit__avx512, "limit_avx512.c"),
    LIMIT("long turns", ISA_AVX512, limit_long__avx512, "limit_avx512.c"),
    LIMIT("non-temporal", ISA_AVX512, limit_past__avx512, "limit_avx512.c"),
    LIMIT("prefetched", ISA_AVX512, limit_ahead__avx512, "limit_avx512.c"),
#endif
};

size_t limit_count(void)
{
    return sizeof limits / sizeof limits[0];
}

const struct limit *limit_at(size_t i)
{
    return i < limit_count() ? &limits[i] : NULL;
}
