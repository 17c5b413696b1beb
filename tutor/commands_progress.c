/* commands_progress.c: what the store knows, for the command line: calibration and settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/calibration.h"
#include "db/settings.h"
#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/learner.h"

static int whole(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

static double percent(const json_t *object, const char *name)
{
    return 100 * json_number_value(json_object_get(object, name));
}

static void print_level(const json_t *level)
{
    const char *name = view_text(level, "level", "");
    bool guess = strcmp(name, "guess") == 0;
    if (whole(level, "n") == 0)
        return;
    printf("%s%s: %d of %d right, %.0f %% (95 %% interval %.0f to %.0f %%).\n", guess ? "guesses" : name,
           guess ? "" : " % sure", whole(level, "hits"), whole(level, "n"), percent(level, "hit_rate"),
           percent(level, "low"), percent(level, "high"));
}

static void print_stats(const json_t *stats)
{
    size_t i;
    json_t *level;
    int n = whole(stats, "n");
    if (n == 0) {
        puts("No prediction is scored yet.");
        return;
    }
    printf("%d prediction%s scored, %d right.\n", n, n == 1 ? "" : "s", whole(stats, "hits"));
    printf("Surprises (a miss at 75 or 95 %%): %d.\n", whole(stats, "surprises"));
    if (!view_flag(stats, "enough"))
        printf("Too few to say how well your confidence fits: that takes %d.\n", CALIBRATION_ENOUGH);
    else
        printf("Mean confidence %.0f %%, hit rate %.0f %%.\nBrier score %.3f (0 is best, a coin gets 0.25).\n",
               percent(stats, "mean_confidence"), percent(stats, "hit_rate"),
               json_number_value(json_object_get(stats, "brier")));
    json_array_foreach(json_object_get(stats, "levels"), i, level)
        print_level(level);
}

int command_stats(const struct options *options)
{
    struct learner *learner = learner_open(options);
    if (!learner)
        return EXIT_USAGE;
    json_t *stats = learner_ask(learner, STORE_CALIBRATION, NULL), *cards = learner_ask(learner, STORE_CARDS, "all");
    json_object_update(stats, cards);
    json_decref(cards);
    if (options->json) {
        json_dumpf(stats, stdout, JSON_INDENT(2));
        putchar('\n');
    } else
        print_stats(stats);
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
