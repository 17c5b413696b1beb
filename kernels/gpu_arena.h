/* gpu_arena.h: timing on a GPU: memory to rotate through, medians of graphs, and what the memory gives by itself.
 * A series is recorded into one graph of GPU_LAUNCHES launches, over buffers that together exceed the L2 several times;
 * a launch alone would time its own start and tail. */
#ifndef KERNELS_GPU_ARENA_H
#define KERNELS_GPU_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/gpu.h"
#include "kernels/gpu_encode.h"

enum { GPU_LAUNCHES = 24, GPU_ROUNDS = 25 };

struct gpu_arena {
    const struct gpu_module *m;
    struct gpu *g;
    char  *base;                /* device memory, normal numbers as BF16: exponents that formats meet, no NaN */
    size_t bytes;
};

/* Half of the free memory, at most `most` bytes, filled. To be closed, also after a failure. */
enum kernel_status gpu_arena_open(struct gpu_arena *a, struct gpu *g, size_t most, const struct progress *progress);
void               gpu_arena_close(struct gpu_arena *a);

/* How many buffers of `bytes` a rotation has, at most GPU_LAUNCHES; buffer i of them, 256-byte aligned. */
int   gpu_arena_slots(const struct gpu_arena *a, size_t bytes);
char *gpu_arena_slot(const struct gpu_arena *a, size_t bytes, int slots, int i);

/* The median time of one launch of a series, ms; launches 0: one alone. */
enum kernel_status gpu_arena_time(const struct gpu_arena *a, gpu_series_fn *series, void *ctx, int launches, int rounds,
                                  double *ms);

/* The time in which the memory moves `bytes`: read by a kernel that does nothing else, or half of them copied to where
 * the other half is. */
enum kernel_status gpu_arena_read(const struct gpu_arena *a, size_t bytes, int rounds, double *ms);
enum kernel_status gpu_arena_copy(const struct gpu_arena *a, size_t bytes, int rounds, double *ms);

/* A row of GPU_CAST and its kin over the arena. What is read rotates through its lower half and what is written through
 * the upper one: codes that a row before has written would be values with NaN to the next, which take a slow way. */
struct gpu_cast_series {
    const struct gpu_kernel *kernel;
    struct gpu_arena in, out;           /* the halves; not to be closed */
    struct gpu_cast cast;
    size_t values, codes, scales, sums; /* bytes; scales 0 where one serves the tensor */
    size_t bytes;                       /* what must move at least: each but the sums once */
    size_t reads, writes;               /* bytes of a slot in either half */
    int    slots;
};

/* Prepares a series over [rows, cols]. False if the arena is too small for two slots. */
bool gpu_cast_series_open(struct gpu_cast_series *s, const struct gpu_arena *a, const struct gpu_kernel *k, size_t rows,
                          size_t cols);

/* The gpu_series_fn of it; ctx is the struct. */
enum kernel_status gpu_cast_series_launch(struct gpu *g, void *ctx, int i);

#endif
