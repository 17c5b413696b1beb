/* fuzz_folder: any folder of a model, config.json, index and shards, is either refused with one clear line or wholly
 * readable, by the loader of models, by `inspect` and by the arithmetic of memory.
 * An input is the files one after another; "@@0" to "@@4" begins the next of `names`. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/llama.h"
#include "engine/modelconfig.h"
#include "engine/tensorfile.h"

#define REPLAY_CORPUS "tests/corpus/folder"
#include "tests/fuzzread.h"
#include "tests/replay.h"

enum { CONFIG, INDEX, NAMES = 5 };

static const char *const names[NAMES] = { "config.json", "model.safetensors.index.json", "model.safetensors",
                                          "1.safetensors", "2.safetensors" };
static char folder[256], path[NAMES][300];

static void remove_folder(void)
{
    for (int i = 0; i < NAMES; i++)
        unlink(path[i]);
    rmdir(folder);
}

static void make_folder(void)
{
    if (*folder)
        return;
    snprintf(folder, sizeof folder, "%.200s/saffron-fuzz.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder))
        abort();
    for (int i = 0; i < NAMES; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    atexit(remove_folder);
}

/* Where the next file's mark stands, or the end. */
static const uint8_t *find_mark(const uint8_t *at, const uint8_t *end)
{
    for (; end - at >= 3; at++)
        if (at[0] == '@' && at[1] == '@' && at[2] >= '0' && at[2] < '0' + NAMES)
            return at;
    return end;
}

static void write_files(const uint8_t *data, size_t bytes)
{
    const uint8_t *end = data + bytes;
    for (int i = 0; i < NAMES; i++)
        unlink(path[i]);
    for (const uint8_t *at = find_mark(data, end), *next; at < end; at = next) {
        next = find_mark(at + 3, end);
        int fd = open(path[at[2] - '0'], O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || write(fd, at + 3, (size_t)(next - at - 3)) != next - at - 3)
            abort();
        close(fd);
    }
}

static void try_tensors(const char *name)
{
    char error[512] = "";
    struct tensorfile *file = tensorfile_open(name, error, sizeof error);
    if (!file) {
        fuzzread_refusal(error, "");
        return;
    }
    for (size_t i = 0; i < tensorfile_count(file); i++) {
        const struct safetensor *tensor = tensorfile_at(file, i);
        if (tensorfile_find(file, tensor->name, error, sizeof error) != tensor)
            abort();
        fuzzread_tensor(tensor);
    }
    tensorfile_close(file);
}

static void try_model(void)
{
    char error[512] = "";
    struct modelconfig config;
    struct llama *model = llama_open(folder, error, sizeof error);
    if (!model)
        fuzzread_refusal(error, "");
    else if (llama_parameters(model) == 0)
        abort();
    llama_close(model);
    if (!modelconfig_load(&config, path[CONFIG], error, sizeof error))
        fuzzread_refusal(error, "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    make_folder();
    write_files(data, bytes);
    for (int i = INDEX; i < NAMES; i++)
        if (access(path[i], F_OK) == 0)
            try_tensors(path[i]);
    try_model();
    return 0;
}
