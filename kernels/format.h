/* format.h: the number formats, one row each.
 * Everything above asks the row: names, bit lanes, limits, and the reference pair that defines the format.
 * To add a format, add a row to the table in format.c; nothing else switches on a format. */
#ifndef KERNELS_FORMAT_H
#define KERNELS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rounding {
    ROUND_NEAREST,      /* to nearest, ties to even */
    ROUND_ZERO,         /* toward zero */
    ROUND_STOCHASTIC,   /* away from zero with the probability of the discarded fraction */
};

enum overflow {
    OVERFLOW_SATURATE,  /* beyond the largest value: the largest value, also for infinities */
    OVERFLOW_NATIVE,    /* what the format itself gives: infinity, or NaN where it has no infinity */
};

/* How one value is rounded. The zero of this struct is the default: nearest even, saturating. */
struct cast {
    enum rounding rounding;
    enum overflow overflow;
    uint32_t      random;       /* stochastic only: 24 random bits, see random.h */
};

enum format_kind {
    FORMAT_FLOAT,       /* sign, exponent, mantissa */
    FORMAT_INTEGER,     /* code_min to code_max in steps of `smallest` */
    FORMAT_POWER,       /* an exponent alone: powers of two, no zero, no sign */
    FORMAT_LEVELS,      /* a table of values, ascending by code */
};

enum format_specials {
    SPECIALS_IEEE,      /* top exponent: infinity and NaNs */
    SPECIALS_NAN,       /* all ones: NaN; no infinity (the OCP "FN" formats) */
    SPECIALS_FNUZ,      /* the code of -0 is the NaN; no infinity, one zero */
    SPECIALS_NONE,      /* neither: always saturates, NaN encodes to 0 */
};

struct format;
typedef uint32_t encode_fn(const struct format *f, float y, struct cast how);
typedef float    decode_fn(const struct format *f, uint32_t code);

struct format {
    const char          *name;      /* Lua, command line, database: "e4m3" */
    const char          *title;     /* people: "FP8 E4M3 (OCP)" */
    enum format_kind     kind;
    enum format_specials specials;
    uint8_t              bits;      /* width of a code */
    uint8_t              lane[3];   /* bits of sign, exponent, mantissa, from the left */
    int16_t              bias;      /* exponent bias (floats) */
    int16_t              emax;      /* exponent of the largest value: 8 for 448 */
    int32_t              code_min;  /* integers: the lowest number used, -127 */
    int32_t              code_max;  /* integers: the highest; floats: the bits of the largest value */
    uint32_t             nan;       /* what NaN encodes to */
    float                largest;   /* largest finite value; a scale maps the largest |x| here */
    float                normal;    /* smallest normal value; integers: one step */
    float                smallest;  /* smallest value above 0 */
    float                bound;     /* worst |y - decode(encode(y))| within range, in units of the scale */
    float                relative;  /* worst relative error of a normal value; 0 where it has no bound */
    const float         *levels;    /* FORMAT_LEVELS: [2^bits] */
    const char          *scale;     /* its scale unless the recipe says otherwise; block formats allow no other */
    uint16_t             block;     /* block formats: values that share a stored scale; else 0 */
    uint16_t             block_bytes;       /* storage of such a block, its scale included */
    const char          *function;  /* name of the encoder, to show its source */
    encode_fn           *encode;    /* the reference pair: the definition of the format, or of a block's elements; */
    decode_fn           *decode;    /* the block's scale is defined by the row of its kind in scale.c */
};

/* The table: row i of format_count() rows, in reading order. NULL past the end. */
size_t               format_count(void);
const struct format *format_at(size_t i);

/* The row with this name, or NULL. */
const struct format *format_find(const char *name);

/* The row whose name is at most two edits away, for "did you mean"; NULL if none is. */
const struct format *format_nearest(const char *name);

/* y as a code: the bit pattern, zero-extended (int4 -1 is 15). y is already divided by its scale. */
static inline uint32_t format_encode(const struct format *f, float y, struct cast how)
{
    return f->encode(f, y, how);
}

/* The value of a code, in units of the scale. Bits above f->bits are ignored. */
static inline float format_decode(const struct format *f, uint32_t code)
{
    return f->decode(f, code);
}

/* y rounded to the format's grid: decode(encode(y)). */
static inline float format_round(const struct format *f, float y, struct cast how)
{
    return f->decode(f, f->encode(f, y, how));
}

/* True if y, rounded as if the range had no end, exceeds the largest value. Infinities do, NaN does not. */
bool format_clips(const struct format *f, float y, struct cast how);

/* y rounded to an integer as if the range had no end; NaN gives 0, infinities stay. */
float format_integer(float y, struct cast how);

/* The code of y in a table of `count` ascending values: how many midpoints, each an FP32 number, lie below y. */
uint32_t format_level(const float *levels, uint32_t count, float y);

/* The distance between the two neighbors that enclose y: format_step(e4m3, 237.4) is 16.
 * On a value it is the gap away from zero; at and beyond the largest value, the last gap. NaN gives NaN. */
float format_step(const struct format *f, float y);

/* The finite values within [low, high], ascending, each once (-0 counts as 0).
 * Writes at most `room` of them and returns how many there are. */
size_t format_values(const struct format *f, float low, float high, float *values, size_t room);

/* Bytes that hold one code unpacked: 1, 2 or 4. */
static inline size_t format_code_bytes(const struct format *f)
{
    return f->bits <= 8 ? 1 : f->bits <= 16 ? 2 : 4;
}

#endif
