/* fuzz_safetensors: any bytes are either refused with one clear line or wholly readable. */
#include <stdlib.h>
#include <string.h>

#include "engine/safetensors.h"

#define REPLAY_CORPUS "tests/corpus/safetensors"
#include "tests/replay.h"

/* One element from either end of a tensor: every byte between them lies in the same mapping. */
static void touch(const struct safetensor *tensor)
{
    float value;

    if (tensor->count == 0)
        return;
    safetensor_floats(tensor, 0, 1, &value);
    safetensor_floats(tensor, tensor->count - 1, 1, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char error[512] = "";
    struct safetensors *file = safetensors_open_memory(data, bytes, "fuzz", error, sizeof error);

    if (!file) {
        if (strncmp(error, "cannot read 'fuzz': ", 20) != 0 || strpbrk(error, "\n\r\033"))
            abort();
        return 0;
    }
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct safetensor *tensor = safetensors_at(file, i);
        if (safetensors_find(file, tensor->name) != tensor)
            abort();
        touch(tensor);
    }
    safetensors_close(file);
    return 0;
}
