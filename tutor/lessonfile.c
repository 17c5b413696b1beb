/* lessonfile.c: the lesson that a word names. See lessonfile.h. */
#include "tutor/lessonfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/infile.h"
#include "engine/sha256.h"
#include "engine/view.h"
#include "tutor/commands.h"
#include "tutor/paths.h"

enum { LESSON_MOST = 2 << 20 }; /* bytes: what is longer, the lab refuses */

/* --- a file ------------------------------------------------------------------------------------------------------- */

/* The whole text, allocated; NULL and one line in `error`. */
static char *read_file(const char *path, size_t *length, char *error, size_t size)
{
    char *text = NULL, chunk[16384];
    size_t got;
    const char *why = NULL;
    FILE *file = infile_open(path, &why), *copy = open_memstream(&text, length);
    while (file && copy && (got = fread(chunk, 1, sizeof chunk, file)) > 0 && (size_t)ftell(copy) < LESSON_MOST)
        fwrite(chunk, 1, got, copy);
    bool ok = file && copy && !ferror(file);
    if (!ok)
        snprintf(error, size, "cannot read lesson '%.300s': %s", path, why ? why : strerror(errno));
    if (file)
        fclose(file);
    if (copy)
        fclose(copy);
    if (ok)
        return text;
    free(text);
    return NULL;
}

static void hash_text(const char *text, size_t length, char hex[SHA256_HEX])
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(text, length, digest);
    sha256_hex(digest, hex);
}

/* Where the document of this checksum is kept, as this build of the program made it; false when there is no place. */
static bool kept_at(const char *sha256, char *out, size_t size)
{
    char folder[PATH_MAX], program[PATH_MAX], name[SHA256_HEX + 32];
    struct stat st;
    if (!paths_cache(folder, sizeof folder) || !paths_program(program, sizeof program) || stat(program, &st) != 0)
        return false;
    snprintf(name, sizeof name, "%s-%llx.json", sha256, (unsigned long long)st.st_mtime);
    paths_join(folder, name, out, size);
    return true;
}

/* Written beside and renamed, so that two tutors never see half of it. */
static void keep(const json_t *document, const char *path)
{
    char new[PATH_MAX + 16];
    snprintf(new, sizeof new, "%s.%ld", path, (long)getpid());
    if (json_dump_file(document, new, JSON_COMPACT) != 0 || rename(new, path) != 0)
        unlink(new);
}

/* "path:line: text" of the first finding. */
static void say_finding(const json_t *message, const char *path, char *error, size_t size)
{
    const json_t *finding = json_array_get(json_object_get(message, "findings"), 0);
    if (!finding)
        finding = message;
    int line = (int)json_integer_value(json_object_get(finding, "line"));
    const char *text = view_text(finding, "text", "the lab could not read it");
    const char *where = view_text(finding, "path", path);
    if (line > 0)
        snprintf(error, size, "%.300s:%d: %.600s", where, line, text);
    else
        snprintf(error, size, "cannot use lesson '%.300s': %.600s", path, text);
}

static struct document *make_document(const struct options *options, const char *path, const char *text,
                                      const char *kept, char *error, size_t size)
{
    char why[256];
    struct actors *actors = actors_open(options, NULL, error, size);
    json_t *request = json_pack("{s:s, s:s, s:s}", "type", "document", "name", path, "text", text);
    if (!request)
        snprintf(error, size, "cannot use lesson '%.300s': it is no UTF-8 text", path);
    json_t *message = actors && request ? actors_request(actors, request, path, error, size) : NULL;
    json_t *json = json_object_get(message, "document");
    struct document *document = NULL;
    if (json_is_object(json)) {
        document = document_new(json, why, sizeof why);
        if (!document)
            snprintf(error, size, "cannot use lesson '%.300s': %s", path, why);
        else if (*kept)
            keep(json, kept);
    } else if (message)
        say_finding(message, path, error, size);
    json_decref(message);
    json_decref(request);
    actors_close(actors);
    return document;
}

static bool open_file(struct lessonfile *lesson, const struct options *options, const char *path, char *error,
                      size_t size)
{
    char sha256[SHA256_HEX], kept[PATH_MAX] = "", why[512];
    size_t length = 0;
    char *text = read_file(path, &length, error, size);
    if (!text)
        return false;
    hash_text(text, length, sha256);
    if (kept_at(sha256, kept, sizeof kept) && access(kept, R_OK) == 0)
        lesson->own = catalog_read(kept, why, sizeof why);
    if (!lesson->own)
        lesson->own = make_document(options, path, text, kept, error, size);
    lesson->document = lesson->own;
    lesson->path = strdup(path);
    free(text);
    return lesson->own != NULL;
}

/* --- an id -------------------------------------------------------------------------------------------------------- */

static bool unknown(const struct catalog *catalog, const char *id, char *error, size_t size)
{
    const char *names[256];
    size_t count = 0;
    const char *nearest = catalog_nearest(catalog, id);
    for (const struct cli *cli = cli_table; cli->name && count < 256; cli++)
        names[count++] = cli->name;
    if (!nearest)
        nearest = schema_nearest(id, names, count);
    if (nearest)
        snprintf(error, size, "no lesson '%.80s', did you mean '%s'?", id, nearest);
    else
        snprintf(error, size, "no lesson '%.80s', 'saffron list' shows those that there are", id);
    return false;
}

static bool known_step(struct lessonfile *lesson, char *error, size_t size)
{
    const char *names[256];
    size_t count = (size_t)document_step_count(lesson->document);
    if (!*lesson->step || document_find(lesson->document, lesson->step) >= 0)
        return true;
    for (size_t i = 0; i < count && i < 256; i++)
        names[i] = document_step(lesson->document, (int)i)->id;
    const char *nearest = schema_nearest(lesson->step, names, count < 256 ? count : 256);
    snprintf(error, size, "lesson '%.80s' has no step '%s'%s%s%s", document_id(lesson->document), lesson->step,
             nearest ? ", did you mean '" : ", 'saffron list --json' names them", nearest ? nearest : "",
             nearest ? "'?" : "");
    return false;
}

bool lessonfile_open(struct lessonfile *lesson, const struct options *options, const struct catalog *catalog,
                     const char *word, bool step, char *error, size_t size)
{
    char name[PATH_MAX];
    const char *colon = step ? strrchr(word, ':') : NULL;
    *lesson = (struct lessonfile){ .document = NULL };
    snprintf(name, sizeof name, "%.*s", colon ? (int)(colon - word) : (int)strlen(word), word);
    snprintf(lesson->step, sizeof lesson->step, "%s", colon ? colon + 1 : "");
    int index = paths_is_file(name) ? -1 : catalog_find(catalog, name);
    if (paths_is_file(name)) {
        if (!open_file(lesson, options, name, error, size))
            return lessonfile_close(lesson), false;
    } else if (index < 0)
        return unknown(catalog, name, error, size);
    else {
        lesson->document = catalog_document(catalog, index);
        lesson->path = strdup(catalog_path(catalog, index));
    }
    if (known_step(lesson, error, size))
        return true;
    lessonfile_close(lesson);
    return false;
}

void lessonfile_close(struct lessonfile *lesson)
{
    document_free(lesson->own);
    free(lesson->path);
    *lesson = (struct lessonfile){ .document = NULL };
}
