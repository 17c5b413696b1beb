/* search.c: finding deep dives by words. See search.h. */
#include "tutor/search.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MOST = 12, WORD_BYTES = 48, IN_BODY = 1, IN_TITLE = 4 };

struct query {
    char words[WORDS_MOST][WORD_BYTES];
    int  count;
    double found[WORDS_MOST]; /* in the dive being read: the best match of each word so far */
    int  times[WORDS_MOST];
};

static bool is_letter(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The next word of *text in lower case; false at the end. Letters beyond ASCII are kept as they are. */
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

/* Edits between two short words, a swap of neighbors being one; more than `most` is not told apart. */
static int edits(const char *a, const char *b, int most)
{
    int n = (int)strlen(a), m = (int)strlen(b);
    int row[3][WORD_BYTES + 1];
    if (abs(n - m) > most)
        return most + 1;
    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *before = row[(i + 2) % 3], *older = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

/* How well a word of the text matches a word of the query: 0 not, 1 a typo, 2 its beginning, 3 the word. */
static double match(const char *asked, const char *word)
{
    size_t n = strlen(asked);
    int forgiven = n >= 8 ? 2 : n >= 4 ? 1 : 0;
    if (strcmp(asked, word) == 0)
        return 3;
    if (n >= 3 && strncmp(asked, word, n) == 0)
        return 2;
    return forgiven && edits(asked, word, forgiven) <= forgiven ? 1 : 0;
}

static void read_text(struct query *query, const char *text, int weight)
{
    char word[WORD_BYTES];
    while (next_word(&text, word))
        for (int i = 0; i < query->count; i++) {
            double score = weight * match(query->words[i], word);
            query->times[i] += score > 0;
            if (score > query->found[i])
                query->found[i] = score;
        }
}

/* Every text a block shows; not its kind, its bits, its roles. */
static void read_json(struct query *query, const json_t *json)
{
    size_t i;
    const char *key;
    json_t *value;
    if (json_is_string(json))
        read_text(query, json_string_value(json), IN_BODY);
    json_array_foreach(json, i, value)
        read_json(query, value);
    if (json_is_object(json))
        json_object_foreach((json_t *)json, key, value)
            if (strcmp(key, "view") != 0 && strcmp(key, "role") != 0 && strcmp(key, "bits") != 0)
                read_json(query, value);
}

static double score(struct query *query, const json_t *dive)
{
    double sum = 0;
    int matched = 0;
    memset(query->found, 0, sizeof query->found);
    memset(query->times, 0, sizeof query->times);
    read_text(query, json_string_value(json_object_get(dive, "title")), IN_TITLE);
    read_text(query, json_string_value(json_object_get(dive, "id")), IN_TITLE);
    read_json(query, json_object_get(dive, "body"));
    for (int i = 0; i < query->count; i++) {
        matched += query->found[i] > 0;
        sum += query->found[i] + 0.2 * (query->times[i] < 5 ? query->times[i] : 5);
    }
    return matched ? 100.0 * matched + sum : 0;
}

static int better(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->lesson != y->lesson)
        return x->lesson - y->lesson;
    return strcmp(json_string_value(json_object_get(x->dive, "id")), json_string_value(json_object_get(y->dive, "id")));
}

int search_dives(const struct catalog *catalog, const char *words, struct search_hit *hits, int most)
{
    struct query query = { .count = 0 };
    int count = 0;
    while (query.count < WORDS_MOST && next_word(&words, query.words[query.count]))
        query.count++;
    for (int l = 0; query.count && l < catalog_count(catalog); l++) {
        size_t d;
        json_t *dive;
        json_array_foreach(json_object_get(document_json(catalog_document(catalog, l)), "dives"), d, dive) {
            double points = score(&query, dive);
            if (points > 0 && count < most)
                hits[count++] = (struct search_hit){ l, dive, points };
        }
    }
    qsort(hits, (size_t)count, sizeof hits[0], better);
    return count;
}
