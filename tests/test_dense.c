/* test_dense.c: products and factors against plain sums, through the module and through the loops. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cpu.h"
#include "kernels/dense.h"
#include "kernels/random.h"

static float *gaussian(size_t n, uint64_t seed)
{
    float *x = malloc(n * sizeof *x + 1);
    random_gaussian(x, n, seed, 1);
    return x;
}

/* Every element against its own sum, in units of the sum of magnitudes. */
static void check_product(size_t m, size_t n, size_t k, enum isa isa, double tolerance)
{
    float *x = gaussian(m * k, 1), *w = gaussian(n * k, 2), *y = malloc(m * n * sizeof *y + 1);
    memset(y, 0xff, m * n * sizeof *y);
    assert_int_equal(dense_product(x, w, m, n, k, y, isa, NULL), KERNEL_OK);
    for (size_t i = 0; i < m * n; i++) {
        double sum = 0, size = 0;
        for (size_t j = 0; j < k; j++) {
            double term = (double)x[i / n * k + j] * (double)w[i % n * k + j];
            sum += term;
            size += fabs(term);
        }
        assert_true(fabs((double)y[i] - sum) <= tolerance * size);
    }
    free(x);
    free(w);
    free(y);
}

static void products(void **state)
{
    static const size_t shapes[][3] = { { 0, 3, 4 }, { 3, 0, 4 },    { 3, 4, 0 },     { 1, 1, 1 },
                                        { 5, 3, 7 }, { 67, 31, 61 }, { 65, 300, 129 } };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        check_product(shapes[i][0], shapes[i][1], shapes[i][2], ISA_SCALAR, 0x1p-23);
        check_product(shapes[i][0], shapes[i][1], shapes[i][2], cpu_info()->best, 0x1p-20);
    }
}

static void grams(void **state)
{
    static const size_t shapes[][2] = {{0, 5}, {1, 1}, {3, 7}, {131, 67}, {64, 128}};
    (void)state;
    for (size_t s = 0; s < 2 * sizeof shapes / sizeof shapes[0]; s++) {
        size_t rows = shapes[s / 2][0], n = shapes[s / 2][1];
        float *x = gaussian(rows * n, 3);
        double *h = malloc(n * n * sizeof *h);
        assert_int_equal(dense_gram(x, rows, n, h, s % 2 ? cpu_info()->best : ISA_SCALAR, NULL), KERNEL_OK);
        for (size_t i = 0; i < n * n; i++) {
            double sum = 0;
            for (size_t t = 0; t < rows; t++)
                sum += (double)x[t * n + i / n] * (double)x[t * n + i % n];
            assert_true(fabs(h[i] - sum) <= 1e-12 * (double)(rows + 1));
        }
        free(x);
        free(h);
    }
}

/* A well-posed symmetric matrix of side n. */
static double *positive(size_t n)
{
    float *x = gaussian(2 * n * n, 4);
    double *a = malloc(n * n * sizeof *a + 1);
    assert_int_equal(dense_gram(x, 2 * n, n, a, ISA_SCALAR, NULL), KERNEL_OK);
    free(x);
    return a;
}

/* U is upper triangular with a positive diagonal, and (U^T U) a is the identity. */
static void check_factor(size_t n, enum isa isa)
{
    double *a = positive(n), *u = malloc(n * n * sizeof *u + 1), *column = malloc(n * sizeof *column + 1);
    memcpy(u, a, n * n * sizeof *u);
    assert_int_equal(dense_inverse_factor(u, n, isa, NULL), KERNEL_OK);
    for (size_t j = 0; j < n; j++) {
        assert_true(u[j * n + j] > 0);
        for (size_t i = 0; i < n; i++) {
            column[i] = 0;
            for (size_t k = 0; k < n; k++)
                column[i] += u[i * n + k] * a[k * n + j];
            assert_true(i <= j || u[i * n + j] == 0);
        }
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t k = 0; k <= i; k++)
                sum += u[k * n + i] * column[k];
            assert_true(fabs(sum - (i == j)) < 1e-9);
        }
    }
    free(a);
    free(u);
    free(column);
}

static void factors(void **state)
{
    static const size_t sides[] = {0, 1, 2, 7, 31, 32, 33, 64, 97, 130};
    (void)state;
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        check_factor(sides[i], ISA_SCALAR);
        check_factor(sides[i], cpu_info()->best);
    }
}

static void singular(void **state)
{
    static double zeros[100 * 100], nan_[4] = {NAN, 0, 0, 1};
    (void)state;
    assert_int_equal(dense_inverse_factor(zeros, 3, ISA_SCALAR, NULL), KERNEL_SINGULAR);
    assert_int_equal(dense_inverse_factor(zeros, 100, cpu_info()->best, NULL), KERNEL_SINGULAR);
    assert_int_equal(dense_inverse_factor(nan_, 2, ISA_SCALAR, NULL), KERNEL_SINGULAR);
    assert_int_equal(dense_inverse_factor(zeros, DENSE_MOST + 1, ISA_SCALAR, NULL), KERNEL_BAD_SHAPE);
}

/* Both ways to compute agree to the last digits that FP64 gives. */
static void module_agrees(void **state)
{
    char why[256];
    size_t n = 200;
    (void)state;
    if (!dense_open(why, sizeof why)) {
        print_message("no module: %s\n", why);
        skip();
    }
    double *a = positive(n), *b = positive(n), most = 0;
    assert_int_equal(dense_inverse_factor(a, n, ISA_SCALAR, NULL), KERNEL_OK);
    assert_int_equal(dense_inverse_factor(b, n, ISA_AVX2, NULL), KERNEL_OK);
    for (size_t i = 0; i < n * n; i++)
        most = fmax(most, fabs(a[i] - b[i]));
    assert_true(most < 1e-12);
    free(a);
    free(b);
}

static bool refuse(void *ctx, double fraction)
{
    (void)ctx;
    return fraction < 0;
}

static void cancels(void **state)
{
    const struct progress never = {.tick = refuse};
    double *a = positive(40);
    float *x = gaussian(1600, 1), y[1600];
    (void)state;
    assert_int_equal(dense_inverse_factor(a, 40, ISA_SCALAR, &never), KERNEL_CANCELED);
    assert_int_equal(dense_gram(x, 40, 40, a, ISA_SCALAR, &never), KERNEL_CANCELED);
    assert_int_equal(dense_product(x, x, 40, 40, 40, y, ISA_SCALAR, &never), KERNEL_CANCELED);
    free(a);
    free(x);
}

int main(int argc, char **argv)
{
    char path[4096];
    char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    snprintf(path, sizeof path, "%.*s/../lib/saffron_blas.so", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    dense_place(path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products), cmocka_unit_test(grams),         cmocka_unit_test(factors),
        cmocka_unit_test(singular), cmocka_unit_test(module_agrees), cmocka_unit_test(cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
