/* test_kernels_limit: the plain loops read every byte once, write every byte once, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/limit.h"
#include "kernels/random.h"

enum { MOST = 1 << 20, GUARD = 64 };

static void moves(void **state)
{
    static const size_t sizes[][2] = {
        { 0, 0 },         { 256, 0 },      { 0, 256 },      { MOST, 0 },          { 0, MOST },     { MOST, 256 },
        { 256, MOST },    { MOST, MOST },  { 4096, 1024 },  { MOST, MOST / 4 },   { 8192, 1280 },  { 1280, 8192 },
        { 70400, 9216 },  { MOST, 131328 }, { 131328, MOST }, { 4352, 4096 },
    };
    uint64_t *from = aligned_alloc(64, MOST);
    uint8_t *to = aligned_alloc(64, MOST + GUARD);
    size_t ran = 0;
    (void)state;
    for (size_t i = 0; i < MOST / 8; i++)
        from[i] = (uint64_t)random_bits(1, STREAM_VALUES, 2 * i) << 32 | random_bits(1, STREAM_VALUES, 2 * i + 1);
    for (size_t k = 0; k < limit_count(); k++)
        for (size_t i = 0; cpu_info()->has[limit_at(k)->isa] && i < sizeof sizes / sizeof sizes[0]; i++, ran++) {
            uint64_t sum = 0;
            memset(to, 0, MOST + GUARD);
            for (size_t j = 0; j < sizes[i][0] / 8; j++)
                sum += from[j];
            assert_true(limit_at(k)->run(from, sizes[i][0], to, sizes[i][1]) == sum);
            for (size_t j = 0; j < MOST + GUARD; j++)
                if (to[j] != (j < sizes[i][1] ? LIMIT_FILL : 0))
                    fail_msg("%s: %zu read, %zu written: byte %zu", limit_at(k)->function, sizes[i][0], sizes[i][1], j);
        }
    assert_true(ran >= 2 * sizeof sizes / sizeof sizes[0]);
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(moves) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
