/* loader.h: a lesson file as a lesson document.
 * Host runs the file and gives its tables as JSON; this turns them into what document.h describes, and says for every
 * mistake where it stands. */
#ifndef ENGINE_LOADER_H
#define ENGINE_LOADER_H

#include <jansson.h>
#include <stddef.h>

#include "engine/host.h"

enum { LESSON_BYTES_MOST = 1 << 20 };

/* The text of a lesson file, allocated; NULL with one line in `error`. Refuses what is no regular file, or too long. */
char *loader_read(const char *path, size_t *size, char *error, size_t error_size);

/* The document, with "sha256" of the text, or NULL. What is wrong is appended to `findings` as
 * {"path", "line", "column", "text"}. `name` is the path in messages. */
json_t *loader_document(const struct host_env *env, const char *name, const char *text, size_t size, json_t *findings);

/* Appends a finding; the column is that of the first word of the line in `text`, or 1. `near`: a word to point at on
 * that line or below it, or NULL. */
void loader_finding(json_t *findings, const char *name, const char *text, size_t size, int line, const char *near,
                    const char *said);

/* The fields that an author may write, for the editor stubs: row i of the node kinds, NULL past the end. */
struct loader_node {
    const char *kind;
    const char *help;
    const struct loader_field { const char *name, *type, *help; } *fields; /* ends with name NULL */
};
const struct loader_node *loader_node(size_t i);

#endif
