/* linear.c: a linear layer in rounded arithmetic, and its exact output to compare with.
 * Products run through the kernel table; what is here is which scales go where.
 * SmoothQuant is G. Xiao and others, arXiv:2211.10438, with the constants of its published code. */
#include "kernels/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernel.h"
#include "kernels/matrix.h"

/* ---- Exact ----------------------------------------------------------------------------------------- */

/* In FP64, eight partial sums so that the additions do not wait for each other. */
static double dot_exact(const float *a, const float *b, size_t n)
{
    double sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < n; i++)
        sum[0] += (double)a[i] * (double)b[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

enum kernel_status linear_exact(const struct linear *layer, double *y, const struct progress *progress)
{
    for (size_t t = 0; t < layer->tokens; t++) {
        if (!progress_tick(progress, (double)t / (double)layer->tokens))
            return KERNEL_CANCELED;
        for (size_t o = 0; o < layer->out; o++)
            y[t * layer->out + o] = dot_exact(layer->x + t * layer->in, layer->w + o * layer->in, layer->in);
    }
    return KERNEL_OK;
}

double linear_sqnr_db(const double *exact, const float *y, size_t n)
{
    double signal = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = exact[i] - (double)y[i];
        signal += exact[i] * exact[i];
        noise += difference * difference;
    }
    return sqnr_db(signal, noise);
}

/* ---- SmoothQuant ----------------------------------------------------------------------------------- */

static float column_amax(const float *x, size_t rows, size_t cols, size_t col)
{
    float most = 0;
    for (size_t row = 0; row < rows; row++) {
        float magnitude = fabsf(x[row * cols + col]);
        if (isfinite(magnitude) && magnitude > most)
            most = magnitude;
    }
    return most;
}

void linear_smooth(const struct linear *layer, double alpha, float *smooth)
{
    for (size_t j = 0; j < layer->in; j++) {
        float x = column_amax(layer->x, layer->tokens, layer->in, j);
        float w = column_amax(layer->w, layer->out, layer->in, j);
        double scale = x == 0 || w == 0 ? 1 : pow((double)x, alpha) / pow((double)w, 1 - alpha);
        smooth[j] = (float)(scale < 1e-5 ? 1e-5 : scale);
    }
}

void linear_smooth_x(const float *x, const float *smooth, size_t tokens, size_t in, float *smoothed)
{
    for (size_t i = 0; i < tokens * in; i++)
        smoothed[i] = x[i] / smooth[i % in];
}

void linear_smooth_w(const float *w, const float *smooth, size_t out, size_t in, float *smoothed)
{
    for (size_t i = 0; i < out * in; i++)
        smoothed[i] = w[i] * smooth[i % in];
}

/* ---- Rounded --------------------------------------------------------------------------------------- */

/* What one call owns, so that every way out frees it all. */
struct linear_work {
    float *x, *w;               /* smoothed copies, or NULL */
    struct quant qx, qw;
    struct matrix matrix;
    struct operand operand;
    float *scales;              /* [tokens] of the activations */
};

static void work_free(struct linear_work *work)
{
    free(work->x);
    free(work->w);
    free(work->scales);
    quant_free(&work->qx);
    quant_free(&work->qw);
    matrix_free(&work->matrix);
    operand_free(&work->operand);
}

/* Replaces the layer's tensors by smoothed copies that `work` owns. */
static enum kernel_status smooth_layer(struct linear *layer, const float *smooth, struct linear_work *work)
{
    work->x = malloc(layer->tokens * layer->in * sizeof(float) + 1);
    work->w = malloc(layer->out * layer->in * sizeof(float) + 1);
    if (!work->x || !work->w)
        return KERNEL_NO_MEMORY;
    linear_smooth_x(layer->x, smooth, layer->tokens, layer->in, work->x);
    linear_smooth_w(layer->w, smooth, layer->out, layer->in, work->w);
    layer->x = work->x;
    layer->w = work->w;
    return KERNEL_OK;
}

/* One scale a token: its own absmax, or the same calibrated one for all; 1 for formats that need none, whose largest
 * values would not survive a product. */
static enum kernel_status activation_scales(const struct linear *layer, const struct linear_recipe *recipe,
                                            struct linear_work *work)
{
    float most = recipe->static_amax, largest = recipe->activations->largest;
    bool none = strcmp(recipe->activations->scale, "none") == 0;
    work->scales = malloc(layer->tokens * sizeof(float) + 1);
    if (!work->scales)
        return KERNEL_NO_MEMORY;
    if (!recipe->per_token && most == 0)
        most = quant_amax(layer->x, layer->tokens * layer->in);
    for (size_t t = 0; t < layer->tokens; t++) {
        if (recipe->per_token)
            most = quant_amax(layer->x + t * layer->in, layer->in);
        work->scales[t] = none ? 1 : scale_absmax(most, largest);
    }
    return KERNEL_OK;
}

/* Y = X W^T with the kernel for `matrix`, already packed; the operand already prepared. */
static enum kernel_status multiply(struct linear_work *work, enum isa isa, float *y, const struct progress *progress)
{
    const struct kernel *k = kernel_find(KERNEL_GEMV, work->matrix.format->name, isa);
    return k ? gemv_prepared(k, &work->matrix, &work->operand, y, progress) : KERNEL_NO_KERNEL;
}

/* INT8 codes times INT8 codes into INT32, then the scales. */
static enum kernel_status run_int8(const struct linear *layer, const struct linear_recipe *recipe,
                                   struct linear_work *work, float *y, const struct progress *progress)
{
    enum kernel_status status = matrix_from_quant(&work->matrix, &work->qw);
    if (status == KERNEL_OK)
        status = operand_prepare(&work->operand, ACTIVATION_INT8, LAYOUT_CODES, layer->x, layer->tokens, layer->in,
                                 work->scales);
    return status == KERNEL_OK ? multiply(work, recipe->isa, y, progress) : status;
}

/* Replaces decoded weights by the values of their codes, without the scales. */
static void unscale_weights(struct quant *q)
{
    for (size_t i = 0; i < q->rows * q->cols; i++)
        q->values[i] = format_decode(q->recipe.format, quant_code(q, i));
}

/* x rounded to its grid, in units of its scale. */
static enum kernel_status round_x(struct linear *layer, const struct linear_recipe *recipe, struct linear_work *work)
{
    float *rounded = malloc(layer->tokens * layer->in * sizeof *rounded + 1);
    if (!rounded)
        return KERNEL_NO_MEMORY;
    for (size_t t = 0; t < layer->tokens; t++) {
        float inverse = 1 / work->scales[t];
        for (size_t i = t * layer->in; i < (t + 1) * layer->in; i++)
            rounded[i] = format_round(recipe->activations, layer->x[i] * inverse, (struct cast){0});
    }
    free(work->x);
    layer->x = work->x = rounded;
    return KERNEL_OK;
}

/* FP32 product of x and w [out, in]. */
static enum kernel_status run_fp32(const struct linear *layer, enum isa isa, const float *w,
                                   struct linear_work *work, float *y, const struct progress *progress)
{
    enum kernel_status status = matrix_pack(&work->matrix, format_find("fp32"), w, layer->out, layer->in, NULL);
    if (status == KERNEL_OK)
        status = operand_prepare(&work->operand, ACTIVATION_FP32, LAYOUT_VALUES, layer->x, layer->tokens, layer->in,
                                 NULL);
    return status == KERNEL_OK ? multiply(work, isa, y, progress) : status;
}

/* Whether a row of W has more than one scale. */
static bool is_grouped(const struct linear_work *work)
{
    return work->qw.scales_per_row > 1;
}

/* Code values times code values into FP32, then the scales. Those of parts of a row cannot wait: they are applied
 * first. */
static enum kernel_status run_codes(struct linear *layer, const struct linear_recipe *recipe,
                                    struct linear_work *work, float *y, const struct progress *progress)
{
    bool grouped = recipe->weights && is_grouped(work);
    if (recipe->weights && !grouped)
        unscale_weights(&work->qw);
    enum kernel_status status = round_x(layer, recipe, work);
    if (status == KERNEL_OK)
        status = run_fp32(layer, recipe->isa, recipe->weights ? work->qw.values : layer->w, work, y, progress);
    if (status != KERNEL_OK)
        return status;
    for (size_t t = 0; t < layer->tokens; t++) {
        for (size_t o = 0; o < layer->out; o++) {
            float row_scale = recipe->weights && !grouped ? quant_scale(&work->qw, o * layer->in) : 1;
            y[t * layer->out + o] *= row_scale * work->scales[t];
        }
    }
    return KERNEL_OK;
}

static bool is_int8(const struct format *f)
{
    return f && f->kind == FORMAT_INTEGER && f->bits == 8;
}

static enum kernel_status run_recipe(struct linear *layer, const struct linear_recipe *recipe,
                                     struct linear_work *work, float *y, const struct progress *progress)
{
    enum kernel_status status = KERNEL_OK;
    if (recipe->activations && recipe->activations->block)
        return KERNEL_BAD_RECIPE;
    if (recipe->smooth)
        status = smooth_layer(layer, recipe->smooth, work);
    if (status == KERNEL_OK && recipe->weights) {
        const struct recipe weights = {.format = recipe->weights, .scale = recipe->weight_scale, .isa = recipe->isa};
        status = quantize(layer->w, layer->out, layer->in, &weights, NULL, &work->qw);
    }
    if (status == KERNEL_OK && recipe->activations)
        status = activation_scales(layer, recipe, work);
    if (status != KERNEL_OK)
        return status;
    if (!recipe->activations)
        return run_fp32(layer, recipe->isa, recipe->weights ? work->qw.values : layer->w, work, y, progress);
    if (is_int8(recipe->weights) && is_int8(recipe->activations) && recipe->weight_scale.kind < SCALE_GROUP)
        return run_int8(layer, recipe, work, y, progress);
    return run_codes(layer, recipe, work, y, progress);
}

enum kernel_status linear_run(const struct linear *layer, const struct linear_recipe *recipe, float *y,
                              const struct progress *progress)
{
    struct linear_work work = {0};
    struct linear copy = *layer;
    enum kernel_status status = run_recipe(&copy, recipe, &work, y, progress);
    work_free(&work);
    return status;
}
