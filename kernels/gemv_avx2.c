/* gemv_avx2.c: y = W x with AVX2, FMA and F16C.
 * The same plan as gemv_avx512.c: weights decoded in registers, four rows for one token, else four tokens a row.
 * Byte products go through vpmaddubsw, whose 16-bit sums saturate: each use says why they cannot here. */
#include "kernels/variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/inline.h"

/* Which instructions decode 32 weights, from index i of a row (a multiple of 32) into four registers of 8. */
typedef void decode32_fn(const uint8_t *row, size_t i, __m256 w[4]);

static ALWAYS_INLINE __m256i load32(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

static ALWAYS_INLINE float add_lanes(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static ALWAYS_INLINE int32_t add_lanes_int(__m256i v)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));       /* the upper two, below */
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));     /* each pair swapped */
}

/* ---- FP32 operands --------------------------------------------------------------------------------- */

static ALWAYS_INLINE void decode32_fp32(const uint8_t *row, size_t i, __m256 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++)
        w[j] = _mm256_loadu_ps((const float *)(const void *)(row + 4 * (i + 8 * j)));
}

static ALWAYS_INLINE void decode32_fp16(const uint8_t *row, size_t i, __m256 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++)
        w[j] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(row + 2 * (i + 8 * j))));
}

static ALWAYS_INLINE void decode32_bf16(const uint8_t *row, size_t i, __m256 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++) {
        __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)(row + 2 * (i + 8 * j)));
        w[j] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16));
    }
}

static ALWAYS_INLINE void decode32_int8(const uint8_t *row, size_t i, __m256 w[4])
{
    UNROLL_16 for (size_t j = 0; j < 4; j++) {
        __m128i codes = _mm_loadl_epi64((const __m128i *)(const void *)(row + i + 8 * j));
        w[j] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
    }
}

/* S EEEE MMM to the FP32 pattern S 0000EEEE MMM0...: shift a byte from the top of its 16 bits right by four with the
 * sign, and mask the copies of the sign and the bits of the neighbor. FP32's bias is 127 and E4M3's 7, so the value is
 * too small by 2^120, subnormals included; x is too large by 2^100 (LAYOUT_FOURS), so that products keep clear of
 * FP32's own subnormals, and E4M3_FACTOR makes up for the rest once a row. The even bytes are moved up first. Four
 * registers: bytes 0, 1, 2 and 3 of each 32-bit lane. */
static ALWAYS_INLINE void decode32_e4m3(const uint8_t *row, size_t i, __m256 w[4])
{
    const __m256i mask = _mm256_set1_epi32((int)E4M3_MASK);
    __m256i codes = load32(row + i);
    __m256i odd = _mm256_srai_epi16(codes, 4), even = _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 4);
    w[0] = _mm256_castsi256_ps(_mm256_and_si256(_mm256_slli_epi32(even, 16), mask));
    w[1] = _mm256_castsi256_ps(_mm256_and_si256(_mm256_slli_epi32(odd, 16), mask));
    w[2] = _mm256_castsi256_ps(_mm256_and_si256(even, mask));
    w[3] = _mm256_castsi256_ps(_mm256_and_si256(odd, mask));
}

/* How a format is best streamed from memory; as in gemv_avx512.c, found by trying. A constant. */
struct plan {
    int    rows;            /* at a time for one token: 1 or 4 */
    size_t code_bytes;      /* bytes of a weight, for prefetching; 0: leave it to the hardware */
    size_t bytes;           /* how far ahead, into the first cache */
    size_t row_count;       /* or how many rows ahead, into the second */
    float  factor;          /* what decoded weights are too small by */
    bool   fours;           /* x lies in LAYOUT_FOURS */
};

/* The eight values of x that meet register j of the 32 weights from i. */
static ALWAYS_INLINE __m256 operand8(const float *x, size_t i, size_t j, const struct plan plan)
{
    return _mm256_loadu_ps(plan.fours ? x + (i & ~(size_t)63) + (i & 32) / 4 + 16 * j : x + i + 8 * j);
}

static ALWAYS_INLINE void prefetch(const uint8_t *row, size_t i, size_t stride, const struct plan plan)
{
    const char *at = (const char *)row + i * plan.code_bytes;
    if (plan.code_bytes && plan.row_count)
        _mm_prefetch(at + plan.row_count * stride, _MM_HINT_T1);
    else if (plan.code_bytes)
        _mm_prefetch(at + plan.bytes, _MM_HINT_T0);
}

/* Sums of `rows` (a constant, at most 4) rows times one token, n a multiple of 32: four rows share each load of x,
 * two sums a row, so that no addition waits. */
static ALWAYS_INLINE void dot_rows(decode32_fn *decode, const uint8_t *row, size_t stride, const float *x, size_t n,
                                   const int rows, const struct plan plan, float *sums)
{
    __m256 even[4], odd[4];
    UNROLL_16 for (int r = 0; r < rows; r++)
        even[r] = odd[r] = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 32) {
        UNROLL_16 for (int r = 0; r < rows; r++) {
            __m256 w[4];
            prefetch(row + (size_t)r * stride, i, stride, plan);
            decode(row + (size_t)r * stride, i, w);
            even[r] = _mm256_fmadd_ps(w[0], operand8(x, i, 0, plan), even[r]);
            odd[r] = _mm256_fmadd_ps(w[1], operand8(x, i, 1, plan), odd[r]);
            even[r] = _mm256_fmadd_ps(w[2], operand8(x, i, 2, plan), even[r]);
            odd[r] = _mm256_fmadd_ps(w[3], operand8(x, i, 3, plan), odd[r]);
        }
    }
    UNROLL_16 for (int r = 0; r < rows; r++)
        sums[r] = add_lanes(_mm256_add_ps(even[r], odd[r]));
}

/* Sums of one row times four tokens, n apart; two sums each are 8 registers of 16, and decoding needs some. */
static ALWAYS_INLINE void dot_four(decode32_fn *decode, const uint8_t *row, const float *x, size_t n,
                                   const struct plan plan, float *sums)
{
    __m256 acc[8];
    UNROLL_16 for (int k = 0; k < 8; k++)
        acc[k] = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 32) {
        __m256 w[4];
        decode(row, i, w);
        UNROLL_16 for (int j = 0; j < 4; j++)
            UNROLL_16 for (int t = 0; t < 4; t++) {
                int k = 2 * t + j % 2;
                acc[k] = _mm256_fmadd_ps(w[j], operand8(x + (size_t)t * n, i, (size_t)j, plan), acc[k]);
            }
    }
    UNROLL_16 for (int t = 0; t < 4; t++)
        sums[t] = add_lanes(_mm256_add_ps(acc[2 * t], acc[2 * t + 1]));
}

/* A sum of stored values to a result. */
static ALWAYS_INLINE float result(float sum, const struct matrix *w, size_t row, float scale, const struct plan plan)
{
    return w->row_scale ? sum * plan.factor * w->row_scale[row] * scale : sum * plan.factor * scale;
}

/* Rows first..last for one token. */
static ALWAYS_INLINE void product_one(decode32_fn *decode, const struct matrix *w, const struct operand *x, float *y,
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

/* Rows first..last for every token; each sum times the plan's factor and the row's scale. */
static ALWAYS_INLINE void product(decode32_fn *decode, const struct matrix *w, const struct operand *x, float *y,
                                  size_t first, size_t last, const struct plan plan)
{
    size_t n = w->padded;
    if (x->batch == 1) {
        product_one(decode, w, x, y, first, last, plan);
        return;
    }
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = w->codes + r * w->stride;
        for (size_t b = 0, step; b < x->batch; b += step) {
            float sums[4];
            step = x->batch - b >= 4 ? 4 : 1;
            if (step == 4)
                dot_four(decode, row, x->x + b * n, n, plan, sums);
            else
                dot_rows(decode, row, w->stride, x->x + b * n, n, 1, plan, sums);
            for (size_t i = 0; i < step; i++)
                y[(b + i) * w->rows + r] = result(sums[i], w, r, x->scale[b + i], plan);
        }
    }
}

void gemv_fp32__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 4, .factor = 1};
    product(decode32_fp32, w, x, y, first, last, plan);
}

void gemv_fp16__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 1, .code_bytes = 2, .bytes = 4096, .factor = 1};
    product(decode32_fp16, w, x, y, first, last, plan);
}

void gemv_bf16__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 1, .code_bytes = 2, .bytes = 4096, .factor = 1};
    product(decode32_bf16, w, x, y, first, last, plan);
}

void gemv_int8_values__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 4, .code_bytes = 1, .row_count = 8, .factor = 1};
    product(decode32_int8, w, x, y, first, last, plan);
}

void gemv_e4m3__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    const struct plan plan = {.rows = 4, .code_bytes = 1, .row_count = 8, .factor = E4M3_FACTOR, .fours = true};
    product(decode32_e4m3, w, x, y, first, last, plan);
}

/* ---- INT8 activations ------------------------------------------------------------------------------ */

/* 32 products of signed bytes into 8 INT32 lanes. vpmaddubsw wants one side unsigned: |w|, with w's sign moved to x.
 * A pair is at most 2 * 127 * 127 = 32,258, below 32,767, since neither side is ever -128. */
static ALWAYS_INLINE __m256i multiply32(__m256i w, __m256i x)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* How far ahead to prefetch, in bytes, into the second cache: without it these two loops reached half of what the
 * memory gives on a Sapphire Rapids. */
enum { CODES_AHEAD = 8192 };

static ALWAYS_INLINE int32_t int8_one(const uint8_t *row, const int8_t *x, size_t n)
{
    __m256i a = _mm256_setzero_si256(), b = a;
    for (size_t i = 0; i < n; i += 64) {
        _mm_prefetch((const char *)row + i + CODES_AHEAD, _MM_HINT_T1);
        a = _mm256_add_epi32(a, multiply32(load32(row + i), load32(x + i)));
        b = _mm256_add_epi32(b, multiply32(load32(row + i + 32), load32(x + i + 32)));
    }
    return add_lanes_int(_mm256_add_epi32(a, b));
}

void gemv_int8__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        for (size_t b = 0; b < x->batch; b++) {
            int32_t sum = int8_one(w->codes + r * w->stride, x->codes + b * x->padded, x->padded);
            y[b * w->rows + r] = (float)sum * w->row_scale[r] * x->scale[b];
        }
    }
}

/* 32 bytes are 64 weights plus 8: low halves meet x, high halves meet x + 64. Pairs of both stay in 16 bits:
 * 4 * 15 * 127 = 7,620, and two such halves of a group 15,240. */
static ALWAYS_INLINE __m256i int4_half(const uint8_t *row, const int8_t *x)
{
    const __m256i low_half = _mm256_set1_epi8(15);
    __m256i bytes = load32(row);
    __m256i low = _mm256_and_si256(bytes, low_half);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_half);
    return _mm256_add_epi16(_mm256_maddubs_epi16(low, load32(x)), _mm256_maddubs_epi16(high, load32(x + 64)));
}

static ALWAYS_INLINE float int4_one(const uint8_t *row, const uint16_t *scales, const int8_t *x,
                                    const int32_t *correction, size_t groups)
{
    __m256 acc = _mm256_setzero_ps();
    for (size_t g = 0; g < groups; g++, row += 64, x += 128) {
        _mm_prefetch((const char *)row + CODES_AHEAD, _MM_HINT_T1);
        __m256i pairs = _mm256_add_epi16(int4_half(row, x), int4_half(row + 32, x + 32));
        __m256i offset = _mm256_zextsi128_si256(_mm_cvtsi32_si128(correction[g]));
        __m256i dot = _mm256_add_epi32(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)), offset);
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_set1_ps(_cvtsh_ss(scales[g])), acc);
    }
    return add_lanes(acc);
}

void gemv_int4__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        for (size_t b = 0; b < x->batch; b++) {
            float sum = int4_one(w->codes + r * w->stride, w->group_scale + r * w->groups, x->codes + b * x->padded,
                                 x->correction + b * x->groups, x->groups);
            y[b * w->rows + r] = sum * x->scale[b];
        }
    }
}

/* ---- INT4 with FP32 operands ----------------------------------------------------------------------- */

static ALWAYS_INLINE __m256 int4_values(__m256i lanes)
{
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_and_si256(lanes, _mm256_set1_epi32(15)), _mm256_set1_epi32(8)));
}

/* Sums of one row times 1 or 4 tokens (a constant). */
static ALWAYS_INLINE void int4_values_tokens(const uint8_t *row, const uint16_t *scales, const struct operand *x,
                                             size_t b, const int tokens, float *sums)
{
    const float *token = x->x + b * x->padded;
    __m256 acc[4];
    UNROLL_16 for (int t = 0; t < tokens; t++)
        acc[t] = _mm256_setzero_ps();
    for (size_t g = 0; g < x->groups; g++, row += 64, token += 128) {
        __m256 low[4], high[4], scale = _mm256_set1_ps(_cvtsh_ss(scales[g]));
        _mm_prefetch((const char *)row + CODES_AHEAD, _MM_HINT_T1);
        UNROLL_16 for (int t = 0; t < tokens; t++)
            low[t] = high[t] = _mm256_setzero_ps();
        UNROLL_16 for (size_t j = 0; j < 8; j++) {
            __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(row + 8 * j)));
            __m256 w_low = int4_values(codes), w_high = int4_values(_mm256_srli_epi32(codes, 4));
            UNROLL_16 for (int t = 0; t < tokens; t++) {
                const float *at = token + (size_t)t * x->padded + 8 * j;
                low[t] = _mm256_fmadd_ps(w_low, _mm256_loadu_ps(at), low[t]);
                high[t] = _mm256_fmadd_ps(w_high, _mm256_loadu_ps(at + 64), high[t]);
            }
        }
        UNROLL_16 for (int t = 0; t < tokens; t++)
            acc[t] = _mm256_fmadd_ps(_mm256_add_ps(low[t], high[t]), scale, acc[t]);
    }
    UNROLL_16 for (int t = 0; t < tokens; t++)
        sums[t] = add_lanes(acc[t]);
}

void gemv_int4_values__avx2(const struct matrix *w, const struct operand *x, float *y, size_t first, size_t last)
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
typedef int no_avx2;        /* a translation unit may not be empty */
#endif
