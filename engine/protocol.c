/* protocol.c: one decoder for every line between tutor and lab, both ways.
 * A line is measured before it is parsed, checked against its message's table, and cleaned of characters that could
 * drive a terminal. Pure: no I/O, no state. */
#include "engine/protocol.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "engine/view.h"

enum {
    VALUES_MAX = 200000,   /* values of a line: a document has thousands, a result tens of thousands */
    TEXT_MAX   = 1 << 20,  /* bytes of a lesson file */
};
#define REQUESTS 1e15 /* ids count up, each actor from a base of its own; exact as a double */

#define ID          { .name = "id", .type = FIELD_INTEGER, .flags = FIELD_REQUIRED, .min = 0, .max = REQUESTS }
#define TYPE        { .name = "type", .type = FIELD_STRING, .flags = FIELD_REQUIRED }
#define TEXT(n)     { .name = n, .type = FIELD_STRING }
#define NEED(n)     { .name = n, .type = FIELD_STRING, .flags = FIELD_REQUIRED }
#define LONG(n)     { .name = n, .type = FIELD_STRING, .max = TEXT_MAX }
#define NUM(n)      { .name = n, .type = FIELD_NUMBER }
#define INT(n)      { .name = n, .type = FIELD_INTEGER }
#define BOOL(n)     { .name = n, .type = FIELD_BOOL }
#define ANY(n)      { .name = n, .type = FIELD_ANY }
#define BLOCKS(n)   { .name = n, .type = FIELD_BLOCK, .flags = FIELD_LIST }
#define TEXTS(n)    { .name = n, .type = FIELD_STRING, .flags = FIELD_LIST }
#define END         { .name = NULL }
#define FIELDS(...) (const struct field[]){ TYPE, __VA_ARGS__, END }

static const struct object sandbox = { "sandbox", (const struct field[]){
    TEXT("landlock"), TEXT("seccomp"), TEXT("limits"), END }, NULL };

static const struct object finding = { "finding", (const struct field[]){
    NEED("path"), INT("line"), INT("column"), NEED("text"), END }, NULL };

static const struct object provenance = { "provenance", (const struct field[]){
    TEXT("device"), TEXT("isa"), TEXT("seed"), TEXT("tensor"), NUM("elapsed_ms"), TEXT("command"), TEXTS("kernels"),
    TEXT("cited"), BOOL("timed"), END }, NULL };

static const struct object guess = { "guess", (const struct field[]){
    ANY("value"), TEXT("text"), ANY("confidence"), ANY("hit"), END }, NULL };

#define FINDINGS { .name = "findings", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &finding }

static const struct object from_lab[] = {
    { "hello", FIELDS(INT("protocol"), INT("api"), TEXT("version"), INT("pid")), NULL },
    { "ready", FIELDS(TEXT("isa"), TEXT("cpu"), TEXT("device"), ANY("tensors"),
                      { .name = "sandbox", .type = FIELD_OBJECT, .object = &sandbox }), NULL },
    { "beat", (const struct field[]){ TYPE, END }, NULL },
    { "progress", FIELDS(ID, NUM("fraction"), TEXT("label"), ANY("report")), NULL },
    { "need-lesson", FIELDS(ID, NEED("sha256")), NULL },
    { "document", FIELDS(ID, ANY("document"), FINDINGS), NULL },
    { "given", FIELDS(ID, BLOCKS("blocks")), NULL },
    { "result", FIELDS(ID, ANY("answer"), BLOCKS("blocks"), ANY("values"),
                       { .name = "provenance", .type = FIELD_OBJECT, .object = &provenance }), NULL },
    { "source", FIELDS(ID, BLOCKS("blocks")), NULL },
    { "kv", FIELDS(ID, ANY("kv"), BLOCKS("blocks")), NULL },
    { "quantize", FIELDS(ID, ANY("quantize"), BLOCKS("blocks")), NULL },
    { "quality", FIELDS(ID, ANY("quality"), BLOCKS("blocks")), NULL },
    { "bench", FIELDS(ID, ANY("bench"), BLOCKS("blocks")), NULL },
    { "inspect", FIELDS(ID, ANY("inspect"), BLOCKS("blocks")), NULL },
    { "report", FIELDS(ID, FINDINGS), NULL },
    { "info", FIELDS(ID, { .name = "lines", .type = FIELD_STRING, .flags = FIELD_GRID, .most = 2 }), NULL },
    { "problem", FIELDS(ID, NEED("text"), TEXT("path"), INT("line")), NULL },
    { NULL, NULL, NULL },
};

static const struct object from_tutor[] = {
    { "open", FIELDS(TEXT("folder"), TEXTS("files"), TEXT("output"), TEXT("device"), TEXT("isa"), INT("threads")),
      NULL },
    { "lesson", FIELDS(NEED("sha256"), TEXT("name"), LONG("text")), NULL },
    { "document", FIELDS(ID, TEXT("path"), TEXT("name"), LONG("text")), NULL },
    { "given", FIELDS(ID, NEED("lesson"), NEED("step"), TEXT("seed")), NULL },
    { "compute", FIELDS(ID, NEED("lesson"), NEED("step"), TEXT("seed"), ANY("knobs"), ANY("guess"), ANY("own")), NULL },
    { "cancel", FIELDS(ID), NULL },
    { "source", FIELDS(ID, NEED("function")), NULL },
    { "kv", FIELDS(ID, NEED("path"), TEXT("kv_format"), NUM("context"), NUM("sequences")), NULL },
    { "quantize",
      FIELDS(ID, NEED("path"), TEXT("tensor"), TEXT("format"), TEXT("scale"), TEXT("zero_point"), TEXT("clip"),
             TEXT("mx"), TEXT("rounding"), TEXT("overflow"), TEXT("method"), NUM("alpha"), NUM("damp"),
             BOOL("act_order"), TEXT("calib"), TEXT("calib_tensor"), TEXT("emit"), TEXT("out"), TEXT("seed"),
             BOOL("look")),
      NULL },
    { "quality",
      FIELDS(ID, NEED("path"), NEED("text"), TEXT("calib"), NUM("context"), NUM("tokens"), ANY("runs"), NUM("outliers"),
             NUM("times"), TEXT("seed"), NUM("sample"), BOOL("measure")),
      NULL },
    { "inspect", FIELDS(ID, NEED("path"), TEXT("tensor")), NULL },
    { "bench", FIELDS(ID, TEXT("only"), TEXT("size"), TEXT("device"), INT("rounds")), NULL },
    { "check", FIELDS(ID, NEED("path")), NULL },
    { "info", FIELDS(ID), NULL },
    { "quit", (const struct field[]){ TYPE, END }, NULL },
    { NULL, NULL, NULL },
};

static json_t *refuse(json_t *message, char *error, size_t size, const char *why)
{
    json_decref(message);
    snprintf(error, size, "%s", why);
    return NULL;
}

/* --- before parsing ----------------------------------------------------------------------------------------------- */

/* Depth and number of values, from brackets and commas outside strings; a bracket that nothing opened is left to the
 * parser. Cheap enough to run over the largest line. */
static const char *measure(const char *line, size_t size)
{
    int depth = 0;
    size_t values = 0;
    bool text = false;
    for (size_t i = 0; i < size; i++) {
        char c = line[i];
        if (text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                text = false;
        } else if (c == '"')
            text = true;
        else if (c == '[' || c == '{') {
            values++;
            if (++depth > PROTOCOL_DEPTH_MAX)
                return "a message is nested too deeply";
        } else if (c == ']' || c == '}')
            depth--;
        else if (c == ',')
            values++;
    }
    return values > VALUES_MAX ? "a message holds too many values" : NULL;
}

/* --- cleaning ----------------------------------------------------------------------------------------------------- */

/* Whether a code point could move a cursor, start an escape sequence or reorder what is read. */
static bool is_harmful(uint32_t c)
{
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f
        || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* One code point of valid UTF-8, and its length. */
static uint32_t next_point(const unsigned char *p, size_t *length)
{
    if (p[0] < 0x80)
        return *length = 1, p[0];
    if (p[0] < 0xe0)
        return *length = 2, (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    if (p[0] < 0xf0)
        return *length = 3, (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    return *length = 4, (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

static bool text_is_clean(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t length;
    for (size_t i = 0; i < size; i += length)
        if (is_harmful(next_point(p + i, &length)))
            return false;
    return true;
}

/* A copy with U+FFFD for each harmful character; NULL when out of memory. */
static json_t *clean_text(const char *text, size_t size)
{
    char *copy = malloc(3 * size + 1), *to = copy;
    size_t length;
    if (!copy)
        return NULL;
    for (size_t i = 0; i < size; i += length) {
        if (is_harmful(next_point((const unsigned char *)text + i, &length))) {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        } else {
            memcpy(to, text + i, length);
            to += length;
        }
    }
    json_t *clean = json_stringn(copy, (size_t)(to - copy));
    free(copy);
    return clean;
}

static bool clean_tree(json_t *value);

/* Cleans a string in place; false when out of memory. */
static bool clean_string(json_t *value)
{
    if (text_is_clean(json_string_value(value), json_string_length(value)))
        return true;
    json_t *clean = clean_text(json_string_value(value), json_string_length(value));
    bool done = clean && json_string_setn(value, json_string_value(clean), json_string_length(clean)) == 0;
    json_decref(clean);
    return done;
}

/* Cleans every string below `value`. False when a key is harmful, for keys cannot be replaced without colliding. */
static bool clean_tree(json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(value))
        return clean_string(value);
    json_array_foreach(value, i, item)
        if (!clean_tree(item))
            return false;
    json_object_foreach(value, key, item)
        if (strpbrk(key, "\n\t") || !text_is_clean(key, strlen(key)) || !clean_tree(item))
            return false;
    return true;
}

/* A lesson's text is program source that must keep its checksum: it alone stays as it is. */
static bool clean_message(json_t *message, enum protocol_side side)
{
    json_t *text = NULL;
    const char *type = json_string_value(json_object_get(message, "type"));
    if (side == PROTOCOL_FROM_TUTOR && type && (strcmp(type, "lesson") == 0 || strcmp(type, "document") == 0)) {
        text = json_incref(json_object_get(message, "text"));
        json_object_del(message, "text");
    }
    bool done = clean_tree(message);
    if (text)
        done = json_object_set_new(message, "text", text) == 0 && done;
    return done;
}

/* --- the parts that a table cannot say ---------------------------------------------------------------------------- */

static bool is_number(const json_t *value)
{
    const char *text = json_string_value(value);
    return json_is_number(value)
        || (text && (strcmp(text, "nan") == 0 || strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0));
}

static bool is_short_text(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) <= 64;
}

static bool is_answer(const json_t *answer)
{
    size_t i;
    json_t *item;
    if (!answer || json_is_null(answer) || is_number(answer) || is_short_text(answer))
        return true;
    if (!json_is_array(answer) || json_array_size(answer) > 16)
        return false;
    json_array_foreach(answer, i, item)
        if (!is_short_text(item))
            return false;
    return true;
}

/* An object of at most 64 texts, numbers and booleans, as knobs and checksums are. */
static bool is_flat(const json_t *object)
{
    const char *key;
    json_t *item;
    if (!object || json_is_null(object))
        return true;
    if (!json_is_object(object) || json_object_size(object) > 64)
        return false;
    json_object_foreach((json_t *)(uintptr_t)object, key, item)
        if (!json_is_number(item) && !json_is_string(item) && !json_is_boolean(item))
            return false;
    return true;
}

static const char *check_details(const json_t *message, const char *type)
{
    const json_t *said = json_object_get(message, "guess");
    const json_t *document = json_object_get(message, "document");
    char why[64];
    if (!is_answer(json_object_get(message, "answer")))
        return "the answer is no number, option or list of options";
    if (!is_flat(json_object_get(message, "knobs")) || !is_flat(json_object_get(message, "tensors")))
        return "knobs and tensors map names to texts or numbers";
    if (said && !json_is_null(said) && !schema_check(said, &guess, why, sizeof why))
        return "the guess is malformed";
    if (document && !json_is_object(document) && !json_is_null(document))
        return "the document is no object";
    if (strcmp(type, "kv") == 0 && json_object_get(message, "kv") && !json_is_object(json_object_get(message, "kv")))
        return "the kv answer is no object";
    return NULL;
}

static const struct object *find_message(enum protocol_side side, const char *type)
{
    for (const struct object *o = side == PROTOCOL_FROM_LAB ? from_lab : from_tutor; o->name; o++)
        if (strcmp(o->name, type) == 0)
            return o;
    return NULL;
}

json_t *protocol_decode(enum protocol_side side, const char *line, size_t size, char *error, size_t error_size)
{
    json_error_t parse;
    char said[512];
    if (size >= PROTOCOL_LINE_MAX)
        return refuse(NULL, error, error_size, "a message is longer than 4 MiB");
    const char *why = measure(line, size);
    if (why)
        return refuse(NULL, error, error_size, why);
    json_t *message = json_loadb(line, size, JSON_REJECT_DUPLICATES, &parse);
    if (!message)
        return refuse(NULL, error, error_size, "a line is not JSON in UTF-8");
    const char *type = json_string_value(json_object_get(message, "type"));
    const struct object *object = type ? find_message(side, type) : NULL;
    if (!object)
        return refuse(message, error, error_size, "a message has no type that is known");
    if (!clean_message(message, side))
        return refuse(message, error, error_size, "a name in a message holds control characters");
    if (!schema_check(message, object, said, sizeof said)) { /* it quotes the line, cut anywhere */
        protocol_line(said, error, error_size);
        json_decref(message);
        return NULL;
    }
    why = check_details(message, object->name);
    return why ? refuse(message, error, error_size, why) : message;
}

char *protocol_encode(const json_t *message, size_t *size)
{
    char *line = json_dumps(message, JSON_COMPACT | JSON_SORT_KEYS);
    if (!line)
        return NULL;
    size_t length = strlen(line);
    char *longer = realloc(line, length + 2);
    if (!longer) {
        free(line);
        return NULL;
    }
    longer[length] = '\n';
    longer[length + 1] = '\0';
    *size = length + 1;
    return longer;
}

json_t *protocol_number(double x)
{
    if (isnan(x))
        return json_string("nan");
    if (isinf(x))
        return json_string(x > 0 ? "inf" : "-inf");
    return json_real(x);
}

void protocol_line(const char *text, char *out, size_t size)
{
    size_t used = 0;
    while (*text && size > 0) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &point);
        bool bad = n < 1 || (*text != '\n' && *text != '\t' && is_harmful((uint32_t)point));
        size_t length = n < 1 ? 1 : (size_t)n;
        if (used + (bad ? 1 : length) >= size)
            break;
        if (bad || *text == '\n' || *text == '\t')
            out[used++] = bad ? '?' : ' ';
        else {
            memcpy(out + used, text, length);
            used += length;
        }
        text += length;
    }
    if (size > 0)
        out[used] = '\0';
}
