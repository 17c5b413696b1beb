/* test_bench.c: what the bench must say, in this process: every kernel of the table timed, rows that hold together,
 * what --only leaves, cancel. How fast anything is, is no test's business. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/bench.h"
#include "engine/benchcase.h"
#include "engine/view.h"

static int asked, stop_at;

static bool go_on(void *ctx, double fraction, const char *label)
{
    assert_null(ctx);
    assert_true(fraction >= 0 && fraction <= 1 && label && *label);
    return ++asked != stop_at;
}

static json_t *run(const char *only, const char *size, int rounds, enum isa isa, struct pool *pool, char error[512])
{
    const struct bench_env env = { .isa = isa, .pool = pool, .device = "cpu", .progress = go_on };
    json_t *request = json_pack("{s:i}", "rounds", rounds);
    if (only)
        json_object_set_new(request, "only", json_string(only));
    if (size)
        json_object_set_new(request, "size", json_string(size));
    *error = '\0';
    asked = 0;
    json_t *reply = bench_run(request, &env, error, 512);
    json_decref(request);
    if (!reply && !*error)
        fail_msg("neither a reply nor an error");
    return reply;
}

static const json_t *list_of(const json_t *reply, const char *name)
{
    return json_object_get(json_object_get(reply, "bench"), name);
}

/* Each operation of the kernel table has a family, but for the plain loops, which are limits. */
static void every_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < kernel_count(); i++) {
        bool found = kernel_at(i)->op == KERNEL_READ || kernel_at(i)->op == KERNEL_MOVE;
        for (size_t k = 0; benchfamily_at(k); k++)
            found = found || benchfamily_at(k)->op == kernel_at(i)->op;
        if (!found)
            fail_msg("%s: its operation is not timed, add a row to benchcase.c", kernel_at(i)->function);
    }
}

/* Every kernel that this processor can run is timed, at the fastest for its format, or by being forced. */
static void every_kernel(void **state)
{
    (void)state;
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        char error[512];
        if (!cpu_info()->has[isa])
            continue;
        json_t *reply = run(NULL, "cache", 1, (enum isa)isa, NULL, error);
        if (!reply)
            fail_msg("%s", error);
        for (size_t i = 0; i < kernel_count(); i++) {
            enum kernel_op op = kernel_at(i)->op;
            bool found = op == KERNEL_READ || op == KERNEL_MOVE || kernel_at(i)->isa != (enum isa)isa;
            const json_t *rows = list_of(reply, "kernels");
            for (size_t k = 0; k < json_array_size(rows) && !found; k++)
                found = strcmp(view_text(json_array_get(rows, k), "function", ""), kernel_at(i)->function) == 0;
            if (!found)
                fail_msg("%s was not timed with %s", kernel_at(i)->function, isa_name((enum isa)isa));
        }
        json_decref(reply);
    }
}

static void check_row(const json_t *row, enum isa isa, int threads)
{
    double bytes = view_number(row, "bytes", 0), us = view_number(row, "us", 0);
    double speed = view_number(row, "gb_per_s", 0);
    enum isa used;
    assert_true(bytes > 0 && us > 0 && fabs(speed - bytes / us * 1e-3) <= 1e-9 * speed);
    assert_true(view_number(row, "of_stream", 0) > 0 && view_number(row, "of_read", 0) > 0);
    assert_true(isa_find(view_text(row, "isa", ""), &used) && isa_allows(isa, used));
    assert_int_equal((int)view_number(row, "threads", 0), threads);
    assert_string_equal(view_text(row, "device", ""), "cpu");
    bool product = strncmp(view_text(row, "op", ""), "gemv", 4) == 0;
    assert_int_equal(view_number(row, "of_f16", 0) > 0, product);
    assert_int_equal(json_is_null(json_object_get(row, "of_f16")), !product);
}

static void rows(void **state)
{
    static const struct {
        const char *only;
        size_t      count;
    } cases[] = { { "encode:e4m3", 1 }, { "decode:mxfp4", 1 }, { "gemv:int8", 1 },
        { "dequantize:nvfp4", 1 }, { "attention:e4m3", 2 } };
    struct pool *pool = pool_open(2);
    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        char error[512], op[32];
        struct pool *with = i % 2 ? pool : NULL;
        const char *only = cases[i / 2].only;
        json_t *reply = run(only, "cache", 3, cpu_info()->best, with, error);
        assert_non_null(reply);
        snprintf(op, sizeof op, "%.*s", (int)strcspn(only, ":"), only);
        const json_t *kernels = list_of(reply, "kernels"), *row = json_array_get(kernels, 0);
        assert_true(json_array_size(kernels) >= cases[i / 2].count);
        assert_string_equal(view_text(row, "op", ""), op);
        assert_string_equal(view_text(row, "format", ""), strchr(only, ':') + 1);
        assert_string_equal(view_text(row, "size", ""), "cache");
        check_row(row, cpu_info()->best, pool_threads(with));
        assert_true(json_array_size(list_of(reply, "limits")) == 5);
        assert_true(view_check_list(json_object_get(reply, "blocks"), error, sizeof error));
        json_decref(reply);
    }
    pool_close(pool);
}

static void limits(void **state)
{
    static const char *const names[] = { "R", "S", "S", "S", "memcpy" };
    char error[512];
    (void)state;
    json_t *reply = run("decode:fp16", "cache", 5, ISA_SCALAR, NULL, error);
    const json_t *list = list_of(reply, "limits"), *machine = list_of(reply, "machine");
    assert_int_equal(json_array_size(list), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(view_text(json_array_get(list, i), "name", ""), names[i]);
        assert_true(view_number(json_array_get(list, i), "gb_per_s", 0) > 0);
    }
    assert_string_equal(view_text(machine, "cpu", ""), cpu_info()->model);
    assert_string_equal(view_text(machine, "isa", ""), "scalar");
    assert_true(view_number(json_object_get(machine, "caches"), "last_bytes", 0) ==
                (double)cpu_info()->last_cache_bytes);
    json_decref(reply);
}

/* From memory: more bytes than four times the last cache, in slices that do not come back at once. */
static void from_memory(void **state)
{
    struct benchmemory memory;
    struct benchcase c;
    const struct benchfamily *family = benchfamily_at(0);
    (void)state;
    if (!benchmemory_open(&memory, false, 1))
        skip();
    assert_true((double)memory.target > 4.0 * (double)cpu_info()->last_cache_bytes);
    const struct kernel *k = kernel_find(family->op, "int8", ISA_SCALAR);
    assert_int_equal(benchcase_open(&c, family, k, format_find("int8"), 0, &memory), KERNEL_OK);
    assert_true((double)c.units * (c.read + c.written) > 4.0 * (double)cpu_info()->last_cache_bytes);
    assert_true(c.read == 4 * c.values && c.written == c.values);
    benchcase_run(&c, c.units - 1, c.units);
    benchcase_close(&c);
    benchmemory_close(&memory);
}

static void refused(void **state)
{
    static const char *const cases[][4] = {
        { "encode", "vast", NULL, "--size cannot be 'vast'" },
        { "encodes", "cache", NULL, "did you mean 'encode'" },
        { "zzz", "cache", NULL, "use encode, encode-stats" },
        { "encode:int88", "cache", NULL, "did you mean 'int8'" },
        { "gemv:e8m0", "cache", NULL, "no kernel does 'gemv' for format 'e8m0'" },
    };
    char error[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(run(cases[i][0], cases[i][1], 1, cpu_info()->best, NULL, error));
        if (!strstr(error, cases[i][3]) || strchr(error, '\n'))
            fail_msg("'%s' says '%s'", cases[i][0], error);
    }
    assert_null(run(NULL, "cache", 0, ISA_SCALAR, NULL, error));
    assert_null(run(NULL, "cache", 1000, ISA_SCALAR, NULL, error));
}

static void canceled(void **state)
{
    char error[512];
    (void)state;
    for (stop_at = 1; stop_at < 12; stop_at += 5) {
        assert_null(run("encode", "cache", 5, cpu_info()->best, NULL, error));
        assert_string_equal(error, "canceled");
        assert_int_equal(asked, stop_at);
    }
    stop_at = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation), cmocka_unit_test(every_kernel), cmocka_unit_test(rows),
        cmocka_unit_test(limits),          cmocka_unit_test(from_memory),  cmocka_unit_test(refused),
        cmocka_unit_test(canceled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
