/* quantview.h: a rounded tensor as blocks for a screen: what it cost and gained, and pictures of where. */
#ifndef ENGINE_QUANTVIEW_H
#define ENGINE_QUANTVIEW_H

#include <jansson.h>

#include "engine/quantlook.h"
#include "engine/safetensors.h"

/* What is shown. */
struct quantview {
    const json_t            *report;    /* what --json prints of it */
    const struct quantlook  *look;
    const struct recipe     *recipe;
    const struct method     *method;
    const struct safetensor *tensor;    /* as it was */
    size_t                   tokens;    /* that the output was measured on; 0: it was not */
    const char              *out;       /* the file that was written, or NULL */
};

/* The recipe, its bits and its error; how values met the codes; whose error it is; scales, the worst rows and columns,
 * a map of the error. A new list. */
json_t *quantview_blocks(const struct quantview *);

#endif
