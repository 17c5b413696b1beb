/* picklist.c: the list, its filter, its window. See picklist.h. */
#include "tutor/picklist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/command.h"
#include "engine/text.h"
#include "engine/view.h"

enum { FILTER_MOST = 64 };

struct picklist {
    const json_t    *items;
    picklist_remark *remark;
    size_t          *shown;     /* indices of items that pass the filter */
    size_t           count, focus;
    char             filter[FILTER_MOST];
    bool             typing;
};

static const char *name_at(const struct picklist *p, size_t i)
{
    return view_text(json_array_get(p->items, p->shown[i]), "name", "");
}

static void apply(struct picklist *p)
{
    p->count = 0;
    for (size_t i = 0; i < json_array_size(p->items); i++)
        if (strstr(view_text(json_array_get(p->items, i), "name", ""), p->filter))
            p->shown[p->count++] = i;
    if (p->focus >= p->count)
        p->focus = p->count ? p->count - 1 : 0;
}

struct picklist *picklist_new(const json_t *items, picklist_remark *remark)
{
    struct picklist *p = calloc(1, sizeof *p);
    if (p)
        p->shown = malloc((json_array_size(items) + 1) * sizeof *p->shown);
    if (!p || !p->shown) {
        free(p);
        return NULL;
    }
    p->items = items;
    p->remark = remark;
    apply(p);
    return p;
}

void picklist_free(struct picklist *p)
{
    if (p)
        free(p->shown);
    free(p);
}

const char *picklist_name(const struct picklist *p)
{
    return p->count ? name_at(p, p->focus) : NULL;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static enum picked type_key(struct picklist *p, uint32_t key)
{
    size_t n = strlen(p->filter);
    if (key == KEY_CODE_ENTER) {
        p->typing = false;
    } else if (key == KEY_CODE_ESCAPE) {
        p->typing = false;
        p->filter[0] = '\0';
    } else if (key == KEY_CODE_BACKSPACE && n > 0) {
        p->filter[n - 1] = '\0';    /* names of tensors that are looked for are ASCII */
    } else if (key >= ' ' && key <= '~' && n + 1 < FILTER_MOST) {
        p->filter[n] = (char)key;
        p->filter[n + 1] = '\0';
    }
    p->focus = 0;
    apply(p);
    return PICKED_MOVED;
}

static enum picked move_by(struct picklist *p, long by)
{
    long to = (long)p->focus + by, last = p->count ? (long)p->count - 1 : 0;
    p->focus = (size_t)(to < 0 ? 0 : to > last ? last : to);
    return PICKED_MOVED;
}

enum picked picklist_key(struct picklist *p, uint32_t key, int rows)
{
    bool moves = key == KEY_CODE_DOWN || key == KEY_CODE_UP || key == KEY_CODE_PAGE_DOWN || key == KEY_CODE_PAGE_UP;
    if (p->typing && !moves)
        return type_key(p, key);
    switch (key) {
    case KEY_CODE_DOWN:
    case 'j':                return move_by(p, 1);
    case KEY_CODE_UP:
    case 'k':                return move_by(p, -1);
    case KEY_CODE_PAGE_DOWN:
    case ' ':                return move_by(p, rows > 1 ? rows - 1 : 1);
    case KEY_CODE_PAGE_UP:   return move_by(p, rows > 1 ? 1 - rows : -1);
    case KEY_CODE_HOME:      return move_by(p, -(long)p->focus);
    case KEY_CODE_END:       return move_by(p, (long)p->count);
    case '/':                p->typing = true; return PICKED_MOVED;
    case KEY_CODE_ENTER:     return p->count ? PICKED_ITEM : PICKED_NOTHING;
    case KEY_CODE_ESCAPE:
        if (*p->filter)
            return type_key(p, key);
        return PICKED_LEAVE;
    case 'q':
    case 3:                  return PICKED_LEAVE;
    default:                 return PICKED_NOTHING;
    }
}

/* --- the view ----------------------------------------------------------------------------------------------------- */

static json_t *items_of(const struct picklist *p, int rows)
{
    json_t *items = json_array();
    size_t room = rows > 1 ? (size_t)rows : 1, first = p->focus / room * room;
    for (size_t i = first; i < p->count && i < first + room; i++) {
        char remark[120] = "";
        p->remark(json_array_get(p->items, p->shown[i]), remark, sizeof remark);
        json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:b}", "id", name_at(p, i), "text", name_at(p, i),
                                               "right", remark, "focused", i == p->focus));
    }
    return items;
}

json_t *picklist_view(const struct picklist *p, const char *title, const char *about, int rows)
{
    char where[120], status[120] = "";
    snprintf(where, sizeof where, "%zu of %zu · %s", p->count ? p->focus + 1 : 0, p->count, about);
    if (*p->filter || p->typing)
        snprintf(status, sizeof status, "/%s%s", p->filter, p->typing ? "_" : "");
    json_t *keys = json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}]", "key", "Enter", "name",
                             p->typing ? "done" : "look", "help", "", "key", "/", "name", "search", "help", "", "key",
                             "q", "name", "leave", "help", "");
    return json_pack("{s:s, s:s, s:[{s:s, s:o, s:s}], s:[], s:s, s:o}", "title", title, "where", where, "body", "view",
                     "menu", "items", items_of(p, rows), "empty", "no name has that in it", "dock", "status", status,
                     "keys", keys);
}
