/* jobscreen.c: see jobscreen.h. The screen redraws when a message, a key or a new size has come. */
#include "tutor/jobscreen.h"

#include <stdio.h>
#include <string.h>

#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/draw.h"
#include "tutor/ending.h"
#include "tutor/screen.h"

enum {
    FRAME_ROWS = 6,  /* what header, status and footer take of a screen */
    WHEEL_LINES = 3,
};

struct loop {
    const struct options *options;
    struct actors        *actors;
    struct jobface       *face;
    struct canvas        *canvas;
    int                   scroll, page, limit, rows;
    bool                  left;
};

bool jobface_failed(const json_t *message)
{
    return strcmp(view_text(message, "type", ""), "problem") == 0;
}

json_t *jobface_working(const struct jobface *face)
{
    return json_pack("{s:s, s:s, s:f}", "view", "working", "label", *face->label ? face->label : "starting", "fraction",
                     face->fraction);
}

static void draw(struct loop *loop)
{
    int width, height;
    struct draw_result result;
    struct draw_options options = { .ascii = loop->options->ascii || screen_ascii(), .shades = screen_shades(),
                                    .scroll = loop->scroll };
    screen_size(&width, &height);
    loop->rows = height > FRAME_ROWS ? height - FRAME_ROWS : 1;
    json_t *view = loop->face->view(loop->face, loop->rows);
    canvas_reset(loop->canvas, width, height);
    draw_view(view, loop->canvas, &options, &result);
    json_decref(view);
    loop->page = result.body_height > 1 ? result.body_height - 1 : 1;
    loop->limit = result.content_height - result.body_height;
    loop->scroll = result.scroll;
    screen_flush(loop->canvas, result.cursor_x, result.cursor_y);
}

static void scroll_to(struct loop *loop, int line)
{
    loop->scroll = line > loop->limit ? loop->limit : line;
    loop->scroll = loop->scroll < 0 ? 0 : loop->scroll;
}

static void scroll_by_key(struct loop *loop, uint32_t key)
{
    switch (key) {
    case KEY_CODE_DOWN:
    case 'j':                scroll_to(loop, loop->scroll + 1); break;
    case KEY_CODE_UP:
    case 'k':                scroll_to(loop, loop->scroll - 1); break;
    case KEY_CODE_PAGE_DOWN:
    case ' ':                scroll_to(loop, loop->scroll + loop->page); break;
    case KEY_CODE_PAGE_UP:   scroll_to(loop, loop->scroll - loop->page); break;
    case KEY_CODE_HOME:      scroll_to(loop, 0); break;
    case KEY_CODE_END:       scroll_to(loop, loop->limit); break;
    default:                 break;
    }
}

static void ask(struct loop *loop, const json_t *open)
{
    struct jobface *face = loop->face;
    face->fraction = 0;
    face->id = actors_begin(loop->actors, face->request, open, face->error, sizeof face->error);
    loop->left = loop->left || !face->id;
}

static void act(struct loop *loop, unsigned effects, uint32_t key)
{
    struct outbox out = { .cancel = loop->face->id };
    if (effects & JOBFACE_SCROLL)
        scroll_by_key(loop, key);
    if (effects & JOBFACE_TOP)
        loop->scroll = 0;
    if (effects & JOBFACE_CANCEL && loop->face->id)
        actors_take(loop->actors, FX_CANCEL, &out);
    if (effects & JOBFACE_ASK)
        ask(loop, NULL);
    loop->left = loop->left || effects & JOBFACE_LEAVE;
}

static void take_message(struct loop *loop, const json_t *message)
{
    struct jobface *face = loop->face;
    if (!face->id || json_integer_value(json_object_get(message, "id")) != face->id)
        return;
    if (strcmp(view_text(message, "type", ""), "progress") != 0)
        face->id = 0;
    else if (json_object_get(message, "fraction")) {
        snprintf(face->label, sizeof face->label, "%s", view_text(message, "label", ""));
        face->fraction = view_number(message, "fraction", 0);
    }
    act(loop, face->message(face, message), 0);
}

/* A lab that is gone answers as one that failed. */
static void take_loss(struct loop *loop, const char *why)
{
    json_t *message = json_pack("{s:s, s:I, s:s}", "type", "problem", "id", (json_int_t)loop->face->id, "text", why);
    take_message(loop, message);
    json_decref(message);
}

static void read_lab(struct loop *loop)
{
    struct event e;
    while (actors_next(loop->actors, &e)) {
        if (e.kind == EVENT_LAB)
            take_message(loop, e.message);
        else if (e.kind == EVENT_LAB_LOST)
            take_loss(loop, e.text);
    }
}

static void read_keys(struct loop *loop)
{
    struct screen_event e;
    while (!loop->left && screen_next(&e)) {
        int times = e.kind == SCREEN_KEY ? 1 : e.kind == SCREEN_WHEEL ? WHEEL_LINES : 0; /* a wheel turns as arrows */
        while (times-- > 0)
            act(loop, loop->face->key(loop->face, e.key, loop->rows), e.key);
        loop->left = loop->left || e.kind == SCREEN_GONE;
    }
}

static bool wait_for(const struct loop *loop)
{
    struct pollfd fds[ACTORS_FDS + 2] = { { .fd = screen_fd(), .events = POLLIN },
                                          { .fd = screen_wake_fd(), .events = POLLIN } };
    int n = 2 + actors_fds(loop->actors, fds + 2);
    return ending_poll(fds, (nfds_t)n, actors_timeout(loop->actors));
}

int jobscreen_run(const struct options *options, struct actors *actors, struct jobface *face)
{
    const struct theme *theme = theme_find(options->theme ? options->theme : theme_guess());
    const struct screen_options screen = { .theme = theme, .color = screen_color_named(options->color) };
    struct loop loop = { .options = options, .actors = actors, .face = face };
    char error[512];
    if (!screen_open(&screen, error, sizeof error))
        return -1;
    ending_take();
    loop.canvas = canvas_new(0, 0);
    ask(&loop, face->open);
    draw(&loop);
    while (!loop.left && !ending_came() && wait_for(&loop)) {
        read_keys(&loop);
        read_lab(&loop);
        draw(&loop);
    }
    screen_close();
    canvas_free(loop.canvas);
    if (face->answered && !*face->error)
        return EXIT_DONE;
    return commands_fail("%s", *face->error ? face->error : "canceled");
}
