/* attention_avx2.c: the steps of decode attention with AVX2, FMA and F16C. See attention.h and kvcache.h.
 * A row of 32 codes becomes two times two registers of 8 values, which meet one broadcast number of each query head: a
 * query's channel for keys, a token's weight for values. So keys and values are the same loop, and no lane is summed.
 * Row scales are multiplied into those numbers before, once for a block. */
#include "kernels/attention.h"
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/exponential.h"
#include "kernels/inline.h"

enum { BLOCK = KVCACHE_BLOCK, SPLIT = ATTENTION_SPLIT, QUERIES = ATTENTION_QUERIES, DIM = KVCACHE_DIM_MOST };
enum { AHEAD = 4096 };          /* bytes to prefetch ahead, into the second cache */

/* ---- Decoding half a row --------------------------------------------------------------------------- */

/* Lanes 16 half to 16 half + 15 of a row, in two registers; `half` is a constant. Half a row at a time, so that six
 * query heads keep their sums in registers; the second time its codes come from the first cache. */
typedef void row_fn(const uint8_t *row, const int half, __m256 w[2]);

static ALWAYS_INLINE __m128i load16(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

static ALWAYS_INLINE __m256 halves(const uint8_t *at)
{
    return _mm256_cvtph_ps(load16(at));
}

static ALWAYS_INLINE float add_lanes(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static ALWAYS_INLINE void row_bf16(const uint8_t *row, const int half, __m256 w[2])
{
    UNROLL_16 for (int j = 0; j < 2; j++) {
        __m256i codes = _mm256_cvtepu16_epi32(load16(row + 32 * half + 16 * j));
        w[j] = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 16));
    }
}

/* To FP16 bits, too small by 2^8, as half_values in attention_avx512.c explains. Even bytes are lanes 0 to 15. */
static ALWAYS_INLINE void row_e4m3(const uint8_t *row, const int half, __m256 w[2])
{
    UNROLL_16 for (int j = 0; j < 2; j++) {
        __m128i codes = load16(row + 16 * j), upper = half ? codes : _mm_slli_epi16(codes, 8);
        w[j] = _mm256_cvtph_ps(_mm_and_si128(_mm_srai_epi16(upper, 1), _mm_set1_epi16((short)0xbf80)));
    }
}

static ALWAYS_INLINE void row_int8(const uint8_t *row, const int half, __m256 w[2])
{
    UNROLL_16 for (int j = 0; j < 2; j++) {
        __m128i codes = _mm_loadl_epi64((const __m128i *)(const void *)(row + 16 * half + 8 * j));
        w[j] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
    }
}

static ALWAYS_INLINE void row_int4(const uint8_t *row, const int half, __m256 w[2])
{
    UNROLL_16 for (int j = 0; j < 2; j++) {
        __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(row + 8 * j)));
        codes = half ? _mm256_srli_epi32(codes, 4) : _mm256_and_si256(codes, _mm256_set1_epi32(15));
        w[j] = _mm256_cvtepi32_ps(codes);
    }
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

/* acc[query][0..1] = the sum over `rows` rows of x[query][row] * half of a row, x `stride` apart. One or two queries
 * take several sums each, so that no addition waits. */
static ALWAYS_INLINE void add_rows(const struct coding c, const int half, const uint8_t *codes, size_t rows,
                                   const float *x, size_t stride, const int queries, __m256 (*acc)[2])
{
    const int share = queries == 1 ? 4 : queries == 2 ? 2 : 1;
    __m256 sum[6][2];
    UNROLL_16 for (int k = 0; k < queries * share; k++)
        sum[k][0] = sum[k][1] = _mm256_setzero_ps();
    for (size_t r = 0; r < rows; r += 4) {
        UNROLL_16 for (int u = 0; u < 4; u++) {
            const uint8_t *row = codes + (r + (size_t)u) * c.bytes;
            __m256 w[2];
            if (half == 0 && (c.bytes >= 64 || u * (int)c.bytes % 64 == 0))
                _mm_prefetch((const char *)row + AHEAD, _MM_HINT_T1);
            c.row(row, half, w);
            UNROLL_16 for (int q = 0; q < queries; q++) {
                int k = q * share + u % share;
                __m256 number = _mm256_broadcast_ss(x + (size_t)q * stride + r + (size_t)u);
                sum[k][0] = _mm256_fmadd_ps(w[0], number, sum[k][0]);
                sum[k][1] = _mm256_fmadd_ps(w[1], number, sum[k][1]);
            }
        }
    }
    UNROLL_16 for (int q = 0; q < queries; q++)
        UNROLL_16 for (int j = 0; j < 2; j++) {
            acc[q][j] = sum[q * share][j];
            UNROLL_16 for (int k = 1; k < share; k++)
                acc[q][j] = _mm256_add_ps(acc[q][j], sum[q * share + k][j]);
        }
}

/* Numbers times row scales, and numbers times minima, of one block; as in attention_avx512.c. */
static ALWAYS_INLINE void scale_block(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                      const float *x, size_t stride, size_t repeat, float (*scaled)[DIM],
                                      float (*offset)[DIM / BLOCK])
{
    size_t dim = p->cache->shape.head_dim;
    const uint8_t *scales = block + dim * c.bytes, *minima = scales + 2 * dim;
    for (size_t chunk = 0; chunk < dim / BLOCK; chunk++) {
        for (size_t q = 0; q < p->queries; q++) {
            __m256 more = _mm256_setzero_ps();
            UNROLL_16 for (size_t j = 0; j < BLOCK; j += 8) {
                size_t r = chunk * BLOCK + j;
                __m256 number = _mm256_loadu_ps(x + q * stride + r % repeat);
                _mm256_store_ps(scaled[q] + r, _mm256_mul_ps(number, halves(scales + 2 * r)));
                if (c.ranged)
                    more = _mm256_fmadd_ps(number, halves(minima + 2 * r), more);
            }
            offset[q][chunk] = c.ranged ? add_lanes(more) : 0;
        }
    }
}

/* ---- Steps ----------------------------------------------------------------------------------------- */

/* At most six query heads at a time: 12 sums, two values and a number are 15 registers of 16. `call` gets the first
 * query and their constant count. */
#define BY_COUNT(queries, call) \
    for (size_t first = 0; first < (queries); first += 6) \
        switch ((queries) - first) { \
        case 1: call(first, 1); break; \
        case 2: call(first, 2); break; \
        case 3: call(first, 3); break; \
        case 4: call(first, 4); break; \
        case 5: call(first, 5); break; \
        default: call(first, 6); break; \
        }

static ALWAYS_INLINE void scores_count(const struct coding c, size_t dim, const uint8_t *block, const float *x,
                                       size_t stride, const float *more, float *scores, const int queries)
{
    UNROLL_16 for (int half = 0; half < 2; half++) {
        __m256 acc[6][2];
        add_rows(c, half, block, dim, x, stride, queries, acc);
        UNROLL_16 for (int q = 0; q < queries; q++)
            UNROLL_16 for (int j = 0; j < 2; j++)
                _mm256_storeu_ps(scores + q * SPLIT + 16 * half + 8 * j,
                                 _mm256_fmadd_ps(acc[q][j], _mm256_set1_ps(c.factor), _mm256_set1_ps(more[q])));
    }
}

static ALWAYS_INLINE void scores(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                 float *to)
{
    _Alignas(64) float scaled[QUERIES][DIM], offset[QUERIES][DIM / BLOCK], more[QUERIES] = {0};
    size_t dim = p->cache->shape.head_dim;
    if (c.scaled)
        scale_block(c, p, block, p->q, dim, dim, scaled, offset);
    for (size_t q = 0; c.ranged && q < p->queries; q++)
        for (size_t chunk = 0; chunk < dim / BLOCK; chunk++)
            more[q] += offset[q][chunk];
    const float *x = c.scaled ? scaled[0] : p->q;
    size_t stride = c.scaled ? DIM : dim;
#define CALL(first, n) scores_count(c, dim, block, x + first * stride, stride, more + first, to + first * SPLIT, n)
    BY_COUNT(p->queries, CALL)
#undef CALL
}

static ALWAYS_INLINE void values_count(const struct coding c, size_t dim, const uint8_t *block, const float *x,
                                       size_t stride, size_t step, float (*offset)[DIM / BLOCK], float *y,
                                       const int queries)
{
    for (size_t chunk = 0; chunk < dim / BLOCK; chunk++)
        UNROLL_16 for (int half = 0; half < 2; half++) {
            __m256 acc[6][2];
            add_rows(c, half, block + chunk * BLOCK * c.bytes, BLOCK, x + chunk * step, stride, queries, acc);
            UNROLL_16 for (int q = 0; q < queries; q++)
                UNROLL_16 for (int j = 0; j < 2; j++) {
                    float *at = y + (size_t)q * dim + chunk * BLOCK + (size_t)(16 * half + 8 * j);
                    __m256 was = _mm256_loadu_ps(at);
                    if (c.ranged)
                        was = _mm256_add_ps(was, _mm256_set1_ps(offset[q][chunk]));
                    _mm256_storeu_ps(at, _mm256_fmadd_ps(acc[q][j], _mm256_set1_ps(c.factor), was));
                }
        }
}

static ALWAYS_INLINE void values(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                 const float *weights, float *y)
{
    _Alignas(64) float scaled[QUERIES][DIM], offset[QUERIES][DIM / BLOCK];
    size_t dim = p->cache->shape.head_dim;
    if (c.scaled)
        scale_block(c, p, block, weights, SPLIT, BLOCK, scaled, offset);
    const float *x = c.scaled ? scaled[0] : weights;
    size_t stride = c.scaled ? DIM : SPLIT, step = c.scaled ? BLOCK : 0;
#define CALL(first, n) values_count(c, dim, block, x + first * stride, stride, step, offset + first, y + first * dim, n)
    BY_COUNT(p->queries, CALL)
#undef CALL
}

static float weigh(float *at, size_t n, float most)
{
    __m256 sum = _mm256_setzero_ps(), top = _mm256_set1_ps(most);
    for (size_t i = 0; i < n; i += 8) {
        __m256 weight = exponential__avx2(_mm256_sub_ps(_mm256_loadu_ps(at + i), top));
        _mm256_storeu_ps(at + i, weight);
        sum = _mm256_add_ps(sum, weight);
    }
    return add_lanes(sum);
}

#include "kernels/attention_lanes.h"

ATTENTIONS(avx2)

#else
typedef int no_attention_avx2;        /* a translation unit may not be empty */
#endif
