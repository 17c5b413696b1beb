/* timedsize.h: how large a matrix must be for its time to be that of memory, and how much of it a slow loop is given.
 * Pure: caches and memory are arguments, so that a test can have any. */
#ifndef ENGINE_TIMEDSIZE_H
#define ENGINE_TIMEDSIZE_H

#include <stddef.h>

#define TIMEDSIZE_WEIGHTS 1e9      /* of a matrix, at most */
#define TIMEDSIZE_PLAIN   0x1p27   /* that a plain loop computes: four times a cache of 32 MiB, a byte each */

/* Rows of `cols` weights that make one byte a weight four times the last cache (half a byte: twice), as far as a
 * quarter of the memory allows for `bytes_per_weight` of all formats together, and TIMEDSIZE_WEIGHTS; at least 64. */
size_t timedsize_rows(size_t last_cache, double memory, size_t cols, double bytes_per_weight);

/* Of so many rows, those that a plain loop is timed on: all up to `most` weights, then that many. It is bound by its
 * instructions, a weight costs it the same wherever it lies and however many follow: so the time of the rest is known.
 * A loop that is bound by memory must not be cut short like that. */
size_t timedsize_plain_rows(size_t rows, size_t cols, double most);

#endif
