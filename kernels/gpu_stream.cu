/* gpu_stream.cu: a kernel that reads and does nothing else: what the memory can give.
 * The denominator of the products and of attention, in the same run and over the same bytes.
 * Eight loads of 16 bytes are in flight for each thread before the first is used. */
#include "kernels/gpu_module.cuh"

enum { THREADS = 256, LOADS = 8 };

static __device__ uint32_t fold(uint4 v)
{
    return v.x ^ v.y ^ v.z ^ v.w;
}

static __global__ void __launch_bounds__(THREADS) read_all(const uint4 *__restrict__ x, size_t n, uint32_t *sum)
{
    uint32_t all = 0;
    size_t tile = (size_t)THREADS * LOADS, step = (size_t)gridDim.x * tile;
    for (size_t first = blockIdx.x * tile; first < n; first += step) {
        uint4 v[LOADS];
        size_t i = first + threadIdx.x;
#pragma unroll
        for (int j = 0; j < LOADS; j++)
            v[j] = i + (size_t)j * THREADS < n ? __ldcs(x + i + (size_t)j * THREADS) : make_uint4(0, 0, 0, 0);
#pragma unroll
        for (int j = 0; j < LOADS; j++)
            all ^= fold(v[j]);
    }
    all = __reduce_xor_sync(0xffffffffu, all);
    if (threadIdx.x % 32 == 0)
        atomicXor(sum, all);
}

static enum kernel_status launch_read(struct gpu *g, const void *work)
{
    const struct gpu_read *w = (const struct gpu_read *)work;
    size_t n = w->bytes / sizeof(uint4);
    if (n == 0)
        return KERNEL_OK;
    read_all<<<gpu_blocks(g, n, THREADS * LOADS, THREADS, 1), THREADS, 0, g->stream>>>((const uint4 *)w->x, n, w->sum);
    return gpu_launched(g, "read_all");
}

const struct gpu_kernel gpu_stream_rows[] = {
    {GPU_READ, NULL, NULL, 80, 0, launch_read, "read_all", "kernels/gpu_stream.cu"},
    {},
};
