/* qualityboard.c: the schemes on one axis, a focus among them, and what the focused one writes. See qualityboard.h. */
#include "tutor/qualityboard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/command.h"
#include "engine/qualityjob.h"
#include "engine/qualityview.h"
#include "engine/text.h"
#include "engine/view.h"
#include "tutor/figures.h"

enum {
    RUNS_MOST = QUALITYJOB_RUNS + 1,
    SAMPLE = 200,           /* bytes that a scheme writes unless it is said */
    HEAD_ROWS = 2,          /* of the table, */
    DOCK_ROWS = 4,          /* and what stands below it */
};

struct board {
    struct jobface face;    /* first, so that the one is the other */
    json_t *measuring;      /* the request for the table; borrowed */
    json_t *quality;        /* what is known so far, or NULL */
    json_t *written;        /* the answer about what one scheme writes, while that is shown */
    json_t *sampling;       /* the request for it */
    size_t  focus;          /* a run */
    unsigned long luck;     /* the seed of what is drawn */
    int     sample;         /* bytes that a scheme writes */
    bool    moved, by_loss, done;
    char    message[200];
};

static const struct board *board_of(const struct jobface *face)
{
    return (const struct board *)face;
}

static const json_t *run_at(const struct board *b, size_t i)
{
    return json_array_get(json_object_get(b->quality, "runs"), i);
}

static size_t runs_of(const struct board *b)
{
    size_t count = json_array_size(json_object_get(b->quality, "runs"));
    return count < RUNS_MOST ? count : RUNS_MOST;
}

/* --- order -------------------------------------------------------------------------------------------------------- */

/* The runs as they stand: as they were measured, or by loss. */
static void order_runs(const struct board *b, size_t order[RUNS_MOST])
{
    for (size_t i = 0; i < runs_of(b); i++) {
        size_t at = i;
        double loss = qualityview_loss(run_at(b, i));
        for (; b->by_loss && at > 0 && loss < qualityview_loss(run_at(b, order[at - 1])); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

/* Lines that a run takes. */
static int lines_of(const struct board *b, size_t run)
{
    return text_width(view_text(run_at(b, run), "label", "")) > INTERVALS_LABEL ? 2 : 1;
}

/* The page of the order that holds the focus, `lines` high: from *first up to *end. */
static void find_page(const struct board *b, const size_t *order, int lines, size_t *first, size_t *end)
{
    bool found = false;
    *first = *end = 0;
    for (int used = 0; *end < runs_of(b); used += lines_of(b, order[(*end)++])) {
        if (used + lines_of(b, order[*end]) > lines && *end > *first) {
            if (found)
                return;
            *first = *end;
            used = 0;
        }
        found = found || order[*end] == b->focus;
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static json_t *cell(const char *format, double value)
{
    char text[48];
    snprintf(text, sizeof text, format, value);
    return json_string(text);
}

static json_t *row_of(const json_t *run, bool plain, bool focused)
{
    char delta[64] = "0";
    double at = view_number(run, "delta", NAN), error = view_number(run, "delta_se", 0);
    if (!plain)
        snprintf(delta, sizeof delta, "%+.4f ±%.4f", at, error);
    json_t *row = json_pack("{s:s, s:O, s:s, s:b, s:[o, o, o, o, s]}", "label", view_text(run, "label", ""), "value",
                            json_object_get(run, "delta"), "role", plain ? "value" : "outcome", "focused", focused,
                            "cells", cell("%.3g", view_number(run, "bits_per_weight", NAN)),
                            cell("%.4f", qualityview_loss(run)), cell("%.4f", view_number(run, "kl", NAN)),
                            cell("%.1f", 100 * view_number(run, "top1", NAN)), delta);
    if (!plain && isfinite(at) && isfinite(error)) {
        json_object_set_new(row, "low", json_real(at - 2 * error));
        json_object_set_new(row, "high", json_real(at + 2 * error));
    }
    return row;
}

/* The ends of the axis over all runs, so that it stays where it is from page to page; and where it bends: at the
 * largest power of ten below the smallest whisker, where what is to be shown is much larger. */
static void set_axis(const struct board *b, json_t *block)
{
    double from = 0, to = 0, least = INFINITY;
    for (size_t i = 1; i < runs_of(b); i++) {
        double at = view_number(run_at(b, i), "delta", NAN), reach = 2 * view_number(run_at(b, i), "delta_se", NAN);
        from = at - reach < from ? at - reach : from;
        to = at + reach > to ? at + reach : to;
        least = reach > 0 && reach < least ? reach : least;
    }
    double most = fmax(to, -from), knee = pow(10, floor(log10(fmax(least, most / 1e4))));
    json_object_set_new(block, "from", json_real(from));
    json_object_set_new(block, "to", json_real(to > from ? to : from + 1e-3));
    if (isfinite(least) && most > 30 * knee)
        json_object_set_new(block, "knee", json_real(knee));
}

static json_t *figure_of(const struct board *b, json_t *rows)
{
    json_t *block = json_pack("{s:s, s:s, s:[s, s, s, s, s], s:i, s:o}", "view", "intervals", "title", "above FP32",
                              "columns", "bits", "loss", "KL", "top-1", "", "spare", 3, "rows",
                              rows);
    set_axis(b, block);
    return block;
}

static json_t *page_of(const struct board *b, int lines)
{
    size_t order[RUNS_MOST], first, end;
    json_t *rows = json_array();
    order_runs(b, order);
    find_page(b, order, lines, &first, &end);
    for (size_t i = first; i < end; i++)
        json_array_append_new(rows, row_of(run_at(b, order[i]), order[i] == 0, order[i] == b->focus && !b->face.id));
    return figure_of(b, rows);
}

/* --- what stands around the table --------------------------------------------------------------------------------- */

static json_t *prose(const char *text)
{
    return json_pack("{s:s, s:s}", "view", "prose", "text", text);
}

/* What the focused row says, in words. */
static json_t *detail(const struct board *b)
{
    char text[400], apart[120];
    const json_t *run = run_at(b, b->focus);
    double delta = view_number(run, "delta", NAN), error = view_number(run, "delta_se", NAN);
    const char *unit = qualityview_unit(b->quality), *token = strchr(unit, '/') + 1;
    if (!run)
        return prose("");
    if (b->focus == 0) {
        snprintf(text, sizeof text, "fp32: %.4f %s on %d %ss of text that it has not seen. All others are compared "
                 "with it, %s by %s.", qualityview_loss(run), unit, (int)view_number(b->quality, "predicted", 0), token,
                 token, token);
        return prose(text);
    }
    if (fabs(delta) > 2 * error)
        snprintf(apart, sizeof apart, "%.1f standard errors from FP32", fabs(delta) / error);
    else
        snprintf(apart, sizeof apart, "not told apart from FP32");
    snprintf(text, sizeof text, "%s: %+.4f ±%.4f %s, %s. KL %.4f nats; the same first choice for %.1f %% of the %ss.",
             view_text(run, "label", ""), delta, error, unit, apart, view_number(run, "kl", NAN),
             100 * view_number(run, "top1", NAN), token);
    return prose(text);
}

/* "model · 16,895 predictions" */
static void where(const struct board *b, char *out, size_t size)
{
    const char *path = view_text(b->measuring, "path", ""), *slash = strrchr(path, '/');
    char number[32] = "";
    *out = '\0';
    if (b->quality)
        view_format(view_number(b->quality, "predicted", 0), number, sizeof number);
    snprintf(out, size, "%s%s%s%s", slash && slash[1] ? slash + 1 : path, *number ? " · " : "", number,
             *number ? " predictions" : "");
}

static void add_key(json_t *keys, const char *key, const char *name)
{
    json_array_append_new(keys, json_pack("{s:s, s:s, s:s}", "key", key, "name", name, "help", ""));
}

static json_t *keys_of(const struct board *b)
{
    json_t *keys = json_array();
    if (b->face.id)
        add_key(keys, "Esc", b->quality ? "stop here" : "cancel");
    else if (b->written) {
        add_key(keys, "n", "other luck");
        add_key(keys, "Esc", "back");
    } else {
        add_key(keys, "Enter", "what it writes");
        add_key(keys, "s", b->by_loss ? "as measured" : "by loss");
    }
    add_key(keys, "q", "leave");
    return keys;
}

/* --- what a scheme writes ----------------------------------------------------------------------------------------- */

static json_t *writing(const json_t *run, bool beside)
{
    return json_pack("{s:s, s:s, s:s, s:b}", "view", "note", "title", view_text(run, "label", ""), "text",
                     view_text(run, "sample", ""), "beside", beside);
}

/* What they go on from: the last line of it is enough to see. */
static json_t *beginning(const struct board *b)
{
    char text[200];
    const char *prompt = view_text(b->written, "prompt", ""), *line = strrchr(prompt, '\n');
    snprintf(text, sizeof text, "\"%.80s\" goes on for %d bytes, with the same luck (seed %lu):",
             line && line[1] ? line + 1 : prompt, b->sample, b->luck);
    return prose(text);
}

/* The scheme, FP32 for comparison, and where both stand. */
static json_t *writing_of(const struct board *b)
{
    const json_t *runs = json_object_get(b->written, "runs");
    json_t *body = json_array(), *rows = json_array();
    json_array_append_new(body, beginning(b));
    json_array_append_new(rows, row_of(run_at(b, 0), true, false));
    if (b->focus > 0) {
        json_array_append_new(rows, row_of(run_at(b, b->focus), false, false));
        json_array_append_new(body, writing(json_array_get(runs, 1), false));
    }
    json_array_append_new(body, writing(json_array_get(runs, 0), b->focus > 0));
    json_array_append_new(body, figure_of(b, rows));
    return body;
}

static unsigned ask_for_sample(struct board *b)
{
    static const char *const same[] = { "path", "text", "calib", "outliers", "times", "context" };
    char seed[32];
    json_t *scheme = json_object_get(run_at(b, b->focus), "scheme");
    snprintf(seed, sizeof seed, "%lu", b->luck);
    json_decref(b->sampling);
    b->sampling = json_pack("{s:s, s:s, s:b, s:i, s:[O]}", "type", "quality", "seed", seed, "measure", false, "sample",
                            b->sample, "runs", scheme ? scheme : json_object());
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (json_object_get(b->measuring, same[i]))
            json_object_set(b->sampling, same[i], json_object_get(b->measuring, same[i]));
    b->face.request = b->sampling;
    snprintf(b->face.label, sizeof b->face.label, "%s", view_text(run_at(b, b->focus), "label", ""));
    return JOBFACE_ASK;
}

/* --- the face ----------------------------------------------------------------------------------------------------- */

static json_t *view_of(const struct jobface *face, int rows)
{
    const struct board *b = board_of(face);
    char place[160], status[200] = "";
    json_t *dock = json_array(), *body;
    where(b, place, sizeof place);
    if (b->written && !face->id)
        body = writing_of(b);
    else {
        body = json_array();
        if (b->quality)
            json_array_append_new(body, page_of(b, rows - HEAD_ROWS - DOCK_ROWS));
        json_array_append_new(dock, face->id ? jobface_working(face) : detail(b));
    }
    if (b->quality)
        snprintf(status, sizeof status, "whiskers: 2 standard errors · KL: nats · simulated in FP32, %s",
                 view_text(b->quality, "isa", ""));
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "title", "saffron quality", "where", place, "body", body,
                     "dock", dock, "status", status, "message", b->message, "keys", keys_of(b));
}

static void take_report(struct board *b, json_t *report)
{
    json_decref(b->quality);
    b->quality = json_incref(report);
    if (!b->moved && runs_of(b) > 0)
        b->focus = runs_of(b) - 1; /* what has just come is seen */
}

/* The table is there, or what could be had of it. */
static unsigned finish_table(struct board *b, const json_t *message)
{
    json_t *report = json_object_get(message, "quality");
    if (!report && !b->quality) {
        snprintf(b->face.error, sizeof b->face.error, "%s", view_text(message, "text", "the lab gave no answer"));
        return JOBFACE_LEAVE;
    }
    if (report)
        take_report(b, report);
    else
        snprintf(b->message, sizeof b->message, "%.190s", view_text(message, "text", "the lab gave no answer"));
    if (report && json_is_false(json_object_get(report, "complete")))
        snprintf(b->message, sizeof b->message, "stopped after %zu schemes", runs_of(b));
    if (!b->moved)
        b->focus = 0;
    b->done = b->face.answered = true;
    return 0;
}

static unsigned take_message(struct jobface *face, const json_t *message)
{
    struct board *b = (struct board *)face;
    json_t *report = json_object_get(message, face->id ? "report" : "quality");
    if (face->id) {
        if (report && !b->done)
            take_report(b, report);
        return 0;
    }
    if (!b->done)
        return finish_table(b, message);
    if (report && json_is_true(json_object_get(report, "complete"))) {
        json_decref(b->written);
        b->written = json_incref(report);
        return JOBFACE_TOP;
    }
    snprintf(b->message, sizeof b->message, "%.190s", view_text(message, "text", "stopped"));
    return 0;
}

static void move_to(struct board *b, const size_t *order, long place)
{
    long last = (long)runs_of(b) - 1;
    b->moved = true;
    if (last >= 0)
        b->focus = order[place < 0 ? 0 : place > last ? last : place];
}

static void move_by_key(struct board *b, uint32_t key, int rows)
{
    size_t order[RUNS_MOST];
    long place = 0, page = rows > HEAD_ROWS + DOCK_ROWS + 1 ? rows - HEAD_ROWS - DOCK_ROWS - 1 : 1;
    order_runs(b, order);
    while (place < (long)runs_of(b) && order[place] != b->focus)
        place++;
    switch (key) {
    case KEY_CODE_DOWN:
    case 'j':                move_to(b, order, place + 1); break;
    case KEY_CODE_UP:
    case 'k':                move_to(b, order, place - 1); break;
    case KEY_CODE_PAGE_DOWN:
    case ' ':                move_to(b, order, place + page); break;
    case KEY_CODE_PAGE_UP:   move_to(b, order, place - page); break;
    case KEY_CODE_HOME:      move_to(b, order, 0); break;
    case KEY_CODE_END:       move_to(b, order, RUNS_MOST); break;
    default:                 break;
    }
}

/* While what a scheme writes is shown. */
static unsigned key_of_writing(struct board *b, uint32_t key)
{
    if (key == 'n') {
        b->luck++;
        return ask_for_sample(b);
    }
    if (key != KEY_CODE_ESCAPE && key != KEY_CODE_LEFT && key != KEY_CODE_BACKSPACE)
        return JOBFACE_SCROLL;
    json_decref(b->written);
    b->written = NULL;
    return JOBFACE_TOP;
}

static unsigned take_key(struct jobface *face, uint32_t key, int rows)
{
    struct board *b = (struct board *)face;
    b->message[0] = '\0';
    if (key == 'q' || key == 3)
        return JOBFACE_LEAVE;
    if (face->id && key == KEY_CODE_ESCAPE)
        return b->quality ? JOBFACE_CANCEL : JOBFACE_LEAVE;
    if (b->written && !face->id)
        return key_of_writing(b, key);
    if (key == KEY_CODE_ENTER && face->id)
        snprintf(b->message, sizeof b->message, "the lab is busy, Esc stops it");
    else if (key == KEY_CODE_ENTER && b->quality)
        return ask_for_sample(b);
    else if (key == 's')
        b->by_loss = !b->by_loss;
    else if (key == KEY_CODE_ESCAPE)
        return JOBFACE_LEAVE;
    else
        move_by_key(b, key, rows);
    return 0;
}

struct jobface *qualityboard_new(json_t *request, const json_t *open)
{
    struct board *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->face = (struct jobface){ view_of, take_key, take_message, .request = request, .open = open };
    b->measuring = request;
    b->sample = (int)view_number(request, "sample", SAMPLE);
    b->luck = strtoul(view_text(request, "seed", "1"), NULL, 0);
    return &b->face;
}

void qualityboard_free(struct jobface *face)
{
    struct board *b = (struct board *)face;
    if (!b)
        return;
    json_decref(b->quality);
    json_decref(b->written);
    json_decref(b->sampling);
    free(b);
}
