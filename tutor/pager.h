/* pager.h: a few views to leaf through on the screen, without an app behind them. */
#ifndef TUTOR_PAGER_H
#define TUTOR_PAGER_H

#include <jansson.h>
#include <stddef.h>

#include "tutor/options.h"

/* Arrows left and right turn the pages (views, draw.h), up and down scroll, q leaves. 0, or -1 with one line in `error`
 * when there is no screen to be had. */
int pager_run(const struct options *, const json_t *pages, char *error, size_t size);

#endif
