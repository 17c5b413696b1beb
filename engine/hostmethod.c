/* hostmethod.c: what lessons ask of whole methods: a layer rounded by GPTQ and its kin, and sums in accumulators
 * that are too narrow for them.
 * What a call holds in C belongs to a userdata, so that Lua collects it however the call ends. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hostlua.h"
#include "kernels/accumulate.h"
#include "kernels/fitter.h"
#include "kernels/method.h"
#include "kernels/random.h"

static const char METHOD_WORK[] = "saffron.method", SUMS_WORK[] = "saffron.sums";

enum {
    NOISE_TOKENS = 64,  /* white-noise inputs where the caller gave none to count */
    SUMS_SHOWN   = 64,
};

#define NOISE_STREAM 0xd1b54a32d192ed03ull /* added to the seed; no multiple of what streams of tensors are apart */

static bool flag_option(lua_State *L, const char *name)
{
    int type = lua_getfield(L, 1, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        luaL_error(L, "option '%s' is true or false, not a %s", name, lua_typename(L, type));
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* --- a layer by a method ------------------------------------------------------------------------------------------ */

struct method_work {
    struct method_result result;
    float               *noise;     /* [tokens, in] */
};

static int collect_method(lua_State *L)
{
    struct method_work *work = lua_touserdata(L, 1);
    method_free(&work->result);
    free(work->noise);
    work->noise = NULL;
    return 0;
}

static const struct method *read_method(lua_State *L)
{
    const char *name = host_text(L, 1, "method", "rtn"), *names[16];
    const struct method *method = method_find(name);
    size_t n = 0;
    for (; n < method_count() && n < 16; n++)
        names[n] = method_at(n)->name;
    if (!method)
        host_unknown(L, "method '", name, names, n);
    return method;
}

static void read_weights(lua_State *L, struct recipe *recipe)
{
    char why[160];
    const struct recipe_words words = {
        .format = host_text(L, 1, "format", NULL), .scale = host_text(L, 1, "scale", NULL),
        .zero_point = host_text(L, 1, "zero_point", NULL), .clip = host_text(L, 1, "clip", NULL),
        .mx = host_text(L, 1, "mx", NULL), .rounding = host_text(L, 1, "rounding", NULL),
        .overflow = host_text(L, 1, "overflow", NULL),
    };
    if (!words.format)
        luaL_error(L, "lab.method needs a format: { format = \"int4\", scale = \"group:128\" }");
    if (!recipe_parse(&words, recipe, why, sizeof why))
        luaL_error(L, "%s", why);
    recipe->seed = host_of(L)->seed;
    recipe->isa = host_isa(host_of(L));
    recipe->gpu = host_of(L)->env.gpu;
}

/* activations = { format, scale }; without it, LLM.int8() and SmoothQuant round inputs as they round weights, a scale a
 * token, and the others round none. */
static void read_inputs(lua_State *L, const struct method *method, struct method_task *task)
{
    struct recipe_words words = { 0 };
    char why[160];
    bool both = strcmp(method->name, "llm-int8") == 0 || strcmp(method->name, "smoothquant") == 0;
    int type = lua_getfield(L, 1, "activations");
    if (type == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        words.format = luaL_checkstring(L, -2);
        words.scale = luaL_optstring(L, -1, NULL);
        lua_pop(L, 2); /* the options table keeps them */
    } else if (type != LUA_TNIL) {
        luaL_error(L, "option 'activations' is { format, scale }, not a %s", lua_typename(L, type));
    } else if (both) {
        const struct format *f = task->weights.format;
        words.format = f->name;
        words.scale = f->block || strcmp(f->scale, "none") == 0 ? NULL : "token";
    }
    lua_pop(L, 1);
    if (words.format && !recipe_parse(&words, &task->activations, why, sizeof why))
        luaL_error(L, "%s", why);
    task->activations.seed = task->weights.seed;
    task->activations.isa = task->weights.isa;
}

static void read_task(lua_State *L, const struct method *method, struct method_task *task)
{
    read_weights(L, &task->weights);
    read_inputs(L, method, task);
    task->isa = task->weights.isa;
    task->alpha = host_number(L, 1, "alpha", -1, 0, 1);
    task->fixed = task->alpha >= 0;
    task->damp = host_number(L, 1, "damp", 0, 0, 1);
    task->threshold = host_number(L, 1, "threshold", 0, 0, 1e9);
    task->act_order = flag_option(L, "act_order");
    task->static_groups = flag_option(L, "static_groups");
    task->keep_range = flag_option(L, "keep_range");
}

/* Output SQNR on inputs x, under `name`. */
static void set_output(lua_State *L, const struct method_work *work, const struct shared *w, const float *x,
                       size_t tokens, const char *name)
{
    struct meter meter;
    host_check(L, method_measure(&work->result, w->values, x, tokens, &host_of(L)->progress, &meter), "lab.method");
    host_set_number(L, name, meter.sqnr_db);
}

/* Inputs without structure, as large as those of calibration. */
static void set_noise(lua_State *L, struct method_work *work, const struct shared *w, const struct shared *x)
{
    size_t tokens = x && x->rows < NOISE_TOKENS ? x->rows : NOISE_TOKENS;
    work->noise = malloc(tokens * w->cols * sizeof *work->noise);
    if (!work->noise)
        luaL_error(L, "out of memory");
    random_gaussian(work->noise, tokens * w->cols, host_of(L)->seed + NOISE_STREAM, x && x->rms > 0 ? x->rms : 1);
    set_output(L, work, w, work->noise, tokens, "noise_sqnr_db");
}

static void set_figures(lua_State *L, const struct method *method, const struct method_result *r)
{
    host_set_string(L, "method", method->name);
    host_set_string(L, "title", method->title);
    host_set_number(L, "weight_sqnr_db", r->sqnr_db);
    host_set_number(L, "mse", r->mse);
    host_set_number(L, "bits_per_weight", r->bits_per_weight);
    host_set_number(L, "zero_fraction", r->q.zero_fraction);
    host_set_number(L, "clipped_fraction", r->q.clipped_fraction);
    host_set_number(L, "kept_columns", (double)r->kept_count);
    if (isfinite(r->alpha))
        host_set_number(L, "alpha", r->alpha);
    hosttensor_push_copy(L, r->weights, r->q.rows, r->q.cols, method->title);
    lua_setfield(L, -2, "weights");
    if (!r->divide)
        return;
    hosttensor_push_copy(L, r->divide, 1, r->q.cols, "what inputs are divided by");
    lua_setfield(L, -2, "divide");
}

static void check_layer(lua_State *L, const struct shared *w, const struct shared *x, const char *name)
{
    if (x && x->cols != w->cols)
        luaL_error(L, "lab.method: %s has %d features, w takes %d", name, (int)x->cols, (int)w->cols);
    if (x && (double)x->rows * (double)x->cols * (double)w->rows > 4e9)
        luaL_error(L, "lab.method: more than 4e9 products; take fewer rows of %s", name);
}

/* lab.method { w =, x =, method = "rtn" | "llm-int8" | "smoothquant" | "gptq" | "awq" | "hadamard", format =, scale =,
 * zero_point =, clip =, mx =, rounding =, overflow =, activations = { format, scale }, alpha =, damp =, act_order =,
 * static_groups =, keep_range =, threshold =, held = } -> the figures of a rounded layer; x and held are [tokens, in],
 * w is [out, in]. */
static int lab_method(lua_State *L)
{
    static const char *const names[] = {
        "w", "x", "method", "format", "scale", "zero_point", "clip", "mx", "rounding", "overflow", "activations",
        "alpha", "damp", "act_order", "static_groups", "keep_range", "threshold", "held", NULL };
    struct host *h = host_of(L);
    char why[160];
    host_options(L, 1, names);
    const struct method *method = read_method(L);
    struct shared *w = hosttensor_option(L, 1, "w"), *x = hosttensor_maybe(L, 1, "x");
    struct shared *held = hosttensor_maybe(L, 1, "held");
    struct method_task task = { .w = w->values, .out = w->rows, .in = w->cols, .x = x ? x->values : NULL,
                                .tokens = x ? x->rows : 0 };
    check_layer(L, w, x, "x");
    check_layer(L, w, held, "held");
    if (method->calibrated && !x)
        return luaL_error(L, "method '%s' needs x: inputs of the layer, [tokens, %d]", method->name, (int)w->cols);
    read_task(L, method, &task);
    if (!method_check(method, &task, why, sizeof why))
        return luaL_error(L, "%s", why);
    struct method_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    memset(work, 0, sizeof *work);
    luaL_setmetatable(L, METHOD_WORK);
    host_check(L, method_run(method, &task, &h->progress, &work->result), "lab.method");
    lua_createtable(L, 0, 16);
    set_figures(L, method, &work->result);
    if (x)
        set_output(L, work, w, x->values, x->rows, "output_sqnr_db");
    if (held)
        set_output(L, work, w, held->values, held->rows, "held_sqnr_db");
    set_noise(L, work, w, x);
    host_note(h->used_kernels, method->function);
    host_note(h->used_kernels, fitter_function(&task.weights));
    return 1;
}

/* --- accumulators ------------------------------------------------------------------------------------------------- */

/* Codes of the integer kinds; a pair of rows at a time. */
struct sums_work {
    int8_t  *a, *b;
    uint8_t *positive;              /* a, where the kind wants bytes without sign */
};

static int collect_sums(lua_State *L)
{
    struct sums_work *work = lua_touserdata(L, 1);
    free(work->a);
    free(work->b);
    free(work->positive);
    memset(work, 0, sizeof *work);
    return 0;
}

/* Whole numbers of `low` to `high` as bytes. */
static void to_codes(lua_State *L, const float *x, size_t n, int low, int high, const char *name, void *codes)
{
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= (float)low && x[i] <= (float)high) || x[i] != truncf(x[i]))
            luaL_error(L, "lab.accumulate: %s holds %f; this kind takes whole numbers from %d to %d", name,
                       (lua_Number)x[i], low, high);
        ((uint8_t *)codes)[i] = (uint8_t)(int)x[i];
    }
}

/* The sum of a row of products as this integer kind ends with it, and the true one. */
static double integer_sum(lua_State *L, const char *kind, struct sums_work *work, const float *a, const float *b,
                          size_t n, double *exact)
{
    to_codes(L, b, n, -128, 127, "b", work->b);
    if (strcmp(kind, "int32") == 0) {
        to_codes(L, a, n, -128, 127, "a", work->a);
        *exact = (double)accumulate_int64(work->a, work->b, n);
        return accumulate_int32(work->a, work->b, n);
    }
    to_codes(L, a, n, 0, 255, "a", work->positive);
    *exact = 0;
    for (size_t i = 0; i < n / 2 * 2; i++)
        *exact += work->positive[i] * work->b[i];
    return accumulate_maddubs(work->positive, work->b, n);
}

static struct sums_work *push_sums(lua_State *L, size_t n)
{
    struct sums_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    memset(work, 0, sizeof *work);
    luaL_setmetatable(L, SUMS_WORK);
    work->a = malloc(n);
    work->b = malloc(n);
    work->positive = malloc(n);
    if (!work->a || !work->b || !work->positive)
        luaL_error(L, "out of memory");
    return work;
}

static const struct accumulator *read_accumulator(lua_State *L, const char *kind)
{
    const char *names[18];
    size_t n = 0;
    const struct accumulator *row = accumulator_find(kind);
    if (row || strcmp(kind, "int32") == 0 || strcmp(kind, "maddubs") == 0)
        return row;
    for (; n < accumulator_count() && n < 16; n++)
        names[n] = accumulator_at(n)->name;
    names[n++] = "int32";
    names[n++] = "maddubs";
    host_unknown(L, "accumulator '", kind, names, n);
    return NULL;
}

/* The figures of all rows: the first sum and its true value, and how far all are off. */
static void set_sum(lua_State *L, double sum, double exact, double off, double all)
{
    host_set_number(L, "sum", sum);
    host_set_number(L, "exact", exact);
    host_set_number(L, "error", sum - exact);
    host_set_number(L, "relative", all > 0 ? sqrt(off / all) : off > 0 ? HUGE_VAL : 0);
}

/* lab.accumulate { kind = "fp64" | "fp32" | "fp16" | "bf16" | "acc14" | "acc14-promoted" | "int32" | "maddubs", a =,
 * b = } -> { sum, exact, error, relative, sums }: the dot product of each row of a with that row of b (or its only
 * row), added up in a narrow accumulator. sum, exact and error are of the first row; relative is over all rows: root
 * mean square of the errors over that of the sums; sums lists the first 64. */
static int lab_accumulate(lua_State *L)
{
    static const char *const names[] = { "kind", "a", "b", NULL };
    struct host *h = host_of(L);
    host_options(L, 1, names);
    const char *kind = host_text(L, 1, "kind", "fp32");
    const struct accumulator *row = read_accumulator(L, kind);
    struct shared *a = hosttensor_option(L, 1, "a"), *b = hosttensor_option(L, 1, "b");
    size_t n = a->cols;
    double off = 0, all = 0, first = 0, first_exact = 0;
    if (b->cols != n || (b->rows != a->rows && b->rows != 1))
        return luaL_error(L, "lab.accumulate: b is as large as a, or one row as long");
    struct sums_work *work = push_sums(L, n);
    lua_createtable(L, 0, 5);
    lua_createtable(L, SUMS_SHOWN, 0);
    for (size_t i = 0; i < a->rows; i++) {
        const float *x = a->values + i * n, *y = b->values + (b->rows == 1 ? 0 : i * n);
        double exact = row ? accumulator_at(0)->dot(x, y, n) : 0;
        double sum = row ? row->dot(x, y, n) : integer_sum(L, kind, work, x, y, n, &exact);
        off += (sum - exact) * (sum - exact);
        all += exact * exact;
        first = i ? first : sum;
        first_exact = i ? first_exact : exact;
        if (i < SUMS_SHOWN) {
            lua_pushnumber(L, sum);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        if (!progress_tick(&h->progress, (double)(i + 1) / (double)a->rows))
            host_check(L, KERNEL_CANCELED, "lab.accumulate");
    }
    lua_setfield(L, -2, "sums");
    set_sum(L, first, first_exact, off, all);
    host_note(h->used_kernels, row ? row->function : strcmp(kind, "int32") == 0 ? "accumulate_int32"
                                                                                : "accumulate_maddubs");
    return 1;
}

const struct lab_function hostmethod_functions[] = {
    { "method", lab_method, 120 },
    { "accumulate", lab_accumulate, 60 },
    { NULL, NULL, 0 },
};

void hostmethod_open(lua_State *L)
{
    hostlib_add_type(L, METHOD_WORK, NULL, collect_method);
    hostlib_add_type(L, SUMS_WORK, NULL, collect_sums);
}
