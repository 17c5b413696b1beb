/* test_timed_size: how large what is timed is made, for caches and memories that this machine need not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/timedsize.h"

#define GIB 0x1p30
enum { MIB = 1 << 20, COLS = 4096 };
static const struct timedsize_bytes four_formats = { 0.5, 4 + 1 + 0.5 + 0.5 };

static size_t weights(size_t cache, double memory)
{
    return timedsize_rows(cache, memory, COLS, four_formats) * COLS;
}

static void the_narrowest_matrix_leaves_the_cache(void **state)
{
    static const size_t caches[] = { 1 * MIB, 8 * MIB, 32 * MIB, 105 * MIB, 300 * MIB };
    (void)state;
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
        assert_true(weights(caches[i], 256 * GIB) / 2 > caches[i]);
    assert_int_equal(weights(32 * MIB, 256 * GIB), 4 * 32 * MIB);
    assert_true(weights(1000u * MIB, 1024 * GIB) <= 1000000000);
}

static void a_wide_format_alone_needs_fewer_weights(void **state)
{
    static const struct timedsize_bytes fp32 = { 4, 4 }, int8 = { 1, 1 }, int4 = { 0.5, 0.5 };
    (void)state;
    assert_int_equal(timedsize_rows(32 * MIB, 256 * GIB, COLS, fp32) * COLS * 4, 4 * 32 * MIB);
    assert_int_equal(timedsize_rows(32 * MIB, 256 * GIB, COLS, int8) * COLS, 4 * 32 * MIB);
    assert_int_equal(timedsize_rows(32 * MIB, 256 * GIB, COLS, int4) * COLS / 2, 2 * 32 * MIB);
}

static void a_quarter_of_the_memory_is_enough(void **state)
{
    (void)state;
    assert_true((double)weights(300 * MIB, 2 * GIB) * four_formats.all <= 0.5 * GIB);
    assert_int_equal(timedsize_rows(16, 256 * GIB, COLS, four_formats), 64);
}

static void only_a_large_matrix_is_cut(void **state)
{
    size_t rows = weights(32 * MIB, 256 * GIB) / COLS;
    (void)state;
    assert_int_equal(timedsize_part(rows, COLS, TIMEDSIZE_PLAIN), rows);
    rows = weights(300 * MIB, 256 * GIB) / COLS;
    assert_int_equal(timedsize_part(rows, COLS, TIMEDSIZE_PLAIN), 32768);
    assert_int_equal(timedsize_part(rows, COLS, TIMEDSIZE_PRODUCTS / 1), rows);
    assert_int_equal(timedsize_part(rows, COLS, TIMEDSIZE_PRODUCTS / 256), 8192);
    assert_int_equal(timedsize_part(5000, 65536, TIMEDSIZE_PLAIN), 2048);
    assert_int_equal(timedsize_part(3, 0x10000000, TIMEDSIZE_PLAIN), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_narrowest_matrix_leaves_the_cache),
        cmocka_unit_test(a_wide_format_alone_needs_fewer_weights),
        cmocka_unit_test(a_quarter_of_the_memory_is_enough),
        cmocka_unit_test(only_a_large_matrix_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
