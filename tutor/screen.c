/* screen.c: the one curses file. See screen.h.
 * Curses keeps its own picture of the terminal and writes only differences; this file keeps the last canvas too, so
 * that unchanged cells do not even reach curses. */
#include "tutor/screen.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <utf8proc.h>
#include <wchar.h>

#include "engine/command.h"

/* Keys that terminfo does not name. */
enum { KEYS_PASTE_BEGIN = KEY_MAX + 1, KEYS_PASTE_END, KEYS_MOUSE, KEYS_CTRL_LEFT, KEYS_CTRL_RIGHT };

enum { PASTE_MOST = 64 * 1024, DIRECT_COLORS = 1 << 24 };

static const char paste_on[] = "\033[?2004h", paste_off[] = "\033[?2004l";
static const char mouse_on[] = "\033[?1000h\033[?1006h", mouse_off[] = "\033[?1006l\033[?1000l";

static struct {
    bool open, ascii, mouse;
    int  colors; /* as screen_colors() */
    const struct theme *theme;
    SCREEN *terminal;
    struct canvas *shown; /* what was flushed last; another size than the screen's: everything must be written */
    char *paste;
    size_t pasted;
    int wake[2];
    struct termios before; /* the terminal's modes as they were */
} screen = { .wake = { -1, -1 } };

/* What gives the terminal back, built when it is taken, since a signal handler cannot ask terminfo. */
static char restore_text[512];
static volatile sig_atomic_t restore_bytes;
static volatile sig_atomic_t was_resized, was_stopped, was_continued;

static void write_all(const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(STDOUT_FILENO, text, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        bytes -= (size_t)n;
    }
}

/* ----------------------------------------------------------------------------------------------------- signals */

static void poke(void)
{
    int saved = errno;
    if (screen.wake[1] >= 0 && write(screen.wake[1], "", 1) < 0)
        errno = saved; /* full: a poke is waiting already */
    errno = saved;
}

static void on_signal(int number)
{
    if (number == SIGWINCH)
        was_resized = 1;
    else if (number == SIGTSTP)
        was_stopped = 1;
    else
        was_continued = 1;
    poke();
}

void screen_restore(void)
{
    sig_atomic_t bytes = restore_bytes;
    if (bytes == 0)
        return;
    restore_bytes = 0;
    write_all(restore_text, (size_t)bytes);
    tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

static void on_fatal(int number)
{
    screen_restore();
    raise(number); /* SA_RESETHAND: now by default */
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction now, action = { .sa_handler = handler, .sa_flags = flags };
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
        sigaction(number, &action, NULL);
}

static void handle_signals(void)
{
    static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        handle(fatal[i], on_fatal, (int)SA_RESETHAND | SA_NODEFER);
    handle(SIGWINCH, on_signal, SA_RESTART);
    handle(SIGTSTP, on_signal, SA_RESTART);
    handle(SIGCONT, on_signal, SA_RESTART);
}

static bool open_wake(void)
{
    if (screen.wake[0] >= 0)
        return true;
    if (pipe(screen.wake) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        fcntl(screen.wake[i], F_SETFL, O_NONBLOCK);
        fcntl(screen.wake[i], F_SETFD, FD_CLOEXEC);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- open and close */

enum screen_color screen_color_named(const char *name)
{
    if (!name)
        return SCREEN_COLOR_AUTO;
    return strcmp(name, "always") == 0 ? SCREEN_COLOR_ALWAYS
         : strcmp(name, "never") == 0  ? SCREEN_COLOR_NEVER : SCREEN_COLOR_AUTO;
}

bool screen_locale(void)
{
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Appends a terminfo string without its padding marks ($<5>). */
static void add_restore(const char *text)
{
    if (!text || text == (const char *)-1)
        return;
    size_t used = strlen(restore_text);
    while (*text && used + 1 < sizeof restore_text) {
        const char *end = strncmp(text, "$<", 2) == 0 ? strchr(text, '>') : NULL;
        if (end)
            text = end + 1;
        else
            restore_text[used++] = *text++;
    }
    restore_text[used] = '\0';
}

static void build_restore(void)
{
    restore_text[0] = '\0';
    add_restore(mouse_off);
    add_restore(paste_off);
    add_restore(tigetstr("op"));
    add_restore(tigetstr("sgr0"));
    add_restore(tigetstr("rmkx"));
    add_restore(tigetstr("cnorm"));
    add_restore(tigetstr("rmcup"));
}

/* A screen for TERM, or for the nearest thing that terminfo knows. */
static SCREEN *new_terminal(void)
{
    const char *const names[] = { getenv("TERM"), "xterm-256color", "xterm", "vt100" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        SCREEN *terminal = names[i] && *names[i] ? newterm(names[i], stdout, stdin) : NULL;
        if (terminal && tigetstr("cup") && tigetstr("cup") != (char *)-1)
            return terminal;
        if (terminal) {
            endwin();
            delscreen(terminal);
        }
    }
    return NULL;
}

/* Whether colors are numbers of 24 bits: terminfo's RGB, a boolean, a number or a text. */
static bool has_direct_color(void)
{
    const char *text = tigetstr("RGB");
    return COLORS >= DIRECT_COLORS && (tigetflag("RGB") > 0 || tigetnum("RGB") > 0 || (text && text != (char *)-1));
}

static int count_colors(enum screen_color color)
{
    const char *no_color = getenv("NO_COLOR");
    if (color == SCREEN_COLOR_NEVER || (color == SCREEN_COLOR_AUTO && no_color && *no_color))
        return 0;
    if (!has_colors() || start_color() == ERR || use_default_colors() == ERR)
        return 0;
    return has_direct_color() ? DIRECT_COLORS : COLORS >= 256 ? 256 : COLORS >= 16 ? 16 : COLORS >= 8 ? 8 : 0;
}

/* Terminals and terminfo often disagree about the keys that move: all the usual spellings are understood. */
static void define_keys(void)
{
    static const struct {
        const char *sequence;
        int         key;
    } keys[] = {
        { "\033[200~", KEYS_PASTE_BEGIN }, { "\033[201~", KEYS_PASTE_END }, { "\033[<", KEYS_MOUSE },
        { "\033[1;5D", KEYS_CTRL_LEFT },   { "\033[1;5C", KEYS_CTRL_RIGHT }, { "\033[1;3D", KEYS_CTRL_LEFT },
        { "\033[1;3C", KEYS_CTRL_RIGHT },  { "\033[Z", KEY_BTAB },
        { "\033[A", KEY_UP },   { "\033[B", KEY_DOWN }, { "\033[C", KEY_RIGHT }, { "\033[D", KEY_LEFT },
        { "\033OA", KEY_UP },   { "\033OB", KEY_DOWN }, { "\033OC", KEY_RIGHT }, { "\033OD", KEY_LEFT },
        { "\033[H", KEY_HOME }, { "\033OH", KEY_HOME }, { "\033[1~", KEY_HOME }, { "\033[7~", KEY_HOME },
        { "\033[F", KEY_END },  { "\033OF", KEY_END },  { "\033[4~", KEY_END },  { "\033[8~", KEY_END },
        { "\033[3~", KEY_DC },  { "\033[5~", KEY_PPAGE }, { "\033[6~", KEY_NPAGE },
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        define_key(keys[i].sequence, keys[i].key);
}

/* Ctrl-Z and Ctrl-S come as keys: the first is handled here, the second must not freeze the screen. */
static void set_modes(void)
{
    struct termios modes;
    cbreak();
    noecho();
    nonl();
    if (tcgetattr(STDIN_FILENO, &modes) == 0) {
        modes.c_cc[VSUSP] = _POSIX_VDISABLE;
        modes.c_iflag &= ~(tcflag_t)IXON;
        tcsetattr(STDIN_FILENO, TCSANOW, &modes);
        def_prog_mode();
    }
    intrflush(stdscr, FALSE);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
}

bool screen_open(const struct screen_options *options, char *error, size_t size)
{
    if (screen.open)
        return true;
    screen.ascii = !screen_locale();
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &screen.before) != 0) {
        snprintf(error, size, "cannot draw a screen: standard input and output are not a terminal");
        return false;
    }
    if (!getenv("ESCDELAY"))
        set_escdelay(25);
    handle_signals();
    if (!open_wake() || !(screen.terminal = new_terminal())) {
        snprintf(error, size, "cannot draw a screen on terminal '%s': set TERM, or go on with --plain",
                 getenv("TERM") ? getenv("TERM") : "");
        return false;
    }
    build_restore();
    restore_bytes = (sig_atomic_t)strlen(restore_text);
    screen.open = true;
    screen.theme = options->theme ? options->theme : theme_at(0);
    screen.colors = count_colors(options->color);
    screen.shown = canvas_new(0, 0);
    set_modes();
    define_keys();
    write_all(paste_on, sizeof paste_on - 1);
    screen_mouse(options->mouse);
    return true;
}

void screen_close(void)
{
    if (!screen.open)
        return;
    screen.open = false;
    write_all(mouse_off, sizeof mouse_off - 1);
    write_all(paste_off, sizeof paste_off - 1);
    endwin();
    restore_bytes = 0;
    delscreen(screen.terminal);
    canvas_free(screen.shown);
    free(screen.paste);
    screen.terminal = NULL;
    screen.shown = NULL;
    screen.paste = NULL;
}

void screen_size(int *width, int *height)
{
    *width = screen.open ? COLS : 80;
    *height = screen.open ? LINES : 24;
}

char *screen_facts(char *out, size_t size)
{
    const char *name = getenv("TERM");
    int status = 0, colors = 0;
    if (screen.open)
        colors = screen.colors;
    else if (name && setupterm(name, STDOUT_FILENO, &status) == OK)
        colors = tigetnum("colors") > 0 ? tigetnum("colors") : 0;
    snprintf(out, size, "terminal %s, %d colors, %s, %s", name ? name : "none", colors, curses_version(),
             screen_locale() ? "UTF-8" : "ASCII");
    return out;
}

bool screen_ascii(void)
{
    return screen.ascii;
}

bool screen_shades(void)
{
    return screen.colors < 256;
}

int screen_colors(void)
{
    return screen.colors;
}

void screen_mouse(bool on)
{
    screen.mouse = on;
    if (screen.open && on)
        write_all(mouse_on, sizeof mouse_on - 1);
    else if (screen.open)
        write_all(mouse_off, sizeof mouse_off - 1);
}

/* Forgets what is shown, so that the next flush writes every cell. */
static void forget(void)
{
    canvas_reset(screen.shown, 0, 0);
}

void screen_theme(const struct theme *theme)
{
    screen.theme = theme;
    if (screen.open)
        forget();
}

/* ---------------------------------------------------------------------------------------------------- color pairs */

/* A curses pair for each two colors in use. A pair that is on the screen must not change its meaning, so only those
 * that the current frame does not use are taken over; when none is left, the default pair serves. */
enum { PAIRS_MOST = 1024, PAIR_SLOTS = 2048 };

static struct pair {
    int      fg, bg;
    unsigned used; /* the frame that used it last, 0: free */
} pairs[PAIRS_MOST];
static int pair_slots[PAIR_SLOTS]; /* open addressing: the number of a pair, 0: empty */
static unsigned frame = 1;

static size_t pair_hash(int fg, int bg)
{
    return ((unsigned)fg * 2654435761u ^ (unsigned)bg * 2246822519u) % PAIR_SLOTS;
}

static int pair_limit(void)
{
    return COLOR_PAIRS < PAIRS_MOST ? COLOR_PAIRS : PAIRS_MOST;
}

static void rebuild_slots(void)
{
    memset(pair_slots, 0, sizeof pair_slots);
    for (int p = 1; p < pair_limit(); p++) {
        if (pairs[p].used == 0)
            continue;
        size_t slot = pair_hash(pairs[p].fg, pairs[p].bg);
        while (pair_slots[slot])
            slot = (slot + 1) % PAIR_SLOTS;
        pair_slots[slot] = p;
    }
}

/* The pair to take over: a free one, else the one that was used longest ago, else 0. */
static int oldest_pair(void)
{
    int oldest = 0;
    for (int p = 1; p < pair_limit(); p++) {
        if (pairs[p].used == 0)
            return p;
        if (pairs[p].used + 1 < frame && (!oldest || pairs[p].used < pairs[oldest].used))
            oldest = p;
    }
    return oldest;
}

static int pair_of(int fg, int bg)
{
    if (fg < 0 && bg < 0)
        return 0;
    size_t slot = pair_hash(fg, bg);
    for (; pair_slots[slot]; slot = (slot + 1) % PAIR_SLOTS) {
        struct pair *pair = &pairs[pair_slots[slot]];
        if (pair->fg == fg && pair->bg == bg) {
            pair->used = frame;
            return pair_slots[slot];
        }
    }
    int p = oldest_pair();
    if (p == 0 || init_extended_pair(p, fg, bg) == ERR)
        return 0;
    bool reused = pairs[p].used != 0;
    pairs[p] = (struct pair){ fg, bg, frame };
    if (reused)
        rebuild_slots();
    else
        pair_slots[slot] = p;
    return p;
}

/* A color as this terminal numbers it. On direct color, curses takes 0 to 7 for the named ones: avoid them. */
static int color_of(int32_t rgb)
{
    if (rgb < 0)
        return -1;
    if (screen.colors == DIRECT_COLORS)
        return rgb < 8 ? 0x080808 : rgb;
    return theme_nearest(rgb, screen.colors);
}

/* --------------------------------------------------------------------------------------------------------- cells */

struct paint {
    attr_t attributes;
    int    pair;
};

static attr_t attributes_of(unsigned look)
{
    attr_t a = A_NORMAL;
    a |= look & LOOK_BOLD ? A_BOLD : 0;
    a |= look & LOOK_DIM ? A_DIM : 0;
    a |= look & LOOK_UNDERLINE ? A_UNDERLINE : 0;
    a |= look & LOOK_REVERSE ? A_REVERSE : 0;
    a |= look & LOOK_ITALIC ? A_ITALIC : 0;
    return a;
}

/* The color of a style; of a heat map's levels, computed once a theme. */
static int style_color(uint8_t style, int32_t rgb)
{
    static int levels[16];
    static const struct theme *known;
    if (screen.colors != 256 || style < STYLE_HEAT0)
        return color_of(rgb);
    for (int i = 0; known != screen.theme && i < 16; i++)
        levels[i] = theme_level(screen.theme, i);
    known = screen.theme;
    return levels[style - STYLE_HEAT0];
}

/* Styles repeat: one lookup a frame for each pair of them. */
static struct paint paint_of(uint8_t style, uint8_t back)
{
    static struct paint known[STYLE_COUNT][STYLE_COUNT];
    static unsigned known_frame[STYLE_COUNT][STYLE_COUNT];
    struct paint *paint = &known[style][back];
    if (known_frame[style][back] == frame)
        return *paint;
    struct look look = screen.colors ? theme_look(screen.theme, style, back) : theme_mono(style);
    paint->attributes = attributes_of(look.attributes);
    paint->pair = screen.colors ? pair_of(style_color(style, look.fg), style_color(back, look.bg)) : 0;
    known_frame[style][back] = frame;
    return *paint;
}

/* The cell's text as wide characters; what this terminal cannot show, or would give another width, is '?'. */
static void widen(const struct canvas_cell *cell, wchar_t *out)
{
    const utf8proc_uint8_t *text = (const utf8proc_uint8_t *)cell->text;
    int count = 0;
    while (*text && count < CCHARW_MAX) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(text, -1, &c);
        if (n <= 0)
            break;
        out[count++] = (wchar_t)c;
        text += n;
    }
    out[count] = L'\0';
    if (count == 0 || (out[0] > 0x7E && (screen.ascii || wcwidth(out[0]) != cell->width))) {
        out[0] = L'?';
        out[1] = L'\0';
    }
}

static void put_cell(int x, int y, const struct canvas_cell *cell)
{
    wchar_t text[CCHARW_MAX + 1];
    cchar_t wide;
    if (cell->width == 0)
        return;
    struct paint paint = paint_of(cell->style, cell->back);
    widen(cell, text);
    setcchar(&wide, text, paint.attributes, 0, &paint.pair);
    mvadd_wch(y, x, &wide);
    if (cell->width == 2 && text[0] == L'?')
        mvadd_wch(y, x + 1, &wide);
}

void screen_flush(const struct canvas *canvas, int cursor_x, int cursor_y)
{
    if (!screen.open)
        return;
    bool all = canvas->width != screen.shown->width || canvas->height != screen.shown->height;
    size_t count = (size_t)canvas->width * (size_t)canvas->height;
    frame++;
    for (size_t i = 0; i < count; i++) {
        const struct canvas_cell *cell = &canvas->cells[i];
        if (all || !canvas_cell_equal(cell, &screen.shown->cells[i]))
            put_cell((int)(i % (size_t)canvas->width), (int)(i / (size_t)canvas->width), cell);
        else
            paint_of(cell->style, cell->back); /* keeps its pair from being taken over */
    }
    canvas_copy(screen.shown, canvas);
    curs_set(cursor_x >= 0);
    if (cursor_x >= 0)
        move(cursor_y, cursor_x);
    refresh();
}

/* --------------------------------------------------------------------------------------------------------- events */

int screen_fd(void)
{
    return screen.open ? STDIN_FILENO : -1;
}

int screen_wake_fd(void)
{
    return screen.open ? screen.wake[0] : -1;
}

static void repaint(void)
{
    clearok(curscr, TRUE);
    forget();
}

static void fit_size(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
        (size.ws_row != LINES || size.ws_col != COLS)) {
        resizeterm(size.ws_row, size.ws_col);
        forget();
    }
}

static void take_back(void)
{
    reset_prog_mode();
    write_all(paste_on, sizeof paste_on - 1);
    if (screen.mouse)
        write_all(mouse_on, sizeof mouse_on - 1);
    fit_size();
    repaint();
}

static void suspend(void)
{
    write_all(mouse_off, sizeof mouse_off - 1);
    write_all(paste_off, sizeof paste_off - 1);
    endwin();
    raise(SIGSTOP);
    was_continued = 0;
    take_back();
}

static void drain_wake(void)
{
    char bytes[64];
    while (read(screen.wake[0], bytes, sizeof bytes) > 0)
        ;
}

/* Whether a signal asked for a new drawing. */
static bool serve_signals(void)
{
    bool draw = was_resized || was_stopped || was_continued;
    if (!draw)
        return false;
    drain_wake();
    if (was_resized) {
        was_resized = 0;
        fit_size();
    }
    if (was_stopped) {
        was_stopped = 0;
        suspend();
    }
    if (was_continued) {
        was_continued = 0;
        take_back();
    }
    return true;
}

static uint32_t key_of(wint_t c)
{
    static const struct {
        int      curses;
        uint32_t key;
    } keys[] = {
        { KEY_ENTER, KEY_CODE_ENTER },         { KEY_BTAB, KEY_CODE_BACKTAB },
        { KEY_BACKSPACE, KEY_CODE_BACKSPACE }, { KEY_DC, KEY_CODE_DELETE },
        { KEY_LEFT, KEY_CODE_LEFT },           { KEY_RIGHT, KEY_CODE_RIGHT },
        { KEY_UP, KEY_CODE_UP },               { KEY_DOWN, KEY_CODE_DOWN },
        { KEY_HOME, KEY_CODE_HOME },           { KEY_END, KEY_CODE_END },
        { KEY_PPAGE, KEY_CODE_PAGE_UP },       { KEY_NPAGE, KEY_CODE_PAGE_DOWN },
        { KEY_SLEFT, KEY_CODE_CTRL_LEFT },     { KEY_SRIGHT, KEY_CODE_CTRL_RIGHT },
        { KEYS_CTRL_LEFT, KEY_CODE_CTRL_LEFT }, { KEYS_CTRL_RIGHT, KEY_CODE_CTRL_RIGHT },
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if ((wint_t)keys[i].curses == c)
            return keys[i].key;
    return 0;
}

static uint32_t key_of_char(wint_t c)
{
    switch (c) {
    case '\r': case '\n': return KEY_CODE_ENTER;
    case '\t':            return KEY_CODE_TAB;
    case 033:             return KEY_CODE_ESCAPE;
    case '\b': case 0x7F: return KEY_CODE_BACKSPACE;
    default:              return (uint32_t)c;
    }
}

static void add_pasted(wint_t c)
{
    utf8proc_uint8_t bytes[4];
    if (c == '\r')
        c = '\n';
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)c, bytes);
    if (!screen.paste && !(screen.paste = malloc(PASTE_MOST + 1)))
        return;
    if (n > 0 && screen.pasted + (size_t)n <= PASTE_MOST) {
        memcpy(screen.paste + screen.pasted, bytes, (size_t)n);
        screen.pasted += (size_t)n;
    }
    screen.paste[screen.pasted] = '\0';
}

/* Waits for a key that must follow at once, such as the rest of a paste or of a mouse report; ERR after 200 ms. */
static int next_at_once(wint_t *c)
{
    timeout(200);
    int kind = get_wch(c);
    nodelay(stdscr, TRUE);
    return kind;
}

/* The text up to the end of the paste. */
static const char *read_paste(void)
{
    wint_t c;
    int kind;
    screen.pasted = 0;
    if (screen.paste)
        screen.paste[0] = '\0';
    while ((kind = next_at_once(&c)) != ERR) {
        if (kind == KEY_CODE_YES && c == (wint_t)KEYS_PASTE_END)
            break;
        if (kind == OK && c != 0)
            add_pasted(c);
        else if (kind == KEY_CODE_YES && c == KEY_ENTER)
            add_pasted('\n');
    }
    return screen.paste ? screen.paste : "";
}

/* The rest of "ESC [ < button ; x ; y M": a click, a turn of the wheel, or nothing of interest. */
static bool read_mouse(struct screen_event *event)
{
    int numbers[3] = { 0 }, at = 0;
    wint_t c;
    while (next_at_once(&c) == OK && c != 'M' && c != 'm')
        if (c == ';')
            at = at < 2 ? at + 1 : 2;
        else if (c >= '0' && c <= '9' && numbers[at] < 10000)
            numbers[at] = numbers[at] * 10 + (int)(c - '0');
    event->x = numbers[1] - 1;
    event->y = numbers[2] - 1;
    event->kind = numbers[0] >= 64 ? SCREEN_WHEEL : SCREEN_CLICK;
    event->key = numbers[0] == 64 ? KEY_CODE_UP : KEY_CODE_DOWN;
    return c == 'M' && (numbers[0] == 0 || numbers[0] == 64 || numbers[0] == 65);
}

static bool is_hung_up(void)
{
    struct pollfd tty = { .fd = STDIN_FILENO, .events = POLLIN };
    return poll(&tty, 1, 0) > 0 && (tty.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Whether an Esc that curses could not explain begins a sequence of some other key; then the sequence is taken. */
static bool skip_sequence(void)
{
    wint_t c;
    int kind = get_wch(&c);
    if (kind == OK && (c == '[' || c == 'O')) {
        while (next_at_once(&c) == OK && (c < '@' || c > '~'))
            ;
        return true;
    }
    if (kind == OK)
        unget_wch((wchar_t)c);
    else if (kind == KEY_CODE_YES)
        ungetch((int)c);
    return false;
}

/* Turns what curses gave into an event; false when it is none. */
static bool translate(int kind, wint_t c, struct screen_event *event)
{
    *event = (struct screen_event){ .kind = SCREEN_KEY };
    if (kind == KEY_CODE_YES && c == KEY_RESIZE)
        event->kind = SCREEN_RESIZE;
    else if (kind == KEY_CODE_YES && c == (wint_t)KEYS_PASTE_BEGIN) {
        event->kind = SCREEN_PASTE;
        event->text = read_paste();
    } else if (kind == KEY_CODE_YES && c == (wint_t)KEYS_MOUSE)
        return read_mouse(event);
    else if (kind == KEY_CODE_YES)
        return (event->key = key_of(c)) != 0;
    else if (c == 'L' - '@' || c == 'Z' - '@') {
        if (c == 'Z' - '@')
            suspend();
        repaint();
        event->kind = SCREEN_RESIZE;
    } else if (c == 033 && skip_sequence())
        return false;
    else
        event->key = key_of_char(c);
    return true;
}

bool screen_next(struct screen_event *event)
{
    wint_t c;
    int kind;
    if (!screen.open)
        return false;
    if (serve_signals()) {
        *event = (struct screen_event){ .kind = SCREEN_RESIZE };
        return true;
    }
    while ((kind = get_wch(&c)) != ERR)
        if (translate(kind, c, event))
            return true;
    if (is_hung_up()) {
        *event = (struct screen_event){ .kind = SCREEN_GONE };
        return true;
    }
    return false;
}
