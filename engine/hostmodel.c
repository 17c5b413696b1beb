/* hostmodel.c: the functions of `lab` about models: memory arithmetic; and about this machine.
 * Configs are the ones that the installation brings (lessons/configs/); sizes of checkpoints stand in facts.json. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/device.h"
#include "engine/hostlua.h"
#include "engine/kv.h"
#include "engine/modelweights.h"
#include "engine/view.h"
#include "kernels/format.h"

/* --- configs ------------------------------------------------------------------------------------------------------ */

static void config_path(lua_State *L, const char *name, char *out, size_t size)
{
    const char *data = host_of(L)->env.data;
    if (!data)
        luaL_error(L, "the model configs were not found: is the installation complete?");
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != strlen(name) || strstr(name, ".."))
        luaL_error(L, "config '%s': a name such as \"qwen3.6-27b-fp8\"", name);
    snprintf(out, size, "%s/lessons/configs/%s.json", data, name);
}

static const char *config_name(lua_State *L)
{
    const char *name = host_text(L, 1, "config", NULL);
    if (!name)
        luaL_error(L, "option 'config' is missing: the name of a model, such as \"qwen3.6-27b-fp8\"");
    return name;
}

static int is_config(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return ending && strcmp(ending, ".json") == 0 && strcmp(entry->d_name, "facts.json") != 0;
}

/* The error of a config that is not there, which names those that are. */
static int no_config(lua_State *L, const char *name, char *path)
{
    char list[256] = "";
    struct dirent **entries = NULL;
    *strrchr(path, '/') = '\0';
    int n = scandir(path, &entries, is_config, alphasort);
    for (int i = 0; i < n; i++) {
        size_t used = strlen(list), length = strlen(entries[i]->d_name) - strlen(".json");
        snprintf(list + used, sizeof list - used, "%s%.*s", used ? ", " : "; there are ", (int)length,
                 entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return luaL_error(L, "no model config '%s' in the installation%s", name, list);
}

/* The config of the options table at 1. */
static void read_config(lua_State *L, struct modelconfig *config)
{
    char path[4096], why[256];
    config_path(L, config_name(L), path, sizeof path);
    if (access(path, F_OK) != 0)
        no_config(L, config_name(L), path);
    if (!modelconfig_load(config, path, why, sizeof why))
        luaL_error(L, "%s", why);
}

/* Bytes of the published checkpoint of a model in this format, or 0: "qwen3.6-27b-fp8" and "bf16" name
 * checkpoints."qwen3.6-27b-bf16". */
static double checkpoint_bytes(lua_State *L, const char *name, const char *format)
{
    static const char *const endings[] = { "-fp8", "-bf16", "-int4", "-int8" };
    char path[4096], key[128];
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (n > strlen(endings[i]) && strcmp(name + n - strlen(endings[i]), endings[i]) == 0)
            n -= strlen(endings[i]);
    snprintf(key, sizeof key, "%.*s-%s", (int)n, name, format);
    config_path(L, "facts", path, sizeof path);
    json_t *facts = json_load_file(path, 0, NULL);
    const json_t *entry = json_object_get(json_object_get(facts, "checkpoints"), key);
    double bytes = json_number_value(json_object_get(entry, "bytes"));
    json_decref(facts);
    return bytes;
}

/* lab.config "qwen3.6-27b-fp8" -> the JSON as a table. */
static int lab_config(lua_State *L)
{
    char path[4096];
    config_path(L, luaL_checkstring(L, 1), path, sizeof path);
    json_t *json = json_load_file(path, 0, NULL);
    if (!json)
        return no_config(L, lua_tostring(L, 1), path);
    host_push_json(L, json);
    json_decref(json);
    return 1;
}

/* --- memory arithmetic -------------------------------------------------------------------------------------------- */

/* Bits of one number in a cache; people say fp8 for E4M3. */
static unsigned cache_bits(lua_State *L, const char *name)
{
    const struct format *f = format_find(strcmp(name, "fp8") == 0 ? "e4m3" : name),
                        *near = f ? NULL : format_nearest(name);
    if (!f)
        luaL_error(L, near ? "unknown format '%s'; did you mean '%s'?" : "unknown format '%s'", name,
                   near ? near->name : "");
    return f->bits;
}

/* The options kv_format, context and sequences of the table at 1. */
static struct kv_question read_question(lua_State *L)
{
    const char *format = host_text(L, 1, "kv_format", "bf16");
    return (struct kv_question){
        .format = format, .bits = cache_bits(L, format),
        .context = (uint64_t)host_number(L, 1, "context", 32768, 1, 1 << 30),
        .sequences = (uint64_t)host_number(L, 1, "sequences", 1, 1, 1 << 20),
    };
}

static struct kv_answer compute_kv(lua_State *L, const struct modelconfig *config, const struct kv_question *question)
{
    struct kv_answer answer;
    char why[256];
    if (!kv_compute(config, question, &answer, why, sizeof why))
        luaL_error(L, "%s", why);
    return answer;
}

/* Pushes a new reference and drops it. */
static void push_json(lua_State *L, json_t *value)
{
    if (!value)
        luaL_error(L, "out of memory");
    host_push_json(L, value);
    json_decref(value);
}

/* [-0, +0] layer_kinds = { "full", "sliding", "linear", ... } of the table on top. ORDER LAYER_KIND */
static void set_layer_kinds(lua_State *L, const struct modelconfig *config)
{
    static const char *const names[LAYER_KIND_COUNT] = { "full", "sliding", "linear" };
    lua_createtable(L, (int)config->layers, 0);
    for (uint64_t i = 0; i < config->layers; i++) {
        lua_pushstring(L, names[config->kind[i]]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "layer_kinds");
}

/* lab.kv { config =, kv_format = "bf16", context = 32768, sequences = 1 } -> what `saffron kv --json` prints, terms,
 * obvious_terms for view.formula, and layer_kinds. */
static int lab_kv(lua_State *L)
{
    static const char *const names[] = { "config", "kv_format", "context", "sequences", NULL };
    struct modelconfig config;
    host_options(L, 1, names);
    struct kv_question question = read_question(L);
    read_config(L, &config);
    struct kv_answer answer = compute_kv(L, &config, &question);
    push_json(L, kv_json(&config, &question, &answer));
    push_json(L, kv_terms(&config, &question));
    lua_setfield(L, -2, "terms");
    push_json(L, kv_obvious_terms(&config, &question));
    lua_setfield(L, -2, "obvious_terms");
    set_layer_kinds(L, &config);
    host_note(host_of(L)->used_tensors, config_name(L));
    return 1;
}

static double bits_of(lua_State *L, const struct modelconfig *config, const char *format)
{
    double bits = modelweights_bits(config, format);
    if (bits == 0)
        luaL_error(L, "unknown weight format '%s': bf16, fp8, int8 or int4", format);
    return bits;
}

/* lab.weights { config =, format = "bf16", head = "bf16" } -> { streamed_bytes, linear_bytes, kept_bytes, head_bytes,
 * embedding_bytes, checkpoint_bytes, bits, head_bits, terms }: what one token reads, and what the file holds. */
static int lab_weights(lua_State *L)
{
    static const char *const names[] = { "config", "format", "head", NULL };
    struct modelconfig config;
    struct modelweights weights;
    char why[256];
    host_options(L, 1, names);
    const char *format = host_text(L, 1, "format", "bf16");
    read_config(L, &config);
    double bits = bits_of(L, &config, format), head = bits_of(L, &config, host_text(L, 1, "head", "bf16"));
    if (!modelweights_count(&config, &weights, why, sizeof why))
        return luaL_error(L, "%s", why);
    double file = checkpoint_bytes(L, config_name(L), format);
    lua_createtable(L, 0, 9);
    host_set_number(L, "streamed_bytes", modelweights_streamed(&weights, bits, head));
    host_set_number(L, "linear_bytes", (double)weights.count[WEIGHT_LINEAR] * bits / 8);
    host_set_number(L, "kept_bytes", (double)weights.count[WEIGHT_KEPT] * 2);
    host_set_number(L, "head_bytes", (double)weights.count[WEIGHT_HEAD] * head / 8);
    host_set_number(L, "embedding_bytes", (double)weights.count[WEIGHT_EMBEDDING] * 2);
    host_set_number(L, "bits", bits);
    host_set_number(L, "head_bits", head);
    if (file > 0)
        host_set_number(L, "checkpoint_bytes", file);
    push_json(L, modelweights_terms(&weights, bits, head));
    lua_setfield(L, -2, "terms");
    host_note(host_of(L)->used_tensors, config_name(L));
    return 1;
}

/* Bytes of the weights on the card: the published file's, else counted. */
static double weight_bytes(lua_State *L, const struct modelconfig *config, const char *format)
{
    struct modelweights w;
    char why[256];
    double file = checkpoint_bytes(L, config_name(L), format), bits = bits_of(L, config, format);
    if (file > 0)
        return file;
    if (!modelweights_count(config, &w, why, sizeof why))
        luaL_error(L, "%s", why);
    return (double)w.count[WEIGHT_LINEAR] * bits / 8
         + 2 * (double)(w.count[WEIGHT_KEPT] + w.count[WEIGHT_HEAD] + w.count[WEIGHT_EMBEDDING]);
}

/* lab.fit { config =, memory = bytes, utilization = 0.9, weights = "bf16", kv_format = "bf16", context = 32768 }
 * -> { sequences, weights_bytes, kv_bytes, state_bytes, free_bytes }; the last three are of all sequences that fit. */
static int lab_fit(lua_State *L)
{
    static const char *const names[] = { "config", "memory", "utilization", "weights", "kv_format", "context", NULL };
    struct modelconfig config;
    host_options(L, 1, names);
    double memory = host_number(L, 1, "memory", 0, 1, 1e15), share = host_number(L, 1, "utilization", 0.9, 0.01, 1);
    if (memory == 0)
        return luaL_error(L, "option 'memory' is missing: bytes of the card");
    struct kv_question question = read_question(L);
    read_config(L, &config);
    struct kv_answer one = compute_kv(L, &config, &question);
    double weights = weight_bytes(L, &config, host_text(L, 1, "weights", "bf16"));
    double n = (double)kv_sequences_that_fit(memory, share, weights, one.per_sequence);
    double fixed = (double)(one.state + one.window), growing = (double)one.per_token * (double)question.context;
    double left = memory * share - weights - n * (fixed + growing);
    lua_createtable(L, 0, 5);
    host_set_number(L, "sequences", n);
    host_set_number(L, "weights_bytes", weights);
    host_set_number(L, "kv_bytes", n * growing);
    host_set_number(L, "state_bytes", n * fixed);
    host_set_number(L, "free_bytes", left > 0 ? left : 0);
    host_note(host_of(L)->used_tensors, config_name(L));
    return 1;
}

/* lab.machine() -> { cpu, isa, cores, cache_bytes, gpu = its name if one is in use } */
static int lab_machine(lua_State *L)
{
    const struct cpu *cpu = cpu_info();
    lua_createtable(L, 0, 4);
    lua_pushstring(L, cpu->model);
    lua_setfield(L, -2, "cpu");
    lua_pushstring(L, isa_name(host_isa(host_of(L))));
    lua_setfield(L, -2, "isa");
    host_set_number(L, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN));
    host_set_number(L, "cache_bytes", (double)cpu->last_cache_bytes);
    if (host_of(L)->env.gpu)
        host_set_string(L, "gpu", device_name());
    host_of(L)->timed = true; /* it differs from machine to machine, as timings do */
    return 1;
}

const struct lab_function hostmodel_functions[] = {
    { "config", lab_config, 5 },
    { "kv", lab_kv, 5 },
    { "weights", lab_weights, 5 },
    { "fit", lab_fit, 5 },
    { "machine", lab_machine, 0 },
    { NULL, NULL, 0 },
};
