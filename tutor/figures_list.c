/* figures_list.c: lists with a focus: choices, items being ordered, menus. */
#include "tutor/figures.h"

#include <string.h>

static const struct state {
    const char *name;
    enum glyph  glyph;
    enum style  style;
} states[] = {
    { "done",  GLYPH_DONE,       STYLE_OK },
    { "doing", GLYPH_DOING,      STYLE_FOCUS },
    { "new",   GLYPH_NEW,        STYLE_DIM },
    { "right", GLYPH_RIGHT_MARK, STYLE_OK },
    { "wrong", GLYPH_WRONG_MARK, STYLE_ERROR },
};

static const struct state *state_of(const json_t *option)
{
    const char *name = view_text(option, "state", "");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(states[i].name, name) == 0)
            return &states[i];
    return NULL;
}

/* The remark at the right edge, after the word of a verdict: beside the text where both fit, else below it. Returns the
 * extra rows. */
static int remark(struct pen *pen, int x, int y, int text_end, const json_t *option)
{
    const char *given = view_text(option, "right", ""), *state = view_text(option, "state", "");
    bool judged = strcmp(state, "right") == 0 || strcmp(state, "wrong") == 0;
    bool yours = judged && view_flag(option, "picked");
    char right[256];

    snprintf(right, sizeof right, "%s%s%s%s", judged ? state : "", yours ? ", your choice" : "",
             judged && *given ? ", " : "", given);
    if (!*right)
        return 0;
    if (text_end + 2 + text_width(right) <= pen->width) {
        pen_text_right(pen, pen->width, y, right, STYLE_DIM);
        return 0;
    }
    return pen_wrap(pen, x, y + 1, pen->width - x, right, STYLE_DIM);
}

/* One option: pointer, lead (number or nothing), glyph of its state, text, remark. Returns its rows. */
static int draw_option(struct pen *pen, int y, const json_t *option, const char *lead)
{
    const char *text = view_text(option, "text", "");
    const struct state *state = state_of(option);
    bool focused = view_flag(option, "focused"), picked = view_flag(option, "picked");
    enum style style = focused ? STYLE_FOCUS : picked ? STYLE_GUESS : STYLE_TEXT;
    int x = 2;

    if (focused) {
        pen_put(pen, 0, y, GLYPH_POINTER, STYLE_FOCUS);
        pen_cursor(pen, 0, y);
    }
    if (*lead)
        x += pen_text(pen, x, y, lead, focused ? STYLE_FOCUS : STYLE_KEY) + 2;
    if (state)
        x += pen_put(pen, x, y, state->glyph, state->style) + 2;
    else if (picked)
        x += pen_put(pen, x, y, GLYPH_PICKED, STYLE_GUESS) + 1;
    int lines = pen_wrap(pen, x, y, pen->width - x, text, style);
    int end = lines == 1 ? x + text_width(text) : pen->width;
    return lines + remark(pen, x, y + lines - 1, end, option);
}

/* Options under each other, numbered when `numbered`; headings stand out by an empty line above. */
static int draw_options(struct pen *pen, const json_t *options, bool numbered)
{
    int y = 0, number = 0;
    size_t i;
    json_t *option;
    json_array_foreach(options, i, option) {
        char lead[16] = "";
        if (view_flag(option, "heading")) {
            int top = y + (y > 0);
            y = top + pen_wrap(pen, 0, top, pen->width, view_text(option, "text", ""), STYLE_TITLE);
            continue;
        }
        if (numbered)
            snprintf(lead, sizeof lead, "%d", ++number);
        y += draw_option(pen, y, option, lead);
    }
    return y;
}

int figure_choices(struct pen *pen, const json_t *block)
{
    return draw_options(pen, json_object_get(block, "options"), true);
}

int figure_ranking(struct pen *pen, const json_t *block)
{
    const char *first = view_text(block, "first", NULL);
    int head = first ? pen_wrap(pen, 2, 0, pen->width - 2, first, STYLE_DIM) : 0;
    struct pen list = *pen;
    list.y += head;
    return head + draw_options(&list, json_object_get(block, "options"), true);
}

int figure_menu(struct pen *pen, const json_t *block)
{
    const json_t *items = json_object_get(block, "items");
    if (json_array_size(items) == 0)
        return pen_wrap(pen, 0, 0, pen->width, view_text(block, "empty", ""), STYLE_DIM);
    return draw_options(pen, items, false);
}
