/* hostmatrix.c: what lessons do with whole tensors: plant values, cut columns, count, multiply, compare.
 * Nothing here changes a tensor: each function makes a new one. Rows and columns are counted from 1, as in t:at. */
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "engine/hostlua.h"
#include "kernels/dense.h"
#include "kernels/error.h"
#include "kernels/hadamard.h"
#include "kernels/random.h"

enum { TOP_MOST = 256 };

/* --- generators --------------------------------------------------------------------------------------------------- */

static double laplace_of(double u)
{
    double centered = u - 0.5;
    return (centered < 0 ? 1 : -1) * log(1 - 2 * fabs(centered)) / sqrt(2);
}

static struct shared *read_shape(lua_State *L, const char *what, char *key, size_t size)
{
    double n = host_number(L, 1, "n", 0, 1, 1 << 23);
    double rows = host_number(L, 1, "rows", 1, 1, 1 << 23), cols = host_number(L, 1, "cols", n, 1, 1 << 23);
    if (cols < 1 || rows * cols > 1 << 23)
        luaL_error(L, "lab.%s needs n, or rows and cols, of at most %d values", what, 1 << 23);
    snprintf(key, size, "%s %.0fx%.0f", what, rows, cols);
    return hosttensor_new(L, (size_t)rows, (size_t)cols, key);
}

/* The seed of this request in another stream: 2^64 / golden ratio apart, far from any near seed. */
static uint64_t stream_seed(lua_State *L, int index)
{
    uint64_t stream = (uint64_t)host_number(L, index, "stream", 0, 0, 1e6);
    return host_of(L)->seed + stream * 0x9e3779b97f4a7c15ull;
}

/* lab.uniform { n = | rows =, cols =, from = 0, to = 1, stream = 0 } -> tensor: seeded, evenly spread. */
static int lab_uniform(lua_State *L)
{
    static const char *const names[] = { "n", "rows", "cols", "from", "to", "stream", NULL };
    char key[64];
    host_options(L, 1, names);
    double from = host_number(L, 1, "from", 0, -1e6, 1e6), to = host_number(L, 1, "to", 1, -1e6, 1e6);
    uint64_t seed = stream_seed(L, 1);
    struct tensor_handle *t = hosttensor_push(L);
    struct shared *s = t->shared = read_shape(L, "uniform", key, sizeof key);
    for (size_t i = 0; i < s->rows * s->cols; i++)
        s->values[i] = (float)(from + (to - from) * random_uniform(seed, STREAM_VALUES, i));
    hosttensor_measure(s);
    host_note(host_of(L)->used_tensors, "seeded uniform values");
    host_note(host_of(L)->used_kernels, "random_uniform");
    return 1;
}

/* lab.laplace { n = | rows =, cols =, stream = 0 } -> tensor: seeded, of unit variance, with longer tails than normal
 * values. */
static int lab_laplace(lua_State *L)
{
    static const char *const names[] = { "n", "rows", "cols", "stream", NULL };
    char key[64];
    host_options(L, 1, names);
    uint64_t seed = stream_seed(L, 1);
    struct tensor_handle *t = hosttensor_push(L);
    struct shared *s = t->shared = read_shape(L, "laplace", key, sizeof key);
    for (size_t i = 0; i < s->rows * s->cols; i++)
        s->values[i] = (float)laplace_of(random_uniform(seed, STREAM_VALUES, i) + 0x1p-33);
    hosttensor_measure(s);
    host_note(host_of(L)->used_tensors, "seeded Laplace values");
    host_note(host_of(L)->used_kernels, "random_uniform");
    return 1;
}

/* --- tensors from tensors ----------------------------------------------------------------------------------------- */

/* [-0, +1] A handle to a copy of s, to be changed and measured. */
static struct shared *push_copy(lua_State *L, const struct shared *s, const char *what)
{
    char key[256];
    snprintf(key, sizeof key, "%.200s, %s", s->key, what);
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, s->rows, s->cols, key);
    memcpy(t->shared->values, s->values, s->rows * s->cols * sizeof(float));
    return t->shared;
}

/* Field `name` of the options at 2: a number, or { from, to }; the whole range when absent. Zero-based, end
 * excluded. */
static void read_range(lua_State *L, const char *name, size_t whole, size_t *from, size_t *to)
{
    lua_Integer first = 1, last = (lua_Integer)whole;
    int type = lua_getfield(L, 2, name);
    if (type == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        first = luaL_checkinteger(L, -2);
        last = luaL_checkinteger(L, -1);
        lua_pop(L, 2);
    } else if (type != LUA_TNIL)
        first = last = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    if (first < 1 || last < first || (size_t)last > whole)
        luaL_error(L, "'%s': %d to %d is not within 1 to %d", name, (int)first, (int)last, (int)whole);
    *from = (size_t)first - 1;
    *to = (size_t)last;
}

/* Multiplies `count` values, picked by the seed, by `times`. */
static void scatter(lua_State *L, struct shared *s, size_t count, double times)
{
    size_t n = s->rows * s->cols;
    size_t *chosen = lua_newuserdatauv(L, (count + 1) * sizeof *chosen, 0);
    random_choose(chosen, count, n, host_of(L)->seed + 1);
    for (size_t i = 0; i < count; i++)
        s->values[chosen[i]] = (float)(s->values[chosen[i]] * times);
    lua_pop(L, 1);
}

/* t:with { rows = r | { from, to }, cols = c | { from, to }, times = f | value = v } -> a copy with these changed;
 * t:with { count = k, times = f }: k values anywhere. */
static int tensor_with(lua_State *L)
{
    static const char *const names[] = { "rows", "cols", "times", "value", "count", NULL };
    const struct shared *of = hosttensor_check(L, 1);
    size_t r0, r1, c0, c1;
    host_options(L, 2, names);
    double times = host_number(L, 2, "times", 1, -1e6, 1e6), value = host_number(L, 2, "value", NAN, -1e9, 1e9);
    size_t count = (size_t)host_number(L, 2, "count", 0, 0, (double)(of->rows * of->cols));
    read_range(L, "rows", of->rows, &r0, &r1);
    read_range(L, "cols", of->cols, &c0, &c1);
    struct shared *s = push_copy(L, of, "changed");
    if (count > 0)
        scatter(L, s, count, times);
    for (size_t i = r0; count == 0 && i < r1; i++)
        for (size_t j = c0; j < c1; j++) {
            float *x = &s->values[i * s->cols + j];
            *x = isnan(value) ? (float)(*x * times) : (float)value;
        }
    hosttensor_measure(s);
    return 1;
}

/* t:clipped { share = s } -> each row clamped to s times its largest; { limit = l }: every value clamped to l. NaN
 * stays. */
static int tensor_clipped(lua_State *L)
{
    static const char *const names[] = { "share", "limit", NULL };
    const struct shared *of = hosttensor_check(L, 1);
    host_options(L, 2, names);
    double share = host_number(L, 2, "share", 1, 0, 1), limit = host_number(L, 2, "limit", HUGE_VAL, 0, HUGE_VAL);
    struct shared *s = push_copy(L, of, "clipped");
    for (size_t i = 0; i < s->rows; i++) {
        float *row = s->values + i * s->cols, most = 0;
        for (size_t j = 0; j < s->cols; j++)
            most = fmaxf(most, fabsf(row[j]));
        most = (float)fmin((double)most * share, limit);
        for (size_t j = 0; j < s->cols; j++)
            row[j] = row[j] < -most ? -most : row[j] > most ? most : row[j];
    }
    hosttensor_measure(s);
    return 1;
}

/* t:minus(other) -> the differences: the error of a rounded tensor. */
static int tensor_minus(lua_State *L)
{
    const struct shared *of = hosttensor_check(L, 1), *other = hosttensor_check(L, 2);
    luaL_argcheck(L, other->rows == of->rows && other->cols == of->cols, 2, "of another shape");
    struct shared *s = push_copy(L, of, "difference");
    for (size_t i = 0; i < s->rows * s->cols; i++)
        s->values[i] -= other->values[i];
    hosttensor_measure(s);
    return 1;
}

/* t:shuffled() -> the same values in an order that the seed picks. */
static int tensor_shuffled(lua_State *L)
{
    struct shared *s = push_copy(L, hosttensor_check(L, 1), "shuffled");
    uint64_t seed = host_of(L)->seed;
    for (size_t i = s->rows * s->cols; i > 1; i--) {
        size_t k = (size_t)(random_uniform(seed, STREAM_MIXTURE, i) * (double)i);
        float x = s->values[i - 1];
        s->values[i - 1] = s->values[k];
        s->values[k] = x;
    }
    hosttensor_measure(s);
    host_note(host_of(L)->used_kernels, "random_uniform");
    return 1;
}

/* t:replaced(other, { columns from 1 }) -> t with these columns of `other`; other may be 0. */
static int tensor_replaced(lua_State *L)
{
    const struct shared *of = hosttensor_check(L, 1);
    const struct shared *other = lua_isnumber(L, 2) ? NULL : hosttensor_check(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_argcheck(L, !other || (other->rows == of->rows && other->cols == of->cols), 2, "of another shape");
    struct shared *s = push_copy(L, of, "columns replaced");
    for (lua_Integer k = 1; lua_rawgeti(L, 3, k) != LUA_TNIL; k++) {
        lua_Integer j = luaL_checkinteger(L, -1);
        luaL_argcheck(L, j >= 1 && (size_t)j <= s->cols, 3, "no such column");
        for (size_t i = 0; i < s->rows; i++)
            s->values[i * s->cols + (size_t)j - 1] = other ? other->values[i * s->cols + (size_t)j - 1] : 0;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    hosttensor_measure(s);
    return 1;
}

/* [-0, +1] t with column j times, or divided by, element j of the tensor at 2. */
static int scaled(lua_State *L, bool divide, const char *what)
{
    const struct shared *of = hosttensor_check(L, 1), *by = hosttensor_check(L, 2);
    luaL_argcheck(L, by->rows == 1 && by->cols == of->cols, 2, "not one factor a column");
    struct shared *s = push_copy(L, of, what);
    for (size_t i = 0; i < s->rows * s->cols; i++) {
        float factor = by->values[i % s->cols];
        s->values[i] = divide ? s->values[i] / factor : s->values[i] * factor;
    }
    hosttensor_measure(s);
    return 1;
}

/* t:multiplied(factors), t:divided(factors) -> each column by its element of a tensor of one row. */
static int tensor_multiplied(lua_State *L)
{
    return scaled(L, false, "columns multiplied");
}

static int tensor_divided(lua_State *L)
{
    return scaled(L, true, "columns divided");
}

/* t:correlated(r) -> each column is r times the one before it and sqrt(1 - r^2) times its own: columns that were
 * independent, of one size, keep that size, and correlate by r ^ distance. */
static int tensor_correlated(lua_State *L)
{
    const struct shared *of = hosttensor_check(L, 1);
    double r = luaL_checknumber(L, 2);
    luaL_argcheck(L, r >= -1 && r <= 1, 2, "a correlation is from -1 to 1");
    struct shared *s = push_copy(L, of, "correlated");
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 1; j < s->cols; j++) {
            float *x = &s->values[i * s->cols + j];
            *x = (float)(r * (double)x[-1] + sqrt(1 - r * r) * (double)x[0]);
        }
    hosttensor_measure(s);
    return 1;
}

/* t:rotated() -> each row by the Hadamard rotation of its length. */
static int tensor_rotated(lua_State *L)
{
    const struct shared *of = hosttensor_check(L, 1);
    struct hadamard h;
    if (!hadamard_exists(of->cols))
        return luaL_error(L, "no Hadamard rotation of side %d is known", (int)of->cols);
    struct shared *s = push_copy(L, of, "rotated");
    host_check(L, hadamard_make(&h, s->cols), "t:rotated");
    hadamard_rotate(&h, s->values, s->rows);
    hadamard_free(&h);
    hosttensor_measure(s);
    host_note(host_of(L)->used_kernels, "hadamard_rotate");
    return 1;
}

/* t:maxima "row" | "column" -> the largest |x| of each, as one row. */
static int tensor_maxima(lua_State *L)
{
    static const char *const parts[] = { "row", "column", NULL };
    const struct shared *s = hosttensor_check(L, 1);
    bool rows = luaL_checkoption(L, 2, "column", parts) == 0;
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, 1, rows ? s->rows : s->cols, "maxima");
    memset(t->shared->values, 0, t->shared->cols * sizeof(float));
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 0; j < s->cols; j++) {
            float *most = &t->shared->values[rows ? i : j];
            *most = fmaxf(*most, fabsf(s->values[i * s->cols + j]));
        }
    hosttensor_measure(t->shared);
    return 1;
}

/* t:count(limit) -> how many values exceed it in size; NaN does. */
static int tensor_count(lua_State *L)
{
    const struct shared *s = hosttensor_check(L, 1);
    double limit = luaL_checknumber(L, 2);
    lua_Integer count = 0;
    for (size_t i = 0; i < s->rows * s->cols; i++)
        count += !(fabs((double)s->values[i]) <= limit);
    lua_pushinteger(L, count);
    return 1;
}

struct place {
    float  size;
    size_t at;
};

static int largest_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size) - (x->size > y->size) : (x->at > y->at) - (x->at < y->at);
}

/* t:top(n) -> { { row =, col =, value = }, ... }: the n largest values by size, from 1; NaN is as large as infinity. */
static int tensor_top(lua_State *L)
{
    const struct shared *s = hosttensor_check(L, 1);
    lua_Integer n = luaL_checkinteger(L, 2);
    size_t all = s->rows * s->cols;
    luaL_argcheck(L, n >= 1 && n <= TOP_MOST && (size_t)n <= all, 2, "1 to 256 values");
    struct place *place = lua_newuserdatauv(L, all * sizeof *place, 0);
    for (size_t i = 0; i < all; i++)
        place[i] = (struct place){ isnan(s->values[i]) ? INFINITY : fabsf(s->values[i]), i };
    qsort(place, all, sizeof *place, largest_first);
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 0; i < n; i++) {
        lua_createtable(L, 0, 3);
        host_set_number(L, "value", (double)s->values[place[i].at]);
        lua_pushinteger(L, (lua_Integer)(place[i].at / s->cols) + 1);
        lua_setfield(L, -2, "row");
        lua_pushinteger(L, (lua_Integer)(place[i].at % s->cols) + 1);
        lua_setfield(L, -2, "col");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

const struct lab_function hostmatrix_methods[] = {
    { "with", tensor_with, 5 },
    { "clipped", tensor_clipped, 5 },
    { "minus", tensor_minus, 5 },
    { "shuffled", tensor_shuffled, 5 },
    { "replaced", tensor_replaced, 5 },
    { "multiplied", tensor_multiplied, 5 },
    { "divided", tensor_divided, 5 },
    { "correlated", tensor_correlated, 5 },
    { "rotated", tensor_rotated, 10 },
    { "maxima", tensor_maxima, 5 },
    { "count", tensor_count, 5 },
    { "top", tensor_top, 10 },
    { NULL, NULL, 0 },
};

/* --- products ----------------------------------------------------------------------------------------------------- */

/* lab.product(x, w) -> tensor: x [tokens, in] times w [out, in] transposed. */
static int lab_product(lua_State *L)
{
    struct host *h = host_of(L);
    struct shared *x = hosttensor_check(L, 1), *w = hosttensor_check(L, 2);
    if (x->cols != w->cols)
        return luaL_error(L, "lab.product: x has %d features, w takes %d", (int)x->cols, (int)w->cols);
    if ((double)x->rows * (double)x->cols * (double)w->rows > 4e9)
        return luaL_error(L, "lab.product: more than 4e9 products; take fewer rows");
    struct tensor_handle *t = hosttensor_push(L);
    t->shared = hosttensor_new(L, x->rows, w->rows, "product");
    host_check(L, dense_product(x->values, w->values, x->rows, w->rows, x->cols, t->shared->values, ISA_SCALAR,
                                &h->progress), "lab.product");
    hosttensor_measure(t->shared);
    host_note(h->used_kernels, "dense_product");
    return 1;
}

/* lab.compare(exact, other) -> { sqnr_db, noise, signal, relative }: sums of squares; relative is |other - exact| over
 * |exact|. */
static int lab_compare(lua_State *L)
{
    const struct shared *a = hosttensor_check(L, 1), *b = hosttensor_check(L, 2);
    double noise = 0, signal = 0;
    if (a->rows != b->rows || a->cols != b->cols)
        return luaL_error(L, "lab.compare: %dx%d and %dx%d", (int)a->rows, (int)a->cols, (int)b->rows, (int)b->cols);
    for (size_t i = 0; i < a->rows * a->cols; i++) {
        double x = (double)a->values[i], e = (double)b->values[i] - x;
        signal += x * x;
        noise += e * e;
    }
    lua_createtable(L, 0, 4);
    host_set_number(L, "noise", noise);
    host_set_number(L, "signal", signal);
    host_set_number(L, "relative", signal > 0 ? sqrt(noise / signal) : noise > 0 ? HUGE_VAL : 0);
    host_set_number(L, "sqnr_db", sqnr_db(signal, noise));
    return 1;
}

const struct lab_function hostmatrix_functions[] = {
    { "uniform", lab_uniform, 10 },
    { "laplace", lab_laplace, 10 },
    { "product", lab_product, 60 },
    { "compare", lab_compare, 5 },
    { NULL, NULL, 0 },
};
