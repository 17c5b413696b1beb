/* fuzz_keys: any sequence of keys, texts, commands, sizes and answers of the store and the lab leaves a view that can
 * be drawn at any size.
 * An input is a byte an event; the app runs on the shipped lessons with a store and a lab that exist only here. */
#include <stdlib.h>
#include <string.h>

#include "tutor/app.h"
#include "tutor/draw.h"

#define REPLAY_CORPUS "tests/corpus/keys"
#include "tests/replay.h"

enum { MOST_EVENTS = 400, DRAW_EVERY = 8 };

struct world {
    struct app    *app;
    struct canvas *canvas;
    json_t        *request;     /* of the lab, or NULL */
    long           record_id;   /* of the store, 0: none waits */
    enum data      asked;
    int            width, height;
    int64_t        now;
    bool           left;
};

static const struct catalog *lessons(void)
{
    static struct catalog *catalog;
    char problem[512];
    const char *build = getenv("SAFFRON_BUILD");
    char data[4096];
    if (!catalog) {
        snprintf(data, sizeof data, "%s/data", build ? build : "build");
        setenv("SAFFRON_DATA", data, 0);
        catalog = catalog_load(problem, sizeof problem);
    }
    if (!catalog || catalog_count(catalog) == 0)
        abort();
    return catalog;
}

static void take(struct world *w, unsigned effects, struct outbox *out)
{
    if (out->record)
        w->record_id = out->record_id;
    if (out->request) {
        json_decref(w->request);
        w->request = out->request;
    }
    if (out->ask != DATA_NONE)
        w->asked = out->ask;
    json_decref(out->record);
    free(out->text);
    w->left = w->left || effects & FX_DONE;
}

static void feed(struct world *w, struct event e)
{
    struct outbox out = { 0 };
    e.now = w->now += 7;
    take(w, app_feed(w->app, &e, &out), &out);
}

static void draw(struct world *w, uint8_t byte)
{
    struct draw_options options = { .ascii = byte & 1, .shades = byte & 2, .scroll = app_scroll(w->app) };
    struct draw_result result;
    json_t *view = app_view(w->app);
    if (!view)
        abort();
    canvas_reset(w->canvas, w->width, w->height);
    draw_view(view, w->canvas, &options, &result);
    app_scroll_limit(w->app, result.content_height - result.body_height);
    json_decref(view);
}

static void answer_store(struct world *w, bool ok)
{
    if (w->asked != DATA_NONE) {
        json_t *nothing = w->asked == DATA_LESSON ? json_array() : json_object();
        struct event e = { .kind = EVENT_DATA, .data = w->asked, .message = nothing };
        w->asked = DATA_NONE;
        feed(w, e);
        json_decref(nothing);
        return;
    }
    struct event e = { .kind = ok ? EVENT_STORED : EVENT_NOT_STORED, .id = w->record_id, .text = "uuid" };
    w->record_id = 0;
    feed(w, e);
}

static void answer_lab(struct world *w, uint8_t byte)
{
    if (!w->request)
        return;
    json_t *id = json_object_get(w->request, "id"), *message;
    if (byte & 1)
        message = json_pack("{s:s, s:O, s:s}", "type", "problem", "id", id, "text", "it went wrong");
    else
        message = json_pack("{s:s, s:O, s:o, s:[{s:s, s:s}]}", "type", "result", "id", id, "answer",
                            byte & 2 ? json_real(byte) : json_string("ordinary"), "blocks", "view", "prose", "text",
                            "an outcome");
    json_decref(w->request);
    w->request = NULL;
    feed(w, (struct event){ .kind = EVENT_LAB, .message = message });
    json_decref(message);
}

static void step(struct world *w, uint8_t byte)
{
    static const char *const texts[] = { "50", "2 1 3 4", "again", "good", "\xff\x1b[2J", "e4m3", "1", "60 %" };
    if (byte < 0x20)
        feed(w, (struct event){ .kind = EVENT_KEY, .key = KEY_CODE_ENTER + byte % 16 });
    else if (byte < 0x80)
        feed(w, (struct event){ .kind = EVENT_KEY, .key = byte });
    else if (byte < 0x98)
        answer_store(w, byte != 0x80);
    else if (byte < 0xb0)
        answer_lab(w, byte);
    else if (byte < 0xb8)
        feed(w, (struct event){ .kind = EVENT_TEXT, .text = texts[byte & 7] });
    else if (byte < 0xd0)
        feed(w, (struct event){ .kind = EVENT_COMMAND, .command = (enum command)((byte - 0xb8) % COMMAND_COUNT),
                                .text = byte & 1 ? "times=3" : NULL });
    else if (byte < 0xd8)
        feed(w, (struct event){ .kind = EVENT_CONFIDENCE, .confidence = byte & 3 });
    else if (byte == 0xd8) {
        json_decref(w->request);
        w->request = NULL;
        feed(w, (struct event){ .kind = EVENT_LAB_LOST, .text = "the lab ended" });
    } else {
        w->width = (byte & 7) * (byte & 7) * 5;
        w->height = (byte >> 3 & 7) * 9 + 1;
        feed(w, (struct event){ .kind = EVENT_RESIZE, .width = w->width, .height = w->height });
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct world w = { .width = 80, .height = 24, .now = 1000 };
    struct outbox out = { 0 };
    w.app = app_new(lessons(), "seed");
    w.canvas = canvas_new(80, 24);
    if (bytes > 0 && data[0] & 1)
        take(&w, app_begin(w.app, (enum app_start)(data[0] >> 1) % 3, &out), &out);
    else
        take(&w, app_lesson(w.app, catalog_document(lessons(), 0), NULL, &out), &out);
    for (size_t i = 0; i < bytes && i < MOST_EVENTS && !w.left; i++) {
        step(&w, data[i]);
        if (i % DRAW_EVERY == 0)
            draw(&w, data[i]);
    }
    draw(&w, 0);
    json_decref(w.request);
    app_free(w.app);
    canvas_free(w.canvas);
    return 0;
}
