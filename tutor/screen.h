/* screen.h: the terminal, by curses: keys in, changed cells out.
 * The only file that includes curses is screen.c. One screen a process; none of this blocks, but for the write of a
 * frame. The terminal is given back on every way out. */
#ifndef TUTOR_SCREEN_H
#define TUTOR_SCREEN_H

#include "tutor/canvas.h"
#include "tutor/theme.h"

enum screen_color { SCREEN_COLOR_AUTO, SCREEN_COLOR_ALWAYS, SCREEN_COLOR_NEVER };

/* What --color says: "always" or "never"; AUTO for any other word, and for NULL. */
enum screen_color screen_color_named(const char *name);

struct screen_options {
    const struct theme *theme;
    enum screen_color   color; /* AUTO: as the terminal can, none with NO_COLOR */
    bool                mouse;
};

/* Takes the terminal. On failure (no terminal, TERM unknown and no fallback either) returns false with one line in
 * `error`; the terminal is as it was, and the caller goes on in plain mode. */
bool screen_open(const struct screen_options *options, char *error, size_t size);

/* Gives the terminal back; any number of times, also before screen_open. */
void screen_close(void);

/* The same from a signal handler: only async-signal-safe calls. SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT do so by
 * themselves, if nobody else handles them. */
void screen_restore(void);

/* Reads LC_ALL and the like; returns whether the locale is UTF-8. LC_NUMERIC stays "C". Works without a screen. */
bool screen_locale(void);

/* One line for `saffron doctor`: the terminal's name, its colors, the curses version. Works without a screen and
 * leaves the terminal alone. */
char *screen_facts(char *out, size_t size);

/* The terminal's size in cells, or 80 x 24 without a screen. */
void screen_size(int *width, int *height);
bool screen_ascii(void);   /* the locale cannot show more than ASCII */
bool screen_shades(void);  /* too few colors for 16 levels: see draw_options */
int  screen_colors(void);  /* 0 (attributes only), 8, 16, 256, or 1 << 24 */

/* Another theme: everything is painted anew with the next flush. */
void screen_theme(const struct theme *theme);
/* Turns reports of clicks and of the wheel on or off. */
void screen_mouse(bool on);

/* Shows the canvas: writes the cells that changed since the last flush, puts the cursor at (x, y), or hides it when
 * x < 0. */
void screen_flush(const struct canvas *canvas, int cursor_x, int cursor_y);

/* ------------------------------------------------------------------------------------------------------- events */

enum screen_event_kind {
    SCREEN_KEY,    /* key: a code point or an enum key of engine/command.h; Ctrl-C is 3 when SIGINT is off */
    SCREEN_PASTE,  /* text: pasted as one; valid until the next call */
    SCREEN_RESIZE, /* the size may have changed, or all must be drawn anew (Ctrl-L, back from Ctrl-Z): draw and flush */
    SCREEN_CLICK,  /* x, y */
    SCREEN_WHEEL,  /* key: KEY_CODE_UP or KEY_CODE_DOWN; x, y */
    SCREEN_GONE,   /* the terminal hung up */
};

struct screen_event {
    enum screen_event_kind kind;
    uint32_t    key;
    const char *text;
    int         x, y;
};

/* What to poll for input: the terminal, and a pipe that signals poke (resize, stop, continue). -1 without a screen. */
int screen_fd(void);
int screen_wake_fd(void);

/* The next event that is waiting; false when there is none. Call until false after either descriptor is readable. */
bool screen_next(struct screen_event *event);

#endif
