/* rounds.c: see rounds.h. */
#include "engine/rounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ON_CORE 0.97   /* of the wall time, or the round was interrupted */
#define APART   1.5    /* quartiles of a series, or the machine is too noisy */
#define DRIFT   1.1    /* of the thermometer, between before and after */
enum { LEAST = 3, WARM = 1 << 19, TRIES = 2 };

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The thermometer: seconds of a fixed chain of multiply-adds, the best of three. It slows when the clock does. */
static double temperature(void)
{
    double best = HUGE_VAL;
    for (int k = 0; k < 3; k++) {
        double began = seconds_of(CLOCK_MONOTONIC);
        volatile double sink;
        double x = 1;
        for (int i = 0; i < WARM; i++)
            x = x * 0.999999 + 1e-6;
        sink = x;
        (void)sink;
        best = fmin(best, seconds_of(CLOCK_MONOTONIC) - began);
    }
    return best;
}

/* One round into out[series]; *steady says whether the thread kept its core. */
static bool time_round(int series, rounds_run *run, void *ctx, double *out, bool *steady)
{
    *steady = true;
    for (int i = 0; i < series; i++) {
        double wall = seconds_of(CLOCK_MONOTONIC), core = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        if (!run(ctx, i))
            return false;
        core = seconds_of(CLOCK_THREAD_CPUTIME_ID) - core;
        out[i] = seconds_of(CLOCK_MONOTONIC) - wall;
        *steady = *steady && core >= ON_CORE * out[i];
    }
    return true;
}

static void keep(struct rounds *r, const double *seconds)
{
    for (int i = 0; i < r->series; i++)
        r->seconds[i][r->kept] = seconds[i];
    r->kept++;
}

static bool time_once(struct rounds *r, int series, int most, double budget, rounds_run *run, void *ctx,
                      void (*after)(void *ctx, double share))
{
    double began = seconds_of(CLOCK_MONOTONIC), lost[ROUNDS_MOST][ROUNDS_SERIES];
    *r = (struct rounds){ .alone = r->alone, .series = series };
    for (int n = 0; n < most && n < ROUNDS_MOST; n++) {
        bool steady;
        double now[ROUNDS_SERIES];
        if (n >= LEAST && seconds_of(CLOCK_MONOTONIC) - began > budget)
            break;
        if (!time_round(series, run, ctx, now, &steady))
            return false;
        if (steady || !r->alone)
            keep(r, now);
        else
            memcpy(lost[r->dropped++], now, sizeof now);
        if (after)
            after(ctx, (n + 1.0) / most);
    }
    for (int n = 0; r->kept < LEAST && n < r->dropped; n++)
        keep(r, lost[n]);
    return true;
}

bool rounds_time(struct rounds *r, int series, int most, double budget, rounds_run *run, void *ctx,
                 void (*after)(void *ctx, double share))
{
    double began = seconds_of(CLOCK_MONOTONIC);
    for (int n = 0; n < TRIES && (n == 0 || seconds_of(CLOCK_MONOTONIC) - began <= budget); n++) {
        double before = temperature();
        if (!time_once(r, series, most, budget / TRIES, run, ctx, after))
            return false;
        r->drift = temperature() / before;
        if (r->drift <= DRIFT && r->drift >= 1 / DRIFT)
            break;
    }
    return true;
}

void rounds_scale(struct rounds *r, int i, double times)
{
    for (int n = 0; n < r->kept; n++)
        r->seconds[i][n] *= times;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct spread spread_of(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return (struct spread){ values[n / 2], values[n / 4], values[n - 1 - n / 4] };
}

struct spread rounds_seconds(const struct rounds *r, int i)
{
    double values[ROUNDS_MOST];
    memcpy(values, r->seconds[i], sizeof values);
    return spread_of(values, r->kept);
}

struct spread rounds_ratio(const struct rounds *r, int base, int i)
{
    double values[ROUNDS_MOST];
    for (int n = 0; n < r->kept; n++)
        values[n] = r->seconds[base][n] / r->seconds[i][n];
    return spread_of(values, r->kept);
}

double rounds_fastest(const struct rounds *r, int i)
{
    double least = HUGE_VAL;
    for (int n = 0; n < r->kept; n++)
        least = fmin(least, r->seconds[i][n]);
    return least;
}

void rounds_order(const struct rounds *r, int n, int *order, bool *tied)
{
    double median[ROUNDS_SERIES];
    for (int i = 0; i < n; i++) {
        median[i] = rounds_seconds(r, i).median;
        int at = i;
        for (; at > 0 && median[order[at - 1]] > median[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int k = 0; k + 1 < n; k++) {
        struct spread lead = rounds_ratio(r, order[k + 1], order[k]);
        tied[k] = lead.low <= 1;
    }
}

bool rounds_noisy(const struct rounds *r)
{
    bool noisy = 3 * r->dropped > r->kept + r->dropped || r->drift > APART || (r->drift > 0 && r->drift < 1 / APART);
    for (int i = 0; i < r->series; i++) {
        struct spread s = rounds_seconds(r, i);
        noisy = noisy || s.high > APART * s.low;
    }
    return noisy;
}
