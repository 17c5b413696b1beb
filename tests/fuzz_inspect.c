/* fuzz_inspect: any bytes as a file of tensors: `saffron inspect` lists it and looks at its tensors, or says in one
 * line why not; what it says can be shown, whatever the values are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/inspectjob.h"
#include "engine/safetensors.h"
#include "engine/view.h"

#define REPLAY_CORPUS "tests/corpus/inspect"
#include "tests/fuzzread.h"
#include "tests/replay.h"

enum { LOOKED_AT = 3, VALUES_MOST = 4096 };

static char path[256];

static bool go_on(void *ctx, double fraction)
{
    (void)ctx;
    return fraction >= 0;
}

/* What inspect answers; the caller drops it. NULL, and said well, where it refuses. */
static json_t *inspect(const char *tensor)
{
    const struct inspectjob_env env = { .isa = ISA_SCALAR, .progress = go_on };
    char error[512] = "";
    json_t *request = json_pack("{s:s, s:s*}", "path", path, "tensor", tensor);
    json_t *reply = inspectjob_run(request, &env, error, sizeof error);
    json_decref(request);
    if (!reply)
        fuzzread_refusal(error, "");
    else if (!view_check_list(json_object_get(reply, "blocks"), error, sizeof error))
        abort();
    return reply;
}

static json_int_t values_of(const json_t *line)
{
    json_int_t values = 1;
    size_t i;
    json_t *side;
    json_array_foreach(json_object_get(line, "shape"), i, side)
        if (__builtin_mul_overflow(values, json_integer_value(side), &values))
            return VALUES_MOST + 1;
    return values;
}

static void remove_file(void)
{
    unlink(path);
}

static void write_file(const uint8_t *data, size_t bytes)
{
    static int fd = -1;
    if (fd < 0) {
        snprintf(path, sizeof path, "%.200s/saffron-fuzz.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        fd = mkstemp(path);
        atexit(remove_file);
    }
    if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, bytes, 0) != (ssize_t)bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t i, looked = 0;
    json_t *line;
    write_file(data, bytes);
    json_t *list = inspect(NULL);
    json_array_foreach(json_object_get(json_object_get(list, "inspect"), "tensors"), i, line)
        if (values_of(line) <= VALUES_MOST && looked++ < LOOKED_AT)
            json_decref(inspect(view_text(line, "name", "")));
    json_decref(list);
    return 0;
}
