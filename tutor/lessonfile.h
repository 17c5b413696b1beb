/* lessonfile.h: the lesson that a word names: an id of the catalog, or the path of a Lua file.
 * A file's document is made by the lab and kept by its checksum, so that it is made once. */
#ifndef TUTOR_LESSONFILE_H
#define TUTOR_LESSONFILE_H

#include "tutor/actors.h"
#include "tutor/catalog.h"

struct lessonfile {
    const struct document *document;
    struct document       *own;        /* of a file: freed by lessonfile_close */
    char                  *path;       /* of the Lua file */
    char                   step[65];   /* of "LESSON:STEP", else "" */
};

/* Finds the lesson of `word`; with `step`, a word may end in ":STEP", which must exist. False: one line in `error`, as
 * "path:line: what" for a broken file. */
bool lessonfile_open(struct lessonfile *, const struct options *, const struct catalog *, const char *word, bool step,
                     char *error, size_t size);
void lessonfile_close(struct lessonfile *);

#endif
