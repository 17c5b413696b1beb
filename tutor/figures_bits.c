/* figures_bits.c: codes as lanes of sign, exponent and mantissa, aligned in columns. */
#include "tutor/figures.h"

#include <string.h>

#include "tutor/axis.h"

enum { LANES = BITS_LANES, GAP = 2 };

static const struct {
    const char *title;
    enum style  style;
} lanes[LANES] = { { "sign", STYLE_SIGN }, { "exponent", STYLE_EXPONENT }, { "mantissa", STYLE_MANTISSA } };

void bits_lanes(const json_t *row, int out[LANES])
{
    const json_t *widths = json_object_get(row, "lanes");
    size_t count = json_array_size(widths);
    int given[LANES] = { 0 };
    for (size_t i = 0; i < count && i < LANES; i++)
        given[i] = (int)json_integer_value(json_array_get(widths, i));
    out[0] = count > 1 ? given[0] : 0;
    out[1] = count > 2 ? given[1] : 0;
    out[2] = count > 2 ? given[2] : count > 1 ? given[1] : given[0];
}

struct columns {
    int label, value, lane[LANES], step; /* widths */
    bool stacked;                        /* bits stand on a line of their own below label and value */
};

static void widen(int *width, int to)
{
    if (to > *width)
        *width = to;
}

static struct columns columns_of(const json_t *rows, int room)
{
    struct columns c = { .label = 0 };
    bool any_lane[LANES] = { false };
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        int w[LANES];
        bits_lanes(row, w);
        widen(&c.label, text_width(view_text(row, "label", "")));
        widen(&c.value, text_width(view_text(row, "value", "")));
        widen(&c.step, text_width(view_text(row, "step", "")));
        for (int k = 0; k < LANES; k++) {
            any_lane[k] |= w[k] > 0;
            widen(&c.lane[k], w[k]);
        }
    }
    int total = c.label + GAP;
    for (int k = 0; k < LANES; k++) {
        if (any_lane[k])
            widen(&c.lane[k], text_width(lanes[k].title));
        total += c.lane[k] + (c.lane[k] ? GAP : 0);
    }
    if (c.value)
        widen(&c.value, 5);
    if (c.step)
        widen(&c.step, 4);
    total += c.value + (c.value ? GAP : 0) + c.step;
    c.stacked = total > room;
    return c;
}

/* Draws the lanes from x; returns the column behind them. */
static int draw_lanes(struct pen *pen, const struct columns *c, int x, int y, const json_t *row)
{
    const char *bits = view_text(row, "bits", "");
    size_t left = strlen(bits);
    int w[LANES];
    bits_lanes(row, w);
    for (int k = 0; k < LANES; k++) {
        size_t take = w[k] < 0 ? 0 : (size_t)w[k] < left ? (size_t)w[k] : left;
        pen_bytes(pen, x, y, bits, take, lanes[k].style);
        bits += take;
        left -= take;
        if (c->stacked)
            x += take ? (int)take + 1 : 0;
        else
            x += c->lane[k] ? c->lane[k] + GAP : 0;
    }
    return x;
}

static void draw_titles(struct pen *pen, const struct columns *c)
{
    int x = c->label + GAP;
    if (c->value)
        pen_text_right(pen, x + c->value, 0, "value", STYLE_DIM);
    x += c->value ? c->value + GAP : 0;
    for (int k = 0; k < LANES; k++) {
        pen_text(pen, x, 0, c->lane[k] ? lanes[k].title : "", STYLE_DIM);
        x += c->lane[k] ? c->lane[k] + GAP : 0;
    }
    if (c->step)
        pen_text_right(pen, x + c->step, 0, "step", STYLE_DIM);
}

static enum style row_style(const json_t *row)
{
    const char *role = view_text(row, "role", NULL);
    return role ? mark_style(role) : STYLE_TEXT;
}

/* A note stands behind the row where it fits, else below it. */
static int draw_note(struct pen *pen, int x, int y, int indent, const json_t *row)
{
    const char *note = view_text(row, "note", NULL);
    if (!note)
        return 0;
    if (x + text_width(note) <= pen->width) {
        pen_text(pen, x, y, note, STYLE_DIM);
        return 0;
    }
    return pen_wrap(pen, indent, y + 1, pen->width - indent, note, STYLE_DIM);
}

static int draw_aligned(struct pen *pen, const struct columns *c, int y, const json_t *row)
{
    int x = c->label + GAP;
    pen_text(pen, 0, y, view_text(row, "label", ""), STYLE_STRONG);
    if (c->value)
        pen_text_right(pen, x + c->value, y, view_text(row, "value", ""), row_style(row));
    x = draw_lanes(pen, c, x + (c->value ? c->value + GAP : 0), y, row);
    if (c->step)
        pen_text_right(pen, x + c->step, y, view_text(row, "step", ""), STYLE_TEXT);
    return 1 + draw_note(pen, x + c->step + GAP, y, c->label + GAP, row);
}

static int draw_stacked(struct pen *pen, const struct columns *c, int y, const json_t *row)
{
    const char *step = view_text(row, "step", NULL);
    int x = c->label + GAP;
    pen_text(pen, 0, y, view_text(row, "label", ""), STYLE_STRONG);
    x += pen_text(pen, x, y, view_text(row, "value", ""), row_style(row));
    if (step) {
        x += pen_text(pen, x, y, "  step ", STYLE_DIM);
        pen_text(pen, x, y, step, STYLE_TEXT);
    }
    draw_lanes(pen, c, 2, y + 1, row);
    return 2 + draw_note(pen, pen->width, y + 1, 2, row);
}

int figure_bits(struct pen *pen, const json_t *block)
{
    const char *caption = view_text(block, "caption", NULL);
    const json_t *rows = json_object_get(block, "rows");
    struct columns c = columns_of(rows, pen->width);
    int y = c.stacked ? 0 : 1;
    size_t i;
    json_t *row;

    if (!c.stacked)
        draw_titles(pen, &c);
    json_array_foreach(rows, i, row)
        y += c.stacked ? draw_stacked(pen, &c, y, row) : draw_aligned(pen, &c, y, row);
    return y + (caption ? pen_wrap(pen, 0, y, pen->width, caption, STYLE_DIM) : 0);
}
