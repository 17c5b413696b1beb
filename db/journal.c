/* journal.c: the event table: appending, reading in order, and what retract events take back. */
#include "db/journal.h"

#include "db/jsonout.h"
#include "db/jsonroom.h"
#include "db/jsonscan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
    "open", "seen", "prediction", "result", "review", "answer",
    "hint", "skip", "setting",    "draft",  "flag",   "retract",
};

bool record_kind_known(const char *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i], kind) == 0)
            return true;
    return false;
}

/* ---- appending ---- */

const char *journal_refusal(const struct record *record)
{
    if (!record->kind || !record_kind_known(record->kind))
        return "the record's kind is unknown";
    const char *text = record->payload ? record->payload : "{}";
    if (strlen(text) > RECORD_PAYLOAD)
        return "the record is longer than 256 KiB";
    jsonroom_failed();
    json_t *payload = json_loads(text, 0, NULL);
    bool    object = json_is_object(payload);
    bool    told = strcmp(record->kind, "prediction") == 0 &&
                (json_object_get(payload, "outcome") || json_object_get(payload, "blocks") ||
                 json_object_get(payload, "hit"));
    json_decref(payload);
    if (jsonroom_failed())
        return "there is no memory left; close something, then try again";
    if (!object)
        return "the record's payload is no JSON object";
    return told ? "a prediction cannot hold its outcome" : NULL;
}

/* The device's last seq and time, which the next event must not precede. */
static bool last_of_device(struct base *base, int64_t *seq, int64_t *utc)
{
    sqlite3_stmt *stmt =
        base_stmt(base, "SELECT seq, utc FROM event WHERE device = ?1 ORDER BY seq DESC LIMIT 1");
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, base->device, -1, SQLITE_STATIC);
    int rc = base_step(base, stmt);
    *seq = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    *utc = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 1) : 0;
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

int64_t journal_last(struct base *base)
{
    int64_t seq = 0, utc = 0;
    last_of_device(base, &seq, &utc);
    return seq;
}

/* Fills the receipt of an event stored earlier under this uuid; 0 none, 1 found, -1 failure. */
static int stored_before(struct base *base, const char *uuid, struct receipt *receipt)
{
    sqlite3_stmt *stmt = base_stmt(base, "SELECT seq, utc, \"offset\" FROM event WHERE uuid = ?1");
    if (!stmt)
        return -1;
    sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
    int rc = base_step(base, stmt);
    if (rc == SQLITE_ROW) {
        receipt->seq = sqlite3_column_int64(stmt, 0);
        receipt->utc = sqlite3_column_int64(stmt, 1);
        receipt->offset = sqlite3_column_int(stmt, 2);
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

static void bind(sqlite3_stmt *stmt, int column, const char *text)
{
    sqlite3_bind_text(stmt, column, text ? text : "", -1, SQLITE_STATIC);
}

static bool insert(struct base *base, const struct record *record, const struct receipt *receipt)
{
    bool          placeless = strcmp(record->kind, "setting") == 0; /* a setting belongs to no lesson */
    sqlite3_stmt *stmt =
        base_stmt(base, "INSERT INTO event(uuid, learner, device, seq, utc, \"offset\", course, lesson, step,"
                        " rev, kind, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
    if (!stmt)
        return false;
    bind(stmt, 1, receipt->uuid);
    bind(stmt, 2, base->learner);
    bind(stmt, 3, base->device);
    sqlite3_bind_int64(stmt, 4, receipt->seq);
    sqlite3_bind_int64(stmt, 5, receipt->utc);
    sqlite3_bind_int(stmt, 6, receipt->offset);
    bind(stmt, 7, placeless ? "" : record->course);
    bind(stmt, 8, placeless ? "" : record->lesson);
    bind(stmt, 9, placeless ? "" : record->step);
    sqlite3_bind_int(stmt, 10, record->rev);
    bind(stmt, 11, record->kind);
    bind(stmt, 12, record->payload ? record->payload : "{}");
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

bool journal_append(struct base *base, const struct record *record, int64_t utc, int offset,
                    struct receipt *receipt)
{
    int64_t seq, last;
    *receipt = (struct receipt){ .offset = offset };
    if (record->uuid && *record->uuid) {
        strncpy(receipt->uuid, record->uuid, RECORD_UUID - 1);
        int before = stored_before(base, receipt->uuid, receipt);
        if (before)
            return before > 0;
    } else {
        base_uuid(receipt->uuid, utc);
    }
    if (!last_of_device(base, &seq, &last))
        return false;
    receipt->seq = (seq > base->marked ? seq : base->marked) + 1; /* a lost event's seq is not given again */
    receipt->utc = utc > last ? utc : last;
    return insert(base, record, receipt);
}

/* ---- reading ---- */

void journal_read(sqlite3_stmt *stmt, struct entry *entry)
{
    *entry = (struct entry){
        .id = sqlite3_column_int64(stmt, 0),
        .uuid = base_text(stmt, 1),
        .learner = base_text(stmt, 2),
        .device = base_text(stmt, 3),
        .seq = sqlite3_column_int64(stmt, 4),
        .utc = sqlite3_column_int64(stmt, 5),
        .offset = sqlite3_column_int(stmt, 6),
        .course = base_text(stmt, 7),
        .lesson = base_text(stmt, 8),
        .step = base_text(stmt, 9),
        .rev = sqlite3_column_int(stmt, 10),
        .kind = base_text(stmt, 11),
        .payload = base_text(stmt, 12),
    };
}

static void put_text(struct jsonout *out, const char *name, const char *text)
{
    jsonout_name(out, name);
    jsonout_string(out, text);
}

static void put_number(struct jsonout *out, const char *name, int64_t number)
{
    jsonout_name(out, name);
    jsonout_number(out, number);
}

void journal_write(struct jsonout *out, const struct entry *e, bool retracted)
{
    size_t size = strlen(e->payload);
    jsonout_raw(out, "{", 1);
    put_text(out, "uuid", e->uuid);
    put_text(out, "learner", e->learner);
    put_text(out, "device", e->device);
    put_number(out, "seq", e->seq);
    put_number(out, "utc", e->utc);
    put_number(out, "offset", e->offset);
    put_text(out, "course", e->course);
    put_text(out, "lesson", e->lesson);
    put_text(out, "step", e->step);
    put_number(out, "rev", e->rev);
    put_text(out, "kind", e->kind);
    jsonout_name(out, "payload");
    if (jsonscan_valid(e->payload, size))
        jsonout_raw(out, e->payload, size);
    else
        jsonout_raw(out, "{}", 2);
    if (retracted) {
        jsonout_name(out, "retracted");
        jsonout_raw(out, e->retracted ? "true" : "false", e->retracted ? 4 : 5);
    }
    jsonout_raw(out, "}", 1);
}

/* Copies the strings of an entry into one block, which entry->uuid then points at. */
static bool keep(struct entry *entry)
{
    const char **fields[] = { &entry->uuid,   &entry->learner, &entry->device, &entry->course,
                              &entry->lesson, &entry->step,    &entry->kind,   &entry->payload };
    size_t       lengths[8], total = 0;
    for (int i = 0; i < 8; i++)
        total += lengths[i] = strlen(*fields[i]) + 1;
    char *block = malloc(total);
    if (!block)
        return false;
    for (int i = 0; i < 8; i++) {
        memcpy(block, *fields[i], lengths[i]);
        *fields[i] = block;
        block += lengths[i];
    }
    return true;
}

static bool push(struct entries *entries, struct entry entry)
{
    if (entries->count == entries->room) {
        size_t        room = entries->room ? 2 * entries->room : 64;
        struct entry *list = realloc(entries->list, room * sizeof *list);
        if (!list)
            return false;
        entries->list = list;
        entries->room = room;
    }
    if (!keep(&entry))
        return false;
    entries->list[entries->count++] = entry;
    return true;
}

void entries_free(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free((char *)entries->list[i].uuid);
    free(entries->list);
    *entries = (struct entries){ 0 };
}

/* ---- retracting ---- */

static bool is_target(const struct entry *entry, const struct entry *retract, const char *uuid, int64_t seq)
{
    if (uuid)
        return strcmp(entry->uuid, uuid) == 0;
    return entry->seq == seq && strcmp(entry->device, retract->device) == 0;
}

/* Marks what the retract at place `at` takes back. A scope takes what came before it; it leaves retracts
 * alone, so that taking the scope back restores exactly what it took. */
static void apply_retract(struct entries *entries, size_t at, const json_t *payload)
{
    const struct entry *retract = &entries->list[at];
    const char         *scope = json_string_value(json_object_get(payload, "scope"));
    const char         *uuid = json_string_value(json_object_get(payload, "target"));
    int64_t             seq = json_integer_value(json_object_get(payload, "seq"));
    for (size_t i = 0; i < entries->count; i++) {
        struct entry *entry = &entries->list[i];
        if (i == at)
            continue;
        if (!scope)
            entry->retracted |= is_target(entry, retract, uuid, seq);
        else if (i < at && strcmp(entry->kind, "retract") != 0)
            entry->retracted |= strcmp(scope, "lesson") == 0 ||
                                (strcmp(scope, "step") == 0 && strcmp(entry->step, retract->step) == 0);
    }
}

/* From the last to the first: whether a retract counts is known once everything after it was seen. */
static void mark_retracted(struct entries *entries)
{
    for (size_t i = entries->count; i-- > 0;) {
        const struct entry *entry = &entries->list[i];
        if (entry->retracted || strcmp(entry->kind, "retract") != 0)
            continue;
        json_t *payload = json_loads(entry->payload, 0, NULL);
        apply_retract(entries, i, payload);
        json_decref(payload);
    }
}

bool journal_load(struct base *base, const char *lesson, struct entries *entries)
{
    int           rc;
    struct entry  entry;
    sqlite3_stmt *stmt =
        base_stmt(base, "SELECT " JOURNAL_COLUMNS " FROM event WHERE lesson = ?1 ORDER BY utc, device, seq");
    *entries = (struct entries){ 0 };
    if (!stmt)
        return false;
    bind(stmt, 1, lesson);
    while ((rc = base_step(base, stmt)) == SQLITE_ROW) {
        journal_read(stmt, &entry);
        if (!push(entries, entry)) {
            rc = base_fail(base, SQLITE_NOMEM, "read");
            break;
        }
    }
    sqlite3_reset(stmt);
    jsonroom_failed();
    mark_retracted(entries);
    if (jsonroom_failed()) /* a retract that was not read would bring back what it took */
        rc = base_fail(base, SQLITE_NOMEM, "read");
    return rc == SQLITE_DONE;
}
