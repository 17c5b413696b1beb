/* lab.h: the lab, the process that runs lessons and kernels.
 * Main thread: reads the pipe, beats, takes cancels, watches. Worker thread: one request after the other. Everything is
 * said in JSON lines (protocol.h); what the worker keeps between requests is caches, never state. */
#ifndef ENGINE_LAB_H
#define ENGINE_LAB_H

#include "engine/host.h"

struct lab_place {
    const char *data;    /* the installation's data folder, "" if there is none */
    const char *modules; /* the folder of modules (BLAS), "" if there is none */
    const char *version;
};

/* `saffron lab`, and `saffron lab --document FILE` and `--stubs`, which make uses. argv[0] is "lab". Does not return to
 * a program that could go on: the process is sandboxed; the result is its exit status. */
int lab_main(int argc, char **argv, const struct lab_place *place);

/* One lesson as the lab knows it. */
struct lab_lesson {
    char    sha256[65];
    char    name[256];
    char   *text;
    size_t  size;
    json_t *document;
};

/* What a compute or given request asks. */
struct lab_question {
    const struct lab_lesson *lesson;
    const char   *step;
    uint64_t      seed;
    const json_t *knobs; /* {name: value} or NULL */
    const json_t *guess; /* or NULL */
};

/* Computes a step and builds its reveal: {"answer", "blocks", "provenance", "values"}, or NULL. */
json_t *lab_compute(const struct host_env *env, const struct lab_question *, struct host_problem *);

/* The step of a document, or NULL. Borrowed. */
const json_t *lab_step(const struct lab_lesson *, const char *id);

#endif
