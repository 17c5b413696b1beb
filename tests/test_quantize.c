/* test_quantize.c: whole tensors against a slow quantizer that shares no code with the fast one.
 * It walks every element's group by itself, rounds scales and values with oracle.h and computes in FP64, rounding to
 * FP32 where the arithmetic says so. Every format meets every scale, zero-point, clip and rounding that it allows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/quantize.h"
#include "kernels/random.h"
#include "tests/oracle.h"

enum { SAMPLE = 5 * 83 };

/* ---- The slow quantizer ---------------------------------------------------------------------------- */

/* Oracles are made once and kept. */
static const struct oracle *oracle(const char *name)
{
    static struct oracle known[64];
    static const char *names[64];
    for (int i = 0; i < 64; i++) {
        if (!names[i]) {
            if (!oracle_open(&known[i], name))
                fail_msg("tests/oracle.h knows no layout of '%s': add it", name);
            names[i] = name;
        }
        if (strcmp(names[i], name) == 0)
            return &known[i];
    }
    return NULL;
}

/* x rounded to the nearest value of a format, saturating. */
static double nearest(const char *name, double x)
{
    const struct side *s = &oracle(name)->side[x < 0];
    uint32_t i = oracle_index(s, (float)x, ROUND_NEAREST);
    double value = s->value[i < s->n ? i : s->n - 1];
    return x < 0 ? -value : value;
}

static double decoded(const char *name, uint32_t code)
{
    for (int k = 0; k < 2; k++) {
        const struct side *s = &oracle(name)->side[k];
        uint32_t guess = code & ((1u << (oracle(name)->layout->bits - 1)) - 1);     /* floats are numbered so */
        if (guess < s->n && s->code[guess] == code)
            return s->value[guess] * (k ? -1 : 1);
        for (uint32_t i = 0; s->n < 256 && i < s->n; i++)
            if (s->code[i] == code)
                return s->value[i] * (k ? -1 : 1);
    }
    const struct oracle_layout *l = oracle(name)->layout;
    uint32_t sign = 1u << (l->bits - 1);
    bool infinite = l->infinity >= 0 && (code & ~sign) == (uint32_t)l->infinity;
    return (double)(infinite ? copysignf(INFINITY, code & sign ? -1.0f : 1.0f) : NAN);
}

static double between(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* The same division or product as in FP32: FP64 has more than twice the digits, so rounding twice does no harm. */
static double fp32(double x)
{
    return (double)(float)x;
}

struct problem {
    const float *x;
    size_t rows, cols;
    struct recipe r;
    struct scale scale;         /* as used: of block formats the format's own */
    double tensor;              /* scale of the tensor */
};

/* What an element shares its scale with. */
struct members {
    float  value[SAMPLE];
    size_t n;
    double amax, low, high, peak;
};

static bool together(const struct problem *p, size_t a, size_t b)
{
    size_t ra = a / p->cols, rb = b / p->cols, ca = a % p->cols, cb = b % p->cols;
    switch (p->scale.kind) {
    case SCALE_NONE:
    case SCALE_TENSOR:  return true;
    case SCALE_CHANNEL:
    case SCALE_TOKEN:   return ra == rb;
    case SCALE_TILE:    return ra / p->scale.rows == rb / p->scale.rows && ca / p->scale.size == cb / p->scale.size;
    default:            return ra == rb && ca / p->scale.size == cb / p->scale.size;
    }
}

static int by_size(const void *a, const void *b)
{
    float x = fabsf(*(const float *)a), y = fabsf(*(const float *)b);
    return (x > y) - (x < y);
}

static struct members gather(const struct problem *p, size_t i)
{
    struct members m = {.low = INFINITY, .high = -INFINITY};
    for (size_t k = 0; k < p->rows * p->cols; k++) {
        if (!together(p, i, k) || !isfinite(p->x[k]))
            continue;
        double x = (double)p->x[k];
        m.value[m.n++] = p->x[k];
        m.peak = fabs(x) > fabs(m.peak) ? x : m.peak;
        m.low = fmin(m.low, x);
        m.high = fmax(m.high, x);
    }
    if (!m.n)
        m.low = m.high = 0;
    m.amax = fabs(m.peak);
    return m;
}

static void clip_members(const struct problem *p, struct members *m)
{
    if (p->r.clip.kind == CLIP_PERCENTILE && m->n) {
        qsort(m->value, m->n, sizeof *m->value, by_size);
        double most = (double)fabsf(m->value[(size_t)ceil((double)m->n * (double)p->r.clip.percent / 100 - 1e-6) - 1]);
        m->low = fmax(m->low, -most);
        m->high = fmin(m->high, most);
        m->amax = fmin(m->amax, most);
        m->peak = copysign(m->amax, m->peak);
    }
}

/* One group's scale and what goes with it. */
struct slow_fit {
    double scale, inverse, minimum, zero;
};

static double quotient(double amax, double by)
{
    return amax == 0 ? 1 : between(fp32(amax / by), 0x1p-126, 0x1p126);
}

static double fp16(double x)
{
    return between(nearest("fp16", x), 0x1p-24, 65504);
}

static struct slow_fit fit_of(const struct problem *p, const struct members *m)
{
    const struct oracle_layout *l = oracle(p->r.format->name)->layout;
    double codes = (1 << (l->bits & 15)) - 1, low = m->low, high = m->high, scale;
    if (p->r.zero == ZERO_GPTQ) {
        low = fmin(0, low);
        high = fmax(0, high);
    }
    if (p->r.zero == ZERO_FULL)
        scale = quotient(m->amax, (codes + 1) / 2 - 0.5);
    else if (p->r.zero != ZERO_NONE)
        scale = quotient(fp32(high - low), codes);
    else
        scale = quotient(m->amax, l->largest);
    struct slow_fit fit = {.scale = scale};
    switch (p->scale.kind) {
    case SCALE_NONE:
        fit.scale = 1;
        break;
    case SCALE_GROUP:
        fit.scale = fp16(scale);
        break;
    case SCALE_SIGNED:
        fit.scale = fp16(quotient(m->amax, 8)) * (m->peak > 0 ? -1 : 1);
        break;
    case SCALE_BLOCK: {
        int e = 0, top;
        double part = 2 * frexp(l->largest, &top);
        if (m->amax > 0) {
            double amax_part = 2 * frexp(m->amax, &e);
            e -= top;
            e += p->r.mx == MX_CEIL && amax_part > part;
        }
        fit.scale = ldexp(1, (int)between(e, -126, 126));
        break;
    }
    case SCALE_TWO_LEVEL: {
        double unit = fp32(1 / fp32(l->largest * p->tensor));
        fit.scale = fp32(nearest("e4m3", fp32(m->amax * unit)) * p->tensor);
        break;
    }
    default:
        break;
    }
    fit.inverse = fit.scale == 0 ? 0 : fp32(1 / fit.scale);
    if (p->r.zero == ZERO_KIVI)
        fit.minimum = nearest("fp16", low);
    else if (p->r.zero >= ZERO_AWQ)
        fit.zero = between(nearbyint(fp32(-low * fit.inverse)), 0, codes);
    return fit;
}

struct slow {
    uint32_t code;
    double   value;
    bool     clips;
};

static double integer(double y, const struct problem *p, size_t i)
{
    if (isnan(y))
        return 0;
    double size = fabs(y), low = floor(size), rest = size - low;
    double random = random_bits(p->r.seed, STREAM_VALUES, p->r.first + i) >> 8;
    bool up = p->r.cast.rounding == ROUND_NEAREST      ? rest > 0.5 || (rest == 0.5 && fmod(low, 2) == 1)
              : p->r.cast.rounding == ROUND_STOCHASTIC ? random < rest * 0x1p24
                                                       : false;
    return copysign(isinf(y) ? size : low + up, y);
}

/* A stochastic code: the neighbor away from zero if the random number says so. */
static uint32_t stochastic_code(const struct problem *p, size_t i, float y, bool *clips)
{
    const struct oracle *o = oracle(p->r.format->name);
    struct cast how = {ROUND_ZERO, p->r.cast.overflow, 0};
    const struct side *s = &o->side[signbit(y) ? 1 : 0];
    uint32_t index = oracle_index(s, y, ROUND_ZERO);
    double size = fabs((double)y), random = random_bits(p->r.seed, STREAM_VALUES, p->r.first + i) >> 8;
    if (!isfinite(y) || (o->layout->kind == 'P' && !(y > 0)))
        return oracle_encode(o, y, (struct cast){ROUND_NEAREST, p->r.cast.overflow, 0}, clips);
    if (index < s->n && random < 0x1p24 * (size - s->value[index]) / (s->value[index + 1] - s->value[index]))
        index++;
    *clips = index >= s->n;
    if (index >= s->n && p->r.cast.overflow == OVERFLOW_NATIVE)
        how.rounding = ROUND_NEAREST;
    return oracle_at(o, index, y, how);
}

static struct slow slow_element(const struct problem *p, size_t i, const struct slow_fit *fit)
{
    const char *name = p->r.format->name;
    double codes = (1 << (p->r.format->bits & 15)) - 1;
    struct slow s = {0};
    if (p->r.zero == ZERO_NONE) {
        float y = (float)((double)p->x[i] * fit->inverse);
        s.code = p->r.cast.rounding == ROUND_STOCHASTIC ? stochastic_code(p, i, y, &s.clips)
                                                        : oracle_encode(oracle(name), y, p->r.cast, &s.clips);
        s.value = fp32(decoded(name, s.code) * fit->scale);
        return s;
    }
    double half = p->r.zero == ZERO_FULL ? (codes + 1) / 2 : fit->zero;
    double y = integer(fp32(fp32((double)p->x[i] - fit->minimum) * fit->inverse), p, i) + half;
    double code = between(y, 0, codes);
    s.clips = code != y;
    s.code = (uint32_t)(p->r.zero == ZERO_FULL ? (int)(code - half) & (int)codes : (int)code);
    s.value = fp32(fp32((code - half) * fit->scale) + fit->minimum);
    return s;
}

/* ---- Comparing ------------------------------------------------------------------------------------- */

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b;
}

/* How many elements, and counts, differ from the slow quantizer. */
static size_t count_wrong(const struct problem *p, const struct quant *q)
{
    size_t wrong = 0, zeros = 0, clipped = 0, nonfinite = 0;
    struct slow_fit fit = {0};
    for (size_t i = 0; i < p->rows * p->cols; i++) {
        if (i == 0 || !together(p, i, i - 1)) {
            struct members m = gather(p, i);
            clip_members(p, &m);
            fit = fit_of(p, &m);
        }
        struct slow s = slow_element(p, i, &fit);
        wrong += s.code != quant_code(q, i) || !same(s.value, (double)q->values[i]) ||
                 (double)quant_scale(q, i) != fit.scale;
        zeros += s.value == 0;
        clipped += s.clips;
        nonfinite += !isfinite(p->x[i]);
    }
    return wrong + (zeros != q->zero_count) + (clipped != q->clipped) + (nonfinite != q->nonfinite);
}

static struct problem problem_of(const float *x, size_t rows, size_t cols, const struct recipe *r)
{
    struct problem p = {.x = x, .rows = rows, .cols = cols, .r = *r, .scale = r->scale, .tensor = 1};
    double amax = 0;
    if (r->scale.kind == SCALE_NONE && r->format->block)
        p.scale = recipe_scale(r->format);
    for (size_t i = 0; i < rows * cols; i++)
        amax = isfinite(x[i]) ? fmax(amax, fabs((double)x[i])) : amax;
    if (r->scale.kind == SCALE_TWO_LEVEL && amax > 0)
        p.tensor = fmax(fp32(amax / (448 * oracle(r->format->name)->layout->largest)), 0x1p-117);
    return p;
}



/* Values of all sizes and kinds; 5 rows of 83 leave ragged ends everywhere. */
static void fill_sample(float *x, uint64_t seed)
{
    random_gaussian(x, SAMPLE, seed, 1);
    random_outliers(x, SAMPLE, seed, 0.02, 40);
    for (size_t i = 0; i < 83; i++) {
        x[83 + i] *= 1e-6f;                     /* a row of small ones */
        x[4 * 83 + i] = 9 + fabsf(x[i]);        /* a row far from 0, for zero-points */
    }
    for (size_t i = 2 * 83; i < 2 * 83 + 34; i++)
        x[i] = i % 2 ? 0 : -0.0f;               /* more than a block of zeros */
    x[7] = NAN, x[100] = INFINITY, x[101] = -INFINITY, x[200] = 0x1p-140f;
}

static void report(const struct recipe *r, size_t wrong)
{
    char scale[40], clip[40];
    scale_print(r->scale, scale, sizeof scale);
    recipe_print_clip(r->clip, clip, sizeof clip);
    fail_msg("%s, scale %s, zero-point %s, clip %s, mx %d, rounding %d, overflow %d: %zu differ", r->format->name,
             scale, zero_point_name(r->zero), clip, (int)r->mx, (int)r->cast.rounding, (int)r->cast.overflow, wrong);
}

static void check(const float *x, const struct recipe *r)
{
    struct quant q;
    assert_int_equal(quantize(x, 5, 83, r, NULL, &q), KERNEL_OK);
    struct problem p = problem_of(x, 5, 83, r);
    size_t wrong = count_wrong(&p, &q);
    quant_free(&q);
    if (wrong)
        report(r, wrong);
}

/* Calls check for every recipe of `format` that is allowed. Returns how many were. */
static int check_all(const float *x, const struct format *format)
{
    static const char *const scales[] = {"none", "tensor", "channel", "group:16", "block:32", "tile:2x19", "two-level",
                                         "two-level:8", NULL};
    static const char *const clips[] = {"none", "percentile:90"};
    char why[160];
    int count = 0;
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++)
        for (int zero = 0; zero < ZERO_POINTS; zero++)
            for (int how = 0; how < 6 * 2 * 2; how++) {
                struct recipe r = {.format = format, .scale = recipe_scale(format), .zero = (enum zero_point)zero,
                                   .seed = 5, .first = 12, .isa = cpu_info()->best};
                const struct recipe_words words = {.format = format->name, .clip = clips[how / 2 % 2],
                                                   .scale = scales[s] ? scales[s] : format->scale};
                struct recipe parsed;
                r.mx = (enum mx_rule)(how % 2);
                r.cast = (struct cast){(enum rounding)(how / 4 % 3), (enum overflow)(how / 12), 0};
                if (!recipe_parse(&words, &parsed, why, sizeof why))
                    continue;
                r.scale = parsed.scale;
                r.clip = parsed.clip;
                if (recipe_check(&r, why, sizeof why) && r.scale.kind != SCALE_DOUBLE) {
                    check(x, &r);
                    count++;
                }
            }
    return count;
}

static void every_recipe_gives_what_the_slow_quantizer_gives(void **state)
{
    (void)state;
    static float x[SAMPLE];
    int count = 0;
    fill_sample(x, 11);
    for (size_t f = 0; f < format_count(); f++)
        if (format_at(f)->bits <= 16)
            count += check_all(x, format_at(f));
    assert_true(count > 1000);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    static float x[SAMPLE];
    struct quant q;
    const struct recipe r = {.format = format_find("nvfp4"), .scale = recipe_scale(format_find("nvfp4"))};
    fill_sample(x, 12);
    assert_int_equal(quantize(x, 5, 83, &r, NULL, &q), KERNEL_OK);
    struct problem p = problem_of(x, 5, 83, &r);
    assert_int_equal(count_wrong(&p, &q), 0);
    quant_put(&q, 30, quant_code(&q, 30) ^ 1);
    assert_int_equal(count_wrong(&p, &q), 1);
    q.clipped++;
    assert_int_equal(count_wrong(&p, &q), 2);
    quant_free(&q);
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recipe_gives_what_the_slow_quantizer_gives),
        cmocka_unit_test(a_planted_fault_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
