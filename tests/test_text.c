/* test_text: cells, widths, lines and sentences, of friendly and of hostile bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/text.h"

static void text_widths(void **state)
{
    (void)state;
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_width("E4M3"), 4);
    assert_int_equal(text_width("漢字"), 4);
    assert_int_equal(text_width("e\xCC\x81"), 1);              /* e and a combining acute */
    assert_int_equal(text_width("▲●─█"), 4);
    assert_int_equal(text_width("a\xE2\x80\x8B" "b"), 2);      /* zero width space */
    assert_int_equal(text_width("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB"), 4); /* joined: two cells each */
}

static void expect_cell(const char *text, const char *cell, size_t bytes)
{
    struct text_cell out;
    assert_int_equal(text_next(text, strlen(text), &out), bytes);
    assert_string_equal(out.text, cell);
}

static void text_hostile_bytes_are_replaced(void **state)
{
    (void)state;
    expect_cell("\033[2J", "\xEF\xBF\xBD", 1);
    expect_cell("\x07", "\xEF\xBF\xBD", 1);
    expect_cell("\x7F", "\xEF\xBF\xBD", 1);
    expect_cell("\xC2\x9B" "2J", "\xEF\xBF\xBD", 2);           /* C1: CSI */
    expect_cell("\xE2\x80\xAE" "abc", "\xEF\xBF\xBD", 3);      /* right-to-left override */
    expect_cell("\xE2\x81\xA6", "\xEF\xBF\xBD", 3);
    expect_cell("\xFF\xFE", "\xEF\xBF\xBD", 1);
    expect_cell("\xE2\x82", "\xEF\xBF\xBD", 1);                /* cut short */
    expect_cell("\xC0\x80", "\xEF\xBF\xBD", 1);                /* overlong */
    expect_cell("\xED\xA0\x80", "\xEF\xBF\xBD", 1);            /* surrogate */
    expect_cell("\t", " ", 1);
}

/* A pile of marks keeps to its cell and its buffer. */
static void text_many_marks(void **state)
{
    char pile[256] = "a";
    struct text_cell cell;
    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(pile, "\xCC\x81");
    assert_int_equal(text_next(pile, strlen(pile), &cell), 201);
    assert_true(strlen(cell.text) < TEXT_CELL_BYTES);
    assert_int_equal(cell.width, 1);
}

/* Breaks the text at each width and puts it together again: no word is lost, no line is too wide. */
static void check_wrapping(const char *text)
{
    for (int width = 1; width < 60; width++) {
        const char *at = text;
        size_t bytes = strlen(text), next, words = 0, wanted = 0;
        for (; bytes > 0; at += next, bytes -= next) {
            size_t line = text_line(at, bytes, width, &next);
            assert_true(next > 0 && next <= bytes && line <= next);
            assert_true(text_width_of(at, line) <= width || text_fit(at, line, width) == 0);
            for (size_t i = 0; i < line; i++)
                words += at[i] != ' ' && at[i] != '\n';
        }
        for (const char *c = text; *c; c++)
            wanted += *c != ' ' && *c != '\n';
        if (width > 1)
            assert_int_equal(words, wanted);
    }
}

static void text_wrapping(void **state)
{
    size_t next;
    (void)state;
    check_wrapping("A model is a heap of numbers.\nHere is one, read off a kitchen scale: 237.4 g.");
    check_wrapping("averyveryverylongwordwithoutanyspaceinit and a short one");
    check_wrapping("   leading and   many   blanks   ");
    check_wrapping("x");
    assert_int_equal(text_line("one two", 7, 5, &next), 3);
    assert_int_equal(next, 4);
    assert_int_equal(text_line("at 10 % of", 10, 6, &next), 2); /* not between 10 and % */
    assert_int_equal(text_line("", 0, 5, &next), 0);
    assert_int_equal(text_lines("a\n\nb", 10), 3);
}

static void text_random_bytes(void **state)
{
    unsigned seed = 7;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        struct text_cell cell;
        size_t length = 0, used = 0, n, next;
        for (; length < sizeof bytes - 1; length++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[length] = (char)(seed >> 24);
            if (bytes[length] == '\0')
                bytes[length] = 'a';
        }
        bytes[length] = '\0';
        while ((n = text_next(bytes + used, length - used, &cell)) > 0) {
            assert_true((unsigned char)cell.text[0] >= 0x20 && cell.text[0] != 0x7F);
            used += n;
        }
        assert_int_equal(used, length);
        char *clean = text_clean(bytes), *ascii = text_ascii(bytes), *again = text_clean(clean);
        assert_string_equal(clean, again);
        for (const char *c = ascii; *c; c++)
            assert_true((*c >= 0x20 && *c < 0x7F) || *c == '\n');
        for (used = 0; used < length; used += next)
            text_line(bytes + used, length - used, 5, &next);
        free(clean);
        free(ascii);
        free(again);
    }
}

static void text_clipping(void **state)
{
    char out[64];
    (void)state;
    assert_string_equal(text_clip("harmless", 8, "…", out, sizeof out), "harmless");
    assert_string_equal(text_clip("harmless", 5, "…", out, sizeof out), "harm…");
    assert_string_equal(text_clip("漢字", 3, "…", out, sizeof out), "漢…");
    assert_string_equal(text_clip("harmless", 0, "…", out, sizeof out), "");
    assert_string_equal(text_clip("harmless", 8, "…", out, 4), "har");
}

static void text_twins(void **state)
{
    char *twin = text_ascii("2 × 3 ≤ 7 → ok · ←→ α漢");
    (void)state;
    assert_string_equal(twin, "2 x 3 <= 7 -> ok . <-> alpha?");
    free(twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_widths),
        cmocka_unit_test(text_hostile_bytes_are_replaced),
        cmocka_unit_test(text_many_marks),
        cmocka_unit_test(text_wrapping),
        cmocka_unit_test(text_random_bytes),
        cmocka_unit_test(text_clipping),
        cmocka_unit_test(text_twins),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
