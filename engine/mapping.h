/* mapping.h: a plain file's bytes, mapped to be read and never copied.
 * A file that shrinks meanwhile ends the process (SIGBUS); only the lab maps strangers' files, and says so first. */
#ifndef ENGINE_MAPPING_H
#define ENGINE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    const uint8_t *bytes; /* [size], read only; never NULL once open */
    size_t         size;
    bool           owned; /* goes with mapping_close; false: borrowed bytes, or an empty file, which cannot be mapped */
};

/* Maps what the path, or the descriptor, names; the descriptor stays the caller's. NULL, or why not, good until errno's
 * text is asked for again. Neither a pipe nor a device is waited for. */
const char *mapping_open(struct mapping *m, const char *path);
const char *mapping_open_fd(struct mapping *m, int fd);

/* Bytes that are there already and outlive the mapping. */
struct mapping mapping_of(const void *bytes, size_t size);

void mapping_close(struct mapping *m);

#endif
