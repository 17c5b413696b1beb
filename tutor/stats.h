/* stats.h: what the learner's record says about their judgment and memory, as blocks of a view: for the screen, for
 * plain mode and for `saffron stats`. */
#ifndef TUTOR_STATS_H
#define TUTOR_STATS_H

#include <jansson.h>

/* Blocks from the store's replies (db/calibration.h, db/cards.h), a new reference. Below the counts from which a figure
 * says something stand the count and "too few". */
json_t *stats_blocks(const json_t *calibration, const json_t *cards);

/* Of an object with "levels" (db/calibration.h): the reliability plot, and the table of its counts. `who`: whose points
 * these are. */
void stats_add_reliability(const json_t *object, const char *title, const char *who, json_t *body);
void stats_add_levels(const json_t *object, json_t *body);

#endif
