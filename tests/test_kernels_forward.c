/* test_kernels_forward.c: every packed product and every set of row operations of the kernel table, against FP64.
 * Shapes with ragged edges, guarded outputs; vector variants must agree to the bit where their headers say so. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernel.h"
#include "kernels/random.h"

enum { GUARD = 40 };
#define POISON 12345.0f

static float *gaussian(size_t n, uint64_t seed, double sigma)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    random_gaussian(x, n, seed, sigma);
    return x;
}

/* --- products ----------------------------------------------------------------------------------------------------- */

static const size_t shapes[][5] = {     /* m, n, k, outputs used, depth used */
    {1, 1, 1, 1, 1}, {1, 256, 64, 256, 64}, {5, 33, 7, 33, 7}, {12, 32, 100, 32, 100}, {13, 31, 65, 17, 40},
    {60, 512, 64, 61, 64}, {7, 64, 512, 64, 33}, {121, 48, 30, 48, 30}, {250, 100, 129, 99, 128}, {3, 40, 0, 40, 0},
};

/* y is within the tolerance; but for the scalar one it is to the bit what fused multiply-adds give in order; the rows'
 * guards are as they were. */
static void check_product(const struct kernel *k, const size_t *shape)
{
    size_t m = shape[0], n = shape[1], depth_all = shape[2], cols = shape[3], depth = shape[4];
    size_t ldx = depth_all + 3, ldy = cols + GUARD;
    float *w = gaussian(n * depth_all, 1, 0.1), *x = gaussian(m * ldx, 2, 1), *y = malloc(m * ldy * sizeof *y + 4);
    struct panels p, transposed;
    assert_int_equal(panels_make(&p, n, depth_all), KERNEL_OK);
    assert_int_equal(panels_make(&transposed, n, depth_all), KERNEL_OK);
    panels_rows(&p, 0, n, w, depth_all);
    for (size_t i = 0; i < m * ldy; i++)
        y[i] = POISON;
    k->sgemm(&p, x, ldx, m, cols, depth, y, ldy);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < cols; j++) {
            double sum = 0, size = 0;
            float fused = 0;
            for (size_t l = 0; l < depth; l++) {
                sum += (double)x[i * ldx + l] * (double)w[j * depth_all + l];
                size += fabs((double)x[i * ldx + l] * (double)w[j * depth_all + l]);
                fused = fmaf(x[i * ldx + l], w[j * depth_all + l], fused);
            }
            assert_true(k->isa == ISA_SCALAR || y[i * ldy + j] == fused);
            assert_true(fabs((double)y[i * ldy + j] - sum) <= (double)k->tolerance * size);
        }
        for (size_t j = cols; j < ldy; j++)
            assert_true(y[i * ldy + j] == POISON);
    }
    for (size_t l = 0; l < depth_all; l++) {        /* W row by row of its transpose packs to the same panels */
        float *column = malloc(n * sizeof *column);
        for (size_t j = 0; j < n; j++)
            column[j] = w[j * depth_all + l];
        panels_columns(&transposed, l, 1, column, n);
        free(column);
    }
    size_t padded = (n + 31) / 32 * 32;
    assert_memory_equal(p.data, transposed.data, padded * depth_all * sizeof *p.data);
    panels_free(&p);
    panels_free(&transposed);
    free(w);
    free(x);
    free(y);
}

static void test_products(void **state)
{
    (void)state;
    size_t seen = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (size_t i = 0; i < kernel_count(); i++) {
            const struct kernel *k = kernel_at(i);
            if (k->op != KERNEL_SGEMM || !cpu_info()->has[k->isa])
                continue;
            check_product(k, shapes[s]);
            seen++;
        }
    assert_true(seen >= sizeof shapes / sizeof shapes[0]);
}

/* A row's result does not depend on how many rows are computed together. */
static void test_rows_alone(void **state)
{
    (void)state;
    enum { M = 29, N = 70, K = 90 };
    const struct kernel *k = kernel_find(KERNEL_SGEMM, NULL, cpu_info()->best);
    float *w = gaussian(N * K, 3, 1), *x = gaussian(M * K, 4, 1), y[M * N], one[N];
    struct panels p;
    assert_int_equal(panels_make(&p, N, K), KERNEL_OK);
    panels_rows(&p, 0, N, w, K);
    k->sgemm(&p, x, K, M, N, K, y, N);
    for (size_t i = 0; i < M; i++) {
        k->sgemm(&p, x + i * K, K, 1, N, K, one, N);
        assert_memory_equal(one, y + i * N, sizeof one);
    }
    panels_free(&p);
    free(w);
    free(x);
}

static void test_too_large(void **state)
{
    (void)state;
    struct panels p;
    assert_int_equal(panels_make(&p, SIZE_MAX / 16, 1 << 20), KERNEL_BAD_SHAPE);
    assert_null(p.data);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static const size_t lengths[] = { 1, 2, 15, 16, 17, 31, 64, 100, 257 };

static double exact_softmax(const float *x, size_t n, double scale, size_t at)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp(scale * ((double)x[i] - (double)x[at]));
    return 1 / sum;
}

static void check_close(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want) + 1e-30))
        fail_msg("%.9g, not %.9g", got, want);
}

static void check_norm(const struct rowops *r, const float *x, const float *gain, size_t n)
{
    float y[300];
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    y[n] = POISON;
    r->norm(x, gain, 1e-5f, n, y);
    for (size_t i = 0; i < n; i++)
        check_close((double)y[i], (double)x[i] / sqrt(sum / (double)n + 1e-5) * (double)gain[i], 1e-6);
    assert_true(y[n] == POISON);
}

static void check_softmax(const struct rowops *r, const float *x, size_t n)
{
    float y[300];
    memcpy(y, x, n * sizeof *y);
    y[n] = POISON;
    r->softmax(y, 0.125f, n);
    for (size_t i = 0; i < n; i++)
        check_close((double)y[i], exact_softmax(x, n, 0.125, i), 2e-6);
    assert_true(y[n] == POISON);
}

static void check_swiglu(const struct rowops *r, const float *x, const float *up, size_t n)
{
    float y[300];
    memcpy(y, x, n * sizeof *y);
    y[n] = POISON;
    r->swiglu(y, up, n);
    for (size_t i = 0; i < n; i++)
        check_close((double)y[i], (double)x[i] / (1 + exp(-(double)x[i])) * (double)up[i], 1e-6);
    assert_true(y[n] == POISON);
}

static void check_sums(const struct rowops *r, const float *x, const float *other, size_t n)
{
    double a = 0, b = 0, kl = 0;
    for (size_t i = 0; i < n; i++) {
        a += exp((double)x[i]);
        b += exp((double)other[i]);
    }
    for (size_t i = 0; i < n; i++)
        kl += exp((double)x[i]) / a * (((double)x[i] - log(a)) - ((double)other[i] - log(b)));
    check_close(r->log_sum_exp(x, n), log(a), 1e-6);
    assert_true(fabs(r->divergence(x, log(a), other, log(b), n) - kl) <= 1e-5 * (1 + fabs(kl)));
}

static void check_rotate(const struct rowops *r, const float *x, size_t half)
{
    float y[600], cosine[300] = { 0 }, sine[300] = { 0 };
    memcpy(y, x, 2 * half * sizeof *y);
    for (size_t i = 0; i < half; i++) {
        cosine[i] = cosf((float)i);
        sine[i] = sinf((float)i);
    }
    y[2 * half] = POISON;
    r->rotate(y, cosine, sine, half);
    for (size_t i = 0; i < half; i++) {
        double a = (double)x[i], b = (double)x[half + i], c = (double)cosine[i], s = (double)sine[i];
        assert_true(fabs((double)y[i] - (a * c - b * s)) <= 1e-6 * (fabs(a) + fabs(b)));
        assert_true(fabs((double)y[half + i] - (b * c + a * s)) <= 1e-6 * (fabs(a) + fabs(b)));
    }
    assert_true(y[2 * half] == POISON);
}

static void test_rows(void **state)
{
    (void)state;
    float *x = gaussian(600, 5, 6), *other = gaussian(600, 6, 2);
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (k->op != KERNEL_ROWS || !cpu_info()->has[k->isa])
            continue;
        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
            check_norm(k->rows, x, other, lengths[j]);
            check_softmax(k->rows, x, lengths[j]);
            check_swiglu(k->rows, x, other, lengths[j]);
            check_sums(k->rows, x, other, lengths[j]);
            check_rotate(k->rows, x, lengths[j]);
        }
    }
    free(x);
    free(other);
}

/* The extremes of a softmax: no overflow, no NaN, and all of it on the largest. */
static void test_extremes(void **state)
{
    (void)state;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        float x[20] = { 0 }, g[3] = { -1000, 1000, 0 }, up[3] = { 1, 1, 1 };
        if (k->op != KERNEL_ROWS || !cpu_info()->has[k->isa])
            continue;
        x[3] = 1e30f;
        x[19] = -1e30f;
        k->rows->softmax(x, 1, 20);
        assert_true(x[3] == 1);
        assert_true(x[19] < 1e-37f && x[19] >= 0);
        k->rows->swiglu(g, up, 3);
        assert_true(fabsf(g[0]) < 1e-30f && g[1] == 1000 && g[2] == 0);
    }
}

static void test_same_bits(void **state)
{
    (void)state;
    const struct rowops *plain = kernel_find(KERNEL_ROWS, NULL, ISA_SCALAR)->rows;
    float *x = gaussian(600, 7, 5), *other = gaussian(600, 8, 1), a[300], b[300];
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (k->op != KERNEL_ROWS || !cpu_info()->has[k->isa])
            continue;
        for (size_t n = 1; n < 290; n += 3) {
            plain->norm(x, other, 1e-5f, n, a);
            k->rows->norm(x, other, 1e-5f, n, b);
            assert_memory_equal(a, b, n * sizeof *a);
            memcpy(a, x, sizeof a);
            memcpy(b, x, sizeof b);
            plain->softmax(a, 0.7f, n);
            k->rows->softmax(b, 0.7f, n);
            plain->swiglu(a + 1, other, n);
            k->rows->swiglu(b + 1, other, n);
            plain->add(a, other, n);
            k->rows->add(b, other, n);
            assert_memory_equal(a, b, sizeof a);
            assert_true(plain->log_sum_exp(x, n) == k->rows->log_sum_exp(x, n));
            assert_true(plain->divergence(x, 8, other, 2, n) == k->rows->divergence(x, 8, other, 2, n));
        }
    }
    free(x);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products), cmocka_unit_test(test_rows_alone), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_extremes),   cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
