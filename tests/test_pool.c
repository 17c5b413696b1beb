/* test_pool.c: every task once for any number of threads, failures and cancels, tasks that call the pool again, and
 * two callers at once. Built with the thread sanitizer by `make tsan`. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cpu.h"
#include "kernels/pool.h"

enum { TASKS = 1000, THREADS = 5 };

struct work {
    struct progress inner;          /* what a task that nests passes on */
    atomic_int  runs[TASKS];
    atomic_bool bad_mode;
    size_t      fail_from;          /* tasks from here on fail, each with its own status */
};

static enum kernel_status count(void *arg, size_t task)
{
    struct work *w = arg;
    atomic_fetch_add(&w->runs[task], 1);
    if (!cpu_fp_ok())
        atomic_store(&w->bad_mode, true);
    if (task >= w->fail_from)
        return task == w->fail_from ? KERNEL_SINGULAR : KERNEL_NO_MEMORY;
    return KERNEL_OK;
}

static void reset(struct work *w)
{
    memset(w, 0, sizeof *w);
    w->fail_from = TASKS;
}

static void each_task_runs_once(void **state)
{
    (void)state;
    static struct work w;
    for (int threads = 0; threads <= THREADS; threads++) {
        struct progress progress = {.pool = pool_open(threads)};
        assert_int_equal(progress.pool != NULL, pool_threads(progress.pool) > 1);
        if (threads > 0)
            assert_int_equal(pool_threads(progress.pool), threads);
        for (size_t tasks = 0; tasks <= TASKS; tasks = tasks < 5 ? tasks + 1 : 200 * tasks) {
            reset(&w);
            assert_int_equal(pool_run(&progress, tasks, count, &w), KERNEL_OK);
            for (size_t i = 0; i < TASKS; i++)
                assert_int_equal(w.runs[i], i < tasks);
            assert_false(w.bad_mode);
        }
        pool_close(progress.pool);
    }
    reset(&w);
    assert_int_equal(pool_run(NULL, 3, count, &w), KERNEL_OK);
    assert_int_equal(w.runs[0] + w.runs[1] + w.runs[2] + w.runs[3], 3);
}

static void the_first_failure_is_told_and_ends_the_call(void **state)
{
    (void)state;
    static struct work w;
    for (int threads = 1; threads <= THREADS; threads++) {
        struct progress progress = {.pool = pool_open(threads)};
        reset(&w);
        w.fail_from = 100;
        enum kernel_status status = pool_run(&progress, TASKS, count, &w);
        assert_int_equal(status, KERNEL_SINGULAR);      /* tasks start in order, so the first did run */
        int runs = 0;
        for (size_t i = 0; i < TASKS; i++)
            runs += w.runs[i];
        assert_in_range(runs, 101, 100 + threads);
        pool_close(progress.pool);
    }
}

static bool countdown(void *ctx, double fraction)
{
    assert_true(fraction >= 0 && fraction < 1);
    return --*(int *)ctx > 0;
}

static void a_tick_that_says_no_cancels(void **state)
{
    (void)state;
    static struct work w;
    for (int threads = 1; threads <= THREADS; threads++) {
        int left = 1;
        struct progress progress = {.tick = countdown, .ctx = &left, .pool = pool_open(threads)};
        reset(&w);
        assert_int_equal(pool_run(&progress, TASKS, count, &w), KERNEL_CANCELED);
        assert_int_equal(left, 0);
        left = 2 * TASKS;
        reset(&w);
        assert_int_equal(pool_run(&progress, TASKS, count, &w), KERNEL_OK);
        pool_close(progress.pool);
    }
}

static enum kernel_status nest(void *arg, size_t task)
{
    struct work *w = arg;
    (void)task;
    return pool_run(&w->inner, 10, count, w);
}

static void a_task_may_call_the_pool(void **state)
{
    (void)state;
    static struct work w;
    reset(&w);
    w.inner.pool = pool_open(3);
    assert_int_equal(pool_run(&w.inner, 50, nest, &w), KERNEL_OK);
    for (size_t i = 0; i < TASKS; i++)
        assert_int_equal(w.runs[i], i < 10 ? 50 : 0);
    pool_close(w.inner.pool);
}

/* Two threads that share a pool: one at a time has it, the other works alone; nothing is lost. */
static void *call_often(void *arg)
{
    struct progress *progress = arg;
    struct work w;
    for (int i = 0; i < 200; i++) {
        reset(&w);
        if (pool_run(progress, 20, count, &w) != KERNEL_OK)
            return arg;
        for (size_t task = 0; task < 20; task++)
            if (w.runs[task] != 1)
                return arg;
    }
    return NULL;
}

static void callers_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct progress progress = {.pool = pool_open(3)};
    pthread_t other;
    void *bad;
    assert_int_equal(pthread_create(&other, NULL, call_often, &progress), 0);
    assert_null(call_often(&progress));
    pthread_join(other, &bad);
    assert_null(bad);
    pool_close(progress.pool);
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once),
        cmocka_unit_test(the_first_failure_is_told_and_ends_the_call),
        cmocka_unit_test(a_tick_that_says_no_cancels),
        cmocka_unit_test(a_task_may_call_the_pool),
        cmocka_unit_test(callers_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
