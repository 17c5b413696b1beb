/* job.h: one request of a command to the lab: progress while it runs, then what it answers, on a screen or as lines.
 * For commands that show the lab's report and nothing of a lesson: quantize, quality, bench, inspect. */
#ifndef TUTOR_JOB_H
#define TUTOR_JOB_H

#include <jansson.h>

#include "tutor/jobscreen.h"
#include "tutor/options.h"
#include "tutor/picklist.h"

struct job {
    const char *title;          /* of the screen: "saffron bench" */
    const char *report;         /* the field of the answer that --json prints; "blocks" is for people */
    json_t     *request;        /* borrowed */
    json_t     *look;           /* what a screen asks instead, or NULL: the same; borrowed */
    const json_t *open;         /* what a lab of its own is opened with: {"files", "output"}; or NULL: nothing */
    bool        screen;         /* on a terminal it gets a screen, else it prints lines there too */
    bool        timed;          /* its numbers are timings: SAFFRON_MASK hides them */
    void      (*mask)(json_t *report); /* hides the timings of a report for --json, or NULL */
    /* On a screen a report whose field `list` is a list of objects with a "name" is one to choose from: the name goes
     * into field `pick` of the request, which is then sent again. NULL: its blocks are shown at once. */
    const char *list, *pick;
    picklist_remark *remark;
    void      (*about)(const json_t *report, char *out, size_t size); /* a few words for the corner of the list */
    void      (*frame)(const struct job *, const json_t *report, json_t *view); /* fills "where" and "status" of a view
                                   that shows an answer, or has none yet: report NULL. NULL: both stay empty */
    struct jobface *face;       /* a screen of its own instead of all that (jobscreen.h), or NULL */
};

/* Runs it to its end. Returns the exit status; what went wrong is said on stderr. Esc, q and the signals that end a
 * program leave at once, and end the lab's work. */
int job_run(const struct options *, const struct job *);

#endif
