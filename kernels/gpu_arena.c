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

static bool known_scales(const struct gpu_cast_series *s)
{
    return s->scales && s->kernel->op != GPU_CAST_FIND && s->kernel->op != GPU_CAST_FIND_STATS;
}

/* How many bytes a launch touches of each kind. */
static void measure_sides(struct gpu_cast_series *s, const struct format *f, const struct format *input)
{
    enum gpu_op op = s->kernel->op;
    size_t rows = s->cast.rows, cols = s->cast.cols, n = rows * cols;
    bool finds = op == GPU_CAST_FIND || op == GPU_CAST_FIND_STATS;
    s->values = n * input->bits / 8;
    s->codes = rows * encode_row_bytes(f, cols);
    if (finds || encode_scale(f).kind >= SCALE_GROUP)
        s->scales = rows * encode_scales_of_row(f, cols) * encode_scale_bytes(f);
    if (op == GPU_CAST_STATS || op == GPU_CAST_FIND_STATS)
        s->sums = (n / GPU_SUMS_OF + 1) * sizeof(struct gpu_sums);
    s->bytes = s->values + s->codes + s->scales;
    size_t stored = aligned(s->scales);
    s->reads = aligned(op == GPU_UNCAST ? s->codes : s->values) + (known_scales(s) ? stored : 0);
    s->writes = aligned(op == GPU_UNCAST ? s->values : s->codes) + (known_scales(s) ? 0 : stored) + s->sums;
}

bool gpu_cast_series_open(struct gpu_cast_series *s, const struct gpu_arena *a, const struct gpu_kernel *k, size_t rows,
                          size_t cols)
{
    enum { SCALE_BYTE = 0x3c };         /* of known scales: about 1 as FP16, 1.5 as E4M3, 2^-67 as E8M0 */
    const struct format *f = format_find(k->format);
    const float tensor = 1e-3f;
    size_t half = a->bytes / 512 * 256;
    *s = (struct gpu_cast_series){.kernel = k, .in = *a, .out = *a};
    s->in.bytes = s->out.bytes = half;
    s->out.base += half;
    s->cast = (struct gpu_cast){.rows = rows, .cols = cols, .scale = 0.01f, .inverse = 100, .tensor = tensor,
                                .unit = 1 / (f->largest * tensor)};
    gpu_format_of(f, &s->cast.format);
    measure_sides(s, f, format_find(k->input));
    int reads = gpu_arena_slots(&s->in, s->reads), writes = gpu_arena_slots(&s->out, s->writes);
    s->slots = reads < writes ? reads : writes;
    for (int i = 0; known_scales(s) && i < s->slots; i++)
        if (a->m->fill(a->g, gpu_arena_slot(&s->in, s->reads, s->slots, i) + s->reads - aligned(s->scales), SCALE_BYTE,
                       s->scales) != KERNEL_OK)
            return false;
    return s->slots > 1;
}

enum kernel_status gpu_cast_series_launch(struct gpu *g, void *ctx, int i)
{
    const struct gpu_cast_series *s = ctx;
    char *in = gpu_arena_slot(&s->in, s->reads, s->slots, i), *out = gpu_arena_slot(&s->out, s->writes, s->slots, i);
    bool back = s->kernel->op == GPU_UNCAST;
    struct gpu_cast w = s->cast;
    w.x = in;
    w.codes = back ? in : out;
    w.values = out;
    w.scales = known_scales(s) ? in + s->reads - aligned(s->scales) : out + aligned(s->codes);
    w.sums = (struct gpu_sums *)(void *)(out + s->writes - s->sums);
    return s->kernel->launch(g, &w);
}
