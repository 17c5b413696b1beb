/* sgemm_tiles.h: how a product is cut into tiles, the same for every instruction set.
 * A source defines TILE_ROWS and TILE_COLS and, before including this, the function
 *     static void tile(const float *panel, size_t stride, const float *x, size_t ldx, size_t rows, size_t depth,
 *                      float *y, size_t ldy);
 * which computes `rows` (at most TILE_ROWS) rows of TILE_COLS outputs, from panels that are `stride` floats apart. */
#ifndef KERNELS_SGEMM_TILES_H
#define KERNELS_SGEMM_TILES_H

#include <string.h>

#include "kernels/inline.h"

enum { CHUNK_ROWS = 120 };      /* of x, which stay in the second cache while all panels pass; 6 and 12 divide it */

/* A tile over the right edge: computed whole, aside, and copied as far as it goes. */
static void edge_tile(const float *panel, size_t stride, const float *x, size_t ldx, size_t rows, size_t depth,
                      float *y, size_t ldy, size_t cols)
{
    float aside[TILE_ROWS * TILE_COLS];
    tile(panel, stride, x, ldx, rows, depth, aside, TILE_COLS);
    for (size_t i = 0; i < rows; i++)
        memcpy(y + i * ldy, aside + i * TILE_COLS, cols * sizeof *y);
}

static ALWAYS_INLINE void sgemm_tiles(const struct panels *p, const float *x, size_t ldx, size_t m, size_t cols,
                                      size_t depth, float *y, size_t ldy)
{
    size_t stride = SGEMM_PANEL * p->k;
    for (size_t chunk = 0; chunk < m; chunk += CHUNK_ROWS) {
        size_t end = m - chunk < CHUNK_ROWS ? m : chunk + CHUNK_ROWS;
        for (size_t col = 0; col < cols; col += TILE_COLS) {
            const float *panel = p->data + col / SGEMM_PANEL * stride;
            for (size_t row = chunk; row < end; row += TILE_ROWS) {
                size_t rows = end - row < TILE_ROWS ? end - row : TILE_ROWS;
                if (cols - col >= TILE_COLS)
                    tile(panel, stride, x + row * ldx, ldx, rows, depth, y + row * ldy + col, ldy);
                else
                    edge_tile(panel, stride, x + row * ldx, ldx, rows, depth, y + row * ldy + col, ldy, cols - col);
            }
        }
    }
}

#endif
