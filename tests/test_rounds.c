/* test_rounds: timings in rounds, on times that are planted: medians, ratios, orders with their ties, and noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "engine/rounds.h"

static struct rounds planted(const double *a, const double *b, int n)
{
    struct rounds r = { .series = 2, .kept = n };
    memcpy(r.seconds[0], a, (size_t)n * sizeof *a);
    memcpy(r.seconds[1], b, (size_t)n * sizeof *b);
    return r;
}

static void ratios_are_taken_within_a_round(void **state)
{
    /* The machine slows down fourfold; b is always twice as fast as a. */
    static const double a[] = { 1, 2, 3, 4, 4 }, b[] = { 0.5, 1, 1.5, 2, 2 };
    struct rounds r = planted(a, b, 5);
    struct spread s = rounds_ratio(&r, 0, 1), t = rounds_seconds(&r, 0);
    (void)state;
    assert_true(s.median == 2 && s.low == 2 && s.high == 2);
    assert_true(t.median == 3 && t.low == 2 && t.high == 4);
    assert_true(rounds_fastest(&r, 0) == 1);
    assert_true(rounds_noisy(&r)); /* quartiles 2 apart */
}

static void orders_know_their_ties(void **state)
{
    static const double a[] = { 1, 1.1, 1, 1.1, 1 }, b[] = { 1.05, 1.05, 1.05, 1.05, 1.05 }, c[] = { 3, 3, 3, 3, 3 };
    struct rounds r = planted(a, b, 5);
    int order[3];
    bool tied[3] = { false };
    (void)state;
    r.series = 3;
    memcpy(r.seconds[2], c, sizeof c);
    rounds_order(&r, 3, order, tied);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 2);
    assert_true(tied[0]);
    assert_false(tied[1]);
    assert_false(rounds_noisy(&r));
    r.dropped = 3;
    assert_true(rounds_noisy(&r)); /* 3 of 8 */
    r.dropped = 2;
    assert_false(rounds_noisy(&r));
    r.drift = 1.6; /* the clock went down by a third meanwhile */
    assert_true(rounds_noisy(&r));
}

static void a_part_stands_for_the_whole(void **state)
{
    static const double whole[] = { 4, 4.4, 4 }, eighth[] = { 1, 1.1, 1 };
    struct rounds r = planted(whole, eighth, 3);
    int order[2];
    bool tied[2] = { false };
    (void)state;
    rounds_scale(&r, 1, 8);
    assert_true(rounds_seconds(&r, 1).high == 8 * 1.1 && rounds_ratio(&r, 0, 1).median == 0.5);
    rounds_order(&r, 2, order, tied);
    assert_int_equal(order[0], 0);
    assert_false(tied[0]);
}

struct work {
    int  calls, end;
    bool sleep;
};

static bool work(void *ctx, int i)
{
    struct work *w = ctx;
    (void)i;
    if (w->sleep) {
        struct timespec pause = { 0, 2000000 };
        nanosleep(&pause, NULL); /* off its core, as if something else had taken it */
    } else
        for (volatile int k = 0; k < 200000; k++)
            ;
    return ++w->calls != w->end;
}

static void interrupted_rounds_are_dropped(void **state)
{
    struct rounds r = { .alone = true };
    struct work asleep = { .sleep = true }, ended = { .end = 3 }, many = { 0 };
    (void)state;
    assert_true(rounds_time(&r, 2, 5, 10, work, &asleep, NULL));
    assert_int_equal(r.dropped, 5);
    assert_int_equal(r.kept, 3); /* shown all the same */
    assert_true(rounds_noisy(&r));
    r.alone = false; /* a thread that waits for others is off its core, and nothing is wrong */
    assert_true(rounds_time(&r, 2, 5, 10, work, &asleep, NULL));
    assert_int_equal(r.dropped, 0);
    assert_int_equal(r.kept, 5);
    assert_false(rounds_time(&r, 2, 5, 10, work, &ended, NULL));
    assert_true(rounds_time(&r, 1, 31, 0, work, &many, NULL)); /* no budget: three rounds, and no second time */
    assert_int_equal(many.calls, 3);
    assert_true(r.drift > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_are_taken_within_a_round),
        cmocka_unit_test(orders_know_their_ties),
        cmocka_unit_test(a_part_stands_for_the_whole),
        cmocka_unit_test(interrupted_rounds_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
