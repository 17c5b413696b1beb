/* fsrs.h: FSRS-6, the memory model behind recall: how strong a memory is, and when to ask again.
 * Arithmetic only; days are whole local days. Where implementations differ, the rules are those of fsrs-rs.
 * Source: "The Algorithm" in the wiki of open-spaced-repetition, version 6 with 21 weights. */
#ifndef DB_FSRS_H
#define DB_FSRS_H

#include <stdint.h>

enum { FSRS_WEIGHTS = 21 };

enum fsrs_rating { FSRS_AGAIN = 1, FSRS_HARD, FSRS_GOOD, FSRS_EASY };

struct fsrs_memory {
    double stability;  /* days until the chance of recall has fallen to 90 %; 0: never rated */
    double difficulty; /* 1 to 10 */
};

/* The weights that ship with FSRS-6, not trained on the learner. */
extern const double fsrs_defaults[FSRS_WEIGHTS];

/* Eight hexadecimal digits that name these weights, for the review log. */
void fsrs_hash(const double w[FSRS_WEIGHTS], char hash[9]);

/* The chance of recall after `days` at this stability. */
double fsrs_recall(const double w[FSRS_WEIGHTS], double days, double stability);

/* Days until the chance of recall has fallen to `retention`, not rounded: stability at 0.9. */
double fsrs_days(const double w[FSRS_WEIGHTS], double retention, double stability);

/* The same as an interval to schedule: whole days from 1 to 36500. */
int fsrs_interval(const double w[FSRS_WEIGHTS], double retention, double stability);

/* An interval moved a little, so that cards of one day spread over several; seed: any number, the same seed gives the
 * same interval. Intervals below 2.5 days stay. */
int fsrs_fuzz(int interval, uint32_t seed);

/* The memory after a rating; elapsed: whole days since the last one, negative counts as 0; before: of stability 0 for
 * the first rating. */
struct fsrs_memory fsrs_next(const double w[FSRS_WEIGHTS], struct fsrs_memory before, enum fsrs_rating rating,
                             int64_t elapsed);

/* The parts of fsrs_next, each with its own published vectors. The difficulty is before mean reversion, and after. */
double fsrs_damped_difficulty(const double w[FSRS_WEIGHTS], double difficulty, enum fsrs_rating rating);
double fsrs_next_difficulty(const double w[FSRS_WEIGHTS], double difficulty, enum fsrs_rating rating);
/* Stability after a success, a failure, and a rating on the same day; recall: the chance just before. */
double fsrs_success(const double w[FSRS_WEIGHTS], struct fsrs_memory before, double recall, enum fsrs_rating rating);
double fsrs_failure(const double w[FSRS_WEIGHTS], struct fsrs_memory before, double recall);
double fsrs_same_day(const double w[FSRS_WEIGHTS], double stability, enum fsrs_rating rating);

#endif
