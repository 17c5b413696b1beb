/* test_kernels_encode.c: packed codes. The reference rows against quantize(), which shares the pair alone; every
 * other row of the table against the reference, bit for bit: all 16-bit inputs, every value of the format, every tie,
 * both neighbors of each, subnormals, zeros, all kinds of NaN, ragged shapes between guard pages. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/encode.h"
#include "kernels/quantize.h"
#include "kernels/random.h"
#include "tests/guard.h"

/* ---- Inputs ---------------------------------------------------------------------------------------- */

enum { INPUTS_MOST = 1 << 19 };

/* The sample of one format. */
static struct {
    const struct format *format;
    float *x;
    size_t n;
} sample;

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void add(float x)
{
    assert_true(sample.n < INPUTS_MOST);
    sample.x[sample.n++] = x;
}

static void add_near(float x)
{
    float around[] = {x, nextafterf(x, INFINITY), nextafterf(x, -INFINITY)};
    for (int i = 0; i < 3; i++) {
        add(around[i]);
        add(-around[i]);
    }
}

/* The values of the format, and the points halfway between them; of FP16 and BF16 every third. */
static void add_grid(const struct format *f)
{
    static float values[1 << 16];
    size_t n = format_values(f, 0, f->largest, values, 1 << 16), step = n > 256 ? 3 : 1;
    for (size_t i = 0; i + 1 < n; i += step) {
        add_near(values[i]);
        add_near((float)(((double)values[i] + (double)values[i + 1]) / 2));
    }
    add_near(f->largest);
    add_near((float)((double)f->largest + (double)format_step(f, f->largest) / 2));
    add_near((float)((double)f->largest + (double)format_step(f, f->largest)));
}

/* The grid; specials; floats with few bits set; all FP16 and BF16 bit patterns; random bits. */
static void sample_for(const struct format *f)
{
    static const uint32_t nans[] = {0x7f800001, 0x7fbfffff, 0x7fc00000, 0x7fc00001, 0x7fffffff, 0x7f80ffff, 0x7f810000};
    if (sample.format == f)
        return;
    sample.format = f;
    sample.n = 0;
    if (f->bits <= 16)
        add_grid(f);
    for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++) {
        add(of_bits(nans[i]));
        add(of_bits(nans[i] | 0x80000000u));
    }
    add_near(INFINITY);
    for (uint32_t e = 0; e < 256; e++)
        for (uint32_t top = 0; top < 32; top++)
            add_near(of_bits(e << 23 | top << 18));
    for (uint32_t i = 0; i < 1u << 16; i += f->bits <= 16 ? 1 : 16) {
        add(of_bits(i << 16));
        add(format_decode(format_find("fp16"), i));
    }
    for (size_t i = 0; i < 20011; i++)
        add(of_bits(random_bits(3, STREAM_VALUES, i)));
}

/* ---- One run between guard pages ------------------------------------------------------------------- */

/* A job whose every array lies between guard pages. */
struct trial {
    struct encode_job job;
    struct guard x, values, codes, scales, chunks;
    size_t x_bytes, value_bytes, code_bytes, scale_bytes, chunk_bytes;
};

static bool is_decoder(const struct kernel *k)
{
    return k->op == KERNEL_DECODE || k->op == KERNEL_DEQUANTIZE;
}

static bool by_row(const struct kernel *k)
{
    return k->op == KERNEL_QUANTIZE || k->op == KERNEL_DEQUANTIZE;
}

/* What is asked of a row. Arrays start `off` elements from the guard. */
struct shape {
    size_t rows, cols, off;
    enum source source;
    enum guard_side side;
    float scale, tensor;
    bool stream;                /* as for large tensors: asks ahead, and stores past the caches what is aligned */
};

static struct trial trial_open(const struct kernel *k, const struct format *f, struct shape s)
{
    struct trial t = {.job = {.format = f, .source = s.source, .rows = s.rows, .cols = s.cols, .scale = s.scale,
                              .inverse = 1 / s.scale, .tensor = s.tensor, .stream = s.stream, .far = s.stream}};
    size_t n = s.rows * s.cols, width = s.source == SOURCE_FP32 ? 4 : 2;
    t.x_bytes = is_decoder(k) ? 0 : n * width;
    t.value_bytes = is_decoder(k) ? n * sizeof(float) : 0;
    t.code_bytes = by_row(k) ? s.rows * encode_row_bytes(f, s.cols) : (n * f->bits + 7) / 8;
    t.scale_bytes = by_row(k) ? s.rows * encode_scales_of_row(f, s.cols) * encode_scale_bytes(f) : 0;
    t.chunk_bytes = k->op == KERNEL_ENCODE_STATS ? encode_units(k, &t.job) * sizeof(struct error_sums) : 0;
    t.x = guard_open(t.x_bytes, s.side, s.off * width);
    t.values = guard_open(t.value_bytes, s.side, s.off * sizeof(float));
    t.codes = guard_open(t.code_bytes, s.side, f->bits == 16 ? 2 * s.off : f->bits == 32 ? 4 * s.off : s.off);
    t.scales = guard_open(t.scale_bytes, s.side, s.off * 4);
    t.chunks = guard_open(t.chunk_bytes, s.side, 0);
    t.job.x = t.x.bytes;
    t.job.values = t.values.bytes;
    t.job.codes = t.codes.bytes;
    t.job.scales = t.scales.bytes;
    t.job.chunks = t.chunks.bytes;
    return t;
}

static void trial_close(struct trial *t)
{
    guard_close(&t->x);
    guard_close(&t->values);
    guard_close(&t->codes);
    guard_close(&t->scales);
    guard_close(&t->chunks);
}

/* The sample from element `from` on, as the source; it starts again where it ends. */
static void fill(struct trial *t, size_t from)
{
    for (size_t i = 0; i < t->job.rows * t->job.cols; i++) {
        float x = sample.x[(from + i) % sample.n];
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        uint16_t upper = (uint16_t)(bits >> 16);
        if (t->job.source == SOURCE_FP32)
            memcpy((float *)t->x.bytes + i, &x, sizeof x);
        else
            memcpy((uint16_t *)t->x.bytes + i, &upper, sizeof upper);
    }
}

static void fill_codes(struct trial *t, uint64_t seed)
{
    uint8_t *codes = t->codes.bytes, *scales = t->scales.bytes;
    for (size_t i = 0; i < t->code_bytes; i++)
        codes[i] = (uint8_t)(i < 65536 * 2 && t->job.format->bits == 16 ? i / 2 >> (i % 2 * 8)
                                                                       : i + random_bits(seed, STREAM_VALUES, i / 256));
    for (size_t i = 0; i < t->scale_bytes; i++)
        scales[i] = (uint8_t)random_bits(seed, STREAM_FACTORS, i);
}

static size_t run(const struct kernel *k, struct trial *t)
{
    size_t units = encode_units(k, &t->job);
    if (units)
        k->job(&t->job, 0, units);
    return units;
}

/* Where two runs differ in bytes; n if nowhere. NaN values need not have the same bits. */
static size_t differ(const struct guard *a, const struct guard *b, size_t n, bool floats)
{
    const uint8_t *p = a->bytes, *q = b->bytes;
    for (size_t i = 0; floats && i + 4 <= n; i += 4) {
        float x, y;
        memcpy(&x, p + i, 4);
        memcpy(&y, q + i, 4);
        if (memcmp(p + i, q + i, 4) != 0 && !(isnan(x) && isnan(y)))
            return i;
    }
    for (size_t i = 0; !floats && i < n; i++)
        if (p[i] != q[i])
            return i;
    return n;
}

/* NULL, or which output of the two runs is not the same. */
static const char *compare(const struct trial *a, const struct trial *b, size_t *where)
{
    *where = differ(&a->codes, &b->codes, a->code_bytes, false);
    if (*where < a->code_bytes)
        return "codes";
    *where = differ(&a->scales, &b->scales, a->scale_bytes, false);
    if (*where < a->scale_bytes)
        return "scales";
    *where = differ(&a->values, &b->values, a->value_bytes, true);
    if (*where < a->value_bytes)
        return "values";
    *where = differ(&a->chunks, &b->chunks, a->chunk_bytes, false);
    return *where < a->chunk_bytes ? "sums" : NULL;
}

static bool intact(const struct trial *t)
{
    return guard_intact(&t->x, t->x_bytes) && guard_intact(&t->values, t->value_bytes) &&
           guard_intact(&t->codes, t->code_bytes) && guard_intact(&t->scales, t->scale_bytes) &&
           guard_intact(&t->chunks, t->chunk_bytes);
}

/* Row k gives what the reference gives, in this shape, from this place of the sample. */
static bool same(const struct kernel *k, const struct format *f, struct shape s, size_t from, bool quiet)
{
    const struct kernel *reference = kernel_find(k->op, f->name, ISA_SCALAR);
    struct trial a = trial_open(k, f, s), b = trial_open(reference, f, s);
    size_t where = 0;
    if (is_decoder(k)) {
        fill_codes(&a, from + 1);
        fill_codes(&b, from + 1);
    } else {
        fill(&a, from);
        fill(&b, from);
    }
    run(k, &a);
    run(reference, &b);
    const char *what = compare(&a, &b, &where);
    bool right = !what && intact(&a) && intact(&b);
    if (!right && !quiet)
        print_error("%s, %s, %zux%zu, %s at the guard, source %d, scale %a: %s differ at byte %zu\n", k->function,
                    f->name, s.rows, s.cols, s.side == GUARD_BEHIND ? "end" : "start", (int)s.source, (double)s.scale,
                    what ? what : "bytes beside the arrays", where);
    trial_close(&a);
    trial_close(&b);
    return right;
}

/* ---- Every row ------------------------------------------------------------------------------------- */

static const size_t sizes[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257, 521, 4096, 4097, 8209};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

static bool flat_shapes(const struct kernel *k, const struct format *f, enum source source)
{
    static const float scales[] = {1, 0.37f, 0x1p-126f, 0x1p126f, 0x1.fffffep125f};
    bool right = true;
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        struct shape s = {.rows = 1, .cols = sample.n, .scale = scales[i], .source = source, .tensor = 1,
                          .side = i % 2 ? GUARD_BEFORE : GUARD_BEHIND, .stream = i % 2};
        right = right && same(k, f, s, 0, false);
    }
    for (size_t i = 0; right && i < 2 * SIZES; i++) {
        struct shape s = {.rows = 1, .cols = sizes[i / 2], .off = i % 3, .scale = 0.37f, .source = source, .tensor = 1,
                          .stream = true, .side = i % 2 ? GUARD_BEFORE : GUARD_BEHIND};
        right = same(k, f, s, 1009 * i, false);
    }
    return right;
}

static bool row_shapes(const struct kernel *k, const struct format *f, enum source source)
{
    static const float tensors[] = {1, 0.003f, 0x1p-117f, 0x1p110f};
    bool right = true;
    for (size_t i = 0; right && i < 4 * SIZES; i++) {
        size_t cols = sizes[i / 4], rows = 1 + 5000 / cols;
        struct shape s = {.rows = rows, .cols = cols, .off = i % 3, .scale = 1, .source = source,
                          .tensor = tensors[i / 2 % 4], .stream = true, .side = i % 2 ? GUARD_BEFORE : GUARD_BEHIND};
        right = same(k, f, s, 12007 * i, false);
    }
    return right;
}

static void every_row_equals_the_reference(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->job || k->isa == ISA_SCALAR || !cpu_info()->has[k->isa])
            continue;
        const struct format *f = format_find(k->format);
        assert_non_null(f);
        sample_for(f);
        for (int source = SOURCE_FP32; source <= (is_decoder(k) ? SOURCE_FP32 : SOURCE_BF16); source++)
            wrong += by_row(k) ? !row_shapes(k, f, source) : !flat_shapes(k, f, source);
    }
    assert_int_equal(wrong, 0);
}

/* Units may be done in any order and by anybody. */
static void parts_give_what_the_whole_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!k->job || !cpu_info()->has[k->isa])
            continue;
        const struct format *f = format_find(k->format ? k->format : "int4");
        struct shape s = {.rows = 7, .cols = 2600, .scale = 0.5f, .tensor = 0.01f};
        struct trial a = trial_open(k, f, s), b = trial_open(k, f, s);
        size_t where, units;
        sample_for(f);
        if (is_decoder(k))
            fill_codes(&a, 1), fill_codes(&b, 1);
        else
            fill(&a, 0), fill(&b, 0);
        units = run(k, &a);
        assert_true(units >= 5);
        for (size_t u = units; u-- > 0;)
            k->job(&b.job, u, u + 1);
        const char *what = compare(&a, &b, &where);
        if (what)
            fail_msg("%s on %s: %s depend on the order of the units", k->function, f->name, what);
        trial_close(&a);
        trial_close(&b);
    }
}

static void job_one_off(const struct encode_job *job, size_t first, size_t last)
{
    kernel_find(KERNEL_ENCODE, "int8", ISA_SCALAR)->job(job, first, last);
    job->codes[job->cols - 1] ^= 1;
}

static void job_too_far(const struct encode_job *job, size_t first, size_t last)
{
    kernel_find(KERNEL_ENCODE, "int8", ISA_SCALAR)->job(job, first, last);
    (job->codes - 1)[0] ^= 1;
}

static void planted_faults_are_found(void **state)
{
    (void)state;
    const struct kernel off = {.op = KERNEL_ENCODE, .job = job_one_off};
    const struct kernel far = {.op = KERNEL_ENCODE, .job = job_too_far};
    struct shape s = {.rows = 1, .cols = 100, .scale = 1, .tensor = 1};
    sample_for(format_find("int8"));
    assert_true(same(kernel_find(KERNEL_ENCODE, "int8", ISA_SCALAR), format_find("int8"), s, 0, true));
    assert_false(same(&off, format_find("int8"), s, 0, true));
    assert_false(same(&far, format_find("int8"), s, 0, true));
}

/* ---- The reference against quantize() -------------------------------------------------------------- */

/* The tensor of the comparison: ordinary values, small ones, zeros, and a few that are not finite. */
static void fill_tensor(float *x, size_t n)
{
    random_gaussian(x, n, 11, 0.02);
    for (size_t i = 0; i < n; i += 97)
        x[i] *= 40;
    for (size_t i = n / 2; i < n / 2 + 70; i++)
        x[i] = i % 2 ? 0.0f : -0.0f;
    x[n / 3] = NAN;
    x[n / 4] = -INFINITY;
}

enum { TENSOR_ROWS = 9, TENSOR_COLS = 677 };

static void check_codes(const struct quant *q, const struct encode_job *job, bool by_rows)
{
    size_t bytes = encode_row_bytes(job->format, job->cols);
    for (size_t row = 0; row < q->rows; row++)
        for (size_t i = 0; i < q->cols; i++) {
            const uint8_t *codes = job->codes + (by_rows ? row * bytes : 0);
            size_t at = by_rows ? i : row * q->cols + i;
            if (encode_load(codes, at, job->format->bits) != quant_code(q, row * q->cols + i))
                fail_msg("%s: row %zu, column %zu", job->format->name, row, i);
        }
}

static void check_scaled(const struct format *f, const float *x)
{
    const struct kernel *k = kernel_find(KERNEL_QUANTIZE, f->name, ISA_SCALAR);
    const struct kernel *back = kernel_find(KERNEL_DEQUANTIZE, f->name, ISA_SCALAR);
    struct encode_job job;
    struct quant q;
    struct recipe recipe = {.format = f, .scale = encode_scale(f)};
    assert_int_equal(quantize(x, TENSOR_ROWS, TENSOR_COLS, &recipe, NULL, &q), KERNEL_OK);
    assert_int_equal(encode_open(&job, k, f, SOURCE_FP32, TENSOR_ROWS, TENSOR_COLS), KERNEL_OK);
    memcpy(job.x, x, TENSOR_ROWS * TENSOR_COLS * sizeof *x);
    job.tensor = recipe.scale.kind == SCALE_TWO_LEVEL ? q.tensor_scale : 1;
    assert_int_equal(encode_run(k, &job), KERNEL_OK);
    check_codes(&q, &job, true);
    assert_int_equal(q.scale_count, TENSOR_ROWS * encode_scales_of_row(f, TENSOR_COLS));
    for (size_t i = 0; i < q.scale_count; i++)
        assert_true(encode_scale_at(&job, i) == q.scales[i]);
    job.values = malloc(TENSOR_ROWS * TENSOR_COLS * sizeof(float));
    assert_int_equal(encode_run(back, &job), KERNEL_OK);
    for (size_t i = 0; i < TENSOR_ROWS * TENSOR_COLS; i++)
        assert_true(memcmp(&job.values[i], &q.values[i], 4) == 0 || isnan(q.values[i]));
    free(job.values);
    job.values = NULL;
    encode_close(&job);
    quant_free(&q);
}

static void check_known(const struct format *f, const float *x)
{
    const struct kernel *k = kernel_find(KERNEL_ENCODE_STATS, f->name, ISA_SCALAR);
    struct encode_job job;
    struct quant q;
    bool plain = strcmp(f->name, "e8m0") == 0;      /* which meets no scale */
    struct recipe recipe = {.format = f, .scale = {.kind = plain ? SCALE_NONE : SCALE_TENSOR}};
    assert_int_equal(quantize(x, 1, TENSOR_ROWS * TENSOR_COLS, &recipe, NULL, &q), KERNEL_OK);
    assert_int_equal(encode_open(&job, k, f, SOURCE_FP32, 1, TENSOR_ROWS * TENSOR_COLS), KERNEL_OK);
    memcpy(job.x, x, TENSOR_ROWS * TENSOR_COLS * sizeof *x);
    job.scale = quant_scale(&q, 0);
    job.inverse = 1 / job.scale;
    assert_int_equal(encode_run(k, &job), KERNEL_OK);
    check_codes(&q, &job, false);
    struct error_sums sums = encode_sums(&job, encode_units(k, &job));
    assert_memory_equal(&sums, &q.error, sizeof sums);
    encode_close(&job);
    quant_free(&q);
}

static void the_reference_agrees_with_quantize(void **state)
{
    (void)state;
    static float x[TENSOR_ROWS * TENSOR_COLS];
    size_t scaled = 0;
    fill_tensor(x, TENSOR_ROWS * TENSOR_COLS);
    for (size_t i = 0; i < format_count(); i++) {
        const struct format *f = format_at(i);
        if (encode_scale(f).kind != SCALE_NONE) {
            check_scaled(f, x);
            scaled++;
        }
        if (!f->block)
            check_known(f, x);
    }
    assert_int_equal(scaled, format_count() - 5);   /* not FP32, FP16, BF16, E8M0, and NF4 with double scales */
}

static void what_cannot_be_done_is_refused(void **state)
{
    (void)state;
    struct encode_job job;
    const struct kernel *scaled = kernel_find(KERNEL_QUANTIZE, "fp16", ISA_SCALAR);
    const struct kernel *plain = kernel_find(KERNEL_ENCODE, "int4", ISA_SCALAR);
    assert_int_equal(encode_open(&job, scaled, format_find("fp16"), SOURCE_FP32, 1, 8), KERNEL_NO_KERNEL);
    assert_int_equal(encode_open(&job, plain, format_find("int4"), SOURCE_FP32, 2, 7), KERNEL_BAD_SHAPE);
    assert_int_equal(encode_open(&job, plain, format_find("int4"), SOURCE_FP32, SIZE_MAX / 8, 8), KERNEL_BAD_SHAPE);
    assert_int_equal(encode_open(&job, plain, format_find("int4"), SOURCE_FP32, 0, 7), KERNEL_BAD_SHAPE);
    assert_int_equal(encode_open(&job, plain, format_find("int4"), SOURCE_FP32, 1, 0), KERNEL_OK);
    assert_int_equal(encode_units(plain, &job), 0);
    assert_int_equal(encode_run(plain, &job), KERNEL_OK);
    encode_close(&job);
}

static void traffic_counts_every_byte_once(void **state)
{
    (void)state;
    struct encode_job job = {.format = format_find("nvfp4"), .source = SOURCE_BF16, .rows = 3, .cols = 40};
    struct encode_traffic t = encode_traffic(kernel_find(KERNEL_QUANTIZE, "nvfp4", ISA_SCALAR), &job);
    assert_int_equal(t.read, 3 * 40 * 2);
    assert_int_equal(t.written, 3 * 3 * 9);         /* three blocks a row, the last padded */
    t = encode_traffic(kernel_find(KERNEL_DEQUANTIZE, "nvfp4", ISA_SCALAR), &job);
    assert_int_equal(t.read, 3 * 3 * 9);
    assert_int_equal(t.written, 3 * 40 * 4);
}

static int setup(void **state)
{
    (void)state;
    sample.x = malloc(INPUTS_MOST * sizeof *sample.x);
    return sample.x ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(sample.x);
    return 0;
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_agrees_with_quantize),
        cmocka_unit_test(every_row_equals_the_reference),
        cmocka_unit_test(parts_give_what_the_whole_gives),
        cmocka_unit_test(planted_faults_are_found),
        cmocka_unit_test(what_cannot_be_done_is_refused),
        cmocka_unit_test(traffic_counts_every_byte_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
