/* sayer.h: what the sentences of say.c and say_figures.c share: a place to build one line. */
#ifndef TUTOR_SAYER_H
#define TUTOR_SAYER_H

#include <stddef.h>

#include "engine/view.h"
#include "tutor/say.h"

struct sayer {
    say_line *line;
    void     *context;
    char     *text; /* the line being built */
    size_t    used, size;
};

/* Appends to the line; `say_more` puts ", " before all but the first piece after a colon or at the start. */
__attribute__((format(printf, 2, 3))) void say_add(struct sayer *say, const char *format, ...);
__attribute__((format(printf, 2, 3))) void say_more(struct sayer *say, const char *format, ...);

/* Hands the line over and starts a new one. An empty line is not said. */
void say_end(struct sayer *say);

/* A paragraph, one sentence a line. NULL says nothing. */
void say_text(struct sayer *say, const char *text);

/* "guess: you 237 g" and so on, one mark a line. */
void say_marks(struct sayer *say, const json_t *marks, const char *unit);

/* say_figures.c */
void say_formula(struct sayer *say, const json_t *block);
void say_bits(struct sayer *say, const json_t *block);
void say_grid(struct sayer *say, const json_t *block);
void say_hist(struct sayer *say, const json_t *block);
void say_heat(struct sayer *say, const json_t *block);
void say_maps(struct sayer *say, const json_t *block);
void say_bars(struct sayer *say, const json_t *block);
void say_intervals(struct sayer *say, const json_t *block);
void say_plot(struct sayer *say, const json_t *block);
void say_roofline(struct sayer *say, const json_t *block);
void say_stack(struct sayer *say, const json_t *block);

#endif
