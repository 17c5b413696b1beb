/* lab_write.c: what the lab says. See lab_state.h.
 * Only this file writes to the protocol's descriptor, a whole line at a time under one lock; but for the line of a
 * process that ends by a signal, which was made before. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/lab_state.h"
#include "engine/protocol.h"
#include "engine/watch.h"

enum { PROGRESS_MS = 80 };

double lab_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* The whole line, or the end of the process: a tutor that is gone needs no lab. */
static void write_all(const char *line, size_t size)
{
    while (size > 0) {
        ssize_t n = write(lab.out, line, size);
        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){ .fd = lab.out, .events = POLLOUT }, 1, -1);
        else if (n < 0 && errno != EINTR)
            _exit(0);
        if (n > 0) {
            line += n;
            size -= (size_t)n;
        }
    }
}

void lab_send(json_t *message)
{
    size_t size = 0;
    char *line = message ? protocol_encode(message, &size) : NULL;
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    if (!line || size > PROTOCOL_LINE_MAX) {
        json_t *problem = json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id, "text",
                                    line ? "the result is larger than 4 MiB" : "out of memory");
        free(line);
        line = problem ? protocol_encode(problem, &size) : NULL;
        json_decref(problem);
    }
    if (line) {
        pthread_mutex_lock(&lab.out_lock);
        write_all(line, size);
        pthread_mutex_unlock(&lab.out_lock);
    }
    free(line);
    json_decref(message);
}

void lab_problem(json_int_t id, const char *text, const char *path, int line)
{
    char said[640];
    protocol_line(text, said, sizeof said);
    json_t *message = json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id, "text", said);
    if (path && *path)
        json_object_set_new(message, "path", json_string(path));
    if (line > 0)
        json_object_set_new(message, "line", json_integer(line));
    lab_send(message);
}

void lab_beat(void)
{
    static const char line[] = "{\"type\":\"beat\"}\n";
    struct pollfd room = { .fd = lab.out, .events = POLLOUT };
    if (pthread_mutex_trylock(&lab.out_lock) != 0)
        return;
    if (poll(&room, 1, 0) == 1 && room.revents & POLLOUT)
        write_all(line, sizeof line - 1);
    pthread_mutex_unlock(&lab.out_lock);
}

void lab_progress(void *ctx, double fraction, const char *label)
{
    (void)ctx;
    double now = lab_now_ms();
    if (now - lab.reported < PROGRESS_MS)
        return;
    lab.reported = now;
    lab_send(json_pack("{s:s, s:I, s:f, s:s}", "type", "progress", "id", (json_int_t)watch_request(), "fraction",
                           fraction, "label", label));
}

/* --- files that shrink -------------------------------------------------------------------------------------------- */

/* What is said if a mapped file loses its end: made before, for a signal handler can make nothing. */
static struct {
    char   line[1024];
    size_t size;
} torn;

static void on_torn(int number)
{
    ssize_t n = write(lab.out, torn.line, torn.size);
    (void)number;
    _exit(n > 0 ? 0 : 1);
}

void lab_read_mapped(json_int_t id, const char *path)
{
    char text[400], said[400];
    size_t size = 0;
    const struct sigaction action = { .sa_handler = path ? on_torn : SIG_DFL };
    torn.size = 0;
    if (path) {
        snprintf(text, sizeof text, "'%.300s' became shorter while it was read", path);
        protocol_line(text, said, sizeof said);
        json_t *problem = json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id, "text", said);
        char *line = protocol_encode(problem, &size);
        if (line && size <= sizeof torn.line) {
            memcpy(torn.line, line, size);
            torn.size = size;
        }
        free(line);
        json_decref(problem);
    }
    sigaction(SIGBUS, &action, NULL);
}
