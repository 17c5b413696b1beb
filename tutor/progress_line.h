/* progress_line.h: how far a long command is, on stderr; one command a process. */
#ifndef TUTOR_PROGRESS_LINE_H
#define TUTOR_PROGRESS_LINE_H

/* The command begins now. */
void progress_begin(void);

/* The fraction done, 0 to 1. On a terminal one line that is written over; elsewhere a line every tenth. What takes less
 * than a second says nothing. */
void progress_tell(double fraction);

/* Leaves nothing of the line behind. */
void progress_end(void);

#endif
