/* gpu_bench_attention.c: attention of the GPU: decode beside a kernel that only reads as much, prefill in FLOP/s.
 * The caches are the arena's random numbers. What the course shows is the ratio between formats, at head_dim 256. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/format.h"
#include "kernels/gpu_attention.h"
#include "tests/gpu_measure.h"

struct attention_series {
    const struct gpu_bench *b;
    const struct gpu_kernel *kernel;
    struct gpu_attention decode;
    struct gpu_prefill prefill;
    size_t bytes, codes, groups;        /* of a cache; of K's codes and groups */
    int    slots;
};

struct attention_shape {
    int sequences, tokens, heads, kv_heads, head_dim;
};

/* FP16 numbers for each group of 32. */
static int parts_of(const char *format)
{
    return strcmp(format, "int8") == 0 ? 1 : strcmp(format, "int4") == 0 ? 2 : 0;
}

static void place_cache(struct attention_series *s, struct gpu_cache *cache, int i)
{
    char *at = gpu_slot(s->b, s->bytes, s->slots, i);
    cache->k = at;
    cache->v = at + s->codes;
    cache->k_group = (const uint16_t *)(const void *)(at + 2 * s->codes);
    cache->v_group = (const uint16_t *)(const void *)(at + 2 * s->codes + s->groups);
}

static enum kernel_status launch_decode(struct gpu *g, void *ctx, int i)
{
    struct attention_series *s = ctx;
    place_cache(s, &s->decode.cache, i);
    return s->kernel->launch(g, &s->decode);
}

static enum kernel_status launch_prefill(struct gpu *g, void *ctx, int i)
{
    struct attention_series *s = ctx;
    place_cache(s, &s->prefill.cache, i);
    return s->kernel->launch(g, &s->prefill);
}

static struct attention_series series_of(struct gpu_bench *b, const struct gpu_kernel *k,
                                         const struct attention_shape *a)
{
    struct attention_series s = {.b = b, .kernel = k};
    size_t vectors = (size_t)a->sequences * (size_t)a->kv_heads * (size_t)a->tokens, dim = (size_t)a->head_dim;
    s.codes = vectors * dim * format_find(k->format)->bits / 8;
    s.groups = vectors / GPU_KV_BLOCK * (size_t)parts_of(k->format) * dim * 2;
    s.bytes = 2 * (s.codes + s.groups);
    s.slots = gpu_slots(b, s.bytes);
    s.decode.cache = (struct gpu_cache){.format = k->format, .sequences = a->sequences, .kv_heads = a->kv_heads,
                                        .head_dim = a->head_dim, .capacity = (size_t)a->tokens};
    s.decode.heads = a->heads;
    s.decode.scale = 1 / sqrtf((float)a->head_dim);
    return s;
}

static void bench_decode(struct gpu_bench *b, const struct gpu_kernel *k, const struct attention_shape *a, double goal)
{
    enum { MOST = 64 };
    struct attention_series s = series_of(b, k, a);
    struct gpu_attention *d = &s.decode;
    int lengths[MOST], starts[MOST + 1] = {0};
    char name[80], *ints = NULL;
    size_t queries = (size_t)a->sequences * (size_t)a->heads * (size_t)a->head_dim;
    void *q = NULL, *out = NULL, *scales = NULL;
    for (int i = 0; i < a->sequences; i++)
        lengths[i] = a->tokens, starts[i + 1] = starts[i] + a->tokens / GPU_KV_BLOCK;
    d->blocks = starts[a->sequences];
    bool good = s.slots > 0 && b->m->alloc(b->g, sizeof lengths + sizeof starts, (void **)&ints) == KERNEL_OK &&
                b->m->upload(b->g, ints, lengths, sizeof lengths) == KERNEL_OK &&
                b->m->upload(b->g, ints + sizeof lengths, starts, sizeof starts) == KERNEL_OK &&
                b->m->alloc(b->g, queries * 2, &q) == KERNEL_OK && b->m->copy(b->g, q, b->arena,
                        queries * 2) == KERNEL_OK &&
                b->m->alloc(b->g, queries * sizeof(float), &out) == KERNEL_OK &&
                b->m->alloc(b->g, (size_t)a->kv_heads * sizeof(float), &scales) == KERNEL_OK &&
                b->m->fill(b->g, scales, 0x3c, (size_t)a->kv_heads * sizeof(float)) == KERNEL_OK &&
                b->m->alloc(b->g, gpu_attention_scratch(d, b->m->device(b->g)->processors), &d->scratch) == KERNEL_OK;
    d->lengths = (const int *)(const void *)ints, d->starts = (const int *)(const void *)(ints + sizeof lengths);
    d->q = q, d->out = out, d->cache.k_scale = d->cache.v_scale = scales;
    snprintf(name, sizeof name, "decode %s, %d x %d, %d/%d heads of %d", k->format, a->sequences, a->tokens, a->heads,
             a->kv_heads, a->head_dim);
    if (good)
        gpu_row(b, name, launch_decode, &s, s.bytes, GPU_CEILING_READ, goal, 0);
    else
        printf("%s: %s\n", name, b->m->error());
    b->m->free(b->g, ints), b->m->free(b->g, q), b->m->free(b->g, out), b->m->free(b->g, scales);
    b->m->free(b->g, d->scratch);
}

/* 4 head_dim operations for each head and each of the tokens^2 / 2 pairs. */
static double bench_prefill(struct gpu_bench *b, const struct gpu_kernel *k, const struct attention_shape *a)
{
    struct attention_series s = series_of(b, k, a);
    char name[80];
    size_t queries = (size_t)a->tokens * (size_t)a->heads * (size_t)a->head_dim;
    void *q = NULL, *out = NULL, *scales = NULL, *length = NULL;
    bool good = s.slots > 0 && b->m->alloc(b->g, queries * 2, &q) == KERNEL_OK &&
                b->m->copy(b->g, q, b->arena, queries * 2) == KERNEL_OK && b->m->alloc(b->g, queries * 2,
                        &out) == KERNEL_OK &&
                b->m->alloc(b->g, sizeof a->tokens, &length) == KERNEL_OK &&
                b->m->upload(b->g, length, &a->tokens, sizeof a->tokens) == KERNEL_OK &&
                b->m->alloc(b->g, (size_t)a->kv_heads * sizeof(float), &scales) == KERNEL_OK &&
                b->m->fill(b->g, scales, 0x3c, (size_t)a->kv_heads * sizeof(float)) == KERNEL_OK;
    s.prefill = (struct gpu_prefill){.cache = s.decode.cache, .lengths = length, .queries = a->tokens,
                                     .heads = a->heads,
                                     .q = q, .scale = s.decode.scale, .out = out};
    s.prefill.cache.k_scale = s.prefill.cache.v_scale = scales;
    snprintf(name, sizeof name, "prefill %s, %d, %d/%d heads of %d", k->format, a->tokens, a->heads, a->kv_heads,
             a->head_dim);
    double ms = 0;
    if (good)
        ms = gpu_row(b, name, launch_prefill, &s, s.bytes, GPU_CEILING_NONE, 0,
                     2.0 * a->tokens * a->tokens * a->heads * a->head_dim);
    else
        printf("%s: %s\n", name, b->m->error());
    b->m->free(b->g, q), b->m->free(b->g, out), b->m->free(b->g, scales), b->m->free(b->g, length);
    return ms;
}

void gpu_bench_attention(struct gpu_bench *b)
{
    static const struct attention_shape decode[] = {{1, 131072, 24, 4, 256}, {8, 32768, 24, 4, 256}, {8, 32768, 32, 8,
            128}};
    static const struct attention_shape prefill[] = {{1, 8192, 24, 4, 256}, {1, 8192, 32, 8, 128}};
    const struct gpu_kernel *k;
    double wide[2] = {0};
    for (size_t i = 0; (k = b->m->kernel(i)) != NULL; i++) {
        double goal = strcmp(k->format ? k->format : "", "bf16") == 0 ? 0.90 : strcmp(k->format ? k->format : "",
                "e4m3") == 0 ? 0.80 : 0;
        for (size_t s = 0; k->op == GPU_ATTENTION && s < 3; s++)
            bench_decode(b, k, &decode[s], s < 2 ? goal : 0);
        for (size_t s = 0; k->op == GPU_PREFILL && s < 2; s++) {
            double ms = bench_prefill(b, k, &prefill[s]);
            for (int f = 0; f < 2; f++)
                if (s == 0 && strcmp(k->format, f ? "e4m3" : "bf16") == 0)
                    wide[f] = ms;
        }
    }
    if (wide[0] > 0 && wide[1] > 0)
        printf("prefill at head_dim 256: e4m3 cache %.2f times the time of bf16\n", wide[1] / wide[0]);
}
