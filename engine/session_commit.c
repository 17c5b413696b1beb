/* session_commit.c: committing: the records on which a step hangs, and the store's answers. See session.h.
 * Nothing is asked of the lab before the store has said that the guess is durable. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/session_state.h"
#include "engine/view.h"

enum { LARGEST_STORED_RESULT = 64 << 10 };

/* ORDER CONFIDENCE: as stored and sent. */
static json_t *confidence_json(int confidence)
{
    static const int percent[] = { 0, 50, 75, 95 };
    if (confidence == SURE_NONE)
        return json_null();
    return confidence == SURE_GUESS ? json_string("guess") : json_integer(percent[confidence]);
}

/* A guess, cells, words or a grade may go on unsaved; a reset or its undo just did not happen. */
static unsigned commit_failed(struct session *s, const char *kind, const char *why)
{
    s->phase = s->uncommitted;
    s->commit_id = 0;
    s->offered = strcmp(kind, "retract") != 0;
    snprintf(s->message, sizeof s->message, "not saved: %s%s", why,
             s->offered ? "; Enter tries again, k (:skip) goes on unsaved" : "");
    return FX_DRAW;
}

unsigned session_commit(struct session *s, struct outbox *out, const char *kind, json_t *payload)
{
    s->uncommitted = s->phase;
    s->commit_id = session_post(s, out, kind, payload);
    if (!s->commit_id)
        return commit_failed(s, kind, "the store is behind");
    s->phase = PHASE_SAVING;
    return FX_STORE | FX_DRAW;
}

static json_t *option_order(const struct session *s)
{
    const struct step *step = session_here(s);
    if (step->answer != ANSWER_CHOICE && step->answer != ANSWER_ORDER)
        return NULL;
    struct session shuffled = { .document = s->document, .learner_seed = s->learner_seed, .at = s->at };
    session_shuffle(&shuffled);
    return session_order(&shuffled);
}

unsigned session_commit_prediction(struct session *s, struct outbox *out)
{
    char seed[17], rule[128];
    const struct step *step = session_here(s);
    session_seed(s, session_state_here(s)->attempt, seed);
    answer_rule_text(step, rule, sizeof rule);
    json_object_set_new(s->guess, "confidence", confidence_json(s->confidence));
    json_t *payload = json_copy(s->guess);
    json_object_set_new(payload, "unit", json_string(view_text(step->rule, "unit", "")));
    json_object_set_new(payload, "rule", json_string(rule));
    json_object_set_new(payload, "type", json_string(answer_kind_names[step->answer]));
    json_t *options = option_order(s);
    if (options)
        json_object_set_new(payload, "order", options);
    json_object_set_new(payload, "latency_ms", json_integer(s->now - s->shown_at));
    json_object_set_new(payload, "hints", json_integer(s->hints));
    json_object_set_new(payload, "attempt", json_integer(session_state_here(s)->attempt));
    json_object_set_new(payload, "seed", json_string(seed));
    json_object_set_new(payload, "lesson_sha256", json_string(document_sha256(s->document)));
    return session_commit(s, out, "prediction", payload);
}

/* The sentences of a question, in one. */
static void question_text(const json_t *blocks, char *out, size_t size)
{
    size_t used = 0, i;
    json_t *block;
    out[0] = '\0';
    json_array_foreach((json_t *)(uintptr_t)blocks, i, block)
        if (view_kind_of(block) == VIEW_PROSE && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", view_text(block, "text", ""));
}

/* The card of a step: its own, or, of an explanation, one that asks for it again. */
static json_t *card_of(const struct step *step)
{
    char front[1024];
    json_t *own = json_object_get(step->json, "card");
    if (own || step->kind != STEP_EXPLAIN)
        return own ? json_incref(own) : NULL;
    question_text(json_object_get(step->json, "ask"), front, sizeof front);
    return json_pack("{s:s, s:s, s:s}", "kind", "explain", "front", front, "back", view_text(step->json, "model", ""));
}

unsigned session_commit_answer(struct session *s, struct outbox *out)
{
    json_t *payload = json_pack("{s:I}", "latency_ms", (json_int_t)(s->now - s->shown_at));
    if (session_here(s)->kind == STEP_FILL) {
        int right, all;
        json_object_set_new(payload, "cells", session_cells(s, &right, &all));
        json_object_set_new(payload, "right", json_integer(right));
        json_object_set_new(payload, "of", json_integer(all));
    } else
        json_object_set_new(payload, "text", json_string(s->line.text));
    session_set(&s->guess, json_copy(payload));
    json_t *card = card_of(session_here(s));
    if (card)
        json_object_set_new(payload, "card", card);
    return session_commit(s, out, "answer", payload);
}

/* A result record: what was shown, how the guess did, and the card that grows from it. */
static json_t *result_payload(const struct session *s, const json_t *outcome)
{
    const struct step *step = session_here(s);
    const json_t *stored = s->guess ? s->guess : session_state_here(s)->guess;
    const json_t *answer = json_object_get(outcome, "answer");
    json_t *guess = json_object_get(stored, "value"), *confidence = json_object_get(stored, "confidence");
    json_t *payload = json_object(), *kept = json_deep_copy(outcome), *card = json_object_get(step->json, "card");
    enum verdict verdict = answer_judge(step, guess, answer, json_object_get(outcome, "values"));
    bool scored = guess && !json_is_null(guess) && verdict != VERDICT_UNSCORED, hit = verdict == VERDICT_HIT;
    double octaves = answer_octaves(guess, answer);
    if (json_dumpb(kept, NULL, 0, JSON_COMPACT) > LARGEST_STORED_RESULT)
        json_object_set_new(kept, "blocks", json_array());
    json_object_set_new(payload, "outcome", kept);
    json_object_set_new(payload, "hit", scored ? json_boolean(hit) : json_null());
    json_object_set_new(payload, "guess", scored ? json_incref(guess) : json_null());
    json_object_set_new(payload, "confidence", scored ? json_incref(confidence) : json_null());
    json_object_set_new(payload, "surprise", json_boolean(scored && !hit && json_integer_value(confidence) >= 75));
    if (isfinite(octaves))
        json_object_set_new(payload, "octaves", json_real(octaves));
    if (card)
        json_object_set(payload, "card", card);
    return payload;
}

unsigned session_reveal(struct session *s, struct outbox *out, const json_t *outcome)
{
    json_t *payload = result_payload(s, outcome);
    s->phase = PHASE_REVEALED;
    if (s->unsaved) {
        json_decref(payload);
        return FX_DRAW;
    }
    return session_post(s, out, "result", payload) ? FX_STORE | FX_DRAW : FX_DRAW;
}

/* The commit is durable, or the learner goes on without: what comes next. */
unsigned session_committed(struct session *s, struct outbox *out)
{
    const struct step *step = session_here(s);
    s->commit_id = 0;
    s->offered = false;
    switch (step->kind) {
    case STEP_PREDICT:
        s->phase = PHASE_COMMITTED;
        return session_request_outcome(s, out);
    case STEP_RECALL:
        return session_advance(s, out);
    default:
        s->phase = PHASE_REVEALED;
        return FX_DRAW;
    }
}

/* The loop adds the local day, which hangs on the learner's time zone. */
unsigned session_grade(struct session *s, struct outbox *out, bool good)
{
    return session_commit(s, out, "review", json_pack("{s:s, s:I, s:O}", "grade", good ? "good" : "again", "latency_ms",
                                              (json_int_t)(s->now - s->shown_at), "card",
                                              json_object_get(session_here(s)->json, "card")));
}

unsigned session_skip(struct session *s, struct outbox *out, const char *why)
{
    return session_post(s, out, "skip", json_pack("{s:s}", "why", why)) ? FX_STORE : 0;
}

unsigned session_stored(struct session *s, const struct event *e, struct outbox *out)
{
    for (int i = 0; i < MOST_PENDING; i++) {
        struct pending *p = &s->pending[i];
        if (p->id == 0 || p->id != e->id)
            continue;
        session_apply(s, p->record, e->now);
        if (s->reset_at >= 0 && !s->reset_uuid[0])
            snprintf(s->reset_uuid, sizeof s->reset_uuid, "%s", e->text ? e->text : "");
        json_decref(p->record);
        *p = (struct pending){ 0 };
        return e->id == s->commit_id && s->phase == PHASE_SAVING ? session_committed(s, out) : 0;
    }
    return 0;
}

unsigned session_not_stored(struct session *s, const struct event *e)
{
    const char *why = e->text ? e->text : "the disk refused";
    for (int i = 0; i < MOST_PENDING; i++) {
        struct pending *p = &s->pending[i];
        if (p->id == 0 || p->id != e->id)
            continue;
        snprintf(s->message, sizeof s->message, "not saved: %s", why);
        if (e->id == s->commit_id)
            commit_failed(s, view_text(p->record, "kind", ""), why);
        json_decref(p->record);
        *p = (struct pending){ 0 };
        return FX_DRAW;
    }
    return 0;
}
