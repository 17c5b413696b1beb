/* test_method_hadamard.c: rotations of every kind of side: orthonormal, undone, and what they must not change. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/hadamard.h"
#include "kernels/quantize.h"
#include "kernels/random.h"

/* Rows of signs are orthogonal, exactly. */
static void signs_orthogonal(const struct hadamard *h)
{
    for (size_t i = 0; i < h->n; i++) {
        for (size_t j = i; j < h->n; j++) {
            long sum = 0;
            for (size_t k = 0; k < h->n; k++)
                sum += hadamard_sign(h, i, k) * hadamard_sign(h, j, k);
            assert_int_equal(sum, i == j ? (long)h->n : 0);
        }
    }
}

static void rotation_matches_signs(const struct hadamard *h)
{
    float *x = calloc(h->n, sizeof *x);
    for (size_t i = 0; i < h->n; i += h->n / 3 + 1) {
        memset(x, 0, h->n * sizeof *x);
        x[i] = 1;
        hadamard_rotate(h, x, 1);
        for (size_t j = 0; j < h->n; j++)
            assert_true(fabs((double)x[j] * sqrt((double)h->n) - hadamard_sign(h, i, j)) < 1e-6);
    }
    free(x);
}

static void sides(void **state)
{
    static const size_t known[] = { 1,  2,  4,  8,  12, 16,  20,  24,  28,  36,  40, 44,
                                    52, 60, 76, 84, 96, 108, 140, 148, 256, 344, 384 };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct hadamard h;
        assert_int_equal(hadamard_make(&h, known[i]), KERNEL_OK);
        assert_int_equal(h.power * h.block, known[i]);
        signs_orthogonal(&h);
        rotation_matches_signs(&h);
        hadamard_free(&h);
    }
}

/* The widths of models that people run; and sizes for which no matrix exists, or none that we know. */
static void widths(void **state)
{
    static const size_t models[] = { 768,  1536,  2048,  3072,  3584,  4096,  5120,  8192,  8960,
                                     9728, 11008, 12288, 13824, 14336, 17408, 18944, 27648, 28672 };
    static const size_t none[] = {0, 3, 5, 6, 10, 18, 92, 1000003};
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        if (!hadamard_exists(models[i]))
            fail_msg("no rotation of side %zu", models[i]);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct hadamard h;
        assert_false(hadamard_exists(none[i]));
        assert_int_equal(hadamard_make(&h, none[i]), KERNEL_BAD_SHAPE);
        hadamard_free(&h);
    }
}

/* Back and forth, and the products of rotated rows. */
static void invariance(size_t n)
{
    struct hadamard h;
    float *x = malloc(3 * n * sizeof *x), *y = malloc(3 * n * sizeof *y);
    assert_int_equal(hadamard_make(&h, n), KERNEL_OK);
    random_gaussian(x, 3 * n, 5, 1);
    x[7 % n] *= 60;
    memcpy(y, x, 3 * n * sizeof *y);
    hadamard_rotate(&h, y, 3);
    double before = 0, after = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        before += (double)x[i] * (double)x[n + i];
        after += (double)y[i] * (double)y[n + i];
        sum += fabs((double)x[i] * (double)x[n + i]);
    }
    assert_true(fabs(before - after) < 1e-5 * sum);
    hadamard_back(&h, y, 3);
    struct error_sums e = error_measure(x, y, 3 * n);
    assert_true(sqnr_db(e.signal, e.noise) > 120);
    hadamard_free(&h);
    free(x);
    free(y);
}

static void undone(void **state)
{
    (void)state;
    invariance(12);
    invariance(512);
    invariance(384);
    invariance(4096);
    invariance(11008);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides), cmocka_unit_test(widths), cmocka_unit_test(undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
