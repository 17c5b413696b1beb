/* method.h: how to choose the codes of a linear layer's weights, one row a method.
 * The layer is Y = X W^T, W [out, in], X [tokens, in]. A recipe says which codes there are; a method says which of them
 * to take, or what to change about W and X first, so that the output suffers least.
 * Two meters belong to each result: the weights' own error, and the output's. They need not agree. */
#ifndef KERNELS_METHOD_H
#define KERNELS_METHOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/hadamard.h"
#include "kernels/meter.h"
#include "kernels/quantize.h"
#include "kernels/status.h"

/* What to round and how. The zero of each choice is its default; x may be NULL where the method needs none. */
struct method_task {
    const float  *w;            /* [out, in] */
    size_t        out, in;
    const float  *x;            /* [tokens, in] calibration inputs, finite; or NULL */
    size_t        tokens;
    struct recipe weights;
    struct recipe activations;  /* how inputs are rounded; format NULL: they are not */
    bool          fixed;        /* alpha is given, not searched */
    double        alpha;        /* smoothquant's exponent, awq's r */
    double        damp;         /* gptq: share of the mean of H's diagonal that is added to it; 0: 0.01 */
    bool          act_order;    /* gptq: columns in the order of falling H_ii */
    bool          static_groups;/* gptq: all group scales from the weights before any correction */
    const uint8_t *keep;        /* llm-int8: [in] 1: this column stays in FP16, instead of a threshold; or NULL */
    size_t        block;        /* gptq: columns between two lazy updates; 0: 128 */
    bool          keep_range;   /* awq: leave out the search for clips */
    double        threshold;    /* llm-int8: columns with a larger |x| stay in FP16; 0: 6 */
    enum isa      isa;
};

/* The rounded layer. Owned by the caller through method_free. */
struct method_result {
    struct quant  q;            /* the codes. Its values multiply prepared inputs: of W s, of W H ...; its error
                                   figures compare with what was rounded */
    float        *stored;       /* [out, in] multiplies prepared inputs; q.values, except for llm-int8 */
    float        *weights;      /* [out, in] multiplies plain inputs: what W has become; may be q.values too */
    float        *divide;       /* [in] inputs are divided by it, weights were multiplied (smoothquant, awq); or NULL */
    uint8_t      *kept;         /* [in] 1: the column stays in FP16 (llm-int8); or NULL */
    size_t        kept_count;
    uint32_t     *group_of;     /* [in] which of a row's scales a column uses, if act-order scatters them; or NULL */
    struct hadamard rotation;   /* inputs are rotated by it (hadamard); n 0: they are not */
    struct recipe activations;  /* as the task had it */
    enum isa      isa;
    double        alpha;        /* the one used, given or found; NaN where the method has none */
    size_t        bytes;        /* q's, with what the method keeps beside it */
    double        bits_per_weight;
    struct error_sums error;    /* of `weights` against W: the first meter */
    double        mse, sqnr_db;
};

typedef enum kernel_status method_fn(const struct method_task *task, const struct progress *progress,
                                     struct method_result *result);

struct method {
    const char *name;           /* Lua, command line: "gptq" */
    const char *title;          /* people: "GPTQ: correct what is not yet rounded" */
    bool        calibrated;     /* needs x */
    bool        rows;           /* works row by row without looking at others, so that a tensor can be streamed */
    const char *function, *file;/* where to read it */
    method_fn  *run;
};

/* Row i of method_count() rows, NULL past the end; the row with this name, or NULL. */
size_t               method_count(void);
const struct method *method_at(size_t i);
const struct method *method_find(const char *name);

/* False, and one line in why[0..room), if the method cannot do the task. */
bool method_check(const struct method *method, const struct method_task *task, char *why, size_t room);

/* Rounds the layer. On KERNEL_OK, *result is to be freed; on anything else it is empty. */
enum kernel_status method_run(const struct method *method, const struct method_task *task,
                              const struct progress *progress, struct method_result *result);
void method_free(struct method_result *result);

/* The rounded layer's output for x [tokens, in]: inputs prepared and rounded as the method says. y [tokens, out]. */
enum kernel_status method_output(const struct method_result *result, const float *x, size_t tokens, float *y,
                                 const struct progress *progress);

/* The second meter: that output against X W^T; w [out, in] is the task's. */
enum kernel_status method_measure(const struct method_result *result, const float *w, const float *x, size_t tokens,
                                  const struct progress *progress, struct meter *meter);

/* --- for the methods themselves --------------------------------------------------------------------- */

method_fn method_gptq, method_awq, method_llm_int8;

/* ||X (rounded - W)^T||^2, the squared error that weights alone cause; x [tokens, in], both weights [out, in]. */
enum kernel_status method_loss(const struct method_task *task, const float *x, size_t tokens, const float *rounded,
                               double *loss);

/* Measures q.values anew against w, after its codes were chosen otherwise than by quantize. */
void method_measure_quant(struct quant *q, const float *w);

/* A copy of a [rows, cols] with each column times, or divided by, s. NULL without memory. */
float *method_scaled(const float *a, const float *s, size_t rows, size_t cols, bool divide);

#endif
