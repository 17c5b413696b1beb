/* say.h: views as sentences, for plain mode and screen readers.
 * One sentence a line, unwrapped; no boxes, no bars, no braille. A line carries every number and every word that the
 * drawn form shows, tick marks aside: tests/test_say.c holds the two faces together. */
#ifndef TUTOR_SAY_H
#define TUTOR_SAY_H

#include <jansson.h>

/* Takes one line, without a newline, free of control characters; valid during the call. */
typedef void say_line(void *context, const char *line);

/* Title, body (or overlay), dock, status and message of a view. Keys are left out: plain mode has commands. */
void say_view(const json_t *view, say_line *line, void *context);
void say_blocks(const json_t *blocks, say_line *line, void *context);
void say_block(const json_t *block, say_line *line, void *context);

#endif
