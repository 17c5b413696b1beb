/* hostquality.c: the lab model for lessons: its held-out loss under any scheme, what it writes, what flows through it.
 * Models with what FP32 says to the text are kept while the learner turns the knobs of one step; a lesson holds a table
 * that names one. What a call holds in C belongs to a userdata, so that Lua collects it however the call ends. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "engine/hostlua.h"
#include "engine/qualityjob.h"

enum {
    MODELS_MOST = 4,        /* kept at once: 60 MiB each with the whole text */
    PROMPT_MOST = 256,
};
#define TIMES_DEFAULT 64

static const char RUNS_WORK[] = "saffron.runs", NET_WORK[] = "saffron.net", VALUES_WORK[] = "saffron.values";

/* --- models that are kept ----------------------------------------------------------------------------------------- */

static struct kept_model {
    char                key[96];
    struct llama       *model;      /* NULL: the place is empty */
    struct quality_text text, calibration;
    struct quality      quality;    /* opened when first needed */
    size_t              tokens;     /* of the text that quality is about; 0: not open */
    unsigned            request;    /* that used it last */
} kept[MODELS_MOST];

static unsigned request;            /* counts Lua states; a lesson's tables name places of its own request only */

static void forget(struct kept_model *m)
{
    if (m->tokens)
        quality_close(&m->quality);
    quality_drop(&m->text);
    quality_drop(&m->calibration);
    llama_close(m->model);
    *m = (struct kept_model){ 0 };
}

void hostquality_forget(void)
{
    for (int i = 0; i < MODELS_MOST; i++)
        forget(&kept[i]);
}

/* The model and its texts, from the installation. False with one line in why. */
static bool load(struct kept_model *m, const char *data, char *why, size_t size)
{
    char folder[4096], path[4200];
    bool own;
    snprintf(folder, sizeof folder, "%s/lessons/model", data);
    snprintf(path, sizeof path, "%s/heldout.txt", folder);
    m->model = llama_open(folder, why, size);
    return m->model && quality_read(&m->text, path, m->model->config.vocab, 0, why, size)
        && qualityjob_calibration(folder, NULL, &m->text, m->model->config.vocab, &m->calibration, &own, why, size);
}

/* [-0, +0] The place of the model with these outliers: kept, or loaded now. */
static int place_of(lua_State *L, size_t channels, double times)
{
    const struct host *h = host_of(L);
    char key[sizeof kept[0].key], why[512];
    int oldest = 0;
    snprintf(key, sizeof key, "%zu x %.17g by %llu", channels, channels ? times : 0.0,
             channels ? (unsigned long long)h->seed : 0ULL);
    for (int i = 0; i < MODELS_MOST; i++)
        if (kept[i].model && strcmp(kept[i].key, key) == 0) {
            kept[i].request = request;
            return i;
        } else if (kept[i].request < kept[oldest].request)
            oldest = i;
    if (kept[oldest].request == request)
        return luaL_error(L, "more than %d lab models in one step", MODELS_MOST);
    if (!h->env.data)
        return luaL_error(L, "the lab model was not found: is the installation complete?");
    struct kept_model *m = &kept[oldest];
    forget(m);
    if (!load(m, h->env.data, why, sizeof why)) {
        forget(m);
        return luaL_error(L, "%s", why);
    }
    if (channels && !llama_plant(m->model, channels, times, h->seed)) {
        forget(m);
        return luaL_error(L, "out of memory");
    }
    memcpy(m->key, key, sizeof m->key);
    m->request = request;
    return oldest;
}

static void note_model(lua_State *L, const struct kept_model *m)
{
    char name[128];
    const struct host *h = host_of(L);
    if (m->model->planted)
        snprintf(name, sizeof name, "lab model, %zu features made %g times as large", m->model->planted,
                 m->model->times);
    else
        snprintf(name, sizeof name, "lab model");
    host_note(h->used_tensors, name);
    host_note(h->used_kernels, kernel_find(KERNEL_SGEMM, NULL, host_isa(h))->function);
}

/* [-0, +0] The model in field `model` of the options at 1; the plain one where there is none. */
static struct kept_model *model_option(lua_State *L)
{
    int place;
    if (lua_getfield(L, 1, "model") == LUA_TNIL)
        place = place_of(L, 0, 0);
    else {
        if (!lua_istable(L, -1) || lua_getfield(L, -1, "place") != LUA_TNUMBER)
            luaL_error(L, "option 'model' is what lab.model gave");
        place = (int)lua_tointeger(L, -1) - 1;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    if (place < 0 || place >= MODELS_MOST || !kept[place].model || kept[place].request != request)
        luaL_error(L, "option 'model' is what lab.model gave");
    note_model(L, &kept[place]);
    return &kept[place];
}

/* lab.model { outliers = { channels = 4, times = 64 } } -> { place, parameters, linear_weights, layers, width, inner,
 * heads, kv_heads, head, vocab, context, text_bytes, outliers, times }: the lab model, with features made outliers
 * without changing its function: a norm's gain up, the next weights down. */
static int lab_model(lua_State *L)
{
    static const char *const names[] = { "outliers", NULL }, *const inner[] = { "channels", "times", NULL };
    size_t channels = 0;
    double times = TIMES_DEFAULT;
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    host_options(L, 1, names);
    if (lua_getfield(L, 1, "outliers") != LUA_TNIL) {
        host_options(L, lua_gettop(L), inner);
        channels = (size_t)host_number(L, -1, "channels", 1, 0, 256);
        times = host_number(L, -1, "times", TIMES_DEFAULT, 1, 65536);
    }
    lua_pop(L, 1);
    int place = place_of(L, channels, times);
    const struct llama *model = kept[place].model;
    const struct modelfile_config *c = &model->config;
    note_model(L, &kept[place]);
    const struct { const char *name; double value; } fields[] = {
        { "place", place + 1 }, { "parameters", (double)llama_parameters(model) },
        { "linear_weights", (double)llama_linear_weights(model) }, { "layers", (double)c->layers },
        { "width", (double)c->width }, { "inner", (double)c->inner }, { "heads", (double)c->heads },
        { "kv_heads", (double)c->kv_heads }, { "head", (double)c->head }, { "vocab", (double)c->vocab },
        { "context", (double)c->context }, { "text_bytes", (double)kept[place].text.count },
        { "outliers", (double)channels }, { "times", channels ? times : 1 },
    };
    lua_createtable(L, 0, sizeof fields / sizeof fields[0]);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        host_set_number(L, fields[i].name, fields[i].value);
    return 1;
}

/* --- schemes ------------------------------------------------------------------------------------------------------ */

/* [-0, +0] Copies a part of the scheme in the table at `index`, if it is there. */
static void copy_part(lua_State *L, int index, const char *name, json_t *scheme)
{
    char why[256];
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        json_t *part = host_json(L, -1, false, why, sizeof why);
        if (!part) {
            json_decref(scheme);
            luaL_error(L, "option '%s': %s", name, why);
        }
        json_object_set_new(scheme, name, part);
    }
    lua_pop(L, 1);
}

/* [-0, +0] The scheme in the options table at `index`: weights, activations, kv. */
static struct scheme read_scheme(lua_State *L, int index)
{
    struct scheme scheme;
    char why[256];
    json_t *json = json_object();
    index = lua_absindex(L, index);
    copy_part(L, index, "weights", json);
    copy_part(L, index, "activations", json);
    copy_part(L, index, "kv", json);
    bool fine = qualityjob_scheme(json, host_isa(host_of(L)), host_of(L)->seed, &scheme, why, sizeof why);
    json_decref(json);
    if (!fine)
        luaL_error(L, "%s", why);
    return scheme;
}

/* --- quality ------------------------------------------------------------------------------------------------------ */

struct runs_work {
    struct quality_run run[QUALITYJOB_RUNS];
    size_t             count;
};

static int collect_runs(lua_State *L)
{
    struct runs_work *work = lua_touserdata(L, 1);
    for (size_t i = 0; i < work->count; i++)
        free(work->run[i].loss);
    work->count = 0;
    return 0;
}

/* The card's product belongs to the kernels of a step whose model ran there. */
static void note_card(const struct host *h, unsigned long runs_before)
{
    if (device_runs() > runs_before)
        host_note(h->used_kernels, "sgemm_panels");
}

/* FP32 over the first `tokens` of the text, unless it was done already. */
static void open_quality(lua_State *L, struct kept_model *m, size_t tokens)
{
    const struct host *h = host_of(L);
    struct scheme_text calibration = { m->calibration.tokens, m->calibration.count, QUALITY_CONTEXT };
    if (m->tokens == tokens)
        return;
    if (m->tokens)
        quality_close(&m->quality);
    m->tokens = 0;
    unsigned long before = device_runs();
    host_check(L, quality_open(&m->quality, m->model, m->text.tokens, tokens, QUALITY_CONTEXT, &calibration,
                               host_isa(h), h->env.gpu, &h->progress), "lab.quality");
    m->tokens = tokens;
    note_card(h, before);
}

/* [-0, +0] Measures the scheme of the options table at `index`. */
static void measure(lua_State *L, int index, const struct kept_model *m, struct runs_work *work)
{
    struct scheme scheme = read_scheme(L, index);
    unsigned long before = device_runs();
    host_check(L, quality_measure(&m->quality, &scheme, &host_of(L)->progress, &work->run[work->count]), "lab.quality");
    work->count++;
    note_card(host_of(L), before);
}

/* [-0, +1] */
static void push_run(lua_State *L, const struct kept_model *m, const struct quality_run *run)
{
    json_t *figures = qualityjob_figures(&m->quality, run);
    if (!figures)
        luaL_error(L, "out of memory");
    json_object_del(figures, "seconds"); /* what varies belongs to no outcome */
    json_object_del(figures, "prepare_seconds");
    host_push_json(L, figures);
    json_decref(figures);
    host_set_number(L, "fp32_bits_per_byte", m->quality.plain.bits);
    host_set_number(L, "tokens", (double)m->quality.predicted);
}

/* lab.quality { model =, weights = { format =, scale =, method =, ... }, activations = { format =, scale = "token" },
 * kv = { format =, scale = "token" }, tokens = } -> { bits_per_byte, fp32_bits_per_byte, delta, delta_se, kl, top1,
 * bits_per_weight, rank, label, tokens }; with runs = { {...}, ... } a list of them, ranked among each other. */
static int lab_quality(lua_State *L)
{
    static const char *const names[] = { "model", "weights", "activations", "kv", "tokens", "runs", NULL };
    host_options(L, 1, names);
    struct kept_model *m = model_option(L);
    size_t tokens = (size_t)host_number(L, 1, "tokens", (double)m->text.count, 64, (double)m->text.count);
    open_quality(L, m, tokens);
    struct runs_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    work->count = 0;
    luaL_setmetatable(L, RUNS_WORK);
    if (lua_getfield(L, 1, "runs") == LUA_TNIL) {
        measure(L, 1, m, work);
        push_run(L, m, &work->run[0]);
        return 1;
    }
    size_t n = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
    if (n < 1 || n > QUALITYJOB_RUNS)
        return luaL_error(L, "option 'runs' is a list of 1 to %d schemes", QUALITYJOB_RUNS);
    for (size_t i = 1; i <= n; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i) != LUA_TTABLE)
            return luaL_error(L, "option 'runs' is a list of schemes");
        measure(L, -1, m, work);
        lua_pop(L, 1);
    }
    quality_rank(work->run, work->count, m->quality.predicted);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        push_run(L, m, &work->run[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static int collect_net(lua_State *L)
{
    struct llama_net *net = lua_touserdata(L, 1);
    if (net->model)
        llamanet_free(net);
    return 0;
}

/* lab.generate { model =, weights =, activations =, kv =, prompt = "...", bytes = 160, temperature = 0.8 }
 * -> { text, prompt, label }: a continuation, seeded; what is not printable ASCII becomes '?'. */
static int lab_generate(lua_State *L)
{
    static const char *const names[] = { "model", "weights", "activations", "kv", "prompt", "bytes", "temperature",
                                         NULL };
    const struct host *h = host_of(L);
    uint32_t prompt[PROMPT_MOST], out[QUALITY_CONTEXT];
    char text[QUALITY_CONTEXT + 1];
    host_options(L, 1, names);
    const struct kept_model *m = model_option(L);
    const char *given = host_text(L, 1, "prompt", "\n");
    size_t length = strlen(given), most = QUALITY_CONTEXT - length;
    if (length < 1 || length > PROMPT_MOST)
        return luaL_error(L, "option 'prompt' has 1 to %d bytes", PROMPT_MOST);
    size_t count = (size_t)host_number(L, 1, "bytes", 160, 1, (double)most);
    double temperature = host_number(L, 1, "temperature", 0.8, 0, 10);
    struct scheme scheme = read_scheme(L, 1);
    struct scheme_text calibration = { m->calibration.tokens, m->calibration.count, QUALITY_CONTEXT };
    struct llama_net *net = lua_newuserdatauv(L, sizeof *net, 0);
    memset(net, 0, sizeof *net);
    luaL_setmetatable(L, NET_WORK);
    host_check(L, scheme_net(&scheme, m->model, &calibration, QUALITY_CONTEXT, host_isa(h), &h->progress, net),
               "lab.generate");
    for (size_t i = 0; i < length; i++)
        prompt[i] = (unsigned char)given[i];
    host_check(L, quality_generate(net, prompt, length, count, temperature, h->seed, &h->progress, out),
               "lab.generate");
    qualityjob_spell(out, count, text);
    lua_createtable(L, 0, 3);
    host_set_string(L, "text", text);
    host_set_string(L, "prompt", given);
    host_set_string(L, "label", scheme.label);
    return 1;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

/* [-0, +0] The linear layer named in field `name`. */
static void find_linear(lua_State *L, const struct llama *model, const char *field, size_t *layer,
                        enum llama_linear *linear)
{
    const char *name = host_text(L, 1, field, "");
    if (!llama_find(model, name, layer, linear))
        luaL_error(L, "no linear layer '%s' in the lab model; one is called \"layers.2.mlp.down_proj\"", name);
}

/* lab.parameter { model =, name = "layers.2.mlp.down_proj" } -> tensor [out, in]: the weights of a linear layer. */
static int lab_parameter(lua_State *L)
{
    static const char *const names[] = { "model", "name", NULL };
    char key[128];
    size_t layer;
    enum llama_linear linear;
    host_options(L, 1, names);
    const struct llama *model = model_option(L)->model;
    find_linear(L, model, "name", &layer, &linear);
    size_t out = llama_out(&model->config, linear), in = llama_in(&model->config, linear);
    snprintf(key, sizeof key, "lab model, layers.%zu.%s", layer, llama_name(linear));
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, out, in, key);
    memcpy(t->shared->values, model->layer[layer].weight[linear], out * in * sizeof(float));
    hosttensor_measure(t->shared);
    return 1;
}

static int collect_values(lua_State *L)
{
    float **values = lua_touserdata(L, 1);
    free(*values);
    *values = NULL;
    return 0;
}

/* lab.activations { model =, site = "layers.2.mlp.down_proj", tokens = 512 } -> tensor [tokens, in]: what enters that
 * linear layer of the unrounded model, on the held-out text. */
static int lab_activations(lua_State *L)
{
    static const char *const names[] = { "model", "site", "tokens", NULL };
    const struct host *h = host_of(L);
    char key[128];
    size_t layer;
    enum llama_linear linear;
    host_options(L, 1, names);
    const struct kept_model *m = model_option(L);
    find_linear(L, m->model, "site", &layer, &linear);
    size_t most = m->text.count < 4096 ? m->text.count : 4096, usual = most < 512 ? most : 512;
    struct scheme_text text = { m->text.tokens, (size_t)host_number(L, 1, "tokens", (double)usual, 1, (double)most),
                                QUALITY_CONTEXT };
    size_t in = llama_in(&m->model->config, linear);
    float **values = lua_newuserdatauv(L, sizeof *values, 0);
    *values = NULL;
    luaL_setmetatable(L, VALUES_WORK);
    host_check(L, scheme_inputs(m->model, &text, layer, llama_site_of(linear), host_isa(h), &h->progress, values),
               "lab.activations");
    snprintf(key, sizeof key, "lab model, what enters layers.%zu.%s", layer, llama_name(linear));
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, text.count, in, key);
    memcpy(t->shared->values, *values, text.count * in * sizeof(float));
    hosttensor_measure(t->shared);
    return 1;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

void hostquality_open(lua_State *L)
{
    request++;
    hostlib_add_type(L, RUNS_WORK, NULL, collect_runs);
    hostlib_add_type(L, NET_WORK, NULL, collect_net);
    hostlib_add_type(L, VALUES_WORK, NULL, collect_values);
}

const struct lab_function hostquality_functions[] = {
    { "model", lab_model, 20 },
    { "quality", lab_quality, 240 },
    { "generate", lab_generate, 60 },
    { "parameter", lab_parameter, 10 },
    { "activations", lab_activations, 20 },
    { NULL, NULL, 0 },
};
