/* test_draw: the sample views as golden text at three sizes, in UTF-8 and ASCII, and at every size without harm.
 * BLESS=1 writes the golden files anew. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/samples.h"
#include "tutor/draw.h"
#include "tutor/say.h"
#include "tutor/shot.h"

static struct sample samples[SAMPLES_MOST];
static int sample_count;

static int load(void **state)
{
    (void)state;
    sample_count = samples_load(samples);
    return sample_count > 0 ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    samples_free(samples, sample_count);
    return 0;
}

static struct canvas *drawn(const json_t *view, int width, int height, const struct draw_options *options,
                            struct draw_result *result)
{
    struct canvas *canvas = canvas_new(width, height);
    draw_view(view, canvas, options, result);
    return canvas;
}

/* ------------------------------------------------------------------------------------------------------- golden */

static void print_line(void *file, const char *line)
{
    fprintf(file, "%s\n", line);
}

static void print_size(FILE *file, const json_t *view, int width, int height, bool ascii)
{
    struct draw_options options = { .ascii = ascii, .shades = ascii };
    struct draw_result result;
    struct canvas *canvas = drawn(view, width, height, &options, &result);
    char *text = canvas_dump(canvas);
    fprintf(file, "== %d x %d%s, cursor %d %d, lines %d of %d\n%s", width, height, ascii ? ", ascii" : "",
            result.cursor_x, result.cursor_y, result.body_height, result.content_height, text);
    free(text);
    canvas_free(canvas);
}

static char *print_all(const json_t *view)
{
    static const int sizes[][2] = { { 80, 24 }, { 200, 60 }, { 40, 12 } };
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    for (int s = 0; s < 3; s++)
        for (int ascii = 0; ascii < 2; ascii++)
            print_size(file, view, sizes[s][0], sizes[s][1], ascii);
    fprintf(file, "== said\n");
    say_view(view, print_line, file);
    fclose(file);
    return text;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    char *text = NULL;
    size_t size;
    FILE *copy = open_memstream(&text, &size);
    for (int c; (c = getc(file)) != EOF;)
        putc(c, copy);
    fclose(copy);
    fclose(file);
    return text;
}

static void draw_golden(void **state)
{
    (void)state;
    int wrong = 0;
    for (int i = 0; i < sample_count; i++) {
        char path[128];
        snprintf(path, sizeof path, "tests/golden/%.63s.txt", samples[i].name);
        char *now = print_all(samples[i].view), *golden = read_text(path);
        if (getenv("BLESS")) {
            FILE *file = fopen(path, "w");
            assert_non_null(file);
            fputs(now, file);
            fclose(file);
        } else if (!golden || strcmp(now, golden) != 0) {
            print_error("%s differs; BLESS=1 accepts what is drawn now\n", path);
            wrong++;
        }
        free(now);
        free(golden);
    }
    assert_int_equal(wrong, 0);
}

/* -------------------------------------------------------------------------------------------------- every size */

static void draw_samples_keep_the_schema(void **state)
{
    static const char *const lists[] = { "body", "dock", "overlay" };
    char error[256] = "";
    (void)state;
    for (int i = 0; i < sample_count; i++)
        for (int l = 0; l < 3; l++) {
            json_t *blocks = json_object_get(samples[i].view, lists[l]);
            if (blocks && !view_check_list(blocks, error, sizeof error))
                fail_msg("%s, %s: %s", samples[i].name, lists[l], error);
        }
}

static void draw_samples_cover_every_kind(void **state)
{
    bool seen[VIEW_KIND_COUNT + 1] = { false };
    (void)state;
    for (int i = 0; i < sample_count; i++) {
        size_t b;
        json_t *block;
        json_array_foreach(json_object_get(samples[i].view, "body"), b, block)
            seen[view_kind_of(block)] = true;
        json_array_foreach(json_object_get(samples[i].view, "dock"), b, block)
            seen[view_kind_of(block)] = true;
    }
    for (int k = 0; k < VIEW_KIND_COUNT; k++)
        if (!seen[k])
            fail_msg("no sample shows a '%s'", view_kinds[k].name);
}

/* Cells add up to the width of each row, and none holds a control character. */
static void check_canvas(const struct canvas *canvas, bool ascii)
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            const struct canvas_cell *cell = canvas_at(canvas, x, y);
            unsigned char first = (unsigned char)cell->text[0];
            assert_true(cell->width <= 2 && cell->style < STYLE_COUNT && cell->back < STYLE_COUNT);
            if (cell->width == 2)
                assert_int_equal(canvas_at(canvas, x + 1, y)->width, 0);
            if (cell->width > 0)
                assert_true(first >= 0x20 && first != 0x7F);
            if (ascii)
                assert_true(first < 0x7F);
        }
}

static void draw_at_every_size(void **state)
{
    static const int widths[] = { 0,  1,  2,  3,  5,  8,   13,  19,  20,  21,  22,  25,  31, 32,
                                  40, 41, 50, 63, 64, 72,  79,  80,  99,  129, 130, 131, 200, 300 };
    static const int heights[] = { 0, 1, 2, 4, 5, 6, 7, 9, 12, 15, 16, 17, 24, 40, 100 };
    (void)state;
    for (int i = 0; i < sample_count; i++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (size_t h = 0; h < sizeof heights / sizeof *heights; h++) {
                struct draw_options options = { .ascii = (w + h) % 3 == 0, .shades = (w + h) % 2 == 0,
                                                .scroll = (int)(w * h) % 7 * 3 - 1 };
                struct draw_result result;
                struct canvas *canvas = drawn(samples[i].view, widths[w], heights[h], &options, &result);
                check_canvas(canvas, options.ascii);
                assert_true(result.cursor_x < canvas->width && result.cursor_y < canvas->height);
                assert_true(result.scroll >= 0);
                canvas_free(canvas);
            }
}

/* Sets the leaf number *left of a value to one of the odd values; returns whether it was reached. */
static bool spoil(json_t *value, int *left, int odd)
{
    static const double numbers[] = { 0, -1, 1e308, -1e308, 5e-324, 1e9 };
    static const char *const texts[] = { "", "nan", "-inf", "\033[31m\xE2\x80\xAE", "a\nb\nc", "漢字漢字漢字漢字漢字漢字漢字" };
    const char *name;
    json_t *member;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (spoil(json_array_get(value, i), left, odd))
                return true;
    } else if (json_is_object(value)) {
        json_object_foreach(value, name, member)
            if (strcmp(name, "view") != 0 && spoil(member, left, odd))
                return true;
    } else if (json_is_number(value) && (*left)-- == 0) {
        if (json_is_real(value))
            json_real_set(value, numbers[odd]);
        else
            json_integer_set(value, (json_int_t)fmax(-9e15, fmin(9e15, numbers[odd])));
        return true;
    } else if (json_is_string(value) && (*left)-- == 0) {
        json_string_set(value, texts[odd]);
        return true;
    }
    return false;
}

/* One odd number or text anywhere does no harm, also where the schema would have refused it. */
static void draw_odd_values(void **state)
{
    (void)state;
    for (int i = 0; i < sample_count; i++)
        for (int leaf = 0, odd = 0; leaf < 400; leaf++, odd = (odd + 1) % 6) {
            json_t *view = json_deep_copy(samples[i].view);
            struct draw_options options = { .ascii = leaf % 2, .shades = leaf % 3 == 0 };
            struct draw_result result;
            int left = leaf;
            bool reached = spoil(view, &left, odd);
            for (int s = 0; reached && s < 3; s++) {
                struct canvas *canvas = drawn(view, s ? s * 75 : 40, s ? 30 : 12, &options, &result);
                check_canvas(canvas, options.ascii);
                canvas_free(canvas);
            }
            json_decref(view);
            if (!reached)
                break;
        }
}

static void draw_is_repeatable(void **state)
{
    struct draw_options options = { .scroll = 2 };
    struct draw_result result;
    (void)state;
    for (int i = 0; i < sample_count; i++) {
        struct canvas *one = drawn(samples[i].view, 100, 30, &options, &result);
        struct canvas *two = drawn(samples[i].view, 100, 30, &options, &result);
        assert_true(canvas_equal(one, two));
        canvas_free(one);
        canvas_free(two);
    }
}

/* On 40 x 12, the size on which every step can be finished, the focused element of a dock is on the screen. */
static void draw_small_screens_show_the_dock(void **state)
{
    struct draw_options options = { .scroll = 0 };
    struct draw_result result;
    (void)state;
    for (int i = 0; i < sample_count; i++) {
        if (!json_object_get(samples[i].view, "dock") || json_object_get(samples[i].view, "overlay"))
            continue;
        if (view_kind_of(json_array_get(json_object_get(samples[i].view, "dock"), 0)) == VIEW_WORKING ||
            strcmp(samples[i].name, "answered") == 0)
            continue;
        canvas_free(drawn(samples[i].view, 40, 12, &options, &result));
        if (result.cursor_x < 0)
            fail_msg("%s at 40 x 12: the focused element is out of sight", samples[i].name);
    }
}

/* Scrolling through a body shows each of its lines once. */
static void draw_scrolling_reaches_the_end(void **state)
{
    struct draw_result result;
    (void)state;
    for (int i = 0; i < sample_count; i++) {
        struct draw_options options = { .scroll = 10000 };
        canvas_free(drawn(samples[i].view, 40, 12, &options, &result));
        if (result.content_height > result.body_height)
            assert_int_equal(result.scroll + result.body_height, result.content_height);
        else
            assert_int_equal(result.scroll, 0);
    }
}

static void draw_footer_keeps_help(void **state)
{
    struct draw_options options = { .scroll = 0 };
    struct draw_result result;
    (void)state;
    for (int i = 0; i < sample_count; i++)
        for (int width = 20; width <= 120; width += 7) {
            struct canvas *canvas = drawn(samples[i].view, width, 20, &options, &result);
            bool found = false;
            for (int x = 0; x < width; x++)
                found = found || strcmp(canvas_at(canvas, x, 19)->text, "?") == 0;
            assert_true(found);
            canvas_free(canvas);
        }
}

static void draw_pictures(void **state)
{
    struct draw_options options = { .scroll = 0 };
    struct draw_result result;
    (void)state;
    for (int i = 0; i < sample_count; i++)
        for (int t = 0; t < THEME_COUNT; t++) {
            char *text = NULL;
            size_t size;
            FILE *file = open_memstream(&text, &size);
            struct canvas *canvas = drawn(samples[i].view, 80, 24, &options, &result);
            assert_true(shot_write(canvas, theme_at(t), file));
            fclose(file);
            assert_non_null(strstr(text, "</svg>"));
            free(text);
            canvas_free(canvas);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draw_samples_keep_the_schema),
        cmocka_unit_test(draw_samples_cover_every_kind),
        cmocka_unit_test(draw_golden),
        cmocka_unit_test(draw_at_every_size),
        cmocka_unit_test(draw_odd_values),
        cmocka_unit_test(draw_is_repeatable),
        cmocka_unit_test(draw_small_screens_show_the_dock),
        cmocka_unit_test(draw_scrolling_reaches_the_end),
        cmocka_unit_test(draw_footer_keeps_help),
        cmocka_unit_test(draw_pictures),
    };
    return cmocka_run_group_tests_name("draw", tests, load, unload);
}
