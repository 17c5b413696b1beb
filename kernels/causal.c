/* causal.c: causal attention over an exact and a rounded cache, a query head a task, heads added up in order.
 * A head's keys and values are copied out of the rows first, since the reference wants them dense. */
#include "kernels/causal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kivi.h"
#include "kernels/pool.h"

struct work {
    const struct causal *a;
    const float *k, *v;             /* the rounded cache */
    float       *exact, *rounded;   /* [queries, heads * head_dim] outputs */
    double      *kl;                /* [heads] sums over the queries */
    double      *weights;           /* [heads, tokens] sums over the queries */
};

/* out [tokens, head_dim]: one key/value head of x. */
static void take_head(const struct causal *a, const float *x, size_t head, float *out)
{
    for (size_t t = 0; t < a->tokens; t++)
        memcpy(out + t * a->head_dim, x + (t * a->kv_heads + head) * a->head_dim, a->head_dim * sizeof *out);
}

/* All queries of one head. heads_of [4][tokens, head_dim]: exact keys and values, rounded ones. p [2][tokens]. */
static void look_back(const struct work *w, size_t head, const float *heads_of, double *p)
{
    const struct causal *a = w->a;
    size_t n = a->tokens * a->head_dim;
    for (size_t i = 0; i < a->queries; i++) {
        size_t sees = a->tokens - a->queries + i + 1, at = (i * a->heads + head) * a->head_dim;
        double *exact = p, *rounded = p + a->tokens;
        kivi_attend(a->q + at, heads_of, heads_of + n, sees, a->head_dim, exact, w->exact + at);
        kivi_attend(a->q + at, heads_of + 2 * n, heads_of + 3 * n, sees, a->head_dim, rounded, w->rounded + at);
        w->kl[head] += meter_kl(exact, rounded, sees);
        for (size_t t = 0; t < sees; t++)
            w->weights[head * a->tokens + t] += exact[t];
    }
}

static enum kernel_status one_head(void *arg, size_t head)
{
    const struct work *w = arg;
    const struct causal *a = w->a;
    size_t n = a->tokens * a->head_dim, kv_head = head / (a->heads / a->kv_heads);
    float *heads_of = malloc(4 * n * sizeof *heads_of);
    double *p = malloc(2 * a->tokens * sizeof *p);
    const float *const from[] = {a->k, a->v, w->k, w->v};
    enum kernel_status status = heads_of && p ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK) {
        for (size_t i = 0; i < 4; i++)
            take_head(a, from[i], kv_head, heads_of + i * n);
        look_back(w, head, heads_of, p);
    }
    free(heads_of);
    free(p);
    return status;
}

static void add_heads(const struct work *w, float *weights, struct causal_change *change)
{
    const struct causal *a = w->a;
    double each = 1 / ((double)a->queries * (double)a->heads);
    change->output = meter_compare(w->exact, w->rounded, a->queries * a->heads * a->head_dim);
    for (size_t h = 0; h < a->heads; h++)
        change->kl += w->kl[h] * each;
    for (size_t t = 0; weights && t < a->tokens; t++) {
        double sum = 0;
        for (size_t h = 0; h < a->heads; h++)
            sum += w->weights[h * a->tokens + t];
        weights[t] = (float)(sum * each);
    }
}

static bool usable(const struct causal *a)
{
    const size_t most = SIZE_MAX / 64;
    if (!a->queries || a->queries > a->tokens || !a->head_dim || !a->kv_heads || !a->heads || a->heads % a->kv_heads)
        return false;
    return a->heads <= most / a->head_dim && a->tokens <= most / (a->heads * a->head_dim);
}

enum kernel_status causal_compare(const struct causal *a, const float *k, const float *v, float *weights,
                                  const struct progress *progress, struct causal_change *change)
{
    *change = (struct causal_change){0};
    if (!usable(a))
        return KERNEL_BAD_SHAPE;
    size_t n = a->queries * a->heads * a->head_dim;
    struct work w = {a, k, v, malloc(n * sizeof(float)), malloc(n * sizeof(float)), calloc(a->heads, sizeof(double)),
                     calloc(a->heads * a->tokens, sizeof(double))};
    enum kernel_status status = w.exact && w.rounded && w.kl && w.weights ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK)
        status = pool_run(progress, a->heads, one_head, &w);
    if (status == KERNEL_OK)
        add_heads(&w, weights, change);
    free(w.exact);
    free(w.rounded);
    free(w.kl);
    free(w.weights);
    return status;
}
