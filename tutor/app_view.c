/* app_view.c: the app's screens as views: the map, help, jump, search, statistics. See app.h. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/view.h"
#include "tutor/app_state.h"
#include "tutor/search.h"
#include "tutor/stats.h"

static void add(json_t *list, json_t *block)
{
    json_array_append_new(list, block);
}

static void add_prose(json_t *list, const char *text)
{
    add(list, json_pack("{s:s, s:s}", "view", "prose", "text", text));
}

static void add_heading(json_t *list, const char *text)
{
    add(list, json_pack("{s:s, s:s}", "view", "heading", "text", text));
}

static void add_key(json_t *keys, enum command c, const char *name)
{
    char text[32];
    const struct command_info *info = &command_table[c];
    add(keys,
        json_pack("{s:s, s:s, s:s}", "key", command_key_name(info->key, text, sizeof text), "name",
                  name ? name : info->name, "help", info->help));
}

/* --- the map ------------------------------------------------------------------------------------------------------ */

static const json_t *lesson_progress(const json_t *progress, const char *id)
{
    size_t i;
    json_t *lesson;
    json_array_foreach(json_object_get(progress, "lessons"), i, lesson)
        if (strcmp(view_text(lesson, "lesson", ""), id) == 0)
            return lesson;
    return NULL;
}

static bool over(const json_t *steps, const char *id)
{
    const char *state = view_text(json_object_get(steps, id), "state", "open");
    return strcmp(state, "open") != 0 && strcmp(state, "committed") != 0;
}

/* Index of the first step that is not over, or the step count. */
static int first_open(const struct document *d, const json_t *lesson)
{
    const json_t *steps = json_object_get(lesson, "steps");
    int i = 0;
    while (i < document_step_count(d) && over(steps, document_step(d, i)->id))
        i++;
    return i;
}

void app_lesson_state(const struct document *d, const json_t *progress, char *out, size_t size)
{
    const json_t *lesson = lesson_progress(progress, document_id(d));
    int open = first_open(d, lesson);
    if (!lesson)
        snprintf(out, size, "not started");
    else if (open < document_step_count(d))
        document_place(d, open, out, size);
    else {
        int right = (int)json_integer_value(json_object_get(lesson, "hits"));
        int all = right + (int)json_integer_value(json_object_get(lesson, "misses"));
        snprintf(out, size, all ? "done · %d of %d right" : "done", right, all);
    }
}

static const char *lesson_glyph(const struct document *d, const json_t *progress)
{
    const json_t *lesson = lesson_progress(progress, document_id(d));
    return !lesson ? "new" : first_open(d, lesson) < document_step_count(d) ? "doing" : "done";
}

/* "2 cards due · continue step 3" */
static void map_where(const struct app *a, char *out, size_t size)
{
    int due = (int)json_integer_value(json_object_get(a->cards, "due"));
    const json_t *last = json_array_get(json_object_get(a->progress, "lessons"), 0);
    int index = last ? catalog_find(a->catalog, view_text(last, "lesson", "")) : -1;
    size_t used = 0;
    *out = '\0';
    if (due > 0)
        used = (size_t)snprintf(out, size, "%d %s due", due, due == 1 ? "card" : "cards");
    if (index < 0 || used >= size)
        return;
    const struct document *d = catalog_document(a->catalog, index);
    int open = first_open(d, last);
    char place[64];
    if (open >= document_step_count(d))
        return;
    document_place(d, open, place, sizeof place);
    const char *of = strstr(place, " of "); /* the map's corner has room for "step 3", not for how many there are */
    snprintf(out + used, size - used, "%scontinue %.*s", used ? " · " : "", (int)(of ? of - place : 0), place);
}

/* Whether every step of the lesson with this id is over. */
static bool is_done(const struct app *a, const char *id)
{
    int index = catalog_find(a->catalog, id);
    const json_t *lesson = lesson_progress(a->progress, id);
    const struct document *d = index >= 0 ? catalog_document(a->catalog, index) : NULL;
    return d && lesson && first_open(d, lesson) == document_step_count(d);
}

static bool leans_on(const struct document *d, const char *id)
{
    size_t i;
    json_t *need;
    json_array_foreach(json_object_get(document_json(d), "needs"), i, need)
        if (strcmp(json_string_value(need), id) == 0)
            return true;
    return false;
}

/* A lesson that was not begun says after which one it is meant, as long as that one is not done. */
static void note_needs(const struct app *a, const struct document *d, char *state, size_t size)
{
    const char *need = json_string_value(json_array_get(json_object_get(document_json(d), "needs"), 0));
    int index = need ? catalog_find(a->catalog, need) : -1;
    if (index >= 0 && !lesson_progress(a->progress, document_id(d)) && !is_done(a, need))
        snprintf(state, size, "after %s", document_title(catalog_document(a->catalog, index)));
}

/* What the lesson leans on, and what leans on it. */
static void add_neighbors(const struct app *a, json_t *body, const struct document *d)
{
    char text[1024];
    for (int way = 0; way < 2; way++) {
        size_t used = 0;
        for (int i = 0; i < catalog_count(a->catalog); i++) {
            const struct document *other = catalog_document(a->catalog, i);
            if (way ? !leans_on(other, document_id(d)) : !leans_on(d, document_id(other)))
                continue;
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s", used ? "; " : way
                                     ? "It prepares: " : "It leans on: ", document_title(other),
                                     way == 0 && is_done(a, document_id(other)) ? " (done)" : "");
            used = used < sizeof text ? used : sizeof text - 1;
        }
        if (used > 0) {
            snprintf(text + used, sizeof text - used, ".");
            add_prose(body, text);
        }
    }
}

static json_t *map(const struct app *a)
{
    json_t *items = json_array(), *keys = json_array(), *body = json_array();
    char where[160], state[96];
    const char *group = "";
    for (int i = 0; i < catalog_count(a->catalog); i++) {
        const struct document *d = catalog_document(a->catalog, i);
        const char *its = catalog_group(a->catalog, i);
        if (strcmp(its, group) != 0)
            add(items, json_pack("{s:s, s:s, s:b}", "id", "group", "text", its, "heading", 1));
        group = its;
        app_lesson_state(d, a->progress, state, sizeof state);
        note_needs(a, d, state, sizeof state);
        add(items,
            json_pack("{s:s, s:s, s:s, s:b, s:s}", "id", document_id(d), "text", document_title(d), "right", state,
                      "focused", i == a->focus, "state", lesson_glyph(d, a->progress)));
    }
    add(body,
        json_pack("{s:s, s:o, s:s}", "view", "menu", "items", items, "empty", "no lessons are installed: run make"));
    if (catalog_count(a->catalog) > a->focus) {
        char win[512];
        snprintf(win, sizeof win, "After it you can %s.",
                 view_text(document_json(catalog_document(a->catalog, a->focus)), "win", ""));
        add_prose(body, win);
        add_neighbors(a, body, catalog_document(a->catalog, a->focus));
    }
    map_where(a, where, sizeof where);
    add_key(keys, COMMAND_NEXT, "open");
    if (json_integer_value(json_object_get(a->cards, "due")) > 0)
        add_key(keys, COMMAND_RECALL, "recall");
    add_key(keys, COMMAND_SEARCH, "search");
    add_key(keys, COMMAND_STATS, "your calibration");
    add_key(keys, COMMAND_HELP, NULL);
    add_key(keys, COMMAND_QUIT, NULL);
    return json_pack("{s:s, s:s, s:o, s:[], s:s, s:s, s:o}", "title", "Saffron", "where", where, "body", body, "dock",
                     "status", "", "message", a->message, "keys", keys);
}

/* --- statistics --------------------------------------------------------------------------------------------------- */

static json_t *stats(const struct app *a)
{
    json_t *body = stats_blocks(a->calibration, a->cards), *keys = json_array();
    char text[256];
    add_heading(body, "Lessons");
    for (int i = 0; i < catalog_count(a->catalog); i++) {
        char state[96];
        app_lesson_state(catalog_document(a->catalog, i), a->progress, state, sizeof state);
        snprintf(text, sizeof text, "%s: %s.", document_title(catalog_document(a->catalog, i)), state);
        add_prose(body, text);
    }
    add_key(keys, COMMAND_MAP, "the map");
    add_key(keys, COMMAND_RECALL, "recall");
    add_key(keys, COMMAND_HELP, NULL);
    add_key(keys, COMMAND_QUIT, NULL);
    return json_pack("{s:s, s:s, s:o, s:[], s:s, s:s, s:o}", "title", "Your calibration", "where", "", "body", body,
                     "dock", "status", "", "message", a->message, "keys", keys);
}

/* --- search, jump, help ------------------------------------------------------------------------------------------- */

static json_t *filter(const struct app *a, const char *label, const char *hint)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s}", "view", "input", "label", label, "text", a->line.text, "cursor",
                     (json_int_t)a->line.cursor, "hint", hint);
}

static void escape_key(json_t *keys, const char *does)
{
    add(keys, json_pack("{s:s, s:s, s:s}", "key", "Esc", "name", does, "help", does));
}

static json_t *search(const struct app *a)
{
    struct search_hit found[MOST_HITS];
    int n = a->line.size ? search_dives(a->catalog, a->line.text, found, MOST_HITS) : 0;
    json_t *items = json_array(), *keys = json_array();
    for (int i = 0; i < n; i++)
        add(items, json_pack("{s:s, s:s, s:s, s:b}", "id", view_text(found[i].dive, "id", "dive"), "text",
                             view_text(found[i].dive, "title", ""), "right",
                             document_title(catalog_document(a->catalog, found[i].lesson)), "focused", i == a->focus));
    add_key(keys, COMMAND_NEXT, "read");
    escape_key(keys, "the map");
    return json_pack(
        "{s:s, s:s, s:[{s:s, s:o, s:s}], s:[o], s:s, s:s, s:o}", "title", "Search", "where", "deep dives", "body",
        "view", "menu", "items", items, "empty", a->line.size ? "nothing found: try fewer words" : "type words", "dock",
        filter(a, "find", "e4m3, salient channels, reranker"), "status", "", "message", a->message, "keys", keys);
}

static json_t *jump(const struct app *a)
{
    int steps[128], n = app_jump_items(a, steps, 128), part = -2;
    json_t *items = json_array();
    for (int i = 0; i < n; i++) {
        const struct step *step = document_step(a->document, steps[i]);
        if (step->part != part && *document_part_title(a->document, step->part))
            add(items,
                json_pack("{s:s, s:s, s:b}", "id", "part", "text", document_part_title(a->document, step->part),
                          "heading", 1));
        part = step->part;
        add(items,
            json_pack("{s:s, s:s, s:s, s:b}", "id", step->id, "text", view_text(step->json, "title", step->id), "right",
                      step_kind_names[step->kind], "focused", i == a->focus));
    }
    return json_pack("[o, {s:s, s:o, s:s}]", filter(a, "go to", "type to narrow the list"), "view", "menu", "items",
                     items, "empty", "no such step");
}

static json_t *help(void)
{
    json_t *rows = json_array();
    char key[32];
    for (int c = 0; c < COMMAND_COUNT; c++) {
        const struct command_info *info = &command_table[c];
        add(rows,
            json_pack("[s, s, s]", info->key ? command_key_name(info->key, key, sizeof key) : "Ctrl-L", info->name,
                      info->help));
    }
    return json_pack(
        "[{s:s, s:s}, {s:s, s:s}, {s:s, s:[s, s, s], s:o}]", "view", "heading", "text", "Keys", "view", "prose", "text",
        "A letter is a command while the input is empty. Arrows move, turn and scroll; Page Up and Page Down scroll; "
        "Esc goes back.",
        "view", "table", "columns", "key", "name", "what it does", "rows", rows);
}

static json_t *tensor(const struct app *a)
{
    return json_pack("[{s:s, s:s}, {s:s, s:s}, o]", "view", "heading", "text", "A tensor of your own", "view", "prose",
                     "text",
                     "This step once more, on a tensor of a .safetensors, .gguf or .npy file of yours in place of its "
                     "own. Nothing: its own again. 'saffron inspect FILE' lists what a file holds.",
                     filter(a, "file and tensor", "model.gguf blk.0.ffn_up.weight"));
}

static json_t *overlay(const struct app *a)
{
    switch (a->popup) {
    case POPUP_HELP: return help();
    case POPUP_JUMP: return jump(a);
    case POPUP_TENSOR: return tensor(a);
    case POPUP_DIVE: {
        json_t *blocks = json_deep_copy(json_object_get(a->dive, "body"));
        json_array_insert_new(blocks, 0,
                              json_pack("{s:s, s:s}", "view", "heading", "text", view_text(a->dive, "title", "")));
        json_array_extend(blocks, a->dive_blocks);
        if (a->dive_request)
            add(blocks, json_pack("{s:s, s:s}", "view", "working", "label", "computing"));
        return blocks;
    }
    default: return NULL;
    }
}

static json_t *opening(const struct app *a)
{
    return json_pack("{s:s, s:s, s:[], s:[{s:s, s:s}], s:s, s:s, s:[]}", "title",
                     a->document ? document_title(a->document) : "Saffron", "where", "", "body", "dock", "view",
                     "working", "label", "opening", "status", "", "message", a->message, "keys");
}

json_t *app_view(const struct app *a)
{
    json_t *view = NULL;
    switch (a->place) {
    case PLACE_LESSON:  view = session_view(a->session); break;
    case PLACE_RECALL:  view = a->recall ? recall_view(a->recall) : opening(a); break;
    case PLACE_MAP:     view = map(a); break;
    case PLACE_STATS:   view = stats(a); break;
    case PLACE_SEARCH:  view = search(a); break;
    case PLACE_OPENING: view = opening(a); break;
    }
    if (view && a->message[0])
        json_object_set_new(view, "message", json_string(a->message));
    if (view && a->popup != POPUP_NONE) {
        json_t *keys = json_array();
        if (a->popup == POPUP_JUMP)
            add_key(keys, COMMAND_NEXT, "go");
        if (a->popup == POPUP_TENSOR)
            add_key(keys, COMMAND_NEXT, "compute");
        escape_key(keys, "close");
        json_object_set_new(view, "overlay", overlay(a));
        json_object_set_new(view, "keys", keys);
    }
    return view;
}
