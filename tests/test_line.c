/* test_line.c: editing a line of text, against a model that is a list of code points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <utf8proc.h>

#include "engine/command.h"
#include "engine/line.h"

/* --- the model ---------------------------------------------------------------------------------------------------- */

struct model {
    int32_t points[LINE_MAX_BYTES];
    int     count, cursor;
};

static int bytes_of(int32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static int model_bytes(const struct model *m, int upto)
{
    int bytes = 0;
    for (int i = 0; i < upto; i++)
        bytes += bytes_of(m->points[i]);
    return bytes;
}

static bool model_cut(struct model *m, int at)
{
    if (at < 0 || at >= m->count)
        return false;
    memmove(m->points + at, m->points + at + 1, (size_t)(m->count - at - 1) * sizeof m->points[0]);
    m->count--;
    m->cursor = at;
    return true;
}

static bool model_put(struct model *m, int32_t c)
{
    if (model_bytes(m, m->count) + bytes_of(c) > LINE_MAX_BYTES)
        return false;
    memmove(m->points + m->cursor + 1, m->points + m->cursor, (size_t)(m->count - m->cursor) * sizeof m->points[0]);
    m->points[m->cursor++] = c;
    m->count++;
    return true;
}

static bool model_move(struct model *m, int to)
{
    bool moved = to >= 0 && to <= m->count && to != m->cursor;
    m->cursor = moved ? to : m->cursor;
    return moved;
}

static int model_word(const struct model *m, int by)
{
    int at = m->cursor;
    if (by < 0) {
        while (at > 0 && m->points[at - 1] == ' ')
            at--;
        while (at > 0 && m->points[at - 1] != ' ')
            at--;
        return at;
    }
    while (at < m->count && m->points[at] != ' ')
        at++;
    while (at < m->count && m->points[at] == ' ')
        at++;
    return at;
}

static bool model_key(struct model *m, uint32_t key)
{
    switch (key) {
    case KEY_CODE_BACKSPACE:  return model_cut(m, m->cursor - 1);
    case KEY_CODE_DELETE:     return model_cut(m, m->cursor);
    case KEY_CODE_LEFT:       return model_move(m, m->cursor - 1);
    case KEY_CODE_RIGHT:      return model_move(m, m->cursor + 1);
    case KEY_CODE_CTRL_LEFT:  return model_move(m, model_word(m, -1));
    case KEY_CODE_CTRL_RIGHT: return model_move(m, model_word(m, 1));
    case KEY_CODE_HOME:       return model_move(m, 0);
    case KEY_CODE_END:        return model_move(m, m->count);
    default:                  return key < KEY_CODE_ENTER && key >= ' ' && model_put(m, (int32_t)key);
    }
}

static void compare(const struct line *l, const struct model *m)
{
    char text[LINE_MAX_BYTES + 8];
    size_t used = 0;
    for (int i = 0; i < m->count; i++)
        used += (size_t)utf8proc_encode_char(m->points[i], (utf8proc_uint8_t *)text + used);
    text[used] = '\0';
    assert_int_equal(l->size, used);
    assert_string_equal(l->text, text);
    assert_int_equal(l->cursor, (size_t)model_bytes(m, m->cursor));
}

static uint32_t random_bits(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static const uint32_t keys[] = {
    'a', 'b', '7', ' ', ' ', 0xe9, 0x20ac, 0x6f22, 0x1f600, KEY_CODE_BACKSPACE, KEY_CODE_DELETE, KEY_CODE_LEFT,
    KEY_CODE_RIGHT, KEY_CODE_CTRL_LEFT, KEY_CODE_CTRL_RIGHT, KEY_CODE_HOME, KEY_CODE_END,
    KEY_CODE_UP, KEY_CODE_ENTER, KEY_CODE_TAB, KEY_CODE_ESCAPE, /* no editing keys: refused, nothing changes */
};

static void test_against_model(void **state)
{
    static struct line line;
    static struct model model;
    uint32_t seed = 2463534242u;
    (void)state;
    for (int round = 0; round < 200; round++) {
        line_clear(&line);
        model = (struct model){ 0 };
        for (int i = 0; i < 200; i++) {
            uint32_t key = keys[random_bits(&seed) % (sizeof keys / sizeof keys[0])];
            assert_int_equal(line_key(&line, key), model_key(&model, key));
            compare(&line, &model);
        }
    }
}

static void test_full(void **state)
{
    static struct line line;
    static struct model model;
    uint32_t seed = 7;
    (void)state;
    for (int i = 0; i < 6000; i++) {
        uint32_t key = keys[random_bits(&seed) % 9];
        assert_int_equal(line_key(&line, key), model_key(&model, key));
    }
    compare(&line, &model);
    assert_in_range(line.size, LINE_MAX_BYTES - 3, LINE_MAX_BYTES);
}

/* --- pasted text -------------------------------------------------------------------------------------------------- */

static void check_paste(const char *text, bool multiline, bool taken, const char *becomes)
{
    static struct line line;
    line_clear(&line);
    assert_int_equal(line_insert(&line, text, multiline), taken);
    assert_string_equal(line.text, becomes);
    assert_int_equal(line.cursor, line.size);
}

static void test_paste(void **state)
{
    (void)state;
    check_paste("", false, false, "");
    check_paste("a b", false, true, "a b");
    check_paste("a\nb\tc", false, true, "a b c");
    check_paste("a\nb\tc", true, true, "a\nb c");
    check_paste("a\r\nb\rc", true, true, "a\nb\nc");
    check_paste("\x1b[31mred\x07", false, true, "[31mred");
    check_paste("\x1b\x07\x7f", false, false, "");
    check_paste("caf\xc3\xa9 \xff\xc3 ok", false, true, "café  ok");
    check_paste("a\xe2\x80\xae" "b\xe2\x81\xa6" "c", false, true, "abc"); /* bidirectional controls */
    check_paste("\xed\xa0\x80x\xf4\x90\x80\x80", false, true, "x");       /* a surrogate, beyond Unicode */
}

static void test_paste_in_the_middle(void **state)
{
    static struct line line;
    (void)state;
    line_set(&line, "ad");
    line_key(&line, KEY_CODE_LEFT);
    assert_true(line_insert(&line, "bc", false));
    assert_string_equal(line.text, "abcd");
    assert_int_equal(line.cursor, 3);
}

/* Any bytes leave valid UTF-8 that fits, with the cursor between characters. */
static void test_junk(void **state)
{
    static struct line line;
    uint32_t seed = 31;
    char text[400];
    (void)state;
    for (int i = 0; i < 3000; i++) {
        size_t n = random_bits(&seed) % (sizeof text - 1);
        for (size_t k = 0; k < n; k++)
            text[k] = (char)(1 + random_bits(&seed) % 255);
        text[n] = '\0';
        if (i % 40 == 0)
            line_clear(&line);
        line_insert(&line, text, i % 2);
        line_key(&line, keys[9 + random_bits(&seed) % 8]);
        assert_true(line.size <= LINE_MAX_BYTES && line.cursor <= line.size && line.text[line.size] == '\0');
        for (size_t at = 0; at < line.size;) {
            utf8proc_int32_t c;
            utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)line.text + at, -1, &c);
            assert_true(bytes > 0);
            assert_false(line.cursor > at && line.cursor < at + (size_t)bytes);
            at += (size_t)bytes;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_paste),
        cmocka_unit_test(test_paste_in_the_middle),
        cmocka_unit_test(test_junk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
