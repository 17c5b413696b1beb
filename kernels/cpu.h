/* cpu.h: what this processor can do, asked from the processor and the operating system.
 * An instruction set counts only if the system also saves its registers (xgetbv).
 * Nothing here is a setting: which instruction set to use is a parameter of each call. */
#ifndef KERNELS_CPU_H
#define KERNELS_CPU_H

#include <stdbool.h>
#include <stddef.h>

enum isa { ISA_SCALAR, ISA_AVX2, ISA_AVX512, ISA_NEON, ISA_COUNT };

struct cpu {
    char   model[64];           /* "AMD EPYC 9655", or the architecture if the model is not told */
    bool   has[ISA_COUNT];      /* ISA_AVX2 includes FMA and F16C; ISA_AVX512 is F, BW, VL, DQ and VNNI */
    enum isa best;              /* the one that is used unless the caller says otherwise */
    size_t l2_bytes;            /* of one core; 0 if unknown */
    size_t last_cache_bytes;    /* the last cache, whole; 32 MiB is assumed if unknown */
};

/* Filled at the first call; safe from any thread; never NULL. */
const struct cpu *cpu_info(void);

/* "scalar", "avx2", "avx512", "neon". */
const char *isa_name(enum isa isa);

/* The instruction set with this name; false (and *isa untouched) if there is none. */
bool isa_find(const char *name, enum isa *isa);

/* True if code for `needs` may run when the caller allows `allowed`: itself, or less of the same family. */
bool isa_allows(enum isa allowed, enum isa needs);

/* Sets this thread's floating point mode to that of the arithmetic: round to nearest, no flush to zero. */
void cpu_fp_setup(void);

/* True if this thread is in that mode. */
bool cpu_fp_ok(void);

#endif
