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
int figure_bars(struct pen *pen, const json_t *block);     /* figures_bars.c */
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

#endif
