/* figures_roofline.c: attainable speed over FLOPs a byte: a plot whose curves are machines' limits. */
#include "tutor/figures.h"

#include <math.h>
#include <string.h>

#include "tutor/axis.h"

/* "3.35 T" and the like: a number with the letter of its thousands. */
static char *scaled(double value, char *out, size_t size)
{
    static const char *const letters[] = { "", " k", " M", " G", " T", " P" };
    char number[48];
    size_t i = 0;
    while (i < 5 && fabs(value) >= 1000) {
        value /= 1000;
        i++;
    }
    snprintf(out, size, "%s%s", view_format(value, number, sizeof number), i ? letters[i] : " ");
    return out;
}

char *roofline_roof(const json_t *roof, char *out, size_t size)
{
    double bandwidth = view_number(roof, "bandwidth", NAN), peak = view_number(roof, "peak", NAN);
    const char *source = view_text(roof, "source", "");
    char bytes[64], flops[64], ridge[64];
    snprintf(out, size, "%s: %sB/s, %sFLOP/s, meet at %s FLOPs a byte%s%s", view_text(roof, "label", ""),
             scaled(bandwidth, bytes, sizeof bytes), scaled(peak, flops, sizeof flops),
             view_format(peak / bandwidth, ridge, sizeof ridge), *source ? ", " : "", source);
    return out;
}

char *roofline_point(const json_t *point, char *out, size_t size)
{
    char speed[64], intensity[64];
    snprintf(out, size, "%s: %s FLOPs a byte, %sFLOP/s", view_text(point, "label", ""),
             view_format(view_number(point, "intensity", NAN), intensity, sizeof intensity),
             scaled(view_number(point, "speed", NAN), speed, sizeof speed));
    return out;
}

/* The FLOPs a byte that the figure spans: from the smallest point or a hundredth of the first ridge to beyond the
 * last. */
static void span_of(const json_t *block, double *from, double *to)
{
    size_t i;
    json_t *item;
    *from = INFINITY;
    *to = 0;
    json_array_foreach(json_object_get(block, "roofs"), i, item) {
        double ridge = view_number(item, "peak", 1) / view_number(item, "bandwidth", 1);
        *from = ridge > 0 && ridge / 100 < *from ? ridge / 100 : *from;
        *to = ridge * 5 > *to ? ridge * 5 : *to;
    }
    json_array_foreach(json_object_get(block, "points"), i, item) {
        double x = view_number(item, "intensity", NAN);
        *from = x > 0 && x / 2 < *from ? x / 2 : *from;
        *to = x * 2 > *to ? x * 2 : *to;
    }
    if (!isfinite(*from) || !isfinite(*to) || !(*from < *to)) {
        *from = 0.1;
        *to = 1000;
    }
}

static json_t *roof_curve(const json_t *roof, double from, double to)
{
    double bandwidth = view_number(roof, "bandwidth", 1), peak = view_number(roof, "peak", 1), ridge = peak / bandwidth;
    double middle = ridge > from && ridge < to ? ridge : from;
    return json_pack("{s:s, s:[f,f,f], s:[f,f,f]}", "label", view_text(roof, "label", ""), "x", from, middle, to, "y",
                     fmin(peak, from * bandwidth), fmin(peak, middle * bandwidth), fmin(peak, to * bandwidth));
}

static json_t *point_series(const json_t *point)
{
    return json_pack("{s:s, s:s, s:s, s:[f], s:[f]}", "label", view_text(point, "label", ""), "style", "points", "role",
                     view_text(point, "role", "outcome"), "x", view_number(point, "intensity", 1), "y",
                     view_number(point, "speed", 1));
}

static json_t *plot_of(const json_t *block)
{
    json_t *series = json_array(), *item;
    double from, to;
    size_t i;
    span_of(block, &from, &to);
    json_array_foreach(json_object_get(block, "roofs"), i, item)
        json_array_append_new(series, roof_curve(item, from, to));
    json_array_foreach(json_object_get(block, "points"), i, item)
        json_array_append_new(series, point_series(item));
    return json_pack("{s:b, s:s, s:o, s:{s:s, s:s, s:f, s:f}, s:{s:s, s:s}}", "bare", 1, "title",
                     view_text(block, "title", ""), "series", series, "x", "label", "FLOPs a byte", "scale", "log",
                     "from", from, "to", to, "y", "label", "FLOP/s", "scale", "log");
}

int figure_roofline(struct pen *pen, const json_t *block)
{
    json_t *plot = plot_of(block), *item;
    int y = 0;
    char text[256];
    size_t i;
    if (!plot)
        return 0;
    y = figure_plot(pen, plot);
    json_decref(plot);
    json_array_foreach(json_object_get(block, "roofs"), i, item)
        y += pen_wrap(pen, 0, y, pen->width, roofline_roof(item, text, sizeof text), STYLE_DIM);
    json_array_foreach(json_object_get(block, "points"), i, item) {
        const char *role = view_text(item, "role", "outcome");
        pen_put(pen, 0, y, mark_glyph(role), mark_style(role));
        y += pen_wrap(pen, 2, y, pen->width - 2, roofline_point(item, text, sizeof text), STYLE_DIM);
    }
    return y;
}
