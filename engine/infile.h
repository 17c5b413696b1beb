/* infile.h: a file that somebody named, opened to be read, without waiting for a writer that may never come.
 * Who needs a plain file asks the descriptor; who reads from front to back takes pipes too. */
#ifndef ENGINE_INFILE_H
#define ENGINE_INFILE_H

#include <stdio.h>

/* Opens to read and never waits: a named pipe without a writer is open at once, and empty. -1: errno says why. */
int infile_fd(const char *path);

/* Opens to read from front to back: a plain file, or a pipe or device that reads wait for as usual. A named pipe gets
 * two seconds for a writer to come. NULL with the reason in *why, good until errno's text is asked for again. */
FILE *infile_open(const char *path, const char **why);

#endif
