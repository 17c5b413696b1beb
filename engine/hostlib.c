/* hostlib.c: `lab`, what compute() works with: tensors, rounding, a linear layer.
 * Lua holds handles; the numbers stay in C, counted apart from Lua's memory. What was generated or read is kept in a
 * small cache beyond the request, since a turned knob asks for the same again; nothing in it depends on who asked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hostlua.h"
#include "engine/protocol.h"
#include "engine/tensor.h"
#include "engine/view.h"
#include "engine/watch.h"
#include "kernels/format.h"
#include "kernels/linear.h"
#include "kernels/quantize.h"
#include "kernels/random.h"

enum {
    CALLS_MOST     = 2000,     /* of lab functions in one request */
    GAUSSIAN_MOST  = 1 << 23,  /* elements: about a quarter of a second */
    HANDLES_MOST   = 1 << 27,  /* elements of all tensors alive: half a GiB */
    CACHE_PLACES   = 8,
    CACHE_MOST     = 1 << 25,  /* elements kept beyond a request */
    COLUMNS_SHOWN  = 64,
};

static const char TENSOR[] = "saffron.tensor";
static const char QUANT[] = "saffron.quant";

/* --- options ------------------------------------------------------------------------------------------------------ */

void host_options(lua_State *L, int index, const char *const *names)
{
    size_t count = 0;
    luaL_checktype(L, index, LUA_TTABLE);
    while (names[count])
        count++;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            continue;
        const char *name = lua_tostring(L, -1);
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known = known || strcmp(names[i], name) == 0;
        if (!known)
            host_unknown(L, "option '", name, names, count);
    }
}

double host_number(lua_State *L, int index, const char *name, double absent, double low, double high)
{
    index = lua_absindex(L, index);
    int type = lua_getfield(L, index, name);
    if (type != LUA_TNIL && type != LUA_TNUMBER)
        luaL_error(L, "option '%s' is a number, not a %s", name, lua_typename(L, type));
    double x = type == LUA_TNIL ? absent : lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (type != LUA_TNIL && !(x >= low && x <= high))
        luaL_error(L, "option '%s': %f is not within %f to %f", name, x, low, high);
    return x;
}

const char *host_text(lua_State *L, int index, const char *name, const char *absent)
{
    index = lua_absindex(L, index);
    int type = lua_getfield(L, index, name);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        luaL_error(L, "option '%s' is a text, not a %s", name, lua_typename(L, type));
    const char *text = type == LUA_TNIL ? absent : lua_tostring(L, -1);
    lua_pop(L, 1); /* the table keeps it alive */
    return text;
}

void host_note(json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
        if (strcmp(json_string_value(item), name) == 0)
            return;
    if (json_array_size(list) < 32)
        json_array_append_new(list, json_string(name));
}

enum isa host_isa(const struct host *h)
{
    enum isa isa = cpu_info()->best;
    if (h->env.isa)
        isa_find(h->env.isa, &isa);
    return isa;
}

/* --- shared values ------------------------------------------------------------------------------------------------ */

/* Values that several handles and the cache may hold. Only the worker counts. */
struct shared {
    int    refs;
    size_t rows, cols;
    float *values;
    char   key[256];        /* what they are: the generator with its options, or the tensor's name */
    float  amax;
    double rms;
};

static struct shared *cache[CACHE_PLACES];
static int    cache_next;
static size_t alive;        /* elements in all shared values */

static void shared_drop(struct shared *s)
{
    if (s && --s->refs == 0) {
        alive -= s->rows * s->cols;
        free(s->values);
        free(s);
    }
}

static struct shared *shared_new(size_t rows, size_t cols, const char *key)
{
    struct shared *s = NULL;
    if (rows > 0 && cols > 0 && alive + rows * cols <= HANDLES_MOST)
        s = calloc(1, sizeof *s);
    if (s && !(s->values = malloc(rows * cols * sizeof(float)))) {
        free(s);
        s = NULL;
    }
    if (!s)
        return NULL;
    alive += rows * cols;
    s->refs = 1;
    s->rows = rows;
    s->cols = cols;
    snprintf(s->key, sizeof s->key, "%s", key);
    return s;
}

/* Largest and root mean square, once the values stand. */
static void shared_measure(struct shared *s)
{
    double sum = 0;
    size_t n = s->rows * s->cols;
    s->amax = quant_amax(s->values, n);
    for (size_t i = 0; i < n; i++)
        if (isfinite(s->values[i]))
            sum += (double)s->values[i] * (double)s->values[i];
    s->rms = sqrt(sum / (double)n);
}

static struct shared *cache_find(const char *key)
{
    for (int i = 0; i < CACHE_PLACES; i++)
        if (cache[i] && strcmp(cache[i]->key, key) == 0) {
            cache[i]->refs++;
            return cache[i];
        }
    return NULL;
}

static void cache_keep(struct shared *s)
{
    if (s->rows * s->cols > CACHE_MOST / 4)
        return;
    shared_drop(cache[cache_next]);
    s->refs++;
    cache[cache_next] = s;
    cache_next = (cache_next + 1) % CACHE_PLACES;
}

/* --- calls ---------------------------------------------------------------------------------------------------------- */

/* Runs a function that the watchdog gives its own time, in the caller's frame, so that its errors name the lesson's
 * line. */
static int run_timed(lua_State *L, const char *prefix, const struct lab_function *f)
{
    struct host *h = host_of(L);
    char name[64];
    if (++h->calls > CALLS_MOST)
        return luaL_error(L, "more than %d calls of lab functions", CALLS_MOST);
    if (f->seconds <= 0)
        return f->run(L);
    snprintf(name, sizeof name, "%s%s", prefix, f->name);
    h->in_lab = true;
    h->calling = f->name;
    h->called = host_clock();
    watch_host(name, f->seconds);
    int results = f->run(L);
    h->in_lab = false;
    watch_script();
    return results;
}

/* Every function of lab passes here. Upvalue: the row. */
static int call_lab(lua_State *L)
{
    const struct lab_function *f = lua_touserdata(L, lua_upvalueindex(1));
    if (!host_of(L)->lab_open)
        return luaL_error(L, "lab.%s works only inside compute() and given()", f->name);
    return run_timed(L, "lab.", f);
}

/* A method that walks over all values. Upvalue: the row. */
static int call_method(lua_State *L)
{
    return run_timed(L, "tensor:", lua_touserdata(L, lua_upvalueindex(1)));
}

/* --- tensor handles ----------------------------------------------------------------------------------------------- */

struct tensor_handle {
    struct shared *shared;
};

struct quant_handle {
    struct quant   q;
    struct shared *of;
    struct shared *decoded; /* made when `values` is first asked for */
};

/* [-0, +1] An empty handle, so that whatever comes next is owned by Lua. */
static struct tensor_handle *push_tensor(lua_State *L)
{
    struct tensor_handle *t = lua_newuserdatauv(L, sizeof *t, 0);
    t->shared = NULL;
    luaL_setmetatable(L, TENSOR);
    return t;
}

static int collect_tensor(lua_State *L)
{
    struct tensor_handle *t = lua_touserdata(L, 1);
    shared_drop(t->shared);
    t->shared = NULL;
    return 0;
}

static struct shared *check_tensor(lua_State *L, int index)
{
    struct tensor_handle *t = luaL_checkudata(L, index, TENSOR);
    luaL_argcheck(L, t->shared, index, "an empty tensor");
    return t->shared;
}

/* A tensor in field `name` of the options table. */
static struct shared *tensor_option(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    struct tensor_handle *t = luaL_testudata(L, -1, TENSOR);
    if (!t || !t->shared)
        luaL_error(L, "option '%s' is a tensor, not a %s", name, luaL_typename(L, -1));
    lua_pop(L, 1);
    return t->shared;
}

bool hostlib_matrix(lua_State *L, int index, struct host_matrix *out)
{
    const struct tensor_handle *t = luaL_testudata(L, index, TENSOR);
    const struct quant_handle *q = luaL_testudata(L, index, QUANT);
    memset(out, 0, sizeof *out);
    if (t && t->shared)
        *out = (struct host_matrix){ t->shared->rows, t->shared->cols, t->shared->values, NULL, 1, NULL };
    else if (q && q->of)
        *out = (struct host_matrix){ q->q.rows, q->q.cols, q->q.values, q->of->values,
                                     q->q.scale_count ? q->q.scales[0] : 1, q->q.recipe.format->name };
    return out->values != NULL;
}

static struct shared *new_shared(lua_State *L, size_t rows, size_t cols, const char *key)
{
    struct shared *s = shared_new(rows, cols, key);
    if (!s)
        luaL_error(L, rows && cols ? "out of memory for a tensor of %d x %d" : "a tensor of %d x %d has no values",
                   (int)rows, (int)cols);
    return s;
}

/* t:at(row, col): 1-based. */
static int tensor_at(lua_State *L)
{
    const struct shared *s = check_tensor(L, 1);
    lua_Integer row = luaL_checkinteger(L, 2), col = luaL_optinteger(L, 3, 0);
    if (lua_isnoneornil(L, 3)) {
        col = row;
        row = 1;
    }
    luaL_argcheck(L, row >= 1 && (size_t)row <= s->rows, 2, "no such row");
    luaL_argcheck(L, col >= 1 && (size_t)col <= s->cols, 3, "no such column");
    lua_pushnumber(L, (lua_Number)s->values[((size_t)row - 1) * s->cols + (size_t)col - 1]);
    return 1;
}

struct column {
    size_t index;
    float  amax;
};

static int by_amax(const void *a, const void *b)
{
    float x = ((const struct column *)a)->amax, y = ((const struct column *)b)->amax;
    return (x < y) - (x > y);
}

static struct column *measure_columns(const struct shared *s)
{
    struct column *column = calloc(s->cols, sizeof *column);
    if (!column)
        return NULL;
    for (size_t j = 0; j < s->cols; j++)
        column[j].index = j;
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 0; j < s->cols; j++)
            column[j].amax = fmaxf(column[j].amax, fabsf(s->values[i * s->cols + j]));
    qsort(column, s->cols, sizeof *column, by_amax);
    return column;
}

/* t:columns() -> { { index = from 0, amax =, times = amax / the median column's }, ... }, the largest 64 first. */
static int tensor_columns(lua_State *L)
{
    const struct shared *s = check_tensor(L, 1);
    lua_newtable(L);
    struct column *column = measure_columns(s), shown[COLUMNS_SHOWN];
    if (!column)
        return luaL_error(L, "out of memory");
    double median = (double)column[s->cols / 2].amax;
    size_t n = s->cols < COLUMNS_SHOWN ? s->cols : COLUMNS_SHOWN;
    memcpy(shown, column, n * sizeof *column);
    free(column);
    for (size_t i = 0; i < n; i++) {
        lua_createtable(L, 0, 3);
        lua_pushinteger(L, (lua_Integer)shown[i].index);
        lua_setfield(L, -2, "index");
        lua_pushnumber(L, (lua_Number)shown[i].amax);
        lua_setfield(L, -2, "amax");
        lua_pushnumber(L, median > 0 ? (double)shown[i].amax / median : 0);
        lua_setfield(L, -2, "times");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* t:take(rows, cols) -> the first rows and columns, as a tensor. */
static int tensor_take(lua_State *L)
{
    const struct shared *s = check_tensor(L, 1);
    lua_Integer rows = luaL_optinteger(L, 2, (lua_Integer)s->rows), cols = luaL_optinteger(L, 3, (lua_Integer)s->cols);
    char key[256];
    luaL_argcheck(L, rows >= 1 && (size_t)rows <= s->rows, 2, "more rows than there are");
    luaL_argcheck(L, cols >= 1 && (size_t)cols <= s->cols, 3, "more columns than there are");
    snprintf(key, sizeof key, "%.200s[%lldx%lld]", s->key, (long long)rows, (long long)cols);
    struct tensor_handle *t = push_tensor(L);
    t->shared = new_shared(L, (size_t)rows, (size_t)cols, key);
    for (size_t i = 0; i < (size_t)rows; i++)
        memcpy(t->shared->values + i * (size_t)cols, s->values + i * s->cols, (size_t)cols * sizeof(float));
    shared_measure(t->shared);
    return 1;
}

/* t:transposed() -> rows and columns exchanged, so that a scale a row is one a column. */
static int tensor_transposed(lua_State *L)
{
    const struct shared *s = check_tensor(L, 1);
    char key[256];
    snprintf(key, sizeof key, "%.200s transposed", s->key);
    struct tensor_handle *t = push_tensor(L);
    t->shared = new_shared(L, s->cols, s->rows, key);
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 0; j < s->cols; j++)
            t->shared->values[j * s->rows + i] = s->values[i * s->cols + j];
    shared_measure(t->shared);
    return 1;
}

static const struct lab_function methods[] = {
    { "columns", tensor_columns, 5 },
    { "take", tensor_take, 5 },
    { "transposed", tensor_transposed, 5 },
};

static bool push_method(lua_State *L, const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0) {
            lua_pushlightuserdata(L, (void *)(uintptr_t)&methods[i]);
            lua_pushcclosure(L, call_method, 1);
            return true;
        }
    return false;
}

static int tensor_index(lua_State *L)
{
    static const char *const names[] = { "rows", "cols", "n", "name", "amax", "rms", "at", "columns", "take",
                                         "transposed" };
    const struct shared *s = check_tensor(L, 1);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "rows") == 0)
        lua_pushinteger(L, (lua_Integer)s->rows);
    else if (strcmp(name, "cols") == 0)
        lua_pushinteger(L, (lua_Integer)s->cols);
    else if (strcmp(name, "n") == 0)
        lua_pushinteger(L, (lua_Integer)(s->rows * s->cols));
    else if (strcmp(name, "name") == 0)
        lua_pushstring(L, s->key);
    else if (strcmp(name, "amax") == 0)
        lua_pushnumber(L, (lua_Number)s->amax);
    else if (strcmp(name, "rms") == 0)
        lua_pushnumber(L, s->rms);
    else if (strcmp(name, "at") == 0)
        lua_pushcfunction(L, tensor_at);
    else if (!push_method(L, name))
        return host_unknown(L, "field of a tensor: '", name, names, sizeof names / sizeof names[0]);
    return 1;
}

/* --- making tensors ----------------------------------------------------------------------------------------------- */

struct gaussian {
    size_t   rows, cols, channels;
    double   sigma, outliers, times, from, to;
    uint64_t seed;
};

/* The bell curve itself, before outliers: the slow part, and the part that a turned knob leaves alone. */
static void fill_bell(struct shared *s, const struct gaussian *g)
{
    char key[128];
    size_t n = s->rows * s->cols;
    snprintf(key, sizeof key, "bell %zux%zu seed %016llx sigma %g", g->rows, g->cols, (unsigned long long)g->seed,
             g->sigma);
    struct shared *bell = cache_find(key);
    if (!bell && (bell = shared_new(g->rows, g->cols, key))) {
        random_gaussian(bell->values, n, g->seed, g->sigma);
        cache_keep(bell);
    }
    if (bell)
        memcpy(s->values, bell->values, n * sizeof(float));
    else
        random_gaussian(s->values, n, g->seed, g->sigma);
    shared_drop(bell);
}

static void fill_gaussian(struct shared *s, const struct gaussian *g)
{
    size_t n = s->rows * s->cols;
    fill_bell(s, g);
    if (g->outliers > 0)
        random_outliers(s->values, n, g->seed, g->outliers, g->times);
    if (g->channels > 0)
        random_outlier_channels(s->values, s->rows, s->cols, g->seed, g->channels, g->from, g->to, NULL);
    shared_measure(s);
}

/* The pair in field channel_times, {20, 60} by default. */
static void read_pair(lua_State *L, double *from, double *to)
{
    *from = 20;
    *to = 60;
    if (lua_getfield(L, 1, "channel_times") == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        *from = luaL_checknumber(L, -2);
        *to = luaL_checknumber(L, -1);
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

static struct gaussian read_gaussian(lua_State *L)
{
    static const char *const names[] = { "n", "rows", "cols", "sigma", "outliers", "times", "channels", "channel_times",
                                         "stream", NULL };
    host_options(L, 1, names);
    double n = host_number(L, 1, "n", 0, 1, GAUSSIAN_MOST);
    struct gaussian g = {
        .rows = (size_t)host_number(L, 1, "rows", 1, 1, GAUSSIAN_MOST),
        .cols = (size_t)host_number(L, 1, "cols", n, 1, GAUSSIAN_MOST),
        .sigma = host_number(L, 1, "sigma", 1, 0, 1e6),
        .outliers = host_number(L, 1, "outliers", 0, 0, 1),
        .times = host_number(L, 1, "times", 1, 0, 1e6),
        .channels = (size_t)host_number(L, 1, "channels", 0, 0, 64),
    };
    uint64_t stream = (uint64_t)host_number(L, 1, "stream", 0, 0, 1e6);
    g.seed = host_of(L)->seed + stream * 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio: far from any near seed */
    read_pair(L, &g.from, &g.to);
    if (g.cols == 0 || g.rows * g.cols > GAUSSIAN_MOST)
        luaL_error(L, "lab.gaussian needs n, or rows and cols, of at most %d values", GAUSSIAN_MOST);
    if (g.channels > g.cols)
        luaL_error(L, "lab.gaussian: more outlier channels than columns");
    return g;
}

/* lab.gaussian { n = | rows =, cols =, sigma = 1, outliers = fraction, times =, channels =, channel_times = { 20, 60 },
 * stream = 0 } -> tensor: seeded normal values. */
static int lab_gaussian(lua_State *L)
{
    struct host *h = host_of(L);
    char key[256];
    struct gaussian g = read_gaussian(L);
    snprintf(key, sizeof key, "gaussian %zux%zu seed %016llx sigma %g outliers %g x %g channels %zu x %g..%g", g.rows,
             g.cols, (unsigned long long)g.seed, g.sigma, g.outliers, g.times, g.channels, g.from, g.to);
    struct tensor_handle *t = push_tensor(L);
    t->shared = cache_find(key);
    if (!t->shared) {
        t->shared = new_shared(L, g.rows, g.cols, key);
        fill_gaussian(t->shared, &g);
        cache_keep(t->shared);
    }
    host_note(h->used_tensors, "seeded normal values");
    host_note(h->used_kernels, "random_gaussian");
    return 1;
}

/* lab.values { 237.4, ... } -> tensor of one row. */
static int lab_values(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t n = lua_rawlen(L, 1);
    luaL_argcheck(L, n >= 1 && n <= 65536, 1, "1 to 65536 numbers");
    struct tensor_handle *t = push_tensor(L);
    t->shared = new_shared(L, 1, n, "values");
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        t->shared->values[i] = (float)luaL_checknumber(L, -1);
        lua_pop(L, 1);
    }
    shared_measure(t->shared);
    return 1;
}

/* The index of sample tensors, opened once: the data folder does not change. */
static struct tensors *open_index(lua_State *L)
{
    static struct tensors *index;
    static char data[4096];
    char why[256];
    struct host *h = host_of(L);
    if (index && h->env.data && strcmp(data, h->env.data) == 0)
        return index;
    if (!h->env.data)
        luaL_error(L, "the sample tensors were not found: is the installation complete?");
    tensors_close(index);
    index = tensors_open(h->env.data, why, sizeof why);
    snprintf(data, sizeof data, "%s", index ? h->env.data : "");
    if (!index)
        luaL_error(L, "%s", why);
    return index;
}

/* lab.tensor "minilm/ffn_in" | "./x.safetensors[:name]" -> tensor: real values. */
static int lab_tensor(lua_State *L)
{
    struct host *h = host_of(L);
    char why[256], key[256];
    const char *name = luaL_checkstring(L, 1);
    snprintf(key, sizeof key, "%s", name);
    struct tensor_handle *t = push_tensor(L);
    t->shared = cache_find(key);
    if (!t->shared) {
        struct tensor *read = tensor_open(open_index(L), name, h->env.folder, why, sizeof why);
        if (!read)
            return luaL_error(L, "%s", why);
        t->shared = shared_new(read->rows, read->cols, key);
        if (t->shared)
            memcpy(t->shared->values, read->values, read->rows * read->cols * sizeof(float));
        tensor_free(read);
        if (!t->shared)
            return luaL_error(L, "out of memory for tensor '%s'", name);
        shared_measure(t->shared);
        cache_keep(t->shared);
    }
    host_note(h->used_tensors, name);
    return 1;
}

/* --- rounding ----------------------------------------------------------------------------------------------------- */

static const struct format *check_format(lua_State *L, const char *name)
{
    const struct format *f = format_find(name), *near = f ? NULL : format_nearest(name);
    if (!f && near)
        luaL_error(L, "unknown format '%s'; did you mean '%s'?", name, near->name);
    if (!f)
        luaL_error(L, "unknown format '%s'", name);
    return f;
}

static struct scale check_scale(lua_State *L, const struct format *f, const char *text)
{
    struct scale scale = { 0 };
    char why[160];
    if (!scale_parse(text ? text : f->scale, &scale, why, sizeof why))
        luaL_error(L, "%s", why);
    return scale;
}

static enum rounding check_rounding(lua_State *L, const char *text)
{
    static const char *const names[] = { "nearest", "zero", "stochastic" };
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], text) == 0)
            return (enum rounding)i;
    return (enum rounding)host_unknown(L, "rounding '", text, names, 3);
}

static enum overflow check_overflow(lua_State *L, const char *text)
{
    static const char *const names[] = { "saturate", "native" };
    for (int i = 0; i < 2; i++)
        if (strcmp(names[i], text) == 0)
            return (enum overflow)i;
    return (enum overflow)host_unknown(L, "overflow '", text, names, 2);
}

/* lab.quantize(x, { format =, scale =, rounding = "nearest", overflow = "saturate" }) -> quantized tensor. */
static int lab_quantize(lua_State *L)
{
    static const char *const names[] = { "format", "scale", "rounding", "overflow", NULL };
    struct host *h = host_of(L);
    struct shared *x = check_tensor(L, 1);
    host_options(L, 2, names);
    const char *format = host_text(L, 2, "format", NULL);
    if (!format)
        return luaL_error(L, "lab.quantize needs a format: { format = \"int8\" }");
    const struct format *f = check_format(L, format);
    struct recipe recipe = {
        .format = f, .scale = check_scale(L, f, host_text(L, 2, "scale", NULL)), .seed = h->seed,
        .cast = { .rounding = check_rounding(L, host_text(L, 2, "rounding", "nearest")),
                  .overflow = check_overflow(L, host_text(L, 2, "overflow", "saturate")) },
    };
    struct quant_handle *q = lua_newuserdatauv(L, sizeof *q, 0);
    memset(q, 0, sizeof *q);
    luaL_setmetatable(L, QUANT);
    host_check(L, quantize(x->values, x->rows, x->cols, &recipe, &h->progress, &q->q), "lab.quantize");
    q->of = x;
    x->refs++;
    host_note(h->used_kernels, "quantize");
    return 1;
}

static int collect_quant(lua_State *L)
{
    struct quant_handle *q = lua_touserdata(L, 1);
    quant_free(&q->q);
    shared_drop(q->of);
    shared_drop(q->decoded);
    q->of = q->decoded = NULL;
    return 0;
}

/* q.error_share(t) or q:error_share(t): share of the squared error on values up to |x| = t. Upvalue: q. */
static int quant_error_share(lua_State *L)
{
    const struct quant_handle *q = luaL_checkudata(L, lua_upvalueindex(1), QUANT);
    float threshold = (float)luaL_checknumber(L, lua_isuserdata(L, 1) ? 2 : 1);
    struct error_sums below = error_below(q->of->values, q->q.values, nextafterf(threshold, INFINITY),
                                          q->q.rows * q->q.cols);
    lua_pushnumber(L, q->q.error.noise > 0 ? below.noise / q->q.error.noise : 0);
    return 1;
}

/* q.at(row, col) or q:at(row, col): a decoded value, 1-based. Upvalue: q. */
static int quant_at(lua_State *L)
{
    const struct quant_handle *q = luaL_checkudata(L, lua_upvalueindex(1), QUANT);
    int first = lua_isuserdata(L, 1) ? 2 : 1;
    lua_Integer row = luaL_checkinteger(L, first), col = luaL_checkinteger(L, first + 1);
    luaL_argcheck(L, row >= 1 && (size_t)row <= q->q.rows, first, "no such row");
    luaL_argcheck(L, col >= 1 && (size_t)col <= q->q.cols, first + 1, "no such column");
    lua_pushnumber(L, (lua_Number)q->q.values[((size_t)row - 1) * q->q.cols + (size_t)col - 1]);
    return 1;
}

/* q.values -> tensor of the decoded values. */
static int push_decoded(lua_State *L, struct quant_handle *q)
{
    struct tensor_handle *t = push_tensor(L);
    if (!q->decoded) {
        char key[256];
        snprintf(key, sizeof key, "%.200s in %s", q->of->key, q->q.recipe.format->name);
        q->decoded = new_shared(L, q->q.rows, q->q.cols, key);
        memcpy(q->decoded->values, q->q.values, q->q.rows * q->q.cols * sizeof(float));
        shared_measure(q->decoded);
    }
    t->shared = q->decoded;
    q->decoded->refs++;
    return 1;
}

static double get_mse(const struct quant *q) { return q->mse; }
static double get_sqnr(const struct quant *q) { return q->sqnr_db; }
static double get_max_error(const struct quant *q) { return q->max_abs_error; }
static double get_zeros(const struct quant *q) { return q->zero_fraction; }
static double get_clipped(const struct quant *q) { return q->clipped_fraction; }
static double get_bits(const struct quant *q) { return q->bits_per_weight; }
static double get_scale(const struct quant *q) { return q->scale_count ? (double)q->scales[0] : 1; }
static double get_step(const struct quant *q) { return (double)format_step(q->recipe.format, 0) * get_scale(q); }
static double get_amax(const struct quant *q) { return (double)q->amax; }
static double get_noise(const struct quant *q) { return q->error.noise; }
static double get_signal(const struct quant *q) { return q->error.signal; }
static double get_nonfinite(const struct quant *q) { return (double)q->nonfinite; }
static double get_rows(const struct quant *q) { return (double)q->rows; }
static double get_cols(const struct quant *q) { return (double)q->cols; }

/* Numbers of a quantized tensor by name; those without a function are made in quant_index. */
static const struct quant_field {
    const char *name;
    double    (*get)(const struct quant *q);
} quant_fields[] = {
    { "mse", get_mse }, { "sqnr_db", get_sqnr }, { "max_abs_error", get_max_error }, { "zero_fraction", get_zeros },
    { "clipped_fraction", get_clipped }, { "bits_per_weight", get_bits }, { "scale", get_scale }, { "step", get_step },
    { "amax", get_amax }, { "noise", get_noise }, { "signal", get_signal }, { "nonfinite", get_nonfinite },
    { "rows", get_rows }, { "cols", get_cols },
    { "values", NULL }, { "error_share", NULL }, { "at", NULL }, { "format", NULL },
};

static int quant_index(lua_State *L)
{
    enum { COUNT = sizeof quant_fields / sizeof quant_fields[0] };
    struct quant_handle *q = luaL_checkudata(L, 1, QUANT);
    const char *name = luaL_checkstring(L, 2), *names[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        names[i] = quant_fields[i].name;
        if (quant_fields[i].get && strcmp(name, names[i]) == 0) {
            lua_pushnumber(L, quant_fields[i].get(&q->q));
            return 1;
        }
    }
    if (strcmp(name, "values") == 0)
        return push_decoded(L, q);
    if (strcmp(name, "format") == 0)
        return lua_pushstring(L, q->q.recipe.format->name), 1;
    lua_pushvalue(L, 1);
    if (strcmp(name, "error_share") == 0)
        return lua_pushcclosure(L, quant_error_share, 1), 1;
    if (strcmp(name, "at") == 0)
        return lua_pushcclosure(L, quant_at, 1), 1;
    return host_unknown(L, "field of a quantized tensor: '", name, names, COUNT);
}

/* --- one value, one format ---------------------------------------------------------------------------------------- */

static void set_string(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double x)
{
    lua_pushnumber(L, x);
    lua_setfield(L, -2, name);
}

static void set_lanes(lua_State *L, const struct format *f)
{
    lua_createtable(L, 3, 0);
    for (int i = 0; i < 3; i++) {
        lua_pushinteger(L, f->lane[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "lanes");
}

/* lab.cast(x, "e4m3") -> { value, code, bits, lanes, step, title, format }: a row for view.bits. */
static int lab_cast(lua_State *L)
{
    float x = (float)luaL_checknumber(L, 1);
    const struct format *f = check_format(L, luaL_checkstring(L, 2));
    uint32_t code = format_encode(f, x, (struct cast){ 0 });
    char bits[33];
    for (int i = 0; i < f->bits; i++)
        bits[i] = code >> (f->bits - 1 - i) & 1 ? '1' : '0';
    bits[f->bits] = '\0';
    lua_createtable(L, 0, 8);
    set_number(L, "value", (double)format_decode(f, code));
    set_number(L, "code", (double)code);
    set_string(L, "bits", bits);
    set_lanes(L, f);
    set_number(L, "step", (double)format_step(f, x));
    set_string(L, "title", f->title);
    set_string(L, "format", f->name);
    host_note(host_of(L)->used_kernels, f->kind == FORMAT_FLOAT ? "encode_float" : "encode_integer");
    return 1;
}

/* values(from, to) -> { ... }: the finite values of a format, at most 4096. Upvalue: its name. */
static int format_values_of(lua_State *L)
{
    enum { MOST = 4096 };
    static float values[MOST];
    const struct format *f = format_find(lua_tostring(L, lua_upvalueindex(1)));
    size_t n = format_values(f, (float)luaL_optnumber(L, 1, (double)-f->largest),
                             (float)luaL_optnumber(L, 2, (double)f->largest), values, MOST);
    lua_createtable(L, (int)(n < MOST ? n : MOST), 0);
    for (size_t i = 0; i < n && i < MOST; i++) {
        lua_pushnumber(L, (double)values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* lab.format "e4m3" -> { name, title, bits, lanes, max, normal, smallest, values = function(from, to) }. */
static int lab_format(lua_State *L)
{
    const struct format *f = check_format(L, luaL_checkstring(L, 1));
    lua_createtable(L, 0, 8);
    set_string(L, "name", f->name);
    set_string(L, "title", f->title);
    set_number(L, "bits", f->bits);
    set_lanes(L, f);
    set_number(L, "max", (double)f->largest);
    set_number(L, "normal", (double)f->normal);
    set_number(L, "smallest", (double)f->smallest);
    lua_pushstring(L, f->name);
    lua_pushcclosure(L, format_values_of, 1);
    lua_setfield(L, -2, "values");
    return 1;
}

/* --- a linear layer ----------------------------------------------------------------------------------------------- */

/* What a call of lab.linear holds, collected by Lua however the call ends. */
struct layer_work {
    double *exact;
    float  *y, *smooth;
    struct quant q;
};

static int collect_work(lua_State *L)
{
    struct layer_work *w = lua_touserdata(L, 1);
    free(w->y);
    free(w->smooth);
    free(w->exact);
    quant_free(&w->q);
    memset(w, 0, sizeof *w);
    return 0;
}

/* { format, scale } or { format =, scale = } in field `name`; false if the field is absent. */
static bool read_rounding(lua_State *L, const char *name, const char **format, const char **scale)
{
    int type = lua_getfield(L, 1, name);
    if (type == LUA_TNIL)
        return lua_pop(L, 1), false;
    if (type == LUA_TSTRING) {
        *format = lua_tostring(L, -1);
        *scale = NULL;
        return lua_pop(L, 1), true;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    *format = host_text(L, -1, "format", NULL);
    *scale = host_text(L, -1, "scale", NULL);
    for (int i = 1; i <= 2; i++) {
        const char **slot = i == 1 ? format : scale;
        lua_rawgeti(L, -1, i);
        if (!*slot && lua_type(L, -1) == LUA_TSTRING)
            *slot = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    if (!*format)
        luaL_error(L, "option '%s' needs a format: { \"int8\", \"channel\" }", name);
    return true;
}

/* The exact product of the last layer is kept: a knob changes the rounding, not the layer. */
static const double *exact_product(lua_State *L, const struct linear *layer, struct shared *x, struct shared *w)
{
    static struct shared *last_x, *last_w;
    static double *last;
    struct host *h = host_of(L);
    if (last && last_x == x && last_w == w)
        return last;
    struct layer_work *work = lua_touserdata(L, -1);
    work->exact = calloc(layer->tokens * layer->out, sizeof *work->exact);
    if (!work->exact)
        luaL_error(L, "out of memory");
    host_check(L, linear_exact(layer, work->exact, &h->progress), "lab.linear");
    shared_drop(last_x);
    shared_drop(last_w);
    free(last);
    last = work->exact;
    work->exact = NULL;
    (last_x = x)->refs++;
    (last_w = w)->refs++;
    return last;
}

static void measure_weights(lua_State *L, struct layer_work *work, const struct linear_recipe *r,
                            const struct shared *w)
{
    struct host *h = host_of(L);
    struct recipe recipe = { .format = r->weights, .scale = r->weight_scale, .seed = h->seed };
    host_check(L, quantize(w->values, w->rows, w->cols, &recipe, &h->progress, &work->q), "lab.linear");
}

/* lab.linear { x =, w =, weights = { format, scale }, activations = { format, "tensor" | "token" }, smooth = alpha }
 * -> { output_sqnr_db, weight_sqnr_db, bits_per_weight }. x is [tokens, in], w is [out, in]. */
static int lab_linear(lua_State *L)
{
    static const char *const names[] = { "x", "w", "weights", "activations", "smooth", NULL };
    struct host *h = host_of(L);
    const char *wf = NULL, *ws = NULL, *af = NULL, *as = NULL;
    host_options(L, 1, names);
    struct shared *x = tensor_option(L, 1, "x"), *w = tensor_option(L, 1, "w");
    double alpha = host_number(L, 1, "smooth", -1, 0, 1);
    struct linear layer = { x->values, w->values, x->rows, x->cols, w->rows };
    struct linear_recipe r = { .isa = host_isa(h) };
    if (x->cols != w->cols)
        return luaL_error(L, "lab.linear: x has %d features, w takes %d", (int)x->cols, (int)w->cols);
    if ((double)x->rows * (double)x->cols * (double)w->rows > 4e9)
        return luaL_error(L, "lab.linear: more than 4e9 products; take fewer rows");
    if (read_rounding(L, "weights", &wf, &ws)) {
        r.weights = check_format(L, wf);
        r.weight_scale = check_scale(L, r.weights, ws);
    }
    if (read_rounding(L, "activations", &af, &as)) {
        r.activations = check_format(L, af);
        r.per_token = as && strcmp(as, "token") == 0;
        if (as && !r.per_token && strcmp(as, "tensor") != 0)
            return luaL_error(L, "the scale of activations is 'tensor' or 'token', not '%s'", as);
    }
    struct layer_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    memset(work, 0, sizeof *work);
    luaL_setmetatable(L, "saffron.work");
    const double *exact = exact_product(L, &layer, x, w);
    work->y = calloc(layer.tokens * layer.out, sizeof *work->y);
    work->smooth = calloc(layer.in, sizeof *work->smooth);
    if (!work->y || !work->smooth)
        return luaL_error(L, "out of memory");
    if (alpha >= 0) {
        linear_smooth(&layer, alpha, work->smooth);
        r.smooth = work->smooth;
        host_note(h->used_kernels, "linear_smooth");
    }
    host_check(L, linear_run(&layer, &r, work->y, &h->progress), "lab.linear");
    if (r.weights)
        measure_weights(L, work, &r, w);
    host_note(h->used_kernels, "linear_run");
    lua_createtable(L, 0, 3);
    set_number(L, "output_sqnr_db", linear_sqnr_db(exact, work->y, layer.tokens * layer.out));
    set_number(L, "weight_sqnr_db", r.weights ? work->q.sqnr_db : HUGE_VAL);
    set_number(L, "bits_per_weight", r.weights ? work->q.bits_per_weight : 32);
    return 1;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* lab.progress(fraction, label): for a lesson that computes in several calls. */
static int lab_progress(lua_State *L)
{
    struct host *h = host_of(L);
    double fraction = luaL_checknumber(L, 1);
    const char *label = luaL_optstring(L, 2, "");
    h->reporting = true;
    if (h->env.progress)
        h->env.progress(h->env.ctx, fraction < 0 ? 0 : fraction > 1 ? 1 : fraction, label);
    if (watch_canceled())
        host_check(L, KERNEL_CANCELED, "lab.progress");
    return 0;
}

void hostlib_add(lua_State *L, const struct lab_function *functions)
{
    for (const struct lab_function *f = functions; f->name; f++) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)f);
        lua_pushcclosure(L, call_lab, 1);
        lua_setfield(L, -2, f->name);
    }
}

static void add_type(lua_State *L, const char *type, lua_CFunction index, lua_CFunction collect)
{
    luaL_newmetatable(L, type);
    if (index) {
        lua_pushcfunction(L, index);
        lua_setfield(L, -2, "__index");
    }
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

static const struct lab_function functions[] = {
    { "gaussian", lab_gaussian, 10 },
    { "tensor", lab_tensor, 20 },
    { "values", lab_values, 5 },
    { "quantize", lab_quantize, 60 },
    { "linear", lab_linear, 60 },
    { "cast", lab_cast, 0 },
    { "format", lab_format, 0 },
    { "progress", lab_progress, 0 },
    { NULL, NULL, 0 },
};

void hostlib_open(lua_State *L)
{
    add_type(L, TENSOR, tensor_index, collect_tensor);
    add_type(L, QUANT, quant_index, collect_quant);
    add_type(L, "saffron.work", NULL, collect_work);
    lua_newtable(L);
    hostlib_add(L, functions);
    hostlib_add(L, hostmodel_functions);
    host_strict(L, "'lab.");
}
