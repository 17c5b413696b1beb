/* npy.h: a read-only view of a .npy file, NumPy's format for one array, mapped, never copied.
 * The file may come from anybody: its header is read by a strict parser of exactly what NumPy writes. */
#ifndef ENGINE_NPY_H
#define ENGINE_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/safetensors.h"

struct npy;

/* Opens a file, or a descriptor that stays the caller's, or bytes that outlive the result. `name` serves messages.
 * NULL with one line without a newline in error: also for Fortran order, big-endian numbers, and types that are no
 * plain numbers. */
struct npy *npy_open(const char *path, char *error, size_t size);
struct npy *npy_open_fd(int fd, const char *name, char *error, size_t size);
struct npy *npy_open_memory(const void *data, size_t bytes, const char *name, char *error, size_t size);
void        npy_close(struct npy *);

/* The array. Its name is empty. */
const struct safetensor *npy_tensor(const struct npy *);

/* True if these first bytes of a file say that it is one. */
bool npy_is(const void *bytes, size_t count);

#endif
