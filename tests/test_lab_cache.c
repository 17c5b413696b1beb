/* test_lab_cache: lab.kivi and lab.attend as lessons call them: their figures against what the same kernels give in
 * this process, and how they refuse. */
#include <math.h>

#include "kernels/causal.h"
#include "kernels/kivi.h"
#include "kernels/meter.h"
#include "kernels/quantize.h"
#include "kernels/random.h"
#include "tests/labtest.h"

#define SEED 0x0123456789abcdefull
#define STREAM 0x9e3779b97f4a7c15ull

static const char LESSON[] =
    "local function step(id, compute) return predict { id = id, ask = 'q', number = { within = '1 %' },\n"
    "  compute = compute, reveal = function() return 'r' end } end\n"
    "local function attend(lab, other)\n"
    "  local k, v = lab.gaussian { rows = 300, cols = 64 }, lab.gaussian { rows = 300, cols = 64, stream = 1 }\n"
    "  local o = { q = lab.gaussian { rows = 8, cols = 128, stream = 2 }, k = k, v = v, heads = 4, kv_heads = 2,\n"
    "    rounded_k = lab.quantize(k, { format = 'int4', scale = 'group:32' }).values,\n"
    "    rounded_v = lab.quantize(v, { format = 'int4', scale = 'group:32' }).values }\n"
    "  for name, x in pairs(other) do o[name] = x or nil end\n"
    "  local r = lab.attend(o)\n"
    "  return { answer = r.kl, relative = r.relative, db = r.sqnr_db, queries = r.queries, first = r.weights:at(1),\n"
    "    tokens = r.weights.n } end\n"
    "return lesson { id = 'x', title = 'x', win = 'x',\n"
    "  step('kivi', function(lab)\n"
    "    local k = lab.gaussian { rows = 300, cols = 64, channels = 2 }\n"
    "    local v = lab.gaussian { rows = 300, cols = 64, stream = 1 }\n"
    "    local q = lab.gaussian { rows = 8, cols = 64, stream = 2 }\n"
    "    local c = lab.kivi { k = k, v = v, format = 'int2', group = 32, residual = 64, q = q }\n"
    "    return { answer = c.k_sqnr_db, v = c.v_sqnr_db, bits = c.bits_per_value, k_tail = c.k_residual,\n"
    "      v_tail = c.v_residual, output = c.output_sqnr_db, kl = c.attention_kl, rows = c.k.rows } end),\n"
    "  step('kivigroup', function(lab) local k = lab.gaussian { rows = 64, cols = 64 }\n"
    "    return lab.kivi { k = k, v = k, residual = 33 } end),\n"
    "  step('kiviformat', function(lab) local k = lab.gaussian { rows = 64, cols = 64 }\n"
    "    return lab.kivi { k = k, v = k, format = 'e4m3' } end),\n"
    "  step('attend', function(lab) return attend(lab, {}) end),\n"
    "  step('attendone', function(lab) return attend(lab, { rounded_v = false }) end),\n"
    "  step('attendnone', function(lab) return attend(lab, { rounded_k = false, rounded_v = false }) end),\n"
    "  step('attendheads', function(lab) return attend(lab, { kv_heads = 3 }) end),\n"
    "  step('attenddim', function(lab) return attend(lab, { kv_heads = 1 }) end),\n"
    "  step('attendlong', function(lab) return attend(lab, { q = lab.gaussian { rows = 301, cols = 128 } }) end),\n"
    "  step('attendother', function(lab) return attend(lab, { rounded_k = lab.gaussian { rows = 300, cols = 32 } })\n"
    "    end),\n"
    "  step('attendnan', function(lab) local k = lab.gaussian { rows = 300, cols = 64 }\n"
    "    local none = k:take(1):minus(k:take(1)) return attend(lab, { v = k:divided(none) }) end),\n"
    "}\n";

static struct labproc *lab;
static long next_id = 1;

static json_t *ask(const char *step)
{
    return labtest_reply(lab, next_id++, LESSON, step);
}

static void cache(void **state)
{
    static float k[300 * 64], v[300 * 64];
    struct kivi here;
    const struct kivi_recipe recipe = { format_find("int2"), 32, 64 };
    (void)state;
    random_gaussian(k, 300 * 64, SEED, 1);
    random_outlier_channels(k, 300, 64, SEED, 2, 20, 60, NULL);
    random_gaussian(v, 300 * 64, SEED + STREAM, 1);
    assert_int_equal(kivi_round(k, v, 300, 64, &recipe, &here), KERNEL_OK);
    json_t *reply = ask("kivi");
    labtest_near(labtest_value(reply, "answer"), meter_compare(k, here.k, 300 * 64).sqnr_db, 1e-6);
    labtest_near(labtest_value(reply, "v"), meter_compare(v, here.v, 300 * 64).sqnr_db, 1e-6);
    labtest_near(labtest_value(reply, "bits"), here.bits, 1e-9);
    assert_true(labtest_value(reply, "k_tail") == 300 % 64);
    assert_true(labtest_value(reply, "v_tail") == 64 && labtest_value(reply, "rows") == 300);
    assert_true(labtest_value(reply, "output") > 0 && labtest_value(reply, "kl") > 0);
    kivi_free(&here);
    json_decref(reply);
}

/* The same comparison in this process, of both sides of the cache or of the keys alone. */
static void attend_like_here(const char *step, bool values_too)
{
    static float k[300 * 64], v[300 * 64], q[8 * 128], weights[300];
    const struct causal task = { 8, 300, 4, 2, 32, q, k, v };
    const struct recipe_words words = { .format = "int4", .scale = "group:32" };
    struct recipe recipe;
    struct quant rounded_k, rounded_v;
    struct causal_change here;
    char why[160];
    random_gaussian(k, 300 * 64, SEED, 1);
    random_gaussian(v, 300 * 64, SEED + STREAM, 1);
    random_gaussian(q, 8 * 128, SEED + 2 * STREAM, 1);
    assert_true(recipe_parse(&words, &recipe, why, sizeof why));
    assert_int_equal(quantize(k, 300, 64, &recipe, NULL, &rounded_k), KERNEL_OK);
    assert_int_equal(quantize(v, 300, 64, &recipe, NULL, &rounded_v), KERNEL_OK);
    assert_int_equal(causal_compare(&task, rounded_k.values, values_too ? rounded_v.values : v, weights, NULL, &here),
                     KERNEL_OK);
    json_t *reply = ask(step);
    labtest_near(labtest_value(reply, "answer"), here.kl, 1e-12);
    labtest_near(labtest_value(reply, "db"), here.output.sqnr_db, 1e-9);
    labtest_near(labtest_value(reply, "relative"), pow(10, -here.output.sqnr_db / 20), 1e-9);
    labtest_near(labtest_value(reply, "first"), (double)weights[0], 1e-9);
    assert_true(labtest_value(reply, "queries") == 8);
    assert_true(labtest_value(reply, "tokens") == 300 && labtest_value(reply, "answer") > 0);
    json_decref(reply);
    quant_free(&rounded_k);
    quant_free(&rounded_v);
}

static void attended(void **state)
{
    (void)state;
    attend_like_here("attend", true);
    attend_like_here("attendone", false);
}

/* Attention whose answer is known: equal keys weigh all values alike; a far larger score takes all. */
static void attention(void **state)
{
    const float k[3 * 2] = { 1, 0, 1, 0, 1, 0 }, far[3 * 2] = { 0, 0, 200, 0, 0, 0 }, v[3 * 2] = { 3, 0, 6, 3, 0, 0 };
    const float q[2] = { 5, 7 };
    double weights[3];
    float out[2];
    (void)state;
    kivi_attend(q, k, v, 3, 2, weights, out);
    labtest_near((double)out[0], 3, 1e-6);
    labtest_near((double)out[1], 1, 1e-6);
    kivi_attend(q, far, v, 3, 2, weights, out);
    assert_true(out[0] == 6 && out[1] == 3 && weights[1] == 1);
}

static void refused(void **state)
{
    static const char *const cases[][2] = {
        { "kivigroup", "residual is a multiple of group" },
        { "kiviformat", "an integer format" },
        { "attendnone", "give rounded_k, rounded_v or both" },
        { "attendheads", "4 is none of 3" },
        { "attenddim", "here 8x128, 300x64 and 300x64, with 4 and 1 heads" },
        { "attendlong", "q has 301 rows, but k only 300 tokens" },
        { "attendother", "rounded_k is 300x32, and what it was rounded from 300x64" },
        { "attendnan", "v has values that are NaN or infinite" },
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
        cmocka_unit_test(cache),
        cmocka_unit_test(attended),
        cmocka_unit_test(attention),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
