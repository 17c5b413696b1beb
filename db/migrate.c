/* migrate.c: the schema, as the list of steps that made it.
 * Step n takes user_version n - 1 to n. A released step is never edited; the derived tables are no part of this, since
 * they can be made again from the events (fold.c). */
#include "db/base.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const steps[] = {
    /* 1: the log */
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE event("
    "  id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE,"
    "  learner TEXT NOT NULL, device TEXT NOT NULL, seq INTEGER NOT NULL,"
    "  utc INTEGER NOT NULL, \"offset\" INTEGER NOT NULL,"
    "  course TEXT NOT NULL, lesson TEXT NOT NULL, step TEXT NOT NULL, rev INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, payload TEXT NOT NULL, UNIQUE(device, seq));"
    "PRAGMA application_id = 0x53616672;",
    /* 2: a lesson is found, in order, without reading the whole log */
    "CREATE INDEX event_lesson ON event(lesson, utc, device, seq);",
};

enum { STEPS = sizeof steps / sizeof *steps };
enum { TORN_SECONDS = 60 }; /* a copy that nobody has written to for so long, by a process that is gone, is no use */

int migrate_version(void)
{
    return STEPS;
}

/* Whether `rest`, what stands behind the database's name, is of a copy in the making: ".v1.PID.ADDRESS", and perhaps
 * what SQLite and base_backup add; and its process is gone. */
static bool is_torn(const char *rest)
{
    int version = 0, pid = 0, at = 0;
    if (sscanf(rest, ".v%d.%d.%n", &version, &pid, &at) != 2 || at == 0 || version < 1 || pid < 1)
        return false;
    return kill(pid, 0) != 0 && errno == ESRCH;
}

/* What a tutor left behind that was killed while it copied. */
static void drop_torn_copies(const struct base *base)
{
    const char *slash = strrchr(base->path, '/'), *name = slash ? slash + 1 : base->path;
    char   path[PATH_MAX];
    size_t length = strlen(name);
    snprintf(path, sizeof path, "%.*s", slash ? (int)(slash + 1 - base->path) : 1, slash ? base->path : ".");
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        struct stat info;
        if (strncmp(entry->d_name, name, length) != 0 || !is_torn(entry->d_name + length))
            continue;
        int used = snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash + 1 - base->path) : 0, base->path,
                            entry->d_name);
        if (used < (int)sizeof path && stat(path, &info) == 0 && time(NULL) - info.st_mtime > TORN_SECONDS)
            unlink(path);
    }
    if (folder)
        closedir(folder);
}

/* A copy of the file as it was before step `version` + 1; one from an earlier try is kept. Two tutors may copy at once:
 * each into a file of its own. A copy that another's step may have reached goes again: that one has kept its own. */
static bool keep_copy(struct base *base, int version)
{
    char *name = sqlite3_mprintf("%s.v%d", base->path, version);
    char *own = sqlite3_mprintf("%s.v%d.%d.%p", base->path, version, (int)getpid(), (void *)base);
    bool  ok = name && own && (access(name, F_OK) == 0 || base_backup(base, own));
    if (ok && access(own, F_OK) == 0) {
        bool still = base_int(base, "PRAGMA user_version", 0) == version;
        ok = (still ? rename(own, name) : unlink(own)) == 0;
        if (!ok)
            snprintf(base->why, sizeof base->why, "cannot write '%.400s': %s", name, strerror(errno));
    }
    sqlite3_free(own);
    sqlite3_free(name);
    return ok;
}

/* Two tutors may start at once: the version is read again inside the transaction. */
static bool take_step(struct base *base, int version)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version + 1);
    if (base_exec(base, "BEGIN IMMEDIATE") != SQLITE_OK)
        return false;
    bool ok = base_int(base, "PRAGMA user_version", 0) != version ||
              (base_exec(base, steps[version]) == SQLITE_OK && base_exec(base, sql) == SQLITE_OK);
    if (ok && base_exec(base, "COMMIT") == SQLITE_OK)
        return true;
    sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

bool migrate_run(struct base *base)
{
    int  version = (int)base_int(base, "PRAGMA user_version", 0);
    bool fresh = version == 0;
    drop_torn_copies(base);
    for (; version < STEPS; version++)
        if ((!fresh && !keep_copy(base, version)) || !take_step(base, version))
            return false;
    return true;
}
