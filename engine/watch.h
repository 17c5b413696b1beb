/* watch.h: how the lab's monitor thread sees what its worker thread is doing.
 * A script that never comes back cannot be stopped from inside (a pattern match or a finalizer sees no hook), so the
 * monitor measures the worker's CPU time and ends the process. One worker a process; every call is thread-safe. */
#ifndef ENGINE_WATCH_H
#define ENGINE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/sanitized.h"

#define WATCH_SCRIPT_SECONDS  (SANITIZED ? 4.0 : 1.0) /* CPU in Lua without a host call */
#define WATCH_REQUEST_SECONDS (SANITIZED ? 8.0 : 2.0) /* CPU in Lua in one request, host calls or not */

/* The calling thread is the worker from now on. */
void watch_worker(void);

/* What the worker does next: lesson code; a host call that may take this long by the clock; nothing. */
void watch_script(void);
void watch_host(const char *what, double seconds);
void watch_idle(void);

/* The request begins another of its computations: script time is counted anew. */
void watch_renew(void);

/* CPU seconds that the worker's script still has; it should end itself while some are left. */
double watch_left(void);

/* Where the lesson's code is, for the message: a C function that it called ("string.rep"), or NULL. */
void watch_place(const char *path, int line, const char *function);

/* The id of the request under way, 0 between requests. */
void watch_begin(long id);
long watch_request(void);

/* Cancel reaches the worker by a flag that it polls; watch_begin clears it. False if another request is under way. */
bool watch_cancel(long id);
bool watch_canceled(void);

/* For the monitor: whether the worker has used up what it may. Then one line in `why`, and its place. */
bool watch_overdue(char *why, size_t size, char *path, size_t path_size, int *line);

#endif
