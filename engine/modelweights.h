/* modelweights: how many weights a model has, and how many bytes one token makes it read.
 * Counted matrix by matrix from the config; the families whose matrices are known here stand in one table.
 * Text only: vision towers and draft (MTP) layers are in a checkpoint, not in these sums. */
#ifndef ENGINE_MODELWEIGHTS_H
#define ENGINE_MODELWEIGHTS_H

#include "engine/modelconfig.h"

/* What becomes of a part when a model is quantized, and whether a token reads it. */
enum weight_role {
    WEIGHT_LINEAR,      /* read for each token, quantized                                      */
    WEIGHT_KEPT,        /* read for each token, small or delicate: stays BF16                  */
    WEIGHT_HEAD,        /* read for each token, stays BF16 unless asked                        */
    WEIGHT_EMBEDDING,   /* one row is read a token, so none is counted; 0 when tied to the head */
    WEIGHT_ROLE_COUNT
};

struct weight_part {
    const char      *name;       /* "q_proj with gate" */
    enum weight_role role;
    uint64_t         each;       /* weights in one layer */
    uint64_t         layers;     /* that have it */
};

enum { MODELWEIGHTS_PARTS = 24 };

struct modelweights {
    struct weight_part part[MODELWEIGHTS_PARTS];
    int                parts;
    uint64_t           count[WEIGHT_ROLE_COUNT];
};

/* False with one line in error for a family that is not in the table, experts, or a file without sizes. */
bool modelweights_count(const struct modelconfig *config, struct modelweights *weights, char *error, size_t size);

/* Bits a linear weight takes, scales included: "bf16" 16; "fp8" 8 and a BF16 scale for each scale_block weights (128 x
 * 128 when the config states none); "int8" 8 and a scale a row, not counted; "int4" 4.125, a 16-bit scale a group of
 * 128. 0 for another name. */
double modelweights_bits(const struct modelconfig *config, const char *format);

/* Bytes that one decoded token reads: linear_bits for linear weights, head_bits for the LM head, 16 for the rest. */
double modelweights_streamed(const struct modelweights *weights, double linear_bits, double head_bits);

/* Terms of that sum for a formula view, in GB (10^9). A new reference. */
json_t *modelweights_terms(const struct modelweights *weights, double linear_bits, double head_bits);

/* {"linear", "kept", "head", "embedding", "total": weights, "parts": [{"name", "role", "each", "layers"}...]}. New. */
json_t *modelweights_json(const struct modelweights *weights);

#endif
