/* pager.c: a few views to leaf through on the screen. See pager.h. */
#include "tutor/pager.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/command.h"
#include "tutor/draw.h"
#include "tutor/ending.h"
#include "tutor/screen.h"

enum { SCREENFUL = 10 }; /* lines of Page Up and Page Down */

struct pager {
    const struct options *options;
    const json_t         *pages;
    struct canvas        *canvas;
    size_t                at;
    int                   scroll, limit;
    bool                  ended, changed;
};

static void draw(struct pager *p)
{
    int width, height;
    struct draw_result result;
    screen_size(&width, &height);
    canvas_reset(p->canvas, width, height);
    struct draw_options options = { .ascii = p->options->ascii || screen_ascii(), .shades = screen_shades(),
                                    .scroll = p->scroll };
    draw_view(json_array_get(p->pages, p->at), p->canvas, &options, &result);
    screen_flush(p->canvas, result.cursor_x, result.cursor_y);
    p->limit = result.content_height > result.body_height ? result.content_height - result.body_height : 0;
    p->changed = false;
}

static void turn(struct pager *p, int by)
{
    size_t count = json_array_size(p->pages);
    if ((by < 0 && p->at == 0) || (by > 0 && p->at + 1 >= count))
        return;
    p->at += (size_t)by;
    p->scroll = 0;
    p->changed = true;
}

static void scroll(struct pager *p, int by)
{
    int to = p->scroll + by;
    p->scroll = to < 0 ? 0 : to > p->limit ? p->limit : to;
    p->changed = true;
}

static void key(struct pager *p, uint32_t k)
{
    switch (k) {
    case KEY_CODE_RIGHT:     case KEY_CODE_ENTER:     case ' ': turn(p, 1); break;
    case KEY_CODE_LEFT:      case KEY_CODE_BACKSPACE: case 'b': turn(p, -1); break;
    case KEY_CODE_DOWN:      scroll(p, 1); break;
    case KEY_CODE_UP:        scroll(p, -1); break;
    case KEY_CODE_PAGE_DOWN: scroll(p, SCREENFUL); break;
    case KEY_CODE_PAGE_UP:   scroll(p, -SCREENFUL); break;
    case KEY_CODE_HOME:      p->at = 0; scroll(p, -p->scroll); break;
    case 'q': case KEY_CODE_ESCAPE: case 3: p->ended = true; break;
    default: break;
    }
}

static void read_terminal(struct pager *p)
{
    struct screen_event e;
    while (!p->ended && screen_next(&e)) {
        if (e.kind == SCREEN_KEY)
            key(p, e.key);
        if (e.kind == SCREEN_WHEEL)
            scroll(p, e.key == KEY_CODE_UP ? -3 : 3);
        p->changed = p->changed || e.kind == SCREEN_RESIZE;
        p->ended = p->ended || e.kind == SCREEN_GONE;
    }
}

int pager_run(const struct options *options, const json_t *pages, char *error, size_t size)
{
    const struct theme *theme = theme_find(options->theme ? options->theme : theme_guess());
    struct screen_options screen = { .theme = theme, .color = screen_color_named(options->color) };
    struct pager p = { .options = options, .pages = pages, .changed = true };
    if (!screen_open(&screen, error, size))
        return -1;
    ending_take();
    p.canvas = canvas_new(0, 0);
    while (p.canvas && !p.ended && !ending_came()) {
        if (p.changed)
            draw(&p);
        struct pollfd fds[2] = { { .fd = screen_fd(), .events = POLLIN },
                                 { .fd = screen_wake_fd(), .events = POLLIN } };
        if (!ending_poll(fds, 2, -1))
            break;
        read_terminal(&p);
    }
    screen_close();
    canvas_free(p.canvas);
    return 0;
}
