/* qualityview.c: see qualityview.h. The table of plain mode; the screen (tutor/qualityboard.c) draws its own. */
#include "engine/qualityview.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/protocol.h"
#include "engine/view.h"

static const json_t *runs_of(const json_t *quality)
{
    return json_object_get(quality, "runs");
}

const char *qualityview_unit(const json_t *quality)
{
    return json_object_get(json_array_get(runs_of(quality), 0), "bits_per_token") ? "bits/token" : "bits/byte";
}

double qualityview_loss(const json_t *run)
{
    return view_number(run, "bits_per_byte", view_number(run, "bits_per_token", NAN));
}

/* What was measured how, into out[0..size). */
static char *about(const json_t *quality, char *out, size_t size)
{
    char by[600] = "", model[101];
    const char *device = view_text(quality, "device", "cpu");
    bool own = strcmp(view_text(quality, "calibration", ""), "own text") == 0;
    if (strcmp(device, "cpu") != 0)
        snprintf(by, sizeof by, " Computed by %.500s.", device);
    protocol_line(view_text(quality, "model", ""), model, sizeof model); /* cut between characters */
    snprintf(out, size, "%s: %.3g million parameters; %d predictions in windows of %d. Computed in FP32 "
             "on decoded values (simulated): losses are real, times are not the format's. ± is the paired standard "
             "error; who cannot be told apart within two of it shares a rank.%s%s", model,
             1e-6 * view_number(quality, "parameters", 0), (int)view_number(quality, "predicted", 0),
             (int)view_number(quality, "context", 0), own ? "" : " Calibrated on the beginning of the same text.", by);
    return out;
}

static json_t *cell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static json_t *cell(const char *format, ...)
{
    char value[64];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    return json_string(value);
}

static json_t *row_of(const json_t *run, bool plain)
{
    json_t *row = json_array();
    json_array_append_new(row, cell("%d", (int)view_number(run, "rank", 0)));
    json_array_append(row, json_object_get(run, "label"));
    json_array_append_new(row, cell("%.3g", view_number(run, "bits_per_weight", NAN)));
    json_array_append_new(row, cell("%.4f", qualityview_loss(run)));
    json_array_append_new(row, plain ? cell("0") : cell("%+.4f ±%.4f", view_number(run, "delta", NAN),
                                                        view_number(run, "delta_se", NAN)));
    json_array_append_new(row, cell("%.4f", view_number(run, "kl", NAN)));
    json_array_append_new(row, cell("%.1f %%", 100 * view_number(run, "top1", NAN)));
    json_array_append_new(row, cell("%.1f s", view_number(run, "seconds", NAN)));
    return row;
}

/* The first run is FP32. */
static json_t *table(const json_t *quality)
{
    const json_t *runs = runs_of(quality);
    json_t *rows = json_array(), *run;
    size_t i;
    for (int rank = 1; rank <= (int)json_array_size(runs); rank++)
        json_array_foreach(runs, i, run)
            if ((int)view_number(run, "rank", 0) == rank)
                json_array_append_new(rows, row_of(run, i == 0));
    return json_pack("{s:s, s:[s,s,s,s,s,s,s,s], s:o}", "view", "table", "columns", "rank", "scheme", "bits/weight",
                     qualityview_unit(quality), "above FP32", "KL, nats", "top-1", "time", "rows", rows);
}

/* What one run wrote, under its name, or NULL where it wrote nothing. A new block. */
static json_t *sample_of(const json_t *run)
{
    const char *sample = view_text(run, "sample", NULL);
    return sample ? json_pack("{s:s, s:s, s:s}", "view", "code", "caption", view_text(run, "label", ""), "text", sample)
                  : NULL;
}

/* What each wrote, after what they go on from. */
static void add_samples(json_t *list, const json_t *quality)
{
    const char *prompt = view_text(quality, "prompt", NULL);
    size_t i;
    json_t *run;
    if (prompt)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "view", "code", "caption",
                                              "Each goes on from the beginning of the text, drawn with the same seed:",
                                              "text", prompt));
    json_array_foreach(runs_of(quality), i, run) {
        json_t *block = sample_of(run);
        if (block)
            json_array_append_new(list, block);
    }
}

json_t *qualityview_blocks(const json_t *quality)
{
    char text[1200];
    json_t *list = json_array();
    if (isfinite(qualityview_loss(json_array_get(runs_of(quality), 0)))) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "view", "prose", "text",
                                              about(quality, text, sizeof text)));
        json_array_append_new(list, table(quality));
    }
    add_samples(list, quality);
    return list;
}
