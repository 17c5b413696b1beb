/* fold.h: derived tables, kept up to date by folding events into them one by one, in order.
 * Private to db/. Each noun has one row here; a new event is folded when a question is asked or the store idles. */
#ifndef DB_FOLD_H
#define DB_FOLD_H

#include "db/journal.h"

#include <jansson.h>

/* One derived noun. fold sees every event that is not retracted, in order within its lesson; payload is parsed. */
struct derived {
    const char *name;
    const char *tables; /* SQL that makes its tables (without CREATE's TEMP) */
    const char *forget[2]; /* SQL that deletes one lesson's rows, ?1 its id */
    bool (*fold)(struct base *base, const struct entry *entry, const json_t *payload);
    json_t *(*reply)(struct base *base, int64_t utc, int offset, const char *arg); /* NULL on failure */
};

extern const struct derived progress_derived, cards_derived, calibration_derived, settings_derived;

/* settings.c: the current value of a setting, or its default. */
void settings_value(struct base *base, const char *name, char *value, size_t size);

/* Folds what is new. False: base->rc, base->why. */
bool fold_catch_up(struct base *base);

/* Forgets everything derived and folds all events again. */
bool fold_rebuild(struct base *base);

/* Makes the derived tables; scratch: as temporary ones, for a file that cannot be written. */
bool fold_create(struct base *base, bool scratch);

#endif
