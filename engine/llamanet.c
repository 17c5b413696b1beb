/* llamanet.c: the forward pass of a Llama-style model, a piece of a sequence at a time.
 * The cache lies as the products want it: keys as panels of outputs, values as panels of depth, so that appending a
 * token is writing a column, and attention is two products with a softmax between them. Scores exist for 60 queries at
 * a time, never for all.
 * Written from the architecture's equations; tests hold it to PyTorch's logits. */
#include "engine/llamanet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/quantize.h"

enum {
    PIECE   = 120,      /* tokens that pass a layer together: their rows stay in the second cache */
    QUERIES = 60,       /* that attend together, over all keys up to the last of them */
};

/* --- net ---------------------------------------------------------------------------------------------------------- */

/* Llama 3 stretches slow angles by `factor`, leaves fast ones, and blends in between (arXiv:2407.21783 and the model's
 * published code). */
static double scaled_rate(const struct rope_scaling *s, double rate)
{
    double turns = s->original * rate / (2 * acos(-1));
    if (s->linear)
        return rate / s->factor;
    if (!s->llama3 || turns > s->high)
        return rate;
    if (turns < s->low)
        return rate / s->factor;
    double share = (turns - s->low) / (s->high - s->low);
    return (1 - share) * rate / s->factor + share * rate;
}

static bool make_angles(struct llama_net *net)
{
    const struct modelfile_config *c = &net->model->config;
    size_t half = c->head / 2;
    net->cosine = malloc(net->context * half * sizeof *net->cosine);
    net->sine = malloc(net->context * half * sizeof *net->sine);
    for (size_t i = 0; net->cosine && net->sine && i < half; i++) {
        double rate = scaled_rate(&c->scaling, pow(c->theta, -2.0 * (double)i / (double)c->head));
        for (size_t p = 0; p < net->context; p++) {
            net->cosine[p * half + i] = (float)cos((double)p * rate);
            net->sine[p * half + i] = (float)sin((double)p * rate);
        }
    }
    return net->cosine && net->sine;
}

enum kernel_status llamanet_make(struct llama_net *net, const struct llama *model, size_t context, enum isa isa)
{
    const struct kernel *product = kernel_find(KERNEL_SGEMM, NULL, isa), *rows = kernel_find(KERNEL_ROWS, NULL, isa);
    const struct modelfile_config *c = &model->config;
    *net = (struct llama_net){ .model = model, .context = context, .isa = isa };
    if (!product || !rows)
        return KERNEL_NO_KERNEL;
    net->product = product->sgemm;
    net->rows = rows->rows;
    net->layer = calloc(c->layers, sizeof *net->layer);
    if (!net->layer || !make_angles(net) || panels_make(&net->head, c->vocab, c->width) != KERNEL_OK) {
        llamanet_free(net);
        return KERNEL_NO_MEMORY;
    }
    panels_rows(&net->head, 0, c->vocab, model->head, c->width);
    return KERNEL_OK;
}

enum kernel_status llamanet_pack(struct llama_net *net, size_t layer, enum llama_linear linear, const float *weights)
{
    const struct modelfile_config *c = &net->model->config;
    struct panels *p = &net->layer[layer].linear[linear];
    size_t out = llama_out(c, linear), in = llama_in(c, linear);
    panels_free(p);
    enum kernel_status status = panels_make(p, out, in);
    if (status == KERNEL_OK)
        panels_rows(p, 0, out, weights, in);
    return status;
}

static void free_entry(struct llama_entry *entry)
{
    free(entry->divide);
    free(entry->kept);
    if (entry->rotation.n)
        hadamard_free(&entry->rotation);
}

void llamanet_free(struct llama_net *net)
{
    for (size_t i = 0; net->layer && i < net->model->config.layers; i++) {
        for (int j = 0; j < LLAMA_LINEARS; j++)
            panels_free(&net->layer[i].linear[j]);
        for (int j = 0; j < LLAMA_SITES; j++)
            free_entry(&net->layer[i].entry[j]);
    }
    panels_free(&net->head);
    free(net->layer);
    free(net->cosine);
    free(net->sine);
    *net = (struct llama_net){ 0 };
}

/* --- state -------------------------------------------------------------------------------------------------------- */

struct llama_state {
    const struct llama_net *net;
    size_t         layers, position;
    struct panels *keys, *values;       /* [layers * kv_heads]: [context, head] and its transpose */
    size_t         score_row;           /* floats from one query's scores to the next's */
    float         *x, *normed, *q, *k, *v, *mixed, *gate, *up, *ready, *scores, *scratch;
    float         *room;                /* all of them */
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool make_buffers(struct llama_state *s, const struct modelfile_config *c)
{
    size_t query = c->heads * c->head, kv = c->kv_heads * c->head, most = larger(larger(c->width, query), c->inner);
    s->score_row = s->net->context;
    const struct { float **at; size_t size; } parts[] = {
        { &s->x, PIECE * c->width }, { &s->normed, PIECE * c->width }, { &s->q, PIECE * query },
        { &s->k, PIECE * kv }, { &s->v, PIECE * kv }, { &s->mixed, PIECE * query }, { &s->gate, PIECE * c->inner },
        { &s->up, PIECE * c->inner }, { &s->ready, PIECE * most }, { &s->scores, QUERIES * s->score_row },
        { &s->scratch, most },
    };
    size_t sum = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        sum += parts[i].size;
    s->room = malloc(sum * sizeof *s->room);
    sum = 0;
    for (size_t i = 0; s->room && i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i].at = s->room + sum;
        sum += parts[i].size;
    }
    return s->room != NULL;
}

struct llama_state *llamastate_new(const struct llama_net *net, size_t layers)
{
    const struct modelfile_config *c = &net->model->config;
    struct llama_state *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct llama_state){ .net = net, .layers = layers };
    s->keys = calloc(layers * c->kv_heads, sizeof *s->keys);
    s->values = calloc(layers * c->kv_heads, sizeof *s->values);
    bool fine = s->keys && s->values && make_buffers(s, c);
    for (size_t i = 0; fine && i < layers * c->kv_heads; i++)
        fine = panels_make(&s->keys[i], net->context, c->head) == KERNEL_OK
            && panels_make(&s->values[i], c->head, net->context) == KERNEL_OK;
    if (fine)
        return s;
    llamastate_free(s);
    return NULL;
}

void llamastate_free(struct llama_state *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->layers * s->net->model->config.kv_heads; i++) {
        if (s->keys)
            panels_free(&s->keys[i]);
        if (s->values)
            panels_free(&s->values[i]);
    }
    free(s->keys);
    free(s->values);
    free(s->room);
    free(s);
}

void llamastate_reset(struct llama_state *s)
{
    s->position = 0;
}

/* --- rounding ----------------------------------------------------------------------------------------------------- */

enum kernel_status llamanet_round(const struct recipe *recipe, float *x, size_t rows, size_t cols)
{
    struct quant q;
    enum kernel_status status = quantize(x, rows, cols, recipe, NULL, &q);
    if (status != KERNEL_OK)
        return status;
    memcpy(x, q.values, rows * cols * sizeof *x);
    quant_free(&q);
    return KERNEL_OK;
}

/* Rounds all columns but the kept ones, which become FP16. */
static enum kernel_status round_beside(const struct llama_entry *entry, float *x, size_t rows, size_t cols)
{
    const struct format *fp16 = format_find("fp16");
    float *aside = malloc(rows * cols * sizeof *aside + 1);
    enum kernel_status status = KERNEL_OK;
    if (!aside)
        return KERNEL_NO_MEMORY;
    memcpy(aside, x, rows * cols * sizeof *aside);
    for (size_t i = 0; i < rows * cols; i++)
        x[i] = entry->kept[i % cols] ? 0 : x[i];
    if (entry->round.format)
        status = llamanet_round(&entry->round, x, rows, cols);
    for (size_t i = 0; i < rows * cols; i++)
        x[i] = entry->kept[i % cols] ? format_round(fp16, aside[i], (struct cast){ 0 }) : x[i];
    free(aside);
    return status;
}

enum kernel_status llamanet_enter(const struct llama_entry *entry, float *x, size_t rows, size_t cols, float *scratch)
{
    if (entry->rotation.n) {
        struct hadamard mine = entry->rotation;     /* its scratch is everybody's */
        mine.scratch = scratch;
        hadamard_rotate(&mine, x, rows);
    }
    for (size_t i = 0; entry->divide && i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            x[i * cols + j] /= entry->divide[j];
    if (entry->kept)
        return round_beside(entry, x, rows, cols);
    return entry->round.format ? llamanet_round(&entry->round, x, rows, cols) : KERNEL_OK;
}

/* --- one layer ---------------------------------------------------------------------------------------------------- */

/* A piece on its way through one layer. */
struct passage {
    const struct llama_net      *net;
    const struct llama_netlayer *layer;
    const struct llama_layer    *plain;     /* norms and biases */
    struct llama_state *s;
    size_t        index, cache;             /* of the layer; where its cache begins in the state */
    size_t        rows;
    llama_see_fn *see;
    void         *ctx;
    enum kernel_status status;
};

/* The input of a site as its products take it: x itself where nothing happens to it. */
static const float *enter(struct passage *p, enum llama_site site, const float *x, size_t cols)
{
    const struct llama_entry *entry = &p->layer->entry[site];
    if (p->see)
        p->see(p->ctx, p->index, site, x, p->rows, cols);
    if (!entry->divide && !entry->rotation.n && !entry->kept && !entry->round.format)
        return x;
    memcpy(p->s->ready, x, p->rows * cols * sizeof *x);
    enum kernel_status status = llamanet_enter(entry, p->s->ready, p->rows, cols, p->s->scratch);
    if (status != KERNEL_OK)
        p->status = status;
    return p->s->ready;
}

static void linear(const struct passage *p, enum llama_linear which, const float *x, float *y)
{
    const struct panels *w = &p->layer->linear[which];
    const float *bias = p->plain->bias[which];
    p->net->product(w, x, w->k, p->rows, w->n, w->k, y, w->n);
    for (size_t i = 0; bias && i < p->rows; i++)
        p->net->rows->add(y + i * w->n, bias, w->n);
}

static void norm_rows(const struct passage *p, const float *x, const float *gain, size_t rows, size_t n, float *y)
{
    for (size_t i = 0; i < rows; i++)
        p->net->rows->norm(x + i * n, gain, p->net->model->config.eps, n, y + i * n);
}

/* Heads of queries or keys: normed where the family does so, then turned by their positions. */
static void turn(const struct passage *p, float *x, size_t heads, const float *gain)
{
    size_t head = p->net->model->config.head, half = head / 2;
    if (gain)
        norm_rows(p, x, gain, p->rows * heads, head, x);
    for (size_t i = 0; i < p->rows; i++) {
        size_t at = (p->s->position + i) * half;
        for (size_t h = 0; h < heads; h++)
            p->net->rows->rotate(x + (i * heads + h) * head, p->net->cosine + at, p->net->sine + at, half);
    }
}

/* Keys and values join the cache, rounded as it stores them. */
static void append(struct passage *p)
{
    const struct modelfile_config *c = &p->net->model->config;
    struct llama_state *s = p->s;
    size_t row = c->kv_heads * c->head;
    float *const both[2] = { s->k, s->v };
    for (int i = 0; i < 2; i++) {
        if (p->see)
            p->see(p->ctx, p->index, LLAMA_SITES + (size_t)i, both[i], p->rows, row);
        if (p->layer->cache[i].format && p->status == KERNEL_OK)
            p->status = llamanet_round(&p->layer->cache[i], both[i], p->rows * c->kv_heads, c->head);
    }
    for (size_t h = 0; h < c->kv_heads; h++) {
        panels_rows(&s->keys[p->cache + h], s->position, p->rows, s->k + h * c->head, row);
        panels_columns(&s->values[p->cache + h], s->position, p->rows, s->v + h * c->head, row);
    }
}

/* Queries first to first + count - 1 of one head over every key up to each. */
static void attend(const struct passage *p, size_t head, size_t first, size_t count)
{
    const struct modelfile_config *c = &p->net->model->config;
    struct llama_state *s = p->s;
    size_t kv = p->cache + head / (c->heads / c->kv_heads), row = c->heads * c->head;
    size_t begin = s->position + first, keys = begin + count;
    float scale = 1.0f / sqrtf((float)c->head);
    p->net->product(&s->keys[kv], s->q + first * row + head * c->head, row, count, keys, c->head, s->scores,
                    s->score_row);
    for (size_t i = 0; i < count; i++) {
        float *scores = s->scores + i * s->score_row;
        p->net->rows->softmax(scores, scale, begin + i + 1);
        memset(scores + begin + i + 1, 0, (count - i - 1) * sizeof *scores);
    }
    p->net->product(&s->values[kv], s->scores, s->score_row, count, c->head, keys,
                    s->mixed + first * row + head * c->head, row);
}

static void attention(struct passage *p, float *x)
{
    const struct modelfile_config *c = &p->net->model->config;
    struct llama_state *s = p->s;
    norm_rows(p, x, p->plain->norm[0], p->rows, c->width, s->normed);
    const float *in = enter(p, LLAMA_ATTENTION_IN, s->normed, c->width);
    linear(p, LLAMA_Q, in, s->q);
    linear(p, LLAMA_K, in, s->k);
    linear(p, LLAMA_V, in, s->v);
    turn(p, s->q, c->heads, p->plain->head_norm[0]);
    turn(p, s->k, c->kv_heads, p->plain->head_norm[1]);
    append(p);
    for (size_t h = 0; h < c->heads; h++)
        for (size_t i = 0; i < p->rows; i += QUERIES)
            attend(p, h, i, p->rows - i < QUERIES ? p->rows - i : QUERIES);
    linear(p, LLAMA_O, enter(p, LLAMA_OUTPUT_IN, s->mixed, c->heads * c->head), s->normed);
    p->net->rows->add(x, s->normed, p->rows * c->width);
}

static void feed_forward(struct passage *p, float *x)
{
    const struct modelfile_config *c = &p->net->model->config;
    struct llama_state *s = p->s;
    norm_rows(p, x, p->plain->norm[1], p->rows, c->width, s->normed);
    const float *in = enter(p, LLAMA_FEED_IN, s->normed, c->width);
    linear(p, LLAMA_GATE, in, s->gate);
    linear(p, LLAMA_UP, in, s->up);
    p->net->rows->swiglu(s->gate, s->up, p->rows * c->inner);
    linear(p, LLAMA_DOWN, enter(p, LLAMA_DOWN_IN, s->gate, c->inner), s->normed);
    p->net->rows->add(x, s->normed, p->rows * c->width);
}

static enum kernel_status pass(const struct llama_net *net, struct llama_state *s, size_t index, size_t cache, float *x,
                               size_t rows, llama_see_fn *see, void *ctx)
{
    struct passage p = { .net = net, .layer = &net->layer[index], .plain = &net->model->layer[index], .s = s,
                         .index = index, .cache = cache * net->model->config.kv_heads, .rows = rows, .see = see,
                         .ctx = ctx };
    attention(&p, x);
    feed_forward(&p, x);
    return p.status;
}

/* --- sequences ---------------------------------------------------------------------------------------------------- */

enum kernel_status llamanet_layer(const struct llama_net *net, struct llama_state *s, size_t layer, float *x, size_t n,
                                  llama_see_fn *see, void *ctx)
{
    enum kernel_status status = KERNEL_OK;
    llamastate_reset(s);
    for (size_t i = 0; i < n && status == KERNEL_OK; i += PIECE) {
        size_t rows = n - i < PIECE ? n - i : PIECE;
        status = pass(net, s, layer, 0, x + i * net->model->config.width, rows, see, ctx);
        s->position += rows;
    }
    return status;
}

/* The hidden states in s->x become logits. */
static void finish(const struct llama_net *net, struct llama_state *s, size_t rows, float *logits)
{
    const struct modelfile_config *c = &net->model->config;
    for (size_t i = 0; i < rows; i++)
        net->rows->norm(s->x + i * c->width, net->model->norm, c->eps, c->width, s->normed + i * c->width);
    net->product(&net->head, s->normed, c->width, rows, c->vocab, c->width, logits, c->vocab);
}

enum kernel_status llamanet_run(const struct llama_net *net, struct llama_state *s, const uint32_t *tokens, size_t n,
                                float *logits, bool last)
{
    const struct modelfile_config *c = &net->model->config;
    enum kernel_status status = KERNEL_OK;
    if (s->position + n > net->context)
        return KERNEL_BAD_SHAPE;
    for (size_t i = 0; i < n && status == KERNEL_OK; i += PIECE) {
        size_t rows = n - i < PIECE ? n - i : PIECE;
        for (size_t j = 0; j < rows; j++)
            memcpy(s->x + j * c->width, net->model->embedding + tokens[i + j] * c->width, c->width * sizeof *s->x);
        for (size_t layer = 0; layer < c->layers && status == KERNEL_OK; layer++)
            status = pass(net, s, layer, layer, s->x, rows, NULL, NULL);
        s->position += rows;
        if (status == KERNEL_OK && !last)
            finish(net, s, rows, logits + i * c->vocab);
        else if (status == KERNEL_OK && i + rows == n) {
            memmove(s->x, s->x + (rows - 1) * c->width, c->width * sizeof *s->x);
            finish(net, s, 1, logits);
        }
    }
    return status;
}
