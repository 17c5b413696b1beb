/* progress_line.c: see progress_line.h. */
#include "tutor/progress_line.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { QUIET_SECONDS = 1 };

static struct {
    double began;
    int    shown; /* percent */
} told;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(void)
{
    told.began = seconds();
    told.shown = 0;
}

void progress_tell(double fraction)
{
    int percent = (int)(100 * fraction), step = isatty(STDERR_FILENO) ? 1 : 10;
    if (seconds() - told.began < QUIET_SECONDS || percent / step <= told.shown / step)
        return;
    told.shown = percent;
    fprintf(stderr, isatty(STDERR_FILENO) ? "\r%3d %%" : "saffron: %d %%\n", percent);
}

void progress_end(void)
{
    if (told.shown > 0 && isatty(STDERR_FILENO))
        fputs("\r     \r", stderr);
}
