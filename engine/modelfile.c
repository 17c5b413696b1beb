/* modelfile.c: config.json read key by key, and tensors looked up over all shards.
 * The families whose forward pass llama.c has stand in one table; keys that would change it are refused one by one. */
#include "engine/modelfile.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "engine/mapping.h"
#include "engine/protocol.h"
#include "engine/tensorfile.h"

enum {
    SIDE_MOST = 1 << 20,      /* of any number in a config: a million */
    FILE_MOST = 4 << 20,      /* bytes of a config */
};

struct modelfile {
    char   folder[PATH_MAX];
    struct modelfile_config config;
    struct tensorfile *tensors;
};

/* --- config ------------------------------------------------------------------------------------------------------- */

/* The first thing that is wrong; everything after it does nothing. */
struct check {
    const json_t *json;
    char         *error;
    size_t        size;
    bool          failed;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct check *c, const char *format, ...)
{
    va_list args;
    char why[256];
    if (c->failed)
        return;
    c->failed = true;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    snprintf(c->error, c->size, "%s", why);
}

/* The value of a key; null counts as absent. */
static const json_t *value(const struct check *c, const char *key)
{
    const json_t *found = json_object_get(c->json, key);
    return json_is_null(found) ? NULL : found;
}

static size_t whole(struct check *c, const char *key, size_t absent)
{
    const json_t *found = value(c, key);
    json_int_t n = json_integer_value(found);
    if (!found && !absent)
        refuse(c, "config.json has no '%s'", key);
    else if (found && (!json_is_integer(found) || n < 1 || n > SIDE_MOST))
        refuse(c, "config.json: '%s' is no whole number from 1 to %d", key, SIDE_MOST);
    return found && !c->failed ? (size_t)n : absent;
}

static double number(struct check *c, const json_t *found, const char *key, double absent)
{
    double x = json_number_value(found);
    if (found && !json_is_null(found) && (!json_is_number(found) || !(x > 0) || !(x < 1e15)))
        refuse(c, "config.json: '%s' is no positive number", key);
    return found && json_is_number(found) ? x : absent;
}

static bool flag(struct check *c, const char *key, bool absent)
{
    const json_t *found = value(c, key);
    if (found && !json_is_boolean(found))
        refuse(c, "config.json: '%s' is neither true nor false", key);
    return found ? json_is_true(found) : absent;
}

static const char *text(const json_t *found)
{
    return json_is_string(found) ? json_string_value(found) : "";
}

/* The families, and what is theirs without being said in the file. */
static const struct family {
    const char *type;
    bool        qkv_bias, head_norm;
} families[] = {
    { "llama", false, false }, { "mistral", false, false }, { "qwen2", true, false }, { "qwen3", false, true },
};

static void read_family(struct check *c, struct modelfile_config *config)
{
    const char *type = text(value(c, "model_type"));
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(type, families[i].type) == 0) {
            snprintf(config->type, sizeof config->type, "%s", type);
            config->qkv_bias = families[i].qkv_bias || flag(c, "attention_bias", false);
            config->o_bias = flag(c, "attention_bias", false) && !families[i].qkv_bias;
            config->head_norm = families[i].head_norm;
            return;
        }
    refuse(c, "model_type '%.40s' cannot be run; llama, mistral, qwen2 and qwen3 can", type);
}

/* Keys of other families, whose forward pass is another, whatever model_type says. */
static void refuse_foreign(struct check *c)
{
    static const char *const keys[] = {
        "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "attention_multiplier",
        "embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale", "attention_chunk_size",
        "attn_output_gate", "clip_qkv", "no_rope_layers", "kv_lora_rank", "compression_config",
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (value(c, keys[i]) && !json_is_false(value(c, keys[i])))
            refuse(c, "what '%s' asks for cannot be run", keys[i]);
}

/* Keys that ask for what the forward pass does not do. */
static void refuse_unknown(struct check *c)
{
    static const char *const experts[] = { "num_local_experts", "num_experts", "n_routed_experts" };
    const json_t *window = value(c, "sliding_window"), *rotary = value(c, "partial_rotary_factor");
    const char *act = value(c, "hidden_act") ? text(value(c, "hidden_act")) : "silu";
    size_t i;
    const json_t *layer;
    for (i = 0; i < sizeof experts / sizeof experts[0]; i++)
        if (value(c, experts[i]))
            refuse(c, "mixture of experts ('%s') cannot be run", experts[i]);
    if (value(c, "quantization_config"))
        refuse(c, "it is quantized already ('quantization_config'); use the original weights");
    json_array_foreach(value(c, "layer_types"), i, layer)
        if (strcmp(text(layer), "full_attention") != 0)
            refuse(c, "layers of type '%.40s' cannot be run", text(layer));
    if (window && flag(c, "use_sliding_window", true))
        refuse(c, "sliding-window attention ('sliding_window') cannot be run");
    if (strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
        refuse(c, "hidden_act '%.40s' cannot be run; silu can", act);
    if (flag(c, "mlp_bias", false))
        refuse(c, "biases in the feed-forward part ('mlp_bias') cannot be run");
    if (rotary && number(c, rotary, "partial_rotary_factor", 1) != 1)
        refuse(c, "'partial_rotary_factor' other than 1 cannot be run");
    refuse_foreign(c);
}

/* What stands in rope_parameters or rope_scaling: what is used below, and nothing that would change it. `needs`: the
 * numbers that the kind of scaling is not defined without. */
static void check_rope(struct check *c, const json_t *scaling, const char *const *needs)
{
    const json_t *share = json_object_get(scaling, "partial_rotary_factor");
    const char *key;
    json_t *inner;
    if (scaling && !json_is_object(scaling))
        refuse(c, "config.json: the RoPE parameters are no object");
    json_object_foreach((json_t *)(uintptr_t)scaling, key, inner)
        if (json_is_object(inner))
            refuse(c, "RoPE parameters that differ from layer to layer cannot be run");
    if (number(c, share, "partial_rotary_factor", 1) != 1)
        refuse(c, "'partial_rotary_factor' other than 1 cannot be run");
    for (; *needs; needs++)
        if (!json_is_number(json_object_get(scaling, *needs)))
            refuse(c, "config.json: the RoPE scaling has no number '%s'", *needs);
}

/* Older files have rope_theta and rope_scaling, newer ones rope_parameters with both. */
static void read_rope(struct check *c, struct modelfile_config *config)
{
    static const char *const needs[] = { "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
                                         "factor", NULL };
    const json_t *both = value(c, "rope_parameters"), *scaling = both ? both : value(c, "rope_scaling");
    const json_t *theta = value(c, "rope_theta");
    const json_t *type = json_object_get(scaling, "rope_type");
    const char *kind = text(type ? type : json_object_get(scaling, "type"));
    struct rope_scaling *s = &config->scaling;
    config->theta = number(c, theta ? theta : json_object_get(both, "rope_theta"), "rope_theta", 10000);
    s->factor = number(c, json_object_get(scaling, "factor"), "factor", 1);
    s->low = number(c, json_object_get(scaling, "low_freq_factor"), "low_freq_factor", 1);
    s->high = number(c, json_object_get(scaling, "high_freq_factor"), "high_freq_factor", 4);
    s->original = number(c, json_object_get(scaling, "original_max_position_embeddings"),
                         "original_max_position_embeddings", 8192);
    s->linear = strcmp(kind, "linear") == 0;
    s->llama3 = strcmp(kind, "llama3") == 0;
    if (*kind && strcmp(kind, "default") != 0 && !s->linear && !s->llama3)
        refuse(c, "rope scaling '%.40s' cannot be run; default, linear and llama3 can", kind);
    if (both && (value(c, "rope_scaling") || number(c, json_object_get(both, "rope_theta"), "rope_theta", config->theta)
                                                 != config->theta))
        refuse(c, "config.json: 'rope_parameters' and older RoPE keys beside it do not agree");
    if (!*kind && scaling && !both)
        refuse(c, "config.json: 'rope_scaling' does not say of which type it is");
    check_rope(c, scaling, needs + (s->llama3 ? 0 : s->linear ? 3 : 4));
    if (s->llama3 && s->high <= s->low)
        refuse(c, "config.json: 'high_freq_factor' is not above 'low_freq_factor'");
}

/* A Mistral config that does not speak of a window means this one. */
enum { MISTRAL_WINDOW = 4096 };

static void check_window(struct check *c, const struct modelfile_config *config)
{
    if (strcmp(config->type, "mistral") == 0 && !json_object_get(c->json, "sliding_window")
        && config->context > MISTRAL_WINDOW)
        refuse(c, "without 'sliding_window' mistral looks back %d tokens, which cannot be run; null means all",
               MISTRAL_WINDOW);
}

static bool read_config(const json_t *json, struct modelfile_config *config, char *error, size_t size)
{
    struct check c = { .json = json, .error = error, .size = size };
    if (!json_is_object(json))
        refuse(&c, "config.json is no object");
    read_family(&c, config);
    refuse_unknown(&c);
    config->layers = whole(&c, "num_hidden_layers", 0);
    config->width = whole(&c, "hidden_size", 0);
    config->inner = whole(&c, "intermediate_size", 0);
    config->heads = whole(&c, "num_attention_heads", 0);
    config->kv_heads = whole(&c, "num_key_value_heads", c.failed ? 1 : config->heads);
    size_t share = c.failed ? 1 : config->width / config->heads;
    config->head = whole(&c, "head_dim", share ? share : 1);
    config->vocab = whole(&c, "vocab_size", 0);
    config->context = whole(&c, "max_position_embeddings", 2048);
    config->eps = (float)number(&c, value(&c, "rms_norm_eps"), "rms_norm_eps", 1e-6);
    config->tied = flag(&c, "tie_word_embeddings", false);
    read_rope(&c, config);
    check_window(&c, config);
    if (!c.failed && config->heads % config->kv_heads)
        refuse(&c, "config.json: %zu heads cannot share %zu KV heads evenly", config->heads, config->kv_heads);
    if (!c.failed && config->head % 2)
        refuse(&c, "config.json: a head of %zu values cannot be rotated in pairs", config->head);
    if (!c.failed && config->layers > 1024)
        refuse(&c, "config.json: more than 1024 layers");
    return !c.failed;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static bool path_in(const struct modelfile *file, const char *name, char *path, size_t size)
{
    return (size_t)snprintf(path, size, "%s/%s", file->folder, name) < size;
}

static json_t *load_config(const struct modelfile *file, char *error, size_t size)
{
    char path[PATH_MAX];
    json_error_t fault;
    struct mapping map = mapping_of("", 0);
    json_t *json = NULL;
    const char *why = path_in(file, "config.json", path, sizeof path) ? mapping_open(&map, path) : "a path too long";
    if (why)
        snprintf(error, size, "cannot open '%.200s/config.json' (%s): is it a folder with a Hugging Face model?",
                 file->folder, why);
    else if (map.size > FILE_MOST)
        snprintf(error, size, "cannot read '%.200s/config.json': larger than %d MiB", file->folder, FILE_MOST >> 20);
    else if (!(json = json_loadb((const char *)map.bytes, map.size, JSON_REJECT_DUPLICATES, &fault)))
        snprintf(error, size, "cannot read '%.200s/config.json': line %d is not valid JSON", file->folder, fault.line);
    mapping_close(&map);
    return json;
}

/* The shards of the index, or the one file. */
static bool open_tensors(struct modelfile *file, char *error, size_t size)
{
    char path[PATH_MAX];
    bool fits = path_in(file, "model.safetensors.index.json", path, sizeof path);
    if (fits && access(path, F_OK) != 0)
        fits = path_in(file, "model.safetensors", path, sizeof path);
    if (!fits)
        snprintf(error, size, "cannot open '%.200s': the path is too long", file->folder);
    file->tensors = fits ? tensorfile_open(path, error, size) : NULL;
    return file->tensors != NULL;
}

/* What a message quotes of the files may hold anything: cut characters, and what drives a terminal. */
static void clean(char *error, size_t size)
{
    char said[512];
    snprintf(said, sizeof said, "%s", error);
    protocol_line(said, error, size);
}

struct modelfile *modelfile_open(const char *folder, char *error, size_t size)
{
    struct modelfile *file = calloc(1, sizeof *file);
    char why[512];
    if (!file || strlen(folder) >= sizeof file->folder) {
        snprintf(error, size, "cannot open '%.200s': %s", folder, file ? "the path is too long" : "out of memory");
        free(file);
        return NULL;
    }
    snprintf(file->folder, sizeof file->folder, "%s", folder);
    json_t *json = load_config(file, error, size);
    bool fine = json != NULL;
    if (fine && !read_config(json, &file->config, why, sizeof why)) {
        snprintf(error, size, "cannot run '%.200s': %s", folder, why);
        fine = false;
    }
    json_decref(json);
    if (fine && open_tensors(file, error, size))
        return file;
    clean(error, size);
    modelfile_close(file);
    return NULL;
}

void modelfile_close(struct modelfile *file)
{
    if (!file)
        return;
    tensorfile_close(file->tensors);
    free(file);
}

const struct modelfile_config *modelfile_config(const struct modelfile *file)
{
    return &file->config;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

static bool fits(const struct safetensor *t, size_t rows, size_t cols)
{
    return cols ? t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols : t->rank == 1 && t->shape[0] == rows;
}

float *modelfile_floats(const struct modelfile *file, const char *name, size_t rows, size_t cols, char *error,
                        size_t size)
{
    char unknown[512];
    const struct safetensor *t = tensorfile_find(file->tensors, name, unknown, sizeof unknown);
    if (!t || !fits(t, rows, cols)) {
        snprintf(error, size, "cannot run '%.200s': tensor '%s' %s", file->folder, name,
                 t ? "has another shape than config.json says" : "is missing");
        return NULL;
    }
    if (!dtype_loads(t->dtype)) {
        snprintf(error, size, "cannot run '%.200s': tensor '%s' is of type %s, whose values cannot be decoded here",
                 file->folder, name, t->dtype->name);
        return NULL;
    }
    float *values = malloc(t->count * sizeof *values + 1);
    if (!values) {
        snprintf(error, size, "out of memory");
        return NULL;
    }
    safetensor_floats(t, 0, t->count, values);
    for (uint64_t i = 0; i < t->count; i++)
        if (!isfinite(values[i])) {
            snprintf(error, size, "cannot run '%.200s': tensor '%s' is not finite everywhere", file->folder, name);
            free(values);
            return NULL;
        }
    return values;
}
