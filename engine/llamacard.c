/* llamacard.c: what lies where on the card, and the launches of a forward pass, layer by layer, as in llamanet.c.
 * One allocation holds everything: lay_out walks it twice, first to count, then to send what comes from here. Launches
 * follow each other on the card's stream, and the first failure is kept until somebody asks. */
#include "engine/llamacard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu_forward.h"
#include "kernels/gpu_quantize.h"
#include "kernels/quantize.h"

#define LEAST_WORK 5e8      /* multiply-adds below which `auto` stays on the CPU: see the README's measurements */
#define MOST_LOGITS 67108864    /* bytes of logits above which `auto` stays there too: they come back to be judged */
#define ROOM ((size_t)2 << 30)      /* for what flows through the layers */
#define PART ((size_t)16 << 20)     /* of logits, at a time */

struct card_entry {
    float      *divide;
    int8_t     *signs;
    uint8_t    *kept;
    struct fit *fit;            /* of a scale that is known before; or NULL */
};

struct card_layer {
    float *panels[LLAMA_LINEARS], *bias[LLAMA_LINEARS], *norm[2], *head_norm[2];
    struct card_entry entry[LLAMA_SITES];
    struct fit       *cache[2];
};

struct llamacard {
    const struct llama_net  *net;
    const struct gpu_module *m;
    struct gpu_seat   *seat;
    struct gpu        *g;
    struct card_layer *layer;
    size_t             rows, groups;    /* of a run; scales that are found at a time */
    size_t             stretch;         /* rows that have their logits at a time */
    char              *base;            /* of the one allocation; NULL while it is counted */
    size_t             used;
    enum kernel_status status;          /* the first failure */

    float    *embedding, *norm, *head, *cosine, *sine;
    uint32_t *tokens;
    float    *x, *normed, *q, *k, *v, *mixed, *gate, *up, *ready, *aside, *logits;
    struct gpu_range *ranges;
    struct fit       *fits;
};

/* --- what the card can do ----------------------------------------------------------------------------------------- */

bool llamacard_worth(const struct gpu_seat *seat, const struct llama_net *net, size_t tokens)
{
    double work = (double)llama_linear_weights(net->model) * (double)tokens;
    double logits = (double)tokens * (double)net->model->config.vocab * sizeof(float);
    return seat && seat->g && net->isa != ISA_SCALAR && tokens > 0
        && (seat->least <= 1 || (work >= LEAST_WORK && logits <= MOST_LOGITS));
}

/* Whether the recipe's scale is known before anything is rounded; *fit is then how values meet their codes. */
static bool fit_is_known(const struct recipe *r, struct fit *fit)
{
    enum scale_kind kind = (r->format->block ? recipe_scale(r->format) : r->scale).kind;
    const struct scale_rule rule = { r->format, kind, r->zero, r->mx, 1 };
    const float amax = kind == SCALE_TENSOR ? r->amax : 0;
    *fit = scale_fit(&rule, (struct range){ -amax, amax, amax, amax });
    return kind == SCALE_NONE || kind == SCALE_TENSOR;
}

/* Rows of `cols` values. A scale that spans the tensor must be fixed: which rows make a tensor differs between the card
 * and llamanet.c. What shares a scale is at most a segment: there is room for one range of each. */
static bool can_round(const struct recipe *r, size_t cols)
{
    struct gpu_format format;
    struct quant q;
    if (!r->format)
        return true;
    bool spans = r->scale.kind == SCALE_TENSOR || r->scale.kind == SCALE_TWO_LEVEL;
    quant_lay_out(&q, 1, cols, r);
    return gpu_format_of(r->format, &format) && !(spans && !(r->amax > 0)) && q.tile_cols <= GPU_SEGMENT
        && !(r->scale.kind == SCALE_TENSOR && r->clip.kind != CLIP_NONE);
}

/* The first linear layer of each site. */
static const enum llama_linear first_of[LLAMA_SITES] = { LLAMA_Q, LLAMA_O, LLAMA_GATE, LLAMA_DOWN };

static bool can_run(const struct llama_net *net)
{
    const struct modelfile_config *config = &net->model->config;
    bool can = true;
    for (size_t i = 0; i < config->layers; i++) {
        for (int j = 0; j < LLAMA_SITES; j++)
            can = can && can_round(&net->layer[i].entry[j].round, llama_in(config, first_of[j]));
        for (int j = 0; j < 2; j++)
            can = can && can_round(&net->layer[i].cache[j], config->head);
    }
    return can;
}

/* --- room --------------------------------------------------------------------------------------------------------- */

/* So many bytes of the allocation. */
static void *place(struct llamacard *c, size_t bytes)
{
    char *at = c->base ? c->base + c->used : NULL;
    c->used += (bytes + 255) / 256 * 256;
    return at;
}

/* A copy of `bytes` of ours; of NULL: NULL. */
static void *bring(struct llamacard *c, const void *from, size_t bytes)
{
    if (!from)
        return NULL;
    void *at = place(c, bytes);
    if (at && c->status == KERNEL_OK)
        c->status = c->m->upload(c->g, at, from, bytes);
    return at;
}

static float *bring_floats(struct llamacard *c, const float *from, size_t n)
{
    return bring(c, from, n * sizeof *from);
}

static float *bring_panels(struct llamacard *c, const struct panels *p)
{
    return bring_floats(c, p->data, (p->n + 2 * SGEMM_PANEL - 1) / (2 * SGEMM_PANEL) * (2 * SGEMM_PANEL) * p->k);
}

static struct fit *bring_fit(struct llamacard *c, const struct recipe *r)
{
    struct fit fit;
    return r->format && fit_is_known(r, &fit) ? bring(c, &fit, sizeof fit) : NULL;
}

static void bring_layer(struct llamacard *c, size_t i)
{
    const struct modelfile_config *config = &c->net->model->config;
    const struct llama_netlayer *from = &c->net->layer[i];
    const struct llama_layer *plain = &c->net->model->layer[i];
    struct card_layer *to = &c->layer[i];
    for (int j = 0; j < LLAMA_LINEARS; j++) {
        to->panels[j] = bring_panels(c, &from->linear[j]);
        to->bias[j] = bring_floats(c, plain->bias[j], from->linear[j].n);
    }
    for (int j = 0; j < 2; j++) {
        to->norm[j] = bring_floats(c, plain->norm[j], config->width);
        to->head_norm[j] = bring_floats(c, plain->head_norm[j], config->head);
        to->cache[j] = bring_fit(c, &from->cache[j]);
    }
    for (int j = 0; j < LLAMA_SITES; j++) {
        const struct llama_entry *entry = &from->entry[j];
        size_t in = from->linear[first_of[j]].k, block = entry->rotation.block;
        to->entry[j].divide = bring_floats(c, entry->divide, in);
        to->entry[j].signs = bring(c, entry->rotation.n ? entry->rotation.signs : NULL, block * block);
        to->entry[j].kept = bring(c, entry->kept, in);
        to->entry[j].fit = bring_fit(c, &entry->round);
    }
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void lay_out(struct llamacard *c)
{
    const struct llama_net *net = c->net;
    const struct modelfile_config *config = &net->model->config;
    size_t query = config->heads * config->head, kv = config->kv_heads * config->head, half = config->head / 2;
    size_t most = larger(larger(config->width, query), config->inner);
    c->used = 0;
    for (size_t i = 0; i < config->layers; i++)
        bring_layer(c, i);
    c->embedding = bring_floats(c, net->model->embedding, config->vocab * config->width);
    c->norm = bring_floats(c, net->model->norm, config->width);
    c->head = bring_panels(c, &net->head);
    c->cosine = bring_floats(c, net->cosine, net->context * half);
    c->sine = bring_floats(c, net->sine, net->context * half);
    c->tokens = place(c, c->rows * sizeof *c->tokens);
    const struct { float **at; size_t cols; } parts[] = {
        { &c->x, config->width }, { &c->normed, config->width }, { &c->q, query }, { &c->k, kv }, { &c->v, kv },
        { &c->mixed, query }, { &c->gate, config->inner }, { &c->up, config->inner }, { &c->ready, most },
        { &c->aside, most },
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        *parts[i].at = place(c, c->rows * parts[i].cols * sizeof(float));
    c->logits = place(c, c->stretch * config->vocab * sizeof *c->logits);
    c->ranges = place(c, c->groups * sizeof *c->ranges);
    c->fits = place(c, c->groups * sizeof *c->fits);
}

/* Scales that a recipe finds for [rows, cols]. */
static size_t groups_of(const struct recipe *r, size_t rows, size_t cols)
{
    struct quant q;
    struct fit fit;
    if (!r->format || fit_is_known(r, &fit))
        return 0;
    quant_lay_out(&q, rows, cols, r);
    return q.scale_count;
}

/* As many windows as have room, and what they need in scales. */
static void set_rows(struct llamacard *c, size_t tokens)
{
    const struct modelfile_config *config = &c->net->model->config;
    size_t query = config->heads * config->head, kv = config->kv_heads * config->head, context = c->net->context;
    size_t most = larger(larger(config->width, query), config->inner);
    size_t row = 2 * (config->width + query + kv + config->inner + most), part = PART / sizeof(float) / config->vocab;
    size_t windows = ROOM / sizeof(float) / row / context;
    c->rows = (windows ? windows : 1) * context < tokens ? (windows ? windows : 1) * context : tokens;
    c->stretch = part < 1 ? 1 : part < c->rows ? part : c->rows;
    for (size_t i = 0; i < config->layers; i++) {
        const struct llama_netlayer *layer = &c->net->layer[i];
        for (int j = 0; j < LLAMA_SITES; j++)
            c->groups = larger(c->groups, groups_of(&layer->entry[j].round, c->rows, most));
        for (int j = 0; j < 2; j++)
            c->groups = larger(c->groups, groups_of(&layer->cache[j], c->rows * config->kv_heads, config->head));
    }
}

/* --- launches ----------------------------------------------------------------------------------------------------- */

static void launch(struct llamacard *c, enum gpu_op op, const void *work)
{
    if (c->status != KERNEL_OK)
        return;
    const struct gpu_kernel *k = c->m->find(c->g, op, NULL, NULL);
    c->status = k ? k->launch(c->g, work) : KERNEL_NO_KERNEL;
}

/* Rounds x [rows, cols] in place: llamanet_round. */
static void round_rows(struct llamacard *c, const struct recipe *r, struct fit *known, float *x, size_t rows,
                       size_t cols)
{
    struct quant q;
    struct gpu_task t;
    quant_lay_out(&q, rows, cols, r);
    if (!gpu_task_of(&q, &t) && c->status == KERNEL_OK)
        c->status = KERNEL_NO_KERNEL;
    t.x = t.values = x;
    t.ranges = c->ranges;
    t.fits = known ? known : c->fits;
    if (r->scale.kind == SCALE_TWO_LEVEL)
        t.tensor = scale_of_tensor(r->amax, r->format->largest);
    if (!known) {
        launch(c, GPU_RANGE, &t);
        launch(c, GPU_FIT, &t);
    }
    launch(c, GPU_ENCODE, &t);
}

/* The input x [rows, cols] of a site as its products take it: llamanet_enter. x itself where nothing happens to it. */
static const float *enter(struct llamacard *c, size_t layer, enum llama_site site, const float *x, size_t rows,
                          size_t cols)
{
    const struct llama_entry *entry = &c->net->layer[layer].entry[site];
    const struct card_entry *on = &c->layer[layer].entry[site];
    struct gpu_rows t = { .y = c->ready, .x = x, .rows = rows, .cols = cols, .by = on->divide, .signs = on->signs,
                          .block = entry->rotation.block, .kept = on->kept };
    if (on->signs) {
        launch(c, GPU_HADAMARD, &t);
        t.x = c->ready;
    }
    if (on->divide) {
        launch(c, GPU_DIVIDE, &t);
        t.x = c->ready;
    }
    if (on->kept) {
        t.y = c->aside;
        launch(c, GPU_DROP, &t);
    } else if (entry->round.format && t.x == x && c->status == KERNEL_OK)
        c->status = c->m->copy(c->g, c->ready, x, rows * cols * sizeof *x);
    if (entry->round.format)
        round_rows(c, &entry->round, on->fit, t.y, rows, cols);
    if (on->kept)
        launch(c, GPU_KEEP, &t);
    return on->kept || entry->round.format ? t.y : t.x;
}

static void norm(struct llamacard *c, float *y, const float *x, const float *gain, size_t rows, size_t cols)
{
    const struct gpu_rows t = { .y = y, .x = x, .by = gain, .eps = c->net->model->config.eps, .rows = rows,
                                .cols = cols };
    launch(c, GPU_NORM, &t);
}

static void linear(struct llamacard *c, size_t layer, enum llama_linear which, const float *x, float *y, size_t rows)
{
    const struct panels *w = &c->net->layer[layer].linear[which];
    const struct gpu_sgemm t = { .panels = c->layer[layer].panels[which], .bias = c->layer[layer].bias[which], .x = x,
                                 .y = y, .m = rows, .n = w->n, .k = w->k,
                                 .onto = which == LLAMA_O || which == LLAMA_DOWN };
    launch(c, GPU_SGEMM, &t);
}

/* Heads of queries or keys: normed where the family does so, then turned by their positions. */
static void turn(struct llamacard *c, float *x, size_t heads, const float *gain, size_t rows)
{
    size_t head = c->net->model->config.head;
    const struct gpu_rows t = { .y = x, .x = x, .rows = rows, .cols = heads * head, .head = head, .cosine = c->cosine,
                                .sine = c->sine, .context = c->net->context };
    if (gain)
        norm(c, x, x, gain, rows * heads, head);
    launch(c, GPU_ROTATE, &t);
}

static void attention(struct llamacard *c, size_t i, size_t rows)
{
    const struct modelfile_config *config = &c->net->model->config;
    const struct llama_netlayer *layer = &c->net->layer[i];
    const struct card_layer *on = &c->layer[i];
    norm(c, c->normed, c->x, on->norm[0], rows, config->width);
    const float *in = enter(c, i, LLAMA_ATTENTION_IN, c->normed, rows, config->width);
    linear(c, i, LLAMA_Q, in, c->q, rows);
    linear(c, i, LLAMA_K, in, c->k, rows);
    linear(c, i, LLAMA_V, in, c->v, rows);
    turn(c, c->q, config->heads, on->head_norm[0], rows);
    turn(c, c->k, config->kv_heads, on->head_norm[1], rows);
    for (int j = 0; j < 2; j++)
        if (layer->cache[j].format)
            round_rows(c, &layer->cache[j], on->cache[j], j ? c->v : c->k, rows * config->kv_heads, config->head);
    const struct gpu_causal t = { .q = c->q, .k = c->k, .v = c->v, .out = c->mixed, .tokens = rows,
                                  .context = c->net->context, .heads = (int)config->heads,
                                  .kv_heads = (int)config->kv_heads, .head = (int)config->head };
    launch(c, GPU_CAUSAL, &t);
    linear(c, i, LLAMA_O, enter(c, i, LLAMA_OUTPUT_IN, c->mixed, rows, config->heads * config->head), c->x, rows);
}

static void feed_forward(struct llamacard *c, size_t i, size_t rows)
{
    const struct modelfile_config *config = &c->net->model->config;
    norm(c, c->normed, c->x, c->layer[i].norm[1], rows, config->width);
    const float *in = enter(c, i, LLAMA_FEED_IN, c->normed, rows, config->width);
    linear(c, i, LLAMA_GATE, in, c->gate, rows);
    linear(c, i, LLAMA_UP, in, c->up, rows);
    const struct gpu_rows t = { .y = c->gate, .x = c->gate, .by = c->up, .rows = rows, .cols = config->inner };
    launch(c, GPU_SWIGLU, &t);
    linear(c, i, LLAMA_DOWN, enter(c, i, LLAMA_DOWN_IN, c->gate, rows, config->inner), c->x, rows);
}

enum kernel_status llamacard_run(struct llamacard *c, const uint32_t *tokens, size_t n, const struct progress *progress,
                                 double from, double to)
{
    const struct modelfile_config *config = &c->net->model->config;
    const struct gpu_rows start = { .y = c->x, .by = c->embedding, .index = c->tokens, .rows = n,
                                    .cols = config->width };
    c->status = n <= c->rows ? c->m->upload(c->g, c->tokens, tokens, n * sizeof *tokens) : KERNEL_BAD_SHAPE;
    launch(c, GPU_GATHER, &start);
    for (size_t i = 0; i < config->layers && c->status == KERNEL_OK; i++) {
        attention(c, i, n);
        feed_forward(c, i, n);
        if (c->status == KERNEL_OK)
            c->status = c->m->wait(c->g, progress, from + (to - from) * (double)(i + 1) / (double)config->layers);
    }
    norm(c, c->normed, c->x, c->norm, n, config->width);
    return c->status;
}

size_t llamacard_stretch(const struct llamacard *c)
{
    return c->stretch;
}

enum kernel_status llamacard_logits(struct llamacard *c, size_t first, size_t count, float *logits)
{
    const struct modelfile_config *config = &c->net->model->config;
    const struct gpu_sgemm t = { .panels = c->head, .x = c->normed + first * config->width, .y = c->logits, .m = count,
                                 .n = config->vocab, .k = config->width };
    c->status = count <= c->stretch ? KERNEL_OK : KERNEL_BAD_SHAPE;
    launch(c, GPU_SGEMM, &t);
    if (c->status == KERNEL_OK)
        c->status = c->m->download(c->g, logits, c->logits, count * config->vocab * sizeof *logits);
    return c->status;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

static void open_room(struct llamacard *c, size_t tokens)
{
    void *base = NULL;
    set_rows(c, tokens);
    lay_out(c);
    c->status = c->m->alloc(c->g, c->used, &base);
    c->base = base;
    if (c->status == KERNEL_OK)
        lay_out(c);
}

enum kernel_status llamacard_open(struct llamacard **card, const struct llama_net *net, struct gpu_seat *seat,
                                  size_t tokens)
{
    struct llamacard *c = calloc(1, sizeof *c);
    *card = NULL;
    if (!c || !(c->layer = calloc(net->model->config.layers, sizeof *c->layer)) || !gpu_seat_take(seat)) {
        enum kernel_status status = c && c->layer ? KERNEL_NO_GPU : KERNEL_NO_MEMORY;
        free(c ? c->layer : NULL);
        free(c);
        return status;
    }
    c->net = net;
    c->m = gpu_opened();
    c->seat = seat;
    c->g = seat->g;
    *card = c;
    if (can_run(net))
        open_room(c, tokens);
    else
        c->status = KERNEL_NO_KERNEL;
    return c->status;
}

size_t llamacard_rows(const struct llamacard *c)
{
    return c->rows;
}

bool llamacard_close(struct llamacard *c, enum kernel_status status)
{
    if (!c)
        return false;
    c->m->free(c->g, c->base);
    if (status == KERNEL_NO_KERNEL)
        snprintf(c->seat->why, sizeof c->seat->why, "%s", can_run(c->net) ? c->m->error()
                 : "the GPU rounds inputs by scales that are fixed or a token's own, of up to 65536 values");
    bool stands = gpu_seat_give(c->seat, status);
    free(c->layer);
    free(c);
    return stands;
}
