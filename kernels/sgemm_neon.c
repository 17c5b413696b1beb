/* sgemm_neon.c: the packed product with NEON.
 * A tile of 6 rows by 16 outputs keeps its sums in 24 of the 32 registers: each step of k loads 16 weights, and each
 * row's value is broadcast to them. */
#include "kernels/sgemm.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/inline.h"

enum { TILE_ROWS = 6, TILE_COLS = SGEMM_PANEL, QUADS = TILE_COLS / 4 };

/* `rows` is a constant where this is inlined, so that the sums stay in registers. */
static ALWAYS_INLINE void tile_of(const float *panel, const float *x, size_t ldx, const size_t rows, size_t depth,
                                  float *y, size_t ldy)
{
    float32x4_t sum[TILE_ROWS][QUADS], w[QUADS];
    UNROLL_16 for (size_t i = 0; i < rows; i++)
        UNROLL_16 for (size_t j = 0; j < QUADS; j++)
            sum[i][j] = vdupq_n_f32(0);
    for (size_t k = 0; k < depth; k++) {
        UNROLL_16 for (size_t j = 0; j < QUADS; j++)
            w[j] = vld1q_f32(panel + k * SGEMM_PANEL + 4 * j);
        UNROLL_16 for (size_t i = 0; i < rows; i++) {
            float32x4_t value = vld1q_dup_f32(x + i * ldx + k);
            UNROLL_16 for (size_t j = 0; j < QUADS; j++)
                sum[i][j] = vfmaq_f32(sum[i][j], value, w[j]);
        }
    }
    UNROLL_16 for (size_t i = 0; i < rows; i++)
        UNROLL_16 for (size_t j = 0; j < QUADS; j++)
            vst1q_f32(y + i * ldy + 4 * j, sum[i][j]);
}

static void tile(const float *panel, size_t stride, const float *x, size_t ldx, size_t rows, size_t depth, float *y,
                 size_t ldy)
{
    (void)stride;
    if (rows == TILE_ROWS) {
        tile_of(panel, x, ldx, TILE_ROWS, depth, y, ldy);
        return;
    }
    size_t i = 0;
    for (; i + TILE_ROWS / 3 <= rows; i += TILE_ROWS / 3)
        tile_of(panel, x + i * ldx, ldx, TILE_ROWS / 3, depth, y + i * ldy, ldy);
    for (; i < rows; i++)
        tile_of(panel, x + i * ldx, ldx, 1, depth, y + i * ldy, ldy);
}

#include "kernels/sgemm_tiles.h"

void sgemm__neon(const struct panels *p, const float *x, size_t ldx, size_t m, size_t cols, size_t depth, float *y,
                 size_t ldy)
{
    sgemm_tiles(p, x, ldx, m, cols, depth, y, ldy);
}

#else
typedef int sgemm_neon_is_empty;     /* a translation unit may not be empty */
#endif
