/* test_kernels_round.c: every encoder of the kernel table against the reference, bit for bit: codes, decoded
 * values and counts, on all 16-bit inputs, ties and their neighbors, subnormals, all kinds of NaN, random bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernel.h"
#include "kernels/random.h"

enum { INPUTS = 1 << 18, GUARD = 64 };

static float *inputs;

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* All BF16 values, all FP16 values, floats with few mantissa bits set (ties in every format), and random bits. */
static void fill_inputs(void)
{
    size_t n = 0;
    for (uint32_t i = 0; i < 1u << 16; i++) {
        inputs[n++] = of_bits(i << 16);
        inputs[n++] = format_decode(format_find("fp16"), i);
    }
    for (uint32_t e = 0; e < 256; e++)
        for (uint32_t top = 0; top < 32; top++)
            for (int near = -1; near <= 1; near++)
                inputs[n++] = of_bits((e << 23 | top << 18) + (uint32_t)near);
    for (size_t i = 0; n < INPUTS; i++)
        inputs[n++] = of_bits(random_bits(3, STREAM_VALUES, i));
}

struct outputs {
    uint16_t codes[INPUTS + GUARD];
    float values[INPUTS + GUARD];
    struct round_run run;
};

static struct outputs *encode(const struct kernel *k, const struct format *f, float scale, size_t from, size_t n)
{
    struct outputs *out = malloc(sizeof *out);
    assert_non_null(out);
    memset(out, 0x5a, sizeof *out);
    out->run = (struct round_run){.format = f, .x = inputs + from, .n = n, .scale = scale, .inverse = 1 / scale,
                                   .codes = out->codes, .values = out->values};
    k->round(&out->run);
    return out;
}

/* True if row k gives what the reference gives. */
static bool same(const struct kernel *k, const struct format *f, float scale, size_t from, size_t n)
{
    const struct kernel *reference = kernel_find(KERNEL_ROUND, f->name, ISA_SCALAR);
    struct outputs *a = encode(k, f, scale, from, n), *b = encode(reference, f, scale, from, n);
    bool equal = memcmp(a->codes, b->codes, sizeof a->codes) == 0 &&
                 memcmp(a->values, b->values, sizeof a->values) == 0 && a->run.zeros == b->run.zeros &&
                 a->run.nonfinite == b->run.nonfinite && a->run.clipped == b->run.clipped;
    free(a);
    free(b);
    return equal;
}

static void every_encoder_equals_the_reference(void **state)
{
    (void)state;
    static const float scales[] = {1, 0.37f, 0x1p-126f, 0x1p126f};
    static const size_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 33};
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->round || k->isa == ISA_SCALAR || !cpu_info()->has[k->isa])
            continue;
        const struct format *f = format_find(k->format);
        for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++)
            if (!same(k, f, scales[s], 0, INPUTS))
                fail_msg("%s differs on %s with scale %a", k->function, f->name, (double)scales[s]);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            if (!same(k, f, 1, 131, sizes[s]))
                fail_msg("%s differs on %s with %zu values", k->function, f->name, sizes[s]);
    }
}

static void round_one_off(struct round_run *run)
{
    kernel_find(KERNEL_ROUND, run->format->name, ISA_SCALAR)->round(run);
    run->values[run->n - 1] = nextafterf(run->values[run->n - 1], INFINITY);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    const struct kernel broken = {.op = KERNEL_ROUND, .round = round_one_off, .function = "planted"};
    assert_false(same(&broken, format_find("int8"), 1, 0, 100));
}

static int setup(void **state)
{
    (void)state;
    inputs = malloc(INPUTS * sizeof *inputs);
    if (inputs)
        fill_inputs();
    return inputs ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(inputs);
    return 0;
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoder_equals_the_reference),
        cmocka_unit_test(a_planted_fault_is_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
