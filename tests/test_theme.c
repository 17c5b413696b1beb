/* test_theme: every style has a look in every theme, and colors survive on terminals that have fewer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tutor/theme.h"

static void theme_names(void **state)
{
    (void)state;
    for (int i = 0; i < THEME_COUNT; i++)
        assert_ptr_equal(theme_find(theme_name(theme_at(i))), theme_at(i));
    assert_null(theme_find("neon"));
    assert_ptr_equal(theme_at(THEME_COUNT), theme_at(0));
}

static void theme_guesses_the_background(void **state)
{
    (void)state;
    setenv("COLORFGBG", "0;15", 1);
    assert_string_equal(theme_guess(), "light");
    setenv("COLORFGBG", "15;default;0", 1);
    assert_string_equal(theme_guess(), "dark");
    unsetenv("COLORFGBG");
    assert_string_equal(theme_guess(), "dark");
}

static double brightness(int32_t rgb)
{
    double channel[3] = { rgb >> 16, (rgb >> 8) & 0xFF, rgb & 0xFF }, light[3];
    for (int i = 0; i < 3; i++)
        light[i] = channel[i] / 255 * (channel[i] / 255); /* near enough to sRGB's curve */
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
}

static double contrast(int32_t a, int32_t b)
{
    double x = brightness(a) + 0.05, y = brightness(b) + 0.05;
    return x > y ? x / y : y / x;
}

/* What is read stands out from the paper; rules, struck terms and the lower levels may be faint. */
static void theme_text_is_readable(void **state)
{
    (void)state;
    for (int t = 0; t < THEME_COUNT; t++)
        for (int s = 0; s < STYLE_PART0; s++) {
            struct look look = theme_look(theme_at(t), (enum style)s, STYLE_TEXT);
            int32_t fg = look.fg < 0 ? theme_ink(theme_at(t)) : look.fg;
            bool faint = s == STYLE_RULE || s == STYLE_STRUCK || s == STYLE_AXIS;
            if (contrast(fg, theme_paper(theme_at(t))) < (faint ? 1.5 : 4))
                fail_msg("theme %s, style %d: contrast %.1f", theme_name(theme_at(t)), s,
                         contrast(fg, theme_paper(theme_at(t))));
        }
}

/* Text on the fields of a stack is readable too. */
static void theme_text_on_fields_is_readable(void **state)
{
    static const enum style fields[] = { STYLE_PART0, STYLE_PART1,   STYLE_PART2, STYLE_PART3,
                                         STYLE_GUESS, STYLE_OUTCOME, STYLE_LIMIT, STYLE_VALUE };
    (void)state;
    for (int t = 0; t < THEME_COUNT; t++)
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
            struct look look = theme_look(theme_at(t), STYLE_TEXT, fields[f]);
            assert_true(look.fg >= 0 && look.bg >= 0);
            if (contrast(look.fg, look.bg) < 3)
                fail_msg("theme %s, field %d: contrast %.1f", theme_name(theme_at(t)), fields[f],
                         contrast(look.fg, look.bg));
        }
}

static void theme_levels_differ(void **state)
{
    (void)state;
    for (int t = 0; t < THEME_COUNT; t++)
        for (int a = 0; a < 16; a++)
            for (int b = 0; b < a; b++)
                assert_int_not_equal(theme_level(theme_at(t), a), theme_level(theme_at(t), b));
}

static void theme_fewer_colors(void **state)
{
    (void)state;
    assert_int_equal(theme_nearest(0xFF0000, 256), 196);
    assert_int_equal(theme_nearest(0x000000, 256), 16);
    assert_int_equal(theme_nearest(0xFFFFFF, 16), 15);
    assert_int_equal(theme_nearest(0x808080, 16), 8);
    assert_int_equal(theme_nearest(0x808080, 8), -1);
    for (int t = 0; t < THEME_COUNT; t++) {
        int32_t guess = theme_look(theme_at(t), STYLE_GUESS, STYLE_TEXT).fg;
        int32_t outcome = theme_look(theme_at(t), STYLE_OUTCOME, STYLE_TEXT).fg;
        for (int colors = 8; colors <= 256; colors = colors == 8 ? 16 : colors * 16)
            assert_int_not_equal(theme_nearest(guess, colors), theme_nearest(outcome, colors));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(theme_names),
        cmocka_unit_test(theme_guesses_the_background),
        cmocka_unit_test(theme_text_is_readable),
        cmocka_unit_test(theme_text_on_fields_is_readable),
        cmocka_unit_test(theme_levels_differ),
        cmocka_unit_test(theme_fewer_colors),
    };
    return cmocka_run_group_tests_name("theme", tests, NULL, NULL);
}
