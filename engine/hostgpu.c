/* hostgpu.c: lab.gemv and lab.attention on a GPU: the same tables as on the processor, of the card's own kernels.
 * A series is a graph of launches over rotating buffers; series take turns, so that a card that slows down slows all.
 * What is in weights and caches changes no time, so they are the arena's numbers. */
#include <stdio.h>
#include <string.h>

#include "engine/device.h"
#include "engine/hostlua.h"
#include "engine/rounds.h"
#include "engine/watch.h"
#include "kernels/gpu_quantize.h"
#include "kernels/gpu_series.h"

enum {
    GEMV_ROWS = 17408,      /* a layer of the course's model */
    GEMV_COLS = 5120,
    FEW       = 3,          /* launches of what takes milliseconds */
    QUICK     = 8,          /* a check's caches are smaller by this */
};

static const size_t ARENA = (size_t)2 << 30;

/* One thing to time: a series of either kind. */
struct item {
    const char *name;
    const struct gpu_kernel *kernel;
    bool   read;                                /* the bare read of the first item's bytes */
    struct gpu_product_series   product;
    struct gpu_attention_series attention;
    double bytes, flop;
};

struct timing {
    struct host     *host;
    struct gpu_seat *seat;                      /* held until collected, */
    enum kernel_status status;                  /* and then told how it went */
    struct gpu_arena arena;
    struct item      item[ROUNDS_SERIES];
    char             batch_name[ROUNDS_SERIES][8];
    int              count;
    struct rounds    rounds;
};

static void close_item(struct item *item)
{
    if (item->product.arena)
        gpu_product_close(&item->product);
    if (item->attention.arena)
        gpu_attention_close(&item->attention);
}

/* Gives back the memory and the card; also after a failure half way. */
static void release(struct timing *t)
{
    for (int i = 0; i < t->count; i++)
        close_item(&t->item[i]);
    if (t->arena.m)
        gpu_arena_close(&t->arena);
    if (t->seat)
        gpu_seat_give(t->seat, t->status);
    t->count = 0;
    t->arena.m = NULL;
    t->seat = NULL;
}

static int collect(lua_State *L)
{
    release(lua_touserdata(L, 1));
    return 0;
}

static bool poll_cancel(void *ctx, double fraction)
{
    (void)ctx, (void)fraction;
    return !watch_canceled();
}
static const struct progress quiet = { .tick = poll_cancel };

/* [-0, +0] Raises, with the card's own words where it failed or refused. */
static void check(lua_State *L, struct timing *t, enum kernel_status status)
{
    if (status != KERNEL_OK)
        t->status = status;
    if (status == KERNEL_GPU_FAILED || status == KERNEL_NO_KERNEL || status == KERNEL_BAD_SHAPE)
        luaL_error(L, "%s", gpu_opened()->error());
    host_check(L, status, "the GPU");
}

/* [-0, +1] An empty timing that gives the card back when collected. */
static struct timing *push_timing(lua_State *L)
{
    struct timing *t = lua_newuserdatauv(L, sizeof *t, 0);
    memset(t, 0, sizeof *t);
    t->host = host_of(L);
    t->status = KERNEL_CANCELED;        /* until all was timed */
    if (luaL_newmetatable(L, "saffron.gpu")) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    struct gpu_seat *seat = t->host->env.gpu;
    if (seat && !gpu_seat_take(seat)) {
        lua_gc(L, LUA_GCCOLLECT);       /* a timing that an error ended may still hold it */
        if (seat->g && !gpu_seat_take(seat))
            luaL_error(L, "the GPU is busy with another request");
    }
    if (!seat || !seat->g)
        luaL_error(L, "no GPU is in use: lab.machine().gpu says whether there is one");
    t->seat = seat;
    check(L, t, gpu_arena_open(&t->arena, seat->g, ARENA, &quiet));
    return t;
}

/* [-0, +0] */
static const struct gpu_kernel *kernel_for(lua_State *L, struct timing *t, enum gpu_op op, const char *format)
{
    const char *input = strcmp(format, "fp16") == 0 ? "fp16" : "bf16";
    const struct gpu_kernel *k = t->arena.m->find(t->seat->g, op, format, input);
    if (!k)
        luaL_error(L, "no kernel of the GPU does this with format '%s'", format);
    return k;
}

/* --- Timing in turns ---------------------------------------------------------------------------------------------- */

static enum kernel_status time_item(struct timing *t, struct item *item, double *ms)
{
    if (item->read)
        return gpu_arena_read(&t->arena, (size_t)item->bytes, 1, ms);
    if (item->product.arena)
        return gpu_arena_time(&t->arena, gpu_product_launch, &item->product, GPU_LAUNCHES, 1, ms);
    return gpu_arena_time(&t->arena, gpu_attention_launch, &item->attention,
                          item->kernel->op == GPU_PREFILL ? FEW : GPU_LAUNCHES, 1, ms);
}

/* [-0, +0] All items `rounds` times, in turn. */
static void time_rounds(lua_State *L, struct timing *t, int rounds)
{
    struct rounds *r = &t->rounds;
    r->series = t->count;
    for (r->kept = 0; r->kept < rounds; r->kept++) {
        for (int i = 0; i < t->count; i++) {
            double ms = 0;
            check(L, t, watch_canceled() ? KERNEL_CANCELED : time_item(t, &t->item[i], &ms));
            r->seconds[i][r->kept] = ms * 1e-3;
        }
        if (t->host->env.progress)
            t->host->env.progress(t->host->env.ctx, (r->kept + 1.0) / rounds, "timing the GPU");
    }
    t->host->timed = true;
    t->status = KERNEL_OK;
}

/* [-0, +1] An item's line of the reply. */
static void push_item(lua_State *L, const struct timing *t, int i)
{
    const struct item *item = &t->item[i];
    hosttime_series(L, &t->rounds, i, item->bytes, 1);
    host_set_string(L, "name", item->name);
    host_set_string(L, "format", item->read ? "read" : item->kernel->format);
    host_set_string(L, "kernel", item->kernel->function);
    host_set_number(L, "flops", item->flop);
    host_note(t->host->used_kernels, item->kernel->function);
}

/* [-0, +1] The reply: `count` items, and the bare read behind them as .stream where there is one. */
static int push_all(lua_State *L, struct timing *t, int count)
{
    const char *names[ROUNDS_SERIES];
    lua_createtable(L, count, 6);
    for (int i = 0; i < t->count; i++) {
        names[i] = t->item[i].name;
        push_item(L, t, i);
        if (i == count)
            lua_setfield(L, -2, "stream");
        else
            lua_rawseti(L, -2, i + 1);
    }
    host_set_string(L, "device", device_name());
    hosttime_rounds(L, &t->rounds);
    hosttime_order(L, &t->rounds, names, count);
    release(t);
    return 1;
}

/* One more item: reading as many bytes as the first one needs. */
static void add_read(struct timing *t)
{
    t->item[t->count] = (struct item){ .name = "read", .read = true, .bytes = t->item[0].bytes,
                                       .kernel = t->arena.m->find(t->seat->g, GPU_READ, NULL, NULL) };
    t->count++;
}

/* --- Products ----------------------------------------------------------------------------------------------------- */

static void add_product(lua_State *L, struct timing *t, const char *name, const char *format, int rows, int cols,
                        int batch)
{
    struct item *item = &t->item[t->count];
    item->name = name;
    item->kernel = kernel_for(L, t, GPU_GEMV, format);
    t->count++;
    check(L, t, gpu_product_open(&item->product, &t->arena, item->kernel, rows, cols, batch));
    item->bytes = (double)item->product.bytes;
    item->flop = 2.0 * rows * cols * batch;
}

/* [-0, +1] What is at [i] of the list on top. */
static int batch_at(lua_State *L, lua_Integer i)
{
    lua_rawgeti(L, -1, i);
    lua_Integer batch = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    if (batch < 1 || batch > GPU_BATCH_MOST)
        luaL_error(L, "lab.gemv: a batch on the GPU is 1 to %d", GPU_BATCH_MOST);
    return (int)batch;
}

int hostgpu_gemv(lua_State *L)
{
    struct timing *t = push_timing(L);
    int rows = (int)host_number(L, 1, "rows", GEMV_ROWS, 1, 1 << 20);
    int cols = (int)host_number(L, 1, "cols", GEMV_COLS, 128, 65536);
    int batch = (int)host_number(L, 1, "batch", 1, 1, GPU_BATCH_MOST);
    lua_Integer formats, batches = 0;
    if (lua_getfield(L, 1, "batches") == LUA_TTABLE)
        batches = (lua_Integer)lua_rawlen(L, -1);
    if (lua_getfield(L, 1, "formats") != LUA_TTABLE || (formats = (lua_Integer)lua_rawlen(L, -1)) < 1)
        return luaL_error(L, "lab.gemv needs formats: { \"bf16\", \"e4m3\" }");
    if (batches > ROUNDS_SERIES - 1 || formats > ROUNDS_SERIES - 1 || (batches > 0 && formats > 1))
        return luaL_error(L, "lab.gemv: batches go with one format, and are at most %d", ROUNDS_SERIES - 1);
    for (lua_Integer i = 0; i < (batches ? batches : formats); i++) {
        lua_rawgeti(L, -1, batches ? 1 : i + 1);
        const char *format = luaL_checkstring(L, -1);
        lua_pop(L, 1);          /* the list still holds it */
        if (batches) {
            lua_pushvalue(L, -2);
            batch = batch_at(L, i + 1);
            lua_pop(L, 1);
            snprintf(t->batch_name[i], sizeof t->batch_name[i], "%d", batch);
        }
        add_product(L, t, batches ? t->batch_name[i] : format, format, rows, cols, batch);
    }
    int count = t->count;
    add_read(t);
    time_rounds(L, t, hosttime_count(L));
    push_all(L, t, count);
    host_set_number(L, "rows", rows);
    host_set_number(L, "cols", cols);
    return 1;
}

/* --- Attention ---------------------------------------------------------------------------------------------------- */

/* [-0, +0] The case on top of the stack. */
static void add_case(lua_State *L, struct timing *t)
{
    struct item *item = &t->item[t->count];
    struct gpu_attention_shape shape = {
        .sequences = (int)host_number(L, -1, "sequences", 1, 1, GPU_SEQUENCES_MOST),
        .tokens = (int)host_number(L, -1, "tokens", 4096, 32, 1 << 20),
        .heads = (int)host_number(L, -1, "heads", 32, 1, 512),
        .kv_heads = (int)host_number(L, -1, "kv_heads", 8, 1, 256),
        .head_dim = (int)host_number(L, -1, "head_dim", 128, 32, 256),
    };
    lua_getfield(L, -1, "prefill");
    const bool prefill = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (t->host->env.quick)
        shape.tokens = shape.tokens / QUICK < 32 ? 32 : shape.tokens / QUICK;
    item->name = host_text(L, -1, "name", prefill ? "prefill" : "attention");
    item->kernel = kernel_for(L, t, prefill ? GPU_PREFILL : GPU_ATTENTION, host_text(L, -1, "format", "bf16"));
    t->count++;
    check(L, t, gpu_attention_open(&item->attention, &t->arena, item->kernel, &shape));
    item->bytes = (double)item->attention.bytes;
    item->flop = item->attention.flop;
}

int hostgpu_attention(lua_State *L)
{
    struct timing *t = push_timing(L);
    if (lua_getfield(L, 1, "cases") != LUA_TTABLE || lua_rawlen(L, -1) < 1)
        return luaL_error(L, "lab.attention needs cases: { { name = \"a\", heads = 32, kv_heads = 8 }, ... }");
    for (int i = 0; lua_rawgeti(L, -1, i + 1) == LUA_TTABLE && i < ROUNDS_SERIES - 1; i++) {
        add_case(L, t);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    int count = t->count;
    add_read(t);
    time_rounds(L, t, hosttime_count(L));
    return push_all(L, t, count);
}
