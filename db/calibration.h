/* calibration.h: does the learner know what they know? Confidence against hits, derived from scored predictions.
 * A prediction counts once, with its first scored result; "no idea" and unscored results do not count. */
#ifndef DB_CALIBRATION_H
#define DB_CALIBRATION_H

enum {
    CALIBRATION_ENOUGH = 20, /* below so many scored predictions a plot says more than is known */
    CALIBRATION_GROUP = 20   /* predictions in one row over time */
};

/* The reply to STORE_CALIBRATION; means are null while n is 0. SUMS is
 *   "n", "hits", "brier" (0 best, 0.25 coin), "mean_confidence", "hit_rate"
 *
 *   {SUMS, "enough" (n >= 20), "surprises",
 *    "levels": [{"level": "guess" | "50" | "75" | "95", "n", "hits", "mean_confidence", "hit_rate", "low", "high"}],
 *    "lessons": [{"lesson", SUMS}],
 *    "over_time": [{"from", "to" (the how many-th predictions), "utc" (of the last), SUMS}],
 *    "magnitudes": {"n", "median_octaves", "mean_octaves", "within_one" (at most a factor of 2 off)},
 *    "forgetting", "evidence" (memory.h)}
 * low and high: the Wilson 95 % interval of the hit rate. "guess" counts as 1/k in a choice of k, else as 10 %. */

/* The Wilson 95 % interval of hits out of n; 0 and 1 when n is 0. */
void calibration_wilson(int hits, int n, double *low, double *high);

/* The probability that a confidence stands for: level "guess", "50", "75", "95"; options: of a choice, else 0.
 * Negative for anything else. */
double calibration_chance(const char *level, int options);

#endif
