/* test_schema.c: what the schema walk accepts, and the one line with which it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/schema.h"

static const struct object point = { "point", (const struct field[]){
    { .name = "x", .type = FIELD_NUMBER, .flags = FIELD_REQUIRED, .min = -1, .max = 1 },
    { .name = "label", .type = FIELD_STRING, .max = 8 },
    { .name = NULL } }, "" };

static const struct object thing = { "thing", (const struct field[]){
    { .name = "id", .type = FIELD_ID, .flags = FIELD_REQUIRED },
    { .name = "text", .type = FIELD_STRING },
    { .name = "size", .type = FIELD_NUMBER },
    { .name = "count", .type = FIELD_INTEGER, .min = 1, .max = 10 },
    { .name = "open", .type = FIELD_BOOL },
    { .name = "scale", .type = FIELD_ENUM, .names = "linear|log" },
    { .name = "at", .type = FIELD_OBJECT, .object = &point },
    { .name = "points", .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &point, .most = 3 },
    { .name = "words", .type = FIELD_STRING, .flags = FIELD_LIST, .most = 2 },
    { .name = "grid", .type = FIELD_VALUE, .flags = FIELD_GRID, .most = 2 },
    { .name = "block", .type = FIELD_BLOCK },
    { .name = "any", .type = FIELD_ANY },
    { .name = NULL } }, "" };

static void test_walk(void **state)
{
    static const struct {
        const char *json, *error; /* NULL: accepted */
    } cases[] = {
        { "{'id': 'a'}", NULL },
        { "{'id': 'a-b_c.d:e/9', 'text': 'é', 'size': 1.5, 'count': 10, 'open': true, 'scale': 'log'}", NULL },
        { "{'id': 'a', 'at': {'x': 0.5, 'label': '12345678'}, 'points': [{'x': 1}, {'x': -1}]}", NULL },
        { "{'id': 'a', 'words': ['b', ''], 'grid': [[1, 'two'], [true, 4.5]], 'any': {'deep': [[[]]]}}", NULL },
        { "{'id': 'a', 'size': 'nan'}", NULL },
        { "{'id': 'a', 'size': 'inf'}", NULL },
        { "{'id': 'a', 'size': '-inf'}", NULL },
        { "{'id': 'a', 'block': {'view': 'prose', 'text': 't'}}", NULL },
        { "[]", "expected thing, got a list" },
        { "'a'", "expected thing, got a string" },
        { "{}", "thing has no 'id'" },
        { "{'id': 'a', 'txt': 'x'}", "unknown field 'txt' in thing; did you mean 'text'?" },
        { "{'id': 'a', 'tetx': 'x'}", "unknown field 'tetx' in thing; did you mean 'text'?" },
        { "{'id': 'a', 'banana': 1}", "unknown field 'banana' in thing" },
        { "{'idd': 'a'}", "unknown field 'idd' in thing; did you mean 'id'?" },
        { "{'id': 5}", "id: expected a string, got a number" },
        { "{'id': ''}", "id: an id has 1 to 64 of a-z, 0-9, '-', '_', '.'" },
        { "{'id': 'A'}", "id: an id has" },
        { "{'id': 'a b'}", "id: an id has" },
        { "{'id': 'a', 'text': null}", "text: expected a string, got null" },
        { "{'id': 'a', 'text': 'x\\u0000y'}", "text: the text holds a zero byte" },
        { "{'id': 'a', 'size': 'big'}", "size: expected a number, got a string" },
        { "{'id': 'a', 'size': true}", "size: expected a number, got a boolean" },
        { "{'id': 'a', 'count': 1.0}", "count: expected a whole number, got a number" },
        { "{'id': 'a', 'count': 'nan'}", "count: expected a whole number" },
        { "{'id': 'a', 'count': 0}", "count: 0 is not within 1 to 10" },
        { "{'id': 'a', 'count': 11}", "count: 11 is not within 1 to 10" },
        { "{'id': 'a', 'open': 1}", "open: expected true or false, got a number" },
        { "{'id': 'a', 'scale': 'Log'}", "scale: 'Log' is not one of linear|log" },
        { "{'id': 'a', 'scale': ''}", "scale: '' is not one of" },
        { "{'id': 'a', 'scale': 'linear|log'}", "scale: 'linear|log' is not one of" },
        { "{'id': 'a', 'at': []}", "at: expected point, got a list" },
        { "{'id': 'a', 'at': {}}", "at: point has no 'x'" },
        { "{'id': 'a', 'at': {'x': 2}}", "at: x: 2 is not within -1 to 1" },
        { "{'id': 'a', 'at': {'x': 1, 'label': '123456789'}}", "at: label: the text is too long" },
        { "{'id': 'a', 'points': {'x': 1}}", "points: expected a list, got an object" },
        { "{'id': 'a', 'points': [{'x': 1}, {'y': 1}]}", "points[2]: unknown field 'y' in point; did you mean 'x'?" },
        { "{'id': 'a', 'points': [{'x': 1}, {'x': 1}, {'x': 1}, {'x': 1}]}", "points: the list is too long" },
        { "{'id': 'a', 'words': ['a', 2]}", "words[2]: expected a string, got a number" },
        { "{'id': 'a', 'grid': [[1], 2]}", "grid[2]: expected a list, got a number" },
        { "{'id': 'a', 'grid': [[1, 2, 3]]}", "grid[1]: the list is too long" },
        { "{'id': 'a', 'grid': [[1], [null]]}", "grid[2][1]: expected a string, a number or a boolean, got null" },
        { "{'id': 'a', 'block': {'view': 'prose'}}", "block: " },
        { "{'id': 'a', 'block': {'view': 'prise', 'text': ''}}", "block: " },
    };
    char error[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s", cases[i].json);
        for (char *p = text; *p; p++)
            *p = *p == '\'' ? '"' : *p;
        json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        bool good = schema_check(json, &thing, error, sizeof error);
        if (good != (cases[i].error == NULL))
            fail_msg("%s: %s", cases[i].json, good ? "was accepted" : error);
        if (!good && strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("%s is refused with '%s', not '%s'", cases[i].json, error, cases[i].error);
        json_decref(json);
    }
}

/* However long a hostile name or value: one line that fits and is UTF-8. */
static void test_long_subjects(void **state)
{
    char name[3000] = "x", error[512];
    (void)state;
    for (size_t n = 1; n + 2 < sizeof name; n += 2) {
        memcpy(name + n, "é", 3);
        json_t *unknown = json_pack("{s:s, s:b}", "id", "a", name, true);
        json_t *wrong = json_pack("{s:s, s:s}", "id", "a", "scale", name);
        for (size_t size = 1; size <= sizeof error; size += size < 80 ? 1 : 111) {
            const json_t *both[] = { unknown, wrong };
            for (int i = 0; i < 2; i++) {
                assert_false(schema_check(both[i], &thing, error, size));
                json_t *shown = json_string(error);
                if (!shown)
                    fail_msg("'%s' is not UTF-8", error);
                json_decref(shown);
            }
        }
        json_decref(unknown);
        json_decref(wrong);
    }
}

static void test_nearest(void **state)
{
    static const char *const names[] = { "id", "text", "title", "hints", "number", "knobs", "scale" };
    static const struct {
        const char *typed, *found;
    } cases[] = {
        { "text", "text" },   { "tex", "text" },     { "txet", "text" },   { "tittle", "title" }, { "hint", "hints" },
        { "nubmer", "number" }, { "knob", "knobs" }, { "sclae", "scale" }, { "i", "id" },         { "di", "id" },
        { "knobs_of", NULL }, { "numb", "number" },
        { "numberi", "number" }, { "hin", NULL },
        { "banana", NULL },   { "", NULL },          { "ab", NULL },       { "tzzzt", NULL },     { "numbering", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = schema_nearest(cases[i].typed, names, sizeof names / sizeof names[0]);
        if (found != cases[i].found && (!found || !cases[i].found || strcmp(found, cases[i].found) != 0))
            fail_msg("nearest to '%s' is '%s'", cases[i].typed, found ? found : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_long_subjects),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
