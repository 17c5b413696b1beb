/* bench_store.c: what it costs to store a prediction durably, against the least that any program could do:
 * a 4 KiB overwrite and fdatasync, in the same folder, alternating in one run.
 *   bench_store [FOLDER] [ROUNDS]   prints medians and their ratio */
#include "db/store.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char payload[] =
    "{\"type\":\"number\",\"raw\":\"12 "
    "%\",\"value\":12.0,\"unit\":\"%\",\"confidence\":75,\"rule\":{\"within\":\"25 %\"},"
    "\"order\":null,\"latency_ms\":8123,\"seed\":\"9f86d081884c7d65\",\"lesson_sha\":"
    "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}";

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
    return values[(int)(q * (count - 1))];
}

/* From posting to the reply in hand, as the tutor's loop sees it. */
static double store_once(struct store *store, int round)
{
    char               step[16];
    struct store_reply reply;
    snprintf(step, sizeof step, "step-%d", round % 30);
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
    if (!store_next(store, &reply) || !reply.ok) {
        fprintf(stderr, "bench_store: not stored: %s\n", reply.text ? reply.text : "no reply");
        exit(1);
    }
    store_reply_clear(&reply);
    return now_us() - start;
}

static double overwrite_once(int fd)
{
    static char block[4096];
    double      start = now_us();
    block[0]++;
    if (pwrite(fd, block, sizeof block, 0) != sizeof block || fdatasync(fd) != 0) {
        perror("bench_store: overwrite");
        exit(1);
    }
    return now_us() - start;
}

int main(int argc, char **argv)
{
    char    folder[256], name[300];
    int     rounds = argc > 2 ? atoi(argv[2]) : 300;
    double *store_us = calloc((size_t)rounds, sizeof *store_us),
           *raw_us = calloc((size_t)rounds, sizeof *raw_us);
    snprintf(folder, sizeof folder, "%s/bench-store-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!store_us || !raw_us || !mkdtemp(folder))
        return 1;
    snprintf(name, sizeof name, "%s/raw", folder);
    int fd = open(name, O_RDWR | O_CREAT, 0600);
    snprintf(name, sizeof name, "%s/progress.db", folder);
    struct store *store = store_open(&(struct store_config){ .path = name });
    for (int i = 0; i < 20; i++) {
        store_once(store, i);
        overwrite_once(fd);
    }
    for (int i = 0; i < rounds; i++) {
        store_us[i] = store_once(store, i);
        raw_us[i] = overwrite_once(fd);
    }
    store_close(store);
    close(fd);
    double raw = quantile(raw_us, rounds, 0.5), stored = quantile(store_us, rounds, 0.5);
    printf("store a prediction durably   median %7.0f us   p90 %7.0f us\n", stored,
           quantile(store_us, rounds, 0.9));
    printf("4 KiB overwrite + fdatasync  median %7.0f us   p90 %7.0f us\n", raw,
           quantile(raw_us, rounds, 0.9));
    printf("ratio at the median %.2f     target at most 2.2, goal 1.5\n", stored / raw);
    static const char *const files[] = { "raw", "progress.db", "progress.db-wal", "progress.db-shm",
                                         "progress.db.seq" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, files[i]);
        unlink(name);
    }
    rmdir(folder);
    free(store_us);
    free(raw_us);
    return 0;
}
