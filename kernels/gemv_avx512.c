/* gemv_avx512.c: y = W x with AVX-512 (F, BW, VL, DQ) and VNNI.
 * Weights are decoded in registers, 64 at a time. With one token, four rows share each load of x; with more,
 * up to eight tokens share each decoded weight. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

/* Which instructions decode 64 weights, from index i of a row (a multiple of 64) into four registers of 16. */
typedef void decode64_fn(const uint8_t *row, size_t i, __m512 w[4]);

/* ---- FP32 operands: decoding -------------------------------------------------------------------- */

static ALWAYS_INLINE void decode64_fp32(const uint8_t *row, size_t i, __m512 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++)
        w[j] = _mm512_loadu_ps(row + 4 * (i + 16 * j));
}

static ALWAYS_INLINE void decode64_fp16(const uint8_t *row, size_t i, __m512 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++)
        w[j] = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(row + 2 * (i + 16 * j))));
}

static ALWAYS_INLINE void decode64_bf16(const uint8_t *row, size_t i, __m512 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++) {
        __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(row + 2 * (i + 16 * j)));
        w[j] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16));
    }
}

static ALWAYS_INLINE void decode64_int8(const uint8_t *row, size_t i, __m512 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++) {
        __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)(row + i + 16 * j));
        w[j] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
    }
}

/* E4M3 by shifts, as gemv_avx2.c explains: bytes 3, 1, 2 and 0 of each 32-bit lane. */
static ALWAYS_INLINE void decode64_e4m3(const uint8_t *row, size_t i, __m512 w[4])
{
    const __m512i mask = _mm512_set1_epi32((int)E4M3_MASK);
    __m512i codes = _mm512_loadu_si512(row + i);
    __m512i odd = _mm512_srai_epi16(codes, 4), even = _mm512_srai_epi16(_mm512_slli_epi16(codes, 8), 4);
    w[0] = _mm512_castsi512_ps(_mm512_and_si512(_mm512_slli_epi32(even, 16), mask));
    w[1] = _mm512_castsi512_ps(_mm512_and_si512(_mm512_slli_epi32(odd, 16), mask));
    w[2] = _mm512_castsi512_ps(_mm512_and_si512(even, mask));
    w[3] = _mm512_castsi512_ps(_mm512_and_si512(odd, mask));
}

/* ---- FP32 operands: sums ------------------------------------------------------------------------ */

/* How a format is best streamed from memory: found by trying on a Zen 5, with one and four rows at a time, prefetch
 * into the first and the second cache, and distances from 512 bytes to 16 rows. A constant, so it costs nothing. */
struct plan {
    int    rows;            /* at a time for one token: 1 or 4 */
    size_t lines;           /* cache lines of 64 weights to prefetch; 0: leave it to the hardware */
    size_t bytes;           /* how far ahead, into the first cache */
    size_t row_count;       /* or how many rows ahead, into the second */
    float  factor;          /* what decoded weights are too small by */
};

static ALWAYS_INLINE void prefetch(const uint8_t *chunk, size_t stride, const struct plan plan)
{
    UNROLL_16 for (size_t line = 0; line < plan.lines; line++) {
        const char *at = (const char *)chunk + 64 * line;
        if (plan.row_count)
            _mm_prefetch(at + plan.row_count * stride, _MM_HINT_T1);
        else
            _mm_prefetch(at + plan.bytes, _MM_HINT_T0);
    }
}

/* Sums of `rows` (a constant, at most 4) rows times one token, n a multiple of 64. Several rows share each load of
 * x, which a stream from memory keeps driving out of the first cache. Two sums a row, so that no addition waits. */
static ALWAYS_INLINE void dot_rows(decode64_fn *decode, const uint8_t *row, size_t stride, const float *x, size_t n,
                                   const int rows, const struct plan plan, float *sums)
{
    __m512 even[4], odd[4];
    UNROLL_16 for (int r = 0; r < rows; r++)
        even[r] = odd[r] = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 64) {
        UNROLL_16 for (int r = 0; r < rows; r++) {
            __m512 w[4];
            const uint8_t *at = row + (size_t)r * stride;
            prefetch(at + i * plan.lines, stride, plan);
            decode(at, i, w);
            even[r] = _mm512_fmadd_ps(w[0], _mm512_loadu_ps(x + i), even[r]);
            odd[r] = _mm512_fmadd_ps(w[1], _mm512_loadu_ps(x + i + 16), odd[r]);
            even[r] = _mm512_fmadd_ps(w[2], _mm512_loadu_ps(x + i + 32), even[r]);
            odd[r] = _mm512_fmadd_ps(w[3], _mm512_loadu_ps(x + i + 48), odd[r]);
        }
    }
    UNROLL_16 for (int r = 0; r < rows; r++)
        sums[r] = _mm512_reduce_add_ps(_mm512_add_ps(even[r], odd[r]));
}

/* Sums of `rows` (1 or 2) rows times `tokens` (2, 4 or 8; both constants) rows of x, n apart: sums[row][token].
 * At least eight registers add, so that none waits; two rows halve the loads of x, which come from the second
 * cache. */
static ALWAYS_INLINE void dot_tile(decode64_fn *decode, const uint8_t *row, size_t stride, const float *x, size_t n,
                                   const int rows, const int tokens, const struct plan plan, float sums[2][8])
{
    const int share = rows * tokens >= 8 ? 1 : 8 / (rows * tokens);     /* registers for each sum */
    __m512 acc[16];
    UNROLL_16 for (int k = 0; k < rows * tokens * share; k++)
        acc[k] = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 64) {
        __m512 w[2][4];
        UNROLL_16 for (int r = 0; r < rows; r++) {
            prefetch(row + (size_t)r * stride + i * plan.lines, stride, plan);
            decode(row + (size_t)r * stride, i, w[r]);
        }
        UNROLL_16 for (int j = 0; j < 4; j++)
            UNROLL_16 for (int t = 0; t < tokens; t++) {
                __m512 token = _mm512_loadu_ps(x + (size_t)t * n + i + 16 * (size_t)j);
                UNROLL_16 for (int r = 0; r < rows; r++) {
                    int k = (r * tokens + t) * share + j % share;
                    acc[k] = _mm512_fmadd_ps(w[r][j], token, acc[k]);
                }
            }
    }
    UNROLL_16 for (int k = 0; k < rows * tokens; k++) {
        __m512 sum = acc[k * share];
        UNROLL_16 for (int j = 1; j < share; j++)
            sum = _mm512_add_ps(sum, acc[k * share + j]);
        sums[k / tokens][k % tokens] = _mm512_reduce_add_ps(sum);
    }
}

/* A sum of stored values to a result. */
static ALWAYS_INLINE float result(float sum, const struct matrix *w, size_t row, float scale, const struct plan plan)
{
    return w->row_scale ? sum * plan.factor * w->row_scale[row] * scale : sum * plan.factor * scale;
}

/* Rows first..last for one token. */
static ALWAYS_INLINE void product_one(decode64_fn *decode, const struct matrix *w, const struct operand *x, float *y,
                                      size_t first, size_t last, const struct plan plan)
{
    for (size_t r = first, step; r < last; r += step) {
        float sums[4];
        const uint8_t *row = w->codes + r * w->stride;
        step = plan.rows == 4 && last - r >= 4 ? 4 : 1;
        if (step == 4)
            dot_rows(decode, row, w->stride, x->x, w->padded, 4, plan, sums);
        else
            dot_rows(decode, row, w->stride, x->x, w->padded, 1, plan, sums);
        for (size_t i = 0; i < step; i++)
            y[r + i] = result(sums[i], w, r + i, x->scale[0], plan);
    }
}

/* One or two rows from r (`rows` is a constant), for every token; each sum times the plan's factor and the row's
 * scale. */
static ALWAYS_INLINE void product_rows(decode64_fn *decode, const struct matrix *w, const struct operand *x, float *y,
                                       size_t r, const int rows, const struct plan plan)
{
    size_t n = w->padded, stride = w->stride;
    const uint8_t *row = w->codes + r * stride;
    for (size_t b = 0, step; b < x->batch; b += step) {
        float sums[2][8];
        size_t left = x->batch - b;
        const float *token = x->x + b * n;
        step = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        switch (step) {
        case 8: dot_tile(decode, row, stride, token, n, rows, 8, plan, sums); break;
        case 4: dot_tile(decode, row, stride, token, n, rows, 4, plan, sums); break;
        case 2: dot_tile(decode, row, stride, token, n, rows, 2, plan, sums); break;
        default:
            for (int i = 0; i < rows; i++)
                dot_rows(decode, row + (size_t)i * stride, stride, token, n, 1, plan, sums[i]);
        }
        for (size_t i = 0; i < (size_t)rows; i++)
            for (size_t t = 0; t < step; t++)
                y[(b + t) * w->rows + r + i] = result(sums[i][t], w, r + i, x->scale[b + t], plan);
    }
}

/* Rows first..last for every token. */
static ALWAYS_INLINE void product(decode64_fn *decode, const struct matrix *w, const struct operand *x, float *y,
                                  size_t first, size_t last, const struct plan plan)
{
    size_t r = first;
    if (x->batch == 1) {
        product_one(decode, w, x, y, first, last, plan);
        return;
    }
    for (; r + 2 <= last; r += 2)
        product_rows(decode, w, x, y, r, 2, plan);
    if (r < last)
        product_rows(decode, w, x, y, r, 1, plan);
}

void gemv_fp32__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 1, .factor = 1};
    product(decode64_fp32, w, x, y, first, last, plan);
}

void gemv_fp16__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 1, .lines = 2, .bytes = 4096, .factor = 1};
    product(decode64_fp16, w, x, y, first, last, plan);
}

void gemv_bf16__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 1, .lines = 2, .bytes = 4096, .factor = 1};
    product(decode64_bf16, w, x, y, first, last, plan);
}

void gemv_int8_values__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 4, .lines = 1, .row_count = 8, .factor = 1};
    product(decode64_int8, w, x, y, first, last, plan);
}

void gemv_e4m3__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 4, .lines = 1, .row_count = 8, .factor = E4M3_FACTOR};
    product(decode64_e4m3, w, x, y, first, last, plan);
}

/* ---- INT8 activations ------------------------------------------------------------------------------ */

/* How far ahead to prefetch, in bytes, found by trying as in struct plan: INT8 into the first cache, INT4, which
 * computes longer on each line, into the second. */
enum { INT8_AHEAD = 4096, INT4_AHEAD = 16384 };

static ALWAYS_INLINE __m512i load64(const void *at)
{
    return _mm512_loadu_si512(at);
}

/* The sum of the lanes, wrapping: with x made unsigned (below) it may pass 2^31 on the way, which is undefined for
 * C's own addition and so for _mm512_reduce_add_epi32. */
static ALWAYS_INLINE int32_t add_lanes_int(__m512i v)
{
    __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));       /* the upper two, below */
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));     /* each pair swapped */
}

/* vpdpbusd multiplies unsigned by signed bytes, four products into each INT32 lane, without saturating. x is made
 * unsigned by flipping its top bit, which adds 128; so the sum is too large by 128 times the sum of the weights. */
static ALWAYS_INLINE __m512i unsigned64(const int8_t *x)
{
    return _mm512_xor_si512(load64(x), _mm512_set1_epi8((char)0x80));
}

static ALWAYS_INLINE int32_t int8_one(const uint8_t *row, const int8_t *x, size_t n)
{
    __m512i a = _mm512_setzero_si512(), b = a;
    for (size_t i = 0; i < n; i += 128) {
        _mm_prefetch((const char *)row + i + INT8_AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)row + i + INT8_AHEAD + 64, _MM_HINT_T0);
        a = _mm512_dpbusd_epi32(a, unsigned64(x + i), load64(row + i));
        b = _mm512_dpbusd_epi32(b, unsigned64(x + i + 64), load64(row + i + 64));
    }
    return add_lanes_int(_mm512_add_epi32(a, b));
}

/* Four tokens, n apart. */
static ALWAYS_INLINE void int8_four(const uint8_t *row, const int8_t *x, size_t n, int32_t *sums)
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i < n; i += 64) {
        __m512i weights = load64(row + i);
        a = _mm512_dpbusd_epi32(a, unsigned64(x + i), weights);
        b = _mm512_dpbusd_epi32(b, unsigned64(x + n + i), weights);
        c = _mm512_dpbusd_epi32(c, unsigned64(x + 2 * n + i), weights);
        d = _mm512_dpbusd_epi32(d, unsigned64(x + 3 * n + i), weights);
    }
    sums[0] = add_lanes_int(a);
    sums[1] = add_lanes_int(b);
    sums[2] = add_lanes_int(c);
    sums[3] = add_lanes_int(d);
}

void gemv_int8__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = w->codes + r * w->stride;
        uint32_t excess = 128u * (uint32_t)w->row_sum[r];       /* INT32 wraps, and wraps back */
        for (size_t b = 0, step; b < x->batch; b += step) {
            int32_t sums[4];
            const int8_t *token = x->codes + b * x->padded;
            step = x->batch - b >= 4 ? 4 : 1;
            if (step == 4)
                int8_four(row, token, x->padded, sums);
            else
                sums[0] = int8_one(row, token, x->padded);
            for (size_t i = 0; i < step; i++) {
                int32_t sum = (int32_t)((uint32_t)sums[i] - excess);
                y[(b + i) * w->rows + r] = (float)sum * w->row_scale[r] * x->scale[b + i];
            }
        }
    }
}

/* One group: 64 bytes are 128 weights plus 8, low halves first. The INT32 lanes start at what takes the 8s off. */
static ALWAYS_INLINE __m512 int4_group(__m512i low, __m512i high, const int8_t *x, int32_t correction)
{
    __m512i acc = _mm512_zextsi128_si512(_mm_cvtsi32_si128(correction));
    acc = _mm512_dpbusd_epi32(acc, low, load64(x));
    acc = _mm512_dpbusd_epi32(acc, high, load64(x + 64));
    return _mm512_cvtepi32_ps(acc);
}

static ALWAYS_INLINE void int4_tokens(const uint8_t *row, const uint16_t *scales, const struct operand *x, size_t b,
                                      const int tokens, float *sums)
{
    const __m512i low_half = _mm512_set1_epi8(15);
    const int8_t *codes = x->codes + b * x->padded;
    const int32_t *correction = x->correction + b * x->groups;
    __m512 acc[4];
    UNROLL_16 for (int t = 0; t < tokens; t++)
        acc[t] = _mm512_setzero_ps();
    for (size_t g = 0; g < x->groups; g++) {
        __m512i bytes = load64(row + g * 64);
        _mm_prefetch((const char *)row + g * 64 + INT4_AHEAD, _MM_HINT_T1);
        __m512i low = _mm512_and_si512(bytes, low_half);
        __m512i high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low_half);
        __m512 scale = _mm512_set1_ps(_cvtsh_ss(scales[g]));
        UNROLL_16 for (int t = 0; t < tokens; t++)
            acc[t] = _mm512_fmadd_ps(int4_group(low, high, codes + (size_t)t * x->padded + g * 128,
                                                correction[(size_t)t * x->groups + g]), scale, acc[t]);
    }
    UNROLL_16 for (int t = 0; t < tokens; t++)
        sums[t] = _mm512_reduce_add_ps(acc[t]);
}

void gemv_int4__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = w->codes + r * w->stride;
        const uint16_t *scales = w->group_scale + r * w->groups;
        for (size_t b = 0, step; b < x->batch; b += step) {
            float sums[4];
            step = x->batch - b >= 4 ? 4 : 1;
            if (step == 4)
                int4_tokens(row, scales, x, b, 4, sums);
            else
                int4_tokens(row, scales, x, b, 1, sums);
            for (size_t i = 0; i < step; i++)
                y[(b + i) * w->rows + r] = sums[i] * x->scale[b + i];
        }
    }
}

/* ---- INT4 with FP32 operands ----------------------------------------------------------------------- */

/* 16 codes in the low halves of 32-bit lanes to their values, from a table: vpermps looks at four bits of a lane. */
static ALWAYS_INLINE __m512 int4_values(__m512i lanes)
{
    const __m512 table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_permutexvar_ps(lanes, table);
}

/* Sums of one row times 1 or 4 tokens (a constant). */
static ALWAYS_INLINE void int4_values_tokens(const uint8_t *row, const uint16_t *scales, const struct operand *x,
                                             size_t b, const int tokens, float *sums)
{
    const float *token = x->x + b * x->padded;
    __m512 acc[4];
    UNROLL_16 for (int t = 0; t < tokens; t++)
        acc[t] = _mm512_setzero_ps();
    for (size_t g = 0; g < x->groups; g++, row += 64, token += 128) {
        __m512 low[4], high[4], scale = _mm512_set1_ps(_cvtsh_ss(scales[g]));
        _mm_prefetch((const char *)row + INT4_AHEAD, _MM_HINT_T1);
        UNROLL_16 for (int t = 0; t < tokens; t++)
            low[t] = high[t] = _mm512_setzero_ps();
        UNROLL_16 for (size_t j = 0; j < 4; j++) {
            __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(row + 16 * j)));
            __m512 w_low = int4_values(codes), w_high = int4_values(_mm512_srli_epi32(codes, 4));
            UNROLL_16 for (int t = 0; t < tokens; t++) {
                const float *at = token + (size_t)t * x->padded + 16 * j;
                low[t] = _mm512_fmadd_ps(w_low, _mm512_loadu_ps(at), low[t]);
                high[t] = _mm512_fmadd_ps(w_high, _mm512_loadu_ps(at + 64), high[t]);
            }
        }
        UNROLL_16 for (int t = 0; t < tokens; t++)
            acc[t] = _mm512_fmadd_ps(_mm512_add_ps(low[t], high[t]), scale, acc[t]);
    }
    UNROLL_16 for (int t = 0; t < tokens; t++)
        sums[t] = _mm512_reduce_add_ps(acc[t]);
}

void gemv_int4_values__avx512(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = w->codes + r * w->stride;
        const uint16_t *scales = w->group_scale + r * w->groups;
        for (size_t b = 0, step; b < x->batch; b += step) {
            float sums[4];
            step = x->batch - b >= 4 ? 4 : 1;
            if (step == 4)
                int4_values_tokens(row, scales, x, b, 4, sums);
            else
                int4_values_tokens(row, scales, x, b, 1, sums);
            for (size_t i = 0; i < step; i++)
                y[(b + i) * w->rows + r] = sums[i] * x->scale[b + i];
        }
    }
}

#else
typedef int no_avx512;      /* a translation unit may not be empty */
#endif
