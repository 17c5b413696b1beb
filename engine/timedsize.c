/* timedsize.c: see timedsize.h. */
#include "engine/timedsize.h"

#include <math.h>

enum { ROWS_LEAST = 64, CACHES = 4 };

size_t timedsize_rows(size_t last_cache, double memory, size_t cols, struct timedsize_bytes bytes)
{
    double weights = CACHES * (double)last_cache / fmax(1, bytes.narrowest);
    double rows = fmin(weights, fmin(memory / 4 / bytes.all, TIMEDSIZE_WEIGHTS)) / (double)cols;
    return rows < ROWS_LEAST ? ROWS_LEAST : (size_t)rows;
}

size_t timedsize_part(size_t rows, size_t cols, double most)
{
    double part = most / (double)cols;
    if (part >= (double)rows)
        return rows;
    return part < 1 ? 1 : (size_t)part;
}
