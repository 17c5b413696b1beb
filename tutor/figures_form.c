/* figures_form.c: what the learner acts on: typed text, knobs, how sure; and the wait for a computation. */
#include "tutor/figures.h"

#include <math.h>
#include <string.h>

#include "tutor/axis.h"

enum { FIELD = 6 }; /* cells that an input keeps before its unit */

/* ------------------------------------------------------------------------------------------------------- input */

/* A line that is longer than its place is shown around its cursor. Returns the cells taken. */
static int input_line(struct pen *pen, int x, int y, int room, const char *text, size_t cursor)
{
    size_t bytes = strlen(text), start = 0;
    if (cursor > bytes)
        cursor = bytes;
    while (start < cursor && text_width_of(text + start, cursor - start) >= room) {
        struct text_cell cell;
        start += text_next(text + start, bytes - start, &cell);
    }
    size_t fits = text_fit(text + start, bytes - start, room);
    int width = pen_bytes(pen, x, y, text + start, fits, STYLE_GUESS);
    pen_cursor(pen, x + text_width_of(text + start, cursor - start), y);
    return width;
}

/* Text of several lines, wrapped, with the cursor in it. Returns its rows. */
static int input_lines(struct pen *pen, int y, const char *text, size_t cursor)
{
    size_t bytes = strlen(text), at = 0, next;
    int row = 0, width = pen->width - 2;
    pen_cursor(pen, 2, y);
    for (; at < bytes; at += next, row++) {
        size_t line = text_line(text + at, bytes - at, width, &next);
        pen_bytes(pen, 2, y + row, text + at, line, STYLE_GUESS);
        if (cursor >= at && cursor <= at + next)
            pen_cursor(pen, 2 + text_width_of(text + at, cursor - at), y + row);
    }
    if (bytes > 0 && cursor == bytes && text[bytes - 1] == '\n')
        pen_cursor(pen, 2, y + row++);
    int rows = row > 0 ? row : 1;
    for (int i = 0; i < rows; i++)
        pen_put(pen, 0, y + i, GLYPH_BAR, STYLE_FOCUS);
    return rows;
}

static int one_line_input(struct pen *pen, const json_t *block, size_t cursor)
{
    const char *text = view_text(block, "text", ""), *label = view_text(block, "label", NULL);
    const char *unit = view_text(block, "unit", NULL), *hint = view_text(block, "hint", NULL);
    const char *echo = view_text(block, "echo", NULL);
    int x = 0, y = 0;

    if (label && text_width(label) > pen->width / 2)
        y = pen_wrap(pen, 0, 0, pen->width, label, STYLE_TEXT);
    else if (label)
        x = pen_text(pen, 0, 0, label, STYLE_TEXT) + 1;
    x += pen_put(pen, x, y, GLYPH_POINTER, STYLE_FOCUS) + 1;
    int room = pen->width - x - (unit ? text_width(unit) + 1 : 0);
    int width = input_line(pen, x, y, room > 1 ? room : 1, text, cursor), end = x;
    if (unit && *unit) {
        end += (width > FIELD ? width : FIELD) + 1;
        end += pen_text(pen, end, y, unit, STYLE_DIM) + 2;
    }
    if (!*text && hint && end + text_width(hint) <= pen->width)
        pen_text(pen, end + 1, y, hint, STYLE_DIM);
    else if (!*text && hint)
        y += pen_wrap(pen, x, y + 1, pen->width - x, hint, STYLE_DIM);
    return y + 1 + (echo ? pen_wrap(pen, x, y + 1, pen->width - x, echo, STYLE_DIM) : 0);
}

int figure_input(struct pen *pen, const json_t *block)
{
    const char *text = view_text(block, "text", ""), *label = view_text(block, "label", NULL);
    const char *hint = view_text(block, "hint", NULL), *echo = view_text(block, "echo", NULL);
    double at = view_number(block, "cursor", (double)strlen(text));
    size_t cursor = !(at > 0) ? 0 : at > (double)strlen(text) ? strlen(text) : (size_t)at;

    if (!view_flag(block, "multiline"))
        return one_line_input(pen, block, cursor);
    int y = label ? pen_wrap(pen, 0, 0, pen->width, label, STYLE_TEXT) : 0;
    int rows = input_lines(pen, y, text, cursor);
    if (!*text && hint)
        pen_clip(pen, 2, y, pen->width - 2, hint, STYLE_DIM);
    y += rows;
    return y + (echo ? pen_wrap(pen, 2, y, pen->width - 2, echo, STYLE_DIM) : 0);
}

/* ------------------------------------------------------------------------------------------------------- knobs */

enum { SLIDER = 12 };

static const char *knob_value(const json_t *knob, char *out, size_t size)
{
    const json_t *value = json_object_get(knob, "value");
    if (json_is_string(value))
        snprintf(out, size, "%s", json_string_value(value));
    else if (json_is_boolean(value))
        snprintf(out, size, "%s", json_is_true(value) ? "on" : "off");
    else
        view_format_unit(view_as_number(value), view_text(knob, "unit", NULL), out, size);
    return out;
}

/* Writes the choices of a knob, the chosen one in brackets; returns the cells. */
static int knob_choices(struct pen *pen, int x, int y, const json_t *knob, const char *value, bool focused)
{
    const json_t *choices = json_object_get(knob, "choices");
    int start = x;
    size_t i;
    json_t *choice;
    json_array_foreach(choices, i, choice) {
        const char *text = json_string_value(choice);
        bool chosen = strcmp(text, value) == 0;
        if (chosen && focused)
            pen_cursor(pen, x + 2, y);
        x += chosen ? pen_text(pen, x, y, "[ ", STYLE_RULE) : 0;
        x += pen_text(pen, x, y, text, chosen ? focused ? STYLE_FOCUS : STYLE_STRONG : STYLE_DIM);
        x += chosen ? pen_text(pen, x, y, " ]", STYLE_RULE) : 0;
        x += 1;
    }
    return x - 1 - start;
}

/* A focused number shows where it stands between its ends. */
static int knob_slider(struct pen *pen, int x, int y, const json_t *knob)
{
    struct axis axis = axis_new(view_number(knob, "from", 0), view_number(knob, "to", 1), axis_is_log(knob), SLIDER);
    char from[32], to[32];
    int start = x, handle = axis_column(&axis, view_as_number(json_object_get(knob, "value")));
    x += pen_text(pen, x, y, view_format(view_number(knob, "from", 0), from, sizeof from), STYLE_AXIS) + 1;
    pen_run(pen, x, y, SLIDER, GLYPH_LINE, STYLE_RULE);
    if (handle >= 0)
        pen_put(pen, x + handle, y, GLYPH_HANDLE, STYLE_FOCUS);
    x += SLIDER + 1;
    x += pen_text(pen, x, y, view_format(view_number(knob, "to", 1), to, sizeof to), STYLE_AXIS);
    return x - start;
}

/* An unfocused number only says between which ends it may stand. */
static int knob_range(struct pen *pen, int x, int y, const json_t *knob)
{
    char from[32], to[32], text[80];
    snprintf(text, sizeof text, "%s to %s", view_format(view_number(knob, "from", 0), from, sizeof from),
             view_format(view_number(knob, "to", 1), to, sizeof to));
    return pen_text(pen, x, y, text, STYLE_AXIS);
}

/* Draws one knob; returns its cells. */
static int draw_knob(struct pen *pen, int x, int y, const json_t *knob)
{
    char value[64];
    bool focused = view_flag(knob, "focused");
    int start = x;

    knob_value(knob, value, sizeof value);
    x += pen_text(pen, x, y, view_text(knob, "label", view_text(knob, "name", "")), focused ? STYLE_FOCUS : STYLE_TEXT);
    x += 1;
    if (json_array_size(json_object_get(knob, "choices")) > 0)
        return x + knob_choices(pen, x, y, knob, value, focused) - start;
    x += pen_text(pen, x, y, "[ ", STYLE_RULE);
    if (focused)
        pen_cursor(pen, x, y);
    const json_t *bit = json_object_get(knob, "bit");
    if (focused && bit) { /* the place in a code that Space flips */
        size_t at = (size_t)json_integer_value(bit) < strlen(value) ? (size_t)json_integer_value(bit) : 0;
        pen_cursor(pen, x + (int)at, y);
        pen_text(pen, x, y, value, STYLE_STRONG);
        pen_bytes(pen, x + (int)at, y, value + at, 1, STYLE_FOCUS);
        x += text_width(value);
    } else
        x += pen_text(pen, x, y, value, focused ? STYLE_FOCUS : STYLE_STRONG);
    x += pen_text(pen, x, y, " ]", STYLE_RULE);
    if (json_object_get(knob, "from") && json_object_get(knob, "to"))
        x += 1 + (focused ? knob_slider(pen, x + 1, y, knob) : knob_range(pen, x + 1, y, knob));
    return x - start;
}

int figure_knobs(struct pen *pen, const json_t *block)
{
    int x = 0, y = 0;
    size_t i;
    json_t *knob;
    json_array_foreach(json_object_get(block, "knobs"), i, knob) {
        struct pen measure = *pen;
        measure.canvas = NULL;
        int width = draw_knob(&measure, 0, 0, knob);
        if (x > 0 && x + width > pen->width) {
            x = 0;
            y++;
        }
        draw_knob(pen, x, y, knob);
        x += width + 4;
    }
    return y + 1;
}

/* -------------------------------------------------------------------------------------------- how sure, and waiting */

int figure_sure(struct pen *pen, const json_t *block)
{
    static const char *const levels[][2] = { { "1", "guess" }, { "2", "50 %" }, { "3", "75 %" }, { "4", "95 %" } };
    const char *guess = view_text(block, "guess", ""), *rule = view_text(block, "rule", NULL);
    int x = pen_text(pen, 0, 0, "You say ", STYLE_TEXT), y = 1;

    if (x + text_width(guess) <= pen->width)
        x += pen_text(pen, x, 0, guess, STYLE_GUESS);
    else
        y = 1 + pen_wrap(pen, 2, 1, pen->width - 2, guess, STYLE_GUESS);
    if (rule)
        y += pen_wrap(pen, 0, y, pen->width, rule, STYLE_DIM);
    y++;
    x = pen_text(pen, 0, y, "How sure?", STYLE_TEXT) + 3;
    if (x + 36 > pen->width) {
        x = 0;
        y++;
    }
    pen_cursor(pen, x, y);
    for (int i = 0; i < 4; i++) {
        x += pen_text(pen, x, y, levels[i][0], STYLE_KEY) + 1;
        x += pen_text(pen, x, y, levels[i][1], STYLE_TEXT) + (pen->width < 40 ? 1 : 3);
    }
    return y + 1;
}

int figure_working(struct pen *pen, const json_t *block)
{
    double fraction = view_number(block, "fraction", NAN);
    int lines = pen_wrap(pen, 0, 0, pen->width, view_text(block, "label", ""), STYLE_TEXT);
    int width = pen->width < 48 ? pen->width - 8 : 40;
    char percent[16];

    if (isnan(fraction))
        return lines;
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    pen_run(pen, 0, lines, width, GLYPH_TRACK, STYLE_RULE);
    pen_bar(pen, 0, lines, fraction * width, STYLE_OUTCOME);
    snprintf(percent, sizeof percent, "%d %%", (int)lrint(fraction * 100));
    pen_text(pen, width + 1, lines, percent, STYLE_DIM);
    return lines + 1;
}
