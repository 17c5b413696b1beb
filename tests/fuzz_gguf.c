/* fuzz_gguf: any bytes are either refused with one clear line or wholly readable. */
#include "engine/gguf.h"

#define REPLAY_CORPUS "tests/corpus/gguf"
#include "tests/fuzzread.h"
#include "tests/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char error[512] = "";
    struct gguf *file = gguf_open_memory(data, bytes, "fuzz", error, sizeof error);

    if (!file) {
        fuzzread_refusal(error, "cannot read 'fuzz': ");
        return 0;
    }
    for (size_t i = 0; i < gguf_count(file); i++)
        fuzzread_tensor(gguf_at(file, i));
    for (size_t i = 0; gguf_entry(file, i); i++)
        if (!*gguf_entry(file, i)->key || !safetensors_printable(gguf_entry(file, i)->text))
            abort();
    gguf_close(file);
    return 0;
}
