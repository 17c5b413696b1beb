/* gpu_bench_encode.c: encoding, decoding and statistics against a copy of the same bytes. */
#include "tests/gpu_measure.h"

void gpu_bench_encode(struct gpu_bench *b)
{
    (void)b;
}
