/* tensorfile.h: a file of tensors, whichever format it has: .safetensors, the index of a sharded set of them
 * (model.safetensors.index.json), .gguf or .npy. Formats are told by the first bytes, not by the name. */
#ifndef ENGINE_TENSORFILE_H
#define ENGINE_TENSORFILE_H

#include <stddef.h>

#include "engine/gguf.h"
#include "engine/safetensors.h"

struct tensorfile;

/* NULL with one line in error. Of an index every shard is opened; they lie beside it. */
struct tensorfile *tensorfile_open(const char *path, char *error, size_t size);
void               tensorfile_close(struct tensorfile *);

/* Its tensors, in the order of the file; and the format's name for people: "GGUF", "safetensors, 4 shards". */
size_t                   tensorfile_count(const struct tensorfile *);
const struct safetensor *tensorfile_at(const struct tensorfile *, size_t i);
const char              *tensorfile_kind(const struct tensorfile *);

/* Entry i of a GGUF file's metadata, NULL past the end and for other formats. */
const struct gguf_entry *tensorfile_entry(const struct tensorfile *, size_t i);

/* The tensor of this name; NULL or "": the only one. A .npy file holds one without a name, which answers to any.
 * NULL with one line in error, for an unknown name with the nearest known one. */
const struct safetensor *tensorfile_find(const struct tensorfile *, const char *name, char *error, size_t size);

/* As a matrix: a vector is one row, more than two dimensions join in rows. */
uint64_t tensorfile_rows(const struct safetensor *);
uint64_t tensorfile_cols(const struct safetensor *);

#endif
