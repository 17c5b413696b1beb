/* llmint8.c: LLM.int8(), T. Dettmers and others, arXiv:2208.07339: a few columns stay in FP16.
 * A column of X with any magnitude above the threshold is multiplied in FP16; all others in INT8 with a scale a token
 * and a scale a row of W, the products summed in INT32. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/method.h"

static const double default_threshold = 6;

static enum kernel_status find_columns(const struct method_task *task, struct method_result *result)
{
    double threshold = task->threshold > 0 ? task->threshold : default_threshold;
    result->kept = calloc(task->in + 1, 1);
    if (!result->kept)
        return KERNEL_NO_MEMORY;
    if (task->keep)
        memcpy(result->kept, task->keep, task->in);
    for (size_t i = 0; i < task->tokens * task->in && !task->keep; i++)
        if ((double)fabsf(task->x[i]) > threshold)
            result->kept[i % task->in] = 1;
    for (size_t j = 0; j < task->in; j++)
        result->kept_count += result->kept[j] = result->kept[j] != 0;
    return KERNEL_OK;
}

/* The rounded weights, with the kept columns as FP16 has them. */
static enum kernel_status store_columns(const struct method_task *task, struct method_result *result)
{
    const struct format *fp16 = format_find("fp16");
    size_t n = task->out * task->in;
    result->stored = malloc(n * sizeof *result->stored + 1);
    if (!result->stored)
        return KERNEL_NO_MEMORY;
    memcpy(result->stored, result->q.values, n * sizeof *result->stored);
    for (size_t i = 0; i < n; i++)
        if (result->kept[i % task->in])
            result->stored[i] = format_round(fp16, task->w[i], (struct cast){0});
    return KERNEL_OK;
}

enum kernel_status method_llm_int8(const struct method_task *task, const struct progress *progress,
                                   struct method_result *result)
{
    enum kernel_status status = find_columns(task, result);
    if (status == KERNEL_OK)
        status = quantize(task->w, task->out, task->in, &task->weights, progress, &result->q);
    if (status == KERNEL_OK)
        status = store_columns(task, result);
    /* A kept column has no codes; it costs 2 bytes a value, and 4 for its number. */
    size_t codes = (result->kept_count * task->out * task->weights.format->bits + 7) / 8;
    result->bytes = result->q.bytes - codes + result->kept_count * (2 * task->out + 4);
    return status;
}
