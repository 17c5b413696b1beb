/* learner.c: the learner's progress for commands without a screen. See learner.h. */
#include "tutor/learner.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "tutor/commands.h"
#include "tutor/paths.h"

struct learner {
    struct store *store;
    bool          said; /* what is wrong was told: one line is enough */
};

int64_t learner_clock(void *ctx, int *offset)
{
    const struct options *options = ctx;
    int64_t now = options_now(options);
    time_t seconds = (time_t)(now / 1000);
    struct tm local;
    *offset = options->now_offset;
    if (options->now < 0 && localtime_r(&seconds, &local))
        *offset = (int)(local.tm_gmtoff / 60);
    return now;
}

struct learner *learner_open(const struct options *options)
{
    char path[PATH_MAX], error[512];
    struct learner *learner = calloc(1, sizeof *learner);
    if (!learner || !paths_database(options->db, path, sizeof path, error, sizeof error)) {
        commands_fail("%s", learner ? error : "out of memory");
        free(learner);
        return NULL;
    }
    struct store_config config = { .path = path, .clock = learner_clock, .clock_ctx = (void *)options };
    learner->store = store_open(&config);
    if (learner->store)
        return learner;
    commands_fail("cannot start the thread that keeps progress, free some memory");
    free(learner);
    return NULL;
}

static void say(struct learner *learner, const char *text)
{
    if (!learner->said)
        commands_fail("%s", text);
    learner->said = true;
}

void learner_close(struct learner *learner)
{
    struct store_reply reply;
    if (!learner)
        return;
    while (store_next(learner->store, &reply)) {
        if (reply.id == 0 && reply.text)
            say(learner, reply.text);
        store_reply_clear(&reply);
    }
    store_close(learner->store);
    free(learner);
}

void learner_hush(struct learner *learner)
{
    learner->said = true;
}

json_t *learner_ask(struct learner *learner, enum store_question question, const char *arg)
{
    struct store_reply reply;
    json_t *json = NULL;
    if (store_ask_wait(learner->store, question, arg, &reply)) {
        if (reply.ok && reply.text)
            json = json_loads(reply.text, 0, NULL);
        else if (reply.text)
            say(learner, reply.text);
        store_reply_clear(&reply);
    }
    return json ? json : json_object();
}

char *learner_text(struct learner *learner, enum store_question question, const char *arg)
{
    struct store_reply reply;
    char *text = NULL;
    if (!store_ask_wait(learner->store, question, arg, &reply))
        return NULL;
    if (reply.ok) {
        text = reply.text;
        reply.text = NULL;
    } else if (reply.text)
        say(learner, reply.text);
    store_reply_clear(&reply);
    return text;
}

bool learner_post(struct learner *learner, const struct record *record)
{
    struct store_reply reply;
    if (!store_post_wait(learner->store, record, &reply)) {
        say(learner, "out of memory");
        return false;
    }
    bool ok = reply.ok;
    if (!ok)
        say(learner, reply.text ? reply.text : "progress could not be saved");
    store_reply_clear(&reply);
    return ok;
}
