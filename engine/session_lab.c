/* session_lab.c: what a session asks of the lab, and what it makes of the replies. See session.h.
 * A reply to any other id than the one waited for is dropped. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/session_state.h"
#include "engine/sha256.h"
#include "engine/view.h"

enum { LOSSES_TO_SKIP = 2 };

void session_seed(const struct session *s, int attempt, char hex[17])
{
    char joined[512];
    uint8_t digest[SHA256_BYTES];
    int n = snprintf(joined, sizeof joined, "%.128s\n%s\n%s\n%d", s->learner_seed, document_id(s->document),
                     session_here(s)->id, attempt);
    sha256_of(joined, (size_t)n, digest);
    for (int i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static json_t *guess_for_lab(const struct session *s)
{
    const struct step_state *state = session_state_here(s);
    const json_t *guess = s->guess ? s->guess : state->guess;
    if (!guess || json_is_null(json_object_get(guess, "value")))
        return json_null();
    return json_pack("{s:O, s:s, s:O*}", "value", json_object_get(guess, "value"), "text", view_text(guess, "text", ""),
                     "confidence", json_object_get(guess, "confidence"));
}

unsigned session_request_outcome(struct session *s, struct outbox *out)
{
    char seed[17];
    const struct step *step = session_here(s);
    session_seed(s, session_state_here(s)->attempt + s->trial.again, seed);
    s->request_id = s->next_id++;
    s->expects = "result";
    session_set_trial(&s->asked, &s->trial);
    s->stale = false;
    s->fraction = 0;
    snprintf(s->label, sizeof s->label, "computing");
    out->request = json_pack("{s:s, s:I, s:s, s:s, s:s, s:O, s:o}", "type", "compute", "id", (json_int_t)s->request_id,
                             "lesson", document_sha256(s->document), "step", step->id, "seed", seed, "knobs",
                             s->trial.knobs, "guess", guess_for_lab(s));
    if (s->trial.own)
        json_object_set(out->request, "own", s->trial.own);
    return FX_LAB | FX_DRAW;
}

unsigned session_request_dive(struct session *s, const char *dive, struct outbox *out)
{
    char seed[17];
    session_seed(s, session_state_here(s)->attempt, seed);
    s->request_id = s->next_id++;
    s->expects = "dive";
    s->stale = false;
    out->request = json_pack("{s:s, s:I, s:s, s:s, s:s, s:{}, s:n}", "type", "compute", "id",
                             (json_int_t)s->request_id, "lesson", document_sha256(s->document), "step", dive, "seed",
                             seed, "knobs", "guess");
    return FX_LAB | FX_DRAW;
}

/* The dive's outcome goes below its text, if that is still open; then whatever waited is asked for. */
static unsigned dive_result(struct session *s, const json_t *message, struct outbox *out)
{
    s->request_id = 0;
    size_t last = json_array_size(s->overlay);
    if (last > 0 && view_kind_of(json_array_get(s->overlay, last - 1)) == VIEW_WORKING) {
        json_t *blocks = json_deep_copy(s->overlay);
        json_array_remove(blocks, last - 1);
        json_array_extend(blocks, json_object_get(message, "blocks"));
        session_set(&s->overlay, blocks);
    }
    return FX_DRAW | (s->stale ? session_request_outcome(s, out) : 0);
}

static unsigned request_given(struct session *s, struct outbox *out)
{
    char seed[17];
    session_seed(s, session_state_here(s)->attempt, seed);
    s->request_id = s->next_id++;
    s->expects = "given";
    out->request = json_pack("{s:s, s:I, s:s, s:s, s:s}", "type", "given", "id", (json_int_t)s->request_id, "lesson",
                             document_sha256(s->document), "step", session_here(s)->id, "seed", seed);
    return FX_LAB | FX_DRAW;
}

/* What a step asks of the lab by itself: its live facts before the guess, or an explore step's outcome. */
unsigned session_ask_lab(struct session *s, struct outbox *out)
{
    const struct step *step = session_here(s);
    if (s->request_id || out->request)
        return 0;
    if (step->given_live && s->phase == PHASE_ANSWER && !s->given)
        return request_given(s, out);
    if (step->kind == STEP_EXPLORE && s->phase == PHASE_COMMITTED)
        return session_request_outcome(s, out);
    return 0;
}

unsigned session_failed(struct session *s, const char *why)
{
    s->request_id = 0;
    s->stale = false;
    session_set_trial(&s->trial, &s->shown_trial); /* the knobs stand as the figure has them */
    if (s->phase == PHASE_ANSWER && !s->given)
        s->given = json_array(); /* the question stands without its live facts */
    s->phase = s->phase == PHASE_COMMITTED ? PHASE_FAILED : s->phase;
    snprintf(s->message, sizeof s->message, "%s", why);
    return FX_DRAW;
}

static json_t *outcome_of(const json_t *message)
{
    json_t *outcome = json_object();
    static const char *const kept[] = { "answer", "blocks", "provenance", "values" };
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        json_t *value = json_object_get(message, kept[i]);
        if (value)
            json_object_set(outcome, kept[i], value);
    }
    return outcome;
}

static unsigned result(struct session *s, const json_t *message, struct outbox *out)
{
    if (!answer_fits(session_here(s), json_object_get(message, "answer")))
        return session_failed(s, "the lab's answer is none that this step can have");
    bool first = s->phase == PHASE_COMMITTED && session_here(s)->kind == STEP_PREDICT && !session_state_here(s)->result;
    s->request_id = 0;
    session_set(&s->shown, outcome_of(message));
    session_set_trial(&s->shown_trial, &s->asked);
    unsigned effects = FX_DRAW;
    if (first)
        effects = session_reveal(s, out, s->shown);
    else
        s->phase = PHASE_REVEALED;
    return s->stale ? effects | session_request_outcome(s, out) : effects;
}

unsigned session_from_lab(struct session *s, const struct event *e, struct outbox *out)
{
    const char *type = view_text(e->message, "type", "");
    const json_t *id = json_object_get(e->message, "id");
    if (!s->request_id || !json_is_integer(id) || json_integer_value(id) != s->request_id)
        return 0;
    if (strcmp(type, "progress") == 0) {
        s->fraction = view_number(e->message, "fraction", 0);
        snprintf(s->label, sizeof s->label, "%s", view_text(e->message, "label", "computing"));
        return FX_DRAW;
    }
    if (strcmp(s->expects, "dive") == 0 && (strcmp(type, "problem") == 0 || strcmp(type, "result") == 0))
        return dive_result(s, e->message, out);
    if (strcmp(type, "problem") == 0)
        return session_failed(s, view_text(e->message, "text", "the lab could not compute this step"));
    if (strcmp(type, s->expects) != 0)
        return 0; /* an outcome that nobody asked for may come before its guess is committed */
    if (strcmp(type, "result") == 0)
        return result(s, e->message, out);
    if (strcmp(type, "given") == 0) {
        s->request_id = 0;
        json_t *blocks = json_object_get(e->message, "blocks");
        session_set(&s->given, blocks ? json_incref(blocks) : json_array()); /* none: it is not asked for again */
        return FX_DRAW;
    }
    s->request_id = 0;
    session_set(&s->overlay, json_incref(json_object_get(e->message, "blocks")));
    return FX_DRAW;
}

/* The lab is gone with our request. Ask the fresh one; a step that ends two labs is left unscored. */
unsigned session_lab_lost(struct session *s, const struct event *e, struct outbox *out)
{
    if (!s->request_id)
        return 0;
    s->request_id = 0;
    if (strcmp(s->expects, "dive") == 0)
        return dive_result(s, NULL, out);
    s->losses++;
    const char *why = e->text ? e->text : "the lab ended";
    if (strcmp(s->expects, "source") == 0)
        return session_failed(s, why);
    if (s->losses < LOSSES_TO_SKIP) {
        snprintf(s->message, sizeof s->message, "%s; a fresh lab computes again", why);
        return s->phase == PHASE_ANSWER ? FX_DRAW : session_request_outcome(s, out);
    }
    session_failed(s, "");
    snprintf(s->message, sizeof s->message, "%s; this step ended %d labs and is skipped, unscored", why, s->losses);
    return FX_DRAW | (s->phase == PHASE_FAILED ? session_skip(s, out, why) : 0);
}
