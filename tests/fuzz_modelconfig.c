/* fuzz_modelconfig: any JSON is either refused with one clear line or gives valid numbers and views. */
#include <stdlib.h>
#include <string.h>

#include "engine/kv.h"
#include "engine/modelweights.h"
#include "engine/view.h"

#define REPLAY_CORPUS "tests/corpus/modelconfig"
#include "tests/replay.h"

static void check_views(const struct modelconfig *config, const struct kv_question *question)
{
    char error[512] = "";
    struct kv_answer answer;
    json_t *views, *object;

    if (!kv_compute(config, question, &answer, error, sizeof error))
        return;
    views = kv_views(config, question, &answer);
    object = kv_json(config, question, &answer);
    if (!view_check_list(views, error, sizeof error) || answer.total < answer.per_token)
        abort();
    json_decref(views);
    json_decref(object);
}

static void check_weights(const struct modelconfig *config)
{
    char error[512] = "";
    struct modelweights weights;

    if (!modelweights_count(config, &weights, error, sizeof error))
        return;
    if (weights.parts > MODELWEIGHTS_PARTS || !(modelweights_streamed(&weights, 4.125, 16) > 0))
        abort();
    json_decref(modelweights_terms(&weights, modelweights_bits(config, "fp8"), 16));
    json_decref(modelweights_json(&weights));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct kv_question question[] = { { "bf16", 16, 1, 1 }, { "int4", 4, 1 << 30, 1 << 20 } };
    char error[512] = "";
    struct modelconfig config;
    json_t *json = json_loadb((const char *)data, bytes, JSON_REJECT_DUPLICATES, NULL);

    if (json && modelconfig_parse(&config, json, "fuzz", error, sizeof error)) {
        check_views(&config, &question[0]);
        check_views(&config, &question[1]);
        check_weights(&config);
    } else if (json && (strncmp(error, "cannot use 'fuzz': ", 19) != 0 || strpbrk(error, "\n\r\033"))) {
        abort();
    }
    json_decref(json);
    return 0;
}
