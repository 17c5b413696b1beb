/* commands_lesson.c: lessons as documents, for the command line: the list, one as prose, deep dives by words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/progress.h"
#include "engine/machine.h"
#include "engine/session.h"
#include "engine/view.h"
#include "tutor/actors.h"
#include "tutor/catalog.h"
#include "tutor/commands.h"
#include "tutor/learner.h"
#include "tutor/lessonfile.h"
#include "tutor/plain_print.h"
#include "tutor/search.h"

enum { HITS_MOST = 64, HITS_SHOWN = 6 };

/* --- the list ----------------------------------------------------------------------------------------------------- */

static json_t *step_ids(const struct document *document)
{
    json_t *ids = json_array();
    for (int i = 0; i < document_step_count(document); i++)
        json_array_append_new(ids, json_string(document_step(document, i)->id));
    return ids;
}

/* The step that is next, counted from 0; the step count when all are done. */
static int next_step(const struct document *document, json_t *lesson)
{
    int count = document_step_count(document);
    for (int i = 0; i < count; i++)
        if (!progress_step_done(lesson, document_step(document, i)->id))
            return i;
    return count;
}

static json_t *list_row(const struct catalog *catalog, int index, json_t *progress)
{
    const struct document *document = catalog_document(catalog, index);
    json_t *lesson = progress_lesson(progress, document_id(document));
    int count = document_step_count(document), next = next_step(document, lesson);
    const char *state = next == count ? "done" : lesson ? "started" : "new";
    char place[64] = "";
    if (next < count)
        document_place(document, next, place, sizeof place);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:i, s:o, s:I, s:I}", "place", place, "lesson",
                     document_id(document), "title",
                     document_title(document), "group", catalog_group(catalog, index), "state", state, "steps",
                     step_ids(document), "step", next + (next < count), "next",
                     next < count ? json_string(document_step(document, next)->id) : json_null(), "hits",
                     json_integer_value(json_object_get(lesson, "hits")), "misses",
                     json_integer_value(json_object_get(lesson, "misses")));
}

static void print_row(const json_t *row, const char **group)
{
    const char *state = view_text(row, "state", ""), *title = view_text(row, "group", "");
    int hits = (int)json_integer_value(json_object_get(row, "hits"));
    int scored = hits + (int)json_integer_value(json_object_get(row, "misses"));
    if (*title && (!*group || strcmp(*group, title) != 0))
        printf("%s\n", title);
    *group = title;
    printf("%s: %s", view_text(row, "lesson", ""), view_text(row, "title", ""));
    if (strcmp(state, "new") == 0)
        printf(", not started");
    else if (strcmp(state, "done") == 0)
        printf(", done");
    else
        printf(", %s", view_text(row, "place", ""));
    if (scored)
        printf(", %d of %d right", hits, scored);
    putchar('\n');
}

static void print_list(const json_t *list)
{
    size_t i;
    json_t *row;
    const char *group = NULL;
    int due = (int)json_integer_value(json_object_get(list, "due"));
    json_array_foreach(json_object_get(list, "lessons"), i, row)
        print_row(row, &group);
    if (due)
        printf("%d card%s due: saffron recall\n", due, due == 1 ? "" : "s");
}

int command_list(const struct options *options)
{
    char problem[512];
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    struct learner *learner = learner_open(options);
    if (!catalog || !learner)
        return EXIT_USAGE;
    json_t *progress = learner_ask(learner, STORE_PROGRESS, NULL), *cards = learner_ask(learner, STORE_CARDS, NULL);
    json_t *rows = json_array();
    for (int i = 0; i < catalog_count(catalog); i++)
        json_array_append_new(rows, list_row(catalog, i, progress));
    json_t *list = json_pack("{s:o, s:I}", "lessons", rows, "due", json_integer_value(json_object_get(cards, "due")));
    if (options->json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    } else
        print_list(list);
    json_decref(list);
    json_decref(cards);
    json_decref(progress);
    learner_close(learner);
    catalog_free(catalog);
    return *problem ? commands_fail("%s", problem) : EXIT_DONE;
}

/* --- a lesson as prose -------------------------------------------------------------------------------------------- */

static void print_heading(const char *title, const char *more)
{
    printf("\n%s%s%s\n", title, *more ? ", " : "", more);
}

/* What stands on the step's screen now: the question, or what its prediction has opened. */
static void print_step(struct plain_print *print, struct session *session, const struct step *step)
{
    session_go(session, step->id, NULL);
    json_t *view = session_view(session), *body = json_object_get(view, "body");
    json_t *ask = json_object_get(step->json, "ask");
    bool asks = ask && json_equal(json_array_get(ask, 0), json_array_get(body, 0));
    if (!asks)
        plain_print_blocks(print, ask, false);
    plain_print_blocks(print, body, json_is_true(json_object_get(view, "timed")));
    if (step->kind == STEP_EXPLORE)
        plain_print_line(print, "Its knobs are turned in the lesson.");
    else if (asks) {
        if (step->kind != STEP_EXPLAIN)
            plain_print_blocks(print, json_object_get(view, "dock"), false);
        plain_print_line(print, "Your answer opens what comes here.");
    }
    json_decref(view);
}

static void print_lesson(struct plain_print *print, struct session *session, const struct document *document)
{
    int part = -2;
    size_t i;
    json_t *dive;
    puts(document_title(document));
    if (*view_text(document_json(document), "win", ""))
        printf("After this you can %s.\n", view_text(document_json(document), "win", ""));
    for (int s = 0; s < document_step_count(document); s++) {
        const struct step *step = document_step(document, s);
        char where[64];
        snprintf(where, sizeof where, "step %d of %d", s + 1, document_step_count(document));
        if (step->part != part && step->part >= 0)
            printf("\n%s\n", document_part_title(document, step->part));
        part = step->part;
        print_heading(view_text(step->json, "title", step->id), where);
        print_step(print, session, step);
    }
    json_array_foreach(json_object_get(document_json(document), "dives"), i, dive)
        printf("%s%s\n", i ? "Deep dive: " : "\nDeep dive: ", view_text(dive, "title", ""));
}

int command_read(const struct options *options)
{
    char problem[512], error[1024];
    struct lessonfile lesson;
    struct plain_print print = { .mask = options->mask, .machine = machine_name() };
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    if (!lessonfile_open(&lesson, options, catalog, options->words[0], false, error, sizeof error)) {
        catalog_free(catalog);
        return commands_fail("%s", error);
    }
    struct learner *learner = learner_open(options);
    if (learner) {
        json_t *records = learner_ask(learner, STORE_LESSON, document_id(lesson.document));
        json_t *settings = learner_ask(learner, STORE_SETTINGS, NULL);
        const char *seed = options->seed ? options->seed : view_text(settings, "seed", "");
        struct session *session = session_new(lesson.document, seed, 1);
        session_restore(session, records);
        print_lesson(&print, session, lesson.document);
        session_free(session);
        json_decref(records);
        json_decref(settings);
    }
    int status = learner ? EXIT_DONE : EXIT_USAGE;
    learner_close(learner);
    lessonfile_close(&lesson);
    catalog_free(catalog);
    return status;
}

/* --- deep dives by words ------------------------------------------------------------------------------------------ */

/* What a live dive computes, below its text; without a lab the text stands alone. */
static void print_live(const struct options *options, const struct catalog *catalog, const struct search_hit *hit)
{
    char error[512];
    struct plain_print print = { .mask = options->mask };
    const struct document *document = catalog_document(catalog, hit->lesson);
    struct actors *actors = json_is_true(json_object_get(hit->dive, "live"))
                          ? actors_open(options, catalog, error, sizeof error) : NULL;
    if (!actors)
        return;
    json_t *request = json_pack("{s:s, s:s, s:O, s:s, s:{}, s:n}", "type", "compute", "lesson",
                                document_sha256(document), "step", json_object_get(hit->dive, "id"), "seed",
                                "0000000000000001", "knobs", "guess");
    json_t *result = actors_request(actors, request, catalog_path(catalog, hit->lesson), error, sizeof error);
    if (result && json_object_get(result, "blocks"))
        plain_print_blocks(&print, json_object_get(result, "blocks"), false);
    json_decref(result);
    json_decref(request);
    actors_close(actors);
}

int command_ask(const struct options *options)
{
    char problem[512], words[512] = "";
    struct search_hit hits[HITS_MOST];
    struct plain_print print = { .mask = false };
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    if (!catalog)
        return EXIT_USAGE;
    for (int i = 0; i < options->word_count; i++)
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s ", options->words[i]);
    int count = search_dives(catalog, words, hits, HITS_MOST);
    if (count) {
        puts(view_text(hits[0].dive, "title", ""));
        plain_print_blocks(&print, json_object_get(hits[0].dive, "body"), false);
        fflush(stdout);
        print_live(options, catalog, &hits[0]);
    }
    for (int i = 1; i < count && i < HITS_SHOWN; i++)
        printf("%s%s (%s)\n", i == 1 ? "\nAlso: " : "Also: ", view_text(hits[i].dive, "title", ""),
               document_title(catalog_document(catalog, hits[i].lesson)));
    catalog_free(catalog);
    if (count)
        return EXIT_DONE;
    words[strlen(words) - 1] = '\0';
    commands_fail("nothing found for '%s', try fewer words", words);
    return EXIT_NO;
}
