/* shot.h: a canvas as a picture: one self-contained SVG, for the README and for looking at.
 * Letters are text in a monospace font; lines and blocks are shapes, so that they join without seams. */
#ifndef TUTOR_SHOT_H
#define TUTOR_SHOT_H

#include "tutor/canvas.h"
#include "tutor/theme.h"

/* Writes the picture; false when the file did not take it. Nothing in it depends on the machine. */
bool shot_write(const struct canvas *canvas, const struct theme *theme, FILE *file);

#endif
