/* test_format_table.c: the README's table of formats is what the formats give: limits, true bits per weight, and the
 * ratio of signal to noise on seeded Gaussian values and on a real weight matrix and what enters it.
 * FORMAT_TABLE=1 prints the table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/tensor.h"
#include "kernels/quantize.h"
#include "kernels/random.h"

enum { SIDE = 1024, ROWS_MOST = 64, LINE = 160 };

/* A line beside those of the formats with their own scale. */
static const struct recipe_words more[] = {
    {.format = "e4m3", .scale = "channel"}, {.format = "int8", .scale = "channel"},
    {.format = "int8", .scale = "group:128"}, {.format = "int4", .scale = "group:128"},
    {.format = "int4", .scale = "group:128", .zero_point = "awq"}, {.format = "int4", .scale = "group:32"},
};

static char lines[ROWS_MOST][LINE];
static size_t line_count;

struct input {
    const float *x;
    size_t rows, cols;
};

static struct input inputs[3];

static double ratio(const struct recipe *recipe, const struct input *input, double *bits)
{
    struct quant q;
    assert_int_equal(quantize(input->x, input->rows, input->cols, recipe, NULL, &q), KERNEL_OK);
    double db = q.sqnr_db;
    *bits = q.bits_per_weight;
    quant_free(&q);
    return db;
}

/* One decimal, or "exact". */
static void print_ratio(double db, char *text, size_t room)
{
    if (isinf(db))
        snprintf(text, room, "exact");
    else
        snprintf(text, room, "%.1f", db);
}

static void add_line(const struct recipe_words *words)
{
    char why[160], db[3][16], scale[32];
    struct recipe recipe;
    double bits = 0, ignored;
    assert_true(recipe_parse(words, &recipe, why, sizeof why));
    const struct format *f = recipe.format;
    for (size_t i = 0; i < 3; i++)
        print_ratio(ratio(&recipe, &inputs[i], i ? &ignored : &bits), db[i], sizeof db[i]);
    scale_print(recipe.scale, scale, sizeof scale);
    assert_true(line_count < ROWS_MOST);
    snprintf(lines[line_count++], LINE, "| %s | %s%s%s | %.4g | %.6g | %.3g | %s | %s | %s |", f->name, scale,
             words->zero_point ? ", " : "", words->zero_point ? words->zero_point : "", bits, (double)f->largest,
             (double)f->smallest, db[0], db[1], db[2]);
}

static void add_lines(void)
{
    for (size_t i = 0; i < format_count(); i++)
        if (format_at(i)->kind != FORMAT_POWER)         /* a scale, not a format of values with a sign */
            add_line(&(struct recipe_words){.format = format_at(i)->name});
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        add_line(&more[i]);
}

static int setup(void **state)
{
    (void)state;
    char error[256], folder[512];
    float *gauss = malloc(SIDE * SIDE * sizeof *gauss);
    const char *build = getenv("SAFFRON_BUILD");
    snprintf(folder, sizeof folder, "%s/data", build ? build : "build");
    struct tensors *tensors = tensors_open(folder, error, sizeof error);
    if (!tensors)
        fail_msg("%s", error);
    struct tensor *weight = tensor_open(tensors, "minilm/ffn_weight", NULL, error, sizeof error);
    struct tensor *in = tensor_open(tensors, "minilm/ffn_in", NULL, error, sizeof error);
    if (!gauss || !weight || !in)
        fail_msg("%s", error);
    random_gaussian(gauss, SIDE * SIDE, 1, 1);
    inputs[0] = (struct input){gauss, SIDE, SIDE};
    inputs[1] = (struct input){weight->values, weight->rows, weight->cols};
    inputs[2] = (struct input){in->values, in->rows, in->cols};
    add_lines();
    tensor_free(in);
    tensor_free(weight);
    tensors_close(tensors);
    free(gauss);
    return 0;
}

static bool has_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    return at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void the_readme_has_the_table(void **state)
{
    (void)state;
    static char text[1 << 18];
    FILE *f = fopen("README.md", "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    size_t missing = 0;
    for (size_t i = 0; i < line_count; i++) {
        if (getenv("FORMAT_TABLE"))
            puts(lines[i]);
        else if (!has_line(text, lines[i]) && ++missing)
            print_error("README.md lacks: %s\n", lines[i]);
    }
    assert_int_equal(missing, 0);
    assert_false(has_line(text, "| int8 | tensor | 8 | 127 | 1 | 99.9 | 99.9 | 99.9 |"));
}

int main(void)
{
    cpu_fp_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readme_has_the_table),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
