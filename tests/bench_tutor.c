/* bench_tutor.c: how fast the screen is, measured from outside through a pseudo-terminal of 200x60.
 *   bench_tutor [runs]      prints medians and 99th percentiles; tig beside it where it is installed
 * A frame is complete when the terminal has been quiet for QUIET_MS; the time of its last byte counts, not the silence.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 200, HEIGHT = 60, QUIET_MS = 60, LONGEST_MS = 20000, MOST_SAMPLES = 1000 };

struct terminal {
    pid_t child;
    int   fd;
};

/* What one burst of output was. */
struct burst {
    double ms;    /* from the start to its last byte; negative when nothing came */
    size_t bytes;
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct terminal start(char *const argv[])
{
    struct winsize size = { .ws_row = HEIGHT, .ws_col = WIDTH };
    struct terminal t = { 0, -1 };
    t.child = forkpty(&t.fd, NULL, NULL, &size);
    if (t.child == 0) {
        setenv("TERM", "xterm-256color", 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    return t;
}

static void stop(struct terminal *t)
{
    kill(t->child, SIGTERM);
    for (int i = 0; i < 200 && waitpid(t->child, NULL, WNOHANG) == 0; i++)
        usleep(10000);
    kill(t->child, SIGKILL);
    waitpid(t->child, NULL, 0);
    close(t->fd);
}

/* Reads until `quiet` ms without output, once something has come and, where `until` is given, was seen. */
static struct burst settle(struct terminal *t, double from, int quiet, const char *until)
{
    static char seen[1 << 20];
    struct burst b = { -1, 0 };
    size_t used = 0;
    bool found = until == NULL;
    while (now_ms() - from < LONGEST_MS) {
        struct pollfd p = { .fd = t->fd, .events = POLLIN };
        int ready = poll(&p, 1, quiet);
        if (ready == 0 && b.bytes > 0 && found)
            break;
        if (ready <= 0)
            continue;
        char chunk[65536];
        ssize_t n = read(t->fd, chunk, sizeof chunk);
        if (n <= 0)
            break;
        b.ms = now_ms() - from;
        b.bytes += (size_t)n;
        if (!found && used + (size_t)n < sizeof seen) {
            memcpy(seen + used, chunk, (size_t)n);
            used += (size_t)n;
            found = memmem(seen, used, until, strlen(until)) != NULL;
        }
    }
    return b;
}

static struct burst press(struct terminal *t, const char *keys, int quiet)
{
    double from = now_ms();
    if (write(t->fd, keys, strlen(keys)) < 0)
        return (struct burst){ -1, 0 };
    return settle(t, from, quiet, NULL);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double *samples, int n, const char *unit, const char *goal)
{
    if (n == 0) {
        printf("%-44s no samples\n", what);
        return;
    }
    qsort(samples, (size_t)n, sizeof samples[0], by_value);
    printf("%-44s median %8.2f  p99 %8.2f %-3s (n %d)   %s\n", what, samples[n / 2], samples[(n * 99) / 100], unit, n,
           goal);
}

static void bench_start(const char *what, char *const argv[], const char *until, int runs, const char *goal)
{
    double samples[MOST_SAMPLES];
    int n = 0;
    for (int i = 0; i < runs; i++) {
        double from = now_ms();
        struct terminal t = start(argv);
        struct burst b = settle(&t, from, QUIET_MS, until);
        stop(&t);
        if (b.ms >= 0 && i > 0) /* the first run warms the caches */
            samples[n++] = b.ms;
    }
    report(what, samples, n, "ms", goal);
}

/* Presses two keys in turn; `prepare` brings the screen there. */
static void bench_keys(const char *saffron, const char *db, const char *lesson, const char *prepare,
                       const char *const pair[2], const char *what, int presses)
{
    double samples[MOST_SAMPLES];
    int n = 0;
    char *argv[] = { (char *)(uintptr_t)saffron, (char *)(uintptr_t)lesson, (char *)(uintptr_t)"--db",
                     (char *)(uintptr_t)db, NULL };
    struct terminal t = start(argv);
    settle(&t, now_ms(), 300, NULL);
    if (*prepare)
        press(&t, prepare, 20);
    for (int i = 0; i < presses; i++) {
        struct burst b = press(&t, pair[i % 2], 15);
        if (b.ms >= 0)
            samples[n++] = b.ms;
    }
    stop(&t);
    report(what, samples, n, "ms", "2 and 10 at most, goal 0.5 and 2");
}

/* Turns the knob of the bench lesson: 2^20 values made, quantized, reduced, sent, drawn. */
static void bench_heat(const char *saffron, const char *db, int turns)
{
    double ms[MOST_SAMPLES], kb[MOST_SAMPLES];
    int n = 0;
    char *argv[] = { (char *)(uintptr_t)saffron, (char *)(uintptr_t)"tests/lessons/bench.lua",
                     (char *)(uintptr_t)"--db", (char *)(uintptr_t)db, NULL };
    struct terminal t = start(argv);
    settle(&t, now_ms(), 1500, NULL);
    for (int i = 0; i < turns; i++) {
        struct burst b = press(&t, "\033OC", 300);
        if (b.ms >= 0 && b.bytes > 2000) {
            ms[n] = b.ms;
            kb[n++] = (double)b.bytes / 1000;
        }
    }
    stop(&t);
    report("knob on 1M values, recomputed, repainted", ms, n, "ms", "50 at most");
    report("bytes of such a frame", kb, n, "KB", "220 at most, goal 140");
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 15;
    const char *saffron = getenv("SAFFRON") ? getenv("SAFFRON") : "build/saffron";
    char folder[] = "/tmp/saffron-bench-XXXXXX", db[64];
    if (!mkdtemp(folder) || runs < 2 || runs > MOST_SAMPLES)
        return 2;
    snprintf(db, sizeof db, "%s/progress.db", folder);
    setenv("XDG_STATE_HOME", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    char *lesson[] = { (char *)(uintptr_t)saffron, (char *)(uintptr_t)"quantization", (char *)(uintptr_t)"--db", db,
                       NULL };
    char *map[] = { (char *)(uintptr_t)saffron, (char *)(uintptr_t)"--db", db, NULL };
    char *tig[] = { (char *)(uintptr_t)"tig", NULL };
    printf("terminal %dx%d, xterm-256color\n", WIDTH, HEIGHT);
    bench_start("start to the first prediction", lesson, "quit", runs, "40 at most, goal 20");
    bench_start("start to the course map", map, "quit", runs, "40 at most, goal 20");
    bench_start("tig, for comparison", tig, NULL, runs, "");
    static const char *const arrows[2] = { "\033OC", "\033OD" }, *const help[2] = { "?", "?" };
    bench_keys(saffron, db, "quantization", "", arrows, "key to last byte: moving the mark", 300);
    /* "4 times, 50 % sure" starts a second of timed products; help opens and closes meanwhile. */
    bench_keys(saffron, db, "quantization:int4-speed", "4\r2", help, "key to last byte: help while a kernel runs", 40);
    bench_heat(saffron, db, 40);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0;
}
