/* commands.h: the one table of what can stand behind `saffron`.
 * Help, "did you mean", the man page and the completions come from it; a row without a function is not built yet. */
#ifndef TUTOR_COMMANDS_H
#define TUTOR_COMMANDS_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "tutor/options.h"

#define SAFFRON_VERSION "0.1.0"

enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_USAGE = 2 };

struct cli {
    const char *name, *args, *help;
    int       (*run)(const struct options *); /* exit status; NULL: not built yet */
    int         least, most;                  /* words after the name; most < 0: any number */
};

/* Ends with a row without a name. */
extern const struct cli cli_table[];

/* The row of a name, or NULL. */
const struct cli *commands_find(const char *name);
/* Whether a word names a command, for options_parse. */
enum options_word commands_kind(const char *word);

/* Help of everything, or of one row, on stdout. */
void commands_help(const struct cli *one);

/* Runs the command of the options; exit status. */
int  commands_run(const struct options *);

/* "saffron: ..." on stderr, one line whatever is in the text; returns EXIT_USAGE. */
int  commands_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Where a value would be a timing or a machine's name: the text, or "<measured>" under SAFFRON_MASK=1. */
const char *commands_masked(const struct options *, const char *text);

/* JSON with 15 digits, indented, and a newline; `order` is JSON_SORT_KEYS or 0. */
void commands_print_json(const json_t *, size_t order);

/* The path of a file as the lab is to open it: our own lab needs it whole, a remote one has files of its own. False,
 * with the reason in errno, if it cannot be read here. */
bool commands_lab_path(const struct options *, const char *path, char real[PATH_MAX]);

/* Whether a command may take the terminal: there is one, and neither an option nor a setting asks for plain lines. */
bool commands_want_screen(const struct options *);

/* Opens the lesson that is called like the command, as `saffron quality` without a word more; exit status, or -1 if
 * there is no such lesson. */
int commands_open_namesake(const struct options *);

/* commands_lesson.c: lessons as documents */
int command_list(const struct options *);
int command_read(const struct options *);
int command_ask(const struct options *);
/* commands_lab.c: what the lab computes */
int command_run(const struct options *);
int command_check(const struct options *);
int command_kv(const struct options *);
int command_shot(const struct options *);
/* commands_quantize.c, commands_quality.c, commands_bench.c, commands_inspect.c: jobs of the lab */
int command_quantize(const struct options *);
int command_quality(const struct options *);
int command_bench(const struct options *);
int command_inspect(const struct options *);
/* commands_progress.c: what the store knows */
int command_stats(const struct options *);
int command_set(const struct options *);
/* commands_exchange.c: progress out of this machine and in */
int command_export(const struct options *);
int command_import(const struct options *);
int command_backup(const struct options *);
int command_restore(const struct options *);
/* commands_class.c */
int command_class(const struct options *);
/* commands_doctor.c */
int command_doctor(const struct options *);
/* commands_open.c: the tutor itself, as screens or lines */
int command_open(const struct options *);
int command_recall(const struct options *);

#endif
