/* awq.c: AWQ, J. Lin and others, arXiv:2306.00978, with the grids of its published auto_scale.py and auto_clip.py.
 * Channels of W that meet large inputs are multiplied by s before rounding, and their inputs divided by it, so that the
 * rounding error they carry shrinks. s = mean|X|^r, r from 0 in steps of 1/20, the best by the output; then each
 * group's range is cut by up to half, as far as its own output likes it. Nothing stays in FP16. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dense.h"
#include "kernels/method.h"

enum {
    RATIOS = 20,            /* r = 0, 1/20 ... 19/20 */
    CUTS = 10,              /* ranges 1, 19/20 ... 11/20 */
    CUT_TOKENS = 512,       /* inputs that judge a cut */
};

/* ---- Scales ---------------------------------------------------------------------------------------- */

static float *mean_magnitudes(const struct method_task *task)
{
    double *sum = calloc(task->in + 1, sizeof *sum);
    float *mean = malloc(task->in * sizeof *mean + 1);
    for (size_t i = 0; sum && i < task->tokens * task->in; i++)
        sum[i % task->in] += (double)fabsf(task->x[i]);
    for (size_t j = 0; sum && mean && j < task->in; j++)
        mean[j] = (float)(sum[j] / (double)task->tokens);
    if (!sum) {
        free(mean);
        mean = NULL;
    }
    free(sum);
    return mean;
}

/* s = mean^ratio, at least 1e-4, centered so that its largest and smallest are inverse to each other. */
static void scales_for(const float *mean, size_t n, double ratio, float *s)
{
    double low = (double)INFINITY, high = 0;
    for (size_t j = 0; j < n; j++) {
        s[j] = fmaxf((float)pow((double)mean[j], ratio), 1e-4f);
        low = fmin(low, (double)s[j]);
        high = fmax(high, (double)s[j]);
    }
    float middle = (float)sqrt(low * high);
    for (size_t j = 0; j < n; j++)
        s[j] /= middle;
}

/* The output's squared error when W s is rounded and divided by s again. */
static enum kernel_status scale_loss(const struct method_task *task, const float *s, double *loss)
{
    struct quant q;
    float *scaled = method_scaled(task->w, s, task->out, task->in, false);
    enum kernel_status status = scaled ? quantize(scaled, task->out, task->in, &task->weights, NULL, &q)
                                       : KERNEL_NO_MEMORY;
    free(scaled);
    if (status != KERNEL_OK)
        return status;
    float *back = method_scaled(q.values, s, task->out, task->in, true);
    quant_free(&q);
    status = back ? method_loss(task, task->x, task->tokens, back, loss) : KERNEL_NO_MEMORY;
    free(back);
    return status;
}

static enum kernel_status find_scales(const struct method_task *task, const float *mean,
                                      const struct progress *progress, struct method_result *result)
{
    double least = (double)INFINITY, loss;
    for (int i = 0; i < RATIOS && !task->fixed; i++) {
        double ratio = (double)i / RATIOS;
        if (!progress_tick(progress, 0.6 * ratio))
            return KERNEL_CANCELED;
        scales_for(mean, task->in, ratio, result->divide);
        enum kernel_status status = scale_loss(task, result->divide, &loss);
        if (status != KERNEL_OK)
            return status;
        if (loss < least) {
            least = loss;
            result->alpha = ratio;
        }
    }
    scales_for(mean, task->in, result->alpha, result->divide);
    return KERNEL_OK;
}

/* ---- Clips ----------------------------------------------------------------------------------------- */

/* Cutting the groups of W s; inputs are X / s. */
struct cutter {
    const struct method_task *task;
    float  *w, *x;              /* [out, in] and [tokens, in] */
    size_t  tokens, size;       /* values of a group */
    float  *cut;                /* [out, in] with every group cut as the present trial says */
    float  *part, *inputs, *y;  /* one group's change [out, size], inputs [tokens, size], outputs [tokens, out] */
    double *least;              /* [out, groups] */
    uint8_t *best;              /* [out, groups] number of the best cut */
    size_t  groups;
};

static bool cutter_allocate(struct cutter *c, const float *s)
{
    size_t out = c->task->out, in = c->task->in;
    c->w = method_scaled(c->task->w, s, out, in, false);
    c->x = method_scaled(c->task->x, s, c->tokens, in, true);
    c->cut = malloc(out * in * sizeof *c->cut + 1);
    c->part = malloc(out * c->size * sizeof *c->part + 1);
    c->inputs = malloc(c->tokens * c->size * sizeof *c->inputs + 1);
    c->y = malloc(c->tokens * out * sizeof *c->y + 1);
    c->least = malloc(out * c->groups * sizeof *c->least + 1);
    c->best = calloc(out * c->groups + 1, 1);
    return c->w && c->x && c->cut && c->part && c->inputs && c->y && c->least && c->best;
}

static void cutter_free(struct cutter *c)
{
    free(c->w);
    free(c->x);
    free(c->cut);
    free(c->part);
    free(c->inputs);
    free(c->y);
    free(c->least);
    free(c->best);
}

/* Every group of w with its range cut: by `cut` twentieths, or by its best where cut is CUTS. */
static void cut_all(struct cutter *c, int cut)
{
    size_t in = c->task->in;
    for (size_t row = 0; row < c->task->out; row++) {
        for (size_t k = 0; k < c->groups; k++) {
            size_t first = k * c->size, n = in - first < c->size ? in - first : c->size;
            const float *w = c->w + row * in + first;
            int twentieths = cut < CUTS ? cut : c->best[row * c->groups + k];
            float most = quant_amax(w, n) * (1 - (float)twentieths / RATIOS);
            for (size_t j = 0; j < n; j++)
                c->cut[row * in + first + j] = fminf(fmaxf(w[j], -most), most);
        }
    }
}

/* Each row's squared output error through group k alone, with the trial's rounded values. */
static enum kernel_status judge_group(struct cutter *c, const float *rounded, size_t k, int cut)
{
    size_t in = c->task->in, out = c->task->out, first = k * c->size, n = in - first < c->size ? in - first : c->size;
    for (size_t row = 0; row < out; row++)
        for (size_t j = 0; j < n; j++)
            c->part[row * n + j] = rounded[row * in + first + j] - c->w[row * in + first + j];
    for (size_t t = 0; t < c->tokens; t++)
        memcpy(c->inputs + t * n, c->x + t * in + first, n * sizeof *c->inputs);
    enum kernel_status status = dense_product(c->inputs, c->part, c->tokens, out, n, c->y, c->task->isa, NULL);
    for (size_t row = 0; status == KERNEL_OK && row < out; row++) {
        double loss = 0, *least = &c->least[row * c->groups + k];
        for (size_t t = 0; t < c->tokens; t++)
            loss += (double)c->y[t * out + row] * (double)c->y[t * out + row];
        if (cut == 0 || loss < *least) {
            *least = loss;
            c->best[row * c->groups + k] = (uint8_t)cut;
        }
    }
    return status;
}

static enum kernel_status try_cut(struct cutter *c, int cut)
{
    struct quant q;
    cut_all(c, cut);
    enum kernel_status status = quantize(c->cut, c->task->out, c->task->in, &c->task->weights, NULL, &q);
    if (status != KERNEL_OK)
        return status;
    for (size_t k = 0; status == KERNEL_OK && k < c->groups; k++)
        status = judge_group(c, q.values, k, cut);
    quant_free(&q);
    return status;
}

static enum kernel_status find_cuts(struct cutter *c, const struct progress *progress)
{
    for (int cut = 0; cut < CUTS && !c->task->keep_range; cut++) {
        if (!progress_tick(progress, 0.6 + 0.4 * cut / CUTS))
            return KERNEL_CANCELED;
        enum kernel_status status = try_cut(c, cut);
        if (status != KERNEL_OK)
            return status;
    }
    return KERNEL_OK;
}

/* How many values along a row share a scale under this recipe. */
static size_t group_size(const struct method_task *task)
{
    const struct format *f = task->weights.format;
    struct scale scale = f->block ? recipe_scale(f) : task->weights.scale;
    return scale.size && scale.size < task->in ? scale.size : task->in;
}

static enum kernel_status round_cut(const struct method_task *task, const float *s, const struct progress *progress,
                                    struct quant *q)
{
    struct cutter c = {.task = task, .size = group_size(task)};
    c.tokens = task->tokens < CUT_TOKENS ? task->tokens : CUT_TOKENS;
    c.groups = c.size ? (task->in + c.size - 1) / c.size : 0;
    enum kernel_status status = cutter_allocate(&c, s) ? find_cuts(&c, progress) : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK) {
        cut_all(&c, CUTS);
        status = quantize(c.cut, task->out, task->in, &task->weights, NULL, q);
    }
    if (status == KERNEL_OK)
        method_measure_quant(q, c.w);
    cutter_free(&c);
    return status;
}

enum kernel_status method_awq(const struct method_task *task, const struct progress *progress,
                              struct method_result *result)
{
    float *mean = mean_magnitudes(task);
    result->divide = malloc(task->in * sizeof *result->divide + 1);
    result->alpha = task->alpha;
    enum kernel_status status = mean && result->divide ? find_scales(task, mean, progress, result) : KERNEL_NO_MEMORY;
    free(mean);
    return status == KERNEL_OK ? round_cut(task, result->divide, progress, &result->q) : status;
}
