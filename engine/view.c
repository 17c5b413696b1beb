/* view.c: the table of view kinds, and reading their fields.
 * One row says what a block may hold; the lab checks what reveal() built, the tutor checks it again on arrival. */
#include "engine/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT(n, h)         { .name = n, .type = FIELD_STRING, .help = h }
#define NEED_TEXT(n, h)    { .name = n, .type = FIELD_STRING, .flags = FIELD_REQUIRED, .help = h }
#define NUM(n, h)          { .name = n, .type = FIELD_NUMBER, .help = h }
#define NEED_NUM(n, h)     { .name = n, .type = FIELD_NUMBER, .flags = FIELD_REQUIRED, .help = h }
#define BOOL(n, h)         { .name = n, .type = FIELD_BOOL, .help = h }
#define ENUM(n, set, h)    { .name = n, .type = FIELD_ENUM, .names = set, .help = h }
#define NUMS(n, m, h)      { .name = n, .type = FIELD_NUMBER, .flags = FIELD_LIST, .most = m, .help = h }
#define TEXTS(n, m, h)     { .name = n, .type = FIELD_STRING, .flags = FIELD_LIST, .most = m, .help = h }
#define LIST(n, o, m, h)   { .name = n, .type = FIELD_OBJECT, .flags = FIELD_LIST, .object = &o, .most = m, .help = h }
#define NEED_LIST(n, o, m, h) \
    { .name = n, .type = FIELD_OBJECT, .flags = FIELD_LIST | FIELD_REQUIRED, .object = &o, .most = m, .help = h }
#define ONE(n, o, h)       { .name = n, .type = FIELD_OBJECT, .object = &o, .help = h }
#define VIEW(v)            ENUM("view", v, "the kind")
#define SCALE              ENUM("scale", "linear|log", "of the axis")
#define ROLE               ENUM("role", VIEW_ROLES, "whose mark it is")
#define END                { .name = NULL }

static const struct object mark = { "mark", (const struct field[]){
    NEED_NUM("at", "where on the axis"), TEXT("label", "a word or a number"), ROLE, END },
    "a mark on an axis" };

static const struct object axis = { "axis", (const struct field[]){
    TEXT("label", "what it measures"), TEXT("unit", "its unit"), SCALE, NUM("from", ""), NUM("to", ""), END },
    "one axis of a plot" };

static const struct object term = { "term", (const struct field[]){
    NEED_TEXT("label", "what is multiplied"), NEED_NUM("value", "its value"), TEXT("unit", "of the value"),
    ENUM("op", "*|/|+|-|=", "how it joins the running result; the first is =; default *"),
    TEXT("source", "where the value stands"), BOOL("struck", "shown struck out, and left out of the result"),
    TEXT("note", "a short remark"), END },
    "a line of a formula" };

static const struct object code_lane = { "bits row", (const struct field[]){
    NEED_TEXT("label", "the format's title"), TEXT("value", "the decoded value"),
    NEED_TEXT("bits", "'0' and '1', most significant first"),
    { .name = "lanes", .type = FIELD_INTEGER, .flags = FIELD_LIST | FIELD_REQUIRED, .min = 0, .max = 64, .most = 4,
      .help = "widths: sign, exponent, mantissa" },
    TEXT("step", "distance to the next value"), TEXT("note", ""), ROLE, END },
    "the code of one value in one format" };

static const struct object bar_part = { "part", (const struct field[]){
    NEED_TEXT("label", ""), NEED_NUM("value", ""), ROLE, END }, "a part of a bar or a stack" };

static const struct object bar = { "bar", (const struct field[]){
    NEED_TEXT("label", ""), NUM("value", "its length; absent when it has parts"), ROLE, TEXT("note", "behind the bar"),
    LIST("parts", bar_part, 12, "split into parts"), NUM("low", "spread, lower end"), NUM("high", "spread, upper end"),
    NUM("guess", "the learner's value for this bar"), END },
    "one bar" };

static const struct object interval = { "interval", (const struct field[]){
    NEED_TEXT("label", ""), NEED_NUM("value", ""), NUM("low", "lower end"), NUM("high", "upper end"), ROLE,
    TEXTS("cells", 6, "what stands in the columns, the value's number among it; absent: that stands behind"),
    BOOL("focused", ""), END },
    "a value and its interval" };

static const struct object series = { "series", (const struct field[]){
    NEED_TEXT("label", ""), { .name = "x", .type = FIELD_NUMBER, .flags = FIELD_LIST | FIELD_REQUIRED, .most = 512 },
    { .name = "y", .type = FIELD_NUMBER, .flags = FIELD_LIST | FIELD_REQUIRED, .most = 512 },
    ENUM("style", "line|step|points", "default line"), ROLE, END },
    "one curve" };

static const struct object reference = { "reference", (const struct field[]){
    NUM("x", "a vertical line here"), NUM("y", "or a horizontal one"), TEXT("label", ""), ROLE, END },
    "a reference line" };

static const struct object roof = { "roof", (const struct field[]){
    NEED_TEXT("label", "the machine"), NEED_NUM("bandwidth", "bytes a second"), NEED_NUM("peak", "FLOPs a second"),
    TEXT("source", "measured, or the data sheet"), END }, "a machine's two limits" };

static const struct object roof_point = { "roofline point", (const struct field[]){
    NEED_TEXT("label", ""), NEED_NUM("intensity", "FLOPs a byte"), NEED_NUM("speed", "FLOPs a second"), ROLE, END },
    "a kernel on a roofline" };

static const struct object stack_row = { "stack row", (const struct field[]){
    NEED_TEXT("label", ""), NEED_LIST("parts", bar_part, 12, "in order"), TEXT("note", "behind the stack"), END },
    "one stack" };

static const struct object column_mark = { "column mark", (const struct field[]){
    { .name = "at", .type = FIELD_INTEGER, .flags = FIELD_REQUIRED, .min = 0, .max = 1e9, .help = "column, from 0" },
    TEXT("label", ""), END }, "a column worth pointing at" };

static const struct object map = { "map", (const struct field[]){
    NEED_TEXT("label", ""), TEXT("note", "a second line: its figure"), ROLE,
    { .name = "levels", .type = FIELD_STRING, .flags = FIELD_LIST | FIELD_REQUIRED, .most = 128, .max = 256,
      .help = "as the rows of heat" }, END }, "one of several matrices" };

static const struct object knob = { "knob", (const struct field[]){
    NEED_TEXT("name", ""), TEXT("label", ""), { .name = "value", .type = FIELD_VALUE, .flags = FIELD_REQUIRED },
    TEXTS("choices", 16, "the values of a choice knob"), NUM("from", ""), NUM("to", ""), SCALE,
    TEXT("unit", ""), BOOL("focused", ""),
    { .name = "bit", .type = FIELD_INTEGER, .min = 0, .max = 63, .help = "of a code: the place with the focus" },
    END }, "a knob" };

static const struct object option = { "option", (const struct field[]){
    NEED_TEXT("id", ""), NEED_TEXT("text", ""), TEXT("right", "a remark at the right edge"),
    BOOL("focused", ""), BOOL("picked", ""), BOOL("heading", "a title, not an option"),
    ENUM("state", "done|doing|new|right|wrong", "a glyph and a word"), END }, "an option" };

static const struct object cell = { "cell", (const struct field[]){
    NEED_TEXT("text", ""), BOOL("focused", ""), BOOL("open", "to be filled in"),
    ENUM("state", "right|wrong", "after the commit"), TEXT("right", "the right text, where it was missed"), END },
    "a cell being filled in" };

static const struct object cell_row = { "cell row", (const struct field[]){
    NEED_TEXT("label", ""), NEED_LIST("cells", cell, 8, ""), END }, "a row being filled in" };

static const struct object cell_column = { "cell column", (const struct field[]){
    NEED_TEXT("title", ""), TEXTS("choices", 9, "what the column's cells can be"), END }, "a column being filled in" };

/* ORDER VIEW_KIND */
const struct object view_kinds[VIEW_KIND_COUNT] = {
    [VIEW_HEADING] = { "heading", (const struct field[]){ VIEW("heading"), NEED_TEXT("text", ""), END }, "a heading" },
    [VIEW_PROSE] = { "prose", (const struct field[]){
        VIEW("prose"), NEED_TEXT("text", ""), BOOL("big", "the figure a question is about, alone on its line"), END },
        "one paragraph" },
    [VIEW_NOTE] = { "note", (const struct field[]){
        VIEW("note"), TEXT("title", "what it is about"), NEED_TEXT("text", ""),
        BOOL("beside", "on wide screens it stands beside what is above it"), END }, "an aside" },
    [VIEW_QUOTE] = { "quote", (const struct field[]){ VIEW("quote"), NEED_TEXT("text", ""), END },
        "the pantry analogy" },
    [VIEW_CODE] = { "code", (const struct field[]){
        VIEW("code"), NEED_TEXT("text", "lines"), TEXT("caption", "file and function"),
        { .name = "beside", .type = FIELD_BOOL, .help = "on wide screens it stands beside what is above it" },
        END }, "source or a config" },
    [VIEW_TABLE] = { "table", (const struct field[]){
        VIEW("table"), TEXTS("columns", 8, "titles"),
        { .name = "rows", .type = FIELD_VALUE, .flags = FIELD_GRID | FIELD_REQUIRED, .most = 8, .help = "cells" },
        TEXT("caption", ""), TEXT("source", "of cited figures"), END }, "a table" },
    [VIEW_FORMULA] = { "formula", (const struct field[]){
        VIEW("formula"), TEXT("title", ""), NEED_LIST("terms", term, 16, ""), TEXT("result", "name of the result"),
        TEXT("unit", "of the result"), TEXT("note", ""), END }, "a product, one term a line" },
    [VIEW_BITS] = { "bits", (const struct field[]){
        VIEW("bits"), NEED_LIST("rows", code_lane, 16, ""), TEXT("caption", ""), END },
        "sign, exponent and mantissa lanes" },
    [VIEW_GRID] = { "grid", (const struct field[]){
        VIEW("grid"), NEED_NUM("from", ""), NEED_NUM("to", ""), SCALE, TEXT("unit", ""), TEXT("title", ""),
        NUMS("values", 512, "the format's values in [from, to]"), LIST("marks", mark, 32, ""), END }, "a number line" },
    [VIEW_HIST] = { "hist", (const struct field[]){
        VIEW("hist"), NEED_NUM("from", ""), NEED_NUM("to", ""), TEXT("title", ""), TEXT("unit", ""),
        { .name = "counts", .type = FIELD_NUMBER, .flags = FIELD_LIST | FIELD_REQUIRED, .most = 256,
          .help = "values a bin" },
        NUMS("after", 256, "the same bins after rounding"), NUMS("values", 512, "the grid's values in [from, to]"),
        LIST("marks", mark, 16, ""), TEXT("note", ""), END }, "a histogram over a grid" },
    [VIEW_HEAT] = { "heat", (const struct field[]){
        VIEW("heat"), TEXT("title", ""),
        { .name = "rows", .type = FIELD_STRING, .flags = FIELD_LIST | FIELD_REQUIRED, .most = 128, .max = 256,
          .help = "one string a row, one of '0'..'9', 'a'..'f' a cell (16 levels), 'n' for NaN" },
        { .name = "shape", .type = FIELD_INTEGER, .flags = FIELD_LIST | FIELD_REQUIRED, .min = 0, .max = 1e12,
          .most = 2, .help = "rows and columns of the matrix before it was reduced" },
        TEXT("row", "what a row is"), TEXT("column", "what a column is"), TEXT("low", "what level 0 stands for"),
        TEXT("high", "what level 15 stands for"), TEXT("measure", "|x|, error"),
        LIST("marks", column_mark, 8, "columns of the matrix"), END }, "a matrix as levels" },
    [VIEW_MAPS] = { "maps", (const struct field[]){
        VIEW("maps"), TEXT("title", ""), NEED_LIST("maps", map, 6, ""), BOOL("beside", "side by side, not as strips"),
        TEXT("low", "what level 0 stands for"), TEXT("high", "what level 15 stands for"),
        TEXT("measure", "|x|, error"), END }, "several matrices on one scale" },
    [VIEW_BARS] = { "bars", (const struct field[]){
        VIEW("bars"), TEXT("title", ""), NEED_LIST("bars", bar, 24, ""), TEXT("unit", ""), SCALE,
        NUM("from", "default 0"), NUM("to", "default the largest"), LIST("marks", mark, 8, "on the bars' axis"), END },
        "bars on one axis" },
    [VIEW_INTERVALS] = { "intervals", (const struct field[]){
        VIEW("intervals"), TEXT("title", "what the axis measures"), NEED_LIST("rows", interval, 64, ""),
        TEXT("unit", "of the values"), TEXTS("columns", 6, "titles"),
        { .name = "spare", .type = FIELD_INTEGER, .min = 0, .max = 6,
          .help = "so many of the last columns may be left out where it is narrow" },
        NUM("from", "default the least, at most 0"), NUM("to", "default the largest, at least 0"),
        NUM("knee", "beyond this, on both sides of 0, the axis is logarithmic; default linear"), END },
        "values with intervals on one axis" },
    [VIEW_PLOT] = { "plot", (const struct field[]){
        VIEW("plot"), TEXT("title", ""), NEED_LIST("series", series, 8, ""), ONE("x", axis, ""), ONE("y", axis, ""),
        LIST("refs", reference, 8, ""), ONE("guess", reference, "the learner's value, on x or on y"), END },
        "curves" },
    [VIEW_ROOFLINE] = { "roofline", (const struct field[]){
        VIEW("roofline"), TEXT("title", ""), NEED_LIST("roofs", roof, 4, ""), LIST("points", roof_point, 24, ""), END },
        "attainable speed over FLOPs a byte" },
    [VIEW_STACK] = { "stack", (const struct field[]){
        VIEW("stack"), TEXT("title", ""), NEED_LIST("rows", stack_row, 12, ""), NEED_NUM("capacity", "of each row"),
        TEXT("unit", ""), LIST("marks", mark, 8, ""), END }, "memory budgets" },
    [VIEW_KNOBS] = { "knobs", (const struct field[]){ VIEW("knobs"), NEED_LIST("knobs", knob, 8, ""), END }, "knobs" },
    [VIEW_INPUT] = { "input", (const struct field[]){
        VIEW("input"), TEXT("label", ""), NEED_TEXT("text", "what was typed"), TEXT("echo", "as it was understood"),
        { .name = "cursor", .type = FIELD_INTEGER, .min = 0, .max = 65536, .help = "byte offset of the cursor" },
        BOOL("multiline", ""), TEXT("unit", ""), TEXT("hint", "shown while it is empty"), END }, "text being typed" },
    [VIEW_CHOICES] = { "choices", (const struct field[]){
        VIEW("choices"), NEED_LIST("options", option, 16, ""), END }, "options to pick one of" },
    [VIEW_PLACE] = { "place", (const struct field[]){
        VIEW("place"), NEED_NUM("from", ""), NEED_NUM("to", ""), SCALE, TEXT("unit", ""), NEED_NUM("at", ""),
        TEXT("text", "what was typed so far"), TEXT("label", ""), END }, "an axis with the learner's mark" },
    [VIEW_RANKING] = { "ranking", (const struct field[]){
        VIEW("ranking"), NEED_LIST("options", option, 12, ""), TEXT("first", "what the top of the list means"), END },
        "items to order" },
    [VIEW_CELLS] = { "cells", (const struct field[]){
        VIEW("cells"), NEED_LIST("columns", cell_column, 8, ""), NEED_LIST("rows", cell_row, 16, ""), END },
        "a table to fill in" },
    [VIEW_SURE] = { "sure", (const struct field[]){
        VIEW("sure"), NEED_TEXT("guess", "the guess, as understood"), TEXT("rule", "what counts as right"), END },
        "how sure" },
    [VIEW_MENU] = { "menu", (const struct field[]){
        VIEW("menu"), NEED_LIST("items", option, 256, ""), TEXT("empty", "shown when there is none"), END },
        "things to open" },
    [VIEW_WORKING] = { "working", (const struct field[]){
        VIEW("working"), NEED_TEXT("label", ""), NUM("fraction", "0 to 1"), END }, "a computation under way" },
};

enum view_kind view_kind_of(const json_t *block)
{
    const char *name = json_string_value(json_object_get(block, "view"));
    for (int k = 0; name && k < VIEW_KIND_COUNT; k++)
        if (strcmp(view_kinds[k].name, name) == 0)
            return (enum view_kind)k;
    return VIEW_KIND_COUNT;
}

bool view_check(const json_t *block, char *error, size_t size)
{
    enum view_kind kind = view_kind_of(block);
    if (kind == VIEW_KIND_COUNT) {
        const char *name = json_string_value(json_object_get(block, "view"));
        snprintf(error, size, "unknown view '%.40s'", name ? name : "");
        return false;
    }
    return schema_check(block, &view_kinds[kind], error, size);
}

bool view_check_list(const json_t *blocks, char *error, size_t size)
{
    if (!json_is_array(blocks)) {
        snprintf(error, size, "expected a list of views");
        return false;
    }
    size_t i;
    json_t *block;
    json_array_foreach(blocks, i, block) {
        char why[256];
        if (!view_check(block, why, sizeof why)) {
            snprintf(error, size, "block %zu: %s", i + 1, why);
            return false;
        }
    }
    return true;
}

const char *view_text(const json_t *block, const char *name, const char *absent)
{
    const char *text = json_string_value(json_object_get(block, name));
    return text ? text : absent;
}

double view_as_number(const json_t *value)
{
    if (json_is_number(value))
        return json_number_value(value);
    const char *text = json_string_value(value);
    if (text && strcmp(text, "inf") == 0)
        return INFINITY;
    if (text && strcmp(text, "-inf") == 0)
        return -INFINITY;
    return NAN;
}

double view_number(const json_t *block, const char *name, double absent)
{
    const json_t *value = json_object_get(block, name);
    return value ? view_as_number(value) : absent;
}

bool view_flag(const json_t *block, const char *name)
{
    return json_is_true(json_object_get(block, name));
}

/* Inserts commas into the integer digits of a plain decimal. */
static void group_thousands(const char *plain, char *out, size_t size)
{
    const char *digits = plain + (*plain == '-');
    size_t whole = strcspn(digits, ".");
    size_t used = 0;
    if (*plain == '-' && used + 1 < size)
        out[used++] = '-';
    for (size_t i = 0; digits[i] && used + 2 < size; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

char *view_format(double value, char *out, size_t size)
{
    char plain[64];
    double magnitude = fabs(value);
    if (isnan(value))
        snprintf(out, size, "nan");
    else if (isinf(value))
        snprintf(out, size, value > 0 ? "inf" : "-inf");
    else if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e15))
        snprintf(out, size, "%.3g", value);
    else {
        int decimals = 0;
        if (magnitude > 0 && magnitude < 100 && value != floor(value)) {
            int exponent = (int)floor(log10(magnitude));
            decimals = 2 - exponent;
        }
        if (magnitude >= 100 && magnitude < 1000 && fabs(value - rint(value)) > 0.05)
            decimals = 1;
        snprintf(plain, sizeof plain, "%.*f", decimals, value);
        if (decimals > 0) {
            char *end = plain + strlen(plain) - 1;
            while (*end == '0')
                *end-- = '\0';
            if (*end == '.')
                *end = '\0';
        }
        if (magnitude >= 10000)
            group_thousands(plain, out, size);
        else
            snprintf(out, size, "%s", plain);
    }
    return out;
}

char *view_format_unit(double value, const char *unit, char *out, size_t size)
{
    char number[64];
    if (!unit || !*unit)
        return view_format(value, out, size);
    if (strcmp(unit, "B") == 0) {
        static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
        size_t i = 0;
        while (i < 4 && fabs(value) >= 1024) {
            value /= 1024;
            i++;
        }
        snprintf(out, size, "%s %s", view_format(value, number, sizeof number), names[i]);
    } else
        snprintf(out, size, "%s %s", view_format(value, number, sizeof number), unit);
    return out;
}
