/* stream.c: the read-only loop whose speed is the limit that a memory-bound product can reach.
 * It does nothing but read: four streams, so that the hardware's prefetchers work side by side.
 * Faster variants are in stream_avx2.c and stream_avx512.c. */
#include "kernels/variants.h"

uint64_t read__scalar(const void *buffer, size_t bytes)
{
    const uint64_t *word = buffer;
    size_t quarter = bytes / 4 / sizeof *word;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i < quarter; i++) {
        a += word[i];
        b += word[quarter + i];
        c += word[2 * quarter + i];
        d += word[3 * quarter + i];
    }
    return a + b + c + d;
}
