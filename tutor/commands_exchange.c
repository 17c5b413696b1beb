/* commands_exchange.c: progress out of this machine and in: export, import, backup, restore. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/jsonscan.h"
#include "engine/infile.h"
#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/export.h"
#include "tutor/learner.h"

enum { BATCH_BYTES = 512 * 1024 }; /* of events in one transaction */

/* --- export ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool      (*run)(struct learner *, FILE *);
} formats[] = { { "json", export_json }, { "anki", export_anki }, { "csv", export_csv } };

static bool write_format(struct learner *learner, const char *name, FILE *out)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].run(learner, out) && fflush(out) == 0;
    return false;
}

/* A new file takes the old one's name only when it is whole. */
static bool write_file(struct learner *learner, const char *format, const char *path)
{
    char *part = NULL;
    if (asprintf(&part, "%s.part", path) < 0)
        return false;
    FILE *out = fopen(part, "w");
    bool ok = out && write_format(learner, format, out);
    int error = errno;
    if (out && fclose(out) != 0)
        ok = false;
    if (ok && rename(part, path) != 0) {
        error = errno;
        ok = false;
    }
    if (!ok) {
        unlink(part);
        commands_fail("cannot write '%s': %s, choose another place with -o", path, strerror(error));
    }
    free(part);
    return ok;
}

int command_export(const struct options *options)
{
    if (!options->to)
        return commands_fail("export needs '--to anki', '--to csv' or '--to json'");
    struct learner *learner = learner_open(options);
    if (!learner)
        return EXIT_USAGE;
    bool ok = options->output ? write_file(learner, options->to, options->output)
                              : write_format(learner, options->to, stdout);
    learner_close(learner);
    return ok ? EXIT_DONE : EXIT_USAGE;
}

/* --- import ------------------------------------------------------------------------------------------------------- */

/* Events read and not yet stored, and what became of those before. */
struct intake {
    char  *batch;
    size_t used;
    int    added, known, clashing, refused;
    char   why[160]; /* the first was refused */
};

static void count(struct intake *intake, const json_t *reply)
{
    intake->added += (int)json_integer_value(json_object_get(reply, "added"));
    intake->known += (int)json_integer_value(json_object_get(reply, "known"));
    intake->clashing += (int)json_integer_value(json_object_get(reply, "clashing"));
    intake->refused += (int)json_integer_value(json_object_get(reply, "refused"));
    if (!*intake->why)
        snprintf(intake->why, sizeof intake->why, "%s", view_text(reply, "first_refused", ""));
}

static bool store_batch(struct learner *learner, struct intake *intake)
{
    if (intake->used == 0)
        return true;
    intake->batch[intake->used] = '\0';
    intake->used = 0;
    char *text = learner_text(learner, STORE_IMPORT, intake->batch);
    json_t *reply = text ? json_loads(text, 0, NULL) : NULL;
    bool ok = reply != NULL;
    count(intake, reply);
    json_decref(reply);
    free(text);
    return ok;
}

static bool add(struct learner *learner, struct intake *intake, struct jsonscan_part event)
{
    if (intake->used + event.size + 1 > BATCH_BYTES && !store_batch(learner, intake))
        return false;
    memcpy(intake->batch + intake->used, event.at, event.size);
    intake->used += event.size;
    intake->batch[intake->used++] = ',';
    return true;
}

static int tell(const struct intake *intake, const char *file, const char *error)
{
    printf("%d event%s added, %d known before.\n", intake->added, intake->added == 1 ? "" : "s", intake->known);
    if (intake->clashing)
        commands_fail("%d events of '%s' were left out: this database has other events in their place",
                      intake->clashing, file);
    if (intake->refused)
        commands_fail("%d entries of '%s' were left out: %s", intake->refused, file, intake->why);
    if (*error)
        commands_fail("cannot read all of '%s': %s", file, error);
    return intake->clashing || intake->refused || *error ? EXIT_USAGE : EXIT_DONE;
}

static int import_from(struct learner *learner, FILE *file, const char *name)
{
    struct jsonscan scan;
    struct jsonscan_part event;
    char format[64];
    struct intake intake = { .batch = malloc(BATCH_BYTES + JSONSCAN_LONGEST + 8) };
    bool ok = intake.batch && jsonscan_open(&scan, file, "events", "format", format, sizeof format);
    if (ok && strcmp(format, EXPORT_FORMAT) != 0)
        ok = !snprintf(scan.error, sizeof scan.error, "it is no export of saffron");
    if (!ok) {
        int status = commands_fail("cannot import '%s': %s; make one with 'saffron export --to json'", name,
                                   intake.batch ? scan.error : "out of memory");
        if (intake.batch)
            jsonscan_close(&scan);
        free(intake.batch);
        return status;
    }
    while (ok && jsonscan_next(&scan, &event))
        ok = add(learner, &intake, event);
    ok = ok && store_batch(learner, &intake);
    int status = ok ? tell(&intake, name, scan.error) : EXIT_USAGE;
    jsonscan_close(&scan);
    free(intake.batch);
    return status;
}

int command_import(const struct options *options)
{
    const char *name = options->words[0], *why;
    FILE *file = strcmp(name, "-") == 0 ? stdin : infile_open(name, &why);
    if (!file)
        return commands_fail("cannot read '%s': %s", name, why);
    struct learner *learner = learner_open(options);
    int status = learner ? import_from(learner, file, name) : EXIT_USAGE;
    learner_close(learner);
    if (file != stdin)
        fclose(file);
    return status;
}

/* --- backup and restore ------------------------------------------------------------------------------------------- */

static int whole(const json_t *reply)
{
    return (int)json_integer_value(json_object_get(reply, "events"));
}

int command_backup(const struct options *options)
{
    struct learner *learner = learner_open(options);
    if (!learner)
        return EXIT_USAGE;
    json_t *reply = learner_ask(learner, STORE_BACKUP, options->words[0]);
    bool ok = json_object_get(reply, "events") != NULL;
    if (ok)
        printf("'%s' has %d event%s.\n", options->words[0], whole(reply), whole(reply) == 1 ? "" : "s");
    json_decref(reply);
    learner_close(learner);
    return ok ? EXIT_DONE : EXIT_USAGE;
}

int command_restore(const struct options *options)
{
    struct learner *learner = learner_open(options);
    if (!learner)
        return EXIT_USAGE;
    json_t *reply = learner_ask(learner, STORE_RESTORE, options->words[0]);
    bool ok = json_object_get(reply, "events") != NULL;
    if (ok) {
        struct record record = { .id = 1, .kind = "flag", .payload = "{\"what\":\"restored\"}" };
        learner_post(learner, &record);
        printf("Restored: %d event%s. What was there before is '%s'.\n", whole(reply), whole(reply) == 1 ? "" : "s",
               view_text(reply, "aside", ""));
        learner_hush(learner); /* of what the copy lacks we have just spoken */
    }
    json_decref(reply);
    learner_close(learner);
    return ok ? EXIT_DONE : EXIT_USAGE;
}
