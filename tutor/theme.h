/* theme.h: what a style looks like: colors and attributes, for terminals from 24-bit to monochrome, and for pictures.
 * Dark and light keep the terminal's own foreground and background; blue is only the guess, orange only the outcome. */
#ifndef TUTOR_THEME_H
#define TUTOR_THEME_H

#include "tutor/canvas.h"

enum { LOOK_BOLD = 1, LOOK_DIM = 2, LOOK_UNDERLINE = 4, LOOK_REVERSE = 8, LOOK_ITALIC = 16, LOOK_STRUCK = 32 };

struct look {
    int32_t  fg, bg; /* 0xRRGGBB, or -1: the terminal's own */
    unsigned attributes;
};

struct theme;

enum { THEME_COUNT = 4 };

/* Themes by name: "dark", "light", "contrast", "safe" (for color-blind readers); NULL when unknown. By number: 0 to
 * THEME_COUNT - 1. */
const struct theme *theme_find(const char *name);
const struct theme *theme_at(int i);
const char *theme_name(const struct theme *theme);

/* The theme that suits the terminal's background, as far as COLORFGBG tells: "light" or "dark". */
const char *theme_guess(void);

/* How a glyph of `style` on a cell filled with the color of `back` looks. */
struct look theme_look(const struct theme *theme, enum style style, enum style back);

/* The same where there are no colors at all: attributes only. */
struct look theme_mono(enum style style);

/* The theme's own paper and ink, for pictures. */
int32_t theme_paper(const struct theme *theme);
int32_t theme_ink(const struct theme *theme);

/* The nearest of a terminal's first `colors` colors (8, 16 or 256) to 0xRRGGBB, by perceived distance. With 256, the
 * first 16 are left out: people redefine them. With fewer, a color stays a color and a grey a grey, and with 8 a grey
 * is -1, the terminal's own. */
int theme_nearest(int32_t rgb, int colors);

/* The number of a level of a heat map, 0 to 15, among 256 colors: all different. */
int theme_level(const struct theme *theme, int level);

#endif
