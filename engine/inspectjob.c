/* inspectjob.c: the list of a file's tensors; one of them goes to portrait.c.
 * The list is cut where a message would not hold it; a pattern picks from it. */
#include "engine/inspectjob.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "engine/portrait.h"
#include "engine/tensorfile.h"
#include "engine/view.h"
#include "engine/viewtext.h"

enum { LISTED_MOST = 8000 }; /* a message holds 4 MiB */

struct inspect {
    const struct inspectjob_env *env;
    const json_t      *request;
    struct tensorfile *file;
};

static const char *name_of(const struct inspect *in, const struct safetensor *tensor)
{
    const char *slash = strrchr(view_text(in->request, "path", ""), '/');
    return *tensor->name ? tensor->name : slash ? slash + 1 : view_text(in->request, "path", "");
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

static bool is_pattern(const char *name)
{
    return name && strpbrk(name, "*?") != NULL;
}

static json_t *metadata(const struct inspect *in)
{
    json_t *all = json_object();
    const struct gguf_entry *entry;
    for (size_t i = 0; (entry = tensorfile_entry(in->file, i)); i++)
        json_object_set_new(all, entry->key, json_string(entry->text));
    return all;
}

static json_t *list(const struct inspect *in, const char *pattern)
{
    json_t *tensors = json_array();
    uint64_t bytes = 0, values = 0;
    size_t found = 0;
    for (size_t i = 0; i < tensorfile_count(in->file); i++) {
        const struct safetensor *t = tensorfile_at(in->file, i);
        if (pattern && fnmatch(pattern, t->name, 0) != 0)
            continue;
        bytes += t->bytes;
        values += t->count;
        if (++found <= LISTED_MOST)
            json_array_append_new(tensors, portrait_line(t, name_of(in, t)));
    }
    json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:f, s:o}", "kind", tensorfile_kind(in->file), "count",
                            (json_int_t)found, "values", (json_int_t)values, "bytes", (json_int_t)bytes,
                            "bits_per_weight", values ? 8.0 * (double)bytes / (double)values : 0, "tensors", tensors);
    if (found > LISTED_MOST)
        json_object_set_new(all, "left_out", json_integer((json_int_t)(found - LISTED_MOST)));
    if (tensorfile_entry(in->file, 0))
        json_object_set_new(all, "metadata", metadata(in));
    return all;
}

static char *bytes_text(double bytes, char *out, size_t size)
{
    return view_format_unit(bytes, "B", out, size);
}

static json_t *list_blocks(const struct inspect *in, const json_t *all)
{
    json_t *blocks = json_array(), *rows = json_array(), *line;
    char bytes[40], values[40];
    size_t i;
    json_array_append_new(
        blocks, viewtext_prose("%s: %llu tensors, %s values in %s, %.4g bits per value.", tensorfile_kind(in->file),
                               (unsigned long long)view_number(all, "count", 0),
                               view_format(view_number(all, "values", 0), values, sizeof values),
                               bytes_text(view_number(all, "bytes", 0), bytes, sizeof bytes),
                               view_number(all, "bits_per_weight", 0)));
    json_array_foreach(json_object_get(all, "tensors"), i, line) {
        char shape[160] = "", bits[24];
        size_t k;
        json_t *side;
        if (json_array_size(json_object_get(line, "shape")) == 0)
            snprintf(shape, sizeof shape, "one number");
        json_array_foreach(json_object_get(line, "shape"), k, side)
            snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", k ? " x " : "",
                     (long long)json_integer_value(side));
        snprintf(bits, sizeof bits, "%.4g", view_number(line, "bits_per_weight", 0));
        json_array_append_new(rows, json_pack("[s, s, s, s, s]", view_text(line, "name", ""), shape,
                                              view_text(line, "type", ""),
                                              bytes_text(view_number(line, "bytes", 0), bytes, sizeof bytes), bits));
    }
    json_array_append_new(blocks, json_pack("{s:s, s:[s, s, s, s, s], s:o}", "view", "table", "columns", "tensor",
                                            "shape", "type", "size", "bits a value", "rows", rows));
    if (json_object_get(all, "left_out"))
        json_array_append_new(
            blocks, viewtext_prose("%lld more are left out; name them by a pattern, such as 'model.layers.3.*'.",
                                   (long long)view_number(all, "left_out", 0)));
    return blocks;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static json_t *reply_of(json_t *report, json_t *blocks)
{
    return json_pack("{s:o, s:o}", "inspect", report, "blocks", blocks);
}

static json_t *look(const struct inspect *in, const char *name, char *error, size_t size)
{
    struct portrait p = { .env = in->env, .error = error, .size = size };
    json_t *reply = NULL;
    p.tensor = tensorfile_find(in->file, name, error, size);
    if (!p.tensor)
        return NULL;
    p.name = name_of(in, p.tensor);
    if (portrait_read(&p))
        reply = reply_of(portrait_json(&p), portrait_blocks(&p));
    portrait_free(&p);
    return reply;
}

json_t *inspectjob_run(const json_t *request, const struct inspectjob_env *env, char *error, size_t size)
{
    const char *name = view_text(request, "tensor", NULL);
    struct inspect in = { .env = env, .request = request };
    json_t *reply = NULL;
    in.file = tensorfile_open(view_text(request, "path", ""), error, size);
    if (in.file && (!name || is_pattern(name))) {
        json_t *all = list(&in, name);
        reply = reply_of(all, list_blocks(&in, all));
    } else if (in.file)
        reply = look(&in, name, error, size);
    tensorfile_close(in.file);
    return reply;
}
