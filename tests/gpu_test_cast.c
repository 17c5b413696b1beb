/* gpu_test_cast.c: the fast encoders and decoders, row by row of the launch table, against the scalar reference: packed
 * codes, stored scales and sums must be the same bits.
 * Inputs are random, with outliers and with what is not finite; shapes end within runs, blocks and chunks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/encode.h"
#include "kernels/gpu_quantize.h"
#include "kernels/random.h"
#include "tests/gpu_check.h"

/* ---- Tensors --------------------------------------------------------------------------------------- */

static const struct shape {
    size_t rows, cols;
} shapes[] = {{0, 128}, {3, 0}, {1, 1}, {1, 7}, {1, 8}, {3, 256}, {2, 130}, {5, 1280}, {7, 100}, {33, 4096}, {3, 7000},
              {2, 17408}, {2, 24576}, {129, 384}, {9, 5120}, {4, 8192}, {2, 12288}};
static const struct shape all_patterns = {16, 4096};

/* A tensor as the card reads it and as FP32. */
struct tensor {
    size_t rows, cols, n;
    enum gpu_type type;
    void  *raw;
    float *x;
};

static enum gpu_type type_named(const char *name)
{
    return strcmp(name, "fp32") == 0 ? GPU_FP32 : strcmp(name, "fp16") == 0 ? GPU_FP16 : GPU_BF16;
}

static size_t bytes_of(enum gpu_type type)
{
    return type == GPU_FP32 ? 4 : 2;
}

/* Some values that formats must not stumble over. */
static void make_strange(float *x, size_t n, uint64_t seed)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e-40f, 3e38f, -NAN, 0x1p-14f, 1e-30f, -7.5f};
    for (size_t i = 0; i < n; i++) {
        uint32_t draw = random_bits(seed, STREAM_CHANNELS, i) % 200;
        if (draw < sizeof odd / sizeof odd[0])
            x[i] = odd[draw];
    }
}

/* kind 0: normal; 1: with outliers; 2: and with strange values; 3: many ties, a tenth of the blocks all zero;
 * 4: every pattern of 16 bits in order, for FP32 above random lower halves. */
static struct tensor make(struct shape s, const char *input, int kind, uint64_t seed)
{
    struct tensor t = {s.rows, s.cols, s.rows * s.cols, type_named(input), NULL, NULL};
    const struct format *f = format_find(input);
    t.raw = malloc(t.n * 4 + 16);
    t.x = malloc(t.n * 4 + 16);
    random_gaussian(t.x, t.n, seed, 1.5);
    if (kind == 1 || kind == 2)
        random_outliers(t.x, t.n, seed, 0.01, 70);
    if (kind == 2)
        make_strange(t.x, t.n, seed);
    for (size_t i = 0; kind == 3 && i < t.n; i++)
        t.x[i] = random_bits(seed, STREAM_FACTORS, i / 64) % 10 == 0 ? 0 : rintf(t.x[i] * 4) * 0.25f;
    for (size_t i = 0; i < t.n; i++) {
        uint32_t code = format_encode(f, t.x[i], (struct cast){ROUND_NEAREST, OVERFLOW_NATIVE, 0});
        if (kind == 4)
            code = t.type == GPU_FP32 ? (uint32_t)i << 16 | random_bits(seed, STREAM_FACTORS, i) >> 16 : (uint32_t)i;
        t.x[i] = format_decode(f, code);
        memcpy((char *)t.raw + i * bytes_of(t.type), &code, bytes_of(t.type));
    }
    return t;
}

static void drop(struct tensor *t)
{
    free(t->raw);
    free(t->x);
}

/* ---- The reference --------------------------------------------------------------------------------- */

struct reference {
    struct encode_job job;      /* FP32 source, codes and scales */
    float *values;
    struct error_sums sums;
};

/* Whether a row keeps scales beside the codes, other than one for the tensor. */
static bool has_scales(const struct gpu_kernel *k, const struct format *f)
{
    return k->op == GPU_CAST_FIND || k->op == GPU_CAST_FIND_STATS || encode_scale(f).kind >= SCALE_GROUP;
}

static size_t group_size(const struct format *f, size_t cols)
{
    struct scale s = encode_scale(f);
    return s.size ? s.size : cols ? cols : 1;
}

/* The scale of element i, and what it is multiplied by. */
static float scale_of(const struct reference *r, const struct gpu_kernel *k, size_t i, float *inverse)
{
    const struct encode_job *job = &r->job;
    size_t row = i / job->cols, col = i % job->cols;
    if (!has_scales(k, job->format))
        return *inverse = job->inverse, job->scale;
    float scale = encode_scale_at(job, row * encode_scales_of_row(job->format, job->cols) +
                                           col / group_size(job->format, job->cols));
    *inverse = scale == 0 ? 0 : 1 / scale;
    return scale;
}

static bool refer(struct reference *r, const struct gpu_kernel *k, const struct format *f, const struct tensor *t)
{
    const struct kernel *quantizer = kernel_find(KERNEL_QUANTIZE, f->name, ISA_SCALAR);
    const struct kernel *opener = has_scales(k, f) ? quantizer : kernel_find(KERNEL_ENCODE, f->name, ISA_SCALAR);
    size_t bytes = encode_row_bytes(f, t->cols);
    bool find = k->op == GPU_CAST_FIND || k->op == GPU_CAST_FIND_STATS;
    if (encode_open(&r->job, opener, f, SOURCE_FP32, t->rows, t->cols) != KERNEL_OK)
        return false;
    r->job.scale = 0.0123f, r->job.inverse = 1 / r->job.scale;
    r->job.tensor = f->block == 16 ? scale_of_tensor(quant_amax(t->x, t->n), f->largest) : 1;
    memcpy(r->job.x, t->x, t->n * sizeof(float));
    if (has_scales(k, f) && t->n)
        encode_run(quantizer, &r->job);
    if (has_scales(k, f) && !find)      /* scales that do not quite fit */
        for (size_t i = 0; i < t->n / group_size(f, t->cols) / 3; i++)
            ((uint8_t *)r->job.scales)[i] = (uint8_t)(((uint8_t *)r->job.scales)[i] % 90 + 30);
    memset(r->job.codes, 0, t->rows * bytes);
    r->values = malloc(t->n * 4 + 4);
    for (size_t i = 0; i < t->n; i++) {
        float inverse, scale = scale_of(r, k, i, &inverse);
        uint32_t code = format_encode(f, t->x[i] * inverse, (struct cast){0});
        encode_store(r->job.codes + i / t->cols * bytes, i % t->cols, f->bits, code);
        r->values[i] = format_decode(f, code) * scale;
    }
    r->sums = error_measure(t->x, r->values, t->n);
    return true;
}

static void forget(struct reference *r)
{
    encode_close(&r->job);
    free(r->values);
}

/* ---- Encoding -------------------------------------------------------------------------------------- */

static struct gpu_cast cast_for(struct gpu_checks *c, const struct gpu_kernel *k, const struct reference *r,
                                const struct tensor *t)
{
    const struct format *f = r->job.format;
    size_t scales = t->rows * encode_scales_of_row(f, t->cols) * encode_scale_bytes(f);
    size_t chunks = (t->n + GPU_SUMS_OF - 1) / GPU_SUMS_OF;
    struct gpu_cast w = {
        .rows = t->rows, .cols = t->cols, .scale = r->job.scale, .inverse = r->job.inverse, .tensor = r->job.tensor,
        .unit = 1 / (f->largest * r->job.tensor),
    };
    bool find = k->op == GPU_CAST_FIND || k->op == GPU_CAST_FIND_STATS;
    gpu_format_of(f, &w.format);
    w.x = gpu_put(c, t->raw, t->n * bytes_of(t->type));
    w.codes = gpu_room(c, t->rows * encode_row_bytes(f, t->cols));
    if (has_scales(k, f))
        w.scales = find ? gpu_room(c, scales) : gpu_put(c, r->job.scales, scales);
    w.sums = gpu_room(c, chunks * sizeof *w.sums);
    return w;
}

static void drop_cast(struct gpu_checks *c, struct gpu_cast *w)
{
    gpu_drop(c, (void *)(uintptr_t)w->x), gpu_drop(c, w->codes), gpu_drop(c, w->scales), gpu_drop(c, w->sums);
    gpu_drop(c, w->values);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static void compare_codes(struct gpu_checks *c, const struct gpu_cast *w, const struct reference *r,
                          const struct tensor *t, const char *what)
{
    const struct format *f = r->job.format;
    size_t bytes = t->rows * encode_row_bytes(f, t->cols);
    uint8_t *codes = gpu_get(c, w->codes, bytes);
    size_t i = first_difference(codes, r->job.codes, bytes), row = encode_row_bytes(f, t->cols);
    size_t at = i < bytes ? i / row * t->cols + i % row * 8 / f->bits : 0;
    gpu_expect(c, i == bytes, "%s: byte %zu of the codes is %02x, not %02x (values %g %g)", what, i, codes[i],
               r->job.codes[i], i < bytes && at < t->n ? (double)t->x[at] : 0,
               i < bytes && at + 1 < t->n ? (double)t->x[at + 1] : 0);
    free(codes);
}

static void compare_sums(struct gpu_checks *c, const struct gpu_cast *w, const struct reference *r,
                         const struct tensor *t, const char *what)
{
    size_t chunks = (t->n + GPU_SUMS_OF - 1) / GPU_SUMS_OF;
    struct gpu_sums *sums = gpu_get(c, w->sums, chunks * sizeof *sums);
    struct error_sums got = gpu_sums_join(sums, chunks);
    gpu_expect(c, memcmp(&got.signal, &r->sums.signal, 8) == 0 && memcmp(&got.noise, &r->sums.noise, 8) == 0 &&
               got.max_abs == r->sums.max_abs && got.count == r->sums.count,
               "%s: sums %.17g %.17g %g %zu, not %.17g %.17g %g %zu", what, got.signal, got.noise, got.max_abs,
               got.count, r->sums.signal, r->sums.noise, r->sums.max_abs, r->sums.count);
    free(sums);
}

static void check_cast(struct gpu_checks *c, const struct gpu_kernel *k, struct shape s, int kind)
{
    static const char *const ops[] = {[GPU_CAST] = "cast", [GPU_CAST_STATS] = "cast with sums",
                                      [GPU_CAST_FIND] = "cast finding scales",
                                      [GPU_CAST_FIND_STATS] = "cast finding scales, with sums"};
    const struct format *f = format_find(k->format);
    struct tensor t = make(s, k->input, kind, 7 + (uint64_t)kind);
    struct reference r;
    char what[200];
    snprintf(what, sizeof what, "%s from %s, %s [%zu, %zu], kind %d", k->format, k->input, ops[k->op], s.rows, s.cols,
             kind);
    bool sums = k->op == GPU_CAST_STATS || k->op == GPU_CAST_FIND_STATS;
    size_t block = encode_scale(f).kind >= SCALE_GROUP ? encode_scale(f).size : 1;
    if ((sums && s.cols % block) || !refer(&r, k, f, &t)) {
        drop(&t);
        return;                 /* not offered for this shape */
    }
    struct gpu_cast w = cast_for(c, k, &r, &t);
    size_t scales = t.rows * encode_scales_of_row(f, t.cols) * encode_scale_bytes(f);
    if (gpu_do(c, k, &w, what)) {
        compare_codes(c, &w, &r, &t, what);
        if (sums)
            compare_sums(c, &w, &r, &t, what);
        if (has_scales(k, f) && t.n) {
            uint8_t *got = gpu_get(c, w.scales, scales);
            size_t i = first_difference(got, r.job.scales, scales);
            gpu_expect(c, i == scales, "%s: byte %zu of the scales is %02x, not %02x", what, i, got[i],
                       ((uint8_t *)r.job.scales)[i]);
            free(got);
        }
    }
    drop_cast(c, &w);
    forget(&r);
    drop(&t);
}

/* ---- Decoding -------------------------------------------------------------------------------------- */

/* Every byte, or every pattern of 16 bits, in turn as codes, and their values. */
static void take_all_codes(struct reference *r, const struct gpu_kernel *k, size_t n)
{
    const struct format *f = r->job.format;
    size_t bytes = n * f->bits / 8;
    for (size_t i = 0; i < bytes; i++)
        r->job.codes[i] = (uint8_t)(f->bits > 8 ? i / 2 >> 8 * (i % 2) : i + i / 256 * 77);
    for (size_t i = 0; i < n; i++) {
        float inverse, scale = scale_of(r, k, i, &inverse);
        r->values[i] = format_decode(f, encode_load(r->job.codes, i, f->bits)) * scale;
    }
}

/* Whether a value of `size` bytes is the FP32 number `want`, rounded; any NaN is as good as another. */
static bool is_value(const struct format *to, const uint8_t *got, size_t size, float want)
{
    const struct cast nearest = {ROUND_NEAREST, OVERFLOW_NATIVE, 0};
    uint32_t code = 0;
    memcpy(&code, got, size);
    return isnan(want) ? isnan(format_decode(to, code)) : code == format_encode(to, want, nearest);
}

static void check_uncast(struct gpu_checks *c, const struct gpu_kernel *k, size_t rows, size_t cols, bool all)
{
    const struct format *f = format_find(k->format), *to = format_find(k->input);
    struct gpu_kernel as = *k;
    struct reference r;
    as.op = GPU_CAST;
    struct tensor t = make((struct shape){rows, cols}, "fp32", 1, 5);
    if (!refer(&r, &as, f, &t)) {
        drop(&t);
        return;
    }
    if (all)
        take_all_codes(&r, &as, t.n);
    struct gpu_cast w = cast_for(c, &as, &r, &t);
    size_t size = bytes_of(type_named(k->input)), right = 0;
    gpu_drop(c, w.codes);
    w.codes = gpu_put(c, r.job.codes, rows * encode_row_bytes(f, cols));
    w.values = gpu_room(c, t.n * size);
    if (gpu_do(c, k, &w, k->format)) {
        uint8_t *got = gpu_get(c, w.values, t.n * size);
        while (right < t.n && is_value(to, got + right * size, size, r.values[right]))
            right++;
        gpu_expect(c, right == t.n, "%s to %s [%zu, %zu]: value %zu is wrong", k->format, k->input, rows, cols, right);
        free(got);
    }
    drop_cast(c, &w);
    forget(&r);
    drop(&t);
}

void gpu_test_cast(struct gpu_checks *c)
{
    const struct gpu_kernel *k;
    for (size_t i = 0; (k = c->m->kernel(i)); i++) {
        if (k->needs > c->m->device(c->g)->capability || k->op < GPU_CAST || k->op > GPU_UNCAST || !gpu_mine(c, i))
            continue;
        for (size_t s = 0; k->op != GPU_UNCAST && s < sizeof shapes / sizeof shapes[0]; s++)
            for (int kind = 0; kind < 4; kind++)
                if (!c->small || (s % 3 == 1 && kind == 2))
                    check_cast(c, k, shapes[s], kind);
        if (k->op == GPU_UNCAST) {
            check_uncast(c, k, 3, 1280, false);
            check_uncast(c, k, 64, 4096, false);
            check_uncast(c, k, 64, 4096, true);
        } else if (!c->small) {
            check_cast(c, k, all_patterns, 4);
        }
    }
}
