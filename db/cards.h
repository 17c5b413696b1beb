/* cards.h: recall cards and their schedule (schedule.h), derived from result, answer and review events.
 * A card is known by its lesson and step, and written "LESSON:STEP"; it exists once its reveal was seen (or its recall
 * step answered). A prediction is no review: nothing had been learned yet. */
#ifndef DB_CARDS_H
#define DB_CARDS_H

#include "db/schedule.h"

#include <jansson.h>

/* The reply to STORE_CARDS; with arg "all" cards lists every card by id, else those due now: surprises first, then the
 * longest overdue. Undo of a grade: retract last_review.
 *   {"today": DAY, "due": COUNT, "total": COUNT,
 *    "next_day": DAY or null, "next_due": TIME or null (when the next card not yet due comes),
 *    "ahead": {"now", "today", "tomorrow", "week", "month", "later"} (cards due now, later today, ..., in 2 to 7 days,
 *             8 to 30 days; each counts once),
 *    "cards": [{"id", "lesson", "course", "step", "rev", "front", "back", "again", "card" (as the lesson has it),
 *               "state" (schedule_names), "due": TIME (RFC 3339), "due_day", "is_due",
 *               "interval_days" (of a review card, else 0), "stability", "difficulty" (null before the first rating),
 *               "recall" (the chance now, or null),
 *               "reviews", "lapses", "returns" (of a surprise), "elapsed_days" (since the last review, null before the
 *               first), "surprise", "predicted" (the reveal followed a guess), "last_review" (uuid or null)}]} */

/* The local day number of a moment: days since 1970 where the learner was; a day starts at 4 in the morning. */
int64_t cards_day(int64_t utc_ms, int offset_minutes);

/* Adds what only the clock and the schedule know to a review's payload, so that any later algorithm can replay it:
 * rating, ts_utc, local_day, elapsed_days (null when negative: the first), algo_version, weights_hash. */
void cards_complete(json_t *payload, int64_t utc_ms, int offset_minutes, int64_t elapsed_days);

/* A moment as RFC 3339 text, UTC, whole seconds. */
void cards_time(int64_t utc_ms, char text[24]);

#endif
