/* figures.h: one function a view kind: draws a block into the pen's area, returns its height.
 * They are rows of draw_table in draw.c. Shared pieces of figures stand below. */
#ifndef TUTOR_FIGURES_H
#define TUTOR_FIGURES_H

#include "engine/view.h"
#include "tutor/pen.h"

int figure_heading(struct pen *pen, const json_t *block);  /* figures_text.c */
int figure_prose(struct pen *pen, const json_t *block);
int figure_note(struct pen *pen, const json_t *block);
int figure_quote(struct pen *pen, const json_t *block);
int figure_code(struct pen *pen, const json_t *block);
int figure_table(struct pen *pen, const json_t *block);    /* figures_table.c */
int figure_cells(struct pen *pen, const json_t *block);
int figure_formula(struct pen *pen, const json_t *block);  /* figures_formula.c */
int figure_bits(struct pen *pen, const json_t *block);     /* figures_bits.c */
int figure_grid(struct pen *pen, const json_t *block);     /* figures_grid.c */
int figure_place(struct pen *pen, const json_t *block);
int figure_hist(struct pen *pen, const json_t *block);     /* figures_hist.c */
int figure_heat(struct pen *pen, const json_t *block);     /* figures_heat.c */
int figure_maps(struct pen *pen, const json_t *block);     /* figures_maps.c */
int figure_bars(struct pen *pen, const json_t *block);     /* figures_bars.c */
int figure_intervals(struct pen *pen, const json_t *block); /* figures_intervals.c */
int figure_stack(struct pen *pen, const json_t *block);    /* figures_stack.c */
int figure_plot(struct pen *pen, const json_t *block);     /* figures_plot.c */
int figure_roofline(struct pen *pen, const json_t *block); /* figures_roofline.c */
int figure_knobs(struct pen *pen, const json_t *block);    /* figures_form.c */
int figure_input(struct pen *pen, const json_t *block);
int figure_sure(struct pen *pen, const json_t *block);
int figure_working(struct pen *pen, const json_t *block);
int figure_choices(struct pen *pen, const json_t *block);  /* figures_list.c */
int figure_ranking(struct pen *pen, const json_t *block);
int figure_menu(struct pen *pen, const json_t *block);

/* ------------------------------------------------------------------------------------------- pieces of figures */

/* Rows of levels as a map of `columns` cells by `halves` half rows of cells; returns the rows of cells that it took.
 * And its legend. */
int heat_cells(struct pen *pen, const json_t *rows, int x, int y, int columns, int halves);
int heat_legend(struct pen *pen, int title_width, int y, const json_t *block);

/* ------------------------------------------------------------------------------- numbers that both faces show */

/* The running result of the first `count` terms, struck ones left out; NaN when there is none. */
double formula_value(const json_t *terms, size_t count);
/* How a term joins: "times", "divided by", "plus", "minus", "is". */
const char *formula_word(const json_t *term);

enum { BITS_LANES = 3 };
/* The widths of a row's sign, exponent and mantissa: one width is all mantissa, two are sign and mantissa. */
void bits_lanes(const json_t *row, int widths[BITS_LANES]);

/* The largest count of a histogram; 0 when it is empty. */
double hist_tallest(const json_t *counts);

/* The length of a bar: its value, or the sum of its parts. */
double bar_value(const json_t *bar);

/* A row of intervals whose label is wider takes a line more. */
enum { INTERVALS_LABEL = 20 };
/* "0.02, 0.015 to 0.024": what stands behind a row of intervals that has no cells, else "". */
char *interval_text(const json_t *row, const char *unit, char *out, size_t size);

/* "ridge 214": the label of a reference line with its number; `who` stands in for a missing label. */
char *plot_reference(const json_t *ref, const char *unit, const char *who, char *out, size_t size);

/* "H100: 3.35 TB/s, 990 TFLOP/s, meet at 295 FLOPs a byte, data sheet" and "FP16: 1 FLOPs a byte, 20 GFLOP/s". */
char *roofline_roof(const json_t *roof, char *out, size_t size);
char *roofline_point(const json_t *point, char *out, size_t size);

#endif
