/* gpu_bench_encode.c: encoding, decoding and statistics against a copy of the same bytes.
 * Traffic is what must move at least: values read once, codes and found scales written once, known scales read once;
 * decoding the other way round. */
#include <stdio.h>

#include "tests/gpu_measure.h"

enum { ROWS = 8192, COLS = 8192 };

static void bench_row(struct gpu_bench *b, enum gpu_op op, const char *format, const char *input, const char *what,
                      double goal)
{
    const struct gpu_kernel *k = b->m->find(b->g, op, format, input);
    struct gpu_cast_series s;
    char name[80];
    snprintf(name, sizeof name, "%s %s %s", input, what, format);
    if (k && k->format && gpu_cast_series_open(&s, &b->memory, k, ROWS, COLS))
        gpu_row(b, name, gpu_cast_series_launch, &s, s.bytes, GPU_CEILING_COPY, goal, 0);
}

void gpu_bench_encode(struct gpu_bench *b)
{
    static const char *const known[] = {"e4m3", "int8", "int4", "mxfp4", "nvfp4", "mxfp8-e4m3", "e5m2", "fp16", "bf16"};
    static const char *const blocks[] = {"int4", "mxfp4", "nvfp4", "mxfp8-e4m3"};
    static const char *const rows[] = {"e4m3", "int8"};
    printf("encoding and decoding [%d, %d]\n", ROWS, COLS);
    for (int i = 0; i < 9; i++)
        bench_row(b, GPU_CAST, known[i], "bf16", "known scale to", i < 5 ? 1.0 : 0);
    for (int i = 0; i < 2; i++)
        bench_row(b, GPU_CAST_FIND, rows[i], "bf16", "row absmax to", 0.95);
    for (int i = 0; i < 4; i++)
        bench_row(b, GPU_CAST_FIND, blocks[i], "bf16", "block absmax to", 0.95);
    for (int i = 0; i < 2; i++)
        bench_row(b, GPU_CAST_STATS, rows[i], "bf16", "known scale, sums, to", 0.90);
    for (int i = 0; i < 4; i++)
        bench_row(b, GPU_CAST_FIND_STATS, blocks[i], "bf16", "block absmax, sums, to", 0.90);
    for (int i = 0; i < 9; i++)
        bench_row(b, GPU_UNCAST, known[i], "bf16", "from", 0);
    bench_row(b, GPU_CAST, "e4m3", "fp32", "known scale to", 0);
    bench_row(b, GPU_CAST_FIND, "e4m3", "fp32", "row absmax to", 0);
    bench_row(b, GPU_CAST_FIND_STATS, "nvfp4", "fp32", "block absmax, sums, to", 0);
}
