/* catalog.h: the shipped lessons, as the documents that `make` has built.
 * The map, lists and searches are drawn from it without a lab. Order and groups come from lessons/course.json. */
#ifndef TUTOR_CATALOG_H
#define TUTOR_CATALOG_H

#include "engine/document.h"

struct catalog;

/* Never NULL but when out of memory. Lessons whose document cannot be read are left out; `problem` then gets one line
 * about the first of them (or about missing data), else "". */
struct catalog *catalog_load(char *problem, size_t size);
void            catalog_free(struct catalog *);

int                    catalog_count(const struct catalog *);
const struct document *catalog_document(const struct catalog *, int index);
const char            *catalog_path(const struct catalog *, int index);  /* of the lesson's Lua file */
const char            *catalog_group(const struct catalog *, int index); /* "A  Foundations", "" without groups */

/* Index of a lesson id, or -1; and the nearest id, or NULL. */
int         catalog_find(const struct catalog *, const char *id);
const char *catalog_nearest(const struct catalog *, const char *id);

/* The index of the deep dives (db/dives.h), made when first asked for; NULL when there can be none. */
struct dives *catalog_dives(const struct catalog *);

/* One document of a JSON file, for caches. NULL and one line in `error`. */
struct document *catalog_read(const char *path, char *error, size_t size);

#endif
