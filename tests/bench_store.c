/* bench_store.c: what it costs to keep progress.
 * A commit against the least that any program could do (a 4 KiB overwrite and fdatasync in the same folder,
 * alternating), opening, replaying, and what a learner of many years would wait for.
 *   bench_store [FOLDER] [SESSIONS]   prints medians beside what is asked of them */
#include "db/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COMMITS = 30, OPENINGS = 21, MOST = 4096 };

static const char payload[] =
    "{\"type\":\"number\",\"raw\":\"12 "
    "%\",\"value\":12.0,\"unit\":\"%\",\"confidence\":75,\"rule\":{\"within\":\"25 %\"},"
    "\"order\":null,\"latency_ms\":8123,\"seed\":\"9f86d081884c7d65\",\"lesson_sha\":"
    "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}";

static char folder[256];

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, int count, double q)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[(int)(q * (count - 1) + 0.5)];
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_store: %s: %s\n", what, why ? why : "no reason");
    exit(1);
}

static struct store *open_store(const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct store *store = store_open(&(struct store_config){ .path = path });
    if (!store)
        die("open", path);
    return store;
}

/* The time until the answer, which is checked and freed. */
static double ask(struct store *store, enum store_question question, const char *arg)
{
    struct store_reply reply;
    double             start = now_us();
    if (!store_ask_wait(store, question, arg, &reply) || !reply.ok)
        die("ask", reply.text);
    store_reply_clear(&reply);
    return now_us() - start;
}

static void line(const char *what, double value, const char *unit, double most, double goal)
{
    printf("%-46s %8.2f %-3s at most %g, goal %g%s\n", what, value, unit, most, goal, value <= most ? "" : "   MISSED");
}

/* ---- commits ---- */

/* From posting to the reply in hand, as the tutor's loop sees it. */
static double store_once(struct store *store, int round)
{
    char               step[16];
    struct store_reply reply;
    snprintf(step, sizeof step, "step-%d", round % COMMITS);
    double        start = now_us();
    struct record record = { .id = 1,
                             .kind = "prediction",
                             .course = "saffron",
                             .lesson = "quantization",
                             .step = step,
                             .rev = 1,
                             .payload = payload };
    store_post(store, &record);
    poll(&(struct pollfd){ .fd = store_fd(store), .events = POLLIN }, 1, -1);
    if (!store_next(store, &reply) || !reply.ok)
        die("not stored", reply.text);
    store_reply_clear(&reply);
    return now_us() - start;
}

static double overwrite_once(int fd)
{
    static char block[4096];
    double      start = now_us();
    block[0]++;
    if (pwrite(fd, block, sizeof block, 0) != sizeof block || fdatasync(fd) != 0)
        die("overwrite", "the disk");
    return now_us() - start;
}

/* Sessions of 30 commits, each with a store of its own that has just been opened. */
static void bench_commits(int sessions)
{
    static double stored[MOST], raw[MOST];
    char          name[300];
    int           n = 0;
    snprintf(name, sizeof name, "%s/raw", folder);
    int fd = open(name, O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 20; i++)
        overwrite_once(fd);
    for (int s = 0; s < sessions && n + COMMITS <= MOST; s++) {
        struct store *store = open_store("commits.db");
        ask(store, STORE_PROGRESS, "");
        usleep(20000); /* the learner reads the first screen */
        for (int i = 0; i < COMMITS; i++, n++) {
            stored[n] = store_once(store, i);
            raw[n] = overwrite_once(fd);
        }
        store_close(store);
    }
    close(fd);
    printf("store a prediction durably: median %.0f us, p99 %.0f us; overwrite + fdatasync: %.0f us, %.0f us\n",
           quantile(stored, n, .5), quantile(stored, n, .99), quantile(raw, n, .5), quantile(raw, n, .99));
    line("commit over overwrite, median", quantile(stored, n, .5) / quantile(raw, n, .5), "x", 2.2, 1.5);
    line("commit over overwrite, p99", quantile(stored, n, .99) / quantile(raw, n, .99), "x", 2.5, 1.5);
}

/* ---- opening ---- */

static void remove_files(void)
{
    char           name[700];
    struct dirent *entry;
    DIR           *list = opendir(folder);
    while (list && (entry = readdir(list))) {
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        unlink(name);
    }
    if (list)
        closedir(list);
}

static void bench_opening(void)
{
    double created[OPENINGS], opened[OPENINGS];
    char   name[32];
    for (int i = 0; i < OPENINGS; i++) {
        snprintf(name, sizeof name, "open-%d.db", i);
        for (int again = 0; again < 2; again++) {
            double        start = now_us();
            struct store *store = open_store(name);
            ask(store, STORE_SETTINGS, "");
            *(again ? &opened[i] : &created[i]) = now_us() - start;
            store_close(store);
        }
    }
    line("open and version check", quantile(opened, OPENINGS, .5) / 1000, "ms", 2, 0.5);
    line("create and migrate", quantile(created, OPENINGS, .5) / 1000, "ms", 10, 3);
}

/* ---- one long lesson ---- */

/* What opening a lesson does with its 10,000 events: they are read in order, it is seen which were taken back, and they
 * reach the tutor as JSON. */
static void bench_replay(void)
{
    static char batch[100 * 2048];
    double      all[11];
    struct store *store = open_store("lesson.db");
    for (int i = 0; i < 10000; i += 100) {
        size_t used = 0;
        for (int k = i; k < i + 100; k++)
            used += (size_t)snprintf(batch + used, sizeof batch - used,
                                     "%s{\"uuid\":\"%08x-0000-7000-8000-000000000001\",\"learner\":\"me\",\"device\":"
                                     "\"d\",\"seq\":%d,\"utc\":%d,\"offset\":0,\"course\":\"saffron\",\"lesson\":"
                                     "\"l\",\"step\":\"s%d\",\"rev\":1,\"kind\":\"%s\",\"payload\":%s}",
                                     k % 100 ? "," : "", k, k + 1, k, k % 40, k % 2 ? "prediction" : "hint",
                                     k % 2 ? payload : "{\"n\":1}");
        ask(store, STORE_IMPORT, batch);
    }
    for (int i = 0; i < 11; i++)
        all[i] = ask(store, STORE_LESSON, "l");
    store_close(store);
    line("replay of 10,000 events, to the tutor", quantile(all, 11, .5) / 1000, "ms", 15, 6);
}

/* ---- many events ---- */

/* Event number i of a learner who goes through lessons, predicts, sees results and recalls. */
static size_t write_event(char *out, size_t size, int i)
{
    static const char *const kinds[] = { "open", "prediction", "result", "review" };
    static const char *const payloads[] = {
        "{}", payload, "{\"hit\":true,\"octaves\":0.4,\"card\":{\"front\":\"f\",\"back\":\"b\",\"again\":\"g\"}}",
        "{\"grade\":\"good\",\"latency_ms\":3000}"
    };
    int kind = i % 16 < 3 ? i % 16 : 3, card = kind == 3 ? i / 512 * 18 + i % 40 * 18 : i / 512 * 18 + i / 16 % 32 * 18;
    card += i / 512 % 18; /* a lesson at a time */
    return (size_t)snprintf(out, size,
                            "%s{\"uuid\":\"%08x-0000-7000-8000-000000000001\",\"learner\":\"me\",\"device\":\"d\","
                            "\"seq\":%d,\"utc\":%lld,\"offset\":0,\"course\":\"saffron\",\"lesson\":\"lesson-%d\","
                            "\"step\":\"s%d\",\"rev\":1,\"kind\":\"%s\",\"payload\":%s}",
                            i % 100 ? "," : "", i, i + 1, 1700000000000LL + i * 600000LL, card % 18, card / 18 % 40,
                            kinds[kind], payloads[kind]);
}

/* Imports events from..to in commits of 100; microseconds an event. */
static double import_events(struct store *store, int from, int to)
{
    static char batch[100 * 2048];
    double      us = 0;
    for (int i = from; i < to; i += 100) {
        size_t used = 0;
        for (int k = i; k < i + 100; k++)
            used += write_event(batch + used, sizeof batch - used, k);
        us += ask(store, STORE_IMPORT, batch);
    }
    return us / (to - from);
}

static void bench_many(void)
{
    double map[11], stats[11];
    struct store *store = open_store("many.db");
    ask(store, STORE_PROGRESS, "");
    double each = import_events(store, 0, 10000);
    line("an event of 100 in one import commit", each, "us", 15, 8);
    printf("%-46s %8.2f ms\n", "10,000 new events folded into every table", ask(store, STORE_PROGRESS, "") / 1000);
    import_events(store, 10000, 100000);
    ask(store, STORE_PROGRESS, "");
    store_close(store);
    for (int i = 0; i < 11; i++) {
        double start = now_us();
        store = open_store("many.db");
        ask(store, STORE_PROGRESS, "");
        ask(store, STORE_CARDS, "");
        map[i] = now_us() - start;
        stats[i] = ask(store, STORE_CALIBRATION, "") + ask(store, STORE_CARDS, "all");
        store_close(store);
    }
    line("the map, of 100,000 events", quantile(map, 11, .5) / 1000, "ms", 30, 30);
    line("statistics, of 100,000 events", quantile(stats, 11, .5) / 1000, "ms", 150, 150);
    store = open_store("many.db");
    line("everything derived anew, of 100,000 events", ask(store, STORE_REBUILD, "") / 1e6, "s", 2, 2);
    store_close(store);
}

int main(int argc, char **argv)
{
    snprintf(folder, sizeof folder, "%s/bench-store-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(folder))
        die("make a folder", argc > 1 ? argv[1] : ".");
    bench_commits(argc > 2 ? atoi(argv[2]) : 10);
    bench_opening();
    bench_replay();
    bench_many();
    remove_files();
    rmdir(folder);
    return 0;
}
