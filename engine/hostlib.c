/* hostlib.c: the table `lab`: how its functions are called and timed, and how they read their options.
 * The functions stand by noun in hosttensor.c, hostquant.c, hostmethod.c, hostcache.c and hostmodel.c. */
#include <stdio.h>
#include <string.h>

#include "engine/hostlua.h"
#include "engine/schema.h"
#include "engine/watch.h"

enum { CALLS_MOST = 2000 }; /* of lab functions in one request */

/* --- options ------------------------------------------------------------------------------------------------------ */

/* The error of an option that is none of `names`, which are told. */
static void unknown_option(lua_State *L, const char *name, const char *const *names, size_t count)
{
    luaL_Buffer list;
    if (schema_nearest(name, names, count))
        host_unknown(L, "option '", name, names, count);
    luaL_buffinit(L, &list);
    for (size_t i = 0; i < count; i++) {
        luaL_addstring(&list, i ? ", " : "");
        luaL_addstring(&list, names[i]);
    }
    luaL_pushresult(&list);
    luaL_error(L, "unknown option '%s'; there are %s", name, lua_tostring(L, -1));
}

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
            unknown_option(L, name, names, count);
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

/* --- calls ------------------------------------------------------------------------------------------------------- */

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
    int given = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "saffron.lab");
    if (given > 0 && lua_rawequal(L, 1, -1)) /* without arguments 1 is what was just pushed */
        return luaL_error(L, "lab:%s: lab functions are called with a dot, lab.%s", f->name, f->name);
    lua_pop(L, 1);
    return run_timed(L, "lab.", f);
}

/* A method that walks over all values. Upvalue: the row. */
static int call_method(lua_State *L)
{
    return run_timed(L, "tensor:", lua_touserdata(L, lua_upvalueindex(1)));
}

void hostlib_push_method(lua_State *L, const struct lab_function *method)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)method);
    lua_pushcclosure(L, call_method, 1);
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

void hostlib_add_type(lua_State *L, const char *type, lua_CFunction index, lua_CFunction collect)
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
    { "progress", lab_progress, 0 },
    { NULL, NULL, 0 },
};

void hostlib_open(lua_State *L)
{
    hosttensor_open(L);
    hostquant_open(L);
    hostmethod_open(L);
    hostcache_open(L);
    hostquality_open(L);
    lua_newtable(L);
    hostlib_add(L, functions);
    hostlib_add(L, hosttensor_functions);
    hostlib_add(L, hostquant_functions);
    hostlib_add(L, hostmethod_functions);
    hostlib_add(L, hostcache_functions);
    hostlib_add(L, hostmodel_functions);
    hostlib_add(L, hostmatrix_functions);
    hostlib_add(L, hostsum_functions);
    hostlib_add(L, hosttime_functions);
    hostlib_add(L, hostquality_functions);
    host_strict(L, "'lab.");
}
