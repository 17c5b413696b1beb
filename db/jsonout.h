/* jsonout.h: JSON text written piece by piece, where building values first would cost more than all the rest. */
#ifndef DB_JSONOUT_H
#define DB_JSONOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins as { 0 }. `text` ends with a zero byte once something was put; malloc, the caller's. */
struct jsonout {
    char  *text;
    size_t used, room;
    bool   failed; /* no memory: nothing more is put */
};

/* Text as it is; a string with its quotes, escaped; a number. */
void jsonout_raw(struct jsonout *out, const char *text, size_t size);
void jsonout_string(struct jsonout *out, const char *text);
void jsonout_number(struct jsonout *out, int64_t number);

/* ,"name": (without the comma at the beginning of an object), for the member that follows. `name` needs no escapes. */
void jsonout_name(struct jsonout *out, const char *name);

#endif
