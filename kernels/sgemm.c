/* sgemm.c: packing, and the product in plain C.
 * The plain one is the reference, and what processors without a variant run. */
#include "kernels/sgemm.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/inline.h"

/* ---- Packing --------------------------------------------------------------------------------------- */

enum kernel_status panels_make(struct panels *p, size_t n, size_t k)
{
    size_t padded = (n + 2 * SGEMM_PANEL - 1) / (2 * SGEMM_PANEL) * (2 * SGEMM_PANEL);
    *p = (struct panels){0};
    if (k && padded > SIZE_MAX / 8 / k)
        return KERNEL_BAD_SHAPE;
    size_t bytes = padded * k * sizeof *p->data;
    float *data = aligned_alloc(64, bytes ? bytes : 64);
    if (!data)
        return KERNEL_NO_MEMORY;
    memset(data, 0, bytes);
    *p = (struct panels){n, k, data};
    return KERNEL_OK;
}

void panels_free(struct panels *p)
{
    free(p->data);
    *p = (struct panels){0};
}

void panels_rows(struct panels *p, size_t first, size_t count, const float *w, size_t ldw)
{
    for (size_t i = 0; i < count; i++) {
        size_t row = first + i;
        float *to = p->data + row / SGEMM_PANEL * SGEMM_PANEL * p->k + row % SGEMM_PANEL;
        for (size_t j = 0; j < p->k; j++)
            to[j * SGEMM_PANEL] = w[i * ldw + j];
    }
}

void panels_columns(struct panels *p, size_t first, size_t count, const float *w, size_t ldw)
{
    for (size_t col = 0; col < p->n; col += SGEMM_PANEL) {
        size_t width = p->n - col < SGEMM_PANEL ? p->n - col : SGEMM_PANEL;
        float *to = p->data + (col / SGEMM_PANEL * p->k + first) * SGEMM_PANEL;
        for (size_t j = 0; j < count; j++)
            memcpy(to + j * SGEMM_PANEL, w + j * ldw + col, width * sizeof *to);
    }
}

/* ---- The product ----------------------------------------------------------------------------------- */

enum { TILE_ROWS = 2, TILE_COLS = SGEMM_PANEL, QUADS = TILE_COLS / 4 };

/* The vectors that every 64-bit processor has. */
typedef float quad __attribute__((vector_size(16)));

/* `rows` is a constant where this is inlined, so that the sums stay in registers. */
static ALWAYS_INLINE void tile_of(const float *panel, const float *x, size_t ldx, const size_t rows, size_t depth,
                                  float *y, size_t ldy)
{
    quad sum[TILE_ROWS][QUADS] = {{{0}}}, w;
    for (size_t k = 0; k < depth; k++)
        UNROLL_16 for (size_t j = 0; j < QUADS; j++) {
            memcpy(&w, panel + k * TILE_COLS + 4 * j, sizeof w);
            UNROLL_16 for (size_t i = 0; i < rows; i++)
                sum[i][j] += x[i * ldx + k] * w;
        }
    UNROLL_16 for (size_t i = 0; i < rows; i++)
        memcpy(y + i * ldy, sum[i], TILE_COLS * sizeof *y);
}

static void tile(const float *panel, size_t stride, const float *x, size_t ldx, size_t rows, size_t depth, float *y,
                 size_t ldy)
{
    (void)stride;
    if (rows == TILE_ROWS)
        tile_of(panel, x, ldx, TILE_ROWS, depth, y, ldy);
    else
        for (size_t i = 0; i < rows; i++)
            tile_of(panel, x + i * ldx, ldx, 1, depth, y + i * ldy, ldy);
}

#include "kernels/sgemm_tiles.h"

void sgemm__scalar(const struct panels *p, const float *x, size_t ldx, size_t m, size_t cols, size_t depth, float *y,
                   size_t ldy)
{
    sgemm_tiles(p, x, ldx, m, cols, depth, y, ldy);
}
