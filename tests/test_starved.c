/* test_starved.c: what becomes of long work that is stopped at any look, or is refused memory at any request.
 * Each run ends with its reason, and gives back all it had: allocations are counted here. Under a sanitizer, which has
 * its own malloc, only stops are tried, and its leak check counts. */
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
#include "kernels/attention.h"
#include "kernels/kivi.h"
#include "kernels/linear.h"
#include "kernels/random.h"

#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define COUNTED 1
#else
#define COUNTED 0
#endif

/* --- memory ------------------------------------------------------------------------------------------------------- */

static long requests, refused_at = -1, alive; /* one thread: no pool is open here */

#if COUNTED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t boundary, size_t size);
void  __libc_free(void *p);

static void *counted(void *p)
{
    alive += p != NULL;
    return p;
}

static bool refused(void)
{
    return requests++ == refused_at;
}

void *malloc(size_t size)
{
    return refused() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return refused() ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    if (refused())
        return NULL;
    alive -= p != NULL;
    return counted(__libc_realloc(p, size));
}

void *aligned_alloc(size_t boundary, size_t size)
{
    return refused() ? NULL : counted(__libc_memalign(boundary, size));
}

void free(void *p)
{
    alive -= p != NULL;
    __libc_free(p);
}
#endif

/* --- the work ----------------------------------------------------------------------------------------------------- */

enum { TOKENS = 40, VOCAB = 67, ROWS = 6, COLS = 40 };

static struct llama  *model;
static uint32_t       tokens[TOKENS];
static struct scheme  scheme;
static float          w[ROWS * COLS], x[TOKENS * COLS];
static const struct method *method;

/* Calibrates and measures `scheme`. */
static enum kernel_status measure(const struct progress *progress)
{
    const struct scheme_text text = { tokens, 24, 16 };
    struct quality q;
    struct quality_run run;
    enum kernel_status status = quality_open(&q, model, tokens, TOKENS, 16, &text, cpu_info()->best, NULL, progress);
    if (status != KERNEL_OK)
        return status;
    status = quality_measure(&q, &scheme, progress, &run);
    if (status == KERNEL_OK)
        free(run.loss);
    quality_close(&q);
    return status;
}

/* Rounds one layer by `method`, and measures its output. */
static enum kernel_status round_layer(const struct progress *progress)
{
    struct method_result result;
    struct meter meter;
    struct method_task task = { .w = w, .out = ROWS, .in = COLS, .x = x, .tokens = TOKENS, .weights = scheme.weights,
                                .activations = scheme.activations, .act_order = true, .isa = cpu_info()->best };
    enum kernel_status status = method_run(method, &task, progress, &result);
    if (status != KERNEL_OK)
        return status;
    status = method_measure(&result, w, x, TOKENS, progress, &meter);
    method_free(&result);
    return status;
}

/* Rounds a cache as KIVI does, packs another one, and looks back over it. */
static enum kernel_status look_back(const struct progress *progress)
{
    const struct kvcache_shape shape = { 1, 1, 32, TOKENS };
    const struct kivi_recipe recipe = { format_find("int2"), 8, 16 };
    struct kvcache cache;
    struct kivi kivi;
    float y[32];
    enum kernel_status status = kivi_round(x, x, TOKENS, 32, &recipe, &kivi);
    if (status != KERNEL_OK)
        return status;
    kivi_free(&kivi);
    status = kvcache_seeded(&cache, format_find("int8"), &shape, 1, progress);
    if (status != KERNEL_OK)
        return status;
    const struct attention a = { .cache = &cache, .heads = 1, .scale = 1, .q = x };
    status = attention(kernel_find(KERNEL_ATTENTION, "int8", cpu_info()->best), &a, y, progress);
    kvcache_free(&cache);
    return status;
}

/* Multiplies in rounded arithmetic. */
static enum kernel_status multiply(const struct progress *progress)
{
    float y[TOKENS * ROWS];
    const struct linear layer = { x, w, TOKENS, COLS, ROWS };
    const struct linear_recipe recipe = { .weights = scheme.weights.format, .weight_scale = scheme.weights.scale,
                                          .activations = scheme.activations.format, .per_token = true,
                                          .isa = cpu_info()->best };
    return linear_run(&layer, &recipe, y, progress);
}

/* --- stops and refusals ------------------------------------------------------------------------------------------- */

static long looks, stop_at;

static bool look(void *ctx, double fraction)
{
    (void)ctx, (void)fraction;
    return looks++ != stop_at;
}

typedef enum kernel_status work_fn(const struct progress *progress);

static enum kernel_status once(work_fn *work, long stop, long refuse, const char *what)
{
    const struct progress progress = { .tick = look };
    looks = requests = 0;
    stop_at = stop;
    refused_at = refuse;
    long before = alive;
    enum kernel_status status = work(&progress);
    refused_at = -1;
    if (COUNTED && alive != before)
        fail_msg("%s, stopped at look %ld, refused request %ld: %ld allocations left", what, stop, refuse,
                 alive - before);
    return status;
}

/* Every look and every request up to some hundred, then ever fewer. */
static void try_all(work_fn *work, const char *what)
{
    assert_int_equal(once(work, -1, -1, what), KERNEL_OK);
    long all_looks = looks, all_requests = COUNTED ? requests : 0;
    for (long i = 0; i < all_looks; i += 1 + i / 100)
        if (once(work, i, -1, what) != KERNEL_CANCELED)
            fail_msg("%s, stopped at look %ld of %ld, went on", what, i, all_looks);
    for (long i = 0; i < all_requests; i += 1 + i / 100) {
        enum kernel_status status = once(work, -1, i, what);
        if (status != KERNEL_NO_MEMORY)
            fail_msg("%s, refused request %ld of %ld: %s", what, i, all_requests, kernel_status_text(status));
    }
    assert_int_equal(once(work, -1, -1, what), KERNEL_OK);
}

static void read_scheme(const char *text)
{
    char error[256] = "";
    json_t *json = json_loads(text, 0, NULL);
    if (!qualityjob_scheme(json, cpu_info()->best, 1, &scheme, error, sizeof error))
        fail_msg("%s: %s", text, error);
    json_decref(json);
}

static void test_schemes(void **state)
{
    static const char *const schemes[] = {
        "{\"weights\": [\"int4\", \"group:8\"]}",
        "{\"weights\": {\"format\": \"int4\", \"scale\": \"group:8\", \"method\": \"gptq\", \"act_order\": true}}",
        "{\"weights\": {\"format\": \"int4\", \"scale\": \"group:8\", \"method\": \"awq\"}}",
        "{\"weights\": {\"format\": \"int8\", \"scale\": \"channel\", \"method\": \"llm-int8\"}}",
        "{\"weights\": {\"format\": \"int8\", \"scale\": \"channel\", \"method\": \"smoothquant\"},"
        " \"activations\": [\"int8\", \"tensor\"]}",
        "{\"weights\": {\"format\": \"int8\", \"scale\": \"channel\", \"method\": \"hadamard\"},"
        " \"activations\": [\"int8\", \"token\"], \"kv\": [\"e4m3\", \"tensor\"]}",
    };
    char error[512];
    (void)state;
    model = llama_open("tests/models/qwen3", error, sizeof error);
    if (!model)
        fail_msg("%s", error);
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = random_bits(7, STREAM_VALUES, i) % VOCAB;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        read_scheme(schemes[i]);
        try_all(measure, schemes[i]);
    }
    llama_close(model);
}

static void test_methods(void **state)
{
    (void)state;
    random_gaussian(w, ROWS * COLS, 1, 1);
    random_gaussian(x, TOKENS * COLS, 2, 1);
    read_scheme("{\"weights\": [\"int4\", \"group:8\"], \"activations\": [\"int8\", \"token\"]}");
    for (size_t i = 0; (method = method_at(i)); i++)
        try_all(round_layer, method->name);
    read_scheme("{\"weights\": {\"format\": \"nf4\", \"clip\": \"mse\"}}");
    for (size_t i = 0; (method = method_at(i)); i++)
        try_all(round_layer, method->name);
}

static void test_products(void **state)
{
    (void)state;
    read_scheme("{\"weights\": [\"int8\", \"channel\"], \"activations\": [\"int8\", \"token\"]}");
    try_all(multiply, "INT8 times INT8");
    read_scheme("{\"weights\": [\"e4m3\", \"channel\"], \"activations\": [\"e4m3\", \"token\"]}");
    try_all(multiply, "E4M3 times E4M3");
    try_all(look_back, "a cache");
}

/* Opening a model: the reason, or the model. */
static void test_opening(void **state)
{
    (void)state;
    for (long i = 0, all = 1; COUNTED && i < all; i += 1 + i / 100) {
        char error[512] = "";
        long before = alive;
        requests = 0;
        refused_at = i;
        struct llama *opened = llama_open("tests/models/qwen3", error, sizeof error);
        refused_at = -1;
        all = requests > all ? requests : all;
        if (!opened && !*error)
            fail_msg("refused request %ld: no reason", i);
        llama_close(opened);
        if (alive != before)
            fail_msg("refused request %ld: %ld allocations left (%s)", i, alive - before, error);
    }
}

/* Outliers that there is no memory for are not planted, and that is said. */
static void test_planting(void **state)
{
    char error[512];
    struct llama *opened = llama_open("tests/models/qwen3", error, sizeof error);
    (void)state;
    assert_non_null(opened);
    requests = refused_at = 0;
    bool planted = llama_plant(opened, 2, 8, 1);
    refused_at = -1;
    assert_true(planted != COUNTED && opened->planted == (planted ? 2 : 0));
    assert_true(llama_plant(opened, 2, 8, 1) && opened->planted == 2);
    llama_close(opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemes), cmocka_unit_test(test_methods), cmocka_unit_test(test_products),
        cmocka_unit_test(test_opening),  cmocka_unit_test(test_planting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
