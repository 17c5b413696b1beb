/* fitter.c: ranges and clips of groups, by the rules of scale.c.
 * The best clip is the factor whose squared error is least, tried with the encoder that the tensor will get.
 * Trials round to nearest, so that the choice does not depend on where the group stands in the tensor. */
#include "kernels/fitter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/quantize.h"
#include "kernels/variants.h"

/* ---- Codes ----------------------------------------------------------------------------------------- */

static bool has_zero_point(const struct fitter *f)
{
    return f->recipe.zero >= ZERO_AWQ;
}

/* The row that encodes: a fast one where the recipe rounds as they do, else the reference. */
static const struct kernel *encoder(const struct recipe *recipe)
{
    bool common = recipe->cast.rounding == ROUND_NEAREST && recipe->cast.overflow == OVERFLOW_SATURATE &&
                  recipe->zero == ZERO_NONE;
    return kernel_find(KERNEL_ROUND, recipe->format->name, common ? recipe->isa : ISA_SCALAR);
}

const char *fitter_function(const struct recipe *recipe)
{
    return recipe->zero >= ZERO_AWQ ? "round_affine" : encoder(recipe)->function;
}

void fitter_encode(const struct fitter *f, const struct fit *fit, struct round_run *run)
{
    run->format = &f->format;
    run->scale = fit->scale;
    run->inverse = fit->inverse;
    run->offset = fit->offset;
    run->zero = fit->zero;
    if (has_zero_point(f))
        round_affine(run);
    else
        f->kernel->round(run);
}

uint32_t fitter_code(const struct fitter *f, const struct fit *fit, float x)
{
    if (!has_zero_point(f))
        return format_encode(&f->format, x * fit->inverse, (struct cast){0});
    uint32_t code = 0;
    float value;
    struct round_run run = {.x = &x, .n = 1, .codes = &code, .values = &value};
    fitter_encode(f, fit, &run);
    return quant_load_code(f->recipe.format, &code, 0);
}

float fitter_value(const struct fitter *f, const struct fit *fit, uint32_t code)
{
    if (!has_zero_point(f))
        return format_decode(&f->format, code) * fit->scale;
    return ((float)code - (float)fit->zero) * fit->scale + fit->offset;
}

/* ---- Percentiles ----------------------------------------------------------------------------------- */

static uint32_t magnitude_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

static float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The k-th smallest (from 0) of a[0..n), whose order is lost; k < n. Hoare's selection. */
static uint32_t select_kth(uint32_t *a, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t pivot = a[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint32_t swapped = a[i];
            a[i++] = a[j];
            a[j--] = swapped;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return a[k];
}

/* The ceil(percent * n / 100)-th smallest of n finite magnitudes, counted in thousandths so that it is exact. */
static float percentile(const float *x, size_t n, float percent, uint32_t *order)
{
    size_t finite = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            order[finite++] = magnitude_bits(x[i]);
    if (!finite)
        return 0;
    uint64_t thousandths = (uint64_t)llround(1000 * (double)percent);
    size_t rank = (size_t)((thousandths * finite + 99999) / 100000);
    return bits_float(select_kth(order, finite, rank ? rank - 1 : 0));
}

/* The squared error of the group with this fit, rounded to nearest. */
static double trial_error(const struct fitter *f, const float *x, size_t n, const struct fit *fit)
{
    struct round_run run = {.x = x, .n = n, .codes = f->order, .values = f->trial};
    fitter_encode(f, fit, &run);
    return error_measure(x, f->trial, n).noise;
}

enum { CLIP_FROM = 100, CLIP_TO = 25 };     /* percent of the range */

/* The fit of the factor that errs least; the larger factor of equals. */
static struct fit best_fit(const struct fitter *f, const float *x, size_t n, struct range range)
{
    struct fit best = scale_fit(&f->rule, range);
    double least = trial_error(f, x, n, &best);
    for (int percent = CLIP_FROM - 1; percent >= CLIP_TO; percent--) {
        struct fit fit = scale_fit(&f->rule, range_shrink(range, (float)percent / 100));
        double error = trial_error(f, x, n, &fit);
        if (error < least) {
            least = error;
            best = fit;
        }
    }
    return best;
}

/* ---- Groups ---------------------------------------------------------------------------------------- */

/* The range of one group; only the magnitude where the rule asks for no more. */
static struct range group_range(const struct fitter *f, const float *x, size_t n)
{
    if (has_zero_point(f) || f->rule.kind == SCALE_SIGNED)
        return range_measure(x, n);
    float amax = f->rule.kind == SCALE_TENSOR ? f->amax : quant_amax(x, n);
    return (struct range){-amax, amax, amax, amax};
}

struct fit fitter_fit(const struct fitter *f, const float *x, size_t n)
{
    struct range range = group_range(f, x, n);
    switch (f->recipe.clip.kind) {
    case CLIP_PERCENTILE:
        return scale_fit(&f->rule, range_clip(range, percentile(x, n, f->recipe.clip.percent, f->order)));
    case CLIP_MSE:        return best_fit(f, x, n, range);
    case CLIP_NONE:       break;
    }
    return scale_fit(&f->rule, range);
}

enum kernel_status fitter_open(struct fitter *f, const struct recipe *recipe, size_t most, float amax)
{
    const struct format *format = recipe->format;
    struct scale own = format->block ? recipe_scale(format) : recipe->scale;
    bool clips = recipe->clip.kind != CLIP_NONE, scaled = recipe->scale.kind == SCALE_TWO_LEVEL;
    *f = (struct fitter){.recipe = *recipe, .format = *format, .kernel = encoder(recipe)};
    f->amax = recipe->amax > 0 ? recipe->amax : amax;
    if (recipe->zero == ZERO_FULL)
        f->format.code_min = -f->format.code_max - 1;
    f->rule = (struct scale_rule){format, own.kind, recipe->zero, recipe->mx,
                                  scaled ? scale_of_tensor(f->amax, format->largest) : 1};
    f->trial = malloc(clips ? (most + 1) * sizeof *f->trial : 1);
    f->order = malloc(clips ? (most + 1) * sizeof *f->order : 1);
    return f->trial && f->order ? KERNEL_OK : KERNEL_NO_MEMORY;
}

void fitter_close(struct fitter *f)
{
    free(f->trial);
    free(f->order);
    *f = (struct fitter){0};
}
