/* cards.h: recall cards and their schedule, derived from result and review events.
 * A card is known by its lesson and step; it exists once its reveal was seen (or its recall step answered).
 * Simple schedule: a new card is due at once; again: next day; good: 1, 3, 7, then 21 days. */
#ifndef DB_CARDS_H
#define DB_CARDS_H

#include <stdint.h>

/* The reply to STORE_CARDS:
 *   {"today": DAY, "due": COUNT, "total": COUNT, "next_day": DAY or null (when the next card not yet due comes),
 *    "cards": [{"lesson", "course", "step", "rev", "front", "back", "again", "due_day", "streak", "reps",
 *               "lapses", "elapsed_days" (since the last review, null before the first), "surprise",
 *               "last_review" (uuid or null)}]}
 * cards lists those due now: surprises first, then the longest overdue. Undo of a grade: retract last_review. */

/* The local day number of a moment: days since 1970 where the learner was; a day starts at 4 in the morning. */
int64_t cards_day(int64_t utc_ms, int offset_minutes);

/* A review's payload with everything a later algorithm needs to replay it. grade: "again" or "good"; confidence:
 * "guess", "50", "75", "95" or NULL; elapsed_days < 0: first review; card: the card's JSON object text, or NULL when
 * a result has brought it. Returns JSON text to be freed by the caller, NULL when out of memory. */
char *cards_review(const char *grade, const char *confidence, int64_t latency_ms, int64_t local_day,
                   int64_t elapsed_days, const char *card);

/* Days until the next review after `streak` good ones in a row (0: the last grade was again). */
int cards_interval(int streak);

#endif
