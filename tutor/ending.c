/* ending.c: the signals that end what has the screen. See ending.h.
 * One flag for the process: there is one terminal, and one end.
 * The handler only sets it; what is to be kept is kept by the loop that looks at it. */
#include "tutor/ending.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static volatile sig_atomic_t came;
static sigset_t waiting; /* what is blocked during a wait */

static void on_signal(int number)
{
    (void)number;
    came = 1;
}

void ending_take(void)
{
    static const int numbers[] = { SIGTERM, SIGHUP, SIGINT };
    sigset_t blocked;
    struct sigaction action = { .sa_handler = on_signal };
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &waiting);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigdelset(&waiting, numbers[i]);
}

bool ending_came(void)
{
    return came;
}

bool ending_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct timespec limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &limit, &waiting) >= 0 || errno == EINTR;
}
