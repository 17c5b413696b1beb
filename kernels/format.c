/* format.c: the table of number formats and the reference pairs that define them.
 * One generic pair serves every sign-exponent-mantissa format, one every integer; the row holds what differs.
 * All of it is integer arithmetic on bits, so that it is exact and the same everywhere. */
#include "kernels/format.h"

#include <math.h>
#include <string.h>

/* ---- Bits of a float ------------------------------------------------------------------------------- */

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool is_nan_bits(uint32_t bits)
{
    return (bits & 0x7fffffffu) > 0x7f800000u;
}

/* 2^e, for e that a double holds as a normal number. */
static double power_of_two(int e)
{
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- Rounding -------------------------------------------------------------------------------------- */

/* 1 if a number kept + rest / 2^shift is to be rounded up in magnitude, else 0. rest < 2^shift; shift > 0. */
static uint32_t round_up(uint32_t kept, uint32_t rest, int shift, struct cast how)
{
    switch (how.rounding) {
    case ROUND_NEAREST: {
        if (shift > 24)         /* rest has at most 24 bits, so it is below half */
            return 0;
        uint32_t half = 1u << (shift - 1);
        return rest > half || (rest == half && (kept & 1));
    }
    case ROUND_STOCHASTIC:      /* away from zero if random / 2^24 < rest / 2^shift */
        return (double)(how.random & 0xffffffu) < ldexp((double)rest, 24 - shift);
    case ROUND_ZERO:
        break;
    }
    return 0;
}

/* ---- Sign, exponent, mantissa ---------------------------------------------------------------------- */

/* The magnitude bits of a finite float, rounded to f's grid as if exponents had no end.
 * Codes of magnitudes are consecutive integers: a carry out of the mantissa raises the exponent by itself. */
static uint32_t float_round(const struct format *f, uint32_t magnitude, struct cast how)
{
    int exponent = (int)(magnitude >> 23);
    uint32_t significand = magnitude & 0x7fffffu;
    if (exponent > 0)
        significand |= 0x800000u;               /* the hidden one */
    else
        exponent = 1;                           /* an FP32 subnormal */

    int target = exponent - 127 + f->bias;      /* the exponent field it would have */
    int shift = 23 - f->lane[2];                /* mantissa bits that do not fit */
    uint32_t base = 0;
    if (target >= 1)
        base = (uint32_t)(target - 1) << f->lane[2];
    else
        shift += 1 - target;                    /* subnormal: the exponent cannot go lower, so shift more */
    if (shift == 0)
        return base + significand;

    uint32_t kept = shift < 32 ? significand >> shift : 0;
    uint32_t rest = shift < 32 ? significand & ((1u << shift) - 1) : significand;
    return base + kept + round_up(kept, rest, shift, how);
}

static uint32_t encode_float(const struct format *f, float y, struct cast how)
{
    uint32_t bits = float_bits(y), magnitude = bits & 0x7fffffffu;
    uint32_t sign = bits >> 31 << (f->bits - 1);
    if (is_nan_bits(bits))
        return f->nan;

    bool infinite = magnitude == 0x7f800000u;
    uint32_t largest = (uint32_t)f->code_max;
    uint32_t code = infinite ? largest + 1 : float_round(f, magnitude, how);
    if (code <= largest)
        return sign | code;
    if (how.overflow == OVERFLOW_SATURATE || f->specials == SPECIALS_NONE)
        return sign | largest;
    if (how.rounding == ROUND_ZERO && !infinite)    /* toward zero, finite inputs never overflow */
        return sign | largest;
    return f->specials == SPECIALS_IEEE ? sign | (largest + 1) : f->nan;
}

static float decode_float(const struct format *f, uint32_t code)
{
    int mantissa_bits = f->lane[2];
    uint32_t sign = code >> (f->bits - 1) & 1;
    uint32_t magnitude = code & ((1u << (f->bits - 1)) - 1);
    if (magnitude > (uint32_t)f->code_max) {
        bool infinite = f->specials == SPECIALS_IEEE && magnitude == (uint32_t)f->code_max + 1;
        return bits_float(sign << 31 | (infinite ? 0x7f800000u : 0x7fc00000u));
    }
    int exponent = (int)(magnitude >> mantissa_bits);
    int significand = (int)(magnitude & ((1u << mantissa_bits) - 1));
    if (exponent > 0)
        significand |= 1 << mantissa_bits;
    else
        exponent = 1;
    float value = (float)((double)significand * power_of_two(exponent - f->bias - mantissa_bits));
    return sign ? -value : value;
}

/* ---- Integers -------------------------------------------------------------------------------------- */

/* |y| rounded to an integer, as if the range had no end. Finite y only; the result is exact in a float. */
static float integer_round(float y, struct cast how)
{
    float magnitude = fabsf(y), low = floorf(magnitude);
    float rest = magnitude - low;               /* exact: both are multiples of the same power of two */
    switch (how.rounding) {
    case ROUND_NEAREST:
        return rest > 0.5f || (rest == 0.5f && fmodf(low, 2) != 0) ? low + 1 : low;
    case ROUND_STOCHASTIC:
        return (double)(how.random & 0xffffffu) < ldexp((double)rest, 24) ? low + 1 : low;
    case ROUND_ZERO:
        break;
    }
    return low;
}

static uint32_t encode_integer(const struct format *f, float y, struct cast how)
{
    uint32_t bits = float_bits(y);
    if (is_nan_bits(bits))
        return f->nan;
    float limit = (float)f->code_max;
    float magnitude = isinf(y) ? limit : integer_round(y, how);
    if (magnitude > limit)                      /* clamp before the conversion */
        magnitude = limit;
    int32_t code = (int32_t)magnitude;
    return (uint32_t)(bits >> 31 ? -code : code) & (uint32_t)((1ull << f->bits) - 1);
}

static float decode_integer(const struct format *f, uint32_t code)
{
    int unused = 32 - f->bits;
    uint32_t shifted = code << unused;
    return (float)((int32_t)shifted / (int32_t)(1u << unused));     /* exact: carries the sign down */
}

/* ---- The table ------------------------------------------------------------------------------------- */

#define FLOAT_PAIR   .kind = FORMAT_FLOAT, .encode = encode_float, .decode = decode_float
#define INTEGER_PAIR .kind = FORMAT_INTEGER, .encode = encode_integer, .decode = decode_integer, \
                     .specials = SPECIALS_NONE, .normal = 1, .smallest = 1, .bound = 0.5f, .scale = "tensor"

static const struct format formats[] = {
    {
        .name = "fp32", .title = "FP32 (single)", .bits = 32, .lane = {1, 8, 23}, FLOAT_PAIR,
        .specials = SPECIALS_IEEE, .bias = 127, .emax = 127, .code_max = 0x7f7fffff, .nan = 0x7fc00000,
        .largest = 0x1.fffffep127f, .normal = 0x1p-126f, .smallest = 0x1p-149f,
        .bound = 0, .relative = 0, .scale = "none",
    }, {
        .name = "fp16", .title = "FP16 (half)", .bits = 16, .lane = {1, 5, 10}, FLOAT_PAIR,
        .specials = SPECIALS_IEEE, .bias = 15, .emax = 15, .code_max = 0x7bff, .nan = 0x7e00,
        .largest = 65504, .normal = 0x1p-14f, .smallest = 0x1p-24f,
        .bound = 16, .relative = 0x1p-11f, .scale = "none",
    }, {
        .name = "bf16", .title = "BF16 (bfloat16)", .bits = 16, .lane = {1, 8, 7}, FLOAT_PAIR,
        .specials = SPECIALS_IEEE, .bias = 127, .emax = 127, .code_max = 0x7f7f, .nan = 0x7fc0,
        .largest = 0x1.fep127f, .normal = 0x1p-126f, .smallest = 0x1p-133f,
        .bound = 0x1p119f, .relative = 0x1p-8f, .scale = "none",
    }, {
        .name = "e4m3", .title = "FP8 E4M3 (OCP)", .bits = 8, .lane = {1, 4, 3}, FLOAT_PAIR,
        .specials = SPECIALS_NAN, .bias = 7, .emax = 8, .code_max = 0x7e, .nan = 0x7f,
        .largest = 448, .normal = 0x1p-6f, .smallest = 0x1p-9f,
        .bound = 16, .relative = 0x1p-4f, .scale = "tensor",
    }, {
        .name = "e5m2", .title = "FP8 E5M2 (OCP)", .bits = 8, .lane = {1, 5, 2}, FLOAT_PAIR,
        .specials = SPECIALS_IEEE, .bias = 15, .emax = 15, .code_max = 0x7b, .nan = 0x7f,
        .largest = 57344, .normal = 0x1p-14f, .smallest = 0x1p-16f,
        .bound = 4096, .relative = 0x1p-3f, .scale = "tensor",
    }, {
        .name = "int8", .title = "INT8 (symmetric)", .bits = 8, .lane = {1, 0, 7}, INTEGER_PAIR,
        .emax = 6, .code_min = -127, .code_max = 127, .largest = 127,
    }, {
        .name = "int4", .title = "INT4 (symmetric)", .bits = 4, .lane = {1, 0, 3}, INTEGER_PAIR,
        .emax = 2, .code_min = -7, .code_max = 7, .largest = 7,
    }, {
        .name = "e2m1", .title = "FP4 E2M1 (OCP)", .bits = 4, .lane = {1, 2, 1}, FLOAT_PAIR,
        .specials = SPECIALS_NONE, .bias = 1, .emax = 2, .code_max = 7, .nan = 0,
        .largest = 6, .normal = 1, .smallest = 0.5f,
        .bound = 1, .relative = 0x1p-2f, .scale = "tensor",
    },
};

#define FORMATS (sizeof formats / sizeof formats[0])

size_t format_count(void)
{
    return FORMATS;
}

const struct format *format_at(size_t i)
{
    return i < FORMATS ? &formats[i] : NULL;
}

const struct format *format_find(const char *name)
{
    for (size_t i = 0; name && i < FORMATS; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

/* ---- Did you mean ---------------------------------------------------------------------------------- */

enum { NAME_MAX_LENGTH = 24 };      /* longer words are no misspelling of a format */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance between two words of at most NAME_MAX_LENGTH bytes, letters compared without case. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LENGTH + 1], width = strlen(b);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            bool letter = (a[i] >= 'A' && a[i] <= 'Z');
            char c = (char)(letter ? a[i] + ('a' - 'A') : a[i]);
            size_t replaced = diagonal + (c != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = smaller(replaced, smaller(row[j], diagonal) + 1);
        }
    }
    return row[width];
}

const struct format *format_nearest(const char *name)
{
    const struct format *best = NULL;
    size_t best_distance = 3;
    if (!name || !*name || strlen(name) > NAME_MAX_LENGTH)
        return NULL;
    for (size_t i = 0; i < FORMATS; i++) {
        size_t distance = edit_distance(name, formats[i].name);
        if (distance < best_distance && distance < strlen(formats[i].name)) {
            best = &formats[i];
            best_distance = distance;
        }
    }
    return best;
}

/* ---- The grid -------------------------------------------------------------------------------------- */

bool format_clips(const struct format *f, float y, struct cast how)
{
    uint32_t magnitude = float_bits(y) & 0x7fffffffu;
    if (magnitude >= 0x7f800000u)
        return magnitude == 0x7f800000u;
    if (f->kind == FORMAT_INTEGER)
        return integer_round(y, how) > f->largest;
    return float_round(f, magnitude, how) > (uint32_t)f->code_max;
}

/* The code of the largest value not above |y|. */
static uint32_t magnitude_code(const struct format *f, float y)
{
    return f->encode(f, fabsf(y), (struct cast){.rounding = ROUND_ZERO});
}

float format_step(const struct format *f, float y)
{
    if (isnan(y))
        return y;
    uint32_t code = magnitude_code(f, y);
    if (code >= (uint32_t)f->code_max)
        code = (uint32_t)f->code_max - 1;
    return f->decode(f, code + 1) - f->decode(f, code);
}

/* Finite values are numbered by code: -code_max ... 0 ... code_max, ascending. */
static float numbered_value(const struct format *f, int64_t number)
{
    float value = f->decode(f, (uint32_t)(number < 0 ? -number : number));
    return number < 0 ? -value : value;
}

/* The number of the smallest value that is not below y. */
static int64_t number_from(const struct format *f, float y)
{
    int64_t code = magnitude_code(f, y);
    if (y < 0)
        return -code;
    return f->decode(f, (uint32_t)code) < y ? code + 1 : code;
}

size_t format_values(const struct format *f, float low, float high, float *values, size_t room)
{
    if (!(low <= high))
        return 0;
    int64_t first = number_from(f, low), last = -number_from(f, -high);
    size_t count = last < first ? 0 : (size_t)(last - first + 1);
    for (size_t i = 0; i < count && i < room; i++)
        values[i] = numbered_value(f, first + (int64_t)i);
    return count;
}
