/* test_kernels_linear.c: the linear layer in rounded arithmetic, on the toy layer of domain facts: 256 tokens, 512
 * features of which six are outlier channels, 512 outputs. SQNR by seed, so the ranges are wide. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/linear.h"
#include "kernels/random.h"
#include "kernels/recipe.h"

enum { TOKENS = 256, IN = 512, OUT = 512 };

struct toy {
    float x[TOKENS * IN], w[OUT * IN], y[TOKENS * OUT];
    double exact[TOKENS * OUT];
    struct linear layer;
};

static struct toy *toy;

static int setup(void **state)
{
    (void)state;
    toy = malloc(sizeof *toy);
    if (!toy)
        return -1;
    random_gaussian(toy->x, TOKENS * IN, 1, 1);
    random_gaussian(toy->w, OUT * IN, 2, 0.02);
    random_outlier_channels(toy->x, TOKENS, IN, 3, 6, 20, 60, NULL);
    toy->layer = (struct linear){toy->x, toy->w, TOKENS, IN, OUT};
    return linear_exact(&toy->layer, toy->exact, NULL) == KERNEL_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(toy);
    return 0;
}

static double output_db(struct linear_recipe recipe)
{
    recipe.isa = cpu_info()->best;
    assert_int_equal(linear_run(&toy->layer, &recipe, toy->y, NULL), KERNEL_OK);
    return linear_sqnr_db(toy->exact, toy->y, TOKENS * OUT);
}

static struct linear_recipe w8a8(bool per_token, const float *smooth)
{
    const struct format *int8 = format_find("int8");
    return (struct linear_recipe){.weights = int8, .weight_scale = {.kind = SCALE_CHANNEL}, .activations = int8,
                                  .per_token = per_token, .smooth = smooth};
}

static struct linear_recipe weight_only(const char *format, struct scale scale)
{
    return (struct linear_recipe){.weights = format_find(format), .weight_scale = scale};
}

static void near(double db, double expected, double within)
{
    if (!(fabs(db - expected) <= within))
        fail_msg("%.2f dB, expected %.2f", db, expected);
}

static void rounding_only_the_weights_is_mild(void **state)
{
    (void)state;
    assert_true(output_db((struct linear_recipe){0}) > 120);
    near(output_db(weight_only("int8", (struct scale){.kind = SCALE_CHANNEL, .size = 0})), 42.5, 1);
    near(output_db(weight_only("e4m3", (struct scale){.kind = SCALE_TENSOR, .size = 0})), 31.6, 1);
    near(output_db(weight_only("int4", (struct scale){.kind = SCALE_GROUP, .size = 128})), 18.6, 1);
}

static void outlier_channels_hurt_int8_activations(void **state)
{
    (void)state;
    near(output_db(w8a8(false, NULL)), 20.8, 1.5);
    near(output_db(w8a8(true, NULL)), 27.9, 1.5);
    const struct format *e4m3 = format_find("e4m3");
    struct linear_recipe recipe = {.weights = e4m3, .weight_scale = {.kind = SCALE_CHANNEL}, .activations = e4m3,
                                   .per_token = true};
    near(output_db(recipe), 30, 1.5);
    recipe.activations = format_find("int8");
    near(output_db(recipe), 26.5, 2);
}

static void smoothing_helps_in_the_middle(void **state)
{
    (void)state;
    float smooth[IN];
    double by_alpha[11], by_token[11];
    for (int i = 0; i <= 10; i++) {
        linear_smooth(&toy->layer, i / 10.0, smooth);
        by_alpha[i] = output_db(w8a8(false, smooth));
        by_token[i] = output_db(w8a8(true, smooth));
    }
    near(by_alpha[0], 20.6, 1.5);
    near(by_alpha[6], 36.8, 1.5);
    near(by_alpha[10], 28.2, 1.5);
    near(by_token[5], 40.4, 1.5);
    for (int i = 0; i <= 10; i++)
        assert_true(by_alpha[i] <= fmax(by_alpha[5], by_alpha[6]) && by_token[i] <= fmax(by_token[4], by_token[5]));
}

static void smoothing_alone_changes_nothing(void **state)
{
    (void)state;
    float smooth[IN];
    linear_smooth(&toy->layer, 0.5, smooth);
    assert_true(output_db((struct linear_recipe){.smooth = smooth}) > 100);
}

static void a_static_scale_is_the_one_given(void **state)
{
    (void)state;
    struct linear_recipe recipe = w8a8(false, NULL);
    double own = output_db(recipe);
    recipe.static_amax = quant_amax(toy->x, TOKENS * IN);
    assert_true(output_db(recipe) == own);
    recipe.static_amax *= 8;
    assert_true(output_db(recipe) < own - 3);
}

/* INT8 sums are exact, so every instruction set gives the same bits. */
static void int8_is_the_same_on_every_instruction_set(void **state)
{
    (void)state;
    float *first = malloc(sizeof toy->y);
    struct linear_recipe recipe = w8a8(true, NULL);
    assert_non_null(first);
    recipe.isa = ISA_SCALAR;
    assert_int_equal(linear_run(&toy->layer, &recipe, first, NULL), KERNEL_OK);
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        recipe.isa = (enum isa)isa;
        assert_int_equal(linear_run(&toy->layer, &recipe, toy->y, NULL), KERNEL_OK);
        assert_memory_equal(toy->y, first, sizeof toy->y);
    }
    free(first);
}

static bool never(void *ctx, double fraction)
{
    (void)ctx;
    (void)fraction;
    return false;
}

/* Whatever shares a scale, codes times codes are decoded weights times rounded inputs, to FP32's sums. */
static void every_scale_is_applied_where_it_belongs(void **state)
{
    (void)state;
    enum { T = 6, I = 80, O = 9 };
    static const char *const weights[][2] = {
        {"int8", "channel"}, {"int8", "tensor"}, {"int8", "tile:4x32"}, {"int8", "tile:2x200"}, {"int8", "group:32"},
        {"int8", "block:32"}, {"int4", "channel"}, {"int4", "tile:3x16"}, {"int4", "two-level:16"},
        {"e2m1", "block:32"}, {"e4m3", "tile:4x16"}, {"nvfp4", NULL}, {"mxfp4", NULL}, {"q4_0", NULL},
        {"nf4", NULL}, {"bf16", NULL},
    };
    static const char *const inputs[] = {"int8", "e4m3", "fp16", "bf16"};
    float w[O * I], x[T * I], y[T * O];
    double exact[T * O];
    random_gaussian(w, O * I, 5, 1);
    random_gaussian(x, T * I, 6, 1);
    for (size_t i = 0; i < I; i++)
        w[i] *= 40;             /* rows and columns of very different sizes */
    for (size_t i = 0; i < O * I; i++)
        w[i] *= i % I < 16 ? 9 : 1;
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++)
        for (size_t j = 0; j < sizeof inputs / sizeof inputs[0]; j++) {
            const struct recipe_words words = {.format = weights[i][0], .scale = weights[i][1]};
            const struct recipe_words x_words = {.format = inputs[j], .scale = j < 2 ? "token" : NULL};
            struct recipe recipe, x_recipe;
            struct quant qw, qx;
            char why[160];
            assert_true(recipe_parse(&words, &recipe, why, sizeof why));
            assert_true(recipe_parse(&x_words, &x_recipe, why, sizeof why));
            assert_int_equal(quantize(w, O, I, &recipe, NULL, &qw), KERNEL_OK);
            assert_int_equal(quantize(x, T, I, &x_recipe, NULL, &qx), KERNEL_OK);
            const struct linear rounded = {qx.values, qw.values, T, I, O}, layer = {x, w, T, I, O};
            const struct linear_recipe run = {.weights = recipe.format, .weight_scale = recipe.scale,
                                              .activations = x_recipe.format, .per_token = true,
                                              .isa = cpu_info()->best};
            assert_int_equal(linear_exact(&rounded, exact, NULL), KERNEL_OK);
            assert_int_equal(linear_run(&layer, &run, y, NULL), KERNEL_OK);
            double db = linear_sqnr_db(exact, y, T * O);
            if (!(db > 110))
                fail_msg("%s %s by %s: %.2f dB", weights[i][0], weights[i][1] ? weights[i][1] : "", inputs[j], db);
            quant_free(&qw);
            quant_free(&qx);
        }
    const struct linear layer = {x, w, T, I, O};
    const struct linear_recipe block = {.activations = format_find("nvfp4")};   /* it has scales of its own */
    assert_int_equal(linear_run(&layer, &block, y, NULL), KERNEL_BAD_RECIPE);
}

static void small_layers_and_cancel(void **state)
{
    (void)state;
    const float x[2] = {2, 3}, w[2] = {5, 7};
    const struct progress stop = {.tick = never};
    struct linear_recipe recipe = w8a8(true, NULL);
    double exact[1];
    float y[1] = {1};
    const struct linear one = {x, w, 1, 2, 1}, none = {x, w, 0, 2, 1}, thin = {x, w, 1, 0, 1};
    assert_int_equal(linear_exact(&one, exact, NULL), KERNEL_OK);
    assert_true(exact[0] == 31);
    assert_int_equal(linear_run(&one, &recipe, y, NULL), KERNEL_OK);
    assert_true(fabsf(y[0] - 31) < 0.5f);
    assert_int_equal(linear_run(&none, &recipe, y, NULL), KERNEL_OK);
    assert_int_equal(linear_run(&thin, &recipe, y, NULL), KERNEL_OK);
    assert_true(y[0] == 0);
    assert_int_equal(linear_exact(&one, exact, &stop), KERNEL_CANCELED);
    assert_int_equal(linear_run(&one, &recipe, y, &stop), KERNEL_CANCELED);
    const float zeros[2] = {0, 0};
    float smooth[2];
    linear_smooth(&(struct linear){zeros, w, 1, 2, 1}, 0.5, smooth);
    assert_true(smooth[0] == 1 && smooth[1] == 1);
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_only_the_weights_is_mild),
        cmocka_unit_test(outlier_channels_hurt_int8_activations),
        cmocka_unit_test(smoothing_helps_in_the_middle),
        cmocka_unit_test(smoothing_alone_changes_nothing),
        cmocka_unit_test(a_static_scale_is_the_one_given),
        cmocka_unit_test(int8_is_the_same_on_every_instruction_set),
        cmocka_unit_test(every_scale_is_applied_where_it_belongs),
        cmocka_unit_test(small_layers_and_cancel),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
