/* test_recall_kinds.c: short answers judged, and a recall session of every kind: covered, typed, computed live,
 * explained; undo, skipping, what the lab may do meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/shortanswer.h"
#include "engine/view.h"
#include "tutor/recall.h"

/* ---- short answers ---- */

static void short_answers_are_judged(void **unused)
{
    static const struct {
        const char *card, *text;
        bool        right;
    } cases[] = {
        { "{'answer': 18, 'unit': 'bytes'}", "18", true },
        { "{'answer': 18, 'unit': 'bytes'}", "18 bytes", true },
        { "{'answer': 18, 'unit': 'bytes'}", "144 bits", false },
        { "{'answer': 18, 'unit': 'bytes'}", "16", false },
        { "{'answer': 64, 'unit': 'KiB'}", "65536 bytes", true },
        { "{'answer': 64, 'unit': 'KiB'}", "0.0625 MiB", true },
        { "{'answer': 64, 'unit': 'KiB'}", "64 MiB", false },
        { "{'answer': 4.125, 'unit': 'bits'}", "4.1", true }, /* within 2 % */
        { "{'answer': 4.125, 'unit': 'bits', 'within': 'exact'}", "4.1", false },
        { "{'answer': 3.4, 'unit': 'x', 'within': '10 %'}", "3.7", true },
        { "{'answer': 448}", "2^9", false },
        { "{'answer': 448}", "448", true },
        { "{'answer': 'E4M3'}", "e4m3", true },
        { "{'answer': 'E4M3'}", "the E4M3", true },
        { "{'answer': 'E4M3'}", "E5M2", false },
        { "{'answer': 'FP8 E4M3'}", "fp8-e4m3", true },
        { "{'answer': 'FP8 E4M3'}", "FP8 E5M3", false }, /* digits are no slips */
        { "{'answer': ['per-channel scale', 'per channel']}", "Per Channel Scale.", true },
        { "{'answer': ['per-channel scale', 'per channel']}", "per chanel", true },
        { "{'answer': ['per-channel scale', 'per channel']}", "per chnanel", true },
        { "{'answer': ['per-channel scale', 'per channel']}", "per tensor", false },
        { "{'answer': 'bandwidth'}", "bandwith", true },
        { "{'answer': 'bandwidth'}", "memory", false },
        { "{'answer': 'na\\u00efve'}", "naive", true },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s", cases[i].card);
        for (char *p = text; *p; p++)
            *p = *p == '\'' ? '"' : *p;
        json_t *card = json_loads(text, 0, NULL);
        assert_true(shortanswer_wanted(card));
        if (shortanswer_right(card, cases[i].text) != cases[i].right)
            fail_msg("%s: '%s' is %s", cases[i].card, cases[i].text, cases[i].right ? "right" : "wrong");
        json_decref(card);
    }
}

static void what_is_no_answer_says_so(void **unused)
{
    char    words[256];
    json_t *number = json_pack("{s:i, s:s}", "answer", 18, "unit", "bytes"), *word = json_pack("{s:s}", "answer", "KV");
    (void)unused;
    assert_false(shortanswer_read(number, "many", words, sizeof words));
    assert_true(*words);
    assert_true(shortanswer_read(number, "18 B", words, sizeof words));
    assert_false(shortanswer_read(word, " .!", words, sizeof words));
    assert_true(shortanswer_read(word, "kv", words, sizeof words));
    shortanswer_hint(number, words, sizeof words);
    assert_string_equal(words, "in bytes, right within 2 %");
    shortanswer_verdict(number, "16", words, sizeof words);
    assert_string_equal(words, "Not quite: you said 16 bytes, it is 18 bytes.");
    shortanswer_verdict(number, "18", words, sizeof words);
    assert_string_equal(words, "Right: 18 bytes.");
    json_decref(number);
    json_decref(word);
}

/* ---- a session ---- */

struct desk {
    struct recall *recall;
    json_t        *record, *request;
    long           record_id;
    unsigned       effects;
    int64_t        now;
};

static void feed(struct desk *d, struct event e)
{
    struct outbox out = { 0 };
    char          why[512] = "";
    e.now = d->now += 1000;
    d->effects = recall_feed(d->recall, &e, &out);
    if (out.record) {
        json_decref(d->record);
        d->record = out.record;
        d->record_id = out.record_id;
    }
    if (out.request) {
        json_decref(d->request);
        d->request = out.request;
    }
    json_t *view = recall_view(d->recall);
    if (!view_check_list(json_object_get(view, "body"), why, sizeof why) ||
        !view_check_list(json_object_get(view, "dock"), why, sizeof why))
        fail_msg("%s", why);
    json_decref(view);
}

static void key(struct desk *d, uint32_t k) { feed(d, (struct event){ .kind = EVENT_KEY, .key = k }); }

static void type(struct desk *d, const char *text)
{
    for (; *text; text++)
        key(d, (uint32_t)(unsigned char)*text);
}

static void stored(struct desk *d)
{
    feed(d, (struct event){ .kind = EVENT_STORED, .id = d->record_id, .text = "uuid" });
}

static bool shows(struct desk *d, const char *words)
{
    json_t *view = recall_view(d->recall);
    char   *text = json_dumps(view, 0);
    bool    found = strstr(text, words) != NULL;
    free(text);
    json_decref(view);
    return found;
}

static const json_t *payload(const struct desk *d) { return json_object_get(d->record, "payload"); }

static void open_desk(struct desk *d, const char *cards, const struct catalog *catalog)
{
    json_t *reply = json_pack("{s:o, s:i, s:i, s:i}", "cards", json_loads(cards, 0, NULL), "today", 20, "due", 1,
                              "total", 1);
    *d = (struct desk){ .recall = recall_new(reply, catalog, "seed", 100, 0) };
    json_decref(reply);
}

static void close_desk(struct desk *d)
{
    recall_free(d->recall);
    json_decref(d->record);
    json_decref(d->request);
}

#define TYPED \
    "[{\"lesson\":\"l\",\"step\":\"s\",\"rev\":1,\"front\":\"How many bytes?\",\"back\":\"18 of them\"," \
    "\"reviews\":0,\"card\":{\"answer\":18,\"unit\":\"bytes\"}},{\"lesson\":\"l\",\"step\":\"e\",\"rev\":1,\"front\":" \
    "\"Why?\",\"back\":\"our words\",\"reviews\":0,\"card\":{\"kind\":\"explain\"}}]"

static void typed_answers_and_explanations(void **unused)
{
    struct desk d;
    (void)unused;
    open_desk(&d, TYPED, NULL);
    assert_false(recall_typing(d.recall)); /* no number begins with a letter */
    assert_int_equal(recall_wants(d.recall), WANTS_LINE);
    type(&d, "1many"); /* q, m and u would be commands elsewhere */
    key(&d, KEY_CODE_ENTER);
    assert_true(d.effects & FX_BELL);
    assert_false(shows(&d, "18 of them"));
    key(&d, KEY_CODE_ESCAPE);
    type(&d, "16");
    key(&d, KEY_CODE_ENTER);
    assert_true(shows(&d, "Not quite: you said 16 bytes, it is 18 bytes."));
    assert_true(shows(&d, "18 of them"));
    key(&d, KEY_CODE_ENTER); /* as judged */
    assert_string_equal(view_text(payload(&d), "grade", ""), "again");
    assert_string_equal(view_text(payload(&d), "kind", ""), "typed");
    assert_string_equal(view_text(payload(&d), "text", ""), "16");
    assert_true(json_is_false(json_object_get(payload(&d), "right")));
    stored(&d);
    key(&d, KEY_CODE_ESCAPE);
    assert_false(recall_typing(d.recall));
    key(&d, KEY_CODE_ESCAPE);
    type(&d, "because we quiz");
    key(&d, KEY_CODE_ENTER);
    assert_true(shows(&d, "because we quiz"));
    assert_true(shows(&d, "our words"));
    key(&d, KEY_CODE_ENTER); /* nobody but the learner can grade it */
    assert_true(d.effects & FX_BELL);
    key(&d, '2');
    assert_string_equal(view_text(payload(&d), "kind", ""), "explain");
    assert_string_equal(view_text(payload(&d), "text", ""), "because we quiz");
    stored(&d);
    assert_true(recall_finished(d.recall));
    key(&d, 'u');
    stored(&d);
    assert_true(shows(&d, "card 2 of 2"));
    close_desk(&d);
}

/* A script that knows only grades gets along with every kind. */
static void a_bare_grade_grades(void **unused)
{
    struct desk d;
    (void)unused;
    open_desk(&d, TYPED, NULL);
    for (int i = 0; i < 2; i++) {
        feed(&d, (struct event){ .kind = EVENT_TEXT, .text = "good" });
        feed(&d, (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_NEXT });
        assert_false(d.effects & FX_BELL);
        assert_string_equal(view_text(payload(&d), "grade", ""), "good");
        assert_null(json_object_get(payload(&d), "text"));
        stored(&d);
    }
    assert_true(recall_finished(d.recall));
    close_desk(&d);
}

/* ---- live ---- */

static const char *const live_cards =
    "[{\"lesson\":\"coarse-cup\",\"step\":\"zeros\",\"rev\":1,\"front\":\"Who is damaged?\",\"back\":\"the small\","
    "\"again\":\"\",\"reviews\":2,\"card\":{}}]";

static json_t *result(const struct desk *d, double answer)
{
    return json_pack("{s:s, s:O, s:f, s:[], s:{s:s}}", "type", "result", "id", json_object_get(d->request, "id"),
                     "answer", answer, "blocks", "provenance", "seed", "abc");
}

static struct catalog *shipped(void)
{
    char            problem[512], data[600];
    const char     *build = getenv("SAFFRON_BUILD");
    snprintf(data, sizeof data, "%s/data", build ? build : "build");
    setenv("SAFFRON_DATA", data, 1);
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    assert_true(catalog && catalog_find(catalog, "coarse-cup") >= 0);
    return catalog;
}

static void live_cards_are_computed(void **unused)
{
    struct desk     d;
    struct catalog *catalog = shipped();
    (void)unused;
    open_desk(&d, live_cards, catalog);
    assert_true(shows(&d, "What share becomes exactly 0?"));
    assert_false(shows(&d, "Who is damaged?"));
    type(&d, "50 %");
    key(&d, KEY_CODE_ENTER);
    assert_true(d.effects & FX_LAB);
    assert_true(recall_busy(d.recall));
    assert_string_equal(view_text(d.request, "step", ""), "zeros");
    assert_int_equal(strlen(view_text(d.request, "seed", "")), 16);
    assert_string_not_equal(view_text(d.request, "seed", ""), "8bf8e85b165df00a"); /* not the lesson's */
    assert_int_equal(json_integer_value(json_object_get(json_object_get(d.request, "knobs"), "times")), 60);
    json_t *message = result(&d, 57.2);
    feed(&d, (struct event){ .kind = EVENT_LAB, .message = message });
    json_decref(message);
    assert_false(recall_busy(d.recall));
    assert_true(shows(&d, "Computed now: 57.2 %"));
    assert_true(shows(&d, "the small"));
    key(&d, KEY_CODE_ENTER);
    assert_string_equal(view_text(payload(&d), "grade", ""), "good");
    assert_string_equal(view_text(payload(&d), "kind", ""), "live");
    assert_true(json_is_true(json_object_get(payload(&d), "right")));
    close_desk(&d);
    catalog_free(catalog);
}

static void live_cards_survive_their_lab(void **unused)
{
    struct catalog *catalog = shipped();
    (void)unused;
    for (int way = 0; way < 4; way++) {
        struct desk d;
        open_desk(&d, live_cards, catalog);
        type(&d, "5");
        key(&d, KEY_CODE_ENTER);
        json_t *late = result(&d, 5);
        json_t *id = json_object_get(d.request, "id");
        json_t *problem = json_pack("{s:s, s:O, s:s}", "type", "problem", "id", id, "text", "no such tensor");
        json_t *odd = json_pack("{s:s, s:O, s:s}", "type", "result", "id", id, "answer", "e4m3");
        if (way == 0)
            feed(&d, (struct event){ .kind = EVENT_LAB_LOST, .text = "gone" });
        if (way == 1)
            feed(&d, (struct event){ .kind = EVENT_LAB, .message = problem });
        if (way == 2)
            key(&d, KEY_CODE_ESCAPE);
        if (way == 3)
            feed(&d, (struct event){ .kind = EVENT_LAB, .message = odd });
        assert_int_equal(recall_wants(d.recall), WANTS_GRADE); /* look and grade yourself */
        feed(&d, (struct event){ .kind = EVENT_LAB, .message = late });
        assert_false(shows(&d, "Computed now"));
        key(&d, '1');
        assert_string_equal(view_text(payload(&d), "grade", ""), "again");
        assert_null(json_object_get(payload(&d), "right"));
        json_decref(late);
        json_decref(problem);
        json_decref(odd);
        close_desk(&d);
    }
    catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_answers_are_judged),
        cmocka_unit_test(what_is_no_answer_says_so),
        cmocka_unit_test(typed_answers_and_explanations),
        cmocka_unit_test(a_bare_grade_grades),
        cmocka_unit_test(live_cards_are_computed),
        cmocka_unit_test(live_cards_survive_their_lab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
