/* gpu_kv.cuh: what decode attention and prefill say of a cache's format: how wide codes are, what they become.
 * PARTS: FP16 numbers of a group of 32, a scale and a minimum. */
#ifndef KERNELS_GPU_KV_CUH
#define KERNELS_GPU_KV_CUH

#include "kernels/gpu_words.cuh"

enum kv { KV_BF16, KV_E4M3, KV_INT8, KV_INT4 };

template <enum kv F> struct kv_traits;
template <> struct kv_traits<KV_BF16> { enum { BITS = 16, PARTS = 0 }; using pair = pair_bf16; };
template <> struct kv_traits<KV_E4M3> { enum { BITS = 8, PARTS = 0 }; using pair = pair_fp16; };
template <> struct kv_traits<KV_INT8> { enum { BITS = 8, PARTS = 1 }; using pair = pair_fp16; };
template <> struct kv_traits<KV_INT4> { enum { BITS = 4, PARTS = 2 }; using pair = pair_fp16; };

static __device__ __forceinline__ uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c)
{
    __half2 v = __hfma2(*(__half2 *)&a, *(__half2 *)&b, *(__half2 *)&c);
    return *(uint32_t *)&v;
}

#endif
