/* hosttime.c: the functions of `lab` that time this machine: products, attention, reading memory.
 * One core unless asked for more, in rounds (rounds.h): medians with their middle half, the order with its ties, and a
 * word when the machine is too noisy to judge a guess by. In a check rounds are few and matrices small. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/hostlua.h"
#include "engine/rounds.h"
#include "engine/timedsize.h"
#include "engine/watch.h"
#include "kernels/attention.h"
#include "kernels/format.h"
#include "kernels/kernel.h"
#include "kernels/pool.h"
#include "kernels/random.h"

enum {
    FORMATS_MOST = 8,
    ROUNDS_LEAST = 3,
    GEMV_COLS    = 4096,  /* x, 16 KiB in FP32, stays in the first cache, so that only the weights are waited for */
    GEMV_SEED    = 1,     /* what is in the matrix does not matter to its time */
    BATCH_MOST   = 256,
    THREADS_MOST = 64,
    QUICK        = 8,     /* a check's matrices are smaller by this */
    READS        = 15,
    CHECKED_TOKENS = 128, /* of the cache that an output's error is measured on */
};
#define TIMED_SECONDS 6.0  /* rounds stop here, after the least */

static bool poll_cancel(void *ctx, double fraction)
{
    (void)ctx, (void)fraction;
    return !watch_canceled();
}
static const struct progress quiet = { .tick = poll_cancel };

/* --- what was measured -------------------------------------------------------------------------------------------- */

void hosttime_rounds(lua_State *L, const struct rounds *r)
{
    char why[160];
    host_set_number(L, "rounds", r->kept);
    host_set_number(L, "dropped", r->dropped);
    snprintf(why, sizeof why, "other work keeps this machine busy (%d of %d rounds were interrupted, or their times lie"
             " far apart). n measures again.", r->dropped, r->kept + r->dropped);
    if (rounds_noisy(r))
        host_set_string(L, "noisy", why);
}

void hosttime_order(lua_State *L, const struct rounds *r, const char *const *names, int n)
{
    int order[ROUNDS_SERIES];
    bool tied[ROUNDS_SERIES] = { false };
    rounds_order(r, n, order, tied);
    lua_createtable(L, n, 0);
    for (int k = 0; k < n; k++) {
        lua_pushstring(L, names[order[k]]);
        lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "order");
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (int k = 0; k < n; k++) {
        luaL_addstring(&text, names[order[k]]);
        if (k + 1 < n)
            luaL_addchar(&text, tied[k] ? '=' : ' ');
    }
    luaL_pushresult(&text);
    lua_setfield(L, -2, "ties");
}

static void set_spread(lua_State *L, struct spread s, const char *median, const char *low, const char *high)
{
    host_set_number(L, median, s.median);
    host_set_number(L, low, s.low);
    host_set_number(L, high, s.high);
}

void hosttime_series(lua_State *L, const struct rounds *r, int i, double bytes, int repeat)
{
    lua_createtable(L, 0, 12);
    struct spread s = rounds_seconds(r, i);
    s = (struct spread){ s.median / repeat, s.low / repeat, s.high / repeat };
    set_spread(L, s, "seconds", "low", "high");
    set_spread(L, rounds_ratio(r, 0, i), "times", "times_low", "times_high");
    host_set_number(L, "fastest", rounds_fastest(r, i) / repeat);
    host_set_number(L, "bytes", bytes);
    host_set_number(L, "gb_per_s", bytes / s.median * 1e-9);
}

static void tell(void *ctx, double share)
{
    struct host *h = *(struct host **)ctx;
    if (h->env.progress)
        h->env.progress(h->env.ctx, share, "timing this machine");
}

int hosttime_count(lua_State *L)
{
    int rounds = (int)host_number(L, 1, "rounds", 11, ROUNDS_LEAST, ROUNDS_MOST);
    return host_of(L)->env.quick ? ROUNDS_LEAST : rounds;
}

/* How a call computes: polls for a cancel, with the threads of option `threads` (1). Owned by who keeps it. */
static struct progress threads_of(lua_State *L)
{
    int threads = (int)host_number(L, 1, "threads", 1, 1, THREADS_MOST);
    return (struct progress){ .tick = poll_cancel, .pool = pool_open(threads) };
}

/* --- products ----------------------------------------------------------------------------------------------------- */

/* Matrices are kept as long as the learner turns the knobs of one step: making them takes longer than timing them. */
static struct matrix kept[FORMATS_MOST];
static size_t        kept_count;

static void forget_matrices(void)
{
    while (kept_count > 0)
        matrix_free(&kept[--kept_count]);
}

void host_forget(void)
{
    forget_matrices();
    hostquality_forget();
}

struct timed {
    const char          *name;       /* as asked: "int4-naive"; the batch, where those differ */
    const struct kernel *kernel;
    const struct matrix *matrix;
    size_t               rows;       /* of the matrix that are computed: the first */
    size_t               batch;
};

struct timing {
    struct host *host;               /* first: what tell() reads */
    struct timed item[ROUNDS_SERIES];
    char         batch_name[ROUNDS_SERIES][8];
    int          count;              /* the read loop comes after them */
    size_t       rows, cols, batch;  /* the largest batch */
    struct progress how;
    int          repeat;             /* times that each is computed in a round: small ones are over too soon */
    float       *x, *y;
    enum kernel_status status;
    struct rounds rounds;
};

static int collect_timing(lua_State *L)
{
    struct timing *t = lua_touserdata(L, 1);
    free(t->x);
    free(t->y);
    t->x = t->y = NULL;
    pool_close(t->how.pool);
    t->how.pool = NULL;
    return 0;
}

/* [-0, +1] An empty one that Lua owns. */
static struct timing *push_timing(lua_State *L)
{
    struct timing *t = lua_newuserdatauv(L, sizeof *t, 0);
    memset(t, 0, sizeof *t);
    t->host = host_of(L);
    if (luaL_newmetatable(L, "saffron.timing")) {
        lua_pushcfunction(L, collect_timing);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return t;
}

static size_t default_rows(lua_State *L, size_t cols, struct timedsize_bytes bytes)
{
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    size_t cache = cpu_info()->last_cache_bytes / (host_of(L)->env.quick ? QUICK : 1);
    return timedsize_rows(cache, memory, cols, bytes);
}

/* Whoever needs `count` at once makes room first: what is kept moves or goes only here. */
static void make_room(size_t count)
{
    if (kept_count + count > FORMATS_MOST)
        forget_matrices();
}

static const struct matrix *matrix_for(lua_State *L, const struct format *f, size_t rows, size_t cols)
{
    for (size_t i = 0; i < kept_count; i++)
        if (kept[i].format == f && kept[i].rows == rows && kept[i].cols == cols)
            return &kept[i];
    host_check(L, matrix_seeded(&kept[kept_count], f, rows, cols, GEMV_SEED, 0.02, &quiet), "lab.gemv");
    return &kept[kept_count++];
}

/* The kernel of "int4-naive", the format by the naive loop, or of "e4m3:bf16", the format with these activations. */
static void read_format(lua_State *L, struct timed *item)
{
    char name[32];
    size_t n = strcspn(item->name, ":");
    const char *naive = strstr(item->name, "-naive"), *input = item->name[n] ? item->name + n + 1 : NULL;
    snprintf(name, sizeof name, "%.*s", (int)(naive ? naive - item->name : (ptrdiff_t)n), item->name);
    for (int a = 0; input && a < ACTIVATIONS; a++)
        if (strcmp(input, activation_name((enum activation)a)) == 0)
            item->kernel = kernel_find_product(name, (enum activation)a, host_isa(host_of(L)));
    if (!input)
        item->kernel = kernel_find(naive ? KERNEL_GEMV_NAIVE : KERNEL_GEMV, name, host_isa(host_of(L)));
    if (!item->kernel)
        luaL_error(L, "lab.gemv: no kernel for format '%s'", item->name);
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
        t->item[i] = (struct timed){ .name = lua_tostring(L, -1), .batch = t->batch }; /* the table keeps it */
        lua_pop(L, 1);
        read_format(L, &t->item[i]);
    }
    t->count = (int)n;
    lua_pop(L, 1);
}

/* batches = { 1, 4, 16 }: the one format is timed at each. */
static void read_batches(lua_State *L, struct timing *t)
{
    if (lua_getfield(L, 1, "batches") == LUA_TTABLE) {
        struct timed one = t->item[0];
        size_t n = lua_rawlen(L, -1);
        if (t->count != 1 || n < 1 || n >= ROUNDS_SERIES)
            luaL_error(L, "lab.gemv: batches go with one format, and are at most %d", ROUNDS_SERIES - 1);
        t->count = (int)n;
        for (size_t i = 0; i < n; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
            lua_Integer batch = luaL_checkinteger(L, -1);
            lua_pop(L, 1);
            if (batch < 1 || batch > BATCH_MOST)
                luaL_error(L, "lab.gemv: a batch is 1 to %d", BATCH_MOST);
            t->item[i] = one;
            t->item[i].batch = (size_t)batch;
            snprintf(t->batch_name[i], sizeof t->batch_name[i], "%d", (int)batch);
            t->item[i].name = t->batch_name[i];
            t->batch = (size_t)batch > t->batch ? (size_t)batch : t->batch;
        }
    }
    lua_pop(L, 1);
}

static size_t computed_rows(const struct timing *t, const struct timed *item)
{
    bool plain = item->kernel->op == KERNEL_GEMV_NAIVE;
    double most = plain ? TIMEDSIZE_PLAIN : TIMEDSIZE_PRODUCTS / (double)item->batch;
    return timedsize_part(t->rows, t->cols, most / (t->host->env.quick ? QUICK : 1));
}

static void prepare(lua_State *L, struct timing *t)
{
    const struct matrix *widest = NULL;
    make_room((size_t)(t->count < FORMATS_MOST ? t->count : FORMATS_MOST)); /* batches share one */
    for (int i = 0; i < t->count; i++) {
        t->item[i].matrix = matrix_for(L, format_find(t->item[i].kernel->format), t->rows, t->cols);
        t->item[i].rows = computed_rows(t, &t->item[i]);
        if (!widest || t->item[i].matrix->bytes > widest->bytes)
            widest = t->item[i].matrix;
    }
    t->item[t->count] = (struct timed){ .name = "read", .matrix = widest, .rows = t->rows,
                                        .kernel = kernel_find(KERNEL_READ, NULL, host_isa(host_of(L))) };
    t->x = malloc(t->batch * t->cols * sizeof(float));
    t->y = malloc(t->batch * t->rows * sizeof(float));
    if (!t->x || !t->y || !t->item[t->count].kernel)
        luaL_error(L, "out of memory");
    random_gaussian(t->x, t->batch * t->cols, GEMV_SEED + 1, 1);
}

static size_t read_bytes(const struct matrix *m)
{
    return m->rows * m->stride / 4096 * 4096;
}

static bool run_gemv(void *ctx, int i)
{
    struct timing *t = ctx;
    const struct timed *item = &t->item[i];
    struct matrix first = *item->matrix;
    first.rows = item->rows;
    for (int k = 0; k < t->repeat && t->status == KERNEL_OK; k++)
        if (item->kernel->op == KERNEL_READ)
            (void)item->kernel->read(item->matrix->codes, read_bytes(item->matrix));
        else
            t->status = gemv(item->kernel, &first, t->x, item->batch, t->y, &t->how);
    if (watch_canceled())
        t->status = KERNEL_CANCELED;
    return t->status == KERNEL_OK;
}

static struct timedsize_bytes packed_bytes(const struct timing *t)
{
    struct timedsize_bytes bytes = { HUGE_VAL, 0 };
    for (int i = 0; i < t->count; i++) {
        double one = format_find(t->item[i].kernel->format)->bits / 8.0;
        bytes = (struct timedsize_bytes){ fmin(bytes.narrowest, one), bytes.all + one };
    }
    return bytes;
}

/* [-0, +1] */
static void push_products(lua_State *L, const struct timing *t)
{
    const char *names[ROUNDS_SERIES];
    lua_createtable(L, t->count, 8);
    for (int i = 0; i <= t->count; i++) {
        const struct timed *item = &t->item[i];
        bool read = i == t->count;
        names[i] = item->name;
        hosttime_series(L, &t->rounds, i, (double)(read ? read_bytes(item->matrix) : item->matrix->bytes),
                    t->repeat);
        host_set_string(L, "format", item->name);
        host_set_number(L, "timed_rows", (double)item->rows);
        host_set_string(L, "kernel", item->kernel->function);
        if (!read) {
            host_set_string(L, "activations", activation_name(item->kernel->activation));
            host_set_string(L, "granularity", activation_granularity(item->kernel->activation));
        }
        host_set_number(L, "flops", read ? 0 : 2 * (double)t->rows * (double)t->cols * (double)item->batch);
        host_note(host_of(L)->used_kernels, item->kernel->function);
        if (read)
            lua_setfield(L, -2, "stream");
        else
            lua_rawseti(L, -2, i + 1);
    }
    host_set_number(L, "rows", (double)t->rows);
    host_set_number(L, "cols", (double)t->cols);
    hosttime_rounds(L, &t->rounds);
    hosttime_order(L, &t->rounds, names, t->count);
}

/* lab.gemv { formats = { "fp16", "int4", "e4m3:bf16", "int4-naive" }, rows =, cols =, batch = 1 | batches = { 1, 16 },
 * rounds = 11, repeat = 1, threads = 1 } -> { { format, activations, granularity, seconds, low, high, fastest, times,
 * times_low, times_high, bytes, gb_per_s, flops, kernel, timed_rows }, ..., stream = the read loop (one thread), rows,
 * cols, rounds, dropped, noisy, order, ties }. Rounding the activations is timed. Plain loops and large batches are
 * timed on the first timed_rows of a large matrix; their times are scaled to all. */
static int lab_gemv(lua_State *L)
{
    static const char *const names[] = { "formats", "rows", "cols", "batch", "batches", "rounds", "repeat",
                                         "threads", "device", NULL };
    host_options(L, 1, names);
    if (strcmp(host_text(L, 1, "device", "cpu"), "cuda") == 0)
        return hostgpu_gemv(L);
    struct timing *t = push_timing(L);
    t->how = threads_of(L);
    t->batch = (size_t)host_number(L, 1, "batch", 1, 1, BATCH_MOST);
    t->repeat = (int)host_number(L, 1, "repeat", 1, 1, 10000);
    read_formats(L, t);
    struct timedsize_bytes bytes = packed_bytes(t);
    read_batches(L, t);
    t->cols = (size_t)host_number(L, 1, "cols", GEMV_COLS, 128, 65536);
    t->rows = (size_t)host_number(L, 1, "rows", (double)default_rows(L, t->cols, bytes), 1, 1 << 24);
    if ((double)t->rows * (double)t->cols > TIMEDSIZE_WEIGHTS)
        return luaL_error(L, "lab.gemv: more than 1e9 weights");
    prepare(L, t);
    t->rounds.alone = pool_threads(t->how.pool) == 1;
    if (!rounds_time(&t->rounds, t->count + 1, hosttime_count(L), TIMED_SECONDS, run_gemv, t, tell))
        host_check(L, t->status, "lab.gemv");
    for (int i = 0; i < t->count; i++)
        rounds_scale(&t->rounds, i, (double)t->rows / (double)t->item[i].rows);
    t->host->timed = true;
    push_products(L, t);
    return 1;
}

/* --- attention ---------------------------------------------------------------------------------------------------- */

struct looks {
    struct host     *host;           /* first: what tell() reads */
    int              count;
    const char      *name[ROUNDS_SERIES];
    const struct kernel *kernel[ROUNDS_SERIES];
    struct kvcache   cache[ROUNDS_SERIES];
    size_t           heads[ROUNDS_SERIES];
    float           *q, *y;
    struct progress  how;
    enum kernel_status status;
    struct rounds    rounds;
};

static int collect_looks(lua_State *L)
{
    struct looks *t = lua_touserdata(L, 1);
    for (int i = 0; i < t->count; i++)
        kvcache_free(&t->cache[i]);
    t->count = 0;
    free(t->q);
    free(t->y);
    t->q = t->y = NULL;
    pool_close(t->how.pool);
    t->how.pool = NULL;
    return 0;
}

/* The case on top of the stack: { name =, heads =, kv_heads =, head_dim =, tokens =, format = "bf16" }. */
static void read_look(lua_State *L, struct looks *t, int i)
{
    struct host *h = t->host;
    const struct format *f = format_find(host_text(L, -1, "format", "bf16"));
    struct kvcache_shape shape = {
        .sequences = 1, .heads = (size_t)host_number(L, -1, "kv_heads", 8, 1, 256),
        .head_dim = (size_t)host_number(L, -1, "head_dim", 128, 32, KVCACHE_DIM_MOST),
        .tokens = (size_t)host_number(L, -1, "tokens", 4096, 32, 1 << 20),
    };
    if (h->env.quick)
        shape.tokens = shape.tokens / QUICK < 32 ? 32 : shape.tokens / QUICK;
    t->name[i] = host_text(L, -1, "name", "attention");
    t->heads[i] = (size_t)host_number(L, -1, "heads", 32, 1, 512);
    t->kernel[i] = f ? kernel_find(KERNEL_ATTENTION, f->name, host_isa(h)) : NULL;
    if (!t->kernel[i])
        luaL_error(L, "lab.attention: no kernel for this format");
    t->count = i + 1;
    host_check(L, kvcache_seeded(&t->cache[i], f, &shape, GEMV_SEED, &quiet), "lab.attention");
}

static void prepare_looks(lua_State *L, struct looks *t)
{
    size_t most = 0;
    for (int i = 0; i < t->count; i++) {
        size_t n = t->heads[i] * t->cache[i].shape.head_dim;
        most = n > most ? n : most;
    }
    t->q = malloc(most * sizeof *t->q);
    t->y = malloc(most * sizeof *t->y);
    if (!t->q || !t->y)
        luaL_error(L, "out of memory");
    random_gaussian(t->q, most, GEMV_SEED + 1, 1);
}

static bool run_attention(void *ctx, int i)
{
    struct looks *t = ctx;
    struct attention a = { .cache = &t->cache[i], .heads = t->heads[i], .q = t->q,
                           .scale = 1 / sqrtf((float)t->cache[i].shape.head_dim) };
    t->status = attention(t->kernel[i], &a, t->y, &t->how);
    if (watch_canceled())
        t->status = KERNEL_CANCELED;
    return t->status == KERNEL_OK;
}

/* The output of a case's kernel over a short cache of its format, against FP64 over the same numbers in BF16: dB. What
 * is left of BF16's own case is the kernel's error. */
static enum kernel_status look_error(const struct looks *t, int i, double *db)
{
    struct kvcache_shape shape = t->cache[i].shape;
    shape.tokens = shape.tokens < CHECKED_TOKENS ? shape.tokens : CHECKED_TOKENS;
    size_t n = t->heads[i] * shape.head_dim;
    double *exact = malloc(n * sizeof *exact), signal = 0, noise = 0;
    struct kvcache cache = { 0 }, wide = { 0 };
    enum kernel_status status = kvcache_seeded(&cache, t->cache[i].format, &shape, GEMV_SEED, &quiet);
    if (status == KERNEL_OK)
        status = kvcache_seeded(&wide, format_find("bf16"), &shape, GEMV_SEED, &quiet);
    struct attention a = { .cache = &wide, .heads = t->heads[i], .q = t->q,
                           .scale = 1 / sqrtf((float)shape.head_dim) };
    if (status == KERNEL_OK)
        status = exact ? attention_exact(&a, exact, NULL) : KERNEL_NO_MEMORY;
    a.cache = &cache;
    if (status == KERNEL_OK)
        status = attention(t->kernel[i], &a, t->y, &t->how);
    for (size_t k = 0; status == KERNEL_OK && k < n; k++) {
        signal += exact[k] * exact[k];
        noise += ((double)t->y[k] - exact[k]) * ((double)t->y[k] - exact[k]);
    }
    *db = sqnr_db(signal, noise);
    kvcache_free(&cache);
    kvcache_free(&wide);
    free(exact);
    return status;
}

/* lab.attention { cases = { { name =, heads =, kv_heads =, head_dim =, tokens =, format = "bf16" }, ... },
 * rounds = 11, threads = 1 } -> a timing for each, with name, flops, kernel and output_sqnr_db (of Gaussian keys and
 * values), and rounds, dropped, noisy, order, ties: one new token looks back. */
static int lab_attention(lua_State *L)
{
    static const char *const names[] = { "cases", "rounds", "threads", "device", NULL };
    host_options(L, 1, names);
    if (strcmp(host_text(L, 1, "device", "cpu"), "cuda") == 0)
        return hostgpu_attention(L);
    struct looks *t = lua_newuserdatauv(L, sizeof *t, 0);
    memset(t, 0, sizeof *t);
    t->host = host_of(L);
    if (luaL_newmetatable(L, "saffron.looks")) {
        lua_pushcfunction(L, collect_looks);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    t->how = threads_of(L);
    if (lua_getfield(L, 1, "cases") != LUA_TTABLE)
        return luaL_error(L, "lab.attention needs cases: { { name = \"a\", heads = 32, kv_heads = 8 }, ... }");
    for (int i = 0; lua_rawgeti(L, -1, i + 1) == LUA_TTABLE && i < ROUNDS_SERIES; i++) {
        read_look(L, t, i);
        lua_pop(L, 1);
    }
    prepare_looks(L, t);
    t->rounds.alone = pool_threads(t->how.pool) == 1;
    if (!rounds_time(&t->rounds, t->count, hosttime_count(L), TIMED_SECONDS, run_attention, t, tell))
        host_check(L, t->status, "lab.attention");
    t->host->timed = true;
    lua_createtable(L, t->count, 4);
    for (int i = 0; i < t->count; i++) {
        const struct kvcache *c = &t->cache[i];
        double db = 0;
        host_check(L, look_error(t, i, &db), "lab.attention");
        hosttime_series(L, &t->rounds, i, (double)c->bytes, 1);
        host_set_string(L, "name", t->name[i]);
        host_set_number(L, "output_sqnr_db", db);
        host_set_string(L, "kernel", t->kernel[i]->function);
        host_set_number(L, "flops", 4.0 * (double)t->heads[i] * (double)c->shape.head_dim * (double)c->shape.tokens);
        host_note(t->host->used_kernels, t->kernel[i]->function);
        lua_rawseti(L, -2, i + 1);
    }
    hosttime_rounds(L, &t->rounds);
    hosttime_order(L, &t->rounds, t->name, t->count);
    return 1;
}

/* --- reading memory ----------------------------------------------------------------------------------------------- */

struct reader {
    const struct kernel *kernel;
    const uint8_t       *from;
    size_t               bytes;
};

static void *run_reader(void *arg)
{
    struct reader *r = arg;
    (void)r->kernel->read(r->from, r->bytes);
    return NULL;
}

struct reading {
    struct host  *host;              /* first: what tell() reads */
    struct reader reader[THREADS_MOST];
    int           threads;
};

static bool run_reading(void *ctx, int i)
{
    struct reading *r = ctx;
    pthread_t thread[THREADS_MOST];
    int started = 1;
    (void)i;
    while (started < r->threads && pthread_create(&thread[started], NULL, run_reader, &r->reader[started]) == 0)
        started++;
    for (int k = started; k < r->threads; k++)
        run_reader(&r->reader[k]); /* no more threads: slower, and honest */
    run_reader(&r->reader[0]);
    for (int k = 1; k < started; k++)
        pthread_join(thread[k], NULL);
    return !watch_canceled();
}

/* lab.read { threads = all } -> { gb_per_s, bytes, threads, seconds, low, high, noisy }: how fast memory is read,
 * by the fastest of 15 passes over more than the caches hold. */
static int lab_read(lua_State *L)
{
    static const char *const names[] = { "threads", NULL };
    struct host *h = host_of(L);
    host_options(L, 1, names);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct reading r = { .host = h };
    struct rounds rounds;
    r.threads = (int)host_number(L, 1, "threads", (double)(cores < THREADS_MOST ? cores : THREADS_MOST), 1,
                                 THREADS_MOST);
    size_t cols = 65536, rows = default_rows(L, cols, (struct timedsize_bytes){ 1, 1 });
    size_t most = (size_t)sysconf(_SC_PHYS_PAGES) / 4 * (size_t)sysconf(_SC_PAGESIZE) / cols;
    size_t least = h->env.quick ? 512 : 8192; /* 512 MiB, or four times the caches */
    rows = rows < least ? least : rows;
    rows = rows > most ? most : rows;
    make_room(1);
    const struct matrix *m = matrix_for(L, format_find("int8"), rows, cols);
    const struct kernel *kernel = kernel_find(KERNEL_READ, NULL, host_isa(h));
    size_t share = read_bytes(m) / (size_t)r.threads / 4096 * 4096;
    for (int i = 0; i < r.threads; i++)
        r.reader[i] = (struct reader){ kernel, (const uint8_t *)m->codes + (size_t)i * share, share };
    rounds.alone = r.threads == 1;
    if (!rounds_time(&rounds, 1, h->env.quick ? ROUNDS_LEAST : READS, TIMED_SECONDS, run_reading, &r, tell))
        host_check(L, KERNEL_CANCELED, "lab.read");
    double bytes = (double)share * r.threads;
    h->timed = true;
    hosttime_series(L, &rounds, 0, bytes, 1);
    host_set_number(L, "gb_per_s", bytes / rounds_fastest(&rounds, 0) * 1e-9);
    host_set_number(L, "threads", r.threads);
    hosttime_rounds(L, &rounds);
    host_note(h->used_kernels, kernel->function);
    return 1;
}

const struct lab_function hosttime_functions[] = {
    { "gemv", lab_gemv, 120 },
    { "attention", lab_attention, 120 },
    { "read", lab_read, 60 },
    { NULL, NULL, 0 },
};
