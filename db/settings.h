/* settings.h: the names that `saffron set` knows, with defaults and allowed values.
 * A setting's current value is its latest event; STORE_SETTINGS replies {NAME: VALUE, ...} with every name of the
 * table, all values as strings. */
#ifndef DB_SETTINGS_H
#define DB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

struct setting {
    const char *name;
    const char *value;   /* default */
    const char *allowed; /* "a|b|c"; NULL: any text; "0.70..0.97": a number between */
    const char *title;   /* one line for people */
};

/* The table in display order; *count gets its length. */
const struct setting *settings_all(size_t *count);

/* The row of a name, or NULL. */
const struct setting *settings_find(const char *name);

/* The nearest known name, for "did you mean"; never NULL. */
const char *settings_nearest(const char *name);

/* True when the value may be set; else why gets one line: lower case, what is wrong, what would be right. */
bool settings_check(const char *name, const char *value, char *why, size_t size);

#endif
