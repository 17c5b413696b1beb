/* gpu_test_attention.c: attention of the GPU against sums in double precision.
 * Caches and queries are drawn anew for every case. Behind a sequence's end the cache holds NaN or nonsense, as memory
 * that nobody wrote does. Called by gpu_test.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/format.h"
#include "kernels/gpu_attention.h"
#include "tests/gpu_check.h"

/* Roughly normal, standard deviation 1. */
static float normal(void)
{
    return (gpu_uniform() + gpu_uniform() + gpu_uniform()) * 1.0f;
}

struct attention_case {
    const struct format *code, *half, *bf16;
    int bits, parts;                /* of the cache's codes; FP16 numbers of a group */
    int sequences, queries, heads, kv_heads, head_dim, capacity;
    const int *lengths;
    int *starts;
    size_t vectors;                 /* sequences * kv_heads * capacity */
    uint8_t *codes[2];              /* K and V, as the GPU has them */
    uint16_t *group[2];
    float *head_scale[2];
    double *value[2];               /* [vectors, head_dim] what they stand for */
    uint16_t *q;
    float *got;
    double *want;
};

static void put_code(struct attention_case *c, int side, size_t i, uint32_t code)
{
    if (c->bits == 16)
        ((uint16_t *)(void *)c->codes[side])[i] = (uint16_t)code;
    else if (c->bits == 8)
        c->codes[side][i] = (uint8_t)code;
    else if (i % 2)
        c->codes[side][i / 2] = (uint8_t)((c->codes[side][i / 2] & 15) | code << 4);
    else
        c->codes[side][i / 2] = (uint8_t)((c->codes[side][i / 2] & 0xf0) | code);
}

/* Where the scale of (vector, channel) lies: K by channel and block of tokens, V by token and block of channels. */
static size_t group_at(const struct attention_case *c, int side, size_t vector, int channel)
{
    size_t block = vector / GPU_KV_BLOCK, token = vector % GPU_KV_BLOCK, size = (size_t)c->parts * (size_t)c->head_dim;
    return block * size + (side == 0 ? (size_t)channel : (size_t)(channel / GPU_KV_BLOCK) * GPU_KV_BLOCK + token);
}

static void draw_value(struct attention_case *c, int side, size_t vector, int channel)
{
    size_t i = vector * (size_t)c->head_dim + (size_t)channel;
    float x = normal();
    int head = (int)(vector / (size_t)c->capacity) % c->kv_heads;
    if (c->bits == 16 || c->parts == 0) {
        double scale = c->bits == 16 ? 1 : (double)c->head_scale[side][head];
        uint32_t code = format_encode(c->code, (float)((double)x / scale), (struct cast){0});
        put_code(c, side, i, code);
        c->value[side][i] = (double)format_decode(c->code, code) * scale;
        return;
    }
    size_t at = group_at(c, side, vector, channel);
    double scale = (double)format_decode(c->half, c->group[side][at]);
    double least = c->parts == 2 ? (double)format_decode(c->half, c->group[side][at + (size_t)c->head_dim]) : 0;
    long code = c->parts == 2 ? (long)(gpu_draw() % 16) : (long)(gpu_draw() % 255) - 127;
    put_code(c, side, i, (uint32_t)code & 255);
    c->value[side][i] = (double)code * scale + least;
}

static void draw_groups(struct attention_case *c, int side)
{
    size_t n = c->vectors / GPU_KV_BLOCK * (size_t)c->parts * (size_t)c->head_dim;
    for (size_t i = 0; i < n; i++) {
        bool least = c->parts == 2 && i / (size_t)c->head_dim % 2 == 1;
        float scale = c->parts == 2 ? 0.15f + 0.1f * gpu_uniform() : 0.01f + 0.005f * gpu_uniform();
        c->group[side][i] = (uint16_t)format_encode(c->half, least ? -1.2f + gpu_uniform() * 0.5f : scale,
                                                    (struct cast){0});
    }
}

/* NaN, or the largest codes, in all that lies behind the end of a sequence. */
static void poison(struct attention_case *c, int side)
{
    size_t row = (size_t)(c->head_dim * c->bits / 8);
    for (size_t v = 0; v < c->vectors; v++) {
        size_t token = v % (size_t)c->capacity, sequence = v / (size_t)c->capacity / (size_t)c->kv_heads;
        if (token < (size_t)c->lengths[sequence])
            continue;
        memset(c->codes[side] + v * row, 0xff, row);
        for (int i = 0; c->parts && side == 1 && i < c->head_dim; i += GPU_KV_BLOCK)
            for (int part = 0; part < c->parts; part++)
                c->group[1][group_at(c, 1, v, i) + (size_t)(part * c->head_dim)] = 0x7e00;
    }
}

static void draw_case(struct attention_case *c)
{
    size_t hd = (size_t)c->head_dim, queries = (size_t)(c->sequences * c->queries * c->heads) * hd;
    c->vectors = (size_t)(c->sequences * c->kv_heads * c->capacity);
    c->starts = calloc((size_t)c->sequences + 1, sizeof(int));
    for (int i = 0; i < c->sequences; i++)
        c->starts[i + 1] = c->starts[i] + (c->lengths[i] + GPU_KV_BLOCK - 1) / GPU_KV_BLOCK;
    for (int side = 0; side < 2; side++) {
        c->codes[side] = calloc(c->vectors * hd * 2 + 1, 1);
        c->group[side] = calloc(c->vectors / GPU_KV_BLOCK * 2 * hd + 1, 2);
        c->head_scale[side] = malloc((size_t)c->kv_heads * sizeof(float));
        c->value[side] = malloc((c->vectors * hd + 1) * sizeof(double));
        for (int i = 0; i < c->kv_heads; i++)
            c->head_scale[side][i] = 0.02f + 0.01f * gpu_uniform();
        draw_groups(c, side);
        for (size_t v = 0; v < c->vectors; v++)
            for (int i = 0; i < c->head_dim; i++)
                draw_value(c, side, v, i);
        poison(c, side);
    }
    c->q = malloc(queries * 2 + 2);
    c->got = malloc(queries * sizeof(float) + 1);
    c->want = calloc(queries + 1, sizeof(double));
    for (size_t i = 0; i < queries; i++)
        c->q[i] = (uint16_t)format_encode(c->bf16, normal() * 2, (struct cast){0});
}

/* One query of one head; weight has room for all tokens. */
static void reference_head(struct attention_case *c, int sequence, int query, int head, double scale, double *weight)
{
    const int hd = c->head_dim, n = c->lengths[sequence] - c->queries + query + 1, kv = head / (c->heads / c->kv_heads);
    size_t first = (size_t)((sequence * c->kv_heads + kv) * c->capacity) * (size_t)hd;
    size_t row = (size_t)((sequence * c->queries + query) * c->heads + head) * (size_t)hd;
    const uint16_t *q = c->q + row;
    double *out = c->want + row, most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) {
        weight[i] = 0;
        for (int d = 0; d < hd; d++)
            weight[i] += (double)format_decode(c->bf16, q[d]) * c->value[0][first + (size_t)(i * hd + d)] * scale;
        most = fmax(most, weight[i]);
    }
    for (int i = 0; i < n; i++)
        sum += weight[i] = exp(weight[i] - most);
    for (int i = 0; i < n; i++)
        for (int d = 0; d < hd; d++)
            out[d] += weight[i] / sum * c->value[1][first + (size_t)(i * hd + d)];
}

/* Both kinds of row take the same arrays; decode gives FP32, prefill BF16. */
static bool run_case(struct gpu_checks *t, struct attention_case *c, const struct gpu_kernel *k, float scale)
{
    size_t hd = (size_t)c->head_dim, codes = c->vectors * hd * (size_t)c->bits / 8;
    size_t heads = (size_t)c->kv_heads * sizeof(float), ints = (size_t)c->sequences * sizeof(int);
    size_t queries = (size_t)(c->sequences * c->queries * c->heads) * hd, width = k->op == GPU_PREFILL ? 2 : 4;
    size_t groups = c->vectors / GPU_KV_BLOCK * (size_t)c->parts * hd * 2;
    struct gpu_attention a = {
        .cache = {.format = k->format, .sequences = c->sequences, .kv_heads = c->kv_heads, .head_dim = c->head_dim,
                  .capacity = (size_t)c->capacity},
        .heads = c->heads, .scale = scale, .blocks = c->starts[c->sequences],
    };
    void *all[] = {
        gpu_put(t, c->codes[0], codes), gpu_put(t, c->codes[1], codes), gpu_put(t, c->group[0], groups),
        gpu_put(t, c->group[1], groups), gpu_put(t, c->head_scale[0], heads), gpu_put(t, c->head_scale[1], heads),
        gpu_put(t, c->lengths, ints), gpu_put(t, c->starts, ints + sizeof(int)), gpu_put(t, c->q, queries * 2),
        gpu_room(t, queries * width), gpu_room(t, gpu_attention_scratch(&a, t->m->device(t->g)->processors)),
    };
    a.cache.k = all[0], a.cache.v = all[1], a.cache.k_group = all[2], a.cache.v_group = all[3];
    a.cache.k_scale = all[4], a.cache.v_scale = all[5], a.lengths = all[6], a.starts = all[7];
    a.q = all[8], a.out = all[9], a.scratch = all[10];
    struct gpu_prefill f = {.cache = a.cache, .lengths = a.lengths, .queries = c->queries, .heads = c->heads, .q = a.q,
                            .scale = scale, .out = all[9]};
    t->m->fill(t->g, all[9], 0xff, queries * width);
    bool good = k->op == GPU_PREFILL ? gpu_do(t, k, &f, "prefill") : gpu_do(t, k, &a, "attention");
    void *got = gpu_get(t, all[9], queries * width);
    for (size_t i = 0; i < queries; i++)
        c->got[i] = k->op == GPU_PREFILL ? format_decode(c->bf16, ((const uint16_t *)got)[i]) : ((const float *)got)[i];
    free(got);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        gpu_drop(t, all[i]);
    return good;
}

static void free_case(struct attention_case *c)
{
    for (int side = 0; side < 2; side++)
        free(c->codes[side]), free(c->group[side]), free(c->head_scale[side]), free(c->value[side]);
    free(c->starts), free(c->q), free(c->got), free(c->want);
}

struct attention_shape {
    int sequences, queries, heads, kv_heads, head_dim, capacity;
    int lengths[5];
};

static void check_attention(struct gpu_checks *t, const struct gpu_kernel *k, const struct attention_shape *s)
{
    struct attention_case c = {.code = format_find(k->format), .half = format_find("fp16"), .bf16 = format_find("bf16"),
                               .sequences = s->sequences, .queries = s->queries, .heads = s->heads,
                               .kv_heads = s->kv_heads, .head_dim = s->head_dim, .capacity = s->capacity,
                               .lengths = s->lengths};
    c.bits = c.code->bits;
    c.parts = strcmp(k->format, "int8") == 0 ? 1 : strcmp(k->format, "int4") == 0 ? 2 : 0;
    float scale = 1 / sqrtf((float)s->head_dim);
    draw_case(&c);
    double *weight = malloc(((size_t)s->capacity + 1) * sizeof *weight);
    for (int i = 0; i < s->sequences * s->queries * s->heads; i++)
        reference_head(&c, i / s->heads / s->queries, i / s->heads % s->queries, i % s->heads, (double)scale, weight);
    free(weight);
    if (run_case(t, &c, k, scale)) {
        double error = gpu_frobenius(c.got, c.want, (size_t)(s->sequences * s->queries * s->heads * s->head_dim));
        gpu_expect(t, error <= (double)k->bound, "%s %s, head_dim %d, heads %d of %d, %d sequences of up to %d, "
                   "%d queries: error %.3g, bound %.3g", k->op == GPU_PREFILL ? "prefill" : "attention", k->format,
                   s->head_dim, s->heads, s->kv_heads, s->sequences, s->capacity, s->queries, error,
                   (double)k->bound);
    }
    free_case(&c);
}

static void check_all(struct gpu_checks *t, enum gpu_op op, const struct attention_shape *shapes, size_t count)
{
    const struct gpu_kernel *k;
    for (size_t i = 0; (k = t->m->kernel(i)) != NULL; i++)
        for (size_t s = 0; k->op == op && s < count; s++)
            check_attention(t, k, &shapes[s]);
}

void gpu_test_attention(struct gpu_checks *t)
{
    static const struct attention_shape decode[] = {
        {1, 1, 1, 1, 64, 32, {1}},
        {2, 1, 6, 2, 128, 64, {33, 0}},
        {1, 1, 6, 1, 256, 64, {47}},
        {0, 1, 4, 2, 128, 32, {0}},
        {1, 1, 24, 4, 256, 1024, {1000}},
        {5, 1, 24, 4, 256, 320, {1, 31, 320, 0, 257}},
        {3, 1, 32, 8, 128, 480, {480, 65, 127}},
        {2, 1, 64, 8, 64, 2048, {2048, 1999}},
        {1, 1, 12, 1, 128, 256, {200}},
        {1, 1, 20, 1, 64, 96, {95}},
        {1, 1, 8, 1, 256, 8192, {8190}},
    };
    static const struct attention_shape prefill[] = {
        {1, 1, 1, 1, 64, 32, {1}},
        {2, 3, 2, 1, 128, 64, {33, 2}},
        {1, 9, 2, 2, 256, 64, {47}},
        {0, 4, 4, 2, 128, 32, {0}},
        {1, 0, 2, 1, 64, 32, {7}},
        {1, 300, 6, 1, 256, 320, {300}},
        {3, 130, 4, 2, 128, 480, {480, 65, 257}},
        {2, 200, 3, 1, 64, 288, {280, 200}},
        {1, 130, 2, 1, 256, 1024, {1001}},
        {2, 257, 2, 1, 128, 1536, {1500, 640}},
    };
    check_all(t, GPU_ATTENTION, decode, t->small ? 4 : sizeof decode / sizeof decode[0]);
    check_all(t, GPU_PREFILL, prefill, t->small ? 5 : sizeof prefill / sizeof prefill[0]);
}
