/* kvcache.c: packing keys and values, and looking one up. The layout is in kvcache.h.
 * Packing goes row by row through the reference encoders and scale rules of format.c and scale.c; it is not timed.
 * Scales follow from the format's width and kind, never from its name. */
#include "kernels/kvcache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matrix.h"
#include "kernels/quantize.h"
#include "kernels/random.h"
#include "kernels/scale.h"

enum { BLOCK = KVCACHE_BLOCK, LINE = 64, SEEDED_TOKENS = 256 };

/* ---- Layout ---------------------------------------------------------------------------------------- */

bool kvcache_takes(const struct format *f)
{
    bool integer = f->kind == FORMAT_INTEGER && (f->bits == 8 || f->bits == 4);
    bool wide = f->kind == FORMAT_FLOAT && f->bits == 16 && f->lane[1] == 8;        /* the upper half of an FP32 */
    return !f->block && (integer || wide || strcmp(f->name, "e4m3") == 0);
}

static enum kvcache_scale scale_kind(const struct format *f)
{
    if (f->kind == FORMAT_INTEGER)
        return f->bits == 8 ? KVCACHE_ROW : KVCACHE_RANGE;
    return f->bits == 8 ? KVCACHE_HEAD : KVCACHE_PLAIN;
}

static enum kernel_status lay_out(struct kvcache *c, const struct format *format, const struct kvcache_shape *shape)
{
    *c = (struct kvcache){.format = format, .shape = *shape};
    if (!kvcache_takes(format))
        return KERNEL_NO_KERNEL;
    if (shape->head_dim == 0 || shape->head_dim % BLOCK || shape->head_dim > KVCACHE_DIM_MOST)
        return KERNEL_BAD_SHAPE;
    if (shape->tokens > 1u << 30 || shape->heads > 1u << 16 || shape->sequences > 1u << 20)
        return KERNEL_BAD_SHAPE;
    c->scale = scale_kind(format);
    c->blocks = (shape->tokens + BLOCK - 1) / BLOCK;
    c->row_bytes = BLOCK * format->bits / 8u;
    size_t beside = c->scale == KVCACHE_ROW ? 2 : c->scale == KVCACHE_RANGE ? 4 : 0;
    c->block_bytes = shape->head_dim * (c->row_bytes + beside);
    size_t heads = shape->sequences * shape->heads, most = SIZE_MAX / 4 / c->block_bytes;
    return heads && c->blocks > most / heads ? KERNEL_BAD_SHAPE : KERNEL_OK;
}

static bool allocate(struct kvcache *c)
{
    size_t heads = c->shape.sequences * c->shape.heads, half = heads * c->blocks * c->block_bytes;
    c->keys = matrix_memory(2 * half);
    c->values = c->keys ? c->keys + half : NULL;
    c->key_scale = malloc(2 * c->shape.heads * sizeof *c->key_scale + 1);
    c->value_scale = c->key_scale ? c->key_scale + c->shape.heads : NULL;
    c->length = calloc(c->shape.sequences + 1, sizeof *c->length);
    c->poison = calloc(heads + 1, sizeof *c->poison);
    if (!c->keys || !c->key_scale || !c->length || !c->poison)
        return false;
    for (size_t h = 0; h < 2 * c->shape.heads; h++)
        c->key_scale[h] = 1;
    return true;
}

/* The bytes of the blocks that hold tokens. */
static void count_bytes(struct kvcache *c)
{
    for (size_t s = 0; s < c->shape.sequences; s++)
        c->bytes += 2 * c->shape.heads * ((c->length[s] + BLOCK - 1) / BLOCK) * c->block_bytes;
}

static enum kernel_status open_cache(struct kvcache *c, const struct format *format,
                                     const struct kvcache_shape *shape, const size_t *lengths)
{
    enum kernel_status status = lay_out(c, format, shape);
    for (size_t s = 0; status == KERNEL_OK && lengths && s < shape->sequences; s++)
        if (lengths[s] > shape->tokens)
            status = KERNEL_BAD_SHAPE;
    if (status == KERNEL_OK && !allocate(c))
        status = KERNEL_NO_MEMORY;
    if (status != KERNEL_OK) {
        kvcache_free(c);
        return status;
    }
    for (size_t s = 0; s < shape->sequences; s++)
        c->length[s] = lengths ? lengths[s] : shape->tokens;
    count_bytes(c);
    return KERNEL_OK;
}

void kvcache_free(struct kvcache *c)
{
    free(c->keys);
    free(c->key_scale);
    free(c->length);
    free(c->poison);
    *c = (struct kvcache){0};
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

static uint16_t to_fp16(float x)
{
    return (uint16_t)format_encode(format_find("fp16"), x, (struct cast){0});
}

static float from_fp16(const uint8_t *at)
{
    uint16_t code;
    memcpy(&code, at, sizeof code);
    return format_decode(format_find("fp16"), code);
}

static void put_code(const struct kvcache *c, uint8_t *row, size_t lane, uint32_t code)
{
    size_t in_pairs = 2 * (lane % 16) + lane / 16;
    switch (c->scale) {
    case KVCACHE_PLAIN: row[2 * lane] = (uint8_t)code, row[2 * lane + 1] = (uint8_t)(code >> 8); break;
    case KVCACHE_HEAD:  row[in_pairs] = (uint8_t)code; break;
    case KVCACHE_ROW:   row[lane] = (uint8_t)code; break;
    case KVCACHE_RANGE: row[lane % 16] = (uint8_t)(row[lane % 16] | code << (lane < 16 ? 0 : 4)); break;
    }
}

static uint32_t get_code(const struct kvcache *c, const uint8_t *row, size_t lane)
{
    switch (c->scale) {
    case KVCACHE_PLAIN: return row[2 * lane] | (uint32_t)row[2 * lane + 1] << 8;
    case KVCACHE_HEAD:  return row[2 * (lane % 16) + lane / 16];
    case KVCACHE_ROW:   return row[lane];
    case KVCACHE_RANGE: return (uint32_t)row[lane % 16] >> (lane < 16 ? 0 : 4) & 15;
    }
    return 0;
}

/* How the row x[0..n) meets its codes. */
static struct fit row_fit(const struct kvcache *c, const float *x, size_t n, float head_scale)
{
    if (c->scale == KVCACHE_PLAIN || c->scale == KVCACHE_HEAD)
        return (struct fit){.scale = head_scale, .inverse = 1 / head_scale};
    const struct scale_rule rule = {.format = c->format, .kind = SCALE_GROUP,
                                    .zero = c->scale == KVCACHE_RANGE ? ZERO_KIVI : ZERO_NONE};
    return scale_fit(&rule, range_measure(x, n));
}

static uint32_t row_code(const struct kvcache *c, const struct fit *fit, float x)
{
    const struct cast cast = {0};
    if (c->scale != KVCACHE_RANGE)
        return format_encode(c->format, x * fit->inverse, cast);
    float code = format_integer((x - fit->offset) * fit->inverse, cast);
    return code > 0 ? code < 15 ? (uint32_t)code : 15 : 0;
}

/* Row r of a block; x[0..n) are its lanes, the rest stay code 0. */
static void pack_row(const struct kvcache *c, uint8_t *block, size_t r, const float *x, size_t n, float head_scale)
{
    uint8_t *row = block + r * c->row_bytes, *beside = block + c->shape.head_dim * c->row_bytes;
    struct fit fit = row_fit(c, x, n, head_scale);
    for (size_t lane = 0; lane < n; lane++)
        put_code(c, row, lane, row_code(c, &fit, x[lane]));
    uint16_t scale = to_fp16(fit.scale), low = to_fp16(fit.offset);
    if (c->scale == KVCACHE_ROW || c->scale == KVCACHE_RANGE)
        memcpy(beside + 2 * r, &scale, sizeof scale);
    if (c->scale == KVCACHE_RANGE)
        memcpy(beside + 2 * (c->shape.head_dim + r), &low, sizeof low);
}

float kvcache_lane(const struct kvcache *c, const uint8_t *block, size_t r, size_t lane)
{
    const uint8_t *beside = block + c->shape.head_dim * c->row_bytes;
    uint32_t code = get_code(c, block + r * c->row_bytes, lane);
    if (c->scale == KVCACHE_RANGE)
        return (float)code * from_fp16(beside + 2 * r) + from_fp16(beside + 2 * (c->shape.head_dim + r));
    float value = format_decode(c->format, code);
    return c->scale == KVCACHE_ROW ? value * from_fp16(beside + 2 * r) : value;
}

/* ---- Packing --------------------------------------------------------------------------------------- */

static size_t block_offset(const struct kvcache *c, size_t sequence, size_t head, size_t block)
{
    return ((sequence * c->shape.heads + head) * c->blocks + block) * c->block_bytes;
}

/* Keys x [tokens, head_dim] of one block: rows are channels. */
static void pack_keys(const struct kvcache *c, uint8_t *block, const float *x, size_t tokens, float head_scale)
{
    for (size_t channel = 0; channel < c->shape.head_dim; channel++) {
        float lanes[BLOCK];
        for (size_t t = 0; t < tokens; t++)
            lanes[t] = x[t * c->shape.head_dim + channel];
        pack_row(c, block, channel, lanes, tokens, head_scale);
    }
}

/* Values x [tokens, head_dim] of one block: rows are 32 channels of a token. */
static void pack_values(const struct kvcache *c, uint8_t *block, const float *x, size_t tokens, float head_scale)
{
    for (size_t t = 0; t < tokens; t++)
        for (size_t chunk = 0; chunk < c->shape.head_dim / BLOCK; chunk++)
            pack_row(c, block, chunk * BLOCK + t, x + t * c->shape.head_dim + chunk * BLOCK, BLOCK, head_scale);
}

static void pack_head(struct kvcache *c, size_t s, size_t h, const float *k, const float *v)
{
    size_t dim = c->shape.head_dim, tokens = c->length[s];
    for (size_t t = 0; t < tokens; t += BLOCK) {
        size_t n = tokens - t < BLOCK ? tokens - t : BLOCK, at = block_offset(c, s, h, t / BLOCK);
        pack_keys(c, c->keys + at, k + t * dim, n, c->key_scale[h]);
        pack_values(c, c->values + at, v + t * dim, n, c->value_scale[h]);
    }
    for (size_t i = 0; i < tokens * dim; i++)
        if (isnan(k[i]) || isnan(v[i]))
            c->poison[s * c->shape.heads + h] = NAN;
}

/* The largest finite |x| of one head of every sequence. */
static float head_amax(const struct kvcache *c, const float *x, size_t h)
{
    float most = 0;
    for (size_t s = 0; s < c->shape.sequences; s++) {
        const float *first = x + (s * c->shape.heads + h) * c->shape.tokens * c->shape.head_dim;
        float amax = quant_amax(first, c->length[s] * c->shape.head_dim);
        most = amax > most ? amax : most;
    }
    return most;
}

static void find_head_scales(const struct kvcache *c, const float *x, bool per_head, float *scale)
{
    float most = 0;
    for (size_t h = 0; h < c->shape.heads; h++) {
        float amax = head_amax(c, x, h);
        most = amax > most ? amax : most;
        scale[h] = scale_absmax(amax, c->format->largest);
    }
    for (size_t h = 0; h < c->shape.heads && !per_head; h++)
        scale[h] = scale_absmax(most, c->format->largest);
}

enum kernel_status kvcache_pack(struct kvcache *c, const struct format *format, const struct kvcache_shape *shape,
                                const size_t *lengths, bool per_head, const float *k, const float *v)
{
    enum kernel_status status = open_cache(c, format, shape, lengths);
    if (status != KERNEL_OK)
        return status;
    if (c->scale == KVCACHE_HEAD) {
        find_head_scales(c, k, per_head, c->key_scale);
        find_head_scales(c, v, per_head, c->value_scale);
    }
    for (size_t s = 0; s < shape->sequences; s++)
        for (size_t h = 0; h < shape->heads; h++) {
            size_t first = (s * shape->heads + h) * shape->tokens * shape->head_dim;
            pack_head(c, s, h, k + first, v + first);
        }
    return KERNEL_OK;
}

/* ---- Seeded ---------------------------------------------------------------------------------------- */

static enum kernel_status seeded_base(struct kvcache *base, const struct format *format, size_t tokens, size_t dim,
                                      uint64_t seed)
{
    const struct kvcache_shape one = {1, 1, dim, tokens};
    size_t n = tokens * dim;
    float *x = malloc(2 * n * sizeof *x + 1);
    if (!x)
        return KERNEL_NO_MEMORY;
    random_gaussian(x, 2 * n, seed, 1);
    enum kernel_status status = kvcache_pack(base, format, &one, NULL, true, x, x + n);
    free(x);
    return status;
}

enum kernel_status kvcache_seeded(struct kvcache *c, const struct format *format, const struct kvcache_shape *shape,
                                  uint64_t seed, const struct progress *progress)
{
    struct kvcache base = {0};
    size_t heads = shape->sequences * shape->heads;
    size_t tokens = shape->tokens < SEEDED_TOKENS ? shape->tokens : SEEDED_TOKENS;
    enum kernel_status status = open_cache(c, format, shape, NULL);
    if (status == KERNEL_OK)
        status = seeded_base(&base, format, tokens, shape->head_dim, seed);
    for (size_t h = 0; status == KERNEL_OK && h < shape->heads; h++) {
        c->key_scale[h] = base.key_scale[0];
        c->value_scale[h] = base.value_scale[0];
    }
    for (size_t i = 0; status == KERNEL_OK && i < heads * c->blocks; i++) {
        size_t from = i % c->blocks % base.blocks * base.block_bytes, to = i * c->block_bytes;
        memcpy(c->keys + to, base.keys + from, c->block_bytes);
        memcpy(c->values + to, base.values + from, c->block_bytes);
        if (i % 256 == 0 && !progress_tick(progress, (double)i / (double)(heads * c->blocks)))
            status = KERNEL_CANCELED;
    }
    kvcache_free(&base);
    if (status != KERNEL_OK)
        kvcache_free(c);
    return status;
}

/* ---- Looking one up -------------------------------------------------------------------------------- */

float kvcache_key(const struct kvcache *c, size_t sequence, size_t head, size_t token, size_t channel)
{
    const uint8_t *block = c->keys + block_offset(c, sequence, head, token / BLOCK);
    return kvcache_lane(c, block, channel, token % BLOCK) * c->key_scale[head];
}

float kvcache_value(const struct kvcache *c, size_t sequence, size_t head, size_t token, size_t channel)
{
    const uint8_t *block = c->values + block_offset(c, sequence, head, token / BLOCK);
    size_t row = channel / BLOCK * BLOCK + token % BLOCK;
    return kvcache_lane(c, block, row, channel % BLOCK) * c->value_scale[head];
}
