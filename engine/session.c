/* session.c: the lesson state machine. See session.h.
 * Reading order: apply (what a record means), entering a step, answering, committing, the lab's replies, keys, feed. */
#include "engine/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/session_state.h"
#include "engine/sha256.h"
#include "engine/view.h"

enum { LARGEST_STORED_RESULT = 64 << 10, LOSSES_TO_SKIP = 2 };

/* ORDER CONFIDENCE: as stored and sent. */
static json_t *confidence_json(int confidence)
{
    static const int percent[] = { 0, 50, 75, 95 };
    if (confidence == SURE_NONE)
        return json_null();
    return confidence == SURE_GUESS ? json_string("guess") : json_integer(percent[confidence]);
}

const struct step *session_here(const struct session *s)
{
    return document_step(s->document, s->at);
}

struct step_state *session_state_here(const struct session *s)
{
    return &s->states[s->at];
}

/* --- durable state: what a record means -------------------------------------------------------------------------- */

static void replace(json_t **slot, json_t *value)
{
    json_t *old = *slot;
    *slot = value;
    json_decref(old);
}

static void state_clear(struct step_state *state)
{
    int attempt = state->attempt;
    json_decref(state->guess);
    json_decref(state->answer);
    json_decref(state->result);
    json_decref(state->review);
    json_decref(state->draft);
    *state = (struct step_state){ .attempt = attempt };
}

/* The one place where a stored record changes a session: used after the store's answer and by restore. */
static void apply(struct session *s, const json_t *record, int64_t utc)
{
    const char *kind = view_text(record, "kind", "");
    int index = document_find(s->document, view_text(record, "step", ""));
    json_t *payload = json_object_get(record, "payload");
    if (index < 0 || !json_is_object(payload))
        return;
    const json_t *rev = json_object_get(record, "rev");
    if (json_is_integer(rev) && json_integer_value(rev) != document_step(s->document, index)->rev)
        return;
    struct step_state *state = &s->states[index];
    if (strcmp(kind, "prediction") == 0)
        replace(&state->guess, json_incref(payload));
    else if (strcmp(kind, "answer") == 0)
        replace(&state->answer, json_incref(payload));
    else if (strcmp(kind, "review") == 0)
        replace(&state->review, json_incref(payload));
    else if (strcmp(kind, "draft") == 0)
        replace(&state->draft, json_incref(payload));
    else if (strcmp(kind, "result") == 0) {
        replace(&state->result, json_incref(payload));
        state->result_utc = utc;
    } else if (strcmp(kind, "seen") == 0)
        state->seen = true;
    else if (strcmp(kind, "skip") == 0)
        state->skipped = true;
    else if (strcmp(kind, "hint") == 0)
        state->hints = (int)json_integer_value(json_object_get(payload, "n"));
    else if (strcmp(kind, "retract") == 0 && strcmp(view_text(payload, "scope", ""), "step") == 0) {
        state_clear(state);
        state->attempt++;
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

/* --- messages to the store and the lab --------------------------------------------------------------------------- */

/* Hands one record to the store; takes `payload`. Returns its id, 0 when too many are under way. */
static long post(struct session *s, struct outbox *out, const char *kind, json_t *payload)
{
    for (int i = 0; i < MOST_PENDING; i++) {
        struct pending *p = &s->pending[i];
        if (p->id != 0)
            continue;
        const struct step *step = session_here(s);
        p->id = s->next_id++;
        p->record =
            json_pack("{s:s, s:s, s:i, s:o}", "kind", kind, "step", step->id, "rev", step->rev, "payload", payload);
        out->record = json_incref(p->record);
        out->record_id = p->id;
        return p->id;
    }
    json_decref(payload);
    return 0;
}

static void seed_text(const struct session *s, int attempt, char hex[17])
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

static unsigned request_outcome(struct session *s, struct outbox *out)
{
    char seed[17];
    const struct step *step = session_here(s);
    seed_text(s, session_state_here(s)->attempt + s->again, seed);
    s->request_id = s->next_id++;
    s->stale = false;
    s->fraction = 0;
    snprintf(s->label, sizeof s->label, "computing");
    out->request = json_pack("{s:s, s:I, s:s, s:s, s:s, s:O, s:o}", "type", "compute", "id", (json_int_t)s->request_id,
                             "lesson", document_sha256(s->document), "step", step->id, "seed", seed, "knobs", s->knobs,
                             "guess", guess_for_lab(s));
    return FX_LAB | FX_DRAW;
}

static unsigned request_given(struct session *s, struct outbox *out)
{
    char seed[17];
    seed_text(s, session_state_here(s)->attempt, seed);
    s->request_id = s->next_id++;
    out->request = json_pack("{s:s, s:I, s:s, s:s, s:s}", "type", "given", "id", (json_int_t)s->request_id, "lesson",
                             document_sha256(s->document), "step", session_here(s)->id, "seed", seed);
    return FX_LAB | FX_DRAW;
}

/* --- entering a step ---------------------------------------------------------------------------------------------- */

static json_t *first_knobs(const struct step *step)
{
    json_t *values = json_object();
    size_t i;
    json_t *knob;
    json_array_foreach(json_object_get(step->json, "knobs"), i, knob)
        json_object_set(values, view_text(knob, "id", ""), json_object_get(knob, "value"));
    return values;
}

static void shuffle_options(struct session *s)
{
    const struct step *step = session_here(s);
    char hex[17];
    int n = (int)json_array_size(json_object_get(step->rule, "options"));
    seed_text(s, 0, hex);
    answer_shuffle(strtoull(hex, NULL, 16), n < MOST_OPTIONS ? n : MOST_OPTIONS, s->order);
}

static enum phase first_phase(const struct session *s)
{
    const struct step_state *state = session_state_here(s);
    const struct step *step = session_here(s);
    switch (step->kind) {
    case STEP_READ:    return PHASE_READ;
    case STEP_EXPLORE: return PHASE_COMMITTED;
    case STEP_PREDICT: return state->result ? PHASE_REVEALED : state->guess ? PHASE_COMMITTED : PHASE_ANSWER;
    case STEP_FILL:
    case STEP_EXPLAIN: return state->answer ? PHASE_REVEALED : PHASE_ANSWER;
    case STEP_RECALL:  return state->review ? PHASE_REVEALED : PHASE_ANSWER;
    default:           return PHASE_READ;
    }
}

/* Puts a step on screen. What was typed or explored at another step is gone; what is stored comes back. */
static unsigned enter(struct session *s, int index, struct outbox *out)
{
    unsigned effects = FX_DRAW;
    if (s->request_id && out) {
        out->cancel = s->request_id;
        effects |= FX_CANCEL;
    }
    s->at = index;
    const struct step *step = session_here(s);
    const struct step_state *state = session_state_here(s);
    line_clear(&s->line);
    if (state->draft && !state->answer)
        line_set(&s->line, view_text(state->draft, "text", ""));
    replace(&s->guess, NULL);
    replace(&s->given, NULL);
    replace(&s->overlay, NULL);
    replace(&s->knobs, first_knobs(step));
    replace(&s->shown, state->result ? json_incref(json_object_get(state->result, "outcome")) : NULL);
    s->echo[0] = '\0';
    s->request_id = s->commit_id = 0;
    s->focus = s->again = s->losses = 0;
    s->knob = -1;
    s->grabbed = s->commanding = s->unsaved = s->offered = s->stale = s->explored = false;
    s->hints = state->hints;
    s->shown_at = s->now;
    for (int i = 0; i < MOST_CELLS; i++)
        s->cells[i] = -1;
    if (step->answer == ANSWER_CHOICE || step->answer == ANSWER_ORDER)
        shuffle_options(s);
    if (step->answer == ANSWER_PLACE)
        s->place = (view_number(step->rule, "from", 0) + view_number(step->rule, "to", 1)) / 2;
    s->phase = first_phase(s);
    return effects;
}

/* What a step asks of the lab by itself: its live facts before the guess, or an explore step's outcome. */
static unsigned ask_lab(struct session *s, struct outbox *out)
{
    const struct step *step = session_here(s);
    if (s->request_id || out->request)
        return 0;
    if (step->given_live && s->phase == PHASE_ANSWER && !s->given)
        return request_given(s, out);
    if (step->kind == STEP_EXPLORE && s->phase == PHASE_COMMITTED)
        return request_outcome(s, out);
    return 0;
}

static unsigned advance(struct session *s, struct outbox *out)
{
    if (s->at + 1 < document_step_count(s->document))
        return enter(s, s->at + 1, out);
    s->phase = PHASE_FINISHED;
    return FX_DRAW;
}

unsigned session_draft(struct session *s, struct outbox *out)
{
    const struct step_state *state = session_state_here(s);
    if (session_here(s)->kind != STEP_EXPLAIN || s->phase != PHASE_ANSWER || s->line.size == 0)
        return 0;
    if (state->draft && strcmp(view_text(state->draft, "text", ""), s->line.text) == 0)
        return 0;
    return post(s, out, "draft", json_pack("{s:s}", "text", s->line.text)) ? FX_STORE : 0;
}

/* --- answering ---------------------------------------------------------------------------------------------------- */

static const json_t *options_of(const struct session *s)
{
    return json_object_get(session_here(s)->rule, "options");
}

static const char *option_id(const struct session *s, int shown)
{
    return view_text(json_array_get(options_of(s), (size_t)s->order[shown]), "id", "");
}

static int option_count(const struct session *s)
{
    int n = (int)json_array_size(options_of(s));
    return n < MOST_OPTIONS ? n : MOST_OPTIONS;
}

/* "2" or an option id -> the place on screen, or -1. */
static int find_option(const struct session *s, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end != text && *end == '\0')
        return n >= 1 && n <= option_count(s) ? (int)n - 1 : -1;
    for (int i = 0; i < option_count(s); i++)
        if (strcmp(option_id(s, i), text) == 0)
            return i;
    return -1;
}

/* "2 1 4 3", best first -> the items in that order; false if it is no permutation. */
static bool read_order(struct session *s, const char *text)
{
    int picked[MOST_OPTIONS], n = option_count(s), count = 0;
    bool used[MOST_OPTIONS] = { false };
    char copy[LINE_MAX_BYTES + 1];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok(copy, " ,>"); word; word = strtok(NULL, " ,>")) {
        int i = find_option(s, word);
        if (i < 0 || used[i] || count == n)
            return false;
        used[i] = true;
        picked[count++] = s->order[i];
    }
    if (count != n)
        return false;
    memcpy(s->order, picked, (size_t)n * sizeof picked[0]);
    return true;
}

static json_t *order_value(const struct session *s)
{
    json_t *ids = json_array();
    for (int i = 0; i < option_count(s); i++)
        json_array_append_new(ids, json_string(option_id(s, i)));
    return ids;
}

static void order_text(const struct session *s, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < option_count(s) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                                 view_text(json_array_get(options_of(s), (size_t)s->order[i]), "text", ""));
}

/* Reads the guess that stands on screen. On success s->guess and its echo are set. */
static bool read_guess(struct session *s)
{
    const struct step *step = session_here(s);
    const char *unit = view_text(step->rule, "unit", "");
    double value = s->place;
    json_t *json = NULL;
    char text[256] = "";
    if (strcmp(s->line.text, "-") == 0) {
        snprintf(text, sizeof text, "no idea");
        json = json_null();
    } else if (step->answer == ANSWER_NUMBER || (step->answer == ANSWER_PLACE && s->line.size > 0)) {
        if (!answer_read_number(s->line.text, unit, &value, text, sizeof text)) {
            snprintf(s->echo, sizeof s->echo, "%s", text);
            return false;
        }
        json = json_real(value);
    } else if (step->answer == ANSWER_PLACE) {
        view_format_unit(value, unit, text, sizeof text);
        json = json_real(value);
    } else if (step->answer == ANSWER_CHOICE) {
        int picked = s->line.size > 0 ? find_option(s, s->line.text) : s->focus;
        if (picked < 0) {
            snprintf(s->echo, sizeof s->echo, "there is no option '%.40s': type 1 to %d, or its id", s->line.text,
                     option_count(s));
            return false;
        }
        s->focus = picked;
        json = json_string(option_id(s, picked));
        snprintf(text, sizeof text, "%s", answer_option_text(step, option_id(s, picked)));
    } else if (step->answer == ANSWER_ORDER) {
        if (s->line.size > 0 && !read_order(s, s->line.text)) {
            snprintf(s->echo, sizeof s->echo, "type each of 1 to %d once, best first, like 2 1 3", option_count(s));
            return false;
        }
        json = order_value(s);
        order_text(s, text, sizeof text);
    }
    replace(&s->guess, json_pack("{s:o, s:s, s:s}", "value", json, "text", text, "raw", s->line.text));
    snprintf(s->echo, sizeof s->echo, "%s", text);
    return true;
}

/* --- committing --------------------------------------------------------------------------------------------------- */

static unsigned commit_failed(struct session *s, const char *why)
{
    snprintf(s->message, sizeof s->message, "not saved: %s; Enter tries again, k (:skip) goes on unsaved", why);
    s->phase = session_here(s)->kind == STEP_PREDICT && !json_is_null(json_object_get(s->guess, "value"))
        ? PHASE_SURE
        : PHASE_ANSWER;
    s->offered = true;
    s->commit_id = 0;
    return FX_DRAW;
}

/* Posts the record on which the step's commit hangs, and waits. */
static unsigned commit(struct session *s, struct outbox *out, const char *kind, json_t *payload)
{
    s->commit_id = post(s, out, kind, payload);
    if (!s->commit_id)
        return commit_failed(s, "the store is behind");
    s->phase = PHASE_SAVING;
    return FX_STORE | FX_DRAW;
}

static json_t *option_order(const struct session *s)
{
    const struct step *step = session_here(s);
    if (step->answer != ANSWER_CHOICE && step->answer != ANSWER_ORDER)
        return NULL;
    struct session shuffled = { .document = s->document, .learner_seed = s->learner_seed, .at = s->at };
    shuffle_options(&shuffled);
    return order_value(&shuffled);
}

static unsigned commit_prediction(struct session *s, struct outbox *out)
{
    char seed[17], rule[128];
    const struct step *step = session_here(s);
    seed_text(s, session_state_here(s)->attempt, seed);
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
    return commit(s, out, "prediction", payload);
}

/* Cells as typed, and how many are right. */
static json_t *cells_payload(const struct session *s, int *right, int *all)
{
    const json_t *columns = json_object_get(session_here(s)->json, "columns");
    const json_t *rows = json_object_get(session_here(s)->json, "rows");
    json_t *texts = json_array();
    size_t width = json_array_size(columns);
    *right = *all = 0;
    for (size_t r = 0; r < json_array_size(rows); r++)
        for (size_t c = 0; c < width && *all < MOST_CELLS; c++) {
            int pick = s->cells[r * width + c];
            json_t *text = json_array_get(json_object_get(json_array_get(columns, c), "choices"), (size_t)pick);
            const json_t *wanted = json_array_get(json_object_get(json_array_get(rows, r), "cells"), c);
            *right += json_equal(text, wanted) ? 1 : 0;
            ++*all;
            json_array_append(texts, text ? text : json_null());
        }
    return texts;
}

static unsigned commit_answer(struct session *s, struct outbox *out)
{
    json_t *payload = json_pack("{s:I}", "latency_ms", (json_int_t)(s->now - s->shown_at));
    if (session_here(s)->kind == STEP_FILL) {
        int right, all;
        json_object_set_new(payload, "cells", cells_payload(s, &right, &all));
        json_object_set_new(payload, "right", json_integer(right));
        json_object_set_new(payload, "of", json_integer(all));
    } else
        json_object_set_new(payload, "text", json_string(s->line.text));
    replace(&s->guess, json_copy(payload));
    if (json_object_get(session_here(s)->json, "card"))
        json_object_set(payload, "card", json_object_get(session_here(s)->json, "card"));
    return commit(s, out, "answer", payload);
}

/* A result record: what was shown, how the guess did, and the card that grows from it. */
static json_t *result_payload(const struct session *s, const json_t *outcome)
{
    const struct step *step = session_here(s);
    const json_t *stored = s->guess ? s->guess : session_state_here(s)->guess;
    const json_t *answer = json_object_get(outcome, "answer");
    json_t *guess = json_object_get(stored, "value"), *confidence = json_object_get(stored, "confidence");
    json_t *payload = json_object(), *kept = json_deep_copy(outcome), *card = json_object_get(step->json, "card");
    bool scored = guess && !json_is_null(guess), hit = answer_hit(step, guess, answer);
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

static unsigned reveal(struct session *s, struct outbox *out, const json_t *outcome)
{
    json_t *payload = result_payload(s, outcome);
    s->phase = PHASE_REVEALED;
    if (s->unsaved) {
        json_decref(payload);
        return FX_DRAW;
    }
    return post(s, out, "result", payload) ? FX_STORE | FX_DRAW : FX_DRAW;
}

/* The commit is durable, or the learner goes on without: what comes next. */
static unsigned committed(struct session *s, struct outbox *out)
{
    const struct step *step = session_here(s);
    s->commit_id = 0;
    s->offered = false;
    switch (step->kind) {
    case STEP_PREDICT:
        s->phase = PHASE_COMMITTED;
        return request_outcome(s, out);
    case STEP_RECALL:
        return advance(s, out);
    default:
        s->phase = PHASE_REVEALED;
        return FX_DRAW;
    }
}

/* The loop adds the local day, which hangs on the learner's time zone. */
static unsigned grade(struct session *s, struct outbox *out, bool good)
{
    return commit(s, out, "review", json_pack("{s:s, s:I, s:O}", "grade", good ? "good" : "again", "latency_ms",
                                              (json_int_t)(s->now - s->shown_at), "card",
                                              json_object_get(session_here(s)->json, "card")));
}

/* --- the store's and the lab's replies ---------------------------------------------------------------------------- */

static unsigned stored(struct session *s, const struct event *e, struct outbox *out)
{
    for (int i = 0; i < MOST_PENDING; i++) {
        struct pending *p = &s->pending[i];
        if (p->id == 0 || p->id != e->id)
            continue;
        apply(s, p->record, e->now);
        json_decref(p->record);
        *p = (struct pending){ 0 };
        return e->id == s->commit_id && s->phase == PHASE_SAVING ? committed(s, out) : 0;
    }
    return 0;
}

static unsigned not_stored(struct session *s, const struct event *e)
{
    for (int i = 0; i < MOST_PENDING; i++)
        if (s->pending[i].id != 0 && s->pending[i].id == e->id) {
            json_decref(s->pending[i].record);
            s->pending[i] = (struct pending){ 0 };
            if (e->id == s->commit_id)
                return commit_failed(s, e->text ? e->text : "the disk refused");
            snprintf(s->message, sizeof s->message, "not saved: %s", e->text ? e->text : "the disk refused");
            return FX_DRAW;
        }
    return 0;
}

static unsigned skip(struct session *s, struct outbox *out, const char *why)
{
    return post(s, out, "skip", json_pack("{s:s}", "why", why)) ? FX_STORE : 0;
}

static unsigned failed(struct session *s, const char *why)
{
    s->request_id = 0;
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
    bool first = s->phase == PHASE_COMMITTED && session_here(s)->kind == STEP_PREDICT && !session_state_here(s)->result;
    s->request_id = 0;
    replace(&s->shown, outcome_of(message));
    unsigned effects = FX_DRAW;
    if (first)
        effects = reveal(s, out, s->shown);
    else
        s->phase = PHASE_REVEALED;
    return s->stale ? effects | request_outcome(s, out) : effects;
}

static unsigned from_lab(struct session *s, const struct event *e, struct outbox *out)
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
    if (strcmp(type, "result") == 0)
        return result(s, e->message, out);
    if (strcmp(type, "given") == 0) {
        s->request_id = 0;
        replace(&s->given, json_incref(json_object_get(e->message, "blocks")));
        return FX_DRAW;
    }
    if (strcmp(type, "source") == 0) {
        s->request_id = 0;
        replace(&s->overlay, json_incref(json_object_get(e->message, "blocks")));
        return FX_DRAW;
    }
    if (strcmp(type, "problem") == 0)
        return failed(s, view_text(e->message, "text", "the lab could not compute this step"));
    return 0;
}

/* The lab is gone with our request. Ask the fresh one; a step that ends two labs is left unscored. */
static unsigned lab_lost(struct session *s, const struct event *e, struct outbox *out)
{
    if (!s->request_id)
        return 0;
    s->request_id = 0;
    s->losses++;
    const char *why = e->text ? e->text : "the lab ended";
    if (s->losses < LOSSES_TO_SKIP) {
        snprintf(s->message, sizeof s->message, "%s; a fresh lab computes again", why);
        return s->phase == PHASE_ANSWER ? FX_DRAW : request_outcome(s, out);
    }
    failed(s, "");
    snprintf(s->message, sizeof s->message, "%s; this step ended %d labs and is skipped, unscored", why, s->losses);
    return FX_DRAW | (s->phase == PHASE_FAILED ? skip(s, out, why) : 0);
}

/* --- knobs -------------------------------------------------------------------------------------------------------- */

static const json_t *knobs_of(const struct session *s)
{
    return json_object_get(session_here(s)->json, "knobs");
}

static bool knobs_open(const struct session *s)
{
    return s->phase == PHASE_REVEALED && json_array_size(knobs_of(s)) > 0;
}

/* The value after one turn: the next choice, a linear step, or a tenth of a decade rounded to two digits. */
static json_t *turned(const json_t *knob, const json_t *value, int direction)
{
    const json_t *choices = json_object_get(knob, "choices");
    if (choices) {
        size_t n = json_array_size(choices), at = 0;
        for (size_t i = 0; i < n; i++)
            if (json_equal(json_array_get(choices, i), value))
                at = i;
        at = direction > 0 ? (at + 1 < n ? at + 1 : at) : (at > 0 ? at - 1 : at);
        return json_incref(json_array_get(choices, at));
    }
    if (json_is_boolean(value))
        return json_boolean(direction > 0);
    double v = view_as_number(value), from = view_number(knob, "from", 0), to = view_number(knob, "to", 1);
    if (strcmp(view_text(knob, "scale", "linear"), "log") == 0 && v > 0) {
        double next = v * pow(10, direction * 0.1), unit = pow(10, floor(log10(next)) - 1);
        v = rint(next / unit) * unit;
    } else
        v += direction * view_number(knob, "step", (to - from) / 20);
    return json_real(fmin(fmax(v, from), to));
}

static unsigned knob_changed(struct session *s, struct outbox *out)
{
    s->explored = true;
    if (!s->request_id)
        return request_outcome(s, out);
    s->stale = true;
    return FX_DRAW;
}

static unsigned turn(struct session *s, struct outbox *out, int direction)
{
    const json_t *knob = json_array_get(knobs_of(s), (size_t)s->knob);
    const char *id = view_text(knob, "id", "");
    const json_t *old = json_object_get(s->knobs, id);
    json_t *value = turned(knob, old, direction);
    bool same = json_equal(value, (json_t *)(uintptr_t)old);
    /* The old request may still hold the map it was sent with. */
    replace(&s->knobs, json_copy(s->knobs));
    json_object_set_new(s->knobs, id, value);
    return same ? 0 : knob_changed(s, out);
}

/* "times=60": sets a knob by name. */
static unsigned set_knob(struct session *s, struct outbox *out, const char *text)
{
    char name[65] = "";
    const char *equals = text ? strchr(text, '=') : NULL;
    const json_t *knob = NULL;
    char *end;
    if (!knobs_open(s) || !equals || equals - text > 64) {
        snprintf(s->message, sizeof s->message, knobs_open(s) ? "write NAME=VALUE" : "no knobs here");
        return FX_DRAW | FX_BELL;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    for (size_t i = 0; i < json_array_size(knobs_of(s)); i++)
        if (strcmp(view_text(json_array_get(knobs_of(s), i), "id", ""), name) == 0)
            knob = json_array_get(knobs_of(s), i);
    if (!knob) {
        snprintf(s->message, sizeof s->message, "no knob '%s' here", name);
        return FX_DRAW | FX_BELL;
    }
    const json_t *choices = json_object_get(knob, "choices");
    json_t *value = NULL;
    for (size_t i = 0; i < json_array_size(choices); i++)
        if (strcmp(json_string_value(json_array_get(choices, i)), equals + 1) == 0)
            value = json_incref(json_array_get(choices, i));
    double number = strtod(equals + 1, &end);
    if (json_is_boolean(json_object_get(knob, "value")))
        value = json_boolean(strcmp(equals + 1, "true") == 0 || strcmp(equals + 1, "on") == 0);
    else if (!choices && end != equals + 1 && *end == '\0' && number >= view_number(knob, "from", -HUGE_VAL)
        && number <= view_number(knob, "to", HUGE_VAL))
        value = json_real(number);
    if (!value) {
        snprintf(s->message, sizeof s->message, "knob '%s' cannot be '%.40s'", name, equals + 1);
        return FX_DRAW | FX_BELL;
    }
    replace(&s->knobs, json_copy(s->knobs));
    json_object_set_new(s->knobs, name, value);
    return knob_changed(s, out);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

bool session_writing(const struct session *s)
{
    return s->phase == PHASE_ANSWER && session_here(s)->kind == STEP_EXPLAIN && !s->commanding;
}

bool session_typing(const struct session *s)
{
    return s->phase == PHASE_ANSWER && !s->overlay && (s->line.size > 0 || session_writing(s));
}

static unsigned move_item(struct session *s, int to)
{
    int n = option_count(s);
    if (to < 0 || to >= n)
        return FX_BELL;
    if (s->grabbed) {
        int t = s->order[s->focus];
        s->order[s->focus] = s->order[to];
        s->order[to] = t;
    }
    s->focus = to;
    return FX_DRAW;
}

static unsigned slide(struct session *s, int direction, int ticks)
{
    const json_t *rule = session_here(s)->rule;
    double from = view_number(rule, "from", 0), to = view_number(rule, "to", 1);
    if (strcmp(view_text(rule, "scale", "linear"), "log") == 0)
        s->place *= pow(to / from, direction * ticks / 100.0);
    else
        s->place += direction * ticks * view_number(rule, "tick", (to - from) / 60);
    s->place = fmin(fmax(s->place, from), to);
    line_clear(&s->line);
    s->echo[0] = '\0';
    return FX_DRAW;
}

static int cell_count(const struct session *s)
{
    size_t n = json_array_size(json_object_get(session_here(s)->json, "columns"))
             * json_array_size(json_object_get(session_here(s)->json, "rows"));
    return n < MOST_CELLS ? (int)n : MOST_CELLS;
}

/* Sets the focused cell from a digit or a choice's text, and goes on to the next one. */
static bool set_cell(struct session *s, const char *text)
{
    const json_t *columns = json_object_get(session_here(s)->json, "columns");
    size_t width = json_array_size(columns);
    const json_t *choices = json_object_get(json_array_get(columns, (size_t)s->focus % width), "choices");
    char *end;
    long n = strtol(text, &end, 10);
    int pick = -1;
    for (size_t i = 0; i < json_array_size(choices); i++)
        if (strcmp(json_string_value(json_array_get(choices, i)), text) == 0)
            pick = (int)i;
    if (pick < 0 && end != text && *end == '\0' && n >= 1 && n <= (long)json_array_size(choices))
        pick = (int)n - 1;
    if (pick < 0) {
        snprintf(s->echo, sizeof s->echo, "type 1 to %zu for this cell", json_array_size(choices));
        return false;
    }
    s->cells[s->focus] = pick;
    s->echo[0] = '\0';
    if (s->focus + 1 < cell_count(s))
        s->focus++;
    return true;
}

static int empty_cells(const struct session *s)
{
    int empty = 0;
    for (int i = 0; i < cell_count(s); i++)
        empty += s->cells[i] < 0;
    return empty;
}

static unsigned move_cell(struct session *s, int by)
{
    int to = s->focus + by;
    if (to < 0 || to >= cell_count(s))
        return FX_BELL;
    s->focus = to;
    return FX_DRAW;
}

/* Arrow keys and the space bar while a guess is being made. 0: the key is not one of these. */
static unsigned answer_key(struct session *s, uint32_t key)
{
    const struct step *step = session_here(s);
    int width = (int)json_array_size(json_object_get(step->json, "columns"));
    int side = key == KEY_CODE_RIGHT ? 1 : key == KEY_CODE_LEFT ? -1 : 0;
    int rise = key == KEY_CODE_DOWN ? 1 : key == KEY_CODE_UP ? -1 : 0;
    int page = key == KEY_CODE_CTRL_RIGHT ? 1 : key == KEY_CODE_CTRL_LEFT ? -1 : 0;
    if (step->answer == ANSWER_PLACE && (side || page))
        return side ? slide(s, side, 1) : slide(s, page, 10);
    if (step->answer == ANSWER_CHOICE && rise) {
        line_clear(&s->line);
        return move_item(s, s->focus + rise);
    }
    if (step->answer == ANSWER_ORDER && rise)
        return move_item(s, s->focus + rise);
    if (step->answer == ANSWER_ORDER && key == ' ' && s->line.size == 0) {
        s->grabbed = !s->grabbed;
        return FX_DRAW;
    }
    if (step->kind == STEP_FILL && (side || rise))
        return move_cell(s, side + rise * width);
    return 0;
}

static unsigned open_sure(struct session *s, struct outbox *out)
{
    if (!read_guess(s))
        return FX_DRAW | FX_BELL;
    if (json_is_null(json_object_get(s->guess, "value"))) {
        s->confidence = SURE_NONE;
        return commit_prediction(s, out);
    }
    s->phase = PHASE_SURE;
    return FX_DRAW;
}

static unsigned enter_answer(struct session *s, struct outbox *out)
{
    const struct step *step = session_here(s);
    if (step->kind == STEP_PREDICT)
        return open_sure(s, out);
    if (step->kind == STEP_RECALL) {
        s->phase = PHASE_GRADE;
        return FX_DRAW;
    }
    if (step->kind == STEP_FILL) {
        if (s->line.size > 0) {
            bool taken = set_cell(s, s->line.text);
            line_clear(&s->line);
            return taken ? FX_DRAW : FX_DRAW | FX_BELL;
        }
        if (empty_cells(s) > 0) {
            snprintf(s->echo, sizeof s->echo, "%d cells are still empty", empty_cells(s));
            return FX_DRAW | FX_BELL;
        }
        return commit_answer(s, out);
    }
    if (s->line.size == 0) {
        snprintf(s->echo, sizeof s->echo, "write a sentence first, or k to leave it for later");
        return FX_DRAW | FX_BELL;
    }
    return commit_answer(s, out);
}

static unsigned do_next(struct session *s, struct outbox *out)
{
    switch (s->phase) {
    case PHASE_READ: {
        unsigned effects = session_state_here(s)->seen || !post(s, out, "seen", json_object()) ? 0 : FX_STORE;
        return effects | advance(s, out);
    }
    case PHASE_ANSWER:
        return enter_answer(s, out);
    case PHASE_SURE:
        return s->offered ? commit_prediction(s, out) : FX_BELL;
    case PHASE_COMMITTED:
    case PHASE_FAILED:
        if (s->request_id)
            return FX_BELL;
        if (session_state_here(s)->skipped)
            return advance(s, out);
        s->phase = PHASE_COMMITTED;
        return request_outcome(s, out);
    case PHASE_REVEALED: {
        bool explore = session_here(s)->kind == STEP_EXPLORE && !session_state_here(s)->seen;
        unsigned effects = explore && post(s, out, "seen", json_object()) ? FX_STORE : 0;
        return effects | advance(s, out);
    }
    case PHASE_FINISHED:
        return FX_DONE;
    default:
        return FX_BELL;
    }
}

static unsigned do_hint(struct session *s, struct outbox *out)
{
    const json_t *hints = json_object_get(session_here(s)->json, "hints");
    if (s->phase != PHASE_ANSWER || (size_t)s->hints >= json_array_size(hints)) {
        snprintf(s->message, sizeof s->message, json_array_size(hints) ? "no more hints" : "no hints for this step");
        return FX_DRAW | FX_BELL;
    }
    s->hints++;
    return FX_DRAW | (post(s, out, "hint", json_pack("{s:i}", "n", s->hints)) ? FX_STORE : 0);
}

static unsigned do_skip(struct session *s, struct outbox *out)
{
    if (s->offered) { /* the store refused, and the learner goes on unsaved */
        s->unsaved = true;
        return committed(s, out);
    }
    if (s->phase != PHASE_ANSWER && s->phase != PHASE_COMMITTED && s->phase != PHASE_FAILED)
        return FX_BELL;
    unsigned effects = skip(s, out, "learner");
    return effects | advance(s, out);
}

static unsigned do_source(struct session *s, struct outbox *out)
{
    const json_t *kernels = json_object_get(json_object_get(s->shown, "provenance"), "kernels");
    const char *name = json_string_value(json_array_get(kernels, 0));
    if (s->phase != PHASE_REVEALED || !name || s->request_id) {
        snprintf(s->message, sizeof s->message, "no kernel computed this");
        return FX_DRAW | FX_BELL;
    }
    s->request_id = s->next_id++;
    out->request = json_pack("{s:s, s:I, s:s}", "type", "source", "id", (json_int_t)s->request_id, "function", name);
    return FX_LAB | FX_DRAW;
}

static unsigned do_again(struct session *s, struct outbox *out, bool new_seed)
{
    const struct step *step = session_here(s);
    if (s->phase != PHASE_REVEALED || s->request_id || (step->kind != STEP_PREDICT && step->kind != STEP_EXPLORE))
        return FX_BELL;
    s->again += new_seed;
    s->explored = s->explored || new_seed;
    return request_outcome(s, out);
}

/* A stored outcome again; or one that no lab has given yet, also when the step was skipped for that. */
static unsigned do_recompute(struct session *s, struct outbox *out)
{
    if ((s->phase != PHASE_COMMITTED && s->phase != PHASE_FAILED) || s->request_id)
        return do_again(s, out, false);
    s->phase = PHASE_COMMITTED;
    return request_outcome(s, out);
}

static unsigned do_reset(struct session *s, struct outbox *out)
{
    if (s->phase == PHASE_SAVING || s->phase == PHASE_FINISHED)
        return FX_BELL;
    s->commit_id = post(s, out, "retract", json_pack("{s:s}", "scope", "step"));
    if (!s->commit_id)
        return FX_BELL;
    s->phase = PHASE_SAVING;
    return FX_STORE | FX_DRAW;
}

static unsigned do_dive(struct session *s)
{
    const json_t *wanted = json_array_get(json_object_get(session_here(s)->json, "dives"), 0);
    const json_t *dives = json_object_get(document_json(s->document), "dives");
    size_t i;
    json_t *dive;
    json_array_foreach((json_t *)(uintptr_t)dives, i, dive)
        if (wanted && json_equal(json_object_get(dive, "id"), wanted)) {
            json_t *blocks = json_deep_copy(json_object_get(dive, "body"));
            json_array_insert_new(blocks, 0,
                                  json_pack("{s:s, s:s}", "view", "heading", "text", view_text(dive, "title", "")));
            replace(&s->overlay, blocks);
            return FX_DRAW;
        }
    snprintf(s->message, sizeof s->message, "no deep dive for this step");
    return FX_DRAW | FX_BELL;
}

static unsigned do_command(struct session *s, enum command command, const char *text, struct outbox *out)
{
    switch (command) {
    case COMMAND_NEXT:      return do_next(s, out);
    case COMMAND_HINT:      return do_hint(s, out);
    case COMMAND_SKIP:      return do_skip(s, out);
    case COMMAND_CODE:      return do_source(s, out);
    case COMMAND_AGAIN:     return do_again(s, out, true);
    case COMMAND_RECOMPUTE: return do_recompute(s, out);
    case COMMAND_RESET:     return do_reset(s, out);
    case COMMAND_DIVE:      return do_dive(s);
    case COMMAND_BACK:
        if (s->at == 0 || s->phase == PHASE_SAVING)
            return FX_BELL;
        if (s->phase == PHASE_FINISHED)
            return enter(s, s->at, out);
        {
            unsigned effects = session_draft(s, out);
            return effects | enter(s, s->at - 1, out);
        }
    case COMMAND_KNOB:
        if (text && *text)
            return set_knob(s, out, text);
        if (!knobs_open(s))
            return FX_BELL;
        s->knob = (s->knob + 1) % (int)json_array_size(knobs_of(s));
        return FX_DRAW;
    case COMMAND_NO_IDEA:
        if (s->phase != PHASE_ANSWER || session_here(s)->kind != STEP_PREDICT)
            return FX_BELL;
        line_set(&s->line, "-");
        snprintf(s->echo, sizeof s->echo, "no idea: Enter stores it, unscored");
        return FX_DRAW;
    default:
        return FX_BELL;
    }
}

static unsigned sure_key(struct session *s, uint32_t key, struct outbox *out)
{
    if (key >= '1' && key <= '4') {
        s->confidence = (int)(key - '1');
        return commit_prediction(s, out);
    }
    if (key == KEY_CODE_ESCAPE || key == KEY_CODE_BACKSPACE) {
        s->phase = PHASE_ANSWER;
        s->offered = false;
        return FX_DRAW;
    }
    enum command command = command_of_key(key);
    return command == COMMAND_NEXT || command == COMMAND_SKIP ? do_command(s, command, NULL, out) : FX_BELL;
}

static unsigned grade_key(struct session *s, uint32_t key, struct outbox *out)
{
    if (key == '1' || key == 'a')
        return grade(s, out, false);
    if (key == '2' || key == 'g')
        return grade(s, out, true);
    return FX_BELL;
}

/* What a line can hold before letters may follow: a number's start, or the digit of an option. */
static bool starts_text(const struct session *s, uint32_t key)
{
    if (session_writing(s))
        return key >= ' ' && key < KEY_CODE_ENTER;
    if (session_here(s)->kind == STEP_RECALL)
        return false;
    return (key >= '0' && key <= '9') || key == '.' || key == '+' ||
        (key == '-' && session_here(s)->answer != ANSWER_NONE);
}

static void refresh_echo(struct session *s)
{
    const struct step *step = session_here(s);
    double value;
    s->echo[0] = '\0';
    if (strcmp(s->line.text, "-") == 0)
        snprintf(s->echo, sizeof s->echo, "no idea: Enter stores it, unscored");
    else if (s->line.size > 0 && (step->answer == ANSWER_NUMBER || step->answer == ANSWER_PLACE)
             && answer_read_number(s->line.text, view_text(step->rule, "unit", ""), &value, s->echo, sizeof s->echo)
             && step->answer == ANSWER_PLACE)
        s->place = fmin(fmax(value, view_number(step->rule, "from", 0)), view_number(step->rule, "to", 1));
}

static unsigned type_key(struct session *s, uint32_t key)
{
    const struct step *step = session_here(s);
    if (!line_key(&s->line, key))
        return FX_BELL;
    int shown = step->answer == ANSWER_CHOICE ? find_option(s, s->line.text) : -1;
    if (shown >= 0)
        s->focus = shown;
    if (step->kind == STEP_FILL) {
        bool digit = s->line.size == 1 && s->line.text[0] >= '0' && s->line.text[0] <= '9';
        if (digit) {
            bool taken = set_cell(s, s->line.text);
            line_clear(&s->line);
            return taken ? FX_DRAW : FX_DRAW | FX_BELL;
        }
    }
    refresh_echo(s);
    return FX_DRAW;
}

static unsigned answer_phase_key(struct session *s, uint32_t key, struct outbox *out)
{
    unsigned effects = answer_key(s, key);
    if (effects)
        return effects;
    if (key == KEY_CODE_ESCAPE) {
        if (session_here(s)->kind == STEP_EXPLAIN)
            s->commanding = !s->commanding;
        else
            line_clear(&s->line);
        s->echo[0] = '\0';
        return FX_DRAW;
    }
    bool editing = key >= KEY_CODE_BACKSPACE && key <= KEY_CODE_CTRL_RIGHT;
    if (key != KEY_CODE_ENTER && (session_typing(s) || starts_text(s, key) || (editing && s->line.size > 0)))
        return s->commanding ? do_command(s, command_of_key(key), NULL, out) : type_key(s, key);
    return do_command(s, command_of_key(key), NULL, out);
}

static unsigned key_event(struct session *s, uint32_t key, struct outbox *out)
{
    if (s->overlay) {
        replace(&s->overlay, NULL);
        return FX_DRAW;
    }
    if (key == KEY_CODE_ESCAPE && s->request_id) {
        out->cancel = s->request_id;
        return FX_CANCEL | failed(s, "canceled; Enter computes again");
    }
    switch (s->phase) {
    case PHASE_SURE:   return sure_key(s, key, out);
    case PHASE_GRADE:  return grade_key(s, key, out);
    case PHASE_ANSWER: return answer_phase_key(s, key, out);
    default: break;
    }
    if (knobs_open(s) && (key == KEY_CODE_LEFT || key == KEY_CODE_RIGHT)) {
        s->knob = s->knob < 0 ? 0 : s->knob;
        return turn(s, out, key == KEY_CODE_RIGHT ? 1 : -1);
    }
    if (knobs_open(s) && key == KEY_CODE_BACKTAB) {
        int n = (int)json_array_size(knobs_of(s));
        s->knob = s->knob <= 0 ? n - 1 : s->knob - 1;
        return FX_DRAW;
    }
    return do_command(s, command_of_key(key), NULL, out);
}

static unsigned text_event(struct session *s, const char *text, struct outbox *out)
{
    if (s->phase == PHASE_GRADE && (strcmp(text, "again") == 0 || strcmp(text, "good") == 0))
        return grade(s, out, strcmp(text, "good") == 0);
    bool taken = s->phase == PHASE_ANSWER && session_here(s)->kind != STEP_RECALL
              && line_insert(&s->line, text, session_here(s)->kind == STEP_EXPLAIN);
    if (!taken)
        return FX_BELL;
    refresh_echo(s);
    return FX_DRAW;
}

/* --- the door ----------------------------------------------------------------------------------------------------- */

static unsigned feed(struct session *s, const struct event *e, struct outbox *out)
{
    bool was_reset = s->phase == PHASE_SAVING && s->commit_id && e->id == s->commit_id && e->kind == EVENT_STORED;
    switch (e->kind) {
    case EVENT_KEY:     return key_event(s, e->key, out);
    case EVENT_TEXT:    return text_event(s, e->text, out);
    case EVENT_COMMAND: return do_command(s, e->command, e->text, out);
    case EVENT_CONFIDENCE:
        if (s->phase == PHASE_SURE && e->confidence >= SURE_GUESS && e->confidence <= SURE_95)
            return sure_key(s, (uint32_t)('1' + e->confidence), out);
        return FX_BELL;
    case EVENT_STORED: {
        /* A stored reset starts the step over; every other commit goes on from where it was. */
        const json_t *record = NULL;
        for (int i = 0; was_reset && i < MOST_PENDING; i++)
            if (s->pending[i].id == e->id)
                record = s->pending[i].record;
        bool reset = record && strcmp(view_text(record, "kind", ""), "retract") == 0;
        if (reset)
            s->commit_id = 0;
        unsigned effects = stored(s, e, out);
        return reset ? effects | enter(s, s->at, out) : effects;
    }
    case EVENT_NOT_STORED: return not_stored(s, e);
    case EVENT_LAB:        return from_lab(s, e, out);
    case EVENT_LAB_LOST:   return lab_lost(s, e, out);
    case EVENT_RESIZE:     return FX_DRAW;
    case EVENT_DATA:
    case EVENT_TICK:       return 0;
    }
    return 0;
}

unsigned session_feed(struct session *s, const struct event *e, struct outbox *out)
{
    s->now = e->now > s->now ? e->now : s->now;
    if (e->kind == EVENT_KEY || e->kind == EVENT_TEXT || e->kind == EVENT_COMMAND)
        s->message[0] = '\0';
    unsigned effects = feed(s, e, out);
    return effects | ask_lab(s, out);
}

bool session_go(struct session *s, const char *step)
{
    int index = document_find(s->document, step);
    if (index < 0 || s->phase == PHASE_SAVING)
        return false;
    enter(s, index, NULL);
    return true;
}

int session_step(const struct session *s)
{
    return s->at;
}

bool session_busy(const struct session *s)
{
    return s->phase == PHASE_SAVING || s->request_id != 0;
}

enum session_wants session_wants(const struct session *s)
{
    switch (s->phase) {
    case PHASE_ANSWER: return session_here(s)->kind == STEP_RECALL ? WANTS_NOTHING : WANTS_LINE;
    case PHASE_SURE:   return WANTS_CONFIDENCE;
    case PHASE_GRADE:  return WANTS_GRADE;
    default:           return WANTS_NOTHING;
    }
}

struct session *session_new(const struct document *document, const char *learner_seed, long first_id)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->document = document;
    s->learner_seed = strdup(learner_seed);
    s->states = calloc((size_t)document_step_count(document), sizeof s->states[0]);
    s->next_id = first_id;
    if (!s->learner_seed || !s->states) {
        session_free(s);
        return NULL;
    }
    enter(s, 0, NULL);
    return s;
}

void session_restore(struct session *s, const json_t *records)
{
    size_t i;
    json_t *record;
    json_array_foreach((json_t *)(uintptr_t)records, i, record)
        if (!json_is_true(json_object_get(record, "retracted")))
            apply(s, record, (int64_t)json_integer_value(json_object_get(record, "utc")));
    int open = session_next_open(s), last = document_step_count(s->document) - 1;
    enter(s, open <= last ? open : last, NULL);
    if (open > last)
        s->phase = PHASE_FINISHED;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    for (int i = 0; s->states && i < document_step_count(s->document); i++)
        state_clear(&s->states[i]);
    for (int i = 0; i < MOST_PENDING; i++)
        json_decref(s->pending[i].record);
    json_decref(s->guess);
    json_decref(s->given);
    json_decref(s->shown);
    json_decref(s->knobs);
    json_decref(s->overlay);
    free(s->states);
    free(s->learner_seed);
    free(s);
}
