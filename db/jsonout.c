/* jsonout.c: JSON text written piece by piece. See jsonout.h. */
#include "db/jsonout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16 * 1024 };

/* Room for `size` more bytes and the end. */
static bool reserve(struct jsonout *out, size_t size)
{
    if (out->failed)
        return false;
    if (out->room - out->used > size)
        return true;
    size_t room = 2 * out->room > out->used + size ? 2 * out->room : out->used + size + FIRST_ROOM;
    char  *text = realloc(out->text, room);
    out->failed = !text;
    if (text) {
        out->text = text;
        out->room = room;
    }
    return text != NULL;
}

void jsonout_raw(struct jsonout *out, const char *text, size_t size)
{
    if (!reserve(out, size))
        return;
    memcpy(out->text + out->used, text, size);
    out->used += size;
    out->text[out->used] = 0;
}

void jsonout_string(struct jsonout *out, const char *text)
{
    jsonout_raw(out, "\"", 1);
    while (*text) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\')
            plain++;
        jsonout_raw(out, text, plain);
        text += plain;
        if (*text) {
            char escape[8];
            int  size = snprintf(escape, sizeof escape, *text < 0x20 ? "\\u%04x" : "\\%c", *text);
            jsonout_raw(out, escape, (size_t)size);
            text++;
        }
    }
    jsonout_raw(out, "\"", 1);
}

void jsonout_number(struct jsonout *out, int64_t number)
{
    char     digits[24], *p = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        *--p = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--p = '-';
    jsonout_raw(out, p, (size_t)(digits + sizeof digits - p));
}

void jsonout_name(struct jsonout *out, const char *name)
{
    char last = out->used ? out->text[out->used - 1] : '{';
    if (last != '{')
        jsonout_raw(out, ",", 1);
    jsonout_raw(out, "\"", 1);
    jsonout_raw(out, name, strlen(name));
    jsonout_raw(out, "\":", 2);
}
