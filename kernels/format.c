/* format.c: the table of number formats and the reference pairs that define them.
 * One generic pair serves every sign-exponent-mantissa format, one every integer; the row holds what differs.
 * A block format is its element and the name of its scale. Everything is exact and the same everywhere. */
#include "kernels/format.h"

#include <math.h>
#include <stdlib.h>
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
    if (code == 0 && f->specials == SPECIALS_FNUZ)
        return 0;                                   /* one zero: the other's code is the NaN */
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
    if (f->specials == SPECIALS_FNUZ && sign && magnitude == 0)
        return bits_float(0x7fc00000u);
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

float format_integer(float y, struct cast how)
{
    if (is_nan_bits(float_bits(y)))
        return 0;
    return isinf(y) ? y : copysignf(integer_round(y, how), y);
}

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

/* y as a number of steps, within the row's range. A step is a power of two, so the division is exact. */
static int32_t integer_code(const struct format *f, float y, struct cast how)
{
    return (int32_t)clamp(format_integer(y / f->smallest, how), (float)f->code_min, (float)f->code_max);
}

static uint32_t code_mask(const struct format *f)
{
    return (uint32_t)((1ull << f->bits) - 1);
}

static uint32_t encode_integer(const struct format *f, float y, struct cast how)
{
    return (uint32_t)integer_code(f, y, how) & code_mask(f);
}

static float decode_integer(const struct format *f, uint32_t code)
{
    int unused = 32 - f->bits;
    uint32_t shifted = code << unused;
    return (float)((int32_t)shifted / (int32_t)(1u << unused)) * f->smallest;   /* exact: carries the sign down */
}

/* Offset binary, as ggml stores four bits: the code is the number plus 8. */
static uint32_t encode_offset(const struct format *f, float y, struct cast how)
{
    return (uint32_t)(integer_code(f, y, how) + (1 << (f->bits - 1)));
}

static float decode_offset(const struct format *f, uint32_t code)
{
    return (float)((int32_t)(code & code_mask(f)) - (1 << (f->bits - 1))) * f->smallest;
}

/* ---- Powers of two --------------------------------------------------------------------------------- */

/* The exponent of |y| rounded to a power of two, as if exponents had no end; |y| is finite and not 0.
 * Halfway is 1.5 times a power: both neighbors have the significand 1, and the even one, 2 * 2^e, is above. */
static int power_round(float y, struct cast how)
{
    int exponent;
    double significand = 2 * frexp(fabs((double)y), &exponent);     /* [1, 2) */
    exponent--;
    switch (how.rounding) {
    case ROUND_NEAREST:    return exponent + (significand >= 1.5);
    case ROUND_STOCHASTIC: return exponent + ((how.random & 0xffffffu) < 0x1p24 * (significand - 1));
    case ROUND_ZERO:       break;
    }
    return exponent;
}

/* E8M0 has no zero and no sign: zero and negative numbers are NaN to it. */
static uint32_t encode_power(const struct format *f, float y, struct cast how)
{
    if (!(y > 0))
        return f->nan;
    int code = isinf(y) ? f->code_max + 1 : power_round(y, how) + f->bias;
    if (code > f->code_max && how.rounding == ROUND_ZERO && !isinf(y))
        return (uint32_t)f->code_max;
    if (code > f->code_max)
        return how.overflow == OVERFLOW_SATURATE ? (uint32_t)f->code_max : f->nan;
    return code < 0 ? 0 : (uint32_t)code;
}

static float decode_power(const struct format *f, uint32_t code)
{
    code &= code_mask(f);
    return code == f->nan ? bits_float(0x7fc00000u) : (float)power_of_two((int)code - f->bias);
}

/* ---- Tables of values ------------------------------------------------------------------------------ */

/* NF4: quantiles of a normal distribution, scaled to [-1, 1]; T. Dettmers and others, QLoRA, arXiv:2305.14314,
 * with the constants that bitsandbytes publishes. */
static const float nf4_levels[16] = {
    -1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1,
};

uint32_t format_level(const float *levels, uint32_t count, float y)
{
    uint32_t low = 0, high = count - 1;     /* the code is in low..high */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        float midpoint = (levels[middle] + levels[middle + 1]) * 0.5f;
        if (midpoint < y)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many midpoints lie below y. Toward zero: the level next to y on the side of zero. */
static uint32_t encode_levels(const struct format *f, float y, struct cast how)
{
    if (is_nan_bits(float_bits(y)))
        return f->nan;
    uint32_t code = format_level(f->levels, 1u << f->bits, y);
    if (how.rounding == ROUND_ZERO && y > 0 && f->levels[code] > y)
        code--;
    if (how.rounding == ROUND_ZERO && y < 0 && f->levels[code] < y)
        code++;
    return code;
}

static float decode_levels(const struct format *f, uint32_t code)
{
    return f->levels[code & code_mask(f)];
}

/* True if y lies beyond the first or last level by more than rounding would forgive if its gap were repeated. */
static bool levels_clip(const struct format *f, float y, struct cast how)
{
    uint32_t last = (1u << f->bits) - 1;
    double end = (double)(y < 0 ? -f->levels[0] : f->levels[last]);
    double gap = (double)(y < 0 ? f->levels[1] - f->levels[0] : f->levels[last] - f->levels[last - 1]);
    double over = fabs((double)y) - end;
    return how.rounding == ROUND_ZERO ? over >= gap : over > gap / 2;
}

/* ---- The table ------------------------------------------------------------------------------------- */

#define FLOAT_PAIR   .kind = FORMAT_FLOAT, .encode = encode_float, .decode = decode_float, .function = "encode_float"
#define INTEGER_PAIR .kind = FORMAT_INTEGER, .encode = encode_integer, .decode = decode_integer, \
                     .function = "encode_integer", .specials = SPECIALS_NONE

/* Symmetric integers of `bits_` bits, in steps of 1. */
#define INTEGER(bits_, top, emax_) \
    .bits = bits_, .lane = {1, 0, bits_ - 1}, INTEGER_PAIR, .emax = emax_, .code_min = -top, .code_max = top, \
    .largest = top, .normal = 1, .smallest = 1, .bound = 0.5f

/* Elements that stand alone and in blocks. */
#define E4M3 \
    .bits = 8, .lane = {1, 4, 3}, FLOAT_PAIR, .specials = SPECIALS_NAN, .bias = 7, .emax = 8, .code_max = 0x7e, \
    .nan = 0x7f, .largest = 448, .normal = 0x1p-6f, .smallest = 0x1p-9f, .bound = 16, .relative = 0x1p-4f
#define E5M2 \
    .bits = 8, .lane = {1, 5, 2}, FLOAT_PAIR, .specials = SPECIALS_IEEE, .bias = 15, .emax = 15, .code_max = 0x7b, \
    .nan = 0x7f, .largest = 57344, .normal = 0x1p-14f, .smallest = 0x1p-16f, .bound = 4096, .relative = 0x1p-3f
#define E2M3 \
    .bits = 6, .lane = {1, 2, 3}, FLOAT_PAIR, .specials = SPECIALS_NONE, .bias = 1, .emax = 2, .code_max = 31, \
    .nan = 0, .largest = 7.5f, .normal = 1, .smallest = 0.125f, .bound = 0.25f, .relative = 0x1p-4f
#define E3M2 \
    .bits = 6, .lane = {1, 3, 2}, FLOAT_PAIR, .specials = SPECIALS_NONE, .bias = 3, .emax = 4, .code_max = 31, \
    .nan = 0, .largest = 28, .normal = 0.25f, .smallest = 0.0625f, .bound = 2, .relative = 0x1p-3f
#define E2M1 \
    .bits = 4, .lane = {1, 2, 1}, FLOAT_PAIR, .specials = SPECIALS_NONE, .bias = 1, .emax = 2, .code_max = 7, \
    .nan = 0, .largest = 6, .normal = 1, .smallest = 0.5f, .bound = 1, .relative = 0x1p-2f
#define NF4 \
    .bits = 4, .lane = {0, 0, 4}, .kind = FORMAT_LEVELS, .specials = SPECIALS_NONE, .levels = nf4_levels, \
    .encode = encode_levels, .decode = decode_levels, .function = "encode_levels", .emax = 0, .code_max = 15, \
    .nan = 7, .largest = 1, .normal = 0.07958029955625534f, .smallest = 0.07958029955625534f, \
    .bound = 0.15190360f    /* half the gap above -1 */

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
    },
    {.name = "e4m3", .title = "FP8 E4M3 (OCP)", E4M3, .scale = "tensor"},
    {.name = "e5m2", .title = "FP8 E5M2 (OCP)", E5M2, .scale = "tensor"},
    {
        .name = "e4m3fnuz", .title = "FP8 E4M3FNUZ (MI300)", .bits = 8, .lane = {1, 4, 3}, FLOAT_PAIR,
        .specials = SPECIALS_FNUZ, .bias = 8, .emax = 7, .code_max = 0x7f, .nan = 0x80,
        .largest = 240, .normal = 0x1p-7f, .smallest = 0x1p-10f,
        .bound = 8, .relative = 0x1p-4f, .scale = "tensor",
    }, {
        .name = "e5m2fnuz", .title = "FP8 E5M2FNUZ (MI300)", .bits = 8, .lane = {1, 5, 2}, FLOAT_PAIR,
        .specials = SPECIALS_FNUZ, .bias = 16, .emax = 15, .code_max = 0x7f, .nan = 0x80,
        .largest = 57344, .normal = 0x1p-15f, .smallest = 0x1p-17f,
        .bound = 4096, .relative = 0x1p-3f, .scale = "tensor",
    },
    {.name = "e2m3", .title = "FP6 E2M3 (OCP)", E2M3, .scale = "tensor"},
    {.name = "e3m2", .title = "FP6 E3M2 (OCP)", E3M2, .scale = "tensor"},
    {.name = "e2m1", .title = "FP4 E2M1 (OCP)", E2M1, .scale = "tensor"},
    {
        .name = "e8m0", .title = "E8M0 (OCP, a scale)", .bits = 8, .lane = {0, 8, 0}, .kind = FORMAT_POWER,
        .encode = encode_power, .decode = decode_power, .function = "encode_power",
        .specials = SPECIALS_NAN, .bias = 127, .emax = 127, .code_max = 0xfe, .nan = 0xff,
        .largest = 0x1p127f, .normal = 0x1p-127f, .smallest = 0x1p-127f,
        .bound = 0x1p125f, .relative = 0.5f, .scale = "none",
    },
    {.name = "int8", .title = "INT8 (symmetric)", INTEGER(8, 127, 6), .scale = "tensor"},
    {.name = "int4", .title = "INT4 (symmetric)", INTEGER(4, 7, 2), .scale = "tensor"},
    {.name = "int3", .title = "INT3 (symmetric)", INTEGER(3, 3, 1), .scale = "tensor"},
    {.name = "int2", .title = "INT2 (symmetric: ternary)", INTEGER(2, 1, 0), .scale = "tensor"},
    {.name = "mxfp8-e4m3", .title = "MXFP8 E4M3", E4M3, .scale = "block:32", .block = 32, .block_bytes = 33},
    {.name = "mxfp8-e5m2", .title = "MXFP8 E5M2", E5M2, .scale = "block:32", .block = 32, .block_bytes = 33},
    {.name = "mxfp6-e2m3", .title = "MXFP6 E2M3", E2M3, .scale = "block:32", .block = 32, .block_bytes = 25},
    {.name = "mxfp6-e3m2", .title = "MXFP6 E3M2", E3M2, .scale = "block:32", .block = 32, .block_bytes = 25},
    {.name = "mxfp4", .title = "MXFP4", E2M1, .scale = "block:32", .block = 32, .block_bytes = 17},
    {
        .name = "mxint8", .title = "MXINT8", .bits = 8, .lane = {1, 0, 7}, INTEGER_PAIR,    /* steps of 1/64 */
        .emax = 0, .code_min = -127, .code_max = 127, .largest = 127.0f / 64, .normal = 0x1p-6f, .smallest = 0x1p-6f,
        .bound = 0x1p-7f, .scale = "block:32", .block = 32, .block_bytes = 33,
    },
    {.name = "nvfp4", .title = "NVFP4", E2M1, .scale = "two-level", .block = 16, .block_bytes = 9},
    {.name = "nf4", .title = "NF4", NF4, .scale = "tile:1x64", .block = 64, .block_bytes = 36},
    {.name = "nf4-dq", .title = "NF4 (double quantization)", NF4, .scale = "double:64", .block = 64, .block_bytes = 33},
    {.name = "q8_0", .title = "Q8_0 (GGUF)", INTEGER(8, 127, 6), .scale = "group:32", .block = 32, .block_bytes = 34},
    {
        .name = "q4_0", .title = "Q4_0 (GGUF)", .bits = 4, .lane = {1, 0, 3}, .kind = FORMAT_INTEGER,
        .encode = encode_offset, .decode = decode_offset, .function = "encode_offset", .specials = SPECIALS_NONE,
        .nan = 8, .emax = 2, .code_min = -8, .code_max = 7, .largest = 7, .normal = 1, .smallest = 1, .bound = 0.5f,
        .scale = "signed:32", .block = 32, .block_bytes = 18,
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
    static const char *const said[][2] = { /* what others call some */
        {"fp8", "e4m3"}, {"fp6", "e2m3"}, {"fp4", "e2m1"}, {"float16", "fp16"}, {"float32", "fp32"},
    };
    const struct format *best = NULL;
    size_t best_distance = 3;
    if (!name || !*name || strlen(name) > NAME_MAX_LENGTH)
        return NULL;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (edit_distance(name, said[i][0]) == 0)
            return format_find(said[i][1]);
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
    uint32_t bits = float_bits(y), magnitude = bits & 0x7fffffffu;
    if (magnitude >= 0x7f800000u)
        return magnitude == 0x7f800000u;
    switch (f->kind) {
    case FORMAT_INTEGER:
        return integer_round(y / f->smallest, how) > (float)(bits >> 31 ? -f->code_min : f->code_max);
    case FORMAT_POWER:
        return y > 0 && power_round(y, how) + f->bias > f->code_max;
    case FORMAT_LEVELS:
        return levels_clip(f, y, how);
    case FORMAT_FLOAT:
        break;
    }
    return float_round(f, magnitude, how) > (uint32_t)f->code_max;
}

/* Formats of at most NARROW bits are walked by listing their values; wider ones are sign-magnitude floats, whose
 * finite values are numbered by code: -code_max ... 0 ... code_max, ascending. */
enum { NARROW = 8 };

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The values that encoding can give, ascending, each once. Returns how many; at most 2^NARROW. */
static size_t narrow_values(const struct format *f, float values[1 << NARROW])
{
    size_t n = 0, unique = 0;
    for (uint32_t code = 0; code < 1u << f->bits; code++) {
        float value = f->decode(f, code) + 0.0f;        /* -0 becomes 0 */
        if (isfinite(value) && f->decode(f, f->encode(f, value, (struct cast){0})) == value)
            values[n++] = value;
    }
    qsort(values, n, sizeof *values, ascending);
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || values[i] != values[unique - 1])
            values[unique++] = values[i];
    return unique;
}

static float narrow_step(const struct format *f, float y)
{
    float values[1 << NARROW];
    size_t n = narrow_values(f, values), i = 1;         /* values[i] ends the gap */
    if (y < 0)
        while (i + 1 < n && values[i] < y)
            i++;
    else
        while (i + 1 < n && values[i] <= y)
            i++;
    return values[i] - values[i - 1];
}

/* The code of the largest value not above |y|. Wide formats. */
static uint32_t magnitude_code(const struct format *f, float y)
{
    return f->encode(f, fabsf(y), (struct cast){.rounding = ROUND_ZERO});
}

float format_step(const struct format *f, float y)
{
    if (isnan(y))
        return y;
    if (f->bits <= NARROW)
        return narrow_step(f, y);
    uint32_t code = magnitude_code(f, y);
    if (code >= (uint32_t)f->code_max)
        code = (uint32_t)f->code_max - 1;
    return f->decode(f, code + 1) - f->decode(f, code);
}

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
    size_t count = 0;
    if (!(low <= high))
        return 0;
    if (f->bits <= NARROW) {
        float all[1 << NARROW];
        size_t n = narrow_values(f, all);
        for (size_t i = 0; i < n; i++)
            if (all[i] >= low && all[i] <= high && count++ < room)
                values[count - 1] = all[i];
        return count;
    }
    int64_t first = number_from(f, low), last = -number_from(f, -high);
    count = last < first ? 0 : (size_t)(last - first + 1);
    for (size_t i = 0; i < count && i < room; i++)
        values[i] = numbered_value(f, first + (int64_t)i);
    return count;
}
