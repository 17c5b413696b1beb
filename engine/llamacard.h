/* llamacard: a net's forward pass on a GPU, many windows of a text at once: the logits have the bits of llamanet_run.
 * The weights go to the card once; tokens go there, logits come back.
 * One thread at a time; the card is held from llamacard_open to llamacard_close. */
#ifndef ENGINE_LLAMACARD_H
#define ENGINE_LLAMACARD_H

#include "engine/llamanet.h"

struct gpu_seat;
struct llamacard;

/* Whether a text of so many tokens is worth the way to the card: always for a card asked for by name, else from some
 * work on and up to some logits. False where there is no card, and for a net that computes without fused multiply-add,
 * whose bits the card does not have. */
bool llamacard_worth(const struct gpu_seat *seat, const struct llama_net *net, size_t tokens);

/* Takes the card, makes room on it for windows of net->context tokens, as many as go well, and sends the weights. *card
 * is to be closed whatever the status; NULL where the card was busy: KERNEL_NO_GPU. KERNEL_NO_KERNEL where the card
 * cannot do what the net asks for. */
enum kernel_status llamacard_open(struct llamacard **card, const struct llama_net *net, struct gpu_seat *seat,
                                  size_t tokens);

/* Tokens of a run, at most: whole windows. */
size_t llamacard_rows(const struct llamacard *card);

/* Sends tokens[0..n), which begin a window, through the layers. `from` and `to`: the fractions of the whole work that
 * are done before and after. */
enum kernel_status llamacard_run(struct llamacard *card, const uint32_t *tokens, size_t n,
                                 const struct progress *progress, double from, double to);

/* How many of them have their logits at a time, at most; and logits [count, vocab] of tokens first to first + count - 1
 * of the last run. In parts, since a large vocabulary's are larger than the weights. */
size_t             llamacard_stretch(const struct llamacard *card);
enum kernel_status llamacard_logits(struct llamacard *card, size_t first, size_t count, float *logits);

/* Gives the card back after work that ended so. False if the CPU is to do it instead; why stands in the seat. NULL may
 * be closed: false. */
bool llamacard_close(struct llamacard *card, enum kernel_status status);

#endif
