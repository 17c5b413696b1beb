/* modelfile: a folder with a Llama-style language model: config.json and one or more .safetensors files.
 * The folder may come from anybody: every size is checked against a range, and what the forward pass of llama.h does
 * not know is refused by its name rather than computed wrongly. */
#ifndef ENGINE_MODELFILE_H
#define ENGINE_MODELFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/safetensors.h"

/* How the angles of RoPE are changed for contexts longer than the trained one. */
struct rope_scaling {
    bool   linear, llama3;       /* at most one; neither: none                                     */
    double factor;
    double low, high, original;  /* llama3: low_freq_factor, high_freq_factor, trained context     */
};

struct modelfile_config {
    char   type[32];             /* model_type: "llama"                                            */
    size_t layers, width, inner; /* num_hidden_layers, hidden_size, intermediate_size              */
    size_t heads, kv_heads, head;/* num_attention_heads, num_key_value_heads, head_dim             */
    size_t vocab, context;       /* vocab_size, max_position_embeddings                            */
    float  eps;                  /* rms_norm_eps                                                   */
    double theta;                /* rope_theta                                                     */
    struct rope_scaling scaling;
    bool   tied;                 /* the LM head is the embedding table                             */
    bool   qkv_bias, o_bias;     /* attention_bias, or a family's habit                            */
    bool   head_norm;            /* RMSNorm of each query and key head (qwen3)                     */
};

struct modelfile;

/* NULL with one line in error. The shards are those of model.safetensors.index.json, else model.safetensors. */
struct modelfile *modelfile_open(const char *folder, char *error, size_t size);
void modelfile_close(struct modelfile *file);

const struct modelfile_config *modelfile_config(const struct modelfile *file);

/* A tensor of [rows, cols] (a vector: cols 0) as floats, to be freed. NULL with one line in error where it is missing
 * or of another shape; or holds what is not finite. */
float *modelfile_floats(const struct modelfile *file, const char *name, size_t rows, size_t cols, char *error,
                        size_t size);

#endif
