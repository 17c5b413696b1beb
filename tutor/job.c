/* job.c: the two faces of a request: see job.h. */
#include "tutor/job.h"

#include <stdio.h>

#include "engine/command.h"
#include "engine/machine.h"
#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/jobscreen.h"
#include "tutor/plain_print.h"
#include "tutor/progress_line.h"

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

/* Blocks as they are answered, or a list to choose from first. */
struct pickface {
    struct jobface    face;     /* first, so that the one is the other */
    const struct job *job;
    json_t           *blocks;   /* what was answered, or NULL, */
    json_t           *answer;   /* and the report that came with it */
    json_t           *report;   /* of the list that is chosen from, or NULL */
    struct picklist  *picks;    /* its items */
};

static bool choosing(const struct pickface *p)
{
    return p->picks && !p->blocks && !p->face.id;
}

static json_t *keys_of(const struct pickface *p)
{
    if (!p->blocks)
        return json_pack("[{s:s, s:s, s:s}]", "key", "Esc", "name", "cancel", "help", "");
    return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}]", "key", p->picks ? "Esc" : "q", "name",
                     p->picks ? "back" : "leave", "help", "", "key", "Down", "name", "scroll", "help", "");
}

static json_t *view_of(const struct jobface *face, int rows)
{
    const struct pickface *p = (const struct pickface *)face;
    char about[80] = "";
    if (choosing(p)) {
        p->job->about(p->report, about, sizeof about);
        return picklist_view(p->picks, p->job->title, about, rows);
    }
    json_t *body = p->blocks ? json_incref(p->blocks) : json_pack("[o]", jobface_working(face));
    json_t *view = json_pack("{s:s, s:s, s:o, s:[], s:o}", "title", p->job->title, "where", "", "body", body, "dock",
                             "keys", keys_of(p));
    if (p->job->frame)
        p->job->frame(p->job, p->answer, view);
    return view;
}

/* A list is kept to choose from; anything else is shown. */
static unsigned take_message(struct jobface *face, const json_t *message)
{
    struct pickface *p = (struct pickface *)face;
    json_t *report = json_object_get(message, p->job->report);
    const json_t *list = p->job->list ? json_object_get(report, p->job->list) : NULL;
    if (face->id)
        return 0;
    if (!report) {
        snprintf(face->error, sizeof face->error, "%s", view_text(message, "text", "the lab gave no answer"));
        return JOBFACE_LEAVE;
    }
    if (list && !p->picks && json_array_size(list) > 1) {
        p->report = json_incref(report);
        p->picks = picklist_new(list, p->job->remark);
    }
    if (!p->picks || !list) {
        p->blocks = json_incref(json_object_get(message, "blocks"));
        p->answer = json_incref(report);
    }
    face->answered = true;
    return JOBFACE_TOP;
}

/* Asks for what the focus is on. */
static unsigned ask_for_pick(struct pickface *p)
{
    json_object_set_new(p->face.request, p->job->pick, json_string(picklist_name(p->picks)));
    snprintf(p->face.label, sizeof p->face.label, "%.100s", picklist_name(p->picks));
    return JOBFACE_ASK;
}

/* From a portrait back to the list, or out. */
static unsigned go_back(struct pickface *p)
{
    if (!p->picks || p->face.id)
        return JOBFACE_LEAVE;
    json_decref(p->blocks);
    json_decref(p->answer);
    p->blocks = p->answer = NULL;
    return 0;
}

static unsigned take_key(struct jobface *face, uint32_t key, int rows)
{
    struct pickface *p = (struct pickface *)face;
    if (choosing(p)) {
        enum picked picked = picklist_key(p->picks, key, rows);
        return picked == PICKED_LEAVE ? JOBFACE_LEAVE : picked == PICKED_ITEM ? ask_for_pick(p) : 0;
    }
    if (key == KEY_CODE_ESCAPE || key == KEY_CODE_LEFT)
        return go_back(p);
    return key == 'q' || key == 3 ? JOBFACE_LEAVE : JOBFACE_SCROLL;
}

static int run_screen(const struct options *options, const struct job *job, struct actors *actors)
{
    struct pickface p = { .face = { view_of, take_key, take_message, .open = job->open,
                                    .request = job->look ? job->look : job->request },
                          .job = job };
    int status = jobscreen_run(options, actors, job->face ? job->face : &p.face);
    picklist_free(p.picks);
    json_decref(p.report);
    json_decref(p.blocks);
    json_decref(p.answer);
    return status;
}

int job_run(const struct options *options, const struct job *job)
{
    char error[512];
    int status = -1;
    const char *unsendable = options_unsendable(options);
    if (unsendable)
        return commands_fail("'%s' is not UTF-8, which what the lab is sent must be", unsendable);
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
