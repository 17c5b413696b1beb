/* drive.c: one step of a lesson without a face. See drive.h. */
#include "tutor/drive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/view.h"
#include "tutor/learner.h"

/* "0x0353ead14fc8e4f9": a step's own seed, as a reveal names it, and not the learner's. */
static bool is_step_seed(const char *text)
{
    return strncmp(text, "0x", 2) == 0 && strlen(text) == 18 && strspn(text + 2, "0123456789abcdef") == 16;
}

static bool read_records(struct drive *d)
{
    struct learner *learner = learner_open(d->options);
    if (!learner)
        return false;
    json_t *settings = learner_ask(learner, STORE_SETTINGS, NULL);
    d->records = learner_ask(learner, STORE_LESSON, document_id(d->lesson.document));
    const char *given = d->options->seed && !is_step_seed(d->options->seed) ? d->options->seed : NULL;
    snprintf(d->seed, sizeof d->seed, "%s", given ? given : view_text(settings, "seed", ""));
    json_decref(settings);
    learner_close(learner);
    return true;
}

bool drive_open(struct drive *d, const struct options *options, const char *word, char *error, size_t size)
{
    char problem[512];
    *d = (struct drive){ .options = options, .catalog = catalog_load(problem, sizeof problem) };
    if (!strchr(word, ':')) {
        snprintf(error, size, "'%.80s' names no step, write LESSON:STEP", word);
        return false;
    }
    if (!lessonfile_open(&d->lesson, options, d->catalog, word, true, error, size))
        return false;
    snprintf(error, size, "cannot read progress");
    if (!read_records(d))
        return false;
    d->actors = actors_open(options, d->catalog, error, size);
    d->session = d->actors ? session_new(d->lesson.document, d->seed, 1) : NULL;
    if (!d->session)
        return false;
    if (d->lesson.own)
        actors_lesson(d->actors, d->lesson.document, d->lesson.path);
    session_restore(d->session, d->records);
    session_go(d->session, d->lesson.step, NULL);
    d->step = document_step(d->lesson.document, document_find(d->lesson.document, d->lesson.step))->json;
    return true;
}

void drive_close(struct drive *d)
{
    actors_close(d->actors);
    session_free(d->session);
    json_decref(d->records);
    json_decref(d->result);
    lessonfile_close(&d->lesson);
    catalog_free(d->catalog);
}

static void feed(struct drive *d, struct event event)
{
    struct outbox out = { 0 };
    event.now = options_now(d->options);
    if (event.kind == EVENT_LAB && strcmp(view_text(event.message, "type", ""), "result") == 0) {
        json_decref(d->result);
        d->result = json_deep_copy(event.message);
    }
    unsigned effects = session_feed(d->session, &event, &out);
    if (out.record)
        json_object_set_new(out.record, "lesson", json_string(document_id(d->lesson.document)));
    if (out.request && json_object_get(out.request, "seed") && d->options->seed && is_step_seed(d->options->seed))
        json_object_set_new(out.request, "seed", json_string(d->options->seed + 2));
    actors_take(d->actors, effects, &out);
    free(out.text);
    if (event.kind == EVENT_COMMAND)
        d->effects = effects;
}

static void wait_quiet(struct drive *d)
{
    struct pollfd fds[ACTORS_FDS];
    for (;;) {
        for (struct event event; actors_next(d->actors, &event);)
            feed(d, event);
        if (!session_busy(d->session))
            return;
        if (poll(fds, (nfds_t)actors_fds(d->actors, fds), actors_timeout(d->actors)) < 0 && errno != EINTR)
            return;
    }
}

void drive_command(struct drive *d, enum command command, const char *text)
{
    feed(d, (struct event){ .kind = EVENT_COMMAND, .command = command, .text = text });
    wait_quiet(d);
}

bool drive_complains(const struct drive *d, char *error, size_t size)
{
    json_t *view = session_view(d->session);
    snprintf(error, size, "%s", view_text(view, "message", ""));
    json_decref(view);
    return *error != '\0';
}

void drive_settle(struct drive *d)
{
    feed(d, (struct event){ .kind = EVENT_TICK });
    wait_quiet(d);
}
