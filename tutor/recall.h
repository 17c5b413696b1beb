/* recall.h: a recall session, as a state machine without I/O: the due cards, one at a time.
 *   cover    think, look, grade
 *   typed    a short answer is typed and judged (shortanswer.h); the learner has the last word
 *   live     a number is typed, then the lab computes the card's step with a seed not used before
 *   explain  written as to a colleague, compared with ours, graded by the learner
 * Enter without an answer looks; u takes the last grade back. */
#ifndef TUTOR_RECALL_H
#define TUTOR_RECALL_H

#include "engine/event.h"
#include "engine/session.h"
#include "tutor/catalog.h"

struct recall;

/* `cards` is the store's reply (db/cards.h); `catalog` (or NULL) has the lessons that live cards compute. Records and
 * requests are numbered from `first_id` on. `most` > 0: a few quick cards, covered only, before a lesson. */
struct recall *recall_new(const json_t *cards, const struct catalog *catalog, const char *learner_seed, long first_id,
                          int most);
void           recall_free(struct recall *);

/* How many cards recall_new would ask with `most`: those due that were not made today. */
int recall_before_lesson(const json_t *cards, int most);

/* FX_DONE when the learner leaves. */
unsigned recall_feed(struct recall *, const struct event *, struct outbox *);
json_t  *recall_view(const struct recall *);

/* All cards are through: `cards` is what the store says now; cards that have come due meanwhile follow. */
void recall_refresh(struct recall *, const json_t *cards);

bool               recall_busy(const struct recall *);   /* waiting for the store or the lab */
bool               recall_typing(const struct recall *); /* letters are text now, not commands */
enum session_wants recall_wants(const struct recall *);
bool               recall_finished(const struct recall *); /* no card is left */

#endif
