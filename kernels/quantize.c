/* quantize.c: scales, codes and statistics, by the definitions of the format's row.
 * Codes come from the kernel table; scales and sums are here, the sums in their fixed order.
 * Order of work: scales, then codes and values row by row, then the sums. */
#include "kernels/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernel.h"

/* ---- Names of scales ------------------------------------------------------------------------------- */

static const char *const scale_words[] = {
    [SCALE_NONE] = "none", [SCALE_TENSOR] = "tensor", [SCALE_CHANNEL] = "channel", [SCALE_TOKEN] = "token",
    [SCALE_GROUP] = "group",
};

enum { GROUP_MOST = 1 << 24 };      /* larger than any row we meet, and far from overflow */

static bool parse_group(const char *text, struct scale *scale)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long size = strtoul(text, &end, 10);
    if (*end || size < 1 || size > GROUP_MOST)
        return false;
    *scale = (struct scale){SCALE_GROUP, (uint32_t)size};
    return true;
}

bool scale_parse(const char *text, struct scale *scale, char *why, size_t room)
{
    for (int kind = SCALE_NONE; kind < SCALE_GROUP; kind++) {
        if (strcmp(text, scale_words[kind]) == 0) {
            *scale = (struct scale){.kind = (enum scale_kind)kind};
            return true;
        }
    }
    if (strncmp(text, "group:", 6) == 0) {
        if (parse_group(text + 6, scale))
            return true;
        snprintf(why, room, "cannot use scale '%.40s': give the group a size of 1 or more, as in group:128", text);
    } else if (strncmp(text, "block:", 6) == 0 || strncmp(text, "tile:", 5) == 0) {
        snprintf(why, room, "scale '%.40s' is not built yet: use none, tensor, channel, token or group:N", text);
    } else {
        snprintf(why, room, "unknown scale '%.40s': use none, tensor, channel, token or group:N", text);
    }
    return false;
}

void scale_print(struct scale scale, char *text, size_t room)
{
    if (scale.kind == SCALE_GROUP)
        snprintf(text, room, "group:%u", scale.size);
    else
        snprintf(text, room, "%s", scale_words[scale.kind]);
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

float quant_amax(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7fffffffu;
        if (bits < 0x7f800000u && bits > most)
            most = bits;
    }
    float value;
    memcpy(&value, &most, sizeof value);
    return value;
}

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

float scale_absmax(float most, float largest)
{
    return most == 0 ? 1 : clamp(most / largest, 0x1p-126f, 0x1p126f);
}

float scale_to_fp16(float scale)
{
    const struct format *fp16 = format_find("fp16");
    return clamp(format_round(fp16, scale, (struct cast){.rounding = ROUND_NEAREST}), 0x1p-24f, 65504);
}

/* The scales of one row: x[0..cols) in groups. */
static void row_scales(const struct quant *q, const float *x, float *scales)
{
    size_t group = q->recipe.scale.size;
    for (size_t g = 0; g < q->scales_per_row; g++) {
        size_t first = g * group, n = first + group < q->cols ? group : q->cols - first;
        scales[g] = scale_to_fp16(scale_absmax(quant_amax(x + first, n), q->recipe.format->largest));
    }
}

static void find_scales(struct quant *q, const float *x)
{
    float largest = q->recipe.format->largest;
    switch (q->recipe.scale.kind) {
    case SCALE_NONE:
        break;
    case SCALE_TENSOR:
        q->scales[0] = scale_absmax(q->amax, largest);
        break;
    case SCALE_CHANNEL:
    case SCALE_TOKEN:
        for (size_t row = 0; row < q->rows; row++)
            q->scales[row] = scale_absmax(quant_amax(x + row * q->cols, q->cols), largest);
        break;
    case SCALE_GROUP:
        for (size_t row = 0; row < q->rows; row++)
            row_scales(q, x + row * q->cols, q->scales + row * q->scales_per_row);
        break;
    }
}

/* Which scale element (row, col) uses. Not for SCALE_NONE. */
static size_t scale_index(const struct quant *q, size_t row, size_t col)
{
    switch (q->recipe.scale.kind) {
    case SCALE_CHANNEL:
    case SCALE_TOKEN: return row;
    case SCALE_GROUP: return row * q->scales_per_row + col / q->recipe.scale.size;
    default:          return 0;
    }
}

float quant_scale(const struct quant *q, size_t i)
{
    return q->scale_count && q->cols ? q->scales[scale_index(q, i / q->cols, i % q->cols)] : 1;
}

/* ---- Codes ----------------------------------------------------------------------------------------- */

uint32_t quant_code(const struct quant *q, size_t i)
{
    switch (format_code_bytes(q->recipe.format)) {
    case 1:  return ((const uint8_t *)q->codes)[i];
    case 2:  return ((const uint16_t *)q->codes)[i];
    default: return ((const uint32_t *)q->codes)[i];
    }
}

/* The row that encodes: a fast one where the recipe rounds as they do, else the reference. */
static const struct kernel *encoder(const struct recipe *recipe)
{
    bool common = recipe->cast.rounding == ROUND_NEAREST && recipe->cast.overflow == OVERFLOW_SATURATE;
    return kernel_find(KERNEL_ENCODE, recipe->format->name, common ? recipe->isa : ISA_SCALAR);
}

/* Encodes one row; elements that share a scale are a run. */
static void encode_row(struct quant *q, const struct kernel *k, const float *x, size_t row)
{
    size_t length = q->recipe.scale.kind == SCALE_GROUP ? q->recipe.scale.size : q->cols;
    struct encode_run run = {.format = q->recipe.format, .cast = q->recipe.cast, .seed = q->recipe.seed};
    for (size_t col = 0; col < q->cols; col += length) {
        run.index = row * q->cols + col;
        run.x = x + run.index;
        run.n = col + length < q->cols ? length : q->cols - col;
        run.scale = q->scale_count ? q->scales[scale_index(q, row, col)] : 1;
        run.codes = (uint8_t *)q->codes + run.index * format_code_bytes(run.format);
        run.values = q->values + run.index;
        k->encode(&run);
    }
    q->zeros += run.zeros;
    q->nonfinite += run.nonfinite;
    q->clipped += run.clipped;
}

/* ---- Sums ------------------------------------------------------------------------------------------ */

enum { SUM_CHUNK = 4096, SUM_LANES = 64 };

/* Joins the lanes by a pairwise tree in FP64. */
static double join_lanes(const float lane[SUM_LANES])
{
    double sum[SUM_LANES];
    for (int i = 0; i < SUM_LANES; i++)
        sum[i] = (double)lane[i];
    for (int width = SUM_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            sum[i] = sum[2 * i] + sum[2 * i + 1];
    return sum[0];
}

/* One chunk. An element counts if x is finite, |x| < threshold, and pick (if given) marks it. */
static void add_chunk(struct error_sums *e, const float *x, const float *decoded, const uint8_t *pick,
                      float threshold, size_t n)
{
    float signal[SUM_LANES] = {0}, noise[SUM_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) < threshold) || (pick && !pick[i]))
            continue;
        float difference = x[i] - decoded[i];
        float square = x[i] * x[i], loss = difference * difference;
        signal[i % SUM_LANES] += square;
        noise[i % SUM_LANES] += loss;
        if (!((double)fabsf(difference) <= e->max_abs) && !isnan(e->max_abs))   /* a NaN stays */
            e->max_abs = (double)fabsf(difference);
    }
    e->signal += join_lanes(signal);
    e->noise += join_lanes(noise);
}

static struct error_sums measure(const float *x, const float *decoded, const uint8_t *pick, float threshold, size_t n)
{
    struct error_sums e = {0};
    for (size_t i = 0; i < n; i += SUM_CHUNK)
        add_chunk(&e, x + i, decoded + i, pick ? pick + i : NULL, threshold, n - i < SUM_CHUNK ? n - i : SUM_CHUNK);
    return e;
}

struct error_sums error_measure(const float *x, const float *decoded, size_t n)
{
    return measure(x, decoded, NULL, INFINITY, n);
}

struct error_sums error_where(const float *x, const float *decoded, const uint8_t *pick, size_t n)
{
    return measure(x, decoded, pick, INFINITY, n);
}

struct error_sums error_below(const float *x, const float *decoded, float threshold, size_t n)
{
    return measure(x, decoded, NULL, threshold, n);
}

double sqnr_db(double signal, double noise)
{
    return noise == 0 ? (double)INFINITY : 10 * log10(signal / noise);
}

/* ---- The whole tensor ------------------------------------------------------------------------------ */

static size_t count_scales(const struct quant *q)
{
    switch (q->recipe.scale.kind) {
    case SCALE_NONE:    return 0;
    case SCALE_TENSOR:  return 1;
    case SCALE_CHANNEL:
    case SCALE_TOKEN:   return q->rows;
    case SCALE_GROUP:   return q->rows * q->scales_per_row;
    }
    return 0;
}

static void count_bytes(struct quant *q)
{
    size_t row_bytes = (q->cols * q->recipe.format->bits + 7) / 8;
    size_t scale_bytes = q->recipe.scale.kind == SCALE_GROUP ? 2 : 4;
    q->bytes = q->rows * row_bytes + q->scale_count * scale_bytes;
}

static bool allocate(struct quant *q)
{
    size_t n = q->rows * q->cols;
    q->codes = malloc(n ? n * format_code_bytes(q->recipe.format) : 1);
    q->values = malloc(n ? n * sizeof *q->values : 1);
    q->scales = malloc(q->scale_count ? q->scale_count * sizeof *q->scales : 1);
    return q->codes && q->values && q->scales;
}

static void finish(struct quant *q, const float *x)
{
    size_t n = q->rows * q->cols;
    q->error = error_measure(x, q->values, n);
    q->sqnr_db = sqnr_db(q->error.signal, q->error.noise);
    q->max_abs_error = q->error.max_abs;
    count_bytes(q);
    if (n == 0)
        return;
    size_t finite = n - q->nonfinite;
    q->mse = finite ? q->error.noise / (double)finite : 0;
    q->zero_fraction = (double)q->zeros / (double)n;
    q->clipped_fraction = (double)q->clipped / (double)n;
    q->bits_per_weight = 8.0 * (double)q->bytes / (double)n;
}

/* Rows between two looks at the caller's tick: about a million elements. */
static size_t rows_per_tick(size_t cols)
{
    size_t rows = cols ? ((size_t)1 << 20) / cols : 1;
    return rows ? rows : 1;
}

enum kernel_status quantize(const float *x, size_t rows, size_t cols, const struct recipe *recipe,
                            const struct progress *progress, struct quant *q)
{
    *q = (struct quant){.recipe = *recipe, .rows = rows, .cols = cols, .scales_per_row = 1};
    if (cols && rows > SIZE_MAX / 8 / cols)
        return KERNEL_BAD_SHAPE;
    if (recipe->scale.kind == SCALE_GROUP) {
        if (recipe->scale.size == 0)
            return KERNEL_BAD_SHAPE;
        q->scales_per_row = (cols + recipe->scale.size - 1) / recipe->scale.size;
    }
    q->scale_count = count_scales(q);
    if (!allocate(q)) {
        quant_free(q);
        return KERNEL_NO_MEMORY;
    }
    q->amax = quant_amax(x, rows * cols);
    find_scales(q, x);
    const struct kernel *k = encoder(recipe);
    size_t tile = rows_per_tick(cols);
    for (size_t row = 0; row < rows; row++) {
        if (row % tile == 0 && !progress_tick(progress, (double)row / (double)rows)) {
            quant_free(q);
            return KERNEL_CANCELED;
        }
        encode_row(q, k, x, row);
    }
    finish(q, x);
    return KERNEL_OK;
}

void quant_free(struct quant *q)
{
    free(q->codes);
    free(q->values);
    free(q->scales);
    *q = (struct quant){0};
}
