/* attention_avx512.c: the steps of decode attention with AVX-512. See attention.h and kvcache.h.
 * A row of 32 codes becomes two registers of 16 values, which meet one broadcast number of each query head: a query's
 * channel for keys, a token's weight for values. So keys and values are the same loop, and no lane is summed.
 * Row scales are multiplied into those numbers before, once for a block. */
#include "kernels/attention.h"
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/exponential.h"
#include "kernels/inline.h"

enum { BLOCK = KVCACHE_BLOCK, SPLIT = ATTENTION_SPLIT, QUERIES = ATTENTION_QUERIES, DIM = KVCACHE_DIM_MOST };
enum { AHEAD = 4096 };          /* bytes to prefetch ahead, into the second cache */

/* ---- Decoding a row -------------------------------------------------------------------------------- */

/* 32 codes at `row` to lanes 0 to 15 and 16 to 31. */
typedef void row_fn(const uint8_t *row, __m512 w[2]);

static ALWAYS_INLINE void row_bf16(const uint8_t *row, __m512 w[2])
{
    UNROLL_16 for (int j = 0; j < 2; j++) {
        __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(row + 32 * j));
        w[j] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16));
    }
}

/* S EEEE MMM in the upper byte of each 16 bits to the FP16 pattern S 0EEEE MMM0000000: shift right by one with the
 * sign, clear bit 14, where the sign was copied, and what the lower byte left. FP16's bias is 15 and E4M3's 7, so the
 * value is too small by 2^8, subnormals included. */
static ALWAYS_INLINE __m512 half_values(__m256i upper)
{
    return _mm512_cvtph_ps(_mm256_and_si256(_mm256_srai_epi16(upper, 1), _mm256_set1_epi16((short)0xbf80)));
}

static ALWAYS_INLINE void row_e4m3(const uint8_t *row, __m512 w[2])
{
    __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)row);
    w[0] = half_values(_mm256_slli_epi16(codes, 8));
    w[1] = half_values(codes);
}

static ALWAYS_INLINE void row_int8(const uint8_t *row, __m512 w[2])
{
    UNROLL_16 for (int j = 0; j < 2; j++) {
        __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)(row + 16 * j));
        w[j] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
    }
}

/* vpermps looks at four bits of a lane. */
static ALWAYS_INLINE void row_int4(const uint8_t *row, __m512 w[2])
{
    const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)row));
    w[0] = _mm512_permutexvar_ps(codes, table);
    w[1] = _mm512_permutexvar_ps(_mm512_srli_epi32(codes, 4), table);
}

/* What the decoded values of a format are too small by. */
#define E4M3_ROW_FACTOR 256.0f

/* How a format's rows are read: constants. */
struct coding {
    row_fn *row;
    size_t  bytes;              /* of a row's codes */
    bool    scaled, ranged;     /* an FP16 scale a row, and an FP16 minimum */
    float   factor;
};

/* ---- The loop -------------------------------------------------------------------------------------- */

/* acc[query][half] = the sum over `rows` rows of x[query][row] * row, x `stride` apart. One or two queries take
 * several sums each, so that no addition waits. */
static ALWAYS_INLINE void add_rows(const struct coding c, const uint8_t *codes, size_t rows, const float *x,
                                   size_t stride, const int queries, __m512 (*acc)[2])
{
    const int share = queries == 1 ? 4 : queries == 2 ? 2 : 1;
    __m512 sum[8][2];
    UNROLL_16 for (int k = 0; k < queries * share; k++)
        sum[k][0] = sum[k][1] = _mm512_setzero_ps();
    for (size_t r = 0; r < rows; r += 4) {
        UNROLL_16 for (int u = 0; u < 4; u++) {
            const uint8_t *row = codes + (r + (size_t)u) * c.bytes;
            __m512 w[2];
            if (c.bytes >= 64 || u * (int)c.bytes % 64 == 0)
                _mm_prefetch((const char *)row + AHEAD, _MM_HINT_T1);
            c.row(row, w);
            UNROLL_16 for (int q = 0; q < queries; q++) {
                int k = q * share + u % share;
                __m512 number = _mm512_set1_ps(x[(size_t)q * stride + r + (size_t)u]);
                sum[k][0] = _mm512_fmadd_ps(w[0], number, sum[k][0]);
                sum[k][1] = _mm512_fmadd_ps(w[1], number, sum[k][1]);
            }
        }
    }
    UNROLL_16 for (int q = 0; q < queries; q++)
        UNROLL_16 for (int j = 0; j < 2; j++) {
            acc[q][j] = sum[q * share][j];
            UNROLL_16 for (int k = 1; k < share; k++)
                acc[q][j] = _mm512_add_ps(acc[q][j], sum[q * share + k][j]);
        }
}

/* A call for each number of query heads, a constant there. */
#define BY_COUNT(count, call) \
    switch (count) { \
    case 1: call(1); break; \
    case 2: call(2); break; \
    case 3: call(3); break; \
    case 4: call(4); break; \
    case 5: call(5); break; \
    case 6: call(6); break; \
    case 7: call(7); break; \
    default: call(8); break; \
    }

static ALWAYS_INLINE __m512 halves(const uint8_t *at)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)at));
}

/* The numbers that meet a block's rows, times the rows' scales: scaled[query][row]; and offset[query][chunk], the sum
 * over 32 rows of numbers times minima. `repeat`: how many rows until x starts again. */
static ALWAYS_INLINE void scale_block(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                      const float *x, size_t stride, size_t repeat, float (*scaled)[DIM],
                                      float (*offset)[DIM / BLOCK])
{
    size_t dim = p->cache->shape.head_dim;
    const uint8_t *scales = block + dim * c.bytes, *minima = scales + 2 * dim;
    for (size_t chunk = 0; chunk < dim / BLOCK; chunk++) {
        size_t r = chunk * BLOCK;
        __m512 s0 = halves(scales + 2 * r), s1 = halves(scales + 2 * r + 32), m0 = s0, m1 = s1;
        if (c.ranged) {
            m0 = halves(minima + 2 * r);
            m1 = halves(minima + 2 * r + 32);
        }
        for (size_t q = 0; q < p->queries; q++) {
            const float *from = x + q * stride + r % repeat;
            __m512 a = _mm512_loadu_ps(from), b = _mm512_loadu_ps(from + 16);
            _mm512_store_ps(scaled[q] + r, _mm512_mul_ps(a, s0));
            _mm512_store_ps(scaled[q] + r + 16, _mm512_mul_ps(b, s1));
            if (c.ranged)
                offset[q][chunk] = _mm512_reduce_add_ps(_mm512_fmadd_ps(a, m0, _mm512_mul_ps(b, m1)));
        }
    }
}

/* ---- Steps ----------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void scores_count(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                       const float *x, size_t stride, float (*offset)[DIM / BLOCK], float *scores,
                                       const int queries)
{
    size_t dim = p->cache->shape.head_dim;
    __m512 acc[QUERIES][2];
    add_rows(c, block, dim, x, stride, queries, acc);
    UNROLL_16 for (int q = 0; q < queries; q++) {
        float more = 0;
        for (size_t chunk = 0; c.ranged && chunk < dim / BLOCK; chunk++)
            more += offset[q][chunk];
        UNROLL_16 for (int j = 0; j < 2; j++)
            _mm512_storeu_ps(scores + q * SPLIT + 16 * j,
                             _mm512_fmadd_ps(acc[q][j], _mm512_set1_ps(c.factor), _mm512_set1_ps(more)));
    }
}

static ALWAYS_INLINE void scores(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                 float *to)
{
    _Alignas(64) float scaled[QUERIES][DIM], offset[QUERIES][DIM / BLOCK];
    size_t dim = p->cache->shape.head_dim;
    if (c.scaled)
        scale_block(c, p, block, p->q, dim, dim, scaled, offset);
    const float *x = c.scaled ? scaled[0] : p->q;
    size_t stride = c.scaled ? DIM : dim;
#define CALL(n) scores_count(c, p, block, x, stride, offset, to, n)
    BY_COUNT(p->queries, CALL)
#undef CALL
}

static ALWAYS_INLINE void values_count(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                       const float *x, size_t stride, size_t step, float (*offset)[DIM / BLOCK],
                                       float *y, const int queries)
{
    size_t dim = p->cache->shape.head_dim;
    for (size_t chunk = 0; chunk < dim / BLOCK; chunk++) {
        __m512 acc[QUERIES][2];
        add_rows(c, block + chunk * BLOCK * c.bytes, BLOCK, x + chunk * step, stride, queries, acc);
        UNROLL_16 for (int q = 0; q < queries; q++) {
            UNROLL_16 for (int j = 0; j < 2; j++) {
                float *at = y + (size_t)q * dim + chunk * BLOCK + 16 * (size_t)j;
                __m512 was = _mm512_loadu_ps(at);
                if (c.ranged)
                    was = _mm512_add_ps(was, _mm512_set1_ps(offset[q][chunk]));
                _mm512_storeu_ps(at, _mm512_fmadd_ps(acc[q][j], _mm512_set1_ps(c.factor), was));
            }
        }
    }
}

static ALWAYS_INLINE void values(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                 const float *weights, float *y)
{
    _Alignas(64) float scaled[QUERIES][DIM], offset[QUERIES][DIM / BLOCK];
    if (c.scaled)
        scale_block(c, p, block, weights, SPLIT, BLOCK, scaled, offset);
    const float *x = c.scaled ? scaled[0] : weights;
    size_t stride = c.scaled ? DIM : SPLIT, step = c.scaled ? BLOCK : 0;
#define CALL(n) values_count(c, p, block, x, stride, step, offset, y, n)
    BY_COUNT(p->queries, CALL)
#undef CALL
}

static float weigh(float *at, size_t n, float most)
{
    __m512 sum = _mm512_setzero_ps(), top = _mm512_set1_ps(most);
    for (size_t i = 0; i < n; i += 16) {
        __m512 weight = exponential__avx512(_mm512_sub_ps(_mm512_loadu_ps(at + i), top));
        _mm512_storeu_ps(at + i, weight);
        sum = _mm512_add_ps(sum, weight);
    }
    return _mm512_reduce_add_ps(sum);
}

#include "kernels/attention_lanes.h"

ATTENTIONS(avx512)

#else
typedef int no_attention_avx512;        /* a translation unit may not be empty */
#endif
