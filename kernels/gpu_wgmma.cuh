/* gpu_wgmma.cuh: the PTX instructions of sm_90a that prefill is built from: products of four warps, and barriers.
 * Such a product reads B, and A unless that is in registers, from shared memory in blocks of rows of 128 bytes, chunk c
 * of 16 bytes of row r at c ^ (r & 7); a block begins at a multiple of 1,024. D is of 64 rows, warp w's from 16 w on,
 * lanes as in gpu_mma.cuh. Other cards have none of this: see gpu_hopper in gpu_prefill.cuh. */
#ifndef KERNELS_GPU_WGMMA_CUH
#define KERNELS_GPU_WGMMA_CUH

#include "kernels/gpu_mma.cuh"

/* Registers "%0," to "%N," of an instruction's text, and of D: d[i][0..3] to d[i + 3][0..3]. */
#define WGMMA_TEN(t) \
    "%" #t "0,%" #t "1,%" #t "2,%" #t "3,%" #t "4,%" #t "5,%" #t "6,%" #t "7,%" #t "8,%" #t "9,"
#define WGMMA_30 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9," WGMMA_TEN(1) WGMMA_TEN(2)
#define WGMMA_60 WGMMA_30 WGMMA_TEN(3) WGMMA_TEN(4) WGMMA_TEN(5)
#define WGMMA_120 WGMMA_60 WGMMA_TEN(6) WGMMA_TEN(7) WGMMA_TEN(8) WGMMA_TEN(9) WGMMA_TEN(10) WGMMA_TEN(11)
#define WGMMA_D4(i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define WGMMA_D16(i) WGMMA_D4(i), WGMMA_D4(i + 1), WGMMA_D4(i + 2), WGMMA_D4(i + 3)
#define WGMMA_D64(i) WGMMA_D16(i), WGMMA_D16(i + 4), WGMMA_D16(i + 8), WGMMA_D16(i + 12)
#define WGMMA_N64 WGMMA_30 "%30,%31"
#define WGMMA_N128 WGMMA_60 "%60,%61,%62,%63"
#define WGMMA_N256 WGMMA_120 "%120,%121,%122,%123,%124,%125,%126,%127"

/* The instructions: A and B in shared memory, both with their 16 columns contiguous; and A in registers, B with its n
 * contiguous. a, b, c, ... number the operands behind D. */
#define WGMMA_SHARED(n, type, regs, a, b, c, ...) \
    asm volatile("{.reg .pred add; setp.ne.b32 add, %" #c ", 0; wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type \
                 "." type " {" regs "}, %" #a ", %" #b ", add, 1, 1, 0, 0;}" \
                 : __VA_ARGS__ : "l"(from_a), "l"(from_b), "r"(add))
#define WGMMA_REGISTERS(n, type, regs, a, b, c, e, f, ...) \
    asm volatile("{.reg .pred add; setp.eq.b32 add, 0, 0; wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type \
                 "." type " {" regs "}, {%" #a ",%" #b ",%" #c ",%" #e "}, %" #f ", add, 1, 1, 1;}" \
                 : __VA_ARGS__ : "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3]), "l"(from_b))

/* D = A B, plus D where `add`: N columns, 16 deep. */
template <class PAIR, int N>
static __device__ __forceinline__ void wgmma_shared(float (*d)[4], uint64_t from_a, uint64_t from_b, int add)
{
    constexpr bool FP16 = PAIR::fp16;
    static_assert(N == 64 || N == 128, "a width that is spelled out above");
    if constexpr (N == 64 && FP16)
        WGMMA_SHARED(64, "f16", WGMMA_N64, 32, 33, 34, WGMMA_D16(0), WGMMA_D16(4));
    else if constexpr (N == 64)
        WGMMA_SHARED(64, "bf16", WGMMA_N64, 32, 33, 34, WGMMA_D16(0), WGMMA_D16(4));
    else if constexpr (FP16)
        WGMMA_SHARED(128, "f16", WGMMA_N128, 64, 65, 66, WGMMA_D64(0));
    else
        WGMMA_SHARED(128, "bf16", WGMMA_N128, 64, 65, 66, WGMMA_D64(0));
}

/* D += A B, A of registers. */
template <class PAIR, int N>
static __device__ __forceinline__ void wgmma_registers(float (*d)[4], const uint32_t v[4], uint64_t from_b)
{
    constexpr bool FP16 = PAIR::fp16;
    static_assert(N == 64 || N == 128 || N == 256, "a width that is spelled out above");
    if constexpr (N == 64 && FP16)
        WGMMA_REGISTERS(64, "f16", WGMMA_N64, 32, 33, 34, 35, 36, WGMMA_D16(0), WGMMA_D16(4));
    else if constexpr (N == 64)
        WGMMA_REGISTERS(64, "bf16", WGMMA_N64, 32, 33, 34, 35, 36, WGMMA_D16(0), WGMMA_D16(4));
    else if constexpr (N == 128 && FP16)
        WGMMA_REGISTERS(128, "f16", WGMMA_N128, 64, 65, 66, 67, 68, WGMMA_D64(0));
    else if constexpr (N == 128)
        WGMMA_REGISTERS(128, "bf16", WGMMA_N128, 64, 65, 66, 67, 68, WGMMA_D64(0));
    else if constexpr (FP16)
        WGMMA_REGISTERS(256, "f16", WGMMA_N256, 128, 129, 130, 131, 132, WGMMA_D64(0), WGMMA_D64(16));
    else
        WGMMA_REGISTERS(256, "bf16", WGMMA_N256, 128, 129, 130, 131, 132, WGMMA_D64(0), WGMMA_D64(16));
}

/* What tells an instruction where blocks of `rows` rows lie: eight rows are 1,024 bytes from the next eight, a block
 * 128 rows from the next one. */
static __device__ __forceinline__ uint64_t wgmma_place(uint32_t address, int rows)
{
    return (uint64_t)(address >> 4 & 0x3fff) | (uint64_t)(rows * 128 >> 4) << 16 | (uint64_t)(1024 >> 4) << 32 |
           (uint64_t)1 << 62;
}

/* Before the first product, and after registers of one were written. */
static __device__ __forceinline__ void wgmma_begin()
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

static __device__ __forceinline__ void wgmma_commit()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Waits until at most LEFT groups are under way; D of those that ended may be read. */
template <int LEFT, int N>
static __device__ __forceinline__ void wgmma_wait(float (*d)[4])
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
#pragma unroll
    for (int i = 0; i < N / 8; i++)
        asm volatile("" : WGMMA_D4(i)::"memory");
}

/* What ordinary stores to shared memory need before products may read it. */
static __device__ __forceinline__ void fence_async()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

static __device__ __forceinline__ void barrier_open(uint32_t barrier, int count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}

static __device__ __forceinline__ void barrier_arrive(uint32_t barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/* Waits for the end of the phase of this parity: 0 for the first. */
static __device__ __forceinline__ void barrier_wait(uint32_t barrier, int parity)
{
    asm volatile("{.reg .pred done;\n"
                 "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra again;}" ::"r"(barrier), "r"(parity) : "memory");
}

/* Threads of some warps meet; barrier 0 is __syncthreads'. */
template <int THREADS>
static __device__ __forceinline__ void meet(int barrier)
{
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(THREADS) : "memory");
}

template <int REGISTERS>
static __device__ __forceinline__ void registers_raise()
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS>
static __device__ __forceinline__ void registers_lower()
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

#endif
