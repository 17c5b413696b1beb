/* test_kernels_attention.c: every attention row of the kernel table, walked, against FP64 from the decoded cache:
 * ragged lengths, groups of query heads, poisoned outputs, caches that end at a guard page; and e^x itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/attention.h"
#include "kernels/exponential.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "tests/guard.h"

static const char *const formats[] = {"bf16", "e4m3", "int8", "int4"};

struct shape {
    size_t sequences, heads, queries, dim, tokens;
};

static const struct shape shapes[] = {
    {1, 1, 1, 64, 0}, {1, 1, 1, 32, 1}, {1, 1, 1, 128, 31}, {1, 2, 2, 64, 32}, {2, 1, 6, 256, 33}, {1, 1, 24, 64, 67},
    {1, 2, 10, 128, 511}, {3, 1, 2, 96, 513}, {1, 1, 3, 64, 1031}, {0, 1, 1, 64, 5}, {2, 1, 4, 128, 64},
    {1, 1, 7, 32, 40}, {1, 1, 5, 64, 70}, {1, 1, 8, 256, 97},
};

enum { GUARD = 16 };
#define POISON 12345.0f

struct problem {
    struct kvcache cache;
    struct attention a;
    float  *k, *v, *q, *y;
    double *exact, *slack;
    size_t  outputs;
};

static float *gaussian(size_t n, uint64_t seed, double sigma)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    random_gaussian(x, n, seed, sigma);
    return x;
}

/* Keys with some channels far from 0, as models have; sequence s is shorter by s * tokens / 4. */
static void make(struct problem *p, const char *format, struct shape s, bool per_head, double sharp)
{
    size_t rows = s.sequences * s.heads * s.tokens, lengths[4] = {0};
    const struct kvcache_shape shape = {s.sequences, s.heads, s.dim, s.tokens};
    p->k = gaussian(rows * s.dim, 1, 1);
    p->v = gaussian(rows * s.dim, 2, 1);
    p->q = gaussian(s.sequences * s.queries * s.dim, 3, sharp);
    for (size_t i = 0; i < rows; i++)
        p->k[i * s.dim + 3] += 6;
    for (size_t i = 0; i < s.sequences; i++)
        lengths[i] = s.tokens - i * s.tokens / 4;
    assert_int_equal(kvcache_pack(&p->cache, format_find(format), &shape, lengths, per_head, p->k, p->v), KERNEL_OK);
    p->a = (struct attention){&p->cache, s.queries, 1 / sqrtf((float)s.dim), p->q};
    p->outputs = s.sequences * s.queries * s.dim;
    p->y = malloc((p->outputs + GUARD) * sizeof *p->y);
    p->exact = malloc((p->outputs + 1) * sizeof *p->exact);
    p->slack = malloc((p->outputs + 1) * sizeof *p->slack);
    assert_true(p->y && p->exact && p->slack);
    assert_int_equal(attention_exact(&p->a, p->exact, p->slack), KERNEL_OK);
}

static void unmake(struct problem *p)
{
    kvcache_free(&p->cache);
    free(p->k);
    free(p->v);
    free(p->q);
    free(p->y);
    free(p->exact);
    free(p->slack);
}

static void check(const struct kernel *k, struct problem *p, struct shape s)
{
    for (size_t i = 0; i < p->outputs + GUARD; i++)
        p->y[i] = POISON;
    assert_int_equal(attention(k, &p->a, p->y, NULL), KERNEL_OK);
    for (size_t i = 0; i < p->outputs; i++) {
        double allowed = (double)k->tolerance * p->slack[i] + 1e-7 * fabs(p->exact[i]);
        if (!(fabs((double)p->y[i] - p->exact[i]) <= allowed))
            fail_msg("%s, %s, %zu tokens, %zu:%zu heads of %zu: output %zu is %.9g, not %.9g within %g", k->function,
                     p->cache.format->name, s.tokens, s.queries, s.heads, s.dim, i, (double)p->y[i], p->exact[i],
                     allowed);
    }
    for (size_t i = p->outputs; i < p->outputs + GUARD; i++)
        assert_true(p->y[i] == POISON);
}

static bool runs(const struct kernel *k, const char *format)
{
    return k->op == KERNEL_ATTENTION && cpu_info()->has[k->isa] && (!k->format || strcmp(k->format, format) == 0);
}

static void every_row_is_within_its_tolerance(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++)
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            struct problem p;
            make(&p, formats[f], shapes[s], s % 2, s % 3 ? 1 : 12);
            for (size_t i = 0; i < kernel_count(); i++)
                if (runs(kernel_at(i), formats[f]))
                    check(kernel_at(i), &p, shapes[s]);
            unmake(&p);
        }
}

/* The same bytes, ending where nobody may read. */
static struct guard guarded(const void *from, size_t bytes)
{
    struct guard g = guard_open(bytes, GUARD_BEHIND, 0);
    memcpy(g.bytes, from, bytes);
    return g;
}

/* The cache's two halves end where nobody may read. */
static void no_row_reads_past_the_cache(void **state)
{
    (void)state;
    const struct shape s = {1, 1, 3, 64, 70};
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        struct problem p;
        make(&p, formats[f], s, false, 1);
        struct kvcache own = p.cache;
        size_t half = own.blocks * own.block_bytes;
        struct guard keys = guarded(own.keys, half), values = guarded(own.values, half);
        struct guard q = guarded(p.q, s.queries * s.dim * sizeof *p.q);
        p.cache.keys = keys.bytes;
        p.cache.values = values.bytes;
        p.a.q = q.bytes;
        for (size_t i = 0; i < kernel_count(); i++)
            if (runs(kernel_at(i), formats[f]))
                check(kernel_at(i), &p, s);
        p.cache = own;
        guard_close(&keys);
        guard_close(&values);
        guard_close(&q);
        unmake(&p);
    }
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    const struct shape s = {2, 2, 6, 64, 1500};
    struct problem p;
    make(&p, "int8", s, false, 1);
    const struct kernel *k = kernel_find(KERNEL_ATTENTION, "int8", cpu_info()->best);
    float *first = malloc(p.outputs * sizeof *first);
    assert_non_null(first);
    assert_int_equal(attention(k, &p.a, first, NULL), KERNEL_OK);
    for (int threads = 1; threads <= 5; threads++) {
        struct progress progress = {.pool = pool_open(threads)};
        assert_int_equal(attention(k, &p.a, p.y, &progress), KERNEL_OK);
        assert_memory_equal(p.y, first, p.outputs * sizeof *first);
        pool_close(progress.pool);
    }
    free(first);
    unmake(&p);
}

/* What the cache's rounding costs: more bits, less error; and a NaN reaches the outputs of its head alone. */
static void formats_cost_what_they_should(void **state)
{
    (void)state;
    const struct shape s = {1, 2, 2, 64, 300};
    double error[4], reference[128];
    for (size_t f = 0; f < 4; f++) {
        struct problem p;
        make(&p, formats[f], s, false, 1);
        if (f == 0)
            memcpy(reference, p.exact, sizeof reference);
        error[f] = 0;
        for (size_t i = 0; i < p.outputs; i++)
            error[f] += (p.exact[i] - reference[i]) * (p.exact[i] - reference[i]);
        size_t bits = f == 0 ? 16 : f == 1 ? 8 : 0, values = 2 * 2 * 64 * 320;
        if (bits)
            assert_int_equal(p.cache.bytes, values * bits / 8);
        unmake(&p);
    }
    assert_true(error[2] < error[1] && error[1] < error[3]);        /* INT8, E4M3, INT4 */
}

static void a_nan_makes_its_head_nan(void **state)
{
    (void)state;
    const struct kvcache_shape shape = {1, 2, 32, 40};
    float *k = gaussian(2 * 32 * 40, 1, 1), *v = gaussian(2 * 32 * 40, 2, 1), q[64], y[64];
    random_gaussian(q, 64, 3, 1);
    k[32 * 40 + 77] = NAN;
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        struct kvcache c;
        assert_int_equal(kvcache_pack(&c, format_find(formats[f]), &shape, NULL, true, k, v), KERNEL_OK);
        const struct attention a = {&c, 2, 0.2f, q};
        for (size_t i = 0; i < kernel_count(); i++)
            if (runs(kernel_at(i), formats[f])) {
                assert_int_equal(attention(kernel_at(i), &a, y, NULL), KERNEL_OK);
                for (size_t d = 0; d < 64; d++)
                    assert_int_equal(isnan(y[d]) != 0, d >= 32);
            }
        kvcache_free(&c);
    }
    free(k);
    free(v);
}

static bool never(void *ctx, double fraction)
{
    (void)ctx;
    (void)fraction;
    return false;
}

static void shapes_and_cancel_are_told(void **state)
{
    (void)state;
    struct kvcache c;
    float x[64 * 3] = {1}, y[64 * 3];
    size_t too_long = 4, none[512] = {0};
    const struct progress stop = {.tick = never};
    const struct format *int8 = format_find("int8");
    const struct kvcache_shape odd = {1, 1, 60, 3}, wide = {1, 1, 288, 0}, fine = {1, 1, 64, 3},
                               endless = {512, 1 << 16, 256, 1 << 30};      /* 2^64 bytes of keys */
    assert_int_equal(kvcache_pack(&c, int8, &odd, NULL, false, x, x), KERNEL_BAD_SHAPE);
    assert_int_equal(kvcache_pack(&c, int8, &wide, NULL, false, x, x), KERNEL_BAD_SHAPE);
    assert_int_equal(kvcache_pack(&c, int8, &fine, &too_long, false, x, x), KERNEL_BAD_SHAPE);
    assert_int_equal(kvcache_pack(&c, format_find("bf16"), &endless, none, false, x, x), KERNEL_BAD_SHAPE);
    assert_int_equal(kvcache_pack(&c, format_find("fp16"), &fine, NULL, false, x, x), KERNEL_NO_KERNEL);
    assert_int_equal(kvcache_pack(&c, int8, &(struct kvcache_shape){1, 2, 32, 3}, NULL, false, x, x), KERNEL_OK);
    const struct kernel *k = kernel_find(KERNEL_ATTENTION, "int8", cpu_info()->best);
    assert_int_equal(attention(k, &(struct attention){&c, 3, 1, x}, y, NULL), KERNEL_BAD_SHAPE);
    assert_int_equal(attention(k, &(struct attention){&c, 4, 1, x}, y, &stop), KERNEL_CANCELED);
    assert_int_equal(attention(NULL, &(struct attention){&c, 4, 1, x}, y, NULL), KERNEL_NO_KERNEL);
    kvcache_free(&c);
    const struct kvcache_shape large = {2, 3, 64, 700};
    assert_int_equal(kvcache_seeded(&c, int8, &large, 1, NULL), KERNEL_OK);
    assert_true(kvcache_key(&c, 1, 2, 256 + 40, 5) == kvcache_key(&c, 0, 0, 40, 5));
    assert_true(kvcache_value(&c, 1, 2, 512 + 40, 5) == kvcache_value(&c, 0, 1, 40, 5));
    kvcache_free(&c);
    assert_int_equal(kvcache_seeded(&c, int8, &large, 1, &stop), KERNEL_CANCELED);
}

/* A dense sample of its range against libm; every float of it was tried once, the worst is 2^-23.5. */
static void the_exponential_keeps_its_bound(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1u << 22; i++) {
        float x = -87.0f + (float)i * (175.0f / 0x1p22f) + (float)(i % 7) * 1e-6f;
        if (x < -87 || x > 88)
            continue;
        double exact = exp((double)x);
        assert_true(fabs((double)exponential(x) - exact) <= 0x1p-22 * exact);
    }
    assert_true(exponential(-87.1f) == 0 && exponential(-INFINITY) == 0 && exponential(NAN) == 0);
    assert_true(exponential(0) == 1 && exponential(-0.0f) == 1 && exponential(-1e-30f) == 1);
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_within_its_tolerance),
        cmocka_unit_test(no_row_reads_past_the_cache),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(formats_cost_what_they_should),
        cmocka_unit_test(a_nan_makes_its_head_nan),
        cmocka_unit_test(shapes_and_cancel_are_told),
        cmocka_unit_test(the_exponential_keeps_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
