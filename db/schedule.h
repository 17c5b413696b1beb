/* schedule.h: one card's way from its reveal to a long memory: surprise returns, learning steps, then FSRS.
 * Arithmetic only; cards.c keeps one of these a card and folds grades into it.
 *
 *   new         due at once; the first grade is FSRS's first rating
 *   surprise    the prediction was a miss at 75 or 95 %: returns 10 minutes, 1 day and 3 days after the reveal, never
 *               closer together than that; the grade at the third return is FSRS's first rating
 *   learning    again: 1 minute; good: 10 minutes, then review
 *   review      due when the chance of recall has fallen to the desired retention
 *   relearning  after a lapse: 10 minutes, then review */
#ifndef DB_SCHEDULE_H
#define DB_SCHEDULE_H

#include "db/fsrs.h"

#include <stdbool.h>

/* ORDER SCHEDULE_STATE: schedule_names */
enum schedule_state { SCHEDULE_NEW, SCHEDULE_SURPRISE, SCHEDULE_LEARNING, SCHEDULE_REVIEW, SCHEDULE_RELEARNING };

extern const char *const schedule_names[];

struct schedule {
    enum schedule_state state;
    int                 step;     /* learning: steps passed; surprise: returns so far */
    struct fsrs_memory  memory;
    int64_t             made_day; /* local days (schedule_day): of the reveal, */
    int64_t             last_day; /* of the last grade, 0 before the first */
    int64_t             due_utc;  /* all but review: due from then on, ms; */
    int64_t             due_day;  /* and not before this day */
    int                 reviews, lapses;
};

/* The local day number of a moment: days since 1970 where the learner was; a day starts at 4 in the morning. */
int64_t schedule_day(int64_t utc_ms, int offset_minutes);

/* When that day starts, ms since 1970. */
int64_t schedule_day_start(int64_t day, int offset_minutes);

/* A new card, or a known one that has just surprised. utc and day: of the reveal, by the learner's clock. */
void schedule_reveal(struct schedule *card, bool surprise, int64_t utc, int64_t day);

/* A grade. A day before the last one (the clock was set back) counts as the same day. */
void schedule_grade(struct schedule *card, enum fsrs_rating rating, int64_t utc, int64_t day);

/* The moment from which the card is due. fuzz: 0 for none, else a seed. */
int64_t schedule_due(const struct schedule *card, double retention, uint32_t fuzz, int offset);

/* Whether it is due now. A card graded in days that have not come yet (the clock was ahead) is. */
bool schedule_is_due(const struct schedule *card, double retention, uint32_t fuzz, int64_t utc, int offset);

#endif
