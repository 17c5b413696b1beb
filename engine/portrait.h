/* portrait.h: one tensor looked at: its range, histogram, columns, and what every format makes of it. */
#ifndef ENGINE_PORTRAIT_H
#define ENGINE_PORTRAIT_H

#include "engine/inspectjob.h"
#include "engine/safetensors.h"

struct column {
    uint64_t index;
    float    amax;
};

struct portrait {
    const struct inspectjob_env *env;      /* these five are the caller's */
    const struct safetensor *tensor;
    const char              *name;
    char                    *error;        /* one line, where something fails */
    size_t                   size;

    uint64_t                 rows, cols;
    double                   low, high, sum, squares;  /* of finite values */
    uint64_t                 zeros, nonfinite;
    float                   *maxima;                   /* [cols] */
    struct column           *sorted;                   /* [cols], the largest first */
    float                   *sample;                   /* [sampled, cols] */
    size_t                   sampled, every;           /* rows, and each how many-th of the tensor's */
    json_t                  *formats;
};

/* Reads the tensor; of one that is empty or cannot be decoded, nothing. False with one line in error. Free it either
 * way. */
bool portrait_read(struct portrait *p);
void portrait_free(struct portrait *p);

/* What --json prints of it, and the same for people. New references. */
json_t *portrait_json(const struct portrait *p);
json_t *portrait_blocks(const struct portrait *p);

/* A tensor as a line of a list: {"name", "shape", "type", "bytes", "bits_per_weight"}. A new reference. */
json_t *portrait_line(const struct safetensor *tensor, const char *name);

#endif
