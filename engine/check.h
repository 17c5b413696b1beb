/* check.h: a lesson file checked as an author wants it: loaded, computed, and read for what a learner would trip
 * over. */
#ifndef ENGINE_CHECK_H
#define ENGINE_CHECK_H

#include <jansson.h>

#include "engine/host.h"

/* Appends {"path", "line", "column", "text"} to `findings`, in the order of the file; none means that all is well. */
void check_lesson(const struct host_env *env, const char *path, json_t *findings);

#endif
