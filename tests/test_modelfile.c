/* test_modelfile.c: model folders as other programs write them, against their logits; and folders that must be refused.
 * tests/models is written by tests/make_models.py with transformers: tied and untied, sharded, BF16, F16 and F32,
 * biases, head norms, three kinds of RoPE. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/quality.h"

enum { TOKENS = 24, LAST = 4, VOCAB = 67 };

/* --- what others write -------------------------------------------------------------------------------------------- */

static void check_model(const char *name)
{
    char folder[128], path[160], error[512] = "";
    uint32_t tokens[TOKENS];
    float logits[TOKENS * VOCAB];
    struct llama_net net;
    struct scheme plain = scheme_plain();
    snprintf(folder, sizeof folder, "tests/models/%s", name);
    snprintf(path, sizeof path, "%s/logits.json", folder);
    json_t *want = json_load_file(path, 0, NULL);
    struct llama *model = llama_open(folder, error, sizeof error);
    if (!model || !want)
        fail_msg("%s: %s", name, error);
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (uint32_t)json_integer_value(json_array_get(json_object_get(want, "tokens"), i));
    assert_int_equal(scheme_net(&plain, model, NULL, TOKENS, cpu_info()->best, NULL, &net), KERNEL_OK);
    struct llama_state *state = llamastate_new(&net, model->config.layers);
    assert_int_equal(llamanet_run(&net, state, tokens, TOKENS, logits, false), KERNEL_OK);
    for (size_t i = 0; i < LAST; i++)
        for (size_t j = 0; j < VOCAB; j++) {
            double w = json_number_value(json_array_get(json_array_get(json_object_get(want, "last"), i), j));
            double got = (double)logits[(TOKENS - LAST + i) * VOCAB + j];
            if (!(fabs(got - w) <= 2e-5 * (1 + fabs(w))))
                fail_msg("%s, token %zu, logit %zu: %g, not %g", name, i, j, got, w);
        }
    llamastate_free(state);
    llamanet_free(&net);
    llama_close(model);
    json_decref(want);
}

static void test_families(void **state)
{
    (void)state;
    check_model("llama3");
    check_model("llama-bias");
    check_model("mistral-linear");
    check_model("qwen2");
    check_model("qwen3");
}

/* --- what must be refused ----------------------------------------------------------------------------------------- */

static char work[] = "/tmp/saffron-modelfile-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(work) == NULL;
}

static void in_folder(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", work, name);
}

static int remove_folder(void **state)
{
    static const char *const names[] = { "config.json", "model.safetensors", "model.safetensors.index.json" };
    char path[128];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        in_folder(names[i], path, sizeof path);
        unlink(path);
    }
    return rmdir(work);
}

static void write_text(const char *name, const char *text)
{
    char path[128];
    in_folder(name, path, sizeof path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* The config of a model that can be run, with one key set, or removed where text is NULL. */
static void write_config(const char *key, const char *text)
{
    json_t *config = json_load_file("tests/models/qwen2/config.json", 0, NULL);
    assert_non_null(config);
    if (text)
        json_object_set_new(config, key, json_loads(text, JSON_DECODE_ANY, NULL));
    else
        json_object_del(config, key);
    char *all = json_dumps(config, 0);
    write_text("config.json", all);
    free(all);
    json_decref(config);
}

static void link_weights(const char *from)
{
    char path[128], target[600], here[400];
    in_folder("model.safetensors", path, sizeof path);
    unlink(path);
    assert_non_null(getcwd(here, sizeof here));
    snprintf(target, sizeof target, "%s/%s", here, from);
    assert_int_equal(symlink(target, path), 0);
}

static void check_refused(const char *what, const char *expected)
{
    char error[512] = "";
    struct llama *model = llama_open(work, error, sizeof error);
    if (model || !strstr(error, expected) || strchr(error, '\n'))
        fail_msg("%s: '%s', not '%s'", what, model ? "opened" : error, expected);
}

static void test_configs(void **state)
{
    static const char *const cases[][3] = {
        { "model_type", "\"gpt2\"", "model_type 'gpt2' cannot be run" },
        { "model_type", NULL, "model_type '' cannot be run" },
        { "num_local_experts", "8", "mixture of experts ('num_local_experts')" },
        { "quantization_config", "{\"bits\": 4}", "quantized already" },
        { "hidden_act", "\"gelu\"", "hidden_act 'gelu' cannot be run" },
        { "mlp_bias", "true", "'mlp_bias'" },
        { "layer_types", "[\"full_attention\", \"sliding_attention\"]", "layers of type 'sliding_attention'" },
        { "rope_parameters", "{\"rope_type\": \"yarn\", \"factor\": 4}", "rope scaling 'yarn' cannot be run" },
        { "rope_parameters", "{\"partial_rotary_factor\": 0.5}", "'partial_rotary_factor'" },
        { "rope_parameters", "{\"full_attention\": {\"rope_type\": \"yarn\"}}", "differ from layer to layer" },
        { "rope_parameters", "{\"rope_type\": \"linear\"}", "has no number 'factor'" },
        { "rope_parameters", "{\"rope_type\": \"llama3\", \"factor\": 8}", "has no number 'low_freq_factor'" },
        { "rope_parameters", "\"llama3\"", "are no object" },
        { "rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 2}", "do not agree" },
        { "rope_theta", "500000.0", "do not agree" },
        { "partial_rotary_factor", "0.5", "'partial_rotary_factor'" },
        { "attn_logit_softcapping", "50.0", "what 'attn_logit_softcapping' asks for" },
        { "final_logit_softcapping", "30.0", "what 'final_logit_softcapping' asks for" },
        { "residual_multiplier", "0.22", "what 'residual_multiplier' asks for" },
        { "compression_config", "{\"bits\": 4}", "what 'compression_config' asks for" },
        { "hidden_size", NULL, "has no 'hidden_size'" },
        { "hidden_size", "0", "'hidden_size' is no whole number" },
        { "hidden_size", "-16", "'hidden_size' is no whole number" },
        { "hidden_size", "16.5", "'hidden_size' is no whole number" },
        { "hidden_size", "99999999999999999", "'hidden_size' is no whole number" },
        { "num_hidden_layers", "1000000", "more than 1024 layers" },
        { "num_attention_heads", "3", "cannot share 2 KV heads" },
        { "num_attention_heads", "0", "'num_attention_heads' is no whole number" },
        { "head_dim", "3", "cannot be rotated" },
        { "rms_norm_eps", "\"small\"", "'rms_norm_eps' is no positive number" },
        { "intermediate_size", "40", "has another shape than config.json says" },
        { "num_hidden_layers", "3", "is missing" },
        { "vocab_size", "1000000", "has another shape" },
        { "intermediate_size", "1000000", "has another shape" },
    };
    (void)state;
    link_weights("tests/models/qwen2/model.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_config(cases[i][0], cases[i][1]);
        check_refused(cases[i][0], cases[i][2]);
    }
    write_config("use_cache", "true");
    char error[512];
    struct llama *model = llama_open(work, error, sizeof error);
    assert_non_null(model);     /* as it is, it is fine */
    llama_close(model);
}

/* What a family means by a key that is absent is not what null means. */
static void test_windows(void **state)
{
    char error[512];
    json_t *config = json_load_file("tests/models/mistral-linear/config.json", 0, NULL);
    (void)state;
    link_weights("tests/models/mistral-linear/model.safetensors");
    json_object_set_new(config, "max_position_embeddings", json_integer(8192));
    for (int i = 0; i < 3; i++) {
        char *all = json_dumps(config, 0);
        write_text("config.json", all);
        free(all);
        struct llama *model = i == 1 ? NULL : llama_open(work, error, sizeof error);
        if (i == 1)
            check_refused("no window said", "looks back 4096 tokens");
        else if (!model)
            fail_msg("%s", error);
        llama_close(model);
        json_object_del(config, "sliding_window");
        if (i == 1)
            json_object_set_new(config, "max_position_embeddings", json_integer(4096));
    }
    json_decref(config);
}

static void test_files(void **state)
{
    char path[128];
    (void)state;
    write_text("config.json", "{\"model_type\": ");
    check_refused("cut config", "config.json': line 1 is not valid JSON");
    write_text("config.json", "[1, 2]");
    check_refused("list for a config", "is no object");
    in_folder("config.json", path, sizeof path);
    unlink(path);
    check_refused("no config", "is it a folder with a Hugging Face model?");
    write_config("use_cache", "true");
    in_folder("model.safetensors", path, sizeof path);
    unlink(path);
    check_refused("no weights", "model.safetensors");
    write_text("model.safetensors", "short");
    check_refused("short weights", "model.safetensors");
    write_text("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"../model.safetensors\"}}");
    check_refused("shard elsewhere", "its shards are not files beside it");
    write_text("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"/etc/passwd\"}}");
    check_refused("absolute shard", "its shards are not files beside it");
    write_text("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"model-1.safetensors\"}}");
    check_refused("missing shard", "model-1.safetensors");
    write_text("model.safetensors.index.json", "{\"weight_map\": 3}");
    check_refused("no map", "no index with a weight_map");
    in_folder("model.safetensors.index.json", path, sizeof path);
    unlink(path);
    in_folder("config.json", path, sizeof path);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_refused("a pipe for a config", "it is not a plain file");
    unlink(path);
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

static void check_text(const char *bytes, size_t size, size_t vocab, const char *expected)
{
    char path[128], error[512] = "";
    struct quality_text text;
    in_folder("config.json", path, sizeof path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(bytes, 1, size, f);
    fclose(f);
    bool fine = quality_read(&text, path, vocab, 0, error, sizeof error);
    if (fine != !expected || (expected && !strstr(error, expected)))
        fail_msg("'%s', not '%s'", error, expected ? expected : "");
    quality_drop(&text);
}

/* A .npy of `count` numbers; returns its size. */
static size_t make_npy(const char *type, const void *values, size_t bytes, size_t count, char *out)
{
    char header[118];
    memset(header, ' ', sizeof header);
    int used = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }", type,
                        count);
    header[used] = ' ';
    header[117] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(out + 10, header, sizeof header);
    memcpy(out + 128, values, bytes);
    return 128 + bytes;
}

static void test_texts(void **state)
{
    char npy[256];
    const uint16_t few[] = { 1, 66, 3 }, over[] = { 1, 67 };
    const uint32_t wide[] = { 5, 6 };
    const float real[] = { 1, 2 };
    (void)state;
    check_text("hello", 5, 256, NULL);
    check_text("", 0, 256, "a text has 2 bytes");
    check_text("x", 1, 256, "one token predicts nothing");
    check_text("hello", 5, VOCAB, "comes as a .npy of token numbers");
    check_text(npy, make_npy("<u2", few, sizeof few, 3, npy), VOCAB, NULL);
    check_text(npy, make_npy("<u4", wide, sizeof wide, 2, npy), VOCAB, NULL);
    check_text(npy, make_npy("<u2", over, sizeof over, 2, npy), VOCAB, "token 1 is 67");
    check_text(npy, make_npy("<f4", real, sizeof real, 2, npy), VOCAB, "not F32");
    check_text(npy, make_npy("<u2", few, 0, 0, npy), VOCAB, "it has no tokens");
    struct quality_text text;
    char path[128], error[512];
    assert_false(quality_read(&text, "/nowhere/text", 256, 0, error, sizeof error));
    assert_non_null(strstr(error, "No such file"));
    in_folder("pipe", path, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(quality_read(&text, path, 256, 0, error, sizeof error));
    assert_non_null(strstr(error, "it is not a plain file"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families), cmocka_unit_test(test_configs), cmocka_unit_test(test_windows),
        cmocka_unit_test(test_files),    cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
