/* jsonscan.c: finding the values of a JSON text without building them. See jsonscan.h. */
#include "db/jsonscan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 * 1024 };

static const char blanks[] = " \t\r\n";

/* ---- in memory ---- */

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && memchr(blanks, *p, sizeof blanks - 1))
        p++;
    return p;
}

/* Behind the string that starts at p, or NULL. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"')
            return p + 1;
    }
    return NULL;
}

/* Behind the list or object that starts at p, or NULL. */
static const char *skip_nested(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (!p)
                return NULL;
            continue;
        }
        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        p++;
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* Behind a number or a word: it ends at what follows a value, which must be there. */
static const char *skip_word(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && !strchr(" \t\r\n,]}:", *p))
        p++;
    return p < end && p > start ? p : NULL;
}

bool jsonscan_value(const char **at, const char *end, struct jsonscan_part *value)
{
    const char *start = skip_blanks(*at, end);
    if (start >= end)
        return false;
    bool        nested = *start == '{' || *start == '[';
    const char *behind = *start == '"' ? skip_string(start, end)
                         : nested      ? skip_nested(start, end)
                                       : skip_word(start, end);
    if (!behind)
        return false;
    *value = (struct jsonscan_part){ start, (size_t)(behind - start) };
    *at = behind;
    return true;
}

bool jsonscan_is(struct jsonscan_part key, const char *name)
{
    size_t length = strlen(name);
    return key.size == length && memcmp(key.at, name, length) == 0;
}

/* The same of a key that has its quotes. */
static bool is_name(struct jsonscan_part key, const char *name)
{
    return key.size >= 2 && key.at[0] == '"' &&
           jsonscan_is((struct jsonscan_part){ key.at + 1, key.size - 2 }, name);
}

/* One character that must come next, after blanks. */
static bool take(const char **at, const char *end, char wanted)
{
    const char *p = skip_blanks(*at, end);
    if (p >= end || *p != wanted)
        return false;
    *at = p + 1;
    return true;
}

bool jsonscan_each(struct jsonscan_part object, const char **at, struct jsonscan_part *key,
                   struct jsonscan_part *value)
{
    const char *end = object.at + object.size;
    if (!take(at, end, *at == object.at ? '{' : ',') || !jsonscan_value(at, end, key) || key->size < 2 ||
        key->at[0] != '"' || !take(at, end, ':'))
        return false;
    key->at++;
    key->size -= 2;
    return jsonscan_value(at, end, value);
}

bool jsonscan_member(struct jsonscan_part object, const char *name, struct jsonscan_part *value)
{
    const char          *at = object.at;
    struct jsonscan_part key;
    while (jsonscan_each(object, &at, &key, value))
        if (jsonscan_is(key, name))
            return true;
    return false;
}

/* ---- by the letter ---- */

enum { DEEPEST = 2048, MOST_DIGITS = 18, MOST_POWER = 300 };

/* Bytes of the UTF-8 character at p, or 0: shortest form, no surrogates, at most 10FFFF. */
static size_t utf8_size(const unsigned char *p, const unsigned char *end)
{
    size_t   size = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    unsigned least = p[0] == 0xe0   ? 0xa0
                     : p[0] == 0xf0 ? 0x90
                                    : 0x80,
             most = p[0] == 0xed   ? 0x9f
                    : p[0] == 0xf4 ? 0x8f
                                   : 0xbf;
    if (size == 0 || (size_t)(end - p) < size || p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

static const char *valid_escape(const char *p, const char *end)
{
    if (p >= end)
        return NULL;
    if (*p != 'u')
        return strchr("\"\\/bfnrt", *p) && *p ? p + 1 : NULL;
    for (int i = 1; i <= 4; i++)
        if (p + i >= end || !isxdigit((unsigned char)p[i]))
            return NULL;
    return memcmp(p + 1, "0000", 4) == 0 ? NULL : p + 5;
}

/* Behind the string that starts at p, or NULL. */
static const char *valid_string(const char *p, const char *end)
{
    for (p++; p < end;) {
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            return p + 1;
        if (c == '\\') {
            if (!(p = valid_escape(p + 1, end)))
                return NULL;
        } else if (c < 0x80) {
            if (c < 0x20)
                return NULL;
            p++;
        } else {
            size_t size = utf8_size((const unsigned char *)p, (const unsigned char *)end);
            if (!size)
                return NULL;
            p += size;
        }
    }
    return NULL;
}

static const char *digits(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > start ? p : NULL;
}

/* Readers refuse integers beyond 64 bits and reals beyond a double: so many digits are safe. */
static const char *valid_number(const char *p, const char *end)
{
    p += p < end && *p == '-';
    const char *behind = p < end && *p == '0' ? p + 1 : digits(p, end), *exponent = NULL;
    long        whole = behind ? behind - p : 0;
    bool        real = behind && behind < end && strchr(".eE", *behind);
    if (behind && behind < end && *behind == '.')
        behind = digits(behind + 1, end);
    if (behind && behind < end && (*behind == 'e' || *behind == 'E')) {
        exponent = behind + 1 + (behind + 1 < end && (behind[1] == '+' || behind[1] == '-'));
        behind = digits(exponent, end);
    }
    long power = 0; /* not by strtol: nothing ends the text */
    for (; behind && exponent && exponent < behind; exponent++)
        power = power > MOST_POWER ? power : 10 * power + (*exponent - '0');
    whole += power;
    return whole <= (real ? MOST_POWER : MOST_DIGITS) ? behind : NULL;
}

static const char *valid_word(const char *p, const char *end, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(end - p) >= length && memcmp(p, word, length) == 0 ? p + length : NULL;
}

static const char *valid_value(const char *p, const char *end, int depth);

/* The members or elements up to the closing bracket; NULL where something is wrong. */
static const char *valid_nested(const char *p, const char *end, int depth)
{
    bool object = *p == '{';
    char closing = object ? '}' : ']';
    p = skip_blanks(p + 1, end);
    if (p < end && *p == closing)
        return p + 1;
    while (p < end) {
        if (object) {
            if (*p != '"' || !(p = valid_string(p, end)))
                return NULL;
            p = skip_blanks(p, end);
            if (p >= end || *p != ':')
                return NULL;
            p = skip_blanks(p + 1, end);
        }
        if (!(p = valid_value(p, end, depth)))
            return NULL;
        p = skip_blanks(p, end);
        if (p < end && *p == closing)
            return p + 1;
        if (p >= end || *p != ',')
            return NULL;
        p = skip_blanks(p + 1, end);
    }
    return NULL;
}

static const char *valid_value(const char *p, const char *end, int depth)
{
    if (p >= end || depth > DEEPEST)
        return NULL;
    switch (*p) {
    case '"': return valid_string(p, end);
    case '{':
    case '[': return valid_nested(p, end, depth + 1);
    case 't': return valid_word(p, end, "true");
    case 'f': return valid_word(p, end, "false");
    case 'n': return valid_word(p, end, "null");
    default:  return valid_number(p, end);
    }
}

bool jsonscan_valid(const char *text, size_t size)
{
    const char *end = text + size, *p = skip_blanks(text, end);
    if (p >= end || *p != '{' || !(p = valid_value(p, end, 0)))
        return false;
    return skip_blanks(p, end) == end;
}

/* ---- in a file ---- */

static bool fail(struct jsonscan *scan, const char *why)
{
    if (!scan->error[0])
        snprintf(scan->error, sizeof scan->error, "%s", why);
    return false;
}

/* Reads on, behind what is kept from scan->at on. False at the end of the file. */
static bool read_more(struct jsonscan *scan)
{
    if (scan->ended)
        return false;
    if (scan->at > 0)
        memmove(scan->buffer, scan->buffer + scan->at, scan->used - scan->at);
    scan->used -= scan->at;
    scan->at = 0;
    if (scan->room - scan->used < CHUNK) {
        size_t room = 2 * scan->room + CHUNK;
        char  *buffer = scan->used > JSONSCAN_LONGEST ? NULL : realloc(scan->buffer, room);
        if (!buffer)
            return fail(scan, "an event is longer than 1 MiB");
        scan->buffer = buffer;
        scan->room = room;
    }
    size_t got = fread(scan->buffer + scan->used, 1, CHUNK, scan->file);
    scan->used += got;
    scan->ended = got == 0;
    return got > 0;
}

static bool next_value(struct jsonscan *scan, struct jsonscan_part *value)
{
    for (;;) {
        const char *p = scan->buffer + scan->at;
        if (scan->used > scan->at && jsonscan_value(&p, scan->buffer + scan->used, value)) {
            scan->at = (size_t)(p - scan->buffer);
            return true;
        }
        if (!read_more(scan))
            return fail(scan, "it ends in the middle");
    }
}

/* The next character that is no blank, not taken; 0 at the end of the file. */
static char peek(struct jsonscan *scan)
{
    for (;;) {
        const char *end = scan->buffer + scan->used;
        const char *p = skip_blanks(scan->buffer + scan->at, end);
        if (p < end) {
            scan->at = (size_t)(p - scan->buffer);
            return *p;
        }
        scan->at = scan->used;
        if (!read_more(scan))
            return 0;
    }
}

static bool expect(struct jsonscan *scan, char wanted)
{
    if (peek(scan) != wanted)
        return fail(scan, "it is no export of saffron");
    scan->at++;
    return true;
}

static void keep_header(struct jsonscan_part value, char *text, size_t size)
{
    bool string = value.size >= 2 && value.at[0] == '"' && !memchr(value.at, '\\', value.size);
    snprintf(text, size, "%.*s", string ? (int)(value.size - 2) : 0, value.at + 1);
}

bool jsonscan_open(struct jsonscan *scan, FILE *file, const char *name, const char *header, char *text, size_t size)
{
    struct jsonscan_part key, value;
    *scan = (struct jsonscan){ .file = file, .buffer = malloc(CHUNK), .room = CHUNK };
    text[0] = 0;
    if (!scan->buffer)
        return fail(scan, "there is no memory left");
    if (!expect(scan, '{'))
        return false;
    for (;;) {
        if (peek(scan) != '"' || !next_value(scan, &key))
            return fail(scan, "it is no export of saffron");
        bool list = is_name(key, name), wanted = is_name(key, header);
        if (!expect(scan, ':'))
            return false;
        if (list)
            return expect(scan, '[');
        if (!next_value(scan, &value))
            return false;
        if (wanted)
            keep_header(value, text, size);
        if (!expect(scan, ','))
            return false;
    }
}

bool jsonscan_next(struct jsonscan *scan, struct jsonscan_part *element)
{
    char next = scan->error[0] ? ']' : peek(scan);
    if (next == ',') {
        scan->at++;
        next = peek(scan);
    }
    if (next == ']')
        return false;
    return next ? next_value(scan, element) : fail(scan, "it ends in the middle");
}

void jsonscan_close(struct jsonscan *scan)
{
    free(scan->buffer);
    scan->buffer = NULL;
}
