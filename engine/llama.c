/* llama.c: the weights of a Llama-style model, found by their Hugging Face names.
 * Everything is FP32 in memory, whatever the files hold, so that rounding starts from one place. */
#include "engine/llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/protocol.h"
#include "kernels/random.h"

/* ORDER LLAMA_LINEAR */
static const struct {
    const char     *name;
    enum llama_site site;
} linears[LLAMA_LINEARS] = {
    { "self_attn.q_proj", LLAMA_ATTENTION_IN }, { "self_attn.k_proj", LLAMA_ATTENTION_IN },
    { "self_attn.v_proj", LLAMA_ATTENTION_IN }, { "self_attn.o_proj", LLAMA_OUTPUT_IN },
    { "mlp.gate_proj", LLAMA_FEED_IN },         { "mlp.up_proj", LLAMA_FEED_IN },
    { "mlp.down_proj", LLAMA_DOWN_IN },
};

size_t llama_out(const struct modelfile_config *c, enum llama_linear linear)
{
    switch (linear) {
    case LLAMA_Q:    return c->heads * c->head;
    case LLAMA_K:
    case LLAMA_V:    return c->kv_heads * c->head;
    case LLAMA_GATE:
    case LLAMA_UP:   return c->inner;
    default:         return c->width;
    }
}

size_t llama_in(const struct modelfile_config *c, enum llama_linear linear)
{
    return linear == LLAMA_O ? c->heads * c->head : linear == LLAMA_DOWN ? c->inner : c->width;
}

enum llama_site llama_site_of(enum llama_linear linear)
{
    return linears[linear].site;
}

const char *llama_name(enum llama_linear linear)
{
    return linears[linear].name;
}

bool llama_find(const struct llama *model, const char *name, size_t *layer, enum llama_linear *linear)
{
    char each[96];
    for (size_t i = 0; i < model->config.layers; i++)
        for (int j = 0; j < LLAMA_LINEARS; j++) {
            snprintf(each, sizeof each, "model.layers.%zu.%s", i, linears[j].name);
            if (strcmp(name, each) == 0 || strcmp(name, each + strlen("model.")) == 0) {
                *layer = i;
                *linear = (enum llama_linear)j;
                return true;
            }
        }
    return false;
}

static size_t layer_weights(const struct modelfile_config *c)
{
    size_t sum = 0;
    for (int i = 0; i < LLAMA_LINEARS; i++)
        sum += llama_out(c, (enum llama_linear)i) * llama_in(c, (enum llama_linear)i);
    return sum;
}

size_t llama_linear_weights(const struct llama *model)
{
    return model->config.layers * layer_weights(&model->config);
}

size_t llama_parameters(const struct llama *model)
{
    const struct modelfile_config *c = &model->config;
    size_t norms = (2 * c->layers + 1) * c->width + (c->head_norm ? 2 * c->layers * c->head : 0), biases = 0;
    for (int i = 0; i < LLAMA_LINEARS; i++)
        biases += model->layer[0].bias[i] ? c->layers * llama_out(c, (enum llama_linear)i) : 0;
    return llama_linear_weights(model) + (c->tied ? 1 : 2) * c->vocab * c->width + norms + biases;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct reading {
    const struct modelfile *file;
    char  *error;
    size_t size;
    bool   failed;
};

static float *take(struct reading *r, const char *name, size_t rows, size_t cols)
{
    float *values = r->failed ? NULL : modelfile_floats(r->file, name, rows, cols, r->error, r->size);
    r->failed = !values;
    return values;
}

static float *take_of_layer(struct reading *r, size_t layer, const char *name, size_t rows, size_t cols)
{
    char full[128];
    snprintf(full, sizeof full, "model.layers.%zu.%s", layer, name);
    return take(r, full, rows, cols);
}

static void read_layer(struct reading *r, const struct modelfile_config *c, size_t layer, struct llama_layer *to)
{
    char name[64];
    for (int i = 0; i < LLAMA_LINEARS; i++) {
        size_t out = llama_out(c, (enum llama_linear)i), in = llama_in(c, (enum llama_linear)i);
        bool bias = i <= LLAMA_V ? c->qkv_bias : i == LLAMA_O && c->o_bias;
        snprintf(name, sizeof name, "%s.weight", linears[i].name);
        to->weight[i] = take_of_layer(r, layer, name, out, in);
        snprintf(name, sizeof name, "%s.bias", linears[i].name);
        to->bias[i] = bias ? take_of_layer(r, layer, name, out, 0) : NULL;
    }
    to->norm[0] = take_of_layer(r, layer, "input_layernorm.weight", c->width, 0);
    to->norm[1] = take_of_layer(r, layer, "post_attention_layernorm.weight", c->width, 0);
    to->head_norm[0] = c->head_norm ? take_of_layer(r, layer, "self_attn.q_norm.weight", c->head, 0) : NULL;
    to->head_norm[1] = c->head_norm ? take_of_layer(r, layer, "self_attn.k_norm.weight", c->head, 0) : NULL;
}

/* The weights in FP32, the products' packed copy of them, and room to work: not more than half the machine, which is
 * also what the sandbox allows. */
static bool fits_memory(const struct modelfile_config *c, char *error, size_t size)
{
    double weights = (double)c->layers * (double)layer_weights(c) + 2 * (double)c->vocab * (double)c->width;
    double need = 2.5 * 4 * weights, half = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 2;
    if (need > half)
        snprintf(error, size, "in FP32 this model needs %.1f GB, half of this machine's memory is %.1f GB", need * 1e-9,
                 half * 1e-9);
    return need <= half;
}

static void read_all(struct reading *r, struct llama *model)
{
    const struct modelfile_config *c = &model->config;
    for (size_t i = 0; i < c->layers; i++)
        read_layer(r, c, i, &model->layer[i]);
    model->embedding = take(r, "model.embed_tokens.weight", c->vocab, c->width);
    model->norm = take(r, "model.norm.weight", c->width, 0);
    model->head = c->tied ? model->embedding : take(r, "lm_head.weight", c->vocab, c->width);
}

struct llama *llama_open(const char *folder, char *error, size_t size)
{
    struct modelfile *file = modelfile_open(folder, error, size);
    struct llama *model = file ? calloc(1, sizeof *model) : NULL;
    struct reading r = { file, error, size, false };
    if (model) {
        model->config = *modelfile_config(file);
        protocol_line(folder, model->name, sizeof model->name);
        r.failed = !fits_memory(&model->config, error, size);
        model->layer = calloc(model->config.layers, sizeof *model->layer);
    }
    if (file && (!model || !model->layer))
        snprintf(error, size, "out of memory");
    else if (file)
        read_all(&r, model);
    modelfile_close(file);
    if (model && model->layer && !r.failed)
        return model;
    llama_close(model);
    return NULL;
}

void llama_close(struct llama *model)
{
    if (!model)
        return;
    for (size_t i = 0; model->layer && i < model->config.layers; i++) {
        for (int j = 0; j < LLAMA_LINEARS; j++) {
            free(model->layer[i].weight[j]);
            free(model->layer[i].bias[j]);
        }
        for (int j = 0; j < 2; j++) {
            free(model->layer[i].norm[j]);
            free(model->layer[i].head_norm[j]);
        }
    }
    if (model->head != model->embedding)
        free(model->head);
    free(model->embedding);
    free(model->norm);
    free(model->layer);
    free(model);
}

/* --- outliers ----------------------------------------------------------------------------------------------------- */

static void divide_columns(float *w, size_t rows, size_t cols, const size_t *chosen, size_t count, float by)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < count; j++)
            w[i * cols + chosen[j]] /= by;
}

bool llama_plant(struct llama *model, size_t channels, double times, uint64_t seed)
{
    const struct modelfile_config *c = &model->config;
    size_t *chosen = malloc(channels * sizeof *chosen + 1);
    if (!chosen)
        return false;
    random_choose(chosen, channels, c->width, seed);
    for (size_t i = 0; i < c->layers; i++) {
        struct llama_layer *layer = &model->layer[i];
        for (size_t j = 0; j < channels; j++) {
            layer->norm[0][chosen[j]] *= (float)times;
            layer->norm[1][chosen[j]] *= (float)times;
        }
        for (int j = 0; j < LLAMA_LINEARS; j++) {
            size_t out = llama_out(c, (enum llama_linear)j);
            if (linears[j].site == LLAMA_ATTENTION_IN || linears[j].site == LLAMA_FEED_IN)
                divide_columns(layer->weight[j], out, c->width, chosen, channels, (float)times);
        }
    }
    model->planted = channels;
    model->times = times;
    free(chosen);
    return true;
}
