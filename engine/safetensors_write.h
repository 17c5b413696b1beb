/* safetensors_write.h: writes a .safetensors file whose tensors are known before their data, in any order, in pieces.
 * For descriptors that can seek. Nothing is kept in memory but the header. */
#ifndef ENGINE_SAFETENSORS_WRITE_H
#define ENGINE_SAFETENSORS_WRITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/safetensors.h"

enum { SAFETENSORS_PARTS = 16 };

/* One tensor to be written. */
struct safetensors_part {
    const char         *name;
    const struct dtype *dtype;
    int                 rank;
    uint64_t            shape[SAFETENSORS_RANK];
    uint64_t            bytes;    /* of its data; set by safetensors_begin       */
    uint64_t            at, done; /* where it lies in the file, bytes put so far */
};

struct safetensors_writer {
    int                     fd;
    struct safetensors_part part[SAFETENSORS_PARTS];
    int                     count;
};

/* Adds a part, before safetensors_begin. Returns its number, or -1 if there is no room. */
int safetensors_add(struct safetensors_writer *, const char *name, const char *dtype, int rank, const uint64_t *shape);

/* Writes the header: parts in an order that aligns them, and the metadata, an object of strings or NULL. False: errno
 * says why. */
bool safetensors_begin(struct safetensors_writer *, const json_t *metadata);

/* Writes the next bytes of a part. False: errno says why; EINVAL when they are more than the part has. */
bool safetensors_put(struct safetensors_writer *, int part, const void *data, size_t bytes);

/* True if every part is whole. */
bool safetensors_whole(const struct safetensors_writer *);

#endif
