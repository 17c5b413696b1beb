/* gpu_arena.c: rotating buffers, medians and ceilings for timing on a GPU.
 * Everything goes through the module's interface; what is timed is a function that enqueues one launch. */
#include "kernels/gpu_arena.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/encode.h"

/* ---- Memory ---------------------------------------------------------------------------------------- */

static size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* Sums of twelve uniform numbers, nearly normal, as BF16. */
static void fill_normal(uint16_t *out, size_t n)
{
    uint64_t state = 88172645463325252u;        /* xorshift64 */
    for (size_t i = 0; i < n; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            sum += (double)(state >> 11) * 0x1p-53;
        }
        float x = (float)sum;
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        out[i] = (uint16_t)(bits >> 16);
    }
}

static enum kernel_status fill(struct gpu_arena *a, const struct progress *progress)
{
    enum { PIECE = 1 << 22 };
    uint16_t *piece = malloc(PIECE);
    enum kernel_status status = piece ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (piece)
        fill_normal(piece, PIECE / sizeof *piece);
    if (status == KERNEL_OK)
        status = a->m->upload(a->g, a->base, piece, PIECE);
    for (size_t at = PIECE; status == KERNEL_OK && at + PIECE <= a->bytes; at += PIECE)
        status = a->m->copy(a->g, a->base + at, a->base, PIECE);
    free(piece);
    return status == KERNEL_OK ? a->m->wait(a->g, progress, 0) : status;
}

enum kernel_status gpu_arena_open(struct gpu_arena *a, struct gpu *g, size_t most, const struct progress *progress)
{
    *a = (struct gpu_arena){.m = gpu_opened(), .g = g};
    size_t half = a->m->device(g)->free / 2;
    a->bytes = half < most ? half : most;
    enum kernel_status status = a->bytes < (64u << 20) ? KERNEL_NO_MEMORY : KERNEL_OK;
    if (status == KERNEL_OK)
        status = a->m->alloc(g, a->bytes, (void **)&a->base);
    return status == KERNEL_OK ? fill(a, progress) : status;
}

void gpu_arena_close(struct gpu_arena *a)
{
    if (a->base)
        a->m->free(a->g, a->base);
    *a = (struct gpu_arena){0};
}

int gpu_arena_slots(const struct gpu_arena *a, size_t bytes)
{
    size_t slots = bytes ? a->bytes / aligned(bytes) : GPU_LAUNCHES;
    return slots > GPU_LAUNCHES ? GPU_LAUNCHES : (int)slots;
}

char *gpu_arena_slot(const struct gpu_arena *a, size_t bytes, int slots, int i)
{
    return a->base + (size_t)(i % slots) * aligned(bytes);
}

/* ---- Times ----------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum kernel_status gpu_arena_time(const struct gpu_arena *a, gpu_series_fn *series, void *ctx, int launches, int rounds,
                                  double *ms)
{
    double *all = malloc((size_t)rounds * sizeof *all + 1);
    enum kernel_status status = all ? a->m->measure(a->g, series, ctx, launches, rounds, all) : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK) {
        qsort(all, (size_t)rounds, sizeof *all, ascending);
        *ms = (all[(rounds - 1) / 2] + all[rounds / 2]) / 2;
    }
    free(all);
    return status;
}

/* Reading or copying `bytes` a launch. */
struct stream {
    const struct gpu_arena *a;
    size_t    bytes;
    int       slots;
    uint32_t *sum;
};

static enum kernel_status copy_once(struct gpu *g, void *ctx, int i)
{
    const struct stream *s = ctx;
    char *slot = gpu_arena_slot(s->a, 2 * s->bytes, s->slots, i);
    return s->a->m->copy(g, slot + s->bytes, slot, s->bytes);
}

static enum kernel_status read_once(struct gpu *g, void *ctx, int i)
{
    const struct stream *s = ctx;
    struct gpu_read work = {gpu_arena_slot(s->a, s->bytes, s->slots, i), s->bytes, s->sum};
    return s->a->m->find(g, GPU_READ, NULL, NULL)->launch(g, &work);
}

enum kernel_status gpu_arena_copy(const struct gpu_arena *a, size_t bytes, int rounds, double *ms)
{
    struct stream s = {a, bytes / 512 * 256, 0, NULL};
    s.slots = gpu_arena_slots(a, 2 * s.bytes);
    if (s.slots == 0)
        return KERNEL_NO_MEMORY;
    return gpu_arena_time(a, copy_once, &s, GPU_LAUNCHES, rounds, ms);
}

enum kernel_status gpu_arena_read(const struct gpu_arena *a, size_t bytes, int rounds, double *ms)
{
    struct stream s = {a, (bytes + 15) / 16 * 16, 0, NULL};
    s.slots = gpu_arena_slots(a, s.bytes);
    if (s.slots == 0 || a->m->alloc(a->g, sizeof *s.sum, (void **)&s.sum) != KERNEL_OK)
        return KERNEL_NO_MEMORY;
    enum kernel_status status = gpu_arena_time(a, read_once, &s, GPU_LAUNCHES, rounds, ms);
    a->m->free(a->g, s.sum);
    return status;
}

/* ---- Casts ----------------------------------------------------------------------------------------- */

bool gpu_cast_series_open(struct gpu_cast_series *s, const struct gpu_arena *a, const struct gpu_kernel *k, size_t rows,
                          size_t cols)
{
    const struct format *f = format_find(k->format), *input = format_find(k->input);
    const float tensor = 1e-3f;
    bool finds = k->op == GPU_CAST_FIND || k->op == GPU_CAST_FIND_STATS, sums = k->op == GPU_CAST_STATS ||
        k->op == GPU_CAST_FIND_STATS;
    size_t n = rows * cols;
    *s = (struct gpu_cast_series){.arena = a, .kernel = k};
    s->cast = (struct gpu_cast){.rows = rows, .cols = cols, .scale = 0.01f, .inverse = 100, .tensor = tensor,
                                .unit = 1 / (f->largest * tensor)};
    gpu_format_of(f, &s->cast.format);
    s->values = n * input->bits / 8;
    s->codes = rows * encode_row_bytes(f, cols);
    if (finds || encode_scale(f).kind >= SCALE_GROUP)
        s->scales = rows * encode_scales_of_row(f, cols) * encode_scale_bytes(f);
    s->bytes = s->values + s->codes + s->scales;
    s->slot = aligned(s->values) + aligned(s->codes) + aligned(s->scales) +
              (sums ? (n / GPU_SUMS_OF + 1) * sizeof(struct gpu_sums) : 0);
    s->slots = gpu_arena_slots(a, s->slot);
    return s->slots > 1;
}

enum kernel_status gpu_cast_series_launch(struct gpu *g, void *ctx, int i)
{
    const struct gpu_cast_series *s = ctx;
    char *slot = gpu_arena_slot(s->arena, s->slot, s->slots, i);
    struct gpu_cast w = s->cast;
    w.x = w.values = slot;
    w.codes = slot + aligned(s->values);
    w.scales = (char *)w.codes + aligned(s->codes);
    w.sums = (struct gpu_sums *)(void *)((char *)w.scales + aligned(s->scales));
    return s->kernel->launch(g, &w);
}
