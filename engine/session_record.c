/* session_record.c: what a stored record means, and posting one. See session.h.
 * A session's durable part is the fold of session_apply over acknowledged records, live and restored alike. */
#include <stdlib.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/session_state.h"
#include "engine/view.h"

void session_set(json_t **slot, json_t *value)
{
    json_t *old = *slot;
    *slot = value;
    json_decref(old);
}

const struct step *session_here(const struct session *s)
{
    return document_step(s->document, s->at);
}

struct step_state *session_state_here(const struct session *s)
{
    return &s->states[s->at];
}

void session_forget(struct step_state *state)
{
    int attempt = state->attempt;
    json_decref(state->guess);
    json_decref(state->answer);
    json_decref(state->result);
    json_decref(state->review);
    json_decref(state->draft);
    *state = (struct step_state){ .attempt = attempt };
}

/* Starts a step over, and keeps what it was for an undo. */
static void reset(struct session *s, int index)
{
    struct step_state *state = &s->states[index];
    session_forget(&s->reset_state);
    s->reset_state = *state;
    s->reset_at = index;
    s->reset_uuid[0] = '\0';
    *state = (struct step_state){ .attempt = s->reset_state.attempt + 1 };
}

/* The one place where a stored record changes a session: used after the store's answer and by restore. */
void session_apply(struct session *s, const json_t *record, int64_t utc)
{
    const char *kind = view_text(record, "kind", "");
    int index = document_find(s->document, view_text(record, "step", ""));
    json_t *payload = json_object_get(record, "payload");
    if (index < 0 || !json_is_object(payload))
        return;
    const json_t *rev = json_object_get(record, "rev");
    if (json_is_integer(rev) && json_integer_value(rev) != document_step(s->document, index)->rev)
        return;
    const struct step *step = document_step(s->document, index);
    if (!answer_fits(step, json_object_get(json_object_get(payload, "outcome"), "answer"))
        || (strcmp(kind, "prediction") == 0 && !answer_fits(step, json_object_get(payload, "value"))))
        return; /* of another lesson file with the same ids, or of a damaged database */
    struct step_state *state = &s->states[index];
    if (s->reset_at == index && strcmp(kind, "retract") != 0)
        s->reset_at = -1; /* the step has gone on: taking the reset back would mix two attempts */
    if (strcmp(kind, "prediction") == 0)
        session_set(&state->guess, json_incref(payload));
    else if (strcmp(kind, "answer") == 0)
        session_set(&state->answer, json_incref(payload));
    else if (strcmp(kind, "review") == 0)
        session_set(&state->review, json_incref(payload));
    else if (strcmp(kind, "draft") == 0)
        session_set(&state->draft, json_incref(payload));
    else if (strcmp(kind, "result") == 0) {
        session_set(&state->result, json_incref(payload));
        state->result_utc = utc;
    } else if (strcmp(kind, "seen") == 0)
        state->seen = true;
    else if (strcmp(kind, "skip") == 0)
        state->skipped = true;
    else if (strcmp(kind, "hint") == 0)
        state->hints = (int)json_integer_value(json_object_get(payload, "n"));
    else if (strcmp(kind, "retract") == 0 && strcmp(view_text(payload, "scope", ""), "step") == 0)
        reset(s, index);
    else if (strcmp(kind, "retract") == 0 && s->reset_at == index
             && strcmp(view_text(payload, "target", ""), s->reset_uuid) == 0) {
        session_forget(state);
        *state = s->reset_state;
        s->reset_state = (struct step_state){ 0 };
        s->reset_at = -1;
    }
}

static bool step_done(const struct session *s, int index)
{
    const struct step_state *state = &s->states[index];
    if (state->skipped)
        return true;
    switch (document_step(s->document, index)->kind) {
    case STEP_READ:
    case STEP_EXPLORE: return state->seen;
    case STEP_RECALL:  return state->review != NULL;
    case STEP_FILL:
    case STEP_EXPLAIN: return state->answer != NULL;
    default:           return state->result != NULL;
    }
}

int session_next_open(const struct session *s)
{
    int n = document_step_count(s->document);
    for (int i = 0; i < n; i++)
        if (!step_done(s, i))
            return i;
    return n;
}

static json_t *state_json(const struct step_state *state)
{
    return json_pack("{s:O?, s:O?, s:O?, s:O?, s:O?, s:i, s:i, s:b, s:b}", "guess", state->guess, "answer",
                     state->answer, "result", state->result, "review", state->review, "draft", state->draft, "hints",
                     state->hints, "attempt", state->attempt, "seen", state->seen, "skipped", state->skipped);
}

json_t *session_durable(const struct session *s)
{
    json_t *all = json_object();
    for (int i = 0; i < document_step_count(s->document); i++)
        json_object_set_new(all, document_step(s->document, i)->id, state_json(&s->states[i]));
    return all;
}

long session_post(struct session *s, struct outbox *out, const char *kind, json_t *payload)
{
    for (int i = 0; i < MOST_PENDING; i++) {
        struct pending *p = &s->pending[i];
        if (p->id != 0)
            continue;
        const struct step *step = session_here(s);
        p->id = s->next_id++;
        p->record =
            json_pack("{s:s, s:s, s:i, s:o}", "kind", kind, "step", step->id, "rev", step->rev, "payload", payload);
        p->waits = out->record != NULL;
        if (!p->waits) {
            out->record = json_incref(p->record);
            out->record_id = p->id;
        }
        return p->id;
    }
    json_decref(payload);
    return 0;
}

/* What the store answers to the record before brings the event with which this one leaves. */
unsigned session_send(struct session *s, struct outbox *out)
{
    struct pending *oldest = NULL;
    for (int i = 0; i < MOST_PENDING; i++)
        if (s->pending[i].waits && (!oldest || s->pending[i].id < oldest->id))
            oldest = &s->pending[i];
    if (!oldest || out->record)
        return 0;
    oldest->waits = false;
    out->record = json_incref(oldest->record);
    out->record_id = oldest->id;
    return FX_STORE;
}

/* Words that were cleared are a draft too: an empty one. */
unsigned session_draft(struct session *s, struct outbox *out)
{
    const struct step_state *state = session_state_here(s);
    if (session_here(s)->kind != STEP_EXPLAIN || s->phase != PHASE_ANSWER)
        return 0;
    if (strcmp(view_text(state->draft, "text", ""), s->line.text) == 0)
        return 0;
    return session_post(s, out, "draft", json_pack("{s:s}", "text", s->line.text)) ? FX_STORE : 0;
}
