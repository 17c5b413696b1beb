/* quality: what a scheme costs a language model, on text that it has not seen, against the same model in FP32.
 * The window law: token i is predicted from the tokens before it in its window; windows are `context` long, do not
 * overlap, and the first token of all is not predicted: window k has the inputs t[ck .. ck + c - 1] and predicts t[ck +
 * 1 .. ck + c]; the last is shorter. lessons/model/train.py computes the same number with PyTorch. */
#ifndef ENGINE_QUALITY_H
#define ENGINE_QUALITY_H

#include <jansson.h>

#include "engine/scheme.h"

enum {
    QUALITY_BLOCK   = 64,       /* predictions whose differences are averaged before the standard error: neighbors are
                                   not independent */
    QUALITY_CONTEXT = 512,      /* tokens of a window unless said otherwise */
};

struct quality_text {
    uint32_t *tokens;
    size_t    count;
    bool      bytes;            /* a token is a byte of text */
    char      name[256];
};

/* Reads a text for a model: bytes where its vocabulary is 256, else a .npy of U16 or U32. Tokens past `most` are left
 * out; 0: none. False with one line in error. */
bool quality_read(struct quality_text *text, const char *path, size_t vocab, size_t most, char *error, size_t size);
void quality_drop(struct quality_text *text);

/* One scheme, measured. */
struct quality_run {
    struct scheme scheme;
    double bits;                /* per token: bits per byte where a token is a byte */
    double delta, delta_error;  /* above FP32, and the paired standard error of that */
    double kl;                  /* nats a token: KL(FP32 || this), averaged */
    double top1;                /* share of tokens where both find the same one likeliest */
    double bits_per_weight;     /* of the linear layers, scales included */
    double prepare_seconds, seconds;
    size_t rank;                /* 1: best; who cannot be told apart from the best of a rank shares it */
    float *loss;                /* [predicted] nats */
};

/* A model and a text, with what FP32 says to it. */
struct quality {
    const struct llama *model;
    const uint32_t *tokens;
    size_t predicted, context;
    enum isa isa;
    struct gpu_seat *gpu;       /* a GPU that may run the model, with the same bits; or NULL */
    struct scheme_text calibration;
    float  *logits;             /* [predicted, vocab] of FP32 */
    double *log_sum;            /* [predicted] */
    struct quality_run plain;
};

/* How many tokens of a vocabulary fit what is kept: 1 GiB of logits. */
size_t quality_most(size_t vocab);

/* Runs FP32 over the text: count tokens, at least 2, all below the vocabulary. The text, the model, the calibration
 * text and the GPU, if one is given, outlive q. On KERNEL_OK q is to be freed with quality_close. */
enum kernel_status quality_open(struct quality *q, const struct llama *model, const uint32_t *tokens, size_t count,
                                size_t context, const struct scheme_text *calibration, enum isa isa,
                                struct gpu_seat *gpu, const struct progress *progress);
void               quality_close(struct quality *q);

/* Measures a scheme. On KERNEL_OK run->loss is to be freed. */
enum kernel_status quality_measure(const struct quality *q, const struct scheme *scheme,
                                   const struct progress *progress, struct quality_run *run);

/* How far the loss of a is above b's, in bits a token, and the standard error of that difference: of the means of
 * blocks of 64 neighboring predictions. */
void quality_compare(const float *a, const float *b, size_t predicted, double *delta, double *error);

/* Gives each run its rank: by loss; one that is not more than two standard errors above the best of a rank joins it.
 * Runs whose loss is not finite share the last. */
void quality_rank(struct quality_run *runs, size_t count, size_t predicted);

/* A continuation of the prompt by the net: `count` tokens, each drawn from the softmax at this temperature (0: the
 * likeliest), seeded. out [count]. The prompt's end and what is drawn must fit the net's context. */
enum kernel_status quality_generate(const struct llama_net *net, const uint32_t *prompt, size_t prompt_count,
                                    size_t count, double temperature, uint64_t seed, const struct progress *progress,
                                    uint32_t *out);

#endif
