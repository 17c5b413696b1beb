/* rounds: several computations timed in turn, A B C A B C, so that a machine that slows down slows them all.
 * A round in which the thread was pushed off its core is dropped and counted, where it computes alone. Ratios are taken
 * within a round. A fixed loop before and after is the thermometer: when the clock has changed meanwhile, all is timed
 * once more, if the first time was short enough. */
#ifndef ENGINE_ROUNDS_H
#define ENGINE_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>

enum { ROUNDS_MOST = 31, ROUNDS_SERIES = 12 };

struct rounds {
    bool   alone;                               /* set by the caller: the thread computes all, and waits for no other */
    int    series;                              /* computations */
    int    kept, dropped;                       /* rounds; seconds[][] has the kept ones */
    double drift;                               /* of the thermometer: 1.1 is a tenth slower afterwards */
    double seconds[ROUNDS_SERIES][ROUNDS_MOST];
};

/* Computes series i once; false ends the timing. */
typedef bool rounds_run(void *ctx, int i);

/* Up to `most` rounds, within half of `budget` seconds but for the first three; once more where the clock changed,
 * unless all of the budget is spent.
 * `after` (NULL: none) is called after each round with the share done. When fewer than three rounds would be kept, the
 * dropped ones are kept too, and stay counted. False if the computation ended it. */
bool rounds_time(struct rounds *r, int series, int most, double budget, rounds_run *run, void *ctx,
                 void (*after)(void *ctx, double share));

/* Series i computed only a part of what it stands for: each of its times becomes `times` as long. */
void rounds_scale(struct rounds *r, int i, double times);

/* Of the seconds of series i, or of the per-round ratios seconds[base] / seconds[i]: the median, and the quartiles
 * around it. */
struct spread {
    double median, low, high;
};
struct spread rounds_seconds(const struct rounds *r, int i);
struct spread rounds_ratio(const struct rounds *r, int base, int i);

/* The shortest time of series i: other work on the machine only ever slows. */
double rounds_fastest(const struct rounds *r, int i);

/* The first `n` series, fastest first; tied[k] says that the one in place k and the one after it cannot be told apart:
 * the middle half of their ratio spans 1. */
void rounds_order(const struct rounds *r, int n, int *order, bool *tied);

/* True when nobody should be judged by these figures: more than a third of the rounds were dropped, a series'
 * quartiles lie 1.5 apart, or the thermometer does. */
bool rounds_noisy(const struct rounds *r);

#endif
