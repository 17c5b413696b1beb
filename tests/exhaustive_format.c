/* exhaustive_format.c: all 2^32 floats through a format's encoder, against oracle.h. Run by `make exhaustive`.
 * Floats of one sign are walked in order, so what is expected is one comparison an input: the next boundary.
 * The faster rows of the kernel table are compared with the same expectation, a block of inputs at a time. "scales"
 * stands for the encoders of scales: all 2^31 magnitudes to FP16 and to E8M0, floor and ceil.
 *
 * exhaustive_format [--seconds N] NAME[:I/N]...  formats of at most 16 bits, or scales, or part I (from 0) of N of a
 *                                                format's walk; stops after N seconds
 * exhaustive_format --list                       the names, one a line */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/encode.h"
#include "kernels/scale.h"
#include "tests/oracle.h"

enum { BLOCK = 1 << 14 };

static double deadline;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* A block of consecutive floats with what they must become. */
struct block {
    float    x[BLOCK], values[BLOCK], got[BLOCK];
    uint32_t codes[BLOCK];
    uint16_t stored[BLOCK];
    uint8_t  packed[2 * BLOCK];             /* the codes as KERNEL_ENCODE packs them */
    struct error_sums sums[BLOCK / ENCODE_CHUNK];
    size_t   clipped;
};

/* Where the walk stands: the magnitude that inputs become until the next boundary. */
struct walk {
    const struct oracle *oracle;
    const struct side *side;
    uint32_t sign, index;
};

static uint32_t expected(struct walk *w, uint32_t magnitude, bool *clips)
{
    float y = of_bits(w->sign | magnitude);
    while (w->index < w->side->n && magnitude <= 0x7f800000u && magnitude >= bits_of(w->side->leaves[w->index]))
        w->index++;
    if (magnitude > 0x7f800000u)
        return oracle_nan(w->oracle);
    bool signless = w->oracle->layout->kind == 'P' && !(y > 0) && !isinf(y);
    *clips = w->index == w->side->n && !signless;
    return oracle_at(w->oracle, w->index, y, (struct cast){0});
}

static void fill(struct walk *w, const struct format *f, uint32_t from, struct block *b)
{
    uint32_t code = UINT32_MAX;
    float value = 0;
    b->clipped = 0;
    for (uint32_t i = 0; i < BLOCK; i++) {
        bool clips = false;
        b->x[i] = of_bits(w->sign | (from + i));
        b->codes[i] = expected(w, from + i, &clips);
        if (b->codes[i] != code) {
            code = b->codes[i];
            value = format_decode(f, code);         /* test_format.c holds every code against its value */
        }
        b->values[i] = value;
        b->clipped += clips;
        encode_store(b->packed, i, f->bits, code);
    }
    for (size_t i = 0; i < BLOCK / ENCODE_CHUNK; i++)
        b->sums[i] = error_measure(b->x + i * ENCODE_CHUNK, b->values + i * ENCODE_CHUNK, ENCODE_CHUNK);
}

static bool report(const struct format *f, const char *function, float x, uint32_t got, uint32_t wanted)
{
    printf("not ok %s: %s gives %a (%08x) the code %x, not %x\n", f->name, function, (double)x, bits_of(x), got,
           wanted);
    return false;
}

static bool try_reference(const struct format *f, const struct block *b)
{
    size_t clipped = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        uint32_t code = format_encode(f, b->x[i], (struct cast){0});
        if (code != b->codes[i])
            return report(f, f->function, b->x[i], code, b->codes[i]);
        clipped += format_clips(f, b->x[i], (struct cast){0});
    }
    return clipped == b->clipped || report(f, "format_clips", b->x[0], (uint32_t)clipped, (uint32_t)b->clipped);
}

static bool try_kernel(const struct format *f, const struct kernel *k, struct block *b)
{
    struct round_run run = {.format = f, .x = b->x, .n = BLOCK, .scale = 1, .inverse = 1, .codes = b->stored,
                             .values = b->got};
    k->round(&run);
    for (size_t i = 0; i < BLOCK; i++) {
        uint32_t code = f->bits > 8 ? b->stored[i] : ((const uint8_t *)b->stored)[i];
        bool same = bits_of(b->got[i]) == bits_of(b->values[i]) || (isnan(b->got[i]) && isnan(b->values[i]));
        if (code != b->codes[i] || !same)
            return report(f, k->function, b->x[i], code, b->codes[i]);
    }
    return run.clipped == b->clipped || report(f, k->function, b->x[0], (uint32_t)run.clipped, (uint32_t)b->clipped);
}

/* A row of packed codes: its codes and, where it has them, its sums. */
static bool try_job(const struct format *f, const struct kernel *k, struct block *b)
{
    static uint8_t codes[2 * BLOCK];
    struct error_sums sums[BLOCK / ENCODE_CHUNK];
    struct encode_job job = {.format = f, .rows = 1, .cols = BLOCK, .x = b->x, .codes = codes, .chunks = sums,
                             .scale = 1, .inverse = 1};
    memset(codes, 0x5a, sizeof codes);
    k->job(&job, 0, BLOCK / ENCODE_CHUNK);
    for (size_t i = 0; memcmp(codes, b->packed, BLOCK / 8 * f->bits) != 0 && i < BLOCK; i++)
        if (encode_load(codes, i, f->bits) != b->codes[i])
            return report(f, k->function, b->x[i], encode_load(codes, i, f->bits), b->codes[i]);
    for (size_t i = 0; k->op == KERNEL_ENCODE_STATS && i < BLOCK / ENCODE_CHUNK; i++)
        if (memcmp(&sums[i], &b->sums[i], sizeof sums[i]) != 0)
            return report(f, k->function, b->x[i * ENCODE_CHUNK], (uint32_t)i, (uint32_t)sums[i].count);
    return true;
}

static bool is_encoder(const struct kernel *k, const struct format *f)
{
    bool encodes = k->op == KERNEL_ROUND || k->op == KERNEL_ENCODE || k->op == KERNEL_ENCODE_STATS;
    return encodes && k->isa != ISA_SCALAR && cpu_info()->has[k->isa] && k->format &&
           strcmp(k->format, f->name) == 0;
}

/* 1: right; 0: wrong; -1: out of time. */
static int try_block(const struct format *f, struct block *b)
{
    if (!try_reference(f, b))
        return 0;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (is_encoder(k, f) && !(k->job ? try_job(f, k, b) : try_kernel(f, k, b)))
            return 0;
    }
    return deadline > 0 && now() > deadline ? -1 : 1;
}

/* Part `part` of `parts` of both signs' walks. */
static int try_format(const struct format *f, uint32_t part, uint32_t parts)
{
    static struct block b;
    struct oracle o;
    double start = now();
    uint64_t tried = 0;
    int verdict = 1;
    if (!oracle_open(&o, f->name))
        return printf("not ok %s: tests/oracle.h knows no layout of it\n", f->name), 0;
    for (uint32_t k = 0; k < 2 && verdict == 1; k++) {
        struct walk w = {&o, &o.side[k], k << 31, 0};
        uint64_t blocks = (1u << 31) / BLOCK, last = blocks * (part + 1) / parts;
        for (uint64_t block = blocks * part / parts; block < last && verdict == 1; block++, tried += BLOCK) {
            fill(&w, f, (uint32_t)(block * BLOCK), &b);
            verdict = try_block(f, &b);
        }
    }
    oracle_close(&o);
    if (verdict == 0)
        return 0;
    printf("%s %s, part %u of %u: %llu inputs, %s", verdict == 1 ? "ok" : "stopped", f->name, part + 1, parts,
           (unsigned long long)tried, f->function);
    for (size_t i = 0; i < kernel_count(); i++)
        if (is_encoder(kernel_at(i), f))
            printf(" %s", kernel_at(i)->function);
    printf(", %.0f s\n", now() - start);
    fflush(stdout);
    return verdict;
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

/* The powers of two for an amax that grows: each becomes the next where amax leaves its reach. */
struct powers {
    struct scale_rule floor_rule, ceil_rule;
    int    floor, ceil;                 /* exponents of the scale, before they are clamped */
    double floor_ends, ceil_ends;       /* the first amax beyond floor's; the last of ceil's */
};

static struct powers powers_of(const char *element)
{
    const struct format *f = format_find(element);
    double largest = layout_of(element)->largest;
    int emax = ilogb(largest);
    return (struct powers){{.format = f, .kind = SCALE_BLOCK}, {.format = f, .kind = SCALE_BLOCK, .mx = MX_CEIL},
                           -150 - emax, -170, ldexp(1, -149), largest * ldexp(1, -170)};
}

static int clamped(int e)
{
    return e < -126 ? -126 : e > 126 ? 126 : e;
}

static bool try_power(const struct scale_rule *rule, float amax, int e)
{
    struct fit fit = scale_fit(rule, (struct range){.amax = amax});
    bool right = fit.stored == (uint32_t)(clamped(e) + 127) && bits_of(fit.scale) == fit.stored << 23;
    return right || report(rule->format, "scale_fit", amax, fit.stored, (uint32_t)(clamped(e) + 127));
}

static bool try_powers(struct powers *p, float amax)
{
    for (; (double)amax >= p->floor_ends; p->floor_ends *= 2)
        p->floor++;
    for (; (double)amax > p->ceil_ends; p->ceil_ends *= 2)
        p->ceil++;
    return try_power(&p->floor_rule, amax, p->floor) && try_power(&p->ceil_rule, amax, p->ceil);
}

static int try_scales(uint32_t part, uint32_t parts)
{
    struct powers powers[] = {powers_of("e2m1"), powers_of("e4m3"), powers_of("mxint8")};
    struct oracle o;
    double start = now();
    if (!oracle_open(&o, "fp16"))
        return 0;
    struct walk w = {&o, &o.side[0], 0, 0};
    uint32_t first = (uint32_t)(0x7f800000ull * part / parts), last = (uint32_t)(0x7f800000ull * (part + 1) / parts);
    for (uint32_t bits = first ? first : 1; bits < last; bits++) {
        bool clips;
        float x = of_bits(bits);
        uint32_t code = expected(&w, bits, &clips);
        float wanted = format_decode(format_find("fp16"), code ? code : 1);
        if (scale_to_fp16(x) != wanted)
            return report(format_find("fp16"), "scale_to_fp16", x, bits_of(scale_to_fp16(x)), bits_of(wanted));
        for (size_t i = 0; i < sizeof powers / sizeof powers[0]; i++)
            if (!try_powers(&powers[i], x))
                return 0;
        if (bits % BLOCK == 0 && deadline > 0 && now() > deadline)
            return printf("stopped scales: %u inputs, %.0f s\n", bits, now() - start), -1;
    }
    oracle_close(&o);
    printf("ok scales, part %u of %u: %u inputs, scale_to_fp16 scale_fit, %.0f s\n", part + 1, parts, last - first,
           now() - start);
    return 1;
}

/* ---- Command line ---------------------------------------------------------------------------------- */

/* Elements that stand alone too are tried there. */
static bool is_twin(const struct format *f)
{
    const struct oracle_layout *l = layout_of(f->name);
    return f->block && l && strcmp(l->name, f->name) != 0;
}

static int list(void)
{
    for (size_t i = 0; i < format_count(); i++)
        if (format_at(i)->bits <= 16 && !is_twin(format_at(i)))
            puts(format_at(i)->name);
    puts("scales");
    return 0;
}

static int try_name(const char *argument)
{
    char name[32];
    unsigned part = 0, parts = 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, ":"), argument);
    if (strchr(argument, ':') && (sscanf(strchr(argument, ':'), ":%u/%u", &part, &parts) != 2 || part >= parts))
        return fprintf(stderr, "exhaustive_format: '%s' names no part: write e4m3:0/16\n", argument), 0;
    const struct format *f = format_find(name);
    if (strcmp(name, "scales") == 0)
        return try_scales(part, parts);
    if (f && f->bits <= 16)
        return try_format(f, part, parts);
    fprintf(stderr, "exhaustive_format: no format of at most 16 bits has the name '%s': see --list\n", name);
    return 0;
}

int main(int argc, char **argv)
{
    int first = 1, wrong = 0;
    cpu_fp_setup();
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc > 2 && strcmp(argv[1], "--seconds") == 0) {
        deadline = atof(argv[2]) > 0 ? now() + atof(argv[2]) : 0;
        first = 3;
    }
    for (int i = first; i < argc; i++)
        wrong += try_name(argv[i]) == 0;
    return wrong ? 1 : 0;
}
