/* scheme: how a language model is quantized: weights by a method, activations, the KV cache; and the net that results.
 * Only the linear layers of the blocks are rounded; embedding, norms and LM head stay, as in published checkpoints.
 * Methods that look at inputs, and scales that are fixed beforehand, are calibrated on a text of its own, layer by
 * layer, on what the unrounded model feeds each layer. */
#ifndef ENGINE_SCHEME_H
#define ENGINE_SCHEME_H

#include "engine/llamanet.h"
#include "kernels/method.h"

enum { SCHEME_LABEL = 96 };

struct scheme {
    const struct method *method;    /* of the weights                                                             */
    struct recipe weights;          /* format NULL: FP32, untouched                                               */
    struct recipe activations;      /* format NULL: FP32. Scale token: dynamic; a scale that spans the tensor: static */
    struct recipe cache;            /* the same for keys and values; a row is one head of one token                */
    bool          fixed;            /* alpha is given; else smoothquant takes 0.5 and awq searches                */
    double        alpha;
    double        damp;
    bool          act_order;
    bool          folded;           /* the method only where a norm feeds the layer and its gain can hold a division */
    char          label[SCHEME_LABEL];
};

/* The same in words; NULL is the default. */
struct scheme_words {
    struct recipe_words weights, activations, cache;
    const char *method;
};

/* Fills *scheme but for alpha, damp and act_order. False with one line in why. */
bool scheme_parse(const struct scheme_words *words, enum isa isa, uint64_t seed, struct scheme *scheme, char *why,
                  size_t room);

/* What to calibrate on: tokens, in windows of `context`. */
struct scheme_text {
    const uint32_t *tokens;
    size_t          count, context;
};

/* The net of a model under the scheme, for `context` tokens. On KERNEL_OK it is to be freed with llamanet_free.
 * `text` may be NULL where scheme_calibrates says no. */
enum kernel_status scheme_net(const struct scheme *scheme, const struct llama *model, const struct scheme_text *text,
                              size_t context, enum isa isa, const struct progress *progress, struct llama_net *net);

/* Whether the scheme needs a text. */
bool scheme_calibrates(const struct scheme *scheme);

/* The unrounded model. */
struct scheme scheme_plain(void);

/* Inputs of one linear layer on the text, in the unrounded model: x [count, in], to be freed. */
enum kernel_status scheme_inputs(const struct llama *model, const struct scheme_text *text, size_t layer,
                                 enum llama_site site, enum isa isa, const struct progress *progress, float **x);

#endif
