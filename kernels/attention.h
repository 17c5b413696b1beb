/* attention.h: decode attention, one query token for each sequence against its cache.
 * y = softmax(scale * q K^T) V for each query head; query head i reads key/value head i / (heads / cache heads).
 * Scores, softmax and sums are FP32 (the reference: FP64). Work is cut into pieces of 512 tokens of one key/value head,
 * whose results join in order, so any number of threads gives the same bits. */
#ifndef KERNELS_ATTENTION_H
#define KERNELS_ATTENTION_H

#include <stddef.h>

#include "kernels/kernel.h"
#include "kernels/kvcache.h"
#include "kernels/status.h"

enum {
    ATTENTION_SPLIT = 512,      /* tokens of a piece, a multiple of KVCACHE_BLOCK */
    ATTENTION_QUERIES = 8,      /* query heads that a kernel takes at a time */
};

struct attention {
    const struct kvcache *cache;
    size_t       heads;         /* query heads, a multiple of the cache's */
    float        scale;         /* of the scores: 1 / sqrt(head_dim) as a rule */
    const float *q;             /* [sequences, heads, head_dim], finite */
};

/* y [sequences, heads, head_dim] by row k of the kernel table. A sequence without tokens gives zeros. KERNEL_BAD_SHAPE
 * if heads is no multiple of the cache's. */
enum kernel_status attention(const struct kernel *k, const struct attention *a, float *y,
                             const struct progress *progress);

/* The reference: FP64 throughout, from the decoded cache. `slack`, if not NULL, [sequences, heads, head_dim] receives
 * what a row's tolerance is multiplied by: a kernel's result is within tolerance * slack of y. It is (1 + 2 max_t sum_d
 * |q k|) sum_t p |v|: a relative error e in the terms of a score moves it by e sum |q k|, its weight by as much again,
 * and the weights' sum too. */
enum kernel_status attention_exact(const struct attention *a, double *y, double *slack);

/* What a kernel gets: a piece of one key/value head and up to ATTENTION_QUERIES of its query heads. */
struct attention_piece {
    const struct kvcache *cache;
    const uint8_t *keys, *values;   /* the piece's first blocks */
    size_t       tokens;            /* 1 to ATTENTION_SPLIT */
    size_t       queries;           /* 1 to ATTENTION_QUERIES */
    const float *q;                 /* [queries, head_dim], times the scale of the scores and the head's key scale */
    float       *most, *sum;        /* [queries]: the largest score, and the sum of p = e^(score - most) */
    float       *y;                 /* [queries, head_dim]: the sum of p v, without the head's value scale */
};

/* What one instruction set does in a piece; attention_walk does the rest. Strides of scores: ATTENTION_SPLIT. */
struct attention_steps {
    /* scores[queries][32]: of one block of keys. */
    void (*scores)(const struct attention_piece *p, const uint8_t *block, float *scores);
    /* Replaces scores[0..n) by e^(score - most), n a multiple of 32; returns their sum. most is finite. */
    float (*weigh)(float *scores, size_t n, float most);
    /* y[queries][head_dim] += the block's values, each token's times weights[queries][32]. */
    void (*values)(const struct attention_piece *p, const uint8_t *block, const float *weights, float *y);
};

/* A piece by these steps. */
void attention_walk(const struct attention_piece *p, const struct attention_steps *steps);

#endif
