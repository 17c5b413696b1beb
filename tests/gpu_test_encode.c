/* gpu_test_encode.c: single values: every format, rounding, overflow and type of source, on the card and by the scalar
 * reference: all inputs of 16 bits and a dense sample of FP32; gpu_test_all.c has the rest.
 * A value's code, decoded value and counts must be the same bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu_encode.h"
#include "kernels/kernel.h"
#include "tests/gpu_check.h"

/* ---- Inputs ---------------------------------------------------------------------------------------- */

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* One set of inputs: as the card reads them, and as FP32. */
struct inputs {
    const char *name;
    enum gpu_type type;
    size_t n;
    void  *raw;                 /* [n] of type */
    float *x;                   /* [n] the same values */
};

static size_t type_bytes(enum gpu_type type)
{
    return type == GPU_FP32 ? 4 : 2;
}

/* All 65,536 inputs of a 16-bit type. */
static struct inputs all_of(const char *name, enum gpu_type type)
{
    struct inputs in = {name, type, 65536, malloc(65536 * 2), malloc(65536 * sizeof(float))};
    const struct format *f = format_find(name);
    for (uint32_t i = 0; i < 65536; i++) {
        ((uint16_t *)in.raw)[i] = (uint16_t)i;
        in.x[i] = type == GPU_BF16 ? from_bits(i << 16) : format_decode(f, i);
    }
    return in;
}

/* Every upper half of an FP32 number with lower halves next to where rounding turns. */
static struct inputs dense(bool small)
{
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x1000, 0x2c6b};
    size_t lows = small ? 2 : sizeof low / sizeof low[0];
    struct inputs in = {"fp32", GPU_FP32, 65536 * lows, malloc(65536 * lows * 4), NULL};
    in.x = in.raw;
    for (uint32_t i = 0; i < 65536; i++)
        for (size_t j = 0; j < lows; j++)
            in.x[i * lows + j] = from_bits(i << 16 | low[j]);
    return in;
}

/* ---- One comparison -------------------------------------------------------------------------------- */

struct setting {
    const struct format *format;
    enum rounding rounding;
    enum overflow overflow;
    float scale;
    uint64_t seed;
};

/* The reference. */
static struct round_run refer(const struct setting *s, const float *x, size_t n, size_t first)
{
    struct round_run run = {
        .format = s->format, .cast = {s->rounding, s->overflow, 0}, .seed = s->seed, .index = first, .x = x, .n = n,
        .scale = s->scale, .inverse = 1 / s->scale, .codes = malloc(n * 4 + 4), .values = malloc(n * 4 + 4),
    };
    kernel_find(KERNEL_ROUND, s->format->name, ISA_SCALAR)->round(&run);
    return run;
}

static struct gpu_task task_for(const struct setting *s, const struct inputs *in, size_t first)
{
    struct gpu_task t = {
        .source = (int)in->type, .rounding = s->rounding, .overflow = s->overflow, .seed = s->seed, .first = first,
        .rows = 1, .cols = in->n, .tile_rows = 1, .tile_cols = in->n, .per_row = 1,
    };
    gpu_format_of(s->format, &t.format);
    return t;
}

/* The first element that differs, or n. */
static size_t differs(const void *a, const void *b, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp((const char *)a + i * size, (const char *)b + i * size, size) != 0)
            return i;
    return n;
}

static void compare(struct gpu_checks *c, const struct setting *s, const struct inputs *in,
                    const struct round_run *want, const void *codes, const float *values,
                    const struct gpu_counts *counts)
{
    size_t size = format_code_bytes(s->format), i = differs(codes, want->codes, in->n, size);
    uint32_t got = 0, due = 0;
    if (i < in->n) {
        memcpy(&got, (const char *)codes + i * size, size);
        memcpy(&due, (const char *)want->codes + i * size, size);
    }
    gpu_expect(c, i == in->n, "%s from %s, rounding %d, overflow %d, scale %g: %08x (%g) has code %x, not %x",
               s->format->name, in->name, s->rounding, s->overflow, (double)s->scale, to_bits(in->x[i]),
               (double)in->x[i], got, due);
    i = differs(values, want->values, in->n, sizeof *values);
    gpu_expect(c, i == in->n, "%s from %s, rounding %d, overflow %d, scale %g: %08x decodes to %08x, not %08x",
               s->format->name, in->name, s->rounding, s->overflow, (double)s->scale, to_bits(in->x[i]),
               to_bits(values[i]), to_bits(want->values[i]));
    gpu_expect(c, counts->zeros == want->zeros && counts->nonfinite == want->nonfinite &&
               counts->clipped == want->clipped,
               "%s from %s, rounding %d, overflow %d, scale %g: counts %llu %llu %llu, not %zu %zu %zu",
               s->format->name, in->name, s->rounding, s->overflow, (double)s->scale, counts->zeros,
               counts->nonfinite, counts->clipped, want->zeros, want->nonfinite, want->clipped);
}

/* Encodes the inputs on the card by row k. `on_card` holds in->raw. */
static void check_setting(struct gpu_checks *c, const struct setting *s, const struct inputs *in, void *on_card)
{
    struct round_run want = refer(s, in->x, in->n, 12345);
    struct gpu_task t = task_for(s, in, 12345);
    struct fit fit = {.scale = want.scale, .inverse = want.inverse};
    struct gpu_counts counts = {0};
    size_t size = format_code_bytes(s->format);
    t.x = on_card;
    t.fits = gpu_put(c, &fit, sizeof fit);
    t.counts = gpu_put(c, &counts, sizeof counts);
    t.codes = gpu_room(c, in->n * size);
    t.values = gpu_room(c, in->n * sizeof(float));
    if (gpu_do(c, c->m->find(c->g, GPU_ENCODE, NULL, NULL), &t, s->format->name)) {
        void *codes = gpu_get(c, t.codes, in->n * size);
        float *values = gpu_get(c, t.values, in->n * sizeof(float));
        c->m->download(c->g, &counts, t.counts, sizeof counts);
        compare(c, s, in, &want, codes, values, &counts);
        free(codes);
        free(values);
    }
    gpu_drop(c, t.fits), gpu_drop(c, t.counts), gpu_drop(c, t.codes), gpu_drop(c, t.values);
    free(want.codes);
    free(want.values);
}

/* Every choice of one format. Some pairs have no use for stochastic rounding. */
static void check_format(struct gpu_checks *c, const struct format *f, const struct inputs *in, void *on_card)
{
    static const float scales[] = {1, 0.0371f, 0x1p-20f};
    for (int r = ROUND_NEAREST; r <= ROUND_STOCHASTIC; r++)
        for (int o = OVERFLOW_SATURATE; o <= OVERFLOW_NATIVE; o++)
            for (int k = 0; k < (c->small ? 1 : 3); k++) {
                struct setting s = {f, (enum rounding)r, (enum overflow)o, scales[k], 77};
                if (r == ROUND_STOCHASTIC && f->kind == FORMAT_LEVELS)
                    continue;
                check_setting(c, &s, in, on_card);
            }
}

/* All codes of a format, and more bits than it has, back to values. */
static void check_decode(struct gpu_checks *c, const struct format *f)
{
    size_t n = f->bits <= 8 ? 256 : 65536, size = format_code_bytes(f);
    struct setting s = {f, ROUND_NEAREST, OVERFLOW_SATURATE, 0.0371f, 0};
    struct inputs in = {f->name, GPU_FP32, n, malloc(n * 4), NULL};
    struct fit fit = {.scale = s.scale, .inverse = 1 / s.scale};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t code = size == 4 ? i << 16 | (i & 0xff) : i;
        memcpy((char *)in.raw + i * size, &code, size);
    }
    struct gpu_task t = task_for(&s, &in, 0);
    t.codes = gpu_put(c, in.raw, n * size);
    t.fits = gpu_put(c, &fit, sizeof fit);
    t.values = gpu_room(c, n * sizeof(float));
    if (gpu_do(c, c->m->find(c->g, GPU_DECODE, NULL, NULL), &t, f->name)) {
        float *values = gpu_get(c, t.values, n * sizeof(float));
        size_t wrong = n;
        for (uint32_t i = 0; i < n && wrong == n; i++) {
            uint32_t code = 0;
            memcpy(&code, (char *)in.raw + i * size, size);
            if (to_bits(values[i]) != to_bits(format_decode(f, code) * s.scale))
                wrong = i;
        }
        gpu_expect(c, wrong == n, "%s: code number %zx decodes to %g", f->name, wrong,
                   wrong < n ? (double)values[wrong] : 0);
        free(values);
    }
    gpu_drop(c, t.codes), gpu_drop(c, t.fits), gpu_drop(c, t.values);
    free(in.raw);
}

/* ---- All of them ----------------------------------------------------------------------------------- */

void gpu_test_encode(struct gpu_checks *c)
{
    struct inputs sets[] = {all_of("fp16", GPU_FP16), all_of("bf16", GPU_BF16), dense(c->small)};
    const struct format *f;
    for (int i = 0; i < 3; i++) {
        void *on_card = gpu_put(c, sets[i].raw, sets[i].n * type_bytes(sets[i].type));
        for (size_t k = 0; (f = format_at(k)); k++)
            if (gpu_mine(c, k))
                check_format(c, f, &sets[i], on_card);
        gpu_drop(c, on_card);
        free(sets[i].raw);
        if (sets[i].x != sets[i].raw)
            free(sets[i].x);
    }
    for (size_t k = 0; (f = format_at(k)); k++)
        if (gpu_mine(c, k))
            check_decode(c, f);
}
