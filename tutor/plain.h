/* plain.h: plain mode, the other face of the tutor: lines in, lines out, for screen readers, scripts and tests.
 * The same state machines as the screen's; only what is new is printed, and no line is read while an answer of the
 * store or the lab is awaited, so that scripted input gives the same output every time. */
#ifndef TUTOR_PLAIN_H
#define TUTOR_PLAIN_H

#include "tutor/loop.h"

/* Runs until the learner leaves or the input ends; exit status. Where nobody can answer (no lesson named, and stdout is
 * no terminal) it prints the map and ends. */
int plain_run(const struct options *, const struct catalog *, const struct loop_start *);

#endif
