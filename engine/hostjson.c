/* hostjson.c: values between Lua and JSON, and tables that answer a misspelled name with the nearest one.
 * A lesson's tables come out as written (with what its constructors noted), a reveal's blocks as blocks. */
#include <math.h>
#include <string.h>

#include "engine/hostlua.h"
#include "engine/protocol.h"
#include "engine/schema.h"

enum { JSON_DEPTH = 24, TABLE_MOST = 20000 /* entries */, NAMES_MOST = 128 };

/* --- JSON in and out ---------------------------------------------------------------------------------------------- */

static json_t *fail_json(json_t *partial, char *error, size_t size, const char *why)
{
    json_decref(partial);
    if (why)
        snprintf(error, size, "%s", why);
    return NULL;
}

static json_t *json_of(lua_State *L, int index, bool tree, int depth, char *error, size_t size);

static json_t *json_of_number(lua_State *L, int index)
{
    double x = lua_tonumber(L, index);
    if (lua_isinteger(L, index))
        return json_integer(lua_tointeger(L, index));
    if (fabs(x) < 9e15 && x == floor(x) && !(x == 0 && signbit(x)))
        return json_integer((json_int_t)x);
    return protocol_number(x);
}

/* What a constructor wrote down about the table: its kind as "@kind", its line as "@line". */
static void add_marks(lua_State *L, int index, json_t *object)
{
    lua_getfield(L, LUA_REGISTRYINDEX, HOST_NODES);
    lua_getfield(L, LUA_REGISTRYINDEX, HOST_LINES);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -3) == LUA_TSTRING) {
        lua_pushvalue(L, index);
        lua_rawget(L, -3);
        json_object_set_new(object, "@kind", json_string(lua_tostring(L, -2)));
        json_object_set_new(object, "@line", json_integer(lua_tointeger(L, -1)));
        lua_pop(L, 1);
    }
    lua_pop(L, 3);
}

static json_t *list_of(lua_State *L, int index, size_t count, bool tree, int depth, char *error, size_t size)
{
    json_t *list = json_array();
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        json_t *item = json_of(L, lua_gettop(L), tree, depth, error, size);
        lua_pop(L, 1);
        if (!item)
            return fail_json(list, error, size, NULL);
        json_array_append_new(list, item);
    }
    return list;
}

/* The named fields of a table into `object`; false with one line in `error`. */
static bool fields_of(lua_State *L, int index, size_t count, json_t *object, bool tree, int depth, char *error,
                      size_t size)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            json_t *item = json_of(L, lua_gettop(L), tree, depth, error, size);
            if (!item || json_object_set_new(object, lua_tostring(L, -2), item) != 0) {
                if (item)
                    snprintf(error, size, "a name is not UTF-8");
                lua_pop(L, 2);
                return false;
            }
        } else if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || (size_t)lua_tointeger(L, -2) > count) {
            snprintf(error, size, "a table has a key that is neither a name nor a place in a list");
            lua_pop(L, 2);
            return false;
        }
        lua_pop(L, 1);
    }
    return true;
}

static json_t *json_of_table(lua_State *L, int index, bool tree, int depth, char *error, size_t size)
{
    size_t count = lua_rawlen(L, index);
    if (depth >= JSON_DEPTH)
        return fail_json(NULL, error, size, "a table is nested too deeply");
    if (count > TABLE_MOST)
        return fail_json(NULL, error, size, "a table is too long");
    json_t *list = list_of(L, index, count, tree, depth + 1, error, size);
    if (!list)
        return NULL;
    json_t *object = json_object();
    if (!fields_of(L, index, count, object, tree, depth + 1, error, size)) {
        json_decref(list);
        return fail_json(object, error, size, NULL);
    }
    if (tree)
        add_marks(L, index, object);
    if (json_object_size(object) == 0) {
        json_decref(object);
        return list;
    }
    if (count > 0)
        json_object_set(object, "#", list);
    json_decref(list);
    return object;
}

/* Stack slots are checked once a level; raises nothing. */
static json_t *json_of(lua_State *L, int index, bool tree, int depth, char *error, size_t size)
{
    json_t *value = NULL;
    size_t length;
    const char *text;
    if (!lua_checkstack(L, 8))
        return fail_json(NULL, error, size, "a table is nested too deeply");
    switch (lua_type(L, index)) {
    case LUA_TNIL:     return json_null();
    case LUA_TBOOLEAN: return json_boolean(lua_toboolean(L, index));
    case LUA_TNUMBER:  return json_of_number(L, index);
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &length);
        value = json_stringn(text, length);
        return value ? value : fail_json(NULL, error, size, "a text is not UTF-8");
    case LUA_TTABLE:
        return json_of_table(L, index, tree, depth, error, size);
    case LUA_TUSERDATA:
        value = viewlib_block(L, index);
        return value ? json_incref(value)
                     : fail_json(NULL, error, size, "a tensor stands where a text or number should");
    default:
        if (tree)
            return json_pack("{s:b}", "@function", 1);
        return fail_json(NULL, error, size, "a function stands where a text or number should");
    }
}

json_t *host_json(lua_State *L, int index, bool tree, char *error, size_t size)
{
    return json_of(L, lua_absindex(L, index), tree, 0, error, size);
}

void host_push_json(lua_State *L, const json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    luaL_checkstack(L, 8, "a table is nested too deeply");
    switch (json_typeof(value)) {
    case JSON_INTEGER: lua_pushinteger(L, json_integer_value(value)); break;
    case JSON_REAL:    lua_pushnumber(L, json_real_value(value)); break;
    case JSON_STRING:  lua_pushlstring(L, json_string_value(value), json_string_length(value)); break;
    case JSON_TRUE:    lua_pushboolean(L, 1); break;
    case JSON_FALSE:   lua_pushboolean(L, 0); break;
    case JSON_NULL:    lua_pushnil(L); break;
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(value), 0);
        json_array_foreach((json_t *)(uintptr_t)value, i, item) {
            host_push_json(L, item);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case JSON_OBJECT:
        lua_createtable(L, 0, (int)json_object_size(value));
        json_object_foreach((json_t *)(uintptr_t)value, key, item) {
            host_push_json(L, item);
            lua_setfield(L, -2, key);
        }
        break;
    }
}

/* --- strict tables ------------------------------------------------------------------------------------------------ */

int host_unknown(lua_State *L, const char *what, const char *name, const char *const *names, size_t count)
{
    const char *nearest = schema_nearest(name, names, count);
    if (nearest)
        return luaL_error(L, "unknown %s%s'; did you mean '%s'?", what, name, nearest);
    static const char *const instead[][3] = {
        { "name '", "print", "what compute() returns, reveal() can show: fmt(x) writes a number" },
        { "'math.", "random", "lab.gaussian and lab.uniform give seeded values" },
    };
    for (size_t i = 0; i < sizeof instead / sizeof instead[0]; i++)
        if (strcmp(what, instead[i][0]) == 0 && strcmp(name, instead[i][1]) == 0)
            return luaL_error(L, "unknown %s%s'; %s", what, name, instead[i][2]);
    return luaL_error(L, "unknown %s%s'", what, name);
}

/* upvalues: the real table, what it is called. The proxy's own table stays empty. */
static int strict_index(lua_State *L)
{
    const char *names[NAMES_MOST];
    size_t count = 0;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "unknown %s%s'", lua_tostring(L, lua_upvalueindex(2)), luaL_typename(L, 2));
    lua_pushnil(L);
    while (lua_next(L, lua_upvalueindex(1))) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING && count < NAMES_MOST)
            names[count++] = lua_tostring(L, -1);
    }
    return host_unknown(L, lua_tostring(L, lua_upvalueindex(2)), lua_tostring(L, 2), names, count);
}

/* A write: to a new global (upvalue "name '"), or to a table of the host. */
static int strict_newindex(lua_State *L)
{
    const char *what = lua_tostring(L, lua_upvalueindex(1));
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (strncmp(what, "name", 4) == 0)
        return luaL_error(L, "'%s' would be a global; write 'local %s'", name, name);
    return luaL_error(L, "%s%s' cannot be changed", what, name);
}

void host_strict(lua_State *L, const char *what)
{
    lua_newtable(L);                      /* real, proxy */
    lua_createtable(L, 0, 3);             /* real, proxy, meta */
    lua_pushvalue(L, -3);
    lua_pushstring(L, what);
    lua_pushcclosure(L, strict_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, what);
    lua_pushcclosure(L, strict_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}
