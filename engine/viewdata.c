/* viewdata.c: bins and levels. Levels are logarithmic, so that an outlier does not hide everything else. */
#include "engine/viewdata.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/view.h"

json_t *viewdata_bins(const float *x, size_t n, double from, double to, int bins)
{
    json_t *list = json_array();
    double *count = calloc((size_t)bins, sizeof *count);
    for (size_t i = 0; count && i < n; i++) {
        double place = ((double)x[i] - from) / (to - from) * bins;
        if (place >= 0 && place < bins)
            count[(int)place]++;
        else if ((double)x[i] == to)
            count[bins - 1]++;
    }
    for (int b = 0; count && b < bins; b++)
        json_array_append_new(list, json_real(count[b]));
    free(count);
    return list;
}

/* |value| or |error| of cell (r, c) of the reduced matrix: the largest in its rectangle, NaN if one is in there. */
static double heat_cell(const struct viewdata_matrix *m, size_t r, size_t rows, size_t c, size_t cols)
{
    double largest = 0;
    for (size_t i = r * m->rows / rows; i < (r + 1) * m->rows / rows; i++)
        for (size_t j = c * m->cols / cols; j < (c + 1) * m->cols / cols; j++) {
            size_t at = i * m->cols + j;
            double v = m->original ? (double)m->original[at] - (double)m->values[at] : (double)m->values[at];
            if (isnan(v))
                return NAN;
            if (fabs(v) > largest)
                largest = fabs(v);
        }
    return largest;
}

/* Sixteen levels, logarithmic over the three decades below the largest. */
static char level_of(double v, double high)
{
    if (isnan(v))
        return 'n';
    if (isinf(v))
        return 'f';
    if (!(v > 0) || !(high > 0))
        return '0';
    double level = 15 + 5 * log10(v / high);
    return "0123456789abcdef"[level < 0 ? 0 : level > 15 ? 15 : (int)(level + 0.5)];
}

void viewdata_label(json_t *block, const char *name, const char *prefix, double value)
{
    char number[64], text[80];
    snprintf(text, sizeof text, "%s%s", prefix, view_format(value, number, sizeof number));
    if (!json_object_get(block, name))
        json_object_set_new(block, name, json_string(text));
}

double *viewdata_reduce(const struct viewdata_matrix *m, size_t *rows, size_t *cols, double *high)
{
    *rows = m->rows < *rows ? m->rows : *rows;
    *cols = m->cols < *cols ? m->cols : *cols;
    double *cell = calloc(*rows * *cols + 1, sizeof *cell);
    for (size_t i = 0; cell && i < *rows * *cols; i++) {
        cell[i] = heat_cell(m, i / *cols, *rows, i % *cols, *cols);
        if (cell[i] > *high && !isinf(cell[i]))
            *high = cell[i];
    }
    return cell;
}

json_t *viewdata_levels(const double *cell, size_t rows, size_t cols, double high)
{
    json_t *lines = json_array();
    char line[VIEWDATA_COLS + 1];
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++)
            line[c] = level_of(cell[r * cols + c], high);
        json_array_append_new(lines, json_stringn(line, cols));
    }
    return lines;
}

const char *viewdata_heat(json_t *block, const struct viewdata_matrix *m)
{
    size_t rows = VIEWDATA_ROWS, cols = VIEWDATA_COLS;
    double high = 0, *cell = viewdata_reduce(m, &rows, &cols, &high);
    if (!cell)
        return "out of memory";
    json_object_set_new(block, "rows", viewdata_levels(cell, rows, cols, high));
    free(cell);
    json_object_set_new(block, "shape", json_pack("[I, I]", (json_int_t)m->rows, (json_int_t)m->cols));
    if (!json_object_get(block, "measure"))
        json_object_set_new(block, "measure", json_string(m->original ? "|error|" : "|x|"));
    viewdata_label(block, "low", "up to ", high / 1000);
    viewdata_label(block, "high", "", high);
    return NULL;
}
