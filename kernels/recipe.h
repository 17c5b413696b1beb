/* recipe.h: how to round a tensor: every choice in one struct, whose zero is the default of each.
 * recipe_parse reads the words of the command line and of lessons; recipe_check says what does not go together.
 * Both answer with one line for people. */
#ifndef KERNELS_RECIPE_H
#define KERNELS_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"
#include "kernels/format.h"
#include "kernels/scale.h"

enum clip_kind {
    CLIP_NONE,          /* the scale reaches the largest magnitude */
    CLIP_PERCENTILE,    /* it reaches the ceil(percent * n / 100)-th smallest of the group's n finite magnitudes */
    CLIP_MSE,           /* it reaches 1.00, 0.99 ... 0.25 of the group's range, whichever errs least */
};

struct clip {
    enum clip_kind kind;
    float          percent;     /* CLIP_PERCENTILE: above 0, up to 100; three decimals count */
};

struct gpu_seat;

/* How to quantize. `cast.random` is ignored: stochastic rounding draws from seed and element index. */
struct recipe {
    const struct format *format;
    struct scale         scale;     /* of a block format: its own; NVFP4 also SCALE_NONE: no scale of the tensor */
    struct cast          cast;
    uint64_t             seed;
    enum isa             isa;       /* what may be used: the result is the same, its time is not */
    enum zero_point      zero;
    struct clip          clip;
    enum mx_rule         mx;
    float                amax;      /* of the whole tensor, for scales that span it, if known before; 0: from x */
    size_t               first;     /* index of x[0] in the whole tensor, for stochastic rounding */
    struct gpu_seat     *gpu;       /* a GPU that may do it instead, with the same result (gpu_quantize.h); or NULL */
};

/* The same in words; NULL is the default. */
struct recipe_words {
    const char *format, *scale, *zero_point, *clip, *mx, *rounding, *overflow;
};

/* Fills *recipe. On failure returns false and writes one line to why[0..room); *recipe is then not to be used. */
bool recipe_parse(const struct recipe_words *words, struct recipe *recipe, char *why, size_t room);

/* False, and one line in why[0..room), if the choices do not go together. */
bool recipe_check(const struct recipe *recipe, char *why, size_t room);

/* The scale that a format has unless the recipe says otherwise. */
struct scale recipe_scale(const struct format *format);

/* Writes "none", "percentile:99.9" or "mse" to text[0..room). */
void recipe_print_clip(struct clip clip, char *text, size_t room);

/* "none", "full", "awq", "gptq", "kivi". */
const char *zero_point_name(enum zero_point zero);

#endif
