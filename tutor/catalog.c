/* catalog.c: the shipped lessons. See catalog.h.
 * {"groups": [{"title": "A  Foundations", "lessons": ["grids", ...]}...]} orders them; what it does not name comes
 * last, by id. */
#include "tutor/catalog.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/dives.h"
#include "tutor/paths.h"
#include "tutor/search.h"

enum { CATALOG_MOST = 256 };

struct entry {
    struct document *document;
    char            *path, *group;
    int              place; /* in the course */
};

/* Made when first asked for, also of a catalog that is otherwise only read. */
struct lazy {
    struct dives *dives;
    bool          tried;
};

struct catalog {
    struct entry entries[CATALOG_MOST];
    int          count;
    struct lazy *lazy;
};

static json_t *read_json(const char *path, char *error, size_t size)
{
    json_error_t why;
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        snprintf(error, size, "cannot read '%.200s': %.160s", path, why.text);
    return json;
}

struct document *catalog_read(const char *path, char *error, size_t size)
{
    char why[256];
    json_t *json = read_json(path, error, size);
    if (!json)
        return NULL;
    struct document *document = document_new(json, why, sizeof why);
    if (!document)
        snprintf(error, size, "cannot use '%.200s': %.200s", path, why);
    json_decref(json);
    return document;
}

static void place(struct entry *entry, const json_t *course)
{
    size_t g, l;
    json_t *group, *lesson;
    int n = 0;
    json_array_foreach(json_object_get(course, "groups"), g, group)
        json_array_foreach(json_object_get(group, "lessons"), l, lesson) {
            const char *id = json_string_value(lesson), *title = json_string_value(json_object_get(group, "title"));
            if (id && strcmp(id, document_id(entry->document)) == 0) {
                entry->place = n;
                entry->group = strdup(title ? title : "");
                return;
            }
            n++;
        }
    entry->place = CATALOG_MOST;
    entry->group = strdup("");
}

static void add(struct catalog *catalog, const char *folder, const char *name, const json_t *course, char *problem,
                size_t size)
{
    char path[PATH_MAX], error[512];
    size_t n = strlen(name);
    if (n < 6 || n > NAME_MAX || strcmp(name + n - 5, ".json") != 0 || strcmp(name, "course.json") == 0 ||
        name[0] == '.' || catalog->count == CATALOG_MOST)
        return;
    paths_join(folder, name, path, sizeof path);
    struct document *document = catalog_read(path, error, sizeof error);
    if (!document) {
        if (!*problem)
            snprintf(problem, size, "%s", error);
        return;
    }
    memcpy(path + strlen(path) - 5, ".lua", 5);
    struct entry *entry = &catalog->entries[catalog->count++];
    *entry = (struct entry){ .document = document, .path = strdup(path) };
    place(entry, course);
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return strcmp(document_id(x->document), document_id(y->document));
}

struct catalog *catalog_load(char *problem, size_t size)
{
    char data[PATH_MAX], folder[PATH_MAX], path[PATH_MAX], error[512];
    struct catalog *catalog = calloc(1, sizeof *catalog);
    *problem = '\0';
    if (catalog && !(catalog->lazy = calloc(1, sizeof *catalog->lazy))) {
        free(catalog);
        catalog = NULL;
    }
    if (!catalog)
        return NULL;
    bool found = paths_data(data, sizeof data);
    paths_join(data, "lessons", folder, sizeof folder);
    DIR *dir = found ? opendir(folder) : NULL;
    if (!dir) {
        snprintf(problem, size, "cannot find the lessons%s%.200s%s, set SAFFRON_DATA to the folder that has them",
                 found ? " in '" : "", found ? data : "", found ? "'" : "");
        return catalog;
    }
    paths_join(folder, "course.json", path, sizeof path);
    json_t *course = read_json(path, error, sizeof error);
    for (struct dirent *at; (at = readdir(dir));)
        add(catalog, folder, at->d_name, course, problem, size);
    closedir(dir);
    json_decref(course);
    qsort(catalog->entries, (size_t)catalog->count, sizeof catalog->entries[0], compare);
    return catalog;
}

void catalog_free(struct catalog *catalog)
{
    for (int i = 0; catalog && i < catalog->count; i++) {
        document_free(catalog->entries[i].document);
        free(catalog->entries[i].path);
        free(catalog->entries[i].group);
    }
    if (catalog && catalog->lazy) {
        dives_free(catalog->lazy->dives);
        free(catalog->lazy);
    }
    free(catalog);
}

struct dives *catalog_dives(const struct catalog *catalog)
{
    if (!catalog->lazy->tried)
        catalog->lazy->dives = search_index(catalog);
    catalog->lazy->tried = true;
    return catalog->lazy->dives;
}

int catalog_count(const struct catalog *catalog)
{
    return catalog->count;
}

const struct document *catalog_document(const struct catalog *catalog, int index)
{
    return catalog->entries[index].document;
}

const char *catalog_path(const struct catalog *catalog, int index)
{
    return catalog->entries[index].path;
}

const char *catalog_group(const struct catalog *catalog, int index)
{
    return catalog->entries[index].group;
}

int catalog_find(const struct catalog *catalog, const char *id)
{
    for (int i = 0; i < catalog->count; i++)
        if (strcmp(document_id(catalog->entries[i].document), id) == 0)
            return i;
    return -1;
}

const char *catalog_nearest(const struct catalog *catalog, const char *id)
{
    const char *names[CATALOG_MOST];
    for (int i = 0; i < catalog->count; i++)
        names[i] = document_id(catalog->entries[i].document);
    return schema_nearest(id, names, (size_t)catalog->count);
}
