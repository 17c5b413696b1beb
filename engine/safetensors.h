/* safetensors: a read-only view of a .safetensors file, mapped, never copied.
 * The file may come from anybody: everything in it is checked once, when it is opened.
 * How it is mapped: mapping.h. */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAFETENSORS_RANK   = 8,        /* real ones stop at 5 (video convolutions)              */
    SAFETENSORS_HEADER = 16 << 20, /* bytes of JSON; the largest published are about 10 MiB */
    SAFETENSORS_NAME   = 512,      /* bytes of a tensor's name                              */
    SAFETENSORS_BLOCK  = 256       /* values of a block at most                             */
};

/* One element type. Rows live in safetensors.c; those of GGUF files in gguf.c. Elements that share bytes are a
 * block. */
struct dtype {
    const char *name;              /* as files spell it: "F32", "BF16", "F8_E4M3", "Q4_K"   */
    unsigned    bytes;             /* of one element, or of a block                         */
    float     (*load)(const uint8_t *element); /* rounds to nearest where float is narrower */
    unsigned    values;            /* of a block type; 0: elements stand alone              */
    void      (*block)(const uint8_t *block, float *values); /* then instead of load; NULL: not decoded here */
};

struct safetensor {
    const char         *name;      /* UTF-8 without control or formatting characters        */
    const struct dtype *dtype;
    int                 rank;      /* 0 for a scalar                                        */
    uint64_t            shape[SAFETENSORS_RANK];
    uint64_t            count;     /* elements: the product of shape                        */
    const uint8_t      *data;      /* little-endian, row-major, of any alignment            */
    uint64_t            bytes;     /* of all elements or blocks; blocks do not cross rows   */
};

/* Whether the elements can be had as floats. */
static inline bool dtype_loads(const struct dtype *dtype)
{
    return dtype->load || dtype->block;
}

/* Bits of one element, with what its block keeps beside it. */
static inline double dtype_bits(const struct dtype *dtype)
{
    return 8.0 * dtype->bytes / (dtype->values ? dtype->values : 1);
}

/* Whether a name may be shown: UTF-8 without controls, direction marks and line separators. */
bool safetensors_printable(const char *text);

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

/* Elements first ... first + count - 1 as floats; the range must lie inside the tensor, whose dtype_loads. */
void safetensor_floats(const struct safetensor *tensor, uint64_t first, uint64_t count, float *out);

#endif
