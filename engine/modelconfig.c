/* modelconfig: the facts of a Hugging Face config.json that decide a language model's memory.
 * One reader carries the first error; later reads then do nothing, so the code below reads straight down.
 * null counts as absent, as it does in the library that writes these files. */
#include "engine/modelconfig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/infile.h"

/* ORDER LAYER_KIND */
static const char *const layer_names[LAYER_KIND_COUNT] = { "full_attention", "sliding_attention", "linear_attention" };

struct reader {
    const json_t *json;   /* the language model's part of the file */
    const char   *name;
    char         *error;
    size_t        size;
    bool          failed;
};

/* ---- reading one value ------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void fail(struct reader *reader, const char *format, ...)
{
    va_list args;
    int used;

    if (reader->failed)
        return;
    reader->failed = true;
    used = snprintf(reader->error, reader->size, "cannot use '%s': ", reader->name);
    if (used < 0 || (size_t)used >= reader->size)
        return;
    va_start(args, format);
    vsnprintf(reader->error + used, reader->size - (size_t)used, format, args);
    va_end(args);
}

/* The value of key, or NULL if it is absent or null. */
static const json_t *value(const struct reader *reader, const char *key)
{
    const json_t *found = json_object_get(reader->json, key);

    return json_is_null(found) ? NULL : found;
}

/* A whole number from 1 to most; fallback where the key is absent. */
static uint64_t optional(struct reader *reader, const char *key, uint64_t most, uint64_t fallback)
{
    const json_t *found = value(reader, key);
    json_int_t number = json_integer_value(found);

    if (!found || reader->failed)
        return fallback;
    if (!json_is_integer(found))
        fail(reader, "'%s' is not a whole number", key);
    else if (number < 1 || (uint64_t)number > most)
        fail(reader, "'%s' is %" JSON_INTEGER_FORMAT "; 1 to %" PRIu64 " can be used", key, number, most);
    return reader->failed ? fallback : (uint64_t)number;
}

static uint64_t required(struct reader *reader, const char *key, uint64_t most)
{
    if (!value(reader, key))
        fail(reader, "it has no '%s'", key);
    return optional(reader, key, most, 1);
}

static bool flag(struct reader *reader, const char *key, bool fallback)
{
    const json_t *found = value(reader, key);

    if (found && !json_is_boolean(found))
        fail(reader, "'%s' is neither true nor false", key);
    return found ? json_is_true(found) : fallback;
}

/* ---- which layer is which --------------------------------------------------------------------- */

static void kind_from_list(struct reader *reader, struct modelconfig *config, const json_t *list)
{
    const json_t *entry;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) != config->layers) {
        fail(reader, "'layer_types' is not a list of %" PRIu64 " layers", config->layers);
        return;
    }
    json_array_foreach(list, i, entry) {
        const char *name = json_string_value(entry);
        int kind = 0;
        while (kind < LAYER_KIND_COUNT && name && strcmp(name, layer_names[kind]) != 0)
            kind++;
        if (!name || kind == LAYER_KIND_COUNT) {
            fail(reader, "layer %zu is of a type that is not known here; known are %s, %s and %s", i, layer_names[0],
                 layer_names[1], layer_names[2]);
            return;
        }
        config->kind[i] = (uint8_t)kind;
    }
    snprintf(config->kind_source, sizeof config->kind_source, "layer_types");
}

/* Every interval-th layer looks back all the way, the others as `rest` says. */
static void kind_from_interval(struct modelconfig *config, uint64_t interval, enum layer_kind rest, const char *key)
{
    for (uint64_t i = 0; i < config->layers; i++)
        config->kind[i] = (i + 1) % interval == 0 ? LAYER_FULL : (uint8_t)rest;
    snprintf(config->kind_source, sizeof config->kind_source, "%s %" PRIu64, key, interval);
}

/* Files with a window but without layer_types: the rule then stands in the model's code. */
static void kind_from_window(struct reader *reader, struct modelconfig *config)
{
    uint64_t pattern = optional(reader, "sliding_window_pattern", config->layers,
                                optional(reader, "_sliding_window_pattern", config->layers, 0));
    const char *type = config->model_type;

    if (pattern)
        kind_from_interval(config, pattern, LAYER_SLIDING, "sliding_window_pattern");
    else if (strncmp(type, "gemma3", 6) == 0)
        kind_from_interval(config, 6, LAYER_SLIDING, "Gemma 3's pattern");
    else if (strncmp(type, "gemma2", 6) == 0)
        kind_from_interval(config, 2, LAYER_SLIDING, "Gemma 2's pattern");
    else if (strcmp(type, "mistral") == 0 || strcmp(type, "phi3") == 0)
        kind_from_interval(config, config->layers + 1, LAYER_SLIDING, "sliding_window, all of");
    else
        fail(reader, "it has a 'sliding_window', but no 'layer_types' that says for which layers");
}

static bool has_window(struct reader *reader)
{
    return value(reader, "sliding_window") && flag(reader, "use_sliding_window", true);
}

static void read_kinds(struct reader *reader, struct modelconfig *config)
{
    const json_t *list = value(reader, "layer_types");

    snprintf(config->kind_source, sizeof config->kind_source, "num_hidden_layers");
    if (list)
        kind_from_list(reader, config, list);
    else if (value(reader, "full_attention_interval"))
        kind_from_interval(config, required(reader, "full_attention_interval", config->layers), LAYER_LINEAR,
                           "full_attention_interval");
    else if (has_window(reader))
        kind_from_window(reader, config);
    for (uint64_t i = 0; i < config->layers; i++)
        config->count[config->kind[i]]++;
}

/* ---- what each kind keeps --------------------------------------------------------------------- */

static void read_heads(struct reader *reader, struct modelconfig *config)
{
    config->heads = required(reader, "num_attention_heads", 1 << 12);
    config->kv_heads = optional(reader, "num_key_value_heads", 1 << 12, config->heads);
    config->head_dim_derived = !value(reader, "head_dim");
    config->head_dim = optional(reader, "head_dim", 1 << 14, config->hidden / config->heads);
    if (config->heads % config->kv_heads != 0)
        fail(reader, "%" PRIu64 " query heads do not share %" PRIu64 " KV heads evenly", config->heads,
             config->kv_heads);
    if (config->head_dim_derived && config->hidden % config->heads != 0)
        fail(reader, "it has no 'head_dim', and %" PRIu64 " does not divide by %" PRIu64 " heads", config->hidden,
             config->heads);
}

static void read_latent(struct reader *reader, struct modelconfig *config)
{
    if (!value(reader, "kv_lora_rank"))
        return;
    config->latent = required(reader, "kv_lora_rank", 1 << 16);
    config->rotary = required(reader, "qk_rope_head_dim", 1 << 14);
    config->nope_dim = required(reader, "qk_nope_head_dim", 1 << 14);
    config->value_dim = required(reader, "v_head_dim", 1 << 14);
    if (config->count[LAYER_FULL] != config->layers)
        fail(reader, "'kv_lora_rank' together with windows or linear layers is not known here");
}

static uint64_t state_bytes(struct reader *reader)
{
    const json_t *found = value(reader, "mamba_ssm_dtype");
    const char *name = found ? json_string_value(found) : "float32";

    if (name && strcmp(name, "float32") == 0)
        return 4;
    if (name && (strcmp(name, "bfloat16") == 0 || strcmp(name, "float16") == 0))
        return 2;
    fail(reader, "'mamba_ssm_dtype' is none of float32, bfloat16, float16");
    return 4;
}

static void read_linear(struct reader *reader, struct modelconfig *config)
{
    if (config->count[LAYER_LINEAR] == 0)
        return;
    config->linear.key_heads = required(reader, "linear_num_key_heads", 1 << 12);
    config->linear.value_heads = required(reader, "linear_num_value_heads", 1 << 12);
    config->linear.key_dim = required(reader, "linear_key_head_dim", 1 << 14);
    config->linear.value_dim = required(reader, "linear_value_head_dim", 1 << 14);
    config->linear.conv_kernel = required(reader, "linear_conv_kernel_dim", 1 << 10);
    config->linear.state_bytes = state_bytes(reader);
}

/* Keys of designs whose memory is not the sum of the three kinds. */
static void refuse_unknown_designs(struct reader *reader)
{
    static const char *const key[] = {
        "num_kv_shared_layers", "layers_block_type", "hybrid_override_pattern", "mamba_d_state", "attn_layer_period",
        "attention_chunk_size", "num_global_key_value_heads", "global_head_dim", "multi_query",
        "cross_attention_layers",
        "linear_attn_config", "attn_type_list", "layer_group_size", "compress_ratios", "index_topk",
    };

    for (size_t i = 0; i < sizeof key / sizeof key[0]; i++) {
        const json_t *found = value(reader, key[i]);
        if (found && !json_is_false(found) && !(json_is_integer(found) && json_integer_value(found) == 0))
            fail(reader, "'%s' means a kind of memory that is not counted here", key[i]);
    }
    if (flag(reader, "is_encoder_decoder", false))
        fail(reader, "an encoder-decoder model's memory is not counted here");
}

static void read_weights(struct reader *reader, struct modelconfig *config)
{
    static const char *const experts[] = { "num_experts", "num_local_experts", "n_routed_experts" };

    config->intermediate = optional(reader, "intermediate_size", 1 << 24, 0);
    config->vocab = optional(reader, "vocab_size", 1 << 24, 0);
    config->context = optional(reader, "max_position_embeddings", 1 << 30, 0);
    config->gated = flag(reader, "attn_output_gate", false);
    config->attention_bias = flag(reader, "attention_bias", false);
    for (size_t i = 0; i < sizeof experts / sizeof experts[0] && !config->experts; i++)
        config->experts = optional(reader, experts[i], 1 << 16, 0);
}

/* Weights that share a scale: the product of weight_block_size's two sides. */
static uint64_t read_scale_block(struct reader *reader, const json_t *sides)
{
    uint64_t product = 1;

    for (size_t i = 0; sides && i < 2; i++) {
        json_int_t side = json_integer_value(json_array_get(sides, i));
        if (json_array_size(sides) != 2 || side < 1 || side > 1 << 16)
            fail(reader, "'weight_block_size' is not two whole numbers from 1 to %d", 1 << 16);
        else
            product *= (uint64_t)side;
    }
    return sides ? product : 0;
}

/* tie_word_embeddings and quantization_config stand beside the language model's part, or in it. */
static void read_outside(struct reader *reader, struct modelconfig *config, const json_t *root)
{
    const json_t *inner = reader->json, *sides;

    config->tied = flag(reader, "tie_word_embeddings", false);
    reader->json = root;
    config->tied = flag(reader, "tie_word_embeddings", config->tied);
    sides = json_object_get(value(reader, "quantization_config"), "weight_block_size");
    config->scale_block = read_scale_block(reader, json_is_null(sides) ? NULL : sides);
    reader->json = inner;
}

bool modelconfig_parse(struct modelconfig *config, const json_t *json, const char *name, char *error, size_t size)
{
    const json_t *text = json_object_get(json, "text_config");
    struct reader reader = { .json = json_is_object(text) ? text : json, .name = name, .error = error, .size = size };
    const char *type = json_string_value(value(&reader, "model_type"));

    memset(config, 0, sizeof *config);
    if (!json_is_object(json))
        fail(&reader, "it is not a JSON object");
    if (type && strlen(type) == strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789_-."))
        snprintf(config->model_type, sizeof config->model_type, "%s", type);
    refuse_unknown_designs(&reader);
    config->layers = required(&reader, "num_hidden_layers", MODELCONFIG_LAYERS);
    config->hidden = required(&reader, "hidden_size", 1 << 20);
    read_kinds(&reader, config);
    if (config->count[LAYER_SLIDING])
        config->window = required(&reader, "sliding_window", 1 << 30);
    read_heads(&reader, config);
    read_latent(&reader, config);
    read_linear(&reader, config);
    read_weights(&reader, config);
    read_outside(&reader, config, json);
    return !reader.failed;
}

/* ---- files ------------------------------------------------------------------------------------ */

/* The whole of a plain file of at most MODELCONFIG_BYTES; the caller frees it. */
static char *read_all(struct reader *reader, int fd, size_t *bytes)
{
    struct stat info;
    char *text;
    ssize_t got = 1;

    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        fail(reader, "%s",
             S_ISDIR(info.st_mode) ? "it is a folder; name the config.json in it" : "it is not a plain file");
        return NULL;
    }
    if (info.st_size > MODELCONFIG_BYTES) {
        fail(reader, "it has more than %d bytes; is it a config.json?", MODELCONFIG_BYTES);
        return NULL;
    }
    text = malloc((size_t)info.st_size + 1);
    for (*bytes = 0; text && got > 0 && *bytes < (size_t)info.st_size; *bytes += got > 0 ? (size_t)got : 0)
        got = pread(fd, text + *bytes, (size_t)info.st_size - *bytes, (off_t)*bytes);
    if (!text || got < 0) {
        fail(reader, "%s", text ? strerror(errno) : "out of memory");
        free(text);
        return NULL;
    }
    return text;
}

bool modelconfig_load_fd(struct modelconfig *config, int fd, const char *name, char *error, size_t size)
{
    struct reader reader = { .name = name, .error = error, .size = size };
    json_error_t fault;
    size_t bytes = 0;
    char *text = read_all(&reader, fd, &bytes);
    json_t *json = text ? json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &fault) : NULL;
    bool good = false;

    if (json)
        good = modelconfig_parse(config, json, name, error, size);
    else if (text && bytes == 0)
        fail(&reader, "it is empty");
    else if (text)
        fail(&reader, "line %d is not valid JSON", fault.line);
    json_decref(json);
    free(text);
    return good;
}

bool modelconfig_load(struct modelconfig *config, const char *path, char *error, size_t size)
{
    int fd = infile_fd(path);
    bool good;

    if (fd < 0) {
        snprintf(error, size, "cannot open '%s': %s", path, strerror(errno));
        return false;
    }
    good = modelconfig_load_fd(config, fd, path, error, size);
    close(fd);
    return good;
}
