/* method.c: the table of methods, the simple ones, and what all share: preparing inputs, the two meters.
 * Each longer method has a file: gptq.c, awq.c, llmint8.c. A method fills q, and what it changed about W and X;
 * method_run completes the rest. */
#include "kernels/method.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dense.h"
#include "kernels/linear.h"

/* ---- Shared pieces --------------------------------------------------------------------------------- */

float *method_scaled(const float *a, const float *s, size_t rows, size_t cols, bool divide)
{
    float *scaled = malloc(rows * cols * sizeof *scaled + 1);
    for (size_t i = 0; scaled && i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            scaled[i * cols + j] = divide ? a[i * cols + j] / s[j] : a[i * cols + j] * s[j];
    return scaled;
}

enum kernel_status method_loss(const struct method_task *task, const float *x, size_t tokens, const float *rounded,
                               double *loss)
{
    size_t n = task->out * task->in;
    float *change = malloc(n * sizeof *change + 1), *y = malloc(tokens * task->out * sizeof *y + 1);
    enum kernel_status status = change && y ? KERNEL_OK : KERNEL_NO_MEMORY;
    for (size_t i = 0; status == KERNEL_OK && i < n; i++)
        change[i] = rounded[i] - task->w[i];
    if (status == KERNEL_OK)
        status = dense_product(x, change, tokens, task->out, task->in, y, task->isa, NULL);
    *loss = 0;
    for (size_t i = 0; status == KERNEL_OK && i < tokens * task->out; i++)
        *loss += (double)y[i] * (double)y[i];
    free(change);
    free(y);
    return status;
}

void method_measure_quant(struct quant *q, const float *w)
{
    size_t n = q->rows * q->cols, finite = n - q->nonfinite;
    q->zero_count = 0;
    for (size_t i = 0; i < n; i++)
        q->zero_count += q->values[i] == 0;
    q->error = error_measure(w, q->values, n);
    q->sqnr_db = sqnr_db(q->error.signal, q->error.noise);
    q->max_abs_error = q->error.max_abs;
    q->mse = finite ? q->error.noise / (double)finite : 0;
    q->zero_fraction = n ? (double)q->zero_count / (double)n : 0;
    q->clipped_fraction = n ? (double)q->clipped / (double)n : 0;
}

/* ---- Round to nearest ------------------------------------------------------------------------------ */

static enum kernel_status method_rtn(const struct method_task *task, const struct progress *progress,
                                     struct method_result *result)
{
    return quantize(task->w, task->out, task->in, &task->weights, progress, &result->q);
}

/* ---- SmoothQuant ----------------------------------------------------------------------------------- */

/* Divides X and multiplies W by s_j = max|X_j|^alpha / max|W_j|^(1 - alpha). */
static enum kernel_status smooth_with(const struct method_task *task, double alpha, struct method_result *result)
{
    const struct linear layer = {.x = task->x, .w = task->w, .tokens = task->tokens, .in = task->in, .out = task->out};
    free(result->divide);
    result->divide = malloc(task->in * sizeof *result->divide + 1);
    if (!result->divide)
        return KERNEL_NO_MEMORY;
    linear_smooth(&layer, alpha, result->divide);
    float *scaled = method_scaled(task->w, result->divide, task->out, task->in, false);
    if (!scaled)
        return KERNEL_NO_MEMORY;
    quant_free(&result->q);
    enum kernel_status status = quantize(scaled, task->out, task->in, &task->weights, NULL, &result->q);
    free(scaled);
    result->alpha = alpha;
    return status;
}

enum { ALPHA_STEPS = 20 };

/* alpha from 0 to 1 in steps of 0.05, judged by the output on the calibration inputs. */
static enum kernel_status method_smoothquant(const struct method_task *task, const struct progress *progress,
                                             struct method_result *result)
{
    double best = task->alpha, least = (double)INFINITY;
    for (int step = 0; step <= ALPHA_STEPS && !task->fixed; step++) {
        struct meter meter;
        if (!progress_tick(progress, (double)step / (ALPHA_STEPS + 1)))
            return KERNEL_CANCELED;
        enum kernel_status status = smooth_with(task, (double)step / ALPHA_STEPS, result);
        result->stored = result->q.values;
        if (status == KERNEL_OK)
            status = method_measure(result, task->w, task->x, task->tokens, NULL, &meter);
        result->stored = NULL;
        if (status != KERNEL_OK)
            return status;
        if (meter.noise < least) {
            least = meter.noise;
            best = (double)step / ALPHA_STEPS;
        }
    }
    return smooth_with(task, best, result);
}

/* ---- Hadamard -------------------------------------------------------------------------------------- */

/* Rounds W H; inputs will be rotated too. */
static enum kernel_status method_hadamard(const struct method_task *task, const struct progress *progress,
                                          struct method_result *result)
{
    enum kernel_status status = hadamard_make(&result->rotation, task->in);
    if (status != KERNEL_OK)
        return status;
    size_t n = task->out * task->in;
    float *rotated = malloc(n * sizeof *rotated + 1);
    if (!rotated)
        return KERNEL_NO_MEMORY;
    memcpy(rotated, task->w, n * sizeof *rotated);
    hadamard_rotate(&result->rotation, rotated, task->out);
    status = quantize(rotated, task->out, task->in, &task->weights, progress, &result->q);
    free(rotated);
    return status;
}

/* ---- The table ------------------------------------------------------------------------------------- */

static const struct method rows[] = {
    {"rtn", "round to nearest", false, true, "quantize", "quantize.c", method_rtn},
    {"llm-int8", "LLM.int8(): outlier columns stay in FP16", true, false, "method_llm_int8", "llmint8.c",
     method_llm_int8},
    {"smoothquant", "SmoothQuant: move outliers from X into W", true, false, "linear_smooth", "linear.c",
     method_smoothquant},
    {"gptq", "GPTQ: later columns make up for rounded ones", true, false, "method_gptq", "gptq.c", method_gptq},
    {"awq", "AWQ: scale up the channels that matter", true, false, "method_awq", "awq.c", method_awq},
    {"hadamard", "Hadamard rotation: spread outliers over all channels", false, true, "hadamard_rotate", "hadamard.c",
     method_hadamard},
};

size_t method_count(void)
{
    return sizeof rows / sizeof rows[0];
}

const struct method *method_at(size_t i)
{
    return i < method_count() ? &rows[i] : NULL;
}

const struct method *method_find(const char *name)
{
    for (size_t i = 0; i < method_count(); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* ---- One call -------------------------------------------------------------------------------------- */

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

bool method_check(const struct method *method, const struct method_task *task, char *why, size_t room)
{
    if (method->calibrated && !task->x)
        snprintf(why, room, "method '%s' needs calibration inputs", method->name);
    else if (method->calibrated && (!task->tokens || !all_finite(task->x, task->tokens * task->in)))
        snprintf(why, room, "the calibration inputs are empty or hold values that are not finite");
    else if (method->calibrated && !all_finite(task->w, task->out * task->in))
        snprintf(why, room, "method '%s' cannot use weights that are not finite", method->name);
    else if (method->run == method_gptq && task->in > DENSE_MOST)
        snprintf(why, room, "method 'gptq' takes at most %d inputs, these weights have %zu", DENSE_MOST, task->in);
    else if (method->run == method_hadamard && !hadamard_exists(task->in))
        snprintf(why, room, "no Hadamard rotation of side %zu is known", task->in);
    else if (!(task->damp >= 0) || !(task->threshold >= 0) || (task->fixed && !(task->alpha >= 0 && task->alpha <= 1)))
        snprintf(why, room, "alpha is from 0 to 1, damp and threshold are not negative");
    else if (task->activations.format && !recipe_check(&task->activations, why, room))
        return false;
    else
        return recipe_check(&task->weights, why, room);
    return false;
}

/* W as the rounded layer has it: the stored values, with what was done to W undone. */
static enum kernel_status undo(const struct method_task *task, struct method_result *result)
{
    if (!result->stored)
        result->stored = result->q.values;
    result->weights = result->stored;
    if (!result->divide && !result->rotation.n)
        return KERNEL_OK;
    size_t n = task->out * task->in;
    float *weights = result->divide ? method_scaled(result->stored, result->divide, task->out, task->in, true)
                                    : malloc(n * sizeof *weights + 1);
    if (!weights)
        return KERNEL_NO_MEMORY;
    if (result->rotation.n) {
        memcpy(weights, result->stored, n * sizeof *weights);
        hadamard_back(&result->rotation, weights, task->out);
    }
    result->weights = weights;
    return KERNEL_OK;
}

static void measure_weights(const struct method_task *task, struct method_result *result)
{
    size_t n = task->out * task->in, finite = n - result->q.nonfinite;
    result->error = error_measure(task->w, result->weights, n);
    result->sqnr_db = sqnr_db(result->error.signal, result->error.noise);
    result->mse = finite ? result->error.noise / (double)finite : 0;
    if (!result->bytes)
        result->bytes = result->q.bytes;
    result->bits_per_weight = n ? 8.0 * (double)result->bytes / (double)n : 0;
}

enum kernel_status method_run(const struct method *method, const struct method_task *task,
                              const struct progress *progress, struct method_result *result)
{
    char why[160];
    *result = (struct method_result){.activations = task->activations, .isa = task->isa, .alpha = (double)NAN};
    if (task->in && (task->out > SIZE_MAX / 64 / task->in || task->tokens > SIZE_MAX / 64 / task->in))
        return KERNEL_BAD_SHAPE;
    if (!method_check(method, task, why, sizeof why))
        return KERNEL_BAD_RECIPE;
    enum kernel_status status = method->run(task, progress, result);
    if (status == KERNEL_OK)
        status = undo(task, result);
    if (status == KERNEL_OK)
        measure_weights(task, result);
    else
        method_free(result);
    return status;
}

void method_free(struct method_result *result)
{
    if (result->weights != result->stored)
        free(result->weights);
    if (result->stored != result->q.values)
        free(result->stored);
    free(result->divide);
    free(result->kept);
    free(result->group_of);
    if (result->rotation.n)
        hadamard_free(&result->rotation);
    quant_free(&result->q);
    *result = (struct method_result){0};
}

/* ---- Outputs --------------------------------------------------------------------------------------- */

/* x [tokens, in], prepared in place: divided, rotated, or without the columns that are kept apart. */
static void prepare(const struct method_result *result, float *x, size_t tokens)
{
    size_t in = result->q.cols;
    if (result->rotation.n)
        hadamard_rotate(&result->rotation, x, tokens);
    for (size_t i = 0; i < tokens * in; i++) {
        if (result->divide)
            x[i] /= result->divide[i % in];
        if (result->kept && result->kept[i % in])
            x[i] = 0;
    }
}

/* Rounds prepared inputs, and adds the columns that are kept: those in FP16. */
static enum kernel_status round_inputs(const struct method_result *result, const float *x, size_t tokens, float *ready)
{
    const struct format *fp16 = format_find("fp16");
    size_t in = result->q.cols, n = tokens * in;
    if (result->activations.format) {
        struct quant q;
        enum kernel_status status = quantize(ready, tokens, in, &result->activations, NULL, &q);
        if (status != KERNEL_OK)
            return status;
        memcpy(ready, q.values, n * sizeof *ready);
        quant_free(&q);
    }
    for (size_t i = 0; result->kept && i < n; i++)
        if (result->kept[i % in])
            ready[i] = format_round(fp16, x[i], (struct cast){0});
    return KERNEL_OK;
}

enum kernel_status method_output(const struct method_result *result, const float *x, size_t tokens, float *y,
                                 const struct progress *progress)
{
    size_t out = result->q.rows, in = result->q.cols;
    if (in && tokens > SIZE_MAX / 64 / in)
        return KERNEL_BAD_SHAPE;
    float *ready = malloc(tokens * in * sizeof *ready + 1);
    if (!ready)
        return KERNEL_NO_MEMORY;
    memcpy(ready, x, tokens * in * sizeof *ready);
    prepare(result, ready, tokens);
    enum kernel_status status = round_inputs(result, x, tokens, ready);
    if (status == KERNEL_OK)
        status = dense_product(ready, result->stored, tokens, out, in, y, result->isa, progress);
    free(ready);
    return status;
}

/* Up to this many multiplications the exact output is summed in FP64; beyond, as BLAS does: its error of 1e-6 does not
 * show beside that of rounding. */
static const double exact_most = 0x1p29;

enum kernel_status method_measure(const struct method_result *result, const float *w, const float *x, size_t tokens,
                                  const struct progress *progress, struct meter *meter)
{
    size_t out = result->q.rows, in = result->q.cols, n = tokens * out;
    bool small = (double)n * (double)in <= exact_most;
    if (out && tokens > SIZE_MAX / 64 / out)
        return KERNEL_BAD_SHAPE;
    float *exact = malloc(n * sizeof *exact + 1), *y = malloc(n * sizeof *y + 1);
    enum kernel_status status = exact && y ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK)
        status = dense_product(x, w, tokens, out, in, exact, small ? ISA_SCALAR : result->isa, progress);
    if (status == KERNEL_OK)
        status = method_output(result, x, tokens, y, progress);
    if (status == KERNEL_OK)
        *meter = meter_compare(exact, y, n);
    free(exact);
    free(y);
    return status;
}
