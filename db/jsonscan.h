/* jsonscan.h: finding the values of a JSON text without building them, so that a payload keeps its very bytes, and a
 * file of any length is read with the memory of its longest event. Values are delimited here, not checked: who takes
 * one parses it. */
#ifndef DB_JSONSCAN_H
#define DB_JSONSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { JSONSCAN_LONGEST = 1024 * 1024 /* bytes of one value in a file */ };

/* A part of a text, not ended by a zero byte. */
struct jsonscan_part {
    const char *at;
    size_t      size;
};

/* The value at or after *at (blanks are skipped), which then stands behind it. False when it does not end before
 * `end`. */
bool jsonscan_value(const char **at, const char *end, struct jsonscan_part *value);

/* The value of a member of the object `object`, the first of that name. */
bool jsonscan_member(struct jsonscan_part object, const char *name, struct jsonscan_part *value);

/* The members of an object, one after the other: *at is object.at before the first call. `key` is without its quotes,
 * escapes as they stand. False after the last, or where the text is no object. */
bool jsonscan_each(struct jsonscan_part object, const char **at, struct jsonscan_part *key,
                   struct jsonscan_part *value);

/* Whether a key is this name. */
bool jsonscan_is(struct jsonscan_part key, const char *name);

/* Whether the text is one JSON object, by the letter, UTF-8 included, at most 2048 deep: what a JSON reader takes. */
bool jsonscan_valid(const char *text, size_t size);

/* Reads the elements of one list of the object that a file holds. */
struct jsonscan {
    FILE  *file;
    char  *buffer;
    size_t used, room, at; /* bytes in the buffer, its size, what was read of it */
    bool   ended;          /* the file is */
    char   error[160];     /* what is wrong with the text, or "" */
};

/* Goes to the list `name` of the object in `file`; members before it are left out, but for `header`, whose value (""
 * when it is no string) goes to `text`. False: error says why. jsonscan_close in any case. */
bool jsonscan_open(struct jsonscan *scan, FILE *file, const char *name, const char *header, char *text, size_t size);

/* The next element, valid until the next call. False at the list's end, or with an error. */
bool jsonscan_next(struct jsonscan *scan, struct jsonscan_part *element);

void jsonscan_close(struct jsonscan *scan);

#endif
