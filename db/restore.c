/* restore.c: puts a backup in the place of the database. The one that was there is kept beside it.
 * The backup is copied, so it stays a backup; a crash in between is finished by repair_resume. */
#include "db/base.h"

#include "db/journal.h"

#include <stdio.h>
#include <unistd.h>

static bool refuse(struct base *base, const char *file, const char *why)
{
    snprintf(base->why, sizeof base->why, "cannot restore '%.300s': %s", file, why);
    return false;
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t       value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* What is wrong with a file as a backup, or NULL. */
static const char *fault(sqlite3 *db)
{
    if (number(db, "SELECT count(*) FROM sqlite_master WHERE name IN ('event', 'meta')") != 2)
        return "it is no backup of saffron; name the file that 'saffron backup' wrote";
    if (number(db, "PRAGMA user_version") > migrate_version())
        return "a newer saffron made it; update saffron";
    if (number(db, "SELECT count(*) = 1 AND max(quick_check) = 'ok' FROM pragma_quick_check(1)") != 1)
        return "it is damaged; start with 'saffron --db' on a copy of it, which reads what can be read";
    return NULL;
}

/* Copies the backup to PATH.rescued, whole and synced. */
static bool copy_in(struct base *base, sqlite3 *from, const char *file)
{
    sqlite3 *to = NULL;
    char    *part = sqlite3_mprintf("%s.rescue", base->path), *ready = sqlite3_mprintf("%s.rescued", base->path);
    if (part)
        unlink(part);
    int rc = part && ready ? sqlite3_open(part, &to) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = base_copy(from, to);
    if (sqlite3_close(to) != SQLITE_OK && rc == SQLITE_OK)
        rc = SQLITE_ERROR;
    bool ok = rc == SQLITE_OK && rename(part, ready) == 0;
    if (!ok && part)
        unlink(part);
    sqlite3_free(part);
    sqlite3_free(ready);
    return ok || refuse(base, file, (rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_IOERR
                                        ? "the disk is full or fails; free some space, then try again"
                                        : sqlite3_errstr(rc));
}

/* The file's own events stay in the copy beside it; its WAL is moved in first, so that the copy is whole. */
static bool put_in_place(struct base *base, const char *file, char *aside, size_t size)
{
    sqlite3_wal_checkpoint_v2(base->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    base_release(base);
    bool ok = repair_exchange(base->path, "before-restore", aside, size);
    if (!base_resume(base))
        return refuse(base, file, "the database could not be opened again; start anew");
    return ok || refuse(base, file, "the files could not be renamed; make the folder writable");
}

bool base_restore(struct base *base, const char *file, char *aside, size_t size)
{
    sqlite3    *from = NULL;
    const char *why = NULL;
    if (access(file, R_OK) != 0)
        return refuse(base, file, "no such file, or it cannot be read");
    if (base_is_pipe(file))
        return refuse(base, file, "it is a pipe; name the file that 'saffron backup' wrote");
    if (base->mode != BASE_SAVING)
        return refuse(base, file, "progress is not being saved here");
    if (sqlite3_open_v2(file, &from, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK || (why = fault(from))) {
        sqlite3_close(from);
        return refuse(base, file, why ? why : "it cannot be opened");
    }
    bool alone = mark_alone(base);
    bool ok = alone ? copy_in(base, from, file)
                    : refuse(base, file, "another saffron has the database open; close that one, then try again");
    sqlite3_close(from);
    ok = ok && put_in_place(base, file, aside, size);
    mark_share(base);
    return ok;
}
