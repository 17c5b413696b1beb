/* recall.c: due cards, one at a time. See recall.h.
 * Reading order: which card and kind, records, what keys do, what the lab says, the view. */
#include "tutor/recall.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/line.h"
#include "engine/sha256.h"
#include "engine/shortanswer.h"
#include "engine/view.h"

enum kind { KIND_COVER, KIND_TYPED, KIND_LIVE, KIND_EXPLAIN };

/* ORDER KIND: as stored with a grade. */
static const char *const kind_names[] = { "cover", "typed", "live", "explain" };

enum phase { PHASE_ASKING, PHASE_COMPUTING, PHASE_BACK };

enum judged { JUDGED_NOT, JUDGED_WRONG, JUDGED_RIGHT };

enum { LIVE_EVERY = 3 }; /* a card whose step can be computed asks for the number every third time */

struct recall {
    const struct catalog *catalog;
    char                 *learner_seed;
    json_t               *cards;
    size_t                at;
    bool                  quick;      /* a few before a lesson: covered only */
    enum phase            phase;
    struct line           line;       /* what is being typed */
    char                  echo[256];
    bool                  commanding; /* Esc made letters commands where words are typed */
    enum judged           judged;
    char                  verdict[512];
    json_t               *outcome;    /* the lab's message */
    double                fraction;
    bool                  undoing;
    long                  next_id, saving, request;
    int64_t               now, shown_at;
    char                  last_uuid[64]; /* of the last grade, "" when there is none to take back */
    json_t               *next;       /* the store's reply once all were through, or NULL */
    char                  message[256];
};

/* --- which card, and how it is asked ------------------------------------------------------------------------------ */

static const json_t *card(const struct recall *r)
{
    return json_array_get(r->cards, r->at);
}

static int whole(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

/* The step that made the card, as the lesson has it now, or NULL. */
static const struct step *step_of(const struct recall *r, const json_t *c, const struct document **document)
{
    int lesson = r->catalog ? catalog_find(r->catalog, view_text(c, "lesson", "")) : -1;
    *document = lesson >= 0 ? catalog_document(r->catalog, lesson) : NULL;
    int step = *document ? document_find(*document, view_text(c, "step", "")) : -1;
    return step >= 0 ? document_step(*document, step) : NULL;
}

static bool computable(const struct recall *r, const json_t *c)
{
    const struct document *document;
    const struct step *step = step_of(r, c, &document);
    return step && step->kind == STEP_PREDICT && step->answer == ANSWER_NUMBER && step->live && !step->given_live
        && step->rev == whole(c, "rev");
}

static enum kind kind_of(const struct recall *r, const json_t *c)
{
    const json_t *text = json_object_get(c, "card");
    if (r->quick)
        return KIND_COVER;
    if (strcmp(view_text(text, "kind", ""), "explain") == 0)
        return KIND_EXPLAIN;
    bool turn = whole(c, "reviews") % LIVE_EVERY == LIVE_EVERY - 1 || view_flag(text, "live");
    if (turn && computable(r, c))
        return KIND_LIVE;
    return shortanswer_wanted(text) ? KIND_TYPED : KIND_COVER;
}

/* Every other time the question comes in other words, so that the idea is learned and not the sentence. A surprise was
 * asked in the lesson just before, so its first return has the other words. */
static const char *question(const json_t *c)
{
    bool odd = whole(c, "reviews") % 2 == 1, surprise = strcmp(view_text(c, "state", ""), "surprise") == 0;
    const char *again = view_text(c, "again", "");
    return odd != surprise && *again ? again : view_text(c, "front", "");
}

static void turn_to(struct recall *r, size_t at, int64_t now)
{
    r->at = at;
    r->phase = PHASE_ASKING;
    r->judged = JUDGED_NOT;
    r->commanding = false;
    r->echo[0] = r->verdict[0] = '\0';
    r->shown_at = now;
    line_clear(&r->line);
    json_decref(r->outcome);
    r->outcome = NULL;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static unsigned post(struct recall *r, struct outbox *out, const json_t *c, const char *kind, json_t *payload)
{
    r->saving = r->next_id++;
    out->record_id = r->saving;
    out->record = json_pack("{s:s, s:s, s:s, s:O, s:o}", "kind", kind, "lesson", view_text(c, "lesson", ""), "step",
                            view_text(c, "step", ""), "rev", json_object_get(c, "rev"), "payload", payload);
    return FX_STORE | FX_DRAW;
}

static unsigned grade(struct recall *r, struct outbox *out, bool good)
{
    const json_t *c = card(r);
    json_t *payload = json_pack("{s:s, s:I, s:s}", "grade", good ? "good" : "again", "latency_ms",
                                (json_int_t)(r->now - r->shown_at), "kind", kind_names[kind_of(r, c)]);
    if (r->line.size > 0)
        json_object_set_new(payload, "text", json_string(r->line.text));
    if (r->judged != JUDGED_NOT)
        json_object_set_new(payload, "right", json_boolean(r->judged == JUDGED_RIGHT));
    r->undoing = false;
    return post(r, out, c, "review", payload);
}

static unsigned undo(struct recall *r, struct outbox *out)
{
    if (!r->last_uuid[0] || r->at == 0)
        return FX_BELL;
    r->undoing = true;
    return post(r, out, json_array_get(r->cards, r->at - 1), "retract", json_pack("{s:s}", "target", r->last_uuid));
}

static unsigned stored(struct recall *r, const struct event *e)
{
    if (!r->saving || e->id != r->saving)
        return 0;
    r->saving = 0;
    snprintf(r->last_uuid, sizeof r->last_uuid, "%s", r->undoing || !e->text ? "" : e->text);
    turn_to(r, r->undoing ? r->at - 1 : r->at + 1, e->now);
    return FX_DRAW;
}

static unsigned not_stored(struct recall *r, const struct event *e)
{
    if (!r->saving || e->id != r->saving)
        return 0;
    r->saving = 0;
    snprintf(r->message, sizeof r->message, "not saved: %s; grade again to retry",
             e->text ? e->text : "the disk refused");
    return FX_DRAW;
}

/* --- the lab ------------------------------------------------------------------------------------------------------ */

/* A seed that neither the lesson nor an earlier recall of this card has used. */
static void seed_of(const struct recall *r, const json_t *c, char hex[17])
{
    char joined[512];
    uint8_t digest[SHA256_BYTES];
    int n = snprintf(joined, sizeof joined, "%.128s\n%.100s\n%.100s\nrecall %d", r->learner_seed,
                     view_text(c, "lesson", ""), view_text(c, "step", ""), whole(c, "reviews"));
    sha256_of(joined, (size_t)n, digest);
    for (int i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static json_t *knobs_of(const struct step *step)
{
    json_t *values = json_object(), *knob;
    size_t i;
    json_array_foreach(json_object_get(step->json, "knobs"), i, knob)
        json_object_set(values, view_text(knob, "id", ""), json_object_get(knob, "value"));
    return values;
}

static unsigned compute(struct recall *r, struct outbox *out)
{
    char seed[17];
    double value;
    const struct document *document;
    const struct step *step = step_of(r, card(r), &document);
    if (!answer_read_number(r->line.text, view_text(step->rule, "unit", ""), &value, r->echo, sizeof r->echo))
        return FX_DRAW | FX_BELL;
    seed_of(r, card(r), seed);
    r->request = r->next_id++;
    r->phase = PHASE_COMPUTING;
    r->fraction = 0;
    out->request = json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:{s:f, s:s}}", "type", "compute", "id",
                             (json_int_t)r->request, "lesson", document_sha256(document), "step", step->id, "seed",
                             seed, "knobs", knobs_of(step), "guess", "value", value, "text", r->echo);
    return FX_LAB | FX_DRAW;
}

static unsigned look(struct recall *r)
{
    r->phase = PHASE_BACK;
    r->request = 0;
    return FX_DRAW;
}

static unsigned look_because(struct recall *r, const char *why)
{
    snprintf(r->message, sizeof r->message, "%s; look and grade yourself", why);
    return look(r);
}

static unsigned from_lab(struct recall *r, const json_t *message)
{
    const char *type = view_text(message, "type", "");
    const struct document *document;
    const struct step *step = step_of(r, card(r), &document);
    double value = 0;
    if (!r->request || json_integer_value(json_object_get(message, "id")) != r->request || !step)
        return 0;
    if (strcmp(type, "progress") == 0) {
        r->fraction = view_number(message, "fraction", 0);
        return FX_DRAW;
    }
    const json_t *answer = json_object_get(message, "answer");
    if (strcmp(type, "result") != 0 || !answer_fits(step, answer) || isnan(view_as_number(answer)))
        return look_because(r, view_text(message, "text", "the lab could not compute this"));
    answer_read_number(r->line.text, view_text(step->rule, "unit", ""), &value, r->echo, sizeof r->echo);
    json_t *guess = json_real(value);
    r->judged = answer_hit(step, guess, answer) ? JUDGED_RIGHT : JUDGED_WRONG;
    answer_difference(step, guess, answer, r->verdict, sizeof r->verdict);
    json_decref(guess);
    r->outcome = json_deep_copy(message);
    return look(r);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static bool typed_kind(const struct recall *r)
{
    return !recall_finished(r) && r->phase == PHASE_ASKING && kind_of(r, card(r)) != KIND_COVER;
}

/* Words begin with letters, numbers do not: there letters are commands while the line is empty. */
static bool words_kind(const struct recall *r)
{
    const json_t *answer = json_object_get(json_object_get(card(r), "card"), "answer");
    return kind_of(r, card(r)) == KIND_EXPLAIN || (kind_of(r, card(r)) == KIND_TYPED && !json_is_number(answer));
}

/* Enter on the question: what was typed is judged, without it the back is shown. */
static unsigned answered(struct recall *r, struct outbox *out)
{
    const json_t *text = json_object_get(card(r), "card");
    if (!typed_kind(r) || r->line.size == 0 || strcmp(r->line.text, "-") == 0)
        return look(r);
    switch (kind_of(r, card(r))) {
    case KIND_LIVE: return compute(r, out);
    case KIND_TYPED:
        if (!shortanswer_read(text, r->line.text, r->echo, sizeof r->echo))
            return FX_DRAW | FX_BELL;
        r->judged = shortanswer_right(text, r->line.text) ? JUDGED_RIGHT : JUDGED_WRONG;
        shortanswer_verdict(text, r->line.text, r->verdict, sizeof r->verdict);
        return look(r);
    default: return look(r);
    }
}

static unsigned leave(struct recall *r, struct outbox *out)
{
    unsigned effects = r->request ? FX_CANCEL : 0;
    out->cancel = r->request ? r->request : out->cancel;
    r->request = 0;
    return effects | FX_DONE;
}

static unsigned type_key(struct recall *r, uint32_t k)
{
    if (!line_key(&r->line, k))
        return FX_BELL;
    r->echo[0] = '\0';
    if (r->line.size > 0 && kind_of(r, card(r)) == KIND_TYPED)
        shortanswer_read(json_object_get(card(r), "card"), r->line.text, r->echo, sizeof r->echo);
    return FX_DRAW;
}

static unsigned asking_key(struct recall *r, uint32_t k, struct outbox *out)
{
    if (k == KEY_CODE_ENTER || (k == ' ' && !typed_kind(r)))
        return answered(r, out);
    if (k == KEY_CODE_ESCAPE && words_kind(r)) {
        r->commanding = !r->commanding;
        return FX_DRAW;
    }
    if (k == KEY_CODE_ESCAPE) {
        line_clear(&r->line);
        r->echo[0] = '\0';
        return FX_DRAW;
    }
    return typed_kind(r) && !r->commanding ? type_key(r, k) : FX_BELL;
}

static unsigned back_key(struct recall *r, uint32_t k, struct outbox *out)
{
    if (k == KEY_CODE_ENTER && r->judged != JUDGED_NOT)
        return grade(r, out, r->judged == JUDGED_RIGHT);
    if (k == '1' || k == 'a' || k == '2' || k == 'g')
        return grade(r, out, k == '2' || k == 'g');
    return FX_BELL;
}

static unsigned key(struct recall *r, uint32_t k, struct outbox *out)
{
    bool letters = recall_typing(r) && k != KEY_CODE_ESCAPE;
    bool leaves = k == KEY_CODE_ESCAPE && r->line.size == 0 && !(typed_kind(r) && words_kind(r));
    if (r->phase == PHASE_COMPUTING && k == KEY_CODE_ESCAPE) {
        out->cancel = r->request;
        return FX_CANCEL | look_because(r, "canceled");
    }
    if (!letters && k == 'u' && r->phase != PHASE_COMPUTING)
        return undo(r, out);
    if (!letters && (k == 'q' || k == 'm' || leaves || (r->quick && k == 'k')))
        return leave(r, out);
    if (recall_finished(r))
        return k == KEY_CODE_ENTER ? FX_DONE : FX_BELL;
    return r->phase == PHASE_ASKING ? asking_key(r, k, out) : r->phase == PHASE_BACK ? back_key(r, k, out) : FX_BELL;
}

/* A line of plain mode, or a paste. A bare grade grades at once, whatever was asked. */
static unsigned text(struct recall *r, const char *t, struct outbox *out)
{
    bool graded = strcmp(t, "again") == 0 || strcmp(t, "good") == 0;
    if (graded && !recall_finished(r) && (r->phase == PHASE_BACK || (typed_kind(r) && r->line.size == 0)))
        return grade(r, out, strcmp(t, "good") == 0);
    bool taken = typed_kind(r) && line_insert(&r->line, t, kind_of(r, card(r)) == KIND_EXPLAIN);
    return taken ? FX_DRAW : FX_BELL;
}

static unsigned command(struct recall *r, enum command c, struct outbox *out)
{
    if (c == COMMAND_SKIP && !r->quick) { /* leave this card for later */
        if (recall_finished(r) || r->phase == PHASE_COMPUTING)
            return FX_BELL;
        turn_to(r, r->at + 1, r->now);
        r->last_uuid[0] = '\0';
        return FX_DRAW;
    }
    if (c == COMMAND_NEXT)
        return recall_finished(r)           ? FX_DONE
             : r->phase == PHASE_ASKING ? answered(r, out)
                                        : back_key(r, KEY_CODE_ENTER, out);
    if (c == COMMAND_UNDO)
        return r->phase == PHASE_COMPUTING ? FX_BELL : undo(r, out);
    return c == COMMAND_SKIP || c == COMMAND_MAP || c == COMMAND_QUIT ? leave(r, out) : FX_BELL;
}

static unsigned input(struct recall *r, const struct event *e, struct outbox *out)
{
    if (r->saving) /* a line of plain mode is followed by "next", which the grade has made needless */
        return e->kind == EVENT_KEY && e->key == 'q' ? FX_DONE : e->kind == EVENT_COMMAND ? 0 : FX_BELL;
    r->message[0] = '\0';
    switch (e->kind) {
    case EVENT_KEY:     return key(r, e->key, out);
    case EVENT_TEXT:    return text(r, e->text, out);
    case EVENT_COMMAND: return command(r, e->command, out);
    default:            return 0;
    }
}

unsigned recall_feed(struct recall *r, const struct event *e, struct outbox *out)
{
    r->now = e->now > r->now ? e->now : r->now;
    r->shown_at = r->shown_at ? r->shown_at : r->now;
    switch (e->kind) {
    case EVENT_STORED:     return stored(r, e);
    case EVENT_NOT_STORED: return not_stored(r, e);
    case EVENT_LAB:        return from_lab(r, e->message);
    case EVENT_LAB_LOST:   return r->request ? look_because(r, "the lab ended") : 0;
    case EVENT_KEY:
    case EVENT_TEXT:
    case EVENT_COMMAND:    return input(r, e, out);
    default:               return 0;
    }
}

/* --- the view ----------------------------------------------------------------------------------------------------- */

static void add(json_t *list, json_t *block)
{
    json_array_append_new(list, block);
}

static void add_prose(json_t *list, const char *words)
{
    add(list, json_pack("{s:s, s:s}", "view", "prose", "text", words));
}

static void add_note(json_t *list, const char *title, const char *words)
{
    add(list, json_pack("{s:s, s:s, s:s}", "view", "note", "title", title, "text", words));
}

static void add_key(json_t *keys, const char *name, const char *does)
{
    add(keys, json_pack("{s:s, s:s, s:s}", "key", name, "name", does, "help", does));
}

static json_t *keys(const struct recall *r)
{
    json_t *list = json_array();
    if (recall_finished(r))
        add_key(list, "Enter", r->quick ? "to the lesson" : "to the map");
    else if (r->phase == PHASE_COMPUTING)
        add_key(list, "Esc", "cancel");
    else if (r->phase == PHASE_BACK) {
        if (r->judged != JUDGED_NOT)
            add_key(list, "Enter", r->judged == JUDGED_RIGHT ? "good" : "again");
        add_key(list, "1", "again");
        add_key(list, "2", "good");
    } else
        add_key(list, "Enter", typed_kind(r) && r->line.size > 0 ? "answer" : "look");
    if (r->last_uuid[0] && !recall_typing(r))
        add_key(list, "u", "undo the grade");
    if (r->quick && !recall_finished(r))
        add_key(list, "k", "to the lesson");
    if (recall_typing(r))
        add_key(list, "Esc", words_kind(r) ? "commands" : "clear");
    else {
        if (typed_kind(r) && r->commanding)
            add_key(list, "Esc", "write on");
        add_key(list, "?", "help");
        add_key(list, "q", "quit");
    }
    return list;
}

static void add_question(const struct recall *r, json_t *body)
{
    const struct document *document;
    const struct step *step = step_of(r, card(r), &document);
    if (view_flag(card(r), "surprise") && strcmp(view_text(card(r), "state", ""), "surprise") == 0)
        add_prose(body, "You were sure here, and missed.");
    if (kind_of(r, card(r)) == KIND_LIVE) {
        json_array_extend(body, json_object_get(step->json, "ask"));
        add_prose(body, "The lab computes it with a seed that you have not seen.");
        return;
    }
    add(body, json_pack("{s:s, s:s}", "view", "heading", "text", question(card(r))));
    if (r->phase != PHASE_ASKING)
        return;
    if (kind_of(r, card(r)) == KIND_COVER)
        add_prose(body, "Say the answer to yourself, then look.");
    if (kind_of(r, card(r)) == KIND_EXPLAIN)
        add_prose(body, "Explain it to a colleague; then compare.");
}

static void add_live(const struct recall *r, json_t *body)
{
    const json_t *provenance = json_object_get(r->outcome, "provenance");
    const struct document *document;
    const struct step *step = step_of(r, card(r), &document);
    char number[64], words[256];
    double value = view_as_number(json_object_get(r->outcome, "answer"));
    if (!r->outcome || !step)
        return;
    view_format_unit(value, view_text(step->rule, "unit", ""), number, sizeof number);
    snprintf(words, sizeof words, "Computed now: %s, seed %.20s.", number,
             view_text(provenance, "seed", "of this card"));
    add_prose(body, words);
}

static void add_back(const struct recall *r, json_t *body)
{
    bool explain = kind_of(r, card(r)) == KIND_EXPLAIN;
    if (*r->verdict)
        add_prose(body, r->verdict);
    add_live(r, body);
    if (explain && r->line.size > 0)
        add_note(body, "You", r->line.text);
    add_note(body, explain ? "Ours" : "The card says", view_text(card(r), "back", ""));
    if (explain)
        add_prose(body, "What does ours say that yours does not? Grade what you had.");
}

/* When the next card comes, once all were through. */
static void add_end(const struct recall *r, json_t *body)
{
    const json_t *next = json_object_get(r->next, "next_due");
    int later = whole(json_object_get(r->next, "ahead"), "today");
    char words[200];
    add_prose(body, json_array_size(r->cards) ? "That is all that is due now." : "No cards are due now.");
    if (!json_is_string(next))
        return;
    if (later > 0)
        snprintf(words, sizeof words, "%d %s back later today.", later, later == 1 ? "card comes" : "cards come");
    else {
        int days = whole(r->next, "next_day") - whole(r->next, "today");
        snprintf(words, sizeof words, days == 1 ? "The next card comes tomorrow." : "The next card comes in %d days.",
                 days);
    }
    add_prose(body, words);
}

static void live_hint(const struct step *step, char *out, size_t size)
{
    char rule[128];
    const char *unit = view_text(step->rule, "unit", "");
    answer_rule_text(step, rule, sizeof rule);
    snprintf(out, size, "%s%s%s%s", *unit ? "in " : "", unit, *unit ? ", " : "", rule);
}

static json_t *dock(const struct recall *r)
{
    char hint[256] = "";
    json_t *blocks = json_array();
    if (recall_finished(r) || r->phase == PHASE_BACK || !(typed_kind(r) || r->phase == PHASE_COMPUTING))
        return blocks;
    if (r->phase == PHASE_COMPUTING) {
        add(blocks, json_pack("{s:s, s:s, s:f}", "view", "working", "label", "computing", "fraction", r->fraction));
        return blocks;
    }
    const struct document *document;
    const struct step *step = step_of(r, card(r), &document);
    bool explain = kind_of(r, card(r)) == KIND_EXPLAIN;
    if (kind_of(r, card(r)) == KIND_LIVE)
        live_hint(step, hint, sizeof hint);
    else if (explain)
        snprintf(hint, sizeof hint, "write it as you would say it, or only Enter to look");
    else
        shortanswer_hint(json_object_get(card(r), "card"), hint, sizeof hint);
    add(blocks, json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:s}", "view", "input", "label",
                          explain ? "in your words" : "your answer", "text", r->line.text, "echo", r->echo, "cursor",
                          (json_int_t)r->line.cursor, "multiline", explain, "hint", hint));
    return blocks;
}

json_t *recall_view(const struct recall *r)
{
    json_t *body = json_array();
    char where[64];
    size_t count = json_array_size(r->cards);
    snprintf(where, sizeof where, "card %zu of %zu", r->at + 1 > count ? count : r->at + 1, count);
    if (recall_finished(r))
        add_end(r, body);
    else {
        add_question(r, body);
        if (r->phase == PHASE_BACK)
            add_back(r, body);
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "title", r->quick ? "Before the lesson" : "Recall", "where",
                     count ? where : "", "body", body, "dock", dock(r), "status", r->saving ? "saving" : "", "message",
                     r->message, "keys", keys(r));
}

bool recall_busy(const struct recall *r) { return r->saving != 0 || r->phase == PHASE_COMPUTING; }
bool recall_finished(const struct recall *r) { return r->at >= json_array_size(r->cards); }

bool recall_typing(const struct recall *r)
{
    return typed_kind(r) && !r->commanding && (r->line.size > 0 || words_kind(r));
}

enum session_wants recall_wants(const struct recall *r)
{
    if (recall_finished(r))
        return WANTS_NOTHING;
    return r->phase == PHASE_BACK ? WANTS_GRADE : typed_kind(r) ? WANTS_LINE : WANTS_NOTHING;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

/* A card of today's lesson is no reminder of an earlier one. */
static bool is_older(const json_t *reply, const json_t *c)
{
    return whole(c, "reviews") > 0 || whole(c, "due_day") < whole(reply, "today");
}

int recall_before_lesson(const json_t *reply, int most)
{
    size_t i;
    json_t *c;
    int count = 0;
    json_array_foreach(json_object_get(reply, "cards"), i, c)
        count += is_older(reply, c);
    return count < most ? count : most;
}

static void take_cards(struct recall *r, const json_t *reply, int most)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(reply, "cards"), i, c)
        if (!most || (is_older(reply, c) && json_array_size(r->cards) < (size_t)most))
            json_array_append(r->cards, c);
}

void recall_refresh(struct recall *r, const json_t *reply)
{
    json_decref(r->next);
    r->next = json_incref((json_t *)(uintptr_t)reply);
    if (!recall_finished(r) || r->quick || r->last_uuid[0] == '\0' || !json_array_size(json_object_get(reply, "cards")))
        return;
    json_array_clear(r->cards);
    take_cards(r, reply, 0);
    r->last_uuid[0] = '\0';
    turn_to(r, 0, r->now);
}

struct recall *recall_new(const json_t *reply, const struct catalog *catalog, const char *learner_seed, long first_id,
                          int most)
{
    struct recall *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->catalog = catalog;
    r->learner_seed = strdup(learner_seed ? learner_seed : "");
    r->cards = json_array();
    r->next = json_incref((json_t *)(uintptr_t)reply);
    r->quick = most > 0;
    r->next_id = first_id;
    if (!r->learner_seed || !r->cards) {
        recall_free(r);
        return NULL;
    }
    take_cards(r, reply, most);
    return r;
}

void recall_free(struct recall *r)
{
    if (!r)
        return;
    json_decref(r->cards);
    json_decref(r->outcome);
    json_decref(r->next);
    free(r->learner_seed);
    free(r);
}
