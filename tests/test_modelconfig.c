/* test_modelconfig: published models come out to the byte, and a hostile config gets one line. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/kv.h"
#include "engine/modelweights.h"
#include "engine/view.h"

#define QWEN   "lessons/configs/qwen3.6-27b-fp8.json"
#define LLAMA2 "lessons/configs/llama-2-7b.json"
#define LLAMA3 "lessons/configs/llama-3.1-8b.json"

static const char gemma3[] =
    "{\"model_type\":\"gemma3\",\"text_config\":{\"model_type\":\"gemma3_text\",\"hidden_size\":5376,"
    "\"num_hidden_layers\":62,\"num_attention_heads\":32,\"num_key_value_heads\":16,\"head_dim\":128,"
    "\"sliding_window\":1024}}";
static const char gpt_oss[] =
    "{\"model_type\":\"gpt_oss\",\"hidden_size\":2880,\"num_hidden_layers\":4,\"num_attention_heads\":64,"
    "\"num_key_value_heads\":8,\"head_dim\":64,\"sliding_window\":128,\"num_local_experts\":32,\"layer_types\":"
    "[\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"full_attention\"]}";
static const char deepseek[] =
    "{\"model_type\":\"deepseek_v3\",\"hidden_size\":7168,\"num_hidden_layers\":61,\"num_attention_heads\":128,"
    "\"num_key_value_heads\":128,\"kv_lora_rank\":512,\"qk_rope_head_dim\":64,\"qk_nope_head_dim\":128,"
    "\"v_head_dim\":128,\"n_routed_experts\":256}";

static const struct kv_question bf16 = { "bf16", 16, 1, 1 }, fp8 = { "e4m3", 8, 1, 1 };
static char error[512];

static bool parse(struct modelconfig *config, const char *text)
{
    json_error_t fault;
    json_t *json = json_loads(text, 0, &fault);
    bool good;

    assert_non_null(json);
    good = modelconfig_parse(config, json, "c.json", error, sizeof error);
    json_decref(json);
    return good;
}

static struct modelconfig load(const char *path)
{
    struct modelconfig config;

    if (!modelconfig_load(&config, path, error, sizeof error))
        fail_msg("%s", error);
    return config;
}

static struct kv_answer ask(const struct modelconfig *config, struct kv_question question)
{
    struct kv_answer answer;

    assert_true(kv_compute(config, &question, &answer, error, sizeof error));
    return answer;
}

/* ---- cache ------------------------------------------------------------------------------------ */

static void kv_dense_and_grouped(void **state)
{
    struct modelconfig config = load(LLAMA2);

    (void)state;
    assert_int_equal(ask(&config, bf16).per_token, 524288);
    assert_int_equal(ask(&config, fp8).per_token, 262144);
    assert_int_equal(ask(&config, bf16).state + ask(&config, bf16).window, 0);
    assert_true(config.head_dim_derived);
    config = load(LLAMA3);
    assert_int_equal(ask(&config, bf16).per_token, 131072);
    assert_int_equal(ask(&config, fp8).per_token, 65536);
    assert_int_equal(ask(&config, (struct kv_question){ "bf16", 16, 131072, 1 }).total, 16ull << 30);
}

static void kv_hybrid(void **state)
{
    struct modelconfig config = load(QWEN);
    struct kv_answer answer = ask(&config, bf16);

    (void)state;
    assert_int_equal(answer.layers, 16);
    assert_int_equal(answer.per_token, 65536);
    assert_int_equal(answer.obvious, 262144);
    assert_int_equal(answer.state, 153944064);
    assert_int_equal(answer.state / answer.per_token, 2349);
    answer = ask(&config, fp8);
    assert_int_equal(answer.per_token, 32768);
    assert_int_equal(answer.state, 153944064);
    answer = ask(&config, (struct kv_question){ "bf16", 16, 262144, 3 });
    assert_int_equal(answer.total, 3 * ((16ull << 30) + 153944064));
    assert_int_equal(config.kind[3], LAYER_FULL);
    assert_int_equal(config.kind[2], LAYER_LINEAR);
}

static void kv_windows(void **state)
{
    struct modelconfig config;
    struct kv_answer answer;

    (void)state;
    assert_true(parse(&config, gemma3));
    answer = ask(&config, (struct kv_question){ "bf16", 16, 131072, 1 });
    assert_int_equal(answer.layers, 10);
    assert_int_equal(answer.per_token, 81920);
    assert_int_equal(answer.window, 436207616);
    assert_int_equal(ask(&config, (struct kv_question){ "e4m3", 8, 131072, 1 }).window, 436207616 / 2);
    assert_int_equal(ask(&config, bf16).per_sequence, 496 << 10);
    assert_int_equal(ask(&config, (struct kv_question){ "bf16", 16, 1024, 1 }).total, 496 << 20);
    assert_true(parse(&config, gpt_oss)); /* 4 of its 24 layers */
    answer = ask(&config, (struct kv_question){ "bf16", 16, 4096, 1 });
    assert_int_equal(answer.per_token, 24576 / 6);
    assert_int_equal(answer.window, 3145728 / 6);
}

static void kv_latent(void **state)
{
    struct modelconfig config;

    (void)state;
    assert_true(parse(&config, deepseek));
    assert_int_equal(ask(&config, bf16).per_token, 70272);
    assert_int_equal(ask(&config, fp8).per_token, 35136);
    assert_int_equal(ask(&config, bf16).obvious, 4880 << 10);
}

/* Printed as a lesson prints them: the terms make a valid view, and multiplied by hand they give the number. */
static void kv_formulas_are_views(void **state)
{
    struct modelconfig config = load(QWEN);
    struct kv_question question = { "bf16", 16, 32768, 48 };
    struct kv_answer answer = ask(&config, question);
    json_t *views = kv_views(&config, &question, &answer), *object = kv_json(&config, &question, &answer), *term;
    double product = 1;
    size_t i;

    (void)state;
    if (!view_check_list(views, error, sizeof error))
        fail_msg("%s", error);
    json_array_foreach(json_object_get(object, "formula"), i, term)
        if (!json_is_true(json_object_get(term, "struck")))
            product *= json_number_value(json_object_get(term, "value"));
    assert_true(product == 65536);
    assert_int_equal(json_integer_value(json_object_get(object, "kv_layers")), 16);
    assert_int_equal(json_integer_value(json_object_get(object, "kv_bytes_per_token")), 65536);
    assert_int_equal(json_integer_value(json_object_get(object, "state_bytes_per_sequence")), 153944064);
    assert_int_equal(json_integer_value(json_object_get(object, "kv_bytes_total")), 48 * (2147483648ll + 153944064));
    json_decref(views);
    json_decref(object);
}

static void kv_chats_that_fit(void **state)
{
    struct modelconfig config = load(QWEN);
    struct kv_question chat = { "bf16", 16, 32768, 1 };
    const double memory = 95830.0 * 1048576, fp8_weights = 30866866928.0;
    uint64_t bytes = ask(&config, chat).per_sequence;

    (void)state;
    assert_int_equal(kv_sequences_that_fit(memory, 0.9, 55.56e9, bytes), 15);
    assert_int_equal(kv_sequences_that_fit(memory, 0.9, fp8_weights, bytes), 25);
    chat.bits = 8;
    bytes = ask(&config, chat).per_sequence;
    assert_int_equal(kv_sequences_that_fit(memory, 0.9, fp8_weights, bytes), 48);
    assert_int_equal(kv_sequences_that_fit(memory, 0.9, 2 * memory, bytes), 0);
}

/* ---- weights ---------------------------------------------------------------------------------- */

static struct modelweights count(const struct modelconfig *config)
{
    struct modelweights weights;

    if (!modelweights_count(config, &weights, error, sizeof error))
        fail_msg("%s", error);
    return weights;
}

static uint64_t total(const struct modelweights *weights)
{
    uint64_t sum = 0;

    for (int i = 0; i < WEIGHT_ROLE_COUNT; i++)
        sum += weights->count[i];
    return sum;
}

static void weights_of_published_models(void **state)
{
    struct modelconfig config = load(LLAMA2);
    struct modelweights weights = count(&config);

    (void)state;
    assert_int_equal(total(&weights), 6738415616);
    config = load(LLAMA3);
    weights = count(&config);
    assert_int_equal(total(&weights), 8030261248);
    assert_true(fabs(modelweights_streamed(&weights, 16, 16) / 1e9 - 15.01) < 0.005);
    config = load(QWEN);
    weights = count(&config);
    assert_int_equal(total(&weights), 26895998464);
    assert_int_equal(weights.count[WEIGHT_LINEAR], 24326963200);
}

static void weights_streamed_by_the_flagship(void **state)
{
    struct modelconfig config = load(QWEN);
    struct modelweights weights = count(&config);
    double whole = modelweights_streamed(&weights, modelweights_bits(&config, "bf16"), 16);
    double half = modelweights_streamed(&weights, modelweights_bits(&config, "fp8"), 16);
    double quarter = modelweights_streamed(&weights, modelweights_bits(&config, "int4"), 16);
    json_t *terms = modelweights_terms(&weights, 4.125, 16), *term;
    double sum = 0;
    size_t i;

    (void)state;
    assert_true(fabs(whole / 1e9 - 51.25) < 0.005);
    assert_true(fabs(half / 1e9 - 26.93) < 0.005);
    assert_true(fabs(quarter / 1e9 - 15.14) < 0.005);
    assert_true(fabs(whole / half - 1.903) < 0.0005);
    assert_true(fabs(whole / quarter - 3.385) < 0.0005);
    assert_true(modelweights_bits(&config, "int4") == 4.125);
    assert_true(modelweights_bits(&config, "none") == 0);
    json_array_foreach(terms, i, term)
        sum += json_number_value(json_object_get(term, "value"));
    assert_true(fabs(sum * 1e9 - quarter) < 1);
    json_decref(terms);
}

/* ---- hostile files ---------------------------------------------------------------------------- */

#define BASE "\"hidden_size\":64,\"num_attention_heads\":8"

static void config_refusals_name_the_key(void **state)
{
    static const struct { const char *text, *reason; } row[] = {
        { "[]", "it is not a JSON object" },
        { "{}", "it has no 'num_hidden_layers'" },
        { "{\"num_hidden_layers\":null}", "it has no 'num_hidden_layers'" },
        { "{\"num_hidden_layers\":-4}", "'num_hidden_layers' is -4; 1 to 1024 can be used" },
        { "{\"num_hidden_layers\":9223372036854775807}",
          "'num_hidden_layers' is 9223372036854775807; 1 to 1024 can be used" },
        { "{\"num_hidden_layers\":\"32\"}", "'num_hidden_layers' is not a whole number" },
        { "{\"num_hidden_layers\":32.0}", "'num_hidden_layers' is not a whole number" },
        { "{\"num_hidden_layers\":2}", "it has no 'hidden_size'" },
        { "{\"num_hidden_layers\":2,\"hidden_size\":64}", "it has no 'num_attention_heads'" },
        { "{\"num_hidden_layers\":2,\"hidden_size\":64,\"num_attention_heads\":7}",
          "it has no 'head_dim', and 64 does not divide by 7 heads" },
        { "{\"num_hidden_layers\":2," BASE ",\"num_key_value_heads\":3}",
          "8 query heads do not share 3 KV heads evenly" },
        { "{\"num_hidden_layers\":2," BASE ",\"num_key_value_heads\":[8,8]}",
          "'num_key_value_heads' is not a whole number" },
        { "{\"num_hidden_layers\":2," BASE ",\"layer_types\":[\"full_attention\"]}",
          "'layer_types' is not a list of 2 layers" },
        { "{\"num_hidden_layers\":1," BASE ",\"layer_types\":[\"\\u001b[2J\"]}",
          "layer 0 is of a type that is not known here; known are full_attention, sliding_attention and "
          "linear_attention" },
        { "{\"num_hidden_layers\":4," BASE ",\"full_attention_interval\":4}", "it has no 'linear_num_key_heads'" },
        { "{\"num_hidden_layers\":4," BASE ",\"full_attention_interval\":0}",
          "'full_attention_interval' is 0; 1 to 4 can be used" },
        { "{\"num_hidden_layers\":4," BASE ",\"sliding_window\":64}",
          "it has a 'sliding_window', but no 'layer_types' that says for which layers" },
        { "{\"num_hidden_layers\":4," BASE ",\"num_kv_shared_layers\":2}",
          "'num_kv_shared_layers' means a kind of memory that is not counted here" },
        { "{\"num_hidden_layers\":4," BASE ",\"is_encoder_decoder\":true}",
          "an encoder-decoder model's memory is not counted here" },
        { "{\"num_hidden_layers\":4," BASE ",\"tie_word_embeddings\":1}",
          "'tie_word_embeddings' is neither true nor false" },
        { "{\"num_hidden_layers\":4," BASE ",\"quantization_config\":{\"weight_block_size\":[0,128]}}",
          "'weight_block_size' is not two whole numbers from 1 to 65536" },
        { "{\"text_config\":{\"num_hidden_layers\":0}}", "'num_hidden_layers' is 0; 1 to 1024 can be used" },
    };
    struct modelconfig config;
    char want[512];

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_false(parse(&config, row[i].text));
        snprintf(want, sizeof want, "cannot use 'c.json': %s", row[i].reason);
        assert_string_equal(error, want);
    }
}

static void config_windows_switched_off(void **state)
{
    struct modelconfig config;

    (void)state;
    assert_true(parse(&config, "{\"num_hidden_layers\":4," BASE ",\"sliding_window\":64,"
                               "\"use_sliding_window\":false,\"num_kv_shared_layers\":0}"));
    assert_int_equal(config.count[LAYER_FULL], 4);
    assert_true(parse(&config, "{\"model_type\":\"mistral\",\"num_hidden_layers\":4," BASE ",\"sliding_window\":64}"));
    assert_int_equal(config.count[LAYER_SLIDING], 4);
}

static void expect_bad_file(const char *text, size_t bytes, const char *reason)
{
    char path[] = "/tmp/saffron-config-XXXXXX", want[512];
    struct modelconfig config;
    int fd = mkstemp(path);

    assert_true(fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes);
    close(fd);
    assert_false(modelconfig_load(&config, path, error, sizeof error));
    snprintf(want, sizeof want, "cannot use '%s': %s", path, reason);
    assert_string_equal(error, want);
    unlink(path);
}

static void config_files_that_cannot_be_read(void **state)
{
    struct modelconfig config;
    char *deep = malloc(1 << 20);

    (void)state;
    assert_non_null(deep);
    memset(deep, '[', 1 << 20);
    expect_bad_file(deep, 1 << 20, "line 1 is not valid JSON");
    memcpy(deep, "{\"a\":", 5);
    expect_bad_file(deep, 1 << 20, "line 1 is not valid JSON");
    expect_bad_file("", 0, "it is empty");
    expect_bad_file("{\n\"a\":1,\n\"a\":2}", 16, "line 3 is not valid JSON");
    expect_bad_file("{\"num_hidden_layers\":1e999}", 27, "line 1 is not valid JSON");
    free(deep);
    assert_false(modelconfig_load(&config, "/nowhere/config.json", error, sizeof error));
    assert_string_equal(error, "cannot open '/nowhere/config.json': No such file or directory");
    assert_false(modelconfig_load(&config, "/", error, sizeof error));
    assert_string_equal(error, "cannot use '/': it is a folder; name the config.json in it");
}

/* The largest numbers that each key allows: refused as a whole, not wrapped. */
static void config_extremes_do_not_wrap(void **state)
{
    struct kv_question question = { "fp32", 32, 1 << 30, 1 << 20 };
    struct modelconfig config;
    struct kv_answer answer;
    struct modelweights weights;

    (void)state;
    assert_true(parse(&config, "{\"model_type\":\"qwen3_5_text\",\"num_hidden_layers\":1024,\"hidden_size\":1048576,"
        "\"num_attention_heads\":4096,\"head_dim\":16384,\"full_attention_interval\":2,\"linear_num_key_heads\":4096,"
        "\"linear_num_value_heads\":4096,\"linear_key_head_dim\":16384,\"linear_value_head_dim\":16384,"
        "\"linear_conv_kernel_dim\":1024,\"vocab_size\":16777216,\"intermediate_size\":16777216}"));
    assert_false(kv_compute(&config, &question, &answer, error, sizeof error));
    assert_string_equal(error, "cannot count the cache: it has more than 8 PiB; ask for fewer tokens or sequences");
    assert_true(modelweights_count(&config, &weights, error, sizeof error));
    assert_true(total(&weights) < 1ull << 62);
    assert_true(parse(&config, deepseek));
    assert_false(modelweights_count(&config, &weights, error, sizeof error));
    assert_non_null(strstr(error, "model type 'deepseek_v3'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kv_dense_and_grouped),
        cmocka_unit_test(kv_hybrid),
        cmocka_unit_test(kv_windows),
        cmocka_unit_test(kv_latent),
        cmocka_unit_test(kv_formulas_are_views),
        cmocka_unit_test(kv_chats_that_fit),
        cmocka_unit_test(weights_of_published_models),
        cmocka_unit_test(weights_streamed_by_the_flagship),
        cmocka_unit_test(config_refusals_name_the_key),
        cmocka_unit_test(config_windows_switched_off),
        cmocka_unit_test(config_files_that_cannot_be_read),
        cmocka_unit_test(config_extremes_do_not_wrap),
    };
    return cmocka_run_group_tests_name("modelconfig", tests, NULL, NULL);
}
