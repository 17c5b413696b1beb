/* bench_gemv.c: every product of the kernel table on a matrix of four times the last cache, beside the
 * best read-only loop. Rounds are interleaved; a ratio is the median of ratios within one round.
 * bench_gemv [MiB of FP32 weights] [rounds] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernel.h"
#include "kernels/random.h"

enum { CASES_MOST = 64, ROUNDS_MOST = 99, COLS = 4096 };

struct bench_case {
    const struct kernel *kernel;
    struct matrix *matrix;                  /* shared by the cases of one format */
    double seconds[ROUNDS_MOST];
};

static struct bench_case cases[CASES_MOST];
static size_t case_count;
static struct matrix matrices[CASES_MOST];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, size_t n)
{
    double sorted[ROUNDS_MOST];
    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, ascending);
    return sorted[n / 2];
}

static struct matrix *matrix_for(const char *format, size_t rows)
{
    for (size_t i = 0; i < case_count; i++)
        if (cases[i].matrix && strcmp(cases[i].matrix->format->name, format) == 0)
            return cases[i].matrix;
    struct matrix *m = &matrices[case_count];
    if (matrix_seeded(m, format_find(format), rows, COLS, 1, 0.02, NULL) != KERNEL_OK)
        exit(2);
    return m;
}

static void add_cases(size_t rows)
{
    struct matrix *widest = matrix_for("fp32", rows);
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!cpu_info()->has[k->isa] || (!k->gemv && !k->read))
            continue;
        cases[case_count].matrix = k->op == KERNEL_READ ? widest : matrix_for(k->format, rows);
        cases[case_count++].kernel = k;
    }
}

static volatile uint64_t checksum;

static double run(const struct bench_case *c, const float *x, float *y)
{
    double start = now();
    if (c->kernel->op == KERNEL_READ)
        checksum += c->kernel->read(c->matrix->codes, c->matrix->rows * c->matrix->stride);
    else if (gemv(c->kernel, c->matrix, x, 1, y, NULL) != KERNEL_OK)
        exit(2);
    return now() - start;
}

static size_t bytes_of(const struct bench_case *c)
{
    return c->kernel->op == KERNEL_READ ? c->matrix->rows * c->matrix->stride : c->matrix->bytes;
}

/* The bandwidth of case c over that of the best read loop, by rounds. */
static double of_read(const struct bench_case *c, size_t rounds)
{
    double ratio[ROUNDS_MOST];
    for (size_t r = 0; r < rounds; r++) {
        double best = 0;
        for (size_t i = 0; i < case_count; i++)
            if (cases[i].kernel->op == KERNEL_READ && (double)bytes_of(&cases[i]) / cases[i].seconds[r] > best)
                best = (double)bytes_of(&cases[i]) / cases[i].seconds[r];
        ratio[r] = (double)bytes_of(c) / c->seconds[r] / best;
    }
    return median(ratio, rounds);
}

static const struct bench_case *case_of(const char *function)
{
    for (size_t i = 0; i < case_count; i++)
        if (strcmp(cases[i].kernel->function, function) == 0)
            return &cases[i];
    return NULL;
}

/* The time of `slow` over that of `fast`, by rounds. */
static double times(const struct bench_case *slow, const struct bench_case *fast, size_t rounds)
{
    double ratio[ROUNDS_MOST];
    for (size_t r = 0; r < rounds; r++)
        ratio[r] = slow->seconds[r] / fast->seconds[r];
    return median(ratio, rounds);
}

static void print_naive(size_t rounds)
{
    const struct bench_case *naive = case_of("gemv_int4_naive"), *plain = case_of("gemv_fp32_naive");
    const struct bench_case *best = case_of(kernel_find(KERNEL_GEMV, "fp32", cpu_info()->best)->function);
    printf("naive INT4, an eighth of the bytes: %.1f times the time of %s, %.1f times that of a plain FP32 loop\n",
           times(naive, best, rounds), best->kernel->function, times(naive, plain, rounds));
}

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 4 * cpu_info()->last_cache_bytes * 4 >> 20;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 11, rows = (mib << 20) / (4 * COLS);
    if (rounds < 1 || rounds > ROUNDS_MOST || rows < 1) {
        fprintf(stderr, "usage: bench_gemv [MiB] [1 to %d rounds]\n", ROUNDS_MOST);
        return 2;
    }
    float *x = malloc(COLS * sizeof *x), *y = malloc(rows * sizeof *y);
    if (!x || !y)
        return 2;
    random_gaussian(x, COLS, 2, 1);
    add_cases(rows);
    for (size_t r = 0; r < rounds; r++)
        for (size_t i = 0; i < case_count; i++)
            cases[i].seconds[r] = run(&cases[i], x, y);

    printf("%s, %zu x %d weights, %zu rounds, one thread\n", cpu_info()->model, rows, COLS, rounds);
    printf("%-22s %10s %10s %8s %8s\n", "kernel", "MiB", "ms", "GB/s", "of read");
    for (size_t i = 0; i < case_count; i++) {
        double seconds = median(cases[i].seconds, rounds);
        printf("%-22s %10.1f %10.2f %8.1f %8.2f\n", cases[i].kernel->function, (double)bytes_of(&cases[i]) / 0x1p20,
               seconds * 1e3, (double)bytes_of(&cases[i]) / seconds * 1e-9, of_read(&cases[i], rounds));
    }
    print_naive(rounds);
    for (size_t i = 0; i < CASES_MOST; i++)
        matrix_free(&matrices[i]);
    free(x);
    free(y);
    return 0;
}
