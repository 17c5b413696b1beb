/* gpu_check.h: what the tests of the CUDA kernels share: counting, buffers on the card, random inputs.
 * A test file offers one function, which gpu_test.c calls; outputs are poisoned before each run.
 * Include it in tests/gpu_test*.c only. */
#ifndef TESTS_GPU_CHECK_H
#define TESTS_GPU_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gpu.h"

struct gpu_checks {
    const struct gpu_module *m;
    struct gpu *g;
    bool small;                 /* sizes for compute-sanitizer, which is a hundred times slower */
    bool exhaustive;            /* all 2^32 floats too */
    bool tuned;                 /* of them, only what has a fast encoder */
    const char *only;           /* run the tests whose name contains this; NULL: all */
    unsigned part, parts;       /* which of how many processes that share the work; 0 of 1: all of it */
    int  passed, failed;
};

/* Counts one check; a failed one is printed, printf-like, and the first 40 failures are. Returns ok. */
bool gpu_expect(struct gpu_checks *c, bool ok, const char *text, ...) __attribute__((format(printf, 3, 4)));

/* The same for a status: anything but KERNEL_OK fails with the module's words. */
bool gpu_expect_ok(struct gpu_checks *c, enum kernel_status status, const char *what);

/* True if piece i of a test's work is this process's. */
bool gpu_mine(const struct gpu_checks *c, size_t i);

/* Memory on the card, poisoned with 0xAA, or a copy of host memory. Ends the program where there is none. */
void *gpu_room(struct gpu_checks *c, size_t bytes);
void *gpu_put(struct gpu_checks *c, const void *host, size_t bytes);
void  gpu_drop(struct gpu_checks *c, void *p);

/* Back to host memory that the caller frees. */
void *gpu_get(struct gpu_checks *c, const void *p, size_t bytes);

/* Launches row k on `work` and waits; a failure is counted under `what`. */
bool gpu_do(struct gpu_checks *c, const struct gpu_kernel *k, const void *work, const char *what);

/* A fresh 64-bit number, and one between -1 and 1: splitmix64 of a counter that starts anew with the program. */
uint64_t gpu_draw(void);
float    gpu_uniform(void);

/* |got - want| / |want|, Frobenius; 0 if both are 0, NaN if got is nowhere a number or was not written. */
double gpu_frobenius(const float *got, const double *want, size_t n);

/* The tests, one a file. */
void gpu_test_encode(struct gpu_checks *c);
void gpu_test_quantize(struct gpu_checks *c);
void gpu_test_cast(struct gpu_checks *c);
void gpu_test_all(struct gpu_checks *c);
void gpu_test_product(struct gpu_checks *c);
void gpu_test_attention(struct gpu_checks *c);
void gpu_test_gemm(struct gpu_checks *c);
void gpu_test_forward(struct gpu_checks *c);

#endif
