/* gguf.h: a read-only view of a .gguf file, versions 2 and 3, mapped, never copied; its tensors as those of
 * safetensors.h. The file may come from anybody: everything in it is checked once, when it is opened. */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/safetensors.h"

struct gguf;

/* True if a file that begins with these bytes is one. */
bool gguf_is(const void *bytes, size_t count);

/* Open a descriptor that stays the caller's, or bytes that outlive the result. `name` only serves messages. NULL on
 * failure, with one line in error. */
struct gguf *gguf_open_fd(int fd, const char *name, char *error, size_t size);
struct gguf *gguf_open_memory(const void *data, size_t bytes, const char *name, char *error, size_t size);
void         gguf_close(struct gguf *file);

/* Tensors in the order of their data; shapes as elsewhere, the fastest dimension last (files store it first). */
size_t                   gguf_count(const struct gguf *file);
const struct safetensor *gguf_at(const struct gguf *file, size_t i);

/* Metadata: key and value as a line of text; NULL past the end. A long array is told by its length. */
struct gguf_entry {
    const char *key;
    char        text[120];
};
const struct gguf_entry *gguf_entry(const struct gguf *file, size_t i);

#endif
