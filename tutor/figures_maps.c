/* figures_maps.c: several matrices on one scale: strips below each other with their labels at the left, or maps side by
 * side with their labels above. What differs between them is seen without reading. */
#include "tutor/figures.h"

#include "tutor/axis.h"

enum { GUTTER_MOST = 22, FLAT = 4, BESIDE_ROWS = 6, TIGHT_ROWS = 4, BETWEEN = 2 };

static enum style label_style(const json_t *map)
{
    const char *role = view_text(map, "role", NULL);
    return role ? mark_style(role) : STYLE_STRONG;
}

/* The widest label, or note. */
static int widest(const json_t *maps, const char *field)
{
    int width = 0;
    size_t i;
    json_t *map;
    json_array_foreach(maps, i, map) {
        int w = text_width(view_text(map, field, ""));
        width = w > width ? w : width;
    }
    return width < GUTTER_MOST ? width : GUTTER_MOST;
}

/* Up to three strips have two rows each, with label and note; more have one, with the note behind the label. Half a row
 * stays free, so that strips of one color stand apart. */
static int draw_strips(struct pen *pen, const json_t *maps, int y)
{
    bool flat = json_array_size(maps) >= FLAT || pen->tight;
    int label = widest(maps, "label"), note = widest(maps, "note");
    int gutter = flat ? label + (note ? 2 + note : 0) : label > note ? label : note;
    bool above = gutter + BETWEEN + 20 > pen->width;
    int left = above ? 0 : gutter + BETWEEN, room = above ? pen->width : gutter;
    size_t i;
    json_t *map;
    json_array_foreach(maps, i, map) {
        bool behind = flat && !above;
        pen_clip(pen, 0, y, room, view_text(map, "label", ""), label_style(map));
        pen_clip(pen, behind ? label + 2 : 0, behind ? y : y + 1, room, view_text(map, "note", ""), STYLE_TEXT);
        y += above ? 2 : 0;
        heat_cells(pen, json_object_get(map, "levels"), left, y, pen->width - left, flat ? 1 : 3);
        y += flat ? 1 : 2;
    }
    return y;
}

static int draw_beside(struct pen *pen, const json_t *maps, int y)
{
    int n = (int)json_array_size(maps), width = (pen->width - (n - 1) * BETWEEN) / n, most = 0;
    int rows = pen->tight ? TIGHT_ROWS : BESIDE_ROWS;
    for (int i = 0; i < n; i++) {
        const json_t *map = json_array_get(maps, (size_t)i);
        int x = i * (width + BETWEEN);
        pen_clip(pen, x, y, width, view_text(map, "label", ""), label_style(map));
        int used = heat_cells(pen, json_object_get(map, "levels"), x, y + 1, width, 2 * rows);
        pen_clip(pen, x, y + 1 + used, width, view_text(map, "note", ""), STYLE_TEXT);
        most = used > most ? used : most;
    }
    return y + most + 2;
}

int figure_maps(struct pen *pen, const json_t *block)
{
    const json_t *maps = json_object_get(block, "maps");
    const char *title = view_text(block, "title", "");
    int title_rows = pen_wrap(pen, 0, 0, pen->width, title, STYLE_TEXT), n = (int)json_array_size(maps);
    int y = title_rows > 1 ? title_rows : 0;
    y += heat_legend(pen, title_rows > 1 ? 0 : text_width(title), y, block);
    if (n == 0)
        return y;
    bool beside = view_flag(block, "beside") && pen->width / n >= 12;
    return beside ? draw_beside(pen, maps, y) : draw_strips(pen, maps, y);
}
