/* line.c: editing one line of text. See line.h. */
#include "engine/line.h"

#include <string.h>

#include <utf8proc.h>

#include "engine/command.h"

void line_clear(struct line *l)
{
    l->size = l->cursor = 0;
    l->text[0] = '\0';
}

void line_set(struct line *l, const char *text)
{
    line_clear(l);
    line_insert(l, text, true);
}

/* Puts `n` bytes at the cursor, all or nothing. */
static bool put(struct line *l, const char *bytes, size_t n)
{
    if (l->size + n > LINE_MAX_BYTES)
        return false;
    memmove(l->text + l->cursor + n, l->text + l->cursor, l->size - l->cursor + 1);
    memcpy(l->text + l->cursor, bytes, n);
    l->size += n;
    l->cursor += n;
    return true;
}

static bool put_code_point(struct line *l, int32_t c, bool multiline)
{
    utf8proc_uint8_t bytes[4];
    if (c == '\r')
        c = '\n';
    if (c == '\t' || (c == '\n' && !multiline))
        c = ' ';
    utf8proc_category_t category = utf8proc_category(c);
    if (c != '\n' && (category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF
                      || category == UTF8PROC_CATEGORY_CS || category == UTF8PROC_CATEGORY_CN))
        return false;
    utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
    return n > 0 && put(l, (const char *)bytes, (size_t)n);
}

bool line_insert(struct line *l, const char *text, bool multiline)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    bool taken = false;
    while (*p) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(p, -1, &c);
        if (n <= 0)
            p++;
        else if (c == '\n' && p > (const utf8proc_uint8_t *)text && p[-1] == '\r')
            p++; /* the second half of one line end */
        else {
            taken = put_code_point(l, c, multiline) || taken;
            p += n;
        }
    }
    return taken;
}

static size_t before(const struct line *l, size_t at)
{
    while (at > 0 && ((unsigned char)l->text[--at] & 0xc0) == 0x80)
        continue;
    return at;
}

static size_t after(const struct line *l, size_t at)
{
    if (at < l->size)
        at++;
    while (at < l->size && ((unsigned char)l->text[at] & 0xc0) == 0x80)
        at++;
    return at;
}

static size_t word_before(const struct line *l, size_t at)
{
    while (at > 0 && l->text[at - 1] == ' ')
        at--;
    while (at > 0 && l->text[at - 1] != ' ')
        at--;
    return at;
}

static size_t word_after(const struct line *l, size_t at)
{
    while (at < l->size && l->text[at] != ' ')
        at++;
    while (at < l->size && l->text[at] == ' ')
        at++;
    return at;
}

static bool cut(struct line *l, size_t from, size_t to)
{
    if (from == to)
        return false;
    memmove(l->text + from, l->text + to, l->size - to + 1);
    l->size -= to - from;
    l->cursor = from;
    return true;
}

static bool move(struct line *l, size_t to)
{
    bool moved = to != l->cursor;
    l->cursor = to;
    return moved;
}

bool line_key(struct line *l, uint32_t key)
{
    switch (key) {
    case KEY_CODE_BACKSPACE:  return cut(l, before(l, l->cursor), l->cursor);
    case KEY_CODE_DELETE:     return cut(l, l->cursor, after(l, l->cursor));
    case KEY_CODE_LEFT:       return move(l, before(l, l->cursor));
    case KEY_CODE_RIGHT:      return move(l, after(l, l->cursor));
    case KEY_CODE_CTRL_LEFT:  return move(l, word_before(l, l->cursor));
    case KEY_CODE_CTRL_RIGHT: return move(l, word_after(l, l->cursor));
    case KEY_CODE_HOME:       return move(l, 0);
    case KEY_CODE_END:        return move(l, l->size);
    default:                  return key >= ' ' && key < KEY_CODE_ENTER && put_code_point(l, (int32_t)key, false);
    }
}
