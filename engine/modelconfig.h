/* modelconfig: the facts of a Hugging Face config.json that decide a language model's memory.
 * The file may come from anybody: every number is checked against a range before anything is multiplied.
 * What the layers keep that this file does not know (state spaces, chunks, shared caches) is refused by name. */
#ifndef ENGINE_MODELCONFIG_H
#define ENGINE_MODELCONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum { MODELCONFIG_LAYERS = 1024, MODELCONFIG_BYTES = 4 << 20 };

/* How a layer looks back, and so what it keeps. ORDER LAYER_KIND: layer_names in modelconfig.c */
enum layer_kind {
    LAYER_FULL,      /* every earlier token: its cache grows             */
    LAYER_SLIDING,   /* the last `window` tokens                         */
    LAYER_LINEAR,    /* a state of fixed size (Gated DeltaNet)           */
    LAYER_KIND_COUNT
};

struct modelconfig {
    char     model_type[48];              /* of the language model: "qwen3_5_text"; may be empty           */
    uint64_t layers;
    uint8_t  kind[MODELCONFIG_LAYERS];    /* enum layer_kind of each layer                                 */
    uint64_t count[LAYER_KIND_COUNT];     /* layers of each kind                                           */
    char     kind_source[64];             /* the line that says so: "full_attention_interval 4"            */
    uint64_t heads, kv_heads, head_dim;
    bool     head_dim_derived;            /* hidden_size / heads, since the file has no head_dim           */
    uint64_t window;                      /* tokens a sliding layer keeps; 0 without such layers           */
    uint64_t latent, rotary;              /* kv_lora_rank, qk_rope_head_dim: one vector for all heads; or 0 */
    uint64_t nope_dim, value_dim;         /* with latent: what it yields a head, less rotary               */
    struct {                              /* linear layers; all 0 without                                  */
        uint64_t key_heads, value_heads, key_dim, value_dim, conv_kernel;
        uint64_t state_bytes;             /* of one number of the recurrent state: mamba_ssm_dtype         */
    } linear;
    uint64_t hidden, intermediate, vocab; /* the last two 0 when the file lacks them                       */
    uint64_t experts;                     /* 0: one feed-forward part a layer                              */
    uint64_t context;                     /* max_position_embeddings, or 0                                 */
    bool     tied;                        /* the LM head is the embedding table                            */
    bool     gated;                       /* attn_output_gate: q_proj makes a gate as wide as the queries  */
    bool     attention_bias;
    uint64_t scale_block;                 /* weights that share a scale in the checkpoint; 0: none stated  */
};

/* Read a parsed config, or a file of at most MODELCONFIG_BYTES. `name` serves messages.
 * False with one line in error; *config is then undefined. */
bool modelconfig_parse(struct modelconfig *config, const json_t *json, const char *name, char *error, size_t size);
bool modelconfig_load(struct modelconfig *config, const char *path, char *error, size_t size);

/* The same from a descriptor opened earlier, which stays the caller's. */
bool modelconfig_load_fd(struct modelconfig *config, int fd, const char *name, char *error, size_t size);

#endif
