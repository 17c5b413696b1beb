/* test_session_model.c: random learners, stores and labs against the rules of a lesson.
 * The model is small: what must hold after any event (tests/rig.h), what may leave in an outbox, and that a request
 * for an outcome never leaves before its guess is stored. */
#include "tests/rig.h"

/* splitmix64 (Steele, Lea and Flood 2014) */
static uint64_t state;
static uint32_t draw(uint32_t below)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 16) % below;
}

static const uint32_t keys[] = {
    KEY_CODE_ENTER, KEY_CODE_ENTER, KEY_CODE_ENTER, KEY_CODE_ENTER, '1', '2', '3', '4', '5', '-', '.', 'x', ' ', 'h',
    'k', 'n', 'c', 'r', 'R', 'u', 'b', 'd', KEY_CODE_TAB, KEY_CODE_LEFT, KEY_CODE_RIGHT, KEY_CODE_UP, KEY_CODE_DOWN,
    KEY_CODE_ESCAPE, KEY_CODE_BACKSPACE, 'g', 'a', 0x20ac,
};
static const char *const texts[] = { "50 %", "2 1 3", "a", "again", "good", "8", "junk \x1b[31m", "-", "" };
static const char *const arguments[] = { "times=5", "scale=token", "scale=row", "k=3", "nonsense", "" };

/* An event of the learner. */
static void random_input(struct rig *r)
{
    switch (draw(8)) {
    case 0:
        rig_feed(r, (struct event){ .kind = EVENT_TEXT, .text = texts[draw(sizeof texts / sizeof texts[0])] });
        break;
    case 1:
        rig_feed(r, (struct event){ .kind = EVENT_COMMAND, .command = (enum command)draw(COMMAND_COUNT),
                                    .text = arguments[draw(sizeof arguments / sizeof arguments[0])] });
        break;
    case 2:
        rig_feed(r, (struct event){ .kind = EVENT_CONFIDENCE, .confidence = (int)draw(6) - 1 });
        break;
    default:
        rig_key(r, keys[draw(sizeof keys / sizeof keys[0])]);
    }
}

/* An event of the world: answers in order, late, wrong or never. */
static void random_world(struct rig *r)
{
    switch (draw(12)) {
    case 0:
        r->refuse = !r->refuse && draw(4) == 0;
        break;
    case 1:
        if (r->request)
            rig_message(r, json_pack("{s:s, s:O, s:s}", "type", "problem", "id", json_object_get(r->request, "id"),
                                     "text", "it went wrong"));
        break;
    case 2:
        rig_feed(r, (struct event){ .kind = EVENT_LAB_LOST, .text = "the lab ended" });
        json_decref(r->request);
        r->request = NULL;
        break;
    case 3:
        rig_message(r, json_pack("{s:s, s:i, s:f, s:[]}", "type", "result", "id", 999999, "answer", 1.0, "blocks"));
        break;
    case 4:
        rig_feed(r, (struct event){ .kind = EVENT_STORED, .id = 999999, .text = "nobody" });
        break;
    case 5:
        if (r->request)
            rig_message(r, json_pack("{s:s, s:O, s:f, s:s}", "type", "progress", "id",
                                     json_object_get(r->request, "id"), "fraction", 0.5, "label", "half"));
        break;
    case 6: case 7: case 8:
        rig_lab(r);
        break;
    default:
        rig_store(r);
    }
}

/* An outcome is asked for only when the guess is stored, or the learner saw that it cannot be and went on. */
static void check_request(struct rig *r)
{
    if (!(r->effects & FX_LAB) || !r->request || strcmp(view_text(r->request, "type", ""), "compute") != 0)
        return;
    const char *step = view_text(r->request, "step", "");
    int index = document_find(r->document, step);
    if (index < 0 || document_step(r->document, index)->kind != STEP_PREDICT) /* a dive is asked for by its id */
        return;
    if (!rig_has(r, step, "guess") && !rig_shows(r, "not saved"))
        fail_msg("an outcome of '%s' was asked for before its guess was stored", step);
}

static void check_records(struct rig *r)
{
    size_t n = json_array_size(r->queue);
    const json_t *record = n ? json_object_get(json_array_get(r->queue, n - 1), "record") : NULL;
    const json_t *payload = json_object_get(record, "payload");
    if (record && strcmp(view_text(record, "kind", ""), "prediction") == 0) {
        assert_null(json_object_get(payload, "outcome"));
        assert_null(json_object_get(payload, "blocks"));
        assert_null(json_object_get(payload, "hit"));
        assert_non_null(json_object_get(payload, "seed"));
    }
}

static void random_histories(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rig r;
        state = seed;
        rig_open(&r);
        for (int i = 0; i < 400; i++) {
            if (draw(3))
                random_input(&r);
            else
                random_world(&r);
            check_request(&r);
            check_records(&r);
            if (draw(60) == 0)
                rig_restart(&r, draw(2));
            if (draw(40) == 0)
                session_go(r.session, document_step(r.document, (int)draw(9))->id, NULL);
        }
        rig_close(&r);
    }
}

/* The same history gives the same view, to the byte. */
static void same_events_same_screens(void **unused)
{
    char *last[2];
    (void)unused;
    for (int run = 0; run < 2; run++) {
        struct rig r;
        state = 7;
        rig_open(&r);
        for (int i = 0; i < 300; i++)
            if (draw(3))
                random_input(&r);
            else
                random_world(&r);
        json_t *view = session_view(r.session);
        last[run] = json_dumps(view, JSON_SORT_KEYS);
        json_decref(view);
        rig_close(&r);
    }
    assert_string_equal(last[0], last[1]);
    free(last[0]);
    free(last[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
        cmocka_unit_test(same_events_same_screens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
