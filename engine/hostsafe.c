/* hostsafe.c: what a lesson gets of Lua's own libraries: nothing that reaches files, other code, threads or metatables,
 * and nothing whose order differs from run to run. */
#include "engine/hostlua.h"
#include "engine/watch.h"

static const char SORT[] = "saffron.sort"; /* registry: table.sort */

/* pcall(f, ...): like Lua's, but a script that is over stays over. */
static int safe_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    struct host *h = host_of(L);
    if (h->over)
        return lua_error(L);
    if (h->in_lab) { /* the error left a lab function */
        h->in_lab = false;
        watch_script();
    }
    if (status == LUA_OK)
        return lua_gettop(L);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/* Order of keys for pairs: numbers, then texts, then the rest as it comes. */
static int key_before(lua_State *L)
{
    int a = lua_type(L, 1), b = lua_type(L, 2);
    bool comparable = a == b && (a == LUA_TNUMBER || a == LUA_TSTRING);
    lua_pushboolean(L, comparable ? lua_compare(L, 1, 2, LUA_OPLT) : a != b && a == LUA_TNUMBER);
    return 1;
}

/* The next pair of pairs(). Upvalues: the table, its keys in order, how many were given. */
static int next_pair(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));
    while (lua_rawgeti(L, lua_upvalueindex(2), ++i) != LUA_TNIL) {
        lua_pushvalue(L, -1);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
            lua_pushinteger(L, i);
            lua_replace(L, lua_upvalueindex(3));
            return 2;
        }
        lua_settop(L, 0); /* removed on the way */
    }
    return 1;
}

/* pairs(t): like Lua's, but in the order of the keys, for Lua's own order differs from run to run. */
static int safe_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_newtable(L);
    lua_Integer n = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, 2, ++n);
    }
    lua_getfield(L, LUA_REGISTRYINDEX, SORT);
    lua_pushvalue(L, 2);
    lua_pushcfunction(L, key_before);
    lua_call(L, 2, 0);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_pair, 3);
    return 1;
}

static const char *const base_names[] = {
    "assert", "error", "ipairs", "next", "rawequal", "rawlen", "select", "tonumber", "tostring", "type",
    "_VERSION",
};

/* Copies `names` (NULL-ended or `count`) of the table at `from` into the table on top. */
static void copy_fields(lua_State *L, int from, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lua_getfield(L, from, names[i]);
        lua_setfield(L, -2, names[i]);
    }
}

/* [-0, +1] A strict copy of a standard library without `removed`. */
static void push_library(lua_State *L, const char *name, lua_CFunction open, const char *what,
                         const char *const *removed)
{
    luaL_requiref(L, name, open, 0);
    for (size_t i = 0; removed[i]; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, removed[i]);
    }
    host_strict(L, what);
}

/* Methods of strings come from the strict table too, and the metatable is hidden. */
static void lock_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    if (lua_getmetatable(L, -1)) {
        lua_getfield(L, LUA_REGISTRYINDEX, "saffron.string");
        lua_setfield(L, -2, "__index");
        lua_pushliteral(L, "locked");
        lua_setfield(L, -2, "__metatable");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void hostsafe_open(lua_State *L)
{
    static const char *const no_string[] = { "dump", NULL };
    static const char *const no_math[] = { "random", "randomseed", NULL };
    static const char *const nothing[] = { NULL };
    luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
    int base = lua_gettop(L);
    lua_newtable(L);
    copy_fields(L, base, base_names, sizeof base_names / sizeof base_names[0]);
    lua_remove(L, base);
    lua_pushcfunction(L, safe_pcall);
    lua_setfield(L, -2, "pcall");
    lua_pushcfunction(L, safe_pairs);
    lua_setfield(L, -2, "pairs");
    push_library(L, LUA_STRLIBNAME, luaopen_string, "'string.", no_string);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "saffron.string");
    lua_setfield(L, -2, "string");
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 0);
    lua_getfield(L, -1, "sort");
    lua_setfield(L, LUA_REGISTRYINDEX, SORT);
    lua_pop(L, 1);
    push_library(L, LUA_TABLIBNAME, luaopen_table, "'table.", nothing);
    lua_setfield(L, -2, "table");
    push_library(L, LUA_MATHLIBNAME, luaopen_math, "'math.", no_math);
    lua_setfield(L, -2, "math");
    push_library(L, LUA_UTF8LIBNAME, luaopen_utf8, "'utf8.", nothing);
    lua_setfield(L, -2, "utf8");
    lock_strings(L);
}
