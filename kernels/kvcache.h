/* kvcache.h: keys and values of many sequences, packed as decode attention streams them.
 * Both are cut into blocks of 32 tokens of one head; a block is head_dim rows of 32 codes. A row of keys is one channel
 * of the block's tokens; a row of values is 32 channels of one token. So in either a vector lane is one result. */
#ifndef KERNELS_KVCACHE_H
#define KERNELS_KVCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/format.h"
#include "kernels/status.h"

enum {
    KVCACHE_BLOCK = 32,         /* tokens of a block, and codes of a row */
    KVCACHE_DIM_MOST = 256,     /* head_dim is a multiple of 32 up to this */
};

/* Where scales come from, by format:
 *   bf16   none;
 *   e4m3   one FP32 a head for all its keys, one for all its values: amax / 448, per head, or the same for all heads
 *          (per tensor);
 *   int8   one FP16 a row (keys: channel x 32 tokens; values: token x 32 channels): amax / 127, symmetric;
 *   int4   the same rows by KIVI's rule: codes 0 to 15, FP16 scale (max - min) / 15, FP16 minimum;
 *          x = code * scale + minimum. */
enum kvcache_scale {
    KVCACHE_PLAIN,              /* bf16 */
    KVCACHE_HEAD,               /* e4m3 */
    KVCACHE_ROW,                /* int8 */
    KVCACHE_RANGE,              /* int4 */
};

struct kvcache_shape {
    size_t sequences, heads, head_dim;  /* heads of keys and values */
    size_t tokens;                      /* of the longest sequence */
};

/* A row's 32 codes: bf16 and int8 in order; e4m3 with lane j at byte 2 j and lane 16 + j at byte 2 j + 1; int4 with
 * lane j in the low half of byte j and lane 16 + j in its high half. Row r of a block: keys channel r; values token
 * r mod 32, channels 32 (r / 32) and on. A block: codes [head_dim][32], then FP16 scales [head_dim] (int8, int4), then
 * FP16 minima [head_dim] (int4). Lanes past the end of a sequence hold code 0. */
struct kvcache {
    const struct format *format;
    enum kvcache_scale   scale;
    struct kvcache_shape shape;
    size_t    blocks;           /* of a head of a sequence: tokens / 32, rounded up */
    size_t    row_bytes;        /* 64, 32 or 16 */
    size_t    block_bytes;      /* with scales; a multiple of 64 */
    uint8_t  *keys, *values;    /* [sequences, heads, blocks, block_bytes], 64-byte aligned */
    float    *key_scale, *value_scale;  /* [heads]; all 1 but for e4m3 */
    size_t   *length;           /* [sequences] tokens, at most shape.tokens */
    float    *poison;           /* [sequences, heads]: NaN where a key or value is NaN, else 0. Added to the result, so
                                   that kernels may decode NaN codes to anything */
    size_t    bytes;            /* what one query streams: blocks that hold tokens, with scales */
};

/* Rounds k and v [sequences, heads, tokens, head_dim] to `format` and packs them. lengths [sequences], or NULL: all
 * `tokens` long. per_head: e4m3's scales. Free with kvcache_free. KERNEL_BAD_SHAPE for a head_dim that is no multiple
 * of 32 up to KVCACHE_DIM_MOST or a length beyond `tokens`; KERNEL_NO_KERNEL for another format. */
enum kernel_status kvcache_pack(struct kvcache *c, const struct format *format, const struct kvcache_shape *shape,
                                const size_t *lengths, bool per_head, const float *k, const float *v);

/* A Gaussian cache made fast, for timing: one head of at most 256 tokens is drawn and rounded, everything else is its
 * copy. */
enum kernel_status kvcache_seeded(struct kvcache *c, const struct format *format, const struct kvcache_shape *shape,
                                  uint64_t seed, const struct progress *progress);

void kvcache_free(struct kvcache *c);

/* True for a format that a cache may have. */
bool kvcache_takes(const struct format *format);

/* One key or value as attention sees it: decoded and scaled. For tests and references. */
float kvcache_key(const struct kvcache *c, size_t sequence, size_t head, size_t token, size_t channel);
float kvcache_value(const struct kvcache *c, size_t sequence, size_t head, size_t token, size_t channel);

/* One lane of a row of a block, without the head's scale. */
float kvcache_lane(const struct kvcache *c, const uint8_t *block, size_t row, size_t lane);

#endif
