/* tensorfile.h: a file of tensors, whichever format it has: .safetensors or .npy, told by its first bytes. */
#ifndef ENGINE_TENSORFILE_H
#define ENGINE_TENSORFILE_H

#include <stddef.h>

#include "engine/safetensors.h"

struct tensorfile;

/* NULL with one line in error. */
struct tensorfile *tensorfile_open(const char *path, char *error, size_t size);
void               tensorfile_close(struct tensorfile *);

/* The tensor of this name; NULL or "": the only one. A .npy file holds one without a name, which answers to any.
 * NULL with one line in error, for an unknown name with the nearest known one. */
const struct safetensor *tensorfile_find(const struct tensorfile *, const char *name, char *error, size_t size);

/* As a matrix: a vector is one row, more than two dimensions join in rows. */
uint64_t tensorfile_rows(const struct safetensor *);
uint64_t tensorfile_cols(const struct safetensor *);

#endif
