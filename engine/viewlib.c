/* viewlib.c: `view` and `fmt`, the blocks a lesson shows.
 * view.NAME { fields of that kind } -> block. A text alone, or in first place, is the main field; a list in first place
 * is the kind's list. Where a field is data, a handle may stand: view.hist { x, grid = q }, view.heat { x }. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hostlua.h"
#include "engine/view.h"
#include "engine/viewdata.h"
#include "kernels/format.h"
#include "kernels/quantize.h"

enum {
    BLOCKS_MOST = 2048, /* of one request; a reveal has ten */
    HIST_BINS   = 64,
    VALUES_MOST = 512,
    MAPS_MOST   = 6,
    MAP_ROWS    = 24,   /* one of several is drawn small */
    MAP_COLS    = 128,
};

static const char BLOCK[] = "saffron.block";

struct block {
    json_t *json;
};

static int collect_block(lua_State *L)
{
    struct block *b = lua_touserdata(L, 1);
    json_decref(b->json);
    b->json = NULL;
    return 0;
}

json_t *viewlib_block(lua_State *L, int index)
{
    struct block *b = luaL_testudata(L, index, BLOCK);
    return b ? b->json : NULL;
}

/* --- finishing lists ---------------------------------------------------------------------------------------------- */

static json_t *prose_of(const json_t *text)
{
    return json_pack("{s:s, s:O}", "view", "prose", "text", text);
}

/* Texts become prose; then every block is checked. False and one line in `error`. */
bool viewlib_finish(json_t *list, char *error, size_t size)
{
    if (!json_is_array(list)) {
        snprintf(error, size, "expected a list of blocks and texts");
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        if (json_is_string(item))
            json_array_set_new(list, i, prose_of(item));
    }
    return view_check_list(list, error, size);
}

/* --- levels and bins ---------------------------------------------------------------------------------------------- */

static void set_number(json_t *object, const char *name, double x)
{
    if (!json_object_get(object, name))
        json_object_set_new(object, name, isfinite(x) ? json_real(x) : json_string(isnan(x) ? "nan" : "inf"));
}

static json_t *number_list(const float *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && i < VALUES_MOST; i++)
        json_array_append_new(list, json_real((double)values[i]));
    return list;
}

/* The values from `from` to `to` that a quantized tensor can have under its first scale, or a format without one. */
static json_t *grid_values(const struct quant *q, const struct format *f, double from, double to)
{
    static float values[VALUES_MOST];
    size_t n = q ? quant_values(q, 0, (float)from, (float)to, values, VALUES_MOST)
                 : format_values(f, (float)from, (float)to, values, VALUES_MOST);
    return number_list(values, n);
}

static void range_of(const struct host_matrix *m, double *from, double *to)
{
    double largest = 0;
    for (size_t i = 0; i < m->rows * m->cols; i++)
        if (isfinite(m->values[i]) && fabs((double)m->values[i]) > largest)
            largest = fabs((double)m->values[i]);
    if (largest == 0)
        largest = 1;
    *from = -largest;
    *to = largest;
}

/* hist { x, grid = q, bins = 64, from =, to = }: counts, and with a grid its values and the counts after rounding. */
static const char *fill_hist(json_t *block, const struct host_matrix *x, const struct host_matrix *grid)
{
    double from, to, bins = view_number(block, "bins", HIST_BINS);
    json_object_del(block, "bins");
    if (!x)
        return NULL;
    range_of(x, &from, &to);
    set_number(block, "from", from);
    set_number(block, "to", to);
    from = view_number(block, "from", from);
    to = view_number(block, "to", to);
    if (!(from < to) || !(bins >= 2 && bins <= 256))
        return "a histogram needs from < to and 2 to 256 bins";
    json_object_set_new(block, "counts", viewdata_bins(x->values, x->rows * x->cols, from, to, (int)bins));
    if (!grid)
        return NULL;
    json_object_set_new(block, "after", viewdata_bins(grid->values, grid->rows * grid->cols, from, to, (int)bins));
    if (grid->quant)
        json_object_set_new(block, "values", grid_values(grid->quant, NULL, from, to));
    return NULL;
}

/* maps { { x, label = }, { q, label = } }: |x| or the size of the error, all on the scale of the largest. */
static const char *fill_maps(json_t *block, const struct host_matrix *m, size_t count)
{
    double *cell[MAPS_MOST] = { NULL }, high = 0;
    struct viewdata_matrix data[MAPS_MOST];
    size_t rows[MAPS_MOST], cols[MAPS_MOST];
    bool complete = true;
    for (size_t i = 0; i < count; i++) {
        data[i] = (struct viewdata_matrix){ m[i].rows, m[i].cols, m[i].values, m[i].original };
        rows[i] = MAP_ROWS;
        cols[i] = MAP_COLS;
        cell[i] = viewdata_reduce(&data[i], &rows[i], &cols[i], &high);
        complete = complete && cell[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (complete)
            json_object_set_new(json_array_get(json_object_get(block, "maps"), i), "levels",
                                viewdata_levels(cell[i], rows[i], cols[i], high));
        free(cell[i]);
    }
    if (!json_object_get(block, "measure"))
        json_object_set_new(block, "measure", json_string(count && m[0].original ? "|error|" : "|x|"));
    viewdata_label(block, "low", "up to ", high / 1000);
    viewdata_label(block, "high", "", high);
    return complete ? NULL : "out of memory";
}

/* heat { x } shows |x|, heat { q } the size of the error. */
static const char *fill_heat(json_t *block, const struct host_matrix *m, const struct host_matrix *none)
{
    (void)none;
    if (!m)
        return NULL;
    const struct viewdata_matrix data = { m->rows, m->cols, m->values, m->original };
    return viewdata_heat(block, &data);
}

/* grid { format = "e4m3", from =, to =, scale = 1 } or grid { q, ... }: the format's values. */
static const char *fill_grid(json_t *block, const struct host_matrix *q, const struct host_matrix *none)
{
    (void)none;
    const struct quant *quant = q ? q->quant : NULL;
    const char *name = quant ? quant->recipe.format->name : view_text(block, "format", NULL);
    const struct format *f = name ? format_find(name) : NULL;
    if (name && !f)
        return "the grid's 'format' is unknown";
    json_object_del(block, "format");
    if (f && json_object_get(block, "from") && json_object_get(block, "to"))
        json_object_set_new(block, "values",
                            grid_values(quant, f, view_number(block, "from", 0), view_number(block, "to", 1)));
    return NULL;
}

/* --- rows of bits ------------------------------------------------------------------------------------------------- */

/* A number where a text is wanted. */
static void number_to_text(json_t *object, const char *name)
{
    char text[64];
    const json_t *value = json_object_get(object, name);
    if (json_is_number(value))
        json_object_set_new(object, name, json_string(view_format(json_number_value(value), text, sizeof text)));
}

/* What lab.cast gives fits a row: its title is the label, its numbers are written out. */
static void fit_bits(json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        json_t *title = json_object_get(row, "title");
        if (title && !json_object_get(row, "label"))
            json_object_set(row, "label", title);
        json_object_del(row, "title");
        json_object_del(row, "code");
        json_object_del(row, "format");
        number_to_text(row, "value");
        number_to_text(row, "step");
    }
}

static const char *fill_bits(json_t *block, const struct host_matrix *none, const struct host_matrix *also_none)
{
    (void)none, (void)also_none;
    if (json_is_array(json_object_get(block, "rows")))
        fit_bits(json_object_get(block, "rows"));
    return NULL;
}

/* --- constructors ------------------------------------------------------------------------------------------------- */

typedef const char *fill_block(json_t *block, const struct host_matrix *first, const struct host_matrix *grid);

/* What a lesson may make; the session makes the other kinds. `main`: the field that a bare text or list is. */
static const struct maker {
    enum view_kind kind;
    const char    *main;
    fill_block    *fill;
} makers[] = {
    { VIEW_HEADING, "text", NULL },   { VIEW_PROSE, "text", NULL },      { VIEW_NOTE, "text", NULL },
    { VIEW_QUOTE, "text", NULL },     { VIEW_CODE, "text", NULL },       { VIEW_TABLE, "rows", NULL },
    { VIEW_FORMULA, "terms", NULL },  { VIEW_BITS, "rows", fill_bits },  { VIEW_GRID, NULL, fill_grid },
    { VIEW_HIST, NULL, fill_hist },   { VIEW_HEAT, NULL, fill_heat },    { VIEW_BARS, "bars", NULL },
    { VIEW_MAPS, "maps", NULL },      { VIEW_PLOT, "series", NULL },
    { VIEW_INTERVALS, "rows", NULL },    { VIEW_ROOFLINE, "roofs", NULL },
    { VIEW_STACK, "rows", NULL },
};

/* Takes the handle out of a field of the table at 1, so that the rest is JSON. */
static bool take_handle(lua_State *L, bool first, struct host_matrix *out)
{
    if (first)
        lua_rawgeti(L, 1, 1);
    else {
        lua_pushliteral(L, "grid");
        lua_rawget(L, 1);
    }
    bool found = hostlib_matrix(L, -1, out);
    lua_pop(L, 1);
    if (!found)
        return false;
    lua_pushnil(L);
    if (first)
        lua_rawseti(L, 1, 1);
    else
        lua_setfield(L, 1, "grid");
    return true;
}

/* [-0, +n] Takes the handle at the start of each map of the table at 1 (its list, or field "maps"), and puts copies
 * of the maps without it into that field; how many. The handles stay on the stack, and so alive. */
static size_t take_maps(lua_State *L, struct host_matrix *out)
{
    size_t count = 0;
    if (lua_getfield(L, 1, "maps") != LUA_TTABLE)
        lua_pushvalue(L, 1);
    int from = lua_gettop(L), map = from + 2;
    lua_newtable(L);
    while (lua_rawgeti(L, from, (lua_Integer)count + 1) == LUA_TTABLE && count < MAPS_MOST) {
        lua_newtable(L);
        for (lua_pushnil(L); lua_next(L, map);) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            if (lua_type(L, -2) == LUA_TSTRING)
                lua_rawset(L, map + 1);
            else
                lua_pop(L, 2);
        }
        lua_rawseti(L, from + 1, (lua_Integer)count + 1);
        lua_rawgeti(L, map, 1);
        if (!hostlib_matrix(L, -1, &out[count]))
            luaL_error(L, "view.maps: a map starts with a tensor: { x, label = \"...\" }");
        lua_insert(L, from);
        from++, map++, count++;
        lua_settop(L, map - 1);
    }
    lua_settop(L, map - 1);
    lua_setfield(L, 1, "maps");
    for (lua_Integer i = 1; i <= (lua_Integer)count; i++) {
        lua_pushnil(L);
        lua_rawseti(L, 1, i);
    }
    lua_pop(L, 1);
    return count;
}

/* The table at 1 is the author's: what is changed is a copy. */
static void copy_table(lua_State *L)
{
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, 2);
    }
    lua_replace(L, 1);
}

/* A list under "#" (or alone) becomes the main field; a single text in it that text. */
static json_t *name_main(json_t *json, const struct maker *m)
{
    json_t *list = json_is_array(json) ? json_incref(json) : json_incref(json_object_get(json, "#"));
    if (json_is_array(json)) {
        json_decref(json);
        json = json_object();
    }
    json_object_del(json, "#");
    if (list && m->main && json_array_size(list) > 0) {
        bool text = strcmp(m->main, "text") == 0 && json_array_size(list) == 1;
        json_object_set(json, m->main, text ? json_array_get(list, 0) : list);
    }
    json_decref(list);
    return json;
}

/* view.NAME(text | { ... }) -> block. Upvalue: the row of makers. */
static int make_block(lua_State *L)
{
    const struct maker *m = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = view_kinds[m->kind].name;
    struct host_matrix first, grid;
    char why[400];
    if (++host_of(L)->blocks > BLOCKS_MOST)
        return luaL_error(L, "more than %d blocks", BLOCKS_MOST);
    if (lua_type(L, 1) == LUA_TSTRING && m->main && strcmp(m->main, "text") == 0) {
        lua_createtable(L, 1, 0);
        lua_pushvalue(L, 1);
        lua_rawseti(L, -2, 1);
        lua_replace(L, 1);
    }
    lua_settop(L, 1);
    if (!lua_istable(L, 1))
        return luaL_error(L, "view.%s takes a table: view.%s { ... }", name, name);
    copy_table(L);
    struct host_matrix maps[MAPS_MOST];
    luaL_checkstack(L, 3 * MAPS_MOST + 8, "too many maps");
    size_t map_count = m->kind == VIEW_MAPS ? take_maps(L, maps) : 0;
    bool has_first = m->fill && take_handle(L, true, &first), has_grid = m->fill && take_handle(L, false, &grid);
    struct block *b = lua_newuserdatauv(L, sizeof *b, 0);
    b->json = NULL;
    luaL_setmetatable(L, BLOCK);
    json_t *json = host_json(L, 1, false, why, sizeof why);
    if (!json)
        return luaL_error(L, "view.%s: %s", name, why);
    b->json = name_main(json, m);
    json_object_set_new(b->json, "view", json_string(name));
    const char *bad = m->fill ? m->fill(b->json, has_first ? &first : NULL, has_grid ? &grid : NULL)
                    : m->kind == VIEW_MAPS ? fill_maps(b->json, maps, map_count) : NULL;
    if (bad || !view_check(b->json, why, sizeof why))
        return luaL_error(L, "view.%s: %s", name, bad ? bad : why);
    return 1;
}

void viewlib_open(lua_State *L)
{
    luaL_newmetatable(L, BLOCK);
    lua_pushcfunction(L, collect_block);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)&makers[i]);
        lua_pushcclosure(L, make_block, 1);
        lua_setfield(L, -2, view_kinds[makers[i].kind].name);
    }
    host_strict(L, "'view.");
}

/* fmt(x [, decimals | unit]) -> text, as the screen writes numbers. */
int viewlib_fmt(lua_State *L)
{
    char text[96];
    double x = luaL_checknumber(L, 1);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        int decimals = (int)luaL_checkinteger(L, 2);
        luaL_argcheck(L, decimals >= 0 && decimals <= 12, 2, "0 to 12 decimals");
        snprintf(text, sizeof text, "%.*f", decimals, x);
        lua_pushstring(L, fabs(x) < 1e60 ? text : "inf");
    } else
        lua_pushstring(L, view_format_unit(x, luaL_optstring(L, 2, NULL), text, sizeof text));
    return 1;
}
