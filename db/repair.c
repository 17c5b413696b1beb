/* repair.c: reads events out of a damaged file and its WAL, page by page, without trusting either.
 * Events are never changed or deleted, so every row that looks like an event is one, even on a page that is
 * no longer in use; a uuid seen twice is the same event. Only the leaves of the event table are needed, no
 * tree above them. */
#include "db/base.h"
#include "db/journal.h"
#include "db/jsonscan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGE = 4096,  /* base.c makes no other */
    COLUMNS = 13, /* of the event table (migrate.c), id first */
    LEAF = 13,    /* type byte of a table leaf */
    WAL_HEADER = 32,
    WAL_FRAME = 24,
    ROW_BYTES = RECORD_PAYLOAD + 16 * 1024,
    LINK_BYTES = 4,         /* an overflow page starts with the number of the next */
    LEAF_INLINE = PAGE - 35 /* largest row that a table leaf holds without overflow */
};

/* A damaged file: its pages, and those that only its WAL has. */
struct wreck {
    int      file, wal;
    uint32_t pages, frames;
};

/* One row's bytes and the columns found in them. */
struct row {
    unsigned char *bytes;
    struct {
        const unsigned char *at;
        uint64_t             type;
    } column[COLUMNS];
};

/* ---- pages ---- */

static bool read_at(int fd, void *to, size_t size, off_t at)
{
    return fd >= 0 && pread(fd, to, size, at) == (ssize_t)size;
}

static uint32_t big32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static off_t frame_at(uint32_t frame)
{
    return WAL_HEADER + (off_t)frame * (WAL_FRAME + PAGE);
}

static bool read_page(const struct wreck *wreck, uint32_t number, unsigned char *page)
{
    return number >= 1 && number <= wreck->pages &&
           read_at(wreck->file, page, PAGE, (off_t)(number - 1) * PAGE);
}

/* The page as some frame of the WAL has it, newest first. */
static bool read_frame_of(const struct wreck *wreck, uint32_t number, unsigned char *page)
{
    unsigned char head[WAL_FRAME];
    for (uint32_t i = wreck->frames; i-- > 0;)
        if (read_at(wreck->wal, head, sizeof head, frame_at(i)) && big32(head) == number)
            return read_at(wreck->wal, page, PAGE, frame_at(i) + WAL_FRAME);
    return false;
}

/* ---- rows ---- */

/* A variable-length integer of 1 to 9 bytes; 0 bytes: it does not end before `end`. */
static int varint(const unsigned char *p, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < 9 && p + i < end; i++) {
        if (i == 8) {
            *value = *value << 8 | p[i];
            return 9;
        }
        *value = *value << 7 | (p[i] & 0x7f);
        if (!(p[i] & 0x80))
            return i + 1;
    }
    return 0;
}

/* Follows the overflow pages of a row into out. fresh: where the WAL has a page, that one is taken. */
static bool read_overflow(const struct wreck *wreck, uint32_t number, bool fresh, unsigned char *out,
                          size_t left)
{
    unsigned char page[PAGE];
    while (left > 0) {
        bool ok = fresh ? read_frame_of(wreck, number, page) || read_page(wreck, number, page)
                        : read_page(wreck, number, page) || read_frame_of(wreck, number, page);
        if (!ok)
            return false;
        size_t part = left < PAGE - LINK_BYTES ? left : PAGE - LINK_BYTES;
        memcpy(out, page + LINK_BYTES, part);
        out += part;
        left -= part;
        number = big32(page);
    }
    return true;
}

static size_t inline_size(size_t size)
{
    size_t least = (PAGE - 12) * 32 / 255 - 23;
    size_t kept = least + (size - least) % (PAGE - LINK_BYTES);
    return size <= LEAF_INLINE ? size : kept <= LEAF_INLINE ? kept : least;
}

/* Gathers the row of a cell; its size, or 0. */
static size_t read_row(const struct wreck *wreck, const unsigned char *page, size_t at, bool fresh,
                       unsigned char *out)
{
    const unsigned char *end = page + PAGE, *p = page + at;
    uint64_t             size, rowid;
    int                  a = varint(p, end, &size), b = a ? varint(p + a, end, &rowid) : 0;
    if (!a || !b || size < COLUMNS || size > ROW_BYTES)
        return 0;
    p += a + b;
    size_t kept = inline_size(size);
    if (kept + (kept < size ? LINK_BYTES : 0) > (size_t)(end - p))
        return 0;
    memcpy(out, p, kept);
    if (kept < size && !read_overflow(wreck, big32(p + kept), fresh, out + kept, size - kept))
        return 0;
    return size;
}

static uint64_t width(uint64_t type)
{
    static const unsigned char fixed[] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 };
    return type < 10 ? fixed[type] : (type - 12) / 2;
}

/* Finds the columns of a row; false when they do not fill it exactly. */
static bool split(struct row *row, size_t size)
{
    const unsigned char *end = row->bytes + size, *p = row->bytes;
    uint64_t             header;
    int                  used = varint(p, end, &header);
    if (!used || header > size)
        return false;
    const unsigned char *at = row->bytes + header, *header_end = at;
    p += used;
    for (int i = 0; i < COLUMNS; i++) {
        used = varint(p, header_end, &row->column[i].type);
        uint64_t type = row->column[i].type;
        if (!used || type == 10 || type == 11 || width(type) > (uint64_t)(end - at))
            return false;
        row->column[i].at = at;
        at += width(type);
        p += used;
    }
    return at == end && p == header_end;
}

static int64_t integer(const struct row *row, int column)
{
    uint64_t             type = row->column[column].type;
    const unsigned char *p = row->column[column].at;
    if (type == 9)
        return 1;
    if (type == 0 || type > 6)
        return 0;
    uint64_t value = p[0] & 0x80 ? ~(uint64_t)0 : 0;
    for (uint64_t i = 0; i < width(type); i++)
        value = value << 8 | p[i];
    return (int64_t)value;
}

static bool is_text(const struct row *row, int column)
{
    return row->column[column].type >= 13 && row->column[column].type % 2 == 1;
}

static bool is_integer(const struct row *row, int column)
{
    uint64_t type = row->column[column].type;
    return (type >= 1 && type <= 6) || type == 8 || type == 9;
}

/* ---- events ---- */

static bool copy_text(const struct row *row, int column, char **end, const char **text)
{
    uint64_t length = width(row->column[column].type);
    if (!is_text(row, column) || memchr(row->column[column].at, 0, length))
        return false;
    memcpy(*end, row->column[column].at, length);
    (*end)[length] = 0;
    *text = *end;
    *end += length + 1;
    return true;
}

/* Takes the columns apart as event (migrate.c); false when they are no event. text holds the strings. */
static bool event_of(const struct row *row, char *text, struct entry *e)
{
    if (row->column[0].type != 0 || !is_integer(row, 4) || !is_integer(row, 5) || !is_integer(row, 6) ||
        !is_integer(row, 10))
        return false;
    e->seq = integer(row, 4);
    e->utc = integer(row, 5);
    e->offset = (int)integer(row, 6);
    e->rev = (int)integer(row, 10);
    if (!copy_text(row, 1, &text, &e->uuid) || !copy_text(row, 2, &text, &e->learner) ||
        !copy_text(row, 3, &text, &e->device) || !copy_text(row, 7, &text, &e->course) ||
        !copy_text(row, 8, &text, &e->lesson) || !copy_text(row, 9, &text, &e->step) ||
        !copy_text(row, 11, &text, &e->kind) || !copy_text(row, 12, &text, &e->payload))
        return false;
    size_t size = strlen(e->payload);
    return strlen(e->uuid) == RECORD_UUID - 1 && e->seq > 0 && e->utc >= 0 && record_kind_known(e->kind) &&
           size <= RECORD_PAYLOAD && jsonscan_valid(e->payload, size);
}

/* False: the fresh file did not take it. */
static bool save(sqlite3 *db, sqlite3_stmt *insert, const struct entry *e, int64_t *count)
{
    const char *texts[] = {
        e->uuid, e->learner, e->device, e->course, e->lesson, e->step, e->kind, e->payload
    };
    const int places[] = { 1, 2, 3, 7, 8, 9, 11, 12 };
    for (int i = 0; i < 8; i++)
        sqlite3_bind_text(insert, places[i], texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 4, e->seq);
    sqlite3_bind_int64(insert, 5, e->utc);
    sqlite3_bind_int(insert, 6, e->offset);
    sqlite3_bind_int(insert, 10, e->rev);
    int rc = sqlite3_step(insert);
    if (sqlite3_reset(insert) == SQLITE_OK)
        *count += sqlite3_changes(db);
    return rc == SQLITE_DONE || (rc & 0xff) == SQLITE_CONSTRAINT;
}

/* Saves every event on a page, if it is a leaf. row and text: room for one. False: the fresh file did not take one, or
 * memory ran out, which must not look like an event that was not there. */
static bool salvage_page(const struct wreck *wreck, const unsigned char *page, bool fresh, struct row *row, char *text,
                         sqlite3_stmt *insert, int64_t *count)
{
    static const size_t leaf_header = 8;
    size_t              cells = (size_t)page[3] << 8 | page[4];
    if (page[0] != LEAF || cells > PAGE / 4)
        cells = 0;
    for (size_t i = 0; i < cells && leaf_header + 2 * i + 2 <= PAGE; i++) {
        size_t       place = leaf_header + 2 * i, at = (size_t)page[place] << 8 | page[place + 1];
        struct entry event = { 0 };
        size_t       size = at < PAGE ? read_row(wreck, page, at, fresh, row->bytes) : 0;
        if (size && split(row, size) && event_of(row, text, &event) &&
            !save(sqlite3_db_handle(insert), insert, &event, count))
            return false;
    }
    return true;
}

static bool salvage(const struct wreck *wreck, sqlite3_stmt *insert, int64_t *count)
{
    unsigned char page[PAGE];
    struct row    row = { .bytes = malloc(ROW_BYTES) };
    char         *text = malloc(ROW_BYTES + 16);
    bool          ok = row.bytes && text;
    for (uint32_t i = 0; i < wreck->frames && ok; i++)
        if (read_at(wreck->wal, page, PAGE, frame_at(i) + WAL_FRAME))
            ok = salvage_page(wreck, page, true, &row, text, insert, count);
    for (uint32_t i = 1; i <= wreck->pages && ok; i++)
        if (read_page(wreck, i, page))
            ok = salvage_page(wreck, page, false, &row, text, insert, count);
    free(row.bytes);
    free(text);
    return ok;
}

/* ---- the fresh file ---- */

static off_t file_size(int fd)
{
    struct stat info;
    return fd >= 0 && fstat(fd, &info) == 0 ? info.st_size : 0;
}

static bool wreck_open(struct wreck *wreck, const char *path)
{
    char *wal = sqlite3_mprintf("%s-wal", path);
    wreck->file = open(path, O_RDONLY | O_CLOEXEC);
    wreck->wal = wal ? open(wal, O_RDONLY | O_CLOEXEC) : -1;
    sqlite3_free(wal);
    off_t frames = (file_size(wreck->wal) - WAL_HEADER) / (WAL_FRAME + PAGE);
    wreck->pages = (uint32_t)((file_size(wreck->file) + PAGE - 1) / PAGE);
    wreck->frames = frames > 0 ? (uint32_t)frames : 0;
    return wreck->file >= 0;
}

static void wreck_close(struct wreck *wreck)
{
    if (wreck->file >= 0)
        close(wreck->file);
    if (wreck->wal >= 0)
        close(wreck->wal);
}

/* Whose events these are: the learner of most of them, and the device that the mark names. */
static bool keep_identity(struct base *fresh, const char *device)
{
    if (base_exec(fresh, "INSERT OR IGNORE INTO meta SELECT 'learner', learner FROM event GROUP BY learner"
                         " ORDER BY count(*) DESC LIMIT 1") != SQLITE_OK)
        return false;
    return !*device || base_adopt(fresh, device);
}

/* Makes a database at `name` with what the wreck holds; true when it is whole and on the disk. */
static bool rescue(const struct wreck *wreck, const char *name, const char *device, int64_t *count)
{
    struct base fresh = { .path = (char *)name, .mark = -1, .mode = BASE_NOT_SAVING };
    bool        ok =
        sqlite3_open_v2(name, &fresh.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK &&
        base_exec(&fresh, "PRAGMA page_size = 4096; PRAGMA synchronous = FULL") == SQLITE_OK &&
        migrate_run(&fresh) && base_exec(&fresh, "BEGIN IMMEDIATE") == SQLITE_OK;
    sqlite3_stmt *insert =
        ok ? base_stmt(&fresh, "INSERT OR IGNORE INTO event(uuid, learner, device, seq, utc, \"offset\","
                               " course, lesson, step, rev, kind, payload)"
                               " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")
           : NULL;
    ok = insert && salvage(wreck, insert, count) && !sqlite3_get_autocommit(fresh.db) &&
         keep_identity(&fresh, device) && base_exec(&fresh, "COMMIT") == SQLITE_OK;
    for (int i = 0; i < BASE_STATEMENTS; i++)
        sqlite3_finalize(fresh.cache[i].stmt);
    return sqlite3_close(fresh.db) == SQLITE_OK && ok;
}

/* ---- names ---- */

static bool move(const char *from, const char *from_end, const char *to, const char *to_end)
{
    char *a = sqlite3_mprintf("%s%s", from, from_end), *b = sqlite3_mprintf("%s%s", to, to_end);
    bool  ok = a && b && rename(a, b) == 0;
    sqlite3_free(a);
    sqlite3_free(b);
    return ok;
}

static void erase(const char *path, const char *end)
{
    char *name = sqlite3_mprintf("%s%s", path, end);
    if (name)
        unlink(name);
    sqlite3_free(name);
}

static bool exists(const char *path, const char *end)
{
    char *name = sqlite3_mprintf("%s%s", path, end);
    bool  there = name && access(name, F_OK) == 0;
    sqlite3_free(name);
    return there;
}

/* A name beside the database that is not taken. */
static void aside_name(const char *path, const char *why, char *aside, size_t size)
{
    long long now = (long long)time(NULL);
    do
        snprintf(aside, size, "%s.%s-%lld", path, why, now++);
    while (access(aside, F_OK) == 0);
}

/* From here on a crash is finished by repair_resume: the rescued file is complete under its own name. The old
 * WAL must be gone before the fresh file takes the name, or it would be replayed into it. */
static bool exchange(const char *path, const char *aside)
{
    if (exists(path, "") && !move(path, "", aside, ""))
        return false;
    if (exists(path, "-wal") && !move(path, "-wal", aside, "-wal"))
        return false;
    erase(path, "-shm");
    return move(path, ".rescued", path, "");
}

void repair_resume(const char *path)
{
    char aside[BASE_TEXT];
    if (exists(path, "") || !exists(path, ".rescued"))
        return;
    aside_name(path, "damaged", aside, sizeof aside);
    exchange(path, aside);
}

bool repair_exchange(const char *path, const char *why, char *aside, size_t size)
{
    aside_name(path, why, aside, size);
    return exchange(path, aside);
}

enum repair repair_file(struct base *base, char *aside, size_t size, int64_t *count)
{
    struct wreck wreck;
    char         device[RECORD_UUID];
    mark_device(base, device);
    if (!mark_alone(base)) {
        mark_share(base);
        return REPAIR_BUSY;
    }
    char *fresh = sqlite3_mprintf("%s.rescue", base->path);
    erase(base->path, ".rescue");
    erase(base->path, ".rescue-journal");
    bool ok = fresh && wreck_open(&wreck, base->path);
    if (ok) {
        ok = rescue(&wreck, fresh, device, count);
        wreck_close(&wreck);
    }
    ok = ok && move(base->path, ".rescue", base->path, ".rescued") &&
         repair_exchange(base->path, "damaged", aside, size);
    if (!ok)
        erase(base->path, ".rescue");
    sqlite3_free(fresh);
    mark_share(base);
    return ok ? REPAIR_DONE : REPAIR_FAILED;
}
