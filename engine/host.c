/* host.c: a Lua state that runs a stranger's lesson.
 * Memory is capped by the allocator, time by a hook (and by watch.c where no hook sees), and reach by what the state
 * does not have: no io, os, load, require, coroutines, metatables or finalizers. */
#include "engine/host.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/hostlua.h"
#include "engine/protocol.h"
#include "engine/schema.h"
#include "engine/watch.h"

enum {
    MEMORY_MOST      = 64 << 20, /* bytes for Lua; tensors are counted apart */
    HOOK_COUNT       = 1000,     /* instructions between two looks at the budget: about 10 us */
    INSTRUCTIONS     = 20000000, /* of one request: about 0.3 s; lessons need thousands */
};

#define ENOUGH_LEFT 0.25 /* CPU seconds before the monitor would end the process: the script ends itself first */

static const char STEPS[] = "saffron.steps";   /* registry: id -> step */
static const char LESSON[] = "saffron.lesson"; /* registry: what the file returned */
static const char OUTCOME[] = "saffron.outcome";

double host_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- memory and time ---------------------------------------------------------------------------------------------- */

/* When `p` is NULL, `old` is a type tag, not a size. */
static void *allocate(void *ctx, void *p, size_t old, size_t size)
{
    struct host *h = ctx;
    if (!p)
        old = 0;
    if (size == 0) {
        free(p);
        h->used -= old;
        return NULL;
    }
    if (size > old && h->used + (size - old) > MEMORY_MOST)
        return NULL;
    void *q = realloc(p, size);
    if (q)
        h->used = h->used - old + size;
    return q;
}

static void count_hook(lua_State *L, lua_Debug *ar);

/* From here on every instruction asks the hook, which raises again: no pcall can go on. */
static void end_script(lua_State *L, const char *why)
{
    struct host *h = host_of(L);
    h->over = true;
    lua_sethook(L, count_hook, LUA_MASKCOUNT, 1);
    if (h->L != L)
        lua_sethook(h->L, count_hook, LUA_MASKCOUNT, 1);
    luaL_where(L, 0);
    lua_pushstring(L, why);
    lua_concat(L, 2);
    lua_error(L);
}

/* The line of the innermost Lua function at or above `level`, or 0. */
static int line_above(lua_State *L, int level)
{
    lua_Debug ar;
    for (; lua_getstack(L, level, &ar); level++)
        if (lua_getinfo(L, "l", &ar) && ar.currentline > 0)
            return ar.currentline;
    return 0;
}

/* A C function is about to run that no hook will see inside of: its name is left for the monitor. */
static void note_call(lua_State *L, lua_Debug *ar)
{
    struct host *h = host_of(L);
    if (!lua_getinfo(L, "S", ar) || ar->what[0] != 'C')
        return;
    lua_getinfo(L, "n", ar);
    int line = line_above(L, 1);
    if (line > 0) /* none above what closes buffers after an error */
        h->line = line;
    watch_place(h->name, h->line, ar->name);
}

static void count_hook(lua_State *L, lua_Debug *ar)
{
    struct host *h = host_of(L);
    if (ar->event != LUA_HOOKCOUNT) {
        note_call(L, ar);
        return;
    }
    h->instructions += HOOK_COUNT;
    lua_getinfo(L, "l", ar);
    h->line = ar->currentline;
    watch_place(h->name, ar->currentline, NULL);
    if (watch_canceled())
        end_script(L, "canceled");
    if (h->over || h->instructions > INSTRUCTIONS || watch_left() < ENOUGH_LEFT)
        end_script(L, "the script runs too long; a lesson's own code is short, leave the numbers to lab functions");
}

void host_check(lua_State *L, enum kernel_status status, const char *what)
{
    if (status == KERNEL_CANCELED)
        end_script(L, "canceled");
    if (status != KERNEL_OK)
        luaL_error(L, "%s: %s", what, kernel_status_text(status));
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* The line at the front of a message ("chunk:12: text"), and the text behind it; 0 if it has none. */
static int split_message(const struct host *h, const char **text)
{
    size_t n = strlen(h->chunk);
    char *end;
    if (strncmp(*text, h->chunk, n) != 0 || (*text)[n] != ':')
        return 0;
    long line = strtol(*text + n + 1, &end, 10);
    if (end == *text + n + 1 || *end != ':')
        return 0;
    *text = end + 1 + (end[1] == ' ');
    return (int)line;
}

/* Message handler: the problem is written down here, where the stack still stands. */
static int on_error(lua_State *L)
{
    struct host *h = host_of(L);
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : "an error value that is no text";
    int line = split_message(h, &text);
    h->problem->line = line ? line : line_above(L, 0);
    protocol_line(h->name, h->problem->path, sizeof h->problem->path);
    protocol_line(text, h->problem->text, sizeof h->problem->text);
    return 1;
}

static const char *status_text(int status)
{
    switch (status) {
    case LUA_ERRMEM: return "the script needs more than 64 MiB";
    case LUA_ERRERR: return "an error within the handling of an error";
    default:         return "the script failed";
    }
}

/* Runs fn(L) with `args` as its light userdata; false and `problem` filled on any Lua error. */
static bool protect(struct host *h, lua_CFunction fn, void *args, struct host_problem *problem)
{
    memset(problem, 0, sizeof *problem);
    h->problem = problem;
    h->line = 0;
    lua_settop(h->L, 0);
    lua_pushcfunction(h->L, on_error);
    lua_pushcfunction(h->L, fn);
    lua_pushlightuserdata(h->L, args);
    watch_script();
    int status = lua_pcall(h->L, 1, 0, 1);
    watch_idle();
    h->problem = NULL;
    if (status == LUA_OK)
        return true;
    if (!problem->text[0]) {
        protocol_line(h->name, problem->path, sizeof problem->path);
        snprintf(problem->text, sizeof problem->text, "%s", status_text(status));
        problem->line = h->line;
    }
    return false;
}

/* --- constructors: lesson, part, read, predict ... ---------------------------------------------------------------- */

static const char *const node_kinds[] = {
    "lesson", "part", "read", "predict", "fill", "recall", "explain", "explore", "dive", "link",
};

/* NAME { ... } -> the same table, written down as a node. Upvalue: the name. */
static int make_node(lua_State *L)
{
    lua_Debug ar;
    const char *kind = lua_tostring(L, lua_upvalueindex(1));
    if (!lua_istable(L, 1))
        return luaL_error(L, "%s takes one table: %s { ... }", kind, kind);
    lua_settop(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, HOST_NODES);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_rawset(L, 2);
    lua_getfield(L, LUA_REGISTRYINDEX, HOST_LINES);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, lua_getstack(L, 1, &ar) && lua_getinfo(L, "l", &ar) ? ar.currentline : 0);
    lua_rawset(L, 3);
    lua_settop(L, 1);
    return 1;
}

/* [-0, +0] Builds everything that a lesson sees, as the registry's globals. */
static int open_state(lua_State *L)
{
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, HOST_NODES);
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, HOST_LINES);
    hostsafe_open(L);
    lua_pushcfunction(L, viewlib_fmt);
    lua_setfield(L, -2, "fmt");
    viewlib_open(L);
    lua_setfield(L, -2, "view");
    for (size_t i = 0; i < sizeof node_kinds / sizeof node_kinds[0]; i++) {
        lua_pushstring(L, node_kinds[i]);
        lua_pushcclosure(L, make_node, 1);
        lua_setfield(L, -2, node_kinds[i]);
    }
    host_strict(L, "name '");
    lua_setfield(L, LUA_REGISTRYINDEX, "saffron.globals");
    hostlib_open(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "saffron.lab");
    return 0;
}

/* Lua's own globals would be another way to what was left out. */
static int close_doors(lua_State *L)
{
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_sethook(L, count_hook, LUA_MASKCOUNT | LUA_MASKCALL, HOOK_COUNT);
    return 0;
}

/* A kernel's progress is worth a word only when it takes long, and the lesson does not say it better. */
static bool tick(void *ctx, double fraction)
{
    struct host *h = ctx;
    if (h->env.progress && !h->reporting && host_clock() - h->called > 0.2)
        h->env.progress(h->env.ctx, fraction, h->calling);
    return !watch_canceled();
}

static int panic(lua_State *L)
{
    fprintf(stderr, "saffron lab: %s\n", lua_tostring(L, -1) ? lua_tostring(L, -1) : "a Lua error outside a call");
    return 0;
}

struct host *host_new(const struct host_env *env)
{
    struct host_problem problem;
    struct host *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->env = *env;
    h->progress = (struct progress){ tick, h, env->pool };
    h->calling = "";
    h->used_tensors = json_array();
    h->used_kernels = json_array();
#if LUA_VERSION_NUM >= 505
    h->L = lua_newstate(allocate, h, 0);
#else
    h->L = lua_newstate(allocate, h);
#endif
    if (!h->L) {
        host_free(h);
        return NULL;
    }
    lua_atpanic(h->L, panic);
    *(struct host **)lua_getextraspace(h->L) = h;
    if (!protect(h, open_state, NULL, &problem) || !protect(h, close_doors, NULL, &problem)) {
        host_free(h);
        return NULL;
    }
    return h;
}

void host_free(struct host *h)
{
    if (!h)
        return;
    if (h->L)
        lua_close(h->L);
    json_decref(h->used_tensors);
    json_decref(h->used_kernels);
    json_decref(h->values);
    free(h);
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

struct load_args {
    const char *name, *text;
    size_t      size;
    bool        want_tree;
    json_t     *tree;
};

/* Whether the table at `index` was made by the constructor `kind`. */
static bool is_node(lua_State *L, int index, const char *kind)
{
    index = lua_absindex(L, index);
    if (lua_isnil(L, index))
        return false;
    lua_getfield(L, LUA_REGISTRYINDEX, HOST_NODES);
    lua_pushvalue(L, index);
    bool is = lua_rawget(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -1), kind) == 0;
    lua_pop(L, 2);
    return is && lua_istable(L, index);
}

/* registry[STEPS][id] = step, for the steps of the lesson on top. */
static void index_steps(lua_State *L)
{
    int lesson = lua_gettop(L);
    lua_newtable(L);
    for (lua_Integer i = 1; lua_rawgeti(L, lesson, i) != LUA_TNIL; i++) {
        if (lua_istable(L, -1)) {
            lua_pushliteral(L, "id");
            if (lua_rawget(L, -2) == LUA_TSTRING) {
                lua_pushvalue(L, -2);
                lua_rawset(L, -4);
            } else
                lua_pop(L, 1);
        }
        lua_settop(L, lesson + 1);
    }
    lua_settop(L, lesson + 1);
    lua_setfield(L, LUA_REGISTRYINDEX, STEPS);
}

/* The name as Lua would put it before its messages. */
static void note_chunk(lua_State *L, struct host *h)
{
    lua_Debug ar;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &ar);
    snprintf(h->chunk, sizeof h->chunk, "%s", ar.short_src);
}

static int load_lesson(lua_State *L)
{
    struct load_args *args = lua_touserdata(L, 1);
    struct host *h = host_of(L);
    char why[256];
    lua_pushfstring(L, "@%s", args->name);
    if (luaL_loadbufferx(L, args->text, args->size, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    note_chunk(L, h);
    lua_getfield(L, LUA_REGISTRYINDEX, "saffron.globals");
    lua_setupvalue(L, -2, 1);
    lua_call(L, 0, 1);
    if (!is_node(L, -1, "lesson"))
        return luaL_error(L, "a lesson file ends in 'return lesson { ... }'");
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, LESSON);
    index_steps(L);
    if (!args->want_tree)
        return 0;
    lua_getfield(L, LUA_REGISTRYINDEX, LESSON);
    args->tree = host_json(L, -1, true, why, sizeof why);
    return args->tree ? 0 : luaL_error(L, "%s", why);
}

/* A syntax error comes before any chunk exists: Lua's short name is made the same way as for one that loads. */
static void guess_chunk(struct host *h)
{
    size_t n = strlen(h->name), most = LUA_IDSIZE - 1;
    if (n <= most)
        memcpy(h->chunk, h->name, n + 1);
    else
        snprintf(h->chunk, sizeof h->chunk, "...%s", h->name + n - (most - 3));
}

bool host_load(struct host *h, const char *name, const char *text, size_t size, json_t **tree,
               struct host_problem *problem)
{
    struct load_args args = { .name = name, .text = text, .size = size, .want_tree = tree != NULL };
    snprintf(h->name, sizeof h->name, "%s", name);
    guess_chunk(h);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        args.text += 3;
        args.size -= 3;
    }
    bool done = protect(h, load_lesson, &args, problem);
    if (tree)
        *tree = args.tree;
    return done;
}

/* --- calling a step ----------------------------------------------------------------------------------------------- */

struct call_args {
    const char   *step;
    const json_t *in;      /* knobs, guess */
    json_t       *out;     /* answer, blocks */
};

/* [-0, +1] The table of a step, whose line is where errors without a better place are put. Raises if there is none. */
static void push_step(lua_State *L, const char *id)
{
    lua_getfield(L, LUA_REGISTRYINDEX, STEPS);
    if (lua_getfield(L, -1, id) != LUA_TTABLE)
        luaL_error(L, "the lesson has no step '%s'", id);
    lua_remove(L, -2);
    lua_getfield(L, LUA_REGISTRYINDEX, HOST_LINES);
    lua_pushvalue(L, -2);
    lua_rawget(L, -2);
    host_of(L)->line = (int)lua_tointeger(L, -1);
    lua_pop(L, 2);
}

/* [-0, +1] A field of the table at `index`; true if it is a function. */
static bool push_function(lua_State *L, int index, const char *name)
{
    index = lua_absindex(L, index);
    lua_pushstring(L, name);
    lua_rawget(L, index);
    return lua_isfunction(L, -1);
}

/* Numbers and texts of the outcome, for `saffron run --json`. */
static json_t *simple_values(lua_State *L, int index)
{
    json_t *values = json_object();
    char why[256];
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) == LUA_TSTRING && (lua_isnumber(L, -1) || lua_isstring(L, -1) || lua_isboolean(L, -1))) {
            json_t *value = host_json(L, -1, false, why, sizeof why);
            if (value)
                json_object_set_new(values, lua_tostring(L, -2), value);
        }
        lua_pop(L, 1);
    }
    return values;
}

/* compute(lab, knob) -> outcome on the stack, an empty table without one. */
static void run_compute(lua_State *L, int step, const json_t *knobs)
{
    struct host *h = host_of(L);
    if (!push_function(L, step, "compute")) {
        lua_pop(L, 1);
        lua_newtable(L);
        return;
    }
    lua_getfield(L, LUA_REGISTRYINDEX, "saffron.lab");
    host_push_json(L, knobs);
    host_strict(L, "knob '");
    h->lab_open = true;
    lua_call(L, 2, 1);
    h->lab_open = false;
    if (!lua_istable(L, -1))
        luaL_error(L, "compute() returns a table, { answer = ... }, not a %s", luaL_typename(L, -1));
}

/* The answer: what correct(outcome) says, else the author's, else compute's. */
static void push_answer(lua_State *L, int step, int outcome)
{
    if (push_function(L, step, "correct")) {
        lua_pushvalue(L, outcome);
        lua_call(L, 1, 1);
        return;
    }
    lua_pop(L, 1);
    lua_pushliteral(L, "answer");
    if (lua_rawget(L, step) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_pushliteral(L, "answer");
    lua_rawget(L, outcome);
}

static int call_compute(lua_State *L)
{
    struct call_args *args = lua_touserdata(L, 1);
    struct host *h = host_of(L);
    char why[256];
    lua_pushstring(L, args->step);
    lua_replace(L, 1);
    push_step(L, args->step);
    run_compute(L, 2, args->in);
    lua_pushvalue(L, 3);
    lua_setfield(L, LUA_REGISTRYINDEX, OUTCOME);
    json_decref(h->values);
    h->values = simple_values(L, 3);
    push_answer(L, 2, 3);
    args->out = host_json(L, -1, false, why, sizeof why);
    return args->out ? 0 : luaL_error(L, "the answer: %s", why);
}

json_t *host_compute(struct host *h, const char *step, uint64_t seed, const json_t *knobs, struct host_problem *problem)
{
    struct call_args args = { .step = step, .in = knobs };
    h->seed = seed;
    return protect(h, call_compute, &args, problem) ? args.out : NULL;
}

/* Blocks and texts of the list on top, or one alone, as a checked list of blocks. `from`: who returned it. */
static json_t *blocks_on_top(lua_State *L, const char *from)
{
    char why[256];
    if (viewlib_block(L, -1) || lua_isstring(L, -1)) {
        lua_createtable(L, 1, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
    }
    if (!lua_istable(L, -1))
        luaL_error(L, "%s returns a list of blocks and texts, not a %s", from, luaL_typename(L, -1));
    json_t *list = host_json(L, -1, false, why, sizeof why);
    if (list && viewlib_finish(list, why, sizeof why))
        return list;
    json_decref(list);
    luaL_error(L, "%s", why);
    return NULL;
}

static int call_reveal(lua_State *L)
{
    struct call_args *args = lua_touserdata(L, 1);
    push_step(L, args->step);
    if (push_function(L, 2, "reveal")) {
        lua_getfield(L, LUA_REGISTRYINDEX, OUTCOME);
        host_push_json(L, args->in);
        lua_call(L, 2, 1);
    } else if (lua_isnil(L, -1))
        lua_newtable(L);
    args->out = blocks_on_top(L, "reveal()");
    return 0;
}

json_t *host_reveal(struct host *h, const char *step, const json_t *guess, struct host_problem *problem)
{
    struct call_args args = { .step = step, .in = guess };
    return protect(h, call_reveal, &args, problem) ? args.out : NULL;
}

static int call_given(lua_State *L)
{
    struct call_args *args = lua_touserdata(L, 1);
    struct host *h = host_of(L);
    push_step(L, args->step);
    if (push_function(L, 2, "given")) {
        lua_getfield(L, LUA_REGISTRYINDEX, "saffron.lab");
        h->lab_open = true;
        lua_call(L, 1, 1);
        h->lab_open = false;
    }
    args->out = blocks_on_top(L, "given()");
    return 0;
}

json_t *host_given(struct host *h, const char *step, uint64_t seed, struct host_problem *problem)
{
    struct call_args args = { .step = step };
    h->seed = seed;
    return protect(h, call_given, &args, problem) ? args.out : NULL;
}

/* The functions worth reading first: what made the numbers up goes last. */
static json_t *teaching_order(const json_t *kernels)
{
    json_t *first = json_array(), *last = json_array(), *name;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)kernels, i, name)
        json_array_append(strncmp(json_string_value(name), "random_", 7) == 0 ? last : first, name);
    json_array_extend(first, last);
    json_decref(last);
    return first;
}

bool host_own_given(const struct host *h)
{
    return h->own_given;
}

json_t *host_used(const struct host *h)
{
    return json_pack("{s:O, s:o, s:b}", "tensors", h->used_tensors, "kernels", teaching_order(h->used_kernels), "timed",
                     h->timed);
}

json_t *host_values(const struct host *h)
{
    return h->values ? json_incref(h->values) : json_object();
}
