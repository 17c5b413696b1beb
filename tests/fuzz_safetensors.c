/* fuzz_safetensors: any bytes are either refused with one clear line or wholly readable. */
#include <stdlib.h>

#include "engine/safetensors.h"

#define REPLAY_CORPUS "tests/corpus/safetensors"
#include "tests/fuzzread.h"
#include "tests/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char error[512] = "";
    struct safetensors *file = safetensors_open_memory(data, bytes, "fuzz", error, sizeof error);

    if (!file) {
        fuzzread_refusal(error, "cannot read 'fuzz': ");
        return 0;
    }
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct safetensor *tensor = safetensors_at(file, i);
        if (safetensors_find(file, tensor->name) != tensor)
            abort();
        fuzzread_tensor(tensor);
    }
    safetensors_close(file);
    return 0;
}
