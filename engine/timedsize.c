/* timedsize.c: see timedsize.h. */
#include "engine/timedsize.h"

#include <math.h>

enum { ROWS_LEAST = 64, CACHES = 4 };

size_t timedsize_rows(size_t last_cache, double memory, size_t cols, double bytes_per_weight)
{
    double weights = fmin(CACHES * (double)last_cache, fmin(memory / 4 / bytes_per_weight, TIMEDSIZE_WEIGHTS));
    double rows = weights / (double)cols;
    return rows < ROWS_LEAST ? ROWS_LEAST : (size_t)rows;
}

size_t timedsize_plain_rows(size_t rows, size_t cols, double most)
{
    double part = most / (double)cols;
    if (part >= (double)rows)
        return rows;
    return part < 1 ? 1 : (size_t)part;
}
