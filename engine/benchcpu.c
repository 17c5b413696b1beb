/* benchcpu.c: the processor's kernels: groups of cases, timed in turns, and the ratios between them.
 * A group is the kernels of one format with the loops that they are compared with. In memory a timing covers a slice,
 * the next one the slice behind it, so that nothing is found in a cache; in cache it repeats a whole pass. */
#include "engine/bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/benchcase.h"

enum {
    CASES_MOST   = 64,      /* of a group, loops included */
    LOOPS_MOST   = 100,
    MIXES_MOST   = 12,      /* proportions of reading and writing in a group */
    PARTS        = 4,       /* tasks a thread */
};

#define SLICE_SECONDS   8e-3    /* of a timing from memory, at most */
#define PASS_SECONDS    1e-3    /* of a timing in cache, at least */
#define SLICE_LEAST     5e-4
#define ALL_SECONDS     120.0   /* of everything; timings get shorter where a machine is slow */
#define MOSTLY_READS    (1.0 / 48) /* a kernel that writes a smaller share is compared with reading alone */

/* Bytes in one proportion, and the loops that move them. */
struct mix {
    double read, written;
    int    first, count;        /* in loops[] */
};

struct bench {
    const struct bench_env *env;
    char                   *error;
    size_t                  size;
    const char             *op, *format;     /* --only, or NULL */
    int                     rounds;
    double                  slice;           /* seconds */
    double                  began, timings;  /* when; how many there will be, roughly */
    double                  done, all;       /* timed rounds, of how many */

    struct benchmemory      memory;
    struct benchcase        cases[CASES_MOST], loops[LOOPS_MOST], f16;
    struct mix              mixes[MIXES_MOST];
    int                     case_count, loop_count, mix_count;
    bool                    canceled;

    json_t                 *limits, *kernels;
};

static bool fail(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool fail(struct bench *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(b->error, b->size, format, args);
    va_end(args);
    return false;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- timing ------------------------------------------------------------------------------------------------------- */

/* A stretch of units, cut into parts for the threads. */
struct stretch {
    struct benchcase *c;
    size_t            first, last, parts, passes;
};

static enum kernel_status run_part(void *arg, size_t part)
{
    const struct stretch *s = arg;
    size_t n = s->last - s->first, from = s->first + n * part / s->parts, to = s->first + n * (part + 1) / s->parts;
    for (size_t i = 0; i < s->passes && to > from; i++)
        benchcase_run(s->c, from, to);
    return KERNEL_OK;
}

/* Seconds for one pass over units first..last. */
static double time_units(struct bench *b, struct benchcase *c, size_t first, size_t last, size_t passes)
{
    size_t threads = (size_t)pool_threads(b->env->pool), parts = threads > 1 ? threads * PARTS : 1;
    struct stretch s = { c, first, last, parts, passes };
    const struct progress progress = { .pool = b->env->pool };
    double began = now();
    pool_run(&progress, parts, run_part, &s);
    return (now() - began) / (double)passes;
}

/* How many units make a timing long enough and not longer. Also the first run, in which memory is mapped. */
static void calibrate(struct bench *b, struct benchcase *c)
{
    size_t n = 1;
    double took = time_units(b, c, 0, n, 1);
    for (; took < SLICE_SECONDS / 16 && n < c->units; n = 2 * n < c->units ? 2 * n : c->units)
        took = time_units(b, c, 0, 2 * n < c->units ? 2 * n : c->units, 1);
    took = time_units(b, c, 0, n, 1);
    c->slice = c->units;
    c->passes = 1;
    if (b->memory.cache)
        c->passes = took < PASS_SECONDS ? (size_t)(PASS_SECONDS / took) + 1 : 1;
    else if (took > 0 && b->slice / took * (double)n < (double)c->units)
        c->slice = (size_t)(b->slice / took * (double)n) + 1;
    c->at = 0;
}

static void time_case(struct bench *b, struct benchcase *c, int round)
{
    if (c->at + c->slice > c->units)
        c->at = 0;
    c->seconds[round] = time_units(b, c, c->at, c->at + c->slice, c->passes);
    c->at += c->slice;
}

static bool tell(struct bench *b, const char *label)
{
    double fraction = b->all > 0 ? b->done / b->all : 0;
    if (!b->canceled && !b->env->progress(b->env->ctx, fraction < 1 ? fraction : 1, label))
        b->canceled = true;
    return !b->canceled;
}

static bool time_rounds(struct bench *b, const char *label, bool with_f16)
{
    for (int i = 0; i < b->loop_count; i++)
        calibrate(b, &b->loops[i]);
    for (int i = 0; i < b->case_count && tell(b, label); i++)
        calibrate(b, &b->cases[i]);
    for (int round = 0; round < b->rounds; round++) {
        for (int i = 0; i < b->loop_count; i++)
            time_case(b, &b->loops[i], round);
        for (int i = 0; i < b->case_count; i++)
            time_case(b, &b->cases[i], round);
        if (with_f16)
            time_case(b, &b->f16, round);
        b->done += 1;
        if (!tell(b, label))
            return fail(b, "canceled");
    }
    return true;
}

/* --- what the times say ------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double slice_bytes(const struct benchcase *c)
{
    return (double)c->slice * (c->read + c->written);
}

/* Bytes a second in one round. */
static double speed(const struct benchcase *c, int round)
{
    return slice_bytes(c) / c->seconds[round];
}

static double best_of(const struct bench *b, const struct mix *mix, int round)
{
    double best = 0;
    for (int i = mix->first; i < mix->first + mix->count; i++)
        best = fmax(best, speed(&b->loops[i], round));
    return best;
}

static double median_seconds(const struct bench *b, const struct benchcase *c)
{
    double seconds[BENCH_ROUNDS_MOST];
    memcpy(seconds, c->seconds, (size_t)b->rounds * sizeof *seconds);
    return median(seconds, b->rounds);
}

/* The case's speed over that of the best loop of this mix. */
static double share_of(const struct bench *b, const struct benchcase *c, const struct mix *mix)
{
    double ratio[BENCH_ROUNDS_MOST];
    for (int round = 0; round < b->rounds; round++)
        ratio[round] = speed(c, round) / best_of(b, mix, round);
    return median(ratio, b->rounds);
}

/* How many times as many values a second as the F16 product. */
static double over_f16(const struct bench *b, const struct benchcase *c)
{
    double ratio[BENCH_ROUNDS_MOST];
    for (int round = 0; round < b->rounds; round++)
        ratio[round] = (double)c->slice * c->values / c->seconds[round] /
                       ((double)b->f16.slice * b->f16.values / b->f16.seconds[round]);
    return median(ratio, b->rounds);
}

/* --- loops -------------------------------------------------------------------------------------------------------- */

/* The next free place for a loop, within a mix. */
static struct benchcase *add_loop(struct bench *b, struct mix *mix)
{
    mix->count++;
    return &b->loops[b->loop_count++];
}

/* Whether a loop for this instruction set is one of the most capable that may be used. */
static bool is_loop(const struct bench *b, enum isa isa)
{
    enum isa most = ISA_SCALAR;
    for (size_t i = 0; i < limit_count(); i++)
        if (isa_allows(b->env->isa, limit_at(i)->isa) && cpu_info()->has[limit_at(i)->isa] && limit_at(i)->isa > most)
            most = limit_at(i)->isa;
    return isa == most;
}

static void add_loops(struct bench *b, struct mix *mix)
{
    for (size_t i = 0; i < limit_count(); i++)
        if (is_loop(b, limit_at(i)->isa))
            benchcase_turns(add_loop(b, mix), &b->memory, limit_at(i)->run, mix->read, mix->written);
    for (size_t i = 0; i < kernel_count(); i++)
        for (int how = MOVE_PLAIN; how <= MOVE_STREAM; how++)
            if (kernel_at(i)->op == KERNEL_MOVE && is_loop(b, kernel_at(i)->isa))
                benchcase_mover(add_loop(b, mix), &b->memory, kernel_at(i)->move, (enum move)how, mix->read,
                                mix->written);
}

/* The mix of this proportion, made if there is none yet; the first one reads only. */
static struct mix *mix_for(struct bench *b, double read, double written)
{
    double share = written / (read + written);
    if (share < MOSTLY_READS)
        return &b->mixes[0];
    for (int i = 1; i < b->mix_count; i++)
        if (fabs(b->mixes[i].written / (b->mixes[i].read + b->mixes[i].written) - share) < 0.01)
            return &b->mixes[i];
    if (b->mix_count == MIXES_MOST)
        return &b->mixes[MIXES_MOST - 1];
    struct mix *mix = &b->mixes[b->mix_count++];
    *mix = (struct mix){ .read = read, .written = written, .first = b->loop_count };
    add_loops(b, mix);
    return mix;
}

/* Forgets the last group; reading comes first in each, with four streams and with one. */
static void begin_group(struct bench *b)
{
    const struct kernel *reader = kernel_find(KERNEL_READ, NULL, b->env->isa);
    struct mix *mix = &b->mixes[0];
    b->case_count = b->loop_count = 0;
    b->mix_count = 1;
    *mix = (struct mix){ .read = 1 };
    if (reader)
        benchcase_reader(add_loop(b, mix), &b->memory, reader->read);
    for (size_t i = 0; i < limit_count(); i++)
        if (is_loop(b, limit_at(i)->isa) && (strcmp(limit_at(i)->name, "normal") == 0 ||
                                             strcmp(limit_at(i)->name, "prefetched") == 0))
            benchcase_turns(add_loop(b, mix), &b->memory, limit_at(i)->run, 1, 0);
}

static const char *size_name(const struct bench *b)
{
    return b->memory.cache ? "cache" : "dram";
}

static void add_limit(struct bench *b, const char *name, const struct mix *mix)
{
    double best[BENCH_ROUNDS_MOST];
    for (int round = 0; round < b->rounds; round++)
        best[round] = best_of(b, mix, round);
    json_array_append_new(
        b->limits, json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f}", "name", name, "size", size_name(b), "isa",
                             isa_name(b->env->isa), "threads", pool_threads(b->env->pool), "read", mix->read, "written",
                             mix->written, "gb_per_s", median(best, b->rounds) * 1e-9));
}

/* How long a timing may take, so that what is left fits the time that is left; preparing takes its share. */
static void pace(struct bench *b)
{
    double left = ALL_SECONDS - (now() - b->began), rest = b->timings * (1 - b->done / b->all);
    b->slice = fmin(SLICE_SECONDS, fmax(SLICE_LEAST, 0.6 * left / fmax(rest, 1)));
}

/* The machine itself: reading, moving in three proportions, memcpy. */
static bool time_limits(struct bench *b)
{
    static const double mixes[][2] = { { 4, 1 }, { 1, 1 }, { 1, 4 } };
    begin_group(b);
    pace(b);
    for (int i = 0; i < 3; i++)
        mix_for(b, mixes[i][0], mixes[i][1]);
    struct mix copy = { .read = 1, .written = 1, .first = b->loop_count, .count = 1 };
    benchcase_memcpy(&b->loops[b->loop_count++], &b->memory);
    if (!time_rounds(b, "the memory itself", false))
        return false;
    add_limit(b, "R", &b->mixes[0]);
    for (int i = 1; i < b->mix_count; i++)
        add_limit(b, "S", &b->mixes[i]);
    add_limit(b, "memcpy", &copy);
    return true;
}

/* --- groups of kernels -------------------------------------------------------------------------------------------- */

static bool applies(const struct kernel *k, const struct format *f)
{
    return !k->format || strcmp(k->format, f->name) == 0;
}

static bool usable(const struct bench *b, const struct kernel *k)
{
    return isa_allows(b->env->isa, k->isa) && cpu_info()->has[k->isa];
}

/* Whether no other usable row does the same with more of the processor, or more to the point. */
static bool is_fastest(const struct bench *b, const struct kernel *k, const struct format *f)
{
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *other = kernel_at(i);
        if (other == k || other->op != k->op || other->activation != k->activation || !usable(b, other) ||
            !applies(other, f))
            continue;
        if (other->isa > k->isa || (other->isa == k->isa && other->format && !k->format))
            return false;
    }
    return true;
}

/* Opens the cases of one group and format; how many there are. With `count` only that. */
static int collect(struct bench *b, int group, const struct format *f, bool count)
{
    const struct benchfamily *family;
    int found = 0;
    for (size_t i = 0; (family = benchfamily_at(i)); i++)
        for (size_t k = 0; family->group == group && k < kernel_count(); k++) {
            const struct kernel *row = kernel_at(k);
            if (row->op != family->op || (b->op && strcmp(b->op, family->name) != 0) || !usable(b, row) ||
                !applies(row, f) || !is_fastest(b, row, f))
                continue;
            for (int shape = 0; shape < family->shapes && found < CASES_MOST; shape++)
                if (count || benchcase_open(&b->cases[found], family, row, f, shape, &b->memory) == KERNEL_OK)
                    found++;
        }
    return found;
}

static json_t *ratio(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static void add_row(struct bench *b, struct benchcase *c, bool with_f16)
{
    const char *input = benchcase_input(c);
    double seconds = median_seconds(b, c), bytes = slice_bytes(c);
    json_t *row = json_pack("{s:s, s:s, s:o, s:s, s:s, s:i, s:I, s:f, s:f, s:o, s:o, s:o, s:s, s:s}", "op",
                            c->family->name, "format", c->format->name, "activations",
                            input ? json_string(input) : json_null(), "size", size_name(b), "isa",
                            isa_name(c->kernel->isa), "threads", pool_threads(b->env->pool), "bytes",
                            (json_int_t)bytes, "us", seconds * 1e6, "gb_per_s", bytes / seconds * 1e-9, "of_stream",
                            ratio(share_of(b, c, mix_for(b, c->read, c->written))), "of_read",
                            ratio(share_of(b, c, &b->mixes[0])), "of_f16",
                            with_f16 ? ratio(over_f16(b, c)) : json_null(), "device", c->kernel->device, "function",
                            c->kernel->function);
    if (c->shape_name)
        json_object_set_new(row, "shape", json_string(c->shape_name));
    json_array_append_new(b->kernels, row);
}

/* The product whose weights are FP16: what every other product is compared with. Kept for a size. */
static bool open_f16(struct bench *b, const struct benchfamily *family)
{
    const struct kernel *k = kernel_find(KERNEL_GEMV, "fp16", b->env->isa);
    if (b->f16.family)
        return true;
    if (!k || benchcase_open(&b->f16, family, k, format_find("fp16"), 0, &b->memory) != KERNEL_OK)
        return false;
    calibrate(b, &b->f16);
    return true;
}

static bool is_product(const struct benchcase *c)
{
    return c->kernel->gemv != NULL;
}

static bool time_group(struct bench *b, int group, const struct format *f)
{
    char label[80];
    begin_group(b);
    pace(b);
    b->case_count = collect(b, group, f, false);
    if (!b->case_count)
        return true;
    bool with_f16 = is_product(&b->cases[0]) && open_f16(b, b->cases[0].family);
    for (int i = 0; i < b->case_count; i++)
        mix_for(b, b->cases[i].read, b->cases[i].written);
    snprintf(label, sizeof label, "%s, %s", f->name, b->memory.cache ? "in cache" : "from memory");
    bool done = time_rounds(b, label, with_f16);
    for (int i = 0; i < b->case_count; i++) {
        if (done)
            add_row(b, &b->cases[i], with_f16);
        benchcase_close(&b->cases[i]);
    }
    return done;
}

static int group_count(void)
{
    int most = 0;
    for (size_t i = 0; benchfamily_at(i); i++)
        most = benchfamily_at(i)->group > most ? benchfamily_at(i)->group : most;
    return most + 1;
}

/* Calls `one` for each group and format that --only leaves. */
static bool each_group(struct bench *b, bool (*one)(struct bench *, int group, const struct format *))
{
    for (int group = 0; group < group_count(); group++)
        for (size_t i = 0; i < format_count(); i++)
            if ((!b->format || strcmp(b->format, format_at(i)->name) == 0) && !one(b, group, format_at(i)))
                return false;
    return true;
}

/* Opens a group and closes it again: true if there was nothing to time. */
static bool fits_not(struct bench *b, int group, const struct format *f)
{
    int found = b->op || b->format ? collect(b, group, f, false) : collect(b, group, f, true);
    for (int i = 0; i < found && (b->op || b->format); i++)
        benchcase_close(&b->cases[i]);
    return found == 0;
}

/* Whether what --only leaves can be done at all, before time is spent on the memory itself. */
static bool any_fits(struct bench *b)
{
    return !each_group(b, fits_not) || fail(b, "no kernel does '%.20s' for format '%.20s' with %s",
                                            b->op ? b->op : "anything", b->format ? b->format : "any",
                                            isa_name(b->env->isa));
}

static bool time_size(struct bench *b, bool cache)
{
    if (!benchmemory_open(&b->memory, cache, pool_threads(b->env->pool)))
        return fail(b, "out of memory");
    bool done = any_fits(b) && time_limits(b) && each_group(b, time_group);
    benchcase_close(&b->f16);
    benchmemory_close(&b->memory);
    return done;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static bool count_group(struct bench *b, int group, const struct format *f)
{
    b->all += collect(b, group, f, true);
    return true;
}

/* How much time a timing may take, for as many as there will be. */
static void plan(struct bench *b, int sizes)
{
    each_group(b, count_group);
    b->timings = b->all * 4 * sizes * b->rounds;     /* each with its loops */
    b->began = now();
    b->all = 0;
    for (int group = 0; group < group_count(); group++)
        for (size_t i = 0; i < format_count(); i++)
            b->all += (!b->format || strcmp(b->format, format_at(i)->name) == 0) &&
                      collect(b, group, format_at(i), true) > 0;
    b->all = (b->all + 1) * sizes * b->rounds;
}

bool benchcpu_time(const struct bench_question *q, json_t *limits, json_t *kernels, char *error, size_t size)
{
    struct bench *b = calloc(1, sizeof *b);
    if (!b) {
        snprintf(error, size, "out of memory");
        return false;
    }
    b->env = q->env;
    b->error = error;
    b->size = size;
    b->op = q->op;
    b->format = q->format;
    b->rounds = q->rounds;
    b->limits = limits;
    b->kernels = kernels;
    plan(b, q->dram + q->cache);
    bool done = (!q->dram || time_size(b, false)) && (!q->cache || time_size(b, true));
    free(b);
    return done;
}
