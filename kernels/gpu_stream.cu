/* gpu_stream.cu: a kernel that reads and does nothing else: what the memory can give.
 * The denominator of the products and of attention, in the same run and over the same bytes.
 * Each thread has four loads of 16 bytes in flight; blocks come as multiprocessors get free. */
#include "kernels/gpu_module.cuh"

enum { THREADS = 256, LOADS = 4 };

static __device__ uint32_t fold(uint4 v)
{
    return v.x ^ v.y ^ v.z ^ v.w;
}

static __global__ void __launch_bounds__(THREADS) read_all(const uint4 *__restrict__ x, size_t n, uint32_t *sum)
{
    size_t first = (size_t)blockIdx.x * THREADS * LOADS + threadIdx.x;
    uint32_t all = 0;
    uint4 v[LOADS];
#pragma unroll
    for (int j = 0; j < LOADS; j++)
        v[j] = first + j * THREADS < n ? __ldcs(x + first + j * THREADS) : make_uint4(0, 0, 0, 0);
#pragma unroll
    for (int j = 0; j < LOADS; j++)
        all ^= fold(v[j]);
    all = __reduce_xor_sync(0xffffffffu, all);
    if (threadIdx.x % 32 == 0 && all == 0x9e3779b9u)    /* hardly ever: the sum must only seem to be needed */
        atomicXor(sum, all);
}

static enum kernel_status launch_read(struct gpu *g, const void *work)
{
    const struct gpu_read *w = (const struct gpu_read *)work;
    size_t n = w->bytes / sizeof(uint4);
    if (n == 0)
        return KERNEL_OK;
    unsigned blocks = (unsigned)((n + THREADS * LOADS - 1) / (THREADS * LOADS));
    read_all<<<blocks, THREADS, 0, g->stream>>>((const uint4 *)w->x, n, w->sum);
    return gpu_launched(g, "read_all");
}

const struct gpu_kernel gpu_stream_rows[] = {
    {GPU_READ, NULL, NULL, 80, 0, launch_read, "read_all", "kernels/gpu_stream.cu"},
    {},
};
