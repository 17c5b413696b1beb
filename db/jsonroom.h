/* jsonroom.h: memory for JSON values, and whether it ran out.
 * Jansson leaves out what it has no memory for, and an answer that lacks a card is a wrong answer: whoever builds one
 * asks here before believing it. Kept for each thread. */
#ifndef DB_JSONROOM_H
#define DB_JSONROOM_H

#include <stdbool.h>

/* Has jansson take its memory through here; once, before any JSON value is made. */
void jsonroom_install(void);

/* Whether memory for JSON ran out in this thread since the last call; false again afterwards. */
bool jsonroom_failed(void);

#endif
