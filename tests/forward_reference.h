/* forward_reference.h: the launches of gpu_forward.h in plain C, on host memory: what the GPU must give, to the bit.
 * Rows are rowops.h's own functions; a product is fmaf in the order of k. Include it in one test a program. */
#ifndef TESTS_FORWARD_REFERENCE_H
#define TESTS_FORWARD_REFERENCE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/format.h"
#include "kernels/gpu_forward.h"
#include "kernels/hadamard.h"
#include "kernels/rowops.h"
#include "kernels/sgemm.h"

static void reference_sgemm(const struct gpu_sgemm *t)
{
    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < t->n; j++) {
            const float *w = t->panels + j / SGEMM_PANEL * SGEMM_PANEL * t->k + j % SGEMM_PANEL;
            float sum = 0, *y = t->y + i * t->n + j;
            for (size_t k = 0; k < t->k; k++)
                sum = fmaf(t->x[i * t->k + k], w[k * SGEMM_PANEL], sum);
            sum = t->bias ? sum + t->bias[j] : sum;
            *y = t->onto ? *y + sum : sum;
        }
}

static void reference_query(const struct gpu_causal *t, size_t token, int h, float *scores)
{
    size_t head = (size_t)t->head, begin = token / t->context * t->context, n = token - begin + 1;
    size_t row = (size_t)t->kv_heads * head, at = begin * row + (size_t)(h / (t->heads / t->kv_heads)) * head;
    const float *q = t->q + (token * (size_t)t->heads + (size_t)h) * head;
    float *out = t->out + (token * (size_t)t->heads + (size_t)h) * head;
    for (size_t i = 0; i < n; i++) {
        scores[i] = 0;
        for (size_t d = 0; d < head; d++)
            scores[i] = fmaf(q[d], t->k[at + i * row + d], scores[i]);
    }
    rowops__scalar.softmax(scores, 1.0f / sqrtf((float)head), n);
    for (size_t d = 0; d < head; d++) {
        out[d] = 0;
        for (size_t i = 0; i < n; i++)
            out[d] = fmaf(scores[i], t->v[at + i * row + d], out[d]);
    }
}

static void reference_causal(const struct gpu_causal *t)
{
    float *scores = malloc(t->context * sizeof *scores + 1);
    for (size_t i = 0; scores && i < t->tokens; i++)
        for (int h = 0; h < t->heads; h++)
            reference_query(t, i, h, scores);
    free(scores);
}

static void reference_row(enum gpu_op op, const struct gpu_rows *t, size_t row)
{
    float *y = t->y + row * t->cols;
    const float *x = t->x ? t->x + row * t->cols : NULL;
    float *scratch = malloc(t->cols * sizeof *scratch + 1);
    size_t half = t->head / 2, turn = op == GPU_ROTATE ? row % t->context * half : 0;
    struct hadamard h = {.n = t->cols, .block = t->block, .signs = (int8_t *)(uintptr_t)t->signs, .scratch = scratch};
    if (op == GPU_GATHER)
        memcpy(y, t->by + t->index[row] * t->cols, t->cols * sizeof *y);
    else if (op == GPU_NORM)
        rowops__scalar.norm(x, t->by, t->eps, t->cols, y);
    else if (op != GPU_KEEP && y != x)
        memcpy(y, x, t->cols * sizeof *y);
    if (op == GPU_SWIGLU)
        rowops__scalar.swiglu(y, t->by + row * t->cols, t->cols);
    if (op == GPU_HADAMARD)
        hadamard_rotate(&h, y, 1);
    for (size_t i = 0; op == GPU_ROTATE && i < t->cols; i += t->head)
        rowops__scalar.rotate(y + i, t->cosine + turn, t->sine + turn, half);
    for (size_t i = 0; i < t->cols; i++) {
        if (op == GPU_DIVIDE)
            y[i] = y[i] / t->by[i];
        if (op == GPU_DROP && t->kept[i])
            y[i] = 0;
        if (op == GPU_KEEP && t->kept[i])
            y[i] = format_round(format_find("fp16"), x[i], (struct cast){0});
    }
    free(scratch);
}

/* Does what the launch of that operation does. */
static void reference_forward(enum gpu_op op, const void *work)
{
    const struct gpu_rows *t = work;
    if (op == GPU_SGEMM)
        reference_sgemm(work);
    else if (op == GPU_CAUSAL)
        reference_causal(work);
    else
        for (size_t i = 0; i < t->rows; i++)
            reference_row(op, t, i);
}

#endif
