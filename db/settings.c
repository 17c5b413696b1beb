/* settings.c: the names that `saffron set` knows, and their current values, derived from setting events. */
#include "db/settings.h"

#include "db/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- table ---- */

static const struct setting table[] = {
    { "theme",     "auto", "auto|dark|light|contrast|safe", "colors: safe is for the color-blind" },
    { "color",     "auto", "auto|always|never",             "whether colors are used" },
    { "ascii",     "auto", "auto|on|off",                   "plain ASCII instead of drawing characters" },
    { "plain",     "off",  "on|off",                        "one sentence a line, for screen readers and scripts" },
    { "mouse",     "off",  "on|off",                        "whether the mouse turns knobs" },
    { "retention", "0.90", "0.70..0.97",                    "share of cards remembered when they come back" },
    { "fuzz",      "off",  "on|off",                        "whether cards of one day spread over several" },
    { "seed",      "",     NULL,                            "your own seed; empty: made at the first start" },
};

enum { SETTINGS = sizeof table / sizeof *table, SETTING_TEXT = 200 };

const struct setting *settings_all(size_t *number)
{
    *number = SETTINGS;
    return table;
}

const struct setting *settings_find(const char *name)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* ---- did you mean ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits between two short words. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32];
    size_t n = least(strlen(b), 31);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] && i < 32; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = least(least(row[j], row[j - 1]) + 1, change);
        }
    }
    return row[n];
}

const char *settings_nearest(const char *name)
{
    const char *nearest = table[0].name;
    for (size_t i = 1; i < SETTINGS; i++)
        if (distance(name, table[i].name) < distance(name, nearest))
            nearest = table[i].name;
    return nearest;
}

/* ---- values ---- */

static bool listed(const char *value, const char *allowed)
{
    size_t length = strlen(value);
    for (const char *p = allowed; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (length && strcspn(p, "|") == length && memcmp(p, value, length) == 0)
            return true;
    return false;
}

static bool within(const char *value, const char *allowed)
{
    char  *end;
    double low = strtod(allowed, &end);
    double high = strtod(end + 2, NULL);
    double number = strtod(value, &end);
    return end != value && !*end && number >= low && number <= high;
}

bool settings_check(const char *name, const char *value, char *why, size_t size)
{
    const struct setting *row = settings_find(name);
    if (!row)
        snprintf(why, size, "unknown setting '%.40s'; did you mean '%s'?", name, settings_nearest(name));
    else if (strlen(value) > SETTING_TEXT)
        snprintf(why, size, "value of '%s' is too long; use at most %d bytes", name, SETTING_TEXT);
    else if (row->allowed && strstr(row->allowed, "..") && !within(value, row->allowed))
        snprintf(why, size, "'%.40s' is no value for '%s'; use a number in %s", value, name, row->allowed);
    else if (row->allowed && !strstr(row->allowed, "..") && !listed(value, row->allowed))
        snprintf(why, size, "'%.40s' is no value for '%s'; use one of %s", value, name, row->allowed);
    else
        return true;
    return false;
}

/* ---- fold ---- */

static bool settings_fold(struct base *base, const struct entry *entry, const json_t *payload)
{
    const char *name = json_string_value(json_object_get(payload, "name"));
    const char *value = json_string_value(json_object_get(payload, "value"));
    if (strcmp(entry->kind, "setting") != 0 || !name || !value)
        return true;
    sqlite3_stmt *stmt = base_stmt(base, "INSERT OR REPLACE INTO setting VALUES (?1, ?2, ?3)");
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, entry->lesson, -1, SQLITE_STATIC);
    int rc = base_step(base, stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

void settings_value(struct base *base, const char *name, char *value, size_t size)
{
    char                  why[128];
    const struct setting *row = settings_find(name);
    sqlite3_stmt         *stmt = base_stmt(base, "SELECT value FROM setting WHERE name = ?1");
    snprintf(value, size, "%s", row ? row->value : "");
    if (!stmt)
        return;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (base_step(base, stmt) == SQLITE_ROW && settings_check(name, base_text(stmt, 0), why, sizeof why))
        snprintf(value, size, "%s", base_text(stmt, 0));
    sqlite3_reset(stmt);
}

static json_t *settings_reply(struct base *base, int64_t utc, int offset, const char *arg)
{
    json_t       *reply = json_object();
    sqlite3_stmt *stmt = base_stmt(base, "SELECT name, value FROM setting");
    char          why[128];
    int           rc = SQLITE_ERROR;
    (void)utc;
    (void)offset;
    (void)arg;
    for (size_t i = 0; i < SETTINGS; i++)
        json_object_set_new(reply, table[i].name, json_string(table[i].value));
    while (stmt && (rc = base_step(base, stmt)) == SQLITE_ROW) {
        const char *name = base_text(stmt, 0);
        const char *value = base_text(stmt, 1);
        if (settings_check(name, value, why, sizeof why)) /* a value of another version may be unknown here */
            json_object_set_new(reply, name, json_string(value));
    }
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return reply;
    json_decref(reply);
    return NULL;
}

const struct derived settings_derived = {
    .name = "settings",
    .tables = "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT, lesson TEXT) WITHOUT ROWID",
    .forget = { "DELETE FROM setting WHERE lesson = ?1" },
    .fold = settings_fold,
    .reply = settings_reply,
};
