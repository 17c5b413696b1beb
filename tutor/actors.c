/* actors.c: the store and the lab as an event loop sees them. See actors.h.
 * Record ids are the state machine's own; questions are numbered from QUESTIONS on, by their kind. */
#include "tutor/actors.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/cards.h"
#include "engine/loader.h"
#include "engine/view.h"
#include "tutor/labproc.h"
#include "tutor/learner.h"
#include "tutor/paths.h"

enum { LESSONS_MOST = 16, REQUEST_ID = 1 << 30 };

#define QUESTIONS ((uint64_t)1 << 62)

struct actors {
    const struct options *options;
    const struct catalog *catalog;
    struct store         *store;
    struct labproc       *lab;
    char                  opened[PATH_MAX]; /* the folder or file that the lab may read, "" for none */
    struct { const struct document *document; char *path; } lessons[LESSONS_MOST]; /* beyond the catalog's */
    int                   lesson_count;
    int                   waiting;   /* replies that the store owes */
    bool                  stepped;   /* the lab was stepped since the last event ran out */
    long                  next_id;   /* of our own requests */
    json_t               *cards;     /* the last answer to DATA_CARDS */
    struct store_reply    reply;     /* what the last event points at: */
    json_t               *message;
    struct labproc_event  lost;
};

static int64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct actors *actors_open(const struct options *options, const struct catalog *catalog, char *error, size_t size)
{
    char path[PATH_MAX];
    if (!paths_database(options->db, path, sizeof path, error, size))
        return NULL;
    struct actors *actors = calloc(1, sizeof *actors);
    struct store_config config = { .path = path, .clock = learner_clock, .clock_ctx = (void *)(uintptr_t)options };
    if (actors)
        *actors = (struct actors){ .options = options, .catalog = catalog, .store = store_open(&config),
                                   .next_id = REQUEST_ID };
    if (actors && actors->store)
        return actors;
    snprintf(error, size, "cannot start the thread that keeps progress, free some memory");
    free(actors);
    return NULL;
}

static void forget(struct actors *actors)
{
    store_reply_clear(&actors->reply);
    json_decref(actors->message);
    actors->reply = (struct store_reply){ 0 };
    actors->message = NULL;
}

void actors_close(struct actors *actors)
{
    if (!actors)
        return;
    forget(actors);
    labproc_free(actors->lab);
    store_close(actors->store);
    for (int i = 0; i < actors->lesson_count; i++)
        free(actors->lessons[i].path);
    json_decref(actors->cards);
    free(actors);
}

void actors_lesson(struct actors *actors, const struct document *document, const char *path)
{
    if (actors->lesson_count < LESSONS_MOST) {
        actors->lessons[actors->lesson_count].document = document;
        actors->lessons[actors->lesson_count++].path = strdup(path);
    }
}

/* --- the lab ------------------------------------------------------------------------------------------------------ */

/* The file of the lesson with this checksum, or NULL. */
static const char *path_of(const struct actors *actors, const char *sha256)
{
    for (int i = 0; sha256 && i < actors->lesson_count; i++)
        if (strcmp(document_sha256(actors->lessons[i].document), sha256) == 0)
            return actors->lessons[i].path;
    for (int i = 0; sha256 && actors->catalog && i < catalog_count(actors->catalog); i++)
        if (strcmp(document_sha256(catalog_document(actors->catalog, i)), sha256) == 0)
            return catalog_path(actors->catalog, i);
    return NULL;
}

/* What the lab may read: a lesson's folder, or the one file that was named. */
static json_t *open_message(const struct options *options, const char *what, bool is_file)
{
    json_t *open = json_pack("{s:s}", "type", "open");
    if (is_file)
        json_object_set_new(open, "files", json_pack("[s]", what));
    else if (*what)
        json_object_set_new(open, "folder", json_string(what));
    if (options->device)
        json_object_set_new(open, "device", json_string(options->device));
    if (options->isa)
        json_object_set_new(open, "isa", json_string(options->isa));
    if (options->threads)
        json_object_set_new(open, "threads", json_integer(options->threads));
    return open;
}

/* Hands the lab a lesson's text, so that it can answer need-lesson. */
static void offer(struct actors *actors, const char *path)
{
    char error[512];
    size_t size = 0;
    char *text = loader_read(path, &size, error, sizeof error); /* what is wrong with it, the lab says */
    if (text)
        labproc_offer(actors->lab, path, text, size);
    free(text);
}

/* The folder of a lesson, links followed; the path of any other file as it is: it may be on another machine. */
static bool scope(const char *path, char out[PATH_MAX])
{
    char folder[PATH_MAX], real[PATH_MAX];
    *out = '\0';
    if (!path)
        return false;
    if (strlen(path) < 4 || strcmp(path + strlen(path) - 4, ".lua") != 0) {
        snprintf(out, PATH_MAX, "%s", path);
        return true;
    }
    paths_folder(path, folder, sizeof folder);
    snprintf(out, PATH_MAX, "%s", realpath(folder, real) ? real : folder);
    return false;
}

/* A lab that may read what goes with `path` (NULL: any lab will do). */
static bool want_lab(struct actors *actors, const char *path)
{
    char wanted[PATH_MAX], program[PATH_MAX] = "saffron";
    bool is_file = scope(path, wanted);
    if (!actors->lab) {
        paths_program(program, sizeof program);
        json_t *open = open_message(actors->options, wanted, is_file);
        struct labproc_config config = { .command = actors->options->lab, .program = program, .open = open };
        actors->lab = labproc_new(&config);
        json_decref(open);
        memcpy(actors->opened, wanted, sizeof wanted);
    } else if (path && strcmp(wanted, actors->opened) != 0) {
        labproc_reopen(actors->lab, open_message(actors->options, wanted, is_file));
        memcpy(actors->opened, wanted, sizeof wanted);
    }
    if (actors->lab && path && !is_file)
        offer(actors, path);
    return actors->lab != NULL;
}

void actors_warm(struct actors *actors, const struct document *document)
{
    const char *path = document ? path_of(actors, document_sha256(document)) : NULL;
    if (!document && actors->catalog && catalog_count(actors->catalog) > 0)
        path = catalog_path(actors->catalog, 0);
    if (want_lab(actors, path))
        labproc_step(actors->lab, monotonic());
}

/* The file of a tensor of the learner's own, as our own lab is to open it: whole, and the home folder written out. */
static void settle_own(const struct actors *actors, json_t *own)
{
    char path[PATH_MAX], real[PATH_MAX];
    const char *given = view_text(own, "path", ""), *home = getenv("HOME");
    if (actors->options->lab)
        return;
    snprintf(path, sizeof path, "%s%s", *given == '~' && given[1] == '/' && home ? home : "",
             *given == '~' && given[1] == '/' && home ? given + 1 : given);
    json_object_set_new(own, "path", json_string(realpath(path, real) ? real : path));
}

/* A lab that may read the lesson's folder and that one file; the next request without one gets another. */
static void want_own(struct actors *actors, const char *lesson, const char *file)
{
    char wanted[PATH_MAX], opened[PATH_MAX];
    bool is_file = scope(lesson, wanted);
    snprintf(opened, sizeof opened, "%.2000s\n%.2000s", wanted, file);
    if (strcmp(opened, actors->opened) == 0)
        return;
    json_t *open = open_message(actors->options, wanted, is_file);
    json_object_set_new(open, "files", json_pack("[s]", file));
    labproc_reopen(actors->lab, open);
    json_decref(open);
    memcpy(actors->opened, opened, sizeof opened);
    offer(actors, lesson);
}

static void to_lab(struct actors *actors, json_t *request)
{
    const char *lesson = path_of(actors, view_text(request, "lesson", NULL));
    json_t *own = json_object_get(request, "own");
    bool wanted = own ? actors->lab || want_lab(actors, lesson) : want_lab(actors, lesson);
    if (wanted && own && lesson) {
        json_t *copy = json_copy(own);
        settle_own(actors, copy);
        want_own(actors, lesson, view_text(copy, "path", ""));
        json_object_set_new(request, "own", copy);
    }
    if (wanted)
        labproc_send(actors->lab, request);
    else
        json_decref(request);
}

/* --- the store ---------------------------------------------------------------------------------------------------- */

static json_t *find_card(const json_t *cards, const char *lesson, const char *step)
{
    size_t i;
    json_t *card;
    json_array_foreach(json_object_get(cards, "cards"), i, card)
        if (strcmp(view_text(card, "lesson", ""), lesson) == 0 && strcmp(view_text(card, "step", ""), step) == 0)
            return card;
    return NULL;
}

/* What only the clock and the schedule know about a review. */
static void complete_review(struct actors *actors, json_t *payload, const char *lesson, const char *step)
{
    int offset;
    int64_t now = learner_clock((void *)(uintptr_t)actors->options, &offset);
    const json_t *elapsed = json_object_get(find_card(actors->cards, lesson, step), "elapsed_days");
    cards_complete(payload, now, offset, json_is_integer(elapsed) ? json_integer_value(elapsed) : -1);
}

/* A card is made when its reveal was seen by the learner's clock, not by the log's. */
static void complete_reveal(struct actors *actors, json_t *payload)
{
    int offset;
    int64_t now = learner_clock((void *)(uintptr_t)actors->options, &offset);
    json_object_set_new(payload, "ts_utc", json_integer(now));
    json_object_set_new(payload, "local_day", json_integer(cards_day(now, offset)));
}

static void to_store(struct actors *actors, const json_t *json, long id)
{
    const char *kind = view_text(json, "kind", ""), *lesson = view_text(json, "lesson", "");
    const char *step = view_text(json, "step", "");
    json_t *payload = json_deep_copy(json_object_get(json, "payload"));
    if (strcmp(kind, "review") == 0)
        complete_review(actors, payload, lesson, step);
    else if (json_object_get(payload, "card"))
        complete_reveal(actors, payload);
    char *text = json_dumps(payload, JSON_COMPACT);
    struct record record = { .id = (uint64_t)id, .kind = kind, .course = "saffron", .lesson = lesson, .step = step,
                             .rev = (int)json_integer_value(json_object_get(json, "rev")), .payload = text };
    actors->waiting += store_post(actors->store, &record);
    free(text);
    json_decref(payload);
}

/* ORDER DATA */
static const enum store_question questions[] = { 0, STORE_PROGRESS, STORE_CARDS, STORE_CALIBRATION, STORE_SETTINGS,
                                                 STORE_LESSON };

void actors_take(struct actors *actors, unsigned effects, struct outbox *out)
{
    if (effects & FX_STORE && out->record)
        to_store(actors, out->record, out->record_id);
    if (effects & FX_CANCEL && actors->lab)
        labproc_send(actors->lab, json_pack("{s:s, s:I}", "type", "cancel", "id", (json_int_t)out->cancel));
    if (effects & FX_LAB && out->request)
        to_lab(actors, json_incref(out->request));
    if (effects & FX_ASK && out->ask != DATA_NONE)
        actors->waiting += store_ask(actors->store, QUESTIONS + out->ask, questions[out->ask], out->ask_about);
    json_decref(out->record);
    json_decref(out->request);
    out->record = out->request = NULL;
    out->ask = DATA_NONE;
}

static void from_store(struct actors *actors, struct event *event)
{
    struct store_reply *reply = &actors->reply;
    actors->waiting -= reply->id != 0;
    if (reply->id >= QUESTIONS) {
        event->kind = EVENT_DATA;
        event->data = (enum data)(reply->id - QUESTIONS);
        actors->message = reply->ok && reply->text ? json_loads(reply->text, 0, NULL) : NULL;
        if (!actors->message)
            actors->message = event->data == DATA_LESSON ? json_array() : json_object();
        event->message = actors->message;
        if (event->data == DATA_CARDS) {
            json_decref(actors->cards);
            actors->cards = json_incref(actors->message);
        }
        return;
    }
    event->kind = reply->ok ? EVENT_STORED : EVENT_NOT_STORED;
    event->id = (long)reply->id;
    event->seq = reply->seq;
    event->text = reply->ok ? reply->uuid : reply->text ? reply->text : "the disk refused";
}

/* --- events ------------------------------------------------------------------------------------------------------- */

int actors_fds(const struct actors *actors, struct pollfd fds[ACTORS_FDS])
{
    static_assert(ACTORS_FDS >= LABPROC_FDS + 1, "room for the store and the lab");
    fds[0] = (struct pollfd){ .fd = store_fd(actors->store), .events = POLLIN };
    return 1 + (actors->lab ? labproc_fds(actors->lab, fds + 1) : 0);
}

int actors_timeout(const struct actors *actors)
{
    return actors->lab ? labproc_timeout(actors->lab, monotonic()) : -1;
}

bool actors_next(struct actors *actors, struct event *event)
{
    forget(actors);
    *event = (struct event){ .now = options_now(actors->options) };
    if (store_next(actors->store, &actors->reply)) {
        from_store(actors, event);
        return true;
    }
    if (!actors->lab)
        return false;
    if (!actors->stepped)
        labproc_step(actors->lab, monotonic());
    actors->lost = labproc_next(actors->lab);
    actors->stepped = actors->lost.kind != LABPROC_NOTHING;
    actors->message = actors->lost.message;
    event->kind = actors->lost.kind == LABPROC_LOST ? EVENT_LAB_LOST : EVENT_LAB;
    event->message = actors->message;
    event->text = actors->lost.text;
    return actors->lost.kind != LABPROC_NOTHING;
}

bool actors_busy(const struct actors *actors)
{
    return actors->waiting > 0;
}

/* The last message that answers `id`, or NULL; progress on the way is told. */
static json_t *answer(struct labproc_event *event, long id, void (*progress)(double), char *error, size_t size,
                      bool *lost)
{
    *lost = event->kind == LABPROC_LOST;
    if (*lost) { /* the last clause is about the next lab, for which nobody waits here */
        const char *next = strrchr(event->text, ';');
        snprintf(error, size, "%.*s", next ? (int)(next - event->text) : (int)sizeof event->text, event->text);
    }
    bool ours = event->kind == LABPROC_MESSAGE && json_integer_value(json_object_get(event->message, "id")) == id;
    bool last = ours && strcmp(view_text(event->message, "type", ""), "progress") != 0;
    if (last)
        return event->message;
    if (ours && progress)
        progress(view_number(event->message, "fraction", 0));
    json_decref(event->message);
    return NULL;
}

/* Sends a request whose lab is chosen; its id, or 0. */
static long send_request(struct actors *actors, json_t *request, char *error, size_t size)
{
    long id = actors->next_id++;
    json_object_set_new(request, "id", json_integer(id));
    if (labproc_send(actors->lab, json_incref(request)))
        return id;
    snprintf(error, size, "the lab could not be started, free some memory");
    return 0;
}

static json_t *wait_for_answer(struct actors *actors, long id, void (*progress)(double), char *error, size_t size)
{
    for (;;) {
        struct pollfd fds[LABPROC_FDS];
        labproc_step(actors->lab, monotonic());
        for (struct labproc_event event; (event = labproc_next(actors->lab)).kind != LABPROC_NOTHING;) {
            bool lost;
            json_t *message = answer(&event, id, progress, error, size, &lost);
            if (message || lost)
                return message;
        }
        poll(fds, (nfds_t)labproc_fds(actors->lab, fds), labproc_timeout(actors->lab, monotonic()));
    }
}

json_t *actors_request(struct actors *actors, json_t *request, const char *path, char *error, size_t size)
{
    const char *lesson = path ? path : path_of(actors, view_text(request, "lesson", NULL));
    if (!want_lab(actors, lesson)) {
        snprintf(error, size, "the lab could not be started, free some memory");
        return NULL;
    }
    long id = send_request(actors, request, error, size);
    return id ? wait_for_answer(actors, id, NULL, error, size) : NULL;
}

long actors_begin(struct actors *actors, json_t *request, const json_t *open, char *error, size_t size)
{
    json_t *whole = open_message(actors->options, "", false);
    if (open)
        json_object_update(whole, (json_t *)(uintptr_t)open);
    bool wanted = want_lab(actors, NULL);
    if (wanted && open) {
        labproc_reopen(actors->lab, whole);
        *actors->opened = '\0';
    }
    json_decref(whole);
    if (wanted)
        return send_request(actors, request, error, size);
    snprintf(error, size, "the lab could not be started, free some memory");
    return 0;
}

json_t *actors_job(struct actors *actors, json_t *request, const json_t *open, void (*progress)(double fraction),
                   char *error, size_t size)
{
    long id = actors_begin(actors, request, open, error, size);
    return id ? wait_for_answer(actors, id, progress, error, size) : NULL;
}
