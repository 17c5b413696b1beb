/* search.c: finding deep dives by words: the texts of the catalog, put into the index of db/dives.h. See search.h. */
#include "tutor/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/dives.h"

enum { DIVES_A_LESSON = 1000, FOUND_MOST = 64 };

/* Every text a block shows; not its kind, its bits, its roles. */
static void add_texts(FILE *out, const json_t *json)
{
    size_t i;
    const char *key;
    json_t *value;
    if (json_is_string(json))
        fprintf(out, "%s\n", json_string_value(json));
    json_array_foreach(json, i, value)
        add_texts(out, value);
    if (json_is_object(json))
        json_object_foreach((json_t *)json, key, value)
            if (strcmp(key, "view") != 0 && strcmp(key, "role") != 0 && strcmp(key, "bits") != 0)
                add_texts(out, value);
}

static const json_t *dives_of(const struct catalog *catalog, int lesson)
{
    return json_object_get(document_json(catalog_document(catalog, lesson)), "dives");
}

static void add_dive(struct dives *index, long id, const json_t *dive)
{
    char *title = NULL, *body = NULL;
    size_t size;
    FILE *out = open_memstream(&title, &size);
    fprintf(out, "%s %s", json_string_value(json_object_get(dive, "title")),
            json_string_value(json_object_get(dive, "id")));
    fclose(out);
    out = open_memstream(&body, &size);
    add_texts(out, json_object_get(dive, "body"));
    fclose(out);
    dives_add(index, id, title, body);
    free(title);
    free(body);
}

struct dives *search_index(const struct catalog *catalog)
{
    struct dives *index = dives_new();
    for (int l = 0; index && l < catalog_count(catalog); l++) {
        size_t d;
        json_t *dive;
        json_array_foreach(dives_of(catalog, l), d, dive)
            add_dive(index, (long)l * DIVES_A_LESSON + (long)d, dive);
    }
    return index;
}

int search_dives(const struct catalog *catalog, const char *words, struct search_hit *hits, int most)
{
    struct dives_hit found[FOUND_MOST];
    struct dives *index = catalog_dives(catalog);
    int count = index ? dives_find(index, words, found, most < FOUND_MOST ? most : FOUND_MOST) : 0;
    for (int i = 0; i < count; i++) {
        int lesson = (int)(found[i].id / DIVES_A_LESSON);
        hits[i] = (struct search_hit){ lesson, json_array_get(dives_of(catalog, lesson),
                                                              (size_t)(found[i].id % DIVES_A_LESSON)) };
    }
    return count;
}
