/* learner.h: the learner's progress for commands without a screen: questions to the store that wait for their answer.
 * What is wrong with the database goes to stderr, one line each; answers then come from what could be read. */
#ifndef TUTOR_LEARNER_H
#define TUTOR_LEARNER_H

#include <jansson.h>

#include "db/store.h"
#include "tutor/options.h"

struct learner;

/* The options' clock as the store wants it; `ctx` is the struct options. */
int64_t learner_clock(void *ctx, int *offset);

/* Opens the options' database. NULL, with a line on stderr, when there is no place for one. */
struct learner *learner_open(const struct options *);
void            learner_close(struct learner *);

/* Somebody else will say what is wrong with the database. */
void            learner_hush(struct learner *);

/* The answer as a new reference; never NULL, an empty object when there is none. */
json_t *learner_ask(struct learner *, enum store_question question, const char *arg);

/* The answer as text, malloc; NULL, with a line on stderr, when there is none. */
char   *learner_text(struct learner *, enum store_question question, const char *arg);

/* Stores one record; false with a line on stderr when it is not on the disk. */
bool    learner_post(struct learner *, const struct record *record);

#endif
