/* oracle.h: what every format must give, worked out from the published layouts in FP64 and by counting.
 * For each sign a list of magnitudes with their codes; between two of them the first float that must get the upper
 * code. It shares no arithmetic and no table with format.c: to add a format, add its layout here. */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/format.h"

/* F: sign, exponent, mantissa. I: integers. P: powers of two. L: the levels of NF4. */
struct oracle_layout {
    const char *name;
    char   kind;
    int    bits, exponent, mantissa, bias;
    double largest, lowest;     /* lowest: the magnitude of the most negative value */
    double unit;                /* I: what code 1 means */
    int64_t nan, infinity;      /* codes without their sign; -1: there is none */
};

static const struct oracle_layout layouts[] = {
    {"fp16", 'F', 16, 5, 10, 15, 65504, 65504, 0, 0x7e00, 0x7c00},
    {"bf16", 'F', 16, 8, 7, 127, 0x1.fep127, 0x1.fep127, 0, 0x7fc0, 0x7f80},
    {"e4m3", 'F', 8, 4, 3, 7, 448, 448, 0, 0x7f, -1},
    {"e5m2", 'F', 8, 5, 2, 15, 57344, 57344, 0, 0x7f, 0x7c},
    {"e4m3fnuz", 'F', 8, 4, 3, 8, 240, 240, 0, 0x80, -1},
    {"e5m2fnuz", 'F', 8, 5, 2, 16, 57344, 57344, 0, 0x80, -1},
    {"e2m3", 'F', 6, 2, 3, 1, 7.5, 7.5, 0, -1, -1},
    {"e3m2", 'F', 6, 3, 2, 3, 28, 28, 0, -1, -1},
    {"e2m1", 'F', 4, 2, 1, 1, 6, 6, 0, -1, -1},
    {"e8m0", 'P', 8, 8, 0, 127, 0x1p127, 0, 0, 0xff, -1},
    {"int8", 'I', 8, 0, 7, 0, 127, 127, 1, -1, -1},
    {"int4", 'I', 4, 0, 3, 0, 7, 7, 1, -1, -1},
    {"int3", 'I', 3, 0, 2, 0, 3, 3, 1, -1, -1},
    {"int2", 'I', 2, 0, 1, 0, 1, 1, 1, -1, -1},
    {"mxint8", 'I', 8, 0, 7, 0, 1.984375, 1.984375, 1.0 / 64, -1, -1},
    {"q4_0", 'I', 4, 0, 3, 0, 7, 8, 1, -1, -1},
    {"nf4", 'L', 4, 0, 0, 0, 1, 1, 0, -1, -1},
};

/* Block formats whose elements are a format of the list. */
static const char *const same_elements[][2] = {
    {"mxfp8-e4m3", "e4m3"}, {"mxfp8-e5m2", "e5m2"}, {"mxfp6-e2m3", "e2m3"}, {"mxfp6-e3m2", "e3m2"}, {"mxfp4", "e2m1"},
    {"nvfp4", "e2m1"}, {"nf4-dq", "nf4"}, {"q8_0", "int8"},
};

/* The non-negative and the non-positive values of NF4, as published. */
static const float nf4_up[] = {0, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f,
                               0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1};
static const float nf4_down[] = {0, 0.09105003625154495f, 0.18477343022823334f, 0.28444138169288635f,
                                 0.39491748809814453f, 0.5250730514526367f, 0.6961928009986877f, 1};

enum { ORACLE_MOST = 1 << 15 };

/* One sign: magnitudes ascending, their codes, and the first float that must leave magnitude i for the next. The
 * last boundary is where the range ends. */
struct side {
    uint32_t n;
    double  *value;             /* [n + 1]; the last is what would come next if the range had no end */
    uint32_t *code;             /* [n] */
    float   *leaves;            /* [n]; nearest, ties to even */
};

struct oracle {
    const struct oracle_layout *layout;
    struct side side[2];        /* of positive and of negative numbers */
};

static const struct oracle_layout *layout_of(const char *name)
{
    for (size_t i = 0; i < sizeof same_elements / sizeof same_elements[0]; i++)
        if (strcmp(same_elements[i][0], name) == 0)
            name = same_elements[i][1];
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (strcmp(layouts[i].name, name) == 0)
            return &layouts[i];
    return NULL;
}

/* Magnitude number i, counted on beyond the largest. */
static double oracle_value(const struct oracle_layout *l, uint32_t i, int negative)
{
    switch (l->kind) {
    case 'I': return i * l->unit;
    case 'P': return ldexp(1, (int)i - l->bias);
    case 'L':
        if (negative)
            return i < 8 ? (double)nf4_down[i] : 2 * (double)nf4_down[7] - (double)nf4_down[6];
        return i < 9 ? (double)nf4_up[i] : 2 * (double)nf4_up[8] - (double)nf4_up[7];
    default: break;
    }
    uint32_t exponent = i >> l->mantissa, mantissa = i & ((1u << l->mantissa) - 1);
    double fraction = (double)mantissa / (double)(1u << l->mantissa);
    return exponent ? ldexp(1 + fraction, (int)exponent - l->bias) : ldexp(fraction, 1 - l->bias);
}

static uint32_t oracle_code(const struct oracle_layout *l, uint32_t i, int negative)
{
    bool one_zero = l->nan == 1 << (l->bits - 1);
    switch (l->kind) {
    case 'I':
        if (strcmp(l->name, "q4_0") == 0)
            return negative ? 8 - i : 8 + i;
        return (negative ? 0u - i : i) & ((1u << l->bits) - 1);
    case 'L': return negative ? 7 - i : 7 + i;
    case 'P': return i;
    default:  return i | (negative && !(i == 0 && one_zero) ? 1u << (l->bits - 1) : 0);
    }
}

/* The first float that must round from magnitude i to i + 1. */
static float oracle_leaves(const struct oracle_layout *l, const struct side *s, uint32_t i, int negative)
{
    double middle = (s->value[i] + s->value[i + 1]) / 2;        /* exact: both have few bits */
    bool tie_leaves = i % 2 == 1;                               /* to even */
    if (l->kind == 'P')
        tie_leaves = true;
    if (l->kind == 'L') {       /* FP32 midpoints count if they lie below y */
        middle = i + 1 < s->n ? (double)(((float)s->value[i] + (float)s->value[i + 1]) * 0.5f) : middle;
        tie_leaves = negative && i + 1 < s->n;
    }
    float f = (float)middle;
    if ((double)f < middle || ((double)f == middle && !tie_leaves))
        f = nextafterf(f, INFINITY);
    return f;
}

static void fill_side(const struct oracle_layout *l, struct side *s, int negative)
{
    double largest = negative ? l->lowest : l->largest;
    s->n = 0;
    s->value = malloc((ORACLE_MOST + 1) * sizeof *s->value);
    s->code = malloc(ORACLE_MOST * sizeof *s->code);
    s->leaves = malloc(ORACLE_MOST * sizeof *s->leaves);
    if (!s->value || !s->code || !s->leaves)
        abort();
    do {
        s->value[s->n] = oracle_value(l, s->n, negative);
        s->code[s->n] = oracle_code(l, s->n, negative);
    } while (s->value[s->n++] < largest);
    s->value[s->n] = oracle_value(l, s->n, negative);
    for (uint32_t i = 0; i < s->n; i++)
        s->leaves[i] = oracle_leaves(l, s, i, negative);
}

/* False if this file does not know the format. FP32 is not there: it is the identity. */
static inline bool oracle_open(struct oracle *o, const char *name)
{
    o->layout = layout_of(name);
    if (!o->layout)
        return false;
    fill_side(o->layout, &o->side[0], 0);
    fill_side(o->layout, &o->side[1], 1);
    return true;
}

static inline void oracle_close(struct oracle *o)
{
    for (int i = 0; i < 2; i++) {
        free(o->side[i].value);
        free(o->side[i].code);
        free(o->side[i].leaves);
    }
}

/* Which magnitude |y| becomes; s->n: beyond the range. */
static uint32_t oracle_index(const struct side *s, float y, enum rounding rounding)
{
    uint32_t low = 0, high = s->n;
    double size = fabs((double)y);
    while (low < high) {        /* the first i that |y| does not leave */
        uint32_t middle = (low + high) / 2;
        bool leaves = rounding == ROUND_ZERO ? size >= s->value[middle + 1] : size >= (double)s->leaves[middle];
        if (leaves)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The code for magnitude `index` of y; y is no NaN. */
static uint32_t oracle_at(const struct oracle *o, uint32_t index, float y, struct cast how)
{
    const struct oracle_layout *l = o->layout;
    const struct side *s = &o->side[signbit(y) ? 1 : 0];
    if (l->kind == 'P' && !(y > 0))
        return (uint32_t)l->nan;
    if (index < s->n)
        return s->code[index];
    bool finite_toward_zero = how.rounding == ROUND_ZERO && !isinf(y);
    if (how.overflow == OVERFLOW_SATURATE || finite_toward_zero || (l->nan < 0 && l->infinity < 0))
        return s->code[s->n - 1];
    return (uint32_t)(l->infinity < 0 ? l->nan : l->infinity | (signbit(y) ? 1 << (l->bits - 1) : 0));
}

static inline uint32_t oracle_nan(const struct oracle *o)
{
    return o->layout->nan < 0 ? o->side[0].code[0] : (uint32_t)o->layout->nan;
}

/* The code that y must get, and whether it counts as clipped. */
static inline uint32_t oracle_encode(const struct oracle *o, float y, struct cast how, bool *clips)
{
    *clips = false;
    if (isnan(y))
        return oracle_nan(o);
    uint32_t index = oracle_index(&o->side[signbit(y) ? 1 : 0], y, how.rounding);
    bool signless = o->layout->kind == 'P' && !isinf(y) && !(y > 0);
    *clips = index == o->side[signbit(y) ? 1 : 0].n && !signless;
    return oracle_at(o, index, y, how);
}

#endif
