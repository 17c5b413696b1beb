/* csource.c: finds a function by the house style: its name stands on a line that begins in the first column, its body
 * ends with a '}' there. */
#include "engine/csource.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/view.h"
#include "kernels/kernel.h"

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

/* Whether a definition of `name` begins on this line: NAME( after a type, and a '{' before any ';'; or a table of
 * functions, NAME = after a type. */
static bool defines(const char *line, const char *name)
{
    const char *end = next_line(line), *at = strstr(line, name);
    size_t n = strlen(name);
    if (isspace((unsigned char)*line) || *line == '/' || *line == '#' || !at || at >= end || at == line)
        return false;
    if (isalnum((unsigned char)at[-1]) || at[-1] == '_')
        return false;
    if (strncmp(at + n, " = ", 3) == 0)
        return true;
    if (at[n] != '(')
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

/* Behind the definition that begins here: a '}' in the first column, or the ';' of a line that holds all of it. */
static const char *end_of(const char *line)
{
    const char *to = next_line(line);
    if (to > line + 1 && to[-2] == ';')
        return to;
    while (*to && *to != '}')
        to = next_line(to);
    return next_line(to);
}

/* Where a definition of `name` begins in `text`, or NULL. */
static const char *definition(const char *text, const char *name)
{
    for (const char *line = text; *line; line = next_line(line))
        if (defines(line, name))
            return line;
    return NULL;
}

static json_t *block_of(const char *path, const char *name, const char *shown)
{
    char caption[256];
    snprintf(caption, sizeof caption, "%s in kernels/%.120s", name, strrchr(path, '/') + 1);
    return json_pack("{s:s, s:s, s:s}", "view", "code", "caption", caption, "text", shown);
}

/* The function in `text`, with its comment, as a code block; NULL if it is not there. */
static json_t *cut(const char *text, const char *path, const char *name)
{
    static char shown[SHOWN_MOST + 4096];
    char contract[4096];
    const char *line = definition(text, name);
    if (!line)
        return NULL;
    const char *from = comment_above(text, line), *to = end_of(line);
    header_comment(path, name, contract, from == line ? sizeof contract : 1);
    snprintf(shown, sizeof shown, "%s%.*s", contract, (int)(to - from < SHOWN_MOST ? to - from : SHOWN_MOST), from);
    return block_of(path, name, shown);
}

/* --- functions that a macro makes --------------------------------------------------------------------------------- */

/* A stretch of a source. */
struct stretch {
    const char *from, *to;
};

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The longest function of this file that the stretch calls, into name; false if there is none. */
static bool main_call(const char *text, struct stretch in, char *name, size_t size)
{
    ptrdiff_t longest = 0;
    for (const char *at = in.from; at < in.to; at++) {
        char called[64];
        size_t n = 0;
        if (!is_name(*at) || (at > text && is_name(at[-1])))
            continue;
        while (is_name(at[n]))
            n++;
        snprintf(called, sizeof called, "%.*s", (int)n, at);
        const char *line = at[n] == '(' && n < sizeof called ? definition(text, called) : NULL;
        if (line && (line < in.from || line >= in.to) && end_of(line) - line > longest) {
            snprintf(name, size, "%s", called);
            longest = end_of(line) - line;
        }
    }
    return longest > 0;
}

/* The line "MACRO(name, ...": nothing but blanks stands before it. */
static struct stretch use_of(const char *text, const char *call)
{
    for (const char *at = text; (at = strstr(at, call)); at++) {
        const char *from = at;
        while (from > text && from[-1] == ' ')
            from--;
        if (from == text || from[-1] == '\n')
            return (struct stretch){ from, next_line(at) };
    }
    return (struct stretch){ NULL, NULL };
}

/* The macro whose "void prefix_##name##__isa(" gives `function`, whole; the line that uses it; and that definition's
 * body. The prefix may be missing; `ending` is what stands for "__isa". NULL in use.from if there is none. */
static void find_macro(const char *text, const char *function, const char *ending, struct stretch *macro,
                       struct stretch *use, struct stretch *body)
{
    char end[64], call[160];
    const char *suffix = strstr(function, "__");
    *macro = *use = *body = (struct stretch){ NULL, NULL };
    snprintf(end, sizeof end, "name##%.40s(", ending);
    for (const char *at = text; suffix && !use->from && (at = strstr(at, end)); at++) {
        bool prefixed = at - text > 2 && strncmp(at - 2, "##", 2) == 0;
        const char *behind = prefixed ? at - 2 : at, *prefix = behind, *start = at;
        while (prefixed && prefix > text && is_name(prefix[-1]))
            prefix--;
        size_t n = (size_t)(behind - prefix);
        if (strncmp(function, prefix, n) != 0)
            continue;
        while (start > text && !(start[0] == '#' && start[-1] == '\n' && strncmp(start, "#define ", 8) == 0))
            start--;
        macro->from = start;
        for (macro->to = next_line(start); macro->to[-2] == '\\'; macro->to = next_line(macro->to))
            ;
        *body = (struct stretch){ at, strchr(at, '}') };
        snprintf(call, sizeof call, "%.*s(%.*s,", (int)strcspn(start + 8, "("), start + 8,
                 (int)(suffix - function - (ptrdiff_t)n), function + n);
        *use = use_of(text, call);
    }
}

static void append(char *out, size_t size, struct stretch s)
{
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%s%.*s", used ? "\n" : "", (int)(s.to - s.from), s.from);
}

/* The macro, its use, and the functions that do the work: each the longest that the one before calls. */
static json_t *cut_macro(const char *text, const char *path, const char *function, const char *ending)
{
    enum { HELPERS = 3 };
    static char shown[SHOWN_MOST];
    char name[64];
    struct stretch macro, use, body;
    find_macro(text, function, ending, &macro, &use, &body);
    if (!use.from)
        return NULL;
    *shown = '\0';
    macro.from = comment_above(text, macro.from);
    append(shown, sizeof shown, macro);
    append(shown, sizeof shown, use);
    for (int i = 0; i < HELPERS && main_call(text, body, name, sizeof name); i++) {
        const char *line = definition(text, name);
        body = (struct stretch){ line, end_of(line) };
        append(shown, sizeof shown, (struct stretch){ comment_above(text, line), body.to });
    }
    return block_of(path, function, shown);
}

/* What one instruction set's file makes by a header that several share, "kernels/..._lanes.h" and then MACRO(isa): the
 * file and the header are looked at as one text. */
static json_t *cut_shared(const char *folder, const char *text, const char *path, const char *function)
{
    char line[64], header[4200];
    const char *suffix = strstr(function, "__"), *include = strstr(text, "_lanes.h\"\n");
    json_t *block = NULL;
    snprintf(line, sizeof line, "(%.40s)\n", suffix ? suffix + 2 : "?");
    if (!include || !strstr(include, line))
        return NULL;
    const char *name = include;
    while (name > text && name[-1] != '/')
        name--;
    snprintf(header, sizeof header, "%.4000s/%.*s_lanes.h", folder, (int)(include - name), name);
    char *shared = read_source(header), *both = shared ? malloc(strlen(text) + strlen(shared) + 1) : NULL;
    if (both) {
        strcat(strcpy(both, text), shared);
        block = cut_macro(both, path, function, "__##suffix");
    }
    free(both);
    free(shared);
    return block;
}

/* In the sources that end in one of two ways. */
static json_t *find_in(const char *folder, const char *name, const char *ending, const char *other)
{
    json_t *block = NULL;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && !block && (entry = readdir(dir));) {
        char path[4096];
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || (strcmp(dot, ending) != 0 && strcmp(dot, other) != 0))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *text = read_source(path);
        if (text)
            block = cut(text, path, name);
        if (text && !block)
            block = cut_macro(text, path, name, strstr(name, "__") ? strstr(name, "__") : "?");
        if (text && !block)
            block = cut_shared(folder, text, path, name);
        free(text);
    }
    if (dir)
        closedir(dir);
    return block;
}

/* The GPU's functions come last: some repeat the reference under its name. */
static json_t *find(const char *folder, const char *name)
{
    json_t *block = find_in(folder, name, ".c", ".h");
    return block ? block : find_in(folder, name, ".cu", ".cuh");
}

/* The scalar function that does the same by the kernel table, else by the names; "" if this is it, or there is none. */
static void reference_of(const char *function, char *out, size_t size)
{
    const char *suffix = strstr(function, "__");
    *out = '\0';
    for (size_t i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i), *scalar;
        if (strcmp(k->function, function) != 0 || k->isa == ISA_SCALAR)
            continue;
        for (size_t j = 0; (scalar = kernel_at(j)); j++)
            if (scalar->op == k->op && scalar->isa == ISA_SCALAR && scalar->activation == k->activation &&
                (!scalar->format || (k->format && strcmp(scalar->format, k->format) == 0)))
                snprintf(out, size, "%s", scalar->function);
    }
    if (!*out && suffix && strcmp(suffix, "__scalar") != 0)
        snprintf(out, size, "%.*s__scalar", (int)(suffix - function), function);
}

json_t *csource_blocks(const char *data_folder, const char *function, char *error, size_t size)
{
    char folder[4096], reference[128];
    snprintf(folder, sizeof folder, "%s/kernels", data_folder);
    json_t *block = find(folder, function), *list = json_array();
    if (!block) {
        snprintf(error, size, "the source of '%.60s' is not installed", function);
        json_decref(list);
        return NULL;
    }
    json_array_append_new(list, block);
    reference_of(function, reference, sizeof reference);
    json_t *slow = *reference ? find(folder, reference) : NULL;
    if (slow) {
        char caption[300];
        snprintf(caption, sizeof caption, "the scalar reference: %.200s", view_text(slow, "caption", ""));
        json_object_set_new(slow, "caption", json_string(caption));
        json_object_set_new(slow, "beside", json_true());
        json_array_append_new(list, slow);
    }
    return list;
}
