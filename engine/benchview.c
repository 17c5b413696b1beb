/* benchview.c: bars in percent of what plain loops reach, the speed itself behind each bar. */
#include "engine/benchview.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/view.h"

enum { BARS_MOST = 24 };

static void add(json_t *list, json_t *block)
{
    json_array_append_new(list, block);
}

static json_t *prose(const char *text)
{
    return json_pack("{s:s, s:s}", "view", "prose", "text", text);
}

static const char *place(const json_t *row)
{
    return strcmp(view_text(row, "size", ""), "cache") == 0 ? "in cache" : "from memory";
}

static json_t *limits(const json_t *bench)
{
    json_t *rows = json_array(), *row;
    size_t i;
    json_array_foreach(json_object_get(bench, "limits"), i, row) {
        char name[64], speed[40];
        double read = view_number(row, "read", 0), written = view_number(row, "written", 0);
        const char *what = view_text(row, "name", "");
        if (strcmp(what, "S") == 0)
            snprintf(name, sizeof name, "read %g, write %g", read, written);
        else
            snprintf(name, sizeof name, "%s", strcmp(what, "R") == 0 ? "read only" : what);
        snprintf(speed, sizeof speed, "%.3g GB/s", view_number(row, "gb_per_s", 0));
        json_array_append_new(rows, json_pack("[s, s, s]", name, place(row), speed));
    }
    return json_pack("{s:s, s:[s, s, s], s:o}", "view", "table", "columns", "plain loops", "", "best", "rows", rows);
}

/* "gemv", from memory: products are compared with reading, everything else with its own mix. */
static bool against_read(const json_t *row)
{
    return !json_is_null(json_object_get(row, "of_f16"));
}

/* Bound by arithmetic: there are operations to count, no share of the memory's speed. */
static bool by_arithmetic(const json_t *row)
{
    return json_object_get(row, "tflop_per_s") != NULL;
}

static json_t *bar(const json_t *row)
{
    char label[80], note[160], f16[40] = "";
    const char *input = view_text(row, "activations", NULL), *shape = view_text(row, "shape", "");
    double share = view_number(row, against_read(row) ? "of_read" : "of_stream", 0);
    if (against_read(row))
        snprintf(f16, sizeof f16, ", %.2f x F16", view_number(row, "of_f16", 0));
    snprintf(label, sizeof label, "%s%s%s%s%s", view_text(row, "format", ""), against_read(row) && input ? " x " : "",
             against_read(row) && input ? input : "", *shape ? " " : "", shape);
    snprintf(note, sizeof note, "%.3g GB/s%s, %s", view_number(row, "gb_per_s", 0), f16, view_text(row, "isa", ""));
    if (by_arithmetic(row))
        snprintf(note, sizeof note, "%.4g ms, %s", 1e-3 * view_number(row, "us", 0), view_text(row, "isa", ""));
    return json_pack("{s:s, s:f, s:s, s:s}", "label", label, "value", by_arithmetic(row)
                     ? view_number(row, "tflop_per_s", 0) : 100 * share, "note", note, "role", "outcome");
}

/* Rows from `first` on that belong together, as many as one figure holds; where the next begin. */
static size_t figure(json_t *list, const json_t *kernels, size_t first)
{
    const json_t *head = json_array_get(kernels, first), *row = head;
    const char *op = view_text(head, "op", ""), *size = view_text(head, "size", "");
    json_t *bars = json_array();
    char title[120];
    snprintf(title, sizeof title, "%s, %s: %% of %s", op, place(head),
             against_read(head) ? "the read loop" : "the plain loop");
    if (by_arithmetic(head))
        snprintf(title, sizeof title, "%s: TFLOP/s", op);
    size_t i = first;
    for (; row && json_array_size(bars) < BARS_MOST && strcmp(op, view_text(row, "op", "")) == 0 &&
           strcmp(size, view_text(row, "size", "")) == 0;
         row = json_array_get(kernels, ++i))
        json_array_append_new(bars, bar(row));
    if (by_arithmetic(head)) {
        add(list, json_pack("{s:s, s:s, s:o, s:s}", "view", "bars", "title", title, "bars", bars, "unit", "TFLOP/s"));
        return i;
    }
    add(list, json_pack("{s:s, s:s, s:o, s:s, s:[{s:s, s:f, s:s}]}", "view", "bars", "title", title, "bars", bars,
                        "unit", "%", "marks", "label", "100", "at", 100.0, "role", "limit"));
    return i;
}

/* The rows in the order of people: sizes, then operations, each in the order in which it was timed. */
static json_t *sorted(const json_t *kernels)
{
    json_t *out = json_array(), *row, *other;
    size_t i, k;
    json_array_foreach(kernels, i, row) {
        bool known = false;
        json_array_foreach(out, k, other)
            known = known || other == row;
        if (known)
            continue;
        for (k = i; (other = json_array_get(kernels, k)); k++)
            if (strcmp(view_text(row, "op", ""), view_text(other, "op", "")) == 0 &&
                strcmp(view_text(row, "size", ""), view_text(other, "size", "")) == 0)
                json_array_append(out, other);
    }
    return out;
}

json_t *benchview_blocks(const json_t *bench)
{
    const json_t *machine = json_object_get(bench, "machine"), *caches = json_object_get(machine, "caches");
    json_t *list = json_array(), *kernels = sorted(json_object_get(bench, "kernels"));
    char text[400];
    snprintf(text, sizeof text,
             "%s, %d threads, instruction set %s, second cache %d KiB, last cache %.3g MiB. Medians of %d rounds.",
             view_text(machine, "cpu", ""), (int)view_number(machine, "threads", 1),
             view_text(machine, "isa", ""), (int)(view_number(caches, "l2_bytes", 0) / 1024),
             view_number(caches, "last_bytes", 0) / (1 << 20), (int)view_number(machine, "rounds", 0));
    if (view_text(machine, "gpu", NULL))
        snprintf(text, sizeof text, "%s. Medians of %d graphs of launches over rotating buffers.",
                 view_text(machine, "gpu", ""), (int)view_number(machine, "rounds", 0));
    add(list, prose(text));
    add(list, limits(bench));
    for (size_t i = 0; i < json_array_size(kernels);)
        i = figure(list, kernels, i);
    json_decref(kernels);
    return list;
}
