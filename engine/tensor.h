/* tensor: the named sample tensors, and a lesson's own files, as float matrices.
 * lessons/tensors/index.json of the data folder names them; a tensor's bytes must match the checksum there.
 * Not for two threads at once: opening files and comparing checksums is remembered. */
#ifndef ENGINE_TENSOR_H
#define ENGINE_TENSOR_H

#include <stddef.h>

#include "engine/safetensors.h"
#include "engine/sha256.h"

enum { TENSOR_LIMIT = 1 << 26 }; /* elements: 256 MiB as floats */

struct tensor {
    size_t rows, cols;           /* a vector is one row; more than two dimensions join in rows */
    float *values;               /* [rows, cols]                                               */
    char   name[256];            /* as it was asked for: "minilm/ffn_in"                       */
    char   title[128];           /* what it is; empty for a lesson's own file                  */
    char   dtype[16];            /* as stored: "F16"                                           */
    char   sha256[SHA256_HEX];   /* of the stored bytes                                        */
};

struct tensors;

/* The index of the data folder. NULL with one line in error when it is missing or damaged. */
struct tensors *tensors_open(const char *data_folder, char *error, size_t size);
void tensors_close(struct tensors *tensors);

/* What the index names, in its order, with the checksum that it states; i < tensors_count(). */
size_t tensors_count(const struct tensors *tensors);
const char *tensors_name(const struct tensors *tensors, size_t i);
const char *tensors_sha256(const struct tensors *tensors, size_t i);

/* A tensor of the index by name, or "./file.safetensors" or "./file.safetensors:tensor" beside the lesson: no "..",
 * no link, nothing outside lesson_folder (NULL: no lesson, so no such files). The caller frees it with tensor_free().
 * NULL with one line in error, for an unknown name with the nearest known one. */
struct tensor *tensor_open(struct tensors *tensors, const char *name, const char *lesson_folder, char *error,
                           size_t size);

/* A tensor of a file already open. tensor_name NULL: the only one in the file. file_name serves messages. */
struct tensor *tensor_read(const struct safetensors *file, const char *file_name, const char *tensor_name,
                           char *error, size_t size);
void tensor_free(struct tensor *tensor);

#endif
