/* fake_cuda.c: a module that pretends to be the CUDA one and fails in the way that FAKE_CUDA names: "driver", "none",
 * "version", "memory", "lost". Without it: two devices, on which every launch works and does nothing, unless a test
 * has put a function into fake_cuda_work.
 * Built as build/tests/fake_cuda.so; test_device.c and test_llamacard.c open it as the lab opens the real one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu.h"

struct gpu {
    struct gpu_device about;
};

static const char *said = "";

static bool fails(const char *how)
{
    const char *fake = getenv("FAKE_CUDA");
    return fake && strcmp(fake, how) == 0;
}

static enum kernel_status refuse(enum kernel_status status, const char *words)
{
    said = words;
    return status;
}

static enum kernel_status versions(int *driver, int *runtime)
{
    *driver = fails("driver") ? 12040 : 13000;
    *runtime = 13000;
    return KERNEL_OK;
}

static struct gpu_device device_number(int i)
{
    struct gpu_device d = {.index = i, .capability = 90, .processors = 4, .memory = 256u << 20, .l2_bytes = 1 << 20};
    snprintf(d.name, sizeof d.name, "Fake %d", i);
    d.free = i == 1 ? 160u << 20 : 2u << 20;
    return d;
}

static enum kernel_status devices(struct gpu_device *list, int room, int *count)
{
    *count = 0;
    if (fails("driver"))
        return refuse(KERNEL_NO_GPU, "the NVIDIA driver knows CUDA 12.4, this program was built for 13.0");
    *count = fails("none") ? 0 : 2;
    for (int i = 0; i < *count && i < room; i++)
        list[i] = device_number(i);
    return KERNEL_OK;
}

static enum kernel_status open_device(int index, struct gpu **g)
{
    *g = malloc(sizeof **g);
    if (!*g)
        return refuse(KERNEL_NO_MEMORY, "out of memory");
    (*g)->about = device_number(index);
    return KERNEL_OK;
}

static void close_device(struct gpu *g) { free(g); }
static const struct gpu_device *device_of(const struct gpu *g) { return &g->about; }

static enum kernel_status allocate(struct gpu *g, size_t bytes, void **p)
{
    *p = fails("memory") ? NULL : calloc(1, bytes + 1);
    (void)g;
    return *p ? KERNEL_OK : refuse(KERNEL_NO_MEMORY, "cannot allocate 1.0 MiB on Fake 1: out of memory");
}

static void release(struct gpu *g, void *p)
{
    (void)g;
    free(p);
}

static enum kernel_status copy(struct gpu *g, void *to, const void *from, size_t bytes)
{
    (void)g;
    memcpy(to, from, bytes);
    return KERNEL_OK;
}

static enum kernel_status fill(struct gpu *g, void *to, int byte, size_t bytes)
{
    (void)g;
    memset(to, byte, bytes);
    return KERNEL_OK;
}

static enum kernel_status wait_for(struct gpu *g, const struct progress *progress, double done)
{
    (void)g;
    if (fails("lost"))
        return refuse(KERNEL_GPU_FAILED, "cannot finish a kernel on Fake 1: unspecified launch failure");
    return progress_tick(progress, done) ? KERNEL_OK : KERNEL_CANCELED;
}

/* Does a launch of that operation, on memory that is the host's here. */
extern void (*fake_cuda_work)(enum gpu_op op, const void *work);
void (*fake_cuda_work)(enum gpu_op op, const void *work);

static enum kernel_status launch(enum gpu_op op, const void *work)
{
    if (fake_cuda_work)
        fake_cuda_work(op, work);
    return KERNEL_OK;
}

#define EACH_OP(what) \
    what(GPU_READ) what(GPU_RANGE) what(GPU_FIT) what(GPU_ENCODE) what(GPU_DECODE) what(GPU_ERROR) what(GPU_SGEMM) \
    what(GPU_CAUSAL) what(GPU_GATHER) what(GPU_NORM) what(GPU_ROTATE) what(GPU_SWIGLU) what(GPU_DIVIDE) \
    what(GPU_HADAMARD) what(GPU_DROP) what(GPU_KEEP)
#define LAUNCH(op) static enum kernel_status launch_##op(struct gpu *g, const void *work) \
    { return (void)g, launch(op, work); }
#define ROW(op) {op, NULL, NULL, 80, 0, launch_##op, "launch", "tests/fake_cuda.c"},

EACH_OP(LAUNCH)
static const struct gpu_kernel rows[] = {EACH_OP(ROW)};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const struct gpu_kernel *kernel_at(size_t i) { return i < ROWS ? &rows[i] : NULL; }

static const struct gpu_kernel *find(const struct gpu *g, enum gpu_op op, const char *format, const char *input)
{
    (void)g, (void)format, (void)input;
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].op == op)
            return &rows[i];
    return NULL;
}

static enum kernel_status measure(struct gpu *g, gpu_series_fn *series, void *ctx, int launches, int rounds, double *ms)
{
    (void)g, (void)series, (void)ctx, (void)launches;
    for (int i = 0; i < rounds; i++)
        ms[i] = 1;
    return KERNEL_OK;
}

static const char *error_text(void) { return said; }

extern struct gpu_module saffron_cuda;
struct gpu_module saffron_cuda = {
    GPU_MODULE_VERSION, versions, devices, open_device, close_device, device_of, allocate, release, copy, copy,
    copy, fill, wait_for, kernel_at, find, measure, error_text,
};

__attribute__((constructor)) static void choose_version(void)
{
    saffron_cuda.version += fails("version");
}
