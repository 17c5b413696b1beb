/* rowops.c: the row operations for every processor.
 * The reference of the other variants, which are the same source under other compiler flags. */
#include "kernels/rowops_body.h"

const struct rowops rowops__scalar = ROWOPS;
