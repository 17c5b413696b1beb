/* fuzz_gguf: any bytes are either refused with one clear line or wholly readable. */
#include <stdlib.h>
#include <string.h>

#include "engine/gguf.h"

#define REPLAY_CORPUS "tests/corpus/gguf"
#include "tests/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char error[512] = "";
    struct gguf *file = gguf_open_memory(data, bytes, "fuzz", error, sizeof error);

    if (!file) {
        if (strncmp(error, "cannot read 'fuzz': ", 20) != 0 || strpbrk(error, "\n\r\033"))
            abort();
        return 0;
    }
    for (size_t i = 0; i < gguf_count(file); i++) {
        const struct safetensor *tensor = gguf_at(file, i);
        float value;
        if (!tensor->count || !dtype_loads(tensor->dtype))
            continue;
        safetensor_floats(tensor, 0, 1, &value);
        safetensor_floats(tensor, tensor->count - 1, 1, &value);
    }
    for (size_t i = 0; gguf_entry(file, i); i++)
        if (!*gguf_entry(file, i)->key || strpbrk(gguf_entry(file, i)->text, "\n\r\033"))
            abort();
    gguf_close(file);
    return 0;
}
