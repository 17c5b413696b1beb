/* outfile.h: a file that appears whole or not at all, written by a process that may not name files.
 * It is opened beside its place, before the sandbox; a child process, which does nothing else, waits outside for one
 * byte: then it renames the file to its name. If the byte does not come, whatever ended the writer, it removes it. */
#ifndef ENGINE_OUTFILE_H
#define ENGINE_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>

struct outfile {
    int fd;                /* to write to, at its beginning; -1: none is open */
    int commit, reply;     /* to the child and back */
};

/* Opens the file for `path`. Only while the process has one thread. What is there already must be a plain file, and
 * stays until the commit. False with one line in error. */
bool outfile_open(struct outfile *, const char *path, char *error, size_t size);

/* Puts the file in its place, on the disk. False with one line in error; then nothing has changed there. */
bool outfile_commit(struct outfile *, char *error, size_t size);

/* Gives it up: nothing is left of it. One that is not open may be abandoned. */
void outfile_abandon(struct outfile *);

#endif
