/* plain_print.h: what plain mode has printed, and what of a view is new.
 * Blocks that were on the screen before are not printed again; typed text and moved focus are not news. */
#ifndef TUTOR_PLAIN_PRINT_H
#define TUTOR_PLAIN_PRINT_H

#include <jansson.h>
#include <stdbool.h>

struct plain_print {
    json_t     *shown;         /* blocks of the screen as printed last */
    char        screen[400];   /* its title, place and step */
    char        message[512], status[512];
    const char *machine;       /* masked where it appears, when not NULL */
    bool        mask;          /* SAFFRON_MASK=1 */
    bool        ascii;         /* nothing beyond ASCII can be shown */
    bool        begun;
};

/* Prints what is new in the view. */
void plain_print_view(struct plain_print *, const json_t *view);
/* Blocks as they are, news or not; `timed`: their numbers are timings. */
void plain_print_blocks(struct plain_print *, const json_t *blocks, bool timed);
/* One line of our own. */
void plain_print_line(struct plain_print *, const char *line);
/* Forgets what was printed: the next view is printed whole. */
void plain_print_anew(struct plain_print *);
/* The next message is news even if it is the same as before. */
void plain_print_listen(struct plain_print *);
void plain_print_free(struct plain_print *);

/* "<measured>" in place of every number that is not part of a name ("FP8" stays), and of `machine`. */
void plain_mask(const char *line, const char *machine, bool numbers, char *out, size_t size);

#endif
