/* loop.h: the event loop of the screen: terminal, store and lab in; the app decides; this acts.
 * Plain mode has its own loop over the same app (plain.c). */
#ifndef TUTOR_LOOP_H
#define TUTOR_LOOP_H

#include "tutor/app.h"
#include "tutor/options.h"

struct loop_start {
    enum app_start         place;
    const struct document *document; /* not NULL: this lesson instead of the place */
    const char            *path;     /* of its file when it is not in the catalog, else NULL */
    const char            *step;     /* or NULL: the first open one */
};

/* Runs until the learner leaves. Returns the exit status; -1, with one line in `error`, when there is no usable
 * terminal: the caller goes on in plain mode. */
int loop_run(const struct options *, const struct catalog *, const struct loop_start *, char *error, size_t size);

#endif
