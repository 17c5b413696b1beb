/* gpu_bench_attention.c: attention of the GPU: decode beside a kernel that only reads as much, prefill in FLOP/s.
 * What the course shows is the ratio between formats, at head_dim 256. */
#include <stdio.h>
#include <string.h>

#include "kernels/gpu_series.h"
#include "tests/gpu_measure.h"

static double bench_shape(struct gpu_bench *b, const struct gpu_kernel *k, const struct gpu_attention_shape *a,
                          double goal)
{
    struct gpu_attention_series s;
    const bool prompt = k->op == GPU_PREFILL;
    char name[96];
    double ms = 0;
    snprintf(name, sizeof name, "%s %s, %d x %d, %d/%d heads of %d", prompt ? "prefill" : "decode", k->format,
             a->sequences, a->tokens, a->heads, a->kv_heads, a->head_dim);
    if (gpu_attention_open(&s, &b->memory, k, a) == KERNEL_OK)
        ms = gpu_row(b, name, gpu_attention_launch, &s, s.bytes, prompt ? GPU_CEILING_NONE : GPU_CEILING_READ, goal,
                     prompt ? s.flop : 0);
    else
        printf("%s: %s\n", name, b->m->error());
    gpu_attention_close(&s);
    return ms;
}

/* Of a bare read, on one H200, at head_dim 256. */
static double goal_of(const char *format)
{
    return strcmp(format, "bf16") == 0 ? 0.90 : strcmp(format, "e4m3") == 0 ? 0.80 : 0;
}

void gpu_bench_attention(struct gpu_bench *b)
{
    static const struct gpu_attention_shape decode[] = {
        {1, 131072, 24, 4, 256}, {8, 32768, 24, 4, 256}, {8, 32768, 32, 8, 128},
    };
    static const struct gpu_attention_shape prefill[] = {{1, 8192, 24, 4, 256}, {1, 8192, 32, 8, 128}};
    const struct gpu_kernel *k;
    double bf16 = 0;
    for (size_t i = 0; (k = b->m->kernel(i)) != NULL; i++) {
        for (size_t s = 0; k->op == GPU_ATTENTION && s < sizeof decode / sizeof decode[0]; s++)
            bench_shape(b, k, &decode[s], decode[s].head_dim == 256 ? goal_of(k->format) : 0);
        for (size_t s = 0; k->op == GPU_PREFILL && s < sizeof prefill / sizeof prefill[0]; s++) {
            double ms = bench_shape(b, k, &prefill[s], 0);
            if (prefill[s].head_dim == 256 && strcmp(k->format, "bf16") == 0)
                bf16 = ms;
            else if (prefill[s].head_dim == 256 && bf16 > 0 && ms > 0)
                printf("    %.2f times the time of a bf16 cache\n", ms / bf16);
        }
    }
}
