/* progress.h: where the learner stands in each lesson, derived from events.
 * Asked with STORE_PROGRESS; db/ does not know a lesson's list of steps, the caller compares with its document. */
#ifndef DB_PROGRESS_H
#define DB_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The reply's JSON:
 *   {"lessons": [{"lesson", "course", "done", "hits", "misses", "unscored", "skipped", "last_step", "last_utc",
 *                 "steps": {STEP: {"state", "rev", "hit", "surprise", "hints", "utc"}}}]}
 * sorted by last_utc, newest first. A step's state: "open" (visited), "committed" (predicted, no result yet), "seen",
 * "revealed", "answered", "recalled", "skipped"; the last five count as done. hit: true, false or null.
 * Only lessons with at least one event are listed; hits and misses count predictions' last results. */

/* The progress of one lesson out of the reply's JSON, borrowed; NULL when it was never opened. */
json_t *progress_lesson(json_t *progress, const char *lesson);

/* True when the step is over: nothing is left to do in it. lesson may be NULL. */
bool progress_step_done(json_t *lesson, const char *step);

/* The first of count step ids that is not done, or NULL when all are. lesson may be NULL. */
const char *progress_next(json_t *lesson, const char *const *steps, size_t count);

#endif
