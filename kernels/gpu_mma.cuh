/* gpu_mma.cuh: the few PTX instructions that products and attention are built from.
 * All of them exist on every card from sm_80 on. Fragments are as the PTX manual lays them out: of lane l, g = l / 4
 * and t = l % 4; A is 16 x 16 (rows g, g + 8; columns 2 t, 2 t + 1, 2 t + 8, 2 t + 9), B is 16 x 8, C and D 16 x 8. */
#ifndef KERNELS_GPU_MMA_CUH
#define KERNELS_GPU_MMA_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

/* The two 16-bit types that tensor cores take, behind one set of names; a register holds two values. */
struct pair_fp16 {
    static constexpr bool fp16 = true;
    static __device__ __forceinline__ uint32_t make(float low, float high)
    {
        __half2 v = __floats2half2_rn(low, high);
        return *(uint32_t *)&v;
    }
    static __device__ __forceinline__ uint32_t mul(uint32_t a, uint32_t b)
    {
        __half2 v = __hmul2(*(__half2 *)&a, *(__half2 *)&b);
        return *(uint32_t *)&v;
    }
    static __device__ __forceinline__ uint32_t sub(uint32_t a, uint32_t b)
    {
        __half2 v = __hsub2(*(__half2 *)&a, *(__half2 *)&b);
        return *(uint32_t *)&v;
    }
    static __device__ __forceinline__ float low(uint32_t a)
    {
        return __low2float(*(__half2 *)&a);
    }
    static __device__ __forceinline__ float high(uint32_t a)
    {
        return __high2float(*(__half2 *)&a);
    }
    static __device__ __forceinline__ void mma(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
    {
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                     "{%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
};

struct pair_bf16 {
    static constexpr bool fp16 = false;
    static __device__ __forceinline__ uint32_t make(float low, float high)
    {
        __nv_bfloat162 v = __floats2bfloat162_rn(low, high);
        return *(uint32_t *)&v;
    }
    static __device__ __forceinline__ uint32_t mul(uint32_t a, uint32_t b)
    {
        __nv_bfloat162 v = __hmul2(*(__nv_bfloat162 *)&a, *(__nv_bfloat162 *)&b);
        return *(uint32_t *)&v;
    }
    static __device__ __forceinline__ uint32_t sub(uint32_t a, uint32_t b)
    {
        __nv_bfloat162 v = __hsub2(*(__nv_bfloat162 *)&a, *(__nv_bfloat162 *)&b);
        return *(uint32_t *)&v;
    }
    static __device__ __forceinline__ float low(uint32_t a)
    {
        return __uint_as_float(a << 16);
    }
    static __device__ __forceinline__ float high(uint32_t a)
    {
        return __uint_as_float(a & 0xffff0000u);
    }
    static __device__ __forceinline__ void mma(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
    {
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                     "{%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
};

/* Kernels that live on shared memory come in two sizes: one for cards that give a block 227 KB of it (compute
 * capability 9.0 and 10.0), and SMALL, which needs at most 99 KB, for all others. Each card's code has its own only. */
template <bool SMALL>
struct gpu_built {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDA_ARCH__ < 1200
    static constexpr bool here = !SMALL;
#else
    static constexpr bool here = SMALL;
#endif
};

/* The first thing that a kernel launched by gpu_follow does: what the kernel before it wrote is there from here on, and
 * the one after it may get ready. */
static __device__ __forceinline__ void grid_follows()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait; griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* 16 bytes from global to shared memory, past L1; they have landed after copies_wait. */
static __device__ __forceinline__ void copy_16(uint32_t to, const void *from)
{
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

/* The same if `there`. */
static __device__ __forceinline__ void copy_16_if(bool there, uint32_t to, const void *from)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %2, 0; @p cp.async.cg.shared.global.L2::128B [%0], [%1], 16; }"
                 ::"r"(to), "l"(from), "r"((int)there) : "memory");
}

static __device__ __forceinline__ void copies_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N of the groups committed last are still on their way. */
template <int N>
static __device__ __forceinline__ void copies_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

static __device__ __forceinline__ uint4 load_shared_16(uint32_t from)
{
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(from));
    return v;
}

static __device__ __forceinline__ uint2 load_shared_8(uint32_t from)
{
    uint2 v;
    asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(from));
    return v;
}

static __device__ __forceinline__ uint32_t load_shared_4(uint32_t from)
{
    uint32_t v;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(from));
    return v;
}

static __device__ __forceinline__ uint32_t load_shared_2(uint32_t from)
{
    uint16_t v;
    asm volatile("ld.shared.u16 %0, [%1];" : "=h"(v) : "r"(from));
    return v;
}

/* Four 8 x 8 matrices of 16-bit values, transposed: lane l names row l % 8 of matrix l / 8, and receives of each matrix
 * the values [2 t][g] and [2 t + 1][g]. */
static __device__ __forceinline__ void load_transposed(uint32_t v[4], uint32_t from)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(from)
                 : "memory");
}

/* An 8 x 8 matrix of 16-bit values held as [g][2 t], [g][2 t + 1], transposed within the warp. */
static __device__ __forceinline__ uint32_t transpose(uint32_t v)
{
    uint32_t d;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(d) : "r"(v));
    return d;
}

/* 2^x in one instruction, relative error 2^-22; results below 2^-126 are 0. */
static __device__ __forceinline__ float power_of_two(float x)
{
    float d;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(x));
    return d;
}

/* (a & b) | c and (a & b) ^ c in one instruction each. */
template <uint32_t MASK, uint32_t BITS>
static __device__ __forceinline__ uint32_t mask_or(uint32_t a)
{
    uint32_t d;
    asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(d) : "r"(a), "n"(MASK), "n"(BITS));
    return d;
}

template <uint32_t MASK, uint32_t BITS>
static __device__ __forceinline__ uint32_t mask_xor(uint32_t a)
{
    uint32_t d;
    asm("lop3.b32 %0, %1, %2, %3, 0x6A;" : "=r"(d) : "r"(a), "n"(MASK), "n"(BITS));
    return d;
}

/* (a & MASK) | b. */
template <uint32_t MASK>
static __device__ __forceinline__ uint32_t mask_join(uint32_t a, uint32_t b)
{
    uint32_t d;
    asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(d) : "r"(a), "n"(MASK), "r"(b));
    return d;
}

#endif
