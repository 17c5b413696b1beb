/* outfile.c: the child that renames. It holds two pipes and two names, and outlives whoever writes. */
#include "engine/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool fail(const char *path, const char *why, char *error, size_t size)
{
    snprintf(error, size, "cannot write '%.200s': %s", path, why);
    return false;
}

/* To the disk, then to its place. 0 or an errno. */
static int put_in_place(int fd, const char *temporary, const char *path)
{
    if (fsync(fd) != 0 && errno != EINVAL)
        return errno;
    return rename(temporary, path) == 0 ? 0 : errno;
}

/* The child's whole life. Nobody waits for it, no signal of a terminal reaches it. It makes the file once it stands
 * apart from the group that a cancel kills, so that whatever is made has somebody to remove it. */
static void wait_for_word(int word, int reply, const char *temporary, const char *path)
{
    char c;
    ssize_t n;
    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (int other = 0; other < 256; other++)
        if (other != word && other != reply)
            close(other);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), made = fd < 0 ? errno : 0;
    if (write(reply, &made, sizeof made) != (ssize_t)sizeof made || made)
        _exit(1);
    while ((n = read(word, &c, 1)) < 0 && errno == EINTR)
        ;
    int result = n == 1 ? put_in_place(fd, temporary, path) : ECANCELED;
    if (result != 0)
        unlink(temporary);
    n = write(reply, &result, sizeof result);
    _exit(n == (ssize_t)sizeof result ? 0 : 1);
}

static bool start_child(struct outfile *file, const char *temporary, const char *path)
{
    int down[2], up[2];
    if (pipe(down) != 0)
        return false;
    if (pipe(up) != 0) {
        close(down[0]);
        close(down[1]);
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        if (fork() != 0)
            _exit(0);   /* the grandchild belongs to nobody, so that nobody has to collect it */
        close(down[1]);
        wait_for_word(down[0], up[1], temporary, path);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
    close(down[0]);
    close(up[1]);
    file->commit = down[1];
    file->reply = up[0];
    fcntl(file->commit, F_SETFD, FD_CLOEXEC);
    fcntl(file->reply, F_SETFD, FD_CLOEXEC);
    return child > 0;
}

/* What the child says next: 0 or an errno. */
static int hear(const struct outfile *file)
{
    int result = EIO;
    ssize_t n;
    do
        n = read(file->reply, &result, sizeof result);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof result ? result : EIO;
}

bool outfile_open(struct outfile *file, const char *path, char *error, size_t size)
{
    char temporary[PATH_MAX];
    struct stat info;
    *file = (struct outfile){ .fd = -1, .commit = -1, .reply = -1 };
    if (!*path)
        return fail(path, "the name is empty", error, size);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return fail(path, S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a plain file", error, size);
    if (snprintf(temporary, sizeof temporary, "%s.%ld.part", path, (long)getpid()) >= (int)sizeof temporary)
        return fail(path, "the name is too long", error, size);
    int made = start_child(file, temporary, path) ? hear(file) : errno;
    if (made == 0 && (file->fd = open(temporary, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)) >= 0)
        return true;
    fail(path, strerror(made ? made : errno), error, size);
    outfile_abandon(file);
    return false;
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Waits until the child has done what the end of `commit`, or the byte in it, told it. */
static int child_result(struct outfile *file)
{
    int result = hear(file);
    shut(&file->fd);
    shut(&file->commit);
    shut(&file->reply);
    return result;
}

bool outfile_commit(struct outfile *file, char *error, size_t size)
{
    int result = write(file->commit, "c", 1) == 1 ? child_result(file) : errno;
    if (result == 0)
        return true;
    outfile_abandon(file);
    snprintf(error, size, "cannot put the output in its place: %s", strerror(result));
    return false;
}

void outfile_abandon(struct outfile *file)
{
    shut(&file->commit);
    if (file->reply >= 0)
        child_result(file);
    shut(&file->fd);
}
