/* job.c: the two faces of a request: see job.h. The screen redraws when a message, a key or a new size has come. */
#include "tutor/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/machine.h"
#include "engine/view.h"
#include "tutor/actors.h"
#include "tutor/commands.h"
#include "tutor/draw.h"
#include "tutor/ending.h"
#include "tutor/plain_print.h"
#include "tutor/progress_line.h"
#include "tutor/screen.h"

/* --- as lines ----------------------------------------------------------------------------------------------------- */

static int print_answer(const struct options *options, const struct job *job, const json_t *message)
{
    struct plain_print print = { .mask = options->mask, .machine = machine_name() };
    json_t *report = json_object_get(message, job->report);
    if (!report)
        return commands_fail("%s", view_text(message, "text", "the lab gave no answer"));
    if (options->mask && job->mask)
        job->mask(report);
    if (options->json)
        commands_print_json(report, 0);
    else
        plain_print_blocks(&print, json_object_get(message, "blocks"), job->timed);
    plain_print_free(&print);
    return EXIT_DONE;
}

static int run_plain(const struct options *options, const struct job *job, struct actors *actors)
{
    char error[512];
    progress_begin();
    json_t *message = actors_job(actors, job->request, job->open, progress_tell, error, sizeof error);
    progress_end();
    int status = message ? print_answer(options, job, message) : commands_fail("%s", error);
    json_decref(message);
    return status;
}

/* --- as a screen -------------------------------------------------------------------------------------------------- */

struct face {
    const struct options *options;
    const struct job     *job;
    struct actors        *actors;
    struct canvas        *canvas;
    json_t               *blocks;       /* what was answered, or NULL */
    json_t               *report;       /* of the list that is chosen from, or NULL */
    struct picklist      *picks;        /* its items */
    char                  label[120], error[512];
    double                fraction;
    long                  id;
    int                   scroll, page, limit, rows;
    bool                  over, left, answered;
};

static bool choosing(const struct face *face)
{
    return face->picks && !face->blocks && !face->id;
}

static json_t *keys_of(const struct face *face)
{
    if (!face->blocks)
        return json_pack("[{s:s, s:s, s:s}]", "key", "Esc", "name", "cancel", "help", "");
    return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}]", "key", face->picks ? "Esc" : "q", "name",
                     face->picks ? "back" : "leave", "help", "", "key", "Down", "name", "scroll", "help", "");
}

static json_t *view_of(const struct face *face)
{
    char about[80] = "";
    if (choosing(face)) {
        face->job->about(face->report, about, sizeof about);
        return picklist_view(face->picks, face->job->title, about, face->rows);
    }
    json_t *body = face->blocks ? json_incref(face->blocks)
                                : json_pack("[{s:s, s:s, s:f}]", "view", "working", "label",
                                            *face->label ? face->label : "starting", "fraction", face->fraction);
    return json_pack("{s:s, s:s, s:o, s:[], s:o}", "title", face->job->title, "where", "", "body", body, "dock", "keys",
                     keys_of(face));
}

static void draw(struct face *face)
{
    int width, height;
    struct draw_result result;
    struct draw_options options = { .ascii = face->options->ascii || screen_ascii(), .shades = screen_shades(),
                                    .scroll = face->scroll };
    screen_size(&width, &height);
    face->rows = height > 6 ? height - 6 : 1;
    json_t *view = view_of(face);
    canvas_reset(face->canvas, width, height);
    draw_view(view, face->canvas, &options, &result);
    json_decref(view);
    face->page = result.body_height > 1 ? result.body_height - 1 : 1;
    face->limit = result.content_height - result.body_height;
    face->scroll = result.scroll;
    screen_flush(face->canvas, result.cursor_x, result.cursor_y);
}

/* A list is kept to choose from; anything else is shown. */
static void take_report(struct face *face, const json_t *message)
{
    json_t *report = json_object_get(message, face->job->report);
    const json_t *list = face->job->list ? json_object_get(report, face->job->list) : NULL;
    if (list && !face->picks && json_array_size(list) > 1) {
        face->report = json_incref(report);
        face->picks = picklist_new(list, face->job->remark);
    }
    if (!face->picks || !list)
        face->blocks = json_incref(json_object_get(message, "blocks"));
    face->scroll = 0;
    face->answered = true;
}

static void take_message(struct face *face, const json_t *message)
{
    if (json_integer_value(json_object_get(message, "id")) != face->id)
        return;
    if (strcmp(view_text(message, "type", ""), "progress") == 0) {
        snprintf(face->label, sizeof face->label, "%s", view_text(message, "label", ""));
        face->fraction = view_number(message, "fraction", 0);
    } else if (json_object_get(message, face->job->report)) {
        face->id = 0;
        take_report(face, message);
    } else {
        snprintf(face->error, sizeof face->error, "%s", view_text(message, "text", "the lab gave no answer"));
        face->over = true;
    }
}

static void read_lab(struct face *face)
{
    struct event e;
    while (actors_next(face->actors, &e)) {
        if (e.kind == EVENT_LAB)
            take_message(face, e.message);
        else if (e.kind == EVENT_LAB_LOST && face->id) {
            snprintf(face->error, sizeof face->error, "%s", e.text);
            face->over = true;
        }
    }
}

static void scroll_to(struct face *face, int line)
{
    face->scroll = line > face->limit ? face->limit : line;
    face->scroll = face->scroll < 0 ? 0 : face->scroll;
}

/* Asks for what the focus is on. */
static void ask_for_pick(struct face *face)
{
    json_object_set_new(face->job->request, face->job->pick, json_string(picklist_name(face->picks)));
    snprintf(face->label, sizeof face->label, "%.100s", picklist_name(face->picks));
    face->fraction = 0;
    face->id = actors_begin(face->actors, face->job->request, NULL, face->error, sizeof face->error);
    face->over = !face->id;
}

/* From a portrait back to the list, or out. */
static void go_back(struct face *face)
{
    if (!face->picks || face->id) {
        face->left = true;
        return;
    }
    json_decref(face->blocks);
    face->blocks = NULL;
}

static void take_key(struct face *face, uint32_t key)
{
    if (choosing(face)) {
        enum picked picked = picklist_key(face->picks, key, face->rows);
        face->left = picked == PICKED_LEAVE;
        if (picked == PICKED_ITEM)
            ask_for_pick(face);
        return;
    }
    switch (key) {
    case KEY_CODE_DOWN:
    case 'j':                scroll_to(face, face->scroll + 1); break;
    case KEY_CODE_UP:
    case 'k':                scroll_to(face, face->scroll - 1); break;
    case KEY_CODE_PAGE_DOWN:
    case ' ':                scroll_to(face, face->scroll + face->page); break;
    case KEY_CODE_PAGE_UP:   scroll_to(face, face->scroll - face->page); break;
    case KEY_CODE_HOME:      scroll_to(face, 0); break;
    case KEY_CODE_END:       scroll_to(face, face->limit); break;
    case KEY_CODE_ESCAPE:
    case KEY_CODE_LEFT:      go_back(face); break;
    case 'q':
    case 3:                  face->left = true; break;
    default:                 break;
    }
}

static void read_keys(struct face *face)
{
    struct screen_event e;
    while (!face->left && screen_next(&e)) {
        if (e.kind == SCREEN_KEY)
            take_key(face, e.key);
        else if (e.kind == SCREEN_WHEEL)
            scroll_to(face, face->scroll + (e.key == KEY_CODE_UP ? -3 : 3));
        face->left = face->left || e.kind == SCREEN_GONE;
    }
}

static bool wait_for(const struct face *face)
{
    struct pollfd fds[ACTORS_FDS + 2] = { { .fd = screen_fd(), .events = POLLIN },
                                          { .fd = screen_wake_fd(), .events = POLLIN } };
    int n = 2 + actors_fds(face->actors, fds + 2);
    return ending_poll(fds, (nfds_t)n, actors_timeout(face->actors));
}

static void follow(struct face *face)
{
    draw(face);
    while (!face->over && !face->left && !ending_came() && wait_for(face)) {
        read_keys(face);
        read_lab(face);
        draw(face);
    }
}

/* -1: there is no screen to be had. */
static int run_screen(const struct options *options, const struct job *job, struct actors *actors)
{
    const struct theme *theme = theme_find(options->theme ? options->theme : theme_guess());
    const struct screen_options screen = { .theme = theme, .color = screen_color_named(options->color) };
    struct face face = { .options = options, .job = job, .actors = actors };
    char error[512];
    if (!screen_open(&screen, error, sizeof error))
        return -1;
    ending_take();
    face.canvas = canvas_new(0, 0);
    face.id = actors_begin(actors, job->request, job->open, face.error, sizeof face.error);
    if (face.id)
        follow(&face);
    screen_close();
    canvas_free(face.canvas);
    picklist_free(face.picks);
    json_decref(face.report);
    json_decref(face.blocks);
    if (face.answered && !face.over)
        return EXIT_DONE;
    return commands_fail("%s", *face.error ? face.error : "canceled");
}

int job_run(const struct options *options, const struct job *job)
{
    char error[512];
    int status = -1;
    struct actors *actors = actors_open(options, NULL, error, sizeof error);
    if (!actors)
        return commands_fail("%s", error);
    if (job->screen && !options->json && commands_want_screen(options))
        status = run_screen(options, job, actors);
    if (status < 0)
        status = run_plain(options, job, actors);
    actors_close(actors);
    return status;
}
