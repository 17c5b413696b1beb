/* scheme.c: a scheme in words, calibration layer by layer, and the rounded net.
 * One layer's inputs are held at a time: the hidden states of the calibration text walk up the unrounded model, and
 * each layer is rounded as they pass. */
#include "engine/scheme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- words -------------------------------------------------------------------------------------------------------- */

static bool spans_tensor(const struct recipe *r)
{
    return r->scale.kind == SCALE_TENSOR || r->scale.kind == SCALE_TWO_LEVEL;
}

/* What is rounded while tokens come one by one cannot wait for later ones. */
static bool parse_flowing(const struct recipe_words *words, const char *what, enum isa isa, struct recipe *recipe,
                          char *why, size_t room)
{
    struct recipe_words used = *words;
    *recipe = (struct recipe){ 0 };
    if (!words->format)
        return true;
    const struct format *f = format_find(words->format);
    if (!words->scale && f && !f->block && strcmp(f->scale, "none") != 0)
        used.scale = "token";
    if (!recipe_parse(&used, recipe, why, room))
        return false;
    bool waits = recipe->scale.kind == SCALE_DOUBLE || recipe->scale.kind == SCALE_TILE
              || (spans_tensor(recipe) && recipe->zero >= ZERO_AWQ) || recipe->cast.rounding == ROUND_STOCHASTIC;
    if (waits)
        snprintf(why, room, "%s take a scale that is fixed or a token's own: token, tensor, group:N or block:N", what);
    recipe->isa = isa;
    return !waits;
}

static void describe(const struct recipe *r, const char *before, char *label)
{
    char scale[32], text[64];
    size_t used = strlen(label);
    scale_print(r->scale, scale, sizeof scale);
    bool own = r->format->block || r->scale.kind == SCALE_NONE;
    snprintf(text, sizeof text, "%s%s%s%s%s%s", used ? ", " : "", before, r->format->name, own ? "" : " ",
             own ? "" : scale, r->zero == ZERO_NONE ? "" : " zero-point");
    snprintf(label + used, SCHEME_LABEL - used, "%s", text);
}

static void make_label(struct scheme *s)
{
    s->label[0] = '\0';
    if (s->weights.format)
        describe(&s->weights, "", s->label);
    if (s->weights.format && strcmp(s->method->name, "rtn") != 0) {
        size_t used = strlen(s->label);
        snprintf(s->label + used, SCHEME_LABEL - used, " %s", s->method->name);
    }
    if (s->activations.format)
        describe(&s->activations, "activations ", s->label);
    if (s->cache.format)
        describe(&s->cache, "KV ", s->label);
    if (!s->label[0])
        snprintf(s->label, sizeof s->label, "fp32");
}

struct scheme scheme_plain(void)
{
    struct scheme s = { .method = method_find("rtn") };
    make_label(&s);
    return s;
}

static bool parse_method(const char *name, struct scheme *scheme, char *why, size_t room)
{
    char known[128] = "";
    scheme->method = method_find(name ? name : "rtn");
    for (size_t i = 0; i < method_count(); i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", method_at(i)->name);
    if (!scheme->method)
        snprintf(why, room, "unknown method '%.40s': use %s", name, known);
    else if (name && strcmp(name, "rtn") != 0 && !scheme->weights.format)
        snprintf(why, room, "method '%s' needs a format for the weights", name);
    else
        return true;
    return false;
}

/* LLM.int8() and SmoothQuant are about rounded inputs: the same format, a scale a token, unless something was said. */
static bool default_activations(struct scheme *scheme, enum isa isa, char *why, size_t room)
{
    const char *name = scheme->method->name;
    bool both = strcmp(name, "llm-int8") == 0 || strcmp(name, "smoothquant") == 0;
    if (!both || scheme->activations.format)
        return true;
    const struct recipe_words same = { .format = scheme->weights.format->name };
    return parse_flowing(&same, "activations", isa, &scheme->activations, why, room);
}

bool scheme_parse(const struct scheme_words *words, enum isa isa, uint64_t seed, struct scheme *scheme, char *why,
                  size_t room)
{
    *scheme = (struct scheme){ 0 };
    if (words->weights.format && !recipe_parse(&words->weights, &scheme->weights, why, room))
        return false;
    scheme->weights.isa = isa;
    scheme->weights.seed = seed;
    if (!parse_method(words->method, scheme, why, room)
        || !parse_flowing(&words->activations, "activations", isa, &scheme->activations, why, room)
        || !parse_flowing(&words->cache, "keys and values", isa, &scheme->cache, why, room)
        || !default_activations(scheme, isa, why, room))
        return false;
    make_label(scheme);
    return true;
}

bool scheme_calibrates(const struct scheme *s)
{
    return (s->weights.format && s->method->calibrated) || (s->activations.format && spans_tensor(&s->activations))
        || (s->cache.format && spans_tensor(&s->cache));
}

/* --- calibration -------------------------------------------------------------------------------------------------- */

/* The calibration text on its way up. */
struct climb {
    const struct llama *model;
    struct scheme_text  text;
    struct llama_net    net;                /* unrounded; one layer at a time is packed */
    struct llama_state *state;
    float *hidden;                          /* [count, width] */
    float *x[LLAMA_SITES];                  /* [count, in] of the layer under way */
    size_t seen[LLAMA_SITES];
    float  amax[2];                         /* of its keys and values */
};

static size_t site_width(const struct modelfile_config *c, size_t site)
{
    static const enum llama_linear of[LLAMA_SITES] = { LLAMA_Q, LLAMA_O, LLAMA_GATE, LLAMA_DOWN };
    return llama_in(c, of[site]);
}

static void see(void *ctx, size_t layer, size_t site, const float *x, size_t rows, size_t cols)
{
    struct climb *climb = ctx;
    (void)layer;
    if (site >= LLAMA_SITES) {
        float most = quant_amax(x, rows * cols), *amax = &climb->amax[site - LLAMA_SITES];
        *amax = most > *amax ? most : *amax;
        return;
    }
    memcpy(climb->x[site] + climb->seen[site] * cols, x, rows * cols * sizeof *x);
    climb->seen[site] += rows;
}

static void climb_free(struct climb *climb)
{
    for (int i = 0; i < LLAMA_SITES; i++)
        free(climb->x[i]);
    free(climb->hidden);
    llamastate_free(climb->state);
    llamanet_free(&climb->net);
}

static enum kernel_status climb_make(struct climb *climb, const struct llama *model, const struct scheme_text *text,
                                     enum isa isa)
{
    const struct modelfile_config *c = &model->config;
    *climb = (struct climb){ .model = model, .text = *text };
    enum kernel_status status = llamanet_make(&climb->net, model, text->context, isa);
    if (status != KERNEL_OK)
        return status;
    climb->state = llamastate_new(&climb->net, 1);
    climb->hidden = malloc(text->count * c->width * sizeof *climb->hidden + 1);
    bool fine = climb->state && climb->hidden;
    for (size_t i = 0; fine && i < LLAMA_SITES; i++) {
        climb->x[i] = malloc(text->count * site_width(c, i) * sizeof *climb->x[i] + 1);
        fine = climb->x[i] != NULL;
    }
    for (size_t i = 0; fine && i < text->count; i++)
        memcpy(climb->hidden + i * c->width, model->embedding + text->tokens[i] * c->width,
               c->width * sizeof *climb->hidden);
    return fine ? KERNEL_OK : KERNEL_NO_MEMORY;
}

/* The text passes a layer; its inputs lie in x afterwards. */
static enum kernel_status climb_layer(struct climb *climb, size_t layer)
{
    enum kernel_status status = KERNEL_OK;
    memset(climb->seen, 0, sizeof climb->seen);
    memset(climb->amax, 0, sizeof climb->amax);
    for (int i = 0; i < LLAMA_LINEARS && status == KERNEL_OK; i++)
        status = llamanet_pack(&climb->net, layer, (enum llama_linear)i, climb->model->layer[layer].weight[i]);
    for (size_t i = 0; i < climb->text.count && status == KERNEL_OK; i += climb->text.context) {
        size_t n = climb->text.count - i < climb->text.context ? climb->text.count - i : climb->text.context;
        status = llamanet_layer(&climb->net, climb->state, layer, climb->hidden + i * climb->model->config.width, n,
                                see, climb);
    }
    for (int i = 0; i < LLAMA_LINEARS; i++)
        panels_free(&climb->net.layer[layer].linear[i]);
    return status;
}

enum kernel_status scheme_inputs(const struct llama *model, const struct scheme_text *text, size_t layer,
                                 enum llama_site site, enum isa isa, const struct progress *progress, float **x)
{
    struct climb climb;
    enum kernel_status status = climb_make(&climb, model, text, isa);
    for (size_t i = 0; i <= layer && status == KERNEL_OK; i++)
        status = progress_tick(progress, (double)i / (double)(layer + 1)) ? climb_layer(&climb, i) : KERNEL_CANCELED;
    *x = NULL;
    if (status == KERNEL_OK) {
        *x = climb.x[site];
        climb.x[site] = NULL;
    }
    climb_free(&climb);
    return status;
}

/* --- rounding one layer ------------------------------------------------------------------------------------------- */

/* Kernels report their own fractions; what is passed on is the whole's. */
struct share {
    const struct progress *whole;
    double fraction;
};

static bool tick_share(void *ctx, double fraction)
{
    const struct share *share = ctx;
    (void)fraction;
    return progress_tick(share->whole, share->fraction);
}

struct work {
    const struct scheme *scheme;
    const struct llama  *model;
    const struct climb  *climb;     /* at this layer; or NULL */
    struct llama_net    *net;
    size_t               layer;
    enum isa             isa;
    struct progress      progress;
};

/* The scheme's method, or plain rounding where it should fold into a norm and there is none before the site. */
static const struct method *method_of(const struct scheme *s, enum llama_site site)
{
    bool norm = site == LLAMA_ATTENTION_IN || site == LLAMA_FEED_IN;
    return s->folded && !norm ? method_find("rtn") : s->method;
}

/* Linear layers first to last, whose weights lie in one matrix w, by the method. */
static enum kernel_status round_together(const struct work *r, enum llama_linear first, enum llama_linear last,
                                         const float *w, size_t out)
{
    const struct scheme *s = r->scheme;
    const struct modelfile_config *c = &r->model->config;
    enum llama_site site = llama_site_of(first);
    size_t in = llama_in(c, first), row = 0;
    struct llama_entry *entry = &r->net->layer[r->layer].entry[site];
    struct method_result result;
    struct method_task task = {
        .w = w, .out = out, .in = in, .x = r->climb ? r->climb->x[site] : NULL,
        .tokens = r->climb ? r->climb->text.count : 0, .weights = s->weights, .activations = s->activations,
        .fixed = s->fixed || strcmp(s->method->name, "smoothquant") == 0, .alpha = s->fixed ? s->alpha : 0.5,
        .damp = s->damp, .act_order = s->act_order, .isa = r->isa,
    };
    enum kernel_status status = method_run(method_of(s, site), &task, &r->progress, &result);
    if (status != KERNEL_OK)
        return status;
    const float *values = s->activations.format ? result.stored : result.weights;
    for (int i = (int)first; i <= (int)last && status == KERNEL_OK; i++) {
        status = llamanet_pack(r->net, r->layer, (enum llama_linear)i, values + row * in);
        row += llama_out(c, (enum llama_linear)i);
    }
    r->net->weight_bytes += (double)result.bytes;
    if (s->activations.format && !entry->divide && !entry->kept && !entry->rotation.n) {
        entry->divide = result.divide;
        entry->kept = result.kept;
        entry->rotation = result.rotation;
        result.divide = NULL;
        result.kept = NULL;
        result.rotation = (struct hadamard){ 0 };
    }
    method_free(&result);
    return status;
}

/* The matrices of one site stacked, for methods whose treatment of the input is found with the weights. */
static enum kernel_status round_stacked(const struct work *r, enum llama_linear first, enum llama_linear last)
{
    const struct modelfile_config *c = &r->model->config;
    size_t in = llama_in(c, first), out = 0, row = 0;
    for (int i = (int)first; i <= (int)last; i++)
        out += llama_out(c, (enum llama_linear)i);
    float *w = malloc(out * in * sizeof *w);
    if (!w)
        return KERNEL_NO_MEMORY;
    for (int i = (int)first; i <= (int)last; i++) {
        size_t rows = llama_out(c, (enum llama_linear)i);
        memcpy(w + row * in, r->model->layer[r->layer].weight[i], rows * in * sizeof *w);
        row += rows;
    }
    enum kernel_status status = round_together(r, first, last, w, out);
    free(w);
    return status;
}

static enum kernel_status round_site(const struct work *r, enum llama_linear first, enum llama_linear last)
{
    const char *name = method_of(r->scheme, llama_site_of(first))->name;
    const struct llama_layer *plain = &r->model->layer[r->layer];
    enum kernel_status status = KERNEL_OK;
    if (r->scheme->weights.format && (strcmp(name, "smoothquant") == 0 || strcmp(name, "awq") == 0))
        return round_stacked(r, first, last);
    for (int i = (int)first; i <= (int)last && status == KERNEL_OK; i++) {
        enum llama_linear which = (enum llama_linear)i;
        if (r->scheme->weights.format)
            status = round_together(r, which, which, plain->weight[i], llama_out(&r->model->config, which));
        else
            status = llamanet_pack(r->net, r->layer, which, plain->weight[i]);
    }
    return status;
}

/* How inputs of the site are rounded: a static scale reaches the largest prepared input that calibration saw. */
static enum kernel_status set_activations(const struct work *r, size_t site)
{
    struct llama_entry *entry = &r->net->layer[r->layer].entry[site];
    entry->round = r->scheme->activations;
    if (!spans_tensor(&entry->round))
        return KERNEL_OK;
    size_t cols = site_width(&r->model->config, site), rows = r->climb->text.count;
    struct llama_entry prepare = *entry;
    prepare.round.format = NULL;
    prepare.kept = NULL;
    float *x = malloc(rows * cols * sizeof *x + 1), *scratch = malloc(cols * sizeof *scratch + 1);
    enum kernel_status status = x && scratch ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK) {
        memcpy(x, r->climb->x[site], rows * cols * sizeof *x);
        for (size_t i = 0; entry->kept && i < rows * cols; i++)
            x[i] = entry->kept[i % cols] ? 0 : x[i];
        status = llamanet_enter(&prepare, x, rows, cols, scratch);
        entry->round.amax = quant_amax(x, rows * cols);
    }
    free(x);
    free(scratch);
    return status;
}

static enum kernel_status round_layer(const struct work *r)
{
    static const enum llama_linear ends[LLAMA_SITES][2] = {
        { LLAMA_Q, LLAMA_V }, { LLAMA_O, LLAMA_O }, { LLAMA_GATE, LLAMA_UP }, { LLAMA_DOWN, LLAMA_DOWN } };
    struct llama_netlayer *layer = &r->net->layer[r->layer];
    enum kernel_status status = KERNEL_OK;
    for (size_t i = 0; i < LLAMA_SITES && status == KERNEL_OK; i++) {
        status = round_site(r, ends[i][0], ends[i][1]);
        if (status == KERNEL_OK && r->scheme->activations.format)
            status = set_activations(r, i);
    }
    for (int i = 0; i < 2 && r->scheme->cache.format; i++) {
        layer->cache[i] = r->scheme->cache;
        if (spans_tensor(&layer->cache[i]))
            layer->cache[i].amax = r->climb->amax[i];
    }
    return status;
}

/* --- the net ------------------------------------------------------------------------------------------------------ */

enum kernel_status scheme_net(const struct scheme *scheme, const struct llama *model, const struct scheme_text *text,
                              size_t context, enum isa isa, const struct progress *progress, struct llama_net *net)
{
    struct climb climb = { 0 };
    bool calibrates = scheme_calibrates(scheme);
    size_t layers = model->config.layers;
    enum kernel_status status = llamanet_make(net, model, context, isa);
    if (status == KERNEL_OK && calibrates)
        status = text ? climb_make(&climb, model, text, isa) : KERNEL_BAD_RECIPE;
    for (size_t i = 0; i < layers && status == KERNEL_OK; i++) {
        struct share share = { progress, (double)i / (double)layers };
        struct work r = { scheme, model, calibrates ? &climb : NULL, net, i, isa,
                              { tick_share, &share, progress ? progress->pool : NULL } };
        status = tick_share(&share, 0) ? KERNEL_OK : KERNEL_CANCELED;
        if (status == KERNEL_OK && calibrates)
            status = climb_layer(&climb, i);
        if (status == KERNEL_OK)
            status = round_layer(&r);
    }
    if (calibrates && climb.model)
        climb_free(&climb);
    if (status != KERNEL_OK)
        llamanet_free(net);
    return status;
}
