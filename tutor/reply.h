/* reply.h: one line of plain mode, read: an answer, how sure, a grade, or a command.
 * Pure; plain.c turns it into events. */
#ifndef TUTOR_REPLY_H
#define TUTOR_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/event.h"
#include "engine/session.h"

enum { REPLY_BYTES = 4096 };

enum reply_kind { REPLY_EMPTY, REPLY_ANSWER, REPLY_SURE, REPLY_GRADE, REPLY_COMMAND };

struct reply {
    enum reply_kind kind;
    char            text[REPLY_BYTES]; /* the answer; the argument of a command */
    int             confidence;        /* SURE_NONE where none was given */
    bool            good;              /* REPLY_GRADE */
    enum command    command;
};

/* Reads `line` as what is wanted now. `sure`: an answer may end in @guess, @50, @75 or @95. False: one line in `error`
 * about why it cannot be used. */
bool reply_read(const char *line, enum session_wants wants, bool sure, struct reply *out, char *error, size_t size);

#endif
