/* gpu_attention.h: attention with a quantized KV cache on the GPU: what its launches are given.
 * Caches hold K and V as [sequence, KV head, token, channel], capacity a multiple of GPU_KV_BLOCK tokens.
 * Query head i reads KV head i / (heads / kv_heads). */
#ifndef KERNELS_GPU_ATTENTION_H
#define KERNELS_GPU_ATTENTION_H

#include "kernels/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    GPU_KV_BLOCK = 32,          /* tokens that share a scale of a K channel; channels that share one of a V token */
    GPU_ATTENTION_RUNS = 8,     /* pieces of the work for each processor, at most */
};

/* Keys and values of some sequences, in device memory. Formats: bf16; e4m3 times a scale of the KV head; int8 times,
 * and int4 (codes 0 to 15) times a scale plus a minimum, where K shares both among the 32 tokens of a block, channel
 * by channel, and V among 32 channels, token by token. int4: the even channel in the low half of its byte. */
struct gpu_cache {
    const char *format;
    int         sequences, kv_heads, head_dim;      /* head_dim 64, 128 or 256 */
    size_t      capacity;       /* tokens of a sequence that there is room for */
    const void *k, *v;          /* [sequences, kv_heads, capacity, head_dim] codes */
    const float *k_scale, *v_scale;     /* e4m3: [kv_heads]; equal for a scale per tensor */
    const uint16_t *k_group;    /* int8, int4: FP16 [sequences, kv_heads, capacity / 32, 1 or 2, head_dim]: scales, then
                                   for int4 the minima */
    const uint16_t *v_group;    /* FP16 [sequences, kv_heads, capacity / 32, 1 or 2, head_dim / 32, 32 tokens] */
};

/* GPU_ATTENTION: one new query for each sequence, softmax(scale q k) v over its first `lengths` tokens. */
struct gpu_attention {
    struct gpu_cache cache;
    const int  *lengths;        /* device, [sequences]; 0 gives zeros */
    const int  *starts;         /* device, [sequences + 1]: blocks of 32 tokens in the sequences before this one */
    int         blocks;         /* starts[sequences] */
    int         heads;
    const void *q;              /* BF16 [sequences, heads, head_dim] */
    float       scale;          /* 1 / sqrt(head_dim), as a rule */
    float      *out;            /* [sequences, heads, head_dim] */
    void       *scratch;        /* gpu_attention_scratch bytes */
};

/* Query heads that share a KV head are taken eight at a time. */
static inline size_t gpu_attention_pairs(const struct gpu_attention *a)
{
    int group = a->heads / a->cache.kv_heads;
    return (size_t)a->cache.sequences * (size_t)a->cache.kv_heads * (size_t)((group + 7) / 8);
}

/* Bytes of scratch on a device with this many processors. */
static inline size_t gpu_attention_scratch(const struct gpu_attention *a, int processors)
{
    size_t slots = (size_t)processors * GPU_ATTENTION_RUNS + gpu_attention_pairs(a);
    return slots * 8 * ((size_t)a->cache.head_dim + 2) * sizeof(float);
}

/* GPU_PREFILL: the last `queries` tokens of each sequence, each attending to itself and to all before it. Their K and
 * V are in the cache already. A query before a sequence's first token gets zeros. */
struct gpu_prefill {
    struct gpu_cache cache;
    const int  *lengths;        /* device, [sequences]: tokens in the cache */
    int         queries, heads;
    const void *q;              /* BF16 [sequences, queries, heads, head_dim] */
    float       scale;
    void       *out;            /* BF16, as q */
};

#ifdef __cplusplus
}
#endif

#endif
