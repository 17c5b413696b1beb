/* kivi.h: a KV cache in few bits as KIVI keeps it, arXiv:2402.02750, with its true cost.
 * K is rounded along each channel in groups of `group` tokens, V along each token in groups of `group` channels, both
 * asymmetric with an FP16 scale and an FP16 minimum. The newest tokens stay in FP16: of V `residual` many, of K what is
 * left over from whole stretches of `residual` tokens. */
#ifndef KERNELS_KIVI_H
#define KERNELS_KIVI_H

#include <stddef.h>

#include "kernels/format.h"
#include "kernels/status.h"

struct kivi_recipe {
    const struct format *format;    /* an integer format of at most 8 bits */
    size_t group, residual;         /* residual is a multiple of group; 0: nothing stays in FP16 */
};

/* One head's cache, rounded. Owned by the caller through kivi_free. */
struct kivi {
    size_t  tokens, dim;
    float  *k, *v;                  /* [tokens, dim] decoded */
    size_t  k_residual, v_residual; /* tokens at the end that are in FP16 */
    size_t  k_bytes, v_bytes;       /* codes, scales, minima, and what is in FP16 */
    double  k_bits, v_bits, bits;   /* per value of K, of V, of both; 0 for an empty cache */
};

/* Rounds k and v [tokens, dim]. On KERNEL_OK, *cache is to be freed; on anything else it is empty. */
enum kernel_status kivi_round(const float *k, const float *v, size_t tokens, size_t dim,
                              const struct kivi_recipe *recipe, struct kivi *cache);
void kivi_free(struct kivi *cache);

/* Attention of one query q [dim] over k and v [tokens, dim] in FP64: weights [tokens] are softmax(q K^T / sqrt(dim)),
 * out [dim] is weights times V. At least one token. The reference against which a rounded cache is measured. */
void kivi_attend(const float *q, const float *k, const float *v, size_t tokens, size_t dim, double *weights,
                 float *out);

/* Bits per value of K, of V and of both for `tokens` tokens, without any data: what kivi_round would count. */
void kivi_bits(const struct kivi_recipe *recipe, size_t tokens, size_t dim, double *k, double *v, double *both);

#endif
