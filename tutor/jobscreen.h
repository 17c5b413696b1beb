/* jobscreen.h: the screen of a request to the lab: one loop for terminal and lab, and a face that decides.
 * A face is a state machine without I/O: keys and the lab's messages in, a view and effects out. */
#ifndef TUTOR_JOBSCREEN_H
#define TUTOR_JOBSCREEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tutor/actors.h"
#include "tutor/options.h"

/* What a face wants done. */
enum {
    JOBFACE_SCROLL = 1, /* the key, if it scrolls, moves the view */
    JOBFACE_TOP    = 2, /* the view begins at its top again */
    JOBFACE_ASK    = 4, /* `request` goes to the lab */
    JOBFACE_CANCEL = 8, /* what is under way is to stop */
    JOBFACE_LEAVE  = 16,
};

struct jobface {
    json_t  *(*view)(const struct jobface *, int rows);   /* a new view, `rows` of body */
    unsigned (*key)(struct jobface *, uint32_t key, int rows);
    unsigned (*message)(struct jobface *, const json_t *message); /* of the request under way, progress too */

    json_t       *request; /* what the loop sends first, and at JOBFACE_ASK; the face's */
    const json_t *open;    /* what a lab of its own is opened with, or NULL (job.h) */
    bool          answered;
    char          error[512];

    long   id;             /* the loop's, like what follows: of the request under way, 0: none */
    char   label[120];
    double fraction;
};

/* Runs a face until it leaves, or the terminal goes. Returns the exit status, having said what went wrong on stderr;
 * -1 when there is no screen to be had. */
int jobscreen_run(const struct options *, struct actors *, struct jobface *);

/* Whether the message says that the request came to nothing. */
bool jobface_failed(const json_t *message);

/* The block that shows how far the request under way is. A new reference. */
json_t *jobface_working(const struct jobface *);

#endif
