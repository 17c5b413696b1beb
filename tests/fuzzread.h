/* fuzzread: what the fuzz drivers of the parsers check: a refusal is one line that can be shown, and what is not
 * refused can be read to its last value. */
#ifndef TESTS_FUZZREAD_H
#define TESTS_FUZZREAD_H

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "engine/safetensors.h"

/* Controls, line and paragraph separators, and what turns the direction of a text. */
static inline bool fuzzread_harmful(utf8proc_int32_t point)
{
    utf8proc_category_t kind = utf8proc_category(point);
    return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_ZL || kind == UTF8PROC_CATEGORY_ZP
        || (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

/* Aborts unless the error is a line that begins like this and holds nothing that drives a terminal. A long name may
 * have been cut within a character. */
static inline void fuzzread_refusal(const char *error, const char *begins)
{
    if (!*error || strncmp(error, begins, strlen(begins)) != 0)
        abort();
    while (*error) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)error, -1, &point);
        if (n >= 1 && fuzzread_harmful(point))
            abort();
        error += n >= 1 ? n : 1;
    }
}

/* Every value, in pieces that begin and end within blocks. */
static inline void fuzzread_tensor(const struct safetensor *tensor)
{
    enum { PIECE = 100 };
    float values[PIECE];
    for (uint64_t at = 0; dtype_loads(tensor->dtype) && at < tensor->count; at += PIECE)
        safetensor_floats(tensor, at, tensor->count - at < PIECE ? tensor->count - at : PIECE, values);
}

#endif
