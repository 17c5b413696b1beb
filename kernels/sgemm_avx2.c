/* sgemm_avx2.c: the packed product with AVX2 and FMA.
 * A tile of 6 rows by 16 outputs keeps its sums in registers: each step of k loads 16 weights, and each row's value
 * is broadcast to them. */
#include "kernels/sgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

enum { TILE_ROWS = 6, TILE_COLS = 16 };

/* `rows` is a constant where this is inlined, so that the sums stay in registers. */
static ALWAYS_INLINE void tile_of(const float *panel, const float *next, const float *x, size_t ldx, const size_t rows,
                                  size_t depth, float *y, size_t ldy)
{
    __m256 left[TILE_ROWS], right[TILE_ROWS];
    UNROLL_16 for (size_t i = 0; i < rows; i++)
        left[i] = right[i] = _mm256_setzero_ps();
    for (size_t k = 0; k < depth; k++) {
        __m256 a = _mm256_load_ps(panel + k * SGEMM_PANEL), b = _mm256_load_ps(next + k * SGEMM_PANEL);
        UNROLL_16 for (size_t i = 0; i < rows; i++) {
            __m256 value = _mm256_set1_ps(x[i * ldx + k]);
            left[i] = _mm256_fmadd_ps(value, a, left[i]);
            right[i] = _mm256_fmadd_ps(value, b, right[i]);
        }
    }
    UNROLL_16 for (size_t i = 0; i < rows; i++) {
        _mm256_storeu_ps(y + i * ldy, left[i]);
        _mm256_storeu_ps(y + i * ldy + 8, right[i]);
    }
}

static void tile(const float *panel, size_t stride, const float *x, size_t ldx, size_t rows, size_t depth, float *y,
                 size_t ldy)
{
    const float *next = panel + 8;
    (void)stride;
    if (rows == TILE_ROWS) {
        tile_of(panel, next, x, ldx, TILE_ROWS, depth, y, ldy);
        return;
    }
    size_t i = 0;
    for (; i + TILE_ROWS / 3 <= rows; i += TILE_ROWS / 3)
        tile_of(panel, next, x + i * ldx, ldx, TILE_ROWS / 3, depth, y + i * ldy, ldy);
    for (; i < rows; i++)
        tile_of(panel, next, x + i * ldx, ldx, 1, depth, y + i * ldy, ldy);
}

#include "kernels/sgemm_tiles.h"

void sgemm__avx2(const struct panels *p, const float *x, size_t ldx, size_t m, size_t cols, size_t depth, float *y,
                 size_t ldy)
{
    sgemm_tiles(p, x, ldx, m, cols, depth, y, ldy);
}

#else
typedef int sgemm_avx2_is_empty;     /* a translation unit may not be empty */
#endif
