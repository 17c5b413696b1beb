/* paths.h: where things are: the installation's data, the learner's progress, the program itself.
 * Every function writes a path to `out` and says whether it found or could name one. */
#ifndef TUTOR_PATHS_H
#define TUTOR_PATHS_H

#include <stdbool.h>
#include <stddef.h>

/* The real executable, links followed. */
bool paths_program(char *out, size_t size);

/* $SAFFRON_DATA, else ../share/saffron beside the executable, else "data" beside it (the build tree). */
bool paths_data(char *out, size_t size);

/* Modules that the lab opens when first used (BLAS): ../lib/saffron beside the executable, else "lib" beside it (the
 * build tree). False if neither is there. */
bool paths_modules(char *out, size_t size);

/* $XDG_STATE_HOME/saffron, else ~/.local/state/saffron; made, with its parents, when `make` (mode 0700). On failure one
 * line in `error`. */
bool paths_state(bool make, char *out, size_t size, char *error, size_t error_size);

/* $XDG_CACHE_HOME/saffron, else ~/.cache/saffron, made when missing; false when there is no such place. */
bool paths_cache(char *out, size_t size);

/* `given`, or progress.db in the state directory (which the store makes). On failure one line in `error`. */
bool paths_database(const char *given, char *out, size_t size, char *error, size_t error_size);

/* The folder of a file, "." if it names none; and a name in a folder. */
void paths_folder(const char *path, char *out, size_t size);
void paths_join(const char *folder, const char *name, char *out, size_t size);

/* A LESSON argument that is a path, not an id: it has a '/' or ends in ".lua". */
bool paths_is_file(const char *lesson);

#endif
