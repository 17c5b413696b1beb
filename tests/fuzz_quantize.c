/* fuzz_quantize: any values, NaN, infinities and extremes among them, rounded by any format, scale and method: `saffron
 * quantize` answers with what can be shown, or says in one line why not.
 * An input is a byte for each word of the request, one for the columns, and the values as FP32. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/quantjob.h"
#include "engine/view.h"
#include "kernels/format.h"
#include "kernels/method.h"

#define REPLAY_CORPUS "tests/corpus/quantize"
#include "tests/fuzzread.h"
#include "tests/replay.h"

enum { CHOICES = 10, COLS_MOST = 200, VALUES_MOST = 2048, HEADER = 0x76 };

/* The first word of each list: the option is left out. */
static const char *const scales[] = { NULL, "tensor", "channel", "token", "group:3", "group:32", "block:32", "tile:2x2",
                                      "none", "group:128" };
static const char *const zeros[] = { NULL, "full", "awq", "gptq", "kivi" };
static const char *const clips[] = { NULL, "percentile:99", "mse" };
static const char *const roundings[] = { NULL, "zero", "stochastic" };
static const char *const overflows[] = { NULL, "native" };
static const char *const rules[] = { NULL, "ceil" };

#define PICK(list, byte) list[(byte) % (sizeof list / sizeof *list)]

static char path[256];

static void remove_file(void)
{
    unlink(path);
}

static bool go_on(void *ctx, double fraction)
{
    (void)ctx;
    return fraction >= 0;
}

/* A .npy of [rows, cols]. */
static void write_npy(const uint8_t *values, size_t rows, size_t cols)
{
    char header[HEADER + 1];
    if (!*path) {
        snprintf(path, sizeof path, "%.200s/saffron-fuzz.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        close(mkstemp(path));
        atexit(remove_file);
    }
    int n = snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows,
                     cols);
    memset(header + n, ' ', HEADER - (size_t)n);
    header[HEADER - 1] = '\n';
    FILE *file = fopen(path, "wb");
    if (!file || fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) != 10 || fwrite(header, 1, HEADER, file) != HEADER
        || fwrite(values, 4, rows * cols, file) != rows * cols || fclose(file) != 0)
        abort();
}

static void put(json_t *request, const char *name, const char *word)
{
    if (word)
        json_object_set_new(request, name, json_string(word));
}

static json_t *make_request(const uint8_t *choice)
{
    json_t *request = json_pack("{s:s, s:s}", "type", "quantize", "path", path);
    const char *method = method_at(choice[7] % method_count())->name;
    put(request, "format", format_at(choice[0] % format_count())->name);
    put(request, "scale", PICK(scales, choice[1]));
    put(request, "zero_point", PICK(zeros, choice[2]));
    put(request, "clip", PICK(clips, choice[3]));
    put(request, "rounding", PICK(roundings, choice[4]));
    put(request, "overflow", PICK(overflows, choice[5]));
    put(request, "mx", PICK(rules, choice[6]));
    put(request, "method", method);
    if (choice[8] & 1) /* the values as inputs of their own layer */
        put(request, "calib", path);
    if (choice[8] & 4)
        json_object_set_new(request, "look", json_true());
    if (choice[8] & 2 && strcmp(method, "gptq") == 0)
        json_object_set_new(request, "act_order", json_true());
    return request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const struct quantjob_env env = { .isa = ISA_SCALAR, .block_values = 64, .progress = go_on };
    char error[512] = "";
    if (bytes < CHOICES + 4)
        return 0;
    size_t values = (bytes - CHOICES) / 4, cols = data[CHOICES - 1] % COLS_MOST + 1;
    values = values < VALUES_MOST ? values : VALUES_MOST;
    cols = cols < values ? cols : values;
    write_npy(data + CHOICES, values / cols, cols);
    json_t *request = make_request(data);
    json_t *reply = quantjob_run(request, &env, error, sizeof error);
    if (!reply)
        fuzzread_refusal(error, "");
    else if (!view_check_list(json_object_get(reply, "blocks"), error, sizeof error))
        abort();
    json_decref(reply);
    json_decref(request);
    return 0;
}
