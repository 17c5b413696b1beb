/* draw.c: the layout of a screen, and the table of what draws which block. See draw.h. */
#include "tutor/draw.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tutor/figures.h"

/* What draws a kind, and where it stands on wide screens. */
enum place { WITH_TEXT, BESIDE, GROWING }; /* GROWING stands beside the text and takes the rows that are left */

static const struct draw_row {
    int (*draw)(struct pen *pen, const json_t *block);
    enum place place;
} draw_table[] = { /* ORDER VIEW_KIND */
    [VIEW_HEADING] = { figure_heading, WITH_TEXT },   [VIEW_PROSE] = { figure_prose, WITH_TEXT },
    [VIEW_NOTE] = { figure_note, WITH_TEXT },         [VIEW_QUOTE] = { figure_quote, WITH_TEXT },
    [VIEW_CODE] = { figure_code, WITH_TEXT },         [VIEW_TABLE] = { figure_table, WITH_TEXT },
    [VIEW_FORMULA] = { figure_formula, WITH_TEXT },   [VIEW_BITS] = { figure_bits, WITH_TEXT },
    [VIEW_GRID] = { figure_grid, BESIDE },            [VIEW_HIST] = { figure_hist, GROWING },
    [VIEW_HEAT] = { figure_heat, GROWING },           [VIEW_BARS] = { figure_bars, BESIDE },
    [VIEW_MAPS] = { figure_maps, BESIDE },            [VIEW_PLOT] = { figure_plot, GROWING },
    [VIEW_ROOFLINE] = { figure_roofline, GROWING },   [VIEW_STACK] = { figure_stack, BESIDE },
    [VIEW_INTERVALS] = { figure_intervals, BESIDE },
    [VIEW_KNOBS] = { figure_knobs, WITH_TEXT },
    [VIEW_INPUT] = { figure_input, WITH_TEXT },       [VIEW_CHOICES] = { figure_choices, WITH_TEXT },
    [VIEW_PLACE] = { figure_place, WITH_TEXT },       [VIEW_RANKING] = { figure_ranking, WITH_TEXT },
    [VIEW_CELLS] = { figure_cells, WITH_TEXT },       [VIEW_SURE] = { figure_sure, WITH_TEXT },
    [VIEW_MENU] = { figure_menu, WITH_TEXT },         [VIEW_WORKING] = { figure_working, WITH_TEXT },
};
static_assert(sizeof draw_table / sizeof *draw_table == VIEW_KIND_COUNT, "a row of draw_table a view kind");

int draw_block(struct pen *pen, const json_t *block)
{
    enum view_kind kind = view_kind_of(block);
    return kind == VIEW_KIND_COUNT ? 0 : draw_table[kind].draw(pen, block);
}

/* ---------------------------------------------------------------------------------------------- lists of blocks */

enum side { SIDE_ALL, SIDE_TEXT, SIDE_FIGURES };

static bool on_side(const json_t *block, enum side side)
{
    enum view_kind kind = view_kind_of(block);
    if (kind == VIEW_KIND_COUNT)
        return false;
    bool beside = draw_table[kind].place != WITH_TEXT || view_flag(block, "beside");
    return side == SIDE_ALL || beside == (side == SIDE_FIGURES);
}

/* Draws the blocks of one side under each other, an empty line between them; returns the height. */
static int draw_list(const struct pen *area, const json_t *blocks, enum side side)
{
    int height = 0;
    size_t i;
    json_t *block;
    json_array_foreach(blocks, i, block) {
        if (!on_side(block, side))
            continue;
        struct pen pen = *area;
        pen.y += height ? height + 1 : 0;
        int lines = draw_block(&pen, block);
        if (lines > 0)
            height += (height ? 1 : 0) + lines;
    }
    return height;
}

static int count_side(const json_t *blocks, enum side side)
{
    int count = 0;
    size_t i;
    json_t *block;
    json_array_foreach(blocks, i, block)
        count += on_side(block, side);
    return count;
}

/* Measures without drawing; *focus is the line of the focused element, -1 when there is none. */
static int measure_list(const struct pen *area, const json_t *blocks, enum side side, int *focus)
{
    int height, x = -1, y = -1;
    struct pen pen = *area;
    pen.canvas = NULL;
    height = draw_list(&pen, blocks, side);
    if (focus && area->cursor_x) { /* the cursor's line comes from a drawing onto a canvas that is thrown away */
        struct canvas *scratch = canvas_new(area->x + area->width, height);
        pen.canvas = scratch;
        pen.y = 0;
        pen.top = 0;
        pen.bottom = height;
        pen.cursor_x = &x;
        pen.cursor_y = &y;
        draw_list(&pen, blocks, side);
        canvas_free(scratch);
        *focus = y;
    }
    return height;
}

/* ---------------------------------------------------------------------------------------------- header and footer */

struct layout {
    int  width, height, margin;
    bool compact;          /* few rows: no air, no rule above the keys */
    int  body_top, body_bottom;
    int  status_row, rule_row, keys_row;
};

static struct layout layout_of(const json_t *view, int width, int height)
{
    struct layout l = { .width = width, .height = height };
    bool has_line = *view_text(view, "status", "") || *view_text(view, "message", "");
    l.margin = width >= DRAW_TEXT_WIDTH + 2 * DRAW_MARGIN ? DRAW_MARGIN : width >= 64 ? 2 : width >= 32 ? 1 : 0;
    l.compact = height < 16;
    l.keys_row = height - 1;
    l.rule_row = l.compact ? height : height - 2;
    l.status_row = (l.compact ? l.keys_row : l.rule_row) - 1;
    l.body_top = l.compact ? 2 : 3;
    l.body_bottom = has_line ? l.status_row : l.status_row + 1;
    return l;
}

static struct pen line_pen(struct canvas *canvas, const struct layout *l, const struct draw_options *options)
{
    return (struct pen){ .canvas = canvas, .x = l->margin, .width = l->width - 2 * l->margin, .bottom = l->height,
                         .tight = l->compact, .ascii = options->ascii, .shades = options->shades };
}

static void draw_header(const struct pen *pen, const json_t *view)
{
    const char *title = view_text(view, "title", ""), *where = view_text(view, "where", "");
    int right = text_width(where), left = text_width(title);
    int most = pen->width - (left < pen->width / 3 ? left : pen->width / 3) - 2; /* the place matters more */
    if (right > most)
        right = most;
    pen_clip(pen, 0, 0, pen->width - right - (right ? 2 : 0), title, STYLE_TITLE);
    pen_clip(pen, pen->width - right, 0, right, where, STYLE_DIM);
    pen_run(pen, 0, 1, pen->width, GLYPH_RULE, STYLE_RULE);
}

static int key_width(const json_t *key)
{
    return text_width(view_text(key, "key", "")) + 1 + text_width(view_text(key, "name", ""));
}

static void draw_key(const struct pen *pen, const json_t *key, int *x, int y)
{
    *x += pen_text(pen, *x, y, view_text(key, "key", ""), STYLE_KEY) + 1;
    *x += pen_text(pen, *x, y, view_text(key, "name", ""), STYLE_DIM) + 3;
}

static bool is_help(const json_t *key)
{
    return strcmp(view_text(key, "key", ""), "?") == 0;
}

/* At most six keys, those that fit, most important first and in their order; '?' is always among them. */
static void draw_footer(const struct pen *pen, const json_t *keys, int y)
{
    int x = 0, shown = 0, room = pen->width;
    size_t i;
    json_t *key;
    bool full = false;

    json_array_foreach(keys, i, key)
        if (is_help(key)) {
            room -= key_width(key) + 3;
            shown = 1;
        }
    json_array_foreach(keys, i, key) {
        if (is_help(key)) {
            draw_key(pen, key, &x, y);
            room += key_width(key) + 3;
            continue;
        }
        full = full || shown == 6 || x + key_width(key) > room;
        if (!full) {
            draw_key(pen, key, &x, y);
            shown++;
        }
    }
}

static void draw_status(const struct pen *pen, const json_t *view, int y)
{
    const char *message = view_text(view, "message", "");
    if (*message)
        pen_clip(pen, 0, y, pen->width, message, STYLE_ERROR);
    else
        pen_clip(pen, 0, y, pen->width, view_text(view, "status", ""), STYLE_DIM);
}

/* Says at the right end of a rule how many lines are hidden beyond it. */
static void draw_more(const struct pen *pen, int y, enum glyph arrow, int lines)
{
    char text[32];
    if (lines <= 0 || pen->width < 24)
        return;
    snprintf(text, sizeof text, " %s %d more ", pen_glyph(pen, arrow), lines);
    pen_text_right(pen, pen->width, y, text, STYLE_DIM);
}

/* ------------------------------------------------------------------------------------------------------ the body */

static int clamp(int value, int low, int high)
{
    return value > high ? high : value < low ? low : value;
}

enum { FIGURE_WIDEST = 120 };

/* Where the text column and the column beside it stand. */
struct columns {
    struct pen text, figures;
    bool wide;  /* both columns are in use */
    bool grows; /* only figures, on a wide screen: they stand in the text's place and fill it */
};

static struct columns columns_of(const struct pen *line, const struct layout *l, const json_t *blocks)
{
    struct columns c = { .text = *line, .figures = *line };
    c.text.top = c.figures.top = l->body_top;
    c.text.bottom = c.figures.bottom = l->body_bottom;
    c.text.y = c.figures.y = l->body_top;
    c.text.width = line->width < DRAW_TEXT_WIDTH ? line->width : DRAW_TEXT_WIDTH;
    bool roomy = l->width >= DRAW_WIDE && count_side(blocks, SIDE_FIGURES) > 0;
    c.wide = roomy && count_side(blocks, SIDE_TEXT) > 0;
    c.grows = roomy && !c.wide;
    if (c.grows)
        c.text.width = line->width < FIGURE_WIDEST ? line->width : FIGURE_WIDEST;
    if (c.wide) {
        c.figures.x = l->margin + DRAW_TEXT_WIDTH + DRAW_MARGIN;
        c.figures.width = l->width - l->margin - c.figures.x;
    }
    return c;
}

/* Rows for each growing figure, so that all figures together fill `rows`. */
static int room_for(const struct pen *area, const json_t *blocks, int rows)
{
    struct pen measure = *area;
    int growing = 0;
    size_t i;
    json_t *block;
    measure.canvas = NULL;
    json_array_foreach(blocks, i, block) {
        enum view_kind kind = view_kind_of(block);
        if (!on_side(block, SIDE_FIGURES))
            continue;
        growing += draw_table[kind].place == GROWING;
        rows -= 1 + (draw_table[kind].place == GROWING ? 0 : draw_block(&measure, block));
    }
    return growing && rows > growing ? rows / growing : 0;
}

/* Draws blocks as a scrolling body; returns the line under the text column when nothing is hidden, else the bottom. */
static int draw_body(struct columns *c, const json_t *blocks, int wanted, struct draw_result *result)
{
    int rows = (c->wide ? c->figures.bottom : c->text.bottom) - c->text.top, focus = -1;
    if (c->grows && c->text.room == 0)
        c->text.room = room_for(&c->text, blocks, rows);
    int text = measure_list(&c->text, blocks, c->wide ? SIDE_TEXT : SIDE_ALL, &focus);
    int beside = 0;

    if (c->wide) {
        c->figures.room = room_for(&c->figures, blocks, rows);
        beside = measure_list(&c->figures, blocks, SIDE_FIGURES, NULL);
    }
    result->content_height = text > beside ? text : beside;
    result->body_height = rows;
    result->scroll = clamp(wanted, 0, clamp(result->content_height - rows, 0, result->content_height));
    if (focus >= 0) {
        if (focus < result->scroll)
            result->scroll = focus;
        else if (focus >= result->scroll + rows)
            result->scroll = focus - rows + 1;
    }
    c->text.y -= result->scroll;
    c->figures.y -= result->scroll;
    draw_list(&c->text, blocks, c->wide ? SIDE_TEXT : SIDE_ALL);
    if (c->wide)
        draw_list(&c->figures, blocks, SIDE_FIGURES);
    return clamp(c->text.y + text, c->text.top, c->text.bottom);
}

/* The dock stands directly below the text while both fit, else above the footer, and takes its rows from the body;
 * the body keeps at least two lines. Returns the dock's pen. */
static struct pen place_dock(struct columns *c, const struct layout *l, const json_t *body, const json_t *dock)
{
    struct pen pen = c->text;
    pen.width = pen.width < DRAW_TEXT_WIDTH ? pen.width : DRAW_TEXT_WIDTH;
    int rows = l->body_bottom - l->body_top;
    if (c->grows)
        c->text.room = room_for(&c->text, body, rows / 2);
    int text = measure_list(&c->text, body, c->wide ? SIDE_TEXT : SIDE_ALL, NULL);
    int height = measure_list(&pen, dock, SIDE_ALL, NULL);
    int gap = text > 0 ? 1 : 0, beside = 0;

    if (c->wide) {
        c->figures.room = room_for(&c->figures, body, rows);
        beside = measure_list(&c->figures, body, SIDE_FIGURES, NULL);
    }
    if (text + gap + height <= rows && beside <= rows) {
        pen.y = l->body_top + text + gap;
        pen.top = pen.y;
        if (!c->wide)
            c->text.bottom = l->body_top + text;
        return pen;
    }
    int least = text < 2 ? text : 2;
    int kept = clamp(rows - height - (l->compact ? 0 : 1), least, rows);
    pen.y = l->body_top + kept + (l->compact || kept + 1 + height > rows ? 0 : 1);
    pen.top = pen.y;
    c->text.bottom = c->figures.bottom = l->body_top + kept;
    return pen;
}

/* Scrolls a dock that is taller than its place so that the focused line shows. */
static void draw_dock(struct pen *pen, const json_t *dock, struct draw_result *result)
{
    int focus = -1;
    pen->cursor_x = &result->cursor_x;
    pen->cursor_y = &result->cursor_y;
    int height = measure_list(pen, dock, SIDE_ALL, &focus);
    int rows = pen->bottom - pen->top;
    if (height > rows && focus >= 0)
        pen->y -= clamp(focus - rows / 2, 0, height - rows);
    draw_list(pen, dock, SIDE_ALL);
}

static void draw_small(struct canvas *canvas)
{
    const char *text = canvas->width >= 9 ? "too small" : "small";
    int x = (canvas->width - text_width(text)) / 2;
    canvas_text(canvas, x > 0 ? x : 0, canvas->height / 2, 0, canvas->width, text, STYLE_DIM, STYLE_TEXT);
}

static void draw_middle(const json_t *view, const struct layout *l, const struct pen *line,
                        const struct draw_options *options, struct draw_result *result)
{
    const json_t *overlay = json_object_get(view, "overlay"), *dock = json_object_get(view, "dock");
    const json_t *body = overlay ? overlay : json_object_get(view, "body");
    struct columns c = columns_of(line, l, body);
    bool docked = !overlay && json_array_size(dock) > 0;
    struct pen dock_pen = docked ? place_dock(&c, l, body, dock) : c.text;
    int focus = -1;

    if (docked) {
        struct pen measure = dock_pen;
        measure.cursor_x = &result->cursor_x;
        measure_list(&measure, dock, SIDE_ALL, &focus);
    }
    if (focus < 0) {
        c.text.cursor_x = &result->cursor_x;
        c.text.cursor_y = &result->cursor_y;
    }
    draw_body(&c, body, options->scroll, result);
    if (docked)
        draw_dock(&dock_pen, dock, result);
    draw_more(line, 1, GLYPH_UP, result->scroll);
    if (!l->compact || l->body_bottom == l->status_row)
        draw_more(line, l->compact ? l->status_row : l->rule_row, GLYPH_DOWN,
                  result->content_height - result->scroll - result->body_height);
}

/* ----------------------------------------------------------------------------------------------------- ASCII twin */

static json_t *ascii_of(const json_t *value);

static void ascii_member(json_t *to, const char *name, const json_t *value, const json_t *from)
{
    const char *text = json_string_value(json_object_get(from, "text"));
    if (strcmp(name, "cursor") == 0 && json_is_integer(value) && text) {
        json_int_t at = json_integer_value(value), most = (json_int_t)strlen(text);
        char *head = strndup(text, (size_t)(at < 0 ? 0 : at > most ? most : at)), *twin = text_ascii(head);
        json_object_set_new(to, name, json_integer((json_int_t)strlen(twin)));
        free(head);
        free(twin);
    } else
        json_object_set_new(to, name, ascii_of(value));
}

/* A copy of a view whose strings are ASCII; byte offsets of cursors move along. */
static json_t *ascii_of(const json_t *value)
{
    if (json_is_string(value)) {
        char *twin = text_ascii(json_string_value(value));
        json_t *copy = json_string(twin);
        free(twin);
        return copy;
    }
    if (json_is_array(value)) {
        json_t *copy = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(copy, ascii_of(json_array_get(value, i)));
        return copy;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    json_t *copy = json_object();
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member)
        ascii_member(copy, name, member, value);
    return copy;
}

/* ---------------------------------------------------------------------------------------------------------- view */

void draw_view(const json_t *view, struct canvas *canvas, const struct draw_options *options,
               struct draw_result *result)
{
    *result = (struct draw_result){ .cursor_x = -1, .cursor_y = -1 };
    canvas_reset(canvas, canvas->width, canvas->height);
    if (canvas->width < DRAW_LEAST_WIDTH || canvas->height < DRAW_LEAST_HEIGHT) {
        draw_small(canvas);
        return;
    }
    json_t *twin = options->ascii ? ascii_of(view) : json_incref((json_t *)view);
    struct layout l = layout_of(twin, canvas->width, canvas->height);
    struct pen line = line_pen(canvas, &l, options);

    draw_header(&line, twin);
    if (l.body_bottom == l.status_row)
        draw_status(&line, twin, l.status_row);
    if (!l.compact)
        pen_run(&line, 0, l.rule_row, line.width, GLYPH_RULE, STYLE_RULE);
    draw_footer(&line, json_object_get(twin, "keys"), l.keys_row);
    draw_middle(twin, &l, &line, options, result);
    json_decref(twin);
}
