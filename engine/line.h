/* line.h: a text being typed: insert, delete, move, paste.
 * Always valid UTF-8; what does not fit is not taken. The cursor is a byte offset between characters. */
#ifndef ENGINE_LINE_H
#define ENGINE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_MAX_BYTES = 4096 };

struct line {
    char   text[LINE_MAX_BYTES + 1]; /* ends with a zero byte */
    size_t size, cursor;             /* bytes */
};

/* An empty line; a line that holds `text`, cut to what fits, with the cursor at its end. */
void line_clear(struct line *);
void line_set(struct line *, const char *text);

/* Inserts UTF-8 text at the cursor. Control characters become spaces (newlines stay when `multiline`), bad bytes are
 * dropped. False if nothing was taken. */
bool line_insert(struct line *, const char *text, bool multiline);

/* An editing key: a printable code point, Backspace, Delete, Left, Right, Home, End, Ctrl-Left, Ctrl-Right.
 * False if the key is no editing key, or does nothing here. */
bool line_key(struct line *, uint32_t key);

#endif
