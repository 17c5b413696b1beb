/* attention_neon.c: the steps of decode attention with NEON. See attention.h, kvcache.h and attention_avx512.c.
 * Half a row, 16 lanes in four registers, at a time, for up to four query heads: 16 sums, 4 values.
 * Row scales are multiplied into the numbers that meet a block's rows before, once for a block. */
#include "kernels/attention.h"
#include "kernels/variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/exponential.h"
#include "kernels/inline.h"

enum { BLOCK = KVCACHE_BLOCK, SPLIT = ATTENTION_SPLIT, QUERIES = ATTENTION_QUERIES, DIM = KVCACHE_DIM_MOST };
enum { TOGETHER = 4 };          /* query heads */

/* ---- Decoding half a row --------------------------------------------------------------------------- */

/* Lanes 16 half to 16 half + 15 of a row; `half` is a constant. */
typedef void row_fn(const uint8_t *row, const int half, float32x4_t w[4]);

static ALWAYS_INLINE void widen16(int8x16_t bytes, float32x4_t w[4])
{
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    w[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    w[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)));
    w[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    w[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)));
}

static ALWAYS_INLINE void row_bf16(const uint8_t *row, const int half, float32x4_t w[4])
{
    UNROLL_16 for (int j = 0; j < 4; j++) {
        uint16x4_t codes = vld1_u16((const uint16_t *)(const void *)(row + 32 * half + 8 * j));
        w[j] = vreinterpretq_f32_u32(vshll_n_u16(codes, 16));
    }
}

/* To FP16 bits, too small by 2^8, as half_values in attention_avx512.c explains. Even bytes are lanes 0 to 15. */
static ALWAYS_INLINE void row_e4m3(const uint8_t *row, const int half, float32x4_t w[4])
{
    UNROLL_16 for (int j = 0; j < 2; j++) {
        int16x8_t codes = vreinterpretq_s16_u8(vld1q_u8(row + 16 * j)), upper = half ? codes : vshlq_n_s16(codes, 8);
        uint16x8_t bits = vandq_u16(vreinterpretq_u16_s16(vshrq_n_s16(upper, 1)), vdupq_n_u16(0xbf80));
        float16x8_t values = vreinterpretq_f16_u16(bits);
        w[2 * j] = vcvt_f32_f16(vget_low_f16(values));
        w[2 * j + 1] = vcvt_f32_f16(vget_high_f16(values));
    }
}

static ALWAYS_INLINE void row_int8(const uint8_t *row, const int half, float32x4_t w[4])
{
    widen16(vld1q_s8((const int8_t *)(row + 16 * half)), w);
}

static ALWAYS_INLINE void row_int4(const uint8_t *row, const int half, float32x4_t w[4])
{
    uint8x16_t bytes = vld1q_u8(row);
    widen16(vreinterpretq_s8_u8(half ? vshrq_n_u8(bytes, 4) : vandq_u8(bytes, vdupq_n_u8(15))), w);
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

/* acc[query][0..3] = the sum over `rows` rows of x[query][row] * half of a row, x `stride` apart. */
static ALWAYS_INLINE void add_rows(const struct coding c, const int half, const uint8_t *codes, size_t rows,
                                   const float *x, size_t stride, const int queries, float32x4_t (*acc)[4])
{
    UNROLL_16 for (int q = 0; q < queries; q++)
        UNROLL_16 for (int j = 0; j < 4; j++)
            acc[q][j] = vdupq_n_f32(0);
    for (size_t r = 0; r < rows; r++) {
        float32x4_t w[4];
        c.row(codes + r * c.bytes, half, w);
        UNROLL_16 for (int q = 0; q < queries; q++) {
            float number = x[(size_t)q * stride + r];
            UNROLL_16 for (int j = 0; j < 4; j++)
                acc[q][j] = vfmaq_n_f32(acc[q][j], w[j], number);
        }
    }
}

static ALWAYS_INLINE float32x4_t halves(const uint8_t *at)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)at)));
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
            float32x4_t more = vdupq_n_f32(0);
            for (size_t j = 0; j < BLOCK; j += 4) {
                size_t r = chunk * BLOCK + j;
                float32x4_t number = vld1q_f32(x + q * stride + r % repeat);
                vst1q_f32(scaled[q] + r, vmulq_f32(number, halves(scales + 2 * r)));
                if (c.ranged)
                    more = vfmaq_f32(more, number, halves(minima + 2 * r));
            }
            offset[q][chunk] = vaddvq_f32(more);
        }
    }
}

/* ---- Steps ----------------------------------------------------------------------------------------- */

/* `call` gets the first query and how many there are from it, a constant. */
#define BY_COUNT(queries, call) \
    for (size_t first = 0; first < (queries); first += TOGETHER) \
        switch ((queries) - first) { \
        case 1: call(first, 1); break; \
        case 2: call(first, 2); break; \
        case 3: call(first, 3); break; \
        default: call(first, 4); break; \
        }

static ALWAYS_INLINE void scores_count(const struct coding c, size_t dim, const uint8_t *block, const float *x,
                                       size_t stride, const float *more, float *scores, const int queries)
{
    UNROLL_16 for (int half = 0; half < 2; half++) {
        float32x4_t acc[TOGETHER][4];
        add_rows(c, half, block, dim, x, stride, queries, acc);
        UNROLL_16 for (int q = 0; q < queries; q++)
            UNROLL_16 for (int j = 0; j < 4; j++)
                vst1q_f32(scores + q * SPLIT + 16 * half + 4 * j,
                          vfmaq_n_f32(vdupq_n_f32(more[q]), acc[q][j], c.factor));
    }
}

static ALWAYS_INLINE void scores(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                 float *to)
{
    float scaled[QUERIES][DIM], offset[QUERIES][DIM / BLOCK], more[QUERIES] = {0};
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
            float32x4_t acc[TOGETHER][4];
            add_rows(c, half, block + chunk * BLOCK * c.bytes, BLOCK, x + chunk * step, stride, queries, acc);
            UNROLL_16 for (int q = 0; q < queries; q++)
                UNROLL_16 for (int j = 0; j < 4; j++) {
                    float *at = y + (size_t)q * dim + chunk * BLOCK + (size_t)(16 * half + 4 * j);
                    float32x4_t was = vld1q_f32(at);
                    if (c.ranged)
                        was = vaddq_f32(was, vdupq_n_f32(offset[q][chunk]));
                    vst1q_f32(at, vfmaq_n_f32(was, acc[q][j], c.factor));
                }
        }
}

static ALWAYS_INLINE void values(const struct coding c, const struct attention_piece *p, const uint8_t *block,
                                 const float *weights, float *y)
{
    float scaled[QUERIES][DIM], offset[QUERIES][DIM / BLOCK];
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
    float32x4_t sum = vdupq_n_f32(0), top = vdupq_n_f32(most);
    for (size_t i = 0; i < n; i += 4) {
        float32x4_t weight = exponential__neon(vsubq_f32(vld1q_f32(at + i), top));
        vst1q_f32(at + i, weight);
        sum = vaddq_f32(sum, weight);
    }
    return vaddvq_f32(sum);
}

#include "kernels/attention_lanes.h"

ATTENTIONS(neon)

#else
typedef int no_attention_neon;        /* a translation unit may not be empty */
#endif
