/* hostquant.c: rounding as lessons do it: a tensor, one number, a linear layer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "engine/hostlua.h"
#include "kernels/fitter.h"
#include "kernels/format.h"
#include "kernels/linear.h"
#include "kernels/quantize.h"

static const char WORK[] = "saffron.work"; /* what a call of lab.linear holds */

struct quant_handle {
    struct quant   q;
    struct shared *of;
    struct shared *decoded; /* made when `values` is first asked for */
};

/* --- rounding ----------------------------------------------------------------------------------------------------- */

static const struct format *check_format(lua_State *L, const char *name)
{
    const struct format *f = format_find(name), *near = f ? NULL : format_nearest(name);
    if (!f && near)
        luaL_error(L, "unknown format '%s'; did you mean '%s'?", name, near->name);
    if (!f)
        luaL_error(L, "unknown format '%s'", name);
    return f;
}

static struct scale check_scale(lua_State *L, const struct format *f, const char *text)
{
    struct scale scale = { 0 };
    char why[160];
    if (!scale_parse(text ? text : f->scale, &scale, why, sizeof why))
        luaL_error(L, "%s", why);
    return scale;
}

/* lab.quantize(x, { format =, scale =, zero_point =, clip =, mx =, rounding =, overflow = }) -> quantized tensor. */
static int lab_quantize(lua_State *L)
{
    static const char *const names[] = { "format", "scale", "zero_point", "clip", "mx", "rounding", "overflow", NULL };
    struct host *h = host_of(L);
    struct shared *x = hosttensor_check(L, 1);
    struct recipe recipe;
    char why[160];
    host_options(L, 2, names);
    const struct recipe_words words = {
        .format = host_text(L, 2, "format", NULL), .scale = host_text(L, 2, "scale", NULL),
        .zero_point = host_text(L, 2, "zero_point", NULL), .clip = host_text(L, 2, "clip", NULL),
        .mx = host_text(L, 2, "mx", NULL), .rounding = host_text(L, 2, "rounding", NULL),
        .overflow = host_text(L, 2, "overflow", NULL),
    };
    if (!words.format)
        return luaL_error(L, "lab.quantize needs a format: { format = \"int8\" }");
    if (!recipe_parse(&words, &recipe, why, sizeof why))
        return luaL_error(L, "%s", why);
    recipe.seed = h->seed;
    recipe.isa = host_isa(h);
    recipe.gpu = h->env.gpu;
    struct quant_handle *q = lua_newuserdatauv(L, sizeof *q, 0);
    memset(q, 0, sizeof *q);
    luaL_setmetatable(L, HOST_QUANT);
    unsigned long before = device_runs();
    host_check(L, quantize(x->values, x->rows, x->cols, &recipe, &h->progress, &q->q), "lab.quantize");
    q->of = x;
    x->refs++;
    host_note(h->used_kernels, "quantize");
    host_note(h->used_kernels, device_runs() > before ? "encode_all" : fitter_function(&recipe));
    return 1;
}

static int collect_quant(lua_State *L)
{
    struct quant_handle *q = lua_touserdata(L, 1);
    quant_free(&q->q);
    hosttensor_drop(q->of);
    hosttensor_drop(q->decoded);
    q->of = q->decoded = NULL;
    return 0;
}

/* q.error_share(t) or q:error_share(t): share of the squared error on values up to |x| = t. Upvalue: q. */
static int quant_error_share(lua_State *L)
{
    const struct quant_handle *q = luaL_checkudata(L, lua_upvalueindex(1), HOST_QUANT);
    float threshold = (float)luaL_checknumber(L, lua_isuserdata(L, 1) ? 2 : 1);
    struct error_sums below = error_below(q->of->values, q->q.values, nextafterf(threshold, INFINITY),
                                          q->q.rows * q->q.cols);
    lua_pushnumber(L, q->q.error.noise > 0 ? below.noise / q->q.error.noise : 0);
    return 1;
}

/* q.errors(part) or q:errors(part): tensor of mean squared errors, one a "row", "column" or "block" (what shares a
 * scale, placed as in the tensor). Upvalue: q. */
static int quant_errors_of(lua_State *L)
{
    static const char *const parts[] = { "row", "column", "block", NULL };
    const struct quant_handle *q = luaL_checkudata(L, lua_upvalueindex(1), HOST_QUANT);
    enum quant_part part = (enum quant_part)luaL_checkoption(L, lua_isuserdata(L, 1) ? 2 : 1, "block", parts);
    size_t n = quant_parts(&q->q, part), rows = 1;
    struct tensor_handle *t = hosttensor_push(L);
    struct error_sums *sums = lua_newuserdatauv(L, n * sizeof *sums, 0);
    host_check(L, quant_errors(&q->q, q->of->values, part, sums), "errors");
    if (part == QUANT_ROWS || (part == QUANT_BLOCKS && q->q.scale_count))
        rows = part == QUANT_ROWS ? n : q->q.scale_rows;
    t->shared = hosttensor_new(L, rows, n / rows, parts[part]);
    for (size_t i = 0; i < n; i++)
        t->shared->values[i] = (float)(sums[i].count ? sums[i].noise / (double)sums[i].count : 0);
    hosttensor_measure(t->shared);
    lua_pop(L, 1);
    return 1;
}

/* q.at(row, col) or q:at(row, col): a decoded value, 1-based. Upvalue: q. */
static int quant_at(lua_State *L)
{
    const struct quant_handle *q = luaL_checkudata(L, lua_upvalueindex(1), HOST_QUANT);
    int first = lua_isuserdata(L, 1) ? 2 : 1;
    lua_Integer row = luaL_checkinteger(L, first), col = luaL_checkinteger(L, first + 1);
    luaL_argcheck(L, row >= 1 && (size_t)row <= q->q.rows, first, "no such row");
    luaL_argcheck(L, col >= 1 && (size_t)col <= q->q.cols, first + 1, "no such column");
    lua_pushnumber(L, (lua_Number)q->q.values[((size_t)row - 1) * q->q.cols + (size_t)col - 1]);
    return 1;
}

/* q.values -> tensor of the decoded values. */
static int push_decoded(lua_State *L, struct quant_handle *q)
{
    struct tensor_handle *t = hosttensor_push(L);
    if (!q->decoded) {
        char key[256];
        snprintf(key, sizeof key, "%.200s in %s", q->of->key, q->q.recipe.format->name);
        q->decoded = hosttensor_new(L, q->q.rows, q->q.cols, key);
        memcpy(q->decoded->values, q->q.values, q->q.rows * q->q.cols * sizeof(float));
        hosttensor_measure(q->decoded);
    }
    t->shared = q->decoded;
    q->decoded->refs++;
    return 1;
}

static double get_mse(const struct quant *q) { return q->mse; }
static double get_sqnr(const struct quant *q) { return q->sqnr_db; }
static double get_max_error(const struct quant *q) { return q->max_abs_error; }
static double get_zeros(const struct quant *q) { return q->zero_fraction; }
static double get_clipped(const struct quant *q) { return q->clipped_fraction; }
static double get_bits(const struct quant *q) { return q->bits_per_weight; }
static double get_scale(const struct quant *q) { return q->scale_count ? (double)q->scales[0] : 1; }
static double get_step(const struct quant *q) { return (double)format_step(q->recipe.format, 0) * fabs(get_scale(q)); }
static double get_tensor_scale(const struct quant *q) { return (double)q->tensor_scale; }
static double get_amax(const struct quant *q) { return (double)q->amax; }
static double get_noise(const struct quant *q) { return q->error.noise; }
static double get_signal(const struct quant *q) { return q->error.signal; }
static double get_nonfinite(const struct quant *q) { return (double)q->nonfinite; }
static double get_rows(const struct quant *q) { return (double)q->rows; }
static double get_cols(const struct quant *q) { return (double)q->cols; }

/* Numbers of a quantized tensor by name; those without a function are made in quant_index. */
static const struct quant_field {
    const char *name;
    double    (*get)(const struct quant *q);
} quant_fields[] = {
    { "mse", get_mse }, { "sqnr_db", get_sqnr }, { "max_abs_error", get_max_error }, { "zero_fraction", get_zeros },
    { "clipped_fraction", get_clipped }, { "bits_per_weight", get_bits }, { "scale", get_scale }, { "step", get_step },
    { "amax", get_amax }, { "noise", get_noise }, { "signal", get_signal }, { "nonfinite", get_nonfinite },
    { "rows", get_rows }, { "cols", get_cols }, { "tensor_scale", get_tensor_scale },
    { "values", NULL }, { "error_share", NULL }, { "at", NULL }, { "format", NULL }, { "errors", NULL },
};

static int quant_index(lua_State *L)
{
    enum { COUNT = sizeof quant_fields / sizeof quant_fields[0] };
    struct quant_handle *q = luaL_checkudata(L, 1, HOST_QUANT);
    const char *name = luaL_checkstring(L, 2), *names[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        names[i] = quant_fields[i].name;
        if (quant_fields[i].get && strcmp(name, names[i]) == 0) {
            lua_pushnumber(L, quant_fields[i].get(&q->q));
            return 1;
        }
    }
    if (strcmp(name, "values") == 0)
        return push_decoded(L, q);
    if (strcmp(name, "format") == 0)
        return lua_pushstring(L, q->q.recipe.format->name), 1;
    lua_pushvalue(L, 1);
    if (strcmp(name, "errors") == 0)
        return lua_pushcclosure(L, quant_errors_of, 1), 1;
    if (strcmp(name, "error_share") == 0)
        return lua_pushcclosure(L, quant_error_share, 1), 1;
    if (strcmp(name, "at") == 0)
        return lua_pushcclosure(L, quant_at, 1), 1;
    return host_unknown(L, "field of a quantized tensor: '", name, names, COUNT);
}

bool hostlib_matrix(lua_State *L, int index, struct host_matrix *out)
{
    const struct tensor_handle *t = luaL_testudata(L, index, HOST_TENSOR);
    const struct quant_handle *q = luaL_testudata(L, index, HOST_QUANT);
    memset(out, 0, sizeof *out);
    if (t && t->shared)
        *out = (struct host_matrix){ t->shared->rows, t->shared->cols, t->shared->values, NULL, NULL };
    else if (q && q->of)
        *out = (struct host_matrix){ q->q.rows, q->q.cols, q->q.values, q->of->values,
                                     &q->q };
    return out->values != NULL;
}

/* --- one value, one format ---------------------------------------------------------------------------------------- */

static void set_lanes(lua_State *L, const struct format *f)
{
    lua_createtable(L, 3, 0);
    for (int i = 0; i < 3; i++) {
        lua_pushinteger(L, f->lane[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "lanes");
}

/* [-0, +1] { value, code, bits, lanes, step, title, format }: a row for view.bits. */
static int push_code(lua_State *L, const struct format *f, uint32_t code, float step_at)
{
    char bits[33];
    for (int i = 0; i < f->bits; i++)
        bits[i] = code >> (f->bits - 1 - i) & 1 ? '1' : '0';
    bits[f->bits] = '\0';
    lua_createtable(L, 0, 8);
    host_set_number(L, "value", (double)format_decode(f, code));
    host_set_number(L, "code", (double)code);
    host_set_string(L, "bits", bits);
    set_lanes(L, f);
    host_set_number(L, "step", (double)format_step(f, step_at));
    host_set_string(L, "title", f->title);
    host_set_string(L, "format", f->name);
    host_note(host_of(L)->used_kernels, f->function);
    return 1;
}

/* lab.cast(x, "e4m3", overflow = "saturate") -> a row for view.bits. */
static int lab_cast(lua_State *L)
{
    static const char *const policies[] = { "saturate", "native", NULL }; /* ORDER OVERFLOW */
    float x = (float)luaL_checknumber(L, 1);
    const struct format *f = check_format(L, luaL_checkstring(L, 2));
    struct cast how = { .overflow = (enum overflow)luaL_checkoption(L, 3, "saturate", policies) };
    return push_code(L, f, format_encode(f, x, how), x);
}

/* lab.decode("01111110", "e4m3") -> what these bits mean in the format: a row for view.bits. */
static int lab_decode(lua_State *L)
{
    const char *bits = luaL_checkstring(L, 1);
    const struct format *f = check_format(L, luaL_checkstring(L, 2));
    uint32_t code = 0;
    luaL_argcheck(L, strlen(bits) == f->bits && strspn(bits, "01") == f->bits, 1, "as many 0 and 1 as the format has");
    for (const char *p = bits; *p; p++)
        code = code << 1 | (uint32_t)(*p == '1');
    return push_code(L, f, code, format_decode(f, code));
}

/* values(from, to) -> { ... }: the finite values of a format, at most 4096. Upvalue: its name. */
static int format_values_of(lua_State *L)
{
    enum { MOST = 4096 };
    static float values[MOST];
    const struct format *f = format_find(lua_tostring(L, lua_upvalueindex(1)));
    size_t n = format_values(f, (float)luaL_optnumber(L, 1, (double)-f->largest),
                             (float)luaL_optnumber(L, 2, (double)f->largest), values, MOST);
    lua_createtable(L, (int)(n < MOST ? n : MOST), 0);
    for (size_t i = 0; i < n && i < MOST; i++) {
        lua_pushnumber(L, (double)values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* count(from, to) -> how many finite values a format has there, ends included. Upvalue: its name. */
static int format_count_of(lua_State *L)
{
    const struct format *f = format_find(lua_tostring(L, lua_upvalueindex(1)));
    size_t n = f->bits > 16 ? 0 : format_values(f, (float)luaL_optnumber(L, 1, (double)-f->largest),
                                                (float)luaL_optnumber(L, 2, (double)f->largest), NULL, 0);
    luaL_argcheck(L, f->bits <= 16, 1, "only formats of up to 16 bits are counted");
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* lab.format "e4m3" -> { name, title, bits, lanes, max, normal, smallest, scale, block, bits_per_weight,
 * values, count = function(from, to) }: values in units of the scale; bits_per_weight with the scale of a block
 * format. */
static int lab_format(lua_State *L)
{
    const struct format *f = check_format(L, luaL_checkstring(L, 1));
    lua_createtable(L, 0, 12);
    host_set_string(L, "name", f->name);
    host_set_string(L, "title", f->title);
    host_set_number(L, "bits", f->bits);
    set_lanes(L, f);
    host_set_number(L, "max", (double)f->largest);
    host_set_number(L, "normal", (double)f->normal);
    host_set_number(L, "smallest", (double)f->smallest);
    host_set_string(L, "scale", f->scale);
    host_set_number(L, "block", f->block);
    host_set_number(L, "bits_per_weight", f->block ? 8.0 * f->block_bytes / f->block : f->bits);
    lua_pushstring(L, f->name);
    lua_pushcclosure(L, format_values_of, 1);
    lua_setfield(L, -2, "values");
    lua_pushstring(L, f->name);
    lua_pushcclosure(L, format_count_of, 1);
    lua_setfield(L, -2, "count");
    return 1;
}

/* --- a linear layer ----------------------------------------------------------------------------------------------- */

/* What a call of lab.linear holds, collected by Lua however the call ends. */
struct layer_work {
    double *exact;
    float  *y, *smooth;
    struct quant q;
};

static int collect_work(lua_State *L)
{
    struct layer_work *w = lua_touserdata(L, 1);
    free(w->y);
    free(w->smooth);
    free(w->exact);
    quant_free(&w->q);
    memset(w, 0, sizeof *w);
    return 0;
}

/* { format, scale } or { format =, scale = } in field `name`; false if the field is absent. */
static bool read_rounding(lua_State *L, const char *name, const char **format, const char **scale)
{
    static const char *const names[] = { "format", "scale", NULL };
    int type = lua_getfield(L, 1, name);
    if (type == LUA_TNIL)
        return lua_pop(L, 1), false;
    if (type == LUA_TSTRING) {
        *format = lua_tostring(L, -1);
        *scale = NULL;
        return lua_pop(L, 1), true;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    host_options(L, lua_gettop(L), names);
    *format = host_text(L, -1, "format", NULL);
    *scale = host_text(L, -1, "scale", NULL);
    for (int i = 1; i <= 2; i++) {
        const char **slot = i == 1 ? format : scale;
        lua_rawgeti(L, -1, i);
        if (!*slot && lua_type(L, -1) == LUA_TSTRING)
            *slot = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    if (!*format)
        luaL_error(L, "option '%s' needs a format: { \"int8\", \"channel\" }", name);
    return true;
}

/* The exact product of the last layer is kept: a knob changes the rounding, not the layer. */
static const double *exact_product(lua_State *L, const struct linear *layer, struct shared *x, struct shared *w)
{
    static struct shared *last_x, *last_w;
    static double *last;
    struct host *h = host_of(L);
    if (last && last_x == x && last_w == w)
        return last;
    struct layer_work *work = lua_touserdata(L, -1);
    work->exact = calloc(layer->tokens * layer->out, sizeof *work->exact);
    if (!work->exact)
        luaL_error(L, "out of memory");
    host_check(L, linear_exact(layer, work->exact, &h->progress), "lab.linear");
    hosttensor_drop(last_x);
    hosttensor_drop(last_w);
    free(last);
    last = work->exact;
    work->exact = NULL;
    (last_x = x)->refs++;
    (last_w = w)->refs++;
    return last;
}

static void measure_weights(lua_State *L, struct layer_work *work, const struct linear_recipe *r,
                            const struct shared *w)
{
    struct host *h = host_of(L);
    struct recipe recipe = {
        .format = r->weights, .scale = r->weight_scale, .seed = h->seed, .isa = host_isa(h),
    };
    host_check(L, quantize(w->values, w->rows, w->cols, &recipe, &h->progress, &work->q), "lab.linear");
}

/* lab.linear { x =, w =, weights = { format, scale }, activations = { format, "tensor" | "token" }, smooth = alpha }
 * -> { output_sqnr_db, weight_sqnr_db, bits_per_weight, divide }. x is [tokens, in], w is [out, in]; divide [in] are
 * SmoothQuant's factors, where smooth is given. */
static int lab_linear(lua_State *L)
{
    static const char *const names[] = { "x", "w", "weights", "activations", "smooth", NULL };
    struct host *h = host_of(L);
    const char *wf = NULL, *ws = NULL, *af = NULL, *as = NULL;
    host_options(L, 1, names);
    struct shared *x = hosttensor_option(L, 1, "x"), *w = hosttensor_option(L, 1, "w");
    double alpha = host_number(L, 1, "smooth", -1, 0, 1);
    struct linear layer = { x->values, w->values, x->rows, x->cols, w->rows };
    struct linear_recipe r = { .isa = host_isa(h) };
    if (x->cols != w->cols)
        return luaL_error(L, "lab.linear: x has %d features, w takes %d", (int)x->cols, (int)w->cols);
    if ((double)x->rows * (double)x->cols * (double)w->rows > 4e9)
        return luaL_error(L, "lab.linear: more than 4e9 products; take fewer rows");
    if (read_rounding(L, "weights", &wf, &ws)) {
        r.weights = check_format(L, wf);
        r.weight_scale = check_scale(L, r.weights, ws);
    }
    if (read_rounding(L, "activations", &af, &as)) {
        r.activations = check_format(L, af);
        r.per_token = as && strcmp(as, "token") == 0;
        if (as && !r.per_token && strcmp(as, "tensor") != 0)
            return luaL_error(L, "the scale of activations is 'tensor' or 'token', not '%s'", as);
    }
    struct layer_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    memset(work, 0, sizeof *work);
    luaL_setmetatable(L, WORK);
    const double *exact = exact_product(L, &layer, x, w);
    work->y = calloc(layer.tokens * layer.out, sizeof *work->y);
    work->smooth = calloc(layer.in, sizeof *work->smooth);
    if (!work->y || !work->smooth)
        return luaL_error(L, "out of memory");
    if (alpha >= 0) {
        linear_smooth(&layer, alpha, work->smooth);
        r.smooth = work->smooth;
        host_note(h->used_kernels, "linear_smooth");
    }
    host_check(L, linear_run(&layer, &r, work->y, &h->progress), "lab.linear");
    if (r.weights)
        measure_weights(L, work, &r, w);
    host_note(h->used_kernels, "linear_run");
    lua_createtable(L, 0, 3);
    host_set_number(L, "output_sqnr_db", linear_sqnr_db(exact, work->y, layer.tokens * layer.out));
    host_set_number(L, "weight_sqnr_db", r.weights ? work->q.sqnr_db : HUGE_VAL);
    host_set_number(L, "bits_per_weight", r.weights ? work->q.bits_per_weight : 32);
    if (!r.smooth)
        return 1;
    struct tensor_handle *divide = hosttensor_push(L);
    divide->shared = hosttensor_new(L, 1, layer.in, "what inputs are divided by");
    memcpy(divide->shared->values, r.smooth, layer.in * sizeof *r.smooth);
    hosttensor_measure(divide->shared);
    lua_setfield(L, -2, "divide");
    return 1;
}

const struct lab_function hostquant_functions[] = {
    { "quantize", lab_quantize, 60 },
    { "linear", lab_linear, 60 },
    { "cast", lab_cast, 0 },
    { "decode", lab_decode, 0 },
    { "format", lab_format, 0 },
    { NULL, NULL, 0 },
};

void hostquant_open(lua_State *L)
{
    hostlib_add_type(L, HOST_QUANT, quant_index, collect_quant);
    hostlib_add_type(L, WORK, NULL, collect_work);
}
