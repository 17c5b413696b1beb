/* test_screen: the curses back end in a real terminal: tmux.
 * The program runs itself inside tmux ("show FILE"): what tmux captures must equal the text of the same canvas. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/command.h"
#include "tests/samples.h"
#include "tutor/draw.h"
#include "tutor/screen.h"

/* ------------------------------------------------------------------------------------------- inside the terminal */

static void note_event(json_t *view, const struct screen_event *event)
{
    char name[32], text[160];
    if (event->kind == SCREEN_PASTE)
        snprintf(text, sizeof text, "pasted %.100s", event->text);
    else
        snprintf(text, sizeof text, "key %s", command_key_name(event->key, name, sizeof name));
    for (char *c = text; *c; c++)
        *c = *c == '\n' ? '|' : *c;
    json_object_set_new(view, "message", json_string(text));
}

static void paint(const json_t *view)
{
    struct draw_options options = { .ascii = screen_ascii(), .shades = screen_shades() };
    struct draw_result result;
    int width, height;
    screen_size(&width, &height);
    struct canvas *canvas = canvas_new(width, height);
    draw_view(view, canvas, &options, &result);
    screen_flush(canvas, result.cursor_x, result.cursor_y);
    canvas_free(canvas);
}

/* Shows a view until 'q'; 'S' and 'A' die on the spot, other keys are shown in the message line. */
static int show(const char *path)
{
    struct screen_options options = { .theme = theme_at(0) };
    json_t *view = json_load_file(path, 0, NULL);
    char error[200];
    bool open = view && screen_open(&options, error, sizeof error);
    if (!open) {
        printf("no screen: %s\n", view ? error : path);
        json_decref(view);
        return 1;
    }
    for (bool going = true; going;) {
        struct pollfd fds[] = { { screen_fd(), POLLIN, 0 }, { screen_wake_fd(), POLLIN, 0 } };
        struct screen_event event;
        paint(view);
        poll(fds, 2, -1);
        while (going && screen_next(&event)) {
            going = event.kind != SCREEN_GONE && !(event.kind == SCREEN_KEY && event.key == 'q');
            if (event.kind == SCREEN_KEY && (event.key == 'S' || event.key == 'A'))
                raise(event.key == 'S' ? SIGSEGV : SIGABRT);
            if (going && event.kind != SCREEN_RESIZE)
                note_event(view, &event);
        }
    }
    screen_close();
    json_decref(view);
    printf("closed\n");
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- tmux */

static char socket_path[256], self[512];

static bool have_tmux(void)
{
    return system("tmux -V >/dev/null 2>&1") == 0;
}

/* Runs a tmux command; %s-like formatting, output to a text that the caller frees. */
__attribute__((format(printf, 1, 2))) static char *tmux(const char *format, ...)
{
    char command[2048], line[1024];
    size_t used = (size_t)snprintf(command, sizeof command, "tmux -S %s -f /dev/null ", socket_path);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command + used, sizeof command - used, format, arguments);
    va_end(arguments);

    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size), *in = popen(command, "r");
    while (in && fgets(line, sizeof line, in))
        fputs(line, out);
    if (in)
        pclose(in);
    fclose(out);
    return text;
}

static void tmux_do(const char *command)
{
    free(tmux("%s", command));
}

static void begin(const char *sample, int width, int height, const char *environment)
{
    static int servers; /* a socket each: a server on its way out would refuse the next one */
    const char *folder = getenv("TMPDIR");
    snprintf(socket_path, sizeof socket_path, "%.200s/screen.%d.%d", folder ? folder : "/tmp", (int)getpid(),
             ++servers);
    free(tmux("new-session -d -x %d -y %d \"%s %s show tests/golden/%s.json; stty -a | tr ';' '\\n' | grep -c 'echo '; "
              "exec sleep 60\"", width, height, environment, self, sample));
    tmux_do("set -g status off >/dev/null");
    free(tmux("resize-window -x %d -y %d", width, height));
}

static void end(void)
{
    free(tmux("kill-server 2>/dev/null"));
}

static char *expected(const char *sample, int width, int height, bool ascii, bool shades)
{
    char path[128];
    struct draw_options options = { .ascii = ascii, .shades = shades };
    struct draw_result result;
    snprintf(path, sizeof path, "tests/golden/%s.json", sample);
    json_t *view = json_load_file(path, 0, NULL);
    struct canvas *canvas = canvas_new(width, height);
    draw_view(view, canvas, &options, &result);
    char *text = canvas_dump(canvas);
    canvas_free(canvas);
    json_decref(view);
    return text;
}

/* Cuts empty lines at the end: tmux leaves them out. */
static char *trimmed(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    return text;
}

/* Waits until the terminal shows `wanted` (exactly, or as a part); the caller checks what came back. */
static char *wait_for(const char *wanted, bool exactly)
{
    char *text = NULL;
    for (int i = 0; i < 600; i++) {
        free(text);
        text = trimmed(tmux("capture-pane -p"));
        if (exactly ? strcmp(text, wanted) == 0 : strstr(text, wanted) != NULL)
            break;
        usleep(30000);
    }
    return text;
}

static void expect_screen(const char *sample, int width, int height, bool ascii, bool shades)
{
    char *wanted = trimmed(expected(sample, width, height, ascii, shades)), *text = wait_for(wanted, true);
    assert_string_equal(text, wanted);
    free(text);
    free(wanted);
}

static void expect_text(const char *wanted)
{
    char *text = wait_for(wanted, false);
    if (!strstr(text, wanted))
        fail_msg("the screen never showed '%s' but\n%s", wanted, text);
    free(text);
}

/* --------------------------------------------------------------------------------------------------------- tests */

static void screen_equals_canvas(void **state)
{
    static const char *const names[] = { "reveal", "setup", "grid", "bars", "plot", "heat", "odd", "stack" };
    static const int sizes[][2] = { { 80, 24 }, { 140, 40 }, { 40, 12 }, { 19, 4 } };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int s = (int)(i % 4);
        begin(names[i], sizes[s][0], sizes[s][1], "TERM=xterm-256color");
        if (strcmp(names[i], "odd") != 0) /* emoji: tmux has its own mind about joined ones */
            expect_screen(names[i], sizes[s][0], sizes[s][1], false, false);
        end();
    }
}

static void screen_on_other_terminals(void **state)
{
    (void)state;
    begin("heat", 80, 24, "TERM=no-such-terminal");
    expect_screen("heat", 80, 24, false, false);
    end();
    begin("heat", 80, 24, "TERM=vt100");
    expect_screen("heat", 80, 24, false, true);
    end();
    begin("heat", 80, 24, "NO_COLOR=1 TERM=xterm-256color");
    expect_screen("heat", 80, 24, false, true);
    end();
    begin("reveal", 80, 24, "LC_ALL=C TERM=xterm");
    expect_screen("reveal", 80, 24, true, true);
    end();
}

static void screen_without_terminal(void **state)
{
    char command[600], line[200] = "";
    (void)state;
    snprintf(command, sizeof command, "%s show tests/golden/setup.json </dev/null", self);
    FILE *in = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, in));
    pclose(in);
    assert_non_null(strstr(line, "no screen: cannot draw a screen"));
}

static void screen_keys(void **state)
{
    static const char *const keys[][2] = {
        { "Left", "key Left" }, { "Up", "key Up" },         { "Enter", "key Enter" }, { "Tab", "key Tab" },
        { "BTab", "key Shift-Tab" }, { "BSpace", "key Backspace" }, { "DC", "key Delete" }, { "Home", "key Home" },
        { "PPage", "key PgUp" }, { "NPage", "key PgDn" },   { "C-Left", "key Ctrl-Left" }, { "Escape", "key Esc" },
        { "h", "key h" },       { "?", "key ?" },           { "é", "key é" },         { "漢", "key 漢" },
        { "End", "key End" },    { "Escape", "key Esc" },   { "x", "key x" },
    };
    (void)state;
    begin("setup", 80, 24, "TERM=xterm-256color");
    expect_text("read off a kitchen scale");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        free(tmux("send-keys '%s'", keys[i][0]));
        expect_text(keys[i][1]);
    }
    end();
}

static void screen_paste_is_one_event(void **state)
{
    (void)state;
    begin("setup", 80, 24, "TERM=xterm-256color");
    expect_text("read off a kitchen scale");
    free(tmux("set-buffer \"one line$(printf '\\n')two q é\""));
    tmux_do("paste-buffer -p");
    expect_text("pasted one line");
    expect_text("two q é");
    end();
}

static void expect_restored(const char *after)
{
    char *flags;
    expect_text(after);
    flags = tmux("display -p '#{alternate_on} #{cursor_flag} #{keypad_cursor_flag}'");
    assert_string_equal(trimmed(flags), "0 1 0");
    free(flags);
}

static void screen_gives_the_terminal_back(void **state)
{
    (void)state;
    begin("setup", 80, 24, "TERM=xterm-256color");
    expect_text("read off a kitchen scale");
    free(tmux("send-keys q"));
    expect_restored("closed\n1");
    end();
    begin("setup", 80, 24, "ASAN_OPTIONS=handle_segv=0:handle_abort=0 TERM=xterm-256color");
    expect_text("read off a kitchen scale");
    free(tmux("send-keys S"));
    expect_restored("\n1");
    end();
    begin("setup", 80, 24, "ASAN_OPTIONS=handle_segv=0:handle_abort=0 TERM=xterm-256color");
    expect_text("read off a kitchen scale");
    free(tmux("send-keys A"));
    expect_restored("\n1");
    end();
}

/* Ctrl-Z gives the terminal back and stops; when the shell continues us, the screen is there again. */
static void screen_stops_and_continues(void **state)
{
    (void)state;
    begin("setup", 80, 24, "TERM=xterm-256color");
    expect_screen("setup", 80, 24, false, false);
    free(tmux("send-keys C-z"));
    char *flag = NULL;
    for (int i = 0; i < 1000; i++) {
        free(flag);
        flag = trimmed(tmux("display -p '#{alternate_on}'"));
        if (strcmp(flag, "0") == 0)
            break;
        usleep(20000);
    }
    assert_string_equal(flag, "0");
    free(flag);
    usleep(100000);
    char *group = trimmed(tmux("display -p '#{pane_pid}'"));
    kill(-(pid_t)atoi(group), SIGCONT);
    free(group);
    expect_screen("setup", 80, 24, false, false);
    free(tmux("send-keys h"));
    expect_text("key h");
    end();
}

static void screen_follows_resizes(void **state)
{
    static const int sizes[][2] = { { 80, 24 }, { 2, 1 },   { 300, 100 }, { 41, 13 }, { 20, 5 },
                                    { 19, 30 }, { 130, 9 }, { 7, 90 },    { 100, 30 } };
    (void)state;
    begin("reveal", 80, 24, "TERM=xterm-256color");
    expect_text("Off by 3 g");
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            free(tmux("resize-window -x %d -y %d", sizes[i][0], sizes[i][1]));
    expect_screen("reveal", 100, 30, false, false);
    free(tmux("resize-window -x 80 -y 24"));
    expect_screen("reveal", 80, 24, false, false);
    end();
}

static void screen_puts_the_cursor_on_the_focus(void **state)
{
    struct draw_options options = { .ascii = false };
    struct draw_result result;
    json_t *view = json_load_file("tests/golden/reveal.json", 0, NULL);
    struct canvas *canvas = canvas_new(80, 24);
    char wanted[64], *place;
    (void)state;
    draw_view(view, canvas, &options, &result);
    snprintf(wanted, sizeof wanted, "%d,%d", result.cursor_x, result.cursor_y);
    begin("reveal", 80, 24, "TERM=xterm-256color");
    expect_screen("reveal", 80, 24, false, false);
    place = trimmed(tmux("display -p '#{cursor_x},#{cursor_y}'"));
    assert_string_equal(place, wanted);
    free(place);
    end();
    canvas_free(canvas);
    json_decref(view);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screen_equals_canvas),
        cmocka_unit_test(screen_on_other_terminals),
        cmocka_unit_test(screen_without_terminal),
        cmocka_unit_test(screen_keys),
        cmocka_unit_test(screen_paste_is_one_event),
        cmocka_unit_test(screen_gives_the_terminal_back),
        cmocka_unit_test(screen_stops_and_continues),
        cmocka_unit_test(screen_follows_resizes),
        cmocka_unit_test(screen_puts_the_cursor_on_the_focus),
    };
    if (count == 3 && strcmp(arguments[1], "show") == 0)
        return show(arguments[2]);
    if (!realpath(arguments[0], self))
        return 1;
    if (!have_tmux()) {
        printf("not ok screen: tmux is missing\n");
        return 1;
    }
    return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
