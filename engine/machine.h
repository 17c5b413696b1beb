/* machine.h: what this machine calls itself.
 * For provenance lines, and for SAFFRON_MASK, which takes it out of them. */
#ifndef ENGINE_MACHINE_H
#define ENGINE_MACHINE_H

#include <jansson.h>

/* The processor's name as people know it, never NULL. */
const char *machine_name(void);

/* What it has, for `saffron doctor`: [[name, text]...], a new reference. */
json_t *machine_facts(void);

#endif
