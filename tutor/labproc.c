/* labproc.c: watchdog, decoding, restart. The process itself is child.c's. */
#include "tutor/labproc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/protocol.h"
#include "engine/sha256.h"
#include "tutor/child.h"

enum {
    HELLO_MS        = 10000,   /* from the start to hello; a remote lab may take any time: Esc is the learner's */
    SILENCE_MS      = 2000,    /* without a beat: four of them */
    SILENCE_FAR_MS  = 15000,   /* over a network */
    READY_MS        = 60000,   /* from open to ready: a GPU may have to start */
    PAUSE_MS        = 1000,    /* a step this late means that the tutor itself stood still */
    REAP_MS         = 300,     /* from end of file to the exit status */
    READ_CHUNK      = 64 << 10,
    READ_STEP       = 1 << 20, /* bytes of one step, so that a flood does not stop the screen */
    QUEUE_MOST      = 16 << 20,
    EVENTS_MOST     = 256,
    LESSONS_MOST    = 16,
    REQUESTS_MOST   = 64,
    STRIKES_MOST    = 32,
    FAILED_STARTS   = 3,
};

enum phase { PHASE_NONE, PHASE_HELLO, PHASE_READY, PHASE_UP, PHASE_ENDING, PHASE_STOPPED };

struct buffer {
    char  *bytes;
    size_t used, room;
};

struct lesson_text {
    char    sha256[SHA256_HEX];
    json_t *message;            /* the lesson message that answers need-lesson */
};

struct request {
    long id;
    char step[144];             /* "lesson step" of compute and given, else "" */
};

struct strike {
    char step[144];
    int  count;
};

struct labproc {
    char      *command, *program;
    json_t    *open, *facts;
    struct child child;
    enum phase phase;
    int64_t    since, heard, last_step; /* when the phase began, when it was last heard, when step was last called */
    size_t     banner;          /* bytes before hello */
    int        failed;          /* starts in a row that did not come to ready */
    char       why[256];        /* ENDING: the reason, if we know one */
    char       last_line[256];  /* of its stderr */
    bool       line_ended;
    struct buffer queue, held, input; /* to the lab; the same until ready; from the lab */
    size_t     scanned;         /* bytes of input without a newline */
    struct labproc_event events[EVENTS_MOST];
    int        first, count;
    struct lesson_text lessons[LESSONS_MOST];
    int        next_lesson;
    struct request requests[REQUESTS_MOST]; /* sent and not answered, oldest first */
    int        request_count;
    char       suspect[144];    /* step of the problem that was the last thing it said: perhaps why it ended */
    struct strike strikes[STRIKES_MOST];
};

static bool is_remote(const struct labproc *lab)
{
    return lab->command != NULL;
}

/* --- buffers ------------------------------------------------------------------------------------------------------ */

static bool buffer_add(struct buffer *b, const char *bytes, size_t size, size_t most)
{
    if (b->used + size > most)
        return false;
    if (b->used + size > b->room) {
        size_t room = 2 * (b->used + size);
        char *grown = realloc(b->bytes, room);
        if (!grown)
            return false;
        b->bytes = grown;
        b->room = room;
    }
    memcpy(b->bytes + b->used, bytes, size);
    b->used += size;
    return true;
}

static void buffer_drop(struct buffer *b, size_t size)
{
    memmove(b->bytes, b->bytes + size, b->used - size);
    b->used -= size;
}

static bool buffer_add_message(struct buffer *b, const json_t *message, size_t most)
{
    size_t size;
    char *line = protocol_encode(message, &size);
    bool done = line && size <= PROTOCOL_LINE_MAX && buffer_add(b, line, size, most);
    free(line);
    return done;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static struct labproc_event *new_event(struct labproc *lab)
{
    if (lab->count == EVENTS_MOST)
        return NULL;
    struct labproc_event *e = &lab->events[(lab->first + lab->count++) % EVENTS_MOST];
    memset(e, 0, sizeof *e);
    return e;
}

struct labproc_event labproc_next(struct labproc *lab)
{
    struct labproc_event none = { .kind = LABPROC_NOTHING };
    if (lab->count == 0)
        return none;
    struct labproc_event e = lab->events[lab->first];
    lab->first = (lab->first + 1) % EVENTS_MOST;
    lab->count--;
    return e;
}

/* --- what is being computed --------------------------------------------------------------------------------------- */

static void note_request(struct labproc *lab, const json_t *message)
{
    const char *lesson = json_string_value(json_object_get(message, "lesson"));
    const char *step = json_string_value(json_object_get(message, "step"));
    const json_t *id = json_object_get(message, "id");
    const char *type = json_string_value(json_object_get(message, "type"));
    if (!id || (type && strcmp(type, "cancel") == 0) || lab->request_count == REQUESTS_MOST)
        return;
    struct request *r = &lab->requests[lab->request_count++];
    r->id = (long)json_integer_value(id);
    r->step[0] = '\0';
    if (lesson && step)
        snprintf(r->step, sizeof r->step, "%.72s %.64s", lesson, step);
}

/* `failed`: by a problem, which may be the lab's last word. */
static void forget_request(struct labproc *lab, long id, bool failed)
{
    for (int i = 0; i < lab->request_count; i++)
        if (lab->requests[i].id == id) {
            if (failed)
                memcpy(lab->suspect, lab->requests[i].step, sizeof lab->suspect);
            memmove(&lab->requests[i], &lab->requests[i + 1],
                    (size_t)(lab->request_count - i - 1) * sizeof lab->requests[0]);
            lab->request_count--;
            return;
        }
}

/* The lab ended while it worked on this step: how often that has happened. */
static int add_strike(struct labproc *lab, const char *step)
{
    struct strike *slot = &lab->strikes[0];
    if (!*step)
        return 0;
    for (int i = 0; i < STRIKES_MOST; i++) {
        if (strcmp(lab->strikes[i].step, step) == 0)
            return ++lab->strikes[i].count;
        if (lab->strikes[i].count < slot->count)
            slot = &lab->strikes[i];
    }
    snprintf(slot->step, sizeof slot->step, "%s", step);
    return slot->count = 1;
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static void finish_lost(struct labproc *lab, const char *what);

static void start(struct labproc *lab, int64_t now)
{
    char *by_shell[] = { (char[]){ "sh" }, (char[]){ "-c" }, lab->command, NULL };
    char *ours[] = { (char[]){ "saffron" }, (char[]){ "lab" }, NULL };
    int failed = lab->command ? child_start(&lab->child, "/bin/sh", by_shell)
                              : child_start(&lab->child, lab->program, ours);
    if (failed) {
        char why[256];
        snprintf(why, sizeof why, "cannot start the lab '%s': %s", lab->command ? lab->command : lab->program,
                 strerror(failed));
        finish_lost(lab, why);
        return;
    }
    lab->phase = PHASE_HELLO;
    lab->since = lab->heard = now;
    lab->banner = lab->scanned = lab->input.used = lab->queue.used = 0;
    lab->why[0] = lab->last_line[0] = '\0';
}

/* From here only the exit status is waited for. */
static void begin_end(struct labproc *lab, const char *why, int64_t now)
{
    if (lab->phase == PHASE_ENDING)
        return;
    snprintf(lab->why, sizeof lab->why, "%s", why);
    lab->phase = PHASE_ENDING;
    lab->since = now;
    child_close(&lab->child.in);
    if (*why)
        child_kill(&lab->child);
}

static void status_text(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "the lab ended (signal %d)", WTERMSIG(status));
    else
        snprintf(out, size, "the lab ended (status %d)", WEXITSTATUS(status));
}

/* One lost event; the next step starts a fresh lab, unless too many starts in a row came to nothing. */
static void finish_lost(struct labproc *lab, const char *what)
{
    bool stopped = ++lab->failed >= FAILED_STARTS;
    const char *step = lab->suspect[0] ? lab->suspect : lab->request_count > 0 ? lab->requests[0].step : "";
    struct labproc_event *e = new_event(lab);
    if (e) {
        e->kind = LABPROC_LOST;
        e->stopped = stopped;
        snprintf(e->step, sizeof e->step, "%s", step);
        e->strikes = add_strike(lab, step);
        snprintf(e->text, sizeof e->text, "%.200s%s%.160s; %s", what, lab->last_line[0] ? ": " : "", lab->last_line,
                 stopped ? "no new one is started for now" : "a new one is starting");
    }
    lab->phase = stopped ? PHASE_STOPPED : PHASE_NONE;
    lab->request_count = 0;
    lab->suspect[0] = '\0';
    lab->queue.used = lab->held.used = lab->input.used = lab->scanned = 0;
}

static void finish_end(struct labproc *lab, int64_t now)
{
    int status = 0;
    char what[256];
    bool late = now - lab->since > REAP_MS;
    if (late)
        child_kill(&lab->child);
    if (!child_reap(&lab->child, &status))
        return;
    if (lab->why[0])
        snprintf(what, sizeof what, "%s", lab->why);
    else if (late)
        snprintf(what, sizeof what, "the lab closed its output");
    else
        status_text(status, what, sizeof what);
    finish_lost(lab, what);
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

/* Puts the line of stderr together; only the last one is kept, without characters that drive a terminal. */
static void read_stderr(struct labproc *lab)
{
    char chunk[4096];
    ssize_t n;
    for (int turn = 0; turn < 16 && lab->child.err >= 0; turn++) {
        n = read(lab->child.err, chunk, sizeof chunk);
        if (n == 0)
            child_close(&lab->child.err);
        if (n <= 0)
            return;
        for (ssize_t i = 0; i < n; i++) {
            size_t used = strlen(lab->last_line);
            unsigned char c = (unsigned char)chunk[i];
            if (c == '\n') {
                lab->line_ended = true;
                continue;
            }
            if (lab->line_ended)
                used = 0;
            lab->line_ended = false;
            if (used + 1 < sizeof lab->last_line) {
                lab->last_line[used] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
                lab->last_line[used + 1] = '\0';
            }
        }
    }
}

static bool is_type(const json_t *message, const char *type)
{
    const char *said = json_string_value(json_object_get(message, "type"));
    return said && strcmp(said, type) == 0;
}

static void greet(struct labproc *lab, json_t *hello, int64_t now)
{
    long protocol = (long)json_integer_value(json_object_get(hello, "protocol"));
    long api = (long)json_integer_value(json_object_get(hello, "api"));
    char why[256];
    if (protocol != PROTOCOL_VERSION || api != LESSON_API_VERSION) {
        snprintf(why, sizeof why, "the lab speaks protocol %ld and lesson API %ld, this tutor %d and %d; install the "
                 "same version on both sides", protocol, api, PROTOCOL_VERSION, LESSON_API_VERSION);
        begin_end(lab, why, now);
        return;
    }
    lab->phase = PHASE_READY;
    lab->since = now;
    buffer_add_message(&lab->queue, lab->open, QUEUE_MOST);
}

static void answer_need(struct labproc *lab, const json_t *message)
{
    const char *sha256 = json_string_value(json_object_get(message, "sha256"));
    for (int i = 0; i < LESSONS_MOST; i++)
        if (lab->lessons[i].message && sha256 && strcmp(lab->lessons[i].sha256, sha256) == 0)
            buffer_add_message(&lab->queue, lab->lessons[i].message, QUEUE_MOST);
}

static bool knows_lesson(const struct labproc *lab, const json_t *message)
{
    const char *sha256 = json_string_value(json_object_get(message, "sha256"));
    for (int i = 0; i < LESSONS_MOST; i++)
        if (lab->lessons[i].message && sha256 && strcmp(lab->lessons[i].sha256, sha256) == 0)
            return true;
    return false;
}

/* Nobody can answer: the request ends with what is said here. Takes the message, gives another. */
static json_t *refuse_need(struct labproc *lab, json_t *message)
{
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    json_t *cancel = json_pack("{s:s, s:I}", "type", "cancel", "id", id);
    buffer_add_message(&lab->queue, cancel, QUEUE_MOST);
    json_decref(cancel);
    json_decref(message);
    return json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id, "text",
                     "the lesson's file cannot be read or has changed: is the installation complete?");
}

static bool is_final(const json_t *message)
{
    return json_object_get(message, "id") && !is_type(message, "progress");
}

static void hand_over(struct labproc *lab, json_t *message)
{
    struct labproc_event *e = new_event(lab);
    if (!e) {
        json_decref(message);
        return;
    }
    e->kind = LABPROC_MESSAGE;
    e->message = message;
}

/* One message; takes the reference. */
static void take_message(struct labproc *lab, json_t *message, int64_t now)
{
    lab->heard = now;
    lab->suspect[0] = '\0';
    if (is_type(message, "beat") || (is_type(message, "hello") && lab->phase != PHASE_HELLO)) {
        json_decref(message);
        return;
    }
    if (is_type(message, "hello")) {
        greet(lab, message, now);
        json_decref(message);
        return;
    }
    if (is_type(message, "ready") && lab->phase == PHASE_READY) {
        lab->phase = PHASE_UP;
        lab->failed = 0;
        json_decref(lab->facts);
        lab->facts = json_incref(message);
        buffer_add(&lab->queue, lab->held.bytes ? lab->held.bytes : "", lab->held.used, 2 * QUEUE_MOST);
        lab->held.used = 0;
    }
    if (is_type(message, "need-lesson") && knows_lesson(lab, message)) {
        answer_need(lab, message);
        json_decref(message);
        return;
    }
    if (is_type(message, "need-lesson"))
        message = refuse_need(lab, message);
    if (is_final(message))
        forget_request(lab, (long)json_integer_value(json_object_get(message, "id")), is_type(message, "problem"));
    hand_over(lab, message);
}

/* A line of the lab's output. Before hello anything may stand (ssh banners), up to a limit. */
static void take_line(struct labproc *lab, const char *line, size_t size, int64_t now)
{
    char why[256], what[256];
    json_t *message = protocol_decode(PROTOCOL_FROM_LAB, line, size, why, sizeof why);
    if (lab->phase == PHASE_HELLO && (!message || !is_type(message, "hello"))) {
        json_decref(message);
        lab->banner += size + 1;
        if (lab->banner > PROTOCOL_BANNER_MAX)
            begin_end(lab, "the lab did not say hello within its first 64 KiB", now);
        return;
    }
    if (message) {
        take_message(lab, message, now);
        return;
    }
    snprintf(what, sizeof what, "the lab answered garbage (%.150s)", why);
    begin_end(lab, what, now);
}

/* Whole lines of the input buffer. Events that do not fit wait in the pipe. */
static void take_lines(struct labproc *lab, int64_t now)
{
    size_t start_of_line = 0;
    while (lab->phase != PHASE_ENDING && lab->count < EVENTS_MOST - 2) {
        char *from = lab->input.bytes + start_of_line;
        size_t seen = lab->scanned > start_of_line ? lab->scanned - start_of_line : 0;
        char *end = lab->input.used > start_of_line + seen
                  ? memchr(from + seen, '\n', lab->input.used - start_of_line - seen) : NULL;
        if (!end) {
            lab->scanned = lab->input.used;
            break;
        }
        take_line(lab, from, (size_t)(end - from), now);
        start_of_line += (size_t)(end - from) + 1;
        lab->scanned = start_of_line;
    }
    if (start_of_line > 0) {
        buffer_drop(&lab->input, start_of_line);
        lab->scanned -= start_of_line;
    }
    if (lab->phase == PHASE_HELLO && lab->banner + lab->input.used > PROTOCOL_BANNER_MAX)
        begin_end(lab, "the lab did not say hello within its first 64 KiB", now);
    else if (lab->phase != PHASE_ENDING && lab->scanned >= PROTOCOL_LINE_MAX)
        begin_end(lab, "the lab sent a line longer than 4 MiB", now);
}

static void read_output(struct labproc *lab, int64_t now)
{
    char chunk[READ_CHUNK];
    size_t total = 0;
    take_lines(lab, now); /* what had no place among the events last time */
    while (lab->child.out >= 0 && total < READ_STEP && lab->phase != PHASE_ENDING && lab->count < EVENTS_MOST - 2) {
        ssize_t n = read(lab->child.out, chunk, sizeof chunk);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            take_lines(lab, now);
            begin_end(lab, "", now);
            break;
        }
        total += (size_t)n;
        if (!buffer_add(&lab->input, chunk, (size_t)n, PROTOCOL_LINE_MAX + READ_CHUNK))
            begin_end(lab, "the lab sent a line longer than 4 MiB", now);
        else
            take_lines(lab, now);
    }
}

static void write_queue(struct labproc *lab)
{
    size_t written = 0;
    while (lab->child.in >= 0 && written < lab->queue.used) {
        ssize_t n = write(lab->child.in, lab->queue.bytes + written, lab->queue.used - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (errno != EAGAIN)
                child_close(&lab->child.in); /* it is ending: its output will say so */
            break;
        }
        written += (size_t)n;
    }
    if (written > 0)
        buffer_drop(&lab->queue, written);
}

/* --- the clock ---------------------------------------------------------------------------------------------------- */

/* When this phase is over if nothing is heard, or -1. */
static int64_t deadline(const struct labproc *lab)
{
    switch (lab->phase) {
    case PHASE_HELLO:  return is_remote(lab) ? -1 : lab->since + HELLO_MS;
    case PHASE_READY:
    case PHASE_UP:     return lab->heard + (is_remote(lab) ? SILENCE_FAR_MS : SILENCE_MS);
    default:           return -1;
    }
}

static void watch_clock(struct labproc *lab, int64_t now)
{
    int64_t due = deadline(lab);
    if (lab->phase == PHASE_READY && now - lab->since > READY_MS)
        begin_end(lab, "the lab was not ready within 60 s", now);
    else if (due >= 0 && now > due)
        begin_end(lab, lab->phase == PHASE_HELLO ? "the lab did not say hello within 10 s"
                                                 : "the lab fell silent and was ended", now);
}

int labproc_timeout(const struct labproc *lab, int64_t now)
{
    if (lab->count > 0 || lab->phase == PHASE_NONE || lab->scanned < lab->input.used)
        return 0;
    if (lab->phase == PHASE_ENDING)
        return 10;
    int64_t due = deadline(lab);
    if (due < 0)
        return -1;
    return due < now ? 0 : (int)(due - now) + 1;
}

void labproc_step(struct labproc *lab, int64_t now)
{
    bool paused = lab->last_step > 0 && now - lab->last_step > PAUSE_MS;
    lab->last_step = now;
    if (lab->phase == PHASE_NONE)
        start(lab, now);
    if (lab->child.pid == 0)
        return;
    read_stderr(lab);
    read_output(lab, now);
    if (paused && lab->heard < now) /* we stood still, not the lab: it gets its time again */
        lab->heard = now;
    if (lab->phase == PHASE_ENDING) {
        read_stderr(lab);
        finish_end(lab, now);
        return;
    }
    write_queue(lab);
    watch_clock(lab, now);
}

int labproc_fds(const struct labproc *lab, struct pollfd fds[LABPROC_FDS])
{
    int n = 0;
    if (lab->child.out >= 0 && lab->phase != PHASE_ENDING && lab->count < EVENTS_MOST - 2)
        fds[n++] = (struct pollfd){ .fd = lab->child.out, .events = POLLIN };
    if (lab->child.err >= 0 && lab->phase != PHASE_ENDING)
        fds[n++] = (struct pollfd){ .fd = lab->child.err, .events = POLLIN };
    if (lab->child.in >= 0 && lab->queue.used > 0)
        fds[n++] = (struct pollfd){ .fd = lab->child.in, .events = POLLOUT };
    return n;
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

struct labproc *labproc_new(const struct labproc_config *config)
{
    struct labproc *lab = calloc(1, sizeof *lab);
    if (!lab)
        return NULL;
    signal(SIGPIPE, SIG_IGN);
    lab->child.in = lab->child.out = lab->child.err = -1;
    lab->command = copy_text(config->command);
    lab->program = copy_text(config->program);
    lab->open = config->open ? json_incref(config->open) : json_pack("{s:s}", "type", "open");
    if (!lab->open || (!lab->command && !lab->program)) {
        labproc_free(lab);
        return NULL;
    }
    return lab;
}

void labproc_free(struct labproc *lab)
{
    if (!lab)
        return;
    child_end(&lab->child);
    for (struct labproc_event e; (e = labproc_next(lab)).kind != LABPROC_NOTHING;)
        json_decref(e.message);
    for (int i = 0; i < LESSONS_MOST; i++)
        json_decref(lab->lessons[i].message);
    json_decref(lab->open);
    json_decref(lab->facts);
    free(lab->queue.bytes);
    free(lab->held.bytes);
    free(lab->input.bytes);
    free(lab->command);
    free(lab->program);
    free(lab);
}

void labproc_reopen(struct labproc *lab, json_t *open)
{
    json_incref(open);
    json_decref(lab->open);
    lab->open = open;
    if (lab->phase == PHASE_STOPPED)
        return;
    child_end(&lab->child);
    lab->phase = PHASE_NONE;
    lab->request_count = 0;
    lab->held.used = lab->queue.used = lab->input.used = lab->scanned = 0;
}

bool labproc_offer(struct labproc *lab, const char *name, const char *text, size_t size)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(text, size, digest);
    sha256_hex(digest, hex);
    json_t *string = json_stringn(text, size);
    if (!string)
        return false;
    for (int i = 0; i < LESSONS_MOST; i++)
        if (lab->lessons[i].message && strcmp(lab->lessons[i].sha256, hex) == 0) {
            json_decref(string);
            return true;
        }
    struct lesson_text *slot = &lab->lessons[lab->next_lesson++ % LESSONS_MOST];
    json_decref(slot->message);
    memcpy(slot->sha256, hex, sizeof hex);
    slot->message = json_pack("{s:s, s:s, s:s, s:o}", "type", "lesson", "sha256", hex, "name", name, "text", string);
    return slot->message != NULL;
}

bool labproc_send(struct labproc *lab, json_t *message)
{
    struct buffer *queue = lab->phase == PHASE_UP ? &lab->queue : &lab->held;
    bool done = buffer_add_message(queue, message, QUEUE_MOST);
    if (done)
        note_request(lab, message);
    if (lab->phase == PHASE_STOPPED) {
        lab->phase = PHASE_NONE;
        lab->failed = 0;
    }
    json_decref(message);
    return done;
}

bool labproc_ready(const struct labproc *lab)
{
    return lab->phase == PHASE_UP;
}

const json_t *labproc_facts(const struct labproc *lab)
{
    return lab->facts;
}

const char *labproc_stderr(const struct labproc *lab)
{
    return lab->last_line;
}

long labproc_pid(const struct labproc *lab)
{
    return (long)lab->child.pid;
}
