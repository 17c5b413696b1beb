/* llamanet: a Llama-style model ready to run on the processor: weights packed, inputs rounded as a scheme says.
 * Everything is computed in FP32 on decoded values: what a format loses is exact, its speed is not shown (simulated).
 * A net is read-only while it runs; each thread has a state of its own. The same tokens give the same logits, to the
 * bit, in pieces of any length and by any number of threads. */
#ifndef ENGINE_LLAMANET_H
#define ENGINE_LLAMANET_H

#include "engine/llama.h"
#include "kernels/hadamard.h"
#include "kernels/kernel.h"
#include "kernels/recipe.h"
#include "kernels/rowops.h"
#include "kernels/sgemm.h"
#include "kernels/status.h"

/* What happens to the inputs that a site's linear layers share, before the product. All zero: nothing. */
struct llama_entry {
    float          *divide;       /* [in] or NULL                                            */
    struct hadamard rotation;     /* n 0: none                                               */
    uint8_t        *kept;         /* [in] 1: the column is not rounded but kept in FP16; or NULL */
    struct recipe   round;        /* format NULL: not rounded                                */
};

struct llama_netlayer {
    struct panels      linear[LLAMA_LINEARS];
    struct llama_entry entry[LLAMA_SITES];
    struct recipe      cache[2];  /* of keys after RoPE, of values; format NULL: FP32. A row is one head of one token */
};

struct llama_net {
    const struct llama    *model;
    struct llama_netlayer *layer;
    struct panels          head;
    float                 *cosine, *sine;   /* [context, head / 2] */
    size_t                 context;
    sgemm_fn              *product;
    const struct rowops   *rows;
    enum isa               isa;
    double                 weight_bytes;    /* of the linear layers as they would be stored; 0: FP32 */
};

/* A net without weights yet, for `context` tokens; llamanet_pack fills in a linear layer. Free with llamanet_free. */
enum kernel_status llamanet_make(struct llama_net *net, const struct llama *model, size_t context, enum isa isa);
enum kernel_status llamanet_pack(struct llama_net *net, size_t layer, enum llama_linear linear, const float *weights);
void               llamanet_free(struct llama_net *net);

/* Sees what enters a site, before anything is done to it: x [rows, in]. Or, with LLAMA_SITES and LLAMA_SITES + 1, keys
 * after RoPE and values [rows, kv_heads * head]. */
typedef void llama_see_fn(void *ctx, size_t layer, size_t site, const float *x, size_t rows, size_t cols);

/* What one sequence needs: its cache, and room for a piece of it. */
struct llama_state;
struct llama_state *llamastate_new(const struct llama_net *net, size_t layers);
void                llamastate_free(struct llama_state *state);

/* Forgets the sequence. */
void llamastate_reset(struct llama_state *state);

/* Appends tokens[0..n) to the sequence; logits [n, vocab] or, with `last`, [vocab] of the last one; position + n must
 * not exceed the context, tokens must be below vocab. */
enum kernel_status llamanet_run(const struct llama_net *net, struct llama_state *state, const uint32_t *tokens,
                                size_t n, float *logits, bool last);

/* One layer on hidden states x [n, width] of a sequence from its start, in place; for calibration, layer by layer.
 * The state needs one layer. see may be NULL. */
enum kernel_status llamanet_layer(const struct llama_net *net, struct llama_state *state, size_t layer, float *x,
                                  size_t n, llama_see_fn *see, void *ctx);

/* Rounds x [rows, cols] in place by the recipe; the rows' own scales, or one that was fixed before. */
enum kernel_status llamanet_round(const struct recipe *recipe, float *x, size_t rows, size_t cols);

/* Prepares x [rows, cols] in place as the entry says. scratch [cols]. */
enum kernel_status llamanet_enter(const struct llama_entry *entry, float *x, size_t rows, size_t cols, float *scratch);

#endif
