/* test_dives: the full-text index of deep dives: whole words, beginnings, typos, what ranks first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "db/dives.h"

static struct dives *filled(void)
{
    static const char *const texts[][2] = {
        { "Is INT4 always faster?", "The loop must keep up with the memory. Unpacking is work." },
        { "What are outliers?", "Large channels in the activations, at the tokens. Is it always so?" },
        { "Does the cache grow?", "The keys and the values of the tokens are kept. INT4 makes it smaller." },
        { "Why does the speculative decoder win?", "The memory is the limit." },
    };
    struct dives *d = dives_new();
    assert_non_null(d);
    for (long i = 0; i < 4; i++)
        assert_true(dives_add(d, 10 * (i + 1), texts[i][0], texts[i][1]));
    return d;
}

static void check(struct dives *d, const char *words, long first, int count)
{
    struct dives_hit hits[8];
    int found = dives_find(d, words, hits, 8);
    if (found != count || (count && hits[0].id != first))
        fail_msg("'%s': %d found, the first %ld", words, found, found ? hits[0].id : 0);
}

static void words_and_typos(void **state)
{
    struct dives *d = filled();
    (void)state;
    check(d, "outliers", 20, 1);
    check(d, "OUTLIERS!", 20, 1);
    check(d, "outl", 20, 1);              /* a beginning */
    check(d, "outleirs", 20, 1);          /* a swap */
    check(d, "oultierz", 20, 1);          /* two edits of eight letters */
    check(d, "specullativ decodre", 40, 1);
    check(d, "chanels", 20, 1);
    check(d, "memry", 40, 2);             /* the shorter text */
    check(d, "int4", 10, 2);              /* in the title before in the body */
    check(d, "int4 cache", 30, 2);        /* both words before one */
    check(d, "zebra", 0, 0);
    check(d, "the", 40, 4);               /* in most texts: counts only alone */
    check(d, "the outliers", 20, 1);
    check(d, "", 0, 0);
    check(d, " ,. \"* OR NOT", 0, 0);
    check(d, "\" OR title:\" '); DROP", 0, 0);
    check(d, "NEAR(memory loop)", 10, 2);
    dives_free(d);
}

static void an_empty_index_finds_nothing(void **state)
{
    struct dives *d = dives_new();
    struct dives_hit hits[2];
    (void)state;
    assert_int_equal(dives_find(d, "memory", hits, 2), 0);
    dives_free(d);
    dives_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(words_and_typos),
                                        cmocka_unit_test(an_empty_index_finds_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
