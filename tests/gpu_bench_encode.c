/* gpu_bench_encode.c: encoding, decoding and statistics against a copy of the same bytes.
 * Traffic is what must move at least: values read once, codes and found scales written once, known scales read once;
 * decoding the other way round. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernels/encode.h"
#include "kernels/gpu_encode.h"
#include "tests/gpu_measure.h"

enum { ROWS = 8192, COLS = 8192 };

/* One kernel over rotating buffers: values, codes, scales, sums side by side in a slot. */
struct encode_series {
    const struct gpu_bench  *b;
    const struct gpu_kernel *k;
    struct gpu_cast cast;
    size_t value_bytes, code_bytes, scale_bytes, slot_bytes;
    int    slots;
};

static size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

static enum kernel_status encode_series(struct gpu *g, void *ctx, int i)
{
    const struct encode_series *s = ctx;
    char *slot = gpu_slot(s->b, s->slot_bytes, s->slots, i);
    struct gpu_cast w = s->cast;
    w.x = w.values = slot;
    w.codes = slot + aligned(s->value_bytes);
    w.scales = (char *)w.codes + aligned(s->code_bytes);
    w.sums = (struct gpu_sums *)((char *)w.scales + aligned(s->scale_bytes));
    return s->k->launch(g, &w);
}

static void bench_row(struct gpu_bench *b, enum gpu_op op, const char *format, const char *input, const char *what,
                      double goal)
{
    const struct gpu_kernel *k = b->m->find(b->g, op, format, input);
    const struct format *f = format_find(format);
    size_t n = (size_t)ROWS * COLS, scales = ROWS * encode_scales_of_row(f, COLS) * encode_scale_bytes(f);
    bool stored = op == GPU_CAST_FIND || op == GPU_CAST_FIND_STATS || encode_scale(f).kind >= SCALE_GROUP;
    char name[80];
    if (!k || !k->format)
        return;
    struct encode_series s = {
        .b = b, .k = k,
        .cast = {.rows = ROWS, .cols = COLS, .scale = 0.01f, .inverse = 100, .tensor = 1e-3f,
                 .unit = 1 / (f->largest * 1e-3f)},
        .value_bytes = n * (strcmp(input, "fp32") == 0 ? 4 : 2), .code_bytes = ROWS * encode_row_bytes(f, COLS),
        .scale_bytes = stored ? scales : 0,
    };
    gpu_format_of(f, &s.cast.format);
    s.slot_bytes = aligned(s.value_bytes) + aligned(s.code_bytes) + aligned(s.scale_bytes) +
                   aligned(n / GPU_CHUNK * sizeof(struct gpu_sums));
    s.slots = gpu_slots(b, s.slot_bytes);
    snprintf(name, sizeof name, "%s %s %s", input, what, format);
    if (s.slots > 1)
        gpu_row(b, name, encode_series, &s, s.value_bytes + s.code_bytes + s.scale_bytes, GPU_CEILING_COPY, goal, 0);
}

void gpu_bench_encode(struct gpu_bench *b)
{
    static const char *const known[] = {"e4m3", "int8", "int4", "mxfp4", "nvfp4", "mxfp8-e4m3", "e5m2", "fp16", "bf16"};
    static const char *const blocks[] = {"int4", "mxfp4", "nvfp4", "mxfp8-e4m3"};
    static const char *const rows[] = {"e4m3", "int8"};
    printf("encoding and decoding [%d, %d]\n", ROWS, COLS);
    for (int i = 0; i < 9; i++)
        bench_row(b, GPU_CAST, known[i], "bf16", "known scale to", i < 5 ? 1.0 : 0);
    for (int i = 0; i < 2; i++)
        bench_row(b, GPU_CAST_FIND, rows[i], "bf16", "row absmax to", 0.95);
    for (int i = 0; i < 4; i++)
        bench_row(b, GPU_CAST_FIND, blocks[i], "bf16", "block absmax to", 0.95);
    for (int i = 0; i < 2; i++)
        bench_row(b, GPU_CAST_STATS, rows[i], "bf16", "known scale, sums, to", 0.90);
    for (int i = 0; i < 4; i++)
        bench_row(b, GPU_CAST_FIND_STATS, blocks[i], "bf16", "block absmax, sums, to", 0.90);
    for (int i = 0; i < 9; i++)
        bench_row(b, GPU_UNCAST, known[i], "bf16", "from", 0);
    bench_row(b, GPU_CAST, "e4m3", "fp32", "known scale to", 0);
    bench_row(b, GPU_CAST_FIND, "e4m3", "fp32", "row absmax to", 0);
    bench_row(b, GPU_CAST_FIND_STATS, "nvfp4", "fp32", "block absmax, sums, to", 0);
}
