/* loop.c: how a key travels: terminal -> event -> app_feed -> store and lab -> events -> app_view -> cells -> curses.
 * One thread. Nothing here decides anything about lessons; it draws once after everything that is waiting was fed. */
#include "tutor/loop.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tutor/actors.h"
#include "tutor/clip.h"
#include "tutor/draw.h"
#include "tutor/ending.h"
#include "tutor/screen.h"

struct loop {
    const struct options *options;
    struct app           *app;
    struct actors        *actors;
    struct canvas        *canvas;
    unsigned              effects; /* gathered since the last frame */
    char                  theme[32];
    bool                  mouse, ended;
};

/* --- acting ------------------------------------------------------------------------------------------------------- */

static void follow_settings(struct loop *l)
{
    const struct theme *theme = theme_find(app_theme(l->app));
    if (theme && strcmp(l->theme, theme_name(theme)) != 0) {
        snprintf(l->theme, sizeof l->theme, "%s", theme_name(theme));
        screen_theme(theme);
    }
    if (app_mouse(l->app) != l->mouse) {
        l->mouse = app_mouse(l->app);
        screen_mouse(l->mouse);
    }
}

static void act(struct loop *l, unsigned effects, struct outbox *out)
{
    char said[4200];
    actors_take(l->actors, effects, out);
    if (effects & FX_COPY) {
        char *text = canvas_dump(l->canvas);
        clip_copy(text ? text : "", said, sizeof said);
        app_say(l->app, said);
        free(text);
    }
    if (effects & FX_FILE && out->text) {
        clip_report("report", out->text, said, sizeof said);
        app_say(l->app, said);
    }
    free(out->text);
    l->effects |= effects;
    l->ended = l->ended || effects & FX_DONE;
    follow_settings(l);
}

static void feed(struct loop *l, struct event *e)
{
    struct outbox out = { 0 };
    e->now = options_now(l->options);
    act(l, app_feed(l->app, e, &out), &out);
}

/* --- the terminal ------------------------------------------------------------------------------------------------- */

static void wheel(struct loop *l, uint32_t key)
{
    struct event e = { .kind = EVENT_KEY, .key = key == KEY_CODE_UP ? KEY_CODE_PAGE_UP : KEY_CODE_PAGE_DOWN };
    feed(l, &e);
}

static void read_terminal(struct loop *l)
{
    struct screen_event s;
    while (!l->ended && screen_next(&s)) {
        struct event e = { .kind = EVENT_KEY, .key = s.key };
        switch (s.kind) {
        case SCREEN_KEY:
            feed(l, &e);
            break;
        case SCREEN_PASTE:
            e = (struct event){ .kind = EVENT_TEXT, .text = s.text };
            feed(l, &e);
            break;
        case SCREEN_RESIZE:
            e.kind = EVENT_RESIZE;
            screen_size(&e.width, &e.height);
            feed(l, &e);
            break;
        case SCREEN_WHEEL:
            wheel(l, s.key);
            break;
        case SCREEN_CLICK:
            break;
        case SCREEN_GONE:
            e = (struct event){ .kind = EVENT_COMMAND, .command = COMMAND_QUIT };
            feed(l, &e);
            l->ended = true;
            break;
        }
    }
}

static void read_actors(struct loop *l)
{
    struct event e;
    while (actors_next(l->actors, &e))
        feed(l, &e);
}

/* One frame: the view of the app as it is now. */
static void draw(struct loop *l)
{
    int width, height;
    struct draw_result result;
    screen_size(&width, &height);
    canvas_reset(l->canvas, width, height);
    struct draw_options options = { .ascii = l->options->ascii || screen_ascii(), .shades = screen_shades(),
                                    .scroll = app_scroll(l->app) };
    json_t *view = app_view(l->app);
    draw_view(view, l->canvas, &options, &result);
    json_decref(view);
    app_scroll_limit(l->app, result.content_height - result.body_height);
    screen_flush(l->canvas, result.cursor_x, result.cursor_y);
    l->effects = 0;
}

static bool wait_for(struct loop *l)
{
    struct pollfd fds[ACTORS_FDS + 2] = { { .fd = screen_fd(), .events = POLLIN },
                                          { .fd = screen_wake_fd(), .events = POLLIN } };
    int n = 2 + actors_fds(l->actors, fds + 2);
    return ending_poll(fds, (nfds_t)n, actors_timeout(l->actors));
}

static void begin(struct loop *l, const struct loop_start *start)
{
    struct outbox out = { 0 };
    unsigned effects;
    if (start->document) {
        if (start->path)
            actors_lesson(l->actors, start->document, start->path);
        effects = app_lesson(l->app, start->document, start->step, &out);
    } else
        effects = app_begin(l->app, start->place, &out);
    act(l, effects, &out);
}

int loop_run(const struct options *options, const struct catalog *catalog, const struct loop_start *start, char *error,
             size_t size)
{
    struct loop l = { .options = options };
    const struct theme *theme = theme_find(options->theme ? options->theme : theme_guess());
    struct screen_options screen = { .theme = theme, .color = screen_color_named(options->color) };
    l.actors = actors_open(options, catalog, error, size);
    if (!l.actors)
        return -1;
    if (!screen_open(&screen, error, size)) {
        actors_close(l.actors);
        return -1;
    }
    ending_take();
    l.app = app_new(catalog, options->seed);
    l.canvas = canvas_new(0, 0);
    if (l.app) {
        begin(&l, start);
        draw(&l);
        actors_warm(l.actors, start->document);
        while (!l.ended && !ending_came() && wait_for(&l)) {
            read_terminal(&l);
            read_actors(&l);
            if (l.effects & (FX_DRAW | FX_REDRAW) && !l.ended)
                draw(&l);
        }
    }
    if (l.app && !l.ended) { /* by a signal: leave as q does, so that a half-written explanation is kept */
        struct event quit = { .kind = EVENT_COMMAND, .command = COMMAND_QUIT };
        feed(&l, &quit);
    }
    screen_close();
    actors_close(l.actors);
    app_free(l.app);
    canvas_free(l.canvas);
    return 0;
}
