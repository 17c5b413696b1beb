/* actors.h: the store and the lab as an event loop sees them: descriptors to poll, events out, outboxes in.
 * Used by the screen's loop and by plain mode alike. The lab starts with the first request that needs it, in the folder
 * of the lesson that it is about; a lab that ends or falls silent is replaced and the state machine is told. */
#ifndef TUTOR_ACTORS_H
#define TUTOR_ACTORS_H

#include <poll.h>

#include "engine/event.h"
#include "tutor/catalog.h"
#include "tutor/options.h"

enum { ACTORS_FDS = 4 };

struct actors;

/* Starts the store's thread; the database opens behind it. `options` and `catalog` outlive the actors. NULL and one
 * line in `error` when there is no place for a database or no thread. */
struct actors *actors_open(const struct options *, const struct catalog *, char *error, size_t size);

/* Finishes what was posted to the store, ends the lab. */
void actors_close(struct actors *);

/* A lesson that is not in the catalog; `document` outlives the actors, `path` is copied. */
void actors_lesson(struct actors *, const struct document *document, const char *path);

/* Starts the lab for this lesson, NULL: for the shipped ones, before it is needed, so that the first request finds it
 * ready. */
void actors_warm(struct actors *, const struct document *);

/* Does FX_STORE, FX_LAB, FX_CANCEL and FX_ASK, and takes what they are about out of the outbox. */
void actors_take(struct actors *, unsigned effects, struct outbox *);

/* Fills `fds`, returns how many; poll them, at most actors_timeout() milliseconds (-1: any time), then take events
 * until there is none. What an event points at lives until the next call. */
int  actors_fds(const struct actors *, struct pollfd fds[ACTORS_FDS]);
int  actors_timeout(const struct actors *);
bool actors_next(struct actors *, struct event *);

/* Whether a record, a question or a request is still under way. */
bool actors_busy(const struct actors *);

/* One request to the lab, waiting for its last message ("result", "report", "info", "problem" ...), a new reference;
 * NULL and one line in `error` when the lab could not be started or ended. "type" and what the message needs are the
 * caller's, as is the reference; its id is set here. `path`: the lesson file whose folder, or the other file, that the
 * lab may read, or NULL. For commands without a screen: no events come while it waits. */
json_t *actors_request(struct actors *, json_t *request, const char *path, char *error, size_t size);

/* Sends a request about files of its own: `open` is {"files": [...], "output": path} as the lab's open message has
 * them, or NULL; a fresh lab serves it. Returns the request's id, under which EVENT_LAB brings progress and the answer;
 * 0 with one line in `error`. */
long actors_begin(struct actors *, json_t *request, const json_t *open, char *error, size_t size);

/* The same, waiting for the last message as actors_request does. `progress` is called with the fraction done, or is
 * NULL. */
json_t *actors_job(struct actors *, json_t *request, const json_t *open, void (*progress)(double fraction), char *error,
                   size_t size);

#endif
