/* test_csource.c: `c` on a reveal: every function of the kernel table can be shown, with its scalar reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/csource.h"
#include "engine/view.h"
#include "kernels/accumulate.h"
#include "kernels/kernel.h"
#include "kernels/method.h"
#include "tutor/draw.h"

/* The sources lie in this folder as they do in the data folder. */
static json_t *blocks_of(const char *function)
{
    char error[256];
    json_t *blocks = csource_blocks(".", function, error, sizeof error);
    if (!blocks)
        fail_msg("%s: %s", function, error);
    assert_true(view_check_list(blocks, error, sizeof error));
    return blocks;
}

static const char *text_of(const json_t *blocks, size_t i, const char *name)
{
    return view_text(json_array_get(blocks, i), name, "");
}

static void every_kernel(void **state)
{
    (void)state;
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        json_t *blocks = blocks_of(k->function);
        assert_non_null(strstr(text_of(blocks, 0, "caption"), k->function));
        if (!strstr(text_of(blocks, 0, "caption"), k->file + strlen("kernels/")))
            fail_msg("%s: found as '%s', the table says %s", k->function, text_of(blocks, 0, "caption"), k->file);
        size_t wanted = k->isa != ISA_SCALAR && kernel_find(k->op, k->format, ISA_SCALAR) ? 2 : 1;
        if (json_array_size(blocks) != wanted)
            fail_msg("%s: %zu blocks, not %zu", k->function, json_array_size(blocks), wanted);
        if (wanted == 2)
            assert_non_null(strstr(text_of(blocks, 1, "caption"), "__scalar"));
        json_decref(blocks);
    }
}

static void others(void **state)
{
    (void)state;
    for (size_t i = 0; i < method_count(); i++)
        json_decref(blocks_of(method_at(i)->function));
    for (size_t i = 0; i < accumulator_count(); i++)
        json_decref(blocks_of(accumulator_at(i)->function));
    json_decref(blocks_of("quantize"));
    json_decref(blocks_of("round_affine"));
    json_decref(blocks_of("kivi_round"));
    json_decref(blocks_of("causal_compare"));
    json_t *blocks = blocks_of("encode_all");       /* the GPU's */
    assert_non_null(strstr(text_of(blocks, 0, "caption"), "gpu_encode.cu"));
    json_decref(blocks);
    blocks = blocks_of("encode_float");             /* the GPU has one too */
    assert_non_null(strstr(text_of(blocks, 0, "caption"), "format.c"));
    json_decref(blocks);
    char error[256];
    assert_null(csource_blocks(".", "no_such_function", error, sizeof error));
}

/* Where a piece of text begins on a canvas; false if it is not there. */
static bool find_text(const struct canvas *canvas, const char *text, int *x, int *y)
{
    char *dump = canvas_dump(canvas), *at = strstr(dump, text);
    *x = *y = 0;
    for (const char *c = dump; at && c < at; c++) {
        *x = *c == '\n' ? 0 : *x + ((*c & 0xc0) != 0x80);
        *y += *c == '\n';
    }
    free(dump);
    return at != NULL;
}

/* Side by side on a wide screen, one below the other on a narrow one. */
static void beside(void **state)
{
    (void)state;
    for (int width = 80; width <= 160; width += 80) {
        int x, y, reference_x, reference_y;
        struct draw_result result;
        struct canvas *canvas = canvas_new(width, 200);
        json_t *view = json_pack("{s:s, s:s, s:[], s:o, s:[]}", "title", "source", "where", "", "body", "overlay",
                                 blocks_of("round__avx2"), "keys");
        draw_view(view, canvas, &(struct draw_options){ .ascii = false }, &result);
        assert_true(find_text(canvas, "round__avx2 in", &x, &y));
        assert_true(find_text(canvas, "the scalar reference", &reference_x, &reference_y));
        assert_int_equal(reference_x > x + 40, width == 160);
        assert_int_equal(reference_y == y, width == 160);
        json_decref(view);
        canvas_free(canvas);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel), cmocka_unit_test(others), cmocka_unit_test(beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
