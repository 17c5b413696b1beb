/* test_quantjob.c: what `saffron quantize` writes and says, rebuilt from its codes and scales by the oracle.
 * Every format with every scale that it takes; methods; tensors that stream; every tensor that is refused. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/quantjob.h"
#include "engine/safetensors_write.h"
#include "engine/tensorfile.h"
#include "engine/view.h"
#include "kernels/random.h"
#include "kernels/recipe.h"
#include "tests/oracle.h"

enum { ROWS = 9, COLS = 76, TOKENS = 40, N = ROWS * COLS };

static char folder[256], in_path[512], out_path[512];

static bool go_on(void *ctx, double fraction)
{
    (void)fraction;
    return !ctx;
}

/* Writes `in_path`: w [ROWS, COLS], x [TOKENS, COLS], and tensors that nobody can round. */
static void write_input(const float *w, const float *x)
{
    const uint64_t shape[2] = { ROWS, COLS }, tokens[2] = { TOKENS, COLS };
    const uint64_t narrow[2] = { TOKENS, 4 }, none = 0, one = 1, four = 4;
    float flat[4 * TOKENS] = { 0 }, nothing[4] = { NAN, INFINITY, NAN, -INFINITY }, seven = 7;
    struct safetensors_writer out = { .fd = open(in_path, O_WRONLY | O_CREAT | O_TRUNC, 0600) };
    int a = safetensors_add(&out, "w", "F32", 2, shape), b = safetensors_add(&out, "x", "F32", 2, tokens);
    int c = safetensors_add(&out, "zeros", "F32", 2, narrow), d = safetensors_add(&out, "nan", "F32", 1, &four);
    int e = safetensors_add(&out, "one", "F32", 1, &one);
    safetensors_add(&out, "empty", "F32", 1, &none);
    bool done = safetensors_begin(&out, NULL) && safetensors_put(&out, a, w, N * sizeof *w) &&
                safetensors_put(&out, b, x, TOKENS * COLS * sizeof *x) &&
                safetensors_put(&out, c, flat, sizeof flat) && safetensors_put(&out, d, nothing, sizeof nothing) &&
                safetensors_put(&out, e, &seven, sizeof seven);
    assert_true(done && safetensors_whole(&out));
    close(out.fd);
}

/* The request for `words` ("--name value" pairs without their dashes), run. The reply, or NULL with `error`. */
static json_t *run(const char *tensor, const char *const words[][2], size_t block, bool writes, char error[512])
{
    struct outfile out;
    struct quantjob_env env = { .progress = go_on, .out = writes ? &out : NULL, .block_values = block };
    json_t *request = json_pack("{s:s, s:s, s:s}", "path", in_path, "tensor", tensor, "seed", "3");
    for (int i = 0; words[i][0]; i++)
        json_object_set_new(request, words[i][0], words[i][1] ? json_string(words[i][1]) : json_true());
    *error = '\0';
    if (writes)
        assert_true(outfile_open(&out, out_path, error, 512));
    json_t *reply = quantjob_run(request, &env, error, 512);
    json_decref(request);
    return reply;
}

static float *weights, *inputs;

/* --- the file, rebuilt -------------------------------------------------------------------------------------------- */

struct written {
    struct tensorfile *file;
    const struct safetensor *codes, *scales, *zeros, *tensor_scale, *dequant;
};

static const struct safetensor *part(const struct written *w, const char *name)
{
    char error[400];
    return tensorfile_find(w->file, name, error, sizeof error);
}

static struct written read_output(void)
{
    char error[400];
    struct written w = { .file = tensorfile_open(out_path, error, sizeof error) };
    if (!w.file)
        fail_msg("%s", error);
    w.codes = part(&w, "codes");
    w.scales = part(&w, "scales");
    w.zeros = part(&w, "zeros");
    w.tensor_scale = part(&w, "tensor_scale");
    w.dequant = part(&w, "dequant");
    return w;
}

static float float_at(const struct safetensor *tensor, size_t i)
{
    float value;
    safetensor_floats(tensor, i, 1, &value);
    return value;
}

static uint32_t code_at(const struct safetensor *codes, size_t i)
{
    uint32_t code = 0;
    memcpy(&code, (const char *)codes->data + i * codes->dtype->bytes, codes->dtype->bytes);
    return code;
}

/* The value of a code by the published layout, or by FP32's own bits. */
static double value_of(const struct oracle *o, const char *format, uint32_t code)
{
    float same;
    memcpy(&same, &code, sizeof same);
    if (strcmp(format, "fp32") == 0)
        return (double)same;
    for (int negative = 0; negative < 2; negative++)
        for (uint32_t i = 0; i < o->side[negative].n; i++)
            if (o->side[negative].code[i] == code)
                return negative ? -o->side[negative].value[i] : o->side[negative].value[i];
    return (double)NAN;
}

/* Which of a row's scales column c has: `width` values share one. */
static size_t width_of(struct scale scale)
{
    return scale.kind >= SCALE_GROUP ? scale.size : COLS;
}

static size_t scale_index(struct scale scale, size_t i)
{
    size_t row = i / COLS, across = (COLS + width_of(scale) - 1) / width_of(scale);
    size_t band = scale.kind == SCALE_TENSOR ? ROWS : scale.kind == SCALE_TILE ? scale.rows : 1;
    return row / band * across + i % COLS / width_of(scale);
}

/* codes, scales and zeros give `dequant` back, to the bit where one product does it. */
static void check_rebuilt(const struct format *f, struct scale scale, bool affine, const struct written *w)
{
    struct oracle o = { 0 };
    bool known = strcmp(f->name, "fp32") == 0 || oracle_open(&o, f->name), two_level = scale.kind == SCALE_TWO_LEVEL;
    if (f->block && scale.kind == SCALE_NONE)   /* NVFP4 without the tensor's scale keeps those of its blocks */
        scale = recipe_scale(f);
    assert_true(known && w->codes && w->dequant && w->codes->count == N && w->dequant->count == N);
    assert_int_equal(w->scales != NULL, scale.kind != SCALE_NONE);
    assert_int_equal(w->tensor_scale != NULL, two_level);
    assert_int_equal(w->zeros != NULL, affine);
    for (size_t i = 0; i < N; i++) {
        uint32_t code = code_at(w->codes, i);
        double value = affine ? (double)code : value_of(&o, f->name, code);
        float by = w->scales ? float_at(w->scales, scale_index(scale, i)) : 1;
        if (w->tensor_scale)
            by *= float_at(w->tensor_scale, 0);
        value = (affine ? value - (double)float_at(w->zeros, scale_index(scale, i)) : value) * (double)by;
        double got = (double)float_at(w->dequant, i);
        if (!((float)value == (float)got || (isnan(value) && isnan(got))))
            fail_msg("%s: element %zu: code %u, scale %g is %.9g, the file says %.9g", f->name, i,
                     code, (double)by, value, got);
    }
    if (o.layout)
        oracle_close(&o);
}

/* The figures, counted again from `dequant`. */
static void check_figures(const json_t *reply, const float *meant, const struct written *w)
{
    const json_t *q = json_object_get(reply, "quantize");
    double signal = 0, noise = 0, most = 0, zeros = 0;
    for (size_t i = 0; i < N; i++) {
        double x = (double)meant[i], y = (double)float_at(w->dequant, i), wrong = fabs(x - y);
        signal += x * x;
        noise += wrong * wrong;
        most = wrong > most ? wrong : most;
        zeros += y == 0;
    }
    double mse = view_number(q, "mse", -1), db = view_number(q, "sqnr_db", -1);
    assert_true(fabs(mse - noise / N) <= 2e-6 * mse);
    if (noise > 0)
        assert_true(fabs(db - 10 * log10(signal / noise)) <= 1e-5);
    else
        assert_string_equal(view_text(q, "sqnr_db", ""), "inf");
    assert_true(fabs(view_number(q, "max_abs_error", -1) - most) <= 1e-12 + 1e-6 * most);
    assert_true(fabs(view_number(q, "zero_fraction", -1) - zeros / N) <= 1e-12);
}

/* What is stored, counted by hand, in bits: codes of each row packed into bytes, scales and zero-points. */
static void check_bits(const json_t *reply, double bits)
{
    double got = view_number(json_object_get(reply, "quantize"), "bits_per_weight", -1);
    if (fabs(got - bits / N) > 1e-9)
        fail_msg("%.6f bits per weight, counted %.6f", got, bits / N);
}

static void every_format(void **state)
{
    static const char *const scales[] = { "none", "tensor", "channel", "token", "group:32", "block:16", "tile:4x20",
                                          "two-level" };
    int seen = 0;
    (void)state;
    for (size_t i = 0; i < format_count(); i++)
        for (size_t k = 0; k <= sizeof scales / sizeof scales[0]; k++) {
            const struct format *f = format_at(i);
            const char *own = k == 0 ? NULL : scales[k - 1];
            const char *const words[][2] = { { "format", f->name }, { own ? "scale" : NULL, own }, { NULL, NULL } };
            struct recipe recipe;
            char error[512];
            bool fits = recipe_parse(&(struct recipe_words){ .format = f->name, .scale = own }, &recipe, error, 512);
            if (strcmp(f->name, "e8m0") == 0) /* holds no negative values and no zero: its own test is test_format */
                continue;
            json_t *reply = run("w", words, 0, true, error);
            assert_int_equal(fits, reply != NULL);
            if (!reply) {
                assert_null(strpbrk(error, "\n"));
                assert_int_equal(access(out_path, F_OK), -1);
                continue;
            }
            struct written w = read_output();
            check_rebuilt(f, recipe.scale, false, &w);
            check_figures(reply, weights, &w);
            tensorfile_close(w.file);
            json_decref(reply);
            unlink(out_path);
            seen++;
        }
    assert_true(seen > 100);
}

static void zero_points(void **state)
{
    static const char *const rules[] = { "awq", "gptq" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *const words[][2] = { { "format", "int4" }, { "scale", "group:32" }, { "zero_point", rules[i] },
                                         { NULL, NULL } };
        char error[512];
        json_t *reply = run("w", words, 0, true, error);
        assert_non_null(reply);
        struct written w = read_output();
        check_rebuilt(format_find("int4"), (struct scale){ SCALE_GROUP, 32, 0 }, true, &w);
        check_figures(reply, weights, &w);
        /* 38 bytes a row; three groups with an FP16 scale and a code of 4 bits, these packed over the tensor */
        check_bits(reply, ROWS * 38 * 8 + ROWS * 3 * 16 + (ROWS * 3 * 4 + 7) / 8 * 8);
        tensorfile_close(w.file);
        json_decref(reply);
        unlink(out_path);
    }
}

static void bits_are_counted(void **state)
{
    static const struct {
        const char *format, *scale;
        double bits;
    } cases[] = {
        { "int8", "tensor", ROWS * COLS * 8 + 32 },          { "int8", "channel", ROWS * (COLS * 8 + 32) },
        { "int4", "group:32", ROWS * (38 * 8 + 3 * 16) },    { "e4m3", "tile:4x20", ROWS * COLS * 8 + 3 * 4 * 32 },
        { "bf16", "none", ROWS * COLS * 16 },                { "mxfp4", NULL, ROWS * 3 * 17 * 8 },
        { "nvfp4", NULL, ROWS * 5 * 9 * 8 + 32 },            { "q8_0", NULL, ROWS * 3 * 34 * 8 },
        { "q4_0", NULL, ROWS * 3 * 18 * 8 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const words[][2] = { { "format", cases[i].format },
                                         { cases[i].scale ? "scale" : NULL, cases[i].scale }, { NULL, NULL } };
        char error[512];
        json_t *reply = run("w", words, 0, false, error);
        assert_non_null(reply);
        check_bits(reply, cases[i].bits);
        json_decref(reply);
    }
}

/* --- methods ------------------------------------------------------------------------------------------------------ */

static void methods(void **state)
{
    static const char *const names[] = { "rtn", "llm-int8", "smoothquant", "gptq", "awq", "hadamard" };
    double weight_db[6], output_db[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        const char *const words[][2] = { { "format", i == 1 || i == 2 ? "int8" : "int4" }, { "scale", "channel" },
                                         { "method", names[i] }, { "calib", in_path }, { "calib_tensor", "x" },
                                         { NULL, NULL } };
        char error[512];
        json_t *reply = run("w", words, 0, true, error);
        if (!reply)
            fail_msg("%s: %s", names[i], error);
        const json_t *q = json_object_get(reply, "quantize");
        struct written w = read_output();
        check_figures(reply, weights, &w);
        assert_string_equal(view_text(q, "method", ""), names[i]);
        weight_db[i] = view_number(q, "sqnr_db", 0);
        output_db[i] = view_number(q, "output_sqnr_db", 0);
        assert_int_equal(part(&w, "input_scale") != NULL, i == 2 || i == 4);
        assert_int_equal(part(&w, "kept") != NULL, i == 1);
        assert_int_equal(json_object_get(q, "alpha") != NULL, i == 2 || i == 4);
        tensorfile_close(w.file);
        json_decref(reply);
        unlink(out_path);
    }
    /* What GPTQ and AWQ are for: a better output, at the weights' expense. */
    assert_true(output_db[3] > output_db[0] + 0.5 && weight_db[3] < weight_db[0]);
    assert_true(output_db[4] > output_db[0]);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static size_t read_file(const char *path, char *bytes, size_t room)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, bytes, room);
    close(fd);
    return n < 0 ? 0 : (size_t)n;
}

/* The same file and the same figures whether the tensor came at once or two rows at a time. */
static void streamed(void **state)
{
    static const char *const cases[][3] = {
        { "int8", "tensor", "none" },    { "int8", "channel", "none" },  { "int4", "group:32", "awq" },
        { "e4m3", "tile:4x20", "none" }, { "nvfp4", NULL, "none" },      { "mxfp4", NULL, "none" },
        { "e4m3", "none", "none" },      { "q4_0", NULL, "none" },       { "nf4-dq", NULL, "none" },
    };
    static char whole[1 << 16], pieces[1 << 16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const words[][2] = { { "format", cases[i][0] }, { "zero_point", cases[i][2] },
                                         { cases[i][1] ? "scale" : NULL, cases[i][1] }, { NULL, NULL } };
        char error[512];
        json_t *a = run("w", words, 0, true, error);
        size_t n = read_file(out_path, whole, sizeof whole);
        unlink(out_path);
        json_t *b = run("w", words, 2 * COLS, true, error);
        assert_true(a && b && n > 0);
        assert_int_equal(read_file(out_path, pieces, sizeof pieces), n);
        assert_memory_equal(whole, pieces, n);
        static const char *const same[] = { "bits_per_weight", "mse", "sqnr_db", "max_abs_error", "zero_fraction",
                                            "clipped_fraction", "nonfinite" };
        for (size_t k = 0; k < sizeof same / sizeof same[0]; k++) {
            double x = view_number(json_object_get(a, "quantize"), same[k], -1);
            double y = view_number(json_object_get(b, "quantize"), same[k], -1);
            if (fabs(x - y) > 2e-6 * fabs(x)) /* the sums of arithmetic.md: in FP32, in the order of the values */
                fail_msg("%s %s: %.12g whole, %.12g in pieces", cases[i][0], same[k], x, y);
        }
        json_decref(a);
        json_decref(b);
        unlink(out_path);
    }
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void refused(void **state)
{
    static const struct {
        const char *tensor, *says;
        const char *words[5][2];
    } cases[] = {
        { "w", "--format", { { NULL } } },
        { "w", "did you mean 'int8'", { { "format", "int88" } } },
        { "w", "unknown scale", { { "format", "int8" }, { "scale", "rows" } } },
        { "w", "unknown method", { { "format", "int8" }, { "method", "magic" } } },
        { "w", "needs --calib", { { "format", "int4" }, { "method", "gptq" } } },
        { "w", "needs --calib", { { "format", "int4" }, { "method", "awq" } } },
        { "w", "4 features", { { "format", "int4" }, { "method", "gptq" }, { "calib", in_path },
                               { "calib_tensor", "zeros" } } },
        { "w", "no tensor 'y'", { { "format", "int4" }, { "calib", in_path }, { "calib_tensor", "y" } } },
        { "w", "--alpha belongs", { { "format", "int4" }, { "alpha", "" } } },
        { "w", "--act-order belongs", { { "format", "int4" }, { "act_order", NULL } } },
        { "w", "cannot emit 'code'", { { "format", "int4" }, { "emit", "code" } } },
        { "empty", "is empty", { { "format", "int8" } } },
        { "zeros", "every value of tensor 'zeros' is 0", { { "format", "int8" } } },
        { "nan", "no value of tensor 'nan' is finite", { { "format", "int8" } } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[512];
        assert_null(run(cases[i].tensor, cases[i].words, 0, true, error));
        if (!strstr(error, cases[i].says) || strpbrk(error, "\n"))
            fail_msg("case %zu says '%s'", i, error);
        assert_int_equal(access(out_path, F_OK), -1);
    }
}

static void one_element(void **state)
{
    const char *const words[][2] = { { "format", "int8" }, { NULL, NULL } };
    char error[512];
    (void)state;
    json_t *reply = run("one", words, 0, true, error);
    assert_non_null(reply);
    struct written w = read_output();
    assert_true(code_at(w.codes, 0) == 127 && float_at(w.dequant, 0) == 7);
    tensorfile_close(w.file);
    json_decref(reply);
    unlink(out_path);
}

/* A cancel leaves nothing. */
static void canceled(void **state)
{
    struct outfile out;
    char error[512] = "";
    int stop = 1;
    struct quantjob_env env = { .progress = go_on, .ctx = &stop, .out = &out, .block_values = COLS };
    json_t *request = json_pack("{s:s, s:s, s:s}", "path", in_path, "tensor", "w", "format", "int8");
    (void)state;
    assert_true(outfile_open(&out, out_path, error, sizeof error));
    assert_null(quantjob_run(request, &env, error, sizeof error));
    assert_string_equal(error, "canceled");
    assert_int_equal(access(out_path, F_OK), -1);
    json_decref(request);
}

static int make_input(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/saffron-quantjob.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(in_path, sizeof in_path, "%s/in.safetensors", folder);
    snprintf(out_path, sizeof out_path, "%s/out.safetensors", folder);
    weights = malloc(N * sizeof *weights);
    inputs = malloc(TOKENS * COLS * sizeof *inputs);
    random_gaussian(weights, N, 5, 1);
    random_gaussian(inputs, TOKENS * COLS, 6, 1);
    for (size_t t = 0; t < TOKENS; t++) {       /* columns that hang together, one of them large */
        float common = inputs[t * COLS];
        for (size_t c = 0; c < COLS; c++)
            inputs[t * COLS + c] = 0.6f * inputs[t * COLS + c] + common * (c == 7 ? 20 : 1);
    }
    write_input(weights, inputs);
    return 0;
}

static int remove_input(void **state)
{
    char command[300];
    (void)state;
    free(weights);
    free(inputs);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format), cmocka_unit_test(zero_points), cmocka_unit_test(bits_are_counted),
        cmocka_unit_test(methods),      cmocka_unit_test(streamed),    cmocka_unit_test(refused),
        cmocka_unit_test(one_element),  cmocka_unit_test(canceled),
    };
    return cmocka_run_group_tests(tests, make_input, remove_input);
}
