/* watch.c: the state that worker and monitor share. */
#include "engine/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum watch_state { WATCH_IDLE, WATCH_SCRIPT, WATCH_HOST };

static struct {
    pthread_mutex_t  lock;
    bool             registered;    /* a worker has given its CPU clock */
    clockid_t        cpu;           /* of the worker */
    enum watch_state state;
    double           limit;         /* script: worker CPU seconds; host: clock seconds */
    char             what[64];      /* host call */
    char             path[256], function[64];
    int              line;
    long             request;
    double           started, spent; /* script CPU seconds: when this stretch began, and of the request before it */
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER };

static atomic_bool canceled; /* polled between kernel tiles: no lock */

static double seconds_of(clockid_t clock)
{
    struct timespec t = { 0 };
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

/* Worker only. */
static void set_state(enum watch_state state, double limit, const char *what)
{
    double now = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    pthread_mutex_lock(&watch.lock);
    if (watch.state == WATCH_SCRIPT)
        watch.spent += now - watch.started;
    if (state == WATCH_SCRIPT) {
        double left = WATCH_REQUEST_SECONDS - watch.spent;
        limit = now + (left < WATCH_SCRIPT_SECONDS ? left : WATCH_SCRIPT_SECONDS);
        watch.started = now;
    }
    watch.state = state;
    watch.limit = limit;
    copy(watch.what, sizeof watch.what, what);
    pthread_mutex_unlock(&watch.lock);
}

void watch_worker(void)
{
    pthread_mutex_lock(&watch.lock);
    watch.registered = pthread_getcpuclockid(pthread_self(), &watch.cpu) == 0;
    pthread_mutex_unlock(&watch.lock);
}

double watch_left(void)
{
    double now = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    pthread_mutex_lock(&watch.lock);
    double left = watch.limit - now;
    pthread_mutex_unlock(&watch.lock);
    return left;
}

void watch_script(void)
{
    set_state(WATCH_SCRIPT, 0, NULL);
}

void watch_host(const char *what, double seconds)
{
    set_state(WATCH_HOST, seconds_of(CLOCK_MONOTONIC) + seconds, what);
}

void watch_idle(void)
{
    set_state(WATCH_IDLE, 0, NULL);
}

void watch_place(const char *path, int line, const char *function)
{
    pthread_mutex_lock(&watch.lock);
    copy(watch.path, sizeof watch.path, path);
    copy(watch.function, sizeof watch.function, function);
    watch.line = line;
    pthread_mutex_unlock(&watch.lock);
}

void watch_begin(long id)
{
    pthread_mutex_lock(&watch.lock);
    watch.request = id;
    watch.path[0] = watch.function[0] = '\0';
    watch.line = 0;
    watch.spent = 0;
    atomic_store(&canceled, false);
    pthread_mutex_unlock(&watch.lock);
}

void watch_renew(void)
{
    pthread_mutex_lock(&watch.lock);
    watch.spent = 0;
    pthread_mutex_unlock(&watch.lock);
}

long watch_request(void)
{
    pthread_mutex_lock(&watch.lock);
    long id = watch.request;
    pthread_mutex_unlock(&watch.lock);
    return id;
}

bool watch_cancel(long id)
{
    pthread_mutex_lock(&watch.lock);
    bool under_way = id != 0 && watch.request == id;
    if (under_way)
        atomic_store(&canceled, true);
    pthread_mutex_unlock(&watch.lock);
    return under_way;
}

bool watch_canceled(void)
{
    return atomic_load_explicit(&canceled, memory_order_relaxed);
}

bool watch_overdue(char *why, size_t size, char *path, size_t path_size, int *line)
{
    pthread_mutex_lock(&watch.lock);
    bool script = watch.state == WATCH_SCRIPT && watch.registered && seconds_of(watch.cpu) > watch.limit;
    bool host = watch.state == WATCH_HOST && seconds_of(CLOCK_MONOTONIC) > watch.limit;
    if (script && watch.function[0])
        snprintf(why, size, "'%s' ran for more than %g s; the lab was stopped", watch.function, WATCH_SCRIPT_SECONDS);
    else if (script)
        snprintf(why, size, "the script ran for more than %g s; the lab was stopped", WATCH_SCRIPT_SECONDS);
    else if (host)
        snprintf(why, size, "'%s' did not end in its time; the lab was stopped", watch.what);
    copy(path, path_size, watch.path);
    *line = watch.line;
    pthread_mutex_unlock(&watch.lock);
    return script || host;
}
