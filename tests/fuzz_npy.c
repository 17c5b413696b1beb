/* fuzz_npy: any bytes are either refused with one clear line or wholly readable. */
#include <stdlib.h>
#include <string.h>

#include "engine/npy.h"

#define REPLAY_CORPUS "tests/corpus/npy"
#include "tests/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char error[512] = "";
    struct npy *file = npy_open_memory(data, bytes, "fuzz", error, sizeof error);
    float value;

    if (!file) {
        if (strncmp(error, "cannot read 'fuzz': ", 20) != 0 || strpbrk(error, "\n\r\033"))
            abort();
        return 0;
    }
    const struct safetensor *tensor = npy_tensor(file);
    if (tensor->count > 0) {
        safetensor_floats(tensor, 0, 1, &value);
        safetensor_floats(tensor, tensor->count - 1, 1, &value);
    }
    npy_close(file);
    return 0;
}
