/* classlog.h: what a class did, gathered from many learners' exports, one event at a time.
 * Memory does not grow with the events: each step has its counts, magnitudes stand in log bins, answers in a list of
 * the 32 commonest; of each device only the last seq is kept, by which an export that overlaps an earlier one is told.
 * Nobody is named: learners are counted. */
#ifndef TUTOR_CLASSLOG_H
#define TUTOR_CLASSLOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct classlog;

enum {
    CLASSLOG_ANSWERS = 32, /* commonest answers of a step */
    CLASSLOG_BINS = 33,    /* half octaves of guess / outcome from -8 to 8; the outer two are open */
    CLASSLOG_LEVELS = 4    /* guess, 50, 75, 95 % */
};

/* NULL: out of memory. */
struct classlog *classlog_new(void);
void             classlog_free(struct classlog *);

/* Takes a file of `saffron export --to json`. False: one line in `error`; what came before is taken. */
bool classlog_take(struct classlog *, FILE *file, char *error, size_t size);

/* {"files", "learners", "events", "overlapping" (events seen before), "missing" (gaps in a device's seq),
 *  "levels": [{"level", "n", "hits", "mean_confidence", "hit_rate", "low", "high"}],
 *  "n", "hits", "brier", "mean_confidence",
 *  "steps": [{"lesson", "step", "kind": "number" | "choice" | "order", "unit", "n" (learners), "hits", "no_idea",
 *    "surprises", "hinted", "flags", "brier", "mean_confidence", "levels": as above,
 *    "answers": [{"answer", "n", "hit"}],
 *    "answers_exact" (false: more than 32 different ones, counts may be high), "octaves": [33 counts],
 *    "median_octaves" (of the size, null without magnitudes), "outcome": {"low", "high"}}],
 *  "cards": [{"lesson", "step", "front", "learners", "reviews", "again"}] hardest first,
 *  "flags": [{"lesson", "step", "n"}] most first}
 * A learner's last attempt at a step counts; steps are sorted by lesson and step. */
json_t *classlog_json(const struct classlog *);

#endif
