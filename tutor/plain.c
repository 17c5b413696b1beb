/* plain.c: plain mode, the other face of the tutor. See plain.h.
 * Reading order: events, waiting, lines in, what a line does, a turn. */
#include "tutor/plain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/machine.h"
#include "engine/view.h"
#include "tutor/actors.h"
#include "tutor/clip.h"
#include "tutor/commands.h"
#include "tutor/plain_print.h"
#include "tutor/reply.h"
#include "tutor/screen.h"

enum { INPUT_BYTES = 1 << 16 };

struct plain {
    const struct options *options;
    struct actors        *actors;
    struct app           *app;
    struct plain_print    print;
    bool                  terminal; /* somebody types: prompts are shown */
    bool                  done;
    unsigned              effects;  /* of the last event fed */
    json_t               *tried;    /* the view from which "next" was said last */
    bool                  wandered; /* by a command: a read step waits for a line before it is left */
    char                  input[INPUT_BYTES];
    size_t                used;
    bool                  ended;    /* end of input */
    char                  held[REPLY_BYTES]; /* a line that the next question takes */
    bool                  holds;
};

/* --- events ------------------------------------------------------------------------------------------------------- */

static void act(struct plain *p, unsigned effects, struct outbox *out)
{
    char said[4200];
    actors_take(p->actors, effects, out);
    if (effects & FX_FILE && out->text) {
        clip_report("report", out->text, said, sizeof said);
        plain_print_line(&p->print, said);
    }
    free(out->text);
    p->effects = effects;
    p->done = p->done || effects & FX_DONE;
}

static void feed(struct plain *p, struct event event)
{
    struct outbox out = { 0 };
    event.now = options_now(p->options);
    act(p, app_feed(p->app, &event, &out), &out);
}

static void feed_command(struct plain *p, enum command command, const char *text)
{
    feed(p, (struct event){ .kind = EVENT_COMMAND, .command = command, .text = text });
}

static void feed_key(struct plain *p, uint32_t key)
{
    feed(p, (struct event){ .kind = EVENT_KEY, .key = key });
}

/* What the store and the lab have said. */
static void listen(struct plain *p)
{
    struct event event;
    while (!p->done && actors_next(p->actors, &event)) {
        if (event.kind == EVENT_NOT_STORED && event.id == 0)
            commands_fail("%s", event.text);
        else
            feed(p, event);
    }
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* Somebody who waits is told so, every other second. */
static void say_working(struct plain *p, time_t *last)
{
    char line[256];
    size_t i;
    json_t *block, *view = app_view(p->app);
    bool due = time(NULL) - *last >= 2;
    *last = due ? time(NULL) : *last;
    json_array_foreach(json_object_get(view, "dock"), i, block)
        if (due && view_kind_of(block) == VIEW_WORKING) {
            int percent = (int)(100 * view_number(block, "fraction", 0));
            snprintf(line, sizeof line, "%.200s, %d percent", view_text(block, "label", ""), percent);
            plain_print_line(&p->print, line);
        }
    json_decref(view);
}

/* Until nothing is awaited. Input is not looked at, so that scripts give the same output every time. */
static void settle(struct plain *p)
{
    struct pollfd fds[ACTORS_FDS];
    time_t last = time(NULL);
    for (listen(p); !p->done && (app_busy(p->app) || actors_busy(p->actors)); listen(p)) {
        if (p->terminal)
            say_working(p, &last);
        if (poll(fds, (nfds_t)actors_fds(p->actors, fds), actors_timeout(p->actors)) < 0 && errno != EINTR)
            p->done = true;
    }
}

/* Prints what is new. Help and the like close at once: a line has no top that they could cover. */
static void show(struct plain *p)
{
    settle(p);
    json_t *view = app_view(p->app);
    plain_print_view(&p->print, view);
    if (json_object_get(view, "overlay") && app_wants(p->app) != WANTS_LINE)
        feed_key(p, KEY_CODE_ESCAPE);
    json_decref(view);
    if (ferror(stdout))
        p->done = true;
}

/* --- lines in ----------------------------------------------------------------------------------------------------- */

/* Takes a line out of the buffer; at the end of input also one without a newline. */
static bool take_line(struct plain *p, char out[REPLY_BYTES])
{
    char *newline = memchr(p->input, '\n', p->used);
    size_t length = newline ? (size_t)(newline - p->input) : p->used;
    if (!newline && p->used < sizeof p->input && !(p->ended && p->used > 0))
        return false;
    snprintf(out, REPLY_BYTES, "%.*s", (int)length, p->input);
    p->used -= length + (newline != NULL);
    memmove(p->input, p->input + length + (newline != NULL), p->used);
    return true;
}

static void read_input(struct plain *p)
{
    ssize_t got = read(STDIN_FILENO, p->input + p->used, sizeof p->input - p->used);
    if (got > 0)
        p->used += (size_t)got;
    else if (got == 0 || errno != EINTR)
        p->ended = true;
}

/* The next line, waiting for it; what happens meanwhile is shown. False at the end of input. */
static bool next_line(struct plain *p, char out[REPLY_BYTES])
{
    if (p->holds) {
        p->holds = false;
        memcpy(out, p->held, REPLY_BYTES);
        return true;
    }
    while (!take_line(p, out)) {
        struct pollfd fds[ACTORS_FDS + 1] = { { .fd = STDIN_FILENO, .events = POLLIN } };
        if (p->ended || p->done)
            return false;
        nfds_t n = 1 + (nfds_t)actors_fds(p->actors, fds + 1);
        if (poll(fds, n, actors_timeout(p->actors)) < 0 && errno != EINTR)
            return false;
        show(p);
        if (fds[0].revents)
            read_input(p);
    }
    return true;
}

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* The first block of this kind in the dock, or NULL. */
static const json_t *dock_block(const json_t *view, enum view_kind kind)
{
    size_t i;
    json_t *block;
    json_array_foreach(json_object_get(view, "dock"), i, block)
        if (view_kind_of(block) == kind)
            return block;
    return NULL;
}

static const char *echo_of(const json_t *view)
{
    return view_text(dock_block(view, VIEW_INPUT), "echo", "");
}

/* "E4M3, bits: 1 4, 2 8, 3 16" for the cell that is next. */
static void ask_cell(struct plain *p, const json_t *cells)
{
    const json_t *columns = json_object_get(cells, "columns");
    char text[1024];
    size_t r, c, i;
    json_t *row, *cell, *choice;
    json_array_foreach(json_object_get(cells, "rows"), r, row)
        json_array_foreach(json_object_get(row, "cells"), c, cell) {
            const json_t *column = json_array_get(columns, c);
            if (!view_flag(cell, "focused"))
                continue;
            int used = snprintf(text, sizeof text, "%s, %s:", view_text(row, "label", ""),
                                view_text(column, "title", ""));
            json_array_foreach(json_object_get(column, "choices"), i, choice)
                used += snprintf(text + used, sizeof text - (size_t)used, "%s %zu %.80s", i ? "," : "", i + 1,
                                 json_string_value(choice));
            plain_print_line(&p->print, text);
        }
}

static void prompt(struct plain *p, const json_t *view)
{
    static const char *const prompts[] = { [WANTS_NOTHING] = "Enter goes on: ", [WANTS_LINE] = "your answer: ",
                                           [WANTS_CONFIDENCE] = "how sure: ", [WANTS_GRADE] = "again or good: " };
    const json_t *cells = dock_block(view, VIEW_CELLS);
    if (cells)
        ask_cell(p, cells);
    if (p->terminal && !p->holds)
        fputs(prompts[app_wants(p->app)], stdout);
    fflush(stdout);
}

/* --- what a line does --------------------------------------------------------------------------------------------- */

/* Words that were typed before, or a draft, give way to the line that comes. */
static void clear_typed(struct plain *p)
{
    json_t *view = app_view(p->app);
    const json_t *input = dock_block(view, VIEW_INPUT);
    size_t typed = strlen(view_text(input, "text", "")) + strlen(view_text(dock_block(view, VIEW_PLACE), "text", ""));
    bool writing = view_flag(input, "multiline");
    json_decref(view);
    if (typed && writing)
        feed_key(p, KEY_CODE_END);
    for (size_t i = 0; i < typed && writing; i++)
        feed_key(p, KEY_CODE_BACKSPACE);
    if (typed && !writing && app_session(p->app))
        feed_key(p, KEY_CODE_ESCAPE);
}

static bool cells_full(const json_t *cells)
{
    size_t r, c;
    json_t *row, *cell;
    json_array_foreach(json_object_get(cells, "rows"), r, row)
        json_array_foreach(json_object_get(row, "cells"), c, cell)
            if (view_flag(cell, "open"))
                return false;
    return cells != NULL;
}

/* After an answer: the last cell ends the table; what could not be used is said. */
static void follow_answer(struct plain *p, const struct reply *reply)
{
    char text[256];
    bool refused = p->effects & FX_BELL;
    json_t *view = app_view(p->app);
    if (!refused && cells_full(dock_block(view, VIEW_CELLS)))
        feed_command(p, COMMAND_NEXT, NULL);
    else if (app_wants(p->app) == WANTS_CONFIDENCE && reply->confidence != SURE_NONE)
        feed(p, (struct event){ .kind = EVENT_CONFIDENCE, .confidence = reply->confidence });
    else if (*echo_of(view) && app_wants(p->app) == WANTS_LINE)
        plain_print_line(&p->print, echo_of(view));
    else if (refused && !*view_text(view, "message", "")) {
        snprintf(text, sizeof text, "cannot use '%.200s' here", reply->text);
        plain_print_line(&p->print, text);
    }
    json_decref(view);
}

/* Words to search for are not picked from at once: the list that they make comes first. */
static bool searches(const struct plain *p, const char *text)
{
    json_t *view = app_view(p->app);
    bool filter = !app_session(p->app) && dock_block(view, VIEW_INPUT);
    json_decref(view);
    return filter && text[strspn(text, "0123456789")] != '\0';
}

static void answer(struct plain *p, const struct reply *reply)
{
    clear_typed(p);
    feed(p, (struct event){ .kind = EVENT_TEXT, .text = reply->text });
    if (!(p->effects & FX_BELL) && !searches(p, reply->text))
        feed_command(p, COMMAND_NEXT, NULL);
    follow_answer(p, reply);
}

/* The keys of the screen mean nothing here; the commands do. */
static void help(struct plain *p)
{
    char line[160];
    plain_print_line(&p->print, "An answer is one line, and may end in how sure you are: @guess, @50, @75 or @95.");
    plain_print_line(&p->print,
                     "A choice takes its number, an order such as 2 1 4 3 puts the best first, - is no idea.");
    plain_print_line(&p->print, "A line that starts with a colon is a command:");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (i == COMMAND_MOUSE || i == COMMAND_THEME || i == COMMAND_COPY)
            continue;
        bool redraw = i == COMMAND_REDRAW;
        snprintf(line, sizeof line, ":%s, %s", command_table[i].name,
                 redraw ? "print the whole screen again" : command_table[i].help);
        plain_print_line(&p->print, line);
    }
}

static void command(struct plain *p, const struct reply *reply)
{
    char text[256];
    if (reply->command == COMMAND_HELP) {
        help(p);
        return;
    }
    if (reply->command == COMMAND_COPY || reply->command == COMMAND_REDRAW) {
        plain_print_anew(&p->print); /* the whole screen once more */
        return;
    }
    feed_command(p, reply->command, reply->text);
    p->wandered = reply->command != COMMAND_NEXT && reply->command != COMMAND_SKIP;
    json_t *view = app_view(p->app);
    if (p->effects & FX_BELL && !*view_text(view, "message", "")) {
        snprintf(text, sizeof text, "':%s' does nothing here", command_table[reply->command].name);
        plain_print_line(&p->print, text);
    }
    json_decref(view);
}

/* On from where no line is wanted. From a place that "next" does not leave, by leaving the step for later. */
static void go_on(struct plain *p)
{
    json_t *view = app_view(p->app);
    bool stuck = p->tried && json_equal(view, p->tried);
    json_decref(p->tried);
    p->tried = view;
    p->wandered = false;
    feed_command(p, stuck ? COMMAND_SKIP : COMMAND_NEXT, NULL);
    if (stuck && p->effects & FX_BELL)
        p->done = true;
}

/* --- a turn ------------------------------------------------------------------------------------------------------- */

static void hold(struct plain *p, const char *line)
{
    snprintf(p->held, sizeof p->held, "%s", line);
    p->holds = true;
}

static void use_line(struct plain *p, const char *line, enum session_wants wants, bool sure)
{
    char error[256];
    struct reply reply;
    plain_print_listen(&p->print);
    if (!reply_read(line, wants, sure, &reply, error, sizeof error)) {
        if (app_warming(p->app) && wants == WANTS_GRADE) { /* no grade: it is for the lesson */
            hold(p, line);
            feed_command(p, COMMAND_SKIP, NULL);
            return;
        }
        plain_print_line(&p->print, error);
        return;
    }
    if (reply.kind == REPLY_COMMAND)
        command(p, &reply);
    else if (reply.kind == REPLY_EMPTY && wants == WANTS_LINE && app_recalling(p->app))
        feed_command(p, COMMAND_NEXT, NULL); /* looks without an answer */
    else if (wants == WANTS_NOTHING) {
        if (reply.kind != REPLY_EMPTY)
            hold(p, line);
        go_on(p);
    } else if (reply.kind == REPLY_EMPTY)
        plain_print_line(&p->print, wants == WANTS_LINE ? "an answer is wanted here, or '-' for no idea"
                                                        : "an empty line is no answer here");
    else if (reply.kind == REPLY_SURE)
        feed(p, (struct event){ .kind = EVENT_CONFIDENCE, .confidence = reply.confidence });
    else if (reply.kind == REPLY_GRADE)
        feed_key(p, reply.good ? '2' : '1');
    else
        answer(p, &reply);
}

/* The last screen of a lesson is up. */
static bool at_end(const json_t *view)
{
    return *view_text(view, "step", "-") == '\0';
}

/* In a script a read step takes no line, so that a command after it is for the question that follows. */
static bool passes(const struct plain *p, const json_t *view)
{
    return !p->terminal && !p->wandered && !at_end(view) && strcmp(view_text(view, "kind", ""), "read") == 0;
}

/* No line is left: steps that take none are still shown; a lesson's last screen ends it. */
static void run_out(struct plain *p, enum session_wants wants, bool last)
{
    if (wants == WANTS_NOTHING && app_session(p->app) && !last && !p->done)
        go_on(p);
    else
        p->done = true;
}

static void turn(struct plain *p)
{
    char line[REPLY_BYTES];
    show(p);
    if (p->done)
        return;
    json_t *view = app_view(p->app);
    enum session_wants wants = app_wants(p->app);
    bool sure = strcmp(view_text(view, "kind", ""), "predict") == 0, last = at_end(view), pass = passes(p, view);
    if (!pass)
        prompt(p, view);
    json_decref(view);
    if (pass)
        go_on(p);
    else if (!next_line(p, line) || (last && !p->terminal && line[strspn(line, " \t")] != ':'))
        run_out(p, wants, last);
    else
        use_line(p, line, wants, sure);
}

static void begin(struct plain *p, const struct loop_start *start)
{
    struct outbox out = { 0 };
    unsigned effects;
    if (start->document) {
        if (start->path)
            actors_lesson(p->actors, start->document, start->path);
        effects = app_lesson(p->app, start->document, start->step, &out);
    } else
        effects = app_begin(p->app, start->place, &out);
    act(p, effects, &out);
}

/* Leaves as q does, so that a half-written explanation is kept. */
static void end(struct plain *p)
{
    if (!(p->effects & FX_DONE))
        feed_command(p, COMMAND_QUIT, NULL);
    if (p->terminal)
        putchar('\n');
}

int plain_run(const struct options *options, const struct catalog *catalog, const struct loop_start *start)
{
    char error[512];
    struct plain *p = calloc(1, sizeof *p);
    bool nobody = !start->document && start->place == APP_MAP && !isatty(STDOUT_FILENO);
    if (!p)
        return commands_fail("out of memory");
    p->options = options;
    p->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    p->print.mask = options->mask;
    p->print.ascii = options->ascii || !screen_locale();
    p->print.machine = machine_name();
    p->actors = actors_open(options, catalog, error, sizeof error);
    p->app = p->actors ? app_new(catalog, options->seed) : NULL;
    int status = p->app ? EXIT_DONE : commands_fail("%s", p->actors ? "out of memory" : error);
    if (p->app) {
        begin(p, start);
        if (nobody) {
            show(p);
            puts("To go on: saffron LESSON; all that there is: saffron --help.");
        } else
            while (!p->done)
                turn(p);
        end(p);
    }
    plain_print_free(&p->print);
    json_decref(p->tried);
    actors_close(p->actors);
    app_free(p->app);
    free(p);
    return status;
}
