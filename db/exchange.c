/* exchange.c: events on their way out of one database and into another. See exchange.h. */
#include "db/exchange.h"

#include "db/journal.h"
#include "db/jsonout.h"
#include "db/jsonroom.h"
#include "db/jsonscan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 256 * 1024 };

/* ---- out ---- */

static sqlite3_stmt *page_from(struct base *base, const char *after)
{
    char          device[RECORD_UUID + 64] = "";
    int64_t       seq = 0;
    sqlite3_stmt *stmt = base_stmt(base, "SELECT " JOURNAL_COLUMNS " FROM event WHERE (device, seq) > (?1, ?2)"
                                         " ORDER BY device, seq");
    sscanf(after, "%100s %20" SCNd64, device, &seq);
    if (stmt) {
        sqlite3_bind_text(stmt, 1, device, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(stmt, 2, seq);
    }
    return stmt;
}

/* Puts the page's events; *last gets the last one's name, or "" where the log ends. */
static bool put_events(struct base *base, const char *after, struct jsonout *out, char *last, size_t size)
{
    struct entry  entry;
    int           rc = SQLITE_ERROR;
    sqlite3_stmt *stmt = page_from(base, after);
    while (stmt && out->used < PAGE_BYTES && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        journal_read(stmt, &entry);
        jsonout_raw(out, ",\n", out->used ? 2 : 0);
        journal_write(out, &entry, false);
        snprintf(last, size, "%s %" PRId64, entry.device, entry.seq);
    }
    if (rc == SQLITE_DONE)
        *last = 0;
    sqlite3_reset(stmt);
    if (out->failed)
        rc = base_fail(base, SQLITE_NOMEM, "read");
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

char *exchange_page(struct base *base, const char *after)
{
    char           last[RECORD_UUID + 100] = "", *page = NULL;
    struct jsonout out = { 0 };
    if (put_events(base, after, &out, last, sizeof last) &&
        asprintf(&page, "%s\n%s", last, out.text ? out.text : "") < 0) {
        base_fail(base, SQLITE_NOMEM, "read");
        page = NULL;
    }
    free(out.text);
    return page;
}

/* ---- in ---- */

/* What became of the events so far. */
struct intake {
    int  added, known, clashing, refused;
    char why[100]; /* the first was refused */
};

static const char *text_of(const json_t *event, const char *name)
{
    const char *text = json_string_value(json_object_get(event, name));
    return text ? text : "";
}

static int64_t number_of(const json_t *event, const char *name)
{
    return json_integer_value(json_object_get(event, name));
}

/* Why this is no event, or NULL. */
static const char *refusal(const json_t *event)
{
    static const char *const texts[] = { "uuid", "learner", "device", "course", "lesson", "step", "kind" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!json_is_string(json_object_get(event, texts[i])))
            return "a text is missing";
    if (strlen(text_of(event, "uuid")) != RECORD_UUID - 1 || !*text_of(event, "device"))
        return "its uuid or device is none";
    if (number_of(event, "seq") < 1 || number_of(event, "utc") < 0 ||
        !json_is_integer(json_object_get(event, "offset")))
        return "its seq, utc or offset is none";
    if (!record_kind_known(text_of(event, "kind")))
        return "its kind is unknown; a newer saffron may know it";
    return json_is_object(json_object_get(event, "payload")) ? NULL : "its payload is no JSON object";
}

static bool is_known(struct base *base, const char *uuid)
{
    sqlite3_stmt *stmt = base_stmt(base, "SELECT 1 FROM event WHERE uuid = ?1");
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
    bool known = base_step(base, stmt) == SQLITE_ROW;
    sqlite3_reset(stmt);
    return known;
}

static bool insert(struct base *base, const json_t *event, struct jsonscan_part payload, struct intake *intake)
{
    static const char *const texts[] = { "uuid", "learner", "device", "course", "lesson", "step", "kind" };
    static const int         places[] = { 1, 2, 3, 7, 8, 9, 11 };
    sqlite3_stmt            *stmt = base_stmt(
        base, "INSERT OR IGNORE INTO event(uuid, learner, device, seq, utc, \"offset\", course, lesson, step,"
                         " rev, kind, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
    if (!stmt)
        return false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sqlite3_bind_text(stmt, places[i], text_of(event, texts[i]), -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, number_of(event, "seq"));
    sqlite3_bind_int64(stmt, 5, number_of(event, "utc"));
    sqlite3_bind_int64(stmt, 6, number_of(event, "offset"));
    sqlite3_bind_int64(stmt, 10, number_of(event, "rev"));
    sqlite3_bind_text(stmt, 12, payload.at, (int)payload.size, SQLITE_STATIC);
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    if (rc != SQLITE_DONE)
        return false;
    if (sqlite3_changes(base->db) > 0)
        intake->added++;
    else if (is_known(base, text_of(event, "uuid")))
        intake->known++;
    else
        intake->clashing++;
    return true;
}

static bool take_one(struct base *base, struct jsonscan_part object, struct intake *intake)
{
    struct jsonscan_part payload = { "", 0 };
    jsonroom_failed();
    json_t              *event = json_loadb(object.at, object.size, 0, NULL);
    if (jsonroom_failed()) {
        json_decref(event);
        return base_fail(base, SQLITE_NOMEM, "save to") == SQLITE_OK;
    }
    const char          *why = event ? refusal(event) : "it is no JSON object";
    if (!why && (!jsonscan_member(object, "payload", &payload) || payload.size > RECORD_PAYLOAD))
        why = "its payload is longer than 256 KiB";
    bool ok = why || insert(base, event, payload, intake);
    if (why && intake->refused++ == 0)
        snprintf(intake->why, sizeof intake->why, "%s", why);
    json_decref(event);
    return ok;
}

static bool take_all(struct base *base, const char *events, struct intake *intake)
{
    const char          *p = events, *end = events + strlen(events);
    struct jsonscan_part object;
    while (jsonscan_value(&p, end, &object)) {
        if (!take_one(base, object, intake))
            return false;
        p += strspn(p, " \t\r\n,");
    }
    return true;
}

/* Whoever moves to a new machine stays the same learner: one who has done nothing yet becomes the one imported. */
static bool adopt_learner(struct base *base)
{
    return base_exec(base, "UPDATE meta SET value = (SELECT learner FROM event WHERE kind <> 'setting' GROUP BY learner"
                           " ORDER BY count(*) DESC LIMIT 1) WHERE name = 'learner' AND EXISTS(SELECT 1 FROM event"
                           " WHERE kind <> 'setting') AND NOT EXISTS(SELECT 1 FROM event WHERE kind <> 'setting'"
                           " AND learner = value)") == SQLITE_OK;
}

static bool take_in(struct base *base, const char *events, struct intake *intake)
{
    if (base_exec(base, "BEGIN IMMEDIATE") != SQLITE_OK)
        return false;
    if (take_all(base, events, intake) && adopt_learner(base) && base_exec(base, "COMMIT") == SQLITE_OK)
        return true;
    int rc = base->rc;
    sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
    base->rc = rc;
    return false;
}

static void read_learner(struct base *base)
{
    sqlite3_stmt *stmt = base_stmt(base, "SELECT value FROM meta WHERE name = 'learner'");
    if (stmt && base_step(base, stmt) == SQLITE_ROW)
        snprintf(base->learner, sizeof base->learner, "%s", base_text(stmt, 0));
    sqlite3_reset(stmt);
}

json_t *exchange_take(struct base *base, const char *events)
{
    struct intake intake = { 0 };
    if ((base->mode != BASE_SAVING && !base_reopen(base)) || !take_in(base, events, &intake))
        return NULL;
    read_learner(base);
    return json_pack("{s:i, s:i, s:i, s:i, s:s?}", "added", intake.added, "known", intake.known, "clashing",
                     intake.clashing, "refused", intake.refused, "first_refused", intake.refused ? intake.why : NULL);
}
