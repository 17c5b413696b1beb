/* dives.c: the question becomes one FTS5 query a word; what each matches is counted here, and BM25 breaks the ties.
 * FTS5 itself knows no typos: a word that is in no text is replaced by its neighbors in the index's own vocabulary. */
#include "db/dives.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MOST = 12, WORD_BYTES = 48, NEAR_MOST = 6, QUERY_BYTES = 1024, TEXTS_MOST = 512 };

struct dives {
    sqlite3 *db;
    int      count;
    long     ids[TEXTS_MOST];
};

/* One word of the question: the FTS5 expression it becomes, and in how many texts that is. */
struct word {
    char text[WORD_BYTES];
    char query[QUERY_BYTES];
    int  texts;
};

struct dives *dives_new(void)
{
    struct dives *d = calloc(1, sizeof *d);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    bool made = d && sqlite3_open_v2(":memory:", &d->db, flags, NULL) == SQLITE_OK
             && sqlite3_exec(d->db, "CREATE VIRTUAL TABLE dive USING fts5(title, body, tokenize = 'unicode61');"
                                    "CREATE VIRTUAL TABLE term USING fts5vocab(dive, 'row')", NULL, NULL, NULL)
                    == SQLITE_OK;
    if (!made) {
        dives_free(d);
        return NULL;
    }
    return d;
}

void dives_free(struct dives *d)
{
    if (d)
        sqlite3_close(d->db);
    free(d);
}

int dives_add(struct dives *d, long id, const char *title, const char *body)
{
    sqlite3_stmt *stmt;
    if (d->count == TEXTS_MOST
        || sqlite3_prepare_v2(d->db, "INSERT INTO dive (rowid, title, body) VALUES (?, ?, ?)", -1, &stmt, NULL)
               != SQLITE_OK)
        return false;
    sqlite3_bind_int(stmt, 1, d->count + 1);
    sqlite3_bind_text(stmt, 2, title, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, body, -1, SQLITE_STATIC);
    bool done = sqlite3_step(stmt) == SQLITE_DONE;
    sqlite3_finalize(stmt);
    if (done)
        d->ids[d->count++] = id;
    return done;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static bool is_letter(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The next word of *text, as the tokenizer would cut it; in lower case where that is ASCII. False at the end. */
static bool next_word(const char **text, char out[WORD_BYTES])
{
    const char *at = *text;
    size_t n = 0;
    while (*at && !is_letter((unsigned char)*at))
        at++;
    for (; is_letter((unsigned char)*at); at++)
        if (n < WORD_BYTES - 1)
            out[n++] = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    out[n] = '\0';
    *text = at;
    return n > 0;
}

/* Edits between two words, a swap of neighbors being one; more than `most` is not told apart. */
static int edits(const char *a, const char *b, int most)
{
    int n = (int)strlen(a), m = (int)strlen(b);
    int row[3][WORD_BYTES + 1];
    if (abs(n - m) > most || n >= WORD_BYTES || m >= WORD_BYTES)
        return most + 1;
    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *before = row[(i + 2) % 3], *older = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = before[j - 1] + (a[i - 1] != b[j - 1]);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

/* The query for the terms that are at most `forgiven` edits away: of those only the nearest. */
static void nearest(struct dives *d, struct word *w, int forgiven)
{
    sqlite3_stmt *stmt;
    int best = forgiven, found = 0;
    w->query[0] = '\0';
    if (sqlite3_prepare_v2(d->db, "SELECT term FROM term ORDER BY doc DESC, term", -1, &stmt, NULL) != SQLITE_OK)
        return;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *term = (const char *)sqlite3_column_text(stmt, 0);
        int away = edits(w->text, term, best);
        if (away > best)
            continue;
        if (away < best || found == 0)
            w->query[0] = '\0', found = 0;
        best = away;
        size_t used = strlen(w->query);
        if (found++ < NEAR_MOST)
            snprintf(w->query + used, sizeof w->query - used, "%s\"%s\"", used ? " OR " : "", term);
    }
    sqlite3_finalize(stmt);
}

/* How many texts the query matches; each text's rank is added to it and its words counted, if `hits` is not NULL. */
static int run(struct dives *d, const char *query, struct dives_hit *hits, bool counts)
{
    sqlite3_stmt *stmt;
    int texts = 0;
    if (!*query || sqlite3_prepare_v2(d->db, "SELECT rowid, bm25(dive, 4.0, 1.0) FROM dive WHERE dive MATCH ?", -1,
                                      &stmt, NULL) != SQLITE_OK)
        return 0;
    sqlite3_bind_text(stmt, 1, query, -1, SQLITE_STATIC);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        texts++;
        if (!hits)
            continue;
        struct dives_hit *hit = &hits[sqlite3_column_int(stmt, 0) - 1];
        hit->rank -= sqlite3_column_double(stmt, 1); /* SQLite's is negative: less is better */
        hit->words += counts;
    }
    sqlite3_finalize(stmt);
    return texts;
}

static void read_word(struct dives *d, struct word *w)
{
    size_t n = strlen(w->text);
    snprintf(w->query, sizeof w->query, n >= 3 ? "\"%s\" OR \"%s\"*" : "\"%s\"", w->text, w->text);
    w->texts = run(d, w->query, NULL, false);
    if (w->texts == 0 && n >= 4) {
        nearest(d, w, n >= 8 ? 2 : 1);
        w->texts = run(d, w->query, NULL, false);
    }
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

static int better(const void *a, const void *b)
{
    const struct dives_hit *x = a, *y = b;
    if (x->words != y->words)
        return y->words - x->words;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

int dives_find(struct dives *d, const char *text, struct dives_hit *hits, int most)
{
    struct word words[WORDS_MOST];
    struct dives_hit all[TEXTS_MOST];
    int count = 0, telling = 0, found = 0;
    while (count < WORDS_MOST && next_word(&text, words[count].text))
        read_word(d, &words[count++]);
    for (int i = 0; i < count; i++)
        telling += words[i].texts > 0 && 2 * words[i].texts <= d->count;
    for (int i = 0; i < d->count; i++)
        all[i] = (struct dives_hit){ d->ids[i], 0, 0 };
    for (int i = 0; i < count; i++)
        run(d, words[i].query, all, telling == 0 || 2 * words[i].texts <= d->count);
    qsort(all, (size_t)d->count, sizeof all[0], better);
    while (found < d->count && found < most && all[found].words > 0) {
        hits[found] = all[found];
        found++;
    }
    return found;
}
