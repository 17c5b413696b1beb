/* picklist.h: a long list to choose from on a screen, with a filter that is typed. Pure: keys in, a view out.
 * Only the rows around the focus are in the view, so that a list of thousands is drawn as fast as a short one. */
#ifndef TUTOR_PICKLIST_H
#define TUTOR_PICKLIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picklist;

/* What a row shows: its name, and a remark at the right edge written to out. */
typedef void picklist_remark(const json_t *item, char *out, size_t size);

/* `items` are objects with a "name"; the list is borrowed and outlives this. NULL without memory. */
struct picklist *picklist_new(const json_t *items, picklist_remark *remark);
void             picklist_free(struct picklist *);

/* What a key did. */
enum picked { PICKED_NOTHING, PICKED_MOVED, PICKED_ITEM, PICKED_LEAVE };
enum picked picklist_key(struct picklist *, uint32_t key, int rows);

/* The name under the focus, NULL when the filter leaves none. */
const char *picklist_name(const struct picklist *);

/* The view, `rows` items of it: title, and a remark for the corner such as "GGUF, 4.1 GiB". A new reference. */
json_t *picklist_view(const struct picklist *, const char *title, const char *about, int rows);

#endif
