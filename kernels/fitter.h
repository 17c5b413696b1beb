/* fitter.h: from the values of one group to its scale, and from there to codes and back.
 * A fitter is made once for a tensor; quantize() and the methods that choose codes one by one use the same.
 * Groups are given as values side by side. A fitter may be used from one thread at a time. */
#ifndef KERNELS_FITTER_H
#define KERNELS_FITTER_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernel.h"
#include "kernels/recipe.h"
#include "kernels/scale.h"
#include "kernels/status.h"

struct fitter {
    struct recipe     recipe;
    struct format     format;       /* the recipe's, with the lowest code for ZERO_FULL */
    struct scale_rule rule;         /* rule.tensor is the FP32 scale of the tensor under two-level scales, else 1 */
    float             amax;         /* of the whole tensor */
    const struct kernel *kernel;    /* encodes runs */
    float            *trial;        /* one group decoded, while looking for the best clip */
    uint32_t         *order;        /* one group's codes or magnitudes */
};

/* For groups of at most `most` values of a tensor whose largest finite magnitude is amax. The recipe has been checked.
 * Free with fitter_close, also after KERNEL_NO_MEMORY. */
enum kernel_status fitter_open(struct fitter *f, const struct recipe *recipe, size_t most, float amax);
void               fitter_close(struct fitter *f);

/* The fit of a group x[0..n), its scale as stored, its range clipped as the recipe says. Under SCALE_TENSOR the
 * magnitude is the tensor's. SCALE_DOUBLE: exact until scale_double has seen them all. */
struct fit fitter_fit(const struct fitter *f, const float *x, size_t n);

/* The function that fitter_encode calls for this recipe: "round__avx512". */
const char *fitter_function(const struct recipe *recipe);

/* Encodes a run by one fit: format, scale and what belongs to it are filled in. */
void fitter_encode(const struct fitter *f, const struct fit *fit, struct round_run *run);

/* One value's code, rounded to nearest; and a code's value. */
uint32_t fitter_code(const struct fitter *f, const struct fit *fit, float x);
float    fitter_value(const struct fitter *f, const struct fit *fit, uint32_t code);

#endif
