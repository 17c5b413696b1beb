/* labproc.h: the lab as the tutor sees it: a child process behind pipes that never block.
 * Starts it, greets it, watches it, decodes what it says, replaces it when it dies, falls silent or talks nonsense.
 * One thread; the caller polls the descriptors and calls labproc_step. SIGPIPE must be ignored (labproc_new does). */
#ifndef TUTOR_LABPROC_H
#define TUTOR_LABPROC_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LABPROC_FDS = 3 };

struct labproc_config {
    const char *command; /* --lab: runs by `sh -c` and is watched as a remote lab; NULL: our own program */
    const char *program; /* our executable, for NULL */
    json_t     *open;    /* the open message (protocol.h); a reference is taken. NULL: one without folder or files */
};

struct labproc;

/* Nothing runs yet: the first labproc_step, or labproc_send, starts the process. NULL when out of memory. */
struct labproc *labproc_new(const struct labproc_config *config);

/* Ends the process and everything it started. */
void labproc_free(struct labproc *);

/* Another lesson folder needs another lab: the next start opens with this; one that runs is ended, without an event. */
void labproc_reopen(struct labproc *, json_t *open);

/* A lesson's text, kept to answer need-lesson by ourselves; `name` is for messages. */
bool labproc_offer(struct labproc *, const char *name, const char *text, size_t size);

/* Queues a message; takes the reference. It leaves when the lab is ready for it. False, and nothing kept, when too much
 * waits already. */
bool labproc_send(struct labproc *, json_t *message);

/* What to poll: fills up to LABPROC_FDS, returns how many. And the longest wait in milliseconds, -1 for any. */
int labproc_fds(const struct labproc *, struct pollfd fds[LABPROC_FDS]);
int labproc_timeout(const struct labproc *, int64_t now);

/* Reads, writes, watches the clock: after poll, and whenever labproc_timeout has passed. Never blocks. `now` is any
 * monotonic clock in milliseconds. */
void labproc_step(struct labproc *, int64_t now);

enum labproc_kind { LABPROC_NOTHING, LABPROC_MESSAGE, LABPROC_LOST };

struct labproc_event {
    enum labproc_kind kind;
    json_t           *message; /* decoded, from the lab; the caller's reference. hello and beats are not shown */
    char              text[512]; /* LOST: what happened, one line: "the lab ended (signal 9); a new one is starting" */
    char              step[144]; /* LOST: "lesson step" that was being computed, or "" */
    int               strikes;   /* LOST: labs that this step has ended so far; 2: skip it */
    bool              stopped;   /* LOST: no lab could be started three times; labproc_send tries again */
};

/* The next thing that happened, in order. */
struct labproc_event labproc_next(struct labproc *);

bool        labproc_ready(const struct labproc *);  /* "ready" was received */
const json_t *labproc_facts(const struct labproc *); /* the last ready message, or NULL */
const char *labproc_stderr(const struct labproc *); /* the last line that the lab wrote to stderr, "" if none */
long        labproc_pid(const struct labproc *);    /* 0 when none runs */

#endif
