/* hostcache.c: what lessons ask of a KV cache: one kept as KIVI keeps it, and what attention makes of any rounded one.
 * What a call holds in C belongs to a userdata, so that Lua collects it however the call ends. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hostlua.h"
#include "kernels/causal.h"
#include "kernels/kivi.h"
#include "kernels/meter.h"

static const char CACHE_WORK[] = "saffron.cache";

/* --- as KIVI keeps it --------------------------------------------------------------------------------------------- */

struct cache_work {
    struct kivi cache;
    float      *exact, *rounded;    /* [queries, dim] attention's outputs */
    double     *weights;            /* [2, tokens] of one query */
};

static int collect_cache(lua_State *L)
{
    struct cache_work *work = lua_touserdata(L, 1);
    kivi_free(&work->cache);
    free(work->exact);
    free(work->rounded);
    free(work->weights);
    memset(work, 0, sizeof *work);
    return 0;
}

/* What attention makes of the cache: output, and the distance of its weights. */
static void set_attention(lua_State *L, struct cache_work *work, const struct shared *k, const struct shared *v,
                          const struct shared *q)
{
    size_t n = q->rows * q->cols;
    double kl = 0;
    work->exact = malloc(n * sizeof *work->exact);
    work->rounded = malloc(n * sizeof *work->rounded);
    work->weights = malloc(2 * k->rows * sizeof *work->weights);
    if (!work->exact || !work->rounded || !work->weights)
        luaL_error(L, "out of memory");
    for (size_t i = 0; i < q->rows; i++) {
        const float *one = q->values + i * q->cols;
        double *p = work->weights, *other = p + k->rows;
        kivi_attend(one, k->values, v->values, k->rows, q->cols, p, work->exact + i * q->cols);
        kivi_attend(one, work->cache.k, work->cache.v, k->rows, q->cols, other, work->rounded + i * q->cols);
        kl += meter_kl(p, other, k->rows);
        if (!progress_tick(&host_of(L)->progress, (double)(i + 1) / (double)q->rows))
            host_check(L, KERNEL_CANCELED, "lab.kivi");
    }
    host_set_number(L, "output_sqnr_db", meter_compare(work->exact, work->rounded, n).sqnr_db);
    host_set_number(L, "attention_kl", kl / (double)q->rows);
    host_note(host_of(L)->used_kernels, "kivi_attend");
}

static const struct format *integer_format(lua_State *L, const char *name)
{
    const struct format *f = format_find(name), *near = f ? NULL : format_nearest(name);
    if (!f)
        luaL_error(L, near ? "unknown format '%s'; did you mean '%s'?" : "unknown format '%s'", name,
                   near ? near->name : "");
    return f;
}

/* lab.kivi { k =, v =, format = "int2", group = 32, residual = 128, q = } -> { k_sqnr_db, v_sqnr_db, bits_per_value,
 * k_bits, v_bits, k_residual, v_residual, k, v }, with queries q [queries, dim] also output_sqnr_db and attention_kl
 * (nats a query). One head: k and v are [tokens, dim]. */
static int lab_kivi(lua_State *L)
{
    static const char *const names[] = { "k", "v", "format", "group", "residual", "q", NULL };
    host_options(L, 1, names);
    struct shared *k = hosttensor_option(L, 1, "k"), *v = hosttensor_option(L, 1, "v");
    struct shared *q = hosttensor_maybe(L, 1, "q");
    const struct kivi_recipe recipe = {
        .format = integer_format(L, host_text(L, 1, "format", "int2")),
        .group = (size_t)host_number(L, 1, "group", 32, 1, 65536),
        .residual = (size_t)host_number(L, 1, "residual", 128, 0, 1 << 20),
    };
    if (k->rows != v->rows || k->cols != v->cols || (q && q->cols != k->cols))
        return luaL_error(L, "lab.kivi: k and v are [tokens, dim] of one head, q is [queries, dim]");
    if (recipe.format->kind != FORMAT_INTEGER || recipe.format->block || recipe.format->bits > 8)
        return luaL_error(L, "lab.kivi rounds to an integer format, '%s' is none", recipe.format->name);
    if (recipe.residual % recipe.group)
        return luaL_error(L, "lab.kivi: residual is a multiple of group");
    struct cache_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    memset(work, 0, sizeof *work);
    luaL_setmetatable(L, CACHE_WORK);
    host_check(L, kivi_round(k->values, v->values, k->rows, k->cols, &recipe, &work->cache), "lab.kivi");
    lua_createtable(L, 0, 12);
    size_t n = k->rows * k->cols;
    host_set_number(L, "k_sqnr_db", meter_compare(k->values, work->cache.k, n).sqnr_db);
    host_set_number(L, "v_sqnr_db", meter_compare(v->values, work->cache.v, n).sqnr_db);
    host_set_number(L, "k_bits", work->cache.k_bits);
    host_set_number(L, "v_bits", work->cache.v_bits);
    host_set_number(L, "bits_per_value", work->cache.bits);
    host_set_number(L, "k_residual", (double)work->cache.k_residual);
    host_set_number(L, "v_residual", (double)work->cache.v_residual);
    hosttensor_push_copy(L, work->cache.k, k->rows, k->cols, "K as KIVI keeps it");
    lua_setfield(L, -2, "k");
    hosttensor_push_copy(L, work->cache.v, v->rows, v->cols, "V as KIVI keeps it");
    lua_setfield(L, -2, "v");
    if (q)
        set_attention(L, work, k, v, q);
    host_note(host_of(L)->used_kernels, "kivi_round");
    return 1;
}

/* --- what attention makes of it ----------------------------------------------------------------------------------- */

/* A tensor whose values are all numbers, or an error that names the option. */
static const struct shared *all_numbers(lua_State *L, const struct shared *x, const char *name)
{
    if (x->nonfinite)
        luaL_error(L, "lab.attend: %s has values that are NaN or infinite", name);
    return x;
}

/* The rounded side of the cache in option `name`, or the exact one where there is none. */
static const struct shared *rounded_option(lua_State *L, const char *name, const struct shared *exact)
{
    const struct shared *x = hosttensor_maybe(L, 1, name);
    if (x && (x->rows != exact->rows || x->cols != exact->cols))
        luaL_error(L, "lab.attend: %s is %dx%d, and what it was rounded from %dx%d", name, (int)x->rows, (int)x->cols,
                   (int)exact->rows, (int)exact->cols);
    return x ? all_numbers(L, x, name) : exact;
}

/* Raises unless the shapes go together. */
static void check_heads(lua_State *L, const struct shared *q, const struct shared *k, const struct shared *v,
                        size_t heads, size_t kv_heads)
{
    if (heads % kv_heads)
        luaL_error(L, "lab.attend: heads is a multiple of kv_heads, %d is none of %d", (int)heads, (int)kv_heads);
    if (k->rows != v->rows || k->cols != v->cols || k->cols % kv_heads || q->cols % heads ||
        q->cols / heads != k->cols / kv_heads)
        luaL_error(L, "lab.attend: q is [queries, heads x dim], k and v are [tokens, kv_heads x dim]; here %dx%d, %dx%d"
                   " and %dx%d, with %d and %d heads", (int)q->rows, (int)q->cols, (int)k->rows, (int)k->cols,
                   (int)v->rows, (int)v->cols, (int)heads, (int)kv_heads);
    if (q->rows > k->rows)
        luaL_error(L, "lab.attend: q has %d rows, but k only %d tokens", (int)q->rows, (int)k->rows);
}

/* lab.attend { q =, k =, v =, rounded_k =, rounded_v =, heads = 1, kv_heads = heads } -> { kl, relative, sqnr_db,
 * queries, weights }. The rows of q are the newest tokens; each sees the tokens up to its own. */
static int lab_attend(lua_State *L)
{
    static const char *const names[] = { "q", "k", "v", "rounded_k", "rounded_v", "heads", "kv_heads", NULL };
    struct causal_change change;
    host_options(L, 1, names);
    const struct shared *q = all_numbers(L, hosttensor_option(L, 1, "q"), "q");
    const struct shared *k = all_numbers(L, hosttensor_option(L, 1, "k"), "k");
    const struct shared *v = all_numbers(L, hosttensor_option(L, 1, "v"), "v");
    size_t heads = (size_t)host_number(L, 1, "heads", 1, 1, 1024);
    size_t kv_heads = (size_t)host_number(L, 1, "kv_heads", (double)heads, 1, 1024);
    check_heads(L, q, k, v, heads, kv_heads);
    const struct shared *other_k = rounded_option(L, "rounded_k", k), *other_v = rounded_option(L, "rounded_v", v);
    if (other_k == k && other_v == v)
        return luaL_error(L, "lab.attend: give rounded_k, rounded_v or both, decoded: .values of lab.quantize");
    const struct causal task = { q->rows, k->rows, heads, kv_heads, k->cols / kv_heads, q->values, k->values,
                                 v->values };
    lua_createtable(L, 0, 5);
    struct tensor_handle *t = hosttensor_push(L);
    struct shared *weights = t->shared = hosttensor_new(L, 1, k->rows, "attention's weights");
    host_check(L, causal_compare(&task, other_k->values, other_v->values, weights->values, &host_of(L)->progress,
                                 &change), "lab.attend");
    hosttensor_measure(weights);
    lua_setfield(L, -2, "weights");
    double signal = change.output.signal, noise = change.output.noise;
    host_set_number(L, "kl", change.kl);
    host_set_number(L, "relative", signal > 0 ? sqrt(noise / signal) : noise > 0 ? HUGE_VAL : 0);
    host_set_number(L, "sqnr_db", change.output.sqnr_db);
    host_set_number(L, "queries", (double)q->rows);
    host_note(host_of(L)->used_kernels, "causal_compare");
    return 1;
}

const struct lab_function hostcache_functions[] = {
    { "kivi", lab_kivi, 60 },
    { "attend", lab_attend, 120 },
    { NULL, NULL, 0 },
};

void hostcache_open(lua_State *L)
{
    hostlib_add_type(L, CACHE_WORK, NULL, collect_cache);
}
