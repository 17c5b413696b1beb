/* recall.c: due cards, one at a time. See recall.h. */
#include "tutor/recall.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/view.h"

struct recall {
    json_t *cards;
    size_t  at;
    bool    shown;          /* the back */
    bool    undoing;
    long    next_id, saving;
    int64_t now, shown_at;
    char    last_uuid[64];  /* of the last grade, "" when there is none to take back */
    char    message[256];
};

static const json_t *card(const struct recall *r)
{
    return json_array_get(r->cards, r->at);
}

/* Every other time the question comes in other words, so that the idea is learned and not the sentence. */
static const char *question(const json_t *c)
{
    bool reworded = json_integer_value(json_object_get(c, "reviews")) % 2 == 1;
    const char *again = view_text(c, "again", "");
    return reworded && *again ? again : view_text(c, "front", "");
}

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
    json_t *payload = json_pack("{s:s, s:I, s:O*, s:{s:s, s:s, s:s}}", "grade", good ? "good" : "again", "latency_ms",
                                (json_int_t)(r->now - r->shown_at), "elapsed_days", json_object_get(c, "elapsed_days"),
                                "card", "front", view_text(c, "front", ""), "back", view_text(c, "back", ""), "again",
                                view_text(c, "again", ""));
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

static unsigned look(struct recall *r)
{
    r->shown = true;
    return FX_DRAW;
}

static unsigned stored(struct recall *r, const struct event *e)
{
    if (!r->saving || e->id != r->saving)
        return 0;
    r->saving = 0;
    if (r->undoing) {
        r->at--;
        r->last_uuid[0] = '\0';
    } else {
        r->at++;
        snprintf(r->last_uuid, sizeof r->last_uuid, "%s", e->text ? e->text : "");
    }
    r->shown = false;
    r->shown_at = e->now;
    return FX_DRAW;
}

static unsigned key(struct recall *r, uint32_t k, struct outbox *out)
{
    if (k == 'u')
        return undo(r, out);
    if (k == 'q' || k == KEY_CODE_ESCAPE || k == 'm')
        return FX_DONE;
    if (recall_finished(r))
        return k == KEY_CODE_ENTER ? FX_DONE : FX_BELL;
    if (!r->shown)
        return k == KEY_CODE_ENTER || k == ' ' ? look(r) : FX_BELL;
    if (k == '1' || k == 'a' || k == '2' || k == 'g')
        return grade(r, out, k == '2' || k == 'g');
    return FX_BELL;
}

unsigned recall_feed(struct recall *r, const struct event *e, struct outbox *out)
{
    r->now = e->now > r->now ? e->now : r->now;
    if (e->kind == EVENT_STORED)
        return stored(r, e);
    if (e->kind == EVENT_NOT_STORED && r->saving && e->id == r->saving) {
        r->saving = 0;
        snprintf(r->message, sizeof r->message, "not saved: %s; grade again to retry",
                 e->text ? e->text : "the disk refused");
        return FX_DRAW;
    }
    if (e->kind != EVENT_KEY && e->kind != EVENT_TEXT && e->kind != EVENT_COMMAND)
        return 0;
    if (r->saving)
        return e->kind == EVENT_KEY && e->key == 'q' ? FX_DONE : FX_BELL;
    r->message[0] = '\0';
    if (e->kind == EVENT_KEY)
        return key(r, e->key, out);
    if (e->kind == EVENT_TEXT && r->shown && (strcmp(e->text, "again") == 0 || strcmp(e->text, "good") == 0))
        return grade(r, out, strcmp(e->text, "good") == 0);
    if (e->kind == EVENT_COMMAND && e->command < COMMAND_COUNT)
        return key(r, command_table[e->command].key, out);
    return FX_BELL;
}

static void add_key(json_t *keys, const char *name, const char *does)
{
    json_array_append_new(keys, json_pack("{s:s, s:s, s:s}", "key", name, "name", does, "help", does));
}

static json_t *keys(const struct recall *r)
{
    json_t *list = json_array();
    if (recall_finished(r))
        add_key(list, "Enter", "to the map");
    else if (r->shown) {
        add_key(list, "1", "again tomorrow");
        add_key(list, "2", "good");
    } else
        add_key(list, "Enter", "look");
    if (r->last_uuid[0])
        add_key(list, "u", "undo the grade");
    add_key(list, "?", "help");
    add_key(list, "q", "quit");
    return list;
}

json_t *recall_view(const struct recall *r)
{
    json_t *body = json_array();
    char where[64];
    size_t count = json_array_size(r->cards);
    snprintf(where, sizeof where, "card %zu of %zu", r->at + 1 > count ? count : r->at + 1, count);
    if (recall_finished(r)) {
        json_array_append_new(body, json_pack("{s:s, s:s}", "view", "prose", "text",
                                              count ? "That is all that is due now." : "No cards are due now."));
    } else {
        const json_t *c = card(r);
        if (json_is_true(json_object_get(c, "surprise")))
            json_array_append_new(body,
                                  json_pack("{s:s, s:s}", "view", "prose", "text", "You were sure here, and missed."));
        json_array_append_new(body, json_pack("{s:s, s:s}", "view", "heading", "text", question(c)));
        json_array_append_new(
            body,
            r->shown ? json_pack("{s:s, s:s, s:s}", "view", "note", "title", "The card says", "text",
                                 view_text(c, "back", ""))
                     : json_pack("{s:s, s:s}", "view", "prose", "text", "Say the answer to yourself, then look."));
    }
    return json_pack("{s:s, s:s, s:o, s:[], s:s, s:s, s:o}", "title", "Recall", "where", count ? where : "", "body",
                     body, "dock", "status", r->saving ? "saving" : "", "message", r->message, "keys", keys(r));
}

bool recall_busy(const struct recall *r) { return r->saving != 0; }
bool recall_finished(const struct recall *r) { return r->at >= json_array_size(r->cards); }
bool recall_grading(const struct recall *r) { return r->shown && !recall_finished(r); }

struct recall *recall_new(const json_t *reply, long first_id)
{
    struct recall *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    const json_t *cards = json_object_get(reply, "cards");
    r->cards = json_is_array(cards) ? json_incref((json_t *)(uintptr_t)cards) : json_array();
    r->next_id = first_id;
    return r;
}

void recall_free(struct recall *r)
{
    if (r)
        json_decref(r->cards);
    free(r);
}
