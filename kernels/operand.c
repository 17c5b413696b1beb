/* operand.c: rounding activations and laying them out. See operand.h.
 * A token is rounded into a row of FP32 first (INT8 codes as numbers), then scattered by its layout.
 * It runs once a product, over one vector; W is a thousand times larger. */
#include "kernels/operand.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matrix.h"
#include "kernels/quantize.h"
#include "kernels/scale.h"

/* ---- Names ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *granularity;
} activations[ACTIVATIONS] = {
    [ACTIVATION_FP32] = {"fp32", "no scale"},
    [ACTIVATION_INT8] = {"int8", "one scale a token"},
    [ACTIVATION_BF16] = {"bf16", "no scale"},
};

const char *activation_name(enum activation activation)
{
    return activations[activation].name;
}

const char *activation_granularity(enum activation activation)
{
    return activations[activation].granularity;
}

/* ---- Layouts --------------------------------------------------------------------------------------- */

static const struct {
    bool   codes;               /* INT8, else FP32 */
    size_t run, group;
    int    excess;              /* of the weights that meet these codes */
} layouts[LAYOUTS] = {
    [LAYOUT_VALUES]    = {false, 128, 128, 0},
    [LAYOUT_FOURS]     = {false, 128, 128, 0},
    [LAYOUT_CODES]     = {true, 128, 128, 8},
    [LAYOUT_CODES_16]  = {true, 256, 16, 12},
    [LAYOUT_CODES_32]  = {true, 512, 32, 12},
    [LAYOUT_VALUES_16] = {false, 256, 16, 0},
    [LAYOUT_VALUES_32] = {false, 512, 32, 0},
};

size_t layout_run(enum layout layout)
{
    return layouts[layout].run;
}

size_t layout_group(enum layout layout)
{
    return layouts[layout].group;
}

size_t layout_position(enum layout layout, size_t col)
{
    size_t run = layouts[layout].run, group = layouts[layout].group;
    size_t first = col / run * run, in_run = col % run, block = in_run / group, v = in_run % group;
    switch (layout) {
    case LAYOUT_FOURS:     return col / 64 * 64 + col % 4 * 16 + col % 64 / 4;
    case LAYOUT_CODES_16:
    case LAYOUT_CODES_32:  return first + v / 4 * 64 + block * 4 + v % 4;
    case LAYOUT_VALUES_16:
    case LAYOUT_VALUES_32: return first + v * 16 + block;
    default:               return col;
    }
}

/* ---- Preparing ------------------------------------------------------------------------------------- */

enum { FOURS_EXPONENT = 100, LINE = 64 };

static size_t round_up(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

static bool operand_allocate(struct operand *o)
{
    bool codes = layouts[o->layout].codes;
    size_t data = round_up(o->batch * o->padded * (codes ? 1 : sizeof(float)), LINE);
    size_t scale = round_up(o->batch * sizeof(float), LINE);
    uint8_t *memory = matrix_memory(data + scale + (codes ? o->batch * o->groups * sizeof(int32_t) : 0));
    if (!memory)
        return false;
    if (codes)
        o->codes = (int8_t *)memory;
    else
        o->x = (float *)(void *)memory;
    o->scale = (float *)(void *)(memory + data);
    o->correction = codes ? (int32_t *)(void *)(memory + data + scale) : NULL;
    return true;
}

/* One value to INT8, equal to the reference encoder: NaN to 0, clamp, then nearest even. Adding 1.5 * 2^23
 * leaves no bits for a fraction, so the sum rounds to an integer; fine here since no sign of zero is kept. */
static float to_int8(float y)
{
    const float magic = 0x1.8p23f;
    if (isnan(y))
        return 0;
    y = y < -127 ? -127 : y > 127 ? 127 : y;
    return (y + magic) - magic;
}

/* FP32 to BF16 and back, as the reference encoder (saturating): the upper 16 bits, to nearest even. */
static float to_bf16(float x)
{
    uint32_t bits;
    if (!isfinite(x))
        return isnan(x) ? NAN : copysignf(0x1.fep127f, x);
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    if ((bits & 0x7fffffff) == 0x7f800000)
        bits -= 0x10000;                    /* rounded beyond the largest */
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Rounds a token into row[cols]; its scale. */
static float round_token(const struct operand *o, const float *x, const float *scale, float *row)
{
    if (o->activation != ACTIVATION_INT8) {
        for (size_t i = 0; i < o->cols; i++)
            row[i] = o->activation == ACTIVATION_BF16 ? to_bf16(x[i]) : x[i];
        return 1;
    }
    float s = scale ? *scale : scale_absmax(quant_amax(x, o->cols), 127), inverse = 1 / s;
    for (size_t i = 0; i < o->cols; i++)
        row[i] = to_int8(x[i] * inverse);
    return s;
}

/* Multiplies a row so that its largest magnitude lies in [2^100, 2^101); returns 2^e with row = 2^(100 - e) row. */
static float lift(float *row, size_t n)
{
    float amax = quant_amax(row, n);
    int e = amax > 0 ? ilogbf(amax) : 0;
    for (size_t i = 0; i < n; i++)
        row[i] = ldexpf(row[i], FOURS_EXPONENT - e);
    return ldexpf(1, e);
}

static void scatter(struct operand *o, size_t token, const float *row)
{
    float *x = o->x ? o->x + token * o->padded : NULL;
    int8_t *codes = o->codes ? o->codes + token * o->padded : NULL;
    for (size_t i = 0; i < o->cols; i++) {
        size_t at = layout_position(o->layout, i);
        if (x)
            x[at] = row[i];
        else
            codes[at] = (int8_t)row[i];
    }
}

static void correct(struct operand *o, size_t token, const float *row)
{
    size_t group = layouts[o->layout].group;
    for (size_t g = 0; g < o->groups; g++) {
        int32_t sum = 0;
        for (size_t i = g * group; i < (g + 1) * group && i < o->cols; i++)
            sum += (int32_t)row[i];
        o->correction[token * o->groups + g] = -layouts[o->layout].excess * sum;
    }
}

static void prepare_token(struct operand *o, size_t token, const float *x, const float *scale, float *row)
{
    float s = round_token(o, x, scale, row);
    if (o->layout == LAYOUT_FOURS)
        s *= lift(row, o->cols);
    o->scale[token] = s;
    scatter(o, token, row);
    if (o->correction)
        correct(o, token, row);
}

enum kernel_status operand_prepare(struct operand *o, enum activation activation, enum layout layout, const float *x,
                                   size_t batch, size_t cols, const float *scales)
{
    *o = (struct operand){.activation = activation, .layout = layout, .batch = batch, .cols = cols};
    if (cols > MATRIX_COLS_MAX || (cols && batch > SIZE_MAX / 8 / 512 / cols))
        return KERNEL_BAD_SHAPE;
    if (layouts[layout].codes && activation != ACTIVATION_INT8)
        return KERNEL_BAD_SHAPE;
    o->padded = round_up(cols, layouts[layout].run);
    o->groups = o->padded / layouts[layout].group;
    float *row = malloc((cols + 1) * sizeof *row);
    if (!row || !operand_allocate(o)) {
        free(row);
        return KERNEL_NO_MEMORY;
    }
    for (size_t token = 0; token < batch && cols; token++)
        prepare_token(o, token, x + token * cols, scales ? scales + token : NULL, row);
    free(row);
    return KERNEL_OK;
}

void operand_free(struct operand *o)
{
    free(o->x);
    free(o->codes);
    *o = (struct operand){0};
}

/* ---- Looking at it --------------------------------------------------------------------------------- */

double operand_value(const struct operand *o, size_t token, size_t col)
{
    size_t at = token * o->padded + layout_position(o->layout, col);
    double stored = o->x ? (double)o->x[at] : (double)o->codes[at];
    if (o->layout == LAYOUT_FOURS)
        stored = ldexp(stored, -FOURS_EXPONENT);
    return stored * (double)o->scale[token];
}

struct operand operand_slice(const struct operand *o, size_t first, size_t batch)
{
    struct operand slice = *o;
    slice.batch = batch;
    slice.scale = o->scale + first;
    if (o->x)
        slice.x = o->x + first * o->padded;
    if (o->codes) {
        slice.codes = o->codes + first * o->padded;
        slice.correction = o->correction + first * o->groups;
    }
    return slice;
}
