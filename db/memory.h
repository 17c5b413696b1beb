/* memory.h: what the learner's own reviews say: how fast they forget, and whether predicting first helped.
 * Part of the reply to STORE_CALIBRATION (calibration.h). */
#ifndef DB_MEMORY_H
#define DB_MEMORY_H

#include "db/base.h"

#include <jansson.h>

enum { MEMORY_ENOUGH = 50 /* reviews, for a curve */, MEMORY_CARDS = 10 /* of each kind, to compare them */ };

/* {"reviews", "enough" (reviews >= 50), "bins": [{"from", "to" (days since the review before; to null: and more), "n",
 *  "recalled", "rate", "low", "high", "expected" (FSRS's mean chance, null where it had none)}]}
 * Reviews on the same day count among reviews, but are in no bin. NULL on failure. */
json_t *memory_forgetting(struct base *base);

/* {"predicted": {"cards", "recalled", "rate", "low", "high"}, "read": {...}, "enough" (10 cards each)}: each card's
 * first review at least a day after its reveal, by whether a guess was committed before the reveal. NULL on failure. */
json_t *memory_evidence(struct base *base);

#endif
