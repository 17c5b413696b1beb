/* session.h: one learner in one lesson, as a state machine without I/O.
 *   session_feed(session, event, outbox) -> effects        no clock, no randomness, no terminal, no database, no lab
 * Same document and same events give the same views. A predict step goes
 *   ANSWER -> SURE -> SAVING -> COMMITTED -> REVEALED
 * and the request for its outcome leaves only after the store has said that the guess is durable. */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "engine/document.h"
#include "engine/event.h"

struct session;

/* `document` must outlive the session. Records and requests are numbered from `first_id` on (at least 1).
 * `learner_seed`: --seed or the learner's own; a step's seed is the first 8 bytes of SHA-256(learner_seed, lesson,
 * step, attempt), joined by newlines. */
struct session *session_new(const struct document *document, const char *learner_seed, long first_id);
void            session_free(struct session *);

/* Rebuilds the durable part from stored records, oldest first: [{"kind", "step", "rev", "payload", "uuid", "utc"}...].
 * Afterwards the session stands on the first step not done. Records of unknown steps or older revs are ignored. */
void            session_restore(struct session *, const json_t *records);

unsigned        session_feed(struct session *, const struct event *, struct outbox *);

/* Before leaving: a half-written explanation becomes a draft record (FX_STORE), or nothing happens. */
unsigned        session_draft(struct session *, struct outbox *);

/* The view (view.h) as a new reference. */
json_t         *session_view(const struct session *);

/* What restore promises: every step's durable state, as JSON, for tests ("step id": {...}). New reference. */
json_t         *session_durable(const struct session *);

/* Goes to a step, by id; false if there is none, or a commit is under way. With `out` a running request is canceled. */
bool            session_go(struct session *, const char *step, struct outbox *out);

int             session_step(const struct session *);      /* index of the step on screen */
int             session_next_open(const struct session *); /* first step not done, or step count */
bool            session_typing(const struct session *);    /* letters are text now, not commands */
bool            session_overlaid(const struct session *); /* source or a dive lies over the body: any key but those that
                                                            * scroll closes it */
bool            session_busy(const struct session *);      /* waits for store or lab: plain mode reads no line */
/* What plain mode should ask for next. */
bool            session_takes_tensor(const struct session *); /* COMMAND_TENSOR would compute this step again */
enum session_wants { WANTS_NOTHING, WANTS_LINE, WANTS_CONFIDENCE, WANTS_GRADE };
enum session_wants session_wants(const struct session *);

#endif
