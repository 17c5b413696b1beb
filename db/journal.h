/* journal.h: the event table: appending, reading in order, and what retract events take back.
 * Private to db/. Order is (utc, device, seq) everywhere. */
#ifndef DB_JOURNAL_H
#define DB_JOURNAL_H

#include "db/base.h"

/* One event as read. Strings are never NULL. */
struct entry {
    int64_t     id; /* place in this file, never exported */
    const char *uuid, *learner, *device;
    int64_t     seq;    /* counts from 1 within a device */
    int64_t     utc;    /* ms since 1970, never decreasing within a device */
    int         offset; /* minutes east of UTC where the learner was */
    const char *course, *lesson, *step;
    int         rev;
    const char *kind, *payload;
    bool        retracted;
};

/* What was stored. */
struct receipt {
    char    uuid[RECORD_UUID];
    int64_t seq, utc;
    int     offset;
};

/* All events of a lesson, in order, with retracted set. */
struct entries {
    struct entry *list;
    size_t        count, room;
};

/* Why a record cannot be stored, or NULL: unknown kind, payload no JSON object, too long, holds an outcome. */
const char *journal_refusal(const struct record *record);

/* Appends inside the caller's transaction. utc and offset: now. False: base->rc, base->why. */
bool journal_append(struct base *base, const struct record *record, int64_t utc, int offset, struct receipt *receipt);

/* False on failure; entries_free either way. */
bool journal_load(struct base *base, const char *lesson, struct entries *entries);
void entries_free(struct entries *entries);

/* The columns in the order that journal_read takes them, to be put behind SELECT. */
#define JOURNAL_COLUMNS "id, uuid, learner, device, seq, utc, \"offset\", course, lesson, step, rev, kind, payload"

/* Points entry at the columns of the current row; valid until the statement moves. */
void journal_read(sqlite3_stmt *stmt, struct entry *entry);

/* The entry as a JSON object with all its columns but id; `retracted` only where it is wanted. The payload goes in as
 * its very bytes; one that is no JSON object any more (a damaged disk) as {}. */
struct jsonout;
void journal_write(struct jsonout *out, const struct entry *entry, bool retracted);

/* The last seq of this device. */
int64_t journal_last(struct base *base);

#endif
