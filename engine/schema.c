/* schema.c: the walk that checks JSON against the tables of schema.h.
 * One recursion for lessons, documents, views and messages; an error names the path to the bad value. */
#include "engine/schema.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/text.h"

enum {
    LONGEST_TEXT = 65536,
    LONGEST_LIST = 256,
    LONGEST_NAME = 64,
    WORD_LEAST   = 4, /* letters of a name's beginning that stand for the name */
};

/* Edit distance: insertions, deletions, substitutions and swaps of neighbors; LONGEST_NAME when either is longer. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t row[3][LONGEST_NAME + 1];
    if (n >= LONGEST_NAME || m >= LONGEST_NAME)
        return LONGEST_NAME;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *schema_nearest(const char *name, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t limit = strlen(name) < 4 ? 1 : 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = edit_distance(name, names[i]);
        if (d <= limit) {
            best = names[i];
            limit = d ? d - 1 : 0;
            if (d == 0)
                break;
        }
    }
    for (size_t i = 0; !best && strlen(name) >= WORD_LEAST && i < count; i++)
        if (strncmp(name, names[i], strlen(name)) == 0)
            best = names[i];
    return best;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:  return "an object";
    case JSON_ARRAY:   return "a list";
    case JSON_STRING:  return "a string";
    case JSON_INTEGER:
    case JSON_REAL:    return "a number";
    case JSON_TRUE:
    case JSON_FALSE:   return "a boolean";
    default:           return "null";
    }
}

static bool fail(char *error, size_t size, const char *path, const char *what)
{
    text_print(error, size, "%s%s%s", path, *path ? ": " : "", what);
    return false;
}

static bool wrong_type(char *error, size_t size, const char *path, const char *expected, const json_t *value)
{
    char what[96];
    snprintf(what, sizeof what, "expected %s, got %s", expected, type_name(value));
    return fail(error, size, path, what);
}

static bool is_id(const char *text)
{
    size_t n = strlen(text);
    return n >= 1 && n <= 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.:/") == n;
}

/* Whether `text` is one of the '|' separated `names`. */
static bool in_names(const char *names, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = names; n > 0; p++) {
        size_t m = strcspn(p, "|");
        if (m == n && memcmp(p, text, n) == 0)
            return true;
        p += m;
        if (*p == '\0')
            break;
    }
    return false;
}

static bool check_number(const json_t *value, const struct field *f, const char *path, char *error, size_t size)
{
    const char *text = json_string_value(value);
    if (text && f->type == FIELD_NUMBER
        && (strcmp(text, "nan") == 0 || strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0))
        return true;
    if (f->type == FIELD_INTEGER ? !json_is_integer(value) : !json_is_number(value))
        return wrong_type(error, size, path, f->type == FIELD_INTEGER ? "a whole number" : "a number", value);
    double number = json_number_value(value);
    if (f->min < f->max && !(number >= f->min && number <= f->max)) {
        char what[96];
        snprintf(what, sizeof what, "%g is not within %g to %g", number, f->min, f->max);
        return fail(error, size, path, what);
    }
    return true;
}

static bool check_text(const json_t *value, const struct field *f, const char *path, char *error, size_t size)
{
    const char *text = json_string_value(value);
    if (!text)
        return wrong_type(error, size, path, "a string", value);
    size_t most = f->max > 0 ? (size_t)f->max : LONGEST_TEXT;
    if (json_string_length(value) > most)
        return fail(error, size, path, "the text is too long");
    if (strlen(text) != json_string_length(value))
        return fail(error, size, path, "the text holds a zero byte");
    if (f->type == FIELD_ID && !is_id(text))
        return fail(error, size, path, "an id has 1 to 64 of a-z, 0-9, '-', '_', '.'");
    if (f->type == FIELD_ENUM && !in_names(f->names, text)) {
        char what[256];
        snprintf(what, sizeof what, "'%.*s' is not one of %s", (int)text_cut(text, 40), text, f->names);
        return fail(error, size, path, what);
    }
    return true;
}

/* Defined in view.c: a block is checked by its own row. */
bool view_check(const json_t *block, char *error, size_t size);

static bool check_one(const json_t *value, const struct field *f, const char *path, char *error, size_t size)
{
    char why[512];
    switch (f->type) {
    case FIELD_STRING:
    case FIELD_ID:
    case FIELD_ENUM:
        return check_text(value, f, path, error, size);
    case FIELD_NUMBER:
    case FIELD_INTEGER:
        return check_number(value, f, path, error, size);
    case FIELD_BOOL:
        return json_is_boolean(value) || wrong_type(error, size, path, "true or false", value);
    case FIELD_VALUE:
        return json_is_string(value) || json_is_number(value) || json_is_boolean(value)
            || wrong_type(error, size, path, "a string, a number or a boolean", value);
    case FIELD_OBJECT:
        return schema_check(value, f->object, why, sizeof why) || fail(error, size, path, why);
    case FIELD_BLOCK:
        return view_check(value, why, sizeof why) || fail(error, size, path, why);
    case FIELD_ANY:
        return true;
    }
    return false;
}

static bool check_list(const json_t *value, const struct field *f, int depth, const char *path, char *error,
                       size_t size)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value))
        return wrong_type(error, size, path, "a list", value);
    size_t most = f->most && !(f->flags & FIELD_GRID && depth > 1) ? f->most : LONGEST_LIST;
    if (json_array_size(value) > most)
        return fail(error, size, path, "the list is too long");
    json_array_foreach(value, i, item) {
        char where[192];
        snprintf(where, sizeof where, "%.160s[%zu]", path, i + 1);
        if (depth > 1 ? !check_list(item, f, depth - 1, where, error, size)
                      : !check_one(item, f, where, error, size))
            return false;
    }
    return true;
}

static const struct field *find_field(const struct object *object, const char *name)
{
    for (const struct field *f = object->fields; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static bool unknown_field(const struct object *object, const char *name, char *error, size_t size)
{
    const char *names[64];
    size_t count = 0;
    for (const struct field *f = object->fields; f->name && count < 64; f++)
        names[count++] = f->name;
    const char *nearest = schema_nearest(name, names, count);
    int most = (int)text_cut(name, 40);
    if (nearest)
        text_print(error, size, "unknown field '%.*s' in %s; did you mean '%s'?", most, name, object->name, nearest);
    else
        text_print(error, size, "unknown field '%.*s' in %s", most, name, object->name);
    return false;
}

bool schema_check(const json_t *value, const struct object *object, char *error, size_t size)
{
    const char *name;
    json_t *item;
    if (!json_is_object(value)) {
        text_print(error, size, "expected %s, got %s", object->name, type_name(value));
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
        if (!find_field(object, name)) /* first, for a misspelled field is missing under its right name */
            return unknown_field(object, name, error, size);
    for (const struct field *f = object->fields; f->name; f++)
        if (f->flags & FIELD_REQUIRED && !json_object_get(value, f->name)) {
            text_print(error, size, "%s has no '%s'", object->name, f->name);
            return false;
        }
    json_object_foreach((json_t *)(uintptr_t)value, name, item) {
        const struct field *f = find_field(object, name);
        int depth = f->flags & FIELD_GRID ? 2 : f->flags & FIELD_LIST ? 1 : 0;
        if (depth ? !check_list(item, f, depth, name, error, size) : !check_one(item, f, name, error, size))
            return false;
    }
    return true;
}
