/* test_document.c: lesson documents: what the schema cannot say is said in one line that names the step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/document.h"

/* A lesson of the steps given, written with single quotes. */
static json_t *lesson(const char *steps)
{
    char text[4096];
    snprintf(text, sizeof text, "{'id': 'l', 'title': 'L', 'win': 'w', 'sha256': 'ab', 'parts': [{'id': 'p', 'title':"
             " 'First', 'core': true}, {'id': 'q', 'title': 'Second'}], 'steps': [%s]}", steps);
    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json)
        fail_msg("%s at %d of %s", error.text, error.position, text);
    return json;
}

#define ASK "'ask': [{'view': 'prose', 'text': '?'}]"
#define PREDICT(more) "{'kind': 'predict', 'id': 'a', " ASK ", " more "}"
#define OPTIONS "'options': [{'id': 'x', 'text': 'X'}, {'id': 'y', 'text': 'Y'}]"
#define NUMBER "'number': {'within': '5 %'}"
#define KNOB(more) PREDICT(NUMBER ", 'knobs': [{'id': 'k', " more "}]")
#define FILL(columns, rows) "{'kind': 'fill', 'id': 'a', 'columns': [" columns "], 'rows': [" rows "]}"

static void test_steps(void **state)
{
    static const struct {
        const char *steps, *error; /* NULL: accepted */
    } cases[] = {
        { "{'kind': 'read', 'id': 'a'}", NULL },
        { PREDICT(NUMBER), NULL },
        { PREDICT("'choice': {" OPTIONS "}"), NULL },
        { PREDICT("'order': {" OPTIONS ", 'first': 'least'}"), NULL },
        { PREDICT("'place': {'from': 0, 'to': 1, 'within': 'tick'}"), NULL },
        { PREDICT(NUMBER ", 'given': true"), NULL },
        { PREDICT(NUMBER ", 'given': [{'view': 'prose', 'text': 'g'}]"), NULL },
        { FILL("{'title': 'c', 'choices': ['1', '2']}", "{'label': 'r', 'cells': ['2']}"), NULL },
        { "{'kind': 'recall', 'id': 'a', 'card': {'front': 'f', 'back': 'b'}}", NULL },
        { "{'kind': 'explain', 'id': 'a', 'model': 'm'}", NULL },
        { "{'kind': 'explore', 'id': 'a', 'live': true}", NULL },
        { KNOB("'value': 1, 'from': 0, 'to': 2"), NULL },
        { KNOB("'value': 1"), NULL },
        { KNOB("'value': 10, 'from': 1, 'to': 100, 'scale': 'log'"), NULL },
        { KNOB("'value': true"), NULL },
        { KNOB("'value': 'b', 'choices': ['a', 'b']"), NULL },

        { "", "the lesson has no steps" },
        { "{'kind': 'read', 'id': 'a'}, {'kind': 'read', 'id': 'a'}", "step 'a': the id is used twice" },
        { "{'kind': 'read', 'id': 'a', 'part': 2}", "step 'a': the part does not exist" },
        { "{'kind': 'walk', 'id': 'a'}", "steps[1]: kind: 'walk' is not one of" },
        { "{'kind': 'read'}", "steps[1]: step has no 'id'" },
        { "{'kind': 'read', 'id': 'a', 'rev': 0}", "steps[1]: rev: 0 is not within" },
        { PREDICT("'title': 't'"), "step 'a': needs exactly one of number, choice, order, place" },
        { PREDICT(NUMBER ", 'choice': {" OPTIONS "}"), "step 'a': needs exactly one of" },
        { "{'kind': 'read', 'id': 'a', " NUMBER "}", "step 'a': only a predict step has number" },
        { "{'kind': 'predict', 'id': 'a', " NUMBER "}", "step 'a': a predict step needs 'ask'" },
        { PREDICT("'choice': {'options': [{'id': 'x', 'text': 'X'}]}"), "step 'a': needs two or more options" },
        { PREDICT("'choice': {'options': [{'id': 'x', 'text': 'X'}, {'id': 'x', 'text': 'Y'}]}"),
          "step 'a': needs two or more options with different ids" },
        { PREDICT("'number': {'within': 'near'}"), "step 'a': 'within' must be" },
        { PREDICT("'number': {'within': '5 %', 'from': 2, 'to': 1}"), "step 'a': 'from' must be less than 'to'" },
        { PREDICT("'number': {'within': '5 %', 'from': 0, 'to': 1, 'scale': 'log'}"), "step 'a': a log axis needs" },
        { PREDICT("'number': {'within': '5 %', 'from': '-inf'}"), "step 'a': needs 'from' and 'to' that are numbers" },
        { PREDICT("'place': {'from': 1, 'to': 1, 'within': 'tick'}"), "step 'a': 'from' must be less than 'to'" },
        { PREDICT("'place': {'from': 0, 'to': 'inf', 'within': 'tick'}"), "step 'a': needs 'from' and 'to'" },
        { PREDICT("'place': {'from': 0, 'to': 8, 'scale': 'log', 'within': 'tick'}"), "step 'a': a log axis needs" },
        { PREDICT("'place': {'from': 0, 'to': 8, 'tick': 0, 'within': 'tick'}"), "step 'a': 'tick' must be greater" },
        { PREDICT(NUMBER ", 'given': 'facts'"), "step 'a': 'given' must be a list of views" },
        { PREDICT(NUMBER ", 'given': [{'view': 'nothing'}]"), "step 'a': 'given' must be a list of views" },
        { FILL("", ""), "step 'a': a fill step needs 'columns' and rows" },
        { FILL("{'title': 'c', 'choices': ['1', '2']}", "{'label': 'r', 'cells': ['3']}"),
          "step 'a': a right cell is not among its column's choices" },
        { FILL("{'title': 'c', 'choices': ['1', '2']}", "{'label': 'r', 'cells': ['1', '2']}"),
          "step 'a': each row needs one cell a column" },
        { "{'kind': 'recall', 'id': 'a'}", "step 'a': a recall step needs" },
        { "{'kind': 'explain', 'id': 'a'}", "step 'a': an explain step needs 'model'" },
        { KNOB("'value': 'c', 'choices': ['a', 'b']"), "step 'a': a knob's value is not among its choices" },
        { KNOB("'value': 'a'"), "step 'a': a knob's text is one of its 'choices'" },
        { KNOB("'value': '0102'"), "step 'a': a knob's text is one of its 'choices'" },
        { KNOB("'value': '0110'"), NULL },
        { KNOB("'value': 3, 'from': 0, 'to': 2"), "step 'a': a knob's value is not between" },
        { KNOB("'value': 1, 'from': 2, 'to': 0"), "step 'a': 'from' must be less than 'to'" },
        { KNOB("'value': 1, 'from': 0, 'to': 2, 'scale': 'log'"), "step 'a': a log axis needs" },
    };
    char error[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = lesson(cases[i].steps);
        struct document *d = document_new(json, error, sizeof error);
        if ((d != NULL) != (cases[i].error == NULL))
            fail_msg("%s: %s", cases[i].steps, d ? "was accepted" : error);
        if (!d && strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("%s is refused with '%s', not '%s'", cases[i].steps, error, cases[i].error);
        document_free(d);
        json_decref(json);
    }
}

static void test_questions(void **state)
{
    char error[512], place[64];
    json_t *json = lesson("{'kind': 'read', 'id': 'intro', 'part': 0}, {'kind': 'predict', 'id': 'guess', 'rev': 3,"
                          " 'part': 1, 'live': true, 'given': true, " ASK ", " NUMBER "}");
    struct document *d = document_new(json, error, sizeof error);
    (void)state;
    json_decref(json); /* the document keeps its own reference */
    assert_non_null(d);
    assert_string_equal(document_id(d), "l");
    assert_string_equal(document_title(d), "L");
    assert_string_equal(document_sha256(d), "ab");
    assert_int_equal(document_step_count(d), 2);
    assert_int_equal(document_find(d, "guess"), 1);
    assert_int_equal(document_find(d, "gues"), -1);
    assert_null(document_step(d, -1));
    assert_null(document_step(d, 2));
    const struct step *step = document_step(d, 1);
    assert_int_equal(step->kind, STEP_PREDICT);
    assert_int_equal(step->answer, ANSWER_NUMBER);
    assert_int_equal(step->rev, 3);
    assert_int_equal(step->part, 1);
    assert_true(step->live && step->given_live && step->rule);
    assert_int_equal(document_step(d, 0)->rev, 1);
    assert_int_equal(document_step(d, 0)->answer, ANSWER_NONE);
    assert_int_equal(document_part_count(d), 2);
    assert_string_equal(document_part_title(d, 1), "Second");
    assert_string_equal(document_part_title(d, -1), "");
    assert_string_equal(document_part_title(d, 9), "");
    document_place(d, 0, place, sizeof place);
    assert_string_equal(place, "step 1 of 1");
    document_place(d, 1, place, sizeof place);
    assert_string_equal(place, "part two, 1 of 1");
    document_free(d);
    document_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_steps), cmocka_unit_test(test_questions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
