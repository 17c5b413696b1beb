/* safetensors: a read-only view of a .safetensors file, mapped, never copied.
 * The file may come from anybody: everything in it is checked once, when it is opened.
 * A file that shrinks while it is mapped ends the process (SIGBUS); only the lab maps strangers' files. */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAFETENSORS_RANK   = 8,        /* real ones stop at 5 (video convolutions)              */
    SAFETENSORS_HEADER = 16 << 20, /* bytes of JSON; the largest published are about 10 MiB */
    SAFETENSORS_NAME   = 512       /* bytes of a tensor's name                              */
};

/* One element type. Rows live in safetensors.c. */
struct dtype {
    const char *name;              /* as files spell it: "F32", "BF16", "F8_E4M3"           */
    unsigned    bytes;             /* of one element                                        */
    float     (*load)(const uint8_t *element); /* rounds to nearest where float is narrower */
};

struct safetensor {
    const char         *name;      /* UTF-8 without control or formatting characters        */
    const struct dtype *dtype;
    int                 rank;      /* 0 for a scalar                                        */
    uint64_t            shape[SAFETENSORS_RANK];
    uint64_t            count;     /* elements: the product of shape                        */
    const uint8_t      *data;      /* little-endian, row-major, of any alignment            */
    uint64_t            bytes;     /* count * dtype->bytes                                  */
};

/* The element type of this name, or NULL. */
const struct dtype *safetensors_dtype(const char *name);

struct safetensors;

/* Open a file, or a descriptor that stays the caller's (offset unused), or bytes that outlive the result.
 * `name` only serves messages. NULL on failure, with one line without a newline in error. */
struct safetensors *safetensors_open(const char *path, char *error, size_t size);
struct safetensors *safetensors_open_fd(int fd, const char *name, char *error, size_t size);
struct safetensors *safetensors_open_memory(const void *data, size_t bytes, const char *name, char *error,
                                            size_t size);
void safetensors_close(struct safetensors *file);

/* Tensors in the order of their data. find() returns NULL for a name that is not there. */
size_t safetensors_count(const struct safetensors *file);
const struct safetensor *safetensors_at(const struct safetensors *file, size_t i);
const struct safetensor *safetensors_find(const struct safetensors *file, const char *name);

/* Elements first ... first + count - 1 as floats; the range must lie inside the tensor. */
void safetensor_floats(const struct safetensor *tensor, uint64_t first, uint64_t count, float *out);

#endif
