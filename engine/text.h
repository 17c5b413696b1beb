/* text.h: text as a terminal sees it: cells, widths, lines, sentences.
 * Widths come from utf8proc, not from the locale, so every face and every test lays text out alike. Bytes that are not
 * UTF-8, control characters and bidirectional controls come out as U+FFFD: nothing here can steer a terminal. */
#ifndef ENGINE_TEXT_H
#define ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { TEXT_CELL_BYTES = 13 }; /* a base character and the marks on it, NUL included; further marks are dropped */

/* What stands in one place on a terminal. */
struct text_cell {
    char text[TEXT_CELL_BYTES]; /* valid UTF-8, never a control character */
    int  width;                 /* 1 or 2 cells */
};

/* Reads the first cell of the `bytes` bytes at `text`; returns how many bytes it took, 0 at the end. A tab is a
 * space; so is a newline: break lines first. Joiners and variation selectors are dropped with the cell before them. */
size_t text_next(const char *text, size_t bytes, struct text_cell *cell);

/* Cells that the text takes on one line. */
int text_width(const char *text);
int text_width_of(const char *text, size_t bytes);

/* Bytes of the longest beginning that is at most `width` cells wide. */
size_t text_fit(const char *text, size_t bytes, int width);

/* The first line of a paragraph broken at `width` cells (at least 1): returns the bytes to print, and in *next the
 * bytes to skip to come to the next line. Breaks at spaces and newlines, inside a word only if it is wider than the
 * line, and never before a lone '%'. Always makes progress. */
size_t text_line(const char *text, size_t bytes, int width, size_t *next);

/* The number of lines of a paragraph. */
int text_lines(const char *text, int width);

/* A copy that is at most `width` cells wide, cut with `ellipsis` if it had to be cut. Returns out. */
char *text_clip(const char *text, int width, const char *ellipsis, char *out, size_t size);

/* Bytes of the longest beginning, at most `bytes`, that cuts no character in two; for "%.*s". */
size_t text_cut(const char *text, size_t bytes);

/* snprintf that cuts no character in two when it runs out of room. */
void text_print(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The first sentence: returns its bytes, and in *next the bytes to skip. A sentence ends at '.', '!' or '?' before a
 * space and anything but a lower-case letter, and at a newline. */
size_t text_sentence(const char *text, size_t bytes, size_t *next);

/* A copy without hostile bytes; newlines stay. The caller frees it. */
char *text_clean(const char *text);

/* A copy in ASCII only: arrows, dashes, dots and signs by look-alikes, the rest as '?'. The caller frees it. */
char *text_ascii(const char *text);

#endif
