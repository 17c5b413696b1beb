/* ggml.h: the element types that GGUF files hold, block by block, decoded as ggml decodes them.
 * Read only: what this program quantizes to are rows of format.h; these are what others have made. */
#ifndef KERNELS_GGML_H
#define KERNELS_GGML_H

#include <stddef.h>
#include <stdint.h>

enum { GGML_VALUES_MOST = 256 };    /* of a block */

struct ggml_type {
    uint32_t    id;                 /* as files store it */
    const char *name;               /* "Q4_K" */
    unsigned    values, bytes;      /* of a block; 1 value: a plain number */
    /* One block to its values, in FP32 as ggml computes them: a product of scales first. NULL: not decoded here. */
    void      (*decode)(const uint8_t *block, float *values);
};

/* Row i of ggml_count() rows, NULL past the end; the row with this id, or NULL. */
size_t                  ggml_count(void);
const struct ggml_type *ggml_at(size_t i);
const struct ggml_type *ggml_find(uint32_t id);

#endif
