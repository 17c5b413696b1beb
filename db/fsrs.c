/* fsrs.c: FSRS-6, the memory model behind recall. See fsrs.h.
 * The formulas stand in the order of the wiki's page; w[i] are its names, so that both can be read side by side. */
#include "db/fsrs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const double fsrs_defaults[FSRS_WEIGHTS] = {
    0.212,  1.2931, 2.3065, 8.2956, /* stability after the first rating: again, hard, good, easy */
    6.4133, 0.8334,                 /* difficulty after the first rating: of again, and how it falls */
    3.0194, 0.001,                  /* difficulty: how far a rating moves it, how far it reverts to the mean */
    1.8722, 0.1666, 0.796,          /* success: gain, its loss with stability, its growth with forgetting */
    1.4835, 0.0614, 0.2629, 1.6483, /* failure: factor, difficulty, stability, growth with forgetting */
    0.6014, 1.8729,                 /* success: penalty of hard, bonus of easy */
    0.5425, 0.0912, 0.0658,         /* same day: slope, offset, loss with stability */
    0.1542,                         /* how fast the curve of forgetting falls */
};

enum { LONGEST = 36500 }; /* days: an interval or stability of 100 years */

static const double weakest = 0.001; /* days: the least stability */

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

void fsrs_hash(const double w[FSRS_WEIGHTS], char hash[9])
{
    uint32_t sum = 2166136261u; /* FNV-1a over the weights as written */
    char     text[32];
    for (int i = 0; i < FSRS_WEIGHTS; i++) {
        snprintf(text, sizeof text, "%.17g,", w[i]);
        for (const char *p = text; *p; p++)
            sum = (sum ^ (unsigned char)*p) * 16777619u;
    }
    snprintf(hash, 9, "%08x", (unsigned)sum);
}

/* ---- forgetting ---- */

/* So chosen that recall at t = stability is 0.9. */
static double curve(const double w[FSRS_WEIGHTS])
{
    return pow(0.9, -1 / w[20]) - 1;
}

double fsrs_recall(const double w[FSRS_WEIGHTS], double days, double stability)
{
    return pow(1 + curve(w) * days / stability, -w[20]);
}

double fsrs_days(const double w[FSRS_WEIGHTS], double retention, double stability)
{
    return stability / curve(w) * (pow(retention, -1 / w[20]) - 1);
}

int fsrs_interval(const double w[FSRS_WEIGHTS], double retention, double stability)
{
    return (int)clamp(round(fsrs_days(w, retention, stability)), 1, LONGEST);
}

static double part(double x, double low, double high)
{
    return x > low ? (x < high ? x : high) - low : 0;
}

int fsrs_fuzz(int interval, uint32_t seed)
{
    if (interval < 2.5)
        return interval;
    double delta = 1 + 0.15 * part(interval, 2.5, 7) + 0.1 * part(interval, 7, 20) + 0.05 * part(interval, 20, LONGEST);
    long   low = lround(interval - delta), high = lround(interval + delta);
    low = low < 2 ? 2 : low;
    high = high > LONGEST ? LONGEST : high;
    seed = (seed ^ seed >> 16) * 0x45d9f3bu; /* mixes neighboring seeds */
    seed = (seed ^ seed >> 16) * 0x45d9f3bu;
    return (int)(low + (seed ^ seed >> 16) % (uint32_t)(high - low + 1));
}

/* ---- difficulty ---- */

static double first_difficulty(const double w[FSRS_WEIGHTS], int rating)
{
    return w[4] - exp(w[5] * (rating - 1)) + 1;
}

double fsrs_damped_difficulty(const double w[FSRS_WEIGHTS], double difficulty, enum fsrs_rating rating)
{
    double change = -w[6] * ((int)rating - 3);
    return difficulty + change * (10 - difficulty) / 9; /* the harder, the less harder it can get */
}

/* The mean that it reverts to is an easy first rating's, which is not clamped. */
double fsrs_next_difficulty(const double w[FSRS_WEIGHTS], double difficulty, enum fsrs_rating rating)
{
    double damped = fsrs_damped_difficulty(w, difficulty, rating);
    return clamp(w[7] * first_difficulty(w, FSRS_EASY) + (1 - w[7]) * damped, 1, 10);
}

/* ---- stability ---- */

double fsrs_success(const double w[FSRS_WEIGHTS], struct fsrs_memory m, double recall, enum fsrs_rating rating)
{
    double grade = rating == FSRS_HARD ? w[15] : rating == FSRS_EASY ? w[16] : 1;
    double gain = exp(w[8]) * (11 - m.difficulty) * pow(m.stability, -w[9]) * (exp(w[10] * (1 - recall)) - 1) * grade;
    return m.stability * (1 + gain);
}

double fsrs_failure(const double w[FSRS_WEIGHTS], struct fsrs_memory m, double recall)
{
    double left = w[11] * pow(m.difficulty, -w[12]) * (pow(m.stability + 1, w[13]) - 1) * exp(w[14] * (1 - recall));
    double most = m.stability / exp(w[17] * w[18]); /* forgetting never makes a memory stronger */
    return left < most ? left : most;
}

double fsrs_same_day(const double w[FSRS_WEIGHTS], double stability, enum fsrs_rating rating)
{
    double factor = exp(w[17] * ((int)rating - 3 + w[18])) * pow(stability, -w[19]);
    return stability * (rating >= FSRS_HARD && factor < 1 ? 1 : factor);
}

/* ---- a rating ---- */

struct fsrs_memory fsrs_next(const double w[FSRS_WEIGHTS], struct fsrs_memory m, enum fsrs_rating rating,
                             int64_t elapsed)
{
    if (m.stability <= 0)
        return (struct fsrs_memory){ clamp(w[rating - 1], weakest, LONGEST),
                                     clamp(first_difficulty(w, rating), 1, 10) };
    double days = elapsed > 0 ? (double)elapsed : 0;
    double recall = fsrs_recall(w, days, m.stability);
    double stability = days < 1                ? fsrs_same_day(w, m.stability, rating)
                       : rating == FSRS_AGAIN ? fsrs_failure(w, m, recall)
                                              : fsrs_success(w, m, recall, rating);
    return (struct fsrs_memory){ clamp(stability, weakest, LONGEST), fsrs_next_difficulty(w, m.difficulty, rating) };
}
