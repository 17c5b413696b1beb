/* labtest.h: a lab for tests: the real one behind labproc, asked one thing at a time. */
#ifndef TESTS_LABTEST_H
#define TESTS_LABTEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/sanitized.h"
#include "engine/sha256.h"
#include "tutor/labproc.h"

/* How much slower sanitizers make it. */
enum { LABTEST_SLOW = SANITIZED ? 10 : 1 };

static inline int64_t labtest_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline const char *labtest_program(void)
{
    const char *program = getenv("SAFFRON");
    return program ? program : "build/saffron";
}

/* The real lab, or what `command` starts. */
static inline struct labproc *labtest_start(const char *command)
{
    struct labproc_config config = { .command = command, .program = labtest_program() };
    struct labproc *lab = labproc_new(&config);
    assert_non_null(lab);
    return lab;
}

/* Waits for the next event; LABPROC_NOTHING after `limit` milliseconds. */
static inline struct labproc_event labtest_next(struct labproc *lab, int64_t limit)
{
    int64_t end = labtest_now() + limit;
    for (;;) {
        struct pollfd fds[LABPROC_FDS];
        labproc_step(lab, labtest_now());
        struct labproc_event e = labproc_next(lab);
        if (e.kind != LABPROC_NOTHING || labtest_now() >= end)
            return e;
        int n = labproc_fds(lab, fds), wait = labproc_timeout(lab, labtest_now());
        poll(fds, (nfds_t)n, wait < 0 || wait > 20 ? 20 : wait);
    }
}

static inline bool labtest_is(const json_t *message, const char *type)
{
    const char *said = json_string_value(json_object_get(message, "type"));
    return said && strcmp(said, type) == 0;
}

/* The first message of this type (progress and ready are passed over), else NULL; a lost lab ends the wait and is
 * copied to `lost` if that is given. The caller's reference. */
static inline json_t *labtest_wait(struct labproc *lab, const char *type, int64_t limit, struct labproc_event *lost)
{
    int64_t end = labtest_now() + limit;
    while (labtest_now() < end) {
        struct labproc_event e = labtest_next(lab, end - labtest_now());
        if (e.kind == LABPROC_LOST) {
            if (lost)
                *lost = e;
            return NULL;
        }
        if (e.kind == LABPROC_MESSAGE && labtest_is(e.message, type))
            return e.message;
        json_decref(e.message);
    }
    return NULL;
}

static inline void labtest_sha256(const char *text, char hex[SHA256_HEX])
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(text, strlen(text), digest);
    sha256_hex(digest, hex);
}

/* Asks for step `step` of a lesson given as text. */
static inline void labtest_compute(struct labproc *lab, long id, const char *name, const char *text, const char *step,
                                   json_t *knobs)
{
    char hex[SHA256_HEX];
    labtest_sha256(text, hex);
    assert_true(labproc_offer(lab, name, text, strlen(text)));
    json_t *message = json_pack("{s:s, s:i, s:s, s:s, s:s}", "type", "compute", "id", (int)id, "lesson", hex, "step",
                                step, "seed", "0123456789abcdef");
    if (knobs)
        json_object_set_new(message, "knobs", knobs);
    assert_true(labproc_send(lab, message));
}

/* The reply to request `id` about a step of this lesson: a result, or a problem. The caller's reference. */
static inline json_t *labtest_reply(struct labproc *lab, long id, const char *text, const char *step)
{
    labtest_compute(lab, id, "lessons/x.lua", text, step, NULL);
    for (;;) {
        struct labproc_event e = labtest_next(lab, 30000 * LABTEST_SLOW);
        if (e.kind != LABPROC_MESSAGE)
            fail_msg("%s: no answer", step);
        if (json_integer_value(json_object_get(e.message, "id")) == id && !labtest_is(e.message, "progress"))
            return e.message;
        json_decref(e.message);
    }
}

/* A number of a result: the answer, or a value by name. */
static inline double labtest_value(const json_t *reply, const char *name)
{
    const json_t *x = strcmp(name, "answer") == 0 ? json_object_get(reply, "answer")
                                                  : json_object_get(json_object_get(reply, "values"), name);
    if (!json_is_number(x))
        fail_msg("no number '%s': %s", name, json_string_value(json_object_get(reply, "text")));
    return json_number_value(x);
}

static inline void labtest_near(double got, double meant, double within)
{
    if (!(fabs(got - meant) <= within))
        fail_msg("%.9g, not %.9g", got, meant);
}

/* The next problem, result or loss about a request, as its type: "problem", "result", "lost", "nothing". */
static inline const char *labtest_outcome(struct labproc *lab, int64_t limit, json_t **message,
                                          struct labproc_event *lost)
{
    int64_t end = labtest_now() + limit;
    *message = NULL;
    while (labtest_now() < end) {
        struct labproc_event e = labtest_next(lab, end - labtest_now());
        if (e.kind == LABPROC_LOST) {
            *lost = e;
            return "lost";
        }
        if (e.kind == LABPROC_MESSAGE && (labtest_is(e.message, "problem") || labtest_is(e.message, "result"))) {
            *message = e.message;
            return json_string_value(json_object_get(e.message, "type"));
        }
        json_decref(e.message);
    }
    return "nothing";
}

#endif
