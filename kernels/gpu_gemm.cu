/* gpu_gemm.cu: larger products by cuBLASLt, which is opened when first used and never linked.
 * The library works column by column: what it calls A is W and what it calls B is X, both with their columns, our rows,
 * contiguous; D is Y. Its own choice of algorithm is taken. */
#include "kernels/gpu_gemm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "kernels/gpu_module.cuh"

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>

/* The functions that are used, by their own types. */
#define FUNCTIONS(_) \
    _(cublasLtCreate) _(cublasLtMatmulDescCreate) _(cublasLtMatmulDescDestroy) _(cublasLtMatmulDescSetAttribute) \
    _(cublasLtMatrixLayoutCreate) _(cublasLtMatrixLayoutDestroy) _(cublasLtMatmulPreferenceCreate) \
    _(cublasLtMatmulPreferenceDestroy) _(cublasLtMatmulPreferenceSetAttribute) _(cublasLtMatmulAlgoGetHeuristic) \
    _(cublasLtMatmul)

static struct {
#define FIELD(name) decltype(&name) name##_;
    FUNCTIONS(FIELD)
#undef FIELD
    cublasLtHandle_t handle;
    bool tried;
    char why[200];
} blas;

static bool find_functions(void *library)
{
    bool all = true;
#define FIND(name) all = (blas.name##_ = (decltype(&name))dlsym(library, #name)) != NULL && all;
    FUNCTIONS(FIND)
#undef FIND
    return all;
}

/* Opens the library of the toolkit's own version, from the loader's path or the toolkit's usual folder. */
static void open_library()
{
    const int major = CUDART_VERSION / 1000;
    static const char *const folders[] = {"", "/usr/local/cuda/lib64/"};
    char path[80];
    void *library = NULL;
    for (int i = 0; i < 2 && !library; i++) {
        snprintf(path, sizeof path, "%slibcublasLt.so.%d", folders[i], major);
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    blas.tried = true;
    if (!library)
        snprintf(blas.why, sizeof blas.why, "large products need NVIDIA's libcublasLt.so.%d, which is not installed",
                 major);
    else if (!find_functions(library))
        snprintf(blas.why, sizeof blas.why, "the installed libcublasLt.so.%d lacks functions", major);
    else if (blas.cublasLtCreate_(&blas.handle) != CUBLAS_STATUS_SUCCESS)
        snprintf(blas.why, sizeof blas.why, "cannot start libcublasLt.so.%d on this device", major);
    else
        return;
    blas.handle = NULL;
}

/* What a format is to the library. */
struct product_types {
    cudaDataType_t input, output, scale;
    cublasComputeType_t compute;
};

static const struct product_types bf16_types = {CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F};
static const struct product_types e4m3_types = {CUDA_R_8F_E4M3, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F};
static const struct product_types int8_types = {CUDA_R_8I, CUDA_R_32I, CUDA_R_32I, CUBLAS_COMPUTE_32I};

/* Descriptors of one product; zeros until made. */
struct descriptors {
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulPreference_t preference;
};

static bool describe(const struct gpu_gemm *k, const struct product_types *t, struct descriptors *s)
{
    const cublasOperation_t transposed = CUBLAS_OP_T;
    const int8_t fast = k->fast;
    const size_t scratch = GPU_GEMM_SCRATCH;
    const uint64_t cols = (uint64_t)k->cols, rows = (uint64_t)k->rows, tokens = (uint64_t)k->tokens;
    return !blas.cublasLtMatmulDescCreate_(&s->product, t->compute, t->scale) &&
           !blas.cublasLtMatmulDescSetAttribute_(s->product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                                 sizeof transposed) &&
           !blas.cublasLtMatmulDescSetAttribute_(s->product, CUBLASLT_MATMUL_DESC_FAST_ACCUM, &fast, sizeof fast) &&
           !blas.cublasLtMatrixLayoutCreate_(&s->a, t->input, cols, rows, (int64_t)cols) &&
           !blas.cublasLtMatrixLayoutCreate_(&s->b, t->input, cols, tokens, (int64_t)cols) &&
           !blas.cublasLtMatrixLayoutCreate_(&s->d, t->output, rows, tokens, (int64_t)rows) &&
           !blas.cublasLtMatmulPreferenceCreate_(&s->preference) &&
           !blas.cublasLtMatmulPreferenceSetAttribute_(s->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                       &scratch,
                                                       sizeof scratch);
}

static void forget(struct descriptors *s)
{
    if (s->preference)
        blas.cublasLtMatmulPreferenceDestroy_(s->preference);
    if (s->product)
        blas.cublasLtMatmulDescDestroy_(s->product);
    cublasLtMatrixLayout_t all[] = {s->a, s->b, s->d};
    for (int i = 0; i < 3; i++)
        if (all[i])
            blas.cublasLtMatrixLayoutDestroy_(all[i]);
}

static enum kernel_status multiply(struct gpu *g, const struct gpu_gemm *k, const struct product_types *t)
{
    struct descriptors s = {};
    cublasLtMatmulHeuristicResult_t choice;
    const int32_t one = 1, nothing = 0;
    const float scale = k->scale, zero = 0;
    const bool whole = t->scale == CUDA_R_32I;
    int found = 0;
    enum kernel_status status = KERNEL_OK;
    if (!describe(k, t, &s))
        status = gpu_refuse(KERNEL_GPU_FAILED, "cannot describe a product to cuBLASLt");
    else if (blas.cublasLtMatmulAlgoGetHeuristic_(blas.handle, s.product, s.a, s.b, s.d, s.d, s.preference, 1, &choice,
                                                  &found) || found == 0)
        status = gpu_refuse(KERNEL_NO_KERNEL, "cuBLASLt has no product of %d x %d with %d tokens on %s", k->rows,
                            k->cols,
                            k->tokens, g->about.name);
    else if (blas.cublasLtMatmul_(blas.handle, s.product, whole ? (const void *)&one : &scale, k->w, s.a, k->x, s.b,
                                  whole ? (const void *)&nothing : &zero, k->y, s.d, k->y, s.d, &choice.algo,
                                      k->scratch,
                                  GPU_GEMM_SCRATCH, g->stream))
        status = gpu_refuse(KERNEL_GPU_FAILED, "cuBLASLt failed on %s", g->about.name);
    forget(&s);
    return status == KERNEL_OK ? gpu_launched(g, "cublasLtMatmul") : status;
}

template <const struct product_types &TYPES>
static enum kernel_status launch_gemm(struct gpu *g, const void *work)
{
    const struct gpu_gemm *k = (const struct gpu_gemm *)work;
    if (k->rows % 4 || k->tokens % 4 || k->cols % 16)
        return gpu_refuse(KERNEL_BAD_SHAPE, "cannot multiply %d x %d with %d tokens: multiples of 4, 16 and 4 are "
                          "needed", k->rows, k->cols, k->tokens);
    if (k->rows == 0 || k->tokens == 0)
        return KERNEL_OK;
    if (!blas.tried)
        open_library();
    if (!blas.handle)
        return gpu_refuse(KERNEL_NO_KERNEL, "%s", blas.why);
    return multiply(g, k, &TYPES);
}

#define ROW(format, needs, TYPES, bound) \
    {GPU_GEMM, format, format, needs, bound, launch_gemm<TYPES>, "multiply", "kernels/gpu_gemm.cu"}

/* The bound of e4m3 is that of promoted sums; fast ones have a bias that grows with cols. */
const struct gpu_kernel gpu_gemm_rows[] = {
    ROW("bf16", 80, bf16_types, 2e-6f),
    ROW("e4m3", 89, e4m3_types, 2e-3f),
    ROW("int8", 80, int8_types, 0),
    {},
};

#else

const struct gpu_kernel gpu_gemm_rows[] = {
    {},
};

#endif
