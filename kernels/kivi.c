/* kivi.c: KIVI's layout on top of quantize(): K is transposed, so that tokens lie along a row and share a group.
 * Why the two differ: a channel of K is large at every token, a token of V has no such channels. */
#include "kernels/kivi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/inline.h"
#include "kernels/quantize.h"

enum { AT_ONCE = 8 }; /* sums in registers */

static bool usable(const struct kivi_recipe *r)
{
    return r->format && r->format->kind == FORMAT_INTEGER && !r->format->block && r->format->bits <= 8 &&
           r->group > 0 && r->group <= UINT32_MAX && r->residual % r->group == 0;
}

static struct recipe group_recipe(const struct kivi_recipe *r)
{
    return (struct recipe){.format = r->format, .scale = {.kind = SCALE_GROUP, .size = (uint32_t)r->group},
                           .zero = ZERO_KIVI};
}

/* Tokens of K and of V that stay in FP16. */
static size_t k_tail(const struct kivi_recipe *r, size_t tokens)
{
    return r->residual ? tokens % r->residual : tokens % r->group;
}

static size_t v_tail(const struct kivi_recipe *r, size_t tokens)
{
    return r->residual < tokens ? r->residual : tokens;
}

/* Bytes of [rows, cols] rounded in groups along the row: packed codes, FP16 scales and minima. */
static size_t packed_bytes(const struct kivi_recipe *r, size_t rows, size_t cols)
{
    return rows * ((cols * r->format->bits + 7) / 8 + (cols + r->group - 1) / r->group * 4);
}

static void count(const struct kivi_recipe *r, struct kivi *c)
{
    size_t values = c->tokens * c->dim;
    c->k_residual = k_tail(r, c->tokens);
    c->v_residual = v_tail(r, c->tokens);
    c->k_bytes = packed_bytes(r, c->dim, c->tokens - c->k_residual) + 2 * c->k_residual * c->dim;
    c->v_bytes = packed_bytes(r, c->tokens - c->v_residual, c->dim) + 2 * c->v_residual * c->dim;
    c->k_bits = values ? 8.0 * (double)c->k_bytes / (double)values : 0;
    c->v_bits = values ? 8.0 * (double)c->v_bytes / (double)values : 0;
    c->bits = (c->k_bits + c->v_bits) / 2;
}

void kivi_bits(const struct kivi_recipe *recipe, size_t tokens, size_t dim, double *k, double *v, double *both)
{
    struct kivi c = {.tokens = tokens, .dim = dim};
    count(recipe, &c);
    *k = c.k_bits;
    *v = c.v_bits;
    *both = c.bits;
}

/* to [cols, rows] = from [rows, cols] transposed. */
static void transpose(const float *from, size_t rows, size_t cols, float *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            to[j * rows + i] = from[i * cols + j];
}

/* The first `tokens` tokens of k, channel by channel. */
static enum kernel_status round_k(const struct recipe *recipe, const float *k, size_t tokens, size_t dim, float *out)
{
    struct quant q;
    float *channels = malloc(tokens * dim * sizeof *channels + 1);
    if (!channels)
        return KERNEL_NO_MEMORY;
    transpose(k, tokens, dim, channels);
    enum kernel_status status = quantize(channels, dim, tokens, recipe, NULL, &q);
    if (status == KERNEL_OK)
        transpose(q.values, dim, tokens, out);
    if (status == KERNEL_OK)
        quant_free(&q);
    free(channels);
    return status;
}

static enum kernel_status round_v(const struct recipe *recipe, const float *v, size_t tokens, size_t dim, float *out)
{
    struct quant q;
    enum kernel_status status = quantize(v, tokens, dim, recipe, NULL, &q);
    if (status != KERNEL_OK)
        return status;
    memcpy(out, q.values, tokens * dim * sizeof *out);
    quant_free(&q);
    return KERNEL_OK;
}

/* The last tokens, as FP16 has them. */
static void keep_tail(const float *x, size_t first, size_t tokens, size_t dim, float *out)
{
    const struct format *fp16 = format_find("fp16");
    for (size_t i = first * dim; i < tokens * dim; i++)
        out[i] = format_round(fp16, x[i], (struct cast){0});
}

enum kernel_status kivi_round(const float *k, const float *v, size_t tokens, size_t dim,
                              const struct kivi_recipe *recipe, struct kivi *cache)
{
    *cache = (struct kivi){0};
    if (!usable(recipe))
        return KERNEL_BAD_RECIPE;
    if (dim && tokens > SIZE_MAX / 64 / dim)
        return KERNEL_BAD_SHAPE;
    *cache = (struct kivi){.tokens = tokens, .dim = dim, .k = malloc(tokens * dim * sizeof(float) + 1),
                           .v = malloc(tokens * dim * sizeof(float) + 1)};
    count(recipe, cache);
    const struct recipe each = group_recipe(recipe);
    size_t k_tokens = tokens - cache->k_residual, v_tokens = tokens - cache->v_residual;
    enum kernel_status status = cache->k && cache->v ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK)
        status = round_k(&each, k, k_tokens, dim, cache->k);
    if (status == KERNEL_OK)
        status = round_v(&each, v, v_tokens, dim, cache->v);
    if (status != KERNEL_OK) {
        kivi_free(cache);
        return status;
    }
    keep_tail(k, k_tokens, tokens, dim, cache->k);
    keep_tail(v, v_tokens, tokens, dim, cache->v);
    return KERNEL_OK;
}

void kivi_free(struct kivi *cache)
{
    free(cache->k);
    free(cache->v);
    *cache = (struct kivi){0};
}

static double largest(const double *x, size_t n)
{
    double most = x[0];
    for (size_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* scores[t] = q . k[t] for n tokens, AT_ONCE or 1: no sum waits for its own last term, and each keeps its order. */
static ALWAYS_INLINE void score_tokens(const float *q, const float *k, size_t n, size_t dim, double *scores)
{
    double sum[AT_ONCE] = {0};
    for (size_t c = 0; c < dim; c++)
        UNROLL_16
        for (size_t t = 0; t < n; t++)
            sum[t] += (double)q[c] * (double)k[t * dim + c];
    for (size_t t = 0; t < n; t++)
        scores[t] = sum[t];
}

/* out[c] = sum over the tokens of weights[t] v[t][c] for n channels, AT_ONCE or 1. */
static ALWAYS_INLINE void mix_channels(const double *weights, const float *v, size_t tokens, size_t dim, size_t n,
                                       float *out)
{
    double sum[AT_ONCE] = {0};
    for (size_t t = 0; t < tokens; t++)
        UNROLL_16
        for (size_t c = 0; c < n; c++)
            sum[c] += weights[t] * (double)v[t * dim + c];
    for (size_t c = 0; c < n; c++)
        out[c] = (float)sum[c];
}

void kivi_attend(const float *q, const float *k, const float *v, size_t tokens, size_t dim, double *weights,
                 float *out)
{
    double total = 0;
    size_t t = 0, c = 0;
    for (; t + AT_ONCE <= tokens; t += AT_ONCE)
        score_tokens(q, k + t * dim, AT_ONCE, dim, weights + t);
    for (; t < tokens; t++)
        score_tokens(q, k + t * dim, 1, dim, weights + t);
    for (t = 0; t < tokens; t++)
        weights[t] /= sqrt((double)dim);
    double most = largest(weights, tokens);
    for (t = 0; t < tokens; t++)
        total += weights[t] = exp(weights[t] - most);
    for (t = 0; t < tokens; t++)
        weights[t] /= total;
    for (; c + AT_ONCE <= dim; c += AT_ONCE)
        mix_channels(weights, v + c, tokens, dim, AT_ONCE, out + c);
    for (; c < dim; c++)
        mix_channels(weights, v + c, tokens, dim, 1, out + c);
}
