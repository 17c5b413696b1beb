/* scale.c: the kinds of scales, one row each: name, storage, rule.
 * The rules are those of the course's arithmetic: one FP32 division, clamped, one reciprocal.
 * Nothing here looks at a tensor; quantize.c hands over ranges. */
#include "kernels/scale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ranges ---------------------------------------------------------------------------------------- */

struct range range_measure(const float *x, size_t n)
{
    struct range range = {0};
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            continue;
        range.low = !any || x[i] < range.low ? x[i] : range.low;
        range.high = !any || x[i] > range.high ? x[i] : range.high;
        range.peak = !any || fabsf(x[i]) > fabsf(range.peak) ? x[i] : range.peak;
        any = true;
    }
    range.amax = fabsf(range.peak);
    return range;
}

struct range range_clip(struct range range, float most)
{
    range.low = range.low < -most ? -most : range.low;
    range.high = range.high > most ? most : range.high;
    range.amax = range.amax > most ? most : range.amax;
    range.peak = copysignf(range.amax, range.peak);
    return range;
}

struct range range_shrink(struct range range, float factor)
{
    return (struct range){range.low * factor, range.high * factor, range.amax * factor, range.peak * factor};
}

/* ---- Numbers --------------------------------------------------------------------------------------- */

static const struct cast nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float scale_absmax(float most, float largest)
{
    return most == 0 ? 1 : clamp(most / largest, 0x1p-126f, 0x1p126f);
}

float scale_to_fp16(float scale)
{
    return clamp(format_round(format_find("fp16"), scale, nearest), 0x1p-24f, 65504);
}

/* The exponent of a positive float, its significand in [1, 2) times 2^23; subnormals too. */
static int exponent_of(float x, uint32_t *significand)
{
    uint32_t bits = float_bits(x);
    int exponent = (int)(bits >> 23) - 127;
    *significand = (bits & 0x7fffffu) | 0x800000u;
    if (exponent == -127) {
        *significand = bits;
        for (exponent = -126; *significand < 0x800000u; exponent--)
            *significand <<= 1;
    }
    return exponent;
}

/* ---- Rules ----------------------------------------------------------------------------------------- */

static struct fit fit_scale(float scale, uint32_t stored)
{
    return (struct fit){.scale = scale, .inverse = 1 / scale, .stored = stored};
}

static struct fit fit_none(const struct scale_rule *rule, struct range range)
{
    (void)rule, (void)range;
    return fit_scale(1, float_bits(1));
}

/* The highest of an integer format's 2^bits codes. */
static float top_code(const struct format *f)
{
    return ldexpf(1, f->bits) - 1;
}

/* The scale before it is stored: what the codes reach, over what the values span. */
static float exact_scale(const struct scale_rule *rule, struct range range)
{
    const struct format *f = rule->format;
    switch (rule->zero) {
    case ZERO_FULL: return scale_absmax(range.amax, f->largest + 0.5f);
    case ZERO_AWQ:
    case ZERO_GPTQ:
    case ZERO_KIVI: return scale_absmax(range.high - range.low, top_code(f));
    default:        return scale_absmax(range.amax, f->largest);
    }
}

static struct fit fit_fp32(const struct scale_rule *rule, struct range range)
{
    float scale = exact_scale(rule, range);
    return fit_scale(scale, float_bits(scale));
}

static struct fit fit_fp16(const struct scale_rule *rule, struct range range)
{
    float scale = scale_to_fp16(exact_scale(rule, range));
    return fit_scale(scale, format_encode(format_find("fp16"), scale, nearest));
}

/* The magnitude follows the lowest code; ggml's d = max / -8. */
static struct fit fit_signed(const struct scale_rule *rule, struct range range)
{
    float size = scale_to_fp16(scale_absmax(range.amax, (float)-rule->format->code_min));
    float scale = range.peak > 0 ? -size : size;
    return fit_scale(scale, format_encode(format_find("fp16"), scale, nearest));
}

/* 2^e for -126 <= e <= 126. A block of zeros gets 1. */
static struct fit fit_e8m0(const struct scale_rule *rule, struct range range)
{
    const struct format *f = rule->format;
    uint32_t significand, top;
    int e = 0;
    if (range.amax > 0) {
        e = exponent_of(range.amax, &significand) - exponent_of(f->largest, &top);
        e += rule->mx == MX_CEIL && significand > top;
        e = e < -126 ? -126 : e > 126 ? 126 : e;
    }
    return fit_scale(ldexpf(1, e), (uint32_t)(e + 127));
}

float scale_of_tensor(float amax, float largest)
{
    float scale = amax / (448 * largest);       /* so that the largest block scale is E4M3's largest value */
    return amax == 0 ? 1 : scale < 0x1p-117f ? 0x1p-117f : scale;
}

/* A block scale that underflows to 0 makes the block zeros. */
static struct fit fit_two_level(const struct scale_rule *rule, struct range range)
{
    const struct format *e4m3 = format_find("e4m3");
    float unit = 1 / (rule->format->largest * rule->tensor);
    uint32_t code = format_encode(e4m3, range.amax * unit, nearest);
    float scale = format_decode(e4m3, code) * rule->tensor;
    return (struct fit){.scale = scale, .inverse = scale > 0 ? 1 / scale : 0, .stored = code};
}

/* Exact for now; the scale of a block of zeros is 0, so that it does not disturb the mean. */
static struct fit fit_double(const struct scale_rule *rule, struct range range)
{
    struct fit fit = fit_fp32(rule, range);
    fit.scale = range.amax;
    return fit;
}

/* ---- Double quantization --------------------------------------------------------------------------- */

enum { DOUBLE_BLOCK = 256 };

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* i / n of the way from 0.1 to 1 in FP32, counted from the nearer end, as PyTorch's linspace does. */
static float boundary(int i, int n)
{
    float step = (1 - 0.1f) / (float)n;
    return i < (n + 1) / 2 ? 0.1f + step * (float)i : 1 - step * (float)(n - i);
}

/* The signed dynamic map of T. Dettmers, arXiv:1511.04561 and bitsandbytes: seven decades, the k-th from below
 * split into 2^k parts whose midpoints are the values; and 0 and 1. */
static void dynamic_map(float map[256])
{
    int n = 0;
    for (int k = 0; k < 7; k++) {
        double decade = pow(10, k - 6);
        for (int i = 0; i < 1 << k; i++) {
            float middle = (boundary(i, 1 << k) + boundary(i + 1, 1 << k)) / 2;
            map[n++] = (float)decade * middle;
            map[n++] = -((float)decade * middle);
        }
    }
    map[n++] = 0;
    map[n] = 1;
    qsort(map, 256, sizeof *map, ascending);
}

float scale_double(struct fit *fit, size_t n)
{
    float map[256];
    double sum = 0;
    dynamic_map(map);
    for (size_t i = 0; i < n; i++)
        sum += (double)fit[i].scale;
    float mean = n ? (float)(sum / (double)n) : 0;
    for (size_t first = 0; first < n; first += DOUBLE_BLOCK) {
        size_t last = n - first < DOUBLE_BLOCK ? n : first + DOUBLE_BLOCK;
        float most = 0;
        for (size_t i = first; i < last; i++)
            most = fmaxf(most, fabsf(fit[i].scale - mean));
        float scale = scale_absmax(most, 1), inverse = 1 / scale;
        for (size_t i = first; i < last; i++) {
            fit[i].stored = format_level(map, 256, (fit[i].scale - mean) * inverse);
            fit[i].scale = map[fit[i].stored] * scale + mean;
        }
    }
    return mean;
}

/* ---- The table ------------------------------------------------------------------------------------- */

/* What follows the word in a name. */
enum argument { PLAIN, SIZE, SIZE_OR_16, TILE };

static const struct kind {
    const char   *word;
    enum argument argument;
    uint8_t       bytes;        /* of one stored scale */
    uint8_t       shared;       /* bytes that all scales of a tensor share */
    bool          own;          /* only as a format's own */
    struct fit  (*fit)(const struct scale_rule *rule, struct range range);
} kinds[SCALE_KINDS] = {
    [SCALE_NONE]      = {"none",      PLAIN,      0, 0, false, fit_none},
    [SCALE_TENSOR]    = {"tensor",    PLAIN,      4, 0, false, fit_fp32},
    [SCALE_CHANNEL]   = {"channel",   PLAIN,      4, 0, false, fit_fp32},
    [SCALE_TOKEN]     = {"token",     PLAIN,      4, 0, false, fit_fp32},
    [SCALE_GROUP]     = {"group",     SIZE,       2, 0, false, fit_fp16},
    [SCALE_BLOCK]     = {"block",     SIZE,       1, 0, false, fit_e8m0},
    [SCALE_TILE]      = {"tile",      TILE,       4, 0, false, fit_fp32},
    [SCALE_TWO_LEVEL] = {"two-level", SIZE_OR_16, 1, 4, false, fit_two_level},
    [SCALE_SIGNED]    = {"signed",    SIZE,       2, 0, true,  fit_signed},
    [SCALE_DOUBLE]    = {"double",    SIZE,       1, 4, true,  fit_double},
};

/* A minimum is stored as FP16, and decoded before anything is measured from it. */
static struct fit with_minimum(struct fit fit, struct range range)
{
    fit.offset = format_round(format_find("fp16"), range.low, nearest);
    return fit;
}

static struct fit with_zero(struct fit fit, const struct format *f, struct range range)
{
    float zero = format_integer(-range.low * fit.inverse, nearest);
    fit.zero = (int32_t)clamp(zero, 0, top_code(f));
    return fit;
}

struct fit scale_fit(const struct scale_rule *rule, struct range range)
{
    if (rule->zero == ZERO_GPTQ) {
        range.low = range.low < 0 ? range.low : 0;
        range.high = range.high > 0 ? range.high : 0;
    }
    struct fit fit = kinds[rule->kind].fit(rule, range);
    if (rule->zero == ZERO_KIVI)
        return with_minimum(fit, range);
    return rule->zero >= ZERO_AWQ ? with_zero(fit, rule->format, range) : fit;
}

size_t scale_stored_bytes(enum scale_kind kind)
{
    return kinds[kind].bytes;
}

size_t scale_bytes(enum scale_kind kind, enum zero_point zero, unsigned bits, size_t n)
{
    size_t bytes = n ? n * kinds[kind].bytes + kinds[kind].shared : 0;
    if (kind == SCALE_DOUBLE)
        bytes += (n + DOUBLE_BLOCK - 1) / DOUBLE_BLOCK * sizeof(float);
    if (zero == ZERO_KIVI)
        return bytes + 2 * n;
    return zero >= ZERO_AWQ ? bytes + (n * bits + 7) / 8 : bytes;
}

/* ---- Names ----------------------------------------------------------------------------------------- */

#define CHOICES "none, tensor, channel, token, group:N, block:N, tile:RxC or two-level"

enum { SIZE_MOST = 1 << 24 };       /* larger than any row we meet, and far from overflow */

/* Reads a number from 1 to SIZE_MOST and moves *text behind it; 0 if there is none. */
static uint32_t parse_size(const char **text)
{
    uint32_t size = 0;
    while (**text >= '0' && **text <= '9' && size <= SIZE_MOST)
        size = 10 * size + (uint32_t)(*(*text)++ - '0');
    return size <= SIZE_MOST ? size : 0;
}

/* Reads what follows the word; false if it does not fit the kind. */
static bool parse_argument(const struct kind *kind, const char *text, struct scale *scale)
{
    if (kind->argument == SIZE_OR_16 && !*text)
        return scale->size = 16, true;
    if (kind->argument == PLAIN || *text != ':')
        return kind->argument == PLAIN && !*text;
    text++;
    if (kind->argument == TILE) {
        scale->rows = parse_size(&text);
        if (!scale->rows || *text++ != 'x')
            return false;
    }
    scale->size = parse_size(&text);
    return scale->size && !*text;
}

bool scale_parse(const char *text, struct scale *scale, char *why, size_t room)
{
    static const char *const examples[] = {
        [SIZE] = "group:128", [SIZE_OR_16] = "two-level:16", [TILE] = "tile:128x128"
    };
    size_t word = strcspn(text, ":");
    for (int k = 0; k < SCALE_KINDS; k++) {
        if (strlen(kinds[k].word) != word || strncmp(text, kinds[k].word, word) != 0)
            continue;
        struct scale parsed = {.kind = (enum scale_kind)k};
        if (parse_argument(&kinds[k], text + word, &parsed)) {
            *scale = parsed;
            return true;
        }
        if (kinds[k].argument == PLAIN)
            snprintf(why, room, "cannot use scale '%.40s': '%s' takes no size", text, kinds[k].word);
        else
            snprintf(why, room, "cannot use scale '%.40s': give it sizes of 1 or more, as in %s", text,
                     examples[kinds[k].argument]);
        return false;
    }
    snprintf(why, room, "unknown scale '%.40s': use " CHOICES, text);
    return false;
}

void scale_print(struct scale scale, char *text, size_t room)
{
    const struct kind *kind = &kinds[scale.kind];
    if (kind->argument == TILE)
        snprintf(text, room, "%s:%ux%u", kind->word, scale.rows, scale.size);
    else if (kind->argument == PLAIN || (kind->argument == SIZE_OR_16 && scale.size == 16))
        snprintf(text, room, "%s", kind->word);
    else
        snprintf(text, room, "%s:%u", kind->word, scale.size);
}

bool scale_equal(struct scale a, struct scale b)
{
    return a.kind == b.kind && a.size == b.size && a.rows == b.rows;
}
