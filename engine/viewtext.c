/* viewtext.c: paragraphs and tables of two columns. See viewtext.h. */
#include "engine/viewtext.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

json_t *viewtext_prose(const char *format, ...)
{
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return json_pack("{s:s, s:s}", "view", "prose", "text", text);
}

void viewtext_fact(json_t *rows, const char *what, const char *format, ...)
{
    char value[200];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    json_array_append_new(rows, json_pack("[s, s]", what, value));
}

json_t *viewtext_facts(json_t *rows)
{
    return json_pack("{s:s, s:o}", "view", "table", "rows", rows);
}

json_t *viewtext_number(double x)
{
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
}

char *viewtext_decibels(double db, int decimals, char *out, size_t size)
{
    if (db == (double)INFINITY)
        snprintf(out, size, "exact");
    else
        snprintf(out, size, "%.*f dB", decimals, db);
    return out;
}
