/* viewtext.h: small blocks of words and figures, for those who report on a file or a tensor. */
#ifndef ENGINE_VIEWTEXT_H
#define ENGINE_VIEWTEXT_H

#include <jansson.h>
#include <stddef.h>

/* A paragraph, at most 500 bytes. A new block. */
json_t *viewtext_prose(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds a row of two cells to those of a table: what it is, and its value. */
void viewtext_fact(json_t *rows, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The table of such rows, which it takes over. A new block. */
json_t *viewtext_facts(json_t *rows);

/* A number as it travels: what is not finite goes as "nan", "inf", "-inf". A new value. */
json_t *viewtext_number(double x);

/* "19.8 dB", of so many decimals; "exact" where nothing was lost. Writes to out, returns out. */
char *viewtext_decibels(double db, int decimals, char *out, size_t size);

#endif
