/* child.c: spawn, pipes, end. See child.h. */
#include "tutor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void child_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_pipes(struct child *child)
{
    child_close(&child->in);
    child_close(&child->out);
    child_close(&child->err);
}

/* Three pipes; ours do not block, and none is inherited by other children. */
static bool make_pipes(int pipes[3][2])
{
    for (int i = 0; i < 3; i++)
        pipes[i][0] = pipes[i][1] = -1;
    for (int i = 0; i < 3; i++)
        if (pipe(pipes[i]) != 0)
            return false;
    for (int i = 0; i < 3; i++)
        for (int end = 0; end < 2; end++)
            fcntl(pipes[i][end], F_SETFD, FD_CLOEXEC);
    fcntl(pipes[0][1], F_SETFL, O_NONBLOCK);
    fcntl(pipes[1][0], F_SETFL, O_NONBLOCK);
    fcntl(pipes[2][0], F_SETFL, O_NONBLOCK);
    return true;
}

static void close_all(int pipes[3][2])
{
    for (int i = 0; i < 3; i++)
        for (int end = 0; end < 2; end++)
            child_close(&pipes[i][end]);
}

static int spawn(const char *program, char *const *arguments, int pipes[3][2], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGHUP);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, pipes[0][0], 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipes[2][1], 2);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawn(pid, program, &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

int child_start(struct child *child, const char *program, char *const *arguments)
{
    int pipes[3][2];
    int failed = make_pipes(pipes) ? spawn(program, arguments, pipes, &child->pid) : errno;
    if (failed) {
        close_all(pipes);
        child->pid = 0;
        return failed;
    }
    child_close(&pipes[0][0]);
    child_close(&pipes[1][1]);
    child_close(&pipes[2][1]);
    child->in = pipes[0][1];
    child->out = pipes[1][0];
    child->err = pipes[2][0];
    return 0;
}

void child_kill(const struct child *child)
{
    if (child->pid > 0)
        kill(-child->pid, SIGKILL);
}

/* While the leader is not reaped its number cannot belong to somebody else. */
bool child_reap(struct child *child, int *status)
{
    siginfo_t info = { 0 };
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return false;
    child_kill(child);
    if (waitpid(child->pid, status, 0) != child->pid)
        return false;
    child->pid = 0;
    close_pipes(child);
    return true;
}

void child_end(struct child *child)
{
    int status;
    if (child->pid > 0) {
        kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL);
        while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    child->pid = 0;
    close_pipes(child);
}
