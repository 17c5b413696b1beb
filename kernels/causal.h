/* causal.h: what a rounded KV cache does to attention: the newest tokens look back over the exact and the rounded one.
 * Many heads side by side, query head h on key/value head h / (heads / kv_heads); FP64 by kivi_attend, so this is a
 * reference and no fast kernel. */
#ifndef KERNELS_CAUSAL_H
#define KERNELS_CAUSAL_H

#include <stddef.h>

#include "kernels/meter.h"
#include "kernels/status.h"

struct causal {
    size_t       queries, tokens;   /* query i is token tokens - queries + i: it sees that token and those before */
    size_t       heads, kv_heads;   /* heads is a multiple of kv_heads */
    size_t       head_dim;
    const float *q;                 /* [queries, heads * head_dim], finite, as k and v */
    const float *k, *v;             /* [tokens, kv_heads * head_dim] */
};

struct causal_change {
    double       kl;                /* mean of KL(exact weights || rounded weights) over queries and heads, nats */
    struct meter output;            /* of attention's outputs */
};

/* Attention over k and v [tokens, kv_heads * head_dim] against that over a's own. weights [tokens], if not NULL, gets
 * the exact weight of each token, the mean over queries and heads. The same bits for any number of threads.
 * KERNEL_BAD_SHAPE for no queries, more queries than tokens, or heads that do not share evenly. */
enum kernel_status causal_compare(const struct causal *a, const float *k, const float *v, float *weights,
                                  const struct progress *progress, struct causal_change *change);

#endif
