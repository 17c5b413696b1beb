/* loader.c: from the author's tables to the document.
 * The author writes short forms (a text for a paragraph, { id, text } for an option, a table of knobs by name); the
 * document has one form for each. Unknown fields are answered with the nearest known one. No Lua here. */
#include "engine/loader.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/document.h"
#include "engine/infile.h"
#include "engine/protocol.h"
#include "engine/schema.h"
#include "engine/sha256.h"
#include "engine/view.h"

/* --- what an author may write ------------------------------------------------------------------------------------- */

typedef struct loader_field field;

static const field lesson_fields[] = {
    { "id", "string", "stable: progress hangs on it" }, { "title", "string", "" },
    { "win", "string", "after this you can ..." }, { "minutes", "number", "about how long it takes" },
    { "sources", "string[]", "what the lesson rests on" }, { "course_part", "string", "where the map lists it" },
    { "needs", "string[]", "lessons to do first" }, { NULL, NULL, NULL } };
static const field part_fields[] = {
    { "id", "string", "" }, { "title", "string", "for the header" }, { "core", "boolean", "part of the core path" },
    { NULL, NULL, NULL } };
static const field read_fields[] = {
    { "id", "string", "" }, { "title", "string", "for the jump menu" }, { "dives", "string[]", "" },
    { "links", "string[]", "" }, { NULL, NULL, NULL } };
static const field predict_fields[] = {
    { "id", "string", "stable" }, { "rev", "integer", "raise it when the question changes" },
    { "title", "string", "for the jump menu" }, { "ask", "string|(string|block)[]", "the question" },
    { "given", "(string|block)[]|fun(lab: lab): (string|block)[]", "facts before the commit" },
    { "number", "number_rule", "a typed number" }, { "choice", "option[]", "one of several" },
    { "order", "order_rule", "items to rank" }, { "place", "place_rule", "a mark on an axis" },
    { "hints", "string[]", "in stages; none says the answer" }, { "wrong", "any[]", "typical wrong answers" },
    { "knobs", "table<string, knob>", "to turn after the reveal" },
    { "compute", "fun(lab: lab, knob: table): table", "the computation; never sees the guess" },
    { "answer", "any", "a cited answer, with source" }, { "source", "string", "of the cited answer" },
    { "correct", "fun(outcome: table): string", "which option the computation says is right" },
    { "because", "string", "the mechanism: an author's claim" },
    { "reveal", "(string|block)[]|fun(outcome: table, guess: guess?): (string|block)[]", "what is shown then" },
    { "card", "card", "for recall" }, { "takeaway", "string", "what to remember, where no card asks for it later" },
    { "dives", "string[]", "ids of deep dives" },
    { "links", "string[]", "ids of lessons" }, { NULL, NULL, NULL } };
static const field fill_fields[] = {
    { "id", "string", "" }, { "rev", "integer", "" }, { "title", "string", "" },
    { "ask", "string|(string|block)[]", "" }, { "columns", "column[]", "what is filled in" },
    { "reveal", "(string|block)[]", "shown after" }, { "card", "card", "" }, { "hints", "string[]", "" },
    { "dives", "string[]", "" }, { "links", "string[]", "" }, { NULL, NULL, NULL } };
static const field recall_fields[] = {
    { "id", "string", "" }, { "title", "string", "" }, { "front", "string", "the question" },
    { "back", "string", "the answer" }, { "again", "string", "the question in other words" },
    { "answer", "number|string|string[]", "typed and judged" }, { "unit", "string", "of a number" },
    { "within", "string", "of a number" }, { "dives", "string[]", "" }, { "links", "string[]", "" },
    { NULL, NULL, NULL } };
static const field explain_fields[] = {
    { "id", "string", "" }, { "title", "string", "" }, { "ask", "string|(string|block)[]", "" },
    { "model", "string", "our words, to compare with" }, { "dives", "string[]", "" }, { "links", "string[]", "" },
    { NULL, NULL, NULL } };
static const field explore_fields[] = {
    { "id", "string", "" }, { "rev", "integer", "" }, { "title", "string", "" },
    { "ask", "string|(string|block)[]", "" }, { "knobs", "table<string, knob>", "" },
    { "compute", "fun(lab: lab, knob: table): table", "" },
    { "reveal", "fun(outcome: table): (string|block)[]", "" }, { "dives", "string[]", "" }, { "links", "string[]", "" },
    { NULL, NULL, NULL } };
static const field dive_fields[] = {
    { "id", "string", "" }, { "title", "string", "the question it answers" },
    { "compute", "fun(lab: lab): table", "what settles it, computed when it is read" },
    { "reveal", "fun(outcome: table): (string|block)[]", "shown below the text" }, { NULL, NULL, NULL } };
static const field link_fields[] = {
    { "lesson", "string", "its id" }, { "title", "string", "" }, { NULL, NULL, NULL } };

static const struct loader_node nodes[] = {
    { "lesson", "the lesson; steps, parts, dives and links follow in order", lesson_fields },
    { "part", "the steps that follow belong to it", part_fields },
    { "read", "paragraphs and blocks", read_fields },
    { "predict", "a question that is computed after the learner has committed to a guess", predict_fields },
    { "fill", "a table that the learner completes: rows { label, right cell, ... }", fill_fields },
    { "recall", "a card of its own", recall_fields },
    { "explain", "the learner writes, then compares", explain_fields },
    { "explore", "knobs only", explore_fields },
    { "dive", "a deep dive", dive_fields },
    { "link", "a lesson that continues this; lines of a primer follow", link_fields },
};
enum { NODES = sizeof nodes / sizeof nodes[0] };

const struct loader_node *loader_node(size_t i)
{
    return i < NODES ? &nodes[i] : NULL;
}

static const struct loader_node *find_node(const char *kind)
{
    for (size_t i = 0; kind && i < NODES; i++)
        if (strcmp(nodes[i].kind, kind) == 0)
            return &nodes[i];
    return NULL;
}

/* --- findings ----------------------------------------------------------------------------------------------------- */

/* One file being loaded. */
struct load {
    const char *name, *text;
    size_t      size;
    json_t     *findings;
};

/* Start of line `line` (from 1), or the end. */
static const char *line_start(const char *text, size_t size, int line)
{
    const char *p = text, *end = text + size;
    while (--line > 0 && p < end) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        p = next ? next + 1 : end;
    }
    return p;
}

static bool is_word(const char *p, const char *text, const char *end, const char *word, size_t n)
{
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0
        && (p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '_'))
        && (p + n == end || !(isalnum((unsigned char)p[n]) || p[n] == '_'));
}

/* The next place of `word` at or after the start of `line`, at most 60 lines down; NULL if there is none. */
static const char *find_word(const char *text, size_t size, int line, const char *word)
{
    const char *end = text + size, *stop = line_start(text, size, line + 60);
    size_t n = strlen(word);
    for (const char *p = line_start(text, size, line); n > 0 && p < stop; p++)
        if (is_word(p, text, end, word, n))
            return p;
    return NULL;
}

void loader_finding(json_t *findings, const char *name, const char *text, size_t size, int line, const char *near,
                    const char *said)
{
    int column = 1;
    char path[512], line_of_text[640];
    protocol_line(name, path, sizeof path);
    protocol_line(said, line_of_text, sizeof line_of_text);
    const char *at = near && text && line > 0 ? find_word(text, size, line, near) : NULL;
    if (at)
        for (const char *p = line_start(text, size, line); p < at; p++)
            line += *p == '\n';
    if (text && line > 0) {
        const char *start = line_start(text, size, line), *p = start, *end = text + size;
        while (!at && p < end && (*p == ' ' || *p == '\t'))
            p++;
        column = (int)((at ? at : p) - start) + 1;
    }
    json_array_append_new(findings, json_pack("{s:s, s:i, s:i, s:s}", "path", path, "line", line > 0 ? line : 1,
                                              "column", column, "text", line_of_text));
}

static void find_fault(struct load *l, int line, const char *near, const char *said)
{
    loader_finding(l->findings, l->name, l->text, l->size, line, near, said);
}

/* --- short forms -------------------------------------------------------------------------------------------------- */

static const json_t *list_part(const json_t *value)
{
    return json_is_array(value) ? value : json_object_get(value, "#");
}

static bool is_function(const json_t *value)
{
    return json_object_get(value, "@function") != NULL;
}

static json_t *prose(const json_t *text)
{
    return json_pack("{s:s, s:O}", "view", "prose", "text", text);
}

/* A text, a block, or a list of both, as a list of blocks. */
static json_t *blocks(const json_t *value)
{
    json_t *list = json_array(), *item;
    size_t i;
    if (json_is_string(value))
        json_array_append_new(list, prose(value));
    else if (json_is_object(value) && json_object_get(value, "view"))
        json_array_append(list, (json_t *)(uintptr_t)value);
    json_array_foreach((json_t *)(uintptr_t)list_part(value), i, item) {
        if (json_is_string(item))
            json_array_append_new(list, prose(item));
        else
            json_array_append(list, item);
    }
    return list;
}

/* { { id, text }, ... } as [{"id", "text"}...]. */
static json_t *options(const json_t *value)
{
    json_t *list = json_array(), *item;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list_part(value), i, item) {
        if (json_is_array(item) && json_array_size(item) == 2)
            json_array_append_new(list, json_pack("{s:O, s:O}", "id", json_array_get(item, 0), "text",
                                                  json_array_get(item, 1)));
        else
            json_array_append(list, item);
    }
    return list;
}

static void without_marks(json_t *object)
{
    json_object_del(object, "@kind");
    json_object_del(object, "@line");
    json_object_del(object, "#");
}

/* choice = { { "a", "..." }, ... };  order = { first = "...", { "a", "..." }, ... } */
static json_t *rule(const json_t *value)
{
    json_t *made = json_is_object(value) ? json_copy((json_t *)(uintptr_t)value) : json_object();
    if (!json_object_get(made, "options"))
        json_object_set_new(made, "options", options(value));
    without_marks(made);
    return made;
}

/* { 60, from = 1, to = 100 } under its name. */
static json_t *knob(const char *name, const json_t *value)
{
    json_t *made = json_is_object(value) ? json_copy((json_t *)(uintptr_t)value) : json_object();
    json_object_set_new(made, "id", json_string(name));
    if (!json_object_get(made, "value"))
        json_object_set(made, "value", json_array_get(list_part(value), 0));
    json_object_del(made, "at");
    without_marks(made);
    return made;
}

struct named {
    const char *name;
    json_t     *value;
    double      at;
};

static int by_place(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : strcmp(x->name, y->name);
}

/* Lua tables have no order: `at` gives one, else the name. */
static json_t *knobs(const json_t *value)
{
    struct named sorted[16];
    size_t count = 0;
    const char *name;
    json_t *item, *list = json_array();
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
        if (count < 16 && name[0] != '@')
            sorted[count++] = (struct named){ name, item, view_number(item, "at", 99) };
    qsort(sorted, count, sizeof sorted[0], by_place);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, knob(sorted[i].name, sorted[i].value));
    return list;
}

/* { "label", "cell", ... } as {"label", "cells"}. */
static json_t *rows(const json_t *value)
{
    json_t *list = json_array(), *item;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list_part(value), i, item) {
        json_t *cells = json_array();
        for (size_t c = 1; c < json_array_size(item); c++)
            json_array_append(cells, json_array_get(item, c));
        json_array_append_new(list, json_pack("{s:O?, s:o}", "label", json_array_get(item, 0), "cells", cells));
    }
    return list;
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

static const char *kind_of(const json_t *node)
{
    return json_string_value(json_object_get(node, "@kind"));
}

static int line_of(const json_t *node)
{
    return (int)json_integer_value(json_object_get(node, "@line"));
}

static void copy_field(json_t *to, const json_t *from, const char *name)
{
    json_t *value = json_object_get(from, name);
    if (value)
        json_object_set(to, name, value);
}

static bool is_callback(const char *name)
{
    return strcmp(name, "compute") == 0 || strcmp(name, "reveal") == 0 || strcmp(name, "correct") == 0;
}

/* compute and correct are functions; a reveal may be blocks. */
static void check_callback(struct load *l, const json_t *node, const char *name, const json_t *value)
{
    char said[128];
    if (!is_callback(name) || strcmp(name, "reveal") == 0 || is_function(value))
        return;
    snprintf(said, sizeof said, "'%s' is a function: %s = function(%s) ... end", name, name,
             strcmp(name, "compute") == 0 ? "lab, knob" : "outcome");
    find_fault(l, line_of(node), name, said);
}

/* { id, text }, or said how it is written. */
static void check_options(struct load *l, const json_t *node, const char *name, const json_t *value)
{
    size_t i;
    json_t *item;
    if (strcmp(name, "choice") != 0 && strcmp(name, "order") != 0)
        return;
    json_array_foreach((json_t *)(uintptr_t)list_part(value), i, item)
        if (json_is_string(item)) {
            char said[160];
            snprintf(said, sizeof said, "an option is its id and what the learner reads: { \"%.40s\", \"...\" }",
                     json_string_value(item));
            find_fault(l, line_of(node), name, said);
            return;
        }
}

/* Every named field of a node is one that its kind has. */
static void check_fields(struct load *l, const json_t *node)
{
    const struct loader_node *n = find_node(kind_of(node));
    const char *name, *known[64];
    json_t *value;
    size_t count = 0;
    for (const field *f = n->fields; f->name; f++)
        known[count++] = f->name;
    json_object_foreach((json_t *)(uintptr_t)node, name, value) {
        bool found = name[0] == '@' || name[0] == '#';
        for (size_t i = 0; i < count; i++)
            found = found || strcmp(known[i], name) == 0;
        check_callback(l, node, name, value);
        check_options(l, node, name, value);
        if (found)
            continue;
        char said[256];
        const char *nearest = schema_nearest(name, known, count);
        snprintf(said, sizeof said, "unknown field '%.40s' in %s%s%s%s", name, n->kind,
                 nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
        find_fault(l, line_of(node), name, said);
    }
}

static json_t *plain_object(const json_t *value)
{
    if (!json_is_object(value))
        return json_incref((json_t *)(uintptr_t)value);
    json_t *made = json_copy((json_t *)(uintptr_t)value);
    without_marks(made);
    return made;
}

/* Field by field: what the author may write in a short form. */
static void set_step_field(json_t *step, const char *name, const json_t *value)
{
    if (strcmp(name, "ask") == 0)
        json_object_set_new(step, name, blocks(value));
    else if (strcmp(name, "given") == 0)
        json_object_set_new(step, name, is_function(value) ? json_true() : blocks(value));
    else if (strcmp(name, "choice") == 0 || strcmp(name, "order") == 0)
        json_object_set_new(step, name, rule(value));
    else if (strcmp(name, "knobs") == 0)
        json_object_set_new(step, name, knobs(value));
    else
        json_object_set_new(step, name, plain_object(value));
}

/* Anything of compute() or reveal() is the lab's work, also a reveal that is written as blocks. */
static json_t *make_step(const json_t *node, int part)
{
    const char *name, *kind = kind_of(node);
    json_t *value, *step = json_pack("{s:s, s:i}", "kind", kind, "line", line_of(node));
    json_object_foreach((json_t *)(uintptr_t)node, name, value)
        if (name[0] != '@' && name[0] != '#' && !is_callback(name))
            set_step_field(step, name, value);
    if (part >= 0)
        json_object_set_new(step, "part", json_integer(part));
    if (strcmp(kind, "read") == 0)
        json_object_set_new(step, "body", blocks(list_part(node)));
    if (strcmp(kind, "fill") == 0) {
        json_object_set_new(step, "rows", rows(node));
        if (json_object_get(node, "reveal"))
            json_object_set_new(step, "body", blocks(json_object_get(node, "reveal")));
    } else if (json_object_get(node, "compute") || json_object_get(node, "reveal"))
        json_object_set_new(step, "live", json_true());
    if (strcmp(kind, "recall") == 0) {
        json_t *card = json_object();
        static const char *const sides[] = { "front", "back", "again", "answer", "unit", "within" };
        for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
            copy_field(card, step, sides[i]);
            json_object_del(step, sides[i]);
        }
        json_object_set_new(step, "card", card);
    }
    return step;
}

/* A deep dive's text is in the document; what it computes is the lab's work when somebody reads it. */
static json_t *make_dive(const json_t *node)
{
    json_t *made = plain_object(node);
    json_object_set_new(made, "body", blocks(list_part(node)));
    if (json_object_get(node, "compute") || json_object_get(node, "reveal"))
        json_object_set_new(made, "live", json_true());
    json_object_del(made, "compute");
    json_object_del(made, "reveal");
    return made;
}

static json_t *make_simple(const json_t *node, const char *list_name, json_t *list)
{
    json_t *made = plain_object(node);
    json_object_set_new(made, list_name, list);
    return made;
}

/* --- the whole file ----------------------------------------------------------------------------------------------- */

static void append(json_t *document, const char *list, json_t *item)
{
    if (!json_object_get(document, list))
        json_object_set_new(document, list, json_array());
    json_array_append_new(json_object_get(document, list), item);
}

static void add_node(struct load *l, json_t *document, const json_t *node)
{
    const char *kind = kind_of(node);
    if (!kind || strcmp(kind, "lesson") == 0) {
        find_fault(l, kind ? line_of(node) : 1, NULL,
                   "a lesson holds parts, steps, dives and links: read { ... }, predict { ... }");
        return;
    }
    check_fields(l, node);
    int part = (int)json_array_size(json_object_get(document, "parts")) - 1;
    if (strcmp(kind, "part") == 0)
        append(document, "parts", plain_object(node));
    else if (strcmp(kind, "dive") == 0)
        append(document, "dives", make_dive(node));
    else if (strcmp(kind, "link") == 0)
        append(document, "links", make_simple(node, "primer", json_incref((json_t *)(uintptr_t)list_part(node))));
    else
        append(document, "steps", make_step(node, part));
}

static json_t *make_document(struct load *l, const json_t *tree)
{
    json_t *document = plain_object(tree), *node;
    size_t i;
    check_fields(l, tree);
    json_array_foreach((json_t *)(uintptr_t)list_part(tree), i, node)
        add_node(l, document, node);
    if (!json_object_get(document, "steps"))
        json_object_set_new(document, "steps", json_array());
    return document;
}

/* The line of the node that a message of document_new is about: "steps[3].number: ..." or "step 'id': ...". */
static int line_of_error(const json_t *document, const char *error)
{
    size_t index = 0, i;
    char id[80];
    json_t *step, *steps = json_object_get(document, "steps");
    if (sscanf(error, "steps[%zu]", &index) == 1 && index >= 1)
        return (int)json_integer_value(json_object_get(json_array_get(steps, index - 1), "line"));
    if (sscanf(error, "step '%79[^']'", id) == 1)
        json_array_foreach(steps, i, step)
            if (strcmp(view_text(step, "id", ""), id) == 0)
                index = (size_t)json_integer_value(json_object_get(step, "line"));
    return index ? (int)index : 1;
}

/* The word a message is about: the unknown field; else the last name before its text ("number.within: ..."); else the
 * first in quotes. */
static void word_of_error(const char *error, char *word, size_t size)
{
    const char *step = strncmp(error, "step '", 6) == 0 ? strstr(error, "': ") : NULL;
    const char *unknown = strstr(error, "unknown field '"), *quote, *colon = NULL;
    error = step ? step + 3 : error;
    quote = unknown ? unknown + strlen("unknown field ") : strchr(error, '\'');
    for (const char *p = error; !unknown && (p = strstr(p, ": ")); p++)
        colon = p;
    word[0] = '\0';
    if (colon) {
        const char *from = colon;
        while (from > error && (isalnum((unsigned char)from[-1]) || from[-1] == '_'))
            from--;
        snprintf(word, size, "%.*s", (int)(colon - from), from);
    } else if (quote)
        snprintf(word, size, "%.*s", (int)strcspn(quote + 1, "'"), quote + 1);
}

/* "steps[3]: ..." becomes "step 'zeros': ...": authors know their ids. */
static void name_step(const json_t *document, char *error, size_t size)
{
    size_t index = 0;
    int used = 0;
    char copy[512];
    if (sscanf(error, "steps[%zu]%n", &index, &used) != 1 || index < 1)
        return;
    const char *id = view_text(json_array_get(json_object_get(document, "steps"), index - 1), "id", "");
    if (!*id)
        return;
    snprintf(copy, sizeof copy, "%s", error + used);
    snprintf(error, size, "step '%.64s'%.400s", id, copy);
}

static bool check_document(struct load *l, json_t *document)
{
    char error[512], word[80];
    struct document *made = document_new(document, error, sizeof error);
    if (made) {
        document_free(made);
        return true;
    }
    word_of_error(error, word, sizeof word);
    name_step(document, error, sizeof error);
    find_fault(l, line_of_error(document, error), word, error);
    return false;
}

static void add_checksum(json_t *document, const char *text, size_t size)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(text, size, digest);
    sha256_hex(digest, hex);
    json_object_set_new(document, "sha256", json_string(hex));
}

/* Quoted words of a Lua syntax error ("... near 'foo'") say where on the line. */
static void add_problem(struct load *l, const struct host_problem *p)
{
    char word[64] = "";
    const char *near = strstr(p->text, "near '");
    if (near)
        snprintf(word, sizeof word, "%.*s", (int)strcspn(near + 6, "'"), near + 6);
    find_fault(l, p->line, word[0] ? word : NULL, p->text);
}

json_t *loader_document(const struct host_env *env, const char *name, const char *text, size_t size, json_t *findings)
{
    struct load l = { name, text, size, findings };
    struct host_problem problem;
    json_t *tree = NULL, *document = NULL;
    size_t before = json_array_size(findings);
    struct host *h = host_new(env);
    if (!h) {
        find_fault(&l, 1, NULL, "out of memory");
        return NULL;
    }
    if (host_load(h, name, text, size, &tree, &problem)) {
        document = make_document(&l, tree);
        add_checksum(document, text, size);
        if (json_array_size(findings) == before)
            check_document(&l, document);
    } else
        add_problem(&l, &problem);
    json_decref(tree);
    host_free(h);
    if (json_array_size(findings) == before)
        return document;
    json_decref(document);
    return NULL;
}

char *loader_read(const char *path, size_t *size, char *error, size_t error_size)
{
    struct stat info;
    int fd = infile_fd(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "rb");
    char *text = NULL;
    if (!file || fstat(fileno(file), &info) != 0)
        snprintf(error, error_size, "cannot read '%.200s': %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode) || info.st_size > LESSON_BYTES_MOST)
        snprintf(error, error_size, "cannot read '%.200s': not a file of at most 1 MiB", path);
    else if (!(text = malloc((size_t)info.st_size + 1)))
        snprintf(error, error_size, "out of memory");
    if (text)
        *size = fread(text, 1, (size_t)info.st_size, file);
    if (file)
        fclose(file);
    return text;
}
