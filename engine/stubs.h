/* stubs.h: what an editor needs to know to help an author, printed from the tables that check lessons. */
#ifndef ENGINE_STUBS_H
#define ENGINE_STUBS_H

#include <stdio.h>

/* Definitions for the Lua language server: lessons/stubs/saffron.d.lua. */
void stubs_print(FILE *out);

#endif
