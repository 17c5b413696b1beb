/* search.h: finding deep dives by words; small typos are forgiven.
 * Pure: the screen's search and `saffron ask` rank alike. */
#ifndef TUTOR_SEARCH_H
#define TUTOR_SEARCH_H

#include "tutor/catalog.h"

struct search_hit {
    int           lesson; /* index in the catalog */
    const json_t *dive;   /* {"id", "title", "body"}, borrowed */
    double        score;
};

/* The dives that match, best first; returns how many (at most `most`). A dive that matches all words comes before one
 * that matches fewer; titles weigh more than bodies, whole words more than beginnings, and those more than typos. */
int search_dives(const struct catalog *, const char *words, struct search_hit *hits, int most);

#endif
