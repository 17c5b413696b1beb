/* kv: what a conversation costs in memory, by the arithmetic of a model's config.
 * The formulas are arrays of terms, and the numbers are evaluated from those very terms: what a view prints is what
 * was computed. */
#include "engine/kv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CONV_BYTES = 2 }; /* of one number in a convolution's window: BF16 */

/* ---- terms ------------------------------------------------------------------------------------ */

/* Appends a factor and returns it, for what only some factors have. */
static json_t *term(json_t *terms, const char *label, double value, const char *source)
{
    json_t *made = json_pack("{s:s, s:s}", "op", json_array_size(terms) ? "*" : "=", "label", label);

    json_object_set_new(made, "value", value == floor(value) ? json_integer((json_int_t)value) : json_real(value));
    if (source)
        json_object_set_new(made, "source", json_string(source));
    json_array_append_new(terms, made);
    return made;
}

static void note(json_t *made, const char *key, const char *text)
{
    json_object_set_new(made, key, json_string(text));
}

static void strike(json_t *made)
{
    json_object_set_new(made, "struck", json_true());
}

static void bytes_term(json_t *terms, const struct kv_question *question)
{
    json_t *made = term(terms, "bytes a number", question->bits / 8.0, question->format);

    note(made, "unit", "B");
}

/* [2, KV heads, head_dim, bytes a number]: one token in one layer that stores keys and values. */
static void entry_terms(json_t *terms, const struct modelconfig *config, const struct kv_question *question)
{
    term(terms, "key and value", 2, NULL);
    term(terms, "KV heads", (double)config->kv_heads, "num_key_value_heads");
    term(terms, "head size", (double)config->head_dim, config->head_dim_derived ? "hidden_size / heads" : "head_dim");
    bytes_term(terms, question);
}

static void latent_terms(json_t *terms, const struct modelconfig *config, const struct kv_question *question)
{
    char sum[64];
    json_t *vector;

    strike(term(terms, "key and value", 2, NULL));
    strike(term(terms, "heads", (double)config->heads, "num_attention_heads"));
    vector = term(terms, "shared vector", (double)(config->latent + config->rotary), "kv_lora_rank + qk_rope_head_dim");
    snprintf(sum, sizeof sum, "%" PRIu64 " + %" PRIu64, config->latent, config->rotary);
    note(vector, "note", sum);
    bytes_term(terms, question);
}

json_t *kv_terms(const struct modelconfig *config, const struct kv_question *question)
{
    json_t *terms = json_array();

    if (config->count[LAYER_FULL] != config->layers) {
        strike(term(terms, "all layers", (double)config->layers, "num_hidden_layers"));
        note(term(terms, "layers that grow", (double)config->count[LAYER_FULL], config->kind_source), "op", "=");
    } else {
        term(terms, "layers", (double)config->layers, "num_hidden_layers");
    }
    if (config->latent)
        latent_terms(terms, config, question);
    else
        entry_terms(terms, config, question);
    return terms;
}

json_t *kv_obvious_terms(const struct modelconfig *config, const struct kv_question *question)
{
    json_t *terms = json_array(), *pair;
    char sum[64];

    term(terms, "layers", (double)config->layers, "num_hidden_layers");
    if (!config->latent) {
        entry_terms(terms, config, question);
        return terms;
    }
    term(terms, "heads", (double)config->heads, "num_attention_heads");
    pair = term(terms, "key and value of a head", (double)(config->nope_dim + config->rotary + config->value_dim),
                "qk_nope_head_dim + qk_rope_head_dim + v_head_dim");
    snprintf(sum, sizeof sum, "%" PRIu64 " + %" PRIu64, config->nope_dim + config->rotary, config->value_dim);
    note(pair, "note", sum);
    bytes_term(terms, question);
    return terms;
}

static uint64_t window_tokens(const struct modelconfig *config, const struct kv_question *question)
{
    return question->context < config->window ? question->context : config->window;
}

json_t *kv_window_terms(const struct modelconfig *config, const struct kv_question *question)
{
    json_t *terms;

    if (config->count[LAYER_SLIDING] == 0)
        return NULL;
    terms = json_array();
    term(terms, "sliding layers", (double)config->count[LAYER_SLIDING], config->kind_source);
    entry_terms(terms, config, question);
    term(terms, "tokens kept", (double)window_tokens(config, question), "sliding_window");
    return terms;
}

/* Channels of the convolution: queries and keys as wide as the key heads, values as wide as theirs. */
static uint64_t conv_channels(const struct modelconfig *config)
{
    return 2 * config->linear.key_heads * config->linear.key_dim +
        config->linear.value_heads * config->linear.value_dim;
}

static uint64_t conv_bytes(const struct modelconfig *config)
{
    return conv_channels(config) * (config->linear.conv_kernel - 1) * CONV_BYTES;
}

json_t *kv_state_terms(const struct modelconfig *config)
{
    json_t *terms, *conv;
    char text[96];

    if (config->count[LAYER_LINEAR] == 0)
        return NULL;
    terms = json_array();
    term(terms, "value heads", (double)config->linear.value_heads, "linear_num_value_heads");
    term(terms, "key size", (double)config->linear.key_dim, "linear_key_head_dim");
    term(terms, "value size", (double)config->linear.value_dim, "linear_value_head_dim");
    note(term(terms, "bytes a number", (double)config->linear.state_bytes, "mamba_ssm_dtype"), "unit", "B");
    conv = term(terms, "convolution window", (double)conv_bytes(config), "linear_conv_kernel_dim - 1");
    snprintf(text, sizeof text, "%" PRIu64 " channels x %" PRIu64 " x %d B", conv_channels(config),
             config->linear.conv_kernel - 1, CONV_BYTES);
    note(conv, "op", "+");
    note(conv, "unit", "B");
    note(conv, "note", text);
    term(terms, "linear layers", (double)config->count[LAYER_LINEAR], config->kind_source);
    return terms;
}

/* ---- numbers ---------------------------------------------------------------------------------- */

enum { EXACT_BITS = 53 }; /* a double counts whole bytes exactly up to 2^53: 8 PiB */

/* The running result of a formula, struck terms left out, rounded up to a whole byte; 0 for NULL. Takes terms. */
static double evaluate(json_t *terms)
{
    double result = 0;
    json_t *made;
    size_t i;

    json_array_foreach(terms, i, made) {
        double value = json_number_value(json_object_get(made, "value"));
        char op = *json_string_value(json_object_get(made, "op"));
        if (!json_is_true(json_object_get(made, "struck")))
            result = op == '=' ? value : op == '+' ? result + value : result * value;
    }
    json_decref(terms);
    return ceil(result);
}

static bool count_bytes(double bytes, uint64_t *out)
{
    *out = bytes < ldexp(1, EXACT_BITS) ? (uint64_t)bytes : 0;
    return bytes < ldexp(1, EXACT_BITS);
}

bool kv_compute(const struct modelconfig *config, const struct kv_question *question, struct kv_answer *answer,
                char *error, size_t size)
{
    double sequence;
    bool good;

    answer->layers = config->count[LAYER_FULL];
    good = count_bytes(evaluate(kv_terms(config, question)), &answer->per_token);
    good &= count_bytes(evaluate(kv_obvious_terms(config, question)), &answer->obvious);
    good &= count_bytes(evaluate(kv_window_terms(config, question)), &answer->window);
    good &= count_bytes(evaluate(kv_state_terms(config)), &answer->state);
    sequence = (double)answer->per_token * (double)question->context + (double)(answer->window + answer->state);
    good &= count_bytes(sequence, &answer->per_sequence);
    good &= count_bytes(sequence * (double)question->sequences, &answer->total);
    if (!good)
        snprintf(error, size, "cannot count the cache: it has more than 8 PiB; ask for fewer tokens or sequences");
    return good;
}

uint64_t kv_sequences_that_fit(double memory, double share, double weights, uint64_t per_sequence)
{
    double room = memory * share - weights;

    return room <= 0 || per_sequence == 0 ? 0 : (uint64_t)(room / (double)per_sequence);
}

/* ---- for scripts and for people --------------------------------------------------------------- */

static void set_bytes(json_t *object, const char *key, uint64_t bytes)
{
    json_object_set_new(object, key, json_integer((json_int_t)bytes));
}

json_t *kv_json(const struct modelconfig *config, const struct kv_question *question, const struct kv_answer *answer)
{
    json_t *object = json_object(), *terms;

    set_bytes(object, "layers", config->layers);
    set_bytes(object, "kv_layers", answer->layers);
    set_bytes(object, "kv_bytes_per_token", answer->per_token);
    set_bytes(object, "state_bytes_per_sequence", answer->window + answer->state);
    set_bytes(object, "kv_bytes_per_sequence", answer->per_sequence);
    set_bytes(object, "kv_bytes_total", answer->total);
    set_bytes(object, "obvious_bytes_per_token", answer->obvious);
    set_bytes(object, "context", question->context);
    set_bytes(object, "sequences", question->sequences);
    json_object_set_new(object, "kv_format", json_string(question->format));
    json_object_set_new(object, "formula", kv_terms(config, question));
    json_object_set_new(object, "obvious_formula", kv_obvious_terms(config, question));
    if ((terms = kv_window_terms(config, question)))
        json_object_set_new(object, "window_formula", terms);
    if ((terms = kv_state_terms(config)))
        json_object_set_new(object, "state_formula", terms);
    return object;
}

static void formula_view(json_t *blocks, const char *title, json_t *terms, const char *result)
{
    json_array_append_new(blocks, json_pack("{s:s, s:s, s:o, s:s, s:s}", "view", "formula", "title", title, "terms",
                                            terms, "result", result, "unit", "B"));
}

/* "2.00 GiB", the largest unit that leaves at least 1. */
static void readable(uint64_t bytes, char *text, size_t size)
{
    static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double value = (double)bytes;
    int i = 0;

    while (value >= 1024 && i < 5)
        value /= 1024, i++;
    snprintf(text, size, i ? "%.2f %s" : "%.0f %s", value, unit[i]);
}

json_t *kv_views(const struct modelconfig *config, const struct kv_question *question, const struct kv_answer *answer)
{
    json_t *blocks = json_array(), *terms;
    char text[160], total[32];

    formula_view(blocks, "Cache", kv_terms(config, question), "bytes a token");
    if (answer->obvious != answer->per_token)
        formula_view(blocks, "By the usual formula", kv_obvious_terms(config, question), "bytes a token");
    if ((terms = kv_window_terms(config, question)))
        formula_view(blocks, "Windows", terms, "bytes a sequence");
    if ((terms = kv_state_terms(config)))
        formula_view(blocks, "State", terms, "bytes a sequence");
    readable(answer->total, total, sizeof total);
    snprintf(text, sizeof text, "%" PRIu64 " sequence%s of %" PRIu64 " tokens: %s.", question->sequences,
             question->sequences == 1 ? "" : "s", question->context, total);
    json_array_append_new(blocks, json_pack("{s:s, s:s}", "view", "prose", "text", text));
    return blocks;
}
