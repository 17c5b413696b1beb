/* drive.h: one step of a lesson without a face: the session with its store and lab, fed until it is quiet.
 * For `saffron run` and `saffron shot`: what they show is what the learner's screen would show. */
#ifndef TUTOR_DRIVE_H
#define TUTOR_DRIVE_H

#include "engine/session.h"
#include "tutor/actors.h"
#include "tutor/lessonfile.h"

struct drive {
    const struct options *options;
    struct catalog       *catalog;
    struct lessonfile     lesson;
    struct actors        *actors;
    struct session       *session;
    char                  seed[40];
    const json_t         *step;    /* of the document */
    json_t               *records; /* of the lesson */
    json_t               *result;  /* the lab's last result, or NULL */
    unsigned              effects; /* of the last event that was fed from here */
};

/* Opens "LESSON:STEP" where the learner left it. False: one line in `error`. */
bool drive_open(struct drive *, const struct options *, const char *word, char *error, size_t size);
void drive_close(struct drive *);

/* Feeds a command, then waits until neither store nor lab owes an answer. */
void drive_command(struct drive *, enum command command, const char *text);
/* Whether the session says that something is wrong with the last command; it goes into `error`, else that is empty. */
bool drive_complains(const struct drive *, char *error, size_t size);
/* Feeds a tick, so that live facts are fetched; waits. */
void drive_settle(struct drive *);

#endif
