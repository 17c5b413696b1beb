/* kv: what a conversation costs in memory, by the arithmetic of a model's config.
 * Growing cache a token, fixed state a sequence, and both as formulas that a view prints term by term.
 * Exact whole bytes; a result beyond 8 PiB is refused rather than rounded. */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include "engine/modelconfig.h"

struct kv_question {
    const char *format;       /* how the cache is stored: "bf16", "e4m3"                            */
    unsigned    bits;         /* of one number in it; its scales, if it has any, are not counted    */
    uint64_t    context;      /* tokens of each sequence, 1 to 2^30                                 */
    uint64_t    sequences;    /* 1 to 2^20                                                          */
};

struct kv_answer {
    uint64_t layers;          /* those whose cache grows                                            */
    uint64_t per_token;       /* bytes that one more token of one sequence adds to them             */
    uint64_t obvious;         /* bytes a token by the usual formula: every layer, every KV head     */
    uint64_t window;          /* bytes in sliding layers at this context, a sequence                */
    uint64_t state;           /* bytes of linear layers a sequence: the cache's format is not theirs */
    uint64_t per_sequence;    /* context * per_token + window + state                               */
    uint64_t total;           /* of all sequences                                                   */
};

/* False with one line in error when a result does not fit. */
bool kv_compute(const struct modelconfig *config, const struct kv_question *question, struct kv_answer *answer,
                char *error, size_t size);

/* Terms for a formula view, new references: [{"label", "value", "op", "unit", "source", "note", "struck"}...].
 * kv_terms: bytes a token, with what the usual formula has too many struck out. kv_obvious_terms: that formula.
 * kv_window_terms, kv_state_terms: bytes a sequence, NULL for a model without such layers. */
json_t *kv_terms(const struct modelconfig *config, const struct kv_question *question);
json_t *kv_obvious_terms(const struct modelconfig *config, const struct kv_question *question);
json_t *kv_window_terms(const struct modelconfig *config, const struct kv_question *question);
json_t *kv_state_terms(const struct modelconfig *config);

/* The object that `saffron kv --json` prints and that lessons get: kv_layers, kv_bytes_per_token,
 * state_bytes_per_sequence (window and state), kv_bytes_total, formula; and layers, kv_format, context, sequences,
 * kv_bytes_per_sequence, obvious_bytes_per_token, obvious_formula, window_formula, state_formula. A new reference. */
json_t *kv_json(const struct modelconfig *config, const struct kv_question *question, const struct kv_answer *answer);

/* The same for people: an array of view blocks. A new reference. */
json_t *kv_views(const struct modelconfig *config, const struct kv_question *question, const struct kv_answer *answer);

/* Sequences that fit beside the weights: share of memory, less weights, over bytes a sequence. All in bytes. */
uint64_t kv_sequences_that_fit(double memory, double share, double weights, uint64_t per_sequence);

#endif
