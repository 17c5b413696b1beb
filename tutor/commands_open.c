/* commands_open.c: the tutor itself, as screens or as lines: which face, which lesson. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/learner.h"
#include "tutor/lessonfile.h"
#include "tutor/plain.h"

#define FLAGSHIP "quantization"

static void remember(struct learner *learner, const char *name, const char *value)
{
    char payload[160];
    snprintf(payload, sizeof payload, "{\"name\":\"%s\",\"value\":\"%s\"}", name, value);
    learner_post(learner, &(struct record){ .id = 1, .kind = "setting", .payload = payload });
}

/* The learner's own seed; made at the first start. */
static void seed_of(struct learner *learner, const json_t *settings, char seed[40])
{
    unsigned char random[8] = { 0 };
    snprintf(seed, 40, "%s", view_text(settings, "seed", ""));
    if (*seed)
        return;
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        memcpy(random, &(int64_t){ (int64_t)getpid() * 2654435761 }, sizeof random);
    for (int i = 0; i < 8; i++)
        snprintf(seed + 2 * i, 3, "%02x", random[i]);
    remember(learner, "seed", seed);
}

static bool want_plain(const struct options *options, const json_t *settings)
{
    const char *term = getenv("TERM");
    return options->plain || options->plain_env || strcmp(view_text(settings, "plain", "off"), "on") == 0 ||
           !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO) || !term || strcmp(term, "dumb") == 0;
}

bool commands_want_screen(const struct options *options)
{
    if (want_plain(options, NULL))
        return false;
    struct learner *learner = learner_open(options);
    json_t *settings = learner ? learner_ask(learner, STORE_SETTINGS, NULL) : NULL;
    bool plain = want_plain(options, settings);
    json_decref(settings);
    if (learner)
        learner_close(learner);
    return !plain;
}

/* Opens the face; `start` says where. */
static int run(const struct options *options, const struct catalog *catalog, const struct loop_start *start, bool plain)
{
    char error[512];
    if (!plain) {
        int status = loop_run(options, catalog, start, error, sizeof error);
        if (status >= 0)
            return status;
        commands_fail("%s; going on without a screen", error);
    }
    return plain_run(options, catalog, start);
}

/* What the learner's record says about this start: the seed, the face, whether it is the first one. */
static bool ask_learner(struct options *options, char seed[40], bool *plain, bool *first)
{
    struct learner *learner = learner_open(options);
    if (!learner)
        return false;
    learner_hush(learner); /* the store of the tutor itself will say it */
    json_t *settings = learner_ask(learner, STORE_SETTINGS, NULL);
    json_t *progress = learner_ask(learner, STORE_PROGRESS, NULL);
    if (!options->seed)
        seed_of(learner, settings, seed);
    options->seed = options->seed ? options->seed : seed;
    *plain = want_plain(options, settings);
    *first = json_array_size(json_object_get(progress, "lessons")) == 0;
    if (options->plain && isatty(STDOUT_FILENO) && strcmp(view_text(settings, "plain", "off"), "off") == 0)
        remember(learner, "plain", "on");
    json_decref(settings);
    json_decref(progress);
    learner_close(learner);
    return true;
}

static int open_tutor(const struct options *given, enum app_start place)
{
    struct options options = *given;
    struct lessonfile lesson = { .document = NULL };
    struct loop_start start = { .place = place };
    char problem[512], error[1024], seed[40] = "";
    bool plain, first;
    const char *word = options.word_count && !options.command ? options.words[0] : NULL;
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    if (!catalog)
        return commands_fail("out of memory");
    if (word && !lessonfile_open(&lesson, &options, catalog, word, true, error, sizeof error)) {
        catalog_free(catalog);
        return commands_fail("%s", error);
    }
    if (*problem)
        commands_fail("%s", problem);
    int status = EXIT_USAGE;
    if (ask_learner(&options, seed, &plain, &first)) {
        int flagship = catalog_find(catalog, FLAGSHIP);
        if (!word && place == APP_MAP && first && flagship >= 0 && isatty(STDOUT_FILENO))
            start.document = catalog_document(catalog, flagship);
        else if (word) {
            start.document = lesson.document;
            start.path = lesson.own ? lesson.path : NULL;
            start.step = *lesson.step ? lesson.step : NULL;
        }
        status = run(&options, catalog, &start, plain);
    }
    lessonfile_close(&lesson);
    catalog_free(catalog);
    return status;
}

int command_open(const struct options *options)
{
    if (options->word_count > 1)
        return commands_fail("one lesson at a time: what is '%s'? 'saffron --help' lists the commands",
                             options->words[1]);
    return open_tutor(options, APP_MAP);
}

int commands_open_namesake(const struct options *given)
{
    char problem[512];
    const char *word[] = { given->command };
    struct options options = *given;
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    bool found = catalog && catalog_find(catalog, given->command) >= 0;
    if (catalog)
        catalog_free(catalog);
    if (!found)
        return -1;
    options.words = word;
    options.word_count = 1;
    options.command = NULL;
    return open_tutor(&options, APP_MAP);
}

int command_recall(const struct options *options)
{
    return open_tutor(options, APP_RECALL);
}
