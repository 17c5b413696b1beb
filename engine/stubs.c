/* stubs.c: from schema tables, node kinds and host functions to LuaLS annotations. */
#include "engine/stubs.h"

#include <string.h>

#include "engine/document.h"
#include "engine/host.h"
#include "engine/loader.h"
#include "engine/view.h"

enum { SEEN_MOST = 64 };

static const struct object *seen[SEEN_MOST];
static size_t seen_count;

/* "column mark" as a class name. */
static void print_class(FILE *out, const char *name)
{
    for (const char *p = name; *p; p++)
        fputc(*p == ' ' ? '_' : *p, out);
}

static void print_enum(FILE *out, const char *names)
{
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, "|");
        fprintf(out, "%s\"%.*s\"", p == names ? "" : "|", (int)n, p);
        p += n + (p[n] == '|');
    }
}

static void print_type(FILE *out, const struct field *f)
{
    bool brackets = f->flags & (FIELD_LIST | FIELD_GRID) && (f->type == FIELD_ENUM || f->type == FIELD_VALUE);
    fputs(brackets ? "(" : "", out);
    switch (f->type) {
    case FIELD_STRING:
    case FIELD_ID:      fputs("string", out); break;
    case FIELD_NUMBER:  fputs("number", out); break;
    case FIELD_INTEGER: fputs("integer", out); break;
    case FIELD_BOOL:    fputs("boolean", out); break;
    case FIELD_ENUM:    print_enum(out, f->names); break;
    case FIELD_OBJECT:  print_class(out, f->object->name); break;
    case FIELD_BLOCK:   fputs("block", out); break;
    case FIELD_VALUE:   fputs("string|number|boolean", out); break;
    case FIELD_ANY:     fputs("any", out); break;
    }
    fprintf(out, "%s%s", brackets ? ")" : "", f->flags & FIELD_GRID ? "[][]" : f->flags & FIELD_LIST ? "[]" : "");
}

/* What a tensor gives to a view that begins with one, and the fields that are then computed. */
static const struct taken {
    const char *object, *fields, *computed;
} taken[] = {
    { "hist", "---@field [1]? tensor whose values are counted; then from, to and counts need not be given\n"
              "---@field grid? quantized|tensor of it: the values and counts after rounding\n"
              "---@field bins? integer 2 to 256, default 64\n", "from to counts" },
    { "heat", "---@field [1]? tensor|quantized |x| of a tensor, the size of the error of a quantized one;"
              " then rows and shape need not be given\n", "rows shape" },
    { "map",  "---@field [1]? tensor|quantized |x|, or the size of the error; then levels need not be given\n",
              "levels" },
    { "grid", "---@field [1]? quantized whose values under its first scale are marked\n"
              "---@field format? string or those of a format, by its name\n", "" },
};

static const struct taken *taken_by(const struct object *object)
{
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(taken[i].object, object->name) == 0)
            return &taken[i];
    return NULL;
}

/* Is `name` one of the words? */
static bool among(const char *words, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = words; (p = strstr(p, name)); p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static void print_object(FILE *out, const struct object *object, const char *name);

/* Objects inside come first, each once. */
static void print_inner(FILE *out, const struct object *object)
{
    for (const struct field *f = object->fields; f->name; f++) {
        bool known = false;
        if (f->type != FIELD_OBJECT)
            continue;
        for (size_t i = 0; i < seen_count; i++)
            known = known || seen[i] == f->object;
        if (known || seen_count == SEEN_MOST)
            continue;
        seen[seen_count++] = f->object;
        print_object(out, f->object, f->object->name);
    }
}

static void print_object(FILE *out, const struct object *object, const char *name)
{
    const struct taken *given = taken_by(object);
    print_inner(out, object);
    fputs("---@class ", out);
    print_class(out, name);
    fprintf(out, "%s%s\n", object->help && *object->help ? " " : "", object->help ? object->help : "");
    for (const struct field *f = object->fields; f->name; f++) {
        if (strcmp(f->name, "view") == 0)
            continue;
        bool optional = !(f->flags & FIELD_REQUIRED) || (given && among(given->computed, f->name));
        fprintf(out, "---@field %s%s ", f->name, optional ? "?" : "");
        print_type(out, f);
        fprintf(out, "%s%s\n", f->help && *f->help ? " " : "", f->help ? f->help : "");
    }
    fprintf(out, "%s\n", given ? given->fields : "");
}

/* The kinds that a lesson makes; those after it are the session's own. */
static void print_views(FILE *out)
{
    fputs("-- A text alone, or in first place, is a view's text; lists in first place are its rows, terms, bars ...:\n"
          "-- view.note \"...\", view.table { { 1, 2 }, { 3, 4 }, columns = { \"a\", \"b\" } }\n\n"
          "---@class block what view.NAME gives\n\nview = {}\n\n", out);
    for (int k = VIEW_HEADING; k <= VIEW_STACK; k++) {
        char name[64];
        snprintf(name, sizeof name, "%s_fields", view_kinds[k].name);
        print_object(out, &view_kinds[k], name);
        fprintf(out, "--- %s\n---@param fields %s|string|table\n---@return block\nfunction view.%s(fields) end\n\n",
                view_kinds[k].help, name, view_kinds[k].name);
    }
}

static const struct field *find_field(const struct object *object, const char *name)
{
    for (const struct field *f = object->fields; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

/* Must every node of this kind have the field? A node is the lesson, or one of its parts, dives, links or steps. */
static bool needed(const char *kind, const char *name)
{
    char list[32];
    snprintf(list, sizeof list, "%ss", kind);
    const struct field *its = find_field(&lesson_schema, list);
    const struct field *f = find_field(strcmp(kind, "lesson") == 0 ? &lesson_schema
                                       : (its ? its : find_field(&lesson_schema, "steps"))->object, name);
    return f && f->flags & FIELD_REQUIRED;
}

/* The tables inside a step, by the names that loader.c gives their types. */
static void print_rules(FILE *out)
{
    static const char *const names[][2] = { { "number", "number_rule" },
                                            { "place", "place_rule" },
                                            { "card", "card" } };
    const struct object *step = find_field(&lesson_schema, "steps")->object;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        print_object(out, find_field(step, names[i][0])->object, names[i][1]);
    fputs(
        "---@class option\n---@field [1] string id\n---@field [2] string what the learner reads\n\n"
        "---@class order_rule\n---@field first string what the top of the list means\n---@field [integer] option\n\n"
        "---@class column\n---@field title string\n---@field choices string[]\n\n"
        "---@class guess\n---@field value any\n---@field text string\n---@field confidence any\n"
        "---@field hit boolean\n\n"
        "---@class knob\n---@field [1] number|string|boolean where it starts\n---@field from? number\n"
        "---@field to? number\n---@field scale? \"linear\"|\"log\"\n---@field step? number\n---@field unit? string\n"
        "---@field label? string\n---@field choices? string[]\n---@field at? integer its place among the knobs\n\n",
        out);
}

static void print_nodes(FILE *out)
{
    const struct loader_node *node;
    for (size_t i = 0; (node = loader_node(i)); i++) {
        fprintf(out, "---@class %s_fields\n", node->kind);
        for (const struct loader_field *f = node->fields; f->name; f++)
            fprintf(out, "---@field %s%s %s%s%s\n", f->name, needed(node->kind, f->name) ? "" : "?", f->type,
                    *f->help ? " " : "", f->help);
        fprintf(out, "---@field [integer] any\n\n--- %s\n---@param fields %s_fields\n---@return table\n"
                "function %s(fields) end\n\n", node->help, node->kind, node->kind);
    }
}

/* Names of the parameters of "a: T, b?: { c: U }": what stands before a ':' outside braces. */
static void print_parameters(FILE *out, const char *params, bool annotations)
{
    int depth = 0, count = 0;
    const char *start = params;
    for (const char *p = params;; p++) {
        depth += (*p == '{') - (*p == '}');
        if (*p && !(*p == ',' && depth == 0))
            continue;
        if (p > start) {
            start += strspn(start, " ");
            size_t name = strcspn(start, "?:");
            const char *type = strchr(start, ':') + 2;
            if (annotations)
                fprintf(out, "---@param %.*s%s %.*s\n", (int)name, start, start[name] == '?' ? "?" : "",
                        (int)(p - type), type);
            else
                fprintf(out, "%s%.*s", count++ ? ", " : "", (int)name, start);
        }
        if (!*p)
            return;
        start = p + 1;
    }
}

static void print_host(FILE *out)
{
    const struct host_doc *doc;
    fputs("---@class lab what computes; inside compute() and given()\nlocal lab = {}\n\n"
          "---@class timing\n---@field format string\n---@field name string of lab.attention's\n"
          "---@field seconds number the median\n---@field low number the middle half from here\n"
          "---@field high number to here\n---@field fastest number\n"
          "---@field times number how many times faster than the first, by rounds; the median\n"
          "---@field times_low number\n---@field times_high number\n---@field bytes number\n"
          "---@field gb_per_s number\n---@field flops number\n---@field kernel string\n"
          "---@field activations string of lab.gemv's: fp32, int8 or bf16\n"
          "---@field granularity string how fine the activations' scales are\n"
          "---@field timed_rows integer what was computed of lab.gemv's rows; times are of all\n"
          "---@field output_sqnr_db number of lab.attention's\n\n"
          "---@class timings\n---@field [integer] timing\n---@field stream timing\n"
          "---@field order string[] fastest first\n---@field ties string for an outcome: 'a=b c'\n"
          "---@field noisy? string for an outcome's `unscored`\n---@field rounds integer\n"
          "---@field dropped integer interrupted rounds\n\n"
          "---@class cast\n---@field value number\n---@field code integer\n---@field bits string\n"
          "---@field lanes integer[]\n---@field step number\n---@field title string\n---@field format string\n\n"
          "---@class format\n---@field name string\n---@field title string\n---@field bits integer\n"
          "---@field lanes integer[]\n---@field max number\n---@field normal number\n---@field smallest number\n"
          "---@field scale string the one it has unless told otherwise\n"
          "---@field block integer values that share a scale it brings, else 0\n---@field bits_per_weight number\n"
          "---@field values fun(from?: number, to?: number): number[]\n"
          "---@field count fun(from?: number, to?: number): integer\n\n"
          "---@class tensor\nlocal tensor = {}\n\n---@class quantized\nlocal quantized = {}\n\n", out);
    for (size_t i = 0; (doc = host_doc(i)); i++) {
        if (*doc->help)
            fprintf(out, "--- %s\n", doc->help);
        if (!doc->returns) {
            fprintf(out, "---@type %s\n%s = nil\n\n", doc->params, doc->name);
            continue;
        }
        print_parameters(out, doc->params, true);
        fprintf(out, "---@return %s\nfunction %s(", doc->returns, doc->name);
        print_parameters(out, doc->params, false);
        fputs(") end\n\n", out);
    }
    fputs("--- A number as the screen writes it; with decimals, or with a unit.\n---@param x number\n"
          "---@param how? integer|string\n---@return string\nfunction fmt(x, how) end\n", out);
}

void stubs_print(FILE *out)
{
    seen_count = 0;
    fputs("---@meta\n-- What a Saffron lesson can use. Made by `make stubs`; not read by Saffron itself.\n"
          "error \"for editors only\"\n\n", out);
    print_nodes(out);
    print_rules(out);
    print_views(out);
    print_host(out);
}
