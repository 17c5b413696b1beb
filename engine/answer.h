/* answer.h: what a learner typed, and whether it is right.
 * Reads numbers with units, judges a guess against the outcome under the step's rule, says the difference in words. */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/document.h"

/* Reads "18", "18 bytes", "4.5 bpw", "2^-7", "1.2e-3", "1,000", "32 GiB", "3,4" is refused. `unit` is what the step
 * asks in, "" or NULL for none: a typed unit of the same family is converted (GiB to KiB, MB to bytes, ms to s);
 * another family is refused. On success writes the value in `unit`, and `echo` as it was understood ("32 GiB =
 * 33,554,432 KiB"), which reads back as the same value. On failure writes one line to `echo` that says what would be
 * understood, and leaves the value alone. */
bool answer_read_number(const char *text, const char *unit, double *value, char *echo, size_t size);

/* Whether the "within" of a number or place rule is understood. */
bool answer_rule_known(const json_t *rule);

/* "right within 25 %": what counts as right, for the question. Empty for an exact choice. */
void answer_rule_text(const struct step *, char *out, size_t size);

/* A guess as stored and sent: {"value": number | option id | [ids], "text": as understood}. */

/* Whether an answer, from a lab or from a database, is one that this step can have: a number, an option id, every
 * option id once, or null. Whoever takes one from outside asks this first; everything else here may rely on it. */
bool answer_fits(const struct step *, const json_t *answer);

/* Whether `guess` (value as above) hits `outcome` (number, id or list of ids). Nothing hits NaN; an infinite outcome is
 * hit by itself alone. */
bool answer_hit(const struct step *, const json_t *guess, const json_t *outcome);

/* What became of a guess. */
enum verdict { VERDICT_MISS, VERDICT_HIT, VERDICT_UNSCORED };

/* The verdict where the outcome was measured and so has a spread. `values` are the outcome's other numbers and texts,
 * or NULL: "low" and "high" (a number or a place hits if its rule is met by any value between them), "ties" (options
 * that no measurement parts may stand in either order: "int8=int4 fp32"), "unscored" (why the machine was too noisy to
 * judge anybody). */
enum verdict answer_judge(const struct step *, const json_t *guess, const json_t *outcome, const json_t *values);

/* |log2(guess / outcome)| for two positive numbers, else NaN: octaves off. */
double answer_octaves(const json_t *guess, const json_t *outcome);

/* One sentence of difference: "Off by 3 g: 240, not 237." "Right: 57 is within 10 % of 57." */
void answer_difference(const struct step *, const json_t *guess, const json_t *outcome, char *out, size_t size);

/* The text of an option id, or the id itself; "" for NULL. */
const char *answer_option_text(const struct step *, const char *id);

/* Option ids in the order the learner sees: shuffled by `seed` for choices and orders, the same every time. Fills
 * `order` with a permutation of 0..n-1. */
void answer_shuffle(unsigned long long seed, int n, int *order);

#endif
