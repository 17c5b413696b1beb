/* cpu.c: cpuid and xgetbv in one place, sizes of caches, and the floating point mode.
 * __builtin_cpu_supports is not used: compilers disagree on the names it knows. */
#include "kernels/cpu.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const isa_names[ISA_COUNT] = {
    [ISA_SCALAR] = "scalar", [ISA_AVX2] = "avx2", [ISA_AVX512] = "avx512", [ISA_NEON] = "neon",
};

const char *isa_name(enum isa isa)
{
    return isa < ISA_COUNT ? isa_names[isa] : "unknown";
}

bool isa_find(const char *name, enum isa *isa)
{
    for (int i = 0; name && i < ISA_COUNT; i++) {
        if (strcmp(isa_names[i], name) == 0) {
            *isa = (enum isa)i;
            return true;
        }
    }
    return false;
}

bool isa_allows(enum isa allowed, enum isa needs)
{
    return needs == ISA_SCALAR || needs == allowed || (allowed == ISA_AVX512 && needs == ISA_AVX2);
}

/* ---- x86 ------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>

enum { MXCSR_DEFAULT = 0x1f80 };    /* all exceptions masked, nearest even, no FTZ, no DAZ */
enum { MXCSR_FLAGS = 0x3f };        /* sticky exception flags: not part of the mode */

static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void detect_isa(struct cpu *cpu)
{
    enum { XMM_YMM = 0x6, ZMM = 0xe0 };     /* XCR0: SSE and AVX state; opmask and both halves of ZMM */
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return;
    uint64_t saved = saved_registers();
    bool fma = c & bit_FMA, f16c = c & bit_F16C, avx = c & bit_AVX;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    cpu->has[ISA_AVX2] = (saved & XMM_YMM) == XMM_YMM && avx && fma && f16c && (b & bit_AVX2);
    cpu->has[ISA_AVX512] = cpu->has[ISA_AVX2] && (saved & ZMM) == ZMM && (b & bit_AVX512F) && (b & bit_AVX512BW) &&
                           (b & bit_AVX512VL) && (b & bit_AVX512DQ) && (c & bit_AVX512VNNI);
    cpu->best = cpu->has[ISA_AVX512] ? ISA_AVX512 : cpu->has[ISA_AVX2] ? ISA_AVX2 : ISA_SCALAR;
}

static void detect_model(struct cpu *cpu)
{
    unsigned brand[12], a, b, c, d;
    if (!__get_cpuid(0x80000000u, &a, &b, &c, &d) || a < 0x80000004u)
        return;
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2], &brand[4 * i + 3]);
    char text[sizeof brand + 1] = "";
    memcpy(text, brand, sizeof brand);
    const char *start = text + strspn(text, " ");
    size_t length = strlen(start);
    while (length > 0 && start[length - 1] == ' ')
        length--;
    if (length > 0)
        snprintf(cpu->model, sizeof cpu->model, "%.*s", (int)length, start);
}

void cpu_fp_setup(void)
{
    _mm_setcsr(MXCSR_DEFAULT);
}

bool cpu_fp_ok(void)
{
    return (_mm_getcsr() & ~(unsigned)MXCSR_FLAGS) == MXCSR_DEFAULT;
}

/* ---- AArch64 --------------------------------------------------------------------------------------- */

#elif defined(__aarch64__)

static void detect_isa(struct cpu *cpu)
{
    cpu->has[ISA_NEON] = true;      /* part of the architecture */
    cpu->best = ISA_NEON;
}

static void detect_model(struct cpu *cpu)
{
    snprintf(cpu->model, sizeof cpu->model, "AArch64");
}

void cpu_fp_setup(void)
{
    uint64_t mode = 0;              /* FPCR: nearest even, no FZ, no default NaN */
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}

bool cpu_fp_ok(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode == 0;
}

/* ---- Any other processor --------------------------------------------------------------------------- */

#else

static void detect_isa(struct cpu *cpu)   { (void)cpu; }
static void detect_model(struct cpu *cpu) { (void)cpu; }
void cpu_fp_setup(void)                   { }
bool cpu_fp_ok(void)                      { return true; }

#endif

/* ---- Caches ---------------------------------------------------------------------------------------- */

/* Reads "32768K" or "32M" from one file below /sys; 0 if it cannot. */
static size_t size_file(int index, const char *name, char *text, size_t room)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t length = fread(text, 1, room - 1, file);
    fclose(file);
    text[length] = 0;
    return length;
}

static size_t cache_size(int index)
{
    char text[32], unit = 0;
    unsigned long size = 0;
    if (!size_file(index, "size", text, sizeof text) || sscanf(text, "%lu%c", &size, &unit) < 1)
        return 0;
    return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
}

static void detect_caches(struct cpu *cpu)
{
    for (int index = 0; index < 8; index++) {
        char text[32];
        size_t size = cache_size(index);
        if (size && size_file(index, "level", text, sizeof text) && text[0] == '2')
            cpu->l2_bytes = size;
        if (size > cpu->last_cache_bytes)
            cpu->last_cache_bytes = size;
    }
#ifdef _SC_LEVEL3_CACHE_SIZE
    long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (!cpu->last_cache_bytes && l3 > 0)
        cpu->last_cache_bytes = (size_t)l3;
#endif
    if (!cpu->last_cache_bytes)
        cpu->last_cache_bytes = (size_t)32 << 20;
}

static struct cpu this_cpu;
static pthread_once_t detected = PTHREAD_ONCE_INIT;

static void detect(void)
{
    snprintf(this_cpu.model, sizeof this_cpu.model, "unknown processor");
    this_cpu.has[ISA_SCALAR] = true;
    detect_isa(&this_cpu);
    detect_model(&this_cpu);
    detect_caches(&this_cpu);
}

const struct cpu *cpu_info(void)
{
    pthread_once(&detected, detect);
    return &this_cpu;
}
