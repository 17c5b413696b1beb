/* infile.c: see infile.h. */
#include "engine/infile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 20, PAUSES = 100 };

int infile_fd(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Whether a pipe has a writer, or had one: reading tells, so its first byte may go into *first. */
static bool has_writer(int fd, int *first)
{
    const struct timespec pause = { 0, PAUSE_MS * 1000000L };
    for (int n = 0; n < PAUSES; n++) {
        unsigned char byte;
        ssize_t got = read(fd, &byte, 1);
        if (got > 0)
            *first = byte;
        if (got != 0)
            return true; /* it has said something, or not yet (EAGAIN) */
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Reads wait from here on. */
static const char *settle(int fd, int *first)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return strerror(errno);
    if (S_ISDIR(info.st_mode))
        return "it is a folder, name a file";
    if (S_ISFIFO(info.st_mode) && !has_writer(fd, first))
        return "it is a pipe that nothing writes into, name a file";
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? strerror(errno) : NULL;
}

FILE *infile_open(const char *path, const char **why)
{
    int first = -1, fd = infile_fd(path);
    *why = fd < 0 ? strerror(errno) : settle(fd, &first);
    FILE *file = *why ? NULL : fdopen(fd, "rb");
    if (!file && !*why)
        *why = strerror(errno);
    if (file && first >= 0)
        ungetc(first, file);
    if (!file && fd >= 0)
        close(fd);
    return file;
}
