/* attention.c: decode attention: cutting, joining, the walk through a piece, and the scalar kernel.
 * Kernels of wider instruction sets bring three steps each (attention_avx2.c, attention_avx512.c, attention_neon.c).
 * The joining of pieces is scalar FP32 in a fixed order, the same for all. */
#include "kernels/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exponential.h"
#include "kernels/matrix.h"
#include "kernels/pool.h"
#include "kernels/variants.h"

enum { BLOCK = KVCACHE_BLOCK, SPLIT = ATTENTION_SPLIT, QUERIES = ATTENTION_QUERIES };

/* ---- A piece --------------------------------------------------------------------------------------- */

static float largest(const float *x, size_t n)
{
    float most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

void attention_walk(const struct attention_piece *p, const struct attention_steps *steps)
{
    _Alignas(64) float scores[QUERIES * SPLIT];
    size_t bytes = p->cache->block_bytes, blocks = (p->tokens + BLOCK - 1) / BLOCK, dim = p->cache->shape.head_dim;
    for (size_t b = 0; b < blocks; b++)
        steps->scores(p, p->keys + b * bytes, scores + b * BLOCK);
    for (size_t h = 0; h < p->queries; h++) {
        float *own = scores + h * SPLIT;
        for (size_t t = p->tokens; t < blocks * BLOCK; t++)
            own[t] = -INFINITY;         /* past the end: weight 0 */
        p->most[h] = largest(own, p->tokens);
        p->sum[h] = steps->weigh(own, blocks * BLOCK, p->most[h]);
    }
    memset(p->y, 0, p->queries * dim * sizeof *p->y);
    for (size_t b = 0; b < blocks; b++)
        steps->values(p, p->values + b * bytes, scores + b * BLOCK, p->y);
}

/* ---- The scalar kernel ----------------------------------------------------------------------------- */

/* A row's 32 codes to values, without the head's scale. */
static void decode_row(const struct kvcache *c, const uint8_t *block, size_t r, double *lanes)
{
    for (size_t lane = 0; lane < BLOCK; lane++)
        lanes[lane] = (double)kvcache_lane(c, block, r, lane);
}

static void scores_scalar(const struct attention_piece *p, const uint8_t *block, float *scores)
{
    size_t dim = p->cache->shape.head_dim;
    double sums[QUERIES][BLOCK] = {{0}}, lanes[BLOCK];
    for (size_t r = 0; r < dim; r++) {
        decode_row(p->cache, block, r, lanes);
        for (size_t h = 0; h < p->queries; h++)
            for (size_t lane = 0; lane < BLOCK; lane++)
                sums[h][lane] += (double)p->q[h * dim + r] * lanes[lane];
    }
    for (size_t h = 0; h < p->queries; h++)
        for (size_t lane = 0; lane < BLOCK; lane++)
            scores[h * SPLIT + lane] = (float)sums[h][lane];
}

static float weigh_scalar(float *scores, size_t n, float most)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        scores[i] = exponential(scores[i] - most);
        sum += (double)scores[i];
    }
    return (float)sum;
}

static void values_scalar(const struct attention_piece *p, const uint8_t *block, const float *weights, float *y)
{
    size_t dim = p->cache->shape.head_dim;
    double lanes[BLOCK];
    for (size_t chunk = 0; chunk < dim / BLOCK; chunk++) {
        double sums[QUERIES][BLOCK] = {{0}};
        for (size_t t = 0; t < BLOCK; t++) {
            decode_row(p->cache, block, chunk * BLOCK + t, lanes);
            for (size_t h = 0; h < p->queries; h++)
                for (size_t lane = 0; lane < BLOCK; lane++)
                    sums[h][lane] += (double)weights[h * SPLIT + t] * lanes[lane];
        }
        for (size_t h = 0; h < p->queries; h++)
            for (size_t lane = 0; lane < BLOCK; lane++)
                y[h * dim + chunk * BLOCK + lane] += (float)sums[h][lane];
    }
}

void attention__scalar(const struct attention_piece *p)
{
    static const struct attention_steps steps = {scores_scalar, weigh_scalar, values_scalar};
    attention_walk(p, &steps);
}

/* ---- Cutting and joining --------------------------------------------------------------------------- */

struct plan {
    const struct kernel    *kernel;
    const struct attention *a;
    float  *q;                  /* [sequences, heads, head_dim], scaled */
    float  *most, *sum, *part;  /* [sequences, cache heads, pieces, group], and the same times head_dim */
    float  *y;                  /* the result */
    size_t  group;              /* query heads of a key/value head */
    size_t  pieces;             /* of the longest sequence */
};

static size_t tokens_of(const struct plan *plan, size_t sequence, size_t piece)
{
    size_t length = plan->a->cache->length[sequence], first = piece * SPLIT;
    return length <= first ? 0 : length - first < SPLIT ? length - first : SPLIT;
}

/* Task: piece + pieces * (head + heads * sequence). Its query heads go by eights. */
static enum kernel_status run_piece(void *arg, size_t task)
{
    const struct plan *plan = arg;
    const struct kvcache *c = plan->a->cache;
    size_t dim = c->shape.head_dim, unit = task / plan->pieces, piece = task % plan->pieces;
    size_t sequence = unit / c->shape.heads, head = unit % c->shape.heads;
    size_t at = (unit * c->blocks + piece * (SPLIT / BLOCK)) * c->block_bytes;
    struct attention_piece p = {.cache = c, .keys = c->keys + at, .values = c->values + at};
    p.tokens = tokens_of(plan, sequence, piece);
    for (size_t first = 0; p.tokens > 0 && first < plan->group; first += QUERIES) {
        size_t out = task * plan->group + first;
        p.queries = plan->group - first < QUERIES ? plan->group - first : QUERIES;
        p.q = plan->q + (sequence * plan->a->heads + head * plan->group + first) * dim;
        p.most = plan->most + out;
        p.sum = plan->sum + out;
        p.y = plan->part + out * dim;
        plan->kernel->attention(&p);
    }
    return KERNEL_OK;
}

/* Joins the pieces of query head i (of the group) of a unit: each weighed by e^(its most - the largest). */
static void join_head(const struct plan *plan, size_t unit, size_t i, size_t pieces, float *y)
{
    const struct kvcache *c = plan->a->cache;
    size_t dim = c->shape.head_dim, first = unit * plan->pieces * plan->group + i;
    float most = -INFINITY, sum = 0;
    for (size_t piece = 0; piece < pieces; piece++)
        most = fmaxf(most, plan->most[first + piece * plan->group]);
    memset(y, 0, dim * sizeof *y);
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t at = first + piece * plan->group;
        float weight = exponential(plan->most[at] - most);
        sum += weight * plan->sum[at];
        for (size_t d = 0; d < dim; d++)
            y[d] += weight * plan->part[at * dim + d];
    }
    float scale = pieces ? c->value_scale[unit % c->shape.heads] / sum : 0;
    for (size_t d = 0; d < dim; d++)
        y[d] = y[d] * scale + c->poison[unit];
}

static enum kernel_status join_unit(void *arg, size_t unit)
{
    const struct plan *plan = arg;
    const struct kvcache *c = plan->a->cache;
    size_t sequence = unit / c->shape.heads, head = unit % c->shape.heads, dim = c->shape.head_dim;
    size_t pieces = (c->length[sequence] + SPLIT - 1) / SPLIT;
    for (size_t i = 0; i < plan->group; i++)
        join_head(plan, unit, i, pieces, plan->y + (sequence * plan->a->heads + head * plan->group + i) * dim);
    return KERNEL_OK;
}

/* q times the scale of the scores and the head's key scale. */
static void scale_queries(const struct plan *plan)
{
    const struct attention *a = plan->a;
    size_t dim = a->cache->shape.head_dim;
    for (size_t row = 0; row < a->cache->shape.sequences * a->heads; row++) {
        float scale = a->scale * a->cache->key_scale[row % a->heads / plan->group];
        for (size_t d = 0; d < dim; d++)
            plan->q[row * dim + d] = a->q[row * dim + d] * scale;
    }
}

static bool open_plan(struct plan *plan)
{
    const struct kvcache_shape *shape = &plan->a->cache->shape;
    size_t rows = shape->sequences * plan->a->heads, parts = rows * plan->pieces;
    plan->q = matrix_memory((rows * shape->head_dim + parts * (shape->head_dim + 2)) * sizeof(float));
    if (!plan->q)
        return false;
    plan->part = plan->q + rows * shape->head_dim;
    plan->most = plan->part + parts * shape->head_dim;
    plan->sum = plan->most + parts;
    return true;
}

static bool takes(const struct kernel *k, const struct kvcache *c)
{
    return k && k->attention && (!k->format || strcmp(k->format, c->format->name) == 0);
}

enum kernel_status attention(const struct kernel *k, const struct attention *a, float *y,
                             const struct progress *progress)
{
    const struct kvcache *c = a->cache;
    if (!takes(k, c))
        return KERNEL_NO_KERNEL;
    if (c->shape.heads ? a->heads % c->shape.heads : a->heads)
        return KERNEL_BAD_SHAPE;
    struct plan plan = {.kernel = k, .a = a, .y = y, .group = c->shape.heads ? a->heads / c->shape.heads : 0,
                        .pieces = (c->shape.tokens + SPLIT - 1) / SPLIT};
    if (!open_plan(&plan))
        return KERNEL_NO_MEMORY;
    size_t units = c->shape.sequences * c->shape.heads;
    scale_queries(&plan);
    enum kernel_status status = pool_run(progress, units * plan.pieces, run_piece, &plan);
    const struct progress rest = {.pool = progress ? progress->pool : NULL};
    if (status == KERNEL_OK)
        status = pool_run(&rest, units, join_unit, &plan);
    free(plan.q);
    return status;
}

/* ---- The reference --------------------------------------------------------------------------------- */

/* scores[0..length) of one query head; returns the largest sum of |q k|. */
static double exact_scores(const struct attention *a, size_t sequence, size_t head, const float *q, double *scores)
{
    const struct kvcache *c = a->cache;
    double slack = 0;
    for (size_t t = 0; t < c->length[sequence]; t++) {
        double sum = 0, size = 0;
        for (size_t d = 0; d < c->shape.head_dim; d++) {
            double term = (double)a->scale * (double)q[d] * (double)kvcache_key(c, sequence, head, t, d);
            sum += term;
            size += fabs(term);
        }
        scores[t] = sum;
        slack = fmax(slack, size);
    }
    return slack;
}

static void exact_head(const struct attention *a, size_t sequence, size_t head, const float *q, double *scores,
                       double *y, double *slack)
{
    const struct kvcache *c = a->cache;
    size_t dim = c->shape.head_dim, length = c->length[sequence];
    double size = exact_scores(a, sequence, head, q, scores), most = -INFINITY, sum = 0;
    for (size_t t = 0; t < length; t++)
        most = fmax(most, scores[t]);
    for (size_t t = 0; t < length; t++)
        sum += scores[t] = exp(scores[t] - most);
    for (size_t d = 0; d < dim; d++) {
        double value = 0, magnitude = 0;
        for (size_t t = 0; t < length; t++) {
            double term = scores[t] / sum * (double)kvcache_value(c, sequence, head, t, d);
            value += term;
            magnitude += fabs(term);
        }
        y[d] = value + (double)c->poison[sequence * c->shape.heads + head];
        if (slack)
            slack[d] = (1 + 2 * size) * magnitude;
    }
}

enum kernel_status attention_exact(const struct attention *a, double *y, double *slack)
{
    const struct kvcache *c = a->cache;
    size_t dim = c->shape.head_dim;
    if (c->shape.heads ? a->heads % c->shape.heads : a->heads)
        return KERNEL_BAD_SHAPE;
    double *scores = malloc((c->shape.tokens + 1) * sizeof *scores);
    if (!scores)
        return KERNEL_NO_MEMORY;
    for (size_t row = 0; row < c->shape.sequences * a->heads; row++) {
        size_t head = row % a->heads / (a->heads / c->shape.heads);
        exact_head(a, row / a->heads, head, a->q + row * dim, scores, y + row * dim, slack ? slack + row * dim : NULL);
    }
    free(scores);
    return KERNEL_OK;
}
