/* llama: a Llama-style language model's weights in FP32, as its files have them or with outliers planted.
 * Read once, then shared by whatever runs it (llamanet.h); nothing changes it afterwards but llama_plant. */
#ifndef ENGINE_LLAMA_H
#define ENGINE_LLAMA_H

#include "engine/modelfile.h"

/* The linear layers of a block. ORDER LLAMA_LINEAR: linears in llama.c */
enum llama_linear { LLAMA_Q, LLAMA_K, LLAMA_V, LLAMA_O, LLAMA_GATE, LLAMA_UP, LLAMA_DOWN, LLAMA_LINEARS };

/* What enters them: q, k and v share an input, and so do gate and up. */
enum llama_site { LLAMA_ATTENTION_IN, LLAMA_OUTPUT_IN, LLAMA_FEED_IN, LLAMA_DOWN_IN, LLAMA_SITES };

struct llama_layer {
    float *weight[LLAMA_LINEARS];   /* [out, in]                            */
    float *bias[LLAMA_LINEARS];     /* [out], or NULL                       */
    float *norm[2];                 /* [width] before attention, before the feed-forward part */
    float *head_norm[2];            /* [head] of queries, of keys, or NULL  */
};

struct llama {
    struct modelfile_config config;
    struct llama_layer *layer;      /* [layers]                             */
    float  *embedding;              /* [vocab, width]                       */
    float  *norm;                   /* [width]                              */
    float  *head;                   /* [vocab, width]; the embedding itself where tied */
    char    name[256];              /* for people: the folder, printable, as far as it fits */
    size_t  planted;                /* channels made outliers, and by how much; 0: none */
    double  times;
};

/* NULL with one line in error. */
struct llama *llama_open(const char *folder, char *error, size_t size);
void llama_close(struct llama *model);

/* Outputs and inputs of a linear layer; where its input comes from; its name: "self_attn.q_proj". */
size_t          llama_out(const struct modelfile_config *config, enum llama_linear linear);
size_t          llama_in(const struct modelfile_config *config, enum llama_linear linear);
enum llama_site llama_site_of(enum llama_linear linear);
const char     *llama_name(enum llama_linear linear);

/* The name of a linear layer in full, "model.layers.2.mlp.down_proj", read: false where there is none. */
bool llama_find(const struct llama *model, const char *name, size_t *layer, enum llama_linear *linear);

/* Parameters of the linear layers, and of everything. */
size_t llama_linear_weights(const struct llama *model);
size_t llama_parameters(const struct llama *model);

/* Makes `channels` features outliers where they enter attention and the feed-forward part of every layer: the norm's
 * gain times `times`, the next weights' columns divided by it. The function stays what it was, to FP32 rounding;
 * exactly for a power of two. The same channels in every layer, chosen by the seed. channels <= width. False without
 * memory: the model is as it was. */
bool llama_plant(struct llama *model, size_t channels, double times, uint64_t seed);

#endif
