/* test_kernels_gemv.c: every product of the kernel table, walked, against FP64 and against the scalar row.
 * Ragged shapes, batches, sizes 0 and 1, outputs poisoned before and guarded behind. */
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

static const size_t shapes[][3] = {     /* rows, cols, batch */
    {0, 5, 1}, {1, 1, 1}, {3, 0, 2}, {2, 3, 0}, {1, 127, 1}, {5, 128, 1}, {4, 129, 3}, {7, 640, 2},
    {9, 300, 17}, {6, 1000, 8}, {17, 257, 33}, {2, 4096, 5}, {4, 2047, 1},
};

enum { GUARD = 16 };
#define POISON 12345.0f

static float *gaussian(size_t n, uint64_t seed, double sigma)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    random_gaussian(x, n, seed, sigma);
    return x;
}

/* What the product sees of X: rounded to INT8 where the kernel rounds. */
static double seen(const struct operand *o, size_t b, size_t col)
{
    if (o->activation == ACTIVATION_INT8)
        return (double)o->codes[b * o->padded + col] * (double)o->scale[b];
    return (double)o->x[b * o->padded + col];
}

static void check_value(const struct kernel *k, const struct matrix *m, const struct operand *o, size_t b, size_t row,
                        float y)
{
    double sum = 0, size = 0;
    for (size_t col = 0; col < m->cols; col++) {
        double term = (double)matrix_value(m, row, col) * seen(o, b, col);
        sum += term;
        size += fabs(term);
    }
    double allowed = ((double)k->tolerance + 4e-7) * size;      /* the result's own rounding, and the scales' */
    if (!(fabs((double)y - sum) <= allowed))
        fail_msg("%s: row %zu of %zu x %zu, token %zu: %g, not %g",
                 k->function, row, m->rows, m->cols, b, (double)y, sum);
}

static void check_shape(const struct kernel *k, size_t rows, size_t cols, size_t batch, uint64_t seed)
{
    float *w = gaussian(rows * cols, seed, 0.02), *x = gaussian(batch * cols, seed + 1, 1);
    float *y = malloc((batch * rows + GUARD) * sizeof *y);
    struct matrix m;
    struct operand o;
    assert_non_null(y);
    for (size_t i = 0; i < batch * rows + GUARD; i++)
        y[i] = POISON;
    assert_int_equal(matrix_pack(&m, format_find(k->format), w, rows, cols, NULL), KERNEL_OK);
    assert_int_equal(operand_prepare(&o, k->activation, x, batch, cols, NULL), KERNEL_OK);
    assert_int_equal(gemv(k, &m, x, batch, y, NULL), KERNEL_OK);
    for (size_t b = 0; b < batch; b++)
        for (size_t row = 0; row < rows; row++)
            check_value(k, &m, &o, b, row, y[b * rows + row]);
    for (size_t i = batch * rows; i < batch * rows + GUARD; i++)
        assert_true(y[i] == POISON);
    operand_free(&o);
    matrix_free(&m);
    free(w);
    free(x);
    free(y);
}

static void every_product_is_within_its_tolerance(void **state)
{
    (void)state;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->gemv || !cpu_info()->has[k->isa])
            continue;
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            check_shape(k, shapes[s][0], shapes[s][1], shapes[s][2], 7 * s + 1);
    }
}

/* Rows that say "exact" give the bits of the scalar row; the largest sums there are must not overflow. */
static void exact_rows_equal_the_scalar_one(void **state)
{
    (void)state;
    const size_t rows = 3, cols = MATRIX_COLS_MAX;
    float *w = malloc(rows * cols * sizeof *w), *x = malloc(cols * sizeof *x), y[3], expected[3];
    assert_non_null(w);
    assert_non_null(x);
    random_gaussian(w, rows * cols, 5, 1);
    random_gaussian(x, cols, 6, 1);
    for (size_t i = 0; i < cols; i++)
        w[i] = 1, w[cols + i] = -1, x[i] = i % 3 ? 1 : x[i] > 0 ? 1 : -1;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->gemv || k->tolerance > 0 || !cpu_info()->has[k->isa])
            continue;
        struct matrix m;
        assert_int_equal(matrix_pack(&m, format_find(k->format), w, rows, cols, NULL), KERNEL_OK);
        assert_int_equal(gemv(kernel_find(k->op, k->format, ISA_SCALAR), &m, x, 1, expected, NULL), KERNEL_OK);
        assert_int_equal(gemv(k, &m, x, 1, y, NULL), KERNEL_OK);
        assert_memory_equal(y, expected, sizeof y);
        matrix_free(&m);
    }
    free(w);
    free(x);
}

static void a_nan_weight_makes_its_row_nan(void **state)
{
    (void)state;
    float w[4 * 200], x[200], y[4];
    random_gaussian(w, 800, 1, 1);
    random_gaussian(x, 200, 2, 1);
    w[2 * 200 + 150] = NAN;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->gemv || k->activation != ACTIVATION_FP32 || k->op != KERNEL_GEMV || !cpu_info()->has[k->isa])
            continue;
        struct matrix m;
        assert_int_equal(matrix_pack(&m, format_find(k->format), w, 4, 200, NULL), KERNEL_OK);
        assert_int_equal(gemv(k, &m, x, 1, y, NULL), KERNEL_OK);
        for (int row = 0; row < 4; row++)
            assert_int_equal(isnan(y[row]) != 0, row == 2);
        matrix_free(&m);
    }
}

static void every_read_loop_reads_every_byte(void **state)
{
    (void)state;
    const size_t bytes = 4 * 4096;
    uint8_t *buffer = aligned_alloc(4096, bytes);
    assert_non_null(buffer);
    memset(buffer, 0, bytes);
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->read || !cpu_info()->has[k->isa])
            continue;
        assert_true(k->read(buffer, bytes) == 0);
        for (size_t at = 0; at < bytes; at += 61) {
            buffer[at] = 1;
            assert_true(k->read(buffer, bytes) != 0);
            buffer[at] = 0;
        }
    }
    free(buffer);
}

static void dispatch_keeps_to_what_is_allowed(void **state)
{
    (void)state;
    const struct kernel *scalar = kernel_find(KERNEL_GEMV, "int4", ISA_SCALAR);
    assert_non_null(scalar);
    assert_int_equal(scalar->isa, ISA_SCALAR);
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        const struct kernel *k = kernel_find(KERNEL_GEMV, "fp16", (enum isa)isa);
        assert_non_null(k);
        assert_true(isa_allows((enum isa)isa, k->isa));
        assert_true(cpu_info()->has[k->isa]);
    }
    assert_null(kernel_find(KERNEL_GEMV, "no such", ISA_AVX512));
    assert_non_null(kernel_find(KERNEL_READ, NULL, cpu_info()->best));
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
    struct matrix m;
    float w[10] = {1}, x[10] = {1}, y[10];
    const struct progress stop = {.tick = never};
    assert_int_equal(matrix_pack(&m, format_find("int8"), w, 2, 5, &stop), KERNEL_CANCELED);
    assert_int_equal(matrix_pack(&m, format_find("int8"), w, 2, 5, NULL), KERNEL_OK);
    assert_int_equal(gemv(kernel_find(KERNEL_GEMV, "fp32", ISA_SCALAR), &m, x, 1, y, NULL), KERNEL_NO_KERNEL);
    assert_int_equal(gemv(NULL, &m, x, 1, y, NULL), KERNEL_NO_KERNEL);
    assert_int_equal(gemv(kernel_find(KERNEL_GEMV, "int8", ISA_SCALAR), &m, x, 1, y, &stop), KERNEL_CANCELED);
    matrix_free(&m);
    assert_int_equal(matrix_seeded(&m, format_find("int8"), 10, MATRIX_COLS_MAX + 1, 1, 1, NULL), KERNEL_BAD_SHAPE);
    assert_int_equal(matrix_seeded(&m, format_find("int4"), 600, 200, 1, 0.02, NULL), KERNEL_OK);
    for (size_t col = 0; col < 200; col++)
        assert_true(matrix_value(&m, 300, col) == matrix_value(&m, 44, col));
    matrix_free(&m);
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_product_is_within_its_tolerance),
        cmocka_unit_test(exact_rows_equal_the_scalar_one),
        cmocka_unit_test(a_nan_weight_makes_its_row_nan),
        cmocka_unit_test(every_read_loop_reads_every_byte),
        cmocka_unit_test(dispatch_keeps_to_what_is_allowed),
        cmocka_unit_test(shapes_and_cancel_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
