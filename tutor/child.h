/* child.h: a child process in a session of its own, with pipes to its stdin and from its stdout and stderr. */
#ifndef TUTOR_CHILD_H
#define TUTOR_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
    pid_t pid;              /* 0: none */
    int   in, out, err;     /* our ends, which do not block: to its stdin, from its stdout and stderr; -1 when closed */
};

/* Starts `program` (a path) with these arguments and default signals: one signal to its group reaches all that it
 * starts, and none from the terminal reaches it. 0, or an errno with nothing started. */
int child_start(struct child *, const char *program, char *const *arguments);

/* Closes one of our ends, if it is open. */
void child_close(int *fd);

/* Kills everything in its group; its exit status is still to be taken. */
void child_kill(const struct child *);

/* Takes the exit status if it is there, after killing what the child left of its group, and closes the pipes. */
bool child_reap(struct child *, int *status);

/* Kills it, waits for it and closes the pipes; also when there is none. */
void child_end(struct child *);

#endif
