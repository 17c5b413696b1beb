/* app.c: which screen is up, and what each key does there. See app.h.
 * Reading order: questions to the store, opening places, the menus, commands, the door. */
#include "tutor/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/view.h"
#include "tutor/app_state.h"
#include "tutor/search.h"
#include "tutor/theme.h"

static void replace(json_t **slot, json_t *value)
{
    json_t *old = *slot;
    *slot = value;
    json_decref(old);
}

/* --- questions to the store --------------------------------------------------------------------------------------- */

static void want(struct app *a, enum data data)
{
    a->asks |= 1u << data;
}

/* One question at a time: the next leaves when the last was answered. */
static unsigned ask_next(struct app *a, struct outbox *out)
{
    if (a->asking != DATA_NONE)
        return 0;
    for (enum data d = DATA_PROGRESS; d <= DATA_LESSON; d++)
        if (a->asks & 1u << d) {
            a->asks &= ~(1u << d);
            a->asking = d;
            a->asked = a->document;
            out->ask = d;
            out->ask_about = d == DATA_LESSON ? document_id(a->document) : "";
            return FX_ASK;
        }
    return 0;
}

/* --- opening places ----------------------------------------------------------------------------------------------- */

static unsigned go(struct app *a, enum place place)
{
    a->place = place;
    a->popup = POPUP_NONE;
    a->scroll = a->focus = 0;
    line_clear(&a->line);
    return FX_DRAW;
}

/* The map puts the focus on the lesson to go on with. */
static unsigned open_map(struct app *a)
{
    want(a, DATA_PROGRESS);
    want(a, DATA_CARDS);
    unsigned effects = go(a, PLACE_MAP);
    for (int i = 0; a->document && i < catalog_count(a->catalog); i++)
        if (catalog_document(a->catalog, i) == a->document)
            a->focus = i;
    return effects;
}

static void drop_recall(struct app *a)
{
    recall_free(a->recall);
    a->recall = NULL;
    a->warming = false;
}

static unsigned open_recall(struct app *a)
{
    drop_recall(a);
    want(a, DATA_CARDS);
    return go(a, PLACE_RECALL);
}

static unsigned open_stats(struct app *a)
{
    want(a, DATA_CALIBRATION);
    want(a, DATA_CARDS);
    want(a, DATA_PROGRESS);
    return go(a, PLACE_STATS);
}

static unsigned open_lesson(struct app *a, const struct document *document, const char *step)
{
    session_free(a->session);
    a->session = NULL;
    a->document = document;
    snprintf(a->wanted_step, sizeof a->wanted_step, "%s", step ? step : "");
    drop_recall(a);
    if (step)
        a->warmed = true;
    if (!a->warmed && !a->cards)
        want(a, DATA_CARDS);
    want(a, DATA_LESSON);
    return go(a, PLACE_OPENING);
}

/* Lets the step on screen ask the lab for its live facts. */
static unsigned tick(struct app *a, struct outbox *out)
{
    const struct event e = { .kind = EVENT_TICK, .now = a->now };
    return session_feed(a->session, &e, out);
}

/* At the start, and only where new material follows: a few cards of earlier days come first. */
static unsigned warm_up(struct app *a, unsigned effects)
{
    bool more = session_next_open(a->session) < document_step_count(a->document);
    int count = a->warmed || !more ? 0 : recall_before_lesson(a->cards, CARDS_BEFORE);
    a->warmed = true;
    if (!count)
        return effects;
    a->recall = recall_new(a->cards, a->catalog, a->learner_seed, a->next_base, count);
    a->next_base += IDS_A_SESSION;
    a->warming = a->recall != NULL;
    return a->warming ? effects | go(a, PLACE_RECALL) : effects;
}

/* The cards before the lesson are through, or the learner wants to go on. */
static unsigned end_warm_up(struct app *a)
{
    drop_recall(a);
    return go(a, PLACE_LESSON);
}

/* The stored events have come: the session starts where the learner left. */
static unsigned start_session(struct app *a, const json_t *records, struct outbox *out)
{
    a->session = session_new(a->document, a->learner_seed, a->next_base);
    a->next_base += IDS_A_SESSION;
    if (!a->session)
        return 0;
    session_restore(a->session, records);
    if (*a->wanted_step)
        session_go(a->session, a->wanted_step, NULL);
    const struct step *step = document_step(a->document, session_step(a->session));
    out->record_id = a->record_id++;
    out->record = json_pack("{s:s, s:s, s:s, s:i, s:{}}", "kind", "open", "lesson", document_id(a->document), "step",
                            step->id, "rev", step->rev, "payload");
    go(a, PLACE_LESSON);
    return warm_up(a, FX_STORE | FX_DRAW | tick(a, out));
}

static void take_settings(struct app *a, const json_t *settings)
{
    replace(&a->settings, json_incref((json_t *)(uintptr_t)settings));
    snprintf(a->theme, sizeof a->theme, "%s", view_text(settings, "theme", ""));
    a->mouse = strcmp(view_text(settings, "mouse", "off"), "on") == 0;
    if (!*a->learner_seed)
        snprintf(a->learner_seed, sizeof a->learner_seed, "%s", view_text(a->settings, "seed", ""));
}

static unsigned data_came(struct app *a, const struct event *e, struct outbox *out)
{
    json_t *data = e->message ? json_incref((json_t *)(uintptr_t)e->message) : json_object();
    unsigned effects = FX_DRAW;
    if (e->data == a->asking)
        a->asking = DATA_NONE;
    switch (e->data) {
    case DATA_PROGRESS:    replace(&a->progress, json_incref(data)); break;
    case DATA_CALIBRATION: replace(&a->calibration, json_incref(data)); break;
    case DATA_SETTINGS:    take_settings(a, data); break;
    case DATA_CARDS:
        replace(&a->cards, json_incref(data));
        if (a->place == PLACE_RECALL && !a->recall) {
            a->recall = recall_new(data, a->catalog, a->learner_seed, a->next_base, 0);
            a->next_base += IDS_A_SESSION;
        } else if (a->place == PLACE_RECALL)
            recall_refresh(a->recall, data);
        break;
    case DATA_LESSON:
        if (a->place == PLACE_OPENING && a->asked == a->document)
            effects |= start_session(a, data, out);
        break;
    default: break;
    }
    json_decref(data);
    return effects;
}

/* --- menus -------------------------------------------------------------------------------------------------------- */

int app_map_count(const struct app *a)
{
    return catalog_count(a->catalog);
}

static bool matches(const char *text, const char *filter)
{
    return !*filter || strcasestr(text, filter) != NULL;
}

int app_jump_items(const struct app *a, int *steps, int most)
{
    int count = 0;
    for (int i = 0; i < document_step_count(a->document) && count < most; i++) {
        const struct step *step = document_step(a->document, i);
        if (matches(step->id, a->line.text) || matches(view_text(step->json, "title", ""), a->line.text)
            || matches(document_part_title(a->document, step->part), a->line.text))
            steps[count++] = i;
    }
    return count;
}

static unsigned jump_to(struct app *a, int step, struct outbox *out)
{
    unsigned effects = session_draft(a->session, out);
    if (!session_go(a->session, document_step(a->document, step)->id, out)) {
        snprintf(a->message, sizeof a->message, "a guess is being saved");
        return effects | FX_DRAW | FX_BELL;
    }
    a->popup = POPUP_NONE;
    a->scroll = 0;
    return effects | FX_DRAW | (out->cancel ? FX_CANCEL : 0) | tick(a, out);
}

static int hits(const struct app *a, struct search_hit *list)
{
    return a->line.size ? search_dives(a->catalog, a->line.text, list, MOST_HITS) : 0;
}

/* Opens a deep dive; what a live one computes is asked of the lab and comes below its text. */
static unsigned open_dive(struct app *a, const struct search_hit *hit, struct outbox *out)
{
    a->dive = hit->dive;
    a->popup = POPUP_DIVE;
    a->scroll = 0;
    json_decref(a->dive_blocks);
    a->dive_blocks = NULL;
    a->dive_request = 0;
    if (!json_is_true(json_object_get(hit->dive, "live")))
        return FX_DRAW;
    a->dive_request = a->next_base++;
    out->request = json_pack("{s:s, s:I, s:s, s:O, s:s, s:{}, s:n}", "type", "compute", "id",
                             (json_int_t)a->dive_request, "lesson",
                             document_sha256(catalog_document(a->catalog, hit->lesson)), "step",
                             json_object_get(hit->dive, "id"), "seed", "0000000000000001", "knobs", "guess");
    return FX_DRAW | FX_LAB;
}

/* The lab's answer to it, or that there will be none. */
static unsigned dive_came(struct app *a, const struct event *e)
{
    const char *type = view_text(e->message, "type", "");
    if (e->kind == EVENT_LAB && strcmp(type, "result") != 0 && strcmp(type, "problem") != 0)
        return 0;
    a->dive_request = 0;
    json_decref(a->dive_blocks);
    a->dive_blocks = json_incref(json_object_get(e->message, "blocks"));
    return FX_DRAW;
}

static bool about_dive(const struct app *a, const struct event *e)
{
    const json_t *id = json_object_get(e->message, "id");
    bool here = e->kind == EVENT_LAB && json_is_integer(id) && json_integer_value(id) == a->dive_request;
    return a->dive_request && (here || e->kind == EVENT_LAB_LOST);
}

static unsigned pick(struct app *a, int item, struct outbox *out)
{
    int steps[128];
    struct search_hit found[MOST_HITS];
    if (a->popup == POPUP_JUMP)
        return item >= 0 && item < app_jump_items(a, steps, 128) ? jump_to(a, steps[item], out) : FX_BELL;
    if (a->place == PLACE_MAP)
        return item >= 0 && item < app_map_count(a) ? open_lesson(a, catalog_document(a->catalog, item), NULL)
                                                    : FX_BELL;
    if (a->place == PLACE_SEARCH && item >= 0 && item < hits(a, found))
        return open_dive(a, &found[item], out);
    return FX_BELL;
}

static int item_count(const struct app *a)
{
    int steps[128];
    struct search_hit found[MOST_HITS];
    if (a->popup == POPUP_JUMP)
        return app_jump_items(a, steps, 128);
    return a->place == PLACE_MAP ? app_map_count(a) : a->place == PLACE_SEARCH ? hits(a, found) : 0;
}

static bool filtering(const struct app *a)
{
    return a->popup == POPUP_JUMP || (a->place == PLACE_SEARCH && a->popup == POPUP_NONE);
}

/* Keys of a menu; a filter takes the printable ones. 0: not a menu's key. */
static unsigned menu_key(struct app *a, uint32_t key, struct outbox *out)
{
    int by = key == KEY_CODE_DOWN ? 1 : key == KEY_CODE_UP ? -1 : 0;
    if (by) {
        int to = a->focus + by;
        if (to < 0 || to >= item_count(a))
            return FX_BELL;
        a->focus = to;
        return FX_DRAW;
    }
    if (key == KEY_CODE_ENTER)
        return pick(a, a->focus, out);
    if (filtering(a) && line_key(&a->line, key)) {
        a->focus = 0;
        return FX_DRAW;
    }
    return 0;
}

/* A line of plain mode: the number of an item, the id of a lesson or a step, or words to search for. */
static unsigned menu_text(struct app *a, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end != text && *end == '\0') {
        a->focus = n >= 1 && n <= item_count(a) ? (int)n - 1 : a->focus;
        return n >= 1 && n <= item_count(a) ? FX_DRAW : FX_BELL;
    }
    if (a->place == PLACE_MAP && a->popup == POPUP_NONE) {
        int found = catalog_find(a->catalog, text);
        a->focus = found >= 0 ? found : a->focus;
        return found >= 0 ? FX_DRAW : FX_BELL;
    }
    if (!filtering(a))
        return FX_BELL;
    line_set(&a->line, text);
    a->focus = 0;
    return FX_DRAW;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static unsigned setting(struct app *a, struct outbox *out, const char *name, const char *value)
{
    if (out->record)
        return 0;
    out->record_id = a->record_id++;
    out->record =
        json_pack("{s:s, s:s, s:{s:s, s:s}}", "kind", "setting", "lesson", "", "payload", "name", name, "value", value);
    return FX_STORE;
}

static unsigned next_theme(struct app *a, struct outbox *out)
{
    int at = 0;
    while (at < THEME_COUNT - 1 && strcmp(theme_name(theme_at(at)), a->theme) != 0)
        at++;
    const char *next = theme_name(theme_at((at + 1) % THEME_COUNT));
    snprintf(a->theme, sizeof a->theme, "%s", next);
    snprintf(a->message, sizeof a->message, "theme %s", next);
    return FX_DRAW | FX_REDRAW | setting(a, out, "theme", next);
}

static unsigned toggle_mouse(struct app *a, struct outbox *out)
{
    a->mouse = !a->mouse;
    snprintf(a->message, sizeof a->message, a->mouse ? "mouse on: hold Shift to select text" : "mouse off");
    return FX_DRAW | setting(a, out, "mouse", a->mouse ? "on" : "off");
}

/* Everything that somebody needs to see the same: step, view with provenance, durable state. The log keeps that the
 * question was flagged, for `saffron class`. */
static unsigned report(struct app *a, struct outbox *out)
{
    if (a->place != PLACE_LESSON)
        return FX_BELL;
    const struct step *step = document_step(a->document, session_step(a->session));
    json_t *all = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "problem", "write here what is wrong", "lesson",
                            document_id(a->document), "step", step->id, "rev", step->rev, "view", app_view(a), "state",
                            session_durable(a->session));
    json_object_set_new(all, "lesson_sha256", json_string(document_sha256(a->document)));
    out->text = json_dumps(all, JSON_INDENT(2));
    json_decref(all);
    if (!out->text)
        return FX_BELL;
    out->record_id = a->record_id++;
    out->record = json_pack("{s:s, s:s, s:s, s:i, s:{s:s}}", "kind", "flag", "lesson", document_id(a->document), "step",
                            step->id, "rev", step->rev, "payload", "what", "problem");
    return FX_FILE | FX_STORE | FX_DRAW;
}

static unsigned toggle(struct app *a, enum popup popup)
{
    a->popup = a->popup == popup ? POPUP_NONE : popup;
    a->scroll = 0;
    if (popup == POPUP_JUMP || popup == POPUP_TENSOR)
        line_clear(&a->line);
    a->focus = popup == POPUP_JUMP && a->session ? session_step(a->session) : a->focus;
    return FX_DRAW;
}

/* Before a lesson is left: half-written words are kept. */
static unsigned leave(struct app *a, struct outbox *out)
{
    return a->place == PLACE_LESSON ? session_draft(a->session, out) : 0;
}

/* Commands of the app itself. 0: it is the session's. */
static unsigned command(struct app *a, enum command c, struct outbox *out)
{
    switch (c) {
    case COMMAND_MAP:    return leave(a, out) | open_map(a);
    case COMMAND_RECALL: return leave(a, out) | open_recall(a);
    case COMMAND_SEARCH: return leave(a, out) | go(a, PLACE_SEARCH);
    case COMMAND_STATS:  return leave(a, out) | open_stats(a);
    case COMMAND_THEME:  return next_theme(a, out);
    case COMMAND_MOUSE:  return toggle_mouse(a, out);
    case COMMAND_REDRAW: return FX_DRAW | FX_REDRAW;
    case COMMAND_HELP:   return toggle(a, POPUP_HELP);
    case COMMAND_COPY:
        snprintf(a->message, sizeof a->message, "copied as text");
        return FX_COPY | FX_DRAW;
    case COMMAND_REPORT: return report(a, out);
    case COMMAND_QUIT:   return leave(a, out) | FX_DONE;
    case COMMAND_JUMP:   return a->place == PLACE_LESSON ? toggle(a, POPUP_JUMP) : FX_BELL;
    default:             return 0;
    }
}

static unsigned session_does(struct app *a, const struct event *e, struct outbox *out)
{
    int before = session_step(a->session);
    bool overlaid = session_overlaid(a->session);
    unsigned effects = session_feed(a->session, e, out);
    if (session_step(a->session) != before || session_overlaid(a->session) != overlaid || effects & (FX_LAB | FX_STORE))
        a->scroll = 0;
    return effects & FX_DONE ? (effects & ~(unsigned)FX_DONE) | open_map(a) : effects;
}

static unsigned scroll_by(struct app *a, int lines)
{
    int to = a->scroll + lines;
    to = to > a->scroll_limit ? a->scroll_limit : to;
    to = to < 0 ? 0 : to;
    if (to == a->scroll)
        return FX_BELL;
    a->scroll = to;
    return FX_DRAW;
}

static int scroll_lines(uint32_t key)
{
    switch (key) {
    case KEY_CODE_DOWN:      return 1;
    case KEY_CODE_UP:        return -1;
    case KEY_CODE_PAGE_DOWN: return 10;
    case KEY_CODE_PAGE_UP:   return -10;
    default:                 return 0;
    }
}

/* --- recall ------------------------------------------------------------------------------------------------------- */

static unsigned recall_does(struct app *a, const struct event *e, struct outbox *out)
{
    bool before = recall_finished(a->recall);
    unsigned effects = recall_feed(a->recall, e, out);
    if (a->warming && (effects & FX_DONE || recall_finished(a->recall))) {
        bool quits = e->kind == EVENT_KEY && command_of_key(e->key) == COMMAND_QUIT && effects & FX_DONE;
        return quits ? effects : (effects & ~(unsigned)FX_DONE) | end_warm_up(a);
    }
    if (!before && recall_finished(a->recall))
        want(a, DATA_CARDS);
    return effects;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static bool typing(const struct app *a)
{
    return filtering(a) || a->popup == POPUP_TENSOR ||
           (a->place == PLACE_LESSON && a->popup == POPUP_NONE && session_typing(a->session));
}

/* The file and the tensor are typed; Enter runs the step on them. */
static unsigned tensor_key(struct app *a, uint32_t key, struct outbox *out)
{
    char typed[LINE_MAX_BYTES + 1];
    if (key != KEY_CODE_ENTER)
        return line_key(&a->line, key) ? FX_DRAW : FX_BELL;
    memcpy(typed, a->line.text, sizeof typed);
    a->popup = POPUP_NONE;
    const struct event e = { .kind = EVENT_COMMAND, .command = COMMAND_TENSOR, .text = typed };
    return FX_DRAW | session_does(a, &e, out);
}

static unsigned popup_key(struct app *a, const struct event *e, struct outbox *out)
{
    int lines = scroll_lines(e->key);
    if (e->key == KEY_CODE_ESCAPE)
        return toggle(a, a->popup);
    if (a->popup == POPUP_JUMP)
        return menu_key(a, e->key, out);
    if (a->popup == POPUP_TENSOR)
        return tensor_key(a, e->key, out);
    if (lines)
        return scroll_by(a, lines);
    if (e->key == 'q' || command_of_key(e->key) == COMMAND_HELP || e->key == KEY_CODE_ENTER)
        return toggle(a, a->popup);
    return FX_BELL;
}

static unsigned lesson_key(struct app *a, const struct event *e, struct outbox *out)
{
    unsigned effects = 0;
    if (!typing(a) && !session_overlaid(a->session)) {
        bool own = command_of_key(e->key) == COMMAND_TENSOR && session_takes_tensor(a->session);
        effects = own ? toggle(a, POPUP_TENSOR) : command(a, command_of_key(e->key), out);
    }
    if (effects)
        return effects;
    effects = session_does(a, e, out);
    int lines = scroll_lines(e->key);
    return effects == FX_BELL && lines ? scroll_by(a, lines) : effects;
}

static unsigned key(struct app *a, const struct event *e, struct outbox *out)
{
    if (e->key == 0x0c) /* Ctrl-L */
        return FX_DRAW | FX_REDRAW;
    if (a->popup != POPUP_NONE)
        return popup_key(a, e, out);
    if (a->place == PLACE_LESSON)
        return lesson_key(a, e, out);
    if (a->place == PLACE_RECALL && a->recall) {
        enum command c = command_of_key(e->key);
        if (!recall_typing(a->recall) && (c == COMMAND_HELP || c == COMMAND_THEME || c == COMMAND_COPY))
            return command(a, c, out);
        unsigned effects = recall_does(a, e, out);
        if (effects & FX_DONE)
            return e->key == 'q' ? effects : (effects & FX_CANCEL) | open_map(a);
        if (effects == FX_BELL && scroll_lines(e->key))
            return scroll_by(a, scroll_lines(e->key));
        a->scroll = effects & FX_DRAW ? 0 : a->scroll;
        return effects;
    }
    unsigned effects = menu_key(a, e->key, out);
    if (effects)
        return effects;
    if (e->key == KEY_CODE_ESCAPE)
        return a->place == PLACE_MAP ? FX_BELL : open_map(a);
    effects = typing(a) ? 0 : command(a, command_of_key(e->key), out);
    if (!effects && scroll_lines(e->key))
        effects = scroll_by(a, scroll_lines(e->key));
    return effects ? effects : FX_BELL;
}

static unsigned text(struct app *a, const struct event *e, struct outbox *out)
{
    if (a->popup == POPUP_NONE && a->place == PLACE_LESSON)
        return session_does(a, e, out);
    if (a->popup == POPUP_NONE && a->place == PLACE_RECALL && a->recall)
        return recall_does(a, e, out);
    if (a->popup == POPUP_TENSOR)
        return line_insert(&a->line, e->text, false) ? FX_DRAW : FX_BELL;
    return menu_text(a, e->text);
}

static unsigned named_command(struct app *a, const struct event *e, struct outbox *out)
{
    bool ours = a->warming && a->popup == POPUP_NONE && (e->command == COMMAND_SKIP || e->command == COMMAND_MAP);
    unsigned effects = ours ? 0 : command(a, e->command, out);
    if (effects)
        return effects;
    if (a->popup != POPUP_NONE || a->place == PLACE_MAP || a->place == PLACE_SEARCH) {
        if (e->command == COMMAND_NEXT)
            return pick(a, a->focus, out);
        return e->command == COMMAND_BACK ? (a->popup != POPUP_NONE ? toggle(a, a->popup) : open_map(a)) : FX_BELL;
    }
    if (a->place == PLACE_LESSON)
        return session_does(a, e, out);
    if (a->place == PLACE_RECALL && a->recall) {
        effects = recall_does(a, e, out);
        return effects & FX_DONE ? (effects & FX_CANCEL) | open_map(a) : effects;
    }
    return FX_BELL;
}

/* --- the door ----------------------------------------------------------------------------------------------------- */

static unsigned feed(struct app *a, const struct event *e, struct outbox *out)
{
    switch (e->kind) {
    case EVENT_KEY:     return key(a, e, out);
    case EVENT_TEXT:    return text(a, e, out);
    case EVENT_COMMAND: return named_command(a, e, out);
    case EVENT_DATA:    return data_came(a, e, out);
    case EVENT_RESIZE:  return FX_DRAW;
    default: {
        if (e->kind == EVENT_NOT_STORED && e->id == 0) /* a notice of the store */
            app_say(a, e->text);
        unsigned effects = about_dive(a, e) ? dive_came(a, e) : 0;
        if (a->session)
            effects |= a->place == PLACE_LESSON ? session_does(a, e, out) : session_feed(a->session, e, out);
        if (a->recall && !out->record)
            effects |= recall_does(a, e, out);
        return effects;
    }
    }
}

unsigned app_feed(struct app *a, const struct event *e, struct outbox *out)
{
    a->now = e->now > a->now ? e->now : a->now;
    if (e->kind == EVENT_KEY || e->kind == EVENT_TEXT || e->kind == EVENT_COMMAND)
        a->message[0] = '\0';
    unsigned effects = feed(a, e, out);
    if (out->record && !json_object_get(out->record, "lesson") && a->document)
        json_object_set_new(out->record, "lesson", json_string(document_id(a->document)));
    return effects | ask_next(a, out);
}

unsigned app_begin(struct app *a, enum app_start start, struct outbox *out)
{
    unsigned effects = start == APP_RECALL ? open_recall(a) : start == APP_STATS ? open_stats(a) : open_map(a);
    return effects | ask_next(a, out);
}

unsigned app_lesson(struct app *a, const struct document *document, const char *step, struct outbox *out)
{
    return open_lesson(a, document, step) | ask_next(a, out);
}

void app_say(struct app *a, const char *message)
{
    snprintf(a->message, sizeof a->message, "%s", message);
}

int app_scroll(const struct app *a) { return a->scroll; }
const char *app_theme(const struct app *a) { return a->theme; }
bool app_mouse(const struct app *a) { return a->mouse; }
const struct session *app_session(const struct app *a) { return a->place == PLACE_LESSON ? a->session : NULL; }

void app_scroll_limit(struct app *a, int lines)
{
    a->scroll_limit = lines < 0 ? 0 : lines;
    a->scroll = a->scroll > a->scroll_limit ? a->scroll_limit : a->scroll;
}

bool app_busy(const struct app *a)
{
    if (a->asking != DATA_NONE || a->asks || a->place == PLACE_OPENING)
        return true;
    if (a->place == PLACE_LESSON)
        return session_busy(a->session);
    return a->place == PLACE_RECALL && (!a->recall || recall_busy(a->recall));
}

bool app_recalling(const struct app *a)
{
    return a->place == PLACE_RECALL && a->popup == POPUP_NONE && a->recall && !recall_finished(a->recall);
}

bool app_warming(const struct app *a)
{
    return a->warming && a->place == PLACE_RECALL;
}

enum session_wants app_wants(const struct app *a)
{
    if (a->popup == POPUP_JUMP)
        return WANTS_LINE;
    if (a->popup != POPUP_NONE)
        return WANTS_NOTHING;
    if (a->place == PLACE_LESSON)
        return session_wants(a->session);
    if (a->place == PLACE_RECALL)
        return a->recall ? recall_wants(a->recall) : WANTS_NOTHING;
    return a->place == PLACE_MAP || a->place == PLACE_SEARCH ? WANTS_LINE : WANTS_NOTHING;
}

struct app *app_new(const struct catalog *catalog, const char *learner_seed)
{
    struct app *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->catalog = catalog;
    snprintf(a->learner_seed, sizeof a->learner_seed, "%s", learner_seed ? learner_seed : "");
    a->next_base = 1;
    a->record_id = 1L << 40;
    a->place = PLACE_MAP;
    want(a, DATA_SETTINGS);
    return a;
}

void app_free(struct app *a)
{
    if (!a)
        return;
    session_free(a->session);
    recall_free(a->recall);
    json_decref(a->progress);
    json_decref(a->cards);
    json_decref(a->calibration);
    json_decref(a->settings);
    json_decref(a->dive_blocks);
    free(a);
}
