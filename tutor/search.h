/* search.h: finding deep dives by words; small typos are forgiven.
 * The screen's search and `saffron ask` rank alike: by db/dives.h, whose index is made when it is first asked. */
#ifndef TUTOR_SEARCH_H
#define TUTOR_SEARCH_H

#include "tutor/catalog.h"

struct search_hit {
    int           lesson; /* index in the catalog */
    const json_t *dive;   /* {"id", "title", "body", "live"}, borrowed */
};

/* The dives that match, best first; returns how many (at most `most`). A dive that has more of the words comes before
 * one that has fewer; then titles weigh more than bodies. */
int search_dives(const struct catalog *, const char *words, struct search_hit *hits, int most);

/* The index of a catalog's dives, new: the catalog keeps it. NULL when there can be none. */
struct dives *search_index(const struct catalog *);

#endif
