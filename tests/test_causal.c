/* test_causal: what a rounded cache does to attention, against a slow reference in long double that takes KL from the
 * logits; by hand; its edges; and the same bits for any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/causal.h"
#include "kernels/pool.h"
#include "kernels/random.h"

enum { QUERIES = 5, TOKENS = 37, HEADS = 6, KV_HEADS = 2, DIM = 8, ROW = HEADS * DIM, KV_ROW = KV_HEADS * DIM };

static float q[QUERIES * ROW], k[TOKENS * KV_ROW], v[TOKENS * KV_ROW], other_k[TOKENS * KV_ROW],
    other_v[TOKENS * KV_ROW];

static const struct causal task = {QUERIES, TOKENS, HEADS, KV_HEADS, DIM, q, k, v};

/* A cache, and the same with noise added. */
static void draw(void)
{
    random_gaussian(q, QUERIES * ROW, 1, 1.5);
    random_gaussian(k, TOKENS * KV_ROW, 2, 1.5);
    random_gaussian(v, TOKENS * KV_ROW, 3, 1);
    random_gaussian(other_k, TOKENS * KV_ROW, 4, 0.3);
    random_gaussian(other_v, TOKENS * KV_ROW, 5, 0.3);
    for (size_t i = 0; i < TOKENS * KV_ROW; i++) {
        other_k[i] += k[i];
        other_v[i] += v[i];
    }
}

static long double logit(const float *keys, size_t i, size_t h, size_t t)
{
    long double sum = 0;
    for (size_t c = 0; c < DIM; c++)
        sum += (long double)q[i * ROW + h * DIM + c] * (long double)keys[t * KV_ROW + h / 3 * DIM + c];
    return sum / sqrtl(DIM);
}

/* log of the weight of token t for query i of head h, over the tokens up to the query's own. */
static long double log_weight(const float *keys, size_t i, size_t h, size_t t)
{
    long double sum = 0;
    for (size_t u = 0; u <= TOKENS - QUERIES + i; u++)
        sum += expl(logit(keys, i, h, u));
    return logit(keys, i, h, t) - logl(sum);
}

static long double output(const float *keys, const float *values, size_t i, size_t h, size_t c)
{
    long double sum = 0;
    for (size_t t = 0; t <= TOKENS - QUERIES + i; t++)
        sum += expl(log_weight(keys, i, h, t)) * (long double)values[t * KV_ROW + h / 3 * DIM + c];
    return sum;
}

static void near(double got, long double meant, double within)
{
    if (!(fabs(got - (double)meant) <= within * fabs((double)meant)))
        fail_msg("%.12g, not %.12g", got, (double)meant);
}

/* What causal_compare says of these keys and values, against the reference. */
static void agrees(const float *keys, const float *values)
{
    long double kl = 0, signal = 0, noise = 0, share[TOKENS] = {0};
    struct causal_change change;
    float weights[TOKENS];
    for (size_t i = 0; i < QUERIES; i++)
        for (size_t h = 0; h < HEADS; h++) {
            for (size_t t = 0; t <= TOKENS - QUERIES + i; t++) {
                long double log_p = log_weight(k, i, h, t);
                kl += expl(log_p) * (log_p - log_weight(keys, i, h, t)) / (QUERIES * HEADS);
                share[t] += expl(log_p) / (QUERIES * HEADS);
            }
            for (size_t c = 0; c < DIM; c++) {
                long double exact = output(k, v, i, h, c), off = output(keys, values, i, h, c) - exact;
                signal += exact * exact;
                noise += off * off;
            }
        }
    assert_int_equal(causal_compare(&task, keys, values, weights, NULL, &change), KERNEL_OK);
    near(change.output.signal, signal, 1e-6);   /* outputs are FP32 */
    near(change.output.noise, noise, 1e-5);
    if (keys == k)
        assert_true(change.kl == 0);
    else
        near(change.kl, kl, 1e-9);
    for (size_t t = 0; t < TOKENS; t++)
        near((double)weights[t], share[t], 1e-6);
}

static void like_the_reference(void **state)
{
    (void)state;
    draw();
    agrees(other_k, v);
    agrees(k, other_v);
    agrees(other_k, other_v);
}

/* Two tokens, one head of one channel: scores 0 and log 3 become 0 and 0, so 1/4 and 3/4 become halves. */
static void by_hand(void **state)
{
    const float one[] = {1}, keys[] = {0, logf(3)}, flat[] = {0, 0}, values[] = {0, 4};
    const struct causal small = {1, 2, 1, 1, 1, one, keys, values};
    struct causal_change change;
    float weights[2];
    (void)state;
    assert_int_equal(causal_compare(&small, flat, values, weights, NULL, &change), KERNEL_OK);
    near(change.kl, 0.25L * logl(0.5L) + 0.75L * logl(1.5L), 1e-6);
    near(change.output.signal, 9, 1e-6);
    near(change.output.noise, 1, 1e-6);
    near((double)weights[0], 0.25L, 1e-6);
}

/* A token that comes after a query changes nothing of it: only the last query sees the last token. */
static void sees_no_later_token(void **state)
{
    struct causal_change all, last;
    struct causal newest = task;
    (void)state;
    draw();
    memcpy(other_k, k, (TOKENS - 1) * KV_ROW * sizeof *k);
    newest.queries = 1;
    newest.q = q + (QUERIES - 1) * ROW;
    assert_int_equal(causal_compare(&task, other_k, v, NULL, NULL, &all), KERNEL_OK);
    assert_int_equal(causal_compare(&newest, other_k, v, NULL, NULL, &last), KERNEL_OK);
    assert_true(last.kl > 0 && last.output.noise == all.output.noise);
    near(all.kl * QUERIES, (long double)last.kl, 1e-12);
}

static void exact_cache(void **state)
{
    struct causal_change change;
    (void)state;
    draw();
    assert_int_equal(causal_compare(&task, k, v, NULL, NULL, &change), KERNEL_OK);
    assert_true(change.kl == 0 && change.output.noise == 0 && isinf(change.output.sqnr_db));
}

static void any_number_of_threads(void **state)
{
    struct causal_change one, other;
    float few[TOKENS], many[TOKENS];
    (void)state;
    draw();
    assert_int_equal(causal_compare(&task, other_k, other_v, few, NULL, &one), KERNEL_OK);
    for (int threads = 2; threads <= 5; threads++) {
        struct progress progress = {.pool = pool_open(threads)};
        assert_int_equal(causal_compare(&task, other_k, other_v, many, &progress, &other), KERNEL_OK);
        assert_true(one.kl == other.kl && one.output.signal == other.output.signal &&
                    one.output.noise == other.output.noise);
        assert_memory_equal(few, many, sizeof few);
        pool_close(progress.pool);
    }
}

static bool no_more(void *ctx, double fraction)
{
    (void)ctx;
    (void)fraction;
    return false;
}

static void refused(void **state)
{
    static const struct causal bad[] = {
        {0, TOKENS, HEADS, KV_HEADS, DIM, q, k, v},          {TOKENS + 1, TOKENS, HEADS, KV_HEADS, DIM, q, k, v},
        {QUERIES, TOKENS, HEADS, 4, DIM, q, k, v},           {QUERIES, TOKENS, 0, KV_HEADS, DIM, q, k, v},
        {QUERIES, TOKENS, HEADS, 0, DIM, q, k, v},           {QUERIES, TOKENS, HEADS, KV_HEADS, 0, q, k, v},
        {1, SIZE_MAX / 2, HEADS, KV_HEADS, DIM, q, k, v},    {1, 1, SIZE_MAX / 2, SIZE_MAX / 2, SIZE_MAX / 2, q, k, v},
    };
    const struct progress stop = {.tick = no_more};
    struct causal_change change;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(causal_compare(&bad[i], k, v, NULL, NULL, &change), KERNEL_BAD_SHAPE);
    assert_int_equal(causal_compare(&task, k, v, NULL, &stop, &change), KERNEL_CANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_the_reference), cmocka_unit_test(by_hand),
        cmocka_unit_test(sees_no_later_token), cmocka_unit_test(exact_cache),
        cmocka_unit_test(any_number_of_threads), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
