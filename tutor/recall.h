/* recall.h: a recall session, as a state machine without I/O: the due cards, one at a time.
 * Cover the screen, think, look, grade; u takes the last grade back. */
#ifndef TUTOR_RECALL_H
#define TUTOR_RECALL_H

#include "engine/event.h"

struct recall;

/* `cards` is the store's reply (db/cards.h). Records are numbered from `first_id` on. */
struct recall *recall_new(const json_t *cards, long first_id);
void           recall_free(struct recall *);

/* FX_DONE when the learner leaves. */
unsigned recall_feed(struct recall *, const struct event *, struct outbox *);
json_t  *recall_view(const struct recall *);

bool recall_busy(const struct recall *);     /* waiting for the store */
bool recall_grading(const struct recall *);  /* the back is shown: a grade is wanted */
bool recall_finished(const struct recall *); /* no card is left */

#endif
