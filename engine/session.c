/* session.c: the lesson state machine: entering a step, commands, keys, the door. See session.h.
 * What a record means is in session_record.c, a guess in session_answer.c, its commit in session_commit.c, the lab in
 * session_lab.c, knobs in session_knobs.c, the view in session_view.c. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/session_state.h"
#include "engine/view.h"

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
    session_set(&s->guess, NULL);
    session_set(&s->given, NULL);
    session_set(&s->overlay, NULL);
    session_first_trial(s, &s->trial);
    session_set_trial(&s->shown_trial, &s->trial);
    session_set(&s->shown, state->result ? json_incref(json_object_get(state->result, "outcome")) : NULL);
    s->echo[0] = '\0';
    s->request_id = s->commit_id = 0;
    s->focus = s->losses = s->source = s->dive = 0;
    s->knob = -1;
    s->bit = 0;
    s->grabbed = s->commanding = s->unsaved = s->offered = s->stale = false;
    s->hints = state->hints;
    s->shown_at = s->now;
    for (int i = 0; i < MOST_CELLS; i++)
        s->cells[i] = -1;
    if (step->answer == ANSWER_CHOICE || step->answer == ANSWER_ORDER)
        session_shuffle(s);
    if (step->answer == ANSWER_PLACE)
        s->place = session_middle(step->rule);
    s->phase = first_phase(s);
    return effects;
}

unsigned session_advance(struct session *s, struct outbox *out)
{
    if (s->at + 1 < document_step_count(s->document))
        return enter(s, s->at + 1, out);
    s->phase = PHASE_FINISHED;
    return FX_DRAW;
}

bool session_writing(const struct session *s)
{
    return s->phase == PHASE_ANSWER && session_here(s)->kind == STEP_EXPLAIN && !s->commanding;
}

bool session_typing(const struct session *s)
{
    return s->phase == PHASE_ANSWER && !s->overlay && !s->commanding && (s->line.size > 0 || session_writing(s));
}

static unsigned open_sure(struct session *s, struct outbox *out)
{
    if (!session_read_guess(s))
        return FX_DRAW | FX_BELL;
    if (json_is_null(json_object_get(s->guess, "value"))) {
        s->confidence = SURE_NONE;
        return session_commit_prediction(s, out);
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
            bool taken = session_set_cell(s, s->line.text);
            line_clear(&s->line);
            return taken ? FX_DRAW : FX_DRAW | FX_BELL;
        }
        if (session_empty_cells(s) > 0) {
            snprintf(s->echo, sizeof s->echo, "%d cells are still empty", session_empty_cells(s));
            return FX_DRAW | FX_BELL;
        }
        return session_commit_answer(s, out);
    }
    if (s->line.size == 0) {
        snprintf(s->echo, sizeof s->echo, "write a sentence first, or k to leave it for later");
        return FX_DRAW | FX_BELL;
    }
    return session_commit_answer(s, out);
}

static unsigned do_next(struct session *s, struct outbox *out)
{
    switch (s->phase) {
    case PHASE_READ: {
        unsigned effects = session_state_here(s)->seen || !session_post(s, out, "seen", json_object()) ? 0 : FX_STORE;
        return effects | session_advance(s, out);
    }
    case PHASE_ANSWER:
        return enter_answer(s, out);
    case PHASE_SURE:
        return s->offered ? session_commit_prediction(s, out) : FX_BELL;
    case PHASE_COMMITTED:
    case PHASE_FAILED:
        if (s->request_id)
            return FX_BELL;
        if (session_state_here(s)->skipped)
            return session_advance(s, out);
        s->phase = PHASE_COMMITTED;
        return session_request_outcome(s, out);
    case PHASE_REVEALED: {
        bool explore = session_here(s)->kind == STEP_EXPLORE && !session_state_here(s)->seen;
        unsigned effects = explore && session_post(s, out, "seen", json_object()) ? FX_STORE : 0;
        return effects | session_advance(s, out);
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
    return FX_DRAW | (session_post(s, out, "hint", json_pack("{s:i}", "n", s->hints)) ? FX_STORE : 0);
}

static unsigned do_skip(struct session *s, struct outbox *out)
{
    if (s->offered) { /* the store refused, and the learner goes on unsaved */
        s->unsaved = true;
        return session_committed(s, out);
    }
    if (s->phase != PHASE_ANSWER && s->phase != PHASE_COMMITTED && s->phase != PHASE_FAILED)
        return FX_BELL;
    unsigned effects = session_draft(s, out);
    effects |= session_skip(s, out, "learner");
    return effects | session_advance(s, out);
}

/* The source of the functions that computed the outcome, one after the other. */
static unsigned do_source(struct session *s, struct outbox *out)
{
    const json_t *kernels = json_object_get(json_object_get(s->shown, "provenance"), "kernels");
    size_t count = json_array_size(kernels);
    if (s->phase != PHASE_REVEALED || count == 0 || s->request_id) {
        snprintf(s->message, sizeof s->message, "no kernel computed this");
        return FX_DRAW | FX_BELL;
    }
    const char *name = json_string_value(json_array_get(kernels, (size_t)s->source++ % count));
    s->request_id = s->next_id++;
    s->expects = "source";
    out->request = json_pack("{s:s, s:I, s:s}", "type", "source", "id", (json_int_t)s->request_id, "function", name);
    return FX_LAB | FX_DRAW;
}

static unsigned do_again(struct session *s, struct outbox *out, bool new_seed)
{
    const struct step *step = session_here(s);
    if (s->phase != PHASE_REVEALED || s->request_id || (step->kind != STEP_PREDICT && step->kind != STEP_EXPLORE))
        return FX_BELL;
    s->trial.again += new_seed;
    return session_request_outcome(s, out);
}

bool session_takes_tensor(const struct session *s)
{
    const struct step *step = session_here(s);
    return s->phase == PHASE_REVEALED && !s->request_id && step->live &&
           (step->kind == STEP_PREDICT || step->kind == STEP_EXPLORE);
}

/* "FILE TENSOR", the last word being the tensor's name; a file alone has one tensor. Nothing: the step's own again. */
static json_t *own_tensor(const char *text)
{
    size_t n = strcspn(text, " ");
    const char *space = strrchr(text, ' ');
    if (!*text)
        return NULL;
    n = space ? (size_t)(space - text) : n;
    return json_pack("{s:s%, s:s}", "path", text, n, "tensor", space ? space + 1 : "");
}

/* The step once more on a tensor of the learner's own file: a look, which no record keeps. */
static unsigned do_tensor(struct session *s, const char *text, struct outbox *out)
{
    if (!session_takes_tensor(s)) {
        snprintf(s->message, sizeof s->message, "a tensor of your own comes after the reveal");
        return FX_DRAW | FX_BELL;
    }
    session_set(&s->trial.own, own_tensor(text ? text : ""));
    return session_request_outcome(s, out);
}

/* A stored outcome again; or one that no lab has given yet, also when the step was skipped for that. */
static unsigned do_recompute(struct session *s, struct outbox *out)
{
    if ((s->phase != PHASE_COMMITTED && s->phase != PHASE_FAILED) || s->request_id)
        return do_again(s, out, false);
    s->phase = PHASE_COMMITTED;
    return session_request_outcome(s, out);
}

/* A reply that came while a reset is being stored would reveal what is about to be forgotten. */
static unsigned drop_request(struct session *s, struct outbox *out)
{
    if (!s->request_id)
        return 0;
    out->cancel = s->request_id;
    s->request_id = 0;
    s->stale = false;
    return FX_CANCEL;
}

static unsigned do_reset(struct session *s, struct outbox *out)
{
    if (s->phase == PHASE_SAVING || s->phase == PHASE_FINISHED)
        return FX_BELL;
    return drop_request(s, out) | session_commit(s, out, "retract", json_pack("{s:s}", "scope", "step"));
}

/* Takes the last reset of this step back, as long as the step has not gone on since. */
static unsigned do_undo(struct session *s, struct outbox *out)
{
    bool going_on = false;
    for (int i = 0; i < MOST_PENDING; i++)
        going_on = going_on || strcmp(view_text(s->pending[i].record, "step", ""), session_here(s)->id) == 0;
    if (going_on || s->reset_at != s->at || !s->reset_uuid[0]
        || s->phase == PHASE_SAVING || s->phase == PHASE_FINISHED) {
        snprintf(s->message, sizeof s->message, "nothing to undo here");
        return FX_DRAW | FX_BELL;
    }
    return drop_request(s, out) | session_commit(s, out, "retract", json_pack("{s:s}", "target", s->reset_uuid));
}

/* A live dive is computed while its text is read, once no guess can depend on it; a request under way comes first. */
static unsigned ask_for_dive(struct session *s, const json_t *dive, struct outbox *out)
{
    bool open = s->phase == PHASE_READ || s->phase == PHASE_REVEALED;
    unsigned effects = 0;
    if (s->request_id && strcmp(s->expects, "dive") == 0) { /* of the dive before */
        out->cancel = s->request_id;
        s->request_id = 0;
        effects = FX_CANCEL;
    }
    if (!json_is_true(json_object_get(dive, "live")) || !open || s->request_id || out->request)
        return effects;
    json_array_append_new(s->overlay, json_pack("{s:s, s:s}", "view", "working", "label", "computing"));
    return effects | session_request_dive(s, view_text(dive, "id", ""), out);
}

/* The step's deep dives, one after the other. */
static unsigned do_dive(struct session *s, struct outbox *out)
{
    const json_t *ids = json_object_get(session_here(s)->json, "dives");
    size_t n = json_array_size(ids);
    const json_t *wanted = n ? json_array_get(ids, (size_t)s->dive++ % n) : NULL;
    const json_t *dives = json_object_get(document_json(s->document), "dives");
    size_t i;
    json_t *dive;
    json_array_foreach((json_t *)(uintptr_t)dives, i, dive)
        if (wanted && json_equal(json_object_get(dive, "id"), wanted)) {
            json_t *blocks = json_deep_copy(json_object_get(dive, "body"));
            json_array_insert_new(blocks, 0,
                                  json_pack("{s:s, s:s}", "view", "heading", "text", view_text(dive, "title", "")));
            session_set(&s->overlay, blocks);
            return FX_DRAW | ask_for_dive(s, dive, out);
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
    case COMMAND_TENSOR:    return do_tensor(s, text, out);
    case COMMAND_RECOMPUTE: return do_recompute(s, out);
    case COMMAND_RESET:     return do_reset(s, out);
    case COMMAND_UNDO:      return do_undo(s, out);
    case COMMAND_DIVE:      return do_dive(s, out);
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
            return session_set_knob(s, out, text);
        if (!session_knobs_open(s))
            return FX_BELL;
        s->knob = (s->knob + 1) % (int)json_array_size(session_knobs(s));
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
        return session_commit_prediction(s, out);
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
        return session_grade(s, out, false);
    if (key == '2' || key == 'g')
        return session_grade(s, out, true);
    return s->offered && command_of_key(key) == COMMAND_SKIP ? do_skip(s, out) : FX_BELL;
}

static unsigned answer_phase_key(struct session *s, uint32_t key, struct outbox *out)
{
    if (s->offered && command_of_key(key) == COMMAND_SKIP)
        return do_skip(s, out);
    unsigned effects = session_answer_key(s, key);
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
    if (key != KEY_CODE_ENTER && (session_typing(s) || session_starts_text(s, key) || (editing && s->line.size > 0)))
        return s->commanding ? do_command(s, command_of_key(key), NULL, out) : session_type_key(s, key);
    return do_command(s, command_of_key(key), NULL, out);
}

static unsigned key_event(struct session *s, uint32_t key, struct outbox *out)
{
    if (s->overlay && (key == KEY_CODE_UP || key == KEY_CODE_DOWN || key == KEY_CODE_PAGE_UP
                       || key == KEY_CODE_PAGE_DOWN))
        return FX_BELL;
    if (s->overlay) {
        session_set(&s->overlay, NULL);
        size_t dives = json_array_size(json_object_get(session_here(s)->json, "dives"));
        if (s->source > 0 && command_of_key(key) == COMMAND_CODE)
            return do_source(s, out);
        bool deeper = dives > 0 && (size_t)s->dive % dives > 0 && command_of_key(key) == COMMAND_DIVE;
        return deeper ? do_dive(s, out) : FX_DRAW;
    }
    if (key == KEY_CODE_ESCAPE && s->request_id) {
        out->cancel = s->request_id;
        return FX_CANCEL | session_failed(s, "canceled; Enter computes again");
    }
    switch (s->phase) {
    case PHASE_SURE:   return sure_key(s, key, out);
    case PHASE_GRADE:  return grade_key(s, key, out);
    case PHASE_ANSWER: return answer_phase_key(s, key, out);
    default: break;
    }
    if (session_knobs_open(s) && (key == KEY_CODE_LEFT || key == KEY_CODE_RIGHT)) {
        s->knob = s->knob < 0 ? 0 : s->knob;
        return session_turn(s, out, key == KEY_CODE_RIGHT ? 1 : -1);
    }
    if (session_flips(s) && key == ' ')
        return session_flip(s, out);
    if (session_knobs_open(s) && key == KEY_CODE_BACKTAB) {
        int n = (int)json_array_size(session_knobs(s));
        s->knob = s->knob <= 0 ? n - 1 : s->knob - 1;
        return FX_DRAW;
    }
    return do_command(s, command_of_key(key), NULL, out);
}

static unsigned text_event(struct session *s, const char *text, struct outbox *out)
{
    if (s->phase == PHASE_GRADE && (strcmp(text, "again") == 0 || strcmp(text, "good") == 0))
        return session_grade(s, out, strcmp(text, "good") == 0);
    bool taken = s->phase == PHASE_ANSWER && session_here(s)->kind != STEP_RECALL
              && line_insert(&s->line, text, session_here(s)->kind == STEP_EXPLAIN);
    if (!taken)
        return FX_BELL;
    session_echo(s);
    return FX_DRAW;
}

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
        unsigned effects = session_stored(s, e, out);
        return reset ? effects | enter(s, s->at, out) : effects;
    }
    case EVENT_NOT_STORED: return session_not_stored(s, e);
    case EVENT_LAB:        return session_from_lab(s, e, out);
    case EVENT_LAB_LOST:   return session_lab_lost(s, e, out);
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
    return effects | session_ask_lab(s, out) | session_send(s, out);
}

bool session_go(struct session *s, const char *step, struct outbox *out)
{
    int index = document_find(s->document, step);
    if (index < 0 || s->phase == PHASE_SAVING)
        return false;
    enter(s, index, out);
    return true;
}

int session_step(const struct session *s)
{
    return s->at;
}

bool session_overlaid(const struct session *s)
{
    return s->overlay != NULL;
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
    s->reset_at = -1;
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
            session_apply(s, record, (int64_t)json_integer_value(json_object_get(record, "utc")));
    /* What a reset took is in no record that was read: only the session that made it can take it back. */
    session_forget(&s->reset_state);
    s->reset_at = -1;
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
        session_forget(&s->states[i]);
    session_forget(&s->reset_state);
    for (int i = 0; i < MOST_PENDING; i++)
        json_decref(s->pending[i].record);
    json_decref(s->guess);
    json_decref(s->given);
    json_decref(s->shown);
    json_decref(s->trial.knobs);
    json_decref(s->trial.own);
    json_decref(s->asked.knobs);
    json_decref(s->asked.own);
    json_decref(s->shown_trial.knobs);
    json_decref(s->shown_trial.own);
    json_decref(s->overlay);
    free(s->states);
    free(s->learner_seed);
    free(s);
}
