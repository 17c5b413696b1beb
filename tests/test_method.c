/* test_method.c: the outcomes that the course tells of its methods, with our generators.
 * Each is the mean over seeds, and may differ from what is told by 0.3 dB or three standard deviations. The layer:
 * 256 tokens, 512 inputs, 512 outputs, weights of 0.02, six input channels 20 to 60 times larger than the others. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/dense.h"
#include "kernels/kivi.h"
#include "kernels/method.h"
#include "kernels/random.h"

enum { TOKENS = 256, IN = 512, OUT = 512, SEEDS = 16, PLANTED = 6 };

static struct {
    float w[OUT * IN], x[TOKENS * IN], exact[TOKENS * OUT], y[TOKENS * OUT];
    size_t planted[PLANTED];
} layer[1];

static enum isa best_isa;

static struct recipe recipe(const char *format, const char *scale, const char *zero)
{
    struct recipe r = {0};
    char why[200];
    const struct recipe_words words = {.format = format, .scale = scale, .zero_point = zero};
    if (!recipe_parse(&words, &r, why, sizeof why))
        fail_msg("%s", why);
    r.isa = best_isa;
    return r;
}

static struct method_task task_of(struct recipe weights)
{
    return (struct method_task){
        .w = layer->w, .out = OUT, .in = IN, .x = layer->x, .tokens = TOKENS, .weights = weights, .isa = best_isa
    };
}

static void make_layer(uint64_t seed)
{
    random_gaussian(layer->x, TOKENS * IN, seed, 1);
    random_outlier_channels(layer->x, TOKENS, IN, seed, PLANTED, 20, 60, layer->planted);
    random_gaussian(layer->w, OUT * IN, seed + 1000, 0.02);
    assert_int_equal(dense_product(layer->x, layer->w, TOKENS, OUT, IN, layer->exact, best_isa, NULL), KERNEL_OK);
}

/* ---- Told and measured ----------------------------------------------------------------------------- */

struct outcome {
    const char *what;
    double told;
    double sum, squares;
    int n;
    const char *differs;        /* why it lies further away, up to 0.5 dB */
};

static void add(struct outcome *o, double value)
{
    o->sum += value;
    o->squares += value * value;
    o->n++;
}

static void judge(struct outcome *o, size_t count)
{
    int wrong = 0;
    for (; count--; o++) {
        double mean = o->sum / o->n, spread = sqrt(fmax(o->squares / o->n - mean * mean, 0) * o->n / fmax(o->n - 1, 1));
        double allowed = fmax(o->differs ? 0.5 : 0.3, 3 * spread);
        bool right = fabs(mean - o->told) <= allowed;
        print_message("%-48s told %6.2f  here %6.2f +- %.2f%s\n", o->what, o->told, mean, spread,
                      right ? o->differs ? o->differs : "" : "  <<<");
        wrong += !right;
    }
    assert_int_equal(wrong, 0);
}

/* Rounds the layer and returns the output's SQNR. */
static double output_db(const char *name, const struct method_task *task, struct method_result *result)
{
    assert_int_equal(method_run(method_find(name), task, NULL, result), KERNEL_OK);
    assert_int_equal(method_output(result, layer->x, TOKENS, layer->y, NULL), KERNEL_OK);
    return meter_compare(layer->exact, layer->y, TOKENS * OUT).sqnr_db;
}

static double output_of(const char *name, const struct method_task *task)
{
    struct method_result result;
    double db = output_db(name, task, &result);
    method_free(&result);
    return db;
}

/* ---- INT8 layers ----------------------------------------------------------------------------------- */

static void int8_layers(void **state)
{
    struct outcome o[] = { { .what = "W8A16", .told = 42.5 },
                           { .what = "W8A8, one scale for A", .told = 20.8 },
                           { .what = "W8A8, a scale a token", .told = 27.9 },
                           { .what = "LLM.int8(), threshold 6", .told = 51.6 } };
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct method_result result;
        make_layer(seed);
        struct method_task task = task_of(recipe("int8", "channel", NULL));
        add(&o[0], output_of("rtn", &task));
        task.activations = recipe("int8", "tensor", NULL);
        add(&o[1], output_of("rtn", &task));
        task.activations = recipe("int8", "token", NULL);
        add(&o[2], output_of("rtn", &task));
        add(&o[3], output_db("llm-int8", &task, &result));
        assert_int_equal(result.kept_count, PLANTED);
        for (size_t i = 0; i < PLANTED; i++)
            assert_true(result.kept[layer->planted[i]]);
        method_free(&result);
    }
    judge(o, sizeof o / sizeof o[0]);
}

/* How many columns each threshold keeps: beyond 4 it is outliers, below it is the tails of every column. */
static void thresholds(void **state)
{
    struct outcome o[] = {{.what = "columns kept at 5", .told = 6}, {.what = "columns kept at 4", .told = 15},
                          {.what = "columns kept at 3", .told = 266}, {.what = "columns kept at 2", .told = 512}};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        make_layer(seed);
        struct method_task task = task_of(recipe("int8", "channel", NULL));
        for (int i = 0; i < 4; i++) {
            struct method_result result;
            task.threshold = 5 - i;
            assert_int_equal(method_run(method_find("llm-int8"), &task, NULL, &result), KERNEL_OK);
            add(&o[i], (double)result.kept_count);
            method_free(&result);
        }
    }
    judge(o, sizeof o / sizeof o[0]);
}

static void smoothquant(void **state)
{
    static const double alphas[] = {0, 0.25, 0.5, 0.6, 1};
    struct outcome o[] = { { .what = "SmoothQuant, one scale for A, alpha 0", .told = 20.6 },
                           { .what = "alpha 0.25", .told = 29 },
                           { .what = "alpha 0.5", .told = 35.8 },
                           { .what = "alpha 0.6", .told = 36.8 },
                           { .what = "alpha 1", .told = 28.2 },
                           { .what = "a scale a token, alpha 0", .told = 27.8 },
                           { .what = "alpha 0.5", .told = 40.4 },
                           { .what = "alpha 1", .told = 28.2 } };
    static const int tensor[] = {0, 1, 2, 3, 4}, token[] = {0, 2, 4};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        make_layer(seed);
        struct method_task task = task_of(recipe("int8", "channel", NULL));
        task.fixed = true;
        task.activations = recipe("int8", "tensor", NULL);
        for (int i = 0; i < 5; i++) {
            task.alpha = alphas[tensor[i]];
            add(&o[i], output_of("smoothquant", &task));
        }
        task.activations = recipe("int8", "token", NULL);
        for (int i = 0; i < 3; i++) {
            task.alpha = alphas[token[i]];
            add(&o[5 + i], output_of("smoothquant", &task));
        }
    }
    judge(o, sizeof o / sizeof o[0]);
}

/* The search finds the inside of the range, and no given alpha does better. */
static void alpha_search(void **state)
{
    (void)state;
    make_layer(3);
    struct method_task task = task_of(recipe("int8", "channel", NULL));
    struct method_result found;
    task.activations = recipe("int8", "tensor", NULL);
    double best = output_db("smoothquant", &task, &found);
    assert_true(found.alpha >= 0.5 && found.alpha <= 0.7);
    method_free(&found);
    task.fixed = true;
    for (int i = 0; i <= 20; i++) {
        task.alpha = i / 20.0;
        assert_true(output_of("smoothquant", &task) <= best + 1e-9);
    }
}

/* ---- Few bits -------------------------------------------------------------------------------------- */

/* Marks the six columns with the largest norm in w. */
static void largest_columns(const float *w, uint8_t *keep)
{
    memset(keep, 0, IN);
    for (int k = 0; k < PLANTED; k++) {
        double most = -1;
        size_t best = 0;
        for (size_t j = 0; j < IN; j++) {
            double sum = 0;
            for (size_t i = 0; i < OUT; i++)
                sum += (double)w[i * IN + j] * (double)w[i * IN + j];
            if (!keep[j] && sum > most) {
                most = sum;
                best = j;
            }
        }
        keep[best] = 1;
    }
}

static void kept_columns(void **state)
{
    struct outcome o[] = {{.what = "INT3 g128", .told = 13.3}, {.what = "6 columns kept, by activation", .told = 25.4},
                          {.what = "6 columns kept, by weight", .told = 13.3}};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint8_t keep[IN] = {0};
        make_layer(seed);
        struct method_task task = task_of(recipe("int3", "group:128", "awq"));
        add(&o[0], output_of("rtn", &task));
        for (size_t i = 0; i < PLANTED; i++)
            keep[layer->planted[i]] = 1;
        task.keep = keep;
        add(&o[1], output_of("llm-int8", &task));
        largest_columns(layer->w, keep);
        add(&o[2], output_of("llm-int8", &task));
    }
    judge(o, sizeof o / sizeof o[0]);
}

static void awq(void **state)
{
    static const double ratios[] = {0, 0.35, 0.95};
    struct outcome o[] = {{.what = "AWQ INT3, r 0", .told = 13.3}, {.what = "r 0.35", .told = 19.4},
                          {.what = "r 0.95", .told = 13.5}, {.what = "weights, r 0", .told = 13.3},
                          {.what = "weights, r 0.35", .told = 11}, {.what = "weights, r 0.95", .told = 1.9},
                          {.what = "AWQ INT4, r 0", .told = 20.0}, {.what = "r 0.35", .told = 26.1},
                          {.what = "r 0.95", .told = 16.6}};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        make_layer(seed);
        for (int i = 0; i < 6; i++) {
            struct method_result result;
            struct method_task task = task_of(recipe(i < 3 ? "int3" : "int4", "group:128", "awq"));
            task.fixed = task.keep_range = true;
            task.alpha = ratios[i % 3];
            add(&o[i < 3 ? i : i + 3], output_db("awq", &task, &result));
            if (i < 3)
                add(&o[i + 3], result.sqnr_db);
            method_free(&result);
        }
    }
    judge(o, sizeof o / sizeof o[0]);
}

/* Calibration, fresh inputs of the same law, and white noise: 32 shared factors, 0.185 of noise, 384 tokens. */
static void gptq(void **state)
{
    enum { CALIBRATION = 384, FACTORS = 32 };
    static float x[CALIBRATION * IN], fresh[TOKENS * IN], white[TOKENS * IN];
    struct outcome o[] = { { .what = "GPTQ INT4, calibration inputs, round to nearest", .told = 18.3 },
                           { .what = "GPTQ", .told = 31.1 },
                           { .what = "fresh inputs, round to nearest", .told = 18.4 },
                           { .what = "GPTQ", .told = 28.8 },
                           { .what = "weights, round to nearest", .told = 18.5 },
                           { .what = "GPTQ", .told = 16.1 },
                           { .what = "white noise, GPTQ", .told = 16.1 },
                           { .what = "INT3 fresh, round to nearest", .told = 11.8 },
                           { .what = "GPTQ", .told = 22.1 },
                           { .what = "INT2 fresh, round to nearest",
                             .told = 4.4,
                             .differs = "  four codes over each row's own extremes: it hangs on the extremes drawn" },
                           { .what = "GPTQ", .told = 14.6 } };
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        random_gaussian(layer->w, OUT * IN, seed + 1000, 0.02);
        assert_true(random_correlated(x, CALIBRATION, IN, seed, seed + 50, FACTORS, 0.185));
        assert_true(random_correlated(fresh, TOKENS, IN, seed + 100, seed + 50, FACTORS, 0.185));
        random_gaussian(white, TOKENS * IN, seed + 200, 1);
        for (int bits = 4; bits >= 2; bits--) {
            char format[8];
            snprintf(format, sizeof format, "int%d", bits);
            struct method_task task = task_of(recipe(format, "channel", "gptq"));
            task.x = x;
            task.tokens = CALIBRATION;
            for (int m = 0; m < 2; m++) {
                struct method_result result;
                struct meter calib, held, noise;
                assert_int_equal(method_run(method_find(m ? "gptq" : "rtn"), &task, NULL, &result), KERNEL_OK);
                method_measure(&result, layer->w, x, CALIBRATION, NULL, &calib);
                method_measure(&result, layer->w, fresh, TOKENS, NULL, &held);
                method_measure(&result, layer->w, white, TOKENS, NULL, &noise);
                if (bits == 4) {
                    add(&o[m], calib.sqnr_db);
                    add(&o[2 + m], held.sqnr_db);
                    add(&o[4 + m], result.sqnr_db);
                    if (m)
                        add(&o[6], noise.sqnr_db);
                } else
                    add(&o[(bits == 3 ? 7 : 9) + m], held.sqnr_db);
                method_free(&result);
            }
        }
    }
    judge(o, sizeof o / sizeof o[0]);
}

/* ---- Rotation -------------------------------------------------------------------------------------- */

static double rms(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum / (double)n);
}

static void rotation(void **state)
{
    static float rotated[TOKENS * IN];
    struct outcome o[] = {{.what = "inputs INT4, a scale a token", .told = 11.8}, {.what = "rotated", .told = 20.5},
                          {.what = "inputs INT8", .told = 28.1}, {.what = "rotated", .told = 45.7},
                          {.what = "largest input", .told = 159}, {.what = "rotated", .told = 18.4},
                          {.what = "rms", .told = 3.957}};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct hadamard h;
        make_layer(seed);
        struct method_task task = task_of(recipe("fp32", "none", NULL));
        for (int i = 0; i < 4; i++) {
            task.activations = recipe(i < 2 ? "int4" : "int8", "token", NULL);
            add(&o[i], output_of(i % 2 ? "hadamard" : "rtn", &task));
        }
        assert_int_equal(hadamard_make(&h, IN), KERNEL_OK);
        memcpy(rotated, layer->x, sizeof rotated);
        hadamard_rotate(&h, rotated, TOKENS);
        hadamard_free(&h);
        add(&o[4], (double)quant_amax(layer->x, TOKENS * IN));
        add(&o[5], (double)quant_amax(rotated, TOKENS * IN));
        add(&o[6], rms(layer->x, TOKENS * IN));
        assert_true(fabs(rms(layer->x, TOKENS * IN) - rms(rotated, TOKENS * IN)) < 1e-5);
        struct method_result result;
        struct meter meter;
        task.activations.format = NULL;
        assert_int_equal(method_run(method_find("hadamard"), &task, NULL, &result), KERNEL_OK);
        assert_int_equal(method_measure(&result, layer->w, layer->x, 16, NULL, &meter), KERNEL_OK);
        assert_true(meter.sqnr_db > 120);
        method_free(&result);
    }
    judge(o, sizeof o / sizeof o[0]);
}

/* Rows of 4096 with one value in a thousand 60 times larger: who is helped? */
static void rotated_outliers(void **state)
{
    enum { ROWS = 64, COLS = 4096 };
    static const char *const formats[][2] = {
        { "nvfp4", NULL }, { "mxfp4", NULL }, { "int4", "group:128" }, { "int4", "channel" }
    };
    static float x[ROWS * COLS];
    struct outcome o[] = {{.what = "outliers, NVFP4", .told = 23.4}, {.what = "rotated", .told = 20.2},
                          {.what = "MXFP4", .told = 16.9}, {.what = "rotated", .told = 19.0},
                          {.what = "INT4 g128", .told = 16.2}, {.what = "rotated", .told = 19.9},
                          {.what = "INT4 a row", .told = 6.7}, {.what = "rotated", .told = 18.1},
                          {.what = "plain, NVFP4", .told = 20.44}, {.what = "rotated", .told = 20.44},
                          {.what = "MXFP4", .told = 18.8}, {.what = "rotated", .told = 18.8},
                          {.what = "INT4 g128", .told = 18.6}, {.what = "rotated", .told = 18.6},
                          {.what = "INT4 a row", .told = 15.95}, {.what = "rotated", .told = 16.05}};
    struct hadamard h;
    (void)state;
    assert_int_equal(hadamard_make(&h, COLS), KERNEL_OK);
    for (uint64_t seed = 0; seed < 4; seed++) {
        for (int part = 0; part < 4; part++) {
            random_gaussian(x, ROWS * COLS, seed, 1);
            if (part < 2)
                random_outliers(x, ROWS * COLS, seed, 0.001, 60);
            if (part % 2)
                hadamard_rotate(&h, x, ROWS);
            for (int f = 0; f < 4; f++) {
                struct quant q;
                struct recipe r = recipe(formats[f][0], formats[f][1], NULL);
                assert_int_equal(quantize(x, ROWS, COLS, &r, NULL, &q), KERNEL_OK);
                add(&o[part / 2 * 8 + 2 * f + part % 2], q.sqnr_db);
                quant_free(&q);
            }
        }
    }
    hadamard_free(&h);
    judge(o, sizeof o / sizeof o[0]);
}

/* ---- KV cache -------------------------------------------------------------------------------------- */

enum { CACHE = 512, DIM = 128, QUERIES = 64 };

/* Keys of one head: three channels live around 12, -9 and 6.5. */
static void make_keys(float *k, float *queries, uint64_t seed)
{
    random_gaussian(k, CACHE * DIM, seed, 1);
    random_gaussian(queries, QUERIES * DIM, seed + 500, 1 / sqrt(DIM));
    for (size_t t = 0; t < CACHE; t++) {
        k[t * DIM + 5] += 12;
        k[t * DIM + 40] -= 9;
        k[t * DIM + 99] += 6.5f;
    }
}

static void turn(const float *from, size_t rows, size_t cols, float *to)
{
    for (size_t i = 0; i < rows * cols; i++)
        to[i % cols * rows + i / cols] = from[i];
}

struct key_layout {
    const char *scale, *zero;
    bool by_channel;
};

/* SQNR of rounded keys, and the KL of the attention they give. */
static double round_keys(const float *k, const float *queries, const char *format, struct key_layout layout, double *kl)
{
    static float turned[CACHE * DIM], rounded[CACHE * DIM], exact[QUERIES * CACHE], scores[QUERIES * CACHE];
    struct recipe r = recipe(format, layout.scale, layout.zero);
    struct quant q;
    turn(k, CACHE, DIM, turned);
    enum kernel_status status = layout.by_channel ? quantize(turned, DIM, CACHE, &r, NULL, &q)
                                                  : quantize(k, CACHE, DIM, &r, NULL, &q);
    assert_int_equal(status, KERNEL_OK);
    if (layout.by_channel)
        turn(q.values, DIM, CACHE, rounded);
    else
        memcpy(rounded, q.values, sizeof rounded);
    double db = q.sqnr_db;
    quant_free(&q);
    dense_product(queries, k, QUERIES, CACHE, DIM, exact, best_isa, NULL);
    dense_product(queries, rounded, QUERIES, CACHE, DIM, scores, best_isa, NULL);
    *kl = meter_softmax_kl(exact, scores, QUERIES, CACHE);
    return db;
}

static void keys(void **state)
{
    static const struct key_layout layouts[] = {{"token", "kivi", false}, {"group:32", "kivi", false},
                                                {"group:32", "kivi", true}, {"group:32", "awq", true}};
    static float k[CACHE * DIM], queries[QUERIES * DIM];
    struct outcome db[] = {
        { .what = "K in 2 bits, a scale a token", .told = -1.6 }, { .what = "a token in groups of 32", .told = 4.2 },
        { .what = "a channel in groups of 32", .told = 13.1 },    { .what = "its zero-point clamped", .told = 5.2 },
        { .what = "K in 4 bits, a scale a token", .told = 12.9 }, { .what = "a token in groups of 32", .told = 19.3 },
        { .what = "a channel in groups of 32", .told = 27.1 },    { .what = "its zero-point clamped", .told = 6.0 }
    };
    static const double told_kl[] = {2.66, 0.576, 0.075, -1, 0.082, 0.018, 0.003, -1};
    double kl[8] = {0}, one;
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        make_keys(k, queries, seed);
        for (int i = 0; i < 8; i++) {
            add(&db[i], round_keys(k, queries, i < 4 ? "int2" : "int4", layouts[i % 4], &one));
            kl[i] += one / SEEDS;
        }
    }
    judge(db, 8);
    for (int i = 0; i < 8; i++) {
        print_message("%-48s KL %.4f\n", db[i].what, kl[i]);
        if (told_kl[i] > 0)
            assert_true(fabs(kl[i] / told_kl[i] - 1) < 0.15);
    }
}

static void kivi_cache(void **state)
{
    static float k[CACHE * DIM], v[CACHE * DIM];
    struct kivi_recipe r = {format_find("int2"), 32, 128};
    struct kivi cache;
    double kb, vb, both;
    (void)state;
    random_gaussian(k, CACHE * DIM, 1, 1);
    random_gaussian(v, CACHE * DIM, 2, 1);
    assert_int_equal(kivi_round(k, v, CACHE, DIM, &r, &cache), KERNEL_OK);
    assert_true(cache.k_bits == 3 && cache.v_bits == 6.25 && cache.bits == 4.625);
    assert_true(cache.k_residual == 0 && cache.v_residual == 128);
    for (size_t i = (CACHE - 128) * DIM; i < CACHE * DIM; i++)
        assert_true(fabsf(cache.v[i] - v[i]) <= 0x1p-11f * fabsf(v[i]));
    kivi_free(&cache);
    kivi_bits(&r, 32768, DIM, &kb, &vb, &both);
    assert_true(kb == 3 && fabs(both - 3.03) < 0.005);
    for (size_t tokens = 0; tokens < 300; tokens += 37) {
        assert_int_equal(kivi_round(k, v, tokens, 7, &r, &cache), KERNEL_OK);
        assert_int_equal(cache.k_residual, tokens % 128);
        kivi_free(&cache);
    }
    r.residual = 100;
    assert_int_equal(kivi_round(k, v, 64, DIM, &r, &cache), KERNEL_BAD_RECIPE);
    r = (struct kivi_recipe){format_find("e4m3"), 32, 128};
    assert_int_equal(kivi_round(k, v, 64, DIM, &r, &cache), KERNEL_BAD_RECIPE);
}

/* ---- Depth and width ------------------------------------------------------------------------------- */

/* Does the error of a dot product grow with its length? Both sides INT8, a scale a row. */
static void long_products(void **state)
{
    enum { ROWS = 16, MOST = 16384 };
    static float x[ROWS * MOST], w[ROWS * MOST], exact[ROWS * ROWS], y[ROWS * ROWS];
    struct outcome o[] = { { .what = "W8A8, K 64", .told = 41.0 },
                           { .what = "K 256", .told = 40.8 },
                           { .what = "K 1024", .told = 38.6 },
                           { .what = "K 4096", .told = 38.8 },
                           { .what = "K 16384", .told = 37.5 } };
    const struct recipe r = recipe("int8", "channel", NULL);
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        for (int i = 0; i < 5; i++) {
            size_t k = (size_t)64 << 2 * i;
            struct quant qx, qw;
            random_gaussian(x, ROWS * k, seed, 1);
            random_gaussian(w, ROWS * k, seed + 1000, 1);
            assert_int_equal(quantize(x, ROWS, k, &r, NULL, &qx), KERNEL_OK);
            assert_int_equal(quantize(w, ROWS, k, &r, NULL, &qw), KERNEL_OK);
            dense_product(x, w, ROWS, ROWS, k, exact, ISA_SCALAR, NULL);
            dense_product(qx.values, qw.values, ROWS, ROWS, k, y, ISA_SCALAR, NULL);
            add(&o[i], meter_compare(exact, y, ROWS * ROWS).sqnr_db);
            quant_free(&qx);
            quant_free(&qw);
        }
    }
    judge(o, sizeof o / sizeof o[0]);
}

static float gelu(float x)
{
    return (float)(0.5 * (double)x * (1 + erf((double)x * 0.70710678)));
}

/* One layer of the toy: h += gelu(h / rms(h) times W). */
static void residual_layer(float *h, const float *w, size_t tokens, size_t dim)
{
    static float normed[64 * 256], y[64 * 256];
    for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < dim; i++)
            normed[t * dim + i] = h[t * dim + i] / (float)rms(h + t * dim, dim);
    dense_product(normed, w, tokens, dim, dim, y, best_isa, NULL);
    for (size_t i = 0; i < tokens * dim; i++)
        h[i] += gelu(y[i]);
}

/* 32 layers, each with 7 % of its own error, end with less: what a layer adds is added to what was already there.
 * The course's own toy is not described closely enough for its digits (7.6, 8.2, 7.8, 6.1, 4.6 %); its shape is. */
static void deep_error(void **state)
{
    enum { DIMS = 256, ROWS = 64, LAYERS = 32 };
    static float h[ROWS * DIMS], rounded[ROWS * DIMS], w[DIMS * DIMS];
    const struct recipe r = recipe("int4", "group:128", "awq");
    double error[LAYERS + 1];
    (void)state;
    random_gaussian(h, ROWS * DIMS, 1, 1);
    memcpy(rounded, h, sizeof h);
    for (uint64_t l = 1; l <= LAYERS; l++) {
        struct quant q;
        random_gaussian(w, DIMS * DIMS, 100 + l, sqrt(2.0 / DIMS));
        assert_int_equal(quantize(w, DIMS, DIMS, &r, NULL, &q), KERNEL_OK);
        residual_layer(h, w, ROWS, DIMS);
        residual_layer(rounded, q.values, ROWS, DIMS);
        quant_free(&q);
        error[l] = 100 * pow(10, -meter_compare(h, rounded, ROWS * DIMS).sqnr_db / 20);
    }
    print_message("layer 1, 4, 8, 16, 32: %.1f %.1f %.1f %.1f %.1f %%\n", error[1], error[4], error[8], error[16],
                  error[32]);
    assert_true(error[4] > error[1] && error[32] < error[16] && error[16] < error[8] && error[32] < error[1]);
}

int main(int argc, char **argv)
{
    char path[4096];
    char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    snprintf(path, sizeof path, "%.*s/../lib/saffron_blas.so", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    dense_place(path);
    best_isa = cpu_info()->best;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int8_layers),  cmocka_unit_test(thresholds),       cmocka_unit_test(smoothquant),
        cmocka_unit_test(alpha_search), cmocka_unit_test(kept_columns),     cmocka_unit_test(awq),
        cmocka_unit_test(gptq),         cmocka_unit_test(rotation),         cmocka_unit_test(rotated_outliers),
        cmocka_unit_test(keys),         cmocka_unit_test(kivi_cache),       cmocka_unit_test(long_products),
        cmocka_unit_test(deep_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
