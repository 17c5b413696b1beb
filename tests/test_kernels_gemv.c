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
#include "kernels/pool.h"
#include "kernels/random.h"
#include "tests/guard.h"

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

static void check_value(const struct kernel *k, const struct matrix *m, const struct operand *o, size_t b, size_t row,
                        float y)
{
    double sum = 0, size = 0;
    for (size_t col = 0; col < m->cols; col++) {
        double term = matrix_value(m, row, col) * operand_value(o, b, col);
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
    assert_int_equal(operand_prepare(&o, k->activation, k->layout, x, batch, cols, NULL), KERNEL_OK);
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
        const struct kernel *scalar = kernel_find_product(k->format, k->activation, ISA_SCALAR);
        assert_int_equal(gemv(scalar, &m, x, 1, expected, NULL), KERNEL_OK);
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
        if (k->op != KERNEL_GEMV || !cpu_info()->has[k->isa] || format_find(k->format)->specials == SPECIALS_NONE)
            continue;
        struct matrix m;
        assert_int_equal(matrix_pack(&m, format_find(k->format), w, 4, 200, NULL), KERNEL_OK);
        assert_int_equal(gemv(k, &m, x, 1, y, NULL), KERNEL_OK);
        for (int row = 0; row < 4; row++)
            assert_int_equal(isnan(y[row]) != 0, row == 2);
        matrix_free(&m);
    }
}

/* Moves n bytes to where nobody may read behind them. */
static struct guard guarded(const void *from, size_t n)
{
    struct guard g = guard_open(n, GUARD_BEHIND, 0);
    if (n)
        memcpy(g.bytes, from, n);
    return g;
}

/* Codes, scales, x and y each end at a guard page. */
static void no_product_leaves_its_arrays(void **state)
{
    (void)state;
    const size_t rows = 5, cols = 300, batch = 5;
    float *w = gaussian(rows * cols, 1, 0.02), *x = gaussian(batch * cols, 2, 1);
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->gemv || !cpu_info()->has[k->isa])
            continue;
        struct matrix m;
        struct operand o;
        assert_int_equal(matrix_pack(&m, format_find(k->format), w, rows, cols, NULL), KERNEL_OK);
        assert_int_equal(operand_prepare(&o, k->activation, k->layout, x, batch, cols, NULL), KERNEL_OK);
        struct guard codes = guarded(m.codes, rows * m.stride), y = guard_open(rows * batch * 4, GUARD_BEHIND, 0);
        struct guard scale = guarded(m.block_scale ? m.block_scale : (void *)m.group_scale,
                                     m.block_scale ? rows * m.groups : m.group_scale ? 2 * rows * m.groups : 0);
        struct guard token = guarded(o.codes ? (void *)o.codes : o.x, batch * o.padded * (o.codes ? 1 : 4));
        struct matrix tight = m;
        struct operand near = o;
        tight.codes = codes.bytes;
        tight.block_scale = m.block_scale ? scale.bytes : NULL;
        tight.group_scale = m.group_scale ? scale.bytes : NULL;
        near.codes = o.codes ? token.bytes : NULL;
        near.x = o.x ? token.bytes : NULL;
        assert_int_equal(gemv_prepared(k, &tight, &near, y.bytes, NULL), KERNEL_OK);
        for (size_t b = 0; b < batch; b++)
            for (size_t row = 0; row < rows; row++)
                check_value(k, &m, &o, b, row, ((float *)y.bytes)[b * rows + row]);
        assert_true(guard_intact(&y, rows * batch * 4));
        guard_close(&codes);
        guard_close(&y);
        guard_close(&scale);
        guard_close(&token);
        operand_free(&o);
        matrix_free(&m);
    }
    free(w);
    free(x);
}

/* Activations from the smallest to the largest numbers: what LAYOUT_FOURS scales comes out again. */
static void any_magnitude_of_x_is_within_tolerance(void **state)
{
    (void)state;
    const size_t cols = 200;
    const float magnitudes[] = {0, 1e-44f, 1e-38f, 1e-20f, 1, 1e20f, 1e34f};
    float *w = gaussian(cols, 1, 0.02), *x = gaussian(cols, 2, 1), *scaled = gaussian(cols, 2, 1), y;
    for (size_t m = 0; m < sizeof magnitudes / sizeof magnitudes[0]; m++) {
        for (size_t i = 0; i < cols; i++)
            scaled[i] = x[i] * magnitudes[m] * (i % 9 ? 1 : 1e-6f);
        for (size_t i = 0; i < kernel_count(); i++) {
            const struct kernel *k = kernel_at(i);
            if (!k->gemv || k->activation == ACTIVATION_INT8 || !cpu_info()->has[k->isa])
                continue;
            struct matrix packed;
            struct operand o;
            assert_int_equal(matrix_pack(&packed, format_find(k->format), w, 1, cols, NULL), KERNEL_OK);
            assert_int_equal(operand_prepare(&o, k->activation, k->layout, scaled, 1, cols, NULL), KERNEL_OK);
            assert_int_equal(gemv_prepared(k, &packed, &o, &y, NULL), KERNEL_OK);
            if (magnitudes[m] > 1e-30f)
                check_value(k, &packed, &o, 0, 0, y);
            else
                assert_true(fabsf(y) <= 1e3f * magnitudes[m]);      /* subnormal results round as they must */
            operand_free(&o);
            matrix_free(&packed);
        }
    }
    free(w);
    free(x);
    free(scaled);
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    const size_t rows = 3000, cols = 512, batch = 18;
    float *w = gaussian(rows * cols, 1, 0.02), *x = gaussian(batch * cols, 2, 1);
    float *y = malloc(batch * rows * sizeof *y), *first = malloc(batch * rows * sizeof *first);
    struct matrix m;
    assert_non_null(y);
    assert_non_null(first);
    assert_int_equal(matrix_pack(&m, format_find("e4m3"), w, rows, cols, NULL), KERNEL_OK);
    const struct kernel *k = kernel_find(KERNEL_GEMV, "e4m3", cpu_info()->best);
    assert_int_equal(gemv(k, &m, x, batch, first, NULL), KERNEL_OK);
    for (int threads = 1; threads <= 4; threads++) {
        struct progress progress = {.pool = pool_open(threads)};
        assert_int_equal(gemv(k, &m, x, batch, y, &progress), KERNEL_OK);
        assert_memory_equal(y, first, batch * rows * sizeof *y);
        pool_close(progress.pool);
    }
    matrix_free(&m);
    free(w);
    free(x);
    free(y);
    free(first);
}

/* Every layout puts each value of a run somewhere of its own. */
static void layouts_are_permutations(void **state)
{
    (void)state;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        bool taken[1024] = {false};
        size_t run = layout_run((enum layout)layout);
        for (size_t col = 0; col < 2 * run; col++) {
            size_t at = layout_position((enum layout)layout, col);
            assert_true(at / run == col / run && !taken[at]);
            taken[at] = true;
        }
    }
}

/* What BF16 and INT8 activations are, by the format table. */
static void activations_are_rounded_by_the_table(void **state)
{
    (void)state;
    float x[130];
    struct operand o;
    random_gaussian(x, 130, 3, 1);
    x[5] = 3.4e38f, x[6] = -INFINITY, x[7] = 1e-40f, x[8] = 0x1.01p0f, x[9] = 0x1.03p0f;
    assert_int_equal(operand_prepare(&o, ACTIVATION_BF16, LAYOUT_VALUES, x, 1, 130, NULL), KERNEL_OK);
    for (size_t i = 0; i < 130; i++)
        assert_true(operand_value(&o, 0, i) == (double)format_round(format_find("bf16"), x[i], (struct cast){0}));
    operand_free(&o);
    x[5] = x[6] = 0;
    assert_int_equal(operand_prepare(&o, ACTIVATION_INT8, LAYOUT_CODES_16, x, 1, 130, NULL), KERNEL_OK);
    float inverse = 1 / o.scale[0];
    for (size_t i = 0; i < 130; i++)
        assert_true(operand_value(&o, 0, i) == (double)o.scale[0] *
                    (double)format_round(format_find("int8"), x[i] * inverse, (struct cast){0}));
    operand_free(&o);
    assert_int_equal(operand_prepare(&o, ACTIVATION_BF16, LAYOUT_CODES, x, 1, 130, NULL), KERNEL_BAD_SHAPE);
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
        cmocka_unit_test(no_product_leaves_its_arrays),
        cmocka_unit_test(any_magnitude_of_x_is_within_tolerance),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(layouts_are_permutations),
        cmocka_unit_test(activations_are_rounded_by_the_table),
        cmocka_unit_test(every_read_loop_reads_every_byte),
        cmocka_unit_test(dispatch_keeps_to_what_is_allowed),
        cmocka_unit_test(shapes_and_cancel_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
