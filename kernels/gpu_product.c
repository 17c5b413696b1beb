/* gpu_product.c: the record layouts of the weight formats.
 * Here and not in the module, because whoever allocates records needs their sizes.
 * ORDER is free: rows are found by name. */
#include "kernels/gpu_product.h"

#include <string.h>

static const struct gpu_layout layouts[] = {
    {"bf16", 16, 0, 0, 8192},
    {"fp16", 16, 0, 0, 8192},
    {"int8", 8, 0, 0, 4096},
    {"e4m3", 8, 0, 0, 4096},
    {"int4", 4, 128, 2, 2048 + 64},
    {"mxfp4", 4, 32, 1, 2048 + 128},
    {"nvfp4", 4, 16, 1, 2048 + 256},
};

const struct gpu_layout *gpu_layout_find(const char *format)
{
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (strcmp(layouts[i].format, format) == 0)
            return &layouts[i];
    return NULL;
}
