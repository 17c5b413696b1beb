/* test_db_fsrs.c: FSRS-6 against the published vectors of py-fsrs, ts-fsrs and fsrs-rs, and a card's way through its
 * steps: learning, review, lapse, surprise, whatever the clock does. */
#include "db/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE 60000
#define DAY    86400000

static const double *const w = fsrs_defaults;

/* Published numbers have 7 to 10 digits; those of fsrs-rs are single precision. */
static void near(double value, double published, double tolerance)
{
    if (!(fabs(value - published) <= tolerance * fabs(published)))
        fail_msg("%.10g is not %.10g", value, published);
}

/* ---- vectors ---- */

/* A: py-fsrs test_review_card, ts-fsrs ivl_history; each review exactly when it is due. */
static void a_history_of_thirteen(void **state)
{
    static const struct {
        int    good, days;
        double stability, difficulty;
    } steps[] = {
        { 1, 0, 2.3065, 2.11810397 },         { 1, 2, 2.3065, 2.111214236 },      { 1, 11, 10.97104826, 2.104331391 },
        { 1, 46, 46.31685844, 2.097455429 },  { 1, 163, 162.9998158, 2.090586343 },
        { 1, 498, 497.8765551, 2.083724126 }, { 0, 0, 6.890412508, 7.38320232 },  { 0, 0, 2.154598374, 9.125104766 },
        { 1, 2, 2.154598374, 9.111208031 },   { 1, 4, 3.98312338, 9.097325192 },  { 1, 7, 7.236254477, 9.083456236 },
        { 1, 12, 12.48304358, 9.069601149 },  { 1, 21, 20.77035728, 9.055759917 },
    };
    (void)state;
    int64_t         utc = 1669725000000; /* 2022-11-29T12:30Z */
    struct schedule card = { .state = SCHEDULE_NEW };
    schedule_reveal(&card, false, utc, schedule_day(utc, 0));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_true(schedule_is_due(&card, 0.9, 0, utc, 0));
        int64_t today = schedule_day(utc, 0);
        schedule_grade(&card, steps[i].good ? FSRS_GOOD : FSRS_AGAIN, utc, today);
        near(card.memory.stability, steps[i].stability, 1e-9);
        near(card.memory.difficulty, steps[i].difficulty, 1e-9);
        int64_t due = schedule_due(&card, 0.9, 0, 0);
        assert_int_equal(schedule_day(due, 0) - today, steps[i].days);
        if (steps[i].days == 0)
            assert_int_equal(due - utc, 10 * MINUTE);
        assert_int_equal(card.state, steps[i].days       ? SCHEDULE_REVIEW
                                     : card.lapses > 0 ? SCHEDULE_RELEARNING
                                                       : SCHEDULE_LEARNING);
        utc = due;
    }
    assert_int_equal(card.reviews, 13);
    assert_int_equal(card.lapses, 1);
}

/* B: the memory state of all three, with and without the weights of a same-day rating. */
static void b_memory_states(void **state)
{
    static const int    ratings[] = { 1, 3, 3, 3, 3, 3 }, days[] = { 0, 0, 1, 3, 8, 21 };
    static const double stability[] = { 0.212,       0.2466891878, 2.021477252,
                                        7.863698841, 21.91771315,  53.62690292 };
    static const double difficulty[] = { 6.4133,      6.402115069, 6.390941324,
                                         6.379778751, 6.368627342, 6.357487084 };
    static const double recall[] = { 1, 1, 0.780850277, 0.8706766387, 0.8988150628, 0.9029115139 };
    struct fsrs_memory  m = { 0, 0 }, still = { 0, 0 };
    double              same_day_off[FSRS_WEIGHTS];
    (void)state;
    memcpy(same_day_off, w, sizeof same_day_off);
    same_day_off[17] = same_day_off[18] = same_day_off[19] = 0;
    for (int i = 0; i < 6; i++) {
        if (i)
            near(fsrs_recall(w, days[i], m.stability), recall[i], 1e-9);
        m = fsrs_next(w, m, (enum fsrs_rating)ratings[i], days[i]);
        still = fsrs_next(same_day_off, still, (enum fsrs_rating)ratings[i], days[i]);
        near(m.stability, stability[i], 1e-9);
        near(m.difficulty, difficulty[i], 1e-9);
    }
    near(m.stability, 53.62691, 1e-6);
    near(still.stability, 53.335106, 1e-6);
    near(still.difficulty, 6.3574867, 1e-6);
}

static void c_first_ratings(void **state)
{
    static const double stability[] = { 0.212, 1.2931, 2.3065, 8.2956 };
    static const double difficulty[] = { 6.4133, 5.11217071, 2.11810397, 1 };
    static const int    days[] = { 0, 0, 0, 8 };
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct schedule card = { .state = SCHEDULE_NEW };
        int64_t         utc = 1700000000000, day = schedule_day(utc, 0);
        schedule_reveal(&card, false, utc, day);
        schedule_grade(&card, (enum fsrs_rating)(i + 1), utc, day);
        near(card.memory.stability, stability[i], 1e-9);
        near(card.memory.difficulty, difficulty[i], 1e-8);
        assert_int_equal(schedule_day(schedule_due(&card, 0.9, 0, 0), 0) - day, days[i]);
    }
    near(fsrs_recall(w, 8, 8.2956), 0.9024733, 1e-7);
}

static void d_unit_functions(void **state)
{
    static const double s[] = { 1, 2, 3, 4, 4, 2 };
    static const double r[] = { 1, 0.9403443, 0.9253786, 0.9185229, 0.9, 0.8261359 };
    static const double damped[] = { 8.354889, 6.6774445, 5.0, 3.3225555 };
    static const double reverted[] = { 8.341763, 6.6659956, 4.990228, 3.3144615 };
    static const double success[] = { 25.602541, 28.226582, 58.656002, 127.226685 };
    static const double failure[] = { 1.0525396, 1.1894329, 1.3680838, 1.584989 };
    static const double same_day[] = { 1.596818, 5.0, 5.0, 8.12961 };
    static const int    days[] = { 3116769, 34793, 2508, 387, 90, 27, 9, 3, 1, 1 };
    (void)state;
    for (int i = 0; i < 6; i++)
        near(fsrs_recall(w, i, s[i]), r[i], 1e-6);
    for (int i = 0; i < 4; i++) {
        struct fsrs_memory m = { 5, i + 1 };
        enum fsrs_rating   rating = (enum fsrs_rating)(i + 1);
        near(fsrs_damped_difficulty(w, 5, rating), damped[i], 1e-6);
        near(fsrs_next_difficulty(w, 5, rating), reverted[i], 1e-6);
        near(fsrs_success(w, m, 0.9 - 0.1 * i, rating), success[i], 1e-5);
        near(fsrs_failure(w, m, 0.9 - 0.1 * i), failure[i], 1e-6);
        near(fsrs_same_day(w, 5, rating), same_day[i], 1e-6);
    }
    for (int i = 0; i < 10; i++) {
        double exact = fmax(1, round(fsrs_days(w, 0.1 * (i + 1), 1)));
        assert_int_equal((int)exact, days[i]);
        assert_int_equal(fsrs_interval(w, 0.1 * (i + 1), 1), days[i] < 36500 ? days[i] : 36500);
    }
}

static void e_f_intervals_and_the_curve(void **state)
{
    static const double r[] = { .70, .80, .85, .90, .95, .97 };
    static const double days[] = { 92.8791, 33.1596, 19.0643, 10, 4.02559, 2.22768 };
    static const double t[] = { 0, 1, 2, 5, 10, 30, 100, 365 };
    static const double recall[] = { 1,   0.9856824, 0.9727696, 0.9403443,
                                     0.9, 0.8093881, 0.6928266, 0.5735587 };
    (void)state;
    for (int i = 0; i < 6; i++) {
        near(fsrs_days(w, r[i], 10), days[i], 1e-5);
        near(fsrs_days(w, r[i], 20), 2 * fsrs_days(w, r[i], 10), 1e-12);
    }
    for (int i = 0; i < 8; i++)
        near(fsrs_recall(w, t[i], 10), recall[i], 1e-7);
    assert_int_equal(fsrs_interval(w, 0.9, 2.5), 3); /* halves are rounded up */
    assert_int_equal(fsrs_interval(w, 0.9, 0.001), 1);
}

static void bounds_hold(void **state)
{
    (void)state;
    for (int first = 1; first <= 4; first++)
        for (int next = 1; next <= 4; next++) {
            struct fsrs_memory m = fsrs_next(w, (struct fsrs_memory){ 0, 0 }, (enum fsrs_rating)first, 0);
            for (int i = 0; i < 400; i++) {
                double before = m.stability;
                m = fsrs_next(w, m, (enum fsrs_rating)next, (int64_t)ceil(m.stability));
                assert_true(m.stability >= 0.001 && m.stability <= 36500);
                assert_true(m.difficulty >= 1 && m.difficulty <= 10);
                assert_true(next == 1 ? m.stability <= before : m.stability >= before);
            }
        }
    struct fsrs_memory m = { 5, 6 };
    near(fsrs_next(w, m, FSRS_HARD, 0).stability, 5, 0); /* fsrs-rs; py-fsrs would say 2.747 */
    near(fsrs_next(w, m, FSRS_GOOD, -3).stability, fsrs_next(w, m, FSRS_GOOD, 0).stability, 0);
}

/* The ranges of the algorithm's page; every day of a range is reached, none beyond. */
static void fuzz_stays_in_its_range(void **state)
{
    static const struct {
        int interval, low, high;
    } ranges[] = { { 1, 1, 1 },    { 2, 2, 2 },    { 3, 2, 4 },    { 5, 4, 6 },     { 7, 5, 9 },
                   { 10, 8, 12 },  { 20, 17, 23 }, { 50, 46, 54 }, { 100, 93, 107 }, { 365, 345, 385 } };
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        int low = 1 << 20, high = 0;
        for (uint32_t seed = 1; seed < 2000; seed++) {
            int days = fsrs_fuzz(ranges[i].interval, seed);
            assert_int_equal(days, fsrs_fuzz(ranges[i].interval, seed));
            low = days < low ? days : low;
            high = days > high ? days : high;
        }
        assert_int_equal(low, ranges[i].low);
        assert_int_equal(high, ranges[i].high);
    }
}

static void weights_have_a_name(void **state)
{
    char   a[9], b[9];
    double other[FSRS_WEIGHTS];
    (void)state;
    memcpy(other, w, sizeof other);
    other[20] += 1e-9;
    fsrs_hash(w, a);
    fsrs_hash(other, b);
    assert_int_equal(strlen(a), 8);
    assert_string_not_equal(a, b);
}

/* ---- a card's way ---- */

static const int64_t noon = 20000 * (int64_t)DAY + DAY / 2;

static struct schedule revealed(bool surprise)
{
    struct schedule card = { .state = SCHEDULE_NEW };
    schedule_reveal(&card, surprise, noon, 20000);
    return card;
}

static int64_t in_minutes(const struct schedule *card, int64_t utc)
{
    return (schedule_due(card, 0.9, 0, 0) - utc) / MINUTE;
}

static void learning_steps(void **state)
{
    (void)state;
    struct schedule card = revealed(false);
    assert_int_equal(in_minutes(&card, noon), 0);
    schedule_grade(&card, FSRS_AGAIN, noon, 20000);
    assert_int_equal(in_minutes(&card, noon), 1);
    schedule_grade(&card, FSRS_GOOD, noon, 20000);
    assert_int_equal(in_minutes(&card, noon), 10);
    schedule_grade(&card, FSRS_AGAIN, noon, 20000); /* back to the first */
    assert_int_equal(in_minutes(&card, noon), 1);
    schedule_grade(&card, FSRS_GOOD, noon, 20000);
    schedule_grade(&card, FSRS_GOOD, noon, 20000);
    assert_int_equal(card.state, SCHEDULE_REVIEW);
    assert_int_equal(card.lapses, 0); /* nothing had been learned that could be forgotten */
    struct schedule easy = revealed(false);
    schedule_grade(&easy, FSRS_EASY, noon, 20000);
    assert_int_equal(easy.state, SCHEDULE_REVIEW);
}

static void surprises_return_three_times(void **state)
{
    (void)state;
    struct schedule card = revealed(true);
    assert_int_equal(in_minutes(&card, noon), 10);
    assert_false(schedule_is_due(&card, 0.9, 0, noon + 9 * MINUTE, 0));
    schedule_grade(&card, FSRS_AGAIN, noon + 10 * MINUTE, 20000);
    assert_int_equal(schedule_day(schedule_due(&card, 0.9, 0, 0), 0), 20001);
    assert_true(card.memory.stability == 0);
    schedule_grade(&card, FSRS_GOOD, noon + DAY, 20001);
    assert_int_equal(schedule_day(schedule_due(&card, 0.9, 0, 0), 0), 20003);
    assert_true(card.memory.stability == 0);
    schedule_grade(&card, FSRS_GOOD, noon + 3 * (int64_t)DAY, 20003);
    assert_int_equal(card.state, SCHEDULE_LEARNING);
    near(card.memory.stability, w[2], 0); /* FSRS's first rating */
    assert_int_equal(card.reviews, 3);
}

static void late_returns_keep_their_distance(void **state)
{
    (void)state;
    struct schedule card = revealed(true);
    schedule_grade(&card, FSRS_GOOD, noon + 9 * (int64_t)DAY, 20009);
    assert_int_equal(schedule_day(schedule_due(&card, 0.9, 0, 0), 0), 20010);
    schedule_grade(&card, FSRS_GOOD, noon + 10 * (int64_t)DAY, 20010);
    assert_int_equal(schedule_day(schedule_due(&card, 0.9, 0, 0), 0), 20012);
}

static void an_evening_and_the_next_morning_are_a_day(void **state)
{
    (void)state;
    int64_t hour = DAY / 24, evening = noon + 11 * hour, night = noon + 15 * hour, morning = noon + 20 * hour;
    assert_int_equal(schedule_day(evening, 0), schedule_day(night, 0)); /* 23:00 and 03:00 */
    assert_int_equal(schedule_day(morning, 0), schedule_day(evening, 0) + 1);
    assert_int_equal(schedule_day_start(20001, 0), noon + 16 * hour);
    assert_int_equal(schedule_day_start(20001, 120), noon + 14 * hour); /* 04:00 at UTC+2 */
    struct schedule card = revealed(false);
    schedule_grade(&card, FSRS_GOOD, evening, schedule_day(evening, 0));
    double before = card.memory.stability;
    schedule_grade(&card, FSRS_GOOD, morning, schedule_day(morning, 0));
    near(card.memory.stability, fsrs_next(w, (struct fsrs_memory){ before, 2.11810397 }, FSRS_GOOD, 1).stability, 1e-6);
}

static void a_clock_that_jumps(void **state)
{
    (void)state;
    struct schedule card = revealed(false);
    schedule_grade(&card, FSRS_GOOD, noon, 20000);
    schedule_grade(&card, FSRS_GOOD, noon, 20000);
    struct fsrs_memory before = card.memory;
    schedule_grade(&card, FSRS_GOOD, noon - 50 * (int64_t)DAY, 19950); /* set back: the same day */
    near(card.memory.stability, fsrs_next(w, before, FSRS_GOOD, 0).stability, 0);
    schedule_grade(&card, FSRS_GOOD, noon + 4000 * (int64_t)DAY, 24000); /* graded in 2035, and back */
    assert_true(schedule_is_due(&card, 0.9, 0, noon, 0));
}

static void retention_moves_what_is_due(void **state)
{
    (void)state;
    struct schedule card = revealed(false);
    for (int i = 0; i < 5; i++) {
        int64_t due = schedule_due(&card, 0.9, 0, 0);
        schedule_grade(&card, FSRS_GOOD, due, schedule_day(due, 0));
    }
    int64_t last = card.last_day;
    assert_int_equal(schedule_day(schedule_due(&card, 0.9, 0, 0), 0) - last, 163);
    assert_true(schedule_day(schedule_due(&card, 0.97, 0, 0), 0) - last < 40);
    assert_true(schedule_day(schedule_due(&card, 0.8, 0, 0), 0) - last > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_history_of_thirteen),
        cmocka_unit_test(b_memory_states),
        cmocka_unit_test(c_first_ratings),
        cmocka_unit_test(d_unit_functions),
        cmocka_unit_test(e_f_intervals_and_the_curve),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(fuzz_stays_in_its_range),
        cmocka_unit_test(weights_have_a_name),
        cmocka_unit_test(learning_steps),
        cmocka_unit_test(surprises_return_three_times),
        cmocka_unit_test(late_returns_keep_their_distance),
        cmocka_unit_test(an_evening_and_the_next_morning_are_a_day),
        cmocka_unit_test(a_clock_that_jumps),
        cmocka_unit_test(retention_moves_what_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
