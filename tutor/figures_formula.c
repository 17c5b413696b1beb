/* figures_formula.c: a product, one term a line, with its running result. */
#include "tutor/figures.h"

#include <math.h>
#include <string.h>

static char operation(const json_t *term)
{
    return view_text(term, "op", "*")[0];
}

const char *formula_word(const json_t *term)
{
    switch (operation(term)) {
    case '/': return "divided by";
    case '+': return "plus";
    case '-': return "minus";
    case '=': return "is";
    default:  return "times";
    }
}

double formula_value(const json_t *terms, size_t count)
{
    double result = NAN;
    for (size_t i = 0; i < count; i++) {
        const json_t *term = json_array_get(terms, i);
        double value = view_number(term, "value", NAN);
        if (view_flag(term, "struck"))
            continue;
        if (isnan(result)) {
            result = value;
            continue;
        }
        switch (operation(term)) {
        case '/': result /= value; break;
        case '+': result += value; break;
        case '-': result -= value; break;
        case '=': result = value; break;
        default:  result *= value; break;
        }
    }
    return result;
}

struct columns {
    int label, value, running;
};

static void widen(int *width, const char *text)
{
    int w = text_width(text);
    if (w > *width)
        *width = w;
}

static struct columns columns_of(const json_t *terms)
{
    struct columns c = { 0 };
    char text[64];
    size_t i;
    json_t *term;
    json_array_foreach(terms, i, term) {
        widen(&c.label, view_text(term, "label", ""));
        const char *unit = view_text(term, "unit", NULL);
        widen(&c.value, view_format_unit(view_number(term, "value", NAN), unit, text, sizeof text));
        widen(&c.running, view_format(formula_value(terms, i + 1), text, sizeof text));
    }
    return c;
}

static const char *sign_of(const struct pen *pen, const json_t *term, bool first)
{
    static const char *const signs[][2] = { { "×", "x" }, { "÷", "/" }, { "−", "-" }, { "+", "+" }, { "=", "=" } };
    char op = operation(term);
    if (view_flag(term, "struck"))
        return pen_glyph(pen, GLYPH_STRUCK);
    if (first)
        return " ";
    return signs[op == '/' ? 1 : op == '-' ? 2 : op == '+' ? 3 : op == '=' ? 4 : 0][pen->ascii];
}

/* What stands behind the numbers: "struck out", a remark, the source; below the line where it does not fit. */
static int remarks(struct pen *pen, int x, int y, const json_t *term)
{
    const char *note = view_text(term, "note", ""), *source = view_text(term, "source", "");
    const char *struck = view_flag(term, "struck") ? "struck out" : "";
    char text[512];
    snprintf(text, sizeof text, "%s%s%s%s%s", struck, *struck && (*note || *source) ? ", " : "", note,
             *note && *source ? ", " : "", source);
    if (!*text)
        return 0;
    if (x + text_width(text) <= pen->width) {
        pen_text(pen, x, y, text, STYLE_DIM);
        return 0;
    }
    return pen_wrap(pen, 4, y + 1, pen->width - 4, text, STYLE_DIM);
}

/* One term: sign, label, value, running result, remarks. Returns its rows. */
static int draw_term(struct pen *pen, const struct columns *c, int y, const json_t *terms, size_t i)
{
    const json_t *term = json_array_get(terms, i);
    bool struck = view_flag(term, "struck"), narrow = 2 + c->label + 2 + c->value > pen->width;
    enum style style = struck ? STYLE_STRUCK : STYLE_TEXT;
    int x = 2 + c->label + 2 + c->value, top = y;
    char text[64];

    pen_text(pen, 0, y, sign_of(pen, term, i == 0), struck ? STYLE_ERROR : STYLE_DIM);
    if (narrow) {
        y += pen_wrap(pen, 2, y, pen->width - 2, view_text(term, "label", ""), style);
        x = 4 + c->value;
    } else
        pen_text(pen, 2, y, view_text(term, "label", ""), style);
    view_format_unit(view_number(term, "value", NAN), view_text(term, "unit", NULL), text, sizeof text);
    pen_text_right(pen, x, y, text, struck ? STYLE_STRUCK : STYLE_STRONG);
    if (!struck)
        x += 4 + c->running;
    if (i > 0 && !struck && x <= pen->width)
        pen_text_right(pen, x, y, view_format(formula_value(terms, i + 1), text, sizeof text), STYLE_DIM);
    return y - top + 1 + remarks(pen, x + 3, y, term);
}

int figure_formula(struct pen *pen, const json_t *block)
{
    const char *title = view_text(block, "title", NULL), *note = view_text(block, "note", NULL);
    const json_t *terms = json_object_get(block, "terms");
    struct columns c = columns_of(terms);
    int y = title ? pen_wrap(pen, 0, 0, pen->width, title, STYLE_DIM) : 0;
    char text[64];

    for (size_t i = 0; i < json_array_size(terms); i++)
        y += draw_term(pen, &c, y, terms, i);
    int width = 2 + c.label + 2 + c.value + 4 + c.running;
    pen_run(pen, 0, y++, width < pen->width ? width : pen->width, GLYPH_RULE, STYLE_RULE);
    int x = 2 + pen_text(pen, 2, y, view_text(block, "result", "result"), STYLE_TEXT) + 2;
    view_format_unit(formula_value(terms, json_array_size(terms)), view_text(block, "unit", NULL), text, sizeof text);
    pen_text(pen, 0, y, "=", STYLE_DIM);
    int at = width - text_width(text);
    pen_text(pen, at > x && at + text_width(text) <= pen->width ? at : x, y++, text, STYLE_OUTCOME);
    return y + (note ? pen_wrap(pen, 0, y, pen->width, note, STYLE_DIM) : 0);
}
