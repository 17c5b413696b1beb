/* exchange.h: events on their way out of one database and into another. Private to db/; asked for by STORE_EVENTS and
 * STORE_IMPORT (store.h). A payload travels as the bytes that it is stored in. */
#ifndef DB_EXCHANGE_H
#define DB_EXCHANGE_H

#include "db/base.h"

#include <jansson.h>

/* A page of events in the order of device and seq, from behind `after` ("DEVICE SEQ", "" for the first page): a line
 * that names the last event of the page in the same way ("" when the log ends here), then the events as JSON objects,
 * joined by ",\n". malloc; NULL on failure. */
char *exchange_page(struct base *base, const char *after);

/* Takes events (objects as above, joined by commas) in one transaction. {"added", "known" (stored before), "clashing"
 * (another event has their device and seq), "refused" (no events), "first_refused": why or null}. NULL on failure. */
json_t *exchange_take(struct base *base, const char *events);

#endif
