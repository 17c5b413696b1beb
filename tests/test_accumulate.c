/* test_accumulate.c: narrow accumulators: what arithmetic.md and the course say of them, and the processor itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/accumulate.h"
#include "kernels/cpu.h"
#include "kernels/format.h"
#include "kernels/random.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { K = 4096, SEEDS = 16 };

/* U(0,1) rounded to a format: each product positive, so that a lost bit is always lost to the same side. */
static void uniform(float *x, uint64_t seed, const char *format)
{
    for (size_t i = 0; i < K; i++)
        x[i] = format_round(format_find(format), (float)random_uniform(seed, STREAM_VALUES, i), (struct cast){0});
}

/* Mean relative error over the seeds. */
static double relative_error(const char *name, const char *inputs)
{
    double sum = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        float a[K], b[K];
        uniform(a, seed, inputs);
        uniform(b, seed + 1000, inputs);
        double exact = accumulator_find("fp64")->dot(a, b, K);
        sum += fabs(accumulator_find(name)->dot(a, b, K) - exact) / exact;
    }
    return sum / SEEDS;
}

static void reference_outcomes(void **state)
{
    (void)state;
    assert_true(relative_error("fp32", "e4m3") < 2e-6);
    assert_true(fabs(relative_error("acc14", "e4m3") - 6.6e-2) < 0.1e-2);
    assert_true(fabs(relative_error("acc14-promoted", "e4m3") - 4.9e-4) < 0.1e-4);
    double fp16 = relative_error("fp16", "e4m3"), bf16 = relative_error("bf16", "e4m3");
    print_message("fp16 %.3g, bf16 %.3g; fp16 inputs: %.3g, %.3g\n", fp16, bf16, relative_error("fp16", "fp16"),
                  relative_error("bf16", "bf16"));
    assert_true(fabs(bf16 - 0.75) < 0.01);
}

/* Where adding 1 sticks: 2^(mantissa bits + 1). */
static void sticks(void **state)
{
    static float ones[3000];
    (void)state;
    for (size_t i = 0; i < 3000; i++)
        ones[i] = 1;
    assert_true(accumulator_find("fp16")->dot(ones, ones, 3000) == 2048);
    assert_true(accumulator_find("bf16")->dot(ones, ones, 3000) == 256);
    assert_true(accumulator_find("fp32")->dot(ones, ones, 3000) == 3000);
}

static void edges(void **state)
{
    const float huge[2] = {256, 1}, one[2] = {256, 1}, zero[3] = {0};
    (void)state;
    assert_null(accumulator_find("int64"));
    assert_null(accumulator_at(accumulator_count()));
    for (size_t i = 0; i < accumulator_count(); i++) {
        const struct accumulator *row = accumulator_at(i);
        assert_true(row->dot(zero, zero, 0) == 0 && row->dot(zero, zero, 3) == 0);
        assert_ptr_equal(accumulator_find(row->name), row);
    }
    assert_true(isinf(accumulator_find("fp16")->dot(huge, one, 2)));
    const float mixed[3] = {1, 0x1p-13f, -0x1p-14f}, unit[3] = {1, 1, 1};
    assert_true(accumulator_find("acc14")->dot(mixed, unit, 3) == 1 + 0x1p-13);
}

static void integers(void **state)
{
    size_t n = 133145;
    int8_t *a = malloc(n);
    (void)state;
    memset(a, 127, n);
    assert_true(accumulate_int32(a, a, n - 1) == accumulate_int64(a, a, n - 1));
    assert_true(accumulate_int32(a, a, n) < 0 && accumulate_int64(a, a, n) == 16129LL * (int64_t)n);
    free(a);
    const uint8_t most[2] = {255, 255};
    const int8_t up[2] = {127, 127}, down[2] = {-128, -128};
    assert_int_equal(accumulate_maddubs(most, up, 2), 32767);
    assert_int_equal(accumulate_maddubs(most, down, 2), -32768);
    assert_int_equal(accumulate_maddubs(most, up, 1), 0);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static int32_t by_processor(const uint8_t *a, const int8_t *b)
{
    __m256i pairs =
        _mm256_maddubs_epi16(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
    __m256i sums = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    int32_t lane[8], sum = 0;
    _mm256_storeu_si256((__m256i *)lane, sums);
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}
#endif

static void processor_agrees(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!cpu_info()->has[ISA_AVX2])
        skip();
    for (uint64_t i = 0; i < 20000; i++) {
        uint8_t a[32];
        int8_t b[32];
        for (size_t j = 0; j < 32; j++) {
            uint32_t bits = random_bits(7, STREAM_VALUES, 32 * i + j);
            a[j] = (uint8_t)bits;
            b[j] = (int8_t)(bits >> 8);
        }
        assert_int_equal(accumulate_maddubs(a, b, 32), by_processor(a, b));
    }
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_outcomes), cmocka_unit_test(sticks), cmocka_unit_test(edges),
        cmocka_unit_test(integers),           cmocka_unit_test(processor_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
