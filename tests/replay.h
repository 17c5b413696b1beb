/* replay: a main() for fuzz drivers that are not built with libFuzzer.
 * Define REPLAY_CORPUS to a folder, include this, and write LLVMFuzzerTestOneInput.
 * Without arguments it replays the corpus, else the named files and folders; a line of TAP each. */
#ifndef TESTS_REPLAY_H
#define TESTS_REPLAY_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* clang -fsanitize=fuzzer -DLIBFUZZER brings its own main. */
#ifndef LIBFUZZER

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { REPLAY_LIMIT = 1 << 20, REPLAY_MUTANTS = 200 };

static int replay_failures;

/* The input alone in a heap block of its exact size, so that a sanitizer sees one byte too far. */
static void replay_feed(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);

    if (!copy)
        abort();
    if (bytes)
        memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

static uint32_t replay_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* The input, then cuts and small damages of it: the same ones every time. */
static void replay_bytes(uint8_t *data, size_t bytes)
{
    uint32_t seed = 2463534242u;

    replay_feed(data, bytes);
    for (int i = 0; i < REPLAY_MUTANTS && bytes > 0; i++) {
        size_t at = replay_random(&seed) % bytes;
        uint8_t old = data[at];
        if (i % 4 == 3) {
            replay_feed(data, at);
            continue;
        }
        data[at] = i % 4 == 0 ? (uint8_t)replay_random(&seed) : (uint8_t)(old ^ 1u << i % 8);
        replay_feed(data, bytes);
        data[at] = old;
    }
}

static void replay_file(const char *path)
{
    static uint8_t data[REPLAY_LIMIT];
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    FILE *file = fopen(path, "rb");

    if (!file) {
        printf("not ok replay %s: cannot open\n", base);
        replay_failures++;
        return;
    }
    size_t bytes = fread(data, 1, sizeof data, file);
    fclose(file);
    replay_bytes(data, bytes);
    printf("ok replay %s\n", base);
    fflush(stdout);
}

static void replay_folder(const char *path)
{
    struct dirent **entry;
    int count = scandir(path, &entry, NULL, alphasort), replayed = 0;

    for (int i = 0; i < count; i++) {
        char inner[4096];
        if (entry[i]->d_name[0] != '.' &&
            snprintf(inner, sizeof inner, "%s/%s", path, entry[i]->d_name) < (int)sizeof inner) {
            replay_file(inner);
            replayed++;
        }
        free(entry[i]);
    }
    if (count >= 0)
        free(entry);
    if (replayed == 0) {
        printf("not ok replay %s: no inputs\n", path);
        replay_failures++;
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        replay_folder(REPLAY_CORPUS);
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode))
            replay_folder(argv[i]);
        else
            replay_file(argv[i]);
    }
    return replay_failures > 0;
}

#endif
#endif
