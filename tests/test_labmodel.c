/* test_labmodel.c: the lab model in C against what PyTorch said about it, and every part of a scheme on a short text.
 * lessons/model/reference.json is written by the script that trained the model. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/quality.h"
#include "engine/qualityjob.h"
#include "engine/sha256.h"
#include "kernels/pool.h"

#define MODEL "lessons/model"

static struct llama       *model;
static struct quality_text text, calibration;
static json_t             *reference;

static int open_model(void **state)
{
    char error[512];
    (void)state;
    model = llama_open(MODEL, error, sizeof error);
    reference = json_load_file(MODEL "/reference.json", 0, NULL);
    return !model || !reference || !quality_read(&text, MODEL "/heldout.txt", 256, 0, error, sizeof error)
        || !quality_read(&calibration, MODEL "/calibration.txt", 256, 0, error, sizeof error);
}

static int close_model(void **state)
{
    (void)state;
    llama_close(model);
    quality_drop(&text);
    quality_drop(&calibration);
    json_decref(reference);
    return 0;
}

static struct llama_net plain_net(enum isa isa)
{
    struct llama_net net;
    struct scheme plain = scheme_plain();
    assert_int_equal(scheme_net(&plain, model, NULL, 512, isa, NULL, &net), KERNEL_OK);
    return net;
}

/* --- against PyTorch ---------------------------------------------------------------------------------------------- */

static void check_file(const char *path, const char *key)
{
    char why[SHA256_HEX], *bytes;
    uint8_t digest[SHA256_BYTES];
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(stream);
    rewind(stream);
    bytes = malloc(size);
    assert_int_equal(fread(bytes, 1, size, stream), size);
    fclose(stream);
    sha256_of(bytes, size, digest);
    sha256_hex(digest, why);
    assert_string_equal(why, json_string_value(json_object_get(reference, key)));
    free(bytes);
}

static void test_files(void **state)
{
    (void)state;
    check_file(MODEL "/model.safetensors", "model_sha256");
    check_file(MODEL "/heldout.txt", "text_sha256");
    assert_int_equal(llama_parameters(model), 4852992);
}

static void test_logits(void **state)
{
    (void)state;
    const json_t *first = json_object_get(reference, "first_window"), *positions = json_object_get(first, "positions");
    float *logits = malloc(512 * 256 * sizeof *logits);
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        if (!cpu_info()->has[isa])
            continue;
        struct llama_net net = plain_net((enum isa)isa);
        struct llama_state *s = llamastate_new(&net, 6);
        assert_int_equal(llamanet_run(&net, s, text.tokens, 512, logits, false), KERNEL_OK);
        for (size_t i = 0; i < json_array_size(positions); i++) {
            size_t at = (size_t)json_integer_value(json_array_get(positions, i));
            const json_t *want = json_array_get(json_object_get(first, "logits"), i);
            for (size_t j = 0; j < 256; j++) {
                double w = json_number_value(json_array_get(want, j));
                if (!(fabs((double)logits[at * 256 + j] - w) <= 1e-4))
                    fail_msg("%s, position %zu, logit %zu: %g, not %g", isa_name((enum isa)isa), at, j,
                             (double)logits[at * 256 + j], w);
            }
        }
        llamastate_free(s);
        llamanet_free(&net);
    }
    free(logits);
}

static void test_bits_per_byte(void **state)
{
    (void)state;
    struct quality q;
    struct progress progress = { NULL, NULL, pool_open(2) };
    assert_int_equal(quality_open(&q, model, text.tokens, text.count, 512, NULL, cpu_info()->best, NULL, &progress),
                     KERNEL_OK);
    double want = json_number_value(json_object_get(reference, "bits_per_byte"));
    assert_true(fabs(q.plain.bits - want) <= 1e-4);
    assert_int_equal(q.predicted, json_integer_value(json_object_get(reference, "predicted")));
    quality_close(&q);
    pool_close(progress.pool);
}

/* --- sequences ---------------------------------------------------------------------------------------------------- */

/* Pieces of any length, and one token after the other, give the same bits. */
static void test_pieces(void **state)
{
    (void)state;
    enum { N = 130 };
    static const size_t lengths[] = { 1, 7, 59, 60, 3 };
    struct llama_net net = plain_net(cpu_info()->best);
    struct llama_state *s = llamastate_new(&net, 6);
    float *whole = malloc(N * 256 * sizeof *whole), *part = malloc(N * 256 * sizeof *part), last[256];
    assert_int_equal(llamanet_run(&net, s, text.tokens, N, whole, false), KERNEL_OK);
    llamastate_reset(s);
    for (size_t i = 0, at = 0; i < 5; at += lengths[i++])
        assert_int_equal(llamanet_run(&net, s, text.tokens + at, lengths[i], part + at * 256, false), KERNEL_OK);
    assert_memory_equal(whole, part, N * 256 * sizeof *whole);
    llamastate_reset(s);
    assert_int_equal(llamanet_run(&net, s, text.tokens, N, last, true), KERNEL_OK);
    assert_memory_equal(last, whole + (N - 1) * 256, sizeof last);
    assert_int_equal(llamanet_run(&net, s, text.tokens, 512 - N + 1, part, false), KERNEL_BAD_SHAPE);
    llamastate_free(s);
    llamanet_free(&net);
    free(whole);
    free(part);
}

static struct scheme scheme_of(const char *json)
{
    char error[256];
    struct scheme s;
    json_t *parsed = json_loads(json, 0, NULL);
    assert_non_null(parsed);
    if (!qualityjob_scheme(parsed, cpu_info()->best, 1, &s, error, sizeof error))
        fail_msg("%s: %s", json, error);
    json_decref(parsed);
    return s;
}

static struct scheme_text calibration_text(void)
{
    return (struct scheme_text){ calibration.tokens, 512, 512 };
}

/* What a token becomes must not depend on later ones, also where activations and the cache are rounded. */
static void test_causal(void **state)
{
    static const char *const schemes[] = {
        "{\"activations\": [\"int8\", \"token\"], \"kv\": [\"int4\", \"token\"]}",
        "{\"activations\": [\"e4m3\", \"tensor\"], \"kv\": [\"e4m3\", \"tensor\"]}",
        "{\"activations\": [\"nvfp4\"], \"kv\": [\"mxfp4\"]}",
        "{\"kv\": {\"format\": \"int2\", \"scale\": \"group:32\", \"zero_point\": \"kivi\"}}",
    };
    (void)state;
    enum { N = 150, CHANGED = 100 };
    float *a = malloc(N * 256 * sizeof *a), *b = malloc(N * 256 * sizeof *b);
    uint32_t other[N];
    memcpy(other, text.tokens, sizeof other);
    for (size_t i = CHANGED; i < N; i++)
        other[i] ^= 1;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct scheme scheme = scheme_of(schemes[i]);
        struct scheme_text calib = calibration_text();
        struct llama_net net;
        assert_int_equal(scheme_net(&scheme, model, &calib, N, cpu_info()->best, NULL, &net), KERNEL_OK);
        struct llama_state *s = llamastate_new(&net, 6);
        assert_int_equal(llamanet_run(&net, s, text.tokens, N, a, false), KERNEL_OK);
        llamastate_reset(s);
        assert_int_equal(llamanet_run(&net, s, other, N, b, false), KERNEL_OK);
        assert_memory_equal(a, b, CHANGED * 256 * sizeof *a);
        assert_memory_not_equal(a + CHANGED * 256, b + CHANGED * 256, 256 * sizeof *a);
        llamastate_free(s);
        llamanet_free(&net);
    }
    free(a);
    free(b);
}

/* --- schemes ------------------------------------------------------------------------------------------------------ */

enum { SHORT = 513 };       /* bytes of the text, for speed: one window */

static struct quality open_short(const struct llama *m, const struct progress *progress)
{
    struct quality q;
    struct scheme_text calib = { calibration.tokens, calibration.count, 512 };
    assert_int_equal(quality_open(&q, m, text.tokens, SHORT, 512, &calib, cpu_info()->best, NULL, progress), KERNEL_OK);
    return q;
}

static struct quality_run measure(const struct quality *q, const char *json)
{
    struct quality_run run;
    struct scheme scheme = scheme_of(json);
    assert_int_equal(quality_measure(q, &scheme, NULL, &run), KERNEL_OK);
    free(run.loss);
    run.loss = NULL;
    return run;
}

/* FP32 through the whole pipeline is FP32: nothing is lost where nothing is rounded. */
static void test_identity(void **state)
{
    (void)state;
    struct quality q = open_short(model, NULL);
    struct quality_run run = measure(&q, "{\"weights\": [\"fp32\"], \"activations\": [\"fp32\"], \"kv\": [\"fp32\"]}");
    assert_true(run.delta == 0 && run.delta_error == 0 && run.top1 == 1);
    assert_true(fabs(run.kl) < 1e-12);
    run = measure(&q, "{\"weights\": [\"fp16\"]}");     /* as stored */
    assert_true(run.delta == 0 && run.bits_per_weight == 16);
    quality_close(&q);
}

/* Every format and every method runs, costs what its bits say, and comes out where it must. */
static void test_every_format(void **state)
{
    (void)state;
    struct progress progress = { NULL, NULL, pool_open(2) };
    struct quality q = open_short(model, &progress);
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        char json[96];
        if (f->kind == FORMAT_POWER)
            continue;
        snprintf(json, sizeof json, "{\"weights\": [\"%s\"]}", f->name);
        struct quality_run run = measure(&q, json);
        assert_true(isfinite(run.bits) && run.kl > -1e-7 && run.top1 >= 0 && run.top1 <= 1);
        assert_true(run.bits_per_weight >= f->bits && run.bits_per_weight < f->bits + 1);
        if (f->bits >= 6)
            assert_true(fabs(run.delta) < 0.1);
        if (strcmp(f->name, "int2") == 0)
            assert_true(run.delta > 0.5);
    }
    quality_close(&q);
    pool_close(progress.pool);
}

static void test_methods(void **state)
{
    (void)state;
    struct quality q = open_short(model, NULL);
    struct quality_run rtn = measure(&q, "{\"weights\": [\"int3\", \"group:128\"]}");
    struct quality_run gptq = measure(&q, "{\"weights\": {\"format\": \"int3\", \"scale\": \"group:128\", \"method\": "
                                          "\"gptq\"}}");
    assert_true(rtn.delta > 0.03);
    assert_true(gptq.kl < rtn.kl);
    struct quality_run smooth = measure(&q, "{\"weights\": {\"format\": \"int8\", \"scale\": \"channel\", \"method\": "
                                            "\"smoothquant\"}}");
    struct quality_run kept = measure(&q, "{\"weights\": {\"format\": \"int8\", \"scale\": \"channel\", \"method\": "
                                          "\"llm-int8\"}}");
    assert_non_null(smooth.scheme.activations.format);
    assert_true(smooth.kl < 0.01 && kept.kl < 0.01);
    quality_close(&q);
}

/* Outliers planted: the function stays, static INT8 activations fall, and the cures cure. */
static void test_outliers(void **state)
{
    char error[512];
    (void)state;
    struct llama *planted = llama_open(MODEL, error, sizeof error);
    assert_non_null(planted);
    llama_plant(planted, 4, 64, 3);
    struct quality q = open_short(planted, NULL), before = open_short(model, NULL);
    assert_true(q.plain.bits == before.plain.bits);     /* a power of two changes no bit */
    struct quality_run ill = measure(&q, "{\"weights\": [\"int8\", \"channel\"], \"activations\": [\"int8\", "
                                         "\"tensor\"]}");
    struct quality_run weights = measure(&q, "{\"weights\": [\"int8\", \"channel\"]}");
    assert_true(ill.delta > 0.2 && weights.delta < 0.02);
    static const char *const cures[] = { "smoothquant", "hadamard", "llm-int8" };
    for (size_t i = 0; i < 3; i++) {
        char json[160];
        snprintf(json, sizeof json, "{\"weights\": {\"format\": \"int8\", \"scale\": \"channel\", \"method\": \"%s\"}, "
                 "\"activations\": [\"int8\", \"tensor\"]}", cures[i]);
        struct quality_run cured = measure(&q, json);
        if (!(cured.delta < ill.delta / 5))
            fail_msg("%s: %g of %g", cures[i], cured.delta, ill.delta);
    }
    quality_close(&before);
    quality_close(&q);
    llama_close(planted);
}

/* The same bits for any number of threads. */
static void test_threads(void **state)
{
    (void)state;
    struct progress progress = { NULL, NULL, pool_open(3) };
    struct quality a = open_short(model, NULL), b = open_short(model, &progress);
    assert_memory_equal(a.logits, b.logits, (SHORT - 1) * 256 * sizeof *a.logits);
    quality_close(&a);
    quality_close(&b);
    pool_close(progress.pool);
}

static bool never(void *ctx, double fraction)
{
    (void)ctx, (void)fraction;
    return false;
}

static void test_cancel(void **state)
{
    (void)state;
    struct progress progress = { never, NULL, NULL };
    struct quality q;
    struct quality_run run;
    struct scheme scheme = scheme_of("{\"weights\": [\"int4\", \"group:128\"]}");
    assert_int_equal(quality_open(&q, model, text.tokens, SHORT, 512, NULL, cpu_info()->best, NULL, &progress),
                     KERNEL_CANCELED);
    q = open_short(model, NULL);
    assert_int_equal(quality_measure(&q, &scheme, &progress, &run), KERNEL_CANCELED);
    quality_close(&q);
}

/* --- statistics --------------------------------------------------------------------------------------------------- */

static void test_standard_error(void **state)
{
    (void)state;
    enum { N = 640 };
    float a[N], b[N];
    double delta, error;
    for (size_t i = 0; i < N; i++) {
        b[i] = 1;
        a[i] = 1 + (float)((double)(i / 64 % 2 ? 3 : 1) * log(2));  /* blocks of 1 and 3 bits more, in turn */
    }
    quality_compare(a, b, N, &delta, &error);
    assert_true(fabs(delta - 2) < 1e-6);
    assert_true(fabs(error - sqrt(10.0 / 9) / sqrt(10)) < 1e-6);    /* SD of ten blocks of +-1, over sqrt(10) */
    quality_compare(a, b, 64, &delta, &error);
    assert_true(isinf(error));                                      /* one block tells nothing of the spread */
}

static void test_ranks(void **state)
{
    (void)state;
    enum { N = 6400 };
    float loss[3][N];
    struct quality_run runs[3] = { { .loss = loss[0] }, { .loss = loss[1] }, { .loss = loss[2] } };
    for (size_t i = 0; i < N; i++) {
        loss[1][i] = (float)(i % 7);
        loss[0][i] = loss[1][i] + (i / 64 % 2 ? 0.011f : -0.01f);   /* above, but not beyond the noise */
        loss[2][i] = loss[1][i] + 0.5f + (i / 64 % 2 ? 0.1f : 0);
    }
    for (int r = 0; r < 3; r++)
        for (size_t i = 0; i < N; i++)
            runs[r].bits += (double)loss[r][i];
    quality_rank(runs, 3, N);
    assert_int_equal(runs[1].rank, 1);
    assert_int_equal(runs[0].rank, 1);
    assert_int_equal(runs[2].rank, 3);
}

/* A scheme under which the model breaks down, its loss no number, is worse than any, wherever it stands in the list. */
static void test_broken_ranks(void **state)
{
    (void)state;
    enum { N = 640, RUNS = 5 };
    static const size_t rank[RUNS] = { 4, 2, 4, 1, 2 };
    float loss[RUNS][N];
    struct quality_run runs[RUNS];
    for (int r = 0; r < RUNS; r++) {
        runs[r] = (struct quality_run){ .loss = loss[r] };
        for (size_t i = 0; i < N; i++) {
            loss[r][i] = r == 3 ? 1 : 2 + (float)(i / 64 % 2);
            if (r == 0 || r == 2)
                loss[r][i] = r ? INFINITY : NAN;
            runs[r].bits += (double)loss[r][i] / N;
        }
    }
    quality_rank(runs, RUNS, N);
    for (int r = 0; r < RUNS; r++)
        assert_int_equal(runs[r].rank, rank[r]);
}

/* --- generation --------------------------------------------------------------------------------------------------- */

static void test_generation(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    static const char prompt[] = "And the LORD said unto ";
    uint32_t tokens[sizeof prompt - 1], a[COUNT], b[COUNT], c[COUNT];
    struct llama_net net = plain_net(cpu_info()->best);
    size_t n = sizeof prompt - 1, letters = 0;
    for (size_t i = 0; i < n; i++)
        tokens[i] = (unsigned char)prompt[i];
    assert_int_equal(quality_generate(&net, tokens, n, COUNT, 0.8, 5, NULL, a), KERNEL_OK);
    assert_int_equal(quality_generate(&net, tokens, n, COUNT, 0.8, 5, NULL, b), KERNEL_OK);
    assert_int_equal(quality_generate(&net, tokens, n, COUNT, 0.8, 6, NULL, c), KERNEL_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    for (size_t i = 0; i < COUNT; i++)
        letters += a[i] == ' ' || (a[i] >= 'a' && a[i] <= 'z');
    assert_true(letters > COUNT * 3 / 4);       /* English, more or less */
    assert_int_equal(quality_generate(&net, tokens, n, 512, 0.8, 5, NULL, a), KERNEL_BAD_SHAPE);
    llamanet_free(&net);
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static void test_bad_schemes(void **state)
{
    static const char *const bad[][2] = {
        { "{\"weights\": [\"int9\"]}", "int9" },
        { "{\"weights\": {\"format\": \"int4\", \"method\": \"magic\"}}", "unknown method 'magic'" },
        { "{\"weights\": {\"scale\": \"tensor\"}}", "'weights' has no format" },
        { "{\"weigths\": [\"int4\"]}", "'weigths' is no option" },
        { "{\"weights\": {\"format\": \"int4\", \"size\": 3}}", "'size' is no option" },
        { "{\"activations\": [\"int8\", \"tile:2x2\"]}", "activations take a scale" },
        { "{\"kv\": [\"nf4-dq\"]}", "keys and values take a scale" },
        { "{\"weights\": 4}", "'weights' is" },
        { "{\"weights\": {\"format\": \"int8\", \"alpha\": 2}}", "from 0 to 1" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char error[256] = "";
        struct scheme s;
        json_t *json = json_loads(bad[i][0], 0, NULL);
        assert_false(qualityjob_scheme(json, ISA_SCALAR, 0, &s, error, sizeof error));
        if (!strstr(error, bad[i][1]))
            fail_msg("%s: '%s'", bad[i][0], error);
        json_decref(json);
    }
    json_t *table = qualityjob_table();
    assert_true(json_array_size(table) > 20 && json_array_size(table) <= QUALITYJOB_RUNS);
    for (size_t i = 0; i < json_array_size(table); i++) {
        char *one = json_dumps(json_array_get(table, i), 0);
        scheme_of(one);
        free(one);
    }
    json_decref(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),          cmocka_unit_test(test_logits),
        cmocka_unit_test(test_bits_per_byte),  cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_causal),         cmocka_unit_test(test_identity),
        cmocka_unit_test(test_every_format),   cmocka_unit_test(test_methods),
        cmocka_unit_test(test_outliers),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_cancel),         cmocka_unit_test(test_standard_error),
        cmocka_unit_test(test_ranks),          cmocka_unit_test(test_broken_ranks),
        cmocka_unit_test(test_generation),     cmocka_unit_test(test_bad_schemes),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
