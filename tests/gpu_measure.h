/* gpu_measure.h: what the benchmarks of the CUDA kernels share: rotating buffers, medians, ceilings, the report.
 * A series is recorded into one graph of LAUNCHES launches over buffers that together exceed the L2 several times, and
 * replayed; beside it stands what the memory gave for the same bytes in the same minute.
 * Include it in tests/gpu_bench*.c only. */
#ifndef TESTS_GPU_MEASURE_H
#define TESTS_GPU_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "kernels/gpu_arena.h"

struct gpu_bench {
    const struct gpu_module *m;
    struct gpu *g;
    struct gpu_arena memory;
    char  *arena;               /* its base: normal numbers as BF16 */
    const char *only;           /* run the rows whose name contains this; NULL: all */
    const char *section;        /* one of the benchmarks; NULL: all */
    FILE  *json;                /* or NULL */
    int    rows;                /* written to json so far */
};

/* What a row is compared with: reading the same bytes, or copying half of them (read + written = the same). */
enum gpu_ceiling { GPU_CEILING_READ, GPU_CEILING_COPY, GPU_CEILING_NONE };

/* gpu_arena_slots and gpu_arena_slot of the bench's arena. */
int   gpu_slots(const struct gpu_bench *b, size_t bytes);
char *gpu_slot(const struct gpu_bench *b, size_t bytes, int slots, int i);

/* Times a series and prints one line: median, GB/s over `bytes`, share of the ceiling, its goal if it has one (0: no
 * goal), one launch alone, and FLOP/s where flop is not 0. Returns the median of one launch in ms; 0 if it failed. */
double gpu_row(struct gpu_bench *b, const char *name, gpu_series_fn *series, void *ctx, size_t bytes,
               enum gpu_ceiling ceiling, double goal, double flop);

/* The benchmarks, one a file. */
void gpu_bench_encode(struct gpu_bench *b);
void gpu_bench_product(struct gpu_bench *b);
void gpu_bench_attention(struct gpu_bench *b);
void gpu_bench_forward(struct gpu_bench *b);

#endif
