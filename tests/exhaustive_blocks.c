/* exhaustive_blocks.c: the fast rows of KERNEL_QUANTIZE against the reference. Run by `make exhaustive`.
 * Every one of the 2^31 magnitudes as the largest of a row, group or block: its scale and its code. Then random blocks,
 * 10^8 of each format: values around a center that moves over FP32's range, ties of the format under the scale that the
 * block will get, zeros, and a few that are not finite.
 *
 * exhaustive_blocks [--blocks N] FORMAT:I/N...    part I (from 0) of N of a format's work; `N` random blocks in all
 * exhaustive_blocks --list                        the formats, one a line */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/encode.h"
#include "kernels/scale.h"

enum { ROWS = 256, VALUES_MOST = ROWS * 256 };

static uint64_t random_blocks = 100000000;

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

/* One batch: what goes in, what must come out, what came. */
struct batch {
    float   x[VALUES_MOST];
    uint8_t codes[VALUES_MOST], got_codes[VALUES_MOST];
    uint8_t scales[4 * VALUES_MOST / 16], got_scales[4 * VALUES_MOST / 16];
};

static struct batch b;

static bool is_fast(const struct kernel *k, const struct format *f)
{
    return k->op == KERNEL_QUANTIZE && k->isa != ISA_SCALAR && cpu_info()->has[k->isa] &&
           strcmp(k->format, f->name) == 0;
}

/* All fast rows on the batch. */
static bool try_rows(const struct encode_job *job, const char *what)
{
    struct encode_job fast = *job;
    size_t codes = job->rows * encode_row_bytes(job->format, job->cols);
    size_t scales = job->rows * encode_scales_of_row(job->format, job->cols) * encode_scale_bytes(job->format);
    fast.codes = b.got_codes;
    fast.scales = b.got_scales;
    for (size_t i = 0; i < kernel_count(); i++) {
        if (!is_fast(kernel_at(i), job->format))
            continue;
        memset(b.got_codes, 0x5a, codes);
        memset(b.got_scales, 0x5a, scales);
        kernel_at(i)->job(&fast, 0, job->rows);
        if (memcmp(b.codes, b.got_codes, codes) != 0 || memcmp(b.scales, b.got_scales, scales) != 0) {
            printf("not ok %s: %s differs from the reference on %s\n", job->format->name, kernel_at(i)->function, what);
            return false;
        }
    }
    return true;
}

static struct encode_job job_of(const struct format *f, uint64_t turn)
{
    static const float tensors[] = {1, 0.0031f, 0x1p-117f, 0x1.8p97f};
    struct scale scale = encode_scale(f);
    size_t cols = scale.size ? 256 : 64;
    return (struct encode_job){.format = f, .rows = ROWS, .cols = cols, .x = b.x, .codes = b.codes, .scales = b.scales,
                               .scale = 1, .inverse = 1, .tensor = tensors[turn % 4]};
}

static size_t block_size(const struct format *f)
{
    return encode_scale(f).size ? encode_scale(f).size : 64;
}

/* ---- Magnitudes ------------------------------------------------------------------------------------ */

static void put_scale(const struct format *f, size_t i, uint32_t stored)
{
    memcpy(b.scales + i * encode_scale_bytes(f), &stored, encode_scale_bytes(f));   /* little-endian machines */
}

/* Blocks whose only value that is not 0 has the magnitude first + block: what must come out is said by scale_fit. */
static void fill_magnitudes(const struct encode_job *job, uint32_t first)
{
    const struct format *f = job->format;
    struct scale_rule rule = {.format = f, .kind = encode_scale(f).kind, .tensor = job->tensor};
    size_t size = block_size(f), blocks = job->rows * job->cols / size;
    memset(b.x, 0, job->rows * job->cols * sizeof *b.x);
    memset(b.codes, 0, job->rows * encode_row_bytes(f, job->cols));
    for (size_t i = 0; i < blocks; i++) {
        uint32_t magnitude = first + (uint32_t)i;
        float x = of_bits(magnitude | (magnitude & 1) << 31), amax = magnitude < 0x7f800000u ? fabsf(x) : 0;
        struct fit fit = scale_fit(&rule, (struct range){.amax = amax, .peak = amax});
        size_t at = i * size + magnitude % size;
        b.x[at] = x;
        put_scale(f, i, fit.stored);
        encode_store(b.codes, at, f->bits, format_encode(f, x * fit.inverse, (struct cast){0}));
    }
}

static bool try_magnitudes(const struct format *f, uint32_t part, uint32_t parts, uint64_t *tried)
{
    size_t blocks = ROWS * job_of(f, 0).cols / block_size(f);
    uint64_t all = (1u << 31) / blocks;
    for (uint64_t i = all * part / parts; i < all * (part + 1) / parts; i++, *tried += blocks) {
        struct encode_job job = job_of(f, i);
        fill_magnitudes(&job, (uint32_t)(i * blocks));
        if (!try_rows(&job, "magnitudes"))
            return false;
    }
    return true;
}

/* ---- Random blocks --------------------------------------------------------------------------------- */

static uint64_t state;

/* Sebastiano Vigna's splitmix64. */
static inline uint64_t draw(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The format's values above 0 and the points halfway between them, ascending. */
struct grid {
    float at[512];
    size_t n;
};

static struct grid grid_of(const struct format *f)
{
    static float values[256];
    struct grid g = {.n = 0};
    size_t n = format_values(f, 0, f->largest, values, 256);
    for (size_t i = 0; i + 1 < n; i++) {
        g.at[g.n++] = (values[i] + values[i + 1]) / 2;
        g.at[g.n++] = values[i + 1];
    }
    return g;
}

/* A block whose scale is a power of two if the rule allows it, full of ties and values. */
static void fill_ties(const struct grid *g, const struct format *f, float *x, size_t n)
{
    int e = (int)(draw() % 240) - 120;
    for (size_t i = 0; i < n; i++)
        x[i] = ldexpf(g->at[draw() % g->n], e) * (draw() & 1 ? 1 : -1);
    x[draw() % n] = ldexpf(f->largest, e);
}

/* Values within a few powers of two of a center. */
static void fill_around(float *x, size_t n)
{
    uint64_t r = draw();
    uint32_t center = (uint32_t)(r % 255), spread = 1 + (uint32_t)(r >> 32) % 20;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = draw();
        uint32_t below = (uint32_t)(bits >> 32) % spread, exponent = center > below ? center - below : 0;
        x[i] = of_bits((uint32_t)(bits & 0x807fffffu) | exponent << 23);
        x[i] = (bits >> 56) < 8 ? 0 : x[i];
    }
    if (r >> 40 == 0 || (r >> 40) % 4096 == 1)
        x[r % n] = of_bits((uint32_t)r | 0x7f800000u);
}

static bool try_random(const struct format *f, uint32_t part, uint32_t parts, uint64_t *tried)
{
    const struct kernel *reference = kernel_find(KERNEL_QUANTIZE, f->name, ISA_SCALAR);
    struct grid g = grid_of(f);
    size_t size = block_size(f), blocks = ROWS * job_of(f, 0).cols / size;
    uint64_t all = random_blocks / blocks + 1;
    state = 77 + part;
    for (uint64_t i = all * part / parts; i < all * (part + 1) / parts; i++, *tried += blocks) {
        struct encode_job job = job_of(f, i);
        for (size_t block = 0; block < blocks; block++)
            if (draw() % 4 == 0)
                fill_ties(&g, f, b.x + block * size, size);
            else
                fill_around(b.x + block * size, size);
        reference->job(&job, 0, job.rows);
        if (!try_rows(&job, "random blocks"))
            return false;
    }
    return true;
}

/* ---- Command line ---------------------------------------------------------------------------------- */

static int list(void)
{
    for (size_t i = 0; i < format_count(); i++)
        for (size_t k = 0; k < kernel_count(); k++)
            if (is_fast(kernel_at(k), format_at(i))) {
                puts(format_at(i)->name);
                break;
            }
    return 0;
}

static bool try_part(const char *argument)
{
    char name[32];
    unsigned part = 0, parts = 1;
    uint64_t magnitudes = 0, blocks = 0;
    double start = now();
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, ":"), argument);
    const struct format *f = format_find(name);
    bool named = !strchr(argument, ':') || sscanf(strchr(argument, ':'), ":%u/%u", &part, &parts) == 2;
    if (!f || !named || part >= parts || encode_scale(f).kind == SCALE_NONE) {
        fprintf(stderr, "exhaustive_blocks: '%s' names no part of a format: see --list, write mxfp4:0/16\n", argument);
        return false;
    }
    if (!try_magnitudes(f, part, parts, &magnitudes) || !try_random(f, part, parts, &blocks))
        return false;
    printf("ok %s, part %u of %u: %llu magnitudes, %llu random blocks,", f->name, part + 1, parts,
           (unsigned long long)magnitudes, (unsigned long long)blocks);
    for (size_t i = 0; i < kernel_count(); i++)
        if (is_fast(kernel_at(i), f))
            printf(" %s", kernel_at(i)->function);
    printf(", %.0f s\n", now() - start);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    int first = 1, wrong = 0;
    cpu_fp_setup();
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc > 2 && strcmp(argv[1], "--blocks") == 0) {
        random_blocks = strtoull(argv[2], NULL, 10);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        wrong += !try_part(argv[i]);
    return wrong ? 1 : 0;
}
