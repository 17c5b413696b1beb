/* bench_encode.c: every row of packed codes, of the best loop that moves as many bytes in the same proportion.
 * Rounds are interleaved; a ratio is the median of ratios within one round. `saffron bench` has the same figures for
 * all operations; this one is for tuning.
 * bench_encode [MiB of FP32 values, or KiB with a k] [rounds] [part of a function's name] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/buffer.h"
#include "kernels/encode.h"
#include "kernels/random.h"

enum { CASES_MOST = 192, ROUNDS_MOST = 99, COLS = 4096, MOVES = 7 };

struct bench_case {
    const struct kernel *kernel;
    const struct format *format;
    struct encode_job job;
    size_t units, repeats;
    int ratio;                              /* which of `ratios` */
    double seconds[ROUNDS_MOST];
};

static const int ratios[MOVES][2] = {{8, 1}, {4, 1}, {2, 1}, {1, 1}, {1, 2}, {1, 4}, {1, 8}};

static struct bench_case cases[CASES_MOST];
static size_t case_count;
static double limits[MOVES][ROUNDS_MOST];   /* bytes a second */
static size_t rows, line_bytes;
static uint8_t *from, *to;

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

static size_t bytes_of(const struct bench_case *c)
{
    struct encode_traffic t = encode_traffic(c->kernel, &c->job);
    return t.read + t.written;
}

static int nearest_ratio(const struct bench_case *c)
{
    struct encode_traffic t = encode_traffic(c->kernel, &c->job);
    int best = 0;
    double least = 1e9;
    for (int i = 0; i < MOVES; i++) {
        double off = fabs(log((double)t.read / (double)t.written * ratios[i][1] / ratios[i][0]));
        if (off < least) {
            least = off;
            best = i;
        }
    }
    return best;
}

static void add_case(const struct kernel *k, const float *x)
{
    struct bench_case *c = &cases[case_count];
    bool decodes = k->op == KERNEL_DECODE || k->op == KERNEL_DEQUANTIZE;
    c->kernel = k;
    c->format = format_find(k->format);
    if (encode_open(&c->job, k, c->format, SOURCE_FP32, rows, COLS) != KERNEL_OK)
        exit(2);
    c->job.scale = 0.01f;
    c->job.inverse = 100;
    c->job.tensor = 4.0f / 2688;
    c->units = encode_units(k, &c->job);
    for (size_t i = 0; !decodes && i < rows; i++)
        memcpy((float *)c->job.x + i * COLS, x + i % 64 * COLS, COLS * sizeof *x);
    for (size_t i = 0; decodes && i < rows * encode_row_bytes(c->format, COLS); i++)
        c->job.codes[i] = (uint8_t)(c->format->bits == 16 && i % 2 ? 60 : i * 37 % 111);    /* no subnormal numbers */
    if (decodes && c->job.scales)
        memset(c->job.scales, 60, rows * encode_scales_of_row(c->format, COLS) * encode_scale_bytes(c->format));
    c->ratio = nearest_ratio(c);
    c->repeats = 1 + (16 << 20) / bytes_of(c);
    case_count++;
}

static double run(const struct bench_case *c)
{
    double start = now();
    for (size_t i = 0; i < c->repeats; i++)
        c->kernel->job(&c->job, 0, c->units);
    return (now() - start) / (double)c->repeats;
}

static double move_speed(const struct kernel *k, int ratio, enum move how)
{
    int read = ratios[ratio][0], written = ratios[ratio][1];
    size_t steps = line_bytes / 64 / (size_t)(read > written ? read : written);
    size_t bytes = steps * 64 * (size_t)(read + written), repeats = 1 + (16 << 20) / bytes;
    double start = now();
    for (size_t i = 0; i < repeats; i++)
        if (!k->move(to, from, steps, read, written, how))
            return 0;
    return (double)(bytes * repeats) / (now() - start);
}

static void find_limits(size_t round)
{
    for (int ratio = 0; ratio < MOVES; ratio++)
        for (size_t i = 0; i < kernel_count(); i++)
            for (int how = MOVE_PLAIN; how <= MOVE_PREFETCH; how++) {
                const struct kernel *k = kernel_at(i);
                bool may = k->op == KERNEL_MOVE && cpu_info()->has[k->isa];
                double speed = may ? move_speed(k, ratio, (enum move)how) : 0;
                limits[ratio][round] = fmax(limits[ratio][round], speed);
            }
}

static void print_case(const struct bench_case *c, size_t rounds)
{
    double ratio[ROUNDS_MOST], seconds = median(c->seconds, rounds);
    for (size_t r = 0; r < rounds; r++)
        ratio[r] = (double)bytes_of(c) / c->seconds[r] / limits[c->ratio][r];
    printf("%-28s %-11s %10.3f %8.1f %8.2f\n", c->kernel->function, c->format->name, seconds * 1e3,
           (double)bytes_of(c) / seconds * 1e-9, median(ratio, rounds));
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 256, rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 11;
    const char *part = argc > 3 ? argv[3] : "";
    line_bytes = size << (argc > 1 && strchr(argv[1], 'k') ? 10 : 20);
    rows = line_bytes / 4 / COLS;
    if (rounds < 1 || rounds > ROUNDS_MOST || rows < 1) {
        fprintf(stderr, "usage: bench_encode [MiB|KiBk] [1 to %d rounds] [NAME]\n", ROUNDS_MOST);
        return 2;
    }
    float *x = malloc(64 * COLS * sizeof *x);
    from = buffer_open(line_bytes);
    to = buffer_open(line_bytes);
    if (!x || !from || !to)
        return 2;
    random_gaussian(x, 64 * COLS, 2, 1);
    memset(from, 1, line_bytes);
    for (size_t i = 0; i < kernel_count(); i++)
        if (kernel_at(i)->job && kernel_at(i)->format && cpu_info()->has[kernel_at(i)->isa] &&
            strstr(kernel_at(i)->function, part))
            add_case(kernel_at(i), x);
    for (size_t r = 0; r < rounds; r++) {
        find_limits(r);
        for (size_t i = 0; i < case_count; i++)
            cases[i].seconds[r] = run(&cases[i]);
    }
    printf("%s, %zu x %d values, %zu rounds, one thread\n", cpu_info()->model, rows, COLS, rounds);
    for (int i = 0; i < MOVES; i++)
        printf("S %d:%d %.1f GB/s\n", ratios[i][0], ratios[i][1], median(limits[i], rounds) * 1e-9);
    printf("%-28s %-11s %10s %8s %8s\n", "kernel", "format", "ms", "GB/s", "of S");
    for (size_t i = 0; i < case_count; i++)
        print_case(&cases[i], rounds);
    for (size_t i = 0; i < case_count; i++)
        encode_close(&cases[i].job);
    buffer_close(from, line_bytes);
    buffer_close(to, line_bytes);
    free(x);
    return 0;
}
