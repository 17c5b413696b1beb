/* csource.h: the C function that computed a number, cut out of the sources that lie in the data folder. */
#ifndef ENGINE_CSOURCE_H
#define ENGINE_CSOURCE_H

#include <jansson.h>
#include <stddef.h>

/* Code blocks (view.h): the function of this name with the comment above it, and its scalar reference if it is another.
 * NULL with one line in `error` when it is not found. A new reference. */
json_t *csource_blocks(const char *data_folder, const char *function, char *error, size_t size);

#endif
