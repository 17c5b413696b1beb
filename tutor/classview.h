/* classview.h: what a class did, for an instructor: as pages of views for screen and plain mode, and as a web page. */
#ifndef TUTOR_CLASSVIEW_H
#define TUTOR_CLASSVIEW_H

#include <jansson.h>
#include <stdio.h>

#include "tutor/catalog.h"

/* Adds to classlog_json's object what the installed lessons say: "title" and "question" of each step, card and flag,
 * "text" of each answer, "lesson_title"; steps then stand in the order of the course. A
 * step of a lesson that is not installed keeps its id. */
void classview_name(json_t *class, const struct catalog *);

/* The pages of a named class, each a view: the class, then one page a step. New reference. */
json_t *classview_pages(const json_t *class);

/* classpage.c: one self-contained HTML page with plots, to be projected: a screen a step. False: not written. */
bool classpage_write(const json_t *class, FILE *out);

#endif
