/* store.c: the store, a thread that owns the progress database.
 * Two lists under one lock: jobs to do, replies to take; a pipe holds one byte while replies wait.
 * Records that wait together share one transaction; each is answered after the commit. */
#include "db/store.h"

#include "db/exchange.h"
#include "db/fold.h"
#include "db/jsonout.h"
#include "db/jsonroom.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    IDLE_MS = 300, /* rest after which idle work is done */
    BATCH = 32,    /* records in one transaction at most */
};

/* A reply that waits to be taken. */
struct answer {
    struct answer     *next;
    struct store_reply reply;
};

/* A request; with `waiter`, answered there instead of through the replies. It brings the room for its answer, so that
 * no answer is lost when memory is short. */
struct job {
    struct job         *next;
    struct answer      *answer;
    bool                append;
    struct record       record; /* strings live in text */
    enum store_question question;
    char               *arg;
    struct store_reply *waiter;
    bool                done;
    char                text[];
};

struct store {
    /* set before the thread starts, then constant */
    pthread_t    thread;
    store_clock *clock;
    void        *clock_ctx;
    char        *path;
    bool         network;
    int          pipe[2];

    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t  work, finished;
    struct job     *first, *last;
    struct answer  *ready, *ready_last;
    bool            closing;

    atomic_bool waiting; /* a job waits: long idle work stops */

    /* the thread's own */
    struct base base;
    bool        opened, rested;
    json_t     *notices;
};

/* ---- jobs and replies ---- */

static char *put(char **end, const char *text)
{
    size_t length = strlen(text ? text : "") + 1;
    char  *copy = memcpy(*end, text ? text : "", length);
    *end += length;
    return copy;
}

static size_t size_of(const char *text)
{
    return strlen(text ? text : "") + 1;
}

static void job_free(struct job *job)
{
    free(job->answer);
    free(job);
}

static struct job *job_new(size_t text)
{
    struct job *job = calloc(1, sizeof *job + text);
    if (job)
        job->answer = calloc(1, sizeof *job->answer);
    if (job && job->answer)
        return job;
    free(job);
    return NULL;
}

static struct job *job_of_record(const struct record *r)
{
    size_t size = size_of(r->uuid) + size_of(r->kind) + size_of(r->course) + size_of(r->lesson) +
                  size_of(r->step) + size_of(r->payload ? r->payload : "{}");
    struct job *job = job_new(size);
    if (!job)
        return NULL;
    char *end = job->text;
    job->append = true;
    job->record = (struct record){ .id = r->id, .rev = r->rev };
    job->record.uuid = put(&end, r->uuid);
    job->record.kind = put(&end, r->kind);
    job->record.course = put(&end, r->course);
    job->record.lesson = put(&end, r->lesson);
    job->record.step = put(&end, r->step);
    job->record.payload = put(&end, r->payload ? r->payload : "{}");
    return job;
}

static struct job *job_of_question(uint64_t id, enum store_question question, const char *arg)
{
    struct job *job = job_new(size_of(arg));
    if (!job)
        return NULL;
    char *end = job->text;
    job->record.id = id;
    job->question = question;
    job->arg = put(&end, arg);
    return job;
}

static bool submit(struct store *store, struct job *job)
{
    if (!job)
        return false;
    pthread_mutex_lock(&store->lock);
    *(store->last ? &store->last->next : &store->first) = job;
    store->last = job;
    atomic_store(&store->waiting, true);
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
    return true;
}

static bool submit_wait(struct store *store, struct job *job, struct store_reply *reply)
{
    *reply = (struct store_reply){ 0 };
    if (!job)
        return false;
    job->waiter = reply;
    submit(store, job);
    pthread_mutex_lock(&store->lock);
    while (!job->done)
        pthread_cond_wait(&store->finished, &store->lock);
    pthread_mutex_unlock(&store->lock);
    job_free(job);
    return true;
}

/* Hands a reply to the tutor; the reply's text goes with it. */
static void deliver(struct store *store, struct answer *answer, const struct store_reply *reply)
{
    *answer = (struct answer){ .reply = *reply };
    pthread_mutex_lock(&store->lock);
    bool first = store->ready == NULL;
    *(first ? &store->ready : &store->ready_last->next) = answer;
    store->ready_last = answer;
    while (first && write(store->pipe[1], "", 1) < 0 && errno == EINTR)
        ;
    pthread_mutex_unlock(&store->lock);
}

/* Answers a job, which is gone afterwards. */
static void finish(struct store *store, struct job *job, struct store_reply *reply)
{
    reply->id = job->record.id;
    if (!job->waiter) {
        deliver(store, job->answer, reply);
        job->answer = NULL;
        job_free(job);
        return;
    }
    pthread_mutex_lock(&store->lock);
    *job->waiter = *reply;
    job->done = true;
    pthread_cond_broadcast(&store->finished);
    pthread_mutex_unlock(&store->lock);
}

static void notice(void *ctx, const char *text)
{
    struct store *store = ctx;
    json_array_append_new(store->notices, json_string(text));
    struct answer     *answer = malloc(sizeof *answer);
    struct store_reply reply = { .text = strdup(text) };
    if (answer && reply.text)
        deliver(store, answer, &reply);
    else { /* STORE_STATUS still has it */
        free(answer);
        free(reply.text);
    }
}

/* ---- the thread: appending ---- */

static int64_t now(struct store *store, int *offset)
{
    struct timespec t;
    struct tm       local;
    if (store->clock)
        return store->clock(store->clock_ctx, offset);
    clock_gettime(CLOCK_REALTIME, &t);
    localtime_r(&t.tv_sec, &local);
    *offset = (int)(local.tm_gmtoff / 60);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool begin(struct base *base)
{
    sqlite3_stmt *stmt = base_stmt(base, "BEGIN IMMEDIATE");
    return stmt && base_step(base, stmt) == SQLITE_DONE;
}

static bool commit(struct base *base, bool ok)
{
    sqlite3_stmt *stmt = ok ? base_stmt(base, "COMMIT") : NULL;
    if (stmt && base_step(base, stmt) == SQLITE_DONE)
        return true;
    int rc = base->rc;
    if (!sqlite3_get_autocommit(base->db))
        sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
    base->rc = rc;
    return false;
}

/* One transaction for all the records; false: none is stored. */
static bool append_all(struct store *store, struct job **jobs, int count, struct receipt *receipts)
{
    int     offset = 0;
    int64_t utc = now(store, &offset);
    bool    ok = begin(&store->base);
    if (!ok)
        return false;
    for (int i = 0; i < count && ok; i++)
        ok = journal_append(&store->base, &jobs[i]->record, utc, offset, &receipts[i]);
    return commit(&store->base, ok);
}

/* The same, after a second try where the file turned out to be damaged or could not be opened before. */
static bool append_surely(struct store *store, struct job **jobs, int count, struct receipt *receipts)
{
    struct base *base = &store->base;
    if (base->mode != BASE_SAVING && !base_reopen(base))
        return false;
    if (append_all(store, jobs, count, receipts))
        return true;
    return base_damaged(base->rc) && base_repair(base) && append_all(store, jobs, count, receipts);
}

static void refuse(struct store *store, struct job *job, const char *why)
{
    struct store_reply reply = { .text = strdup(why) };
    finish(store, job, &reply);
}

static void accept(struct store *store, struct job *job, const struct receipt *receipt)
{
    struct store_reply reply = {
        .ok = true, .seq = receipt->seq, .utc = receipt->utc, .offset = receipt->offset
    };
    memcpy(reply.uuid, receipt->uuid, RECORD_UUID);
    finish(store, job, &reply);
}

static void append(struct store *store, struct job **jobs, int count)
{
    struct receipt receipts[BATCH];
    if (append_surely(store, jobs, count, receipts)) {
        for (int i = 0; i < count; i++)
            if (receipts[i].seq > store->base.marked)
                mark_write(&store->base, receipts[i].seq);
        for (int i = 0; i < count; i++)
            accept(store, jobs[i], &receipts[i]);
        base_settle(&store->base);
    } else if (count > 1) { /* one of them may be at fault: each on its own */
        for (int i = 0; i < count; i++)
            append(store, &jobs[i], 1);
    } else {
        refuse(store, jobs[0], store->base.why);
    }
}

/* Refuses what cannot be stored, appends the rest. */
static void append_checked(struct store *store, struct job **jobs, int count)
{
    struct job *good[BATCH];
    int         kept = 0;
    for (int i = 0; i < count; i++) {
        const char *why = journal_refusal(&jobs[i]->record);
        if (why)
            refuse(store, jobs[i], why);
        else
            good[kept++] = jobs[i];
    }
    if (kept)
        append(store, good, kept);
}

/* ---- the thread: answering ---- */

/* malloc; NULL on failure. */
static char *lesson_text(struct base *base, const char *lesson)
{
    struct entries entries;
    struct jsonout out = { 0 };
    bool           ok = journal_load(base, lesson, &entries);
    jsonout_raw(&out, "[", 1);
    for (size_t i = 0; ok && i < entries.count; i++) {
        jsonout_raw(&out, ",", i ? 1 : 0);
        journal_write(&out, &entries.list[i], true);
    }
    jsonout_raw(&out, "]", 1);
    entries_free(&entries);
    if (ok && !out.failed)
        return out.text;
    if (ok)
        base_fail(base, SQLITE_NOMEM, "read");
    free(out.text);
    return NULL;
}

static int64_t event_count(struct base *base)
{
    return base_int(base, "SELECT count(*) FROM event", 0);
}

static json_t *status_reply(struct store *store)
{
    static const char *const modes[] = { "saving", "read-only", "not saving" }; /* ORDER base_mode */
    struct base             *base = &store->base;
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:O, s:s, s:I}", "path", base->path, "journal",
                     base_journal(base), "sqlite", sqlite3_libversion(), "mode", modes[base->mode],
                     "events", (json_int_t)event_count(base), "notices", store->notices, "device",
                     base->device, "last_seq", (json_int_t)journal_last(base));
}

static json_t *backup_reply(struct base *base, const char *file)
{
    if (!base_backup(base, file))
        return NULL;
    return json_pack("{s:s, s:I}", "path", file, "events", (json_int_t)event_count(base));
}

static json_t *rebuild_reply(struct base *base)
{
    return fold_rebuild(base) ? json_pack("{s:I}", "events", (json_int_t)event_count(base)) : NULL;
}

static json_t *derived_reply(struct store *store, const struct derived *derived, const char *arg)
{
    int     offset = 0;
    int64_t utc = now(store, &offset);
    return fold_catch_up(&store->base) ? derived->reply(&store->base, utc, offset, arg) : NULL;
}

static json_t *restore_reply(struct base *base, const char *file)
{
    char aside[BASE_TEXT];
    if (!base_restore(base, file, aside, sizeof aside))
        return NULL;
    return json_pack("{s:s, s:I}", "aside", aside, "events", (json_int_t)event_count(base));
}

static json_t *json_answer(struct store *store, const struct job *job)
{
    switch (job->question) {
    case STORE_PROGRESS: return derived_reply(store, &progress_derived, job->arg);
    case STORE_CARDS: return derived_reply(store, &cards_derived, job->arg);
    case STORE_CALIBRATION: return derived_reply(store, &calibration_derived, job->arg);
    case STORE_SETTINGS: return derived_reply(store, &settings_derived, job->arg);
    case STORE_STATUS: return status_reply(store);
    case STORE_BACKUP: return backup_reply(&store->base, job->arg);
    case STORE_RESTORE: return restore_reply(&store->base, job->arg);
    case STORE_IMPORT: return exchange_take(&store->base, job->arg);
    case STORE_LESSON:
    case STORE_EVENTS: return NULL; /* written as text */
    case STORE_REBUILD: return rebuild_reply(&store->base);
    }
    return NULL;
}

static char *written_answer(struct store *store, const struct job *job)
{
    if (job->question == STORE_EVENTS)
        return exchange_page(&store->base, job->arg);
    if (job->question == STORE_LESSON)
        return lesson_text(&store->base, job->arg);
    json_t *json = json_answer(store, job);
    char   *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

/* What only looks: done again it does no harm, and where a part of it failed the rest is no answer. */
static bool only_looks(enum store_question question)
{
    return question != STORE_BACKUP && question != STORE_RESTORE && question != STORE_IMPORT &&
           question != STORE_REBUILD;
}

/* malloc; NULL on failure, base->why says why. */
static char *answer_once(struct store *store, const struct job *job)
{
    struct base *base = &store->base;
    base->rc = SQLITE_OK;
    if (base->mode == BASE_SAVING)
        base->why[0] = 0;
    jsonroom_failed();
    char *text = written_answer(store, job);
    bool  starved = jsonroom_failed();
    if (text && only_looks(job->question) && (starved || base->rc != SQLITE_OK)) {
        free(text);
        text = NULL;
    }
    if (!text && (starved || !base->why[0]))
        base_fail(base, SQLITE_NOMEM, "read");
    return text;
}

static void answer(struct store *store, struct job *job)
{
    char *text = answer_once(store, job);
    if (!text && base_damaged(store->base.rc)) {
        base_repair(&store->base);
        text = answer_once(store, job);
    }
    struct store_reply reply = { .ok = text != NULL, .text = text ? text : strdup(store->base.why) };
    finish(store, job, &reply);
}

/* ---- the thread: its loop ---- */

static int wanted(void *ctx)
{
    return atomic_load(&((struct store *)ctx)->waiting);
}

/* Waits for a job, at most until idle work is due when there is some. True: rest, idle work may be done. The first
 * rest needs no waiting: it makes the commits after it faster. */
static bool wait_for_work(struct store *store)
{
    struct timespec until;
    if (store->first || store->closing)
        return false;
    if (!store->rested)
        return store->rested = true;
    if (!store->opened || !base_restless(&store->base)) {
        pthread_cond_wait(&store->work, &store->lock);
        return false;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += IDLE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_cond_timedwait(&store->work, &store->lock, &until) == ETIMEDOUT && !store->first &&
           !store->closing;
}

/* Takes one question, or the records up to the next question. */
static int take(struct store *store, struct job **jobs)
{
    int count = 0;
    while (store->first && count < BATCH && (count == 0 || (store->first->append && jobs[0]->append))) {
        jobs[count] = store->first;
        store->first = store->first->next;
        count++;
    }
    if (!store->first)
        store->last = NULL;
    atomic_store(&store->waiting, store->first != NULL);
    return count;
}

/* Without memory there was not even an empty database to ask; there may be some now. */
static bool open_base(struct store *store)
{
    if (store->opened)
        return true;
    store->opened = base_open(&store->base, store->path, store->network, notice, store);
    if (!store->opened)
        base_close(&store->base);
    return store->opened;
}

static void work(struct store *store, struct job **jobs, int count)
{
    if (!open_base(store))
        for (int i = 0; i < count; i++)
            refuse(store, jobs[i], "cannot open the progress database: out of memory");
    else if (jobs[0]->append)
        append_checked(store, jobs, count);
    else
        answer(store, jobs[0]);
}

/* Nobody asks SQLite how much memory it uses; counting it costs a lock for every piece. Too late where somebody has
 * used SQLite before, which does no harm. */
static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    jsonroom_install();
}

static void *run(void *arg)
{
    struct store *store = arg;
    struct job   *jobs[BATCH];
    open_base(store);
    pthread_mutex_lock(&store->lock);
    while (store->first || !store->closing) {
        bool rest = wait_for_work(store);
        int  count = take(store, jobs);
        pthread_mutex_unlock(&store->lock);
        if (count)
            work(store, jobs, count);
        else if (rest && store->opened)
            base_idle(&store->base, wanted, store);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    if (store->opened)
        base_close(&store->base);
    return NULL;
}

/* ---- for the tutor ---- */

static void release(struct store *store)
{
    struct store_reply reply;
    while (store_next(store, &reply))
        store_reply_clear(&reply);
    pthread_cond_destroy(&store->finished);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->lock);
    close(store->pipe[0]);
    close(store->pipe[1]);
    json_decref(store->notices);
    free(store->path);
    free(store);
}

struct store *store_open(const struct store_config *config)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure);
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->clock = config->clock;
    store->clock_ctx = config->clock_ctx;
    store->network = config->network;
    store->path = strdup(config->path);
    store->notices = json_array();
    if (!store->path || !store->notices || pipe(store->pipe) != 0) {
        json_decref(store->notices);
        free(store->path);
        free(store);
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(store->pipe[i], F_SETFD, FD_CLOEXEC);
        fcntl(store->pipe[i], F_SETFL, O_NONBLOCK);
    }
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->finished, NULL);
    if (pthread_create(&store->thread, NULL, run, store) == 0)
        return store;
    release(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->lock);
    store->closing = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    release(store);
}

int store_fd(const struct store *store)
{
    return store->pipe[0];
}

bool store_next(struct store *store, struct store_reply *reply)
{
    char byte;
    pthread_mutex_lock(&store->lock);
    struct answer *answer = store->ready;
    if (answer) {
        *reply = answer->reply;
        store->ready = answer->next;
        while (!store->ready && read(store->pipe[0], &byte, 1) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&store->lock);
    free(answer);
    return answer != NULL;
}

void store_reply_clear(struct store_reply *reply)
{
    free(reply->text);
    *reply = (struct store_reply){ 0 };
}

bool store_post(struct store *store, const struct record *record)
{
    return submit(store, job_of_record(record));
}

bool store_ask(struct store *store, uint64_t id, enum store_question question, const char *arg)
{
    return submit(store, job_of_question(id, question, arg));
}

bool store_post_wait(struct store *store, const struct record *record, struct store_reply *reply)
{
    return submit_wait(store, job_of_record(record), reply);
}

bool store_ask_wait(struct store *store, enum store_question question, const char *arg,
                    struct store_reply *reply)
{
    return submit_wait(store, job_of_question(0, question, arg), reply);
}
