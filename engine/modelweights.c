/* modelweights: how many weights a model has, and how many bytes one token makes it read.
 * A layer is attention (full or linear), a gated feed-forward part and two norms; the parts below follow the
 * order of a checkpoint's tensors. */
#include "engine/modelweights.h"

#include <stdio.h>
#include <string.h>

enum { KEPT_BITS = 16, SCALE_BITS = 16, DEFAULT_BLOCK = 128 * 128 };

/* What differs between families with otherwise the same layer. */
static const struct family {
    const char *model_type;
    bool        qkv_bias;   /* biases on q, k and v whatever the config says */
    bool        qk_norm;    /* a norm of head_dim on queries and on keys     */
} families[] = {
    { "llama", false, false },
    { "mistral", false, false },
    { "qwen2", true, false },
    { "qwen3", false, true },
    { "qwen3_5_text", false, true },
};

static const struct family *family_find(const char *model_type)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    return NULL;
}

/* ---- counting --------------------------------------------------------------------------------- */

static void add(struct modelweights *weights, const char *name, enum weight_role role, uint64_t each, uint64_t layers)
{
    if (each == 0 || layers == 0)
        return;
    weights->part[weights->parts++] = (struct weight_part){ name, role, each, layers };
    weights->count[role] += each * layers;
}

static void add_attention(struct modelweights *weights, const struct modelconfig *config, const struct family *family)
{
    uint64_t layers = config->layers - config->count[LAYER_LINEAR], hidden = config->hidden;
    uint64_t queries = config->heads * config->head_dim * (config->gated ? 2 : 1);
    uint64_t keys = config->kv_heads * config->head_dim, values = config->heads * config->head_dim;
    bool bias = family->qkv_bias || config->attention_bias;

    add(weights, config->gated ? "q_proj with gate" : "q_proj", WEIGHT_LINEAR, hidden * queries, layers);
    add(weights, "k_proj", WEIGHT_LINEAR, hidden * keys, layers);
    add(weights, "v_proj", WEIGHT_LINEAR, hidden * keys, layers);
    add(weights, "o_proj", WEIGHT_LINEAR, values * hidden, layers);
    add(weights, "q, k, v biases", WEIGHT_KEPT, bias ? queries + 2 * keys : 0, layers);
    add(weights, "o bias", WEIGHT_KEPT, config->attention_bias ? hidden : 0, layers);
    add(weights, "q and k norms", WEIGHT_KEPT, family->qk_norm ? 2 * config->head_dim : 0, layers);
}

/* Gated DeltaNet: one projection for queries, keys and values, a gate z, the small a and b, and a convolution. */
static void add_linear_attention(struct modelweights *weights, const struct modelconfig *config)
{
    uint64_t layers = config->count[LAYER_LINEAR], hidden = config->hidden;
    uint64_t values = config->linear.value_heads * config->linear.value_dim;
    uint64_t channels = 2 * config->linear.key_heads * config->linear.key_dim + values;

    add(weights, "in_proj_qkv", WEIGHT_LINEAR, hidden * channels, layers);
    add(weights, "in_proj_z", WEIGHT_LINEAR, hidden * values, layers);
    add(weights, "out_proj", WEIGHT_LINEAR, values * hidden, layers);
    add(weights, "in_proj_a and in_proj_b", WEIGHT_KEPT, 2 * hidden * config->linear.value_heads, layers);
    add(weights, "conv1d", WEIGHT_KEPT, channels * config->linear.conv_kernel, layers);
    add(weights, "A_log, dt_bias, norm", WEIGHT_KEPT, 2 * config->linear.value_heads + config->linear.value_dim,
        layers);
}

bool modelweights_count(const struct modelconfig *config, struct modelweights *weights, char *error, size_t size)
{
    const struct family *family = family_find(config->model_type);
    uint64_t table = config->vocab * config->hidden;

    memset(weights, 0, sizeof *weights);
    if (!family || config->experts || config->latent)
        snprintf(error, size, "cannot count the weights of model type '%s'%s", config->model_type,
                 config->experts ? " with experts" : ": its matrices are not known here");
    else if (!config->intermediate || !config->vocab)
        snprintf(error, size, "cannot count the weights: the config has no '%s'",
                 config->vocab ? "intermediate_size" : "vocab_size");
    else {
        add_attention(weights, config, family);
        add_linear_attention(weights, config);
        add(weights, "gate_proj, up_proj, down_proj", WEIGHT_LINEAR, 3 * config->hidden * config->intermediate,
            config->layers);
        add(weights, "layer norms", WEIGHT_KEPT, 2 * config->hidden, config->layers);
        add(weights, "last norm", WEIGHT_KEPT, config->hidden, 1);
        add(weights, "lm_head", WEIGHT_HEAD, table, 1);
        add(weights, "embed_tokens", WEIGHT_EMBEDDING, config->tied ? 0 : table, 1);
        return true;
    }
    return false;
}

/* ---- bytes ------------------------------------------------------------------------------------ */

double modelweights_bits(const struct modelconfig *config, const char *format)
{
    double block = config->scale_block ? (double)config->scale_block : DEFAULT_BLOCK;

    if (strcmp(format, "bf16") == 0)
        return 16;
    if (strcmp(format, "fp8") == 0)
        return 8 + SCALE_BITS / block;
    if (strcmp(format, "int8") == 0)
        return 8;
    if (strcmp(format, "int4") == 0)
        return 4 + SCALE_BITS / 128.0;
    return 0;
}

double modelweights_streamed(const struct modelweights *weights, double linear_bits, double head_bits)
{
    return ((double)weights->count[WEIGHT_LINEAR] * linear_bits + (double)weights->count[WEIGHT_KEPT] * KEPT_BITS +
            (double)weights->count[WEIGHT_HEAD] * head_bits) / 8;
}

static json_t *gigabytes(const char *op, const char *label, uint64_t count, double bits)
{
    char note[64];

    snprintf(note, sizeof note, "%.3f billion x %g bits", (double)count / 1e9, bits);
    return json_pack("{s:s, s:s, s:f, s:s, s:s}", "op", op, "label", label, "value", (double)count * bits / 8e9, "unit",
                     "GB", "note", note);
}

json_t *modelweights_terms(const struct modelweights *weights, double linear_bits, double head_bits)
{
    json_t *terms = json_array();

    json_array_append_new(terms, gigabytes("=", "linear weights", weights->count[WEIGHT_LINEAR], linear_bits));
    json_array_append_new(terms, gigabytes("+", "norms and small parts", weights->count[WEIGHT_KEPT], KEPT_BITS));
    json_array_append_new(terms, gigabytes("+", "LM head", weights->count[WEIGHT_HEAD], head_bits));
    return terms;
}

json_t *modelweights_json(const struct modelweights *weights)
{
    static const char *const role[WEIGHT_ROLE_COUNT] = { "linear", "kept", "head", "embedding" };
    json_t *object = json_object(), *parts = json_array();
    uint64_t total = 0;

    for (int i = 0; i < weights->parts; i++) {
        const struct weight_part *part = &weights->part[i];
        json_array_append_new(parts, json_pack("{s:s, s:s, s:I, s:I}", "name", part->name, "role", role[part->role],
                                               "each", (json_int_t)part->each, "layers", (json_int_t)part->layers));
    }
    for (int i = 0; i < WEIGHT_ROLE_COUNT; i++) {
        json_object_set_new(object, role[i], json_integer((json_int_t)weights->count[i]));
        total += weights->count[i];
    }
    json_object_set_new(object, "total", json_integer((json_int_t)total));
    json_object_set_new(object, "parts", parts);
    return object;
}
