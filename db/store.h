/* store.h: the store, a thread that owns the progress database, so that a disk never stops the screen.
 * The tutor posts records and questions, and reads replies when store_fd() turns readable.
 * All functions are called from the tutor's one thread. */
#ifndef DB_STORE_H
#define DB_STORE_H

#include "db/record.h"

#include <stddef.h>

struct store;

/* The time of an event: ms since 1970, UTC; *offset gets minutes east of UTC. Called in the store's thread. */
typedef int64_t store_clock(void *ctx, int *offset);

struct store_config {
    const char  *path;  /* the database file; its folder is made when missing */
    store_clock *clock; /* NULL: the machine's clock and time zone */
    void        *clock_ctx;
    bool         network; /* treat the folder as one on a network file system, even if it does not look like one */
};

/* Questions. The reply's text is JSON; shapes stand beside each and in the header named. */
enum store_question {
    /* arg: lesson. Its events in order, retracted ones too:
     * [{uuid, device, seq, utc, offset, course, lesson, step, rev, kind, payload, retracted}] */
    STORE_LESSON,
    STORE_PROGRESS,    /* db/progress.h */
    STORE_CARDS,       /* db/cards.h; arg: "all", or "" for those due */
    STORE_CALIBRATION, /* db/calibration.h */
    STORE_SETTINGS,    /* db/settings.h */
    /* {path, mode, journal, sqlite, events, notices: [text], device, last_seq}. mode: "saving", "read-only" (old
     * progress is shown, nothing is saved), "not saving" (no database at all). journal: "wal", "truncate" (on network
     * file systems), ...; sqlite: its version */
    STORE_STATUS,
    STORE_BACKUP,  /* arg: file to write. {path, events} */
    STORE_RESTORE, /* arg: a backup, which takes the database's place. {aside: where that is now, events} */
    STORE_EVENTS,  /* arg: "" or the first line of the page before. A page of events, no JSON: db/exchange.h */
    STORE_IMPORT,  /* arg: events as a page has them. {added, known, clashing, refused, first_refused} */
    STORE_REBUILD, /* derives everything again from the events. {events} */
};

struct store_reply {
    uint64_t id;   /* the request's; 0: a notice, text is a sentence for the learner */
    bool     ok;   /* a record is on the disk, a question is answered */
    int64_t  seq;  /* of the stored event */
    int64_t  utc;  /* of the stored event */
    int      offset;
    char     uuid[RECORD_UUID]; /* of the stored event */
    char    *text; /* not ok: why, one line; a question: JSON; may be NULL. Freed by store_reply_clear */
};

/* Starts the store. The database is opened by the thread, so this does not wait for the disk; what is wrong with it
 * comes as notices and as replies that are not ok. NULL only when no thread or memory is to be had. */
struct store *store_open(const struct store_config *config);

/* Finishes what was posted, closes the database, ends the thread. NULL is fine. */
void store_close(struct store *store);

/* Readable while replies wait. */
int store_fd(const struct store *store);

/* Takes the next reply; false when there is none. */
bool store_next(struct store *store, struct store_reply *reply);

void store_reply_clear(struct store_reply *reply);

/* Appends a record; the reply comes when it is durable, or says why it is not. False: out of memory. */
bool store_post(struct store *store, const struct record *record);

/* Asks; the reply comes later. Questions see every record posted before them. */
bool store_ask(struct store *store, uint64_t id, enum store_question question, const char *arg);

/* The same two, waiting for the reply: for commands without a screen. False: out of memory; reply is then cleared. */
bool store_post_wait(struct store *store, const struct record *record, struct store_reply *reply);
bool store_ask_wait(struct store *store, enum store_question question, const char *arg, struct store_reply *reply);

#endif
