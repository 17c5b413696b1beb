/* qualityview.h: figures of schemes (qualityjob.h) as blocks for people. */
#ifndef ENGINE_QUALITYVIEW_H
#define ENGINE_QUALITYVIEW_H

#include <jansson.h>
#include <stddef.h>

/* What was measured how, the schemes by rank, and what each wrote. A new list. */
json_t *qualityview_blocks(const json_t *quality);

/* The unit of loss: "bits/byte", or "bits/token" where a token is none; and the loss of one run in it, NaN where it was
 * not measured. */
const char *qualityview_unit(const json_t *quality);
double      qualityview_loss(const json_t *run);

#endif
