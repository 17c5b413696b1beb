/* timedsize.h: how large a matrix must be for its time to be that of memory, and how much of it a slow case is given.
 * Pure: caches and memory are arguments, so that a test can have any. */
#ifndef ENGINE_TIMEDSIZE_H
#define ENGINE_TIMEDSIZE_H

#include <stddef.h>

#define TIMEDSIZE_WEIGHTS  1e9     /* of a matrix, at most */
#define TIMEDSIZE_PLAIN    0x1p27  /* weights that a plain loop computes: four times a cache of 32 MiB, a byte each */
#define TIMEDSIZE_PRODUCTS 0x1p33  /* weights times batch that a vector loop computes, under a second */

/* Of formats that are timed together: bytes of a weight. */
struct timedsize_bytes {
    double narrowest;
    double all;       /* that are in memory at the same time */
};

/* Rows of `cols` weights that make the narrowest matrix four times the last cache, or twice if it has half a byte a
 * weight; as far as a quarter of the memory and TIMEDSIZE_WEIGHTS allow; at least 64. */
size_t timedsize_rows(size_t last_cache, double memory, size_t cols, struct timedsize_bytes bytes);

/* Of so many rows, those that a case is timed on: all up to `most` weights, then that many. For what is bound by its
 * instructions, a plain loop or a large batch: a weight costs it the same wherever it lies and however many follow, so
 * the time of the rest is known. What is bound by memory must not be cut short like that. */
size_t timedsize_part(size_t rows, size_t cols, double most);

#endif
