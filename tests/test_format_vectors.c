/* test_format_vectors.c: encoders against what the ml_dtypes package gives, kept in tests/vectors/ml_dtypes.txt.
 * That file says for every format where codes change over all floats; so each boundary is tried from both sides.
 * Overflow is the format's own, as the package has it. NaN differs by design: ours has one code, theirs keep signs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/format.h"

struct line {
    char     name[16];
    uint32_t bits, code;
};

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool encodes(const struct format *f, uint32_t bits, uint32_t code)
{
    const struct cast native = {ROUND_NEAREST, OVERFLOW_NATIVE, 0};
    float x = of_bits(bits);
    bool both_nan = isnan(format_decode(f, code)) && isnan(format_decode(f, format_encode(f, x, native)));
    return isnan(x) || both_nan || format_encode(f, x, native) == code;
}

/* How many lines, or the floats just before them, get another code. `planted` is added to every expected code. */
static size_t count_wrong(uint32_t planted, size_t *lines)
{
    FILE *file = fopen("tests/vectors/ml_dtypes.txt", "r");
    struct line now, last = {"", 0, 0};
    char text[120];
    size_t wrong = 0;
    assert_non_null(file);
    for (*lines = 0; fgets(text, sizeof text, file);) {
        if (sscanf(text, "%15s %x %x", now.name, &now.bits, &now.code) != 3 || *now.name == '#')
            continue;
        const struct format *f = format_find(now.name);
        assert_non_null(f);
        /* the package takes subnormals just above 2^-127 to 2^-126, which is not the nearest */
        bool subnormal_power = f->kind == FORMAT_POWER && now.bits < 0x00800000 && now.bits > 0x00400000;
        bool follows = strcmp(now.name, last.name) == 0 && now.bits << 1 && f->bits <= 8;
        size_t before = wrong;
        wrong += !subnormal_power && !encodes(f, now.bits, now.code + planted);
        wrong += follows && !encodes(f, now.bits - 1, last.code + planted);
        if (wrong > before && !planted)
            print_error("%s: %08x or the float before it\n", now.name, now.bits);
        last = now;
        (*lines)++;
    }
    fclose(file);
    return wrong;
}

static void codes_change_where_ml_dtypes_changes(void **state)
{
    (void)state;
    size_t lines;
    assert_int_equal(count_wrong(0, &lines), 0);
    assert_true(lines > 3000);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    size_t lines;
    assert_true(count_wrong(1, &lines) > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_change_where_ml_dtypes_changes),
        cmocka_unit_test(a_planted_fault_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
