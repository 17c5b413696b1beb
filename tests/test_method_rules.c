/* test_method_rules.c: what must hold for every method and size: GPTQ against its definition, identities, edges,
 * refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/method.h"
#include "kernels/random.h"

enum { OUT = 24, IN = 20, TOKENS = 64 };

static float w[OUT * IN], x[TOKENS * IN];

static struct recipe recipe(const char *format, const char *scale, const char *zero)
{
    struct recipe r = {0};
    char why[200];
    const struct recipe_words words = {.format = format, .scale = scale, .zero_point = zero};
    if (!recipe_parse(&words, &r, why, sizeof why))
        fail_msg("%s", why);
    return r;
}

static struct method_task make_task(uint64_t seed, const char *format, const char *scale, const char *zero)
{
    random_gaussian(w, OUT * IN, seed, 0.02);
    assert_true(random_correlated(x, TOKENS, IN, seed, seed + 1, 5, 0.3));
    return (struct method_task){.w = w, .out = OUT, .in = IN, .x = x, .tokens = TOKENS,
                                .weights = recipe(format, scale, zero)};
}

static void run(const char *name, const struct method_task *task, struct method_result *result)
{
    assert_int_equal(method_run(method_find(name), task, NULL, result), KERNEL_OK);
    assert_ptr_equal(result->q.rows == task->out ? task : NULL, task);
}

static double loss_of(const struct method_task *task, const struct method_result *result)
{
    double loss;
    assert_int_equal(method_loss(task, task->x, task->tokens, result->weights, &loss), KERNEL_OK);
    return loss;
}

/* ---- GPTQ by its definition ------------------------------------------------------------------------ */

/* The first row of the inverse of a [n, n] by elimination; a is used up. */
static void first_row_of_inverse(double *a, size_t n, double *row)
{
    memset(row, 0, n * sizeof *row);
    row[0] = 1;                 /* solves a^T r = e_0; a is symmetric */
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) {
            double factor = a[k * n + i] / a[i * n + i];
            for (size_t j = i; j < n; j++)
                a[k * n + j] -= factor * a[i * n + j];
            row[k] -= factor * row[i];
        }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = i + 1; j < n; j++)
            row[i] -= a[i * n + j] * row[j];
        row[i] /= a[i * n + i];
    }
}

/* Optimal Brain Quantization in natural order: after each rounding the rest moves to its own optimum, found anew from
 * the inverse of what is left of H. One scale a row, symmetric INT4. */
static void by_definition(const double *h, const float *row, float scale, int *codes)
{
    double now[IN], left[IN * IN], inverse[IN];
    for (size_t j = 0; j < IN; j++)
        now[j] = (double)row[j];
    for (size_t i = 0; i < IN; i++) {
        size_t n = IN - i;
        for (size_t a = 0; a < n; a++)
            for (size_t b = 0; b < n; b++)
                left[a * n + b] = h[(i + a) * IN + i + b];
        first_row_of_inverse(left, n, inverse);
        double code = fmin(fmax(rint(now[i] / (double)scale), -7), 7), error = now[i] - code * (double)scale;
        codes[i] = (int)code;
        for (size_t j = 0; j < n; j++)
            now[i + j] -= error / inverse[0] * inverse[j];
    }
}

static void damped_h(double *h, double damp)
{
    double mean = 0;
    memset(h, 0, IN * IN * sizeof *h);
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t i = 0; i < IN * IN; i++)
            h[i] += 2.0 / TOKENS * (double)x[t * IN + i / IN] * (double)x[t * IN + i % IN];
    for (size_t i = 0; i < IN; i++)
        mean += h[i * IN + i] / IN;
    for (size_t i = 0; i < IN; i++)
        h[i * IN + i] += damp * mean;
}

static void gptq_by_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct method_task task = make_task(seed, "int4", "channel", NULL);
        struct method_result result;
        double h[IN * IN];
        task.damp = seed % 2 ? 0.05 : 0;
        task.block = seed % 3 ? seed : 0;
        damped_h(h, seed % 2 ? 0.05 : 0.01);
        run("gptq", &task, &result);
        for (size_t row = 0; row < OUT; row++) {
            int codes[IN];
            by_definition(h, w + row * IN, result.q.scales[row], codes);
            for (size_t j = 0; j < IN; j++)
                assert_true(codes[j] == (int)format_decode(task.weights.format, quant_code(&result.q, row * IN + j)));
        }
        method_free(&result);
    }
}

/* act-order is GPTQ on a layer whose columns were sorted before. */
static void act_order(void **state)
{
    struct method_task task = make_task(4, "int3", "channel", "gptq");
    struct method_result sorted, plain;
    float norm[IN], sorted_w[OUT * IN], sorted_x[TOKENS * IN];
    size_t order[IN];
    (void)state;
    for (size_t j = 0; j < IN; j++) {
        norm[j] = 0;
        for (size_t t = 0; t < TOKENS; t++)
            norm[j] += x[t * IN + j] * x[t * IN + j];
        size_t at = j;
        for (; at > 0 && norm[order[at - 1]] < norm[j]; at--)
            order[at] = order[at - 1];
        order[at] = j;
    }
    for (size_t i = 0; i < OUT * IN; i++)
        sorted_w[i] = w[i / IN * IN + order[i % IN]];
    for (size_t i = 0; i < TOKENS * IN; i++)
        sorted_x[i] = x[i / IN * IN + order[i % IN]];
    task.act_order = true;
    run("gptq", &task, &sorted);
    task.act_order = false;
    task.w = sorted_w;
    task.x = sorted_x;
    run("gptq", &task, &plain);
    for (size_t i = 0; i < OUT * IN; i++)
        assert_int_equal(quant_code(&sorted.q, i / IN * IN + order[i % IN]), quant_code(&plain.q, i));
    method_free(&sorted);
    method_free(&plain);
}

/* Every scale and order: never worse than rounding to nearest by more than a hair, and mostly far better. */
static void gptq_helps(void **state)
{
    static const char *const recipes[][3] = {
        { "int4", "channel", NULL },   { "int4", "group:8", "gptq" }, { "int3", "group:7", "awq" },
        { "int2", "group:5", "kivi" }, { "int4", "tile:3x6", NULL },  { "int4", "tensor", "full" },
        { "mxfp4", NULL, NULL },       { "nvfp4", NULL, NULL },       { "e4m3", "tensor", NULL },
        { "q4_0", NULL, NULL },        { "nf4", NULL, NULL },         { "nf4-dq", NULL, NULL },
        { "e2m1", "none", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        for (int how = 0; how < 4; how++) {
            struct method_task task = make_task(i, recipes[i][0], recipes[i][1], recipes[i][2]);
            struct method_result nearest, result;
            task.act_order = how & 1;
            task.static_groups = how & 2;
            run("rtn", &task, &nearest);
            run("gptq", &task, &result);
            double before = loss_of(&task, &nearest), after = loss_of(&task, &result);
            if (!(after <= before))
                fail_msg("%s %d: %g, nearest %g", recipes[i][0], how, after, before);
            assert_true((result.group_of != NULL) == (how == 1 && nearest.q.tile_cols < IN &&
                                                      strcmp(recipes[i][0], "nf4-dq") != 0));
            assert_true(result.bytes == nearest.bytes + (result.group_of ? 4 * IN : 0));
            method_free(&nearest);
            method_free(&result);
        }
    }
}

/* A column of X that is always 0: its weights become 0; more columns than tokens: damping makes H regular. */
static void dead_columns(void **state)
{
    struct method_task task = make_task(9, "int4", "channel", "gptq");
    struct method_result result;
    (void)state;
    for (size_t t = 0; t < TOKENS; t++)
        x[t * IN + 3] = 0;
    run("gptq", &task, &result);
    for (size_t row = 0; row < OUT; row++)
        assert_true(result.weights[row * IN + 3] == 0);
    method_free(&result);
    task.tokens = 1;
    run("gptq", &task, &result);
    method_free(&result);
    memset(x, 0, sizeof x);
    run("gptq", &task, &result);
    for (size_t i = 0; i < OUT * IN; i++)
        assert_true(result.weights[i] == 0);
    method_free(&result);
}

/* ---- Identities ------------------------------------------------------------------------------------ */

static void same_codes(const struct method_result *a, const struct method_result *b)
{
    for (size_t i = 0; i < OUT * IN; i++)
        assert_int_equal(quant_code(&a->q, i), quant_code(&b->q, i));
    assert_true(a->sqnr_db == b->sqnr_db);
}

/* AWQ with r = 0 and whole ranges, LLM.int8() that keeps nothing: rounding to nearest. */
static void nothing_done(void **state)
{
    struct method_task task = make_task(5, "int4", "group:8", "awq");
    struct method_result nearest, other;
    (void)state;
    run("rtn", &task, &nearest);
    task.fixed = task.keep_range = true;
    run("awq", &task, &other);
    same_codes(&nearest, &other);
    method_free(&other);
    task.threshold = 1e9;
    run("llm-int8", &task, &other);
    assert_int_equal(other.kept_count, 0);
    same_codes(&nearest, &other);
    assert_true(other.bytes == nearest.bytes);
    method_free(&other);
    method_free(&nearest);
}

/* The searches never choose worse than not searching. */
static void searches(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct method_task task = make_task(seed, "int3", "group:8", "awq");
        struct method_result nearest, scaled, clipped;
        x[7] *= 40;
        run("rtn", &task, &nearest);
        task.keep_range = true;
        run("awq", &task, &scaled);
        task.keep_range = false;
        run("awq", &task, &clipped);
        assert_true(loss_of(&task, &scaled) <= loss_of(&task, &nearest));
        assert_true(clipped.alpha == scaled.alpha && clipped.alpha >= 0 && clipped.alpha <= 0.95);
        method_free(&nearest);
        method_free(&scaled);
        method_free(&clipped);
    }
}

/* Without rounding no method moves the output. */
static void invariance(void **state)
{
    (void)state;
    for (size_t i = 0; i < method_count(); i++) {
        struct method_task task = make_task(6, "fp32", "none", NULL);
        struct method_result result;
        struct meter meter;
        const char *name = method_at(i)->name;
        if (strcmp(name, "gptq") == 0 || strcmp(name, "llm-int8") == 0)
            continue;           /* gptq has nothing to correct; llm-int8 keeps columns in FP16 */
        task.keep_range = true;
        run(name, &task, &result);
        assert_int_equal(method_measure(&result, w, x, TOKENS, NULL, &meter), KERNEL_OK);
        assert_true(meter.sqnr_db > 120);
        method_free(&result);
    }
}

/* Keeping every column is FP16; bits are counted: 16, and a column's number. */
static void all_kept(void **state)
{
    struct method_task task = make_task(6, "int8", "channel", NULL);
    struct method_result result;
    uint8_t keep[IN];
    (void)state;
    memset(keep, 1, sizeof keep);
    task.keep = keep;
    run("llm-int8", &task, &result);
    assert_true(result.kept_count == IN && result.bytes == 2 * OUT * IN + 4 * IN + 4 * OUT);
    for (size_t i = 0; i < OUT * IN; i++)
        assert_true(fabsf(result.weights[i] - w[i]) <= 0x1p-11f * fabsf(w[i]) + 0x1p-25f);
    method_free(&result);
}

/* Prepared inputs times stored weights are plain inputs times `weights`. */
static void two_views(void **state)
{
    (void)state;
    for (size_t i = 0; i < method_count(); i++) {
        struct method_task task = make_task(8, "int4", "group:5", "gptq");
        struct method_result result;
        float y[TOKENS * OUT];
        double most = 0;
        run(method_at(i)->name, &task, &result);
        assert_int_equal(method_output(&result, x, TOKENS, y, NULL), KERNEL_OK);
        for (size_t k = 0; k < TOKENS * OUT; k++) {
            double sum = 0;
            for (size_t j = 0; j < IN; j++)
                sum += (double)x[k / OUT * IN + j] * (double)result.weights[k % OUT * IN + j];
            most = fmax(most, fabs(sum - (double)y[k]));
        }
        assert_true(most < (result.kept ? 1e-3 : 1e-6));
        method_free(&result);
    }
}

/* ---- Edges ----------------------------------------------------------------------------------------- */

static void sizes(void **state)
{
    static const size_t shapes[][3] = { { 1, 1, 1 },   { 1, 7, 2 }, { 3, 1, 5 }, { 5, 13, 1 },
                                        { 7, 4, 130 }, { 0, 5, 3 }, { 4, 0, 3 }, { 2, 131, 9 } };
    float *big = malloc(4096 * sizeof *big);
    (void)state;
    random_gaussian(big, 4096, 3, 1);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (size_t m = 0; m < method_count(); m++) {
            struct method_task task = { .w = big,
                                        .out = shapes[i][0],
                                        .in = shapes[i][1],
                                        .x = big,
                                        .tokens = shapes[i][2],
                                        .weights = recipe("int4", "group:4", "awq") };
            struct method_result result;
            struct meter meter;
            char why[200];
            if (!method_check(method_at(m), &task, why, sizeof why)) {
                assert_true(method_at(m)->run == method_find("hadamard")->run);
                continue;
            }
            assert_int_equal(method_run(method_at(m), &task, NULL, &result), KERNEL_OK);
            assert_int_equal(method_measure(&result, big, big, task.tokens, NULL, &meter), KERNEL_OK);
            method_free(&result);
        }
    }
    free(big);
}

static void refusals(void **state)
{
    struct method_task task = make_task(1, "int4", "channel", NULL);
    struct method_result result;
    char why[200];
    (void)state;
    task.x = NULL;
    for (size_t i = 0; i < method_count(); i++) {
        bool can =
            method_check(method_at(i), &task, why, sizeof why) || method_at(i)->run == method_find("hadamard")->run;
        assert_true(can == !method_at(i)->calibrated);
        if (!can)
            assert_non_null(strstr(why, "calibration"));
    }
    assert_int_equal(method_run(method_find("gptq"), &task, NULL, &result), KERNEL_BAD_RECIPE);
    task.x = x;
    x[5] = NAN;
    assert_false(method_check(method_find("awq"), &task, why, sizeof why));
    x[5] = 0;
    task.alpha = 2;
    task.fixed = true;
    assert_false(method_check(method_find("smoothquant"), &task, why, sizeof why));
    task.in = 19;
    assert_false(method_check(method_find("hadamard"), &task, why, sizeof why));
    assert_null(method_find("nothing"));
    assert_null(method_at(method_count()));
}

/* Stops at the n-th question. */
static bool countdown(void *ctx, double fraction)
{
    int *left = ctx;
    assert_true(fraction >= 0 && fraction <= 1);
    return (*left)-- > 0;
}

static void cancels(void **state)
{
    (void)state;
    for (size_t i = 0; i < method_count(); i++) {
        struct method_task task = make_task(2, "int4", "group:8", NULL);
        enum kernel_status status = KERNEL_CANCELED;
        int tries = 0;
        for (; status == KERNEL_CANCELED && tries < 200; tries++) {
            struct method_result result;
            int left = tries;
            status = method_run(method_at(i), &task, &(struct progress){.tick = countdown, .ctx = &left}, &result);
            if (status == KERNEL_OK)
                method_free(&result);
        }
        assert_int_equal(status, KERNEL_OK);
        assert_true(tries > 1);
    }
}

/* ---- Meters ---------------------------------------------------------------------------------------- */

static void meters(void **state)
{
    const float a[6] = {1, 2, 3, 4, 0, 0}, b[6] = {1, 2, 3, 2, 0, 1};
    struct meter rows[3], cols[2];
    (void)state;
    meter_rows(a, b, 3, 2, rows);
    assert_true(isinf(rows[0].sqnr_db) && rows[1].noise == 4 && rows[1].signal == 25 && rows[2].signal == 0);
    meter_cols(a, b, 3, 2, cols);
    assert_true(cols[0].noise == 0 && cols[1].noise == 5 && cols[1].signal == 20);
    const float p[4] = {0, 0, 1000, -1000}, q[4] = {logf(3), 0, 1000, -1000};
    assert_true(meter_softmax_kl(p, p, 2, 2) == 0);
    double kl = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25);
    assert_true(fabs(meter_softmax_kl(p, q, 1, 2) - kl) < 1e-7);
    assert_true(meter_top_agreement(p, q, 2, 2) == 1 && meter_top_agreement(a, b, 3, 2) == 1.0 / 3);
    assert_true(meter_softmax_kl(p, q, 0, 2) == 0 && meter_softmax_kl(p, q, 2, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gptq_by_definition), cmocka_unit_test(act_order),    cmocka_unit_test(gptq_helps),
        cmocka_unit_test(dead_columns),       cmocka_unit_test(nothing_done), cmocka_unit_test(searches),
        cmocka_unit_test(invariance),         cmocka_unit_test(all_kept),     cmocka_unit_test(two_views),
        cmocka_unit_test(sizes),              cmocka_unit_test(refusals),     cmocka_unit_test(cancels),
        cmocka_unit_test(meters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
