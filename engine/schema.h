/* schema.h: what a JSON object may hold, as data.
 * Lesson files, lesson documents, views and protocol messages are all checked by the same walk over these tables;
 * the editor stubs and the author's reference are printed from them. Nothing here does I/O. */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum field_type {
    FIELD_STRING,   /* any UTF-8 text, at most `max` bytes (0: 64 KiB) */
    FIELD_ID,       /* a slug: a-z, 0-9, '-', '_', '.', ':' and '/'; 1 to 64 bytes */
    FIELD_NUMBER,   /* finite, or one of the strings "nan", "inf", "-inf"; within [min, max] if min < max */
    FIELD_INTEGER,  /* within [min, max] if min < max */
    FIELD_BOOL,
    FIELD_ENUM,     /* one of `names`, separated by '|' */
    FIELD_OBJECT,   /* one `object` */
    FIELD_BLOCK,    /* one view block, checked by its own row of view_kinds */
    FIELD_VALUE,    /* a string, a number or a boolean */
    FIELD_ANY,      /* any JSON: the only place where depth is not bounded by the tables */
};

enum {
    FIELD_REQUIRED = 1,
    FIELD_LIST     = 2, /* a JSON array of the type, at most `most` items (0: 256) */
    FIELD_GRID     = 4, /* an array of arrays of the type, each at most `most` long */
};

struct field {
    const char          *name;
    enum field_type      type;
    unsigned             flags;
    const char          *names;  /* FIELD_ENUM: "linear|log" */
    const struct object *object; /* FIELD_OBJECT */
    double               min, max;
    size_t               most;
    const char          *help;   /* one phrase for stubs and the author's reference */
};

struct object {
    const char         *name;
    const struct field *fields;  /* ends with name == NULL */
    const char         *help;
};

/* Checks `value` against `object`: required fields present, no unknown field, every type, range and count right.
 * On failure writes one line to `error` ("marks[2].at: expected a number, got a string") and returns false. An unknown
 * field is answered with the nearest known name. */
bool schema_check(const json_t *value, const struct object *object, char *error, size_t size);

/* The name in `names` (a '|' list) or in a NULL-ended `fields` table nearest to `name` by edit distance, or NULL
 * when none is within 2 edits (1 for names shorter than 4); else the first that begins with `name`, from 4 letters on.
 * Returned text lives as long as the table. */
const char *schema_nearest(const char *name, const char *const *names, size_t count);

#endif
