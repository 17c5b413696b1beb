/* text.c: cells, lines and sentences of UTF-8 text. See text.h.
 * The drawing and the plain face both walk text through text_next, the one place that meets raw bytes. */
#include "engine/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static bool is_bidi_control(utf8proc_int32_t c)
{
    return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* Takes no cell and changes what is around it at most: joiners, variation selectors, soft hyphen, BOM, tags. */
static bool is_invisible(utf8proc_int32_t c)
{
    return c == 0x00AD || (c >= 0x200B && c <= 0x200D) || (c >= 0x2060 && c <= 0x2064) || c == 0xFEFF ||
           (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0000 && c <= 0xE0FFF);
}

static bool is_hostile(utf8proc_int32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || is_bidi_control(c) || c == 0x2028 || c == 0x2029;
}

static bool is_mark(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
}

/* Decodes one code point; a byte that starts none counts as one byte of -1. */
static size_t decode(const char *text, size_t bytes, utf8proc_int32_t *c)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, c);
    if (n > 0)
        return (size_t)n;
    *c = -1;
    return 1;
}

static void set_cell(struct text_cell *cell, const char *text, size_t bytes, int width)
{
    memcpy(cell->text, text, bytes);
    cell->text[bytes] = '\0';
    cell->width = width;
}

/* Takes the marks and invisible characters that follow a base; marks are kept while they fit. */
static size_t take_marks(const char *text, size_t bytes, struct text_cell *cell)
{
    size_t used = 0, length = strlen(cell->text);
    while (used < bytes && (text[used] & 0x80)) {
        utf8proc_int32_t c;
        size_t n = decode(text + used, bytes - used, &c);
        if (c < 0 || is_hostile(c) || (!is_invisible(c) && !is_mark(c)))
            break;
        if (!is_invisible(c) && length + n < TEXT_CELL_BYTES) {
            memcpy(cell->text + length, text + used, n);
            length += n;
        }
        used += n;
    }
    cell->text[length] = '\0';
    return used;
}

size_t text_next(const char *text, size_t bytes, struct text_cell *cell)
{
    if (bytes == 0)
        return 0;
    unsigned char first = (unsigned char)text[0];
    if (first >= 0x20 && first < 0x7F) {
        set_cell(cell, text, 1, 1);
        return 1 + take_marks(text + 1, bytes - 1, cell);
    }
    if (first == '\t' || first == '\n') {
        set_cell(cell, " ", 1, 1);
        return 1;
    }
    utf8proc_int32_t c;
    size_t n = decode(text, bytes, &c);
    if (c == 0xA0)
        set_cell(cell, " ", 1, 1);
    else if (c < 0 || is_hostile(c) || is_mark(c) || is_invisible(c))
        set_cell(cell, replacement, 3, 1);
    else
        set_cell(cell, text, n, utf8proc_charwidth(c) == 2 ? 2 : 1);
    return n + take_marks(text + n, bytes - n, cell);
}

int text_width_of(const char *text, size_t bytes)
{
    struct text_cell cell;
    int width = 0;
    for (size_t n; (n = text_next(text, bytes, &cell)) > 0; text += n, bytes -= n)
        width += cell.width;
    return width;
}

int text_width(const char *text)
{
    return text_width_of(text, strlen(text));
}

size_t text_fit(const char *text, size_t bytes, int width)
{
    struct text_cell cell;
    size_t used = 0;
    for (size_t n; (n = text_next(text + used, bytes - used, &cell)) > 0; used += n) {
        width -= cell.width;
        if (width < 0)
            break;
    }
    return used;
}

/* Whether a line may end at the space text[at]. */
static bool may_break(const char *text, size_t bytes, size_t at)
{
    bool lone_percent = at + 1 < bytes && text[at + 1] == '%' && (at + 2 >= bytes || text[at + 2] != '%');
    return !lone_percent;
}

size_t text_line(const char *text, size_t bytes, int width, size_t *next)
{
    struct text_cell cell;
    size_t used = 0, space = 0;
    bool has_space = false;

    if (width < 1)
        width = 1;
    for (size_t n; used < bytes && text[used] != '\n'; used += n) {
        n = text_next(text + used, bytes - used, &cell);
        if (text[used] == ' ' && may_break(text, bytes, used)) {
            has_space = true;
            space = used;
        }
        width -= cell.width;
        if (width < 0) {
            if (!has_space) {
                *next = used ? used : n; /* a word wider than the line, or a cell wider than it */
                return used;
            }
            used = space;
            break;
        }
    }
    size_t skip = used;
    if (skip < bytes && text[skip] == '\n')
        skip++;
    else
        while (skip < bytes && text[skip] == ' ')
            skip++;
    while (used > 0 && text[used - 1] == ' ')
        used--;
    *next = skip ? skip : 1;
    return used;
}

int text_lines(const char *text, int width)
{
    size_t bytes = strlen(text), next;
    int lines = 0;
    for (; bytes > 0; text += next, bytes -= next, lines++)
        text_line(text, bytes, width, &next);
    return lines;
}

/* Appends what fits, whole; returns the new length. */
static size_t append(char *out, size_t size, size_t used, const char *text, size_t bytes)
{
    if (used + bytes >= size)
        return used;
    memcpy(out + used, text, bytes);
    out[used + bytes] = '\0';
    return used + bytes;
}

char *text_clip(const char *text, int width, const char *ellipsis, char *out, size_t size)
{
    size_t bytes = strlen(text), used = 0;
    bool cut = text_width_of(text, bytes) > width;
    int room = cut ? width - text_width(ellipsis) : width;
    struct text_cell cell;

    if (size == 0)
        return out;
    out[0] = '\0';
    for (size_t n; (n = text_next(text, bytes, &cell)) > 0; text += n, bytes -= n) {
        room -= cell.width;
        if (room < 0)
            break;
        used = append(out, size, used, cell.text, strlen(cell.text));
    }
    if (cut && text_width(ellipsis) <= width)
        append(out, size, used, ellipsis, strlen(ellipsis));
    return out;
}

size_t text_cut(const char *text, size_t bytes)
{
    size_t n = strnlen(text, bytes);
    if (n == bytes)
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    return n;
}

void text_print(char *out, size_t size, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int wanted = vsnprintf(out, size, format, values);
    va_end(values);
    if (size == 0 || wanted < (int)size)
        return;
    size_t end = size - 1, start = end; /* of the last character, which may be half of one */
    while (start > 0 && ((unsigned char)out[start - 1] & 0xc0) == 0x80)
        start--;
    unsigned char lead = start > 0 ? (unsigned char)out[start - 1] : 0;
    size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (end - start + 1 < whole)
        out[start - 1] = '\0';
}

static bool ends_sentence(const char *text, size_t bytes, size_t at)
{
    if (!strchr(".!?", text[at]) || text[at] == '\0')
        return false;
    if (at + 1 < bytes && strchr("\")'", text[at + 1]) && text[at + 1])
        at++;
    if (at + 1 >= bytes || text[at + 1] != ' ')
        return at + 1 >= bytes;
    while (at + 1 < bytes && text[at + 1] == ' ')
        at++;
    return at + 1 >= bytes || !(text[at + 1] >= 'a' && text[at + 1] <= 'z');
}

size_t text_sentence(const char *text, size_t bytes, size_t *next)
{
    size_t end = 0;
    while (end < bytes && text[end] != '\n') {
        bool ended = ends_sentence(text, bytes, end);
        end++;
        if (ended) {
            if (end < bytes && strchr("\")'", text[end]))
                end++;
            break;
        }
    }
    size_t skip = end;
    while (skip < bytes && (text[skip] == ' ' || text[skip] == '\n'))
        skip++;
    *next = skip ? skip : 1;
    return end;
}

/* ------------------------------------------------------------------------------------------------------- copies */

char *text_clean(const char *text)
{
    size_t bytes = strlen(text), used = 0;
    char *out = malloc(bytes * 3 + 1); /* a bad byte becomes the three of U+FFFD */
    struct text_cell cell;

    if (!out)
        abort();
    for (size_t n; (n = text_next(text, bytes, &cell)) > 0; text += n, bytes -= n) {
        size_t length = strlen(cell.text);
        memcpy(out + used, *text == '\n' ? "\n" : cell.text, length);
        used += length;
    }
    out[used] = '\0';
    return out;
}

static const struct {
    const char *from, *to;
} ascii_twins[] = {
    { "·", "." },   { "×", "x" },   { "–", "-" },   { "—", "-" },   { "−", "-" },   { "…", "..." }, { "’", "'" },
    { "‘", "'" },   { "“", "\"" },  { "”", "\"" },  { "→", "->" },  { "←", "<-" },  { "↑", "^" },   { "↓", "v" },
    { "≤", "<=" },  { "≥", ">=" },  { "≈", "~" },   { "≠", "!=" },  { "±", "+-" },  { "÷", "/" },   { "√", "sqrt " },
    { "²", "^2" },  { "³", "^3" },  { "µ", "u" },   { "μ", "u" },   { "°", " deg" }, { "½", "1/2" }, { "∞", "inf" },
    { "é", "e" },   { "è", "e" },   { "ä", "ae" },  { "ö", "oe" },  { "ü", "ue" },  { "ß", "ss" },  { "Δ", "delta" },
    { "α", "alpha" }, { "σ", "sigma" }, { "●", "*" }, { "▲", "^" }, { "•", "*" },   { "✓", "ok" },  { "✗", "x" },
    { "█", "#" },   { "▓", "%" },   { "▒", "=" },   { "░", "." },   { "∑", "sum" }, { "‖", "||" },  { "◆", "#" },
};

static const char *ascii_of(const struct text_cell *cell)
{
    if (!(cell->text[0] & 0x80) && cell->text[1] == '\0')
        return cell->text;
    for (size_t i = 0; i < sizeof ascii_twins / sizeof *ascii_twins; i++)
        if (strcmp(ascii_twins[i].from, cell->text) == 0)
            return ascii_twins[i].to;
    return "?";
}

char *text_ascii(const char *text)
{
    size_t bytes = strlen(text), used = 0;
    char *out = malloc(bytes * 5 + 1); /* the longest twin of a one-byte cell is one byte, of others five */
    struct text_cell cell;

    if (!out)
        abort();
    for (size_t n; (n = text_next(text, bytes, &cell)) > 0; text += n, bytes -= n) {
        const char *twin = *text == '\n' ? "\n" : ascii_of(&cell);
        if (strncmp(text, "←→", 6) == 0 && bytes >= 6)
            twin = "<"; /* the pair reads "<->" */
        size_t length = strlen(twin);
        memcpy(out + used, twin, length);
        used += length;
    }
    out[used] = '\0';
    return out;
}
