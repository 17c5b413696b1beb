/* hostlua.h: what the Lua files of the host share; no other file includes this.
 * Stack effects stand above each function as [-popped, +pushed]. Only functions that say so may raise Lua errors:
 * between two of those, whoever holds C memory must not call them. */
#ifndef ENGINE_HOSTLUA_H
#define ENGINE_HOSTLUA_H

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "engine/host.h"
#include "kernels/cpu.h"
#include "kernels/status.h"

/* In the registry: what the constructors noted about a table. */
#define HOST_NODES "saffron.nodes" /* table -> kind */
#define HOST_LINES "saffron.lines" /* table -> line */

struct host {
    lua_State      *L;
    struct host_env env;
    size_t          used;             /* bytes that Lua holds */
    long            instructions;     /* run so far, in steps of the hook's count */
    bool            over;             /* no pcall may go on: the budget is spent, or the request was canceled */
    int             line;             /* of the lesson, when a hook last looked */
    char            name[256];        /* the lesson's file, as messages say it */
    char            chunk[64];        /* the same as Lua cuts it short at the front of its messages */
    bool            lab_open;         /* inside compute() or given() */
    uint64_t        seed;
    bool            in_lab;           /* a lab function is running: an error may leave it */
    int             calls;            /* of lab functions so far */
    int             blocks;           /* made so far */
    struct progress progress;         /* for kernels: polls the cancel flag, reports */
    const char     *calling;          /* the lab function that runs, for reports of its kernels */
    double          called;           /* when it began */
    bool            reporting;        /* the lesson reports progress itself */
    bool            own_given;        /* the learner's own tensor stood in for the lesson's */
    json_t         *used_tensors, *used_kernels;
    bool            timed;
    json_t         *values;           /* of the last outcome, or NULL */
    struct host_problem *problem;     /* of the call under way */
};

static inline struct host *host_of(lua_State *L)
{
    return *(struct host **)lua_getextraspace(L);
}

/* Seconds of a clock that only goes forward. */
double host_clock(void);

/* [-0, +0] The value as JSON; NULL and one line in `error`. Raises nothing. `tree`: as host_load says. */
json_t *host_json(lua_State *L, int index, bool tree, char *error, size_t size);

/* [-0, +1] May raise. */
void host_push_json(lua_State *L, const json_t *value);

/* [-1, +1] The table on top becomes read-only, and asking it for what it does not have is an error that says
 * "unknown WHAT'NAME'" with the nearest name: what is "name " or "view." . May raise. */
void host_strict(lua_State *L, const char *what);

/* [-0, +0] Raises: a name that a table does not have, with the nearest of `names`. */
int host_unknown(lua_State *L, const char *what, const char *name, const char *const *names, size_t count);

/* [-0, +0] Raises: how a kernel call ended, unless it ended well. A canceled one ends the script. */
void host_check(lua_State *L, enum kernel_status status, const char *what);

/* [-0, +1] The `view` table; the block at `index`, or NULL if it is none (borrowed); `fmt(x [, decimals or unit])`. */
void    viewlib_open(lua_State *L);
json_t *viewlib_block(lua_State *L, int index);
int     viewlib_fmt(lua_State *L);

/* Texts of the list become prose, then every block is checked. False and one line in `error`. Raises nothing. */
bool viewlib_finish(json_t *list, char *error, size_t size);

/* What a handle holds, for views. */
struct host_matrix {
    size_t       rows, cols;
    const float *values;   /* [rows, cols]; of a quantized tensor the decoded ones */
    const float *original; /* of a quantized tensor what it was made from, else NULL */
    const struct quant *quant; /* of a quantized tensor, else NULL */
};

/* [-0, +0] False if the value at `index` is no handle. Raises nothing. */
bool hostlib_matrix(lua_State *L, int index, struct host_matrix *out);

/* Values that several handles and the cache may hold. Only the worker counts. */
struct shared {
    int    refs;
    size_t rows, cols;
    float *values;
    char   key[256];        /* what they are: the generator with its options, or the tensor's name */
    float  amax;
    double rms;
    size_t nonfinite;       /* values that are NaN or infinite */
};

/* Metatables of handles; hostlib_add_type makes one: [-0, +0], `index` may be NULL. */
#define HOST_TENSOR "saffron.tensor"
#define HOST_QUANT  "saffron.quant"
void hostlib_add_type(lua_State *L, const char *type, lua_CFunction index, lua_CFunction collect);

struct tensor_handle {
    struct shared *shared;
};

/* [-0, +1] An empty handle, so that whatever comes next is owned by Lua. May raise. */
struct tensor_handle *hosttensor_push(lua_State *L);
/* [-0, +0] Values for a handle, still to be filled and measured (largest, root mean square); or an error raised. */
struct shared *hosttensor_new(lua_State *L, size_t rows, size_t cols, const char *key);
void hosttensor_measure(struct shared *s);
void hosttensor_drop(struct shared *s);
/* [-0, +0] The tensor at `index`, or in field `name` of the options table there; or an error raised. */
struct shared *hosttensor_check(lua_State *L, int index);
struct shared *hosttensor_option(lua_State *L, int index, const char *name);
/* [-0, +0] The same, but NULL where there is no such field. */
struct shared *hosttensor_maybe(lua_State *L, int index, const char *name);
/* [-0, +1] A copy of values [rows, cols] as a tensor. May raise. */
void hosttensor_push_copy(lua_State *L, const float *values, size_t rows, size_t cols, const char *key);

/* [-0, +1] The `lab` table, and the metatables of handles. */
void hostlib_open(lua_State *L);
void hosttensor_open(lua_State *L);
void hostquant_open(lua_State *L);
void hostmethod_open(lua_State *L);
void hostcache_open(lua_State *L);
void hostquality_open(lua_State *L);

/* [-0, +1] The table of globals, with Lua's own libraries as far as a lesson may have them. */
void hostsafe_open(lua_State *L);

/* Gives back the models that hostquality.c keeps. */
void hostquality_forget(void);

/* A function of lab. `seconds`: how long it may take by the clock; 0: it is quick, and no host call to the watchdog. */
struct lab_function {
    const char   *name;
    lua_CFunction run;
    double        seconds;
};

/* [-0, +0] Adds functions to the table on top; the last row has no name. */
void hostlib_add(lua_State *L, const struct lab_function *functions);

/* [-0, +1] A method of a handle that walks over all values: timed like a function of lab. */
void hostlib_push_method(lua_State *L, const struct lab_function *method);

/* The functions by noun; each ends with a row without a name. */
extern const struct lab_function hosttensor_functions[], hostquant_functions[], hostmethod_functions[],
    hostcache_functions[], hostmodel_functions[], hostmatrix_functions[], hostsum_functions[],
    hosttime_functions[], hostquality_functions[];

/* What timings have in common; hosttime.c. [-0, +1] One series, of one of the `repeat` computations; "times" is over
 * the first series. [-0, +0] Into the table on top: rounds, dropped, and noisy = why nobody should be judged, if so;
 * then order = { names, fastest first } and ties = "a=b c". How many rounds the options ask for. All may raise. */
struct rounds;
void hosttime_series(lua_State *L, const struct rounds *r, int i, double bytes, int repeat);
void hosttime_rounds(lua_State *L, const struct rounds *r);
void hosttime_order(lua_State *L, const struct rounds *r, const char *const *names, int n);
int  hosttime_count(lua_State *L);

/* lab.gemv and lab.attention where the options say device = "cuda"; hostgpu.c. */
int hostgpu_gemv(lua_State *L);
int hostgpu_attention(lua_State *L);

/* Methods of tensors that hostmatrix.c adds to those of hosttensor.c. */
extern const struct lab_function hostmatrix_methods[];

/* [-0, +0] A field of the table on top. */
static inline void host_set_string(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static inline void host_set_number(lua_State *L, const char *name, double x)
{
    lua_pushnumber(L, x);
    lua_setfield(L, -2, name);
}

/* [-0, +0] Fields of the options table at `index`: the default when absent; raises on a wrong type, or outside low to
 * high. host_options raises on a field that is not in `names` (NULL-ended). */
double      host_number(lua_State *L, int index, const char *name, double absent, double low, double high);
const char *host_text(lua_State *L, int index, const char *name, const char *absent);
void        host_options(lua_State *L, int index, const char *const *names);

/* Adds a name, once, to what the provenance lists. */
void host_note(json_t *list, const char *name);

/* The instruction set that kernels may use. */
enum isa host_isa(const struct host *h);

#endif
