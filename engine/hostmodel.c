/* hostmodel.c: the functions of `lab` about models and this machine: memory arithmetic and a timed product.
 * Configs are the ones that the installation brings (lessons/configs/); sizes of checkpoints stand in facts.json. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/hostlua.h"
#include "engine/kv.h"
#include "engine/modelweights.h"
#include "engine/view.h"
#include "engine/watch.h"
#include "kernels/format.h"
#include "kernels/kernel.h"
#include "kernels/random.h"

enum {
    FORMATS_MOST = 8,
    ROUNDS_MOST  = 31,
    ROUNDS_LEAST = 3,
    GEMV_COLS    = 4096,  /* x, 16 KiB in FP32, stays in the first cache, so that only the weights are waited for */
    GEMV_SEED    = 1,     /* what is in the matrix does not matter to its time */
    BATCH_MOST   = 256,
};
#define GEMV_SECONDS 4.0  /* rounds stop here, after the least */

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

/* The config of the options table at 1. */
static void read_config(lua_State *L, struct modelconfig *config)
{
    char path[4096], why[256];
    config_path(L, config_name(L), path, sizeof path);
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
        return luaL_error(L, "no model config '%s' in the installation", lua_tostring(L, 1));
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

/* lab.kv { config =, kv_format = "bf16", context = 32768, sequences = 1 } -> what `saffron kv --json` prints, and
 * terms, obvious_terms for view.formula. */
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

/* --- a product, timed --------------------------------------------------------------------------------------------- */

/* Matrices are kept as long as the learner turns the knobs of one step: making them takes longer than timing them. */
static struct matrix kept[FORMATS_MOST];
static size_t        kept_count;

void host_forget(void)
{
    while (kept_count > 0)
        matrix_free(&kept[--kept_count]);
}

struct timed {
    const char          *format;     /* as asked: "int4-naive" */
    const struct kernel *kernel;
    const struct matrix *matrix;
    double               seconds[ROUNDS_MOST];
};

struct timing {
    struct timed item[FORMATS_MOST + 1]; /* the last is the read loop */
    int          count, rounds;
    size_t       rows, cols, batch;
    float       *x, *y;
};

static int collect_timing(lua_State *L)
{
    struct timing *t = lua_touserdata(L, 1);
    free(t->x);
    free(t->y);
    t->x = t->y = NULL;
    return 0;
}

static bool poll_cancel(void *ctx, double fraction)
{
    (void)ctx, (void)fraction;
    return !watch_canceled();
}
static const struct progress quiet = { .tick = poll_cancel };

/* Rows that make one byte a weight four times the last cache, as far as a quarter of the memory allows for all formats.
 */
static size_t default_rows(size_t cols, double bytes_per_weight)
{
    double weights = 4 * (double)cpu_info()->last_cache_bytes;
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 4;
    if (weights * bytes_per_weight > memory)
        weights = memory / bytes_per_weight;
    double rows = weights / (double)cols;
    return rows < 64 ? 64 : (size_t)rows;
}

static const struct matrix *matrix_for(lua_State *L, const struct format *f, size_t rows, size_t cols)
{
    for (size_t i = 0; i < kept_count; i++)
        if (kept[i].format == f && kept[i].rows == rows && kept[i].cols == cols)
            return &kept[i];
    if (kept_count == FORMATS_MOST)
        host_forget();
    host_check(L, matrix_seeded(&kept[kept_count], f, rows, cols, GEMV_SEED, 0.02, &quiet), "lab.gemv");
    return &kept[kept_count++];
}

/* "int4-naive" is the format int4 by the naive loop. */
static void read_format(lua_State *L, struct timed *item)
{
    char name[32];
    const char *naive = strstr(item->format, "-naive");
    snprintf(name, sizeof name, "%.*s", (int)(naive ? naive - item->format : (ptrdiff_t)strlen(item->format)),
             item->format);
    item->kernel = kernel_find(naive ? KERNEL_GEMV_NAIVE : KERNEL_GEMV, name, host_isa(host_of(L)));
    if (!item->kernel)
        luaL_error(L, "lab.gemv: no kernel for format '%s'", item->format);
}

static void read_formats(lua_State *L, struct timing *t)
{
    if (lua_getfield(L, 1, "formats") != LUA_TTABLE)
        luaL_error(L, "lab.gemv needs formats: { formats = { \"fp16\", \"int4\" } }");
    size_t n = lua_rawlen(L, -1);
    if (n < 1 || n > FORMATS_MOST)
        luaL_error(L, "lab.gemv times 1 to %d formats", FORMATS_MOST);
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "lab.gemv: a format is a text");
        t->item[i].format = lua_tostring(L, -1); /* the table keeps it */
        lua_pop(L, 1);
        read_format(L, &t->item[i]);
    }
    t->count = (int)n;
    lua_pop(L, 1);
}

static double time_one(lua_State *L, const struct timed *item, const struct timing *t)
{
    double began = host_clock();
    if (item->kernel->op == KERNEL_READ)
        (void)item->kernel->read(item->matrix->codes, item->matrix->rows * item->matrix->stride / 4096 * 4096);
    else
        host_check(L, gemv(item->kernel, item->matrix, t->x, t->batch, t->y, &quiet), "lab.gemv");
    return host_clock() - began;
}

/* Every format once a round, so that a machine that slows down slows them all. */
static void time_rounds(lua_State *L, struct timing *t)
{
    struct host *h = host_of(L);
    double began = host_clock();
    int most = t->rounds;
    for (t->rounds = 0; t->rounds < most; t->rounds++) {
        double spent = host_clock() - began;
        if (t->rounds >= ROUNDS_LEAST && spent > GEMV_SECONDS)
            break;
        for (int i = 0; i <= t->count; i++) {
            if (watch_canceled())
                host_check(L, KERNEL_CANCELED, "lab.gemv");
            t->item[i].seconds[t->rounds] = time_one(L, &t->item[i], t);
        }
        if (h->env.progress)
            h->env.progress(h->env.ctx, (t->rounds + 1.0) / most, "timing this machine");
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* [-0, +1] { format, seconds, low, high, bytes, gb_per_s, kernel }: the median and the quartiles around it. */
static void push_timed(lua_State *L, struct timed *item, int rounds)
{
    size_t bytes = item->kernel->op == KERNEL_READ ? item->matrix->rows * item->matrix->stride / 4096 * 4096
                                                   : item->matrix->bytes;
    qsort(item->seconds, (size_t)rounds, sizeof item->seconds[0], ascending);
    double seconds = item->seconds[rounds / 2];
    lua_createtable(L, 0, 7);
    lua_pushstring(L, item->format);
    lua_setfield(L, -2, "format");
    host_set_number(L, "seconds", seconds);
    host_set_number(L, "low", item->seconds[rounds / 4]);
    host_set_number(L, "high", item->seconds[rounds - 1 - rounds / 4]);
    host_set_number(L, "bytes", (double)bytes);
    host_set_number(L, "gb_per_s", (double)bytes / seconds * 1e-9);
    lua_pushstring(L, item->kernel->function);
    lua_setfield(L, -2, "kernel");
    host_note(host_of(L)->used_kernels, item->kernel->function);
}

static void prepare(lua_State *L, struct timing *t)
{
    const struct matrix *widest = NULL;
    for (int i = 0; i < t->count; i++) {
        t->item[i].matrix = matrix_for(L, format_find(t->item[i].kernel->format), t->rows, t->cols);
        if (!widest || t->item[i].matrix->bytes > widest->bytes)
            widest = t->item[i].matrix;
    }
    t->item[t->count] = (struct timed){ .format = "read", .matrix = widest,
                                        .kernel = kernel_find(KERNEL_READ, NULL, host_isa(host_of(L))) };
    t->x = malloc(t->batch * t->cols * sizeof(float));
    t->y = malloc(t->batch * t->rows * sizeof(float));
    if (!t->x || !t->y || !t->item[t->count].kernel)
        luaL_error(L, "out of memory");
    random_gaussian(t->x, t->batch * t->cols, GEMV_SEED + 1, 1);
}

static double packed_bytes(const struct timing *t)
{
    double bytes = 0;
    for (int i = 0; i < t->count; i++)
        bytes += format_find(t->item[i].kernel->format)->bits / 8.0;
    return bytes;
}

/* lab.gemv { formats = { "fp16", "int4", "int4-naive" }, rows =, cols =, batch = 1, rounds = 11 }
 * -> { { format, seconds, low, high, bytes, gb_per_s, kernel }, ..., stream = the read loop, rows, cols, rounds }. */
static int lab_gemv(lua_State *L)
{
    static const char *const names[] = { "formats", "rows", "cols", "batch", "rounds", NULL };
    host_options(L, 1, names);
    struct timing *t = lua_newuserdatauv(L, sizeof *t, 0);
    memset(t, 0, sizeof *t);
    if (luaL_newmetatable(L, "saffron.timing")) {
        lua_pushcfunction(L, collect_timing);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    read_formats(L, t);
    t->cols = (size_t)host_number(L, 1, "cols", GEMV_COLS, 128, 65536);
    t->rows = (size_t)host_number(L, 1, "rows", (double)default_rows(t->cols, packed_bytes(t)), 1, 1 << 24);
    t->batch = (size_t)host_number(L, 1, "batch", 1, 1, BATCH_MOST);
    t->rounds = (int)host_number(L, 1, "rounds", 11, ROUNDS_LEAST, ROUNDS_MOST);
    if (host_of(L)->env.quick)
        t->rounds = ROUNDS_LEAST;
    if ((double)t->rows * (double)t->cols > 1e9)
        return luaL_error(L, "lab.gemv: more than 1e9 weights");
    prepare(L, t);
    time_rounds(L, t);
    host_of(L)->timed = true;
    lua_createtable(L, t->count, 4);
    for (int i = 0; i < t->count; i++) {
        push_timed(L, &t->item[i], t->rounds);
        lua_rawseti(L, -2, i + 1);
    }
    push_timed(L, &t->item[t->count], t->rounds);
    lua_setfield(L, -2, "stream");
    host_set_number(L, "rows", (double)t->rows);
    host_set_number(L, "cols", (double)t->cols);
    host_set_number(L, "rounds", t->rounds);
    return 1;
}

/* lab.machine() -> { cpu, isa, cores, cache_bytes } */
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
    host_of(L)->timed = true; /* it differs from machine to machine, as timings do */
    return 1;
}

const struct lab_function hostmodel_functions[] = {
    { "config", lab_config, 5 },
    { "kv", lab_kv, 5 },
    { "weights", lab_weights, 5 },
    { "fit", lab_fit, 5 },
    { "gemv", lab_gemv, 60 },
    { "machine", lab_machine, 0 },
    { NULL, NULL, 0 },
};
