/* shortanswer.h: a typed answer to a recall card, judged the way a patient person would.
 * A card with an "answer": a number with "unit" and "within" (2 % when it says nothing), or texts of which one is
 * meant; case, accents, blanks, hyphens, articles and a slip of the finger do not count, digits do. */
#ifndef ENGINE_SHORTANSWER_H
#define ENGINE_SHORTANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether the card can be answered by typing. */
bool shortanswer_wanted(const json_t *card);

/* What the input line says: "in bytes, right within 2 %", "a word or two". */
void shortanswer_hint(const json_t *card, char *out, size_t size);

/* How the text is understood, into echo; false when it is no answer at all (a number was asked), echo says why. */
bool shortanswer_read(const json_t *card, const char *text, char *echo, size_t size);

/* Whether the text is right; what was read counts as said by shortanswer_read. */
bool shortanswer_right(const json_t *card, const char *text);

/* One sentence: "Right: 18 bytes." "Not quite: you said 16 bytes, it is 18 bytes." */
void shortanswer_verdict(const json_t *card, const char *text, char *out, size_t size);

#endif
