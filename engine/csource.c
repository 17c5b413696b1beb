/* csource.c: finds a function by the house style: its name stands on a line that begins in the first column, its body
 * ends with a '}' there. */
#include "engine/csource.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE_MOST = 1 << 20, SHOWN_MOST = 24 << 10 };

static char *read_source(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = file ? malloc(SOURCE_MOST + 1) : NULL;
    if (text)
        text[fread(text, 1, SOURCE_MOST, file)] = '\0';
    if (file)
        fclose(file);
    return text;
}

static const char *next_line(const char *p)
{
    const char *end = strchr(p, '\n');
    return end ? end + 1 : p + strlen(p);
}

/* Whether a definition of `name` begins on this line: NAME( after a type, and a '{' before any ';'. */
static bool defines(const char *line, const char *name)
{
    const char *end = next_line(line), *at = strstr(line, name);
    size_t n = strlen(name);
    if (isspace((unsigned char)*line) || *line == '/' || *line == '#' || !at || at >= end || at == line)
        return false;
    if (at[n] != '(' || isalnum((unsigned char)at[-1]) || at[-1] == '_')
        return false;
    const char *stop = strpbrk(at, "{;");
    return stop && *stop == '{';
}

/* The start of the comment that ends just above `line`, or `line` itself. */
static const char *comment_above(const char *text, const char *line)
{
    if (line - text < 3 || strncmp(line - 3, "*/\n", 3) != 0)
        return line;
    for (const char *p = line - 3; p > text; p--)
        if (strncmp(p, "/*", 2) == 0 && p[-1] == '\n')
            return p;
    return line;
}

/* The comment above the declaration in the header, where the contract of a public function stands; "" if none. */
static void header_comment(const char *path, const char *name, char *out, size_t size)
{
    char header[4096];
    snprintf(header, sizeof header, "%.4090s", path);
    header[strlen(header) - 1] = 'h';
    char *text = read_source(header);
    out[0] = '\0';
    for (const char *line = text; line && *line; line = next_line(line)) {
        const char *end = next_line(line), *at = strstr(line, name);
        if (!at || at >= end || at == line || at[strlen(name)] != '(' || isspace((unsigned char)*line))
            continue;
        const char *from = comment_above(text, line);
        snprintf(out, size, "%.*s", (int)(line - from), from);
        break;
    }
    free(text);
}

/* The function in `text`, with its comment, as a code block; NULL if it is not there. */
static json_t *cut(const char *text, const char *path, const char *name)
{
    for (const char *line = text; *line; line = next_line(line)) {
        if (!defines(line, name))
            continue;
        static char shown[SHOWN_MOST + 4096];
        char contract[4096], caption[256];
        const char *from = comment_above(text, line), *to = line;
        while (*to && *to != '}')
            to = next_line(to);
        to = next_line(to);
        header_comment(path, name, contract, from == line ? sizeof contract : 1);
        snprintf(shown, sizeof shown, "%s%.*s", contract, (int)(to - from < SHOWN_MOST ? to - from : SHOWN_MOST), from);
        snprintf(caption, sizeof caption, "%s in kernels/%.120s", name, strrchr(path, '/') + 1);
        return json_pack("{s:s, s:s, s:s}", "view", "code", "caption", caption, "text", shown);
    }
    return NULL;
}

static json_t *find(const char *folder, const char *name)
{
    json_t *block = NULL;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && !block && (entry = readdir(dir));) {
        char path[4096];
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || (strcmp(dot, ".c") != 0 && strcmp(dot, ".h") != 0))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *text = read_source(path);
        if (text)
            block = cut(text, path, name);
        free(text);
    }
    if (dir)
        closedir(dir);
    return block;
}

json_t *csource_blocks(const char *data_folder, const char *function, char *error, size_t size)
{
    char folder[4096], reference[128];
    const char *suffix = strstr(function, "__");
    snprintf(folder, sizeof folder, "%s/kernels", data_folder);
    json_t *block = find(folder, function), *list = json_array();
    if (!block) {
        snprintf(error, size, "the source of '%.60s' is not installed", function);
        json_decref(list);
        return NULL;
    }
    json_array_append_new(list, block);
    if (suffix && strcmp(suffix, "__scalar") != 0) {
        snprintf(reference, sizeof reference, "%.*s__scalar", (int)(suffix - function), function);
        json_t *slow = find(folder, reference);
        if (slow)
            json_array_append_new(list, slow);
    }
    return list;
}
