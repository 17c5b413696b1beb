/* benchview.h: what the bench measured, as blocks for people: the limits, then bars for each operation and size. */
#ifndef ENGINE_BENCHVIEW_H
#define ENGINE_BENCHVIEW_H

#include <jansson.h>

/* `bench` is {"machine", "limits", "kernels"} as --json prints it. A new list. */
json_t *benchview_blocks(const json_t *bench);

#endif
