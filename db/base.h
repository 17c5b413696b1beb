/* base.h: the database file: opening, pragmas, migrations, statements, and what is wrong with it in words.
 * Private to db/, and the one header that shows sqlite3.h. Everything here runs in the store's thread. */
#ifndef DB_BASE_H
#define DB_BASE_H

#include "db/record.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

enum base_mode { BASE_SAVING, BASE_READ_ONLY, BASE_NOT_SAVING };

enum { BASE_STATEMENTS = 96, BASE_TEXT = 768 };

/* Tells the learner something, one sentence; called while opening, repairing and idling. */
typedef void base_notice(void *ctx, const char *text);

struct base {
    sqlite3      *db;   /* never NULL after base_open: without a file it is an empty one in memory */
    char         *path; /* as the learner knows it */
    enum base_mode mode;
    char          why[BASE_TEXT]; /* mode is not BASE_SAVING: the reason; else the last failure */
    int           rc;             /* of the last failure */
    bool          network;        /* on a network file system: no WAL */
    int           mark;           /* fd of the mark file, or -1; also carries the lock against repairs */
    int64_t       marked;         /* last seq of this device in the mark file */
    char          device[RECORD_UUID], learner[RECORD_UUID];
    bool          scratch;  /* derived tables are temporary: the file cannot take them */
    bool          checked;  /* the idle check of the file is done */
    char          journal[16]; /* base_journal's answer */
    bool          prepared; /* the WAL has its length */
    bool          dirty;    /* the WAL has frames that the file lacks */
    int           frames;   /* in the WAL, as of the last commit */
    base_notice  *notice;
    void         *notice_ctx;
    struct { const char *sql; sqlite3_stmt *stmt; } cache[BASE_STATEMENTS];
};

/* Opens, repairs, migrates; whatever happens, base->db answers queries afterwards. network: the file is on a network
 * file system, also when that cannot be seen. False: out of memory. */
bool base_open(struct base *base, const char *path, bool network, base_notice *notice, void *ctx);
void base_close(struct base *base);

/* Tries again after a failure to open; true when the mode is BASE_SAVING now. */
bool base_reopen(struct base *base);

/* Sets a file whose damage showed while in use aside and goes on with what could be read. False: it did not work,
 * base->why says why. */
bool base_repair(struct base *base);

/* True when rc means that the file itself is damaged. */
bool base_damaged(int rc);

/* A named pipe, where a database should be: to open it for reading would wait for a writer. */
bool base_is_pipe(const char *path);

/* A cached statement, reset and without bindings; sql must be a literal (its address is the key). NULL on failure. */
sqlite3_stmt *base_stmt(struct base *base, const char *sql);

/* Runs SQL without results. Returns SQLITE_OK or the failure, which is also in base->rc and base->why. */
int base_exec(struct base *base, const char *sql);

/* Steps a statement once: SQLITE_ROW, SQLITE_DONE or the failure, kept in base->rc and base->why. */
int base_step(struct base *base, sqlite3_stmt *stmt);

/* Keeps rc, and why in words for "cannot WHAT 'path': ...". Returns rc. */
int base_fail(struct base *base, int rc, const char *what);

/* A column as text, "" for NULL: in a damaged file any column may be. Valid until the statement moves. */
const char *base_text(sqlite3_stmt *stmt, int column);

/* The first column of the first row, or other when there is none. */
int64_t base_int(struct base *base, const char *sql, int64_t other);

/* Sends a notice. */
void base_tell(struct base *base, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The journal mode: "wal", "truncate", "memory"... */
const char *base_journal(struct base *base);

/* Copies one database into another, whole or not at all. Returns SQLITE_OK or why not. */
int base_copy(sqlite3 *from, sqlite3 *to);

/* Writes a consistent copy to file, which must not exist. */
bool base_backup(struct base *base, const char *file);

/* restore.c: puts a backup in the place of the database, which is kept beside it as aside. False: nothing changed,
 * base->why says why. */
bool base_restore(struct base *base, const char *file, char *aside, size_t size);

/* Closes the file and what belongs to it; base_resume opens it again, and is base_reopen without a word. */
void base_release(struct base *base);
bool base_resume(struct base *base);

/* Makes this machine's next events those of an existing device; inside a transaction. */
bool base_adopt(struct base *base, const char *device);

/* A new time-ordered uuid (version 7) into text. */
void base_uuid(char text[RECORD_UUID], int64_t utc);

/* Moves the WAL into the file when it has grown long; to be called after a commit was answered. */
void base_settle(struct base *base);

/* What to do while nothing is asked: lengthens the WAL, folds what is new, moves the WAL into the file, checks the
 * file once. stop is polled during the check and ends it early when it is not 0. */
void base_idle(struct base *base, int (*stop)(void *), void *ctx);

/* True when base_idle has something to do. */
bool base_restless(const struct base *base);

/* migrate.c: brings the schema up to date, with a copy of the file before each step. */
bool migrate_run(struct base *base);
/* The newest schema's number. */
int migrate_version(void);

/* mark.c: the small file beside the database that holds the last seq. */
void mark_open(struct base *base);
/* The device named in the mark, or "". */
void mark_device(struct base *base, char device[RECORD_UUID]);
/* Sets base->marked for base->device. */
void mark_read(struct base *base);
void mark_close(struct base *base);
void mark_write(struct base *base, int64_t seq);
/* True when no other tutor has this database open (and none can open it until mark_share). */
bool mark_alone(struct base *base);
void mark_share(struct base *base);

/* repair.c: reads events out of a damaged file and its WAL, page by page, without trusting either. */
enum repair { REPAIR_DONE, REPAIR_BUSY, REPAIR_FAILED };
/* base->db must be closed. aside gets the damaged file's new name, count the events that were read. */
enum repair repair_file(struct base *base, char *aside, size_t size, int64_t *count);
/* Finishes a repair (or a restore) that a crash interrupted. */
void repair_resume(const char *path);
/* Puts the finished file PATH.rescued in the place of PATH, which becomes PATH.WHY-SECONDS, named in aside. */
bool repair_exchange(const char *path, const char *why, char *aside, size_t size);

#endif
