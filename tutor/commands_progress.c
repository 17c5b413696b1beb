/* commands_progress.c: what the store knows, for the command line: statistics and settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/settings.h"
#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/learner.h"
#include "tutor/plain_print.h"
#include "tutor/screen.h"
#include "tutor/stats.h"

int command_stats(const struct options *options)
{
    struct learner *learner = learner_open(options);
    if (!learner)
        return EXIT_USAGE;
    json_t *stats = learner_ask(learner, STORE_CALIBRATION, NULL), *cards = learner_ask(learner, STORE_CARDS, "all");
    if (options->json) {
        json_object_update(stats, cards);
        json_dumpf(stats, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        struct plain_print print = { .ascii = options->ascii || !screen_locale() };
        json_t *blocks = stats_blocks(stats, cards);
        plain_print_blocks(&print, blocks, false);
        plain_print_free(&print);
        json_decref(blocks);
    }
    json_decref(cards);
    json_decref(stats);
    learner_close(learner);
    return EXIT_DONE;
}

static void print_settings(const json_t *settings)
{
    size_t count;
    const struct setting *all = settings_all(&count);
    for (size_t i = 0; i < count; i++)
        printf("%-10s %-14s %s%s%s%s\n", all[i].name, view_text(settings, all[i].name, all[i].value), all[i].title,
               all[i].allowed ? " (" : "", all[i].allowed ? all[i].allowed : "", all[i].allowed ? ")" : "");
}

static int store_setting(struct learner *learner, const char *name, const char *value)
{
    json_t *payload = json_pack("{s:s, s:s}", "name", name, "value", value);
    char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    struct record record = { .id = 1, .kind = "setting", .payload = text };
    bool ok = text && learner_post(learner, &record);
    free(text);
    json_decref(payload);
    return ok ? EXIT_DONE : EXIT_USAGE;
}

int command_set(const struct options *options)
{
    const char *name = options->word_count > 0 ? options->words[0] : NULL;
    const char *value = options->word_count > 1 ? options->words[1] : NULL;
    char why[256];
    int status = EXIT_DONE;
    if (name && !settings_find(name))
        return commands_fail("no setting '%s', did you mean '%s'? 'saffron set' lists them", name,
                             settings_nearest(name));
    if (value && !settings_check(name, value, why, sizeof why))
        return commands_fail("%s", why);
    struct learner *learner = learner_open(options);
    if (!learner)
        return EXIT_USAGE;
    if (value)
        status = store_setting(learner, name, value);
    json_t *settings = learner_ask(learner, STORE_SETTINGS, NULL);
    if (!name)
        print_settings(settings);
    else if (status == EXIT_DONE)
        printf("%s %s\n", name, view_text(settings, name, settings_find(name)->value));
    json_decref(settings);
    learner_close(learner);
    return status;
}
