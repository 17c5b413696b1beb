/* gpu_series.c: what a timed launch needs besides the arena: one allocation, cut into pieces.
 * Scales that are not part of a record or a cache are small and all equal. */
#include "kernels/gpu_series.h"

#include <math.h>
#include <string.h>

#include "kernels/format.h"

enum { PIECES_MOST = 6, ALIGNED = 256 };

/* Pieces of one allocation. */
struct pieces {
    size_t bytes[PIECES_MOST];
    void  *at[PIECES_MOST];
};

/* Allocates all pieces as one, every byte 0x3c: as FP16, BF16 or FP32 a small number. */
static enum kernel_status cut(const struct gpu_arena *a, void **own, struct pieces *p)
{
    size_t all = 0;
    for (int i = 0; i < PIECES_MOST; i++)
        all += (p->bytes[i] + ALIGNED - 1) / ALIGNED * ALIGNED;
    enum kernel_status status = a->m->alloc(a->g, all, own);
    if (status != KERNEL_OK)
        return status;
    char *at = *own;
    for (int i = 0; i < PIECES_MOST; i++) {
        p->at[i] = at;
        at += (p->bytes[i] + ALIGNED - 1) / ALIGNED * ALIGNED;
    }
    return a->m->fill(a->g, *own, 0x3c, all);
}

static void drop(const struct gpu_arena *a, void **own)
{
    if (*own)
        a->m->free(a->g, *own);
    *own = NULL;
}

/* ---- Products -------------------------------------------------------------------------------------- */

enum kernel_status gpu_product_open(struct gpu_product_series *s, const struct gpu_arena *a, const struct gpu_kernel *k,
                                    int rows, int cols, int batch)
{
    const struct gpu_layout *layout = gpu_layout_find(k->format);
    *s = (struct gpu_product_series){.arena = a, .kernel = k,
                                     .w = {.layout = layout, .rows = rows, .cols = cols, .tensor_scale = 1}};
    s->bytes = gpu_weights_bytes(&s->w);
    s->slots = gpu_arena_slots(a, s->bytes);
    if (s->slots == 0)
        return KERNEL_NO_MEMORY;
    size_t x = GPU_BATCH_MOST * gpu_chunks(&s->w) * GPU_CHUNK * 2;
    size_t scratch = gpu_gemv_scratch(a->m->device(a->g)->processors);
    size_t row = (size_t)rows * sizeof(float);
    struct pieces p = {.bytes = {x, row * GPU_BATCH_MOST, row, scratch}};
    enum kernel_status status = cut(a, &s->own, &p);
    if (status == KERNEL_OK)
        status = a->m->copy(a->g, p.at[0], a->base, x < a->bytes ? x : a->bytes);
    if (status == KERNEL_OK)
        status = a->m->fill(a->g, p.at[3], 0, scratch);
    s->w.row_scale = layout->bits == 8 ? p.at[2] : NULL;
    s->work = (struct gpu_gemv){.x = p.at[0], .batch = batch, .y = p.at[1], .scratch = p.at[3]};
    return status;
}

void gpu_product_close(struct gpu_product_series *s)
{
    drop(s->arena, &s->own);
}

enum kernel_status gpu_product_launch(struct gpu *g, void *ctx, int i)
{
    struct gpu_product_series *s = ctx;
    s->w.records = (uint8_t *)gpu_arena_slot(s->arena, s->bytes, s->slots, i);
    s->work.w = &s->w;
    return s->kernel->launch(g, &s->work);
}

/* ---- Attention ------------------------------------------------------------------------------------- */

/* FP16 numbers for each group of 32. */
static size_t parts_of(const char *format)
{
    return strcmp(format, "int8") == 0 ? 1 : strcmp(format, "int4") == 0 ? 2 : 0;
}

static void measure_cache(struct gpu_attention_series *s, const struct gpu_attention_shape *shape, size_t capacity)
{
    size_t vectors = (size_t)shape->sequences * (size_t)shape->kv_heads * capacity, dim = (size_t)shape->head_dim;
    s->codes = vectors * dim * format_find(s->kernel->format)->bits / 8;
    s->groups = vectors / GPU_KV_BLOCK * parts_of(s->kernel->format) * dim * 2;
    s->bytes = 2 * (s->codes + s->groups);
    s->slots = gpu_arena_slots(s->arena, s->bytes);
}

/* Lengths and starts of sequences that are all equally long. */
static enum kernel_status upload_lengths(struct gpu_attention_series *s, const struct gpu_attention_shape *shape,
                                         void *to)
{
    int ints[2 * GPU_SEQUENCES_MOST + 1] = {0}, blocks = (shape->tokens + GPU_KV_BLOCK - 1) / GPU_KV_BLOCK;
    for (int i = 0; i < shape->sequences; i++) {
        ints[i] = shape->tokens;
        ints[GPU_SEQUENCES_MOST + i + 1] = (i + 1) * blocks;
    }
    s->decode.lengths = to;
    s->decode.starts = (const int *)to + GPU_SEQUENCES_MOST;
    s->decode.blocks = shape->sequences * blocks;
    return s->arena->m->upload(s->arena->g, to, ints, sizeof ints);
}

enum kernel_status gpu_attention_open(struct gpu_attention_series *s, const struct gpu_arena *a,
                                      const struct gpu_kernel *k, const struct gpu_attention_shape *shape)
{
    const size_t capacity = ((size_t)shape->tokens + GPU_KV_BLOCK - 1) / GPU_KV_BLOCK * GPU_KV_BLOCK;
    const bool prompt = k->op == GPU_PREFILL;
    const size_t pairs = (size_t)shape->heads * (size_t)shape->head_dim, queries = prompt ? (size_t)shape->tokens : 1;
    *s = (struct gpu_attention_series){.arena = a, .kernel = k};
    if (shape->sequences > GPU_SEQUENCES_MOST)
        return KERNEL_BAD_SHAPE;
    measure_cache(s, shape, capacity);
    if (s->slots == 0)
        return KERNEL_NO_MEMORY;
    s->decode.cache = (struct gpu_cache){.format = k->format, .sequences = shape->sequences, .capacity = capacity,
                                         .kv_heads = shape->kv_heads, .head_dim = shape->head_dim};
    s->decode.heads = shape->heads;
    s->decode.scale = 1 / sqrtf((float)shape->head_dim);
    size_t values = (size_t)shape->sequences * queries * pairs;
    struct pieces p = {.bytes = {values * 2, values * sizeof(float), (size_t)shape->kv_heads * sizeof(float),
                                 (2 * GPU_SEQUENCES_MOST + 1) * sizeof(int),
                                 gpu_attention_scratch(&s->decode, a->m->device(a->g)->processors)}};
    enum kernel_status status = cut(a, &s->own, &p);
    if (status == KERNEL_OK)
        status = a->m->copy(a->g, p.at[0], a->base, values * 2 < a->bytes ? values * 2 : a->bytes);
    if (status == KERNEL_OK)
        status = upload_lengths(s, shape, p.at[3]);
    s->decode.q = p.at[0], s->decode.out = p.at[1], s->decode.scratch = p.at[4];
    s->decode.cache.k_scale = s->decode.cache.v_scale = p.at[2];
    s->prefill = (struct gpu_prefill){.cache = s->decode.cache, .lengths = s->decode.lengths, .queries = shape->tokens,
                                      .heads = shape->heads, .q = p.at[0], .scale = s->decode.scale, .out = p.at[1]};
    double looks = prompt ? 0.5 * shape->tokens * (shape->tokens + 1.0) : shape->tokens;
    s->flop = 4.0 * (double)shape->sequences * (double)pairs * looks;
    return status;
}

void gpu_attention_close(struct gpu_attention_series *s)
{
    drop(s->arena, &s->own);
}

static void place_cache(const struct gpu_attention_series *s, struct gpu_cache *cache, int i)
{
    char *at = gpu_arena_slot(s->arena, s->bytes, s->slots, i);
    cache->k = at;
    cache->v = at + s->codes;
    cache->k_group = (const uint16_t *)(const void *)(at + 2 * s->codes);
    cache->v_group = (const uint16_t *)(const void *)(at + 2 * s->codes + s->groups);
}

enum kernel_status gpu_attention_launch(struct gpu *g, void *ctx, int i)
{
    struct gpu_attention_series *s = ctx;
    if (s->kernel->op == GPU_PREFILL) {
        place_cache(s, &s->prefill.cache, i);
        return s->kernel->launch(g, &s->prefill);
    }
    place_cache(s, &s->decode.cache, i);
    return s->kernel->launch(g, &s->decode);
}

/* ---- Large products -------------------------------------------------------------------------------- */

enum kernel_status gpu_gemm_open(struct gpu_gemm_series *s, const struct gpu_arena *a, const struct gpu_kernel *k,
                                 int size, bool fast)
{
    size_t n = (size_t)size * (size_t)size, bytes = n * format_find(k->format)->bits / 8;
    *s = (struct gpu_gemm_series){.arena = a, .kernel = k, .flop = 2.0 * size * size * size};
    if (2 * bytes > a->bytes)
        return KERNEL_NO_MEMORY;
    struct pieces p = {.bytes = {n * sizeof(float), GPU_GEMM_SCRATCH}};
    enum kernel_status status = cut(a, &s->own, &p);
    s->bytes = 2 * bytes + n * sizeof(float);
    s->work = (struct gpu_gemm){.w = a->base, .x = a->base + bytes, .rows = size, .cols = size, .tokens = size,
                                .scale = 1, .fast = fast, .y = p.at[0], .scratch = p.at[1]};
    return status;
}

void gpu_gemm_close(struct gpu_gemm_series *s)
{
    drop(s->arena, &s->own);
}

enum kernel_status gpu_gemm_launch(struct gpu *g, void *ctx, int i)
{
    struct gpu_gemm_series *s = ctx;
    (void)i;
    return s->kernel->launch(g, &s->work);
}
