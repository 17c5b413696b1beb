/* qualityboard.h: the screen of `saffron quality`: schemes that come in one after the other, and what one writes.
 * A face (jobscreen.h): no I/O. */
#ifndef TUTOR_QUALITYBOARD_H
#define TUTOR_QUALITYBOARD_H

#include "tutor/jobscreen.h"

/* A board for the request that measures (protocol.c, "quality"), and what its lab is opened with; both are borrowed. */
struct jobface *qualityboard_new(json_t *request, const json_t *open);
void            qualityboard_free(struct jobface *);

#endif
