/* dives: a full-text index of short texts, in memory (SQLite's FTS5); typos are forgiven.
 * Unlike the rest of db/ it has no file and no thread: who made it uses it. */
#ifndef DB_DIVES_H
#define DB_DIVES_H

#include <stddef.h>

struct dives;

struct dives_hit {
    long   id;      /* as given to dives_add */
    int    words;   /* of the question that the text has; words that half of all texts have count only alone */
    double rank;    /* BM25, the title four times the body; more is better */
};

/* NULL when out of memory, or when SQLite was built without FTS5. */
struct dives *dives_new(void);
void          dives_free(struct dives *);

/* Adds a text. False on failure. */
int dives_add(struct dives *, long id, const char *title, const char *body);

/* The texts that have any of the words, best first: more words, then rank, then the smaller id. A word stands for
 * itself and, from three letters on, for words that begin with it; one that no text has stands for the nearest ones:
 * one edit away from four letters on, two from eight. Returns how many (at most `most`). */
int dives_find(struct dives *, const char *words, struct dives_hit *hits, int most);

#endif
