/* gpu_quantize.c: quantize() on a GPU, step by step: range, fits, codes and values, sums.
 * The rules are the device's copies of scale.c and format.c; the double quantization of scales stays on the CPU.
 * Every buffer on the card belongs to one struct and goes with it. */
#include "kernels/gpu_quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* ---- Tasks ----------------------------------------------------------------------------------------- */

bool gpu_format_of(const struct format *f, struct gpu_format *out)
{
    static const char *const pairs[] = {
        [GPU_PAIR_FLOAT] = "encode_float", [GPU_PAIR_INTEGER] = "encode_integer", [GPU_PAIR_OFFSET] = "encode_offset",
        [GPU_PAIR_POWER] = "encode_power", [GPU_PAIR_LEVELS] = "encode_levels",
    };
    *out = (struct gpu_format){
        .pair = -1, .specials = f->specials, .bits = f->bits, .mantissa = f->lane[2], .bias = f->bias,
        .code_min = f->code_min, .code_max = f->code_max, .nan = f->nan, .largest = f->largest,
        .smallest = f->smallest,
    };
    for (int i = 0; i < (int)(sizeof pairs / sizeof pairs[0]); i++)
        if (strcmp(f->function, pairs[i]) == 0)
            out->pair = i;
    if (f->levels && (f->bits > 4 || out->pair != GPU_PAIR_LEVELS))
        return false;
    if (f->levels)
        memcpy(out->levels, f->levels, sizeof(float) << f->bits);
    return out->pair >= 0;
}

bool gpu_task_of(const struct quant *q, struct gpu_task *t)
{
    const struct recipe *r = &q->recipe;
    const struct format *f = r->format;
    struct scale own = f->block ? recipe_scale(f) : r->scale;
    *t = (struct gpu_task){
        .rounding = r->cast.rounding, .overflow = r->cast.overflow, .kind = own.kind, .zero = r->zero, .mx = r->mx,
        .clip = r->clip.kind, .symmetric = r->zero < ZERO_AWQ && own.kind != SCALE_SIGNED,
        .largest = f->largest, .full_largest = f->bits < 24 ? (float)((1u << f->bits) - 1) : 0, .tensor = 1,
        .amax = own.kind == SCALE_TENSOR ? r->amax : 0,
        .thousandths = (uint64_t)llround(1000 * (double)r->clip.percent), .seed = r->seed, .first = r->first,
        .rows = q->rows, .cols = q->cols, .tile_rows = q->tile_rows, .tile_cols = q->tile_cols,
        .per_row = q->scales_per_row, .scales = q->scale_count,
    };
    uint64_t most = (uint64_t)q->tile_rows * q->tile_cols;
    t->segments = most > GPU_SEGMENT ? (most + GPU_SEGMENT - 1) / GPU_SEGMENT : 1;
    if (!gpu_format_of(f, &t->format))
        return false;
    if (r->zero == ZERO_FULL)
        t->format.code_min = -t->format.code_max - 1;
    return true;
}

/* ---- Work on the card ------------------------------------------------------------------------------ */

enum { COPY_BYTES = 32 << 20 };     /* a copy between two looks at the caller's tick: about 3 ms */

struct card {
    const struct gpu_module *m;
    struct gpu *g;
    const struct progress *progress;
    struct gpu_task task;
    struct quant *q;
    void *buffers[16];              /* all of them, for the end */
    int count;
};

/* Room on the card for n things of `size` bytes; it lives as long as the card. */
static enum kernel_status room_for(struct card *c, void **p, size_t n, size_t size)
{
    enum kernel_status status = c->m->alloc(c->g, n * size, p);
    if (status == KERNEL_OK)
        c->buffers[c->count++] = *p;
    return status;
}

/* Copies to the card (up) or from it, piece by piece; `from` and `to` are the fractions done before and after. */
static enum kernel_status move(struct card *c, void *target, const void *source, size_t bytes, bool up, double from,
                               double to)
{
    enum kernel_status status = KERNEL_OK;
    for (size_t at = 0; status == KERNEL_OK && at < bytes; at += COPY_BYTES) {
        size_t piece = bytes - at < COPY_BYTES ? bytes - at : COPY_BYTES;
        if (!progress_tick(c->progress, from + (to - from) * (double)at / (double)bytes))
            return KERNEL_CANCELED;
        status = (up ? c->m->upload : c->m->download)(c->g, (char *)target + at, (const char *)source + at, piece);
    }
    return status;
}

static enum kernel_status launch(struct card *c, enum gpu_op op, const struct gpu_task *t, double done)
{
    const struct gpu_kernel *k = c->m->find(c->g, op, NULL, NULL);
    enum kernel_status status = k ? k->launch(c->g, t) : KERNEL_NO_KERNEL;
    return status == KERNEL_OK ? c->m->wait(c->g, c->progress, done) : status;
}

/* The range of the whole tensor, which gives its largest magnitude. */
static enum kernel_status measure_tensor(struct card *c)
{
    struct gpu_task all = c->task;
    struct gpu_range range;
    uint64_t n = all.rows * all.cols;
    if (n == 0)
        return KERNEL_OK;
    all.tile_rows = all.rows, all.tile_cols = all.cols, all.per_row = all.scales = 1;
    all.segments = (n + GPU_SEGMENT - 1) / GPU_SEGMENT;
    enum kernel_status status = room_for(c, (void **)&all.ranges, all.segments, sizeof *all.ranges);
    if (status == KERNEL_OK)
        status = launch(c, GPU_RANGE, &all, 0.3);
    if (status == KERNEL_OK)
        status = c->m->download(c->g, &range, all.ranges, sizeof range);
    if (status == KERNEL_OK)
        c->q->amax = fabsf(range.peak);
    return status;
}

/* The one fit of a tensor without scales. */
static enum kernel_status fit_nothing(struct card *c)
{
    const struct scale_rule rule = {c->q->recipe.format, (enum scale_kind)c->task.kind, c->q->recipe.zero,
                                    c->q->recipe.mx, c->task.tensor};
    struct fit fit = scale_fit(&rule, (struct range){0});
    return c->m->upload(c->g, c->task.fits, &fit, sizeof fit);
}

/* The fits of all groups, brought to the CPU and, under double quantization, back. */
static enum kernel_status find_fits(struct card *c)
{
    struct gpu_task *t = &c->task;
    struct quant *q = c->q;
    float amax = q->recipe.amax > 0 ? q->recipe.amax : q->amax;
    if (q->recipe.scale.kind == SCALE_TWO_LEVEL)
        q->tensor_scale = t->tensor = scale_of_tensor(amax, q->recipe.format->largest);
    if (q->scale_count == 0) {
        q->tensor_scale = t->kind == SCALE_DOUBLE ? 0 : q->tensor_scale;    /* the mean of nothing */
        return fit_nothing(c);
    }
    struct fit *fits = malloc(q->scale_count * sizeof *fits);
    enum kernel_status status = fits ? room_for(c, (void **)&t->ranges, t->scales * t->segments, sizeof *t->ranges)
                                     : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK && t->clip == CLIP_MSE && t->segments > 1)
        status = room_for(c, (void **)&t->trials, t->scales * GPU_TRIALS, sizeof *t->trials);
    if (status == KERNEL_OK)
        status = launch(c, GPU_RANGE, t, 0.35);
    if (status == KERNEL_OK)
        status = launch(c, GPU_FIT, t, 0.4);
    if (status == KERNEL_OK)
        status = move(c, fits, t->fits, t->scales * sizeof *fits, false, 0.5, 0.55);
    if (status == KERNEL_OK && t->kind == SCALE_DOUBLE) {
        q->tensor_scale = scale_double(fits, q->scale_count);
        status = move(c, t->fits, fits, t->scales * sizeof *fits, true, 0.55, 0.6);
    }
    for (size_t g = 0; status == KERNEL_OK && g < q->scale_count; g++)
        quant_set_fit(q, g, &fits[g]);
    free(fits);
    return status;
}

static enum kernel_status find_codes(struct card *c)
{
    struct gpu_task *t = &c->task;
    struct quant *q = c->q;
    struct gpu_counts counts;
    size_t n = q->rows * q->cols, code = format_code_bytes(q->recipe.format);
    enum kernel_status status = room_for(c, &t->codes, n, code);
    if (status == KERNEL_OK)
        status = room_for(c, &t->values, n, sizeof(float));
    if (status == KERNEL_OK)
        status = room_for(c, (void **)&t->counts, 1, sizeof *t->counts);
    if (status == KERNEL_OK)
        status = c->m->fill(c->g, t->counts, 0, sizeof *t->counts);
    if (status == KERNEL_OK)
        status = launch(c, GPU_ENCODE, t, 0.65);
    if (status == KERNEL_OK)
        status = c->m->download(c->g, &counts, t->counts, sizeof counts);
    if (status == KERNEL_OK)
        status = move(c, q->codes, t->codes, n * code, false, 0.7, 0.8);
    if (status != KERNEL_OK)
        return status;
    q->zero_count = (size_t)counts.zeros;
    q->nonfinite = (size_t)counts.nonfinite;
    q->clipped = (size_t)counts.clipped;
    return move(c, q->values, t->values, n * sizeof(float), false, 0.8, 0.95);
}

struct error_sums gpu_sums_join(const struct gpu_sums *sums, size_t chunks)
{
    struct error_sums e = {0};
    uint32_t most = 0;
    float max_abs;
    for (size_t i = 0; i < chunks; i++) {
        e.signal += sums[i].signal;
        e.noise += sums[i].noise;
        e.count += sums[i].count;
        most = sums[i].most > most ? sums[i].most : most;
    }
    memcpy(&max_abs, &most, sizeof max_abs);
    e.max_abs = (double)max_abs;
    return e;
}

static enum kernel_status find_errors(struct card *c)
{
    size_t chunks = (c->q->rows * c->q->cols + GPU_SUMS_OF - 1) / GPU_SUMS_OF;
    struct gpu_sums *sums = malloc(chunks * sizeof *sums + 1);
    enum kernel_status status = sums ? room_for(c, (void **)&c->task.sums, chunks, sizeof *sums) : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK)
        status = launch(c, GPU_ERROR, &c->task, 0.97);
    if (status == KERNEL_OK)
        status = c->m->download(c->g, sums, c->task.sums, chunks * sizeof *sums);
    if (status == KERNEL_OK) {
        struct error_sums error = gpu_sums_join(sums, chunks);
        quant_measured(c->q, &error);
    }
    free(sums);
    return status;
}

static enum kernel_status run(struct card *c, const float *x)
{
    size_t n = c->q->rows * c->q->cols;
    enum kernel_status status = room_for(c, (void **)&c->task.x, n, sizeof *x);
    if (status == KERNEL_OK)
        status = room_for(c, (void **)&c->task.fits, c->task.scales ? c->task.scales : 1, sizeof *c->task.fits);
    if (status == KERNEL_OK)
        status = move(c, (void *)(uintptr_t)c->task.x, x, n * sizeof *x, true, 0, 0.3);
    if (status == KERNEL_OK)
        status = measure_tensor(c);
    if (status == KERNEL_OK)
        status = find_fits(c);
    if (status == KERNEL_OK)
        status = find_codes(c);
    return status == KERNEL_OK ? find_errors(c) : status;
}

enum kernel_status gpu_quantize(struct gpu *g, const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                                const struct progress *progress, struct quant *q)
{
    enum kernel_status status = quant_begin(q, rows, cols, recipe);
    if (status != KERNEL_OK)
        return status;
    struct card c = {.m = gpu_opened(), .g = g, .progress = progress, .q = q};
    status = gpu_task_of(q, &c.task) ? run(&c, x) : KERNEL_NO_KERNEL;
    while (c.count > 0)
        c.m->free(g, c.buffers[--c.count]);
    if (status != KERNEL_OK)
        quant_free(q);
    return status;
}

bool gpu_seat_take(struct gpu_seat *seat)
{
    if (atomic_flag_test_and_set(&seat->busy))
        return false;
    if (!seat->g)
        atomic_flag_clear(&seat->busy);
    return seat->g != NULL;
}

bool gpu_seat_give(struct gpu_seat *seat, enum kernel_status status)
{
    bool refused = status == KERNEL_NO_MEMORY || status == KERNEL_GPU_FAILED;
    if (refused)
        snprintf(seat->why, sizeof seat->why, "%s", gpu_opened()->error());
    if (status == KERNEL_GPU_FAILED)
        seat->g = NULL;         /* a context that failed stays so; not closed, for that could hang */
    seat->runs += status == KERNEL_OK;
    atomic_flag_clear(&seat->busy);
    return !refused && status != KERNEL_NO_KERNEL;
}

bool gpu_seat_quantize(struct gpu_seat *seat, const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                       const struct progress *progress, struct quant *q, enum kernel_status *status)
{
    bool fits = cols && rows <= SIZE_MAX / 16 / cols && rows * cols >= seat->least;
    if (!fits || !gpu_seat_take(seat))
        return false;
    *status = gpu_quantize(seat->g, x, rows, cols, recipe, progress, q);
    return gpu_seat_give(seat, *status);
}
