/* test_host_time.c: what lab.gemv and lab.attention say of formats, activations and threads, asked by a lesson's
 * script. Times are not judged here, only what was timed; sizes are small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/host.h"
#include "engine/watch.h"
#include "kernels/cpu.h"

static const char lesson[] =
    "return lesson { id = 't', title = 'T', win = 'w',\n"
    "  predict { id = 'gemv', ask = 'q', number = { within = '1 %' }, compute = function(lab)\n"
    "      local t = lab.gemv { formats = { 'bf16', 'e4m3:bf16', 'mxfp4', 'nvfp4:bf16', 'int8:fp32', 'int8' },\n"
    "        rows = 64, cols = 512, rounds = 3, threads = 2 }\n"
    "      local seen = {}\n"
    "      for i = 1, 6 do seen[i] = t[i].activations end\n"
    "      assert(table.concat(seen, ' ') == 'fp32 bf16 int8 bf16 fp32 int8', table.concat(seen, ' '))\n"
    "      assert(t[6].granularity == 'one scale a token')\n"
    "      assert(t[1].bytes == 64 * 512 * 2 and t[3].bytes == 64 * 512 * 17 // 32)\n"
    "      assert(t[4].bytes == 64 * 512 * 9 // 16)\n"
    "      return { answer = t[3].bytes } end, reveal = function() return { 'r' } end },\n"
    "  predict { id = 'unknown', ask = 'q', number = { within = '1 %' }, compute = function(lab)\n"
    "      lab.gemv { formats = { 'mxfp4:fp32' }, rows = 64, cols = 512 } end,\n"
    "    reveal = function() return { 'r' } end },\n"
    "  predict { id = 'plain', ask = 'q', number = { within = '1 %' }, compute = function(lab)\n"
    "      local part = lab.gemv { formats = { 'int4', 'int4-naive' }, rows = 1024, cols = 65536 }\n"
    "      local whole = lab.gemv { formats = { 'int4-naive' }, rows = 256, cols = 65536 }\n"
    "      assert(part[1].timed_rows == 1024 and part[2].timed_rows == 256 and whole[1].timed_rows == 256)\n"
    "      assert(part[2].bytes == part[1].bytes and part[2].bytes == 4 * whole[1].bytes)\n"
    "      return { answer = part[2].fastest / whole[1].fastest } end, reveal = function() return { 'r' } end },\n"
    "  predict { id = 'many', ask = 'q', number = { within = '1 %' }, compute = function(lab)\n"
    "      local t = lab.gemv { formats = { 'int4' }, batches = { 1, 256 }, rows = 2048, cols = 4096 }\n"
    "      assert(t[1].timed_rows == 2048 and t[1].bytes == t[2].bytes and t[2].flops == 256 * t[1].flops)\n"
    "      return { answer = t[2].timed_rows } end, reveal = function() return { 'r' } end },\n"
    "  predict { id = 'attention', ask = 'q', number = { within = '1 %' }, compute = function(lab)\n"
    "      local cases = {}\n"
    "      for i, f in ipairs { 'bf16', 'int8', 'e4m3', 'int4' } do\n"
    "        cases[i] = { name = f, heads = 4, kv_heads = 2, head_dim = 64, tokens = 256, format = f }\n"
    "      end\n"
    "      local t = lab.attention { cases = cases, rounds = 3, threads = 2 }\n"
    "      assert(t[1].output_sqnr_db > 110 and t[1].output_sqnr_db < 160)\n"
    "      for i = 2, 4 do assert(t[i].output_sqnr_db < t[i - 1].output_sqnr_db - 5) end\n"
    "      assert(t[4].output_sqnr_db > 10)\n"
    "      return { answer = 1 } end, reveal = function() return { 'r' } end },\n"
    "}\n";

static json_t *compute(const char *step, struct host_problem *problem)
{
    const struct host_env env = { .quick = strcmp(step, "plain") == 0 || strcmp(step, "many") == 0 };
    struct host *h = host_new(&env);
    assert_non_null(h);
    watch_worker();
    watch_begin(1);
    if (!host_load(h, "t.lua", lesson, strlen(lesson), NULL, problem))
        fail_msg("%s", problem->text);
    json_t *knobs = json_object(), *answer = host_compute(h, step, 1, knobs, problem);
    json_decref(knobs);
    host_free(h);
    return answer;
}

static void products_name_their_activations(void **state)
{
    (void)state;
    struct host_problem problem = {.text = ""};
    json_t *answer = compute("gemv", &problem);
    if (!answer)
        fail_msg("%s", problem.text);
    assert_true(json_number_value(answer) == 64 * 512 * 17 / 32.0);
    json_decref(answer);
}

/* A plain loop computes a quarter of this matrix, and its time is that of the whole: four times the quarter's. Other
 * work may slow one of the two, so it is tried again. */
static void a_plain_loop_is_timed_on_a_part(void **state)
{
    double times = 0;
    (void)state;
    for (int n = 0; n < 5 && (times < 2.5 || times > 6.5); n++) {
        struct host_problem problem = {.text = ""};
        json_t *answer = compute("plain", &problem);
        if (!answer)
            fail_msg("%s", problem.text);
        times = json_number_value(answer);
        json_decref(answer);
    }
    if (times < 2.5 || times > 6.5)
        fail_msg("%g times the quarter", times);
}

static void a_large_batch_is_timed_on_a_part(void **state)
{
    struct host_problem problem = {.text = ""};
    json_t *answer = compute("many", &problem);
    (void)state;
    if (!answer)
        fail_msg("%s", problem.text);
    assert_true(json_number_value(answer) == 1024);
    json_decref(answer);
}

static void a_product_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct host_problem problem = {.text = ""};
    assert_null(compute("unknown", &problem));
    assert_non_null(strstr(problem.text, "no kernel for format 'mxfp4:fp32'"));
}

static void attention_tells_what_its_cache_costs(void **state)
{
    (void)state;
    struct host_problem problem = {.text = ""};
    json_t *answer = compute("attention", &problem);
    if (!answer)
        fail_msg("%s", problem.text);
    json_decref(answer);
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_name_their_activations),
        cmocka_unit_test(a_plain_loop_is_timed_on_a_part),
        cmocka_unit_test(a_large_batch_is_timed_on_a_part),
        cmocka_unit_test(a_product_that_is_not_there_is_told),
        cmocka_unit_test(attention_tells_what_its_cache_costs),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    host_forget();
    return failed;
}
