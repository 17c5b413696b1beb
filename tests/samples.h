/* samples.h: the sample views under tests/golden, one for each kind of block and some whole screens.
 * Included by the tests of drawing and of sentences; they run in the root of the tree. */
#ifndef TESTS_SAMPLES_H
#define TESTS_SAMPLES_H

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MOST = 64 };

struct sample {
    char    name[64];
    json_t *view;
};

static int samples_by_name(const void *a, const void *b)
{
    return strcmp(((const struct sample *)a)->name, ((const struct sample *)b)->name);
}

/* Loads them all, in the order of their names; returns how many. */
__attribute__((unused)) static int samples_load(struct sample *samples)
{
    DIR *folder = opendir("tests/golden");
    int count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char path[400];
        size_t length = strlen(entry->d_name);
        if (length < 6 || length > 60 || strcmp(entry->d_name + length - 5, ".json") != 0 || count == SAMPLES_MOST)
            continue;
        snprintf(path, sizeof path, "tests/golden/%s", entry->d_name);
        json_error_t error;
        json_t *view = json_load_file(path, 0, &error);
        if (!view) {
            fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
            exit(1);
        }
        snprintf(samples[count].name, sizeof samples->name, "%.*s", (int)length - 5, entry->d_name);
        samples[count++].view = view;
    }
    if (folder)
        closedir(folder);
    qsort(samples, (size_t)count, sizeof *samples, samples_by_name);
    return count;
}

__attribute__((unused)) static void samples_free(struct sample *samples, int count)
{
    for (int i = 0; i < count; i++)
        json_decref(samples[i].view);
}

#endif
