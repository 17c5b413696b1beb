/* hostcard.c: the GPU that --device opened, timed for lessons: products at several batches, and what its memory gives.
 * The same tables as hosttime.c's for one core, medians over a graph of launches; nil without a GPU, so that a lesson
 * shows the card where there is one. */
#include <stdio.h>
#include <string.h>

#include "engine/device.h"
#include "engine/hostlua.h"
#include "engine/watch.h"
#include "kernels/gpu_arena.h"
#include "kernels/gpu_quantize.h"
#include "kernels/gpu_series.h"

enum { CARD_ROWS = 17408, CARD_COLS = 5120, FORMATS_MOST = 8, BATCHES_MOST = 8, READ_BYTES = 256 << 20, ROUNDS = 11 };

static const size_t ARENA = (size_t)3 << 30;

static const char ARENA_WORK[] = "saffron.arena";

static int collect_arena(lua_State *L)
{
    gpu_arena_close(lua_touserdata(L, 1));
    memset(lua_touserdata(L, 1), 0, sizeof(struct gpu_arena));
    return 0;
}

/* [-0, +1] An arena that Lua owns. */
static struct gpu_arena *push_arena(lua_State *L, struct gpu *g)
{
    struct gpu_arena *a = lua_newuserdatauv(L, sizeof *a, 0);
    memset(a, 0, sizeof *a);
    if (luaL_newmetatable(L, ARENA_WORK)) {
        lua_pushcfunction(L, collect_arena);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    host_check(L, gpu_arena_open(a, g, ARENA, NULL), "lab.card");
    return a;
}

static int rounds_of(const struct host *h)
{
    return h->env.quick ? 3 : ROUNDS;
}

/* What is asked for. */
struct plan {
    const char *format[FORMATS_MOST];  /* the options table keeps them */
    int formats, batch[BATCHES_MOST], batches;
};

static struct plan read_plan(lua_State *L)
{
    struct plan p = { .formats = 0 };
    if (lua_getfield(L, 1, "formats") != LUA_TTABLE || lua_getfield(L, 1, "batches") != LUA_TTABLE)
        luaL_error(L, "lab.card needs formats and batches: { formats = { \"bf16\" }, batches = { 1, 16 } }");
    while (p.formats < FORMATS_MOST && lua_rawgeti(L, -2, p.formats + 1) == LUA_TSTRING) {
        p.format[p.formats++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_settop(L, 3);
    while (p.batches < BATCHES_MOST && lua_rawgeti(L, -1, p.batches + 1) == LUA_TNUMBER) {
        p.batch[p.batches] = (int)lua_tointeger(L, -1);
        if (p.batch[p.batches] < 1 || p.batch[p.batches] > GPU_BATCH_MOST)
            luaL_error(L, "lab.card: a batch is 1 to %d", GPU_BATCH_MOST);
        p.batches++;
        lua_pop(L, 1);
    }
    lua_settop(L, 1);
    return p;
}

/* One format at each batch; ms[batches]. */
static enum kernel_status time_format(const struct gpu_arena *a, const struct gpu_kernel *k, const struct plan *p,
                                      int rounds, size_t *bytes, double *ms)
{
    struct gpu_product_series s;
    enum kernel_status status = gpu_product_open(&s, a, k, CARD_ROWS, CARD_COLS, 1);
    *bytes = s.bytes;
    for (int i = 0; status == KERNEL_OK && i < p->batches; i++) {
        s.work.batch = p->batch[i];
        status = watch_canceled() ? KERNEL_CANCELED
                                  : gpu_arena_time(a, gpu_product_launch, &s, GPU_LAUNCHES, rounds, &ms[i]);
    }
    gpu_product_close(&s);
    return status;
}

/* [-0, +0] The timings of a format are appended to the table on top. */
static void add_format(lua_State *L, const struct gpu_arena *a, const char *format, const struct plan *p)
{
    double ms[BATCHES_MOST] = { 0 };
    size_t bytes = 0;
    const struct gpu_kernel *k = a->m->find(a->g, GPU_GEMV, format, "bf16");
    if (!k)
        luaL_error(L, "lab.card: the GPU has no product for format '%s'", format);
    host_check(L, time_format(a, k, p, rounds_of(host_of(L)), &bytes, ms), "lab.card");
    for (int i = 0; i < p->batches; i++) {
        lua_createtable(L, 0, 6);
        host_set_string(L, "format", format);
        host_set_number(L, "batch", p->batch[i]);
        host_set_number(L, "seconds", ms[i] * 1e-3);
        host_set_number(L, "bytes", (double)bytes);
        host_set_number(L, "gb_per_s", (double)bytes / ms[i] * 1e-6);
        host_set_string(L, "kernel", k->function);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    host_note(host_of(L)->used_kernels, k->function);
}

/* lab.card { formats = { "bf16", "int8", "int4" }, batches = { 1, 16, 64 } } -> nil without a GPU; else a list of
 * { format, batch, seconds, bytes, gb_per_s, kernel } with name, rows, cols and read = GB a second that its memory
 * gives: a matrix of `format` times BF16 inputs. */
static int lab_card(lua_State *L)
{
    static const char *const names[] = { "formats", "batches", NULL };
    struct host *h = host_of(L);
    struct gpu_seat *seat = device_seat();
    double ms = 0;
    host_options(L, 1, names);
    struct plan p = read_plan(L);
    if (!seat || !seat->g)
        return 0;
    struct gpu_arena *a = push_arena(L, seat->g);
    lua_newtable(L);
    for (int i = 0; i < p.formats; i++)
        add_format(L, a, p.format[i], &p);
    host_check(L, gpu_arena_read(a, READ_BYTES, rounds_of(h), &ms), "lab.card");
    gpu_arena_close(a);
    memset(a, 0, sizeof *a);
    host_set_number(L, "read", (double)READ_BYTES / ms * 1e-6);
    host_set_string(L, "name", device_name());
    host_set_number(L, "rows", CARD_ROWS);
    host_set_number(L, "cols", CARD_COLS);
    h->timed = true;
    return 1;
}

const struct lab_function hostcard_functions[] = {
    { "card", lab_card, 120 },
    { NULL, NULL, 0 },
};
