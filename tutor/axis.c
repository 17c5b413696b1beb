/* axis.c: axes, ticks, marks and labels. See axis.h. */
#include "tutor/axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct axis axis_new(double from, double to, bool log, int width)
{
    if (!isfinite(from))
        from = 0;
    if (!isfinite(to))
        to = from + 1;
    if (from > to) {
        double swap = from;
        from = to;
        to = swap;
    }
    if (log && from <= 0 && to > 0)
        from = to / 1000;
    if (!(to - from > fabs(to) * 1e-12)) {
        double pad = from == 0 ? 1 : fabs(from) * 0.5;
        to += pad;
        from = log ? from / 2 : from - pad;
    }
    if (!isfinite(to - from)) {
        from = -1e300;
        to = 1e300;
    }
    return (struct axis){ from, to, log && from > 0, width > 2 ? width : 2 };
}

bool axis_is_log(const json_t *object)
{
    return strcmp(view_text(object, "scale", "linear"), "log") == 0;
}

double axis_place(const struct axis *axis, double value)
{
    if (isnan(value))
        return NAN;
    if (axis->log)
        return value <= 0 ? -INFINITY : (log(value) - log(axis->from)) / (log(axis->to) - log(axis->from));
    return (value - axis->from) / (axis->to - axis->from);
}

int axis_column(const struct axis *axis, double value)
{
    double place = axis_place(axis, value);
    if (isnan(place))
        return -1;
    place = place < 0 ? 0 : place > 1 ? 1 : place;
    return (int)lrint(place * (axis->width - 1));
}

/* The smallest of 1, 2, 5 times a power of ten that is at least x. */
static double round_step(double x)
{
    double power = pow(10, floor(log10(x)));
    double lead = x / power;
    return power * (lead <= 1.0000001 ? 1 : lead <= 2.0000001 ? 2 : lead <= 5.0000001 ? 5 : 10);
}

static int log_ticks(const struct axis *axis, int apart, double *ticks, int most)
{
    double decades = log10(axis->to) - log10(axis->from);
    int stride = (int)ceil(decades * apart / axis->width - 1e-9);
    int count = 0;
    if (stride < 1)
        stride = 1;
    for (int e = (int)ceil(log10(axis->from) - 1e-9); count < most; e += stride) {
        double tick = pow(10, e);
        if (tick > axis->to * (1 + 1e-9))
            break;
        ticks[count++] = tick;
    }
    return count;
}

int axis_ticks(const struct axis *axis, int apart, double *ticks, int most)
{
    if (axis->log && axis->to / 10 >= axis->from)
        return log_ticks(axis, apart, ticks, most);
    double step = round_step((axis->to - axis->from) * apart / axis->width);
    int count = 0;
    if (!(step > 0) || !isfinite(step))
        return 0;
    for (double tick = ceil(axis->from / step - 1e-9) * step; tick <= axis->to + step * 1e-9 && count < most;
         tick += step)
        ticks[count++] = fabs(tick) < step * 1e-6 ? 0 : tick;
    return count;
}

struct axis axis_even(struct axis axis, int apart)
{
    double ticks[64];
    int count = axis_ticks(&axis, apart, ticks, 64);
    if (count < 2)
        return axis;
    double per = axis_place(&axis, ticks[1]) - axis_place(&axis, ticks[0]); /* of the axis, between two ticks */
    for (int width = axis.width; width > axis.width - axis.width / 6; width--) {
        double cells = per * (width - 1);
        if (fabs(cells - rint(cells)) < 1e-6 && (axis.log || (int)lrint(cells) % 2 == 0)) {
            axis.width = width;
            return axis;
        }
    }
    return axis;
}

char *axis_number(double value, char *out, size_t size)
{
    static const char *const letters[] = { "", "k", "M", "G", "T", "P", "E" };
    size_t i = 0;
    char number[48];
    while (fabs(value) >= (i ? 1000 : 100000) && i < 6 && isfinite(value)) {
        value /= 1000;
        i++;
    }
    snprintf(out, size, "%s%s", view_format(value, number, sizeof number), letters[i]);
    return out;
}

void axis_numbers(struct pen *pen, const struct axis *axis, int x, int y, const double *ticks, int count)
{
    int used = x - 1; /* first free column less one */
    for (int i = 0; i < count; i++) {
        char number[32];
        int width = text_width(axis_number(ticks[i], number, sizeof number));
        int start = x + axis_column(axis, ticks[i]) - width / 2;
        if (start < 0)
            start = 0;
        if (start + width > pen->width)
            start = pen->width - width;
        if (start <= used && i > 0)
            continue;
        pen_text(pen, start, y, number, STYLE_AXIS);
        used = start + width;
    }
}

/* ------------------------------------------------------------------------------------------------------- marks */

static const struct role {
    const char *name;
    const char *word; /* for a mark without a label */
    enum glyph  glyph;
    enum style  style;
    int         weight; /* who wins a cell */
} roles[] = {
    { "guess",   "you",      GLYPH_GUESS,   STYLE_GUESS,   5 },
    { "outcome", "computed", GLYPH_OUTCOME, STYLE_OUTCOME, 6 },
    { "value",   "value",    GLYPH_VALUE,   STYLE_VALUE,   4 },
    { "wrong",   "",         GLYPH_WRONG,   STYLE_WRONG,   2 },
    { "limit",   "limit",    GLYPH_LIMIT,   STYLE_LIMIT,   3 },
    { "plain",   "",         GLYPH_PLAIN,   STYLE_TEXT,    1 },
};

static const struct role *role_of(const char *name)
{
    size_t count = sizeof roles / sizeof *roles;
    for (size_t i = 0; i < count; i++)
        if (strcmp(roles[i].name, name) == 0)
            return &roles[i];
    return &roles[count - 1];
}

enum style mark_style(const char *role)
{
    return role_of(role)->style;
}

enum glyph mark_glyph(const char *role)
{
    return role_of(role)->glyph;
}

/* Whether text holds number as a number of its own, not as a part of a longer one. */
static bool holds_number(const char *text, const char *number)
{
    size_t n = strlen(number);
    for (const char *at = strstr(text, number); at; at = strstr(at + 1, number)) {
        bool starts = at == text || !strchr("0123456789.,", at[-1]);
        bool ends = !strchr("0123456789", at[n]) || at[n] == '\0';
        if (starts && ends)
            return true;
    }
    return false;
}

char *mark_text(const json_t *mark, const char *unit, char *out, size_t size)
{
    const char *word = view_text(mark, "label", NULL);
    double at = view_number(mark, "at", NAN);
    char number[48], measure[80];

    if (!word || !*word)
        word = role_of(view_text(mark, "role", "plain"))->word;
    view_format(at, number, sizeof number);
    view_format_unit(at, unit, measure, sizeof measure);
    if (holds_number(word, number) || strstr(word, measure))
        snprintf(out, size, "%s", word);
    else
        snprintf(out, size, "%s%s%s", word, *word ? " " : "", measure);
    return out;
}

void axis_marks(struct pen *pen, const struct axis *axis, int x, int y, const json_t *marks)
{
    for (int weight = 1; weight <= 6; weight++) {
        size_t i;
        json_t *mark;
        json_array_foreach(marks, i, mark) {
            const struct role *role = role_of(view_text(mark, "role", "plain"));
            int column = axis_column(axis, view_number(mark, "at", NAN));
            if (role->weight == weight && column >= 0)
                pen_put(pen, x + column, y, role->glyph, role->style);
        }
    }
}

static int by_column(const void *a, const void *b)
{
    return ((const struct label *)a)->column - ((const struct label *)b)->column;
}

/* Whether a more important mark stands in the same column. */
static bool is_covered(const struct axis *axis, const json_t *marks, const json_t *mark)
{
    int column = axis_column(axis, view_number(mark, "at", NAN));
    int weight = role_of(view_text(mark, "role", "plain"))->weight;
    size_t i;
    json_t *other;
    json_array_foreach(marks, i, other)
        if (role_of(view_text(other, "role", "plain"))->weight > weight &&
            axis_column(axis, view_number(other, "at", NAN)) == column)
            return true;
    return false;
}

int axis_mark_labels(const struct pen *pen, const struct axis *axis, int x, const json_t *marks, const char *unit,
                     struct label *labels, int most)
{
    int count = 0;
    char text[96];
    size_t i;
    json_t *mark;
    json_array_foreach(marks, i, mark) {
        int column = axis_column(axis, view_number(mark, "at", NAN));
        if (count == most)
            break;
        struct label *label = &labels[count++]; /* what is nowhere is told at the left */
        const char *role = view_text(mark, "role", "plain");
        *label = (struct label){ .column = x + (column > 0 ? column : 0), .style = mark_style(role) };
        mark_text(mark, unit, text, sizeof text);
        bool covered = is_covered(axis, marks, mark);
        snprintf(label->text, sizeof label->text, "%s%s%.80s",
                 covered ? pen_glyph(pen, mark_glyph(role)) : "", covered ? " " : "", text);
    }
    if (count > 1)
        qsort(labels, (size_t)count, sizeof *labels, by_column);
    return count;
}

/* ------------------------------------------------------------------------------------------------------ labels */

/* Whether label i at columns [x, x + width) of a row keeps two cells from the labels placed before it there, and off
 * the leaders that pass through the row. */
static bool is_free(const struct label *labels, int placed, int row, int x, int width)
{
    for (int i = 0; i < placed; i++) {
        int left = labels[i].x, right = left + text_width(labels[i].text);
        if (labels[i].row == row && x < right + 2 && left < x + width + 2)
            return false;
        if (labels[i].row > row && labels[i].column >= x - 1 && labels[i].column <= x + width)
            return false;
    }
    return true;
}

/* Tries the ways to hang a label at its column: centered, ending there, starting there. Neighbors that are close lean
 * away from each other. */
static bool place_label(struct label *labels, int i, int count, int row, int width)
{
    struct label *label = &labels[i];
    int length = text_width(label->text);
    int center = label->column - length / 2, end = label->column - length + 1, start = label->column;
    int next = i + 1 < count ? labels[i + 1].column - label->column : width;
    bool lean_left = next < length / 2 + (i + 1 < count ? text_width(labels[i + 1].text) / 2 : 0) + 3;
    bool lean_right = i > 0 && !is_free(labels, i, row, center, length);
    int order[5] = { lean_left ? end : center, lean_right ? start : lean_left ? center : start, end, start + 1,
                     end - 1 };

    for (int t = 0; t < 5; t++) {
        int x = order[t];
        x = x + length > width ? width - length : x;
        x = x < 0 ? 0 : x;
        if (is_free(labels, i, row, x, length)) {
            label->x = x;
            label->row = row;
            return true;
        }
    }
    return false;
}

/* Whether no label's text covers a column of a row. */
static bool column_is_open(const struct label *labels, int count, int row, int column)
{
    for (int i = 0; i < count; i++)
        if (labels[i].row == row && column >= labels[i].x - 1 && column <= labels[i].x + text_width(labels[i].text))
            return false;
    return true;
}

int axis_labels(struct pen *pen, int y, int width, struct label *labels, int count)
{
    int rows = 0;
    for (int i = 0; i < count; i++) {
        char cut[sizeof labels[i].text];
        text_clip(labels[i].text, width, pen_glyph(pen, GLYPH_ELLIPSIS), cut, sizeof cut);
        memcpy(labels[i].text, cut, sizeof cut);
        for (int row = 0; !place_label(labels, i, count, row, width); row++)
            ;
        if (labels[i].row >= rows)
            rows = labels[i].row + 1;
    }
    for (int i = 0; i < count; i++) {
        for (int row = 0; row < labels[i].row; row++)
            if (column_is_open(labels, count, row, labels[i].column))
                pen_put(pen, labels[i].column, y + row, GLYPH_LEADER, STYLE_RULE);
        pen_text(pen, labels[i].x, y + labels[i].row, labels[i].text, labels[i].style);
    }
    return rows;
}
