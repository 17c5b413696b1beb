/* rig.h: a lesson with every kind of step, and a store and a lab that exist only in the test.
 * After every event the records acknowledged so far must rebuild exactly the durable part of the live session. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/session.h"
#include "engine/view.h"

#define CARD "\"card\":{\"front\":\"front\",\"back\":\"back\",\"again\":\"again\"}"
#define ASK  "\"ask\":[{\"view\":\"prose\",\"text\":\"A question.\"}]"
#define OPTIONS \
    "\"options\":[{\"id\":\"a\",\"text\":\"A\"},{\"id\":\"b\",\"text\":\"B\"},{\"id\":\"c\",\"text\":\"C\"}]"

/* What the fake lab reveals; no view may hold it before the commit. */
#define SECRET "the planted outcome"

static const char lesson_text[] =
    "{\"id\":\"fake\",\"title\":\"Fake\",\"win\":\"test\",\"sha256\":\"00\","
    "\"parts\":[{\"id\":\"one\",\"title\":\"one\",\"core\":true}],\"steps\":["
    "{\"kind\":\"read\",\"id\":\"read\",\"part\":0,\"body\":[{\"view\":\"prose\",\"text\":\"Some text.\"}]},"
    "{\"kind\":\"predict\",\"id\":\"number\"," ASK ",\"number\":{\"unit\":\"%\",\"within\":\"10 %\",\"scale\":\"log\"},"
    "\"live\":true,\"hints\":[\"one\",\"two\"],\"knobs\":[{\"id\":\"times\",\"value\":60,\"from\":1,\"to\":100,"
    "\"scale\":\"log\"},{\"id\":\"scale\",\"value\":\"tensor\",\"choices\":[\"tensor\",\"token\"]}]," CARD "},"
    "{\"kind\":\"predict\",\"id\":\"choice\"," ASK ",\"choice\":{" OPTIONS "},\"live\":true},"
    "{\"kind\":\"predict\",\"id\":\"order\"," ASK ",\"order\":{" OPTIONS ",\"first\":\"best\"},\"live\":true},"
    "{\"kind\":\"predict\",\"id\":\"place\"," ASK ",\"given\":true,\"place\":{\"from\":0,\"to\":10,\"tick\":1,"
    "\"within\":\"tick\"},\"live\":true},"
    "{\"kind\":\"fill\",\"id\":\"fill\"," ASK ",\"columns\":[{\"title\":\"bits\",\"choices\":[\"4\",\"8\"]}],"
    "\"rows\":[{\"label\":\"x\",\"cells\":[\"4\"]},{\"label\":\"y\",\"cells\":[\"8\"]}]," CARD "},"
    "{\"kind\":\"recall\",\"id\":\"recall\"," CARD "},"
    "{\"kind\":\"explain\",\"id\":\"explain\"," ASK ",\"model\":\"our words\"},"
    "{\"kind\":\"explore\",\"id\":\"explore\"," ASK ",\"live\":true,\"dives\":[\"deep\",\"dry\"],"
    "\"knobs\":[{\"id\":\"k\",\"value\":1,\"from\":0,\"to\":9},{\"id\":\"byte\",\"value\":\"0110\"}]}],"
    "\"dives\":[{\"id\":\"deep\",\"title\":\"Deep?\",\"live\":true,"
    "\"body\":[{\"view\":\"prose\",\"text\":\"Text.\"}]},"
    "{\"id\":\"dry\",\"title\":\"Dry?\",\"body\":[{\"view\":\"prose\",\"text\":\"Words.\"}]}]}";

static struct document *fake_document(void)
{
    char why[512] = "";
    json_t *json = json_loads(lesson_text, 0, NULL);
    struct document *d = document_new(json, why, sizeof why);
    json_decref(json);
    if (!d)
        fail_msg("%s", why);
    return d;
}

/* The session, and what the store has acknowledged: records with "uuid" and "retracted". */
struct rig {
    struct document *document;
    struct session  *session;
    json_t          *stored;
    json_t          *record;   /* at the store, not answered yet: one at a time, later ones queue */
    json_t          *queue;    /* [{"id", "record"}] */
    json_t          *request;  /* the newest lab request that was not answered or canceled, or NULL */
    int64_t          now;
    unsigned         effects;  /* of the last event */
    bool             refuse;   /* the store says no */
    long             base;     /* of record and request ids */
};

static void rig_open(struct rig *r)
{
    *r = (struct rig){ .document = fake_document(), .stored = json_array(), .queue = json_array(), .now = 1000 };
    r->session = session_new(r->document, "seed", 1);
}

static void rig_close(struct rig *r)
{
    session_free(r->session);
    document_free(r->document);
    json_decref(r->stored);
    json_decref(r->queue);
    json_decref(r->request);
}

/* What db/journal.c does with retracts, for the two forms that a session posts. */
static void mark_retracted(json_t *stored)
{
    size_t n = json_array_size(stored);
    for (size_t i = 0; i < n; i++)
        json_object_del(json_array_get(stored, i), "retracted");
    for (size_t i = n; i-- > 0;) {
        json_t *retract = json_array_get(stored, i), *payload = json_object_get(retract, "payload");
        if (strcmp(view_text(retract, "kind", ""), "retract") != 0 || json_object_get(retract, "retracted"))
            continue;
        for (size_t k = 0; k < n; k++) {
            json_t *other = json_array_get(stored, k);
            bool aimed = json_object_get(payload, "target")
                       ? json_equal(json_object_get(payload, "target"), json_object_get(other, "uuid"))
                       : k < i && json_equal(json_object_get(other, "step"), json_object_get(retract, "step"))
                             && strcmp(view_text(other, "kind", ""), "retract") != 0;
            if (aimed)
                json_object_set_new(other, "retracted", json_true());
        }
    }
}

static void check_blocks(const json_t *view, const char *name)
{
    char why[512] = "";
    const json_t *blocks = json_object_get(view, name);
    if (blocks && !view_check_list(blocks, why, sizeof why))
        fail_msg("%s: %s", name, why);
}

/* What must hold after every event. */
static void rig_check(struct rig *r)
{
    struct session *again = session_new(r->document, "seed", 1);
    mark_retracted(r->stored);
    session_restore(again, r->stored);
    json_t *live = session_durable(r->session), *restored = session_durable(again);
    if (!json_equal(live, restored))
        for (int i = 0; i < document_step_count(r->document); i++) {
            const char *id = document_step(r->document, i)->id;
            json_t *a = json_object_get(live, id), *b = json_object_get(restored, id);
            if (!json_equal(a, b))
                fail_msg("step '%s': live %s, restored %s", id, json_dumps(a, 0), json_dumps(b, 0));
        }
    json_decref(live);
    json_decref(restored);
    session_free(again);

    const struct step *step = document_step(r->document, session_step(r->session));
    json_t *view = session_view(r->session), *durable = session_durable(r->session);
    check_blocks(view, "body");
    check_blocks(view, "dock");
    check_blocks(view, "overlay");
    const json_t *here = json_object_get(durable, step->id);
    char *text = json_dumps(view, 0);
    bool committed = json_is_object(json_object_get(here, "guess")) || strstr(text, "not saved");
    if (step->kind == STEP_PREDICT && !committed && strstr(text, SECRET))
        fail_msg("the outcome of '%s' is on screen before its guess is stored", step->id);
    free(text);
    json_decref(view);
    json_decref(durable);
}

static void rig_feed(struct rig *r, struct event e)
{
    struct outbox out = { 0 };
    e.now = r->now += 10;
    r->effects = session_feed(r->session, &e, &out);
    if (!!(r->effects & FX_STORE) != (out.record != NULL) || !!(r->effects & FX_LAB) != (out.request != NULL))
        fail_msg("effects %x, but %s record and %s request (event %d, key %u, command %d) at '%s'", r->effects,
                 out.record ? "a" : "no", out.request ? "a" : "no", (int)e.kind, e.key, (int)e.command,
                 document_step(r->document, session_step(r->session))->id);
    if (r->effects & FX_CANCEL && r->request
        && json_integer_value(json_object_get(r->request, "id")) == out.cancel) {
        json_decref(r->request);
        r->request = NULL;
    }
    if (out.record)
        json_array_append_new(r->queue, json_pack("{s:I, s:o}", "id", (json_int_t)out.record_id, "record", out.record));
    if (out.request) {
        json_decref(r->request);
        r->request = out.request;
    }
    free(out.text);
    rig_check(r);
}

static void rig_key(struct rig *r, uint32_t key)
{
    rig_feed(r, (struct event){ .kind = EVENT_KEY, .key = key });
}

static inline void rig_type(struct rig *r, const char *text)
{
    for (; *text; text++)
        rig_key(r, (uint32_t)(unsigned char)*text);
}

/* The store answers the oldest record. False when none waits. */
static bool rig_store(struct rig *r)
{
    char uuid[40];
    if (json_array_size(r->queue) == 0)
        return false;
    json_t *entry = json_incref(json_array_get(r->queue, 0));
    json_array_remove(r->queue, 0);
    long id = (long)json_integer_value(json_object_get(entry, "id"));
    snprintf(uuid, sizeof uuid, "uuid-%ld", id);
    if (r->refuse)
        rig_feed(r, (struct event){ .kind = EVENT_NOT_STORED, .id = id, .text = "disk full" });
    else {
        json_t *record = json_deep_copy(json_object_get(entry, "record"));
        json_object_set_new(record, "uuid", json_string(uuid));
        json_array_append_new(r->stored, record);
        rig_feed(r, (struct event){ .kind = EVENT_STORED, .id = id, .text = uuid });
    }
    json_decref(entry);
    return true;
}

static void rig_message(struct rig *r, json_t *message)
{
    rig_feed(r, (struct event){ .kind = EVENT_LAB, .message = message });
    json_decref(message);
}

/* The lab answers the newest request with an outcome that suits the step. False when none waits. */
static bool rig_lab(struct rig *r)
{
    if (!r->request)
        return false;
    json_t *request = r->request, *answer = json_real(50);
    r->request = NULL;
    const char *type = view_text(request, "type", ""), *step = view_text(request, "step", "");
    if (strcmp(step, "choice") == 0) {
        json_decref(answer);
        answer = json_string("a");
    } else if (strcmp(step, "order") == 0) {
        json_decref(answer);
        answer = json_pack("[s, s, s]", "a", "b", "c");
    } else if (strcmp(step, "explore") == 0) {
        json_decref(answer);
        answer = json_null();
    }
    json_t *blocks = json_pack("[{s:s, s:s}]", "view", "prose", "text",
                               strcmp(type, "compute") == 0 ? SECRET : "a live fact");
    json_t *message = json_pack("{s:s, s:O, s:o}", "type",
                                strcmp(type, "compute") == 0 ? "result" : type, "id", json_object_get(request, "id"),
                                "blocks", blocks);
    if (strcmp(type, "compute") == 0) {
        json_object_set_new(message, "answer", answer);
        json_object_set_new(message, "provenance", json_pack("{s:s, s:s, s:[s]}", "device", "cpu", "seed", "0",
                                                             "kernels", "encode"));
    } else
        json_decref(answer);
    json_decref(request);
    rig_message(r, message);
    return true;
}

/* kill -9, and a new start. What was at the store is durable or lost; nobody was told. */
static inline void rig_restart(struct rig *r, bool durable)
{
    size_t i;
    json_t *entry;
    json_array_foreach(r->queue, i, entry) {
        char uuid[40];
        json_t *record = json_deep_copy(json_object_get(entry, "record"));
        snprintf(uuid, sizeof uuid, "uuid-%ld", (long)json_integer_value(json_object_get(entry, "id")));
        json_object_set_new(record, "uuid", json_string(uuid));
        if (durable)
            json_array_append(r->stored, record);
        json_decref(record);
    }
    json_array_clear(r->queue);
    json_decref(r->request);
    r->request = NULL;
    session_free(r->session);
    r->session = session_new(r->document, "seed", r->base += 100000);
    mark_retracted(r->stored);
    session_restore(r->session, r->stored);
    rig_feed(r, (struct event){ .kind = EVENT_TICK });
}

/* Everything that waits is answered. */
static inline void rig_settle(struct rig *r)
{
    while (rig_store(r) || rig_lab(r))
        continue;
}

static inline void rig_go(struct rig *r, const char *step)
{
    assert_true(session_go(r->session, step, NULL));
    rig_feed(r, (struct event){ .kind = EVENT_TICK });
    rig_settle(r);
}

static inline const json_t *rig_state(struct rig *r, const char *step, json_t **holder)
{
    *holder = session_durable(r->session);
    return json_object_get(*holder, step);
}

/* Whether the step's durable state has this part ("guess", "result", ...). */
static inline bool rig_has(struct rig *r, const char *step, const char *part)
{
    json_t *all;
    const json_t *value = json_object_get(rig_state(r, step, &all), part);
    bool has = value && !json_is_null(value) && !json_is_false(value);
    json_decref(all);
    return has;
}

static inline bool rig_shows(struct rig *r, const char *words)
{
    json_t *view = session_view(r->session);
    char *text = json_dumps(view, 0);
    bool found = strstr(text, words) != NULL;
    free(text);
    json_decref(view);
    return found;
}

#endif
