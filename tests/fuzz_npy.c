/* fuzz_npy: any bytes are either refused with one clear line or wholly readable. */
#include "engine/npy.h"

#define REPLAY_CORPUS "tests/corpus/npy"
#include "tests/fuzzread.h"
#include "tests/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char error[512] = "";
    struct npy *file = npy_open_memory(data, bytes, "fuzz", error, sizeof error);

    if (!file) {
        fuzzread_refusal(error, "cannot read 'fuzz': ");
        return 0;
    }
    fuzzread_tensor(npy_tensor(file));
    npy_close(file);
    return 0;
}
