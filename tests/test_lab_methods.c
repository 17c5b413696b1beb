/* test_lab_methods: lab.method and lab.accumulate as lessons call them: their figures against what the same kernels
 * give in this process, how they refuse, and that they can be canceled. */
#include <math.h>

#include "kernels/accumulate.h"
#include "kernels/method.h"
#include "kernels/random.h"
#include "tests/labtest.h"

enum { OUT = 48, IN = 128, TOKENS = 96 };

#define SEED 0x0123456789abcdefull
#define STREAM 0x9e3779b97f4a7c15ull

static const char LESSON[] =
    "local function layer(lab) return lab.gaussian { rows = 48, cols = 128, stream = 1 },\n"
    "  lab.gaussian { rows = 96, cols = 128, stream = 2, channels = 3 } end\n"
    "local function by(name, options) return function(lab)\n"
    "  local w, x = layer(lab)\n"
    "  local o = { w = w, x = x, method = name, format = 'int4', scale = 'group:32',\n"
    "    held = lab.gaussian { rows = 32, cols = 128, stream = 3, channels = 3 } }\n"
    "  for k, v in pairs(options or {}) do o[k] = v end\n"
    "  local r = lab.method(o)\n"
    "  return { answer = r.output_sqnr_db, weight = r.weight_sqnr_db, held = r.held_sqnr_db, noise = r.noise_sqnr_db,\n"
    "    bits = r.bits_per_weight, alpha = r.alpha or -1, kept = r.kept_columns, cols = r.weights.cols,\n"
    "    divide = r.divide and r.divide.cols or 0, name = r.method } end end\n"
    "local function step(id, compute) return predict { id = id, ask = 'q', number = { within = '1 %' },\n"
    "  compute = compute, reveal = function() return 'r' end } end\n"
    "return lesson { id = 'x', title = 'x', win = 'x',\n"
    "  step('rtn', by 'rtn'), step('gptq', by('gptq', { act_order = true, damp = 0.02 })), step('awq', by 'awq'),\n"
    "  step('hadamard', by 'hadamard'), step('smooth', by('smoothquant', { format = 'int8', scale = 'channel' })),\n"
    "  step('int8', by('llm-int8', { format = 'int8', scale = 'channel', threshold = 20 })),\n"
    "  step('fixed', by('awq', { alpha = 0.25 })), step('inputs', by('rtn', { activations = { 'e4m3', 'token' } })),\n"
    "  step('unknown', by 'gtpq'), step('option', by('rtn', { dampen = 1 })),\n"
    "  step('format', by('rtn', { format = 'int9' })),\n"
    "  step('bare', function(lab) return lab.method { w = layer(lab), method = 'gptq', format = 'int4' } end),\n"
    "  step('shape', function(lab) return lab.method { w = layer(lab), x = lab.gaussian { rows = 4, cols = 64 },\n"
    "    format = 'int4' } end),\n"
    "  step('long', function(lab) return lab.method { w = lab.gaussian { rows = 2048, cols = 2048 }, method = 'awq',\n"
    "    x = lab.gaussian { rows = 512, cols = 2048, stream = 1 }, format = 'int4', scale = 'group:128' } end),\n"
    "  step('acc', function(lab)\n"
    "    local a = lab.gaussian { rows = 16, cols = 2048, stream = 4 }\n"
    "    local b = lab.gaussian { rows = 16, cols = 2048, stream = 5 }\n"
    "    local r = {} for _, kind in ipairs { 'fp64', 'fp32', 'fp16', 'bf16', 'acc14', 'acc14-promoted' } do\n"
    "      r[#r + 1] = lab.accumulate { kind = kind, a = a, b = b } end\n"
    "    return { answer = r[1].exact, sum14 = r[5].sum, fp64 = r[1].relative, fp32 = r[2].relative,\n"
    "      fp16 = r[3].relative, bf16 = r[4].relative,\n"
    "      acc14 = r[5].relative, promoted = r[6].relative, rows = #r[5].sums } end),\n"
    "  step('maddubs', function(lab) local r = lab.accumulate { kind = 'maddubs', a = lab.values { 255, 255, 1, 2 },\n"
    "    b = lab.values { 127, 127, 3, 4 } } return { answer = r.sum, exact = r.exact } end),\n"
    "  step('wrap', function(lab) local x = lab.quantize(lab.gaussian { n = 2 ^ 18, sigma = 1000 },\n"
    "      { format = 'int8', scale = 'none' }).values\n"
    "    local r = lab.accumulate { kind = 'int32', a = x, b = x } return { answer = r.sum, exact = r.exact } end),\n"
    "  step('fraction', function(lab)\n"
    "    return lab.accumulate { kind = 'int32', a = lab.values { 0.5 }, b = lab.values { 1 } } end),\n"
    "  step('accname', function(lab)\n"
    "    return lab.accumulate { kind = 'acc15', a = lab.values { 1 }, b = lab.values { 1 } } end),\n"
    "}\n";

static struct labproc *lab;
static long next_id = 1;

static json_t *ask(const char *step)
{
    return labtest_reply(lab, next_id++, LESSON, step);
}

static float w[OUT * IN], x[TOKENS * IN], held[32 * IN];

static void make_layer(void)
{
    random_gaussian(w, OUT * IN, SEED + STREAM, 1);
    random_gaussian(x, TOKENS * IN, SEED + 2 * STREAM, 1);
    random_outlier_channels(x, TOKENS, IN, SEED + 2 * STREAM, 3, 20, 60, NULL);
    random_gaussian(held, 32 * IN, SEED + 3 * STREAM, 1);
    random_outlier_channels(held, 32, IN, SEED + 3 * STREAM, 3, 20, 60, NULL);
}

/* The same task in this process. */
static void same_as_here(const char *step, struct method_task task, const char *method, const char *format,
                         const char *scale, const char *inputs)
{
    struct method_result result;
    struct meter calibration, other;
    char why[160];
    json_t *reply = ask(step);
    task.w = w, task.out = OUT, task.in = IN, task.x = x, task.tokens = TOKENS;
    const struct recipe_words weights = { .format = format, .scale = scale };
    const struct recipe_words x_words = { .format = inputs, .scale = "token" };
    assert_true(recipe_parse(&weights, &task.weights, why, sizeof why));
    assert_true(!inputs || recipe_parse(&x_words, &task.activations, why, sizeof why));
    task.weights.isa = task.activations.isa = task.isa = cpu_info()->best;
    assert_int_equal(method_run(method_find(method), &task, NULL, &result), KERNEL_OK);
    assert_int_equal(method_measure(&result, w, x, TOKENS, NULL, &calibration), KERNEL_OK);
    assert_int_equal(method_measure(&result, w, held, 32, NULL, &other), KERNEL_OK);
    labtest_near(labtest_value(reply, "weight"), result.sqnr_db, 1e-4);
    labtest_near(labtest_value(reply, "answer"), calibration.sqnr_db, 0.02); /* BLAS there, plain loops here */
    labtest_near(labtest_value(reply, "held"), other.sqnr_db, 0.02);
    labtest_near(labtest_value(reply, "bits"), result.bits_per_weight, 1e-9);
    labtest_near(labtest_value(reply, "alpha"), isfinite(result.alpha) ? result.alpha : -1, 1e-9);
    labtest_near(labtest_value(reply, "kept"), (double)result.kept_count, 0);
    labtest_near(labtest_value(reply, "divide"), result.divide ? IN : 0, 0);
    assert_true(labtest_value(reply, "noise") > 0 && labtest_value(reply, "cols") == IN);
    method_free(&result);
    json_decref(reply);
}

static void methods(void **state)
{
    (void)state;
    make_layer();
    same_as_here("rtn", (struct method_task){ 0 }, "rtn", "int4", "group:32", NULL);
    same_as_here("gptq", (struct method_task){ .act_order = true, .damp = 0.02 }, "gptq", "int4", "group:32", NULL);
    same_as_here("awq", (struct method_task){ 0 }, "awq", "int4", "group:32", NULL);
    same_as_here("fixed", (struct method_task){ .fixed = true, .alpha = 0.25 }, "awq", "int4", "group:32", NULL);
    same_as_here("hadamard", (struct method_task){ 0 }, "hadamard", "int4", "group:32", NULL);
    same_as_here("smooth", (struct method_task){ 0 }, "smoothquant", "int8", "channel", "int8");
    same_as_here("int8", (struct method_task){ .threshold = 20 }, "llm-int8", "int8", "channel", "int8");
    same_as_here("inputs", (struct method_task){ 0 }, "rtn", "int4", "group:32", "e4m3");
}

/* What a method is told by calibration helps there, at the weights' expense, and not on noise. */
static void meters(void **state)
{
    (void)state;
    json_t *rtn = ask("rtn"), *gptq = ask("gptq");
    assert_true(labtest_value(gptq, "answer") > labtest_value(rtn, "answer") + 3);
    assert_true(labtest_value(gptq, "noise") < labtest_value(rtn, "noise"));
    assert_true(labtest_value(gptq, "weight") < labtest_value(rtn, "weight"));
    json_decref(rtn);
    json_decref(gptq);
}

static void accumulators(void **state)
{
    static float a[16 * 2048], b[16 * 2048];
    (void)state;
    random_gaussian(a, 16 * 2048, SEED + 4 * STREAM, 1);
    random_gaussian(b, 16 * 2048, SEED + 5 * STREAM, 1);
    json_t *reply = ask("acc");
    labtest_near(labtest_value(reply, "answer"), accumulator_find("fp64")->dot(a, b, 2048), 0);
    labtest_near(labtest_value(reply, "sum14"), accumulator_find("acc14")->dot(a, b, 2048), 0);
    assert_true(labtest_value(reply, "fp64") == 0 && labtest_value(reply, "rows") == 16);
    assert_true(labtest_value(reply, "fp32") < labtest_value(reply, "promoted"));
    assert_true(labtest_value(reply, "promoted") < labtest_value(reply, "acc14"));
    assert_true(labtest_value(reply, "fp16") < labtest_value(reply, "bf16"));
    json_decref(reply);
    reply = ask("maddubs");
    assert_true(labtest_value(reply, "answer") == 32767 + 11 && labtest_value(reply, "exact") == 2 * 255 * 127 + 11);
    json_decref(reply);
    reply = ask("wrap");
    double exact = labtest_value(reply, "exact");
    assert_true(exact > 0x1p31 && labtest_value(reply, "answer") == (double)(int32_t)(uint32_t)(int64_t)exact);
    json_decref(reply);
}

static void refused(void **state)
{
    static const char *const cases[][2] = {
        { "unknown", "did you mean 'gptq'" },      { "option", "unknown option 'dampen'" },
        { "format", "did you mean 'int8'" },       { "bare", "needs x: inputs of the layer, [tokens, 128]" },
        { "shape", "x has 64 features" },          { "fraction", "whole numbers from -128 to 127" },
        { "accname", "unknown accumulator 'acc15'" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *reply = ask(cases[i][0]);
        const char *text = json_string_value(json_object_get(reply, "text"));
        if (!text || !strstr(text, cases[i][1]))
            fail_msg("%s says '%s'", cases[i][0], text ? text : "nothing");
        json_decref(reply);
    }
}

/* A long method tells how far it is, and stops when asked. */
static void canceled(void **state)
{
    long id = next_id++;
    bool told = false, stopped = false;
    int64_t asked = 0;
    (void)state;
    labtest_compute(lab, id, "lessons/x.lua", LESSON, "long", NULL);
    while (!stopped) {
        struct labproc_event e = labtest_next(lab, 20000 * LABTEST_SLOW);
        assert_int_equal(e.kind, LABPROC_MESSAGE);
        const char *type = json_string_value(json_object_get(e.message, "type"));
        if (strcmp(type, "progress") == 0 && !told) {
            told = true;
            asked = labtest_now();
            labproc_send(lab, json_pack("{s:s, s:I}", "type", "cancel", "id", (json_int_t)id));
        }
        if (strcmp(type, "problem") == 0) {
            assert_non_null(strstr(json_string_value(json_object_get(e.message, "text")), "cancel"));
            stopped = true;
        }
        assert_string_not_equal(type, "result");
        json_decref(e.message);
    }
    assert_true(told && labtest_now() - asked < 20000 * LABTEST_SLOW);
}

static int start(void **state)
{
    (void)state;
    lab = labtest_start(NULL);
    return lab ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    labproc_free(lab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods), cmocka_unit_test(meters),   cmocka_unit_test(accumulators),
        cmocka_unit_test(refused), cmocka_unit_test(canceled),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
