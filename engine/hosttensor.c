/* hosttensor.c: tensors as lessons hold them: generated, read from files, cut and looked at.
 * Lua holds handles; the numbers stay in C, counted apart from Lua's memory. What was generated or read is kept in a
 * small cache beyond the request, since a turned knob asks for the same again; nothing in it depends on who asked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hostlua.h"
#include "engine/protocol.h"
#include "engine/tensor.h"
#include "engine/tensorfile.h"
#include "kernels/quantize.h"
#include "kernels/random.h"

enum {
    GAUSSIAN_MOST  = 1 << 23,  /* elements: about a quarter of a second */
    HANDLES_MOST   = 1 << 27,  /* elements of all tensors alive: half a GiB */
    CACHE_PLACES   = 8,
    CACHE_MOST     = 1 << 25,  /* elements kept beyond a request */
    COLUMNS_SHOWN  = 64,
};

/* --- shared values ------------------------------------------------------------------------------------------------ */

static struct shared *cache[CACHE_PLACES];
static int    cache_next;
static size_t alive;        /* elements in all shared values */

void hosttensor_drop(struct shared *s)
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

void hosttensor_measure(struct shared *s)
{
    double sum = 0;
    size_t n = s->rows * s->cols;
    s->amax = quant_amax(s->values, n);
    s->nonfinite = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(s->values[i]))
            sum += (double)s->values[i] * (double)s->values[i];
        else
            s->nonfinite++;
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
    hosttensor_drop(cache[cache_next]);
    s->refs++;
    cache[cache_next] = s;
    cache_next = (cache_next + 1) % CACHE_PLACES;
}

/* --- tensor handles ----------------------------------------------------------------------------------------------- */

struct tensor_handle *hosttensor_push(lua_State *L)
{
    struct tensor_handle *t = lua_newuserdatauv(L, sizeof *t, 0);
    t->shared = NULL;
    luaL_setmetatable(L, HOST_TENSOR);
    return t;
}

static int collect_tensor(lua_State *L)
{
    struct tensor_handle *t = lua_touserdata(L, 1);
    hosttensor_drop(t->shared);
    t->shared = NULL;
    return 0;
}

struct shared *hosttensor_check(lua_State *L, int index)
{
    struct tensor_handle *t = luaL_checkudata(L, index, HOST_TENSOR);
    luaL_argcheck(L, t->shared, index, "an empty tensor");
    return t->shared;
}

struct shared *hosttensor_option(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    struct tensor_handle *t = luaL_testudata(L, -1, HOST_TENSOR);
    if (!t || !t->shared)
        luaL_error(L, "option '%s' is a tensor, not a %s", name, luaL_typename(L, -1));
    lua_pop(L, 1);
    return t->shared;
}

struct shared *hosttensor_maybe(lua_State *L, int index, const char *name)
{
    bool given = lua_getfield(L, index, name) != LUA_TNIL;
    lua_pop(L, 1);
    return given ? hosttensor_option(L, index, name) : NULL;
}

void hosttensor_push_copy(lua_State *L, const float *values, size_t rows, size_t cols, const char *key)
{
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, rows, cols, key);
    memcpy(t->shared->values, values, rows * cols * sizeof *values);
    hosttensor_measure(t->shared);
}

struct shared *hosttensor_new(lua_State *L, size_t rows, size_t cols, const char *key)
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
    const struct shared *s = hosttensor_check(L, 1);
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
    const struct shared *s = hosttensor_check(L, 1);
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
    const struct shared *s = hosttensor_check(L, 1);
    lua_Integer rows = luaL_optinteger(L, 2, (lua_Integer)s->rows), cols = luaL_optinteger(L, 3, (lua_Integer)s->cols);
    char key[256];
    luaL_argcheck(L, rows >= 1 && (size_t)rows <= s->rows, 2, "more rows than there are");
    luaL_argcheck(L, cols >= 1 && (size_t)cols <= s->cols, 3, "more columns than there are");
    snprintf(key, sizeof key, "%.200s[%lldx%lld]", s->key, (long long)rows, (long long)cols);
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, (size_t)rows, (size_t)cols, key);
    for (size_t i = 0; i < (size_t)rows; i++)
        memcpy(t->shared->values + i * (size_t)cols, s->values + i * s->cols, (size_t)cols * sizeof(float));
    hosttensor_measure(t->shared);
    return 1;
}

/* t:transposed() -> rows and columns exchanged, so that a scale a row is one a column. */
static int tensor_transposed(lua_State *L)
{
    const struct shared *s = hosttensor_check(L, 1);
    char key[256];
    snprintf(key, sizeof key, "%.200s transposed", s->key);
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, s->cols, s->rows, key);
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 0; j < s->cols; j++)
            t->shared->values[j * s->rows + i] = s->values[i * s->cols + j];
    hosttensor_measure(t->shared);
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
        if (strcmp(methods[i].name, name) == 0)
            return hostlib_push_method(L, &methods[i]), true;
    for (const struct lab_function *f = hostmatrix_methods; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return hostlib_push_method(L, f), true;
    return false;
}

static int tensor_index(lua_State *L)
{
    static const char *const names[] = { "rows", "cols", "n", "name", "amax", "rms", "nonfinite", "at", "columns",
                                         "take", "transposed", "with", "clipped", "minus", "shuffled", "replaced",
                                         "maxima", "count", "top" };
    const struct shared *s = hosttensor_check(L, 1);
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
    else if (strcmp(name, "nonfinite") == 0)
        lua_pushinteger(L, (lua_Integer)s->nonfinite);
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

enum { EXACT = 32 };

/* The shortest text that only this number has: what a cache is asked by. */
static const char *exact(double x, char out[EXACT])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, EXACT, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            break;
    }
    return out;
}

/* The bell curve itself, before outliers: the slow part, and the part that a turned knob leaves alone. */
static void fill_bell(struct shared *s, const struct gaussian *g)
{
    char key[128], sigma[EXACT];
    size_t n = s->rows * s->cols;
    snprintf(key, sizeof key, "bell %zux%zu seed %016llx sigma %s", g->rows, g->cols, (unsigned long long)g->seed,
             exact(g->sigma, sigma));
    struct shared *bell = cache_find(key);
    if (!bell && (bell = shared_new(g->rows, g->cols, key))) {
        random_gaussian(bell->values, n, g->seed, g->sigma);
        cache_keep(bell);
    }
    if (bell)
        memcpy(s->values, bell->values, n * sizeof(float));
    else
        random_gaussian(s->values, n, g->seed, g->sigma);
    hosttensor_drop(bell);
}

static void fill_gaussian(struct shared *s, const struct gaussian *g)
{
    size_t n = s->rows * s->cols;
    fill_bell(s, g);
    if (g->outliers > 0)
        random_outliers(s->values, n, g->seed, g->outliers, g->times);
    if (g->channels > 0)
        random_outlier_channels(s->values, s->rows, s->cols, g->seed, g->channels, g->from, g->to, NULL);
    hosttensor_measure(s);
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
    char key[256], number[5][EXACT];
    struct gaussian g = read_gaussian(L);
    snprintf(key, sizeof key, "gaussian %zux%zu seed %016llx sigma %s outliers %s x %s channels %zu x %s..%s", g.rows,
             g.cols, (unsigned long long)g.seed, exact(g.sigma, number[0]), exact(g.outliers, number[1]),
             exact(g.times, number[2]), g.channels, exact(g.from, number[3]), exact(g.to, number[4]));
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = cache_find(key);
    if (!t->shared) {
        t->shared = hosttensor_new(L, g.rows, g.cols, key);
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
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, 1, n, "values");
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        t->shared->values[i] = (float)luaL_checknumber(L, -1);
        lua_pop(L, 1);
    }
    hosttensor_measure(t->shared);
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

enum { OWN_MOST = 1 << 24 }; /* elements of a tensor of the learner's own: 64 MiB of floats */

/* [-0, +0] The learner's own tensor into an empty handle, the first rows where it is large; raises if there is none. */
static void read_own(lua_State *L, struct tensor_handle *t)
{
    struct host *h = host_of(L);
    const char *path = h->env.own_path, *slash = strrchr(path, '/');
    char why[400] = "", both[256], key[256];
    struct tensorfile *file = tensorfile_open(path, why, sizeof why);
    const struct safetensor *own = file ? tensorfile_find(file, h->env.own_tensor, why, sizeof why) : NULL;
    if (own && (!own->count || !dtype_loads(own->dtype) || tensorfile_cols(own) > OWN_MOST)) {
        snprintf(why, sizeof why, "tensor '%.120s' of '%.160s' cannot be used: %s", own->name, path,
                 own->count ? "its type or its rows" : "it is empty");
        own = NULL;
    }
    if (own) {
        uint64_t cols = tensorfile_cols(own), most = OWN_MOST / cols, rows = tensorfile_rows(own);
        rows = rows < most ? rows : most;
        snprintf(both, sizeof both, "%.100s of %.100s", *own->name ? own->name : "the array", slash ? slash + 1 : path);
        protocol_line(both, key, sizeof key); /* characters that were cut are none */
        t->shared = shared_new((size_t)rows, (size_t)cols, key);
        if (t->shared)
            safetensor_floats(own, 0, rows * cols, t->shared->values);
        else
            snprintf(why, sizeof why, "out of memory for tensor '%.120s'", own->name);
    }
    tensorfile_close(file);
    if (!t->shared)
        luaL_error(L, "%s", why);
    hosttensor_measure(t->shared);
    host_note(h->used_tensors, t->shared->key);
    h->own_given = true;
}

/* lab.tensor "minilm/ffn_in" | "./x.safetensors[:name]" -> tensor: real values. */
static int lab_tensor(lua_State *L)
{
    struct host *h = host_of(L);
    char why[256], key[256];
    const char *name = luaL_checkstring(L, 1);
    bool whole = (size_t)snprintf(key, sizeof key, "%s", name) < sizeof key; /* a cut name may be another's too */
    struct tensor_handle *t = hosttensor_push(L);
    if (h->env.own_path && !h->own_given) {
        read_own(L, t);
        return 1;
    }
    t->shared = whole ? cache_find(key) : NULL;
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
        hosttensor_measure(t->shared);
        if (whole)
            cache_keep(t->shared);
    }
    host_note(h->used_tensors, name);
    return 1;
}

const struct lab_function hosttensor_functions[] = {
    { "gaussian", lab_gaussian, 10 },
    { "tensor", lab_tensor, 20 },
    { "values", lab_values, 5 },
    { NULL, NULL, 0 },
};

void hosttensor_open(lua_State *L)
{
    hostlib_add_type(L, HOST_TENSOR, tensor_index, collect_tensor);
}
