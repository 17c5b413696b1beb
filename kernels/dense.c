/* dense.c: dense products and factorizations: the loops, and the door to the module.
 * The loops are the reference. Rows are contiguous, so every inner loop walks memory forward; four or eight partial
 * sums keep additions from waiting for each other.
 * Only the lab's worker calls this: the module's state needs no lock. */
#include "kernels/dense.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PANEL = 32,             /* columns factorized together: their rows stay in a cache while all others pass */
    GRAM_ROWS = 64,         /* rows of x widened to FP64 at a time */
    SMALL = 64,             /* below this many rows a call into the module is not worth opening it */
};

/* ---- The module ------------------------------------------------------------------------------------ */

static struct {
    char path[4096];
    const struct dense_module *module;
    bool tried;
    char why[256];
} place;

void dense_place(const char *path)
{
    snprintf(place.path, sizeof place.path, "%s", path ? path : "");
    place.tried = false;
}

static void open_module(void)
{
    place.tried = true;
    if (!place.path[0]) {
        snprintf(place.why, sizeof place.why, "not built: OpenBLAS was not found");
        return;
    }
    setenv("OPENBLAS_NUM_THREADS", "1", 1);     /* read once, while the library loads */
    void *library = dlopen(place.path, RTLD_NOW | RTLD_LOCAL);
    const struct dense_module *module = library ? dlsym(library, "saffron_blas") : NULL;
    if (module && module->version == DENSE_MODULE_VERSION)
        place.module = module;
    else if (module)
        snprintf(place.why, sizeof place.why, "the module is of another version");
    else
        snprintf(place.why, sizeof place.why, "%.200s", dlerror());
}

const char *dense_open(char *why, size_t room)
{
    if (!place.module && !place.tried)
        open_module();
    if (!place.module)
        snprintf(why, room, "%s", place.why);
    return place.module ? place.module->name() : NULL;
}

/* The module, or NULL when it may not be used, is not there, or is not worth it. */
static const struct dense_module *module_for(enum isa isa, size_t n)
{
    char why[256];
    return isa != ISA_SCALAR && n >= SMALL && dense_open(why, sizeof why) ? place.module : NULL;
}

/* ---- Products -------------------------------------------------------------------------------------- */

static double dot(const double *a, const double *b, size_t n)
{
    double sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        sum[0] += a[i] * b[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static void widen(const float *x, size_t n, double *wide)
{
    for (size_t i = 0; i < n; i++)
        wide[i] = (double)x[i];
}

/* x widened as a whole block of rows, one row of w at a time. */
static enum kernel_status product_plain(const float *x, const float *w, size_t m, size_t n, size_t k, float *y,
                                        const struct progress *progress)
{
    double *block = malloc((GRAM_ROWS + 1) * k * sizeof *block + 1), *row = block ? block + GRAM_ROWS * k : NULL;
    if (!block)
        return KERNEL_NO_MEMORY;
    for (size_t first = 0; first < m; first += GRAM_ROWS) {
        size_t rows = m - first < GRAM_ROWS ? m - first : GRAM_ROWS;
        widen(x + first * k, rows * k, block);
        for (size_t j = 0; j < n; j++) {
            if (j % 256 == 0 &&
                !progress_tick(progress, ((double)first + (double)(rows * j) / (double)n) / (double)m)) {
                free(block);
                return KERNEL_CANCELED;
            }
            widen(w + j * k, k, row);
            for (size_t i = 0; i < rows; i++)
                y[(first + i) * n + j] = (float)dot(block + i * k, row, k);
        }
    }
    free(block);
    return KERNEL_OK;
}

enum kernel_status dense_product(const float *x, const float *w, size_t m, size_t n, size_t k, float *y,
                                 enum isa isa, const struct progress *progress)
{
    const struct dense_module *module = k <= INT_MAX && n <= INT_MAX ? module_for(isa, k) : NULL;
    if (k && (m > SIZE_MAX / 16 / k || n > SIZE_MAX / 16 / k))
        return KERNEL_BAD_SHAPE;
    if (!progress_tick(progress, 0))
        return KERNEL_CANCELED;
    if (!module)
        return product_plain(x, w, m, n, k, y, progress);
    for (size_t first = 0; first < m; first += 256) {
        if (!progress_tick(progress, (double)first / (double)m))
            return KERNEL_CANCELED;
        module->product(x + first * k, w, m - first < 256 ? m - first : 256, n, k, y + first * n);
    }
    return KERNEL_OK;
}

/* The upper triangle, four rows of x at a time. */
static void gram_plain(const double *x, size_t rows, size_t n, double *h)
{
    for (size_t t = 0; t < rows; t += 4) {
        const double *a = x + t * n;
        size_t count = rows - t < 4 ? rows - t : 4;
        for (size_t i = 0; i < n; i++) {
            double *out = h + i * n;
            if (count < 4) {
                for (size_t s = 0; s < count; s++)
                    for (size_t j = i; j < n; j++)
                        out[j] += a[s * n + i] * a[s * n + j];
                continue;
            }
            double a0 = a[i], a1 = a[n + i], a2 = a[2 * n + i], a3 = a[3 * n + i];
            for (size_t j = i; j < n; j++)
                out[j] += (a0 * a[j] + a1 * a[n + j]) + (a2 * a[2 * n + j] + a3 * a[3 * n + j]);
        }
    }
}

enum kernel_status dense_gram(const float *x, size_t rows, size_t n, double *h, enum isa isa,
                              const struct progress *progress)
{
    const struct dense_module *module = module_for(isa, n);
    if (n > DENSE_MOST)
        return KERNEL_BAD_SHAPE;
    double *wide = malloc(GRAM_ROWS * n * sizeof *wide + 1);
    if (!wide)
        return KERNEL_NO_MEMORY;
    memset(h, 0, n * n * sizeof *h);
    for (size_t first = 0; first < rows; first += GRAM_ROWS) {
        size_t count = rows - first < GRAM_ROWS ? rows - first : GRAM_ROWS;
        if (!progress_tick(progress, (double)first / (double)rows)) {
            free(wide);
            return KERNEL_CANCELED;
        }
        widen(x + first * n, count * n, wide);
        if (module)
            module->gram(wide, count, n, h);
        else
            gram_plain(wide, count, n, h);
    }
    free(wide);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            h[i * n + j] = h[j * n + i];
    return KERNEL_OK;
}

/* ---- Factorization --------------------------------------------------------------------------------- */

/* With a = M M^T, M upper triangular, the inverse of a is M^-T M^-1: so U is the inverse of M. M is the Cholesky factor
 * taken from the last column backwards. In place: the upper triangle of a becomes M. */
static bool factor_panel(double *a, size_t n, size_t first, size_t end)
{
    for (size_t j = end; j-- > first;) {
        double square = a[j * n + j] - dot(a + j * n + j + 1, a + j * n + j + 1, end - j - 1);
        if (!(square > 0) || !isfinite(square))
            return false;
        double pivot = sqrt(square);
        a[j * n + j] = pivot;
        for (size_t i = 0; i < j; i++)
            a[i * n + j] = (a[i * n + j] - dot(a + i * n + j + 1, a + j * n + j + 1, end - j - 1)) / pivot;
    }
    return true;
}

/* Takes what the columns from `end` on have to say out of columns first..end. */
static void update_panel(double *a, size_t n, size_t first, size_t end)
{
    for (size_t i = 0; i < end; i++)
        for (size_t j = first < i ? i : first; j < end; j++)
            a[i * n + j] -= dot(a + i * n + end, a + j * n + end, n - end);
}

static enum kernel_status factor_plain(double *a, size_t n, const struct progress *progress)
{
    for (size_t end = n; end > 0;) {
        size_t first = end > PANEL ? end - PANEL : 0;
        if (!progress_tick(progress, (double)(n - end) / (double)n / 2))
            return KERNEL_CANCELED;
        update_panel(a, n, first, end);
        if (!factor_panel(a, n, first, end))
            return KERNEL_SINGULAR;
        end = first;
    }
    return KERNEL_OK;
}

/* Row i of the inverse is -(row i of M right of the diagonal, times the rows of the inverse below) / M_ii. */
static void invert_row(double *a, size_t n, size_t i, double *row)
{
    double pivot = a[i * n + i];
    memset(row, 0, n * sizeof *row);
    for (size_t k = i + 1; k < n; k++) {
        double factor = a[i * n + k];
        const double *below = a + k * n;
        for (size_t j = k; j < n; j++)
            row[j] += factor * below[j];
    }
    a[i * n + i] = 1 / pivot;
    for (size_t j = i + 1; j < n; j++)
        a[i * n + j] = -row[j] / pivot;
}

static enum kernel_status invert_plain(double *a, size_t n, const struct progress *progress)
{
    double *row = malloc(n * sizeof *row + 1);
    if (!row)
        return KERNEL_NO_MEMORY;
    for (size_t i = n; i-- > 0;) {
        if (i % PANEL == 0 && !progress_tick(progress, 0.5 + (double)(n - i) / (double)n / 2)) {
            free(row);
            return KERNEL_CANCELED;
        }
        invert_row(a, n, i, row);
    }
    free(row);
    return KERNEL_OK;
}

/* Element i, j to n-1-i, n-1-j: upper triangular becomes lower. */
static void flip(double *a, size_t n)
{
    for (size_t i = 0, j = n * n; i + 1 < j; i++) {
        double keep = a[i];
        a[i] = a[--j];
        a[j] = keep;
    }
}

static enum kernel_status factor_module(const struct dense_module *module, double *a, size_t n,
                                        const struct progress *progress)
{
    flip(a, n);
    if (!module->cholesky(a, n))
        return KERNEL_SINGULAR;
    if (!progress_tick(progress, 0.5))
        return KERNEL_CANCELED;
    if (!module->invert(a, n))
        return KERNEL_SINGULAR;
    flip(a, n);
    return KERNEL_OK;
}

enum kernel_status dense_inverse_factor(double *a, size_t n, enum isa isa, const struct progress *progress)
{
    const struct dense_module *module = module_for(isa, n);
    if (n > DENSE_MOST)
        return KERNEL_BAD_SHAPE;
    if (!progress_tick(progress, 0))
        return KERNEL_CANCELED;
    enum kernel_status status = module ? factor_module(module, a, n, progress) : factor_plain(a, n, progress);
    if (status == KERNEL_OK && !module)
        status = invert_plain(a, n, progress);
    for (size_t i = 0; status == KERNEL_OK && i < n; i++)
        memset(a + i * n, 0, i * sizeof *a);
    return status;
}
