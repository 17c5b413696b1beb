/* kernel.c: the table of kernels, dispatch over it, and the front door of the products.
 * The kernels themselves are in one file per instruction set; only this file names them.
 * Tolerances: FP32 sums of up to 133,120 products in at least 32 lanes; the scalar rows add in FP64. */
#include "kernels/kernel.h"

#include <string.h>

#include "kernels/pool.h"
#include "kernels/variants.h"

/* ---- The table ------------------------------------------------------------------------------------- */

#define READ(isa_, suffix, file_) \
    {.op = KERNEL_READ, .isa = isa_, .device = "cpu", .read = read__##suffix, \
     .function = "read__" #suffix, .file = "kernels/" file_}
#define MOVE(isa_, suffix) \
    {.op = KERNEL_MOVE, .isa = isa_, .device = "cpu", .move = move__##suffix, \
     .function = "move__" #suffix, .file = "kernels/move_" #suffix ".c"}
#define GEMV(name, format_, activation_, layout_, tolerance_, isa_, suffix, file_) \
    {.op = KERNEL_GEMV, .format = format_, .activation = ACTIVATION_##activation_, .layout = LAYOUT_##layout_, \
     .isa = isa_, .device = "cpu", .tolerance = tolerance_, .gemv = gemv_##name##__##suffix, \
     .function = "gemv_" #name "__" #suffix, .file = "kernels/" file_}
#define NAIVE(format_) \
    {.op = KERNEL_GEMV_NAIVE, .format = #format_, .activation = ACTIVATION_FP32, .isa = ISA_SCALAR, .device = "cpu", \
     .tolerance = 1e-4f, .gemv = gemv_##format_##_naive, \
     .function = "gemv_" #format_ "_naive", .file = "kernels/gemv.c"}

#define ROUND(format_, isa_, suffix, file_) \
    {.op = KERNEL_ROUND, .format = format_, .isa = isa_, .device = "cpu", .round = round__##suffix, \
     .function = "round__" #suffix, .file = "kernels/" file_}

/* Packed codes: the operation gives the function's first word. */
#define JOB(op_, word, format_, isa_, suffix, file_) \
    {.op = KERNEL_##op_, .format = format_, .isa = isa_, .device = "cpu", .job = word##__##suffix, \
     .function = #word "__" #suffix, .file = "kernels/" file_}

#define ATTENTION(format_, tolerance_, isa_, function_, file_) \
    {.op = KERNEL_ATTENTION, .format = format_, .isa = isa_, .device = "cpu", .tolerance = tolerance_, \
     .attention = function_, .function = #function_, .file = "kernels/" file_}
/* INT4's tolerance is wider: its terms are codes from 0 and a minimum, each larger than what they add up to. */
#define ATTENTIONS(isa_, suffix, file_) \
    ATTENTION("bf16", 3e-6f, isa_, attention_bf16__##suffix, file_), \
    ATTENTION("e4m3", 3e-6f, isa_, attention_e4m3__##suffix, file_), \
    ATTENTION("int8", 3e-6f, isa_, attention_int8__##suffix, file_), \
    ATTENTION("int4", 1e-5f, isa_, attention_int4__##suffix, file_)

/* What a language model's forward pass is made of. One sum after the other: an error of sqrt(k) ulps as a rule. */
#define FORWARD(isa_, suffix, end) \
    {.op = KERNEL_SGEMM, .isa = isa_, .device = "cpu", .tolerance = 1e-5f, .sgemm = sgemm__##suffix, \
     .function = "sgemm__" #suffix, .file = "kernels/sgemm" end ".c"}, \
    {.op = KERNEL_ROWS, .isa = isa_, .device = "cpu", .rows = &rowops__##suffix, \
     .function = "rowops__" #suffix, .file = "kernels/rowops" end ".c"}

/* Those of one instruction set that has fast ones. Formats share a function where only their row differs. */
#define CODERS(op_, word, isa_, suffix, file_) \
    JOB(op_, word##_float8, "e4m3", isa_, suffix, file_), JOB(op_, word##_float8, "e5m2", isa_, suffix, file_), \
    JOB(op_, word##_float4, "e2m1", isa_, suffix, file_), JOB(op_, word##_int8, "int8", isa_, suffix, file_), \
    JOB(op_, word##_int4, "int4", isa_, suffix, file_), JOB(op_, word##_fp16, "fp16", isa_, suffix, file_), \
    JOB(op_, word##_bf16, "bf16", isa_, suffix, file_)
#define SCALED(op_, word, isa_, suffix, file_) \
    JOB(op_, word##_int8, "int8", isa_, suffix, file_), JOB(op_, word##_float8, "e4m3", isa_, suffix, file_), \
    JOB(op_, word##_float8, "e5m2", isa_, suffix, file_), JOB(op_, word##_int4, "int4", isa_, suffix, file_), \
    JOB(op_, word##_mxfp8, "mxfp8-e4m3", isa_, suffix, file_), \
    JOB(op_, word##_mxfp8, "mxfp8-e5m2", isa_, suffix, file_), \
    JOB(op_, word##_mxfp4, "mxfp4", isa_, suffix, file_), JOB(op_, word##_nvfp4, "nvfp4", isa_, suffix, file_)
#define JOBS(isa_, suffix) \
    CODERS(ENCODE, encode, isa_, suffix, "encode_" #suffix ".c"), \
    CODERS(ENCODE_STATS, encode_stats, isa_, suffix, "encode_" #suffix ".c"), \
    CODERS(DECODE, decode, isa_, suffix, "decode_" #suffix ".c"), \
    SCALED(DEQUANTIZE, dequantize, isa_, suffix, "decode_" #suffix ".c")
#define FINDERS(isa_, suffix) \
    SCALED(QUANTIZE, quantize, isa_, suffix, "blocks_" #suffix ".c")

/* Those of at most 16 bits whose elements are IEEE-like floats or integers in steps of 1, alone or in blocks. */
#define ROUNDERS(isa_, suffix, file_) \
    ROUND("fp16", isa_, suffix, file_), ROUND("bf16", isa_, suffix, file_), \
    ROUND("e4m3", isa_, suffix, file_), ROUND("e5m2", isa_, suffix, file_), \
    ROUND("e2m3", isa_, suffix, file_), ROUND("e3m2", isa_, suffix, file_), \
    ROUND("e2m1", isa_, suffix, file_), ROUND("int8", isa_, suffix, file_), \
    ROUND("int4", isa_, suffix, file_), ROUND("int3", isa_, suffix, file_), \
    ROUND("int2", isa_, suffix, file_), ROUND("mxfp8-e4m3", isa_, suffix, file_), \
    ROUND("mxfp8-e5m2", isa_, suffix, file_), ROUND("mxfp6-e2m3", isa_, suffix, file_), \
    ROUND("mxfp6-e3m2", isa_, suffix, file_), ROUND("mxfp4", isa_, suffix, file_), \
    ROUND("nvfp4", isa_, suffix, file_), ROUND("q8_0", isa_, suffix, file_)

/* The products of one instruction set; the first row of a format names its usual activation. INT8 x INT8 is exact,
 * 4-bit formats with INT8 are exact within a group or block. Activations that a function takes as FP32 numbers, rounded
 * before, share it. */
#define PRODUCTS(tolerance, e4m3_layout, isa_, suffix, end) \
    GEMV(fp32, "fp32", FP32, VALUES, tolerance, isa_, suffix, "gemv" end), \
    GEMV(fp16, "fp16", FP32, VALUES, tolerance, isa_, suffix, "gemv" end), \
    GEMV(bf16, "bf16", FP32, VALUES, tolerance, isa_, suffix, "gemv" end), \
    GEMV(e4m3, "e4m3", FP32, e4m3_layout, tolerance, isa_, suffix, "gemv" end), \
    GEMV(e4m3, "e4m3", BF16, e4m3_layout, tolerance, isa_, suffix, "gemv" end), \
    GEMV(e4m3, "e4m3", INT8, e4m3_layout, tolerance, isa_, suffix, "gemv" end), \
    GEMV(int8, "int8", INT8, CODES, 0, isa_, suffix, "gemv" end), \
    GEMV(int8_values, "int8", FP32, VALUES, tolerance, isa_, suffix, "gemv" end), \
    GEMV(int8_values, "int8", BF16, VALUES, tolerance, isa_, suffix, "gemv" end), \
    GEMV(int4, "int4", INT8, CODES, tolerance, isa_, suffix, "gemv" end), \
    GEMV(int4_values, "int4", BF16, VALUES, tolerance, isa_, suffix, "gemv" end), \
    GEMV(mxfp4, "mxfp4", INT8, CODES_32, tolerance, isa_, suffix, "gemv_fp4" end), \
    GEMV(mxfp4_values, "mxfp4", BF16, VALUES_32, tolerance, isa_, suffix, "gemv_fp4" end), \
    GEMV(nvfp4, "nvfp4", INT8, CODES_16, tolerance, isa_, suffix, "gemv_fp4" end), \
    GEMV(nvfp4_values, "nvfp4", BF16, VALUES_16, tolerance, isa_, suffix, "gemv_fp4" end)

static const struct kernel kernels[] = {
    READ(ISA_SCALAR, scalar, "stream.c"),
    PRODUCTS(2e-7f, VALUES, ISA_SCALAR, scalar, ".c"),
    NAIVE(fp32),
    NAIVE(int4),
    ATTENTION(NULL, 2e-6f, ISA_SCALAR, attention__scalar, "attention.c"),
    ROUND(NULL, ISA_SCALAR, scalar, "round.c"),
    JOB(ENCODE, encode, NULL, ISA_SCALAR, scalar, "encode.c"),
    JOB(ENCODE_STATS, encode_stats, NULL, ISA_SCALAR, scalar, "encode.c"),
    JOB(QUANTIZE, quantize, NULL, ISA_SCALAR, scalar, "encode.c"),
    JOB(DECODE, decode, NULL, ISA_SCALAR, scalar, "encode.c"),
    JOB(DEQUANTIZE, dequantize, NULL, ISA_SCALAR, scalar, "encode.c"),
    FORWARD(ISA_SCALAR, scalar, ""),
#if defined(__x86_64__)
    READ(ISA_AVX2, avx2, "stream_avx2.c"),
    PRODUCTS(2e-6f, FOURS, ISA_AVX2, avx2, "_avx2.c"),
    ATTENTIONS(ISA_AVX2, avx2, "attention_avx2.c"),
    ROUNDERS(ISA_AVX2, avx2, "round_avx2.c"),
    JOBS(ISA_AVX2, avx2),
    FINDERS(ISA_AVX2, avx2),
    MOVE(ISA_AVX2, avx2),
    FORWARD(ISA_AVX2, avx2, "_avx2"),
    READ(ISA_AVX512, avx512, "stream_avx512.c"),
    PRODUCTS(2e-6f, FOURS, ISA_AVX512, avx512, "_avx512.c"),
    ATTENTIONS(ISA_AVX512, avx512, "attention_avx512.c"),
    ROUNDERS(ISA_AVX512, avx512, "round_avx512.c"),
    JOBS(ISA_AVX512, avx512),
    FINDERS(ISA_AVX512, avx512),
    MOVE(ISA_AVX512, avx512),
    FORWARD(ISA_AVX512, avx512, "_avx512"),
#elif defined(__aarch64__)
    PRODUCTS(2e-6f, VALUES, ISA_NEON, neon, "_neon.c"),
    ATTENTIONS(ISA_NEON, neon, "attention_neon.c"),
    JOBS(ISA_NEON, neon),
    FORWARD(ISA_NEON, neon, "_neon"),
#endif
};

#define KERNELS (sizeof kernels / sizeof kernels[0])

size_t kernel_count(void)
{
    return KERNELS;
}

const struct kernel *kernel_at(size_t i)
{
    return i < KERNELS ? &kernels[i] : NULL;
}

/* A row without a format takes any. */
static bool takes(const struct kernel *k, const char *format)
{
    return !k->format || (format && strcmp(k->format, format) == 0);
}

/* The best row that takes these, whatever its activation if that is ACTIVATIONS. */
static const struct kernel *find(enum kernel_op op, const char *format, enum activation activation, enum isa allowed)
{
    const struct kernel *best = NULL;
    for (size_t i = 0; i < KERNELS; i++) {
        const struct kernel *k = &kernels[i];
        bool may = isa_allows(allowed, k->isa) && cpu_info()->has[k->isa];
        bool meets = activation == ACTIVATIONS || k->activation == activation;
        if (k->op == op && takes(k, format) && meets && may && (!best || k->isa > best->isa))
            best = k;
    }
    return best;
}

const struct kernel *kernel_find(enum kernel_op op, const char *format, enum isa allowed)
{
    return find(op, format, ACTIVATIONS, allowed);      /* of one instruction set's rows, the first */
}

const struct kernel *kernel_find_product(const char *format, enum activation activation, enum isa allowed)
{
    return find(KERNEL_GEMV, format, activation, allowed);
}

/* ---- The front door -------------------------------------------------------------------------------- */

enum { BATCH_TILE = 16, TILE_BYTES = 1 << 20, TILE_ROWS = 16 };     /* a task: 1 MiB of W, about 25 us, in whole 16s */

/* How Y is cut into tasks: by its shape alone, so that it is the same for any number of threads. */
struct cut {
    const struct kernel  *kernel;
    const struct matrix  *w;
    const struct operand *x;
    float                *y;
    size_t                rows, tiles;      /* rows a task, and tasks for each 16 tokens */
};

static struct cut cut_product(const struct kernel *k, const struct matrix *w, const struct operand *x, float *y)
{
    size_t rows = w->stride ? TILE_BYTES / w->stride / TILE_ROWS * TILE_ROWS : w->rows;
    rows = rows > TILE_ROWS ? rows : TILE_ROWS;
    return (struct cut){k, w, x, y, rows, (w->rows + rows - 1) / rows};
}

/* Tasks walk through W for the first 16 tokens, then for the next. */
static enum kernel_status gemv_task(void *arg, size_t task)
{
    const struct cut *cut = arg;
    size_t b = task / cut->tiles * BATCH_TILE, row = task % cut->tiles * cut->rows;
    size_t tokens = cut->x->batch - b < BATCH_TILE ? cut->x->batch - b : BATCH_TILE;
    size_t last = row + cut->rows < cut->w->rows ? row + cut->rows : cut->w->rows;
    struct operand slice = operand_slice(cut->x, b, tokens);
    cut->kernel->gemv(cut->w, &slice, cut->y + b * cut->w->rows, row, last);
    return KERNEL_OK;
}

enum kernel_status gemv_prepared(const struct kernel *k, const struct matrix *w, const struct operand *x,
                                 float *y, const struct progress *progress)
{
    if (!k || !k->gemv || !takes(k, w->format->name))
        return KERNEL_NO_KERNEL;
    if (x->cols != w->cols || x->activation != k->activation || x->layout != k->layout)
        return KERNEL_BAD_SHAPE;
    struct cut cut = cut_product(k, w, x, y);
    return pool_run(progress, cut.tiles * ((x->batch + BATCH_TILE - 1) / BATCH_TILE), gemv_task, &cut);
}

enum kernel_status gemv(const struct kernel *k, const struct matrix *w, const float *x, size_t batch,
                        float *y, const struct progress *progress)
{
    struct operand operand;
    if (!k)
        return KERNEL_NO_KERNEL;
    enum kernel_status status = operand_prepare(&operand, k->activation, k->layout, x, batch, w->cols, NULL);
    if (status == KERNEL_OK)
        status = gemv_prepared(k, w, &operand, y, progress);
    operand_free(&operand);
    return status;
}
