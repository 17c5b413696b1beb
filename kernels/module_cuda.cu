/* module_cuda.cu: the module build/lib/saffron_cuda.so: devices, memory, streams, timing, and the table of launches.
 * All that calls the CUDA runtime is here and in the gpu_*.cu files; the runtime is linked in, the driver is not.
 * Every call is checked; the words of the last failure are kept for `error`. */
#include "kernels/gpu_module.cuh"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <new>

/* ---- Errors ---------------------------------------------------------------------------------------- */

static char last_error[320] = "no failure so far";

static const char *error_text(void)
{
    return last_error;
}

enum kernel_status gpu_refuse(enum kernel_status status, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    vsnprintf(last_error, sizeof last_error, text, args);
    va_end(args);
    return status;
}

enum kernel_status gpu_check(const struct gpu *g, cudaError_t error, const char *what)
{
    if (error == cudaSuccess)
        return KERNEL_OK;
    cudaGetLastError();         /* an error that does not last is not to be met again by the next call */
    gpu_refuse(KERNEL_OK, "cannot %s%s%s: %s", what, g ? " on " : "", g ? g->about.name : "",
               cudaGetErrorString(error));
    return error == cudaErrorMemoryAllocation ? KERNEL_NO_MEMORY : KERNEL_GPU_FAILED;
}

/* ---- Devices --------------------------------------------------------------------------------------- */

static enum kernel_status versions(int *driver, int *runtime)
{
    *driver = *runtime = 0;
    cudaDriverGetVersion(driver);
    cudaRuntimeGetVersion(runtime);
    cudaGetLastError();
    return KERNEL_OK;
}

/* The number of devices, or why there is no usable driver. */
static enum kernel_status count_devices(int *count)
{
    int driver, runtime;
    *count = 0;
    cudaError_t error = cudaGetDeviceCount(count);
    if (error == cudaSuccess)
        return KERNEL_OK;
    cudaGetLastError();
    *count = 0;
    versions(&driver, &runtime);
    if (error == cudaErrorNoDevice)
        return KERNEL_OK;
    if (driver == 0)
        return gpu_refuse(KERNEL_NO_GPU, "no NVIDIA driver is installed");
    if (error == cudaErrorInsufficientDriver)
        return gpu_refuse(KERNEL_NO_GPU, "the NVIDIA driver knows CUDA %d.%d, this program was built for %d.%d: update "
                          "the driver", driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    return gpu_refuse(KERNEL_NO_GPU, "cannot ask the NVIDIA driver for its devices: %s", cudaGetErrorString(error));
}

static enum kernel_status describe(int index, struct gpu_device *d)
{
    struct cudaDeviceProp p;
    enum kernel_status status = gpu_check(NULL, cudaGetDeviceProperties(&p, index), "ask a GPU for its properties");
    if (status != KERNEL_OK)
        return status;
    memset(d, 0, sizeof *d);
    snprintf(d->name, sizeof d->name, "%.120s", p.name);
    d->index = index;
    d->capability = 10 * p.major + p.minor;
    d->processors = p.multiProcessorCount;
    d->memory = p.totalGlobalMem;
    d->l2_bytes = (size_t)p.l2CacheSize;
    size_t total;
    if (cudaSetDevice(index) != cudaSuccess || cudaMemGetInfo(&d->free, &total) != cudaSuccess) {
        cudaGetLastError();
        d->free = 0;
    }
    return KERNEL_OK;
}

static int open_devices;

/* Asking a device for its free memory makes a context on it, some hundred MiB: those of the others go again. */
static enum kernel_status devices(struct gpu_device *list, int room, int *count)
{
    enum kernel_status status = count_devices(count);
    for (int i = 0; status == KERNEL_OK && i < *count && i < room; i++) {
        status = describe(i, &list[i]);
        if (*count > 1 && open_devices == 0)
            cudaDeviceReset();
    }
    return status;
}

static void close_device(struct gpu *g)
{
    if (!g)
        return;
    if (g->stream)
        cudaStreamDestroy(g->stream);
    cudaGetLastError();
    open_devices--;
    delete g;
}

static enum kernel_status open_device(int index, struct gpu **out)
{
    *out = NULL;
    struct gpu *g = new (std::nothrow) struct gpu();
    if (!g)
        return gpu_refuse(KERNEL_NO_MEMORY, "cannot open a GPU: out of memory");
    open_devices++;
    enum kernel_status status = describe(index, &g->about);
    if (status == KERNEL_OK && g->about.capability < 80)
        status = gpu_refuse(KERNEL_NO_GPU, "%s has compute capability %d.%d, this program needs 8.0", g->about.name,
                            g->about.capability / 10, g->about.capability % 10);
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaSetDevice(index), "use a GPU");
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaStreamCreateWithFlags(&g->stream, cudaStreamNonBlocking), "make a stream");
    if (status == KERNEL_OK)
        *out = g;
    else
        close_device(g);
    return status;
}

static const struct gpu_device *device_of(const struct gpu *g)
{
    return &g->about;
}

/* The device of the calling thread: every call here begins with it, since lessons run in a thread of their own. */
static enum kernel_status use(const struct gpu *g)
{
    return gpu_check(g, cudaSetDevice(g->about.index), "use a GPU");
}

/* ---- Memory ---------------------------------------------------------------------------------------- */

static enum kernel_status allocate(struct gpu *g, size_t bytes, void **p)
{
    char what[64];
    *p = NULL;
    snprintf(what, sizeof what, "allocate %.1f MiB", (double)bytes / (1 << 20));
    enum kernel_status status = use(g);
    return status != KERNEL_OK ? status : gpu_check(g, cudaMalloc(p, bytes ? bytes : 1), what);
}

static void release(struct gpu *g, void *p)
{
    if (p && use(g) == KERNEL_OK)
        gpu_check(g, cudaFree(p), "free memory");
}

static enum kernel_status transfer(struct gpu *g, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    if (bytes == 0)
        return KERNEL_OK;
    enum kernel_status status = use(g);
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaMemcpyAsync(to, from, bytes, kind, g->stream), "copy");
    if (status == KERNEL_OK && kind != cudaMemcpyDeviceToDevice)
        status = gpu_check(g, cudaStreamSynchronize(g->stream), "copy");
    return status;
}

static enum kernel_status upload(struct gpu *g, void *to, const void *from, size_t bytes)
{
    return transfer(g, to, from, bytes, cudaMemcpyHostToDevice);
}

static enum kernel_status download(struct gpu *g, void *to, const void *from, size_t bytes)
{
    return transfer(g, to, from, bytes, cudaMemcpyDeviceToHost);
}

static enum kernel_status copy(struct gpu *g, void *to, const void *from, size_t bytes)
{
    return transfer(g, to, from, bytes, cudaMemcpyDeviceToDevice);
}

static enum kernel_status fill(struct gpu *g, void *to, int byte, size_t bytes)
{
    enum kernel_status status = bytes ? use(g) : KERNEL_OK;
    if (status == KERNEL_OK && bytes)
        status = gpu_check(g, cudaMemsetAsync(to, byte, bytes, g->stream), "fill memory");
    return status;
}

/* ---- Waiting and timing ---------------------------------------------------------------------------- */

static enum kernel_status wait_for(struct gpu *g, const struct progress *progress, double done)
{
    const struct timespec moment = {0, 200000};         /* 0.2 ms between two looks, 4 ms between two questions */
    for (int look = 0; progress && cudaStreamQuery(g->stream) == cudaErrorNotReady; look++) {
        if (look % 20 == 19 && !progress_tick(progress, done)) {
            enum kernel_status status = gpu_check(g, cudaStreamSynchronize(g->stream), "wait");
            return status == KERNEL_OK ? KERNEL_CANCELED : status;
        }
        nanosleep(&moment, NULL);
    }
    enum kernel_status status = gpu_check(g, cudaStreamSynchronize(g->stream), "finish a kernel");
    return status != KERNEL_OK || progress_tick(progress, done) ? status : KERNEL_CANCELED;
}

/* `launches` of the series as one graph that can be replayed; *graph is to be destroyed. */
static enum kernel_status record(struct gpu *g, gpu_series_fn *series, void *ctx, int launches, cudaGraphExec_t *exec)
{
    cudaGraph_t graph = NULL;
    enum kernel_status status =
        gpu_check(g, cudaStreamBeginCapture(g->stream, cudaStreamCaptureModeThreadLocal), "record a graph");
    if (status != KERNEL_OK)
        return status;
    for (int i = 0; status == KERNEL_OK && i < launches; i++)
        status = series(g, ctx, i);
    enum kernel_status ended = gpu_check(g, cudaStreamEndCapture(g->stream, &graph), "record a graph");
    if (status == KERNEL_OK)
        status = ended;
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaGraphInstantiate(exec, graph, 0), "make a graph");
    if (graph)
        cudaGraphDestroy(graph);
    return status;
}

/* One replay, or one launch where there is no graph, between two events. */
static enum kernel_status time_once(struct gpu *g, cudaGraphExec_t exec, gpu_series_fn *series, void *ctx,
                                    cudaEvent_t event[2], double *ms)
{
    float elapsed = 0;
    enum kernel_status status = gpu_check(g, cudaEventRecord(event[0], g->stream), "time");
    if (status == KERNEL_OK)
        status = exec ? gpu_check(g, cudaGraphLaunch(exec, g->stream), "launch a graph") : series(g, ctx, 0);
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaEventRecord(event[1], g->stream), "time");
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaEventSynchronize(event[1]), "finish a timed kernel");
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaEventElapsedTime(&elapsed, event[0], event[1]), "time");
    *ms = (double)elapsed;
    return status;
}

static enum kernel_status measure(struct gpu *g, gpu_series_fn *series, void *ctx, int launches, int rounds, double *ms)
{
    enum { WARM = 2 };
    cudaEvent_t event[2] = {NULL, NULL};
    cudaGraphExec_t exec = NULL;
    double elapsed;
    enum kernel_status status = use(g);
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaEventCreate(&event[0]), "time");
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaEventCreate(&event[1]), "time");
    if (status == KERNEL_OK)
        status = series(g, ctx, 0);     /* loads the kernel, which a graph being recorded cannot */
    if (status == KERNEL_OK)
        status = gpu_check(g, cudaStreamSynchronize(g->stream), "finish a kernel");
    if (status == KERNEL_OK && launches > 0)
        status = record(g, series, ctx, launches, &exec);
    for (int i = 0; status == KERNEL_OK && i < rounds + WARM; i++) {
        status = time_once(g, exec, series, ctx, event, &elapsed);
        if (i >= WARM)
            ms[i - WARM] = elapsed / (launches > 0 ? launches : 1);
    }
    if (exec)
        cudaGraphExecDestroy(exec);
    for (int i = 0; i < 2; i++)
        if (event[i])
            cudaEventDestroy(event[i]);
    return status;
}

/* ---- The table ------------------------------------------------------------------------------------- */

static const struct gpu_kernel *const lists[] = {
    gpu_stream_rows, gpu_encode_rows, gpu_cast_rows, gpu_cast_block_rows, gpu_uncast_rows,
    gpu_pack_rows, gpu_product_rows, gpu_attention_rows, gpu_prefill_rows, gpu_gemm_rows, gpu_sgemm_rows,
    gpu_causal_rows, gpu_rows_rows,
};

static const struct gpu_kernel *kernel_at_row(size_t i)
{
    for (size_t list = 0; list < sizeof lists / sizeof lists[0]; list++)
        for (const struct gpu_kernel *k = lists[list]; k->launch; k++)
            if (i-- == 0)
                return k;
    return NULL;
}

/* A row that names nothing takes anything. */
static bool takes(const char *row, const char *wanted)
{
    return !row || (wanted && strcmp(row, wanted) == 0);
}

/* How much a row says of what it is for: the more, the faster it is meant to be. */
static int detail(const struct gpu_kernel *k)
{
    return (k->format ? 1000 : 0) + (k->input ? 500 : 0) + k->needs;
}

static const struct gpu_kernel *find(const struct gpu *g, enum gpu_op op, const char *format, const char *input)
{
    const struct gpu_kernel *k, *best = NULL;
    for (size_t i = 0; (k = kernel_at_row(i)) != NULL; i++)
        if (k->op == op && takes(k->format, format) && takes(k->input, input) && k->needs <= g->about.capability &&
            (!best || detail(k) > detail(best)))
            best = k;
    return best;
}

extern "C" const struct gpu_module saffron_cuda __attribute__((visibility("default")));
const struct gpu_module saffron_cuda = {
    GPU_MODULE_VERSION, versions, devices, open_device, close_device, device_of, allocate, release, upload, download,
    copy, fill, wait_for, kernel_at_row, find, measure, error_text,
};
