/* hostsum.c: a counter in few bits, rounded after each addition: where it sticks, and how a coin frees it.
 * One function of lab; the loop is C because a million additions are more than a script may run. */
#include <math.h>
#include <string.h>

#include "engine/hostlua.h"
#include "kernels/format.h"
#include "kernels/random.h"

enum { COUNT_MOST = 10000000, POINTS = 96 };

struct counter {
    const struct format *format;
    double add;
    size_t times;
    enum rounding rounding;
    uint64_t seed;
};

/* The counter after each addition that `stops` (ascending, `count` of them) names; the last is the end. */
static void run_counter(const struct counter *c, const size_t *stops, size_t count, double *values)
{
    struct cast how = { c->rounding, OVERFLOW_SATURATE, 0 };
    float sum = 0;
    size_t at = 0;
    for (size_t i = 1; i <= c->times && at < count; i++) {
        if (c->rounding == ROUND_STOCHASTIC)
            how.random = random_bits(c->seed, STREAM_VALUES, i) >> 8;
        float next = format_round(c->format, (float)((double)sum + c->add), how);
        bool stuck = next == sum && c->rounding != ROUND_STOCHASTIC;
        sum = next;
        while (at < count && (stuck || stops[at] == i))
            values[at++] = (double)sum;
    }
}

/* Points evenly spread on a log axis from 1 to n, each once. */
static size_t log_stops(size_t n, size_t *stops)
{
    size_t count = 0;
    for (size_t i = 0; i < POINTS; i++) {
        size_t stop = (size_t)llround(pow((double)n, (double)i / (POINTS - 1)));
        if (count == 0 || stop > stops[count - 1])
            stops[count++] = stop;
    }
    return count;
}

static void push_numbers(lua_State *L, const char *name, const double *values, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushnumber(L, values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, name);
}

/* lab.counter { format =, add = 1, times = 1e6, rounding = "nearest" } -> { value, x, y }: after x additions it is y.
 * The counter starts at 0 and is rounded to the format after each addition. */
static int lab_counter(lua_State *L)
{
    static const char *const names[] = { "format", "add", "times", "rounding", NULL };
    static const char *const ways[] = { "nearest", "zero", "stochastic" }; /* ORDER ROUNDING */
    size_t stops[POINTS];
    double x[POINTS], y[POINTS] = { 0 };
    host_options(L, 1, names);
    const char *name = host_text(L, 1, "format", "bf16"), *way = host_text(L, 1, "rounding", "nearest");
    struct counter c = { .format = format_find(name), .add = host_number(L, 1, "add", 1, 0, 1e6),
                         .times = (size_t)host_number(L, 1, "times", 1e6, 1, COUNT_MOST), .rounding = 3,
                         .seed = host_of(L)->seed };
    for (int i = 0; i < 3; i++)
        if (strcmp(ways[i], way) == 0)
            c.rounding = (enum rounding)i;
    if (!c.format || (int)c.rounding == 3)
        return luaL_error(L, "lab.counter: unknown %s '%s'", c.format ? "rounding" : "format", c.format ? way : name);
    size_t count = log_stops(c.times, stops);
    run_counter(&c, stops, count, y);
    for (size_t i = 0; i < count; i++)
        x[i] = (double)stops[i];
    lua_createtable(L, 0, 3);
    host_set_number(L, "value", y[count - 1]);
    push_numbers(L, "x", x, count);
    push_numbers(L, "y", y, count);
    host_note(host_of(L)->used_kernels, c.format->function);
    return 1;
}

const struct lab_function hostsum_functions[] = {
    { "counter", lab_counter, 30 },
    { NULL, NULL, 0 },
};
