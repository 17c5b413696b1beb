/* options.h: the command line and the environment, read once at the start.
 * One table of options serves the parser, the help text and the completions. */
#ifndef TUTOR_OPTIONS_H
#define TUTOR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_KNOBS = 8 };

struct options {
    /* everywhere */
    const char *db, *lab, *device, *isa, *seed, *color; /* NULL: not given; device "auto", color "auto" are defaults */
    long        threads;                                /* 0: as many as the machine has */
    bool        plain, ascii, json, help, version;
    /* of single commands */
    const char *kv_format, *output, *size, *theme, *to;
    const char *format, *scale, *zero_point, *clip, *mx, *rounding, *overflow, *method, *alpha, *damp, *emit, *out;
    const char *only;
    const char *tensor[2];                              /* as calib */
    const char *calib[2];                               /* file and tensor; the second may be NULL */
    const char *text, *activations, *activation_scale, *outliers;
    bool        act_order;
    long        context, sequences, tokens, rounds, sample; /* 0: not given */
    const char *knobs[OPTIONS_KNOBS];                   /* "NAME=VALUE" */
    int         knob_count;
    /* the words: a command and what follows it, or a lesson alone */
    const char *command;                                /* NULL: none of the known commands was named */
    const char **words;                                 /* after the command; they live as long as argv */
    int         word_count;
    /* environment */
    int64_t     now;                                    /* SAFFRON_NOW, UTC milliseconds, or -1: the real clock */
    int         now_offset;                             /* its offset, minutes east of UTC: where the learner is */
    bool        mask;                                   /* SAFFRON_MASK=1: timings and machine names are <measured> */
    bool        plain_env;                              /* SAFFRON_PLAIN=1 */
};

struct option_info {
    const char *name;     /* "--kv-format" */
    const char *value;    /* what follows it, for people; NULL: nothing follows */
    const char *commands; /* " kv fit ": the commands that take it; NULL: every command */
    const char *choices;  /* "auto|always|never", or NULL */
    const char *help;
};

/* The row at `index`, or NULL after the last. */
const struct option_info *options_info(int index);

enum options_word { WORD_PLAIN, WORD_COMMAND, WORD_UNBUILT };

/* Reads argv and the environment. Options may stand anywhere before "--"; words are collected at the front of argv.
 * `kind_of` tells commands from other words; what follows an unbuilt one is not looked at. False: one line in `error`,
 * without a newline. */
bool options_parse(int argc, char **argv, enum options_word (*kind_of)(const char *word), struct options *out,
                   char *error, size_t size);

/* Whether a message can hold it: it must be UTF-8. And the first word or value of an option that none can, or NULL. */
bool        options_sendable(const char *text);
const char *options_unsendable(const struct options *);

/* The first option given that `command` does not take, or NULL. */
const char *options_misplaced(const struct options *, const char *command);

/* RFC 3339 ("2026-01-01T00:00:00Z", fraction and offset allowed) as UTC milliseconds, or -1; *offset: minutes east. */
int64_t options_time(const char *text, int *offset);

/* The clock that everything in the tutor uses: options.now, or the real time. UTC milliseconds. */
int64_t options_now(const struct options *);

#endif
