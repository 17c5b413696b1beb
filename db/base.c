/* base.c: the database file: opening, pragmas, statements, and what is wrong with it in words.
 * A file that cannot be had leaves an empty database in memory, so that every question still has an answer.
 * Runs in the store's thread; the only knowledge of pragmas and of the WAL's size is here. */
#include "db/base.h"

#include "db/fold.h"
#include "db/journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/vfs.h>
#endif

enum {
    APPLICATION = 0x53616672, /* "Safr", in the file's header */
    VERSIONS = 9999,          /* no schema will have a higher number: that is damage */
    BUSY_MS = 5000,           /* another tutor's transaction takes milliseconds; a backup may take longer */
    WAL_BYTES = 1024 * 1024,  /* written ahead, so that a commit overwrites instead of growing the file */
    WAL_FRAMES = 128,         /* half of that: then the frames are moved even if the learner never rests */
    CHECK_BYTES = 256 * 1024 * 1024 /* larger files are not checked from end to end */
};

/* ---- words ---- */

void base_tell(struct base *base, const char *format, ...)
{
    char    text[BASE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    base->notice(base->notice_ctx, text);
}

static bool disk_full(int rc, int error)
{
    return (rc & 0xff) == SQLITE_FULL || error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static void describe(struct base *base, int rc, char *text, size_t size)
{
    int         error = base->db ? sqlite3_system_errno(base->db) : 0;
    int         primary = rc & 0xff;
    const char *system = error ? strerror(error) : sqlite3_errstr(rc);
    if ((primary == SQLITE_FULL || primary == SQLITE_IOERR) && disk_full(rc, error))
        snprintf(text, size, "the disk is full; free some space, then try again");
    else if (rc == SQLITE_IOERR_WRITE)
        snprintf(text, size, "the disk is full or fails; free some space, then try again");
    else if (primary == SQLITE_READONLY)
        snprintf(text, size, "it is read-only; make it and its folder writable, or choose another with --db");
    else if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        snprintf(text, size, "another program holds it; try again in a moment");
    else if (base_damaged(rc))
        snprintf(text, size, "the file is damaged");
    else if (primary == SQLITE_IOERR)
        snprintf(text, size, "the disk answers '%s'; check it, then try again", system);
    else if (primary == SQLITE_CANTOPEN)
        snprintf(text, size, "the system answers '%s'; choose another file with --db", system);
    else
        snprintf(text, size, "%s", base->db ? sqlite3_errmsg(base->db) : sqlite3_errstr(rc));
}

int base_fail(struct base *base, int rc, const char *what)
{
    char cause[256];
    describe(base, rc, cause, sizeof cause);
    base->rc = rc;
    snprintf(base->why, sizeof base->why, "cannot %s '%.400s': %s", what, base->path, cause);
    return rc;
}

bool base_damaged(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

/* ---- statements ---- */

static void forget_statements(struct base *base)
{
    for (int i = 0; i < BASE_STATEMENTS; i++) {
        sqlite3_finalize(base->cache[i].stmt);
        base->cache[i].stmt = NULL;
        base->cache[i].sql = NULL;
    }
}

sqlite3_stmt *base_stmt(struct base *base, const char *sql)
{
    int i = 0;
    while (i < BASE_STATEMENTS && base->cache[i].sql && base->cache[i].sql != sql)
        i++;
    if (i == BASE_STATEMENTS) { /* more statements than places: start over */
        forget_statements(base);
        i = 0;
    }
    if (!base->cache[i].sql) {
        sqlite3_stmt *stmt = NULL;
        int           rc = sqlite3_prepare_v3(base->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
        if (rc != SQLITE_OK) {
            base_fail(base, rc, "read");
            return NULL;
        }
        base->cache[i].sql = sql;
        base->cache[i].stmt = stmt;
    }
    sqlite3_reset(base->cache[i].stmt);
    sqlite3_clear_bindings(base->cache[i].stmt);
    return base->cache[i].stmt;
}

int base_exec(struct base *base, const char *sql)
{
    int rc = sqlite3_exec(base->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? rc : base_fail(base, rc, "save to");
}

int base_step(struct base *base, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        base_fail(base, rc, sqlite3_strnicmp(sqlite3_sql(stmt), "SELECT", 6) == 0 ? "read" : "save to");
    return rc;
}

const char *base_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

int64_t base_int(struct base *base, const char *sql, int64_t other)
{
    sqlite3_stmt *stmt = base_stmt(base, sql);
    if (stmt && base_step(base, stmt) == SQLITE_ROW)
        other = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return other;
}

/* ---- the file ---- */

static bool folder_make(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST;
        int error = errno;
        *p = '/';
        if (failed) {
            errno = error;
            return false;
        }
    }
    return true;
}

/* File systems on which the WAL's shared memory is not shared between machines. */
static bool on_network(const char *path)
{
#ifdef __linux__
    static const unsigned types[] = {
        0x6969 /* nfs */,       0x517b /* smb */,        0xff534d42 /* cifs */, 0xfe534d42 /* smb2 */,
        0x65735546 /* fuse */,  0x01021997 /* 9p */,     0x00c36400 /* ceph */, 0x5346414f /* afs */,
        0x6b414653 /* kafs */,  0x0bd00bd0 /* lustre */, 0x47504653 /* gpfs */, 0x19830326 /* beegfs */,
        0x7461636f /* ocfs2 */, 0x01161970 /* gfs2 */,   0x73757245 /* coda */,
    };
    char *folder = strdup(path);
    if (!folder)
        return false;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    struct statfs info;
    bool          network = false;
    if (statfs(slash ? folder : ".", &info) == 0)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            network |= (unsigned)info.f_type == types[i];
    free(folder);
    return network;
#else
    (void)path;
    return false;
#endif
}

static int on_commit(void *ctx, sqlite3 *db, const char *name, int frames)
{
    struct base *base = ctx;
    (void)db;
    (void)name;
    base->dirty = true;
    base->frames = frames;
    return SQLITE_OK;
}

static void close_file(struct base *base)
{
    forget_statements(base);
    sqlite3_close(base->db);
    base->db = NULL;
    base->scratch = base->prepared = false;
}

bool base_is_pipe(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISFIFO(info.st_mode);
}

static int open_file(struct base *base, const char *name, int flags)
{
    close_file(base);
    int rc = sqlite3_open_v2(name, &base->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return base_fail(base, rc, "open");
    sqlite3_busy_timeout(base->db, BUSY_MS);
    rc = sqlite3_exec(base->db,
                      "PRAGMA page_size = 4096; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                      "PRAGMA temp_store = MEMORY; SELECT count(*) FROM sqlite_master",
                      NULL, NULL, NULL);
    return rc == SQLITE_OK ? rc : base_fail(base, rc, "open");
}

/* Switching the journal mode needs the file for itself and may not wait for it, so it is tried for a while. */
static int set_journal(struct base *base)
{
    const char *sql = base->network ? "PRAGMA journal_mode = TRUNCATE" : "PRAGMA journal_mode = WAL";
    int         rc = SQLITE_OK;
    sqlite3_busy_timeout(base->db, 0);
    for (int waited = 0; waited < BUSY_MS; waited += 20) {
        rc = sqlite3_exec(base->db, sql, NULL, NULL, NULL);
        if ((rc & 0xff) != SQLITE_BUSY)
            break;
        sqlite3_sleep(20);
    }
    sqlite3_busy_timeout(base->db, BUSY_MS);
    if (rc != SQLITE_OK)
        return base_fail(base, rc, "open");
    /* With a size limit the last one to close empties the WAL: nobody can lay an old one over a restored file. */
    return base_exec(base, "PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;"
                           "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 1048576");
}

/* Lengthens the WAL with zeros, which recovery reads as "no frame": commits then overwrite blocks that exist,
 * and their sync has no file size to write. The write lock keeps other tutors' frames away. A failure costs
 * speed only. */
static void wal_prepare(struct base *base)
{
    base->prepared = true;
    static const char zeros[64 * 1024];
    int               keep = 1;
    sqlite3_file     *wal = NULL;
    sqlite3_int64     size = 0;
    sqlite3_file_control(base->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    if (base->network || sqlite3_exec(base->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return;
    sqlite3_file_control(base->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (wal && wal->pMethods && wal->pMethods->xFileSize(wal, &size) == SQLITE_OK && size < WAL_BYTES) {
        int rc = SQLITE_OK;
        while (rc == SQLITE_OK && size < WAL_BYTES) {
            int part = WAL_BYTES - size < (int)sizeof zeros ? (int)(WAL_BYTES - size) : (int)sizeof zeros;
            rc = wal->pMethods->xWrite(wal, zeros, part, size);
            size += part;
        }
        wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    }
    sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- who writes here ---- */

/* Names this machine without telling which it is: a copied database gets its own device elsewhere. */
static void machine_name(char *text, size_t size)
{
    char     id[64] = "";
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    FILE    *file = fopen("/etc/machine-id", "r");
    if (file) {
        if (!fgets(id, sizeof id, file))
            id[0] = 0;
        fclose(file);
    }
    for (const char *p = id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    snprintf(text, size, "device %016llx", (unsigned long long)hash);
}

static bool set_meta(struct base *base, const char *name, const char *value)
{
    sqlite3_stmt *stmt = base_stmt(base, "INSERT OR REPLACE INTO meta(name, value) VALUES (?1, ?2)");
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

/* The value of a meta name, made as a new uuid where there is none. */
static bool identity(struct base *base, const char *name, char text[RECORD_UUID])
{
    char fresh[RECORD_UUID];
    base_uuid(fresh, 0);
    sqlite3_stmt *stmt = base_stmt(base, "SELECT value FROM meta WHERE name = ?1");
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    int rc = base_step(base, stmt);
    if (rc == SQLITE_ROW)
        snprintf(text, RECORD_UUID, "%s", base_text(stmt, 0));
    sqlite3_reset(stmt);
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW;
    memcpy(text, fresh, RECORD_UUID);
    return set_meta(base, name, fresh);
}

bool base_adopt(struct base *base, const char *device)
{
    char machine[64];
    machine_name(machine, sizeof machine);
    return set_meta(base, machine, device);
}

static bool identify(struct base *base)
{
    char machine[64];
    machine_name(machine, sizeof machine);
    if (base_exec(base, "BEGIN IMMEDIATE") != SQLITE_OK)
        return false;
    if (identity(base, "learner", base->learner) && identity(base, machine, base->device) &&
        base_exec(base, "COMMIT") == SQLITE_OK)
        return true;
    sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

void base_uuid(char text[RECORD_UUID], int64_t utc)
{
    unsigned char b[16];
    sqlite3_randomness(sizeof b, b);
    for (int i = 0; utc && i < 6; i++)
        b[i] = (unsigned char)(utc >> (40 - 8 * i));
    b[6] = (unsigned char)((b[6] & 0x0f) | (utc ? 0x70 : 0x40));
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    char *out = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        out += snprintf(out, 3, "%02x", b[i]);
    }
}

/* ---- opening ---- */

static bool ours(struct base *base)
{
    if (base_int(base, "SELECT count(*) FROM sqlite_master", 0) == 0)
        return true;
    if (base_int(base, "PRAGMA application_id", 0) == APPLICATION)
        return true;
    if (base_int(base, "SELECT count(*) FROM sqlite_master WHERE name IN ('event', 'meta')", 0) == 2)
        return true;
    base->rc = SQLITE_MISUSE;
    snprintf(base->why, sizeof base->why,
             "cannot open '%.400s': it is a database, but not one of saffron; choose another file with --db",
             base->path);
    return false;
}

static bool known_version(struct base *base)
{
    int version = (int)base_int(base, "PRAGMA user_version", 0);
    bool agree = base_int(base, "SELECT (count(*) = 0) = ((SELECT user_version FROM pragma_user_version) = 0)"
                                " FROM sqlite_master", 1);
    if (version < 0 || version > VERSIONS || !agree) { /* only an empty file has version 0 */
        base_fail(base, SQLITE_CORRUPT, "open");
        return false;
    }
    if (version <= migrate_version())
        return true;
    base->rc = SQLITE_MISUSE;
    snprintf(
        base->why, sizeof base->why,
        "cannot save to '%.400s': a newer saffron made it (version %d, this one knows %d); update saffron",
        base->path, version, migrate_version());
    return false;
}

/* Tells of events that the mark file knows and the database does not. */
static void notice_gap(struct base *base)
{
    int64_t last = journal_last(base);
    if (base->marked > last)
        base_tell(base,
                  "'%s' lacks its last %lld event%s: its -wal file was lost, or an older copy was put back; "
                  "what it has is kept, and the course goes on from there",
                  base->path, (long long)(base->marked - last), base->marked - last == 1 ? "" : "s");
}

/* What is made here can be made again, so in a WAL it waits for the first record's sync. */
static bool set_up(struct base *base)
{
    if (sqlite3_db_readonly(base->db, "main")) {
        base_fail(base, SQLITE_READONLY, "save to");
        return false;
    }
    base->network = base->network || on_network(base->path);
    const char *lazy = base->network ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
    if (!ours(base) || !known_version(base) || base_exec(base, lazy) != SQLITE_OK)
        return false;
    if (set_journal(base) != SQLITE_OK || !migrate_run(base) || !identify(base) || !fold_create(base, false))
        return false;
    if (base_exec(base, "PRAGMA synchronous = FULL") != SQLITE_OK)
        return false;
    sqlite3_wal_hook(base->db, on_commit, base);
    mark_read(base);
    base->dirty = true; /* frames of the last run may wait in the WAL */
    return true;
}

/* Sets a damaged file aside and opens a fresh one with what could be read. */
static bool repair(struct base *base)
{
    char    aside[BASE_TEXT];
    int64_t count = 0;
    close_file(base);
    enum repair done = repair_file(base, aside, sizeof aside, &count);
    if (done == REPAIR_DONE && open_file(base, base->path, SQLITE_OPEN_READWRITE) == SQLITE_OK &&
        set_up(base)) {
        base->mode = BASE_SAVING;
        base_tell(base,
                  "'%s' was damaged: what could be read (%lld event%s) is in a fresh file of that name,"
                  " the damaged one is '%s'",
                  base->path, (long long)count, count == 1 ? "" : "s", aside);
        return true;
    }
    if (done == REPAIR_BUSY)
        snprintf(base->why, sizeof base->why,
                 "cannot use '%.400s': the file is damaged, and another saffron has it open;"
                 " close that one, then start again",
                 base->path);
    if (done == REPAIR_FAILED)
        snprintf(base->why, sizeof base->why,
                 "cannot use '%.400s': the file is damaged, and there is no room for a repaired one;"
                 " free some space, then start again",
                 base->path);
    return false;
}

static bool open_saving(struct base *base)
{
    if (!folder_make(base->path)) {
        int error = errno;
        base->rc = SQLITE_CANTOPEN;
        snprintf(base->why, sizeof base->why,
                 "cannot make the folder of '%.400s': %s; choose another file with --db", base->path,
                 strerror(error));
        return false;
    }
    if (base_is_pipe(base->path)) {
        base->rc = SQLITE_CANTOPEN;
        snprintf(base->why, sizeof base->why,
                 "cannot open '%.400s': it is a pipe; choose another file with --db", base->path);
        return false;
    }
    mark_open(base);
    repair_resume(base->path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (open_file(base, base->path, flags) == SQLITE_OK && set_up(base))
        return true;
    return base_damaged(base->rc) && repair(base);
}

/* A file that cannot be written may still be read: as it is, or, when its folder takes no shared memory, as
 * if nobody could change it. */
static bool open_reading(struct base *base)
{
    if (access(base->path, R_OK) != 0 || base_is_pipe(base->path))
        return false;
    char why[BASE_TEXT];
    memcpy(why, base->why, sizeof why);
    char *uri = sqlite3_mprintf("file:%s?immutable=1", base->path);
    bool  plain = uri && !strpbrk(base->path, "?#%");
    bool  ok = false;
    for (int attempt = 0; attempt < 2 && !ok; attempt++) {
        if (attempt == 1 && !plain)
            break;
        ok = open_file(base, attempt ? uri : base->path,
                       SQLITE_OPEN_READONLY | (attempt ? SQLITE_OPEN_URI : 0)) == SQLITE_OK &&
             base_int(base, "SELECT count(*) FROM event", -1) >= 0 && fold_create(base, true);
    }
    sqlite3_free(uri);
    memcpy(base->why, why, sizeof why);
    return ok;
}

static bool open_memory(struct base *base)
{
    char why[BASE_TEXT];
    memcpy(why, base->why, sizeof why);
    bool ok = open_file(base, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) == SQLITE_OK &&
              migrate_run(base) && fold_create(base, false);
    memcpy(base->why, why, sizeof why);
    return ok;
}

static bool open_any(struct base *base)
{
    base->mode = BASE_SAVING;
    if (open_saving(base))
        return true;
    base->mode = BASE_READ_ONLY;
    if (open_reading(base))
        return true;
    base->mode = BASE_NOT_SAVING;
    return open_memory(base);
}

bool base_open(struct base *base, const char *path, bool network, base_notice *notice, void *ctx)
{
    *base = (struct base){ .mark = -1, .network = network, .notice = notice, .notice_ctx = ctx };
    base->path = strdup(path);
    if (!base->path || !open_any(base))
        return false;
    if (base->mode == BASE_SAVING)
        notice_gap(base);
    else
        base_tell(base, "progress is not being saved: %s", base->why);
    return true;
}

bool base_resume(struct base *base)
{
    mark_close(base);
    return open_any(base) && base->mode == BASE_SAVING;
}

bool base_reopen(struct base *base)
{
    bool saving = base_resume(base);
    if (saving)
        base_tell(base, "progress is being saved again in '%s'", base->path);
    return saving;
}

void base_release(struct base *base)
{
    close_file(base);
}

void base_close(struct base *base)
{
    close_file(base);
    mark_close(base);
    free(base->path);
    base->path = NULL;
}

bool base_repair(struct base *base)
{
    if (repair(base))
        return true;
    base->mode = BASE_READ_ONLY;
    if (!open_reading(base)) {
        base->mode = BASE_NOT_SAVING;
        open_memory(base);
    }
    base_tell(base, "progress is not being saved: %s", base->why);
    return false;
}

/* ---- copies and idle work ---- */

int base_copy(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return sqlite3_errcode(to) ? sqlite3_errcode(to) : SQLITE_NOMEM;
    int step = sqlite3_backup_step(backup, -1), rc = sqlite3_backup_finish(backup);
    return rc != SQLITE_OK ? rc : step == SQLITE_DONE ? SQLITE_OK : step; /* "busy" is no failure to the finish */
}

bool base_backup(struct base *base, const char *file)
{
    if (access(file, F_OK) == 0) {
        snprintf(base->why, sizeof base->why, "cannot write '%.400s': it exists; choose another name", file);
        return false;
    }
    char    *part = sqlite3_mprintf("%s.part", file);
    sqlite3 *copy = NULL;
    int      rc = part ? sqlite3_open(part, &copy) : SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
        rc = base_copy(base->db, copy);
    }
    if (rc == SQLITE_OK) /* a backup is one file, wherever it is carried */
        rc = sqlite3_exec(copy, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    int error = copy ? sqlite3_system_errno(copy) : 0;
    if (sqlite3_close(copy) != SQLITE_OK || rc != SQLITE_OK || rename(part, file) != 0) {
        if (rc == SQLITE_OK)
            error = errno;
        snprintf(base->why, sizeof base->why, "cannot write '%.400s': %s", file,
                 disk_full(rc, error) ? "the disk is full; free some space, then try again"
                 : error              ? strerror(error)
                                      : sqlite3_errstr(rc));
        if (part)
            unlink(part);
        sqlite3_free(part);
        return false;
    }
    sqlite3_free(part);
    return true;
}

const char *base_journal(struct base *base)
{
    sqlite3_stmt *stmt = base_stmt(base, "PRAGMA main.journal_mode");
    base->journal[0] = 0;
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(base->journal, sizeof base->journal, "%s", base_text(stmt, 0));
    sqlite3_reset(stmt);
    return base->journal;
}

static void checkpoint(struct base *base)
{
    base->dirty = false; /* what a reader of another tutor holds back waits for the next commit */
    base->frames = 0;
    sqlite3_wal_checkpoint_v2(base->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void base_settle(struct base *base)
{
    if (base->frames >= WAL_FRAMES)
        checkpoint(base);
}

/* Whether a line of quick_check tells of damage; a page that could not be read just now is none. */
static bool tells_damage(const char *finding)
{
    const char *code = strstr(finding, "error code=");
    return strcmp(finding, "ok") != 0 && (!code || base_damaged(atoi(code + strlen("error code="))));
}

/* Reads the whole file once a run, when nothing else is to be done. */
static void check(struct base *base, int (*stop)(void *), void *ctx)
{
    base->checked = true;
    if (base_int(base, "PRAGMA page_count", 0) > CHECK_BYTES / 4096)
        return;
    sqlite3_progress_handler(base->db, 10000, stop, ctx);
    sqlite3_stmt *stmt = base_stmt(base, "PRAGMA quick_check(1)");
    int           rc = stmt ? sqlite3_step(stmt) : base->rc;
    bool          bad = base_damaged(rc) || (rc == SQLITE_ROW && tells_damage(base_text(stmt, 0)));
    sqlite3_reset(stmt);
    sqlite3_progress_handler(base->db, 0, NULL, NULL);
    if ((rc & 0xff) == SQLITE_INTERRUPT)
        base->checked = false;
    if (bad)
        base_repair(base);
}

void base_idle(struct base *base, int (*stop)(void *), void *ctx)
{
    if (base->mode != BASE_SAVING)
        return;
    if (!base->prepared)
        wal_prepare(base);
    fold_catch_up(base);
    if (base->dirty)
        checkpoint(base);
    if (!base->checked)
        check(base, stop, ctx);
}

bool base_restless(const struct base *base)
{
    return base->mode == BASE_SAVING && (base->dirty || !base->checked || !base->prepared);
}
